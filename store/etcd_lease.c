/* The Lease service. */
#include "store/etcd_private.h"

#include "lib/base/alloc.h"
#include <assert.h>
#include <stdlib.h>

enum {
    LEASES_CHECKED_A_TURN = 256,
    LEASES_PACKED_HERE = 4096, /* On the connection's loop: at most half a millisecond. */
};

/* --- Unary methods. */

static void lease_done(void *data, int status, const struct store_lease_info *info)
{
    struct etcd_request *request = data;
    request->lease.id = info->id;
    request->lease.ttl_s = info->ttl_s;
    request->lease.granted_ttl_s = info->granted_ttl_s;
    size_t bytes = 0;
    for (size_t i = 0; i < info->key_count; i++) {
        bytes += info->keys[i].len;
    }
    if (info->key_count > 0) { /* The table of slices, and the bytes behind it. */
        request->lease.keys = alloc_bytes(info->key_count * sizeof(ProtobufCBinaryData) + bytes);
        request->lease.key_count = info->key_count;
        uint8_t *at = (uint8_t *)(request->lease.keys + info->key_count);
        for (size_t i = 0; i < info->key_count; i++) {
            memcpy(at, info->keys[i].data, info->keys[i].len);
            request->lease.keys[i] = (ProtobufCBinaryData){.len = info->keys[i].len, .data = at};
            at += info->keys[i].len;
        }
    }
    etcd_request_done(request, status);
}

static void grant_run(struct etcd_request *request)
{
    const Etcdserverpb__LeaseGrantRequest *message = request->message;
    store_lease_grant_as(request->service->store, &request->caller, message->id, message->ttl,
                         lease_done, request);
}

static void grant_answer(struct etcd_request *request)
{
    Etcdserverpb__LeaseGrantResponse response;
    etcdserverpb__lease_grant_response__init(&response);
    response.header = etcd_new_header(request);
    response.id = request->lease.id;
    response.ttl = request->lease.granted_ttl_s;
    etcd_respond(request, &response.base);
}

static void revoke_done(void *data, int status, int64_t revision)
{
    (void)revision;
    etcd_request_done(data, status);
}

static void revoke_run(struct etcd_request *request)
{
    const Etcdserverpb__LeaseRevokeRequest *message = request->message;
    store_lease_revoke_as(request->service->store, &request->caller, message->id, revoke_done,
                          request);
}

static void revoke_answer(struct etcd_request *request)
{
    Etcdserverpb__LeaseRevokeResponse response;
    etcdserverpb__lease_revoke_response__init(&response);
    response.header = etcd_new_header(request);
    etcd_respond(request, &response.base);
}

/* The names of a lease's keys are for those who may read all of them (CVE-2023-32082). */
static int ttl_permitted(struct etcd_request *request)
{
    const Etcdserverpb__LeaseTimeToLiveRequest *message = request->message;
    const struct store *store = request->service->store;
    int status = etcd_request_caller(request);
    if (status != 0) {
        return status;
    }
    return message->keys ? store_auth_check_lease(store, &request->caller, AUTH_READ, message->id)
                         : auth_check_user(store_auth(store), &request->caller);
}

/* An unknown lease is an answer, with a time to live of -1. Keys may have been bound to it since
 * the question came. */
static void ttl_done(void *data, int status, const struct store_lease_info *info)
{
    const struct store_lease_info nothing = {.id = info->id};
    struct etcd_request *request = data;
    status = status == STORE_LEASE_NOT_FOUND ? 0 : etcd_status_now(request->service, status);
    status = status == 0 && request->service->store != NULL ? ttl_permitted(request) : status;
    lease_done(request, status, status == 0 ? info : &nothing);
}

static void ttl_run(struct etcd_request *request)
{
    const Etcdserverpb__LeaseTimeToLiveRequest *message = request->message;
    int status = ttl_permitted(request);
    if (status != 0) {
        etcd_request_done(request, status);
        return;
    }
    store_lease_ttl(request->service->store, message->id, message->keys, ttl_done, request);
}

