/* What clients are told about objects that are valid. Objects are JSON with ' for quotes; warnings
 * are compared as text, in order. */
#include "lib/api/defaults.h"
#include "lib/api/kinds.h"
#include "lib/api/object.h"
#include "lib/api/status.h"
#include "lib/api/validate.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>

static void *decoded(struct arena *arena, const struct api_kind *kind, const char *quoted)
{
    struct error error = {0};
    void *message = NULL;
    char *json = arena_text(arena, quoted);
    for (char *at = json; *at != '\0'; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    ck_assert_msg(api_decode_json(arena, kind->message, slice_text(json), NULL, &message, &error) ==
                      0,
                  "%s", error_message(&error));
    api_default_object(arena, kind, message);
    return message;
}

/* `before` is NULL for a creation. */
static void assert_warnings(const char *api_version, const char *kind, const char *before,
                            const char *after, const char *expected)
{
    struct arena *arena = arena_new(SIZE_MAX);
    const struct api_kind *row = api_kind_by_api_version(api_version, kind);
    struct api_causes warnings;
    const char *text = "";
    api_causes_init(&warnings, arena);
    api_validate_warnings(row, before == NULL ? NULL : decoded(arena, row, before),
                          decoded(arena, row, after), &warnings);
    for (size_t i = 0; i < warnings.count; i++) {
        const struct api_cause *each = &warnings.items[i];
        text = arena_printf(arena, "%s%s%s%s%s", text, i == 0 ? "" : "\n", each->field,
                            each->field[0] == '\0' ? "" : ": ", each->message);
    }
    ck_assert_str_eq(text, expected);
    arena_free(arena);
}

#define POD(members)       "{'metadata':{'name':'o','namespace':'n'},'spec':{" members "}}"
#define CONTAINER(members) "{'name':'c','image':'i'" members "}"

START_TEST(a_name_that_is_no_label_is_told)
{
    assert_warnings("v1", "Pod", NULL,
                    "{'metadata':{'name':'a.b'},'spec':{'containers':[{'name':'c'}]}}",
                    "metadata.name: this is used in the Pod's hostname, which can result in "
                    "surprising behavior; a DNS label is recommended: [must not contain dots]");
    assert_warnings("apps/v1", "Deployment", NULL,
                    "{'metadata':{'name':'a.b'},'spec':{'template':{'spec':{'containers':[]}}}}",
                    "metadata.name: this is used in Pod names and hostnames, which can result in "
                    "surprising behavior; a DNS label is recommended: [must not contain dots]");
    assert_warnings("apps/v1", "StatefulSet", NULL,
                    "{'metadata':{'name':'a.b'},'spec':{'template':{'spec':{'containers':[]}}}}",
                    "");
}
END_TEST

START_TEST(old_labels_annotations_and_volumes_are_told)
{
    assert_warnings(
        "v1", "Pod", NULL,
        "{'metadata':{'name':'o','annotations':{'scheduler.alpha.kubernetes.io/critical-pod':'',"
        "'container.seccomp.security.alpha.kubernetes.io/c':'x'}},'spec':{'nodeSelector':{"
        "'beta.kubernetes.io/os':'linux'},'topologySpreadConstraints':[{'topologyKey':"
        "'failure-domain.beta.kubernetes.io/zone'}],'volumes':[{'name':'v','gitRepo':{}},{'name':"
        "'w','storageos':{}},{'name':'e'}],'containers':[{'name':'c'}]}}",
        "spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "
        "\"kubernetes.io/os\" instead\n"
        "spec.topologySpreadConstraints[0].topologyKey: failure-domain.beta.kubernetes.io/zone is "
        "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead\n"
        "spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in "
        "matching no pod\n"
        "metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in "
        "v1.16+; use the \"priorityClassName\" field instead\n"
        "spec.volumes[0].gitRepo: deprecated in v1.11\n"
        "spec.volumes[1].storageOS: deprecated in v1.22, non-functional in v1.25+\n"
        "metadata.annotations[container.seccomp.security.alpha.kubernetes.io/c]: non-functional "
        "in v1.27+; use the \"seccompProfile\" field instead");
}
END_TEST

START_TEST(what_hides_something_of_its_name_is_told)
{
    assert_warnings("v1", "Pod", NULL,
                    POD("'imagePullSecrets':[{'name':'s'},{'name':'s'},{}],'hostAliases':[{'ip':"
                        "'1.2.3.4'},{'ip':'1.2.3.4'}],'containers':[" CONTAINER(
                            ",'env':[{'name':'A','value':'1'},{'name':'A','value':'$(A)2'},{"
                            "'name':'A','value':'3'}]") "]"),
                    "spec.hostAliases[1].ip: duplicate ip \"1.2.3.4\"\n"
                    "spec.imagePullSecrets[1].name: duplicate name \"s\"\n"
                    "spec.imagePullSecrets[2].name: invalid empty name \"\"\n"
                    "spec.containers[0].env[2]: hides previous definition of \"A\", which may be "
                    "dropped when using apply");
}
END_TEST

START_TEST(parts_of_bytes_and_ports_that_meet_are_told)
{
    assert_warnings(
        "v1", "Pod", NULL,
        POD("'containers':[" CONTAINER(
            ",'resources':{'limits':{'memory':'100m'}},'ports':[{'containerPort':80},{"
            "'containerPort':80},{'containerPort':80,'hostPort':80},{'containerPort':81,'hostIP':"
            "'1.2.3.4'}]") "]"),
        "spec.containers[0].resources.limits[memory]: fractional byte value \"100m\" is invalid, "
        "must be an integer\n"
        "spec.containers[0].resources.requests[memory]: fractional byte value \"100m\" is "
        "invalid, must be an integer\n"
        "spec.containers[0].ports[1]: duplicate port definition with "
        "spec.containers[0].ports[0]\n"
        "spec.containers[0].ports[2]: overlapping port definition with "
        "spec.containers[0].ports[0]\n"
        "spec.containers[0].ports[2]: overlapping port definition with "
        "spec.containers[0].ports[1]\n"
        "spec.containers[0].ports[3]: hostIP set without hostPort: {Name: HostPort:0 "
        "ContainerPort:81 Protocol:TCP HostIP:1.2.3.4}");
}
END_TEST

START_TEST(a_negative_grace_is_told_where_it_is_kept)
{
    assert_warnings("v1", "Pod", NULL, POD("'terminationGracePeriodSeconds':-1"), "");
    assert_warnings("apps/v1", "DaemonSet", NULL,
                    "{'metadata':{'name':'o'},'spec':{'template':{'spec':{"
                    "'terminationGracePeriodSeconds':-1}}}}",
                    "spec.template.spec.terminationGracePeriodSeconds: must be >= 0; negative "
                    "values are invalid and will be treated as 1");
}
END_TEST

START_TEST(a_template_is_looked_at_when_the_object_changes)
{
#define CRON(generation)                                                                           \
    "{'metadata':{'name':'o','generation':" generation                                             \
    "},'spec':{'jobTemplate':{'spec':{'template':{'spec':{'containers':[],'volumes':[{'name':'v'," \
    "'rbd':{}}]}}}}}}"
    static const char told[] = "spec.jobTemplate.spec.template.spec.volumes[0].rbd: deprecated in "
                               "v1.28, non-functional in v1.31+";
    assert_warnings("batch/v1", "CronJob", NULL, CRON("1"), told);
    assert_warnings("batch/v1", "CronJob", CRON("1"), CRON("2"), told);
    assert_warnings("batch/v1", "CronJob", CRON("1"), CRON("1"), "");
    assert_warnings("v1", "Pod", POD("'terminationGracePeriodSeconds':-1"),
                    POD("'terminationGracePeriodSeconds':-1"), "");
#undef CRON
}
END_TEST

START_TEST(the_old_way_to_name_an_ingress_class_is_told_once)
{
#define INGRESS(spec)                                                                              \
    "{'metadata':{'name':'o','annotations':{'kubernetes.io/ingress.class':'a'}},'spec':{" spec "}" \
    "}"
    assert_warnings("networking.k8s.io/v1", "Ingress", NULL, INGRESS(""),
                    "annotation \"kubernetes.io/ingress.class\" is deprecated, please use "
                    "'spec.ingressClassName' instead");
    assert_warnings("networking.k8s.io/v1", "Ingress", NULL, INGRESS("'ingressClassName':'a'"), "");
    assert_warnings("networking.k8s.io/v1", "Ingress", INGRESS(""), INGRESS(""), "");
#undef INGRESS
}
END_TEST

START_TEST(old_ways_to_say_what_a_volume_or_a_service_is_are_told_each_time)
{
    static const char volume[] =
        "{'metadata':{'name':'o','annotations':{'volume.beta.kubernetes.io/mount-options':'x'}},"
        "'spec':{'persistentVolumeReclaimPolicy':'Recycle','storageos':{},'nodeAffinity':{"
        "'required':{'nodeSelectorTerms':[{'matchExpressions':[{'key':'beta.kubernetes.io/os',"
        "'operator':'Exists'}]}]}}}}";
    assert_warnings(
        "v1", "PersistentVolume", volume, volume,
        "metadata.annotations[volume.beta.kubernetes.io/mount-options]: deprecated since v1.31; "
        "use \"mountOptions\" attribute instead\n"
        "spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: "
        "beta.kubernetes.io/os is deprecated since v1.14; use \"kubernetes.io/os\" instead\n"
        "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, "
        "the recommended approach is to use dynamic provisioning.\n"
        "spec.storageOS: deprecated in v1.22, non-functional in v1.25+");
    assert_warnings("v1", "PersistentVolumeClaim", NULL,
                    "{'metadata':{'name':'o','annotations':{"
                    "'volume.beta.kubernetes.io/storage-class':'x'}},'spec':{'resources':{"
                    "'requests':{'storage':'100m'}}}}",
                    "metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated "
                    "since v1.8; use \"storageClassName\" attribute instead\n"
                    "spec.resources.requests[storage]: fractional byte value \"100m\" is invalid, "
                    "must be an integer");
    assert_warnings("v1", "Service", NULL,
                    "{'metadata':{'name':'o','annotations':{"
                    "'service.kubernetes.io/topology-aware-hints':'Auto'}}}",
                    "annotation service.kubernetes.io/topology-aware-hints is deprecated, please "
                    "use service.kubernetes.io/topology-mode instead");
    assert_warnings("node.k8s.io/v1", "RuntimeClass", NULL,
                    "{'metadata':{'name':'o'},'handler':'h','scheduling':{'nodeSelector':{"
                    "'beta.kubernetes.io/arch':'x'}}}",
                    "scheduling.nodeSelector: deprecated since v1.14; use \"kubernetes.io/arch\" "
                    "instead");
}
END_TEST

/* --- Files in volumes, claims of pods' own -------------------------------------------------------
 */

START_TEST(files_of_a_volume_that_lie_in_one_another_are_told)
{
#define VOLUME(source) POD("'containers':[],'volumes':[{'name':'v'," source "}]")
    assert_warnings("v1", "Pod", NULL,
                    VOLUME("'configMap':{'name':'m','items':[{'key':'a','path':'x'},{'key':'b',"
                           "'path':'x/y'},{'key':'c','path':'xy'}]}"),
                    "volume \"v\" (ConfigMap \"m\"): overlapping paths: \"x/y\" with \"x\"");
    assert_warnings("v1", "Pod", NULL,
                    VOLUME("'secret':{'secretName':'s','items':[{'key':'a','path':'x'},{'key':"
                           "'b','path':'x/'}]}"),
                    "volume \"v\" (Secret \"s\"): overlapping paths: \"x\" with \"x\"");
    assert_warnings(
        "v1", "Pod", NULL,
        VOLUME("'projected':{'sources':[{'configMap':{'name':'m','items':[{'key':'a','path':'x'}]}}"
               ",{'secret':{'name':'s','items':[{'key':'a','path':'x'}]}},{'serviceAccountToken':{"
               "'path':'x/t'}},{},{'downwardAPI':{'items':[{'path':'z'}]}}]}"),
        "volume \"v\" (Projected): overlapping paths: \"x\" (Secret \"s\") with \"x\" (ConfigMap "
        "\"m\")\n"
        "volume \"v\" (Projected): overlapping paths: \"x/t\" (ServiceAccountToken) with \"x\" "
        "(ConfigMap \"m\")\n"
        "volume \"v\" (Projected): overlapping paths: \"x/t\" (ServiceAccountToken) with \"x\" "
        "(Secret \"s\")\n"
        "volume \"v\" (Projected) has no sources provided");
#undef VOLUME
}
END_TEST

START_TEST(parts_of_bytes_are_told_of_claims_that_others_make)
{
#define CLAIM "'spec':{'resources':{'requests':{'storage':'100m'}}}"
#define PART  "fractional byte value \"100m\" is invalid, must be an integer"
    assert_warnings("v1", "Pod", NULL,
                    POD("'containers':[],'volumes':[{'name':'v','ephemeral':{"
                        "'volumeClaimTemplate':{" CLAIM "}}}]"),
                    "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources.requests"
                    "[storage]: " PART);
#define SET                                                                                        \
    "{'metadata':{'name':'o'},'spec':{'revisionHistoryLimit':-1,'volumeClaimTemplates':[{" CLAIM   \
    "}],'template':{'spec':{'containers':[]}}}}"
#define HISTORY                                                                                    \
    "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 "  \
    "is recommended"
    assert_warnings("apps/v1", "StatefulSet", NULL, SET,
                    "spec.volumeClaimTemplates[0].resources.requests[storage]: " PART "\n" HISTORY);
    assert_warnings("apps/v1", "StatefulSet", SET, SET,
                    "spec.volumeClaimTemplates[0].Spec.resources.requests[storage]: " PART
                    "\n" HISTORY);
}
END_TEST

/* --- Services, nodes, classes, jobs ------------------------------------------------------------
 */

START_TEST(addresses_of_services_are_told_in_their_canonical_form)
{
#define SERVICE(members) "{'metadata':{'name':'o'},'spec':{" members "}}"
#define FORM(what, given, wanted)                                                                  \
    "IPv6 " what " \"" given "\" is not in RFC 5952 canonical format (\"" wanted                   \
    "\"), which may cause controller apply-loops"
    assert_warnings(
        "v1", "Service", NULL,
        SERVICE("'type':'LoadBalancer','clusterIP':'2001:DB8::1','clusterIPs':["
                "'2001:DB8::1'],'externalIPs':['10.0.0.1','2001:db8:0:0:1:0:0:1',"
                "'fd00::1','::ffff:10.0.0.1'],'loadBalancerIP':'fd00:0::2',"
                "'loadBalancerSourceRanges':['10.0.0.0/8','FD00::/8','::/0']"),
        "spec.clusterIPs[0]: " FORM(
            "address", "2001:DB8::1",
            "2001:db8::1") "\n"
                           "spec.externalIPs[1]: " FORM(
                               "address", "2001:db8:0:0:1:0:0:1",
                               "2001:db8::1:0:0:1") "\n"
                                                    "spec.loadBalancerIP: " FORM(
                                                        "address", "fd00:0::2",
                                                        "fd00::2") "\n"
                                                                   "spec.loadBalancerSourceRanges["
                                                                   "1]: " FORM("prefix", "FD00::/8",
                                                                               "fd00::/8"));
#define SOON(what, error)                                                                          \
    "IP " what " was accepted, but will be invalid in a future Kubernetes release: " error         \
    ": IPv4 field has octet with leading zero"
    assert_warnings(
        "v1", "Service", NULL,
        SERVICE("'externalIPs':['010.0.0.1'],'loadBalancerSourceRanges':['010.0.0.0/8']"),
        "spec.externalIPs[0]: " SOON(
            "address", "ParseAddr(\"010.0.0.1\")") "\n"
                                                   "spec.loadBalancerSourceRanges[0]: " SOON(
                                                       "prefix", "netip.ParsePrefix(\"010.0.0.0/"
                                                                 "8\"): ParseAddr(\"010.0.0.0\")"));
#undef SOON
    assert_warnings("v1", "Service", NULL,
                    SERVICE("'type':'ExternalName','externalName':'a','externalIPs':['10.0.0.1']"),
                    "spec.externalIPs is ignored when spec.type is \"ExternalName\"");
    assert_warnings("v1", "Service", NULL, SERVICE("'type':'ClusterIP','externalName':'a'"),
                    "spec.externalName is ignored when spec.type is not \"ExternalName\"");
}
END_TEST

START_TEST(what_is_no_address_of_a_balancer_is_told_in_gos_words)
{
    static const char *const given[][2] = {
        {"x", "unable to parse IP"},
        {"%eth0", "missing IPv6 address"},
        {"1.2.3", "IPv4 address too short"},
        {"1.2.3.4.5", "IPv4 address too long"},
        {"1.2.3.256", "IPv4 field has value >255"},
        {"1..3.4", "IPv4 field must have at least one digit (at \".3.4\")"},
        {"1.2.3.", "IPv4 field must have at least one digit (at \".\")"},
        {"1.2.3.4x", "unexpected character (at \"x\")"},
        {"1.2.3.04", "IPv4 field has octet with leading zero"},
        {"fe80::1%", "zone must be a non-empty string"},
        {"1:2", "address string too short"},
        {"1:2:", "colon must be followed by more characters (at \":\")"},
        {"1::2::3", "multiple :: in address (at \":3\")"},
        {"1:12345::", "each group must have 4 or less digits (at \"12345::\")"},
        {":1", "each colon-separated field must have at least one digit (at \":1\")"},
        {"1:2x", "unexpected character, want colon (at \"x\")"},
        {"1:2:3:4:5:6:7:8:9", "trailing garbage after address (at \"9\")"},
        {"1:2:3:4:5:6:7::8", "the :: must expand to at least one field of zeros"},
        {"1:2:3.4.5.6", "embedded IPv4 address must replace the final 2 fields of the address "
                        "(at \"3.4.5.6\")"},
        {"::1:2:3:4:5:6:7:8.9.1.2", "too many hex fields to fit an embedded IPv4 at the end of the "
                                    "address (at \"8.9.1.2\")"},
        {"::ffff:1.2.3", "IPv4 address too short"},
    };
    struct arena *arena = arena_new(SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(given); i++) {
        assert_warnings(
            "v1", "Service", NULL,
            arena_printf(arena, SERVICE("'type':'LoadBalancer','loadBalancerIP':'%s'"),
                         given[i][0]),
            arena_printf(arena,
                         "spec.loadBalancerIP: IP address was accepted, but will be invalid in a "
                         "future Kubernetes release: ParseAddr(\"%s\"): %s",
                         given[i][0], given[i][1]));
    }
    static const char *const fine[] = {"", "1.2.3.4", "fe80::1%eth0", "::", "1::", "::1"};
    for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
        assert_warnings(
            "v1", "Service", NULL,
            arena_printf(arena, SERVICE("'type':'LoadBalancer','loadBalancerIP':'%s'"), fine[i]),
            "");
    }
    arena_free(arena);
}
END_TEST

