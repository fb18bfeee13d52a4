/* Power cuts, pauses, partitions, loss, duplicates, replays, reordering and disk faults. The rules
 * are those of ghost_raft.h and ghost_members.h, and: reads are linearizable; after healing,
 * progress. */
#include "tests/sim/sim1.h"

#include "lib/base/alloc.h"
#include "raft/wire.h"
#include "tests/sim/damage.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct pending_read {
    struct sim1 *sim;
    struct member *member;
    uint64_t floor;
    uint32_t incarnation;
};

struct pending_write {
    struct sim1 *sim;
    struct member *member;
};

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t z = (a ^ b) + UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return z ^ (z >> 31);
}

/* ---- the FSM ---- */

static void apply_now(struct member *member, uint64_t index, uint64_t term, struct slice command)
{
    struct sim1 *sim = member->sim;
    if (index <= member->state.index) {
        sim_fail(&sim->world, "member %" PRIu64 " applies %" PRIu64 " after %" PRIu64,
                 member->machine->id, index, member->state.index);
        return;
    }
    struct wire_reader reader = {.left = command};
    uint64_t value = wire_u64(&reader);
    uint64_t value_hash = mix(value, command.len);
    member->state.hash = mix(member->state.hash, mix(value_hash, index));
    member->state.index = index;
    member->state.value = value;
    (void)ghost_applied(&sim->ghost, member->machine->id, raft_term(member->node), index, term,
                        value_hash, member->state.hash);
}

/* In every third run some entries take a turn or two more. */
static bool fsm_apply(void *data, uint64_t index, uint64_t term, struct slice command, uint64_t tag)
{
    struct member *member = data;
    (void)tag;
    member->turns_left = member->sim->long_applies ? (unsigned)(mix(index, term) % 3) : 0;
    if (member->turns_left > 0) {
        member->applying = (struct sim_entry){index, term, command};
        return false;
    }
    apply_now(member, index, term, command);
    return true;
}

static bool fsm_apply_more(void *data)
{
    struct member *member = data;
    if (--member->turns_left > 0) {
        return false;
    }
    apply_now(member, member->applying.index, member->applying.term, member->applying.command);
    return true;
}

static void *fsm_take(void *data)
{
    struct member *member = data;
    struct sim_state *copy = alloc_bytes(sizeof(*copy));
    *copy = member->state;
    return copy;
}

/* The state, then bytes that follow from it, so that a snapshot has more than one chunk. */
static int64_t fsm_read(void *data, void *handle, uint64_t offset, uint8_t *buffer, size_t len)
{
    (void)data;
    const struct sim_state *state = handle;
    size_t total = sizeof(*state) + SNAPSHOT_PADDING;
    size_t count = 0;
    for (; count < len && count < 1024 && offset + count < total; count++) {
        size_t at = (size_t)offset + count;
        if (at < sizeof(*state)) {
            buffer[count] = ((const uint8_t *)state)[at];
        } else {
            buffer[count] = (uint8_t)(state->hash >> (at % 8));
        }
    }
    return (int64_t)count;
}

static void fsm_release(void *data, void *handle)
{
    (void)data;
    free(handle);
}

static int fsm_restore_begin(void *data, uint64_t index, uint64_t term)
{
    struct member *member = data;
    (void)index;
    (void)term;
    member->restored = 0;
    return 0;
}

static int fsm_restore_chunk(void *data, struct slice chunk)
{
    struct member *member = data;
    for (size_t i = 0; i < chunk.len; i++, member->restored++) {
        size_t at = member->restored;
        if (at < sizeof(member->restoring)) {
            ((uint8_t *)&member->restoring)[at] = chunk.data[i];
        } else if (chunk.data[i] != (uint8_t)(member->restoring.hash >> (at % 8))) {
            return -EBADMSG;
        }
    }
    return 0;
}

