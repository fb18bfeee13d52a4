/* Namespace deletion: empties a terminating namespace of every kind, says in its conditions what
 * remains, and takes the finalizer "kubernetes" off when nothing does. */
#include "controllers/contents.h"
#include "controllers/control.h"
#include "controllers/deletions.h"
#include "controllers/limits.h"
#include "controllers/namespace/namespace_plan.h"
#include "controllers/pod_state.h"
#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include <stdlib.h>

enum { EMPTY_RECHECK_MS = 100 };

struct namespace_loop {
    struct control *control;
    const struct api_kind *kind;
    struct informer *namespaces;
    struct informer_handler handler;
    struct contents_user user;
    struct reconciler *reconciler;
    struct hash_map *empty; /* Namespaces seen empty once -> itself. */
    void (*closed)(void *data);
    void *closed_data;
};

static bool terminating(const struct client_object *object)
{
    return object != NULL && object->meta->deletion_timestamp != NULL;
}

static void namespace_changed(void *data, const struct client_object *old_object,
                              const struct client_object *new_object)
{
    struct namespace_loop *loop = data;
    (void)old_object;
    if (terminating(new_object)) {
        reconciler_add_object(loop->reconciler, new_object);
    }
}

static bool is_namespaced(const struct api_kind *kind)
{
    return kind->namespaced;
}

/* A round looks at all that is left: where that is much, it waits for more to go. */
static void content_changed(void *data, const struct content *content,
                            const struct client_object *old_object,
                            const struct client_object *new_object)
{
    struct namespace_loop *loop = data;
    const struct client_object *object = new_object == NULL ? old_object : new_object;
    if (old_object != NULL && new_object != NULL && new_object->meta->deletion_timestamp == NULL) {
        return;
    }
    const struct client_object *owner =
        informer_get(loop->namespaces, "", client_object_namespace(object));
    if (!terminating(owner)) {
        return;
    }
    bool many = informer_count_under(content->objects, INFORMER_BY_NAMESPACE,
                                     client_object_name(owner)) >= CONTROLLERS_NAMESPACE_MANY;
    if (many) {
        work_queue_add_after(reconciler_queue(loop->reconciler), client_object_name(owner),
                             CONTROLLERS_NAMESPACE_REST_MS * NS_PER_MS);
    } else {
        reconciler_add_object(loop->reconciler, owner);
    }
}

static void finalize(struct namespace_loop *loop, struct round *round,
                     const Core__V1__Namespace *seen)
{
    Core__V1__Namespace *copy = api_message_copy(round->arena, loop->kind->message, seen);
    size_t kept = 0;
    for (size_t i = 0; i < copy->spec->n_finalizers; i++) {
        if (!text_is(copy->spec->finalizers[i], "kubernetes")) {
            copy->spec->finalizers[kept++] = copy->spec->finalizers[i];
        }
    }
    if (kept == copy->spec->n_finalizers) {
        return; /* Somebody else's finalizer: theirs to take off. */
    }
    copy->spec->n_finalizers = kept;
    struct client_request request = {
        .verb = CLIENT_UPDATE,
        .kind = loop->kind,
        .subresource = "finalize",
        .name = round->name,
        .body = copy,
    };
    round_call(round, &request, NULL, NULL);
}

static void delete_content(struct namespace_loop *loop, struct round *round,
                           struct namespace_remains *remains)
{
    const struct contents *contents = loop->control->contents;
    for (size_t i = 0; i < contents_count(contents); i++) {
        const struct content *content = contents_at(contents, i);
        if (!is_namespaced(content->kind)) {
            continue;
        }
        struct informer_list list =
            informer_select(content->objects, round->arena, INFORMER_BY_NAMESPACE, round->name);
        for (size_t j = 0; j < list.count; j++) {
            const struct client_object *object = list.items[j];
            namespace_remains_add(remains, content->kind, object->meta);
            if (object->meta->deletion_timestamp == NULL) {
                (void)deletions_add(round, object, /* grace_seconds= */ -1);
            }
        }
    }
    deletions_start(round);
}

static void reconcile(void *data, struct round *round)
{
    struct namespace_loop *loop = data;
    if (!control_ready_for_all(loop->control, round)) {
        return;
    }
    const struct client_object *object = informer_get(loop->namespaces, "", round->name);
    if (!terminating(object)) {
        return;
    }
    struct namespace_remains remains = {.arena = round->arena};
    delete_content(loop, round, &remains);
    if (remains.objects == 0 && hash_map_get(loop->empty, slice_text(round->name)) == NULL) {
        /* A create that was under way when the deletion came may still show up: look twice. */
        hash_map_set(loop->empty, slice_text(round->name), loop);
        round_again_after(round, EMPTY_RECHECK_MS * NS_PER_MS);
        return;
    }
    hash_map_remove(loop->empty, slice_text(round->name));
    if (remains.objects == 0) {
        finalize(loop, round, object->message);
        return;
    }
    Core__V1__Namespace *copy = namespace_with_conditions(round->arena, object->message, &remains,
                                                          control_now_s(loop->control));
    if (copy != NULL) {
        control_update(round, loop->kind, "status", copy->metadata, copy, NULL, NULL);
    }
}

static void *namespace_open(struct control *control)
{
    struct namespace_loop *loop = alloc_zeroed(sizeof(*loop));
    loop->control = control;
    loop->kind = control_kind("", "v1", "namespaces");
    loop->namespaces = informers_get(control->informers, loop->kind);
    loop->reconciler =
        control_reconciler(control, "namespace", &control_as.namespace, 10, reconcile, loop);
    loop->handler = (struct informer_handler){.changed = namespace_changed, .data = loop};
    informer_add_handler(loop->namespaces, &loop->handler);
    loop->empty = hash_map_new(/* seed= */ 0x656d7074);
    loop->user =
        (struct contents_user){.wants = is_namespaced, .changed = content_changed, .data = loop};
    contents_join(control->contents, &loop->user);
    return loop;
}

static void rounds_ended(void *data)
{
    struct namespace_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    hash_map_free(loop->empty);
    free(loop);
    closed(closed_data);
}

static void namespace_close(void *part, void (*closed)(void *data), void *data)
{
    struct namespace_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    informer_remove_handler(&loop->handler);
    contents_leave(&loop->user);
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_namespace = {
    .name = "namespace", .open = namespace_open, .close = namespace_close};
