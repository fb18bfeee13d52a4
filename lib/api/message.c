#include "k8s/tables.h"
#include "lib/api/codec.h"
#include "lib/api/custom.h"
#include "lib/api/decode_memory.h"
#include "lib/api/fields.h"
#include "lib/api/intstr.h"
#include "lib/api/quantity.h"
#include "lib/api/time.h"
#include <assert.h>
#include <stdlib.h>

void api_message_init(struct arena *arena, const struct api_message *message, void *object)
{
    memset(object, 0, message->size);
    ((ProtobufCMessage *)object)->descriptor = message->descriptor;
    for (size_t i = 0; i < message->field_count; i++) {
        const struct api_field *field = &message->fields[i];
        if (field->type == API_OBJECT && field->label == API_SINGLE &&
            (field->flags & API_POINTER) == 0) {
            *(void **)api_field_at(field, object) = api_message_new(arena, field->message);
        }
    }
    if (message->custom != NULL) {
        ((struct custom_object *)object)->content = json_new_object(arena);
    }
}

void *api_message_new(struct arena *arena, const struct api_message *message)
{
    void *object = arena_alloc(arena, message->size);
    api_message_init(arena, message, object);
    return object;
}

/* --- Copy ------------------------------------------------------------------------------------- */

/* `at` holds the value copied bit by bit; what it points to is copied here. */
static void copy_value(struct arena *arena, const struct api_field *field, void *at)
{
    if (field->type == API_STRING) {
        char **text = at;
        *text = *text == NULL ? NULL : arena_text(arena, *text);
    } else if (field->type == API_BYTES) {
        ProtobufCBinaryData *bytes = at;
        if (bytes->data != NULL) {
            bytes->data = (uint8_t *)arena_text_n(arena, (const char *)bytes->data, bytes->len);
        }
    } else if (field->type >= API_OBJECT) {
        void **inner = at;
        *inner = *inner == NULL ? NULL : api_message_copy(arena, field->message, *inner);
    }
}

static void copy_many(struct arena *arena, const struct api_field *field, void *object)
{
    size_t count = api_field_count(field, object);
    size_t size = field->label == API_MAP ? sizeof(void *) : api_type_size(field);
    uint8_t **at = api_field_at(field, object);
    uint8_t *items;

    if (*at == NULL) {
        return;
    }
    items = arena_alloc(arena, count * size + 1); /* Not NULL: empty is not absent. */
    memcpy(items, *at, count * size);
    *at = items;
    for (size_t i = 0; i < count; i++) {
        if (field->label == API_MAP) {
            void **entry = (void **)(void *)(items + i * size);
            *entry = api_message_copy(arena, field->entry, *entry);
        } else {
            copy_value(arena, field, items + i * size);
        }
    }
}

void *api_message_copy(struct arena *arena, const struct api_message *message, const void *object)
{
    void *copy = arena_alloc(arena, message->size);
    memcpy(copy, object, message->size);
    ((ProtobufCMessage *)copy)->n_unknown_fields = 0;
    ((ProtobufCMessage *)copy)->unknown_fields = NULL;
    for (size_t i = 0; i < message->field_count; i++) {
        const struct api_field *field = &message->fields[i];
        if (field->label == API_SINGLE) {
            copy_value(arena, field, api_field_at(field, copy));
        } else {
            copy_many(arena, field, copy);
        }
    }
    if (message->custom != NULL) {
        struct custom_object *custom = copy;
        custom->content = json_copy(arena, custom->content);
    }
    return copy;
}

/* --- Equality --------------------------------------------------------------------------------- */

