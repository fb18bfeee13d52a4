#include "tests/sim/sim2.h"

#include "lib/base/digest.h"
#include "tests/sim/damage.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

static const struct raft_fsm *inner(struct sim2_member *member)
{
    return store_fsm(member->store);
}

/* ---- the state machine, with checks around it ---- */

static void check_applied(struct sim2_member *member, const struct sim_entry *entry, bool first,
                          uint64_t before, int64_t revision)
{
    struct sim2 *sim = member->sim;
    uint64_t id = member->machine->id;
    uint64_t index = entry->index;
    uint64_t after = store_state_hash(&member->store->state);
    if (sim->world.failure[0] != '\0' || index >= MODEL_INDEX_MAX) {
        sim_fail(&sim->world, "the log is longer than the model remembers");
        return;
    }
    uint64_t hash = digest64(/* before= */ 0, entry->command);
    if (!ghost_applied(&sim->ghost, id, raft_term(member->node), index, entry->term, hash, after)) {
        return;
    }
    if (first) {
        sim2_applied(sim, member, index, entry->term, entry->command, before != after);
    }
    if (member->store->check.differed != 0 || member->store->rebuild.active) {
        sim_fail(&sim->world, "R4: member %" PRIu64 " takes its state for wrong at entry %" PRIu64,
                 id, index);
    }
    int64_t now = store_revision(member->store);
    if (now < revision || now > revision + 1) {
        sim_fail(&sim->world,
                 "K2: entry %" PRIu64 " moves member %" PRIu64 " from revision %" PRId64
                 " to %" PRId64,
                 index, id, revision, now);
    }
    if (now != sim->model.revision_at[index] ||
        store_compact_revision(member->store) != sim->model.compact_at[index]) {
        sim_fail(&sim->world,
                 "entry %" PRIu64 " leaves member %" PRIu64 " at revision %" PRId64
                 " (compacted %" PRId64 "), the model at %" PRId64 " (%" PRId64 ")",
                 index, id, now, store_compact_revision(member->store),
                 sim->model.revision_at[index], sim->model.compact_at[index]);
    }
    sim2_check_late(sim);
}

/* One turn of an entry. Until its last one, nothing of it is to be seen. */
static bool apply_turn(struct sim2_member *member, bool more, uint64_t tag)
{
    struct sim2 *sim = member->sim;
    const struct sim_entry entry = member->applying;
    bool first = entry.index > sim->model.index;
    uint64_t before = store_state_hash(&member->store->state);
    int64_t revision = store_revision(member->store);
    const struct raft_fsm *fsm = inner(member);
    sim->applying = first;
    bool whole = more ? fsm->apply_more(fsm->data)
                      : fsm->apply(fsm->data, entry.index, entry.term, entry.command, tag);
    sim->applying = false;
    if (whole) {
        check_applied(member, &entry, first, before, revision);
    } else if (before != store_state_hash(&member->store->state) ||
               revision != store_revision(member->store)) {
        sim_fail(&sim->world, "K2: member %" PRIu64 " shows a part of entry %" PRIu64,
                 member->machine->id, entry.index);
    }
    sim->long_applies += !whole && !more;
    return whole;
}

static bool fsm_apply(void *data, uint64_t index, uint64_t term, struct slice command, uint64_t tag)
{
    struct sim2_member *member = data;
    member->applying = (struct sim_entry){index, term, command};
    return apply_turn(member, /* more= */ false, tag);
}

static bool fsm_apply_more(void *data)
{
    return apply_turn(data, /* more= */ true, /* tag= */ 0);
}

static void *fsm_take(void *data)
{
    struct sim2_member *member = data;
    return inner(member)->snapshot_take(inner(member)->data);
}

static int64_t fsm_read(void *data, void *handle, uint64_t offset, uint8_t *buffer, size_t len)
{
    struct sim2_member *member = data;
    return inner(member)->snapshot_read(inner(member)->data, handle, offset, buffer, len);
}

static void fsm_release(void *data, void *handle)
{
    struct sim2_member *member = data;
    inner(member)->snapshot_release(inner(member)->data, handle);
}

static int fsm_restore_begin(void *data, uint64_t index, uint64_t term)
{
    struct sim2_member *member = data;
    return inner(member)->restore_begin(inner(member)->data, index, term);
}

static int fsm_restore_chunk(void *data, struct slice chunk)
{
    struct sim2_member *member = data;
    return inner(member)->restore_chunk(inner(member)->data, chunk);
}

static int fsm_restore_end(void *data)
{
    struct sim2_member *member = data;
    struct sim2 *sim = member->sim;
    int64_t revision = store_revision(member->store);
    int status = inner(member)->restore_end(inner(member)->data);
    if (status == 0) {
        uint64_t index = member->store->state.applied_index;
        ghost_restored(&sim->ghost, member->machine->id, index,
                       store_state_hash(&member->store->state));
        sim->counts_restores++;
        sim_say(&sim->world, "member %" PRIu64 " has a snapshot of entry %" PRIu64,
                member->machine->id, index);
        if (store_revision(member->store) < revision) {
            sim_fail(&sim->world,
                     "K2: a snapshot takes member %" PRIu64 " from revision %" PRId64
                     " back to %" PRId64,
                     member->machine->id, revision, store_revision(member->store));
        }
        sim2_check_state(sim, member);
    }
    return status;
}

