#include "raft/core.h"

#include "lib/base/alloc.h"
#include "raft/core_internal.h"
#include "raft/plant.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Beyond these a peer is broken or hostile: adding to them could wrap. */
#define RAFT_NUMBER_MAX (UINT64_C(1) << 62)

void raft_init(struct raft *raft, const struct raft_start *start)
{
    assert(start->id != 0);
    *raft = (struct raft){
        .id = start->id,
        .cluster = start->cluster,
        .incarnation = start->incarnation,
        .heartbeat_ns = start->heartbeat_ns,
        .election_ns = start->election_ns,
        .random = start->seed | 1,
        .append_entries_max = RAFT_APPEND_ENTRIES_MAX,
        .term = start->term,
        .vote = start->vote,
        .commit = start->base.index,
        .stable = start->base.index,
        .verified = start->base.index,
        .members = start->members,
        .base_members = start->members,
        .members_index = start->base.index,
        .listed = !start->joined || start->incarnation == 0,
        .now_ns = start->now_ns,
        .answered_ns = start->now_ns,
        .attempts = start->seed,
    };
    raft_trail_init(&raft->trail, start->base);
    raft_note_listed(raft);
    raft_election_reset(raft);
}

void raft_release(struct raft *raft)
{
    raft_trail_release(&raft->trail);
    raft_progress_close(raft);
    free(raft->reads);
    raft->reads = NULL;
}

int raft_restore_entry(struct raft *raft, struct raft_entry *entry_consume)
{
    struct raft_entry *entry = entry_consume;
    if (entry->kind == RAFT_ENTRY_CONFIG) {
        struct raft_members members;
        if (raft_members_decode(raft_entry_data(entry), &members) < 0) {
            raft_entry_unref(entry);
            return -EBADMSG;
        }
        raft_set_members(raft, &members, entry->index);
    }
    if (entry->term > raft->term) {
        raft->term = entry->term; /* Its vote, if any, was for an earlier one. */
        raft->vote = 0;
    }
    raft->stable = entry->index;
    raft_trail_append(&raft->trail, entry);
    return 0;
}

uint64_t raft_find_members(const struct raft *raft, uint64_t index,
                           struct raft_members *ret_members)
{
    *ret_members = raft->base_members;
    for (uint64_t at = index; at > raft->trail.base.index; at--) {
        const struct raft_entry *entry = raft_trail_get(&raft->trail, at);
        if (entry != NULL && entry->kind == RAFT_ENTRY_CONFIG &&
            raft_members_decode(raft_entry_data(entry), ret_members) == 0) {
            return at;
        }
    }
    return raft->trail.base.index;
}

struct raft_members raft_members_at(const struct raft *raft, uint64_t index)
{
    struct raft_members members;
    (void)raft_find_members(raft, index, &members);
    return members;
}

struct raft_message *raft_send(struct raft *raft, struct raft_update *update, uint64_t to,
                               enum raft_message_kind kind)
{
    if (update->message_count == update->message_capacity) {
        update->message_capacity = update->message_capacity * 2 + 16;
        update->messages =
            alloc_resize(update->messages, update->message_capacity, sizeof(struct raft_message));
    }
    struct raft_message *message = &update->messages[update->message_count++];
    *message = (struct raft_message){.kind = kind,
                                     .cluster = raft->cluster,
                                     .from = raft->id,
                                     .to = to,
                                     .term = raft->term,
                                     .incarnation = raft->incarnation};
    return message;
}

/* What was agreed with the leader of one term says nothing about the log of the next one's. */
static void forget_leader(struct raft *raft)
{
    raft->verified = raft->commit;
    if (PLANTED != PLANT_ACK_OF_OLD_TERM) {
        raft->acknowledged = 0;
    }
}

void raft_set_term(struct raft *raft, struct raft_update *update, uint64_t term, uint64_t vote)
{
    assert(term > raft->term || (term == raft->term && vote != 0));
    if (term > raft->term) {
        forget_leader(raft);
    }
    raft->term = term;
    raft->vote = vote;
    update->meta = true;
}

void raft_become_follower(struct raft *raft, struct raft_update *update, uint64_t term,
                          uint64_t leader)
{
    bool new_term = term > raft->term;
    if (new_term) {
        raft_set_term(raft, update, term, 0);
        raft->leader_heard = false;
    }
    if (raft->role == RAFT_LEADER) {
        forget_leader(raft);
        raft_progress_close(raft);
        raft->transfer_to = 0;
        raft->change_pending = false;
    }
    if (raft->role != RAFT_FOLLOWER || new_term || raft->leader != leader) {
        raft_reads_leave(raft);
    }
    raft->role = RAFT_FOLLOWER;
    raft->leader = leader;
    raft->forced = false;
    raft_election_reset(raft);
}

