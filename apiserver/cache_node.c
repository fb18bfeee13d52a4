#include "apiserver/cache_node.h"

#include "lib/base/alloc.h"
#include <stdlib.h>

struct cache_node *cache_node_new(const struct cache_event *event)
{
    struct cache_node *node = alloc_zeroed(sizeof(*node));
    atomic_init(&node->references, 1);
    if (event != NULL) {
        node->event = *event;
        if (event->object != NULL) {
            (void)cached_object_ref(event->object);
        }
        if (event->previous != NULL) {
            (void)cached_object_ref(event->previous);
        }
    }
    return node;
}

struct cache_node *cache_node_ref(struct cache_node *node)
{
    atomic_fetch_add_explicit(&node->references, 1, memory_order_relaxed);
    return node;
}

/* A loop, not recursion: dropping the head of a long history frees all of it. */
void cache_node_unref(struct cache_node *node)
{
    while (node != NULL &&
           atomic_fetch_sub_explicit(&node->references, 1, memory_order_acq_rel) == 1) {
        struct cache_node *next = atomic_load(&node->next);
        cached_object_unref(node->event.object);
        cached_object_unref(node->event.previous);
        free(node);
        node = next;
    }
}

void cache_node_publish(struct cache_node *node, struct cache_node *next)
{
    (void)cache_node_ref(next);
    atomic_store_explicit(&node->next, next, memory_order_release);
}

struct cache_node *cache_node_next(struct cache_node *node)
{
    struct cache_node *next = atomic_load_explicit(&node->next, memory_order_acquire);
    return next == NULL ? NULL : cache_node_ref(next);
}
