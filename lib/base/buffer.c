#include "lib/base/buffer.h"

#include "lib/base/alloc.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUFFER_CAPACITY_MIN = 64 };

void buffer_init(struct buffer *buffer, size_t max)
{
    assert(max > 0);
    *buffer = (struct buffer){.max = max};
}

void buffer_release(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){.max = buffer->max};
}

void buffer_clear(struct buffer *buffer)
{
    buffer->len = 0;
    buffer->overflowed = false;
    if (buffer->data != NULL) {
        buffer->data[0] = '\0';
    }
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t len)
{
    assert(buffer->max > 0);
    if (len > buffer->max - buffer->len) {
        buffer->overflowed = true;
        return NULL;
    }
    size_t needed = buffer->len + len;
    if (needed >= buffer->capacity) {
        size_t capacity =
            buffer->capacity < BUFFER_CAPACITY_MIN ? BUFFER_CAPACITY_MIN : buffer->capacity * 2;
        while (capacity <= needed) {
            capacity *= 2;
        }
        buffer->data = alloc_resize(buffer->data, capacity, 1);
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->len;
}

void buffer_commit(struct buffer *buffer, size_t len)
{
    assert(buffer->len + len < buffer->capacity);
    buffer->len += len;
    buffer->data[buffer->len] = '\0';
}

void buffer_append_slow(struct buffer *buffer, const void *data, size_t len)
{
    uint8_t *room = buffer_reserve(buffer, len);
    if (room == NULL) {
        return;
    }
    if (len > 0) {
        memcpy(room, data, len);
    }
    buffer_commit(buffer, len);
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = NULL;
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0) {
        abort();
    }
    buffer_append(buffer, text, (size_t)len);
    free(text);
}

void buffer_consume(struct buffer *buffer, size_t len)
{
    assert(len <= buffer->len);
    if (len == 0) {
        return;
    }
    memmove(buffer->data, buffer->data + len, buffer->len - len);
    buffer->len -= len;
    buffer->data[buffer->len] = '\0';
}

int buffer_error(const struct buffer *buffer)
{
    return buffer->overflowed ? -ENOSPC : 0;
}

struct slice buffer_slice(const struct buffer *buffer)
{
    return slice_of(buffer->data, buffer->len);
}

const char *buffer_text(const struct buffer *buffer)
{
    return buffer->data == NULL ? "" : (const char *)buffer->data;
}

uint8_t *buffer_take(struct buffer *buffer, size_t *ret_len)
{
    if (buffer->data == NULL) {
        buffer_append(buffer, "", 0);
    }
    uint8_t *data = buffer->data;
    *ret_len = buffer->len;
    *buffer = (struct buffer){.max = buffer->max};
    return data;
}
