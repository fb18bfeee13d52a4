#include "lib/api/rules/check_schema.h"

#include "lib/api/limits.h"
#include "lib/api/rules/check_validations.h"
#include "lib/api/rules/rules.h"
#include "lib/cel/regex.h"

typedef Apiextensions__V1__JSONSchemaProps props;

/* What is looked for: words that are not allowed, and, once there are none, what keeps a schema
 * from being structural. Inside allOf, anyOf, oneOf and not only values are constrained: shape is
 * said outside. */
enum pass { PASS_WORDS, PASS_SHAPE };

static void check(struct api_causes *causes, const struct api_path *at, const props *schema,
                  enum pass pass, unsigned depth);

static void check_keywords(struct api_causes *causes, const struct api_path *at,
                           const props *schema)
{
    const struct {
        bool used;
        const char *name, *why;
    } forbidden[] = {
        {!rules_empty(schema->ref), "$ref", "$ref is not supported"},
        {schema->n_definitions > 0, "definitions", "definitions is not supported"},
        {schema->n_dependencies > 0, "dependencies", "dependencies is not supported"},
        {schema->n_pattern_properties > 0, "patternProperties",
         "patternProperties is not supported"},
        {schema->additional_items != NULL, "additionalItems", "additionalItems is not supported"},
        {!rules_empty(schema->id), "id", "id is not supported"},
        {schema->unique_items, "uniqueItems",
         "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"},
        {schema->n_properties > 0 && schema->additional_properties != NULL &&
             schema->additional_properties->schema != NULL,
         "additionalProperties", "additionalProperties and properties are mutual exclusive"},
    };
    for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
        if (forbidden[i].used) {
            rules_forbidden(causes, at, forbidden[i].name, forbidden[i].why);
        }
    }
}

static void check_type(struct api_causes *causes, const struct api_path *at, const props *schema,
                       bool root)
{
    static const char *const types[] = {"array",  "boolean", "integer", "number",
                                        "object", "string",  NULL};
    if (rules_empty(schema->type)) {
        if (root) {
            rules_required(causes, at, "type", "must not be empty at the root");
        } else if (!schema->x_kubernetes_int_or_string &&
                   !schema->x_kubernetes_preserve_unknown_fields) {
            rules_required(causes, at, "type", "must not be empty for specified object fields");
        }
    } else if (root && !rules_is(schema->type, "object")) {
        rules_invalid(causes, at, "type", api_shown_text(schema->type),
                      "must be object at the root");
    } else if (!rules_one_of(schema->type, types)) {
        rules_not_supported(causes, at, "type", schema->type, types);
    }
    if (rules_is(schema->type, "array") &&
        (schema->items == NULL || schema->items->schema == NULL)) {
        rules_required(causes, at, "items", "must be specified");
    }
    if (!rules_empty(schema->type) && schema->x_kubernetes_int_or_string) {
        rules_invalid(causes, at, "type", api_shown_text(schema->type),
                      "must be empty if x-kubernetes-int-or-string is true");
    }
}

static void check_list(struct api_causes *causes, const struct api_path *at, const props *schema)
{
    static const char *const lists[] = {"atomic", "set", "map", NULL};
    static const char *const maps[] = {"atomic", "granular", NULL};
    struct api_path list = api_path_field(at, "x-kubernetes-list-type");
    struct api_path map = api_path_field(at, "x-kubernetes-map-type");
    const char *type = schema->x_kubernetes_list_type;
    if (type != NULL && !rules_one_of(type, lists)) {
        api_cause_not_among(causes, &list, api_shown_text(type), lists);
    }
    if (type != NULL && !rules_is(schema->type, "array")) {
        rules_invalid(causes, at, "type", api_shown_text(schema->type),
                      "must be array if x-kubernetes-list-type is specified");
    }
    if (rules_is(type, "map") && schema->n_x_kubernetes_list_map_keys == 0) {
        rules_required(causes, at, "x-kubernetes-list-map-keys",
                       "must not be empty if x-kubernetes-list-type is map");
    }
    if (schema->n_x_kubernetes_list_map_keys > 0 && !rules_is(type, "map")) {
        api_cause_invalid(causes, &list, api_shown_text(type),
                          "must be map if x-kubernetes-list-map-keys is non-empty");
    }
    if (schema->x_kubernetes_map_type != NULL &&
        !rules_one_of(schema->x_kubernetes_map_type, maps)) {
        api_cause_not_among(causes, &map, api_shown_text(schema->x_kubernetes_map_type), maps);
    }
}

