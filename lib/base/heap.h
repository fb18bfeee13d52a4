/* Binary min-heap of pointers to structs that hold their own position, so that any item can be
 * moved or removed in O(log n). Owns only its array. Not thread-safe. */
#ifndef LIB_BASE_HEAP_H
#define LIB_BASE_HEAP_H
#include "lib/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>

struct heap {
    void **items;
    size_t count;
    size_t capacity;
    size_t position_offset; /* offsetof(item, position); position is a size_t: 1 + place, or 0. */
    bool (*before)(const void *a, const void *b); /* A strict weak order. */
};

void heap_init(struct heap *heap, size_t position_offset,
               bool (*before)(const void *a, const void *b));
void heap_release(struct heap *heap);            /* Items are the caller's. */
void heap_push(struct heap *heap, void *item);   /* The item's position must be 0. */
void *heap_peek(const struct heap *heap);        /* The least, or NULL. */
void *heap_pop(struct heap *heap);               /* Takes the least out, or NULL. */
void heap_remove(struct heap *heap, void *item); /* No-op when the item's position is 0. */
void heap_update(struct heap *heap, void *item); /* After its key changed. */
#endif
