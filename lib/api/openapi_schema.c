/* Schemas from message tables. v2 and v3 differ in where references point, in that a v3 reference
 * with a description stands inside allOf, and in how a number-or-text is said. */
#include "lib/api/json_value.h"
#include "lib/api/openapi_internal.h"
#include "lib/base/alloc.h"
#include <stdlib.h>

void openapi_text(struct buffer *out, const char *text)
{
    json_print_string(slice_text(text), out);
}

static void special_form(struct buffer *out, const struct api_message *message,
                         enum openapi_form form);

/* A list that only protobuf needs a message for. */
static bool is_inline(const struct api_message *message)
{
    return message->form == API_LIST_MESSAGE && !message->published;
}

/* --- Which messages ----------------------------------------------------------------------------
 */

void openapi_collect(struct hash_map *set, const struct api_message *message)
{
    if (message == NULL || is_inline(message) ||
        hash_map_get(set, slice_text(message->schema_name)) != NULL) {
        return;
    }
    (void)hash_map_set(set, slice_text(message->schema_name),
                       (void *)(uintptr_t)message); /* The map hands it out as const again. */
    if (message->form != API_OBJECT && message->form != API_ONE_OR_LIST &&
        message->form != API_ONE_OR_BOOL) {
        return;
    }
    for (size_t i = 0; i < message->member_count; i++) {
        openapi_collect(set, message->members[i].field->message);
    }
}

/* --- Types -------------------------------------------------------------------------------------
 */

static void reference(struct buffer *out, const struct api_message *message, enum openapi_form form)
{
    buffer_printf(out, "\"$ref\":\"#/%s/%s\"",
                  form == OPENAPI_V2 ? "definitions" : "components/schemas", message->schema_name);
}

void openapi_scalar(struct buffer *out, const struct api_field *field)
{
    static const struct {
        const char *type, *format;
    } scalars[] = {
        [API_BOOL] = {"boolean", NULL},     [API_INT32] = {"integer", "int32"},
        [API_INT64] = {"integer", "int64"}, [API_DOUBLE] = {"number", "double"},
        [API_STRING] = {"string", NULL},    [API_BYTES] = {"string", "byte"},
    };
    const char *format = scalars[field->type].format;
    if (field->rules->format != NULL && field->label == API_SINGLE) {
        format = field->rules->format;
    }
    buffer_printf(out, "\"type\":\"%s\"", scalars[field->type].type);
    if (format != NULL) {
        buffer_printf(out, ",\"format\":\"%s\"", format);
    }
}

static void value_type(struct buffer *out, const struct api_field *field, enum openapi_form form)
{
    if (field->message != NULL && is_inline(field->message)) {
        special_form(out, field->message, form);
    } else if (field->message != NULL) {
        reference(out, field->message, form);
    } else if ((field->flags & API_RAW_JSON) != 0) {
        buffer_append_text(out, "\"type\":\"object\"");
    } else {
        openapi_scalar(out, field);
    }
}

static void list_of_texts(struct buffer *out, const char *name, const char *const *texts)
{
    buffer_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; texts[i] != NULL; i++) {
        buffer_append_text(out, i == 0 ? "" : ",");
        openapi_text(out, texts[i]);
    }
    buffer_append_text(out, "]");
}

static int by_text(const void *a, const void *b)
{
    const char *const *left = a, *const *right = b;
    return strcmp(*left, *right);
}

/* In byte order, as v1.32 has them and explain prints them. */
static void enumeration(struct buffer *out, const char *const *values)
{
    size_t count = 0;
    while (values[count] != NULL) {
        count++;
    }
    CLEANUP(alloc_freep) const char **sorted = alloc_array(count + 1, sizeof(*sorted));
    memcpy(sorted, values, count * sizeof(*sorted));
    sorted[count] = NULL;
    qsort(sorted, count, sizeof(*sorted), by_text);
    list_of_texts(out, "enum", sorted);
}

