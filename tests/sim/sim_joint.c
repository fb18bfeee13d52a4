/* Every moment of a change of the members at which something can go wrong: a cluster is asked for a
 * change, and a given number of events later somebody loses power, or some cannot reach the others
 * for a while. In the end the change is done everywhere or nowhere, done if that was said, and no
 * joint configuration is left. Seeds are such moments: the next ones are far away, so that a few
 * are of all kinds. */
#include "tests/sim/sim1.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum change { ADD_VOTER, PROMOTE_LEARNER, REMOVE_FOLLOWER, REMOVE_LEADER, CHANGES };

enum harm {
    POWER_OF_LEADER,
    POWER_OF_TARGET,
    POWER_OF_OTHER,
    POWER_OF_ALL,
    LEADER_ALONE,       /* Cut off. */
    LEADER_WITH_TARGET, /* The two cut off from the others. */
    HARMS
};

enum {
    VOTERS = 3,
    MOMENTS = 160, /* Events after the change was asked for: it takes less. */
    CASES = CHANGES * HARMS * MOMENTS,
    STRIDE = 1009, /* A prime that does not divide CASES. */
    ELECTIONS_CUT_OFF = 4,
    ELECTIONS_TO_SETTLE = 40,
};

struct trial {
    struct sim1 *sim;
    enum change change;
    enum harm harm;
    uint64_t moment;
    struct member *leader, *target;
    bool answered;
    int status;
};

static const struct trial *trial_of(const struct sim1 *sim)
{
    return sim->owner;
}

static uint64_t elections_ns(const struct sim1 *sim, uint64_t count)
{
    return count * sim->config.election_ms * NS_PER_MS;
}

static bool serves(const struct member *member)
{
    return member->machine->alive && member->opened && !member->node->dead;
}

/* Of the greatest term: another may not know yet. */
static struct member *leader_of(struct sim1 *sim)
{
    struct member *best = NULL;
    for (size_t i = 0; i < sim->count; i++) {
        struct member *member = &sim->members[i];
        if (serves(member) && raft_is_settled_leader(member->node) &&
            (best == NULL || raft_term(member->node) > raft_term(best->node))) {
            best = member;
        }
    }
    return best;
}

static const struct raft_member *listed(const struct member *leader, const struct member *member)
{
    return raft_members_find(&leader->node->core.members, member->machine->id);
}

/* A machine that the cluster lists starts. */
static void start_listed(struct sim1 *sim)
{
    struct member *leader = leader_of(sim);
    struct member *spare = &sim->members[VOTERS];
    struct raft_status status;
    if (leader != NULL && spare->out && !spare->used && listed(leader, spare) != NULL) {
        raft_get_status(leader->node, &status);
        sim1_join(sim, spare, &status);
    }
}

static void run_for(struct sim1 *sim, uint64_t ns)
{
    uint64_t until = sim->world.now + ns;
    while (sim->world.now < until && sim->world.failure[0] == '\0') {
        sim1_run_until(sim, sim->world.now + NS_PER_MS);
        start_listed(sim);
    }
}

static void on_stopped(struct sim1 *sim, struct member *member, const char *why)
{
    const struct member *leader = leader_of(sim);
    sim_say(&sim->world, "member %" PRIu64 " stops: %s", member->machine->id, why);
    if (member != trial_of(sim)->target || strstr(why, "permanently removed") == NULL) {
        sim_fail(&sim->world, "member %" PRIu64 " stopped: %s", member->machine->id, why);
    }
    member->out = leader != NULL && listed(leader, member) == NULL;
}

/* ---- the change ---- */

static void on_changed(void *data, int status, uint64_t index)
{
    struct trial *trial = data;
    trial->answered = true;
    trial->status = status;
    sim_say(&trial->sim->world, "the change ended with %d at %" PRIu64, status, index);
}

