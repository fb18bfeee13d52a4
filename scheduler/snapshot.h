/* Snapshot: nodes and what runs or is about to run on them, kept up to date change by change, in
 * arrays that a scheduling cycle walks. Pure. Messages and pod_infos are borrowed: the caller keeps
 * them while they are in. One thread. */
#ifndef SCHEDULER_SNAPSHOT_H
#define SCHEDULER_SNAPSHOT_H
#include "lib/base/hash_map.h"
#include "scheduler/pod_info.h"

struct snapshot_node {
    char *name;
    const Core__V1__Node *node; /* NULL: pods name it, but it is not there (yet, any more). */
    int64_t cpu_milli, memory, ephemeral, pods_max; /* Allocatable. */
    int64_t used_cpu_milli, used_memory, used_ephemeral;
    int64_t scoring_cpu_milli, scoring_memory; /* Used, for scores. */
    const struct pod_info **pods;
    size_t pod_count, pod_capacity;
    struct hash_map *images; /* name -> int64_t size, owned */
    const char *zone;        /* "" when it has none. */
};

struct snapshot {
    struct snapshot_node **nodes; /* Those with a message come first. */
    size_t count;                 /* Nodes with a message. */
    size_t total;                 /* Placeholders included. */
    size_t capacity;
    struct hash_map *by_name;
    struct hash_map *image_nodes; /* image -> size_t: how many nodes have it. */
    size_t next;                  /* Where the next search begins. */
};

void snapshot_init(struct snapshot *snapshot);
void snapshot_release(struct snapshot *snapshot);
void snapshot_set_node(struct snapshot *snapshot, const Core__V1__Node *node);
void snapshot_remove_node(struct snapshot *snapshot, const char *name);
struct snapshot_node *snapshot_node(const struct snapshot *snapshot, const char *name);
/* A pod takes its place on `node` (bound or assumed), and gives it back. */
void snapshot_add_pod(struct snapshot *snapshot, const char *node, const struct pod_info *pod);
void snapshot_remove_pod(struct snapshot *snapshot, const char *node, const struct pod_info *pod);
/* Allocatable amount, and used amount, of an extended resource. */
int64_t snapshot_node_extended(const struct snapshot_node *node, const char *name);
int64_t snapshot_node_used_extended(const struct snapshot_node *node, const char *name);
/* With a tag: "nginx" is "nginx:latest". */
void image_name(const char *image, char *ret_text, size_t size);
#endif
