/* Who may approve and sign certificate requests, and for whom nobody may (CertificateApproval,
 * CertificateSigning, CertificateSubjectRestriction). */
#include "apiserver/admission.h"

#include "apiserver/access.h"
#include "apiserver/authorizer.h"
#include "k8s/certificates_v1.pb-c.h"
#include "lib/net/x509.h"

static const char client_signer[] = "kubernetes.io/kube-apiserver-client";

static bool is_request_kind(const struct api_kind *kind)
{
    return strcmp(kind->resource, "certificatesigningrequests.certificates.k8s.io") == 0;
}

void validate_certificate_request(struct api_causes *causes, const struct api_kind *kind,
                                  const void *message)
{
    struct x509_request request;
    CLEANUP(error_release) struct error error = {0};
    const Certificates__V1__CertificateSigningRequest *csr = message;
    struct api_path spec = api_path_field(NULL, "spec"), at = api_path_field(&spec, "request");
    if (!is_request_kind(kind)) {
        return;
    }
    struct slice pem = slice_of(csr->spec->request.data, csr->spec->request.len);
    if (x509_parse_csr(pem, &request, &error) < 0) {
        api_cause_invalid(causes, &at, api_shown_bytes(causes->arena, pem), error_message(&error));
    } else {
        x509_request_release(&request);
    }
}

static bool may(struct admission *admission, const char *verb, const char *signer)
{
    struct operation *operation = admission->operation;
    struct authorizer *authorizer = operation->registry->config.authorizer;
    struct access access = {.verb = verb,
                            .is_resource = true,
                            .group = "certificates.k8s.io",
                            .resource = "signers",
                            .subresource = "",
                            .namespace = "",
                            .name = signer,
                            .path = ""};
    const struct user *user = operation->call->user;
    return authorizer == NULL || operation_may(operation, user, &access);
}

/* For the signer itself, or all of its domain: "example.com/" "*". */
static const struct api_status *check_signer(struct admission *admission, const char *verb,
                                             const char *signer)
{
    struct arena *arena = admission->operation->arena;
    const char *slash = strchr(signer, '/');
    int domain = slash == NULL ? (int)strlen(signer) : (int)(slash - signer);
    if (may(admission, verb, signer) ||
        may(admission, verb, arena_printf(arena, "%.*s/*", domain, signer))) {
        return NULL;
    }
    return api_status_forbidden(
        arena, admission->kind, admission->name,
        arena_printf(arena, "user not permitted to %s requests with signerName \"%s\"", verb,
                     signer));
}

static bool signs(const Certificates__V1__CertificateSigningRequest *before,
                  const Certificates__V1__CertificateSigningRequest *after)
{
    const struct api_message *schema =
        api_message_find("k8s.io.api.certificates.v1.CertificateSigningRequestStatus");
    return !api_message_equal(schema, before->status, after->status);
}

/* The group that is allowed everything is not given away by a signature. */
static const struct api_status *
check_subject(struct admission *admission, const Certificates__V1__CertificateSigningRequest *csr)
{
    struct x509_request request;
    struct slice pem = slice_of(csr->spec->request.data, csr->spec->request.len);
    if (strcmp(text_or_empty(csr->spec->signer_name), client_signer) != 0 ||
        x509_parse_csr(pem, &request, NULL) < 0) {
        return NULL;
    }
    bool masters = false;
    for (size_t i = 0; i < request.organization_count; i++) {
        masters = masters || strcmp(request.organizations[i], "system:masters") == 0;
    }
    x509_request_release(&request);
    if (!masters) {
        return NULL;
    }
    struct arena *arena = admission->operation->arena;
    return api_status_forbidden(
        arena, admission->kind, admission->name,
        arena_printf(arena, "use of %s signer with system:masters group is not allowed",
                     client_signer));
}

const struct api_status *admit_certificates(struct admission *admission)
{
    const Certificates__V1__CertificateSigningRequest *after = admission->message;
    const Certificates__V1__CertificateSigningRequest *before = admission->before;
    if (!is_request_kind(admission->kind)) {
        return NULL;
    }
    if (admission->verb == ADMIT_CREATE) {
        return check_subject(admission, after);
    }
    if (admission->verb != ADMIT_UPDATE) {
        return NULL;
    }
    const char *signer = text_or_empty(before->spec->signer_name);
    if (strcmp(admission->subresource, "approval") == 0) {
        return check_signer(admission, "approve", signer);
    }
    return strcmp(admission->subresource, "status") == 0 && signs(before, after)
               ? check_signer(admission, "sign", signer)
               : NULL;
}
