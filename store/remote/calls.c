/* Transactions and barriers on their way to etcd and back, and what all calls share: they wait for
 * a connection, have a deadline, and are answered once. */
#include "store/remote/remote_private.h"

#include "lib/base/alloc.h"
#include <assert.h>
#include <stdlib.h>

static void barriers_ask(struct remote_store *remote);

/* --- Life of a call. */

static void timeout_timer_set(struct remote_store *remote)
{
    struct calls *calls = &remote->calls;
    if (calls->timeout.position == 0 && !list_empty(&calls->all)) {
        env_timer_start(remote->env, &calls->timeout, STORE_TIMEOUT_TICK_MS * NS_PER_MS);
    }
}

struct remote_call *call_new(struct remote_store *remote, enum remote_call_kind kind, void *data)
{
    struct remote_call *call = alloc_zeroed(sizeof(*call));
    call->remote = remote;
    call->kind = kind;
    call->data = data;
    call->deadline_ns = env_now_ns(remote->env) + STORE_TXN_TIMEOUT_MS * NS_PER_MS;
    list_init(&call->node);
    list_init(&call->queue);
    list_init(&call->waiter.node);
    buffer_init(&call->request, REMOTE_MESSAGE_MAX);
    list_push_back(&remote->calls.all,
                   &call->node); /* All timeouts are equal: this is the order. */
    remote->calls.count++;
    timeout_timer_set(remote);
    return call;
}

static void call_free(struct remote_call *call)
{
    store_txn_result_unref(call->result);
    buffer_release(&call->request);
    free(call);
}

void call_finish(struct remote_call *call, int status, const struct store_lease_info *info)
{
    struct store_lease_info none = {.id = call->lease_id, .ttl_s = -1};
    list_remove(&call->node);
    list_remove(&call->queue);
    list_remove(&call->waiter.node);
    call->remote->calls.count--;
    if (call->sent != NULL) {
        grpc_stream_cancel(TAKE(call->sent));
    }
    switch (call->kind) {
    case REMOTE_TXN:
        call->done.txn(call->data, status, status == 0 ? call->result : NULL);
        break;
    case REMOTE_BARRIER:
        call->done.read(call->data, status);
        break;
    case REMOTE_GRANT:
    case REMOTE_KEEPALIVE:
    case REMOTE_TTL:
        call->done.lease(call->data, status, info == NULL ? &none : info);
        break;
    }
    call_free(call);
}

static void fail_soon(struct remote_call *call, int status)
{
    struct remote_store *remote = call->remote;
    call->failed_status = status;
    list_remove(&call->queue);
    list_push_back(&remote->calls.failed, &call->queue);
    env_timer_start(remote->env, &remote->calls.turn, 0);
}

static void turn_fired(void *data)
{
    struct remote_store *remote = data;
    struct list *node;
    while ((node = list_first(&remote->calls.failed)) != NULL) {
        struct remote_call *call = LIST_ENTRY(node, struct remote_call, queue);
        call_finish(call, call->failed_status, NULL);
    }
}

static void timeout_fired(void *data)
{
    struct remote_store *remote = data;
    uint64_t now = env_now_ns(remote->env);
    struct list *node;
    while ((node = list_first(&remote->calls.all)) != NULL) {
        struct remote_call *call = LIST_ENTRY(node, struct remote_call, node);
        if (call->deadline_ns > now) {
            break;
        }
        /* What was never sent has done nothing, and may say so. */
        bool nothing_done = call->kind == REMOTE_TXN && !call->was_sent;
        call_finish(call, nothing_done ? STORE_NO_LEADER : STORE_TIMEOUT, NULL);
    }
    timeout_timer_set(remote);
}

/* --- Transactions. */

/* A change of etcd's state will come as an event; else there is nothing to wait for but time. */
static bool has_written(const struct store_txn_result *result)
{
    for (size_t i = 0; i < result->op_count; i++) {
        const struct store_op_result *op = &result->ops[i];
        if (op->kind == STORE_OP_PUT ||
            (op->kind == STORE_OP_DELETE && op->delete_range.deleted > 0) ||
            (op->kind == STORE_OP_TXN && has_written(op->txn))) {
            return true;
        }
    }
    return false;
}

