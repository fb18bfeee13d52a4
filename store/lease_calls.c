/* Leases at run time: granting and revoking are commands; renewing and asking for the time left go
 * to the leader's memory. A leader answers them only after a majority has confirmed that it still
 * leads, so that no renewal is acknowledged that its successor does not honour (L1). */
#include "store/store_private.h"

#include "lib/base/alloc.h"
#include "store/plant.h"
#include <stdlib.h>

enum { EXPIRY_RETRY_MS = 1000 };

/* Both kinds of function pointer are only carried. */
typedef void (*any_done)(void);

void store_lease_grant(struct store *store, int64_t id, int64_t ttl_s, store_lease_done *done,
                       void *data)
{
    store_lease_grant_as(store, /* caller= */ NULL, id, ttl_s, done, data);
}

void store_lease_grant_as(struct store *store, const struct auth_caller *caller, int64_t id,
                          int64_t ttl_s, store_lease_done *done, void *data)
{
    while (id == 0 || (id < 0 && lease_table_has(store->state.leases, id))) {
        id = (int64_t)(env_random(store->env) >> 1);
    }
    struct store_command command = {.kind = STORE_COMMAND_LEASE_GRANT,
                                    .grant = {.id = id, .ttl_s = ttl_s}};
    store_command_call(&command, caller);
    store_command_start(store, &command, ANSWER_LEASE, (any_done)done, data);
}

void store_lease_revoke(struct store *store, int64_t id, store_done *done, void *data)
{
    store_lease_revoke_as(store, /* caller= */ NULL, id, done, data);
}

void store_lease_revoke_as(struct store *store, const struct auth_caller *caller, int64_t id,
                           store_done *done, void *data)
{
    struct store_command command = {.kind = STORE_COMMAND_LEASE_REVOKE, .revoke = {.id = id}};
    store_command_call(&command, caller);
    store_command_start(store, &command, ANSWER_PLAIN, (any_done)done, data);
}

size_t store_lease_ids(const struct store *store, int64_t *ids, size_t max)
{
    return lease_table_ids(store->state.leases, ids, max);
}

static void lease_call(struct store *store, int64_t id, enum store_call_kind kind, bool with_keys,
                       store_lease_done *done, void *data)
{
    struct store_call *call = store_call_new(store, kind, ANSWER_LEASE, STORE_READ_TIMEOUT_MS);
    call->done.lease = done;
    call->data = data;
    call->lease_id = id;
    call->with_keys = with_keys;
    struct buffer *encoding = store_encoding(store);
    buffer_append_byte(encoding, kind == CALL_KEEPALIVE ? FORWARD_KEEPALIVE : FORWARD_LEASE_TTL);
    buffer_append(encoding, &id, sizeof(id));
    store_call_ask(call);
    store_call_start(call);
}

void store_lease_keepalive(struct store *store, int64_t id, store_lease_done *done, void *data)
{
    lease_call(store, id, CALL_KEEPALIVE, /* with_keys= */ false, done, data);
}

void store_lease_ttl(struct store *store, int64_t id, bool with_keys, store_lease_done *done,
                     void *data)
{
    lease_call(store, id, CALL_LEASE_TTL, with_keys, done, data);
}

/* --- At the leader. */

/* 0, STORE_LEASE_NOT_FOUND, -ENOTCONN when leadership was lost meanwhile, or -EAGAIN when its
 * expiry is on its way: ask again, until it is gone or another leader knows better. */
static int lease_act(struct store *store, uint64_t term, enum forward_kind kind, int64_t id,
                     struct forward_lease_reply *ret_reply)
{
    struct lease_table *leases = store->state.leases;
    uint64_t now = store_now_ms(store);
    if (!store->leading || store->leading_term != term) {
        return -ENOTCONN;
    }
    if (!lease_table_has(leases, id)) {
        return STORE_LEASE_NOT_FOUND;
    }
    if (kind == FORWARD_KEEPALIVE) {
        int status = lease_table_renew(leases, id, now);
        if (status != 0) {
            return status;
        }
        store_lease_timer_set(store);
    }
    int64_t left_ms = lease_table_left_ms(leases, id, now);
    *ret_reply = (struct forward_lease_reply){
        .ttl_s = kind == FORWARD_KEEPALIVE ? (left_ms + 999) / 1000 : left_ms / 1000,
        .granted_ttl_s = lease_table_granted_ttl(leases, id)};
    return 0;
}

static enum forward_kind call_forward_kind(const struct store_call *call)
{
    return call->kind == CALL_KEEPALIVE ? FORWARD_KEEPALIVE : FORWARD_LEASE_TTL;
}

static void own_confirmed(void *data, int status, uint64_t index)
{
    struct store_call *call = data;
    struct forward_lease_reply reply = {0};
    (void)index;
    if (status == 0) {
        status =
            lease_act(call->store, call->term, call_forward_kind(call), call->lease_id, &reply);
    }
    if (status == 0 || status == STORE_LEASE_NOT_FOUND) {
        store_lease_answer(call, status, slice_of(&reply, sizeof(reply)));
    } else if (!call->finished) {
        store_call_wait(call);
    }
    store_call_answered(call);
}

void store_lease_try(struct store_call *call)
{
    call->term = call->store->leading_term;
    call->owed++;
    if (PLANTED == PLANT_KEEPALIVE_UNCONFIRMED) {
        own_confirmed(call, 0, 0);
        return;
    }
    if (raft_read_index(call->store->raft, own_confirmed, call) != 0) {
        call->owed--;
        store_call_fail_soon(call, STORE_TOO_MANY_REQUESTS);
    }
}

