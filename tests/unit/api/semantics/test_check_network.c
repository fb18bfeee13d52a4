/* Rules of Ingresses, their classes and NetworkPolicies. Objects are JSON with ' for quotes; causes
 * are compared as text, in order. */
#include "tests/unit/api/semantics/causes.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>

#define NETWORKING "networking.k8s.io/v1"

START_TEST(only_a_new_ingress_names_its_class_in_one_way)
{
#define INGRESS(annotation)                                                                        \
    "{'metadata':{'name':'o','namespace':'n','annotations':{'kubernetes.io/"                       \
    "ingress.class':'" annotation                                                                  \
    "'}},'spec':{'ingressClassName':'a','defaultBackend':{'service':{'name':'s',"                  \
    "'port':{'number':1}}}}}"
    ck_assert_causes(NETWORKING, "Ingress", INGRESS("b"),
                     "annotations.kubernetes.io/ingress.class: Invalid value: \"b\": must match "
                     "`ingressClassName` when both are specified");
    ck_assert_causes_update(NETWORKING, "Ingress", INGRESS("a"), INGRESS("b"), "");
#undef INGRESS
}
END_TEST

START_TEST(what_an_ingress_class_may_not_change_comes_before_what_is_wrong)
{
#define CLASS(members) "{'metadata':{'name':'o'},'spec':{" members "}}"
    ck_assert_causes_update(NETWORKING, "IngressClass", CLASS("'controller':'a.b/c'"),
                            CLASS("'controller':'x'"),
                            "spec.controller: Invalid value: \"x\": field is immutable\n"
                            "spec.controller: Invalid value: \"x\": must be a domain-prefixed path "
                            "(such as \"acme.io/foo\")");
#undef CLASS
}
END_TEST

START_TEST(a_policys_types_are_shown_as_they_were_written)
{
#define POLICY(types)                                                                              \
    "{'metadata':{'name':'o','namespace':'n'},'spec':{'podSelector':{},'policyTypes':[" types "]}" \
    "}"
    ck_assert_causes(NETWORKING, "NetworkPolicy", POLICY("'In'"),
                     "spec.policyTypes[0]: Unsupported value: \"In\": supported values: "
                     "\"Ingress\", \"Egress\"");
    ck_assert_causes(NETWORKING, "NetworkPolicy", POLICY("'Ingress','Egress','Ingress'"),
                     "spec.policyTypes: Invalid value: []networking.PolicyType{\"Ingress\", "
                     "\"Egress\", \"Ingress\"}: may not specify more than two policyTypes");
#undef POLICY
}
END_TEST

Suite *check_network_suite(void)
{
    Suite *suite = suite_create("check_network");
    TCase *rules = tcase_create("rules");
    tcase_add_test(rules, only_a_new_ingress_names_its_class_in_one_way);
    tcase_add_test(rules, what_an_ingress_class_may_not_change_comes_before_what_is_wrong);
    tcase_add_test(rules, a_policys_types_are_shown_as_they_were_written);
    suite_add_tcase(suite, rules);
    return suite;
}
