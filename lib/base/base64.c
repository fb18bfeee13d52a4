#include "lib/base/base64.h"

#include <errno.h>

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(const char *alphabet, bool pad, struct slice bytes, struct buffer *out)
{
    uint8_t *to = buffer_reserve(out, (bytes.len + 2) / 3 * 4);
    if (to == NULL) {
        return;
    }
    size_t len = 0;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)bytes.data[i] << 16;
        group |= left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t)bytes.data[i + 2] : 0;
        size_t digits = left > 2 ? 4 : left + 1;
        for (size_t k = 0; k < 4 && (k < digits || pad); k++) {
            to[len++] = k < digits ? (uint8_t)alphabet[group >> (18 - 6 * k) & 63] : '=';
        }
    }
    buffer_commit(out, len);
}

static int digit_of(const char *alphabet, uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == (uint8_t)alphabet[62]) {
        return 62;
    }
    return c == (uint8_t)alphabet[63] ? 63 : -1;
}

/* Loosely: line ends are skipped, and bits left over may be set. -EINVAL comes with the position.
 */
static int decode(const char *alphabet, bool loosely, struct slice text, struct buffer *out,
                  size_t *reterr_position)
{
    uint8_t *to = buffer_reserve(out, text.len / 4 * 3 + 3);
    if (to == NULL) {
        return -ENOSPC;
    }
    size_t len = 0;
    uint32_t group = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_of(alphabet, text.data[i]);
        if (loosely && (text.data[i] == '\n' || text.data[i] == '\r')) {
            continue;
        }
        if (digit < 0) {
            *reterr_position = i;
            return -EINVAL;
        }
        group = (group << 6 | (uint32_t)digit) & 0xffffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            to[len++] = (uint8_t)(group >> bits);
        }
    }
    /* One digit over, or bits that no encoder leaves set. */
    if (bits >= 6 || (!loosely && (group & ((1U << bits) - 1)) != 0)) {
        *reterr_position = text.len - 1;
        return -EINVAL;
    }
    buffer_commit(out, len);
    return 0;
}

void base64url_encode(struct slice bytes, struct buffer *out)
{
    encode(url_safe, /* pad= */ false, bytes, out);
}

int base64url_decode(struct slice text, struct buffer *out)
{
    size_t position = 0;
    return decode(url_safe, /* loosely= */ false, text, out, &position);
}

int base64url_decode_loosely(struct slice text, struct buffer *out, size_t *reterr_position)
{
    return decode(url_safe, /* loosely= */ true, text, out, reterr_position);
}

void base64_encode(struct slice bytes, struct buffer *out)
{
    encode(standard, /* pad= */ true, bytes, out);
}

int base64_decode(struct slice text, struct buffer *out)
{
    for (int i = 0; i < 2 && text.len > 0 && text.data[text.len - 1] == '='; i++) {
        text.len--;
    }
    size_t position = 0;
    return decode(standard, /* loosely= */ false, text, out, &position);
}

static size_t skip_line_ends(struct slice text, size_t at)
{
    while (at < text.len && (text.data[at] == '\n' || text.data[at] == '\r')) {
        at++;
    }
    return at;
}

/* The end of a text whose last group has `have` letters, at its first '='. */
static int decode_padding(struct slice text, size_t at, int have, size_t *reterr_position)
{
    size_t first = at;
    if (have < 2) {
        *reterr_position = first;
        return -EINVAL;
    }
    at = skip_line_ends(text, at + 1);
    if (have == 2) {
        if (at >= text.len || text.data[at] != '=') {
            *reterr_position = at < text.len ? at : text.len;
            return -EINVAL;
        }
        at = skip_line_ends(text, at + 1);
    }
    if (at < text.len) {
        *reterr_position = at;
        return -EINVAL;
    }
    return 0;
}

int base64_decode_padded(struct slice text, uint8_t *out, size_t *ret_len, size_t *reterr_position)
{
    uint32_t bits = 0;
    int have = 0;
    size_t len = 0;

    for (size_t at = 0; (at = skip_line_ends(text, at)) < text.len; at++) {
        int value = digit_of(standard, text.data[at]);
        if (value < 0 && text.data[at] == '=') {
            int r = decode_padding(text, at, have, reterr_position);
            if (r < 0) {
                return r;
            }
            out[len++] = (uint8_t)(have == 2 ? bits >> 4 : bits >> 10);
            if (have == 3) {
                out[len++] = (uint8_t)(bits >> 2);
            }
            *ret_len = len;
            return 0;
        }
        if (value < 0) {
            *reterr_position = at;
            return -EINVAL;
        }
        bits = bits << 6 | (uint32_t)value;
        if (++have == 4) {
            out[len++] = (uint8_t)(bits >> 16);
            out[len++] = (uint8_t)(bits >> 8);
            out[len++] = (uint8_t)bits;
            bits = 0;
            have = 0;
        }
    }
    if (have != 0) {
        *reterr_position = text.len / 4 * 4;
        return -EINVAL;
    }
    *ret_len = len;
    return 0;
}
