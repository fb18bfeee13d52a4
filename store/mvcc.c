#include "store/mvcc_internal.h"

#include "lib/base/alloc.h"
#include "lib/base/digest.h"
#include "store/mvcc_range.h"
#include "store/plant.h"
#include "store/snapshot_view.h"
#include "store/status.h"
#include "store/store.h"
#include <assert.h>
#include <stdlib.h>

/* --- Versions. */

/* Each of these versions is far away from the others in memory: as few as can be are touched. */
static void version_init(struct mvcc_version *version, const struct store_kv *kv_consume,
                         uint32_t sub, struct mvcc_version *older_consume)
{
    *version = (struct mvcc_version){.sub = sub, .kv = kv_consume, .older = older_consume};
    atomic_init(&version->refs, 1);
    if (older_consume != NULL) {
        const struct mvcc_version *jump = older_consume->jump;
        uint32_t depth = older_consume->depth;
        uint32_t jump_depth = older_consume->jump_depth;
        bool twice = jump != NULL && jump->jump != NULL &&
                     depth - jump_depth == jump_depth - jump->jump_depth;
        version->depth = depth + 1;
        version->jump = twice ? jump->jump : older_consume;
        version->jump_depth = twice ? jump->jump_depth : depth;
    }
}

struct store_kv *mvcc_kv_new(struct slice key, struct slice value)
{
    return store_kv_new_behind(sizeof(struct mvcc_version), key, value);
}

struct mvcc_version *mvcc_version_new(const struct store_kv *kv_consume, uint32_t sub,
                                      struct mvcc_version *older_consume)
{
    bool room = kv_consume->room == sizeof(struct mvcc_version);
    struct mvcc_version *version =
        room ? store_kv_room(kv_consume) : alloc_bytes(sizeof(struct mvcc_version));
    version_init(version, kv_consume, sub, older_consume);
    return version;
}

struct mvcc_version *mvcc_version_copy(const struct mvcc_version *version,
                                       struct mvcc_version *older_consume)
{
    struct mvcc_version *copy = alloc_bytes(sizeof(*copy));
    version_init(copy, store_kv_ref(version->kv), version->sub, older_consume);
    return copy;
}

struct mvcc_version *mvcc_version_ref(struct mvcc_version *version)
{
    atomic_fetch_add_explicit(&version->refs, 1, memory_order_relaxed);
    return version;
}

struct mvcc_version *mvcc_version_unref_one(struct mvcc_version *version)
{
    if (atomic_fetch_sub_explicit(&version->refs, 1, memory_order_acq_rel) != 1) {
        return NULL;
    }
    struct mvcc_version *older = version->older;
    const struct store_kv *kv = version->kv;
    if (store_kv_room(kv) != version) {
        free(version);
    }
    store_kv_unref(kv);
    return older;
}

/* A loop, because chains are long. */
void mvcc_version_unref(struct mvcc_version *version)
{
    while (version != NULL) {
        version = mvcc_version_unref_one(version);
    }
}

static void value_ref(void *value)
{
    (void)mvcc_version_ref(value);
}

static void value_unref(void *value)
{
    mvcc_version_unref(value);
}

static const struct cow_value_type version_type = {.ref = value_ref, .unref = value_unref};

const struct mvcc_version *mvcc_version_at(const struct mvcc_version *head, int64_t revision)
{
    while (head != NULL && head->kv->mod_revision > revision) {
        const struct mvcc_version *jump = head->jump;
        head = jump != NULL && jump->kv->mod_revision > revision ? jump : head->older;
    }
    return head;
}

const struct mvcc_version *mvcc_version_of_depth(const struct mvcc_version *head, uint32_t depth)
{
    assert(depth <= head->depth);
    while (head->depth > depth) {
        const struct mvcc_version *jump = head->jump;
        head = jump != NULL && head->jump_depth >= depth ? jump : head->older;
    }
    return head;
}

size_t mvcc_kept(const struct mvcc_version *head, int64_t compact)
{
    size_t all = (size_t)head->depth + 1;
    const struct mvcc_version *base = compact <= 0 ? NULL : mvcc_version_at(head, compact);
    if (base == NULL) {
        return all;
    }
    bool lost = PLANTED == PLANT_DELETE_LOST;
    bool ends = mvcc_is_tombstone(base) && (lost || base->kv->mod_revision < compact);
    return head->depth - base->depth + !ends;
}

/* --- Life and figures. */

struct mvcc *mvcc_new(void)
{
    struct mvcc *mvcc = alloc_zeroed(sizeof(*mvcc));
    mvcc->keys = cow_tree_new(&version_type);
    mvcc->revision = 1;
    return mvcc;
}

