#include "lib/api/rules/check_schema.h"

#include "lib/api/limits.h"
#include "lib/api/rules/check_defaults.h"
#include "lib/api/rules/check_structural.h"
#include "lib/api/rules/check_validations.h"
#include "lib/api/rules/rules.h"
#include "lib/base/name_index.h"
#include <stdlib.h>

typedef Apiextensions__V1__JSONSchemaProps props;

/* A node of the schema, and what the nodes around it say of it. */
struct place {
    const struct api_path *at;
    const props *schema;
    const struct definition_past *past;
    const char *no_default; /* Why it may have no default; NULL when it may. */
    bool is_root, in_meta;  /* in_meta: it describes apiVersion, kind or metadata. */
    unsigned depth;
    bool *unreadable;  /* Set when words stand for shapes that no structural schema has. */
    bool *has_dialect; /* Set when there is a "$schema", which has none either. */
};

static void check(struct api_causes *causes, const struct place *place);

/* --- Words -------------------------------------------------------------------------------------
 */

/* In the order in which v1.32 tells them. */
static void check_keywords(struct api_causes *causes, const struct place *place)
{
    const props *schema = place->schema;
    const struct {
        bool used, unreadable;
        const char *name, *why;
    } forbidden[] = {
        {schema->default_ != NULL && place->no_default != NULL, false, "default",
         place->no_default},
        {!rules_empty(schema->id), true, "id", "id is not supported"},
        {schema->additional_items != NULL, true, "additionalItems",
         "additionalItems is not supported"},
        {schema->n_pattern_properties > 0, true, "patternProperties",
         "patternProperties is not supported"},
        {schema->n_definitions > 0, true, "definitions", "definitions is not supported"},
        {schema->n_dependencies > 0, true, "dependencies", "dependencies is not supported"},
        {schema->ref != NULL, true, "$ref", "$ref is not supported"},
        {rules_is(schema->type, "null"), false, "type",
         "type cannot be set to null, use nullable as an alternative"},
        {schema->items != NULL && schema->items->n_j_son_schemas > 0, true, "items",
         "items must be a schema object and not an array"},
        {place->in_meta && schema->x_kubernetes_embedded_resource, false,
         "x-kubernetes-embedded-resource", "must not be used inside of resource meta"},
        {schema->unique_items, false, "uniqueItems",
         "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"},
        {schema->n_properties > 0 && schema->additional_properties != NULL &&
             (schema->additional_properties->schema != NULL ||
              !schema->additional_properties->allows),
         false, "additionalProperties", "additionalProperties and properties are mutual exclusive"},
    };
    for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
        if (forbidden[i].used) {
            rules_forbidden(causes, place->at, forbidden[i].name, forbidden[i].why);
            *place->unreadable = *place->unreadable || forbidden[i].unreadable;
        }
    }
    *place->has_dialect = *place->has_dialect || !rules_empty(schema->schema);
}

static void check_type(struct api_causes *causes, const struct api_path *at, const props *schema)
{
    static const char *const types[] = {"array",  "boolean", "integer", "number",
                                        "object", "string",  NULL};
    if (!rules_empty(schema->type) && !rules_one_of(schema->type, types)) {
        rules_not_supported(causes, at, "type", schema->type, types);
    }
}

