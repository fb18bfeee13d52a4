#include "store/mvcc_range.h"

#include "lib/base/alloc.h"
#include "store/mvcc.h"
#include "store/status.h"
#include <stdlib.h>

bool mvcc_past_range(struct slice key, struct slice start, struct slice end)
{
    if (end.len == 0) {
        return !slice_equal(key, start);
    }
    if (end.len == 1 && end.data[0] == 0) {
        return false;
    }
    return slice_compare(key, end) >= 0;
}

bool mvcc_in_range(struct slice key, struct slice start, struct slice end)
{
    return slice_compare(key, start) >= 0 && !mvcc_past_range(key, start, end);
}

static bool passes_filters(const struct store_range *range, const struct store_kv *kv)
{
    return (range->max_mod_revision == 0 || kv->mod_revision <= range->max_mod_revision) &&
           (range->min_mod_revision == 0 || kv->mod_revision >= range->min_mod_revision) &&
           (range->max_create_revision == 0 || kv->create_revision <= range->max_create_revision) &&
           (range->min_create_revision == 0 || kv->create_revision >= range->min_create_revision);
}

static bool has_filters(const struct store_range *range)
{
    return range->max_mod_revision != 0 || range->min_mod_revision != 0 ||
           range->max_create_revision != 0 || range->min_create_revision != 0;
}

static int order_i64(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

/* Ties keep key order in both directions, so that answers repeat. */
static int compare_kvs(const void *left, const void *right, void *data)
{
    const struct store_range *range = data;
    const struct store_kv *a = *(const struct store_kv *const *)left;
    const struct store_kv *b = *(const struct store_kv *const *)right;
    int order = 0;
    switch (range->sort_target) {
    case STORE_SORT_KEY:
        order = slice_compare(a->key, b->key);
        break;
    case STORE_SORT_VERSION:
        order = order_i64(a->version, b->version);
        break;
    case STORE_SORT_CREATE:
        order = order_i64(a->create_revision, b->create_revision);
        break;
    case STORE_SORT_MOD:
        order = order_i64(a->mod_revision, b->mod_revision);
        break;
    case STORE_SORT_VALUE:
        order = slice_compare(a->value, b->value);
        break;
    }
    if (range->sort_order == STORE_SORT_DESCEND) {
        order = -order;
    }
    return order != 0 ? order : slice_compare(a->key, b->key);
}

/* Keys come in ascending order anyway. */
static bool needs_sort(const struct store_range *range)
{
    return range->sort_target != STORE_SORT_KEY || range->sort_order == STORE_SORT_DESCEND;
}

static void result_add(struct store_range_result *result, size_t *capacity,
                       const struct store_kv *kv)
{
    if (result->kv_count == *capacity) {
        *capacity = *capacity == 0 ? 4 : *capacity * 2;
        result->kvs = alloc_resize(result->kvs, *capacity, sizeof(struct store_kv *));
    }
    result->kvs[result->kv_count++] = store_kv_ref(kv);
}

static void result_cut(struct store_range_result *result, int64_t limit)
{
    if (limit <= 0 || result->kv_count <= (uint64_t)limit) {
        return;
    }
    for (size_t i = (size_t)limit; i < result->kv_count; i++) {
        store_kv_unref(result->kvs[i]);
    }
    result->kv_count = (size_t)limit;
    result->more = true;
}

static void collect(struct mvcc_source *source, const struct store_range *range, int64_t revision,
                    struct store_range_result *result)
{
    /* With filters or an order the limit holds for what comes out at the end. A target without an
     * order sorts what the limit has left, as in etcd. */
    bool all = range->sort_order != STORE_SORT_NONE || has_filters(range) || range->limit <= 0;
    uint64_t wanted = all ? UINT64_MAX : (uint64_t)range->limit + 1;
    size_t capacity = 0;
    size_t looks_left = range->looks_max == 0 ? SIZE_MAX : range->looks_max;
    for (bool at = cow_cursor_seek(&source->cursor, range->key);
         at && !mvcc_past_range(cow_cursor_key(&source->cursor), range->key, range->end);
         at = cow_cursor_next(&source->cursor)) {
        if (looks_left-- == 0) {
            result->given_up = true;
            break;
        }
        const struct mvcc_version *version =
            mvcc_version_at(cow_cursor_value(&source->cursor), revision);
        if (version == NULL || mvcc_is_tombstone(version)) {
            continue;
        }
        result->count++;
        if (range->count_only) {
            continue;
        }
        if (result->kv_count < wanted && passes_filters(range, version->kv)) {
            result_add(result, &capacity, version->kv);
        } else if (range->skip_count && result->kv_count >= wanted) {
            break;
        }
    }
}

int mvcc_source_check(const struct mvcc_source *source, int64_t revision)
{
    if (revision > source->revision) {
        return STORE_FUTURE_REVISION;
    }
    /* Of negative ones etcd makes no exception here: nothing compacted is -1 to it. */
    int64_t compact = source->compact_revision == 0 ? -1 : source->compact_revision;
    return revision != 0 && revision < compact ? STORE_COMPACTED : 0;
}

const struct store_kv *mvcc_source_get(struct mvcc_source *source, struct slice key)
{
    if (!cow_cursor_seek(&source->cursor, key) ||
        !slice_equal(cow_cursor_key(&source->cursor), key)) {
        return NULL;
    }
    const struct mvcc_version *head = cow_cursor_value(&source->cursor);
    return mvcc_is_tombstone(head) ? NULL : head->kv;
}

int mvcc_source_range(struct mvcc_source *source, const struct store_range *range,
                      struct store_range_result *ret_result)
{
    int64_t revision = range->revision <= 0 ? source->revision : range->revision;
    if (revision > source->revision) {
        return STORE_FUTURE_REVISION;
    }
    if (revision < source->compact_revision) {
        return STORE_COMPACTED;
    }
    struct store_range_result result = {.keys_only = range->keys_only,
                                        .revision = source->revision};
    collect(source, range, revision, &result);
    if (result.kv_count > 1 && needs_sort(range)) {
        struct store_range order = *range;
        qsort_r(result.kvs, result.kv_count, sizeof(struct store_kv *), compare_kvs, &order);
    }
    result_cut(&result, range->limit);
    if (range->skip_count && !range->count_only) {
        result.count = (int64_t)result.kv_count;
    }
    *ret_result = result;
    return 0;
}

void mvcc_source_each(struct mvcc_source *source, struct slice key, struct slice end,
                      bool (*each)(void *data, const struct store_kv *kv), void *data)
{
    for (bool at = cow_cursor_seek(&source->cursor, key);
         at && !mvcc_past_range(cow_cursor_key(&source->cursor), key, end);
         at = cow_cursor_next(&source->cursor)) {
        const struct mvcc_version *head = cow_cursor_value(&source->cursor);
        if (!mvcc_is_tombstone(head) && !each(data, head->kv)) {
            return;
        }
    }
}
