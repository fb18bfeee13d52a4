/* The working state of one deployment_plan(): copies of the sets that steps change. Internal to
 * controllers/deployment. Pure. */
#ifndef CONTROLLERS_DEPLOYMENT_DEPLOYMENT_STATE_H
#define CONTROLLERS_DEPLOYMENT_DEPLOYMENT_STATE_H
#include "controllers/deployment/deployment_plan.h"

struct rollout_set {
    Apps__V1__ReplicaSet *set;        /* A copy that may change. */
    const Apps__V1__ReplicaSet *seen; /* NULL for one that is to be made. */
    int32_t from;
    bool remove;
    size_t running_pods;
};

struct rollout {
    struct arena *arena;
    const Apps__V1__Deployment *seen;
    Apps__V1__Deployment *deployment; /* A copy that may change. */
    struct rollout_set **olds;        /* Oldest first. */
    size_t old_count;
    struct rollout_set *fresh; /* The set of the present template, or NULL. */
    int64_t now_s;
    uint64_t again_after_s;
};

int32_t rollout_replicas(const struct rollout *rollout); /* spec.replicas of all sets. */
/* status.availableReplicas, but of no set more than it is to keep. */
int32_t rollout_available(const struct rollout *rollout);
/* Sets size and the desired/max annotations. */
void rollout_scale(struct rollout *rollout, struct rollout_set *set, int32_t replicas);

/* deployment_sets.c: finds the new set, keeps its annotations and revision; makes it when `make`.
 */
void rollout_find_sets(struct rollout *rollout, const struct deployment_view *view);
void rollout_sync_new_set(struct rollout *rollout, bool make);
int64_t rollout_revision(const Apps__V1__ReplicaSet *set); /* 0 when it has none. */
int32_t rollout_annotated(const Apps__V1__ReplicaSet *set, const char *key, int32_t missing);

/* deployment_status.c */
void rollout_check_paused(struct rollout *rollout);
void rollout_status(struct rollout *rollout, bool progress);
void rollout_condition(struct rollout *rollout, const char *type, const char *status,
                       const char *reason, const char *message);
bool rollout_has_deadline(const struct rollout *rollout);
bool rollout_complete(const struct rollout *rollout, const Apps__V1__DeploymentStatus *status);
const Apps__V1__DeploymentCondition *
rollout_find_condition(const Apps__V1__DeploymentStatus *status, const char *type);
#endif
