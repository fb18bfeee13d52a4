/* What must hold of a rollout at every moment. What it comes to is in
 * tests/scenarios/deployment.yaml. */
#include "controllers/deployment/deployment_plan.h"
#include "k8s/tables.h"
#include "lib/api/codec.h"
#include "tests/unit/controllers/cluster.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *deployment_suite(void);

static struct cluster cluster;

static void setup(void)
{
    cluster_open(&cluster);
}

static void teardown(void)
{
    cluster_close(&cluster);
}

static const char *json(const char *strategy, int replicas)
{
    static char text[1024];
    snprintf(
        text, sizeof(text),
        "{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"dep-1\"},\"spec\":{"
        "\"replicas\":%d,\"revisionHistoryLimit\":2,\"progressDeadlineSeconds\":600,"
        "\"strategy\":%s,\"selector\":{\"matchLabels\":{\"app\":\"web\"}},\"template\":{"
        "\"metadata\":{\"labels\":{\"app\":\"web\"}},\"spec\":{\"containers\":[{\"name\":\"c\","
        "\"image\":\"v1\"}]}}}}",
        replicas, strategy);
    return text;
}

static const char rolling[] = "{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"maxSurge\":\"25%\","
                              "\"maxUnavailable\":\"25%\"}}";

static void set_image(const char *image)
{
    char patch[256];
    snprintf(patch, sizeof(patch),
             "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"%s\"}]"
             "}}}}",
             image);
    fake_client_patch(cluster.api, cluster_get(&cluster, "apps", "deployments", "default", "web"),
                      patch);
}

static size_t pods_of(const char *image, bool ready_only)
{
    static struct fake_list list;
    size_t count = 0;
    fake_client_list(cluster.api, api_kind_find("", "v1", "pods"), &list);
    for (size_t i = 0; i < list.count; i++) {
        const Core__V1__Pod *pod = list.items[i]->message;
        bool ready = pod->status->n_conditions > 0 && pod->metadata->deletion_timestamp == NULL;
        count += (image == NULL || strcmp(pod->spec->containers[0]->image, image) == 0) &&
                 (!ready_only || ready);
    }
    return count;
}

START_TEST(a_rolling_update_keeps_its_bounds_at_every_moment)
{
    cluster_add(&cluster, "apps/v1", "Deployment", json(rolling, 4));
    cluster_settle(&cluster);
    set_image("v2");
    for (int i = 0; i < 2000 && pods_of("v2", true) < 4; i++) {
        cluster_run_ms(&cluster, 5);
        /* 4 replicas: one more at most, and one missing at most. Terminating pods are on top. */
        ck_assert_uint_ge(pods_of(NULL, true), 3);
        static struct fake_list list;
        fake_client_list(cluster.api, api_kind_find("", "v1", "pods"), &list);
        size_t alive = 0;
        for (size_t j = 0; j < list.count; j++) {
            alive += list.items[j]->meta->deletion_timestamp == NULL;
        }
        ck_assert_uint_le(alive, 5);
        if (i % 7 == 6) {
            cluster_agents(&cluster);
        }
    }
    cluster_settle(&cluster);
    ck_assert_uint_eq(pods_of("v2", true), 4);
    ck_assert_uint_eq(pods_of(NULL, false), 4);
}
END_TEST

static Apps__V1__ReplicaSet *set_of(struct arena *arena, const char *image, int size, int available)
{
    char text[768];
    void *set = NULL;
    snprintf(text, sizeof(text),
             "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\"},\"spec\":{\"replicas\":%d,"
             "\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"}},\"spec\":{\"containers\":[{"
             "\"name\":\"c\",\"image\":\"%s\"}]}}},\"status\":{\"replicas\":%d,"
             "\"availableReplicas\":%d}}",
             image, size, image, available, available);
    ck_assert_int_eq(
        api_decode_json(arena, &apps__v1__replica_set__schema, slice_text(text), NULL, &set, NULL),
        0);
    return set;
}

START_TEST(pods_that_an_old_set_is_about_to_lose_are_not_counted_as_available)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    static const char surge[] = "{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"maxSurge\":3,"
                                "\"maxUnavailable\":0}}";
    /* The old set keeps six, and has not said yet that it has lost the seventh. */
    const Apps__V1__ReplicaSet *sets[] = {set_of(arena, "v0", 6, 7), set_of(arena, "v1", 7, 6)};
    const size_t running[] = {7, 6};
    struct deployment_view view = {
        .sets = sets, .set_count = 2, .running_pods = running, .now_s = 1000};
    void *deployment = NULL;
    ck_assert_int_eq(api_decode_json(arena, &apps__v1__deployment__schema,
                                     slice_text(json(surge, 10)), NULL, &deployment, NULL),
                     0);
    view.deployment = deployment;
    struct deployment_plan plan = deployment_plan(arena, &view);
    int32_t kept = 6;
    for (size_t i = 0; i < plan.step_count; i++) {
        bool old = strcmp(plan.steps[i].set->metadata->name, "v0") == 0;
        kept = old ? plan.steps[i].to : kept;
    }
    ck_assert_int_eq(kept, 4); /* With the six new ones that makes the ten that there have to be. */
}
END_TEST

START_TEST(recreate_never_runs_two_versions_together)
{
    cluster_add(&cluster, "apps/v1", "Deployment", json("{\"type\":\"Recreate\"}", 3));
    cluster_settle(&cluster);
    set_image("v2");
    for (int i = 0; i < 200; i++) {
        cluster_run_ms(&cluster, 10);
        ck_assert(pods_of("v1", false) == 0 || pods_of("v2", false) == 0);
        if (i % 10 == 9) {
            cluster_agents(&cluster);
        }
    }
    cluster_settle(&cluster);
    ck_assert_uint_eq(pods_of("v2", true), 3);
}
END_TEST

Suite *deployment_suite(void)
{
    Suite *suite = suite_create("controllers/deployment");
    TCase *tcase = tcase_create("rollouts");
    tcase_set_timeout(tcase, 200);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_rolling_update_keeps_its_bounds_at_every_moment);
    tcase_add_test(tcase, pods_that_an_old_set_is_about_to_lose_are_not_counted_as_available);
    tcase_add_test(tcase, recreate_never_runs_two_versions_together);
    suite_add_tcase(suite, tcase);
    return suite;
}
