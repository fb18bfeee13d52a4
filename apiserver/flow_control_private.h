/* The inside of flow_control.c, for those who show it. */
#ifndef APISERVER_FLOW_CONTROL_PRIVATE_H
#define APISERVER_FLOW_CONTROL_PRIVATE_H
#include "apiserver/cache_follower.h"
#include "apiserver/flow_control.h"
#include "apiserver/flow_share.h"
#include "apiserver/flow_watches.h"
#include "lib/base/env.h"
#include <pthread.h>
#include <stdatomic.h>

enum { FLOW_KINDS_FOLLOWED = 2 };

/* Of a priority level. */
struct flow_level_gauges {
    struct metric *nominal, *lower, *upper, *current, *high, *target;
    struct metric *average, *deviation, *smoothed;
    struct metric *now, *dispatched_at, *latest_start; /* Of virtual time. */
    struct metric *least_start, *most_start, *least_discounted, *most_discounted;
    struct metric_histogram *utilization, *demand, *executing, *waiting;
};

/* Requests of the whole server that read, and that write, and for how long how many did. */
struct flow_tally {
    pthread_mutex_t lock;
    struct flow_tally_phase {
        uint32_t limit;
        struct flow_tally_kind { /* Each for itself: every request counts in one, twice. */
            uint32_t count;
            uint64_t since_ns; /* It has been so many. */
            struct flow_timing timing;
            struct metric_histogram *histogram;
        } kinds[2]; /* Those that read, and write. */
    } executing, waiting;
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
    struct flow_tally tally;
    struct flow_watches *watches;
    struct metric *fair_fraction;
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
void flow_tally_init(struct flow_tally *tally, struct metrics *metrics);
/* One more request, or one less, of those that wait or those that sit. */
void flow_tally_count(struct flow_tally *tally, const struct flow_entry *entry, bool waits,
                      int delta);
/* How many may sit, and wait. */
void flow_tally_limit(struct flow_tally *tally, uint64_t executing, uint64_t waiting);
struct flow_level_gauges flow_level_gauges_of(struct metrics *metrics, const char *level);
struct flow_counts flow_counts_of(struct metrics *metrics, const char *schema, const char *level);
#endif
