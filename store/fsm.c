/* The state machine that raft drives: entries applied, the state saved and restored, requests of
 * other members carried out. */
#include "store/store_private.h"

#include "store/plant.h"
#include "store/snapshot.h"
#include <assert.h>

/* Sequences begin anew with every process: what an earlier one of this member had written into the
 * log is applied again after a restart and must not pass for the answer to a call of this one. */
static struct store_call *call_of(const struct store *store, uint64_t member, uint64_t incarnation,
                                  uint64_t sequence)
{
    return member == store->config.member_id && incarnation == store->incarnation
               ? id_map_get(store->commands, sequence)
               : NULL;
}

static bool is_result_wanted(void *data, const struct store_command *command)
{
    const struct store_call *call =
        call_of(data, command->member, command->incarnation, command->sequence);
    return call != NULL && call->answer == ANSWER_TXN;
}

void store_view_drop(struct store *store)
{
    store_snapshot_unref(store->view);
    store->view = NULL;
}

static void count_events(struct store *store, size_t event_count)
{
    size_t end = mvcc_history_count(store->state.mvcc);
    size_t deletions = 0;
    for (size_t i = end - event_count; i < end; i++) {
        deletions += mvcc_is_tombstone(mvcc_history_at(store->state.mvcc, i));
    }
    if (deletions > 0) {
        metric_add(store->metrics.deletes, (int64_t)deletions);
    }
    metric_add(store->metrics.puts, (int64_t)(event_count - deletions));
}

static void count_applied(struct store *store, const struct store_applied *applied)
{
    if (store->config.metrics == NULL) {
        return;
    }
    count_events(store, applied->event_count);
    metric_set(store->metrics.applied, (int64_t)store->state.applied_index);
    metric_set(store->metrics.revision, applied->revision);
    metric_set(store->metrics.keys, (int64_t)mvcc_key_count(store->state.mvcc));
    metric_set(store->metrics.bytes, (int64_t)mvcc_bytes(store->state.mvcc));
    metric_set(store->metrics.compact_revision, mvcc_compact_revision(store->state.mvcc));
    metric_set(store->metrics.slow_watches, (int64_t)watch_hub_behind(store->hub));
    if (applied->status == 0) {
        if (applied->kind == STORE_COMMAND_TXN) {
            metric_add(store->metrics.txns, 1);
        } else if (applied->kind == STORE_COMMAND_LEASE_GRANT) {
            metric_add(store->metrics.leases_granted, 1);
        } else if (applied->kind == STORE_COMMAND_LEASE_REVOKE) {
            metric_add(store->metrics.leases_revoked, 1);
        }
    }
}

static void tell_kind(struct store *store, const struct store_applied *applied)
{
    if (applied->kind == STORE_COMMAND_VERSION) {
        store_versions_changed(store);
    }
    if (applied->status == 0 && store->leading && applied->kind == STORE_COMMAND_LEASE_GRANT) {
        /* Its clock starts; it was granted just now, so it is there. */
        (void)!lease_table_renew(store->state.leases, applied->lease_id, store_now_ms(store));
        store_lease_timer_set(store);
    }
    if (applied->status == 0 && applied->kind == STORE_COMMAND_COMPACT) {
        env_timer_start(store->env, &store->trim_timer, /* delay_ns= */ 0);
    }
    if (applied->kind == STORE_COMMAND_ALARM) {
        store_alarms_changed(store);
    }
    if (applied->kind == STORE_COMMAND_AUTH) {
        store_auth_changed(store);
    }
}

/* A whole command was applied: whom does that concern? */
static void tell_applied(struct store *store, uint64_t index, const struct store_applied *applied)
{
    uint32_t needed = applied->status == STORE_TOO_OLD
                          ? store->version + 1 /* A kind that it has not. */
                          : versions_in_use(&store->state.versions);
    if (store_stops_too_old(store, index, needed)) {
        return;
    }
    tell_kind(store, applied);
    count_applied(store, applied);
    if (applied->event_count > 0) {
        watch_hub_notify(store->hub, store->state.mvcc, applied->event_count);
    }
    struct store_call *call =
        call_of(store, applied->member, applied->incarnation, applied->sequence);
    if (call != NULL) {
        store_call_finish(call, applied->status, applied, NULL);
    }
    store_txn_result_unref(applied->result);
    if (applied->status == 0 && applied->kind == STORE_COMMAND_CHECK) {
        store_check_applied(store, index, applied);
    }
}

static size_t keys_a_turn(const struct store *store)
{
    return store->config.keys_a_turn == 0 ? STORE_KEYS_A_TURN : store->config.keys_a_turn;
}

bool store_apply(struct store *store, uint64_t index, uint64_t term, struct slice command)
{
    struct store_applied applied;
    assert(store->applying == 0);
    if (store_stops_too_old(store, index, store_command_peek_version(command))) {
        return true;
    }
    store_view_drop(store);
    if (!store_state_apply_some(&store->state, index, term, command, keys_a_turn(store),
                                is_result_wanted, store, &applied)) {
        store->applying = index;
        store->view = mvcc_view(store->state.mvcc);
        return false;
    }
    tell_applied(store, index, &applied);
    return true;
}

