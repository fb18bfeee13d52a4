/* The registry's calls: create, read, change, delete, conflict. */
#include "apiserver/cached_object.h"
#include "tests/unit/apiserver/registry_fixture.h"

#include "k8s/core_v1.pb-c.h"
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(what_was_created_can_be_read_and_not_created_again)
{
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    const char *json = "{\"metadata\":{\"name\":\"o\"},\"data\":{\"k\":\"v\"}}";
    struct registry_call call = create(&fixture, "configmaps", "ns", json);
    const Core__V1__ConfigMap *made = call.result;
    ck_assert_ptr_null(call.status);
    ck_assert_uint_eq(strlen(made->metadata->uid), 36);
    ck_assert_ptr_nonnull(made->metadata->resource_version);
    struct registry_call again = create(&fixture, "configmaps", "ns", json);
    ck_assert_int_eq(again.status->code, 409);
    ck_assert_str_eq(again.status->reason, "AlreadyExists");
    struct registry_call read = simple(&fixture, REGISTRY_GET, "configmaps", "ns", "o");
    ck_assert_ptr_null(read.status);
    fixture_release(&fixture);
}
END_TEST

START_TEST(nothing_is_created_where_there_is_no_namespace)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct registry_call call =
        create(&fixture, "configmaps", "none", "{\"metadata\":{\"name\":\"o\"}}");
    ck_assert_int_eq(call.status->code, 404);
    ck_assert_str_eq(call.status->kind, "namespaces");
    fixture_release(&fixture);
}
END_TEST

START_TEST(a_stale_version_conflicts_and_an_equal_object_keeps_its_version)
{
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    struct registry_call call =
        create(&fixture, "configmaps", "ns", "{\"metadata\":{\"name\":\"o\"}}");
    const Core__V1__ConfigMap *made = call.result;
    struct registry_call patch = {.verb = REGISTRY_PATCH,
                                  .kind = core("configmaps"),
                                  .namespace = "ns",
                                  .name = "o",
                                  .patch_type = REGISTRY_PATCH_MERGE,
                                  .patch = slice_text("{\"data\":{\"a\":\"b\"}}")};
    run(&fixture, &patch);
    ck_assert_ptr_null(patch.status);
    const Core__V1__ConfigMap *patched = patch.result;
    ck_assert_str_ne(patched->metadata->resource_version, made->metadata->resource_version);
    struct registry_call same = patch;
    same.state = NULL;
    run(&fixture, &same);
    const Core__V1__ConfigMap *kept = same.result;
    ck_assert_str_eq(kept->metadata->resource_version, patched->metadata->resource_version);
    struct registry_call stale = {.verb = REGISTRY_UPDATE,
                                  .kind = core("configmaps"),
                                  .namespace = "ns",
                                  .name = "o",
                                  .body = (void *)(uintptr_t)made};
    run(&fixture, &stale);
    ck_assert_int_eq(stale.status->code, 409);
    ck_assert_str_eq(stale.status->reason, "Conflict");
    fixture_release(&fixture);
}
END_TEST

START_TEST(a_change_of_what_was_read_as_json_is_answered_by_what_the_cache_holds)
{
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    struct registry_call made =
        create(&fixture, "configmaps", "ns",
               "{\"metadata\":{\"name\":\"c\",\"namespace\":\"ns\"},\"data\":{\"a\":\"1\"}}");
    ck_assert_ptr_null(made.status);
    for (int i = 0; i < 2; i++) {
        struct registry_call read = simple(&fixture, REGISTRY_GET, "configmaps", "ns", "c");
        run(&fixture, &read);
        ck_assert_ptr_nonnull(read.object);
        struct registry_call patch = simple(&fixture, REGISTRY_PATCH, "configmaps", "ns", "c");
        patch.patch_type = REGISTRY_PATCH_MERGE;
        patch.patch = slice_text(i == 0 ? "{\"data\":{\"a\":\"2\"}}" : "{\"data\":{\"a\":\"3\"}}");
        if (i == 1) { /* Only then it is wanted as JSON. */
            struct chunk *wanted = cached_object_json(read.object);
            ck_assert_ptr_nonnull(wanted);
            chunk_unref(wanted);
        }
        registry_finish(&read);
        run(&fixture, &patch);
        ck_assert_ptr_null(patch.status);
        const Core__V1__ConfigMap *patched = patch.result;
        ck_assert_int_eq(patch.object != NULL, i == 1);
        if (patch.object != NULL) {
            struct chunk *answer = cached_object_json(patch.object);
            const char *json = (const char *)answer->bytes.data;
            ck_assert_ptr_nonnull(strstr(json, "\"a\":\"3\""));
            ck_assert_ptr_nonnull(strstr(json, patched->metadata->resource_version));
            chunk_unref(answer);
        }
        registry_finish(&patch);
    }
    registry_finish(&made);
    fixture_release(&fixture);
}
END_TEST

