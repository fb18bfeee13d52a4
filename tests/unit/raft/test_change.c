/* Changing the members, rule by rule (docs/decisions/membership.md). */
#include "tests/unit/raft/core_fixture.h"

#include <check.h>
#include <errno.h>

Suite *change_suite(void);

static uint8_t flags_of(const struct fixture *f, uint64_t id)
{
    const struct raft_member *member = raft_members_find(&f->raft.members, id);
    return member == NULL ? 0 : member->flags;
}

START_TEST(nothing_changes_before_an_entry_of_the_own_term_is_committed)
{
    struct fixture f;
    core_start(&f, 3);
    core_elect(&f);
    core_receive(&f, (struct raft_message){
                         .kind = RAFT_HEARTBEAT_RESULT, .from = 2, .term = 1, .context = 1});
    struct raft_change change = {.kind = RAFT_CHANGE_UPDATE, .id = 2, .url = "http://new"};
    ck_assert_int_eq(core_change(&f, change), -EBUSY);
    core_persist(&f);
    core_acknowledge_all(&f, 2);
    ck_assert_int_eq(core_change(&f, change), 0);
    core_stop(&f);
}
END_TEST

START_TEST(a_voter_leaves_through_a_joint_configuration_that_ends_by_itself)
{
    struct fixture f;
    core_lead(&f);
    ck_assert_int_eq(core_change(&f, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = 3}), 0);
    ck_assert(raft_members_joint(&f.raft.members)); /* In force at append. */
    ck_assert_uint_eq(flags_of(&f, 3), RAFT_MEMBER_VOTER_OLD);
    ck_assert_uint_eq(flags_of(&f, 2), RAFT_MEMBER_VOTER | RAFT_MEMBER_VOTER_OLD);
    core_persist(&f);
    core_acknowledge_all(&f, 3); /* A majority of the old half only. */
    ck_assert(raft_members_joint(&f.raft.members));
    core_acknowledge_all(&f, 2);
    ck_assert(!raft_members_joint(&f.raft.members));
    ck_assert_uint_eq(f.update.changed, 0);
    ck_assert_uint_eq(flags_of(&f, 3), 0);
    core_persist(&f);
    core_acknowledge_all(&f, 2);
    ck_assert_uint_eq(f.update.changed, raft_trail_last(&f.raft.trail));
    ck_assert_uint_eq(f.raft.commit, raft_trail_last(&f.raft.trail));
    core_stop(&f);
}
END_TEST

START_TEST(one_change_at_a_time)
{
    struct fixture f;
    core_lead(&f);
    ck_assert_int_eq(core_change(&f, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = 3}), 0);
    struct raft_change next = {.kind = RAFT_CHANGE_UPDATE, .id = 2, .url = "http://new"};
    ck_assert_int_eq(core_change(&f, next), -EBUSY);
    core_settle(&f, 2, 2);
    ck_assert_int_eq(core_change(&f, next), 0);
    ck_assert_str_eq(raft_members_find(&f.raft.members, 2)->url, "http://new");
    core_stop(&f);
}
END_TEST

START_TEST(a_truncated_configuration_is_rolled_back)
{
    struct fixture f;
    core_start(&f, 3);
    struct raft_members grown = f.raft.members;
    struct buffer bytes;
    buffer_init(&bytes, RAFT_COMMAND_MAX);
    ck_assert_int_eq(raft_members_add(&grown, 4, "d", "http://m4", RAFT_MEMBER_VOTER), 0);
    raft_members_encode(&grown, &bytes);
    struct raft_entry *config =
        raft_entry_new(1, 1, RAFT_ENTRY_CONFIG, /* previous_chain= */ 0, buffer_slice(&bytes));
    struct raft_entry *other = raft_entry_new(1, 2, RAFT_ENTRY_NOOP, 0, slice_of(NULL, 0));
    core_receive(
        &f, (struct raft_message){
                .kind = RAFT_APPEND, .from = 2, .term = 1, .entries = &config, .entry_count = 1});
    ck_assert_uint_eq(f.raft.members.count, 4);
    ck_assert_uint_eq(f.raft.members_index, 1);
    core_receive(
        &f, (struct raft_message){
                .kind = RAFT_APPEND, .from = 3, .term = 2, .entries = &other, .entry_count = 1});
    ck_assert_uint_eq(f.raft.members.count, 3);
    ck_assert_uint_eq(f.raft.members_index, 0);
    raft_entry_unref(config);
    raft_entry_unref(other);
    buffer_release(&bytes);
    core_stop(&f);
}
END_TEST

