#include "agent/pod_manager_internal.h"

#include "agent/limits.h"
#include "agent/pod_status.h"
#include "lib/api/codec.h"
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/base/log.h"
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COMPONENT "pods"

enum { STATUS_BYTES_MAX = 1 << 20, POD_BYTES_MAX = 4 << 20 };

/* An event that arrived while the worker was stepping. */
struct queued_event {
    struct list node;
    struct pod_event event;
    struct arena *texts;
};

struct worker_clock pod_manager_clock(struct pod_manager *manager)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (struct worker_clock){
        .now_ms = loop_now_ms(manager->tools.loop),
        .wall_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec,
    };
}

struct pod_op *pod_op_new(struct pod_entry *entry, size_t container)
{
    struct pod_op *op = alloc_zeroed(sizeof(*op));
    list_init(&op->node);
    list_push_back(&entry->manager->ops, &op->node);
    op->entry = entry;
    op->container = container;
    entry->references++;
    return op;
}

void pod_op_free(struct pod_op *op)
{
    list_remove(&op->node);
    loop_timer_stop(op->entry->manager->tools.loop, &op->timer);
    pod_entry_unref(op->entry);
    free(op->id);
    free(op->message);
    free(op);
}

void pod_entry_unref(struct pod_entry *entry)
{
    assert(entry->references > 0);
    if (--entry->references > 0) {
        return;
    }
    loop_timer_stop(entry->manager->tools.loop, &entry->wake);
    pod_objects_free(entry);
    while (!list_empty(&entry->queued)) {
        struct queued_event *queued =
            LIST_ENTRY(list_first(&entry->queued), struct queued_event, node);
        list_remove(&queued->node);
        arena_free(queued->texts);
        free(queued);
    }
    for (size_t i = 0; i < entry->worker->plan->container_count; i++) {
        free(entry->images[i].ref);
    }
    free(entry->images);
    free(entry->found_sandbox);
    pod_worker_free(entry->worker);
    arena_free(entry->arena);
    arena_free(entry->status_arena);
    buffer_release(&entry->status_bytes);
    free(entry);
}

void pod_entry_inputs(struct pod_entry *entry, struct pod_inputs *ret_inputs)
{
    struct pod_manager *manager = entry->manager;
    *ret_inputs = (struct pod_inputs){
        .pod = entry->pod,
        .find = pod_objects_find,
        .find_data = entry,
        .pod_ip = entry->worker->ip == NULL ? "" : entry->worker->ip,
        .host_ip = manager->node_ip,
        .node_name = manager->node_name,
        .cluster_dns = manager->cluster_dns,
        .cluster_domain = manager->cluster_domain,
        .node_memory_bytes = manager->memory_bytes,
        .node_cpu_milli = manager->cpu_milli,
        .pods_dir = manager->pods_dir,
        .logs_dir = manager->logs_dir,
        .host_nameservers = (const char *const *)manager->nameservers,
        .host_nameserver_count = manager->nameserver_count,
        .host_searches = (const char *const *)manager->searches,
        .host_search_count = manager->search_count,
        .hollow = runtime_is_hollow(manager->tools.runtime),
    };
    if (entry->pod->spec->host_network) {
        ret_inputs->pod_ip = manager->node_ip;
    }
    ret_inputs->services = manager->hooks.services(manager->hooks.data, &ret_inputs->service_count);
}

/* ---- Stepping ---- */

static void report_status(struct pod_entry *entry)
{
    struct pod_manager *manager = entry->manager;
    struct arena *arena = arena_new(SIZE_MAX);
    struct pod_status_context context = {
        .pod = entry->pod,
        .host_ip = manager->node_ip,
        .wall_ns = pod_manager_clock(manager).wall_ns,
        .before = entry->status != NULL ? entry->status : entry->pod->status,
    };
    Core__V1__PodStatus *status = pod_status_build(arena, entry->worker, &context);
    struct buffer bytes;
    buffer_init(&bytes, STATUS_BYTES_MAX);
    api_encode_protobuf(api_message_find("k8s.io.api.core.v1.PodStatus"), status, &bytes);
    bool same =
        entry->reported && slice_equal(buffer_slice(&bytes), buffer_slice(&entry->status_bytes));
    if (same || buffer_error(&bytes) < 0) {
        buffer_release(&bytes);
        arena_free(arena);
        return;
    }
    arena_free(entry->status_arena);
    entry->status_arena = arena;
    entry->status = status;
    buffer_release(&entry->status_bytes);
    entry->status_bytes = bytes;
    entry->reported = true;
    manager->hooks.status(manager->hooks.data, entry->pod, buffer_slice(&entry->status_bytes));
}

