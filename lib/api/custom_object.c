/* What lib/api does with custom objects where a kind's own has a table of fields. */
#include "lib/api/custom.h"

#include "lib/api/codec.h"
#include "lib/api/custom_rules.h"
#include "lib/api/limits.h"
#include "lib/api/structural_meta.h"

static bool is_pruned(const struct custom_version *version)
{
    return !version->resource->definition->spec->preserve_unknown_fields;
}

void custom_prune(struct arena *arena, const struct api_message *message, void *object,
                  struct api_problems *problems)
{
    const struct structural *schema = custom_schema(message->custom);
    struct custom_object *custom = object;
    if (schema != NULL) {
        structural_meta_prune(arena, schema, custom->content, problems);
    }
    if (schema != NULL && is_pruned(message->custom)) {
        structural_prune(arena, schema, custom->content, problems);
    }
}

void custom_default(struct arena *arena, const struct api_kind *kind, void *object)
{
    const struct structural *schema = custom_schema(custom_of(kind));
    struct custom_object *custom = object;
    if (schema != NULL) {
        structural_default(arena, schema, custom->content);
    }
}

/* --- Status ------------------------------------------------------------------------------------
 */

static const struct slice STATUS = {(const uint8_t *)"status", sizeof("status") - 1};

void custom_drop_status(void *object)
{
    struct custom_object *custom = object;
    (void)json_remove(custom->content, STATUS); /* May be absent. */
}

void custom_keep_status(struct arena *arena, const void *before, void *object)
{
    const struct custom_object *old = before;
    struct custom_object *custom = object;
    struct json_value *status = json_get(old->content, STATUS);
    custom_drop_status(custom);
    if (status != NULL) {
        json_set(arena, custom->content, STATUS, status);
    }
}

void custom_keep_all_but_status(struct arena *arena, const void *before, void *object)
{
    const struct custom_object *old = before;
    struct custom_object *custom = object;
    struct json_value *status = json_get(custom->content, STATUS);
    struct json_value *content = json_new_object(arena);
    for (size_t i = 0; i < old->content->count; i++) {
        if (!slice_equal(old->content->members[i].name, STATUS)) {
            json_add(arena, content, old->content->members[i].name, old->content->members[i].value);
        }
    }
    if (status != NULL) {
        json_add(arena, content, STATUS, status);
    }
    custom->content = content;
}

/* --- Checks ------------------------------------------------------------------------------------
 */

/* How Go prints a scalar, and calls its type; NULL for what is no scalar. */
static const char *go_type(const struct json_value *value)
{
    int64_t number = 0;
    switch (value->type) {
    case JSON_NULL:
        return "<nil>";
    case JSON_BOOL:
        return "bool";
    case JSON_STRING:
        return "string";
    case JSON_NUMBER:
        return json_int64(value, &number) == 0 ? "int64" : "float64";
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return NULL;
}

static const char *go_text(const struct json_value *value)
{
    return value->type == JSON_NULL   ? "<nil>"
           : value->type != JSON_BOOL ? (const char *)value->text.data
           : value->boolean           ? "true"
                                      : "false";
}

/* What is scaled is counted: replicas are a number that an int32 holds, and not below zero. */
static void check_count(struct api_causes *causes, const struct json_value *content,
                        const char *json_path)
{
    const struct json_value *value = custom_value(content, json_path);
    struct api_path path = api_path_field(NULL, json_path);
    int64_t replicas = 0;
    if (value == NULL) {
        return;
    }
    if (value->type != JSON_NUMBER || json_int64(value, &replicas) < 0) {
        const char *type = go_type(value);
        api_cause_invalid(causes, &path, api_shown_int(0),
                          type == NULL ? "accessor error: expected int64"
                                       : arena_printf(causes->arena,
                                                      "%s accessor error: %s is of the type %s, "
                                                      "expected int64",
                                                      json_path, go_text(value), type));
    } else if (replicas < 0) {
        api_cause_invalid(causes, &path, api_shown_int(replicas),
                          "should be a non-negative integer");
    } else if (replicas > INT32_MAX) {
        api_cause_invalid(causes, &path, api_shown_int(replicas),
                          "should be less than or equal to 2147483647");
    }
}

static void check_replicas(struct api_causes *causes, const struct custom_version *version,
                           const struct json_value *content)
{
    const Apiextensions__V1__CustomResourceSubresources *subresources =
        version->source->subresources;
    if (subresources != NULL && subresources->scale != NULL) {
        check_count(causes, content, text_or_empty(subresources->scale->spec_replicas_path));
        check_count(causes, content, text_or_empty(subresources->scale->status_replicas_path));
    }
}

void custom_validate(struct api_causes *causes, const struct api_kind *kind, const void *before,
                     const void *object)
{
    const struct custom_version *version = custom_of(kind);
    const struct structural *schema = custom_schema(version);
    const struct custom_object *custom = object, *old = before;
    if (schema != NULL) {
        structural_validate(causes, NULL, schema, custom->content,
                            old == NULL ? NULL : old->content);
    }
    check_replicas(causes, version, custom->content);
    if (causes->count == 0 && custom_rules(version) != NULL) { /* They count on the schema. */
        custom_rules_check(causes, custom_rules(version), custom_tree(causes->arena, kind, object),
                           old == NULL ? NULL : custom_tree(causes->arena, kind, before));
    }
}

void *custom_convert(struct arena *arena, const struct api_kind *to, const void *object)
{
    const struct custom_object *from = object;
    struct custom_object *converted = arena_alloc(arena, sizeof(*converted));
    *converted = *from;
    converted->content = json_copy(arena, from->content);
    custom_prune(arena, to->message, converted, NULL);
    custom_default(arena, to, converted);
    return converted;
}

/* --- Simple paths ------------------------------------------------------------------------------
 */

/* Cuts the first name off a path like ".spec.replicas". */
static struct slice next_name(const char **path)
{
    const char *start = **path == '.' ? *path + 1 : *path;
    size_t len = strcspn(start, ".");
    *path = start + len;
    return slice_of(start, len);
}

const struct json_value *custom_value(const struct json_value *content, const char *path)
{
    const struct json_value *value = content;
    while (value != NULL && *path != '\0') {
        struct slice name = next_name(&path);
        value = value->type == JSON_OBJECT ? json_get(value, name) : NULL;
    }
    return value;
}

const char *custom_field_text(const void *object, const char *path)
{
    const struct custom_object *custom = object;
    const struct json_value *value = custom_value(custom->content, path);
    if (value == NULL) {
        return "";
    }
    return value->type == JSON_STRING || value->type == JSON_NUMBER ? (const char *)value->text.data
           : value->type != JSON_BOOL                               ? ""
           : value->boolean                                         ? "true"
                                                                    : "false";
}

bool custom_set_value(struct arena *arena, struct json_value *content, const char *path,
                      struct json_value *value)
{
    struct json_value *holder = content;
    for (;;) {
        struct slice name = next_name(&path);
        if (holder->type != JSON_OBJECT) {
            return false;
        }
        if (*path == '\0') {
            json_set(arena, holder, name, value);
            return true;
        }
        struct json_value *inner = json_get(holder, name);
        if (inner == NULL) {
            inner = json_new_object(arena);
            json_set(arena, holder, name, inner);
        }
        holder = inner;
    }
}
