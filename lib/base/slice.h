/* Borrowed bytes: a pointer and a length, not NUL-terminated, owned by someone else. All input is
 * passed as slices. */
#ifndef LIB_BASE_SLICE_H
#define LIB_BASE_SLICE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data; /* May be NULL only when len is 0. */
    size_t len;
};

static inline struct slice slice_of(const void *data, size_t len)
{
    return (struct slice){.data = data, .len = len};
}

static inline struct slice slice_text(const char *text)
{
    return (struct slice){.data = (const uint8_t *)text, .len = text == NULL ? 0 : strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
    return slice_equal(a, slice_text(text));
}

/* Byte order; a prefix sorts before what it is a prefix of. Negative, zero or positive. */
static inline int slice_compare(struct slice a, struct slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0) {
        return order;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

static inline bool slice_starts_with(struct slice a, struct slice prefix)
{
    return a.len >= prefix.len && (prefix.len == 0 || memcmp(a.data, prefix.data, prefix.len) == 0);
}

static inline bool slice_is_space(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Without the white space (of ASCII) around it. */
static inline struct slice slice_trimmed(struct slice text)
{
    while (text.len > 0 && slice_is_space(text.data[0])) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && slice_is_space(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

/* For texts that may be NULL, where that means the same as empty. */
static inline const char *text_or_empty(const char *text)
{
    return text == NULL ? "" : text;
}
#endif
