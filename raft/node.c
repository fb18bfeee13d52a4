/* The driver: turns calls, messages and finished I/O into events of the core, and its updates into
 * I/O, messages and calls of the FSM. */
#include "raft/node.h"
#include "raft/data_dir.h"

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "raft/io_job.h"
#include "raft/plant.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    READ_TIMEOUT_ELECTIONS = 10,
    PROPOSE_BATCH_MAX = 1024,
    ROOM_MOVE_S = 1,
    ROOM_MOVES_MAX = 3,
};

void raft_node_fail(struct raft_node *node, const char *what, int status)
{
    if (node->dead) {
        return;
    }
    node->dead = true;
    char *why = alloc_printf("%s: %s", what, status < 0 ? strerror(-status) : "stopped");
    env_fatal(node->env, why);
    free(why);
}

void raft_node_wake(struct raft_node *node)
{
    if (!node->turn_armed && !node->dead) {
        node->turn_armed = true;
        env_timer_start(node->env, &node->turn, 0);
    }
}

/* ---- effects ---- */

static void read_done(struct raft_node *node, struct raft_waiting_read *read, int status)
{
    list_remove(&read->link);
    node->read_count--;
    if (read->done != NULL) {
        read->done(read->data, status, read->index);
    }
    pool_give(&node->records, read, sizeof(*read));
}

void raft_node_answer_reads(struct raft_node *node)
{
    bool early = PLANTED == PLANT_APPLIED_EARLY && node->applying.entry != NULL;
    LIST_FOREACH(link, next, &node->indexed_reads)
    {
        struct raft_waiting_read *read = LIST_ENTRY(link, struct raft_waiting_read, link);
        if (read->index <= node->applied + early) {
            read_done(node, read, 0);
        }
    }
}

static void drop_proposals(struct raft_node *node, struct list *list)
{
    LIST_FOREACH(link, next, list)
    {
        struct raft_proposal *proposal = LIST_ENTRY(link, struct raft_proposal, link);
        list_remove(&proposal->link);
        node->proposal_count--;
        proposal->done(proposal->data, -ECANCELED, proposal->index);
        raft_proposal_free(node, proposal);
    }
}

static void tell_role(struct raft_node *node)
{
    enum raft_role role = node->core.role;
    if (role == RAFT_LEADER && !raft_is_settled_leader(node)) {
        role = RAFT_CANDIDATE;
    }
    if (role == node->told_role && node->core.term == node->told_term &&
        node->core.leader == node->told_leader) {
        return;
    }
    node->told_role = role;
    node->told_term = node->core.term;
    node->told_leader = node->core.leader;
    if (node->role_changed != NULL) {
        node->role_changed(node->role_data, role, node->core.term, node->core.leader);
    }
}

static void role_effects(struct raft_node *node)
{
    if (node->core.role != RAFT_LEADER) {
        drop_proposals(node, &node->proposals);
        drop_proposals(node, &node->new_proposals);
    }
    raft_forward_expire(node, /* all= */ false);
}

static void arm_tick(struct raft_node *node)
{
    uint64_t now = env_now_ns(node->env);
    uint64_t at = raft_next_tick_ns(&node->core);
    env_timer_start(node->env, &node->tick, at > now ? at - now : 0);
}

static void log_effects(struct raft_node *node, const struct raft_update *update)
{
    if (update->meta) {
        meta_file_set(&node->meta, node->core.term, node->core.vote);
    }
    if (update->installed) {
        log_file_reset(node->log);
    } else if (update->truncated) {
        log_file_truncate(node->log, update->truncate_from);
    }
    if (meta_file_durable(&node->meta)) {
        log_file_pump(node->log); /* Else entries of a term could outlive the term. */
    }
}

static void expire_reads(struct list *list, uint64_t now)
{
    LIST_FOREACH(link, next, list)
    {
        struct raft_waiting_read *read = LIST_ENTRY(link, struct raft_waiting_read, link);
        if (read->done != NULL && read->deadline_ns <= now) {
            raft_done *done = read->done;
            read->done = NULL;
            done(read->data, -ETIMEDOUT, 0);
        }
    }
}

/* Leadership goes to a member whose disk has room. */
static void move_from_full_disk(struct raft_node *node, uint64_t now)
{
    if (!node->core.short_of_room) {
        node->room_moves = 0;
        return;
    }
    uint64_t target = raft_member_with_room(&node->core);
    if (node->core.role == RAFT_LEADER && target != 0 && now >= node->room_move_ns) {
        node->room_move_ns = now + ROOM_MOVE_S * NS_PER_S;
        node->room_moves++;
        node->move_to = target;
        raft_node_wake(node);
    }
}

