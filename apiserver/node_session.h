/* Node sessions: one gRPC stream a node (coracle.node.v1.NodeService). Heartbeats stay in memory at
 * the leader (architecture, decision 5); what nodes report is written through the registry. The
 * service runs on io loops; node_liveness on the store loop unless said. */
#ifndef APISERVER_NODE_SESSION_H
#define APISERVER_NODE_SESSION_H
#include "lib/base/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct env;
struct storage;
struct node_liveness;

/* What is known about one node's heartbeats. */
struct node_seen {
    bool known;          /* A heartbeat came since this member began to lead. */
    uint64_t since_ms;   /* Since the last one; since leadership began when none came. */
    int64_t last_wall_s; /* Unix time of the last heartbeat, 0 when unknown. */
};

/* Heartbeats renew a lease of the store (in the leader's memory, no log entry); a key bound to it
 * goes by a committed entry when the lease expires, which every member sees. Store loop. */
MUST_USE struct node_liveness *node_liveness_new(struct env *env, struct storage *storage);
/* The store may still owe it answers. */
void node_liveness_free(struct node_liveness *liveness);
/* This member began or ceased to lead. Every node gets a full grace period from a new leader. */
void node_liveness_set_leader(struct node_liveness *liveness, bool leader);
/* For the node lifecycle controller; meaningful on the leader. Any thread. */
struct node_seen node_liveness_seen(struct node_liveness *liveness, const char *node_name);
/* A heartbeat of a node whose session is on this member. Store loop. `ttl_s` is what its lease gets
 * when it has none. */
void node_liveness_beat(struct node_liveness *liveness, const char *node_name, int64_t ttl_s);
#endif
