/* Garbage collection by owner references: background, foreground and orphan. An object goes when it
 * has owners and none of them exists; that an owner is absent is asked of the API, never concluded
 * from a cache. Keys are uids. */
#include "controllers/contents.h"
#include "controllers/control.h"
#include "controllers/garbage/garbage_graph.h"
#include "controllers/limits.h"
#include "controllers/pod_state.h"
#include "k8s/tables.h"
#include "lib/api/custom.h"
#include "lib/api/json_value.h"
#include "lib/base/alloc.h"
#include <stdlib.h>
#include <string.h>

struct garbage_loop {
    struct control *control;
    struct garbage_graph *graph;
    struct contents_user user;
    struct reconciler *reconciler;
    bool filled; /* All caches were filled once: absent owners were enqueued. */
    void (*closed)(void *data);
    void *closed_data;
};

enum owner_state { OWNER_ASKED, OWNER_SOLID, OWNER_GONE, OWNER_WAITING };

/* One look at an object's owners. */
struct owners_round {
    struct garbage_loop *loop;
    const struct client_object *object; /* A reference, dropped by settle(). */
    enum owner_state *states;           /* By index of the owner reference. */
    size_t asked;
};

/* The `data` of one question about an owner. */
struct owner_question {
    struct owners_round *owners;
    size_t index;
};

/* --- What happens in the cluster --- */

static void enqueue_dependents(struct garbage_loop *loop, const struct garbage_node *node)
{
    LIST_FOREACH(link, next, &node->dependents)
    {
        const struct garbage_edge *edge = LIST_ENTRY(link, struct garbage_edge, of_owner);
        reconciler_add(loop->reconciler, edge->dependent->uid);
    }
}

/* Whether the owner has to wait for others than this dependent. */
static bool waits_for_others(const struct garbage_node *owner, const struct garbage_node *node)
{
    LIST_FOREACH(link, next, &owner->dependents)
    {
        const struct garbage_edge *edge = LIST_ENTRY(link, struct garbage_edge, of_owner);
        if (edge->blocks && edge->dependent != node && edge->dependent->object != NULL) {
            return true;
        }
    }
    return false;
}

/* A round looks at all of an owner's dependents: only the last that it waits for is worth one. */
static void enqueue_waiting_owners(struct garbage_loop *loop, const struct garbage_node *node)
{
    for (size_t i = 0; i < node->owner_count; i++) {
        const struct garbage_node *owner = node->owners[i].owner;
        if (garbage_foreground(owner) && !waits_for_others(owner, node)) {
            reconciler_add(loop->reconciler, owner->uid);
        }
    }
}

static bool owner_missing(const struct garbage_node *node)
{
    for (size_t i = 0; i < node->owner_count; i++) {
        if (node->owners[i].owner->object == NULL || garbage_deleting(node->owners[i].owner)) {
            return true;
        }
    }
    return false;
}

/* Many, short-lived, and owned by nobody. */
static bool is_no_event(const struct api_kind *kind)
{
    return strcmp(kind->kind, "Event") != 0 || custom_of(kind) != NULL;
}

static bool is_served(struct garbage_loop *loop, const struct client_object *object)
{
    const struct api_kind *kind =
        client_find_kind(loop->control->client, object->kind->api_version, object->kind->kind);
    custom_kind_unref(kind);
    return kind != NULL;
}

static void object_changed(void *data, const struct content *content,
                           const struct client_object *old_object,
                           const struct client_object *new_object)
{
    struct garbage_loop *loop = data;
    (void)content;
    const struct client_object *object = new_object == NULL ? old_object : new_object;
    if (new_object == NULL) {
        struct garbage_node *node = garbage_graph_find(loop->graph, client_object_uid(object));
        if (node != NULL) {
            enqueue_dependents(loop, node);
            enqueue_waiting_owners(loop, node);
        }
        /* Of a kind that is served no more, nobody knows. */
        garbage_graph_remove(loop->graph, object, is_served(loop, object));
        return;
    }
    if (old_object != NULL) {
        /* An owner that waits for a dependent may have been let go of by it. */
        const struct garbage_node *before =
            garbage_graph_find(loop->graph, client_object_uid(object));
        if (before != NULL) {
            enqueue_waiting_owners(loop, before);
        }
    }
    struct garbage_node *node = garbage_graph_put(loop->graph, new_object);
    if (garbage_foreground(node) || garbage_orphaning(node)) {
        reconciler_add(loop->reconciler, node->uid);
    }
    if (loop->filled && owner_missing(node)) {
        reconciler_add(loop->reconciler, node->uid);
    }
}

/* While caches fill, owners come after dependents; what is missing when all are full, is missing.
 */
static void caches_filled(struct garbage_loop *loop)
{
    loop->filled = true;
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct contents *contents = loop->control->contents;
    for (size_t i = 0; i < contents_count(contents); i++) {
        struct informer_list all = informer_all(contents_at(contents, i)->objects, arena);
        for (size_t j = 0; j < all.count; j++) {
            const struct garbage_node *node =
                garbage_graph_find(loop->graph, client_object_uid(all.items[j]));
            if (node != NULL && owner_missing(node)) {
                reconciler_add(loop->reconciler, node->uid);
            }
        }
    }
}

