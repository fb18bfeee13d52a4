#include "lib/api/rules/check_versions.h"

#include "lib/api/codec.h"
#include "lib/api/custom_field_path.h"
#include "lib/api/rules/check_schema.h"
#include "lib/api/rules/rules.h"
#include "lib/base/utf8.h"

typedef Apiextensions__V1__CustomResourceDefinitionSpec spec_t;
typedef Apiextensions__V1__CustomResourceDefinitionVersion version_t;
typedef Apiextensions__V1__JSONSchemaProps props;

enum { SELECTABLE_MAX = 8 };

/* --- Subresources and columns ------------------------------------------------------------------
 */

static bool begins_with(const char *path, const char *part)
{
    return strncmp(path, part, strlen(part)) == 0;
}

/* A path that begins with one of `parts`. */
static void check_path(struct api_causes *causes, const struct api_path *at, const char *name,
                       const char *path, const char *const *parts, const char *why)
{
    bool found = false;
    if (path[0] != '.') {
        rules_invalid(causes, at, name, api_shown_text(path),
                      "must be a simple json path starting with .");
        return;
    }
    for (; *parts != NULL; parts++) {
        found = found || begins_with(path, *parts);
    }
    if (!found) {
        rules_invalid(causes, at, name, api_shown_text(path), why);
    }
}

static void check_subresources(struct api_causes *causes, const struct api_path *at,
                               const Apiextensions__V1__CustomResourceSubresources *subresources)
{
    static const char *const of_spec[] = {".spec.", NULL}, *const of_status[] = {".status.", NULL},
                             *const of_both[] = {".spec.", ".status.", NULL};
    if (subresources == NULL || subresources->scale == NULL) {
        return;
    }
    const Apiextensions__V1__CustomResourceSubresourceScale *scale = subresources->scale;
    struct api_path own = api_path_field(at, "subresources");
    struct api_path path = api_path_field(&own, "scale");
    if (rules_empty(scale->spec_replicas_path)) {
        rules_required(causes, &path, "specReplicasPath", "");
    } else {
        check_path(causes, &path, "specReplicasPath", scale->spec_replicas_path, of_spec,
                   "should be a json path under .spec");
    }
    if (rules_empty(scale->status_replicas_path)) {
        rules_required(causes, &path, "statusReplicasPath", "");
    } else {
        check_path(causes, &path, "statusReplicasPath", scale->status_replicas_path, of_status,
                   "should be a json path under .status");
    }
    if (!rules_empty(scale->label_selector_path)) {
        check_path(causes, &path, "labelSelectorPath", scale->label_selector_path, of_both,
                   "should be a json path under either .spec or .status");
    }
}

static void check_column(struct api_causes *causes, const struct api_path *path,
                         const Apiextensions__V1__CustomResourceColumnDefinition *column)
{
    static const char *const types[] = {"boolean", "date", "integer", "number", "string", NULL};
    static const char *const formats[] = {"byte",  "date",  "date-time", "double", "float",
                                          "int32", "int64", "password",  NULL};
    static const char one_type[] = "must be one of boolean,date,integer,number,string";
    if (rules_empty(column->name)) {
        rules_required(causes, path, "name", "");
    }
    if (rules_empty(column->type)) {
        rules_required(causes, path, "type", one_type);
    } else if (!rules_one_of(column->type, types)) {
        rules_invalid(causes, path, "type", api_shown_text(column->type), one_type);
    }
    if (!rules_empty(column->format) && !rules_one_of(column->format, formats)) {
        rules_invalid(causes, path, "format", api_shown_text(column->format),
                      "must be one of byte,date,date-time,double,float,int32,int64,password");
    }
    if (rules_empty(column->json_path)) {
        rules_required(causes, path, "JSONPath", "");
    } else if (column->json_path[0] != '.') {
        rules_invalid(causes, path, "JSONPath", api_shown_text(column->json_path),
                      "must be a simple json path starting with .");
    }
}

static void check_columns(struct api_causes *causes, const struct api_path *at,
                          const version_t *version)
{
    struct api_path columns = api_path_field(at, "additionalPrinterColumns");
    for (size_t i = 0; i < version->n_additional_printer_columns; i++) {
        struct api_path path = api_path_index(&columns, i);
        check_column(causes, &path, version->additional_printer_columns[i]);
    }
}

/* --- Fields that select ------------------------------------------------------------------------
 */

