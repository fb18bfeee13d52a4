/* Lists, maps and selectors in Go's syntax. */
#include "lib/api/shown.h"
#include "lib/api/limits.h"
#include <stdlib.h>
#include <string.h>

static struct api_shown take(struct arena *arena, const struct buffer *out)
{
    return api_shown_raw(arena_text(arena, buffer_text(out)));
}

static void print_texts(const char *type, char *const *texts, size_t count, struct buffer *out)
{
    buffer_printf(out, "[]%s%s", type, count == 0 ? "(nil)" : "{");
    for (size_t i = 0; i < count && !out->overflowed; i++) {
        buffer_append_text(out, i == 0 ? "" : ", ");
        api_print_quoted(texts[i], out);
    }
    buffer_append_text(out, count == 0 ? "" : "}");
}

struct api_shown api_shown_typed_texts(struct arena *arena, const char *type, char *const *texts,
                                       size_t count)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, API_SHOWN_MAX);
    print_texts(type, texts, count, &out);
    return take(arena, &out);
}

struct api_shown api_shown_texts(struct arena *arena, char *const *texts, size_t count)
{
    return api_shown_typed_texts(arena, "string", texts, count);
}

struct member {
    const char *key, *value;
};

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

static void print_map(struct arena *arena, struct api_string_map map, struct buffer *out)
{
    struct member *members = arena_array(arena, map.count, sizeof(*members));
    for (size_t i = 0; i < map.count; i++) {
        members[i] = (struct member){api_string_map_key(map, i), api_string_map_value(map, i)};
    }
    if (map.count > 0) {
        qsort(members, map.count, sizeof(*members), by_key);
    }
    buffer_printf(out, "map[string]string%s", map.count == 0 ? "(nil)" : "{");
    for (size_t i = 0; i < map.count && !out->overflowed; i++) {
        buffer_append_text(out, i == 0 ? "" : ", ");
        api_print_quoted(members[i].key, out);
        buffer_append_text(out, ":");
        api_print_quoted(members[i].value, out);
    }
    buffer_append_text(out, map.count == 0 ? "" : "}");
}

struct api_shown api_shown_map(struct arena *arena, struct api_string_map map)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, API_SHOWN_MAX);
    print_map(arena, map, &out);
    return take(arena, &out);
}

/* How the suffix scales: by a power of ten or of two. */
struct suffix {
    const char *text;
    int exponent;
};

struct api_shown api_shown_quantity(struct arena *arena, const char *canonical)
{
    enum { TEN = 10, LOW_BITS = 7 };
    static const struct suffix suffixes[] = {{"n", -9},  {"u", -6},  {"m", -3},  {"", 0},
                                             {"k", 3},   {"M", 6},   {"G", 9},   {"T", 12},
                                             {"P", 15},  {"E", 18},  {"Ki", 10}, {"Mi", 20},
                                             {"Gi", 30}, {"Ti", 40}, {"Pi", 50}, {"Ei", 60}};
    char *end = NULL;
    int64_t value = strtoll(canonical, &end, TEN);
    int scale = 0;
    bool binary = strchr(end, 'i') != NULL, decimal = *end == 'e';
    bool kept = !binary || (value & LOW_BITS) != 0; /* Whether Go keeps the text it read. */
    if (decimal) {
        scale = (int)strtol(end + 1, NULL, TEN);
    }
    for (size_t i = 0; !decimal && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        if (strcmp(suffixes[i].text, end) == 0) {
            scale = binary ? 0 : suffixes[i].exponent;
            value = binary ? (int64_t)((uint64_t)value << (unsigned)suffixes[i].exponent) : value;
        }
    }
    return api_shown_raw(
        arena_printf(arena,
                     "resource.Quantity{i:resource.int64Amount{value:%lld, scale:%d}, "
                     "d:resource.infDecAmount{Dec:(*inf.Dec)(nil)}, s:\"%s\", Format:\"%s\"}",
                     (long long)value, scale, kept ? canonical : "",
                     binary    ? "BinarySI"
                     : decimal ? "DecimalExponent"
                               : "DecimalSI"));
}

static int by_name(const void *a, const void *b)
{
    return slice_compare(((const struct json_member *)a)->name,
                         ((const struct json_member *)b)->name);
}

static void print_json(struct arena *arena, const struct json_value *value, struct buffer *out);

static void print_object(struct arena *arena, const struct json_value *value, struct buffer *out)
{
    struct json_member *members = arena_array(arena, value->count, sizeof(*members));
    for (size_t i = 0; i < value->count; i++) {
        members[i] = value->members[i];
    }
    if (value->count > 0) {
        qsort(members, value->count, sizeof(*members), by_name);
    }
    buffer_append_text(out, "map[string]interface {}{");
    for (size_t i = 0; i < value->count && !out->overflowed; i++) {
        buffer_append_text(out, i == 0 ? "" : ", ");
        api_print_quoted((const char *)members[i].name.data, out);
        buffer_append_text(out, ":");
        print_json(arena, members[i].value, out);
    }
    buffer_append_text(out, "}");
}

/* Below the value that is shown. */
static void print_json(struct arena *arena, const struct json_value *value, struct buffer *out)
{
    switch (value->type) {
    case JSON_NULL:
        buffer_append_text(out, "interface {}(nil)");
        return;
    case JSON_BOOL:
        buffer_append_text(out, value->boolean ? "true" : "false");
        return;
    case JSON_NUMBER:
        buffer_append_slice(out, value->text);
        return;
    case JSON_STRING:
        api_print_quoted((const char *)value->text.data, out);
        return;
    case JSON_ARRAY:
        buffer_append_text(out, "[]interface {}{");
        for (size_t i = 0; i < value->count && !out->overflowed; i++) {
            buffer_append_text(out, i == 0 ? "" : ", ");
            print_json(arena, value->items[i], out);
        }
        buffer_append_text(out, "}");
        return;
    case JSON_OBJECT:
        print_object(arena, value, out);
        return;
    }
}

struct api_shown api_shown_json(struct arena *arena, const struct json_value *value)
{
    switch (value->type) {
    case JSON_NULL:
        return api_shown_null();
    case JSON_BOOL:
        return api_shown_bool(value->boolean);
    case JSON_STRING:
        return api_shown_text((const char *)value->text.data);
    case JSON_NUMBER:
        return api_shown_raw((const char *)value->text.data);
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, API_SHOWN_MAX);
    print_json(arena, value, &out);
    return take(arena, &out);
}
