/* What /metrics says, under etcd's names where they mean the same. Counters that grow elsewhere are
 * in service->metrics. */
#include "store/etcd_private.h"

#include "lib/base/metrics.h"
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { STATM_BYTES_MAX = 256, LABELS_MAX = 512 };

static void line(struct buffer *out, const char *type, const char *name, uint64_t value)
{
    buffer_printf(out, "# TYPE %s %s\n%s %" PRIu64 "\n", name, type, name, value);
}

static void raft_lines(const struct raft_status *raft, struct buffer *out)
{
    line(out, "gauge", "etcd_server_proposals_committed_total", raft->commit_index);
    line(out, "gauge", "coracle_raft_log_bytes", raft->log_bytes);
    line(out, "gauge", "coracle_raft_snapshot_index", raft->snapshot_index);
    line(out, "gauge", "coracle_raft_term", raft->term);
    buffer_printf(out, "# TYPE etcd_server_id gauge\netcd_server_id{server_id=\"%" PRIx64 "\"} 1\n",
                  raft->id);
    buffer_append_text(out, "# TYPE etcd_network_active_peers gauge\n");
    for (size_t i = 0; i < raft->member_count; i++) {
        const struct raft_member_status *member = &raft->members[i];
        if (member->id == raft->id) {
            continue;
        }
        bool active =
            raft->role == RAFT_LEADER ? member->last_contact_ms < 1000 : member->id == raft->leader;
        buffer_printf(
            out, "etcd_network_active_peers{Local=\"%" PRIx64 "\",Remote=\"%" PRIx64 "\"} %d\n",
            raft->id, member->id, active);
    }
    for (size_t i = 0; i < raft->member_count; i++) {
        if (raft->members[i].id == raft->id) {
            line(out, "gauge", "etcd_server_is_learner", raft->members[i].learner);
        }
    }
}

static void store_lines(const struct store_figures *figures, struct buffer *out)
{
    line(out, "gauge", "etcd_mvcc_db_total_size_in_bytes", figures->bytes);
    line(out, "gauge", "etcd_debugging_mvcc_db_total_size_in_bytes", figures->bytes);
    line(out, "gauge", "etcd_server_quota_backend_bytes", figures->quota_bytes);
    line(out, "gauge", "coracle_store_versions", figures->versions);
    line(out, "gauge", "coracle_store_leases", figures->leases);
    line(out, "gauge", "etcd_debugging_mvcc_watcher_total", figures->watches);
    line(out, "counter", "coracle_store_checks_total", figures->checks);
    line(out, "counter", "coracle_store_checks_failed_total", figures->checks_failed);
    buffer_append_text(out,
                       "# TYPE etcd_server_version gauge\n"
                       "etcd_server_version{server_version=\"" ETCD_VERSION "\"} 1\n"
                       "# TYPE etcd_cluster_version gauge\n"
                       "etcd_cluster_version{cluster_version=\"" ETCD_CLUSTER_VERSION "\"} 1\n");
}

struct method_names {
    struct slice service, method;
};

static struct method_names method_names(const struct grpc_method *method)
{
    const char *slash = strrchr(method->path, '/');
    return (struct method_names){.service =
                                     slice_of(method->path + 1, (size_t)(slash - method->path) - 1),
                                 .method = slice_text(slash + 1)};
}

static const char *kind_name(enum grpc_kind kind)
{
    switch (kind) {
    case GRPC_UNARY:
        return "unary";
    case GRPC_SERVER_STREAM:
        return "server_stream";
    case GRPC_CLIENT_STREAM:
        return "client_stream";
    case GRPC_BIDI_STREAM:
        return "bidi_stream";
    }
    return "";
}

static void started_line(void *data, const struct grpc_method *method,
                         const struct grpc_method_counts *counts)
{
    struct method_names names = method_names(method);
    buffer_printf(data,
                  "grpc_server_started_total{grpc_method=\"%.*s\",grpc_service=\"%.*s\","
                  "grpc_type=\"%s\"} %" PRIu64 "\n",
                  (int)names.method.len, (const char *)names.method.data, (int)names.service.len,
                  (const char *)names.service.data, kind_name(method->kind), counts->started);
}

static void handled_lines(void *data, const struct grpc_method *method,
                          const struct grpc_method_counts *counts)
{
    struct method_names names = method_names(method);
    for (int code = 0; code < GRPC_CODES; code++) {
        if (counts->handled[code] == 0 && code != GRPC_OK) {
            continue;
        }
        buffer_printf(data,
                      "grpc_server_handled_total{grpc_code=\"%s\",grpc_method=\"%.*s\","
                      "grpc_service=\"%.*s\",grpc_type=\"%s\"} %" PRIu64 "\n",
                      grpc_code_name((enum grpc_code)code), (int)names.method.len,
                      (const char *)names.method.data, (int)names.service.len,
                      (const char *)names.service.data, kind_name(method->kind),
                      counts->handled[code]);
    }
}

