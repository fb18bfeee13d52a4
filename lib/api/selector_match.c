/* Matching and printing label selectors, and views of string maps. */
#include "lib/api/selector.h"

#include "lib/api/map_entry.h"
#include "lib/base/buffer.h"
#include "lib/base/name_index.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static const struct api_map_entry *entry_at(struct api_string_map map, size_t index)
{
    assert(index < map.count);
    return map.entries[index];
}

const char *api_string_map_key(struct api_string_map map, size_t index)
{
    const char *key = entry_at(map, index)->key;
    return key == NULL ? "" : key;
}

const char *api_string_map_value(struct api_string_map map, size_t index)
{
    const char *value = entry_at(map, index)->value;
    return value == NULL ? "" : value;
}

const char *api_string_map_get(struct api_string_map map, const char *key)
{
    /* From the back: of equal keys on the wire, the last counts. */
    for (size_t i = map.count; i > 0; i--) {
        if (strcmp(api_string_map_key(map, i - 1), key) == 0) {
            return api_string_map_value(map, i - 1);
        }
    }
    return NULL;
}

/* A map that is asked for many keys. */
enum { SEARCHED_MAX = 32 }; /* Entries that are looked at one by one. */
struct asked_map {
    struct api_string_map map;
    struct arena *arena; /* NULL while it is small. */
    struct name_index index;
};

static struct asked_map asked_map(struct api_string_map map, size_t keys)
{
    struct asked_map asked = {.map = map};
    if (map.count > SEARCHED_MAX && keys > SEARCHED_MAX) {
        asked.arena = arena_new(SIZE_MAX);
        for (size_t i = 0; i < map.count; i++) {
            name_index_add(&asked.index, asked.arena, slice_text(api_string_map_key(map, i)), i);
        }
    }
    return asked;
}

static void asked_map_release(struct asked_map *asked)
{
    arena_free(asked->arena);
}

static const char *asked_map_get(const struct asked_map *asked, const char *key)
{
    const char *value = NULL;
    if (asked->arena == NULL) {
        return api_string_map_get(asked->map, key);
    }
    for (struct name_search search = name_index_find(&asked->index, slice_text(key));
         name_index_next(&search);) {
        if (strcmp(api_string_map_key(asked->map, search.place), key) == 0) {
            value = api_string_map_value(asked->map, search.place); /* The last counts. */
        }
    }
    return value;
}

bool api_string_map_equal(struct api_string_map a, struct api_string_map b)
{
    if (a.count != b.count) {
        return false;
    }
    CLEANUP(asked_map_release) struct asked_map asked = asked_map(b, a.count);
    for (size_t i = 0; i < a.count; i++) {
        const char *other = asked_map_get(&asked, api_string_map_key(a, i));
        if (other == NULL || strcmp(other, api_string_map_value(a, i)) != 0) {
            return false;
        }
    }
    return true;
}

static bool has_value(const struct api_requirement *requirement, const char *value)
{
    for (size_t i = 0; i < requirement->value_count; i++) {
        if (strcmp(requirement->values[i], value) == 0) {
            return true;
        }
    }
    return false;
}

static bool number_of(const char *text, int64_t *ret_number)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0') {
        return false;
    }
    *ret_number = number;
    return true;
}

static bool compares(const struct api_requirement *requirement, const char *value)
{
    int64_t left = 0, right = 0;
    if (requirement->value_count != 1 || !number_of(value, &left) ||
        !number_of(requirement->values[0], &right)) {
        return false;
    }
    return requirement->op == API_SELECTOR_GREATER ? left > right : left < right;
}

static bool requirement_matches(const struct api_requirement *requirement, const char *value)
{
    switch (requirement->op) {
    case API_SELECTOR_IN:
        return value != NULL && has_value(requirement, value);
    case API_SELECTOR_NOT_IN:
        return value == NULL || !has_value(requirement, value);
    case API_SELECTOR_EXISTS:
        return value != NULL;
    case API_SELECTOR_NOT_EXISTS:
        return value == NULL;
    case API_SELECTOR_GREATER:
    case API_SELECTOR_LESS:
        return value != NULL && compares(requirement, value);
    }
    assert(false);
    return false;
}

bool api_label_selector_matches(const struct api_label_selector *selector,
                                struct api_string_map labels)
{
    if (selector->nothing) {
        return false;
    }
    CLEANUP(asked_map_release) struct asked_map asked = asked_map(labels, selector->count);
    for (size_t i = 0; i < selector->count; i++) {
        const struct api_requirement *requirement = &selector->requirements[i];
        if (!requirement_matches(requirement, asked_map_get(&asked, requirement->key))) {
            return false;
        }
    }
    return true;
}

static void print_values(struct buffer *text, const struct api_requirement *requirement)
{
    for (size_t i = 0; i < requirement->value_count; i++) {
        buffer_append_text(text, i == 0 ? "" : ",");
        buffer_append_text(text, requirement->values[i]);
    }
}

static void print_requirement(struct buffer *text, const struct api_requirement *requirement)
{
    bool single = requirement->equality && requirement->value_count == 1;
    buffer_append_text(text, requirement->op == API_SELECTOR_NOT_EXISTS ? "!" : "");
    buffer_append_text(text, requirement->key);
    switch (requirement->op) {
    case API_SELECTOR_IN:
    case API_SELECTOR_NOT_IN:
        if (single) {
            buffer_append_text(text, requirement->op == API_SELECTOR_IN ? "=" : "!=");
            buffer_append_text(text, requirement->values[0]);
            break;
        }
        buffer_append_text(text, requirement->op == API_SELECTOR_IN ? " in (" : " notin (");
        print_values(text, requirement);
        buffer_append_text(text, ")");
        break;
    case API_SELECTOR_GREATER:
    case API_SELECTOR_LESS:
        buffer_append_text(text, requirement->op == API_SELECTOR_GREATER ? ">" : "<");
        print_values(text, requirement);
        break;
    case API_SELECTOR_EXISTS:
    case API_SELECTOR_NOT_EXISTS:
        break;
    }
}

const char *api_label_selector_print(struct arena *arena, const struct api_label_selector *selector)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, SIZE_MAX / 2); /* The input was limited; printing adds little. */
    for (size_t i = 0; i < selector->count; i++) {
        buffer_append_text(&text, i == 0 ? "" : ",");
        print_requirement(&text, &selector->requirements[i]);
    }
    return arena_text_n(arena, buffer_text(&text), text.len);
}

static int by_key(const void *a, const void *b)
{
    const struct api_requirement *left = a, *right = b;
    return strcmp(left->key, right->key);
}

struct api_label_selector api_label_selector_from_map(struct arena *arena,
                                                      struct api_string_map map)
{
    struct api_requirement *requirements = arena_array(arena, map.count, sizeof(*requirements));
    for (size_t i = 0; i < map.count; i++) {
        const char **values = arena_array(arena, 1, sizeof(*values));
        values[0] = api_string_map_value(map, i);
        requirements[i] = (struct api_requirement){.key = api_string_map_key(map, i),
                                                   .op = API_SELECTOR_IN,
                                                   .values = values,
                                                   .value_count = 1,
                                                   .equality = true};
    }
    if (map.count > 1) {
        qsort(requirements, map.count, sizeof(*requirements), by_key);
    }
    return (struct api_label_selector){.requirements = requirements, .count = map.count};
}
