#include "scheduler/queue.h"

#include "lib/base/env.h"
#include <check.h>

Suite *queue_suite(void);

static const uint64_t second = NS_PER_S;

START_TEST(priority_goes_before_age)
{
    struct queue queue;
    struct queue_entry old, young, urgent;
    queue_init(&queue);
    queue_entry_init(&old, 0, 1);
    queue_entry_init(&young, 0, 2);
    queue_entry_init(&urgent, 1000, 3);
    queue_add(&queue, &young);
    queue_add(&queue, &old);
    queue_add(&queue, &urgent);
    ck_assert_ptr_eq(queue_pop(&queue), &urgent);
    ck_assert_ptr_eq(queue_pop(&queue), &old);
    ck_assert_ptr_eq(queue_pop(&queue), &young);
    ck_assert_ptr_null(queue_pop(&queue));
    queue_release(&queue);
}
END_TEST

START_TEST(backoff_doubles_up_to_ten_seconds)
{
    struct queue queue;
    struct queue_entry entry;
    queue_init(&queue);
    queue_entry_init(&entry, 0, 0);
    uint64_t now = 0;
    const uint64_t waits[] = {1, 2, 4, 8, 10, 10};
    for (size_t i = 0; i < 6; i++) {
        queue_add(&queue, &entry);
        ck_assert_ptr_eq(queue_pop(&queue), &entry);
        queue_back_off(&queue, &entry, now);
        queue_advance(&queue, now + waits[i] * second - 1);
        ck_assert_int_eq(entry.place, QUEUE_BACKOFF);
        now += waits[i] * second;
        queue_advance(&queue, now);
        ck_assert_int_eq(entry.place, QUEUE_ACTIVE);
        queue_remove(&queue, &entry);
    }
    queue_release(&queue);
}
END_TEST

START_TEST(only_what_may_help_wakes_a_parked_pod)
{
    struct queue queue;
    struct queue_entry entry;
    queue_init(&queue);
    queue_entry_init(&entry, 0, 0);
    queue_add(&queue, &entry);
    ck_assert_ptr_eq(queue_pop(&queue), &entry);
    queue_park(&queue, &entry, /* filters= */ 4, 0);
    queue_wake(&queue, 2, 0);
    ck_assert_int_eq(entry.place, QUEUE_UNSCHEDULABLE);
    queue_wake(&queue, 4 | 2, second / 2);
    ck_assert_int_eq(entry.place, QUEUE_BACKOFF); /* Its second is not over. */
    queue_advance(&queue, second);
    ck_assert_int_eq(entry.place, QUEUE_ACTIVE);
    queue_release(&queue);
}
END_TEST

START_TEST(after_five_minutes_a_parked_pod_is_tried_without_a_cause)
{
    struct queue queue;
    struct queue_entry entry;
    queue_init(&queue);
    queue_entry_init(&entry, 0, 0);
    queue_add(&queue, &entry);
    ck_assert_ptr_eq(queue_pop(&queue), &entry);
    queue_park(&queue, &entry, 1, 0);
    ck_assert_uint_le(queue_advance(&queue, 299 * second), 329 * second);
    ck_assert_int_eq(entry.place, QUEUE_UNSCHEDULABLE);
    queue_advance(&queue, 300 * second);
    ck_assert_int_eq(entry.place, QUEUE_ACTIVE);
    queue_release(&queue);
}
END_TEST

Suite *queue_suite(void)
{
    Suite *suite = suite_create("scheduler/queue");
    TCase *tcase = tcase_create("queue");
    tcase_add_test(tcase, priority_goes_before_age);
    tcase_add_test(tcase, backoff_doubles_up_to_ten_seconds);
    tcase_add_test(tcase, only_what_may_help_wakes_a_parked_pod);
    tcase_add_test(tcase, after_five_minutes_a_parked_pod_is_tried_without_a_cause);
    suite_add_tcase(suite, tcase);
    return suite;
}
