#include "tests/sim/ghost_members.h"

#include <inttypes.h>
#include <string.h>

static bool same_flags(const struct raft_members *a, const struct raft_members *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (a->items[i].id != b->items[i].id || a->items[i].flags != b->items[i].flags) {
            return false;
        }
    }
    return true;
}

static void answers(const struct raft_members *members, uint32_t set, bool *yes)
{
    for (size_t i = 0; i < members->count; i++) {
        yes[i] = ((set >> members->items[i].id) & 1) != 0;
    }
}

/* Whether two disjoint sets of machines could each decide something. */
static bool may_split(const struct raft_members *a, const struct raft_members *b)
{
    bool yes[RAFT_MEMBERS_MAX] = {false};
    for (uint32_t set = 0; set < 1U << (SIM_NODES_MAX + 1); set += 2) {
        answers(a, set, yes);
        if (!raft_members_quorum(a, yes)) {
            continue;
        }
        answers(b, ~set, yes);
        if (raft_members_quorum(b, yes)) {
            return true;
        }
    }
    return false;
}

void ghost_members_opened(struct ghost_members *ghost, const struct raft *core)
{
    ghost->leaders[core->id - 1].term = 0;
}

/* What is in force is the newest configuration of the log. */
static void check_log(struct ghost_members *ghost, const struct raft *core)
{
    struct raft_members logged = raft_members_at(core, raft_trail_last(&core->trail));
    if (!same_flags(&logged, &core->members)) {
        sim_fail(ghost->world,
                 "member %" PRIu64 " has a configuration in force that is not its log's", core->id);
    }
}

/* Since when the voters are who they are now: later configurations only recorded identities. */
static uint64_t voters_since(const struct raft *core)
{
    uint64_t index = core->members_index;
    while (index > core->trail.base.index) {
        struct raft_members before = raft_members_at(core, index - 1);
        if (!same_flags(&before, &core->members)) {
            break;
        }
        index--;
    }
    return index;
}

/* A configuration that was rolled back makes nobody a member. */
static void confirm(struct ghost_members *ghost, const struct raft *core)
{
    if (core->commit < core->members_index || core->members_index <= ghost->confirmed_index) {
        return;
    }
    ghost->confirmed_index = core->members_index;
    for (size_t i = 0; i < core->members.count; i++) {
        uint64_t id = core->members.items[i].id;
        if (id <= SIM_NODES_MAX) {
            ghost->confirmed[id - 1] = true;
        }
    }
}

void ghost_members_wiped(struct ghost_members *ghost, uint64_t member)
{
    ghost->confirmed[member - 1] = false;
}

void ghost_members_stepped(struct ghost_members *ghost, const struct raft *core)
{
    uint64_t term = core->role == RAFT_LEADER ? core->term : 0;
    uint64_t before = ghost->leaders[core->id - 1].index;
    const struct raft_members *last = &ghost->leaders[core->id - 1].members;
    bool leads_on = term != 0 && ghost->leaders[core->id - 1].term == term;
    confirm(ghost, core);
    if (ghost->leaders[core->id - 1].term == term &&
        (term == 0 || ghost->leaders[core->id - 1].version == core->members_version)) {
        return;
    }
    if (term != 0) {
        check_log(ghost, core);
    }
    if (leads_on && !same_flags(last, &core->members)) {
        ghost->configurations++;
        if (core->commit < core->term_start) {
            sim_fail(ghost->world,
                     "the leader of term %" PRIu64
                     " changed the members with nothing of its term committed",
                     term);
        } else if (before > core->commit) {
            sim_fail(ghost->world,
                     "the leader of term %" PRIu64
                     " changed the members while configuration %" PRIu64 " was not committed",
                     term, before);
        } else if (may_split(last, &core->members)) {
            sim_fail(ghost->world,
                     "the leader of term %" PRIu64
                     " changed the members so that quorums need not meet",
                     term);
        }
    }
    ghost->leaders[core->id - 1].term = term;
    ghost->leaders[core->id - 1].version = core->members_version;
    if (!leads_on || !same_flags(last, &core->members)) { /* Else it recorded identities. */
        ghost->leaders[core->id - 1].index = voters_since(core);
    }
    ghost->leaders[core->id - 1].members = core->members;
}
