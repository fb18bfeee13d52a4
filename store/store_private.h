/* What the files of struct store share; nobody else includes it. */
#ifndef STORE_STORE_PRIVATE_H
#define STORE_STORE_PRIVATE_H
#include "lib/base/buffer.h"
#include "lib/base/id_map.h"
#include "lib/base/list.h"
#include "lib/base/pool.h"
#include "raft/raft.h"
#include "store/snapshot.h"
#include "store/state.h"
#include "store/storage.h"
#include "store/store.h"
#include "store/watch_hub.h"

enum store_call_kind {
    CALL_COMMAND,
    CALL_READ,
    CALL_KEEPALIVE,
    CALL_LEASE_TTL,
    CALL_MEMBER,
    CALL_FAILED
};

/* A request of this member, from its start to its one answer. Commands finish when this member
 * applies them; the rest when an answer comes. It is freed once it is finished and no callback of
 * raft that names it is owed. */
struct store_call {
    struct store *store;
    enum store_call_kind kind;
    struct list node;    /* In store->calls, by deadline, until finished. */
    struct list waiting; /* In store->waiting, when there was no leader to ask. */
    uint64_t deadline_ns;
    uint64_t sent_ns; /* Last; 0 before. */
    uint64_t sequence;
    unsigned owed;
    uint64_t forward; /* The last one's id; 0 when there was none. */
    bool finished;
    bool forwarded;    /* Another member has it, or has it twice: the network may repeat it. */
    bool doubtful;     /* It may have been carried out: no answer may say that it was not. */
    int failed_status; /* CALL_FAILED: answered on the next turn. */
    uint8_t *request;  /* First byte enum forward_kind; a command or a lease id follows. */
    size_t request_len;
    int64_t lease_id;
    bool with_keys;
    uint64_t term;  /* Of the leader that renews a lease while its leadership is confirmed. */
    unsigned tries; /* CALL_MEMBER: how often it may have been begun. */
    bool want_result;
    union {
        store_txn_done *txn;
        store_done *plain;
        store_lease_done *lease;
        void (*read)(void *data, int status);
        void (*any)(void);
    } done;
    enum call_answer { ANSWER_TXN, ANSWER_PLAIN, ANSWER_LEASE, ANSWER_READ } answer;
    struct store_command *read; /* A read-only transaction, for after the barrier. */
    struct arena *arena;
    void *data;
};

enum forward_kind {
    FORWARD_COMMAND = 1,
    FORWARD_KEEPALIVE = 2,
    FORWARD_LEASE_TTL = 3,
    FORWARD_MEMBER = 15, /* A change of the members: store/member_calls.c. */
    FORWARD_STATE = 16,  /* A piece of the leader's state: store/rebuild.c. */
};

struct forward_lease_reply {
    int64_t ttl_s;
    int64_t granted_ttl_s;
};

/* One comparison of the members' states; see store/state_check.c. */
struct store_check_round {
    uint64_t index;              /* Of the entry that began it; 0: none yet. */
    struct state_writer *writer; /* While this member still hashes. */
    uint64_t own_hash;
    bool own_known;
    struct {
        uint64_t member, hash;
    } votes[STORE_MEMBERS_MAX];
    size_t vote_count;
    struct env_timer step_timer, period_timer;
    uint64_t last_hash; /* Rolling, when the last round began: has anything changed? */
    unsigned idle_rounds;
    uint64_t agreed, differed;
    bool told; /* That nobody can tell who is right. */
};

/* A state of this member being lent to one that rebuilds its own. */
struct store_donor {
    struct state_writer *writer; /* NULL: nobody asks. */
    uint64_t member, session, index, offset;
    uint8_t *chunk; /* The last one given, for one that asks again. */
    size_t chunk_len;
    uint64_t used_ns;
};

