/* What objects take of quotas, and which quotas they fall under. */
#include "lib/api/quota.h"

#include "lib/api/object.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>

enum { NOW_S = 1700000000 };

static void *decode(struct arena *arena, const char *plural, const char *json)
{
    void *message = NULL;
    ck_assert_int_eq(api_decode_json(arena, api_kind_find("", "v1", plural)->message,
                                     slice_text(json), NULL, &message, NULL),
                     0);
    return message;
}

static struct resource_list usage_of(struct arena *arena, const char *plural, const char *json)
{
    return quota_usage(arena, api_kind_find("", "v1", plural), decode(arena, plural, json), NOW_S);
}

static void check_amount(const struct resource_list *list, const char *name, const char *text)
{
    const struct quantity *value = resource_list_get(list, name);
    ck_assert_msg(value != NULL, "%s is missing", name);
    char shown[QUANTITY_TEXT_SIZE];
    quantity_format(*value, shown);
    ck_assert_str_eq(shown, text);
}

#define CONTAINER                                                                                  \
    "{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"100m\",\"example.com/gpu\":\"2\","     \
    "\"hugepages-2Mi\":\"4Mi\"},\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}}"

START_TEST(a_pod_takes_its_requests_limits_and_overhead)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct resource_list usage = usage_of(arena, "pods",
                                          "{\"spec\":{\"containers\":[" CONTAINER
                                          "],\"overhead\":{\"cpu\":\"10m\",\"memory\":\"1Mi\"}}}");
    check_amount(&usage, "count/pods", "1");
    check_amount(&usage, "pods", "1");
    check_amount(&usage, "cpu", "110m");
    check_amount(&usage, "requests.cpu", "110m");
    check_amount(&usage, "requests.memory", "1Mi");
    check_amount(&usage, "limits.cpu", "1010m");
    check_amount(&usage, "requests.example.com/gpu", "2");
    check_amount(&usage, "requests.hugepages-2Mi", "4Mi");
    ck_assert_ptr_null(resource_list_get(&usage, "example.com/gpu"));
}
END_TEST

START_TEST(a_pod_that_has_ended_is_only_counted)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct resource_list done = usage_of(
        arena, "pods", "{\"spec\":{\"containers\":[]},\"status\":{\"phase\":\"Succeeded\"}}");
    check_amount(&done, "count/pods", "1");
    ck_assert_uint_eq(done.count, 1);
    struct resource_list late =
        usage_of(arena, "pods",
                 "{\"metadata\":{\"deletionTimestamp\":\"2001-01-01T00:00:00Z\","
                 "\"deletionGracePeriodSeconds\":30},\"spec\":{\"containers\":[]}}");
    ck_assert_uint_eq(late.count, 1);
}
END_TEST

START_TEST(services_take_balancers_and_node_ports)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct resource_list plain =
        usage_of(arena, "services", "{\"spec\":{\"ports\":[{\"port\":1}]}}");
    check_amount(&plain, "services", "1");
    check_amount(&plain, "services.nodeports", "0");
    struct resource_list balanced =
        usage_of(arena, "services",
                 "{\"spec\":{\"type\":\"LoadBalancer\",\"ports\":[{\"port\":1},{\"port\":2}]}}");
    check_amount(&balanced, "services.loadbalancers", "1");
    check_amount(&balanced, "services.nodeports", "2");
    struct resource_list some =
        usage_of(arena, "services",
                 "{\"spec\":{\"type\":\"LoadBalancer\",\"allocateLoadBalancerNodePorts\":false,"
                 "\"ports\":[{\"port\":1},{\"port\":2,\"nodePort\":30000}]}}");
    check_amount(&some, "services.nodeports", "1");
}
END_TEST

START_TEST(claims_take_storage_of_their_class)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct resource_list usage =
        usage_of(arena, "persistentvolumeclaims",
                 "{\"spec\":{\"storageClassName\":\"fast\",\"resources\":{\"requests\":"
                 "{\"storage\":\"1Gi\"}}},\"status\":{\"allocatedResources\":"
                 "{\"storage\":\"2Gi\"}}}");
    check_amount(&usage, "persistentvolumeclaims", "1");
    check_amount(&usage, "requests.storage", "2Gi");
    check_amount(&usage, "fast.storageclass.storage.k8s.io/requests.storage", "2Gi");
    check_amount(&usage, "fast.storageclass.storage.k8s.io/persistentvolumeclaims", "1");
}
END_TEST

