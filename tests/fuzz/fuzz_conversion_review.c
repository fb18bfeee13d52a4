/* What a conversion webhook answers: any bytes give objects of the version that was asked for, or
 * words about what is wrong with them. */
#include "lib/api/conversion_review.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct api_kind v1 = {.api_version = "g.example.com/v1", .kind = "Thing"};
    static const struct api_kind v2 = {.api_version = "g.example.com/v2", .kind = "Thing"};
    const struct conversion_item item = {
        .from = &v1,
        .json = slice_text("{\"apiVersion\":\"g.example.com/v1\",\"kind\":\"Thing\","
                           "\"metadata\":{\"name\":\"a\",\"uid\":\"u\"}}")};
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct slice json = {0};
    const char *problem =
        conversion_review_read(arena, &v2, &item, 1, "v1", "q", slice_of(data, size), &json);
    struct json_value *object = NULL;
    if (problem == NULL) {
        int status = json_parse(arena, json, &object, NULL);
        assert(status == 0);
        (void)status;
        assert(slice_is(json_get_text(object, "apiVersion")->text, "g.example.com/v2"));
        assert(slice_is(json_get_text(json_get_text(object, "metadata"), "name")->text, "a"));
    }
    return 0;
}
