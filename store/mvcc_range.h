/* Ranges over versions, whatever holds them: a view or the writer's own tree. Pure. */
#ifndef STORE_MVCC_RANGE_H
#define STORE_MVCC_RANGE_H
#include "lib/base/cow_tree.h"
#include "store/txn.h"

/* An opened cursor over key -> struct mvcc_version *, and the revisions that bound it. */
struct mvcc_source {
    struct cow_cursor cursor;
    int64_t revision; /* The newest there is. */
    int64_t compact_revision;
};

/* Whether a transaction may ask for that revision: 0, STORE_COMPACTED or STORE_FUTURE_REVISION. */
MUST_USE int mvcc_source_check(const struct mvcc_source *source, int64_t revision);
/* Borrowed, or NULL. */
const struct store_kv *mvcc_source_get(struct mvcc_source *source, struct slice key);
/* 0, STORE_COMPACTED or STORE_FUTURE_REVISION. */
MUST_USE int mvcc_source_range(struct mvcc_source *source, const struct store_range *range,
                               struct store_range_result *ret_result);
void mvcc_source_each(struct mvcc_source *source, struct slice key, struct slice end,
                      bool (*each)(void *data, const struct store_kv *kv), void *data);
/* Whether `key` is in the range [start, end) as store/txn.h defines it. */
bool mvcc_in_range(struct slice key, struct slice start, struct slice end);
/* Whether `key` is past the last key that the range could have. */
bool mvcc_past_range(struct slice key, struct slice start, struct slice end);
#endif
