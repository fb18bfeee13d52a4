#include "store/state.h"

#include "lib/base/alloc.h"
#include "lib/base/digest.h"
#include "store/limits.h"
#include "store/permit.h"
#include "store/status.h"
#include "store/txn_run.h"
#include <assert.h>
#include <stdlib.h>

enum { LEASE_TTL_MIN_S = 1, REVOKE_CHUNK = 256 };

/* A command being applied. */
struct store_work {
    struct store_command command;
    uint64_t index, term;
    bool wanted; /* Its result is. */
    size_t keys; /* To be touched in the first turn. */
    struct txn_run *txn;
    bool revokes;
    struct store_applied applied;
};

void store_state_init(struct store_state *state)
{
    *state = (struct store_state){.mvcc = mvcc_new(),
                                  .leases = lease_table_new(),
                                  .auth = auth_new(),
                                  .arena = arena_new(/* limit_bytes= */ SIZE_MAX)};
}

void store_state_release(struct store_state *state)
{
    if (state->work != NULL && state->work->txn != NULL) {
        txn_abandon(state->work->txn);
    }
    mvcc_free(state->mvcc);
    lease_table_free(state->leases);
    auth_free(state->auth);
    arena_free(state->arena);
    sessions_release(&state->sessions);
    *state = (struct store_state){0};
}

uint64_t store_state_hash(const struct store_state *state)
{
    return mvcc_hash(state->mvcc) ^ state->lease_hash ^ auth_hash(state->auth);
}

static void lease_hash_add(struct store_state *state, int64_t id, int64_t ttl_s)
{
    const int64_t change[] = {id, ttl_s};
    state->lease_hash = digest64(state->lease_hash, slice_of(change, sizeof(change)));
}

/* etcd: one alarm of space at any member keeps all from growing. An alarm of corruption that a
 * client has raised stops everything; one that a member raised about itself is that member's. */
static int alarm_status(const struct store_state *state, bool grows)
{
    for (size_t i = 0; i < state->alarms.count; i++) {
        if (state->alarms.rows[i].kind == STORE_ALARM_CORRUPT && !state->alarms.rows[i].by_itself) {
            return STORE_CORRUPT;
        }
    }
    return grows && alarm_table_find(&state->alarms, /* member= */ 0, STORE_ALARM_NOSPACE) != NULL
               ? STORE_NO_SPACE
               : 0;
}

int store_state_alarm_status(const struct store_state *state)
{
    return alarm_status(state, /* grows= */ false);
}

static int apply_alarm(struct store_state *state, const struct store_command *command)
{
    const struct store_alarm *row = &command->alarm.row;
    if (row->kind == STORE_ALARM_NONE) {
        return 0; /* As etcd. */
    }
    if (command->alarm.raised) {
        return alarm_table_raise(&state->alarms, row);
    }
    return alarm_table_clear(&state->alarms, row->member, row->kind) ? 0 : STORE_KEY_NOT_FOUND;
}

static int begin_txn(struct store_state *state, struct store_work *work)
{
    const struct store_txn *txn = work->command.txn;
    int status = store_txn_check(txn); /* The log is outside bytes too. */
    if (status == 0) {
        status = alarm_status(state, store_txn_puts(txn));
    }
    if (status == 0) {
        work->txn =
            txn_begin(state->mvcc, state->leases, state->arena, txn, work->wanted, work->keys);
    }
    return status;
}

static int apply_grant(struct store_state *state, const struct store_command *command,
                       struct store_applied *applied)
{
    int64_t ttl_s = command->grant.ttl_s;
    int alarm = alarm_status(state, /* grows= */ true);
    if (alarm != 0) {
        return alarm;
    }
    if (ttl_s > STORE_LEASE_TTL_MAX_S) {
        return STORE_LEASE_TTL_TOO_LARGE;
    }
    if (command->grant.id == 0) {
        return STORE_LEASE_NOT_FOUND;
    }
    ttl_s = ttl_s < LEASE_TTL_MIN_S ? LEASE_TTL_MIN_S : ttl_s;
    applied->lease_id = command->grant.id;
    applied->lease_ttl_s = ttl_s;
    int status = lease_table_grant(state->leases, command->grant.id, ttl_s);
    if (status == 0) {
        lease_hash_add(state, command->grant.id, ttl_s);
    }
    return status;
}

static int begin_revoke(struct store_state *state, struct store_work *work)
{
    int64_t id = work->command.revoke.id;
    work->applied.lease_id = id;
    if (work->command.revoke.term != 0 && work->command.revoke.term != work->term) {
        return 0; /* An expiry decided by a leader whose time was over (L3). */
    }
    if (!lease_table_has(state->leases, id)) {
        return STORE_LEASE_NOT_FOUND;
    }
    int alarm = alarm_status(state, /* grows= */ false);
    if (alarm != 0) {
        return alarm;
    }
    work->revokes = true;
    mvcc_begin(state->mvcc);
    if (lease_table_key_count(state->leases, id) > work->keys) {
        mvcc_keep_view(state->mvcc);
    }
    return 0;
}

/* False when there are more keys than `keys` allows. */
static bool revoke_some(struct store_state *state, int64_t id, size_t keys)
{
    struct slice chunk[REVOKE_CHUNK];
    size_t count;
    do {
        size_t max = keys < REVOKE_CHUNK ? keys : REVOKE_CHUNK;
        count = lease_table_keys(state->leases, id, chunk, max);
        for (size_t i = 0; i < count; i++) {
            (void)mvcc_delete(state->mvcc, chunk[i]);
            lease_table_detach(state->leases, id, chunk[i]);
        }
        keys -= count;
    } while (count > 0 && keys > 0);
    return lease_table_key_count(state->leases, id) == 0;
}

