#include "apiserver/node_graph.h"

#include "apiserver/pod_references.h"
#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include "lib/base/list.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct pod {
    struct list node_link;
    const void *owner;
    const Core__V1__Pod *message;
};

struct node {
    char *name;
    struct list pods;
};

struct node_graph {
    struct hash_map *pods;  /* By "namespace/name". */
    struct hash_map *nodes; /* By name; those with pods. */
};

static bool is(const char *text, const char *value)
{
    return text != NULL && strcmp(text, value) == 0;
}

struct node_graph *node_graph_new(uint64_t seed)
{
    struct node_graph *graph = alloc_zeroed(sizeof(*graph));
    graph->pods = hash_map_new(seed);
    graph->nodes = hash_map_new(seed);
    return graph;
}

static const char *node_of(const Core__V1__Pod *pod)
{
    return pod->spec->node_name == NULL ? "" : pod->spec->node_name;
}

static const void *drop(struct node_graph *graph, struct pod *pod)
{
    if (pod == NULL) {
        return NULL;
    }
    const void *owner = pod->owner;
    struct node *node = hash_map_get(graph->nodes, slice_text(node_of(pod->message)));
    list_remove(&pod->node_link);
    if (list_empty(&node->pods)) {
        (void)hash_map_remove(graph->nodes, slice_text(node->name));
        free(node->name);
        free(node);
    }
    free(pod);
    return owner;
}

void node_graph_free(struct node_graph *graph, void (*release)(const void *owner))
{
    struct slice key;
    void *value = NULL;
    if (graph == NULL) {
        return;
    }
    for (size_t at = 0; hash_map_next(graph->pods, &at, &key, &value);) {
        const void *owner = drop(graph, value);
        if (release != NULL) {
            release(owner);
        }
    }
    hash_map_free(graph->pods);
    hash_map_free(graph->nodes);
    free(graph);
}

static struct node *node_for(struct node_graph *graph, const char *name)
{
    struct node *node = hash_map_get(graph->nodes, slice_text(name));
    if (node == NULL) {
        node = alloc_zeroed(sizeof(*node));
        node->name = alloc_text(name);
        list_init(&node->pods);
        (void)hash_map_set(graph->nodes, slice_text(name), node);
    }
    return node;
}

const void *node_graph_remove_pod(struct node_graph *graph, const char *namespace, const char *name)
{
    CLEANUP(alloc_freep) char *key = alloc_printf("%s/%s", namespace, name);
    return drop(graph, hash_map_remove(graph->pods, slice_text(key)));
}

const void *node_graph_set_pod(struct node_graph *graph, const Core__V1__Pod *pod,
                               const void *owner)
{
    const Meta__V1__ObjectMeta *meta = pod->metadata;
    const void *before = node_graph_remove_pod(graph, meta->namespace_, meta->name);
    assert(node_of(pod)[0] != 0);
    struct pod *entry = alloc_zeroed(sizeof(*entry));
    *entry = (struct pod){.owner = owner, .message = pod};
    list_init(&entry->node_link);
    list_push_back(&node_for(graph, node_of(pod))->pods, &entry->node_link);
    CLEANUP(alloc_freep) char *key = alloc_printf("%s/%s", meta->namespace_, meta->name);
    (void)hash_map_set(graph->pods, slice_text(key), entry);
    return before;
}

bool node_graph_refers(const struct node_graph *graph, const char *node, const char *resource,
                       const char *namespace, const char *name)
{
    const struct node *place = hash_map_get(graph->nodes, slice_text(node));
    if (place == NULL) {
        return false;
    }
    LIST_FOREACH(at, next, &place->pods)
    {
        const Core__V1__Pod *pod = LIST_ENTRY(at, struct pod, node_link)->message;
        if (is(pod->metadata->namespace_, namespace) &&
            pod_spec_refers(pod->spec, resource, name)) {
            return true;
        }
    }
    return false;
}

static bool each_claim_of(const Core__V1__Pod *pod,
                          bool (*each)(void *data, const char *namespace, const char *claim),
                          void *data)
{
    for (size_t i = 0; i < pod->spec->n_volumes; i++) {
        const Core__V1__VolumeSource *source = pod->spec->volumes[i]->volume_source;
        if (source != NULL && source->persistent_volume_claim != NULL &&
            source->persistent_volume_claim->claim_name != NULL &&
            !each(data, pod->metadata->namespace_, source->persistent_volume_claim->claim_name)) {
            return false;
        }
    }
    return true;
}

void node_graph_each_claim(const struct node_graph *graph, const char *node,
                           bool (*each)(void *data, const char *namespace, const char *claim),
                           void *data)
{
    const struct node *place = hash_map_get(graph->nodes, slice_text(node));
    if (place == NULL) {
        return;
    }
    LIST_FOREACH(at, next, &place->pods)
    {
        if (!each_claim_of(LIST_ENTRY(at, struct pod, node_link)->message, each, data)) {
            return;
        }
    }
}
