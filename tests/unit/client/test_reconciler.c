#include "lib/client/reconciler.h"

#include "lib/client/limits.h"
#include "tests/unit/client/fake_client.h"

#include <check.h>
#include <stdio.h>

Suite *reconciler_suite(void);

static struct {
    struct fake_env env;
    struct fake_client *fake;
    struct reconciler *reconciler;
    const struct client_object *object; /* The test's own reference. */
    size_t calls, answers, failures;
    size_t rounds, in_turn, most_in_turn;
    struct env_timer turn; /* Due in each turn of the loop. */
    bool closed;
} scene;

static void answered(struct round *round, const struct client_reply *reply, void *data)
{
    (void)round, (void)reply, (void)data;
    ck_assert_uint_gt(scene.object->refs, 1);
    scene.answers++;
}

static void reconcile(void *data, struct round *round)
{
    (void)data;
    scene.rounds++;
    scene.in_turn++;
    scene.most_in_turn = scene.in_turn > scene.most_in_turn ? scene.in_turn : scene.most_in_turn;
    round_hold(round, scene.object);
    const struct client_request request = {
        .verb = CLIENT_GET, .kind = scene.object->kind, .namespace_ = "default", .name = "nobody"};
    for (size_t i = 0; i < scene.calls; i++) {
        round_call(round, &request, answered, NULL);
    }
}

static void failed(void *data, const char *name, const char *key, const char *why)
{
    (void)data, (void)name, (void)key, (void)why;
    scene.failures++;
}

static void on_closed(void *data)
{
    (void)data;
    scene.closed = true;
}

static void setup(void)
{
    fake_env_init(&scene.env);
    scene.fake = fake_client_new(&scene.env);
    const struct reconciler_config config = {.env = &scene.env.env,
                                             .client = fake_client_client(scene.fake),
                                             .name = "test",
                                             .reconcile = reconcile,
                                             .failed = failed};
    scene.reconciler = reconciler_new(&config);
    scene.object = client_object_ref(
        fake_client_add(scene.fake, "v1", "ConfigMap",
                        "{\"metadata\":{\"namespace\":\"default\",\"name\":\"a\"}}"));
    fake_client_remove(scene.fake, scene.object);
    ck_assert_uint_eq(scene.object->refs, 1);
    scene.calls = scene.answers = scene.failures = 0;
    scene.rounds = scene.in_turn = scene.most_in_turn = 0;
    scene.closed = false;
}

static void teardown(void)
{
    client_object_unref(scene.object);
    fake_client_free(scene.fake);
    fake_env_release(&scene.env);
}

static void close_all(void)
{
    reconciler_close(scene.reconciler, on_closed, NULL);
    fake_env_run_ms(&scene.env, 1000);
    ck_assert(scene.closed);
    ck_assert_uint_eq(scene.object->refs, 1);
}

START_TEST(a_round_holds_its_objects_until_its_last_call_is_answered)
{
    scene.calls = 3;
    reconciler_add(scene.reconciler, "default/a");
    fake_env_run_ms(&scene.env, 1000);
    ck_assert_uint_eq(scene.answers, 3);
    ck_assert_uint_eq(scene.failures, 0);
    ck_assert_uint_eq(scene.object->refs, 1);
    close_all();
}
END_TEST

START_TEST(a_round_that_makes_too_many_calls_fails_and_lets_its_objects_go)
{
    scene.calls = CLIENT_ROUND_CALLS_MAX + 1;
    reconciler_add(scene.reconciler, "default/a");
    fake_env_run_ms(&scene.env, 1);
    close_all();
    ck_assert_uint_ge(scene.answers, CLIENT_ROUND_CALLS_MAX);
    ck_assert_uint_ge(scene.failures, 1);
}
END_TEST

START_TEST(a_round_that_is_under_way_when_its_reconciler_closes_lets_its_objects_go)
{
    scene.calls = 3;
    reconciler_add(scene.reconciler, "default/a");
    close_all();
}
END_TEST

static void turn_passed(void *data)
{
    size_t wanted = *(const size_t *)data;
    scene.in_turn = 0;
    if (scene.rounds < wanted) {
        env_timer_start(&scene.env.env, &scene.turn, /* delay_ns= */ 0);
    }
}

START_TEST(a_long_queue_is_worked_off_by_turns_of_the_loop)
{
    size_t wanted = 10 * CLIENT_ROUNDS_AT_ONCE + 1;
    for (size_t i = 0; i < wanted; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "key%zu", i);
        reconciler_add(scene.reconciler, key);
    }
    scene.turn = (struct env_timer){.fire = turn_passed, .data = &wanted};
    turn_passed(&wanted);
    fake_env_run_ms(&scene.env, 1);
    ck_assert_uint_eq(scene.rounds, wanted);
    ck_assert_uint_eq(scene.most_in_turn, CLIENT_ROUNDS_AT_ONCE);
    close_all();
}
END_TEST

Suite *reconciler_suite(void)
{
    Suite *suite = suite_create("client/reconciler");
    TCase *tcase = tcase_create("rounds");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_round_holds_its_objects_until_its_last_call_is_answered);
    tcase_add_test(tcase, a_long_queue_is_worked_off_by_turns_of_the_loop);
    tcase_add_test(tcase, a_round_that_makes_too_many_calls_fails_and_lets_its_objects_go);
    tcase_add_test(tcase, a_round_that_is_under_way_when_its_reconciler_closes_lets_its_objects_go);
    suite_add_tcase(suite, tcase);
    return suite;
}