static void revoke_end(struct store_state *state, struct store_work *work)
{
    int64_t id = work->command.revoke.id;
    work->applied.event_count = mvcc_end(state->mvcc);
    lease_table_remove(state->leases, id);
    lease_hash_add(state, id, /* ttl_s= */ 0);
}

/* A member that is gone for good makes room when all rows are taken: the first one. */
static int apply_member_url(struct store_state *state, const struct store_command *command)
{
    struct slice url = command->member_url.url;
    if (command->member_url.id == 0 || url.len == 0 || url.len >= STORE_URL_MAX) {
        return STORE_MALFORMED;
    }
    size_t row = 0;
    for (size_t i = STORE_MEMBERS_MAX; i-- > 0;) {
        if (state->urls[i].id == 0) {
            row = i;
        }
    }
    for (size_t i = 0; i < STORE_MEMBERS_MAX; i++) {
        if (state->urls[i].id == command->member_url.id) {
            row = i;
        }
    }
    state->urls[row] = (struct store_member_url){.id = command->member_url.id};
    memcpy(state->urls[row].url, url.data, url.len);
    return 0;
}

static int apply_version(struct store_state *state, const struct store_command *command)
{
    if (command->version.member == 0) {
        versions_raise(&state->versions, command->version.version);
    } else {
        versions_note(&state->versions, command->version.member, command->version.version);
    }
    return 0;
}

/* The whole of it, or for transactions and revocations the beginning. */
static int begin_command(struct store_state *state, struct store_work *work)
{
    const struct store_command *command = &work->command;
    int status = store_permit_command(state, command);
    if (status != 0) {
        return status;
    }
    switch (command->kind) {
    case STORE_COMMAND_TXN:
        return begin_txn(state, work);
    case STORE_COMMAND_COMPACT: {
        int alarm = alarm_status(state, /* grows= */ false);
        return alarm != 0 ? alarm : mvcc_compact(state->mvcc, command->compact_revision);
    }
    case STORE_COMMAND_LEASE_GRANT:
        return apply_grant(state, command, &work->applied);
    case STORE_COMMAND_LEASE_REVOKE:
        return begin_revoke(state, work);
    case STORE_COMMAND_MEMBER_URL:
        return apply_member_url(state, command);
    case STORE_COMMAND_ALARM:
        return apply_alarm(state, command);
    case STORE_COMMAND_CHECK:
        work->applied.check = command->check; /* The driver's matter: it changes no state. */
        return 0;
    case STORE_COMMAND_AUTH:
        return auth_apply(state->auth, &command->auth.change);
    case STORE_COMMAND_VERSION:
        return apply_version(state, command);
    }
    return STORE_MALFORMED;
}

static void end_command(struct store_state *state, struct store_work *work)
{
    if (work->txn != NULL) {
        work->applied.status =
            txn_end(work->txn, &work->applied.result, &work->applied.event_count);
    } else if (work->revokes) {
        revoke_end(state, work);
    }
    work->applied.revision = mvcc_revision(state->mvcc);
    if (work->applied.status != STORE_TOO_OLD) {
        state->applied_index = work->index;
    }
}

static bool work_some(struct store_state *state, size_t keys, struct store_applied *ret_applied)
{
    struct store_work *work = state->work;
    bool whole = work->txn != NULL ? txn_step(work->txn, keys)
                 : work->revokes   ? revoke_some(state, work->command.revoke.id, keys)
                                   : true;
    if (whole) {
        state->work = NULL;
        end_command(state, work);
        *ret_applied = work->applied;
    }
    return whole;
}

bool store_state_apply_some(struct store_state *state, uint64_t index, uint64_t term,
                            struct slice command, size_t keys, store_wants *wants, void *data,
                            struct store_applied *ret_applied)
{
    assert(index > state->applied_index && state->work == NULL);
    arena_reset(state->arena);
    struct store_work *work = arena_zeroed(state->arena, sizeof(*work));
    struct store_command *decoded = &work->command;
    struct store_applied *applied = &work->applied;
    work->index = index;
    work->term = term;
    work->keys = keys;
    applied->status = store_command_decode(command, state->arena, decoded);
    if (applied->status == 0) {
        applied->kind = decoded->kind;
        applied->member = decoded->member;
        applied->incarnation = decoded->incarnation;
        applied->sequence = decoded->sequence;
        work->wanted = wants != NULL && wants(data, decoded);
        applied->repeated = decoded->sequence != 0 &&
                            !sessions_note(&state->sessions, decoded->member, decoded->incarnation,
                                           decoded->sequence, decoded->floor);
        applied->status = applied->repeated ? STORE_LEADER_CHANGED : begin_command(state, work);
    }
    state->work = work;
    return work_some(state, keys, ret_applied);
}

bool store_state_apply_more(struct store_state *state, size_t keys,
                            struct store_applied *ret_applied)
{
    assert(state->work != NULL);
    return work_some(state, keys, ret_applied);
}

void store_state_apply(struct store_state *state, uint64_t index, uint64_t term,
                       struct slice command, store_wants *wants, void *data,
                       struct store_applied *ret_applied)
{
    bool whole = store_state_apply_some(state, index, term, command, /* keys= */ SIZE_MAX, wants,
                                        data, ret_applied);
    assert(whole);
    (void)whole;
}
