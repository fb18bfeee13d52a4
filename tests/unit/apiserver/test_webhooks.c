/* Admission webhooks over a real HTTPS server: what they are asked, what their answers do, and what
 * becomes of a request when there is none. */
#include "apiserver/webhook_client.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/base/base64.h"
#include "tests/unit/apiserver/hook_server.h"
#include "tests/unit/apiserver/registry_fixture.h"
#include <stdio.h>
#include <stdlib.h>

static struct fixture fixture;
static struct hook_server hook;

/* What the hook does by the path that it is asked at. */
static const char *patch_of(const char *path)
{
    if (strcmp(path, "/label") == 0) {
        return "[{\"op\":\"add\",\"path\":\"/metadata/labels\",\"value\":{\"a\":\"b\"}}]";
    }
    if (strcmp(path, "/data") == 0) {
        return "[{\"op\":\"add\",\"path\":\"/data\",\"value\":{\"k\":\"v\"}}]";
    }
    if (strcmp(path, "/patch") == 0) {
        return hook.text;
    }
    return NULL;
}

static const char *uid_of(const char *body)
{
    static char uid[64];
    const char *at = strstr(body, "\"uid\":\"");
    ck_assert_ptr_nonnull(at);
    (void)snprintf(uid, sizeof(uid), "%.36s", at + strlen("\"uid\":\""));
    return uid;
}

static void review(struct hook_server *server, struct http_exchange *exchange)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 1 << 16);
    buffer_printf(&out,
                  "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\","
                  "\"response\":{\"uid\":\"%s\"",
                  uid_of(server->body));
    const char *patch = patch_of(server->path);
    if (patch != NULL) {
        buffer_append_text(&out, ",\"allowed\":true,\"patchType\":\"JSONPatch\",\"patch\":\"");
        base64_encode(slice_text(patch), &out);
        buffer_append_text(&out, "\"");
    } else {
        buffer_append_text(&out, server->text);
    }
    buffer_append_text(&out, "}}");
    struct http_header type = http_header("content-type", "application/json");
    http_respond(exchange, 200, &type, 1, buffer_slice(&out));
}

static void setup(void)
{
    fixture_init(&fixture);
    make_namespace(&fixture);
    hook_server_start(&hook, fixture.loop, review);
}

static void teardown(void)
{
    hook_server_stop(&hook);
    fixture_release(&fixture);
}

/* `more`: further members of the webhook, each after a comma. */
static struct registry_call put_hook(const char *plural, const char *name, const char *path,
                                     const char *more)
{
    CLEANUP(buffer_release) struct buffer json;
    buffer_init(&json, 1 << 16);
    buffer_printf(&json,
                  "{\"metadata\":{\"name\":\"%s\"},\"webhooks\":[{\"name\":\"%s.example.com\","
                  "\"clientConfig\":{\"url\":\"%s\",\"caBundle\":\"",
                  name, name, hook_url(&hook, fixture.arena, path));
    base64_encode(buffer_slice(&hook.pki.ca_cert), &json);
    buffer_printf(&json,
                  "\"},\"rules\":[{\"operations\":[\"*\"],\"apiGroups\":[\"\"],\"apiVersions\":"
                  "[\"v1\"],\"resources\":[\"configmaps\"]}],\"sideEffects\":\"None\","
                  "\"failurePolicy\":\"Fail\",\"timeoutSeconds\":1,"
                  "\"admissionReviewVersions\":[\"v1\"]%s}]}",
                  more);
    const struct api_kind *kind = api_kind_find("admissionregistration.k8s.io", "v1", plural);
    void *message = NULL;
    ck_assert_int_eq(
        api_decode_json(fixture.arena, kind->message, buffer_slice(&json), NULL, &message, NULL),
        0);
    struct registry_call call = {.verb = REGISTRY_CREATE, .kind = kind, .body = message};
    run(&fixture, &call);
    return call;
}

static void make_hook(const char *plural, const char *name, const char *path, const char *more)
{
    struct registry_call call = put_hook(plural, name, path, more);
    ck_assert_msg(call.status == NULL, "%s", call.status == NULL ? "" : call.status->message);
}

