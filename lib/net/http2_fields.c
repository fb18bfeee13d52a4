#include "lib/net/http2_fields.h"

#include "lib/base/alloc.h"
#include "lib/net/http2_check.h"
#include "lib/net/limits.h"
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

enum {
    TABLE_BYTES = 4096, /* RFC 9113's default: neither side is told another. */
    KNOWN_BLOCKS = 4,   /* Of each direction: methods in use at a time, heads and trailers. */
    KNOWN_BYTES_MAX = 128,
    KNOWN_FIELDS_MAX = 8,
};

/* ---- What is in a block ---- */

/* Skips an integer with a prefix of that many bits (RFC 7541, section 5.1). False: not there. */
static bool skip_integer(struct slice *left, unsigned prefix_bits, size_t *ret_value)
{
    size_t max = ((size_t)1 << prefix_bits) - 1;
    size_t value = left->data[0] & max;
    *left = slice_of(left->data + 1, left->len - 1);
    if (value == max) {
        if (left->len == 0 || left->data[0] >= 0x80) {
            return false; /* So long a one is not worth knowing. */
        }
        value += left->data[0];
        *left = slice_of(left->data + 1, left->len - 1);
    }
    *ret_value = value;
    return true;
}

static bool skip_string(struct slice *left)
{
    size_t len;
    if (left->len == 0 || !skip_integer(left, 7, &len) || len > left->len) {
        return false;
    }
    *left = slice_of(left->data + len, left->len - len);
    return true;
}

bool http2_block_is_repeatable(struct slice block)
{
    struct slice left = block;
    while (left.len > 0) {
        uint8_t first = left.data[0];
        size_t index;
        if (first >= 0x80) { /* A field of the table. */
            if (!skip_integer(&left, 7, &index)) {
                return false;
            }
            continue;
        }
        if (first >= 0x20) { /* One for the table, or another size of it. */
            return false;
        }
        if (!skip_integer(&left, 4, &index) || (index == 0 && !skip_string(&left)) ||
            !skip_string(&left)) {
            return false;
        }
    }
    return block.len > 0;
}

/* ---- Decoding ---- */

struct span { /* Of the decoder's text. */
    size_t at;
    size_t len;
};

struct known_block {
    size_t len;
    uint8_t bytes[KNOWN_BYTES_MAX];
    struct http2_fields *fields;
};

struct http2_decoder {
    nghttp2_hd_inflater *inflater;
    struct known_block *known[KNOWN_BLOCKS]; /* NULL: free. */
    size_t next_known;
    /* Of the block that is being decoded. */
    struct http2_check check;
    struct buffer text;
    struct span *spans; /* Name and value of each field in turn. */
    size_t span_count;
    size_t span_capacity;
    size_t counted_bytes;
    bool too_large;
};

struct http2_decoder *http2_decoder_new(void)
{
    struct http2_decoder *decoder = alloc_zeroed(sizeof(*decoder));
    int status = nghttp2_hd_inflate_new(&decoder->inflater);
    assert(status == 0); /* Only out of memory fails here. */
    (void)status;
    buffer_init(&decoder->text, 2 * (size_t)HTTP_HEADERS_BYTES_MAX);
    return decoder;
}

static void forget_known(struct http2_decoder *decoder)
{
    for (size_t i = 0; i < KNOWN_BLOCKS; i++) {
        if (decoder->known[i] != NULL) {
            http2_fields_unref(decoder->known[i]->fields);
            free(decoder->known[i]);
            decoder->known[i] = NULL;
        }
    }
}

void http2_decoder_free(struct http2_decoder *decoder)
{
    if (decoder == NULL) {
        return;
    }
    forget_known(decoder);
    nghttp2_hd_inflate_del(decoder->inflater);
    buffer_release(&decoder->text);
    free(decoder->spans);
    free(decoder);
}

/* An idle connection shall be small: nothing stays of what a block was decoded with. */
static void end_block(struct http2_decoder *decoder)
{
    buffer_release(&decoder->text);
    free(decoder->spans);
    decoder->spans = NULL;
    decoder->span_capacity = 0;
}

void http2_fields_unref(struct http2_fields *fields)
{
    if (fields != NULL && --fields->references == 0) {
        free(fields);
    }
}

