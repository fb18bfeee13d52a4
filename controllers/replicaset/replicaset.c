/* Controllers of ReplicaSets and of ReplicationControllers, which are read as ReplicaSets ("sets"
 * below are either): each carries out replicaset_plan() for its kind. One round: claim pods, create
 * in batches of 1, 2, 4, ... (a quota that is used up then costs one failed call, not hundreds) or
 * delete, then write the status. */
#include "controllers/control.h"
#include "controllers/limits.h"
#include "controllers/pod_state.h"
#include "controllers/replicaset/replicaset_plan.h"
#include "controllers/replicaset/replication_controller.h"
#include "k8s/tables.h"
#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include "lib/client/expectations.h"
#include "lib/client/limits.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What tells one kind of set from the other. */
struct replicated {
    const char *group;
    const char *plural;
    const char *loop;     /* Of its rounds. */
    const char *reporter; /* Of its events. */
    const struct client_identity *as;
    /* An object as a set. What is returned may share memory with it. */
    const Apps__V1__ReplicaSet *(*read)(struct arena *arena, const void *object);
    /* Gives an object, a copy, the status of a set. */
    void (*set_status)(struct arena *arena, void *object, Apps__V1__ReplicaSetStatus *status);
};

struct replicaset_loop {
    struct control *control;
    const struct replicated *replicated;
    const struct api_kind *set_kind;
    const struct api_kind *pod_kind;
    struct informer *sets;
    struct informer *pods;
    struct informer_handler set_handler;
    struct informer_handler pod_handler;
    struct reconciler *reconciler;
    struct event_recorder *events;
    struct expectations *expectations;
    void (*closed)(void *data);
    void *closed_data;
};

/* One round under way. */
struct set_round {
    struct replicaset_loop *loop;
    const void *object;              /* Of the loop's kind: a copy in the round's arena. */
    const Apps__V1__ReplicaSet *set; /* The object as a set. */
    struct replicaset_plan plan;
    Core__V1__Pod **remove;     /* Copies of plan.remove. */
    size_t created;             /* Creations asked for so far. */
    size_t batch;               /* Size of the present batch. */
    size_t in_batch;            /* Of it, not answered. */
    size_t removing;            /* Deletions not answered. */
    size_t claims;              /* Adoptions and releases not answered. */
    const char *failure_reason; /* For the ReplicaFailure condition. */
    const char *failure;
};

static void enqueue_owner(struct replicaset_loop *loop, const struct client_object *pod)
{
    const Meta__V1__OwnerReference *owner = api_meta_controller(pod->meta);
    if (owner != NULL && text_is(owner->kind, loop->set_kind->kind)) {
        reconciler_add_name(loop->reconciler, client_object_namespace(pod), owner->name);
    }
}

/* An orphan may be adopted by any set of its namespace that selects it. */
static void enqueue_selecting(struct replicaset_loop *loop, const struct client_object *pod)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct informer_list sets =
        informer_select(loop->sets, arena, INFORMER_BY_NAMESPACE, client_object_namespace(pod));
    for (size_t i = 0; i < sets.count; i++) {
        const Apps__V1__ReplicaSet *set = loop->replicated->read(arena, sets.items[i]->message);
        struct api_label_selector selector;
        if (api_label_selector_from_message(arena, set->spec->selector, &selector, NULL) == 0 &&
            api_label_selector_matches(&selector,
                                       API_STRING_MAP(pod->meta->labels, pod->meta->n_labels))) {
            reconciler_add_object(loop->reconciler, sets.items[i]);
        }
    }
}

static char *owner_key(const struct replicaset_loop *loop, char text[512],
                       const struct client_object *pod)
{
    const Meta__V1__OwnerReference *owner = api_meta_controller(pod->meta);
    if (owner == NULL || !text_is(owner->kind, loop->set_kind->kind)) {
        return NULL;
    }
    int len = snprintf(text, 512, "%s/%s", client_object_namespace(pod), owner->name);
    return len > 0 && len < 512 ? text : NULL;
}

