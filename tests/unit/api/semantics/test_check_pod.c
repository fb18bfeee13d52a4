/* Rules of pods that no option can express: mounts and devices, sources of volumes, operating
 * systems, security; and fields of features that are switched off. */
#include "k8s/tables.h"
#include "lib/api/codec.h"
#include "lib/api/defaults.h"
#include "lib/api/kinds.h"
#include "lib/api/object.h"
#include "lib/api/pod_profiles.h"
#include "lib/api/status.h"
#include "lib/api/strategy.h"
#include "lib/api/validate.h"
#include "tests/unit/api/semantics/causes.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>

static struct arena *arena;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
}

static void teardown(void)
{
    arena_free(arena);
}

/* A pod's JSON from the beginning of its spec, with a comma behind it, and from the end of its
 * container, with a comma before it. */
static Core__V1__Pod *decoded(const char *spec, const char *container)
{
    struct error error = {0};
    void *message = NULL;
    const struct api_kind *kind = api_kind_by_api_version("v1", "Pod");
    const char *json = arena_printf(arena,
                                    "{\"metadata\":{\"name\":\"o\",\"namespace\":\"n\"},\"spec\":{"
                                    "%s\"containers\":[{\"name\":\"c\",\"image\":\"i\"%s}]}}",
                                    spec, container);
    ck_assert_msg(api_decode_json(arena, kind->message, slice_text(json), NULL, &message, &error) ==
                      0,
                  "%s", error_message(&error));
    api_default_object(arena, kind, message);
    return message;
}

static const char *created(const char *spec, const char *container)
{
    const struct api_kind *kind = api_kind_by_api_version("v1", "Pod");
    Core__V1__Pod *pod = decoded(spec, container);
    struct api_causes causes;
    const char *text = "";
    api_causes_init(&causes, arena);
    api_prepare_create(arena, kind, pod);
    api_validate_create(arena, kind, pod, &causes);
    for (size_t i = 0; i < causes.count; i++) {
        text = arena_printf(arena, "%s%s%s: %s", text, i == 0 ? "" : "\n", causes.items[i].field,
                            causes.items[i].message);
    }
    return text;
}

struct row {
    const char *members;
    const char *causes;
};

static void check_volumes(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *spec =
            arena_printf(arena, "\"volumes\":[{\"name\":\"v\",%s}],", rows[i].members);
        ck_assert_str_eq(created(spec, ""), rows[i].causes);
    }
}

#define MOUNTS "spec.containers[0].volumeMounts"

static const char *mounted(const char *members)
{
    return created("\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}],",
                   arena_printf(arena,
                                ",\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/a\",%s}]",
                                members));
}

START_TEST(what_is_wrong_with_a_mount_is_said_of_the_list)
{
    ck_assert_str_eq(mounted("\"subPath\":\"/x\""),
                     MOUNTS ".subPath: Invalid value: \"/x\": must be a relative path");
    ck_assert_str_eq(mounted("\"subPathExpr\":\"a/../b\""),
                     MOUNTS ".subPathExpr: Invalid value: \"a/../b\": must not contain '..'");
    ck_assert_str_eq(mounted("\"mountPropagation\":\"Bidirectional\""),
                     MOUNTS ".mountPropagation: Forbidden: Bidirectional mount propagation is "
                            "available only to privileged containers");
    ck_assert_str_eq(mounted("\"recursiveReadOnly\":\"Enabled\""),
                     MOUNTS ".recursiveReadOnly: Forbidden: may only be specified when readOnly is "
                            "true");
    ck_assert_str_eq(mounted("\"recursiveReadOnly\":\"Disabled\""), "");
}
END_TEST