static void make_validating(const char *name, const char *more)
{
    make_hook("validatingwebhookconfigurations", name, "/check", more);
}

static void make_mutating(const char *name, const char *path, const char *more)
{
    make_hook("mutatingwebhookconfigurations", name, path, more);
}

static struct registry_call make_config_map(void)
{
    return create(&fixture, "configmaps", "ns", "{\"metadata\":{\"name\":\"o\"}}");
}

START_TEST(a_webhook_is_asked_everything_and_allows)
{
    make_validating("v", "");
    hook.text = ",\"allowed\":true,\"warnings\":[\"mind this\"]";
    struct registry_call call = make_config_map();
    ck_assert_ptr_null(call.status);
    ck_assert_uint_eq(hook.asked, 1);
    ck_assert_uint_eq(call.warning_count, 1);
    ck_assert_str_eq(call.warnings[0], "mind this");
    static const char *const parts[] = {
        "\"kind\":{\"group\":\"\",\"version\":\"v1\",\"kind\":\"ConfigMap\"}",
        "\"resource\":{\"group\":\"\",\"version\":\"v1\",\"resource\":\"configmaps\"}",
        "\"requestKind\":{",
        "\"requestResource\":{",
        "\"name\":\"o\"",
        "\"namespace\":\"ns\"",
        "\"operation\":\"CREATE\"",
        "\"userInfo\":{\"username\":\"system:apiserver\"",
        "\"dryRun\":false",
        "\"options\":{\"kind\":\"CreateOptions\"",
        "\"object\":{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\"",
        "\"oldObject\":null"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        ck_assert_msg(strstr(hook.body, parts[i]) != NULL, "%s is not in %s", parts[i], hook.body);
    }
    const Core__V1__ConfigMap *made = call.result;
    ck_assert_ptr_nonnull(strstr(hook.body, made->metadata->uid)); /* What is stored was shown. */
    struct registry_call gone = simple(&fixture, REGISTRY_DELETE, "configmaps", "ns", "o");
    ck_assert_ptr_null(gone.status);
    ck_assert_ptr_nonnull(strstr(hook.body, "\"operation\":\"DELETE\""));
    ck_assert_ptr_nonnull(strstr(hook.body, "\"object\":null"));
    ck_assert_ptr_nonnull(strstr(hook.body, "\"oldObject\":{\"kind\":\"ConfigMap\""));
}
END_TEST

START_TEST(a_denial_has_the_words_and_code_of_the_webhook)
{
    make_validating("v", "");
    hook.text = ",\"allowed\":false,\"status\":{\"code\":418,\"message\":\"no tea\"}";
    struct registry_call call = make_config_map();
    ck_assert_int_eq(call.status->code, 418);
    ck_assert_str_eq(call.status->message,
                     "admission webhook \"v.example.com\" denied the request: no tea");
    hook.text = ",\"allowed\":false";
    call = make_config_map();
    ck_assert_int_eq(call.status->code, 400);
    ck_assert_str_eq(call.status->message,
                     "admission webhook \"v.example.com\" denied the request without explanation");
}
END_TEST

START_TEST(patches_change_what_is_stored)
{
    make_mutating("m", "/label", "");
    struct registry_call call = make_config_map();
    ck_assert_ptr_null(call.status);
    const Core__V1__ConfigMap *made = call.result;
    ck_assert_str_eq(api_meta_label(made->metadata, "a"), "b");
    ck_assert_uint_eq(hook.asked, 1);
}
END_TEST

START_TEST(who_wants_to_sees_the_changes_of_later_ones)
{
    make_mutating("a", "/label", ",\"reinvocationPolicy\":\"IfNeeded\"");
    make_mutating("b", "/data", "");
    struct registry_call call = make_config_map();
    ck_assert_ptr_null(call.status);
    const Core__V1__ConfigMap *made = call.result;
    ck_assert_str_eq(api_meta_label(made->metadata, "a"), "b");
    ck_assert_uint_eq(made->n_data, 1);
    ck_assert_uint_eq(hook.asked, 3); /* a, b, and a again. */
    ck_assert_ptr_nonnull(strstr(hook.body, "\"data\":{\"k\":\"v\"}"));
}
END_TEST

