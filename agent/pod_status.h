/* The PodStatus that a worker's state amounts to, worded as the kubelet's. Pure. */
#ifndef AGENT_POD_STATUS_H
#define AGENT_POD_STATUS_H
#include "agent/pod_worker.h"
#include "k8s/core_v1.pb-c.h"

struct pod_status_context {
    const Core__V1__Pod *pod;
    const char *host_ip;
    int64_t wall_ns;
    /* The status reported before (or that of the API object): keeps transition times and the
     * conditions that others set. May be NULL. */
    const Core__V1__PodStatus *before;
};

/* Built in `arena`; texts of the worker are copied. */
Core__V1__PodStatus *pod_status_build(struct arena *arena, const struct pod_worker *worker,
                                      const struct pod_status_context *context);
/* The other way round, for a pod that ended under an agent before this one: the worker is as its
 * reported status says, and terminated. */
void pod_status_adopt(struct pod_worker *worker, const Core__V1__PodStatus *status);
#endif
