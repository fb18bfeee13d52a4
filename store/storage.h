/* What the API server needs of a store, whoever keeps it: the member's own replicated store
 * (store/store.h) or somebody's etcd (store/remote/remote.h). Those above the store include this
 * and nothing else of it. Rules of thread and callbacks as in store/store.h: the store loop, and no
 * callback from inside the call that asked for it.
 *
 * What all backends promise: revisions are those of the one log behind them; a snapshot is a state
 * that was, at its revision; what store_txn's `done` answers can be read from a snapshot taken
 * then; a barrier that passes means that snapshots have all that anybody was told before it began.
 */
#ifndef STORE_STORAGE_H
#define STORE_STORAGE_H
#include "store/store.h"

struct storage;

/* One row for each backend. Contracts are those of the functions of store/store.h so named. */
struct storage_ops {
    void (*txn)(struct storage *storage, const struct store_txn *txn, store_txn_done *done,
                void *data);
    void (*read_barrier)(struct storage *storage, void (*done)(void *data, int status), void *data);
    int64_t (*revision)(const struct storage *storage);
    struct store_snapshot *(*snapshot)(struct storage *storage);
    struct store_watch *(*watch)(struct storage *storage,
                                 const struct store_watch_options *options);
    void (*lease_grant)(struct storage *storage, int64_t id, int64_t ttl_s, store_lease_done *done,
                        void *data);
    void (*lease_keepalive)(struct storage *storage, int64_t id, store_lease_done *done,
                            void *data);
    void (*lease_ttl)(struct storage *storage, int64_t id, store_lease_done *done, void *data);
    void (*on_leadership)(struct storage *storage,
                          void (*changed)(void *data, bool leading, uint64_t term), void *data);
};

/* A backend has this as a member and fills it in. */
struct storage {
    const struct storage_ops *ops;
};

/* The member's own store; lives as long as the store. */
struct storage *store_storage(struct store *store);

static inline void storage_txn(struct storage *storage, const struct store_txn *txn,
                               store_txn_done *done, void *data)
{
    storage->ops->txn(storage, txn, done, data);
}

static inline void storage_read_barrier(struct storage *storage,
                                        void (*done)(void *data, int status), void *data)
{
    storage->ops->read_barrier(storage, done, data);
}

static inline int64_t storage_revision(const struct storage *storage)
{
    return storage->ops->revision(storage);
}

/* The caller owns a reference: store_snapshot_unref(). */
MUST_USE static inline struct store_snapshot *storage_snapshot(struct storage *storage)
{
    return storage->ops->snapshot(storage);
}

/* store_watch_cancel(), _pause(), _resume() and _delivered() serve watches of every backend. */
MUST_USE static inline struct store_watch *storage_watch(struct storage *storage,
                                                         const struct store_watch_options *options)
{
    return storage->ops->watch(storage, options);
}

static inline void storage_lease_grant(struct storage *storage, int64_t id, int64_t ttl_s,
                                       store_lease_done *done, void *data)
{
    storage->ops->lease_grant(storage, id, ttl_s, done, data);
}

static inline void storage_lease_keepalive(struct storage *storage, int64_t id,
                                           store_lease_done *done, void *data)
{
    storage->ops->lease_keepalive(storage, id, done, data);
}

static inline void storage_lease_ttl(struct storage *storage, int64_t id, store_lease_done *done,
                                     void *data)
{
    storage->ops->lease_ttl(storage, id, done, data);
}

/* Who runs the control loops: one of all processes that share the storage, at a time. `term` grows
 * with each change. */
static inline void storage_on_leadership(struct storage *storage,
                                         void (*changed)(void *data, bool leading, uint64_t term),
                                         void *data)
{
    storage->ops->on_leadership(storage, changed, data);
}
#endif
