/* Deployment controller: carries out deployment_plan(), one step after the other, then writes the
 * status. Adoption of replica sets comes first. */
#include "controllers/control.h"
#include "controllers/deployment/deployment_math.h"
#include "controllers/deployment/deployment_plan.h"
#include "controllers/pod_state.h"
#include "lib/api/selector.h"
#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include <stdlib.h>
#include <string.h>

struct deployment_loop {
    struct control *control;
    const struct api_kind *kind;
    const struct api_kind *set_kind;
    struct informer *deployments;
    struct informer *sets;
    struct informer *pods;
    struct informer_handler deployment_handler;
    struct informer_handler set_handler;
    struct informer_handler pod_handler;
    struct reconciler *reconciler;
    struct event_recorder *events;
    void (*closed)(void *data);
    void *closed_data;
};

struct deployment_round {
    struct deployment_loop *loop;
    const Apps__V1__Deployment *deployment; /* A copy in the round's arena. */
    struct deployment_plan plan;
    size_t step; /* The one under way. */
};

static void deployment_changed(void *data, const struct client_object *old_object,
                               const struct client_object *new_object)
{
    struct deployment_loop *loop = data;
    reconciler_add_object(loop->reconciler, new_object == NULL ? old_object : new_object);
}

static void enqueue_owner(struct deployment_loop *loop, const struct client_object *set)
{
    const Meta__V1__OwnerReference *owner = api_meta_controller(set->meta);
    if (owner != NULL && text_is(owner->kind, "Deployment")) {
        reconciler_add_name(loop->reconciler, client_object_namespace(set), owner->name);
    }
}

static bool selects(struct arena *arena, const Meta__V1__LabelSelector *message,
                    const Meta__V1__ObjectMeta *meta)
{
    struct api_label_selector selector;
    return api_label_selector_from_message(arena, message, &selector, NULL) == 0 &&
           api_label_selector_matches(&selector, API_STRING_MAP(meta->labels, meta->n_labels));
}

static void set_changed(void *data, const struct client_object *old_object,
                        const struct client_object *new_object)
{
    struct deployment_loop *loop = data;
    if (old_object != NULL) {
        enqueue_owner(loop, old_object);
    }
    if (new_object == NULL) {
        return;
    }
    enqueue_owner(loop, new_object);
    if (api_meta_controller(new_object->meta) != NULL) {
        return;
    }
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct informer_list all = informer_select(loop->deployments, arena, INFORMER_BY_NAMESPACE,
                                               client_object_namespace(new_object));
    for (size_t i = 0; i < all.count; i++) {
        const Apps__V1__Deployment *deployment = all.items[i]->message;
        if (selects(arena, deployment->spec->selector, new_object->meta)) {
            reconciler_add_object(loop->reconciler, all.items[i]);
        }
    }
}

/* Recreate waits for the last old pod to end. */
static void pod_changed(void *data, const struct client_object *old_object,
                        const struct client_object *new_object)
{
    struct deployment_loop *loop = data;
    const struct client_object *pod = new_object == NULL ? old_object : new_object;
    if (new_object != NULL && !pod_finished(new_object->message)) {
        return;
    }
    const Meta__V1__OwnerReference *owner = api_meta_controller(pod->meta);
    if (owner == NULL || !text_is(owner->kind, "ReplicaSet")) {
        return;
    }
    const struct client_object *set =
        informer_get(loop->sets, client_object_namespace(pod), owner->name);
    if (set != NULL) {
        enqueue_owner(loop, set);
    }
}

static void write_status(struct round *base)
{
    struct deployment_round *round = base->state;
    if (round->plan.changed && !round_stopping(base)) {
        control_update(base, round->loop->kind, "status", round->plan.deployment->metadata,
                       round->plan.deployment, NULL, NULL);
    }
}

static void next_step(struct round *base);

/* The name of the new set is taken: by our own set of an earlier try, which the cache will show, or
 * by another one, and then the hash has to change. */
static void name_taken(struct round *base, const Apps__V1__ReplicaSet *wanted)
{
    struct deployment_round *round = base->state;
    struct deployment_loop *loop = round->loop;
    const struct client_object *present =
        informer_get(loop->sets, base->namespace_, wanted->metadata->name);
    if (present == NULL) {
        round_fail(base, "the new replica set exists but is not in the cache yet");
        return;
    }
    const Meta__V1__OwnerReference *owner = api_meta_controller(present->meta);
    const Apps__V1__ReplicaSet *set = present->message;
    if (owner != NULL && text_is(owner->uid, round->deployment->metadata->uid) &&
        deployment_template_equal(base->arena, set->spec->template_,
                                  round->deployment->spec->template_)) {
        round_fail(base, "the new replica set has only just appeared");
        return;
    }
    Apps__V1__Deployment *copy =
        api_message_copy(base->arena, loop->kind->message, round->deployment);
    copy->status->collision_count++;
    copy->status->has_collision_count = 1;
    control_update(base, loop->kind, "status", copy->metadata, copy, NULL, NULL);
    round_fail(base, "hash collision: trying another name");
}

