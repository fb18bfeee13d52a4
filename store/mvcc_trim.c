/* Compaction: what is older than a revision is forgotten at once, and given back bit by bit. */
#include "store/mvcc_internal.h"

#include "lib/base/alloc.h"
#include "lib/base/digest.h"
#include "store/plant.h"
#include "store/status.h"
#include <assert.h>
#include <stdlib.h>

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

/* The key has no such version any more; readers of views may. */
static void take_out(struct mvcc *mvcc, const struct store_kv *kv)
{
    ((struct store_kv *)(uintptr_t)kv)->trimmed = true;
    assert(mvcc->versions > 0);
    mvcc->versions--;
    mvcc->bytes -= kv->key.len + kv->value.len;
}

/* Whether a version at or below the compaction revision, the newest such of its key, stays. A
 * deletion at just that revision does: a watch may still begin there (etcd issue 19179). */
static bool base_is_kept(const struct mvcc *mvcc, const struct mvcc_version *base)
{
    return !mvcc_is_tombstone(base) ||
           (base->kv->mod_revision == mvcc->compact_revision && PLANTED != PLANT_DELETE_LOST);
}

static bool is_before(const struct mvcc_version *version, const struct mvcc_version *other)
{
    int64_t revision = version->kv->mod_revision;
    int64_t other_revision = other->kv->mod_revision;
    return revision < other_revision || (revision == other_revision && version->sub < other->sub);
}

/* Where it is in history, or would be: one revision may have changed a million keys. */
static size_t history_place(const struct mvcc *mvcc, const struct mvcc_version *version)
{
    size_t low = mvcc->history_start;
    size_t high = mvcc->history_end;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_before(mvcc->history[middle], version)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void history_replace(struct mvcc *mvcc, const struct mvcc_version *old,
                            struct mvcc_version *version)
{
    size_t at = history_place(mvcc, old);
    if (at < mvcc->history_end && mvcc->history[at] == old) { /* Else a base older than history. */
        mvcc_version_unref(mvcc->history[at]);
        mvcc->history[at] = mvcc_version_ref(version);
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
        copy = mvcc_version_copy(kept[i], copy);
        history_replace(mvcc, kept[i], copy);
    }
    free(kept);
    return copy;
}

/* --- A budget is how many versions may still be counted, copied or freed in this call. A key is
 * trimmed at once, so one with a long chain overdraws it. */

enum { ENTRIES_A_VERSION = 2 }; /* While a view is held, nodes are copied: what that costs. */

static void spend(size_t *budget, size_t versions)
{
    *budget -= versions < *budget ? versions : *budget;
}

/* Lets go of a reference, now or in later calls. */
static void drop(struct mvcc *mvcc, struct mvcc_version *version_consume)
{
    assert(mvcc->dropped_count < ARRAY_LEN(mvcc->dropped));
    mvcc->dropped[mvcc->dropped_count++] = version_consume;
}

/* False when the budget ended before everything was freed. */
static bool free_dropped(struct mvcc *mvcc, size_t *budget)
{
    while (mvcc->dropped_count > 0 && *budget > 0) {
        struct mvcc_version **chain = &mvcc->dropped[mvcc->dropped_count - 1];
        *chain = mvcc_version_unref_one(*chain);
        mvcc->dropped_count -= *chain == NULL;
        spend(budget, 1);
    }
    return mvcc->dropped_count == 0;
}

static void trim_key(struct mvcc *mvcc, struct slice key, size_t *budget)
{
    struct mvcc_version *head = cow_tree_get(mvcc->keys, key);
    const struct mvcc_version *base =
        head == NULL ? NULL : mvcc_version_at(head, mvcc->compact_revision);
    spend(budget, 1);
    if (base == NULL || (base_is_kept(mvcc, base) && base->older == NULL)) {
        return; /* Done for another version of this key. */
    }
    bool keep_base = base_is_kept(mvcc, base);
    spend(budget, (size_t)head->depth + 1);
    for (const struct mvcc_version *v = keep_base ? base->older : base; v != NULL; v = v->older) {
        take_out(mvcc, v->kv);
    }
    drop(mvcc, mvcc_version_ref(head));
    struct mvcc_version *copy = chain_copy(mvcc, head, base, keep_base);
    uint64_t copied = cow_tree_copied(mvcc->keys);
    if (copy == NULL) {
        (void)cow_tree_remove(mvcc->keys, key);
    } else {
        (void)cow_tree_set(mvcc->keys, key, copy);
    }
    spend(budget, (size_t)(cow_tree_copied(mvcc->keys) - copied) / ENTRIES_A_VERSION);
}

/* Keys changed at just the compaction revision may have older versions below: they stay in history,
 * and are looked at once all of history before them is gone. False when the budget ended first. */
static bool trim_edge(struct mvcc *mvcc, size_t *budget)
{
    if (mvcc->edge_revision != mvcc->compact_revision) {
        mvcc->edge_revision = mvcc->compact_revision;
        mvcc->edge_done = 0;
    }
    for (; mvcc->edge_done < mvcc_history_count(mvcc); mvcc->edge_done++) {
        const struct mvcc_version *version = mvcc_history_at(mvcc, mvcc->edge_done);
        if (version->kv->mod_revision != mvcc->compact_revision) {
            break;
        }
        if (*budget == 0 || !free_dropped(mvcc, budget)) {
            return false;
        }
        trim_key(mvcc, version->kv->key, budget);
    }
    return free_dropped(mvcc, budget);
}

bool mvcc_trim(struct mvcc *mvcc, size_t budget)
{
    assert(!mvcc->writing);
    while (free_dropped(mvcc, &budget) && mvcc_history_count(mvcc) > 0) {
        struct mvcc_version *version = mvcc->history[mvcc->history_start];
        if (version->kv->mod_revision >= mvcc->compact_revision) {
            break;
        }
        if (budget == 0) {
            return true;
        }
        mvcc->history_start++;
        drop(mvcc, version);
        if (version->kv->trimmed) { /* With its key, for an older one of its versions. */
            spend(&budget, 1);
        } else {
            trim_key(mvcc, version->kv->key, &budget);
        }
    }
    return mvcc->dropped_count > 0 || !trim_edge(mvcc, &budget);
}
