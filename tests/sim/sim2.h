/* SIM-2: what the files of the simulator of the whole store share. See sim2.c. */
#ifndef TESTS_SIM_SIM2_H
#define TESTS_SIM_SIM2_H
#include "lib/base/hash_map.h"
#include "lib/base/list.h"
#include "raft/node.h"
#include "store/store_private.h"
#include "tests/sim/auth_model.h"
#include "tests/sim/ghost_members.h"
#include "tests/sim/ghost_raft.h"
#include "tests/sim/kv_model.h"
#include "tests/sim/linear.h"
#include "tests/sim/seeds.h"

enum {
    SIM2_CLUSTER_ID = 78,
    SIM2_CLIENTS_MAX = 8,
    SIM2_WATCHERS_MAX = 8,
    SIM2_LEASES_MAX = 64,
    SIM2_OPS_MAX = 8192,
    SIM2_TXN_OPS = 4,
    SIM2_LINEAR_MAX = 8,
    SIM2_NO_CLIENT = SIM2_CLIENTS_MAX, /* Lease holders. */
    CALL_CLIENT = 1000,                /* + client */
    CALL_WATCHER = 2000,               /* + watcher */
    CALL_LEASE = 3000,                 /* + lease */
    CALL_BOOT = 100,                   /* + node */
    CALL_CRASH = 200,                  /* + node */
    CALL_FAULT = 1,
    CALL_FLAP = 2,
    CALL_OPERATOR = 3,
    CALL_AUTH = 4,
    CALL_DISK_FREE = 300, /* + node */
};

struct sim2;

struct sim2_member {
    struct sim2 *sim;
    struct sim_node *machine;
    struct store *store; /* While the machine is alive. */
    struct raft_node *node;
    struct raft_fsm fsm; /* The store's, with checks around it. */
    bool opened;
    bool down;  /* Stays off: it was let go. */
    bool fresh; /* A spare machine that has never run. */
    bool join;  /* Was added: starts with these as its peers, and no vote. */
    struct raft_peer peers[SIM_NODES_MAX];
    size_t peer_count;
    uint32_t version; /* Of the commands that it can apply; grows when it starts again. */
    int64_t revision; /* Of its state; of what is durable after a power cut nothing is known. */
    struct sim_entry applying; /* The last one given to its state machine. */
};

/* --- Operations of clients. */
enum op_kind {
    OP_TXN,     /* Writes, or may write. */
    OP_READ,    /* A transaction that only reads. */
    OP_BARRIER, /* A read barrier, then a range of a snapshot. */
    OP_COMPACT,
    OP_GRANT,
    OP_REVOKE,
    OP_KEEPALIVE,
    OP_TTL,
    OP_AUTH, /* A change of users and roles. */
    OP_KIND_COUNT
};

struct op {
    struct sim2 *sim;
    struct sim2_member *member;
    enum op_kind kind;
    uint64_t number;
    uint64_t incarnation, sequence; /* With the member: its name in the log. */
    uint64_t called_ns, returned_ns;
    uint64_t floor; /* Log index of the newest operation that had come back before the call. */
    bool done;
    bool nothing_done; /* The client was told so. */
    int status;
    uint64_t result; /* Digest of the answer. */
    int64_t revision;
    uint64_t read_index; /* Applied index at which a read was answered. */
    uint64_t index;      /* Where it took effect; 0: nowhere yet. */
    bool refused;        /* Was in the log, but came too late to have an effect. */
    struct model_applied expected;
    int64_t lease, ttl_s, compact;
    struct auth_change auth;
    struct auth_caller caller; /* On whose behalf a write is made, `as_client`. */
    bool as_client;
    int64_t answer_ttl_s, answer_granted_s;
    size_t client;

    /* The request, for checks; slices point into `bytes`. */
    struct store_txn txn;
    struct store_compare compares[1];
    struct store_op ops[SIM2_TXN_OPS], else_ops[1];
    uint64_t request; /* Digest. */
    struct store_range range;
    struct linear_op linear[SIM2_LINEAR_MAX]; /* What it means to single keys. */
    size_t linear_count;
    char keys[2 * SIM2_TXN_OPS + 4][4];
    char *values[SIM2_TXN_OPS];
};

