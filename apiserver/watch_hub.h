/* The watches of one thread: woken once per change of the cache however many there are. On an io
 * loop it rests for WATCH_REST_MS after it has delivered much, so that what comes meanwhile goes to
 * each connection with one write. Inside of the watch cache; users see watch_cache.h. */
#ifndef APISERVER_WATCH_HUB_H
#define APISERVER_WATCH_HUB_H
#include "apiserver/cache_node.h"
#include "lib/base/env.h"
#include "lib/base/list.h"
#include "lib/net/loop.h"

struct watch_hub {
    struct list node; /* In the cache. */
    struct watch_cache *cache;
    struct loop *loop; /* NULL: the store loop, by `timer`. */
    struct env_timer timer;
    struct loop_timer rest; /* Holds a reference while armed. */
    bool due;               /* Woken while it rested. */
    struct list watches;
    atomic_bool woken; /* A run is on its way. */
    bool running;
    bool closed;
    atomic_size_t references; /* The owner's, and one per posted run. */
};

void watch_hub_wake(struct watch_hub *hub); /* Any thread. */

/* What the hub needs of the cache. */
struct cache_node *cache_view_position(const struct cache_view *view); /* Borrowed. */
struct cache_node *watch_cache_position(struct watch_cache *cache, const struct api_kind *kind,
                                        uint64_t revision, uint64_t *ret_oldest);
void watch_cache_add_hub(struct watch_cache *cache, struct watch_hub *hub);
void watch_cache_remove_hub(struct watch_cache *cache, struct watch_hub *hub);
struct env *watch_cache_env(struct watch_cache *cache);
/* Too much has happened since what is at this place in the kind's history. */
bool watch_cache_left_behind(struct watch_cache *cache, const struct api_kind *kind,
                             const struct cache_node *position);
#endif
