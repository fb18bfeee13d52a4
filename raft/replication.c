/* The leader's side of replication: what each member has, what it is sent next, and what is thereby
 * committed. Ongaro 2014, 3.5, 3.6, 6.2, 10.2.1 (own flush in parallel), 10.2.2 (pipeline). */
#include "lib/base/alloc.h"
#include "raft/core_internal.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static struct raft_progress progress_new(const struct raft *raft, uint64_t id)
{
    return (struct raft_progress){
        .id = id,
        .next = raft_trail_last(&raft->trail) + 1,
        .context_first = raft->context,
        .window = RAFT_INFLIGHT_MESSAGES_MAX,
        .contact_ns = raft->now_ns, /* Each has an election timeout to show itself. */
    };
}

void raft_progress_open(struct raft *raft)
{
    assert(raft->progress == NULL);
    raft->progress = alloc_array(RAFT_MEMBERS_MAX, sizeof(struct raft_progress));
    for (size_t i = 0; i < raft->members.count; i++) {
        raft->progress[i] = progress_new(raft, raft->members.items[i].id);
    }
}

/* The table follows the members: what is known of those that stay goes with them. */
void raft_progress_adjust(struct raft *raft, const struct raft_members *before)
{
    struct raft_progress *old = raft->progress;
    raft->progress = alloc_array(RAFT_MEMBERS_MAX, sizeof(struct raft_progress));
    for (size_t i = 0; i < raft->members.count; i++) {
        uint64_t id = raft->members.items[i].id;
        int place = raft_members_place(before, id);
        if (PLANTED == PLANT_PROGRESS_NOT_MOVED && i < before->count) {
            place = (int)i;
        }
        raft->progress[i] = place < 0 ? progress_new(raft, id) : old[place];
        raft->progress[i].id = id;
    }
    free(old);
}

void raft_progress_close(struct raft *raft)
{
    free(raft->progress);
    raft->progress = NULL;
}

struct raft_progress *raft_progress_of(struct raft *raft, uint64_t id)
{
    int place = raft_members_place(&raft->members, id);
    return raft->progress == NULL || place < 0 || id == raft->id ? NULL : &raft->progress[place];
}

static void send_from_match(struct raft_progress *progress, enum raft_progress_state state)
{
    progress->state = state;
    progress->next = progress->match + 1;
    progress->probe_sent = false;
    progress->inflight = 0;
    progress->inflight_bytes = 0;
}

static void become_probe(struct raft_progress *progress)
{
    send_from_match(progress, RAFT_PROBE);
    progress->flight++;
    progress->window = progress->window > 1 ? progress->window / 2 : 1;
}

static void become_replicate(struct raft_progress *progress)
{
    send_from_match(progress, RAFT_REPLICATE);
}

static void inflight_add(struct raft_progress *progress, uint64_t last, uint64_t bytes)
{
    assert(progress->inflight < RAFT_INFLIGHT_MESSAGES_MAX);
    size_t at = (progress->inflight_first + progress->inflight) % RAFT_INFLIGHT_MESSAGES_MAX;
    progress->ring[at] = (struct raft_inflight){.last = last, .bytes = bytes};
    progress->inflight++;
    progress->inflight_bytes += bytes;
}

static void inflight_free(struct raft_progress *progress)
{
    while (progress->inflight > 0 &&
           progress->ring[progress->inflight_first].last <= progress->match) {
        progress->inflight_bytes -= progress->ring[progress->inflight_first].bytes;
        progress->inflight_first = (progress->inflight_first + 1) % RAFT_INFLIGHT_MESSAGES_MAX;
        progress->inflight--;
    }
}

static bool window_open(const struct raft_progress *progress)
{
    if (progress->state == RAFT_PROBE) {
        return !progress->probe_sent;
    }
    return progress->state == RAFT_REPLICATE && progress->inflight < progress->window &&
           progress->inflight_bytes < RAFT_INFLIGHT_BYTES_MAX;
}

