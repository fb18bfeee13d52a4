/* Reading the watch cache: views of one kind, walks over them, and places in its history. */
#include "apiserver/limits.h"
#include "apiserver/watch_cache_private.h"
#include "apiserver/watch_hub.h"
#include "lib/base/alloc.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAMESPACE_ROOM = 512 };

struct cache_view {
    struct cow_snapshot *snapshot;
    struct cache_node *position;
    uint64_t revision;
    const struct kind_cache *kind;
    uint64_t outdated_before; /* kind->outdated_bytes when it was taken. */
};

/* Locked, and with the kind in it: that of `kind`, or one with nothing in it when another custom
 * resource has its place by now. */
static struct kind_cache *lock_cache_of(struct watch_cache *cache, const struct api_kind *kind)
{
    struct kind_cache *kind_cache = atomic_load(&cache->by_kind[kind->index]);
    assert(kind_cache != NULL || custom_of(kind) != NULL);
    if (kind_cache != NULL) {
        pthread_mutex_lock(&kind_cache->lock);
        if (custom_of(kind) == NULL || is_same_resource(kind_cache->kind, kind)) {
            return kind_cache;
        }
        pthread_mutex_unlock(&kind_cache->lock);
    }
    pthread_mutex_lock(&cache->nothing.lock);
    return &cache->nothing;
}

/* --- Views --- */

struct cache_view *watch_cache_view(struct watch_cache *cache, const struct api_kind *kind)
{
    struct cache_view *view = alloc_zeroed(sizeof(*view));
    /* Read before the lock: what was applied by then is in the snapshot. */
    uint64_t revision = watch_cache_revision(cache);
    struct kind_cache *kind_cache = lock_cache_of(cache, kind);
    view->snapshot = cow_tree_snapshot(kind_cache->tree);
    view->position = cache_node_ref(kind_cache->newest);
    view->kind = kind_cache;
    view->outdated_before = atomic_load_explicit(&kind_cache->outdated_bytes, memory_order_relaxed);
    pthread_mutex_unlock(&kind_cache->lock);
    uint64_t newest = view->position->event.revision;
    view->revision = newest > revision ? newest : revision;
    return view;
}

void cache_view_free(struct cache_view *view)
{
    if (view != NULL) {
        cow_snapshot_unref(view->snapshot);
        cache_node_unref(view->position);
        free(view);
    }
}

uint64_t cache_view_revision(const struct cache_view *view)
{
    return view->revision;
}

size_t cache_view_count(const struct cache_view *view)
{
    return cow_snapshot_count(view->snapshot);
}

size_t cache_view_outdated_bytes(const struct cache_view *view)
{
    uint64_t now = atomic_load_explicit(&view->kind->outdated_bytes, memory_order_relaxed);
    return (size_t)(now - view->outdated_before);
}

struct cache_node *cache_view_position(const struct cache_view *view)
{
    return view->position;
}

const struct cached_object *cache_view_get(const struct cache_view *view, const char *namespace,
                                           const char *name)
{
    char key[1024];
    int len = namespace[0] == 0 ? snprintf(key, sizeof(key), "%s", name)
                                : snprintf(key, sizeof(key), "%s/%s", namespace, name);
    if (len < 0 || (size_t)len >= sizeof(key)) {
        return NULL;
    }
    return cow_snapshot_get(view->snapshot, slice_of(key, (size_t)len));
}

/* --- Walks --- */

static bool is_inside(const struct cache_walk *walk)
{
    struct slice bound = slice_text(walk->namespace);
    struct slice key = cow_cursor_key(&walk->cursor);
    return bound.len == 0 || (slice_starts_with(key, bound) && key.data[bound.len] == '/');
}

static void walk_from(struct cache_walk *walk, const struct cache_view *view, const char *namespace,
                      struct slice start)
{
    char room[NAMESPACE_ROOM];
    *walk = (struct cache_walk){.namespace = namespace};
    int len = namespace[0] == 0 ? 0 : snprintf(room, sizeof(room), "%s/", namespace);
    if (len < 0 || (size_t)len >= sizeof(room)) {
        return; /* Longer than any is. */
    }
    struct slice bound = slice_of(room, (size_t)len);
    struct slice first = slice_compare(start, bound) > 0 ? start : bound;
    cow_cursor_open(&walk->cursor, view->snapshot);
    walk->at =
        first.len == 0 ? cow_cursor_first(&walk->cursor) : cow_cursor_seek(&walk->cursor, first);
}

void cache_walk_open(struct cache_walk *walk, const struct cache_view *view, const char *namespace)
{
    walk_from(walk, view, namespace, slice_text(""));
}

const struct cached_object *cache_walk_next(struct cache_walk *walk)
{
    if (!walk->at || !is_inside(walk)) {
        walk->at = false;
        return NULL;
    }
    const struct cached_object *object = cow_cursor_value(&walk->cursor);
    walk->at = cow_cursor_next(&walk->cursor);
    return object;
}

void cache_view_each(const struct cache_view *view, const char *namespace, struct slice start,
                     bool (*each)(void *data, const struct cached_object *object), void *data)
{
    struct cache_walk walk;
    walk_from(&walk, view, namespace, start);
    for (const struct cached_object *object = cache_walk_next(&walk); object != NULL;
         object = cache_walk_next(&walk)) {
        if (!each(data, object)) {
            return;
        }
    }
}

const struct cached_object *watch_cache_get(struct watch_cache *cache, const struct api_kind *kind,
                                            const char *namespace, const char *name)
{
    struct cache_view *view = watch_cache_view(cache, kind);
    const struct cached_object *object = cache_view_get(view, namespace, name);
    if (object != NULL) {
        object = cached_object_ref(object);
    }
    cache_view_free(view);
    return object;
}

/* --- For hubs --- */

struct cache_node *watch_cache_position(struct watch_cache *cache, const struct api_kind *kind,
                                        uint64_t revision, uint64_t *ret_oldest)
{
    struct kind_cache *kind_cache = lock_cache_of(cache, kind);
    struct cache_node *position = cache_node_ref(kind_cache->oldest);
    pthread_mutex_unlock(&kind_cache->lock);
    if (position->event.revision > revision) {
        *ret_oldest = position->event.revision;
        cache_node_unref(position);
        return NULL;
    }
    for (;;) {
        struct cache_node *next = cache_node_next(position);
        if (next == NULL || next->event.revision > revision) {
            if (next != NULL) {
                cache_node_unref(next);
            }
            return position;
        }
        cache_node_unref(position);
        position = next;
    }
}

bool watch_cache_left_behind(struct watch_cache *cache, const struct api_kind *kind,
                             const struct cache_node *position)
{
    struct kind_cache *kind_cache = lock_cache_of(cache, kind);
    const struct cache_node *newest = kind_cache->newest;
    bool left = newest->sequence - position->sequence > WATCH_LAG_MAX ||
                newest->outdated_bytes - position->outdated_bytes > WATCH_LAG_BYTES_MAX;
    pthread_mutex_unlock(&kind_cache->lock);
    return left;
}
