/* What options in the .proto files refuse, and in which words. Objects are JSON as a user writes
 * them; causes are compared as text, in order. */
#include "k8s/core_v1.pb-c.h"
#include "k8s/storage_v1.pb-c.h"
#include "lib/api/codec.h"
#include "lib/api/defaults.h"
#include "lib/api/kinds.h"
#include "lib/api/status.h"
#include "lib/api/validate.h"
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

static const struct api_kind *kind_of(const char *api_version, const char *kind)
{
    const struct api_kind *found = api_kind_by_api_version(api_version, kind);
    ck_assert_ptr_nonnull(found);
    return found;
}

static void *decoded(const struct api_kind *kind, const char *json)
{
    struct error error = {0};
    void *message = NULL;
    ck_assert_msg(api_decode_json(arena, kind->message, slice_text(json), NULL, &message, &error) ==
                      0,
                  "%s", error_message(&error));
    api_default_object(arena, kind, message);
    return message;
}

static const char *text_of(const struct api_causes *causes)
{
    const char *text = "";
    for (size_t i = 0; i < causes->count; i++) {
        text = arena_printf(arena, "%s%s%s: %s", text, i == 0 ? "" : "\n", causes->items[i].field,
                            causes->items[i].message);
    }
    return text;
}

static const char *created(const char *api_version, const char *name, const char *json)
{
    const struct api_kind *kind = kind_of(api_version, name);
    struct api_causes causes;
    api_causes_init(&causes, arena);
    api_validate_create(arena, kind, decoded(kind, json), &causes);
    return text_of(&causes);
}

static const char *updated(const char *api_version, const char *name, const char *before,
                           const char *after)
{
    const struct api_kind *kind = kind_of(api_version, name);
    struct api_causes causes;
    api_causes_init(&causes, arena);
    api_validate_update(arena, kind, decoded(kind, before), decoded(kind, after), "", &causes);
    return text_of(&causes);
}

#define META "\"metadata\":{\"name\":\"o\",\"namespace\":\"n\",\"resourceVersion\":\"1\"}"

static const char *pod(const char *spec, const char *container)
{
    return created("v1", "Pod",
                   arena_printf(arena,
                                "{" META ",\"spec\":{%s\"containers\":[{\"name\":\"c\","
                                "\"image\":\"i\"%s}]}}",
                                spec, container));
}

START_TEST(what_must_be_given_is_required_once_and_not_ill_formed_too)
{
    ck_assert_str_eq(created("v1", "Pod",
                             "{" META ",\"spec\":{\"containers\":[{\"name\":\"\","
                             "\"image\":\"\"}]}}"),
                     "spec.containers[0].name: Required value\n"
                     "spec.containers[0].image: Required value");
    ck_assert_str_eq(created("v1", "Pod", "{" META ",\"spec\":{\"containers\":[]}}"),
                     "spec.containers: Required value");
}
END_TEST

/* A macro that new expressions may not use yet (the release before could not read it). */
static const char TWO_VARIABLES[] = "[1].exists(i, v, v == 1)";

static const char *policy(const char *expression, const char *more)
{
    return arena_printf(arena,
                        "{\"metadata\":{\"name\":\"o\",\"resourceVersion\":\"1\"},\"spec\":{"
                        "\"matchConstraints\":{\"resourceRules\":[{\"apiGroups\":[\"\"],"
                        "\"apiVersions\":[\"v1\"],\"operations\":[\"*\"],\"resources\":[\"pods\"]}"
                        "]},\"validations\":[{\"expression\":\"%s\"%s}]}}",
                        expression, more);
}

static const char *webhook(const char *expression)
{
    return arena_printf(arena,
                        "{\"metadata\":{\"name\":\"o\",\"resourceVersion\":\"1\"},\"webhooks\":[{"
                        "\"name\":\"a.b.c\",\"sideEffects\":\"None\",\"admissionReviewVersions\":"
                        "[\"v1\"],\"clientConfig\":{\"url\":\"https://h.example/\"},"
                        "\"matchConditions\":[{\"name\":\"c\",\"expression\":\"%s\"}]}]}",
                        expression);
}

