#include "store/lease_table.h"

#include "lib/base/alloc.h"
#include "lib/base/cow_tree.h"
#include "lib/base/hash_map.h"
#include "lib/base/heap.h"
#include "store/limits.h"
#include "store/plant.h"
#include "store/status.h"
#include <assert.h>
#include <stdlib.h>

struct lease {
    int64_t id;
    int64_t ttl_s;
    struct cow_tree *keys; /* NULL until one is attached; values mean nothing. */
    uint64_t deadline_ms;
    size_t position;    /* In the heap of deadlines. */
    uint32_t given_out; /* As due in this leadership, and not taken back. */
};

struct lease_table {
    struct hash_map *leases; /* id -> struct lease */
    struct heap deadlines;   /* All leases while leading, else empty. */
    bool leading;
};

static void no_value(void *value)
{
    (void)value;
}

static const struct cow_value_type key_type = {.ref = no_value, .unref = no_value};

static bool deadline_before(const void *left, const void *right)
{
    const struct lease *a = left;
    const struct lease *b = right;
    return a->deadline_ms != b->deadline_ms ? a->deadline_ms < b->deadline_ms : a->id < b->id;
}

struct lease_table *lease_table_new(void)
{
    struct lease_table *table = alloc_zeroed(sizeof(*table));
    table->leases = hash_map_new(/* seed= */ 0x6c65617365);
    heap_init(&table->deadlines, offsetof(struct lease, position), deadline_before);
    return table;
}

static void lease_free(struct lease *lease)
{
    cow_tree_free(lease->keys);
    free(lease);
}

void lease_table_free(struct lease_table *table)
{
    if (table == NULL) {
        return;
    }
    void *lease;
    for (size_t at = 0; hash_map_next(table->leases, &at, NULL, &lease);) {
        lease_free(lease);
    }
    heap_release(&table->deadlines);
    hash_map_free(table->leases);
    free(table);
}

size_t lease_table_count(const struct lease_table *table)
{
    return hash_map_count(table->leases);
}

static struct lease *lease_find(const struct lease_table *table, int64_t id)
{
    return hash_map_get(table->leases, slice_of(&id, sizeof(id)));
}

int lease_table_grant(struct lease_table *table, int64_t id, int64_t ttl_s)
{
    if (lease_find(table, id) != NULL) {
        return STORE_LEASE_EXISTS;
    }
    if (hash_map_count(table->leases) >= STORE_LEASES_MAX) {
        return STORE_TOO_MANY_REQUESTS;
    }
    struct lease *lease = alloc_zeroed(sizeof(*lease));
    lease->id = id;
    lease->ttl_s = ttl_s;
    lease->deadline_ms = UINT64_MAX; /* Until the leader starts its clock. */
    (void)hash_map_set(table->leases, slice_of(&id, sizeof(id)), lease);
    if (table->leading) {
        heap_push(&table->deadlines, lease);
    }
    return 0;
}

void lease_table_remove(struct lease_table *table, int64_t id)
{
    struct lease *lease = hash_map_remove(table->leases, slice_of(&id, sizeof(id)));
    if (lease != NULL) {
        heap_remove(&table->deadlines, lease);
        lease_free(lease);
    }
}

bool lease_table_has(const struct lease_table *table, int64_t id)
{
    return lease_find(table, id) != NULL;
}

int64_t lease_table_granted_ttl(const struct lease_table *table, int64_t id)
{
    const struct lease *lease = lease_find(table, id);
    return lease == NULL ? -1 : lease->ttl_s;
}

void lease_table_attach(struct lease_table *table, int64_t id, struct slice key)
{
    struct lease *lease = lease_find(table, id);
    if (lease == NULL) {
        return; /* No lease: id 0. */
    }
    if (lease->keys == NULL) {
        lease->keys = cow_tree_new(&key_type);
    }
    (void)cow_tree_set(lease->keys, key, lease);
}

void lease_table_detach(struct lease_table *table, int64_t id, struct slice key)
{
    struct lease *lease = lease_find(table, id);
    if (lease != NULL && lease->keys != NULL) {
        (void)cow_tree_remove(lease->keys, key);
    }
}

size_t lease_table_key_count(const struct lease_table *table, int64_t id)
{
    const struct lease *lease = lease_find(table, id);
    return lease == NULL || lease->keys == NULL ? 0 : cow_tree_count(lease->keys);
}

/* The first key that is not before `from`. */
static bool keys_seek(const struct lease_table *table, int64_t id, struct slice from,
                      struct cow_cursor *cursor)
{
    const struct lease *lease = lease_find(table, id);
    if (lease == NULL || lease->keys == NULL) {
        return false;
    }
    cow_cursor_open_tree(cursor, lease->keys);
    return cow_cursor_seek(cursor, from);
}

