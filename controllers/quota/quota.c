/* Resource quotas: counts what the objects of a namespace take, and says it in the quota's status.
 * Admission charges what is created; here is found what was given back, what a new or changed quota
 * has to start with, and what admission could not know of. A count is right because it is made of
 * caches that have seen all that the quota's version includes, and is written only over that
 * version. */
#include "lib/api/quota.h"
#include "controllers/control.h"
#include "controllers/kinds_of_content.h"
#include "controllers/quota/quota_plan.h"
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

static bool is_limited(const struct counted_kind *counted, const struct resource_list *hard)
{
    for (size_t i = 0; i < hard->count; i++) {
        if (quota_counts(counted->kind, hard->items[i].name)) {
            return true;
        }
    }
    return false;
}

/* Caches are filled of those kinds only that quotas are about. */
static void follow(struct quota_loop *loop, const struct resource_list *hard)
{
    for (size_t i = 0; i < loop->kind_count; i++) {
        struct counted_kind *counted = &loop->kinds[i];
        if (counted->objects == NULL && is_limited(counted, hard)) {
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

static struct quota_objects objects_of(const struct counted_kind *counted, struct arena *arena,
                                       const char *namespace)
{
    struct informer_list list =
        informer_select(counted->objects, arena, INFORMER_BY_NAMESPACE, namespace);
    const void **messages = arena_array(arena, list.count + 1, sizeof(*messages));
    for (size_t i = 0; i < list.count; i++) {
        messages[i] = list.items[i]->message;
    }
    return (struct quota_objects){counted->kind, messages, list.count};
}

/* False when a cache has not seen yet what the quota's version includes. */
static bool collect(struct quota_loop *loop, struct round *round,
                    const struct client_object *object, const struct resource_list *hard,
                    struct quota_objects *ret_objects, size_t *ret_count)
{
    size_t count = 0;
    for (size_t i = 0; i < loop->kind_count; i++) {
        const struct counted_kind *counted = &loop->kinds[i];
        if (!is_limited(counted, hard)) {
            continue;
        }
        if (informer_revision(counted->objects) < object->version) {
            return false;
        }
        ret_objects[count++] = objects_of(counted, round->arena, client_object_namespace(object));
    }
    *ret_count = count;
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
    struct resource_list hard = RESOURCE_LIST(round->arena, quota->spec, hard);
    struct quota_objects objects[KINDS_OF_CONTENT_MAX];
    size_t count = 0;
    follow(loop, &hard);
    if (!control_ready(loop->control, round)) {
        return;
    }
    if (!collect(loop, round, object, &hard, objects, &count)) {
        round_again_after(round, BEHIND_RETRY_MS * NS_PER_MS);
        return;
    }
    round_again_after(round, RECOUNT_S * NS_PER_S);
    Core__V1__ResourceQuotaStatus *status = NULL;
    if (quota_plan(round->arena, quota, objects, count, control_now_s(loop->control), &status)) {
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
    loop->reconciler = control_reconciler(control, "resourcequota", QUOTA_ROUNDS, reconcile, loop);
    loop->handler = (struct informer_handler){.changed = quota_changed, .data = loop};
    informer_add_handler(loop->quotas, &loop->handler);
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
    for (size_t i = 0; i < loop->kind_count; i++) {
        informer_remove_handler(&loop->kinds[i].handler);
    }
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_resource_quota = {
    .name = "resourcequota", .open = quota_open, .close = quota_close};
