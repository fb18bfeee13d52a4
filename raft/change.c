/* Changes of the members: what a change makes of the configuration, when it may begin, and how the
 * leader takes it to its end. Ongaro 2014, 4.1 to 4.3; the reasons for each choice are in
 * docs/decisions/membership.md. */
#include "lib/base/url_list.h"
#include "raft/core_internal.h"
#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
    SYNC_PERCENT = 90,   /* What a learner must have of the leader's log (etcd's readyPercent). */
    JOIN_LAG_MAX = 1024, /* Entries that a joining member may still lack when it gets its vote. */
};

void raft_note_listed(struct raft *raft)
{
    const struct raft_member *own = raft_members_find(&raft->members, raft->id);
    raft->listed = raft->listed || (own != NULL && own->incarnation == raft->incarnation);
}

void raft_set_members(struct raft *raft, const struct raft_members *members, uint64_t index)
{
    struct raft_members before = raft->members;
    raft->members = *members;
    raft->members_index = index;
    raft->members_version++;
    raft->removed = raft->removed && raft_members_find(members, raft->id) == NULL;
    raft_note_listed(raft);
    if (raft->progress != NULL) {
        raft_progress_adjust(raft, &before);
    }
}

static bool votes_in(const struct raft *raft, const struct raft_members *members)
{
    const struct raft_member *own = raft_members_find(members, raft->id);
    return own != NULL && (own->flags & (RAFT_MEMBER_VOTER | RAFT_MEMBER_VOTER_OLD)) != 0 &&
           (own->incarnation == 0 || own->incarnation == raft->incarnation ||
            PLANTED == PLANT_LOST_DISK_COUNTS);
}

bool raft_votes(const struct raft *raft)
{
    return votes_in(raft, &raft->members);
}

/* Also a member that is none in the newest configuration may be needed until that is committed: it
 * may be the only one that has it (Ongaro 2014, 4.2.2). Its own vote does not count then. */
bool raft_may_lead(const struct raft *raft)
{
    if (raft_votes(raft)) {
        return true;
    }
    if (raft->members_index <= raft->commit) {
        return false;
    }
    struct raft_members before = raft_members_at(raft, raft->members_index - 1);
    return votes_in(raft, &before);
}

bool raft_knows(const struct raft *raft, uint64_t id, uint64_t incarnation)
{
    const struct raft_member *member = raft_members_find(&raft->members, id);
    return member == NULL || member->incarnation == 0 || member->incarnation == incarnation ||
           PLANTED == PLANT_LOST_DISK_COUNTS;
}

bool raft_admits(const struct raft *raft, const struct raft_message *head)
{
    switch (head->kind) {
    case RAFT_PRE_VOTE: /* A candidate may be newer than the configuration here (Ongaro 4.2.3). */
    case RAFT_VOTE:
    case RAFT_REFUSED:
        return true;
    case RAFT_APPEND:
    case RAFT_HEARTBEAT:
    case RAFT_SNAPSHOT:
    case RAFT_TIMEOUT_NOW: /* So may a leader. One whose term is over may not. */
        return head->term >= raft->term || raft_members_find(&raft->members, head->from) != NULL;
    case RAFT_PRE_VOTE_RESULT:
    case RAFT_VOTE_RESULT:
    case RAFT_APPEND_RESULT:
    case RAFT_HEARTBEAT_RESULT:
    case RAFT_READ:
    case RAFT_READ_RESULT:
    case RAFT_SNAPSHOT_RESULT:
    case RAFT_FORWARD:
    case RAFT_FORWARD_RESULT:
    case RAFT_MESSAGE_KIND_END:
        break;
    }
    return head->from == raft->leader || raft_members_find(&raft->members, head->from) != NULL;
}

/* ---- what a change makes of the configuration ---- */

static bool is_active(struct raft *raft, const struct raft_member *member)
{
    const struct raft_progress *progress = raft_progress_of(raft, member->id);
    return member->id == raft->id || (progress != NULL && progress->contacted &&
                                      raft->now_ns < progress->contact_ns + raft->election_ns);
}

/* How many voters there are, and how many of them are known to run, if `without` were none and
 * `with` were one. */
static bool keeps_quorum(struct raft *raft, uint64_t without, uint64_t with)
{
    size_t voters = 0;
    size_t active = 0;
    for (size_t i = 0; i < raft->members.count; i++) {
        const struct raft_member *member = &raft->members.items[i];
        bool votes = (member->flags & RAFT_MEMBER_VOTER) != 0 || member->id == with;
        if (votes && member->id != without) {
            voters++;
            active += is_active(raft, member) ? 1 : 0;
        }
    }
    return active > voters / 2;
}

