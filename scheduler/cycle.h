/* One scheduling cycle: the best node for a pod in a snapshot, or why there is none. Pure; the same
 * inputs give the same node. */
#ifndef SCHEDULER_CYCLE_H
#define SCHEDULER_CYCLE_H
#include "scheduler/filters.h"

struct cycle_result {
    const char *node;    /* NULL when no node fits; borrowed from the snapshot. */
    uint32_t filters;    /* enum filter bits that refused. */
    const char *message; /* Why not, as kube-scheduler words it; in the arena. */
    size_t feasible, evaluated;
};

/* Advances the snapshot's starting point, so that large clusters are searched all round. */
struct cycle_result cycle_run(struct arena *arena, struct snapshot *snapshot,
                              const struct pod_info *pod);

/* Scores of the feasible nodes, highest is best. Internal to the cycle; here for tests. */
void score_nodes(const struct snapshot *snapshot, const struct pod_info *pod,
                 struct snapshot_node *const *nodes, size_t count, int64_t *ret_scores);
#endif
