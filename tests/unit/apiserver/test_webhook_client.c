/* Calls to webhooks against a real HTTPS server: what is answered, and what is said of servers that
 * are not there, not trusted, slow, or too talkative. */
#include "apiserver/limits.h"
#include "apiserver/webhook_client.h"
#include "lib/base/alloc.h"
#include "tests/unit/apiserver/hook_server.h"
#include "tests/unit/apiserver/registry_fixture.h"
#include <errno.h>
#include <stdlib.h>

static struct fixture fixture;
static struct hook_server hook;
static struct webhook_client *client;

static void setup(void)
{
    fixture_init(&fixture);
    hook_server_start(&hook, fixture.loop, hook_says);
    client = webhook_client_new(fixture.loop, fixture.loop, fixture.cache);
}

static void teardown(void)
{
    webhook_client_free(client);
    hook_server_stop(&hook);
    fixture_release(&fixture);
}

static void call_done(struct webhook_call *call)
{
    *(bool *)call->data = true;
}

static void call(struct webhook_call *call)
{
    bool done = false;
    call->arena = fixture.arena;
    call->timeout_ms = call->timeout_ms == 0 ? 5000 : call->timeout_ms;
    call->done = call_done;
    call->data = &done;
    webhook_client_start(client, call);
    ck_assert(!done); /* Never from inside. */
    while (!done) {
        loop_turn(fixture.loop, true);
    }
}

static struct webhook_call to_hook(const char *path)
{
    return (struct webhook_call){
        .target = {.url = hook_url(&hook, fixture.arena, path),
                   .ca_bundle = buffer_slice(&hook.pki.ca_cert)},
        .body = slice_text("{\"q\":1}"),
    };
}

START_TEST(the_body_goes_there_and_the_answer_comes_back)
{
    hook.text = "{\"a\":2}";
    struct webhook_call first = to_hook("/check");
    call(&first);
    ck_assert_int_eq(first.error, 0);
    ck_assert_uint_eq(first.status, 200);
    ck_assert(slice_is(first.answer, "{\"a\":2}"));
    ck_assert_str_eq(hook.path, "/check");
    ck_assert_str_eq(hook.query, "timeout=5s");
    ck_assert_str_eq(hook.body, "{\"q\":1}");
    hook.status = 503;
    struct webhook_call second = to_hook("/check?x=y");
    call(&second);
    ck_assert_int_eq(second.error, 0);
    ck_assert_uint_eq(second.status, 503);
    ck_assert_str_eq(hook.query, "x=y&timeout=5s");
}
END_TEST

START_TEST(who_is_not_signed_by_the_bundle_is_not_asked)
{
    struct pki other;
    pki_init(&other);
    struct webhook_call stranger = to_hook("/");
    stranger.target.ca_bundle = buffer_slice(&other.ca_cert);
    call(&stranger);
    ck_assert_int_lt(stranger.error, 0);
    ck_assert_str_eq(
        stranger.message,
        arena_printf(fixture.arena,
                     "Post \"%s?timeout=5s\": tls: failed to verify certificate: x509: "
                     "certificate signed by unknown authority (possibly because of "
                     "\"x509: ECDSA verification failure\" while trying to verify "
                     "candidate authority certificate \"test-ca\")",
                     hook_url(&hook, fixture.arena, "/")));
    ck_assert_uint_eq(hook.asked, 0);
    struct webhook_call nonsense = to_hook("/");
    nonsense.target.ca_bundle = slice_text("no certificate");
    call(&nonsense);
    ck_assert_int_eq(nonsense.error, -EINVAL);
    pki_release(&other);
}
END_TEST

START_TEST(a_certificate_for_another_name_says_for_whom_it_is)
{
    static const char *const names[] = {"elsewhere"};
    const struct x509_subject elsewhere = {
        .common_name = "server", .dns_names = names, .dns_name_count = 1};
    struct buffer key, cert;
    pki_issue(&hook.pki, &elsewhere, X509_USAGE_SERVER, &key, &cert);
    struct tls_options shown = {.cert_pem = buffer_slice(&cert), .key_pem = buffer_slice(&key)};
    ck_assert_int_eq(tls_config_reload(hook.tls, &shown, NULL), 0);
    struct webhook_call other = to_hook("/");
    other.target.url = arena_printf(fixture.arena, "https://localhost:%u/", hook_port(&hook));
    call(&other);
    ck_assert_str_eq(
        other.message,
        arena_printf(fixture.arena,
                     "Post \"https://localhost:%u/?timeout=5s\": tls: failed to verify "
                     "certificate: x509: certificate is valid for elsewhere, not localhost",
                     hook_port(&hook)));
    ck_assert_uint_eq(hook.asked, 0);
    buffer_release(&key);
    buffer_release(&cert);
}
END_TEST

