/* SIM-2: clusters of 1, 3 and 5 members with raft, log, store, watches, leases, compaction and
 * snapshots, in one thread, under every fault that tests/sim/sim2_faults.c draws. Rules: those of
 * ghost_raft.h, strict serializability (sim2_check.c), W1 to W9 (sim2_watch.c), L1 to L3
 * (sim2_lease.c), and at the end, when all is healed: everything that was begun ends, all members
 * and watchers have everything, nothing is left over. The command line is that of seeds.h. */
#include "tests/sim/sim2.h"

#include "lib/base/alloc.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLACK_BOX_EVERY = 100, LEASES_EVERY = 4, CORE_EVERY = 3, OPEN_FILES_MAX = 12 };

static void run_until(struct sim2 *sim, uint64_t until)
{
    while (sim->world.now < until && sim->world.failure[0] == '\0' && sim_run_one(&sim->world)) {
    }
}

/* ---- after healing ---- */

static bool members_equal(struct sim2 *sim)
{
    for (size_t i = 0; i < sim->count; i++) {
        const struct sim2_member *member = &sim->members[i];
        if (member->down || member->fresh) {
            continue;
        }
        if (!sim2_serves(member) || member->store->state.applied_index < sim->model.index ||
            raft_leader_id(member->node) == 0 ||
            store_state_hash(&member->store->state) !=
                sim->ghost.entries[sim->model.index].state_hash) {
            return false;
        }
    }
    return sim2_members_settled(sim);
}

static void describe(struct sim2 *sim)
{
    for (size_t i = 0; i < sim->count; i++) {
        const struct sim2_member *member = &sim->members[i];
        struct raft_status status;
        if (!sim2_serves(member)) {
            (void)printf("member %zu: not serving\n", i + 1);
            continue;
        }
        raft_get_status(member->node, &status);
        (void)printf("member %zu: role %d term %" PRIu64 " leader %" PRIu64 " commit %" PRIu64
                     " applied %" PRIu64 " (store %" PRIu64 ") log %" PRIu64 "..%" PRIu64
                     " snapshot %" PRIu64 " calls %zu\n",
                     i + 1, (int)status.role, status.term, status.leader, status.commit_index,
                     status.applied_index, member->store->state.applied_index, status.first_index,
                     status.last_index, status.snapshot_index, member->store->call_count);
    }
    for (size_t i = 0; i < sim->op_count; i++) {
        if (!sim->ops[i]->done) {
            (void)printf("open: op %" PRIu64 " kind %d at member %" PRIu64 ", called at %.3f ms\n",
                         sim->ops[i]->number, (int)sim->ops[i]->kind,
                         sim->ops[i]->member->machine->id, (double)sim->ops[i]->called_ns / 1e6);
        }
    }
    for (size_t i = 0; i < sim->knobs.watcher_count; i++) {
        const struct watcher *watcher = &sim->watchers[i];
        (void)printf("watcher %zu: %s next %" PRId64 "\n", i,
                     watcher->watch == NULL ? "not connected" : "connected", watcher->next);
    }
}

/* V1: within ten election timeouts, the time of a resent request, and that of one snapshot. */
static void check_liveness(struct sim2 *sim)
{
    uint64_t limit = sim->healed_ns + STORE_RESEND_MS * NS_PER_MS +
                     20 * (uint64_t)sim->knobs.raft.election_ms * NS_PER_MS;
    if (sim->count > sim->initial) { /* Members that were added get the log or a snapshot first. */
        limit += 40 * (uint64_t)sim->knobs.raft.election_ms * NS_PER_MS;
    }
    while (sim->world.now < limit && sim->world.failure[0] == '\0') {
        run_until(sim, sim->world.now + 20 * NS_PER_MS);
        if (sim->ops_open == 0 && members_equal(sim) && sim2_watches_current(sim)) {
            return;
        }
    }
    if (sim->world.failure[0] == '\0') {
        describe(sim);
        sim_fail(&sim->world,
                 "V1: after healing, %zu operations are still open, members are %s, watchers %s",
                 sim->ops_open, members_equal(sim) ? "equal" : "not equal",
                 sim2_watches_current(sim) ? "current" : "behind");
    }
}

/* V1 with links that stay broken: a majority whose members all reach each other is enough, whatever
 * the others do (Cloudflare, 2020-11-02: six hours without a leader). */
static void check_core(struct sim2 *sim)
{
    sim2_heal_core(sim);
    uint64_t limit = sim->healed_ns + STORE_RESEND_MS * NS_PER_MS +
                     20 * (uint64_t)sim->knobs.raft.election_ms * NS_PER_MS;
    sim->probe_ns = sim->world.now;
    sim->probe_acked = false;
    while (sim->world.now < limit && sim->world.failure[0] == '\0' && !sim->probe_acked) {
        for (size_t i = 0; i < sim->count; i++) {
            if (sim->core[i] && sim2_serves(&sim->members[i])) {
                sim2_probe(sim, &sim->members[i]);
            }
        }
        run_until(sim, sim->world.now + 200 * NS_PER_MS);
    }
    if (!sim->probe_acked && sim->op_count < SIM2_OPS_MAX) {
        if (sim->world.verbose > 0) {
            describe(sim);
        }
        sim_fail(&sim->world, "V1: a majority that is connected takes no write");
    }
}

