/* What a loop does with what it was told, to its end. */
#include "lib/net/loop.h"

#include "tests/unit/unit.h"
#include <uv.h>

enum { TASKS = 3 };

struct chain {
    struct loop *loop, *other; /* The task goes to and fro between them. */
    unsigned left, ran;
};

static void run_link(void *data)
{
    struct chain *chain = data;
    struct loop *here = chain->loop;
    chain->ran++;
    if (--chain->left > 0) {
        chain->loop = chain->other;
        chain->other = here;
        loop_post(chain->loop, run_link, chain);
    }
}

Suite *loop_suite(void);

static struct loop *loop_made(void)
{
    struct loop *loop = NULL;
    ck_assert_int_eq(loop_new("test", &loop), 0);
    return loop;
}

/* A task frees what it holds; a leak checker would see one that is dropped. */
START_TEST(posted_tasks_run_when_a_loop_that_stopped_is_freed)
{
    struct loop *loop = loop_made();
    struct chain chain = {.loop = loop, .other = loop, .left = TASKS};
    loop_stop(loop);
    loop_run(loop);
    loop_post(loop, run_link, &chain);
    loop_free(loop);
    ck_assert_uint_eq(chain.ran, TASKS);
}
END_TEST

START_TEST(loops_that_post_to_each_other_are_settled_before_they_are_freed)
{
    struct loop *first = loop_made(), *second = loop_made();
    struct chain chain = {.loop = first, .other = second, .left = TASKS};
    loop_post(first, run_link, &chain);
    bool ran = true;
    while (ran) {
        ran = loop_run_posted(first);
        ran = loop_run_posted(second) || ran;
    }
    ck_assert_uint_eq(chain.ran, TASKS);
    loop_free(first);
    loop_free(second);
    ck_assert_uint_eq(chain.ran, TASKS);
}
END_TEST

struct closing_handle {
    uv_timer_t handle;
    struct chain chain;
    struct loop_turn_end turn_end;
};

static void run_after_close(void *data)
{
    struct closing_handle *closing = data;
    run_link(&closing->chain);
    loop_turn_end_start(closing->chain.loop, &closing->turn_end); /* That no turn will run. */
}

static void on_closed(uv_handle_t *handle)
{
    struct closing_handle *closing = handle->data;
    loop_post(closing->chain.loop, run_after_close, closing);
}

START_TEST(what_is_posted_by_a_handle_that_closes_runs_when_its_loop_is_freed)
{
    struct loop *loop = loop_made();
    struct closing_handle closing = {.chain = {.loop = loop, .other = loop, .left = 1}};
    list_init(&closing.turn_end.node);
    uv_timer_init(loop_uv(loop), &closing.handle);
    closing.handle.data = &closing;
    uv_close((uv_handle_t *)&closing.handle, on_closed);
    loop_free(loop);
    ck_assert_uint_eq(closing.chain.ran, 1);
}
END_TEST

Suite *loop_suite(void)
{
    Suite *suite = suite_create("net/loop");
    TCase *tcase = tcase_create("end");
    tcase_add_test(tcase, posted_tasks_run_when_a_loop_that_stopped_is_freed);
    tcase_add_test(tcase, loops_that_post_to_each_other_are_settled_before_they_are_freed);
    tcase_add_test(tcase, what_is_posted_by_a_handle_that_closes_runs_when_its_loop_is_freed);
    suite_add_tcase(suite, tcase);
    return suite;
}