START_TEST(a_learner_gets_entries_and_counts_in_no_quorum)
{
    struct fixture f;
    core_lead(&f);
    struct raft_change add = {
        .kind = RAFT_CHANGE_ADD, .id = 4, .url = "http://m4", .learner = true};
    ck_assert_int_eq(core_change(&f, add), 0);
    ck_assert_uint_eq(flags_of(&f, 4), RAFT_MEMBER_LEARNER);
    ck_assert_ptr_nonnull(core_sent(&f, RAFT_APPEND, 4));
    core_settle(&f, 2, 3);
    core_propose(&f, 1);
    core_persist(&f);
    uint64_t before = f.raft.commit;
    core_acknowledge_all(&f, 4);
    ck_assert_uint_eq(f.raft.commit, before);
    core_acknowledge_all(&f, 2);
    ck_assert_uint_eq(f.raft.commit, before + 1);
    core_stop(&f);
}
END_TEST

START_TEST(a_learner_is_promoted_only_when_it_is_in_sync)
{
    struct fixture f;
    core_lead(&f);
    struct raft_change promote = {.kind = RAFT_CHANGE_PROMOTE, .id = 4};
    ck_assert_int_eq(core_change(&f, promote), -ENOENT);
    struct raft_change add = {
        .kind = RAFT_CHANGE_ADD, .id = 4, .url = "http://m4", .learner = true};
    ck_assert_int_eq(core_change(&f, add), 0);
    core_propose(&f, 98);
    core_settle(&f, 2, 3);
    ck_assert_uint_eq(raft_trail_last(&f.raft.trail), 100);
    ck_assert_int_eq(core_change(&f, promote), -EAGAIN); /* Never heard of. */
    core_acknowledge(&f, 4, 89);
    ck_assert_int_eq(core_change(&f, promote), -EAGAIN);
    core_acknowledge(&f, 4, 90);
    ck_assert_int_eq(core_change(&f, promote), 0);
    ck_assert_uint_eq(flags_of(&f, 4), RAFT_MEMBER_VOTER);
    ck_assert(raft_members_joint(&f.raft.members));
    core_settle(&f, 2, 4);
    ck_assert(!raft_members_joint(&f.raft.members));
    ck_assert_int_eq(core_change(&f, promote), -EALREADY);
    core_stop(&f);
}
END_TEST

START_TEST(a_new_voter_gets_its_vote_by_itself_once_it_has_caught_up)
{
    struct fixture f;
    core_lead(&f);
    struct raft_change add = {.kind = RAFT_CHANGE_ADD, .id = 4, .url = "http://m4"};
    ck_assert_int_eq(core_change(&f, add), 0);
    ck_assert_uint_eq(flags_of(&f, 4), RAFT_MEMBER_LEARNER | RAFT_MEMBER_JOINING);
    core_persist(&f);
    core_acknowledge_all(&f, 2);
    ck_assert_uint_ne(f.update.changed, 0); /* Done before the member has ever been started. */
    core_acknowledge_all(&f, 4);
    ck_assert_uint_eq(flags_of(&f, 4), RAFT_MEMBER_VOTER);
    core_settle(&f, 2, 4);
    ck_assert_uint_eq(flags_of(&f, 4), RAFT_MEMBER_VOTER);
    ck_assert(!raft_members_joint(&f.raft.members));
    core_stop(&f);
}
END_TEST

START_TEST(changes_that_cannot_be_are_refused_by_name)
{
    struct fixture f;
    core_lead(&f);
    char long_text[RAFT_URL_MAX + 1];
    memset(long_text, 'x', RAFT_URL_MAX);
    long_text[RAFT_URL_MAX] = '\0';
    const struct {
        struct raft_change change;
        int status;
    } refused[] = {
        {{.kind = RAFT_CHANGE_ADD, .id = 3, .url = "http://n"}, -EEXIST},
        {{.kind = RAFT_CHANGE_ADD, .id = 4, .url = "http://m2"}, -EADDRINUSE},
        {{.kind = RAFT_CHANGE_ADD, .id = 4, .url = ""}, -EINVAL},
        {{.kind = RAFT_CHANGE_ADD, .id = 4, .url = long_text}, -EINVAL},
        {{.kind = RAFT_CHANGE_ADD, .id = 4, .url = "http://n", .name = long_text}, -EINVAL},
        {{.kind = RAFT_CHANGE_ADD, .id = 0, .url = "http://n"}, -EINVAL},
        {{.kind = RAFT_CHANGE_UPDATE, .id = 2, .url = "http://m3"}, -EADDRINUSE},
        {{.kind = RAFT_CHANGE_UPDATE, .id = 2, .url = long_text}, -EINVAL},
        {{.kind = RAFT_CHANGE_UPDATE, .id = 7, .url = "http://n"}, -ENOENT},
        {{.kind = RAFT_CHANGE_REMOVE, .id = 7}, -ENOENT},
        {{.kind = RAFT_CHANGE_PROMOTE, .id = 2}, -EALREADY},
    };
    uint64_t last = raft_trail_last(&f.raft.trail);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        ck_assert_int_eq(core_change(&f, refused[i].change), refused[i].status);
    }
    ck_assert_uint_eq(raft_trail_last(&f.raft.trail), last);
    core_stop(&f);
}
END_TEST