static bool is_own_condition(const Core__V1__PodStatus *own, const char *type)
{
    for (size_t i = 0; i < own->n_conditions; i++) {
        if (type != NULL && strcmp(own->conditions[i]->type, type) == 0) {
            return true;
        }
    }
    return false;
}

/* Others write the status too: the node lifecycle controller marks the pods of a silent node as not
 * ready, a member that was cut off may carry out an old report late. What this node said last is
 * then said again. Conditions that are not the node's are left out of the comparison. */
static void correct_status(struct pod_entry *entry)
{
    struct pod_manager *manager = entry->manager;
    if (!entry->reported || entry->status == NULL || entry->dropped ||
        manager->hooks.status_waits(manager->hooks.data, entry->pod->metadata->uid)) {
        return;
    }
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct api_message *type = api_message_find("k8s.io.api.core.v1.PodStatus");
    Core__V1__PodStatus *there = api_message_copy(arena, type, entry->pod->status);
    size_t kept = 0;
    for (size_t i = 0; i < there->n_conditions; i++) {
        if (is_own_condition(entry->status, there->conditions[i]->type)) {
            there->conditions[kept++] = there->conditions[i];
        }
    }
    there->n_conditions = kept;
    struct buffer bytes;
    buffer_init(&bytes, STATUS_BYTES_MAX);
    api_encode_protobuf(type, there, &bytes);
    bool same = slice_equal(buffer_slice(&bytes), buffer_slice(&entry->status_bytes));
    buffer_release(&bytes);
    if (!same) {
        LOG_INFO(COMPONENT, "the status of a pod was changed by others, saying it again",
                 KV_TEXT("namespace", entry->pod->metadata->namespace_),
                 KV_TEXT("pod", entry->pod->metadata->name));
        manager->hooks.status(manager->hooks.data, entry->pod, buffer_slice(&entry->status_bytes));
    }
}

static void record(struct pod_entry *entry, const struct pod_effect *effect)
{
    char path[320] = "";
    if (effect->container != POD_EFFECT_NO_CONTAINER) {
        const struct container_plan *plan = &entry->worker->plan->containers[effect->container];
        (void)snprintf(path, sizeof(path), "spec.%s{%s}",
                       plan->kind == CONTAINER_MAIN ? "containers" : "initContainers", plan->name);
    }
    struct pod_event_note note = {
        .pod = entry->pod,
        .field_path = path,
        .warning = effect->warning,
        .reason = effect->reason,
        .message = effect->message,
    };
    entry->manager->hooks.event(entry->manager->hooks.data, &note);
}

static void drop(struct pod_entry *entry)
{
    if (!entry->dropped) {
        entry->dropped = true;
        loop_timer_stop(entry->manager->tools.loop, &entry->wake);
        (void)hash_map_remove(entry->manager->pods, slice_text(entry->pod->metadata->uid));
        entry->manager->hooks.dropped(entry->manager->hooks.data, entry->pod->metadata->uid);
        pod_entry_unref(entry); /* The table's. */
    }
}

static void step_once(struct pod_entry *entry, const struct pod_event *event)
{
    struct pod_effects effects;
    pod_effects_init(&effects);
    pod_worker_step(entry->worker, pod_manager_clock(entry->manager), event, &effects);
    for (size_t i = 0; i < effects.count; i++) {
        const struct pod_effect *effect = &effects.items[i];
        if (effect->kind == EFFECT_STATUS) {
            report_status(entry);
        } else if (effect->kind == EFFECT_RECORD) {
            record(entry, effect);
        } else if (effect->kind == EFFECT_DROP) {
            drop(entry);
        } else {
            pod_effect_run(entry, effect);
        }
    }
    pod_effects_release(&effects);
}

static void queue_event(struct pod_entry *entry, const struct pod_event *event)
{
    struct queued_event *queued = alloc_zeroed(sizeof(*queued));
    list_init(&queued->node);
    queued->event = *event;
    queued->texts = arena_new(SIZE_MAX);
    const char **texts[] = {&queued->event.id, &queued->event.ip, &queued->event.reason,
                            &queued->event.message};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        *texts[i] = *texts[i] == NULL ? NULL : arena_text(queued->texts, *texts[i]);
    }
    list_push_back(&entry->queued, &queued->node);
}

