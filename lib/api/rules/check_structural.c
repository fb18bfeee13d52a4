#include "lib/api/rules/check_structural.h"

#include "lib/api/limits.h"
#include "lib/api/rules/rules.h"
#include "lib/cel/regex.h"
#include <assert.h>

typedef Apiextensions__V1__JSONSchemaProps props;

static const props *member(const props *schema, const char *name)
{
    for (size_t i = 0; i < schema->n_properties; i++) {
        if (rules_is(schema->properties[i]->key, name)) {
            return schema->properties[i]->value;
        }
    }
    return NULL;
}

static const props *items_of(const props *schema)
{
    return schema->items == NULL ? NULL : schema->items->schema;
}

/* --- Below allOf, anyOf, oneOf and not ---------------------------------------------------------
 */

/* Whether the schema says that type ("" for none), and nothing else. */
static bool says_only(const props *schema, const char *type)
{
    props bare = *schema, nothing;
    apiextensions__v1__jsonschema_props__init(&nothing);
    bare.type = NULL;
    return rules_is(schema->type, type) &&
           api_message_equal(&apiextensions__v1__jsonschema_props__schema, &bare, &nothing);
}

/* What int-or-string is written as: anyOf with integer and string. */
static bool is_int_or_string(props *const *schemas, size_t count)
{
    return count == 2 && says_only(schemas[0], "integer") && says_only(schemas[1], "string");
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

static void check_alternatives(struct api_causes *causes, const struct api_path *at,
                               const props *schema, bool may_be_int_or_string, unsigned depth);

static void check_nested(struct api_causes *causes, const struct api_path *at, const props *schema,
                         bool may_be_int_or_string, unsigned depth)
{
    struct api_path properties = api_path_field(at, "properties");
    struct api_path items = api_path_field(at, "items");
    check_alternatives(causes, at, schema, may_be_int_or_string, depth);
    if (items_of(schema) != NULL) {
        check_nested(causes, &items, items_of(schema), false, depth + 1);
    }
    for (size_t i = 0; i < schema->n_properties; i++) {
        struct api_path path = api_path_key(&properties, text_or_empty(schema->properties[i]->key));
        check_nested(causes, &path, schema->properties[i]->value, false, depth + 1);
        if (rules_is(schema->properties[i]->key, "metadata")) {
            api_cause_forbidden(causes, &path, "must not be specified in a nested context");
        }
    }
    check_nested_words(causes, at, schema);
}

/* anyOf with integer and string may stand at a node that says the shape (`may_be_int_or_string`),
 * or in the first of its allOf. */
static void check_alternatives(struct api_causes *causes, const struct api_path *at,
                               const props *schema, bool may_be_int_or_string, unsigned depth)
{
    const struct {
        const char *name;
        props *const *schemas;
        size_t count;
    } lists[] = {{"anyOf", schema->any_of, schema->n_any_of},
                 {"allOf", schema->all_of, schema->n_all_of},
                 {"oneOf", schema->one_of, schema->n_one_of}};
    struct api_path none = api_path_field(at, "not");
    if (depth > API_SCHEMA_DEPTH_MAX) {
        return; /* The check of the words said so. */
    }
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        struct api_path list = api_path_field(at, lists[i].name);
        bool is_any_of = lists[i].schemas == schema->any_of;
        if (is_any_of && may_be_int_or_string &&
            is_int_or_string(lists[i].schemas, lists[i].count)) {
            continue;
        }
        for (size_t j = 0; j < lists[i].count; j++) {
            struct api_path path = api_path_index(&list, j);
            bool is_first_of_all = lists[i].schemas == schema->all_of && j == 0;
            check_nested(causes, &path, lists[i].schemas[j],
                         may_be_int_or_string && is_first_of_all, depth + 1);
        }
    }
    if (schema->not_ != NULL) {
        check_nested(causes, &none, schema->not_, false, depth + 1);
    }
    check_pattern(causes, at, schema);
}

/* --- Nodes that say the shape ------------------------------------------------------------------
 */

enum level { LEVEL_ROOT, LEVEL_ITEM, LEVEL_FIELD };

