/* What goes wrong, when and where: drawn from the seed. Each fault has a number, by which the
 * shrinker leaves it out. */
#include "tests/sim/sim2.h"

#include <inttypes.h>

static uint64_t below(struct sim2 *sim, uint64_t limit)
{
    return sim_below(&sim->world.schedule, limit);
}

/* ---- knobs ---- */

static void network_knobs(struct sim2 *sim, struct sim_random *random)
{
    static const uint32_t losses[] = {0, 0, 10000, 100000, 300000};
    struct sim_world *world = &sim->world;
    world->delay_min_ns = sim_below(random, 2 * NS_PER_MS);
    world->delay_mean_ns = 100000 + sim_below(random, 20 * NS_PER_MS);
    world->loss_per_million = losses[sim_below(random, 5)];
    world->duplicate_per_million = losses[sim_below(random, 5)];
    world->replay_per_million = losses[sim_below(random, 5)] / 10;
    world->ordered = sim_below(random, 2) == 0;
}

static void disk_knobs(struct sim2 *sim, struct sim_random *random)
{
    static const uint32_t faults[] = {0, 0, 0, 200, 3000};
    uint32_t fault = faults[sim_below(random, 5)];
    for (size_t i = 0; i < sim->count; i++) {
        struct sim_node *machine = &sim->world.nodes[i];
        machine->disk.fault_per_million = fault;
        machine->disk.latency_ns = 50000 + sim_below(random, 10 * NS_PER_MS);
        machine->drift_ppm = (int64_t)sim_below(random, 100000) - 50000;
    }
}

static void store_knobs(struct sim2 *sim, struct sim_random *random)
{
    static const uint32_t segments[] = {8192, 16384, 65536};
    static const uint32_t snapshots[] = {10, 50, 200, 100000};
    static const uint32_t memories[] = {1, 4000, 0};
    static const uint32_t values[] = {0, 0, 40, 400, 8000};
    struct sim2_knobs *knobs = &sim->knobs;
    bool fast = sim_below(random, 2) == 0;
    knobs->value_len = values[sim_below(random, 5)];
    knobs->raft = (struct raft_config){
        .cluster_id = SIM2_CLUSTER_ID,
        .dir = "/sim",
        .heartbeat_ms = fast ? 50 : 100,
        .election_ms = fast ? 300 : 500,
        .segment_bytes = segments[sim_below(random, 3)],
        .snapshot_entries = snapshots[sim_below(random, 4)],
        .snapshot_catch_up = 1 + (uint32_t)sim_below(random, 50),
    };
    knobs->raft.log_memory = memories[knobs->raft.snapshot_catch_up % 3];
    if (knobs->raft.snapshot_entries > 200 || knobs->value_len > 400) {
        knobs->raft.segment_bytes = 262144; /* Else too many files for a simulated directory. */
    }
    knobs->store.lease_grace_ms = knobs->raft.election_ms;
    if (sim_below(random, 4) == 0) {
        knobs->store.check_period_ms = 50 + sim_below(random, 500);
    }
    if (sim_below(random, 4) == 0) {
        knobs->store.compact_age_ms = 100 + sim_below(random, 2000);
        knobs->store.compact_revisions = (int64_t)sim_below(random, 50);
    }
}

/* From a stream of their own: seeds without them run as they did before there were any. */
static void damage_knobs(struct sim2 *sim)
{
    static const uint32_t chunks[] = {0, 300, 1000, 4096};
    struct sim2_knobs *knobs = &sim->knobs;
    sim->damage = (struct sim_random){sim->world.seed ^ UINT64_C(0x64616d616765)};
    uint32_t chunk = chunks[sim_below(&sim->damage, 4)];
    uint32_t least = knobs->value_len > 400 ? 16384 : knobs->value_len > 40 ? 4096 : 0;
    knobs->raft.snapshot_chunk = chunk != 0 && chunk < least ? least : chunk; /* Some hundred. */
    if (sim->count == sim->initial && sim_below(&sim->damage, 3) == 0) {
        sim->victims = (sim->count - 1) / 2;
        knobs->rot_weight = sim->victims == 0 ? 0 : 1 + (uint32_t)sim_below(&sim->damage, 8);
    }
}

/* Of versions that there are not yet: only what is said about them is new. */
static void version_knobs(struct sim2 *sim)
{
    sim->upgrades = (struct sim_random){sim->world.seed ^ UINT64_C(0x75706772616465)};
    sim->of_many_versions = sim->options->world >= 3 && sim_below(&sim->upgrades, 4) == 0;
}

