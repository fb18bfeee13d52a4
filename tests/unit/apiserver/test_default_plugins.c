/* Smaller steps of admission that are on by default. */
#include "lib/base/base64.h"
#include "lib/net/x509.h"
#include "tests/unit/apiserver/registry_fixture.h"

static struct fixture fixture;

static void setup(void)
{
    fixture_init(&fixture);
}

static void teardown(void)
{
    fixture_release(&fixture);
}

static struct registry_call make(const char *group, const char *plural, const char *json)
{
    const struct api_kind *kind = api_kind_find(group, "v1", plural);
    void *message = NULL;
    ck_assert_int_eq(
        api_decode_json(fixture.arena, kind->message, slice_text(json), NULL, &message, NULL), 0);
    struct registry_call call = {.verb = REGISTRY_CREATE, .kind = kind, .body = message};
    run(&fixture, &call);
    return call;
}

START_TEST(there_is_one_default_priority_class)
{
    static const char group[] = "scheduling.k8s.io";
    ck_assert_ptr_null(make(group, "priorityclasses",
                            "{\"metadata\":{\"name\":\"a\"},\"value\":7,\"globalDefault\":true}")
                           .status);
    struct registry_call second =
        make(group, "priorityclasses",
             "{\"metadata\":{\"name\":\"b\"},\"value\":8,\"globalDefault\":true}");
    ck_assert_int_eq(second.status->code, 403);
    ck_assert_str_eq(second.status->message,
                     "priorityclasses.scheduling.k8s.io \"b\" is forbidden: PriorityClass a is "
                     "already marked as default. Only one default can exist");
    ck_assert_ptr_null(
        make(group, "priorityclasses", "{\"metadata\":{\"name\":\"c\"},\"value\":9}").status);
}
END_TEST

START_TEST(a_mirror_pod_has_nothing_of_the_api)
{
    static const struct {
        const char *spec, *why;
    } cases[] = {
        {"\"serviceAccountName\":\"default\"", "a mirror pod may not reference service accounts"},
        {"\"volumes\":[{\"name\":\"v\",\"secret\":{\"secretName\":\"s\"}}]",
         "a mirror pod may not reference secrets"},
        {"\"volumes\":[{\"name\":\"v\",\"projected\":{\"sources\":[{\"serviceAccountToken\":"
         "{\"path\":\"t\"}}]}}]",
         "a mirror pod may not use ServiceAccountToken volume projections"},
    };
    ck_assert_ptr_null(make("", "namespaces", "{\"metadata\":{\"name\":\"ns\"}}").status);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        void *pod = NULL;
        const struct api_kind *kind = api_kind_find("", "v1", "pods");
        const char *json = arena_printf(
            fixture.arena,
            "{\"metadata\":{\"name\":\"m\",\"annotations\":{\"kubernetes.io/"
            "config.mirror\":\"x\"}},"
            "\"spec\":{\"nodeName\":\"n1\",\"containers\":[{\"name\":\"a\",\"image\":\"b\"}],%s}}",
            cases[i].spec);
        ck_assert_int_eq(
            api_decode_json(fixture.arena, kind->message, slice_text(json), NULL, &pod, NULL), 0);
        struct registry_call call = {
            .verb = REGISTRY_CREATE, .kind = kind, .namespace = "ns", .body = pod};
        run(&fixture, &call);
        ck_assert_int_eq(call.status->code, 403);
        ck_assert_str_eq(call.status->message,
                         arena_printf(fixture.arena, "pods \"m\" is forbidden: %s", cases[i].why));
    }
}
END_TEST

static struct registry_call ask_for_certificate(const char *name, const char *organization)
{
    CLEANUP(buffer_release) struct buffer key;
    CLEANUP(buffer_release) struct buffer csr;
    CLEANUP(buffer_release) struct buffer json;
    const struct x509_subject subject = {
        .common_name = "somebody", .organizations = &organization, .organization_count = 1};
    buffer_init(&key, 1 << 16);
    buffer_init(&csr, 1 << 16);
    buffer_init(&json, 1 << 16);
    ck_assert_int_eq(x509_make_key(&key, NULL), 0);
    ck_assert_int_eq(x509_make_csr(buffer_slice(&key), &subject, &csr, NULL), 0);
    buffer_printf(&json, "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"request\":\"", name);
    base64_encode(buffer_slice(&csr), &json);
    buffer_append_text(&json, "\",\"signerName\":\"kubernetes.io/kube-apiserver-client\","
                              "\"usages\":[\"client auth\"]}}");
    return make("certificates.k8s.io", "certificatesigningrequests", buffer_text(&json));
}

START_TEST(no_certificate_is_asked_for_that_may_everything)
{
    struct registry_call plain = ask_for_certificate("plain", "dev");
    ck_assert_msg(plain.status == NULL, "%s", plain.status == NULL ? "" : plain.status->message);
    struct registry_call masters = ask_for_certificate("masters", "system:masters");
    ck_assert_int_eq(masters.status->code, 403);
    ck_assert_ptr_nonnull(strstr(masters.status->message,
                                 "use of kubernetes.io/kube-apiserver-client signer with "
                                 "system:masters group is not allowed"));
}
END_TEST

Suite *default_plugins_suite(void);
Suite *default_plugins_suite(void)
{
    Suite *suite = suite_create("apiserver/default_plugins");
    TCase *tcase = tcase_create("admission");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, there_is_one_default_priority_class);
    tcase_add_test(tcase, a_mirror_pod_has_nothing_of_the_api);
    tcase_add_test(tcase, no_certificate_is_asked_for_that_may_everything);
    suite_add_tcase(suite, tcase);
    return suite;
}