START_TEST(an_expression_that_was_stored_may_stay_and_no_new_one_like_it_come)
{
    static const char group[] = "admissionregistration.k8s.io/v1";
    static const char kind[] = "ValidatingAdmissionPolicy";
    static const char hooks[] = "ValidatingWebhookConfiguration";
    const char *old = policy(TWO_VARIABLES, "");
    ck_assert_str_ne(created(group, kind, old), "");
    ck_assert_str_ne(updated(group, kind, policy("true", ""), old), "");
    ck_assert_str_eq(updated(group, kind, old, policy(TWO_VARIABLES, ",\"message\":\"m\"")), "");
    ck_assert_str_ne(updated(group, kind, old, policy("[2].exists(i, v, v == 1)", "")), "");
    ck_assert_str_ne(created(group, hooks, webhook(TWO_VARIABLES)), "");
    ck_assert_str_eq(updated(group, hooks, webhook(TWO_VARIABLES), webhook(TWO_VARIABLES)), "");
}
END_TEST

START_TEST(a_name_inside_an_inline_reference_is_required_in_its_place)
{
    ck_assert_str_eq(pod("", ",\"envFrom\":[{\"configMapRef\":{}}]"),
                     "spec.containers[0].envFrom[0].configMapRef.name: Required value");
    ck_assert_str_eq(pod("\"imagePullSecrets\":[{}],", ""), "");
}
END_TEST

START_TEST(lists_of_values_keep_their_order_and_sets_are_sorted)
{
    ck_assert_str_eq(pod("\"restartPolicy\":\"Maybe\",", ""),
                     "spec.restartPolicy: Unsupported value: \"Maybe\": supported values: "
                     "\"Always\", \"OnFailure\", \"Never\"");
    ck_assert_str_eq(pod("", ",\"imagePullPolicy\":\"Maybe\""),
                     "spec.containers[0].imagePullPolicy: Unsupported value: \"Maybe\": supported "
                     "values: \"Always\", \"IfNotPresent\", \"Never\"");
}
END_TEST

START_TEST(zero_is_out_of_range_only_where_it_is_a_value)
{
    ck_assert_str_eq(pod("", ",\"ports\":[{\"containerPort\":0}]"),
                     "spec.containers[0].ports[0].containerPort: Required value");
    ck_assert_str_eq(pod("", ",\"ports\":[{\"containerPort\":70000,\"hostPort\":0}]"),
                     "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be "
                     "between 1 and 65535, inclusive");
    ck_assert_str_eq(pod("\"activeDeadlineSeconds\":0,", ""),
                     "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and "
                     "2147483647, inclusive");
    ck_assert_str_eq(created("coordination.k8s.io/v1", "Lease",
                             "{" META ",\"spec\":{\"leaseDurationSeconds\":0,"
                             "\"leaseTransitions\":-1}}"),
                     "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0\n"
                     "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to "
                     "0");
}
END_TEST

START_TEST(a_port_is_a_name_or_a_number)
{
    ck_assert_str_eq(pod("", ",\"readinessProbe\":{\"httpGet\":{\"port\":\"a_b\"}}"),
                     "spec.containers[0].readinessProbe.httpGet.port: Invalid value: \"a_b\": must "
                     "contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    ck_assert_str_eq(pod("", ",\"readinessProbe\":{\"tcpSocket\":{\"port\":0}}"),
                     "spec.containers[0].readinessProbe.tcpSocket.port: Invalid value: 0: must be "
                     "between 1 and 65535, inclusive");
}
END_TEST

START_TEST(the_second_of_two_of_a_name_is_a_duplicate)
{
    ck_assert_str_eq(pod("\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}},{\"name\":\"v\","
                         "\"emptyDir\":{}}],",
                         ""),
                     "spec.volumes[1].name: Duplicate value: \"v\"");
}
END_TEST

