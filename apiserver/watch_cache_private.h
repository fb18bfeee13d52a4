/* Inside of the watch cache: what its parts (kind_cache.c), its writer (watch_cache.c) and its
 * readers (cache_view.c) share. */
#ifndef APISERVER_WATCH_CACHE_PRIVATE_H
#define APISERVER_WATCH_CACHE_PRIVATE_H
#include "apiserver/cache_node.h"
#include "lib/api/custom.h"
#include "lib/base/cow_tree.h"
#include "lib/base/env.h"
#include "lib/base/list.h"
#include <pthread.h>

/* Everything of one storage prefix. Kinds that are stored under one prefix (an Event of two groups)
 * share it. */
struct kind_cache {
    /* The one that the stored bytes are of. NULL for a place that no custom resource has now; for
     * custom ones it changes, under the lock. */
    const struct api_kind *kind;
    struct encryption *encryption;
    struct json_shelf *shelf;
    uint64_t loaded; /* Custom resources: events up to this revision are in it. */
    size_t prefix_len;
    pthread_mutex_t lock; /* The writer's changes against the taking of snapshots. */
    struct cow_tree *tree;
    struct cache_node *oldest; /* Events after it are known; it is a mark, not an event. */
    struct cache_node *newest;
    size_t history_count;
    atomic_uint_fast64_t outdated_bytes; /* Of all objects ever that are no longer the newest. */
};

struct watch_cache {
    struct env *env;
    struct storage *storage;
    struct encryption *encryption;
    struct json_shelf *shelf;
    struct store_watch *watch;
    struct held_events *held; /* Waits for a KMS plugin; the watch is paused meanwhile. */
    size_t unprepared;        /* Values that the start waits for. */
    struct kind_cache **caches;
    size_t cache_count;
    size_t table_count; /* The first of them, of kinds in the table. */
    /* By api_kind.index, custom kinds after the table's; NULL for kinds that are not stored. */
    _Atomic(struct kind_cache *) *by_kind;
    size_t kind_count;
    struct hash_map *custom;   /* "group/plural/" to the kind_cache that has it. Store loop. */
    struct kind_cache nothing; /* What is seen of a custom resource that is gone. */
    _Atomic uint64_t revision;
    struct list waiting; /* struct waiter, on the store loop. */
    struct env_timer wake;
    pthread_mutex_t hub_lock;
    struct list hubs;
};

/* --- kind_cache.c: all on the store loop --- */

void kind_cache_init(struct kind_cache *kind_cache); /* Empty, of no kind yet. */
void kind_cache_release(struct kind_cache *kind_cache);
/* A new one at the end of the cache's list, which has room and owns it. */
struct kind_cache *kind_cache_add(struct watch_cache *cache);
/* Gives a kind of the table its part, which it shares with others of its prefix. */
void kind_cache_add_stored(struct watch_cache *cache, const struct api_kind *kind);
/* The "group/plural/" of a key under /registry/, as custom resources have; "" for others. */
struct slice kind_cache_custom_part(struct slice key);
struct kind_cache *kind_cache_of_key(struct watch_cache *cache, struct slice key); /* Or NULL. */

/* Whether both are versions of one custom resource. */
static inline bool is_same_resource(const struct api_kind *a, const struct api_kind *b)
{
    return a != NULL && custom_of(a)->resource->lineage == custom_of(b)->resource->lineage;
}
#endif
