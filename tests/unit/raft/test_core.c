/* The state machine by hand: one member under test, its peers are the messages written here. */
#include "raft/core.h"

#include <check.h>
#include <errno.h>

Suite *core_suite(void);

#define MS UINT64_C(1000000)

struct fixture {
    struct raft raft;
    struct raft_update update;
    uint64_t now;
};

static void start(struct fixture *f, size_t voters)
{
    *f = (struct fixture){.now = 1000 * MS};
    struct raft_start begin = {.id = 1,
                               .cluster = 9,
                               .seed = 5,
                               .heartbeat_ns = 50 * MS,
                               .election_ns = 300 * MS,
                               .now_ns = f->now};
    for (uint64_t id = 1; id <= voters; id++) {
        ck_assert_int_eq(raft_members_add(&begin.members, id, "m", "http://m", RAFT_MEMBER_VOTER),
                         0);
    }
    raft_init(&f->raft, &begin);
}

static void stop(struct fixture *f)
{
    raft_update_release(&f->update);
    raft_release(&f->raft);
}

static int step(struct fixture *f, struct raft_event event)
{
    raft_update_clear(&f->update);
    event.now_ns = f->now;
    return raft_step(&f->raft, &event, &f->update);
}

static void receive(struct fixture *f, struct raft_message message)
{
    message.cluster = 9;
    message.to = 1;
    (void)step(f, (struct raft_event){.kind = RAFT_EVENT_MESSAGE, .message = &message});
}

static const struct raft_message *sent(const struct fixture *f, enum raft_message_kind kind,
                                       uint64_t to)
{
    for (size_t i = 0; i < f->update.message_count; i++) {
        if (f->update.messages[i].kind == kind && f->update.messages[i].to == to) {
            return &f->update.messages[i];
        }
    }
    return NULL;
}

static void elect(struct fixture *f)
{
    f->now += 700 * MS;
    (void)step(f, (struct raft_event){.kind = RAFT_EVENT_TICK});
    receive(f, (struct raft_message){.kind = RAFT_PRE_VOTE_RESULT, .from = 2, .term = 1});
    receive(f, (struct raft_message){.kind = RAFT_VOTE_RESULT, .from = 2, .term = 1});
    ck_assert_int_eq(f->raft.role, RAFT_LEADER);
}

static void persist(struct fixture *f)
{
    (void)step(f, (struct raft_event){.kind = RAFT_EVENT_PERSISTED,
                                      .index = raft_trail_last(&f->raft.trail),
                                      .epoch = f->raft.epoch});
}

START_TEST(pre_vote_does_not_change_the_term)
{
    struct fixture f;
    start(&f, 3);
    f.now += 700 * MS;
    (void)step(&f, (struct raft_event){.kind = RAFT_EVENT_TICK});
    ck_assert_int_eq(f.raft.role, RAFT_PRE_CANDIDATE);
    ck_assert_uint_eq(f.raft.term, 0);
    ck_assert(!f.update.meta);
    ck_assert_ptr_nonnull(sent(&f, RAFT_PRE_VOTE, 2));
    stop(&f);
}
END_TEST

START_TEST(leader_counts_itself_only_after_its_own_flush)
{
    struct fixture f;
    start(&f, 3);
    elect(&f);
    ck_assert_uint_eq(f.update.entries_from, 1);
    ck_assert_uint_eq(f.raft.commit, 0);
    receive(&f,
            (struct raft_message){.kind = RAFT_APPEND_RESULT, .from = 2, .term = 1, .commit = 1});
    ck_assert_uint_eq(f.raft.commit, 0);
    persist(&f);
    ck_assert_uint_eq(f.raft.commit, 1);
    stop(&f);
}
END_TEST

