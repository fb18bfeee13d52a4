/* Filters: may this pod run on this node, and if not, why, in the words of kube-scheduler v1.32.
 * Pure. */
#ifndef SCHEDULER_FILTERS_H
#define SCHEDULER_FILTERS_H
#include "lib/base/arena.h"
#include "scheduler/snapshot.h"

/* What refused a pod: decides which changes may help it. */
enum filter {
    FILTER_UNSCHEDULABLE = 1 << 0,
    FILTER_TAINT = 1 << 2,
    FILTER_AFFINITY = 1 << 3,
    FILTER_PORTS = 1 << 4,
    FILTER_RESOURCES = 1 << 5,
};

enum { FILTER_REASONS_MAX = 4 + SCHEDULER_EXTENDED_MAX };

struct filter_verdict {
    enum filter filter;                      /* Of the refusal. */
    const char *reasons[FILTER_REASONS_MAX]; /* In the arena, or constant. */
    size_t reason_count;                     /* 0: the pod fits. */
    bool unresolvable;                       /* Removing other pods would not help. */
};

/* The first filter that refuses ends it, as in kube-scheduler. */
struct filter_verdict filter_node(struct arena *arena, const struct pod_info *pod,
                                  const struct snapshot_node *node);

bool toleration_tolerates(const Core__V1__Toleration *toleration, const Core__V1__Taint *taint);
bool taint_tolerated(const Core__V1__Taint *taint, Core__V1__Toleration *const *tolerations,
                     size_t count);
bool node_matches_term(const Core__V1__Node *node, const Core__V1__NodeSelectorTerm *term);
#endif