static int fsm_restore_end(void *data)
{
    struct member *member = data;
    if (member->restored != sizeof(struct sim_state) + SNAPSHOT_PADDING) {
        return -EBADMSG;
    }
    ghost_restored(&member->sim->ghost, member->machine->id, member->restoring.index,
                   member->restoring.hash);
    member->state = member->restoring;
    member->sim->snapshots_installed++;
    return 0;
}

static void on_sent(struct sim_node *from, uint64_t to, struct slice bytes)
{
    struct member *member = from->owner;
    ghost_sent(&member->sim->ghost, from->id, to, bytes);
}

/* ---- members ---- */

static const struct raft *core_of(const struct sim_world *world, uint64_t id)
{
    const struct sim1 *sim = world->data;
    const struct member *member = id == 0 || id > sim->count ? NULL : &sim->members[id - 1];
    return member != NULL && member->machine->alive && member->opened && !member->node->dead
               ? &member->node->core
               : NULL;
}

static void on_opened(void *data, const struct error *error)
{
    struct member *member = data;
    struct sim1 *sim = member->sim;
    if (error == NULL) {
        member->opened = true;
        member->node->core.append_entries_max = sim->append_entries_max;
        ghost_opened(&sim->ghost, &member->node->core);
        ghost_members_opened(&sim->ghost_members, &member->node->core);
        return;
    }
    if (error->code == -EBADMSG || error->code == -EINVAL) {
        sim_fail(&sim->world, "member %" PRIu64 " refuses to start: %s", member->machine->id,
                 error_message(error));
    }
    sim_at(&sim->world, 0, CALL_CRASH + member->machine->id);
}

void sim1_boot(struct sim1 *sim, struct member *member)
{
    if (member->machine->alive || member->out) {
        return;
    }
    sim_say(&sim->world, "member %" PRIu64 " starts", member->machine->id);
    sim_boot(member->machine);
    member->state = (struct sim_state){0};
    member->opened = false;
    member->crashing = false;
    struct raft_config config = sim->config;
    member->fsm = (struct raft_fsm){.data = member,
                                    .apply = fsm_apply,
                                    .apply_more = fsm_apply_more,
                                    .snapshot_take = fsm_take,
                                    .snapshot_read = fsm_read,
                                    .snapshot_release = fsm_release,
                                    .restore_begin = fsm_restore_begin,
                                    .restore_chunk = fsm_restore_chunk,
                                    .restore_end = fsm_restore_end};
    config.env = &member->machine->env;
    config.id = member->machine->id;
    config.peers = member->peers;
    config.peer_count = member->peer_count;
    config.join = member->join;
    config.fsm = &member->fsm;
    CLEANUP(error_release) struct error error = {0};
    if (raft_open(&config, on_opened, member, &member->node, &error) < 0) {
        sim_fail(&sim->world, "raft_open: %s", error_message(&error));
    }
}

/* Fewer than a majority: every entry that was acknowledged has a good copy somewhere. */
static void damage(struct sim1 *sim, struct member *member)
{
    if (sim->faults && member->machine->id > sim->count - sim->victims &&
        sim_below(&sim->damage, 3) == 0) {
        bool done = sim_damage_raft(member->machine, &sim->damage);
        sim->damages += done ? 1 : 0;
        sim->ghost.damaged[member->machine->id - 1] |= done;
    }
}

void sim1_crash(struct sim1 *sim, struct member *member)
{
    if (!member->machine->alive) {
        return;
    }
    sim->crashes++;
    sim_say(&sim->world, "member %" PRIu64 " loses power", member->machine->id);
    sim_raft_power_cut(member->machine, member->node);
    member->node = NULL;
    damage(sim, member);
    uint64_t down_ns = sim_exponential(&sim->world.schedule, 300 * NS_PER_MS);
    sim_at(&sim->world, down_ns, CALL_BOOT + member->machine->id);
}

