/* Compaction of etcd, as kube-apiserver does it (its storage/etcd3/compact.go describes the
 * protocol): every period each server tries to write the revision of now under `compact_rev_key`,
 * on condition that nobody has since it looked last; who succeeds compacts to the revision of then.
 * So a revision stays readable for one to two periods, whatever mix of servers shares the etcd. The
 * mirror's own history is cut at the same pace. */
#include "store/remote/remote_private.h"

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include <inttypes.h>
#include <stdio.h>

#define COMPACT_KEY "compact_rev_key"

static void compacted(void *data, const struct grpc_status *status, struct slice response)
{
    struct remote_store *remote = data;
    (void)response;
    (void)remote;
    if (status->code != GRPC_OK && status->code != GRPC_CANCELLED &&
        store_status_of_text(status->message) != STORE_COMPACTED) {
        LOG_WARN("store", "etcd was not compacted; the next period tries again",
                 KV_TEXT("reason", status->message));
    }
}

static void compact_at(struct remote_store *remote, int64_t revision)
{
    Etcdserverpb__CompactionRequest request = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    request.revision = revision;
    (void)remote_request(remote, "/etcdserverpb.KV/Compact", &request.base, REMOTE_PAGE_MS,
                         compacted, remote);
}

static void key_written(void *data, const struct grpc_status *status, struct slice response)
{
    struct remote_store *remote = data;
    struct compact *compact = &remote->compact;
    CLEANUP(arena_freep) struct arena *arena = arena_new(REMOTE_MESSAGE_MAX);
    if (status->code != GRPC_OK) {
        return; /* The next period tries again. */
    }
    const Etcdserverpb__TxnResponse *message =
        remote_unpack(&etcdserverpb__txn_response__descriptor, arena, response);
    if (message == NULL || message->header == NULL || message->n_responses != 1) {
        return;
    }
    int64_t target = compact->revision;
    compact->revision = message->header->revision;
    if (message->succeeded) {
        compact->version++;
        if (target > 0 && link_up(remote)) {
            compact_at(remote, target);
        }
        return;
    }
    const Etcdserverpb__ResponseOp *op = message->responses[0];
    bool found = op->response_case == ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE &&
                 op->response_range->n_kvs == 1;
    compact->version = found ? op->response_range->kvs[0]->version : 0;
}

static void write_key(struct remote_store *remote)
{
    char value[24];
    snprintf(value, sizeof(value), "%" PRId64, remote->compact.revision);
    ProtobufCBinaryData key = remote_bytes(slice_text(COMPACT_KEY));
    Etcdserverpb__Compare compare = ETCDSERVERPB__COMPARE__INIT;
    compare.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION;
    compare.key = key;
    compare.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION;
    compare.version = remote->compact.version;
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    put.key = key;
    put.value = remote_bytes(slice_text(value));
    Etcdserverpb__RequestOp success = ETCDSERVERPB__REQUEST_OP__INIT;
    success.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    success.request_put = &put;
    Etcdserverpb__RangeRequest range = ETCDSERVERPB__RANGE_REQUEST__INIT;
    range.key = key;
    Etcdserverpb__RequestOp failure = ETCDSERVERPB__REQUEST_OP__INIT;
    failure.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    failure.request_range = &range;
    Etcdserverpb__TxnRequest request = ETCDSERVERPB__TXN_REQUEST__INIT;
    request.n_compare = request.n_success = request.n_failure = 1;
    request.compare = &(Etcdserverpb__Compare *){&compare};
    request.success = &(Etcdserverpb__RequestOp *){&success};
    request.failure = &(Etcdserverpb__RequestOp *){&failure};
    (void)remote_request(remote, "/etcdserverpb.KV/Txn", &request.base, REMOTE_REQUEST_MS,
                         key_written, remote);
}

static void tick(void *data)
{
    struct remote_store *remote = data;
    struct compact *compact = &remote->compact;
    uint64_t period_ms =
        remote->config.compact_ms > 0 ? remote->config.compact_ms : REMOTE_COMPACT_MS;
    env_timer_start(remote->env, &compact->timer, period_ms * NS_PER_MS);
    if (mirror_is_filled(remote->mirror)) {
        mirror_compact(remote->mirror, compact->mirror_revision);
        compact->mirror_revision = mirror_revision(remote->mirror);
    }
    if (remote->config.compact_ms > 0 && link_up(remote)) {
        write_key(remote);
    }
}

void compact_init(struct remote_store *remote)
{
    remote->compact.timer = (struct env_timer){.fire = tick, .data = remote};
    uint64_t period_ms =
        remote->config.compact_ms > 0 ? remote->config.compact_ms : REMOTE_COMPACT_MS;
    env_timer_start(remote->env, &remote->compact.timer, period_ms * NS_PER_MS);
}

void compact_release(struct remote_store *remote)
{
    env_timer_stop(remote->env, &remote->compact.timer);
}