static void call_reached(struct mirror_waiter *waiter)
{
    call_finish(CONTAINER_OF(waiter, struct remote_call, waiter), 0, NULL);
}

/* Answers when the mirror is at `revision`. */
static void finish_at(struct remote_call *call, int64_t revision, bool event_comes)
{
    struct remote_store *remote = call->remote;
    call->waiter.revision = revision;
    call->waiter.reached = call_reached;
    if (!mirror_wait(remote->mirror, &call->waiter)) {
        call_finish(call, 0, NULL);
    } else if (!event_comes) {
        follow_advance(remote, revision);
    }
}

void call_failed(struct remote_call *call, const struct grpc_status *status)
{
    struct remote_store *remote = call->remote;
    int result = remote_status(status);
    bool repeatable = call->kind != REMOTE_TXN && result == STORE_TIMEOUT;
    if (status->code == GRPC_UNAUTHENTICATED || result == STORE_NO_LEADER || repeatable) {
        if (status->code == GRPC_UNAUTHENTICATED) {
            link_lost(remote, status->message); /* The token has ended: get another one. */
        }
        call_wait(call); /* Nothing was done, or doing it twice is doing it once. */
        return;
    }
    call_finish(call, result, NULL);
}

static void txn_answered(void *data, const struct grpc_status *status, struct slice response)
{
    struct remote_call *call = data;
    call->sent = NULL;
    if (status->code != GRPC_OK) {
        call_failed(call, status);
        return;
    }
    int result = remote_txn_decode(&call->remote->keys, response, &call->result);
    if (result != 0) {
        call_finish(call, STORE_TIMEOUT, NULL); /* It may have been done. */
        return;
    }
    finish_at(call, call->result->revision, has_written(call->result));
}

void remote_txn(struct storage *storage, const struct store_txn *txn, store_txn_done *done,
                void *data)
{
    struct remote_store *remote = CONTAINER_OF(storage, struct remote_store, storage);
    struct remote_call *call = call_new(remote, REMOTE_TXN, data);
    call->done.txn = done;
    int status = store_txn_check(txn);
    if (status == 0) {
        status = remote_txn_encode(&remote->keys, txn, &call->request);
    }
    if (status == 0 && buffer_error(&call->request) != 0) {
        status = STORE_REQUEST_TOO_LARGE;
    }
    if (status == 0 && remote->calls.count > STORE_PENDING_MAX) {
        status = STORE_TOO_MANY_REQUESTS;
    }
    if (status != 0) {
        fail_soon(call, status);
    } else {
        call_start(call);
    }
}

/* --- Sending. */

static void call_send(struct remote_call *call)
{
    call->was_sent = true;
    if (call->kind == REMOTE_TXN) {
        call->sent =
            remote_request_bytes(call->remote, "/etcdserverpb.KV/Txn", buffer_slice(&call->request),
                                 REMOTE_REQUEST_MS, txn_answered, call);
    } else {
        lease_call_send(call);
    }
}

void call_start(struct remote_call *call)
{
    assert(call->kind != REMOTE_BARRIER);
    if (link_up(call->remote)) {
        call_send(call);
    } else {
        list_push_back(&call->remote->calls.waiting, &call->queue);
    }
}

void call_wait(struct remote_call *call)
{
    struct remote_store *remote = call->remote;
    call->was_sent = false;
    list_remove(&call->queue);
    list_push_back(&remote->calls.waiting, &call->queue);
    env_timer_start(remote->env, &remote->calls.retry, STORE_RETRY_MS * NS_PER_MS);
}

void calls_link_up(struct remote_store *remote)
{
    struct list turn; /* Those that wait now, each once. */
    list_init(&turn);
    LIST_FOREACH(node, next, &remote->calls.waiting)
    {
        list_remove(node);
        list_push_back(&turn, node);
    }
    struct list *node;
    while ((node = list_first(&turn)) != NULL) {
        list_remove(node);
        call_start(LIST_ENTRY(node, struct remote_call, queue));
    }
    barriers_ask(remote);
}

