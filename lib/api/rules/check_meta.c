/* Checks of metadata, labels and selectors, the same for every kind. */
#include "lib/api/limits_semantics.h"
#include "lib/api/rules/rules.h"
#include "lib/api/time.h"
#include <ctype.h>

static const char IMMUTABLE[] = "field is immutable";

void rules_invalid_each(struct api_causes *causes, const struct api_path *at,
                        struct api_shown value, struct api_syntax syntax)
{
    for (size_t i = 0; i < syntax.count; i++) {
        api_cause_invalid(causes, at, value, syntax.messages[i]);
    }
}

void rules_check_text(struct api_causes *causes, const struct api_path *parent, const char *name,
                      const char *value, struct api_syntax (*rule)(const char *text))
{
    struct api_path at = api_path_field(parent, name);
    rules_invalid_each(causes, &at, api_shown_text(value), rule(rules_text(value)));
}

void rules_check_number(struct api_causes *causes, const struct api_path *parent, const char *name,
                        int64_t value, struct api_syntax (*rule)(int64_t number))
{
    struct api_path at = api_path_field(parent, name);
    rules_invalid_each(causes, &at, api_shown_int(value), rule(value));
}

void rules_immutable(struct api_causes *causes, const struct api_path *parent, const char *name,
                     bool equal)
{
    if (!equal) {
        rules_invalid(causes, parent, name, api_shown_raw("object"), IMMUTABLE);
    }
}

void rules_enum(struct api_causes *causes, const struct api_path *at, const char *value,
                const char *const *values)
{
    if (rules_empty(value)) {
        api_cause_required(causes, at, "");
    } else if (!rules_one_of(value, values)) {
        api_cause_not_supported(causes, at, api_shown_text(value), values);
    }
}

void rules_labels(struct api_causes *causes, const struct api_path *at, struct api_string_map map)
{
    for (size_t i = 0; i < map.count; i++) {
        const char *key = api_string_map_key(map, i), *value = api_string_map_value(map, i);
        rules_invalid_each(causes, at, api_shown_text(key), api_syntax_qualified_name(key));
        rules_invalid_each(causes, at, api_shown_text(value), api_syntax_label_value(value));
    }
}

void rules_annotations(struct api_causes *causes, const struct api_path *at,
                       struct api_string_map map)
{
    size_t total = 0;
    for (size_t i = 0; i < map.count; i++) {
        const char *key = api_string_map_key(map, i);
        char *lower = arena_text(causes->arena, key);
        for (char *c = lower; *c != '\0'; c++) {
            *c = (char)tolower((unsigned char)*c);
        }
        rules_invalid_each(causes, at, api_shown_text(key), api_syntax_qualified_name(lower));
        total += strlen(key) + strlen(api_string_map_value(map, i));
    }
    if (total > API_ANNOTATIONS_BYTES_MAX) {
        api_cause_too_long(causes, at, API_ANNOTATIONS_BYTES_MAX);
    }
}

