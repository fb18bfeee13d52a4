/* What a CustomResourceDefinition may not say: names, versions as a whole, status, approval. */
#include "lib/api/definition_approval.h"
#include "lib/api/rules/check_conversion.h"
#include "lib/api/rules/check_versions.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"
#include "lib/base/name_index.h"
#include <ctype.h>

typedef Apiextensions__V1__CustomResourceDefinition definition_t;
typedef Apiextensions__V1__CustomResourceDefinitionSpec spec_t;
typedef Apiextensions__V1__CustomResourceDefinitionVersion version_t;
typedef Apiextensions__V1__CustomResourceDefinitionNames names_t;

/* All that is wrong in one cause. */
static void check_joined(struct api_causes *causes, const struct api_path *at, const char *value,
                         struct api_syntax syntax, const char *before)
{
    if (syntax.count > 0) {
        api_cause_invalid(
            causes, at, api_shown_text(value),
            arena_printf(causes->arena, "%s%s", before, rules_joined(causes->arena, syntax)));
    }
}

static void check_label(struct api_causes *causes, const struct api_path *at, const char *name,
                        const char *value)
{
    struct api_path path = api_path_field(at, name);
    if (!rules_empty(value)) {
        check_joined(causes, &path, value, api_syntax_dns1035_label(value), "");
    }
}

/* A kind is a label but for its capital letters. */
static void check_kind_name(struct api_causes *causes, const struct api_path *at, const char *name,
                            const char *value)
{
    struct api_path path = api_path_field(at, name);
    if (rules_empty(value)) {
        return;
    }
    char *small = arena_text(causes->arena, value);
    for (char *c = small; *c != '\0'; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    check_joined(causes, &path, value, api_syntax_dns1035_label(small),
                 "may have mixed case, but should otherwise match: ");
}

static void check_name_list(struct api_causes *causes, const struct api_path *at,
                            char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct api_path path = api_path_index(at, i);
        check_joined(causes, &path, names[i], api_syntax_dns1035_label(text_or_empty(names[i])),
                     "");
    }
}

/* The names that are there. */
static void check_names(struct api_causes *causes, const struct api_path *at, const names_t *names)
{
    struct api_path shorts = api_path_field(at, "shortNames");
    struct api_path categories = api_path_field(at, "categories");
    check_label(causes, at, "plural", names->plural);
    check_label(causes, at, "singular", names->singular);
    check_kind_name(causes, at, "kind", names->kind);
    check_kind_name(causes, at, "listKind", names->list_kind);
    check_name_list(causes, &shorts, names->short_names, names->n_short_names);
    if (!rules_empty(names->kind) && rules_is(names->list_kind, names->kind)) {
        rules_invalid(causes, at, "listKind", api_shown_text(names->list_kind),
                      "kind and listKind may not be the same");
    }
    check_name_list(causes, &categories, names->categories, names->n_categories);
}

static void check_names_given(struct api_causes *causes, const struct api_path *spec,
                              const names_t *names)
{
    struct api_path at = api_path_field(spec, "names");
    const struct {
        const char *name, *value;
    } wanted[] = {{"plural", names->plural},
                  {"singular", names->singular},
                  {"kind", names->kind},
                  {"listKind", names->list_kind}};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        if (rules_empty(wanted[i].value)) {
            rules_required(causes, &at, wanted[i].name, "");
        }
    }
    check_names(causes, &at, names);
}

static void check_group(struct api_causes *causes, const struct api_path *spec, const char *group)
{
    if (rules_empty(group)) {
        rules_required(causes, spec, "group", "");
        return;
    }
    struct api_path path = api_path_field(spec, "group");
    if (api_syntax_dns1123_subdomain(group).count > 0) {
        check_joined(causes, &path, group, api_syntax_dns1123_subdomain(group), "");
    } else if (strchr(group, '.') == NULL) {
        rules_invalid(causes, spec, "group", api_shown_text(group),
                      "should be a domain with at least one dot");
    }
}

