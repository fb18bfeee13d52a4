#include "store/remote/mirror.h"

#include "lib/base/alloc.h"
#include "store/mvcc.h"
#include "store/remote/limits.h"
#include "store/watch_hub.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* Versions that are owned here until they go into the key space. */
struct kv_list {
    struct store_kv **kvs;
    size_t count, capacity;
};

struct mirror {
    const struct remote_keys *keys;
    struct mvcc *mvcc;
    struct watch_hub *hub;
    struct store_snapshot *view; /* Of the current state, while somebody asked; else NULL. */
    void (*wake)(void *data);
    void *wake_data;
    bool filled;
    int64_t listed_revision;
    struct kv_list listed;
    struct kv_list batch; /* Changes of one revision, not applied yet. */
    struct list waiters;  /* By revision. */
    struct buffer key;    /* Scratch. */
};

/* --- Lists of versions. */

static void kv_list_add(struct kv_list *list, struct store_kv *kv_consume)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        list->kvs = alloc_resize(list->kvs, list->capacity, sizeof(*list->kvs));
    }
    list->kvs[list->count++] = kv_consume;
}

static void kv_list_clear(struct kv_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        store_kv_unref(list->kvs[i]);
    }
    list->count = 0;
}

static void kv_list_release(struct kv_list *list)
{
    kv_list_clear(list);
    free(list->kvs);
    *list = (struct kv_list){.kvs = NULL};
}

/* --- Life. */

struct mirror *mirror_new(const struct remote_keys *keys, void (*wake)(void *data), void *data)
{
    struct mirror *mirror = alloc_zeroed(sizeof(*mirror));
    mirror->keys = keys;
    mirror->mvcc = mvcc_new();
    mirror->wake = wake;
    mirror->wake_data = data;
    mirror->hub = store_watch_hub_new(wake, data);
    list_init(&mirror->waiters);
    buffer_init(&mirror->key, REMOTE_KEY_MAX);
    return mirror;
}

static void view_drop(struct mirror *mirror)
{
    store_snapshot_unref(mirror->view);
    mirror->view = NULL;
}

void mirror_free(struct mirror *mirror)
{
    if (mirror == NULL) {
        return;
    }
    assert(list_empty(&mirror->waiters));
    watch_hub_end_all(mirror->hub, STORE_STOPPED);
    store_watch_hub_free(mirror->hub);
    view_drop(mirror);
    kv_list_release(&mirror->listed);
    kv_list_release(&mirror->batch);
    buffer_release(&mirror->key);
    mvcc_free(mirror->mvcc);
    free(mirror);
}

/* --- Changes. */

static struct store_kv *tombstone(struct slice key, int64_t revision)
{
    struct store_kv *kv = store_kv_new(key, slice_of(NULL, 0));
    kv->mod_revision = revision;
    return kv;
}

/* NULL when it is no version of a key of ours. */
static struct store_kv *kv_of(struct mirror *mirror, const struct mirror_entry *entry)
{
    buffer_clear(&mirror->key);
    bool whole =
        entry->version == 0 || (entry->version > 0 && entry->create_revision > 0 &&
                                entry->create_revision <= entry->mod_revision && entry->lease >= 0);
    if (entry->mod_revision <= 0 || !whole ||
        remote_key_here(mirror->keys, entry->key, &mirror->key) != 0 ||
        buffer_error(&mirror->key) != 0) {
        return NULL;
    }
    if (entry->version == 0) {
        return tombstone(buffer_slice(&mirror->key), entry->mod_revision);
    }
    struct store_kv *kv = store_kv_new(buffer_slice(&mirror->key), entry->value);
    kv->create_revision = entry->create_revision;
    kv->mod_revision = entry->mod_revision;
    kv->version = entry->version;
    kv->lease = remote_lease(mirror->keys, entry->lease);
    return kv;
}

static void wake_waiters(struct mirror *mirror)
{
    int64_t revision = mvcc_revision(mirror->mvcc);
    struct list *node;
    while ((node = list_first(&mirror->waiters)) != NULL) {
        struct mirror_waiter *waiter = LIST_ENTRY(node, struct mirror_waiter, node);
        if (waiter->revision > revision) {
            return;
        }
        list_remove(node);
        waiter->reached(waiter);
    }
}

