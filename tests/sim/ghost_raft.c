#include "tests/sim/ghost_raft.h"

#include "raft/log_format.h"
#include "raft/node.h"
#include "raft/wire.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* ---- durability ---- */

struct record { /* The head of one, as it lies on the disk. */
    uint64_t magic, index, chain;
    uint32_t len, crc;
};

static struct record record_at(struct slice bytes, size_t at)
{
    struct record record;
    struct wire_reader reader = {.left = slice_of(bytes.data + at, RECORD_HEAD)};
    record.magic = wire_u64(&reader);
    record.index = wire_u64(&reader);
    (void)wire_u64(&reader);
    record.chain = wire_u64(&reader);
    (void)wire_u64(&reader);
    (void)wire_u64(&reader);
    record.len = wire_u32(&reader);
    (void)wire_u32(&reader);
    record.crc = wire_u32(&reader);
    return record;
}

static bool found_from(const struct sim_inode *inode, size_t at, uint64_t index, uint64_t chain,
                       struct ghost_cursor *cursor)
{
    struct slice bytes = slice_of(inode->durable, inode->durable_len);
    while (at + RECORD_HEAD <= bytes.len) {
        struct record record = record_at(bytes, at);
        if (record.magic == 0 || record.index > index ||
            RECORD_HEAD + (size_t)record.len > bytes.len - at) {
            return false;
        }
        *cursor = (struct ghost_cursor){inode, at, record.index};
        if (record.index == index) {
            struct slice data = slice_of(bytes.data + at + RECORD_HEAD, record.len);
            return record.chain == chain && crc32c(0, data) == record.crc;
        }
        at += record_size(record.len);
    }
    return false;
}

/* First from where the search before ended; what lies there may be left of a truncated tail. */
static bool durable_in_log(const struct sim_inode *inode, uint64_t index, uint64_t chain,
                           struct ghost_cursor *cursor)
{
    bool near = cursor->inode == inode && cursor->index <= index;
    return (near && found_from(inode, cursor->offset, index, chain, cursor)) ||
           found_from(inode, SEGMENT_HEAD, index, chain, cursor);
}

/* A segment's name is the index of its first entry, a snapshot's that of its last. */
static bool durable_on(const struct sim_node *machine, uint64_t index, uint64_t chain,
                       struct ghost_cursor *cursor)
{
    const char *name;
    const struct sim_inode *inode;
    const struct sim_inode *likely = NULL;
    uint64_t likely_first = 0;
    for (size_t i = 0; (inode = sim_durable_file(machine, i, &name)) != NULL; i++) {
        bool log = strncmp(name, "log-", 4) == 0;
        bool snapshot = strncmp(name, "snap-", 5) == 0;
        uint64_t number = log || snapshot ? strtoull(strchr(name, '-') + 1, NULL, 16) : 0;
        if (snapshot && number >= index) {
            return true;
        }
        if (log && number <= index && number >= likely_first) {
            likely = inode;
            likely_first = number;
        }
    }
    if (likely != NULL && durable_in_log(likely, index, chain, cursor)) {
        return true;
    }
    for (size_t i = 0; (inode = sim_durable_file(machine, i, &name)) != NULL; i++) {
        struct ghost_cursor beginning = {0}; /* After a truncation, there may be leftovers. */
        if (inode != likely && strncmp(name, "log-", 4) == 0 &&
            strtoull(name + 4, NULL, 16) <= index &&
            durable_in_log(inode, index, chain, &beginning)) {
            return true;
        }
    }
    return false;
}

void ghost_wiped(struct ghost_raft *ghost, uint64_t member)
{
    ghost->members[member - 1] = (struct ghost_member){.wiped = true};
}

