/* Any bytes as a strategic merge patch of a pod: never a crash, and a result that prints. */
#include "lib/api/json_value.h"
#include "lib/api/patch.h"
#include "lib/api/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char document[] =
        "{\"metadata\":{\"name\":\"p\",\"finalizers\":[\"a/b\",\"c/d\"],\"labels\":{\"a\":\"b\"}},"
        "\"spec\":{\"containers\":[{\"name\":\"c\",\"env\":[{\"name\":\"A\",\"value\":\"1\"}]},"
        "{\"name\":\"d\",\"ports\":[{\"containerPort\":80}]}],\"volumes\":[{\"name\":\"v\","
        "\"emptyDir\":{}}],\"tolerations\":[{\"key\":\"k\"}]}}";
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(buffer_release) struct buffer text;
    struct json_value *tree = NULL, *result = NULL;
    const struct api_status *status = NULL;
    buffer_init(&text, 1 << 26);
    if (json_parse(arena, slice_text(document), &tree, NULL) != 0) {
        return 0;
    }
    if (api_patch_strategic(arena, api_message_find("k8s.io.api.core.v1.Pod"), tree,
                            slice_of(data, size), &result, &status) == 0) {
        json_print(result, /* sorted= */ false, &text);
    }
    return 0;
}