size_t lease_table_keys(const struct lease_table *table, int64_t id, struct slice *keys, size_t max)
{
    struct cow_cursor cursor;
    size_t count = 0;
    bool more = keys_seek(table, id, slice_of(NULL, 0), &cursor);
    for (; more && count < max; more = cow_cursor_next(&cursor)) {
        keys[count++] = cow_cursor_key(&cursor);
    }
    return count;
}

bool lease_table_key_from(const struct lease_table *table, int64_t id, struct slice from,
                          struct slice *ret_key)
{
    struct cow_cursor cursor;
    if (!keys_seek(table, id, from, &cursor)) {
        return false;
    }
    *ret_key = cow_cursor_key(&cursor);
    return true;
}

size_t lease_table_ids(const struct lease_table *table, int64_t *ids, size_t max)
{
    size_t count = 0;
    void *lease;
    for (size_t at = 0; count < max && hash_map_next(table->leases, &at, NULL, &lease);) {
        ids[count++] = ((struct lease *)lease)->id;
    }
    return hash_map_count(table->leases);
}

size_t lease_table_grants(const struct lease_table *table, struct lease_grant *grants, size_t max)
{
    size_t count = 0;
    void *value;
    for (size_t at = 0; count < max && hash_map_next(table->leases, &at, NULL, &value);) {
        const struct lease *lease = value;
        grants[count++] = (struct lease_grant){.id = lease->id, .ttl_s = lease->ttl_s};
    }
    return hash_map_count(table->leases);
}

/* --- The leader's clock. */

static uint64_t lease_ttl_ms(const struct lease *lease)
{
    return (uint64_t)lease->ttl_s * 1000;
}

void lease_table_lead(struct lease_table *table, uint64_t now_ms, uint64_t grace_ms)
{
    lease_table_follow(table);
    table->leading = true;
    void *value;
    for (size_t at = 0; hash_map_next(table->leases, &at, NULL, &value);) {
        struct lease *lease = value;
        lease->deadline_ms = now_ms + lease_ttl_ms(lease) + grace_ms;
        if (PLANTED == PLANT_NO_FULL_TTL) {
            lease->deadline_ms = now_ms + lease_ttl_ms(lease) / 2;
        }
        heap_push(&table->deadlines, lease);
    }
}

void lease_table_follow(struct lease_table *table)
{
    struct lease *lease;
    while ((lease = heap_pop(&table->deadlines)) != NULL) {
        lease->deadline_ms = UINT64_MAX;
        lease->given_out = 0;
    }
    table->leading = false;
}

void lease_table_extend(struct lease_table *table, uint64_t now_ms, uint64_t grace_ms)
{
    void *value;
    for (size_t at = 0; hash_map_next(table->leases, &at, NULL, &value);) {
        struct lease *lease = value;
        if (table->leading && lease->given_out == 0) {
            lease->deadline_ms = now_ms + lease_ttl_ms(lease) + grace_ms;
            heap_update(&table->deadlines, lease);
        }
    }
}

int lease_table_renew(struct lease_table *table, int64_t id, uint64_t now_ms)
{
    struct lease *lease = lease_find(table, id);
    if (lease == NULL) {
        return STORE_LEASE_NOT_FOUND;
    }
    if (lease->given_out > 0 && PLANTED != PLANT_RENEW_EXPIRING) {
        return -EAGAIN;
    }
    if (table->leading) {
        lease->deadline_ms = now_ms + lease_ttl_ms(lease);
        heap_update(&table->deadlines, lease);
    }
    return 0;
}

void lease_table_spare(struct lease_table *table, int64_t id)
{
    struct lease *lease = lease_find(table, id);
    if (lease != NULL && lease->given_out > 0) {
        lease->given_out--;
    }
}

int64_t lease_table_left_ms(const struct lease_table *table, int64_t id, uint64_t now_ms)
{
    const struct lease *lease = lease_find(table, id);
    if (lease == NULL || !table->leading) {
        return -1;
    }
    return lease->deadline_ms <= now_ms ? 0 : (int64_t)(lease->deadline_ms - now_ms);
}

size_t lease_table_due(struct lease_table *table, uint64_t now_ms, uint64_t retry_ms, int64_t *ids,
                       size_t max)
{
    size_t count = 0;
    for (;;) {
        struct lease *lease = heap_peek(&table->deadlines);
        if (count == max || lease == NULL || lease->deadline_ms > now_ms) {
            return count;
        }
        ids[count++] = lease->id;
        lease->given_out++;
        lease->deadline_ms = now_ms + retry_ms;
        heap_update(&table->deadlines, lease);
    }
}

uint64_t lease_table_next_ms(const struct lease_table *table)
{
    const struct lease *lease = heap_peek(&table->deadlines);
    return lease == NULL ? UINT64_MAX : lease->deadline_ms;
}
