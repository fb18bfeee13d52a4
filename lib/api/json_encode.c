#include "lib/api/codec.h"

#include "k8s/tables.h"
#include "lib/api/custom.h"
#include "lib/api/fields.h"
#include "lib/api/intstr.h"
#include "lib/api/json_print.h"
#include "lib/api/time.h"
#include "lib/base/base64.h"
#include <stdlib.h>

static void encode_object(const struct api_message *message, const void *object,
                          const struct api_type_meta *meta, struct buffer *out);

static void encode_text(const char *text, struct buffer *out)
{
    json_print_string(slice_text(text), out);
}

static void encode_bytes(const struct api_field *field, const ProtobufCBinaryData *bytes,
                         struct buffer *out)
{
    if ((field->flags & API_RAW_JSON) != 0) {
        if (bytes->len == 0) {
            buffer_append_text(out, "null");
        } else {
            json_print_compact(slice_of(bytes->data, bytes->len), out);
        }
        return;
    }
    if (bytes->data == NULL) {
        buffer_append_text(out, "null");
        return;
    }
    buffer_append_byte(out, '"');
    base64_encode(slice_of(bytes->data, bytes->len), out);
    buffer_append_byte(out, '"');
}

/* --- Messages with a form of their own ---------------------------------------------------------
 */

static void encode_time(const void *message, struct buffer *out)
{
    const Meta__V1__Time *time = message;
    char text[API_TIME_TEXT_SIZE];
    if (api_time_is_zero(time)) {
        buffer_append_text(out, "null");
        return;
    }
    api_time_format(time->seconds, text);
    encode_text(text, out);
}

static void encode_micro_time(const void *message, struct buffer *out)
{
    const Meta__V1__MicroTime *time = message;
    char text[API_TIME_TEXT_SIZE];
    if (api_micro_time_is_zero(time)) {
        buffer_append_text(out, "null");
        return;
    }
    api_micro_time_format(time->seconds, time->nanos, text);
    encode_text(text, out);
}

static void encode_quantity(const void *message, struct buffer *out)
{
    const Quantity__Quantity *quantity = message;
    bool zero = quantity == NULL || quantity->string == NULL || quantity->string[0] == '\0';
    encode_text(zero ? "0" : quantity->string, out);
}

static void encode_int_or_string(const void *message, struct buffer *out)
{
    if (intstr_is_text(message)) {
        encode_text(intstr_text(message), out);
    } else {
        json_print_int(intstr_int(message), out);
    }
}

/* RawExtension, FieldsV1 and JSON: field 1 holds the text. */
static void encode_raw(const struct api_message *message, const void *object, struct buffer *out)
{
    const ProtobufCBinaryData *raw =
        object == NULL ? NULL : api_field_at(&message->fields[0], object);
    if (raw == NULL || raw->len == 0) {
        buffer_append_text(out, "null");
    } else {
        json_print_compact(slice_of(raw->data, raw->len), out);
    }
}

static void encode_duration(const void *message, struct buffer *out)
{
    const Meta__V1__Duration *duration = message;
    char text[API_TIME_TEXT_SIZE];
    api_duration_format(duration == NULL ? 0 : duration->duration, text);
    encode_text(text, out);
}

static void encode_value(const struct api_field *field, const void *at,
                         const struct api_type_meta *meta, struct buffer *out);

static void encode_items(const struct api_field *field, const void *object, struct buffer *out);

static void encode_list_message(const struct api_message *message, const void *object,
                                struct buffer *out)
{
    if (object == NULL) {
        buffer_append_text(out, "null");
    } else {
        encode_items(&message->fields[0], object, out);
    }
}

/* A schema, or an array of schemas or of texts (field 2). */
static void encode_one_or_list(const struct api_message *message, const void *object,
                               struct buffer *out)
{
    const struct api_field *one = &message->fields[0], *list = &message->fields[1];
    if (object != NULL && api_field_count(list, object) > 0) {
        encode_items(list, object, out);
    } else if (object != NULL && api_field_is_set(one, object)) {
        encode_value(one, api_field_at(one, object), NULL, out);
    } else {
        buffer_append_text(out, "null");
    }
}

/* A schema (field 2), or whether anything is allowed. */
static void encode_one_or_bool(const struct api_message *message, const void *object,
                               struct buffer *out)
{
    const struct api_field *allows = &message->fields[0], *one = &message->fields[1];
    if (object != NULL && api_field_is_set(one, object)) {
        encode_value(one, api_field_at(one, object), NULL, out);
    } else {
        buffer_append_text(out,
                           object != NULL && api_field_is_set(allows, object) ? "true" : "false");
    }
}

