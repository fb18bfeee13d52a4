/* SIM-1: clusters of 1, 3 and 5 members of raft/ (core, driver, log, snapshots) on simulated disks
 * and network, with power cuts, pauses, partitions, loss, duplicates, reordering and disk faults.
 *   sim1 [--seeds N] [--seed S] [--verbose]
 * Checked: one leader a term; the same entry and the same state at an index everywhere; a leader
 * has all that was committed; term and vote never taken back; what is acknowledged is in the
 * durable layer of a majority at that moment; reads are linearizable; after healing, progress. */
#include "lib/base/alloc.h"
#include "raft/node.h"
#include "raft/plant.h"
#include "raft/wire.h"
#include "tests/sim/env_sim.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    CLUSTER_ID = 77,
    INDEX_MAX = 16384,
    TERM_MAX = 4096,
    CALL_WORK = 1,
    CALL_FAULT = 2,
    CALL_BOOT = 100,  /* + node */
    CALL_CRASH = 200, /* + node */
    SNAPSHOT_PADDING = 3000,
    SEEN_TERMS = 4, /* Different terms remembered for each index. */
};

struct sim_state { /* What the FSM replicates. */
    uint64_t index, hash, value;
};

struct member {
    struct sim1 *sim;
    struct sim_node *machine;
    struct raft_node *node;
    struct raft_fsm fsm;
    struct sim_state state;
    struct sim_state restoring;
    size_t restored;
    uint8_t restore_head[sizeof(struct sim_state)];
    bool opened, crashing;
    uint64_t led_term, led_commit; /* As leader, after the last event. */
    uint64_t promised_term;        /* Greatest term it has told anybody. */
    uint64_t votes[TERM_MAX];
};

struct ghost_entry {
    uint64_t term, value_hash, state_hash;
    uint64_t committed_in; /* Term of the member that applied it first: not before that term. */
};

struct sim1 {
    struct sim_world world;
    struct member members[SIM_NODES_MAX];
    size_t count;
    struct raft_config config;
    struct ghost_entry ghost[INDEX_MAX];
    struct {
        uint64_t term, chain;
    } seen[INDEX_MAX][SEEN_TERMS];
    uint64_t leaders[TERM_MAX];
    size_t append_entries_max;
    bool equal_commands;
    uint64_t applied_max, acked_max, seen_max;
    uint64_t proposals, acks, reads, crashes, elections, snapshots_installed;
    uint64_t next_value, goal_value;
    bool faults, verbose;
    uint32_t crash_weight, pause_weight, partition_weight;
    uint64_t work_ns;
    char failure[256];
};

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

static void fail(struct sim1 *sim, const char *format, ...) PRINTF_LIKE(2, 3);
static void fail(struct sim1 *sim, const char *format, ...)
{
    if (sim->failure[0] != '\0') {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sim->failure, sizeof(sim->failure), format, args);
    va_end(args);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t z = (a ^ b) + UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return z ^ (z >> 31);
}

/* ---- the FSM ---- */

static void fsm_apply(void *data, uint64_t index, uint64_t term, struct slice command, uint64_t tag)
{
    struct member *member = data;
    struct sim1 *sim = member->sim;
    (void)tag;
    if (index <= member->state.index || index >= INDEX_MAX) {
        fail(sim, "member %" PRIu64 " applies %" PRIu64 " after %" PRIu64, member->machine->id,
             index, member->state.index);
        return;
    }
    struct wire_reader reader = {.left = command};
    uint64_t value = wire_u64(&reader);
    uint64_t value_hash = mix(value, command.len);
    member->state.hash = mix(member->state.hash, mix(value_hash, index));
    member->state.index = index;
    member->state.value = value;
    struct ghost_entry *ghost = &sim->ghost[index];
    if (ghost->term == 0) {
        *ghost =
            (struct ghost_entry){term, value_hash, member->state.hash, raft_term(member->node)};
    } else if (ghost->term != term || ghost->value_hash != value_hash) {
        fail(sim, "log matching: entry %" PRIu64 " differs on member %" PRIu64, index,
             member->machine->id);
    } else if (ghost->state_hash != member->state.hash) {
        fail(sim, "state differs after entry %" PRIu64 " on member %" PRIu64, index,
             member->machine->id);
    }
    sim->applied_max = index > sim->applied_max ? index : sim->applied_max;
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
    const struct ghost_entry *ghost = &member->sim->ghost[member->restoring.index];
    if (member->restoring.index != 0 && ghost->state_hash != member->restoring.hash) {
        fail(member->sim, "snapshot at %" PRIu64 " on member %" PRIu64 " holds another state",
             member->restoring.index, member->machine->id);
    }
    member->state = member->restoring;
    member->sim->snapshots_installed++;
    return 0;
}