START_TEST(who_is_not_there_is_named_as_go_does)
{
    struct webhook_call nobody = to_hook("/");
    nobody.target.url = "https://127.0.0.1:1/none";
    nobody.timeout_ms = 2000;
    call(&nobody);
    ck_assert_str_eq(nobody.message, "Post \"https://127.0.0.1:1/none?timeout=2s\": dial tcp "
                                     "127.0.0.1:1: connect: connection refused");
    struct webhook_call service = {.target = {.service_namespace = "ns", .service_name = "s"}};
    call(&service);
    ck_assert_str_eq(service.message,
                     "Post \"https://s.ns.svc:443/?timeout=5s\": service \"s\" not found");
}
END_TEST

START_TEST(silence_ends_in_time_and_a_cut_is_noticed)
{
    hook.answer = hook_holds;
    struct webhook_call slow = to_hook("/slow");
    slow.timeout_ms = 1000;
    call(&slow);
    ck_assert_int_eq(slow.error, -ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(slow.message, ": context deadline exceeded"));
    hook.answer = hook_cuts;
    struct webhook_call cut = to_hook("/cut");
    call(&cut);
    ck_assert_int_lt(cut.error, 0);
    ck_assert_ptr_nonnull(strstr(cut.message, ": EOF"));
}
END_TEST

START_TEST(an_answer_without_end_is_refused)
{
    char *text = alloc_bytes(WEBHOOK_ANSWER_MAX + 2);
    memset(text, 'x', WEBHOOK_ANSWER_MAX + 1);
    text[WEBHOOK_ANSWER_MAX + 1] = 0;
    hook.text = text;
    struct webhook_call huge = to_hook("/huge");
    call(&huge);
    ck_assert_int_eq(huge.error, -EMSGSIZE);
    free(text);
}
END_TEST

static void hook_redirects(struct hook_server *self, struct http_exchange *exchange)
{
    struct http_header location = http_header("location", "https://127.0.0.1:1/elsewhere");
    http_respond(exchange, self->status, &location, 1,
                 slice_text("secret of the metadata service"));
}

/* CVE-2020-8561: who may write webhooks made the server ask, and log, what only it can reach. */
START_TEST(a_redirect_of_a_webhook_is_not_followed)
{
    static const unsigned codes[] = {301, 302, 303, 307, 308};
    hook.answer = hook_redirects;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        hook.status = codes[i];
        struct webhook_call moved = to_hook("/moved");
        call(&moved);
        ck_assert_uint_eq(moved.status, codes[i]); /* The other port would have refused. */
        ck_assert_uint_eq(hook.asked, i + 1);
    }
}
END_TEST

START_TEST(a_service_that_nobody_serves_is_said_so)
{
    make_namespace(&fixture);
    (void)create(&fixture, "services", "ns",
                 "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"ports\":[{\"name\":\"h\","
                 "\"port\":443}]}}");
    const struct api_kind *slices = api_kind_find("discovery.k8s.io", "v1", "endpointslices");
    void *message = NULL;
    const char *json =
        "{\"metadata\":{\"name\":\"e\",\"labels\":{\"kubernetes.io/service-name\":\"s\"}},"
        "\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"h\",\"port\":1}],"
        "\"endpoints\":[{\"addresses\":[\"192.0.2.1\"],\"conditions\":{\"ready\":false}}]}";
    ck_assert_int_eq(
        api_decode_json(fixture.arena, slices->message, slice_text(json), NULL, &message, NULL), 0);
    struct registry_call make = {
        .verb = REGISTRY_CREATE, .kind = slices, .namespace = "ns", .body = message};
    run(&fixture, &make);
    ck_assert_ptr_null(make.status);
    struct webhook_call service = {.target = {.service_namespace = "ns", .service_name = "s"}};
    call(&service);
    ck_assert_ptr_nonnull(strstr(service.message, "no endpoints available for service \"s\""));
    service.target.service_port = 80;
    call(&service);
    ck_assert_ptr_nonnull(strstr(service.message, "no service port 80 found for service \"s\""));
}
END_TEST

Suite *webhook_client_suite(void);
Suite *webhook_client_suite(void)
{
    Suite *suite = suite_create("apiserver/webhook_client");
    TCase *calls = tcase_create("calls");
    tcase_set_timeout(calls, 30);
    tcase_add_checked_fixture(calls, setup, teardown);
    tcase_add_test(calls, the_body_goes_there_and_the_answer_comes_back);
    tcase_add_test(calls, who_is_not_signed_by_the_bundle_is_not_asked);
    tcase_add_test(calls, a_certificate_for_another_name_says_for_whom_it_is);
    tcase_add_test(calls, who_is_not_there_is_named_as_go_does);
    tcase_add_test(calls, silence_ends_in_time_and_a_cut_is_noticed);
    tcase_add_test(calls, an_answer_without_end_is_refused);
    tcase_add_test(calls, a_redirect_of_a_webhook_is_not_followed);
    tcase_add_test(calls, a_service_that_nobody_serves_is_said_so);
    suite_add_tcase(suite, calls);
    return suite;
}
