#include "store/store_private.h"

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "store/permit.h"
#include "store/plant.h"
#include "store/snapshot.h"
#include "store/snapshot_view.h"
#include <assert.h>
#include <stdlib.h>

typedef void (*any_done)(void);

uint64_t store_now_ms(struct store *store)
{
    return env_now_ns(store->env) / NS_PER_MS;
}

/* --- What waits for the next turn of the loop. */

static void pump(void *data)
{
    struct store *store = data;
    store_calls_retry(store);
    /* What a wrong state holds is told to nobody. */
    bool more = !store->rebuild.active && watch_hub_catch_up(store->hub, store->state.mvcc);
    for (size_t i = 0; i < store->listener_count; i++) {
        if (!store->listeners[i].told) {
            store->listeners[i].told = true;
            store->listeners[i].changed(store->listeners[i].data, store->leading,
                                        store->leading_term);
        }
    }
    if (more) {
        store_pump_soon(store);
    }
}

/* In slices with pauses between them: who writes meanwhile should not notice. */
static void trim(void *data)
{
    struct store *store = data;
    if (store->applying != 0 || mvcc_trim(store->state.mvcc, STORE_TRIM_BUDGET)) {
        env_timer_start(store->env, &store->trim_timer, STORE_TRIM_PAUSE_MS * NS_PER_MS);
    } else if (store->config.metrics != NULL) { /* Nobody may write for long. */
        metric_set(store->metrics.keys, (int64_t)mvcc_key_count(store->state.mvcc));
        metric_set(store->metrics.bytes, (int64_t)mvcc_bytes(store->state.mvcc));
    }
}

static void free_remains(void *data)
{
    struct store *store = data;
    if (cow_remains_free(&store->remains, STORE_REMAINS_BUDGET)) {
        env_timer_start(store->env, &store->remains_timer, STORE_TRIM_PAUSE_MS * NS_PER_MS);
    }
}

static void free_remains_soon(struct store *store)
{
    if (store->remains.count > 0 && store->remains_timer.position == 0) {
        env_timer_start(store->env, &store->remains_timer, /* delay_ns= */ 0);
    }
}

void store_writer_end(struct store *store, struct state_writer *writer)
{
    state_writer_leave(writer, &store->remains);
    free_remains_soon(store);
}

void store_view_leave(struct store *store, struct store_snapshot *view)
{
    store_snapshot_leave(view, &store->remains);
    free_remains_soon(store);
}

void store_pump_soon(struct store *store)
{
    if (store->pump_timer.position == 0) {
        env_timer_start(store->env, &store->pump_timer, /* delay_ns= */ 0);
    }
}

static void hub_woken(void *data)
{
    store_pump_soon(data);
}

/* --- Life. */

static void metrics_init(struct store *store)
{
    struct metrics *m = store->config.metrics;
    struct store_metrics *s = &store->metrics;
    if (m == NULL) {
        return;
    }
    s->puts = metrics_counter(m, "etcd_mvcc_put_total", "Puts applied.", NULL);
    s->deletes = metrics_counter(m, "etcd_mvcc_delete_total", "Deletions of a key applied.", NULL);
    s->txns = metrics_counter(m, "etcd_mvcc_txn_total", "Transactions applied.", NULL);
    s->ranges = metrics_counter(m, "etcd_mvcc_range_total", "Views taken for ranges.", NULL);
    s->revision = metrics_gauge(m, "etcd_debugging_mvcc_current_revision", "Revision.", NULL);
    s->compact_revision = metrics_gauge(m, "etcd_debugging_mvcc_compact_revision",
                                        "Oldest revision that can be read.", NULL);
    s->keys = metrics_gauge(m, "etcd_debugging_mvcc_keys_total", "Keys held.", NULL);
    s->bytes = metrics_gauge(m, "etcd_mvcc_db_total_size_in_use_in_bytes",
                             "Bytes of keys and values of all versions held.", NULL);
    s->slow_watches = metrics_gauge(m, "etcd_debugging_mvcc_slow_watcher_total",
                                    "Watches that are behind.", NULL);
    s->leases_granted =
        metrics_counter(m, "etcd_debugging_lease_granted_total", "Leases granted.", NULL);
    s->leases_revoked = metrics_counter(m, "etcd_debugging_lease_revoked_total",
                                        "Leases revoked, expired ones included.", NULL);
    s->leases_expired = metrics_counter(m, "etcd_debugging_server_lease_expired_total",
                                        "Expiries proposed by this member.", NULL);
    s->pending = metrics_gauge(m, "etcd_server_proposals_pending",
                               "Commands of this member not applied yet.", NULL);
    s->applied = metrics_gauge(m, "etcd_server_proposals_applied_total",
                               "Index of the last entry applied.", NULL);
    s->failed = metrics_counter(m, "etcd_server_proposals_failed_total",
                                "Requests of this member that failed.", NULL);
    s->has_leader = metrics_gauge(m, "etcd_server_has_leader", "1 when a leader is known.", NULL);
    s->is_leader = metrics_gauge(m, "etcd_server_is_leader", "1 when this member leads.", NULL);
    s->auth_revision =
        metrics_gauge(m, "etcd_debugging_auth_revision", "Revision of the users and roles.", NULL);
    metric_set(s->auth_revision, 1);
    s->command_version =
        metrics_gauge(m, "coracle_store_command_version", "Version of the commands in use.", NULL);
    metric_set(s->command_version, STORE_VERSION_FIRST);
    s->leader_changes = metrics_counter(m, "etcd_server_leader_changes_seen_total",
                                        "Changes of leader seen.", NULL);
}

