#include "lib/api/message_types.h"

#include "lib/api/custom_types.h"

/* What `cel_type.data` of an object points to. */
struct message_object {
    struct arena *arena;
    const struct api_message *table;
    bool is_resource;
};

static const struct cel_type *value_type(struct arena *arena, const struct api_field *field,
                                         const char *name)
{
    switch ((enum api_type)field->type) {
    case API_BOOL:
        return &cel_type_bool;
    case API_INT32:
    case API_INT64:
        return &cel_type_int;
    case API_DOUBLE:
        return &cel_type_double;
    case API_STRING:
    case API_QUANTITY:
    case API_DURATION:
        return &cel_type_string;
    case API_BYTES:
        return (field->flags & API_RAW_JSON) != 0 ? &cel_type_dyn : &cel_type_bytes;
    case API_OBJECT:
        return message_type(arena, field->message, field->message->type_meta, name);
    case API_TIME:
    case API_MICRO_TIME:
        return &cel_type_timestamp;
    case API_LIST_MESSAGE:
        return cel_type_list(arena, &cel_type_string);
    case API_INT_OR_STRING:
    case API_RAW_OBJECT:
    case API_RAW_VALUE:
    case API_ENVELOPE:
    case API_ONE_OR_LIST:
    case API_ONE_OR_BOOL:
        break;
    }
    return &cel_type_dyn;
}

static const struct cel_type *message_field(const struct cel_type *type, struct slice escaped)
{
    const struct message_object *object = type->data;
    struct arena *arena = object->arena;
    struct slice name = escaped;
    /* Objects of policies are read by the names as they are: both forms are good. */
    (void)custom_unescape(arena, escaped, &name);
    const struct api_member *member = api_message_member(object->table, name);
    if (member == NULL) {
        bool implied =
            object->is_resource && (slice_is(name, "apiVersion") || slice_is(name, "kind"));
        return implied ? &cel_type_string : NULL;
    }
    const char *path =
        arena_printf(arena, "%s.%.*s", type->name, (int)name.len, (const char *)name.data);
    switch ((enum api_label)member->field->label) {
    case API_SINGLE:
        break;
    case API_REPEATED:
        return cel_type_list(
            arena, value_type(arena, member->field, arena_printf(arena, "%s.@idx", path)));
    case API_MAP:
        return cel_type_map(
            arena, &cel_type_string,
            value_type(arena, member->field, arena_printf(arena, "%s.@elem", path)));
    }
    return value_type(arena, member->field, path);
}

const struct cel_type *message_type(struct arena *arena, const struct api_message *table,
                                    bool is_resource, const char *name)
{
    struct message_object *object = arena_alloc(arena, sizeof(*object));
    struct cel_type *type = arena_alloc(arena, sizeof(*type));
    *object = (struct message_object){arena, table, is_resource};
    *type = (struct cel_type){.kind = CEL_TYPE_OBJECT,
                              .name = name,
                              .field = message_field,
                              .data = object,
                              .size_max = CEL_SIZE_UNKNOWN};
    return type;
}
