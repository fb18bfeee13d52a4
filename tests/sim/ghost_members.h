/* What changing the members promises, checked from outside after every event (R7): a leader goes
 * only from a committed configuration, with an entry of its own term committed, to one whose every
 * quorum meets every quorum of the one before; what it has in force is what its log says. */
#ifndef TESTS_SIM_GHOST_MEMBERS_H
#define TESTS_SIM_GHOST_MEMBERS_H
#include "raft/core.h"
#include "tests/sim/env_sim.h"

struct ghost_members {
    struct sim_world *world;
    struct {
        uint64_t term, version, index; /* Of the leader's last event; term 0: did not lead. */
        struct raft_members members;
    } leaders[SIM_NODES_MAX];
    uint64_t configurations;       /* That leaders went to. */
    uint64_t confirmed_index;      /* The newest configuration that is known to be committed. */
    bool confirmed[SIM_NODES_MAX]; /* Has been in one since its disk was empty. */
};

void ghost_members_opened(struct ghost_members *ghost, const struct raft *core);
void ghost_members_stepped(struct ghost_members *ghost, const struct raft *core);
void ghost_members_wiped(struct ghost_members *ghost, uint64_t member); /* And was let go. */
#endif
