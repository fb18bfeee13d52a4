/* ConfigMap kube-public/cluster-info and its signatures by bootstrap tokens. */
#include "k8s/core_v1.pb-c.h"
#include "tests/unit/controllers/cluster.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *cluster_info_suite(void);

#define TEXT                                                                                       \
    "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: UEVN\n"                \
    "    server: https://10.0.0.1:6443\n  name: \"\"\ncontexts: null\ncurrent-context: \"\"\n"     \
    "kind: Config\npreferences: {}\nusers: null\n"
/* By Python's hmac, of TEXT under the secret half of the token below. */
#define SIGNATURE                                                                                  \
    "eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9.."                                                   \
    "HypUv4dpMMCHdH1TeTdm6WX1oBHUe7MaHEXji-LsYco"

static struct cluster cluster;

static void setup(void)
{
    cluster_open(&cluster);
    cluster_add(&cluster, "v1", "Namespace",
                "{\"metadata\":{\"name\":\"kube-public\"},\"spec\":{\"finalizers\":"
                "[\"kubernetes\"]}}");
    cluster_run_ms(&cluster, 200);
}

static void teardown(void)
{
    cluster_close(&cluster);
}

/* NULL when it is not there. */
static const char *value_of(const char *key)
{
    const Core__V1__ConfigMap *map =
        cluster_get(&cluster, "", "configmaps", "kube-public", "cluster-info")->message;
    for (size_t i = 0; i < map->n_data; i++) {
        if (strcmp(map->data[i]->key, key) == 0) {
            return map->data[i]->value;
        }
    }
    return NULL;
}

/* The token abcdef.0123456789abcdef; `more` follows in its data. */
static const struct client_object *add_token(const char *more)
{
    char json[512];
    (void)snprintf(json, sizeof(json),
                   "{\"metadata\":{\"name\":\"bootstrap-token-abcdef\",\"namespace\":"
                   "\"kube-system\"},\"type\":\"bootstrap.kubernetes.io/token\",\"data\":"
                   "{\"token-id\":\"YWJjZGVm\",\"token-secret\":\"MDEyMzQ1Njc4OWFiY2RlZg==\"%s}}",
                   more);
    const struct client_object *secret = cluster_add(&cluster, "v1", "Secret", json);
    cluster_run_ms(&cluster, 200);
    return secret;
}

START_TEST(the_cluster_tells_everybody_where_it_is)
{
    ck_assert_str_eq(value_of("kubeconfig"), TEXT);
    ck_assert_ptr_nonnull(cluster_get(&cluster, "rbac.authorization.k8s.io", "roles", "kube-public",
                                      "kubeadm:bootstrap-signer-clusterinfo"));
    ck_assert_ptr_nonnull(cluster_get(&cluster, "rbac.authorization.k8s.io", "rolebindings",
                                      "kube-public", "kubeadm:bootstrap-signer-clusterinfo"));
}
END_TEST

START_TEST(a_token_for_signing_signs_it_as_long_as_it_is_there)
{
    const struct client_object *secret = add_token(",\"usage-bootstrap-signing\":\"dHJ1ZQ==\"");
    ck_assert_str_eq(value_of("jws-kubeconfig-abcdef"), SIGNATURE);
    ck_assert_str_eq(value_of("kubeconfig"), TEXT);
    fake_client_remove(cluster.api, secret);
    cluster_run_ms(&cluster, 200);
    ck_assert_ptr_null(value_of("jws-kubeconfig-abcdef"));
}
END_TEST

START_TEST(a_token_for_something_else_signs_nothing)
{
    (void)add_token(",\"usage-bootstrap-authentication\":\"dHJ1ZQ==\"");
    ck_assert_ptr_null(value_of("jws-kubeconfig-abcdef"));
}
END_TEST

START_TEST(what_a_person_wrote_stays_and_is_signed)
{
    fake_client_remove(cluster.api,
                       cluster_get(&cluster, "", "configmaps", "kube-public", "cluster-info"));
    cluster_add(&cluster, "v1", "ConfigMap",
                "{\"metadata\":{\"name\":\"cluster-info\",\"namespace\":\"kube-public\"},\"data\":"
                "{\"kubeconfig\":\"mine\",\"jws-kubeconfig-zzzzzz\":\"old\"}}");
    (void)add_token(",\"usage-bootstrap-signing\":\"dHJ1ZQ==\"");
    cluster_restart(&cluster);
    cluster_run_ms(&cluster, 200);
    ck_assert_str_eq(value_of("kubeconfig"), "mine");
    ck_assert_ptr_null(value_of("jws-kubeconfig-zzzzzz"));
    ck_assert_ptr_nonnull(value_of("jws-kubeconfig-abcdef"));
}
END_TEST

Suite *cluster_info_suite(void)
{
    Suite *suite = suite_create("controllers/cluster_info");
    TCase *tcase = tcase_create("kube-public");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_cluster_tells_everybody_where_it_is);
    tcase_add_test(tcase, a_token_for_signing_signs_it_as_long_as_it_is_there);
    tcase_add_test(tcase, a_token_for_something_else_signs_nothing);
    tcase_add_test(tcase, what_a_person_wrote_stays_and_is_signed);
    suite_add_tcase(suite, tcase);
    return suite;
}
