/* This server's session with etcd, a lease, and what is bound to it: the key that says where its
 * API is, and, for one of all servers, the key that says who leads. Leadership ends here before the
 * lease can end there: its time is counted from when the renewal was asked for. */
#include "store/remote/remote_private.h"

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include <assert.h>
#include <stdlib.h>

#define LEADER_KEY    "/coracle/leader"
#define SERVER_PREFIX "/coracle/servers/"
#define SERVER_END    "/coracle/servers0"

enum { STEP_MS = 250 };

static void step(struct remote_store *remote);

/* --- Telling. */

static void tell_fired(void *data)
{
    struct remote_store *remote = data;
    struct leader *leader = &remote->leader;
    for (size_t i = 0; i < leader->listener_count; i++) {
        if (!leader->listeners[i].told) {
            leader->listeners[i].told = true;
            leader->listeners[i].changed(leader->listeners[i].data, leader->leading, leader->term);
        }
    }
}

static void set_leading(struct remote_store *remote, bool leading, uint64_t term)
{
    struct leader *leader = &remote->leader;
    if (leader->leading == leading && (!leading || leader->term == term)) {
        return;
    }
    leader->leading = leading;
    leader->term = term;
    for (size_t i = 0; i < leader->listener_count; i++) {
        leader->listeners[i].told = false;
    }
    env_timer_start(remote->env, &leader->tell, 0);
}

void remote_on_leadership(struct storage *storage,
                          void (*changed)(void *data, bool leading, uint64_t term), void *data)
{
    struct remote_store *remote = CONTAINER_OF(storage, struct remote_store, storage);
    struct leader *leader = &remote->leader;
    assert(leader->listener_count < STORE_LISTENERS_MAX);
    leader->listeners[leader->listener_count].changed = changed;
    leader->listeners[leader->listener_count].data = data;
    leader->listener_count++;
    env_timer_start(remote->env, &leader->tell, 0);
}

/* --- What the mirror says of the key, against what the clock says of the lease. */

static bool lease_is_good(const struct remote_store *remote)
{
    return remote->leader.lease != 0 && env_now_ns(remote->env) < remote->leader.until_ns;
}

static void look(struct remote_store *remote)
{
    struct leader *leader = &remote->leader;
    const struct store_kv *kv = mirror_get(remote->mirror, slice_text(LEADER_KEY));
    bool ours = kv != NULL && kv->lease == leader->lease && lease_is_good(remote);
    if (ours && !leader->resigned) {
        set_leading(remote, true, (uint64_t)kv->create_revision);
    } else {
        set_leading(remote, false, leader->term);
    }
}

static void on_leader_events(void *data, int64_t revision, const struct store_event *events,
                             size_t count)
{
    struct remote_store *remote = data;
    (void)revision;
    (void)events;
    (void)count;
    look(remote);
    if (mirror_get(remote->mirror, slice_text(LEADER_KEY)) == NULL) {
        env_timer_start(remote->env, &remote->leader.step, 0); /* The place is free. */
    }
}

static void watch_leader(struct remote_store *remote);

static void on_leader_watch_end(void *data, int status, int64_t compact_revision)
{
    struct remote_store *remote = data;
    (void)compact_revision;
    remote->leader.watch = NULL;
    if (status != STORE_STOPPED) {
        watch_leader(remote);
        look(remote);
    }
}

static void watch_leader(struct remote_store *remote)
{
    struct store_watch_options options = {.key = slice_text(LEADER_KEY),
                                          .on_events = on_leader_events,
                                          .on_end = on_leader_watch_end,
                                          .data = remote};
    remote->leader.watch = mirror_watch(remote->mirror, &options);
}

/* --- Steps, one at a time. */

static void step_done(struct remote_store *remote)
{
    remote->leader.busy = false;
    look(remote);
    env_timer_start(remote->env, &remote->leader.step, 0);
}

static void lease_renewed(struct remote_store *remote, int64_t ttl_s)
{
    struct leader *leader = &remote->leader;
    uint64_t ttl_ms = (uint64_t)ttl_s * 1000;
    uint64_t usable_ms =
        ttl_ms > 2 * REMOTE_SESSION_MARGIN_MS ? ttl_ms - REMOTE_SESSION_MARGIN_MS : ttl_ms / 2;
    leader->until_ns = leader->asked_ns + usable_ms * NS_PER_MS;
    leader->renew_ns = leader->asked_ns + REMOTE_SESSION_RENEW_MS * NS_PER_MS;
}

static void lease_lost(struct remote_store *remote)
{
    remote->leader.lease = 0;
    remote->leader.registered = false;
}

static void on_granted(void *data, int status, const struct store_lease_info *info)
{
    struct remote_store *remote = data;
    if (status == 0) {
        remote->leader.lease = info->id;
        lease_renewed(remote, info->granted_ttl_s);
    }
    remote->leader.busy = false;
    if (status == 0) {
        step_done(remote);
    } /* Else the next step's time comes by itself. */
}

static void on_kept(void *data, int status, const struct store_lease_info *info)
{
    struct remote_store *remote = data;
    remote->leader.busy = false;
    if (status == 0) {
        lease_renewed(remote, info->ttl_s);
        step_done(remote);
    } else if (status == STORE_LEASE_NOT_FOUND) {
        lease_lost(remote);
        step_done(remote);
    }
}

