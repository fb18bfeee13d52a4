#include "lib/base/name_index.h"

#include "lib/base/hash_map.h"
#include <assert.h>
#include <string.h>

enum { SIZE_MIN = 16 };

/* One of each hash. */
struct name_slot {
    uint32_t hash;
    uint32_t place; /* The first, and 1; 0 where the slot is free. */
    uint32_t last;  /* Of further places the last; 0 for none. */
};

/* Further places of a hash, in a ring: after the last comes the first. Number 0 is not used. */
struct name_place {
    uint32_t place, next;
};

/* The slot of the hash, or the free one where it goes. */
static struct name_slot *slot_of(const struct name_index *index, uint32_t hash)
{
    size_t at = hash & (index->size - 1);
    while (index->slots[at].place != 0 && index->slots[at].hash != hash) {
        at = (at + 1) & (index->size - 1);
    }
    return &index->slots[at];
}

static void grow(struct name_index *index, struct arena *arena)
{
    struct name_slot *old = index->slots;
    size_t size = index->size;
    index->size = size == 0 ? SIZE_MIN : size * 2;
    index->slots = arena_array(arena, index->size, sizeof(*index->slots));
    if (size == 0) {
        index->seed = (uintptr_t)index->slots;
    }
    for (size_t i = 0; i < size; i++) {
        if (old[i].place != 0) {
            *slot_of(index, old[i].hash) = old[i];
        }
    }
}

/* Where all names are the same, each is added in the same time. */
static void add_further(struct name_index *index, struct arena *arena, struct name_slot *slot,
                        uint32_t place)
{
    size_t number = index->further_count == 0 ? 1 : index->further_count;
    index->further = arena_array_room(arena, index->further, index->further_count,
                                      sizeof(*index->further), &index->further_room);
    index->further_count = number + 1;
    struct name_place *last = &index->further[slot->last];
    struct name_place *added = &index->further[number];
    *added = (struct name_place){.place = place,
                                 .next = slot->last == 0 ? (uint32_t)number : last->next};
    last->next = (uint32_t)number; /* Of number 0 nobody asks. */
    slot->last = (uint32_t)number;
}

void name_index_add(struct name_index *index, struct arena *arena, struct slice name, size_t place)
{
    assert(place < UINT32_MAX);
    if ((index->count + 1) * 4 > index->size * 3) {
        grow(index, arena);
    }
    uint32_t hash = (uint32_t)hash_bytes(index->seed, name);
    struct name_slot *slot = slot_of(index, hash);
    if (slot->place != 0) {
        add_further(index, arena, slot, (uint32_t)place);
        return;
    }
    *slot = (struct name_slot){.hash = hash, .place = (uint32_t)place + 1};
    index->count++;
}

struct name_search name_index_find(const struct name_index *index, struct slice name)
{
    struct name_search search = {.index = index};
    if (index->size > 0) {
        search.slot = slot_of(index, (uint32_t)hash_bytes(index->seed, name));
    }
    return search;
}

bool name_index_next(struct name_search *search)
{
    const struct name_slot *slot = search->slot;
    if (slot == NULL || slot->place == 0) {
        return false;
    }
    if (!search->begun) {
        search->begun = true;
        search->place = slot->place - 1;
        return true;
    }
    if (slot->last == search->further) {
        return false; /* Both 0 where there is one place. */
    }
    const struct name_place *further = search->index->further;
    search->further = further[search->further == 0 ? slot->last : search->further].next;
    search->place = further[search->further].place;
    return true;
}

/* --- Texts -------------------------------------------------------------------------------------
 */

size_t text_set_place(const struct text_set *set, const char *text)
{
    for (struct name_search search = name_index_find(&set->index, slice_text(text));
         name_index_next(&search);) {
        if (strcmp(set->texts[search.place], text) == 0) {
            return search.place;
        }
    }
    return set->count;
}

bool text_set_has(const struct text_set *set, const char *text)
{
    return text_set_place(set, text) < set->count;
}

bool text_set_add(struct text_set *set, const char *text)
{
    if (text_set_has(set, text)) {
        return false;
    }
    set->texts =
        arena_array_room(set->arena, set->texts, set->count, sizeof(*set->texts), &set->capacity);
    name_index_add(&set->index, set->arena, slice_text(text), set->count);
    set->texts[set->count++] = text;
    return true;
}