START_TEST(a_finalizer_holds_an_object_until_it_is_taken_away)
{
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    (void)create(&fixture, "configmaps", "ns",
                 "{\"metadata\":{\"name\":\"o\",\"finalizers\":[\"example.com/f\"]}}");
    struct registry_call gone = simple(&fixture, REGISTRY_DELETE, "configmaps", "ns", "o");
    ck_assert_ptr_null(gone.status);
    const Core__V1__ConfigMap *marked = gone.result;
    ck_assert_ptr_nonnull(marked->metadata->deletion_timestamp);
    struct registry_call patch = {.verb = REGISTRY_PATCH,
                                  .kind = core("configmaps"),
                                  .namespace = "ns",
                                  .name = "o",
                                  .patch_type = REGISTRY_PATCH_MERGE,
                                  .patch = slice_text("{\"metadata\":{\"finalizers\":null}}")};
    run(&fixture, &patch);
    ck_assert_ptr_null(patch.status);
    struct registry_call read = simple(&fixture, REGISTRY_GET, "configmaps", "ns", "o");
    ck_assert_int_eq(read.status->code, 404);
    fixture_release(&fixture);
}
END_TEST

START_TEST(two_services_never_share_an_address)
{
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    const char *json =
        "{\"metadata\":{\"generateName\":\"s-\"},\"spec\":{\"ports\":[{\"port\":80}]}}";
    const char *seen[40];
    for (size_t i = 0; i < 40; i++) {
        struct registry_call call = create(&fixture, "services", "ns", json);
        ck_assert_ptr_null(call.status);
        const Core__V1__Service *service = call.result;
        seen[i] = service->spec->cluster_ip;
        for (size_t j = 0; j < i; j++) {
            ck_assert_str_ne(seen[i], seen[j]);
        }
    }
    fixture_release(&fixture);
}
END_TEST

START_TEST(a_limited_list_goes_on_where_it_stopped)
{
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    for (int i = 0; i < 5; i++) {
        const char *json = arena_printf(fixture.arena, "{\"metadata\":{\"name\":\"m%d\"}}", i);
        ck_assert_ptr_null(create(&fixture, "configmaps", "ns", json).status);
    }
    struct registry_call first = {.verb = REGISTRY_LIST,
                                  .kind = core("configmaps"),
                                  .namespace = "ns",
                                  .options = {.limit = 2}};
    run(&fixture, &first);
    ck_assert_uint_eq(first.item_count, 2);
    ck_assert_int_eq(first.list_remaining, 3);
    (void)create(&fixture, "configmaps", "ns", "{\"metadata\":{\"name\":\"m9\"}}");
    struct registry_call rest = {.verb = REGISTRY_LIST,
                                 .kind = core("configmaps"),
                                 .namespace = "ns",
                                 .options = {.continue_token = first.list_continue}};
    run(&fixture, &rest);
    ck_assert_ptr_null(rest.status);
    ck_assert_uint_eq(rest.item_count, 3); /* The state of the first page: without m9. */
    ck_assert_uint_eq(rest.list_revision, first.list_revision);
    fixture_release(&fixture);
}
END_TEST

/* --- Watching --- */

struct seen {
    size_t count;
    enum cache_event_type types[8];
    bool refuse;
};

static bool on_event(void *data, const struct cache_event *event)
{
    struct seen *seen = data;
    if (seen->refuse) {
        return false;
    }
    ck_assert_uint_lt(seen->count, 8);
    seen->types[seen->count++] = event->type;
    return true;
}

static void on_expired(void *data)
{
    (void)data;
    ck_abort_msg("the watch must not expire");
}

