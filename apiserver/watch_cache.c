#include "apiserver/watch_cache_private.h"

#include "apiserver/encryption.h"
#include "apiserver/limits.h"
#include "apiserver/object_json.h"
#include "apiserver/watch_hub.h"
#include "lib/api/custom.h"
#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include "lib/base/log.h"
#include "store/storage.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct waiter {
    struct list node;
    uint64_t revision;
    void (*ready)(void *data, int status);
    void *data;
};

/* --- Writing (store loop) --- */

static void append_event(struct kind_cache *kind, const struct cache_event *event)
{
    struct cache_node *node = cache_node_new(event);
    node->sequence = kind->newest->sequence + 1;
    node->outdated_bytes = kind->newest->outdated_bytes +
                           (event->previous == NULL ? 0 : cached_object_size(event->previous));
    cache_node_publish(kind->newest, node);
    cache_node_unref(kind->newest);
    kind->newest = node;
    kind->history_count++;
    while (kind->history_count > WATCH_HISTORY_MAX ||
           node->outdated_bytes - kind->oldest->outdated_bytes > WATCH_HISTORY_BYTES_MAX) {
        struct cache_node *next = cache_node_next(kind->oldest);
        cache_node_unref(kind->oldest);
        kind->oldest = next;
        kind->history_count--;
    }
}

static void count_outdated(struct kind_cache *kind, const struct cached_object *previous)
{
    atomic_fetch_add_explicit(&kind->outdated_bytes, cached_object_memory(previous),
                              memory_order_relaxed);
}

static void apply_put(struct kind_cache *kind, const struct store_kv *kv, uint64_t revision)
{
    struct slice key = slice_of(kv->key.data + kind->prefix_len, kv->key.len - kind->prefix_len);
    struct cached_object *object =
        cached_object_new(kind->kind, kv, revision, kind->encryption, kind->shelf);
    pthread_mutex_lock(&kind->lock);
    const struct cached_object *previous = cow_tree_get(kind->tree, key);
    struct cache_event event = {.type = previous == NULL ? CACHE_ADDED : CACHE_MODIFIED,
                                .object = object,
                                .previous = previous,
                                .revision = revision};
    append_event(kind, &event);
    if (previous != NULL) {
        count_outdated(kind, previous);
    }
    (void)cow_tree_set(kind->tree, key, object);
    pthread_mutex_unlock(&kind->lock);
}

static void apply_delete(struct kind_cache *kind, struct slice full_key, uint64_t revision)
{
    struct slice key = slice_of(full_key.data + kind->prefix_len, full_key.len - kind->prefix_len);
    pthread_mutex_lock(&kind->lock);
    const struct cached_object *previous = cow_tree_get(kind->tree, key);
    if (previous != NULL) {
        struct cached_object *last = cached_object_at(previous, revision);
        struct cache_event event = {
            .type = CACHE_DELETED, .object = last, .previous = previous, .revision = revision};
        append_event(kind, &event);
        count_outdated(kind, previous);
        (void)cow_tree_remove(kind->tree, key);
        cached_object_unref(last);
    }
    pthread_mutex_unlock(&kind->lock);
}

/* Runs what waited for this revision, and wakes the hubs: both outside of the apply. */
static void wake(void *data)
{
    struct watch_cache *cache = data;
    uint64_t revision = watch_cache_revision(cache);
    struct list due;
    list_init(&due);
    LIST_FOREACH(node, next, &cache->waiting)
    {
        if (LIST_ENTRY(node, struct waiter, node)->revision <= revision) {
            list_remove(node);
            list_push_back(&due, node);
        }
    }
    struct list *first = NULL;
    while ((first = list_first(&due)) != NULL) {
        struct waiter *waiter = LIST_ENTRY(first, struct waiter, node);
        list_remove(first);
        waiter->ready(waiter->data, 0);
        free(waiter);
    }
}

static void publish(struct watch_cache *cache, uint64_t revision)
{
    atomic_store(&cache->revision, revision);
    pthread_mutex_lock(&cache->hub_lock);
    LIST_FOREACH(node, next, &cache->hubs)
    {
        watch_hub_wake(LIST_ENTRY(node, struct watch_hub, node));
    }
    pthread_mutex_unlock(&cache->hub_lock);
    if (!list_empty(&cache->waiting)) {
        env_timer_start(cache->env, &cache->wake, 0);
    }
}

static void apply_events(struct watch_cache *cache, int64_t revision,
                         const struct store_event *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct store_kv *kv = events[i].kv;
        struct kind_cache *kind = kind_cache_of_key(cache, kv->key);
        if (kind == NULL || (uint64_t)revision <= kind->loaded) {
            continue;
        }
        if (events[i].kind == STORE_EVENT_PUT) {
            apply_put(kind, kv, (uint64_t)revision);
        } else {
            apply_delete(kind, kv->key, (uint64_t)revision);
        }
    }
    publish(cache, (uint64_t)revision);
}

