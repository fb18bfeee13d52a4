/* Any bytes as a label selector and as a field selector of pods. A label selector that parses
 * prints as one that parses again and prints the same. */
#include "lib/api/kinds.h"
#include "lib/api/selector.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct api_label_selector selector, again;
    struct api_field_selector fields;
    struct slice text = slice_of(data, size);
    if (api_label_selector_parse(arena, text, &selector, NULL) == 0) {
        const char *printed = api_label_selector_print(arena, &selector);
        int code = api_label_selector_parse(arena, slice_text(printed), &again, NULL);
        assert(code == 0);
        assert(strcmp(api_label_selector_print(arena, &again), printed) == 0);
    }
    (void)api_field_selector_parse(arena, api_kind_find("", "v1", "pods"), text, &fields, NULL);
    return 0;
}