START_TEST(a_follower_whose_disk_lost_acknowledged_entries_is_sent_them_again)
{
    struct fixture f;
    start(&f, 3);
    elect(&f);
    persist(&f);
    struct slice command = slice_text("x");
    (void)step(&f,
               (struct raft_event){.kind = RAFT_EVENT_PROPOSE, .commands = &command, .count = 1});
    persist(&f);
    receive(&f,
            (struct raft_message){.kind = RAFT_APPEND_RESULT, .from = 2, .term = 1, .commit = 2});
    ck_assert_uint_eq(f.raft.commit, 2);
    receive(&f, (struct raft_message){.kind = RAFT_HEARTBEAT_RESULT,
                                      .from = 2,
                                      .term = 1,
                                      .reject = true}); /* Restarted: nothing is verified. */
    receive(&f, (struct raft_message){.kind = RAFT_APPEND_RESULT,
                                      .from = 2,
                                      .term = 1,
                                      .reject = true,
                                      .context = 2,
                                      .last = {.index = 1}});
    const struct raft_message *append = sent(&f, RAFT_APPEND, 2);
    ck_assert_ptr_nonnull(append);
    ck_assert_uint_eq(append->last.index, 1);
    ck_assert_uint_eq(f.raft.commit, 2);
    stop(&f);
}
END_TEST

START_TEST(a_member_that_heard_a_leader_refuses_to_vote)
{
    struct fixture f;
    start(&f, 3);
    receive(&f, (struct raft_message){.kind = RAFT_HEARTBEAT, .from = 2, .term = 1, .context = 1});
    f.now += 100 * MS;
    receive(&f, (struct raft_message){.kind = RAFT_VOTE, .from = 3, .term = 2});
    ck_assert_uint_eq(f.raft.term, 1);
    ck_assert_ptr_null(sent(&f, RAFT_VOTE_RESULT, 3));
    receive(&f, (struct raft_message){.kind = RAFT_VOTE, .from = 3, .term = 2, .force = true});
    ck_assert_ptr_nonnull(sent(&f, RAFT_VOTE_RESULT, 3));
    ck_assert(!sent(&f, RAFT_VOTE_RESULT, 3)->reject);
    ck_assert_uint_eq(f.raft.vote, 3);
    stop(&f);
}
END_TEST

START_TEST(follower_acknowledges_only_what_is_flushed)
{
    struct fixture f;
    start(&f, 3);
    struct raft_entry *entry = raft_entry_new(1, 1, RAFT_ENTRY_COMMAND, 0, slice_text("x"));
    struct raft_entry *entries[] = {entry};
    receive(&f,
            (struct raft_message){
                .kind = RAFT_APPEND, .from = 2, .term = 1, .entries = entries, .entry_count = 1});
    ck_assert_uint_eq(f.update.entries_from, 1);
    ck_assert_ptr_null(sent(&f, RAFT_APPEND_RESULT, 2));
    persist(&f);
    ck_assert_ptr_nonnull(sent(&f, RAFT_APPEND_RESULT, 2));
    ck_assert_uint_eq(sent(&f, RAFT_APPEND_RESULT, 2)->commit, 1);
    raft_entry_unref(entry);
    stop(&f);
}
END_TEST

START_TEST(a_flush_begun_before_a_truncation_proves_nothing)
{
    struct fixture f;
    start(&f, 3);
    struct raft_entry *old = raft_entry_new(1, 1, RAFT_ENTRY_COMMAND, 0, slice_text("old"));
    struct raft_entry *new = raft_entry_new(1, 2, RAFT_ENTRY_COMMAND, 0, slice_text("new"));
    receive(&f, (struct raft_message){
                    .kind = RAFT_APPEND, .from = 2, .term = 1, .entries = &old, .entry_count = 1});
    uint64_t epoch = f.raft.epoch;
    receive(&f, (struct raft_message){
                    .kind = RAFT_APPEND, .from = 3, .term = 2, .entries = &new, .entry_count = 1});
    ck_assert(f.update.truncated);
    ck_assert_uint_eq(f.update.truncate_from, 1);
    (void)step(&f, (struct raft_event){.kind = RAFT_EVENT_PERSISTED, .index = 1, .epoch = epoch});
    ck_assert_uint_eq(f.raft.stable, 0);
    ck_assert_ptr_null(sent(&f, RAFT_APPEND_RESULT, 3));
    raft_entry_unref(old);
    raft_entry_unref(new);
    stop(&f);
}
END_TEST

