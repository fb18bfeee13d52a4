/* A FlowSchema says whether the priority level that it names exists. */
#include "k8s/flowcontrol_v1.pb-c.h"
#include "tests/unit/controllers/cluster.h"

#include <check.h>

#define GROUP "flowcontrol.apiserver.k8s.io"

Suite *flow_status_suite(void);

static struct cluster cluster;

static void setup(void)
{
    cluster_open(&cluster);
}

static void teardown(void)
{
    cluster_close(&cluster);
}

static const Flowcontrol__V1__FlowSchemaCondition *shown(void)
{
    const Flowcontrol__V1__FlowSchema *schema =
        cluster_get(&cluster, GROUP, "flowschemas", "", "s")->message;
    ck_assert_uint_eq(schema->status->n_conditions, 1);
    ck_assert_str_eq(schema->status->conditions[0]->type, "Dangling");
    return schema->status->conditions[0];
}

START_TEST(a_schema_dangles_until_its_level_is_there_and_again_when_it_goes)
{
    cluster_add(&cluster, GROUP "/v1", "FlowSchema",
                "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"matchingPrecedence\":5,"
                "\"priorityLevelConfiguration\":{\"name\":\"l\"}}}");
    cluster_run_ms(&cluster, 200);
    ck_assert_str_eq(shown()->status, "True");
    ck_assert_str_eq(shown()->reason, "NotFound");
    ck_assert_str_eq(shown()->message, "This FlowSchema references the PriorityLevelConfiguration "
                                       "object named \"l\" but there is no such object");
    const struct client_object *level =
        cluster_add(&cluster, GROUP "/v1", "PriorityLevelConfiguration",
                    "{\"metadata\":{\"name\":\"l\"},\"spec\":{\"type\":\"Exempt\"}}");
    cluster_run_ms(&cluster, 200);
    ck_assert_str_eq(shown()->status, "False");
    ck_assert_str_eq(shown()->reason, "Found");
    fake_client_remove(cluster.api, level);
    cluster_run_ms(&cluster, 200);
    ck_assert_str_eq(shown()->status, "True");
}
END_TEST

Suite *flow_status_suite(void)
{
    Suite *suite = suite_create("controllers/flowschema");
    TCase *tcase = tcase_create("status");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_schema_dangles_until_its_level_is_there_and_again_when_it_goes);
    suite_add_tcase(suite, tcase);
    return suite;
}