static void check_versions(struct api_causes *causes, const struct api_path *spec,
                           const spec_t *all)
{
    size_t stored = 0;
    bool twice = false;
    struct text_set names = {.arena = causes->arena};
    for (size_t i = 0; i < all->n_versions; i++) {
        stored += all->versions[i]->storage ? 1 : 0;
        twice |= !text_set_add(&names, text_or_empty(all->versions[i]->name));
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
    if (status->n_stored_versions == 0) {
        api_cause_invalid(causes, &stored, api_shown_texts(causes->arena, NULL, 0),
                          "must have at least one stored version");
        return;
    }
    struct text_set known = {.arena = causes->arena}, names = {.arena = causes->arena};
    for (size_t j = 0; j < status->n_stored_versions; j++) {
        (void)text_set_add(&known, text_or_empty(status->stored_versions[j]));
    }
    for (size_t i = 0; i < definition->spec->n_versions && !api_causes_full(causes); i++) {
        const version_t *version = definition->spec->versions[i];
        (void)text_set_add(&names, text_or_empty(version->name));
        if (version->storage && !text_set_has(&known, text_or_empty(version->name))) {
            api_cause_invalid(
                causes, &stored,
                api_shown_texts(causes->arena, status->stored_versions, status->n_stored_versions),
                arena_printf(causes->arena, "must have the storage version %s",
                             text_or_empty(version->name)));
        }
    }
    for (size_t j = 0; j < status->n_stored_versions && !api_causes_full(causes); j++) {
        if (!text_set_has(&names, text_or_empty(status->stored_versions[j]))) {
            struct api_path path = api_path_index(&stored, j);
            api_cause_invalid(causes, &path, api_shown_text(status->stored_versions[j]),
                              "must appear in spec.versions");
        }
    }
}

/* An approval that is missing or wrong may stay so. */
static void check_approval(struct api_causes *causes, const definition_t *definition,
                           const definition_t *before)
{
    struct api_path meta = api_path_field(NULL, "metadata");
    struct api_path annotations = api_path_field(&meta, "annotations");
    struct api_path at = api_path_key(&annotations, DEFINITION_APPROVAL);
    const char *reason = NULL;
    if (!definition_needs_approval(text_or_empty(definition->spec->group))) {
        return;
    }
    if (before != NULL &&
        definition_approval_of(causes->arena, before->metadata, &reason) ==
            definition_approval_of(causes->arena, definition->metadata, &reason)) {
        return;
    }
    enum definition_approval approval =
        definition_approval_of(causes->arena, definition->metadata, &reason);
    if (approval == DEFINITION_APPROVAL_MISSING) {
        api_cause_required(causes, &at, reason);
    } else if (approval == DEFINITION_APPROVAL_INVALID) {
        api_cause_invalid(
            causes, &at,
            api_shown_text(api_meta_annotation(definition->metadata, DEFINITION_APPROVAL)), reason);
    }
}

static void check_accepted_names(struct api_causes *causes, const definition_t *definition)
{
    struct api_path status = api_path_field(NULL, "status");
    struct api_path accepted = api_path_field(&status, "acceptedNames");
    if (definition->status->accepted_names != NULL) {
        check_names(causes, &accepted, definition->status->accepted_names);
    }
}

static bool is_established(const definition_t *definition)
{
    for (size_t i = 0; definition != NULL && i < definition->status->n_conditions; i++) {
        if (rules_is(definition->status->conditions[i]->type, "Established") &&
            rules_is(definition->status->conditions[i]->status, "True")) {
            return true;
        }
    }
    return false;
}

/* `before`, the definition that is replaced, may be NULL; `past` is what it excuses. */
static void check_definition(struct api_causes *causes, const definition_t *definition,
                             const definition_t *before, const struct definition_past *past)
{
    static const char *const scopes[] = {"Cluster", "Namespaced", NULL};
    const spec_t *spec = definition->spec;
    struct api_path at = api_path_field(NULL, "spec");
    struct api_path meta = api_path_field(NULL, "metadata");
    const char *name = arena_printf(causes->arena, "%s.%s", text_or_empty(spec->names->plural),
                                    text_or_empty(spec->group));
    if (before == NULL && !rules_is(definition->metadata->name, name)) {
        rules_invalid(causes, &meta, "name", api_shown_text(definition->metadata->name),
                      "must be spec.names.plural+\".\"+spec.group");
    }
    check_group(causes, &at, spec->group);
    if (rules_empty(spec->scope)) {
        rules_required(causes, &at, "scope", "");
    } else if (!rules_one_of(spec->scope, scopes)) {
        rules_not_supported(causes, &at, "scope", spec->scope, scopes);
    }
    rules_check_versions(causes, &at, spec, before == NULL ? NULL : before->spec, past);
    check_versions(causes, &at, spec);
    check_names_given(causes, &at, spec->names);
    rules_check_versions_alike(causes, &at, spec, before == NULL ? NULL : before->spec, past);
    rules_check_conversion(causes, &at, spec->conversion, is_established(before),
                           before == NULL ? NULL : before->spec->conversion);
    check_accepted_names(causes, definition);
    check_stored_versions(causes, definition);
    check_approval(causes, definition, before);
    if (spec->preserve_unknown_fields &&
        (before == NULL || !before->spec->preserve_unknown_fields)) {
        rules_invalid(causes, &at, "preserveUnknownFields", api_shown_bool(true),
                      "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
                      "spec.versions[*].schema instead");
    }
}

void rules_check_definition(struct api_causes *causes, const void *message)
{
    struct definition_past past;
    definition_past_init(&past, NULL);
    check_definition(causes, message, NULL, &past);
    definition_past_release(&past);
}

void rules_replace_definition(struct api_causes *causes, const void *before, const void *after)
{
    struct definition_past past;
    definition_past_init(&past, before);
    check_definition(causes, after, before, &past);
    definition_past_release(&past);
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
    if (is_established(old)) {
        same(causes, &spec, "scope", old->spec->scope, definition->spec->scope);
        same(causes, &names, "kind", old->spec->names->kind, definition->spec->names->kind);
    }
    same(causes, &spec, "group", old->spec->group, definition->spec->group);
    same(causes, &names, "plural", old->spec->names->plural, definition->spec->names->plural);
}

void rules_update_definition_status(struct api_causes *causes, const void *before,
                                    const void *after)
{
    (void)before;
    check_accepted_names(causes, after);
}