static void add_span(struct http2_decoder *decoder, struct slice bytes)
{
    if (decoder->span_count == decoder->span_capacity) {
        decoder->span_capacity = decoder->span_capacity * 2 + 32;
        decoder->spans =
            alloc_resize(decoder->spans, decoder->span_capacity, sizeof(*decoder->spans));
    }
    decoder->spans[decoder->span_count++] = (struct span){decoder->text.len, bytes.len};
    buffer_append_slice(&decoder->text, bytes);
}

static void take_field(struct http2_decoder *decoder, struct slice name, struct slice value)
{
    decoder->counted_bytes += name.len + value.len + 32; /* As RFC 9113 counts them. */
    if (decoder->counted_bytes > HTTP_HEADERS_BYTES_MAX ||
        decoder->span_count == 2 * (size_t)HTTP_HEADER_COUNT_MAX) {
        decoder->too_large = true;
        return;
    }
    http2_check_field(&decoder->check, name, value);
    add_span(decoder, name);
    add_span(decoder, value);
}

static int inflate(struct http2_decoder *decoder, struct slice block)
{
    for (;;) {
        nghttp2_nv field;
        int flags = 0;
        ssize_t taken = nghttp2_hd_inflate_hd2(decoder->inflater, &field, &flags, block.data,
                                               block.len, /* in_final= */ 1);
        if (taken < 0) {
            return -EBADMSG;
        }
        block = slice_of(block.data + taken, block.len - (size_t)taken);
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
            take_field(decoder, slice_of(field.name, field.namelen),
                       slice_of(field.value, field.valuelen));
        }
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
            nghttp2_hd_inflate_end_headers(decoder->inflater);
            return 0;
        }
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && block.len == 0) {
            return -EBADMSG;
        }
    }
}

static void set_path(struct http2_fields *fields, struct slice target)
{
    const uint8_t *mark = target.len == 0 ? NULL : memchr(target.data, '?', target.len);
    size_t len = mark == NULL ? target.len : (size_t)(mark - target.data);
    fields->path = slice_of(target.data, len);
    fields->query = mark == NULL ? slice_of(target.data + target.len, 0)
                                 : slice_of(mark + 1, target.len - len - 1);
}

static void set_field(struct http2_fields *fields, struct slice name, struct slice value)
{
    if (slice_is(name, ":method")) {
        fields->method = value;
    } else if (slice_is(name, ":path")) {
        set_path(fields, value);
    } else if (slice_is(name, ":authority")) {
        fields->authority = value;
    } else if (name.len > 0 && name.data[0] != ':') {
        if (fields->authority.len == 0 && slice_is(name, "host")) {
            fields->authority = value;
        }
        fields->headers[fields->header_count++] = (struct http_header){name, value};
    }
}

/* One allocation for all of it: the fields, then their text. */
static struct http2_fields *gather(const struct http2_decoder *decoder)
{
    size_t count = decoder->span_count / 2;
    struct http2_fields *fields =
        alloc_bytes(sizeof(*fields) + count * sizeof(struct http_header) + decoder->text.len + 1);
    *fields = (struct http2_fields){.references = 1,
                                    .malformed = !http2_check_request(&decoder->check),
                                    .too_large = decoder->too_large};
    uint8_t *text = (uint8_t *)&fields->headers[count];
    if (decoder->text.len > 0) {
        memcpy(text, decoder->text.data, decoder->text.len);
    }
    for (size_t i = 0; i < count; i++) {
        const struct span *name = &decoder->spans[2 * i];
        const struct span *value = name + 1;
        set_field(fields, slice_of(text + name->at, name->len),
                  slice_of(text + value->at, value->len));
    }
    return fields;
}

static struct http2_fields *find_known(struct http2_decoder *decoder, struct slice block)
{
    for (size_t i = 0; i < KNOWN_BLOCKS; i++) {
        const struct known_block *known = decoder->known[i];
        if (known != NULL && slice_equal(block, slice_of(known->bytes, known->len))) {
            known->fields->references++;
            return known->fields;
        }
    }
    return NULL;
}

static void remember(struct http2_decoder *decoder, struct slice block, struct http2_fields *fields)
{
    struct known_block **place = &decoder->known[decoder->next_known++ % KNOWN_BLOCKS];
    if (*place == NULL) {
        *place = alloc_zeroed(sizeof(**place));
    }
    struct known_block *known = *place;
    http2_fields_unref(known->fields);
    known->fields = fields;
    fields->references++;
    known->len = block.len;
    memcpy(known->bytes, block.data, block.len);
}

