/* The driver around the scheduling core: watches pods and nodes, runs cycles a few at a time so
 * that the loop stays responsive, assumes a pod on its node at once, and binds in the background.
 * An assumed pod takes its room until the cache shows it bound or the binding has failed, so no
 * node is filled twice. */
#include "scheduler/scheduler.h"

#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include "lib/base/metrics.h"
#include "lib/client/event_recorder.h"
#include "lib/client/informer.h"
#include "lib/client/leader_gate.h"
#include "scheduler/cycle.h"
#include "scheduler/queue.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct scheduled_pod {
    struct scheduler *scheduler;
    const struct client_object *object;
    struct pod_info info; /* Of `object`. */
    struct queue_entry entry;
    char *node;   /* Assumed or bound there; NULL when waiting. */
    bool bound;   /* The cache shows it bound. */
    bool binding; /* A binding is under way. */
    bool gone;    /* Forgotten; freed when the binding is answered. */
};

struct scheduler {
    struct scheduler_config config;
    const char *name;
    struct leader_gate gate;
    struct informers *informers; /* NULL while not leader. */
    struct informer_handler pod_handler;
    struct informer_handler node_handler;
    struct event_recorder *events;
    struct snapshot snapshot;
    struct queue queue;
    struct hash_map *pods;  /* uid -> scheduled_pod */
    struct hash_map *nodes; /* name -> client_object, a reference */
    const struct api_kind *pod_kind;
    struct env_timer work;
    size_t calls; /* API calls not answered. */
    size_t bindings;
    bool stopping;
    bool closing;
    void (*closed)(void *data);
    void *closed_data;
    struct metric *scheduled, *unschedulable, *failed;
};

static const struct client_identity identity = {.user = "system:kube-scheduler",
                                                .manager = "kube-scheduler"};

static void work_soon(struct scheduler *scheduler)
{
    env_timer_start(scheduler->config.env, &scheduler->work, /* delay_ns= */ 0);
}

static bool text_empty(const char *text)
{
    return text == NULL || text[0] == '\0';
}

/* --- Pods --- */

static void unplace(struct scheduled_pod *pod)
{
    if (pod->node != NULL) {
        snapshot_remove_pod(&pod->scheduler->snapshot, pod->node, &pod->info);
        free(pod->node);
        pod->node = NULL;
        pod->bound = false;
    }
}

static void place(struct scheduled_pod *pod, const char *node)
{
    assert(pod->node == NULL);
    pod->node = alloc_text(node);
    snapshot_add_pod(&pod->scheduler->snapshot, node, &pod->info);
}

static void pod_free(struct scheduled_pod *pod)
{
    pod_info_release(&pod->info);
    client_object_unref(pod->object);
    free(pod);
}

static void forget(struct scheduled_pod *pod)
{
    struct scheduler *scheduler = pod->scheduler;
    bool freed_room = pod->node != NULL;
    queue_remove(&scheduler->queue, &pod->entry);
    unplace(pod);
    hash_map_remove(scheduler->pods, slice_text(client_object_uid(pod->object)));
    if (pod->binding) {
        pod->gone = true;
    } else {
        pod_free(pod);
    }
    if (freed_room) {
        queue_wake(&scheduler->queue, FILTER_RESOURCES | FILTER_PORTS,
                   env_now_ns(scheduler->config.env));
        work_soon(scheduler);
    }
}

static struct scheduled_pod *pod_made(struct scheduler *scheduler,
                                      const struct client_object *object)
{
    struct scheduled_pod *pod = alloc_zeroed(sizeof(*pod));
    const Core__V1__Pod *message = object->message;
    pod->scheduler = scheduler;
    pod->object = client_object_ref(object);
    pod_info_init(&pod->info, message);
    queue_entry_init(&pod->entry, message->spec->priority, env_now_ns(scheduler->config.env));
    hash_map_set(scheduler->pods, slice_text(client_object_uid(object)), pod);
    return pod;
}

/* Takes the newer state over; the pod keeps its place. */
static void pod_renew(struct scheduled_pod *pod, const struct client_object *object)
{
    struct snapshot *snapshot = &pod->scheduler->snapshot;
    if (pod->node != NULL) {
        snapshot_remove_pod(snapshot, pod->node, &pod->info);
    }
    pod_info_release(&pod->info);
    client_object_unref(pod->object);
    pod->object = client_object_ref(object);
    pod_info_init(&pod->info, object->message);
    if (pod->node != NULL) {
        snapshot_add_pod(snapshot, pod->node, &pod->info);
    }
}

