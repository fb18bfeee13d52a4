/* A client's request as HTTP/1.1 has it on the wire, and where its URL leads. Pure: no I/O. */
#ifndef LIB_NET_HTTP1_REQUEST_H
#define LIB_NET_HTTP1_REQUEST_H
#include "lib/base/buffer.h"
#include "lib/net/http_client.h"

/* Appends request line, headers and body to `out`. Returns 0; -EINVAL for a URL that is none or
 * https without options->tls, and for text that would end its line; -E2BIG when `out` is full.
 * `ret_address` is the URL's host, with the port of its scheme when it names none; it is set when
 * that is good, and zeroed else. */
MUST_USE int http1_request_write(const struct http_call_options *options,
                                 struct net_address *ret_address, struct buffer *out);
#endif
