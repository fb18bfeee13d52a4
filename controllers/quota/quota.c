/* Resource quotas: counts what the objects of a namespace take, and says it in the quota's status.
 * Admission charges what is created; here is found what was given back, what a new or changed quota
 * has to start with, and what admission could not know of. A count is right because it is made of
 * caches that have seen all that the quota's version includes, and is written only over that
 * version. */
#include "lib/api/quota.h"
#include "controllers/contents.h"
#include "controllers/control.h"
#include "controllers/kinds_of_content.h"
#include "controllers/quota/quota_plan.h"
#include "lib/api/custom.h"
#include "lib/base/alloc.h"
#include <stdlib.h>
#include <string.h>

enum {
    QUOTA_ROUNDS = 4,
    BEHIND_RETRY_MS = 5, /* Until the caches have what the quota has. */
    CREATED_DELAY_S = 2, /* Creations were charged: looking again is only for what was not. */
    RECOUNT_S = 300,
};

struct quota_loop;

/* A kind that some quota counts. */
struct counted_kind {
    struct quota_loop *loop;
    const struct api_kind *kind;
    struct informer *objects; /* NULL until a quota counts it. */
    struct informer_handler handler;
};

struct quota_loop {
    struct control *control;
    const struct api_kind *kind;
    struct informer *quotas;
    struct informer_handler handler;
    struct reconciler *reconciler;
    struct counted_kind kinds[KINDS_OF_CONTENT_MAX];
    size_t kind_count;
    struct contents_user user; /* Of custom objects. */
    void (*closed)(void *data);
    void *closed_data;
};

/* --- What makes a quota be counted again --- */

static void count_namespace(struct quota_loop *loop, const char *namespace, uint64_t delay_ns)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct informer_list list =
        informer_select(loop->quotas, arena, INFORMER_BY_NAMESPACE, namespace);
    for (size_t i = 0; i < list.count; i++) {
        const char *key = client_object_key(arena, list.items[i]);
        if (delay_ns == 0) {
            reconciler_add(loop->reconciler, key);
        } else {
            work_queue_add_after(reconciler_queue(loop->reconciler), key, delay_ns);
        }
    }
}

static bool takes_the_same(const struct counted_kind *counted,
                           const struct client_object *old_object,
                           const struct client_object *new_object)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    int64_t now_s = control_now_s(counted->loop->control);
    struct resource_list old = quota_usage(arena, counted->kind, old_object->message, now_s);
    struct resource_list new = quota_usage(arena, counted->kind, new_object->message, now_s);
    bool same = old.count == new.count;
    for (size_t i = 0; i < old.count && same; i++) {
        const struct quantity *value = resource_list_get(&new, old.items[i].name);
        same = value != NULL && quantity_compare(*value, old.items[i].value) == 0;
    }
    return same;
}

static void object_changed(void *data, const struct client_object *old_object,
                           const struct client_object *new_object)
{
    struct counted_kind *counted = data;
    const char *namespace = client_object_namespace(new_object != NULL ? new_object : old_object);
    if (old_object == NULL) {
        count_namespace(counted->loop, namespace, CREATED_DELAY_S * NS_PER_S);
    } else if (new_object == NULL || !takes_the_same(counted, old_object, new_object)) {
        count_namespace(counted->loop, namespace, 0);
    }
}

static bool is_custom(const struct api_kind *kind)
{
    return kind->namespaced && custom_of(kind) != NULL;
}

/* Custom objects are only counted: what changes in them takes nothing. */
static void custom_changed(void *data, const struct content *content,
                           const struct client_object *old_object,
                           const struct client_object *new_object)
{
    (void)content;
    if (old_object == NULL) {
        count_namespace(data, client_object_namespace(new_object), CREATED_DELAY_S * NS_PER_S);
    } else if (new_object == NULL) {
        count_namespace(data, client_object_namespace(old_object), 0);
    }
}

static bool is_limited(const struct api_kind *kind, const struct resource_list *hard)
{
    for (size_t i = 0; i < hard->count; i++) {
        if (quota_counts(kind, hard->items[i].name)) {
            return true;
        }
    }
    return false;
}

/* What could not be counted before can be now. */
static void custom_appeared(void *data, const struct content *content)
{
    struct quota_loop *loop = data;
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct informer_list quotas = informer_all(loop->quotas, arena);
    for (size_t i = 0; i < quotas.count; i++) {
        const Core__V1__ResourceQuota *quota = quotas.items[i]->message;
        struct resource_list hard = RESOURCE_LIST(arena, quota->spec, hard);
        if (is_limited(content->kind, &hard)) {
            reconciler_add_object(loop->reconciler, quotas.items[i]);
        }
    }
}

