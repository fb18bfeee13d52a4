/* The Lock service (v3lockpb): the lock is held by whose turn it is, until the key is deleted. */
#include "etcd/v3lock.pb-c.h"
#include "store/etcd_turn.h"

static void lock_answer(struct etcd_turn *turn)
{
    V3lockpb__LockResponse response;
    Etcdserverpb__ResponseHeader header;
    v3lockpb__lock_response__init(&response);
    etcd_fill_header(&turn->header, &header);
    response.header = &header;
    response.key = etcd_bytes(buffer_slice(&turn->key));
    (void)etcd_send(turn->call, &response.base);
    grpc_call_finish(turn->call, GRPC_OK, NULL, slice_of(NULL, 0));
}

void etcd_lock_call(void *data, struct grpc_call *call, struct slice request)
{
    static const struct etcd_turn_kind kind = {.expired = "mutex: session is expired",
                                               .answer = lock_answer};
    const V3lockpb__LockRequest *message =
        etcd_unpack(&v3lockpb__lock_request__descriptor, grpc_call_arena(call), request);
    if (message == NULL) {
        etcd_malformed(call);
        return;
    }
    etcd_turn_start(data, call, &kind, message, etcd_slice(message->name), slice_of(NULL, 0),
                    message->lease);
}

/* --- Unlock: deletes the key, whoever holds it. */

static int unlock_prepare(struct etcd_request *request)
{
    const V3lockpb__UnlockRequest *message = request->message;
    request->op = (struct store_op){.kind = STORE_OP_DELETE,
                                    .delete_range = {.key = etcd_slice(message->key)}};
    request->txn = (struct store_txn){.success = &request->op, .success_count = 1};
    return store_txn_check(&request->txn);
}

static void unlock_answer(struct etcd_request *request)
{
    V3lockpb__UnlockResponse response;
    Etcdserverpb__ResponseHeader header;
    v3lockpb__unlock_response__init(&response);
    etcd_fill_header(&request->header, &header);
    response.header = &header;
    etcd_respond(request, &response.base);
}

const struct etcd_method etcd_lock_methods[] = {
    {"/v3lockpb.Lock/Unlock", &v3lockpb__unlock_request__descriptor, unlock_prepare, etcd_txn_run,
     unlock_answer},
    {0},
};
