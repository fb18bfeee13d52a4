/* The state machine by hand: one member under test, its peers are the messages written here. */
#include "tests/unit/raft/core_fixture.h"

#include <check.h>
#include <errno.h>

Suite *core_suite(void);

START_TEST(pre_vote_does_not_change_the_term)
{
    struct fixture f;
    core_start(&f, 3);
    f.now = raft_next_tick_ns(&f.raft);
    (void)core_step(&f, (struct raft_event){.kind = RAFT_EVENT_TICK});
    ck_assert_int_eq(f.raft.role, RAFT_PRE_CANDIDATE);
    ck_assert_uint_eq(f.raft.term, 0);
    ck_assert(!f.update.meta);
    ck_assert_ptr_nonnull(core_sent(&f, RAFT_PRE_VOTE, 2));
    core_stop(&f);
}
END_TEST

START_TEST(leader_counts_itself_only_after_its_own_flush)
{
    struct fixture f;
    core_start(&f, 3);
    core_elect(&f);
    ck_assert_uint_eq(f.update.entries_from, 1);
    ck_assert_uint_eq(f.raft.commit, 0);
    core_receive(
        &f, (struct raft_message){.kind = RAFT_APPEND_RESULT, .from = 2, .term = 1, .commit = 1});
    ck_assert_uint_eq(f.raft.commit, 0);
    core_persist(&f);
    ck_assert_uint_eq(f.raft.commit, 1);
    core_stop(&f);
}
END_TEST

START_TEST(a_follower_whose_disk_lost_acknowledged_entries_is_sent_them_again)
{
    struct fixture f;
    core_start(&f, 3);
    core_elect(&f);
    core_persist(&f);
    struct slice command = slice_text("x");
    (void)core_step(
        &f, (struct raft_event){.kind = RAFT_EVENT_PROPOSE, .commands = &command, .count = 1});
    core_persist(&f);
    core_receive(
        &f, (struct raft_message){.kind = RAFT_APPEND_RESULT, .from = 2, .term = 1, .commit = 2});
    ck_assert_uint_eq(f.raft.commit, 2);
    core_receive(&f, (struct raft_message){.kind = RAFT_HEARTBEAT_RESULT,
                                           .from = 2,
                                           .term = 1,
                                           .reject = true}); /* Restarted: nothing is verified. */
    core_receive(&f,
                 (struct raft_message){.kind = RAFT_APPEND_RESULT,
                                       .from = 2,
                                       .term = 1,
                                       .reject = true,
                                       .context = 2,
                                       .last = {.index = 1, .chain = f.raft.progress[1].flight}});
    const struct raft_message *append = core_sent(&f, RAFT_APPEND, 2);
    ck_assert_ptr_nonnull(append);
    ck_assert_uint_eq(append->last.index, 1);
    ck_assert_uint_eq(f.raft.commit, 2);
    core_stop(&f);
}
END_TEST

/* sim_joint seed 1309: with nothing to write a learner was looked for without end, and not
 * promoted. */
START_TEST(a_probe_ends_without_entries_when_a_heartbeat_is_answered)
{
    struct fixture f;
    core_start(&f, 3);
    core_elect(&f);
    core_persist(&f);
    core_acknowledge_all(&f, 2);
    ck_assert_int_eq(f.raft.progress[1].state, RAFT_REPLICATE);
    core_receive(
        &f, (struct raft_message){.kind = RAFT_APPEND_RESULT,
                                  .from = 2,
                                  .term = 1,
                                  .reject = true,
                                  .commit = 1,
                                  .context = 2, /* It was sent more, and that came too early. */
                                  .last = {.index = 1, .chain = f.raft.progress[1].flight}});
    ck_assert_int_eq(f.raft.progress[1].state, RAFT_PROBE);
    core_receive(&f, (struct raft_message){.kind = RAFT_HEARTBEAT_RESULT,
                                           .from = 2,
                                           .term = 1,
                                           .commit = raft_trail_last(&f.raft.trail),
                                           .context = 1});
    ck_assert_int_eq(f.raft.progress[1].state, RAFT_REPLICATE);
    core_stop(&f);
}
END_TEST