START_TEST(the_second_learner_is_refused)
{
    struct fixture f;
    core_lead(&f);
    struct raft_change add = {
        .kind = RAFT_CHANGE_ADD, .id = 4, .url = "http://m4", .learner = true};
    ck_assert_int_eq(core_change(&f, add), 0);
    core_settle(&f, 2, 3);
    add.id = 5;
    add.url = "http://m5";
    ck_assert_int_eq(core_change(&f, add), -EDQUOT);
    add.learner = false; /* It only joins as one. */
    ck_assert_int_eq(core_change(&f, add), 0);
    core_stop(&f);
}
END_TEST

START_TEST(a_change_that_would_cost_the_quorum_is_refused)
{
    struct fixture f;
    core_start(&f, 3);
    core_elect(&f);
    core_persist(&f);
    core_acknowledge_all(&f, 2); /* 3 has never been heard of. */
    ck_assert_int_eq(core_change(&f, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = 2}),
                     -EPERM);
    struct raft_change add = {.kind = RAFT_CHANGE_ADD, .id = 4, .url = "http://m4"};
    ck_assert_int_eq(core_change(&f, add), -EPERM);
    ck_assert_int_eq(core_change(&f, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = 3}), 0);
    core_stop(&f);
    core_start(&f, 1);
    core_elect(&f);
    core_persist(&f);
    ck_assert_int_eq(core_change(&f, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = 1}),
                     -EPERM);
    ck_assert_int_eq(core_change(&f, add), 0); /* One may always become two. */
    core_persist(&f);
    add.id = 5;
    add.url = "http://m5";
    ck_assert_int_eq(core_change(&f, add), -EPERM);
    core_stop(&f);
}
END_TEST

START_TEST(a_leader_that_removes_itself_hands_over_and_steps_down_after_the_commit)
{
    struct fixture f;
    core_lead(&f);
    ck_assert_int_eq(core_change(&f, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = 1}), 0);
    core_persist(&f);
    core_acknowledge_all(&f, 2);
    core_acknowledge_all(&f, 3);
    ck_assert(!raft_members_joint(&f.raft.members));
    ck_assert_int_eq(f.raft.role, RAFT_LEADER);
    struct slice command = slice_text("x");
    ck_assert_int_eq(
        core_step(
            &f, (struct raft_event){.kind = RAFT_EVENT_PROPOSE, .commands = &command, .count = 1}),
        -EAGAIN);
    core_persist(&f);
    core_acknowledge_all(&f, 2); /* One of two, and the leader does not count itself. */
    ck_assert_int_eq(f.raft.role, RAFT_LEADER);
    core_acknowledge_all(&f, 3);
    ck_assert_uint_ne(f.update.changed, 0);
    ck_assert_int_eq(f.raft.role, RAFT_FOLLOWER);
    ck_assert_ptr_nonnull(core_sent(&f, RAFT_TIMEOUT_NOW, 2));
    ck_assert(f.raft.removed);
    f.now = raft_next_tick_ns(&f.raft);
    (void)core_step(&f, (struct raft_event){.kind = RAFT_EVENT_TICK});
    ck_assert_int_eq(f.raft.role, RAFT_FOLLOWER);
    core_stop(&f);
}
END_TEST

START_TEST(who_is_none_in_a_configuration_that_only_it_has_still_brings_it_to_the_others)
{
    struct fixture f;
    core_start(&f, 2);
    struct raft_members without = f.raft.members;
    struct buffer bytes;
    buffer_init(&bytes, RAFT_COMMAND_MAX);
    raft_members_remove(&without, /* place= */ 0);
    raft_members_encode(&without, &bytes);
    struct raft_entry *entry = raft_entry_new(1, 0, RAFT_ENTRY_CONFIG, 0, buffer_slice(&bytes));
    ck_assert_int_eq(raft_restore_entry(&f.raft, entry), 0);
    f.now = raft_next_tick_ns(&f.raft);
    (void)core_step(&f, (struct raft_event){.kind = RAFT_EVENT_TICK});
    ck_assert_int_eq(f.raft.role, RAFT_PRE_CANDIDATE); /* Its own vote does not count. */
    core_receive(&f, (struct raft_message){.kind = RAFT_PRE_VOTE_RESULT, .from = 2, .term = 1});
    core_receive(&f, (struct raft_message){.kind = RAFT_VOTE_RESULT, .from = 2, .term = 1});
    ck_assert_int_eq(f.raft.role, RAFT_LEADER);
    core_persist(&f);
    ck_assert_uint_eq(f.raft.commit, 0);
    core_acknowledge_all(&f, 2);
    ck_assert_int_eq(f.raft.role, RAFT_FOLLOWER);
    ck_assert_ptr_nonnull(core_sent(&f, RAFT_TIMEOUT_NOW, 2));
    buffer_release(&bytes);
    core_stop(&f);
}
END_TEST

