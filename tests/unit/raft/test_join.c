/* A member that joined: whose vote it has to give, and from when on. */
#include "tests/unit/raft/core_fixture.h"

#include <check.h>
#include <errno.h>

Suite *join_suite(void);

enum { OWN = 1, INCARNATION = 77 };

/* Joined a cluster of 2 and 3, with an empty log. */
static void join(struct fixture *f)
{
    *f = (struct fixture){.now = 1000 * MS};
    struct raft_start begin = {.id = OWN,
                               .cluster = 9,
                               .incarnation = INCARNATION,
                               .joined = true,
                               .seed = 5,
                               .heartbeat_ns = 50 * MS,
                               .election_ns = 300 * MS,
                               .now_ns = f->now};
    struct raft_members *members = &begin.members;
    ck_assert_int_eq(raft_members_add(members, OWN, "m", "http://m1", RAFT_MEMBER_LEARNER), 0);
    ck_assert_int_eq(raft_members_add(members, 2, "m", "http://m2", RAFT_MEMBER_VOTER), 0);
    ck_assert_int_eq(raft_members_add(members, 3, "m", "http://m3", RAFT_MEMBER_VOTER), 0);
    raft_init(&f->raft, &begin);
}

static bool grants(struct fixture *f, uint64_t candidate, uint64_t term, uint64_t last)
{
    core_receive(f, (struct raft_message){.kind = RAFT_VOTE,
                                          .from = candidate,
                                          .term = term,
                                          .last = {.index = last, .term = last > 0}});
    const struct raft_message *answer = core_sent(f, RAFT_VOTE_RESULT, candidate);
    ck_assert_ptr_nonnull(answer);
    return !answer->reject;
}

/* The leader's first entry: a configuration in which the own id has a vote and this identity. */
static void list(struct fixture *f, uint64_t incarnation)
{
    struct raft_members members = f->raft.members;
    struct raft_member *own = &members.items[raft_members_place(&members, OWN)];
    struct buffer bytes;
    own->flags = RAFT_MEMBER_VOTER;
    own->incarnation = incarnation;
    buffer_init(&bytes, 4096);
    raft_members_encode(&members, &bytes);
    uint64_t index = raft_trail_last(&f->raft.trail) + 1;
    struct raft_point last = raft_trail_end(&f->raft.trail);
    struct raft_entry *entry =
        raft_entry_new(index, 1, RAFT_ENTRY_CONFIG, last.chain, buffer_slice(&bytes));
    core_receive(f, (struct raft_message){.kind = RAFT_APPEND,
                                          .from = 2,
                                          .term = 1,
                                          .last = last,
                                          .entries = &entry,
                                          .entry_count = 1});
    ck_assert_uint_eq(raft_trail_last(&f->raft.trail), index);
    raft_entry_unref(entry);
    buffer_release(&bytes);
    f->now += 1000 * MS; /* The leader is not heard of any more. */
}

/* SIM members seed 31183: a member that had been removed, and did not know, asked for the vote of
 * one that had been removed too and come back under its id with new data. */
START_TEST(a_member_that_joined_does_not_vote_for_what_had_its_id_before)
{
    struct fixture f;
    join(&f);
    ck_assert(!grants(&f, /* candidate= */ 4, /* term= */ 2, /* last= */ 1));
    core_stop(&f);
    join(&f);
    list(&f, 0); /* A log that tells of the earlier member, who had a vote. */
    list(&f, INCARNATION + 1);
    ck_assert(!grants(&f, 4, 2, 2));
    core_stop(&f);
}
END_TEST

START_TEST(a_member_that_joined_votes_once_its_log_lists_it)
{
    struct fixture f;
    join(&f);
    list(&f, INCARNATION);
    ck_assert(grants(&f, 3, 2, 1));
    core_stop(&f);
}
END_TEST

START_TEST(a_learner_is_promoted_only_with_the_configuration_that_lists_it)
{
    struct fixture f;
    core_start(&f, 3);
    core_elect(&f);
    struct slice command = slice_text("x");
    for (int i = 0; i < 200; i++) {
        (void)core_step(
            &f, (struct raft_event){.kind = RAFT_EVENT_PROPOSE, .commands = &command, .count = 1});
    }
    core_persist(&f);
    core_acknowledge_all(&f, 2);
    struct raft_change add = {
        .kind = RAFT_CHANGE_ADD, .id = 4, .url = "http://m4", .learner = true};
    struct raft_change promote = {.kind = RAFT_CHANGE_PROMOTE, .id = 4};
    ck_assert_int_eq(core_step(&f, (struct raft_event){.kind = RAFT_EVENT_CHANGE, .change = &add}),
                     0);
    core_persist(&f);
    core_acknowledge_all(&f, 2);
    core_acknowledge(&f, 4, f.raft.members_index - 1); /* Enough but for that. */
    core_acknowledge_all(&f, 3);
    ck_assert_int_eq(
        core_step(&f, (struct raft_event){.kind = RAFT_EVENT_CHANGE, .change = &promote}), -EAGAIN);
    core_acknowledge(&f, 4, f.raft.members_index);
    ck_assert_int_eq(
        core_step(&f, (struct raft_event){.kind = RAFT_EVENT_CHANGE, .change = &promote}), 0);
    core_stop(&f);
}
END_TEST

Suite *join_suite(void)
{
    Suite *suite = suite_create("raft/join");
    TCase *tcase = tcase_create("votes");
    tcase_add_test(tcase, a_member_that_joined_does_not_vote_for_what_had_its_id_before);
    tcase_add_test(tcase, a_member_that_joined_votes_once_its_log_lists_it);
    tcase_add_test(tcase, a_learner_is_promoted_only_with_the_configuration_that_lists_it);
    suite_add_tcase(suite, tcase);
    return suite;
}