START_TEST(a_watch_after_a_view_misses_nothing_even_when_it_pauses)
{
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    static const struct cache_watch_ops ops = {.event = on_event, .expired = on_expired};
    struct seen seen = {.refuse = true};
    struct watch_hub *hub = watch_hub_new(fixture.cache, NULL);
    struct cache_view *view = watch_cache_view(fixture.cache, core("configmaps"));
    struct cache_watch *watch = cache_watch_after_view(hub, view, &ops, &seen);
    cache_view_free(view);
    (void)create(&fixture, "configmaps", "ns", "{\"metadata\":{\"name\":\"o\"}}");
    (void)simple(&fixture, REGISTRY_DELETE, "configmaps", "ns", "o");
    ck_assert_uint_eq(seen.count, 0);
    seen.refuse = false;
    cache_watch_resume(watch);
    while (seen.count < 2) {
        loop_turn(fixture.loop, true);
    }
    ck_assert_int_eq(seen.types[0], CACHE_ADDED);
    ck_assert_int_eq(seen.types[1], CACHE_DELETED);
    cache_watch_stop(watch);
    watch_hub_free(hub);
    fixture_release(&fixture);
}
END_TEST

static void make_pod(struct fixture *fixture)
{
    (void)create(fixture, "serviceaccounts", "ns", "{\"metadata\":{\"name\":\"default\"}}");
    struct registry_call call =
        create(fixture, "pods", "ns",
               "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\","
               "\"image\":\"i\"}]}}");
    ck_assert_int_eq(call.code, 201);
}

START_TEST(the_removal_of_a_pod_is_seen_as_a_change_and_then_as_a_deletion)
{
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    make_pod(&fixture);
    static const struct cache_watch_ops ops = {.event = on_event, .expired = on_expired};
    struct seen seen = {0};
    struct watch_hub *hub = watch_hub_new(fixture.cache, NULL);
    struct cache_view *view = watch_cache_view(fixture.cache, core("pods"));
    struct cache_watch *watch = cache_watch_after_view(hub, view, &ops, &seen);
    cache_view_free(view);
    struct registry_call call = simple(&fixture, REGISTRY_DELETE, "pods", "ns", "p");
    ck_assert_int_eq(call.code, 200);
    while (seen.count < 2) {
        loop_turn(fixture.loop, true);
    }
    ck_assert_int_eq(seen.types[0], CACHE_MODIFIED);
    ck_assert_int_eq(seen.types[1], CACHE_DELETED);
    call = simple(&fixture, REGISTRY_GET, "pods", "ns", "p");
    ck_assert_int_eq(call.code, 404);
    cache_watch_stop(watch);
    watch_hub_free(hub);
    fixture_release(&fixture);
}
END_TEST

START_TEST(an_only_family_of_addresses_is_the_only_one_that_services_get)
{
    static const char *const specs[] = {"\"ipFamilyPolicy\":\"RequireDualStack\"",
                                        "\"ipFamilies\":[\"IPv6\"]"};
    static const char *const fields[] = {"spec.ipFamilyPolicy", "spec.ipFamilies[0]"};
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    for (size_t i = 0; i < 2; i++) {
        const char *json = arena_printf(
            fixture.arena,
            "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"ports\":[{\"port\":80}],%s}}", specs[i]);
        struct registry_call call = create(&fixture, "services", "ns", json);
        ck_assert_int_eq(call.code, 422);
        ck_assert_uint_eq(call.status->cause_count, 1);
        ck_assert_str_eq(call.status->causes[0].field, fields[i]);
    }
    fixture_release(&fixture);
}
END_TEST

