/* Certificate requests: which are approved without a person, what is signed and how, and which are
 * forgotten. */
#include "controllers/certificates/request_plan.h"
#include "lib/base/base64.h"
#include "tests/unit/controllers/cluster.h"
#include <check.h>

#define GROUP "certificates.k8s.io"

Suite *requests_suite(void);

enum { PEM_MAX = 65536 };
static const int64_t WALL_S = FAKE_ENV_EPOCH_S;

static struct cluster cluster;
static struct arena *arena;
static struct buffer ca_key, ca;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
    buffer_init(&ca_key, PEM_MAX);
    buffer_init(&ca, PEM_MAX);
    ck_assert_int_eq(x509_make_key(&ca_key, NULL), 0);
    ck_assert_int_eq(
        x509_make_ca(buffer_slice(&ca_key), "ca", WALL_S - 1000, WALL_S + 100000000, &ca, NULL), 0);
    cluster_open_signing(&cluster, buffer_text(&ca), buffer_text(&ca_key));
}

static void teardown(void)
{
    cluster_close(&cluster);
    buffer_release(&ca);
    buffer_release(&ca_key);
    arena_free(arena);
}

struct wish {
    const char *signer, *usages, *user, *more, *conditions;
    struct x509_subject subject;
};

static const char NODE_USAGES[] = "[\"digital signature\",\"client auth\"]";
static const char APPROVED[] = "[{\"type\":\"Approved\",\"status\":\"True\","
                               "\"lastUpdateTime\":\"2023-11-14T22:13:20Z\"}]";
static const char *const node_groups[] = {"system:nodes"};
static const struct x509_subject node_subject = {
    .common_name = "system:node:n1", .organizations = node_groups, .organization_count = 1};

static const char *wish_text(const struct wish *wish)
{
    CLEANUP(buffer_release) struct buffer key, csr, encoded;
    buffer_init(&key, PEM_MAX);
    buffer_init(&csr, PEM_MAX);
    buffer_init(&encoded, PEM_MAX);
    ck_assert_int_eq(x509_make_key(&key, NULL), 0);
    ck_assert_int_eq(x509_make_csr(buffer_slice(&key), &wish->subject, &csr, NULL), 0);
    base64_encode(buffer_slice(&csr), &encoded);
    return arena_printf(
        arena,
        "{\"metadata\":{\"name\":\"r\",\"creationTimestamp\":\"2023-11-14T22:13:20Z\"},"
        "\"spec\":{\"request\":\"%s\",\"signerName\":\"%s\",\"usages\":%s,\"username\":\"%s\"%s},"
        "\"status\":{\"conditions\":%s}}",
        buffer_text(&encoded), wish->signer, wish->usages, wish->user == NULL ? "" : wish->user,
        wish->more == NULL ? "" : wish->more, wish->conditions == NULL ? "[]" : wish->conditions);
}

static const Certificates__V1__CertificateSigningRequest *shown(void)
{
    const struct client_object *object =
        cluster_get(&cluster, GROUP, "certificatesigningrequests", "", "r");
    return object == NULL ? NULL : object->message;
}

static const Certificates__V1__CertificateSigningRequest *ask(const struct wish *wish)
{
    cluster_add(&cluster, GROUP "/v1", "CertificateSigningRequest", wish_text(wish));
    cluster_run_ms(&cluster, 1000);
    return shown();
}

static const char *last_condition(const Certificates__V1__CertificateSigningRequest *request)
{
    size_t count = request->status->n_conditions;
    return count == 0 ? "" : request->status->conditions[count - 1]->type;
}

static struct slice certificate_of(const Certificates__V1__CertificateSigningRequest *request)
{
    return slice_of(request->status->certificate.data, request->status->certificate.len);
}