/* The fields that are selected by so far. */
struct selectable {
    const struct structural *schema;
    const char *paths[SELECTABLE_MAX];
    size_t count; /* More than the paths that are kept, when there are too many. */
};

static bool is_new(struct selectable *seen, const char *path)
{
    for (size_t i = 0; i < seen->count && i < SELECTABLE_MAX; i++) {
        if (strcmp(seen->paths[i], path) == 0) {
            return false;
        }
    }
    if (seen->count < SELECTABLE_MAX) {
        seen->paths[seen->count] = path;
    }
    seen->count++;
    return true;
}

static bool is_selectable(const struct structural *schema)
{
    return schema != NULL &&
           (schema->type == STRUCTURAL_STRING || schema->type == STRUCTURAL_BOOLEAN ||
            schema->type == STRUCTURAL_INTEGER);
}

static void check_selectable_field(struct api_causes *causes, const struct api_path *at,
                                   const char *json_path, struct selectable *seen)
{
    CLEANUP(error_release) struct error error = {0};
    struct api_shown shown = api_shown_text(json_path);
    struct api_path path = api_path_field(at, "jsonPath");
    struct custom_field field;
    if (rules_empty(json_path)) {
        api_cause_required(causes, &path, "");
        return;
    }
    if (custom_field_find(causes->arena, seen->schema, json_path, &field, &error) < 0) {
        api_cause_invalid(
            causes, &path, shown,
            arena_printf(causes->arena, "is an invalid path: %s", error_message(&error)));
        return;
    }
    if (slice_is(field.first, "metadata")) {
        api_cause_invalid(causes, &path, shown, "must not point to fields in metadata");
    }
    if (!is_selectable(field.schema)) {
        api_cause_invalid(causes, &path, shown,
                          "must point to a field of type string, boolean or integer. Enum string "
                          "fields and strings with formats are allowed.");
    }
    if (!is_new(seen, field.path)) {
        api_cause_duplicate(causes, &path, shown);
    }
}

/* `schema` is the one that stands where the fields stand in the internal form, or NULL; `why` are
 * the words when there is none. */
static void check_selectable(struct api_causes *causes, const struct api_path *at,
                             const version_t *version, const props *schema, const char *why)
{
    struct api_path fields = api_path_field(at, "selectableFields");
    if (version->n_selectable_fields == 0) {
        return;
    }
    if (schema == NULL) {
        api_cause_invalid(causes, &fields, api_shown_text(""), why);
        return;
    }
    struct selectable seen = {.schema = structural_parse(causes->arena, schema)};
    for (size_t i = 0; i < version->n_selectable_fields; i++) {
        struct api_path path = api_path_index(&fields, i);
        check_selectable_field(causes, &path, version->selectable_fields[i]->json_path, &seen);
    }
    if (seen.count > SELECTABLE_MAX) {
        api_cause_too_many(causes, &fields, seen.count, SELECTABLE_MAX);
    }
}

/* --- Warnings ----------------------------------------------------------------------------------
 */

/* What a terminal does not show as one character: controls, and blanks other than the space. */
static bool is_printable(uint32_t rune)
{
    static const struct {
        uint32_t first, last;
    } hidden[] = {{0, 0x1f},        {0x7f, 0xa0},     {0xad, 0xad},       {0x2000, 0x200f},
                  {0x2028, 0x202f}, {0x205f, 0x206f}, {0x3000, 0x3000},   {0xe000, 0xf8ff},
                  {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff}, {0xf0000, 0x10ffff}};
    for (size_t i = 0; i < ARRAY_LEN(hidden); i++) {
        if (rune >= hidden[i].first && rune <= hidden[i].last) {
            return false;
        }
    }
    return true;
}

static void check_warning(struct api_causes *causes, const struct api_path *at,
                          const version_t *version)
{
    enum { WARNING_MAX = 256 };
    const char *warning = version->deprecation_warning, *name = "deprecationWarning";
    if (warning == NULL) {
        return;
    }
    struct api_shown shown = api_shown_text(warning);
    if (!version->deprecated) {
        rules_invalid(causes, at, name, shown, "can only be set for deprecated versions");
        return;
    }
    if (strlen(warning) > WARNING_MAX) {
        rules_invalid(causes, at, name, shown, "must be <= 256 characters long");
    }
    if (*warning == '\0') {
        rules_invalid(causes, at, name, shown, "must not be an empty string");
    }
    const uint8_t *start = (const uint8_t *)warning, *end = start + strlen(warning);
    for (const uint8_t *c = start; c < end;) {
        uint32_t rune = 0;
        size_t len = utf8_get(c, end, &rune);
        if (len == 0 || !is_printable(rune)) {
            rules_invalid(causes, at, name, shown,
                          arena_printf(causes->arena,
                                       "must only contain printable UTF-8 characters; "
                                       "non-printable character found at index %zu",
                                       (size_t)(c - start)));
            return;
        }
        c += len;
    }
}

