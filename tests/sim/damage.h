/* Damage to the disk of a machine that is down: flipped bits, lost pages, writes that went astray,
 * cut and lost files of raft/. Only what was durable for certain is damaged: the rest may be lost
 * in a power cut anyway. */
#ifndef TESTS_SIM_DAMAGE_H
#define TESTS_SIM_DAMAGE_H
#include "tests/sim/env_sim.h"

/* False when nothing was done. */
bool sim_damage_raft(struct sim_node *node, struct sim_random *random);
/* The same for its snapshot, also while it runs: it is read again when another member needs it. */
bool sim_damage_snapshot(struct sim_node *node, struct sim_random *random);
#endif