/* --- Values that a KMS plugin has to open a key for are told when it has --- */

/* The events of one revision, with references. */
struct held_events {
    int64_t revision;
    size_t count;
    struct store_event items[];
};

static void hold_events(struct watch_cache *cache, int64_t revision,
                        const struct store_event *events, size_t count)
{
    assert(cache->held == NULL);
    struct held_events *held = alloc_zeroed(sizeof(*held) + count * sizeof(events[0]));
    *held = (struct held_events){.revision = revision, .count = count};
    for (size_t i = 0; i < count; i++) {
        held->items[i] =
            (struct store_event){.kind = events[i].kind, .kv = store_kv_ref(events[i].kv)};
    }
    cache->held = held;
    store_watch_pause(cache->watch);
}

static void drop_held(struct watch_cache *cache)
{
    struct held_events *held = TAKE(cache->held);
    for (size_t i = 0; held != NULL && i < held->count; i++) {
        store_kv_unref(held->items[i].kv);
    }
    free(held);
}

static void on_events(void *data, int64_t revision, const struct store_event *events, size_t count)
{
    struct watch_cache *cache = data;
    bool prepared = true;
    for (size_t i = 0; i < count; i++) {
        prepared = (events[i].kind != STORE_EVENT_PUT ||
                    encryption_prepare(cache->encryption, events[i].kv->value)) &&
                   prepared;
    }
    if (prepared) {
        apply_events(cache, revision, events, count);
    } else {
        hold_events(cache, revision, events, count);
    }
}

/* --- Starting over: what the store holds now, told as events against what was known --- */

struct resync {
    struct watch_cache *cache;
    uint64_t revision;
};

static bool resync_put(void *data, const struct store_kv *kv)
{
    struct resync *resync = data;
    struct kind_cache *kind = kind_cache_of_key(resync->cache, kv->key);
    if (kind == NULL) {
        return true;
    }
    struct slice key = slice_of(kv->key.data + kind->prefix_len, kv->key.len - kind->prefix_len);
    const struct cached_object *known = cow_tree_get(kind->tree, key);
    if (known == NULL || cached_object_revision(known) != (uint64_t)kv->mod_revision) {
        apply_put(kind, kv, (uint64_t)kv->mod_revision);
    }
    return true;
}

static void resync_deletions(struct kind_cache *kind, const struct store_snapshot *snapshot,
                             uint64_t revision)
{
    struct cow_snapshot *known = cow_tree_snapshot(kind->tree);
    struct cow_cursor cursor;
    cow_cursor_open(&cursor, known);
    for (bool at = cow_cursor_first(&cursor); at; at = cow_cursor_next(&cursor)) {
        struct slice key = slice_text(cached_object_key(cow_cursor_value(&cursor)));
        const struct store_kv *kv = store_snapshot_get(snapshot, key);
        if (kv == NULL) {
            apply_delete(kind, key, revision);
        }
        store_kv_unref(kv);
    }
    cow_snapshot_unref(known);
}

/* History cannot tell what happened between: watches from before must list again, except, when it
 * is bridged, those that are there already. */
static void forget_history(struct kind_cache *kind, uint64_t revision, bool bridged)
{
    pthread_mutex_lock(&kind->lock);
    struct cache_event mark = {.revision = revision, .bridged = bridged};
    append_event(kind, &mark);
    cache_node_unref(kind->oldest);
    kind->oldest = cache_node_ref(kind->newest);
    kind->history_count = 0;
    pthread_mutex_unlock(&kind->lock);
}

static void watch_ended(void *data, int status, int64_t compact_revision);

static void on_gap(void *data, int64_t revision)
{
    struct watch_cache *cache = data;
    for (size_t i = 0; i < cache->cache_count; i++) {
        forget_history(cache->caches[i], (uint64_t)revision, /* bridged= */ true);
    }
    publish(cache, (uint64_t)revision);
}

static bool prepare_put(void *data, const struct store_kv *kv)
{
    struct watch_cache *cache = data;
    cache->unprepared += !encryption_prepare(cache->encryption, kv->value);
    return true;
}

/* False when the plugins are asked first: it starts when they have answered. */
static bool prepare_all(struct watch_cache *cache, struct store_snapshot *snapshot)
{
    cache->unprepared = 0;
    if (encryption_has_plugins(cache->encryption)) {
        store_snapshot_each(snapshot, slice_text("/registry/"), slice_text("/registry0"),
                            prepare_put, cache);
    }
    return cache->unprepared == 0;
}