static void check_leases_end(struct sim2 *sim)
{
    uint64_t from = sim->healed_ns > sim->world.now ? sim->healed_ns : sim->world.now;
    uint64_t limit = from + 6 * NS_PER_S;
    while (sim->world.now < limit && sim->world.failure[0] == '\0' && !sim2_leases_over(sim)) {
        run_until(sim, sim->world.now + 100 * NS_PER_MS);
    }
    if (!sim2_leases_over(sim)) {
        sim_fail(&sim->world, "L3: a lease that nobody renews does not end");
    }
}

/* Expiries, automatic compactions, what was sent twice. */
static bool something_under_way(const struct sim2 *sim)
{
    for (size_t i = 0; i < sim->count; i++) {
        const struct sim2_member *member = &sim->members[i];
        if (sim2_serves(member) &&
            (member->node->proposal_count > 0 || member->node->read_count > 0 ||
             id_map_count(member->node->forwarded) > 0)) {
            return true;
        }
    }
    return false;
}

/* A3: nothing piles up. */
static void check_budgets(struct sim2 *sim)
{
    for (size_t tries = 0; tries < 2000 && something_under_way(sim); tries++) { /* Disks stall. */
        run_until(sim, sim->world.now + 3 * NS_PER_MS);
    }
    for (size_t i = 0; i < sim->count && sim->world.failure[0] == '\0'; i++) {
        const struct sim2_member *member = &sim->members[i];
        size_t files = 0;
        if (!sim2_serves(member)) {
            continue;
        }
        for (size_t f = 0; f < SIM_FILES_MAX; f++) {
            files +=
                member->machine->disk.files[f] != NULL ? 1 : 0; /* Lost replies expire later. */
        }
        const struct raft_node *node = member->node;
        if (files > OPEN_FILES_MAX || member->store->call_count != 0 ||
            id_map_count(member->store->commands) != 0 || id_map_count(node->forwarded) != 0 ||
            node->proposal_count != 0 || node->read_count != 0) {
            sim_fail(&sim->world,
                     "A3: member %zu at rest has %zu files open, %zu calls, %zu commands, %zu "
                     "forwarded, %zu proposals, %zu reads",
                     i + 1, files, member->store->call_count, id_map_count(member->store->commands),
                     id_map_count(node->forwarded), node->proposal_count, node->read_count);
        }
    }
}

/* ---- one seed ---- */

static void finish(struct sim2 *sim, struct sim_outcome *outcome)
{
    *outcome = (struct sim_outcome){
        .events = sim->world.events,
        .trace = sim->world.trace,
        .faults = sim->fault_count,
        .counts = {sim->counts_ops, sim->counts_reads, sim->counts_unknown, sim->counts_events,
                   sim->counts_expired, sim->ghost.elections, sim->counts_crashes,
                   sim->counts_restores, sim->counts_black_box, sim->counts_changes,
                   sim->counts_damages, sim->counts_denied, sim->long_applies}};
    for (size_t i = 0; i < sim->count; i++) {
        if (sim->members[i].machine->alive) {
            sim2_member_free(&sim->members[i]);
        }
    }
    memcpy(outcome->failure, sim->world.failure, sizeof(sim->world.failure));
    sim2_ops_free(sim);
    kv_model_release(&sim->model);
    sim_release(&sim->world);
    free(sim);
}

static void run_seed(uint64_t seed, const struct sim_options *options,
                     struct sim_outcome *ret_outcome)
{
    static const size_t sizes[] = {1, 3, 3, 3, 5};
    struct sim2 *sim = alloc_zeroed(sizeof(*sim));
    struct sim_random random = {seed};
    sim->initial = sizes[sim_below(&random, ARRAY_LEN(sizes))];
    sim->count = sim->initial + (sim_below(&random, 4) == 0 ? 1 + sim_below(&random, 2) : 0);
    sim_init(&sim->world, seed, sim->count);
    sim->world.verbose = options->verbose;
    sim->options = options;
    sim->ghost.world = &sim->world;
    sim->ghost_members.world = &sim->world;
    sim->faults = true;
    sim2_knobs_draw(sim);
    kv_model_init(&sim->model, sim->knobs.key_count);
    auth_model_init(&sim->auth);
    sim2_wire(sim);
    for (size_t i = 0; i < sim->count; i++) {
        sim2_boot(sim, &sim->members[i]);
    }
    sim2_work_start(sim);
    sim_at(&sim->world, 500 * NS_PER_MS, CALL_FAULT);
    if (sim->count > sim->initial) {
        sim_at(&sim->world, 600 * NS_PER_MS, CALL_OPERATOR);
    }
    run_until(sim, sim->knobs.run_ns);
    /* A damaged member may need one that the core does not reach. */
    if (seed % CORE_EVERY == 0 && sim->count == sim->initial && sim->counts_damages == 0 &&
        sim->world.failure[0] == '\0') {
        check_core(sim);
    }
    sim2_heal(sim);
    check_liveness(sim);
    check_budgets(sim);
    if (seed % LEASES_EVERY == 0) {
        check_leases_end(sim);
    }
    for (size_t i = 0; i < sim->count; i++) {
        if (sim2_serves(&sim->members[i])) {
            sim2_check_state(sim, &sim->members[i]);
        }
    }
    if (seed % BLACK_BOX_EVERY == 0 && sim->world.failure[0] == '\0') {
        sim2_check_black_box(sim);
    }
    finish(sim, ret_outcome);
}

int main(int argc, char **argv)
{
    static const struct sim_program program = {
        .name = "sim2",
        .counts = {"acknowledged writes", "reads", "unknown outcomes", "watch events",
                   "leases expired", "elections", "power cuts", "restores", "black-box operations",
                   "changes of members", "damages", "denied", "long applies"},
        .run = run_seed};
    return sim_seeds_main(&program, argc, argv);
}