struct store *store_new(const struct store_config *config)
{
    struct store *store = alloc_zeroed(sizeof(*store));
    store->config = *config;
    store->env = config->env;
    store->pump_timer = (struct env_timer){.fire = pump, .data = store};
    store->trim_timer = (struct env_timer){.fire = trim, .data = store};
    store->remains_timer = (struct env_timer){.fire = free_remains, .data = store};
    store_state_init(&store->state);
    store->hub = store_watch_hub_new(hub_woken, store);
    store_fsm_init(store);
    store_calls_init(store);
    store_versions_init(store);
    metrics_init(store);
    store_auto_compact_start(store);
    store_check_start(store);
    return store;
}

void store_free(struct store *store)
{
    if (store == NULL) {
        return;
    }
    store->raft = NULL;
    watch_hub_end_all(store->hub, STORE_STOPPED);
    store_calls_fail_all(store, STORE_STOPPED);
    env_timer_stop(store->env, &store->pump_timer);
    env_timer_stop(store->env, &store->trim_timer);
    env_timer_stop(store->env, &store->remains_timer);
    env_timer_stop(store->env, &store->lease_timer);
    env_timer_stop(store->env, &store->compact_timer);
    env_timer_stop(store->env, &store->publish_timer);
    env_timer_stop(store->env, &store->alarm_timer);
    env_timer_stop(store->env, &store->version_timer);
    store_check_stop(store);
    store_rebuild_stop(store);
    store_watch_hub_free(store->hub);
    store_snapshot_unref(store->view);
    state_reader_free(store->restoring);
    cow_remains_release(&store->remains);
    if (!store->config.leave_memory) {
        store_state_release(&store->state);
    }
    free(store);
}

struct raft_node *store_raft(struct store *store)
{
    return store->raft;
}

static void role_changed(void *data, enum raft_role role, uint64_t term, uint64_t leader)
{
    struct store *store = data;
    bool leading = role == RAFT_LEADER;
    if (store->metrics.has_leader != NULL) {
        metric_set(store->metrics.has_leader, leader != 0);
        metric_set(store->metrics.is_leader, leading);
        metric_add(store->metrics.leader_changes, leader != 0 && leader != store->leader_seen);
    }
    store->leader_seen = leader != 0 ? leader : store->leader_seen;
    store_versions_settle(store);
    if (leading != store->leading || (leading && term != store->leading_term)) {
        store->leading = leading;
        store->leading_term = term;
        store_leases_role(store, leading);
        for (size_t i = 0; i < store->listener_count; i++) {
            store->listeners[i].told = false;
        }
    }
    store_pump_soon(store);
}

void store_attach_raft(struct store *store, struct raft_node *raft)
{
    store->raft = raft;
    if (raft == NULL) {
        role_changed(store, RAFT_FOLLOWER, store->leading_term, /* leader= */ 0);
    } else {
        raft_on_role_change(raft, role_changed, store);
        if (raft_is_settled_leader(raft)) {
            role_changed(store, RAFT_LEADER, raft_term(raft), raft_leader_id(raft));
        }
        store_pump_soon(store);
    }
}