START_TEST(a_client_certificate_is_signed_once_it_is_approved)
{
    static const char *const groups[] = {"dev"};
    const struct wish wish = {
        .signer = "kubernetes.io/kube-apiserver-client",
        .usages = "[\"client auth\"]",
        .subject = {.common_name = "jane", .organizations = groups, .organization_count = 1}};
    ck_assert_uint_eq(certificate_of(ask(&wish)).len, 0);
    const struct client_object *object =
        cluster_get(&cluster, GROUP, "certificatesigningrequests", "", "r");
    fake_client_patch(cluster.api, object,
                      arena_printf(arena, "{\"status\":{\"conditions\":%s}}", APPROVED));
    cluster_run_ms(&cluster, 1000);
    struct slice certificate = certificate_of(shown());
    struct x509_facts facts;
    ck_assert_int_eq(
        x509_verify(certificate, buffer_slice(&ca), X509_USAGE_CLIENT, WALL_S + 10, NULL), 0);
    ck_assert_int_lt(
        x509_verify(certificate, buffer_slice(&ca), X509_USAGE_SERVER, WALL_S + 10, NULL), 0);
    ck_assert_int_eq(x509_read(certificate, &facts, NULL), 0);
    ck_assert_str_eq(facts.common_name, "jane");
    ck_assert(!facts.is_ca);
    x509_facts_release(&facts);
}
END_TEST

START_TEST(expiration_seconds_are_honoured)
{
    const struct wish wish = {.signer = "kubernetes.io/kube-apiserver-client",
                              .usages = "[\"client auth\",\"key encipherment\"]",
                              .more = ",\"expirationSeconds\":3600",
                              .conditions = APPROVED,
                              .subject = {.common_name = "jane"}};
    struct x509_facts facts;
    ck_assert_int_eq(x509_read(certificate_of(ask(&wish)), &facts, NULL), 0);
    ck_assert_int_eq(facts.not_after_s - facts.not_before_s, 3600 + 300);
    x509_facts_release(&facts);
}
END_TEST

START_TEST(what_a_signer_does_not_sign_has_failed_and_says_why)
{
    const struct wish wish = {.signer = "kubernetes.io/kube-apiserver-client",
                              .usages = "[\"client auth\",\"server auth\"]",
                              .conditions = APPROVED,
                              .subject = {.common_name = "jane"}};
    const Certificates__V1__CertificateSigningRequest *request = ask(&wish);
    ck_assert_str_eq(last_condition(request), "Failed");
    ck_assert_str_eq(request->status->conditions[1]->reason, "SignerValidationFailure");
    ck_assert_str_eq(request->status->conditions[1]->message,
                     "invalid usage for client certificate: server auth");
    ck_assert_uint_eq(certificate_of(request).len, 0);
}
END_TEST

START_TEST(what_was_denied_too_and_the_signers_of_others_are_left_alone)
{
    struct wish wish = {.signer = "kubernetes.io/kube-apiserver-client",
                        .usages = "[\"client auth\"]",
                        .conditions = "[{\"type\":\"Approved\",\"status\":\"True\"},"
                                      "{\"type\":\"Denied\",\"status\":\"True\"}]",
                        .subject = {.common_name = "jane"}};
    ck_assert_uint_eq(certificate_of(ask(&wish)).len, 0);
    fake_client_remove(cluster.api,
                       cluster_get(&cluster, GROUP, "certificatesigningrequests", "", "r"));
    wish.signer = "example.com/mine";
    wish.conditions = APPROVED;
    ck_assert_uint_eq(certificate_of(ask(&wish)).len, 0);
}
END_TEST

START_TEST(a_node_that_may_gets_its_certificate_without_a_person)
{
    const struct wish wish = {.signer = "kubernetes.io/kube-apiserver-client-kubelet",
                              .usages = NODE_USAGES,
                              .user = "trusted",
                              .subject = node_subject};
    const Certificates__V1__CertificateSigningRequest *request = ask(&wish);
    ck_assert_str_eq(last_condition(request), "Approved");
    ck_assert_str_eq(request->status->conditions[0]->reason, "AutoApproved");
    ck_assert_int_eq(x509_verify(certificate_of(request), buffer_slice(&ca), X509_USAGE_CLIENT,
                                 WALL_S + 10, NULL),
                     0);
}
END_TEST

START_TEST(a_node_that_may_not_waits_for_a_person)
{
    const struct wish wish = {.signer = "kubernetes.io/kube-apiserver-client-kubelet",
                              .usages = NODE_USAGES,
                              .user = "system:node:n1",
                              .subject = node_subject};
    ck_assert_str_eq(last_condition(ask(&wish)), "");
}
END_TEST

/* --- Rules -------------------------------------------------------------------------------------
 */

