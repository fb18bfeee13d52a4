/* Claims and volumes that are used do not go: from their birth on they have a finalizer, by
 * admission, and it is taken off here when they are being deleted and nothing uses them any more.
 * A claim is used by pods on nodes: no agent starts a pod with a claim that is being deleted. A
 * volume is used while it is bound. */
#include "controllers/control.h"
#include "controllers/pod_state.h"
#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct protection_loop {
    struct control *control;
    const struct api_kind *kind;
    const char *finalizer;
    bool (*is_used)(const struct protection_loop *loop, const struct client_object *object);
    struct informer *objects;
    struct informer *pods; /* NULL for volumes. */
    struct hash_map *uses; /* Claims, as "namespace/name" -> struct use; NULL for volumes. */
    struct informer_handler object_handler, pod_handler;
    struct reconciler *reconciler;
    void (*closed)(void *data);
    void *closed_data;
};

/* How often pods on nodes name a claim. None is kept for a claim that none names. */
struct use {
    size_t count;
};

enum { KEY_SIZE = 512 }; /* Namespace and name are at most 253 bytes each. */

static struct slice claim_key(char text[KEY_SIZE], const char *namespace_, const char *name)
{
    int len = snprintf(text, KEY_SIZE, "%s/%s", namespace_, name);
    return slice_of(text, len < KEY_SIZE ? (size_t)len : KEY_SIZE - 1);
}

static const char *claim_of(const Core__V1__Volume *volume) /* NULL: it is of another type. */
{
    const Core__V1__VolumeSource *source = volume->volume_source;
    return source == NULL || source->persistent_volume_claim == NULL
               ? NULL
               : source->persistent_volume_claim->claim_name;
}

static bool claim_is_used(const struct protection_loop *loop, const struct client_object *object)
{
    char text[KEY_SIZE];
    return hash_map_get(loop->uses, claim_key(text, client_object_namespace(object),
                                              client_object_name(object))) != NULL;
}

static bool volume_is_used(const struct protection_loop *loop, const struct client_object *object)
{
    const Core__V1__PersistentVolume *volume = object->message;
    (void)loop;
    return volume->status != NULL && text_is(volume->status->phase, "Bound");
}

static bool is_waiting(const struct protection_loop *loop, const struct client_object *object)
{
    if (api_time_is_zero(object->meta->deletion_timestamp)) {
        return false;
    }
    for (size_t i = 0; i < object->meta->n_finalizers; i++) {
        if (text_is(object->meta->finalizers[i], loop->finalizer)) {
            return true;
        }
    }
    return false;
}

static void let_go(const struct protection_loop *loop, struct round *round,
                   const struct client_object *object)
{
    void *copy = api_message_copy(round->arena, loop->kind->message, object->message);
    Meta__V1__ObjectMeta *meta = api_message_meta(loop->kind->message, copy);
    size_t kept = 0;
    for (size_t i = 0; i < meta->n_finalizers; i++) {
        if (!text_is(meta->finalizers[i], loop->finalizer)) {
            meta->finalizers[kept++] = meta->finalizers[i];
        }
    }
    meta->n_finalizers = kept;
    control_update(round, loop->kind, NULL, meta, copy, NULL, NULL);
}

static void reconcile(void *data, struct round *round)
{
    struct protection_loop *loop = data;
    if (!control_ready(loop->control, round)) {
        return;
    }
    const struct client_object *object =
        informer_get(loop->objects, round->namespace_, round->name);
    if (object != NULL && is_waiting(loop, object) && !loop->is_used(loop, object)) {
        let_go(loop, round, object);
    }
}

static void object_changed(void *data, const struct client_object *old_object,
                           const struct client_object *new_object)
{
    struct protection_loop *loop = data;
    (void)old_object;
    if (new_object != NULL && is_waiting(loop, new_object)) {
        reconciler_add_object(loop->reconciler, new_object);
    }
}

