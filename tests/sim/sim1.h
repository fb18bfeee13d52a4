/* The cluster of SIM-1: raft/ (core, driver, log, snapshots) with a small state, on simulated disks
 * and network. sim1.c runs it under faults; sim_members.c also changes its members meanwhile. */
#ifndef TESTS_SIM_SIM1_H
#define TESTS_SIM_SIM1_H
#include "raft/node.h"
#include "tests/sim/ghost_members.h"
#include "tests/sim/ghost_raft.h"
#include "tests/sim/seeds.h"

enum {
    CLUSTER_ID = 77,
    CALL_WORK = 1,
    CALL_FAULT = 2,
    CALL_OPERATOR = 3,
    CALL_BOOT = 100,  /* + node */
    CALL_CRASH = 200, /* + node */
    SNAPSHOT_PADDING = 3000,
};

struct sim_state { /* What the FSM replicates. */
    uint64_t index, hash, value;
};

struct member {
    struct sim1 *sim;
    struct sim_node *machine;
    struct raft_node *node;
    struct raft_fsm fsm;
    struct sim_state state;
    struct sim_state restoring;
    size_t restored;
    uint8_t restore_head[sizeof(struct sim_state)];
    bool opened, crashing;
    bool out;  /* Not to be started: it stopped for good, or has never been a member. */
    bool lost; /* Its disk was lost, and the cluster has not got rid of that id yet. */
    bool used; /* There may be something on its disk. */
    bool join; /* Starts as one that was added. */
    struct raft_peer peers[SIM_NODES_MAX]; /* What it is told about the cluster when it starts. */
    size_t peer_count;
    struct sim_entry applying; /* While it has turns left. */
    unsigned turns_left;
};

struct sim1 {
    struct sim_world world;
    struct member members[SIM_NODES_MAX];
    size_t count;   /* Machines. */
    size_t initial; /* The first so many are the first members. */
    struct raft_config config;
    struct ghost_raft ghost;
    struct ghost_members ghost_members;
    /* What else happens than faults and work; NULL in SIM-1 itself. */
    void (*operate)(struct sim1 *sim);
    void (*stopped)(struct sim1 *sim, struct member *member, const char *why); /* By env_fatal(). */
    void *owner;  /* Whoever set these. */
    size_t asked; /* Changes of the members asked for and not answered. */
    uint64_t changes, removals, disks_lost, restarts_refused;
    size_t append_entries_max;
    bool equal_commands;
    bool long_applies;
    uint64_t acked_max, seen_max;
    uint64_t proposals, acks, reads, crashes, snapshots_installed;
    const struct sim_options *options;
    uint64_t fault_count;
    uint64_t next_value, goal_value;
    bool faults;
    bool idle; /* There is no work. */
    bool calm; /* Leadership is not moved on purpose. */
    struct sim_random damage;
    size_t victims; /* So many members, the last ones, may have their disks damaged. */
    uint64_t damages;
    uint32_t crash_weight, pause_weight, partition_weight;
    uint64_t work_ns;
    uint64_t pause_max_ns;
};

/* Sets up a cluster for `seed`, whose machines are `initial` members and `spare` others. */
struct sim1 *sim1_new(uint64_t seed, const struct sim_options *options, size_t initial,
                      size_t spare);
void sim1_free(struct sim1 *sim);
void sim1_boot(struct sim1 *sim, struct member *member); /* Unless it runs, or is out. */
/* What a member is told about the cluster when it starts the next time. */
void sim1_learn_peers(struct member *member, const struct raft_status *status);
void sim1_join(struct sim1 *sim, struct member *member, const struct raft_status *status);
void sim1_crash(struct sim1 *sim, struct member *member);
void sim1_run_until(struct sim1 *sim, uint64_t until);
void sim1_check_step(struct sim1 *sim); /* Rules that hold after each event. */
void sim1_heal(struct sim1 *sim);
/* A write after healing reaches every member within `timeouts` election timeouts. */
void sim1_check_liveness(struct sim1 *sim, uint64_t timeouts);
void sim1_outcome(const struct sim1 *sim, struct sim_outcome *ret_outcome);
#endif
