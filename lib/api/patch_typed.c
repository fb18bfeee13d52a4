#include "lib/api/patch_typed.h"

#include "lib/api/json_value.h"
#include "lib/api/schema.h"
#include "lib/base/alloc.h"
#include <stdlib.h>

/* --- Words ------------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
    const struct json_member *left = a, *right = b;
    return strcmp((const char *)left->name.data, (const char *)right->name.data);
}

/* Recursion is as deep as the parser lets a document be. */
void patch_print_go(const struct json_value *value, struct buffer *out)
{
    switch (value->type) {
    case JSON_NULL:
        buffer_append_text(out, "<nil>");
        return;
    case JSON_BOOL:
        buffer_append_text(out, value->boolean ? "true" : "false");
        return;
    case JSON_NUMBER:
    case JSON_STRING:
        buffer_append_slice(out, value->text);
        return;
    case JSON_ARRAY:
        buffer_append_text(out, "[");
        for (size_t i = 0; i < value->count; i++) {
            buffer_append_text(out, i == 0 ? "" : " ");
            patch_print_go(value->items[i], out);
        }
        buffer_append_text(out, "]");
        return;
    case JSON_OBJECT:
        break;
    }
    CLEANUP(alloc_freep)
    struct json_member *sorted = alloc_array(value->count + 1, sizeof(struct json_member));
    if (value->count > 0) {
        memcpy(sorted, value->members, value->count * sizeof(struct json_member));
        qsort(sorted, value->count, sizeof(struct json_member), by_name);
    }
    buffer_append_text(out, "map[");
    for (size_t i = 0; i < value->count; i++) {
        buffer_append_text(out, i == 0 ? "" : " ");
        buffer_append_slice(out, sorted[i].name);
        buffer_append_text(out, ":");
        patch_print_go(sorted[i].value, out);
    }
    buffer_append_text(out, "]");
}

const char *patch_show_patched(struct arena *arena, const struct json_value *tree)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    if (tree->type == JSON_OBJECT) { /* The patch has opened it: what it holds, mostly not. */
        struct json_value *copy = json_new_object(arena);
        for (size_t i = 0; i < tree->count; i++) {
            json_set(arena, copy, tree->members[i].name, tree->members[i].value);
        }
        qsort(copy->members, copy->count, sizeof(struct json_member), by_name);
        json_reordered(copy);
        tree = copy;
    }
    json_print(tree, /* sorted= */ false, &text);
    return arena_text_n(arena, buffer_text(&text), text.len);
}

/* --- Types ------------------------------------------------------------------------------------ */

static bool is_whole(const struct json_value *number)
{
    double value = 0;
    int64_t whole = 0;
    return json_int64(number, &whole) == 0 || (json_double(number, &value) == 0 && value >= -9e18 &&
                                               value <= 9e18 && value == (double)(int64_t)value);
}

static const char *go_kind(const struct json_value *value)
{
    int64_t whole = 0;
    switch (value->type) {
    case JSON_NULL:
        return "invalid";
    case JSON_BOOL:
        return "bool";
    case JSON_NUMBER:
        return json_int64(value, &whole) == 0 ? "int64" : "float64";
    case JSON_STRING:
        return "string";
    case JSON_ARRAY:
        return "slice";
    case JSON_OBJECT:
        return "map";
    }
    return "";
}

/* Types of their own read their JSON themselves. */
static const char *check_scalar(struct arena *arena, const struct api_field *field,
                                const struct json_value *value)
{
    bool number = value->type == JSON_NUMBER;
    if (field->type == API_BOOL) {
        return value->type == JSON_BOOL ? NULL : "unrecognized type: bool";
    }
    if (field->type == API_STRING) {
        return number ? arena_printf(arena, "cannot convert %s to string", go_kind(value))
               : value->type == JSON_STRING ? NULL
                                            : "unrecognized type: string";
    }
    if (field->type == API_DOUBLE) {
        return number ? NULL : "unrecognized type: float64";
    }
    if (field->type != API_INT32 && field->type != API_INT64) {
        return NULL;
    }
    const char *name = field->type == API_INT32 ? "int32" : "int64";
    return !number           ? arena_printf(arena, "unrecognized type: %s", name)
           : is_whole(value) ? NULL
                             : arena_printf(arena, "cannot convert float64 to %s", name);
}

static const char *check_message(struct arena *arena, const struct api_message *table,
                                 const struct json_value *value)
{
    if (value->type != JSON_OBJECT) {
        return arena_printf(arena, "cannot restore struct from: %s", go_kind(value));
    }
    return patch_find_mistyped(arena, table, value);
}

static const char *check_value(struct arena *arena, const struct api_field *field,
                               const struct json_value *value)
{
    if (value->type == JSON_NULL) {
        return NULL;
    }
    return field->type == API_OBJECT ? check_message(arena, field->message, value)
                                     : check_scalar(arena, field, value);
}

static const char *check_field(struct arena *arena, const struct api_field *field,
                               const struct json_value *value)
{
    const char *why = NULL;
    if (field->label == API_SINGLE || value->type == JSON_NULL) {
        return check_value(arena, field, value);
    }
    bool list = field->label == API_REPEATED;
    if (value->type != (list ? JSON_ARRAY : JSON_OBJECT)) {
        return arena_printf(arena, "cannot restore %s from %s", list ? "slice" : "map",
                            go_kind(value));
    }
    for (size_t i = 0; i < value->count && why == NULL; i++) {
        why = check_value(arena, field, list ? value->items[i] : value->members[i].value);
    }
    return why;
}

/* Recursion is as deep as the tree. */
const char *patch_find_mistyped(struct arena *arena, const struct api_message *table,
                                const struct json_value *tree)
{
    const char *why = NULL;
    for (size_t i = 0; i < table->member_count && why == NULL; i++) {
        const struct api_field *field = table->members[i].field;
        const struct json_value *value =
            json_get(tree, slice_of((const uint8_t *)field->name, field->name_len));
        why = value == NULL ? NULL : check_field(arena, field, value);
    }
    return why;
}
