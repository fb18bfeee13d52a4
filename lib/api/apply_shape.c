#include "lib/api/apply_shape.h"

#include "lib/api/custom.h"

struct apply_shape apply_shape_of_message(const struct api_message *message)
{
    bool whole = message == NULL || message->form != API_OBJECT || message->map_atomic;
    return (struct apply_shape){.kind = whole ? APPLY_LEAF : APPLY_STRUCT, .message = message};
}

/* A value inside a custom resource. Of what no schema tells, objects merge and lists do not. */
static struct apply_shape shape_of_schema(const struct structural *schema)
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

struct apply_shape apply_shape_of_member(const struct apply_shape *shape, struct slice name)
{
    if (shape->custom) {
        return shape_of_schema(shape->schema == NULL ? NULL
                                                     : structural_member(shape->schema, name));
    }
    if (shape->kind == APPLY_MAP) {
        if (shape->field->type == API_OBJECT) {
            return apply_shape_of_message(shape->field->message);
        }
        return (struct apply_shape){.kind = APPLY_LEAF};
    }
    const struct api_member *member =
        shape->kind == APPLY_STRUCT ? api_message_member(shape->message, name) : NULL;
    if (member == NULL && shape->kind == APPLY_STRUCT && shape->message->custom != NULL) {
        const struct structural *schema = custom_schema(shape->message->custom);
        return shape_of_schema(schema == NULL ? NULL : structural_member(schema, name));
    }
    if (member == NULL) {
        return (struct apply_shape){.kind = APPLY_LEAF};
    }
    return apply_shape_of_field(member->field);
}

struct apply_shape apply_shape_of_item(const struct apply_shape *shape)
{
    return shape->custom
               ? shape_of_schema(shape->schema->items)
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
    struct json_value *keys = json_new_object(arena);
    if (item->type != JSON_OBJECT) {
        return NULL;
    }
    for (size_t i = 0; key_at(shape, i) != NULL; i++) {
        const struct json_value *value = key_value(arena, shape, item, key_at(shape, i));
        if (value == NULL) {
            return NULL;
        }
        json_set_text(arena, keys, key_at(shape, i), json_copy(arena, value));
    }
    buffer_append_text(&text, "k:");
    json_print(keys, /* sorted= */ true, &text);
    return arena_text_n(arena, buffer_text(&text), text.len);
}

size_t apply_item_find(struct arena *arena, const struct apply_shape *shape,
                       const struct json_value *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *other = apply_item_name(arena, shape, list->items[i]);
        if (other != NULL && strcmp(other, name) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}