/* Not left to the tick timer: every step arms it anew, so under load it may never fire. */
static void do_chores(struct raft_node *node)
{
    uint64_t now = env_now_ns(node->env);
    if (now < node->chores_ns || node->dead || node->closing) {
        return;
    }
    node->chores_ns = now + node->config.heartbeat_ms * NS_PER_MS;
    if (node->stop_removed_ns != 0 && now >= node->stop_removed_ns) {
        raft_node_refused(node, RAFT_REFUSED_REMOVED);
        return;
    }
    move_from_full_disk(node, now);
    expire_reads(&node->waiting_reads, now);
    expire_reads(&node->indexed_reads, now);
    raft_forward_expire(node, /* all= */ false);
    raft_snapshot_tick(node);
    raft_repair_tick(node);
}

void raft_node_step(struct raft_node *node, struct raft_event event)
{
    if (node->dead || node->closing || !node->running) {
        return;
    }
    assert(!node->stepping);
    node->stepping = true;
    struct raft_update *update = &node->update;
    event.now_ns = env_now_ns(node->env);
    node->core.short_of_room = log_file_short_of_room(node->log);
    node->core.stalled = log_file_stalled_ns(node->log) > node->config.election_ms * NS_PER_MS;
    node->step_status = raft_step(&node->core, &event, update);
    if (update->stepped_down != NULL) {
        LOG_WARN("raft", "this member gives up the lead", KV_TEXT("reason", update->stepped_down),
                 KV_U64("term", node->core.term));
    }
    if (update->fatal != NULL) {
        raft_node_fail(node, update->fatal, 0);
    }
    if (!node->dead && update->refused != 0) {
        raft_node_refused(node, update->refused);
    }
    if (!node->dead) {
        log_effects(node, update);
    }
    for (size_t i = 0; i < update->message_count && !node->dead; i++) {
        raft_node_send(node, &update->messages[i]);
        update->messages[i].entries = NULL;
        update->messages[i].entry_count = 0;
    }
    for (size_t i = 0; i < update->install_count && !node->dead; i++) {
        raft_snapshot_send_to(node, update->install[i]);
    }
    for (size_t i = 0; i < update->read_count; i++) {
        struct raft_waiting_read *read = (struct raft_waiting_read *)(uintptr_t)update->reads[i].id;
        read->index = update->reads[i].index;
        list_remove(&read->link);
        list_push_back(&node->indexed_reads, &read->link);
    }
    bool role_changed = update->role_changed;
    if (update->changed != 0) {
        node->change.index = update->changed;
    }
    raft_update_clear(update);
    node->stepping = false;
    if (node->dead) {
        return;
    }
    raft_node_apply(node); /* First: what is committed is answered, whoever leads now. */
    if (role_changed) {
        role_effects(node);
    }
    tell_role(node);
    raft_node_members(node);
    do_chores(node);
    arm_tick(node);
}

/* ---- events ---- */

static void on_tick(void *data)
{
    struct raft_node *node = data;
    raft_node_step(node, (struct raft_event){.kind = RAFT_EVENT_TICK});
}

static void step_proposals(struct raft_node *node)
{
    struct slice commands[PROPOSE_BATCH_MAX];
    size_t bytes = 0;
    while (!list_empty(&node->new_proposals) && !node->dead) {
        size_t count = 0;
        if (bytes >= RAFT_TURN_BYTES_MAX) {
            raft_node_wake(node);
            return;
        }
        uint64_t index = raft_trail_last(&node->core.trail);
        if (node->core.role != RAFT_LEADER || node->core.transfer_to != 0 ||
            raft_members_place(&node->core.members, node->config.id) < 0) {
            drop_proposals(node, &node->new_proposals);
            return;
        }
        LIST_FOREACH(link, next, &node->new_proposals)
        {
            struct raft_proposal *proposal = LIST_ENTRY(link, struct raft_proposal, link);
            if (count == PROPOSE_BATCH_MAX || bytes >= RAFT_TURN_BYTES_MAX) {
                break;
            }
            bytes += proposal->len;
            commands[count++] = slice_of(proposal->command, proposal->len);
            proposal->index = index + count;
            proposal->term = node->core.term;
            list_remove(&proposal->link);
            list_push_back(&node->proposals, &proposal->link);
        }
        raft_node_step(node, (struct raft_event){
                                 .kind = RAFT_EVENT_PROPOSE, .commands = commands, .count = count});
    }
}