START_TEST(addresses_and_families_of_a_service_fit_together)
{
    static const struct {
        const char *spec, *field, *end; /* Of the message. */
    } cases[] = {
        {"\"clusterIP\":\"10.96.0.50\",\"clusterIPs\":[\"10.96.0.50\",\"10.96.0.51\"]",
         "spec.clusterIPs", "may specify no more than one IP for each IP family"},
        {"\"clusterIPs\":[\"10.96.0.50\"]", "spec.clusterIPs",
         "must be empty when `clusterIP` is not specified"},
        {"\"clusterIP\":\"10.96.0.50\",\"clusterIPs\":[\"10.96.0.51\"]", "spec.clusterIPs",
         "first value must match `clusterIP`"},
        {"\"ipFamilies\":[\"IPv4\",\"IPv6\"]", "spec.ipFamilyPolicy",
         "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"},
        {"\"ipFamilies\":[\"IPv4\",\"IPv4\"]", "spec.ipFamilies[1]", "Duplicate value: \"IPv4\""},
        {"\"trafficDistribution\":\"Far\"", "spec.trafficDistribution",
         "supported values: \"PreferClose\""},
    };
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *json =
            arena_printf(fixture.arena,
                         "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"ports\":[{\"port\":80}],%s}}",
                         cases[i].spec);
        struct registry_call call = create(&fixture, "services", "ns", json);
        ck_assert_int_eq(call.code, 422);
        ck_assert_str_eq(call.status->causes[0].field, cases[i].field);
        ck_assert_ptr_nonnull(strstr(call.status->causes[0].message, cases[i].end));
    }
    fixture_release(&fixture);
}
END_TEST

START_TEST(an_update_does_not_give_a_service_a_second_family)
{
    static const struct {
        const char *patch, *field; /* NULL: it is accepted. */
    } cases[] = {{"{\"spec\":{\"ipFamilyPolicy\":\"RequireDualStack\"}}", "spec.ipFamilyPolicy"},
                 {"{\"spec\":{\"ipFamilyPolicy\":\"PreferDualStack\","
                  "\"ipFamilies\":[\"IPv4\",\"IPv6\"]}}",
                  "spec.ipFamilies[1]"},
                 {"{\"spec\":{\"ipFamilies\":[\"IPv6\"]}}", "spec.clusterIPs[0]"},
                 {"{\"spec\":{\"ipFamilyPolicy\":\"PreferDualStack\"}}", NULL}};
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    (void)create(&fixture, "services", "ns",
                 "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"ports\":[{\"port\":80}]}}");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct registry_call call = {.verb = REGISTRY_PATCH,
                                     .kind = core("services"),
                                     .namespace = "ns",
                                     .name = "s",
                                     .patch_type = REGISTRY_PATCH_MERGE,
                                     .patch = slice_text(cases[i].patch)};
        run(&fixture, &call);
        ck_assert_int_eq(call.code, cases[i].field == NULL ? 200 : 422);
        if (cases[i].field != NULL) {
            ck_assert_str_eq(call.status->causes[0].field, cases[i].field);
        }
    }
    fixture_release(&fixture);
}
END_TEST

START_TEST(a_headless_service_without_selector_may_have_both_families)
{
    static const struct {
        const char *spec, *policy;
        size_t families;
    } cases[] = {
        {"\"ipFamilyPolicy\":\"RequireDualStack\"", "RequireDualStack", 2},
        {"\"ipFamilies\":[\"IPv6\",\"IPv4\"]", "RequireDualStack", 2},
        {"\"ipFamilyPolicy\":\"PreferDualStack\",\"ipFamilies\":[\"IPv6\"]", "PreferDualStack", 2},
        {"\"ipFamilyPolicy\":\"SingleStack\"", "SingleStack", 1},
        {"\"selector\":{\"a\":\"b\"}", "SingleStack", 1}};
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *json = arena_printf(
            fixture.arena,
            "{\"metadata\":{\"generateName\":\"s-\"},\"spec\":{\"clusterIP\":\"None\",%s}}",
            cases[i].spec);
        struct registry_call call = create(&fixture, "services", "ns", json);
        ck_assert_ptr_null(call.status);
        const Core__V1__Service *service = call.result;
        ck_assert_str_eq(service->spec->ip_family_policy, cases[i].policy);
        ck_assert_uint_eq(service->spec->n_ip_families, cases[i].families);
    }
    fixture_release(&fixture);
}
END_TEST

