#include "lib/base/id_map.h"

#include "lib/base/alloc.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Open addressing with linear probing. Removal moves later entries of a run back, so that there are
 * no marks of what was removed and a table that sees many come and go never has to be rebuilt. */
struct id_slot {
    uint64_t id;
    void *value; /* NULL: empty. */
};

struct id_map {
    struct id_slot *slots;
    size_t size; /* A power of two, or 0. */
    size_t count;
    unsigned shift; /* 64 - log2(size) */
};

enum {
    ID_MAP_MIN_BITS = 4,
    GROUP = 4, /* Slots that lie in one cache line. */
};

/* Ids are mostly given out one after the other, and come and go so: neighbours share a cache line.
 * Multiplicative hashing puts such groups far apart (Knuth 6.4). */
static size_t home_of(const struct id_map *map, uint64_t id)
{
    uint64_t spread = id / GROUP * UINT64_C(0x9e3779b97f4a7c15) >> map->shift;
    return (size_t)(spread / GROUP * GROUP + id % GROUP);
}

struct id_map *id_map_new(void)
{
    return alloc_zeroed(sizeof(struct id_map));
}

void id_map_free(struct id_map *map)
{
    if (map == NULL) {
        return;
    }
    free(map->slots);
    free(map);
}

size_t id_map_count(const struct id_map *map)
{
    return map->count;
}

/* Its slot, or the empty one where it would go. The table has both. */
static struct id_slot *slot_of(const struct id_map *map, uint64_t id)
{
    size_t at = home_of(map, id);
    while (map->slots[at].value != NULL && map->slots[at].id != id) {
        at = (at + 1) & (map->size - 1);
    }
    return &map->slots[at];
}

static void grow(struct id_map *map)
{
    struct id_map grown = {.count = map->count};
    unsigned bits = map->size == 0 ? ID_MAP_MIN_BITS : 64 - map->shift + 1;
    grown.size = (size_t)1 << bits;
    grown.shift = 64 - bits;
    grown.slots = alloc_aligned(GROUP * sizeof(*grown.slots), grown.size * sizeof(*grown.slots));
    memset(grown.slots, 0, grown.size * sizeof(*grown.slots));
    for (size_t i = 0; i < map->size; i++) {
        if (map->slots[i].value != NULL) {
            *slot_of(&grown, map->slots[i].id) = map->slots[i];
        }
    }
    free(map->slots);
    *map = grown;
}

void *id_map_get(const struct id_map *map, uint64_t id)
{
    return map->count == 0 ? NULL : slot_of(map, id)->value;
}

void *id_map_set(struct id_map *map, uint64_t id, void *value)
{
    assert(value != NULL);
    if (map->count >= map->size / 2) {
        grow(map);
    }
    struct id_slot *slot = slot_of(map, id);
    void *old = slot->value;
    map->count += old == NULL;
    *slot = (struct id_slot){.id = id, .value = value};
    return old;
}

/* Whether the entry at `at` is still found when the slot at `hole` before it is empty. */
static bool survives(const struct id_map *map, size_t at, size_t hole)
{
    size_t from_home = (at - home_of(map, map->slots[at].id)) & (map->size - 1);
    size_t from_hole = (at - hole) & (map->size - 1);
    return from_home < from_hole;
}

void *id_map_remove(struct id_map *map, uint64_t id)
{
    if (map->count == 0) {
        return NULL;
    }
    struct id_slot *slot = slot_of(map, id);
    void *value = slot->value;
    if (value == NULL) {
        return NULL;
    }
    size_t hole = (size_t)(slot - map->slots);
    for (size_t at = (hole + 1) & (map->size - 1); map->slots[at].value != NULL;
         at = (at + 1) & (map->size - 1)) {
        if (!survives(map, at, hole)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole].value = NULL;
    map->count--;
    return value;
}

bool id_map_next(const struct id_map *map, size_t *at, uint64_t *ret_id, void **ret_value)
{
    while (*at < map->size && map->slots[*at].value == NULL) {
        (*at)++;
    }
    if (*at >= map->size) {
        return false;
    }
    const struct id_slot *slot = &map->slots[(*at)++];
    if (ret_id != NULL) {
        *ret_id = slot->id;
    }
    if (ret_value != NULL) {
        *ret_value = slot->value;
    }
    return true;
}
