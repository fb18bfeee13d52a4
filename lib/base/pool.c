#include "lib/base/pool.h"

#include "lib/base/alloc.h"
#include "lib/base/compiler.h"
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

struct pool_block {
    struct pool_block *next;
};

void pool_init(struct pool *pool, size_t block_bytes, size_t keep)
{
    assert(block_bytes >= sizeof(struct pool_block));
    /* Who looks for uses of freed memory would not see those of a kept block. */
    *pool = (struct pool){.block_bytes = block_bytes, .keep = LEAKS_ARE_LOOKED_FOR ? 0 : keep};
}

void pool_release(struct pool *pool)
{
    while (pool->first != NULL) {
        struct pool_block *block = pool->first;
        pool->first = block->next;
        free(block);
    }
    pool->count = 0;
    pool->keep = 0;
}

void *pool_take(struct pool *pool, size_t size)
{
    struct pool_block *block = pool->first;
    if (block != NULL && size <= pool->block_bytes) {
        pool->first = block->next;
        pool->count--;
        return block;
    }
    return alloc_bytes(size <= pool->block_bytes && pool->keep > 0 ? pool->block_bytes : size);
}

void pool_give(struct pool *pool, void *memory, size_t size)
{
    if (size > pool->block_bytes || pool->count >= pool->keep) {
        free(memory);
        return;
    }
    struct pool_block *block = memory;
    block->next = pool->first;
    pool->first = block;
    pool->count++;
}