START_TEST(a_member_that_heard_a_leader_refuses_to_vote)
{
    struct fixture f;
    core_start(&f, 3);
    core_receive(&f,
                 (struct raft_message){.kind = RAFT_HEARTBEAT, .from = 2, .term = 1, .context = 1});
    f.now += 100 * MS;
    core_receive(&f, (struct raft_message){.kind = RAFT_VOTE, .from = 3, .term = 2});
    ck_assert_uint_eq(f.raft.term, 1);
    ck_assert_ptr_null(core_sent(&f, RAFT_VOTE_RESULT, 3));
    core_receive(&f, (struct raft_message){.kind = RAFT_VOTE, .from = 3, .term = 2, .force = true});
    ck_assert_ptr_nonnull(core_sent(&f, RAFT_VOTE_RESULT, 3));
    ck_assert(!core_sent(&f, RAFT_VOTE_RESULT, 3)->reject);
    ck_assert_uint_eq(f.raft.vote, 3);
    core_stop(&f);
}
END_TEST

START_TEST(follower_acknowledges_only_what_is_flushed)
{
    struct fixture f;
    core_start(&f, 3);
    struct raft_entry *entry = raft_entry_new(1, 1, RAFT_ENTRY_COMMAND, 0, slice_text("x"));
    struct raft_entry *entries[] = {entry};
    core_receive(
        &f, (struct raft_message){
                .kind = RAFT_APPEND, .from = 2, .term = 1, .entries = entries, .entry_count = 1});
    ck_assert_uint_eq(f.update.entries_from, 1);
    ck_assert_ptr_null(core_sent(&f, RAFT_APPEND_RESULT, 2));
    core_persist(&f);
    ck_assert_ptr_nonnull(core_sent(&f, RAFT_APPEND_RESULT, 2));
    ck_assert_uint_eq(core_sent(&f, RAFT_APPEND_RESULT, 2)->commit, 1);
    raft_entry_unref(entry);
    core_stop(&f);
}
END_TEST

START_TEST(a_follower_whose_disk_is_slow_still_says_that_it_hears_its_leader)
{
    struct fixture f;
    core_start(&f, 3);
    struct raft_entry *entry = raft_entry_new(1, 1, RAFT_ENTRY_COMMAND, 0, slice_text("x"));
    const struct raft_message append = {
        .kind = RAFT_APPEND, .from = 2, .term = 1, .entries = &entry, .entry_count = 1};
    for (int i = 0; i < 4; i++) {
        f.now += 40 * MS; /* Heartbeats are still behind all these entries. */
        core_receive(&f, append);
        const struct raft_message *answer = core_sent(&f, RAFT_APPEND_RESULT, 2);
        ck_assert_int_eq(answer != NULL, i == 2);
        ck_assert(answer == NULL || answer->commit == 0);
    }
    raft_entry_unref(entry);
    core_stop(&f);
}
END_TEST

