#include "store/mvcc.h"

#include "lib/base/alloc.h"
#include "lib/base/digest.h"
#include "store/mvcc_range.h"
#include "store/plant.h"
#include "store/snapshot_view.h"
#include "store/status.h"
#include <assert.h>
#include <stdlib.h>

struct mvcc {
    struct cow_tree *keys; /* key -> newest version */
    int64_t revision;
    int64_t compact_revision;
    bool writing;
    int64_t next_revision;         /* Of the write under way. */
    uint32_t sub;                  /* Changes of the write under way. */
    struct mvcc_version **history; /* By revision, then sub; each holds a reference. */
    size_t history_start, history_end, history_capacity;
    uint64_t bytes;
    uint64_t versions;
    uint64_t hash;
};

/* --- Versions. */

static struct mvcc_version *version_new(const struct store_kv *kv_consume, uint32_t sub,
                                        struct mvcc_version *older_consume)
{
    struct mvcc_version *version = alloc_bytes(sizeof(*version));
    *version = (struct mvcc_version){.sub = sub, .kv = kv_consume, .older = older_consume};
    atomic_init(&version->refs, 1);
    if (older_consume != NULL) {
        const struct mvcc_version *jump = older_consume->jump;
        version->depth = older_consume->depth + 1;
        bool twice = jump != NULL && jump->jump != NULL &&
                     older_consume->depth - jump->depth == jump->depth - jump->jump->depth;
        version->jump = twice ? jump->jump : older_consume;
    }
    return version;
}

static struct mvcc_version *version_ref(struct mvcc_version *version)
{
    atomic_fetch_add_explicit(&version->refs, 1, memory_order_relaxed);
    return version;
}

/* A loop, because chains are long. */
static void version_unref(struct mvcc_version *version)
{
    while (version != NULL &&
           atomic_fetch_sub_explicit(&version->refs, 1, memory_order_acq_rel) == 1) {
        struct mvcc_version *older = version->older;
        store_kv_unref(version->kv);
        free(version);
        version = older;
    }
}

static void value_ref(void *value)
{
    (void)version_ref(value);
}

static void value_unref(void *value)
{
    version_unref(value);
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
        head = jump != NULL && jump->depth >= depth ? jump : head->older;
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
        version_unref(mvcc->history[i]);
    }
    free(mvcc->history);
    cow_tree_free(mvcc->keys);
    free(mvcc);
}

int64_t mvcc_revision(const struct mvcc *mvcc)
{
    return mvcc->revision;
}

