#include "store/bolt_format.h"

#include "store/pb_fields.h"
#include <errno.h>

#define META_MAGIC UINT32_C(0xED0CDAED)

enum { META_VERSION = 2, META_SUMMED = BOLT_META - 8 };

uint64_t bolt_get(const uint8_t *at, size_t len)
{
    uint64_t value = 0;
    for (size_t i = len; i-- > 0;) {
        value = value << 8 | at[i];
    }
    return value;
}

void bolt_put(uint8_t *at, uint64_t value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

void bolt_put_page_head(uint8_t *at, uint64_t id, unsigned flags, size_t count, uint64_t overflow)
{
    bolt_put(at, id, 8);
    bolt_put(at + 8, flags, 2);
    bolt_put(at + 10, count, 2);
    bolt_put(at + 12, overflow, 4);
}

/* FNV-1a, 64 bits. */
static uint64_t meta_sum(const uint8_t *at)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < META_SUMMED; i++) {
        sum = (sum ^ at[i]) * UINT64_C(0x100000001b3);
    }
    return sum;
}

void bolt_put_meta(uint8_t *at, const struct bolt_meta *meta)
{
    memset(at, 0, BOLT_META);
    bolt_put(at, META_MAGIC, 4);
    bolt_put(at + 4, META_VERSION, 4);
    bolt_put(at + 8, meta->page_size, 4);
    bolt_put(at + 16, meta->root, 8);
    bolt_put(at + 32, meta->freelist, 8);
    bolt_put(at + 40, meta->pages, 8);
    bolt_put(at + 48, meta->transaction, 8);
    bolt_put(at + META_SUMMED, meta_sum(at), 8);
}

int bolt_get_meta(const uint8_t *at, struct bolt_meta *ret_meta)
{
    if (bolt_get(at, 4) != META_MAGIC || bolt_get(at + 4, 4) != META_VERSION ||
        bolt_get(at + META_SUMMED, 8) != meta_sum(at)) {
        return -EBADMSG;
    }
    *ret_meta = (struct bolt_meta){.page_size = (uint32_t)bolt_get(at + 8, 4),
                                   .root = bolt_get(at + 16, 8),
                                   .freelist = bolt_get(at + 32, 8),
                                   .pages = bolt_get(at + 40, 8),
                                   .transaction = bolt_get(at + 48, 8)};
    return 0;
}

/* --- Revisions: big-endian, so that they sort. */

static void put_big(uint8_t *at, uint64_t value)
{
    for (size_t i = 0; i < 8; i++) {
        at[i] = (uint8_t)(value >> (56 - 8 * i));
    }
}

static uint64_t get_big(const uint8_t *at)
{
    uint64_t value = 0;
    for (size_t i = 0; i < 8; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

size_t bolt_put_revision(uint8_t *at, const struct bolt_revision *revision)
{
    put_big(at, (uint64_t)revision->main);
    at[8] = '_';
    put_big(at + 9, revision->sub);
    if (!revision->tombstone) {
        return BOLT_REVISION_KEY;
    }
    at[BOLT_REVISION_KEY] = 't';
    return BOLT_TOMBSTONE_KEY;
}

int bolt_get_revision(struct slice key, struct bolt_revision *ret_revision)
{
    bool tombstone = key.len == BOLT_TOMBSTONE_KEY;
    if ((!tombstone && key.len != BOLT_REVISION_KEY) || key.data[8] != '_' ||
        (tombstone && key.data[BOLT_REVISION_KEY] != 't')) {
        return -EBADMSG;
    }
    uint64_t main = get_big(key.data);
    uint64_t sub = get_big(key.data + 9);
    if (main > INT64_MAX || sub > UINT32_MAX) {
        return -EBADMSG;
    }
    *ret_revision =
        (struct bolt_revision){.main = (int64_t)main, .sub = (uint32_t)sub, .tombstone = tombstone};
    return 0;
}

/* --- mvccpb.KeyValue: key 1, create_revision 2, mod_revision 3, version 4, value 5, lease 6. */

size_t bolt_key_value_size(const struct bolt_key_value *kv)
{
    return pb_bytes_size(kv->key) + pb_number_size(kv->create_revision) +
           pb_number_size(kv->mod_revision) + pb_number_size(kv->version) +
           pb_bytes_size(kv->value) + pb_number_size(kv->lease);
}

void bolt_put_key_value(const struct bolt_key_value *kv, struct buffer *out)
{
    pb_put_bytes(out, 1, kv->key);
    pb_put_number(out, 2, kv->create_revision);
    pb_put_number(out, 3, kv->mod_revision);
    pb_put_number(out, 4, kv->version);
    pb_put_bytes(out, 5, kv->value);
    pb_put_number(out, 6, kv->lease);
}

int bolt_get_key_value(struct slice bytes, struct bolt_key_value *ret_kv)
{
    struct bolt_key_value kv = {0};
    struct slice *const texts[] = {[1] = &kv.key, [5] = &kv.value};
    int64_t *const numbers[] = {
        [2] = &kv.create_revision, [3] = &kv.mod_revision, [4] = &kv.version, [6] = &kv.lease};
    while (bytes.len > 0) {
        struct pb_field field;
        if (pb_get_field(&bytes, &field) < 0) {
            return -EBADMSG;
        }
        if (field.type == PB_BYTES && field.number < ARRAY_LEN(texts) &&
            texts[field.number] != NULL) {
            *texts[field.number] = field.bytes;
        } else if (field.type == PB_VARINT && field.number < ARRAY_LEN(numbers) &&
                   numbers[field.number] != NULL) {
            *numbers[field.number] = (int64_t)field.value;
        }
    }
    *ret_kv = kv;
    return 0;
}

/* --- leasepb.Lease: ID 1, TTL 2. */

void bolt_put_lease(int64_t id, int64_t ttl_s, struct buffer *out)
{
    pb_put_number(out, 1, id);
    pb_put_number(out, 2, ttl_s);
}

int bolt_get_lease(struct slice bytes, int64_t *ret_id, int64_t *ret_ttl_s)
{
    int64_t numbers[3] = {0};
    while (bytes.len > 0) {
        struct pb_field field;
        if (pb_get_field(&bytes, &field) < 0) {
            return -EBADMSG;
        }
        if (field.type == PB_VARINT && field.number < ARRAY_LEN(numbers)) {
            numbers[field.number] = (int64_t)field.value;
        }
    }
    *ret_id = numbers[1];
    *ret_ttl_s = numbers[2];
    return 0;
}
