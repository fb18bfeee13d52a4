/* Whether the fields of an HTTP/2 request make a well-formed request (RFC 9113 section 8.2, 8.3).
 * Pure but for nghttp2's character tables. In place of nghttp2's own check, which also refuses an
 * :authority that is a URL: etcd clients up to 3.4 send that, and every Go server takes it. */
#ifndef LIB_NET_HTTP2_CHECK_H
#define LIB_NET_HTTP2_CHECK_H
#include "lib/base/slice.h"

struct http2_check {
    unsigned pseudo; /* Bits of the pseudo-header fields seen. */
    bool regular;    /* A regular field was seen: pseudo ones may not follow. */
    bool malformed;
};

void http2_check_field(struct http2_check *check, struct slice name, struct slice value);
/* After the last field. */
bool http2_check_request(const struct http2_check *check);
#endif