/* ---- checkers ---- */

static bool durable_in_log(const struct sim_inode *inode, uint64_t index, uint64_t chain)
{
    struct segment_header header;
    struct slice bytes = slice_of(inode->durable, inode->durable_len);
    if (segment_header_decode(bytes, &header) < 0 || header.previous.index >= index) {
        return false;
    }
    size_t at = SEGMENT_HEAD;
    while (at + RECORD_HEAD <= bytes.len) {
        struct wire_reader reader = {.left = slice_of(bytes.data + at, RECORD_HEAD)};
        uint64_t magic = wire_u64(&reader);
        uint64_t found = wire_u64(&reader);
        (void)wire_u64(&reader);
        uint64_t found_chain = wire_u64(&reader);
        (void)wire_u64(&reader);
        (void)wire_u64(&reader);
        uint32_t len = wire_u32(&reader);
        (void)wire_u32(&reader);
        uint32_t crc = wire_u32(&reader);
        if (magic == 0 || found > index || record_size(len) > bytes.len - at) {
            return false;
        }
        if (found == index) {
            struct slice data = slice_of(bytes.data + at + RECORD_HEAD, len);
            return found_chain == chain && wire_crc32c(0, data) == crc;
        }
        at += record_size(len);
    }
    return false;
}

static bool durable_on(const struct sim_node *machine, uint64_t index, uint64_t chain)
{
    const char *name;
    const struct sim_inode *inode;
    for (size_t i = 0; (inode = sim_durable_file(machine, i, &name)) != NULL; i++) {
        if (strncmp(name, "snap-", 5) == 0 && strtoull(name + 5, NULL, 16) >= index) {
            return true;
        }
        if (strncmp(name, "log-", 4) == 0 && durable_in_log(inode, index, chain)) {
            return true;
        }
    }
    return false;
}

static void check_durable(struct sim1 *sim, struct member *leader, uint64_t index)
{
    struct raft_point point;
    size_t holders = 0;
    if (!raft_trail_point(&leader->node->core.trail, index, &point)) {
        return;
    }
    for (size_t i = 0; i < sim->count; i++) {
        holders += durable_on(&sim->world.nodes[i], index, point.chain) ? 1 : 0;
    }
    if (holders <= sim->count / 2) {
        fail(sim, "entry %" PRIu64 " was acknowledged with %zu durable copies of %zu", index,
             holders, sim->count);
    }
}

static void check_leader(struct sim1 *sim, const struct member *member)
{
    const struct raft *core = &member->node->core;
    uint64_t *leader = &sim->leaders[core->term % TERM_MAX];
    if (core->role != RAFT_LEADER) {
        return;
    }
    if (*leader != 0 && *leader != core->id) {
        fail(sim, "term %" PRIu64 " has two leaders", core->term);
    }
    if (*leader != 0) {
        return;
    }
    *leader = core->id;
    sim->elections++;
    uint64_t committed = sim->applied_max;
    while (committed > 0 && (sim->ghost[committed].committed_in == 0 || /* A no-op. */
                             sim->ghost[committed].committed_in >= core->term)) {
        committed--; /* Committed beside or after this leader. */
    }
    const struct raft_entry *entry = raft_trail_get(&core->trail, committed);
    uint64_t term = sim->ghost[committed].term;
    if (raft_trail_last(&core->trail) < committed ||
        (entry != NULL && term != 0 && entry->term != term)) {
        fail(sim, "leader completeness: the leader of term %" PRIu64 " lacks entry %" PRIu64,
             core->term, committed);
    }
}

