#include "lib/net/chunk.h"

#include "lib/base/alloc.h"
#include <stdlib.h>

static void chunk_free(struct chunk *chunk)
{
    free(chunk);
}

struct chunk *chunk_new(struct slice bytes)
{
    struct chunk *chunk = alloc_bytes(sizeof(*chunk) + bytes.len);
    uint8_t *copy = (uint8_t *)(chunk + 1);
    if (bytes.len > 0) {
        memcpy(copy, bytes.data, bytes.len);
    }
    chunk_init(chunk, slice_of(copy, bytes.len), chunk_free);
    return chunk;
}

struct chunk_owned {
    struct chunk chunk;
    void *bytes;
};

static void chunk_owned_free(struct chunk *chunk)
{
    struct chunk_owned *owned = CONTAINER_OF(chunk, struct chunk_owned, chunk);
    free(owned->bytes);
    free(owned);
}

struct chunk *chunk_new_owned(void *bytes_consume, size_t len)
{
    struct chunk_owned *owned = alloc_bytes(sizeof(*owned));
    owned->bytes = bytes_consume;
    chunk_init(&owned->chunk, slice_of(bytes_consume, len), chunk_owned_free);
    return &owned->chunk;
}
