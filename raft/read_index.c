/* Linearizable reads without log entries: a leader confirms that it still leads by a round of
 * heartbeats sent after the read came (Ongaro 2014, 6.4), one round for all reads that wait. A
 * round's context is never used again (etcd issue 20418). */
#include "lib/base/alloc.h"
#include "raft/core_internal.h"
#include <errno.h>

int raft_read_add(struct raft *raft, uint64_t from, uint64_t id)
{
    if (raft->read_count >= RAFT_READS_MAX ||
        (from != 0 && raft->remote_read_count >= RAFT_REMOTE_READS_MAX)) {
        return -EAGAIN;
    }
    if (raft->read_count == raft->read_capacity) {
        raft->read_capacity = raft->read_capacity * 2 + 16;
        raft->reads = alloc_resize(raft->reads, raft->read_capacity, sizeof(struct raft_read));
    }
    raft->reads[raft->read_count++] = (struct raft_read){.from = from, .id = id};
    raft->remote_read_count += from != 0 ? 1 : 0;
    return 0;
}

static void read_is_ready(struct raft *raft, struct raft_update *update,
                          const struct raft_read *read)
{
    if (read->from != 0) {
        struct raft_message *answer = raft_send(raft, update, read->from, RAFT_READ_RESULT);
        answer->context = read->id;
        answer->commit = read->index;
        answer->last = raft_trail_end(&raft->trail);
        raft->remote_read_count--;
        return;
    }
    if (update->read_count == update->read_capacity) {
        update->read_capacity = update->read_capacity * 2 + 16;
        update->reads =
            alloc_resize(update->reads, update->read_capacity, sizeof(struct raft_ready_read));
    }
    update->reads[update->read_count++] =
        (struct raft_ready_read){.id = read->id, .index = read->index};
}

/* Answers reads confirmed by contexts up to `confirmed`; true when some wait for a round. */
static bool release_confirmed(struct raft *raft, struct raft_update *update, uint64_t confirmed)
{
    size_t kept = 0;
    bool under_way = false;
    for (size_t i = 0; i < raft->read_count; i++) {
        struct raft_read read = raft->reads[i];
        if (read.context != 0 && read.context <= confirmed) {
            read_is_ready(raft, update, &read);
            continue;
        }
        under_way = under_way || read.context != 0;
        raft->reads[kept++] = read;
    }
    raft->read_count = kept;
    return under_way;
}

static uint64_t confirmed_context(const struct raft *raft)
{
    uint64_t contexts[RAFT_MEMBERS_MAX];
    if (PLANTED == PLANT_READ_NO_ROUND) {
        return raft->context;
    }
    for (size_t i = 0; i < raft->members.count; i++) {
        contexts[i] = raft->progress[i].context_acked;
    }
    return raft_members_quorum_value(&raft->members, contexts);
}

/* How far the log reached before it was damaged is not known: no farther, in this term, than that
 * of its leader does now, who answers a question asked since. */
static bool asks_for_floor(const struct raft *raft)
{
    return raft->floor.index == UINT64_MAX && raft->floor.term == raft->term;
}

static void ask_leader(struct raft *raft, struct raft_update *update)
{
    bool under_way = raft->read_attempt != 0 && raft->now_ns < raft->read_attempt_at_ns;
    bool needed = raft->read_count > 0 || asks_for_floor(raft);
    if (!needed || raft->leader == 0 || raft->leader == raft->id || under_way) {
        return;
    }
    raft->attempts++;
    raft->attempts += raft->attempts == 0 ? 1 : 0;
    raft->read_attempt = raft->attempts;
    raft->read_attempt_at_ns = raft->now_ns + raft->election_ns;
    raft->read_attempt_count = raft->read_count;
    raft_send(raft, update, raft->leader, RAFT_READ)->context = raft->read_attempt;
}

void raft_reads_continue(struct raft *raft, struct raft_update *update)
{
    if (raft->role != RAFT_LEADER) {
        ask_leader(raft, update);
        return;
    }
    if (raft->read_count == 0) {
        return;
    }
    if (release_confirmed(raft, update, confirmed_context(raft)) || raft->read_count == 0 ||
        (raft->commit < raft->term_start && PLANTED != PLANT_READ_BEFORE_OWN_TERM)) {
        return;
    }
    raft_heartbeat(raft, update);
    (void)release_confirmed(raft, update, confirmed_context(raft)); /* Alone: at once. */
}

void raft_reads_leave(struct raft *raft)
{
    size_t kept = 0;
    for (size_t i = 0; i < raft->read_count; i++) {
        if (raft->reads[i].from == 0) {
            raft->reads[kept++] = (struct raft_read){.id = raft->reads[i].id};
        }
    }
    raft->read_count = kept;
    raft->remote_read_count = 0;
    raft->read_attempt = 0;
}

void raft_on_read(struct raft *raft, const struct raft_message *message)
{
    if (raft->role == RAFT_LEADER && raft_progress_of(raft, message->from) != NULL) {
        (void)raft_read_add(raft, message->from, message->context); /* Full: it asks again. */
    }
}

void raft_on_read_result(struct raft *raft, const struct raft_message *message,
                         struct raft_update *update)
{
    if (raft->role == RAFT_LEADER || raft->read_attempt == 0 ||
        message->context != raft->read_attempt || message->from != raft->leader) {
        return;
    }
    size_t count = raft->read_attempt_count;
    raft->read_attempt = 0;
    if (asks_for_floor(raft)) {
        raft->floor.index = message->last.index;
    }
    for (size_t i = 0; i < count; i++) {
        struct raft_read read = raft->reads[i];
        read.index = message->commit;
        read_is_ready(raft, update, &read);
    }
    raft->read_count -= count;
    for (size_t i = 0; i < raft->read_count; i++) {
        raft->reads[i] = raft->reads[i + count];
    }
}
