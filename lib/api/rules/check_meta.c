/* Rules of metadata and selectors, the same for every kind. */
#include "lib/api/limits_semantics.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"
#include "lib/api/time.h"
#include "lib/base/name_index.h"
#include <stdlib.h>

static const char IMMUTABLE[] = "field is immutable";

void rules_invalid_each(struct api_causes *causes, const struct api_path *at,
                        struct api_shown value, struct api_syntax syntax)
{
    for (size_t i = 0; i < syntax.count; i++) {
        api_cause_invalid(causes, at, value, syntax.messages[i]);
    }
}

void rules_check_text(struct api_causes *causes, const struct api_path *parent, const char *name,
                      const char *value, api_syntax_rule *rule)
{
    struct api_path at = api_path_field(parent, name);
    rules_invalid_each(causes, &at, api_shown_text(value), rule(text_or_empty(value)));
}

bool rules_label_requirement(struct api_causes *causes, const struct api_frame *frame)
{
    const Meta__V1__LabelSelectorRequirement *requirement = frame->message;
    struct api_path values = api_path_field(frame->at, "values");
    const char *op = text_or_empty(requirement->operator_);
    if (strcmp(op, "In") == 0 || strcmp(op, "NotIn") == 0) {
        if (requirement->n_values == 0) {
            api_cause_required(causes, &values,
                               "must be specified when `operator` is 'In' or 'NotIn'");
        }
    } else if (strcmp(op, "Exists") == 0 || strcmp(op, "DoesNotExist") == 0) {
        if (requirement->n_values > 0) {
            api_cause_forbidden(
                causes, &values,
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        }
    } else {
        rules_invalid(causes, frame->at, "operator", api_shown_text(op),
                      "not a valid selector operator");
    }
    return true;
}

/* --- Annotations, owners, finalizers -----------------------------------------------------------
 */

/* Of the metadata of a template, only labels and annotations count. */
bool rules_annotations_size(struct api_causes *causes, const struct api_frame *frame)
{
    const Meta__V1__ObjectMeta *meta = frame->message;
    struct api_path at = api_path_field(frame->at, "annotations");
    struct api_string_map map = API_STRING_MAP(meta->annotations, meta->n_annotations);
    size_t total = 0;
    for (size_t i = 0; i < map.count; i++) {
        total += strlen(api_string_map_key(map, i)) + strlen(api_string_map_value(map, i));
    }
    if (total > API_ANNOTATIONS_BYTES_MAX) {
        api_cause_too_long(causes, &at, API_ANNOTATIONS_BYTES_MAX);
    }
    return frame->parent->parent == NULL;
}

/* "version" or "group/version". */
static bool has_version(const char *api_version)
{
    const char *slash = strchr(api_version, '/');
    const char *version = slash == NULL ? api_version : slash + 1;
    return *version != '\0' && strchr(version, '/') == NULL;
}

static void check_owner(struct api_causes *causes, const struct api_path *list,
                        const struct api_frame *frame)
{
    const Meta__V1__OwnerReference *owner = frame->message;
    const char *api_version = text_or_empty(owner->api_version);
    const struct {
        const char *name;
        const char *value, *wrong;
    } members[] = {{"kind", owner->kind, "kind must not be empty"},
                   {"name", owner->name, "name must not be empty"},
                   {"uid", owner->uid, "uid must not be empty"}};
    if (!has_version(api_version)) {
        rules_invalid(causes, list, "apiVersion", api_shown_text(api_version),
                      "version must not be empty");
    }
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (rules_empty(members[i].value)) {
            rules_invalid(causes, list, members[i].name, api_shown_text(""), members[i].wrong);
        }
    }
    if (rules_is(owner->kind, "Event") && strcmp(api_version, "v1") == 0) {
        api_cause_invalid(causes, list, api_shown_message(causes->arena, frame->table, owner),
                          "/v1, Kind=Event is disallowed from being an owner");
    }
}

static bool is_controller(const Meta__V1__OwnerReference *owner)
{
    return owner->has_controller && owner->controller;
}

/* The first of the first `count` that is the controller, or NULL. */
static const Meta__V1__OwnerReference *controller_of(const Meta__V1__ObjectMeta *meta, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_controller(meta->owner_references[i])) {
            return meta->owner_references[i];
        }
    }
    return NULL;
}

