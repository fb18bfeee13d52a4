#include "controllers/replicaset/replication_controller.h"

#include "k8s/tables.h"
#include "lib/api/object.h"

/* The two statuses and their conditions have the same members in different messages. */
#define COPY_NUMBER(to, from, member)                                                              \
    ((to)->has_##member = (from)->has_##member, (to)->member = (from)->member)
#define COPY_COUNTS(to, from)                                                                      \
    (COPY_NUMBER(to, from, replicas), COPY_NUMBER(to, from, fully_labeled_replicas),               \
     COPY_NUMBER(to, from, ready_replicas), COPY_NUMBER(to, from, available_replicas),             \
     COPY_NUMBER(to, from, observed_generation))
#define COPY_CONDITION(to, from)                                                                   \
    ((to)->type = (from)->type, (to)->status = (from)->status, (to)->reason = (from)->reason,      \
     (to)->message = (from)->message, (to)->last_transition_time = (from)->last_transition_time)

static void read_status(struct arena *arena, const Core__V1__ReplicationControllerStatus *from,
                        Apps__V1__ReplicaSetStatus *to)
{
    COPY_COUNTS(to, from);
    to->n_conditions = from->n_conditions;
    to->conditions =
        arena_array(arena, from->n_conditions, sizeof(Apps__V1__ReplicaSetCondition *));
    for (size_t i = 0; i < from->n_conditions; i++) {
        to->conditions[i] = api_message_new(arena, &apps__v1__replica_set_condition__schema);
        COPY_CONDITION(to->conditions[i], from->conditions[i]);
    }
}

const Apps__V1__ReplicaSet *
replication_controller_as_set(struct arena *arena,
                              const Core__V1__ReplicationController *controller)
{
    const Core__V1__ReplicationControllerSpec *spec = controller->spec;
    Apps__V1__ReplicaSet *set = api_message_new(arena, &apps__v1__replica_set__schema);
    set->metadata = controller->metadata;
    COPY_NUMBER(set->spec, spec, replicas);
    COPY_NUMBER(set->spec, spec, min_ready_seconds);
    set->spec->template_ = spec->template_;
    set->spec->selector = api_message_new(arena, &meta__v1__label_selector__schema);
    /* Entries of both maps have one layout. */
    set->spec->selector->match_labels =
        (Meta__V1__LabelSelector__MatchLabelsEntry **)(void *)spec->selector;
    set->spec->selector->n_match_labels = spec->n_selector;
    read_status(arena, controller->status, set->status);
    return set;
}

Core__V1__ReplicationControllerStatus *
replication_controller_status(struct arena *arena, const Apps__V1__ReplicaSetStatus *status)
{
    Core__V1__ReplicationControllerStatus *to =
        api_message_new(arena, &core__v1__replication_controller_status__schema);
    COPY_COUNTS(to, status);
    to->n_conditions = status->n_conditions;
    to->conditions = arena_array(arena, status->n_conditions,
                                 sizeof(Core__V1__ReplicationControllerCondition *));
    for (size_t i = 0; i < status->n_conditions; i++) {
        to->conditions[i] =
            api_message_new(arena, &core__v1__replication_controller_condition__schema);
        COPY_CONDITION(to->conditions[i], status->conditions[i]);
    }
    return to;
}
