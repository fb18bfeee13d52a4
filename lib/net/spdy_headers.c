#include "lib/net/spdy_headers.h"

#include "lib/base/alloc.h"
#include "lib/net/http.h"
#include "lib/net/limits.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

enum { DICTIONARY_SIZE = 1423, PIECE = 4096 };

struct spdy_codec {
    z_stream deflater;
    z_stream inflater;
    uint8_t dictionary[DICTIONARY_SIZE];
};

/* The dictionary is a header block of these names, followed by `tail`. */
static const char *const words[] = {
    "options",
    "head",
    "post",
    "put",
    "delete",
    "trace",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "content-base",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "retry-after",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "method",
    "get",
    "status",
    "200 OK",
    "version",
    "HTTP/1.1",
    "url",
    "public",
    "set-cookie",
    "keep-alive",
    "origin",
};
static const char tail[] =
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
    "401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented"
    "503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 "
    "Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,"
    "application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age="
    "gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

static void make_dictionary(uint8_t dictionary[DICTIONARY_SIZE])
{
    size_t at = 0;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t len = strlen(words[i]);
        memset(dictionary + at, 0, 3);
        dictionary[at + 3] = (uint8_t)len;
        memcpy(dictionary + at + 4, words[i], len);
        at += 4 + len;
    }
    assert(at + sizeof(tail) - 1 == DICTIONARY_SIZE);
    memcpy(dictionary + at, tail, sizeof(tail) - 1);
}

struct spdy_codec *spdy_codec_new(void)
{
    struct spdy_codec *codec = alloc_zeroed(sizeof(*codec));
    make_dictionary(codec->dictionary);
    int status = deflateInit(&codec->deflater, Z_DEFAULT_COMPRESSION);
    assert(status == Z_OK); /* Only out of memory fails here. */
    status = inflateInit(&codec->inflater);
    assert(status == Z_OK);
    status = deflateSetDictionary(&codec->deflater, codec->dictionary, DICTIONARY_SIZE);
    assert(status == Z_OK);
    (void)status;
    return codec;
}

void spdy_codec_free(struct spdy_codec *codec)
{
    if (codec != NULL) {
        deflateEnd(&codec->deflater);
        inflateEnd(&codec->inflater);
        free(codec);
    }
}

static void append_u32(struct buffer *out, size_t value)
{
    assert(value <= UINT32_MAX);
    const uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                              (uint8_t)value};
    buffer_append(out, bytes, sizeof(bytes));
}

void spdy_encode_headers(struct spdy_codec *codec, const struct http_header *headers,
                         size_t header_count, struct buffer *out)
{
    CLEANUP(buffer_release) struct buffer plain;
    buffer_init(&plain, SPDY_HEADERS_BYTES_MAX);
    append_u32(&plain, header_count);
    for (size_t i = 0; i < header_count; i++) {
        append_u32(&plain, headers[i].name.len);
        for (size_t k = 0; k < headers[i].name.len; k++) {
            uint8_t c = headers[i].name.data[k]; /* Names go in lower case. */
            buffer_append_byte(&plain, c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c);
        }
        append_u32(&plain, headers[i].value.len);
        buffer_append_slice(&plain, headers[i].value);
    }
    assert(buffer_error(&plain) == 0); /* Ours, and short. */
    z_stream *zlib = &codec->deflater;
    zlib->next_in = plain.data;
    zlib->avail_in = (uInt)plain.len;
    do {
        uint8_t *room = buffer_reserve(out, PIECE);
        assert(room != NULL);
        zlib->next_out = room;
        zlib->avail_out = PIECE;
        int status = deflate(zlib, Z_SYNC_FLUSH);
        assert(status != Z_STREAM_ERROR);
        (void)status;
        buffer_commit(out, PIECE - zlib->avail_out);
    } while (zlib->avail_out == 0);
}

static int inflate_block(struct spdy_codec *codec, struct slice block, struct buffer *plain)
{
    z_stream *zlib = &codec->inflater;
    zlib->next_in = (z_const Bytef *)(uintptr_t)block.data;
    zlib->avail_in = (uInt)block.len;
    for (;;) {
        uint8_t *room = buffer_reserve(plain, PIECE);
        if (room == NULL) {
            return -EPROTO; /* A block that grows beyond the limit. */
        }
        zlib->next_out = room;
        zlib->avail_out = PIECE;
        int status = inflate(zlib, Z_SYNC_FLUSH);
        if (status == Z_NEED_DICT) {
            status = inflateSetDictionary(zlib, codec->dictionary, DICTIONARY_SIZE);
            if (status == Z_OK) {
                continue;
            }
        }
        buffer_commit(plain, PIECE - zlib->avail_out);
        if (status != Z_OK && status != Z_BUF_ERROR) {
            return -EPROTO;
        }
        if (zlib->avail_in == 0 && zlib->avail_out > 0) {
            return 0;
        }
        if (status == Z_BUF_ERROR) {
            return -EPROTO;
        }
    }
}

static bool take_u32(struct slice *bytes, uint32_t *ret_value)
{
    if (bytes->len < 4) {
        return false;
    }
    const uint8_t *at = bytes->data;
    *ret_value = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    *bytes = slice_of(at + 4, bytes->len - 4);
    return true;
}

static bool take_text(struct slice *bytes, struct slice *ret_text)
{
    uint32_t len = 0;
    if (!take_u32(bytes, &len) || len > bytes->len) {
        return false;
    }
    *ret_text = slice_of(bytes->data, len);
    *bytes = slice_of(bytes->data + len, bytes->len - len);
    return true;
}

int spdy_decode_headers(struct spdy_codec *codec, struct slice block, struct arena *arena,
                        struct http_header **ret_headers, size_t *ret_count)
{
    CLEANUP(buffer_release) struct buffer plain;
    buffer_init(&plain, SPDY_HEADERS_BYTES_MAX);
    if (inflate_block(codec, block, &plain) != 0) {
        return -EPROTO;
    }
    struct slice rest = arena_slice(arena, buffer_slice(&plain));
    uint32_t count = 0;
    if (!take_u32(&rest, &count) || count > HTTP_HEADER_COUNT_MAX) {
        return -EPROTO;
    }
    struct http_header *headers = arena_array(arena, count + 1, sizeof(*headers));
    for (uint32_t i = 0; i < count; i++) {
        if (!take_text(&rest, &headers[i].name) || !take_text(&rest, &headers[i].value)) {
            return -EPROTO;
        }
    }
    if (rest.len > 0) {
        return -EPROTO;
    }
    *ret_headers = headers;
    *ret_count = count;
    return 0;
}