static bool equal_text(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

static bool equal_bytes(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
    return slice_equal(slice_of(a->data, a->len), slice_of(b->data, b->len));
}

static bool equal_messages(const struct api_field *field, const void *a, const void *b)
{
    switch (field->type) {
    case API_QUANTITY:
        return quantity_compare(quantity_read(a), quantity_read(b)) == 0;
    case API_TIME:
        return api_time_is_zero(a) == api_time_is_zero(b) &&
               api_time_seconds(a) == api_time_seconds(b);
    case API_MICRO_TIME:
        return api_micro_time_is_zero(a) == api_micro_time_is_zero(b) &&
               api_micro_time_nanos(a) == api_micro_time_nanos(b);
    case API_INT_OR_STRING:
        return intstr_equal(a, b);
    default:
        return api_message_equal(field->message, a, b);
    }
}

static bool equal_values(const struct api_field *field, const void *a, const void *b)
{
    switch ((enum api_type)field->type) {
    case API_BOOL:
        return (*(const protobuf_c_boolean *)a != 0) == (*(const protobuf_c_boolean *)b != 0);
    case API_INT32:
        return *(const int32_t *)a == *(const int32_t *)b;
    case API_INT64:
        return *(const int64_t *)a == *(const int64_t *)b;
    case API_DOUBLE:
        return *(const double *)a == *(const double *)b;
    case API_STRING:
        return equal_text(*(const char *const *)a, *(const char *const *)b);
    case API_BYTES:
        return equal_bytes(a, b);
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
        break;
    }
    return equal_messages(field, *(const void *const *)a, *(const void *const *)b);
}

static bool equal_lists(const struct api_field *field, const void *a, const void *b)
{
    size_t count = api_field_count(field, a), size = api_type_size(field);
    const uint8_t *left = *(const uint8_t *const *)api_field_at(field, a);
    const uint8_t *right = *(const uint8_t *const *)api_field_at(field, b);

    if (count != api_field_count(field, b)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!equal_values(field, left + i * size, right + i * size)) {
            return false;
        }
    }
    return true;
}

static bool equal_maps(const struct api_field *field, const void *a, const void *b)
{
    const struct api_field *value = &field->entry->fields[1];
    size_t count = api_field_count(field, a);
    void *left_copy, *right_copy;
    void **left, **right;
    bool equal = true;

    if (count != api_field_count(field, b)) {
        return false;
    }
    left = api_map_sorted(field, a, &left_copy);
    right = api_map_sorted(field, b, &right_copy);
    for (size_t i = 0; i < count && equal; i++) {
        equal = equal_text(api_entry_key(field->entry, left[i]),
                           api_entry_key(field->entry, right[i])) &&
                equal_values(value, api_field_at(value, left[i]), api_field_at(value, right[i]));
    }
    free(left_copy);
    free(right_copy);
    return equal;
}

bool api_field_equal(const struct api_field *field, const void *a, const void *b)
{
    if (field->label == API_REPEATED) {
        return equal_lists(field, a, b);
    }
    if (field->label == API_MAP) {
        return equal_maps(field, a, b);
    }
    if ((field->flags & API_POINTER) != 0) {
        bool set = api_field_is_set(field, a);
        if (set != api_field_is_set(field, b)) {
            return false;
        }
        if (!set) {
            return true;
        }
    }
    return equal_values(field, api_field_at(field, a), api_field_at(field, b));
}

/* Whether all fields of a message are zero: it then equals a missing one. */
static bool is_zero(const struct api_message *message, const void *object)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct api_field *field = &message->fields[i];
        if (!api_field_is_set(field, object)) {
            continue;
        }
        if (field->type < API_OBJECT || field->label != API_SINGLE ||
            (field->flags & API_POINTER) != 0 ||
            !is_zero(field->message, *(void *const *)api_field_at(field, object))) {
            return false;
        }
    }
    return message->custom == NULL || ((const struct custom_object *)object)->content->count == 0;
}

static bool equal_content(const struct custom_object *a, const struct custom_object *b)
{
    return json_equal(a->content, b->content);
}

bool api_message_equal(const struct api_message *message, const void *a, const void *b)
{
    if (a == b) {
        return true;
    }
    if (a == NULL || b == NULL) {
        return is_zero(message, a == NULL ? b : a);
    }
    for (size_t i = 0; i < message->field_count; i++) {
        if (!api_field_equal(&message->fields[i], a, b)) {
            return false;
        }
    }
    return message->custom == NULL || equal_content(a, b);
}
