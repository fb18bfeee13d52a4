/* A copy of a cluster's key space in somebody's etcd, with etcd's own revisions: filled by a list
 * as of one revision, kept by a watch from the next one on. Names are turned into ours on the way
 * in (store/remote/keys.h). Pure; one thread; snapshots are read by any.
 *
 * Changes take effect a whole revision at a time, in order, each once. */
#ifndef STORE_REMOTE_MIRROR_H
#define STORE_REMOTE_MIRROR_H
#include "lib/base/list.h"
#include "store/remote/keys.h"
#include "store/store.h"

struct mirror;

/* A version as etcd tells it; version 0 for a deletion, which has key and mod_revision only. */
struct mirror_entry {
    struct slice key;
    struct slice value;
    int64_t create_revision, mod_revision, version, lease;
};

/* `wake` is called when mirror_pump() has work; it must only remember that. `keys` is borrowed. */
MUST_USE struct mirror *mirror_new(const struct remote_keys *keys, void (*wake)(void *data),
                                   void *data);
void mirror_free(struct mirror *mirror); /* Ends watches with STORE_STOPPED. */

/* --- Filling. The first time the mirror becomes what was listed, and knows no history before.
 * Later (etcd has compacted what the watch would need) the difference is applied as changes in the
 * order of their revisions; deletions, whose revisions nobody knows any more, as late as can be.
 * History before the list is then forgotten, and watches are told of the gap. */
/* Drops a listing that was not ended. */
void mirror_list_begin(struct mirror *mirror, int64_t revision);
/* In the order of keys. -EPROTO when etcd's answer cannot be, -ENOSPC over REMOTE_KEYS_MAX. */
MUST_USE int mirror_list_add(struct mirror *mirror, const struct mirror_entry *entry);
void mirror_list_end(struct mirror *mirror);
bool mirror_is_filled(const struct mirror *mirror);

/* --- Following. A revision takes effect when one after it comes, or at mirror_batch_end(). -EPROTO
 * when a change does not follow from the mirror's state (an event was lost): list again. */
MUST_USE int mirror_event(struct mirror *mirror, const struct mirror_entry *entry);
MUST_USE int mirror_batch_end(struct mirror *mirror);
/* Drops what came of a revision that is not complete: the watch is over. */
void mirror_batch_drop(struct mirror *mirror);
/* etcd says that all events up to and including `revision` have been sent. */
void mirror_progress(struct mirror *mirror, int64_t revision);

/* --- Waiting for a revision. In the caller's memory; `reached` runs once, when it is there, never
 * inside mirror_wait(). */
struct mirror_waiter {
    struct list node; /* list_init() it. */
    int64_t revision;
    void (*reached)(struct mirror_waiter *waiter);
};
/* False when the revision is there already: nothing is done then. */
MUST_USE bool mirror_wait(struct mirror *mirror, struct mirror_waiter *waiter);

/* --- Reading, as the functions of store/store.h so named. */
int64_t mirror_revision(const struct mirror *mirror);
int64_t mirror_compact_revision(const struct mirror *mirror);
uint64_t mirror_key_count(const struct mirror *mirror);
MUST_USE struct store_snapshot *mirror_snapshot(struct mirror *mirror);
MUST_USE struct store_watch *mirror_watch(struct mirror *mirror,
                                          const struct store_watch_options *options);
const struct store_kv *mirror_get(const struct mirror *mirror, struct slice key); /* Borrowed. */
void mirror_each(const struct mirror *mirror, struct slice key, struct slice end,
                 bool (*each)(void *data, const struct store_kv *kv), void *data);
/* Forgets history before `revision`. */
void mirror_compact(struct mirror *mirror, int64_t revision);
/* Serves watches that are behind, gives memory back; true when there is more to do. */
bool mirror_pump(struct mirror *mirror);
#endif
