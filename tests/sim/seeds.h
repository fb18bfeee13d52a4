/* The command line of a simulator: many seeds, one seed again with a readable trace, and the
 * smallest set of faults with which a seed still fails. */
#ifndef TESTS_SIM_SEEDS_H
#define TESTS_SIM_SEEDS_H
#include "tests/sim/env_sim.h"

/* Grows when the simulators get faults or work that change what a seed means: 2 brought bad disks,
 * writes that go astray, and snapshots of many chunks; 3 brought users, roles, clients, and members
 * of several versions; 4 brought reads, compaction and leases on behalf of users; 5 entries that
 * take several turns to apply. */
enum { SIM_WORLD = 5 };
enum { SIM_FAULTS_MAX = 1024, SIM_COUNTS_MAX = 16 };

struct sim_options {
    unsigned verbose; /* As in struct sim_world. */
    unsigned
        world; /* Up to SIM_WORLD: an earlier one makes a seed what it was when it was found. */
    bool skip[SIM_FAULTS_MAX]; /* These faults are left out. */
};

struct sim_outcome {
    uint64_t events, trace, faults;
    uint64_t counts[SIM_COUNTS_MAX]; /* What they mean: sim_program.counts. */
    char failure[SIM_FAILURE_MAX];   /* Empty: all rules held. */
};

struct sim_program {
    const char *name;
    const char *counts[SIM_COUNTS_MAX]; /* NULL ends the list. */
    void (*run)(uint64_t seed, const struct sim_options *options, struct sim_outcome *ret_outcome);
};

/*   NAME [--seeds N] [--seed FIRST] [--trace 1|2] [--shrink 1] [--keep-going 1] [--world 1]
 * One seed in a hundred runs twice and must do the same. Ends with a line "SUMMARY program=..." of
 * NAME=VALUE pairs for programs. Returns the exit status. */
int sim_seeds_main(const struct sim_program *program, int argc, char **argv);
#endif
