/* What a pod asks for its containers and volumes, where v1.32 says one thing of a list, leaves out
 * what it has not looked at, or holds init and added containers to rules of their own. */
#include "tests/unit/api/semantics/causes.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>
#include <stdio.h>

#define META                  "'metadata':{'name':'o','namespace':'n'}"
#define SPEC(spec, container) spec "'containers':[{'name':'c','image':'i'" container "}]"
#define POD(spec, container)  "{" META ",'spec':{" SPEC(spec, container) "}}"

struct row {
    const char *pod;
    const char *causes;
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ck_assert_causes("v1", "Pod", rows[i].pod, rows[i].causes);
    }
}

/* --- Probes and hooks --------------------------------------------------------------------------
 */

START_TEST(of_several_handlers_the_first_is_checked_and_the_others_are_forbidden)
{
    static const struct row rows[] = {
        {POD("", ",'livenessProbe':{'exec':{},'httpGet':{'port':0},'successThreshold':2}"),
         "spec.containers[0].livenessProbe.exec.command: Required value\n"
         "spec.containers[0].livenessProbe.httpGet: Forbidden: may not specify more than 1 handler "
         "type\n"
         "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"},
        {POD("", ",'readinessProbe':{'periodSeconds':-1,'terminationGracePeriodSeconds':1}"),
         "spec.containers[0].readinessProbe: Required value: must specify a handler type\n"
         "spec.containers[0].readinessProbe.periodSeconds: Invalid value: -1: must be greater than "
         "or equal to 0\n"
         "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must "
         "not be set for readinessProbes"},
        {POD("", ",'lifecycle':{'preStop':{'tcpSocket':{'port':0},'exec':{'command':['a']}}}"),
         "spec.containers[0].lifecycle.preStop.tcpSocket: Forbidden: may not specify more than 1 "
         "handler type"},
    };
    check_rows(rows, sizeof(rows) / sizeof(rows[0]));
}
END_TEST

START_TEST(a_hook_sleeps_for_a_part_of_the_grace_period)
{
#define SLEEP(seconds) ",'lifecycle':{'preStop':{'sleep':{'seconds':" seconds "}}}"
#define SAYS(seconds, grace)                                                                       \
    "spec.containers[0].lifecycle.preStop.sleep: Invalid value: " seconds                          \
    ": must be greater than 0 and less than terminationGracePeriodSeconds (" grace                 \
    "). Enable AllowPodLifecycleSleepActionZeroValue feature gate for zero sleep."
    static const struct row rows[] = {
        {POD("", SLEEP("30")), ""},
        {POD("", SLEEP("31")), SAYS("31", "30")},
        {POD("", SLEEP("0")), SAYS("0", "30")},
        {POD("'terminationGracePeriodSeconds':5,", SLEEP("6")), SAYS("6", "5")},
    };
    check_rows(rows, sizeof(rows) / sizeof(rows[0]));
#undef SAYS
#undef SLEEP
}
END_TEST

/* --- Ports and names ---------------------------------------------------------------------------
 */

START_TEST(host_ports_differ_among_containers_and_within_an_init_container)
{
#define INIT(more) "'initContainers':[{'name':'a','image':'i'},{'name':'b','image':'i'" more "}],"
#define PORT       "{'containerPort':80,'hostPort':80}"
    static const struct row rows[] = {
        {POD(INIT(",'ports':[" PORT "]"), ",'ports':[" PORT "]"), ""},
        {POD(INIT(",'ports':[" PORT "," PORT "]"), ""),
         "spec.initContainers[0].ports[1].hostPort: Duplicate value: \"TCP//80\""},
        {POD("", ",'ports':[" PORT "]},{'name':'c','image':'i','ports':[" PORT "]"),
         "spec.containers[1].name: Duplicate value: \"c\"\n"
         "spec.containers[1].ports[0].hostPort: Duplicate value: \"TCP//80\""},
        {POD("'hostNetwork':true,", ",'ports':[{'containerPort':80,'hostPort':81}]"),
         "spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when "
         "`hostNetwork` is true"},
        {POD("'hostNetwork':true," INIT(",'ports':[{'containerPort':80,'hostPort':81}]"), ""), ""},
    };
    check_rows(rows, sizeof(rows) / sizeof(rows[0]));
#undef PORT
#undef INIT
}
END_TEST

START_TEST(of_two_containers_without_a_name_the_second_is_a_duplicate)
{
    ck_assert_causes("v1", "Pod", "{" META ",'spec':{'containers':[{'image':'i'},{'image':'i'}]}}",
                     "spec.containers[0].name: Required value\n"
                     "spec.containers[1].name: Required value\n"
                     "spec.containers[1].name: Duplicate value: \"\"");
}
END_TEST

