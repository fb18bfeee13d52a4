/* Keeps something of our own equal to one kind in the watch cache: all objects first, then every
 * change, on the thread of the hub. */
#ifndef APISERVER_CACHE_FOLLOWER_H
#define APISERVER_CACHE_FOLLOWER_H
#include "apiserver/watch_cache.h"

/* Each call of `changed` and `clear` stands between `begin` and `end`: one change, or all objects
 * after the follower fell behind (then `clear` comes first, as nothing is known any more). */
struct cache_follower_ops {
    void (*begin)(void *data);
    void (*clear)(void *data, const struct api_kind *kind);
    void (*changed)(void *data, const struct cached_object *object, bool gone);
    /* In place of `changed` where all but the metadata is as it was; NULL when that counts too. */
    void (*renewed)(void *data, const struct cached_object *object);
    void (*end)(void *data);
};

/* In the caller's memory. */
struct cache_follower {
    struct watch_cache *cache;
    struct watch_hub *hub;
    const struct api_kind *kind;
    const struct cache_follower_ops *ops;
    void *data;
    struct cache_watch *watch;
};

/* Delivers all objects before it returns. Hub's thread. */
void cache_follower_open(struct cache_follower *follower, struct watch_cache *cache,
                         struct watch_hub *hub, const struct api_kind *kind,
                         const struct cache_follower_ops *ops, void *data);
void cache_follower_stop(struct cache_follower *follower); /* Again is a no-op. */
#endif