static void pod_changed(void *data, const struct client_object *old_object,
                        const struct client_object *new_object)
{
    struct replicaset_loop *loop = data;
    const struct client_object *pod = new_object == NULL ? old_object : new_object;
    assert(pod != NULL); /* An event has an object, before or after. */
    char text[512];
    const char *key = owner_key(loop, text, pod);
    bool going = new_object == NULL || pod_terminating(new_object->message);
    if (key != NULL && old_object == NULL) {
        expectations_saw_creation(loop->expectations, key);
    }
    if (key != NULL && going) {
        expectations_saw_deletion(loop->expectations, key, client_object_uid(pod));
    }
    if (old_object != NULL && new_object != NULL) {
        enqueue_owner(loop, old_object); /* It may have had another owner. */
    }
    enqueue_owner(loop, pod);
    if (new_object != NULL && api_meta_controller(new_object->meta) == NULL) {
        enqueue_selecting(loop, new_object);
    }
}

static void set_changed(void *data, const struct client_object *old_object,
                        const struct client_object *new_object)
{
    struct replicaset_loop *loop = data;
    reconciler_add_object(loop->reconciler, new_object == NULL ? old_object : new_object);
}

static const Core__V1__Pod *const *pods_of(struct arena *arena, struct informer_list list)
{
    const Core__V1__Pod **pods = arena_array(arena, list.count + 1, sizeof(*pods));
    for (size_t i = 0; i < list.count; i++) {
        pods[i] = list.items[i]->message;
    }
    return pods;
}

/* Pods without a controller that the set may select. */
static struct informer_list orphans_of(struct replicaset_loop *loop, struct arena *arena,
                                       const struct client_object *object,
                                       const Apps__V1__ReplicaSet *set)
{
    const Meta__V1__LabelSelector *selector = set->spec->selector;
    if (selector == NULL || selector->n_match_labels == 0) {
        return informer_select(loop->pods, arena, INFORMER_ORPHANS,
                               client_object_namespace(object));
    }
    struct informer_list pods =
        informer_select_labelled(loop->pods, arena, client_object_namespace(object),
                                 API_STRING_MAP(selector->match_labels, selector->n_match_labels));
    const struct client_object **items = arena_array(arena, pods.count + 1, sizeof(*items));
    size_t count = 0;
    for (size_t i = 0; i < pods.count; i++) {
        if (api_meta_controller(pods.items[i]->meta) == NULL) {
            items[count++] = pods.items[i];
        }
    }
    return (struct informer_list){items, count};
}

/* Pods of all sets that have this set's own controller. */
static struct informer_list related_pods(struct replicaset_loop *loop, struct arena *arena,
                                         const struct client_object *object)
{
    const Meta__V1__OwnerReference *owner = api_meta_controller(object->meta);
    if (owner == NULL) {
        return informer_select(loop->pods, arena, INFORMER_BY_OWNER, client_object_uid(object));
    }
    struct informer_list sets = informer_select(loop->sets, arena, INFORMER_BY_OWNER, owner->uid);
    size_t room = 1, count = 0;
    for (size_t i = 0; i < sets.count; i++) {
        room +=
            informer_count_under(loop->pods, INFORMER_BY_OWNER, client_object_uid(sets.items[i]));
    }
    const struct client_object **items = arena_array(arena, room, sizeof(*items));
    for (size_t i = 0; i < sets.count; i++) {
        struct informer_list pods =
            informer_select(loop->pods, arena, INFORMER_BY_OWNER, client_object_uid(sets.items[i]));
        for (size_t j = 0; j < pods.count; j++) {
            items[count++] = pods.items[j];
        }
    }
    return (struct informer_list){items, count};
}

/* --- Status --- */

static Apps__V1__ReplicaSetCondition *failure_condition(Apps__V1__ReplicaSetStatus *status)
{
    for (size_t i = 0; i < status->n_conditions; i++) {
        if (text_is(status->conditions[i]->type, "ReplicaFailure")) {
            return status->conditions[i];
        }
    }
    return NULL;
}

static void set_failure(struct set_round *round, struct arena *arena,
                        Apps__V1__ReplicaSetStatus *status)
{
    Apps__V1__ReplicaSetCondition *present = failure_condition(status);
    if (round->failure == NULL) {
        size_t kept = 0;
        for (size_t i = 0; i < status->n_conditions; i++) {
            if (status->conditions[i] != present) {
                status->conditions[kept++] = status->conditions[i];
            }
        }
        status->n_conditions = kept;
        return;
    }
    if (present != NULL) {
        return;
    }
    Apps__V1__ReplicaSetCondition *condition = arena_alloc(arena, sizeof(*condition));
    apps__v1__replica_set_condition__init(condition);
    condition->type = arena_text(arena, "ReplicaFailure");
    condition->status = arena_text(arena, "True");
    condition->reason = arena_text(arena, round->failure_reason);
    condition->message = arena_text(arena, round->failure);
    condition->last_transition_time = api_time_new(arena, control_now_s(round->loop->control));
    Apps__V1__ReplicaSetCondition **all =
        arena_array(arena, status->n_conditions + 1, sizeof(*all));
    if (status->n_conditions > 0) {
        memcpy(all, status->conditions, status->n_conditions * sizeof(*all));
    }
    all[status->n_conditions++] = condition;
    status->conditions = all;
}