static void check_type(struct api_causes *causes, const struct api_path *at, const props *schema,
                       enum level level)
{
    static const char *const missing[] = {
        [LEVEL_ROOT] = "must not be empty at the root",
        [LEVEL_ITEM] = "must not be empty for specified array items",
        [LEVEL_FIELD] = "must not be empty for specified object fields"};
    static const char embedded[] = "must be object if x-kubernetes-embedded-resource is true";
    if (schema->x_kubernetes_embedded_resource && rules_empty(schema->type)) {
        rules_required(causes, at, "type", embedded);
    } else if (schema->x_kubernetes_embedded_resource && !rules_is(schema->type, "object")) {
        rules_invalid(causes, at, "type", api_shown_text(schema->type), embedded);
    } else if (rules_empty(schema->type) && !schema->x_kubernetes_int_or_string &&
               !schema->x_kubernetes_preserve_unknown_fields) {
        rules_required(causes, at, "type", missing[level]);
    }
    if (level == LEVEL_ROOT && !rules_empty(schema->type) && !rules_is(schema->type, "object")) {
        rules_invalid(causes, at, "type", api_shown_text(schema->type),
                      "must be object at the root");
    }
    if (rules_is(schema->type, "array") && items_of(schema) == NULL) {
        rules_required(causes, at, "items", "must be specified");
    }
}

static void check_extensions(struct api_causes *causes, const struct api_path *at,
                             const props *schema)
{
    static const char why[] = "must be false if x-kubernetes-int-or-string is true";
    if (schema->x_kubernetes_int_or_string && !rules_empty(schema->type)) {
        rules_invalid(causes, at, "type", api_shown_text(schema->type),
                      "must be empty if x-kubernetes-int-or-string is true");
    }
    if (schema->x_kubernetes_int_or_string && schema->x_kubernetes_preserve_unknown_fields) {
        rules_invalid(causes, at, "x-kubernetes-preserve-unknown-fields", api_shown_bool(true),
                      why);
    }
    if (schema->x_kubernetes_int_or_string && schema->x_kubernetes_embedded_resource) {
        rules_invalid(causes, at, "x-kubernetes-embedded-resource", api_shown_bool(true), why);
    }
}

/* apiVersion and kind of a whole object are texts, its metadata is what it is everywhere. */
static void check_type_meta(struct api_causes *causes, const struct api_path *at,
                            const props *schema)
{
    static const struct {
        const char *name, *type, *why;
    } members[] = {{"kind", "string", "must be string"},
                   {"apiVersion", "string", "must be string"},
                   {"metadata", "object", "must be object"}};
    struct api_path properties = api_path_field(at, "properties");
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const props *found = member(schema, members[i].name);
        if (found != NULL && !rules_is(found->type, members[i].type)) {
            struct api_path path = api_path_key(&properties, members[i].name);
            rules_invalid(causes, &path, "type", api_shown_text(found->type), members[i].why);
        }
    }
}

/* The schema of a whole object may say of metadata what names look like, and no more. */
static bool is_about_names(const props *metadata)
{
    props bare = *metadata;
    size_t names = member(metadata, "name") != NULL ? 1 : 0;
    names += member(metadata, "generateName") != NULL ? 1 : 0;
    if (names != metadata->n_properties) {
        return false;
    }
    bare.n_properties = 0;
    bare.default_ = NULL; /* The check of the words forbids it. */
    bare.type = NULL;
    return says_only(&bare, "");
}

static void check_resource(struct api_causes *causes, const struct api_path *at,
                           const props *schema, enum level level)
{
    struct api_path properties = api_path_field(at, "properties");
    struct api_path path = api_path_key(&properties, "metadata");
    const props *metadata = member(schema, "metadata");
    bool embedded = schema->x_kubernetes_embedded_resource;
    if (level == LEVEL_ROOT || embedded) {
        check_type_meta(causes, at, schema);
    }
    if (level == LEVEL_ROOT && metadata != NULL && !is_about_names(metadata)) {
        api_cause_forbidden(causes, &path,
                            "must not specify anything other than name and generateName, but "
                            "metadata is implicitly specified");
    }
    if (level == LEVEL_ROOT && schema->additional_properties != NULL) {
        rules_forbidden(causes, at, "additionalProperties", "must not be used at the root");
    }
    if (embedded && schema->additional_properties != NULL) {
        rules_forbidden(causes, at, "additionalProperties",
                        "must not be used if x-kubernetes-embedded-resource is set");
    }
    if (embedded && !schema->x_kubernetes_preserve_unknown_fields && schema->n_properties == 0) {
        api_cause_required(causes, &properties,
                           "must not be empty if x-kubernetes-embedded-resource is true without "
                           "x-kubernetes-preserve-unknown-fields");
    }
}

