/* A command takes effect once, whatever is sent again, and leases that are on their way out. */
#include "store/lease_table.h"
#include "store/sessions.h"
#include "store/status.h"

#include <check.h>
#include <errno.h>

Suite *sessions_suite(void);

enum { MEMBER = 3, OLD_PROCESS = 11, NEW_PROCESS = 12 };

START_TEST(a_command_sent_twice_takes_effect_once)
{
    struct sessions sessions = {0};
    ck_assert(sessions_note(&sessions, MEMBER, NEW_PROCESS, 5, 1));
    ck_assert(!sessions_note(&sessions, MEMBER, NEW_PROCESS, 5, 1));
    ck_assert(sessions_note(&sessions, MEMBER, NEW_PROCESS, 4, 1));
    ck_assert(sessions_note(&sessions, MEMBER, NEW_PROCESS, 9, 8));
    ck_assert_msg(!sessions_note(&sessions, MEMBER, NEW_PROCESS, 7, 1), "below the floor");
    sessions_release(&sessions);
}
END_TEST

/* SIM-2 seed 223: what the process before had sent came after the first command of the new one,
 * which was then forgotten and took effect a second time. */
START_TEST(a_late_command_of_the_process_before_makes_nothing_forgotten)
{
    struct sessions sessions = {0};
    ck_assert(sessions_note(&sessions, MEMBER, NEW_PROCESS, 1, 1));
    ck_assert(sessions_note(&sessions, MEMBER, OLD_PROCESS, 70, 60));
    ck_assert(!sessions_note(&sessions, MEMBER, NEW_PROCESS, 1, 1));
    ck_assert(!sessions_note(&sessions, MEMBER, OLD_PROCESS, 70, 60));
    ck_assert(sessions_note(&sessions, MEMBER, NEW_PROCESS, 2, 1));
    sessions_release(&sessions);
}
END_TEST

START_TEST(the_process_that_was_silent_for_longest_is_forgotten)
{
    struct sessions sessions = {0};
    for (uint64_t process = 1; process <= STORE_SESSIONS_MAX; process++) {
        ck_assert(sessions_note(&sessions, MEMBER, process, 1, 1));
    }
    ck_assert(sessions_note(&sessions, MEMBER, 1, 2, 1));
    ck_assert(sessions_note(&sessions, MEMBER, 1000, 1, 1)); /* In the place of 2. */
    ck_assert(!sessions_note(&sessions, MEMBER, 1, 1, 1));
    ck_assert(!sessions_note(&sessions, MEMBER, 3, 1, 1));
    ck_assert(sessions_note(&sessions, MEMBER, 2, 1, 1));
    sessions_release(&sessions);
}
END_TEST

/* A long pause of the oldest command keeps all later ones; when it ends, they are swept out. */
START_TEST(what_is_swept_out_is_only_what_lies_below_the_floor)
{
    struct sessions sessions = {0};
    enum { PAUSED = 9000, LAST = 20000, UNDER_WAY = 300 };
    for (uint64_t sequence = 1; sequence <= LAST; sequence++) {
        uint64_t floor = sequence < PAUSED ? 1 : sequence - UNDER_WAY;
        ck_assert(sessions_note(&sessions, MEMBER, NEW_PROCESS, sequence, floor));
        ck_assert(!sessions_note(&sessions, MEMBER, NEW_PROCESS, sequence, floor));
        ck_assert(!sessions_note(&sessions, MEMBER, NEW_PROCESS, sequence / 2, floor));
    }
    for (uint64_t sequence = 1; sequence <= LAST; sequence++) {
        ck_assert(!sessions_note(&sessions, MEMBER, NEW_PROCESS, sequence, 1));
    }
    ck_assert_uint_lt(id_map_count(sessions.rows[0].applied), 1024);
    sessions_release(&sessions);
}
END_TEST

/* SIM-2 seed 15: the renewal was acknowledged, and the expiry that was on its way came true. */
START_TEST(a_lease_given_out_as_due_is_not_renewed)
{
    struct lease_table *table = lease_table_new();
    int64_t id = 0;
    ck_assert_int_eq(lease_table_grant(table, 7, /* ttl_s= */ 1), 0);
    lease_table_lead(table, /* now_ms= */ 0, /* grace_ms= */ 0);
    ck_assert_int_eq(lease_table_renew(table, 7, 500), 0);
    ck_assert_uint_eq(lease_table_due(table, 1499, 1000, &id, 1), 0);
    ck_assert_uint_eq(lease_table_due(table, 1500, 1000, &id, 1), 1);
    ck_assert_int_eq(id, 7);
    ck_assert_int_eq(lease_table_renew(table, 7, 1501), -EAGAIN);
    lease_table_spare(table, 7); /* The expiry could not be proposed. */
    ck_assert_int_eq(lease_table_renew(table, 7, 1502), 0);
    ck_assert_uint_eq(lease_table_due(table, 2502, 1000, &id, 1), 1);
    lease_table_lead(table, 3000, 0); /* A new term: whether it ends is open again. */
    ck_assert_int_eq(lease_table_renew(table, 7, 3001), 0);
    lease_table_free(table);
}
END_TEST

/* SIM-2 seed 1015308: the second proposal of an expiry was refused for want of room, which made the
 * lease look alive again while the first one was on its way. */
START_TEST(taking_back_one_giving_out_leaves_an_earlier_one)
{
    struct lease_table *table = lease_table_new();
    int64_t id = 0;
    ck_assert_int_eq(lease_table_grant(table, 7, /* ttl_s= */ 1), 0);
    lease_table_lead(table, /* now_ms= */ 0, /* grace_ms= */ 0);
    ck_assert_uint_eq(lease_table_due(table, 1000, 500, &id, 1), 1); /* Proposed. */
    ck_assert_uint_eq(lease_table_due(table, 1500, 500, &id, 1), 1);
    lease_table_spare(table, 7);
    ck_assert_int_eq(lease_table_renew(table, 7, 1501), -EAGAIN);
    lease_table_free(table);
}
END_TEST

Suite *sessions_suite(void)
{
    Suite *suite = suite_create("store/sessions");
    TCase *tcase = tcase_create("once");
    tcase_add_test(tcase, a_command_sent_twice_takes_effect_once);
    tcase_add_test(tcase, a_late_command_of_the_process_before_makes_nothing_forgotten);
    tcase_add_test(tcase, what_is_swept_out_is_only_what_lies_below_the_floor);
    tcase_add_test(tcase, the_process_that_was_silent_for_longest_is_forgotten);
    tcase_add_test(tcase, a_lease_given_out_as_due_is_not_renewed);
    tcase_add_test(tcase, taking_back_one_giving_out_leaves_an_earlier_one);
    suite_add_tcase(suite, tcase);
    return suite;
}