static void write_status(struct round *base)
{
    struct set_round *round = base->state;
    struct replicaset_loop *loop = round->loop;
    const struct replicaset_plan *plan = &round->plan;
    if (round_stopping(base)) {
        return;
    }
    Apps__V1__ReplicaSetStatus *status =
        api_message_copy(base->arena, &apps__v1__replica_set_status__schema, round->set->status);
    status->has_replicas = status->has_ready_replicas = status->has_available_replicas = 1;
    status->has_fully_labeled_replicas = status->has_observed_generation = 1;
    status->replicas = plan->replicas;
    status->fully_labeled_replicas = plan->fully_labeled;
    status->ready_replicas = plan->ready;
    status->available_replicas = plan->available;
    status->observed_generation = round->set->metadata->generation;
    set_failure(round, base->arena, status);
    void *object = api_message_copy(base->arena, loop->set_kind->message, round->object);
    loop->replicated->set_status(base->arena, object, status);
    if (api_message_equal(loop->set_kind->message, object, round->object)) {
        return;
    }
    control_update(base, loop->set_kind, "status", round->set->metadata, object, NULL, NULL);
}

/* --- Creating and deleting --- */

static void create_batch(struct round *base);

static void note_failure(struct round *base, const char *reason, const struct client_reply *reply)
{
    struct set_round *round = base->state;
    if (round->failure == NULL) {
        round->failure_reason = reason;
        round->failure = arena_text(base->arena, reply->message);
    }
    round_fail(base, reply->message);
}

static void create_done(struct round *base, const struct client_reply *reply, void *data)
{
    (void)data;
    struct set_round *round = base->state;
    struct replicaset_loop *loop = round->loop;
    if (client_succeeded(reply)) {
        if (reply->object != NULL) {
            event_record(loop->events, loop->set_kind, round->set->metadata, false,
                         "SuccessfulCreate", NULL, "Created pod: %s",
                         client_object_name(reply->object));
        }
    } else {
        expectations_saw_creation(loop->expectations, base->key);
        /* A namespace on its way out refuses pods: nothing to report, nothing to retry. */
        if (strstr(reply->message, "because it is being terminated") == NULL) {
            event_record(loop->events, loop->set_kind, round->set->metadata, true, "FailedCreate",
                         NULL, "Error creating: %s", reply->message);
            note_failure(base, "FailedCreate", reply);
        } else {
            round->plan.create = round->created;
        }
    }
    if (--round->in_batch > 0) {
        return;
    }
    round->batch *= 2;
    if (round->failure != NULL || round->created >= round->plan.create || round_stopping(base)) {
        size_t skipped = round->plan.create - round->created;
        for (size_t i = 0; i < skipped; i++) {
            expectations_saw_creation(loop->expectations, base->key);
        }
        write_status(base);
        return;
    }
    create_batch(base);
}

static void create_batch(struct round *base)
{
    struct set_round *round = base->state;
    size_t left = round->plan.create - round->created;
    size_t count = left < round->batch ? left : round->batch;
    Core__V1__Pod *pod = replicaset_pod(base->arena, round->loop->set_kind, round->set);
    round->in_batch = count;
    round->created += count;
    for (size_t i = 0; i < count; i++) {
        struct client_request request = {
            .verb = CLIENT_CREATE,
            .kind = round->loop->pod_kind,
            .namespace_ = base->namespace_,
            .body = pod,
        };
        round_call(base, &request, create_done, NULL);
    }
}

static void remove_done(struct round *base, const struct client_reply *reply, void *data)
{
    struct set_round *round = base->state;
    struct replicaset_loop *loop = round->loop;
    const Core__V1__Pod *pod = data;
    if (client_succeeded(reply)) {
        event_record(loop->events, loop->set_kind, round->set->metadata, false, "SuccessfulDelete",
                     NULL, "Deleted pod: %s", pod->metadata->name);
    } else {
        expectations_saw_deletion(loop->expectations, base->key, pod->metadata->uid);
        if (!client_not_found(reply)) {
            event_record(loop->events, loop->set_kind, round->set->metadata, true, "FailedDelete",
                         NULL, "Error deleting: %s", reply->message);
            note_failure(base, "FailedDelete", reply);
        }
    }
    if (--round->removing == 0) {
        write_status(base);
    }
}

