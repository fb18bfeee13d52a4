/* What is said of a node's health: its taints by its conditions, its conditions when it is silent,
 * and when its pods have to go. Pure. */
#ifndef CONTROLLERS_NODE_NODE_HEALTH_H
#define CONTROLLERS_NODE_NODE_HEALTH_H
#include "k8s/core_v1.pb-c.h"
#include "lib/base/arena.h"
#include <stdbool.h>
#include <stdint.h>

/* The taints that this controller owns; bits of a mask. */
enum node_taint {
    NODE_TAINT_NOT_READY = 1 << 0, /* NoSchedule */
    NODE_TAINT_UNREACHABLE = 1 << 1,
    NODE_TAINT_MEMORY = 1 << 2,
    NODE_TAINT_DISK = 1 << 3,
    NODE_TAINT_PID = 1 << 4,
    NODE_TAINT_NETWORK = 1 << 5,
    NODE_TAINT_UNSCHEDULABLE = 1 << 6,
    NODE_TAINT_NOT_READY_EXECUTE = 1 << 7, /* NoExecute */
    NODE_TAINT_UNREACHABLE_EXECUTE = 1 << 8,
};
#define NODE_TAINTS_EXECUTE                                                                        \
    ((uint32_t)NODE_TAINT_NOT_READY_EXECUTE | (uint32_t)NODE_TAINT_UNREACHABLE_EXECUTE)

uint32_t node_taints_present(const Core__V1__Node *node);
/* By the conditions as they are; NoExecute ones included when the node is not ready. */
uint32_t node_taints_wanted(const Core__V1__Node *node);
/* A copy of the taints with exactly `wanted` of the owned ones. */
void node_set_taints(struct arena *arena, Core__V1__Node *node, uint32_t wanted, int64_t now_s);

bool node_ready(const Core__V1__Node *node);
bool node_reported(const Core__V1__Node *node); /* It has a Ready condition. */
/* Whether the node itself wrote its Ready condition between the two: this controller only ever
 * makes it Unknown. */
bool node_spoke(const Core__V1__Node *before, const Core__V1__Node *after);
/* Whether the conditions of a silent node still have to be marked unknown; does so when `arena` is
 * not NULL. */
bool node_mark_unknown(struct arena *arena, Core__V1__Node *node, int64_t now_s);

#define EVICT_NEVER INT64_MAX
/* When the pod must leave its node because of NoExecute taints (seconds of the wall clock), or
 * EVICT_NEVER. `seen_s` stands for the time of taints that have none, such as those by kubectl. No
 * pod was under a taint before it was made. */
int64_t pod_eviction_time_s(const Core__V1__Pod *pod, const Core__V1__Node *node, int64_t seen_s);
#endif