void mvcc_free(struct mvcc *mvcc)
{
    if (mvcc == NULL) {
        return;
    }
    for (size_t i = mvcc->history_start; i < mvcc->history_end; i++) {
        mvcc_version_unref(mvcc->history[i]);
    }
    free(mvcc->history);
    store_snapshot_unref(mvcc->before);
    mvcc_version_unref(mvcc->loading);
    for (size_t i = 0; i < mvcc->dropped_count; i++) {
        mvcc_version_unref(mvcc->dropped[i]);
    }
    cow_tree_free(mvcc->keys);
    free(mvcc);
}

int64_t mvcc_revision(const struct mvcc *mvcc)
{
    return mvcc->revision;
}

int64_t mvcc_compact_revision(const struct mvcc *mvcc)
{
    return mvcc->compact_revision;
}

uint64_t mvcc_bytes(const struct mvcc *mvcc)
{
    return mvcc->bytes;
}

uint64_t mvcc_key_count(const struct mvcc *mvcc)
{
    return cow_tree_count(mvcc->keys);
}

uint64_t mvcc_version_count(const struct mvcc *mvcc)
{
    return mvcc->versions;
}

uint64_t mvcc_hash(const struct mvcc *mvcc)
{
    return mvcc->writing ? mvcc->whole_hash : mvcc->hash;
}

static void hash_add(struct mvcc *mvcc, const struct store_kv *kv)
{
    const int64_t numbers[] = {kv->mod_revision, kv->create_revision, kv->version, kv->lease,
                               (int64_t)kv->key.len};
    mvcc->hash = digest64(mvcc->hash, slice_of(numbers, sizeof(numbers)));
    mvcc->hash = digest64(mvcc->hash, kv->key);
    mvcc->hash = digest64(mvcc->hash, kv->value);
}

/* --- Writing. */

void mvcc_history_push(struct mvcc *mvcc, struct mvcc_version *version_consume)
{
    if (mvcc->history_end == mvcc->history_capacity) {
        size_t count = mvcc->history_end - mvcc->history_start;
        if (mvcc->history_start > 0 && count <= mvcc->history_capacity / 2) {
            memmove(mvcc->history, &mvcc->history[mvcc->history_start],
                    count * sizeof(struct mvcc_version *));
            mvcc->history_start = 0;
            mvcc->history_end = count;
        } else {
            size_t capacity = mvcc->history_capacity == 0 ? 64 : mvcc->history_capacity * 2;
            mvcc->history = alloc_resize(mvcc->history, capacity, sizeof(struct mvcc_version *));
            mvcc->history_capacity = capacity;
        }
    }
    mvcc->history[mvcc->history_end++] = version_consume;
}

void mvcc_count(struct mvcc *mvcc, const struct store_kv *kv)
{
    mvcc->versions++;
    mvcc->bytes += kv->key.len + kv->value.len;
}

/* Puts `kv` on top of its key's chain, which is at `place` of `keys`, and at the end of history. */
static void push_version(struct mvcc *mvcc, void **place, struct store_kv *kv_consume)
{
    struct mvcc_version *version = mvcc_version_new(kv_consume, mvcc->sub, *place);
    *place = version; /* The tree's reference to the one before is the new one's now. */
    mvcc->sub++;
    hash_add(mvcc, kv_consume);
    mvcc_count(mvcc, kv_consume);
    mvcc_history_push(mvcc, mvcc_version_ref(version));
}

void mvcc_begin(struct mvcc *mvcc)
{
    assert(!mvcc->writing);
    mvcc->writing = true;
    mvcc->whole_hash = mvcc->hash;
    mvcc->next_revision = mvcc->revision + 1;
    mvcc->sub = 0;
}

void mvcc_begin_at(struct mvcc *mvcc, int64_t revision)
{
    assert(revision > mvcc->revision);
    mvcc_begin(mvcc);
    mvcc->next_revision = revision;
}

void mvcc_push(struct mvcc *mvcc, struct store_kv *kv_consume)
{
    assert(mvcc->writing);
    assert(kv_consume->mod_revision == mvcc->next_revision);
    const struct mvcc_version *head = cow_tree_get(mvcc->keys, kv_consume->key);
    if (kv_consume->version == 0 && (head == NULL || mvcc_is_tombstone(head))) {
        store_kv_unref(kv_consume);
        return;
    }
    push_version(mvcc, cow_tree_place(mvcc->keys, kv_consume->key), kv_consume);
}

void mvcc_advance(struct mvcc *mvcc, int64_t revision)
{
    assert(!mvcc->writing);
    if (revision > mvcc->revision) {
        mvcc->revision = revision;
    }
}

