/* What etcd answers to plain HTTP on its client listener: health, version and metrics, under etcd's
 * names where they mean the same, so that dashboards and probes made for etcd work. */
#include "store/etcd_private.h"

#include "lib/base/alloc.h"
#include "lib/base/metrics.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { METRICS_BYTES_MAX = 16 * 1024 * 1024, HEALTH_BYTES_MAX = 1024, STATM_BYTES_MAX = 256 };

/* A request that asks the store: connection's loop, store loop, and back. */
struct http_task {
    struct etcd_service *service; /* A reference. */
    struct http_exchange *exchange;
    void (*answer)(struct http_task *task);
    int status;
    struct store_figures figures;
    struct raft_status raft;
    struct store_alarm alarms[STORE_ALARMS_MAX];
    size_t alarm_count;
    size_t stream_count;
};

static void respond(struct http_exchange *exchange, unsigned status, const char *type,
                    struct slice body)
{
    const struct http_header headers[] = {http_header("content-type", type)};
    http_respond(exchange, status, headers, ARRAY_LEN(headers), body);
}

/* --- Health. */

static const char *sickness(const struct http_task *task)
{
    for (size_t i = 0; i < task->alarm_count; i++) {
        if (task->alarms[i].kind == STORE_ALARM_NOSPACE) {
            return "ALARM NOSPACE";
        }
        if (task->alarms[i].kind == STORE_ALARM_CORRUPT) {
            return "ALARM CORRUPT";
        }
    }
    if (task->status == STORE_NO_LEADER || (task->status == 0 && task->raft.leader == 0)) {
        return "RAFT NO LEADER";
    }
    return task->status != 0 ? store_status_text(task->status) : NULL;
}

static void health_answer(struct http_task *task)
{
    const char *reason = sickness(task);
    char body[HEALTH_BYTES_MAX];
    int len = snprintf(body, sizeof(body), "{\"health\":\"%s\",\"reason\":\"%s\"}",
                       reason == NULL ? "true" : "false", reason == NULL ? "" : reason);
    respond(task->exchange, reason == NULL ? 200 : 503, "application/json",
            slice_of(body, (size_t)len));
}

/* --- Metrics: what is read when asked for. Counters that grow elsewhere are in service->metrics.
 */

static void line(struct buffer *out, const char *type, const char *name, uint64_t value)
{
    buffer_printf(out, "# TYPE %s %s\n%s %" PRIu64 "\n", name, type, name, value);
}

static void raft_lines(const struct http_task *task, struct buffer *out)
{
    const struct raft_status *raft = &task->raft;
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

static void store_lines(const struct http_task *task, struct buffer *out)
{
    const struct store_figures *figures = &task->figures;
    line(out, "gauge", "etcd_mvcc_db_total_size_in_bytes", figures->bytes);
    line(out, "gauge", "etcd_debugging_mvcc_db_total_size_in_bytes", figures->bytes);
    line(out, "gauge", "etcd_server_quota_backend_bytes", figures->quota_bytes);
    line(out, "gauge", "etcd_debugging_mvcc_watch_stream_total", task->stream_count);
    line(out, "gauge", "coracle_store_versions", figures->versions);
    line(out, "gauge", "coracle_store_leases", figures->leases);
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

static void grpc_lines(const struct etcd_service *service, struct buffer *out)
{
    buffer_append_text(out, "# TYPE grpc_server_started_total counter\n");
    grpc_server_each_method(service->server, started_line, out);
    buffer_append_text(out, "# TYPE grpc_server_handled_total counter\n");
    grpc_server_each_method(service->server, handled_lines, out);
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void process_lines(struct buffer *out)
{
    char text[STATM_BYTES_MAX];
    struct rusage usage;
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
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        buffer_printf(out,
                      "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.2f\n",
                      seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
    }
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        line(out, "gauge", "process_max_fds", (uint64_t)limit.rlim_cur);
    }
}

static void metrics_answer(struct http_task *task)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, METRICS_BYTES_MAX);
    if (task->service->metrics != NULL) {
        metrics_render(task->service->metrics, &out);
    }
    if (task->status == 0) {
        raft_lines(task, &out);
        store_lines(task, &out);
    }
    grpc_lines(task->service, &out);
    process_lines(&out);
    http_allow_gzip(task->exchange, /* streamed= */ false);
    respond(task->exchange, 200, "text/plain; version=0.0.4", buffer_slice(&out));
}

/* --- There and back. */

static void task_answer(void *data)
{
    struct http_task *task = data;
    if (!http_is_aborted(task->exchange)) {
        task->answer(task);
    }
    http_exchange_unref(task->exchange);
    etcd_service_unref(task->service);
    free(task);
}

static void task_read(void *data, int status)
{
    struct http_task *task = data;
    struct store *store = task->service->store;
    task->status = etcd_status_now(task->service, status);
    if (store != NULL && store_raft(store) != NULL) {
        raft_get_status(store_raft(store), &task->raft);
        store_read_figures(store, &task->figures);
        task->alarm_count = store_alarms(store, task->alarms);
        LIST_FOREACH(node, next, &task->service->watch_streams)
        {
            task->stream_count++;
        }
    }
    loop_post(http_exchange_loop(task->exchange), task_answer, task);
}

static void task_run(void *data)
{
    struct http_task *task = data;
    struct store *store = task->service->store;
    if (task->answer == health_answer && store != NULL && store_raft(store) != NULL) {
        store_read_barrier(store, task_read, task); /* As etcd: healthy is who can read. */
    } else {
        task_read(task, 0);
    }
}

static void ask(struct etcd_service *service, struct http_exchange *exchange,
                void (*answer)(struct http_task *task))
{
    struct http_task *task = alloc_zeroed(sizeof(*task));
    task->service = etcd_service_ref(service);
    task->exchange = http_exchange_ref(exchange);
    task->answer = answer;
    loop_post(service->store_loop, task_run, task);
}

void etcd_http_request(void *data, struct http_exchange *exchange)
{
    static const char version[] =
        "{\"etcdserver\":\"" ETCD_VERSION "\",\"etcdcluster\":\"" ETCD_CLUSTER_VERSION "\"}";
    struct slice path = http_path(exchange);
    if (!slice_is(http_method(exchange), "GET")) {
        respond(exchange, 405, "text/plain", slice_text("Method Not Allowed\n"));
    } else if (slice_is(path, "/version")) {
        respond(exchange, 200, "application/json", slice_text(version));
    } else if (slice_is(path, "/health")) {
        ask(data, exchange, health_answer);
    } else if (slice_is(path, "/metrics")) {
        ask(data, exchange, metrics_answer);
    } else {
        respond(exchange, 404, "text/plain", slice_text("404 page not found\n"));
    }
}