void store_on_leadership(struct store *store,
                         void (*changed)(void *data, bool leading, uint64_t term), void *data)
{
    assert(store->listener_count < STORE_LISTENERS_MAX);
    store->listeners[store->listener_count].changed = changed;
    store->listeners[store->listener_count].data = data;
    store->listener_count++;
    store_pump_soon(store);
}

/* --- Requests. */

void store_read_barrier(struct store *store, void (*done)(void *data, int status), void *data)
{
    struct store_call *call = store_call_new(store, CALL_READ, ANSWER_READ, STORE_READ_TIMEOUT_MS);
    call->done.read = done;
    call->data = data;
    store_call_start(call);
}

/* A read needs no log entry: it is kept as encoded until the barrier has passed. */
static void read_only_txn(struct store *store, const struct auth_caller *caller,
                          const struct store_txn *txn, store_txn_done *done, void *data)
{
    struct store_call *call = store_call_new(store, CALL_READ, ANSWER_TXN, STORE_READ_TIMEOUT_MS);
    call->done.txn = done;
    call->data = data;
    struct store_command command = {.kind = STORE_COMMAND_TXN, .txn = txn};
    store_command_call(&command, caller);
    int status = store_command_encode(&command, store_encoding(store));
    if (status == 0) {
        store_call_ask(call);
        call->arena = arena_new(SIZE_MAX);
        call->read = arena_zeroed(call->arena, sizeof(*call->read));
        status = store_command_decode(store_call_request(call), call->arena, call->read);
    }
    if (status != 0) {
        store_call_fail_soon(call, status);
    }
    store_call_start(call);
}

size_t store_txn_bytes(const struct store_txn *txn)
{
    size_t bytes = 0;
    for (size_t i = 0; i < txn->success_count; i++) {
        if (txn->success[i].kind == STORE_OP_PUT) {
            bytes += txn->success[i].put.key.len + txn->success[i].put.value.len;
        }
    }
    return bytes;
}

void store_command_call(struct store_command *command, const struct auth_caller *caller)
{
    command->from_client = caller != NULL;
    if (caller != NULL) {
        command->caller = *caller;
    }
}

void store_txn(struct store *store, const struct store_txn *txn, store_txn_done *done, void *data)
{
    store_txn_as(store, /* caller= */ NULL, txn, done, data);
}

static void write_txn(struct store *store, const struct auth_caller *caller,
                      const struct store_txn *txn, enum call_answer answer, any_done done,
                      void *data)
{
    int status = store_txn_check(txn);
    if (status == 0 && store_txn_puts(txn)) {
        status = store_admit(store, store_txn_bytes(txn));
    }
    if (status != 0) {
        struct store_call *call = store_call_new(store, CALL_FAILED, answer, STORE_TXN_TIMEOUT_MS);
        call->done.any = done;
        call->data = data;
        store_call_fail_soon(call, status);
        return;
    }
    struct store_command command = {.kind = STORE_COMMAND_TXN, .txn = txn};
    store_command_call(&command, caller);
    store_command_start(store, &command, answer, done, data);
}

void store_txn_as(struct store *store, const struct auth_caller *caller,
                  const struct store_txn *txn, store_txn_done *done, void *data)
{
    if (store_txn_check(txn) == 0 && store_txn_is_read_only(txn)) {
        read_only_txn(store, caller, txn, done, data);
    } else {
        write_txn(store, caller, txn, ANSWER_TXN, (any_done)done, data);
    }
}

void store_put_as(struct store *store, const struct auth_caller *caller,
                  const struct store_txn *put, store_done *done, void *data)
{
    assert(put->success_count == 1 && put->success[0].kind == STORE_OP_PUT);
    write_txn(store, caller, put, ANSWER_PLAIN, (any_done)done, data);
}

void store_compact(struct store *store, int64_t revision, store_done *done, void *data)
{
    store_compact_as(store, /* caller= */ NULL, revision, done, data);
}

void store_compact_as(struct store *store, const struct auth_caller *caller, int64_t revision,
                      store_done *done, void *data)
{
    struct store_command command = {.kind = STORE_COMMAND_COMPACT, .compact_revision = revision};
    store_command_call(&command, caller);
    store_command_start(store, &command, ANSWER_PLAIN, (any_done)done, data);
}

