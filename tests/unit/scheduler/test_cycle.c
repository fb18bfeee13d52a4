#include "lib/api/object.h"
#include "scheduler/cycle.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *cycle_suite(void);

static struct snapshot snapshot;
static struct arena *arena;
static struct pod_info infos[64];
static size_t info_count;

static void setup(void)
{
    snapshot_init(&snapshot);
    arena = arena_new(SIZE_MAX);
    info_count = 0;
}

static void teardown(void)
{
    snapshot_release(&snapshot);
    for (size_t i = 0; i < info_count; i++) {
        pod_info_release(&infos[i]);
    }
    arena_free(arena);
}

static void *decode(const char *kind, const char *json)
{
    void *message;
    struct error error = {0};
    int failed = api_decode_json(arena, api_kind_by_gvk("", "v1", kind)->message, slice_text(json),
                                 NULL, &message, &error);
    ck_assert_msg(failed == 0, "%s", error_message(&error));
    return message;
}

static void add_node(const char *name, const char *meta, const char *spec, const char *status)
{
    char json[2048];
    snprintf(json, sizeof(json),
             "{\"metadata\":{\"name\":\"%s\"%s},\"spec\":{%s},\"status\":{\"allocatable\":{\"cpu\":"
             "\"2\",\"memory\":\"4Gi\",\"pods\":\"3\",\"ephemeral-storage\":\"10Gi\",\"x.com/gpu\":"
             "\"1\"}%s}}",
             name, meta, spec, status);
    snapshot_set_node(&snapshot, decode("Node", json));
}

static const struct pod_info *pod(const char *meta, const char *spec)
{
    char json[2048];
    snprintf(json, sizeof(json),
             "{\"metadata\":{\"name\":\"p\",\"namespace\":\"d\"%s},\"spec\":{%s}}", meta, spec);
    struct pod_info *info = &infos[info_count++];
    pod_info_init(info, decode("Pod", json));
    return info;
}

static const char *run(const struct pod_info *info)
{
    struct cycle_result result = cycle_run(arena, &snapshot, info);
    return result.node != NULL ? result.node : result.message;
}

#define AFFINITY                                                                                   \
    "\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{"         \
    "\"nodeSelectorTerms\":[{\"%s\":[{\"key\":\"%s\",\"operator\":\"%s\",\"values\":[%s]}]}]}}"    \
    "}"
#define GPU                                                                                        \
    "\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"x.com/gpu\":"                  \
    "\"%d\"}}}]"
#define PORT                                                                                       \
    "\"containers\":[{\"name\":\"c\",\"ports\":[{\"containerPort\":80,"                            \
    "\"hostPort\":80,\"protocol\":\"%s\",\"hostIP\":\"%s\"}]}]"
#define CPU(n) "\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"" n "\"}}}]"

START_TEST(reasons_are_counted_and_worded_as_kube_scheduler_does)
{
    ck_assert_str_eq(run(pod("", CPU("1"))), "no nodes available to schedule pods");
    add_node("a", "", "\"taints\":[{\"key\":\"k\",\"value\":\"v\",\"effect\":\"NoSchedule\"}]", "");
    add_node("b", "", "", "");
    add_node("c", "", "", "");
    snapshot_add_pod(&snapshot, "b", pod("", CPU("1500m")));
    snapshot_add_pod(&snapshot, "c", pod("", CPU("1500m")));
    ck_assert_str_eq(
        run(pod("", CPU("1"))),
        "0/3 nodes are available: 1 node(s) had untolerated taint {k: v}, 2 Insufficient cpu. "
        "preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No "
        "preemption victims found for incoming pod.");
}
END_TEST