static void create_failed(struct round *base, const struct deployment_step *step,
                          const struct client_reply *reply)
{
    struct deployment_round *round = base->state;
    if (client_already_exists(reply)) {
        name_taken(base, step->set);
        return;
    }
    if (strstr(reply->message, "because it is being terminated") != NULL) {
        return; /* The namespace goes, and the deployment with it. */
    }
    event_record(round->loop->events, round->loop->kind, round->deployment->metadata, true,
                 "ReplicaSetCreateError", NULL, "Failed to create new replica set \"%s\": %s",
                 step->set->metadata->name, reply->message);
    round_fail(base, reply->message);
}

static void step_done(struct round *base, const struct client_reply *reply, void *data)
{
    const struct deployment_step *step = data;
    struct deployment_round *round = base->state;
    bool gone = step->kind == DEPLOYMENT_DELETE_SET && client_not_found(reply);
    if (!client_succeeded(reply) && !gone) {
        if (step->kind == DEPLOYMENT_CREATE_SET) {
            create_failed(base, step, reply);
        } else {
            round_fail(base, reply->message);
        }
        return;
    }
    if (step->from != step->to) {
        event_record(round->loop->events, round->loop->kind, round->deployment->metadata, false,
                     "ScalingReplicaSet", NULL, "Scaled %s replica set %s from %d to %d",
                     step->to > step->from ? "up" : "down", step->set->metadata->name, step->from,
                     step->to);
    }
    round->step++;
    next_step(base);
}

static void next_step(struct round *base)
{
    struct deployment_round *round = base->state;
    struct deployment_loop *loop = round->loop;
    if (round_stopping(base)) {
        return;
    }
    if (round->step == round->plan.step_count) {
        write_status(base);
        return;
    }
    struct deployment_step *step = &round->plan.steps[round->step];
    struct client_request request = {
        .kind = loop->set_kind,
        .namespace_ = base->namespace_,
        .name = step->set->metadata->name,
        .body = step->set,
    };
    switch (step->kind) {
    case DEPLOYMENT_CREATE_SET:
        request.verb = CLIENT_CREATE;
        break;
    case DEPLOYMENT_UPDATE_SET:
        request.verb = CLIENT_UPDATE;
        break;
    case DEPLOYMENT_DELETE_SET:
        request.verb = CLIENT_DELETE;
        request.body = NULL;
        request.expect_uid = step->set->metadata->uid;
        request.expect_version = step->set->metadata->resource_version;
        break;
    }
    round_call(base, &request, step_done, step);
}

/* --- Claiming --- */

static void claim(struct round *base, const Apps__V1__ReplicaSet *set, bool adopt)
{
    struct deployment_round *round = base->state;
    const Meta__V1__ObjectMeta *self = round->deployment->metadata;
    Apps__V1__ReplicaSet *copy = api_message_copy(base->arena, round->loop->set_kind->message, set);
    Meta__V1__ObjectMeta *meta = copy->metadata;
    Meta__V1__OwnerReference **owners =
        arena_array(base->arena, meta->n_owner_references + 1, sizeof(*owners));
    size_t count = 0;
    for (size_t i = 0; i < meta->n_owner_references; i++) {
        if (!text_is(meta->owner_references[i]->uid, self->uid)) {
            owners[count++] = meta->owner_references[i];
        }
    }
    if (adopt) {
        Meta__V1__OwnerReference *owner = arena_alloc(base->arena, sizeof(*owner));
        meta__v1__owner_reference__init(owner);
        owner->api_version = arena_text(base->arena, "apps/v1");
        owner->kind = arena_text(base->arena, "Deployment");
        owner->name = arena_text(base->arena, self->name);
        owner->uid = arena_text(base->arena, self->uid);
        owner->has_controller = owner->controller = 1;
        owner->has_block_owner_deletion = owner->block_owner_deletion = 1;
        owners[count++] = owner;
    }
    meta->owner_references = owners;
    meta->n_owner_references = count;
    control_update(base, round->loop->set_kind, NULL, meta, copy, NULL, NULL);
}

/* Adopts and releases; true when anything had to be: the change comes back as an event, and the
 * rest is left to the round after it. */
