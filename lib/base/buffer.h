/* A growable byte buffer that cannot be made without a maximum. Owns its memory. Going over the
 * maximum sets a sticky error, so a writer may check once, at the end (buffer_error). */
#ifndef LIB_BASE_BUFFER_H
#define LIB_BASE_BUFFER_H
#include "lib/base/compiler.h"
#include "lib/base/slice.h"
#include <stdarg.h>
#include <string.h>

struct buffer {
    uint8_t *data; /* Followed by a NUL byte whenever it is not NULL. */
    size_t len;
    size_t capacity;
    size_t max;
    bool overflowed;
};

void buffer_init(struct buffer *buffer, size_t max);
void buffer_release(struct buffer *buffer); /* Frees the contents; the buffer can be used again. */
void buffer_clear(struct buffer *buffer);   /* Empties it, keeps the memory, clears the error. */
void buffer_append_slow(struct buffer *buffer, const void *data, size_t len); /* It may grow. */
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_printf(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);
/* Makes room for `len` more bytes and returns where they go, or NULL over the maximum. The bytes
 * count only after buffer_commit(). */
MUST_USE uint8_t *buffer_reserve(struct buffer *buffer, size_t len);
void buffer_commit(struct buffer *buffer, size_t len);
void buffer_consume(struct buffer *buffer, size_t len); /* Drops `len` bytes from the front. */
MUST_USE int buffer_error(const struct buffer *buffer); /* 0, or -ENOSPC once over the maximum. */
struct slice buffer_slice(const struct buffer *buffer); /* Valid until the next change. */
const char *buffer_text(const struct buffer *buffer);   /* NUL-terminated; never NULL. */
/* Hands out the contents as heap memory (NUL-terminated, release with free) and empties it. */
MUST_USE uint8_t *buffer_take(struct buffer *buffer, size_t *ret_len);

/* Encoders append a few bytes at a time: what fits is done here. */
static inline void buffer_append(struct buffer *buffer, const void *data, size_t len)
{
    size_t left = buffer->capacity - buffer->len;
    if (len == 0 || len >= left || len > buffer->max - buffer->len) {
        buffer_append_slow(buffer, data, len);
        return;
    }
    memcpy(buffer->data + buffer->len, data, len);
    buffer->len += len;
    buffer->data[buffer->len] = '\0';
}

static inline void buffer_append_slice(struct buffer *buffer, struct slice bytes)
{
    buffer_append(buffer, bytes.data, bytes.len);
}

static inline void buffer_append_byte(struct buffer *buffer, uint8_t byte)
{
    buffer_append(buffer, &byte, 1);
}
#endif
