#include "k8s/core_v1.pb-c.h"
#include "scheduler/scheduler.h"
#include "tests/unit/client/fake_client.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *scheduler_suite(void);

static struct fake_env env;
static struct fake_client *fake;
static struct scheduler *scheduler;
static bool closed;
static struct fake_list list;

static void note_closed(void *data)
{
    (void)data;
    closed = true;
}

static void start(void)
{
    struct scheduler_config config = {.env = &env.env, .client = fake_client_client(fake)};
    scheduler = scheduler_open(&config);
    scheduler_set_leader(scheduler, true);
}

static void setup(void)
{
    fake_env_init(&env);
    fake = fake_client_new(&env);
    start();
}

static void stop(void)
{
    closed = false;
    scheduler_close(scheduler, note_closed, NULL);
    fake_env_run_ms(&env, 30 * 1000);
    ck_assert(closed);
}

static void teardown(void)
{
    stop();
    fake_client_free(fake);
    fake_env_release(&env);
}

static void add_node(const char *name)
{
    char json[512];
    snprintf(
        json, sizeof(json),
        "{\"metadata\":{\"name\":\"%s\"},\"status\":{\"allocatable\":{\"cpu\":\"4\",\"memory\":"
        "\"8Gi\",\"pods\":\"110\"}}}",
        name);
    fake_client_add(fake, "v1", "Node", json);
}

static void add_pod(int number, const char *cpu)
{
    char json[512];
    snprintf(
        json, sizeof(json),
        "{\"metadata\":{\"name\":\"p%d\",\"namespace\":\"default\"},\"spec\":{\"containers\":[{"
        "\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"%s\"}}}]}}",
        number, cpu);
    fake_client_add(fake, "v1", "Pod", json);
}

static size_t bound(const char *node)
{
    size_t count = 0;
    fake_client_list(fake, api_kind_find("", "v1", "pods"), &list);
    for (size_t i = 0; i < list.count; i++) {
        const Core__V1__Pod *pod = list.items[i]->message;
        const char *name = pod->spec->node_name == NULL ? "" : pod->spec->node_name;
        count += node == NULL ? name[0] != '\0' : strcmp(name, node) == 0;
    }
    return count;
}

START_TEST(a_burst_fills_nodes_to_the_brim_and_never_over)
{
    add_node("a");
    add_node("b");
    add_node("c");
    for (int i = 0; i < 40; i++) {
        add_pod(i, "500m"); /* 8 fit on a node. */
    }
    fake_env_run_ms(&env, 2000);
    ck_assert_uint_eq(bound("a"), 8);
    ck_assert_uint_eq(bound("b"), 8);
    ck_assert_uint_eq(bound("c"), 8);
    fake_env_run_ms(&env, 60 * 1000);
    ck_assert_uint_eq(bound(NULL), 24);
    /* One ends: one of those that wait gets its room. */
    fake_client_remove(fake,
                       fake_client_get(fake, api_kind_find("", "v1", "pods"), "default", "p0"));
    fake_env_run_ms(&env, 15 * 1000);
    ck_assert_uint_eq(bound(NULL), 24);
}
END_TEST

START_TEST(a_pod_that_fits_nowhere_says_why_and_waits_for_a_node)
{
    add_node("a");
    add_pod(1, "8");
    fake_env_run_ms(&env, 500);
    const Core__V1__Pod *pod =
        fake_client_get(fake, api_kind_find("", "v1", "pods"), "default", "p1")->message;
    ck_assert_uint_eq(pod->status->n_conditions, 1);
    ck_assert_str_eq(pod->status->conditions[0]->type, "PodScheduled");
    ck_assert_str_eq(pod->status->conditions[0]->reason, "Unschedulable");
    ck_assert(fake_client_saw_event(
        fake, "FailedScheduling",
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 "
        "Preemption is not helpful for scheduling."));
    fake_client_add(fake, "v1", "Node",
                    "{\"metadata\":{\"name\":\"big\"},\"status\":{\"allocatable\":{\"cpu\":\"64\","
                    "\"memory\":\"8Gi\",\"pods\":\"110\"}}}");
    fake_env_run_ms(&env, 3000);
    ck_assert_uint_eq(bound("big"), 1);
    ck_assert(fake_client_saw_event(fake, "Scheduled", "Successfully assigned default/p1 to big"));
}
END_TEST

START_TEST(a_binding_that_fails_gives_the_room_back)
{
    add_node("a");
    fake_env_run_ms(&env, 100);
    fake_client_fail_after(fake, 0);
    add_pod(1, "3");
    fake_env_run_ms(&env, 500);
    ck_assert_uint_eq(bound("a"), 0);
    fake_client_fail_after(fake, SIZE_MAX);
    fake_env_run_ms(&env, 5000);
    ck_assert_uint_eq(bound("a"), 1);
}
END_TEST

START_TEST(a_new_leader_counts_what_is_bound)
{
    add_node("a");
    for (int i = 0; i < 6; i++) {
        add_pod(i, "500m");
    }
    fake_env_run_ms(&env, 20);
    stop();
    start();
    for (int i = 6; i < 20; i++) {
        add_pod(i, "500m");
    }
    fake_env_run_ms(&env, 3000);
    ck_assert_uint_eq(bound("a"), 8);
}
END_TEST

START_TEST(pods_of_other_schedulers_and_gated_pods_are_left_alone)
{
    add_node("a");
    fake_client_add(fake, "v1", "Pod",
                    "{\"metadata\":{\"name\":\"o\",\"namespace\":\"x\"},\"spec\":{"
                    "\"schedulerName\":\"other\"}}");
    fake_client_add(fake, "v1", "Pod",
                    "{\"metadata\":{\"name\":\"g\",\"namespace\":\"x\"},\"spec\":{"
                    "\"schedulingGates\":[{\"name\":\"wait\"}]}}");
    fake_env_run_ms(&env, 500);
    ck_assert_uint_eq(bound(NULL), 0);
    fake_client_patch(fake, fake_client_get(fake, api_kind_find("", "v1", "pods"), "x", "g"),
                      "{\"spec\":{\"schedulingGates\":null}}");
    fake_env_run_ms(&env, 500);
    ck_assert_uint_eq(bound("a"), 1);
}
END_TEST

Suite *scheduler_suite(void)
{
    Suite *suite = suite_create("scheduler/scheduler");
    TCase *tcase = tcase_create("driver");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_burst_fills_nodes_to_the_brim_and_never_over);
    tcase_add_test(tcase, a_pod_that_fits_nowhere_says_why_and_waits_for_a_node);
    tcase_add_test(tcase, a_binding_that_fails_gives_the_room_back);
    tcase_add_test(tcase, a_new_leader_counts_what_is_bound);
    tcase_add_test(tcase, pods_of_other_schedulers_and_gated_pods_are_left_alone);
    suite_add_tcase(suite, tcase);
    return suite;
}
