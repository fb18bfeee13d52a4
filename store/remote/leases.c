/* Leases: granted and asked about one by one, kept alive over one stream, whose answers come in the
 * order of the questions. */
#include "store/remote/remote_private.h"

#include "lib/base/alloc.h"

static struct remote_store *remote_of(struct storage *storage)
{
    return CONTAINER_OF(storage, struct remote_store, storage);
}

static void *unpack(const ProtobufCMessageDescriptor *descriptor, struct arena *arena,
                    struct remote_call *call, const struct grpc_status *status,
                    struct slice response)
{
    call->sent = NULL;
    if (status->code != GRPC_OK) {
        call_failed(call, status);
        return NULL;
    }
    void *message = remote_unpack(descriptor, arena, response);
    if (message == NULL) {
        call_finish(call, STORE_TIMEOUT, NULL);
    }
    return message;
}

static void granted(void *data, const struct grpc_status *status, struct slice response)
{
    struct remote_call *call = data;
    CLEANUP(arena_freep) struct arena *arena = arena_new(REMOTE_MESSAGE_MAX);
    const Etcdserverpb__LeaseGrantResponse *message =
        unpack(&etcdserverpb__lease_grant_response__descriptor, arena, call, status, response);
    if (message != NULL) {
        struct store_lease_info info = {.id = remote_lease(&call->remote->keys, message->id),
                                        .granted_ttl_s = message->ttl,
                                        .ttl_s = message->ttl};
        call_finish(call, 0, &info);
    }
}

static void told_ttl(void *data, const struct grpc_status *status, struct slice response)
{
    struct remote_call *call = data;
    CLEANUP(arena_freep) struct arena *arena = arena_new(REMOTE_MESSAGE_MAX);
    const Etcdserverpb__LeaseTimeToLiveResponse *message = unpack(
        &etcdserverpb__lease_time_to_live_response__descriptor, arena, call, status, response);
    if (message != NULL) {
        struct store_lease_info info = {
            .id = call->lease_id, .granted_ttl_s = message->grantedttl, .ttl_s = message->ttl};
        call_finish(call, 0, &info);
    }
}

/* --- The stream of renewals. */

static void renewed(struct remote_call *call, int64_t ttl_s)
{
    struct store_lease_info info = {
        .id = call->lease_id, .granted_ttl_s = ttl_s, .ttl_s = ttl_s > 0 ? ttl_s : -1};
    call_finish(call, ttl_s > 0 ? 0 : STORE_LEASE_NOT_FOUND, &info);
}

static void on_renewal(void *data, struct slice bytes)
{
    struct remote_store *remote = data;
    CLEANUP(arena_freep) struct arena *arena = arena_new(REMOTE_MESSAGE_MAX);
    const Etcdserverpb__LeaseKeepAliveResponse *message =
        remote_unpack(&etcdserverpb__lease_keep_alive_response__descriptor, arena, bytes);
    if (message == NULL) {
        return; /* Its call ends by its deadline. */
    }
    int64_t id = remote_lease(&remote->keys, message->id);
    LIST_FOREACH(node, next, &remote->calls.keepalives)
    {
        struct remote_call *call = LIST_ENTRY(node, struct remote_call, queue);
        if (call->lease_id == id) {
            renewed(call, message->ttl);
            return;
        }
    }
}

static void on_renewals_end(void *data, const struct grpc_status *status)
{
    struct remote_store *remote = data;
    (void)status;
    remote->calls.keepalive = NULL;
    struct list *node;
    while ((node = list_first(&remote->calls.keepalives)) != NULL) {
        call_wait(LIST_ENTRY(node, struct remote_call, queue));
    }
}

static const struct grpc_stream_events renewal_events = {.on_message = on_renewal,
                                                         .on_end = on_renewals_end};

static void send_keepalive(struct remote_call *call)
{
    struct remote_store *remote = call->remote;
    Etcdserverpb__LeaseKeepAliveRequest request = ETCDSERVERPB__LEASE_KEEP_ALIVE_REQUEST__INIT;
    request.id = remote_lease(&remote->keys, call->lease_id);
    if (remote->calls.keepalive == NULL) {
        remote->calls.keepalive =
            remote_stream(remote, "/etcdserverpb.Lease/LeaseKeepAlive", &renewal_events);
    }
    list_push_back(&remote->calls.keepalives, &call->queue);
    remote_send(remote->calls.keepalive, &request.base);
}

/* --- Sending. */

static void send_grant(struct remote_call *call)
{
    Etcdserverpb__LeaseGrantRequest request = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    request.id = remote_lease(&call->remote->keys, call->lease_id);
    request.ttl = call->ttl_s;
    call->sent = remote_request(call->remote, "/etcdserverpb.Lease/LeaseGrant", &request.base,
                                REMOTE_REQUEST_MS, granted, call);
}

static void send_ttl(struct remote_call *call)
{
    Etcdserverpb__LeaseTimeToLiveRequest request = ETCDSERVERPB__LEASE_TIME_TO_LIVE_REQUEST__INIT;
    request.id = remote_lease(&call->remote->keys, call->lease_id);
    call->sent = remote_request(call->remote, "/etcdserverpb.Lease/LeaseTimeToLive", &request.base,
                                REMOTE_REQUEST_MS, told_ttl, call);
}

void lease_call_send(struct remote_call *call)
{
    switch (call->kind) {
    case REMOTE_GRANT:
        send_grant(call);
        break;
    case REMOTE_KEEPALIVE:
        send_keepalive(call);
        break;
    case REMOTE_TTL:
        send_ttl(call);
        break;
    case REMOTE_TXN:
    case REMOTE_BARRIER:
        break;
    }
}

static void start(struct storage *storage, enum remote_call_kind kind, int64_t id, int64_t ttl_s,
                  store_lease_done *done, void *data)
{
    struct remote_call *call = call_new(remote_of(storage), kind, data);
    call->done.lease = done;
    call->lease_id = id;
    call->ttl_s = ttl_s;
    call_start(call);
}

void remote_lease_grant(struct storage *storage, int64_t id, int64_t ttl_s, store_lease_done *done,
                        void *data)
{
    start(storage, REMOTE_GRANT, id, ttl_s, done, data);
}

void remote_lease_keepalive(struct storage *storage, int64_t id, store_lease_done *done, void *data)
{
    start(storage, REMOTE_KEEPALIVE, id, 0, done, data);
}

void remote_lease_ttl(struct storage *storage, int64_t id, store_lease_done *done, void *data)
{
    start(storage, REMOTE_TTL, id, 0, done, data);
}
