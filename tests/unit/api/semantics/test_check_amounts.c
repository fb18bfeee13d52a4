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

Suite *check_amounts_suite(void)
{
    Suite *suite = suite_create("check_amounts");
    TCase *rules = tcase_create("rules");
    tcase_add_test(rules, a_scaler_to_zero_measures_something_outside_the_pods);
    tcase_add_test(rules, an_amount_of_nothing_is_told_once_and_shown_as_its_parts);
    tcase_add_test(rules, a_container_metric_names_a_container_and_what_containers_have);
    tcase_add_test(rules, a_metrics_selector_is_left_to_who_measures);
    suite_add_tcase(suite, rules);
    return suite;
}
