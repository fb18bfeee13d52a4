#include "apiserver/watch_cache_private.h"

#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include <string.h>

static void object_ref(void *value)
{
    (void)cached_object_ref(value);
}

static void object_unref(void *value)
{
    cached_object_unref(value);
}

static const struct cow_value_type object_values = {.ref = object_ref, .unref = object_unref};

static struct kind_cache *cache_of_prefix(struct watch_cache *cache, const char *prefix)
{
    for (size_t i = 0; i < cache->cache_count; i++) {
        if (strcmp(cache->caches[i]->kind->storage_prefix, prefix) == 0) {
            return cache->caches[i];
        }
    }
    return NULL;
}

void kind_cache_init(struct kind_cache *kind_cache)
{
    pthread_mutex_init(&kind_cache->lock, NULL);
    kind_cache->tree = cow_tree_new(&object_values);
    kind_cache->oldest = cache_node_new(NULL);
    kind_cache->newest = cache_node_ref(kind_cache->oldest);
}

void kind_cache_release(struct kind_cache *kind_cache)
{
    cow_tree_free(kind_cache->tree);
    cache_node_unref(kind_cache->oldest);
    cache_node_unref(kind_cache->newest);
    pthread_mutex_destroy(&kind_cache->lock);
    custom_kind_unref(kind_cache->kind);
}

struct kind_cache *kind_cache_add(struct watch_cache *cache)
{
    struct kind_cache *kind_cache = alloc_zeroed(sizeof(*kind_cache));
    kind_cache_init(kind_cache);
    kind_cache->encryption = cache->encryption;
    kind_cache->shelf = cache->shelf;
    cache->caches[cache->cache_count++] = kind_cache;
    return kind_cache;
}

void kind_cache_add_stored(struct watch_cache *cache, const struct api_kind *kind)
{
    if (!kind->stored || kind->storage_prefix[0] == 0) {
        return;
    }
    struct kind_cache *shared = cache_of_prefix(cache, kind->storage_prefix);
    if (shared == NULL) {
        shared = kind_cache_add(cache);
        shared->kind = kind;
        shared->prefix_len = strlen(kind->storage_prefix);
    }
    atomic_store(&cache->by_kind[kind->index], shared);
}

static const char registry_prefix[] = "/registry/";

struct slice kind_cache_custom_part(struct slice key)
{
    size_t start = sizeof(registry_prefix) - 1, slashes = 0;
    for (size_t i = start; i < key.len; i++) {
        if (key.data[i] == '/' && ++slashes == 2) {
            return slice_of(key.data + start, i + 1 - start);
        }
    }
    return slice_of("", 0);
}

/* The longest prefix wins: /registry/services/specs/ and /registry/services/endpoints/ are
 * siblings, and neither is inside another today, but a row may add one that is. */
struct kind_cache *kind_cache_of_key(struct watch_cache *cache, struct slice key)
{
    if (!slice_starts_with(key, slice_text(registry_prefix))) {
        return NULL;
    }
    struct kind_cache *best = NULL;
    for (size_t i = 0; i < cache->table_count; i++) {
        struct kind_cache *each = cache->caches[i];
        if (slice_starts_with(key, slice_text(each->kind->storage_prefix)) &&
            key.len > each->prefix_len && (best == NULL || each->prefix_len > best->prefix_len)) {
            best = each;
        }
    }
    return best != NULL ? best : hash_map_get(cache->custom, kind_cache_custom_part(key));
}
