/* The inside of flow_control.c, for those who show it. */
#ifndef APISERVER_FLOW_CONTROL_PRIVATE_H
#define APISERVER_FLOW_CONTROL_PRIVATE_H
#include "apiserver/cache_follower.h"
#include "apiserver/flow_control.h"
#include "apiserver/flow_share.h"
#include "lib/base/env.h"
#include <pthread.h>
#include <stdatomic.h>

enum { FLOW_KINDS_FOLLOWED = 2 };

/* Of a priority level. */
struct flow_level_gauges {
    struct metric *nominal, *lower, *upper, *current, *high, *target;
};

/* A priority level at work. `lock` guards `level` and the counts; name, uid and share are the store
 * loop's, and change only where no request reads them. */
struct flow_pool {
    atomic_size_t references;
    pthread_mutex_t lock;
    struct flow_level *level;
    uint64_t timed_out, cancelled;
    struct flow_share share;
    const char *name;
    char uid[FLOW_UID_SIZE];
    bool exempt;
    bool wanted; /* Found in the present round. */
    struct flow_level_gauges gauges;
};

/* A FlowSchema and where it leads. */
struct flow_rule {
    const struct cached_object *object; /* Holds the schema; NULL: one of our own. */
    const Flowcontrol__V1__FlowSchema *schema;
    struct flow_pool *pool; /* Referenced. */
    struct flow_counts counts;
};

struct flow_control {
    struct env *env;
    struct watch_cache *cache;
    struct metrics *metrics;
    uint32_t seats;
    struct watch_hub *hub;
    struct cache_follower followers[FLOW_KINDS_FOLLOWED];
    struct env_timer lending;
    struct arena *arena;   /* Of the mandatory objects. */
    pthread_rwlock_t lock; /* Guards what follows; only the store loop writes. */
    struct flow_pool **pools;
    size_t pool_count;
    struct flow_rule *rules; /* In the order in which they are asked. */
    size_t rule_count;
};

uint64_t flow_now_ns(void); /* Of the clock that levels go by. */
struct flow_level_gauges flow_level_gauges_of(struct metrics *metrics, const char *level);
struct flow_counts flow_counts_of(struct metrics *metrics, const char *schema, const char *level);
#endif
