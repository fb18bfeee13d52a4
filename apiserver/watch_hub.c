#include "apiserver/watch_hub.h"

#include "apiserver/limits.h"
#include "lib/base/alloc.h"
#include "lib/net/loop.h"
#include <assert.h>
#include <stdlib.h>

struct cache_watch {
    struct list node;
    struct watch_hub *hub;
    const struct cache_watch_ops *ops;
    void *data;
    struct cache_node *position; /* The last event delivered. */
    uint64_t revision;           /* Everything up to it was delivered. */
    uint64_t skip_until;         /* Events up to this revision are not wanted. */
    bool paused;
    bool delivering;
    bool stopped;
    bool ended;
};

static void hub_unref(struct watch_hub *hub)
{
    if (atomic_fetch_sub(&hub->references, 1) == 1) {
        free(hub);
    }
}

static void watch_free(struct cache_watch *watch)
{
    list_remove(&watch->node);
    cache_node_unref(watch->position);
    free(watch);
}

/* Delivers one event; false when the watch pauses or was stopped. */
static bool deliver_one(struct cache_watch *watch, struct cache_node *next)
{
    bool mark = next->event.object == NULL;
    if (mark && !next->event.bridged) { /* A gap: the cache started over. */
        watch->ended = true;
        watch->ops->expired(watch->data);
        return false;
    }
    if (!mark && next->event.revision > watch->skip_until &&
        !watch->ops->event(watch->data, &next->event)) {
        watch->paused = true;
        return false;
    }
    cache_node_unref(watch->position);
    watch->position = cache_node_ref(next);
    return !watch->stopped;
}

/* Returns how many events were. */
static size_t deliver(struct cache_watch *watch)
{
    uint64_t revision = watch_cache_revision(watch->hub->cache);
    struct cache_node *next = NULL;
    size_t delivered = 0;
    watch->delivering = true;
    while (!watch->stopped && !watch->paused && !watch->ended &&
           (next = cache_node_next(watch->position)) != NULL) {
        bool more = deliver_one(watch, next);
        cache_node_unref(next);
        delivered++;
        if (!more) {
            break;
        }
    }
    bool caught_up = !watch->stopped && !watch->paused && !watch->ended;
    if (caught_up && revision > watch->revision) {
        watch->revision = revision;
    }
    if (caught_up && delivered > 0 && watch->ops->caught_up != NULL) {
        watch->ops->caught_up(watch->data, watch->revision);
    }
    watch->delivering = false;
    return delivered;
}

static void expire_laggard(struct cache_watch *watch)
{
    struct cache_node *next = cache_node_next(watch->position);
    if (next == NULL) {
        return;
    }
    if (next->event.object == NULL) { /* A mark: seen to when the watch goes on. */
        cache_node_unref(next);
        return;
    }
    const struct api_kind *kind = cached_object_kind(next->event.object);
    bool left = watch_cache_left_behind(watch->hub->cache, kind, watch->position);
    cache_node_unref(next);
    if (left) {
        watch->ended = true;
        watch->delivering = true;
        watch->ops->expired(watch->data);
        watch->delivering = false;
    }
}

/* Returns how many events were delivered. */
static size_t run(struct watch_hub *hub)
{
    size_t delivered = 0;
    atomic_store(&hub->woken, false);
    if (hub->closed) {
        return 0;
    }
    hub->running = true;
    for (struct list *node = hub->watches.next; node != &hub->watches;) {
        struct cache_watch *watch = LIST_ENTRY(node, struct cache_watch, node);
        if (!watch->ended && !watch->stopped) {
            if (watch->paused) {
                expire_laggard(watch);
            } else {
                delivered += deliver(watch);
            }
        }
        node = node->next; /* Stopped watches stay linked while the hub runs. */
    }
    hub->running = false;
    LIST_FOREACH(node, next, &hub->watches)
    {
        struct cache_watch *watch = LIST_ENTRY(node, struct cache_watch, node);
        if (watch->stopped) {
            watch_free(watch);
        }
    }
    return delivered;
}

static void run_and_rest(struct watch_hub *hub)
{
    if (run(hub) >= WATCH_REST_EVENTS) {
        atomic_fetch_add(&hub->references, 1);
        loop_timer_start(hub->loop, &hub->rest, WATCH_REST_MS);
    }
}

