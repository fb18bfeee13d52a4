/* What control loops do at once is bounded, however many objects there are: they share a loop with
 * the store. */
#include "controllers/limits.h"
#include "tests/unit/controllers/cluster.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *rounds_suite(void);

enum { OBJECTS = 1200, WAIT_MS = 60 * 1000 };

static struct cluster cluster;

/* Calls between two of the ticks of a timer, most of which no answer comes within. */
static struct {
    struct env_timer timer;
    enum client_verb verb;
    const char *plural;
    size_t calls, most;
    bool over;
} turns;

static void turn_passed(void *data)
{
    (void)data;
    turns.calls = 0;
    if (!turns.over) {
        env_timer_start(&cluster.env.env, &turns.timer, /* delay_ns= */ NS_PER_MS / 10);
    }
}

static void call_seen(const struct client_request *request)
{
    if (request->verb == turns.verb && strcmp(request->kind->plural, turns.plural) == 0) {
        turns.calls++;
        turns.most = turns.calls > turns.most ? turns.calls : turns.most;
    }
}

static void watch_turns(enum client_verb verb, const char *plural)
{
    turns.verb = verb;
    turns.plural = plural;
    turns.calls = turns.most = 0;
    turns.over = false;
    turns.timer = (struct env_timer){.fire = turn_passed};
    fake_client_set_check(cluster.api, call_seen);
    turn_passed(NULL);
}

static void setup(void)
{
    cluster_open(&cluster);
    cluster_add(&cluster, "v1", "Namespace",
                "{\"metadata\":{\"name\":\"ns\"},\"spec\":{\"finalizers\":[\"kubernetes\"]}}");
}

static void teardown(void)
{
    turns.over = true;
    cluster_run_ms(&cluster, 1);
    cluster_close(&cluster);
}

static void answered(void *data, const struct client_reply *reply)
{
    (void)data;
    ck_assert(client_succeeded(reply));
}

static void ask_to_delete(const char *plural, const char *namespace_, const char *name,
                          const char *propagation)
{
    struct client_request request = {.verb = CLIENT_DELETE,
                                     .kind = api_kind_find("", "v1", plural),
                                     .namespace_ = namespace_,
                                     .name = name,
                                     .propagation = propagation};
    client_call(fake_client_client(cluster.api), &request, answered, NULL);
}

/* Of the secret "owner", unless `owner` is NULL: then of nobody. */
static void add_objects(const struct client_object *owner)
{
    for (int i = 0; i < OBJECTS; i++) {
        char json[512], owners[256] = "";
        if (owner != NULL) {
            (void)snprintf(owners, sizeof(owners),
                           ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Secret\","
                           "\"name\":\"owner\",\"uid\":\"%s\",\"blockOwnerDeletion\":true}]",
                           client_object_uid(owner));
        }
        (void)snprintf(json, sizeof(json),
                       "{\"metadata\":{\"name\":\"c%d\",\"namespace\":\"ns\"%s}}", i, owners);
        cluster_add(&cluster, "v1", "ConfigMap", json);
    }
    cluster_run_ms(&cluster, 1000);
}

static const struct client_object *add_owner(void)
{
    return cluster_add(&cluster, "v1", "Secret",
                       "{\"metadata\":{\"name\":\"owner\",\"namespace\":\"ns\"}}");
}

START_TEST(a_namespace_is_emptied_by_rounds_of_so_many)
{
    add_objects(NULL);
    watch_turns(CLIENT_DELETE, "configmaps");
    ask_to_delete("namespaces", "", "ns", NULL);
    cluster_run_ms(&cluster, WAIT_MS);
    ck_assert_ptr_null(cluster_get(&cluster, "", "namespaces", "", "ns"));
    ck_assert_uint_eq(cluster_count(&cluster, "", "configmaps", "ns"), 0);
    ck_assert_uint_gt(turns.most, 0);
    ck_assert_uint_le(turns.most, CONTROLLERS_DELETIONS);
}
END_TEST