const struct store_kv *mvcc_put(struct mvcc *mvcc, struct slice key, struct slice value,
                                int64_t lease)
{
    assert(mvcc->writing);
    void **place = cow_tree_place(mvcc->keys, key);
    const struct mvcc_version *head = *place;
    const struct store_kv *old = head == NULL || mvcc_is_tombstone(head) ? NULL : head->kv;
    struct store_kv *kv = mvcc_kv_new(key, value);
    kv->mod_revision = mvcc->next_revision;
    kv->create_revision = old == NULL ? kv->mod_revision : old->create_revision;
    if (PLANTED == PLANT_CREATE_KEPT && old == NULL && head != NULL && head->older != NULL) {
        kv->create_revision = head->older->kv->create_revision;
    }
    kv->version = old == NULL ? 1 : old->version + 1;
    kv->lease = lease;
    push_version(mvcc, place, kv);
    return old;
}

const struct store_kv *mvcc_delete(struct mvcc *mvcc, struct slice key)
{
    assert(mvcc->writing);
    const struct mvcc_version *head = cow_tree_get(mvcc->keys, key);
    if (head == NULL || mvcc_is_tombstone(head)) {
        return NULL;
    }
    const struct store_kv *old = head->kv;
    struct store_kv *kv = mvcc_kv_new(key, slice_of(NULL, 0));
    kv->mod_revision = mvcc->next_revision;
    push_version(mvcc, cow_tree_place(mvcc->keys, key), kv);
    return old;
}

size_t mvcc_end(struct mvcc *mvcc)
{
    assert(mvcc->writing);
    mvcc->writing = false;
    store_snapshot_unref(TAKE(mvcc->before));
    if (mvcc->sub > 0) {
        mvcc->revision = mvcc->next_revision;
    }
    return mvcc->sub;
}

/* --- Reading. */

const struct store_kv *mvcc_get(const struct mvcc *mvcc, struct slice key)
{
    const struct mvcc_version *head = cow_tree_get(mvcc->keys, key);
    return head == NULL || mvcc_is_tombstone(head) ? NULL : head->kv;
}

struct mvcc_source mvcc_source_now(const struct mvcc *mvcc)
{
    bool changed = mvcc->writing && mvcc->sub > 0;
    struct mvcc_source source = {.revision = changed ? mvcc->next_revision : mvcc->revision,
                                 .compact_revision = mvcc->compact_revision};
    cow_cursor_open_tree(&source.cursor, mvcc->keys);
    return source;
}

void mvcc_each(const struct mvcc *mvcc, struct slice key, struct slice end,
               bool (*each)(void *data, const struct store_kv *kv), void *data)
{
    struct mvcc_source source = mvcc_source_now(mvcc);
    mvcc_source_each(&source, key, end, each, data);
}

uint64_t mvcc_copied(const struct mvcc *mvcc)
{
    return cow_tree_copied(mvcc->keys);
}

static struct store_snapshot *view_new(struct mvcc *mvcc)
{
    struct store_snapshot *view = alloc_zeroed(sizeof(*view));
    atomic_init(&view->refs, 1);
    view->keys = cow_tree_snapshot(mvcc->keys);
    view->revision = mvcc->revision;
    view->compact_revision = mvcc->compact_revision;
    if (PLANTED == PLANT_COMPACTED_READ && mvcc->history_start < mvcc->history_end) {
        view->compact_revision = /* As far as trimmed. */
            mvcc->history[mvcc->history_start]->kv->mod_revision;
    }
    view->hash = mvcc_hash(mvcc);
    return view;
}

void mvcc_keep_view(struct mvcc *mvcc)
{
    assert(mvcc->writing && mvcc->sub == 0 && mvcc->before == NULL);
    mvcc->before = view_new(mvcc);
}

struct store_snapshot *mvcc_view(struct mvcc *mvcc)
{
    assert(!mvcc->writing || mvcc->before != NULL);
    return mvcc->writing ? store_snapshot_again(mvcc->before) : view_new(mvcc);
}

size_t mvcc_history_count(const struct mvcc *mvcc)
{
    size_t count = mvcc->history_end - mvcc->history_start;
    return mvcc->writing && PLANTED != PLANT_PART_SEEN ? count - mvcc->sub : count;
}

const struct mvcc_version *mvcc_history_at(const struct mvcc *mvcc, size_t position)
{
    assert(position < mvcc_history_count(mvcc));
    return mvcc->history[mvcc->history_start + position];
}

size_t mvcc_history_find(const struct mvcc *mvcc, int64_t revision)
{
    size_t low = mvcc->history_start;
    size_t high = mvcc->history_end;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mvcc->history[middle]->kv->mod_revision < revision) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low - mvcc->history_start;
}