START_TEST(a_device_is_a_claims_and_no_mount_too)
{
#define DEVICES "spec.containers[0].volumeDevices"
    ck_assert_str_eq(created("", ",\"volumeDevices\":[{\"name\":\"v\",\"devicePath\":\"/d\"}]"),
                     DEVICES "[0].name: Not found: \"v\"");
    ck_assert_str_eq(created("\"volumes\":[{\"name\":\"v\",\"persistentVolumeClaim\":{"
                             "\"claimName\":\"a\"}}],",
                             ",\"volumeDevices\":[{\"name\":\"v\",\"devicePath\":\"/d\"}]"),
                     "");
    ck_assert_str_eq(
        created("\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}],",
                ",\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/d\"}],"
                "\"volumeDevices\":[{\"name\":\"v\",\"devicePath\":\"/d\"}]"),
        MOUNTS "[0].name: Invalid value: \"v\": must not already exist in volumeDevices\n" MOUNTS
               "[0].mountPath: Invalid value: \"/d\": must not already exist as a path in "
               "volumeDevices\n" DEVICES
               "[0].name: Invalid value: \"v\": can only use volume source type of "
               "PersistentVolumeClaim or Ephemeral for block mode\n" DEVICES
               "[0].name: Invalid value: \"v\": must not already exist in volumeMounts\n" DEVICES
               "[0].devicePath: Invalid value: \"/d\": must not already exist as a path in "
               "volumeMounts");
#undef DEVICES
}
END_TEST

START_TEST(mounts_of_a_container_that_was_added_are_its_own)
{
    ck_assert_str_eq(created("\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}],"
                             "\"ephemeralContainers\":[{\"name\":\"e\",\"image\":\"i\","
                             "\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/a\"},{\"name\":"
                             "\"v\",\"mountPath\":\"/a\"}]}],",
                             ""),
                     "spec.ephemeralContainers[0].volumeMounts[1].mountPath: Invalid value: "
                     "\"/a\": must be unique\n"
                     "spec.ephemeralContainers: Forbidden: cannot be set on create");
}
END_TEST

START_TEST(drivers_of_volumes_have_rules_of_their_own)
{
#define AT "spec.volumes[0]."
    static const struct row rows[] = {
        {"\"emptyDir\":{\"sizeLimit\":\"-1\"}",
         AT "emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity"},
        {"\"fc\":{\"targetWWNs\":[\"a\"]}",
         AT "fc.lun: Required value: lun is required if targetWWNs is specified"},
        {"\"flocker\":{}",
         AT "flocker: Required value: one of datasetName and datasetUUID is required"},
        {"\"quobyte\":{\"registry\":\"a:1,b\",\"volume\":\"v\"}",
         AT "quobyte.registry: Invalid value: \"a:1,b\": must be a host:port pair or multiple "
            "pairs separated by commas"},
        {"\"azureDisk\":{\"diskName\":\"a\",\"diskURI\":\"https://x\"}", ""},
        {"\"iscsi\":{\"targetPortal\":\"a\",\"lun\":0,\"iqn\":\"iqn.2001-04.com.example:x\"}", ""},
        {"\"iscsi\":{\"targetPortal\":\"a\",\"lun\":0,\"iqn\":\"iqn.2001-4.com\"}",
         AT "iscsi.iqn: Invalid value: \"iqn.2001-4.com\": must be valid format"},
        {"\"iscsi\":{\"targetPortal\":\"a\",\"lun\":0,\"iqn\":\"naa."
         "62004567BA64678D0123456789ABCDEF\"}",
         ""},
        {"\"csi\":{\"driver\":\"d\",\"nodePublishSecretRef\":{}}",
         AT "csi.nodePublishSecretRef.name: Required value"},
        {"\"configMap\":{\"name\":\"a\",\"items\":[{\"key\":\"k\",\"path\":\"..x\"}]}",
         AT "configMap.items[0].path: Invalid value: \"..x\": must not start with '..'"},
    };
    check_volumes(rows, ARRAY_LEN(rows));
#undef AT
}
END_TEST