/* Log matching, also of what is not committed: index and term have one content and one past. */
static void see_entry(struct sim1 *sim, const struct raft_entry *entry)
{
    if (entry->index >= INDEX_MAX) {
        return;
    }
    for (size_t i = 0; i < SEEN_TERMS; i++) {
        if (sim->seen[entry->index][i].term == entry->term &&
            sim->seen[entry->index][i].chain != entry->chain) {
            fail(sim, "log matching: entry %" PRIu64 " of term %" PRIu64 " exists in two versions",
                 entry->index, entry->term);
        }
        if (sim->seen[entry->index][i].term == entry->term ||
            sim->seen[entry->index][i].term == 0) {
            sim->seen[entry->index][i].term = entry->term;
            sim->seen[entry->index][i].chain = entry->chain;
            return;
        }
    }
}

/* Ongaro 2014, 3.6.2: a leader moves its commit index only to entries of its own term. */
static void check_commit(struct sim1 *sim, struct member *member)
{
    const struct raft *core = &member->node->core;
    struct raft_point point;
    bool leads = core->role == RAFT_LEADER;
    if (leads && member->led_term == core->term && core->commit > member->led_commit &&
        raft_trail_point(&core->trail, core->commit, &point) && point.term != core->term) {
        fail(sim, "the leader of term %" PRIu64 " committed entry %" PRIu64 " of term %" PRIu64,
             core->term, core->commit, point.term);
    }
    member->led_term = leads ? core->term : 0;
    member->led_commit = core->commit;
}

/* A message is a promise: term and vote it speaks of must be kept across power cuts. */
static void on_sent(struct sim_node *from, uint64_t to, struct slice bytes)
{
    struct member *member = from->owner;
    struct raft_message message;
    if (raft_message_decode(bytes, &message) < 0) {
        fail(member->sim, "member %" PRIu64 " sent what cannot be decoded", from->id);
        return;
    }
    for (size_t i = 0; i < message.entry_count; i++) {
        see_entry(member->sim, message.entries[i]);
    }
    bool pre = message.kind == RAFT_PRE_VOTE || message.kind == RAFT_PRE_VOTE_RESULT;
    bool vote = (message.kind == RAFT_VOTE_RESULT && !message.reject) || message.kind == RAFT_VOTE;
    uint64_t candidate = message.kind == RAFT_VOTE ? from->id : to;
    uint64_t *voted = &member->votes[message.term % TERM_MAX];
    if (!pre && message.term < member->promised_term) {
        fail(member->sim, "member %" PRIu64 " went back from term %" PRIu64 " to %" PRIu64,
             from->id, member->promised_term, message.term);
    }
    if (vote && *voted != 0 && *voted != candidate) {
        fail(member->sim, "member %" PRIu64 " voted twice in term %" PRIu64, from->id,
             message.term);
    }
    if (vote) {
        *voted = candidate;
    }
    if (!pre && message.term > member->promised_term) {
        member->promised_term = message.term;
    }
    raft_message_release(&message);
}

/* ---- members ---- */

static void on_opened(void *data, const struct error *error)
{
    struct member *member = data;
    struct sim1 *sim = member->sim;
    if (error == NULL) {
        struct raft *core = &member->node->core;
        member->opened = true;
        member->led_term = 0;
        core->append_entries_max = sim->append_entries_max;
        for (uint64_t i = core->trail.base.index + 1; i <= raft_trail_last(&core->trail); i++) {
            see_entry(sim, raft_trail_get(&core->trail, i));
        }
        return;
    }
    if (error->code == -EBADMSG || error->code == -EINVAL) {
        fail(sim, "member %" PRIu64 " refuses to start: %s", member->machine->id,
             error_message(error));
    }
    sim_at(&sim->world, 0, CALL_CRASH + member->machine->id);
}

