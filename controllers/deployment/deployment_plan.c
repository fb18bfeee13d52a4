#include "controllers/deployment/deployment_plan.h"

#include "controllers/deployment/deployment_math.h"
#include "controllers/deployment/deployment_state.h"
#include "controllers/pod_state.h"
#include "lib/api/object.h"
#include "lib/api/time.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char desired_key[] = "deployment.kubernetes.io/desired-replicas";
static const char max_key[] = "deployment.kubernetes.io/max-replicas";

static int32_t size_of(const struct rollout_set *set)
{
    return set == NULL ? 0 : set->set->spec->replicas;
}

static int32_t old_replicas(const struct rollout *rollout)
{
    int32_t sum = 0;
    for (size_t i = 0; i < rollout->old_count; i++) {
        sum += size_of(rollout->olds[i]);
    }
    return sum;
}

int32_t rollout_replicas(const struct rollout *rollout)
{
    return old_replicas(rollout) + size_of(rollout->fresh);
}

/* A set that was just made smaller still reports the pods that it is about to lose. */
static int32_t available_of(const struct rollout_set *set)
{
    if (set == NULL) {
        return 0;
    }
    int32_t available = set->set->status->available_replicas;
    return available < size_of(set) ? available : size_of(set);
}

int32_t rollout_available(const struct rollout *rollout)
{
    int32_t sum = available_of(rollout->fresh);
    for (size_t i = 0; i < rollout->old_count; i++) {
        sum += available_of(rollout->olds[i]);
    }
    return sum;
}

/* --- Rolling update --- */

/* True when the new set was given another size: one step a round, so that each sees the last. */
static bool resize_new(struct rollout *rollout)
{
    struct rollout_set *fresh = rollout->fresh;
    int32_t wanted = rollout->deployment->spec->replicas;
    int32_t present = size_of(fresh);
    if (fresh->seen == NULL) {
        return true; /* Made in this very plan. */
    }
    if (present == wanted) {
        return false;
    }
    int32_t size = present > wanted ? wanted
                                    : deployment_new_size(rollout->deployment,
                                                          rollout_replicas(rollout), present);
    if (size == present) {
        return false;
    }
    rollout_scale(rollout, fresh, size);
    return true;
}

/* Pods that never became available go first: removing them costs nothing. */
static int32_t remove_unhealthy(struct rollout *rollout, int32_t budget)
{
    int32_t removed = 0;
    for (size_t i = 0; i < rollout->old_count && removed < budget; i++) {
        struct rollout_set *set = rollout->olds[i];
        int32_t sick = size_of(set) - set->set->status->available_replicas;
        if (size_of(set) == 0 || sick <= 0) {
            continue;
        }
        int32_t count = sick < budget - removed ? sick : budget - removed;
        rollout_scale(rollout, set, size_of(set) - count);
        removed += count;
    }
    return removed;
}

static int32_t remove_old(struct rollout *rollout)
{
    int32_t least =
        rollout->deployment->spec->replicas - deployment_max_unavailable(rollout->deployment);
    int32_t budget = rollout_available(rollout) - least;
    int32_t removed = 0;
    for (size_t i = 0; i < rollout->old_count && removed < budget; i++) {
        struct rollout_set *set = rollout->olds[i];
        if (size_of(set) == 0) {
            continue;
        }
        int32_t left = budget - removed;
        int32_t count = size_of(set) < left ? size_of(set) : left;
        rollout_scale(rollout, set, size_of(set) - count);
        removed += count;
    }
    return removed;
}

static void shrink_old(struct rollout *rollout)
{
    if (old_replicas(rollout) == 0) {
        return;
    }
    const struct rollout_set *fresh = rollout->fresh;
    int32_t least =
        rollout->deployment->spec->replicas - deployment_max_unavailable(rollout->deployment);
    int32_t new_missing = size_of(fresh) - fresh->set->status->available_replicas;
    int32_t budget = rollout_replicas(rollout) - least - new_missing;
    if (budget <= 0) {
        return;
    }
    (void)remove_unhealthy(rollout, budget); /* Counted in the sizes that remove_old() sees. */
    (void)remove_old(rollout);
}

static void plan_rolling(struct rollout *rollout)
{
    rollout_sync_new_set(rollout, /* make= */ true);
    if (!resize_new(rollout)) {
        shrink_old(rollout);
    }
}

