/* Namespaces, garbage collection, endpoints, and what every namespace is given. */
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

START_TEST(a_namespace_is_given_an_account_and_the_ca)
{
    cluster_run_ms(&cluster, 500);
    ck_assert_ptr_nonnull(cluster_get(&cluster, "", "serviceaccounts", "default", "default"));
    const struct client_object *ca =
        cluster_get(&cluster, "", "configmaps", "default", "kube-root-ca.crt");
    ck_assert_ptr_nonnull(ca);
    delete ("", "configmaps", "default", "kube-root-ca.crt", NULL);
    cluster_run_ms(&cluster, 500);
    ca = cluster_get(&cluster, "", "configmaps", "default", "kube-root-ca.crt");
    ck_assert_ptr_nonnull(ca);
    ck_assert_str_eq(((const Core__V1__ConfigMap *)ca->message)->data[0]->value, "PEM");
}
END_TEST

START_TEST(the_kubernetes_service_leads_to_the_members)
{
    cluster_run_ms(&cluster, 500);
    const Core__V1__Service *service =
        cluster_get(&cluster, "", "services", "default", "kubernetes")->message;
    ck_assert_str_eq(service->spec->cluster_ip, "10.96.0.1");
    const Core__V1__Endpoints *endpoints =
        cluster_get(&cluster, "", "endpoints", "default", "kubernetes")->message;
    ck_assert_uint_eq(endpoints->subsets[0]->n_addresses, 2);
    ck_assert_str_eq(endpoints->subsets[0]->addresses[0]->ip, "10.0.0.1");
    ck_assert_int_eq(endpoints->subsets[0]->ports[0]->port, 6443);
    ck_assert_uint_eq(cluster_count(&cluster, "discovery.k8s.io", "endpointslices", "default"), 1);
}
END_TEST

START_TEST(a_deleted_namespace_is_emptied_and_then_goes)
{
    cluster_add(&cluster, "v1", "Namespace",
                "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"finalizers\":[\"kubernetes\"]}}");
    cluster_add(&cluster, "v1", "ConfigMap", "{\"metadata\":{\"name\":\"a\",\"namespace\":\"x\"}}");
    cluster_add(
        &cluster, "v1", "ConfigMap",
        "{\"metadata\":{\"name\":\"kept\",\"namespace\":\"x\",\"finalizers\":[\"me/too\"]}}");
    cluster_run_ms(&cluster, 500);
    delete ("", "namespaces", "", "x", NULL);
    cluster_run_ms(&cluster, 2000);
    ck_assert_uint_eq(cluster_count(&cluster, "", "configmaps", "x"), 1);
    ck_assert_uint_eq(cluster_count(&cluster, "", "serviceaccounts", "x"), 0);
    const Core__V1__Namespace *namespace_ =
        cluster_get(&cluster, "", "namespaces", "", "x")->message;
    ck_assert_str_eq(namespace_->status->conditions[3]->message,
                     "Some resources are remaining: configmaps. has 1 resource instances");
    ck_assert_str_eq(namespace_->status->conditions[4]->message,
                     "Some content in the namespace has finalizers remaining: me/too in 1 resource "
                     "instances");
    fake_client_patch(cluster.api, cluster_get(&cluster, "", "configmaps", "x", "kept"),
                      "{\"metadata\":{\"finalizers\":null}}");
    cluster_run_ms(&cluster, 2000);
    ck_assert_ptr_null(cluster_get(&cluster, "", "namespaces", "", "x"));
}
END_TEST

static void add_owned(const char *name, const char *owner_uid, bool blocks)
{
    char json[512];
    snprintf(
        json, sizeof(json),
        "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\",\"uid\":\"uid-of-%s\","
        "\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"name\":\"owner\","
        "\"uid\":\"%s\",\"blockOwnerDeletion\":%s}]}}",
        name, name, owner_uid, blocks ? "true" : "false");
    cluster_add(&cluster, "v1", "ConfigMap", json);
}

static void add_owner(void)
{
    cluster_add(
        &cluster, "v1", "ConfigMap",
        "{\"metadata\":{\"name\":\"owner\",\"namespace\":\"default\",\"uid\":\"owner-1\"}}");
}

static bool exists(const char *name)
{
    return cluster_get(&cluster, "", "configmaps", "default", name) != NULL;
}

START_TEST(background_deletion_takes_dependents_afterwards)
{
    add_owner();
    add_owned("child", "owner-1", true);
    add_owned("stray", "never-was", true);
    cluster_run_ms(&cluster, 500);
    ck_assert(exists("child"));
    ck_assert(!exists("stray"));
    delete ("", "configmaps", "default", "owner", "Background");
    cluster_run_ms(&cluster, 500);
    ck_assert(!exists("owner"));
    ck_assert(!exists("child"));
}
END_TEST

START_TEST(foreground_deletion_waits_for_blocking_dependents)
{
    add_owner();
    add_owned("child", "owner-1", true);
    fake_client_patch(cluster.api, cluster_get(&cluster, "", "configmaps", "default", "child"),
                      "{\"metadata\":{\"finalizers\":[\"me/too\"]}}");
    cluster_run_ms(&cluster, 500);
    delete ("", "configmaps", "default", "owner", "Foreground");
    cluster_run_ms(&cluster, 500);
    ck_assert(exists("owner"));
    ck_assert(exists("child"));
    fake_client_patch(cluster.api, cluster_get(&cluster, "", "configmaps", "default", "child"),
                      "{\"metadata\":{\"finalizers\":null}}");
    cluster_run_ms(&cluster, 500);
    ck_assert(!exists("child"));
    ck_assert(!exists("owner"));
}
END_TEST

START_TEST(orphan_deletion_lets_dependents_live)
{
    add_owner();
    add_owned("child", "owner-1", true);
    cluster_run_ms(&cluster, 500);
    delete ("", "configmaps", "default", "owner", "Orphan");
    cluster_run_ms(&cluster, 1000);
    ck_assert(!exists("owner"));
    ck_assert(exists("child"));
    ck_assert_uint_eq(
        cluster_get(&cluster, "", "configmaps", "default", "child")->meta->n_owner_references, 0);
}
END_TEST

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
    tcase_add_test(tcase, a_namespace_is_given_an_account_and_the_ca);
    tcase_add_test(tcase, the_kubernetes_service_leads_to_the_members);
    tcase_add_test(tcase, a_deleted_namespace_is_emptied_and_then_goes);
    tcase_add_test(tcase, background_deletion_takes_dependents_afterwards);
    tcase_add_test(tcase, foreground_deletion_waits_for_blocking_dependents);
    tcase_add_test(tcase, orphan_deletion_lets_dependents_live);
    tcase_add_test(tcase, a_service_follows_its_pods);
    suite_add_tcase(suite, tcase);
    return suite;
}
