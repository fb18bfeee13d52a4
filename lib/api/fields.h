/* Small steps over fields that the codecs share. Internal to lib/api. */
#ifndef LIB_API_FIELDS_H
#define LIB_API_FIELDS_H
#include "lib/api/schema.h"
#include <protobuf-c/protobuf-c.h>

/* Bytes of one value: of an element of a list. */
size_t api_type_size(const struct api_field *field);
/* The entries of a map in order of their keys: the array itself when it is in order (decoders see
 * to that), else a copy in *ret_copy, which the caller frees. */
void **api_map_sorted(const struct api_field *field, const void *object, void **ret_copy);
const char *api_entry_key(const struct api_message *entry, const void *object); /* Never NULL. */
/* What api_message_equal() says of this field of two messages. */
bool api_field_equal(const struct api_field *field, const void *a, const void *b);

static inline void api_set_presence(const struct api_field *field, void *object)
{
    if (field->label == API_SINGLE && field->presence != API_NO_OFFSET) {
        *(protobuf_c_boolean *)((uintptr_t)object + field->presence) = 1;
    }
}
static inline void api_set_count(const struct api_field *field, void *object, size_t count)
{
    *(size_t *)((uintptr_t)object + field->presence) = count;
}
#endif
