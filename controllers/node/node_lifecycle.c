/* Node lifecycle: marks silent nodes unknown, keeps the taints that follow from conditions, and
 * marks the pods of silent nodes not ready, so that Services leave them out. NoExecute taints go to
 * one node per eviction interval, to none while too many are lost: then it is more likely the
 * network than the nodes. */
#include "controllers/control.h"
#include "controllers/node/node_health.h"
#include "controllers/pod_state.h"
#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include <stdlib.h>
#include <string.h>

enum {
    UNHEALTHY_PERCENT = 55, /* More lost than this is a partial disruption. */
    LARGE_CLUSTER = 50,     /* Smaller ones then evict nothing, larger ones slowly. */
    SLOW_FACTOR = 10,
};

struct lifecycle_loop {
    struct control *control;
    const struct api_kind *node_kind;
    const struct api_kind *pod_kind;
    struct informer *nodes, *pods;
    struct informer_handler handler;
    struct reconciler *reconciler;
    struct event_recorder *events;
    struct env_timer monitor;
    uint64_t opened_ns;
    uint64_t next_eviction_ns;
    uint64_t eviction_interval_ns; /* By the state of the cluster; UINT64_MAX: none. */
    bool all_lost;
    struct hash_map *heard; /* node -> uint64_t, when this leader last saw a sign of life of it */
    void (*closed)(void *data);
    void *closed_data;
};

static uint64_t heard_ns(const struct lifecycle_loop *loop, const char *node)
{
    const uint64_t *heard = hash_map_get(loop->heard, slice_text(node));
    return heard == NULL ? loop->opened_ns : *heard;
}

static uint64_t reported_age_ms(const struct lifecycle_loop *loop, const Core__V1__Node *node)
{
    const struct controllers_config *config = loop->control->config;
    if (config->heartbeat_age_ms != NULL) {
        return config->heartbeat_age_ms(config->heartbeat_data, node->metadata->name);
    }
    for (size_t i = 0; i < node->status->n_conditions; i++) {
        const Core__V1__NodeCondition *condition = node->status->conditions[i];
        if (text_is(condition->type, "Ready") &&
            !api_time_is_zero(condition->last_heartbeat_time)) {
            int64_t age =
                control_now_s(loop->control) - api_time_seconds(condition->last_heartbeat_time);
            return age < 0 ? 0 : (uint64_t)age * 1000;
        }
    }
    return UINT64_MAX;
}

/* Silent for longer than its grace. A new leader has heard nothing yet: the clock starts with it.
 * A status that the node wrote counts like a heartbeat, as it may be known earlier. */
static bool silent(const struct lifecycle_loop *loop, const Core__V1__Node *node)
{
    const struct controllers_grace *grace = &loop->control->config->grace;
    uint64_t age_ms = reported_age_ms(loop, node);
    uint64_t heard_ms =
        (env_now_ns(loop->control->env) - heard_ns(loop, node->metadata->name)) / NS_PER_MS;
    uint64_t limit_ms = node_reported(node) ? grace->node_grace_ms : grace->node_startup_ms;
    return (age_ms < heard_ms ? age_ms : heard_ms) > limit_ms;
}

static bool needs_look(const struct lifecycle_loop *loop, const struct client_object *object)
{
    const Core__V1__Node *node = object->message;
    if (silent(loop, node)) {
        return true;
    }
    uint32_t wanted = node_taints_wanted(node);
    uint32_t present = node_taints_present(node);
    return wanted != present;
}

