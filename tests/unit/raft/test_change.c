/* Changing the members, rule by rule (docs/decisions/membership.md). */
#include "tests/unit/raft/core_fixture.h"

#include <check.h>
#include <errno.h>

Suite *change_suite(void);

static int ask(struct fixture *f, struct raft_change change)
{
    return core_step(f, (struct raft_event){.kind = RAFT_EVENT_CHANGE, .change = &change});
}

/* Leads three voters, with the first entry of its term committed; 2 and 3 answer. */
static void lead(struct fixture *f)
{
    core_start(f, 3);
    core_elect(f);
    core_persist(f);
    core_acknowledge_all(f, 2);
    core_acknowledge_all(f, 3);
    ck_assert_uint_eq(f->raft.commit, raft_trail_last(&f->raft.trail));
}

/* Everybody named has everything, until the log grows no more. */
static void settle(struct fixture *f, uint64_t a, uint64_t b)
{
    uint64_t last = 0;
    while (last != raft_trail_last(&f->raft.trail) && f->raft.role == RAFT_LEADER) {
        last = raft_trail_last(&f->raft.trail);
        core_persist(f);
        core_acknowledge_all(f, a);
        core_acknowledge_all(f, b);
    }
}

static uint8_t flags_of(const struct fixture *f, uint64_t id)
{
    const struct raft_member *member = raft_members_find(&f->raft.members, id);
    return member == NULL ? 0 : member->flags;
}

static void propose(struct fixture *f, size_t count)
{
    struct slice command = slice_text("x");
    for (size_t i = 0; i < count; i++) {
        (void)core_step(
            f, (struct raft_event){.kind = RAFT_EVENT_PROPOSE, .commands = &command, .count = 1});
    }
}

START_TEST(nothing_changes_before_an_entry_of_the_own_term_is_committed)
{
    struct fixture f;
    core_start(&f, 3);
    core_elect(&f);
    core_receive(&f, (struct raft_message){
                         .kind = RAFT_HEARTBEAT_RESULT, .from = 2, .term = 1, .context = 1});
    struct raft_change change = {.kind = RAFT_CHANGE_UPDATE, .id = 2, .url = "http://new"};
    ck_assert_int_eq(ask(&f, change), -EBUSY);
    core_persist(&f);
    core_acknowledge_all(&f, 2);
    ck_assert_int_eq(ask(&f, change), 0);
    core_stop(&f);
}
END_TEST

START_TEST(a_voter_leaves_through_a_joint_configuration_that_ends_by_itself)
{
    struct fixture f;
    lead(&f);
    ck_assert_int_eq(ask(&f, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = 3}), 0);
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
    lead(&f);
    ck_assert_int_eq(ask(&f, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = 3}), 0);
    struct raft_change next = {.kind = RAFT_CHANGE_UPDATE, .id = 2, .url = "http://new"};
    ck_assert_int_eq(ask(&f, next), -EBUSY);
    settle(&f, 2, 2);
    ck_assert_int_eq(ask(&f, next), 0);
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
    lead(&f);
    struct raft_change add = {
        .kind = RAFT_CHANGE_ADD, .id = 4, .url = "http://m4", .learner = true};
    ck_assert_int_eq(ask(&f, add), 0);
    ck_assert_uint_eq(flags_of(&f, 4), RAFT_MEMBER_LEARNER);
    ck_assert_ptr_nonnull(core_sent(&f, RAFT_APPEND, 4));
    settle(&f, 2, 3);
    propose(&f, 1);
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
    lead(&f);
    struct raft_change promote = {.kind = RAFT_CHANGE_PROMOTE, .id = 4};
    ck_assert_int_eq(ask(&f, promote), -ENOENT);
    struct raft_change add = {
        .kind = RAFT_CHANGE_ADD, .id = 4, .url = "http://m4", .learner = true};
    ck_assert_int_eq(ask(&f, add), 0);
    propose(&f, 98);
    settle(&f, 2, 3);
    ck_assert_uint_eq(raft_trail_last(&f.raft.trail), 100);
    ck_assert_int_eq(ask(&f, promote), -EAGAIN); /* Never heard of. */
    core_acknowledge(&f, 4, 89);
    ck_assert_int_eq(ask(&f, promote), -EAGAIN);
    core_acknowledge(&f, 4, 90);
    ck_assert_int_eq(ask(&f, promote), 0);
    ck_assert_uint_eq(flags_of(&f, 4), RAFT_MEMBER_VOTER);
    ck_assert(raft_members_joint(&f.raft.members));
    settle(&f, 2, 4);
    ck_assert(!raft_members_joint(&f.raft.members));
    ck_assert_int_eq(ask(&f, promote), -EALREADY);
    core_stop(&f);
}
END_TEST

