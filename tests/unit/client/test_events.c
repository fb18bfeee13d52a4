#include "k8s/core_v1.pb-c.h"
#include "lib/client/event_recorder.h"
#include "tests/unit/client/fake_client.h"

#include <check.h>

Suite *events_suite(void);

static struct fake_env env;
static struct fake_client *fake;
static struct event_recorder *recorder;
static const struct client_object *pod;
static struct fake_list list;

static void setup(void)
{
    fake_env_init(&env);
    fake = fake_client_new(&env);
    recorder =
        event_recorder_new(&env.env, fake_client_client(fake), /* as= */ NULL, "tester", "m1");
    pod = fake_client_add(fake, "v1", "Pod", "{\"metadata\":{\"name\":\"p\",\"namespace\":\"x\"}}");
}

static void teardown(void)
{
    event_recorder_free(recorder);
    fake_env_run_ms(&env, 100);
    fake_client_free(fake);
    fake_env_release(&env);
}

static const Core__V1__Event *only_event(void)
{
    fake_client_list(fake, api_kind_find("", "v1", "events"), &list);
    ck_assert_uint_eq(list.count, 1);
    return list.items[0]->message;
}

START_TEST(a_repeated_event_raises_its_count)
{
    for (int i = 0; i < 3; i++) {
        event_record(recorder, pod->kind, pod->meta, true, "Broken", NULL, "it is %d", 7);
        fake_env_run_ms(&env, 1000);
    }
    const Core__V1__Event *event = only_event();
    ck_assert_int_eq(event->count, 3);
    ck_assert_str_eq(event->message, "it is 7");
    ck_assert_str_eq(event->type, "Warning");
    ck_assert_str_eq(event->metadata->namespace_, "x");
    ck_assert_str_eq(event->involved_object->name, "p");
    ck_assert_str_eq(event->source->component, "tester");
}
END_TEST

START_TEST(ten_similar_events_become_one)
{
    for (int i = 0; i < 15; i++) {
        event_record(recorder, pod->kind, pod->meta, false, "Thing", NULL, "number %d", i);
        fake_env_run_ms(&env, 10);
    }
    fake_client_list(fake, api_kind_find("", "v1", "events"), &list);
    ck_assert_uint_eq(list.count, 10); /* Nine, and the merged one. */
    const Core__V1__Event *last = list.items[9]->message;
    ck_assert_str_eq(last->message, "(combined from similar events): number 14");
    ck_assert_int_eq(last->count, 6);
}
END_TEST

START_TEST(a_noisy_object_is_cut_off_after_25)
{
    for (int i = 0; i < 100; i++) {
        event_record(recorder, pod->kind, pod->meta, false, "Same", NULL, "again");
        fake_env_run_ms(&env, 10);
    }
    ck_assert_int_eq(only_event()->count, 25);
    fake_env_run_ms(&env, 301 * 1000);
    event_record(recorder, pod->kind, pod->meta, false, "Same", NULL, "again");
    fake_env_run_ms(&env, 10);
    ck_assert_int_eq(only_event()->count, 26);
}
END_TEST

Suite *events_suite(void)
{
    Suite *suite = suite_create("client/event_recorder");
    TCase *tcase = tcase_create("events");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_repeated_event_raises_its_count);
    tcase_add_test(tcase, ten_similar_events_become_one);
    tcase_add_test(tcase, a_noisy_object_is_cut_off_after_25);
    suite_add_tcase(suite, tcase);
    return suite;
}
