#include "lib/api/base64.h"

#include <errno.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void api_base64_encode(struct slice bytes, struct buffer *out)
{
    size_t groups = (bytes.len + 2) / 3;
    uint8_t *text = buffer_reserve(out, groups * 4);
    if (text == NULL) {
        return;
    }
    for (size_t i = 0; i < bytes.len; i += 3, text += 4) {
        size_t left = bytes.len - i;
        uint32_t bits = (uint32_t)bytes.data[i] << 16;
        bits |= left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        bits |= left > 2 ? bytes.data[i + 2] : 0;
        text[0] = (uint8_t)alphabet[bits >> 18];
        text[1] = (uint8_t)alphabet[bits >> 12 & 63];
        text[2] = left > 1 ? (uint8_t)alphabet[bits >> 6 & 63] : '=';
        text[3] = left > 2 ? (uint8_t)alphabet[bits & 63] : '=';
    }
    buffer_commit(out, groups * 4);
}

static int value_of(uint8_t letter)
{
    if (letter >= 'A' && letter <= 'Z') {
        return letter - 'A';
    }
    if (letter >= 'a' && letter <= 'z') {
        return letter - 'a' + 26;
    }
    if (letter >= '0' && letter <= '9') {
        return letter - '0' + 52;
    }
    return letter == '+' ? 62 : letter == '/' ? 63 : -1;
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

int api_base64_decode(struct slice text, uint8_t *out, size_t *ret_len, size_t *reterr_position)
{
    uint32_t bits = 0;
    int have = 0;
    size_t len = 0;

    for (size_t at = 0; (at = skip_line_ends(text, at)) < text.len; at++) {
        int value = value_of(text.data[at]);
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