static void check_pattern(struct api_causes *causes, const struct api_path *at, const props *schema)
{
    CLEANUP(error_release) struct error error = {0};
    const struct cel_regex *regex = NULL;
    if (!rules_empty(schema->pattern) &&
        cel_regex_compile(causes->arena, slice_text(schema->pattern), &regex, &error) < 0) {
        rules_invalid(causes, at, "pattern", api_shown_text(schema->pattern),
                      arena_printf(causes->arena,
                                   "must be a valid regular expression, but isn't: %s",
                                   error_message(&error)));
    }
}

static void check_each(struct api_causes *causes, const struct api_path *at, const char *name,
                       props *const *schemas, size_t count, unsigned depth)
{
    struct api_path list = api_path_field(at, name);
    for (size_t i = 0; i < count; i++) {
        struct api_path path = api_path_index(&list, i);
        check(causes, &path, schemas[i], PASS_WORDS, depth + 1);
    }
}

/* --- Below allOf, anyOf, oneOf and not: values are constrained, shape is said outside ------------
 */

/* What int-or-string is written as: anyOf with integer and string. */
static bool is_int_or_string(props *const *schemas, size_t count)
{
    static const char *const types[] = {"integer", "string"};
    bool same = count == ARRAY_LEN(types);
    for (size_t i = 0; same && i < count; i++) {
        const props *schema = schemas[i];
        same = rules_is(schema->type, types[i]) && schema->n_properties == 0 &&
               schema->items == NULL && schema->additional_properties == NULL &&
               schema->n_x_kubernetes_validations == 0 && !schema->nullable &&
               rules_empty(schema->description) && rules_empty(schema->title);
    }
    return same;
}

static void check_nested_words(struct api_causes *causes, const struct api_path *at,
                               const props *schema)
{
    static const char empty[] = "must be empty to be structural";
    static const char undefined[] = "must be undefined to be structural";
    static const char no[] = "must be false to be structural";
    const struct {
        bool used;
        const char *name, *why;
    } forbidden[] = {
        {schema->additional_properties != NULL, "additionalProperties", undefined},
        {schema->default_ != NULL && schema->default_->raw.len > 0, "default", undefined},
        {!rules_empty(schema->description), "description", empty},
        {schema->nullable, "nullable", no},
        {!rules_empty(schema->title), "title", empty},
        {!rules_empty(schema->type), "type", empty},
        {schema->x_kubernetes_embedded_resource, "x-kubernetes-embedded-resource", no},
        {schema->x_kubernetes_int_or_string, "x-kubernetes-int-or-string", no},
        {schema->n_x_kubernetes_list_map_keys > 0, "x-kubernetes-list-map-keys", empty},
        {schema->x_kubernetes_list_type != NULL, "x-kubernetes-list-type", undefined},
        {schema->x_kubernetes_map_type != NULL, "x-kubernetes-map-type", undefined},
        {schema->x_kubernetes_preserve_unknown_fields, "x-kubernetes-preserve-unknown-fields", no},
        {schema->n_x_kubernetes_validations > 0, "x-kubernetes-validations", empty},
    };
    for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
        if (forbidden[i].used) {
            rules_forbidden(causes, at, forbidden[i].name, forbidden[i].why);
        }
    }
}

static void check_alternatives(struct api_causes *causes, const struct api_path *at,
                               const props *schema, unsigned depth);

static void check_nested(struct api_causes *causes, const struct api_path *at, const props *schema,
                         unsigned depth)
{
    struct api_path properties = api_path_field(at, "properties");
    struct api_path items = api_path_field(at, "items");
    check_alternatives(causes, at, schema, depth);
    if (schema->items != NULL && schema->items->schema != NULL) {
        check_nested(causes, &items, schema->items->schema, depth + 1);
    }
    for (size_t i = 0; i < schema->n_properties; i++) {
        struct api_path path = api_path_key(&properties, text_or_empty(schema->properties[i]->key));
        check_nested(causes, &path, schema->properties[i]->value, depth + 1);
        if (rules_is(schema->properties[i]->key, "metadata")) {
            api_cause_forbidden(causes, &path, "must not be specified in a nested context");
        }
    }
    check_nested_words(causes, at, schema);
}

