#include "controllers/deployment/deployment_math.h"
#include "controllers/deployment/deployment_state.h"
#include "controllers/pod_state.h"
#include "lib/api/object.h"
#include "lib/api/time.h"
#include <string.h>

const Apps__V1__DeploymentCondition *
rollout_find_condition(const Apps__V1__DeploymentStatus *status, const char *type)
{
    for (size_t i = 0; i < status->n_conditions; i++) {
        if (text_is(status->conditions[i]->type, type)) {
            return status->conditions[i];
        }
    }
    return NULL;
}

static void remove_condition(Apps__V1__DeploymentStatus *status, const char *type)
{
    size_t kept = 0;
    for (size_t i = 0; i < status->n_conditions; i++) {
        if (!text_is(status->conditions[i]->type, type)) {
            status->conditions[kept++] = status->conditions[i];
        }
    }
    status->n_conditions = kept;
}

/* Puts the condition last, with `lastUpdateTime` now; its transition time stays when the status
 * does. */
static void replace_condition(struct rollout *rollout, const char *type, const char *status_text,
                              const char *reason, const char *message)
{
    Apps__V1__DeploymentStatus *status = rollout->deployment->status;
    const Apps__V1__DeploymentCondition *old = rollout_find_condition(status, type);
    Apps__V1__DeploymentCondition *made = arena_alloc(rollout->arena, sizeof(*made));
    apps__v1__deployment_condition__init(made);
    made->type = arena_text(rollout->arena, type);
    made->status = arena_text(rollout->arena, status_text);
    made->reason = arena_text(rollout->arena, reason);
    made->message = arena_text(rollout->arena, message);
    made->last_update_time = api_time_new(rollout->arena, rollout->now_s);
    made->last_transition_time = old != NULL && text_is(old->status, status_text)
                                     ? old->last_transition_time
                                     : api_time_new(rollout->arena, rollout->now_s);
    Apps__V1__DeploymentCondition **all =
        arena_array(rollout->arena, status->n_conditions + 1, sizeof(*all));
    remove_condition(status, type);
    for (size_t i = 0; i < status->n_conditions; i++) {
        all[i] = status->conditions[i];
    }
    all[status->n_conditions++] = made;
    status->conditions = all;
}

void rollout_condition(struct rollout *rollout, const char *type, const char *status,
                       const char *reason, const char *message)
{
    const Apps__V1__DeploymentCondition *old =
        rollout_find_condition(rollout->deployment->status, type);
    if (old != NULL && text_is(old->status, status) && text_is(old->reason, reason)) {
        return;
    }
    replace_condition(rollout, type, status, reason, message);
}

bool rollout_has_deadline(const struct rollout *rollout)
{
    const Apps__V1__DeploymentSpec *spec = rollout->deployment->spec;
    return spec->has_progress_deadline_seconds && spec->progress_deadline_seconds != INT32_MAX;
}

void rollout_check_paused(struct rollout *rollout)
{
    if (!rollout_has_deadline(rollout)) {
        return;
    }
    const Apps__V1__DeploymentCondition *progress =
        rollout_find_condition(rollout->deployment->status, "Progressing");
    if (progress != NULL && text_is(progress->reason, "ProgressDeadlineExceeded")) {
        return; /* Pausing does not make it forgotten. */
    }
    bool paused = progress != NULL && text_is(progress->reason, "DeploymentPaused");
    if (rollout->deployment->spec->paused && !paused) {
        rollout_condition(rollout, "Progressing", "Unknown", "DeploymentPaused",
                          "Deployment is paused");
    } else if (!rollout->deployment->spec->paused && paused) {
        rollout_condition(rollout, "Progressing", "Unknown", "DeploymentResumed",
                          "Deployment is resumed");
    }
}

static void count_set(Apps__V1__DeploymentStatus *status, const struct rollout_set *set)
{
    status->replicas += set->set->status->replicas;
    status->ready_replicas += set->set->status->ready_replicas;
    status->available_replicas += set->set->status->available_replicas;
}

static void count(struct rollout *rollout)
{
    Apps__V1__DeploymentStatus *status = rollout->deployment->status;
    status->replicas = status->ready_replicas = status->available_replicas = 0;
    status->updated_replicas = 0;
    for (size_t i = 0; i < rollout->old_count; i++) {
        count_set(status, rollout->olds[i]);
    }
    if (rollout->fresh != NULL) {
        count_set(status, rollout->fresh);
        status->updated_replicas = rollout->fresh->set->status->replicas;
    }
    int32_t missing = rollout_replicas(rollout) - status->available_replicas;
    status->unavailable_replicas = missing > 0 ? missing : 0;
    status->observed_generation = rollout->deployment->metadata->generation;
    status->has_replicas = status->has_ready_replicas = status->has_available_replicas = 1;
    status->has_updated_replicas = status->has_unavailable_replicas = 1;
    status->has_observed_generation = 1;
    int32_t least =
        rollout->deployment->spec->replicas - deployment_max_unavailable(rollout->deployment);
    if (status->available_replicas >= least) {
        rollout_condition(rollout, "Available", "True", "MinimumReplicasAvailable",
                          "Deployment has minimum availability.");
    } else {
        rollout_condition(rollout, "Available", "False", "MinimumReplicasUnavailable",
                          "Deployment does not have minimum availability.");
    }
}

