/* Items of lists that are looked for by what they are called. */
#include "lib/api/check.h"
#include "lib/base/name_index.h"
#include <stdint.h>
#include <string.h>

enum { SEARCHED_MAX = 32 }; /* Items that are held against each other one by one. */

/* The first `count` items of a list by their texts: of each text the first item. */
struct api_seen {
    struct api_seen *next;
    api_item_text *text;
    const void *list, *of;
    size_t count;
    const char **texts; /* By place; NULL where it is not the first of its text. */
    size_t capacity;
    struct name_index index;
};

static struct api_seen *seen_of(struct api_causes *causes, api_item_text *text, const void *list,
                                const void *of)
{
    struct api_seen *seen = causes->seen;
    while (seen != NULL && (seen->text != text || seen->list != list || seen->of != of)) {
        seen = seen->next;
    }
    if (seen == NULL) {
        seen = arena_zeroed(causes->arena, sizeof(*seen));
        *seen = (struct api_seen){.next = causes->seen, .text = text, .list = list, .of = of};
        causes->seen = seen;
    }
    return seen;
}

static size_t place_of(const struct api_seen *seen, const char *wanted)
{
    for (struct name_search search = name_index_find(&seen->index, slice_text(wanted));
         name_index_next(&search);) {
        if (strcmp(seen->texts[search.place], wanted) == 0) {
            return search.place;
        }
    }
    return SIZE_MAX;
}

static void see(struct api_seen *seen, struct arena *arena)
{
    const char *text = seen->text(arena, seen->list, seen->of, seen->count);
    seen->texts =
        arena_array_room(arena, seen->texts, seen->count, sizeof(*seen->texts), &seen->capacity);
    bool first = text != NULL && place_of(seen, text) == SIZE_MAX;
    if (first) {
        name_index_add(&seen->index, arena, slice_text(text), seen->count);
    }
    seen->texts[seen->count++] = first ? text : NULL;
}

size_t api_find_item(struct api_causes *causes, api_item_text *text, const void *list,
                     const void *of, size_t count, const char *wanted)
{
    struct arena *arena = causes->arena;
    if (count <= SEARCHED_MAX) {
        for (size_t place = 0; place < count; place++) {
            const char *other = text(arena, list, of, place);
            if (other != NULL && strcmp(other, wanted) == 0) {
                return place;
            }
        }
        return count;
    }
    struct api_seen *seen = seen_of(causes, text, list, of);
    while (seen->count < count) {
        see(seen, arena);
    }
    size_t place = place_of(seen, wanted);
    return place < count ? place : count;
}

bool api_seen_before(struct api_causes *causes, api_item_text *text, const void *list,
                     const void *of, size_t index)
{
    const char *wanted = text(causes->arena, list, of, index);
    return wanted != NULL && api_find_item(causes, text, list, of, index, wanted) < index;
}
