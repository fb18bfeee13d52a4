/* SIM-1 with changing members: under all its faults members are added as learners and voters,
 * promoted, removed (the leader too), moved to another URL, and lose their disks and are replaced
 * under the same id. Rules: those of SIM-1 and ghost_members.h, and: who lost its disk is found out
 * and refused; who was removed stops; when all is well, no leader is disturbed. The command line is
 * that of tests/sim/seeds.h. */
#include "lib/base/alloc.h"
#include "tests/sim/sim1.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SPARES = 2,
    OPERATE_MS = 150,
    ELECTIONS_TO_HEAL = 80, /* With disks to replace. */
    ELECTIONS_OF_CALM = 12,
    CALM_EVERY = 4, /* Seeds: it takes as long as all the rest. */
};

struct asked {
    struct sim1 *sim;
    enum raft_change_kind kind;
    uint64_t id;
};

static struct member *any_leader(struct sim1 *sim)
{
    uint64_t from = sim_below(&sim->world.schedule, sim->count);
    for (size_t i = 0; i < sim->count; i++) {
        struct member *member = &sim->members[(from + i) % sim->count];
        if (member->machine->alive && member->opened && !member->node->dead &&
            raft_is_settled_leader(member->node)) {
            return member;
        }
    }
    return NULL;
}

static const struct raft_member_status *find(const struct raft_status *status, uint64_t id)
{
    for (size_t i = 0; i < status->member_count; i++) {
        if (status->members[i].id == id) {
            return &status->members[i];
        }
    }
    return NULL;
}

/* ---- asking for a change ---- */

static void on_changed(void *data, int status, uint64_t index)
{
    struct asked asked = *(struct asked *)data;
    struct sim1 *sim = asked.sim;
    free(data);
    sim->asked--;
    sim_say(&sim->world, "change %d of member %" PRIu64 " ended with %d at %" PRIu64,
            (int)asked.kind, asked.id, status, index);
    sim->changes += status == 0 ? 1 : 0;
    sim->removals += status == 0 && asked.kind == RAFT_CHANGE_REMOVE ? 1 : 0;
    if (status != 0 && status != -ECANCELED && status != -EBUSY && status != -ENOTCONN &&
        status != -EAGAIN && status != -EPERM) {
        sim_fail(&sim->world, "a change of the members ended with %d", status);
    }
}

static bool ask(struct sim1 *sim, struct member *leader, struct raft_change change)
{
    struct asked *asked = alloc_zeroed(sizeof(*asked));
    *asked = (struct asked){sim, change.kind, change.id};
    int status = raft_change_members(leader->node, &change, on_changed, asked);
    sim_say(&sim->world, "member %" PRIu64 " is asked for change %d of member %" PRIu64 ": %d",
            leader->machine->id, (int)change.kind, change.id, status);
    if (status < 0) {
        free(asked);
        return false;
    }
    sim->asked++;
    return true;
}

/* ---- machines ---- */

static void wipe(struct sim1 *sim, struct member *member)
{
    sim_disk_wipe(member->machine);
    ghost_wiped(&sim->ghost, member->machine->id);
    ghost_members_wiped(&sim->ghost_members, member->machine->id);
}

/* Before the leader has noticed, it would let a second member go, and the quorum with it. */
static bool any_lost(const struct sim1 *sim)
{
    for (size_t i = 0; i < sim->count; i++) {
        if (sim->members[i].lost) {
            return true;
        }
    }
    return false;
}

/* Everybody has the same configuration, knows that it is committed, and has each other's identity
 * in it: from here on a lost disk is found out, whoever of a majority is left. */
static bool may_lose_disk(struct sim1 *sim, const struct member *leader)
{
    const struct raft *core = &leader->node->core;
    size_t voters = 0;
    if (sim->asked > 0 || any_lost(sim) || raft_members_joint(&core->members)) {
        return false;
    }
    for (size_t i = 0; i < core->members.count; i++) {
        const struct raft_member *item = &core->members.items[i];
        const struct member *member = &sim->members[item->id - 1];
        if (!member->machine->alive || !member->opened || member->node->dead ||
            item->incarnation == 0) {
            return false;
        }
        const struct raft *other = &member->node->core;
        if (other->members_index != core->members_index || other->commit < core->members_index ||
            other->stable < core->members_index) {
            return false;
        }
        voters += (item->flags & RAFT_MEMBER_VOTER) != 0 ? 1 : 0;
    }
    return voters >= 3;
}

static void lose_disk(struct sim1 *sim, const struct raft_status *status)
{
    struct member *member =
        &sim->members[status->members[sim_below(&sim->world.schedule, status->member_count)].id -
                      1];
    sim_say(&sim->world, "member %" PRIu64 " loses its disk", member->machine->id);
    sim->disks_lost++;
    sim_raft_power_cut(member->machine, member->node);
    member->node = NULL;
    wipe(sim, member);
    sim1_learn_peers(member, status);
    member->lost = true;
    member->join = sim_below(&sim->world.schedule, 2) == 0;
    sim_at(&sim->world, sim_exponential(&sim->world.schedule, 200 * NS_PER_MS),
           CALL_BOOT + member->machine->id);
}