bool rollout_complete(const struct rollout *rollout, const Apps__V1__DeploymentStatus *status)
{
    int32_t wanted = rollout->deployment->spec->replicas;
    return status->updated_replicas == wanted && status->replicas == wanted &&
           status->available_replicas == wanted &&
           status->observed_generation >= rollout->deployment->metadata->generation;
}

static bool progressed(const Apps__V1__DeploymentStatus *now, const Apps__V1__DeploymentStatus *old)
{
    return now->updated_replicas > old->updated_replicas ||
           now->replicas - now->updated_replicas < old->replicas - old->updated_replicas ||
           now->ready_replicas > old->ready_replicas ||
           now->available_replicas > old->available_replicas;
}

static bool timed_out(const struct rollout *rollout)
{
    const Apps__V1__DeploymentCondition *progress =
        rollout_find_condition(rollout->deployment->status, "Progressing");
    if (progress == NULL || text_is(progress->reason, "NewReplicaSetAvailable")) {
        return false;
    }
    if (text_is(progress->reason, "ProgressDeadlineExceeded")) {
        return true;
    }
    return api_time_seconds(progress->last_update_time) +
               rollout->deployment->spec->progress_deadline_seconds <
           rollout->now_s;
}

static const char *subject(const struct rollout *rollout)
{
    return rollout->fresh == NULL ? arena_printf(rollout->arena, "Deployment \"%s\"",
                                                 rollout->deployment->metadata->name)
                                  : arena_printf(rollout->arena, "ReplicaSet \"%s\"",
                                                 rollout->fresh->set->metadata->name);
}

static void update_progress(struct rollout *rollout)
{
    const Apps__V1__DeploymentStatus *status = rollout->deployment->status;
    const Apps__V1__DeploymentCondition *present = rollout_find_condition(status, "Progressing");
    if (status->replicas == status->updated_replicas && present != NULL &&
        text_is(present->reason, "NewReplicaSetAvailable")) {
        return; /* It ended before; only a new template starts it again. */
    }
    const char *who = subject(rollout);
    if (rollout_complete(rollout, status)) {
        rollout_condition(rollout, "Progressing", "True", "NewReplicaSetAvailable",
                          arena_printf(rollout->arena, "%s has successfully progressed.", who));
    } else if (progressed(status, rollout->seen->status)) {
        replace_condition(rollout, "Progressing", "True", "ReplicaSetUpdated",
                          arena_printf(rollout->arena, "%s is progressing.", who));
    } else if (timed_out(rollout)) {
        rollout_condition(rollout, "Progressing", "False", "ProgressDeadlineExceeded",
                          arena_printf(rollout->arena, "%s has timed out progressing.", who));
    }
}

static const Apps__V1__ReplicaSetCondition *set_failure(const struct rollout_set *set)
{
    for (size_t i = 0; i < set->set->status->n_conditions; i++) {
        if (text_is(set->set->status->conditions[i]->type, "ReplicaFailure")) {
            return set->set->status->conditions[i];
        }
    }
    return NULL;
}

static void copy_failure(struct rollout *rollout)
{
    const Apps__V1__ReplicaSetCondition *failure =
        rollout->fresh == NULL ? NULL : set_failure(rollout->fresh);
    for (size_t i = 0; failure == NULL && i < rollout->old_count; i++) {
        failure = set_failure(rollout->olds[i]);
    }
    if (failure == NULL) {
        remove_condition(rollout->deployment->status, "ReplicaFailure");
        return;
    }
    rollout_condition(rollout, "ReplicaFailure", failure->status, failure->reason,
                      failure->message);
}

/* When to look again for a deadline that nothing else would wake us for. */
static void wake_at_deadline(struct rollout *rollout)
{
    const Apps__V1__DeploymentStatus *status = rollout->deployment->status;
    const Apps__V1__DeploymentCondition *progress = rollout_find_condition(status, "Progressing");
    if (progress == NULL || rollout_complete(rollout, status) ||
        text_is(progress->reason, "ProgressDeadlineExceeded")) {
        return;
    }
    int64_t at = api_time_seconds(progress->last_update_time) +
                 rollout->deployment->spec->progress_deadline_seconds;
    rollout->again_after_s = at < rollout->now_s ? 1 : (uint64_t)(at - rollout->now_s) + 1;
}

void rollout_status(struct rollout *rollout, bool progress)
{
    count(rollout);
    if (!progress) {
        return;
    }
    if (rollout_has_deadline(rollout)) {
        update_progress(rollout);
        wake_at_deadline(rollout);
    } else {
        remove_condition(rollout->deployment->status, "Progressing");
    }
    copy_failure(rollout);
}
