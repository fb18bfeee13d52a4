/* UTF-8 validity (RFC 3629). Pure. */
#ifndef LIB_NET_UTF8_H
#define LIB_NET_UTF8_H
#include "lib/base/slice.h"

/* No overlong forms, no surrogates, nothing above U+10FFFF, nothing cut off. */
static inline bool utf8_is_valid(struct slice text)
{
    size_t at = 0;
    while (at < text.len) {
        uint8_t c = text.data[at];
        size_t more = c < 0x80                ? 0
                      : c >= 0xc2 && c < 0xe0 ? 1
                      : c >= 0xe0 && c < 0xf0 ? 2
                      : c >= 0xf0 && c < 0xf5 ? 3
                                              : 4;
        if (more == 4 || more > text.len - at - 1) {
            return false;
        }
        for (size_t i = 1; i <= more; i++) {
            if ((text.data[at + i] & 0xc0) != 0x80) {
                return false;
            }
        }
        uint8_t next = more > 0 ? text.data[at + 1] : 0;
        if ((c == 0xe0 && next < 0xa0) || (c == 0xed && next >= 0xa0) ||
            (c == 0xf0 && next < 0x90) || (c == 0xf4 && next >= 0x90)) {
            return false;
        }
        at += more + 1;
    }
    return true;
}
#endif
