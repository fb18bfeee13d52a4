#include "store/etcd_turn.h"

#include "lib/base/alloc.h"
#include "store/limits.h"
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

static void wait_for_turn(struct etcd_turn *turn);

/* --- Life. */

static void turn_unref(struct etcd_turn *turn)
{
    if (atomic_fetch_sub_explicit(&turn->refs, 1, memory_order_acq_rel) == 1) {
        etcd_identity_release(&turn->identity);
        buffer_release(&turn->key);
        grpc_call_unref(turn->call);
        etcd_service_unref(turn->service);
        free(turn);
    }
}

static void leave(struct etcd_turn *turn);

static void abandoned(void *data) /* Store loop. */
{
    struct etcd_turn *turn = data;
    leave(turn);
    turn_unref(turn);
}

static void send_answer(void *data) /* Connection's loop. */
{
    struct etcd_turn *turn = data;
    if (turn->status == 0 && grpc_call_is_over(turn->call)) {
        loop_post(turn->service->store_loop, abandoned, turn); /* Nobody knows that it came. */
        return;
    }
    if (turn->status == STORE_KEY_NOT_FOUND) {
        grpc_call_finish(turn->call, GRPC_UNKNOWN, turn->kind->expired, slice_of(NULL, 0));
    } else if (turn->status != 0) {
        etcd_fail(turn->call, turn->status);
    } else {
        turn->kind->answer(turn);
    }
    turn_unref(turn);
}

static void finish(struct etcd_turn *turn, int status)
{
    assert(!turn->answered);
    turn->answered = true;
    turn->status = status;
    loop_post(grpc_call_loop(turn->call), send_answer, turn);
}

/* --- Giving the place up. */

static void left(void *data, int status, const struct store_txn_result *result)
{
    (void)status; /* The lease ends it otherwise. */
    (void)result;
    turn_unref(data);
}

static void revoked(void *data, int status, int64_t revision)
{
    (void)status;
    (void)revision;
    turn_unref(data);
}

/* By the process itself: it takes back what it has done for the client. */
static void leave(struct etcd_turn *turn)
{
    struct store *store = turn->service->store;
    if (store == NULL || (!turn->put && !turn->own_lease)) {
        return;
    }
    atomic_fetch_add(&turn->refs, 1);
    if (turn->own_lease) {
        store_lease_revoke(store, turn->lease, revoked, turn);
        return;
    }
    const struct store_compare compare = {.target = STORE_COMPARE_CREATE,
                                          .op = STORE_COMPARE_EQUAL,
                                          .key = buffer_slice(&turn->key),
                                          .number = turn->revision};
    const struct store_op op = {.kind = STORE_OP_DELETE,
                                .delete_range = {.key = buffer_slice(&turn->key)}};
    const struct store_txn txn = {
        .compares = &compare, .compare_count = 1, .success = &op, .success_count = 1};
    store_txn(store, &txn, left, turn);
}

static void fail(struct etcd_turn *turn, int status)
{
    leave(turn);
    finish(turn, status);
}

/* Whether to go on; if not, it has been seen to. */
static bool goes_on(struct etcd_turn *turn, int status)
{
    status = etcd_status_now(turn->service, status);
    if (turn->gone || status != 0) {
        fail(turn, turn->gone ? STORE_STOPPED : status);
        return false;
    }
    return true;
}

/* --- Waiting. */

struct slice etcd_turn_prefix(struct slice name, struct buffer *out, struct buffer *out_end)
{
    buffer_append_slice(out, name);
    buffer_append_byte(out, '/');
    buffer_append_slice(out_end, name);
    buffer_append_byte(out_end, '/' + 1);
    return buffer_slice(out);
}

static void turn_came(void *data, int status)
{
    struct etcd_turn *turn = data;
    if (!goes_on(turn, status)) {
        return;
    }
    struct store_snapshot *snapshot = store_snapshot_ref(turn->service->store);
    const struct store_kv *kv = store_snapshot_get(snapshot, buffer_slice(&turn->key));
    bool there = kv != NULL && kv->create_revision == turn->revision;
    store_kv_unref(kv);
    store_snapshot_unref(snapshot);
    turn->header = etcd_header_now(turn->service);
    turn->put = there;
    if (there) {
        finish(turn, 0);
    } else {
        fail(turn, STORE_KEY_NOT_FOUND);
    }
}

