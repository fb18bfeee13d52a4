#include "tests/unit/controllers/cluster.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *replicaset_suite(void);

static struct cluster cluster;

static void setup(void)
{
    cluster_open(&cluster);
}

static void teardown(void)
{
    cluster_close(&cluster);
}

static const char set_json[] =
    "{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"set-1\"},\"spec\":{"
    "\"replicas\":5,\"selector\":{\"matchLabels\":{\"app\":\"web\"}},\"template\":{\"metadata\":{"
    "\"labels\":{\"app\":\"web\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}";

static const Apps__V1__ReplicaSet *set(void)
{
    const struct client_object *object =
        cluster_get(&cluster, "apps", "replicasets", "default", "web");
    return object == NULL ? NULL : object->message;
}

START_TEST(a_set_makes_its_pods_and_counts_them)
{
    cluster_add(&cluster, "apps/v1", "ReplicaSet", set_json);
    cluster_run_ms(&cluster, 100);
    ck_assert_uint_eq(cluster_count(&cluster, "", "pods", "default"), 5);
    cluster_settle(&cluster);
    ck_assert_uint_eq(cluster_count(&cluster, "", "pods", "default"), 5);
    ck_assert_int_eq(set()->status->replicas, 5);
    ck_assert_int_eq(set()->status->ready_replicas, 5);
    ck_assert_int_eq(set()->status->available_replicas, 5);
    ck_assert_int_eq(set()->status->fully_labeled_replicas, 5);
}
END_TEST

START_TEST(shrinking_removes_pods_that_are_not_ready_first)
{
    cluster_add(&cluster, "apps/v1", "ReplicaSet", set_json);
    cluster_settle(&cluster);
    static struct fake_list pods;
    fake_client_list(cluster.api, api_kind_find("", "v1", "pods"), &pods);
    char name[64];
    snprintf(name, sizeof(name), "%s", client_object_name(pods.items[3]));
    fake_client_patch(cluster.api, pods.items[3],
                      "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"}]}}");
    cluster_run_ms(&cluster, 100);
    fake_client_trace_clear(cluster.api);
    fake_client_patch(cluster.api, cluster_get(&cluster, "apps", "replicasets", "default", "web"),
                      "{\"spec\":{\"replicas\":4}}");
    cluster_run_ms(&cluster, 100);
    char line[128];
    snprintf(line, sizeof(line), "delete pods default/%s\n", name);
    ck_assert_ptr_nonnull(strstr(fake_client_trace(cluster.api), line));
    cluster_settle(&cluster);
    ck_assert_uint_eq(cluster_count(&cluster, "", "pods", "default"), 4);
}
END_TEST

START_TEST(orphans_are_adopted_and_strangers_released)
{
    cluster_add(&cluster, "v1", "Pod",
                "{\"metadata\":{\"name\":\"orphan\",\"namespace\":\"default\",\"labels\":{"
                "\"app\":\"web\"}},\"spec\":{\"nodeName\":\"n1\"}}");
    cluster_add(&cluster, "apps/v1", "ReplicaSet", set_json);
    cluster_settle(&cluster);
    const struct client_object *orphan = cluster_get(&cluster, "", "pods", "default", "orphan");
    ck_assert_ptr_nonnull(api_meta_controller(orphan->meta));
    ck_assert_uint_eq(cluster_count(&cluster, "", "pods", "default"), 5);
    fake_client_patch(cluster.api, orphan, "{\"metadata\":{\"labels\":{\"app\":\"other\"}}}");
    cluster_settle(&cluster);
    orphan = cluster_get(&cluster, "", "pods", "default", "orphan");
    ck_assert_ptr_null(api_meta_controller(orphan->meta));
    ck_assert_uint_eq(cluster_count(&cluster, "", "pods", "default"), 6);
}
END_TEST

/* Killed after any number of writes, the successor ends with exactly the pods that are wanted. */
START_TEST(a_crash_between_any_two_writes_makes_no_pod_too_many)
{
    cluster_settle(&cluster);
    fake_client_fail_after(cluster.api, (size_t)_i);
    cluster_add(&cluster, "apps/v1", "ReplicaSet", set_json);
    cluster_run_ms(&cluster, 50);
    cluster_restart(&cluster);
    cluster_settle(&cluster);
    ck_assert_uint_eq(cluster_count(&cluster, "", "pods", "default"), 5);
    ck_assert_int_eq(set()->status->available_replicas, 5);
}
END_TEST

Suite *replicaset_suite(void)
{
    Suite *suite = suite_create("controllers/replicaset");
    TCase *tcase = tcase_create("pods");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_set_makes_its_pods_and_counts_them);
    tcase_add_test(tcase, shrinking_removes_pods_that_are_not_ready_first);
    tcase_add_test(tcase, orphans_are_adopted_and_strangers_released);
    tcase_add_loop_test(tcase, a_crash_between_any_two_writes_makes_no_pod_too_many, 0, 8);
    suite_add_tcase(suite, tcase);
    return suite;
}
