/* Transactions as etcd's messages, with the names of there, and their answers back. Pure. */
#ifndef STORE_REMOTE_CODEC_H
#define STORE_REMOTE_CODEC_H
#include "etcd/rpc.pb-c.h"
#include "lib/base/arena.h"
#include "store/remote/keys.h"
#include "store/remote/mirror.h"
#include "store/txn.h"

static inline struct slice remote_slice(ProtobufCBinaryData bytes)
{
    return slice_of(bytes.data, bytes.len);
}

static inline ProtobufCBinaryData remote_bytes(struct slice bytes)
{
    /* Encoding does not write to it; protobuf-c has no const form. */
    return (ProtobufCBinaryData){.len = bytes.len, .data = (uint8_t *)(uintptr_t)bytes.data};
}

/* Appends the encoded message; buffer_error() tells when it did not fit. */
void remote_pack(const ProtobufCMessage *message, struct buffer *out);
/* In the arena, whose limit bounds it; NULL when malformed or too large. */
void *remote_unpack(const ProtobufCMessageDescriptor *descriptor, struct arena *arena,
                    struct slice bytes);

/* Appends an encoded TxnRequest. -EINVAL for keys that the cluster cannot have there (a range must
 * lie among objects, or among Coracle's own keys). */
MUST_USE int remote_txn_encode(const struct remote_keys *keys, const struct store_txn *txn,
                               struct buffer *out);
/* The result, with the names of here; one reference is the caller's. -EPROTO when the answer is not
 * one to such a transaction. */
MUST_USE int remote_txn_decode(const struct remote_keys *keys, struct slice response,
                               struct store_txn_result **ret_result);
struct mirror_entry remote_entry(const Mvccpb__KeyValue *kv); /* Borrows its bytes. */
/* Whether manual progress is told after all events before it: etcd from 3.4.25 and 3.5.8 on (its
 * issue 15220). `version` as in StatusResponse. */
bool remote_progress_is_ordered(const char *version);
#endif