static void fsm_forwarded(void *data, uint64_t call, struct slice request)
{
    struct sim2_member *member = data;
    inner(member)->forwarded(inner(member)->data, call, request);
}

/* K3: what can be read, at every revision that is left, is what the model has. */
void sim2_check_state(struct sim2 *sim, const struct sim2_member *member)
{
    static const uint8_t zero = 0;
    uint64_t index = member->store->state.applied_index;
    int64_t revision = store_revision(member->store);
    int64_t compact = store_compact_revision(member->store);
    index = index < sim->model.index ? index : sim->model.index; /* Those above change nothing. */
    if (sim->world.failure[0] != '\0') {
        return;
    }
    int64_t step = (revision - compact) / 8 + 1;
    for (int64_t at = compact > 0 ? compact : 1; at <= revision; at += step) {
        struct store_range range = {
            .key = slice_of("k", 1), .end = slice_of(&zero, 1), .revision = at};
        struct store_range_result result;
        uint64_t expected = 0;
        struct mvcc_source source = mvcc_source_now(member->store->state.mvcc);
        int status = mvcc_source_range(&source, &range, &result);
        int wanted = kv_model_range(&sim->model, &range, sim->model.revision_at[index],
                                    sim->model.compact_at[index], &expected);
        uint64_t digest = status == 0 ? store_range_digest(&result) : 0;
        if (status == 0) {
            store_range_result_release(&result);
        }
        if (status != wanted || digest != expected) {
            sim_fail(&sim->world,
                     "K3: member %" PRIu64 " at entry %" PRIu64 " (revision %" PRId64
                     ", compacted %" PRId64 ") holds another state of revision %" PRId64
                     " (status %d, not %d)",
                     member->machine->id, index, revision, compact, at, status, wanted);
            return;
        }
    }
}

/* ---- life ---- */

static void on_opened(void *data, const struct error *error)
{
    struct sim2_member *member = data;
    struct sim2 *sim = member->sim;
    if (error == NULL) {
        member->opened = true;
        ghost_opened(&sim->ghost, &member->node->core);
        ghost_members_opened(&sim->ghost_members, &member->node->core);
        store_attach_raft(member->store, member->node);
        return;
    }
    if (error->code == -EBADMSG || error->code == -EINVAL) {
        sim_fail(&sim->world, "member %" PRIu64 " refuses to start: %s", member->machine->id,
                 error_message(error));
    }
    sim_at(&sim->world, 0, CALL_CRASH + member->machine->id);
}

/* Members are upgraded one by one and never go back; one that is added is as new as any. */
static uint32_t next_version(struct sim2 *sim, const struct sim2_member *member)
{
    enum { VERSIONS = 5 };
    uint32_t newest = 1;
    if (!sim->of_many_versions) {
        return 0; /* This one. */
    }
    for (size_t i = 0; i < sim->count; i++) {
        newest = sim->members[i].version > newest ? sim->members[i].version : newest;
    }
    uint32_t version = member->join && member->version == 0 ? newest : member->version;
    version += version == 0 || (version < VERSIONS && sim_below(&sim->upgrades, 2) == 0);
    return version;
}

void sim2_boot(struct sim2 *sim, struct sim2_member *member)
{
    if (member->machine->alive || member->down || member->fresh) {
        return;
    }
    sim_say(&sim->world, "member %" PRIu64 " starts", member->machine->id);
    sim_boot(member->machine);
    struct store_config store = sim->knobs.store;
    store.env = &member->machine->env;
    store.member_id = member->machine->id;
    member->version = next_version(sim, member);
    store.command_version = member->version;
    member->opened = false;
    member->store = store_new(&store);
    member->fsm = (struct raft_fsm){.data = member,
                                    .apply = fsm_apply,
                                    .apply_more = fsm_apply_more,
                                    .snapshot_take = fsm_take,
                                    .snapshot_read = fsm_read,
                                    .snapshot_release = fsm_release,
                                    .restore_begin = fsm_restore_begin,
                                    .restore_chunk = fsm_restore_chunk,
                                    .restore_end = fsm_restore_end,
                                    .forwarded = fsm_forwarded};
    struct raft_peer peers[SIM_NODES_MAX] = {0};
    for (size_t i = 0; i < sim->initial; i++) {
        peers[i] = (struct raft_peer){.id = i + 1, .name = "m", .url = "http://m"};
    }
    struct raft_config config = sim->knobs.raft;
    config.env = &member->machine->env;
    config.id = member->machine->id;
    config.peers = member->join ? member->peers : peers;
    config.peer_count = member->join ? member->peer_count : sim->initial;
    config.join = member->join;
    config.fsm = &member->fsm;
    CLEANUP(error_release) struct error error = {0};
    if (raft_open(&config, on_opened, member, &member->node, &error) < 0) {
        sim_fail(&sim->world, "raft_open: %s", error_message(&error));
    }
}

