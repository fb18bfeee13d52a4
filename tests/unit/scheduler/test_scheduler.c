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

Suite *scheduler_suite(void)
{
    Suite *suite = suite_create("scheduler/scheduler");
    TCase *tcase = tcase_create("driver");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_burst_fills_nodes_to_the_brim_and_never_over);
    suite_add_tcase(suite, tcase);
    return suite;
}
