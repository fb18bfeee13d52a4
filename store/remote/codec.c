#include "store/remote/codec.h"

#include "lib/base/alloc.h"
#include "store/remote/limits.h"
#include <errno.h>
#include <stdlib.h>

enum { ARENA_SLACK = 64 * 1024 };

static void *arena_pb_alloc(void *data, size_t size)
{
    return arena_left(data) < size + ARENA_SLACK ? NULL : arena_alloc(data, size);
}

static void arena_pb_free(void *data, void *memory)
{
    (void)data;
    (void)memory;
}

void remote_pack(const ProtobufCMessage *message, struct buffer *out)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = buffer_reserve(out, len + 1);
    if (bytes != NULL) {
        buffer_commit(out, protobuf_c_message_pack(message, bytes));
    }
}

void *remote_unpack(const ProtobufCMessageDescriptor *descriptor, struct arena *arena,
                    struct slice bytes)
{
    ProtobufCAllocator allocator = {
        .alloc = arena_pb_alloc, .free = arena_pb_free, .allocator_data = arena};
    return protobuf_c_message_unpack(descriptor, &allocator, bytes.len, bytes.data);
}

/* --- Requests. */

struct encoder {
    const struct remote_keys *keys;
    struct arena *arena;
    int status;
};

static ProtobufCBinaryData key_there(struct encoder *encoder, struct slice here)
{
    CLEANUP(buffer_release) struct buffer key;
    buffer_init(&key, REMOTE_KEY_MAX);
    if (remote_key_there(encoder->keys, here, &key) != 0 || buffer_error(&key) != 0) {
        encoder->status = -EINVAL;
    }
    return remote_bytes(arena_slice(encoder->arena, buffer_slice(&key)));
}

static ProtobufCBinaryData end_there(struct encoder *encoder, struct slice end)
{
    return end.len == 0 ? remote_bytes(end) : key_there(encoder, end);
}

static Etcdserverpb__Compare *encode_compare(struct encoder *encoder,
                                             const struct store_compare *compare)
{
    Etcdserverpb__Compare *message = arena_alloc(encoder->arena, sizeof(*message));
    etcdserverpb__compare__init(message);
    message->result = (Etcdserverpb__Compare__CompareResult)compare->op;
    message->target = (Etcdserverpb__Compare__CompareTarget)compare->target;
    message->key = key_there(encoder, compare->key);
    message->range_end = end_there(encoder, compare->end);
    switch (compare->target) {
    case STORE_COMPARE_VERSION:
        message->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION;
        message->version = compare->number;
        break;
    case STORE_COMPARE_CREATE:
        message->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION;
        message->create_revision = compare->number;
        break;
    case STORE_COMPARE_MOD:
        message->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION;
        message->mod_revision = compare->number;
        break;
    case STORE_COMPARE_VALUE:
        message->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE;
        message->value = remote_bytes(compare->value);
        break;
    case STORE_COMPARE_LEASE:
        message->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE;
        message->lease = remote_lease(encoder->keys, compare->number);
        break;
    }
    return message;
}

static Etcdserverpb__RangeRequest *encode_range(struct encoder *encoder,
                                                const struct store_range *range)
{
    Etcdserverpb__RangeRequest *message = arena_alloc(encoder->arena, sizeof(*message));
    etcdserverpb__range_request__init(message);
    message->key = key_there(encoder, range->key);
    message->range_end = end_there(encoder, range->end);
    message->limit = range->limit;
    message->revision = range->revision;
    message->sort_order = (Etcdserverpb__RangeRequest__SortOrder)range->sort_order;
    message->sort_target = (Etcdserverpb__RangeRequest__SortTarget)range->sort_target;
    message->keys_only = range->keys_only;
    message->count_only = range->count_only;
    message->min_mod_revision = range->min_mod_revision;
    message->max_mod_revision = range->max_mod_revision;
    message->min_create_revision = range->min_create_revision;
    message->max_create_revision = range->max_create_revision;
    return message;
}