/* This member's state differs and is fetched anew from the leader; see store/rebuild.c. */
struct store_rebuild {
    bool active;
    bool asking;
    uint64_t session, index, offset; /* Of the leader's state. */
    struct state_reader *reader;
    struct list entries; /* Committed meanwhile: to be applied on the new state. */
    size_t entry_bytes;
    uint64_t entries_from; /* The first index that is not in the old state. */
    struct env_timer timer;
};

struct store_metrics {
    struct metric *puts, *deletes, *ranges, *txns, *revision, *compact_revision, *keys, *bytes,
        *slow_watches, *leases_granted, *leases_revoked, *leases_expired, *pending, *applied,
        *failed, *has_leader, *is_leader, *leader_changes, *auth_revision, *command_version,
        *read_index_slow;
};

struct store {
    struct storage storage;
    struct store_config config;
    struct env *env;
    struct raft_node *raft;
    struct raft_fsm fsm;
    struct store_state state;
    struct watch_hub *hub;
    struct store_snapshot *view; /* Of the current state, while somebody asked; else NULL. */
    uint64_t applying;           /* The entry that takes several turns; 0: none. */
    struct state_reader *restoring;
    uint64_t restoring_index;

    uint64_t next_sequence;
    uint64_t incarnation;
    struct id_map *commands; /* sequence -> struct store_call waiting for its apply */
    struct list calls;       /* All unfinished, by deadline. */
    uint64_t end_ns;         /* None of them has a later deadline; 0: none is set. */
    size_t call_count;
    struct pool spare_calls, spare_requests; /* Memory of calls that are over. */
    struct buffer encoding;                  /* See store_encoding(). */
    struct list waiting;
    char own_url[STORE_URL_MAX]; /* To be published; empty once it is known, or never. */
    bool publishing;
    uint64_t no_room_until_ns; /* The leader refused a command for want of room just now. */
    struct env_timer timeout_timer, retry_timer, pump_timer, trim_timer, lease_timer, compact_timer,
        publish_timer, remains_timer;
    struct cow_remains remains; /* Of views that nobody reads any more. */
    uint64_t lease_timer_ms;    /* When it is to fire. */
    uint64_t absences;          /* Of this member, when leases were last given their whole time. */

    _Atomic bool auth_is_on; /* Of `state`, for other threads. */
    bool leading;
    uint64_t leading_term;
    uint64_t leader_seen;
    struct {
        void (*changed)(void *data, bool leading, uint64_t term);
        void *data;
        bool told;
    } listeners[STORE_LISTENERS_MAX];
    size_t listener_count;

    uint32_t version; /* Commands up to this one can be applied here. */
    bool too_old;     /* One came that cannot: this member stops. */
    struct env_timer version_timer;
    struct env_timer alarm_timer;
    uint64_t alarm_said_ns;
    struct store_check_round check;
    struct store_donor donor;
    struct store_rebuild rebuild;

    struct { /* Which revision was current when; a ring for compaction by age. */
        uint64_t time_ns;
        int64_t revision;
    } samples[64];
    size_t sample_count, sample_next;
    struct store_metrics metrics;
};

uint64_t store_now_ms(struct store *store);
void store_fsm_init(struct store *store);  /* store/fsm.c */
void store_pump_soon(struct store *store); /* Next turn: failures, watches, trimming. */
/* Frees a writer of the state; what its view held is given back bit by bit. */
void store_writer_end(struct store *store, struct state_writer *writer);
void store_view_leave(struct store *store, struct store_snapshot *view); /* Likewise. */
void store_lease_timer_set(struct store *store);

/* --- Calls (store/calls.c). */
struct store_call *store_call_new(struct store *store, enum store_call_kind kind,
                                  enum call_answer answer, uint64_t timeout_ms);
/* Where what a call asks for is encoded, empty now; store_call_ask() then gives the call a copy. */
struct buffer *store_encoding(struct store *store);
void store_call_ask(struct store_call *call);
static inline struct slice store_call_request(const struct store_call *call)
{
    return slice_of(call->request, call->request_len);
}
void store_call_start(struct store_call *call); /* Sends it, or lets it wait for a leader. */
void store_call_fail_soon(struct store_call *call, int status);
void store_call_finish(struct store_call *call, int status, const struct store_applied *applied,
                       const struct store_lease_info *info);
