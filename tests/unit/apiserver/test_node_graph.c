/* Which pods are on which node, and what they refer to. */
#include "apiserver/node_graph.h"
#include "lib/api/codec.h"
#include "lib/base/error.h"
#include "lib/base/slice.h"

#include <check.h>

static const Core__V1__Pod *pod(struct arena *arena, const char *json)
{
    void *message = NULL;
    CLEANUP(error_release) struct error error = {0};
    int status = api_decode_json(arena, api_message_find("k8s.io.api.core.v1.Pod"),
                                 slice_text(json), NULL, &message, &error);
    ck_assert_msg(status == 0, "%s", error_message(&error));
    return message;
}

static const char everything[] =
    "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"p\"},\"spec\":{\"nodeName\":\"n1\","
    "\"serviceAccountName\":\"account\",\"imagePullSecrets\":[{\"name\":\"pull\"}],"
    "\"volumes\":[{\"name\":\"a\",\"secret\":{\"secretName\":\"mounted\"}},"
    "{\"name\":\"b\",\"configMap\":{\"name\":\"settings\"}},"
    "{\"name\":\"c\",\"persistentVolumeClaim\":{\"claimName\":\"claim\"}},"
    "{\"name\":\"d\",\"projected\":{\"sources\":[{\"configMap\":{\"name\":\"root\"}},"
    "{\"secret\":{\"name\":\"projected\"}}]}},"
    "{\"name\":\"e\",\"ephemeral\":{\"volumeClaimTemplate\":{}}},"
    "{\"name\":\"f\",\"csi\":{\"driver\":\"d\",\"nodePublishSecretRef\":{\"name\":\"csi\"}}},"
    "{\"name\":\"g\",\"iscsi\":{\"secretRef\":{\"name\":\"iscsi\"}}},"
    "{\"name\":\"h\",\"rbd\":{\"secretRef\":{\"name\":\"rbd\"}}},"
    "{\"name\":\"i\",\"cephfs\":{\"secretRef\":{\"name\":\"cephfs\"}}},"
    "{\"name\":\"j\",\"cinder\":{\"secretRef\":{\"name\":\"cinder\"}}},"
    "{\"name\":\"k\",\"flexVolume\":{\"secretRef\":{\"name\":\"flex\"}}},"
    "{\"name\":\"l\",\"scaleIO\":{\"secretRef\":{\"name\":\"scaleio\"}}},"
    "{\"name\":\"m\",\"storageos\":{\"secretRef\":{\"name\":\"storageos\"}}},"
    "{\"name\":\"n\",\"azureFile\":{\"secretName\":\"azure\"}}],"
    "\"ephemeralContainers\":[{\"name\":\"debug\","
    "\"envFrom\":[{\"secretRef\":{\"name\":\"debug\"}}],\"env\":[{\"name\":\"E\",\"valueFrom\":"
    "{\"configMapKeyRef\":{\"name\":\"debug\",\"key\":\"k\"}}}]}],"
    "\"initContainers\":[{\"name\":\"i\",\"envFrom\":[{\"secretRef\":{\"name\":\"from\"}}]}],"
    "\"containers\":[{\"name\":\"c\",\"env\":[{\"name\":\"E\",\"valueFrom\":"
    "{\"configMapKeyRef\":{\"name\":\"key\",\"key\":\"k\"}}}]}]}}";

START_TEST(every_kind_of_reference_of_a_pod_is_found)
{
    static const char *const references[][2] = {
        {"serviceaccounts", "account"},
        {"secrets", "pull"},
        {"secrets", "mounted"},
        {"secrets", "projected"},
        {"secrets", "from"},
        {"configmaps", "settings"},
        {"configmaps", "root"},
        {"configmaps", "key"},
        {"persistentvolumeclaims", "claim"},
        {"persistentvolumeclaims", "p-e"},
        {"secrets", "csi"},
        {"secrets", "iscsi"},
        {"secrets", "rbd"},
        {"secrets", "cephfs"},
        {"secrets", "cinder"},
        {"secrets", "flex"},
        {"secrets", "scaleio"},
        {"secrets", "storageos"},
        {"secrets", "azure"},
        {"secrets", "debug"},
        {"configmaps", "debug"},
    };
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct node_graph *graph = node_graph_new(1);
    node_graph_set_pod(graph, pod(arena, everything));
    for (size_t i = 0; i < ARRAY_LEN(references); i++) {
        const char *resource = references[i][0], *name = references[i][1];
        ck_assert_msg(node_graph_refers(graph, "n1", resource, "ns", name), "%s %s", resource,
                      name);
        ck_assert(!node_graph_refers(graph, "n2", resource, "ns", name));
        ck_assert(!node_graph_refers(graph, "n1", resource, "other", name));
    }
    ck_assert(!node_graph_refers(graph, "n1", "secrets", "ns", "settings"));
    ck_assert(!node_graph_refers(graph, "n1", "services", "ns", "settings"));
    node_graph_free(graph);
}
END_TEST

START_TEST(a_changed_pod_refers_to_what_it_has_now)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct node_graph *graph = node_graph_new(1);
    node_graph_set_pod(graph, pod(arena, everything));
    node_graph_set_pod(graph, pod(arena, "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"p\"},"
                                         "\"spec\":{\"nodeName\":\"n2\","
                                         "\"serviceAccountName\":\"other\"}}"));
    ck_assert(!node_graph_refers(graph, "n1", "serviceaccounts", "ns", "account"));
    ck_assert(node_graph_refers(graph, "n2", "serviceaccounts", "ns", "other"));
    node_graph_remove_pod(graph, "ns", "unknown");
    node_graph_remove_pod(graph, "ns", "p");
    ck_assert(!node_graph_refers(graph, "n2", "serviceaccounts", "ns", "other"));
    node_graph_free(graph);
}
END_TEST

/* What a node made itself must not open to it what the pod names. */
START_TEST(a_mirror_pod_refers_to_nothing_for_its_node)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct node_graph *graph = node_graph_new(1);
    node_graph_set_pod(graph, pod(arena, everything));
    node_graph_set_pod(graph, pod(arena, "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"p\","
                                         "\"annotations\":{\"kubernetes.io/config.mirror\":\"\"}},"
                                         "\"spec\":{\"nodeName\":\"n1\","
                                         "\"serviceAccountName\":\"account\"}}"));
    ck_assert(!node_graph_refers(graph, "n1", "serviceaccounts", "ns", "account"));
    ck_assert(!node_graph_refers(graph, "n1", "secrets", "ns", "mounted"));
    node_graph_free(graph);
}
END_TEST

Suite *node_graph_suite(void);

Suite *node_graph_suite(void)
{
    Suite *suite = suite_create("apiserver/node_graph");
    TCase *tcase = tcase_create("references");
    tcase_add_test(tcase, every_kind_of_reference_of_a_pod_is_found);
    tcase_add_test(tcase, a_changed_pod_refers_to_what_it_has_now);
    tcase_add_test(tcase, a_mirror_pod_refers_to_nothing_for_its_node);
    suite_add_tcase(suite, tcase);
    return suite;
}