START_TEST(a_candidate_forgets_what_it_told_the_leader_of_the_term_before)
{
    struct fixture f;
    core_start(&f, 3);
    struct raft_entry *old = raft_entry_new(1, 1, RAFT_ENTRY_COMMAND, 0, slice_text("old"));
    struct raft_entry *new = raft_entry_new(1, 2, RAFT_ENTRY_COMMAND, 0, slice_text("new"));
    core_receive(&f,
                 (struct raft_message){
                     .kind = RAFT_APPEND, .from = 2, .term = 1, .entries = &old, .entry_count = 1});
    core_persist(&f);
    ck_assert_uint_eq(core_sent(&f, RAFT_APPEND_RESULT, 2)->commit, 1);
    f.now = raft_next_tick_ns(&f.raft);
    (void)core_step(&f, (struct raft_event){.kind = RAFT_EVENT_TICK});
    core_receive(&f, (struct raft_message){.kind = RAFT_PRE_VOTE_RESULT, .from = 3, .term = 2});
    ck_assert_int_eq(f.raft.role, RAFT_CANDIDATE);
    ck_assert_uint_eq(f.raft.term, 2);
    /* The winner of that term has another entry in that place, and this disk is slow: the answer
     * that says that the leader is heard says nothing of entries. */
    f.now += 200 * MS;
    core_receive(&f,
                 (struct raft_message){
                     .kind = RAFT_APPEND, .from = 3, .term = 2, .entries = &new, .entry_count = 1});
    ck_assert(f.update.truncated);
    ck_assert_ptr_nonnull(core_sent(&f, RAFT_APPEND_RESULT, 3));
    ck_assert_uint_eq(core_sent(&f, RAFT_APPEND_RESULT, 3)->commit, 0);
    core_persist(&f);
    ck_assert_uint_eq(core_sent(&f, RAFT_APPEND_RESULT, 3)->commit, 1);
    raft_entry_unref(old);
    raft_entry_unref(new);
    core_stop(&f);
}
END_TEST

START_TEST(news_of_the_commit_alone_is_not_answered)
{
    struct fixture f;
    core_start(&f, 3);
    struct raft_entry *entry = raft_entry_new(1, 1, RAFT_ENTRY_COMMAND, 0, slice_text("x"));
    core_receive(
        &f, (struct raft_message){
                .kind = RAFT_APPEND, .from = 2, .term = 1, .entries = &entry, .entry_count = 1});
    core_persist(&f);
    core_receive(&f, (struct raft_message){.kind = RAFT_APPEND,
                                           .from = 2,
                                           .term = 1,
                                           .last = {.index = 1, .term = 1, .chain = entry->chain},
                                           .commit = 1});
    ck_assert_uint_eq(f.raft.commit, 1);
    ck_assert_ptr_null(core_sent(&f, RAFT_APPEND_RESULT, 2));
    /* Should the acknowledgement have been lost, a heartbeat's answer says as much. */
    core_receive(&f,
                 (struct raft_message){.kind = RAFT_HEARTBEAT, .from = 2, .term = 1, .context = 1});
    ck_assert_uint_eq(core_sent(&f, RAFT_HEARTBEAT_RESULT, 2)->commit, 1);
    raft_entry_unref(entry);
    core_stop(&f);
}
END_TEST

START_TEST(a_flush_begun_before_a_truncation_proves_nothing)
{
    struct fixture f;
    core_start(&f, 3);
    struct raft_entry *old = raft_entry_new(1, 1, RAFT_ENTRY_COMMAND, 0, slice_text("old"));
    struct raft_entry *new = raft_entry_new(1, 2, RAFT_ENTRY_COMMAND, 0, slice_text("new"));
    core_receive(&f,
                 (struct raft_message){
                     .kind = RAFT_APPEND, .from = 2, .term = 1, .entries = &old, .entry_count = 1});
    uint64_t epoch = f.raft.epoch;
    core_receive(&f,
                 (struct raft_message){
                     .kind = RAFT_APPEND, .from = 3, .term = 2, .entries = &new, .entry_count = 1});
    ck_assert(f.update.truncated);
    ck_assert_uint_eq(f.update.truncate_from, 1);
    (void)core_step(&f,
                    (struct raft_event){.kind = RAFT_EVENT_PERSISTED, .index = 1, .epoch = epoch});
    ck_assert_uint_eq(f.raft.stable, 0);
    ck_assert_ptr_null(core_sent(&f, RAFT_APPEND_RESULT, 3));
    raft_entry_unref(old);
    raft_entry_unref(new);
    core_stop(&f);
}
END_TEST