/* Changes of one revision; they become the mirror's. */
static void apply(struct mirror *mirror, struct store_kv **kvs, size_t count)
{
    view_drop(mirror);
    mvcc_begin_at(mirror->mvcc, kvs[0]->mod_revision);
    int64_t revision = kvs[0]->mod_revision;
    for (size_t i = 0; i < count; i++) {
        mvcc_push(mirror->mvcc, kvs[i]);
    }
    size_t changes = mvcc_end(mirror->mvcc);
    if (changes > 0) {
        watch_hub_notify(mirror->hub, mirror->mvcc, changes);
    } else {
        mvcc_advance(mirror->mvcc, revision);
        watch_hub_progress(mirror->hub, mirror->mvcc);
    }
}

/* Whether `kv` is what comes after the mirror's version of the key. A deletion may also be of a key
 * that is not there: it then changes nothing. */
static bool follows(const struct mirror *mirror, const struct store_kv *kv)
{
    const struct store_kv *old = mvcc_get(mirror->mvcc, kv->key);
    if (kv->version == 0) {
        return true;
    }
    if (old == NULL || kv->version == 1) {
        return old == NULL && kv->version == 1 && kv->create_revision == kv->mod_revision;
    }
    return kv->version == old->version + 1 && kv->create_revision == old->create_revision;
}

int mirror_batch_end(struct mirror *mirror)
{
    struct kv_list *batch = &mirror->batch;
    if (batch->count == 0) {
        return 0;
    }
    for (size_t i = 0; i < batch->count; i++) {
        if (!follows(mirror, batch->kvs[i])) {
            mirror_batch_drop(mirror);
            return -EPROTO;
        }
    }
    apply(mirror, batch->kvs, batch->count);
    batch->count = 0;
    wake_waiters(mirror);
    return 0;
}

void mirror_batch_drop(struct mirror *mirror)
{
    kv_list_clear(&mirror->batch);
}

int mirror_event(struct mirror *mirror, const struct mirror_entry *entry)
{
    struct kv_list *batch = &mirror->batch;
    assert(mirror->filled);
    if (batch->count > 0 && entry->mod_revision > batch->kvs[0]->mod_revision) {
        int status = mirror_batch_end(mirror);
        if (status != 0) {
            return status;
        }
    }
    int64_t revision =
        batch->count > 0 ? batch->kvs[0]->mod_revision : mvcc_revision(mirror->mvcc) + 1;
    bool in_order =
        batch->count > 0 ? entry->mod_revision == revision : entry->mod_revision >= revision;
    struct store_kv *kv = kv_of(mirror, entry);
    if (kv == NULL || !in_order || batch->count == REMOTE_REVISION_EVENTS_MAX) {
        store_kv_unref(kv);
        mirror_batch_drop(mirror);
        return -EPROTO;
    }
    kv_list_add(batch, kv);
    return 0;
}

void mirror_progress(struct mirror *mirror, int64_t revision)
{
    bool between = mirror->batch.count == 0; /* Inside of a revision it means nothing. */
    if (mirror->filled && between && revision > mvcc_revision(mirror->mvcc)) {
        view_drop(mirror);
        mvcc_advance(mirror->mvcc, revision);
        watch_hub_progress(mirror->hub, mirror->mvcc);
        wake_waiters(mirror);
    }
}

/* --- Filling. */

void mirror_list_begin(struct mirror *mirror, int64_t revision)
{
    kv_list_clear(&mirror->listed);
    mirror->listed_revision = revision;
}

int mirror_list_add(struct mirror *mirror, const struct mirror_entry *entry)
{
    struct kv_list *listed = &mirror->listed;
    struct store_kv *kv = kv_of(mirror, entry);
    if (kv == NULL || kv->version == 0 || kv->mod_revision > mirror->listed_revision) {
        store_kv_unref(kv);
        return -EPROTO;
    }
    if (listed->count == REMOTE_KEYS_MAX) {
        store_kv_unref(kv);
        return -ENOSPC;
    }
    kv_list_add(listed, kv);
    return 0;
}

static void fill(struct mirror *mirror)
{
    struct kv_list *listed = &mirror->listed;
    struct mvcc *mvcc = mvcc_new();
    for (size_t i = 0; i < listed->count; i++) {
        (void)!mvcc_load(mvcc, listed->kvs[i], /* sub= */ 0); /* Fails for doubles only. */
    }
    listed->count = 0;
    int status = mvcc_load_end(mvcc, mirror->listed_revision, mirror->listed_revision, /* hash= */
                               0);
    assert(status == 0); /* mirror_list_add() has let in what fits only. */
    (void)status;
    view_drop(mirror);
    mvcc_free(mirror->mvcc);
    mirror->mvcc = mvcc;
    mirror->filled = true;
    watch_hub_restored(mirror->hub, mvcc);
}