void sim2_knobs_draw(struct sim2 *sim)
{
    struct sim_random random = {sim->world.seed ^ UINT64_C(0x6b6e6f6273)};
    struct sim2_knobs *knobs = &sim->knobs;
    network_knobs(sim, &random);
    disk_knobs(sim, &random);
    store_knobs(sim, &random);
    version_knobs(sim);
    knobs->key_count = 2 + sim_below(&random, 14);
    knobs->client_count = 1 + sim_below(&random, SIM2_CLIENTS_MAX);
    knobs->watcher_count = 1 + sim_below(&random, SIM2_WATCHERS_MAX);
    knobs->think_ns = (2 + sim_below(&random, 40)) * NS_PER_MS;
    knobs->fault_ns = (100 + sim_below(&random, 400)) * NS_PER_MS;
    knobs->run_ns = (2 + sim_below(&random, 3)) * NS_PER_S;
    if (sim_below(&random, 20) == 0) {
        knobs->run_ns = 10 * NS_PER_S; /* Longer than any request waits. */
        knobs->think_ns *= 3;
    }
    knobs->mix = (unsigned)sim_below(&random, 2);
    uint32_t *const weights[] = {
        &knobs->crash_weight, &knobs->pause_weight, &knobs->partition_weight, &knobs->stall_weight,
        &knobs->full_weight,  &knobs->clock_weight, &knobs->transfer_weight};
    for (size_t i = 0; i < ARRAY_LEN(weights); i++) {
        *weights[i] = (uint32_t)sim_below(&random, 8) * (uint32_t)sim_below(&random, 2);
    }
    knobs->crash_weight += 1;
    knobs->partition_weight += 1;
    if (sim->options->world >= 2) {
        damage_knobs(sim);
    }
    sim->auth_random = (struct sim_random){sim->world.seed ^ UINT64_C(0x61757468)};
    knobs->auth = sim->options->world >= 3 && sim_below(&sim->auth_random, 3) == 0;
    knobs->store.keys_a_turn = sim->options->world >= 5 ? sim->world.seed % 4 : 0;
}

/* ---- faults ---- */

static void cut(struct sim2 *sim, size_t from, size_t to, bool blocked)
{
    sim->world.links[from][to].blocked = blocked;
    if (blocked) {
        sim_say(&sim->world, "link %zu -> %zu is cut", from + 1, to + 1);
    }
}

/* Nothing, two sides, one way between two sides, any links, one member alone, one deaf or mute. */
static void partition(struct sim2 *sim)
{
    enum { NONE, SIDES, ONE_WAY, SOME, ALONE, DEAF, MUTE, SHAPES };
    uint64_t shape = below(sim, SHAPES);
    uint64_t side = below(sim, UINT64_MAX);
    size_t one = below(sim, sim->count);
    sim_say(&sim->world, "partition of shape %" PRIu64, shape);
    for (size_t a = 0; a < sim->count; a++) {
        for (size_t b = 0; b < sim->count; b++) {
            bool across = ((side >> a) & 1) != ((side >> b) & 1);
            bool some = below(sim, 3) == 0;
            const bool blocked[SHAPES] = {
                false,    across,  across && ((side >> a) & 1) != 0, some, a == one || b == one,
                b == one, a == one};
            cut(sim, a, b, a != b && blocked[shape]);
        }
    }
}

void sim2_flap(struct sim2 *sim)
{
    bool now = sim->faults && sim->world.now < sim->flap_until;
    bool blocked = now && !sim->world.links[sim->flap_a][sim->flap_b].blocked;
    sim->world.links[sim->flap_a][sim->flap_b].blocked = blocked;
    if (now) {
        sim_at(&sim->world, below(sim, 60 * NS_PER_MS), CALL_FLAP);
    }
}

static void crash(struct sim2 *sim, size_t one, bool all)
{
    for (size_t i = 0; i < sim->count; i++) {
        if (all || i == one) {
            sim2_crash(sim, &sim->members[i]);
        }
    }
}

static void not_before(struct sim2 *sim, uint64_t ns)
{
    sim->healed_ns = ns > sim->healed_ns ? ns : sim->healed_ns;
}

struct fault_draw {
    size_t one;
    uint64_t pick, long_ns, short_ns;
    bool all, flap;
    int64_t jump_ns;
};

