/* SIM-1: clusters of 1, 3 and 5 members whose members do not change. The command line is that of
 * tests/sim/seeds.h. */
#include "tests/sim/sim1.h"

enum { ELECTIONS_TO_HEAL = 20 }; /* 10 election timeouts, and time for snapshots. */

static void run_seed(uint64_t seed, const struct sim_options *options,
                     struct sim_outcome *ret_outcome)
{
    static const size_t sizes[] = {1, 3, 3, 3, 5};
    struct sim_random random = {seed};
    struct sim1 *sim =
        sim1_new(seed, options, sizes[sim_below(&random, ARRAY_LEN(sizes))], /* spare= */ 0);
    sim->damage = (struct sim_random){seed ^ UINT64_C(0x64616d616765)};
    sim->victims = sim_below(&sim->damage, 3) == 0 ? (sim->count - 1) / 2 : 0;
    sim1_run_until(sim, (3 + seed % 4) * NS_PER_S);
    sim1_heal(sim);
    sim1_check_liveness(sim, ELECTIONS_TO_HEAL);
    sim1_outcome(sim, ret_outcome);
    sim1_free(sim);
}

int main(int argc, char **argv)
{
    static const struct sim_program program = {
        .name = "sim1",
        .counts = {"acknowledged writes", "reads", "elections", "power cuts", "restores", "changes",
                   "removals", "disks lost", "restarts refused", "damages"},
        .run = run_seed};
    return sim_seeds_main(&program, argc, argv);
}