static void on_crashed(struct sim_node *machine, const char *why)
{
    struct member *member = machine->owner;
    if (member->sim->stopped != NULL) {
        member->sim->stopped(member->sim, member, why);
    } else if (!member->sim->faults || strstr(why, ": stopped") != NULL) {
        sim_fail(&member->sim->world, "member %" PRIu64 " stopped: %s", machine->id, why);
    }
    sim_at(machine->world, 0, CALL_CRASH + machine->id);
}

static void on_receive(struct sim_node *to, uint64_t from, struct slice message)
{
    struct member *member = to->owner;
    if (member->opened) {
        raft_receive(member->node, from, message);
    }
}

/* ---- workload ---- */

static void on_write_done(void *data, int status, uint64_t index)
{
    struct pending_write write = *(struct pending_write *)data;
    struct sim1 *sim = write.sim;
    free(data);
    if (status == 0) {
        sim->acks++;
        sim->acked_max = index > sim->acked_max ? index : sim->acked_max;
        ghost_committed(&sim->ghost, &write.member->node->core, index);
    }
}

static void propose(struct sim1 *sim, struct member *member)
{
    uint8_t command[256] = {0};
    size_t len = sim->equal_commands ? 64 : 8 + sim_below(&sim->world.work, sizeof(command) - 8);
    struct pending_write *write = alloc_zeroed(sizeof(*write));
    *write = (struct pending_write){sim, member};
    wire_store(command, ++sim->next_value, 8);
    if (raft_propose(member->node, slice_of(command, len), 1, on_write_done, write) < 0) {
        free(write);
        return;
    }
    sim->proposals++;
}

static void on_read_done(void *data, int status, uint64_t index)
{
    struct pending_read read = *(struct pending_read *)data;
    struct sim1 *sim = read.sim;
    free(data);
    if (status != 0) {
        return;
    }
    sim->reads++;
    uint64_t applied = raft_applied_index(read.member->node);
    if (applied < index || applied < read.floor) {
        sim_fail(&sim->world,
                 "stale read on member %" PRIu64 ": it has applied %" PRIu64 ", but %" PRIu64
                 " was acknowledged or read before",
                 read.member->machine->id, applied, read.floor);
    }
    sim->seen_max = applied > sim->seen_max ? applied : sim->seen_max;
}

static void start_read(struct sim1 *sim, struct member *member)
{
    struct pending_read *read = alloc_zeroed(sizeof(*read));
    read->sim = sim;
    read->member = member;
    read->floor = sim->acked_max > sim->seen_max ? sim->acked_max : sim->seen_max;
    if (raft_read_index(member->node, on_read_done, read) < 0) {
        free(read);
    }
}

static void work(struct sim1 *sim)
{
    struct sim_random *random = &sim->world.work;
    for (size_t i = 0; i < sim->count && !sim->idle; i++) {
        struct member *member = &sim->members[i];
        if (!member->opened || !member->machine->alive || member->node->dead) {
            continue;
        }
        /* Also a member that is paused gets calls: they wait with it. */
        if (raft_is_leader(member->node) && sim->ghost.applied_max < GHOST_INDEX_MAX - 2000) {
            for (uint64_t n = sim_below(random, 4); n > 0; n--) {
                propose(sim, member);
            }
        }
        if (sim_below(random, 3) == 0) {
            start_read(sim, member);
        }
        if (sim_below(random, 200) == 0 && !sim->calm) {
            (void)!raft_transfer_leadership(member->node, 0);
        }
    }
    sim_at(&sim->world, 1 + sim_exponential(random, sim->work_ns), CALL_WORK);
}

/* ---- faults ---- */

static void partition(struct sim1 *sim)
{
    struct sim_random *random = &sim->world.schedule;
    uint64_t kind = sim_below(random, 4);
    uint64_t side = sim_next(random);
    for (size_t a = 0; a < sim->count; a++) {
        for (size_t b = 0; b < sim->count; b++) {
            bool across = ((side >> a) & 1) != ((side >> b) & 1);
            bool one_way = across && ((side >> a) & 1) != 0;
            bool some = sim_below(random, 3) == 0;
            const bool cut[] = {false, across, one_way, some};
            sim->world.links[a][b].blocked = a != b && cut[kind];
            if (a != b && cut[kind]) {
                sim_say(&sim->world, "link %zu -> %zu is cut", a + 1, b + 1);
            }
        }
    }
}

