#include "lib/client/informer.h"
#include "tests/unit/client/fake_client.h"

#include <check.h>
#include <stdio.h>

Suite *informer_suite(void);

static struct fake_env env;
static struct fake_client *fake;
static struct informers *informers;
static struct arena *arena;

static void setup(void)
{
    fake_env_init(&env);
    fake = fake_client_new(&env);
    informers = informers_new(fake_client_client(fake));
    arena = arena_new(SIZE_MAX);
}

static void teardown(void)
{
    informers_free(informers);
    fake_client_free(fake);
    fake_env_release(&env);
    arena_free(arena);
}

static const struct client_object *add_pod(const char *name, const char *owner, const char *node)
{
    char json[512];
    snprintf(json, sizeof(json),
             "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\",\"ownerReferences\":[{"
             "\"uid\":\"%s\",\"controller\":%s,\"kind\":\"ReplicaSet\",\"name\":\"r\"}]},"
             "\"spec\":{\"nodeName\":\"%s\"}}",
             name, owner, owner[0] == '\0' ? "false" : "true", node);
    return fake_client_add(fake, "v1", "Pod", json);
}

START_TEST(indexes_follow_the_objects)
{
    struct informer *pods = informers_get(informers, api_kind_find("", "v1", "pods"));
    const struct client_object *a = add_pod("a", "u1", "");
    add_pod("b", "u1", "n1");
    add_pod("c", "", "n1");
    ck_assert(!informer_synced(pods));
    fake_env_run_ms(&env, 10);
    ck_assert(informers_synced(informers));
    ck_assert_uint_eq(informer_select(pods, arena, INFORMER_BY_OWNER, "u1").count, 2);
    ck_assert_uint_eq(informer_select(pods, arena, INFORMER_ORPHANS, "default").count, 1);
    ck_assert_uint_eq(informer_select(pods, arena, INFORMER_BY_NODE, "n1").count, 2);
    ck_assert_uint_eq(informer_select(pods, arena, INFORMER_BY_NODE, "").count, 1);
    fake_client_patch(fake, a, "{\"spec\":{\"nodeName\":\"n1\"}}");
    fake_env_run_ms(&env, 10);
    ck_assert_uint_eq(informer_select(pods, arena, INFORMER_BY_NODE, "n1").count, 3);
    ck_assert_uint_eq(informer_select(pods, arena, INFORMER_BY_NODE, "").count, 0);
    fake_client_remove(fake, informer_get(pods, "default", "b"));
    fake_env_run_ms(&env, 10);
    ck_assert_ptr_null(informer_get(pods, "default", "b"));
    ck_assert_uint_eq(informer_select(pods, arena, INFORMER_BY_OWNER, "u1").count, 1);
    ck_assert_uint_eq(informer_count(pods), 2);
}
END_TEST

static const struct client_object *add_labelled(const char *namespace_, const char *name,
                                                const char *labels)
{
    char json[512];
    (void)snprintf(
        json, sizeof(json),
        "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\",\"labels\":%s},\"spec\":{}}", name,
        namespace_, labels);
    return fake_client_add(fake, "v1", "Pod", json);
}

/* The names of what may have the labels of this pod. */
static const char *labelled_as(struct informer *pods, const char *namespace_, const char *name)
{
    const Meta__V1__ObjectMeta *meta = informer_get(pods, namespace_, name)->meta;
    struct informer_list list = informer_select_labelled(
        pods, arena, namespace_, API_STRING_MAP(meta->labels, meta->n_labels));
    const char *text = "";
    for (size_t i = 0; i < list.count; i++) {
        text = arena_printf(arena, "%s %s", text, client_object_name(list.items[i]));
    }
    return text;
}

START_TEST(pods_are_found_by_the_rarest_of_their_labels)
{
    struct informer *pods = informers_get(informers, api_kind_find("", "v1", "pods"));
    add_labelled("default", "a", "{\"app\":\"web\",\"tier\":\"x\"}");
    add_labelled("default", "b", "{\"app\":\"web\",\"tier\":\"y\"}");
    add_labelled("default", "c", "{\"app\":\"db\",\"tier\":\"x\"}");
    add_labelled("default", "web", "{\"app\":\"web\"}");
    add_labelled("default", "none", "{}");
    add_labelled("other", "a", "{\"app\":\"web\"}");
    fake_env_run_ms(&env, 10);
    ck_assert_str_eq(labelled_as(pods, "default", "web"), " a b web");
    ck_assert_str_eq(labelled_as(pods, "default", "b"), " b"); /* One has tier=y. */
    ck_assert_str_eq(labelled_as(pods, "default", "none"), " a b c web none");
    ck_assert_str_eq(labelled_as(pods, "other", "a"), " a");
    fake_client_patch(fake, informer_get(pods, "default", "c"),
                      "{\"metadata\":{\"labels\":{\"app\":\"web\"}}}");
    fake_client_patch(fake, informer_get(pods, "default", "b"),
                      "{\"metadata\":{\"labels\":{\"app\":null}}}");
    fake_client_remove(fake, informer_get(pods, "default", "a"));
    fake_env_run_ms(&env, 10);
    ck_assert_str_eq(labelled_as(pods, "default", "web"), " web c");
    ck_assert_str_eq(labelled_as(pods, "default", "b"), " b");
    ck_assert_str_eq(labelled_as(pods, "other", "a"), " a");
}
END_TEST

static int appeared, changed_count, gone;

static void count_changes(void *data, const struct client_object *old_object,
                          const struct client_object *new_object)
{
    (void)data;
    appeared += old_object == NULL;
    gone += new_object == NULL;
    changed_count += old_object != NULL && new_object != NULL;
}

START_TEST(a_late_handler_hears_of_everything_that_is_there)
{
    appeared = changed_count = gone = 0;
    struct informer *pods = informers_get(informers, api_kind_find("", "v1", "pods"));
    const struct client_object *a = add_pod("a", "u1", "");
    fake_env_run_ms(&env, 10);
    struct informer_handler handler = {.changed = count_changes};
    informer_add_handler(pods, &handler);
    ck_assert_int_eq(appeared, 1);
    fake_client_patch(fake, a, "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}");
    fake_env_run_ms(&env, 10);
    ck_assert_int_eq(changed_count, 1);
    fake_client_remove(fake, informer_get(pods, "default", "a"));
    fake_env_run_ms(&env, 10);
    ck_assert_int_eq(gone, 1);
    informer_remove_handler(&handler);
}
END_TEST

Suite *informer_suite(void)
{
    Suite *suite = suite_create("client/informer");
    TCase *tcase = tcase_create("cache");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, indexes_follow_the_objects);
    tcase_add_test(tcase, pods_are_found_by_the_rarest_of_their_labels);
    tcase_add_test(tcase, a_late_handler_hears_of_everything_that_is_there);
    suite_add_tcase(suite, tcase);
    return suite;
}