static bool held_by_quorum(struct ghost_raft *ghost, const struct raft_members *members,
                           uint64_t index, uint64_t chain)
{
    bool held[RAFT_MEMBERS_MAX] = {false};
    for (size_t i = 0; i < members->count; i++) {
        uint64_t id = members->items[i].id;
        held[i] = id <= ghost->world->node_count &&
                  (ghost->members[id - 1].wiped || ghost->damaged[id - 1] ||
                   durable_on(&ghost->world->nodes[id - 1], index, chain, &ghost->cursors[id - 1]));
        if (held[i] && raft_members_quorum(members, held)) {
            return true;
        }
    }
    return false;
}

/* It was committed in one of the configurations from the one in force at its place on: when that
 * one is joint, perhaps in the one that follows it. */
void ghost_committed(struct ghost_raft *ghost, const struct raft *leader, uint64_t index)
{
    struct raft_point point;
    if (!raft_trail_point(&leader->trail, index, &point)) {
        return;
    }
    struct raft_members then = raft_members_at(leader, index);
    struct raft_members after = then;
    raft_members_leave(&after);
    if (!held_by_quorum(ghost, &then, index, point.chain) &&
        !held_by_quorum(ghost, &after, index, point.chain)) {
        sim_fail(ghost->world,
                 "entry %" PRIu64 " was committed without a majority of durable copies", index);
    }
}

/* ---- leaders ---- */

static void check_leader(struct ghost_raft *ghost, const struct raft *core)
{
    uint64_t *leader = &ghost->leaders[core->term % GHOST_TERM_MAX];
    if (core->role != RAFT_LEADER) {
        return;
    }
    if (*leader != 0 && *leader != core->id) {
        sim_fail(ghost->world, "term %" PRIu64 " has two leaders", core->term);
    }
    if (*leader != 0) {
        return;
    }
    *leader = core->id;
    ghost->elections++;
    sim_say(ghost->world, "member %" PRIu64 " leads in term %" PRIu64, core->id, core->term);
    uint64_t committed = ghost->applied_max;
    while (committed > 0 && (ghost->entries[committed].committed_in == 0 || /* A no-op. */
                             ghost->entries[committed].committed_in >= core->term)) {
        committed--; /* Committed beside or after this leader. */
    }
    const struct raft_entry *entry = raft_trail_get(&core->trail, committed);
    uint64_t term = ghost->entries[committed].term;
    if (raft_trail_last(&core->trail) < committed ||
        (entry != NULL && term != 0 && entry->term != term)) {
        sim_fail(ghost->world,
                 "leader completeness: the leader of term %" PRIu64 " lacks entry %" PRIu64,
                 core->term, committed);
    }
}

/* Ongaro 2014, 3.6.2: a leader moves its commit index only to entries of its own term. */
static void check_commit(struct ghost_raft *ghost, const struct raft *core)
{
    struct ghost_member *member = &ghost->members[core->id - 1];
    struct raft_point point;
    bool leads = core->role == RAFT_LEADER;
    if (leads && member->led_term == core->term && core->commit > member->led_commit &&
        raft_trail_point(&core->trail, core->commit, &point) && point.term != core->term) {
        sim_fail(ghost->world,
                 "the leader of term %" PRIu64 " committed entry %" PRIu64 " of term %" PRIu64,
                 core->term, core->commit, point.term);
    }
    if (leads && member->led_term == core->term && core->commit > member->led_commit) {
        ghost_committed(ghost, core, core->commit);
    }
    member->led_term = leads ? core->term : 0;
    member->led_commit = core->commit;
}

void ghost_stepped(struct ghost_raft *ghost, const struct raft *core)
{
    check_leader(ghost, core);
    check_commit(ghost, core);
}

/* ---- entries ---- */