START_TEST(a_read_needs_a_round_of_heartbeats_sent_after_it)
{
    struct fixture f;
    core_start(&f, 3);
    core_elect(&f);
    core_persist(&f);
    core_receive(
        &f, (struct raft_message){.kind = RAFT_APPEND_RESULT, .from = 2, .term = 1, .commit = 1});
    uint64_t before = f.raft.context;
    ck_assert_int_eq(core_step(&f, (struct raft_event){.kind = RAFT_EVENT_READ, .id = 42}), 0);
    ck_assert_ptr_nonnull(core_sent(&f, RAFT_HEARTBEAT, 2));
    uint64_t context = core_sent(&f, RAFT_HEARTBEAT, 2)->context;
    ck_assert_uint_gt(context, before);
    core_receive(&f, (struct raft_message){
                         .kind = RAFT_HEARTBEAT_RESULT, .from = 2, .term = 1, .context = before});
    ck_assert_uint_eq(f.update.read_count, 0);
    core_receive(&f, (struct raft_message){
                         .kind = RAFT_HEARTBEAT_RESULT, .from = 2, .term = 1, .context = context});
    ck_assert_uint_eq(f.update.read_count, 1);
    ck_assert_uint_eq(f.update.reads[0].id, 42);
    ck_assert_uint_eq(f.update.reads[0].index, 1);
    core_stop(&f);
}
END_TEST

START_TEST(a_leader_without_followers_wakes_less_often_and_stays_leader)
{
    const uint64_t pauses[] = {150 * MS, 50 * MS}; /* Of one member, and of two. */
    struct fixture f;
    core_start(&f, (size_t)_i + 1);
    core_elect(&f);
    for (int ticks = 0; ticks < 4; ticks++) {
        f.now = raft_next_tick_ns(&f.raft);
        core_step(&f, (struct raft_event){.kind = RAFT_EVENT_TICK});
        ck_assert_int_eq(f.raft.role, RAFT_LEADER);
        ck_assert_uint_eq(raft_next_tick_ns(&f.raft), f.now + pauses[_i]);
    }
    core_stop(&f);
}
END_TEST

START_TEST(a_leader_that_votes_alone_leads_on_after_it_stood_still)
{
    struct fixture f;
    core_start(&f, 1);
    core_elect(&f);
    uint64_t term = f.raft.term;
    f.now += 5000 * MS;
    (void)core_step(&f, (struct raft_event){.kind = RAFT_EVENT_TICK});
    ck_assert_int_eq(f.raft.role, RAFT_LEADER);
    ck_assert_uint_eq(f.raft.term, term);
    ck_assert_uint_eq(f.raft.absences, 1);
    core_stop(&f);
}
END_TEST

START_TEST(a_leader_whose_loop_stood_still_steps_down)
{
    struct fixture f;
    core_start(&f, 3);
    core_elect(&f);
    f.now += 301 * MS;
    (void)core_step(&f, (struct raft_event){.kind = RAFT_EVENT_READ, .id = 1});
    ck_assert_int_ne(f.raft.role, RAFT_LEADER);
    ck_assert_int_eq(core_step(&f, (struct raft_event){.kind = RAFT_EVENT_PROPOSE}), -ENOTCONN);
    f.now += 51 * MS; /* Nobody has said that he leads. */
    (void)core_step(&f, (struct raft_event){.kind = RAFT_EVENT_TICK});
    ck_assert_int_eq(f.raft.role, RAFT_PRE_CANDIDATE);
    core_stop(&f);
}
END_TEST