START_TEST(an_address_with_zeros_before_its_numbers_is_the_one_without)
{
    static const char json[] = "{\"metadata\":{\"generateName\":\"s-\"},\"spec\":{\"clusterIP\":"
                               "\"10.096.0.007\",\"ports\":[{\"port\":80}]}}";
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    struct registry_call first = create(&fixture, "services", "ns", json);
    ck_assert_ptr_null(first.status);
    const Core__V1__Service *service = first.result;
    ck_assert_str_eq(service->spec->cluster_ip, "10.096.0.007");
    struct registry_call second =
        create(&fixture, "services", "ns",
               "{\"metadata\":{\"generateName\":\"s-\"},\"spec\":{\"clusterIP\":\"10.96.0.7\","
               "\"ports\":[{\"port\":80}]}}");
    ck_assert_int_eq(second.code, 422);
    fixture_release(&fixture);
}
END_TEST

START_TEST(a_health_port_that_is_taken_is_said_so)
{
    static const char json[] =
        "{\"metadata\":{\"generateName\":\"s-\"},\"spec\":{\"type\":\"LoadBalancer\","
        "\"externalTrafficPolicy\":\"Local\",\"healthCheckNodePort\":31000,"
        "\"ports\":[{\"port\":80}]}}";
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    ck_assert_ptr_null(create(&fixture, "services", "ns", json).status);
    struct registry_call second = create(&fixture, "services", "ns", json);
    ck_assert_int_eq(second.code, 500);
    ck_assert_str_eq(second.status->message,
                     "Internal error occurred: failed to allocate requested HealthCheck NodePort "
                     "31000: provided port is already allocated");
    fixture_release(&fixture);
}
END_TEST

static struct registry_call apply(struct fixture *fixture, const char *manager, const char *text,
                                  bool strict)
{
    struct registry_call call = {.verb = REGISTRY_PATCH,
                                 .kind = core("configmaps"),
                                 .namespace = "ns",
                                 .name = "o",
                                 .patch_type = REGISTRY_PATCH_APPLY,
                                 .patch = slice_text(text)};
    call.options.field_manager = manager;
    call.options.field_validation = strict ? REGISTRY_FIELDS_STRICT : REGISTRY_FIELDS_WARN;
    run(fixture, &call);
    return call;
}

/* A ConfigMap of these many long keys, each of which is in its managedFields, too. */
static const char *long_map(struct arena *arena, size_t keys)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 4 << 20);
    buffer_append_text(&out, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\","
                             "\"metadata\":{\"name\":\"o\"},\"data\":{");
    for (size_t i = 0; i < keys; i++) {
        buffer_printf(&out, "%s\"%0240zu\":\"v\"", i == 0 ? "" : ",", i);
    }
    buffer_append_text(&out, "}}");
    return arena_text(arena, buffer_text(&out));
}

static struct registry_call write_map(struct fixture *fixture, enum registry_verb verb,
                                      const char *json)
{
    struct registry_call call = {
        .verb = verb, .kind = core("configmaps"), .namespace = "ns", .name = "o"};
    void *message = NULL;
    if (verb == REGISTRY_PATCH) {
        call.patch_type = REGISTRY_PATCH_MERGE;
        call.patch = slice_text(json);
    } else {
        ck_assert_int_eq(api_decode_json(fixture->arena, core("configmaps")->message,
                                         slice_text(json), NULL, &message, NULL),
                         0);
        call.body = message;
    }
    call.options.field_manager = "m";
    run(fixture, &call);
    return call;
}

static size_t owners_of(const struct registry_call *call)
{
    ck_assert_msg(call->status == NULL, "%s", call->status == NULL ? "" : call->status->message);
    return ((const Core__V1__ConfigMap *)call->result)->metadata->n_managed_fields;
}

/* As v1.32: what an object is goes before who owns what of it. */
START_TEST(owners_of_fields_are_left_out_where_they_make_an_object_too_large)
{
    enum { FITS = 1000, FITS_ALONE = 3500 };
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    const char *few = long_map(fixture.arena, FITS), *many = long_map(fixture.arena, FITS_ALONE);
    struct registry_call call = apply(&fixture, "m", many, false);
    ck_assert_int_eq(call.code, 413); /* It is merged by them. */
    call = write_map(&fixture, REGISTRY_CREATE, few);
    ck_assert_uint_eq(owners_of(&call), 1);
    call = write_map(&fixture, REGISTRY_UPDATE, many);
    ck_assert_uint_eq(owners_of(&call), 0);
    call = write_map(&fixture, REGISTRY_PATCH, "{\"data\":{\"a\":\"b\"}}");
    ck_assert_uint_eq(owners_of(&call), 0); /* Of what has none, none are noted. */
    call = simple(&fixture, REGISTRY_DELETE, "configmaps", "ns", "o");
    ck_assert_ptr_null(call.status);
    call = write_map(&fixture, REGISTRY_CREATE, many);
    ck_assert_uint_eq(owners_of(&call), 0);
    ck_assert_int_eq(call.code, 201);
    call = simple(&fixture, REGISTRY_GET, "configmaps", "ns", "o");
    ck_assert_uint_eq(owners_of(&call), 0);
    ck_assert_uint_eq(((const Core__V1__ConfigMap *)call.result)->n_data, FITS_ALONE);
    fixture_release(&fixture);
}
END_TEST