static void ask(struct trial *trial, enum raft_change_kind kind, bool learner)
{
    const struct raft_change change = {
        .kind = kind, .id = trial->target->machine->id, .url = "http://m4", .learner = learner};
    struct sim1 *sim = trial->sim;
    uint64_t end = sim->world.now + elections_ns(sim, ELECTIONS_TO_SETTLE);
    trial->answered = false;
    int status = raft_change_members(trial->leader->node, &change, on_changed, trial);
    while (status == -EAGAIN && sim->world.now < end) { /* A learner is not in sync at times. */
        run_for(sim, NS_PER_MS);
        status = raft_change_members(trial->leader->node, &change, on_changed, trial);
    }
    if (status < 0) {
        sim_fail(&sim->world, "the change was refused: %d", status);
    }
}

static void wait_for_leader(struct trial *trial)
{
    struct sim1 *sim = trial->sim;
    uint64_t end = sim->world.now + elections_ns(sim, ELECTIONS_TO_SETTLE);
    trial->leader = NULL;
    while (sim->world.now < end && trial->leader == NULL && sim->world.failure[0] == '\0') {
        run_for(sim, 2 * sim->config.election_ms * NS_PER_MS); /* And identities are recorded. */
        trial->leader = leader_of(sim);
    }
    if (trial->leader == NULL) {
        sim_fail(&sim->world, "nobody leads");
    }
}

static void prepare(struct trial *trial)
{
    struct sim1 *sim = trial->sim;
    wait_for_leader(trial);
    if (trial->leader == NULL) {
        return;
    }
    size_t leader = (size_t)(trial->leader - sim->members);
    trial->target = trial->change == REMOVE_LEADER     ? trial->leader
                    : trial->change == REMOVE_FOLLOWER ? &sim->members[(leader + 1) % VOTERS]
                                                       : &sim->members[VOTERS];
    if (trial->change == PROMOTE_LEARNER) {
        ask(trial, RAFT_CHANGE_ADD, /* learner= */ true);
        run_for(sim, elections_ns(sim, 3));
    }
}

static void begin(struct trial *trial)
{
    static const enum raft_change_kind kinds[CHANGES] = {RAFT_CHANGE_ADD, RAFT_CHANGE_PROMOTE,
                                                         RAFT_CHANGE_REMOVE, RAFT_CHANGE_REMOVE};
    ask(trial, kinds[trial->change], /* learner= */ false);
}

/* ---- the harm ---- */

static struct member *other_of(const struct trial *trial)
{
    size_t at = 0;
    while (&trial->sim->members[at] == trial->leader || &trial->sim->members[at] == trial->target) {
        at++;
    }
    return &trial->sim->members[at];
}

static void cut_off(const struct trial *trial)
{
    struct sim1 *sim = trial->sim;
    for (size_t a = 0; a < sim->count; a++) {
        for (size_t b = 0; b < sim->count; b++) {
            bool with = trial->harm == LEADER_WITH_TARGET;
            const struct member *from = &sim->members[a];
            const struct member *to = &sim->members[b];
            bool from_inside = from == trial->leader || (with && from == trial->target);
            bool to_inside = to == trial->leader || (with && to == trial->target);
            sim->world.links[a][b].blocked = from_inside != to_inside;
        }
    }
}

static void do_harm(const struct trial *trial)
{
    struct sim1 *sim = trial->sim;
    switch (trial->harm) {
    case POWER_OF_LEADER:
        sim1_crash(sim, trial->leader);
        break;
    case POWER_OF_TARGET:
        sim1_crash(sim, trial->target);
        break;
    case POWER_OF_OTHER:
        sim1_crash(sim, other_of(trial));
        break;
    case POWER_OF_ALL:
        for (size_t i = 0; i < sim->count; i++) {
            sim1_crash(sim, &sim->members[i]);
        }
        break;
    case LEADER_ALONE:
    case LEADER_WITH_TARGET:
        sim_say(&sim->world, "member %" PRIu64 " is cut off", trial->leader->machine->id);
        cut_off(trial);
        break;
    case HARMS:
        break;
    }
}

/* ---- what must be ---- */

