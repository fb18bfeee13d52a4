#include "raft/trail.h"

#include "lib/base/alloc.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { TRAIL_CAPACITY_MIN = 64 }; /* A power of two, as are all that follow. */

void raft_trail_init(struct raft_trail *trail, struct raft_point base)
{
    *trail = (struct raft_trail){.base = base};
}

static struct raft_entry **slot(const struct raft_trail *trail, size_t position)
{
    return &trail->items[(trail->head + position) & (trail->capacity - 1)];
}

void raft_trail_release(struct raft_trail *trail)
{
    raft_trail_reset(trail, trail->base);
    free(trail->items);
    trail->items = NULL;
    trail->capacity = 0;
}

uint64_t raft_trail_last(const struct raft_trail *trail)
{
    return trail->base.index + trail->count;
}

struct raft_point raft_trail_end(const struct raft_trail *trail)
{
    struct raft_point point = trail->base;
    bool found = raft_trail_point(trail, raft_trail_last(trail), &point);
    assert(found);
    (void)found;
    return point;
}

bool raft_trail_point(const struct raft_trail *trail, uint64_t index, struct raft_point *ret_point)
{
    if (index == trail->base.index) {
        *ret_point = trail->base;
        return true;
    }
    const struct raft_entry *entry = raft_trail_get(trail, index);
    if (entry == NULL) {
        return false;
    }
    *ret_point = (struct raft_point){.index = index, .term = entry->term, .chain = entry->chain};
    return true;
}

struct raft_entry *raft_trail_get(const struct raft_trail *trail, uint64_t index)
{
    if (index <= trail->base.index || index > raft_trail_last(trail)) {
        return NULL;
    }
    return *slot(trail, (size_t)(index - trail->base.index - 1));
}

static void grow(struct raft_trail *trail)
{
    size_t capacity = trail->capacity == 0 ? TRAIL_CAPACITY_MIN : trail->capacity * 2;
    struct raft_entry **items = alloc_array(capacity, sizeof(struct raft_entry *));
    for (size_t i = 0; i < trail->count; i++) {
        items[i] = *slot(trail, i);
    }
    free(trail->items);
    trail->items = items;
    trail->head = 0;
    trail->capacity = capacity;
}

void raft_trail_append(struct raft_trail *trail, struct raft_entry *entry_consume)
{
    assert(entry_consume->index == raft_trail_last(trail) + 1);
    assert(entry_consume->term >= raft_trail_end(trail).term);
    if (trail->count == trail->capacity) {
        grow(trail);
    }
    *slot(trail, trail->count) = entry_consume;
    trail->count++;
    trail->bytes += entry_consume->len;
}

void raft_trail_truncate(struct raft_trail *trail, uint64_t from)
{
    assert(from > trail->base.index);
    while (raft_trail_last(trail) >= from) {
        struct raft_entry **last = slot(trail, trail->count - 1);
        trail->bytes -= (*last)->len;
        raft_entry_unref(TAKE(*last));
        trail->count--;
    }
}

void raft_trail_compact(struct raft_trail *trail, uint64_t to)
{
    if (to <= trail->base.index) {
        return;
    }
    struct raft_point base;
    bool found = raft_trail_point(trail, to, &base);
    assert(found);
    if (!found) {
        return;
    }
    while (trail->base.index < to) {
        struct raft_entry **first = slot(trail, 0);
        trail->bytes -= (*first)->len;
        raft_entry_unref(TAKE(*first));
        trail->head = (trail->head + 1) & (trail->capacity - 1);
        trail->count--;
        trail->base.index++;
    }
    trail->base = base;
}

void raft_trail_reset(struct raft_trail *trail, struct raft_point base)
{
    if (trail->count > 0) {
        raft_trail_truncate(trail, trail->base.index + 1);
    }
    trail->base = base;
    assert(trail->bytes == 0);
}