static void append_in(struct raft *raft, struct raft_update *update, struct raft_entry_block *block,
                      enum raft_entry_kind kind, struct slice data)
{
    assert(raft->role == RAFT_LEADER);
    struct raft_point last = raft_trail_end(&raft->trail);
    struct raft_entry *entry =
        raft_entry_new_in(block, last.index + 1, raft->term, kind, last.chain, data);
    raft_trail_append(&raft->trail, entry);
    if (update->entries_from == 0) {
        update->entries_from = entry->index;
    }
}

void raft_append_own(struct raft *raft, struct raft_update *update, enum raft_entry_kind kind,
                     struct slice data)
{
    append_in(raft, update, /* block= */ NULL, kind, data);
}

void raft_set_commit(struct raft *raft, uint64_t commit)
{
    uint64_t last = raft_trail_last(&raft->trail);
    commit = commit < last ? commit : last;
    if (commit > raft->commit) {
        raft->commit = commit;
    }
}

/* ---- events ---- */

static int on_propose(struct raft *raft, const struct raft_event *event, struct raft_update *update)
{
    if (raft->role != RAFT_LEADER) {
        return -ENOTCONN;
    }
    if (raft->transfer_to != 0 || raft_members_find(&raft->members, raft->id) == NULL) {
        return -EAGAIN;
    }
    size_t bytes = 0;
    for (size_t i = 0; i < event->count; i++) {
        bytes += event->commands[i].len;
    }
    struct raft_entry_block *block = raft_entry_block_new(event->count, bytes);
    for (size_t i = 0; i < event->count; i++) {
        append_in(raft, update, block, RAFT_ENTRY_COMMAND, event->commands[i]);
    }
    raft_entry_block_release(block);
    return 0;
}

static bool from_leader(enum raft_message_kind kind)
{
    return kind == RAFT_APPEND || kind == RAFT_HEARTBEAT || kind == RAFT_SNAPSHOT ||
           kind == RAFT_TIMEOUT_NOW;
}

/* False when the message must not be looked at further. */
static bool term_allows(struct raft *raft, const struct raft_message *message,
                        struct raft_update *update)
{
    bool pre = message->kind == RAFT_PRE_VOTE ||
               (message->kind == RAFT_PRE_VOTE_RESULT && !message->reject);
    if (message->term > raft->term && !pre) {
        /* Leader stickiness: a member that was cut off cannot unseat a working leader. */
        if (message->kind == RAFT_VOTE && !message->force && raft_leader_is_fresh(raft) &&
            PLANTED != PLANT_REMOVED_DISRUPTS) {
            return false;
        }
        raft_become_follower(raft, update, message->term,
                             from_leader(message->kind) ? message->from : 0);
        return true;
    }
    if (message->term >= raft->term) {
        return true;
    }
    if (from_leader(message->kind)) {
        /* It does not know that its term is over; with pre-vote nobody else would tell it. */
        struct raft_message *answer = raft_send(raft, update, message->from, RAFT_APPEND_RESULT);
        answer->reject = true;
    } else if (message->kind == RAFT_PRE_VOTE || message->kind == RAFT_VOTE) {
        bool is_pre = message->kind == RAFT_PRE_VOTE;
        struct raft_message *answer = raft_send(raft, update, message->from,
                                                is_pre ? RAFT_PRE_VOTE_RESULT : RAFT_VOTE_RESULT);
        answer->reject = true;
    }
    return false;
}

static bool hear_leader(struct raft *raft, const struct raft_message *message,
                        struct raft_update *update)
{
    if (raft->role == RAFT_LEADER || (raft->leader != 0 && raft->leader != message->from)) {
        return false; /* Two leaders in one term: the sender is broken. */
    }
    if (raft->role != RAFT_FOLLOWER || raft->leader == 0) {
        raft_become_follower(raft, update, raft->term, message->from);
    }
    raft->leader_heard = true;
    raft->leader_heard_ns = raft->now_ns;
    raft_election_reset(raft);
    return true;
}

