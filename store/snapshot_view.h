/* What a store_snapshot is made of; for the store's own files. */
#ifndef STORE_SNAPSHOT_VIEW_H
#define STORE_SNAPSHOT_VIEW_H
#include "lib/base/cow_tree.h"
#include "store/mvcc_range.h"
#include <stdatomic.h>

struct store_snapshot {
    _Atomic uint32_t refs;
    struct cow_snapshot *keys; /* key -> struct mvcc_version *, the newest */
    int64_t revision;
    int64_t compact_revision;
    uint64_t hash;
};

/* The view as a source, while it is referenced. */
struct mvcc_source store_snapshot_source(const struct store_snapshot *snapshot);
/* As store_snapshot_unref(), with what only the view holds left for later. */
void store_snapshot_leave(struct store_snapshot *snapshot, struct cow_remains *remains);
#endif