/* --- Recreate --- */

static void plan_recreate(struct rollout *rollout)
{
    rollout_sync_new_set(rollout, /* make= */ false);
    bool shrunk = false;
    bool running = false;
    for (size_t i = 0; i < rollout->old_count; i++) {
        if (size_of(rollout->olds[i]) > 0) {
            rollout_scale(rollout, rollout->olds[i], 0);
            shrunk = true;
        }
        running = running || rollout->olds[i]->running_pods > 0;
    }
    if (shrunk || running) {
        return;
    }
    rollout_sync_new_set(rollout, /* make= */ true);
    (void)resize_new(rollout);
}

/* --- Changes of spec.replicas, and paused deployments --- */

static bool scaled_by_user(const struct rollout *rollout)
{
    int32_t wanted = rollout->deployment->spec->replicas;
    for (size_t i = 0; i <= rollout->old_count; i++) {
        const struct rollout_set *set = i < rollout->old_count ? rollout->olds[i] : rollout->fresh;
        if (set != NULL && size_of(set) > 0 &&
            rollout_annotated(set->set, desired_key, wanted) != wanted) {
            return true;
        }
    }
    return false;
}

static int larger_first(const void *a, const void *b)
{
    int32_t left = size_of(*(struct rollout_set *const *)a);
    int32_t right = size_of(*(struct rollout_set *const *)b);
    return left > right ? -1 : left < right;
}

/* Shares the change among the active sets by their size, so that a rollout in the middle keeps its
 * proportions. */
static void scale_in_proportion(struct rollout *rollout, struct rollout_set **active, size_t count)
{
    const Apps__V1__Deployment *deployment = rollout->deployment;
    int32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += size_of(active[i]);
    }
    int32_t wanted = deployment->spec->replicas;
    int32_t allowed = wanted > 0 ? wanted + deployment_max_surge(deployment) : 0;
    int32_t to_add = allowed - sum;
    int32_t added = 0;
    qsort(active, count, sizeof(*active), larger_first);
    int32_t *sizes = arena_array(rollout->arena, count + 1, sizeof(*sizes));
    for (size_t i = 0; i < count; i++) {
        int32_t share =
            deployment_proportion(deployment, size_of(active[i]),
                                  rollout_annotated(active[i]->set, max_key, 0), to_add, added);
        sizes[i] = size_of(active[i]) + share;
        added += share;
    }
    for (size_t i = 0; i < count; i++) {
        if (i == 0 && to_add != 0) {
            sizes[0] += to_add - added;
        }
        rollout_scale(rollout, active[i], sizes[i] < 0 ? 0 : sizes[i]);
    }
}

static void plan_scale(struct rollout *rollout)
{
    int32_t wanted = rollout->deployment->spec->replicas;
    size_t count = 0;
    struct rollout_set **active =
        arena_array(rollout->arena, rollout->old_count + 1, sizeof(struct rollout_set *));
    if (size_of(rollout->fresh) > 0) {
        active[count++] = rollout->fresh;
    }
    for (size_t i = rollout->old_count; i > 0; i--) {
        if (size_of(rollout->olds[i - 1]) > 0) {
            active[count++] = rollout->olds[i - 1];
        }
    }
    if (count <= 1) {
        struct rollout_set *only = count == 1               ? active[0]
                                   : rollout->fresh != NULL ? rollout->fresh
                                   : rollout->old_count > 0 ? rollout->olds[rollout->old_count - 1]
                                                            : NULL;
        if (only != NULL && size_of(only) != wanted) {
            rollout_scale(rollout, only, wanted);
        } else if (only != NULL && size_of(only) > 0) {
            rollout_scale(rollout, only, wanted); /* For the annotations. */
        }
        return;
    }
    const struct rollout_set *fresh = rollout->fresh;
    if (fresh != NULL && size_of(fresh) == wanted &&
        rollout_annotated(fresh->set, desired_key, -1) == wanted &&
        fresh->set->status->available_replicas == wanted) {
        for (size_t i = 0; i < rollout->old_count; i++) {
            if (size_of(rollout->olds[i]) > 0) {
                rollout_scale(rollout, rollout->olds[i], 0);
            }
        }
        return;
    }
    if (deployment_rolling(rollout->deployment)) {
        scale_in_proportion(rollout, active, count);
    }
}

/* --- Old revisions --- */

