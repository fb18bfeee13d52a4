/* The header blocks of one HTTP/2 connection (RFC 7541; the compression itself is nghttp2's). A
 * client that asks for the same again sends the same block again, which points into a table of what
 * it sent before. While that table stays as it is, a block that was met says what it said then: it
 * is neither decoded nor checked anew. So with what is sent. One loop. */
#ifndef LIB_NET_HTTP2_FIELDS_H
#define LIB_NET_HTTP2_FIELDS_H
#include "lib/base/buffer.h"
#include "lib/net/http.h"

/* What a block says, immutable. Pseudo-header fields are not among `headers`. */
struct http2_fields {
    size_t references;
    struct slice method;
    struct slice path;
    struct slice query;
    struct slice authority; /* Or the host field. */
    size_t header_count;
    bool malformed; /* Not a well-formed request; the rest may be missing. */
    bool too_large; /* Over HTTP_HEADERS_BYTES_MAX or HTTP_HEADER_COUNT_MAX. */
    struct http_header headers[];
};

struct http2_decoder;
MUST_USE struct http2_decoder *http2_decoder_new(void);
void http2_decoder_free(struct http2_decoder *decoder); /* NULL is a no-op. */
/* A whole block, as a request. 0 with a reference, or -EBADMSG: from then on nothing can be
 * decoded. */
MUST_USE int http2_decode(struct http2_decoder *decoder, struct slice block,
                          struct http2_fields **ret_fields);
void http2_fields_unref(struct http2_fields *fields); /* NULL is a no-op. */

struct http2_encoder;
MUST_USE struct http2_encoder *http2_encoder_new(void);
void http2_encoder_free(struct http2_encoder *encoder); /* NULL is a no-op. */
/* What the peer allows (SETTINGS_HEADER_TABLE_SIZE); more than the default is not used. */
void http2_encoder_set_table(struct http2_encoder *encoder, uint32_t bytes);
/* The block of these fields, valid until the next call. Names are sent in lower case. */
struct slice http2_encode(struct http2_encoder *encoder, const struct http_header *headers,
                          size_t count);

/* True when decoding the block leaves the table as it is, for sure. Pure. */
bool http2_block_is_repeatable(struct slice block);
#endif