void store_lease_answer(struct store_call *call, int status, struct slice reply)
{
    struct store *store = call->store;
    struct store_lease_info info = {.id = call->lease_id, .ttl_s = -1};
    struct forward_lease_reply fixed;
    struct slice *keys = NULL;
    if (status == 0 && reply.len == sizeof(fixed)) {
        memcpy(&fixed, reply.data, sizeof(fixed));
        info.ttl_s = fixed.ttl_s;
        info.granted_ttl_s = fixed.granted_ttl_s;
    } else if (status == 0) {
        status = STORE_MALFORMED;
    }
    if (status == 0 && call->with_keys) {
        size_t max = lease_table_key_count(store->state.leases, call->lease_id);
        keys = alloc_array(max + 1, sizeof(*keys));
        info.key_count = lease_table_keys(store->state.leases, call->lease_id, keys, max);
        info.keys = keys;
    }
    store_call_finish(call, status, NULL, &info);
    free(keys);
}

/* --- For another member. */

struct remote_lease {
    struct store *store;
    uint64_t forward;
    enum forward_kind kind;
    int64_t id;
    uint64_t term;
};

static void remote_confirmed(void *data, int status, uint64_t index)
{
    struct remote_lease *remote = data;
    struct forward_lease_reply reply = {0};
    (void)index;
    if (status == 0) {
        status = lease_act(remote->store, remote->term, remote->kind, remote->id, &reply);
    } else {
        status = -ENOTCONN; /* Nothing was renewed: safe to ask again. */
    }
    if (remote->store->raft != NULL) {
        raft_forward_reply(remote->store->raft, remote->forward, status,
                           slice_of(&reply, sizeof(reply)));
    }
    free(remote);
}

void store_forwarded_lease(struct store *store, uint64_t forward, enum forward_kind kind,
                           int64_t lease_id)
{
    if (!store->leading) {
        raft_forward_reply(store->raft, forward, -ENOTCONN, slice_of(NULL, 0));
        return;
    }
    struct remote_lease *remote = alloc_zeroed(sizeof(*remote));
    *remote = (struct remote_lease){.store = store,
                                    .forward = forward,
                                    .kind = kind,
                                    .id = lease_id,
                                    .term = store->leading_term};
    int status = raft_read_index(store->raft, remote_confirmed, remote);
    if (status != 0) {
        raft_forward_reply(store->raft, forward, status, slice_of(NULL, 0));
        free(remote);
    }
}

/* --- Expiry. */

static void expiry_proposed(void *data, int status, uint64_t index)
{
    (void)data; /* A lost one is due again after EXPIRY_RETRY_MS. */
    (void)status;
    (void)index;
}

static void expire(struct store *store, int64_t id)
{
    struct store_command command = {.kind = STORE_COMMAND_LEASE_REVOKE,
                                    .member = store->config.member_id,
                                    .revoke = {.id = id, .term = store->leading_term}};
    CLEANUP(buffer_release) struct buffer bytes;
    buffer_init(&bytes, STORE_REQUEST_BYTES_MAX);
    if (PLANTED == PLANT_STALE_EXPIRY && !store->leading) {
        command.revoke.term = 0;
        store_command_say(store, &command);
        return;
    }
    if (store_command_encode(&command, &bytes) != 0 ||
        raft_propose(store->raft, buffer_slice(&bytes), /* tag= */ 0, expiry_proposed, NULL) != 0) {
        lease_table_spare(store->state.leases, id); /* Not even tried. */
    } else if (store->metrics.leases_expired != NULL) {
        metric_add(store->metrics.leases_expired, 1);
    }
}

static void lease_timer_fired(void *data)
{
    struct store *store = data;
    int64_t ids[STORE_LEASE_EXPIRE_BATCH];
    bool leads = store->leading || PLANTED == PLANT_STALE_EXPIRY;
    if (!leads || store->raft == NULL) {
        return;
    }
    if (raft_absences(store->raft) != store->absences ||
        store_now_ms(store) > store->lease_timer_ms + store->config.lease_grace_ms) {
        /* This loop stood still: renewals wait in its sockets. */
        store->absences = raft_absences(store->raft);
        lease_table_extend(store->state.leases, store_now_ms(store), store->config.lease_grace_ms);
        store_lease_timer_set(store);
        return;
    }
    size_t count = lease_table_due(store->state.leases, store_now_ms(store), EXPIRY_RETRY_MS, ids,
                                   STORE_LEASE_EXPIRE_BATCH);
    for (size_t i = 0; i < count; i++) {
        if (PLANTED == PLANT_LOCAL_EXPIRY) {
            lease_table_remove(store->state.leases, ids[i]);
            continue;
        }
        expire(store, ids[i]);
    }
    store_lease_timer_set(store);
}

void store_lease_timer_set(struct store *store)
{
    uint64_t next_ms = lease_table_next_ms(store->state.leases);
    uint64_t now_ms = store_now_ms(store);
    env_timer_stop(store->env, &store->lease_timer);
    bool leads = store->leading || PLANTED == PLANT_STALE_EXPIRY;
    if (leads && next_ms != UINT64_MAX) {
        uint64_t delay_ms = next_ms > now_ms ? next_ms - now_ms : 0;
        store->lease_timer_ms = now_ms + delay_ms + 1;
        store->lease_timer.fire = lease_timer_fired;
        store->lease_timer.data = store;
        env_timer_start(store->env, &store->lease_timer, (delay_ms + 1) * NS_PER_MS);
    }
}

void store_leases_role(struct store *store, bool leading)
{
    if (leading) {
        store->absences = raft_absences(store->raft);
        lease_table_lead(store->state.leases, store_now_ms(store), store->config.lease_grace_ms);
    } else if (PLANTED != PLANT_STALE_EXPIRY) {
        lease_table_follow(store->state.leases);
    }
    store_lease_timer_set(store);
}