void pod_entry_step(struct pod_entry *entry, const struct pod_event *event)
{
    struct pod_manager *manager = entry->manager;
    if (entry->dropped || manager->closing) {
        if (event->kind == EVENT_PLAN) {
            arena_free(event->arena);
        }
        return;
    }
    if (entry->stepping) {
        queue_event(entry, event);
        return;
    }
    entry->references++;
    entry->stepping = true;
    step_once(entry, event);
    while (!list_empty(&entry->queued)) {
        struct queued_event *queued =
            LIST_ENTRY(list_first(&entry->queued), struct queued_event, node);
        list_remove(&queued->node);
        if (!entry->dropped) {
            step_once(entry, &queued->event);
        }
        arena_free(queued->texts);
        free(queued);
    }
    entry->stepping = false;
    if (!entry->dropped) {
        uint64_t now = loop_now_ms(manager->tools.loop);
        uint64_t wake = entry->worker->wake_ms;
        if (wake == UINT64_MAX) {
            loop_timer_stop(manager->tools.loop, &entry->wake);
        } else {
            loop_timer_start(manager->tools.loop, &entry->wake, wake > now ? wake - now : 0);
        }
    }
    pod_entry_unref(entry);
}

static void on_wake(void *data)
{
    struct pod_event tick = {.kind = EVENT_TICK};
    pod_entry_step(data, &tick);
}

/* ---- The table ---- */

static struct pod_plan *make_plan(const Core__V1__Pod *pod, struct arena **ret_arena)
{
    struct arena *arena = arena_new(SIZE_MAX);
    struct pod_plan *plan = NULL;
    if (pod_plan_from(arena, pod, &plan) < 0) {
        arena_free(arena);
        return NULL;
    }
    *ret_arena = arena;
    return plan;
}

static struct pod_entry *entry_new(struct pod_manager *manager, struct arena *arena_consume,
                                   Core__V1__Pod *pod)
{
    struct arena *plan_arena;
    struct pod_plan *plan = make_plan(pod, &plan_arena);
    if (plan == NULL) {
        arena_free(arena_consume);
        return NULL;
    }
    struct pod_entry *entry = alloc_zeroed(sizeof(*entry));
    entry->manager = manager;
    entry->references = 1;
    entry->arena = arena_consume;
    entry->pod = pod;
    entry->worker = pod_worker_new(plan, plan_arena, pod_manager_clock(manager));
    entry->images = alloc_array(plan->container_count, sizeof(*entry->images));
    entry->wake = (struct loop_timer){.fire = on_wake, .data = entry};
    list_init(&entry->objects);
    list_init(&entry->tokens);
    list_init(&entry->queued);
    buffer_init(&entry->status_bytes, STATUS_BYTES_MAX);
    (void)hash_map_set(manager->pods, slice_text(pod->metadata->uid), entry);
    return entry;
}

/* A pod that has ended stays ended, also after the agent was restarted. */
static bool is_over(const Core__V1__Pod *pod)
{
    const char *phase = pod->status == NULL ? NULL : pod->status->phase;
    return phase != NULL && (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0);
}

static void tell_deletion(struct pod_entry *entry)
{
    const Meta__V1__ObjectMeta *meta = entry->pod->metadata;
    if (meta->deletion_timestamp == NULL || !meta->deletion_timestamp->has_seconds) {
        return;
    }
    struct pod_event event = {
        .kind = EVENT_DELETE,
        .grace_seconds = meta->has_deletion_grace_period_seconds
                             ? meta->deletion_grace_period_seconds
                             : entry->worker->plan->grace_seconds,
    };
    pod_entry_step(entry, &event);
}

static void take_first(struct pod_entry *entry)
{
    struct pod_manager *manager = entry->manager;
    if (is_over(entry->pod)) {
        entry->worker->state = POD_TERMINATED; /* Nothing is started for it. */
        pod_status_adopt(entry->worker, entry->pod->status);
        entry->reported = true;
    } else if (hash_map_count(manager->pods) > manager->max_pods) {
        struct pod_event reject = {
            .kind = EVENT_REJECT,
            .reason = "OutOfpods",
            .message = "Node didn't have enough resource: pods",
        };
        pod_entry_step(entry, &reject);
    }
}

/* A pod of this node, or NULL. */
static Core__V1__Pod *read_pod(const struct pod_manager *manager, struct arena *arena,
                               struct slice bytes)
{
    void *message = NULL;
    CLEANUP(error_release) struct error error = {0};
    if (api_decode_protobuf(arena, api_message_find("k8s.io.api.core.v1.Pod"), bytes, &message,
                            &error) < 0) {
        LOG_WARN(COMPONENT, "ignored a pod that cannot be read",
                 KV_TEXT("error", error_message(&error)));
        return NULL;
    }
    Core__V1__Pod *pod = message;
    const char *node = pod->spec->node_name;
    bool here = node != NULL && strcmp(node, manager->node_name) == 0 && pod->metadata->uid != NULL;
    return here ? pod : NULL;
}