static void node_changed(void *data, const struct client_object *old_object,
                         const struct client_object *new_object)
{
    struct lifecycle_loop *loop = data;
    if (new_object == NULL) {
        event_record(loop->events, loop->node_kind, old_object->meta, false, "RemovingNode", NULL,
                     "Node %s event: Removing Node %s from Controller",
                     client_object_name(old_object), client_object_name(old_object));
        free(hash_map_remove(loop->heard, slice_text(client_object_name(old_object))));
        return;
    }
    if (old_object == NULL) {
        uint64_t *heard = alloc_zeroed(sizeof(*heard));
        *heard = env_now_ns(loop->control->env);
        free(hash_map_set(loop->heard, slice_text(client_object_name(new_object)), heard));
        if (informer_synced(loop->nodes)) {
            event_record(loop->events, loop->node_kind, new_object->meta, false, "RegisteredNode",
                         NULL, "Node %s event: Registered Node %s in Controller",
                         client_object_name(new_object), client_object_name(new_object));
        }
    }
    if (old_object != NULL && node_spoke(old_object->message, new_object->message)) {
        uint64_t *heard = hash_map_get(loop->heard, slice_text(client_object_name(new_object)));
        *heard = env_now_ns(loop->control->env);
    }
    if (needs_look(loop, new_object)) {
        reconciler_add_object(loop->reconciler, new_object);
    }
}

/* How much eviction the present state of the cluster allows. */
static void judge_cluster(struct lifecycle_loop *loop, size_t count, size_t lost)
{
    uint64_t interval = loop->control->config->grace.eviction_interval_ms * NS_PER_MS;
    loop->all_lost = count > 1 && lost == count;
    loop->eviction_interval_ns = interval;
    if (loop->all_lost) {
        loop->eviction_interval_ns = UINT64_MAX;
    } else if (lost > 2 && lost * 100 >= count * UNHEALTHY_PERCENT) {
        loop->eviction_interval_ns = count > LARGE_CLUSTER ? interval * SLOW_FACTOR : UINT64_MAX;
    }
}

static void monitor(void *data)
{
    struct lifecycle_loop *loop = data;
    env_timer_start(loop->control->env, &loop->monitor,
                    loop->control->config->grace.node_monitor_ms * NS_PER_MS);
    if (!informers_synced(loop->control->informers)) {
        return;
    }
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct informer_list all = informer_all(loop->nodes, arena);
    size_t lost = 0;
    for (size_t i = 0; i < all.count; i++) {
        lost += silent(loop, all.items[i]->message) || !node_ready(all.items[i]->message);
    }
    judge_cluster(loop, all.count, lost);
    for (size_t i = 0; i < all.count; i++) {
        if (needs_look(loop, all.items[i])) {
            reconciler_add_object(loop->reconciler, all.items[i]);
        }
    }
}

/* The taints to set now: a NoExecute taint that is new has to wait for its turn. */
static uint32_t taints_now(struct lifecycle_loop *loop, const Core__V1__Node *node)
{
    uint32_t wanted = node_taints_wanted(node);
    uint32_t present = node_taints_present(node);
    uint64_t now_ns = env_now_ns(loop->control->env);
    if ((wanted & NODE_TAINTS_EXECUTE) == 0) {
        return wanted;
    }
    if (loop->all_lost) {
        return wanted & ~NODE_TAINTS_EXECUTE;
    }
    if ((present & NODE_TAINTS_EXECUTE) != 0) {
        return wanted;
    }
    if (loop->eviction_interval_ns == UINT64_MAX || now_ns < loop->next_eviction_ns) {
        return wanted & ~NODE_TAINTS_EXECUTE; /* The monitor comes back to it. */
    }
    loop->next_eviction_ns = now_ns + loop->eviction_interval_ns;
    return wanted;
}

static void pod_done(struct round *round, const struct client_reply *reply, void *data)
{
    (void)data;
    if (!client_succeeded(reply) && !client_not_found(reply) && !client_conflict(reply)) {
        round_fail(round, reply->message); /* A conflict shows the pod anew to the monitor. */
    }
}

