/* Inside of the authorizer: what its parts share. */
#ifndef APISERVER_AUTHORIZER_INTERNAL_H
#define APISERVER_AUTHORIZER_INTERNAL_H
#include "apiserver/authorizer.h"
#include "apiserver/cache_follower.h"
#include "apiserver/node_graph.h"
#include "apiserver/rbac.h"
#include <pthread.h>

enum { AUTHORIZER_KINDS = 5 };

struct authorizer {
    struct authorizer_chains *chains; /* NULL: Node and RBAC. */
    struct watch_cache *cache;
    struct watch_hub *hub;
    struct cache_follower followers[AUTHORIZER_KINDS];
    uint64_t seed;
    pthread_rwlock_t rbac_lock, graph_lock; /* Written by the followers, read by questions. */
    struct rbac *rbac;
    struct node_graph *graph;
    uint64_t graph_revision;      /* Pods up to it are in the graph. */
    struct arena *arena;          /* Of the node rules. */
    struct rbac_rules node_rules; /* What the role system:node allows. */
};

/* The Node authorizer's opinion of one who is a node; no opinion is false, with *ret_reason. */
bool authorize_node(struct authorizer *authorizer, struct arena *arena, const char *node,
                    const struct access *access, const char **ret_reason);
#endif
