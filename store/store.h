/* The replicated store of one member: key space, transactions, watches and leases over Raft, with
 * etcd v3 semantics. One thread, the store loop's, for every call unless it says "any thread";
 * callbacks run there too and never from inside the call that asked for them. Does I/O only through
 * its env and its raft node. Slices in requests are borrowed for the call. */
#ifndef STORE_STORE_H
#define STORE_STORE_H
#include "lib/base/env.h"
#include "lib/base/metrics.h"
#include "store/alarms.h"
#include "store/auth.h"
#include "store/limits.h"
#include "store/status.h"
#include "store/txn.h"

struct store;
struct store_snapshot;
struct store_watch;
struct raft_node;
struct raft_change;
struct raft_fsm;

struct store_config {
    struct env *env;
    struct metrics *metrics;   /* May be NULL. */
    uint64_t member_id;        /* Of this member; tags its commands. */
    uint64_t compact_age_ms;   /* Automatic compaction keeps this much; 0 = never by age. */
    int64_t compact_revisions; /* ... and keeps at least this many revisions; 0 = no such rule. */
    /* Bytes of keys and values of all versions from which on nothing that grows is taken: puts and
     * grants are refused, an alarm says so until it is less again. 0: no such limit. */
    uint64_t quota_bytes;
    /* Between two comparisons of the members' states, longer with a large state; 0: never. */
    uint64_t check_period_ms;
    /* Commands up to this version can be applied. 0: all that are known. Tests set others, and are
     * members of an earlier or later version with it. */
    uint32_t command_version;
    /* A new leader adds this to each lease; at least one election. One that stood still for longer
     * gives each lease its whole time again, as a new one does. */
    uint64_t lease_grace_ms;
    /* Keys that a command touches before it lets others have a turn; 0: STORE_KEYS_A_TURN. */
    size_t keys_a_turn;
    /* store_free() leaves all keys to the end of the process, which is at hand: to free a million
     * one by one takes a second. */
    bool leave_memory;
};

MUST_USE struct store *store_new(const struct store_config *config);
/* Fails what is waiting with STORE_STOPPED, cancels watches, and frees. Close raft first. */
void store_free(struct store *store);
/* The process is about to end: what waits, and what is still asked, is answered within `grace_ms`,
 * with STORE_TIMEOUT or STORE_NO_LEADER if there is nothing better to say. */
void store_last_calls(struct store *store, uint64_t grace_ms);
/* The vtable and state to hand to raft_open(); borrowed from the store. */
const struct raft_fsm *store_fsm(struct store *store);
/* Once the node is open: requests that were waiting go on. Takes its role listener
 * (raft_on_role_change); others listen here. NULL before raft_close(): what comes fails. */
void store_attach_raft(struct store *store, struct raft_node *raft);
struct raft_node *store_raft(struct store *store);

/* Leadership of this member: `changed` runs when it begins (all earlier writes are applied) and
 * ends, and once soon after registering. At most STORE_LISTENERS_MAX. */
void store_on_leadership(struct store *store,
                         void (*changed)(void *data, bool leading, uint64_t term), void *data);

/* --- Writing. Works on any member: a follower forwards to the leader and waits for its own apply,
 * so that what it answers can be read from its own state. `done` gets 0 and a result (borrowed for
 * the call; store_txn_result_ref to keep it), or a status. After STORE_TIMEOUT and
 * STORE_LEADER_CHANGED the outcome is unknown; after any other status nothing was done. */
typedef void store_txn_done(void *data, int status, const struct store_txn_result *result);
void store_txn(struct store *store, const struct store_txn *txn, store_txn_done *done, void *data);

/* `revision` is that of the store after the command, for answer headers. */
typedef void store_done(void *data, int status, int64_t revision);
/* History up to and including `revision` may be forgotten; its newest state stays. */
void store_compact(struct store *store, int64_t revision, store_done *done, void *data);

/* The same on behalf of a client of the etcd API (borrowed for the call): STORE_USER_EMPTY,
 * STORE_PERMISSION_DENIED or STORE_AUTH_OLD_REVISION when it may not, decided where the command is
 * applied. NULL is the process itself. */
void store_txn_as(struct store *store, const struct auth_caller *caller,
                  const struct store_txn *txn, store_txn_done *done, void *data);
