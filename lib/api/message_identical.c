#include "lib/api/message_identical.h"

#include "lib/api/fields.h"

static bool identical_texts(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool identical_messages(const struct api_message *message, const void *a, const void *b)
{
    if (a == NULL || b == NULL || message->custom != NULL) {
        return a == b;
    }
    bool identical = true;
    for (size_t i = 0; identical && i < message->field_count; i++) {
        identical = api_field_identical(&message->fields[i], a, b);
    }
    return identical;
}

static bool identical_values(const struct api_field *field, const void *a, const void *b)
{
    if (field->type == API_STRING) {
        return identical_texts(*(const char *const *)a, *(const char *const *)b);
    }
    if (field->type == API_BYTES) {
        const ProtobufCBinaryData *left = a, *right = b;
        if (left->data == NULL ||
            right->data == NULL) { /* None, and none at all, differ in JSON. */
            return left->data == right->data;
        }
        return slice_equal(slice_of(left->data, left->len), slice_of(right->data, right->len));
    }
    if (field->type >= API_OBJECT) {
        return identical_messages(field->message, *(const void *const *)a, *(const void *const *)b);
    }
    return memcmp(a, b, api_type_size(field)) == 0;
}

static bool identical_items(const struct api_field *field, const void *a, const void *b)
{
    const uint8_t *left = *(const uint8_t *const *)api_field_at(field, a);
    const uint8_t *right = *(const uint8_t *const *)api_field_at(field, b);
    size_t count = api_field_count(field, a);
    bool map = field->label == API_MAP;
    size_t size = map ? sizeof(void *) : api_type_size(field);
    if (left == NULL || right == NULL) { /* An absent list and an empty one differ in JSON. */
        return left == right;
    }
    bool identical = count == api_field_count(field, b);
    for (size_t i = 0; identical && i < count; i++) {
        const void *one = left + i * size, *other = right + i * size;
        identical = map ? identical_messages(field->entry, *(const void *const *)one,
                                             *(const void *const *)other)
                        : identical_values(field, one, other);
    }
    return identical;
}

bool api_field_identical(const struct api_field *field, const void *a, const void *b)
{
    if (field->label != API_SINGLE) {
        return identical_items(field, a, b);
    }
    if ((field->flags & API_POINTER) != 0 &&
        api_field_is_set(field, a) != api_field_is_set(field, b)) {
        return false;
    }
    return identical_values(field, api_field_at(field, a), api_field_at(field, b));
}