/* --- The schema --------------------------------------------------------------------------------
 */

/* Whether the root says something that looks at the status and at the rest. */
static bool says_too_much(const props *root)
{
    return !rules_empty(root->id) || !rules_empty(root->schema) || root->ref != NULL ||
           root->nullable || root->default_ != NULL || root->n_enum_ > 0 ||
           root->has_max_properties || root->has_min_properties || root->n_all_of > 0 ||
           root->n_one_of > 0 || root->n_any_of > 0 || root->not_ != NULL ||
           root->additional_properties != NULL || root->n_pattern_properties > 0 ||
           root->n_dependencies > 0 || root->additional_items != NULL || root->n_definitions > 0 ||
           root->x_kubernetes_embedded_resource || root->x_kubernetes_int_or_string ||
           root->n_x_kubernetes_list_map_keys > 0 || root->x_kubernetes_list_type != NULL ||
           root->x_kubernetes_map_type != NULL;
}

/* A status that is written on its own is checked by the schema of its property alone. */
static void check_root_with_status(struct api_causes *causes, const struct api_path *schema,
                                   const props *root)
{
    bool early = !rules_empty(root->id) || !rules_empty(root->schema) || root->ref != NULL;
    if (!early && !rules_empty(root->type) && !rules_is(root->type, "object")) {
        struct api_path path = api_path_field(schema, "openAPIV3Schema");
        rules_invalid(causes, &path, "type", api_shown_text(root->type),
                      "only \"object\" is allowed as the type at the root of the schema if the "
                      "status subresource is enabled");
    } else if (says_too_much(root)) {
        rules_invalid(causes, schema, "openAPIV3Schema",
                      api_shown_raw("apiextensions.JSONSchemaProps"),
                      "only [Description Type Format Title Maximum ExclusiveMaximum Minimum "
                      "ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems "
                      "MultipleOf Required Items Properties ExternalDocs Example "
                      "XPreserveUnknownFields XValidations] fields are allowed at the root of the "
                      "schema if the status subresource is enabled");
    }
}

static const props *schema_of(const version_t *version)
{
    return version->schema == NULL ? NULL : version->schema->open_apiv3_schema;
}

static bool same_schema(const version_t *a, const version_t *b)
{
    return (a->schema == NULL && b->schema == NULL) ||
           (a->schema != NULL && b->schema != NULL &&
            api_message_equal(&apiextensions__v1__custom_resource_validation__schema, a->schema,
                              b->schema));
}

static const version_t *version_of(const spec_t *spec, const char *name)
{
    for (size_t i = 0; spec != NULL && i < spec->n_versions; i++) {
        if (rules_is(spec->versions[i]->name, name)) {
            return spec->versions[i];
        }
    }
    return NULL;
}

static void check_schema(struct api_causes *causes, const struct api_path *at,
                         const version_t *version, bool with_status, const version_t *before,
                         const struct definition_past *past)
{
    struct api_path root = api_path_field(at, "openAPIV3Schema");
    struct definition_past own = *past;
    own.same_schema = before != NULL && schema_of(before) != NULL && same_schema(before, version);
    if (with_status) {
        check_root_with_status(causes, at, schema_of(version));
    }
    rules_check_schema(causes, &root, schema_of(version), &own);
}

/* --- Versions, one by one and alike ------------------------------------------------------------
 */

/* What all versions say alike: "moved", in the internal form. */
struct alike {
    bool schema, subresources, columns, selectable;
};

static bool same_subresources(const version_t *a, const version_t *b)
{
    return (a->subresources == NULL && b->subresources == NULL) ||
           (a->subresources != NULL && b->subresources != NULL &&
            api_message_equal(&apiextensions__v1__custom_resource_subresources__schema,
                              a->subresources, b->subresources));
}