int64_t mvcc_write_revision(const struct mvcc *mvcc)
{
    return mvcc->writing && mvcc->sub > 0 ? mvcc->next_revision : mvcc->revision;
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
    return mvcc->hash;
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

static void history_push(struct mvcc *mvcc, struct mvcc_version *version_consume)
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

static void version_counted(struct mvcc *mvcc, const struct store_kv *kv)
{
    mvcc->versions++;
    mvcc->bytes += kv->key.len + kv->value.len;
}

static void version_uncounted(struct mvcc *mvcc, const struct store_kv *kv)
{
    assert(mvcc->versions > 0);
    mvcc->versions--;
    mvcc->bytes -= kv->key.len + kv->value.len;
}

/* Puts `kv` on top of its key's chain and at the end of history. */
static void push_version(struct mvcc *mvcc, struct mvcc_version *head, struct store_kv *kv_consume)
{
    struct mvcc_version *older = head == NULL ? NULL : version_ref(head);
    struct mvcc_version *version = version_new(kv_consume, mvcc->sub, older);
    mvcc->sub++;
    hash_add(mvcc, kv_consume);
    version_counted(mvcc, kv_consume);
    history_push(mvcc, version_ref(version));
    (void)cow_tree_set(mvcc->keys, kv_consume->key, version);
}

void mvcc_begin(struct mvcc *mvcc)
{
    assert(!mvcc->writing);
    mvcc->writing = true;
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
    struct mvcc_version *head = cow_tree_get(mvcc->keys, kv_consume->key);
    if (kv_consume->version == 0 && (head == NULL || mvcc_is_tombstone(head))) {
        store_kv_unref(kv_consume);
        return;
    }
    push_version(mvcc, head, kv_consume);
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
    struct mvcc_version *head = cow_tree_get(mvcc->keys, key);
    const struct store_kv *old = head == NULL || mvcc_is_tombstone(head) ? NULL : head->kv;
    struct store_kv *kv = store_kv_new(key, value);
    kv->mod_revision = mvcc->next_revision;
    kv->create_revision = old == NULL ? kv->mod_revision : old->create_revision;
    if (PLANTED == PLANT_CREATE_KEPT && old == NULL && head != NULL && head->older != NULL) {
        kv->create_revision = head->older->kv->create_revision;
    }
    kv->version = old == NULL ? 1 : old->version + 1;
    kv->lease = lease;
    push_version(mvcc, head, kv);
    return old;
}

const struct store_kv *mvcc_delete(struct mvcc *mvcc, struct slice key)
{
    assert(mvcc->writing);
    struct mvcc_version *head = cow_tree_get(mvcc->keys, key);
    if (head == NULL || mvcc_is_tombstone(head)) {
        return NULL;
    }
    const struct store_kv *old = head->kv;
    struct store_kv *kv = store_kv_new(key, slice_of(NULL, 0));
    kv->mod_revision = mvcc->next_revision;
    push_version(mvcc, head, kv);
    return old;
}

size_t mvcc_end(struct mvcc *mvcc)
{
    assert(mvcc->writing);
    mvcc->writing = false;
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

static struct mvcc_source own_source(const struct mvcc *mvcc)
{
    struct mvcc_source source = {.revision = mvcc_write_revision(mvcc),
                                 .compact_revision = mvcc->compact_revision};
    cow_cursor_open_tree(&source.cursor, mvcc->keys);
    return source;
}

int mvcc_range(const struct mvcc *mvcc, const struct store_range *range,
               struct store_range_result *ret_result)
{
    struct mvcc_source source = own_source(mvcc);
    return mvcc_source_range(&source, range, ret_result);
}

int mvcc_check_revision(const struct mvcc *mvcc, int64_t revision)
{
    if (revision > mvcc->revision) {
        return STORE_FUTURE_REVISION;
    }
    /* Of negative ones etcd makes no exception here: nothing compacted is -1 to it. */
    int64_t compact = mvcc->compact_revision == 0 ? -1 : mvcc->compact_revision;
    if (PLANTED == PLANT_COMPACTED_READ && mvcc->history_start < mvcc->history_end) {
        compact = mvcc->history[mvcc->history_start]->kv->mod_revision; /* As far as trimmed. */
    }
    return revision != 0 && revision < compact ? STORE_COMPACTED : 0;
}

void mvcc_each(const struct mvcc *mvcc, struct slice key, struct slice end,
               bool (*each)(void *data, const struct store_kv *kv), void *data)
{
    struct mvcc_source source = own_source(mvcc);
    mvcc_source_each(&source, key, end, each, data);
}

struct store_snapshot *mvcc_view(struct mvcc *mvcc)
{
    assert(!mvcc->writing);
    struct store_snapshot *view = alloc_zeroed(sizeof(*view));
    atomic_init(&view->refs, 1);
    view->keys = cow_tree_snapshot(mvcc->keys);
    view->revision = mvcc->revision;
    view->compact_revision = mvcc->compact_revision;
    view->hash = mvcc->hash;
    return view;
}

size_t mvcc_history_count(const struct mvcc *mvcc)
{
    return mvcc->history_end - mvcc->history_start;
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

/* --- Compaction. */

int mvcc_compact(struct mvcc *mvcc, int64_t revision)
{
    assert(!mvcc->writing);
    if (revision > mvcc->revision) {
        return STORE_FUTURE_REVISION;
    }
    if (revision == 0 && mvcc->compact_revision == 0) {
        return 0; /* As etcd, to which nothing compacted is -1. */
    }
    if (revision <= mvcc->compact_revision) {
        return STORE_COMPACTED;
    }
    mvcc->compact_revision = revision + (PLANTED == PLANT_COMPACT_LATE);
    mvcc->hash = digest64(mvcc->hash, slice_of(&revision, sizeof(revision)));
    return 0;
}

/* Whether a version at or below the compaction revision, the newest such of its key, stays. A
 * deletion at just that revision does: a watch may still begin there (etcd issue 19179). */
static bool base_is_kept(const struct mvcc *mvcc, const struct mvcc_version *base)
{
    return !mvcc_is_tombstone(base) ||
           (base->kv->mod_revision == mvcc->compact_revision && PLANTED != PLANT_DELETE_LOST);
}

static void history_replace(struct mvcc *mvcc, const struct mvcc_version *old,
                            struct mvcc_version *version)
{
    size_t at = mvcc->history_start + mvcc_history_find(mvcc, old->kv->mod_revision);
    while (at < mvcc->history_end && mvcc->history[at] != old) {
        at++;
    }
    if (at < mvcc->history_end) { /* Not there: a base older than history. */
        version_unref(mvcc->history[at]);
        mvcc->history[at] = version_ref(version);
    }
}

/* Rebuilds the chain from `version` down to `base`, which loses what is below it. Readers of views
 * go on with the old chain; that is why it is not cut in place. */
static struct mvcc_version *chain_copy(struct mvcc *mvcc, const struct mvcc_version *head,
                                       const struct mvcc_version *base, bool keep_base)
{
    size_t count = head->depth - base->depth + keep_base;
    const struct mvcc_version **kept = alloc_array(count + 1, sizeof(*kept));
    size_t at = count;
    for (const struct mvcc_version *v = head; at > 0; v = v->older) {
        kept[--at] = v;
    }
    struct mvcc_version *copy = NULL;
    for (size_t i = 0; i < count; i++) {
        copy = version_new(store_kv_ref(kept[i]->kv), kept[i]->sub, copy);
        history_replace(mvcc, kept[i], copy);
    }
    free(kept);
    return copy;
}

static void trim_key(struct mvcc *mvcc, struct slice key)
{
    struct mvcc_version *head = cow_tree_get(mvcc->keys, key);
    const struct mvcc_version *base =
        head == NULL ? NULL : mvcc_version_at(head, mvcc->compact_revision);
    if (base == NULL || (base_is_kept(mvcc, base) && base->older == NULL)) {
        return; /* Done for another version of this key. */
    }
    bool keep_base = base_is_kept(mvcc, base);
    for (const struct mvcc_version *v = keep_base ? base->older : base; v != NULL; v = v->older) {
        version_uncounted(mvcc, v->kv);
    }
    version_ref(head);
    struct mvcc_version *copy = chain_copy(mvcc, head, base, keep_base);
    if (copy == NULL) {
        (void)cow_tree_remove(mvcc->keys, key);
    } else {
        (void)cow_tree_set(mvcc->keys, key, copy);
    }
    version_unref(head);
}

bool mvcc_trim(struct mvcc *mvcc, size_t budget)
{
    assert(!mvcc->writing);
    while (mvcc->history_start < mvcc->history_end && budget-- > 0) {
        struct mvcc_version *version = mvcc->history[mvcc->history_start];
        int64_t revision = version->kv->mod_revision;
        if (revision >= mvcc->compact_revision) {
            break;
        }
        mvcc->history_start++;
        trim_key(mvcc, version->kv->key);
        version_unref(version);
    }
    if (mvcc->history_start < mvcc->history_end &&
        mvcc->history[mvcc->history_start]->kv->mod_revision < mvcc->compact_revision) {
        return true;
    }
    /* Keys changed at just the compaction revision may still have older versions below. */
    for (size_t i = mvcc->history_start;
         i < mvcc->history_end && mvcc->history[i]->kv->mod_revision == mvcc->compact_revision;
         i++) {
        trim_key(mvcc, mvcc->history[i]->kv->key);
    }
    return false;
}

/* --- Loading. */

int mvcc_load(struct mvcc *mvcc, struct store_kv *kv_consume, uint32_t sub)
{
    struct mvcc_version *head = cow_tree_get(mvcc->keys, kv_consume->key);
    if (kv_consume->mod_revision <= 0 ||
        (head != NULL && head->kv->mod_revision >= kv_consume->mod_revision)) {
        store_kv_unref(kv_consume);
        return STORE_MALFORMED;
    }
    struct mvcc_version *older = head == NULL ? NULL : version_ref(head);
    struct mvcc_version *version = version_new(kv_consume, sub, older);
    version_counted(mvcc, kv_consume);
    history_push(mvcc, version_ref(version));
    (void)cow_tree_set(mvcc->keys, kv_consume->key, version);
    return 0;
}

static int by_revision(const void *left, const void *right)
{
    const struct mvcc_version *a = *(struct mvcc_version *const *)left;
    const struct mvcc_version *b = *(struct mvcc_version *const *)right;
    if (a->kv->mod_revision != b->kv->mod_revision) {
        return a->kv->mod_revision < b->kv->mod_revision ? -1 : 1;
    }
    return a->sub < b->sub ? -1 : a->sub > b->sub;
}

int mvcc_load_end(struct mvcc *mvcc, int64_t revision, int64_t compact_revision, uint64_t hash)
{
    size_t count = mvcc->history_end - mvcc->history_start;
    if (count > 0) {
        qsort(&mvcc->history[mvcc->history_start], count, sizeof(struct mvcc_version *),
              by_revision);
        if (mvcc->history[mvcc->history_end - 1]->kv->mod_revision > revision) {
            return STORE_MALFORMED;
        }
    }
    if (revision < 1 || compact_revision < 0 || compact_revision > revision) {
        return STORE_MALFORMED;
    }
    mvcc->revision = revision;
    mvcc->compact_revision = compact_revision;
    mvcc->hash = hash;
    size_t left = PLANTED == PLANT_REVISION_BACK ? count : 0;
    while (left > 0 && mvcc_is_tombstone(mvcc->history[mvcc->history_start + left - 1])) {
        left--;
    }
    if (left > 0) {
        mvcc->revision = mvcc->history[mvcc->history_start + left - 1]->kv->mod_revision;
    }
    while (mvcc->history_start < mvcc->history_end && /* Bases that are older than history. */
           mvcc->history[mvcc->history_start]->kv->mod_revision < compact_revision) {
        version_unref(mvcc->history[mvcc->history_start++]);
    }
    return 0;
}
