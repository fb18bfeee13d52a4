#include "store/snapshot_view.h"

#include "store/mvcc.h"
#include "store/mvcc_range.h"
#include "store/store.h"
#include <stdint.h>
#include <stdlib.h>

/* The count is the one mutable part of a view. */
struct store_snapshot *store_snapshot_again(const struct store_snapshot *snapshot)
{
    struct store_snapshot *shared = (struct store_snapshot *)(uintptr_t)snapshot;
    atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    return shared;
}

void store_snapshot_unref(struct store_snapshot *snapshot)
{
    if (snapshot != NULL &&
        atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) == 1) {
        cow_snapshot_unref(snapshot->keys);
        free(snapshot);
    }
}

void store_snapshot_leave(struct store_snapshot *snapshot, struct cow_remains *remains)
{
    if (snapshot != NULL &&
        atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) == 1) {
        cow_snapshot_leave(snapshot->keys, remains);
        free(snapshot);
    }
}

int64_t store_snapshot_revision(const struct store_snapshot *snapshot)
{
    return snapshot->revision;
}

struct mvcc_source store_snapshot_source(const struct store_snapshot *snapshot)
{
    struct mvcc_source source = {.revision = snapshot->revision,
                                 .compact_revision = snapshot->compact_revision};
    cow_cursor_open(&source.cursor, snapshot->keys);
    return source;
}

int store_snapshot_range(const struct store_snapshot *snapshot, const struct store_range *range,
                         struct store_range_result *ret_result)
{
    struct mvcc_source source = store_snapshot_source(snapshot);
    return mvcc_source_range(&source, range, ret_result);
}

const struct store_kv *store_snapshot_get(const struct store_snapshot *snapshot, struct slice key)
{
    const struct mvcc_version *head = cow_snapshot_get(snapshot->keys, key);
    return head == NULL || mvcc_is_tombstone(head) ? NULL : store_kv_ref(head->kv);
}

void store_snapshot_each(const struct store_snapshot *snapshot, struct slice key, struct slice end,
                         bool (*each)(void *data, const struct store_kv *kv), void *data)
{
    struct mvcc_source source = store_snapshot_source(snapshot);
    mvcc_source_each(&source, key, end, each, data);
}