static uint64_t fill_entries(const struct raft *raft, uint64_t from, struct raft_message *message)
{
    uint64_t last = raft_trail_last(&raft->trail);
    uint64_t count = last - from + 1;
    count = count < raft->append_entries_max ? count : raft->append_entries_max;
    uint64_t bytes = 0;
    if (count == 0) {
        return 0;
    }
    message->entries = alloc_array((size_t)count, sizeof(struct raft_entry *));
    while (message->entry_count < count) {
        struct raft_entry *entry = raft_trail_get(&raft->trail, from + message->entry_count);
        if (message->entry_count > 0 && bytes + entry->len > RAFT_APPEND_BYTES_MAX) {
            break;
        }
        bytes += entry->len;
        message->entries[message->entry_count++] = raft_entry_ref(entry);
    }
    return bytes;
}

/* Sends one append message. False when there is nothing (more) to send to this member now. */
static bool send_append(struct raft *raft, struct raft_progress *progress,
                        struct raft_update *update)
{
    struct raft_point previous;
    uint64_t last = raft_trail_last(&raft->trail);
    bool news = progress->next <= last || progress->commit_sent < raft->commit;
    if (!window_open(progress) || (progress->state == RAFT_REPLICATE && !news)) {
        return false;
    }
    if (!raft_trail_point(&raft->trail, progress->next - 1, &previous)) {
        progress->state = RAFT_INSTALL;
        update->install[update->install_count++] = progress->id;
        return false;
    }
    struct raft_message *message = raft_send(raft, update, progress->id, RAFT_APPEND);
    message->last = previous;
    message->commit = raft->commit;
    message->context = progress->flight;
    uint64_t bytes = fill_entries(raft, progress->next, message);
    progress->commit_sent = raft->commit;
    if (progress->state == RAFT_PROBE) {
        progress->probe_sent = true;
        return false;
    }
    if (message->entry_count > 0) {
        progress->next += message->entry_count;
        inflight_add(progress, progress->next - 1, bytes);
    }
    return progress->next <= last;
}

void raft_replicate(struct raft *raft, struct raft_update *update)
{
    for (size_t i = 0; i < raft->members.count; i++) {
        struct raft_progress *progress = &raft->progress[i];
        if (progress->id == raft->id) {
            continue;
        }
        bool more = true;
        while (more) {
            more = send_append(raft, progress, update);
        }
    }
}

/* Alone, it is but the tick that keeps a leader from taking a rest for a pause of the machine. */
static uint64_t heartbeat_pause_ns(const struct raft *raft)
{
    return raft->members.count > 1 ? raft->heartbeat_ns : raft->election_ns / 2;
}

void raft_heartbeat(struct raft *raft, struct raft_update *update)
{
    if (PLANTED != PLANT_READ_CONTEXT_REUSED || raft->context == 0) {
        raft->context++;
    }
    raft->heartbeat_at_ns = raft->now_ns + heartbeat_pause_ns(raft);
    for (size_t i = 0; i < raft->members.count; i++) {
        struct raft_progress *progress = &raft->progress[i];
        if (progress->id == raft->id) {
            progress->context_acked = raft->context;
            continue;
        }
        struct raft_message *message = raft_send(raft, update, progress->id, RAFT_HEARTBEAT);
        message->context = raft->context;
        message->commit = progress->match < raft->commit && PLANTED != PLANT_COMMIT_NOT_BOUNDED
                              ? progress->match
                              : raft->commit;
        if (progress->state == RAFT_REPLICATE) {
            message->last.index = progress->next - 1;
        }
    }
    /* Reads that waited for a round are confirmed by this one or a later one. */
    for (size_t i = 0; i < raft->read_count; i++) {
        struct raft_read *read = &raft->reads[i];
        bool own_term = raft->commit >= raft->term_start || PLANTED == PLANT_READ_BEFORE_OWN_TERM;
        if (read->context == 0 && own_term) {
            read->context = raft->context;
            read->index = raft->commit;
        }
    }
}

void raft_leader_commit(struct raft *raft)
{
    uint64_t matches[RAFT_MEMBERS_MAX];
    struct raft_point point;
    for (size_t i = 0; i < raft->members.count; i++) {
        struct raft_progress *progress = &raft->progress[i];
        if (progress->id == raft->id) {
            /* The own flush counts when it is done, as everybody else's. */
            progress->match =
                PLANTED == PLANT_LEADER_COUNTS_EARLY ? raft_trail_last(&raft->trail) : raft->stable;
        }
        matches[i] = progress->match;
    }
    uint64_t index = raft_members_quorum_value(&raft->members, matches);
    if (index > raft->commit && raft_trail_point(&raft->trail, index, &point) &&
        (point.term == raft->term || PLANTED == PLANT_COMMIT_OLD_TERM)) {
        raft_set_commit(raft, index); /* Ongaro 2014, 3.6.2: only of the own term. */
    }
}