START_TEST(maps_are_checked_by_key_and_value_and_labels_are_named_as_a_whole)
{
    ck_assert_str_eq(created("v1", "ConfigMap", "{" META ",\"data\":{\"a b\":\"x\"}}"),
                     "data[a b]: Invalid value: \"a b\": a valid config key must consist of "
                     "alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
                     "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')");
    ck_assert_str_eq(pod("\"nodeSelector\":{\"a/\":\"x\"},", ""),
                     "spec.nodeSelector: Invalid value: \"a/\": name part must be non-empty\n"
                     "spec.nodeSelector: Invalid value: \"a/\": name part must consist of "
                     "alphanumeric characters, '-', '_' or '.', and must start and end with an "
                     "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex "
                     "used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')");
}
END_TEST

START_TEST(a_list_that_is_too_long_is_not_looked_into)
{
    const char *zones = "{\"name\":\"-\"}";
    for (int i = 0; i < 8; i++) {
        zones = arena_printf(arena, "%s,{\"name\":\"-\"}", zones);
    }
    ck_assert_str_eq(created("discovery.k8s.io/v1", "EndpointSlice",
                             arena_printf(arena,
                                          "{" META ",\"addressType\":\"IPv4\",\"endpoints\":[{"
                                          "\"addresses\":[\"1.1.1.1\"],\"hints\":{\"forZones\":"
                                          "[%s]}}]}",
                                          zones)),
                     "endpoints[0].hints.forZones: Too many: 9: must have at most 8 items");
}
END_TEST

START_TEST(of_a_templates_metadata_only_labels_and_annotations_count)
{
    ck_assert_str_eq(
        created("apps/v1", "ReplicaSet",
                "{" META ",\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"template\":{"
                "\"metadata\":{\"labels\":{\"a\":\"b\",\"c\":\"-\"},\"finalizers\":[\"odd\"]},"
                "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}"),
        "spec.template.labels: Invalid value: \"-\": a valid label must be an empty "
        "string "
        "or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
        "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
        "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')");
}
END_TEST

START_TEST(paths_of_downward_files_name_their_volume)
{
    ck_assert_str_eq(pod("\"volumes\":[{\"name\":\"v\",\"downwardAPI\":{\"items\":[{\"path\":"
                         "\"/a\",\"mode\":512,\"fieldRef\":{\"fieldPath\":\"metadata.name\"}}]}}],",
                         ""),
                     "spec.volumes[0].downwardAPI.path: Invalid value: \"/a\": must be a relative "
                     "path\n"
                     "spec.volumes[0].downwardAPI.mode: Invalid value: 512: must be a number "
                     "between 0 and 0777 (octal), both inclusive");
}
END_TEST

START_TEST(probes_of_init_containers_are_forbidden_and_not_looked_at)
{
    ck_assert_str_eq(
        pod("\"initContainers\":[{\"name\":\"i\",\"image\":\"i\",\"livenessProbe\":{"
            "\"periodSeconds\":-1}}],",
            ""),
        "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers "
        "without restartPolicy=Always");
}
END_TEST

START_TEST(an_immutable_field_may_not_change)
{
    ck_assert_str_eq(
        updated("v1", "Secret", "{" META ",\"type\":\"a\"}", "{" META ",\"type\":\"b\"}"),
        "type: Invalid value: \"b\": field is immutable");
    ck_assert_str_eq(updated("discovery.k8s.io/v1", "EndpointSlice",
                             "{" META ",\"addressType\":\"IPv4\",\"endpoints\":[]}",
                             "{" META ",\"addressType\":\"IPv6\",\"endpoints\":[]}"),
                     "addressType: Invalid value: \"IPv6\": field is immutable");
    ck_assert_str_eq(updated("apps/v1", "ControllerRevision",
                             "{" META ",\"revision\":1,\"data\":{\"a\":1}}",
                             "{" META ",\"revision\":2,\"data\":{\"a\":1}}"),
                     "");
}
END_TEST

#define NODE(spec, status)                                                                         \
    "{\"metadata\":{\"name\":\"n\",\"resourceVersion\":\"1\"},\"spec\":{" spec "},"                \
    "\"status\":{" status "}}"