START_TEST(a_read_needs_a_round_of_heartbeats_sent_after_it)
{
    struct fixture f;
    start(&f, 3);
    elect(&f);
    persist(&f);
    receive(&f,
            (struct raft_message){.kind = RAFT_APPEND_RESULT, .from = 2, .term = 1, .commit = 1});
    uint64_t before = f.raft.context;
    ck_assert_int_eq(step(&f, (struct raft_event){.kind = RAFT_EVENT_READ, .id = 42}), 0);
    ck_assert_ptr_nonnull(sent(&f, RAFT_HEARTBEAT, 2));
    uint64_t context = sent(&f, RAFT_HEARTBEAT, 2)->context;
    ck_assert_uint_gt(context, before);
    receive(&f, (struct raft_message){
                    .kind = RAFT_HEARTBEAT_RESULT, .from = 2, .term = 1, .context = before});
    ck_assert_uint_eq(f.update.read_count, 0);
    receive(&f, (struct raft_message){
                    .kind = RAFT_HEARTBEAT_RESULT, .from = 2, .term = 1, .context = context});
    ck_assert_uint_eq(f.update.read_count, 1);
    ck_assert_uint_eq(f.update.reads[0].id, 42);
    ck_assert_uint_eq(f.update.reads[0].index, 1);
    stop(&f);
}
END_TEST

START_TEST(a_leader_whose_loop_stood_still_steps_down)
{
    struct fixture f;
    start(&f, 3);
    elect(&f);
    f.now += 301 * MS;
    (void)step(&f, (struct raft_event){.kind = RAFT_EVENT_READ, .id = 1});
    ck_assert_int_ne(f.raft.role, RAFT_LEADER);
    ck_assert_int_eq(step(&f, (struct raft_event){.kind = RAFT_EVENT_PROPOSE}), -ENOTCONN);
    stop(&f);
}
END_TEST

START_TEST(a_joint_configuration_needs_both_majorities)
{
    struct raft_members members = {0};
    const uint8_t flags[] = {RAFT_MEMBER_VOTER | RAFT_MEMBER_VOTER_OLD, RAFT_MEMBER_VOTER_OLD,
                             RAFT_MEMBER_VOTER_OLD, RAFT_MEMBER_VOTER, RAFT_MEMBER_VOTER};
    for (uint64_t id = 1; id <= 5; id++) {
        ck_assert_int_eq(raft_members_add(&members, id, "m", "http://m", flags[id - 1]), 0);
    }
    const bool incoming[RAFT_MEMBERS_MAX] = {true, false, false, true, true};
    const bool both[RAFT_MEMBERS_MAX] = {true, true, false, true, false};
    ck_assert(raft_members_joint(&members));
    ck_assert(!raft_members_quorum(&members, incoming));
    ck_assert(raft_members_quorum(&members, both));
    const uint64_t values[RAFT_MEMBERS_MAX] = {9, 3, 2, 8, 7};
    ck_assert_uint_eq(raft_members_quorum_value(&members, values), 3);
}
END_TEST

START_TEST(only_a_member_that_votes_alone_campaigns_without_waiting)
{
    const size_t voters[] = {1, 3};
    const enum raft_role roles[] = {RAFT_LEADER, RAFT_FOLLOWER};
    struct fixture f;
    start(&f, voters[_i]);
    raft_election_reset_now(&f.raft, f.now);
    (void)step(&f, (struct raft_event){.kind = RAFT_EVENT_TICK});
    ck_assert_int_eq(f.raft.role, roles[_i]);
    stop(&f);
}
END_TEST

Suite *core_suite(void)
{
    Suite *suite = suite_create("raft/core");
    TCase *tcase = tcase_create("rules");
    tcase_add_test(tcase, pre_vote_does_not_change_the_term);
    tcase_add_test(tcase, leader_counts_itself_only_after_its_own_flush);
    tcase_add_test(tcase, a_follower_whose_disk_lost_acknowledged_entries_is_sent_them_again);
    tcase_add_test(tcase, a_member_that_heard_a_leader_refuses_to_vote);
    tcase_add_test(tcase, follower_acknowledges_only_what_is_flushed);
    tcase_add_test(tcase, a_flush_begun_before_a_truncation_proves_nothing);
    tcase_add_test(tcase, a_read_needs_a_round_of_heartbeats_sent_after_it);
    tcase_add_test(tcase, a_leader_whose_loop_stood_still_steps_down);
    tcase_add_loop_test(tcase, only_a_member_that_votes_alone_campaigns_without_waiting, 0, 2);
    tcase_add_test(tcase, a_joint_configuration_needs_both_majorities);
    suite_add_tcase(suite, tcase);
    return suite;
}
