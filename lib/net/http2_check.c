#include "lib/net/http2_check.h"

#include "lib/base/compiler.h"
#include <nghttp2/nghttp2.h>

enum pseudo { PSEUDO_METHOD = 1, PSEUDO_SCHEME = 2, PSEUDO_PATH = 4, PSEUDO_AUTHORITY = 8 };

/* Looked through for every field of every request: their lengths are known beforehand. */
#define NAME(text)                                                                                 \
    {                                                                                              \
        .data = (const uint8_t *)(text), .len = sizeof(text) - 1                                   \
    }

static const struct {
    struct slice name;
    unsigned bit;
} pseudo_fields[] = {
    {NAME(":method"), PSEUDO_METHOD},
    {NAME(":scheme"), PSEUDO_SCHEME},
    {NAME(":path"), PSEUDO_PATH},
    {NAME(":authority"), PSEUDO_AUTHORITY},
};

/* What belongs to one HTTP/1 connection. */
static const struct slice connection_fields[] = {NAME("connection"), NAME("proxy-connection"),
                                                 NAME("keep-alive"), NAME("transfer-encoding"),
                                                 NAME("upgrade")};

static bool check_pseudo(struct http2_check *check, struct slice name, struct slice value)
{
    if (check->regular || value.len == 0) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(pseudo_fields); i++) {
        if (slice_equal(name, pseudo_fields[i].name)) {
            bool again = (check->pseudo & pseudo_fields[i].bit) != 0;
            check->pseudo |= pseudo_fields[i].bit;
            return !again && nghttp2_check_header_value(value.data, value.len) != 0;
        }
    }
    return false;
}

static bool check_regular(struct http2_check *check, struct slice name, struct slice value)
{
    check->regular = true;
    for (size_t i = 0; i < ARRAY_LEN(connection_fields); i++) {
        if (slice_equal(name, connection_fields[i])) {
            return false;
        }
    }
    if (slice_is(name, "te") && !slice_is(value, "trailers")) {
        return false;
    }
    return nghttp2_check_header_name(name.data, name.len) != 0 &&
           nghttp2_check_header_value(value.data, value.len) != 0;
}

void http2_check_field(struct http2_check *check, struct slice name, struct slice value)
{
    bool good = name.len > 0 && (name.data[0] == ':' ? check_pseudo(check, name, value)
                                                     : check_regular(check, name, value));
    check->malformed = check->malformed || !good;
}

bool http2_check_request(const struct http2_check *check)
{
    unsigned needed = PSEUDO_METHOD | PSEUDO_SCHEME | PSEUDO_PATH;
    return !check->malformed && (check->pseudo & needed) == needed;
}