static bool claim_all(struct round *base, struct informer_list owned)
{
    struct deployment_round *round = base->state;
    const Apps__V1__Deployment *deployment = round->deployment;
    bool claimed = false;
    if (!api_time_is_zero(deployment->metadata->deletion_timestamp)) {
        return false;
    }
    for (size_t i = 0; i < owned.count; i++) {
        if (!selects(base->arena, deployment->spec->selector, owned.items[i]->meta)) {
            claim(base, owned.items[i]->message, /* adopt= */ false);
            claimed = true;
        }
    }
    struct informer_list orphans =
        informer_select(round->loop->sets, base->arena, INFORMER_ORPHANS, base->namespace_);
    for (size_t i = 0; i < orphans.count; i++) {
        const struct client_object *set = orphans.items[i];
        if (api_time_is_zero(set->meta->deletion_timestamp) &&
            selects(base->arena, deployment->spec->selector, set->meta)) {
            claim(base, set->message, /* adopt= */ true);
            claimed = true;
        }
    }
    return claimed;
}

static size_t running_pods(struct deployment_loop *loop, struct arena *arena,
                           const struct client_object *set)
{
    struct informer_list pods =
        informer_select(loop->pods, arena, INFORMER_BY_OWNER, client_object_uid(set));
    size_t running = 0;
    for (size_t i = 0; i < pods.count; i++) {
        running += !pod_finished(pods.items[i]->message);
    }
    return running;
}

static void reconcile(void *data, struct round *base)
{
    struct deployment_loop *loop = data;
    if (!control_ready(loop->control, base)) {
        return;
    }
    const struct client_object *object =
        informer_get(loop->deployments, base->namespace_, base->name);
    if (object == NULL) {
        return;
    }
    struct deployment_round *round = arena_zeroed(base->arena, sizeof(*round));
    base->state = round;
    round->loop = loop;
    round->deployment = api_message_copy(base->arena, loop->kind->message, object->message);
    struct informer_list owned =
        informer_select(loop->sets, base->arena, INFORMER_BY_OWNER, client_object_uid(object));
    if (claim_all(base, owned)) {
        return;
    }
    const Apps__V1__ReplicaSet **sets = arena_array(base->arena, owned.count + 1, sizeof(*sets));
    size_t *running = arena_array(base->arena, owned.count + 1, sizeof(*running));
    for (size_t i = 0; i < owned.count; i++) {
        sets[i] = owned.items[i]->message;
        running[i] = running_pods(loop, base->arena, owned.items[i]);
    }
    struct deployment_view view = {
        .deployment = round->deployment,
        .sets = sets,
        .set_count = owned.count,
        .running_pods = running,
        .now_s = control_now_s(loop->control),
    };
    round->plan = deployment_plan(base->arena, &view);
    if (round->plan.again_after_s > 0) {
        round_again_after(base, round->plan.again_after_s * NS_PER_S);
    }
    next_step(base);
}

static void *deployment_open(struct control *control)
{
    struct deployment_loop *loop = alloc_zeroed(sizeof(*loop));
    loop->control = control;
    loop->kind = control_kind("apps", "v1", "deployments");
    loop->set_kind = control_kind("apps", "v1", "replicasets");
    loop->deployments = informers_get(control->informers, loop->kind);
    loop->sets = informers_get(control->informers, loop->set_kind);
    loop->pods = informers_get(control->informers, control_kind("", "v1", "pods"));
    loop->events = event_recorder_new(control->env, control->client, &control_as.deployment,
                                      "deployment-controller", /* instance= */ NULL);
    loop->reconciler =
        control_reconciler(control, "deployment", &control_as.deployment, 5, reconcile, loop);
    loop->deployment_handler =
        (struct informer_handler){.changed = deployment_changed, .data = loop};
    loop->set_handler = (struct informer_handler){.changed = set_changed, .data = loop};
    loop->pod_handler = (struct informer_handler){.changed = pod_changed, .data = loop};
    informer_add_handler(loop->deployments, &loop->deployment_handler);
    informer_add_handler(loop->sets, &loop->set_handler);
    informer_add_handler(loop->pods, &loop->pod_handler);
    return loop;
}

static void rounds_ended(void *data)
{
    struct deployment_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    event_recorder_free(loop->events);
    free(loop);
    closed(closed_data);
}

static void deployment_close(void *part, void (*closed)(void *data), void *data)
{
    struct deployment_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    informer_remove_handler(&loop->deployment_handler);
    informer_remove_handler(&loop->set_handler);
    informer_remove_handler(&loop->pod_handler);
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_deployment = {
    .name = "deployment", .open = deployment_open, .close = deployment_close};
