/* Which pods are on which node, and what they refer to: the question of the Node authorizer. Pure:
 * no lock, no I/O; one thread changes it while no other reads. A pod's spec is borrowed from the
 * object that `owner` stands for, until the same call gives that owner back. */
#ifndef APISERVER_NODE_GRAPH_H
#define APISERVER_NODE_GRAPH_H
#include "k8s/core_v1.pb-c.h"
#include "lib/base/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct node_graph;

MUST_USE struct node_graph *node_graph_new(uint64_t seed); /* Of the hashing. */
/* `release` (may be NULL) gets every owner that is still there. NULL is a no-op. */
void node_graph_free(struct node_graph *graph, void (*release)(const void *owner));

/* A pod on a node that has appeared or changed. The owner of what it replaces, or NULL. */
const void *node_graph_set_pod(struct node_graph *graph, const Core__V1__Pod *pod,
                               const void *owner);
const void *node_graph_remove_pod(struct node_graph *graph, const char *namespace,
                                  const char *name);

/* Whether a pod of the node refers to that object, as pod_spec_refers() has it. */
bool node_graph_refers(const struct node_graph *graph, const char *node, const char *resource,
                       const char *namespace, const char *name);
/* Every claim of a pod of the node, until `each` returns false. */
void node_graph_each_claim(const struct node_graph *graph, const char *node,
                           bool (*each)(void *data, const char *namespace, const char *claim),
                           void *data);
#endif
