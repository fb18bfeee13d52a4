/* Quotas at admission: charged with the object, never spent twice, refused in Kubernetes' words. */
#include "tests/unit/apiserver/registry_fixture.h"

#include "k8s/core_v1.pb-c.h"
#include "lib/api/resource_list.h"

static struct fixture fixture;

static void setup(void)
{
    fixture_init(&fixture);
    make_namespace(&fixture);
}

static void teardown(void)
{
    fixture_release(&fixture);
}

/* A quota whose usage was counted: `hard` and `used` are the inside of JSON objects. */
static void make_quota(const char *name, const char *hard, const char *used)
{
    struct arena *arena = fixture.arena;
    struct registry_call made =
        create(&fixture, "resourcequotas", "ns",
               arena_printf(arena, "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"hard\":{%s}}}",
                            name, hard));
    ck_assert_ptr_null(made.status);
    struct registry_call patch = {
        .verb = REGISTRY_PATCH,
        .kind = core("resourcequotas"),
        .namespace = "ns",
        .name = name,
        .subresource = "status",
        .patch_type = REGISTRY_PATCH_MERGE,
        .patch = slice_text(
            arena_printf(arena, "{\"status\":{\"hard\":{%s},\"used\":{%s}}}", hard, used)),
    };
    run(&fixture, &patch);
    ck_assert_ptr_null(patch.status);
}

static const char *used(const char *quota, const char *resource)
{
    struct registry_call read = simple(&fixture, REGISTRY_GET, "resourcequotas", "ns", quota);
    ck_assert_ptr_null(read.status);
    const Core__V1__ResourceQuota *found = cached_object_message(read.object);
    struct resource_list list = RESOURCE_LIST(fixture.arena, found->status, used);
    char text[QUANTITY_TEXT_SIZE];
    quantity_format(*resource_list_get(&list, resource), text);
    return arena_text(fixture.arena, text);
}

static const char *config_map(const char *name)
{
    return arena_printf(fixture.arena, "{\"metadata\":{\"name\":\"%s\"}}", name);
}

START_TEST(an_object_is_charged_until_there_is_no_room)
{
    make_quota("q", "\"configmaps\":\"2\"", "\"configmaps\":\"1\"");
    ck_assert_ptr_null(create(&fixture, "configmaps", "ns", config_map("a")).status);
    ck_assert_str_eq(used("q", "configmaps"), "2");
    struct registry_call refused = create(&fixture, "configmaps", "ns", config_map("b"));
    ck_assert_int_eq(refused.status->code, 403);
    ck_assert_str_eq(refused.status->message,
                     "configmaps \"b\" is forbidden: exceeded quota: q, requested: configmaps=1, "
                     "used: configmaps=2, limited: configmaps=2");
    ck_assert_str_eq(used("q", "configmaps"), "2");
}
END_TEST

START_TEST(all_quotas_of_a_namespace_count)
{
    enum { QUOTAS = 40 };
    for (int i = 0; i < QUOTAS; i++) {
        make_quota(arena_printf(fixture.arena, "q%d", i), "\"configmaps\":\"2\"",
                   "\"configmaps\":\"1\"");
    }
    ck_assert_ptr_null(create(&fixture, "configmaps", "ns", config_map("a")).status);
    ck_assert_str_eq(used("q0", "configmaps"), "2");
    ck_assert_str_eq(used("q39", "configmaps"), "2");
    ck_assert_int_eq(create(&fixture, "configmaps", "ns", config_map("b")).status->code, 403);
}
END_TEST

START_TEST(a_quota_that_was_not_counted_yet_refuses)
{
    make_quota("q", "\"secrets\":\"2\",\"count/secrets\":\"2\"", "\"secrets\":\"0\"");
    struct registry_call refused = create(&fixture, "secrets", "ns", config_map("s"));
    ck_assert_int_eq(refused.status->code, 403);
    ck_assert_str_eq(refused.status->message,
                     "secrets \"s\" is forbidden: status unknown for quota: q, resources: "
                     "count/secrets,secrets");
}
END_TEST

