/* The follower's side of replication. Ongaro 2014, 3.5. */
#include "raft/core_internal.h"
#include <assert.h>

/* Where the leader should look next: before the run of entries of the term that conflicts, but
 * never before what is committed (that much is known to agree). */
static uint64_t conflict_hint(const struct raft *raft, uint64_t index)
{
    uint64_t last = raft_trail_last(&raft->trail);
    if (index > last) {
        return last;
    }
    struct raft_point point;
    uint64_t term = 0;
    while (index > raft->commit && raft_trail_point(&raft->trail, index, &point)) {
        if (term != 0 && point.term != term) {
            break;
        }
        term = point.term;
        index--;
    }
    return index;
}

static void reject(struct raft *raft, const struct raft_message *message,
                   struct raft_update *update)
{
    struct raft_message *answer = raft_send(raft, update, message->from, RAFT_APPEND_RESULT);
    answer->reject = true;
    answer->context = message->last.index;
    answer->last.index = conflict_hint(raft, message->last.index);
    answer->last.chain = message->context;
    answer->commit = raft->stable < raft->verified ? raft->stable : raft->verified;
}

static void truncate(struct raft *raft, struct raft_update *update, uint64_t from)
{
    raft_trail_truncate(&raft->trail, from);
    raft->epoch++;
    if (raft->stable >= from) {
        raft->stable = from - 1;
    }
    if (raft->members_index >= from && PLANTED != PLANT_CONFIG_NOT_ROLLED_BACK) {
        struct raft_members members; /* Ongaro 2014, 4.1: roll back. */
        uint64_t index = raft_find_members(raft, from - 1, &members);
        raft_set_members(raft, &members, index);
    }
    update->truncated = true;
    update->truncate_from = from;
}

/* 1: already there, 0: to be appended (what conflicted is gone), -1: stop, update->fatal is set. */
static int make_room(struct raft *raft, struct raft_update *update, const struct raft_entry *entry)
{
    struct raft_point held;
    if (!raft_trail_point(&raft->trail, entry->index, &held)) {
        return entry->index <= raft->trail.base.index ? 1 : 0;
    }
    if (held.term == entry->term && PLANTED != PLANT_TRUNCATE_COMMITTED) {
        if (held.chain != entry->chain) {
            update->fatal = "the log differs from the leader's at the same index and term";
            return -1;
        }
        return 1;
    }
    if (entry->index <= raft->commit && PLANTED != PLANT_TRUNCATE_COMMITTED) {
        update->fatal = "the leader's log contradicts an entry committed here";
        return -1;
    }
    if (entry->index <= raft->trail.base.index) {
        return 1;
    }
    if (raft->commit >= entry->index) {
        raft->commit = entry->index - 1; /* Only reached with a planted bug. */
    }
    truncate(raft, update, entry->index);
    return 0;
}

static bool take_entries(struct raft *raft, const struct raft_message *message,
                         struct raft_update *update)
{
    struct raft_members members;
    for (size_t i = 0; i < message->entry_count; i++) {
        struct raft_entry *entry = message->entries[i];
        bool configures = entry->kind == RAFT_ENTRY_CONFIG;
        if (configures && raft_members_decode(raft_entry_data(entry), &members) < 0) {
            return false; /* The rest is not taken; the leader will find out. */
        }
        int there = make_room(raft, update, entry);
        if (there < 0) {
            return false;
        }
        if (there > 0) {
            continue;
        }
        raft_trail_append(&raft->trail, raft_entry_ref(entry));
        if (update->entries_from == 0 || entry->index < update->entries_from) {
            update->entries_from = entry->index;
        }
        if (configures) {
            raft_set_members(raft, &members, entry->index);
        }
    }
    return true;
}

static void acknowledge(struct raft *raft, struct raft_update *update)
{
    raft->answered_ns = raft->now_ns;
    raft_send(raft, update, raft->leader, RAFT_APPEND_RESULT)->commit = raft->acknowledged;
}

void raft_on_append(struct raft *raft, const struct raft_message *message,
                    struct raft_update *update)
{
    struct raft_point held;
    uint64_t last = message->last.index + message->entry_count;
    bool compacted = message->last.index < raft->trail.base.index;
    if (!compacted) {
        if (!raft_trail_point(&raft->trail, message->last.index, &held) ||
            held.term != message->last.term) {
            reject(raft, message, update);
            return;
        }
        if (held.chain != message->last.chain) {
            update->fatal = "the log differs from the leader's at the same index and term";
            return;
        }
    }
    if (!take_entries(raft, message, update)) {
        return;
    }
    if (last > raft->verified) {
        raft->verified = last;
    }
    raft_set_commit(raft, message->commit < raft->verified ? message->commit : raft->verified);
    raft->leader_heard = true;
    if (message->entry_count == 0 && last <= raft->acknowledged) {
        return; /* News of the commit only; was that answer lost, one to a heartbeat says as much.
                 */
    }
    if (raft->stable >= last || PLANTED == PLANT_ACK_BEFORE_FLUSH) {
        raft->acknowledged =
            last < raft->stable || PLANTED == PLANT_ACK_BEFORE_FLUSH ? last : raft->stable;
        acknowledge(raft, update);
    } else if (raft->now_ns >= raft->answered_ns + 2 * raft->heartbeat_ns) {
        acknowledge(raft, update); /* Heartbeats wait behind entries: it is to know who listens. */
    }
}

void raft_acknowledge(struct raft *raft, struct raft_update *update)
{
    uint64_t match = raft->stable < raft->verified ? raft->stable : raft->verified;
    if (raft->role != RAFT_FOLLOWER || raft->leader == 0 || match <= raft->acknowledged) {
        return;
    }
    raft->acknowledged = match;
    acknowledge(raft, update);
}

void raft_on_heartbeat(struct raft *raft, const struct raft_message *message,
                       struct raft_update *update)
{
    bool bounded = PLANTED != PLANT_COMMIT_NOT_BOUNDED;
    uint64_t commit = message->commit;
    raft_set_commit(raft, bounded && commit > raft->verified ? raft->verified : commit);
    struct raft_message *answer = raft_send(raft, update, message->from, RAFT_HEARTBEAT_RESULT);
    raft->answered_ns = raft->now_ns;
    answer->context = message->context;
    answer->commit = raft->stable < raft->verified ? raft->stable : raft->verified;
    answer->reject = raft->verified < message->last.index;
    answer->last.index = raft->short_of_room ? RAFT_SHORT_OF_ROOM : 0;
}
