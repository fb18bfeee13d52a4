/* Members that were removed, or lost their data: what they are told, and what they may not do
 * (docs/decisions/membership.md). */
#include "tests/unit/raft/core_fixture.h"

#include <check.h>
#include <errno.h>

Suite *lost_members_suite(void);

START_TEST(a_removed_member_is_told_so_when_it_asks_for_votes)
{
    struct fixture f;
    core_lead(&f);
    ck_assert_int_eq(core_change(&f, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = 3}), 0);
    core_settle(&f, 2, 2);
    uint64_t term = f.raft.term;
    core_receive(&f, (struct raft_message){.kind = RAFT_PRE_VOTE, .from = 3, .term = 2});
    const struct raft_message *refused = core_sent(&f, RAFT_REFUSED, 3);
    ck_assert_ptr_nonnull(refused);
    ck_assert_uint_eq(refused->context, RAFT_REFUSED_REMOVED);
    ck_assert_uint_eq(refused->last.index, f.raft.members_index);
    core_receive(&f, (struct raft_message){.kind = RAFT_VOTE, .from = 3, .term = 7});
    ck_assert_uint_eq(f.raft.term, term); /* A removed member does not disturb. */
    ck_assert_int_eq(f.raft.role, RAFT_LEADER);
    core_stop(&f);
}
END_TEST

START_TEST(only_news_make_a_member_believe_that_it_was_removed)
{
    struct fixture f;
    core_start(&f, 3);
    struct raft_message refused = {
        .kind = RAFT_REFUSED, .from = 2, .context = RAFT_REFUSED_REMOVED, .last = {.index = 5}};
    f.raft.members.items[0].flags = RAFT_MEMBER_LEARNER;
    core_receive(&f, refused); /* With nothing in the log it may only just have been added. */
    ck_assert_int_eq(f.update.refused, 0);
    f.raft.members.items[0].flags = RAFT_MEMBER_VOTER;
    struct raft_entry *entry = raft_entry_new(1, 0, RAFT_ENTRY_NOOP, 0, slice_of(NULL, 0));
    ck_assert_int_eq(raft_restore_entry(&f.raft, entry), 0);
    f.raft.members_index = 6;
    core_receive(&f, refused);
    ck_assert_int_eq(f.update.refused, 0);
    refused.last.index = 7;
    core_receive(&f, (struct raft_message){.kind = RAFT_HEARTBEAT, .from = 3, .term = 1});
    core_receive(&f, refused); /* A leader that keeps in touch knows better. */
    ck_assert_int_eq(f.update.refused, 0);
    f.now += 400 * MS;
    core_receive(&f, refused);
    ck_assert_int_eq(f.update.refused, RAFT_REFUSED_REMOVED);
    core_stop(&f);
}
END_TEST

START_TEST(one_of_the_first_members_that_lost_its_data_believes_that_it_was_removed)
{
    struct fixture f;
    core_start(&f, 3);
    core_receive(&f, (struct raft_message){.kind = RAFT_REFUSED,
                                           .from = 2,
                                           .context = RAFT_REFUSED_REMOVED,
                                           .last = {.index = 5}});
    ck_assert_int_eq(f.update.refused, RAFT_REFUSED_REMOVED);
    core_stop(&f);
}
END_TEST

START_TEST(a_removed_member_is_told_although_its_own_log_goes_further_on_from_an_earlier_term)
{
    struct fixture f;
    core_lead(&f);
    ck_assert_int_eq(core_change(&f, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = 2}), 0);
    uint64_t index = f.raft.members_index;
    uint64_t term = f.raft.term;
    ck_assert_uint_gt(index, f.raft.commit);
    f.now += 1000 * MS; /* It hears from nobody, and leads no more. */
    (void)core_step(&f, (struct raft_event){.kind = RAFT_EVENT_TICK});
    struct raft_message refused = {.kind = RAFT_REFUSED,
                                   .from = 2,
                                   .term = term + 1,
                                   .context = RAFT_REFUSED_REMOVED,
                                   .last = {.index = index - 1, .term = term}};
    core_receive(&f, refused);
    ck_assert_int_eq(f.update.refused, 0);
    refused.last.term = term + 1;
    core_receive(&f, refused);
    ck_assert_int_eq(f.update.refused, RAFT_REFUSED_REMOVED);
    core_stop(&f);
}
END_TEST

START_TEST(strangers_are_not_admitted)
{
    struct fixture f;
    core_lead(&f);
    struct raft_message head = {.from = 8, .to = 1, .cluster = 9, .term = 1};
    const enum raft_message_kind closed[] = {
        RAFT_APPEND_RESULT,   RAFT_HEARTBEAT_RESULT, RAFT_READ,
        RAFT_READ_RESULT,     RAFT_VOTE_RESULT,      RAFT_PRE_VOTE_RESULT,
        RAFT_SNAPSHOT_RESULT, RAFT_FORWARD,          RAFT_FORWARD_RESULT};
    for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
        head.kind = closed[i];
        ck_assert(!raft_admits(&f.raft, &head));
    }
    head.kind = RAFT_APPEND; /* A leader may be newer than the configuration here. */
    ck_assert(raft_admits(&f.raft, &head));
    head.term = 0;
    ck_assert(!raft_admits(&f.raft, &head));
    core_stop(&f);
}
END_TEST

