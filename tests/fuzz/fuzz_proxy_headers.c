/* Header fields at a proxy, one a line: whatever comes, none of those that end here goes on. */
#include "apiserver/proxy_headers.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS_MAX = 64 };

static size_t read_fields(struct slice text, struct http_header *fields)
{
    size_t count = 0;
    while (text.len > 0 && count < FIELDS_MAX) {
        const uint8_t *end = memchr(text.data, '\n', text.len);
        size_t len = end == NULL ? text.len : (size_t)(end - text.data);
        const uint8_t *colon = len == 0 ? NULL : memchr(text.data, ':', len);
        if (colon != NULL) {
            size_t name = (size_t)(colon - text.data);
            fields[count++] = (struct http_header){slice_of(text.data, name),
                                                   slice_of(colon + 1, len - name - 1)};
        }
        size_t skip = len + (end == NULL ? 0 : 1);
        text = slice_of(text.data + skip, text.len - skip);
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const never[] = {"connection",     "transfer-encoding", "upgrade",
                                        "content-length", "authorization",     "x-remote-user",
                                        "x_remote_user",  "impersonate-user"};
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct http_header fields[FIELDS_MAX], out[FIELDS_MAX];
    size_t count = read_fields(slice_of(data, size), fields);
    size_t kept = proxy_headers_of_request(arena, fields, count, out);
    assert(kept <= count);
    for (size_t i = 0; i < kept; i++) {
        for (size_t j = 0; j < sizeof(never) / sizeof(never[0]); j++) {
            assert(!http_name_is(out[i].name, never[j]));
        }
        assert(!http_name_is(out[i].name, "te") || slice_is(out[i].value, "trailers"));
    }
    kept = proxy_headers_of_answer(arena, fields, count, out);
    for (size_t i = 0; i < kept; i++) {
        assert(!http_name_is(out[i].name, "transfer-encoding"));
        assert(!http_name_is(out[i].name, "connection"));
    }
    return 0;
}
