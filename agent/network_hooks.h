/* What the agent tells the node's network about: the cluster's addresses, other nodes, services and
 * endpoint slices, in the order in which they arrive, on the agent's loop. Objects are lent for the
 * call. Any member may be NULL. */
#ifndef AGENT_NETWORK_HOOKS_H
#define AGENT_NETWORK_HOOKS_H
#include "lib/base/slice.h"
#include <stdbool.h>

struct network_cluster {
    const char *node_name;
    const char *node_ip;
    const char *cluster_dns;    /* IP address; empty: none. */
    const char *cluster_domain; /* "cluster.local" */
    const char *service_cidr;
    const char *cluster_cidr;
};

struct network_hooks {
    void *data;
    /* After every Welcome, before any object of that session. */
    void (*cluster)(void *data, const struct network_cluster *cluster);
    /* This node's own range; the CNI configuration is written from it. Called again on change. */
    void (*pod_cidr)(void *data, const char *cidr);
    void (*node_upsert)(void *data, const char *name, const char *internal_ip,
                        const char *pod_cidr);
    void (*node_remove)(void *data, const char *name);
    /* `object` is the protobuf message (Core__V1__Service, Discovery__V1__EndpointSlice). */
    void (*service_upsert)(void *data, const void *object);
    void (*service_remove)(void *data, const void *object);
    void (*slice_upsert)(void *data, const void *object);
    void (*slice_remove)(void *data, const void *object);
    /* Nodes, services and slices have all been received: stale rules may go now. */
    void (*synced)(void *data);
    /* Whether pods can be given addresses; while false the node is NotReady with `*ret_why`. */
    bool (*ready)(void *data, const char **ret_why);
};
#endif
