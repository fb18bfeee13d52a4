#include "lib/api/rules/check_schema.h"

#include "lib/api/limits.h"
#include "lib/api/rules/check_defaults.h"
#include "lib/api/rules/check_structural.h"
#include "lib/api/rules/check_validations.h"
#include "lib/api/rules/rules.h"
#include "lib/base/name_index.h"
#include "lib/cel/regex.h"

typedef Apiextensions__V1__JSONSchemaProps props;

/* A node of the schema, and what the nodes around it say of it. */
struct place {
    const struct api_path *at;
    const props *schema;
    const struct definition_past *past;
    const char *no_default; /* Why it may have no default; NULL when it may. */
    bool is_root, in_meta;  /* in_meta: it describes apiVersion, kind or metadata. */
    unsigned depth;
    bool *unreadable; /* Set when words stand for shapes that no structural schema has. */
};

static void check(struct api_causes *causes, const struct place *place);

/* --- Words -------------------------------------------------------------------------------------
 */

enum { UNREADABLE_COUNT = 7 }; /* Of the words below, the first. */

static void check_keywords(struct api_causes *causes, const struct place *place)
{
    const props *schema = place->schema;
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
        {schema->items != NULL && schema->items->n_j_son_schemas > 0, "items",
         "items must be a schema object and not an array"},
        {schema->default_ != NULL && place->no_default != NULL, "default", place->no_default},
        {place->in_meta && schema->x_kubernetes_embedded_resource, "x-kubernetes-embedded-resource",
         "must not be used inside of resource meta"},
        {rules_is(schema->type, "null"), "type",
         "type cannot be set to null, use nullable as an alternative"},
        {place->is_root && schema->nullable, "nullable", "nullable cannot be true at the root"},
        {schema->unique_items, "uniqueItems",
         "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"},
        {schema->n_properties > 0 && schema->additional_properties != NULL &&
             (schema->additional_properties->schema != NULL ||
              !schema->additional_properties->allows),
         "additionalProperties", "additionalProperties and properties are mutual exclusive"},
    };
    for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
        if (forbidden[i].used) {
            rules_forbidden(causes, place->at, forbidden[i].name, forbidden[i].why);
            *place->unreadable = *place->unreadable || i < UNREADABLE_COUNT;
        }
    }
}