static void patch_strategy(struct buffer *out, const struct api_field *field)
{
    bool merge = (field->flags & API_MERGE) != 0, retain = (field->flags & API_RETAIN_KEYS) != 0;
    bool replace = (field->flags & API_REPLACE) != 0;
    if (merge || retain || replace) {
        buffer_printf(out, ",\"x-kubernetes-patch-strategy\":\"%s%s%s%s\"", merge ? "merge" : "",
                      merge && retain ? "," : "", retain ? "retainKeys" : "",
                      replace ? "replace" : "");
    }
    if (field->rules->merge_key != NULL) {
        buffer_append_text(out, ",\"x-kubernetes-patch-merge-key\":");
        openapi_text(out, field->rules->merge_key);
    }
}

static void extensions(struct buffer *out, const struct api_field *field)
{
    patch_strategy(out, field);
    if (field->label == API_REPEATED) {
        if ((field->flags & API_LIST_MAP) != 0) {
            buffer_append_text(out, ",\"x-kubernetes-list-type\":\"map\"");
            if (field->rules->list_map_keys != NULL) {
                list_of_texts(out, "x-kubernetes-list-map-keys", field->rules->list_map_keys);
            }
        } else if ((field->flags & API_LIST_SET) != 0) {
            buffer_append_text(out, ",\"x-kubernetes-list-type\":\"set\"");
        } else if ((field->flags & API_MERGE) == 0) {
            buffer_append_text(out, ",\"x-kubernetes-list-type\":\"atomic\"");
        }
    } else if ((field->flags & API_MAP_ATOMIC) != 0) {
        buffer_append_text(out, ",\"x-kubernetes-map-type\":\"atomic\"");
    }
}

static void property(struct buffer *out, const struct api_field *field, enum openapi_form form)
{
    const struct api_rules *rules = field->rules;
    bool single = field->label == API_SINGLE;
    bool wrapped = form == OPENAPI_V3 && field->message != NULL && single;
    buffer_append_text(out, "{");
    if (!single) {
        buffer_append_text(out, field->label == API_MAP
                                    ? "\"type\":\"object\",\"additionalProperties\":{"
                                    : "\"type\":\"array\",\"items\":{");
    } else if (wrapped) {
        buffer_append_text(out, "\"allOf\":[{");
    }
    value_type(out, field, form);
    buffer_append_text(out, !single ? "}" : wrapped ? "}]" : "");
    if (field->description != NULL && *field->description != '\0') {
        buffer_append_text(out, ",\"description\":");
        openapi_text(out, field->description);
    }
    if (single && rules->default_json != NULL) {
        buffer_printf(out, ",\"default\":%s", rules->default_json);
    }
    if (single && field->type == API_STRING && rules->values != NULL &&
        (field->flags & API_OPEN_VALUES) == 0) {
        enumeration(out, rules->values);
    }
    extensions(out, field);
    buffer_append_text(out, "}");
}

/* --- Messages ----------------------------------------------------------------------------------
 */

const char openapi_api_version_text[] =
    "The group and version that this object is written in, such as apps/v1.";
const char openapi_kind_text[] = "What the object is, in CamelCase; it cannot change.";

static void type_meta(struct buffer *out)
{
    buffer_append_text(out, "\"apiVersion\":{\"type\":\"string\",\"description\":");
    openapi_text(out, openapi_api_version_text);
    buffer_append_text(out, "},\"kind\":{\"type\":\"string\",\"description\":");
    openapi_text(out, openapi_kind_text);
    buffer_append_text(out, "}");
}

static void object_members(struct buffer *out, const struct api_message *message,
                           enum openapi_form form)
{
    size_t required = 0;
    buffer_append_text(out, "\"type\":\"object\"");
    if (message->member_count > 0 || message->type_meta) {
        buffer_append_text(out, ",\"properties\":{");
        if (message->type_meta) {
            type_meta(out);
        }
        for (size_t i = 0; i < message->member_count; i++) {
            buffer_append_text(out, i == 0 && !message->type_meta ? "" : ",");
            openapi_text(out, message->members[i].field->name);
            buffer_append_text(out, ":");
            property(out, message->members[i].field, form);
        }
        buffer_append_text(out, "}");
    }
    for (size_t i = 0; i < message->member_count; i++) {
        if ((message->members[i].field->flags & API_REQUIRED) != 0) {
            buffer_append_text(out, required++ == 0 ? ",\"required\":[" : ",");
            openapi_text(out, message->members[i].field->name);
        }
    }
    buffer_append_text(out, required > 0 ? "]" : "");
}

