/* Which header fields pass a proxy, and which end at it. Pure. */
#ifndef APISERVER_PROXY_HEADERS_H
#define APISERVER_PROXY_HEADERS_H
#include "lib/base/arena.h"
#include "lib/net/http.h"

/* What is left of a client's `count` fields, in `out` (room for as many); returns how many. Gone
 * are those of the connection (RFC 9110 section 7.6.1) and of the message's length, the client's
 * credentials, and whatever says who the client is: X-Remote-* and Impersonate-*, also spelled with
 * '_' for '-', which many servers read as the same. */
size_t proxy_headers_of_request(struct arena *arena, const struct http_header *headers,
                                size_t count, struct http_header *out);
/* The same for an answer, whose names become lower case. Copies: `headers` may go. */
size_t proxy_headers_of_answer(struct arena *arena, const struct http_header *headers, size_t count,
                               struct http_header *out);
/* The bearer token that the value of a client's Sec-WebSocket-Protocol shows beside the protocols
 * that it speaks; empty when there is none. 0, or -EACCES: it is no text, or not the only one, or
 * no protocol is left. */
MUST_USE int websocket_token(struct arena *arena, struct slice protocols, struct slice *ret_token);
/* Whether one of these protocols is a token. */
bool websocket_protocol_is_token(struct slice protocol);
/* `text` as part of a field's name: what cannot stand there, and '%', as %XX (as client-go's
 * transport writes the keys of X-Remote-Extra-). */
const char *proxy_header_escape(struct arena *arena, const char *text);
#endif