/* v1.32 looks for taints where they once were, in an annotation. */
START_TEST(an_update_of_a_node_is_held_to_its_taints_amounts_and_addresses)
{
    static const char before[] = NODE("", "");
    ck_assert_str_eq(
        updated("v1", "Node", before,
                NODE("\"taints\":[{\"key\":\"a\",\"value\":\"v\",\"effect\":\"NoSchedule\"},"
                     "{\"key\":\"a\",\"effect\":\"NoSchedule\"}]",
                     "")),
        "metadata.taints[1]: Duplicate value: core.Taint{Key:\"a\", Value:\"\", "
        "Effect:\"NoSchedule\", TimeAdded:(*v1.Time)(nil)}: taints must be unique by key and "
        "effect pair");
    ck_assert_str_eq(updated("v1", "Node", before, NODE("\"externalID\":\"x\"", "")),
                     "spec.externalID: Forbidden: may not be updated");
    ck_assert_str_eq(
        updated("v1", "Node", before,
                NODE("", "\"capacity\":{\"cpu\":\"1500m\",\"pods\":\"1500m\"},"
                         "\"allocatable\":{\"x.io/y\":\"500m\",\"memory\":\"-1\"}")),
        "status.capacity.pods: Invalid value: resource.Quantity{i:resource.int64Amount{value:1500, "
        "scale:-3}, d:resource.infDecAmount{Dec:(*inf.Dec)(nil)}, s:\"1500m\", "
        "Format:\"DecimalSI\"}: must be an integer\n"
        "status.allocatable.memory: Invalid value: \"-1\": must be greater than or equal to 0\n"
        "status.allocatable.x.io/y: Invalid value: "
        "resource.Quantity{i:resource.int64Amount{value:500, "
        "scale:-3}, d:resource.infDecAmount{Dec:(*inf.Dec)(nil)}, s:\"500m\", "
        "Format:\"DecimalSI\"}: must be an integer");
    ck_assert_str_eq(
        updated("v1", "Node", before,
                NODE("", "\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"10.0.0.1\"},"
                         "{\"type\":\"ExternalIP\",\"address\":\"10.0.0.1\"},"
                         "{\"type\":\"InternalIP\",\"address\":\"10.0.0.1\"}]")),
        "status.addresses[2]: Duplicate value: core.NodeAddress{Type:\"InternalIP\", "
        "Address:\"10.0.0.1\"}");
}
END_TEST
#undef NODE

START_TEST(only_the_size_that_is_asked_for_changes_in_a_claim_that_is_bound)
{
#define CLAIM(resources)                                                                           \
    "{" META ",\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"volumeName\":\"v\","                \
    "\"resources\":{" resources "}},\"status\":{\"phase\":\"Bound\",\"capacity\":"                 \
    "{\"storage\":\"1Gi\"}}}"
    static const char before[] = CLAIM("\"requests\":{\"storage\":\"1Gi\"}");
    ck_assert_str_eq(
        updated("v1", "PersistentVolumeClaim", before, CLAIM("\"requests\":{\"storage\":\"2Gi\"}")),
        "");
    ck_assert_str_eq(updated("v1", "PersistentVolumeClaim", before,
                             CLAIM("\"requests\":{\"storage\":\"2Gi\"},"
                                   "\"limits\":{\"storage\":\"3Gi\"}")),
                     "spec: Forbidden: spec is immutable after creation except resources.requests "
                     "and volumeAttributesClassName for bound claims\n"
                     "  core.PersistentVolumeClaimSpec{\n"
                     "  \tAccessModes: {\"ReadWriteOnce\"},\n"
                     "  \tSelector:    nil,\n"
                     "  \tResources: core.VolumeResourceRequirements{\n"
                     "- \t\tLimits:   nil,\n"
                     "+ \t\tLimits:   core.ResourceList{s\"storage\": s\"3Gi\"},\n"
                     "  \t\tRequests: {s\"storage\": s\"1Gi\"},\n"
                     "  \t},\n"
                     "  \tVolumeName:       \"v\",\n"
                     "  \tStorageClassName: nil,\n"
                     "  \t... // 4 identical fields\n"
                     "  }\n");
#undef CLAIM
}
END_TEST