/* etcd's rule for a new voter, which counts as one that does not run, as do those that were added
 * before and never started. One member alone may always get a second one. */
static bool may_grow(struct raft *raft)
{
    size_t voters = 1;
    size_t active = 0;
    for (size_t i = 0; i < raft->members.count; i++) {
        const struct raft_member *member = &raft->members.items[i];
        if ((member->flags & (RAFT_MEMBER_VOTER | RAFT_MEMBER_JOINING)) != 0) {
            voters++;
            active += is_active(raft, member) ? 1 : 0;
        }
    }
    return active > voters / 2 || (voters == 2 && active == 1);
}

static bool url_taken(const struct raft_members *members, const struct raft_change *change)
{
    for (size_t i = 0; i < members->count; i++) {
        const struct raft_member *member = &members->items[i];
        if (member->id != change->id && change->url != NULL &&
            url_list_overlaps(member->url, change->url)) {
            return true;
        }
    }
    return false;
}

static size_t count_learners(const struct raft_members *members)
{
    size_t count = 0;
    for (size_t i = 0; i < members->count; i++) {
        uint8_t kind = members->items[i].flags & (RAFT_MEMBER_LEARNER | RAFT_MEMBER_JOINING);
        count += kind == RAFT_MEMBER_LEARNER ? 1 : 0;
    }
    return count;
}

static int plan_add(struct raft *raft, const struct raft_change *change, struct raft_members *next)
{
    if (change->url == NULL || change->url[0] == '\0' || strlen(change->url) >= RAFT_URL_MAX ||
        (change->name != NULL && strlen(change->name) >= RAFT_NAME_MAX)) {
        return -EINVAL;
    }
    if (raft_members_find(next, change->id) != NULL) {
        return -EEXIST;
    }
    if (url_taken(next, change)) {
        return -EADDRINUSE;
    }
    if (next->count == RAFT_MEMBERS_MAX) {
        return -ENOSPC;
    }
    if (change->learner && count_learners(next) >= RAFT_LEARNERS_MAX) {
        return -EDQUOT;
    }
    if (!change->learner && !may_grow(raft)) {
        return -EPERM;
    }
    uint8_t flags = RAFT_MEMBER_LEARNER | (change->learner ? 0 : RAFT_MEMBER_JOINING);
    return raft_members_add(next, change->id, change->name == NULL ? "" : change->name, change->url,
                            flags);
}

static int plan_remove(struct raft *raft, size_t place, struct raft_members *next)
{
    struct raft_member *member = &next->items[place];
    if ((member->flags & RAFT_MEMBER_VOTER) == 0) {
        raft_members_remove(next, place);
        return 0;
    }
    if (!keeps_quorum(raft, member->id, /* with= */ 0)) {
        return -EPERM;
    }
    raft_members_enter(next);
    member->flags = RAFT_MEMBER_VOTER_OLD;
    return 0;
}

/* It has nearly all, and the configuration that lists it: without that it gives no votes. */
static bool in_sync(struct raft *raft, const struct raft_member *member)
{
    const struct raft_progress *progress = raft_progress_of(raft, member->id);
    uint64_t last = raft_trail_last(&raft->trail);
    return progress != NULL && progress->state == RAFT_REPLICATE && is_active(raft, member) &&
           (member->incarnation != 0 || raft->incarnation == 0) &&
           progress->match >= raft->members_index &&
           progress->match >= last / 100 * SYNC_PERCENT + last % 100 * SYNC_PERCENT / 100;
}

static int plan_promote(struct raft *raft, size_t place, struct raft_members *next)
{
    struct raft_member *member = &next->items[place];
    if ((member->flags & RAFT_MEMBER_VOTER) != 0) {
        return -EALREADY;
    }
    if (!in_sync(raft, member)) {
        return -EAGAIN;
    }
    if (!keeps_quorum(raft, /* without= */ 0, member->id)) {
        return -EPERM;
    }
    raft_members_enter(next);
    member->flags = RAFT_MEMBER_VOTER;
    return 0;
}

static int plan(struct raft *raft, const struct raft_change *change, struct raft_members *next)
{
    *next = raft->members;
    int place = raft_members_place(next, change->id);
    if (change->id == 0) {
        return -EINVAL;
    }
    if (change->kind == RAFT_CHANGE_ADD) {
        return plan_add(raft, change, next);
    }
    if (place < 0) {
        return -ENOENT;
    }
    switch (change->kind) {
    case RAFT_CHANGE_REMOVE:
        return plan_remove(raft, (size_t)place, next);
    case RAFT_CHANGE_PROMOTE:
        return plan_promote(raft, (size_t)place, next);
    case RAFT_CHANGE_UPDATE:
        return url_taken(next, change)
                   ? -EADDRINUSE
                   : raft_members_rename(next, (size_t)place, change->name, change->url);
    case RAFT_CHANGE_ADD:
        break;
    }
    return -EINVAL;
}