int http2_decode(struct http2_decoder *decoder, struct slice block,
                 struct http2_fields **ret_fields)
{
    struct http2_fields *fields = find_known(decoder, block);
    if (fields != NULL) {
        *ret_fields = fields;
        return 0;
    }
    decoder->check = (struct http2_check){0};
    buffer_clear(&decoder->text);
    decoder->span_count = 0;
    decoder->counted_bytes = 0;
    decoder->too_large = false;
    if (inflate(decoder, block) < 0) {
        return -EBADMSG;
    }
    fields = gather(decoder);
    if (!http2_block_is_repeatable(block)) {
        forget_known(decoder);
    } else if (block.len <= KNOWN_BYTES_MAX) {
        remember(decoder, block, fields);
    }
    end_block(decoder);
    *ret_fields = fields;
    return 0;
}

/* ---- Encoding ---- */

struct sent_block {
    size_t field_count;
    uint8_t field_lens[2 * KNOWN_FIELDS_MAX];
    uint8_t text[KNOWN_BYTES_MAX]; /* Of all names and values. */
    size_t len;
    uint8_t bytes[KNOWN_BYTES_MAX];
};

struct http2_encoder {
    /* NULL until a second block is sent: it takes 5 KB, and most connections that are idle watch
     * something, with one request. */
    nghttp2_hd_deflater *deflater;
    bool begun;                            /* A block was sent. */
    struct sent_block *sent[KNOWN_BLOCKS]; /* NULL: free. */
    size_t next_sent;
    struct buffer names; /* In lower case. */
    struct buffer out;
};

struct http2_encoder *http2_encoder_new(void)
{
    struct http2_encoder *encoder = alloc_zeroed(sizeof(*encoder));
    buffer_init(&encoder->names, SIZE_MAX / 2);
    buffer_init(&encoder->out, SIZE_MAX / 2);
    return encoder;
}

static nghttp2_hd_deflater *deflater_of(struct http2_encoder *encoder)
{
    if (encoder->deflater == NULL) {
        int status = nghttp2_hd_deflate_new(&encoder->deflater, TABLE_BYTES);
        assert(status == 0); /* Only out of memory fails here. */
        (void)status;
    }
    return encoder->deflater;
}

static void forget_sent(struct http2_encoder *encoder)
{
    for (size_t i = 0; i < KNOWN_BLOCKS; i++) {
        free(encoder->sent[i]);
        encoder->sent[i] = NULL;
    }
}

void http2_encoder_free(struct http2_encoder *encoder)
{
    if (encoder != NULL) {
        if (encoder->deflater != NULL) {
            nghttp2_hd_deflate_del(encoder->deflater);
        }
        forget_sent(encoder);
        buffer_release(&encoder->names);
        buffer_release(&encoder->out);
        free(encoder);
    }
}

void http2_encoder_set_table(struct http2_encoder *encoder, uint32_t bytes)
{
    if (encoder->deflater == NULL && bytes >= TABLE_BYTES) {
        return; /* As it will be; what was sent before has nothing to do with a table. */
    }
    int status = nghttp2_hd_deflate_change_table_size(deflater_of(encoder),
                                                      bytes < TABLE_BYTES ? bytes : TABLE_BYTES);
    assert(status == 0);
    (void)status;
    forget_sent(encoder); /* The next block has to begin with the new size. */
}

static bool says_the_same(const struct sent_block *sent, const struct http_header *headers,
                          size_t count)
{
    if (sent->field_count != count) {
        return false;
    }
    const uint8_t *text = sent->text;
    for (size_t i = 0; i < count; i++) {
        size_t name_len = sent->field_lens[2 * i];
        size_t value_len = sent->field_lens[2 * i + 1];
        if (!slice_equal(headers[i].name, slice_of(text, name_len)) ||
            !slice_equal(headers[i].value, slice_of(text + name_len, value_len))) {
            return false;
        }
        text += name_len + value_len;
    }
    return true;
}