static void on_events(void *data, int64_t revision, const struct store_event *events, size_t count)
{
    struct etcd_turn *turn = data;
    (void)revision;
    (void)events; /* A deletion: puts are left out. */
    (void)count;
    store_watch_cancel(TAKE(turn->watch));
    wait_for_turn(turn);
}

static void on_watch_end(void *data, int status, int64_t compact_revision)
{
    struct etcd_turn *turn = data;
    (void)compact_revision;
    turn->watch = NULL;
    if (status == STORE_COMPACTED) {
        wait_for_turn(turn); /* It waited so long: by what is there now. */
    } else {
        fail(turn, status);
    }
}

static int look_for_predecessor(struct etcd_turn *turn, struct store_snapshot *snapshot,
                                struct store_range_result *ret_result)
{
    struct buffer prefix, end;
    struct auth_caller caller;
    buffer_init(&prefix, STORE_REQUEST_BYTES_MAX);
    buffer_init(&end, STORE_REQUEST_BYTES_MAX);
    const struct store_range range = {.key = etcd_turn_prefix(turn->name, &prefix, &end),
                                      .end = buffer_slice(&end),
                                      .limit = 1,
                                      .sort_order = STORE_SORT_DESCEND,
                                      .sort_target = STORE_SORT_CREATE,
                                      .max_create_revision = turn->revision - 1};
    int status = etcd_caller(turn->service, turn->call, &turn->identity, &caller);
    if (status == 0) {
        status = auth_check_range(store_auth(turn->service->store), &caller, AUTH_READ, range.key,
                                  range.end);
    }
    if (status == 0) {
        status = store_snapshot_range(snapshot, &range, ret_result);
    }
    buffer_release(&prefix);
    buffer_release(&end);
    return status;
}

static int watch_predecessor(struct etcd_turn *turn, const struct store_kv *kv, int64_t revision)
{
    const struct store_watch_options options = {.key = kv->key,
                                                .start_revision = revision + 1,
                                                .no_put = true,
                                                .on_events = on_events,
                                                .on_end = on_watch_end,
                                                .data = turn};
    turn->watch = store_watch(turn->service->store, &options);
    turn->waited = true;
    return turn->watch == NULL ? STORE_TOO_MANY_REQUESTS : 0;
}

/* The state of this member holds the own key: who came before is in it, or has been. */
static void wait_for_turn(struct etcd_turn *turn)
{
    struct store_range_result result;
    if (!goes_on(turn, 0)) {
        return;
    }
    struct store_snapshot *snapshot = store_snapshot_ref(turn->service->store);
    int status = look_for_predecessor(turn, snapshot, &result);
    bool first = false;
    if (status == 0) {
        first = result.kv_count == 0;
        status =
            first ? 0 : watch_predecessor(turn, result.kvs[0], store_snapshot_revision(snapshot));
        store_range_result_release(&result);
    }
    store_snapshot_unref(snapshot);
    if (status != 0) {
        fail(turn, status);
    } else if (first && turn->waited) { /* Whether the own key is there still, for sure. */
        store_read_barrier(turn->service->store, turn_came, turn);
    } else if (first) {
        turn_came(turn, 0);
    }
}

/* --- Taking a place. */

static void proclaimed(void *data, int status, const struct store_txn_result *result)
{
    struct etcd_turn *turn = data;
    if (goes_on(turn, status == 0 && !result->succeeded ? STORE_KEY_NOT_FOUND : status)) {
        wait_for_turn(turn);
    }
}

/* The session had a place already, with another value. */
static void proclaim(struct etcd_turn *turn, const struct auth_caller *caller)
{
    const struct store_compare compare = {.target = STORE_COMPARE_CREATE,
                                          .op = STORE_COMPARE_EQUAL,
                                          .key = buffer_slice(&turn->key),
                                          .number = turn->revision};
    const struct store_op op = {
        .kind = STORE_OP_PUT,
        .put = {.key = buffer_slice(&turn->key), .value = turn->value, .lease = turn->lease}};
    const struct store_txn txn = {
        .compares = &compare, .compare_count = 1, .success = &op, .success_count = 1};
    store_txn_as(turn->service->store, caller, &txn, proclaimed, turn);
}