static bool ours(const struct scheduler *scheduler, const Core__V1__Pod *pod)
{
    const char *name =
        text_empty(pod->spec->scheduler_name) ? "default-scheduler" : pod->spec->scheduler_name;
    return strcmp(name, scheduler->name) == 0 &&
           api_time_is_zero(pod->metadata->deletion_timestamp) &&
           pod->spec->n_scheduling_gates == 0;
}

static bool finished(const Core__V1__Pod *pod)
{
    return pod->status->phase != NULL && (strcmp(pod->status->phase, "Succeeded") == 0 ||
                                          strcmp(pod->status->phase, "Failed") == 0);
}

static void bound_pod_seen(struct scheduler *scheduler, struct scheduled_pod *pod,
                           const struct client_object *object)
{
    const Core__V1__Pod *message = object->message;
    if (pod == NULL) {
        pod = pod_made(scheduler, object);
    } else {
        pod_renew(pod, object);
    }
    queue_remove(&scheduler->queue, &pod->entry);
    if (pod->node == NULL || strcmp(pod->node, message->spec->node_name) != 0) {
        unplace(pod);
        place(pod, message->spec->node_name);
    }
    pod->bound = true;
}

static void waiting_pod_seen(struct scheduler *scheduler, struct scheduled_pod *pod,
                             const struct client_object *old_object,
                             const struct client_object *object)
{
    if (pod == NULL) {
        pod = pod_made(scheduler, object);
        queue_add(&scheduler->queue, &pod->entry);
        work_soon(scheduler);
        return;
    }
    if (pod->binding || pod->node != NULL) {
        pod_renew(pod, object);
        return;
    }
    const Core__V1__Pod *message = object->message;
    const struct api_message *spec =
        api_message_member_text(object->kind->message, "spec")->field->message;
    bool same =
        old_object != NULL &&
        api_message_equal(spec, ((const Core__V1__Pod *)old_object->message)->spec, message->spec);
    pod_renew(pod, object);
    if (!same) {
        queue_remove(&scheduler->queue, &pod->entry);
        pod->entry.priority = message->spec->priority;
        queue_add(&scheduler->queue, &pod->entry);
        work_soon(scheduler);
    }
}

static void pod_changed(void *data, const struct client_object *old_object,
                        const struct client_object *new_object)
{
    struct scheduler *scheduler = data;
    const struct client_object *object = new_object == NULL ? old_object : new_object;
    const Core__V1__Pod *message = object->message;
    struct scheduled_pod *pod =
        hash_map_get(scheduler->pods, slice_text(client_object_uid(object)));
    if (new_object == NULL || finished(message)) {
        if (pod != NULL) {
            forget(pod);
        }
    } else if (!text_empty(message->spec->node_name)) {
        bound_pod_seen(scheduler, pod, new_object);
    } else if (ours(scheduler, message)) {
        waiting_pod_seen(scheduler, pod, old_object, new_object);
    } else if (pod != NULL) {
        forget(pod);
    }
}

/* --- Nodes --- */

/* Whether a change of the node could let a pod in that it refused. */
static bool node_differs(const struct client_object *old_object,
                         const struct client_object *new_object)
{
    const struct api_message *message = new_object->kind->message;
    const struct api_message *spec = api_message_member_text(message, "spec")->field->message;
    const Core__V1__Node *old = old_object->message;
    const Core__V1__Node *node = new_object->message;
    if (!api_message_equal(spec, old->spec, node->spec) ||
        old->metadata->n_labels != node->metadata->n_labels ||
        old->status->n_allocatable != node->status->n_allocatable) {
        return true;
    }
    for (size_t i = 0; i < node->metadata->n_labels; i++) {
        const char *value = api_meta_label(old->metadata, node->metadata->labels[i]->key);
        if (value == NULL || strcmp(value, node->metadata->labels[i]->value == NULL
                                               ? ""
                                               : node->metadata->labels[i]->value) != 0) {
            return true;
        }
    }
    for (size_t i = 0; i < node->status->n_allocatable; i++) {
        const Quantity__Quantity *before = old->status->allocatable[i]->value;
        const Quantity__Quantity *after = node->status->allocatable[i]->value;
        if (before == NULL || after == NULL || before->string == NULL || after->string == NULL ||
            strcmp(before->string, after->string) != 0) {
            return true;
        }
    }
    return false;
}