START_TEST(a_larger_claim_is_charged_by_the_difference)
{
    make_quota("q", "\"requests.storage\":\"5Gi\"", "\"requests.storage\":\"0\"");
    const char *claim = "{\"metadata\":{\"name\":\"c\"},\"spec\":{\"accessModes\":"
                        "[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"2Gi\"}}}}";
    ck_assert_ptr_null(create(&fixture, "persistentvolumeclaims", "ns", claim).status);
    ck_assert_str_eq(used("q", "requests.storage"), "2Gi");
    struct registry_call same = {.verb = REGISTRY_PATCH,
                                 .kind = core("persistentvolumeclaims"),
                                 .namespace = "ns",
                                 .name = "c",
                                 .patch_type = REGISTRY_PATCH_MERGE,
                                 .patch = slice_text("{\"metadata\":{\"labels\":{\"a\":\"b\"}}}")};
    run(&fixture, &same);
    ck_assert_ptr_null(same.status);
    ck_assert_str_eq(used("q", "requests.storage"), "2Gi");
}
END_TEST

START_TEST(a_dry_run_is_checked_and_not_charged)
{
    make_quota("q", "\"services\":\"1\"", "\"services\":\"0\"");
    void *message = NULL;
    ck_assert_int_eq(api_decode_json(fixture.arena, core("services")->message,
                                     slice_text("{\"metadata\":{\"name\":\"s\"},\"spec\":{"
                                                "\"ports\":[{\"port\":80}]}}"),
                                     NULL, &message, NULL),
                     0);
    struct registry_call dry = {.verb = REGISTRY_CREATE,
                                .kind = core("services"),
                                .namespace = "ns",
                                .body = message,
                                .options = {.dry_run = true}};
    run(&fixture, &dry);
    ck_assert_ptr_null(dry.status);
    ck_assert_str_eq(used("q", "services"), "0");
}
END_TEST

/* --- Many at once --- */

enum { CLIENTS = 60, ROOM = 25 };

static void count_done(struct registry_call *call)
{
    ++*(size_t *)call->data;
}

START_TEST(racing_clients_never_get_more_than_there_is)
{
    make_quota("q", "\"configmaps\":\"25\"", "\"configmaps\":\"0\"");
    make_quota("r", "\"count/configmaps\":\"40\"", "\"count/configmaps\":\"0\"");
    struct registry_call calls[CLIENTS] = {0};
    size_t done = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        void *message = NULL;
        ck_assert_int_eq(api_decode_json(fixture.arena, core("configmaps")->message,
                                         slice_text("{\"metadata\":{\"generateName\":\"o-\"}}"),
                                         NULL, &message, NULL),
                         0);
        calls[i] = (struct registry_call){.verb = REGISTRY_CREATE,
                                          .kind = core("configmaps"),
                                          .namespace = "ns",
                                          .body = message,
                                          .arena = arena_new(SIZE_MAX),
                                          .user = &user_system_apiserver,
                                          .done = count_done,
                                          .data = &done};
        registry_start(fixture.registry, &calls[i]);
    }
    while (done < CLIENTS) {
        loop_turn(fixture.loop, true);
    }
    size_t made = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        made += calls[i].status == NULL;
        if (calls[i].status != NULL) {
            ck_assert_int_eq(calls[i].status->code, 403);
        }
        registry_finish(&calls[i]);
        arena_free(calls[i].arena);
    }
    ck_assert_uint_eq(made, ROOM);
    ck_assert_str_eq(used("q", "configmaps"), "25");
    ck_assert_str_eq(used("r", "count/configmaps"), "25");
}
END_TEST

Suite *quota_suite(void);
Suite *quota_suite(void)
{
    Suite *suite = suite_create("apiserver/quota");
    TCase *tcase = tcase_create("admission");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_object_is_charged_until_there_is_no_room);
    tcase_add_test(tcase, all_quotas_of_a_namespace_count);
    tcase_add_test(tcase, a_quota_that_was_not_counted_yet_refuses);
    tcase_add_test(tcase, a_larger_claim_is_charged_by_the_difference);
    tcase_add_test(tcase, a_dry_run_is_checked_and_not_charged);
    tcase_add_test(tcase, racing_clients_never_get_more_than_there_is);
    suite_add_tcase(suite, tcase);
    return suite;
}
