/* What Raft promises, checked from outside on every event of a simulated cluster, in constant time:
 * one leader a term (R1), log matching (R2), leader completeness (R3), equal state at an equal
 * index (R4), acknowledged means durable, on that member and on a majority (R5), term and vote
 * never taken back (R6). A failure goes to sim_fail() of the world. */
#ifndef TESTS_SIM_GHOST_RAFT_H
#define TESTS_SIM_GHOST_RAFT_H
#include "raft/core.h"
#include "tests/sim/env_sim.h"

/* An entry that a state machine was given; `command` lives until it is applied. */
struct sim_entry {
    uint64_t index, term;
    struct slice command;
};

struct raft_node;

enum { GHOST_INDEX_MAX = 16384, GHOST_TERM_MAX = 4096, GHOST_SEEN_TERMS = 4 };

struct ghost_entry {
    uint64_t term, value_hash, state_hash;
    uint64_t committed_in; /* Term of the member that applied it first: not before that term. */
};

struct ghost_member {
    uint64_t led_term, led_commit; /* As leader, after the last event. */
    bool wiped;                    /* Once, in this run: it held what it does not hold now. */
    uint64_t promised_term;        /* Greatest term it has told anybody. */
    uint64_t votes[GHOST_TERM_MAX];
};

struct ghost_cursor { /* Where on a disk the search for an entry ended. */
    const struct sim_inode *inode;
    size_t offset;
    uint64_t index;
};

struct ghost_raft {
    struct sim_world *world;
    /* Of a member by its id; NULL while it does not run. */
    const struct raft *(*core_of)(const struct sim_world *world, uint64_t id);
    struct ghost_member members[SIM_NODES_MAX];
    struct ghost_entry entries[GHOST_INDEX_MAX];
    struct {
        uint64_t term, chain;
    } seen[GHOST_INDEX_MAX][GHOST_SEEN_TERMS];
    uint64_t leaders[GHOST_TERM_MAX];
    struct ghost_cursor cursors[SIM_NODES_MAX];
    uint64_t applied_max, elections;
    bool damaged[SIM_NODES_MAX]; /* What they held when they acknowledged it may be gone. */
};

/* A message is a promise: term and vote it speaks of must be kept across power cuts. */
void ghost_sent(struct ghost_raft *ghost, uint64_t from, uint64_t to, struct slice bytes);
/* Recovery of a member is done. */
void ghost_opened(struct ghost_raft *ghost, const struct raft *core);
/* A member has handled an event. */
void ghost_stepped(struct ghost_raft *ghost, const struct raft *core);
/* A member has applied an entry; false when the log went wrong, and nothing more makes sense. */
bool ghost_applied(struct ghost_raft *ghost, uint64_t member, uint64_t member_term, uint64_t index,
                   uint64_t term, uint64_t value_hash, uint64_t state_hash);
/* A member has taken over a snapshot of this index. */
void ghost_restored(struct ghost_raft *ghost, uint64_t member, uint64_t index, uint64_t state_hash);
/* A machine has got an empty disk: nothing that was promised holds for it any more. */
void ghost_wiped(struct ghost_raft *ghost, uint64_t member);
/* The leader has committed an entry: looks at the durable layer of all disks. */
void ghost_committed(struct ghost_raft *ghost, const struct raft *leader, uint64_t index);

/* A power cut of a machine and its raft: callers get -ECANCELED, nothing reaches disk or network
 * any more, the node is gone. */
void sim_raft_power_cut(struct sim_node *machine, struct raft_node *node);
#endif
