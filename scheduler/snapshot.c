#include "scheduler/snapshot.h"

#include "lib/api/object.h"
#include "lib/api/quantity.h"
#include "lib/base/alloc.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void snapshot_init(struct snapshot *snapshot)
{
    *snapshot = (struct snapshot){0};
    snapshot->by_name = hash_map_new(/* seed= */ 0x6e6f6465);
    snapshot->image_nodes = hash_map_new(/* seed= */ 0x696d6167);
}

static void drop_images(struct snapshot *snapshot, struct snapshot_node *node)
{
    struct slice image;
    void *size;
    for (size_t at = 0; hash_map_next(node->images, &at, &image, &size);) {
        size_t *nodes = hash_map_get(snapshot->image_nodes, image);
        assert(nodes != NULL && *nodes > 0);
        if (--*nodes == 0) {
            free(hash_map_remove(snapshot->image_nodes, image));
        }
        free(size);
    }
    hash_map_clear(node->images);
}

static void node_free(struct snapshot *snapshot, struct snapshot_node *node)
{
    drop_images(snapshot, node);
    hash_map_free(node->images);
    free(node->pods);
    free(node->name);
    free(node);
}

void snapshot_release(struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->total; i++) {
        node_free(snapshot, snapshot->nodes[i]);
    }
    free(snapshot->nodes);
    hash_map_free(snapshot->by_name);
    hash_map_free(snapshot->image_nodes);
    *snapshot = (struct snapshot){0};
}

struct snapshot_node *snapshot_node(const struct snapshot *snapshot, const char *name)
{
    return hash_map_get(snapshot->by_name, slice_text(name));
}

static struct snapshot_node *node_made(struct snapshot *snapshot, const char *name)
{
    struct snapshot_node *node = snapshot_node(snapshot, name);
    if (node != NULL) {
        return node;
    }
    if (snapshot->total == snapshot->capacity) {
        snapshot->capacity = snapshot->capacity == 0 ? 16 : snapshot->capacity * 2;
        snapshot->nodes = alloc_resize((void *)snapshot->nodes, snapshot->capacity,
                                       sizeof(struct snapshot_node *));
    }
    node = alloc_zeroed(sizeof(*node));
    node->name = alloc_text(name);
    node->images = hash_map_new(/* seed= */ 0x6e696d67);
    node->zone = "";
    snapshot->nodes[snapshot->total++] = node;
    hash_map_set(snapshot->by_name, slice_text(name), node);
    return node;
}

static size_t place_of(const struct snapshot *snapshot, const struct snapshot_node *node)
{
    size_t at = 0;
    while (snapshot->nodes[at] != node) {
        at++;
        assert(at < snapshot->total);
    }
    return at;
}

static void swap_to(struct snapshot *snapshot, const struct snapshot_node *node, size_t place)
{
    size_t at = place_of(snapshot, node);
    struct snapshot_node *other = snapshot->nodes[place];
    snapshot->nodes[place] = snapshot->nodes[at];
    snapshot->nodes[at] = other;
}

void image_name(const char *image, char *ret_text, size_t size)
{
    const char *slash = strrchr(image, '/');
    const char *last = slash == NULL ? image : slash;
    bool tagged = strchr(last, ':') != NULL || strchr(last, '@') != NULL;
    (void)snprintf(ret_text, size, "%s%s", image, tagged ? "" : ":latest");
}

static void take_images(struct snapshot *snapshot, struct snapshot_node *node)
{
    const Core__V1__NodeStatus *status = node->node->status;
    for (size_t i = 0; i < status->n_images; i++) {
        for (size_t j = 0; j < status->images[i]->n_names; j++) {
            struct slice name = slice_text(status->images[i]->names[j]);
            if (hash_map_get(node->images, name) != NULL) {
                continue;
            }
            int64_t *size = alloc_zeroed(sizeof(*size));
            *size = status->images[i]->size_bytes;
            hash_map_set(node->images, name, size);
            size_t *nodes = hash_map_get(snapshot->image_nodes, name);
            if (nodes == NULL) {
                nodes = alloc_zeroed(sizeof(*nodes));
                hash_map_set(snapshot->image_nodes, name, nodes);
            }
            (*nodes)++;
        }
    }
}

