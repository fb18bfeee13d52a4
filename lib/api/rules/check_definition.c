/* What a CustomResourceDefinition may not say: names, versions, columns, subresources. */
#include "lib/api/rules/check_conversion.h"
#include "lib/api/rules/check_schema.h"
#include "lib/api/rules/rules.h"
#include <ctype.h>

typedef Apiextensions__V1__CustomResourceDefinition definition_t;
typedef Apiextensions__V1__CustomResourceDefinitionSpec spec_t;
typedef Apiextensions__V1__CustomResourceDefinitionVersion version_t;
typedef Apiextensions__V1__CustomResourceDefinitionNames names_t;

static void check_label(struct api_causes *causes, const struct api_path *at, const char *name,
                        const char *value)
{
    rules_check_text(causes, at, name, value, api_syntax_dns1035_label);
}

/* A kind is a label but for its capital letters. */
static void check_kind_name(struct api_causes *causes, const struct api_path *at, const char *name,
                            const char *value)
{
    struct api_path path = api_path_field(at, name);
    char *small = arena_text(causes->arena, text_or_empty(value));
    for (char *c = small; *c != '\0'; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    struct api_syntax syntax = api_syntax_dns1035_label(small);
    for (size_t i = 0; i < syntax.count; i++) {
        api_cause_invalid(causes, &path, api_shown_text(value),
                          arena_printf(causes->arena,
                                       "may have mixed case, but should otherwise match: %s",
                                       syntax.messages[i]));
    }
}

static void check_names(struct api_causes *causes, const struct api_path *spec,
                        const names_t *names)
{
    struct api_path at = api_path_field(spec, "names");
    struct api_path shorts = api_path_field(&at, "shortNames");
    struct api_path categories = api_path_field(&at, "categories");
    check_label(causes, &at, "plural", names->plural);
    if (!rules_empty(names->singular)) {
        check_label(causes, &at, "singular", names->singular);
    }
    check_kind_name(causes, &at, "kind", names->kind);
    check_kind_name(causes, &at, "listKind", names->list_kind);
    for (size_t i = 0; i < names->n_short_names; i++) {
        struct api_path path = api_path_index(&shorts, i);
        rules_invalid_each(causes, &path, api_shown_text(names->short_names[i]),
                           api_syntax_dns1035_label(text_or_empty(names->short_names[i])));
    }
    for (size_t i = 0; i < names->n_categories; i++) {
        struct api_path path = api_path_index(&categories, i);
        rules_invalid_each(causes, &path, api_shown_text(names->categories[i]),
                           api_syntax_dns1035_label(text_or_empty(names->categories[i])));
    }
    if (!rules_empty(names->kind) && rules_is(names->list_kind, names->kind)) {
        rules_invalid(causes, &at, "listKind", api_shown_text(names->list_kind),
                      "kind and listKind may not be the same");
    }
}

static void check_group(struct api_causes *causes, const struct api_path *spec, const char *group)
{
    if (rules_empty(group)) {
        rules_required(causes, spec, "group", "");
        return;
    }
    rules_check_text(causes, spec, "group", group, api_syntax_dns1123_subdomain);
    if (strchr(group, '.') == NULL) {
        rules_invalid(causes, spec, "group", api_shown_text(group),
                      "should be a domain with at least one dot");
    }
}

/* --- Parts of a version ------------------------------------------------------------------------
 */

static bool is_below(const char *path, const char *part)
{
    size_t len = strlen(part);
    return strncmp(text_or_empty(path), part, len) == 0 && path[len] != '\0';
}

static void check_subresources(struct api_causes *causes, const struct api_path *at,
                               const Apiextensions__V1__CustomResourceSubresources *subresources)
{
    if (subresources == NULL || subresources->scale == NULL) {
        return;
    }
    const Apiextensions__V1__CustomResourceSubresourceScale *scale = subresources->scale;
    struct api_path own = api_path_field(at, "subresources");
    struct api_path path = api_path_field(&own, "scale");
    if (rules_empty(scale->spec_replicas_path)) {
        rules_required(causes, &path, "specReplicasPath", "");
    } else if (!is_below(scale->spec_replicas_path, ".spec.")) {
        rules_invalid(causes, &path, "specReplicasPath", api_shown_text(scale->spec_replicas_path),
                      "should be a json path under .spec");
    }
    if (rules_empty(scale->status_replicas_path)) {
        rules_required(causes, &path, "statusReplicasPath", "");
    } else if (!is_below(scale->status_replicas_path, ".status.")) {
        rules_invalid(causes, &path, "statusReplicasPath",
                      api_shown_text(scale->status_replicas_path),
                      "should be a json path under .status");
    }
    if (!rules_empty(scale->label_selector_path) &&
        !is_below(scale->label_selector_path, ".spec.") &&
        !is_below(scale->label_selector_path, ".status.")) {
        rules_invalid(causes, &path, "labelSelectorPath",
                      api_shown_text(scale->label_selector_path),
                      "should be a json path under either .spec or .status");
    }
}

static void check_columns(struct api_causes *causes, const struct api_path *at,
                          const version_t *version)
{
    static const char *const types[] = {"boolean", "date", "integer", "number", "string", NULL};
    struct api_path columns = api_path_field(at, "additionalPrinterColumns");
    for (size_t i = 0; i < version->n_additional_printer_columns; i++) {
        const Apiextensions__V1__CustomResourceColumnDefinition *column =
            version->additional_printer_columns[i];
        struct api_path path = api_path_index(&columns, i);
        if (rules_empty(column->name)) {
            rules_required(causes, &path, "name", "");
        }
        if (rules_empty(column->type)) {
            rules_required(causes, &path, "type",
                           "must be one of boolean,date,integer,number,string");
        } else if (!rules_one_of(column->type, types)) {
            rules_invalid(causes, &path, "type", api_shown_text(column->type),
                          "must be one of boolean,date,integer,number,string");
        }
        if (rules_empty(column->json_path)) {
            rules_required(causes, &path, "JSONPath", "");
        } else if (column->json_path[0] != '.') {
            rules_invalid(causes, &path, "JSONPath", api_shown_text(column->json_path),
                          "must be a simple json path starting with .");
        }
    }
}

/* --- Versions ----------------------------------------------------------------------------------
 */

static const version_t *version_of(const definition_t *definition, const char *name)
{
    for (size_t i = 0; definition != NULL && i < definition->spec->n_versions; i++) {
        if (rules_is(definition->spec->versions[i]->name, name)) {
            return definition->spec->versions[i];
        }
    }
    return NULL;
}

/* The definition that is replaced, and what it excuses. */
struct replaced {
    const definition_t *definition; /* NULL on creation. */
    struct definition_past past;
};

static void check_schema(struct api_causes *causes, const struct api_path *at,
                         const version_t *version, const struct replaced *replaced)
{
    struct api_path root = api_path_field(at, "openAPIV3Schema");
    const version_t *before = version_of(replaced->definition, text_or_empty(version->name));
    struct definition_past past = replaced->past;
    past.same_schema = before != NULL && before->schema != NULL &&
                       api_message_equal(&apiextensions__v1__custom_resource_validation__schema,
                                         before->schema, version->schema);
    rules_check_schema(causes, &root, version->schema->open_apiv3_schema, &past);
}

static void check_version(struct api_causes *causes, const struct api_path *spec, const spec_t *all,
                          size_t index, const struct replaced *replaced)
{
    const version_t *version = all->versions[index];
    struct api_path versions = api_path_field(spec, "versions");
    struct api_path own = api_path_index(&versions, index);
    bool alone = all->n_versions == 1; /* v1.32 blames the fields of its internal form then. */
    const struct api_path *at = alone ? spec : &own;
    struct api_path schema = api_path_field(at, alone ? "validation" : "schema");
    check_label(causes, &own, "name", version->name);
    if (version->schema == NULL || version->schema->open_apiv3_schema == NULL) {
        struct api_path wanted = api_path_field(&own, "schema");
        rules_required(causes, &wanted, "openAPIV3Schema", "schemas are required");
    } else {
        check_schema(causes, &schema, version, replaced);
    }
    check_subresources(causes, at, version->subresources);
    check_columns(causes, at, version);
}

static void check_versions(struct api_causes *causes, const struct api_path *spec,
                           const definition_t *definition, const struct replaced *replaced)
{
    const spec_t *all = definition->spec;
    size_t stored = 0;
    bool twice = false;
    for (size_t i = 0; i < all->n_versions; i++) {
        stored += all->versions[i]->storage ? 1 : 0;
        for (size_t j = 0; j < i; j++) {
            twice =
                twice || rules_is(all->versions[i]->name, text_or_empty(all->versions[j]->name));
        }
    }
    for (size_t i = 0; i < all->n_versions; i++) {
        check_version(causes, spec, all, i, replaced);
    }
    if (twice) {
        rules_invalid(causes, spec, "versions", api_shown_raw("[]"),
                      "must contain unique version names");
    }
    if (stored != 1) {
        rules_invalid(causes, spec, "versions", api_shown_raw("[]"),
                      "must have exactly one version marked as storage version");
    }
    if (all->n_versions > 0) {
        check_label(causes, spec, "version", all->versions[0]->name);
    }
}

/* Objects may be stored as each version that the status names. */
static void check_stored_versions(struct api_causes *causes, const definition_t *definition)
{
    const Apiextensions__V1__CustomResourceDefinitionStatus *status = definition->status;
    struct api_path at = api_path_field(NULL, "status");
    struct api_path stored = api_path_field(&at, "storedVersions");
    for (size_t i = 0; i < definition->spec->n_versions; i++) {
        const version_t *version = definition->spec->versions[i];
        bool known = !version->storage;
        for (size_t j = 0; !known && j < status->n_stored_versions; j++) {
            known = rules_is(version->name, text_or_empty(status->stored_versions[j]));
        }
        if (!known) {
            api_cause_invalid(causes, &stored, api_shown_raw("[]"),
                              arena_printf(causes->arena, "must have the storage version %s",
                                           text_or_empty(version->name)));
        }
    }
    for (size_t j = 0; j < status->n_stored_versions; j++) {
        bool found = false;
        for (size_t i = 0; !found && i < definition->spec->n_versions; i++) {
            found = rules_is(definition->spec->versions[i]->name,
                             text_or_empty(status->stored_versions[j]));
        }
        if (!found) {
            struct api_path path = api_path_index(&stored, j);
            api_cause_invalid(causes, &path, api_shown_text(status->stored_versions[j]),
                              "missing from spec.versions; versions that were previously the "
                              "storage version must remain in spec.versions until a storage "
                              "migration ensures no data remains persisted in that version and "
                              "removes it from status.storedVersions");
        }
    }
}

static void check_definition(struct api_causes *causes, const definition_t *definition,
                             const struct replaced *replaced)
{
    static const char *const scopes[] = {"Cluster", "Namespaced", NULL};
    const spec_t *spec = definition->spec;
    struct api_path at = api_path_field(NULL, "spec");
    struct api_path meta = api_path_field(NULL, "metadata");
    const char *name = arena_printf(causes->arena, "%s.%s", text_or_empty(spec->names->plural),
                                    text_or_empty(spec->group));
    if (replaced->definition == NULL && !rules_is(definition->metadata->name, name)) {
        rules_invalid(causes, &meta, "name", api_shown_text(definition->metadata->name),
                      "must be spec.names.plural+\".\"+spec.group");
    }
    check_group(causes, &at, spec->group);
    if (rules_empty(spec->scope)) {
        rules_required(causes, &at, "scope", "");
    } else if (!rules_one_of(spec->scope, scopes)) {
        rules_not_supported(causes, &at, "scope", spec->scope, scopes);
    }
    if (spec->preserve_unknown_fields) {
        rules_invalid(causes, &at, "preserveUnknownFields", api_shown_bool(true),
                      "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
                      "spec.versions[*].schema instead");
    }
    check_versions(causes, &at, definition, replaced);
    check_names(causes, &at, spec->names);
    rules_check_conversion(causes, &at, spec->conversion);
    check_stored_versions(causes, definition);
}

void rules_check_definition(struct api_causes *causes, const void *message)
{
    check_definition(causes, message, &(struct replaced){.definition = NULL});
}

void rules_replace_definition(struct api_causes *causes, const void *before, const void *after)
{
    struct replaced replaced = {.definition = before};
    definition_past_init(&replaced.past, before);
    check_definition(causes, after, &replaced);
    definition_past_release(&replaced.past);
}

/* --- Changes -----------------------------------------------------------------------------------
 */

static void same(struct api_causes *causes, const struct api_path *at, const char *name,
                 const char *before, const char *after)
{
    if (!rules_is(after, text_or_empty(before))) {
        rules_invalid(causes, at, name, api_shown_text(after), "field is immutable");
    }
}

void rules_update_definition(struct api_causes *causes, const void *before, const void *after)
{
    const definition_t *old = before, *definition = after;
    struct api_path spec = api_path_field(NULL, "spec");
    struct api_path names = api_path_field(&spec, "names");
    bool established = false;
    for (size_t i = 0; i < old->status->n_conditions; i++) {
        established = established || (rules_is(old->status->conditions[i]->type, "Established") &&
                                      rules_is(old->status->conditions[i]->status, "True"));
    }
    if (established) {
        same(causes, &spec, "scope", old->spec->scope, definition->spec->scope);
        same(causes, &names, "kind", old->spec->names->kind, definition->spec->names->kind);
    }
    same(causes, &spec, "group", old->spec->group, definition->spec->group);
    same(causes, &names, "plural", old->spec->names->plural, definition->spec->names->plural);
}
