#include "controllers/node/cidr_set.h"
#include "controllers/node/node_health.h"
#include "tests/unit/controllers/cluster.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

Suite *nodes_suite(void);

static struct cluster cluster;

static void setup(void)
{
    cluster_open(&cluster);
}

static void teardown(void)
{
    cluster_close(&cluster);
}

static void add_node(const char *name)
{
    char json[512];
    snprintf(json, sizeof(json),
             "{\"metadata\":{\"name\":\"%s\"},\"status\":{\"conditions\":[{\"type\":\"Ready\","
             "\"status\":\"True\",\"reason\":\"KubeletReady\"}]}}",
             name);
    cluster_add(&cluster, "v1", "Node", json);
}

static const Core__V1__Node *node(const char *name)
{
    return cluster_get(&cluster, "", "nodes", "", name)->message;
}

START_TEST(every_node_gets_a_range_of_its_own)
{
    add_node("n1");
    add_node("n2");
    cluster_run_ms(&cluster, 500);
    ck_assert_str_eq(node("n1")->spec->pod_cidr, "10.244.0.0/24");
    ck_assert_str_eq(node("n2")->spec->pod_cidr, "10.244.1.0/24");
    ck_assert_uint_eq(node("n1")->spec->n_pod_cidrs, 1);
    cluster_restart(&cluster);
    add_node("n3");
    cluster_run_ms(&cluster, 500);
    ck_assert_str_eq(node("n3")->spec->pod_cidr, "10.244.2.0/24");
}
END_TEST

START_TEST(ranges_run_out_and_come_back)
{
    static struct cidr_set set;
    char text[CIDR_TEXT_SIZE];
    ck_assert_int_eq(cidr_set_init(&set, "10.1.2.3"), -EINVAL);
    ck_assert_int_eq(cidr_set_init(&set, "10.1.2.300/16"), -EINVAL);
    ck_assert_int_eq(cidr_set_init(&set, "10.1.0.0/22"), 0);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(cidr_set_take(&set, text), 0);
    }
    ck_assert_int_eq(cidr_set_take(&set, text), -ENOSPC);
    cidr_set_mark(&set, "10.1.2.0/24", false);
    cidr_set_mark(&set, "192.168.0.0/24", false); /* Somebody else's. */
    ck_assert_int_eq(cidr_set_take(&set, text), 0);
    ck_assert_str_eq(text, "10.1.2.0/24");
}
END_TEST

START_TEST(a_silent_node_is_marked_tainted_and_its_pods_evicted)
{
    add_node("n1");
    add_node("n2");
    cluster_add(&cluster, "v1", "Pod",
                "{\"metadata\":{\"name\":\"brief\",\"namespace\":\"default\"},\"spec\":{"
                "\"nodeName\":\"n1\",\"tolerations\":[{\"key\":\"node.kubernetes.io/unreachable\","
                "\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":30}]},"
                "\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":"
                "\"True\"}]}}");
    cluster_add(&cluster, "v1", "Pod",
                "{\"metadata\":{\"name\":\"stays\",\"namespace\":\"default\"},\"spec\":{"
                "\"nodeName\":\"n1\",\"tolerations\":[{\"operator\":\"Exists\"}]}}");
    cluster_run_ms(&cluster, 120 * 1000);
    ck_assert_uint_eq(node("n1")->spec->n_taints, 0);
    cluster.silent_since_ns = cluster.env.now_ns;
    cluster_run_ms(&cluster, 39 * 1000);
    ck_assert(node_ready(node("n1")));
    cluster_run_ms(&cluster, 4 * 1000);
    ck_assert(!node_ready(node("n1")));
    ck_assert_uint_eq(node_taints_present(node("n1")),
                      NODE_TAINT_UNREACHABLE | NODE_TAINT_UNREACHABLE_EXECUTE);
    ck_assert_uint_eq(node("n2")->spec->n_taints, 0);
    const Core__V1__Pod *pod = cluster_get(&cluster, "", "pods", "default", "brief")->message;
    ck_assert_str_eq(pod->status->conditions[0]->status, "False");
    ck_assert_ptr_null(pod->metadata->deletion_timestamp);
    cluster_run_ms(&cluster, 30 * 1000);
    pod = cluster_get(&cluster, "", "pods", "default", "brief")->message;
    ck_assert_ptr_nonnull(pod->metadata->deletion_timestamp);
    pod = cluster_get(&cluster, "", "pods", "default", "stays")->message;
    ck_assert_ptr_null(pod->metadata->deletion_timestamp);
    /* It comes back and reports. */
    cluster.silent_since_ns = 0;
    fake_client_patch(cluster.api, cluster_get(&cluster, "", "nodes", "", "n1"),
                      "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}");
    cluster_run_ms(&cluster, 2000);
    ck_assert_uint_eq(node("n1")->spec->n_taints, 0);
}
END_TEST

