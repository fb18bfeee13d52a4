/* Priority and fairness: who sits at a level and who waits, whose turn it is, and what is measured.
 */
#include "apiserver/flow_level.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

Suite *flow_level_suite(void);

#define MS UINT64_C(1000000)

static struct flow_level *level_with(uint32_t seats, uint32_t queues, uint32_t hand,
                                     uint32_t waiting)
{
    struct flow_level *level = flow_level_new(0);
    const struct flow_level_config config = {.queues = queues, .hand = hand, .waiting = waiting};
    flow_level_configure(level, &config, 0);
    flow_level_set_seats(level, seats, seats > 0 ? seats : 1, 0);
    return level;
}

START_TEST(who_finds_no_seat_waits_and_who_finds_no_place_is_refused)
{
    struct flow_level *level = level_with(2, 1, 1, 2);
    struct flow_ticket tickets[5];
    static const enum flow_state states[] = {FLOW_SITS, FLOW_SITS, FLOW_WAITS, FLOW_WAITS,
                                             FLOW_OUT};
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(flow_level_arrive(level, &tickets[i], 7, 1, i), states[i]);
    }
    ck_assert_ptr_null(flow_level_next(level, 10));
    flow_level_leave(level, &tickets[1], 10);
    ck_assert_ptr_eq(flow_level_next(level, 10), &tickets[2]);
    ck_assert_ptr_null(flow_level_next(level, 10));
    flow_level_leave(level, &tickets[3], 11); /* Gave up waiting. */
    flow_level_leave(level, &tickets[0], 12);
    ck_assert_ptr_null(flow_level_next(level, 12));
    flow_level_leave(level, &tickets[2], 13);
    ck_assert_uint_eq(flow_level_sitting(level), 0);
    flow_level_free(level);
}
END_TEST

struct shown {
    const struct flow_ticket *tickets[4];
    int64_t queues[4], places[4];
    size_t count;
};

static void show(void *data, const struct flow_ticket *ticket, int64_t queue, int64_t place)
{
    struct shown *shown = data;
    ck_assert_uint_lt(shown->count, 4);
    shown->tickets[shown->count] = ticket;
    shown->queues[shown->count] = queue;
    shown->places[shown->count++] = place;
}

START_TEST(a_level_shows_who_waits_and_who_sits_and_what_it_has_done)
{
    struct flow_level *level = level_with(2, 1, 1, 2);
    struct flow_ticket tickets[4];
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(flow_level_arrive(level, &tickets[i], 7, i == 0 ? 2 : 1, i),
                         i == 0   ? FLOW_SITS
                         : i == 3 ? FLOW_OUT
                                  : FLOW_WAITS);
    }
    struct flow_level_facts facts = flow_level_facts(level);
    ck_assert_uint_eq(facts.queues, 1);
    ck_assert_uint_eq(facts.active_queues, 1);
    ck_assert_uint_eq(facts.waiting, 2);
    ck_assert_uint_eq(facts.executing, 1);
    ck_assert_uint_eq(facts.dispatched, 1);
    ck_assert_uint_eq(facts.rejected, 1);
    struct flow_queue_facts queue = flow_level_queue_facts(level, 0);
    ck_assert_uint_eq(queue.waiting, 2);
    ck_assert_uint_eq(queue.waiting_seats, 2);
    ck_assert_uint_eq(queue.executing, 1);
    ck_assert_uint_eq(queue.seats_in_use, 2);
    struct shown shown = {.count = 0};
    flow_level_each(level, show, &shown);
    ck_assert_uint_eq(shown.count, 3);
    ck_assert_ptr_eq(shown.tickets[1], &tickets[2]);
    ck_assert_int_eq(shown.places[1], 1);
    ck_assert_ptr_eq(shown.tickets[2], &tickets[0]);
    ck_assert_int_eq(shown.queues[2], 0);
    ck_assert_int_eq(shown.places[2], -1);
    /* The queue that it stood in is none of the new ones. */
    const struct flow_level_config others = {.queues = 2, .hand = 1, .waiting = 2};
    flow_level_configure(level, &others, 5);
    shown.count = 0;
    flow_level_each(level, show, &shown);
    ck_assert_uint_eq(shown.count, 3);
    ck_assert_int_eq(shown.queues[2], -1);
    for (size_t i = 0; i < 3; i++) {
        flow_level_leave(level, &tickets[i], 6);
    }
    flow_level_free(level);
}
END_TEST