static void boot(struct sim1 *sim, struct member *member)
{
    if (member->machine->alive) {
        return;
    }
    sim_boot(member->machine);
    member->state = (struct sim_state){0};
    member->opened = false;
    member->crashing = false;
    struct raft_peer peers[SIM_NODES_MAX] = {0};
    struct raft_config config = sim->config;
    for (size_t i = 0; i < sim->count; i++) {
        peers[i] = (struct raft_peer){.id = i + 1, .name = "m", .url = "http://m"};
    }
    member->fsm = (struct raft_fsm){.data = member,
                                    .apply = fsm_apply,
                                    .snapshot_take = fsm_take,
                                    .snapshot_read = fsm_read,
                                    .snapshot_release = fsm_release,
                                    .restore_begin = fsm_restore_begin,
                                    .restore_chunk = fsm_restore_chunk,
                                    .restore_end = fsm_restore_end};
    config.env = &member->machine->env;
    config.id = member->machine->id;
    config.peers = peers;
    config.peer_count = sim->count;
    config.fsm = &member->fsm;
    CLEANUP(error_release) struct error error = {0};
    if (raft_open(&config, on_opened, member, &member->node, &error) < 0) {
        fail(sim, "raft_open: %s", error_message(&error));
    }
}

/* A power cut: what raft_close() does for callers, without a file operation. */
static void kill_node(struct member *member)
{
    struct raft_node *node = member->node;
    node->dead = true;
    struct list *const reads[] = {&node->new_reads, &node->waiting_reads, &node->indexed_reads};
    for (size_t i = 0; i < ARRAY_LEN(reads); i++) {
        LIST_FOREACH(link, next, reads[i])
        {
            struct raft_waiting_read *read = LIST_ENTRY(link, struct raft_waiting_read, link);
            list_remove(link);
            if (read->done != NULL) {
                free(read->data);
            }
            free(read);
        }
    }
    struct list *const writes[] = {&node->new_proposals, &node->proposals};
    for (size_t i = 0; i < ARRAY_LEN(writes); i++) {
        LIST_FOREACH(link, next, writes[i])
        {
            struct raft_proposal *proposal = LIST_ENTRY(link, struct raft_proposal, link);
            list_remove(link);
            free(proposal->data);
            free(proposal);
        }
    }
    sim_power_cut(member->machine);
    raft_node_free(node);
    member->node = NULL;
}

static void crash(struct sim1 *sim, struct member *member)
{
    if (!member->machine->alive) {
        return;
    }
    sim->crashes++;
    kill_node(member);
    uint64_t down_ns = sim_exponential(&sim->world.schedule, 300 * NS_PER_MS);
    sim_at(&sim->world, down_ns, CALL_BOOT + member->machine->id);
}

static void on_crashed(struct sim_node *machine, const char *why)
{
    struct member *member = machine->owner;
    if (!member->sim->faults || strstr(why, ": stopped") != NULL) {
        fail(member->sim, "member %" PRIu64 " stopped: %s", machine->id, why);
    }
    sim_at(machine->world, 0, CALL_CRASH + machine->id);
}

