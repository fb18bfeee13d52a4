/* Heap memory that is never NULL: out of memory ends the process with a clear line (it loses
 * nothing: a crash does not either). What callers check is size. Release with free(). */
#ifndef LIB_BASE_ALLOC_H
#define LIB_BASE_ALLOC_H
#include "lib/base/compiler.h"
#include <stddef.h>

MUST_USE void *alloc_bytes(size_t size);                /* Contents are undefined. */
MUST_USE void *alloc_zeroed(size_t size);               /* Contents are zero. */
MUST_USE void *alloc_aligned(size_t unit, size_t size); /* At a multiple of `unit`; undefined. */
MUST_USE void *alloc_array(size_t count, size_t item_size); /* Zeroed; overflow aborts. */
MUST_USE void *alloc_resize(void *ptr, size_t count, size_t item_size); /* As realloc. */
MUST_USE char *alloc_text(const char *text);               /* A copy; text must not be NULL. */
MUST_USE char *alloc_text_n(const char *text, size_t len); /* A copy with a final NUL. */
MUST_USE char *alloc_printf(const char *format, ...) PRINTF_LIKE(1, 2);
void alloc_freep(void *pointer_to_pointer); /* For CLEANUP(alloc_freep). */
#endif