/* Log matching, also of what is not committed: index and term have one content and one past. */
static void see_entry(struct ghost_raft *ghost, const struct raft_entry *entry)
{
    if (entry->index >= GHOST_INDEX_MAX) {
        return;
    }
    for (size_t i = 0; i < GHOST_SEEN_TERMS; i++) {
        uint64_t term = ghost->seen[entry->index][i].term;
        if (term == entry->term && ghost->seen[entry->index][i].chain != entry->chain) {
            sim_fail(ghost->world,
                     "log matching: entry %" PRIu64 " of term %" PRIu64 " exists in two versions",
                     entry->index, entry->term);
        }
        if (term == entry->term || term == 0) {
            ghost->seen[entry->index][i].term = entry->term;
            ghost->seen[entry->index][i].chain = entry->chain;
            return;
        }
    }
}

/* What a member says it keeps: term and vote of what it once said. */
static void check_promise(struct ghost_raft *ghost, uint64_t from, uint64_t to,
                          const struct raft_message *message)
{
    struct ghost_member *member = &ghost->members[from - 1];
    bool forward = message->kind == RAFT_FORWARD || message->kind == RAFT_FORWARD_RESULT;
    bool pre = message->kind == RAFT_PRE_VOTE || message->kind == RAFT_PRE_VOTE_RESULT || forward;
    bool vote =
        (message->kind == RAFT_VOTE_RESULT && !message->reject) || message->kind == RAFT_VOTE;
    uint64_t candidate = message->kind == RAFT_VOTE ? from : to;
    uint64_t *voted = &member->votes[message->term % GHOST_TERM_MAX];
    if (!pre && message->term < member->promised_term) {
        sim_fail(ghost->world,
                 "member %" PRIu64 " went back from term %" PRIu64 " to %" PRIu64 " (message %d)",
                 from, member->promised_term, message->term, (int)message->kind);
    }
    if (vote && *voted != 0 && *voted != candidate) {
        sim_fail(ghost->world, "member %" PRIu64 " voted twice in term %" PRIu64, from,
                 message->term);
    }
    if (vote) {
        *voted = candidate;
    }
    if (!pre && message->term > member->promised_term) {
        member->promised_term = message->term;
    }
}

/* What a member tells the leader of its term that it has: it is on that member's disk, and it is
 * what the leader has in that place. */
static void check_told(struct ghost_raft *ghost, uint64_t from, uint64_t to,
                       const struct raft_message *message)
{
    const struct raft *core = ghost->core_of(ghost->world, from);
    const struct raft *leader = ghost->core_of(ghost->world, to);
    struct raft_point point, led;
    if ((message->kind != RAFT_APPEND_RESULT && message->kind != RAFT_HEARTBEAT_RESULT) ||
        message->commit == 0 || core == NULL || core->term != message->term ||
        message->commit < core->trail.base.index) {
        return;
    }
    if (!raft_trail_point(&core->trail, message->commit, &point) ||
        !(ghost->damaged[from - 1] /* What a snapshot replaces may be unreadable. */ ||
          durable_on(&ghost->world->nodes[from - 1], point.index, point.chain,
                     &ghost->cursors[from - 1]))) {
        sim_fail(ghost->world,
                 "member %" PRIu64 " tells the leader of term %" PRIu64
                 " that it has entry %" PRIu64 ", which is not durable",
                 from, message->term, message->commit);
        return;
    }
    if (leader != NULL && leader->role == RAFT_LEADER && leader->term == message->term &&
        raft_trail_point(&leader->trail, point.index, &led) && led.chain != point.chain) {
        sim_fail(ghost->world,
                 "member %" PRIu64 " tells the leader of term %" PRIu64
                 " that it has entry %" PRIu64 ", and has another one",
                 from, message->term, message->commit);
    }
}

static void say_message(struct ghost_raft *ghost, const struct raft_message *message)
{
    if (ghost->world->verbose > 1) {
        sim_say(ghost->world,
                "%" PRIu64 " -> %" PRIu64 " kind %d term %" PRIu64 " last %" PRIu64 ".%" PRIu64
                " commit %" PRIu64 " context %" PRIu64 " entries %zu bytes %zu%s",
                message->from, message->to, (int)message->kind, message->term, message->last.index,
                message->last.term, message->commit, message->context, message->entry_count,
                message->bytes.len, message->reject ? " rejected" : "");
    }
}

