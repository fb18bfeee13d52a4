/* The checker that judges histories, judged itself: by examples, and by trying all orders of small
 * histories. */
#include "tests/sim/linear.h"
#include "tests/unit/unit.h"

#include <check.h>

enum { STEPS = 100000, SMALL = 5, HISTORIES = 4000 };

static enum linear_verdict verdict_of(const struct linear_op *ops, size_t count)
{
    struct linear_op copy[16];
    struct linear_report report;
    ck_assert_uint_le(count, 16);
    for (size_t i = 0; i < count; i++) {
        copy[i] = ops[i];
    }
    return linear_check(copy, count, STEPS, &report);
}

START_TEST(a_read_of_what_was_overwritten_before_it_began_is_found)
{
    const struct linear_op ops[] = {
        {.call = 1, .end = 2, .kind = LINEAR_WRITE, .value = 1},
        {.call = 3, .end = 4, .kind = LINEAR_WRITE, .value = 2},
        {.call = 5, .end = 6, .kind = LINEAR_READ, .value = 1},
    };
    ck_assert_int_eq(verdict_of(ops, 3), LINEAR_VIOLATION);
    ck_assert_int_eq(verdict_of(ops, 2), LINEAR_OK);
}
END_TEST

START_TEST(what_overlaps_may_be_seen_in_either_order_but_not_in_both)
{
    const struct linear_op ops[] = {
        {.call = 1, .end = 9, .kind = LINEAR_WRITE, .value = 1},
        {.call = 1, .end = 9, .kind = LINEAR_WRITE, .value = 2},
        {.call = 10, .end = 11, .kind = LINEAR_READ, .value = 1},
        {.call = 12, .end = 13, .kind = LINEAR_READ, .value = 2},
    };
    ck_assert_int_eq(verdict_of(ops, 3), LINEAR_OK);
    ck_assert_int_eq(verdict_of(ops, 4), LINEAR_VIOLATION);
}
END_TEST

START_TEST(an_unknown_outcome_may_take_effect_late_or_never_but_once)
{
    const struct linear_op ops[] = {
        {.call = 1, .end = LINEAR_PENDING, .kind = LINEAR_WRITE, .value = 1},
        {.call = 2, .end = 3, .kind = LINEAR_READ, .value = 0},
        {.call = 4, .end = 5, .kind = LINEAR_READ, .value = 1},
        {.call = 6, .end = 7, .kind = LINEAR_WRITE, .value = 2},
        {.call = 8, .end = 9, .kind = LINEAR_READ, .value = 1},
    };
    ck_assert_int_eq(verdict_of(ops, 2), LINEAR_OK);
    ck_assert_int_eq(verdict_of(ops, 4), LINEAR_OK);
    ck_assert_int_eq(verdict_of(ops, 5), LINEAR_VIOLATION);
}
END_TEST

START_TEST(a_swap_needs_what_it_expects_and_a_kept_value_is_another)
{
    const struct linear_op ops[] = {
        {.call = 1, .end = 2, .kind = LINEAR_WRITE, .value = 1},
        {.call = 3, .end = 4, .kind = LINEAR_SWAP, .expected = 1, .value = 2},
        {.call = 5, .end = 6, .kind = LINEAR_KEEP, .expected = 1},
        {.call = 7, .end = 8, .kind = LINEAR_KEEP, .expected = 2},
    };
    ck_assert_int_eq(verdict_of(ops, 3), LINEAR_OK);
    ck_assert_int_eq(verdict_of(ops, 4), LINEAR_VIOLATION);
}
END_TEST

START_TEST(keys_are_judged_one_by_one)
{
    const struct linear_op ops[] = {
        {.key = 1, .call = 1, .end = 2, .kind = LINEAR_WRITE, .value = 1},
        {.key = 2, .call = 3, .end = 4, .kind = LINEAR_READ, .value = 0},
        {.key = 1, .call = 5, .end = 6, .kind = LINEAR_READ, .value = 1},
    };
    ck_assert_int_eq(verdict_of(ops, 3), LINEAR_OK);
}
END_TEST

/* Every order that keeps real time, and every choice of the unknown ones that took effect. */
static bool any_order(const struct linear_op *ops, unsigned left, unsigned must, uint64_t state)
{
    if ((left & must) == 0) {
        return true;
    }
    for (size_t i = 0; i < SMALL; i++) {
        bool first = (left & (1U << i)) != 0;
        for (size_t o = 0; first && o < SMALL; o++) {
            first = (left & (1U << o)) == 0 || ops[o].end >= ops[i].call;
        }
        bool writes = ops[i].kind == LINEAR_WRITE || ops[i].kind == LINEAR_SWAP;
        bool fits = ops[i].kind == LINEAR_WRITE ||
                    (ops[i].kind == LINEAR_READ && state == ops[i].value) ||
                    (ops[i].kind == LINEAR_SWAP && state == ops[i].expected) ||
                    (ops[i].kind == LINEAR_KEEP && state != ops[i].expected);
        if (first && fits &&
            any_order(ops, left & ~(1U << i), must, writes ? ops[i].value : state)) {
            return true;
        }
    }
    return false;
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

START_TEST(small_histories_are_judged_as_by_trying_all_orders)
{
    uint64_t seed = 7;
    size_t good = 0;
    for (size_t n = 0; n < HISTORIES; n++) {
        struct linear_op ops[SMALL];
        unsigned must = 0;
        for (size_t i = 0; i < SMALL; i++) {
            uint64_t call = next_random(&seed) % 12;
            bool pending = next_random(&seed) % 6 == 0;
            ops[i] = (struct linear_op){
                .call = call,
                .end = pending ? LINEAR_PENDING : call + next_random(&seed) % 6,
                .kind = (enum linear_kind)(next_random(&seed) % 4),
                .value = next_random(&seed) % 3,
                .expected = next_random(&seed) % 3,
            };
            must |= pending ? 0U : 1U << i;
        }
        bool expected = any_order(ops, (1U << SMALL) - 1, must, 0);
        good += expected;
        ck_assert_msg((verdict_of(ops, SMALL) == LINEAR_OK) == expected, "history %zu", n);
    }
    ck_assert_uint_gt(good, HISTORIES / 20);
    ck_assert_uint_lt(good, HISTORIES - HISTORIES / 20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sim/linear");
    TCase *tcase = tcase_create("histories");
    tcase_add_test(tcase, a_read_of_what_was_overwritten_before_it_began_is_found);
    tcase_add_test(tcase, what_overlaps_may_be_seen_in_either_order_but_not_in_both);
    tcase_add_test(tcase, an_unknown_outcome_may_take_effect_late_or_never_but_once);
    tcase_add_test(tcase, a_swap_needs_what_it_expects_and_a_kept_value_is_another);
    tcase_add_test(tcase, keys_are_judged_one_by_one);
    tcase_add_test(tcase, small_histories_are_judged_as_by_trying_all_orders);
    suite_add_tcase(suite, tcase);
    return unit_main(&suite, 1);
}