static void fault(struct sim1 *sim)
{
    struct sim_random *random = &sim->world.schedule;
    if (!sim->faults) {
        return;
    }
    bool skip = sim->fault_count < SIM_FAULTS_MAX && sim->options->skip[sim->fault_count];
    sim->fault_count++;
    struct member *member = &sim->members[sim_below(random, sim->count)];
    uint64_t sum = sim->crash_weight + sim->pause_weight + sim->partition_weight;
    uint64_t pick = sim_below(random, sum);
    uint64_t pause_ns = sim_exponential(random, 400 * NS_PER_MS);
    bool all = sim_below(random, 8) == 0;
    pause_ns = pause_ns < sim->pause_max_ns ? pause_ns : sim->pause_max_ns;
    if (skip) {
        sim_say(&sim->world, "a fault is left out");
    } else if (pick < sim->crash_weight) {
        for (size_t i = 0; i < sim->count; i++) {
            if (all || member == &sim->members[i]) {
                sim1_crash(sim, &sim->members[i]);
            }
        }
    } else if (pick < sim->crash_weight + sim->pause_weight) {
        sim_say(&sim->world, "member %" PRIu64 " is paused for %" PRIu64 " ms", member->machine->id,
                pause_ns / NS_PER_MS);
        member->machine->paused_until = sim->world.now + pause_ns;
    } else {
        partition(sim);
    }
    sim_at(&sim->world, sim_exponential(random, 250 * NS_PER_MS), CALL_FAULT);
}

static void on_call(struct sim_world *world, uint64_t what)
{
    struct sim1 *sim = world->data;
    if (what == CALL_WORK) {
        work(sim);
    } else if (what == CALL_FAULT) {
        fault(sim);
    } else if (what == CALL_OPERATOR) {
        sim->operate(sim);
    } else if (what >= CALL_CRASH) {
        sim1_crash(sim, &sim->members[what - CALL_CRASH - 1]);
    } else {
        sim1_boot(sim, &sim->members[what - CALL_BOOT - 1]);
    }
}

/* ---- one seed ---- */