static void mark_pods(struct lifecycle_loop *loop, struct round *round)
{
    struct informer_list pods =
        informer_select(loop->pods, round->arena, INFORMER_BY_NODE, round->name);
    for (size_t i = 0; i < pods.count; i++) {
        if (!pod_ready(pods.items[i]->message)) {
            continue;
        }
        Core__V1__Pod *pod =
            api_message_copy(round->arena, loop->pod_kind->message, pods.items[i]->message);
        for (size_t j = 0; j < pod->status->n_conditions; j++) {
            Core__V1__PodCondition *condition = pod->status->conditions[j];
            if (text_is(condition->type, "Ready")) {
                condition->status = arena_text(round->arena, "False");
                condition->last_transition_time =
                    api_time_new(round->arena, control_now_s(loop->control));
            }
        }
        event_record(loop->events, loop->pod_kind, pods.items[i]->meta, true, "NodeNotReady", NULL,
                     "Node is not ready");
        control_update(round, loop->pod_kind, "status", pod->metadata, pod, pod_done, NULL);
    }
}

static void reconcile(void *data, struct round *round)
{
    struct lifecycle_loop *loop = data;
    if (!control_ready(loop->control, round)) {
        return;
    }
    const struct client_object *object = informer_get(loop->nodes, "", round->name);
    if (object == NULL) {
        return;
    }
    int64_t now_s = control_now_s(loop->control);
    Core__V1__Node *node =
        api_message_copy(round->arena, loop->node_kind->message, object->message);
    bool is_silent = silent(loop, node);
    if (is_silent && node_mark_unknown(round->arena, node, now_s)) {
        event_record(loop->events, loop->node_kind, object->meta, false, "NodeNotReady", NULL,
                     "Node %s status is now: NodeNotReady", round->name);
        /* The taints follow in the round that this change causes. */
        control_update(round, loop->node_kind, "status", node->metadata, node, NULL, NULL);
        mark_pods(loop, round);
        return;
    }
    if (is_silent) {
        mark_pods(loop, round);
    }
    uint32_t wanted = taints_now(loop, node);
    if (wanted != node_taints_present(node)) {
        node_set_taints(round->arena, node, wanted, now_s);
        control_update(round, loop->node_kind, NULL, node->metadata, node, NULL, NULL);
    }
}

static void *lifecycle_open(struct control *control)
{
    struct lifecycle_loop *loop = alloc_zeroed(sizeof(*loop));
    loop->control = control;
    loop->node_kind = control_kind("", "v1", "nodes");
    loop->pod_kind = control_kind("", "v1", "pods");
    loop->nodes = informers_get(control->informers, loop->node_kind);
    loop->pods = informers_get(control->informers, loop->pod_kind);
    loop->opened_ns = env_now_ns(control->env);
    loop->eviction_interval_ns = control->config->grace.eviction_interval_ms * NS_PER_MS;
    loop->heard = hash_map_new(/* seed= */ 0x66697273);
    loop->events = event_recorder_new(control->env, control->client, &control_as.node,
                                      "node-controller", /* instance= */ NULL);
    loop->reconciler =
        control_reconciler(control, "node-lifecycle", &control_as.node, 8, reconcile, loop);
    loop->handler = (struct informer_handler){.changed = node_changed, .data = loop};
    informer_add_handler(loop->nodes, &loop->handler);
    loop->monitor = (struct env_timer){.fire = monitor, .data = loop};
    env_timer_start(control->env, &loop->monitor, 0);
    return loop;
}

static void rounds_ended(void *data)
{
    struct lifecycle_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    void *seen;
    for (size_t at = 0; hash_map_next(loop->heard, &at, NULL, &seen);) {
        free(seen);
    }
    hash_map_free(loop->heard);
    event_recorder_free(loop->events);
    free(loop);
    closed(closed_data);
}

static void lifecycle_close(void *part, void (*closed)(void *data), void *data)
{
    struct lifecycle_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    env_timer_stop(loop->control->env, &loop->monitor);
    informer_remove_handler(&loop->handler);
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_node_lifecycle = {
    .name = "node-lifecycle", .open = lifecycle_open, .close = lifecycle_close};