static void node_changed(void *data, const struct client_object *old_object,
                         const struct client_object *new_object)
{
    struct scheduler *scheduler = data;
    if (new_object == NULL) {
        snapshot_remove_node(&scheduler->snapshot, client_object_name(old_object));
        client_object_unref(
            hash_map_remove(scheduler->nodes, slice_text(client_object_name(old_object))));
        return;
    }
    snapshot_set_node(&scheduler->snapshot, new_object->message);
    const struct client_object *held = client_object_ref(new_object);
    client_object_unref(hash_map_set(scheduler->nodes, slice_text(client_object_name(new_object)),
                                     (void *)(uintptr_t)held));
    if (old_object == NULL || node_differs(old_object, new_object)) {
        queue_wake(&scheduler->queue, UINT32_MAX, env_now_ns(scheduler->config.env));
        work_soon(scheduler);
    }
}

/* --- Writing --- */

static void stop_if_idle(struct scheduler *scheduler);

static void status_written(void *data, const struct client_reply *reply)
{
    struct scheduler *scheduler = data;
    (void)reply; /* The next failed try writes it again. */
    scheduler->calls--;
    stop_if_idle(scheduler);
}

static void write_unschedulable(struct scheduled_pod *pod, struct arena *arena, const char *message)
{
    struct scheduler *scheduler = pod->scheduler;
    Core__V1__Pod *copy =
        api_message_copy(arena, scheduler->pod_kind->message, pod->object->message);
    Core__V1__PodStatus *status = copy->status;
    Core__V1__PodCondition *condition = NULL;
    for (size_t i = 0; i < status->n_conditions; i++) {
        if (strcmp(status->conditions[i]->type, "PodScheduled") == 0) {
            condition = status->conditions[i];
        }
    }
    if (condition == NULL) {
        condition = arena_alloc(arena, sizeof(*condition));
        core__v1__pod_condition__init(condition);
        condition->type = arena_text(arena, "PodScheduled");
        Core__V1__PodCondition **all = arena_array(arena, status->n_conditions + 1, sizeof(*all));
        for (size_t i = 0; i < status->n_conditions; i++) {
            all[i] = status->conditions[i];
        }
        all[status->n_conditions++] = condition;
        status->conditions = all;
    } else if (!text_empty(condition->message) && strcmp(condition->message, message) == 0 &&
               strcmp(condition->status, "False") == 0) {
        return;
    }
    if (condition->status == NULL || strcmp(condition->status, "False") != 0) {
        condition->last_transition_time =
            api_time_new(arena, env_wall_ns(scheduler->config.env) / (int64_t)NS_PER_S);
    }
    condition->status = arena_text(arena, "False");
    condition->reason = arena_text(arena, "Unschedulable");
    condition->message = arena_text(arena, message);
    struct client_request request = {
        .verb = CLIENT_UPDATE,
        .as = &identity,
        .kind = scheduler->pod_kind,
        .subresource = "status",
        .namespace_ = copy->metadata->namespace_,
        .name = copy->metadata->name,
        .body = copy,
    };
    scheduler->calls++;
    client_call(scheduler->config.client, &request, status_written, scheduler);
}

static void bind_failed(struct scheduled_pod *pod, const struct client_reply *reply)
{
    struct scheduler *scheduler = pod->scheduler;
    uint64_t now_ns = env_now_ns(scheduler->config.env);
    if (scheduler->failed != NULL) {
        metric_add(scheduler->failed, 1);
    }
    event_record(scheduler->events, scheduler->pod_kind, pod->object->meta, true,
                 "FailedScheduling", "Scheduling", "binding rejected: %s", reply->message);
    unplace(pod);
    queue_back_off(&scheduler->queue, &pod->entry, now_ns);
    queue_wake(&scheduler->queue, FILTER_RESOURCES | FILTER_PORTS, now_ns);
    work_soon(scheduler);
}

