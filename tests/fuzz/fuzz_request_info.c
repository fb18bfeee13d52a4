/* Any bytes as method, path and query (separated by NUL bytes): no segment that is taken may name
 * a parent, hold a slash or be cut by a NUL. */
#include "apiserver/request_info.h"
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice next_part(struct slice *rest)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->data, '\0', rest->len);
    size_t len = end == NULL ? rest->len : (size_t)(end - rest->data);
    struct slice part = slice_of(rest->data, len);
    size_t used = end == NULL ? len : len + 1;
    *rest = slice_of(rest->data + used, rest->len - used);
    return part;
}

static void check_segment(const char *text)
{
    assert(strcmp(text, ".") != 0);
    assert(strcmp(text, "..") != 0);
    assert(strchr(text, '/') == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct slice rest = slice_of(data, size);
    struct slice method = next_part(&rest);
    struct slice path = next_part(&rest);
    struct request_info info;
    if (request_info_parse(arena, arena_text_n(arena, (const char *)method.data, method.len), path,
                           rest, &info) == 0 &&
        info.is_resource) {
        check_segment(info.group);
        check_segment(info.namespace);
        check_segment(info.resource);
        check_segment(info.name);
        check_segment(info.subresource);
    }
    return 0;
}
