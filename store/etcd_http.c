/* What etcd answers to plain HTTP on its client listener: health, version and metrics, under etcd's
 * names where they mean the same, so that dashboards and probes made for etcd work. */
#include "store/etcd_private.h"

#include "lib/base/alloc.h"
#include <stdio.h>
#include <stdlib.h>

enum { METRICS_BYTES_MAX = 16 * 1024 * 1024, HEALTH_BYTES_MAX = 1024 };

/* A request that asks the store: connection's loop, store loop, and back. */
struct http_task {
    struct etcd_service *service; /* A reference. */
    struct http_exchange *exchange;
    void (*answer)(struct http_task *task);
    int status;
    struct etcd_figures figures;
    struct store_alarm alarms[STORE_ALARMS_MAX];
    size_t alarm_count;
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
    if (task->status == STORE_NO_LEADER || (task->status == 0 && task->figures.raft.leader == 0)) {
        return "RAFT NO LEADER";
    }
    return task->status != 0 ? store_status_text(task->status) : NULL;
}

static void health_answer(struct http_task *task)
{
    const char *reason = sickness(task);
    atomic_fetch_add(reason == NULL ? &task->service->healthy : &task->service->unhealthy, 1);
    char body[HEALTH_BYTES_MAX];
    int len = snprintf(body, sizeof(body), "{\"health\":\"%s\",\"reason\":\"%s\"}",
                       reason == NULL ? "true" : "false", reason == NULL ? "" : reason);
    respond(task->exchange, reason == NULL ? 200 : 503, "application/json",
            slice_of(body, (size_t)len));
}

/* --- Metrics. */

static void metrics_answer(struct http_task *task)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, METRICS_BYTES_MAX);
    etcd_metrics_render(task->service, task->status == 0 ? &task->figures : NULL, &out);
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
        raft_get_status(store_raft(store), &task->figures.raft);
        store_read_figures(store, &task->figures.store);
        task->alarm_count = store_alarms(store, task->alarms);
        LIST_FOREACH(node, next, &task->service->watch_streams)
        {
            task->figures.watch_streams++;
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
