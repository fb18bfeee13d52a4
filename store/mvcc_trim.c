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

static void uncount(struct mvcc *mvcc, const struct store_kv *kv)
{
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

static void history_replace(struct mvcc *mvcc, const struct mvcc_version *old,
                            struct mvcc_version *version)
{
    size_t at = mvcc->history_start + mvcc_history_find(mvcc, old->kv->mod_revision);
    while (at < mvcc->history_end && mvcc->history[at] != old) {
        at++;
    }
    if (at < mvcc->history_end) { /* Not there: a base older than history. */
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
        copy = mvcc_version_new(store_kv_ref(kept[i]->kv), kept[i]->sub, copy);
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
        uncount(mvcc, v->kv);
    }
    mvcc_version_ref(head);
    struct mvcc_version *copy = chain_copy(mvcc, head, base, keep_base);
    if (copy == NULL) {
        (void)cow_tree_remove(mvcc->keys, key);
    } else {
        (void)cow_tree_set(mvcc->keys, key, copy);
    }
    mvcc_version_unref(head);
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
        mvcc_version_unref(version);
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