START_TEST(each_resource_counts_its_own_kind)
{
    const struct api_kind *pods = api_kind_find("", "v1", "pods");
    const struct api_kind *secrets = api_kind_find("", "v1", "secrets");
    const struct api_kind *deployments = api_kind_find("apps", "v1", "deployments");
    const struct api_kind *claims = api_kind_find("", "v1", "persistentvolumeclaims");
    ck_assert(quota_counts(pods, "limits.cpu") && quota_counts(pods, "requests.example.com/gpu"));
    ck_assert(!quota_counts(pods, "example.com/gpu") && !quota_counts(pods, "requests.storage"));
    ck_assert(quota_counts(secrets, "secrets") && quota_counts(secrets, "count/secrets"));
    ck_assert(quota_counts(deployments, "count/deployments.apps"));
    ck_assert(!quota_counts(deployments, "deployments.apps"));
    ck_assert(quota_counts(claims, "x.storageclass.storage.k8s.io/requests.storage"));
}
END_TEST

static bool is_in(struct arena *arena, const char *scopes, const char *spec)
{
    const Core__V1__ResourceQuota *quota =
        decode(arena, "resourcequotas", arena_printf(arena, "{\"spec\":{%s}}", scopes));
    void *pod = decode(arena, "pods", arena_printf(arena, "{\"spec\":%s}", spec));
    return quota_has_in_scope(quota, api_kind_find("", "v1", "pods"), pod);
}

#define CLASS_SELECTOR(OP)                                                                         \
    "\"scopeSelector\":{\"matchExpressions\":[{\"scopeName\":\"PriorityClass\","                   \
    "\"operator\":\"" OP "\",\"values\":[\"high\"]}]}"

START_TEST(scopes_choose_among_pods)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const char *best_effort = "{\"containers\":[{\"name\":\"c\"}]}";
    const char *timed = "{\"activeDeadlineSeconds\":5,\"containers\":[" CONTAINER "]}";
    const char *high = "{\"priorityClassName\":\"high\",\"containers\":[]}";
    ck_assert(is_in(arena, "\"scopes\":[\"Terminating\",\"NotBestEffort\"]", timed));
    ck_assert(!is_in(arena, "\"scopes\":[\"Terminating\"]", best_effort));
    ck_assert(is_in(arena, "\"scopes\":[\"NotTerminating\",\"BestEffort\"]", best_effort));
    ck_assert(is_in(arena, CLASS_SELECTOR("In"), high));
    ck_assert(!is_in(arena, CLASS_SELECTOR("In"), timed));
    ck_assert(is_in(arena, CLASS_SELECTOR("NotIn"), timed));
    ck_assert(!is_in(arena, "\"scopes\":[\"PriorityClass\"]", timed));
    ck_assert(!is_in(arena, "\"scopes\":[\"CrossNamespacePodAffinity\"]", timed));
    ck_assert(is_in(arena, "\"scopes\":[\"CrossNamespacePodAffinity\"]",
                    "{\"containers\":[],\"affinity\":{\"podAntiAffinity\":{"
                    "\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"topologyKey\":\"z\","
                    "\"namespaces\":[\"x\"]}]}}}"));
    const Core__V1__ResourceQuota *quota =
        decode(arena, "resourcequotas", "{\"spec\":{\"scopes\":[\"BestEffort\"]}}");
    ck_assert(!quota_has_in_scope(quota, api_kind_find("", "v1", "secrets"), NULL));
}
END_TEST

START_TEST(what_a_quota_limits_containers_have_to_say)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const Core__V1__ResourceQuota *quota =
        decode(arena, "resourcequotas",
               "{\"status\":{\"hard\":{\"memory\":\"1Gi\",\"limits.cpu\":\"1\",\"pods\":\"3\"}}}");
    struct resource_list hard = RESOURCE_LIST(arena, quota->status, hard);
    const struct api_kind *pods = api_kind_find("", "v1", "pods");
    void *silent =
        decode(arena, "pods", "{\"spec\":{\"containers\":[{\"name\":\"d\"}," CONTAINER "]}}");
    ck_assert_str_eq(quota_unsaid(arena, &hard, pods, silent),
                     "must specify limits.cpu for: d; memory for: c,d");
    void *frank = decode(arena, "pods",
                         "{\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":"
                         "{\"memory\":\"1\"},\"limits\":{\"cpu\":\"1\"}}}]}}");
    ck_assert_ptr_null(quota_unsaid(arena, &hard, pods, frank));
}
END_TEST

Suite *quota_suite(void)
{
    Suite *suite = suite_create("api/quota");
    TCase *tcase = tcase_create("usage");
    tcase_add_test(tcase, a_pod_takes_its_requests_limits_and_overhead);
    tcase_add_test(tcase, a_pod_that_has_ended_is_only_counted);
    tcase_add_test(tcase, services_take_balancers_and_node_ports);
    tcase_add_test(tcase, claims_take_storage_of_their_class);
    tcase_add_test(tcase, each_resource_counts_its_own_kind);
    tcase_add_test(tcase, scopes_choose_among_pods);
    tcase_add_test(tcase, what_a_quota_limits_containers_have_to_say);
    suite_add_tcase(suite, tcase);
    return suite;
}
