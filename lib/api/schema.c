#include "lib/api/schema.h"

#include "k8s/tables.h"
#include <assert.h>
#include <protobuf-c/protobuf-c.h>

const struct api_message *api_message_find(const char *full_name)
{
    size_t low = 0, high = api_tables_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(api_tables[middle]->full_name, full_name);
        if (order == 0) {
            return api_tables[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

const struct api_message *api_message_find_schema(const char *schema_name)
{
    for (size_t i = 0; i < api_tables_count; i++) {
        if (strcmp(api_tables[i]->schema_name, schema_name) == 0) {
            return api_tables[i];
        }
    }
    return NULL;
}

const struct api_member *api_message_member(const struct api_message *message, struct slice name)
{
    size_t low = 0, high = message->member_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct api_member *member = &message->members[message->by_name[middle]];
        size_t len = member->field->name_len;
        int order = memcmp(member->field->name, name.data, len < name.len ? len : name.len);
        if (order == 0) {
            order = len < name.len ? -1 : len > name.len;
        }
        if (order == 0) {
            return member;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

const struct api_member *api_message_member_text(const struct api_message *message,
                                                 const char *name)
{
    return api_message_member(message, slice_text(name));
}

const struct api_field *api_message_field(const struct api_message *message, uint32_t number)
{
    size_t low = 0, high = message->field_count;
    if (number >= 1 && number <= high && message->fields[number - 1].number == number) {
        return &message->fields[number - 1]; /* Numbers without gaps are the rule. */
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (message->fields[middle].number == number) {
            return &message->fields[middle];
        }
        if (message->fields[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

size_t api_field_count(const struct api_field *field, const void *object)
{
    assert(field->label != API_SINGLE);
    return *(const size_t *)((uintptr_t)object + field->presence);
}

void *api_member_holder(const struct api_member *member, const void *object)
{
    uintptr_t holder = (uintptr_t)object;
    for (size_t i = 0; i < API_INLINE_DEPTH_MAX && member->via[i] != NULL && holder != 0; i++) {
        holder = *(const uintptr_t *)(holder + member->via[i]->offset);
    }
    return (void *)holder;
}

static bool has_flag(const struct api_field *field, const void *object)
{
    return *(const protobuf_c_boolean *)((uintptr_t)object + field->presence) != 0;
}

bool api_field_is_set(const struct api_field *field, const void *object)
{
    const void *at = api_field_at(field, object);
    bool pointer = (field->flags & API_POINTER) != 0;

    if (field->label != API_SINGLE) {
        return api_field_count(field, object) > 0;
    }
    switch ((enum api_type)field->type) {
    case API_BOOL:
        return pointer ? has_flag(field, object) : *(const protobuf_c_boolean *)at != 0;
    case API_INT32:
        return pointer ? has_flag(field, object) : *(const int32_t *)at != 0;
    case API_INT64:
        return pointer ? has_flag(field, object) : *(const int64_t *)at != 0;
    case API_DOUBLE:
        return pointer ? has_flag(field, object) : *(const double *)at != 0;
    case API_STRING: {
        const char *text = *(const char *const *)at;
        return text != NULL && (pointer || text[0] != '\0');
    }
    case API_BYTES:
        return ((const ProtobufCBinaryData *)at)->len > 0;
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
    return *(const void *const *)at != NULL;
}