START_TEST(a_status_of_the_node_counts_before_its_heartbeat_is_known)
{
    add_node("n1");
    add_node("n2");
    cluster_run_ms(&cluster, 1000);
    cluster.silent_since_ns = cluster.env.now_ns;
    cluster_run_ms(&cluster, 60 * 1000);
    ck_assert(!node_ready(node("n1")));
    /* Its heartbeats go to a member that this leader has not asked yet. */
    fake_client_patch(cluster.api, cluster_get(&cluster, "", "nodes", "", "n1"),
                      "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}");
    cluster_run_ms(&cluster, 35 * 1000);
    ck_assert(node_ready(node("n1")));
    ck_assert_uint_eq(node("n1")->spec->n_taints, 0);
    cluster_run_ms(&cluster, 10 * 1000);
    ck_assert(!node_ready(node("n1")));
}
END_TEST

START_TEST(a_new_leader_gives_full_grace)
{
    add_node("n1");
    add_node("n2");
    cluster_run_ms(&cluster, 1000);
    cluster.silent_since_ns = cluster.env.now_ns;
    cluster_run_ms(&cluster, 35 * 1000);
    cluster_restart(&cluster);
    cluster_run_ms(&cluster, 38 * 1000);
    ck_assert(node_ready(node("n1")));
    cluster_run_ms(&cluster, 4 * 1000);
    ck_assert(!node_ready(node("n1")));
}
END_TEST

START_TEST(pods_of_a_removed_node_are_collected_after_the_quarantine)
{
    add_node("n1");
    cluster_add(&cluster, "v1", "Pod",
                "{\"metadata\":{\"name\":\"p\",\"namespace\":\"default\"},\"spec\":{\"nodeName\":"
                "\"n1\"}}");
    cluster_run_ms(&cluster, 1000);
    fake_client_remove(cluster.api, cluster_get(&cluster, "", "nodes", "", "n1"));
    cluster_run_ms(&cluster, 30 * 1000);
    ck_assert_uint_eq(cluster_count(&cluster, "", "pods", "default"), 1);
    cluster_run_ms(&cluster, 60 * 1000);
    ck_assert_uint_eq(cluster_count(&cluster, "", "pods", "default"), 0);
}
END_TEST

Suite *nodes_suite(void)
{
    Suite *suite = suite_create("controllers/node");
    TCase *tcase = tcase_create("nodes");
    tcase_set_timeout(tcase, 100);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, every_node_gets_a_range_of_its_own);
    tcase_add_test(tcase, ranges_run_out_and_come_back);
    tcase_add_test(tcase, a_silent_node_is_marked_tainted_and_its_pods_evicted);
    tcase_add_test(tcase, a_status_of_the_node_counts_before_its_heartbeat_is_known);
    tcase_add_test(tcase, a_new_leader_gives_full_grace);
    tcase_add_test(tcase, pods_of_a_removed_node_are_collected_after_the_quarantine);
    suite_add_tcase(suite, tcase);
    return suite;
}