static void on_receive(struct sim_node *to, uint64_t from, struct slice message)
{
    struct member *member = to->owner;
    if (member->opened) {
        raft_receive(member->node, from, message);
        if (!member->node->dead) {
            check_leader(member->sim, member);
            check_commit(member->sim, member);
        }
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
        check_durable(sim, write.member, index);
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
        fail(sim,
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
    for (size_t i = 0; i < sim->count; i++) {
        struct member *member = &sim->members[i];
        if (!member->opened || !member->machine->alive || member->node->dead) {
            continue;
        }
        /* Also a member that is paused gets calls: they wait with it. */
        if (raft_is_leader(member->node) && sim->applied_max < INDEX_MAX - 2000) {
            for (uint64_t n = sim_below(random, 4); n > 0; n--) {
                propose(sim, member);
            }
        }
        if (sim_below(random, 3) == 0) {
            start_read(sim, member);
        }
        if (sim_below(random, 200) == 0) {
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
        }
    }
}

static void fault(struct sim1 *sim)
{
    struct sim_random *random = &sim->world.schedule;
    if (!sim->faults) {
        return;
    }
    struct member *member = &sim->members[sim_below(random, sim->count)];
    uint64_t sum = sim->crash_weight + sim->pause_weight + sim->partition_weight;
    uint64_t pick = sim_below(random, sum);
    if (pick < sim->crash_weight) {
        crash(sim, member);
        if (sim_below(random, 8) == 0) { /* All at once. */
            for (size_t i = 0; i < sim->count; i++) {
                crash(sim, &sim->members[i]);
            }
        }
    } else if (pick < sim->crash_weight + sim->pause_weight) {
        member->machine->paused_until = sim->world.now + sim_exponential(random, 400 * NS_PER_MS);
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
    } else if (what >= CALL_CRASH) {
        crash(sim, &sim->members[what - CALL_CRASH - 1]);
    } else {
        boot(sim, &sim->members[what - CALL_BOOT - 1]);
    }
}

/* ---- one seed ---- */

static void knobs(struct sim1 *sim)
{
    struct sim_world *world = &sim->world;
    struct sim_random random = {world->seed ^ UINT64_C(0x6b6e6f6273)};
    static const uint32_t segments[] = {8192, 16384, 65536};
    static const uint32_t snapshots[] = {10, 50, 200, 100000};
    static const uint32_t faults[] = {0, 0, 200, 3000};
    static const uint32_t losses[] = {0, 10000, 100000, 300000};
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
    if (sim->config.snapshot_entries > 200) {
        sim->config.segment_bytes = 65536; /* Else too many files for a simulated directory. */
    }
    world->delay_min_ns = sim_below(&random, 2 * NS_PER_MS);
    world->delay_mean_ns = 100000 + sim_below(&random, 20 * NS_PER_MS);
    world->loss_per_million = losses[sim_below(&random, 4)];
    world->duplicate_per_million = losses[sim_below(&random, 4)];
    world->ordered = sim_below(&random, 2) == 0;
    sim->crash_weight = 1 + (uint32_t)sim_below(&random, 10);
    sim->pause_weight = 1 + (uint32_t)sim_below(&random, 10);
    sim->partition_weight = 1 + (uint32_t)sim_below(&random, 10);
    sim->equal_commands = sim_below(&random, 2) == 0;
    sim->append_entries_max = sim_below(&random, 10) == 0 ? 2 + sim_below(&random, 6) : 1024;
    sim->work_ns = (1 + sim_below(&random, 30)) * NS_PER_MS;
    uint32_t disk_fault = faults[sim_below(&random, 4)];
    for (size_t i = 0; i < sim->count; i++) {
        world->nodes[i].disk.fault_per_million = disk_fault;
        world->nodes[i].disk.latency_ns = 50000 + sim_below(&random, 10 * NS_PER_MS);
    }
}

static void heal(struct sim1 *sim)
{
    struct sim_world *world = &sim->world;
    sim->faults = false;
    world->loss_per_million = 0;
    world->duplicate_per_million = 0;
    world->delay_mean_ns = NS_PER_MS;
    memset(world->links, 0, sizeof(world->links));
    for (size_t i = 0; i < sim->count; i++) {
        world->nodes[i].paused_until = 0;
        world->nodes[i].disk.fault_per_million = 0;
        world->nodes[i].disk.latency_ns = 100000;
        boot(sim, &sim->members[i]);
    }
}

static void run_until(struct sim1 *sim, uint64_t until)
{
    while (sim->world.now < until && sim->failure[0] == '\0' && sim_run_one(&sim->world)) {
    }
}

/* Within 10 election timeouts (and time for snapshots) a leader serves, and all follow it. */
static void check_liveness(struct sim1 *sim)
{
    uint64_t start = sim->world.now;
    uint64_t before = sim->acked_max;
    uint64_t limit = start + 20 * sim->config.election_ms * NS_PER_MS;
    uint64_t goal = 0;
    while (sim->world.now < limit && sim->failure[0] == '\0') {
        run_until(sim, sim->world.now + 20 * NS_PER_MS);
        size_t caught_up = 0;
        if (goal == 0 && sim->acked_max > before) {
            goal = sim->acked_max;
        }
        for (size_t i = 0; i < sim->count; i++) {
            struct member *member = &sim->members[i];
            caught_up += member->opened && member->node != NULL && goal > 0 &&
                                 raft_applied_index(member->node) >= goal
                             ? 1
                             : 0;
        }
        if (caught_up == sim->count) {
            return;
        }
    }
    for (size_t i = 0; i < sim->count && sim->failure[0] == '\0'; i++) {
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
    fail(sim, "no progress after healing: goal %" PRIu64 ", acknowledged %" PRIu64, goal,
         sim->acked_max);
}

struct outcome {
    uint64_t events, trace, acks, reads, crashes, elections, installs;
    char failure[256];
};

static struct outcome run_seed(uint64_t seed)
{
    struct sim1 *sim = alloc_zeroed(sizeof(*sim));
    static const size_t sizes[] = {1, 3, 3, 3, 5};
    struct sim_random random = {seed};
    sim->count = sizes[sim_below(&random, ARRAY_LEN(sizes))];
    sim_init(&sim->world, seed, sim->count);
    sim->world.receive = on_receive;
    sim->world.sent = on_sent;
    sim->world.crashed = on_crashed;
    sim->world.call = on_call;
    sim->world.data = sim;
    sim->faults = true;
    knobs(sim);
    for (size_t i = 0; i < sim->count; i++) {
        sim->members[i].sim = sim;
        sim->members[i].machine = &sim->world.nodes[i];
        sim->world.nodes[i].owner = &sim->members[i];
        boot(sim, &sim->members[i]);
    }
    sim_at(&sim->world, NS_PER_MS, CALL_WORK);
    sim_at(&sim->world, 600 * NS_PER_MS, CALL_FAULT);
    run_until(sim, (3 + seed % 4) * NS_PER_S);
    heal(sim);
    check_liveness(sim);
    struct outcome outcome = {.events = sim->world.events,
                              .trace = sim->world.trace,
                              .acks = sim->acks,
                              .reads = sim->reads,
                              .crashes = sim->crashes,
                              .elections = sim->elections,
                              .installs = sim->snapshots_installed};
    memcpy(outcome.failure, sim->failure, sizeof(outcome.failure));
    for (size_t i = 0; i < sim->count; i++) {
        if (sim->members[i].machine->alive) {
            kill_node(&sim->members[i]);
        }
    }
    sim_release(&sim->world);
    free(sim);
    return outcome;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    uint64_t seeds = 100;
    uint64_t first = 1;
    struct outcome sum = {0};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seeds") == 0) {
            seeds = strtoull(argv[i + 1], NULL, 0);
        } else if (strcmp(argv[i], "--seed") == 0) {
            first = strtoull(argv[i + 1], NULL, 0);
        } else {
            (void)fprintf(stderr, "usage: sim1 [--seeds N] [--seed FIRST]\n");
            return 2;
        }
    }
    double start = seconds();
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        struct outcome outcome = run_seed(seed);
        if (outcome.failure[0] == '\0' && seed % 100 == 0) {
            struct outcome again = run_seed(seed);
            if (again.trace != outcome.trace) {
                (void)snprintf(outcome.failure, sizeof(outcome.failure),
                               "the same seed ran in two ways");
            }
        }
        if (outcome.failure[0] != '\0') {
            (void)printf("FAILED seed %" PRIu64 ": %s\n  again: sim1 --seed %" PRIu64
                         " --seeds 1\n",
                         seed, outcome.failure, seed);
            return 1;
        }
        sum.events += outcome.events;
        sum.acks += outcome.acks;
        sum.reads += outcome.reads;
        sum.crashes += outcome.crashes;
        sum.elections += outcome.elections;
        sum.installs += outcome.installs;
    }
    double took = seconds() - start;
    (void)printf("sim1: %" PRIu64 " seeds, %" PRIu64 " events (%.0f events/s, %.1f s), %" PRIu64
                 " acknowledged writes, %" PRIu64 " reads, %" PRIu64 " elections, %" PRIu64
                 " power cuts, %" PRIu64 " restores: no violation\n",
                 seeds, sum.events, (double)sum.events / took, took, sum.acks, sum.reads,
                 sum.elections, sum.crashes, sum.installs);
    return 0;
}
