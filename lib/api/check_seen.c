/* Items of lists that are looked for by what they are called. */
#include "lib/api/check.h"
#include "lib/base/name_index.h"
#include <string.h>

enum { SEARCHED_MAX = 32 }; /* Items that are held against each other one by one. */

/* The first `count` items of a list by their texts: of each text the first item. */
struct api_seen {
    struct api_seen *next;
    api_item_text *text;
    const void *list, *of;
    size_t count;
    struct text_set texts;
    size_t *firsts; /* By the texts' places in the set: the first item that has it. */
    size_t capacity;
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
        seen->texts.arena = causes->arena;
        causes->seen = seen;
    }
    return seen;
}

static void see(struct api_seen *seen, struct arena *arena)
{
    const char *text = seen->text(arena, seen->list, seen->of, seen->count);
    size_t texts = seen->texts.count;
    if (text != NULL && text_set_add(&seen->texts, text)) {
        seen->firsts =
            arena_array_room(arena, seen->firsts, texts, sizeof(*seen->firsts), &seen->capacity);
        seen->firsts[texts] = seen->count;
    }
    seen->count++;
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
    size_t place = text_set_place(&seen->texts, wanted);
    return place < seen->texts.count && seen->firsts[place] < count ? seen->firsts[place] : count;
}

bool api_seen_before(struct api_causes *causes, api_item_text *text, const void *list,
                     const void *of, size_t index)
{
    const char *wanted = text(causes->arena, list, of, index);
    return wanted != NULL && api_find_item(causes, text, list, of, index, wanted) < index;
}