static void special_form(struct buffer *out, const struct api_message *message,
                         enum openapi_form form)
{
    switch ((enum api_type)message->form) {
    case API_QUANTITY:
        buffer_append_text(out, form == OPENAPI_V3
                                    ? "\"oneOf\":[{\"type\":\"string\"},{\"type\":\"number\"}]"
                                    : "\"type\":\"string\"");
        break;
    case API_INT_OR_STRING:
        buffer_append_text(out, form == OPENAPI_V3
                                    ? "\"format\":\"int-or-string\",\"oneOf\":[{\"type\":"
                                      "\"integer\"},{\"type\":\"string\"}]"
                                    : "\"type\":\"string\",\"format\":\"int-or-string\"");
        break;
    case API_TIME:
    case API_MICRO_TIME:
        buffer_append_text(out, "\"type\":\"string\",\"format\":\"date-time\"");
        break;
    case API_DURATION:
        buffer_append_text(out, "\"type\":\"string\"");
        break;
    case API_LIST_MESSAGE:
        buffer_append_text(out, "\"type\":\"array\",\"items\":{\"type\":\"string\"}");
        break;
    case API_RAW_OBJECT:
    case API_ENVELOPE:
        buffer_append_text(out, "\"type\":\"object\"");
        break;
    case API_OBJECT:
    case API_RAW_VALUE:
    case API_ONE_OR_LIST:
    case API_ONE_OR_BOOL:
    case API_BOOL:
    case API_INT32:
    case API_INT64:
    case API_DOUBLE:
    case API_STRING:
    case API_BYTES:
        buffer_append_text(out, "\"x-kubernetes-preserve-unknown-fields\":true");
        break;
    }
}

/* "group/version/Kind" each, "version/Kind" in the core group; "*" (option messages, which every
 * group version has) is left out. */
static void kinds_of(struct buffer *out, const struct api_message *message)
{
    size_t count = 0;
    for (size_t i = 0; message->gvk != NULL && message->gvk[i] != NULL; i++) {
        const char *group = message->gvk[i];
        const char *first = strchr(group, '/');
        const char *last = strrchr(group, '/');
        if (first == NULL) {
            continue;
        }
        const char *version = first == last ? group : first + 1;
        int group_len = first == last ? 0 : (int)(first - group);
        buffer_append_text(out, count++ == 0 ? ",\"x-kubernetes-group-version-kind\":[" : ",");
        buffer_printf(out, "{\"group\":\"%.*s\",\"kind\":\"%s\",\"version\":\"%.*s\"}", group_len,
                      group, last + 1, (int)(last - version), version);
    }
    buffer_append_text(out, count > 0 ? "]" : "");
}

static void schema(struct buffer *out, const struct api_message *message, enum openapi_form form)
{
    openapi_text(out, message->schema_name);
    buffer_append_text(out, ":{");
    if (message->form == API_OBJECT) {
        object_members(out, message, form);
    } else {
        special_form(out, message, form);
    }
    if (message->description != NULL && *message->description != '\0') {
        buffer_append_text(out, ",\"description\":");
        openapi_text(out, message->description);
    }
    kinds_of(out, message);
    if (message->map_atomic) {
        buffer_append_text(out, ",\"x-kubernetes-map-type\":\"atomic\"");
    }
    if (message->unions != NULL) {
        buffer_printf(out, ",\"x-kubernetes-unions\":%s", message->unions);
    }
    buffer_append_text(out, "}");
}

static int by_schema_name(const void *a, const void *b)
{
    const struct api_message *const *left = a, *const *right = b;
    return strcmp((*left)->schema_name, (*right)->schema_name);
}

void openapi_schemas(const struct hash_map *set, enum openapi_form form, struct buffer *out)
{
    size_t count = hash_map_count(set), used = 0;
    CLEANUP(alloc_freep)
    const struct api_message **messages = alloc_array(count + 1, sizeof(*messages));
    void *value = NULL;
    for (size_t at = 0; hash_map_next(set, &at, NULL, &value);) {
        messages[used++] = value;
    }
    qsort(messages, used, sizeof(*messages), by_schema_name);
    for (size_t i = 0; i < used; i++) {
        buffer_append_text(out, i == 0 ? "" : ",");
        schema(out, messages[i], form);
    }
}
