/* What extension servers say of themselves: any bytes are refused, or give JSON that can be sent.
 */
#include "apiserver/extension_discovery.h"
#include "lib/api/json_value.h"
#include <assert.h>
#include <ctype.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(buffer_release) struct buffer out;
    struct slice bytes = slice_of(data, size);
    buffer_init(&out, SIZE_MAX / 2);
    if (extension_discovery_resources(arena, bytes, "g/v1", &out) == 0) {
        struct json_value *read = NULL;
        assert(json_parse(arena, buffer_slice(&out), &read, NULL) == 0);
        assert(read->type == JSON_ARRAY);
    }
    const char *hash = NULL;
    if (extension_openapi_hash(arena, bytes, "apis/g/v1", &hash) == 0) {
        for (const char *c = hash; *c != '\0'; c++) {
            assert(isalnum((unsigned char)*c));
        }
    }
    return 0;
}
