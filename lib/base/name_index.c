#include "lib/base/name_index.h"

#include "lib/base/hash_map.h"
#include <assert.h>
#include <string.h>

enum { SIZE_MIN = 16 };

struct name_slot {
    uint32_t hash;
    uint32_t place; /* And 1; 0 where it is free. */
};

static void put(struct name_index *index, struct name_slot slot)
{
    size_t at = slot.hash & (index->size - 1);
    while (index->slots[at].place != 0) {
        at = (at + 1) & (index->size - 1);
    }
    index->slots[at] = slot;
}

/* Slots go over in the order in which a search meets them, so that of one name the first stays
 * first: from behind a free one on, for a run may go round the end. */
static void grow(struct name_index *index, struct arena *arena)
{
    struct name_slot *old = index->slots;
    size_t size = index->size, begin = 0;
    index->size = size == 0 ? SIZE_MIN : size * 2;
    index->slots = arena_zeroed(arena, index->size * sizeof(*index->slots));
    if (size == 0) {
        index->seed = (uintptr_t)index->slots;
        return;
    }
    while (old[begin].place != 0) {
        begin++;
    }
    for (size_t i = 0; i < size; i++) {
        struct name_slot slot = old[(begin + i) & (size - 1)];
        if (slot.place != 0) {
            put(index, slot);
        }
    }
}

void name_index_add(struct name_index *index, struct arena *arena, struct slice name, size_t place)
{
    assert(place < UINT32_MAX);
    if ((index->count + 1) * 4 > index->size * 3) {
        grow(index, arena);
    }
    put(index, (struct name_slot){.hash = (uint32_t)hash_bytes(index->seed, name),
                                  .place = (uint32_t)place + 1});
    index->count++;
}

struct name_search name_index_find(const struct name_index *index, struct slice name)
{
    struct name_search search = {.index = index};
    if (index->size > 0) {
        search.hash = (uint32_t)hash_bytes(index->seed, name);
        search.at = search.hash & (index->size - 1);
    }
    return search;
}

bool name_index_next(struct name_search *search)
{
    const struct name_index *index = search->index;
    while (index->size > 0 && index->slots[search->at].place != 0) {
        struct name_slot slot = index->slots[search->at];
        search->at = (search->at + 1) & (index->size - 1);
        if (slot.hash == search->hash) {
            search->place = slot.place - 1;
            return true;
        }
    }
    return false;
}

/* --- Texts -------------------------------------------------------------------------------------
 */

bool text_set_has(const struct text_set *set, const char *text)
{
    for (struct name_search search = name_index_find(&set->index, slice_text(text));
         name_index_next(&search);) {
        if (strcmp(set->texts[search.place], text) == 0) {
            return true;
        }
    }
    return false;
}

bool text_set_add(struct text_set *set, const char *text)
{
    if (text_set_has(set, text)) {
        return false;
    }
    if (set->count == set->capacity) {
        size_t capacity = set->capacity == 0 ? 4 : set->capacity * 2;
        const char **texts = arena_array(set->arena, capacity, sizeof(*texts));
        for (size_t i = 0; i < set->count; i++) {
            texts[i] = set->texts[i];
        }
        set->texts = texts;
        set->capacity = capacity;
    }
    name_index_add(&set->index, set->arena, slice_text(text), set->count);
    set->texts[set->count++] = text;
    return true;
}
