/* Quotas are counted: at first, when objects go, when their limits change. */
#include "k8s/core_v1.pb-c.h"
#include "lib/api/resource_list.h"
#include "tests/unit/controllers/cluster.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *quota_suite(void);

static struct cluster cluster;

static void setup(void)
{
    cluster_open(&cluster);
    cluster_add(&cluster, "v1", "Namespace",
                "{\"metadata\":{\"name\":\"ns\"},\"spec\":{\"finalizers\":[\"kubernetes\"]}}");
}

static void teardown(void)
{
    cluster_close(&cluster);
}

static const char *shown(const char *which, const char *resource)
{
    static char text[QUANTITY_TEXT_SIZE];
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const Core__V1__ResourceQuota *quota =
        cluster_get(&cluster, "", "resourcequotas", "ns", "q")->message;
    struct resource_list list = strcmp(which, "hard") == 0
                                    ? RESOURCE_LIST(arena, quota->status, hard)
                                    : RESOURCE_LIST(arena, quota->status, used);
    const struct quantity *value = resource_list_get(&list, resource);
    ck_assert_msg(value != NULL, "%s is missing", resource);
    quantity_format(*value, text);
    return text;
}

static void add_pod(const char *name, const char *memory)
{
    char json[512];
    snprintf(json, sizeof(json),
             "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"ns\"},\"spec\":{\"nodeName\":\"n1\","
             "\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"memory\":\"%s\"}}}]},"
             "\"status\":{\"phase\":\"Running\"}}",
             name, memory);
    cluster_add(&cluster, "v1", "Pod", json);
}

START_TEST(what_is_there_is_counted_and_what_goes_is_given_back)
{
    add_pod("a", "1Gi");
    add_pod("b", "512Mi");
    cluster_add(&cluster, "v1", "ResourceQuota",
                "{\"metadata\":{\"name\":\"q\",\"namespace\":\"ns\"},\"spec\":{\"hard\":{"
                "\"pods\":\"5\",\"requests.memory\":\"4Gi\",\"secrets\":\"3\","
                "\"count/deployments.apps\":\"1\",\"count/unknown.example.com\":\"1\"}}}");
    cluster_run_ms(&cluster, 200);
    ck_assert_str_eq(shown("used", "pods"), "2");
    ck_assert_str_eq(shown("used", "requests.memory"), "1536Mi");
    ck_assert_str_eq(shown("used", "secrets"), "0");
    ck_assert_str_eq(shown("used", "count/deployments.apps"), "0");
    ck_assert_str_eq(shown("hard", "count/unknown.example.com"), "1");
    fake_client_remove(cluster.api, cluster_get(&cluster, "", "pods", "ns", "a"));
    cluster_run_ms(&cluster, 200);
    ck_assert_str_eq(shown("used", "pods"), "1");
    fake_client_patch(cluster.api, cluster_get(&cluster, "", "pods", "ns", "b"),
                      "{\"status\":{\"phase\":\"Succeeded\"}}");
    cluster_run_ms(&cluster, 200);
    ck_assert_str_eq(shown("used", "requests.memory"), "0");
}
END_TEST

START_TEST(limits_that_change_are_shown_and_hold)
{
    cluster_add(&cluster, "v1", "ResourceQuota",
                "{\"metadata\":{\"name\":\"q\",\"namespace\":\"ns\"},\"spec\":{\"hard\":{"
                "\"pods\":\"5\"}}}");
    cluster_run_ms(&cluster, 200);
    ck_assert_str_eq(shown("hard", "pods"), "5");
    fake_client_patch(cluster.api, cluster_get(&cluster, "", "resourcequotas", "ns", "q"),
                      "{\"spec\":{\"hard\":{\"pods\":\"7\",\"configmaps\":\"9\"}}}");
    cluster_run_ms(&cluster, 200);
    ck_assert_str_eq(shown("hard", "pods"), "7");
    ck_assert_str_eq(shown("used", "configmaps"), "1"); /* The root CA's. */
}
END_TEST