START_TEST(a_level_without_queues_refuses_and_an_exempt_one_never_does)
{
    struct flow_level *level = level_with(1, 0, 0, 0);
    struct flow_ticket tickets[3];
    ck_assert_int_eq(flow_level_arrive(level, &tickets[0], 1, 1, 0), FLOW_SITS);
    ck_assert_int_eq(flow_level_arrive(level, &tickets[1], 1, 1, 0), FLOW_OUT);
    const struct flow_level_config exempt = {.exempt = true};
    flow_level_configure(level, &exempt, 1);
    ck_assert_int_eq(flow_level_arrive(level, &tickets[1], 1, 1, 1), FLOW_SITS);
    ck_assert_int_eq(flow_level_arrive(level, &tickets[2], 1, 5, 1), FLOW_SITS);
    for (size_t i = 0; i < 3; i++) {
        flow_level_leave(level, &tickets[i], 2);
    }
    flow_level_free(level);
}
END_TEST

START_TEST(a_request_wider_than_the_level_gets_all_of_it_and_is_not_overtaken)
{
    struct flow_level *level = level_with(3, 1, 1, 10);
    struct flow_ticket narrow, wide, late;
    ck_assert_int_eq(flow_level_arrive(level, &narrow, 1, 1, 0), FLOW_SITS);
    ck_assert_ptr_null(flow_level_too_wide(level));
    ck_assert_int_eq(flow_level_arrive(level, &wide, 1, 8, 0), FLOW_WAITS);
    ck_assert_ptr_eq(flow_level_too_wide(level), &wide);
    ck_assert_int_eq(flow_level_arrive(level, &late, 1, 1, 0), FLOW_WAITS);
    ck_assert_ptr_null(flow_level_next(level, 1));
    ck_assert_ptr_eq(flow_level_too_wide(level), &wide);
    flow_level_leave(level, &narrow, 2);
    ck_assert_ptr_eq(flow_level_next(level, 2), &wide);
    ck_assert_ptr_null(flow_level_next(level, 2));
    ck_assert_ptr_null(flow_level_too_wide(level)); /* There is no seat at all. */
    flow_level_leave(level, &wide, 3);
    ck_assert_ptr_eq(flow_level_next(level, 3), &late);
    flow_level_leave(level, &late, 4);
    flow_level_free(level);
}
END_TEST

START_TEST(waiting_requests_keep_their_order_when_queues_change_and_come_in_when_they_go)
{
    struct flow_level *level = level_with(1, 4, 2, 10);
    struct flow_ticket tickets[4];
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_ne(flow_level_arrive(level, &tickets[i], 99, 1, 0), FLOW_OUT);
    }
    const struct flow_level_config none = {.queues = 0};
    flow_level_configure(level, &none, 1);
    ck_assert_uint_eq(flow_level_waiting(level), 3);
    flow_level_leave(level, &tickets[0], 2);
    for (size_t i = 0; i < 3; i++) {
        struct flow_ticket *next = flow_level_next(level, 3);
        ck_assert_ptr_nonnull(next);
        flow_level_leave(level, next, 3);
    }
    ck_assert_uint_eq(flow_level_waiting(level), 0);
    flow_level_free(level);
}
END_TEST

/* Two flows that always want more: one asks often, one seldom. */
struct load {
    struct flow_ticket tickets[64];
    uint64_t hash;
    uint64_t cost_ns;
    uint64_t served_ns;
};

