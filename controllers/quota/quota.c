/* Resource quotas: counts what the objects of a namespace take, and says it in the quota's status.
 * Admission charges what is created; here is found what was given back, what a new or changed quota
 * has to start with, and what admission could not know of. A count is right because it is made of
 * caches that have seen all that the quota's version includes, and is written only over that
 * version. What it takes to count does not grow with the objects: tallies follow the caches. */
#include "controllers/contents.h"
#include "controllers/control.h"
#include "controllers/quota/quota_plan.h"
#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include <stdlib.h>
#include <string.h>

enum {
    QUOTA_ROUNDS = 4,
    BEHIND_RETRY_MS = 5, /* Until the caches have what the quota has. */
    CREATED_DELAY_S = 2, /* Creations were charged: looking again is only for what was not. */
    RECOUNT_S = 300,
};

/* Kinds whose objects take this and that: pods, services and claims. */
enum { MEASURED_KINDS = 3 };

struct measured_kind {
    const struct api_kind *kind;
    struct hash_map *tallies; /* Namespace -> struct quota_tally; none without objects. */
};

struct quota_loop {
    struct control *control;
    const struct api_kind *kind;
    struct informer *quotas;
    struct informer_handler handler;
    struct reconciler *reconciler;
    struct measured_kind measured[MEASURED_KINDS];
    struct contents_user user;
    void (*closed)(void *data);
    void *closed_data;
};

/* --- What makes a quota be counted again --- */

static bool is_limited(const struct api_kind *kind, const Core__V1__ResourceQuota *quota)
{
    for (size_t i = 0; quota->spec != NULL && i < quota->spec->n_hard; i++) {
        if (quota_counts(kind, text_or_empty(quota->spec->hard[i]->key))) {
            return true;
        }
    }
    return false;
}

static void count_again(struct quota_loop *loop, const struct api_kind *kind, const char *namespace,
                        uint64_t delay_ns)
{
    if (informer_count_under(loop->quotas, INFORMER_BY_NAMESPACE, namespace) == 0) {
        return;
    }
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct informer_list list =
        informer_select(loop->quotas, arena, INFORMER_BY_NAMESPACE, namespace);
    for (size_t i = 0; i < list.count; i++) {
        if (!is_limited(kind, list.items[i]->message)) {
            continue;
        }
        const char *key = client_object_key(arena, list.items[i]);
        if (delay_ns == 0) {
            reconciler_add(loop->reconciler, key);
        } else {
            work_queue_add_after(reconciler_queue(loop->reconciler), key, delay_ns);
        }
    }
}

static struct measured_kind *measured_kind(struct quota_loop *loop, const struct api_kind *kind)
{
    for (size_t i = 0; i < MEASURED_KINDS; i++) {
        if (loop->measured[i].kind == kind) {
            return &loop->measured[i];
        }
    }
    return NULL;
}

/* True when counts may be others. */
static bool tally_changed(const struct measured_kind *measured, const char *namespace,
                          const struct client_object *old_object,
                          const struct client_object *new_object)
{
    struct slice key = slice_text(namespace);
    struct quota_tally *tally = hash_map_get(measured->tallies, key);
    if (tally == NULL) {
        tally = quota_tally_new(measured->kind);
        hash_map_set(measured->tallies, key, tally);
    }
    bool changed = quota_tally_change(tally, old_object == NULL ? NULL : old_object->message,
                                      new_object == NULL ? NULL : new_object->message);
    if (quota_tally_is_empty(tally)) {
        quota_tally_free(hash_map_remove(measured->tallies, key));
    }
    return changed;
}

static void object_changed(void *data, const struct content *content,
                           const struct client_object *old_object,
                           const struct client_object *new_object)
{
    struct quota_loop *loop = data;
    const char *namespace = client_object_namespace(new_object != NULL ? new_object : old_object);
    const struct measured_kind *measured = measured_kind(loop, content->kind);
    bool changed = measured == NULL ? old_object == NULL || new_object == NULL
                                    : tally_changed(measured, namespace, old_object, new_object);
    if (changed) {
        count_again(loop, content->kind, namespace,
                    old_object == NULL ? CREATED_DELAY_S * NS_PER_S : 0);
    }
}

static bool is_namespaced(const struct api_kind *kind)
{
    return kind->namespaced;
}

/* What could not be counted before can be now. */
static void custom_appeared(void *data, const struct content *content)
{
    struct quota_loop *loop = data;
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct informer_list quotas = informer_all(loop->quotas, arena);
    for (size_t i = 0; i < quotas.count; i++) {
        if (is_limited(content->kind, quotas.items[i]->message)) {
            reconciler_add_object(loop->reconciler, quotas.items[i]);
        }
    }
}