/* --- Writing --- */

static void conflict_is_news(struct round *round, const struct client_reply *reply, void *data)
{
    (void)data;
    if (!client_succeeded(reply) && !client_not_found(reply)) {
        round_fail(round, reply->message);
    }
}

static void delete_object(struct round *round, const struct client_object *object,
                          const char *propagation)
{
    struct client_request request = {
        .verb = CLIENT_DELETE,
        .kind = object->kind,
        .namespace_ = client_object_namespace(object),
        .name = client_object_name(object),
        .propagation = propagation,
        .expect_uid = client_object_uid(object),
        .expect_version = object->meta->resource_version, /* A new owner may have come. */
    };
    round_call(round, &request, conflict_is_news, NULL);
}

static Meta__V1__ObjectMeta *copied_meta(struct round *round, const struct client_object *object)
{
    return api_message_copy(round->arena, &meta__v1__object_meta__schema, object->meta);
}

static void remove_finalizer(struct round *round, const struct client_object *object,
                             const char *name)
{
    Meta__V1__ObjectMeta *meta = copied_meta(round, object);
    size_t kept = 0;
    for (size_t i = 0; i < meta->n_finalizers; i++) {
        if (!text_is(meta->finalizers[i], name)) {
            meta->finalizers[kept++] = meta->finalizers[i];
        }
    }
    meta->n_finalizers = kept;
    control_patch_metadata(round, object->kind, meta, "finalizers", conflict_is_news, NULL);
}

/* Removes the owner references for which `drop` is set. */
static void remove_references(struct round *round, const struct client_object *object,
                              const bool *drop)
{
    Meta__V1__ObjectMeta *meta = copied_meta(round, object);
    size_t kept = 0;
    for (size_t i = 0; i < meta->n_owner_references; i++) {
        if (!drop[i]) {
            meta->owner_references[kept++] = meta->owner_references[i];
        }
    }
    meta->n_owner_references = kept;
    control_patch_metadata(round, object->kind, meta, "ownerReferences", conflict_is_news, NULL);
}

/* --- Owners that are being deleted themselves --- */

static void foreground(struct garbage_loop *loop, struct round *round,
                       const struct garbage_node *node)
{
    bool blocked = false;
    LIST_FOREACH(link, next, &node->dependents)
    {
        const struct garbage_edge *edge = LIST_ENTRY(link, struct garbage_edge, of_owner);
        if (edge->dependent->object == NULL) {
            continue;
        }
        blocked = blocked || edge->blocks;
        if (!garbage_deleting(edge->dependent)) {
            reconciler_add(loop->reconciler, edge->dependent->uid);
        }
    }
    if (!blocked) {
        remove_finalizer(round, node->object, "foregroundDeletion");
    }
}

static void orphan(struct round *round, const struct garbage_node *node)
{
    size_t freed = 0;
    LIST_FOREACH(link, next, &node->dependents)
    {
        const struct garbage_edge *edge = LIST_ENTRY(link, struct garbage_edge, of_owner);
        const struct client_object *dependent = edge->dependent->object;
        if (dependent == NULL) {
            continue;
        }
        if (freed == CONTROLLERS_GC_ORPHANS || arena_is_full(round->arena)) {
            break; /* The others are seen again. */
        }
        freed++;
        bool *drop =
            arena_array(round->arena, dependent->meta->n_owner_references + 1, sizeof(*drop));
        for (size_t i = 0; i < dependent->meta->n_owner_references; i++) {
            drop[i] = text_is(dependent->meta->owner_references[i]->uid, node->uid);
        }
        remove_references(round, dependent, drop);
    }
    if (freed > 0) {
        round_again_after(round, 20 * NS_PER_MS); /* Until none is seen any more. */
    } else {
        remove_finalizer(round, node->object, "orphan");
    }
}

/* --- Objects whose owners may be gone --- */

static const char *propagation_of(const struct client_object *object)
{
    return api_meta_has_finalizer(object->meta, "orphan")               ? "Orphan"
           : api_meta_has_finalizer(object->meta, "foregroundDeletion") ? "Foreground"
                                                                        : "Background";
}

static void decide(struct owners_round *owners, struct round *round)
{
    const struct client_object *object = owners->object;
    size_t count = object->meta->n_owner_references;
    size_t solid = 0, gone = 0, waiting = 0;
    bool *drop = arena_array(round->arena, count + 1, sizeof(*drop));
    for (size_t i = 0; i < count; i++) {
        solid += owners->states[i] == OWNER_SOLID;
        gone += owners->states[i] == OWNER_GONE;
        waiting += owners->states[i] == OWNER_WAITING;
        drop[i] = owners->states[i] != OWNER_SOLID;
    }
    if (solid > 0) {
        if (gone + waiting > 0) {
            remove_references(round, object, drop);
        }
        return;
    }
    const struct garbage_node *node =
        garbage_graph_find(owners->loop->graph, client_object_uid(object));
    bool has_dependents = node != NULL && !list_empty(&node->dependents);
    delete_object(round, object,
                  waiting > 0 && has_dependents ? "Foreground" : propagation_of(object));
}