static void scale(struct round *base)
{
    struct set_round *round = base->state;
    struct replicaset_loop *loop = round->loop;
    const struct replicaset_plan *plan = &round->plan;
    uint64_t now_ns = env_now_ns(loop->control->env);
    if (round_stopping(base)) {
        return;
    }
    if (plan->create > 0) {
        expectations_add_creations(loop->expectations, base->key, plan->create, now_ns);
        round->batch = 1;
        create_batch(base);
        return;
    }
    if (plan->remove_count == 0) {
        write_status(base);
        return;
    }
    round->removing = plan->remove_count;
    for (size_t i = 0; i < plan->remove_count; i++) {
        Core__V1__Pod *pod = round->remove[i];
        expectations_add_deletion(loop->expectations, base->key, pod->metadata->uid, now_ns);
        control_delete(base, loop->pod_kind, pod->metadata, remove_done, pod);
    }
}

/* --- Claiming --- */

static void claim_done(struct round *base, const struct client_reply *reply, void *data)
{
    (void)data;
    struct set_round *round = base->state;
    if (!client_succeeded(reply) && !client_not_found(reply)) {
        round_fail(base, reply->message);
    }
    if (--round->claims == 0 && !round_failed(base)) {
        scale(base);
    }
}

static void claim(struct round *base, const Core__V1__Pod *pod, bool adopt)
{
    struct set_round *round = base->state;
    Meta__V1__ObjectMeta *meta =
        api_message_copy(base->arena, &meta__v1__object_meta__schema, pod->metadata);
    Meta__V1__OwnerReference **owners =
        arena_array(base->arena, meta->n_owner_references + 1, sizeof(*owners));
    size_t count = 0;
    for (size_t i = 0; i < meta->n_owner_references; i++) {
        if (!text_is(meta->owner_references[i]->uid, round->set->metadata->uid)) {
            owners[count++] = meta->owner_references[i];
        }
    }
    if (adopt) {
        owners[count++] = replicaset_owner(base->arena, round->loop->set_kind, round->set);
    }
    meta->owner_references = owners;
    meta->n_owner_references = count;
    control_patch_metadata(base, round->loop->pod_kind, meta, "ownerReferences", claim_done, NULL);
}

static void plan_round(struct round *base, const struct client_object *object,
                       const struct api_label_selector *selector)
{
    struct set_round *round = base->state;
    struct replicaset_loop *loop = round->loop;
    struct informer_list owned =
        informer_select(loop->pods, base->arena, INFORMER_BY_OWNER, client_object_uid(object));
    struct informer_list orphans = orphans_of(loop, base->arena, object, round->set);
    struct informer_list related = {NULL, 0};
    if (owned.count > (size_t)(round->set->spec->replicas < 0 ? 0 : round->set->spec->replicas)) {
        related = related_pods(loop, base->arena, object);
    }
    struct replicaset_view view = {
        .set = round->set,
        .selector = selector,
        .owned = pods_of(base->arena, owned),
        .owned_count = owned.count,
        .orphans = pods_of(base->arena, orphans),
        .orphan_count = orphans.count,
        .related = pods_of(base->arena, related),
        .related_count = related.count,
        .settled =
            expectations_fulfilled(loop->expectations, base->key, env_now_ns(loop->control->env)),
        .now_s = control_now_s(loop->control),
    };
    round->plan = replicaset_plan(base->arena, &view);
    /* They are deleted after claims were answered, and named when that is answered: by then the
     * cache may have let go of them. */
    round->remove = arena_array(base->arena, round->plan.remove_count, sizeof(*round->remove));
    for (size_t i = 0; i < round->plan.remove_count; i++) {
        round->remove[i] =
            api_message_copy(base->arena, loop->pod_kind->message, round->plan.remove[i]);
    }
    if (!view.settled) {
        round_again_after(base, CLIENT_EXPECTATIONS_TTL_S * NS_PER_S);
    }
    if (round->plan.again_after_s > 0) {
        round_again_after(base, (uint64_t)round->plan.again_after_s * NS_PER_S);
    }
}