static void quota_changed(void *data, const struct client_object *old_object,
                          const struct client_object *new_object)
{
    struct quota_loop *loop = data;
    (void)old_object;
    if (new_object != NULL) {
        reconciler_add_object(loop->reconciler, new_object);
    }
}

/* --- Counting --- */

/* What a quota counts. */
struct collection {
    const struct client_object *quota;
    struct quota_objects *objects;
    size_t count;
};

/* False when the caches have not seen yet what the quota's version includes. */
static bool collect(struct quota_loop *loop, struct arena *arena, struct collection *collection)
{
    const struct contents *contents = loop->control->contents;
    const char *namespace = client_object_namespace(collection->quota);
    collection->objects =
        arena_array(arena, contents_count(contents), sizeof(*collection->objects));
    for (size_t i = 0; i < contents_count(contents); i++) {
        const struct content *content = contents_at(contents, i);
        if (!content->kind->namespaced || !is_limited(content->kind, collection->quota->message)) {
            continue;
        }
        if (informer_revision(content->objects) < collection->quota->version) {
            return false;
        }
        const struct measured_kind *measured = measured_kind(loop, content->kind);
        collection->objects[collection->count++] = (struct quota_objects){
            .kind = content->kind,
            .count = informer_count_under(content->objects, INFORMER_BY_NAMESPACE, namespace),
            .tally =
                measured == NULL ? NULL : hash_map_get(measured->tallies, slice_text(namespace))};
    }
    return true;
}

static void reconcile(void *data, struct round *round)
{
    struct quota_loop *loop = data;
    const struct client_object *object = informer_get(loop->quotas, round->namespace_, round->name);
    if (object == NULL) {
        return;
    }
    const Core__V1__ResourceQuota *quota = object->message;
    struct collection found = {.quota = object};
    if (!control_ready_for_all(loop->control, round)) {
        return;
    }
    if (!collect(loop, round->arena, &found)) {
        round_again_after(round, BEHIND_RETRY_MS * NS_PER_MS);
        return;
    }
    round_again_after(round, RECOUNT_S * NS_PER_S);
    Core__V1__ResourceQuotaStatus *status = NULL;
    if (quota_plan(round->arena, quota, found.objects, found.count, control_now_s(loop->control),
                   &status)) {
        Core__V1__ResourceQuota *changed =
            api_message_copy(round->arena, loop->kind->message, quota);
        changed->status = status;
        control_update(round, loop->kind, "status", changed->metadata, changed, NULL, NULL);
    }
}

/* --- The loop --- */

static void *quota_open(struct control *control)
{
    struct quota_loop *loop = alloc_zeroed(sizeof(*loop));
    static const char *const measured[MEASURED_KINDS] = {"pods", "services",
                                                         "persistentvolumeclaims"};
    loop->control = control;
    loop->kind = control_kind("", "v1", "resourcequotas");
    for (size_t i = 0; i < MEASURED_KINDS; i++) {
        loop->measured[i] = (struct measured_kind){control_kind("", "v1", measured[i]),
                                                   hash_map_new(/* seed= */ 0x71756f74)};
    }
    loop->quotas = informers_get(control->informers, loop->kind);
    loop->reconciler = control_reconciler(control, "resourcequota", &control_as.resource_quota,
                                          QUOTA_ROUNDS, reconcile, loop);
    loop->handler = (struct informer_handler){.changed = quota_changed, .data = loop};
    informer_add_handler(loop->quotas, &loop->handler);
    loop->user = (struct contents_user){.wants = is_namespaced,
                                        .changed = object_changed,
                                        .appeared = custom_appeared,
                                        .data = loop};
    contents_join(control->contents, &loop->user);
    return loop;
}

static void rounds_ended(void *data)
{
    struct quota_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    for (size_t i = 0; i < MEASURED_KINDS; i++) {
        void *tally;
        for (size_t at = 0; hash_map_next(loop->measured[i].tallies, &at, NULL, &tally);) {
            quota_tally_free(tally);
        }
        hash_map_free(loop->measured[i].tallies);
    }
    free(loop);
    closed(closed_data);
}

static void quota_close(void *part, void (*closed)(void *data), void *data)
{
    struct quota_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    informer_remove_handler(&loop->handler);
    contents_leave(&loop->user);
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_resource_quota = {
    .name = "resourcequota", .open = quota_open, .close = quota_close};