/* Of one put, for who needs no more than the revision that it got. */
void store_put_as(struct store *store, const struct auth_caller *caller,
                  const struct store_txn *put, store_done *done, void *data);
void store_compact_as(struct store *store, const struct auth_caller *caller, int64_t revision,
                      store_done *done, void *data);

/* --- Users and roles (store/auth.h). */
void store_auth_change(struct store *store, const struct auth_caller *caller,
                       const struct auth_change *change, store_done *done, void *data);
/* Of the applied state; for asking, on the store loop, until it turns. */
struct auth *store_auth(const struct store *store);
/* Whether authentication is on in the applied state, a moment ago. Any thread. */
bool store_auth_is_on(const struct store *store);
/* What auth_check_range() is for a range, for a transaction that only reads, ... */
MUST_USE int store_auth_check_read(const struct store *store, const struct auth_caller *caller,
                                   const struct store_txn *txn);
/* ... and for the keys bound to a lease. */
MUST_USE int store_auth_check_lease(const struct store *store, const struct auth_caller *caller,
                                    enum auth_access access, int64_t lease);

/* --- Reading. */
/* `done(0)` once this member has applied everything that was acknowledged anywhere before the call
 * (ReadIndex; one round for all who wait). Then store_snapshot_ref() reads linearizably. */
void store_read_barrier(struct store *store, void (*done)(void *data, int status), void *data);
int64_t store_revision(const struct store *store);
int64_t store_compact_revision(const struct store *store);
/* The current state, immutable; the caller owns a reference. Taking it is the store loop's; all
 * that follows is any thread's. */
MUST_USE struct store_snapshot *store_snapshot_ref(struct store *store);
struct store_snapshot *store_snapshot_again(const struct store_snapshot *snapshot); /* One more. */
void store_snapshot_unref(struct store_snapshot *snapshot);
int64_t store_snapshot_revision(const struct store_snapshot *snapshot);
/* STORE_COMPACTED, STORE_FUTURE_REVISION, or 0 with a result to release. */
MUST_USE int store_snapshot_range(const struct store_snapshot *snapshot,
                                  const struct store_range *range,
                                  struct store_range_result *ret_result);
/* One key at the snapshot's revision: a reference to unref, or NULL. */
const struct store_kv *store_snapshot_get(const struct store_snapshot *snapshot, struct slice key);
/* Calls `each` in key order until it returns false; kv is borrowed. For reading in batches without
 * building a result. */
void store_snapshot_each(const struct store_snapshot *snapshot, struct slice key, struct slice end,
                         bool (*each)(void *data, const struct store_kv *kv), void *data);

/* --- Watching: ordered, unique, complete, atomic by revision, resumable inside history. */
enum store_event_kind { STORE_EVENT_PUT, STORE_EVENT_DELETE };

struct store_event {
    enum store_event_kind kind;
    const struct store_kv *kv;      /* Borrowed for the call; store_kv_ref to keep. Tombstone for
                                     * a deletion: only key and mod_revision are set. */
    const struct store_kv *prev_kv; /* What it replaced; NULL if none, or compacted away. */
};

struct store_watch_options {
    struct slice key;
    struct slice end;
    int64_t start_revision; /* First revision wanted; 0 for "after now". May be in the future. */
    bool no_put, no_delete; /* Leave these out. */
    /* Also tell, with a count of 0, when the store is at a later revision without any event: a
     * mirror of a larger store is moved on by changes that it does not see. */
    bool progress;
    /* What came last, up to `revision`, was told in summary: the store had lost sight of history.
     * This watch goes on; a new one cannot begin before that revision. May be NULL. */
    void (*on_gap)(void *data, int64_t revision);
    /* All events of one revision in one call. Calls come in order of revision. The callback may
     * pause or cancel this watch (and any other). */
    void (*on_events)(void *data, int64_t revision, const struct store_event *events, size_t count);
    /* The watch is over and its memory gone: STORE_COMPACTED (then `compact_revision` is the
     * oldest revision left) or STORE_STOPPED. Not called after store_watch_cancel(). */
    void (*on_end)(void *data, int status, int64_t compact_revision);
    void *data;
};

/* NULL when STORE_WATCHES_MAX watches exist. */
MUST_USE struct store_watch *store_watch(struct store *store, const struct store_watch_options *o);
void store_watch_cancel(struct store_watch *watch); /* NULL is a no-op. No call comes after. */
/* A slow consumer pauses: nothing is queued for it, it catches up from history when resumed (or
 * ends as compacted if it waited too long). */
