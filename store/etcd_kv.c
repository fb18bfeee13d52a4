/* The KV service. A range runs on the connection's loop, on an immutable view of the state, and one
 * of many keys on a thread of the pool. */
#include "store/etcd_private.h"

#include "lib/base/alloc.h"
#include "store/txn_run.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* A loop's other connections wait for a millisecond at most. */
enum { KEYS_READ_HERE = 4096, BYTES_PACKED_HERE = 1024 * 1024 };

/* --- Requests into the store's terms. Slices point into the request's message. */

static struct store_range to_range(const Etcdserverpb__RangeRequest *message)
{
    return (struct store_range){
        .key = etcd_slice(message->key),
        .end = etcd_slice(message->range_end),
        .revision = message->revision,
        .limit = message->limit,
        .sort_order = (enum store_sort_order)message->sort_order,
        .sort_target = (enum store_sort_target)message->sort_target,
        .keys_only = message->keys_only,
        .count_only = message->count_only,
        .min_mod_revision = message->min_mod_revision,
        .max_mod_revision = message->max_mod_revision,
        .min_create_revision = message->min_create_revision,
        .max_create_revision = message->max_create_revision,
    };
}

static struct store_op put_op(const Etcdserverpb__PutRequest *message)
{
    return (struct store_op){.kind = STORE_OP_PUT,
                             .put = {.key = etcd_slice(message->key),
                                     .value = etcd_slice(message->value),
                                     .lease = message->lease,
                                     .prev_kv = message->prev_kv,
                                     .ignore_value = message->ignore_value,
                                     .ignore_lease = message->ignore_lease}};
}

static struct store_op delete_op(const Etcdserverpb__DeleteRangeRequest *message)
{
    return (struct store_op){.kind = STORE_OP_DELETE,
                             .delete_range = {.key = etcd_slice(message->key),
                                              .end = etcd_slice(message->range_end),
                                              .prev_kv = message->prev_kv}};
}

struct txn_room {
    unsigned depth;
    size_t ops; /* What the transactions around it have left of max-txn-ops, as etcd counts. */
};

static int to_txn(struct arena *arena, const Etcdserverpb__TxnRequest *message,
                  struct txn_room room, struct store_txn *ret_txn);

static int to_ops(struct arena *arena, Etcdserverpb__RequestOp **messages, size_t count,
                  struct txn_room inner, const struct store_op **ret_ops)
{
    struct store_op *ops = arena_array(arena, count + 1, sizeof(*ops));
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        const Etcdserverpb__RequestOp *message = messages[i];
        switch ((int)message->request_case) {
        case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE:
            ops[i].kind = STORE_OP_RANGE;
            ops[i].range = to_range(message->request_range);
            break;
        case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT:
            ops[i] = put_op(message->request_put);
            break;
        case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE:
            ops[i] = delete_op(message->request_delete_range);
            break;
        case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN: {
            struct store_txn *txn = arena_zeroed(arena, sizeof(*txn));
            ops[i] = (struct store_op){.kind = STORE_OP_TXN, .txn = txn};
            status = to_txn(arena, message->request_txn, inner, txn);
            break;
        }
        case ETCDSERVERPB__REQUEST_OP__REQUEST__NOT_SET:
        default:
            status = STORE_KEY_NOT_FOUND; /* As etcd says of an operation that is none. */
            break;
        }
    }
    *ret_ops = ops;
    return status;
}

static struct store_compare to_compare(const Etcdserverpb__Compare *message)
{
    struct store_compare compare = {.target = (enum store_compare_target)message->target,
                                    .op = (enum store_compare_op)message->result,
                                    .key = etcd_slice(message->key),
                                    .end = etcd_slice(message->range_end)};
    switch ((int)message->target_union_case) {
    case ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION:
        compare.number = message->version;
        break;
    case ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION:
        compare.number = message->create_revision;
        break;
    case ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION:
        compare.number = message->mod_revision;
        break;
    case ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE:
        compare.value = etcd_slice(message->value);
        break;
    case ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE:
        compare.number = message->lease;
        break;
    case ETCDSERVERPB__COMPARE__TARGET_UNION__NOT_SET:
    default:
        break; /* Zero, or empty. */
    }
    return compare;
}