/* Leads three voters whose data have the identities 11, 12 and 13, all recorded. */
static void lead_known(struct fixture *f)
{
    core_start(f, 3);
    f->raft.incarnation = 11;
    core_elect(f);
    core_persist(f);
    for (uint64_t round = 0; round < 3; round++) {
        for (uint64_t id = 2; id <= 3; id++) {
            core_receive(f, (struct raft_message){.kind = RAFT_HEARTBEAT_RESULT,
                                                  .from = id,
                                                  .term = 1,
                                                  .context = f->raft.context,
                                                  .incarnation = 10 + id,
                                                  .commit = raft_trail_last(&f->raft.trail)});
        }
        core_persist(f);
    }
    for (uint64_t id = 1; id <= 3; id++) {
        ck_assert_uint_eq(raft_members_find(&f->raft.members, id)->incarnation, 10 + id);
    }
    ck_assert_uint_eq(f->raft.commit, raft_trail_last(&f->raft.trail));
}

START_TEST(a_member_that_lost_its_disk_does_not_count_and_is_told)
{
    struct fixture f;
    lead_known(&f);
    uint64_t before = f.raft.commit;
    core_propose(&f, 1);
    core_persist(&f);
    core_receive(&f, (struct raft_message){.kind = RAFT_APPEND_RESULT,
                                           .from = 2,
                                           .term = 1,
                                           .incarnation = 99,
                                           .commit = before + 1});
    ck_assert_uint_eq(f.raft.commit, before);
    ck_assert_ptr_nonnull(core_sent(&f, RAFT_REFUSED, 2));
    ck_assert_uint_eq(core_sent(&f, RAFT_REFUSED, 2)->context, RAFT_REFUSED_LOST);
    core_receive(&f, (struct raft_message){.kind = RAFT_APPEND_RESULT,
                                           .from = 2,
                                           .term = 1,
                                           .incarnation = 12,
                                           .commit = before + 1});
    ck_assert_uint_eq(f.raft.commit, before + 1);
    core_stop(&f);
}
END_TEST

START_TEST(a_member_that_lost_its_disk_has_no_vote)
{
    struct fixture f;
    lead_known(&f);
    f.now += 301 * MS; /* Stood still: a follower again. */
    (void)core_step(&f, (struct raft_event){.kind = RAFT_EVENT_TICK});
    struct raft_message vote = {.kind = RAFT_VOTE,
                                .from = 2,
                                .term = 2,
                                .incarnation = 99,
                                .last = raft_trail_end(&f.raft.trail)};
    core_receive(&f, vote);
    ck_assert(core_sent(&f, RAFT_VOTE_RESULT, 2)->reject);
    f.now = raft_next_tick_ns(&f.raft);
    (void)core_step(&f, (struct raft_event){.kind = RAFT_EVENT_TICK});
    ck_assert_int_eq(f.raft.role, RAFT_PRE_CANDIDATE);
    struct raft_message yes = {
        .kind = RAFT_PRE_VOTE_RESULT, .from = 2, .term = f.raft.term + 1, .incarnation = 99};
    core_receive(&f, yes);
    ck_assert_int_eq(f.raft.role, RAFT_PRE_CANDIDATE);
    yes.incarnation = 12;
    core_receive(&f, yes);
    ck_assert_int_eq(f.raft.role, RAFT_CANDIDATE);
    core_stop(&f);
}
END_TEST

START_TEST(a_member_with_new_data_under_an_old_id_calls_no_election)
{
    struct fixture f;
    core_start(&f, 3);
    f.raft.incarnation = 5;
    f.raft.members.items[0].incarnation = 4;
    f.now = raft_next_tick_ns(&f.raft);
    (void)core_step(&f, (struct raft_event){.kind = RAFT_EVENT_TICK});
    ck_assert_int_eq(f.raft.role, RAFT_FOLLOWER);
    core_receive(&f, (struct raft_message){.kind = RAFT_HEARTBEAT, .from = 2, .term = 1});
    struct raft_message lost = {.kind = RAFT_REFUSED,
                                .from = 3,
                                .term = 1,
                                .context = RAFT_REFUSED_LOST,
                                .last = {.chain = 5}};
    core_receive(&f, lost);
    ck_assert_int_eq(f.update.refused, 0); /* Only the leader can say so. */
    lost.from = 2;
    lost.last.chain = 4;
    core_receive(&f, lost);
    ck_assert_int_eq(f.update.refused, 0); /* Meant for what was there before. */
    lost.last.chain = 5;
    core_receive(&f, lost);
    ck_assert_int_eq(f.update.refused, RAFT_REFUSED_LOST);
    core_stop(&f);
}
END_TEST

Suite *lost_members_suite(void)
{
    Suite *suite = suite_create("raft/lost_members");
    TCase *tcase = tcase_create("members");
    tcase_add_test(tcase, a_removed_member_is_told_so_when_it_asks_for_votes);
    tcase_add_test(tcase, only_news_make_a_member_believe_that_it_was_removed);
    tcase_add_test(tcase, one_of_the_first_members_that_lost_its_data_believes_that_it_was_removed);
    tcase_add_test(
        tcase, a_removed_member_is_told_although_its_own_log_goes_further_on_from_an_earlier_term);
    tcase_add_test(tcase, strangers_are_not_admitted);
    tcase_add_test(tcase, a_member_that_lost_its_disk_does_not_count_and_is_told);
    tcase_add_test(tcase, a_member_that_lost_its_disk_has_no_vote);
    tcase_add_test(tcase, a_member_with_new_data_under_an_old_id_calls_no_election);
    suite_add_tcase(suite, tcase);
    return suite;
}
