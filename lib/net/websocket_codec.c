/* WebSocket frames, as bytes in and messages out. */
#include "lib/net/limits.h"
#include "lib/net/utf8.h"
#include "lib/net/websocket.h"

#include <errno.h>

void websocket_decoder_init(struct websocket_decoder *decoder, bool expect_mask, size_t message_max)
{
    *decoder = (struct websocket_decoder){.expect_mask = expect_mask, .message_max = message_max};
    buffer_init(&decoder->message, message_max);
    buffer_init(&decoder->control, WEBSOCKET_CONTROL_BYTES_MAX);
}

void websocket_decoder_release(struct websocket_decoder *decoder)
{
    buffer_release(&decoder->message);
    buffer_release(&decoder->control);
}

static bool is_control(uint8_t opcode)
{
    return (opcode & 8) != 0;
}

/* How long the header is, as far as its first two bytes tell. */
static size_t header_size(const struct websocket_decoder *decoder)
{
    if (decoder->header_len < 2) {
        return 2;
    }
    size_t size = decoder->expect_mask ? 6 : 2;
    uint8_t len = decoder->header[1] & 0x7f;
    return size + (len == 126 ? 2 : len == 127 ? 8 : 0);
}

static int check_opcode(struct websocket_decoder *decoder, uint8_t first, uint64_t len)
{
    uint8_t opcode = first & 0x0f;
    bool fin = (first & 0x80) != 0;
    if ((first & 0x70) != 0 || (opcode > 2 && opcode < 8) || opcode > 10) {
        return -EPROTO;
    }
    if (is_control(opcode)) {
        return fin && len <= WEBSOCKET_CONTROL_BYTES_MAX ? 0 : -EPROTO;
    }
    if ((opcode == WEBSOCKET_CONTINUATION) != decoder->fragmented) {
        return -EPROTO;
    }
    if (len > decoder->message_max - decoder->message.len) {
        return -EMSGSIZE;
    }
    if (opcode != WEBSOCKET_CONTINUATION) {
        decoder->message_opcode = (enum websocket_opcode)opcode;
    }
    decoder->fragmented = !fin;
    return 0;
}

static int read_header(struct websocket_decoder *decoder)
{
    const uint8_t *header = decoder->header;
    if (((header[1] & 0x80) != 0) != decoder->expect_mask) {
        return -EPROTO;
    }
    uint64_t len = header[1] & 0x7f;
    if (len >= 126) {
        size_t width = len == 126 ? 2 : 8;
        uint64_t least = len == 126 ? 126 : 65536;
        len = 0;
        for (size_t i = 0; i < width; i++) {
            len = len << 8 | header[2 + i];
        }
        if (len < least || (len >> 63) != 0) {
            return -EPROTO; /* RFC 6455, section 5.2: the shortest form, and no sign bit. */
        }
    }
    int status = check_opcode(decoder, header[0], len);
    if (status != 0) {
        return status;
    }
    decoder->payload_left = len;
    decoder->payload_at = 0;
    decoder->in_payload = true;
    return 0;
}

static void read_payload(struct websocket_decoder *decoder, struct slice *bytes,
                         struct buffer *into)
{
    size_t len = bytes->len < decoder->payload_left ? bytes->len : (size_t)decoder->payload_left;
    uint8_t *to = buffer_reserve(into, len);
    if (to == NULL || len == 0) {
        return; /* Never NULL: check_opcode() saw the length. */
    }
    memcpy(to, bytes->data, len);
    if (decoder->expect_mask) {
        const uint8_t *mask = decoder->header + header_size(decoder) - 4;
        for (size_t i = 0; i < len; i++) {
            to[i] ^= mask[(decoder->payload_at + i) & 3];
        }
    }
    buffer_commit(into, len);
    decoder->payload_at += len;
    decoder->payload_left -= len;
    *bytes = slice_of(bytes->data + len, bytes->len - len);
}

/* The frame is complete: 1 with a message, 0 when more fragments follow, or -EILSEQ. */
static int end_frame(struct websocket_decoder *decoder, enum websocket_opcode *ret_opcode,
                     struct slice *ret_payload)
{
    uint8_t opcode = decoder->header[0] & 0x0f;
    decoder->in_payload = false;
    decoder->header_len = 0;
    if (is_control(opcode)) {
        *ret_opcode = (enum websocket_opcode)opcode;
        *ret_payload = buffer_slice(&decoder->control);
        return 1;
    }
    if (decoder->fragmented) {
        return 0;
    }
    struct slice payload = buffer_slice(&decoder->message);
    if (decoder->message_opcode == WEBSOCKET_TEXT && !utf8_is_valid(payload)) {
        return -EILSEQ;
    }
    *ret_opcode = decoder->message_opcode;
    *ret_payload = payload;
    return 1;
}

/* Drops what the last call handed out. */
static void forget_last(struct websocket_decoder *decoder)
{
    if (!decoder->in_payload && decoder->header_len == 0) {
        buffer_clear(&decoder->control);
        if (!decoder->fragmented) {
            buffer_clear(&decoder->message);
        }
    }
}

int websocket_decode(struct websocket_decoder *decoder, struct slice *bytes,
                     enum websocket_opcode *ret_opcode, struct slice *ret_payload)
{
    forget_last(decoder);
    for (;;) {
        while (!decoder->in_payload) {
            size_t size = header_size(decoder);
            if (decoder->header_len >= 2 && decoder->header_len == size) {
                int status = read_header(decoder);
                if (status != 0) {
                    return status;
                }
                break;
            }
            if (bytes->len == 0) {
                return 0;
            }
            decoder->header[decoder->header_len++] = bytes->data[0];
            *bytes = slice_of(bytes->data + 1, bytes->len - 1);
        }
        bool control = is_control(decoder->header[0] & 0x0f);
        read_payload(decoder, bytes, control ? &decoder->control : &decoder->message);
        if (decoder->payload_left > 0) {
            return 0;
        }
        int status = end_frame(decoder, ret_opcode, ret_payload);
        if (status != 0) {
            return status;
        }
        buffer_clear(&decoder->control);
    }
}

void websocket_encode_head(struct buffer *out, enum websocket_opcode opcode, size_t len,
                           bool masked)
{
    uint8_t mask_bit = masked ? 0x80 : 0;
    buffer_append_byte(out, (uint8_t)(0x80 | (unsigned)opcode));
    size_t width = 0;
    if (len < 126) {
        buffer_append_byte(out, (uint8_t)(mask_bit | len));
    } else {
        width = len <= UINT16_MAX ? 2 : 8;
        buffer_append_byte(out, (uint8_t)(mask_bit | (width == 2 ? 126U : 127U)));
    }
    for (size_t i = width; i > 0; i--) {
        buffer_append_byte(out, (uint8_t)((uint64_t)len >> (8 * (i - 1))));
    }
}

void websocket_encode(struct buffer *out, enum websocket_opcode opcode, struct slice payload,
                      const uint8_t *mask)
{
    websocket_encode_head(out, opcode, payload.len, mask != NULL);
    if (mask == NULL) {
        buffer_append_slice(out, payload);
        return;
    }
    buffer_append(out, mask, 4);
    uint8_t *to = buffer_reserve(out, payload.len);
    if (to != NULL) {
        for (size_t i = 0; i < payload.len; i++) {
            to[i] = payload.data[i] ^ mask[i & 3];
        }
        buffer_commit(out, payload.len);
    }
}