/* --- Containers that are added -----------------------------------------------------------------
 */

#define PART "spec.ephemeralContainers[0]."
static void check_added(const char *container, const char *expected)
{
    char after[512];
    (void)snprintf(after, sizeof(after),
                   "{" META ",'spec':{" SPEC("'volumes':[{'name':'v','emptyDir':{}}],"
                                             "'ephemeralContainers':[{'name':'e','image':'i'%s}],",
                                             "") "}}",
                   container);
    ck_assert_causes_part("v1", "Pod", "ephemeralcontainers",
                          POD("'volumes':[{'name':'v','emptyDir':{}}],", ""), after, expected);
}

START_TEST(a_container_that_is_added_does_without_much)
{
    static const struct row rows[] = {
        {",'targetContainerName':'c'", ""},
        {",'targetContainerName':'e'", PART "targetContainerName: Not found: \"e\""},
        {",'resources':{'limits':{'cpu':'1'}},'restartPolicy':'Always','ports':[{"
         "'containerPort':80}]",
         PART "ports: Forbidden: cannot be set for an Ephemeral Container\n" PART
              "resources: Forbidden: cannot be set for an Ephemeral Container\n" PART
              "restartPolicy: Forbidden: cannot be set for an Ephemeral Container"},
        {",'volumeMounts':[{'name':'v','mountPath':'/a','subPath':'b'},{'name':'v','mountPath':"
         "'/c','subPathExpr':'d'}]",
         PART "volumeMounts[0].subPath: Forbidden: cannot be set for an Ephemeral Container\n" PART
              "volumeMounts[1].subPathExpr: Forbidden: cannot be set for an Ephemeral Container"},
        {",'image':' i'", PART "image: Invalid value: \" i\": must not have leading or trailing "
                               "whitespace"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check_added(rows[i].pod, rows[i].causes);
    }
}
END_TEST

/* --- The pod -----------------------------------------------------------------------------------
 */

START_TEST(what_a_pod_asks_of_its_node_is_shown_as_v1_32_shows_it)
{
#define SPREAD(more)                                                                               \
    "'topologySpreadConstraints':[{'maxSkew':1,'topologyKey':'a','whenUnsatisfiable':" more "}],"
    static const struct row rows[] = {
        {POD("'tolerations':[{'key':'a','value':"
             "'-0123456789012345678901234567890123456789012345678901234567890123'}],",
             ""),
         "spec.tolerations[0].operator: Invalid value: "
         "\"-0123456789012345678901234567890123456789012345678901234567890123\": must be no more "
         "than 63 characters;a valid label must be an empty string or consist of alphanumeric "
         "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. "
         "'MyValue',  or 'my_value',  or '12345', regex used for validation is "
         "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"},
        {POD("'os':{'name':'beos'},", ""),
         "spec.os: Unsupported value: \"beos\": supported values: \"linux\", \"windows\""},
        {POD("'os':{'name':''},", ""), "spec.os.name: Required value: cannot be empty"},
        {POD("'overhead':{'cpu':'-1','odd':'1'},", ""),
         "spec.overhead.limits[cpu]: Invalid value: \"-1\": must be greater than or equal to 0\n"
         "spec.overhead.limits[odd]: Invalid value: odd: must be a standard resource type or fully "
         "qualified\n"
         "spec.overhead.limits[odd]: Invalid value: odd: must be a standard resource for "
         "containers"},
        {POD(SPREAD("'Never','minDomains':1"), ""),
         "spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: \"Never\": "
         "supported values: \"DoNotSchedule\", \"ScheduleAnyway\"\n"
         "spec.topologySpreadConstraints[0].minDomains: Invalid value: 1: can only use minDomains "
         "if whenUnsatisfiable=DoNotSchedule, not Never"},
        {POD("'dnsPolicy':'None','dnsConfig':{'options':[{}]},", ""),
         "spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver "
         "when `dnsPolicy` is None"},
        {POD("'securityContext':{'seccompProfile':{'type':'RuntimeDefault','localhostProfile':"
             "'a'}},",
             ""),
         "spec.securityContext.seccompProfile.localhostProfile: Invalid value: "
         "core.SeccompProfile{Type:\"RuntimeDefault\", LocalhostProfile:(*string)(0xc000000000)}: "
         "can only be set when seccomp type is Localhost"},
    };
    check_rows(rows, sizeof(rows) / sizeof(rows[0]));
#undef SPREAD
}
END_TEST

/* --- Volumes -----------------------------------------------------------------------------------
 */

START_TEST(what_is_wrong_with_a_pods_searches_and_processes_has_its_place)
{
    static const struct row rows[] = {
        {POD("'hostPID':true,'shareProcessNamespace':true,'securityContext':{'fsGroup':-1,"
             "'fsGroupChangePolicy':'X'},",
             ""),
         "spec.securityContext.fsGroup: Invalid value: -1: must be between 0 and 2147483647, "
         "inclusive\n"
         "spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace "
         "and HostPID cannot both be enabled\n"
         "spec.securityContext.fsGroupChangePolicy: Unsupported value: \"X\": supported values: "
         "\"Always\", \"OnRootMismatch\""},
        {POD("'dnsConfig':{'nameservers':['1.1.1.1','1.1.1.1','1.1.1.1','1.1.1.1']},", ""),
         "spec.dnsConfig.nameservers: Invalid value: []string{\"1.1.1.1\", \"1.1.1.1\", "
         "\"1.1.1.1\", "
         "\"1.1.1.1\"}: must not have more than 3 nameservers"},
        {POD("'dnsConfig':{'searches':['a','a','a','a','a','a','a','a','a','a','a','a','a','a','a',"
             "'a','a','a','a','a','a','a','a','a','a','a','a','a','a','a','a','a','-']},",
             ""),
         "spec.dnsConfig.searches: Invalid value: []string{\"a\", \"a\", \"a\", \"a\", \"a\", "
         "\"a\", "
         "\"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", "
         "\"a\", "
         "\"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", "
         "\"a\", "
         "\"-\"}: must not have more than 32 search paths\n"
         "spec.dnsConfig.searches[32]: Invalid value: \"-\": a lowercase RFC 1123 subdomain must "
         "consist of lower case alphanumeric characters, '-' or '.', and must start and end with "
         "an alphanumeric character (e.g. 'example.com', regex used for validation is "
         "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"},
    };
    check_rows(rows, sizeof(rows) / sizeof(rows[0]));
}
END_TEST

START_TEST(the_first_source_of_a_volume_is_checked_before_its_name)
{
    static const struct row rows[] = {
        {POD("'volumes':[{'hostPath':{}}],", ""), "spec.volumes[0].hostPath.path: Required value\n"
                                                  "spec.volumes[0].name: Required value"},
        {POD("'volumes':[{'name':'v','configMap':{},'secret':{}}],", ""),
         "spec.volumes[0].secret.secretName: Required value\n"
         "spec.volumes[0].configMap: Forbidden: may not specify more than 1 volume type"},
        {POD("'volumes':[{'name':'v','ephemeral':{'volumeClaimTemplate':{'metadata':{'name':'a',"
             "'creationTimestamp':null,'labels':{'a':'b'}},'spec':{'accessModes':["
             "'ReadWriteOnce'],'resources':{'requests':{'storage':'1'}}}}}}],",
             ""),
         "spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set"},
        {POD("'volumes':[{'name':'v','nfs':{'server':'s'}}],", ""),
         "spec.volumes[0].nfs.path: Required value\n"
         "spec.volumes[0].nfs.path: Invalid value: \"\": must be an absolute path"},
        {POD("'volumes':[{'name':'v','projected':{'sources':[{'serviceAccountToken':{'path':'a'}}]}"
             "}],",
             ""),
         "spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be "
         "specified when serviceAccountName is not set"},
    };
    check_rows(rows, sizeof(rows) / sizeof(rows[0]));
}
END_TEST

Suite *check_container_suite(void)
{
    Suite *suite = suite_create("check_container");
    TCase *rules = tcase_create("rules");
    tcase_add_test(rules, of_several_handlers_the_first_is_checked_and_the_others_are_forbidden);
    tcase_add_test(rules, a_hook_sleeps_for_a_part_of_the_grace_period);
    tcase_add_test(rules, host_ports_differ_among_containers_and_within_an_init_container);
    tcase_add_test(rules, of_two_containers_without_a_name_the_second_is_a_duplicate);
    tcase_add_test(rules, a_container_that_is_added_does_without_much);
    tcase_add_test(rules, what_a_pod_asks_of_its_node_is_shown_as_v1_32_shows_it);
    tcase_add_test(rules, what_is_wrong_with_a_pods_searches_and_processes_has_its_place);
    tcase_add_test(rules, the_first_source_of_a_volume_is_checked_before_its_name);
    suite_add_tcase(suite, rules);
    return suite;
}