static void retry_fired(void *data)
{
    struct remote_store *remote = data;
    if (link_up(remote)) {
        calls_link_up(remote);
    }
}

/* --- Barriers: one question for all who wait. */

/* Two in a row: one may be a busy moment, and giving up cuts what is under way. */
static void barrier_failed(struct remote_store *remote, const struct grpc_status *status)
{
    struct calls *calls = &remote->calls;
    struct list *node;
    while ((node = list_first(&calls->asked)) != NULL) {
        list_remove(node);
        list_push_back(&calls->barriers, node);
    }
    if (!link_up(remote)) {
        return; /* Asked anew by the next connection. */
    }
    if (++calls->health_failures >= 2 || status->code == GRPC_UNAUTHENTICATED) {
        link_lost(remote, status->message);
    } else {
        env_timer_start(remote->env, &calls->retry, STORE_RETRY_MS * NS_PER_MS);
    }
}

static void barrier_answered(void *data, const struct grpc_status *status, struct slice response)
{
    struct remote_store *remote = data;
    struct calls *calls = &remote->calls;
    int64_t revision = 0;
    calls->asking = false;
    if (status->code != GRPC_OK || remote_probe_revision(response, &revision) != 0) {
        barrier_failed(remote, status);
        return;
    }
    calls->health_failures = 0;
    struct list *node;
    while ((node = list_first(&calls->asked)) != NULL) {
        list_remove(node);
        finish_at(LIST_ENTRY(node, struct remote_call, queue), revision, /* event_comes= */ false);
    }
    barriers_ask(remote);
}

static void ask_now(struct remote_store *remote)
{
    struct calls *calls = &remote->calls;
    struct list *node;
    while ((node = list_first(&calls->barriers)) != NULL) {
        list_remove(node);
        list_push_back(&calls->asked, node);
    }
    calls->asking = true;
    (void)remote_probe(remote, barrier_answered, remote);
}

static void barriers_ask(struct remote_store *remote)
{
    const struct calls *calls = &remote->calls;
    if (link_up(remote) && !calls->asking && !list_empty(&calls->barriers)) {
        ask_now(remote);
    }
}

void calls_health(struct remote_store *remote)
{
    if (!remote->calls.asking) {
        ask_now(remote);
    }
}

void remote_read_barrier(struct storage *storage, void (*done)(void *data, int status), void *data)
{
    struct remote_store *remote = CONTAINER_OF(storage, struct remote_store, storage);
    struct remote_call *call = call_new(remote, REMOTE_BARRIER, data);
    call->done.read = done;
    if (remote->calls.count > STORE_READS_WAITING_MAX) {
        fail_soon(call, STORE_TOO_MANY_REQUESTS);
        return;
    }
    list_push_back(&remote->calls.barriers, &call->queue);
    barriers_ask(remote);
}

/* --- The whole. */

void calls_init(struct remote_store *remote)
{
    struct calls *calls = &remote->calls;
    list_init(&calls->all);
    list_init(&calls->waiting);
    list_init(&calls->failed);
    list_init(&calls->barriers);
    list_init(&calls->asked);
    list_init(&calls->keepalives);
    calls->timeout = (struct env_timer){.fire = timeout_fired, .data = remote};
    calls->retry = (struct env_timer){.fire = retry_fired, .data = remote};
    calls->turn = (struct env_timer){.fire = turn_fired, .data = remote};
}

void calls_release(struct remote_store *remote)
{
    struct calls *calls = &remote->calls;
    struct list *node;
    while ((node = list_first(&calls->all)) != NULL) {
        call_finish(LIST_ENTRY(node, struct remote_call, node), STORE_STOPPED, NULL);
    }
    env_timer_stop(remote->env, &calls->timeout);
    env_timer_stop(remote->env, &calls->retry);
    env_timer_stop(remote->env, &calls->turn);
}