static void placed(void *data, int status, const struct store_txn_result *result)
{
    struct etcd_turn *turn = data;
    struct auth_caller caller;
    turn->put = status == 0;
    if (status == 0) {
        const struct store_range_result *found = &result->ops[0].range;
        bool missing = !result->succeeded && found->kv_count == 0; /* It compared as there. */
        assert(!missing);
        (void)missing;
        turn->revision = result->succeeded ? result->revision : found->kvs[0]->create_revision;
    }
    if (!goes_on(turn, status)) {
        return;
    }
    if (!result->succeeded && !slice_equal(result->ops[0].range.kvs[0]->value, turn->value)) {
        status = etcd_caller(turn->service, turn->call, &turn->identity, &caller);
        if (goes_on(turn, status)) {
            proclaim(turn, &caller);
        }
        return;
    }
    wait_for_turn(turn);
}

static void take_place(struct etcd_turn *turn)
{
    struct auth_caller caller;
    int status = etcd_caller(turn->service, turn->call, &turn->identity, &caller);
    if (!goes_on(turn, status)) {
        return;
    }
    buffer_append_slice(&turn->key, turn->name);
    buffer_printf(&turn->key, turn->lease < 0 ? "/-%" PRIx64 : "/%" PRIx64,
                  turn->lease < 0 ? 0 - (uint64_t)turn->lease : (uint64_t)turn->lease);
    struct slice key = buffer_slice(&turn->key);
    const struct store_compare compare = {
        .target = STORE_COMPARE_CREATE, .op = STORE_COMPARE_EQUAL, .key = key};
    const struct store_op put = {.kind = STORE_OP_PUT,
                                 .put = {.key = key, .value = turn->value, .lease = turn->lease}};
    const struct store_op get = {.kind = STORE_OP_RANGE, .range = {.key = key}};
    const struct store_txn txn = {.compares = &compare,
                                  .compare_count = 1,
                                  .success = &put,
                                  .success_count = 1,
                                  .failure = &get,
                                  .failure_count = 1};
    store_txn_as(turn->service->store, &caller, &txn, placed, turn);
}

static void granted(void *data, int status, const struct store_lease_info *info)
{
    struct etcd_turn *turn = data;
    turn->own_lease = status == 0;
    turn->lease = info->id;
    if (goes_on(turn, status)) {
        take_place(turn);
    }
}

static void turn_run(void *data);

static void turn_caught_up(void *data, int status)
{
    struct etcd_turn *turn = data;
    if (goes_on(turn, status)) {
        turn_run(turn);
    }
}

static void turn_run(void *data) /* Store loop. */
{
    struct etcd_turn *turn = data;
    struct auth_caller caller;
    if (!goes_on(turn, etcd_voter_status(turn->service))) {
        return;
    }
    int status = etcd_wants_leader(turn->call) && !etcd_has_leader(turn->service)
                     ? STORE_NO_LEADER
                     : etcd_caller(turn->service, turn->call, &turn->identity, &caller);
    if (status == STORE_INVALID_AUTH_TOKEN && !turn->caught_up) {
        turn->caught_up = true;
        store_read_barrier(turn->service->store, turn_caught_up, turn);
    } else if (status != 0 || caller.restricted) {
        finish(turn, status != 0 ? status : STORE_PERMISSION_DENIED);
    } else if (turn->lease == 0) {
        store_lease_grant_as(turn->service->store, &caller, /* id= */ 0, ETCD_SESSION_TTL_S,
                             granted, turn);
    } else {
        take_place(turn);
    }
}

/* --- The connection's side. */

static void turn_gone(void *data) /* Store loop. */
{
    struct etcd_turn *turn = data;
    turn->gone = true;
    if (turn->watch != NULL) { /* Else something is under way, which sees to it. */
        store_watch_cancel(TAKE(turn->watch));
        fail(turn, STORE_STOPPED);
    }
    turn_unref(turn);
}

static void on_cancel(void *data)
{
    struct etcd_turn *turn = data;
    atomic_fetch_add(&turn->refs, 1);
    loop_post(turn->service->store_loop, turn_gone, turn);
}

void etcd_turn_start(struct etcd_service *service, struct grpc_call *call,
                     const struct etcd_turn_kind *kind, const void *message, struct slice name,
                     struct slice value, int64_t lease)
{
    struct etcd_turn *turn = alloc_zeroed(sizeof(*turn));
    atomic_init(&turn->refs, 1);
    turn->service = etcd_service_ref(service);
    turn->call = grpc_call_ref(call);
    turn->kind = kind;
    turn->message = message;
    turn->name = name;
    turn->value = value;
    turn->lease = lease;
    buffer_init(&turn->key, STORE_REQUEST_BYTES_MAX);
    grpc_call_on_cancel(call, on_cancel, turn);
    loop_post(service->store_loop, turn_run, turn);
}
