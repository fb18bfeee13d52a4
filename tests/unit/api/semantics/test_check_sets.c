/* What the controllers of pods, Services, owners, volumes and nodes are held to: strategies,
 * selectors, templates, families of addresses, amounts. */
#include "lib/base/buffer.h"
#include "tests/unit/api/semantics/causes.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>

#define META      "'metadata':{'name':'o','namespace':'n'}"
#define PODS(pod) "'template':{'metadata':{'labels':{'a':'b'}},'spec':{" pod "}}"
#define SELECTED  "'selector':{'matchLabels':{'a':'b'}},"
#define IMAGE     "'containers':[{'name':'c','image':'i'}]"
#define SET(spec) "{" META ",'spec':{" spec "}}"

/* --- Strategies --------------------------------------------------------------------------------
 */

START_TEST(an_unknown_strategy_is_shown_whole)
{
    ck_assert_causes("apps/v1", "DaemonSet",
                     SET(SELECTED PODS(IMAGE) ",'updateStrategy':{'type':'Odd'}"),
                     "spec.updateStrategy: Unsupported value: apps.DaemonSetUpdateStrategy{Type:"
                     "\"Odd\", RollingUpdate:(*apps.RollingUpdateDaemonSet)(nil)}: supported "
                     "values: \"RollingUpdate\", \"OnDelete\"");
    ck_assert_causes("apps/v1", "StatefulSet",
                     SET(SELECTED PODS(IMAGE) ",'updateStrategy':{'type':'Odd'}"),
                     "spec.updateStrategy: Invalid value: apps.StatefulSetUpdateStrategy{Type:"
                     "\"Odd\", RollingUpdate:(*apps.RollingUpdateStatefulSetStrategy)(nil)}: must "
                     "be 'RollingUpdate' or 'OnDelete'");
    ck_assert_causes("apps/v1", "Deployment",
                     SET(SELECTED PODS(IMAGE) ",'strategy':{'type':'Odd'}"),
                     "spec.strategy: Unsupported value: apps.DeploymentStrategy{Type:\"Odd\", "
                     "RollingUpdate:(*apps.RollingUpdateDeployment)(nil)}: supported values: "
                     "\"Recreate\", \"RollingUpdate\"");
}
END_TEST

START_TEST(an_amount_that_is_none_counts_as_nothing)
{
    ck_assert_causes("apps/v1", "DaemonSet",
                     SET(SELECTED PODS(IMAGE) ",'updateStrategy':{'rollingUpdate':{"
                                              "'maxUnavailable':'x'}}"),
                     "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "
                     "intstr.IntOrString{Type:1, IntVal:0, StrVal:\"x\"}: a valid percent string "
                     "must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', "
                     "regex used for validation is '[0-9]+%')\n"
                     "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be "
                     "0 when maxSurge is 0");
    ck_assert_causes("apps/v1", "DaemonSet",
                     SET(SELECTED PODS(IMAGE) ",'updateStrategy':{'rollingUpdate':{"
                                              "'maxUnavailable':'1'}}"),
                     "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "
                     "intstr.IntOrString{Type:1, IntVal:0, StrVal:\"1\"}: a valid percent string "
                     "must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', "
                     "regex used for validation is '[0-9]+%')");
}
END_TEST

START_TEST(what_becomes_of_a_sets_claims_is_said_in_their_order)
{
    ck_assert_causes("apps/v1", "StatefulSet",
                     SET(SELECTED PODS(IMAGE) ",'persistentVolumeClaimRetentionPolicy':{"
                                              "'whenScaled':'Keep'}"),
                     "spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "
                     "\"Keep\": supported values: \"Retain\", \"Delete\"");
}
END_TEST

/* --- Templates and selectors -------------------------------------------------------------------
 */

/* They may mount the claims that are made for them. */
START_TEST(the_pods_of_a_stateful_set_are_not_looked_at)
{
#define MOUNTS "'containers':[{'name':'c','volumeMounts':[{'name':'data','mountPath':'/a'}]}]"
    ck_assert_causes("apps/v1", "StatefulSet", SET(SELECTED PODS(MOUNTS)), "");
    ck_assert_causes("apps/v1", "ReplicaSet", SET(SELECTED PODS(MOUNTS)),
                     "spec.template.spec.containers[0].image: Required value\n"
                     "spec.template.spec.containers[0].volumeMounts[0].name: Not found: \"data\"");
    ck_assert_causes("apps/v1", "StatefulSet",
                     SET(SELECTED PODS(MOUNTS ",'restartPolicy':'Never'")),
                     "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported "
                     "values: \"Always\"");
#undef MOUNTS
}
END_TEST

