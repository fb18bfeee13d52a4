#include "lib/base/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static NORETURN void out_of_memory(size_t size)
{
    fprintf(stderr, "level=error component=base msg=\"out of memory\" bytes=%zu\n", size);
    abort();
}

void *alloc_bytes(size_t size)
{
    void *ptr = malloc(size == 0 ? 1 : size);
    if (ptr == NULL) {
        out_of_memory(size);
    }
    return ptr;
}

void *alloc_zeroed(size_t size)
{
    return alloc_array(1, size);
}

void *alloc_aligned(size_t unit, size_t size)
{
    void *ptr = NULL;
    if (posix_memalign(&ptr, unit, size == 0 ? 1 : size) != 0) {
        out_of_memory(size);
    }
    return ptr;
}

void *alloc_array(size_t count, size_t item_size)
{
    void *ptr = calloc(count == 0 ? 1 : count, item_size == 0 ? 1 : item_size);
    if (ptr == NULL) {
        out_of_memory(count);
    }
    return ptr;
}

void *alloc_resize(void *ptr, size_t count, size_t item_size)
{
    size_t size;
    if (__builtin_mul_overflow(count, item_size, &size)) {
        out_of_memory(SIZE_MAX);
    }
    void *grown = realloc(ptr, size == 0 ? 1 : size);
    if (grown == NULL) {
        out_of_memory(size);
    }
    return grown;
}

char *alloc_text(const char *text)
{
    return alloc_text_n(text, strlen(text));
}

char *alloc_text_n(const char *text, size_t len)
{
    char *copy = alloc_bytes(len + 1);
    if (len > 0) {
        memcpy(copy, text, len);
    }
    copy[len] = '\0';
    return copy;
}

char *alloc_printf(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0) {
        out_of_memory(0);
    }
    return text;
}

void alloc_freep(void *pointer_to_pointer)
{
    void **pointer = pointer_to_pointer;
    free(*pointer);
    *pointer = NULL;
}