static int by_key(const void *left, const void *right)
{
    const struct store_kv *a = *(struct store_kv *const *)left;
    const struct store_kv *b = *(struct store_kv *const *)right;
    return slice_compare(a->key, b->key);
}

static int by_revision(const void *left, const void *right)
{
    const struct store_kv *a = *(struct store_kv *const *)left;
    const struct store_kv *b = *(struct store_kv *const *)right;
    if (a->mod_revision != b->mod_revision) {
        return a->mod_revision < b->mod_revision ? -1 : 1;
    }
    return slice_compare(a->key, b->key);
}

static void sort(struct kv_list *list, int (*compare)(const void *left, const void *right))
{
    if (list->count > 0) {
        qsort(list->kvs, list->count, sizeof(*list->kvs), compare);
    }
}

/* etcd lists a key once. */
static void drop_doubles(struct kv_list *sorted)
{
    size_t kept = 0;
    for (size_t i = 0; i < sorted->count; i++) {
        if (kept > 0 && slice_equal(sorted->kvs[kept - 1]->key, sorted->kvs[i]->key)) {
            store_kv_unref(sorted->kvs[i]);
        } else {
            sorted->kvs[kept++] = sorted->kvs[i];
        }
    }
    sorted->count = kept;
}

struct difference {
    struct mirror *mirror;
    size_t at;                /* In what was listed. */
    struct kv_list changes;   /* Whose revisions are known. */
    struct kv_list deletions; /* At a revision that is not. */
};

static struct store_kv *take_listed(struct difference *difference)
{
    return difference->mirror->listed.kvs[difference->at++];
}

/* What is listed before `key`, or to the end when that is NULL, is new here. */
static void add_new(struct difference *difference, const struct slice *key)
{
    const struct kv_list *listed = &difference->mirror->listed;
    while (difference->at < listed->count &&
           (key == NULL || slice_compare(listed->kvs[difference->at]->key, *key) < 0)) {
        kv_list_add(&difference->changes, take_listed(difference));
    }
}

/* A key that the mirror has, against what was listed of it. */
static bool compare_one(void *data, const struct store_kv *old)
{
    struct difference *difference = data;
    const struct kv_list *listed = &difference->mirror->listed;
    add_new(difference, &old->key);
    bool there =
        difference->at < listed->count && slice_equal(listed->kvs[difference->at]->key, old->key);
    if (!there) {
        kv_list_add(&difference->deletions,
                    tombstone(old->key, difference->mirror->listed_revision));
        return true;
    }
    struct store_kv *kv = take_listed(difference);
    if (kv->mod_revision == old->mod_revision) {
        store_kv_unref(kv);
        return true;
    }
    if (kv->create_revision != old->create_revision) { /* It was deleted and made again. */
        kv_list_add(&difference->changes, tombstone(old->key, kv->create_revision - 1));
    }
    kv_list_add(&difference->changes, kv);
    return true;
}

/* Each deletion was at a revision of its own between the mirror's and the list's; which, nobody
 * knows any more. They get the last ones that are free: so that who was told of one only, and goes
 * on from its revision, is found to be within the gap. */
static void place_deletions(struct difference *difference)
{
    const struct kv_list *changes = &difference->changes;
    int64_t first = mvcc_revision(difference->mirror->mvcc) + 1;
    int64_t revision = difference->mirror->listed_revision;
    size_t at = changes->count;
    for (size_t i = 0; i < difference->deletions.count; i++) {
        while (revision > first && at > 0 && changes->kvs[at - 1]->mod_revision >= revision) {
            revision -= changes->kvs[at - 1]->mod_revision == revision;
            at--;
        }
        difference->deletions.kvs[i]->mod_revision = revision > first ? revision : first;
        revision--;
    }
    for (size_t i = 0; i < difference->deletions.count; i++) {
        kv_list_add(&difference->changes, difference->deletions.kvs[i]);
    }
    difference->deletions.count = 0;
}