START_TEST(a_stateful_sets_name_is_one_label)
{
    ck_assert_causes(
        "apps/v1", "StatefulSet",
        "{'metadata':{'name':'a.b','namespace':'n'},'spec':{" SELECTED PODS(IMAGE) "}}",
        "metadata.name: Invalid value: \"a.b\": must not contain dots");
}
END_TEST

START_TEST(a_selector_that_cannot_be_read_is_said_in_the_kinds_own_words)
{
#define ODD "'selector':{'matchExpressions':[{'key':'a','operator':'Odd'}]},"
#define SAYS                                                                                       \
    "spec.selector.matchExpressions[0].operator: Invalid value: \"Odd\": not a valid "             \
    "selector operator"
#define WHOLE                                                                                      \
    "\nspec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string(nil), "        \
    "MatchExpressions:[]v1.LabelSelectorRequirement{v1.LabelSelectorRequirement{Key:"              \
    "\"a\", Operator:\"Odd\", Values:[]string(nil)}}}"
    ck_assert_causes("apps/v1", "DaemonSet", SET(ODD PODS(IMAGE)), SAYS);
    ck_assert_causes("apps/v1", "StatefulSet", SET(ODD PODS(IMAGE)), SAYS WHOLE);
    ck_assert_causes("apps/v1", "Deployment", SET(ODD PODS(IMAGE)),
                     SAYS WHOLE ": invalid label selector");
#undef WHOLE
#undef SAYS
#undef ODD
}
END_TEST

START_TEST(a_count_of_collisions_that_is_gone_is_zero)
{
    static const char *const kinds[] = {"DaemonSet", "Deployment", "StatefulSet"};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        ck_assert_causes_part("apps/v1", kinds[i], "status",
                              "{" META
                              ",'spec':{" SELECTED PODS(IMAGE) "},'status':{'collisionCount':1}}",
                              SET(SELECTED PODS(IMAGE)),
                              "status.collisionCount: Invalid value: 0: cannot be decremented");
    }
}
END_TEST

/* --- Services and owners -----------------------------------------------------------------------
 */

#define SERVICE(spec)                                                                              \
    "{" META ",'spec':{'type':'LoadBalancer','allocateLoadBalancerNodePorts':true,"                \
    "'sessionAffinity':'None','externalTrafficPolicy':'Cluster','internalTrafficPolicy':'Cluster'" \
    ","                                                                                            \
    "'ports':[{'port':80,'targetPort':80}]," spec "}}"

START_TEST(what_a_service_was_once_it_stays)
{
#define FAMILIES(ips, families)                                                                    \
    SERVICE("'clusterIP':'10.0.0.1','clusterIPs':[" ips "],'ipFamilyPolicy':'PreferDualStack',"    \
            "'ipFamilies':[" families "]")
    ck_assert_causes_update(
        "v1", "Service", FAMILIES("'10.0.0.1','fd00::1'", "'IPv4','IPv6'"),
        FAMILIES("'10.0.0.1'", "'IPv4'"),
        "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be set to 'SingleStack' "
        "when releasing the secondary clusterIP\n"
        "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be set to 'SingleStack' "
        "when releasing the secondary ipFamily");
    ck_assert_causes_update("v1", "Service", SERVICE("'ipFamilies':['IPv6']"),
                            SERVICE("'ipFamilies':['IPv4']"),
                            "spec.ipFamilies[0]: Invalid value: []core.IPFamily{\"IPv4\"}: may not "
                            "change once set");
    ck_assert_causes_update(
        "v1", "Service", SERVICE("'loadBalancerClass':'a/b'"), SERVICE("'x':1"),
        "spec.loadBalancerClass: Invalid value: \"null\": may not change once set");
    ck_assert_causes("v1", "Service",
                     "{" META ",'spec':{'type':'ExternalName','externalName':'.'}}",
                     "spec.externalName: Required value");
    ck_assert_causes_part("v1", "Service", "status", "{" META ",'spec':{'ports':[{'port':80}]}}",
                          "{" META ",'spec':{'ports':[{'port':80}]},'status':{'loadBalancer':{"
                          "'ingress':[{'hostname':'a'}]}}}",
                          "status.loadBalancer.ingress: Forbidden: may only be used when "
                          "`spec.type` is 'LoadBalancer'");
#undef FAMILIES
}
END_TEST

