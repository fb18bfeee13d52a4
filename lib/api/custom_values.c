#include "lib/api/custom_values.h"

#include "lib/api/custom_types.h"
#include "lib/base/base64.h"
#include "lib/base/time_text.h"

/* A list or map, with its schema: what the views below read. */
struct node {
    const struct structural *schema; /* NULL: nobody knows. */
    const struct json_value *value;
};

static size_t node_size(const void *data)
{
    const struct node *node = data;
    return node->value->count;
}

static struct cel_value list_item(struct arena *arena, const void *data, size_t index)
{
    const struct node *node = data;
    return custom_value_of(arena, node->schema == NULL ? NULL : node->schema->items,
                           node->value->items[index]);
}

static bool has_properties(const struct node *node)
{
    return node->schema != NULL && node->schema->additional == NULL;
}

static const struct structural *member_schema(const struct node *node, struct slice name)
{
    return node->schema == NULL ? NULL : structural_member(node->schema, name);
}

static bool map_find(struct arena *arena, const void *data, const struct cel_value *key,
                     struct cel_value *ret_value)
{
    const struct node *node = data;
    if (key->kind != CEL_STRING) {
        return false;
    }
    struct slice name = key->text;
    if (has_properties(node) && !custom_unescape(arena, key->text, &name)) {
        return false;
    }
    const struct json_value *value = json_get(node->value, name);
    if (value == NULL || (has_properties(node) && value->type == JSON_NULL)) {
        return false; /* A property that is null is as good as absent. */
    }
    *ret_value = custom_value_of(arena, member_schema(node, name), value);
    return true;
}

static void map_entry(struct arena *arena, const void *data, size_t index,
                      struct cel_value *ret_key, struct cel_value *ret_value)
{
    const struct node *node = data;
    const struct json_member *member = &node->value->members[index];
    struct slice name = member->name;
    if (has_properties(node)) {
        (void)custom_escape(arena, member->name, &name); /* What cannot be written stays. */
    }
    *ret_key = cel_string(name);
    *ret_value = custom_value_of(arena, member_schema(node, member->name), member->value);
}

/* The item of a set is what it is; that of a list map is its keys. */
static void item_identity(struct arena *arena, const void *data, const struct cel_value *item,
                          struct buffer *out)
{
    const struct node *node = data;
    const Apiextensions__V1__JSONSchemaProps *source = node->schema->source;
    if (node->schema->list == STRUCTURAL_LIST_SET || item->kind != CEL_MAP) {
        cel_value_print(arena, item, out);
        return;
    }
    for (size_t i = 0; i < source->n_x_kubernetes_list_map_keys; i++) {
        struct slice name = slice_text(source->x_kubernetes_list_map_keys[i]);
        (void)custom_escape(arena, name, &name);
        struct cel_value key = cel_string(name), value = cel_null();
        (void)cel_map_find(arena, item, &key, &value);
        cel_value_print(arena, &value, out);
        buffer_append_byte(out, ',');
    }
}

static const struct cel_list_view list_view = {.size = node_size, .item = list_item};
static const struct cel_list_view unordered_view = {
    .size = node_size, .item = list_item, .identity = item_identity};
static const struct cel_map_view map_view = {
    .size = node_size, .find = map_find, .entry = map_entry};

/* --- Texts and numbers -------------------------------------------------------------------------
 */

static struct cel_value bytes_value(struct arena *arena, struct slice text)
{
    uint8_t *bytes = arena_alloc(arena, text.len / 4 * 3 + 3);
    size_t len = 0, position = 0;
    if (base64_decode_padded(text, bytes, &len, &position) < 0) {
        return cel_error(arena_printf(arena,
                                      "Invalid byte formatted string %.*s: illegal base64 data at "
                                      "input byte %zu",
                                      (int)text.len, (const char *)text.data, position));
    }
    return cel_bytes(slice_of(bytes, len));
}

static struct cel_value time_value(struct arena *arena, struct slice text, bool is_date)
{
    int64_t seconds = 0;
    int32_t nanos = 0;
    struct slice whole = text;
    if (is_date) {
        whole = slice_text(
            arena_printf(arena, "%.*sT00:00:00Z", (int)text.len, (const char *)text.data));
    }
    if (time_parse(whole, &seconds, &nanos) == 0) {
        return cel_timestamp(seconds, nanos);
    }
    return cel_error(arena_printf(arena, "Invalid %s formatted string %.*s",
                                  is_date ? "date" : "date-time", (int)text.len,
                                  (const char *)text.data));
}

static struct cel_value span_value(struct arena *arena, struct slice text)
{
    int64_t nanos = 0;
    if (duration_parse(text, &nanos) == 0) {
        return cel_duration(nanos);
    }
    return cel_error(
        arena_printf(arena, "Invalid duration %.*s", (int)text.len, (const char *)text.data));
}

static struct cel_value text_value(struct arena *arena, const struct structural *schema,
                                   struct slice text)
{
    bool is_text = schema == NULL || schema->int_or_string || schema->type != STRUCTURAL_STRING;
    const char *format = is_text ? "" : text_or_empty(schema->source->format);
    if (strcmp(format, "byte") == 0) {
        return bytes_value(arena, text);
    }
    if (strcmp(format, "date") == 0 || strcmp(format, "date-time") == 0) {
        return time_value(arena, text, format[sizeof("date") - 1] == '\0');
    }
    return strcmp(format, "duration") == 0 ? span_value(arena, text) : cel_string(text);
}

static struct cel_value number_value(const struct structural *schema,
                                     const struct json_value *value)
{
    int64_t integer = 0;
    double number = 0;
    bool real = schema != NULL && schema->type == STRUCTURAL_NUMBER;
    if (!real && json_int64(value, &integer) == 0) {
        return cel_int(integer);
    }
    return json_double(value, &number) == 0 ? cel_double(number)
                                            : cel_error("the number is out of range");
}

struct cel_value custom_value_of(struct arena *arena, const struct structural *schema,
                                 const struct json_value *value)
{
    struct node *node = NULL;
    switch (value->type) {
    case JSON_NULL:
        return cel_null();
    case JSON_BOOL:
        return cel_bool(value->boolean);
    case JSON_NUMBER:
        return number_value(schema, value);
    case JSON_STRING:
        return text_value(arena, schema, value->text);
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    node = arena_alloc(arena, sizeof(*node));
    *node = (struct node){schema, value};
    if (value->type == JSON_OBJECT) {
        return cel_map(&map_view, node);
    }
    bool unordered = schema != NULL && schema->list != STRUCTURAL_LIST_ATOMIC;
    return cel_list(unordered ? &unordered_view : &list_view, node);
}