static void on_registered(void *data, int status, const struct store_txn_result *result)
{
    struct remote_store *remote = data;
    remote->leader.busy = false;
    if (status == 0) {
        remote->leader.registered = result->succeeded;
        step_done(remote);
    } else if (status == STORE_LEASE_NOT_FOUND) {
        lease_lost(remote);
    }
}

static void on_campaigned(void *data, int status, const struct store_txn_result *result)
{
    struct remote_store *remote = data;
    (void)result; /* Won or lost, the mirror has it now. */
    remote->leader.busy = false;
    if (status == STORE_LEASE_NOT_FOUND) {
        lease_lost(remote);
    }
    look(remote);
}

static void renew(struct remote_store *remote)
{
    struct leader *leader = &remote->leader;
    leader->busy = true;
    leader->asked_ns = env_now_ns(remote->env);
    if (leader->lease == 0) {
        remote_lease_grant(&remote->storage, 0, REMOTE_SESSION_TTL_S, on_granted, remote);
    } else {
        remote_lease_keepalive(&remote->storage, leader->lease, on_kept, remote);
    }
}

static void put_bound(struct remote_store *remote, const char *key, const char *value,
                      bool if_absent, store_txn_done *done)
{
    struct store_compare absent = {
        .target = STORE_COMPARE_CREATE, .op = STORE_COMPARE_EQUAL, .key = slice_text(key)};
    struct store_op put = {
        .kind = STORE_OP_PUT,
        .put = {.key = slice_text(key), .value = slice_text(value), .lease = remote->leader.lease}};
    struct store_txn txn = {
        .compares = &absent, .compare_count = if_absent, .success = &put, .success_count = 1};
    remote->leader.busy = true;
    remote_txn(&remote->storage, &txn, done, remote);
}

static void step(struct remote_store *remote)
{
    struct leader *leader = &remote->leader;
    if (!lease_is_good(remote) && leader->lease != 0 && leader->leading) {
        LOG_WARN("store", "no answer from etcd for too long to go on leading",
                 KV_U64("term", leader->term));
    }
    look(remote);
    if (leader->busy || leader->resigned || !link_up(remote)) {
        return;
    }
    if (leader->lease == 0 || env_now_ns(remote->env) >= leader->renew_ns) {
        renew(remote);
    } else if (!leader->registered) {
        char *key = alloc_printf(SERVER_PREFIX "%s", remote->name);
        put_bound(remote, key, remote->api_url, /* if_absent= */ false, on_registered);
        free(key);
    } else if (lease_is_good(remote) &&
               mirror_get(remote->mirror, slice_text(LEADER_KEY)) == NULL) {
        put_bound(remote, LEADER_KEY, remote->name, /* if_absent= */ true, on_campaigned);
    }
}

static void step_fired(void *data)
{
    struct remote_store *remote = data;
    env_timer_start(remote->env, &remote->leader.step, STEP_MS * NS_PER_MS);
    step(remote);
}

/* --- Giving it up. */

static void on_revoked(void *data, const struct grpc_status *status, struct slice response)
{
    struct remote_store *remote = data;
    (void)status; /* Failed: it ends by itself. */
    (void)response;
    remote->leader.revoking = false;
    if (remote->closing) {
        env_timer_start(remote->env, &remote->close_timer, 0);
    }
}

void remote_store_resign(struct remote_store *remote)
{
    struct leader *leader = &remote->leader;
    if (leader->resigned) {
        return;
    }
    leader->resigned = true;
    env_timer_stop(remote->env, &leader->step);
    look(remote);
    if (leader->lease != 0 && link_up(remote)) {
        Etcdserverpb__LeaseRevokeRequest request = ETCDSERVERPB__LEASE_REVOKE_REQUEST__INIT;
        request.id = remote_lease(&remote->keys, leader->lease);
        leader->revoking = true;
        (void)remote_request(remote, "/etcdserverpb.Lease/LeaseRevoke", &request.base,
                             REMOTE_CLOSE_MS, on_revoked, remote);
    }
}

/* --- Who else is there. */

struct server_list {
    struct net_address *servers;
    size_t count, max;
};

static bool add_server(void *data, const struct store_kv *kv)
{
    struct server_list *list = data;
    char *url = alloc_text_n((const char *)kv->value.data, kv->value.len);
    if (list->count < list->max && net_address_parse(url, &list->servers[list->count]) == 0) {
        list->count++;
    }
    free(url);
    return list->count < list->max;
}

size_t remote_store_servers(const struct remote_store *remote, struct net_address *ret_servers,
                            size_t max)
{
    struct server_list list = {.servers = ret_servers, .max = max};
    mirror_each(remote->mirror, slice_text(SERVER_PREFIX), slice_text(SERVER_END), add_server,
                &list);
    return list.count;
}

/* --- Life. */

void leader_ready(struct remote_store *remote)
{
    watch_leader(remote);
    env_timer_start(remote->env, &remote->leader.step, 0);
}

void leader_link_up(struct remote_store *remote)
{
    if (remote->leader.watch != NULL && !remote->leader.resigned) {
        env_timer_start(remote->env, &remote->leader.step, 0);
    }
}

void leader_init(struct remote_store *remote)
{
    remote->leader.step = (struct env_timer){.fire = step_fired, .data = remote};
    remote->leader.tell = (struct env_timer){.fire = tell_fired, .data = remote};
}

void leader_release(struct remote_store *remote)
{
    env_timer_stop(remote->env, &remote->leader.step);
    env_timer_stop(remote->env, &remote->leader.tell);
    store_watch_cancel(TAKE(remote->leader.watch));
}