static void handling_lines(void *data, const struct grpc_method *method,
                           const struct grpc_method_counts *counts)
{
    struct method_names names = method_names(method);
    struct buffer *out = data;
    uint64_t count = 0;
    char labels[LABELS_MAX];
    (void)snprintf(labels, sizeof(labels),
                   "grpc_method=\"%.*s\",grpc_service=\"%.*s\",grpc_type=\"%s\"",
                   (int)names.method.len, (const char *)names.method.data, (int)names.service.len,
                   (const char *)names.service.data, kind_name(method->kind));
    for (size_t i = 0; i < GRPC_DURATION_BOUNDS; i++) {
        count += counts->durations[i];
        buffer_printf(out, "grpc_server_handling_seconds_bucket{%s,le=\"%g\"} %" PRIu64 "\n",
                      labels, (double)grpc_duration_bounds_ms[i] / 1000, count);
    }
    count += counts->durations[GRPC_DURATION_BOUNDS];
    buffer_printf(out,
                  "grpc_server_handling_seconds_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n"
                  "grpc_server_handling_seconds_sum{%s} %.3f\n"
                  "grpc_server_handling_seconds_count{%s} %" PRIu64 "\n",
                  labels, count, labels, (double)counts->duration_ms / 1000, labels, count);
}

static void add_bytes(void *data, const struct grpc_method *method,
                      const struct grpc_method_counts *counts)
{
    struct grpc_method_counts *sum = data;
    (void)method;
    sum->received_bytes += counts->received_bytes;
    sum->sent_bytes += counts->sent_bytes;
}

static void grpc_lines(const struct etcd_service *service, struct buffer *out)
{
    buffer_append_text(out, "# TYPE grpc_server_started_total counter\n");
    grpc_server_each_method(service->server, started_line, out);
    buffer_append_text(out, "# TYPE grpc_server_handled_total counter\n");
    grpc_server_each_method(service->server, handled_lines, out);
    buffer_append_text(out, "# TYPE grpc_server_handling_seconds histogram\n");
    grpc_server_each_method(service->server, handling_lines, out);
    struct grpc_method_counts sum = {0};
    grpc_server_each_method(service->server, add_bytes, &sum);
    line(out, "counter", "etcd_network_client_grpc_received_bytes_total", sum.received_bytes);
    line(out, "counter", "etcd_network_client_grpc_sent_bytes_total", sum.sent_bytes);
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static uint64_t count_files(void)
{
    uint64_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir != NULL && readdir(dir) != NULL) {
        count++;
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return count < 3 ? 0 : count - 3; /* ".", "..", and the one that looks. */
}

static void memory_lines(struct buffer *out)
{
    char text[STATM_BYTES_MAX];
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL) {
        if (fgets(text, sizeof(text), file) != NULL) {
            char *rest = text;
            uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
            line(out, "gauge", "process_virtual_memory_bytes", strtoul(rest, &rest, 10) * page);
            line(out, "gauge", "process_resident_memory_bytes", strtoul(rest, NULL, 10) * page);
        }
        (void)fclose(file);
    }
}

static void process_lines(const struct etcd_service *service, struct buffer *out)
{
    struct rusage usage;
    struct rlimit limit;
    memory_lines(out);
    line(out, "gauge", "process_start_time_seconds", (uint64_t)service->started_s);
    line(out, "gauge", "process_open_fds", count_files());
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        buffer_printf(out,
                      "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.2f\n",
                      seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        line(out, "gauge", "process_max_fds", (uint64_t)limit.rlim_cur);
    }
}

/* Names that older dashboards know the same figures by. */
static void older_lines(struct metrics *metrics, struct buffer *out)
{
    static const char *const names[][2] = {
        {"etcd_debugging_mvcc_put_total", "etcd_mvcc_put_total"},
        {"etcd_debugging_mvcc_delete_total", "etcd_mvcc_delete_total"},
        {"etcd_debugging_mvcc_txn_total", "etcd_mvcc_txn_total"},
        {"etcd_debugging_mvcc_range_total", "etcd_mvcc_range_total"},
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct metric *metric = metrics_counter(metrics, names[i][1], "", NULL);
        line(out, "counter", names[i][0], (uint64_t)metric_value(metric));
    }
}

void etcd_metrics_render(struct etcd_service *service, const struct etcd_figures *figures,
                         struct buffer *out)
{
    if (service->metrics != NULL) {
        metrics_render(service->metrics, out);
        older_lines(service->metrics, out);
    }
    if (figures != NULL) {
        raft_lines(&figures->raft, out);
        store_lines(&figures->store, out);
        line(out, "gauge", "etcd_debugging_mvcc_watch_stream_total", figures->watch_streams);
    }
    line(out, "counter", "etcd_server_health_success", atomic_load(&service->healthy));
    line(out, "counter", "etcd_server_health_failures", atomic_load(&service->unhealthy));
    grpc_lines(service, out);
    process_lines(service, out);
}
