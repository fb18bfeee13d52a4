/* What a deployment needs next: replica sets to make, resize, adopt or forget, and its status.
 * Pure: caches and time in, a struct out. Each plan is safe to carry out in part: the next one,
 * made from what is seen then, goes on from there. */
#ifndef CONTROLLERS_DEPLOYMENT_DEPLOYMENT_PLAN_H
#define CONTROLLERS_DEPLOYMENT_DEPLOYMENT_PLAN_H
#include "k8s/apps_v1.pb-c.h"
#include "lib/base/arena.h"
#include "lib/base/buffer.h"

struct deployment_view {
    const Apps__V1__Deployment *deployment;
    const Apps__V1__ReplicaSet *const *sets; /* Controlled by the deployment. */
    size_t set_count;
    /* For each set, how many of its pods have not ended (Recreate waits for those). */
    const size_t *running_pods;
    int64_t now_s;
};

enum deployment_step_kind {
    DEPLOYMENT_CREATE_SET,
    DEPLOYMENT_UPDATE_SET,
    DEPLOYMENT_DELETE_SET,
};

struct deployment_step {
    enum deployment_step_kind kind;
    Apps__V1__ReplicaSet *set; /* As it shall be. */
    int32_t from, to;          /* Sizes; an Event when they differ. */
};

struct deployment_plan {
    struct deployment_step *steps; /* In this order; the first failure ends the round. */
    size_t step_count;
    Apps__V1__Deployment *deployment; /* With its new status and revision annotation. */
    bool changed;                     /* `deployment` differs: update its status. */
    uint64_t again_after_s;           /* 0 for never. */
};

struct deployment_plan deployment_plan(struct arena *arena, const struct deployment_view *view);
#endif