static bool is_known_compare(const Etcdserverpb__Compare *message)
{
    return (int)message->target >= 0 && (int)message->target <= STORE_COMPARE_LEASE &&
           (int)message->result >= 0 && (int)message->result <= STORE_COMPARE_NOT_EQUAL;
}

static size_t count_ops(const Etcdserverpb__TxnRequest *message)
{
    size_t most = message->n_success > message->n_failure ? message->n_success : message->n_failure;
    return message->n_compare > most ? message->n_compare : most;
}

static int to_txn(struct arena *arena, const Etcdserverpb__TxnRequest *message,
                  struct txn_room room, struct store_txn *ret_txn)
{
    size_t count = count_ops(message);
    if (room.depth == 0 || count > room.ops) {
        return STORE_TOO_MANY_OPS;
    }
    struct txn_room inner = {.depth = room.depth - 1, .ops = room.ops - count};
    struct store_compare *compares = arena_array(arena, message->n_compare + 1, sizeof(*compares));
    for (size_t i = 0; i < message->n_compare; i++) {
        if (!is_known_compare(message->compare[i])) {
            return STORE_KEY_NOT_FOUND;
        }
        compares[i] = to_compare(message->compare[i]);
    }
    *ret_txn = (struct store_txn){.compares = compares,
                                  .compare_count = message->n_compare,
                                  .success_count = message->n_success,
                                  .failure_count = message->n_failure};
    int status = to_ops(arena, message->success, message->n_success, inner, &ret_txn->success);
    return status != 0
               ? status
               : to_ops(arena, message->failure, message->n_failure, inner, &ret_txn->failure);
}

/* --- Results into messages, in the request's arena. */

static Etcdserverpb__ResponseHeader *new_header(struct etcd_request *request, int64_t revision)
{
    Etcdserverpb__ResponseHeader *header = etcd_new_header(request);
    header->revision = revision;
    return header;
}

/* Inside a transaction's answer the headers say the revision only. */
static Etcdserverpb__ResponseHeader *new_inner_header(struct etcd_request *request,
                                                      int64_t revision)
{
    Etcdserverpb__ResponseHeader *header = arena_alloc(request->arena, sizeof(*header));
    etcdserverpb__response_header__init(header);
    header->revision = revision;
    return header;
}

static Mvccpb__KeyValue **new_kvs(struct etcd_request *request, const struct store_kv **kvs,
                                  size_t count, bool keys_only)
{
    Mvccpb__KeyValue *messages = arena_array(request->arena, count + 1, sizeof(*messages));
    Mvccpb__KeyValue **pointers = arena_array(request->arena, count + 1, sizeof(*pointers));
    for (size_t i = 0; i < count; i++) {
        etcd_kv_message(kvs[i], keys_only, &messages[i]);
        pointers[i] = &messages[i];
    }
    return pointers;
}

static void fill_range(struct etcd_request *request, const struct store_range_result *result,
                       Etcdserverpb__RangeResponse *response)
{
    etcdserverpb__range_response__init(response);
    response->kvs = new_kvs(request, result->kvs, result->kv_count, result->keys_only);
    response->n_kvs = result->kv_count;
    response->more = result->more;
    response->count = result->count;
}

static void fill_put(struct etcd_request *request, const struct store_op_result *op,
                     Etcdserverpb__PutResponse *response)
{
    etcdserverpb__put_response__init(response);
    if (op->put.prev_kv != NULL) {
        const struct store_kv *kv = op->put.prev_kv;
        response->prev_kv = new_kvs(request, &kv, 1, /* keys_only= */ false)[0];
    }
}

static void fill_delete(struct etcd_request *request, const struct store_op_result *op,
                        Etcdserverpb__DeleteRangeResponse *response)
{
    etcdserverpb__delete_range_response__init(response);
    response->deleted = op->delete_range.deleted;
    response->prev_kvs = new_kvs(request, op->delete_range.prev_kvs, op->delete_range.prev_count,
                                 /* keys_only= */ false);
    response->n_prev_kvs = op->delete_range.prev_count;
}

static void fill_txn(struct etcd_request *request, const struct store_txn_result *result,
                     Etcdserverpb__TxnResponse *response);