START_TEST(a_pod_that_comes_into_a_scope_is_counted_and_given_back_after_a_restart)
{
    cluster_add(&cluster, "v1", "ResourceQuota",
                "{\"metadata\":{\"name\":\"q\",\"namespace\":\"ns\"},\"spec\":{\"hard\":{"
                "\"pods\":\"5\",\"requests.memory\":\"4Gi\"},\"scopes\":[\"Terminating\"]}}");
    add_pod("a", "1Gi");
    add_pod("b", "512Mi");
    cluster_run_ms(&cluster, 3000);
    ck_assert_str_eq(shown("used", "pods"), "0");
    fake_client_patch(cluster.api, cluster_get(&cluster, "", "pods", "ns", "b"),
                      "{\"spec\":{\"activeDeadlineSeconds\":5}}");
    cluster_run_ms(&cluster, 200);
    ck_assert_str_eq(shown("used", "pods"), "1");
    ck_assert_str_eq(shown("used", "requests.memory"), "512Mi");
    cluster_restart(&cluster);
    fake_client_remove(cluster.api, cluster_get(&cluster, "", "pods", "ns", "b"));
    cluster_run_ms(&cluster, 1000);
    ck_assert_str_eq(shown("used", "pods"), "0");
}
END_TEST

START_TEST(services_and_claims_are_measured_and_all_else_is_counted)
{
    cluster_add(&cluster, "v1", "ResourceQuota",
                "{\"metadata\":{\"name\":\"q\",\"namespace\":\"ns\"},\"spec\":{\"hard\":{"
                "\"services.nodeports\":\"5\",\"requests.storage\":\"4Gi\",\"secrets\":\"9\","
                "\"gold.storageclass.storage.k8s.io/requests.storage\":\"4Gi\"}}}");
    cluster_add(&cluster, "v1", "Service",
                "{\"metadata\":{\"name\":\"s\",\"namespace\":\"ns\"},\"spec\":{\"type\":"
                "\"NodePort\",\"ports\":[{\"port\":80},{\"port\":81}]}}");
    cluster_add(
        &cluster, "v1", "PersistentVolumeClaim",
        "{\"metadata\":{\"name\":\"c\",\"namespace\":\"ns\"},\"spec\":{"
        "\"storageClassName\":\"gold\",\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}");
    cluster_add(&cluster, "v1", "Secret", "{\"metadata\":{\"name\":\"s\",\"namespace\":\"ns\"}}");
    cluster_run_ms(&cluster, 3000);
    ck_assert_str_eq(shown("used", "services.nodeports"), "2");
    ck_assert_str_eq(shown("used", "requests.storage"), "1Gi");
    ck_assert_str_eq(shown("used", "gold.storageclass.storage.k8s.io/requests.storage"), "1Gi");
    ck_assert_str_eq(shown("used", "secrets"), "1");
    fake_client_patch(cluster.api, cluster_get(&cluster, "", "services", "ns", "s"),
                      "{\"spec\":{\"type\":\"ClusterIP\"}}");
    fake_client_remove(cluster.api, cluster_get(&cluster, "", "persistentvolumeclaims", "ns", "c"));
    fake_client_remove(cluster.api, cluster_get(&cluster, "", "secrets", "ns", "s"));
    cluster_run_ms(&cluster, 200);
    ck_assert_str_eq(shown("used", "services.nodeports"), "0");
    ck_assert_str_eq(shown("used", "requests.storage"), "0");
    ck_assert_str_eq(shown("used", "gold.storageclass.storage.k8s.io/requests.storage"), "0");
    ck_assert_str_eq(shown("used", "secrets"), "0");
}
END_TEST

Suite *quota_suite(void)
{
    Suite *suite = suite_create("controllers/quota");
    TCase *tcase = tcase_create("counting");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, what_is_there_is_counted_and_what_goes_is_given_back);
    tcase_add_test(tcase, limits_that_change_are_shown_and_hold);
    tcase_add_test(tcase, a_pod_that_comes_into_a_scope_is_counted_and_given_back_after_a_restart);
    tcase_add_test(tcase, services_and_claims_are_measured_and_all_else_is_counted);
    suite_add_tcase(suite, tcase);
    return suite;
}
