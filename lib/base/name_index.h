/* Where names stand in an array, found by their hash: for what is looked for by name again and
 * again while nobody knows how many there are. n names that are each searched for among the rest
 * cost n * n steps, and whoever sends a request chooses n. In an arena; nothing is ever taken out.
 * Not thread-safe. Hashing (SipHash-2-4) is seeded by an address, which nobody outside knows. */
#ifndef LIB_BASE_NAME_INDEX_H
#define LIB_BASE_NAME_INDEX_H
#include "lib/base/arena.h"
#include "lib/base/slice.h"
#include <stdbool.h>

/* Zeroed at first. */
struct name_index {
    struct name_slot *slots;
    size_t size, count;
    uint64_t seed;
    struct name_place *further; /* Of names that are there already. */
    size_t further_count, further_room;
};

/* `place` is up to UINT32_MAX. A name may stand in several places. */
void name_index_add(struct name_index *index, struct arena *arena, struct slice name, size_t place);

/* The places that may have the name, those added first first: the caller compares.
 *   for (struct name_search search = name_index_find(index, name); name_index_next(&search);) ...
 * search.place */
struct name_search {
    const struct name_index *index;
    const struct name_slot *slot;
    size_t place;
    uint32_t further;
    bool begun;
};
struct name_search name_index_find(const struct name_index *index, struct slice name);
bool name_index_next(struct name_search *search);

/* Texts, each once. They are borrowed. Zeroed at first, but for the arena. */
struct text_set {
    struct arena *arena;
    const char **texts;
    size_t count, capacity;
    struct name_index index;
};
/* Whether it is new to the set. */
bool text_set_add(struct text_set *set, const char *text);
bool text_set_has(const struct text_set *set, const char *text);
/* Where it is among `texts`: the place that it was added at. The count of the set when it is not
 * there. */
size_t text_set_place(const struct text_set *set, const char *text);
#endif