bool raft_quorum_is_active(struct raft *raft)
{
    bool active[RAFT_MEMBERS_MAX];
    for (size_t i = 0; i < raft->members.count; i++) {
        const struct raft_progress *progress = &raft->progress[i];
        active[i] =
            progress->id == raft->id || raft->now_ns < progress->contact_ns + raft->election_ns;
    }
    return raft_members_quorum(&raft->members, active);
}

void raft_forgive_silence(struct raft *raft, uint64_t late_ns)
{
    for (size_t i = 0; i < raft->members.count; i++) {
        uint64_t silent_ns = raft->now_ns - raft->progress[i].contact_ns;
        raft->progress[i].contact_ns += late_ns < silent_ns ? late_ns : silent_ns;
    }
}

/* What a member acknowledged counts for the data it had then, not for its id. */
static bool same_data(const struct raft *raft, const struct raft_progress *progress,
                      uint64_t incarnation)
{
    return raft_knows(raft, progress->id, incarnation) &&
           (progress->incarnation == 0 || progress->incarnation == incarnation ||
            PLANTED == PLANT_LOST_DISK_COUNTS);
}

/* A member that is new to the log is known by its answer to a heartbeat sent since it was added:
 * what comes late may be of data that was removed under the same id. */
static bool identify(const struct raft *raft, struct raft_progress *progress,
                     const struct raft_message *message)
{
    const struct raft_member *member = raft_members_find(&raft->members, progress->id);
    bool fresh = message->kind == RAFT_HEARTBEAT_RESULT &&
                 message->context > progress->context_first && message->context <= raft->context;
    if (message->incarnation == 0 || progress->incarnation != 0 || fresh ||
        (member != NULL && member->incarnation != 0)) {
        progress->incarnation = message->incarnation;
        return true;
    }
    return false;
}

static struct raft_progress *answered(struct raft *raft, const struct raft_message *message,
                                      struct raft_update *update)
{
    struct raft_progress *progress = raft_progress_of(raft, message->from);
    if (raft->role != RAFT_LEADER || progress == NULL || message->term != raft->term ||
        message->commit > raft_trail_last(&raft->trail)) {
        return NULL;
    }
    if (!same_data(raft, progress, message->incarnation)) {
        struct raft_message *answer = raft_send(raft, update, message->from, RAFT_REFUSED);
        answer->context = RAFT_REFUSED_LOST;
        answer->last.index = raft->members_index;
        answer->last.chain = message->incarnation;
        return NULL;
    }
    if (!identify(raft, progress, message)) {
        return NULL;
    }
    progress->contact_ns = raft->now_ns;
    progress->contacted = true;
    if (message->commit > progress->match) {
        progress->match = message->commit;
    }
    if (progress->next <= progress->match) {
        progress->next = progress->match + 1;
    }
    inflight_free(progress);
    if (progress->state == RAFT_INSTALL && progress->match >= raft->trail.base.index) {
        become_replicate(progress);
    }
    return progress;
}

void raft_on_append_result(struct raft *raft, const struct raft_message *message,
                           struct raft_update *update)
{
    struct raft_progress *progress = answered(raft, message, update);
    if (progress == NULL) {
        return;
    }
    if (!message->reject) {
        /* A match of 0 does not tell that the logs meet. */
        if (progress->state == RAFT_PROBE && progress->match > 0) {
            become_replicate(progress);
        } else if (progress->window < RAFT_INFLIGHT_MESSAGES_MAX) {
            progress->window++;
        }
        return;
    }
    if (message->last.chain != progress->flight) {
        return;
    }
    if (progress->state == RAFT_REPLICATE && message->context > progress->match) {
        become_probe(progress);
    }
    /* Only the answer to the probe under way: when one of many messages is lost, all that came
     * after it are refused, and to begin anew for each would multiply them. */
    if (progress->state == RAFT_PROBE && message->context == progress->next - 1) {
        uint64_t next = message->last.index + 1;
        uint64_t last = raft_trail_last(&raft->trail);
        next = next > last + 1 ? last + 1 : next;
        if (message->context == progress->match && next <= progress->match) {
            /* Its disk has lost what it had acknowledged. What is committed stays so; without
             * going back it would be asked for the same place for as long as this term lasts. */
            progress->match = next - 1;
        }
        progress->next = next > progress->match ? next : progress->match + 1;
        progress->probe_sent = false;
    }
}