bool store_apply_more(struct store *store)
{
    struct store_applied applied;
    if (store->applying == 0) {
        return true;
    }
    bool whole = store_state_apply_more(&store->state, keys_a_turn(store), &applied);
    if (whole) {
        store_view_leave(store, TAKE(store->view)); /* Bit by bit: it has all that was changed. */
        uint64_t index = store->applying;
        store->applying = 0;
        tell_applied(store, index, &applied);
    }
    return whole;
}

void store_apply_rest(struct store *store)
{
    while (!store_apply_more(store)) {
    }
}

static bool fsm_apply(void *data, uint64_t index, uint64_t term, struct slice command, uint64_t tag)
{
    struct store *store = data;
    (void)tag; /* The command names its member and sequence, which forwarding keeps. */
    if (store->too_old) {
        return true; /* The process is ending. */
    }
    if (store->rebuild.active) {
        store_rebuild_entry(store, index, term, command);
    } else if (index > store->state.applied_index) { /* A state from elsewhere may be ahead. */
        return store_apply(store, index, term, command);
    }
    return true;
}

static bool fsm_apply_more(void *data)
{
    return store_apply_more(data);
}

/* A state that is wrong, or ahead of what Raft has applied here, is not for the disk. */
static bool is_fit_for_snapshot(const struct store *store)
{
    return !store->rebuild.active && !store->too_old && store->applying == 0 &&
           (store->raft == NULL || store->state.applied_index <= raft_applied_index(store->raft));
}

static void *fsm_snapshot_take(void *data)
{
    struct store *store = data;
    return is_fit_for_snapshot(store) ? state_writer_new(&store->state) : NULL;
}

static int64_t fsm_snapshot_read(void *data, void *handle, uint64_t offset, uint8_t *buffer,
                                 size_t len)
{
    const struct store *store = data;
    (void)offset; /* In order and without gaps, by contract. */
    if (store->rebuild.active) {
        return -EAGAIN;
    }
    return (int64_t)state_writer_read(handle, buffer, len);
}

static void fsm_snapshot_release(void *data, void *handle)
{
    store_writer_end(data, handle);
}

static int fsm_restore_begin(void *data, uint64_t index, uint64_t term)
{
    struct store *store = data;
    (void)term;
    state_reader_free(store->restoring);
    store->restoring = state_reader_new();
    store->restoring_index = index;
    return 0;
}

static int fsm_restore_chunk(void *data, struct slice chunk)
{
    struct store *store = data;
    assert(store->restoring != NULL);
    int status = state_reader_feed(store->restoring, chunk);
    uint32_t in_use = state_reader_version(store->restoring);
    return store_stops_too_old(store, store->restoring_index, in_use) ? STORE_TOO_OLD : status;
}

static int fsm_restore_end(void *data)
{
    struct store *store = data;
    struct store_state state;
    int status = state_reader_end(store->restoring, &state);
    if (status != 0) {
        return status;
    }
    assert(store->applying == 0);
    store_view_drop(store);
    store_state_release(&store->state);
    store->state = state;
    store->state.applied_index = store->restoring_index + (PLANTED == PLANT_INDEX_AHEAD);
    store_rebuild_stop(store); /* This is a whole state, too. */
    state_reader_free(store->restoring);
    store->restoring = NULL;
    watch_hub_restored(store->hub, store->state.mvcc);
    store_versions_changed(store);
    store_alarms_changed(store);
    store_auth_changed(store);
    store_pump_soon(store);
    return 0;
}

static void fsm_forwarded(void *data, uint64_t forward, struct slice request)
{
    struct store *store = data;
    int64_t lease_id;
    uint8_t kind = request.len == 0 ? 0 : request.data[0];
    struct slice body = request.len == 0 ? request : slice_of(request.data + 1, request.len - 1);
    if (store->raft == NULL) {
        return;
    }
    if (kind == FORWARD_MEMBER) {
        store_forwarded_member(store, forward, body);
    } else if (kind == FORWARD_STATE) {
        store_rebuild_forwarded(store, forward, body);
    } else if (kind == FORWARD_COMMAND) {
        /* Who knows of a higher version than this leader has applied yet tries again. */
        int status = !store_is_for_all(store, store_command_peek_version(body))
                         ? -EAGAIN
                         : raft_forward_propose(store->raft, forward, body);
        if (status != 0) {
            raft_forward_reply(store->raft, forward, status, slice_of(NULL, 0));
        }
    } else if ((kind == FORWARD_KEEPALIVE || kind == FORWARD_LEASE_TTL) &&
               body.len == sizeof(lease_id)) {
        memcpy(&lease_id, body.data, sizeof(lease_id));
        store_forwarded_lease(store, forward, kind, lease_id);
    } else {
        raft_forward_reply(store->raft, forward, STORE_MALFORMED, slice_of(NULL, 0));
    }
}

void store_fsm_init(struct store *store)
{
    store->fsm = (struct raft_fsm){
        .data = store,
        .apply = fsm_apply,
        .apply_more = fsm_apply_more,
        .snapshot_take = fsm_snapshot_take,
        .snapshot_read = fsm_snapshot_read,
        .snapshot_release = fsm_snapshot_release,
        .restore_begin = fsm_restore_begin,
        .restore_chunk = fsm_restore_chunk,
        .restore_end = fsm_restore_end,
        .forwarded = fsm_forwarded,
    };
}

const struct raft_fsm *store_fsm(struct store *store)
{
    return &store->fsm;
}