/* --- Values ----------------------------------------------------------------------------------- */

static void encode_message(const struct api_message *message, const void *object,
                           const struct api_type_meta *meta, struct buffer *out)
{
    switch ((enum api_type)message->form) {
    case API_QUANTITY:
        encode_quantity(object, out);
        break;
    case API_TIME:
        encode_time(object, out);
        break;
    case API_MICRO_TIME:
        encode_micro_time(object, out);
        break;
    case API_INT_OR_STRING:
        encode_int_or_string(object, out);
        break;
    case API_RAW_OBJECT:
    case API_RAW_VALUE:
        encode_raw(message, object, out);
        break;
    case API_DURATION:
        encode_duration(object, out);
        break;
    case API_LIST_MESSAGE:
        encode_list_message(message, object, out);
        break;
    case API_ONE_OR_LIST:
        encode_one_or_list(message, object, out);
        break;
    case API_ONE_OR_BOOL:
        encode_one_or_bool(message, object, out);
        break;
    case API_OBJECT:
    case API_BOOL:
    case API_INT32:
    case API_INT64:
    case API_DOUBLE:
    case API_STRING:
    case API_BYTES:
    case API_ENVELOPE:
        encode_object(message, object, meta, out);
        break;
    }
}

static void encode_value(const struct api_field *field, const void *at,
                         const struct api_type_meta *meta, struct buffer *out)
{
    switch ((enum api_type)field->type) {
    case API_BOOL:
        buffer_append_text(out, *(const protobuf_c_boolean *)at != 0 ? "true" : "false");
        break;
    case API_INT32:
        json_print_int(*(const int32_t *)at, out);
        break;
    case API_INT64:
        json_print_int(*(const int64_t *)at, out);
        break;
    case API_DOUBLE:
        json_print_double(*(const double *)at, out);
        break;
    case API_STRING:
        encode_text(*(const char *const *)at, out);
        break;
    case API_BYTES:
        encode_bytes(field, at, out);
        break;
    case API_OBJECT:
    case API_QUANTITY:
    case API_TIME:
    case API_MICRO_TIME:
    case API_INT_OR_STRING:
    case API_RAW_OBJECT:
    case API_RAW_VALUE:
    case API_DURATION:
    case API_LIST_MESSAGE:
    case API_ENVELOPE:
    case API_ONE_OR_LIST:
    case API_ONE_OR_BOOL:
        encode_message(field->message, *(const void *const *)at, meta, out);
        break;
    }
}

static void encode_items(const struct api_field *field, const void *object, struct buffer *out)
{
    size_t count = api_field_count(field, object), size = api_type_size(field);
    uintptr_t items = *(const uintptr_t *)api_field_at(field, object);
    struct api_type_meta meta, *items_meta = NULL;

    if ((field->flags & API_NESTED_TYPE_META) != 0) {
        meta = (struct api_type_meta){field->message->version, field->message->name};
        items_meta = &meta;
    }
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            buffer_append_byte(out, ',');
        }
        encode_value(field, (const void *)(items + i * size), items_meta, out);
    }
    buffer_append_byte(out, ']');
}

/* --- Maps ------------------------------------------------------------------------------------- */

static void encode_map(const struct api_field *field, const void *object, struct buffer *out)
{
    void *copy;
    void **entries = api_map_sorted(field, object, &copy);
    size_t count = api_field_count(field, object);
    const struct api_field *value = &field->entry->fields[1];
    bool first = true;

    buffer_append_byte(out, '{');
    for (size_t i = 0; i < count; i++) {
        const char *key = api_entry_key(field->entry, entries[i]);
        if (i + 1 < count && strcmp(key, api_entry_key(field->entry, entries[i + 1])) == 0) {
            continue; /* A later entry of the same key wins. */
        }
        if (!first) {
            buffer_append_byte(out, ',');
        }
        first = false;
        encode_text(key, out);
        buffer_append_byte(out, ':');
        encode_value(value, api_field_at(value, entries[i]), NULL, out);
    }
    buffer_append_byte(out, '}');
    free(copy);
}

/* --- Objects ---------------------------------------------------------------------------------- */

static bool is_message_type(const struct api_field *field)
{
    return field->type >= API_OBJECT;
}

/* What an absent field without omitempty shows. */
static void encode_absent(const struct api_field *field, struct buffer *out)
{
    buffer_append_text(out, strcmp(field->name, "items") == 0 ? "[]" : "null");
}