static void check_nested_each(struct api_causes *causes, const struct api_path *at,
                              const char *name, props *const *schemas, size_t count, unsigned depth)
{
    struct api_path list = api_path_field(at, name);
    for (size_t i = 0; i < count; i++) {
        struct api_path path = api_path_index(&list, i);
        check_nested(causes, &path, schemas[i], depth + 1);
    }
}

static void check_alternatives(struct api_causes *causes, const struct api_path *at,
                               const props *schema, unsigned depth)
{
    struct api_path none = api_path_field(at, "not");
    if (depth > API_SCHEMA_DEPTH_MAX) {
        return; /* The other pass said so. */
    }
    if (!is_int_or_string(schema->any_of, schema->n_any_of)) {
        check_nested_each(causes, at, "anyOf", schema->any_of, schema->n_any_of, depth);
    }
    check_nested_each(causes, at, "allOf", schema->all_of, schema->n_all_of, depth);
    check_nested_each(causes, at, "oneOf", schema->one_of, schema->n_one_of, depth);
    if (schema->not_ != NULL) {
        check_nested(causes, &none, schema->not_, depth + 1);
    }
}

static void check_inner(struct api_causes *causes, const struct api_path *at, const props *schema,
                        enum pass pass, unsigned depth)
{
    struct api_path properties = api_path_field(at, "properties");
    struct api_path additional = api_path_field(at, "additionalProperties");
    struct api_path items = api_path_field(at, "items");
    struct api_path none = api_path_field(at, "not");
    for (size_t i = 0; i < schema->n_properties; i++) {
        struct api_path path = api_path_key(&properties, text_or_empty(schema->properties[i]->key));
        check(causes, &path, schema->properties[i]->value, pass, depth + 1);
    }
    if (schema->additional_properties != NULL && schema->additional_properties->schema != NULL) {
        check(causes, &additional, schema->additional_properties->schema, pass, depth + 1);
    }
    if (schema->items != NULL && schema->items->schema != NULL) {
        check(causes, &items, schema->items->schema, pass, depth + 1);
    }
    if (pass == PASS_SHAPE) {
        return;
    }
    check_each(causes, at, "allOf", schema->all_of, schema->n_all_of, depth);
    check_each(causes, at, "anyOf", schema->any_of, schema->n_any_of, depth);
    check_each(causes, at, "oneOf", schema->one_of, schema->n_one_of, depth);
    if (schema->not_ != NULL) {
        check(causes, &none, schema->not_, PASS_WORDS, depth + 1);
    }
}

static void check(struct api_causes *causes, const struct api_path *at, const props *schema,
                  enum pass pass, unsigned depth)
{
    if (schema == NULL) {
        return;
    }
    if (depth > API_SCHEMA_DEPTH_MAX) {
        api_cause_forbidden(causes, at, "the schema nests too deep");
        return;
    }
    if (pass == PASS_SHAPE) {
        check_type(causes, at, schema, depth == 0);
        check_alternatives(causes, at, schema, depth);
    } else {
        check_keywords(causes, at, schema);
        check_list(causes, at, schema);
        check_pattern(causes, at, schema);
        rules_check_validation_words(causes, at, schema);
    }
    check_inner(causes, at, schema, pass, depth);
}

void rules_check_schema_words(struct api_causes *causes, const struct api_path *at,
                              const props *schema)
{
    check(causes, at, schema, PASS_WORDS, 0);
}

void rules_check_schema(struct api_causes *causes, const struct api_path *at, const props *root)
{
    struct api_causes shape;
    size_t before = causes->count;
    check(causes, at, root, PASS_WORDS, 0);
    bool sound = causes->count == before;
    api_causes_init(&shape, causes->arena);
    check(sound ? causes : &shape, at, root, PASS_SHAPE, 0);
    bool structural = shape.count == 0 && (!sound || causes->count == before);
    if (structural) {
        rules_check_validations(causes, at, root, sound);
    }
}
