/* Immutable bytes shared by reference between threads: an encoded object that is sent to many
 * connections without a copy. Pure. */
#ifndef LIB_NET_CHUNK_H
#define LIB_NET_CHUNK_H
#include "lib/base/compiler.h"
#include "lib/base/slice.h"
#include <stdatomic.h>

struct chunk {
    struct slice bytes;
    atomic_size_t references;
    /* Frees the chunk when the last reference goes, on whichever thread that happens. */
    void (*free)(struct chunk *chunk);
};

/* For those who embed a chunk in something of their own; starts with one reference. */
static inline void chunk_init(struct chunk *chunk, struct slice bytes,
                              void (*free_chunk)(struct chunk *chunk))
{
    chunk->bytes = bytes;
    atomic_init(&chunk->references, 1);
    chunk->free = free_chunk;
}

MUST_USE struct chunk *chunk_new(struct slice bytes); /* A copy in one allocation. */
/* Takes heap memory over (it will be released with free()). */
MUST_USE struct chunk *chunk_new_owned(void *bytes_consume, size_t len);

static inline struct chunk *chunk_ref(struct chunk *chunk)
{
    atomic_fetch_add_explicit(&chunk->references, 1, memory_order_relaxed);
    return chunk;
}

static inline void chunk_unref(struct chunk *chunk) /* NULL is a no-op. */
{
    if (chunk != NULL &&
        atomic_fetch_sub_explicit(&chunk->references, 1, memory_order_acq_rel) == 1) {
        chunk->free(chunk);
    }
}
#endif