START_TEST(a_new_voter_gets_its_vote_by_itself_once_it_has_caught_up)
{
    struct fixture f;
    lead(&f);
    struct raft_change add = {.kind = RAFT_CHANGE_ADD, .id = 4, .url = "http://m4"};
    ck_assert_int_eq(ask(&f, add), 0);
    ck_assert_uint_eq(flags_of(&f, 4), RAFT_MEMBER_LEARNER | RAFT_MEMBER_JOINING);
    core_persist(&f);
    core_acknowledge_all(&f, 2);
    ck_assert_uint_ne(f.update.changed, 0); /* Done before the member has ever been started. */
    core_acknowledge_all(&f, 4);
    ck_assert_uint_eq(flags_of(&f, 4), RAFT_MEMBER_VOTER);
    settle(&f, 2, 4);
    ck_assert_uint_eq(flags_of(&f, 4), RAFT_MEMBER_VOTER);
    ck_assert(!raft_members_joint(&f.raft.members));
    core_stop(&f);
}
END_TEST

START_TEST(changes_that_cannot_be_are_refused_by_name)
{
    struct fixture f;
    lead(&f);
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
        ck_assert_int_eq(ask(&f, refused[i].change), refused[i].status);
    }
    ck_assert_uint_eq(raft_trail_last(&f.raft.trail), last);
    core_stop(&f);
}
END_TEST

START_TEST(the_second_learner_is_refused)
{
    struct fixture f;
    lead(&f);
    struct raft_change add = {
        .kind = RAFT_CHANGE_ADD, .id = 4, .url = "http://m4", .learner = true};
    ck_assert_int_eq(ask(&f, add), 0);
    settle(&f, 2, 3);
    add.id = 5;
    add.url = "http://m5";
    ck_assert_int_eq(ask(&f, add), -EDQUOT);
    add.learner = false; /* It only joins as one. */
    ck_assert_int_eq(ask(&f, add), 0);
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
    ck_assert_int_eq(ask(&f, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = 2}), -EPERM);
    struct raft_change add = {.kind = RAFT_CHANGE_ADD, .id = 4, .url = "http://m4"};
    ck_assert_int_eq(ask(&f, add), -EPERM);
    ck_assert_int_eq(ask(&f, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = 3}), 0);
    core_stop(&f);
    core_start(&f, 1);
    core_elect(&f);
    core_persist(&f);
    ck_assert_int_eq(ask(&f, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = 1}), -EPERM);
    ck_assert_int_eq(ask(&f, add), 0); /* One may always become two. */
    core_persist(&f);
    add.id = 5;
    add.url = "http://m5";
    ck_assert_int_eq(ask(&f, add), -EPERM);
    core_stop(&f);
}
END_TEST

START_TEST(a_leader_that_removes_itself_hands_over_and_steps_down_after_the_commit)
{
    struct fixture f;
    lead(&f);
    ck_assert_int_eq(ask(&f, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = 1}), 0);
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
    lead(&f);
    propose(&f, 5);
    core_persist(&f);
    core_acknowledge_all(&f, 3);
    uint64_t match = raft_trail_last(&f.raft.trail);
    ck_assert_int_eq(ask(&f, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = 2}), 0);
    settle(&f, 3, 3);
    core_acknowledge(&f, 2, 1);
    int place = raft_members_place(&f.raft.members, 3);
    ck_assert_int_eq(place, 1);
    ck_assert_uint_eq(f.raft.progress[place].id, 3);
    ck_assert_uint_ge(f.raft.progress[place].match, match);
    core_stop(&f);
}
END_TEST

START_TEST(a_removed_member_is_told_so_when_it_asks_for_votes)
{
    struct fixture f;
    lead(&f);
    ck_assert_int_eq(ask(&f, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = 3}), 0);
    settle(&f, 2, 2);
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
    lead(&f);
    ck_assert_int_eq(ask(&f, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = 2}), 0);
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
    lead(&f);
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
    propose(&f, 1);
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

START_TEST(configurations_survive_the_compaction_of_their_entries)
{
    struct fixture f;
    lead(&f);
    struct raft_change add = {
        .kind = RAFT_CHANGE_ADD, .id = 4, .url = "http://m4", .learner = true};
    ck_assert_int_eq(ask(&f, add), 0);
    propose(&f, 3);
    settle(&f, 2, 3);
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
    tcase_add_test(tcase, a_removed_member_is_told_so_when_it_asks_for_votes);
    tcase_add_test(tcase, one_of_the_first_members_that_lost_its_data_believes_that_it_was_removed);
    tcase_add_test(tcase, only_news_make_a_member_believe_that_it_was_removed);
    tcase_add_test(
        tcase, a_removed_member_is_told_although_its_own_log_goes_further_on_from_an_earlier_term);
    tcase_add_test(tcase, strangers_are_not_admitted);
    tcase_add_test(tcase, a_member_that_lost_its_disk_does_not_count_and_is_told);
    tcase_add_test(tcase, a_member_that_lost_its_disk_has_no_vote);
    tcase_add_test(tcase, a_member_with_new_data_under_an_old_id_calls_no_election);
    tcase_add_test(tcase, configurations_survive_the_compaction_of_their_entries);
    suite_add_tcase(suite, tcase);
    return suite;
}