static void on_rested(void *data)
{
    struct watch_hub *hub = data;
    if (hub->due) {
        hub->due = false;
        run_and_rest(hub);
    }
    hub_unref(hub);
}

static void run_on_loop(void *data)
{
    struct watch_hub *hub = data;
    if (loop_timer_armed(&hub->rest)) {
        hub->due = true; /* `woken` stays, so that nobody posts another run meanwhile. */
    } else {
        run_and_rest(hub);
    }
    hub_unref(hub);
}

static void run_on_timer(void *data)
{
    (void)run(data);
}

void watch_hub_wake(struct watch_hub *hub)
{
    if (atomic_exchange(&hub->woken, true)) {
        return;
    }
    if (hub->loop == NULL) {
        env_timer_start(watch_cache_env(hub->cache), &hub->timer, 0);
        return;
    }
    atomic_fetch_add(&hub->references, 1);
    loop_post(hub->loop, run_on_loop, hub);
}

struct watch_hub *watch_hub_new(struct watch_cache *cache, struct loop *loop)
{
    struct watch_hub *hub = alloc_zeroed(sizeof(*hub));
    hub->cache = cache;
    hub->loop = loop;
    hub->timer = (struct env_timer){.fire = run_on_timer, .data = hub};
    hub->rest = (struct loop_timer){.fire = on_rested, .data = hub};
    atomic_init(&hub->references, 1);
    list_init(&hub->node);
    list_init(&hub->watches);
    watch_cache_add_hub(cache, hub);
    return hub;
}

void watch_hub_free(struct watch_hub *hub)
{
    if (hub == NULL) {
        return;
    }
    watch_cache_remove_hub(hub->cache, hub);
    if (hub->loop == NULL) {
        env_timer_stop(watch_cache_env(hub->cache), &hub->timer);
    }
    LIST_FOREACH(node, next, &hub->watches)
    {
        watch_free(LIST_ENTRY(node, struct cache_watch, node));
    }
    hub->closed = true;
    hub_unref(hub);
}

static struct cache_watch *watch_new(struct watch_hub *hub, struct cache_node *position_consume,
                                     const struct cache_watch_ops *ops, void *data)
{
    struct cache_watch *watch = alloc_zeroed(sizeof(*watch));
    watch->hub = hub;
    watch->ops = ops;
    watch->data = data;
    watch->position = position_consume;
    list_init(&watch->node);
    list_push_back(&hub->watches, &watch->node);
    watch_hub_wake(hub);
    return watch;
}

struct cache_watch *cache_watch_after_view(struct watch_hub *hub, const struct cache_view *view,
                                           const struct cache_watch_ops *ops, void *data)
{
    struct cache_watch *watch =
        watch_new(hub, cache_node_ref(cache_view_position(view)), ops, data);
    watch->revision = cache_view_revision(view);
    return watch;
}

struct cache_watch *cache_watch_after(struct watch_hub *hub, const struct api_kind *kind,
                                      uint64_t revision, const struct cache_watch_ops *ops,
                                      void *data, uint64_t *ret_oldest)
{
    struct cache_node *position = watch_cache_position(hub->cache, kind, revision, ret_oldest);
    if (position == NULL) {
        return NULL;
    }
    struct cache_watch *watch = watch_new(hub, position, ops, data);
    watch->skip_until = revision;
    watch->revision = revision;
    return watch;
}

void cache_watch_resume(struct cache_watch *watch)
{
    watch->paused = false;
    watch_hub_wake(watch->hub);
}

uint64_t cache_watch_revision(const struct cache_watch *watch)
{
    if (watch->paused || watch->ended) {
        return watch->position->event.revision;
    }
    /* Read before looking: what came up to then would be seen. */
    uint64_t revision = watch_cache_revision(watch->hub->cache);
    struct cache_node *next = cache_node_next(watch->position);
    if (next != NULL) {
        cache_node_unref(next);
        return watch->position->event.revision;
    }
    return revision > watch->revision ? revision : watch->revision;
}

void cache_watch_stop(struct cache_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    watch->stopped = true;
    if (!watch->hub->running && !watch->delivering) {
        watch_free(watch);
    }
}