static bool same_members(const struct raft_members *a, const struct raft_members *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; i < a->count && same; i++) {
        same = a->items[i].id == b->items[i].id && a->items[i].flags == b->items[i].flags;
    }
    return same;
}

/* Everybody that is a member has the leader's configuration, and knows that it is committed. */
static bool is_settled(struct sim1 *sim)
{
    const struct member *leader = leader_of(sim);
    bool settled = leader != NULL && !raft_members_joint(&leader->node->core.members);
    for (size_t i = 0; i < sim->count && settled; i++) {
        const struct member *member = &sim->members[i];
        const struct raft_member *item = listed(leader, member);
        if (item == NULL) {
            continue;
        }
        settled = (item->flags & RAFT_MEMBER_JOINING) == 0 && serves(member) &&
                  member->node->core.commit >= member->node->core.members_index &&
                  same_members(&member->node->core.members, &leader->node->core.members);
    }
    return settled;
}

static void check_end(const struct trial *trial)
{
    struct sim1 *sim = trial->sim;
    uint64_t end = sim->world.now + elections_ns(sim, ELECTIONS_TO_SETTLE);
    while (sim->world.now < end && !is_settled(sim) && sim->world.failure[0] == '\0') {
        run_for(sim, 10 * NS_PER_MS);
    }
    if (!is_settled(sim)) {
        sim_fail(&sim->world, "the members do not agree on a configuration that is no joint one");
        return;
    }
    const struct raft_member *item = listed(leader_of(sim), trial->target);
    bool removes = trial->change == REMOVE_FOLLOWER || trial->change == REMOVE_LEADER;
    bool votes = item != NULL && (item->flags & RAFT_MEMBER_VOTER) != 0;
    if (trial->answered && trial->status == 0 && votes == removes) {
        sim_fail(&sim->world, "the change was said to be done, and is not");
    }
    sim->changes += votes != removes ? 1 : 0;
}

static void run_trial(struct trial *trial)
{
    struct sim1 *sim = trial->sim;
    sim->idle = true; /* The events are those of the change. */
    begin(trial);
    for (uint64_t i = 0; i < trial->moment && sim->world.failure[0] == '\0'; i++) {
        (void)sim_run_one(&sim->world);
        sim1_check_step(sim);
        start_listed(sim);
    }
    do_harm(trial);
    sim->idle = false;
    run_for(sim, elections_ns(sim, ELECTIONS_CUT_OFF));
    sim1_heal(sim);
    check_end(trial);
    sim1_check_liveness(sim, ELECTIONS_TO_SETTLE);
}

static void run_seed(uint64_t seed, const struct sim_options *options,
                     struct sim_outcome *ret_outcome)
{
    uint64_t number = seed * STRIDE % CASES;
    struct sim1 *sim = sim1_new(seed, options, VOTERS, /* spare= */ 1);
    struct trial trial = {.sim = sim,
                          .change = (enum change)(number % CHANGES),
                          .harm = (enum harm)(number / CHANGES % HARMS),
                          .moment = number / CHANGES / HARMS};
    sim->owner = &trial;
    sim->stopped = on_stopped;
    sim->calm = true;
    for (size_t i = 0; i < VOTERS; i++) {
        sim->members[i].used = true;
    }
    sim1_heal(sim);
    prepare(&trial);
    if (sim->world.failure[0] == '\0') {
        run_trial(&trial);
    }
    sim1_outcome(sim, ret_outcome);
    ret_outcome->counts[0] = sim->changes;
    ret_outcome->counts[1] = sim->ghost.elections;
    ret_outcome->counts[2] = sim->crashes;
    ret_outcome->counts[3] = trial.answered && trial.status == 0 ? 1 : 0;
    for (size_t i = 4; i < SIM_COUNTS_MAX; i++) {
        ret_outcome->counts[i] = 0;
    }
    sim1_free(sim);
}

int main(int argc, char **argv)
{
    static const struct sim_program program = {
        .name = "sim_joint",
        .counts = {"changes done", "elections", "power cuts", "changes said to be done"},
        .run = run_seed};
    return sim_seeds_main(&program, argc, argv);
}