/* Machines that the cluster has got rid of become empty and may be used again. */
static void tidy(struct sim1 *sim, const struct member *leader, const struct raft_status *status)
{
    if (leader->node->core.members_index > leader->node->core.commit || sim->asked > 0) {
        return;
    }
    for (size_t i = 0; i < sim->count; i++) {
        struct member *member = &sim->members[i];
        bool empty = member->machine->alive && member->opened &&
                     raft_trail_last(&member->node->core.trail) == 0;
        if (find(status, member->machine->id) != NULL || !member->used) {
            continue;
        }
        if ((empty || member->lost) && member->machine->alive) {
            sim_raft_power_cut(member->machine, member->node);
            member->node = NULL;
            member->out = true;
        }
        if (!member->machine->alive && (member->out || member->lost)) {
            sim_say(&sim->world, "machine %" PRIu64 " is emptied", member->machine->id);
            wipe(sim, member);
            member->out = true;
            member->lost = false;
            member->used = false;
        }
    }
}

static void on_stopped(struct sim1 *sim, struct member *member, const char *why)
{
    sim_say(&sim->world, "member %" PRIu64 " stops: %s", member->machine->id, why);
    if (strstr(why, "permanently removed") != NULL) {
        const struct member *leader = any_leader(sim);
        member->out = leader != NULL &&
                      raft_members_find(&leader->node->core.members, member->machine->id) == NULL;
        return; /* Else old news: it starts again, as a supervisor would see to. */
    }
    if (strstr(why, "has lost its data") != NULL) {
        if (!member->lost) {
            sim_fail(&sim->world, "member %" PRIu64 " is told that it lost its disk, but did not",
                     member->machine->id);
        }
        sim->restarts_refused++;
        member->out = true;
        return;
    }
    if (!sim->faults || strstr(why, ": stopped") != NULL) {
        sim_fail(&sim->world, "member %" PRIu64 " stopped: %s", member->machine->id, why);
    }
}

/* ---- the operator ---- */

/* What must be done for the cluster to be well. True when something was done. */
static bool repair(struct sim1 *sim, struct member *leader, const struct raft_status *status)
{
    for (size_t i = 0; i < status->member_count; i++) {
        struct member *member = &sim->members[status->members[i].id - 1];
        if (member->lost) {
            return ask(sim, leader,
                       (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = member->machine->id});
        }
        if (!member->machine->alive && member->out) {
            sim1_join(sim, member, status);
            return true;
        }
    }
    return false;
}

static void add(struct sim1 *sim, struct member *leader, const struct raft_status *status)
{
    struct sim_random *random = &sim->world.schedule;
    char url[32];
    for (size_t i = 0; i < sim->count; i++) {
        struct member *member = &sim->members[i];
        if (member->machine->alive || !member->out || member->used ||
            find(status, member->machine->id) != NULL) {
            continue;
        }
        (void)snprintf(url, sizeof(url), "http://m%" PRIu64 "-%" PRIu64, member->machine->id,
                       sim->changes);
        bool learner = sim_below(random, 3) == 0;
        bool early = sim_below(random, 4) == 0;
        if (ask(sim, leader,
                (struct raft_change){.kind = RAFT_CHANGE_ADD,
                                     .id = member->machine->id,
                                     .url = url,
                                     .learner = learner}) &&
            early) {
            sim1_join(sim, member, status); /* Before the cluster knows it. */
        }
        return;
    }
}

static void change_anything(struct sim1 *sim, struct member *leader,
                            const struct raft_status *status)
{
    struct sim_random *random = &sim->world.schedule;
    uint64_t target = status->members[sim_below(random, status->member_count)].id;
    uint64_t pick = sim_below(random, 16);
    char url[32];
    (void)snprintf(url, sizeof(url), "http://u%" PRIu64 "-%" PRIu64, target, sim->changes);
    if (pick < 5) {
        add(sim, leader, status);
    } else if (pick < 8) {
        (void)ask(sim, leader, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = target});
    } else if (pick < 9) {
        (void)ask(sim, leader,
                  (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = leader->machine->id});
    } else if (pick < 10) {
        (void)ask(sim, leader,
                  (struct raft_change){.kind = RAFT_CHANGE_UPDATE, .id = target, .url = url});
    } else if (pick < 13) {
        for (size_t i = 0; i < status->member_count && sim->asked == 0; i++) {
            if (status->members[i].learner) {
                (void)ask(
                    sim, leader,
                    (struct raft_change){.kind = RAFT_CHANGE_PROMOTE, .id = status->members[i].id});
            }
        }
    } else if (may_lose_disk(sim, leader)) {
        lose_disk(sim, status);
    }
}