/* The pod's claims are used by it, or are so no more. */
static void count_uses(struct protection_loop *loop, const struct client_object *object, bool uses)
{
    const Core__V1__Pod *pod = object->message;
    for (size_t i = 0; pod_bound(pod) && i < pod->spec->n_volumes; i++) {
        const char *claim = claim_of(pod->spec->volumes[i]);
        if (claim == NULL) {
            continue;
        }
        char text[KEY_SIZE];
        struct slice key = claim_key(text, client_object_namespace(object), claim);
        struct use *use = hash_map_get(loop->uses, key);
        if (use == NULL) {
            assert(uses);
            use = alloc_zeroed(sizeof(*use));
            hash_map_set(loop->uses, key, use);
        }
        if (uses) {
            use->count++;
        } else if (--use->count == 0) {
            free(hash_map_remove(loop->uses, key));
        }
    }
}

/* Only a pod that is gone may have been the last that used a claim. */
static void pod_changed(void *data, const struct client_object *old_object,
                        const struct client_object *new_object)
{
    struct protection_loop *loop = data;
    if (new_object != NULL) {
        count_uses(loop, new_object, /* uses= */ true);
    }
    if (old_object == NULL) {
        return;
    }
    count_uses(loop, old_object, /* uses= */ false);
    if (new_object != NULL) {
        return;
    }
    const Core__V1__Pod *pod = old_object->message;
    for (size_t i = 0; i < pod->spec->n_volumes; i++) {
        const char *claim = claim_of(pod->spec->volumes[i]);
        if (claim != NULL) {
            reconciler_add_name(loop->reconciler, client_object_namespace(old_object), claim);
        }
    }
}

static struct protection_loop *loop_new(struct control *control, const char *plural)
{
    struct protection_loop *loop = alloc_zeroed(sizeof(*loop));
    loop->control = control;
    loop->kind = control_kind("", "v1", plural);
    loop->objects = informers_get(control->informers, loop->kind);
    loop->object_handler = (struct informer_handler){.changed = object_changed, .data = loop};
    return loop;
}

static void *claims_open(struct control *control)
{
    struct protection_loop *loop = loop_new(control, "persistentvolumeclaims");
    loop->finalizer = "kubernetes.io/pvc-protection";
    loop->is_used = claim_is_used;
    loop->uses = hash_map_new(/* seed= */ 0x636c616d);
    loop->pods = informers_get(control->informers, control_kind("", "v1", "pods"));
    loop->reconciler = control_reconciler(control, "claim-protection", &control_as.claim_protection,
                                          1, reconcile, loop);
    loop->pod_handler = (struct informer_handler){.changed = pod_changed, .data = loop};
    informer_add_handler(loop->objects, &loop->object_handler);
    informer_add_handler(loop->pods, &loop->pod_handler);
    return loop;
}

static void *volumes_open(struct control *control)
{
    struct protection_loop *loop = loop_new(control, "persistentvolumes");
    loop->finalizer = "kubernetes.io/pv-protection";
    loop->is_used = volume_is_used;
    loop->reconciler = control_reconciler(control, "volume-protection",
                                          &control_as.volume_protection, 1, reconcile, loop);
    informer_add_handler(loop->objects, &loop->object_handler);
    return loop;
}

static void rounds_ended(void *data)
{
    struct protection_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    void *use;
    for (size_t at = 0; loop->uses != NULL && hash_map_next(loop->uses, &at, NULL, &use);) {
        free(use);
    }
    hash_map_free(loop->uses);
    free(loop);
    closed(closed_data);
}

static void protection_close(void *part, void (*closed)(void *data), void *data)
{
    struct protection_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    informer_remove_handler(&loop->object_handler);
    if (loop->pods != NULL) {
        informer_remove_handler(&loop->pod_handler);
    }
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_claim_protection = {
    .name = "claim-protection", .open = claims_open, .close = protection_close};
const struct control_part control_volume_protection = {
    .name = "volume-protection", .open = volumes_open, .close = protection_close};