/* What is wrong with one is said of the list. */
bool rules_owner(struct api_causes *causes, const struct api_frame *frame)
{
    const Meta__V1__OwnerReference *owner = frame->message;
    const Meta__V1__ObjectMeta *meta = frame->parent->message;
    const struct api_path *list = frame->at->parent;
    const Meta__V1__OwnerReference *first =
        is_controller(owner) ? controller_of(meta, frame->index) : NULL;
    check_owner(causes, list, frame);
    if (first != NULL) {
        api_cause_invalid(
            causes, list,
            api_shown_member(causes->arena, frame->parent->table, "ownerReferences", meta),
            arena_printf(causes->arena,
                         "Only one reference can have Controller set to true. Found \"true\" in "
                         "references for %s/%s and %s/%s",
                         text_or_empty(first->kind), text_or_empty(first->name),
                         text_or_empty(owner->kind), text_or_empty(owner->name)));
    }
    return false;
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

bool rules_finalizers(struct api_causes *causes, const struct api_frame *frame)
{
    const Meta__V1__ObjectMeta *meta = frame->message;
    if (has_finalizer(meta, "orphan") && has_finalizer(meta, "foregroundDeletion")) {
        rules_invalid(causes, frame->at, "finalizers",
                      api_shown_texts(causes->arena, meta->finalizers, meta->n_finalizers),
                      "finalizer orphan and foregroundDeletion cannot be both set");
    }
    return true;
}

/* --- Names, and what may not change ------------------------------------------------------------
 */

/* A name that will be completed: a final hyphen stands for what follows, together with the
 * character in front of it. No prefix is "." or "..". */
static struct api_syntax check_generate_name(const char *prefix, struct arena *arena,
                                             api_syntax_rule *name_rule)
{
    size_t len = strlen(prefix);
    if (name_rule == api_syntax_path_segment) {
        return name_rule(arena_printf(arena, "%sa", prefix));
    }
    if (len > 1 && prefix[len - 1] == '-') {
        char *cut = arena_text_n(arena, prefix, len - 1);
        cut[len - 2] = 'a';
        return name_rule(cut);
    }
    return name_rule(prefix);
}

static void check_common(struct api_causes *causes, const struct api_frame *object,
                         const Meta__V1__ObjectMeta *meta)
{
    struct api_path at = api_path_field(object->at, "metadata");
    if (meta->generation < 0) { /* No option: nobody looks at it in the metadata of a template. */
        rules_invalid(causes, &at, "generation", api_shown_int(meta->generation),
                      "must be greater than or equal to 0");
    }
    api_check_member(causes, object, "metadata");
}

void rules_object_meta(struct api_causes *causes, const struct api_frame *object,
                       const Meta__V1__ObjectMeta *meta, bool namespaced,
                       api_syntax_rule *name_rule)
{
    struct api_path at = api_path_field(object->at, "metadata");
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
    check_common(causes, object, meta);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void check_new_finalizers(struct api_causes *causes, const struct api_path *at,
                                 const Meta__V1__ObjectMeta *before,
                                 const Meta__V1__ObjectMeta *after)
{
    char **added = arena_array(causes->arena, after->n_finalizers, sizeof(*added));
    struct text_set known = {.arena = causes->arena};
    size_t count = 0;
    for (size_t i = 0; i < before->n_finalizers; i++) {
        (void)text_set_add(&known, text_or_empty(before->finalizers[i]));
    }
    for (size_t i = 0; i < after->n_finalizers; i++) {
        char *name = after->finalizers[i];
        if (name != NULL && text_set_add(&known, name)) {
            added[count++] = name;
        }
    }
    if (count > 0) {
        qsort(added, count, sizeof(*added), by_text);
        rules_forbidden(causes, at, "finalizers",
                        arena_printf(causes->arena,
                                     "no new finalizers can be added if the object is being "
                                     "deleted, found new finalizers %s",
                                     rules_list_shown(causes->arena, added, count)));
    }
}

static void same_text(struct api_causes *causes, const struct api_path *at, const char *name,
                      const char *before, const char *after)
{
    if (!rules_is(before, text_or_empty(after))) {
        rules_invalid(causes, at, name, api_shown_text(after), IMMUTABLE);
    }
}

void rules_object_meta_update(struct api_causes *causes, const struct api_frame *object,
                              const Meta__V1__ObjectMeta *before, const Meta__V1__ObjectMeta *after)
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
    same_text(causes, &at, "name", before->name, after->name);
    same_text(causes, &at, "namespace", before->namespace_, after->namespace_);
    same_text(causes, &at, "uid", before->uid, after->uid);
    if (api_time_is_zero(before->deletion_timestamp) &&
        !api_time_is_zero(after->deletion_timestamp)) {
        rules_invalid(causes, &at, "deletionTimestamp",
                      api_shown_time(causes->arena, after->deletion_timestamp), IMMUTABLE);
    }
    if (before->has_deletion_grace_period_seconds != after->has_deletion_grace_period_seconds ||
        before->deletion_grace_period_seconds != after->deletion_grace_period_seconds) {
        rules_invalid(causes, &at, "deletionGracePeriodSeconds",
                      after->has_deletion_grace_period_seconds
                          ? api_shown_int(after->deletion_grace_period_seconds)
                          : api_shown_null(),
                      IMMUTABLE);
    }
    check_common(causes, object, after);
}