static void knobs(struct sim1 *sim)
{
    struct sim_world *world = &sim->world;
    struct sim_random random = {world->seed ^ UINT64_C(0x6b6e6f6273)};
    static const uint32_t segments[] = {8192, 16384, 65536};
    static const uint32_t snapshots[] = {10, 50, 200, 100000};
    static const uint32_t memories[] = {1, 1000, 0};
    static const uint32_t faults[] = {0, 0, 200, 3000};
    static const uint32_t losses[] = {0, 10000, 100000, 300000};
    static const uint32_t chunks[] = {0, 0, 500, 1500};
    bool fast = sim_below(&random, 2) == 0;
    sim->config = (struct raft_config){
        .cluster_id = CLUSTER_ID,
        .dir = "/sim",
        .heartbeat_ms = fast ? 50 : 100,
        .election_ms = fast ? 300 : 500,
        .segment_bytes = segments[sim_below(&random, 3)],
        .snapshot_entries = snapshots[sim_below(&random, 4)],
        .snapshot_catch_up = 1 + (uint32_t)sim_below(&random, 50),
    };
    sim->config.log_memory = memories[sim->config.snapshot_catch_up % 3];
    if (sim->config.snapshot_entries > 200) {
        sim->config.segment_bytes = 65536; /* Else too many files for a simulated directory. */
    }
    world->delay_min_ns = sim_below(&random, 2 * NS_PER_MS);
    world->delay_mean_ns = 100000 + sim_below(&random, 20 * NS_PER_MS);
    world->loss_per_million = losses[sim_below(&random, 4)];
    world->duplicate_per_million = losses[sim_below(&random, 4)];
    world->replay_per_million = losses[sim_below(&random, 4)] / 10;
    world->ordered = sim_below(&random, 2) == 0;
    sim->crash_weight = 1 + (uint32_t)sim_below(&random, 10);
    sim->pause_weight = 1 + (uint32_t)sim_below(&random, 10);
    sim->partition_weight = 1 + (uint32_t)sim_below(&random, 10);
    sim->equal_commands = sim_below(&random, 2) == 0;
    sim->append_entries_max = sim_below(&random, 10) == 0 ? 2 + sim_below(&random, 6) : 1024;
    struct sim_random chunk = {world->seed ^ UINT64_C(0x6368756e6b)}; /* Else all else changes. */
    sim->config.snapshot_chunk = sim->options->world < 2 ? 0 : chunks[sim_below(&chunk, 4)];
    sim->long_applies = sim->options->world >= 5 && world->seed % 3 == 0;
    sim->work_ns = (1 + sim_below(&random, 30)) * NS_PER_MS;
    uint32_t disk_fault = faults[sim_below(&random, 4)];
    for (size_t i = 0; i < sim->count; i++) {
        world->nodes[i].disk.fault_per_million = disk_fault;
        world->nodes[i].disk.latency_ns = 50000 + sim_below(&random, 10 * NS_PER_MS);
        world->nodes[i].drift_ppm = (int64_t)sim_below(&random, 100000) - 50000;
    }
}

void sim1_heal(struct sim1 *sim)
{
    struct sim_world *world = &sim->world;
    sim->faults = false;
    sim_say(world, "all is healed");
    world->loss_per_million = 0;
    world->duplicate_per_million = 0;
    world->replay_per_million = 0;
    world->delay_mean_ns = NS_PER_MS;
    memset(world->links, 0, sizeof(world->links));
    for (size_t i = 0; i < sim->count; i++) {
        world->nodes[i].paused_until = 0;
        world->nodes[i].disk.fault_per_million = 0;
        world->nodes[i].disk.latency_ns = 100000;
        sim1_boot(sim, &sim->members[i]);
    }
}

void sim1_check_step(struct sim1 *sim)
{
    for (size_t i = 0; i < sim->count; i++) {
        const struct member *member = &sim->members[i];
        if (member->machine->alive && member->opened && !member->node->dead) {
            ghost_stepped(&sim->ghost, &member->node->core);
            ghost_members_stepped(&sim->ghost_members, &member->node->core);
        }
    }
}

void sim1_run_until(struct sim1 *sim, uint64_t until)
{
    while (sim->world.now < until && sim->world.failure[0] == '\0' && sim_run_one(&sim->world)) {
        sim1_check_step(sim);
    }
}

/* The members that the leader has, or those that there were at first. */
static bool is_expected(const struct sim1 *sim, const struct member *member)
{
    for (size_t i = 0; i < sim->count; i++) {
        const struct member *leader = &sim->members[i];
        if (leader->opened && leader->node != NULL && raft_is_leader(leader->node)) {
            return raft_members_find(&leader->node->core.members, member->machine->id) != NULL;
        }
    }
    return member->machine->id <= sim->initial;
}

