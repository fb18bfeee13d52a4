#include "lib/api/fields.h"

#include "lib/base/alloc.h"
#include <stdlib.h>

size_t api_type_size(const struct api_field *field)
{
    switch ((enum api_type)field->type) {
    case API_BOOL:
        return sizeof(protobuf_c_boolean);
    case API_INT32:
        return sizeof(int32_t);
    case API_INT64:
        return sizeof(int64_t);
    case API_DOUBLE:
        return sizeof(double);
    case API_BYTES:
        return sizeof(ProtobufCBinaryData);
    case API_STRING:
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
    return sizeof(void *);
}

const char *api_entry_key(const struct api_message *entry, const void *object)
{
    const char *key = *(char *const *)api_field_at(&entry->fields[0], object);
    return key == NULL ? "" : key;
}

static int by_key(const void *a, const void *b, void *data)
{
    const struct api_message *entry = data;
    return strcmp(api_entry_key(entry, *(void *const *)a), api_entry_key(entry, *(void *const *)b));
}

void **api_map_sorted(const struct api_field *field, const void *object, void **ret_copy)
{
    void **entries = *(void ***)api_field_at(field, object);
    size_t count = api_field_count(field, object);
    struct api_message *entry = (struct api_message *)(uintptr_t)field->entry;

    *ret_copy = NULL;
    for (size_t i = 1; i < count; i++) {
        if (by_key(&entries[i - 1], &entries[i], entry) > 0) {
            void **copy = alloc_array(count, sizeof(void *));
            memcpy(copy, entries, count * sizeof(void *));
            qsort_r(copy, count, sizeof(void *), by_key, entry);
            *ret_copy = copy;
            return copy;
        }
    }
    return entries;
}