START_TEST(a_variable_refers_to_what_there_is_in_units_that_there_are)
{
#define REF "spec.containers[0].env[0].valueFrom."
    static const struct row rows[] = {
        {"\"fieldRef\":{\"fieldPath\":\"x\"}",
         REF "fieldRef.fieldPath: Invalid value: \"x\": error converting fieldPath: field label "
             "not supported: x"},
        {"\"fieldRef\":{\"fieldPath\":\"metadata.name['a']\"}",
         REF "fieldRef.fieldPath: Invalid value: \"metadata.name['a']\": error converting "
             "fieldPath: field label does not support subscript: metadata.name['a']"},
        {"\"fieldRef\":{\"fieldPath\":\"metadata.labels['a']\"}", ""},
        {"\"fieldRef\":{\"fieldPath\":\"metadata.labels['a/']\"}",
         REF "fieldRef: Invalid value: \"a/\": name part must be non-empty\n" REF
             "fieldRef: Invalid value: \"a/\": name part must consist of alphanumeric characters, "
             "'-', '_' or '.', and must start and end with an alphanumeric character (e.g. "
             "'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
             "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"},
        {"\"resourceFieldRef\":{\"resource\":\"limits.cpu\",\"divisor\":\"1m\"}", ""},
        {"\"resourceFieldRef\":{\"resource\":\"limits.cpu\",\"divisor\":\"2\"}",
         REF "resourceFieldRef.divisor: Invalid value: \"limits.cpu\": only divisor's values 1m "
             "and 1 are supported with the cpu resource"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *container =
            arena_printf(arena, ",\"env\":[{\"name\":\"a\",\"valueFrom\":{%s}}]", rows[i].members);
        ck_assert_str_eq(created("", container), rows[i].causes);
    }
#undef REF
}
END_TEST

START_TEST(a_pod_says_nothing_that_its_operating_system_does_not_know)
{
    ck_assert_str_eq(
        created("\"os\":{\"name\":\"linux\"},", ",\"securityContext\":{\"windowsOptions\":{}}"),
        "spec.containers[0].securityContext.windowsOptions: Forbidden: windows "
        "options cannot be set for a linux pod");
    ck_assert_str_eq(created("\"os\":{\"name\":\"windows\"},\"hostIPC\":true,",
                             ",\"securityContext\":{\"runAsUser\":1}"),
                     "spec.hostIPC: Forbidden: cannot be set for a windows pod\n"
                     "spec.containers[0].securityContext.runAsUser: Forbidden: cannot be set for "
                     "a windows pod");
}
END_TEST

START_TEST(an_app_armor_profile_of_the_node_has_a_name)
{
#define SECURITY(PROFILE) ",\"securityContext\":{\"appArmorProfile\":{" PROFILE "}}"
#define AT                "spec.containers[0].securityContext.appArmorProfile."
    ck_assert_str_eq(created("", SECURITY("")),
                     AT "type: Required value: type is required when appArmorProfile is set");
    ck_assert_str_eq(created("", SECURITY("\"type\":\"Localhost\"")),
                     AT "localhostProfile: Required value: must be set when AppArmor type is "
                        "Localhost");
    ck_assert_str_eq(
        created("", SECURITY("\"type\":\"Unconfined\",\"localhostProfile\":\"a\"")),
        AT "localhostProfile: Invalid value: \"a\": can only be set when AppArmor type is "
           "Localhost");
#undef SECURITY
#undef AT
}
END_TEST

START_TEST(constraints_about_the_same_places_are_twice)
{
#define ONE "{\"maxSkew\":1,\"topologyKey\":\"a\",\"whenUnsatisfiable\":\"DoNotSchedule\""
    ck_assert_str_eq(created("\"topologySpreadConstraints\":[" ONE "}," ONE "}],", ""),
                     "spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: "
                     "Duplicate value: \"{a, DoNotSchedule}\"");
    ck_assert_str_eq(
        created("\"topologySpreadConstraints\":[" ONE ",\"matchLabelKeys\":[\"k\"]}],", ""),
        "spec.topologySpreadConstraints[0].matchLabelKeys: Forbidden: must not be "
        "specified when labelSelector is not set");
#undef ONE
}
END_TEST

START_TEST(an_affinity_names_labels_by_key_once)
{
#define AFFINITY(more)                                                                             \
    "\"affinity\":{\"podAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{"         \
    "\"topologyKey\":\"z\"" more "}]}},"
#define AT      "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]"
#define SELECTS ",\"labelSelector\":{\"matchLabels\":{\"a\":\"1\"}}"
    ck_assert_str_eq(created(AFFINITY(",\"matchLabelKeys\":[\"k\"]"), ""),
                     AT ".matchLabelKeys: Forbidden: must not be specified when labelSelector is "
                        "not set");
    ck_assert_str_eq(created(AFFINITY(SELECTS ",\"mismatchLabelKeys\":[\"-\"]"), ""),
                     AT ".mismatchLabelKeys[0]: Invalid value: \"-\": name part must consist of "
                        "alphanumeric characters, '-', '_' or '.', and must start and end with an "
                        "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', "
                        "regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')");
    ck_assert_str_eq(
        created(AFFINITY(SELECTS ",\"matchLabelKeys\":[\"k\"],\"mismatchLabelKeys\":[\"k\"]"), ""),
        AT ".matchLabelKeys[0]: Invalid value: \"k\": exists in both matchLabelKeys and "
           "mismatchLabelKeys");
    ck_assert_str_eq(
        created(AFFINITY(",\"labelSelector\":{\"matchLabels\":{\"k\":\"1\"},\"matchExpressions\":["
                         "{\"key\":\"k\",\"operator\":\"Exists\"},{\"key\":\"l\",\"operator\":"
                         "\"Exists\"}]},\"matchLabelKeys\":[\"k\",\"a\",\"k\",\"l\"]"),
                ""),
        "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0][2]: Invalid "
        "value: \"k\": exists in both matchLabelKeys and labelSelector");
#undef SELECTS
#undef AT
}
END_TEST

START_TEST(a_new_pods_affinity_selects_by_the_labels_it_names)
{
    const struct api_kind *kind = api_kind_by_api_version("v1", "Pod");
    Core__V1__Pod *pod =
        decoded(AFFINITY(",\"labelSelector\":{},\"matchLabelKeys\":[\"own\",\"none\"],"
                         "\"mismatchLabelKeys\":[\"other\"]"),
                "");
    api_meta_set_label(arena, pod->metadata, "own", "1");
    api_meta_set_label(arena, pod->metadata, "other", "2");
    api_prepare_create(arena, kind, pod);
    Core__V1__PodAffinityTerm *term =
        pod->spec->affinity->pod_affinity->required_during_scheduling_ignored_during_execution[0];
    const Meta__V1__LabelSelector *selector = term->label_selector;
    ck_assert_uint_eq(selector->n_match_expressions, 2);
    ck_assert_str_eq(selector->match_expressions[0]->key, "own");
    ck_assert_str_eq(selector->match_expressions[0]->operator_, "In");
    ck_assert_str_eq(selector->match_expressions[0]->values[0], "1");
    ck_assert_str_eq(selector->match_expressions[1]->key, "other");
    ck_assert_str_eq(selector->match_expressions[1]->operator_, "NotIn");
    ck_assert_str_eq(selector->match_expressions[1]->values[0], "2");
#undef AFFINITY
}
END_TEST

START_TEST(fields_of_features_that_are_off_are_left_out)
{
    const struct api_kind *kind = api_kind_by_api_version("v1", "Pod");
    static const char spec[] = "\"hostUsers\":false,\"resources\":{\"limits\":{\"cpu\":\"1\"}},"
                               "\"resourceClaims\":[{\"name\":\"a\"}],\"securityContext\":{"
                               "\"supplementalGroupsPolicy\":\"Strict\"},\"volumes\":[{\"name\":"
                               "\"v\",\"image\":{\"reference\":\"a\"}}],";
    static const char container[] =
        ",\"resizePolicy\":[{\"resourceName\":\"cpu\",\"restartPolicy\":\"NotRequired\"}],"
        "\"securityContext\":{\"procMount\":\"Unmasked\"}";
    Core__V1__Pod *pod = decoded(spec, container);
    api_prepare_create(arena, kind, pod);
    ck_assert_int_eq(pod->spec->has_host_users, 0);
    ck_assert_ptr_null(pod->spec->resources);
    ck_assert_uint_eq(pod->spec->n_resource_claims, 0);
    ck_assert_ptr_null(pod->spec->security_context->supplemental_groups_policy);
    ck_assert_ptr_null(pod->spec->volumes[0]->volume_source->image);
    ck_assert_uint_eq(pod->spec->containers[0]->n_resize_policy, 0);
    ck_assert_str_eq(pod->spec->containers[0]->security_context->proc_mount, "Default");

    /* What has them keeps them. */
    Core__V1__Pod *before = decoded(spec, container), *after = decoded(spec, container);
    api_prepare_update(arena, kind, before, after, "");
    ck_assert_int_eq(after->spec->has_host_users, 1);
    ck_assert_str_eq(after->spec->containers[0]->security_context->proc_mount, "Unmasked");
}
END_TEST

/* --- Windows, sysctls, annotations -------------------------------------------------------------
 */

START_TEST(options_for_windows_are_those_of_windows)
{
#define USER(name) "'securityContext':{'windowsOptions':{'runAsUserName':'" name "'}},"
#define POD(spec)                                                                                  \
    "{'metadata':{'name':'o','namespace':'n'},'spec':{" spec                                       \
    "'containers':[{'name':'c','image':'i'}]}}"
#define AT "spec.securityContext.windowsOptions."
    ck_assert_causes("v1", "Pod", POD(USER("DOMAIN\\\\user name")), "");
    ck_assert_causes("v1", "Pod", POD(USER("")),
                     AT "runAsUserName: Invalid value: \"\": runAsUserName cannot be an empty "
                        "string");
    ck_assert_causes("v1", "Pod", POD(USER("a\\\\b\\\\c")),
                     AT "runAsUserName: Invalid value: \"a\\\\b\\\\c\": runAsUserName cannot "
                        "contain more than one backslash");
    ck_assert_causes("v1", "Pod", POD(USER("a_very_long_name\\\\..")),
                     AT "runAsUserName: Invalid value: \"a_very_long_name\\\\..\": runAsUserName's "
                        "Domain doesn't match the NetBios nor the DNS format\n" AT
                        "runAsUserName: Invalid value: \"a_very_long_name\\\\..\": runAsUserName's "
                        "User cannot contain only periods or spaces");
    ck_assert_causes("v1", "Pod", POD(USER("a@b")),
                     AT
                     "runAsUserName: Invalid value: \"a@b\": runAsUserName's User cannot contain "
                     "the following characters: \"/\\:;|=,+*?<>@[]");
    ck_assert_causes("v1", "Pod",
                     POD("'securityContext':{'windowsOptions':{'gmsaCredentialSpec':'',"
                         "'hostProcess':true}},"),
                     AT "gmsaCredentialSpec: Invalid value: \"\": gmsaCredentialSpec cannot be an "
                        "empty string\n"
                        "spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod "
                        "contains any hostProcess containers");
#undef AT
#undef USER
}
END_TEST

START_TEST(sysctls_of_the_nodes_namespaces_are_refused)
{
#define SYSCTL(name) "'securityContext':{'sysctls':[{'name':'" name "','value':'1'}]},"
    ck_assert_causes("v1", "Pod", POD("'hostNetwork':true," SYSCTL("net.core.somaxconn")),
                     "spec.securityContext.sysctls[0].name: Invalid value: "
                     "\"net.core.somaxconn\": may not be specified when 'hostNetwork' is true");
    ck_assert_causes("v1", "Pod", POD("'hostIPC':true," SYSCTL("kernel/shm_rmid_forced")),
                     "spec.securityContext.sysctls[0].name: Invalid value: "
                     "\"kernel/shm_rmid_forced\": may not be specified when 'hostIPC' is true");
    ck_assert_causes("v1", "Pod", POD("'hostIPC':true," SYSCTL("net.core.somaxconn")), "");
#undef SYSCTL
#undef POD
}
END_TEST

#define ANNOTATED(annotations, spec)                                                               \
    "{'metadata':{'name':'o','namespace':'n','annotations':{" annotations "}},'spec':{" spec       \
    "'containers':[{'name':'c','image':'i'}]}}"
#define ARMOR   "container.apparmor.security.beta.kubernetes.io/"
#define SECCOMP "seccomp.security.alpha.kubernetes.io/pod"

START_TEST(annotations_that_became_fields_are_still_checked)
{
    ck_assert_causes("v1", "Pod", ANNOTATED("'" ARMOR "x':'odd'", ""),
                     "metadata.annotations[" ARMOR "x]: Invalid value: \"x\": container not found\n"
                     "metadata.annotations[" ARMOR "x]: Invalid value: \"odd\": invalid AppArmor "
                     "profile name: \"odd\"");
    ck_assert_causes("v1", "Pod", ANNOTATED("'" ARMOR "c':'localhost/p','" SECCOMP "':'odd'", ""),
                     "metadata.annotations." SECCOMP ": Invalid value: \"odd\": must be a valid "
                     "seccomp profile");
    ck_assert_causes("v1", "Pod",
                     ANNOTATED("'" SECCOMP "':'unconfined','" ARMOR "c':'localhost/p'",
                               "'securityContext':{'seccompProfile':{'type':'RuntimeDefault'},"
                               "'appArmorProfile':{'type':'Localhost','localhostProfile':'q'}},"),
                     "spec.securityContext.seccompProfile.type: Forbidden: seccomp type in "
                     "annotation and field must match");
    ck_assert_causes("v1", "Pod",
                     "{'metadata':{'name':'o','namespace':'n','annotations':{'" ARMOR
                     "c':'localhost/p'}},'spec':{'containers':[{'name':'c','image':'i',"
                     "'securityContext':{'appArmorProfile':{'type':'Localhost',"
                     "'localhostProfile':'q'}}}]}}",
                     "spec.containers[0].securityContext.appArmorProfile.localhostProfile: "
                     "Forbidden: apparmor profile in annotation and field must match");
    ck_assert_causes("v1", "Pod",
                     ANNOTATED("'controller.kubernetes.io/pod-deletion-cost':'+1'", ""),
                     "metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid "
                     "value: \"+1\": must be a 32bit integer");
}
END_TEST

START_TEST(annotations_of_app_armor_and_mirrors_stay_as_they_are)
{
    ck_assert_causes_update("v1", "Pod", ANNOTATED("'" ARMOR "c':'unconfined'", "'nodeName':'x',"),
                            ANNOTATED("'kubernetes.io/config.mirror':'m'", "'nodeName':'x',"),
                            "metadata.annotations[" ARMOR "c]: Forbidden: may not remove or update "
                            "AppArmor annotations\n"
                            "metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not "
                            "add mirror pod annotation");
}
END_TEST

/* The annotations of a new pod and the profiles of its containers, once they are completed; what
 * its writer is told in front. */
static const char *completed(const char *annotations, const char *spec)
{
    const struct api_kind *kind = api_kind_by_api_version("v1", "Pod");
    struct error error = {0};
    void *message = NULL;
    char *json = arena_printf(arena, ANNOTATED("%s", "%s"), annotations, spec);
    const char *text = "";
    for (char *at = json; *at != '\0'; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    ck_assert_int_eq(
        api_decode_json(arena, kind->message, slice_text(json), NULL, &message, &error), 0);
    Core__V1__Pod *pod = message;
    struct pod_profile_warnings warnings = api_pod_profile_warnings(arena, pod);
    for (size_t i = 0; i < warnings.count; i++) {
        text = arena_printf(arena, "%s%s\n", text, warnings.texts[i]);
    }
    api_complete_app_armor(arena, pod);
    for (size_t i = 0; i < pod->metadata->n_annotations; i++) {
        text = arena_printf(arena, "%s%s=%s", text, pod->metadata->annotations[i]->key,
                            pod->metadata->annotations[i]->value);
    }
    const Core__V1__SecurityContext *security = pod->spec->containers[0]->security_context;
    if (security != NULL && security->app_armor_profile != NULL) {
        const Core__V1__AppArmorProfile *profile = security->app_armor_profile;
        text = arena_printf(arena, "%s %s %s", text, profile->type,
                            text_or_empty(profile->localhost_profile));
    }
    return text;
}

START_TEST(app_armors_annotations_and_fields_are_made_from_each_other)
{
#define OLD                                                                                        \
    "metadata.annotations[" ARMOR "c]: deprecated since v1.30; use the \"appArmorProfile\" field " \
    "instead\n"
#define OF_POD(profile) "'securityContext':{'appArmorProfile':{" profile "}},"
    ck_assert_str_eq(completed("", ""), "");
    ck_assert_str_eq(completed("'" ARMOR "c':'localhost/p'", ""),
                     OLD ARMOR "c=localhost/p Localhost p");
    ck_assert_str_eq(completed("'" ARMOR "c':'unconfined'", ""),
                     OLD ARMOR "c=unconfined Unconfined ");
    ck_assert_str_eq(completed("'" ARMOR "c':'odd'", ""), OLD ARMOR "c=odd");
    ck_assert_str_eq(completed("", OF_POD("'type':'Localhost','localhostProfile':'p'")),
                     ARMOR "c=localhost/p");
    /* The pod says the same: nothing is made for the container. */
    ck_assert_str_eq(completed("'" ARMOR "c':'runtime/default'", OF_POD("'type':'RuntimeDefault'")),
                     ARMOR "c=runtime/default");
    ck_assert_str_eq(completed("'" ARMOR "c':'unconfined'", OF_POD("'type':'RuntimeDefault'")),
                     OLD ARMOR "c=unconfined Unconfined ");
    ck_assert_str_eq(completed("'" ARMOR "c':'unconfined'", "'os':{'name':'windows'},"),
                     ARMOR "c=unconfined");
}
END_TEST

Suite *check_pod_suite(void)
{
    Suite *suite = suite_create("check_pod");
    TCase *rules = tcase_create("rules");
    tcase_add_checked_fixture(rules, setup, teardown);
    tcase_add_test(rules, what_is_wrong_with_a_mount_is_said_of_the_list);
    tcase_add_test(rules, a_device_is_a_claims_and_no_mount_too);
    tcase_add_test(rules, mounts_of_a_container_that_was_added_are_its_own);
    tcase_add_test(rules, drivers_of_volumes_have_rules_of_their_own);
    tcase_add_test(rules, a_variable_refers_to_what_there_is_in_units_that_there_are);
    tcase_add_test(rules, a_pod_says_nothing_that_its_operating_system_does_not_know);
    tcase_add_test(rules, an_app_armor_profile_of_the_node_has_a_name);
    tcase_add_test(rules, constraints_about_the_same_places_are_twice);
    tcase_add_test(rules, an_affinity_names_labels_by_key_once);
    tcase_add_test(rules, a_new_pods_affinity_selects_by_the_labels_it_names);
    tcase_add_test(rules, fields_of_features_that_are_off_are_left_out);
    tcase_add_test(rules, options_for_windows_are_those_of_windows);
    tcase_add_test(rules, sysctls_of_the_nodes_namespaces_are_refused);
    tcase_add_test(rules, annotations_that_became_fields_are_still_checked);
    tcase_add_test(rules, annotations_of_app_armor_and_mirrors_stay_as_they_are);
    tcase_add_test(rules, app_armors_annotations_and_fields_are_made_from_each_other);
    suite_add_tcase(suite, rules);
    return suite;
}
