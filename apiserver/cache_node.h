/* One event in the history of a kind: a node of a singly linked list that one thread appends to and
 * any number walk. A reader holds the node it has seen; it needs no lock to find what follows, and
 * what nobody can reach any more is freed. */
#ifndef APISERVER_CACHE_NODE_H
#define APISERVER_CACHE_NODE_H
#include "apiserver/watch_cache.h"
#include <stdatomic.h>

struct cache_node {
    atomic_size_t references; /* One from the node before it. */
    _Atomic(struct cache_node *) next;
    uint64_t sequence;
    uint64_t outdated_bytes;  /* Of what was stored and that events up to this one replaced. */
    struct cache_event event; /* A mark (start, gap) has no object. */
};

/* References the event's objects; NULL makes a mark. */
MUST_USE struct cache_node *cache_node_new(const struct cache_event *event);
struct cache_node *cache_node_ref(struct cache_node *node);
void cache_node_unref(struct cache_node *node); /* Frees every node that only this one held. */
/* Makes `next` (referenced by it) the follower. Once a node; the writer. */
void cache_node_publish(struct cache_node *node, struct cache_node *next);
struct cache_node *cache_node_next(struct cache_node *node); /* A reference, or NULL. */
#endif