void sim1_check_liveness(struct sim1 *sim, uint64_t timeouts)
{
    uint64_t start = sim->world.now;
    uint64_t before = sim->acked_max;
    uint64_t limit = start + timeouts * sim->config.election_ms * NS_PER_MS;
    uint64_t goal = 0;
    while (sim->world.now < limit && sim->world.failure[0] == '\0') {
        sim1_run_until(sim, sim->world.now + 20 * NS_PER_MS);
        size_t behind = 0;
        if (goal == 0 && sim->acked_max > before) {
            goal = sim->acked_max;
        }
        for (size_t i = 0; i < sim->count; i++) {
            struct member *member = &sim->members[i];
            bool caught_up = member->opened && member->node != NULL && goal > 0 &&
                             raft_applied_index(member->node) >= goal;
            behind += is_expected(sim, member) && !caught_up ? 1 : 0;
        }
        if (goal > 0 && behind == 0) {
            return;
        }
    }
    for (size_t i = 0; i < sim->count && sim->world.failure[0] == '\0'; i++) {
        const struct member *member = &sim->members[i];
        struct raft_status status;
        if (!member->machine->alive) {
            continue;
        }
        raft_get_status(member->node, &status);
        (void)printf("member %zu: opened %d role %d term %" PRIu64 " leader %" PRIu64
                     " commit %" PRIu64 " applied %" PRIu64 " log %" PRIu64 "..%" PRIu64
                     " snapshot %" PRIu64 "\n",
                     i + 1, member->opened, (int)status.role, status.term, status.leader,
                     status.commit_index, status.applied_index, status.first_index,
                     status.last_index, status.snapshot_index);
        for (size_t m = 0; m < status.member_count && status.role == RAFT_LEADER; m++) {
            (void)printf("  has member %" PRIu64 " at %" PRIu64 ", heard %" PRIu64 " ms ago%s\n",
                         status.members[m].id, status.members[m].match_index,
                         status.members[m].last_contact_ms,
                         status.members[m].snapshot ? ", snapshot under way" : "");
        }
    }
    sim_fail(&sim->world, "no progress after healing: goal %" PRIu64 ", acknowledged %" PRIu64,
             goal, sim->acked_max);
}

struct sim1 *sim1_new(uint64_t seed, const struct sim_options *options, size_t initial,
                      size_t spare)
{
    struct sim1 *sim = alloc_zeroed(sizeof(*sim));
    sim->initial = initial;
    sim->count = initial + spare;
    sim_init(&sim->world, seed, sim->count);
    sim->world.receive = on_receive;
    sim->world.sent = on_sent;
    sim->world.crashed = on_crashed;
    sim->world.call = on_call;
    sim->world.data = sim;
    sim->world.verbose = options->verbose;
    sim->options = options;
    sim->ghost.world = &sim->world;
    sim->ghost.core_of = core_of;
    sim->ghost_members.world = &sim->world;
    sim->faults = true;
    sim->pause_max_ns = UINT64_MAX;
    knobs(sim);
    for (size_t i = 0; i < sim->count; i++) {
        struct member *member = &sim->members[i];
        member->sim = sim;
        member->machine = &sim->world.nodes[i];
        member->out = i >= initial;
        member->peer_count = initial;
        for (size_t peer = 0; peer < initial; peer++) {
            member->peers[peer] =
                (struct raft_peer){.id = peer + 1, .name = "m", .url = "http://m"};
        }
        sim->world.nodes[i].owner = member;
        sim1_boot(sim, member);
    }
    sim_at(&sim->world, NS_PER_MS, CALL_WORK);
    sim_at(&sim->world, 600 * NS_PER_MS, CALL_FAULT);
    return sim;
}

void sim1_outcome(const struct sim1 *sim, struct sim_outcome *ret_outcome)
{
    *ret_outcome =
        (struct sim_outcome){.events = sim->world.events,
                             .trace = sim->world.trace,
                             .faults = sim->fault_count,
                             .counts = {sim->acks, sim->reads, sim->ghost.elections, sim->crashes,
                                        sim->snapshots_installed, sim->changes, sim->removals,
                                        sim->disks_lost, sim->restarts_refused, sim->damages}};
    memcpy(ret_outcome->failure, sim->world.failure, sizeof(sim->world.failure));
}

void sim1_free(struct sim1 *sim)
{
    for (size_t i = 0; i < sim->count; i++) {
        if (sim->members[i].machine->alive) {
            sim_raft_power_cut(sim->members[i].machine, sim->members[i].node);
        }
    }
    sim_release(&sim->world);
    free(sim);
}
