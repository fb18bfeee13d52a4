#include "controllers/certificates/request_plan.h"

#include "lib/api/time.h"
#include <string.h>

typedef Certificates__V1__CertificateSigningRequest request_t;
typedef Certificates__V1__CertificateSigningRequestCondition condition_t;

static const char CLIENT[] = "kubernetes.io/kube-apiserver-client";
static const char KUBELET_CLIENT[] = "kubernetes.io/kube-apiserver-client-kubelet";
static const char KUBELET_SERVING[] = "kubernetes.io/kubelet-serving";

enum { HOUR_S = 3600, DAY_S = 24 * HOUR_S };

static bool has_condition(const request_t *request, const char *type)
{
    for (size_t i = 0; i < request->status->n_conditions; i++) {
        if (strcmp(text_or_empty(request->status->conditions[i]->type), type) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_signed(const request_t *request)
{
    return request->status->certificate.len > 0;
}

static bool is_for(const request_t *request, const char *signer)
{
    return strcmp(text_or_empty(request->spec->signer_name), signer) == 0;
}

bool request_has_signer(const request_t *request)
{
    return is_for(request, CLIENT) || is_for(request, KUBELET_CLIENT) ||
           is_for(request, KUBELET_SERVING);
}

bool request_is_undecided(const request_t *request)
{
    return !is_signed(request) && !has_condition(request, "Approved") &&
           !has_condition(request, "Denied") && !has_condition(request, "Failed");
}

bool request_awaits_signature(const request_t *request)
{
    return !is_signed(request) && has_condition(request, "Approved") &&
           !has_condition(request, "Denied") && !has_condition(request, "Failed");
}

/* --- Usages ------------------------------------------------------------------------------------
 */

struct usage {
    const char *name;        /* In the request. */
    const char *certificate; /* In OpenSSL's words. */
    bool extended;
};

/* Those that the signers know; they refuse all others. */
static const struct usage usages[] = {
    {"digital signature", "digitalSignature", false},
    {"key encipherment", "keyEncipherment", false},
    {"client auth", "clientAuth", true},
    {"server auth", "serverAuth", true},
};

static bool has_usage(const request_t *request, const char *name)
{
    for (size_t i = 0; i < request->spec->n_usages; i++) {
        if (strcmp(request->spec->usages[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* A signature, perhaps the encryption of keys, and `purpose`: all of it and no more. */
static bool has_node_usages(const request_t *request, const char *purpose)
{
    size_t expected = has_usage(request, "key encipherment") ? 3 : 2;
    return request->spec->n_usages == expected && has_usage(request, "digital signature") &&
           has_usage(request, purpose);
}

/* --- Whether it is signed ----------------------------------------------------------------------
 */

static const char *client_problem(struct arena *arena, const request_t *request)
{
    for (size_t i = 0; i < request->spec->n_usages; i++) {
        const char *usage = request->spec->usages[i];
        if (strcmp(usage, "digital signature") != 0 && strcmp(usage, "key encipherment") != 0 &&
            strcmp(usage, "client auth") != 0) {
            return arena_printf(arena, "invalid usage for client certificate: %s", usage);
        }
    }
    return has_usage(request, "client auth")
               ? NULL
               : "missing required usage for client certificate: client auth";
}

static const char *node_subject_problem(const struct x509_request *content)
{
    static const char prefix[] = "system:node:";
    if (content->organization_count != 1 ||
        strcmp(content->organizations[0], "system:nodes") != 0) {
        return "subject organization is not system:nodes";
    }
    return strncmp(content->common_name, prefix, sizeof(prefix) - 1) == 0
               ? NULL
               : "subject common name does not begin with system:node:";
}

static const char *node_client_problem(const request_t *request, const struct x509_request *content)
{
    const char *problem = node_subject_problem(content);
    return problem != NULL                            ? problem
           : content->dns_name_count > 0              ? "DNS subjectAltNames are not allowed"
           : content->email_count > 0                 ? "Email subjectAltNames are not allowed"
           : content->address_count > 0               ? "IP subjectAltNames are not allowed"
           : content->uri_count > 0                   ? "URI subjectAltNames are not allowed"
           : !has_node_usages(request, "client auth") ? "usages did not match [digital signature "
                                                        "client auth], with or without key "
                                                        "encipherment"
                                                      : NULL;
}

static const char *node_serving_problem(const request_t *request,
                                        const struct x509_request *content)
{
    const char *problem = node_subject_problem(content);
    bool named = content->dns_name_count + content->address_count > 0;
    return problem != NULL                            ? problem
           : !named                                   ? "DNS or IP subjectAltName is required"
           : content->email_count > 0                 ? "Email subjectAltNames are not allowed"
           : content->uri_count > 0                   ? "URI subjectAltNames are not allowed"
           : !has_node_usages(request, "server auth") ? "usages did not match [digital signature "
                                                        "server auth], with or without key "
                                                        "encipherment"
                                                      : NULL;
}

const char *request_problem(struct arena *arena, const request_t *request,
                            const struct x509_request *content)
{
    return is_for(request, CLIENT)           ? client_problem(arena, request)
           : is_for(request, KUBELET_CLIENT) ? node_client_problem(request, content)
                                             : node_serving_problem(request, content);
}

size_t request_approvals(const request_t *request, const struct x509_request *content,
                         struct request_approval ret_approvals[REQUEST_APPROVALS_MAX])
{
    size_t count = 0;
    if (!is_for(request, KUBELET_CLIENT) || node_client_problem(request, content) != NULL) {
        return 0;
    }
    if (strcmp(text_or_empty(request->spec->username), content->common_name) == 0) {
        ret_approvals[count++] = (struct request_approval){
            "selfnodeclient",
            "Auto approving self kubelet client certificate after SubjectAccessReview."};
    }
    ret_approvals[count++] = (struct request_approval){
        "nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview."};
    return count;
}

/* --- How it is signed --------------------------------------------------------------------------
 */

static const char *usage_words(struct arena *arena, const request_t *request, bool extended)
{
    const char *words = "";
    for (size_t i = 0; i < ARRAY_LEN(usages); i++) {
        if (usages[i].extended == extended && has_usage(request, usages[i].name)) {
            words = arena_printf(arena, "%s%s%s", words, words[0] == '\0' ? "" : ",",
                                 usages[i].certificate);
        }
    }
    return words;
}

static int64_t validity_s(const request_t *request)
{
    const int64_t most_s = (int64_t)365 * DAY_S, least_s = 600;
    if (!request->spec->has_expiration_seconds) {
        return most_s;
    }
    int64_t wanted_s = request->spec->expiration_seconds;
    return wanted_s > most_s ? most_s : wanted_s < least_s ? least_s : wanted_s;
}

/* It begins a little earlier, for clocks that disagree. A short one is not made shorter by that. */
struct request_terms request_terms(struct arena *arena, const request_t *request, int64_t now_s)
{
    const int64_t backdate_s = 300, short_s = 8 * HOUR_S;
    int64_t valid_s = validity_s(request);
    return (struct request_terms){
        .key_usages = usage_words(arena, request, /* extended= */ false),
        .extended_usages = usage_words(arena, request, /* extended= */ true),
        .not_before_s = now_s - backdate_s,
        .not_after_s = now_s + valid_s - (valid_s < short_s ? 0 : backdate_s)};
}

/* --- When it goes ------------------------------------------------------------------------------
 */

static bool condition_is_older(const request_t *request, const char *type, int64_t limit_s)
{
    for (size_t i = 0; i < request->status->n_conditions; i++) {
        const condition_t *condition = request->status->conditions[i];
        if (strcmp(text_or_empty(condition->type), type) == 0 &&
            !api_time_is_zero(condition->last_update_time) &&
            api_time_seconds(condition->last_update_time) < limit_s) {
            return true;
        }
    }
    return false;
}

bool request_is_stale(const request_t *request, int64_t certificate_end_s, int64_t now_s)
{
    int64_t an_hour_ago_s = now_s - HOUR_S;
    if (is_signed(request) &&
        (certificate_end_s < now_s || condition_is_older(request, "Approved", an_hour_ago_s))) {
        return true;
    }
    return condition_is_older(request, "Denied", an_hour_ago_s) ||
           condition_is_older(request, "Failed", an_hour_ago_s) ||
           (request_is_undecided(request) &&
            api_time_seconds(request->metadata->creation_timestamp) < now_s - DAY_S);
}