static void reconcile(void *data, struct round *base)
{
    struct replicaset_loop *loop = data;
    if (!control_ready(loop->control, base)) {
        return;
    }
    const struct client_object *object = informer_get(loop->sets, base->namespace_, base->name);
    if (object == NULL) {
        expectations_forget(loop->expectations, base->key);
        return;
    }
    struct set_round *round = arena_zeroed(base->arena, sizeof(*round));
    base->state = round;
    round->loop = loop;
    round->object = api_message_copy(base->arena, loop->set_kind->message, object->message);
    round->set = loop->replicated->read(base->arena, round->object);
    struct api_label_selector selector;
    if (api_label_selector_from_message(base->arena, round->set->spec->selector, &selector, NULL) !=
        0) {
        return; /* Validation lets no such set in. */
    }
    plan_round(base, object, &selector);
    round->claims = round->plan.adopt_count + round->plan.release_count;
    if (round->claims == 0) {
        scale(base);
        return;
    }
    for (size_t i = 0; i < round->plan.adopt_count; i++) {
        claim(base, round->plan.adopt[i], /* adopt= */ true);
    }
    for (size_t i = 0; i < round->plan.release_count; i++) {
        claim(base, round->plan.release[i], /* adopt= */ false);
    }
}

static struct replicaset_loop *loop_open(struct control *control,
                                         const struct replicated *replicated)
{
    struct replicaset_loop *loop = alloc_zeroed(sizeof(*loop));
    loop->control = control;
    loop->replicated = replicated;
    loop->set_kind = control_kind(replicated->group, "v1", replicated->plural);
    loop->pod_kind = control_kind("", "v1", "pods");
    loop->sets = informers_get(control->informers, loop->set_kind);
    loop->pods = informers_get(control->informers, loop->pod_kind);
    loop->expectations = expectations_new();
    loop->events = event_recorder_new(control->env, control->client, replicated->as,
                                      replicated->reporter, /* instance= */ NULL);
    loop->reconciler =
        control_reconciler(control, replicated->loop, replicated->as, 5, reconcile, loop);
    loop->set_handler = (struct informer_handler){.changed = set_changed, .data = loop};
    loop->pod_handler = (struct informer_handler){.changed = pod_changed, .data = loop};
    informer_add_handler(loop->sets, &loop->set_handler);
    informer_add_handler(loop->pods, &loop->pod_handler);
    return loop;
}

static void rounds_ended(void *data)
{
    struct replicaset_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    expectations_free(loop->expectations);
    event_recorder_free(loop->events);
    free(loop);
    closed(closed_data);
}

static void loop_close(void *part, void (*closed)(void *data), void *data)
{
    struct replicaset_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    informer_remove_handler(&loop->set_handler);
    informer_remove_handler(&loop->pod_handler);
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

/* --- The two kinds --- */

static const Apps__V1__ReplicaSet *read_set(struct arena *arena, const void *object)
{
    (void)arena;
    return object;
}

static void set_status(struct arena *arena, void *object, Apps__V1__ReplicaSetStatus *status)
{
    (void)arena;
    Apps__V1__ReplicaSet *set = object;
    set->status = status;
}

static void *replicaset_open(struct control *control)
{
    static const struct replicated replicated = {
        .group = "apps",
        .plural = "replicasets",
        .loop = "replicaset",
        .reporter = "replicaset-controller",
        .as = &control_as.replica_set,
        .read = read_set,
        .set_status = set_status,
    };
    return loop_open(control, &replicated);
}

const struct control_part control_replicaset = {
    .name = "replicaset", .open = replicaset_open, .close = loop_close};

static const Apps__V1__ReplicaSet *read_controller(struct arena *arena, const void *object)
{
    return replication_controller_as_set(arena, object);
}

static void set_controller_status(struct arena *arena, void *object,
                                  Apps__V1__ReplicaSetStatus *status)
{
    Core__V1__ReplicationController *controller = object;
    controller->status = replication_controller_status(arena, status);
}

static void *replication_controller_open(struct control *control)
{
    static const struct replicated replicated = {
        .group = "",
        .plural = "replicationcontrollers",
        .loop = "replicationcontroller",
        .reporter = "replication-controller",
        .as = &control_as.replication,
        .read = read_controller,
        .set_status = set_controller_status,
    };
    return loop_open(control, &replicated);
}

const struct control_part control_replication_controller = {
    .name = "replicationcontroller", .open = replication_controller_open, .close = loop_close};
