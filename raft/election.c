/* Elections: pre-vote, vote, and what makes a leader. Ongaro 2014, 3.4, 9.6. */
#include "lib/base/alloc.h"
#include "raft/core_internal.h"
#include <assert.h>
#include <string.h>

static uint64_t next_random(struct raft *raft)
{
    raft->random ^= raft->random << 13; /* xorshift64 (Marsaglia 2003) */
    raft->random ^= raft->random >> 7;
    raft->random ^= raft->random << 17;
    return raft->random;
}

void raft_election_reset(struct raft *raft)
{
    raft->election_at_ns =
        raft->now_ns + raft->election_ns + next_random(raft) % (raft->election_ns + 1);
    raft->forgiven = false;
}

bool raft_votes_alone(const struct raft *raft)
{
    for (size_t i = 0; i < raft->members.count; i++) {
        uint64_t id = raft->members.items[i].id;
        if (id != raft->id && raft_members_is_voter(&raft->members, id)) {
            return false;
        }
    }
    return raft_votes(raft);
}

void raft_election_reset_now(struct raft *raft, uint64_t now_ns)
{
    raft->now_ns = now_ns;
    raft_election_reset(raft);
    if (raft_votes_alone(raft)) {
        raft->election_at_ns = now_ns; /* There is no leader to hear of first. */
    }
}

bool raft_leader_is_fresh(const struct raft *raft)
{
    if (raft->role == RAFT_LEADER) {
        return true;
    }
    return raft->leader != 0 && raft->leader_heard &&
           raft->now_ns < raft->leader_heard_ns + raft->election_ns;
}

static void become_leader(struct raft *raft, struct raft_update *update)
{
    assert(raft->role == RAFT_CANDIDATE);
    raft->role = RAFT_LEADER;
    raft->leader = raft->id;
    raft->led_since_ns = raft->now_ns;
    raft->transfer_to = 0;
    raft->context = 0;
    raft->change_pending = false;
    raft->leaving_count = 0;
    raft->quorum_index = raft->members_index;
    raft_reads_leave(raft);
    raft_progress_open(raft);
    raft->term_start = raft_trail_last(&raft->trail) + 1;
    /* Only an entry of the own term commits those before it (Ongaro 2014, 3.6.2). */
    raft_append_own(raft, update, RAFT_ENTRY_NOOP, slice_of(NULL, 0));
    raft_heartbeat(raft, update);
}

static void count_votes(struct raft *raft, struct raft_update *update)
{
    if (!raft_members_quorum(&raft->members, raft->votes_granted)) {
        return;
    }
    if (raft->role == RAFT_PRE_CANDIDATE) {
        raft_election_start(raft, update, /* pre= */ false, /* forced= */ false);
    } else {
        become_leader(raft, update);
    }
}

void raft_election_start(struct raft *raft, struct raft_update *update, bool pre, bool forced)
{
    int own = raft_members_place(&raft->members, raft->id);
    assert(raft->role != RAFT_LEADER);
    raft_become_follower(raft, update, raft->term, 0);
    raft->role = pre ? RAFT_PRE_CANDIDATE : RAFT_CANDIDATE;
    raft->forced = forced;
    if (!pre) {
        raft_set_term(raft, update, raft->term + 1, raft->id);
    }
    memset(raft->votes_granted, 0, sizeof(raft->votes_granted));
    memset(raft->votes_answered, 0, sizeof(raft->votes_answered));
    if (own >= 0) {
        raft->votes_granted[own] = true;
    }
    for (size_t i = 0; i < raft->members.count; i++) {
        uint64_t id = raft->members.items[i].id;
        /* A learner's answer does not count, but it may know that this member was removed. */
        if (id == raft->id || (!pre && !raft_members_is_voter(&raft->members, id))) {
            continue;
        }
        struct raft_message *message = raft_send(raft, update, id, pre ? RAFT_PRE_VOTE : RAFT_VOTE);
        message->term = pre ? raft->term + 1 : raft->term;
        message->last = raft_trail_end(&raft->trail);
        message->force = forced;
    }
    count_votes(raft, update);
}

bool raft_is_whole(const struct raft *raft)
{
    struct raft_point last = raft_trail_end(&raft->trail);
    return !raft_floor_above(raft->floor, last.term, last.index) || PLANTED == PLANT_FORGET_DAMAGE;
}

static bool log_is_current(const struct raft *raft, const struct raft_message *message)
{
    struct raft_point last = raft_trail_end(&raft->trail);
    if (raft_floor_above(raft->floor, message->last.term, message->last.index) &&
        PLANTED != PLANT_FORGET_DAMAGE) {
        return false;
    }
    if (PLANTED == PLANT_VOTE_STALE_LOG) {
        return message->last.term >= last.term;
    }
    return message->last.term > last.term ||
           (message->last.term == last.term && message->last.index >= last.index);
}

void raft_on_vote(struct raft *raft, const struct raft_message *message, struct raft_update *update)
{
    bool pre = message->kind == RAFT_PRE_VOTE;
    bool free_vote =
        pre ? message->term > raft->term
            : raft->vote == 0 || raft->vote == message->from || PLANTED == PLANT_DOUBLE_VOTE;
    bool sticky = raft_leader_is_fresh(raft) && !message->force;
    sticky = sticky && PLANTED != PLANT_REMOVED_DISRUPTS;
    bool known = raft_knows(raft, message->from, message->incarnation);
    bool own = raft->listed || PLANTED == PLANT_LOST_DISK_COUNTS;
    bool grant = free_vote && !sticky && known && own && log_is_current(raft, message) &&
                 (pre || raft->role == RAFT_FOLLOWER);
    struct raft_message *answer =
        raft_send(raft, update, message->from, pre ? RAFT_PRE_VOTE_RESULT : RAFT_VOTE_RESULT);
    answer->reject = !grant;
    if (grant && pre) {
        answer->term = message->term;
    }
    if (grant && !pre) {
        if (raft->vote != message->from) {
            raft_set_term(raft, update, raft->term, message->from);
        }
        raft_election_reset(raft);
    }
}

void raft_on_vote_result(struct raft *raft, const struct raft_message *message,
                         struct raft_update *update)
{
    bool pre = message->kind == RAFT_PRE_VOTE_RESULT;
    enum raft_role wanted = pre ? RAFT_PRE_CANDIDATE : RAFT_CANDIDATE;
    uint64_t term = raft->term + (pre && !message->reject ? 1 : 0);
    int place = raft_members_place(&raft->members, message->from);
    if (raft->role != wanted || message->term != term || place < 0 || message->reject ||
        !raft_knows(raft, message->from, message->incarnation)) {
        return;
    }
    raft->votes_granted[place] = true;
    count_votes(raft, update);
}
