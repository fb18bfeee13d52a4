/* The bytes of a bbolt database file, which is what `etcdctl snapshot save` stores and `restore`
 * reads: pages of 4096 bytes with little-endian heads, two meta pages, B+ trees of branch and leaf
 * pages, buckets as trees inside a tree. Pure. Source: bbolt's page.go, db.go and bucket.go, file
 * format version 2; etcd's mvcc/revision.go and kv.proto for what the buckets hold. */
#ifndef STORE_BOLT_FORMAT_H
#define STORE_BOLT_FORMAT_H
#include "lib/base/buffer.h"

enum {
    BOLT_PAGE = 4096,    /* Of files written here; others say theirs in the meta page. */
    BOLT_PAGE_HEAD = 16, /* id 8, flags 2, count 2, overflow 4 */
    BOLT_ELEMENT_HEAD =
        16,              /* leaf: flags 4, pos 4, ksize 4, vsize 4; branch: pos 4, ksize 4, id 8 */
    BOLT_META = 64,      /* After the page head; the last 8 bytes are the checksum. */
    BOLT_BUCKET = 16,    /* root 8, sequence 8; root 0: the page follows inline. */
    BOLT_DEPTH_MAX = 20, /* Levels of one tree: far above what 2^63 bytes need. */

    BOLT_REVISION_KEY = 17,  /* Main 8 big-endian, '_', sub 8 big-endian; */
    BOLT_TOMBSTONE_KEY = 18, /* and 't' for a deletion. */
};

enum bolt_page_flags { BOLT_BRANCH = 1, BOLT_LEAF = 2, BOLT_META_PAGE = 4, BOLT_FREELIST = 16 };

struct bolt_meta {
    uint32_t page_size;
    uint64_t root;     /* Page of the root bucket's tree. */
    uint64_t freelist; /* Its page. */
    uint64_t pages;    /* In use: higher ids do not exist. */
    uint64_t transaction;
};

uint64_t bolt_get(const uint8_t *at, size_t len); /* Little-endian, `len` bytes. */
void bolt_put(uint8_t *at, uint64_t value, size_t len);
void bolt_put_page_head(uint8_t *at, uint64_t id, unsigned flags, size_t count, uint64_t overflow);
void bolt_put_meta(uint8_t *at, const struct bolt_meta *meta); /* BOLT_META bytes. */
/* 0 or -EBADMSG: magic, version or checksum are not those of a meta page. */
MUST_USE int bolt_get_meta(const uint8_t *at, struct bolt_meta *ret_meta);

struct bolt_revision {
    int64_t main;
    uint32_t sub;
    bool tombstone;
};

/* Writes BOLT_REVISION_KEY or BOLT_TOMBSTONE_KEY bytes; returns how many. */
size_t bolt_put_revision(uint8_t *at, const struct bolt_revision *revision);
MUST_USE int bolt_get_revision(struct slice key, struct bolt_revision *ret_revision); /* -EBADMSG */

/* mvccpb.KeyValue; of a deletion only the key is set. */
struct bolt_key_value {
    struct slice key, value;
    int64_t create_revision, mod_revision, version, lease;
};

size_t bolt_key_value_size(const struct bolt_key_value *kv);
void bolt_put_key_value(const struct bolt_key_value *kv, struct buffer *out);
/* Slices point into `bytes`. Unknown fields are skipped. -EBADMSG. */
MUST_USE int bolt_get_key_value(struct slice bytes, struct bolt_key_value *ret_kv);

/* leasepb.Lease: id and granted time to live. */
void bolt_put_lease(int64_t id, int64_t ttl_s, struct buffer *out);
MUST_USE int bolt_get_lease(struct slice bytes, int64_t *ret_id, int64_t *ret_ttl_s);
#endif
