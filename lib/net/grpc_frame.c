#include "lib/net/grpc_frame.h"

#include "lib/net/grpc.h"
#include "lib/net/limits.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>

void grpc_deframer_init(struct grpc_deframer *deframer, size_t message_max)
{
    *deframer = (struct grpc_deframer){.message_max = message_max};
    buffer_init(&deframer->pending, message_max + GRPC_PREFIX_SIZE + 2 * HTTP2_WINDOW_BYTES);
}

void grpc_deframer_release(struct grpc_deframer *deframer)
{
    buffer_release(&deframer->pending);
    deframer->taken = 0;
    deframer->lent = slice_of(NULL, 0);
}

void grpc_deframer_wipe(struct grpc_deframer *deframer)
{
    if (deframer->pending.data != NULL) {
        explicit_bzero(deframer->pending.data, deframer->pending.capacity);
    }
}

static void drop_taken(struct grpc_deframer *deframer)
{
    if (deframer->taken > 0 && deframer->taken == deframer->pending.len) {
        buffer_clear(&deframer->pending);
        deframer->taken = 0;
    }
}

int grpc_deframer_feed(struct grpc_deframer *deframer, struct slice bytes)
{
    if (deframer->taken > 0) {
        buffer_consume(&deframer->pending, deframer->taken);
        deframer->taken = 0;
    }
    buffer_append_slice(&deframer->pending, bytes);
    if (buffer_error(&deframer->pending) != 0) {
        deframer->refused = deframer->pending.len + bytes.len;
        return -EMSGSIZE;
    }
    return 0;
}

int grpc_deframer_lend(struct grpc_deframer *deframer, struct slice bytes)
{
    assert(deframer->lent.len == 0);
    drop_taken(deframer);
    if (deframer->pending.len > 0) {
        return grpc_deframer_feed(deframer, bytes);
    }
    deframer->lent = bytes;
    return 0;
}

void grpc_deframer_keep(struct grpc_deframer *deframer)
{
    if (deframer->lent.len > 0) {
        buffer_append_slice(&deframer->pending,
                            deframer->lent); /* Less than the window: it fits. */
        deframer->lent = slice_of(NULL, 0);
    }
}

/* What begins with the next message. */
static struct slice left_of(const struct grpc_deframer *deframer)
{
    const struct buffer *pending = &deframer->pending;
    return pending->len == 0
               ? deframer->lent
               : slice_of(pending->data + deframer->taken, pending->len - deframer->taken);
}

int grpc_deframe(struct grpc_deframer *deframer, struct slice *ret_message)
{
    drop_taken(deframer);
    struct slice left = left_of(deframer);
    if (left.len < GRPC_PREFIX_SIZE) {
        return 0;
    }
    const uint8_t *prefix = left.data;
    if (prefix[0] != 0) {
        deframer->flag = prefix[0];
        return -EPROTO;
    }
    size_t len = (size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 8 |
                 (size_t)prefix[4];
    if (len > deframer->message_max) {
        deframer->refused = len;
        return -EMSGSIZE;
    }
    if (left.len - GRPC_PREFIX_SIZE < len) {
        return 0;
    }
    size_t whole = GRPC_PREFIX_SIZE + len;
    if (deframer->lent.len > 0) {
        deframer->lent = slice_of(left.data + whole, left.len - whole);
    } else {
        deframer->taken += whole;
    }
    *ret_message = slice_of(prefix + GRPC_PREFIX_SIZE, len);
    return 1;
}

void grpc_too_large_text(const struct grpc_deframer *deframer,
                         char ret_text[GRPC_REFUSAL_TEXT_SIZE])
{
    (void)snprintf(ret_text, GRPC_REFUSAL_TEXT_SIZE,
                   "grpc: received message larger than max (%zu vs. %zu)", deframer->refused,
                   deframer->message_max);
}

void grpc_not_plain_text(const struct grpc_deframer *deframer,
                         char ret_text[GRPC_REFUSAL_TEXT_SIZE])
{
    if (deframer->flag == 1) {
        (void)snprintf(ret_text, GRPC_REFUSAL_TEXT_SIZE,
                       "grpc: compressed flag set with identity or empty encoding");
    } else {
        (void)snprintf(ret_text, GRPC_REFUSAL_TEXT_SIZE,
                       "grpc: received unexpected payload format %u", (unsigned)deframer->flag);
    }
}

bool grpc_deframer_empty(const struct grpc_deframer *deframer)
{
    return deframer->pending.len == deframer->taken && deframer->lent.len == 0;
}

void grpc_prefix(size_t message_len, uint8_t ret_prefix[GRPC_PREFIX_SIZE])
{
    assert(message_len <= UINT32_MAX);
    ret_prefix[0] = 0;
    ret_prefix[1] = (uint8_t)(message_len >> 24);
    ret_prefix[2] = (uint8_t)(message_len >> 16);
    ret_prefix[3] = (uint8_t)(message_len >> 8);
    ret_prefix[4] = (uint8_t)message_len;
}

int grpc_timeout_parse(struct slice text, uint64_t *ret_ms)
{
    if (text.len < 2 || text.len > 9) {
        return -EINVAL;
    }
    uint64_t value = 0;
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return -EINVAL;
        }
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    uint64_t ms = 0;
    switch (text.data[text.len - 1]) {
    case 'H':
        ms = value * 3600 * 1000;
        break;
    case 'M':
        ms = value * 60 * 1000;
        break;
    case 'S':
        ms = value * 1000;
        break;
    case 'm':
        ms = value;
        break;
    case 'u':
        ms = (value + 999) / 1000;
        break;
    case 'n':
        ms = (value + 999999) / 1000000;
        break;
    default:
        return -EINVAL;
    }
    *ret_ms = ms;
    return 0;
}

void grpc_message_encode(const char *message, struct buffer *out)
{
    for (const char *at = message; *at != '\0'; at++) {
        if (*at >= ' ' && *at <= '~' && *at != '%') {
            buffer_append_byte(out, (uint8_t)*at);
        } else {
            buffer_printf(out, "%%%02X", (unsigned)(uint8_t)*at);
        }
    }
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void grpc_message_decode(struct slice text, struct buffer *out)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '%' && i + 2 < text.len) {
            int high = hex_digit(text.data[i + 1]);
            int low = hex_digit(text.data[i + 2]);
            if (high >= 0 && low >= 0) {
                c = (uint8_t)(high * 16 + low);
                i += 2;
            }
        }
        buffer_append_byte(out, c);
    }
}

const char *grpc_code_name(enum grpc_code code)
{
    static const char *const names[] = {
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    };
    return (size_t)code < ARRAY_LEN(names) ? names[code] : "Unknown";
}
