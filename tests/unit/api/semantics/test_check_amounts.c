/* Rules of what counts and scales: HorizontalPodAutoscalers, ResourceQuotas. Objects are JSON with
 * ' for quotes; causes are compared as text, in order. */
#include "tests/unit/api/semantics/causes.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>

#define ZERO                                                                                       \
    "resource.Quantity{i:resource.int64Amount{value:0, scale:0}, "                                 \
    "d:resource.infDecAmount{Dec:(*inf.Dec)(nil)}, s:\"0\", Format:\"DecimalSI\"}"

/* --- Autoscalers --------------------------------------------------------------------------------
 */

#define SCALER(members)                                                                            \
    "{'metadata':{'name':'o','namespace':'n'},'spec':{'scaleTargetRef':{'kind':'Deployment',"      \
    "'name':'d'},'maxReplicas':3," members "}}"
#define OF_PODS(target)                                                                            \
    SCALER("'metrics':[{'type':'Pods','pods':{'metric':{'name':'m'},'target':" target "}}]")
#define OF_CONTAINER(resource, container)                                                          \
    SCALER("'metrics':[{'type':'ContainerResource','containerResource':{'name':'" resource         \
           "','container':'" container "','target':{'type':'Utilization','averageUtilization':50"  \
           "}}}]")

START_TEST(a_scaler_to_zero_measures_something_outside_the_pods)
{
    ck_assert_causes("autoscaling/v2", "HorizontalPodAutoscaler", SCALER("'minReplicas':0"),
                     "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1\n"
                     "spec.metrics: Forbidden: must specify at least one Object or External metric "
                     "to support scaling to zero replicas");
    ck_assert_causes("autoscaling/v2", "HorizontalPodAutoscaler",
                     SCALER("'minReplicas':0,'metrics':[{'type':'External','external':{'metric':{"
                            "'name':'m'},'target':{'type':'Value','value':'1'}}}]"),
                     "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1");
}
END_TEST

START_TEST(an_amount_of_nothing_is_told_once_and_shown_as_its_parts)
{
    ck_assert_causes("autoscaling/v2", "HorizontalPodAutoscaler",
                     OF_PODS("{'type':'AverageValue','averageValue':'0'}"),
                     "spec.metrics[0].pods.target.averageValue: Invalid value: " ZERO
                     ": must be positive");
    ck_assert_causes("autoscaling/v2", "HorizontalPodAutoscaler", OF_PODS("{'type':'Value'}"),
                     "spec.metrics[0].pods.target.averageValue: Required value: must specify a "
                     "positive target averageValue");
}
END_TEST

START_TEST(a_container_metric_names_a_container_and_what_containers_have)
{
    ck_assert_causes("autoscaling/v2", "HorizontalPodAutoscaler", OF_CONTAINER("cpu", "web"), "");
    ck_assert_causes("autoscaling/v2", "HorizontalPodAutoscaler", OF_CONTAINER("a.b/c", "web"), "");
    ck_assert_causes("autoscaling/v2", "HorizontalPodAutoscaler", OF_CONTAINER("pods", "Web"),
                     "spec.metrics[0].containerResource.name: Invalid value: pods: must be a "
                     "standard resource for containers\n"
                     "spec.metrics[0].containerResource.container: Invalid value: \"Web\": a "
                     "lowercase RFC 1123 label must consist of lower case alphanumeric characters "
                     "or '-', and must start and end with an alphanumeric character (e.g. "
                     "'my-name',  or '123-abc', regex used for validation is "
                     "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')");
}
END_TEST

START_TEST(a_metrics_selector_is_left_to_who_measures)
{
    ck_assert_causes("autoscaling/v2", "HorizontalPodAutoscaler",
                     SCALER("'metrics':[{'type':'External','external':{'metric':{'name':'m',"
                            "'selector':{'matchLabels':{'a':'-'}}},'target':{'type':'Value',"
                            "'value':'1'}}}]"),
                     "");
}
END_TEST

/* --- Quotas -------------------------------------------------------------------------------------
 */

#define QUOTA(hard, members)                                                                       \
    "{'metadata':{'name':'o','namespace':'n'},'spec':{'hard':{" hard "}" members "}}"
#define SELECTED(scope, op)                                                                        \
    ",'scopeSelector':{'matchExpressions':[{'scopeName':'" scope "','operator':'" op "'}]}"