START_TEST(old_members_and_labels_of_nodes_are_told)
{
    assert_warnings("v1", "Node", NULL,
                    "{'metadata':{'name':'o'},'spec':{'externalID':'a','configSource':{}}}",
                    "spec.configSource: the feature is removed\n"
                    "spec.externalID: this field is deprecated, and is unused by Kubernetes");
    assert_warnings("storage.k8s.io/v1", "StorageClass", NULL,
                    "{'metadata':{'name':'o'},'provisioner':'p','allowedTopologies':[{"
                    "'matchLabelExpressions':[{'key':'node-role.kubernetes.io/master','values':["
                    "'a']}]}]}",
                    "allowedTopologies[0].matchLabelExpressions[0].key: use "
                    "\"node-role.kubernetes.io/control-plane\" instead");
    assert_warnings("storage.k8s.io/v1", "CSIStorageCapacity", NULL,
                    "{'metadata':{'name':'o','namespace':'n'},'storageClassName':'s',"
                    "'nodeTopology':{'matchLabels':{'app.kubernetes.io/created-by':'a'},"
                    "'matchExpressions':[{'key':'beta.kubernetes.io/os','operator':'Exists'}]}}",
                    "nodeTopology.matchExpressions[0].key: beta.kubernetes.io/os is deprecated "
                    "since v1.14; use \"kubernetes.io/os\" instead\n"
                    "nodeTopology.matchLabels.app.kubernetes.io/created-by: deprecated since "
                    "v1.9");
}
END_TEST