static void bind_done(void *data, const struct client_reply *reply)
{
    struct scheduled_pod *pod = data;
    struct scheduler *scheduler = pod->scheduler;
    scheduler->calls--;
    scheduler->bindings--;
    pod->binding = false;
    if (client_succeeded(reply) && !scheduler->stopping) {
        if (scheduler->scheduled != NULL) {
            metric_add(scheduler->scheduled, 1);
        }
        const char *node = pod->node == NULL ? "" : pod->node;
        if (node[0] != '\0') {
            event_record(scheduler->events, scheduler->pod_kind, pod->object->meta, false,
                         "Scheduled", "Binding", "Successfully assigned %s/%s to %s",
                         client_object_namespace(pod->object), client_object_name(pod->object),
                         node);
        }
    }
    if (pod->gone) {
        pod_free(pod);
    } else if (!client_succeeded(reply) && !pod->bound && !scheduler->stopping) {
        bind_failed(pod, reply);
    }
    if (!scheduler->stopping && scheduler->queue.active.count > 0) {
        work_soon(scheduler);
    }
    stop_if_idle(scheduler);
}

static void bind(struct scheduled_pod *pod, struct arena *arena)
{
    struct scheduler *scheduler = pod->scheduler;
    Core__V1__Binding binding = CORE__V1__BINDING__INIT;
    Meta__V1__ObjectMeta meta = META__V1__OBJECT_META__INIT;
    Core__V1__ObjectReference target = CORE__V1__OBJECT_REFERENCE__INIT;
    meta.name = arena_text(arena, client_object_name(pod->object));
    meta.namespace_ = arena_text(arena, client_object_namespace(pod->object));
    meta.uid = arena_text(arena, client_object_uid(pod->object));
    target.kind = arena_text(arena, "Node");
    target.name = pod->node;
    binding.metadata = &meta;
    binding.target = &target;
    struct client_request request = {
        .verb = CLIENT_CREATE,
        .as = &identity,
        .kind = scheduler->pod_kind,
        .subresource = "binding",
        .namespace_ = meta.namespace_,
        .name = meta.name,
        .body = &binding,
    };
    pod->binding = true;
    scheduler->calls++;
    scheduler->bindings++;
    client_call(scheduler->config.client, &request, bind_done, pod);
}

/* --- Scheduling --- */

static void schedule(struct scheduled_pod *pod)
{
    struct scheduler *scheduler = pod->scheduler;
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct cycle_result result = cycle_run(arena, &scheduler->snapshot, &pod->info);
    if (result.node != NULL) {
        place(pod, result.node);
        bind(pod, arena);
        return;
    }
    if (scheduler->unschedulable != NULL) {
        metric_add(scheduler->unschedulable, 1);
    }
    event_record(scheduler->events, scheduler->pod_kind, pod->object->meta, true,
                 "FailedScheduling", "Scheduling", "%s", result.message);
    write_unschedulable(pod, arena, result.message);
    queue_park(&scheduler->queue, &pod->entry, result.filters, env_now_ns(scheduler->config.env));
}

static void work(void *data)
{
    struct scheduler *scheduler = data;
    if (scheduler->informers == NULL || !informers_synced(scheduler->informers)) {
        return; /* The last cache to fill wakes us. */
    }
    uint64_t now_ns = env_now_ns(scheduler->config.env);
    (void)queue_advance(&scheduler->queue, now_ns);
    for (size_t i = 0; i < SCHEDULER_PODS_A_TICK && scheduler->bindings < SCHEDULER_BINDINGS_MAX;
         i++) {
        struct queue_entry *entry = queue_pop(&scheduler->queue);
        if (entry == NULL) {
            break;
        }
        schedule(CONTAINER_OF(entry, struct scheduled_pod, entry));
    }
    if (scheduler->queue.active.count > 0) {
        if (scheduler->bindings < SCHEDULER_BINDINGS_MAX) {
            work_soon(scheduler);
        } /* Else an answered binding wakes us. */
        return;
    }
    uint64_t next_ns = queue_advance(&scheduler->queue, now_ns);
    if (next_ns != UINT64_MAX) {
        env_timer_start(scheduler->config.env, &scheduler->work,
                        next_ns > now_ns ? next_ns - now_ns : 0);
    }
}

static void cache_filled(void *data)
{
    work_soon(data);
}

/* --- Starting and stopping --- */

