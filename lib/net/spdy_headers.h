/* SPDY/3 header blocks: name-value pairs, compressed with the dictionary of the SPDY/3 draft
 * (section 2.6.10). One compressor and one decompressor live as long as the session. Private to
 * lib/net. */
#ifndef LIB_NET_SPDY_HEADERS_H
#define LIB_NET_SPDY_HEADERS_H
#include "lib/base/arena.h"
#include "lib/base/buffer.h"

struct http_header;
struct spdy_codec;

MUST_USE struct spdy_codec *spdy_codec_new(void);
void spdy_codec_free(struct spdy_codec *codec); /* NULL is a no-op. */
void spdy_encode_headers(struct spdy_codec *codec, const struct http_header *headers,
                         size_t header_count, struct buffer *out);
/* Reads a block into the arena. 0 or -EPROTO. Every block has to be read, or the compression state
 * is lost. */
MUST_USE int spdy_decode_headers(struct spdy_codec *codec, struct slice block, struct arena *arena,
                                 struct http_header **ret_headers, size_t *ret_count);
#endif