/* ---- when it may begin ---- */

/* The configuration before must be committed, and so must an entry of the own term: else two
 * leaders could each build on one that the other does not know (Ongaro, raft-dev, 2015). */
static bool may_begin(const struct raft *raft)
{
    bool own_term = raft->commit >= raft->term_start || PLANTED == PLANT_CHANGE_BEFORE_OWN_TERM;
    bool alone = raft->quorum_index <= raft->commit || PLANTED == PLANT_CHANGES_OVERLAP;
    return own_term && alone && !raft_members_joint(&raft->members) && !raft->change_pending &&
           raft->transfer_to == 0 && raft_members_find(&raft->members, raft->id) != NULL;
}

int raft_change_check(struct raft *raft, const struct raft_change *change,
                      struct raft_members *ret_next)
{
    struct raft_members next;
    if (raft->role != RAFT_LEADER) {
        return -ENOTCONN;
    }
    int status = plan(raft, change, &next);
    if (status < 0) {
        return status;
    }
    if (!may_begin(raft)) {
        return -EBUSY;
    }
    *ret_next = next;
    return 0;
}

/* Whoever is in `before` and not in the configuration that is in force now. */
static void note_leaving(struct raft *raft, const struct raft_members *before)
{
    raft->leaving_count = 0;
    for (size_t i = 0; i < before->count; i++) {
        const struct raft_member *member = &before->items[i];
        if (member->id != raft->id && raft_members_find(&raft->members, member->id) == NULL) {
            raft->leaving[raft->leaving_count++] =
                (struct raft_leaving){member->id, member->incarnation};
        }
    }
}

static void append_members(struct raft *raft, struct raft_update *update,
                           const struct raft_members *members)
{
    struct buffer bytes;
    buffer_init(&bytes, RAFT_COMMAND_MAX);
    raft_members_encode(members, &bytes);
    assert(buffer_error(&bytes) == 0);
    raft_append_own(raft, update, RAFT_ENTRY_CONFIG, buffer_slice(&bytes));
    buffer_release(&bytes);
    raft_set_members(raft, members, raft_trail_last(&raft->trail));
}

int raft_change_begin(struct raft *raft, struct raft_update *update,
                      const struct raft_change *change)
{
    struct raft_members next;
    int status = raft_change_check(raft, change, &next);
    if (status < 0) {
        return status;
    }
    struct raft_members before = raft->members;
    append_members(raft, update, &next);
    note_leaving(raft, &before);
    raft->quorum_index = raft->members_index;
    raft->change_pending = true;
    return 0;
}

/* ---- how it goes on ---- */

/* The term that goes with it is that of the configuration, or of the base that it is part of. */
static void refuse(struct raft *raft, struct raft_update *update, uint64_t to, uint64_t incarnation)
{
    struct raft_message *answer = raft_send(raft, update, to, RAFT_REFUSED);
    struct raft_point point = raft->trail.base;
    (void)raft_trail_point(&raft->trail, raft->members_index, &point);
    answer->context = RAFT_REFUSED_REMOVED;
    answer->last.term = point.term;
    answer->last.index = raft->members_index;
    answer->last.chain = incarnation;
}

/* At once, if that gets through: else when they ask for votes, or around. */
static void tell_leaving(struct raft *raft, struct raft_update *update)
{
    for (size_t i = 0; i < raft->leaving_count; i++) {
        refuse(raft, update, raft->leaving[i].id, raft->leaving[i].incarnation);
    }
    raft->leaving_count = 0;
}

/* Not a member any more: the one that has everything stands for election at once. */
static void hand_over(struct raft *raft, struct raft_update *update)
{
    uint64_t last = raft_trail_last(&raft->trail);
    for (size_t i = 0; i < raft->members.count; i++) {
        const struct raft_member *member = &raft->members.items[i];
        if ((member->flags & RAFT_MEMBER_VOTER) != 0 && raft->progress[i].match == last &&
            is_active(raft, member)) {
            (void)raft_send(raft, update, member->id, RAFT_TIMEOUT_NOW);
            break;
        }
    }
    raft->removed = true;
    raft_become_follower(raft, update, raft->term, 0);
}

/* The identity of data that was heard of for the first time gets into the log, so that the member
 * cannot come back without that data unnoticed. Voters stay the same: quorums do not change. */