static void act(struct sim2 *sim, const struct fault_draw *draw)
{
    const struct sim2_knobs *knobs = &sim->knobs;
    struct sim_node *machine = sim->members[draw->one].machine;
    uint64_t pick = draw->pick;
    if (pick < knobs->crash_weight) {
        crash(sim, draw->one, draw->all);
        return;
    }
    pick -= knobs->crash_weight;
    if (pick < knobs->pause_weight) {
        sim_say(&sim->world, "member %" PRIu64 " is paused for %" PRIu64 " ms", machine->id,
                draw->long_ns / NS_PER_MS);
        machine->paused_until = sim->world.now + draw->long_ns;
        not_before(sim, machine->paused_until); /* What is sent to it, even if it starts anew. */
        return;
    }
    pick -= knobs->pause_weight;
    if (pick < knobs->partition_weight && draw->flap) {
        sim_say(&sim->world, "link %" PRIu64 " -> %" PRIu64 " flaps", sim->flap_a + 1,
                sim->flap_b + 1);
        sim->flap_until = sim->world.now + draw->long_ns;
        sim2_flap(sim);
        return;
    }
    if (pick < knobs->partition_weight) {
        partition(sim);
        return;
    }
    pick -= knobs->partition_weight;
    if (pick < knobs->stall_weight) {
        sim_say(&sim->world, "disk of member %" PRIu64 " stalls for %" PRIu64 " ms", machine->id,
                draw->long_ns / NS_PER_MS);
        sim_disk_stall(machine, draw->long_ns);
        return;
    }
    pick -= knobs->stall_weight;
    if (pick < knobs->full_weight) {
        sim_say(&sim->world, "disk of member %" PRIu64 " is full", machine->id);
        machine->disk.full = true;
        sim_at(&sim->world, draw->long_ns, CALL_DISK_FREE + machine->id);
        return;
    }
    pick -= knobs->full_weight;
    if (pick < knobs->clock_weight) {
        sim_say(&sim->world, "wall clock of member %" PRIu64 " jumps", machine->id);
        machine->wall_offset += draw->jump_ns;
        return;
    }
    pick -= knobs->clock_weight;
    if (pick < knobs->rot_weight) {
        sim2_damage(sim, &sim->members[sim->count - 1 - draw->one % sim->victims]);
        return;
    }
    if (sim2_serves(&sim->members[draw->one])) {
        sim_say(&sim->world, "member %" PRIu64 " is asked to hand over", machine->id);
        (void)!raft_transfer_leadership(sim->members[draw->one].node, 0);
    }
}

/* All is drawn before it is decided whether the fault is left out: the others stay the same. */
void sim2_fault(struct sim2 *sim)
{
    const struct sim2_knobs *knobs = &sim->knobs;
    struct sim_random *random = &sim->world.schedule;
    if (!sim->faults) {
        return;
    }
    bool skip = sim->fault_count < SIM_FAULTS_MAX && sim->options->skip[sim->fault_count];
    sim->fault_count++;
    const struct fault_draw draw = {
        .one = below(sim, sim->count),
        .pick = below(sim, knobs->crash_weight + knobs->pause_weight + knobs->partition_weight +
                               knobs->stall_weight + knobs->full_weight + knobs->clock_weight +
                               knobs->transfer_weight + knobs->rot_weight),
        .long_ns = sim_exponential(random, 400 * NS_PER_MS),
        .all = below(sim, 8) == 0,
        .flap = below(sim, 4) == 0,
        .jump_ns = (int64_t)below(sim, 2 * 86400 * NS_PER_S) - (int64_t)(86400 * NS_PER_S),
    };
    uint64_t flap_a = below(sim, sim->count);
    uint64_t flap_b = below(sim, sim->count);
    if (sim->world.now >= sim->flap_until && flap_a != flap_b) {
        sim->flap_a = flap_a;
        sim->flap_b = flap_b;
    }
    struct sim_random after = {sim_next(random)};
    if (skip) {
        sim_say(&sim->world, "fault %" PRIu64 " is left out", sim->fault_count - 1);
    } else {
        act(sim, &draw);
    }
    sim->world.schedule = after;
    sim_at(&sim->world, 1 + sim_exponential(&after, knobs->fault_ns), CALL_FAULT);
    sim->world.schedule = after;
}

static void heal_machines(struct sim2 *sim)
{
    struct sim_world *world = &sim->world;
    world->loss_per_million = 0;
    world->duplicate_per_million = 0;
    world->replay_per_million = 0;
    world->delay_mean_ns = NS_PER_MS;
    memset(world->links, 0, sizeof(world->links));
    not_before(sim, world->now);
    for (size_t i = 0; i < sim->count; i++) {
        struct sim_node *machine = &world->nodes[i];
        not_before(sim, machine->disk.busy_until); /* What it has begun ends no sooner. */
        machine->paused_until = 0;
        machine->disk.fault_per_million = 0;
        machine->disk.full = false;
        machine->disk.busy_until = world->now;
        machine->disk.latency_ns = 100000;
        sim2_boot(sim, &sim->members[i]);
    }
}

void sim2_heal_core(struct sim2 *sim)
{
    sim_say(&sim->world, "all is healed but some links");
    sim->faults = false;
    heal_machines(sim);
    size_t left = sim->count / 2 + 1;
    for (size_t i = below(sim, sim->count); left > 0; i = (i + 1) % sim->count) {
        if (!sim->core[i] && below(sim, 2) == 0) {
            sim->core[i] = true;
            left--;
        }
    }
    for (size_t a = 0; a < sim->count; a++) {
        for (size_t b = 0; b < sim->count; b++) {
            bool inside = sim->core[a] && sim->core[b];
            cut(sim, a, b, a != b && !inside && below(sim, 2) == 0);
        }
    }
}

void sim2_heal(struct sim2 *sim)
{
    sim_say(&sim->world, "all is healed");
    sim->faults = false;
    sim->settling = true;
    heal_machines(sim);
}
