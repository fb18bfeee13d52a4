#include "tests/unit/raft/core_fixture.h"

#include <check.h>
#include <stdio.h>

void core_start(struct fixture *f, size_t voters)
{
    *f = (struct fixture){.now = 1000 * MS};
    struct raft_start begin = {.id = 1,
                               .cluster = 9,
                               .seed = 5,
                               .heartbeat_ns = 50 * MS,
                               .election_ns = 300 * MS,
                               .now_ns = f->now};
    for (uint64_t id = 1; id <= voters; id++) {
        char url[32];
        (void)snprintf(url, sizeof(url), "http://m%u", (unsigned)id);
        ck_assert_int_eq(raft_members_add(&begin.members, id, "m", url, RAFT_MEMBER_VOTER), 0);
    }
    raft_init(&f->raft, &begin);
}

void core_stop(struct fixture *f)
{
    raft_update_release(&f->update);
    raft_release(&f->raft);
}

int core_step(struct fixture *f, struct raft_event event)
{
    raft_update_clear(&f->update);
    event.now_ns = f->now;
    return raft_step(&f->raft, &event, &f->update);
}

void core_receive(struct fixture *f, struct raft_message message)
{
    message.cluster = 9;
    message.to = 1;
    (void)core_step(f, (struct raft_event){.kind = RAFT_EVENT_MESSAGE, .message = &message});
}

const struct raft_message *core_sent(const struct fixture *f, enum raft_message_kind kind,
                                     uint64_t to)
{
    for (size_t i = 0; i < f->update.message_count; i++) {
        if (f->update.messages[i].kind == kind && f->update.messages[i].to == to) {
            return &f->update.messages[i];
        }
    }
    return NULL;
}

void core_elect(struct fixture *f)
{
    f->now = raft_next_tick_ns(&f->raft); /* In time. */
    (void)core_step(f, (struct raft_event){.kind = RAFT_EVENT_TICK});
    for (uint64_t id = 2; id <= 3 && f->raft.role != RAFT_LEADER; id++) {
        core_receive(f, (struct raft_message){.kind = RAFT_PRE_VOTE_RESULT, .from = id, .term = 1});
    }
    for (uint64_t id = 2; id <= 3 && f->raft.role != RAFT_LEADER; id++) {
        core_receive(f, (struct raft_message){.kind = RAFT_VOTE_RESULT, .from = id, .term = 1});
    }
    ck_assert_int_eq(f->raft.role, RAFT_LEADER);
}

void core_persist(struct fixture *f)
{
    (void)core_step(f, (struct raft_event){.kind = RAFT_EVENT_PERSISTED,
                                           .index = raft_trail_last(&f->raft.trail),
                                           .epoch = f->raft.epoch});
}

void core_acknowledge(struct fixture *f, uint64_t from, uint64_t match)
{
    core_receive(
        f, (struct raft_message){
               .kind = RAFT_APPEND_RESULT, .from = from, .term = f->raft.term, .commit = match});
}

void core_acknowledge_all(struct fixture *f, uint64_t from)
{
    core_acknowledge(f, from, raft_trail_last(&f->raft.trail));
}

int core_change(struct fixture *f, struct raft_change change)
{
    return core_step(f, (struct raft_event){.kind = RAFT_EVENT_CHANGE, .change = &change});
}

void core_lead(struct fixture *f)
{
    core_start(f, 3);
    core_elect(f);
    core_persist(f);
    core_acknowledge_all(f, 2);
    core_acknowledge_all(f, 3);
    ck_assert_uint_eq(f->raft.commit, raft_trail_last(&f->raft.trail));
}

void core_settle(struct fixture *f, uint64_t a, uint64_t b)
{
    uint64_t last = 0;
    while (last != raft_trail_last(&f->raft.trail) && f->raft.role == RAFT_LEADER) {
        last = raft_trail_last(&f->raft.trail);
        core_persist(f);
        core_acknowledge_all(f, a);
        core_acknowledge_all(f, b);
    }
}

void core_propose(struct fixture *f, size_t count)
{
    struct slice command = slice_text("x");
    for (size_t i = 0; i < count; i++) {
        (void)core_step(
            f, (struct raft_event){.kind = RAFT_EVENT_PROPOSE, .commands = &command, .count = 1});
    }
}
