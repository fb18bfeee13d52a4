/* Damage to the disk of a machine that is down: flipped bits, lost pages, cut and lost files of
 * raft/. Only what was durable for certain is damaged: the rest may be lost in a power cut anyway.
 */
#ifndef TESTS_SIM_DAMAGE_H
#define TESTS_SIM_DAMAGE_H
#include "tests/sim/env_sim.h"

/* False when nothing was done. */
bool sim_damage_raft(struct sim_node *node, struct sim_random *random);
#endif