START_TEST(a_leader_does_not_take_its_own_absence_for_the_silence_of_others)
{
    struct fixture f;
    core_start(&f, 3);
    core_elect(&f);
    for (uint64_t id = 2; id <= 3; id++) {
        core_receive(&f, (struct raft_message){
                             .kind = RAFT_HEARTBEAT_RESULT, .from = id, .term = f.raft.term});
    }
    f.now += 50 * MS;
    (void)core_step(&f, (struct raft_event){.kind = RAFT_EVENT_TICK});
    f.now += 290 * MS; /* Their answers wait to be read. */
    (void)core_step(&f, (struct raft_event){.kind = RAFT_EVENT_TICK});
    ck_assert_int_eq(f.raft.role, RAFT_LEADER);
    for (int ticks = 0; ticks < 6; ticks++) { /* There are none. */
        f.now += 50 * MS;
        (void)core_step(&f, (struct raft_event){.kind = RAFT_EVENT_TICK});
    }
    ck_assert_int_ne(f.raft.role, RAFT_LEADER);
    core_stop(&f);
}
END_TEST

START_TEST(a_follower_that_comes_late_reads_what_waited_before_it_stands_for_election)
{
    struct fixture f;
    core_start(&f, 3);
    f.now += 700 * MS;
    (void)core_step(&f, (struct raft_event){.kind = RAFT_EVENT_TICK});
    ck_assert_int_eq(f.raft.role, RAFT_FOLLOWER);
    if (_i == 0) {
        core_receive(&f, (struct raft_message){.kind = RAFT_HEARTBEAT, .from = 2, .term = 1});
    }
    f.now += 200 * MS; /* Too late again: now it does not wait. */
    (void)core_step(&f, (struct raft_event){.kind = RAFT_EVENT_TICK});
    ck_assert_int_eq(f.raft.role, _i == 0 ? RAFT_FOLLOWER : RAFT_PRE_CANDIDATE);
    core_stop(&f);
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
    core_start(&f, voters[_i]);
    raft_election_reset_now(&f.raft, f.now);
    (void)core_step(&f, (struct raft_event){.kind = RAFT_EVENT_TICK});
    ck_assert_int_eq(f.raft.role, roles[_i]);
    core_stop(&f);
}
END_TEST

Suite *core_suite(void)
{
    Suite *suite = suite_create("raft/core");
    TCase *tcase = tcase_create("rules");
    tcase_add_test(tcase, pre_vote_does_not_change_the_term);
    tcase_add_test(tcase, leader_counts_itself_only_after_its_own_flush);
    tcase_add_test(tcase, a_follower_whose_disk_lost_acknowledged_entries_is_sent_them_again);
    tcase_add_test(tcase, a_probe_ends_without_entries_when_a_heartbeat_is_answered);
    tcase_add_test(tcase, a_member_that_heard_a_leader_refuses_to_vote);
    tcase_add_test(tcase, follower_acknowledges_only_what_is_flushed);
    tcase_add_test(tcase, a_follower_whose_disk_is_slow_still_says_that_it_hears_its_leader);
    tcase_add_test(tcase, a_candidate_forgets_what_it_told_the_leader_of_the_term_before);
    tcase_add_test(tcase, news_of_the_commit_alone_is_not_answered);
    tcase_add_test(tcase, a_flush_begun_before_a_truncation_proves_nothing);
    tcase_add_test(tcase, a_read_needs_a_round_of_heartbeats_sent_after_it);
    tcase_add_loop_test(tcase, a_leader_without_followers_wakes_less_often_and_stays_leader, 0, 2);
    tcase_add_test(tcase, a_leader_whose_loop_stood_still_steps_down);
    tcase_add_test(tcase, a_leader_that_votes_alone_leads_on_after_it_stood_still);
    tcase_add_test(tcase, a_leader_does_not_take_its_own_absence_for_the_silence_of_others);
    tcase_add_loop_test(
        tcase, a_follower_that_comes_late_reads_what_waited_before_it_stands_for_election, 0, 2);
    tcase_add_loop_test(tcase, only_a_member_that_votes_alone_campaigns_without_waiting, 0, 2);
    tcase_add_test(tcase, a_joint_configuration_needs_both_majorities);
    suite_add_tcase(suite, tcase);
    return suite;
}