static void on_message(struct raft *raft, const struct raft_message *message,
                       struct raft_update *update)
{
    if (message->cluster != raft->cluster || message->to != raft->id || message->from == 0 ||
        message->from == raft->id || message->term > RAFT_NUMBER_MAX ||
        message->last.index > RAFT_NUMBER_MAX || message->commit > RAFT_NUMBER_MAX ||
        message->last.term > message->term || !raft_admits(raft, message)) {
        return;
    }
    if (message->kind == RAFT_REFUSED) {
        raft_on_refused(raft, message, update);
        return;
    }
    if (message->kind == RAFT_PRE_VOTE || message->kind == RAFT_VOTE) {
        raft_tell_removed(raft, message, update);
    }
    if (!term_allows(raft, message, update)) {
        return;
    }
    if (from_leader(message->kind) && !hear_leader(raft, message, update)) {
        return;
    }
    switch (message->kind) {
    case RAFT_PRE_VOTE:
    case RAFT_VOTE:
        raft_on_vote(raft, message, update);
        break;
    case RAFT_PRE_VOTE_RESULT:
    case RAFT_VOTE_RESULT:
        raft_on_vote_result(raft, message, update);
        break;
    case RAFT_APPEND:
        raft_on_append(raft, message, update);
        break;
    case RAFT_APPEND_RESULT:
        raft_on_append_result(raft, message, update);
        break;
    case RAFT_HEARTBEAT:
        raft_on_heartbeat(raft, message, update);
        break;
    case RAFT_HEARTBEAT_RESULT:
        raft_on_heartbeat_result(raft, message, update);
        break;
    case RAFT_READ:
        raft_on_read(raft, message);
        break;
    case RAFT_READ_RESULT:
        raft_on_read_result(raft, message, update);
        break;
    case RAFT_TIMEOUT_NOW:
        if (raft_may_lead(raft) && raft_is_whole(raft)) {
            raft_election_start(raft, update, /* pre= */ false, /* forced= */ true);
        }
        break;
    case RAFT_REFUSED:
    case RAFT_SNAPSHOT: /* Its bytes are the driver's: here it only counts as a sign of life. */
    case RAFT_SNAPSHOT_RESULT:
    case RAFT_FORWARD:
    case RAFT_FORWARD_RESULT:
    case RAFT_MESSAGE_KIND_END:
        break;
    }
}

static void on_persisted(struct raft *raft, const struct raft_event *event)
{
    if (event->epoch != raft->epoch) {
        return; /* The log was cut since that flush began; a later flush will tell. */
    }
    assert(event->index <= raft_trail_last(&raft->trail));
    if (event->index > raft->stable) {
        raft->stable = event->index;
    }
}

static void on_installed(struct raft *raft, const struct raft_event *event,
                         struct raft_update *update)
{
    struct raft_point held;
    if (event->point.index <= raft->commit) {
        return;
    }
    if (raft_trail_point(&raft->trail, event->point.index, &held) &&
        held.term == event->point.term) {
        raft_set_commit(raft, event->point.index); /* The entries are here: apply them. */
        if (raft->verified < event->point.index) {
            raft->verified = event->point.index;
        }
        return;
    }
    if (raft->role != RAFT_FOLLOWER) {
        raft_become_follower(raft, update, raft->term, 0); /* Votes were counted by place. */
    }
    raft_trail_reset(&raft->trail, event->point);
    raft->commit = event->point.index;
    raft->stable = event->point.index;
    raft->verified = event->point.index;
    raft->epoch++;
    raft->base_members = *event->members;
    raft_set_members(raft, event->members, event->point.index);
    update->installed = true;
}

static void on_compact(struct raft *raft, uint64_t index)
{
    assert(index <= raft->commit);
    if (index > raft->trail.base.index && index <= raft->stable) {
        if (PLANTED != PLANT_SNAPSHOT_OLD_MEMBERS) {
            raft->base_members = raft_members_at(raft, index);
        }
        raft_trail_compact(&raft->trail, index);
    }
}

/* Others may be better off. */
static void step_down(struct raft *raft, struct raft_update *update, const char *why)
{
    update->stepped_down = why;
    raft_become_follower(raft, update, raft->term, 0);
}

static void tick(struct raft *raft, struct raft_update *update)
{
    if (raft->role != RAFT_LEADER) {
        if (raft->now_ns < raft->election_at_ns) {
            return;
        }
        if (raft_may_lead(raft) && raft_is_whole(raft) && !raft->stalled) {
            raft_election_start(raft, update, /* pre= */ PLANTED != PLANT_REMOVED_DISRUPTS,
                                /* forced= */ false);
        } else {
            raft_become_follower(raft, update, raft->term, 0);
            raft_ask_around(raft, update);
        }
        return;
    }
    if (raft->stalled && !raft_votes_alone(raft)) {
        step_down(raft, update, "its disk has not done a write for an election timeout");
        return;
    }
    if (raft->transfer_to != 0 && raft->now_ns >= raft->transfer_until_ns) {
        raft->transfer_to = 0;
    }
    if (raft->now_ns >= raft->heartbeat_at_ns) {
        if (!raft_quorum_is_active(raft) && PLANTED != PLANT_NO_CHECK_QUORUM) {
            step_down(raft, update, "it has not heard of a majority for an election timeout");
            return;
        }
        raft_heartbeat(raft, update);
    }
}

