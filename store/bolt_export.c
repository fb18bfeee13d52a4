#include "store/bolt_export.h"

#include "lib/base/alloc.h"
#include "lib/base/url_list.h"
#include "store/bolt_auth.h"
#include "store/snapshot_view.h"
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

/* Buckets of small entries, and where "key" and "lease" stand between them. */
static const char *const bucket_names[] = {"alarm",           "auth", "authRoles", "authUsers",
                                           "cluster",         "key",  "lease",     "members",
                                           "members_removed", "meta"};

enum {
    BUCKET_COUNT = ARRAY_LEN(bucket_names),
    BUCKET_KEY = 5,
    BUCKET_LEASE = 6,
    LEASE_KEY = 8,
    MEMBER_BYTES_MAX = 4096,
};

struct entry {
    struct slice key, value; /* One allocation, at key.data. */
};

struct entries {
    struct entry *items;
    size_t count, capacity;
};

struct version_entry {
    int64_t revision;
    uint32_t sub;
    const struct mvcc_version *version;
};

struct bolt_export {
    struct store_snapshot *view;
    struct entries entries[BUCKET_COUNT];
    struct lease_grant *leases;
    size_t lease_count;
    struct version_entry *versions;
    size_t version_count, version_capacity;
    struct bolt_writer *writer;
};

/* --- Making it, on the store loop. */

static void put_big(uint8_t *at, uint64_t value)
{
    for (size_t i = 0; i < 8; i++) {
        at[i] = (uint8_t)(value >> (56 - 8 * i));
    }
}

static void add_number(struct bolt_export *bolt_export, const char *key, uint64_t value)
{
    uint8_t bytes[8];
    put_big(bytes, value);
    bolt_export_add(bolt_export, "meta", slice_text(key), slice_of(bytes, sizeof(bytes)));
}

static void add_revision(struct bolt_export *bolt_export, const char *key, int64_t revision)
{
    uint8_t bytes[BOLT_TOMBSTONE_KEY];
    size_t len = bolt_put_revision(bytes, &(struct bolt_revision){.main = revision});
    bolt_export_add(bolt_export, "meta", slice_text(key), slice_of(bytes, len));
}

struct bolt_export *bolt_export_new(struct store_state *state)
{
    struct bolt_export *bolt_export = alloc_zeroed(sizeof(*bolt_export));
    bolt_export->view = mvcc_view(state->mvcc);
    size_t count = lease_table_count(state->leases);
    bolt_export->leases = alloc_array(count + 1, sizeof(*bolt_export->leases));
    (void)lease_table_grants(state->leases, bolt_export->leases, count);
    bolt_export->lease_count = count;
    add_number(bolt_export, "consistent_index", state->applied_index);
    if (bolt_export->view->compact_revision > 0) {
        add_revision(bolt_export, "finishedCompactRev", bolt_export->view->compact_revision);
        add_revision(bolt_export, "scheduledCompactRev", bolt_export->view->compact_revision);
    }
    bolt_export_auth(bolt_export, state->auth);
    /* The oldest etcd that can read the rest: a newer one only raises it. */
    bolt_export_add(bolt_export, "cluster", slice_text("clusterVersion"), slice_text("3.4.0"));
    return bolt_export;
}

void bolt_export_free(struct bolt_export *bolt_export)
{
    if (bolt_export == NULL) {
        return;
    }
    bolt_writer_free(bolt_export->writer);
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        for (size_t k = 0; k < bolt_export->entries[i].count; k++) {
            free((void *)(uintptr_t)bolt_export->entries[i].items[k].key.data);
        }
        free(bolt_export->entries[i].items);
    }
    free(bolt_export->leases);
    free(bolt_export->versions);
    store_snapshot_unref(bolt_export->view);
    free(bolt_export);
}

void bolt_export_add(struct bolt_export *bolt_export, const char *bucket, struct slice key,
                     struct slice value)
{
    size_t at = 0;
    while (at < BUCKET_COUNT && strcmp(bucket_names[at], bucket) != 0) {
        at++;
    }
    assert(at < BUCKET_COUNT);
    assert(at != BUCKET_KEY && at != BUCKET_LEASE);
    struct entries *entries = &bolt_export->entries[at];
    if (entries->count == entries->capacity) {
        entries->capacity = entries->capacity == 0 ? 8 : 2 * entries->capacity;
        entries->items = alloc_resize(entries->items, entries->capacity, sizeof(*entries->items));
    }
    uint8_t *bytes = alloc_bytes(key.len + value.len + 1);
    memcpy(bytes, key.data, key.len);
    if (value.len > 0) {
        memcpy(bytes + key.len, value.data, value.len);
    }
    entries->items[entries->count++] = (struct entry){
        .key = slice_of(bytes, key.len), .value = slice_of(bytes + key.len, value.len)};
}