static struct quantity allocatable(const struct snapshot_node *node, const char *name)
{
    const Core__V1__NodeStatus *status = node->node->status;
    for (size_t i = 0; i < status->n_allocatable; i++) {
        if (strcmp(status->allocatable[i]->key, name) == 0) {
            return quantity_read(status->allocatable[i]->value);
        }
    }
    return quantity_of(0, QUANTITY_DECIMAL_SI);
}

void snapshot_set_node(struct snapshot *snapshot, const Core__V1__Node *message)
{
    struct snapshot_node *node = node_made(snapshot, message->metadata->name);
    if (node->node == NULL) {
        swap_to(snapshot, node, snapshot->count++);
    }
    node->node = message;
    node->cpu_milli = quantity_milli_value(allocatable(node, "cpu"));
    node->memory = quantity_value(allocatable(node, "memory"));
    node->ephemeral = quantity_value(allocatable(node, "ephemeral-storage"));
    node->pods_max = quantity_value(allocatable(node, "pods"));
    const char *zone = api_meta_label(message->metadata, "topology.kubernetes.io/zone");
    node->zone = zone == NULL ? "" : zone;
    drop_images(snapshot, node);
    take_images(snapshot, node);
}

static void drop_if_empty(struct snapshot *snapshot, struct snapshot_node *node)
{
    if (node->node != NULL || node->pod_count > 0) {
        return;
    }
    swap_to(snapshot, node, snapshot->total - 1);
    snapshot->total--;
    hash_map_remove(snapshot->by_name, slice_text(node->name));
    node_free(snapshot, node);
}

void snapshot_remove_node(struct snapshot *snapshot, const char *name)
{
    struct snapshot_node *node = snapshot_node(snapshot, name);
    if (node == NULL || node->node == NULL) {
        return;
    }
    swap_to(snapshot, node, --snapshot->count);
    drop_images(snapshot, node);
    node->node = NULL;
    node->zone = "";
    drop_if_empty(snapshot, node);
}

static void account(struct snapshot_node *node, const struct pod_info *pod, int64_t sign)
{
    node->used_cpu_milli += sign * pod->requests.cpu_milli;
    node->used_memory += sign * pod->requests.memory;
    node->used_ephemeral += sign * pod->requests.ephemeral;
    node->scoring_cpu_milli += sign * pod->scoring_cpu_milli;
    node->scoring_memory += sign * pod->scoring_memory;
}

void snapshot_add_pod(struct snapshot *snapshot, const char *name, const struct pod_info *pod)
{
    struct snapshot_node *node = node_made(snapshot, name);
    if (node->pod_count == node->pod_capacity) {
        node->pod_capacity = node->pod_capacity == 0 ? 16 : node->pod_capacity * 2;
        node->pods =
            alloc_resize((void *)node->pods, node->pod_capacity, sizeof(const struct pod_info *));
    }
    node->pods[node->pod_count++] = pod;
    account(node, pod, 1);
}

void snapshot_remove_pod(struct snapshot *snapshot, const char *name, const struct pod_info *pod)
{
    struct snapshot_node *node = snapshot_node(snapshot, name);
    assert(node != NULL);
    size_t at = 0;
    while (node->pods[at] != pod) {
        at++;
        assert(at < node->pod_count);
    }
    node->pods[at] = node->pods[--node->pod_count];
    account(node, pod, -1);
    drop_if_empty(snapshot, node);
}

int64_t snapshot_node_extended(const struct snapshot_node *node, const char *name)
{
    return quantity_value(allocatable(node, name));
}

int64_t snapshot_node_used_extended(const struct snapshot_node *node, const char *name)
{
    int64_t used = 0;
    for (size_t i = 0; i < node->pod_count; i++) {
        used += resources_extended(&node->pods[i]->requests, name);
    }
    return used;
}
