/* What the pod worker needs to know of a pod's spec, and nothing else: names, order, policies,
 * probes. Made from a Pod by pod_plan_from() (pod_plan.c), written by hand in tests. No I/O. */
#ifndef AGENT_POD_PLAN_H
#define AGENT_POD_PLAN_H
#include "lib/base/arena.h"
#include <stdbool.h>
#include <stdint.h>

enum container_kind {
    CONTAINER_INIT,    /* Runs to its end before the next one starts. */
    CONTAINER_SIDECAR, /* An init container with restartPolicy Always: only has to have started. */
    CONTAINER_MAIN,
};

enum restart_policy { RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_NEVER };
enum pull_policy { PULL_IF_NOT_PRESENT, PULL_ALWAYS, PULL_NEVER };
enum probe_kind { PROBE_STARTUP, PROBE_LIVENESS, PROBE_READINESS, PROBE_KINDS };

struct probe_plan {
    bool present;
    uint32_t initial_delay_ms;
    uint32_t period_ms;
    uint32_t timeout_ms;
    uint32_t success_threshold;
    uint32_t failure_threshold;
    int64_t grace_seconds; /* -1: the pod's. */
};

struct container_plan {
    const char *name;
    const char *image;
    enum container_kind kind;
    enum pull_policy pull_policy;
    struct probe_plan probes[PROBE_KINDS];
    bool post_start;
    bool pre_stop;
    uint64_t hash; /* Of the parts of the spec whose change restarts the container. */
};

struct pod_plan {
    const char *uid;
    const char *namespace_name;
    const char *name;
    enum restart_policy restart_policy;
    int64_t grace_seconds;
    int64_t active_deadline_seconds; /* -1: none. */
    size_t container_count; /* Init containers and sidecars in their order, then the rest. */
    struct container_plan *containers;
};

struct Core__V1__Pod;
/* Builds the plan in `arena`; the pod's strings are copied. Returns 0, or -EINVAL when the pod has
 * no metadata, no UID or more containers than AGENT_CONTAINERS_PER_POD_MAX. */
MUST_USE int pod_plan_from(struct arena *arena, const struct Core__V1__Pod *pod,
                           struct pod_plan **ret_plan);
#endif
