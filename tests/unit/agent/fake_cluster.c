#include "tests/unit/agent/fake_cluster.h"

#include "lib/api/codec.h"
#include "lib/base/alloc.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 20000

static void on_status(void *data, const Core__V1__Pod *pod, struct slice status)
{
    struct fake_cluster *cluster = data;
    (void)pod;
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct api_message *schema = api_message_find("k8s.io.api.core.v1.PodStatus");
    void *message;
    ck_assert_int_eq(api_decode_protobuf(arena, schema, status, &message, NULL), 0);
    buffer_clear(&cluster->status);
    api_encode_json(schema, message, NULL, &cluster->status);
}

static bool on_status_waits(void *data, const char *uid)
{
    (void)uid;
    return ((struct fake_cluster *)data)->status_waits;
}

static void on_event(void *data, const struct pod_event_note *note)
{
    struct fake_cluster *cluster = data;
    buffer_printf(&cluster->events, "%s: %s\n", note->reason, note->message);
}

static void on_deleted(void *data, const Core__V1__Pod *pod)
{
    (void)pod;
    ((struct fake_cluster *)data)->deleted = true;
}

static void on_dropped(void *data, const char *uid)
{
    (void)data;
    (void)uid;
}

struct answer {
    struct fake_cluster *cluster;
    object_done done;
    void *data;
    bool config_map;
};

static void give(void *data)
{
    struct answer *answer = data;
    bool known = answer->config_map && answer->cluster->config_map.len > 0;
    answer->done(answer->data, known ? 200 : 404, "not found",
                 buffer_slice(&answer->cluster->config_map));
    free(answer);
}

static void on_get(void *data, const char *resource, const char *namespace_name, const char *name,
                   object_done done, void *done_data)
{
    struct answer *answer = alloc_zeroed(sizeof(*answer));
    (void)namespace_name;
    (void)name;
    *answer = (struct answer){data, done, done_data, strcmp(resource, "configmaps") == 0};
    loop_post(((struct fake_cluster *)data)->loop, give, answer);
}

static void on_token(void *data, const Core__V1__Pod *pod,
                     const Core__V1__ServiceAccountTokenProjection *projection, object_done done,
                     void *done_data)
{
    (void)pod;
    (void)projection;
    on_get(data, "tokens", "", "", done, done_data);
}

static const Core__V1__Service *const *on_services(void *data, size_t *ret_count)
{
    (void)data;
    *ret_count = 0;
    return NULL;
}

void fake_cluster_open(struct fake_cluster *cluster, const char *runtime)
{
    ck_assert_int_eq(loop_new("test", &cluster->loop), 0);
    if (strcmp(runtime, "hollow") == 0) {
        cluster->runtime = runtime_new_hollow(cluster->loop);
    } else {
        ck_assert_int_eq(runtime_open_cri(cluster->loop, runtime, &cluster->runtime, NULL), 0);
    }
    cluster->http = http_client_new(cluster->loop);
    list_init(&cluster->probes);
    buffer_init(&cluster->status, 1 << 20);
    buffer_init(&cluster->events, 1 << 20);
    if (cluster->config_map.max == 0) {
        buffer_init(&cluster->config_map, 1 << 20);
    }
    if (cluster->dir[0] == '\0') {
        strcpy(cluster->dir, "/tmp/coracle-agent-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(cluster->dir));
    }
    struct pod_manager_config config = {
        .tools = {.loop = cluster->loop,
                  .runtime = cluster->runtime,
                  .http = cluster->http,
                  .running = &cluster->probes},
        .hooks = {.data = cluster,
                  .status = on_status,
                  .status_waits = on_status_waits,
                  .event = on_event,
                  .deleted = on_deleted,
                  .dropped = on_dropped,
                  .get = on_get,
                  .token = on_token,
                  .services = on_services},
        .node_name = "node-1",
        .node_ip = "127.0.0.1",
        .data_dir = cluster->dir,
        .memory_bytes = (int64_t)8 << 30,
        .cpu_milli = 2000,
        .max_pods = 110,
    };
    ck_assert_int_eq(pod_manager_new(&config, &cluster->pods, NULL), 0);
}

void fake_cluster_close(struct fake_cluster *cluster)
{
    struct probe_tools tools = {.loop = cluster->loop, .running = &cluster->probes};
    pod_manager_stop(cluster->pods);
    runtime_close(cluster->runtime);
    http_client_close(cluster->http);
    probe_cancel_all(&tools);
    pod_manager_free(cluster->pods);
    fake_cluster_run(cluster, 50); /* Connections close in later turns. */
    loop_free(cluster->loop);
    buffer_release(&cluster->status);
    buffer_release(&cluster->events);
}

void fake_cluster_apply(struct fake_cluster *cluster, const char *pod_json)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct api_message *schema = api_message_find("k8s.io.api.core.v1.Pod");
    void *message;
    struct error error = {0};
    ck_assert_msg(api_decode_json(arena, schema, slice_text(pod_json), NULL, &message, &error) == 0,
                  "%s", error_message(&error));
    struct buffer bytes;
    buffer_init(&bytes, 1 << 20);
    api_encode_protobuf(schema, message, &bytes);
    pod_manager_upsert(cluster->pods, buffer_slice(&bytes));
    buffer_release(&bytes);
}

static void nothing(void *data)
{
    (void)data;
}

static void turn(struct fake_cluster *cluster)
{
    struct loop_timer timer = {.fire = nothing}; /* So that a turn ends. */
    loop_timer_start(cluster->loop, &timer, 20);
    loop_turn(cluster->loop, /* wait= */ true);
    loop_timer_stop(cluster->loop, &timer);
}

void fake_cluster_wait(struct fake_cluster *cluster, const char *text)
{
    uint64_t end = loop_now_ms(cluster->loop) + WAIT_MS;
    while (strstr(buffer_text(&cluster->status), text) == NULL) {
        turn(cluster);
        ck_assert_msg(loop_now_ms(cluster->loop) < end, "no %s in status\n%s\nevents\n%s", text,
                      buffer_text(&cluster->status), buffer_text(&cluster->events));
    }
}

void fake_cluster_wait_deleted(struct fake_cluster *cluster)
{
    uint64_t end = loop_now_ms(cluster->loop) + WAIT_MS;
    while (!cluster->deleted) {
        turn(cluster);
        ck_assert_msg(loop_now_ms(cluster->loop) < end, "not deleted\n%s\nevents\n%s",
                      buffer_text(&cluster->status), buffer_text(&cluster->events));
    }
}

void fake_cluster_run(struct fake_cluster *cluster, uint64_t ms)
{
    uint64_t end = loop_now_ms(cluster->loop) + ms;
    while (loop_now_ms(cluster->loop) < end) {
        turn(cluster);
    }
}
