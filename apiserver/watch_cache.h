/* The watch cache: every object under /registry/, fed on the store loop by one store watch; per
 * kind an immutable snapshot for reading and a history of events for watching. One writer (the
 * store loop); views may be taken and read on any thread; a hub belongs to one thread. */
#ifndef APISERVER_WATCH_CACHE_H
#define APISERVER_WATCH_CACHE_H
#include "apiserver/cached_object.h"
#include "lib/base/cow_tree.h"
#include <stdbool.h>

struct env;
struct storage;
struct loop;
struct watch_cache;
struct cache_view;
struct watch_hub;
struct cache_watch;

/* Starts with the store's contents at its present revision. `encryption` (NULL for none) is
 * borrowed. Store loop. */
MUST_USE struct watch_cache *watch_cache_new(struct env *env, struct storage *storage,
                                             struct encryption *encryption);
void watch_cache_free(struct watch_cache *cache); /* Store loop; all hubs and views gone before. */
uint64_t watch_cache_revision(const struct watch_cache *cache); /* Any thread. */

/* --- Custom kinds: those that are stored, each at the place that its index says. Store loop --- */

/* Knows the objects of a custom kind from now on; or, when it knows them already, by this newer
 * state of its definition. Returns with all that the store holds read. */
void watch_cache_set_custom(struct watch_cache *cache, const struct api_kind *kind);
/* Knows none of them any more; watches end. The place is free for another. */
void watch_cache_remove_custom(struct watch_cache *cache, const struct api_kind *kind);

/* --- Waiting. Store loop --- */

/* Runs `ready` on the store loop once the cache has seen `revision`; at once when it has. `data`
 * must live until then; watch_cache_free() runs what still waits with -ECANCELED. Store loop. */
void watch_cache_when(struct watch_cache *cache, uint64_t revision,
                      void (*ready)(void *data, int status), void *data);

/* Gives up every wait with this `data`. Store loop. */
void watch_cache_when_cancel(struct watch_cache *cache, void *data);

/* --- Views: one kind at one revision. Any thread. --- */

/* The newest. Release with cache_view_free(). */
MUST_USE struct cache_view *watch_cache_view(struct watch_cache *cache,
                                             const struct api_kind *kind);
void cache_view_free(struct cache_view *view); /* NULL is a no-op. */
uint64_t cache_view_revision(const struct cache_view *view);
size_t cache_view_count(const struct cache_view *view);
/* About what is kept for the view alone: objects that have been replaced or deleted since. */
size_t cache_view_outdated_bytes(const struct cache_view *view);
/* Borrowed from the view, or NULL. `namespace` is "" for cluster-scoped kinds. */
const struct cached_object *cache_view_get(const struct cache_view *view, const char *namespace,
                                           const char *name);
/* In key order, starting with the first key >= `start` (a "namespace/name" or "name"; "" for all),
 * limited to `namespace` when it is not "". Stops when `each` returns false. */
void cache_view_each(const struct cache_view *view, const char *namespace, struct slice start,
                     bool (*each)(void *data, const struct cached_object *object), void *data);
/* A place in a view, which must stay meanwhile, as must `namespace`. In the caller's memory, to be
 * copied at will; needs no release. The members are private. */
struct cache_walk {
    struct cow_cursor cursor;
    const char *namespace;
    bool at; /* The cursor is at an entry. */
};
/* Before the first object of `namespace`, or of all when it is "". */
void cache_walk_open(struct cache_walk *walk, const struct cache_view *view, const char *namespace);
/* The next in key order, borrowed from the view; NULL at the end. */
const struct cached_object *cache_walk_next(struct cache_walk *walk);
/* Shorthand: newest object with a reference of the caller's, or NULL. */
MUST_USE const struct cached_object *watch_cache_get(struct watch_cache *cache,
                                                     const struct api_kind *kind,
                                                     const char *namespace, const char *name);

/* --- Watching --- */

enum cache_event_type {
    CACHE_ADDED,
    CACHE_MODIFIED,
    CACHE_DELETED, /* `object` is the last state, at the revision of the deletion. */
};

struct cache_event {
    enum cache_event_type type;
    const struct cached_object *object;
    const struct cached_object *previous; /* NULL for CACHE_ADDED. */
    uint64_t revision;
    bool bridged; /* Of a mark without an object: what came before it is told; watches go on. */
};

/* The hub of one thread. `loop` is the thread's loop, NULL for the store loop. Store-loop hubs are
 * woken by a timer of the env, so that a callback never runs inside an apply. */
MUST_USE struct watch_hub *watch_hub_new(struct watch_cache *cache, struct loop *loop);
/* On the store loop, after every watch of it was stopped and its loop no longer runs. */
void watch_hub_free(struct watch_hub *hub);

struct cache_watch_ops {
    /* One event, in order. Return false to pause: the same event comes again after
     * cache_watch_resume(). Objects are borrowed for the call (take a reference to keep one). */
    bool (*event)(void *data, const struct cache_event *event);
    /* After deliveries: everything known so far was delivered; `revision` is how far (for
     * bookmarks). May be NULL. */
    void (*caught_up)(void *data, uint64_t revision);
    /* The watch fell behind WATCH_LAG_MAX events, or as many bytes, and has ended (410 Expired);
     * stop it. */
    void (*expired)(void *data);
};

/* Watches what follows the view (list, then watch, without a gap). On the hub's thread; callbacks
 * come later on that thread, never from inside this call. */
MUST_USE struct cache_watch *cache_watch_after_view(struct watch_hub *hub,
                                                    const struct cache_view *view,
                                                    const struct cache_watch_ops *ops, void *data);
/* Watches what follows `revision`. NULL, with *ret_oldest set, when the history no longer has it
 * (410). A revision in the future waits for it. */
MUST_USE struct cache_watch *cache_watch_after(struct watch_hub *hub, const struct api_kind *kind,
                                               uint64_t revision, const struct cache_watch_ops *ops,
                                               void *data, uint64_t *ret_oldest);
void cache_watch_resume(struct cache_watch *watch);
/* Everything up to this revision was delivered (for bookmarks). */
uint64_t cache_watch_revision(const struct cache_watch *watch);
void cache_watch_stop(struct cache_watch *watch); /* No callback after it; NULL is a no-op. */
#endif
