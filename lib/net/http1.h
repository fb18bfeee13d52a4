/* HTTP/1.1 messages (RFC 9112) as bytes: heads and bodies, requests and responses. Pure. Strict:
 * what two readers could understand differently (request smuggling) is an error. Private to
 * lib/net. */
#ifndef LIB_NET_HTTP1_H
#define LIB_NET_HTTP1_H
#include "lib/base/buffer.h"
#include "lib/base/slice.h"

struct http_header;

enum http1_body_kind { HTTP1_BODY_NONE, HTTP1_BODY_LENGTH, HTTP1_BODY_CHUNKED, HTTP1_BODY_TO_END };

struct http1_head {
    struct slice method; /* Requests. */
    struct slice path;
    struct slice query;
    struct slice authority;
    unsigned status; /* Responses. */
    int minor;       /* HTTP/1.<minor>: 0 or 1. */
    struct http_header *headers;
    size_t header_count;
    enum http1_body_kind body_kind;
    uint64_t content_length;
    bool keep_alive;
    bool expect_continue;
    bool upgrade; /* "Connection: upgrade" is there. */
};

/* The length of the head at the start of `bytes`, with its empty line; 0 while it is incomplete.
 * *scanned is where the last search ended (0 at first): no byte is looked at twice. */
size_t http1_head_length(struct slice bytes, size_t *scanned);
/* Reads a whole head; slices point into it, header names as sent. `headers` has room for
 * HTTP_HEADER_COUNT_MAX. 0, or -EBADMSG (400), -E2BIG (431), -ENAMETOOLONG (414), -ENOSYS (501),
 * -EPROTONOSUPPORT (505). */
MUST_USE int http1_parse_request(struct slice head, struct http_header *headers,
                                 struct http1_head *ret_head);
/* The same for a response; -EBADMSG or -E2BIG. `to_head`: the request was HEAD, so no body. */
MUST_USE int http1_parse_response(struct slice head, bool to_head, struct http_header *headers,
                                  struct http1_head *ret_head);

/* Decodes a body. */
struct http1_body {
    enum http1_body_kind kind;
    enum http1_body_state {
        HTTP1_DATA,      /* `left` bytes of data come next. */
        HTTP1_SIZE_LINE, /* A chunk's size. */
        HTTP1_DATA_END,  /* The CRLF behind a chunk. */
        HTTP1_TRAILERS,
        HTTP1_DONE,
    } state;
    uint64_t left;
    size_t line_len; /* Of the line being read. */
    bool size_digits;
    bool in_extension;
    bool after_cr;
    struct buffer *trailers; /* Where those of a chunked body are put; NULL: they are dropped. */
};
void http1_body_init(struct http1_body *body, enum http1_body_kind kind, uint64_t content_length);
/* Takes what it can from *bytes (advancing it) and gives the next piece of data, possibly empty.
 * Call until *bytes is empty or the body is done. 0 or -EBADMSG. */
MUST_USE int http1_body_read(struct http1_body *body, struct slice *bytes, struct slice *ret_piece);
static inline bool http1_body_done(const struct http1_body *body)
{
    return body->state == HTTP1_DONE;
}
/* Reads what was put into `trailers` of a body that is done; slices point into it. As the parsers
 * of heads have it: 0, -EBADMSG or -E2BIG. */
MUST_USE int http1_parse_trailers(struct slice trailers, struct http_header *headers,
                                  size_t *ret_count);
/* True when the comma-separated list has `token` (any case). */
bool http1_list_has(struct slice list, const char *token);
bool http1_name_is(struct slice name, const char *lower_case);
#endif