START_TEST(a_busy_flow_does_not_starve_a_quiet_one)
{
    enum { SEATS = 4, TURNS = 4000 };
    /* One queue each: the fair order is what is looked at, not the dealing. */
    struct flow_level *level = level_with(SEATS, 64, 1, 64);
    struct load loads[2] = {{.hash = 1, .cost_ns = 4 * MS}, {.hash = 2, .cost_ns = 1 * MS}};
    uint64_t now = 0, ends[SEATS] = {0};
    struct flow_ticket *sitting[SEATS] = {NULL};
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < ARRAY_LEN(loads[i].tickets); j++) {
            struct flow_ticket *ticket = &loads[i].tickets[j];
            if (flow_level_arrive(level, ticket, loads[i].hash, 1, now) == FLOW_SITS) {
                sitting[j] = ticket;
                ends[j] = loads[i].cost_ns;
            }
        }
    }
    for (size_t turn = 0; turn < TURNS; turn++) {
        size_t first = 0;
        for (size_t i = 1; i < SEATS; i++) {
            first = ends[i] < ends[first] ? i : first;
        }
        now = ends[first];
        struct load *of = sitting[first]->hash == 1 ? &loads[0] : &loads[1];
        of->served_ns += of->cost_ns;
        flow_level_leave(level, sitting[first], now);
        struct flow_ticket *again = sitting[first];
        ck_assert_int_eq(flow_level_arrive(level, again, of->hash, 1, now), FLOW_WAITS);
        sitting[first] = flow_level_next(level, now);
        ck_assert_ptr_nonnull(sitting[first]);
        ends[first] = now + (sitting[first]->hash == 1 ? loads[0].cost_ns : loads[1].cost_ns);
    }
    double ratio = (double)loads[0].served_ns / (double)loads[1].served_ns;
    ck_assert_double_gt(ratio, 0.9); /* The same seat-seconds, though one costs four times more. */
    ck_assert_double_lt(ratio, 1.1);
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < ARRAY_LEN(loads[i].tickets); j++) {
            if (loads[i].tickets[j].state != FLOW_OUT) {
                flow_level_leave(level, &loads[i].tickets[j], now);
            }
        }
    }
    flow_level_free(level);
}
END_TEST

START_TEST(a_quiet_flow_finds_a_queue_that_a_busy_one_has_not_filled)
{
    struct flow_level *level = level_with(1, 64, 8, 5);
    struct flow_ticket *tickets = calloc(200, sizeof(*tickets));
    size_t refused = 0;
    for (size_t i = 0; i < 200; i++) {
        refused +=
            flow_level_arrive(level, &tickets[i], UINT64_C(0x9e3779b97f4a7c15), 1, 0) == FLOW_OUT;
    }
    /* Eight queues of five, and the one that sits. */
    ck_assert_uint_eq(refused, 200 - 8 * 5 - 1);
    struct flow_ticket quiet;
    ck_assert_int_eq(flow_level_arrive(level, &quiet, UINT64_C(0x2545f4914f6cdd1d), 1, 0),
                     FLOW_WAITS);
    flow_level_leave(level, &quiet, 1);
    for (size_t i = 0; i < 200; i++) {
        if (tickets[i].state != FLOW_OUT) {
            flow_level_leave(level, &tickets[i], 1);
        }
    }
    free(tickets);
    flow_level_free(level);
}
END_TEST

START_TEST(the_demand_is_what_was_wanted_over_time)
{
    struct flow_level *level = level_with(1, 1, 1, 10);
    struct flow_ticket first, second;
    ck_assert_int_eq(flow_level_arrive(level, &first, 1, 1, 0), FLOW_SITS);
    ck_assert_int_eq(flow_level_arrive(level, &second, 1, 1, 500 * MS), FLOW_WAITS);
    struct flow_demand demand = flow_level_demand(level, 1000 * MS);
    ck_assert_double_eq_tol(demand.mean, 1.5, 0.001);
    ck_assert_double_eq_tol(demand.deviation, 0.5, 0.001);
    ck_assert_uint_eq(demand.high, 2);
    flow_level_leave(level, &second, 1000 * MS);
    flow_level_leave(level, &first, 1000 * MS);
    demand = flow_level_demand(level, 2000 * MS);
    ck_assert_double_eq_tol(demand.mean, 0, 0.001);
    ck_assert_uint_eq(demand.high, 2); /* Still wanted when the period began. */
    flow_level_free(level);
}
END_TEST