static Etcdserverpb__PutRequest *encode_put(struct encoder *encoder, const struct store_put *put)
{
    Etcdserverpb__PutRequest *message = arena_alloc(encoder->arena, sizeof(*message));
    etcdserverpb__put_request__init(message);
    message->key = key_there(encoder, put->key);
    message->value = remote_bytes(put->value);
    message->lease = remote_lease(encoder->keys, put->lease);
    message->prev_kv = put->prev_kv;
    message->ignore_value = put->ignore_value;
    message->ignore_lease = put->ignore_lease;
    return message;
}

static Etcdserverpb__DeleteRangeRequest *encode_delete(struct encoder *encoder,
                                                       const struct store_delete *request)
{
    Etcdserverpb__DeleteRangeRequest *message = arena_alloc(encoder->arena, sizeof(*message));
    etcdserverpb__delete_range_request__init(message);
    message->key = key_there(encoder, request->key);
    message->range_end = end_there(encoder, request->end);
    message->prev_kv = request->prev_kv;
    return message;
}

static Etcdserverpb__TxnRequest *encode_txn(struct encoder *encoder, const struct store_txn *txn);

static Etcdserverpb__RequestOp *encode_op(struct encoder *encoder, const struct store_op *op)
{
    Etcdserverpb__RequestOp *message = arena_alloc(encoder->arena, sizeof(*message));
    etcdserverpb__request_op__init(message);
    switch (op->kind) {
    case STORE_OP_RANGE:
        message->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
        message->request_range = encode_range(encoder, &op->range);
        break;
    case STORE_OP_PUT:
        message->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
        message->request_put = encode_put(encoder, &op->put);
        break;
    case STORE_OP_DELETE:
        message->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
        message->request_delete_range = encode_delete(encoder, &op->delete_range);
        break;
    case STORE_OP_TXN:
        message->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN;
        message->request_txn = encode_txn(encoder, op->txn);
        break;
    }
    return message;
}

static Etcdserverpb__RequestOp **encode_ops(struct encoder *encoder, const struct store_op *ops,
                                            size_t count)
{
    Etcdserverpb__RequestOp **messages = arena_array(encoder->arena, count + 1, sizeof(*messages));
    for (size_t i = 0; i < count; i++) {
        messages[i] = encode_op(encoder, &ops[i]);
    }
    return messages;
}

static Etcdserverpb__TxnRequest *encode_txn(struct encoder *encoder, const struct store_txn *txn)
{
    Etcdserverpb__TxnRequest *message = arena_alloc(encoder->arena, sizeof(*message));
    etcdserverpb__txn_request__init(message);
    message->n_compare = txn->compare_count;
    message->compare =
        arena_array(encoder->arena, txn->compare_count + 1, sizeof(*message->compare));
    for (size_t i = 0; i < txn->compare_count; i++) {
        message->compare[i] = encode_compare(encoder, &txn->compares[i]);
    }
    message->n_success = txn->success_count;
    message->success = encode_ops(encoder, txn->success, txn->success_count);
    message->n_failure = txn->failure_count;
    message->failure = encode_ops(encoder, txn->failure, txn->failure_count);
    return message;
}

int remote_txn_encode(const struct remote_keys *keys, const struct store_txn *txn,
                      struct buffer *out)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct encoder encoder = {.keys = keys, .arena = arena};
    const Etcdserverpb__TxnRequest *message = encode_txn(&encoder, txn);
    if (encoder.status == 0) {
        remote_pack(&message->base, out);
    }
    return encoder.status;
}

/* --- Answers. */

struct mirror_entry remote_entry(const Mvccpb__KeyValue *kv)
{
    return (struct mirror_entry){.key = remote_slice(kv->key),
                                 .value = remote_slice(kv->value),
                                 .create_revision = kv->create_revision,
                                 .mod_revision = kv->mod_revision,
                                 .version = kv->version,
                                 .lease = kv->lease};
}

/* NULL when the key is none of ours. */
static const struct store_kv *decode_kv(const struct remote_keys *keys,
                                        const Mvccpb__KeyValue *message)
{
    CLEANUP(buffer_release) struct buffer key;
    buffer_init(&key, REMOTE_KEY_MAX);
    if (remote_key_here(keys, remote_slice(message->key), &key) != 0 || buffer_error(&key) != 0) {
        return NULL;
    }
    struct store_kv *kv = store_kv_new(buffer_slice(&key), remote_slice(message->value));
    kv->create_revision = message->create_revision;
    kv->mod_revision = message->mod_revision;
    kv->version = message->version;
    kv->lease = remote_lease(keys, message->lease);
    return kv;
}

