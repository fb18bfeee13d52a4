/* Which pods are on which node, and what they refer to: the question of the Node authorizer. Pure:
 * no lock, no I/O; one thread changes it while no other reads. Copies what it needs of a pod: some
 * hundred bytes. */
#ifndef APISERVER_NODE_GRAPH_H
#define APISERVER_NODE_GRAPH_H
#include "k8s/core_v1.pb-c.h"
#include "lib/base/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct node_graph;

MUST_USE struct node_graph *node_graph_new(uint64_t seed); /* Of the hashing. */
void node_graph_free(struct node_graph *graph);            /* NULL is a no-op. */

/* A pod on a node that has appeared or changed. A mirror pod refers to nothing here: its node made
 * it, and could else give itself what it names. */
void node_graph_set_pod(struct node_graph *graph, const Core__V1__Pod *pod);
/* One that is gone, or on no node; it may be unknown. */
void node_graph_remove_pod(struct node_graph *graph, const char *namespace, const char *name);

/* Whether a pod of the node refers to that object, as pod_spec_refers() has it. */
bool node_graph_refers(const struct node_graph *graph, const char *node, const char *resource,
                       const char *namespace, const char *name);
#endif