static void check_expression(struct api_causes *causes, const struct api_path *at,
                             const Meta__V1__LabelSelectorRequirement *expression)
{
    struct api_path key = api_path_field(at, "key");
    struct api_path values = api_path_field(at, "values");
    const char *op = rules_text(expression->operator_);
    if (strcmp(op, "In") == 0 || strcmp(op, "NotIn") == 0) {
        if (expression->n_values == 0) {
            api_cause_required(causes, &values,
                               "must be specified when `operator` is 'In' or 'NotIn'");
        }
    } else if (strcmp(op, "Exists") == 0 || strcmp(op, "DoesNotExist") == 0) {
        if (expression->n_values > 0) {
            api_cause_forbidden(
                causes, &values,
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        }
    } else {
        rules_invalid(causes, at, "operator", api_shown_text(op), "not a valid selector operator");
    }
    rules_invalid_each(causes, &key, api_shown_text(expression->key),
                       api_syntax_qualified_name(rules_text(expression->key)));
    for (size_t i = 0; i < expression->n_values; i++) {
        struct api_path value = api_path_index(&values, i);
        rules_invalid_each(causes, &value, api_shown_text(expression->values[i]),
                           api_syntax_label_value(rules_text(expression->values[i])));
    }
}

void rules_label_selector(struct api_causes *causes, const struct api_path *at,
                          const Meta__V1__LabelSelector *selector)
{
    if (selector == NULL) {
        return;
    }
    struct api_path labels = api_path_field(at, "matchLabels");
    struct api_path expressions = api_path_field(at, "matchExpressions");
    rules_labels(causes, &labels, API_STRING_MAP(selector->match_labels, selector->n_match_labels));
    for (size_t i = 0; i < selector->n_match_expressions; i++) {
        struct api_path item = api_path_index(&expressions, i);
        check_expression(causes, &item, selector->match_expressions[i]);
    }
}

/* --- Owners and finalizers ---------------------------------------------------------------------
 */

static void check_owner(struct api_causes *causes, const struct api_path *list, size_t index,
                        const Meta__V1__OwnerReference *owner)
{
    struct api_path at = api_path_index(list, index);
    if (rules_empty(owner->api_version)) {
        rules_invalid(causes, &at, "apiVersion", api_shown_text(""), "version must not be empty");
    }
    if (rules_empty(owner->kind)) {
        rules_invalid(causes, &at, "kind", api_shown_text(""), "must not be empty");
    }
    if (rules_empty(owner->name)) {
        rules_invalid(causes, &at, "name", api_shown_text(""), "must not be empty");
    }
    if (rules_empty(owner->uid)) {
        rules_invalid(causes, &at, "uid", api_shown_text(""), "must not be empty");
    }
    if (rules_is(owner->kind, "Event") && rules_is(owner->api_version, "v1")) {
        api_cause_invalid(causes, list, api_shown_text(owner->name),
                          "/v1, Kind=Event is disallowed from being an owner");
    }
}

static void check_owners(struct api_causes *causes, const struct api_path *at,
                         const Meta__V1__ObjectMeta *meta)
{
    const char *controller = NULL;
    for (size_t i = 0; i < meta->n_owner_references; i++) {
        const Meta__V1__OwnerReference *owner = meta->owner_references[i];
        check_owner(causes, at, i, owner);
        if (!owner->has_controller || !owner->controller) {
            continue;
        }
        if (controller != NULL) {
            api_cause_invalid(
                causes, at, api_shown_text(owner->name),
                arena_printf(
                    causes->arena,
                    "Only one reference can have Controller set to true. Found \"true\" in "
                    "references for %s and %s",
                    controller, rules_text(owner->name)));
        }
        controller = rules_text(owner->name);
    }
}

static bool finalizer_is_known(const char *name)
{
    static const char *const known[] = {"orphan", "foregroundDeletion", "kubernetes", NULL};
    return strchr(name, '/') != NULL || rules_one_of(name, known);
}

static void check_finalizers(struct api_causes *causes, const struct api_path *at,
                             const Meta__V1__ObjectMeta *meta)
{
    bool orphan = false, foreground = false;
    for (size_t i = 0; i < meta->n_finalizers; i++) {
        const char *name = rules_text(meta->finalizers[i]);
        struct api_path item = api_path_index(at, i);
        rules_invalid_each(causes, &item, api_shown_text(name), api_syntax_qualified_name(name));
        orphan = orphan || strcmp(name, "orphan") == 0;
        foreground = foreground || strcmp(name, "foregroundDeletion") == 0;
        if (!finalizer_is_known(name)) {
            api_cause_invalid(
                causes, &item, api_shown_text(name),
                "name is neither a standard finalizer name nor is it fully qualified");
        }
    }
    if (orphan && foreground) {
        api_cause_invalid(causes, at, api_shown_raw("[]string{\"orphan\", \"foregroundDeletion\"}"),
                          "finalizer orphan and foregroundDeletion cannot be both set");
    }
}

/* What is checked on create and on update alike. */
static void check_common(struct api_causes *causes, const struct api_path *at,
                         const Meta__V1__ObjectMeta *meta)
{
    struct api_path labels = api_path_field(at, "labels");
    struct api_path annotations = api_path_field(at, "annotations");
    struct api_path owners = api_path_field(at, "ownerReferences");
    struct api_path finalizers = api_path_field(at, "finalizers");
    if (meta->generation < 0) {
        rules_invalid(causes, at, "generation", api_shown_int(meta->generation),
                      "must be greater than or equal to 0");
    }
    rules_labels(causes, &labels, API_STRING_MAP(meta->labels, meta->n_labels));
    rules_annotations(causes, &annotations, API_STRING_MAP(meta->annotations, meta->n_annotations));
    check_owners(causes, &owners, meta);
    check_finalizers(causes, &finalizers, meta);
}

/* A name that will be completed is checked without its final hyphens. */
static struct api_syntax check_generate_name(const char *prefix, struct arena *arena,
                                             struct api_syntax (*name_rule)(const char *name))
{
    size_t len = strlen(prefix);
    if (len > 1 && prefix[len - 1] == '-') {
        char *cut = arena_text(arena, prefix);
        cut[len - 1] = 'a';
        return name_rule(cut);
    }
    return name_rule(prefix);
}

void rules_object_meta(struct api_causes *causes, const Meta__V1__ObjectMeta *meta, bool namespaced,
                       struct api_syntax (*name_rule)(const char *name))
{
    struct api_path at = api_path_field(NULL, "metadata");
    struct api_path name = api_path_field(&at, "name");
    struct api_path generate = api_path_field(&at, "generateName");
    if (!rules_empty(meta->generate_name)) {
        rules_invalid_each(causes, &generate, api_shown_text(meta->generate_name),
                           check_generate_name(meta->generate_name, causes->arena, name_rule));
    }
    if (rules_empty(meta->name)) {
        api_cause_required(causes, &name, "name or generateName is required");
    } else {
        rules_invalid_each(causes, &name, api_shown_text(meta->name), name_rule(meta->name));
    }
    if (namespaced && rules_empty(meta->namespace_)) {
        rules_required(causes, &at, "namespace", "");
    } else if (namespaced) {
        rules_check_text(causes, &at, "namespace", meta->namespace_, api_syntax_dns1123_label);
    } else if (!rules_empty(meta->namespace_)) {
        rules_forbidden(causes, &at, "namespace", "not allowed on this type");
    }
    check_common(causes, &at, meta);
}

static bool has_finalizer(const Meta__V1__ObjectMeta *meta, const char *name)
{
    for (size_t i = 0; i < meta->n_finalizers; i++) {
        if (rules_is(meta->finalizers[i], name)) {
            return true;
        }
    }
    return false;
}

static void check_new_finalizers(struct api_causes *causes, const struct api_path *at,
                                 const Meta__V1__ObjectMeta *before,
                                 const Meta__V1__ObjectMeta *after)
{
    for (size_t i = 0; i < after->n_finalizers; i++) {
        if (!has_finalizer(before, rules_text(after->finalizers[i]))) {
            rules_forbidden(causes, at, "finalizers",
                            arena_printf(causes->arena,
                                         "no new finalizers can be added if the object is being "
                                         "deleted, found new finalizers []string{\"%s\"}",
                                         rules_text(after->finalizers[i])));
            return;
        }
    }
}

void rules_object_meta_update(struct api_causes *causes, const Meta__V1__ObjectMeta *before,
                              const Meta__V1__ObjectMeta *after)
{
    struct api_path at = api_path_field(NULL, "metadata");
    if (!api_time_is_zero(before->deletion_timestamp)) {
        check_new_finalizers(causes, &at, before, after);
    }
    if (rules_empty(after->resource_version)) {
        rules_invalid(causes, &at, "resourceVersion", api_shown_raw("0x0"),
                      "must be specified for an update");
    }
    if (after->generation < before->generation) {
        rules_invalid(causes, &at, "generation", api_shown_int(after->generation),
                      "must not be decremented");
    }
    if (!rules_is(before->name, rules_text(after->name))) {
        rules_invalid(causes, &at, "name", api_shown_text(after->name), IMMUTABLE);
    }
    if (!rules_is(before->namespace_, rules_text(after->namespace_))) {
        rules_invalid(causes, &at, "namespace", api_shown_text(after->namespace_), IMMUTABLE);
    }
    if (!rules_is(before->uid, rules_text(after->uid))) {
        rules_invalid(causes, &at, "uid", api_shown_text(after->uid), IMMUTABLE);
    }
    if (api_time_is_zero(before->deletion_timestamp) &&
        !api_time_is_zero(after->deletion_timestamp)) {
        rules_invalid(causes, &at, "deletionTimestamp", api_shown_raw("time"), IMMUTABLE);
    }
    if (before->has_deletion_grace_period_seconds != after->has_deletion_grace_period_seconds ||
        before->deletion_grace_period_seconds != after->deletion_grace_period_seconds) {
        rules_invalid(causes, &at, "deletionGracePeriodSeconds",
                      api_shown_int(after->deletion_grace_period_seconds), IMMUTABLE);
    }
    check_common(causes, &at, after);
}