static void record_identities(struct raft *raft, struct raft_update *update)
{
    struct raft_members next = raft->members;
    bool news = false;
    for (size_t i = 0; i < next.count; i++) {
        struct raft_member *member = &next.items[i];
        uint64_t found = member->id == raft->id ? raft->incarnation : raft->progress[i].incarnation;
        if (member->incarnation == 0 && found != 0) {
            member->incarnation = found;
            news = true;
        }
    }
    if (news) {
        append_members(raft, update, &next);
    }
}

static void promote_joining(struct raft *raft, struct raft_update *update)
{
    uint64_t last = raft_trail_last(&raft->trail);
    for (size_t i = 0; i < raft->members.count; i++) {
        const struct raft_member *member = &raft->members.items[i];
        struct raft_members next = raft->members;
        if ((member->flags & RAFT_MEMBER_JOINING) != 0 &&
            raft->progress[i].match + JOIN_LAG_MAX >= last && plan_promote(raft, i, &next) == 0) {
            append_members(raft, update, &next);
            raft->quorum_index = raft->members_index;
            return;
        }
    }
}

void raft_change_continue(struct raft *raft, struct raft_update *update)
{
    assert(raft->role == RAFT_LEADER);
    if (raft->commit < raft->term_start || raft->members_index > raft->commit) {
        return;
    }
    if (raft_members_joint(&raft->members)) {
        struct raft_members before = raft->members;
        struct raft_members next = before;
        raft_members_leave(&next);
        append_members(raft, update, &next);
        note_leaving(raft, &before);
        raft->quorum_index = raft->members_index;
        return;
    }
    tell_leaving(raft, update);
    if (raft->change_pending) {
        raft->change_pending = false;
        update->changed = raft->quorum_index;
    }
    if (raft_members_find(&raft->members, raft->id) == NULL) {
        hand_over(raft, update);
        return;
    }
    if (raft->transfer_to == 0) {
        record_identities(raft, update);
    }
    if (raft->transfer_to == 0 && raft->members_index <= raft->commit) {
        promote_joining(raft, update);
    }
}

/* ---- being refused ---- */

/* Tells a candidate that it was removed, if that is certain here and it knows of nothing newer. */
void raft_tell_removed(struct raft *raft, const struct raft_message *message,
                       struct raft_update *update)
{
    if (raft_members_find(&raft->members, message->from) != NULL ||
        raft->members_index > raft->commit || PLANTED == PLANT_REMOVED_DISRUPTS) {
        return;
    }
    refuse(raft, update, message->from, message->incarnation);
}

/* Is the committed configuration that somebody tells of newer than the one in force here? An own
 * one of an earlier term that is not committed may lie further on: it never will be. */
static bool is_newer(const struct raft *raft, struct raft_point told)
{
    struct raft_point own;
    bool gone = raft_members_find(&raft->members, raft->id) == NULL;
    return told.index > raft->members_index || (told.index == raft->members_index && gone) ||
           (raft->members_index > raft->commit &&
            raft_trail_point(&raft->trail, raft->members_index, &own) && told.term > own.term);
}

void raft_on_refused(struct raft *raft, const struct raft_message *message,
                     struct raft_update *update)
{
    bool leads = message->term == raft->term && message->from == raft->leader;
    if (message->last.chain != raft->incarnation) {
        return; /* Said to what was there before under this id. */
    }
    if (message->context == RAFT_REFUSED_LOST) {
        update->refused = leads ? RAFT_REFUSED_LOST : update->refused;
        return;
    }
    /* With nothing in the log it has just joined: who does not know it yet says nothing. Unless it
     * has a vote: then it is one of the first members, whom all others have known. One that removed
     * itself stops in its own time. */
    if (message->context == RAFT_REFUSED_REMOVED && is_newer(raft, message->last) &&
        !raft->removed && (leads || !raft_leader_is_fresh(raft)) &&
        (raft_trail_last(&raft->trail) > 0 || raft_votes(raft))) {
        update->refused = RAFT_REFUSED_REMOVED;
    }
}

/* Without a vote there is no election to call, but a member that hears of no leader may have been
 * removed. A pre-vote of the present term can never be granted; the answer tells. */
void raft_ask_around(struct raft *raft, struct raft_update *update)
{
    for (size_t i = 0; i < raft->members.count; i++) {
        uint64_t id = raft->members.items[i].id;
        if (id != raft->id && raft_trail_last(&raft->trail) > 0) {
            raft_send(raft, update, id, RAFT_PRE_VOTE)->last = raft_trail_end(&raft->trail);
        }
    }
}