START_TEST(more_indexes_than_a_status_holds_are_told)
{
    assert_warnings("batch/v1", "Job", NULL,
                    "{'metadata':{'name':'o'},'spec':{'completionMode':'Indexed','completions':"
                    "100001,'parallelism':10001,'template':{'spec':{'containers':[]}}}}",
                    "spec: In Indexed Jobs with a number of completions higher than 10^5 and a "
                    "parallelism higher than 10^4, Kubernetes might not be able to track "
                    "completedIndexes when a big number of indexes fail");
}
END_TEST

Suite *warnings_suite(void)
{
    Suite *suite = suite_create("warnings");
    TCase *told = tcase_create("told");
    tcase_add_test(told, a_name_that_is_no_label_is_told);
    tcase_add_test(told, old_labels_annotations_and_volumes_are_told);
    tcase_add_test(told, what_hides_something_of_its_name_is_told);
    tcase_add_test(told, parts_of_bytes_and_ports_that_meet_are_told);
    tcase_add_test(told, a_negative_grace_is_told_where_it_is_kept);
    tcase_add_test(told, a_template_is_looked_at_when_the_object_changes);
    tcase_add_test(told, the_old_way_to_name_an_ingress_class_is_told_once);
    tcase_add_test(told, old_ways_to_say_what_a_volume_or_a_service_is_are_told_each_time);
    tcase_add_test(told, files_of_a_volume_that_lie_in_one_another_are_told);
    tcase_add_test(told, parts_of_bytes_are_told_of_claims_that_others_make);
    tcase_add_test(told, addresses_of_services_are_told_in_their_canonical_form);
    tcase_add_test(told, what_is_no_address_of_a_balancer_is_told_in_gos_words);
    tcase_add_test(told, old_members_and_labels_of_nodes_are_told);
    tcase_add_test(told, more_indexes_than_a_status_holds_are_told);
    suite_add_tcase(suite, told);
    return suite;
}
