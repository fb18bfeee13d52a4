#include "apiserver/audit_notes.h"

#include "apiserver/limits.h"
#include <string.h>

/* Where the key is, or belongs. */
static size_t place_of(const struct audit_notes *notes, const char *key, bool *ret_there)
{
    size_t low = 0;
    size_t high = notes->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(notes->items[middle].key, key);
        if (order == 0) {
            *ret_there = true;
            return middle;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    *ret_there = false;
    return low;
}

void audit_note(struct audit_notes *notes, const char *key, const char *value)
{
    bool there = false;
    if (notes == NULL || notes->count == AUDIT_NOTES_MAX) {
        return;
    }
    size_t at = place_of(notes, key, &there);
    if (there) {
        return;
    }
    if (notes->count == notes->capacity) {
        size_t capacity = notes->capacity == 0 ? 8 : 2 * notes->capacity;
        struct audit_note *items = arena_array(notes->arena, capacity, sizeof(*items));
        if (notes->count > 0) {
            memcpy(items, notes->items, notes->count * sizeof(*items));
        }
        notes->items = items;
        notes->capacity = capacity;
    }
    memmove(&notes->items[at + 1], &notes->items[at], (notes->count - at) * sizeof(*notes->items));
    notes->items[at] = (struct audit_note){.key = arena_text(notes->arena, key),
                                           .value = arena_text(notes->arena, value)};
    notes->count++;
}
