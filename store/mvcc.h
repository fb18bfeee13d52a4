/* The key space with its history: every version of every key from the compaction revision on, by
 * key and by revision. Pure; one writer thread; views are immutable and read by any thread.
 *
 * A write is one revision: mvcc_begin(), any number of puts and deletes, mvcc_end(). After
 * mvcc_keep_view() it may take several turns: until its end, views, history, revision and hash are
 * those of before. */
#ifndef STORE_MVCC_H
#define STORE_MVCC_H
#include "lib/base/cow_tree.h"
#include "store/mvcc_range.h"
#include "store/txn.h"

/* A version and the way to the older ones of the same key. Immutable and atomically refcounted;
 * `jump` is borrowed: it points into the chain that `older` holds, as far back as makes a search
 * logarithmic (Myers, "An applicative random-access stack", 1983). */
struct mvcc_version {
    _Atomic uint32_t refs;
    uint32_t depth;      /* Versions below this one. */
    uint32_t sub;        /* Order among the changes of its revision. */
    uint32_t jump_depth; /* Of `jump`. */
    const struct store_kv *kv;
    struct mvcc_version *older;
    const struct mvcc_version *jump;
};

static inline bool mvcc_is_tombstone(const struct mvcc_version *version)
{
    return version->kv->version == 0;
}

/* The newest version at or below `revision`, or NULL. */
const struct mvcc_version *mvcc_version_at(const struct mvcc_version *head, int64_t revision);

/* The one with that many below it; `depth` is at most head's. */
const struct mvcc_version *mvcc_version_of_depth(const struct mvcc_version *head, uint32_t depth);

/* How many versions, from `head` on, are left of a key once history before `compact` is forgotten:
 * none, when that ends with its deletion. A deletion at just that revision stays: a watch may still
 * begin there (etcd issue 19179). */
size_t mvcc_kept(const struct mvcc_version *head, int64_t compact);

struct mvcc;
struct store_snapshot; /* Its views; see store/store.h for what may be done with them. */

MUST_USE struct mvcc *mvcc_new(void); /* At revision 1, like a new etcd. */
void mvcc_free(struct mvcc *mvcc);
int64_t mvcc_revision(const struct mvcc *mvcc); /* While writing: of the last complete write. */
int64_t mvcc_compact_revision(const struct mvcc *mvcc);
uint64_t mvcc_bytes(const struct mvcc *mvcc);
uint64_t mvcc_key_count(const struct mvcc *mvcc); /* Tombstones included. */
uint64_t mvcc_version_count(const struct mvcc *mvcc);
uint64_t mvcc_hash(const struct mvcc *mvcc); /* Rolls over every change and compaction. */

void mvcc_begin(struct mvcc *mvcc);
void mvcc_keep_view(struct mvcc *mvcc); /* Right after it. */
/* Returns what it replaced (alive until the next trim) or NULL. */
const struct store_kv *mvcc_put(struct mvcc *mvcc, struct slice key, struct slice value,
                                int64_t lease);
/* Returns what it deleted, or NULL when there was nothing. */
const struct store_kv *mvcc_delete(struct mvcc *mvcc, struct slice key);
/* Ends the write; a write that changed nothing is no revision. Returns the number of changes. */
size_t mvcc_end(struct mvcc *mvcc);

/* What mvcc_push() and mvcc_load() are best given: one allocation with what they make of it. Not
 * to be given to either twice. */
MUST_USE struct store_kv *mvcc_kv_new(struct slice key, struct slice value);

/* A mirror of another key space numbers nothing itself: the write that mvcc_end() ends is this
 * revision, which is above the current one. */
void mvcc_begin_at(struct mvcc *mvcc, int64_t revision);
/* A version with its numbers as they are there, and the revision of this write; version 0 for a
 * deletion. A deletion of what is not there changes nothing. */
void mvcc_push(struct mvcc *mvcc, struct store_kv *kv_consume);
/* Nothing changed up to and including `revision`. */
void mvcc_advance(struct mvcc *mvcc, int64_t revision);

const struct store_kv *mvcc_get(const struct mvcc *mvcc, struct slice key); /* Borrowed or NULL. */
/* What is there now, changes of the write under way included, as a source (store/mvcc_range.h)
 * until it changes. */
struct mvcc_source mvcc_source_now(const struct mvcc *mvcc);
/* Calls `each` for every live key in order until it returns false; nothing may change meanwhile. */
void mvcc_each(const struct mvcc *mvcc, struct slice key, struct slice end,
               bool (*each)(void *data, const struct store_kv *kv), void *data);

MUST_USE struct store_snapshot *mvcc_view(struct mvcc *mvcc);
/* What views have cost so far: lib/base/cow_tree.h, cow_tree_copied(). */
uint64_t mvcc_copied(const struct mvcc *mvcc);

/* Forgets what is older than `revision`, except the newest version of each key at or below it.
 * Takes effect at once; memory is given back by mvcc_trim(), which handles about `budget` versions
 * and returns whether more are left. */
MUST_USE int mvcc_compact(struct mvcc *mvcc, int64_t revision);
bool mvcc_trim(struct mvcc *mvcc, size_t budget);

/* History by revision: changes at positions [0, mvcc_history_count), ascending. */
size_t mvcc_history_count(const struct mvcc *mvcc);
const struct mvcc_version *mvcc_history_at(const struct mvcc *mvcc, size_t position);
size_t mvcc_history_find(const struct mvcc *mvcc, int64_t revision); /* First at or above it. */

/* Loading a snapshot into an empty mvcc: versions of each key oldest first, keys in any order, but
 * ascending is much faster; then mvcc_load_end(), before which nothing else may be done with it.
 * STORE_MALFORMED when they do not fit together. */
MUST_USE int mvcc_load(struct mvcc *mvcc, struct store_kv *kv_consume, uint32_t sub);
MUST_USE int mvcc_load_end(struct mvcc *mvcc, int64_t revision, int64_t compact_revision,
                           uint64_t hash);
#endif
