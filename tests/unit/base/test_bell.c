#include "lib/base/bell.h"

#include "tests/unit/unit.h"
#include <pthread.h>

enum { RINGS = 20000 };

struct counted {
    struct bell bell;
    atomic_int said;
    int heard;
    int calls;
};

static void on_heard(struct bell *bell)
{
    struct counted *counted = CONTAINER_OF(bell, struct counted, bell);
    counted->heard = atomic_load(&counted->said);
    counted->calls++;
    if (counted->heard == RINGS) {
        uv_close((uv_handle_t *)&bell->poll, NULL);
    }
}

static void *ring_often(void *data)
{
    struct counted *counted = data;
    for (int i = 0; i < RINGS; i++) {
        atomic_fetch_add(&counted->said, 1);
        bell_ring(&counted->bell);
    }
    return NULL;
}

START_TEST(what_was_said_before_a_ring_is_heard)
{
    uv_loop_t loop;
    struct counted counted = {.heard = 0};
    pthread_t thread;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(bell_init(&counted.bell, &loop, on_heard), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, ring_often, &counted), 0);
    uv_run(&loop, UV_RUN_DEFAULT); /* Until all is heard; a lost ring would hang it. */
    pthread_join(thread, NULL);
    ck_assert_int_eq(counted.heard, RINGS);
    ck_assert_int_le(counted.calls, RINGS);
    bell_release(&counted.bell);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

START_TEST(rings_that_come_together_are_heard_once)
{
    uv_loop_t loop;
    struct counted counted = {.heard = 0};
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(bell_init(&counted.bell, &loop, on_heard), 0);
    bell_ring(&counted.bell);
    bell_ring(&counted.bell);
    uv_run(&loop, UV_RUN_NOWAIT);
    uv_run(&loop, UV_RUN_NOWAIT);
    ck_assert_int_eq(counted.calls, 1);
    uv_close((uv_handle_t *)&counted.bell.poll, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    bell_release(&counted.bell);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

Suite *bell_suite(void);
Suite *bell_suite(void)
{
    Suite *suite = suite_create("base/bell");
    TCase *tcase = tcase_create("bell");
    tcase_add_test(tcase, what_was_said_before_a_ring_is_heard);
    tcase_add_test(tcase, rings_that_come_together_are_heard_once);
    suite_add_tcase(suite, tcase);
    return suite;
}