START_TEST(a_failure_fails_the_request_unless_it_is_to_be_ignored)
{
    make_validating("v", "");
    hook.answer = hook_says;
    hook.text = "garbage";
    struct registry_call call = make_config_map();
    ck_assert_int_eq(call.status->code, 500);
    ck_assert_ptr_nonnull(
        strstr(call.status->message, "failed calling webhook \"v.example.com\": failed to call"));
    hook.answer = hook_cuts;
    call = make_config_map();
    ck_assert_int_eq(call.status->code, 500);
    hook.answer = hook_holds;
    call = make_config_map();
    ck_assert_ptr_nonnull(strstr(call.status->message, "context deadline exceeded"));
    hook.answer = hook_says;
    hook.text = "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"response\":"
                "{\"uid\":\"other\",\"allowed\":true}}";
    call = make_config_map();
    ck_assert_ptr_nonnull(
        strstr(call.status->message, "received invalid webhook response: expected response.uid="));
}
END_TEST

START_TEST(an_ignored_failure_lets_the_request_pass)
{
    make_hook("validatingwebhookconfigurations", "v", "/check", ",\"failurePolicy\":\"Ignore\"");
    hook.answer = hook_cuts;
    ck_assert_ptr_null(make_config_map().status);
    ck_assert_uint_ge(hook.asked, 1);
}
END_TEST

START_TEST(selectors_choose_who_is_asked)
{
    make_validating("v", ",\"objectSelector\":{\"matchLabels\":{\"ask\":\"yes\"}}");
    make_validating("w", ",\"namespaceSelector\":{\"matchLabels\":{\"no\":\"such\"}}");
    hook.text = ",\"allowed\":true";
    ck_assert_ptr_null(make_config_map().status);
    ck_assert_uint_eq(hook.asked, 0);
    ck_assert_ptr_null(create(&fixture, "configmaps", "ns",
                              "{\"metadata\":{\"name\":\"p\",\"labels\":{\"ask\":\"yes\"}}}")
                           .status);
    ck_assert_uint_eq(hook.asked, 1);
    ck_assert_ptr_null(create(&fixture, "secrets", "ns", "{\"metadata\":{\"name\":\"p\"}}").status);
    ck_assert_uint_eq(hook.asked, 1);
}
END_TEST

START_TEST(conditions_choose_who_is_asked)
{
    hook.text = ",\"allowed\":true";
    make_validating("v", ",\"matchConditions\":[{\"name\":\"n\",\"expression\":"
                         "\"object.metadata.name.startsWith('x') && request.operation == "
                         "'CREATE'\"}]");
    ck_assert_ptr_null(make_config_map().status);
    ck_assert_uint_eq(hook.asked, 0);
    ck_assert_ptr_null(
        create(&fixture, "configmaps", "ns", "{\"metadata\":{\"name\":\"x1\"}}").status);
    ck_assert_uint_eq(hook.asked, 1);
    make_validating("w", ",\"matchConditions\":[{\"name\":\"n\",\"expression\":"
                         "\"object.none == 1\"}]");
    struct registry_call call =
        create(&fixture, "configmaps", "ns", "{\"metadata\":{\"name\":\"y\"}}");
    ck_assert_int_eq(call.status->code, 403);
    ck_assert_ptr_nonnull(strstr(call.status->message, "no such key: none"));
}
END_TEST