START_TEST(what_is_wrong_with_an_owner_is_said_of_the_list)
{
#define OWNED(owners) "{'metadata':{'name':'o','namespace':'n','ownerReferences':[" owners "]}}"
#define OWNER(name)   "{'apiVersion':'v1','kind':'Pod','name':'" name "','uid':'u','controller':true}"
#define SHOWN(name)                                                                                \
    "v1.OwnerReference{APIVersion:\"v1\", Kind:\"Pod\", Name:\"" name                              \
    "\", UID:\"u\", Controller:(*bool)(0xc000000000), BlockOwnerDeletion:(*bool)(nil)}"
    ck_assert_causes("v1", "ConfigMap", OWNED("{'apiVersion':'apps/'}"),
                     "metadata.ownerReferences.apiVersion: Invalid value: \"apps/\": version must "
                     "not be empty\n"
                     "metadata.ownerReferences.kind: Invalid value: \"\": kind must not be empty\n"
                     "metadata.ownerReferences.name: Invalid value: \"\": name must not be empty\n"
                     "metadata.ownerReferences.uid: Invalid value: \"\": uid must not be empty");
    ck_assert_causes("v1", "ConfigMap",
                     OWNED("{'apiVersion':'v1','kind':'Event','name':'e','uid':'u'}"),
                     "metadata.ownerReferences: Invalid value: v1.OwnerReference{APIVersion:\"v1\","
                     " Kind:\"Event\", Name:\"e\", UID:\"u\", Controller:(*bool)(nil), "
                     "BlockOwnerDeletion:(*bool)(nil)}: /v1, Kind=Event is disallowed from being "
                     "an owner");
    ck_assert_causes(
        "v1", "ConfigMap", OWNED(OWNER("p") "," OWNER("q")),
        "metadata.ownerReferences: Invalid value: []v1.OwnerReference{" SHOWN("p") ", " SHOWN(
            "q") "}: Only one reference can have Controller set to "
                 "true. Found \"true\" in references for Pod/p and Pod/q");
#undef SHOWN
#undef OWNER
#undef OWNED
}
END_TEST

/* --- Volumes and nodes -------------------------------------------------------------------------
 */

START_TEST(a_volume_of_less_than_nothing_is_wrong_twice)
{
#define VOLUME(size, modes)                                                                        \
    "{'metadata':{'name':'o'},'spec':{'capacity':{'storage':'" size "'},'accessModes':[" modes     \
    "],'hostPath':{'path':'/a'}}}"
    ck_assert_causes(
        "v1", "PersistentVolume", VOLUME("-1500m", "'ReadWriteOnce'"),
        "spec.capacity[storage]: Invalid value: -2: must be a valid resource quantity\n"
        "spec.capacity[storage]: Invalid value: \"-1500m\": must be greater than zero");
    ck_assert_causes("v1", "PersistentVolume", VOLUME("1", "'ReadWriteOncePod','ReadWriteOnce'"),
                     "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access "
                     "modes");
    ck_assert_causes("v1", "PersistentVolume", VOLUME("1", "'ReadWriteOncePod','Odd'"),
                     "spec.accessModes: Unsupported value: \"Odd\": supported values: "
                     "\"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", "
                     "\"ReadWriteOncePod\"");
#undef VOLUME
}
END_TEST