static void start(struct watch_cache *cache)
{
    struct store_snapshot *snapshot = storage_snapshot(cache->storage);
    if (!prepare_all(cache, snapshot)) {
        store_snapshot_unref(snapshot);
        return;
    }
    struct resync resync = {.cache = cache,
                            .revision = (uint64_t)store_snapshot_revision(snapshot)};
    for (size_t i = 0; i < cache->cache_count; i++) {
        resync_deletions(cache->caches[i], snapshot, resync.revision);
    }
    store_snapshot_each(snapshot, slice_text("/registry/"), slice_text("/registry0"), resync_put,
                        &resync);
    store_snapshot_unref(snapshot);
    for (size_t i = 0; i < cache->cache_count; i++) {
        forget_history(cache->caches[i], resync.revision, /* bridged= */ false);
    }
    /* Every key, not only ours: the revision of the cache moves with every write of the store. */
    struct store_watch_options options = {.key = slice_of("", 1),
                                          .end = slice_of("", 1),
                                          .start_revision = (int64_t)resync.revision + 1,
                                          .progress = true,
                                          .on_events = on_events,
                                          .on_gap = on_gap,
                                          .on_end = watch_ended,
                                          .data = cache};
    cache->watch = storage_watch(cache->storage, &options);
    publish(cache, resync.revision);
}

/* The plugins have answered, or have not within their time. */
static void on_prepared(void *data)
{
    struct watch_cache *cache = data;
    struct held_events *held = cache->held;
    if (cache->unprepared > 0) {
        start(cache);
        return;
    }
    if (held != NULL) {
        apply_events(cache, held->revision, held->items, held->count);
        drop_held(cache);
        store_watch_resume(cache->watch);
    }
}

static void watch_ended(void *data, int status, int64_t compact_revision)
{
    struct watch_cache *cache = data;
    cache->watch = NULL;
    drop_held(cache);
    if (status == STORE_STOPPED) {
        return;
    }
    LOG_INFO("apiserver", "watch cache starts over from the store",
             KV_I64("compact_revision", compact_revision));
    start(cache);
}

struct watch_cache *watch_cache_new(struct env *env, struct storage *storage,
                                    struct encryption *encryption)
{
    struct watch_cache *cache = alloc_zeroed(sizeof(*cache));
    cache->env = env;
    cache->storage = storage;
    cache->encryption = encryption;
    cache->shelf = json_shelf_new(env);
    list_init(&cache->waiting);
    list_init(&cache->hubs);
    pthread_mutex_init(&cache->hub_lock, NULL);
    cache->wake = (struct env_timer){.fire = wake, .data = cache};
    const struct api_kind *kinds = api_kinds(&cache->kind_count);
    cache->caches =
        alloc_array(cache->kind_count + CUSTOM_RESOURCES_MAX, sizeof(struct kind_cache *));
    cache->by_kind = alloc_array(cache->kind_count + CUSTOM_RESOURCES_MAX, sizeof(*cache->by_kind));
    for (size_t i = 0; i < cache->kind_count; i++) {
        kind_cache_add_stored(cache, &kinds[i]);
    }
    cache->table_count = cache->cache_count;
    cache->custom = hash_map_new(env_random(env));
    kind_cache_init(&cache->nothing);
    encryption_when_prepared(encryption, on_prepared, cache);
    start(cache);
    return cache;
}

void watch_cache_free(struct watch_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    assert(list_empty(&cache->hubs));
    store_watch_cancel(cache->watch);
    drop_held(cache);
    encryption_when_prepared(cache->encryption, NULL, NULL);
    env_timer_stop(cache->env, &cache->wake);
    struct list *first = NULL;
    while ((first = list_first(&cache->waiting)) != NULL) {
        struct waiter *waiter = LIST_ENTRY(first, struct waiter, node);
        list_remove(first);
        waiter->ready(waiter->data, -ECANCELED);
        free(waiter);
    }
    for (size_t i = 0; i < cache->cache_count; i++) {
        kind_cache_release(cache->caches[i]);
        free(cache->caches[i]);
    }
    kind_cache_release(&cache->nothing);
    hash_map_free(cache->custom);
    json_shelf_close(cache->shelf);
    pthread_mutex_destroy(&cache->hub_lock);
    free(cache->caches);
    free(cache->by_kind);
    free(cache);
}

uint64_t watch_cache_revision(const struct watch_cache *cache)
{
    return atomic_load(&cache->revision);
}

void watch_cache_when(struct watch_cache *cache, uint64_t revision,
                      void (*ready)(void *data, int status), void *data)
{
    if (revision <= watch_cache_revision(cache)) {
        ready(data, 0);
        return;
    }
    struct waiter *waiter = alloc_zeroed(sizeof(*waiter));
    *waiter = (struct waiter){.revision = revision, .ready = ready, .data = data};
    list_init(&waiter->node);
    list_push_back(&cache->waiting, &waiter->node);
}