START_TEST(pods_that_lost_their_node_go_by_rounds_of_so_many)
{
    for (int i = 0; i < OBJECTS; i++) {
        char json[256];
        (void)snprintf(json, sizeof(json),
                       "{\"metadata\":{\"name\":\"p%d\",\"namespace\":\"ns\"},\"spec\":{"
                       "\"nodeName\":\"gone\",\"containers\":[{\"name\":\"c\"}]}}",
                       i);
        cluster_add(&cluster, "v1", "Pod", json);
    }
    cluster_run_ms(&cluster, 1000);
    watch_turns(CLIENT_DELETE, "pods");
    cluster_run_ms(&cluster, 2 * WAIT_MS);
    ck_assert_uint_eq(cluster_count(&cluster, "", "pods", "ns"), 0);
    ck_assert_uint_gt(turns.most, 0);
    ck_assert_uint_le(turns.most, CONTROLLERS_DELETIONS);
}
END_TEST

START_TEST(dependents_are_set_free_by_rounds_of_so_many)
{
    add_objects(add_owner());
    watch_turns(CLIENT_PATCH, "configmaps");
    ask_to_delete("secrets", "ns", "owner", "Orphan");
    cluster_run_ms(&cluster, WAIT_MS);
    ck_assert_ptr_null(cluster_get(&cluster, "", "secrets", "ns", "owner"));
    static struct fake_list list;
    fake_client_list(cluster.api, api_kind_find("", "v1", "configmaps"), &list);
    ck_assert_uint_ge(list.count, OBJECTS);
    for (size_t i = 0; i < list.count; i++) {
        ck_assert_uint_eq(list.items[i]->meta->n_owner_references, 0);
    }
    ck_assert_uint_gt(turns.most, 0);
    ck_assert_uint_le(turns.most, CONTROLLERS_GC_ORPHANS);
}
END_TEST

START_TEST(an_owner_waits_for_the_last_of_its_dependents_however_many_they_are)
{
    add_objects(add_owner());
    fake_client_patch(cluster.api, cluster_get(&cluster, "", "configmaps", "ns", "c600"),
                      "{\"metadata\":{\"finalizers\":[\"example.com/held\"]}}");
    ask_to_delete("secrets", "ns", "owner", "Foreground");
    cluster_run_ms(&cluster, WAIT_MS);
    ck_assert_ptr_nonnull(cluster_get(&cluster, "", "secrets", "ns", "owner"));
    ck_assert_ptr_nonnull(cluster_get(&cluster, "", "configmaps", "ns", "c600"));
    ck_assert_ptr_null(cluster_get(&cluster, "", "configmaps", "ns", "c0"));
    ck_assert_ptr_null(cluster_get(&cluster, "", "configmaps", "ns", "c1199"));
    fake_client_remove(cluster.api, cluster_get(&cluster, "", "configmaps", "ns", "c600"));
    cluster_run_ms(&cluster, WAIT_MS);
    ck_assert_ptr_null(cluster_get(&cluster, "", "secrets", "ns", "owner"));
}
END_TEST

START_TEST(an_owner_goes_when_its_last_dependent_lets_go_of_it)
{
    const struct client_object *owner = client_object_ref(add_owner());
    add_objects(owner);
    client_object_unref(owner);
    fake_client_patch(cluster.api, cluster_get(&cluster, "", "configmaps", "ns", "c600"),
                      "{\"metadata\":{\"finalizers\":[\"example.com/held\"]}}");
    ask_to_delete("secrets", "ns", "owner", "Foreground");
    cluster_run_ms(&cluster, WAIT_MS);
    ck_assert_ptr_nonnull(cluster_get(&cluster, "", "secrets", "ns", "owner"));
    fake_client_patch(cluster.api, cluster_get(&cluster, "", "configmaps", "ns", "c600"),
                      "{\"metadata\":{\"ownerReferences\":null}}");
    cluster_run_ms(&cluster, WAIT_MS);
    ck_assert_ptr_null(cluster_get(&cluster, "", "secrets", "ns", "owner"));
}
END_TEST

Suite *rounds_suite(void)
{
    Suite *suite = suite_create("controllers/rounds");
    TCase *tcase = tcase_create("many objects");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_namespace_is_emptied_by_rounds_of_so_many);
    tcase_add_test(tcase, pods_that_lost_their_node_go_by_rounds_of_so_many);
    tcase_add_test(tcase, dependents_are_set_free_by_rounds_of_so_many);
    tcase_add_test(tcase, an_owner_waits_for_the_last_of_its_dependents_however_many_they_are);
    tcase_add_test(tcase, an_owner_goes_when_its_last_dependent_lets_go_of_it);
    suite_add_tcase(suite, tcase);
    return suite;
}