bool api_json_omits(const struct api_field *field, const void *object)
{
    if (api_field_is_set(field, object)) {
        return false;
    }
    if (field->label == API_SINGLE && is_message_type(field) && (field->flags & API_POINTER) == 0 &&
        field->type != API_LIST_MESSAGE) {
        return false;
    }
    return (field->flags & API_OMITEMPTY) != 0;
}

static void encode_present(const struct api_field *field, const void *object, struct buffer *out)
{
    const void *at = api_field_at(field, object);
    bool empty = field->label != API_SINGLE && *(const void *const *)at == NULL;
    bool missing = field->label == API_SINGLE && (field->flags & API_POINTER) != 0 &&
                   !api_field_is_set(field, object);
    if (empty || missing) {
        encode_absent(field, out);
    } else if (field->label == API_REPEATED) {
        encode_items(field, object, out);
    } else if (field->label == API_MAP) {
        encode_map(field, object, out);
    } else {
        encode_value(field, at, NULL, out);
    }
}

void api_encode_json_field(const struct api_field *field, const void *object, struct buffer *out)
{
    encode_present(field, object, out);
}

static void encode_name(const struct api_field *field, bool *first, struct buffer *out)
{
    uint8_t *at = buffer_reserve(out, (size_t)field->name_len + 4);
    size_t len = 0;
    if (at == NULL) {
        return;
    }
    if (!*first) {
        at[len++] = ',';
    }
    *first = false;
    at[len++] = '"';
    memcpy(at + len, field->name, field->name_len);
    len += field->name_len;
    at[len++] = '"';
    at[len++] = ':';
    buffer_commit(out, len);
}

static void encode_type_meta(const struct api_type_meta *meta, bool *first, struct buffer *out)
{
    if (meta->kind != NULL && meta->kind[0] != '\0') {
        buffer_append_text(out, "\"kind\":");
        encode_text(meta->kind, out);
        *first = false;
    }
    if (meta->api_version != NULL && meta->api_version[0] != '\0') {
        buffer_append_text(out, *first ? "\"apiVersion\":" : ",\"apiVersion\":");
        encode_text(meta->api_version, out);
        *first = false;
    }
}

/* A non-pointer message that is NULL shows as empty: its members are those of zeroed memory. */
static void encode_empty_member(const struct api_member *member, bool *first, struct buffer *out)
{
    const struct api_field *field = member->field;
    static const char zeroed[32];
    if ((field->flags & API_OMITEMPTY) != 0 &&
        (field->label != API_SINGLE || !is_message_type(field) ||
         (field->flags & API_POINTER) != 0 || field->type == API_LIST_MESSAGE)) {
        return;
    }
    encode_name(field, first, out);
    if (field->label != API_SINGLE || (field->flags & API_POINTER) != 0) {
        encode_absent(field, out);
    } else {
        encode_value(field, zeroed, NULL, out);
    }
}

/* Appends the members of the content, names in order as Go writes a map, and the closing brace. */
static void encode_content(const struct custom_object *object, struct buffer *out)
{
    size_t start = out->len;
    json_print(object->content, /* sorted= */ true, out);
    if (!out->overflowed) {
        out->data[start] = ','; /* Metadata stands before it. */
    }
}

static void encode_object(const struct api_message *message, const void *object,
                          const struct api_type_meta *meta, struct buffer *out)
{
    bool first = true;

    if (out->overflowed) {
        return; /* No point in walking the rest. */
    }
    buffer_append_byte(out, '{');
    if (meta != NULL) {
        encode_type_meta(meta, &first, out);
    }
    for (size_t i = 0; i < message->member_count; i++) {
        const struct api_member *member = &message->members[i];
        const void *holder = member->via[0] == NULL
                                 ? object
                                 : (object == NULL ? NULL : api_member_holder(member, object));
        if (holder == NULL) {
            encode_empty_member(member, &first, out);
        } else if (!api_json_omits(member->field, holder)) {
            encode_name(member->field, &first, out);
            encode_present(member->field, holder, out);
        }
    }
    if (message->custom != NULL && object != NULL &&
        ((const struct custom_object *)object)->content->count > 0) {
        encode_content(object, out);
        return;
    }
    buffer_append_byte(out, '}');
}

void api_encode_json(const struct api_message *message, const void *object,
                     const struct api_type_meta *meta, struct buffer *out)
{
    encode_message(message, object, meta, out);
}
