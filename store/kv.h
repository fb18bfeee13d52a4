/* One version of one key: immutable, atomically refcounted, shared by history, results, watches and
 * caches on any thread. Pure. */
#ifndef STORE_KV_H
#define STORE_KV_H
#include "lib/base/compiler.h"
#include "lib/base/slice.h"
#include <stdatomic.h>

struct store_kv {
    struct slice key;
    struct slice value;      /* Empty in a tombstone. */
    int64_t create_revision; /* 0 in a tombstone. */
    int64_t mod_revision;
    int64_t version; /* 1 for the first put after creation; 0 in a tombstone. */
    int64_t lease;   /* 0 for none. */
    _Atomic uint32_t refs;
    uint16_t room; /* Bytes before it that live as long: store_kv_new_behind(). */
    bool trimmed;  /* By compaction, from all that is current. The store loop's alone. */
};

/* Copies key and value behind the struct, in one allocation; the caller owns one reference. */
MUST_USE struct store_kv *store_kv_new(struct slice key, struct slice value);
/* The same with `room` bytes, a multiple of 8, for something else in the same allocation. */
MUST_USE struct store_kv *store_kv_new_behind(uint16_t room, struct slice key, struct slice value);
static inline void *store_kv_room(const struct store_kv *kv)
{
    return (uint8_t *)(uintptr_t)kv - kv->room;
}
const struct store_kv *store_kv_ref(const struct store_kv *kv); /* Returns kv. */
void store_kv_unref(const struct store_kv *kv);                 /* NULL is a no-op. */
#endif