void store_auth_change(struct store *store, const struct auth_caller *caller,
                       const struct auth_change *change, store_done *done, void *data)
{
    struct store_command command = {.kind = STORE_COMMAND_AUTH, .auth = {.change = *change}};
    store_command_call(&command, caller);
    store_command_start(store, &command, ANSWER_PLAIN, (any_done)done, data);
}

bool store_auth_is_on(const struct store *store)
{
    return atomic_load_explicit(&store->auth_is_on, memory_order_relaxed);
}

void store_auth_changed(struct store *store)
{
    const struct auth *auth = store->state.auth;
    bool on = auth_is_enabled(auth);
    if (on != store_auth_is_on(store)) {
        LOG_INFO("store", on ? "authentication is on" : "authentication is off",
                 KV_U64("auth_revision", auth_revision(auth)));
    }
    atomic_store_explicit(&store->auth_is_on, on, memory_order_relaxed);
    if (store->metrics.auth_revision != NULL) {
        metric_set(store->metrics.auth_revision, (int64_t)auth_revision(auth));
    }
}

struct auth *store_auth(const struct store *store)
{
    return store->state.auth;
}

int store_auth_check_read(const struct store *store, const struct auth_caller *caller,
                          const struct store_txn *txn)
{
    return store_permit_read(&store->state, caller, txn);
}

int store_auth_check_lease(const struct store *store, const struct auth_caller *caller,
                           enum auth_access access, int64_t lease)
{
    return store_permit_lease(&store->state, caller, access, lease);
}

struct store_watch *store_watch(struct store *store, const struct store_watch_options *options)
{
    return watch_hub_add(store->hub, store->state.mvcc, options);
}

/* --- Member URLs. */

enum { PUBLISH_RETRY_S = 1 }; /* A full disk refuses at once. */

static void publish(struct store *store);
static void publish_again(void *data);

static void published(void *data, int status, int64_t revision)
{
    struct store *store = data;
    (void)revision;
    store->publishing = false;
    if (status != 0 && status != STORE_STOPPED) {
        store->publish_timer = (struct env_timer){.fire = publish_again, .data = store};
        env_timer_start(store->env, &store->publish_timer, PUBLISH_RETRY_S * NS_PER_S);
    }
}

static void publish_again(void *data)
{
    publish(data);
}

static void publish(struct store *store)
{
    struct store_command command = {
        .kind = STORE_COMMAND_MEMBER_URL,
        .member_url = {.id = store->config.member_id, .url = slice_text(store->own_url)}};
    if (!store->publishing && store->own_url[0] != '\0') {
        store->publishing = true;
        store_command_start(store, &command, ANSWER_PLAIN, (any_done)published, store);
    }
}

void store_publish_url(struct store *store, const char *client_url)
{
    size_t len = strlen(client_url);
    assert(len < STORE_URL_MAX);
    memcpy(store->own_url, client_url, len + 1);
    publish(store);
}

void store_member_urls(const struct store *store,
                       struct store_member_url ret_urls[STORE_MEMBERS_MAX])
{
    memcpy(ret_urls, store->state.urls, sizeof(store->state.urls));
}

/* --- Reading. */

int64_t store_revision(const struct store *store)
{
    return mvcc_revision(store->state.mvcc);
}

int64_t store_compact_revision(const struct store *store)
{
    return mvcc_compact_revision(store->state.mvcc);
}

struct store_snapshot *store_snapshot_ref(struct store *store)
{
    if (store->view == NULL) {
        store->view = mvcc_view(store->state.mvcc);
    }
    if (store->metrics.ranges != NULL) {
        metric_add(store->metrics.ranges, 1);
    }
    return store_snapshot_again(store->view);
}

void store_read_figures(const struct store *store, struct store_figures *ret_figures)
{
    const struct store_state *state = &store->state;
    *ret_figures = (struct store_figures){
        .revision = mvcc_revision(state->mvcc),
        .compact_revision = mvcc_compact_revision(state->mvcc),
        .keys = mvcc_key_count(state->mvcc),
        .versions = mvcc_version_count(state->mvcc),
        .leases = lease_table_count(state->leases),
        .watches = watch_hub_count(store->hub),
        .bytes = mvcc_bytes(state->mvcc),
        .applied_index = state->applied_index,
        .quota_bytes = store->config.quota_bytes,
        .checks = store->check.agreed,
        .checks_failed = store->check.differed,
        .command_version = versions_in_use(&state->versions),
        .hash = store_state_hash(state),
    };
}
