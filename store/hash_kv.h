/* The hash of all versions of all keys that etcd's HashKV computes, so that it can be compared
 * between members and between etcd and us: CRC-32C of "key" and then, by revision, of key and value
 * as etcd's file has them. Pure; any thread. */
#ifndef STORE_HASH_KV_H
#define STORE_HASH_KV_H
#include "store/store.h"

/* Of what the history up to `revision` (0: the newest) is made of. 0; STORE_COMPACTED when that is
 * at or below the compaction; STORE_FUTURE_REVISION. */
MUST_USE int store_hash_kv(const struct store_snapshot *snapshot, int64_t revision,
                           uint32_t *ret_hash);
#endif