static void check_shape(struct api_causes *causes, const struct api_path *at, const props *schema,
                        enum level level, unsigned depth)
{
    struct api_path properties = api_path_field(at, "properties");
    struct api_path additional = api_path_field(at, "additionalProperties");
    struct api_path items = api_path_field(at, "items");
    if (schema == NULL || depth > API_SCHEMA_DEPTH_MAX) {
        return; /* Nothing there; or the check of the words said so. */
    }
    check_type(causes, at, schema, level);
    check_extensions(causes, at, schema);
    check_resource(causes, at, schema, level);
    check_alternatives(causes, at, schema, /* may_be_int_or_string= */ true, depth);
    for (size_t i = 0; i < schema->n_properties; i++) {
        struct api_path path = api_path_key(&properties, text_or_empty(schema->properties[i]->key));
        check_shape(causes, &path, schema->properties[i]->value, LEVEL_FIELD, depth + 1);
    }
    if (schema->additional_properties != NULL) {
        check_shape(causes, &additional, schema->additional_properties->schema, LEVEL_FIELD,
                    depth + 1);
    }
    check_shape(causes, &items, items_of(schema), LEVEL_ITEM, depth + 1);
}

/* --- What alternatives speak of is there -------------------------------------------------------
 */

/* A schema that constrains, and the one that says the shape of the same values. */
struct match {
    const props *constraint, *shape; /* `shape` is NULL where there is none. */
    struct api_path at, shape_at;
    unsigned depth;
};

static const char *property_name(struct arena *arena, const void *list, const void *of,
                                 size_t index)
{
    const props *schema = list;
    (void)arena;
    (void)of;
    return text_or_empty(schema->properties[index]->key);
}

static void check_complete(struct api_causes *causes, const struct match *match);

/* The alternatives of match->constraint are about the values of match->shape too. */
static void check_complete_each(struct api_causes *causes, const struct match *match)
{
    const props *schema = match->constraint;
    const struct {
        const char *name;
        props *const *schemas;
        size_t count;
    } lists[] = {{"allOf", schema->all_of, schema->n_all_of},
                 {"anyOf", schema->any_of, schema->n_any_of},
                 {"oneOf", schema->one_of, schema->n_one_of}};
    struct match inner = *match;
    inner.depth++;
    if (schema->not_ != NULL) {
        inner.constraint = schema->not_;
        inner.at = api_path_field(&match->at, "not");
        check_complete(causes, &inner);
    }
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        struct api_path list = api_path_field(&match->at, lists[i].name);
        for (size_t j = 0; j < lists[i].count; j++) {
            inner.constraint = lists[i].schemas[j];
            inner.at = api_path_index(&list, j);
            check_complete(causes, &inner);
        }
    }
}

static void check_complete(struct api_causes *causes, const struct match *match)
{
    struct api_path properties = api_path_field(&match->at, "properties");
    struct api_path shapes = api_path_field(&match->shape_at, "properties");
    if (match->depth > API_SCHEMA_DEPTH_MAX) {
        return; /* As above. */
    }
    if (match->shape == NULL) {
        api_cause_required(causes, &match->shape_at,
                           arena_printf(causes->arena, "because it is defined in %s",
                                        api_path_text(causes->arena, &match->at)));
        return;
    }
    check_complete_each(causes, match);
    const props *items = items_of(match->constraint);
    if (items != NULL) {
        check_complete(causes,
                       &(struct match){.constraint = items,
                                       .shape = items_of(match->shape),
                                       .at = api_path_field(&match->at, "items"),
                                       .shape_at = api_path_field(&match->shape_at, "items"),
                                       .depth = match->depth + 1});
    }
    for (size_t i = 0; i < match->constraint->n_properties && !api_causes_full(causes); i++) {
        const char *name = text_or_empty(match->constraint->properties[i]->key);
        size_t place = api_find_item(causes, property_name, match->shape, NULL,
                                     match->shape->n_properties, name);
        bool there = place < match->shape->n_properties;
        check_complete(
            causes, &(struct match){.constraint = match->constraint->properties[i]->value,
                                    .shape = there ? match->shape->properties[place]->value : NULL,
                                    .at = api_path_key(&properties, name),
                                    .shape_at = api_path_key(&shapes, name),
                                    .depth = match->depth + 1});
    }
}

void rules_check_structural(struct api_causes *causes, const struct api_path *at, const props *root)
{
    assert(root != NULL);
    check_shape(causes, at, root, LEVEL_ROOT, 0);
    check_complete_each(
        causes, &(struct match){.constraint = root, .shape = root, .at = *at, .shape_at = *at});
}