static void fill_op(struct etcd_request *request, const struct store_op_result *op,
                    Etcdserverpb__ResponseOp *response)
{
    etcdserverpb__response_op__init(response);
    switch (op->kind) {
    case STORE_OP_RANGE:
        response->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE;
        response->response_range = arena_alloc(request->arena, sizeof(*response->response_range));
        fill_range(request, &op->range, response->response_range);
        response->response_range->header = new_inner_header(request, op->revision);
        break;
    case STORE_OP_PUT:
        response->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT;
        response->response_put = arena_alloc(request->arena, sizeof(*response->response_put));
        fill_put(request, op, response->response_put);
        response->response_put->header = new_inner_header(request, op->revision);
        break;
    case STORE_OP_DELETE:
        response->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE;
        response->response_delete_range =
            arena_alloc(request->arena, sizeof(*response->response_delete_range));
        fill_delete(request, op, response->response_delete_range);
        response->response_delete_range->header = new_inner_header(request, op->revision);
        break;
    case STORE_OP_TXN:
        response->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_TXN;
        response->response_txn = arena_alloc(request->arena, sizeof(*response->response_txn));
        fill_txn(request, op->txn, response->response_txn);
        /* As etcd: only its operations say a revision. */
        response->response_txn->header = new_inner_header(request, /* revision= */ 0);
        break;
    }
}

static void fill_txn(struct etcd_request *request, const struct store_txn_result *result,
                     Etcdserverpb__TxnResponse *response)
{
    etcdserverpb__txn_response__init(response);
    response->succeeded = result->succeeded;
    Etcdserverpb__ResponseOp *ops = arena_array(request->arena, result->op_count + 1, sizeof(*ops));
    response->responses =
        arena_array(request->arena, result->op_count + 1, sizeof(*response->responses));
    response->n_responses = result->op_count;
    for (size_t i = 0; i < result->op_count; i++) {
        fill_op(request, &result->ops[i], &ops[i]);
        response->responses[i] = &ops[i];
    }
}

/* So long an answer is not made on the connection's loop. */
static bool are_long(const struct store_kv *const *kvs, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count && count <= KEYS_READ_HERE && bytes <= BYTES_PACKED_HERE; i++) {
        bytes += kvs[i]->key.len + kvs[i]->value.len;
    }
    return count > KEYS_READ_HERE || bytes > BYTES_PACKED_HERE;
}

/* --- Range. */

static int range_prepare(struct etcd_request *request)
{
    request->range = to_range(request->message);
    return store_range_check(&request->range);
}

/* After the wait: by the users and roles of the state that is read. */
static int range_permitted(struct etcd_request *request)
{
    int status = etcd_request_caller(request);
    return status != 0 ? status
                       : auth_check_range(store_auth(request->service->store), &request->caller,
                                          AUTH_READ, request->range.key, request->range.end);
}

/* The wait is over: the answer is made from a view of the state that permits it. */
static void view_ready(struct etcd_request *request, int status,
                       int (*permitted)(struct etcd_request *request))
{
    status = etcd_status_now(request->service, status);
    if (status == 0) {
        status = permitted(request);
    }
    if (status == 0) {
        request->snapshot = store_snapshot_ref(request->service->store);
    }
    etcd_request_done(request, status);
}

static void range_ready(void *data, int status)
{
    view_ready(data, status, range_permitted);
}

static void range_run(struct etcd_request *request)
{
    const Etcdserverpb__RangeRequest *message = request->message;
    if (message->serializable) {
        range_ready(request, 0);
    } else {
        store_read_barrier(request->service->store, range_ready, request);
    }
}

/* What the messages of an answer take of the arena. */
static size_t kvs_room(size_t count)
{
    return (count + 1) * (sizeof(Mvccpb__KeyValue) + sizeof(void *));
}

static size_t result_room(const struct store_txn_result *result)
{
    enum { ROOM_OF_AN_OPERATION = 512 };
    size_t room = (result->op_count + 1) * ROOM_OF_AN_OPERATION;
    for (size_t i = 0; i < result->op_count; i++) {
        const struct store_op_result *op = &result->ops[i];
        room += op->kind == STORE_OP_RANGE    ? kvs_room(op->range.kv_count)
                : op->kind == STORE_OP_DELETE ? kvs_room(op->delete_range.prev_count)
                : op->kind == STORE_OP_TXN    ? result_room(op->txn)
                                              : kvs_room(1);
    }
    return room;
}