/* Names and URLs hold no character that JSON would want escaped, but this does not rely on it. */
static void put_json_text(struct buffer *out, const char *text)
{
    buffer_append_byte(out, '"');
    for (; *text != '\0'; text++) {
        uint8_t byte = (uint8_t)*text;
        if (byte == '"' || byte == '\\') {
            buffer_append_byte(out, '\\');
        }
        if (byte >= 0x20) {
            buffer_append_byte(out, byte);
        }
    }
    buffer_append_byte(out, '"');
}

static void put_json_urls(struct buffer *out, const char *list)
{
    struct slice url;
    buffer_append_byte(out, '[');
    for (bool first = true; url_list_next(&list, &url); first = false) {
        CLEANUP(alloc_freep) char *text = alloc_text_n((const char *)url.data, url.len);
        buffer_append_text(out, first ? "" : ",");
        put_json_text(out, text);
    }
    buffer_append_byte(out, ']');
}

void bolt_export_add_member(struct bolt_export *bolt_export, const struct bolt_member *member)
{
    CLEANUP(buffer_release) struct buffer key;
    CLEANUP(buffer_release) struct buffer json;
    buffer_init(&key, MEMBER_BYTES_MAX);
    buffer_init(&json, MEMBER_BYTES_MAX);
    buffer_printf(&key, "%" PRIx64, member->id);
    buffer_printf(&json, "{\"id\":%" PRIu64 ",\"peerURLs\":", member->id);
    put_json_urls(&json, member->peer_urls);
    if (member->learner) {
        buffer_append_text(&json, ",\"isLearner\":true");
    }
    buffer_append_text(&json, ",\"name\":");
    put_json_text(&json, member->name);
    if (member->client_urls != NULL) {
        buffer_append_text(&json, ",\"clientURLs\":");
        put_json_urls(&json, member->client_urls);
    }
    buffer_append_text(&json, "}");
    bolt_export_add(bolt_export, "members", buffer_slice(&key), buffer_slice(&json));
}

/* --- Ordering, anywhere. */

/* What compaction has logically dropped is left out, trimmed or not. */
static void collect_key(struct bolt_export *bolt_export, const struct mvcc_version *head)
{
    size_t kept = mvcc_kept(head, bolt_export->view->compact_revision);
    while (bolt_export->version_capacity - bolt_export->version_count < kept) {
        bolt_export->version_capacity =
            bolt_export->version_capacity == 0 ? 1024 : 2 * bolt_export->version_capacity;
        bolt_export->versions = alloc_resize(bolt_export->versions, bolt_export->version_capacity,
                                             sizeof(*bolt_export->versions));
    }
    for (const struct mvcc_version *v = head; kept > 0; v = v->older, kept--) {
        bolt_export->versions[bolt_export->version_count++] =
            (struct version_entry){.revision = v->kv->mod_revision, .sub = v->sub, .version = v};
    }
}

static int by_revision(const void *left, const void *right)
{
    const struct version_entry *a = left;
    const struct version_entry *b = right;
    if (a->revision != b->revision) {
        return a->revision < b->revision ? -1 : 1;
    }
    return a->sub < b->sub ? -1 : a->sub > b->sub;
}

static int by_key(const void *left, const void *right)
{
    return slice_compare(((const struct entry *)left)->key, ((const struct entry *)right)->key);
}

/* As a number with its sign taken for a digit, like the big-endian key. */
static int by_lease(const void *left, const void *right)
{
    uint64_t a = (uint64_t)((const struct lease_grant *)left)->id;
    uint64_t b = (uint64_t)((const struct lease_grant *)right)->id;
    return a < b ? -1 : a > b;
}

static void order(struct bolt_export *bolt_export)
{
    struct cow_cursor cursor;
    cow_cursor_open(&cursor, bolt_export->view->keys);
    for (bool at = cow_cursor_first(&cursor); at; at = cow_cursor_next(&cursor)) {
        collect_key(bolt_export, cow_cursor_value(&cursor));
    }
    if (bolt_export->version_count > 0) {
        qsort(bolt_export->versions, bolt_export->version_count, sizeof(*bolt_export->versions),
              by_revision);
    }
    qsort(bolt_export->leases, bolt_export->lease_count, sizeof(*bolt_export->leases), by_lease);
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        struct entries *entries = &bolt_export->entries[i];
        if (entries->count > 0) {
            qsort(entries->items, entries->count, sizeof(*entries->items), by_key);
        }
    }
}

