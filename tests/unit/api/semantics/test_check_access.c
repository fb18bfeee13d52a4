/* Rules of roles, bindings and certificate requests. Objects are JSON with ' for quotes; causes are
 * compared as text, in order. */
#include "tests/unit/api/semantics/causes.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>

#define RBAC "rbac.authorization.k8s.io/v1"

START_TEST(subjects_that_there_are_come_in_their_order)
{
    ck_assert_causes(RBAC, "RoleBinding",
                     "{'metadata':{'name':'o','namespace':'n'},'roleRef':{'kind':'Role','name':'r'}"
                     ",'subjects':[{'kind':'Robot','name':'x'}]}",
                     "subjects[0].kind: Unsupported value: \"Robot\": supported values: "
                     "\"ServiceAccount\", \"User\", \"Group\"");
}
END_TEST

START_TEST(a_selector_of_roles_that_is_wrong_is_told_as_a_whole_too)
{
    ck_assert_causes(RBAC, "ClusterRole",
                     "{'metadata':{'name':'o'},'aggregationRule':{'clusterRoleSelectors':[{"
                     "'matchExpressions':[{'key':'a','operator':'Is'}]},{}]}}",
                     "aggregationRule.clusterRoleSelectors[0].matchExpressions[0].operator: "
                     "Invalid value: \"Is\": not a valid selector operator\n"
                     "aggregationRule.clusterRoleSelectors[0]: Invalid value: \"null\": invalid "
                     "label selector.");
}
END_TEST

Suite *check_access_suite(void)
{
    Suite *suite = suite_create("check_access");
    TCase *rules = tcase_create("rules");
    tcase_add_test(rules, subjects_that_there_are_come_in_their_order);
    tcase_add_test(rules, a_selector_of_roles_that_is_wrong_is_told_as_a_whole_too);
    suite_add_tcase(suite, rules);
    return suite;
}