/* False, and the client is told, when the answer would take too much memory. */
static bool has_room(struct etcd_request *request, size_t room)
{
    if (room <= arena_left(request->arena)) {
        return true;
    }
    etcd_too_large(request);
    return false;
}

static void range_respond(struct etcd_request *request, const struct store_range_result *result)
{
    Etcdserverpb__RangeResponse response;
    if (!has_room(request, kvs_room(result->kv_count))) {
        return;
    }
    fill_range(request, result, &response);
    response.header = new_header(request, result->revision);
    etcd_respond(request, &response.base);
}

static void range_compute(struct etcd_request *request)
{
    struct store_range_result result;
    request->status = store_snapshot_range(request->snapshot, &request->range, &result);
    if (request->status == 0) {
        range_respond(request, &result);
        store_range_result_release(&result);
    }
    store_snapshot_unref(TAKE(request->snapshot)); /* Here: there may be much to be freed. */
}

static void range_answer(struct etcd_request *request)
{
    struct store_range_result result;
    struct store_range range = request->range;
    range.looks_max = KEYS_READ_HERE;
    int status = store_snapshot_range(request->snapshot, &range, &result);
    if (status != 0) {
        etcd_fail(request->call, status);
        return;
    }
    if (result.given_up || are_long(result.kvs, result.kv_count)) {
        etcd_answer_compute(request, range_compute);
    } else {
        range_respond(request, &result);
    }
    store_range_result_release(&result);
}

/* --- What goes through the log. */

static void txn_done(void *data, int status, const struct store_txn_result *result)
{
    struct etcd_request *request = data;
    status = status == 0 && result->too_large ? STORE_RANGE_TOO_LARGE : status;
    request->result = status == 0 ? store_txn_result_ref(result) : NULL;
    etcd_request_done(request, status);
}

void etcd_txn_run(struct etcd_request *request)
{
    store_txn_as(request->service->store, &request->caller, &request->txn, txn_done, request);
}

/* A plain put's answer is its revision: no result is made of it. */
static void put_done(void *data, int status, int64_t revision)
{
    struct etcd_request *request = data;
    request->put_revision = revision;
    etcd_request_done(request, status);
}

static void put_run(struct etcd_request *request)
{
    struct store *store = request->service->store;
    if (request->op.put.prev_kv) {
        store_txn_as(store, &request->caller, &request->txn, txn_done, request);
    } else {
        store_put_as(store, &request->caller, &request->txn, put_done, request);
    }
}

static bool is_long(const struct store_txn_result *result)
{
    bool found = false;
    for (size_t i = 0; i < result->op_count && !found; i++) {
        const struct store_op_result *op = &result->ops[i];
        found = op->kind == STORE_OP_RANGE ? are_long(op->range.kvs, op->range.kv_count)
                : op->kind == STORE_OP_DELETE
                    ? are_long(op->delete_range.prev_kvs, op->delete_range.prev_count)
                    : op->kind == STORE_OP_TXN && is_long(op->txn);
    }
    return found;
}

static void answer_by_length(struct etcd_request *request,
                             void (*respond)(struct etcd_request *request))
{
    if (is_long(request->result)) {
        etcd_answer_compute(request, respond);
    } else {
        respond(request);
    }
}

static int single_prepare(struct etcd_request *request, struct store_op op)
{
    request->op = op;
    request->txn = (struct store_txn){.success = &request->op, .success_count = 1};
    return store_txn_check(&request->txn);
}

static int put_prepare(struct etcd_request *request)
{
    return single_prepare(request, put_op(request->message));
}

static void put_answer(struct etcd_request *request)
{
    Etcdserverpb__PutResponse response;
    int64_t revision = request->put_revision;
    etcdserverpb__put_response__init(&response);
    if (request->result != NULL) {
        assert(request->result->op_count == 1);
        fill_put(request, &request->result->ops[0], &response);
        revision = request->result->revision;
    }
    response.header = new_header(request, revision);
    etcd_respond(request, &response.base);
}

