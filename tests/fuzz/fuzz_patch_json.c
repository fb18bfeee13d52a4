/* Any bytes as a JSON patch (first byte even) or a merge patch of a small pod: never a crash, and a
 * result that prints. */
#include "lib/api/codec.h"
#include "lib/api/json_value.h"
#include "lib/api/patch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char document[] =
        "{\"metadata\":{\"name\":\"p\",\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{"
        "\"name\":"
        "\"c\",\"args\":[\"x\",\"y\"]}]},\"a/b\":1,\"m~n\":[[1,2],{\"k\":null}]}";
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(buffer_release) struct buffer text;
    struct json_value *tree = NULL, *result = NULL;
    const struct api_status *status = NULL;
    buffer_init(&text, 1 << 26);
    if (size == 0 || json_parse(arena, slice_text(document), &tree, NULL) != 0) {
        return 0;
    }
    struct slice patch = slice_of(data + 1, size - 1);
    int code = data[0] % 2 == 0 ? api_patch_json(arena, tree, patch, &result, &status)
                                : api_patch_merge(arena, tree, patch, &result, &status);
    struct api_problems problems = {0};
    api_patch_problems(arena, patch, data[0] % 2 == 0, &problems);
    if (code == 0) {
        json_print(result, /* sorted= */ false, &text);
    }
    return 0;
}
