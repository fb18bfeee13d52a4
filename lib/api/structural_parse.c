/* From the message of a schema to the nodes that objects are held against. */
#include "lib/api/limits.h"
#include "lib/api/structural.h"
#include "lib/cel/regex.h"
#include <stdlib.h>

static const struct structural *
parse(struct arena *arena, const Apiextensions__V1__JSONSchemaProps *source, size_t depth);

static enum structural_type type_of(const char *name)
{
    static const char *const names[] = {[STRUCTURAL_ANY] = "",
                                        [STRUCTURAL_OBJECT] = "object",
                                        [STRUCTURAL_ARRAY] = "array",
                                        [STRUCTURAL_STRING] = "string",
                                        [STRUCTURAL_INTEGER] = "integer",
                                        [STRUCTURAL_NUMBER] = "number",
                                        [STRUCTURAL_BOOLEAN] = "boolean"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(text_or_empty(name), names[i]) == 0) {
            return (enum structural_type)i;
        }
    }
    return STRUCTURAL_UNKNOWN;
}

static enum structural_list list_of(const char *name)
{
    return strcmp(text_or_empty(name), "set") == 0   ? STRUCTURAL_LIST_SET
           : strcmp(text_or_empty(name), "map") == 0 ? STRUCTURAL_LIST_MAP
                                                     : STRUCTURAL_LIST_ATOMIC;
}

static const struct json_value *value_of(struct arena *arena, const Apiextensions__V1__JSON *json)
{
    struct json_value *value = NULL;
    if (json == NULL || json->raw.len == 0 ||
        json_parse(arena, slice_of(json->raw.data, json->raw.len), &value, NULL) < 0) {
        return NULL;
    }
    return value;
}

static struct structural_alternatives
parse_alternatives(struct arena *arena, Apiextensions__V1__JSONSchemaProps *const *sources,
                   size_t count, size_t depth)
{
    struct structural_alternatives list = {0};
    if (count > 0) {
        list.items = arena_array(arena, count, sizeof(const struct structural *));
    }
    for (size_t i = 0; i < count; i++) {
        const struct structural *item = parse(arena, sources[i], depth + 1);
        if (item != NULL) {
            list.items[list.count++] = item;
        }
    }
    return list;
}

static int by_name(const void *a, const void *b)
{
    const struct structural_property *left = a, *right = b;
    return slice_compare(left->name, right->name);
}

static void parse_properties(struct arena *arena, struct structural *schema, size_t depth)
{
    const Apiextensions__V1__JSONSchemaProps *source = schema->source;
    if (source->n_properties == 0) {
        return;
    }
    schema->properties = arena_array(arena, source->n_properties, sizeof(*schema->properties));
    for (size_t i = 0; i < source->n_properties; i++) {
        const struct structural *property = parse(arena, source->properties[i]->value, depth + 1);
        if (property != NULL) {
            schema->properties[schema->property_count++] = (struct structural_property){
                slice_text(text_or_empty(source->properties[i]->key)), property};
        }
    }
    qsort(schema->properties, schema->property_count, sizeof(*schema->properties), by_name);
}

static void parse_nested(struct arena *arena, struct structural *schema, size_t depth)
{
    const Apiextensions__V1__JSONSchemaProps *source = schema->source;
    const Apiextensions__V1__JSONSchemaPropsOrBool *additional = source->additional_properties;
    parse_properties(arena, schema, depth);
    if (additional != NULL) {
        schema->additional = parse(arena, additional->schema, depth + 1);
        schema->has_additional = schema->additional != NULL || additional->allows;
    }
    if (source->items != NULL) {
        schema->items = parse(arena, source->items->schema, depth + 1);
    }
    schema->all_of = parse_alternatives(arena, source->all_of, source->n_all_of, depth);
    schema->any_of = parse_alternatives(arena, source->any_of, source->n_any_of, depth);
    schema->one_of = parse_alternatives(arena, source->one_of, source->n_one_of, depth);
    schema->not_schema = parse(arena, source->not_, depth + 1);
}

static void parse_values(struct arena *arena, struct structural *schema)
{
    const Apiextensions__V1__JSONSchemaProps *source = schema->source;
    schema->default_value = value_of(arena, source->default_);
    if (source->n_enum_ > 0) {
        schema->values = arena_array(arena, source->n_enum_, sizeof(const struct json_value *));
    }
    for (size_t i = 0; i < source->n_enum_; i++) {
        const struct json_value *value = value_of(arena, source->enum_[i]);
        if (value != NULL) {
            schema->values[schema->value_count++] = value;
        }
    }
    if (text_or_empty(source->pattern)[0] != '\0' &&
        cel_regex_compile(arena, slice_text(source->pattern), &schema->pattern, NULL) < 0) {
        schema->pattern = NULL; /* The check of the definition tells. */
    }
}

static const struct structural *
parse(struct arena *arena, const Apiextensions__V1__JSONSchemaProps *source, size_t depth)
{
    if (source == NULL || depth > API_SCHEMA_DEPTH_MAX) {
        return NULL;
    }
    struct structural *schema = arena_zeroed(arena, sizeof(*schema));
    *schema = (struct structural){
        .source = source,
        .type = type_of(source->type),
        .list = list_of(source->x_kubernetes_list_type),
        .int_or_string = source->x_kubernetes_int_or_string,
        .preserve_unknown = source->x_kubernetes_preserve_unknown_fields,
        .embedded_resource = source->x_kubernetes_embedded_resource,
        .nullable = source->nullable,
        .map_atomic = strcmp(text_or_empty(source->x_kubernetes_map_type), "atomic") == 0,
    };
    parse_values(arena, schema);
    parse_nested(arena, schema, depth);
    return schema;
}

const struct structural *structural_parse(struct arena *arena,
                                          const Apiextensions__V1__JSONSchemaProps *source)
{
    return parse(arena, source, 0);
}

const struct structural *structural_property(const struct structural *schema, struct slice name)
{
    struct structural_property key = {.name = name};
    const struct structural_property *found =
        schema->property_count == 0
            ? NULL
            : bsearch(&key, schema->properties, schema->property_count, sizeof(key), by_name);
    return found == NULL ? NULL : found->schema;
}

const struct structural *structural_member(const struct structural *schema, struct slice name)
{
    const struct structural *property = structural_property(schema, name);
    return property == NULL ? schema->additional : property;
}
