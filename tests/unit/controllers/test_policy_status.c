/* A ValidatingAdmissionPolicy says what may be wrong with its expressions. */
#include "k8s/admissionregistration_v1.pb-c.h"
#include "tests/unit/controllers/cluster.h"

#include <check.h>

#define GROUP "admissionregistration.k8s.io"

Suite *policy_status_suite(void);

static struct cluster cluster;

static void setup(void)
{
    cluster_open(&cluster);
}

static void teardown(void)
{
    cluster_close(&cluster);
}

static const Admissionregistration__V1__ValidatingAdmissionPolicyStatus *status_of(const char *name)
{
    const Admissionregistration__V1__ValidatingAdmissionPolicy *policy =
        cluster_get(&cluster, GROUP, "validatingadmissionpolicies", "", name)->message;
    ck_assert_ptr_nonnull(policy->status);
    ck_assert_ptr_nonnull(policy->status->type_checking);
    return policy->status;
}

#define POLICY(name, groups, resources, rest)                                                      \
    "{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"matchConstraints\":{"                       \
    "\"resourceRules\":[{\"apiGroups\":[" groups "],\"apiVersions\":[\"v1\"],\"operations\":["     \
    "\"CREATE\"],\"resources\":[" resources "]}]}," rest "}}"

START_TEST(expressions_are_held_against_the_kinds_of_a_policy)
{
    cluster_add(&cluster, GROUP "/v1", "ValidatingAdmissionPolicy",
                POLICY("p", "\"apps\"", "\"deployments\",\"replicasets\"",
                       "\"variables\":[{\"name\":\"n\",\"expression\":\"object.spec.replicas\"}],"
                       "\"validations\":[{\"expression\":\"object.replicas > 1\","
                       "\"messageExpression\":\"object.metadata.namespace\"},"
                       "{\"expression\":\"variables.n > 1 && object.spec.paused\"}]"));
    cluster_run_ms(&cluster, 200);
    const Admissionregistration__V1__TypeChecking *checking = status_of("p")->type_checking;
    ck_assert_int_eq(status_of("p")->observed_generation, 1);
    ck_assert_uint_eq(checking->n_expression_warnings, 2);
    ck_assert_str_eq(checking->expression_warnings[0]->field_ref, "spec.validations[0].expression");
    ck_assert_str_eq(checking->expression_warnings[0]->warning,
                     "apps/v1, Kind=Deployment: ERROR: <input>:1:7: undefined field 'replicas'\n"
                     " | object.replicas > 1\n"
                     " | ......^\n"
                     "\n"
                     "apps/v1, Kind=ReplicaSet: ERROR: <input>:1:7: undefined field 'replicas'\n"
                     " | object.replicas > 1\n"
                     " | ......^\n");
    ck_assert_str_eq(checking->expression_warnings[1]->field_ref, "spec.validations[1].expression");
    ck_assert_ptr_nonnull(
        strstr(checking->expression_warnings[1]->warning, "undefined field 'paused'"));
}
END_TEST

START_TEST(types_are_those_of_the_json_form)
{
    cluster_add(
        &cluster, GROUP "/v1", "ValidatingAdmissionPolicy",
        POLICY("p", "\"\"", "\"pods\"",
               "\"paramKind\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"},\"validations\":["
               "{\"expression\":\"object.spec.containers.all(c, c.image.startsWith('a') && "
               "c.ports.all(p, p.containerPort > 1) && c.resources.limits['cpu'] != '1' && "
               "c.livenessProbe.httpGet.port == 80) && object.kind == 'Pod' && "
               "object.metadata.labels['a'] == params.data['a'] && "
               "object.metadata.creationTimestamp > timestamp('2020-01-01T00:00:00Z') && "
               "oldObject.spec.volumes[0].configMap.optional\"}]"));
    cluster_run_ms(&cluster, 200);
    const Admissionregistration__V1__TypeChecking *checking = status_of("p")->type_checking;
    ck_assert_msg(checking->n_expression_warnings == 0, "%s",
                  checking->n_expression_warnings == 0 ? ""
                                                       : checking->expression_warnings[0]->warning);
}
END_TEST

START_TEST(what_is_about_everything_or_nothing_known_has_no_warnings)
{
    cluster_add(
        &cluster, GROUP "/v1", "ValidatingAdmissionPolicy",
        POLICY("p", "\"*\"", "\"pods\"", "\"validations\":[{\"expression\":\"object.x\"}]"));
    cluster_add(&cluster, GROUP "/v1", "ValidatingAdmissionPolicy",
                POLICY("q", "\"none.example.com\"", "\"things\"",
                       "\"validations\":[{\"expression\":\"object.x\"}]"));
    cluster_run_ms(&cluster, 200);
    ck_assert_uint_eq(status_of("p")->type_checking->n_expression_warnings, 0);
    ck_assert_uint_eq(status_of("q")->type_checking->n_expression_warnings, 0);
}
END_TEST

Suite *policy_status_suite(void)
{
    Suite *suite = suite_create("controllers/policy");
    TCase *tcase = tcase_create("status");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, expressions_are_held_against_the_kinds_of_a_policy);
    tcase_add_test(tcase, types_are_those_of_the_json_form);
    tcase_add_test(tcase, what_is_about_everything_or_nothing_known_has_no_warnings);
    suite_add_tcase(suite, tcase);
    return suite;
}
