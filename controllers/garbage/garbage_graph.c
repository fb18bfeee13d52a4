#include "controllers/garbage/garbage_graph.h"

#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct garbage_graph {
    struct hash_map *nodes; /* uid -> garbage_node */
};

struct garbage_graph *garbage_graph_new(void)
{
    struct garbage_graph *graph = alloc_zeroed(sizeof(*graph));
    graph->nodes = hash_map_new(/* seed= */ 0x67617262);
    return graph;
}

static void node_free(struct garbage_node *node)
{
    client_object_unref(node->object);
    free(node->owners);
    free(node->uid);
    free(node);
}

void garbage_graph_free(struct garbage_graph *graph)
{
    if (graph == NULL) {
        return;
    }
    void *node;
    for (size_t at = 0; hash_map_next(graph->nodes, &at, NULL, &node);) {
        node_free(node);
    }
    hash_map_free(graph->nodes);
    free(graph);
}

struct garbage_node *garbage_graph_find(const struct garbage_graph *graph, const char *uid)
{
    return hash_map_get(graph->nodes, slice_text(uid));
}

static struct garbage_node *node_made(struct garbage_graph *graph, const char *uid)
{
    struct garbage_node *node = garbage_graph_find(graph, uid);
    if (node == NULL) {
        node = alloc_zeroed(sizeof(*node));
        node->uid = alloc_text(uid);
        list_init(&node->dependents);
        hash_map_set(graph->nodes, slice_text(uid), node);
    }
    return node;
}

static void drop_if_unused(struct garbage_graph *graph, struct garbage_node *node)
{
    if (node->object == NULL && list_empty(&node->dependents)) {
        assert(node->owner_count == 0);
        hash_map_remove(graph->nodes, slice_text(node->uid));
        node_free(node);
    }
}

static void drop_edges(struct garbage_graph *graph, struct garbage_node *node)
{
    struct garbage_edge *edges = node->owners;
    size_t count = node->owner_count;
    node->owners = NULL;
    node->owner_count = 0;
    for (size_t i = 0; i < count; i++) {
        list_remove(&edges[i].of_owner);
        if (edges[i].owner != node) {
            drop_if_unused(graph, edges[i].owner);
        }
    }
    free(edges);
}

struct garbage_node *garbage_graph_put(struct garbage_graph *graph,
                                       const struct client_object *object)
{
    struct garbage_node *node = node_made(graph, client_object_uid(object));
    const Meta__V1__ObjectMeta *meta = object->meta;
    const struct client_object *old = node->object;
    node->object = client_object_ref(object);
    node->gone = false;
    client_object_unref(old);
    drop_edges(graph, node);
    node->owners = alloc_array(meta->n_owner_references + 1, sizeof(*node->owners));
    for (size_t i = 0; i < meta->n_owner_references; i++) {
        const Meta__V1__OwnerReference *reference = meta->owner_references[i];
        struct garbage_edge *edge = &node->owners[i];
        edge->owner = node_made(graph, reference->uid == NULL ? "" : reference->uid);
        edge->dependent = node;
        edge->blocks = reference->has_block_owner_deletion && reference->block_owner_deletion;
        list_init(&edge->of_owner);
        list_push_back(&edge->owner->dependents, &edge->of_owner);
        node->owner_count++;
    }
    return node;
}

void garbage_graph_remove(struct garbage_graph *graph, const struct client_object *object,
                          bool deleted)
{
    struct garbage_node *node = garbage_graph_find(graph, client_object_uid(object));
    if (node == NULL) {
        return;
    }
    const struct client_object *old = node->object;
    drop_edges(graph, node);
    node->object = NULL;
    node->gone = deleted;
    client_object_unref(old);
    drop_if_unused(graph, node);
}

bool garbage_deleting(const struct garbage_node *node)
{
    return node->object != NULL && !api_time_is_zero(node->object->meta->deletion_timestamp);
}

bool garbage_foreground(const struct garbage_node *node)
{
    return garbage_deleting(node) &&
           api_meta_has_finalizer(node->object->meta, "foregroundDeletion");
}

bool garbage_orphaning(const struct garbage_node *node)
{
    return garbage_deleting(node) && api_meta_has_finalizer(node->object->meta, "orphan");
}