/* Now and then somebody asks too early, or while another change is under way. */
static void ask_out_of_turn(struct sim1 *sim)
{
    struct sim_random *random = &sim->world.schedule;
    struct raft_status status;
    struct member *member = &sim->members[sim_below(random, sim->count)];
    if (!sim->faults || any_lost(sim) || !member->machine->alive || !member->opened ||
        member->node->dead || !raft_is_leader(member->node)) {
        return;
    }
    raft_get_status(member->node, &status);
    change_anything(sim, member, &status);
}

static void operate(struct sim1 *sim)
{
    struct sim_random *random = &sim->world.schedule;
    struct raft_status status;
    struct member *leader = any_leader(sim);
    sim_at(&sim->world, 1 + sim_exponential(random, OPERATE_MS * NS_PER_MS), CALL_OPERATOR);
    if (leader == NULL || sim->asked > 0) {
        ask_out_of_turn(sim);
        return;
    }
    raft_get_status(leader->node, &status);
    tidy(sim, leader, &status);
    bool busy = sim->faults && sim_below(random, 4) == 0; /* It has other things to do. */
    if (!busy && repair(sim, leader, &status)) {
        return;
    }
    if (sim->faults && sim->asked == 0 && !any_lost(sim)) {
        change_anything(sim, leader, &status);
    }
}

/* ---- one seed ---- */

/* One of the members that are left, as far as `member` knows: it is one that can tell it. */
static bool knows_any_of(const struct member *member, const struct member *leader)
{
    const struct raft_members *known = &member->node->core.members;
    for (size_t i = 0; i < known->count; i++) {
        if (raft_members_find(&leader->node->core.members, known->items[i].id) != NULL) {
            return true;
        }
    }
    return false;
}

/* Once all is well nothing disturbs the leader, and who is no member has stopped or has nothing. */
static void check_calm(struct sim1 *sim)
{
    uint64_t settle_ns = 3 * sim->config.election_ms * NS_PER_MS;
    uint64_t calm_ns = ELECTIONS_OF_CALM * sim->config.election_ms * NS_PER_MS;
    sim->calm = true;
    sim1_run_until(sim, sim->world.now + settle_ns);
    const struct member *leader = any_leader(sim);
    uint64_t elections = sim->ghost.elections;
    uint64_t changes = sim->changes;
    uint64_t lost = sim->disks_lost;
    sim1_run_until(sim, sim->world.now + calm_ns);
    if (leader == NULL ||
        (sim->ghost.elections != elections && sim->changes == changes && lost == sim->disks_lost)) {
        sim_fail(&sim->world, "the leader was disturbed while all was well");
    }
    for (size_t i = 0; i < sim->count && sim->world.failure[0] == '\0'; i++) {
        const struct member *member = &sim->members[i];
        const struct member *now = any_leader(sim);
        if (now != NULL && member->machine->alive && member->opened &&
            sim->ghost_members.confirmed[i] && /* Else its addition was rolled back: it idles. */
            raft_members_find(&now->node->core.members, member->machine->id) == NULL &&
            raft_trail_last(&member->node->core.trail) > 0 && knows_any_of(member, now)) {
            sim_fail(&sim->world, "member %" PRIu64 " was removed and does not know it",
                     member->machine->id);
        }
    }
}

static void run_seed(uint64_t seed, const struct sim_options *options,
                     struct sim_outcome *ret_outcome)
{
    static const size_t sizes[] = {1, 2, 3, 3, 3, 4, 5};
    struct sim_random random = {seed ^ UINT64_C(0x6d656d62657273)};
    struct sim1 *sim = sim1_new(seed, options, sizes[sim_below(&random, ARRAY_LEN(sizes))], SPARES);
    for (size_t i = 0; i < sim->initial; i++) {
        sim->members[i].used = true;
    }
    sim->pause_max_ns = NS_PER_S; /* The log that is kept meanwhile has to fit the disk. */
    sim->operate = operate;
    sim->stopped = on_stopped;
    sim_at(&sim->world, (200 + sim_below(&random, 800)) * NS_PER_MS, CALL_OPERATOR);
    sim1_run_until(sim, (3 + seed % 4) * NS_PER_S);
    sim1_heal(sim);
    sim1_check_liveness(sim, ELECTIONS_TO_HEAL);
    if (seed % CALM_EVERY == 0) {
        check_calm(sim);
    }
    sim1_outcome(sim, ret_outcome);
    sim1_free(sim);
}

int main(int argc, char **argv)
{
    static const struct sim_program program = {
        .name = "sim_members",
        .counts = {"acknowledged writes", "reads", "elections", "power cuts", "restores",
                   "changes of members", "removals", "disks lost", "of them refused"},
        .run = run_seed};
    return sim_seeds_main(&program, argc, argv);
}