START_TEST(a_patch_that_does_not_apply_is_told_in_the_words_of_v1_32)
{
    static const struct {
        const char *patch, *message;
    } cases[] = {
        {"[{\"op\":\"add\",\"path\":\"/none/a\",\"value\":1}]",
         "add operation does not apply: doc is missing path: \"/none/a\": missing value"},
        {"[{\"op\":\"remove\",\"path\":\"/none\"}]",
         "error in remove for path: '/none': Unable to remove nonexistent key: none: missing "
         "value"},
        {"[{\"op\":\"replace\",\"path\":\"/none/a\",\"value\":1}]",
         "replace operation does not apply: doc is missing path: /none/a: missing value"},
        {"[{\"op\":\"test\",\"path\":\"/metadata/name\",\"value\":\"x\"}]",
         "testing value /metadata/name failed: test failed"},
        {"[{\"op\":\"turn\",\"path\":\"/metadata\"}]", "Unexpected kind: turn"},
        {"[{\"op\":\"move\",\"from\":\"/none/a\",\"path\":\"/data\"}]",
         "move operation does not apply: doc is missing from path: /none/a: missing value"},
        {"[{\"op\":\"add\",\"path\":\"/metadata/finalizers\",\"value\":[]},"
         "{\"op\":\"add\",\"path\":\"/metadata/finalizers/x\",\"value\":\"a.b/c\"}]",
         "error in add for path: '/metadata/finalizers/x': value was not a proper array index: "
         "'x': "
         "strconv.Atoi: parsing \"x\": invalid syntax"},
        {"[{\"op\":\"add\",\"path\":\"/metadata/finalizers\",\"value\":[]},"
         "{\"op\":\"remove\",\"path\":\"/metadata/finalizers/3\"}]",
         "error in remove for path: '/metadata/finalizers/3': Unable to access invalid index: 3: "
         "invalid index referenced"},
        {"{}", "json: cannot unmarshal object into Go value of type jsonpatch.Patch"},
        {"[\"x\"]", "json: cannot unmarshal string into Go value of type jsonpatch.Operation"},
    };
    make_mutating("m", "/patch", ",\"failurePolicy\":\"Ignore\"");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        hook.text = cases[i].patch;
        struct registry_call call = make_config_map();
        ck_assert_ptr_nonnull(call.status);
        ck_assert_int_eq(call.status->code, 500);
        ck_assert_str_eq(
            call.status->message,
            arena_printf(fixture.arena, "Internal error occurred: %s", cases[i].message));
    }
}
END_TEST

/* What a mutating webhook answers, but for its uid. */
static const char *refusal_of(const char *answer)
{
    hook.text = answer;
    struct registry_call call = make_config_map();
    return call.status == NULL ? "" : call.status->message;
}

START_TEST(wrong_answers_are_told_in_the_words_of_v1_32)
{
    static const struct {
        const char *answer, *words;
    } cases[] = {
        {",\"allowed\":true,\"patch\":\"W10=\"",
         "received invalid webhook response: webhook returned response.patch but not "
         "response.patchType"},
        {",\"allowed\":true,\"patchType\":\"JSONPatch\"",
         "received invalid webhook response: webhook returned response.patchType but not "
         "response.patch"},
        {",\"allowed\":true,\"patchType\":\"Merge\",\"patch\":\"W10=\"",
         "unsupported patch type \"Merge\""},
    };
    make_mutating("m", "/answer", "");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert_str_eq(refusal_of(cases[i].answer),
                         arena_printf(fixture.arena,
                                      "Internal error occurred: failed calling webhook "
                                      "\"m.example.com\": %s",
                                      cases[i].words));
    }
    ck_assert_str_eq(refusal_of(",\"allowed\":false"),
                     "admission webhook \"m.example.com\" denied the request without explanation");
    hook.answer = hook_says;
    ck_assert_ptr_nonnull(strstr(refusal_of("{\"kind\":\"AdmissionReview\"}"),
                                 "received invalid webhook response: webhook response was absent"));
}
END_TEST

START_TEST(a_patch_of_what_is_deleted_names_the_webhook)
{
    ck_assert_ptr_null(make_config_map().status);
    make_mutating("m", "/label", "");
    struct registry_call call = simple(&fixture, REGISTRY_DELETE, "configmaps", "ns", "o");
    ck_assert_str_eq(call.status->message,
                     "Internal error occurred: admission webhook \"m.example.com\" attempted to "
                     "modify the object, which is not supported for this operation");
}
END_TEST

START_TEST(a_validating_webhook_may_not_patch)
{
    make_hook("validatingwebhookconfigurations", "v", "/label", "");
    struct registry_call call = make_config_map();
    ck_assert_ptr_nonnull(
        strstr(call.status->message, "validating webhook may not return response.patch"));
}
END_TEST