START_TEST(applying_may_give_up_a_field_that_another_manager_keeps)
{
    static const char both[] = "{apiVersion: v1, kind: ConfigMap, metadata: {name: o}, "
                               "data: {a: v, b: w}}";
    static const char one[] = "{apiVersion: v1, kind: ConfigMap, metadata: {name: o}, "
                              "data: {b: w}}";
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    struct registry_call first = apply(&fixture, "m1", both, false);
    ck_assert_msg(first.code == 201, "%s", first.status == NULL ? "" : first.status->message);
    ck_assert_int_eq(apply(&fixture, "m2", both, false).code, 200);
    ck_assert_int_eq(apply(&fixture, "m1", one, false).code, 200);
    struct registry_call call = apply(&fixture, "m2", one, false);
    const Core__V1__ConfigMap *map = call.result;
    ck_assert_int_eq(call.code, 200);
    ck_assert_uint_eq(map->n_data, 1); /* Nobody owns "a" any more. */
    fixture_release(&fixture);
}
END_TEST

START_TEST(strict_applying_refuses_a_key_that_is_there_twice)
{
    static const char twice[] = "{apiVersion: v1, kind: ConfigMap, metadata: {name: o}, "
                                "data: {a: v, a: w}}";
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    ck_assert_int_eq(apply(&fixture, "m", twice, true).code, 400);
    struct registry_call call = apply(&fixture, "m", twice, false);
    ck_assert_int_eq(call.code, 201);
    ck_assert_uint_eq(call.warning_count, 1);
    fixture_release(&fixture);
}
END_TEST

Suite *registry_suite(void);

Suite *registry_suite(void)
{
    Suite *suite = suite_create("apiserver/registry");
    TCase *tcase = tcase_create("objects");
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, what_was_created_can_be_read_and_not_created_again);
    tcase_add_test(tcase, nothing_is_created_where_there_is_no_namespace);
    tcase_add_test(tcase, a_stale_version_conflicts_and_an_equal_object_keeps_its_version);
    tcase_add_test(tcase, a_change_of_what_was_read_as_json_is_answered_by_what_the_cache_holds);
    tcase_add_test(tcase, a_finalizer_holds_an_object_until_it_is_taken_away);
    tcase_add_test(tcase, two_services_never_share_an_address);
    tcase_add_test(tcase, a_limited_list_goes_on_where_it_stopped);
    tcase_add_test(tcase, a_watch_after_a_view_misses_nothing_even_when_it_pauses);
    tcase_add_test(tcase, the_removal_of_a_pod_is_seen_as_a_change_and_then_as_a_deletion);
    tcase_add_test(tcase, an_only_family_of_addresses_is_the_only_one_that_services_get);
    tcase_add_test(tcase, addresses_and_families_of_a_service_fit_together);
    tcase_add_test(tcase, an_update_does_not_give_a_service_a_second_family);
    tcase_add_test(tcase, a_headless_service_without_selector_may_have_both_families);
    tcase_add_test(tcase, an_address_with_zeros_before_its_numbers_is_the_one_without);
    tcase_add_test(tcase, a_health_port_that_is_taken_is_said_so);
    tcase_add_test(tcase, owners_of_fields_are_left_out_where_they_make_an_object_too_large);
    tcase_add_test(tcase, applying_may_give_up_a_field_that_another_manager_keeps);
    tcase_add_test(tcase, strict_applying_refuses_a_key_that_is_there_twice);
    suite_add_tcase(suite, tcase);
    return suite;
}
