/* A Service of many pods: its slices stay small. The rest of what endpoints, namespaces and garbage
 * go through is in tests/scenarios. */
#include "k8s/discovery_v1.pb-c.h"
#include "tests/unit/controllers/cluster.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *content_suite(void);

static struct cluster cluster;

static void setup(void)
{
    cluster_open(&cluster);
    cluster_add(&cluster, "v1", "Namespace",
                "{\"metadata\":{\"name\":\"default\"},\"spec\":{\"finalizers\":[\"kubernetes\"]}}");
}

static void teardown(void)
{
    cluster_close(&cluster);
}

static void nothing(void *data, const struct client_reply *reply)
{
    (void)data;
    ck_assert(client_succeeded(reply));
}

static void delete (const char *group, const char *plural, const char *namespace_, const char *name,
                    const char *propagation)
{
    struct client_request request = {.verb = CLIENT_DELETE,
                                     .kind = api_kind_find(group, "v1", plural),
                                     .namespace_ = namespace_,
                                     .name = name,
                                     .propagation = propagation};
    client_call(fake_client_client(cluster.api), &request, nothing, NULL);
}

static size_t slices_and_endpoints(size_t *ret_endpoints)
{
    static struct fake_list list;
    size_t slices = 0;
    *ret_endpoints = 0;
    fake_client_list(cluster.api, api_kind_find("discovery.k8s.io", "v1", "endpointslices"), &list);
    for (size_t i = 0; i < list.count; i++) {
        const char *service = api_meta_label(list.items[i]->meta, "kubernetes.io/service-name");
        if (strcmp(service, "web") == 0) {
            const Discovery__V1__EndpointSlice *slice = list.items[i]->message;
            ck_assert_uint_le(slice->n_endpoints, 100);
            *ret_endpoints += slice->n_endpoints;
            slices++;
        }
    }
    return slices;
}

START_TEST(a_service_follows_its_pods)
{
    cluster_add(
        &cluster, "v1", "Service",
        "{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\"},\"spec\":{\"selector\":{"
        "\"app\":\"web\"},\"ports\":[{\"name\":\"http\",\"port\":80,\"targetPort\":\"main\"}"
        "]}}");
    cluster_run_ms(&cluster, 200);
    size_t endpoints;
    ck_assert_uint_eq(slices_and_endpoints(&endpoints), 1); /* The empty one. */
    ck_assert_uint_eq(endpoints, 0);
    for (int i = 0; i < 150; i++) {
        char json[640];
        snprintf(
            json, sizeof(json),
            "{\"metadata\":{\"name\":\"p%d\",\"namespace\":\"default\",\"labels\":{\"app\":"
            "\"web\"}},\"spec\":{\"nodeName\":\"n1\",\"containers\":[{\"name\":\"c\",\"ports\":["
            "{\"name\":\"main\",\"containerPort\":8080}]}]},\"status\":{\"phase\":\"Running\","
            "\"podIP\":\"10.1.%d.%d\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\"}]}}",
            i, i / 100, i % 100, i == 0 ? "False" : "True");
        cluster_add(&cluster, "v1", "Pod", json);
    }
    cluster_run_ms(&cluster, 1000);
    ck_assert_uint_eq(slices_and_endpoints(&endpoints), 2);
    ck_assert_uint_eq(endpoints, 150);
    const Core__V1__Endpoints *object =
        cluster_get(&cluster, "", "endpoints", "default", "web")->message;
    ck_assert_uint_eq(object->subsets[0]->n_addresses, 149);
    ck_assert_uint_eq(object->subsets[0]->n_not_ready_addresses, 1);
    ck_assert_int_eq(object->subsets[0]->ports[0]->port, 8080);
    fake_client_remove(cluster.api, cluster_get(&cluster, "", "pods", "default", "p7"));
    cluster_run_ms(&cluster, 500);
    slices_and_endpoints(&endpoints);
    ck_assert_uint_eq(endpoints, 149);
    delete ("", "services", "default", "web", NULL);
    cluster_run_ms(&cluster, 1000);
    ck_assert_uint_eq(slices_and_endpoints(&endpoints), 0); /* By garbage collection. */
    ck_assert_ptr_null(cluster_get(&cluster, "", "endpoints", "default", "web"));
}
END_TEST

Suite *content_suite(void)
{
    Suite *suite = suite_create("controllers/content");
    TCase *tcase = tcase_create("objects");
    tcase_set_timeout(tcase, 100);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_service_follows_its_pods);
    suite_add_tcase(suite, tcase);
    return suite;
}