/* --- Sources. */

static void entry_measure(void *data, uint64_t index, size_t *ret_key_len, size_t *ret_value_len)
{
    const struct entries *entries = data;
    *ret_key_len = entries->items[index].key.len;
    *ret_value_len = entries->items[index].value.len;
}

static void entry_key(void *data, uint64_t index, struct buffer *out)
{
    const struct entries *entries = data;
    buffer_append_slice(out, entries->items[index].key);
}

static void entry_value(void *data, uint64_t index, struct buffer *out)
{
    const struct entries *entries = data;
    buffer_append_slice(out, entries->items[index].value);
}

static void lease_key(void *data, uint64_t index, struct buffer *out)
{
    const struct bolt_export *bolt_export = data;
    uint8_t bytes[LEASE_KEY];
    put_big(bytes, (uint64_t)bolt_export->leases[index].id);
    buffer_append(out, bytes, sizeof(bytes));
}

static void lease_value(void *data, uint64_t index, struct buffer *out)
{
    const struct bolt_export *bolt_export = data;
    bolt_put_lease(bolt_export->leases[index].id, bolt_export->leases[index].ttl_s, out);
}

static void lease_measure(void *data, uint64_t index, size_t *ret_key_len, size_t *ret_value_len)
{
    CLEANUP(buffer_release) struct buffer value;
    buffer_init(&value, MEMBER_BYTES_MAX);
    lease_value(data, index, &value);
    *ret_key_len = LEASE_KEY;
    *ret_value_len = value.len;
}

static struct bolt_key_value key_value(const struct mvcc_version *version)
{
    const struct store_kv *kv = version->kv;
    if (mvcc_is_tombstone(version)) {
        return (struct bolt_key_value){.key = kv->key};
    }
    return (struct bolt_key_value){.key = kv->key,
                                   .value = kv->value,
                                   .create_revision = kv->create_revision,
                                   .mod_revision = kv->mod_revision,
                                   .version = kv->version,
                                   .lease = kv->lease};
}

static void version_measure(void *data, uint64_t index, size_t *ret_key_len, size_t *ret_value_len)
{
    const struct bolt_export *bolt_export = data;
    const struct mvcc_version *version = bolt_export->versions[index].version;
    const struct bolt_key_value kv = key_value(version);
    *ret_key_len = mvcc_is_tombstone(version) ? BOLT_TOMBSTONE_KEY : BOLT_REVISION_KEY;
    *ret_value_len = bolt_key_value_size(&kv);
}

static void version_key(void *data, uint64_t index, struct buffer *out)
{
    const struct bolt_export *bolt_export = data;
    const struct version_entry *entry = &bolt_export->versions[index];
    uint8_t bytes[BOLT_TOMBSTONE_KEY];
    const struct bolt_revision revision = {
        .main = entry->revision, .sub = entry->sub, .tombstone = mvcc_is_tombstone(entry->version)};
    size_t len = bolt_put_revision(bytes, &revision);
    buffer_append(out, bytes, len);
}

static void version_value(void *data, uint64_t index, struct buffer *out)
{
    const struct bolt_export *bolt_export = data;
    const struct bolt_key_value kv = key_value(bolt_export->versions[index].version);
    bolt_put_key_value(&kv, out);
}

struct bolt_writer *bolt_export_writer(struct bolt_export *bolt_export)
{
    assert(bolt_export->writer == NULL);
    order(bolt_export);
    bolt_export->writer = bolt_writer_new();
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        struct bolt_source source = {.name = bucket_names[i],
                                     .count = bolt_export->entries[i].count,
                                     .measure = entry_measure,
                                     .key = entry_key,
                                     .value = entry_value,
                                     .data = &bolt_export->entries[i]};
        if (i == BUCKET_KEY) {
            source = (struct bolt_source){bucket_names[i], bolt_export->version_count,
                                          version_measure, version_key,
                                          version_value,   bolt_export};
        } else if (i == BUCKET_LEASE) {
            source = (struct bolt_source){bucket_names[i], bolt_export->lease_count,
                                          lease_measure,   lease_key,
                                          lease_value,     bolt_export};
        }
        bolt_writer_add(bolt_export->writer, &source);
    }
    bolt_writer_plan(bolt_export->writer);
    return bolt_export->writer;
}