/* The arena, which has the pod, is the entry's then. */
static void add_pod(struct pod_manager *manager, struct arena *arena, Core__V1__Pod *pod,
                    struct slice bytes)
{
    if (hash_map_count(manager->pods) >= AGENT_PODS_MAX) {
        LOG_WARN(COMPONENT, "ignored a pod: too many", KV_TEXT("pod", pod->metadata->name));
        arena_free(arena);
        return;
    }
    struct pod_entry *entry = entry_new(manager, arena, pod);
    if (entry == NULL) {
        return;
    }
    entry->pod_bytes = bytes;
    entry->marked = true;
    pod_checkpoint_write(entry);
    take_first(entry);
    pod_manager_relist_soon(manager, 0); /* It starts once the runtime has been looked at. */
}

/* The same of an entry that there is. */
static void change_pod(struct pod_entry *entry, struct arena *arena, Core__V1__Pod *pod,
                       struct slice bytes)
{
    struct arena *plan_arena;
    struct pod_plan *plan = make_plan(pod, &plan_arena);
    struct arena *old = entry->arena;
    bool changed = pod->metadata->generation != entry->pod->metadata->generation ||
                   (pod->metadata->deletion_timestamp != NULL) !=
                       (entry->pod->metadata->deletion_timestamp != NULL);
    entry->marked = true;
    entry->pod = pod;
    entry->pod_bytes = bytes;
    entry->arena = arena;
    arena_free(old);
    if (changed) {
        pod_checkpoint_write(entry);
    }
    if (plan == NULL) {
        return;
    }
    struct pod_event event = {.kind = EVENT_PLAN, .plan = plan, .arena = plan_arena};
    if (entry->stepping || !entry->adopted) { /* Cannot be queued with its arena; the next tells. */
        arena_free(plan_arena);
    } else {
        pod_entry_step(entry, &event);
    }
}

void pod_manager_upsert(struct pod_manager *manager, struct slice bytes)
{
    struct arena *arena = arena_new(SIZE_MAX);
    Core__V1__Pod *pod = read_pod(manager, arena, bytes);
    if (pod == NULL) {
        arena_free(arena);
        return;
    }
    struct slice copy = arena_slice(arena, bytes);
    struct pod_entry *entry = hash_map_get(manager->pods, slice_text(pod->metadata->uid));
    if (entry == NULL) {
        add_pod(manager, arena, pod, copy);
        return;
    }
    change_pod(entry, arena, pod, copy);
    if (entry->adopted) {
        struct pod_event tick = {.kind = EVENT_TICK};
        entry->references++; /* The steps may drop it. */
        pod_entry_step(entry, &tick);
        correct_status(entry);
        if (!entry->dropped) {
            tell_deletion(entry);
        }
        pod_entry_unref(entry);
    }
}

void pod_manager_remove(struct pod_manager *manager, const char *uid)
{
    struct pod_entry *entry = hash_map_get(manager->pods, slice_text(uid));
    if (entry != NULL) {
        struct pod_event event = {.kind = EVENT_FORGET};
        pod_entry_step(entry, &event);
    }
}

void pod_manager_mark(struct pod_manager *manager)
{
    void *value;
    for (size_t at = 0; hash_map_next(manager->pods, &at, NULL, &value);) {
        ((struct pod_entry *)value)->marked = false;
    }
}

void pod_manager_sweep(struct pod_manager *manager)
{
    /* Removing changes the table: collect first. */
    size_t count = 0;
    void *value;
    struct pod_entry **gone = alloc_array(hash_map_count(manager->pods) + 1, sizeof(*gone));
    for (size_t at = 0; hash_map_next(manager->pods, &at, NULL, &value);) {
        struct pod_entry *entry = value;
        if (!entry->marked) {
            entry->references++;
            gone[count++] = entry;
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct pod_event event = {.kind = EVENT_FORGET};
        pod_entry_step(gone[i], &event);
        pod_entry_unref(gone[i]);
    }
    free(gone);
    manager->swept = true;
    pod_manager_relist_soon(manager, 0);
}

void pod_manager_set_cluster(struct pod_manager *manager, const char *cluster_dns,
                             const char *cluster_domain)
{
    free(manager->cluster_dns);
    free(manager->cluster_domain);
    manager->cluster_dns = alloc_text(cluster_dns);
    manager->cluster_domain =
        alloc_text(cluster_domain[0] == '\0' ? "cluster.local" : cluster_domain);
}

void pod_manager_report_all(struct pod_manager *manager)
{
    void *value;
    for (size_t at = 0; hash_map_next(manager->pods, &at, NULL, &value);) {
        struct pod_entry *entry = value;
        if (entry->reported && entry->status_bytes.len > 0) {
            manager->hooks.status(manager->hooks.data, entry->pod,
                                  buffer_slice(&entry->status_bytes));
        }
        if (entry->worker->done_sent) {
            manager->hooks.deleted(manager->hooks.data, entry->pod);
        }
    }
}

size_t pod_manager_count(const struct pod_manager *manager)
{
    return hash_map_count(manager->pods);
}