static const char *problem_of(const struct wish *wish)
{
    const struct api_kind *kind = api_kind_find(GROUP, "v1", "certificatesigningrequests");
    const Certificates__V1__CertificateSigningRequest *request;
    void *message = NULL;
    struct x509_request content;
    ck_assert_int_eq(
        api_decode_json(arena, kind->message, slice_text(wish_text(wish)), NULL, &message, NULL),
        0);
    request = message;
    ck_assert_int_eq(
        x509_parse_csr(slice_of(request->spec->request.data, request->spec->request.len), &content,
                       NULL),
        0);
    const char *problem = request_problem(arena, request, &content);
    x509_request_release(&content);
    return problem == NULL ? "" : problem;
}

START_TEST(certificates_of_nodes_name_the_node_and_nothing_else)
{
    static const char *const names[] = {"n1.example.com"};
    struct wish wish = {.signer = "kubernetes.io/kube-apiserver-client-kubelet",
                        .usages = NODE_USAGES,
                        .subject = node_subject};
    ck_assert_str_eq(problem_of(&wish), "");
    wish.subject.dns_names = names;
    wish.subject.dns_name_count = 1;
    ck_assert_str_eq(problem_of(&wish), "DNS subjectAltNames are not allowed");
    wish.subject = node_subject;
    wish.subject.common_name = "n1";
    ck_assert_str_eq(problem_of(&wish), "subject common name does not begin with system:node:");
    wish.subject = (struct x509_subject){.common_name = "system:node:n1"};
    ck_assert_str_eq(problem_of(&wish), "subject organization is not system:nodes");
    wish.subject = node_subject;
    wish.usages = "[\"client auth\"]";
    ck_assert_str_ne(problem_of(&wish), "");
}
END_TEST

START_TEST(serving_certificates_of_nodes_need_a_name_or_an_address)
{
    static const char *const addresses[] = {"192.0.2.7"};
    struct wish wish = {.signer = "kubernetes.io/kubelet-serving",
                        .usages = "[\"digital signature\",\"server auth\"]",
                        .subject = node_subject};
    ck_assert_str_eq(problem_of(&wish), "DNS or IP subjectAltName is required");
    wish.subject.addresses = addresses;
    wish.subject.address_count = 1;
    ck_assert_str_eq(problem_of(&wish), "");
    wish.usages = NODE_USAGES;
    ck_assert_str_ne(problem_of(&wish), "");
}
END_TEST

START_TEST(old_requests_go)
{
    const struct wish wish = {.signer = "kubernetes.io/kube-apiserver-client",
                              .usages = "[\"client auth\"]",
                              .conditions = APPROVED,
                              .subject = {.common_name = "jane"}};
    ck_assert_uint_gt(certificate_of(ask(&wish)).len, 0);
    cluster_run_ms(&cluster, 3500 * 1000);
    ck_assert_ptr_nonnull(shown());
    cluster_run_ms(&cluster, 2 * 3600 * 1000);
    ck_assert_ptr_null(shown());
}
END_TEST

START_TEST(a_request_that_nobody_decides_on_stays_a_day)
{
    const struct wish wish = {.signer = "example.com/mine",
                              .usages = "[\"client auth\"]",
                              .subject = {.common_name = "jane"}};
    ck_assert_ptr_nonnull(ask(&wish));
    cluster_run_ms(&cluster, 23 * 3600 * 1000);
    ck_assert_ptr_nonnull(shown());
    cluster_run_ms(&cluster, 3 * 3600 * 1000);
    ck_assert_ptr_null(shown());
}
END_TEST

Suite *requests_suite(void)
{
    Suite *suite = suite_create("controllers/certificates");
    TCase *tcase = tcase_create("requests");
    tcase_set_timeout(tcase, 100); /* It runs days of the controllers' time. */
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_client_certificate_is_signed_once_it_is_approved);
    tcase_add_test(tcase, expiration_seconds_are_honoured);
    tcase_add_test(tcase, what_a_signer_does_not_sign_has_failed_and_says_why);
    tcase_add_test(tcase, what_was_denied_too_and_the_signers_of_others_are_left_alone);
    tcase_add_test(tcase, a_node_that_may_gets_its_certificate_without_a_person);
    tcase_add_test(tcase, a_node_that_may_not_waits_for_a_person);
    tcase_add_test(tcase, certificates_of_nodes_name_the_node_and_nothing_else);
    tcase_add_test(tcase, serving_certificates_of_nodes_need_a_name_or_an_address);
    tcase_add_test(tcase, old_requests_go);
    tcase_add_test(tcase, a_request_that_nobody_decides_on_stays_a_day);
    suite_add_tcase(suite, tcase);
    return suite;
}