void watch_cache_when_cancel(struct watch_cache *cache, void *data)
{
    LIST_FOREACH(node, next, &cache->waiting)
    {
        struct waiter *waiter = LIST_ENTRY(node, struct waiter, node);
        if (waiter->data == data) {
            list_remove(node);
            free(waiter);
        }
    }
}

/* --- Custom kinds --- */

/* What there is is decoded anew, by the new schema. */
static void rebuild(struct kind_cache *kind_cache)
{
    struct cow_snapshot *known = cow_tree_snapshot(kind_cache->tree);
    struct cow_cursor cursor;
    cow_cursor_open(&cursor, known);
    for (bool at = cow_cursor_first(&cursor); at; at = cow_cursor_next(&cursor)) {
        struct cached_object *object =
            cached_object_as(cow_cursor_value(&cursor), kind_cache->kind);
        (void)cow_tree_set(kind_cache->tree, cow_cursor_key(&cursor), object);
    }
    cow_snapshot_unref(known);
}

/* The store may be ahead of the events that were heard: what is in it already is not told again. */
static void load(struct watch_cache *cache, struct kind_cache *kind_cache)
{
    struct store_snapshot *snapshot = storage_snapshot(cache->storage);
    struct slice prefix = slice_text(kind_cache->kind->storage_prefix);
    CLEANUP(buffer_release) struct buffer end;
    buffer_init(&end, SIZE_MAX / 2);
    buffer_append(&end, prefix.data, prefix.len - 1);
    buffer_append_byte(&end, '/' + 1);
    struct resync resync = {.cache = cache,
                            .revision = (uint64_t)store_snapshot_revision(snapshot)};
    store_snapshot_each(snapshot, prefix, buffer_slice(&end), resync_put, &resync);
    store_snapshot_unref(snapshot);
    kind_cache->loaded = resync.revision;
}

void watch_cache_set_custom(struct watch_cache *cache, const struct api_kind *kind)
{
    struct kind_cache *kind_cache = atomic_load(&cache->by_kind[kind->index]);
    assert(kind->index >= cache->kind_count && custom_of(kind) != NULL);
    if (kind_cache == NULL) {
        kind_cache = kind_cache_add(cache);
    }
    const struct api_kind *before = kind_cache->kind;
    bool same = is_same_resource(before, kind);
    assert(before == NULL || same); /* Whoever had the place has given it up. */
    pthread_mutex_lock(&kind_cache->lock);
    kind_cache->kind = custom_kind_ref(kind);
    kind_cache->prefix_len = strlen(kind->storage_prefix);
    if (same) {
        rebuild(kind_cache);
    }
    pthread_mutex_unlock(&kind_cache->lock);
    if (!same) {
        (void)hash_map_set(cache->custom, kind_cache_custom_part(slice_text(kind->storage_prefix)),
                           kind_cache);
        load(cache, kind_cache);
    }
    uint64_t revision = watch_cache_revision(cache);
    forget_history(kind_cache, kind_cache->loaded > revision ? kind_cache->loaded : revision,
                   /* bridged= */ same);
    atomic_store(&cache->by_kind[kind->index], kind_cache);
    custom_kind_unref(before);
}

void watch_cache_remove_custom(struct watch_cache *cache, const struct api_kind *kind)
{
    struct kind_cache *kind_cache = atomic_load(&cache->by_kind[kind->index]);
    const struct api_kind *before = kind_cache->kind;
    assert(is_same_resource(before, kind));
    (void)hash_map_remove(cache->custom, kind_cache_custom_part(slice_text(kind->storage_prefix)));
    forget_history(kind_cache, watch_cache_revision(cache), /* bridged= */ false);
    pthread_mutex_lock(&kind_cache->lock);
    cow_tree_clear(kind_cache->tree);
    kind_cache->kind = NULL;
    pthread_mutex_unlock(&kind_cache->lock);
    publish(cache, watch_cache_revision(cache)); /* Its watches are to hear that they are over. */
    custom_kind_unref(before);
}

/* --- For hubs --- */

void watch_cache_add_hub(struct watch_cache *cache, struct watch_hub *hub)
{
    pthread_mutex_lock(&cache->hub_lock);
    list_push_back(&cache->hubs, &hub->node);
    pthread_mutex_unlock(&cache->hub_lock);
}

void watch_cache_remove_hub(struct watch_cache *cache, struct watch_hub *hub)
{
    pthread_mutex_lock(&cache->hub_lock);
    list_remove(&hub->node);
    pthread_mutex_unlock(&cache->hub_lock);
}

struct env *watch_cache_env(struct watch_cache *cache)
{
    return cache->env;
}
