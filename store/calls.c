/* Requests on their way to the leader and back. What gets no answer, or an unclear one, is sent
 * again until the deadline: commands carry numbers by which they take effect once
 * (store/sessions.h), and the rest may be repeated. */
#include "store/store_private.h"

#include "lib/base/alloc.h"
#include "store/permit.h"
#include "store/plant.h"
#include "store/txn_run.h"
#include <assert.h>
#include <string.h>

static void timeout_timer_set(struct store *store)
{
    if (store->timeout_timer.position == 0 && !list_empty(&store->calls)) {
        env_timer_start(store->env, &store->timeout_timer, STORE_TIMEOUT_TICK_MS * NS_PER_MS);
    }
}

static void call_free(struct store_call *call)
{
    struct store *store = call->store;
    if (call->request != NULL) {
        pool_give(&store->spare_requests, call->request, call->request_len);
    }
    arena_free(call->arena);
    pool_give(&store->spare_calls, call, sizeof(*call));
}

/* No answer is needed any more from whom it was forwarded to. */
static void forget_forward(struct store_call *call)
{
    if (call->forward != 0 && call->store->raft != NULL &&
        raft_forward_forget(call->store->raft, call->forward)) {
        call->owed--;
    }
    call->forward = 0;
}

static void call_release(struct store_call *call)
{
    if (call->finished && call->owed == 0) {
        call_free(call);
    }
}

void store_call_answered(struct store_call *call)
{
    assert(call->owed > 0);
    call->owed--;
    call_release(call);
}

static void hurry(struct store_call *call)
{
    uint64_t end_ns = call->store->end_ns;
    call->deadline_ns = end_ns != 0 && end_ns < call->deadline_ns ? end_ns : call->deadline_ns;
}

void store_last_calls(struct store *store, uint64_t grace_ms)
{
    store->end_ns = env_now_ns(store->env) + grace_ms * NS_PER_MS;
    LIST_FOREACH(node, next, &store->calls) /* NOLINT(clang-analyzer-core.NullDereference) */
    {
        hurry(LIST_ENTRY(node, struct store_call, node));
    }
}

struct store_call *store_call_new(struct store *store, enum store_call_kind kind,
                                  enum call_answer answer, uint64_t timeout_ms)
{
    struct store_call *call = pool_take(&store->spare_calls, sizeof(*call));
    *call = (struct store_call){.store = store,
                                .kind = kind,
                                .answer = answer,
                                .deadline_ns = env_now_ns(store->env) + timeout_ms * NS_PER_MS,
                                .sequence = store->next_sequence++};
    hurry(call);
    list_init(&call->node);
    list_init(&call->waiting);
    list_push_back(&store->calls, &call->node); /* All timeouts are equal: this is their order. */
    store->call_count++;
    timeout_timer_set(store);
    if (kind != CALL_FAILED && store->rebuild.active) {
        store_call_fail_soon(call, STORE_CORRUPT);
    } else if (kind != CALL_FAILED && store->call_count > STORE_PENDING_MAX) {
        store_call_fail_soon(call, STORE_TOO_MANY_REQUESTS);
    }
    return call;
}

void store_call_fail_soon(struct store_call *call, int status)
{
    call->kind = CALL_FAILED;
    call->failed_status = status;
    if (!list_linked(&call->waiting)) {
        list_push_back(&call->store->waiting, &call->waiting);
    }
    store_pump_soon(call->store);
}

/* --- Answers. */

static void answer_txn(struct store_call *call, int status, const struct store_applied *applied)
{
    struct store_txn_result *result = NULL;
    if (status == 0 && call->read != NULL) { /* The barrier has passed: read now. */
        struct store *store = call->store;
        status = PLANTED == PLANT_READ_FREE ? 0 : store_permit_command(&store->state, call->read);
        struct store_snapshot *view = store_snapshot_ref(store);
        if (status == 0) {
            status = txn_read(view, call->arena, call->read->txn, /* looks_max= */ 0, &result);
        }
        store_snapshot_unref(view);
    } else if (status == 0) {
        assert(applied != NULL);
        result = applied->result;
        (void)store_txn_result_ref(result);
    }
    call->done.txn(call->data, status, result);
    store_txn_result_unref(result);
}