struct client {
    size_t member; /* Asks this one. */
    size_t waiting;
    struct op *last;
    uint64_t last_ns;
};

/* --- Watchers: W1 to W9 of reliability section 6. */
struct watcher {
    struct sim2 *sim;
    size_t number;
    struct sim2_member *member;
    struct store_watch *watch; /* NULL: not connected. */
    uint32_t incarnation;
    size_t first_key, end_key; /* first_key + 1 == end_key: a single key. */
    bool no_put, no_delete;
    bool started;
    int64_t next;      /* Every matching event from here on is still to come. */
    int64_t delivered; /* Bookmark last seen on this connection. */
    int64_t bookmark;  /* Told since then without an event. */
    bool paused;
    uint64_t events, ends;
};

struct watch_delivery { /* Seen while the entry is still being applied. */
    struct watcher *watcher;
    int64_t revision;
    uint64_t digest;
    int64_t compact_revision;
    size_t count;
};

struct lease_holder {
    struct sim2 *sim;
    int64_t id, ttl_s;
    uint64_t renewed_ns; /* Call time of the newest renewal that was acknowledged. */
    bool held, revoked;  /* Somebody keeps it alive; asked to be revoked. */
    uint64_t let_go_ns;  /* Since when nobody renews it. */
    uint64_t removed_ns; /* When its removal was first applied; 0: it lives. */
    uint64_t keep_every_ns;
};

struct sim2_knobs {
    struct raft_config raft;
    struct store_config store;
    size_t key_count, client_count, watcher_count;
    uint64_t think_ns, fault_ns, run_ns;
    unsigned mix;
    uint32_t value_len;
    uint32_t crash_weight, pause_weight, partition_weight, stall_weight, full_weight, clock_weight,
        transfer_weight, rot_weight;
    bool auth;      /* There are users and roles. */
    bool black_box; /* This seed's history is also given to the independent checker. */
};

struct sim2 {
    struct sim_world world;
    struct ghost_raft ghost;
    struct kv_model model;
    struct sim2_member members[SIM_NODES_MAX];
    size_t count;   /* Machines; */
    size_t initial; /* ... the first so many are the first members. */
    struct ghost_members ghost_members;
    bool asked;        /* A change of the members is under way. */
    uint64_t led_term; /* Newest in which the operator saw a leader. */
    struct sim2_knobs knobs;
    struct sim_random damage;
    struct sim_random upgrades;
    bool of_many_versions;
    size_t victims; /* The last so many members, fewer than a majority, may have bad disks. */
    uint64_t counts_damages, counts_denied;
    struct auth_model auth;
    struct auth_past {
        uint64_t index; /* From this entry on. */
        struct auth_model model;
    } * auth_past;
    size_t auth_past_count;
    struct sim_random auth_random;
    size_t auth_step; /* Changes asked for. */
    const struct sim_options *options;
    uint64_t fault_count;
    bool faults;

    struct op **ops;
    size_t op_count, ops_open;
    struct hash_map *by_name; /* member, incarnation, sequence -> struct op */
    struct client clients[SIM2_CLIENTS_MAX + 1];
    uint64_t next_value;
    uint64_t floor; /* Log index of the newest operation that has come back. */
    struct watcher watchers[SIM2_WATCHERS_MAX];
    struct lease_holder leases[SIM2_LEASES_MAX];
    size_t lease_count;

    uint64_t long_applies; /* Entries that took more than a turn. */
    bool applying; /* An entry is applied for the first time: the model does not have it yet. */
    struct op **late_ops; /* Came back meanwhile. */
    size_t late_op_count, late_op_capacity;
    struct watch_delivery *late_watches;
    size_t late_watch_count, late_watch_capacity;

