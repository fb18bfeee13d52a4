/* An operator who changes the members while everything else goes on: adds spare machines as
 * learners or voters, promotes, removes (the leader too), moves URLs. Each machine is a member at
 * most once: tests/sim/sim_members.c has the rest. */
#include "tests/sim/sim2.h"

#include "lib/base/alloc.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPERATE_MS = 250 };

struct sim2_member *sim2_leader(struct sim2 *sim)
{
    struct sim2_member *best = NULL;
    for (size_t i = 0; i < sim->count; i++) {
        struct sim2_member *member = &sim->members[i];
        if (sim2_serves(member) && raft_is_settled_leader(member->node) &&
            (best == NULL || raft_term(member->node) > raft_term(best->node))) {
            best = member;
        }
    }
    if (best == NULL || raft_term(best->node) < sim->led_term) {
        return NULL; /* One that does not know yet that its term is over. */
    }
    sim->led_term = raft_term(best->node);
    return best;
}

static bool is_member(const struct sim2_member *leader, uint64_t id)
{
    return raft_members_find(&leader->node->core.members, id) != NULL;
}

static void on_changed(void *data, int status, uint64_t index)
{
    struct sim2 *sim = data;
    sim->asked = false;
    sim->counts_changes += status == 0 ? 1 : 0;
    sim_say(&sim->world, "the change of members ended with %d at %" PRIu64, status, index);
}

static void ask(struct sim2 *sim, struct sim2_member *leader, struct raft_change change)
{
    int status = raft_change_members(leader->node, &change, on_changed, sim);
    sim_say(&sim->world, "member %" PRIu64 " is asked for change %d of member %" PRIu64 ": %d",
            leader->machine->id, (int)change.kind, change.id, status);
    sim->asked = status == 0;
}

/* A machine that the cluster lists but that has never run. */
static void join(struct sim2 *sim, struct sim2_member *leader, struct sim2_member *member)
{
    const struct raft_members *members = &leader->node->core.members;
    member->peer_count = 0;
    for (size_t i = 0; i < members->count && i < SIM_NODES_MAX; i++) {
        member->peers[member->peer_count++] =
            (struct raft_peer){.id = members->items[i].id,
                               .name = "m",
                               .url = "http://m",
                               .learner = (members->items[i].flags & RAFT_MEMBER_LEARNER) != 0};
    }
    member->join = true;
    member->fresh = false;
    member->down = false;
    sim2_boot(sim, member);
}

/* What follows from changes that are done: machines start, and those let go are switched off. */
static void tidy(struct sim2 *sim, struct sim2_member *leader)
{
    const struct raft *core = &leader->node->core;
    if (core->members_index > core->commit || raft_members_joint(&core->members)) {
        return;
    }
    for (size_t i = 0; i < sim->count; i++) {
        struct sim2_member *member = &sim->members[i];
        bool listed = is_member(leader, i + 1);
        if (listed && member->fresh) {
            join(sim, leader, member);
        } else if (!listed && !member->fresh && !member->down &&
                   (sim->settling || sim_below(&sim->world.schedule, 4) == 0)) {
            sim_say(&sim->world, "machine %zu is switched off", i + 1);
            member->down = true;
            if (member->machine->alive) {
                sim2_member_free(member);
            }
        }
    }
}

static void change_anything(struct sim2 *sim, struct sim2_member *leader)
{
    struct sim_random *random = &sim->world.schedule;
    const struct raft_members *members = &leader->node->core.members;
    const struct raft_member *target = &members->items[sim_below(random, members->count)];
    uint64_t pick = sim_below(random, 10);
    char url[32];
    (void)snprintf(url, sizeof(url), "http://u%" PRIu64 "-%" PRIu64, target->id,
                   sim->counts_changes);
    struct raft_change change = {.kind = RAFT_CHANGE_REMOVE, .id = target->id};
    if (pick < 5) {
        change.kind = RAFT_CHANGE_ADD;
        change.learner = sim_below(random, 2) == 0;
        change.id = 0;
        for (size_t i = 0; i < sim->count; i++) {
            change.id = sim->members[i].fresh && !is_member(leader, i + 1) ? i + 1 : change.id;
        }
        (void)snprintf(url, sizeof(url), "http://m%" PRIu64, change.id);
        change.url = url;
    } else if (pick < 7) {
        change.kind = RAFT_CHANGE_PROMOTE;
        for (size_t i = 0; i < members->count; i++) {
            change.id = (members->items[i].flags & RAFT_MEMBER_LEARNER) != 0 ? members->items[i].id
                                                                             : change.id;
        }
    } else if (pick < 8) {
        change.kind = RAFT_CHANGE_UPDATE;
        change.url = url;
    }
    if (change.id != 0) {
        ask(sim, leader, change);
    }
}

void sim2_operate(struct sim2 *sim)
{
    struct sim2_member *leader = sim2_leader(sim);
    uint64_t pause_ns = 1 + sim_exponential(&sim->world.schedule, OPERATE_MS * NS_PER_MS);
    sim_at(&sim->world, pause_ns, CALL_OPERATOR);
    if (leader == NULL) {
        return;
    }
    tidy(sim, leader);
    leader = sim2_leader(sim); /* It may have switched off who led. */
    if (leader != NULL && sim->faults && !sim->asked) {
        change_anything(sim, leader);
    }
}

/* "Permanently removed": true unless it is old news, and a supervisor would start it again. */
bool sim2_is_let_go(struct sim2 *sim, const struct sim2_member *member)
{
    const struct sim2_member *leader = sim2_leader(sim);
    return leader != NULL && !is_member(leader, member->machine->id);
}

/* All machines are what the leader's configuration says. */
bool sim2_members_settled(struct sim2 *sim)
{
    const struct sim2_member *leader = sim2_leader(sim);
    for (size_t i = 0; leader != NULL && i < sim->count; i++) {
        const struct sim2_member *member = &sim->members[i];
        if (is_member(leader, i + 1) == (member->fresh || member->down)) {
            return false;
        }
    }
    return leader != NULL;
}