static void ttl_answer(struct etcd_request *request)
{
    Etcdserverpb__LeaseTimeToLiveResponse response;
    etcdserverpb__lease_time_to_live_response__init(&response);
    response.header = etcd_new_header(request);
    response.id = request->lease.id;
    response.ttl = request->lease.ttl_s;
    response.grantedttl = request->lease.granted_ttl_s;
    response.keys = request->lease.keys;
    response.n_keys = request->lease.key_count;
    etcd_respond(request, &response.base);
}

/* --- The list of all leases: there may be a million, which the store's loop copies in some 40 ms,
 * and the rest is done elsewhere or by and by. */

static int by_id(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

static void leases_answer(struct etcd_request *request)
{
    Etcdserverpb__LeaseLeasesResponse response;
    etcdserverpb__lease_leases_response__init(&response);
    size_t count = request->lease.id_count;
    qsort(request->lease.ids, count, sizeof(*request->lease.ids), by_id);
    Etcdserverpb__LeaseStatus *leases = alloc_array(count + 1, sizeof(*leases));
    Etcdserverpb__LeaseStatus **pointers = alloc_array(count + 1, sizeof(*pointers));
    for (size_t i = 0; i < count; i++) {
        etcdserverpb__lease_status__init(&leases[i]);
        leases[i].id = request->lease.ids[i];
        pointers[i] = &leases[i];
    }
    response.header = etcd_new_header(request);
    response.leases = pointers;
    response.n_leases = count;
    etcd_respond(request, &response.base);
    free(pointers);
    free(leases);
}

/* The list is for those who may read all keys of all leases. True when it is known whether this one
 * may: then request->status says. Some at a time, as each may have many keys. */
static bool leases_are_permitted(struct etcd_request *request)
{
    const struct store *store = request->service->store;
    request->status = store == NULL ? STORE_STOPPED : etcd_request_caller(request);
    if (request->status != 0 || !auth_is_enabled(store_auth(store)) ||
        auth_check_root(store_auth(store), &request->caller) == 0) {
        return true;
    }
    size_t left = request->lease.id_count - request->lease.ids_checked;
    size_t some = left < LEASES_CHECKED_A_TURN ? left : LEASES_CHECKED_A_TURN;
    for (size_t i = 0; i < some && request->status == 0; i++) {
        request->status = store_auth_check_lease(store, &request->caller, AUTH_READ,
                                                 request->lease.ids[request->lease.ids_checked++]);
    }
    return request->status != 0 || some == left;
}

static void leases_check(void *data) /* Store loop. */
{
    struct etcd_request *request = data;
    if (!leases_are_permitted(request)) {
        loop_post(request->service->store_loop, leases_check, request);
    } else if (request->status == 0 && request->lease.id_count > LEASES_PACKED_HERE) {
        etcd_request_compute(request, leases_answer);
    } else {
        etcd_request_done(request, request->status);
    }
}

static void leases_ready(void *data, int status)
{
    struct etcd_request *request = data;
    struct store *store = request->service->store;
    status = etcd_status_now(request->service, status);
    if (status != 0) {
        etcd_request_done(request, status);
        return;
    }
    size_t count = store_lease_ids(store, NULL, 0);
    request->lease.ids = alloc_array(count + 1, sizeof(int64_t));
    (void)store_lease_ids(store, request->lease.ids, count);
    request->lease.id_count = count;
    leases_check(request);
}

static void leases_run(struct etcd_request *request)
{
    store_read_barrier(request->service->store, leases_ready, request);
}

const struct etcd_method etcd_lease_methods[] = {
    {"/etcdserverpb.Lease/LeaseGrant", &etcdserverpb__lease_grant_request__descriptor, NULL,
     grant_run, grant_answer},
    {"/etcdserverpb.Lease/LeaseRevoke", &etcdserverpb__lease_revoke_request__descriptor, NULL,
     revoke_run, revoke_answer},
    {"/etcdserverpb.Lease/LeaseTimeToLive", &etcdserverpb__lease_time_to_live_request__descriptor,
     NULL, ttl_run, ttl_answer},
    {"/etcdserverpb.Lease/LeaseLeases", &etcdserverpb__lease_leases_request__descriptor, NULL,
     leases_run, leases_answer},
    {0},
};

/* --- Keep-alive: a stream of renewals, each answered. */

enum { RENEWALS_IN_FLIGHT_MAX = 64, STORES_OWN = 1 };

struct keepalive_stream {
    struct etcd_service *service;
    struct grpc_call *call;
    size_t in_flight; /* Renewals, and one more until the store loop has let go of it. */
    bool ended;       /* No more requests: finish after the last answer. */
    bool paused;
    bool closed; /* Cancelled or finished: freed with the last answer. */
    /* Store loop. */
    struct etcd_identity identity;
    struct etcd_leader_want leader;
    int end_status; /* It cannot go on: told once. */
};

struct renewal {
    struct keepalive_stream *stream;
    int64_t id;
    int64_t ttl_s;
    int status;
    bool caught_up;
    struct etcd_header header;
};

static void stream_release(struct keepalive_stream *stream)
{
    if (stream->closed && stream->in_flight == 0) {
        etcd_identity_release(&stream->identity);
        grpc_call_unref(stream->call);
        etcd_service_unref(stream->service);
        free(stream);
    }
}

static void let_go(void *data)
{
    struct keepalive_stream *stream = data;
    stream->in_flight--;
    stream_release(stream);
}

static void closed_here(void *data) /* Store loop. */
{
    struct keepalive_stream *stream = data;
    list_remove(&stream->leader.node);
    loop_post(grpc_call_loop(stream->call), let_go, stream);
}

/* Once. The caller releases the stream, or knows that it cannot be the last one to. */
static void mark_closed(struct keepalive_stream *stream)
{
    stream->closed = true;
    loop_post(stream->service->store_loop, closed_here, stream);
}

static void stream_close(struct keepalive_stream *stream, int status)
{
    if (!stream->closed) {
        mark_closed(stream);
        if (status == 0) {
            grpc_call_finish(stream->call, GRPC_OK, NULL, slice_of(NULL, 0));
        } else if (status == STORE_MALFORMED) {
            etcd_malformed_stream(stream->call);
        } else {
            etcd_fail(stream->call, status);
        }
    }
}

static void renewal_answer(void *data)
{
    struct renewal *renewal = data;
    struct keepalive_stream *stream = renewal->stream;
    assert(stream->in_flight > 0);
    stream->in_flight--;
    if (renewal->status != 0 && renewal->status != STORE_LEASE_NOT_FOUND) {
        stream_close(stream, renewal->status);
    } else if (!stream->closed) {
        Etcdserverpb__LeaseKeepAliveResponse response;
        Etcdserverpb__ResponseHeader header;
        etcdserverpb__lease_keep_alive_response__init(&response);
        etcd_fill_header(&renewal->header, &header);
        response.header = &header;
        response.id = renewal->id;
        response.ttl = renewal->status == 0 ? renewal->ttl_s : 0; /* 0: there is no such lease. */
        (void)etcd_send(stream->call, &response.base);
    }
    if (stream->paused && !stream->closed) {
        stream->paused = false;
        grpc_call_resume(stream->call);
    }
    if (stream->ended && stream->in_flight == STORES_OWN) {
        stream_close(stream, 0);
    }
    stream_release(stream);
    free(renewal);
}

static void renewal_done(void *data, int status, const struct store_lease_info *info)
{
    struct renewal *renewal = data;
    renewal->status = status;
    renewal->ttl_s = info->ttl_s;
    renewal->header = etcd_header_now(renewal->stream->service);
    loop_post(grpc_call_loop(renewal->stream->call), renewal_answer, renewal);
}

static void renewal_run(void *data);

static void renewal_caught_up(void *data, int status)
{
    (void)status; /* If it has not caught up, it says what it knows. */
    renewal_run(data);
}

/* Who keeps a lease alive keeps its keys: they have to be theirs to write. */
static int renewal_permitted(struct renewal *renewal)
{
    struct keepalive_stream *stream = renewal->stream;
    struct auth_caller caller;
    int status = etcd_voter_status(stream->service);
    status = status == 0 ? etcd_caller(stream->service, stream->call, &stream->identity, &caller)
                         : status;
    if (status != 0) {
        return status;
    }
    return caller.restricted
               ? STORE_PERMISSION_DENIED
               : store_auth_check_lease(stream->service->store, &caller, AUTH_WRITE, renewal->id);
}

static void renewal_run(void *data)
{
    struct renewal *renewal = data;
    int status = renewal_permitted(renewal);
    if (status == STORE_INVALID_AUTH_TOKEN && !renewal->caught_up) {
        renewal->caught_up = true;
        store_read_barrier(renewal->stream->service->store, renewal_caught_up, renewal);
    } else if (status != 0) {
        const struct store_lease_info none = {.id = renewal->id};
        renewal_done(renewal, status, &none);
    } else {
        store_lease_keepalive(renewal->stream->service->store, renewal->id, renewal_done, renewal);
    }
}

static void on_message(void *data, struct slice bytes)
{
    struct keepalive_stream *stream = data;
    Etcdserverpb__LeaseKeepAliveRequest *message =
        etcdserverpb__lease_keep_alive_request__unpack(NULL, bytes.len, bytes.data);
    if (message == NULL) {
        stream_close(stream, STORE_MALFORMED);
        return;
    }
    struct renewal *renewal = alloc_zeroed(sizeof(*renewal));
    renewal->stream = stream;
    renewal->id = message->id;
    etcdserverpb__lease_keep_alive_request__free_unpacked(message, NULL);
    stream->in_flight++;
    if (stream->in_flight >= RENEWALS_IN_FLIGHT_MAX) {
        stream->paused = true;
        grpc_call_pause(stream->call);
    }
    loop_post(stream->service->store_loop, renewal_run, renewal);
}

static void on_end(void *data)
{
    struct keepalive_stream *stream = data;
    stream->ended = true;
    if (stream->in_flight == STORES_OWN) {
        stream_close(stream, 0);
    }
}

static void on_cancel(void *data)
{
    struct keepalive_stream *stream = data;
    if (!stream->closed) {
        mark_closed(stream);
    }
}

/* --- What ends it as a whole. */

static void told_end(void *data) /* Connection's loop. */
{
    struct keepalive_stream *stream = data;
    stream_close(stream, stream->end_status);
}

/* Before closed_here() has run, so that the stream is there when it is told. */
static void end_all(struct keepalive_stream *stream, int status)
{
    stream->end_status = status;
    loop_post(grpc_call_loop(stream->call), told_end, stream);
}

static void leader_lost(struct etcd_leader_want *want)
{
    end_all(CONTAINER_OF(want, struct keepalive_stream, leader), STORE_NO_LEADER);
}

static void opened(void *data) /* Store loop. */
{
    struct keepalive_stream *stream = data;
    int status = etcd_voter_status(stream->service);
    status = status == STORE_NOT_FOR_LEARNER
                 ? status
                 : etcd_leader_want(stream->service, stream->call, &stream->leader);
    if (status != 0) {
        end_all(stream, status);
    }
}

void etcd_lease_keepalive_call(void *data, struct grpc_call *call, struct slice request)
{
    (void)request;
    struct keepalive_stream *stream = alloc_zeroed(sizeof(*stream));
    stream->service = etcd_service_ref(data);
    stream->call = grpc_call_ref(call);
    stream->in_flight = STORES_OWN;
    stream->leader.lost = leader_lost;
    list_init(&stream->leader.node);
    loop_post(stream->service->store_loop, opened, stream);
    grpc_call_on_cancel(call, on_cancel, stream);
    grpc_call_on_message(call, on_message, on_end, stream);
}