static const struct store_kv **decode_kvs(const struct remote_keys *keys,
                                          Mvccpb__KeyValue **messages, size_t count,
                                          size_t *ret_count)
{
    const struct store_kv **kvs = count == 0 ? NULL : alloc_array(count, sizeof(*kvs));
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        kvs[kept] = decode_kv(keys, messages[i]);
        kept += kvs[kept] != NULL;
    }
    *ret_count = kept;
    return kvs;
}

static void decode_range(const struct remote_keys *keys, const Etcdserverpb__RangeResponse *message,
                         struct store_op_result *ret_op)
{
    ret_op->kind = STORE_OP_RANGE;
    ret_op->range.kvs = decode_kvs(keys, message->kvs, message->n_kvs, &ret_op->range.kv_count);
    ret_op->range.count = message->count;
    ret_op->range.more = message->more;
    ret_op->range.revision = ret_op->revision;
}

static struct store_txn_result *decode_txn(const struct remote_keys *keys,
                                           const Etcdserverpb__TxnResponse *message,
                                           int64_t revision, int *status);

static void decode_op(const struct remote_keys *keys, const Etcdserverpb__ResponseOp *message,
                      struct store_op_result *ret_op, int *status)
{
    switch ((int)message->response_case) {
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE:
        decode_range(keys, message->response_range, ret_op);
        break;
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT:
        ret_op->kind = STORE_OP_PUT;
        if (message->response_put->prev_kv != NULL) {
            ret_op->put.prev_kv = decode_kv(keys, message->response_put->prev_kv);
        }
        break;
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE: {
        const Etcdserverpb__DeleteRangeResponse *deleted = message->response_delete_range;
        ret_op->kind = STORE_OP_DELETE;
        ret_op->delete_range.deleted = deleted->deleted;
        ret_op->delete_range.prev_kvs = decode_kvs(keys, deleted->prev_kvs, deleted->n_prev_kvs,
                                                   &ret_op->delete_range.prev_count);
        break;
    }
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_TXN:
        ret_op->kind = STORE_OP_TXN;
        ret_op->txn = decode_txn(keys, message->response_txn, ret_op->revision, status);
        break;
    default:
        *status = -EPROTO;
        break;
    }
}

static struct store_txn_result *decode_txn(const struct remote_keys *keys,
                                           const Etcdserverpb__TxnResponse *message,
                                           int64_t revision, int *status)
{
    struct store_txn_result *result = store_txn_result_new(message->n_responses);
    result->succeeded = message->succeeded;
    result->revision = revision;
    for (size_t i = 0; i < message->n_responses; i++) {
        result->ops[i].revision = revision;
        decode_op(keys, message->responses[i], &result->ops[i], status);
    }
    return result;
}

int remote_txn_decode(const struct remote_keys *keys, struct slice response,
                      struct store_txn_result **ret_result)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(4 * (size_t)REMOTE_MESSAGE_MAX);
    const Etcdserverpb__TxnResponse *message =
        remote_unpack(&etcdserverpb__txn_response__descriptor, arena, response);
    if (message == NULL || message->header == NULL || message->header->revision <= 0) {
        return -EPROTO;
    }
    int status = 0;
    struct store_txn_result *result = decode_txn(keys, message, message->header->revision, &status);
    if (status != 0) {
        store_txn_result_unref(result);
        return status;
    }
    *ret_result = result;
    return 0;
}

/* --- Versions. */

bool remote_progress_is_ordered(const char *version)
{
    char *end;
    long parts[3] = {0, 0, 0};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        parts[i] = strtol(version, &end, 10);
        if (end == version || parts[i] < 0) {
            return false;
        }
        version = *end == '.' ? end + 1 : end;
    }
    if (parts[0] != 3) {
        return parts[0] > 3;
    }
    return parts[1] > 5 || (parts[1] == 5 && parts[2] >= 8) || (parts[1] == 4 && parts[2] >= 25);
}
