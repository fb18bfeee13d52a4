/* Every order in which the members of a cluster can be started: first with empty disks, then after
 * the power of all was cut. The first majority of them serves within ten election timeouts, and who
 * comes later joins them without a new election. Seeds are orders: 1 to 6 are those of 3 members,
 * the next 120 those of 5; then they come again, with other times between the starts. */
#include "tests/sim/sim1.h"

#include <inttypes.h>

enum {
    SMALL = 3,
    LARGE = 5,
    SMALL_ORDERS = 6,
    LARGE_ORDERS = 120,
    ELECTIONS_TO_SERVE = 10,
};

/* The permutation of this number, of 0 to count - 1, in lexical order. */
static void order_of(uint64_t number, size_t count, size_t *order)
{
    uint64_t orders = 1;
    for (size_t i = 0; i < count; i++) {
        order[i] = i;
        orders *= i + 1;
    }
    for (size_t i = 0; i < count; i++) {
        orders /= count - i;
        size_t chosen = i + (size_t)(number / orders);
        number %= orders;
        size_t member = order[chosen];
        memmove(&order[i + 1], &order[i], (chosen - i) * sizeof(*order));
        order[i] = member;
    }
}

static uint64_t election_ns(const struct sim1 *sim)
{
    return sim->config.election_ms * NS_PER_MS;
}

static void power_off(struct sim1 *sim)
{
    for (size_t i = 0; i < sim->count; i++) {
        sim->members[i].out = true; /* Until it is its turn. */
        sim1_crash(sim, &sim->members[i]);
    }
}

static void power_on(struct sim1 *sim, struct member *member)
{
    sim1_run_until(sim, sim->world.now + sim_below(&sim->world.schedule, 2 * election_ns(sim)));
    member->out = false;
    sim1_boot(sim, member);
}

static uint64_t newest_term(const struct sim1 *sim)
{
    uint64_t term = 0;
    for (size_t i = 0; i < sim->count; i++) {
        const struct member *member = &sim->members[i];
        if (member->machine->alive && member->opened && raft_term(member->node) > term) {
            term = raft_term(member->node);
        }
    }
    return term;
}

static void wait_for_write(struct sim1 *sim)
{
    uint64_t before = sim->acked_max;
    uint64_t end = sim->world.now + ELECTIONS_TO_SERVE * election_ns(sim);
    while (sim->acked_max == before && sim->world.failure[0] == '\0') {
        if (sim->world.now >= end) {
            sim_fail(&sim->world, "a majority runs and takes no write for %d election timeouts",
                     ELECTIONS_TO_SERVE);
        }
        sim1_run_until(sim, sim->world.now + NS_PER_MS);
    }
}

static void start_in_order(struct sim1 *sim, const size_t *order)
{
    size_t majority = sim->count / 2 + 1;
    for (size_t i = 0; i < majority; i++) {
        power_on(sim, &sim->members[order[i]]);
    }
    wait_for_write(sim);
    for (size_t i = majority; i < sim->count; i++) {
        uint64_t term = newest_term(sim);
        power_on(sim, &sim->members[order[i]]);
        sim1_run_until(sim, sim->world.now + 2 * election_ns(sim));
        if (newest_term(sim) != term) {
            sim_fail(&sim->world, "member %zu makes the others elect when it comes", order[i] + 1);
        }
    }
    sim1_check_liveness(sim, ELECTIONS_TO_SERVE);
}

static void run_seed(uint64_t seed, const struct sim_options *options,
                     struct sim_outcome *ret_outcome)
{
    uint64_t number = (seed - 1) % (SMALL_ORDERS + LARGE_ORDERS);
    bool small = number < SMALL_ORDERS;
    size_t order[LARGE];
    order_of(small ? number : number - SMALL_ORDERS, small ? SMALL : LARGE, order);
    struct sim1 *sim = sim1_new(seed, options, small ? SMALL : LARGE, /* spare= */ 0);
    sim->calm = true;
    power_off(sim);
    sim1_heal(sim);
    start_in_order(sim, order);
    power_off(sim);
    start_in_order(sim, order);
    sim1_outcome(sim, ret_outcome);
    ret_outcome->counts[0] = 2;
    ret_outcome->counts[1] = sim->ghost.elections;
    sim1_free(sim);
}

int main(int argc, char **argv)
{
    static const struct sim_program program = {
        .name = "sim_start_orders", .counts = {"starts", "elections"}, .run = run_seed};
    return sim_seeds_main(&program, argc, argv);
}
