#include "lib/client/expectations.h"
#include "lib/client/leader_gate.h"
#include "lib/client/limits.h"
#include "lib/client/work_queue.h"
#include "tests/unit/client/fake_env.h"

#include <check.h>

Suite *work_queue_suite(void);

static struct fake_env env;
static size_t woken;

static void ready(void *data)
{
    (void)data;
    woken++;
}

static void setup(void)
{
    fake_env_init(&env);
    woken = 0;
}

static void teardown(void)
{
    fake_env_release(&env);
}

START_TEST(a_key_added_while_taken_is_worked_on_once_more)
{
    struct work_queue *queue = work_queue_new(&env.env, ready, NULL);
    work_queue_add(queue, "a/b");
    work_queue_add(queue, "a/b");
    ck_assert_uint_eq(work_queue_length(queue), 1);
    const char *key = work_queue_take(queue);
    ck_assert_str_eq(key, "a/b");
    work_queue_add(queue, "a/b");
    work_queue_add(queue, "a/b");
    ck_assert_ptr_null(work_queue_take(queue)); /* Never twice at once. */
    work_queue_done(queue, key);
    ck_assert_str_eq(work_queue_take(queue), "a/b");
    work_queue_done(queue, "a/b");
    ck_assert_ptr_null(work_queue_take(queue));
    work_queue_free(queue);
}
END_TEST

START_TEST(failures_double_the_delay_from_5_ms_to_1000_s)
{
    struct work_queue *queue = work_queue_new(&env.env, ready, NULL);
    uint64_t delay_ms = CLIENT_BACKOFF_MIN_MS;
    for (int i = 0; i < 30; i++) {
        work_queue_add_rate_limited(queue, "k");
        fake_env_run_ms(&env, delay_ms - 1);
        ck_assert_ptr_null(work_queue_take(queue));
        fake_env_run_ms(&env, 1);
        ck_assert_str_eq(work_queue_take(queue), "k");
        work_queue_done(queue, "k");
        delay_ms = delay_ms * 2 > CLIENT_BACKOFF_MAX_MS ? CLIENT_BACKOFF_MAX_MS : delay_ms * 2;
    }
    work_queue_forget(queue, "k");
    ck_assert_uint_eq(work_queue_failures(queue, "k"), 0);
    work_queue_add_rate_limited(queue, "k");
    fake_env_run_ms(&env, CLIENT_BACKOFF_MIN_MS);
    ck_assert_str_eq(work_queue_take(queue), "k");
    work_queue_done(queue, "k");
    work_queue_free(queue);
}
END_TEST

START_TEST(of_two_delays_the_earlier_wins)
{
    struct work_queue *queue = work_queue_new(&env.env, ready, NULL);
    work_queue_add_after(queue, "k", 100 * NS_PER_MS);
    work_queue_add_after(queue, "k", 10 * NS_PER_MS);
    work_queue_add_after(queue, "k", 50 * NS_PER_MS);
    fake_env_run_ms(&env, 10);
    ck_assert_uint_ge(woken, 1);
    ck_assert_str_eq(work_queue_take(queue), "k");
    work_queue_done(queue, "k");
    fake_env_run_ms(&env, 200);
    ck_assert_ptr_null(work_queue_take(queue));
    work_queue_free(queue);
}
END_TEST

START_TEST(expectations_hold_until_seen_or_five_minutes_old)
{
    struct expectations *expectations = expectations_new();
    uint64_t now = 1000 * NS_PER_S;
    ck_assert(expectations_fulfilled(expectations, "k", now));
    expectations_add_creations(expectations, "k", 2, now);
    expectations_add_deletion(expectations, "k", "uid-1", now);
    ck_assert(!expectations_fulfilled(expectations, "k", now));
    expectations_saw_creation(expectations, "k");
    expectations_saw_creation(expectations, "k");
    expectations_saw_creation(expectations, "k"); /* Somebody else's: does not count below 0. */
    ck_assert(!expectations_fulfilled(expectations, "k", now));
    expectations_saw_deletion(expectations, "k", "uid-2");
    ck_assert(!expectations_fulfilled(expectations, "k", now));
    ck_assert(expectations_fulfilled(expectations, "k", now + 300 * NS_PER_S));
    expectations_saw_deletion(expectations, "k", "uid-1");
    ck_assert(expectations_fulfilled(expectations, "k", now));
    expectations_free(expectations);
}
END_TEST

static struct leader_gate gate;
static int starts, stops;

static void start(void *data)
{
    (void)data;
    starts++;
}

static void stop(void *data)
{
    (void)data;
    stops++;
}

START_TEST(a_gate_never_starts_before_it_has_stopped)
{
    starts = stops = 0;
    leader_gate_init(&gate, start, stop, NULL);
    leader_gate_set(&gate, true);
    leader_gate_set(&gate, true);
    ck_assert_int_eq(starts, 1);
    leader_gate_set(&gate, false);
    leader_gate_set(&gate, true); /* Still stopping. */
    ck_assert_int_eq(starts, 1);
    leader_gate_stopped(&gate);
    ck_assert_int_eq(starts, 2);
    ck_assert_int_eq(stops, 1);
}
END_TEST

Suite *work_queue_suite(void)
{
    Suite *suite = suite_create("client/work_queue");
    TCase *tcase = tcase_create("queue");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_key_added_while_taken_is_worked_on_once_more);
    tcase_add_test(tcase, failures_double_the_delay_from_5_ms_to_1000_s);
    tcase_add_test(tcase, of_two_delays_the_earlier_wins);
    tcase_add_test(tcase, expectations_hold_until_seen_or_five_minutes_old);
    tcase_add_test(tcase, a_gate_never_starts_before_it_has_stopped);
    suite_add_tcase(suite, tcase);
    return suite;
}
