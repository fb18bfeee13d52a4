#include "lib/base/heap.h"

#include "lib/base/alloc.h"
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

void heap_init(struct heap *heap, size_t position_offset,
               bool (*before)(const void *a, const void *b))
{
    *heap = (struct heap){.position_offset = position_offset, .before = before};
}

void heap_release(struct heap *heap)
{
    free(heap->items);
    heap->items = NULL;
    heap->count = 0;
    heap->capacity = 0;
}

static size_t *position_of(const struct heap *heap, void *item)
{
    return (size_t *)(void *)((uint8_t *)item + heap->position_offset);
}

static void place(struct heap *heap, size_t at, void *item)
{
    heap->items[at] = item;
    *position_of(heap, item) = at + 1;
}

static void sift_up(struct heap *heap, size_t at)
{
    void *item = heap->items[at];
    while (at > 0 && heap->before(item, heap->items[(at - 1) / 2])) {
        place(heap, at, heap->items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(heap, at, item);
}

static void sift_down(struct heap *heap, size_t at)
{
    void *item = heap->items[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= heap->count) {
            break;
        }
        if (child + 1 < heap->count && heap->before(heap->items[child + 1], heap->items[child])) {
            child++;
        }
        if (!heap->before(heap->items[child], item)) {
            break;
        }
        place(heap, at, heap->items[child]);
        at = child;
    }
    place(heap, at, item);
}

void heap_push(struct heap *heap, void *item)
{
    assert(*position_of(heap, item) == 0);
    if (heap->count == heap->capacity) {
        heap->capacity = heap->capacity == 0 ? 16 : heap->capacity * 2;
        heap->items = alloc_resize(heap->items, heap->capacity, sizeof(*heap->items));
    }
    heap->items[heap->count++] = item;
    sift_up(heap, heap->count - 1);
}

void *heap_peek(const struct heap *heap)
{
    return heap->count == 0 ? NULL : heap->items[0];
}

void *heap_pop(struct heap *heap)
{
    void *item = heap_peek(heap);
    if (item != NULL) {
        heap_remove(heap, item);
    }
    return item;
}

void heap_remove(struct heap *heap, void *item)
{
    size_t position = *position_of(heap, item);
    if (position == 0) {
        return;
    }
    assert(heap->items[position - 1] == item);
    *position_of(heap, item) = 0;
    void *last = heap->items[--heap->count];
    if (last != item) {
        place(heap, position - 1, last);
        heap_update(heap, last);
    }
}

void heap_update(struct heap *heap, void *item)
{
    size_t position = *position_of(heap, item);
    assert(position != 0);
    sift_up(heap, position - 1);
    sift_down(heap, *position_of(heap, item) - 1);
}
