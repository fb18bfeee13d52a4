/* Status reasons, percent-encoding and query strings. */
#include "lib/net/http.h"

#include <errno.h>

const char *http_reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } reasons[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Request Entity Too Large"},
        {414, "Request URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Entity"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "";
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int http_unescape(struct arena *arena, struct slice text, bool is_query, struct slice *ret_text)
{
    if ((text.len == 0 || memchr(text.data, '%', text.len) == NULL) &&
        (!is_query || text.len == 0 || memchr(text.data, '+', text.len) == NULL)) {
        *ret_text = text; /* Nothing to decode, nothing to copy. */
        return 0;
    }
    uint8_t *out = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '+' && is_query) {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < text.len ? hex_digit(text.data[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_digit(text.data[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return -EINVAL;
            }
            c = (uint8_t)(high * 16 + low);
            i += 2;
        }
        out[len++] = c;
    }
    *ret_text = slice_of(out, len);
    return 0;
}

bool http_query_next(struct arena *arena, struct slice query, size_t *at, struct slice *ret_name,
                     struct slice *ret_value)
{
    while (*at < query.len && query.data[*at] == '&') {
        (*at)++;
    }
    if (*at >= query.len) {
        return false;
    }
    const uint8_t *start = query.data + *at;
    const uint8_t *amp = memchr(start, '&', query.len - *at);
    size_t len = amp == NULL ? query.len - *at : (size_t)(amp - start);
    *at += len;
    const uint8_t *equals = memchr(start, '=', len);
    size_t name_len = equals == NULL ? len : (size_t)(equals - start);
    struct slice value =
        equals == NULL ? slice_of(start + len, 0) : slice_of(equals + 1, len - name_len - 1);
    return http_unescape(arena, slice_of(start, name_len), /* is_query= */ true, ret_name) == 0 &&
           http_unescape(arena, value, /* is_query= */ true, ret_value) == 0;
}

int http_query_find(struct arena *arena, struct slice query, const char *name,
                    struct slice *ret_value)
{
    size_t at = 0;
    struct slice found = {.len = 0};
    struct slice value = {.len = 0};
    while (http_query_next(arena, query, &at, &found, &value)) {
        if (slice_is(found, name)) {
            *ret_value = value;
            return 0;
        }
    }
    return at >= query.len ? -ENOENT : -EINVAL;
}