void raft_on_heartbeat_result(struct raft *raft, const struct raft_message *message,
                              struct raft_update *update)
{
    struct raft_progress *progress = answered(raft, message, update);
    if (progress == NULL || message->context > raft->context) {
        return;
    }
    if (message->context > progress->context_acked) {
        progress->context_acked = message->context;
    }
    progress->room_told = true;
    progress->short_of_room = (message->last.index & RAFT_SHORT_OF_ROOM) != 0;
    progress->probe_sent = false; /* The probe, or its answer, may be lost. */
    if (progress->state == RAFT_PROBE && progress->match == raft_trail_last(&raft->trail)) {
        become_replicate(progress); /* A probe without entries is no news and not answered. */
    }
    if (message->reject && progress->state == RAFT_REPLICATE) {
        become_probe(progress); /* Less has arrived than was sent before the heartbeat. */
    }
}

/* `told`: those count that have said that they have room; else all that have not said otherwise. */
static bool quorum_has_room(const struct raft *raft, bool told)
{
    bool room[RAFT_MEMBERS_MAX];
    for (size_t i = 0; i < raft->members.count; i++) {
        const struct raft_progress *progress = &raft->progress[i];
        bool other = !progress->short_of_room && (progress->room_told || !told);
        room[i] = progress->id == raft->id ? !raft->short_of_room : other;
    }
    return raft_members_quorum(&raft->members, room);
}

bool raft_has_room(const struct raft *raft)
{
    return raft->progress == NULL ||
           (!raft->short_of_room && quorum_has_room(raft, /* told= */ false));
}

uint64_t raft_member_with_room(const struct raft *raft)
{
    uint64_t best = 0, most = 0;
    for (size_t i = 0; raft->progress != NULL && i < raft->members.count; i++) {
        const struct raft_progress *progress = &raft->progress[i];
        bool fits = progress->id != raft->id && !progress->short_of_room && progress->room_told &&
                    (raft->members.items[i].flags & RAFT_MEMBER_VOTER) != 0;
        if (fits && progress->match + 1 > most) {
            best = progress->id;
            most = progress->match + 1;
        }
    }
    return best != 0 && quorum_has_room(raft, /* told= */ true) ? best : 0;
}

int raft_transfer(struct raft *raft, uint64_t target)
{
    if (raft->role != RAFT_LEADER) {
        return -ENOTCONN;
    }
    uint64_t most = 0;
    for (size_t i = 0; i < raft->members.count && (target == 0 || most > 0); i++) {
        const struct raft_member *member = &raft->members.items[i];
        if (member->id != raft->id && (member->flags & RAFT_MEMBER_VOTER) != 0 &&
            raft->progress[i].match + 1 > most) {
            target = member->id;
            most = raft->progress[i].match + 1;
        }
    }
    const struct raft_progress *chosen = raft_progress_of(raft, target);
    if (chosen == NULL || !raft_members_is_voter(&raft->members, target)) {
        return -EINVAL;
    }
    raft->transfer_to = target;
    raft->transfer_until_ns = raft->now_ns + raft->election_ns;
    raft->transfer_sent = false;
    return 0;
}

void raft_transfer_continue(struct raft *raft, struct raft_update *update)
{
    const struct raft_progress *target = raft_progress_of(raft, raft->transfer_to);
    if (raft->transfer_to == 0 || target == NULL || raft->transfer_sent ||
        target->match < raft_trail_last(&raft->trail)) {
        return;
    }
    raft->transfer_sent = true;
    (void)raft_send(raft, update, target->id, RAFT_TIMEOUT_NOW); /* It carries all it needs. */
}