    uint64_t probe_ns; /* Not 0: a put called since then was acknowledged by ... */
    bool probe_acked;  /* ... a member of the core. */
    bool core[SIM_NODES_MAX];
    bool settling;      /* Healed: clients end what they have begun. */
    uint64_t healed_ns; /* By then what stalls and pauses have held up has come too. */
    uint64_t flap_until, flap_a, flap_b;
    uint64_t counts_ops, counts_reads, counts_unknown, counts_events, counts_crashes,
        counts_restores, counts_expired, counts_black_box, counts_changes;
};

/* --- sim2_members.c: machines that run raft and store, and R4, K2, K4 on what they apply. */
void sim2_boot(struct sim2 *sim, struct sim2_member *member);
void sim2_crash(struct sim2 *sim, struct sim2_member *member);
void sim2_member_free(struct sim2_member *member);
void sim2_wire(struct sim2 *sim);
/* Its disk goes bad, if it is one of the victims; the snapshot's place only, while it runs. */
void sim2_damage(struct sim2 *sim, struct sim2_member *member);
bool sim2_serves(const struct sim2_member *member); /* Alive, opened and not stopping. */
/* The whole state of a member is the model's. */
void sim2_check_state(struct sim2 *sim, const struct sim2_member *member);

/* --- sim2_work.c: clients. */
void sim2_client_turn(struct sim2 *sim, size_t number);
void sim2_work_start(struct sim2 *sim);
struct op *sim2_op_new(struct sim2 *sim, struct sim2_member *member, enum op_kind kind,
                       size_t client);
void sim2_op_start(struct op *op);
void sim2_ops_free(struct sim2 *sim);
/* A put, for the sake of seeing whether the member takes it. */
void sim2_probe(struct sim2 *sim, struct sim2_member *member);

/* --- sim2_check.c: strict serializability, from the order of the log. */
void sim2_op_done(struct op *op); /* With status and answer filled in. */
void sim2_applied(struct sim2 *sim, struct sim2_member *member, uint64_t index, uint64_t term,
                  struct slice command, bool changed);
void sim2_check_late(struct sim2 *sim);
void sim2_check_black_box(struct sim2 *sim);

/* --- sim2_watch.c */
void sim2_watcher_turn(struct sim2 *sim, size_t number);
void sim2_watch_check(struct sim2 *sim, const struct watch_delivery *delivery);
void sim2_watches_settle(struct sim2 *sim); /* Resumes and reconnects all. */
bool sim2_watches_current(struct sim2 *sim);

/* --- sim2_lease.c: L1 to L3. */
void sim2_lease_turn(struct sim2 *sim, size_t number);
struct lease_holder *sim2_lease_find(struct sim2 *sim, int64_t id);
void sim2_lease_op_done(struct op *op);
void sim2_lease_removed(struct sim2 *sim, const struct model_lease *lease);
bool sim2_leases_over(struct sim2 *sim);

/* --- sim2_auth.c: who may do what. */
void sim2_auth_turn(struct sim2 *sim);
void sim2_auth_caller(struct op *op); /* Somebody, or nobody, on whose behalf it is asked. */
void sim2_auth_other_caller(struct op *op);
const struct auth_caller *sim2_caller(const struct op *op);
/* Why a read at this entry must be refused, or 0. */
int sim2_auth_read(struct sim2 *sim, const struct op *op, uint64_t index);
bool sim2_auth_applied(struct sim2 *sim, uint64_t index, const struct store_command *command,
                       struct model_applied *ret_applied);

/* --- sim2_operator.c: changes of the members. */
void sim2_operate(struct sim2 *sim);
struct sim2_member *sim2_leader(struct sim2 *sim); /* Settled, of the greatest term; or NULL. */
bool sim2_is_let_go(struct sim2 *sim, const struct sim2_member *member);
bool sim2_members_settled(struct sim2 *sim);

/* --- sim2_faults.c */
void sim2_knobs_draw(struct sim2 *sim);
void sim2_fault(struct sim2 *sim);
void sim2_flap(struct sim2 *sim);
void sim2_heal(struct sim2 *sim);
/* All is well but some links: those between the members of a majority work, any others may not. */
void sim2_heal_core(struct sim2 *sim);
#endif