static void gate_start(void *data)
{
    struct scheduler *scheduler = data;
    struct scheduler_config *config = &scheduler->config;
    scheduler->stopping = false;
    snapshot_init(&scheduler->snapshot);
    queue_init(&scheduler->queue);
    scheduler->pods = hash_map_new(env_random(config->env));
    scheduler->nodes = hash_map_new(env_random(config->env));
    scheduler->events = event_recorder_new(config->env, config->client, &identity, scheduler->name,
                                           config->instance);
    scheduler->informers = informers_new(config->client);
    const struct api_kind *node_kind = api_kind_find("", "v1", "nodes");
    assert(node_kind != NULL);
    scheduler->node_handler = (struct informer_handler){
        .changed = node_changed, .synced = cache_filled, .data = scheduler};
    scheduler->pod_handler = (struct informer_handler){
        .changed = pod_changed, .synced = cache_filled, .data = scheduler};
    informer_add_handler(informers_get(scheduler->informers, node_kind), &scheduler->node_handler);
    informer_add_handler(informers_get(scheduler->informers, scheduler->pod_kind),
                         &scheduler->pod_handler);
}

static void drop_state(struct scheduler *scheduler)
{
    void *value;
    for (size_t at = 0; hash_map_next(scheduler->pods, &at, NULL, &value);) {
        struct scheduled_pod *pod = value;
        queue_remove(&scheduler->queue, &pod->entry);
        unplace(pod);
        pod_free(pod);
    }
    hash_map_free(scheduler->pods);
    snapshot_release(&scheduler->snapshot);
    queue_release(&scheduler->queue);
    for (size_t at = 0; hash_map_next(scheduler->nodes, &at, NULL, &value);) {
        client_object_unref(value);
    }
    hash_map_free(scheduler->nodes);
    scheduler->pods = scheduler->nodes = NULL;
}

static void stop_if_idle(struct scheduler *scheduler)
{
    if (!scheduler->stopping || scheduler->calls > 0) {
        return;
    }
    scheduler->stopping = false;
    drop_state(scheduler);
    event_recorder_free(scheduler->events);
    scheduler->events = NULL;
    leader_gate_stopped(&scheduler->gate);
    if (scheduler->closing) {
        void (*closed)(void *data) = scheduler->closed;
        void *data = scheduler->closed_data;
        free(scheduler);
        closed(data);
    }
}

static void gate_stop(void *data)
{
    struct scheduler *scheduler = data;
    env_timer_stop(scheduler->config.env, &scheduler->work);
    informer_remove_handler(&scheduler->pod_handler);
    informer_remove_handler(&scheduler->node_handler);
    informers_free(scheduler->informers);
    scheduler->informers = NULL;
    scheduler->stopping = true;
    stop_if_idle(scheduler);
}

struct scheduler *scheduler_open(const struct scheduler_config *config)
{
    struct scheduler *scheduler = alloc_zeroed(sizeof(*scheduler));
    scheduler->config = *config;
    scheduler->name = config->name == NULL ? "default-scheduler" : config->name;
    scheduler->pod_kind = api_kind_find("", "v1", "pods");
    assert(scheduler->pod_kind != NULL);
    scheduler->work = (struct env_timer){.fire = work, .data = scheduler};
    leader_gate_init(&scheduler->gate, gate_start, gate_stop, scheduler);
    if (config->metrics != NULL) {
        static const char name[] = "scheduler_schedule_attempts_total";
        static const char help[] = "Attempts to schedule pods, by result.";
        scheduler->scheduled = metrics_counter(config->metrics, name, help, "result=\"scheduled\"");
        scheduler->unschedulable =
            metrics_counter(config->metrics, name, help, "result=\"unschedulable\"");
        scheduler->failed = metrics_counter(config->metrics, name, help, "result=\"error\"");
    }
    return scheduler;
}

void scheduler_set_leader(struct scheduler *scheduler, bool leader)
{
    if (!scheduler->closing) {
        leader_gate_set(&scheduler->gate, leader);
    }
}

void scheduler_close(struct scheduler *scheduler, void (*closed)(void *data), void *data)
{
    assert(!scheduler->closing);
    scheduler->closing = true;
    scheduler->closed = closed;
    scheduler->closed_data = data;
    if (scheduler->gate.state == LEADER_GATE_STOPPED) {
        free(scheduler);
        closed(data);
        return;
    }
    leader_gate_set(&scheduler->gate, false); /* May free the scheduler. */
}