static struct registry_call dry_run(void)
{
    void *message = NULL;
    ck_assert_int_eq(api_decode_json(fixture.arena, core("configmaps")->message,
                                     slice_text("{\"metadata\":{\"name\":\"d\"}}"), NULL, &message,
                                     NULL),
                     0);
    struct registry_call call = {.verb = REGISTRY_CREATE,
                                 .kind = core("configmaps"),
                                 .namespace = "ns",
                                 .body = message,
                                 .options = {.dry_run = true}};
    run(&fixture, &call);
    return call;
}

START_TEST(a_dry_run_is_put_to_webhooks_which_have_no_side_effects)
{
    hook.text = ",\"allowed\":true";
    make_validating("v", "");
    ck_assert_ptr_null(dry_run().status);
    ck_assert_ptr_nonnull(strstr(hook.body, "\"dryRun\":true"));
    struct registry_call call =
        put_hook("validatingwebhookconfigurations", "w", "/check", ",\"sideEffects\":\"Some\"");
    ck_assert_int_eq(call.status->code, 422);
    ck_assert_str_eq(call.status->causes[0].field, "webhooks[0].sideEffects");
}
END_TEST

START_TEST(who_may_change_a_deletion_sees_what_goes_if_it_is_there_and_meant)
{
    ck_assert_ptr_null(
        create(&fixture, "configmaps", "ns",
               "{\"metadata\":{\"name\":\"o\",\"labels\":{\"a\":\"b\"},\"finalizers\":[\"x/y\"]}}")
            .status);
    make_mutating("m", "/check", ",\"objectSelector\":{\"matchLabels\":{\"a\":\"b\"}}");
    hook.text = ",\"allowed\":true";
    struct registry_call call = {
        .verb = REGISTRY_DELETE, .kind = core("configmaps"), .namespace = "ns", .name = "o"};
    call.options.expect_uid = "another";
    run(&fixture, &call);
    ck_assert_int_eq(call.status->code, 409);
    ck_assert_int_eq(simple(&fixture, REGISTRY_DELETE, "configmaps", "ns", "none").status->code,
                     404);
    ck_assert_uint_eq(hook.asked, 0);
    ck_assert_ptr_null(simple(&fixture, REGISTRY_DELETE, "configmaps", "ns", "o").status);
    ck_assert_uint_eq(hook.asked, 1);
    ck_assert_ptr_nonnull(strstr(hook.body, "\"object\":null"));
    ck_assert_ptr_nonnull(strstr(hook.body, "\"oldObject\":{\"kind\":\"ConfigMap\""));
}
END_TEST

Suite *webhooks_suite(void);
Suite *webhooks_suite(void)
{
    Suite *suite = suite_create("apiserver/webhooks");
    TCase *tcase = tcase_create("admission");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_webhook_is_asked_everything_and_allows);
    tcase_add_test(tcase, a_denial_has_the_words_and_code_of_the_webhook);
    tcase_add_test(tcase, patches_change_what_is_stored);
    tcase_add_test(tcase, who_wants_to_sees_the_changes_of_later_ones);
    tcase_add_test(tcase, a_failure_fails_the_request_unless_it_is_to_be_ignored);
    tcase_add_test(tcase, an_ignored_failure_lets_the_request_pass);
    tcase_add_test(tcase, selectors_choose_who_is_asked);
    tcase_add_test(tcase, conditions_choose_who_is_asked);
    tcase_add_test(tcase, a_patch_that_does_not_apply_is_told_in_the_words_of_v1_32);
    tcase_add_test(tcase, wrong_answers_are_told_in_the_words_of_v1_32);
    tcase_add_test(tcase, a_patch_of_what_is_deleted_names_the_webhook);
    tcase_add_test(tcase, a_validating_webhook_may_not_patch);
    tcase_add_test(tcase, a_dry_run_is_put_to_webhooks_which_have_no_side_effects);
    tcase_add_test(tcase, who_may_change_a_deletion_sees_what_goes_if_it_is_there_and_meant);
    suite_add_tcase(suite, tcase);
    return suite;
}