/* Caches are filled of those kinds only that quotas are about. */
static void follow(struct quota_loop *loop, const struct resource_list *hard)
{
    for (size_t i = 0; i < loop->kind_count; i++) {
        struct counted_kind *counted = &loop->kinds[i];
        if (counted->objects == NULL && is_limited(counted->kind, hard)) {
            counted->objects = informers_get(loop->control->informers, counted->kind);
            counted->handler =
                (struct informer_handler){.changed = object_changed, .data = counted};
            informer_add_handler(counted->objects, &counted->handler);
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

static struct quota_objects objects_of(const struct api_kind *kind, const struct informer *objects,
                                       struct arena *arena, const char *namespace)
{
    struct informer_list list = informer_select(objects, arena, INFORMER_BY_NAMESPACE, namespace);
    const void **messages = arena_array(arena, list.count + 1, sizeof(*messages));
    for (size_t i = 0; i < list.count; i++) {
        messages[i] = list.items[i]->message;
    }
    return (struct quota_objects){kind, messages, list.count};
}

/* What a quota counts. */
struct collection {
    const struct client_object *quota;
    const struct resource_list *hard;
    struct arena *arena;
    struct quota_objects *objects;
    size_t count;
};

/* False when the cache has not seen yet what the quota's version includes. */
static bool collect_kind(struct collection *collection, const struct api_kind *kind,
                         const struct informer *objects)
{
    if (!is_limited(kind, collection->hard)) {
        return true;
    }
    if (informer_revision(objects) < collection->quota->version) {
        return false;
    }
    collection->objects[collection->count++] =
        objects_of(kind, objects, collection->arena, client_object_namespace(collection->quota));
    return true;
}

static bool collect(struct quota_loop *loop, struct collection *collection)
{
    const struct contents *contents = loop->control->contents;
    size_t room = loop->kind_count + contents_count(contents);
    bool seen = true;
    collection->objects = arena_array(collection->arena, room, sizeof(*collection->objects));
    for (size_t i = 0; seen && i < loop->kind_count; i++) {
        seen = collect_kind(collection, loop->kinds[i].kind, loop->kinds[i].objects);
    }
    for (size_t i = 0; seen && i < contents_count(contents); i++) {
        const struct content *content = contents_at(contents, i);
        seen =
            !is_custom(content->kind) || collect_kind(collection, content->kind, content->objects);
    }
    return seen;
}

static void reconcile(void *data, struct round *round)
{
    struct quota_loop *loop = data;
    const struct client_object *object = informer_get(loop->quotas, round->namespace_, round->name);
    if (object == NULL) {
        return;
    }
    const Core__V1__ResourceQuota *quota = object->message;
    struct resource_list hard = RESOURCE_LIST(round->arena, quota->spec, hard);
    struct collection found = {.quota = object, .hard = &hard, .arena = round->arena};
    follow(loop, &hard);
    if (!control_ready_for_all(loop->control, round)) {
        return;
    }
    if (!collect(loop, &found)) {
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
    const struct api_kind *kinds[KINDS_OF_CONTENT_MAX];
    loop->control = control;
    loop->kind = control_kind("", "v1", "resourcequotas");
    loop->kind_count = kinds_of_content(/* namespaced= */ true, kinds);
    for (size_t i = 0; i < loop->kind_count; i++) {
        loop->kinds[i] = (struct counted_kind){.loop = loop, .kind = kinds[i]};
    }
    loop->quotas = informers_get(control->informers, loop->kind);
    loop->reconciler = control_reconciler(control, "resourcequota", &control_as.resource_quota,
                                          QUOTA_ROUNDS, reconcile, loop);
    loop->handler = (struct informer_handler){.changed = quota_changed, .data = loop};
    informer_add_handler(loop->quotas, &loop->handler);
    loop->user = (struct contents_user){
        .wants = is_custom, .changed = custom_changed, .appeared = custom_appeared, .data = loop};
    contents_join(control->contents, &loop->user);
    return loop;
}

static void rounds_ended(void *data)
{
    struct quota_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
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
    for (size_t i = 0; i < loop->kind_count; i++) {
        informer_remove_handler(&loop->kinds[i].handler);
    }
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_resource_quota = {
    .name = "resourcequota", .open = quota_open, .close = quota_close};
