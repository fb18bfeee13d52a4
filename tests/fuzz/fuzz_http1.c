/* HTTP/1.1 heads, request and response, and chunked bodies. */
#include "lib/net/http.h"
#include "lib/net/http1.h"
#include "lib/net/limits.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_header headers[HTTP_HEADER_COUNT_MAX];
    struct slice bytes = slice_of(data, size);
    struct http1_head head;
    size_t scanned = 0;
    size_t len = http1_head_length(bytes, &scanned);
    if (len > 0) {
        assert(len <= size);
        if (http1_parse_request(slice_of(data, len), headers, &head) == 0) {
            assert(head.method.len > 0 && head.path.len > 0);
        }
        (void)http1_parse_response(slice_of(data, len), (size & 1) != 0, headers, &head);
        bytes = slice_of(data + len, size - len);
    }
    CLEANUP(buffer_release) struct buffer trailers;
    buffer_init(&trailers, HTTP_TARGET_BYTES_MAX * 2);
    struct http1_body body;
    http1_body_init(&body, HTTP1_BODY_CHUNKED, 0);
    body.trailers = &trailers;
    while (bytes.len > 0 && !http1_body_done(&body)) {
        struct slice piece;
        size_t before = bytes.len;
        if (http1_body_read(&body, &bytes, &piece) != 0) {
            break;
        }
        assert(bytes.len < before && piece.len <= before);
    }
    size_t count = 0;
    if (http1_body_done(&body) &&
        http1_parse_trailers(buffer_slice(&trailers), headers, &count) == 0) {
        assert(count <= HTTP_HEADER_COUNT_MAX && buffer_error(&trailers) == 0);
    }
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct slice name;
    struct slice value;
    for (size_t at = 0; http_query_next(arena, slice_of(data, size), &at, &name, &value);) {
    }
    return 0;
}