/* Sends it again when there may be a leader. */
void store_call_wait(struct store_call *call);
/* One callback that raft owed has come; the call may be gone after this. */
void store_call_answered(struct store_call *call);
void store_calls_retry(struct store *store);
void store_calls_fail_all(struct store *store, int status);
void store_calls_drop(struct store *store); /* All that is under way: the state is wrong. */
void store_calls_init(struct store *store);
/* Through the leader, once; nobody waits for it. */
void store_command_say(struct store *store, struct store_command *command);
void store_auth_changed(struct store *store); /* Users or roles of `state`, or all of it. */
/* Says in the command on whose behalf it is; NULL for the process itself. */
/* What the keys and values of its puts take, as a whole: enough to keep a quota. */
size_t store_txn_bytes(const struct store_txn *txn);
void store_command_call(struct store_command *command, const struct auth_caller *caller);
/* Encodes the command into a call and starts it. */
void store_command_start(struct store *store, struct store_command *command,
                         enum call_answer answer, void (*done)(void), void *data);

/* --- Leases (store/lease_calls.c). */
void store_leases_role(struct store *store, bool leading);
void store_lease_try(struct store_call *call);
void store_lease_answer(struct store_call *call, int status, struct slice reply);
void store_forwarded_lease(struct store *store, uint64_t forward, enum forward_kind kind,
                           int64_t lease_id);

/* --- Members (store/member_calls.c). */
int store_member_try(struct store_call *call); /* At the leader. 0: own_changed() will come. */
int store_member_status(const struct store_call *call, int status);
void store_member_answer(struct store_call *call, int status); /* store/calls.c */
void store_forwarded_member(struct store *store, uint64_t forward, struct slice body);

/* --- Alarms (store/alarm_calls.c). */
/* 0, or STORE_NO_SPACE when `bytes` more are over the quota; then the alarm is on its way. */
MUST_USE int store_admit(struct store *store, size_t bytes);
void store_alarms_changed(struct store *store);
void store_corrupt_alarm(
    struct store *store); /* Says that this member is getting its state anew. */

/* --- Versions (store/version_calls.c). */
void store_versions_init(struct store *store);
/* Soon: says what this member can apply, if it is not known; and raises what is in use. */
void store_versions_settle(struct store *store);
void store_versions_changed(struct store *store); /* Those of `state`. */
/* Every member can apply what needs that version. */
bool store_is_for_all(const struct store *store, uint32_t needed);
/* True, and the process ends, when this one cannot. */
bool store_stops_too_old(struct store *store, uint64_t index, uint32_t needed);

/* --- Comparing states (store/state_check.c). */
void store_check_start(struct store *store);
void store_check_stop(struct store *store);
void store_check_applied(struct store *store, uint64_t index, const struct store_applied *applied);

/* --- A new state for this member, and for others (store/rebuild.c). */
void store_rebuild_start(struct store *store);
void store_rebuild_stop(struct store *store);
void store_rebuild_tick(struct store *store); /* Now and then: gives up what nobody asks for. */
void store_rebuild_entry(struct store *store, uint64_t index, uint64_t term, struct slice command);
void store_rebuild_forwarded(struct store *store, uint64_t forward, struct slice request);
/* One entry on the state, and those told who wait for it (store/fsm.c). False when it takes more
 * turns: until they are over, the state can be neither replaced nor written out, and views are of
 * the state before. */
bool store_apply(struct store *store, uint64_t index, uint64_t term, struct slice command);
/* True when nothing is left of it. */
bool store_apply_more(struct store *store);
void store_apply_rest(struct store *store);
void store_view_drop(struct store *store);

/* --- Automatic compaction (store/auto_compact.c). */
void store_auto_compact_start(struct store *store);
#endif
