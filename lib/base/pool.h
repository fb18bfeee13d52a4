/* Memory of requests: small blocks that one thread takes and gives back by the hundred. malloc
 * keeps only a few freed blocks of a size at hand, and puts those beyond between what stays, where
 * it has to look for each again. Not thread-safe. */
#ifndef LIB_BASE_POOL_H
#define LIB_BASE_POOL_H
#include <stddef.h>

struct pool {
    struct pool_block *first; /* Of those given back, the last. */
    size_t count, keep;
    size_t block_bytes;
};

void pool_init(struct pool *pool, size_t block_bytes, size_t keep); /* Keeps at most so many. */
void pool_release(struct pool *pool); /* What is still taken is freed when it is given back. */

/* Undefined contents, aligned as malloc's. More than a block has comes from malloc each time. */
void *pool_take(struct pool *pool, size_t size);
/* Of the `size` that it was taken with. */
void pool_give(struct pool *pool, void *memory, size_t size);
#endif
