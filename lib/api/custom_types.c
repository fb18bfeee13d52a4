#include "lib/api/custom_types.h"

#include "lib/api/json_value.h"

/* The least that values take as JSON, and the most that times have as text. */
enum {
    NUMBER_MIN = 1, /* 0 */
    TEXT_MIN = 2,   /* "" */
    LIST_MIN = 2,   /* [] */
    OBJECT_MIN = 2, /* {} */
    SPAN_MIN = 3,   /* "0" */
    BOOL_MIN = 4,   /* true */
    DATE_SIZE = 12, /* "2006-01-02" */
    TIME_MIN = 21,
    TIME_MAX = 32,
    SPAN_MAX = 32,
    MEMBER_MIN = 4, /* "":, beside the name and the value of a member that has to be there. */
    ENTRY_MIN = 6,  /* The same of an entry of a map, with a name. */
    RUNE_MAX = 4,   /* Bytes of a character. */
};

/* Numbers and names of entries have no size, as v1.32 counts it. */
static const struct cel_type bool_type = {.kind = CEL_TYPE_BOOL};
static const struct cel_type int_type = {.kind = CEL_TYPE_INT};
static const struct cel_type double_type = {.kind = CEL_TYPE_DOUBLE};
static const struct cel_type date_type = {.kind = CEL_TYPE_TIMESTAMP, .size_max = DATE_SIZE};
static const struct cel_type time_type = {.kind = CEL_TYPE_TIMESTAMP, .size_max = TIME_MAX};
static const struct cel_type span_type = {.kind = CEL_TYPE_DURATION, .size_max = SPAN_MAX};
static const struct cel_type key_type = {.kind = CEL_TYPE_STRING};
static const struct cel_type any_type = {.kind = CEL_TYPE_DYN,
                                         .size_max = CUSTOM_REQUEST_MAX - TEXT_MIN};
static const struct cel_type text_type = {.kind = CEL_TYPE_STRING,
                                          .size_max = CUSTOM_REQUEST_MAX - TEXT_MIN};

static uint64_t bound(bool has_max, int64_t max, uint64_t otherwise)
{
    return !has_max ? otherwise : max < 0 ? 0 : (uint64_t)max;
}

static const struct cel_type *sized(struct arena *arena, const struct cel_type *type, uint64_t max)
{
    struct cel_type *copy = arena_alloc(arena, sizeof(*copy));
    *copy = *type;
    copy->size_max = max;
    return copy;
}

static bool has_format(const struct structural *schema, const char *format)
{
    return strcmp(text_or_empty(schema->source->format), format) == 0;
}

/* --- Objects -----------------------------------------------------------------------------------
 */

/* What `cel_type.data` of an object points to. */
struct object_type {
    struct arena *arena;
    const struct structural *schema; /* NULL for the metadata that every resource has. */
    bool has_implied; /* apiVersion, kind and metadata, whatever the schema says of them. */
    const struct cel_type *metadata;    /* When they are implied. */
    const struct cel_type **properties; /* By the schema's order; NULL before they are asked for. */
};

static const char *const text_members[] = {"apiVersion", "kind"};
static const char *const metadata_members[] = {"name", "generateName"};

static bool is_among(struct slice name, const char *const *names, size_t count)
{
    size_t i = 0;
    while (i < count && !slice_is(name, names[i])) {
        i++;
    }
    return i < count;
}

static bool all_are_texts(const struct structural *schema, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct structural *property = structural_property(schema, slice_text(names[i]));
        if (property == NULL || property->type != STRUCTURAL_STRING) {
            return false;
        }
    }
    return true;
}

/* Whether a resource's own schema says all that would be implied. */
static bool says_all(const struct structural *schema)
{
    const struct structural *metadata = structural_property(schema, slice_text("metadata"));
    return metadata != NULL && metadata->type == STRUCTURAL_OBJECT &&
           all_are_texts(schema, text_members, ARRAY_LEN(text_members)) &&
           all_are_texts(metadata, metadata_members, ARRAY_LEN(metadata_members));
}

static const struct cel_type *object_type(struct arena *arena, const struct structural *schema,
                                          bool has_implied, const char *name);

