/* Hash map from bytes to a pointer. Keys are copied in; values are borrowed. Iteration follows the
 * order of insertion (removal moves nothing), never addresses, so runs repeat exactly. Seeded
 * hashing (SipHash-2-4) against chosen keys. Not thread-safe. */
#ifndef LIB_BASE_HASH_MAP_H
#define LIB_BASE_HASH_MAP_H
#include "lib/base/compiler.h"
#include "lib/base/slice.h"

struct hash_map;

/* `seed` comes from env_random() where keys come from outside, else any constant. */
MUST_USE struct hash_map *hash_map_new(uint64_t seed);
void hash_map_free(struct hash_map *map); /* NULL is a no-op; values are the caller's. */
size_t hash_map_count(const struct hash_map *map);
void *hash_map_get(const struct hash_map *map, struct slice key); /* NULL when absent. */
/* Sets (value must not be NULL) and returns the value that it replaced, or NULL. */
void *hash_map_set(struct hash_map *map, struct slice key, void *value);
void *hash_map_remove(struct hash_map *map, struct slice key); /* The value, or NULL. */
void hash_map_clear(struct hash_map *map);

/* Iteration: for (size_t at = 0; hash_map_next(map, &at, &key, &value);) ... The entry just
 * returned may be removed inside the loop; nothing may be added. Key and value may be NULL. */
bool hash_map_next(const struct hash_map *map, size_t *at, struct slice *ret_key, void **ret_value);

/* Integer keys, for tables of ids. Do not mix with byte keys of 8 bytes. */
static inline struct slice hash_map_key_u64(const uint64_t *id)
{
    return slice_of(id, sizeof(*id));
}

uint64_t hash_bytes(uint64_t seed, struct slice bytes); /* SipHash-2-4 of the bytes. */
#endif
