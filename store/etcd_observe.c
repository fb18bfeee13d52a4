/* Observe of the Election service: the leader, and whoever follows it, as a stream. */
#include "etcd/v3election.pb-c.h"
#include "lib/base/alloc.h"
#include "lib/net/limits.h"
#include "store/etcd_turn.h"
#include <stdlib.h>

enum { OUTSTANDING_HIGH = 64, OUTSTANDING_LOW = 16 }; /* Answers made and not yet taken. */

struct observer {
    _Atomic uint32_t refs; /* One of the store loop's, and one for each message under way. */
    struct etcd_service *service;
    struct grpc_call *call;
    struct slice name; /* In the call's arena. */
    _Atomic size_t outstanding;
    _Atomic bool paused;
    size_t owed; /* Connection's loop: to take off when its queue drains. */
    /* Store loop. */
    struct etcd_identity identity;
    bool caught_up;
    bool over;
    struct etcd_leader_want leader;
    bool waits_for_any; /* Nobody leads: the watch is for the first key put. */
    struct store_watch *watch;
};

static void look(struct observer *observer);
static void observer_run(void *data);

static void observer_unref(struct observer *observer)
{
    if (atomic_fetch_sub_explicit(&observer->refs, 1, memory_order_acq_rel) == 1) {
        etcd_identity_release(&observer->identity);
        grpc_call_unref(observer->call);
        etcd_service_unref(observer->service);
        free(observer);
    }
}

static struct observer *observer_ref(struct observer *observer)
{
    atomic_fetch_add_explicit(&observer->refs, 1, memory_order_relaxed);
    return observer;
}

/* --- Answers, to the connection's loop. */

struct answer {
    struct observer *observer; /* A reference. */
    const struct store_kv *kv; /* A reference; NULL: it ends. */
    int status;
    struct etcd_header header;
};

static void resume(void *data) /* Store loop. */
{
    struct observer *observer = data;
    if (observer->watch != NULL) {
        store_watch_resume(observer->watch);
    }
    observer_unref(observer);
}

static void taken(struct observer *observer, size_t count)
{
    size_t left = atomic_fetch_sub(&observer->outstanding, count) - count;
    if (left <= OUTSTANDING_LOW && atomic_exchange(&observer->paused, false)) {
        loop_post(observer->service->store_loop, resume, observer_ref(observer));
    }
}

static void on_drain(void *data)
{
    struct observer *observer = data;
    size_t owed = observer->owed;
    observer->owed = 0;
    taken(observer, owed);
}

static void send_leader(const struct answer *answer)
{
    V3electionpb__LeaderResponse response;
    Etcdserverpb__ResponseHeader header;
    Mvccpb__KeyValue kv;
    v3electionpb__leader_response__init(&response);
    etcd_fill_header(&answer->header, &header);
    etcd_kv_message(answer->kv, /* keys_only= */ false, &kv);
    response.header = &header;
    response.kv = &kv;
    if (etcd_send(answer->observer->call, &response.base) >= NET_WRITE_HIGH_BYTES) {
        answer->observer->owed++;
    } else {
        taken(answer->observer, 1);
    }
}

static void send_answer(void *data)
{
    struct answer *answer = data;
    if (answer->kv != NULL) {
        send_leader(answer);
        store_kv_unref(answer->kv);
    } else {
        etcd_fail(answer->observer->call, answer->status);
    }
    observer_unref(answer->observer);
    free(answer);
}

static void tell(struct observer *observer, const struct store_kv *kv, int64_t revision, int status)
{
    struct answer *answer = alloc_zeroed(sizeof(*answer));
    answer->observer = observer_ref(observer);
    answer->kv = kv == NULL ? NULL : store_kv_ref(kv);
    answer->status = status;
    answer->header = etcd_header_now(observer->service);
    answer->header.revision = revision;
    loop_post(grpc_call_loop(observer->call), send_answer, answer);
    if (kv != NULL && atomic_fetch_add(&observer->outstanding, 1) + 1 >= OUTSTANDING_HIGH) {
        atomic_store(&observer->paused, true);
        if (observer->watch != NULL) {
            store_watch_pause(observer->watch);
        }
        if (atomic_load(&observer->outstanding) <= OUTSTANDING_LOW) {
            taken(observer, 0); /* All was taken before the other side could see the pause. */
        }
    }
}

static void end(struct observer *observer, int status)
{
    if (!observer->over) {
        observer->over = true;
        list_remove(&observer->leader.node);
        store_watch_cancel(TAKE(observer->watch));
        tell(observer, NULL, /* revision= */ 0, status);
        observer_unref(observer);
    }
}

/* --- Watching. */

static void watch(struct observer *observer, struct slice key, struct slice range_end,
                  int64_t after);

static void on_events(void *data, int64_t revision, const struct store_event *events, size_t count)
{
    struct observer *observer = data;
    for (size_t i = 0; i < count; i++) {
        const struct store_event *event = &events[i];
        if (event->kind == STORE_EVENT_PUT) {
            tell(observer, event->kv, revision, 0);
        }
        if (observer->waits_for_any && event->kind == STORE_EVENT_PUT) {
            struct slice key = event->kv->key; /* Lent for this call. */
            store_watch_cancel(TAKE(observer->watch));
            observer->waits_for_any = false;
            watch(observer, key, slice_of(NULL, 0), revision);
            return;
        }
        if (!observer->waits_for_any && event->kind == STORE_EVENT_DELETE) {
            store_watch_cancel(TAKE(observer->watch));
            look(observer);
            return;
        }
    }
}