/* Changes to a key that is not newer than the mirror cannot be; the list then is of another past,
 * and what it says of that key is left out rather than told out of order. */
static void apply_changes(struct mirror *mirror, struct kv_list *changes)
{
    size_t at = 0;
    while (at < changes->count && changes->kvs[at]->mod_revision <= mvcc_revision(mirror->mvcc)) {
        store_kv_unref(changes->kvs[at++]);
    }
    while (at < changes->count) {
        size_t end = at + 1;
        while (end < changes->count &&
               changes->kvs[end]->mod_revision == changes->kvs[at]->mod_revision) {
            end++;
        }
        apply(mirror, &changes->kvs[at], end - at);
        at = end;
    }
    changes->count = 0;
}

static void fill_again(struct mirror *mirror)
{
    static const struct slice all = {.data = (const uint8_t *)"", .len = 1};
    struct difference difference = {.mirror = mirror};
    struct kv_list *changes = &difference.changes;
    mvcc_each(mirror->mvcc, all, all, compare_one, &difference);
    add_new(&difference, NULL);
    mirror->listed.count = 0;
    sort(changes, by_revision);
    place_deletions(&difference);
    sort(changes, by_revision);
    apply_changes(mirror, changes);
    kv_list_release(changes);
    kv_list_release(&difference.deletions);
    mirror_progress(mirror, mirror->listed_revision);
    mirror_compact(mirror, mirror->listed_revision);
    watch_hub_gap(mirror->hub, mirror->mvcc);
}

void mirror_list_end(struct mirror *mirror)
{
    struct kv_list *listed = &mirror->listed;
    mirror_batch_drop(mirror);
    sort(listed, by_key); /* Their order here need not be that of etcd's keys. */
    drop_doubles(listed);
    if (mirror->filled) {
        fill_again(mirror);
    } else {
        fill(mirror);
    }
    kv_list_release(listed);
    wake_waiters(mirror);
}

bool mirror_is_filled(const struct mirror *mirror)
{
    return mirror->filled;
}

/* --- Waiting. */

bool mirror_wait(struct mirror *mirror, struct mirror_waiter *waiter)
{
    if (mirror->filled && waiter->revision <= mvcc_revision(mirror->mvcc)) {
        return false;
    }
    /* Revisions mostly come in order: the place is near the end. */
    struct list *after = mirror->waiters.prev;
    while (after != &mirror->waiters &&
           LIST_ENTRY(after, struct mirror_waiter, node)->revision > waiter->revision) {
        after = after->prev;
    }
    list_insert_before(after->next, &waiter->node);
    return true;
}

/* --- Reading. */

int64_t mirror_revision(const struct mirror *mirror)
{
    return mvcc_revision(mirror->mvcc);
}

int64_t mirror_compact_revision(const struct mirror *mirror)
{
    return mvcc_compact_revision(mirror->mvcc);
}

uint64_t mirror_key_count(const struct mirror *mirror)
{
    return mvcc_key_count(mirror->mvcc);
}

struct store_snapshot *mirror_snapshot(struct mirror *mirror)
{
    if (mirror->view == NULL) {
        mirror->view = mvcc_view(mirror->mvcc);
    }
    return store_snapshot_again(mirror->view);
}

struct store_watch *mirror_watch(struct mirror *mirror, const struct store_watch_options *options)
{
    return watch_hub_add(mirror->hub, mirror->mvcc, options);
}

const struct store_kv *mirror_get(const struct mirror *mirror, struct slice key)
{
    return mvcc_get(mirror->mvcc, key);
}

void mirror_each(const struct mirror *mirror, struct slice key, struct slice end,
                 bool (*each)(void *data, const struct store_kv *kv), void *data)
{
    mvcc_each(mirror->mvcc, key, end, each, data);
}

void mirror_compact(struct mirror *mirror, int64_t revision)
{
    if (revision > mvcc_compact_revision(mirror->mvcc) && revision <= mvcc_revision(mirror->mvcc)) {
        view_drop(mirror);
        (void)!mvcc_compact(mirror->mvcc, revision); /* Both reasons to refuse are excluded. */
        mirror->wake(mirror->wake_data);
    }
}

bool mirror_pump(struct mirror *mirror)
{
    bool more = watch_hub_catch_up(mirror->hub, mirror->mvcc);
    return mvcc_trim(mirror->mvcc, STORE_TRIM_BUDGET) || more;
}
