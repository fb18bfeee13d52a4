#include "apiserver/cache_follower.h"

static void start(struct cache_follower *follower);

static bool is_renewed(const struct cache_event *event)
{
    return event->type == CACHE_MODIFIED &&
           cached_object_same_content(event->previous, event->object);
}

static bool on_event(void *data, const struct cache_event *event)
{
    struct cache_follower *follower = data;
    bool renewed = follower->ops->renewed != NULL && is_renewed(event);
    follower->ops->begin(follower->data);
    if (renewed) {
        follower->ops->renewed(follower->data, event->object);
    } else {
        follower->ops->changed(follower->data, event->object, event->type == CACHE_DELETED);
    }
    follower->ops->end(follower->data);
    return true;
}

static void on_expired(void *data)
{
    struct cache_follower *follower = data;
    cache_follower_stop(follower);
    start(follower);
}

static bool on_listed(void *data, const struct cached_object *object)
{
    struct cache_follower *follower = data;
    follower->ops->changed(follower->data, object, false);
    return true;
}

static void start(struct cache_follower *follower)
{
    static const struct cache_watch_ops watch_ops = {.event = on_event, .expired = on_expired};
    struct cache_view *view = watch_cache_view(follower->cache, follower->kind);
    follower->ops->begin(follower->data);
    follower->ops->clear(follower->data, follower->kind);
    cache_view_each(view, "", slice_text(""), on_listed, follower);
    follower->ops->end(follower->data);
    follower->watch = cache_watch_after_view(follower->hub, view, &watch_ops, follower);
    cache_view_free(view);
}

void cache_follower_open(struct cache_follower *follower, struct watch_cache *cache,
                         struct watch_hub *hub, const struct api_kind *kind,
                         const struct cache_follower_ops *ops, void *data)
{
    *follower =
        (struct cache_follower){.cache = cache, .hub = hub, .kind = kind, .ops = ops, .data = data};
    start(follower);
}

void cache_follower_stop(struct cache_follower *follower)
{
    cache_watch_stop(follower->watch);
    follower->watch = NULL;
}