START_TEST(a_new_leader_ends_the_joint_configuration_of_the_one_before)
{
    struct fixture f;
    core_start(&f, 3);
    struct raft_members joint = f.raft.members;
    struct buffer bytes;
    buffer_init(&bytes, RAFT_COMMAND_MAX);
    raft_members_enter(&joint);
    joint.items[2].flags = RAFT_MEMBER_VOTER_OLD;
    raft_members_encode(&joint, &bytes);
    struct raft_entry *entry = raft_entry_new(1, 0, RAFT_ENTRY_CONFIG, 0, buffer_slice(&bytes));
    ck_assert_int_eq(raft_restore_entry(&f.raft, entry), 0);
    core_elect(&f);
    core_persist(&f);
    ck_assert(raft_members_joint(&f.raft.members));
    core_acknowledge_all(&f, 2);
    ck_assert(!raft_members_joint(&f.raft.members));
    ck_assert_uint_eq(f.raft.members.count, 2);
    buffer_release(&bytes);
    core_stop(&f);
}
END_TEST

START_TEST(what_the_leader_knows_of_a_member_stays_with_it_when_others_come_and_go)
{
    struct fixture f;
    core_lead(&f);
    core_propose(&f, 5);
    core_persist(&f);
    core_acknowledge_all(&f, 3);
    uint64_t match = raft_trail_last(&f.raft.trail);
    ck_assert_int_eq(core_change(&f, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = 2}), 0);
    core_settle(&f, 3, 3);
    core_acknowledge(&f, 2, 1);
    int place = raft_members_place(&f.raft.members, 3);
    ck_assert_int_eq(place, 1);
    ck_assert_uint_eq(f.raft.progress[place].id, 3);
    ck_assert_uint_ge(f.raft.progress[place].match, match);
    core_stop(&f);
}
END_TEST

START_TEST(configurations_survive_the_compaction_of_their_entries)
{
    struct fixture f;
    core_lead(&f);
    struct raft_change add = {
        .kind = RAFT_CHANGE_ADD, .id = 4, .url = "http://m4", .learner = true};
    ck_assert_int_eq(core_change(&f, add), 0);
    core_propose(&f, 3);
    core_settle(&f, 2, 3);
    (void)core_step(&f,
                    (struct raft_event){.kind = RAFT_EVENT_COMPACT, .index = f.raft.commit - 1});
    ck_assert_uint_eq(f.raft.base_members.count, 4);
    ck_assert_uint_eq(raft_members_at(&f.raft, f.raft.commit).count, 4);
    core_stop(&f);
}
END_TEST

Suite *change_suite(void)
{
    Suite *suite = suite_create("raft/change");
    TCase *tcase = tcase_create("members");
    tcase_add_test(tcase, nothing_changes_before_an_entry_of_the_own_term_is_committed);
    tcase_add_test(tcase, a_voter_leaves_through_a_joint_configuration_that_ends_by_itself);
    tcase_add_test(tcase, one_change_at_a_time);
    tcase_add_test(tcase, a_truncated_configuration_is_rolled_back);
    tcase_add_test(tcase, a_learner_gets_entries_and_counts_in_no_quorum);
    tcase_add_test(tcase, a_learner_is_promoted_only_when_it_is_in_sync);
    tcase_add_test(tcase, a_new_voter_gets_its_vote_by_itself_once_it_has_caught_up);
    tcase_add_test(tcase, changes_that_cannot_be_are_refused_by_name);
    tcase_add_test(tcase, the_second_learner_is_refused);
    tcase_add_test(tcase, a_change_that_would_cost_the_quorum_is_refused);
    tcase_add_test(tcase, a_leader_that_removes_itself_hands_over_and_steps_down_after_the_commit);
    tcase_add_test(tcase,
                   who_is_none_in_a_configuration_that_only_it_has_still_brings_it_to_the_others);
    tcase_add_test(tcase, a_new_leader_ends_the_joint_configuration_of_the_one_before);
    tcase_add_test(tcase, what_the_leader_knows_of_a_member_stays_with_it_when_others_come_and_go);
    tcase_add_test(tcase, configurations_survive_the_compaction_of_their_entries);
    suite_add_tcase(suite, tcase);
    return suite;
}
