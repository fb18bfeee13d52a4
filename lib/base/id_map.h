/* A map from numbers to pointers: one block of memory, nothing allocated for an entry. For numbers
 * that this program gives out itself (sequences, contexts); keys that a stranger may choose belong
 * into a hash_map, whose hashing is seeded. Values are borrowed. Not thread-safe. Pure. */
#ifndef LIB_BASE_ID_MAP_H
#define LIB_BASE_ID_MAP_H
#include "lib/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct id_map;

MUST_USE struct id_map *id_map_new(void);
void id_map_free(struct id_map *map); /* NULL is a no-op; values are the caller's. */
size_t id_map_count(const struct id_map *map);
void *id_map_get(const struct id_map *map, uint64_t id); /* NULL when absent. */
/* Sets (value must not be NULL) and returns the value that it replaced, or NULL. */
void *id_map_set(struct id_map *map, uint64_t id, void *value);
void *id_map_remove(struct id_map *map, uint64_t id); /* The value, or NULL. */

/* Iteration, in no order: for (size_t at = 0; id_map_next(map, &at, &id, &value);) ... Nothing may
 * be added or removed meanwhile. Id and value may be NULL. */
bool id_map_next(const struct id_map *map, size_t *at, uint64_t *ret_id, void **ret_value);
#endif