static void check_type(struct api_causes *causes, const struct api_path *at, const props *schema)
{
    static const char *const types[] = {"array",  "boolean", "integer", "number",
                                        "object", "string",  NULL};
    if (!rules_empty(schema->type) && !rules_one_of(schema->type, types)) {
        rules_not_supported(causes, at, "type", schema->type, types);
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

/* --- Lists and maps ----------------------------------------------------------------------------
 */

/* The type has to be `wanted`, as an extension says so. */
static void wants_type(struct api_causes *causes, const struct api_path *at, const char *type,
                       const char *wanted, const char *why)
{
    if (rules_empty(type)) {
        rules_required(causes, at, "type", why);
    } else if (!rules_is(type, wanted)) {
        rules_invalid(causes, at, "type", api_shown_text(type), why);
    }
}

/* Sets compare whole items: nothing below may be merged. */
static void check_set(struct api_causes *causes, const struct api_path *items, const props *item)
{
    static const char why[] = "must be atomic as item of a list with x-kubernetes-list-type=set";
    if (rules_is(item->type, "array") && item->x_kubernetes_list_type != NULL &&
        !rules_is(item->x_kubernetes_list_type, "atomic")) {
        rules_invalid(causes, items, "x-kubernetes-list-type",
                      api_shown_text(item->x_kubernetes_list_type), why);
    }
    if (rules_is(item->type, "object") && !rules_is(item->x_kubernetes_map_type, "atomic")) {
        rules_invalid(causes, items, "x-kubernetes-map-type",
                      item->x_kubernetes_list_type == NULL
                          ? api_shown_null()
                          : api_shown_text(item->x_kubernetes_list_type),
                      why);
    }
}

/* Of the items of a list, found by name. */
struct item_names {
    const props *item;
    struct name_index properties;
    struct text_set required;
};

static struct item_names item_names(struct arena *arena, const props *item)
{
    struct item_names names = {.item = item, .required.arena = arena};
    for (size_t i = 0; i < item->n_properties; i++) {
        const char *name = text_or_empty(item->properties[i]->key);
        name_index_add(&names.properties, arena, slice_text(name), i);
    }
    for (size_t i = 0; i < item->n_required; i++) {
        (void)text_set_add(&names.required, text_or_empty(item->required[i]));
    }
    return names;
}

static const props *member(const struct item_names *names, const char *name)
{
    struct name_search search = name_index_find(&names->properties, slice_text(name));
    while (name_index_next(&search)) {
        if (rules_is(names->item->properties[search.place]->key, name)) {
            return names->item->properties[search.place]->value;
        }
    }
    return NULL;
}

static void check_key(struct api_causes *causes, const struct place *place,
                      const struct item_names *names, const char *key)
{
    const props *item = names->item;
    const props *found = member(names, key);
    struct api_path items = api_path_field(place->at, "items");
    struct api_path properties = api_path_field(&items, "properties");
    struct api_path path = api_path_key(&properties, key);
    if (found == NULL) {
        rules_invalid(
            causes, place->at, "x-kubernetes-list-map-keys",
            api_shown_raw(rules_list_shown(causes->arena, place->schema->x_kubernetes_list_map_keys,
                                           place->schema->n_x_kubernetes_list_map_keys)),
            "entries must all be names of item properties");
        return;
    }
    if (rules_is(found->type, "array") || rules_is(found->type, "object")) {
        rules_invalid(causes, &path, "type", api_shown_text(item->type),
                      "must be a scalar type if parent array's x-kubernetes-list-type is map");
    }
    if (place->past->had_loose_keys) {
        return;
    }
    if (found->default_ == NULL && !text_set_has(&names->required, key)) {
        rules_required(causes, &path, "default",
                       "this property is in x-kubernetes-list-map-keys, so it must have a default "
                       "or be a required property");
    }
    if (found->nullable) {
        rules_forbidden(causes, &path, "nullable",
                        "this property is in x-kubernetes-list-map-keys, so it cannot be nullable");
    }
}

static void check_map(struct api_causes *causes, const struct place *place, const props *item)
{
    const props *schema = place->schema;
    struct api_path items = api_path_field(place->at, "items");
    if (schema->n_x_kubernetes_list_map_keys == 0) {
        rules_required(causes, place->at, "x-kubernetes-list-map-keys",
                       "must not be empty if x-kubernetes-list-type is map");
    }
    if (item == NULL) {
        api_cause_required(causes, &items, "must have a schema if x-kubernetes-list-type is map");
        return;
    }
    if (!rules_is(item->type, "object")) {
        rules_invalid(causes, &items, "type", api_shown_text(item->type),
                      "must be object if parent array's x-kubernetes-list-type is map");
        return;
    }
    struct item_names names = item_names(causes->arena, item);
    struct text_set seen = {.arena = causes->arena};
    for (size_t i = 0; i < schema->n_x_kubernetes_list_map_keys && !api_causes_full(causes); i++) {
        const char *key = text_or_empty(schema->x_kubernetes_list_map_keys[i]);
        check_key(causes, place, &names, key);
        if (!text_set_add(&seen, key)) {
            rules_invalid(
                causes, place->at, "x-kubernetes-list-map-keys",
                api_shown_raw(rules_list_shown(causes->arena, schema->x_kubernetes_list_map_keys,
                                               schema->n_x_kubernetes_list_map_keys)),
                "must not contain duplicate entries");
        }
    }
}

static void check_list(struct api_causes *causes, const struct place *place)
{
    static const char *const lists[] = {"atomic", "set", "map", NULL};
    const props *schema = place->schema;
    const props *item = schema->items == NULL ? NULL : schema->items->schema;
    const char *type = schema->x_kubernetes_list_type;
    struct api_path items = api_path_field(place->at, "items");
    struct api_path list = api_path_field(place->at, "x-kubernetes-list-type");
    if (schema->n_x_kubernetes_list_map_keys > 0 && type == NULL) {
        api_cause_required(causes, &list, "must be map if x-kubernetes-list-map-keys is non-empty");
    } else if (schema->n_x_kubernetes_list_map_keys > 0 && !rules_is(type, "map")) {
        api_cause_invalid(causes, &list, api_shown_text(type),
                          "must be map if x-kubernetes-list-map-keys is non-empty");
    }
    if (type == NULL) {
        return;
    }
    wants_type(causes, place->at, schema->type, "array",
               "must be array if x-kubernetes-list-type is specified");
    if (!rules_one_of(type, lists)) {
        api_cause_not_among(causes, &list, api_shown_text(type), lists);
    }
    if (rules_is(type, "set") && item != NULL && !place->past->had_open_sets) {
        check_set(causes, &items, item);
    }
    if (rules_is(type, "map")) {
        check_map(causes, place, item);
    }
    if (item != NULL && item->nullable && (rules_is(type, "set") || rules_is(type, "map")) &&
        !place->past->had_loose_keys) {
        rules_forbidden(causes, &items, "nullable",
                        arena_printf(causes->arena,
                                     "cannot be nullable when x-kubernetes-list-type is %s", type));
    }
}

static void check_map_type(struct api_causes *causes, const struct api_path *at,
                           const props *schema)
{
    static const char *const maps[] = {"atomic", "granular", NULL};
    struct api_path map = api_path_field(at, "x-kubernetes-map-type");
    if (schema->x_kubernetes_map_type == NULL) {
        return;
    }
    wants_type(causes, at, schema->type, "object",
               "must be object if x-kubernetes-map-type is specified");
    if (!rules_one_of(schema->x_kubernetes_map_type, maps)) {
        api_cause_not_among(causes, &map, api_shown_text(schema->x_kubernetes_map_type), maps);
    }
}

/* --- The walk ----------------------------------------------------------------------------------
 */

static struct place place_below(const struct place *place, const struct api_path *at,
                                const props *schema)
{
    struct place below = *place;
    below.at = at;
    below.schema = schema;
    below.is_root = false;
    below.depth++;
    return below;
}

static void check_each(struct api_causes *causes, const struct place *place, const char *name,
                       props *const *schemas, size_t count)
{
    struct api_path list = api_path_field(place->at, name);
    for (size_t i = 0; i < count; i++) {
        struct api_path path = api_path_index(&list, i);
        struct place below = place_below(place, &path, schemas[i]);
        check(causes, &below);
    }
}

static void check_property(struct api_causes *causes, const struct place *place, const char *name,
                           const props *schema)
{
    static const char *const meta[] = {"apiVersion", "kind", "metadata", NULL};
    struct api_path properties = api_path_field(place->at, "properties");
    struct api_path path = api_path_key(&properties, name);
    struct place below = place_below(place, &path, schema);
    bool is_resource = place->is_root || place->schema->x_kubernetes_embedded_resource;
    if (is_resource && rules_one_of(name, meta)) {
        below.in_meta = true;
        below.no_default =
            place->is_root ? arena_printf(causes->arena, "must not be set in top-level %s", name)
                           : place->no_default;
    }
    check(causes, &below);
}

static void check_inner(struct api_causes *causes, const struct place *place)
{
    const props *schema = place->schema;
    struct api_path additional = api_path_field(place->at, "additionalProperties");
    struct api_path items = api_path_field(place->at, "items");
    struct api_path none = api_path_field(place->at, "not");
    for (size_t i = 0; i < schema->n_properties; i++) {
        check_property(causes, place, text_or_empty(schema->properties[i]->key),
                       schema->properties[i]->value);
    }
    if (schema->additional_properties != NULL) {
        struct place below = place_below(place, &additional, schema->additional_properties->schema);
        if (place->in_meta) {
            below.no_default =
                "must not be set inside additionalProperties applying to object metadata";
        }
        check(causes, &below);
    }
    if (schema->items != NULL) {
        struct place below = place_below(place, &items, schema->items->schema);
        check(causes, &below);
    }
    check_each(causes, place, "allOf", schema->all_of, schema->n_all_of);
    check_each(causes, place, "anyOf", schema->any_of, schema->n_any_of);
    check_each(causes, place, "oneOf", schema->one_of, schema->n_one_of);
    if (schema->not_ != NULL) {
        struct place below = place_below(place, &none, schema->not_);
        check(causes, &below);
    }
}

static void check(struct api_causes *causes, const struct place *place)
{
    if (place->schema == NULL) {
        return;
    }
    if (place->depth > API_SCHEMA_DEPTH_MAX) {
        api_cause_forbidden(causes, place->at, "the schema nests too deep");
        return;
    }
    check_type(causes, place->at, place->schema);
    check_keywords(causes, place);
    check_list(causes, place);
    check_map_type(causes, place->at, place->schema);
    if (place->schema->has_x_kubernetes_preserve_unknown_fields &&
        !place->schema->x_kubernetes_preserve_unknown_fields) {
        rules_invalid(causes, place->at, "x-kubernetes-preserve-unknown-fields",
                      api_shown_bool(false), "must be true or undefined");
    }
    check_pattern(causes, place->at, place->schema);
    rules_check_validation_words(causes, place->at, place->schema);
    check_inner(causes, place);
}

void rules_check_schema_words(struct api_causes *causes, const struct api_path *at,
                              const props *schema, const struct definition_past *past)
{
    bool unreadable = false;
    check(causes,
          &(struct place){.at = at, .schema = schema, .past = past, .unreadable = &unreadable});
}

void rules_check_schema(struct api_causes *causes, const struct api_path *at, const props *root,
                        const struct definition_past *past)
{
    size_t before = causes->count;
    bool unreadable = false;
    check(causes,
          &(struct place){
              .at = at, .schema = root, .past = past, .is_root = true, .unreadable = &unreadable});
    size_t words = causes->count;
    if (!unreadable) {
        rules_check_structural(causes, at, root);
        if (causes->count == words) { /* Else defaults and rules are about no known shape. */
            rules_check_defaults(causes, at, root, past);
        }
        if (causes->count == words) {
            rules_check_validations(causes, at, root, past, /* sound= */ words == before);
        }
    }
}