START_TEST(what_is_counted_is_whole)
{
#define PARTS(value, text)                                                                         \
    "resource.Quantity{i:resource.int64Amount{value:" value                                        \
    ", scale:-3}, d:resource.infDecAmount{Dec:(*inf.Dec)(nil)}, s:\"" text                         \
    "\", Format:\"DecimalSI\"}"
    ck_assert_causes("v1", "ResourceQuota", QUOTA("'pods':'1500m'", ""),
                     "spec.hard[pods]: Invalid value: " PARTS("1500", "1500m") ": must be an "
                                                                               "integer");
    ck_assert_causes("v1", "ResourceQuota", QUOTA("'a.b/c':'500m'", ""),
                     "spec.hard[a.b/c]: Invalid value: " PARTS("500", "500m") ": must be an "
                                                                              "integer");
    ck_assert_causes("v1", "ResourceQuota", QUOTA("'requests.a.b/c':'500m'", ""), "");
    ck_assert_causes("v1", "ResourceQuota", QUOTA("'pods':'-1'", ""),
                     "spec.hard[pods]: Invalid value: \"-1\": must be greater than or equal to 0");
#undef PARTS
}
END_TEST

START_TEST(a_scope_that_is_not_known_is_told_once)
{
    ck_assert_causes("v1", "ResourceQuota", QUOTA("'services':'1'", ",'scopes':['X']"),
                     "spec.scopes: Invalid value: []core.ResourceQuotaScope{\"X\"}: unsupported "
                     "scope");
}
END_TEST

START_TEST(scopes_of_a_quota_are_a_set_that_stays)
{
#define SCOPED(scopes) "{'metadata':{'name':'o','namespace':'n'},'spec':{'scopes':[" scopes "]}}"
    ck_assert_causes_update("v1", "ResourceQuota", SCOPED("'Terminating','BestEffort'"),
                            SCOPED("'BestEffort','Terminating','BestEffort'"), "");
    ck_assert_causes_update(
        "v1", "ResourceQuota", SCOPED("'Terminating','BestEffort'"), SCOPED("'BestEffort'"),
        "spec.scopes: Invalid value: []core.ResourceQuotaScope{\"BestEffort\"}: "
        "field is immutable");
    ck_assert_causes_update(
        "v1", "ResourceQuota", SCOPED("'BestEffort'"), SCOPED("'Terminating','BestEffort'"),
        "spec.scopes: Invalid value: []core.ResourceQuotaScope{\"Terminating\", "
        "\"BestEffort\"}: field is immutable");
#undef SCOPED
}
END_TEST

START_TEST(a_scope_is_of_pods_for_each_resource_that_they_do_not_have)
{
    ck_assert_causes(
        "v1", "ResourceQuota",
        QUOTA("'hugepages-2Mi':'1','services':'1','count/pods':'1'", ",'scopes':['Terminating']"),
        "spec.scopes: Invalid value: []core.ResourceQuotaScope{\"Terminating\"}: "
        "unsupported scope applied to resource\n"
        "spec.scopes: Invalid value: []core.ResourceQuotaScope{\"Terminating\"}: "
        "unsupported scope applied to resource");
    ck_assert_causes("v1", "ResourceQuota",
                     QUOTA("'services':'1'", SELECTED("PriorityClass", "Exists")),
                     "spec.scopeSelector.matchExpressions: Invalid value: "
                     "core.ScopeSelector{MatchExpressions:[]core.ScopedResourceSelectorRequirement{"
                     "core.ScopedResourceSelectorRequirement{ScopeName:\"PriorityClass\", "
                     "Operator:\"Exists\", Values:[]string(nil)}}}: unsupported scope applied to "
                     "resource");
}
END_TEST

START_TEST(scopes_of_a_selector_exclude_each_other_too)
{
    ck_assert_causes("v1", "ResourceQuota",
                     QUOTA("'pods':'1'",
                           ",'scopeSelector':{'matchExpressions':[{'scopeName':'Terminating',"
                           "'operator':'Exists'},{'scopeName':'NotTerminating','operator':'Exists'"
                           "}]}"),
                     "spec.scopeSelector.matchExpressions: Invalid value: "
                     "[]core.ResourceQuotaScope(nil): conflicting scopes");
}
END_TEST

Suite *check_amounts_suite(void)
{
    Suite *suite = suite_create("check_amounts");
    TCase *rules = tcase_create("rules");
    tcase_add_test(rules, a_scaler_to_zero_measures_something_outside_the_pods);
    tcase_add_test(rules, an_amount_of_nothing_is_told_once_and_shown_as_its_parts);
    tcase_add_test(rules, a_container_metric_names_a_container_and_what_containers_have);
    tcase_add_test(rules, a_metrics_selector_is_left_to_who_measures);
    tcase_add_test(rules, what_is_counted_is_whole);
    tcase_add_test(rules, a_scope_that_is_not_known_is_told_once);
    tcase_add_test(rules, scopes_of_a_quota_are_a_set_that_stays);
    tcase_add_test(rules, a_scope_is_of_pods_for_each_resource_that_they_do_not_have);
    tcase_add_test(rules, scopes_of_a_selector_exclude_each_other_too);
    suite_add_tcase(suite, rules);
    return suite;
}
