/* Taint eviction: deletes pods from nodes with a NoExecute taint, at once or when their
 * tolerationSeconds are over. The time follows from the taint's timeAdded, so a new leader
 * continues the count, and a taint that goes away ends it. Taints that people add have no
 * timeAdded: for these it is remembered since when a pod has had to wait. */
#include "controllers/control.h"
#include "controllers/node/node_health.h"
#include "controllers/pod_state.h"
#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include <stdlib.h>

struct eviction_loop {
    struct control *control;
    const struct api_kind *pod_kind;
    struct informer *nodes, *pods;
    struct informer_handler node_handler, pod_handler;
    struct reconciler *reconciler;
    struct event_recorder *events;
    struct hash_map *waiting; /* struct waiting by uid: the pods that have to go, but not yet. */
    void (*closed)(void *data);
    void *closed_data;
};

struct waiting {
    int64_t since_s;
};

static struct slice pod_key(const Meta__V1__ObjectMeta *meta)
{
    return slice_text(meta->uid);
}

static int64_t waiting_since_s(struct eviction_loop *loop, const Meta__V1__ObjectMeta *meta,
                               int64_t now_s)
{
    const struct waiting *waiting = hash_map_get(loop->waiting, pod_key(meta));
    return waiting == NULL ? now_s : waiting->since_s;
}

static void keep_waiting(struct eviction_loop *loop, const Meta__V1__ObjectMeta *meta,
                         int64_t now_s)
{
    if (hash_map_get(loop->waiting, pod_key(meta)) == NULL) {
        struct waiting *waiting = alloc_zeroed(sizeof(*waiting));
        waiting->since_s = now_s;
        hash_map_set(loop->waiting, pod_key(meta), waiting);
    }
}

static void forget(struct eviction_loop *loop, const Meta__V1__ObjectMeta *meta)
{
    free(hash_map_remove(loop->waiting, pod_key(meta)));
}

static bool has_execute_taint(const struct client_object *object)
{
    const Core__V1__Node *node = object->message;
    for (size_t i = 0; i < node->spec->n_taints; i++) {
        if (text_is(node->spec->taints[i]->effect, "NoExecute")) {
            return true;
        }
    }
    return false;
}

static void node_changed(void *data, const struct client_object *old_object,
                         const struct client_object *new_object)
{
    struct eviction_loop *loop = data;
    bool tainted = new_object != NULL && has_execute_taint(new_object);
    bool was_tainted = old_object != NULL && has_execute_taint(old_object);
    if (new_object == NULL || (!tainted && !was_tainted)) {
        return;
    }
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct informer_list pods =
        informer_select(loop->pods, arena, INFORMER_BY_NODE, client_object_name(new_object));
    for (size_t i = 0; i < pods.count; i++) {
        reconciler_add_object(loop->reconciler, pods.items[i]);
    }
}

static void pod_changed(void *data, const struct client_object *old_object,
                        const struct client_object *new_object)
{
    struct eviction_loop *loop = data;
    if (new_object == NULL) {
        forget(loop, old_object->meta);
        return;
    }
    if (!pod_bound(new_object->message)) {
        return;
    }
    const Core__V1__Pod *pod = new_object->message;
    const struct client_object *node = informer_get(loop->nodes, "", pod->spec->node_name);
    if (node != NULL && has_execute_taint(node)) {
        reconciler_add_object(loop->reconciler, new_object);
    }
}

static void reconcile(void *data, struct round *round)
{
    struct eviction_loop *loop = data;
    if (!control_ready(loop->control, round)) {
        return;
    }
    const struct client_object *object = informer_get(loop->pods, round->namespace_, round->name);
    if (object == NULL || !pod_bound(object->message) || pod_terminating(object->message)) {
        return;
    }
    const Core__V1__Pod *pod = object->message;
    const struct client_object *node = informer_get(loop->nodes, "", pod->spec->node_name);
    if (node == NULL) {
        return; /* Pod GC's. */
    }
    int64_t now_s = control_now_s(loop->control);
    int64_t due_s =
        pod_eviction_time_s(pod, node->message, waiting_since_s(loop, object->meta, now_s));
    if (due_s == EVICT_NEVER) {
        forget(loop, object->meta);
        return;
    }
    if (due_s > now_s) {
        keep_waiting(loop, object->meta, now_s);
        round_again_after(round, (uint64_t)(due_s - now_s) * NS_PER_S);
        return;
    }
    event_record(loop->events, loop->pod_kind, object->meta, false, "TaintManagerEviction", NULL,
                 "Marking for deletion Pod %s/%s", round->namespace_, round->name);
    control_delete(round, loop->pod_kind, object->meta, NULL, NULL);
}

static void *eviction_open(struct control *control)
{
    struct eviction_loop *loop = alloc_zeroed(sizeof(*loop));
    loop->control = control;
    loop->waiting = hash_map_new(1);
    loop->pod_kind = control_kind("", "v1", "pods");
    loop->pods = informers_get(control->informers, loop->pod_kind);
    loop->nodes = informers_get(control->informers, control_kind("", "v1", "nodes"));
    loop->events = event_recorder_new(control->env, control->client, &control_as.node,
                                      "taint-eviction-controller", /* instance= */ NULL);
    loop->reconciler =
        control_reconciler(control, "taint-eviction", &control_as.node, 8, reconcile, loop);
    loop->node_handler = (struct informer_handler){.changed = node_changed, .data = loop};
    loop->pod_handler = (struct informer_handler){.changed = pod_changed, .data = loop};
    informer_add_handler(loop->nodes, &loop->node_handler);
    informer_add_handler(loop->pods, &loop->pod_handler);
    return loop;
}

static void rounds_ended(void *data)
{
    struct eviction_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    struct slice key;
    void *waiting;
    for (size_t at = 0; hash_map_next(loop->waiting, &at, &key, &waiting);) {
        free(waiting);
    }
    hash_map_free(loop->waiting);
    event_recorder_free(loop->events);
    free(loop);
    closed(closed_data);
}

static void eviction_close(void *part, void (*closed)(void *data), void *data)
{
    struct eviction_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    informer_remove_handler(&loop->node_handler);
    informer_remove_handler(&loop->pod_handler);
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_taint_eviction = {
    .name = "taint-eviction", .open = eviction_open, .close = eviction_close};
