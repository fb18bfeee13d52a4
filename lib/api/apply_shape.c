#include "lib/api/apply_shape.h"

#include "k8s/tables.h"
#include "lib/api/custom.h"
#include <stdlib.h>

struct apply_shape apply_shape_of_message(const struct api_message *message)
{
    bool whole = message == NULL || message->form != API_OBJECT || message->map_atomic;
    return (struct apply_shape){.kind = whole ? APPLY_LEAF : APPLY_STRUCT, .message = message};
}

struct apply_shape apply_shape_of_schema(const struct structural *schema)
{
    struct apply_shape shape = {.kind = APPLY_MAP, .schema = schema, .custom = true};
    if (schema == NULL) {
        return shape;
    }
    if (schema->map_atomic) {
        shape.kind = APPLY_LEAF;
    } else if (schema->type == STRUCTURAL_ARRAY) {
        shape.kind = schema->list == STRUCTURAL_LIST_MAP   ? APPLY_KEYED
                     : schema->list == STRUCTURAL_LIST_SET ? APPLY_SET
                                                           : APPLY_LEAF;
    } else if (schema->type != STRUCTURAL_OBJECT && !schema->preserve_unknown) {
        shape.kind = APPLY_LEAF;
    }
    return shape;
}

struct apply_shape apply_shape_of_field(const struct api_field *field)
{
    const struct apply_shape leaf = {.kind = APPLY_LEAF};
    if ((field->flags & API_MAP_ATOMIC) != 0) {
        return leaf;
    }
    switch ((enum api_label)field->label) {
    case API_MAP:
        return (struct apply_shape){.kind = APPLY_MAP, .field = field};
    case API_REPEATED:
        if ((field->flags & API_LIST_MAP) != 0 && field->rules->list_map_keys != NULL) {
            return (struct apply_shape){.kind = APPLY_KEYED, .field = field};
        }
        return (field->flags & API_LIST_SET) != 0
                   ? (struct apply_shape){.kind = APPLY_SET, .field = field}
                   : leaf;
    case API_SINGLE:
        return field->type == API_OBJECT ? apply_shape_of_message(field->message) : leaf;
    }
    return leaf;
}

/* A member of an object that a schema describes, or that nothing does. */
static struct apply_shape shape_of_property(const struct structural *schema, struct slice name)
{
    if (schema != NULL && schema->embedded_resource && structural_is_type_meta(name)) {
        return slice_is(name, "metadata") ? apply_shape_of_message(&meta__v1__object_meta__schema)
                                          : (struct apply_shape){.kind = APPLY_LEAF};
    }
    struct apply_shape shape =
        apply_shape_of_schema(schema == NULL ? NULL : structural_member(schema, name));
    shape.entry = schema == NULL || structural_property(schema, name) == NULL;
    return shape;
}

struct apply_shape apply_shape_of_member(const struct apply_shape *shape, struct slice name)
{
    if (shape->custom) {
        return shape_of_property(shape->schema, name);
    }
    if (shape->kind == APPLY_MAP) {
        struct apply_shape entry = {.kind = APPLY_LEAF};
        if (shape->field->type == API_OBJECT) {
            entry = apply_shape_of_message(shape->field->message);
        }
        entry.entry = true;
        return entry;
    }
    const struct api_member *member =
        shape->kind == APPLY_STRUCT ? api_message_member(shape->message, name) : NULL;
    if (member == NULL && shape->kind == APPLY_STRUCT && shape->message->custom != NULL) {
        return shape_of_property(custom_schema(shape->message->custom), name);
    }
    if (member == NULL) {
        return (struct apply_shape){.kind = APPLY_LEAF, .entry = true};
    }
    return apply_shape_of_field(member->field);
}

struct apply_shape apply_shape_of_item(const struct apply_shape *shape)
{
    if (shape->kind == APPLY_SET) {
        return (struct apply_shape){.kind = APPLY_LEAF};
    }
    return shape->custom
               ? apply_shape_of_schema(shape->schema->items)
               : apply_shape_of_message(shape->field->message); /* An owner is one piece. */
}