/* For so long this member did not come to look: what others said meanwhile is still to be read, and
 * their silence was its own. */
static void forgive(struct raft *raft, uint64_t late_ns)
{
    if (raft->role == RAFT_LEADER) {
        raft_forgive_silence(raft, late_ns);
    } else if (!raft->forgiven && !raft_votes_alone(raft) &&
               raft->election_at_ns < raft->now_ns + raft->heartbeat_ns) {
        raft->forgiven = true; /* Once: one that never is in time shall find out all the same. */
        raft->election_at_ns = raft->now_ns + raft->heartbeat_ns;
    }
}

static int dispatch(struct raft *raft, const struct raft_event *event, struct raft_update *update)
{
    switch (event->kind) {
    case RAFT_EVENT_TICK:
        return 0; /* Done for every event. */
    case RAFT_EVENT_MESSAGE:
        on_message(raft, event->message, update);
        return 0;
    case RAFT_EVENT_PROPOSE:
        return on_propose(raft, event, update);
    case RAFT_EVENT_PERSISTED:
        on_persisted(raft, event);
        return 0;
    case RAFT_EVENT_READ:
        return raft_read_add(raft, /* from= */ 0, event->id);
    case RAFT_EVENT_TRANSFER:
        return raft_transfer(raft, event->id);
    case RAFT_EVENT_CHANGE:
        return raft_change_begin(raft, update, event->change);
    case RAFT_EVENT_INSTALLED:
        on_installed(raft, event, update);
        return 0;
    case RAFT_EVENT_COMPACT:
        on_compact(raft, event->index);
        return 0;
    }
    return -EINVAL;
}

static void check_invariants(const struct raft *raft)
{
    assert(raft->stable <= raft_trail_last(&raft->trail));
    assert(raft->commit <= raft_trail_last(&raft->trail));
    assert(raft->commit >= raft->trail.base.index);
    assert((raft->role == RAFT_LEADER) == (raft->progress != NULL));
}

int raft_step(struct raft *raft, const struct raft_event *event, struct raft_update *update)
{
    assert(update->message_count == 0);
    enum raft_role role = raft->role;
    uint64_t term = raft->term;
    uint64_t leader = raft->leader;
    uint64_t due_ns = raft_next_tick_ns(raft);
    uint64_t slept_ns = event->now_ns > raft->now_ns ? event->now_ns - raft->now_ns : 0;
    raft->now_ns += slept_ns;
    if (raft->now_ns > due_ns + raft->heartbeat_ns) {
        forgive(raft, raft->now_ns - due_ns);
    }
    bool absent = raft->role == RAFT_LEADER && slept_ns > raft->election_ns;
    raft->absences += absent;
    if (absent && !raft_votes_alone(raft)) {
        /* Others may lead by now: what waited in the queues must not be answered as leader, and
         * says whether they do. Where nobody else can, stepping down would only make a busy machine
         * busier. */
        step_down(raft, update, "it stood still for an election timeout");
        raft->election_at_ns = raft->now_ns + raft->heartbeat_ns;
        raft->forgiven = true;
    }
    int status = dispatch(raft, event, update);
    tick(raft, update);
    if (raft->role == RAFT_LEADER) {
        raft_leader_commit(raft);
        raft_change_continue(raft, update);
    }
    if (raft->role == RAFT_LEADER) {
        raft_replicate(raft, update);
        raft_transfer_continue(raft, update);
    } else {
        raft_acknowledge(raft, update);
    }
    raft_reads_continue(raft, update);
    update->role_changed = role != raft->role || term != raft->term || leader != raft->leader;
    check_invariants(raft);
    return status;
}

uint64_t raft_next_tick_ns(const struct raft *raft)
{
    if (raft->role == RAFT_LEADER) {
        return raft->heartbeat_at_ns;
    }
    if (raft->read_attempt != 0 && raft->read_attempt_at_ns < raft->election_at_ns) {
        return raft->read_attempt_at_ns;
    }
    return raft->election_at_ns;
}

void raft_update_clear(struct raft_update *update)
{
    for (size_t i = 0; i < update->message_count; i++) {
        raft_message_release(&update->messages[i]);
    }
    struct raft_update empty = {.messages = update->messages,
                                .message_capacity = update->message_capacity,
                                .reads = update->reads,
                                .read_capacity = update->read_capacity};
    *update = empty;
}

void raft_update_release(struct raft_update *update)
{
    raft_update_clear(update);
    free(update->messages);
    free(update->reads);
    *update = (struct raft_update){0};
}