static void on_turn(void *data)
{
    struct raft_node *node = data;
    node->turn_armed = false;
    if (node->dead || node->closing || !node->running) {
        return;
    }
    if (node->applied < node->core.commit) {
        raft_node_apply_turn(node);
        tell_role(node);
        if (node->dead || node->closing) {
            return;
        }
    }
    LIST_FOREACH(link, next, &node->new_reads)
    {
        struct raft_waiting_read *read = LIST_ENTRY(link, struct raft_waiting_read, link);
        list_remove(link);
        list_push_back(&node->waiting_reads, link);
        raft_node_step(node, (struct raft_event){.kind = RAFT_EVENT_READ, .id = (uintptr_t)read});
    }
    raft_node_change_turn(node);
    if (node->move_to != 0) {
        uint64_t target = node->move_to;
        node->move_to = 0;
        (void)!raft_transfer_leadership(node, target); /* It may lead no more. */
    }
    step_proposals(node);
    if (!node->dead) {
        raft_node_members(node); /* A listener may be new. */
    }
}

static void on_persisted(void *data, uint64_t index, uint64_t epoch)
{
    raft_node_step(
        data, (struct raft_event){.kind = RAFT_EVENT_PERSISTED, .index = index, .epoch = epoch});
}

static void on_failed(void *data, const char *what, int status)
{
    raft_node_fail(data, what, status);
}

static void on_room(void *data)
{
    raft_node_wake(data);
}

void raft_node_start(struct raft_node *node)
{
    node->running = true;
    arm_tick(node);
    log_file_pump(node->log);
    raft_node_wake(node);
}

void raft_receive(struct raft_node *node, uint64_t from, struct slice bytes)
{
    struct raft_message message;
    if (node->dead || node->closing || !node->running || raft_message_peek(bytes, &message) < 0 ||
        message.from != from || !raft_admits(&node->core, &message) ||
        raft_message_decode(bytes, &message) < 0) {
        return;
    }
    if (message.from == from && message.cluster == node->config.cluster_id &&
        message.to == node->config.id) {
        if (message.kind == RAFT_FORWARD || message.kind == RAFT_FORWARD_RESULT) {
            raft_forward_receive(node, &message);
        } else {
            raft_node_step(node,
                           (struct raft_event){.kind = RAFT_EVENT_MESSAGE, .message = &message});
        }
        if (message.kind == RAFT_SNAPSHOT && !node->dead) {
            raft_snapshot_receive(node, &message);
        } else if (message.kind == RAFT_SNAPSHOT_RESULT && !node->dead) {
            raft_snapshot_result(node, &message);
        }
    }
    raft_message_release(&message);
}

/* ---- calls ---- */

int raft_propose(struct raft_node *node, struct slice command, uint64_t tag, raft_done *done,
                 void *data)
{
    if (!node->running || node->core.role != RAFT_LEADER || node->dead || node->closing) {
        return -ENOTCONN;
    }
    if (command.len > RAFT_COMMAND_MAX) {
        return -EMSGSIZE;
    }
    if (node->core.transfer_to != 0 ||
        raft_members_place(&node->core.members, node->config.id) < 0 ||
        node->proposal_count >= RAFT_PROPOSALS_MAX) {
        return -EAGAIN;
    }
    if (!raft_has_room(&node->core)) {
        bool moves = raft_member_with_room(&node->core) != 0 && node->room_moves < ROOM_MOVES_MAX;
        return moves ? -EAGAIN : -ENOSPC;
    }
    struct raft_proposal *proposal = pool_take(&node->commands, raft_proposal_size(command.len));
    *proposal = (struct raft_proposal){.tag = tag, .done = done, .data = data, .len = command.len};
    if (command.len > 0) {
        memcpy(proposal->command, command.data, command.len);
    }
    list_init(&proposal->link);
    list_push_back(&node->new_proposals, &proposal->link);
    node->proposal_count++;
    raft_node_wake(node);
    return 0;
}

