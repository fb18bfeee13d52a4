/* Items of lists that are looked for by what they are called. */
#include "lib/api/check.h"
#include "lib/base/name_index.h"
#include <string.h>

enum { SEARCHED_MAX = 32 }; /* Items that are held against each other one by one. */

/* The first `count` items of a list by their texts. */
struct api_seen {
    struct api_seen *next;
    api_item_text *text;
    const void *list, *of;
    size_t count;
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

static bool is_called(struct arena *arena, const struct api_seen *seen, size_t index,
                      const char *wanted)
{
    const char *text = seen->text(arena, seen->list, seen->of, index);
    return text != NULL && strcmp(text, wanted) == 0;
}

size_t api_find_item(struct api_causes *causes, api_item_text *text, const void *list,
                     const void *of, size_t count, const char *wanted)
{
    struct arena *arena = causes->arena;
    if (count <= SEARCHED_MAX) {
        const struct api_seen plain = {.text = text, .list = list, .of = of};
        size_t place = 0;
        while (place < count && !is_called(arena, &plain, place, wanted)) {
            place++;
        }
        return place;
    }
    struct api_seen *seen = seen_of(causes, text, list, of);
    for (; seen->count < count; seen->count++) {
        const char *other = text(arena, list, of, seen->count);
        if (other != NULL) {
            name_index_add(&seen->index, arena, slice_text(other), seen->count);
        }
    }
    for (struct name_search search = name_index_find(&seen->index, slice_text(wanted));
         name_index_next(&search) && search.place < count;) {
        if (is_called(arena, seen, search.place, wanted)) {
            return search.place;
        }
    }
    return count;
}

bool api_seen_before(struct api_causes *causes, api_item_text *text, const void *list,
                     const void *of, size_t index)
{
    const char *wanted = text(causes->arena, list, of, index);
    return wanted != NULL && api_find_item(causes, text, list, of, index, wanted) < index;
}