static void on_watch_end(void *data, int status, int64_t compact_revision)
{
    struct observer *observer = data;
    (void)compact_revision;
    observer->watch = NULL;
    if (status == STORE_COMPACTED) {
        look(observer);
    } else {
        end(observer, status);
    }
}

static void watch(struct observer *observer, struct slice key, struct slice range_end,
                  int64_t after)
{
    const struct store_watch_options options = {.key = key,
                                                .end = range_end,
                                                .start_revision = after + 1,
                                                .on_events = on_events,
                                                .on_end = on_watch_end,
                                                .data = observer};
    observer->watch = store_watch(observer->service->store, &options);
    if (observer->watch == NULL) {
        end(observer, STORE_TOO_MANY_REQUESTS);
    } else if (atomic_load(&observer->paused)) {
        store_watch_pause(observer->watch);
    }
}

static int permitted(struct observer *observer, struct slice prefix, struct slice prefix_end)
{
    struct auth_caller caller;
    int status = etcd_status_now(observer->service, 0);
    if (status == 0) {
        status = etcd_caller(observer->service, observer->call, &observer->identity, &caller);
    }
    if (status == 0) {
        status = caller.restricted ? STORE_PERMISSION_DENIED
                                   : auth_check_range(store_auth(observer->service->store), &caller,
                                                      AUTH_READ, prefix, prefix_end);
    }
    return status;
}

static void follow(struct observer *observer, struct store_snapshot *snapshot,
                   const struct store_range *range)
{
    struct store_range_result result;
    int status = store_snapshot_range(snapshot, range, &result);
    if (status != 0) {
        end(observer, status);
        return;
    }
    observer->waits_for_any = result.kv_count == 0;
    if (observer->waits_for_any) {
        watch(observer, range->key, range->end, result.revision);
    } else {
        tell(observer, result.kvs[0], result.revision, 0);
        watch(observer, result.kvs[0]->key, slice_of(NULL, 0), result.revision);
    }
    store_range_result_release(&result);
}

/* Who leads in the state of this member. */
static void look(struct observer *observer)
{
    struct buffer prefix, end_bytes;
    if (observer->over) {
        return;
    }
    buffer_init(&prefix, STORE_REQUEST_BYTES_MAX);
    buffer_init(&end_bytes, STORE_REQUEST_BYTES_MAX);
    const struct store_range range = {.key = etcd_turn_prefix(observer->name, &prefix, &end_bytes),
                                      .end = buffer_slice(&end_bytes),
                                      .limit = 1,
                                      .sort_order = STORE_SORT_ASCEND,
                                      .sort_target = STORE_SORT_CREATE};
    int status = buffer_error(&end_bytes) != 0 ? STORE_REQUEST_TOO_LARGE
                                               : permitted(observer, range.key, range.end);
    if (status == STORE_INVALID_AUTH_TOKEN && !observer->caught_up) {
        observer->caught_up = true;
        observer_run(observer);
    } else if (status != 0) {
        end(observer, status);
    } else {
        struct store_snapshot *snapshot = store_snapshot_ref(observer->service->store);
        follow(observer, snapshot, &range);
        store_snapshot_unref(snapshot);
    }
    buffer_release(&prefix);
    buffer_release(&end_bytes);
}

static void look_now(void *data, int status)
{
    struct observer *observer = data;
    if (status != 0 || etcd_status_now(observer->service, 0) != 0) {
        end(observer, status != 0 ? status : STORE_STOPPED);
    } else {
        look(observer);
    }
    observer_unref(observer); /* The barrier's. */
}

static void observer_run(void *data) /* Store loop. */
{
    struct observer *observer = data;
    if (observer->over) {
        return;
    }
    int status = etcd_voter_status(observer->service);
    if (status != 0) {
        end(observer, status);
        return;
    }
    store_read_barrier(observer->service->store, look_now, observer_ref(observer));
}

static void leader_lost(struct etcd_leader_want *want)
{
    end(CONTAINER_OF(want, struct observer, leader), STORE_NO_LEADER);
}

static void observer_start(void *data)
{
    struct observer *observer = data;
    int status =
        observer->over ? 0 : etcd_leader_want(observer->service, observer->call, &observer->leader);
    if (status != 0) {
        end(observer, status);
    }
    observer_run(observer);
    observer_unref(observer); /* The message's. */
}

static void observer_gone(void *data)
{
    struct observer *observer = data;
    if (!observer->over) {
        observer->over = true;
        list_remove(&observer->leader.node);
        store_watch_cancel(TAKE(observer->watch));
        observer_unref(observer);
    }
    observer_unref(observer); /* The message's. */
}

static void on_cancel(void *data)
{
    struct observer *observer = data;
    loop_post(observer->service->store_loop, observer_gone, observer_ref(observer));
}

void etcd_observe_call(void *data, struct grpc_call *call, struct slice request)
{
    const V3electionpb__LeaderRequest *message =
        etcd_unpack(&v3electionpb__leader_request__descriptor, grpc_call_arena(call), request);
    if (message == NULL) {
        etcd_malformed_stream(call);
        return;
    }
    struct observer *observer = alloc_zeroed(sizeof(*observer));
    atomic_init(&observer->refs, 1);
    observer->service = etcd_service_ref(data);
    observer->call = grpc_call_ref(call);
    observer->name = etcd_slice(message->name);
    list_init(&observer->leader.node);
    observer->leader.lost = leader_lost;
    grpc_call_on_cancel(call, on_cancel, observer);
    grpc_call_on_drain(call, on_drain, observer);
    grpc_call_send_headers(call, NULL, 0);
    loop_post(observer->service->store_loop, observer_start, observer_ref(observer));
}