START_TEST(an_unknown_resource_is_neither_standard_nor_a_quotas)
{
    ck_assert_str_eq(
        created("v1", "ResourceQuota",
                "{" META ",\"spec\":{\"hard\":{\"foo\":\"1\",\"storage\":\"1\",\"a.b/c\":\"1\"}}}"),
        "spec.hard[foo]: Invalid value: foo: must be a standard resource type or fully "
        "qualified\n"
        "spec.hard[foo]: Invalid value: foo: must be a standard resource for quota\n"
        "spec.hard[storage]: Invalid value: storage: must be a standard resource for quota");
}
END_TEST

START_TEST(a_schedule_with_too_few_fields_shows_them)
{
    ck_assert_str_eq(
        created("batch/v1", "CronJob",
                "{" META ",\"spec\":{\"schedule\":\"0  2-7/1 *\",\"jobTemplate\":{\"spec\":{"
                "\"template\":{\"spec\":{\"restartPolicy\":\"Never\",\"containers\":[{"
                "\"name\":\"a\",\"image\":\"b\"}]}}}}}}"),
        "spec.schedule: Invalid value: \"0  2-7/1 *\": expected exactly 5 fields, found 3: "
        "[0 2-7/1 *]");
}
END_TEST

static const char *hook(const char *client)
{
    return created("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration",
                   arena_printf(arena,
                                "{\"metadata\":{\"name\":\"h\"},\"webhooks\":[{\"name\":\"a.b.c\","
                                "\"sideEffects\":\"None\",\"admissionReviewVersions\":[\"v1\"],"
                                "\"clientConfig\":%s}]}",
                                client));
}

START_TEST(a_webhook_is_at_a_host_and_a_path_and_nothing_else)
{
#define URL  "webhooks[0].clientConfig.url: Invalid value: "
#define PATH "webhooks[0].clientConfig.service.path: Invalid value: "
    ck_assert_str_eq(hook("{\"url\":\"https://h.example.com:8443/a/b\"}"), "");
    ck_assert_str_eq(hook("{\"url\":\"http://h\"}"),
                     URL "\"http\": 'https' is the only allowed URL scheme; desired format: "
                         "https://host[/path]");
    ck_assert_str_eq(hook("{\"url\":\"https:///a\"}"),
                     URL "\"\": host must be specified; desired format: https://host[/path]");
    ck_assert_str_eq(hook("{\"url\":\"https://me:pw@h/a?b=c#d\"}"),
                     URL "\"me:pw\": user information is not permitted in the URL\n" URL
                         "\"d\": fragments are not permitted in the URL\n" URL
                         "\"b=c\": query parameters are not permitted in the URL");
    ck_assert_str_eq(hook("{\"service\":{\"namespace\":\"n\",\"name\":\"s\",\"path\":\"/a/b/\"}}"),
                     "");
    ck_assert_str_eq(hook("{\"service\":{\"namespace\":\"n\",\"name\":\"s\",\"path\":\"/a//b\"}}"),
                     PATH "\"/a//b\": segment[1] may not be empty");
#undef URL
#undef PATH
}
END_TEST

START_TEST(an_inline_volume_is_a_csi_volume_that_is_retained)
{
#define VOLUME(members)                                                                            \
    "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"attacher\":\"csi.x.io\",\"nodeName\":\"n\","       \
    "\"source\":{\"inlineVolumeSpec\":{" members "}}}}"
#define AT "spec.source.inlineVolumeSpec."
    ck_assert_str_eq(created("storage.k8s.io/v1", "VolumeAttachment",
                             VOLUME("\"accessModes\":[\"ReadWriteOnce\"],"
                                    "\"persistentVolumeReclaimPolicy\":\"Retain\",\"csi\":"
                                    "{\"driver\":\"csi.x.io\",\"volumeHandle\":\"v\"}")),
                     "");
    ck_assert_str_eq(
        created("storage.k8s.io/v1", "VolumeAttachment",
                VOLUME("\"capacity\":{\"storage\":\"1Gi\"},\"persistentVolumeReclaimPolicy\":"
                       "\"Delete\",\"hostPath\":{\"path\":\"/x\"},\"accessModes\":[\"Other\"],"
                       "\"storageClassName\":\"C_\",\"volumeMode\":\"Block\"")),
        AT "capacity: Forbidden: may not be specified in the context of inline volumes\n" AT
           "csi: Required value: has to be specified in the context of inline volumes\n" AT
           "accessModes: Unsupported value: \"Other\": supported values: \"ReadOnlyMany\", "
           "\"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\"\n" AT
           "persistentVolumeReclaimPolicy: Forbidden: may only be Retain in the context of inline "
           "volumes\n" AT
           "storageClassName: Forbidden: may not be specified in the context of inline volumes\n" AT
           "volumeMode: Forbidden: may not specify volumeMode other than Filesystem in the context "
           "of inline volumes");
#undef VOLUME
#undef AT
}
END_TEST