START_TEST(each_filter_refuses_and_admits)
{
    add_node("a", ",\"labels\":{\"disk\":\"ssd\",\"gen\":\"5\"}", "", "");
    const struct {
        const char *field, *key, *operator_, *values;
        bool fits;
    } rows[] = {
        {"matchExpressions", "disk", "In", "\"ssd\",\"hdd\"", true},
        {"matchExpressions", "disk", "In", "\"hdd\"", false},
        {"matchExpressions", "disk", "NotIn", "\"hdd\"", true},
        {"matchExpressions", "none", "NotIn", "\"hdd\"", true},
        {"matchExpressions", "disk", "NotIn", "\"ssd\"", false},
        {"matchExpressions", "disk", "Exists", "", true},
        {"matchExpressions", "none", "Exists", "", false},
        {"matchExpressions", "none", "DoesNotExist", "", true},
        {"matchExpressions", "disk", "DoesNotExist", "", false},
        {"matchExpressions", "gen", "Gt", "\"4\"", true},
        {"matchExpressions", "gen", "Gt", "\"5\"", false},
        {"matchExpressions", "gen", "Lt", "\"6\"", true},
        {"matchExpressions", "disk", "Lt", "\"6\"", false},
        {"matchFields", "metadata.name", "In", "\"a\"", true},
        {"matchFields", "metadata.name", "NotIn", "\"a\"", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char spec[512];
        snprintf(spec, sizeof(spec), AFFINITY, rows[i].field, rows[i].key, rows[i].operator_,
                 rows[i].values);
        bool fits = cycle_run(arena, &snapshot, pod("", spec)).node != NULL;
        ck_assert_msg(fits == rows[i].fits, "row %zu", i);
    }
    ck_assert_str_eq(run(pod("", "\"nodeSelector\":{\"disk\":\"ssd\"}")), "a");
    ck_assert_ptr_nonnull(strstr(run(pod("", "\"nodeSelector\":{\"disk\":\"hdd\"}")),
                                 "1 node(s) didn't match Pod's node affinity/selector"));
    char spec[256];
    snprintf(spec, sizeof(spec), GPU, 1);
    ck_assert_str_eq(run(pod("", spec)), "a");
    snprintf(spec, sizeof(spec), GPU, 2);
    ck_assert_ptr_nonnull(strstr(run(pod("", spec)), "1 Insufficient x.com/gpu."));
}
END_TEST

START_TEST(host_ports_conflict_by_address_and_protocol)
{
    char spec[256];
    add_node("a", "", "", "");
    snprintf(spec, sizeof(spec), PORT, "TCP", "10.0.0.1");
    snapshot_add_pod(&snapshot, "a", pod("", spec));
    ck_assert_ptr_nonnull(strstr(run(pod("", spec)), "free ports for the requested pod ports"));
    snprintf(spec, sizeof(spec), PORT, "TCP", "");
    ck_assert_ptr_nonnull(strstr(run(pod("", spec)), "free ports"));
    snprintf(spec, sizeof(spec), PORT, "UDP", "10.0.0.1");
    ck_assert_str_eq(run(pod("", spec)), "a");
    snprintf(spec, sizeof(spec), PORT, "TCP", "10.0.0.2");
    ck_assert_str_eq(run(pod("", spec)), "a");
}
END_TEST

START_TEST(a_full_or_cordoned_node_refuses)
{
    add_node("a", "", "", "");
    for (int i = 0; i < 3; i++) {
        snapshot_add_pod(&snapshot, "a", pod("", ""));
    }
    ck_assert_ptr_nonnull(strstr(run(pod("", "")), "1 Too many pods."));
    add_node("b", "", "\"unschedulable\":true", "");
    ck_assert_ptr_nonnull(strstr(run(pod("", "")), "1 node(s) were unschedulable"));
    ck_assert_str_eq(run(pod("", "\"tolerations\":[{\"operator\":\"Exists\"}]")), "b");
}
END_TEST

START_TEST(init_containers_and_sidecars_count_at_their_peak)
{
    const struct pod_info *info = pod(
        "", "\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"100m\"}}}],"
            "\"initContainers\":[{\"name\":\"s\",\"restartPolicy\":\"Always\",\"resources\":{"
            "\"requests\":{\"cpu\":\"50m\"}}},{\"name\":\"i\",\"resources\":{\"requests\":{\"cpu\":"
            "\"300m\"}}}],\"overhead\":{\"cpu\":\"10m\"}");
    ck_assert_int_eq(info->requests.cpu_milli, 360);
}
END_TEST

START_TEST(pods_of_one_owner_spread_over_nodes)
{
    const char *owned = ",\"ownerReferences\":[{\"uid\":\"u\",\"controller\":true}]";
    add_node("a", "", "", "");
    add_node("b", "", "", "");
    add_node("c", "", "", "");
    for (int i = 0; i < 6; i++) {
        const struct pod_info *info = pod(owned, CPU("100m"));
        struct cycle_result result = cycle_run(arena, &snapshot, info);
        snapshot_add_pod(&snapshot, result.node, info);
    }
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(snapshot.nodes[i]->pod_count, 2);
    }
}
END_TEST

START_TEST(preferences_and_images_decide_between_equals)
{
    add_node("a", "", "", "");
    add_node("b", ",\"labels\":{\"fast\":\"yes\"}", "", "");
    ck_assert_str_eq(
        run(pod("", "\"affinity\":{\"nodeAffinity\":{"
                    "\"preferredDuringSchedulingIgnoredDuringExecution\":[{\"weight\":1,"
                    "\"preference\":{\"matchExpressions\":[{\"key\":\"fast\",\"operator\":"
                    "\"Exists\"}]}}]}}")),
        "b");
    add_node("c", "", "", ",\"images\":[{\"names\":[\"big:latest\"],\"sizeBytes\":2000000000}]");
    ck_assert_str_eq(run(pod("", "\"containers\":[{\"name\":\"c\",\"image\":\"big\"}]")), "c");
    add_node("a", "", "\"taints\":[{\"key\":\"k\",\"effect\":\"PreferNoSchedule\"}]", "");
    add_node("c", "", "\"taints\":[{\"key\":\"k\",\"effect\":\"PreferNoSchedule\"}]", "");
    ck_assert_str_eq(run(pod("", "")), "b");
}
END_TEST

START_TEST(removed_nodes_leave_no_trace)
{
    add_node("a", "", "", "");
    add_node("b", "", "", "");
    const struct pod_info *info = pod("", CPU("1"));
    snapshot_add_pod(&snapshot, "a", info);
    snapshot_remove_node(&snapshot, "a");
    ck_assert_str_eq(run(pod("", CPU("1"))), "b");
    snapshot_remove_pod(&snapshot, "a", info);
    ck_assert_uint_eq(snapshot.total, 1);
    ck_assert_ptr_null(snapshot_node(&snapshot, "a"));
}
END_TEST

Suite *cycle_suite(void)
{
    Suite *suite = suite_create("scheduler/cycle");
    TCase *tcase = tcase_create("cycle");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, reasons_are_counted_and_worded_as_kube_scheduler_does);
    tcase_add_test(tcase, each_filter_refuses_and_admits);
    tcase_add_test(tcase, host_ports_conflict_by_address_and_protocol);
    tcase_add_test(tcase, a_full_or_cordoned_node_refuses);
    tcase_add_test(tcase, init_containers_and_sidecars_count_at_their_peak);
    tcase_add_test(tcase, pods_of_one_owner_spread_over_nodes);
    tcase_add_test(tcase, preferences_and_images_decide_between_equals);
    tcase_add_test(tcase, removed_nodes_leave_no_trace);
    suite_add_tcase(suite, tcase);
    return suite;
}