static void check_unknown_fields(struct api_causes *causes, const struct place *place)
{
    if (place->schema->has_x_kubernetes_preserve_unknown_fields &&
        !place->schema->x_kubernetes_preserve_unknown_fields) {
        rules_invalid(causes, place->at, "x-kubernetes-preserve-unknown-fields",
                      api_shown_bool(false), "must be true or undefined");
        *place->unreadable = true;
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

/* What a list map says of its items' keys, of which there may be many. */
struct list_keys {
    char *const *names;
    size_t count;
    struct text_set known, required; /* Names of the items' properties. */
    const props **properties;        /* By the known names' places. */
};

static struct list_keys list_keys_of(struct arena *arena, const props *schema)
{
    const props *item = schema->items->schema;
    struct list_keys keys = {.names = schema->x_kubernetes_list_map_keys,
                             .count = schema->n_x_kubernetes_list_map_keys,
                             .known.arena = arena,
                             .required.arena = arena};
    keys.properties = arena_array(arena, item->n_properties, sizeof(*keys.properties));
    for (size_t i = 0; i < item->n_properties; i++) {
        if (text_set_add(&keys.known, text_or_empty(item->properties[i]->key))) {
            keys.properties[keys.known.count - 1] = item->properties[i]->value;
        }
    }
    for (size_t i = 0; i < item->n_required; i++) {
        (void)text_set_add(&keys.required, text_or_empty(item->required[i]));
    }
    return keys;
}

static const props *property_of(const struct list_keys *keys, const char *name)
{
    size_t place = text_set_place(&keys->known, name);
    return place < keys->known.count ? keys->properties[place] : NULL;
}

static void refuse_keys(struct api_causes *causes, const struct api_path *at,
                        const struct list_keys *keys, const char *why)
{
    rules_invalid(causes, at, "x-kubernetes-list-map-keys",
                  api_shown_raw(rules_list_shown(causes->arena, keys->names, keys->count)), why);
}

/* They are scalar properties, each said once. */
static void check_keys(struct api_causes *causes, const struct place *place,
                       const struct list_keys *keys)
{
    const props *item = place->schema->items->schema;
    struct text_set seen = {.arena = causes->arena};
    struct api_path items = api_path_field(place->at, "items");
    struct api_path properties = api_path_field(&items, "properties");
    for (size_t i = 0; i < keys->count && !api_causes_full(causes); i++) {
        const char *name = text_or_empty(keys->names[i]);
        const props *found = property_of(keys, name);
        struct api_path path = api_path_key(&properties, name);
        if (found == NULL) {
            refuse_keys(causes, place->at, keys, "entries must all be names of item properties");
        } else if (rules_is(found->type, "array") || rules_is(found->type, "object")) {
            rules_invalid(causes, &path, "type", api_shown_text(item->type),
                          "must be a scalar type if parent array's x-kubernetes-list-type is map");
        }
        if (!text_set_add(&seen, name)) {
            refuse_keys(causes, place->at, keys, "must not contain duplicate entries");
        }
    }
}

/* Each item has them. */
static void check_keys_given(struct api_causes *causes, const struct place *place,
                             const struct list_keys *keys)
{
    struct api_path items = api_path_field(place->at, "items");
    struct api_path properties = api_path_field(&items, "properties");
    for (size_t i = 0; i < keys->count && !api_causes_full(causes); i++) {
        const char *name = text_or_empty(keys->names[i]);
        const props *found = property_of(keys, name);
        struct api_path path = api_path_key(&properties, name);
        if (found != NULL && found->default_ == NULL && !text_set_has(&keys->required, name)) {
            rules_required(causes, &path, "default",
                           "this property is in x-kubernetes-list-map-keys, so it must have a "
                           "default or be a required property");
        }
        if (found != NULL && found->nullable) {
            rules_forbidden(causes, &path, "nullable",
                            "this property is in x-kubernetes-list-map-keys, so it cannot be "
                            "nullable");
        }
    }
}

static void check_map(struct api_causes *causes, const struct place *place,
                      const struct list_keys *keys)
{
    const props *schema = place->schema;
    struct api_path items = api_path_field(place->at, "items");
    if (schema->n_x_kubernetes_list_map_keys == 0) {
        rules_required(causes, place->at, "x-kubernetes-list-map-keys",
                       "must not be empty if x-kubernetes-list-type is map");
    }
    if (schema->items == NULL) {
        api_cause_required(causes, &items, "must have a schema if x-kubernetes-list-type is map");
    } else if (schema->items->schema == NULL) {
        api_cause_invalid(causes, &items, api_shown_raw("apiextensions.JSONSchemaPropsOrArray"),
                          "must only have a single schema if x-kubernetes-list-type is map");
    } else if (!rules_is(schema->items->schema->type, "object")) {
        rules_invalid(causes, &items, "type", api_shown_text(schema->items->schema->type),
                      "must be object if parent array's x-kubernetes-list-type is map");
    } else {
        check_keys(causes, place, keys);
    }
}

static void check_list_type(struct api_causes *causes, const struct place *place, const char *type)
{
    static const char *const lists[] = {"atomic", "set", "map", NULL};
    const props *schema = place->schema;
    const props *item = schema->items == NULL ? NULL : schema->items->schema;
    struct api_path items = api_path_field(place->at, "items");
    struct api_path list = api_path_field(place->at, "x-kubernetes-list-type");
    if (type != NULL && !rules_is(schema->type, "array")) {
        wants_type(causes, place->at, schema->type, "array",
                   "must be array if x-kubernetes-list-type is specified");
    } else if (rules_is(type, "set") && item != NULL && !place->past->had_open_sets) {
        check_set(causes, &items, item);
    }
    if (type != NULL && !rules_one_of(type, lists)) {
        api_cause_not_among(causes, &list, api_shown_text(type), lists);
    }
    if (schema->n_x_kubernetes_list_map_keys > 0 && type == NULL) {
        api_cause_required(causes, &list, "must be map if x-kubernetes-list-map-keys is non-empty");
    } else if (schema->n_x_kubernetes_list_map_keys > 0 && !rules_is(type, "map")) {
        api_cause_invalid(causes, &list, api_shown_text(type),
                          "must be map if x-kubernetes-list-map-keys is non-empty");
    }
}

static void check_list(struct api_causes *causes, const struct place *place)
{
    const props *schema = place->schema;
    const props *item = schema->items == NULL ? NULL : schema->items->schema;
    const char *type = schema->x_kubernetes_list_type;
    bool is_map = rules_is(type, "map");
    struct api_path items = api_path_field(place->at, "items");
    struct list_keys keys = {.count = 0};
    if (is_map && item != NULL) {
        keys = list_keys_of(causes->arena, schema);
    }
    check_list_type(causes, place, type);
    if (is_map) {
        check_map(causes, place, &keys);
    }
    if (place->past->had_loose_keys || item == NULL) {
        return;
    }
    if (item->nullable && (rules_is(type, "set") || is_map)) {
        rules_forbidden(causes, &items, "nullable",
                        arena_printf(causes->arena,
                                     "cannot be nullable when x-kubernetes-list-type is %s", type));
    }
    check_keys_given(causes, place, &keys);
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

static void check_additional(struct api_causes *causes, const struct place *place)
{
    struct api_path path = api_path_field(place->at, "additionalProperties");
    if (place->schema->additional_properties == NULL) {
        return;
    }
    struct place below = place_below(place, &path, place->schema->additional_properties->schema);
    if (place->in_meta) {
        below.no_default =
            "must not be set inside additionalProperties applying to object metadata";
    }
    check(causes, &below);
}

static void check_inner(struct api_causes *causes, const struct place *place)
{
    const props *schema = place->schema;
    struct api_path items = api_path_field(place->at, "items");
    struct api_path none = api_path_field(place->at, "not");
    struct api_path definitions = api_path_field(place->at, "definitions");
    check_additional(causes, place);
    for (size_t i = 0; i < schema->n_properties; i++) {
        check_property(causes, place, text_or_empty(schema->properties[i]->key),
                       schema->properties[i]->value);
    }
    if (schema->not_ != NULL) {
        struct place below = place_below(place, &none, schema->not_);
        check(causes, &below);
    }
    check_each(causes, place, "allOf", schema->all_of, schema->n_all_of);
    check_each(causes, place, "oneOf", schema->one_of, schema->n_one_of);
    check_each(causes, place, "anyOf", schema->any_of, schema->n_any_of);
    for (size_t i = 0; i < schema->n_definitions; i++) {
        struct api_path path =
            api_path_key(&definitions, text_or_empty(schema->definitions[i]->key));
        struct place below = place_below(place, &path, schema->definitions[i]->value);
        check(causes, &below);
    }
    if (schema->items != NULL) {
        struct place below = place_below(place, &items, schema->items->schema);
        check(causes, &below);
        check_each(causes, place, "items", schema->items->j_son_schemas,
                   schema->items->n_j_son_schemas);
    }
}

static void check(struct api_causes *causes, const struct place *place)
{
    if (place->schema == NULL || api_causes_full(causes)) {
        return;
    }
    if (place->depth > API_SCHEMA_DEPTH_MAX) {
        api_cause_forbidden(causes, place->at, "the schema nests too deep");
        return;
    }
    check_type(causes, place->at, place->schema);
    check_keywords(causes, place);
    check_inner(causes, place);
    check_unknown_fields(causes, place);
    check_map_type(causes, place->at, place->schema);
    check_list(causes, place);
    rules_check_validation_words(causes, place->at, place->schema);
}

void rules_check_schema_words(struct api_causes *causes, const struct api_path *at,
                              const props *schema, const struct definition_past *past)
{
    bool unreadable = false, has_dialect = false;
    check(causes, &(struct place){.at = at,
                                  .schema = schema,
                                  .past = past,
                                  .unreadable = &unreadable,
                                  .has_dialect = &has_dialect});
}

/* As the lines "field: message" are sorted: "a.b" comes before "a". */
static int by_text(const void *a, const void *b)
{
    const struct api_cause *left = a, *right = b;
    size_t same = 0;
    while (left->field[same] != '\0' && left->field[same] == right->field[same]) {
        same++;
    }
    char one = left->field[same], other = right->field[same];
    if (one == other) {
        return strcmp(left->message, right->message);
    }
    return (one == '\0' ? ':' : one) - (other == '\0' ? ':' : other);
}

/* Those from `middle` on come before those from `first` on. */
static void put_first(struct api_causes *causes, size_t first, size_t middle)
{
    size_t later = middle - first, sooner = causes->count - middle;
    struct api_cause *copy =
        arena_array(causes->arena, causes->count - first, sizeof(*causes->items));
    for (size_t i = 0; i < sooner; i++) {
        copy[i] = causes->items[middle + i];
    }
    for (size_t i = 0; i < later; i++) {
        copy[sooner + i] = causes->items[first + i];
    }
    for (size_t i = 0; i < sooner + later; i++) {
        causes->items[first + i] = copy[i];
    }
}

void rules_check_schema(struct api_causes *causes, const struct api_path *at, const props *root,
                        const struct definition_past *past)
{
    size_t first = causes->count;
    bool unreadable = false, has_dialect = false;
    if (root != NULL && root->nullable) {
        rules_forbidden(causes, at, "nullable", "nullable cannot be true at the root");
    }
    size_t before = causes->count;
    check(causes, &(struct place){.at = at,
                                  .schema = root,
                                  .past = past,
                                  .is_root = true,
                                  .unreadable = &unreadable,
                                  .has_dialect = &has_dialect});
    size_t words = causes->count;
    if (has_dialect && words == first) {
        api_cause_invalid(causes, at, api_shown_text(""),
                          "OpenAPIV3Schema 'schema' is not supported");
    }
    if (unreadable || has_dialect) {
        return;
    }
    rules_check_structural(causes, at, root);
    if (causes->count == words) { /* Else defaults and rules are about no known shape. */
        rules_check_defaults(causes, at, root, past);
    } else {
        qsort(&causes->items[words], causes->count - words, sizeof(*causes->items), by_text);
    }
    if (causes->count == words) {
        rules_check_validations(causes, at, root, past, /* sound= */ words == before);
    } else {
        put_first(causes, before, words); /* So v1.32 tells them. */
    }
}
