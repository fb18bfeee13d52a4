/* Partial partitions, exhaustively: whatever links are cut, a member that reaches a majority in
 * both directions comes to lead, and nobody unseats it; without such a member nobody leads. Seeds
 * are graphs: 1 to 64 are all directed ones of 3 members, the next 1024 all undirected ones of 5,
 * those after them directed ones of 5 at random. The leader before the cut is always member 1; the
 * graphs of all orders of members are there. Logs are equal when the links are cut: with a member
 * ahead of the only one that reaches a majority, Raft has no answer (Howard and Abraham, "Raft does
 * not guarantee liveness in the face of network faults", 2020). */
#include "tests/sim/sim1.h"

#include <inttypes.h>

enum {
    SMALL = 3,
    LARGE = 5,
    SMALL_GRAPHS = 64,
    LARGE_GRAPHS = 1024,
    ELECTIONS_TO_LEAD = 10,
    ELECTIONS_STABLE = 10,
};

/* Link from -> to is at bit from * 5 + to. */
static uint32_t links_of(uint64_t seed)
{
    uint32_t links = 0;
    struct sim_random random = {seed};
    uint64_t choice = seed - 1;
    bool small = seed <= SMALL_GRAPHS;
    bool directed = small || seed > SMALL_GRAPHS + LARGE_GRAPHS;
    choice = small ? choice : directed ? sim_next(&random) : choice - SMALL_GRAPHS;
    for (unsigned a = 0; a < (small ? SMALL : LARGE); a++) {
        for (unsigned b = directed ? 0 : a + 1; b < (small ? SMALL : LARGE); b++) {
            if (a == b) {
                continue;
            }
            links |= (choice & 1) != 0 ? UINT32_C(1) << (a * LARGE + b) : 0;
            links |= (choice & 1) != 0 && !directed ? UINT32_C(1) << (b * LARGE + a) : 0;
            choice >>= 1;
        }
    }
    return links;
}

static bool has_link(uint32_t links, size_t from, size_t to)
{
    return ((links >> (from * LARGE + to)) & 1) != 0;
}

static bool reaches_majority(uint32_t links, size_t count, size_t member)
{
    size_t reached = 1;
    for (size_t other = 0; other < count; other++) {
        bool both =
            other != member && has_link(links, member, other) && has_link(links, other, member);
        reached += both ? 1 : 0;
    }
    return reached > count / 2;
}

static bool majority_connected(uint32_t links, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (reaches_majority(links, count, i)) {
            return true;
        }
    }
    return false;
}

static void wait_elections(struct sim1 *sim, uint64_t count)
{
    sim1_run_until(sim, sim->world.now + count * sim->config.election_ms * NS_PER_MS);
}

static struct member *leader_of(struct sim1 *sim)
{
    struct member *leader = NULL;
    for (size_t i = 0; i < sim->count; i++) {
        struct member *member = &sim->members[i];
        if (member->opened && raft_is_leader(member->node) &&
            (leader == NULL || raft_term(member->node) > raft_term(leader->node))) {
            leader = member;
        }
    }
    return leader;
}

static void make_first_lead(struct sim1 *sim)
{
    for (int tries = 0; tries < 20 && sim->world.failure[0] == '\0'; tries++) {
        wait_elections(sim, 2);
        struct member *leader = leader_of(sim);
        if (leader == &sim->members[0]) {
            return;
        }
        if (leader != NULL) {
            (void)!raft_transfer_leadership(leader->node, 1);
        }
    }
    sim_fail(&sim->world, "member 1 does not come to lead");
}

static void check_stable(struct sim1 *sim, bool expected)
{
    struct member *leader = leader_of(sim);
    if ((leader != NULL) != expected) {
        sim_fail(&sim->world, expected ? "no leader within 10 election timeouts"
                                       : "there is a leader without a majority");
        return;
    }
    uint64_t term = leader == NULL ? 0 : raft_term(leader->node);
    for (int i = 0; i < ELECTIONS_STABLE && sim->world.failure[0] == '\0'; i++) {
        wait_elections(sim, 1);
        if (leader_of(sim) != leader || (leader != NULL && raft_term(leader->node) != term)) {
            sim_fail(&sim->world, "leadership goes from one to the other");
        }
    }
}

static void run_seed(uint64_t seed, const struct sim_options *options,
                     struct sim_outcome *ret_outcome)
{
    uint32_t links = links_of(seed);
    struct sim1 *sim =
        sim1_new(seed, options, seed <= SMALL_GRAPHS ? SMALL : LARGE, /* spare= */ 0);
    sim->idle = true;
    sim1_heal(sim);
    make_first_lead(sim);
    for (size_t a = 0; a < sim->count; a++) {
        for (size_t b = 0; b < sim->count; b++) {
            sim->world.links[a][b].blocked = a != b && !has_link(links, a, b);
        }
    }
    wait_elections(sim, ELECTIONS_TO_LEAD);
    check_stable(sim, majority_connected(links, sim->count));
    sim1_outcome(sim, ret_outcome);
    ret_outcome->counts[0] = majority_connected(links, sim->count) ? 1 : 0;
    ret_outcome->counts[1] = sim->ghost.elections;
    sim1_free(sim);
}

int main(int argc, char **argv)
{
    static const struct sim_program program = {
        .name = "sim_graphs",
        .counts = {"graphs with a connected majority", "elections"},
        .run = run_seed};
    return sim_seeds_main(&program, argc, argv);
}