START_TEST(an_update_of_a_node_looks_at_its_status_first_and_not_at_its_ranges)
{
#define NODE(spec, status) "{'metadata':{'name':'o'},'spec':{" spec "},'status':{" status "}}"
#define NO_RANGE                                                                                   \
    "spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid"
    ck_assert_causes(
        "v1", "Node", NODE("'podCIDRs':['x']", "'allocatable':{'pods':'-1'}"),
        "status.allocatable.pods: Invalid value: \"-1\": must be greater than or equal to "
        "0\n"
        "spec.podCIDRs[0]: Invalid value: \"x\": must be a valid CIDR value, (e.g. "
        "10.9.8.0/24 or 2001:db8::/64)");
    ck_assert_causes_update("v1", "Node", NODE("", ""), NODE("'podCIDRs':['x']", ""), "");
    ck_assert_causes_update(
        "v1", "Node", NODE("'podCIDRs':['10.0.0.0/24','fd00::/64']", ""),
        NODE("'podCIDRs':['10.0.1.0/24','fd01::/64'],'taints':[{'key':'a','effect':'X'}],"
             "'externalID':'x'",
             "'allocatable':{'pods':'-1'}"),
        "status.allocatable.pods: Invalid value: \"-1\": must be greater than or equal to "
        "0\n" NO_RANGE "\n" NO_RANGE "\n"
        "metadata.taints[0].effect: Unsupported value: \"X\": supported values: \"NoSchedule\", "
        "\"PreferNoSchedule\", \"NoExecute\"\n"
        "spec.externalID: Forbidden: may not be updated");
#undef NO_RANGE
#undef NODE
}
END_TEST

START_TEST(of_many_ports_each_that_is_there_before_is_said_once)
{
    enum { PORTS = 80, FIRST = 3, SECOND = 40, THIRD = 79 };
    CLEANUP(buffer_release) struct buffer json = {0};
    buffer_init(&json, SIZE_MAX / 2);
    buffer_append_text(&json, "{'metadata':{'name':'o','namespace':'n'},'spec':{'ports':[");
    for (int i = 0; i < PORTS; i++) {
        int port = i == SECOND || i == THIRD ? FIRST : i;
        buffer_printf(&json, "%s{'name':'p%d','port':%d}", i == 0 ? "" : ",", i, port + 1);
    }
    buffer_append_text(&json, "]}}");
#define TWICE(place)                                                                               \
    "spec.ports[" place "]: Duplicate value: core.ServicePort{Name:\"\", Protocol:\"TCP\", "       \
    "AppProtocol:(*string)(nil), Port:4, TargetPort:intstr.IntOrString{Type:0, IntVal:0, "         \
    "StrVal:\"\"}, NodePort:0}"
    ck_assert_causes("v1", "Service", buffer_text(&json), TWICE("40") "\n" TWICE("79"));
#undef TWICE
}
END_TEST

START_TEST(a_node_has_each_range_of_pods_once)
{
    ck_assert_causes("v1", "Node",
                     "{'metadata':{'name':'o'},'spec':{'podCIDR':'10.0.0.0/24','podCIDRs':["
                     "'10.0.0.0/24','10.0.0.0/24']}}",
                     "spec.podCIDRs: Invalid value: []string{\"10.0.0.0/24\", \"10.0.0.0/24\"}: "
                     "may specify no more than one CIDR for each IP family\n"
                     "spec.podCIDRs[1]: Duplicate value: \"10.0.0.0/24\"");
}
END_TEST

Suite *check_sets_suite(void)
{
    Suite *suite = suite_create("check_sets");
    TCase *rules = tcase_create("rules");
    tcase_add_test(rules, an_unknown_strategy_is_shown_whole);
    tcase_add_test(rules, an_amount_that_is_none_counts_as_nothing);
    tcase_add_test(rules, what_becomes_of_a_sets_claims_is_said_in_their_order);
    tcase_add_test(rules, the_pods_of_a_stateful_set_are_not_looked_at);
    tcase_add_test(rules, a_stateful_sets_name_is_one_label);
    tcase_add_test(rules, a_selector_that_cannot_be_read_is_said_in_the_kinds_own_words);
    tcase_add_test(rules, a_count_of_collisions_that_is_gone_is_zero);
    tcase_add_test(rules, what_a_service_was_once_it_stays);
    tcase_add_test(rules, what_is_wrong_with_an_owner_is_said_of_the_list);
    tcase_add_test(rules, a_volume_of_less_than_nothing_is_wrong_twice);
    tcase_add_test(rules, an_update_of_a_node_looks_at_its_status_first_and_not_at_its_ranges);
    tcase_add_test(rules, of_many_ports_each_that_is_there_before_is_said_once);
    tcase_add_test(rules, a_node_has_each_range_of_pods_once);
    suite_add_tcase(suite, rules);
    return suite;
}
