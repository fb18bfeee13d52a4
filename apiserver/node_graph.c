#include "apiserver/node_graph.h"

#include "lib/api/pod_references.h"
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/base/hash_map.h"
#include "lib/base/list.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Above what a stored pod can tell: a dozen bytes of a volume may name a claim by 260. */
enum { REFERENCES_BYTES_MAX = 128 * 1024 * 1024 };

struct pod {
    struct list node_link;
    struct node *node;
    /* The namespace; then a byte of enum pod_reference + 1 and a name for each reference; all end
     * with a NUL, and one more NUL ends the whole. */
    char texts[];
};

struct node {
    char *name;
    struct list pods;
};

struct node_graph {
    struct hash_map *pods;  /* By "namespace/name". */
    struct hash_map *nodes; /* By name; those with pods. */
};

struct node_graph *node_graph_new(uint64_t seed)
{
    struct node_graph *graph = alloc_zeroed(sizeof(*graph));
    graph->pods = hash_map_new(seed);
    graph->nodes = hash_map_new(seed);
    return graph;
}

static void drop(struct node_graph *graph, struct pod *pod)
{
    if (pod == NULL) {
        return;
    }
    struct node *node = pod->node;
    list_remove(&pod->node_link);
    if (list_empty(&node->pods)) {
        (void)hash_map_remove(graph->nodes, slice_text(node->name));
        free(node->name);
        free(node);
    }
    free(pod);
}

void node_graph_free(struct node_graph *graph)
{
    struct slice key;
    void *value = NULL;
    if (graph == NULL) {
        return;
    }
    for (size_t at = 0; hash_map_next(graph->pods, &at, &key, &value);) {
        drop(graph, value);
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

void node_graph_remove_pod(struct node_graph *graph, const char *namespace, const char *name)
{
    CLEANUP(alloc_freep) char *key = alloc_printf("%s/%s", namespace, name);
    drop(graph, hash_map_remove(graph->pods, slice_text(key)));
}

static bool append_reference(void *data, enum pod_reference kind, const char *name)
{
    struct buffer *texts = data;
    buffer_append_byte(texts, (uint8_t)(kind + 1));
    buffer_append(texts, name, strlen(name) + 1);
    return true;
}

static struct pod *pod_new(const Core__V1__Pod *message)
{
    CLEANUP(buffer_release) struct buffer texts;
    buffer_init(&texts, REFERENCES_BYTES_MAX);
    buffer_append(&texts, message->metadata->namespace_, strlen(message->metadata->namespace_) + 1);
    pod_each_reference(message, append_reference, &texts);
    buffer_append_byte(&texts, 0);
    assert(buffer_error(&texts) == 0);
    struct pod *pod = alloc_bytes(sizeof(*pod) + texts.len);
    memcpy(pod->texts, texts.data, texts.len);
    list_init(&pod->node_link);
    return pod;
}

void node_graph_set_pod(struct node_graph *graph, const Core__V1__Pod *message)
{
    const Meta__V1__ObjectMeta *meta = message->metadata;
    assert(message->spec->node_name != NULL && message->spec->node_name[0] != 0);
    if (pod_is_mirror(message)) {
        node_graph_remove_pod(graph, meta->namespace_, meta->name);
        return;
    }
    struct pod *pod = pod_new(message);
    CLEANUP(alloc_freep) char *key = alloc_printf("%s/%s", meta->namespace_, meta->name);
    drop(graph, hash_map_remove(graph->pods, slice_text(key)));
    pod->node = node_for(graph, message->spec->node_name);
    list_push_back(&pod->node->pods, &pod->node_link);
    (void)hash_map_set(graph->pods, slice_text(key), pod);
}

static bool refers(const struct pod *pod, enum pod_reference kind, const char *name)
{
    for (const char *at = pod->texts + strlen(pod->texts) + 1; *at != 0; at += strlen(at) + 1) {
        if (*at == (char)(kind + 1) && strcmp(at + 1, name) == 0) {
            return true;
        }
    }
    return false;
}

bool node_graph_refers(const struct node_graph *graph, const char *node, const char *resource,
                       const char *namespace, const char *name)
{
    const struct node *place = hash_map_get(graph->nodes, slice_text(node));
    enum pod_reference kind = pod_reference_of(resource);
    if (place == NULL) {
        return false;
    }
    LIST_FOREACH(at, next, &place->pods)
    {
        const struct pod *pod = LIST_ENTRY(at, struct pod, node_link);
        if (strcmp(pod->texts, namespace) == 0 && refers(pod, kind, name)) {
            return true;
        }
    }
    return false;
}