void store_call_finish(struct store_call *call, int status, const struct store_applied *applied,
                       const struct store_lease_info *info)
{
    struct store *store = call->store;
    if (call->finished) {
        return;
    }
    call->finished = true;
    list_remove(&call->node);
    list_remove(&call->waiting);
    store->call_count--;
    (void)id_map_remove(store->commands, call->sequence);
    forget_forward(call);
    if (store->metrics.pending != NULL) {
        metric_set(store->metrics.pending, (int64_t)id_map_count(store->commands));
        if (status != 0) {
            metric_add(store->metrics.failed, 1);
        }
    }
    struct store_lease_info none = {.id = call->lease_id, .ttl_s = -1};
    switch (call->answer) {
    case ANSWER_TXN:
        answer_txn(call, status, applied);
        break;
    case ANSWER_PLAIN:
        call->done.plain(call->data, status, mvcc_revision(store->state.mvcc));
        break;
    case ANSWER_LEASE:
        if (applied != NULL) {
            none = (struct store_lease_info){.id = applied->lease_id,
                                             .granted_ttl_s = applied->lease_ttl_s,
                                             .ttl_s = applied->lease_ttl_s};
        }
        call->done.lease(call->data, status, info != NULL ? info : &none);
        break;
    case ANSWER_READ:
        call->done.read(call->data, status);
        break;
    }
    call_release(call);
}

/* --- Sending. */

void store_call_wait(struct store_call *call)
{
    struct store *store = call->store;
    if (!list_linked(&call->waiting)) {
        list_push_back(&store->waiting, &call->waiting);
    }
    if (store->retry_timer.position == 0) {
        env_timer_start(store->env, &store->retry_timer, STORE_RETRY_MS * NS_PER_MS);
    }
}

/* A full disk refuses at once; but what may have been carried out before is asked about again. The
 * refusal of a forwarded command says nothing of a copy that came before it (SIM-2 seed 397). */
static bool is_sure(const struct store_call *call)
{
    return !call->doubtful && !call->forwarded;
}

static bool is_retried(const struct store_call *call, int status)
{
    return (status == STORE_NO_SPACE && !is_sure(call)) || status == -ENOTCONN ||
           status == -EAGAIN || status == -ESTALE || status == -ECANCELED || status == -ETIMEDOUT;
}

static void after_failure(struct store_call *call, int status)
{
    if (call->finished) {
        return;
    }
    call->doubtful = call->doubtful || status == -ECANCELED || status == -ETIMEDOUT;
    if (status == STORE_NO_SPACE && call->forwarded) {
        call->store->no_room_until_ns = env_now_ns(call->store->env) + STORE_NO_ROOM_MS * NS_PER_MS;
    }
    if (is_retried(call, status)) {
        store_call_wait(call);
    } else {
        store_call_finish(call, status, NULL, NULL);
    }
}

static void proposed(void *data, int status, uint64_t index)
{
    struct store_call *call = data;
    (void)index;
    if (status != 0) {
        after_failure(call, status);
    }
    store_call_answered(call);
}

void store_member_answer(struct store_call *call, int status)
{
    call->tries -= status == -ENOTCONN || status == -EAGAIN; /* Not begun. */
    status = store_member_status(call, status);
    if (status != 0) {
        after_failure(call, status);
    } else if (!call->finished) {
        store_call_finish(call, 0, NULL, NULL);
    }
}

static void forward_answered(void *data, int status, struct slice reply)
{
    struct store_call *call = data;
    call->forward = 0; /* Or of one after it, which then waits for its own answer. */
    if (call->kind == CALL_COMMAND) {
        if (status != 0) {
            after_failure(call, status);
        }
    } else if (call->kind == CALL_MEMBER) {
        store_member_answer(call, status);
    } else if (!call->finished) {
        if (status == 0 || status == STORE_LEASE_NOT_FOUND) {
            store_lease_answer(call, status, reply);
        } else {
            after_failure(call, status);
        }
    }
    store_call_answered(call);
}

static void read_done(void *data, int status, uint64_t index)
{
    struct store_call *call = data;
    (void)index;
    if (status == 0) {
        store_call_finish(call, 0, NULL, NULL);
    } else {
        after_failure(call, status);
    }
    store_call_answered(call);
}

static int send_read(struct store_call *call)
{
    if (PLANTED == PLANT_READ_UNCONFIRMED && raft_is_leader(call->store->raft)) {
        call->owed++;
        read_done(call, 0, 0);
        return 0;
    }
    int status = raft_read_index(call->store->raft, read_done, call);
    call->owed += status == 0;
    return status;
}

static int send_to_leader(struct store_call *call)
{
    struct raft_node *raft = call->store->raft;
    struct slice request = store_call_request(call);
    int status;
    if (!raft_is_leader(raft)) {
        status = raft_forward(raft, request, forward_answered, call, &call->forward);
        call->forwarded = call->forwarded || (status == 0 && call->kind == CALL_COMMAND);
    } else if (call->kind == CALL_COMMAND) {
        struct slice command = slice_of(request.data + 1, request.len - 1);
        status = raft_propose(raft, command, call->sequence, proposed, call);
    } else if (call->kind == CALL_MEMBER) {
        status = store_member_try(call);
    } else {
        store_lease_try(call); /* Counts what it is owed itself. */
        return 0;
    }
    call->owed += status == 0;
    return status;
}

