/* The replicated store as a storage: each slot is the function of store/store.h of that name. */
#include "store/storage.h"

#include "store/store_private.h"
#include <stdint.h>

static struct store *store_of(struct storage *storage)
{
    return CONTAINER_OF(storage, struct store, storage);
}

static void txn(struct storage *storage, const struct store_txn *request, store_txn_done *done,
                void *data)
{
    store_txn(store_of(storage), request, done, data);
}

static void read_barrier(struct storage *storage, void (*done)(void *data, int status), void *data)
{
    store_read_barrier(store_of(storage), done, data);
}

static int64_t revision(const struct storage *storage)
{
    return store_revision(store_of((struct storage *)(uintptr_t)storage));
}

static struct store_snapshot *snapshot(struct storage *storage)
{
    return store_snapshot_ref(store_of(storage));
}

static struct store_watch *watch(struct storage *storage, const struct store_watch_options *options)
{
    return store_watch(store_of(storage), options);
}

static void lease_grant(struct storage *storage, int64_t id, int64_t ttl_s, store_lease_done *done,
                        void *data)
{
    store_lease_grant(store_of(storage), id, ttl_s, done, data);
}

static void lease_keepalive(struct storage *storage, int64_t id, store_lease_done *done, void *data)
{
    store_lease_keepalive(store_of(storage), id, done, data);
}

static void lease_ttl(struct storage *storage, int64_t id, store_lease_done *done, void *data)
{
    store_lease_ttl(store_of(storage), id, /* with_keys= */ false, done, data);
}

static void on_leadership(struct storage *storage,
                          void (*changed)(void *data, bool leading, uint64_t term), void *data)
{
    store_on_leadership(store_of(storage), changed, data);
}

static const struct storage_ops replicated = {
    .txn = txn,
    .read_barrier = read_barrier,
    .revision = revision,
    .snapshot = snapshot,
    .watch = watch,
    .lease_grant = lease_grant,
    .lease_keepalive = lease_keepalive,
    .lease_ttl = lease_ttl,
    .on_leadership = on_leadership,
};

struct storage *store_storage(struct store *store)
{
    store->storage.ops = &replicated;
    return &store->storage;
}