static bool same_columns(const version_t *a, const version_t *b)
{
    bool same = a->n_additional_printer_columns == b->n_additional_printer_columns;
    for (size_t i = 0; same && i < a->n_additional_printer_columns; i++) {
        same =
            api_message_equal(&apiextensions__v1__custom_resource_column_definition__schema,
                              a->additional_printer_columns[i], b->additional_printer_columns[i]);
    }
    return same;
}

static bool same_selectable(const version_t *a, const version_t *b)
{
    bool same = a->n_selectable_fields == b->n_selectable_fields;
    for (size_t i = 0; same && i < a->n_selectable_fields; i++) {
        same = rules_is(a->selectable_fields[i]->json_path,
                        text_or_empty(b->selectable_fields[i]->json_path));
    }
    return same;
}

static struct alike alike_of(const spec_t *spec)
{
    struct alike alike = {true, true, true, true};
    for (size_t i = 1; i < spec->n_versions; i++) {
        const version_t *first = spec->versions[0], *version = spec->versions[i];
        alike.schema = alike.schema && same_schema(first, version);
        alike.subresources = alike.subresources && same_subresources(first, version);
        alike.columns = alike.columns && same_columns(first, version);
        alike.selectable = alike.selectable && same_selectable(first, version);
    }
    return alike;
}

static bool has_status(const version_t *version)
{
    return version->subresources != NULL && version->subresources->status != NULL;
}

static void check_version(struct api_causes *causes, const struct api_path *at,
                          const version_t *version, struct alike alike, const version_t *before,
                          const struct definition_past *past)
{
    struct api_path schema = api_path_field(at, "schema");
    struct api_path name = api_path_field(at, "name");
    struct api_syntax wrong = api_syntax_dns1035_label(text_or_empty(version->name));
    if (wrong.count > 0) {
        api_cause_invalid(causes, &name, api_shown_text(version->name),
                          rules_joined(causes->arena, wrong));
    }
    check_warning(causes, at, version);
    if (!alike.schema && schema_of(version) != NULL) {
        check_schema(causes, &schema, version, has_status(version), before, past);
    }
    if (!alike.subresources) {
        check_subresources(causes, at, version->subresources);
    }
    if (!alike.columns) {
        check_columns(causes, at, version);
    }
    if (!alike.selectable) {
        check_selectable(causes, at, version, alike.schema ? NULL : schema_of(version),
                         "selectableFields may only be set when version.schema.openAPIV3Schema is "
                         "not included");
    }
}

void rules_check_versions(struct api_causes *causes, const struct api_path *at, const spec_t *spec,
                          const spec_t *before, const struct definition_past *past)
{
    struct api_path versions = api_path_field(at, "versions");
    struct alike alike = alike_of(spec);
    for (size_t i = 0; i < spec->n_versions; i++) {
        struct api_path own = api_path_index(&versions, i);
        struct api_path schema = api_path_field(&own, "schema");
        if (schema_of(spec->versions[i]) == NULL) {
            rules_required(causes, &schema, "openAPIV3Schema", "schemas are required");
        }
    }
    for (size_t i = 0; i < spec->n_versions; i++) {
        const version_t *version = spec->versions[i];
        struct api_path own = api_path_index(&versions, i);
        check_version(causes, &own, version, alike,
                      version_of(before, text_or_empty(version->name)), past);
    }
}

void rules_check_versions_alike(struct api_causes *causes, const struct api_path *at,
                                const spec_t *spec, const spec_t *before,
                                const struct definition_past *past)
{
    struct api_path validation = api_path_field(at, "validation");
    struct alike alike = alike_of(spec);
    bool with_status = false;
    if (spec->n_versions == 0) {
        return;
    }
    const version_t *first = spec->versions[0];
    for (size_t i = 0; i < spec->n_versions; i++) {
        with_status = with_status || has_status(spec->versions[i]);
    }
    if (alike.schema && schema_of(first) != NULL) {
        check_schema(causes, &validation, first, with_status,
                     version_of(before, text_or_empty(first->name)), past);
    }
    if (alike.subresources) {
        check_subresources(causes, at, first->subresources);
    }
    if (alike.columns) {
        check_columns(causes, at, first);
    }
    if (alike.selectable) {
        check_selectable(causes, at, first, alike.schema ? schema_of(first) : NULL,
                         "selectableFields may only be set when validations.schema is included");
    }
}
