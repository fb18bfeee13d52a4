/* What the files of struct store share; nobody else includes it. */
#ifndef STORE_STORE_PRIVATE_H
#define STORE_STORE_PRIVATE_H
#include "lib/base/buffer.h"
#include "lib/base/hash_map.h"
#include "lib/base/list.h"
#include "raft/raft.h"
#include "store/state.h"
#include "store/storage.h"
#include "store/store.h"
#include "store/watch_hub.h"

enum store_call_kind { CALL_COMMAND, CALL_READ, CALL_KEEPALIVE, CALL_LEASE_TTL, CALL_FAILED };

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
    bool finished;
    bool doubtful;         /* It may have been carried out: no answer may say that it was not. */
    int failed_status;     /* CALL_FAILED: answered on the next turn. */
    struct buffer request; /* First byte enum forward_kind; a command or a lease id follows. */
    int64_t lease_id;
    bool with_keys;
    uint64_t term; /* Of the leader that renews a lease while its leadership is confirmed. */
    bool want_result;
    union {
        store_txn_done *txn;
        store_done *plain;
        store_lease_done *lease;
        void (*read)(void *data, int status);
        void (*any)(void);
    } done;
    enum call_answer { ANSWER_TXN, ANSWER_PLAIN, ANSWER_LEASE, ANSWER_READ } answer;
    const struct store_txn *read_txn; /* A read-only transaction, for after the barrier. */
    struct arena *arena;
    void *data;
};

enum forward_kind { FORWARD_COMMAND = 1, FORWARD_KEEPALIVE = 2, FORWARD_LEASE_TTL = 3 };

struct forward_lease_reply {
    int64_t ttl_s;
    int64_t granted_ttl_s;
};

struct store_metrics {
    struct metric *puts, *deletes, *ranges, *txns, *revision, *compact_revision, *keys, *bytes,
        *watches, *slow_watches, *leases_granted, *leases_revoked, *leases_expired, *pending,
        *applied, *failed, *has_leader, *is_leader, *leader_changes, *read_index_slow;
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
    struct state_reader *restoring;
    uint64_t restoring_index;

    uint64_t next_sequence;
    uint64_t incarnation;
    struct hash_map *commands; /* sequence -> struct store_call waiting for its apply */
    struct list calls;         /* All unfinished, by deadline. */
    size_t call_count;
    struct list waiting;
    char own_url[STORE_URL_MAX]; /* To be published; empty once it is known, or never. */
    bool publishing;
    struct env_timer timeout_timer, retry_timer, pump_timer, lease_timer, compact_timer;

    bool leading;
    uint64_t leading_term;
    uint64_t leader_seen;
    struct {
        void (*changed)(void *data, bool leading, uint64_t term);
        void *data;
        bool told;
    } listeners[STORE_LISTENERS_MAX];
    size_t listener_count;

    struct { /* Which revision was current when; a ring for compaction by age. */
        uint64_t time_ns;
        int64_t revision;
    } samples[64];
    size_t sample_count, sample_next;
    struct store_metrics metrics;
};

uint64_t store_now_ms(struct store *store);
void store_pump_soon(struct store *store); /* Next turn: failures, watches, trimming. */
void store_lease_timer_set(struct store *store);

/* --- Calls (store/calls.c). */
struct store_call *store_call_new(struct store *store, enum store_call_kind kind,
                                  enum call_answer answer, uint64_t timeout_ms);
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
void store_calls_init(struct store *store);
/* Encodes the command into a call and starts it. */
void store_command_start(struct store *store, struct store_command *command,
                         enum call_answer answer, void (*done)(void), void *data);

/* --- Leases (store/lease_calls.c). */
void store_leases_role(struct store *store, bool leading);
void store_lease_try(struct store_call *call);
void store_lease_answer(struct store_call *call, int status, struct slice reply);
void store_forwarded_lease(struct store *store, uint64_t forward, enum forward_kind kind,
                           int64_t lease_id);

/* --- Automatic compaction (store/auto_compact.c). */
void store_auto_compact_start(struct store *store);
#endif
