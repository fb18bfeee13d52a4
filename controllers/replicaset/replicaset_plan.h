/* What a replica set needs next: pods to adopt, release, make and delete, and its status. Pure: the
 * caches and the time come in, a struct comes out. */
#ifndef CONTROLLERS_REPLICASET_REPLICASET_PLAN_H
#define CONTROLLERS_REPLICASET_REPLICASET_PLAN_H
#include "k8s/apps_v1.pb-c.h"
#include "lib/api/selector.h"
#include "lib/base/buffer.h"

struct replicaset_view {
    const Apps__V1__ReplicaSet *set;
    const struct api_label_selector *selector;
    const Core__V1__Pod *const *owned; /* Controlled by the set. */
    size_t owned_count;
    const Core__V1__Pod *const *orphans; /* Of the namespace, without a controller. */
    size_t orphan_count;
    /* Pods of sets with the same owner, this one's included: for ranking by node. May be empty. */
    const Core__V1__Pod *const *related;
    size_t related_count;
    bool settled; /* Own writes were all seen (expectations). */
    int64_t now_s;
};

struct replicaset_plan {
    const Core__V1__Pod **adopt;
    size_t adopt_count;
    const Core__V1__Pod **release;
    size_t release_count;
    size_t create;
    const Core__V1__Pod **remove; /* The first are the least wanted. */
    size_t remove_count;
    /* Status as seen now. */
    int32_t replicas, fully_labeled, ready, available;
    int64_t again_after_s; /* Look again then (a pod becomes available); 0 for never. */
};

struct replicaset_plan replicaset_plan(struct arena *arena, const struct replicaset_view *view);
/* That the set, which is stored as a `kind`, owns and controls something. */
Meta__V1__OwnerReference *replicaset_owner(struct arena *arena, const struct api_kind *kind,
                                           const Apps__V1__ReplicaSet *set);
/* The pod of the set's template, owned by the set, which is stored as a `set_kind`. */
Core__V1__Pod *replicaset_pod(struct arena *arena, const struct api_kind *set_kind,
                              const Apps__V1__ReplicaSet *set);
#endif
