/* Tells in the status of each ValidatingAdmissionPolicy what may be wrong with its expressions,
 * once for each generation. */
#include "controllers/contents.h"
#include "controllers/control.h"
#include "controllers/policy/type_check.h"
#include "lib/api/cel_functions.h"
#include "lib/api/codec.h"
#include "lib/api/custom.h"
#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include <stdlib.h>

typedef Admissionregistration__V1__ValidatingAdmissionPolicy policy_t;

struct policy_status_loop {
    struct control *control;
    const struct api_kind *kind;
    struct informer *policies;
    struct informer_handler handler;
    struct reconciler *reconciler;
    struct cel_functions *functions;
    void (*closed)(void *data);
    void *closed_data;
};

static void policy_changed(void *data, const struct client_object *old_object,
                           const struct client_object *new_object)
{
    struct policy_status_loop *loop = data;
    (void)old_object;
    if (new_object != NULL) {
        const policy_t *policy = new_object->message;
        reconciler_add(loop->reconciler, policy->metadata->name);
    }
}

/* All kinds that are served: those of the table, and every version of custom ones. */
static const struct api_kind *const *all_kinds(const struct policy_status_loop *loop,
                                               struct arena *arena, size_t *ret_count)
{
    const struct contents *contents = loop->control->contents;
    size_t count = 0, built_in = 0, room;
    const struct api_kind *table = api_kinds(&built_in);
    room = built_in;
    for (size_t i = 0; i < contents_count(contents); i++) {
        const struct custom_version *version = custom_of(contents_at(contents, i)->kind);
        room += version == NULL ? 0 : version->resource->version_count;
    }
    const struct api_kind **kinds = arena_array(arena, room + 1, sizeof(const struct api_kind *));
    for (size_t i = 0; i < built_in; i++) {
        if (table[i].message != NULL) {
            kinds[count++] = &table[i];
        }
    }
    for (size_t i = 0; i < contents_count(contents); i++) {
        const struct custom_version *version = custom_of(contents_at(contents, i)->kind);
        for (size_t k = 0; version != NULL && k < version->resource->version_count; k++) {
            if (version->resource->versions[k].source->served) {
                kinds[count++] = &version->resource->versions[k].kind;
            }
        }
    }
    *ret_count = count;
    return kinds;
}

static void reconcile(void *data, struct round *round)
{
    struct policy_status_loop *loop = data;
    if (!control_ready(loop->control, round)) {
        return;
    }
    const struct client_object *object = informer_get(loop->policies, "", round->key);
    const policy_t *present = object == NULL ? NULL : object->message;
    if (present == NULL || present->spec == NULL ||
        !api_time_is_zero(present->metadata->deletion_timestamp) ||
        (present->status != NULL &&
         present->status->observed_generation >= present->metadata->generation)) {
        return;
    }
    size_t count = 0;
    const struct api_kind *const *kinds = all_kinds(loop, round->arena, &count);
    policy_t *policy = api_message_copy(round->arena, loop->kind->message, present);
    if (policy->status == NULL) {
        policy->status = api_message_new(
            round->arena,
            api_message_find(
                "k8s.io.api.admissionregistration.v1.ValidatingAdmissionPolicyStatus"));
    }
    policy->status->observed_generation = policy->metadata->generation;
    policy->status->type_checking =
        type_check(round->arena, policy->spec, kinds, count, loop->functions);
    control_update(round, loop->kind, "status", policy->metadata, policy, NULL, NULL);
}

static void *policy_status_open(struct control *control)
{
    struct policy_status_loop *loop = alloc_zeroed(sizeof(*loop));
    loop->control = control;
    loop->functions = api_cel_functions_new();
    loop->kind = control_kind("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies");
    loop->policies = informers_get(control->informers, loop->kind);
    loop->reconciler =
        control_reconciler(control, "policy-status", &control_as.policy_status, 1, reconcile, loop);
    loop->handler = (struct informer_handler){.changed = policy_changed, .data = loop};
    informer_add_handler(loop->policies, &loop->handler);
    return loop;
}

static void rounds_ended(void *data)
{
    struct policy_status_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    cel_functions_unref(loop->functions);
    free(loop);
    closed(closed_data);
}

static void policy_status_close(void *part, void (*closed)(void *data), void *data)
{
    struct policy_status_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    informer_remove_handler(&loop->handler);
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_policy_status = {
    .name = "policy-status", .open = policy_status_open, .close = policy_status_close};
