/* Any bytes as the value of a Content-Type: what is taken for a type lies in them, and is one token
 * or two. */
#include "apiserver/media_type.h"
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice type = {.len = 0};
    if (media_type_parse(slice_of(data, size), &type)) {
        assert(type.len > 0 && type.data >= data && type.data + type.len <= data + size);
        assert(memchr(type.data, ';', type.len) == NULL);
        assert(memchr(type.data, ' ', type.len) == NULL);
    }
    return 0;
}