static void remember_sent(struct http2_encoder *encoder, const struct http_header *headers,
                          size_t count)
{
    struct slice block = buffer_slice(&encoder->out);
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += headers[i].name.len + headers[i].value.len;
    }
    if (count > KNOWN_FIELDS_MAX || total > KNOWN_BYTES_MAX || block.len > KNOWN_BYTES_MAX) {
        return;
    }
    struct sent_block **place = &encoder->sent[encoder->next_sent++ % KNOWN_BLOCKS];
    if (*place == NULL) {
        *place = alloc_zeroed(sizeof(**place));
    }
    struct sent_block *sent = *place;
    uint8_t *text = sent->text;
    for (size_t i = 0; i < count; i++) {
        const struct slice parts[] = {headers[i].name, headers[i].value};
        for (size_t part = 0; part < 2; part++) {
            sent->field_lens[2 * i + part] = (uint8_t)parts[part].len;
            if (parts[part].len > 0) {
                memcpy(text, parts[part].data, parts[part].len);
            }
            text += parts[part].len;
        }
    }
    sent->field_count = count;
    sent->len = block.len;
    memcpy(sent->bytes, block.data, block.len);
}

/* An integer with a prefix of 7 bits, of which nothing else is in its byte (RFC 7541, section 5.1).
 */
static void put_length(struct buffer *out, size_t value)
{
    enum { PREFIX_MAX = 127 };
    buffer_append_byte(out, (uint8_t)(value < PREFIX_MAX ? value : PREFIX_MAX));
    if (value < PREFIX_MAX) {
        return;
    }
    for (value -= PREFIX_MAX; value >= 0x80; value >>= 7) {
        buffer_append_byte(out, (uint8_t)(0x80 | (value & 0x7f)));
    }
    buffer_append_byte(out, (uint8_t)value);
}

/* Literal fields without indexing (RFC 7541, section 6.2.2): longer, but no table is needed. */
static void put_literally(struct http2_encoder *encoder, const struct http_header *headers,
                          size_t count)
{
    struct buffer *out = &encoder->out;
    buffer_clear(out);
    for (size_t i = 0; i < count; i++) {
        buffer_append_byte(out, 0);
        put_length(out, headers[i].name.len);
        for (size_t at = 0; at < headers[i].name.len; at++) {
            buffer_append_byte(out, (uint8_t)tolower(headers[i].name.data[at]));
        }
        put_length(out, headers[i].value.len);
        buffer_append_slice(out, headers[i].value);
    }
}

static void deflate(struct http2_encoder *encoder, const struct http_header *headers, size_t count)
{
    nghttp2_hd_deflater *deflater = deflater_of(encoder);
    nghttp2_nv *fields = alloc_array(count, sizeof(*fields));
    buffer_clear(&encoder->names);
    buffer_clear(&encoder->out);
    size_t names_len = 0;
    for (size_t i = 0; i < count; i++) {
        names_len += headers[i].name.len;
    }
    uint8_t *name = buffer_reserve(&encoder->names, names_len);
    for (size_t i = 0; i < count; i++) {
        const struct http_header *header = &headers[i];
        fields[i] = (nghttp2_nv){.name = name,
                                 .namelen = header->name.len,
                                 .value = (uint8_t *)(uintptr_t)header->value.data,
                                 .valuelen = header->value.len,
                                 .flags = NGHTTP2_NV_FLAG_NONE};
        for (size_t at = 0; at < header->name.len; at++) {
            *name++ = (uint8_t)tolower(header->name.data[at]);
        }
    }
    size_t bound = nghttp2_hd_deflate_bound(deflater, fields, count);
    uint8_t *room = buffer_reserve(&encoder->out, bound);
    ssize_t len = nghttp2_hd_deflate_hd(deflater, room, bound, fields, count);
    assert(len >= 0); /* There is room, and memory. */
    buffer_commit(&encoder->out, (size_t)len);
    free(fields);
}

struct slice http2_encode(struct http2_encoder *encoder, const struct http_header *headers,
                          size_t count)
{
    for (size_t i = 0; i < KNOWN_BLOCKS; i++) {
        const struct sent_block *sent = encoder->sent[i];
        if (sent != NULL && says_the_same(sent, headers, count)) {
            return slice_of(sent->bytes, sent->len);
        }
    }
    if (encoder->out.capacity > 4 * TABLE_BYTES) { /* As when decoding. */
        buffer_release(&encoder->out);
    }
    if (!encoder->begun && encoder->deflater == NULL) {
        encoder->begun = true;
        put_literally(encoder, headers, count);
        return buffer_slice(&encoder->out);
    }
    deflate(encoder, headers, count);
    if (http2_block_is_repeatable(buffer_slice(&encoder->out))) {
        remember_sent(encoder, headers, count);
    } else {
        forget_sent(encoder);
    }
    return buffer_slice(&encoder->out);
}
