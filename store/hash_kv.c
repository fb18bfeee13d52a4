#include "store/hash_kv.h"

#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/base/crc32c.h"
#include "store/bolt_format.h"
#include "store/mvcc.h"
#include "store/snapshot_view.h"
#include <stdlib.h>

struct version_list {
    const struct mvcc_version **versions;
    size_t count, capacity;
};

static void list_add(struct version_list *list, const struct mvcc_version *version)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        list->versions =
            alloc_resize(list->versions, list->capacity, sizeof(const struct mvcc_version *));
    }
    list->versions[list->count++] = version;
}

/* What a compaction at `compact` has left counts only if it was still there at `revision`: etcd
 * asks its index for that revision, not for the one compacted. */
static void collect_key(const struct mvcc_version *head, int64_t revision, int64_t compact,
                        struct version_list *changes, struct version_list *bases, bool *any_live)
{
    const struct mvcc_version *newest = mvcc_version_at(head, revision);
    const struct mvcc_version *version = newest;
    for (; version != NULL && version->kv->mod_revision > compact; version = version->older) {
        list_add(changes, version);
    }
    *any_live = *any_live || (newest != NULL && !mvcc_is_tombstone(newest));
    if (version != NULL && !mvcc_is_tombstone(version)) {
        list_add(version == newest ? changes : bases, version);
    }
}

static int by_revision(const void *left, const void *right)
{
    const struct mvcc_version *a = *(const struct mvcc_version *const *)left;
    const struct mvcc_version *b = *(const struct mvcc_version *const *)right;
    if (a->kv->mod_revision != b->kv->mod_revision) {
        return a->kv->mod_revision < b->kv->mod_revision ? -1 : 1;
    }
    return a->sub < b->sub ? -1 : a->sub > b->sub;
}

/* As in etcd's file. */
static void put_version(struct buffer *out, const struct mvcc_version *version)
{
    const struct store_kv *kv = version->kv;
    const struct bolt_revision revision = {
        .main = kv->mod_revision, .sub = version->sub, .tombstone = mvcc_is_tombstone(version)};
    struct bolt_key_value value = {.key = kv->key};
    uint8_t key[BOLT_TOMBSTONE_KEY];
    if (!revision.tombstone) {
        value = (struct bolt_key_value){.key = kv->key,
                                        .value = kv->value,
                                        .create_revision = kv->create_revision,
                                        .mod_revision = kv->mod_revision,
                                        .version = kv->version,
                                        .lease = kv->lease};
    }
    buffer_append(out, key, bolt_put_revision(key, &revision));
    bolt_put_key_value(&value, out);
}

static uint32_t hash_versions(const struct version_list *list)
{
    CLEANUP(buffer_release) struct buffer bytes;
    buffer_init(&bytes, SIZE_MAX);
    uint32_t hash = crc32c(0, slice_text("key"));
    for (size_t i = 0; i < list->count; i++) {
        buffer_clear(&bytes);
        put_version(&bytes, list->versions[i]);
        hash = crc32c(hash, buffer_slice(&bytes));
    }
    return hash;
}

int store_hash_kv(const struct store_snapshot *snapshot, int64_t revision, uint32_t *ret_hash)
{
    int64_t compact = snapshot->compact_revision;
    if (revision > 0 && revision <= compact) {
        return STORE_COMPACTED;
    }
    if (revision > snapshot->revision) {
        return STORE_FUTURE_REVISION;
    }
    struct version_list changes = {0};
    struct version_list bases = {0};
    bool any_live = false;
    struct cow_cursor cursor;
    cow_cursor_open(&cursor, snapshot->keys);
    for (bool at = cow_cursor_first(&cursor); at; at = cow_cursor_next(&cursor)) {
        collect_key(cow_cursor_value(&cursor), revision <= 0 ? snapshot->revision : revision,
                    compact, &changes, &bases, &any_live);
    }
    /* When its index has nothing left at that revision, etcd skips nothing. */
    for (size_t i = 0; i < bases.count && !any_live; i++) {
        list_add(&changes, bases.versions[i]);
    }
    if (changes.count > 1) {
        qsort(changes.versions, changes.count, sizeof(const struct mvcc_version *), by_revision);
    }
    *ret_hash = hash_versions(&changes);
    free(changes.versions);
    free(bases.versions);
    return 0;
}
