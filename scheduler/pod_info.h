/* What scheduling needs of a pod, computed once from its message: requests, host ports, owner.
 * Pure. The message is borrowed; whoever holds a pod_info holds the object too. */
#ifndef SCHEDULER_POD_INFO_H
#define SCHEDULER_POD_INFO_H
#include "k8s/core_v1.pb-c.h"
#include "lib/base/compiler.h"
#include "scheduler/limits.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct extended_amount {
    const char *name; /* Borrowed from the message. */
    int64_t amount;
};

struct resources {
    int64_t cpu_milli;
    int64_t memory;
    int64_t ephemeral;
    struct extended_amount extended[SCHEDULER_EXTENDED_MAX];
    size_t extended_count;
    bool overflow; /* More kinds than fit. */
};

struct host_port {
    const char *ip; /* "0.0.0.0" for all. */
    const char *protocol;
    int32_t port;
};

struct pod_info {
    const Core__V1__Pod *pod;
    struct resources requests;
    int64_t scoring_cpu_milli; /* With 100m for what asks for nothing. */
    int64_t scoring_memory;    /* With 200Mi. */
    const char *owner_uid;     /* Controller; NULL for none. */
    struct host_port *ports;   /* Owned. */
    size_t port_count;
};

void pod_info_init(struct pod_info *info, const Core__V1__Pod *pod);
void pod_info_release(struct pod_info *info);
/* The amount of `name` among extended ones; 0 when absent. */
int64_t resources_extended(const struct resources *resources, const char *name);
bool host_ports_conflict(const struct host_port *a, const struct host_port *b);
#endif