static int revision_order(const void *a, const void *b)
{
    int64_t left = rollout_revision((*(struct rollout_set *const *)a)->set);
    int64_t right = rollout_revision((*(struct rollout_set *const *)b)->set);
    return left < right ? -1 : left > right;
}

static void forget_old(struct rollout *rollout)
{
    const Apps__V1__DeploymentSpec *spec = rollout->deployment->spec;
    if (!spec->has_revision_history_limit || spec->revision_history_limit == INT32_MAX) {
        return;
    }
    size_t count = 0;
    struct rollout_set **sets =
        arena_array(rollout->arena, rollout->old_count + 1, sizeof(struct rollout_set *));
    for (size_t i = 0; i < rollout->old_count; i++) {
        if (api_time_is_zero(rollout->olds[i]->set->metadata->deletion_timestamp)) {
            sets[count++] = rollout->olds[i];
        }
    }
    size_t limit = (size_t)spec->revision_history_limit;
    qsort(sets, count, sizeof(*sets), revision_order);
    for (size_t i = 0; i + limit < count; i++) {
        const Apps__V1__ReplicaSet *set = sets[i]->set;
        sets[i]->remove = set->status->replicas == 0 && set->spec->replicas == 0 &&
                          set->metadata->generation <= set->status->observed_generation;
    }
}

/* --- The plan --- */

static void add_step(struct deployment_plan *plan, enum deployment_step_kind kind,
                     const struct rollout_set *set)
{
    plan->steps[plan->step_count++] = (struct deployment_step){
        .kind = kind,
        .set = set->set,
        .from = set->from,
        .to = kind == DEPLOYMENT_DELETE_SET ? set->from : set->set->spec->replicas,
    };
}

static void collect_set(struct deployment_plan *plan, const struct api_kind *kind,
                        const struct rollout_set *set)
{
    if (set->seen == NULL) {
        add_step(plan, DEPLOYMENT_CREATE_SET, set);
    } else if (set->remove) {
        add_step(plan, DEPLOYMENT_DELETE_SET, set);
    } else if (!api_message_equal(kind->message, set->set, set->seen)) {
        add_step(plan, DEPLOYMENT_UPDATE_SET, set);
    }
}

static struct deployment_plan collect(struct rollout *rollout)
{
    const struct api_kind *set_kind = api_kind_find("apps", "v1", "replicasets");
    const struct api_kind *kind = api_kind_find("apps", "v1", "deployments");
    struct deployment_plan plan = {.deployment = rollout->deployment,
                                   .again_after_s = rollout->again_after_s};
    plan.steps = arena_array(rollout->arena, rollout->old_count + 1, sizeof(*plan.steps));
    if (rollout->fresh != NULL) {
        collect_set(&plan, set_kind, rollout->fresh);
    }
    for (size_t i = 0; i < rollout->old_count; i++) {
        collect_set(&plan, set_kind, rollout->olds[i]);
    }
    plan.changed = !api_message_equal(kind->message, rollout->deployment, rollout->seen);
    return plan;
}

struct deployment_plan deployment_plan(struct arena *arena, const struct deployment_view *view)
{
    const struct api_kind *kind = api_kind_find("apps", "v1", "deployments");
    assert(kind != NULL);
    struct rollout rollout = {.arena = arena, .seen = view->deployment, .now_s = view->now_s};
    rollout.deployment = api_message_copy(arena, kind->message, view->deployment);
    rollout_find_sets(&rollout, view);
    if (!api_time_is_zero(view->deployment->metadata->deletion_timestamp)) {
        rollout_status(&rollout, /* progress= */ false);
        return collect(&rollout);
    }
    rollout_check_paused(&rollout);
    if (rollout.deployment->spec->paused || scaled_by_user(&rollout)) {
        rollout_sync_new_set(&rollout, /* make= */ false);
        plan_scale(&rollout);
        if (rollout.deployment->spec->paused) {
            forget_old(&rollout);
        }
        rollout_status(&rollout, /* progress= */ false);
        return collect(&rollout);
    }
    if (deployment_rolling(rollout.deployment)) {
        plan_rolling(&rollout);
    } else {
        plan_recreate(&rollout);
    }
    rollout_status(&rollout, /* progress= */ true);
    if (rollout_complete(&rollout, rollout.deployment->status)) {
        forget_old(&rollout);
    }
    return collect(&rollout);
}