static void settle(struct owners_round *owners, struct round *round)
{
    if (!round_failed(round) && !round_stopping(round)) {
        decide(owners, round);
    }
}

static void owner_answered(struct round *round, const struct client_reply *reply, void *data)
{
    struct owner_question *question = data;
    struct owners_round *owners = question->owners;
    const Meta__V1__OwnerReference *reference =
        owners->object->meta->owner_references[question->index];
    if (client_succeeded(reply)) {
        bool same =
            reply->object != NULL && text_is(reference->uid, client_object_uid(reply->object));
        owners->states[question->index] = same ? OWNER_SOLID : OWNER_GONE;
    } else if (client_not_found(reply)) {
        owners->states[question->index] = OWNER_GONE;
    } else {
        round_fail(round, reply->message);
    }
    if (--owners->asked == 0) {
        settle(owners, round);
    }
}

static void ask(struct owners_round *owners, struct round *round, size_t index)
{
    const Meta__V1__OwnerReference *reference = owners->object->meta->owner_references[index];
    const struct api_kind *kind =
        client_find_kind(owners->loop->control->client, text_or_empty(reference->api_version),
                         text_or_empty(reference->kind));
    bool known = kind != NULL && kind->message != NULL;
    if (!known || (kind->namespaced && client_object_namespace(owners->object)[0] == '\0')) {
        owners->states[index] = OWNER_SOLID; /* Not ours to judge, or malformed: better kept. */
        custom_kind_unref(kind);
        return;
    }
    struct owner_question *question = arena_zeroed(round->arena, sizeof(*question));
    *question = (struct owner_question){owners, index};
    struct client_request request = {
        .verb = CLIENT_GET,
        .kind = kind,
        .namespace_ = kind->namespaced ? client_object_namespace(owners->object) : "",
        .name = reference->name,
    };
    owners->asked++;
    round_call(round, &request, owner_answered, question);
    custom_kind_unref(kind);
}

static void look_at_owners(struct garbage_loop *loop, struct round *round,
                           const struct client_object *object)
{
    size_t count = object->meta->n_owner_references;
    struct owners_round *owners = arena_zeroed(round->arena, sizeof(*owners));
    owners->loop = loop;
    owners->object = object;
    round_hold(round, object);
    owners->states = arena_array(round->arena, count + 1, sizeof(*owners->states));
    owners->asked = 1;
    for (size_t i = 0; i < count; i++) {
        const struct garbage_node *owner =
            garbage_graph_find(loop->graph, object->meta->owner_references[i]->uid);
        if (owner != NULL && owner->gone) {
            owners->states[i] = OWNER_GONE;
        } else if (owner == NULL || owner->object == NULL) {
            ask(owners, round, i);
        } else if (garbage_foreground(owner)) {
            owners->states[i] = OWNER_WAITING;
        } else {
            owners->states[i] = OWNER_SOLID;
        }
    }
    if (--owners->asked == 0) {
        settle(owners, round);
    }
}

static void reconcile(void *data, struct round *round)
{
    struct garbage_loop *loop = data;
    if (!control_ready_for_all(loop->control, round)) {
        return;
    }
    if (!loop->filled) {
        caches_filled(loop);
    }
    const struct garbage_node *node = garbage_graph_find(loop->graph, round->key);
    if (node == NULL || node->object == NULL) {
        return;
    }
    if (garbage_orphaning(node)) {
        orphan(round, node);
    } else if (garbage_foreground(node)) {
        foreground(loop, round, node);
    } else if (!garbage_deleting(node) && node->owner_count > 0) {
        look_at_owners(loop, round, node->object);
    }
}

static void *garbage_open(struct control *control)
{
    struct garbage_loop *loop = alloc_zeroed(sizeof(*loop));
    loop->control = control;
    loop->graph = garbage_graph_new();
    loop->reconciler = control_reconciler(control, "garbage-collector", &control_as.garbage,
                                          CONTROLLERS_GC_CALLS, reconcile, loop);
    loop->user =
        (struct contents_user){.wants = is_no_event, .changed = object_changed, .data = loop};
    contents_join(control->contents, &loop->user);
    reconciler_add(loop->reconciler, "first"); /* No uid: only waits for the caches. */
    return loop;
}

static void rounds_ended(void *data)
{
    struct garbage_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    garbage_graph_free(loop->graph);
    free(loop);
    closed(closed_data);
}

static void garbage_close(void *part, void (*closed)(void *data), void *data)
{
    struct garbage_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    contents_leave(&loop->user);
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_garbage = {
    .name = "garbage-collector", .open = garbage_open, .close = garbage_close};
