/* UTF-8 (RFC 3629), one character at a time. Pure. */
#ifndef LIB_BASE_UTF8_H
#define LIB_BASE_UTF8_H
#include <stddef.h>
#include <stdint.h>

enum { UTF8_REPLACEMENT = 0xfffd };

/* Writes up to 4 bytes and returns how many. */
static inline size_t utf8_put(uint8_t *out, uint32_t rune)
{
    if (rune < 0x80) {
        out[0] = (uint8_t)rune;
        return 1;
    }
    if (rune < 0x800) {
        out[0] = (uint8_t)(0xc0 | rune >> 6);
        out[1] = (uint8_t)(0x80 | (rune & 0x3f));
        return 2;
    }
    if (rune < 0x10000) {
        out[0] = (uint8_t)(0xe0 | rune >> 12);
        out[1] = (uint8_t)(0x80 | (rune >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (rune & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | rune >> 18);
    out[1] = (uint8_t)(0x80 | (rune >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (rune >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (rune & 0x3f));
    return 4;
}

/* Reads one character at `at` (below `end`) and returns its length; an invalid byte reads as
 * U+FFFD of length 1, as in Go. */
static inline size_t utf8_get(const uint8_t *at, const uint8_t *end, uint32_t *ret_rune)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t left = (size_t)(end - at);
    size_t len = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    uint32_t rune;

    *ret_rune = UTF8_REPLACEMENT;
    if (len <= 1) {
        *ret_rune = len == 1 ? at[0] : UTF8_REPLACEMENT;
        return 1;
    }
    if (len > left || at[0] > 0xf4) {
        return 1;
    }
    rune = at[0] & (0xffU >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 1;
        }
        rune = rune << 6 | (at[i] & 0x3f);
    }
    if (rune < least[len] || rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff)) {
        return 1;
    }
    *ret_rune = rune;
    return len;
}
#endif
