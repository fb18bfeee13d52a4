/* The ranges of keys that permissions are about: what a user may do is the union of them. */
#include "store/auth_ranges.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

Suite *auth_ranges_suite(void);

static struct slice text(const char *bytes)
{
    return slice_text(bytes);
}

static const struct slice to_the_end = {.data = (const uint8_t *)"", .len = 1};

START_TEST(ranges_that_touch_cover_a_request_over_both)
{
    struct auth_ranges ranges = {0};
    auth_ranges_add(&ranges, text("m"), text("z"));
    auth_ranges_add(&ranges, text("a"), text("f"));
    auth_ranges_add(&ranges, text("f"), text("m"));
    auth_ranges_merge(&ranges);
    ck_assert_uint_eq(ranges.count, 1);
    ck_assert(auth_ranges_contain(&ranges, text("b"), text("y")));
    ck_assert(auth_ranges_contain(&ranges, text("a"), text("z")));
    ck_assert(!auth_ranges_contain(&ranges, text("a"), text("z0")));
    ck_assert(!auth_ranges_contain(&ranges, text("z"), text("")));
    ck_assert(!auth_ranges_contain(&ranges, text("A"), text("c")));
    auth_ranges_release(&ranges);
}
END_TEST

START_TEST(a_gap_between_ranges_is_not_covered)
{
    struct auth_ranges ranges = {0};
    auth_ranges_add(&ranges, text("a"), text("c"));
    auth_ranges_add(&ranges, text("d"), text("f"));
    auth_ranges_add(&ranges, text("da"), text("e")); /* Inside of another. */
    auth_ranges_merge(&ranges);
    ck_assert_uint_eq(ranges.count, 2);
    ck_assert(!auth_ranges_contain(&ranges, text("b"), text("e")));
    ck_assert(!auth_ranges_contain(&ranges, text("c"), text("")));
    ck_assert(auth_ranges_contain(&ranges, text("d"), text("f")));
    auth_ranges_release(&ranges);
}
END_TEST

START_TEST(one_key_is_no_range)
{
    struct auth_ranges ranges = {0};
    auth_ranges_add(&ranges, text("k"), text(""));
    auth_ranges_merge(&ranges);
    ck_assert(auth_ranges_contain(&ranges, text("k"), text("")));
    ck_assert(auth_ranges_contain(&ranges, text("k"), slice_of("k", 2))); /* [k, k\0) is it. */
    ck_assert(!auth_ranges_contain(&ranges, text("k"), text("l")));
    ck_assert(!auth_ranges_contain(&ranges, text("k"), to_the_end));
    ck_assert(!auth_ranges_contain(&ranges, text("ka"), text("")));
    auth_ranges_release(&ranges);
}
END_TEST

START_TEST(an_open_end_covers_all_that_follows)
{
    struct auth_ranges ranges = {0};
    auth_ranges_add(&ranges, text("b"), text("c"));
    auth_ranges_add(&ranges, text("k"), to_the_end);
    auth_ranges_add(&ranges, text("x"), text("y"));
    auth_ranges_merge(&ranges);
    ck_assert_uint_eq(ranges.count, 2);
    ck_assert(auth_ranges_contain(&ranges, text("k"), to_the_end));
    ck_assert(auth_ranges_contain(&ranges, text("zz"), text("zzz")));
    ck_assert(!auth_ranges_contain(&ranges, text("j"), to_the_end));
    ck_assert(!auth_ranges_contain(&ranges, text("b"), to_the_end));
    auth_ranges_release(&ranges);
}
END_TEST

START_TEST(an_empty_range_gives_nothing_and_asks_for_its_first_key)
{
    struct auth_ranges ranges = {0};
    auth_ranges_add(&ranges, text("b"), text("a"));
    ck_assert_uint_eq(ranges.count, 0);
    auth_ranges_add(&ranges, text("k"), text("m"));
    auth_ranges_merge(&ranges);
    ck_assert(auth_ranges_contain(&ranges, text("l"), text("a")));
    ck_assert(!auth_ranges_contain(&ranges, text("z"), text("a")));
    auth_ranges_release(&ranges);
}
END_TEST

START_TEST(a_run_ends_where_the_first_key_without_permission_may_be)
{
    struct auth_ranges ranges = {0};
    struct slice end;
    auth_ranges_add(&ranges, text("b"), text("d"));
    auth_ranges_add(&ranges, text("d"), text("f"));
    auth_ranges_add(&ranges, text("k"), to_the_end);
    auth_ranges_merge(&ranges);
    ck_assert(!auth_ranges_run(&ranges, text("a"), &end));
    ck_assert(auth_ranges_run(&ranges, text("b"), &end));
    ck_assert(slice_equal(end, text("f")));
    ck_assert(auth_ranges_run(&ranges, text("ezz"), &end));
    ck_assert(slice_equal(end, text("f")));
    ck_assert(!auth_ranges_run(&ranges, text("f"), &end));
    ck_assert(auth_ranges_run(&ranges, text("zz"), &end));
    ck_assert_uint_eq(end.len, 0);
    auth_ranges_release(&ranges);
}
END_TEST

/* Against every key of a small space, one by one. */
START_TEST(containment_agrees_with_checking_each_key)
{
    unsigned seed = (unsigned)_i * 7919U + 1;
    struct auth_ranges ranges = {0};
    bool has[64] = {false};
    for (int i = 0; i < 6; i++) {
        seed = seed * 1103515245U + 12345U;
        uint8_t from = (uint8_t)((seed >> 16) % 64);
        uint8_t to = (uint8_t)((seed >> 24) % 64);
        char key[2] = {(char)(from + 32), 0};
        char end[2] = {(char)(to + 32), 0};
        auth_ranges_add(&ranges, slice_of(key, 1), slice_of(end, 1));
        for (unsigned at = from; at < to; at++) {
            has[at] = true;
        }
    }
    auth_ranges_merge(&ranges);
    for (unsigned from = 0; from < 63; from++) {
        bool all = true;
        for (unsigned to = from + 1; to < 64; to++) {
            char key[2] = {(char)(from + 32), 0};
            char end[2] = {(char)(to + 32), 0};
            all = all && has[to - 1];
            ck_assert_int_eq(auth_ranges_contain(&ranges, slice_of(key, 1), slice_of(end, 1)), all);
        }
    }
    auth_ranges_release(&ranges);
}
END_TEST

Suite *auth_ranges_suite(void)
{
    Suite *suite = suite_create("store/auth_ranges");
    TCase *ranges = tcase_create("ranges");
    tcase_add_test(ranges, ranges_that_touch_cover_a_request_over_both);
    tcase_add_test(ranges, a_gap_between_ranges_is_not_covered);
    tcase_add_test(ranges, one_key_is_no_range);
    tcase_add_test(ranges, an_open_end_covers_all_that_follows);
    tcase_add_test(ranges, an_empty_range_gives_nothing_and_asks_for_its_first_key);
    tcase_add_test(ranges, a_run_ends_where_the_first_key_without_permission_may_be);
    tcase_add_loop_test(ranges, containment_agrees_with_checking_each_key, 0, 50);
    suite_add_tcase(suite, ranges);
    return suite;
}