static void member_sent(struct store_call *call, int status)
{
    call->tries++;
    if (status == 0) {
        return;
    }
    if (is_retried(call, status)) {
        call->tries--;
        store_call_wait(call);
    } else {
        store_call_fail_soon(call, store_member_status(call, status));
    }
}

/* One command at a time finds out whether the leader has room again; the others are refused before
 * they are sent, which is sure. */
static bool is_hopeless(const struct store_call *call)
{
    const struct store *store = call->store;
    return store->no_room_until_ns != 0 && call->kind == CALL_COMMAND && is_sure(call) &&
           store->raft != NULL && !raft_is_leader(store->raft) &&
           env_now_ns(store->env) < store->no_room_until_ns;
}

void store_call_start(struct store_call *call)
{
    if (call->kind == CALL_FAILED) {
        return;
    }
    if (is_hopeless(call)) {
        store_call_fail_soon(call, STORE_NO_SPACE);
        return;
    }
    int status = -ENOTCONN;
    call->sent_ns = env_now_ns(call->store->env);
    call->doubtful = call->doubtful || call->owed > 0; /* The one before may still arrive. */
    if (call->store->raft != NULL) {
        status = call->kind == CALL_READ ? send_read(call) : send_to_leader(call);
    }
    if (call->kind == CALL_MEMBER) {
        member_sent(call, status);
    } else if (status == -EMSGSIZE) {
        store_call_fail_soon(call, STORE_REQUEST_TOO_LARGE);
    } else if (status == STORE_NO_SPACE && is_sure(call)) {
        store_call_fail_soon(call, STORE_NO_SPACE);
    } else if (status != 0) {
        store_call_wait(call);
    }
}

void store_calls_retry(struct store *store)
{
    struct list turn;
    list_init(&turn);
    LIST_FOREACH(node, next, &store->waiting)
    {
        list_remove(node);
        list_push_back(&turn, node);
    }
    struct list *node;
    while ((node = list_first(&turn)) != NULL) {
        struct store_call *call = LIST_ENTRY(node, struct store_call, waiting);
        list_remove(node);
        if (call->kind == CALL_FAILED) {
            store_call_finish(call, call->failed_status, NULL, NULL);
        } else {
            store_call_start(call);
        }
    }
}

static void retry_fired(void *data)
{
    store_calls_retry(data);
}

/* A forwarded request may have been lost on the way. What this member proposed itself, or asked
 * raft to read, raft does answer. */
static void resend(struct store *store, uint64_t now)
{
    if (store->raft == NULL || raft_is_leader(store->raft)) {
        return;
    }
    /* A linked list has no NULL in it, which the analyzer does not know. */
    LIST_FOREACH(node, next, &store->calls) /* NOLINT(clang-analyzer-core.NullDereference) */
    {
        struct store_call *call = LIST_ENTRY(node, struct store_call, node);
        bool forwarded = call->kind == CALL_COMMAND || call->kind == CALL_KEEPALIVE ||
                         call->kind == CALL_LEASE_TTL || call->kind == CALL_MEMBER;
        if (forwarded && !list_linked(&call->waiting) &&
            now - call->sent_ns >= STORE_RESEND_MS * NS_PER_MS) {
            store_call_start(call);
        }
    }
}

static void timeout_fired(void *data)
{
    struct store *store = data;
    uint64_t now = env_now_ns(store->env);
    struct list *node;
    while ((node = list_first(&store->calls)) != NULL) {
        struct store_call *call = LIST_ENTRY(node, struct store_call, node);
        if (call->deadline_ns > now) {
            break;
        }
        /* One that never found a leader has done nothing, and may say so. What a copy of a
         * forwarded command did is not known from the refusal of another (SIM-2 seed 1063968). */
        bool no_leader = store->raft == NULL || raft_leader_id(store->raft) == 0;
        bool sure = is_sure(call) || PLANTED == PLANT_NOTHING_DONE;
        bool asked = !sure || call->owed > 0 || !list_linked(&call->waiting);
        store_call_finish(call, no_leader && !asked ? STORE_NO_LEADER : STORE_TIMEOUT, NULL, NULL);
    }
    resend(store, now);
    timeout_timer_set(store);
}

