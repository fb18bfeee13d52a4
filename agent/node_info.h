/* The Node object of this node: what the machine has, what the runtime says, whether it is ready.
 */
#ifndef AGENT_NODE_INFO_H
#define AGENT_NODE_INFO_H
#include "k8s/core_v1.pb-c.h"
#include "lib/base/arena.h"
#include <stdbool.h>

struct node_facts {
    const char *name;
    const char *ip;
    uint16_t port;
    uint32_t max_pods;
    int64_t cpu_milli;
    int64_t memory_bytes;
    int64_t disk_bytes;
    const char *runtime_version; /* "containerd://1.6.20"; "" while unknown. */
    bool ready;
    const char *why_not;   /* When not ready. */
    int64_t ready_since_s; /* Unix time of the last change. */
    int64_t started_s;
    const char *const *labels; /* "key=value" */
    size_t label_count;
    Core__V1__ContainerImage **images; /* Borrowed into the result. */
    size_t image_count;
};

/* Reads cores, memory and disk of this machine. */
void node_facts_measure(struct node_facts *facts, const char *data_dir);
/* Built in `arena`. Reads /etc and /proc for names and versions. */
Core__V1__Node *node_build(struct arena *arena, const struct node_facts *facts);
#endif