static const struct cel_type *property_type(const struct cel_type *type,
                                            const struct object_type *object, struct slice name)
{
    const struct structural *schema = object->schema;
    struct structural_property *property = NULL;
    for (size_t i = 0; property == NULL && i < schema->property_count; i++) {
        property = slice_equal(schema->properties[i].name, name) ? &schema->properties[i] : NULL;
    }
    if (property == NULL) {
        return NULL;
    }
    const struct cel_type **known = &object->properties[property - schema->properties];
    if (*known == NULL) {
        *known = custom_type(object->arena, property->schema, property->schema->embedded_resource,
                             arena_printf(object->arena, "%s.%.*s", type->name, (int)name.len,
                                          (const char *)name.data));
    }
    return *known;
}

static const struct cel_type *object_field(const struct cel_type *type, struct slice escaped)
{
    const struct object_type *object = type->data;
    CLEANUP(arena_freep) struct arena *scratch = arena_new(SIZE_MAX);
    struct slice name, again;
    if (!custom_unescape(scratch, escaped, &name) || !custom_escape(scratch, name, &again) ||
        !slice_equal(escaped, again)) {
        return NULL;
    }
    if (object->schema == NULL) {
        return is_among(name, metadata_members, ARRAY_LEN(metadata_members)) ? &text_type : NULL;
    }
    if (object->has_implied && is_among(name, text_members, ARRAY_LEN(text_members))) {
        return &text_type;
    }
    if (object->has_implied && slice_is(name, "metadata")) {
        return object->metadata;
    }
    return property_type(type, object, name);
}

static const struct cel_type *object_type(struct arena *arena, const struct structural *schema,
                                          bool has_implied, const char *name)
{
    struct object_type *object = arena_zeroed(arena, sizeof(*object));
    struct cel_type *type = arena_zeroed(arena, sizeof(*type));
    *object = (struct object_type){.arena = arena, .schema = schema, .has_implied = has_implied};
    if (schema != NULL && schema->property_count > 0) {
        object->properties = arena_array(arena, schema->property_count, sizeof(void *));
    }
    if (has_implied) {
        object->metadata =
            object_type(arena, NULL, false, arena_printf(arena, "%s.metadata", name));
    }
    *type = (struct cel_type){
        .kind = CEL_TYPE_OBJECT, .name = name, .field = object_field, .data = object};
    return type;
}

/* --- Other types -------------------------------------------------------------------------------
 */

static const struct cel_type *list_type(struct arena *arena, const struct structural *schema,
                                        const char *name)
{
    const struct structural *items = schema->items;
    const struct cel_type *item = items == NULL
                                      ? NULL
                                      : custom_type(arena, items, items->embedded_resource,
                                                    arena_printf(arena, "%s.@idx", name));
    if (item == NULL) {
        return NULL;
    }
    uint64_t fitting =
        (CUSTOM_REQUEST_MAX - LIST_MIN) / (custom_size_min(items, items->embedded_resource) + 1);
    return sized(arena, cel_type_list(arena, item),
                 bound(schema->source->has_max_items, schema->source->max_items, fitting));
}

static const struct cel_type *map_type(struct arena *arena, const struct structural *schema,
                                       const char *name)
{
    const struct structural *values = schema->additional;
    const struct cel_type *value = custom_type(arena, values, values->embedded_resource,
                                               arena_printf(arena, "%s.@elem", name));
    if (value == NULL) {
        return NULL;
    }
    uint64_t fitting = (CUSTOM_REQUEST_MAX - OBJECT_MIN) /
                       (custom_size_min(values, values->embedded_resource) + ENTRY_MIN);
    return sized(
        arena, cel_type_map(arena, &key_type, value),
        bound(schema->source->has_max_properties, schema->source->max_properties, fitting));
}

static uint64_t longest_value(const struct structural *schema)
{
    uint64_t longest = 0;
    for (size_t i = 0; i < schema->value_count; i++) {
        const struct json_value *value = schema->values[i];
        if (value->type == JSON_STRING && value->text.len > longest) {
            longest = value->text.len;
        }
    }
    return longest;
}