/* What the process held in memory is gone; its clients get no answer. */
void sim2_member_free(struct sim2_member *member)
{
    store_attach_raft(member->store, NULL);
    sim_raft_power_cut(member->machine, member->node);
    member->node = NULL;
    store_free(member->store);
    member->store = NULL;
    member->opened = false;
}

/* Fewer than a majority: every entry that was acknowledged has a good copy somewhere. */
void sim2_damage(struct sim2 *sim, struct sim2_member *member)
{
    struct sim_node *machine = member->machine;
    if (!sim->faults || machine->id <= sim->count - sim->victims) {
        return;
    }
    bool done = machine->alive ? sim_damage_snapshot(machine, &sim->damage)
                               : sim_damage_raft(machine, &sim->damage);
    sim->counts_damages += done ? 1 : 0;
    sim->ghost.damaged[machine->id - 1] |= done;
}

void sim2_crash(struct sim2 *sim, struct sim2_member *member)
{
    if (!member->machine->alive) {
        return;
    }
    sim->counts_crashes++;
    sim_say(&sim->world, "member %" PRIu64 " loses power", member->machine->id);
    sim2_member_free(member);
    if (sim_below(&sim->damage, 2) == 0) {
        sim2_damage(sim, member);
    }
    uint64_t down_ns = sim_exponential(&sim->world.schedule, 300 * NS_PER_MS);
    sim_at(&sim->world, down_ns, CALL_BOOT + member->machine->id);
}

bool sim2_serves(const struct sim2_member *member)
{
    return member->machine->alive && member->opened && !member->node->dead;
}

/* ---- the world ---- */

static const struct raft *core_of(const struct sim_world *world, uint64_t id)
{
    const struct sim2 *sim = world->data;
    const struct sim2_member *member = id == 0 || id > sim->count ? NULL : &sim->members[id - 1];
    return member != NULL && sim2_serves(member) ? &member->node->core : NULL;
}

static void on_sent(struct sim_node *from, uint64_t to, struct slice bytes)
{
    struct sim2_member *member = from->owner;
    ghost_sent(&member->sim->ghost, from->id, to, bytes);
}

static void on_receive(struct sim_node *to, uint64_t from, struct slice message)
{
    struct sim2_member *member = to->owner;
    if (member->opened) {
        raft_receive(member->node, from, message);
        if (!member->node->dead) {
            ghost_stepped(&member->sim->ghost, &member->node->core);
            ghost_members_stepped(&member->sim->ghost_members, &member->node->core);
        }
    }
}

static void on_crashed(struct sim_node *machine, const char *why)
{
    struct sim2_member *member = machine->owner;
    struct sim2 *sim = member->sim;
    /* What was damaged before all was healed may be read only now. */
    bool late = sim->ghost.damaged[machine->id - 1] && strstr(why, "Bad message") != NULL;
    sim_say(&sim->world, "member %" PRIu64 " stops: %s", machine->id, why);
    if (strstr(why, "permanently removed") != NULL) {
        member->down = member->down || sim2_is_let_go(sim, member);
    } else if ((!sim->faults && !late) || strstr(why, ": stopped") != NULL ||
               strstr(why, "has to be upgraded") != NULL) { /* No version ever falls. */
        sim_fail(&sim->world, "member %" PRIu64 " stopped: %s", machine->id, why);
    }
    sim_at(machine->world, 0, CALL_CRASH + machine->id);
}

static void on_call(struct sim_world *world, uint64_t what)
{
    struct sim2 *sim = world->data;
    if (what >= CALL_LEASE) {
        sim2_lease_turn(sim, what - CALL_LEASE);
    } else if (what >= CALL_WATCHER) {
        sim2_watcher_turn(sim, what - CALL_WATCHER);
    } else if (what >= CALL_CLIENT) {
        sim2_client_turn(sim, what - CALL_CLIENT);
    } else if (what >= CALL_DISK_FREE) {
        sim->members[what - CALL_DISK_FREE - 1].machine->disk.full = false;
    } else if (what >= CALL_CRASH) {
        sim2_crash(sim, &sim->members[what - CALL_CRASH - 1]);
    } else if (what >= CALL_BOOT) {
        sim2_boot(sim, &sim->members[what - CALL_BOOT - 1]);
    } else if (what == CALL_AUTH) {
        sim2_auth_turn(sim);
    } else if (what == CALL_OPERATOR) {
        sim2_operate(sim);
    } else if (what == CALL_FLAP) {
        sim2_flap(sim);
    } else {
        sim2_fault(sim);
    }
}

void sim2_wire(struct sim2 *sim)
{
    sim->world.receive = on_receive;
    sim->world.sent = on_sent;
    sim->world.crashed = on_crashed;
    sim->world.call = on_call;
    sim->ghost.core_of = core_of;
    sim->world.data = sim;
    for (size_t i = 0; i < sim->count; i++) {
        sim->members[i].sim = sim;
        sim->members[i].machine = &sim->world.nodes[i];
        sim->members[i].fresh = i >= sim->initial;
        sim->world.nodes[i].owner = &sim->members[i];
    }
}