static int delete_prepare(struct etcd_request *request)
{
    return single_prepare(request, delete_op(request->message));
}

static void delete_respond(struct etcd_request *request)
{
    Etcdserverpb__DeleteRangeResponse response;
    assert(request->result->op_count == 1);
    if (!has_room(request, result_room(request->result))) {
        return;
    }
    fill_delete(request, &request->result->ops[0], &response);
    response.header = new_header(request, request->result->revision);
    etcd_respond(request, &response.base);
}

static void delete_answer(struct etcd_request *request)
{
    answer_by_length(request, delete_respond);
}

static int txn_prepare(struct etcd_request *request)
{
    const struct txn_room room = {.depth = STORE_TXN_DEPTH_MAX, .ops = STORE_TXN_OPS_MAX};
    int status = to_txn(request->arena, request->message, room, &request->txn);
    return status != 0 ? status : store_txn_check(&request->txn);
}

static void txn_respond(struct etcd_request *request)
{
    Etcdserverpb__TxnResponse response;
    if (!has_room(request, result_room(request->result))) {
        return;
    }
    fill_txn(request, request->result, &response);
    response.header = new_header(request, request->result->revision);
    etcd_respond(request, &response.base);
}

/* --- A transaction that only reads: no log entry, and as a range on a view. */

static int reads_permitted(struct etcd_request *request)
{
    int status = etcd_request_caller(request);
    return status != 0
               ? status
               : store_auth_check_read(request->service->store, &request->caller, &request->txn);
}

static void reads_ready(void *data, int status)
{
    view_ready(data, status, reads_permitted);
}

static void reads_compute(struct etcd_request *request)
{
    request->status = txn_read(request->snapshot, request->arena, &request->txn,
                               /* looks_max= */ 0, &request->result);
    if (request->status == 0) {
        txn_respond(request);
    }
    store_txn_result_unref(TAKE(request->result)); /* Here: there may be much to be freed. */
    store_snapshot_unref(TAKE(request->snapshot));
}

static void reads_answer(struct etcd_request *request)
{
    int status = txn_read(request->snapshot, request->arena, &request->txn, KEYS_READ_HERE,
                          &request->result);
    if (status == -EINTR || (status == 0 && is_long(request->result))) {
        store_txn_result_unref(TAKE(request->result));
        etcd_answer_compute(request, reads_compute);
    } else if (status != 0) {
        etcd_fail(request->call, status);
    } else {
        txn_respond(request);
    }
}

static void txn_run(struct etcd_request *request)
{
    if (store_txn_is_read_only(&request->txn)) {
        store_read_barrier(request->service->store, reads_ready, request);
    } else {
        etcd_txn_run(request);
    }
}

static void txn_answer(struct etcd_request *request)
{
    if (request->snapshot != NULL) {
        reads_answer(request);
    } else {
        answer_by_length(request, txn_respond);
    }
}

static void compact_done(void *data, int status, int64_t revision)
{
    (void)revision;
    etcd_request_done(data, status);
}

static void compact_run(struct etcd_request *request)
{
    const Etcdserverpb__CompactionRequest *message = request->message;
    store_compact_as(request->service->store, &request->caller, message->revision, compact_done,
                     request);
}

static void compact_answer(struct etcd_request *request)
{
    Etcdserverpb__CompactionResponse response;
    etcdserverpb__compaction_response__init(&response);
    response.header = new_header(request, request->header.revision);
    etcd_respond(request, &response.base);
}

const struct etcd_method etcd_kv_methods[] = {
    {"/etcdserverpb.KV/Range", &etcdserverpb__range_request__descriptor, range_prepare, range_run,
     range_answer},
    {"/etcdserverpb.KV/Put", &etcdserverpb__put_request__descriptor, put_prepare, put_run,
     put_answer},
    {"/etcdserverpb.KV/DeleteRange", &etcdserverpb__delete_range_request__descriptor,
     delete_prepare, etcd_txn_run, delete_answer},
    {"/etcdserverpb.KV/Txn", &etcdserverpb__txn_request__descriptor, txn_prepare, txn_run,
     txn_answer},
    {"/etcdserverpb.KV/Compact", &etcdserverpb__compaction_request__descriptor, NULL, compact_run,
     compact_answer},
    {0},
};
