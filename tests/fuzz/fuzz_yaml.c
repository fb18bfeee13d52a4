/* Bodies as YAML: what converts is JSON, and goes back and forth unchanged. */
#include "lib/api/codec.h"
#include <assert.h>

enum { TEXT_MAX = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(error_release) struct error error = {0};
    CLEANUP(buffer_release) struct buffer json = {0}, yaml = {0}, again = {0};
    struct api_problems problems = {0};
    struct json_value *before, *after;

    buffer_init(&json, TEXT_MAX);
    buffer_init(&yaml, TEXT_MAX);
    buffer_init(&again, TEXT_MAX);
    if (api_yaml_to_json(arena, slice_of(data, size), &problems, &json, &error) < 0) {
        return 0;
    }
    assert(json_parse(arena, buffer_slice(&json), &before, NULL) == 0);
    if (api_json_to_yaml(buffer_slice(&json), &yaml, &error) < 0 ||
        api_yaml_to_json(arena, buffer_slice(&yaml), NULL, &again, &error) < 0) {
        return 0; /* Characters that YAML cannot hold, or a limit. */
    }
    assert(json_parse(arena, buffer_slice(&again), &after, NULL) == 0);
    return 0;
}