void store_watch_pause(struct store_watch *watch);
void store_watch_resume(struct store_watch *watch);
/* Everything up to and including this revision has been delivered (a bookmark, progress notify). */
int64_t store_watch_delivered(const struct store_watch *watch);

/* --- Leases. Time is kept in memory by the leader only; a lease ends only through a committed
 * entry. Any member may be asked. */
struct store_lease_info {
    int64_t id;
    int64_t granted_ttl_s;
    int64_t ttl_s;            /* Left; -1 when there is no such lease. */
    const struct slice *keys; /* When asked for; borrowed for the call. */
    size_t key_count;
};

typedef void store_lease_done(void *data, int status, const struct store_lease_info *info);
/* id 0 lets the store choose. info has id and granted_ttl_s. */
void store_lease_grant(struct store *store, int64_t id, int64_t ttl_s, store_lease_done *done,
                       void *data);
/* Deletes the keys attached to it, in the same revision. */
void store_lease_revoke(struct store *store, int64_t id, store_done *done, void *data);
void store_lease_grant_as(struct store *store, const struct auth_caller *caller, int64_t id,
                          int64_t ttl_s, store_lease_done *done, void *data);
void store_lease_revoke_as(struct store *store, const struct auth_caller *caller, int64_t id,
                           store_done *done, void *data);
/* Renewed in the leader's memory, without a log entry; info.ttl_s is what it has now. A lease that
 * does not exist is STORE_LEASE_NOT_FOUND. */
void store_lease_keepalive(struct store *store, int64_t id, store_lease_done *done, void *data);
void store_lease_ttl(struct store *store, int64_t id, bool with_keys, store_lease_done *done,
                     void *data);
/* Ids of the leases in the applied state, in no order; at most `max`; returns how many there are.
 */
size_t store_lease_ids(const struct store *store, int64_t *ids, size_t max);

/* --- Where members serve clients; each says so itself, through the log. */
struct store_member_url {
    uint64_t id;             /* 0: an empty row. */
    char url[STORE_URL_MAX]; /* One, or several: lib/base/url_list.h. */
};
/* Call when this member serves; said again by itself until it is known. Shorter than STORE_URL_MAX.
 */
void store_publish_url(struct store *store, const char *client_url);
void store_member_urls(const struct store *store,
                       struct store_member_url ret_urls[STORE_MEMBERS_MAX]);

/* --- Members: raft_change_members() on any member. Once done, this member's raft_get_status()
 * shows it after a read barrier. STORE_MEMBER_..., STORE_PEER_URL_EXISTS and so on of
 * store/status.h. */
uint64_t store_new_id(struct store *store); /* For one to be added; never 0. */
void store_change_member(struct store *store, const struct raft_change *change, store_done *done,
                         void *data);

/* --- Alarms. Raising one that is there changes nothing; clearing one that is not there is
 * STORE_KEY_NOT_FOUND. */
void store_alarm_set(struct store *store, const struct store_alarm *alarm, bool raised,
                     store_done *done, void *data);
/* As applied here; returns how many. */
size_t store_alarms(const struct store *store, struct store_alarm ret_alarms[STORE_ALARMS_MAX]);
/* 0, or STORE_CORRUPT: this member was found to differ from the others and is getting their state
 * anew, or a client has raised an alarm of corruption. Nothing may be answered from here then. */
MUST_USE int store_health(const struct store *store);

/* --- Backups. */
struct bolt_export;
/* The applied state, immutable, with members and all else that etcd keeps in its database; see
 * store/bolt_export.h for what may be done with it on which thread. The caller's to free. */
MUST_USE struct bolt_export *store_export(struct store *store);

/* --- For status pages and divergence checks. */
struct store_figures {
    int64_t revision, compact_revision;
    uint64_t keys, versions, leases, watches;
    uint64_t bytes; /* Of keys and values held, all versions. */
    uint64_t applied_index;
    uint64_t quota_bytes;
    uint64_t checks, checks_failed; /* Rounds in which this member agreed, or did not. */
    uint32_t command_version;       /* In use: what all members can apply. */
    uint64_t hash;                  /* Rolling over every state change up to applied_index. */
};
void store_read_figures(const struct store *store, struct store_figures *ret_figures);
#endif
