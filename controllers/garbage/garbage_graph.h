/* The graph of owner references: who owns whom, by uid, with owners that are only known from
 * references as places to be filled. Pure; objects are kept by reference. */
#ifndef CONTROLLERS_GARBAGE_GARBAGE_GRAPH_H
#define CONTROLLERS_GARBAGE_GARBAGE_GRAPH_H
#include "lib/base/arena.h"
#include "lib/base/list.h"
#include "lib/client/object.h"

struct garbage_graph;
struct garbage_node;

/* From a dependent to one of its owners. */
struct garbage_edge {
    struct list of_owner; /* In the owner's dependents. */
    struct garbage_node *owner;
    struct garbage_node *dependent;
    bool blocks; /* blockOwnerDeletion */
};

struct garbage_node {
    char *uid;
    const struct client_object *object; /* NULL: known from references only. */
    bool gone;                          /* It was deleted. A uid never comes back. */
    struct list dependents;             /* of_owner of the edges to it. */
    struct garbage_edge *owners;        /* Edges from it, owned. */
    size_t owner_count;
};

MUST_USE struct garbage_graph *garbage_graph_new(void);
void garbage_graph_free(struct garbage_graph *graph); /* NULL is a no-op. */
struct garbage_node *garbage_graph_find(const struct garbage_graph *graph, const char *uid);
/* The object as it is now. */
struct garbage_node *garbage_graph_put(struct garbage_graph *graph,
                                       const struct client_object *object);
/* It is no longer known, because it was deleted or for another reason; its dependents keep it as a
 * place. */
void garbage_graph_remove(struct garbage_graph *graph, const struct client_object *object,
                          bool deleted);

bool garbage_deleting(const struct garbage_node *node);
/* Being deleted, and waiting for dependents (finalizer foregroundDeletion). */
bool garbage_foreground(const struct garbage_node *node);
/* Being deleted, and its dependents are to be set free (finalizer orphan). */
bool garbage_orphaning(const struct garbage_node *node);
#endif