void ghost_sent(struct ghost_raft *ghost, uint64_t from, uint64_t to, struct slice bytes)
{
    struct raft_message message;
    int status = raft_message_peek(bytes, &message);
    if (status == 0 && (message.kind == RAFT_APPEND || ghost->world->verbose > 1)) {
        status = raft_message_decode(bytes, &message); /* Its entries too. */
    }
    if (status < 0) {
        sim_fail(ghost->world, "member %" PRIu64 " sent what cannot be decoded", from);
        return;
    }
    say_message(ghost, &message);
    for (size_t i = 0; i < message.entry_count; i++) {
        see_entry(ghost, message.entries[i]);
    }
    check_promise(ghost, from, to, &message);
    check_told(ghost, from, to, &message);
    raft_message_release(&message);
}

void ghost_opened(struct ghost_raft *ghost, const struct raft *core)
{
    ghost->members[core->id - 1].led_term = 0;
    for (uint64_t i = core->trail.base.index + 1; i <= raft_trail_last(&core->trail); i++) {
        see_entry(ghost, raft_trail_get(&core->trail, i));
    }
}

bool ghost_applied(struct ghost_raft *ghost, uint64_t member, uint64_t member_term, uint64_t index,
                   uint64_t term, uint64_t value_hash, uint64_t state_hash)
{
    if (index >= GHOST_INDEX_MAX) {
        sim_fail(ghost->world, "the log is longer than the simulator remembers");
        return false;
    }
    struct ghost_entry *entry = &ghost->entries[index];
    ghost->applied_max = index > ghost->applied_max ? index : ghost->applied_max;
    if (entry->term == 0) {
        *entry = (struct ghost_entry){term, value_hash, state_hash, member_term};
        return true;
    }
    if (entry->term != term || entry->value_hash != value_hash) {
        sim_fail(ghost->world, "log matching: entry %" PRIu64 " differs on member %" PRIu64, index,
                 member);
        return false;
    }
    if (entry->state_hash != state_hash) {
        sim_fail(ghost->world, "state differs after entry %" PRIu64 " on member %" PRIu64, index,
                 member);
        return false;
    }
    return true;
}

void ghost_restored(struct ghost_raft *ghost, uint64_t member, uint64_t index, uint64_t state_hash)
{
    if (index == 0 || index >= GHOST_INDEX_MAX) {
        return;
    }
    const struct ghost_entry *entry = &ghost->entries[index];
    if (entry->term != 0 && entry->state_hash != state_hash) {
        sim_fail(ghost->world, "snapshot at %" PRIu64 " on member %" PRIu64 " holds another state",
                 index, member);
    }
}

/* ---- power cuts ---- */

void sim_raft_power_cut(struct sim_node *machine, struct raft_node *node)
{
    node->dead = true;
    struct list *const reads[] = {&node->new_reads, &node->waiting_reads, &node->indexed_reads};
    for (size_t i = 0; i < ARRAY_LEN(reads); i++) {
        LIST_FOREACH(link, next, reads[i])
        {
            struct raft_waiting_read *read = LIST_ENTRY(link, struct raft_waiting_read, link);
            list_remove(link);
            if (read->done != NULL) {
                read->done(read->data, -ECANCELED, 0);
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
            proposal->done(proposal->data, -ECANCELED, 0);
            free(proposal);
        }
    }
    LIST_FOREACH(link, next, &node->forwards)
    {
        struct raft_forward_call *call = LIST_ENTRY(link, struct raft_forward_call, link);
        list_remove(link);
        call->done(call->data, -ECANCELED, slice_of(NULL, 0));
        free(call);
    }
    raft_node_apply_cancel(node);
    raft_node_change_cancel(node);
    sim_power_cut(machine);
    raft_node_free(node);
}