START_TEST(ratios_count_for_as_long_as_they_last)
{
    struct flow_level *level = level_with(2, 1, 1, 10);
    struct flow_ticket tickets[3];
    for (size_t i = 0; i < 3; i++) {
        (void)flow_level_arrive(level, &tickets[i], 1, 1, i * 100 * MS);
    }
    struct flow_timings timings = flow_level_timings(level, 400 * MS);
    /* Half of the seats for 100 ms, then all of them, with one request in ten places. */
    ck_assert_uint_eq(timings.seats.buckets[5], 100 * MS);
    ck_assert_uint_eq(timings.seats.buckets[12], 300 * MS);
    ck_assert_double_eq_tol(timings.seats.sum, 350.0 * MS, 1);
    ck_assert_uint_eq(timings.demand.buckets[1] + timings.demand.buckets[2], 100 * MS);
    ck_assert_uint_eq(timings.demand.buckets[7], 200 * MS); /* 1.5 */
    ck_assert_uint_eq(timings.waiting.buckets[0], 200 * MS);
    ck_assert_uint_eq(timings.waiting.buckets[5], 200 * MS); /* 0.1 */
    ck_assert_double_eq_tol(timings.executing.sum, 350.0 * MS, 1);
    timings = flow_level_timings(level, 400 * MS);
    ck_assert_double_eq(timings.seats.sum, 0);
    for (size_t i = 3; i > 0; i--) {
        flow_level_leave(level, &tickets[i - 1], 400 * MS);
    }
    flow_level_free(level);
}
END_TEST

START_TEST(virtual_time_is_that_of_the_queue_that_was_served_last)
{
    struct flow_level *level = level_with(1, 1, 1, 10);
    struct flow_ticket first, second;
    (void)flow_level_arrive(level, &first, 1, 1, 0);
    (void)flow_level_arrive(level, &second, 1, 1, 0);
    flow_level_leave(level, &first, 1000 * MS);
    ck_assert_ptr_eq(flow_level_next(level, 1000 * MS), &second);
    const struct flow_virtual_facts facts = flow_level_virtual_facts(level);
    ck_assert_double_eq_tol(facts.now, 1, 0.001); /* One seat was served all the time. */
    ck_assert_double_eq_tol(facts.dispatched_at, 1, 0.001);
    ck_assert_double_eq_tol(facts.latest_start, 1, 0.001);
    ck_assert_double_eq_tol(facts.least_start, 1, 0.001);
    ck_assert_double_eq_tol(facts.most_discounted, 1, 0.001); /* Nobody sat at that time. */
    flow_level_leave(level, &second, 1000 * MS);
    flow_level_free(level);
}
END_TEST

Suite *flow_level_suite(void)
{
    Suite *suite = suite_create("apiserver/flow_level");
    TCase *tests = tcase_create("levels");
    tcase_add_test(tests, who_finds_no_seat_waits_and_who_finds_no_place_is_refused);
    tcase_add_test(tests, a_level_shows_who_waits_and_who_sits_and_what_it_has_done);
    tcase_add_test(tests, a_level_without_queues_refuses_and_an_exempt_one_never_does);
    tcase_add_test(tests, a_request_wider_than_the_level_gets_all_of_it_and_is_not_overtaken);
    tcase_add_test(tests,
                   waiting_requests_keep_their_order_when_queues_change_and_come_in_when_they_go);
    tcase_add_test(tests, a_busy_flow_does_not_starve_a_quiet_one);
    tcase_add_test(tests, a_quiet_flow_finds_a_queue_that_a_busy_one_has_not_filled);
    tcase_add_test(tests, the_demand_is_what_was_wanted_over_time);
    tcase_add_test(tests, ratios_count_for_as_long_as_they_last);
    tcase_add_test(tests, virtual_time_is_that_of_the_queue_that_was_served_last);
    suite_add_tcase(suite, tests);
    return suite;
}