int raft_read_index(struct raft_node *node, raft_done *done, void *data)
{
    if (node->dead || node->closing || node->read_count >= RAFT_READS_MAX) {
        return -EAGAIN;
    }
    struct raft_waiting_read *read = pool_take(&node->records, sizeof(*read));
    uint64_t wait_ns = READ_TIMEOUT_ELECTIONS * node->config.election_ms * NS_PER_MS;
    *read = (struct raft_waiting_read){
        .deadline_ns = env_now_ns(node->env) + wait_ns, .done = done, .data = data};
    list_init(&read->link);
    list_push_back(&node->new_reads, &read->link);
    node->read_count++;
    raft_node_wake(node);
    return 0;
}

int raft_transfer_leadership(struct raft_node *node, uint64_t target)
{
    if (!node->running || node->dead || node->closing || node->core.role != RAFT_LEADER) {
        return -ENOTCONN;
    }
    if (target == node->config.id ||
        (target != 0 && !raft_members_is_voter(&node->core.members, target)) ||
        node->core.members.count < 2) {
        return -EINVAL;
    }
    raft_node_step(node, (struct raft_event){.kind = RAFT_EVENT_TRANSFER, .id = target});
    return 0;
}

static void close_log_done(void *data);

static void on_meta_closed(void *data, int status, int file)
{
    struct raft_node *node = data;
    (void)status; /* Everything that counts was flushed before. */
    (void)file;
    node->snapshot_jobs--;
}

/* Ends when no file operation of ours is under way. */
static void close_continue(struct raft_node *node)
{
    if (!node->closing || (node->opening && !node->dead) || node->snapshot_jobs > 0 ||
        node->meta.busy || (node->log != NULL && !log_file_idle(node->log))) {
        env_timer_start(node->env, &node->turn, NS_PER_MS);
        return;
    }
    if (node->log != NULL && !node->log_closed && !node->dead) {
        node->log_closed = true;
        log_file_close(node->log, close_log_done, node);
        log_file_pump(node->log);
        env_timer_start(node->env, &node->turn, NS_PER_MS);
        return;
    }
    if (node->meta.file >= 0 && !node->dead) {
        struct io_job *job = io_job_new(node->env);
        io_job_file(job, ENV_IO_CLOSE, node->meta.file, 0, 0);
        node->meta.file = -1;
        node->snapshot_jobs++;
        io_job_run(job, on_meta_closed, node);
        env_timer_start(node->env, &node->turn, NS_PER_MS);
        return;
    }
    void (*closed)(void *data) = node->closed;
    void *data = node->closed_data;
    raft_node_free(node);
    closed(data);
}

static void close_log_done(void *data)
{
    (void)data; /* close_continue() looks again by itself. */
}

static void on_close_turn(void *data)
{
    close_continue(data);
}

static void cancel_reads(struct raft_node *node, struct list *list)
{
    LIST_FOREACH(link, next, list)
    {
        read_done(node, LIST_ENTRY(link, struct raft_waiting_read, link), -ECANCELED);
    }
}

void raft_close(struct raft_node *node, void (*closed)(void *data), void *data)
{
    assert(!node->closing);
    node->closing = true;
    node->closed = closed;
    node->closed_data = data;
    env_timer_stop(node->env, &node->tick);
    drop_proposals(node, &node->proposals);
    drop_proposals(node, &node->new_proposals);
    raft_node_apply_cancel(node);
    raft_node_change_cancel(node);
    cancel_reads(node, &node->new_reads);
    cancel_reads(node, &node->waiting_reads);
    cancel_reads(node, &node->indexed_reads);
    raft_forward_expire(node, /* all= */ true);
    node->turn.fire = on_close_turn;
    env_timer_start(node->env, &node->turn, 0);
}

void raft_on_role_change(struct raft_node *node,
                         void (*changed)(void *data, enum raft_role role, uint64_t term,
                                         uint64_t leader),
                         void *data)
{
    node->role_changed = changed;
    node->role_data = data;
}

/* Fills in what node_open.c cannot know of: the callbacks of this file. */
void raft_node_wire(struct raft_node *node)
{
    node->tick = (struct env_timer){.fire = on_tick, .data = node};
    node->turn = (struct env_timer){.fire = on_turn, .data = node};
    node->meta.persisted = raft_node_persisted;
    node->meta.failed = on_failed;
    node->meta.data = node;
}

void raft_node_wire_log(struct raft_node *node, struct log_file_config *log)
{
    log->promise = raft_node_promise;
    log->persisted = on_persisted;
    log->failed = on_failed;
    log->room = on_room;
    log->data = node;
}