/* A key that is absent counts as its default (the protocol of a port is TCP). */
static const struct json_value *key_value(struct arena *arena, const struct apply_shape *shape,
                                          const struct json_value *item, const char *key)
{
    const struct json_value *value = json_get_text(item, key);
    struct json_value *parsed = NULL;
    if (value != NULL) {
        return value;
    }
    if (shape->custom) {
        const struct structural *property =
            shape->schema->items == NULL
                ? NULL
                : structural_property(shape->schema->items, slice_text(key));
        return property == NULL ? NULL : property->default_value;
    }
    const struct api_member *member = api_message_member_text(shape->field->message, key);
    if (member == NULL || member->field->rules->default_json == NULL ||
        json_parse(arena, slice_text(member->field->rules->default_json), &parsed, NULL) != 0) {
        return NULL;
    }
    return parsed;
}

/* The key number `index` of a keyed list, or NULL after the last. */
static const char *key_at(const struct apply_shape *shape, size_t index)
{
    if (!shape->custom) {
        return shape->field->rules->list_map_keys[index];
    }
    const Apiextensions__V1__JSONSchemaProps *source = shape->schema->source;
    return index < source->n_x_kubernetes_list_map_keys ? source->x_kubernetes_list_map_keys[index]
                                                        : NULL;
}

const char *apply_item_name(struct arena *arena, const struct apply_shape *shape,
                            const struct json_value *item)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    if (shape->kind == APPLY_SET) {
        buffer_append_text(&text, "v:");
        json_print(item, /* sorted= */ true, &text);
        return arena_text_n(arena, buffer_text(&text), text.len);
    }
    if (item->type != JSON_OBJECT) {
        return NULL;
    }
    struct json_value *keys = json_new_object(arena); /* Only to be printed: it borrows. */
    for (size_t i = 0; key_at(shape, i) != NULL; i++) {
        const struct json_value *value = key_value(arena, shape, item, key_at(shape, i));
        if (value == NULL) {
            return NULL;
        }
        json_add_lent(arena, keys, slice_text(key_at(shape, i)),
                      (struct json_value *)(uintptr_t)value);
    }
    buffer_append_text(&text, "k:");
    json_print(keys, /* sorted= */ true, &text);
    return arena_text_n(arena, buffer_text(&text), text.len);
}

const char *apply_missing_key(struct arena *arena, const struct apply_shape *shape,
                              const struct json_value *item)
{
    size_t i = 0;
    while (key_at(shape, i) != NULL && key_value(arena, shape, item, key_at(shape, i)) != NULL) {
        i++;
    }
    return key_at(shape, i);
}

bool apply_shape_has_members(const struct apply_shape *shape)
{
    return shape->kind == APPLY_STRUCT || shape->kind == APPLY_MAP;
}

bool apply_shape_has_items(const struct apply_shape *shape)
{
    return shape->kind == APPLY_KEYED || shape->kind == APPLY_SET;
}

/* --- Items ------------------------------------------------------------------------------------ */

static int by_name_and_place(const void *a, const void *b)
{
    const char **const *left = a, **const *right = b;
    int order = strcmp(**left, **right);
    return order != 0 ? order : (*left > *right) - (*left < *right);
}

struct apply_items apply_items_of(struct arena *arena, const struct apply_shape *shape,
                                  const struct json_value *list)
{
    struct apply_items items = {.count = list->count};
    items.names = arena_array(arena, list->count, sizeof(*items.names));
    items.ordered = arena_array(arena, list->count, sizeof(*items.ordered));
    for (size_t i = 0; i < list->count; i++) {
        items.names[i] = apply_item_name(arena, shape, list->items[i]);
        if (items.names[i] != NULL) {
            items.ordered[items.ordered_count++] = &items.names[i];
        }
    }
    if (items.ordered_count > 1) {
        qsort(items.ordered, items.ordered_count, sizeof(*items.ordered), by_name_and_place);
    }
    return items;
}

/* Place in `ordered` of the first that is not below the name (`after`: that is above it). */
static size_t bound(const struct apply_items *items, const char *name, bool after)
{
    size_t low = 0, high = items->ordered_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(*items->ordered[middle], name);
        if (order < 0 || (after && order == 0)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

size_t apply_items_count(const struct apply_items *items, const char *name)
{
    return bound(items, name, /* after= */ true) - bound(items, name, /* after= */ false);
}

size_t apply_items_at(const struct apply_items *items, const char *name, size_t place)
{
    return (size_t)(items->ordered[bound(items, name, /* after= */ false) + place] - items->names);
}

size_t apply_items_first(const struct apply_items *items, const char *name)
{
    return apply_items_at(items, name, 0);
}