START_TEST(a_volume_that_is_described_in_place_has_fewer_defaults_than_one_of_its_own)
{
    const Core__V1__PersistentVolume *volume =
        decoded(kind_of("v1", "PersistentVolume"),
                "{\"metadata\":{\"name\":\"o\"},\"spec\":{\"rbd\":{\"monitors\":[\"m\"]}}}");
    ck_assert_str_eq(volume->spec->persistent_volume_reclaim_policy, "Retain");
    ck_assert_str_eq(volume->spec->volume_mode, "Filesystem");
    const Storage__V1__VolumeAttachment *attachment =
        decoded(kind_of("storage.k8s.io/v1", "VolumeAttachment"),
                "{\"metadata\":{\"name\":\"o\"},\"spec\":{\"source\":{\"inlineVolumeSpec\":{"
                "\"rbd\":{\"monitors\":[\"m\"]}}}}}");
    const Core__V1__PersistentVolumeSpec *inside = attachment->spec->source->inline_volume_spec;
    ck_assert_str_eq(text_or_empty(inside->persistent_volume_reclaim_policy), "");
    ck_assert_ptr_null(inside->volume_mode);
    ck_assert_str_eq(inside->persistent_volume_source->rbd->pool, "rbd");
}
END_TEST

Suite *check_suite(void)
{
    Suite *suite = suite_create("check");
    TCase *options = tcase_create("options");
    tcase_add_checked_fixture(options, setup, teardown);
    tcase_add_test(options, what_must_be_given_is_required_once_and_not_ill_formed_too);
    tcase_add_test(options, a_name_inside_an_inline_reference_is_required_in_its_place);
    tcase_add_test(options, lists_of_values_keep_their_order_and_sets_are_sorted);
    tcase_add_test(options, zero_is_out_of_range_only_where_it_is_a_value);
    tcase_add_test(options, a_port_is_a_name_or_a_number);
    tcase_add_test(options, the_second_of_two_of_a_name_is_a_duplicate);
    tcase_add_test(options, maps_are_checked_by_key_and_value_and_labels_are_named_as_a_whole);
    tcase_add_test(options, a_list_that_is_too_long_is_not_looked_into);
    tcase_add_test(options, of_a_templates_metadata_only_labels_and_annotations_count);
    tcase_add_test(options, paths_of_downward_files_name_their_volume);
    tcase_add_test(options, probes_of_init_containers_are_forbidden_and_not_looked_at);
    tcase_add_test(options, an_expression_that_was_stored_may_stay_and_no_new_one_like_it_come);
    tcase_add_test(options, an_immutable_field_may_not_change);
    tcase_add_test(options, a_schedule_with_too_few_fields_shows_them);
    tcase_add_test(options, an_update_of_a_node_is_held_to_its_taints_amounts_and_addresses);
    tcase_add_test(options, only_the_size_that_is_asked_for_changes_in_a_claim_that_is_bound);
    tcase_add_test(options, an_unknown_resource_is_neither_standard_nor_a_quotas);
    tcase_add_test(options, a_webhook_is_at_a_host_and_a_path_and_nothing_else);
    tcase_add_test(options, an_inline_volume_is_a_csi_volume_that_is_retained);
    tcase_add_test(options,
                   a_volume_that_is_described_in_place_has_fewer_defaults_than_one_of_its_own);
    suite_add_tcase(suite, options);
    return suite;
}