static const struct cel_type *string_type(struct arena *arena, const struct structural *schema)
{
    const Apiextensions__V1__JSONSchemaProps *source = schema->source;
    if (has_format(schema, "byte")) {
        return sized(arena, &cel_type_bytes,
                     bound(source->has_max_length, source->max_length, text_type.size_max));
    }
    if (has_format(schema, "duration")) {
        return &span_type;
    }
    if (has_format(schema, "date")) {
        return &date_type;
    }
    if (has_format(schema, "date-time")) {
        return &time_type;
    }
    if (!source->has_max_length) {
        return schema->value_count == 0 ? &text_type
                                        : sized(arena, &cel_type_string, longest_value(schema));
    }
    uint64_t max = bound(true, source->max_length, 0);
    return sized(arena, &cel_type_string,
                 max > UINT64_MAX / RUNE_MAX ? UINT64_MAX : max * RUNE_MAX);
}

const struct cel_type *custom_type(struct arena *arena, const struct structural *schema,
                                   bool is_resource, const char *name)
{
    if (schema->int_or_string) {
        return &any_type;
    }
    switch (schema->type) {
    case STRUCTURAL_OBJECT:
        if (schema->additional != NULL) {
            return map_type(arena, schema, name);
        }
        return object_type(arena, schema, is_resource && !says_all(schema), name);
    case STRUCTURAL_ARRAY:
        return list_type(arena, schema, name);
    case STRUCTURAL_STRING:
        return string_type(arena, schema);
    case STRUCTURAL_INTEGER:
        return &int_type;
    case STRUCTURAL_NUMBER:
        return &double_type;
    case STRUCTURAL_BOOLEAN:
        return &bool_type;
    case STRUCTURAL_ANY:
    case STRUCTURAL_UNKNOWN:
        break;
    }
    return NULL;
}

/* --- Sizes of JSON -----------------------------------------------------------------------------
 */

/* Whether expressions see values of the schema: whether custom_type() has a type for it. */
static bool is_seen(const struct structural *schema)
{
    while (!schema->int_or_string && schema->type == STRUCTURAL_ARRAY) {
        if (schema->items == NULL) {
            return false;
        }
        schema = schema->items;
    }
    if (schema->int_or_string) {
        return true;
    }
    if (schema->type == STRUCTURAL_OBJECT && schema->additional != NULL) {
        return is_seen(schema->additional);
    }
    return schema->type != STRUCTURAL_ANY && schema->type != STRUCTURAL_UNKNOWN;
}

static uint64_t string_size_min(const struct structural *schema)
{
    return has_format(schema, "duration")    ? SPAN_MIN
           : has_format(schema, "date")      ? DATE_SIZE
           : has_format(schema, "date-time") ? TIME_MIN
                                             : TEXT_MIN;
}

/* A member that has to be there, unless the server fills it in. */
static uint64_t member_size_min(const struct structural *schema, bool has_implied,
                                struct slice name)
{
    if (has_implied &&
        (slice_is(name, "metadata") || is_among(name, text_members, ARRAY_LEN(text_members)))) {
        return name.len + OBJECT_MIN + MEMBER_MIN; /* A text takes the same. */
    }
    const struct structural *property = structural_property(schema, name);
    if (property == NULL || property->default_value != NULL || !is_seen(property)) {
        return 0;
    }
    return name.len + custom_size_min(property, property->embedded_resource) + MEMBER_MIN;
}

static uint64_t object_size_min(const struct structural *schema, bool is_resource)
{
    bool has_implied = is_resource && !says_all(schema);
    uint64_t size = OBJECT_MIN;
    for (size_t i = 0; schema->additional == NULL && i < schema->source->n_required; i++) {
        size += member_size_min(schema, has_implied, slice_text(schema->source->required[i]));
    }
    return size;
}

uint64_t custom_size_min(const struct structural *schema, bool is_resource)
{
    if (schema->int_or_string) {
        return NUMBER_MIN;
    }
    switch (schema->type) {
    case STRUCTURAL_OBJECT:
        return object_size_min(schema, is_resource);
    case STRUCTURAL_ARRAY:
        return LIST_MIN;
    case STRUCTURAL_STRING:
        return string_size_min(schema);
    case STRUCTURAL_BOOLEAN:
        return BOOL_MIN;
    case STRUCTURAL_INTEGER:
    case STRUCTURAL_NUMBER:
    case STRUCTURAL_ANY:
    case STRUCTURAL_UNKNOWN:
        break;
    }
    return NUMBER_MIN;
}