/* Their answers would come from a wrong state; what became of commands is not known. */
void store_calls_drop(struct store *store)
{
    LIST_FOREACH(node, next, &store->calls) /* NOLINT(clang-analyzer-core.NullDereference) */
    {
        struct store_call *call = LIST_ENTRY(node, struct store_call, node);
        if (call->kind != CALL_FAILED) {
            store_call_fail_soon(call, call->kind == CALL_COMMAND ? STORE_TIMEOUT : STORE_CORRUPT);
        }
    }
}

static void said(void *data, int status, uint64_t index)
{
    (void)data;
    (void)status;
    (void)index;
}

static void said_there(void *data, int status, struct slice reply)
{
    (void)data;
    (void)status;
    (void)reply;
}

void store_command_say(struct store *store, struct store_command *command)
{
    CLEANUP(buffer_release) struct buffer bytes;
    buffer_init(&bytes, STORE_REQUEST_BYTES_MAX);
    buffer_append_byte(&bytes, FORWARD_COMMAND);
    command->member = store->config.member_id;
    command->sequence = 0;
    if (store->raft == NULL || !store_is_for_all(store, store_command_version(command)) ||
        store_command_encode(command, &bytes) != 0) {
        return;
    }
    /* Refused or lost: whoever says things says them again while they are so. */
    struct slice request = buffer_slice(&bytes);
    if (raft_is_leader(store->raft)) {
        (void)!raft_propose(store->raft, slice_of(request.data + 1, request.len - 1), /* tag= */ 0,
                            said, NULL);
    } else {
        (void)!raft_forward(store->raft, request, said_there, NULL, /* ret_id= */ NULL);
    }
}

void store_calls_init(struct store *store)
{
    list_init(&store->calls);
    list_init(&store->waiting);
    store->commands = id_map_new();
    pool_init(&store->spare_calls, sizeof(struct store_call), STORE_SPARE_CALLS_MAX);
    pool_init(&store->spare_requests, STORE_SMALL_REQUEST, STORE_SPARE_CALLS_MAX);
    buffer_init(&store->encoding, STORE_REQUEST_BYTES_MAX);
    store->next_sequence = 1;
    store->incarnation = env_random(store->env);
    store->timeout_timer = (struct env_timer){.fire = timeout_fired, .data = store};
    store->retry_timer = (struct env_timer){.fire = retry_fired, .data = store};
}

void store_calls_fail_all(struct store *store, int status)
{
    struct list *node;
    while ((node = list_first(&store->calls)) != NULL) {
        struct store_call *call = LIST_ENTRY(node, struct store_call, node);
        call->owed = 0; /* Raft is closed: it has given all its callbacks. */
        store_call_finish(call, status, NULL, NULL);
    }
    env_timer_stop(store->env, &store->timeout_timer);
    env_timer_stop(store->env, &store->retry_timer);
    id_map_free(store->commands);
    pool_release(&store->spare_calls);
    pool_release(&store->spare_requests);
    buffer_release(&store->encoding);
}

struct buffer *store_encoding(struct store *store)
{
    buffer_clear(&store->encoding);
    return &store->encoding;
}

void store_call_ask(struct store_call *call)
{
    struct store *store = call->store;
    struct buffer *encoding = &store->encoding;
    assert(call->request == NULL);
    call->request_len = encoding->len;
    call->request = pool_take(&store->spare_requests, encoding->len);
    memcpy(call->request, encoding->data, encoding->len);
    if (encoding->capacity > STORE_ENCODING_KEEP) {
        buffer_release(encoding);
    }
}

void store_command_start(struct store *store, struct store_command *command,
                         enum call_answer answer, void (*done)(void), void *data)
{
    struct store_call *call = store_call_new(store, CALL_COMMAND, answer, STORE_TXN_TIMEOUT_MS);
    call->done.any = done;
    call->data = data;
    if (call->kind == CALL_FAILED) {
        return;
    }
    if (!store_is_for_all(store, store_command_version(command))) {
        store_call_fail_soon(call, STORE_OTHERS_TOO_OLD);
        return;
    }
    command->member = store->config.member_id;
    command->sequence = call->sequence;
    command->incarnation = store->incarnation;
    command->floor = LIST_ENTRY(list_first(&store->calls), struct store_call, node)->sequence;
    struct buffer *encoding = store_encoding(store);
    buffer_append_byte(encoding, FORWARD_COMMAND);
    int status = store_command_encode(command, encoding);
    if (status != 0) {
        store_call_fail_soon(call, status);
        return;
    }
    store_call_ask(call);
    (void)id_map_set(store->commands, call->sequence, call);
    store_call_start(call);
}
