/* Pod GC: deletes pods of nodes that are gone (after a quarantine), pods that are being deleted and
 * never had a node, and the oldest finished pods above the threshold. One key; looked at by timer.
 */
#include "controllers/control.h"
#include "controllers/deletions.h"
#include "controllers/pod_state.h"
#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include <stdlib.h>
#include <string.h>

struct gc_loop {
    struct control *control;
    struct informer *pods, *nodes;
    struct reconciler *reconciler;
    struct env_timer timer;
    struct hash_map *missing; /* node -> uint64_t, since when it has not been there */
    void (*closed)(void *data);
    void *closed_data;
};

static void look(void *data)
{
    struct gc_loop *loop = data;
    reconciler_add(loop->reconciler, "all");
    env_timer_start(loop->control->env, &loop->timer,
                    loop->control->config->grace.pod_gc_interval_ms * NS_PER_MS);
}

/* True when the pod's node has been missing for the whole quarantine. */
static bool orphaned(struct gc_loop *loop, const Core__V1__Pod *pod)
{
    struct slice node = slice_text(pod->spec->node_name);
    uint64_t now_ns = env_now_ns(loop->control->env);
    if (informer_get(loop->nodes, "", pod->spec->node_name) != NULL) {
        free(hash_map_remove(loop->missing, node));
        return false;
    }
    uint64_t *since = hash_map_get(loop->missing, node);
    if (since == NULL) {
        since = alloc_zeroed(sizeof(*since));
        *since = now_ns;
        hash_map_set(loop->missing, node, since);
    }
    return now_ns - *since >= loop->control->config->grace.pod_gc_quarantine_ms * NS_PER_MS;
}

static int age_order(const void *a, const void *b)
{
    const struct client_object *left = *(const struct client_object *const *)a;
    const struct client_object *right = *(const struct client_object *const *)b;
    int64_t left_s = api_time_seconds(left->meta->creation_timestamp);
    int64_t right_s = api_time_seconds(right->meta->creation_timestamp);
    return left_s < right_s ? -1 : left_s > right_s;
}

static void reconcile(void *data, struct round *round)
{
    struct gc_loop *loop = data;
    if (!control_ready(loop->control, round)) {
        return;
    }
    struct informer_list pods = informer_all(loop->pods, round->arena);
    const struct client_object **ended = arena_array(round->arena, pods.count + 1, sizeof(*ended));
    size_t ended_count = 0;
    for (size_t i = 0; i < pods.count; i++) {
        const Core__V1__Pod *pod = pods.items[i]->message;
        if (pod_bound(pod) ? orphaned(loop, pod) : pod_terminating(pod)) {
            (void)deletions_add(round, pods.items[i], /* grace_seconds= */ 0);
        } else if (pod_finished(pod)) {
            ended[ended_count++] = pods.items[i];
        }
    }
    size_t most = loop->control->config->grace.pod_gc_terminated_max;
    qsort(ended, ended_count, sizeof(*ended), age_order);
    for (size_t i = 0; i + most < ended_count; i++) {
        (void)deletions_add(round, ended[i], /* grace_seconds= */ 0);
    }
    deletions_start(round);
}

static void *gc_open(struct control *control)
{
    struct gc_loop *loop = alloc_zeroed(sizeof(*loop));
    loop->control = control;
    loop->pods = informers_get(control->informers, control_kind("", "v1", "pods"));
    loop->nodes = informers_get(control->informers, control_kind("", "v1", "nodes"));
    loop->missing = hash_map_new(/* seed= */ 0x6d697373);
    loop->reconciler =
        control_reconciler(control, "pod-gc", &control_as.pod_garbage, 1, reconcile, loop);
    loop->timer = (struct env_timer){.fire = look, .data = loop};
    env_timer_start(control->env, &loop->timer, 0);
    return loop;
}

static void rounds_ended(void *data)
{
    struct gc_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    void *since;
    for (size_t at = 0; hash_map_next(loop->missing, &at, NULL, &since);) {
        free(since);
    }
    hash_map_free(loop->missing);
    free(loop);
    closed(closed_data);
}

static void gc_close(void *part, void (*closed)(void *data), void *data)
{
    struct gc_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    env_timer_stop(loop->control->env, &loop->timer);
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_pod_gc = {.name = "pod-gc", .open = gc_open, .close = gc_close};
