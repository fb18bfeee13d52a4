/* Rules of what asks the cluster to trust somebody: certificate requests and API services. */
#include "lib/api/rules/rules.h"
#include "lib/base/base64.h"
#include <inttypes.h>

/* --- CertificateSigningRequest -----------------------------------------------------------------
 */

/* The text between the two lines of the first PEM block, or an empty slice. */
static struct slice pem_body(struct slice text, const char *type)
{
    static const char dashes[] = "-----";
    CLEANUP(buffer_release) struct buffer line;
    buffer_init(&line, SIZE_MAX / 2);
    buffer_printf(&line, "%sBEGIN %s%s", dashes, type, dashes);
    const uint8_t *from = memmem(text.data, text.len, line.data, line.len);
    if (from == NULL) {
        return (struct slice){0};
    }
    from += line.len;
    size_t left = text.len - (size_t)(from - text.data);
    buffer_clear(&line);
    buffer_printf(&line, "%sEND %s%s", dashes, type, dashes);
    const uint8_t *to = memmem(from, left, line.data, line.len);
    return slice_of(from, to == NULL ? 0 : (size_t)(to - from));
}

static bool is_der_sequence(struct slice der)
{
    enum { SEQUENCE = 0x30, LONG = 0x80, LENGTH = 0x7F };
    size_t at = 2, len = 0;
    if (der.len < at || der.data[0] != SEQUENCE) {
        return false;
    }
    if ((der.data[1] & LONG) == 0) {
        return der.data[1] == der.len - at;
    }
    for (size_t bytes = der.data[1] & LENGTH; bytes > 0; bytes--) {
        if (at >= der.len || len > SIZE_MAX >> 8) {
            return false;
        }
        len = len << 8 | der.data[at++];
    }
    return len == der.len - at;
}

/* NULL when it looks like a request: a PEM block of one DER sequence. What is in it is looked at
 * where there is a library for it: apiserver/admission_certificates.c. */
static const char *not_a_request(struct slice pem)
{
    struct slice body = pem_body(pem, "CERTIFICATE REQUEST");
    CLEANUP(buffer_release) struct buffer text, der;
    buffer_init(&text, SIZE_MAX / 2);
    buffer_init(&der, SIZE_MAX / 2);
    if (body.len == 0) {
        return "PEM block type must be CERTIFICATE REQUEST";
    }
    for (size_t i = 0; i < body.len; i++) {
        if (strchr("\r\n\t ", body.data[i]) == NULL) {
            buffer_append_byte(&text, body.data[i]);
        }
    }
    if (base64_decode(buffer_slice(&text), &der) != 0 || !is_der_sequence(buffer_slice(&der))) {
        return "asn1: structure error: malformed certificate request";
    }
    return NULL;
}

bool rules_certificate_request(struct api_causes *causes, const struct api_frame *frame)
{
    const Certificates__V1__CertificateSigningRequestSpec *spec = frame->message;
    struct slice pem = slice_of(spec->request.data, spec->request.len);
    const char *why = not_a_request(pem);
    if (why != NULL) {
        rules_invalid(causes, frame->at, "request", api_shown_bytes(causes->arena, pem), why);
    }
    return true;
}

/* "example.com/signer": a domain of at least two parts and a path whose parts are subdomains. */
bool rules_signer_name(struct api_causes *causes, const struct api_frame *frame)
{
    enum { SIGNER_BYTES_MAX = 571 };
    static const char unknown[] = "kubernetes.io/legacy-unknown";
    const char *name = text_or_empty(
        ((const Certificates__V1__CertificateSigningRequestSpec *)frame->message)->signer_name);
    struct api_path at = api_path_field(frame->at, "signerName");
    const char *slash = strchr(name, '/');
    if (*name == '\0') {
        return true; /* That is said already. */
    }
    if (strcmp(name, unknown) == 0) {
        api_cause_invalid(causes, &at, api_shown_text(name),
                          "the legacy signerName is not allowed via this API version");
        return true;
    }
    if (slash == NULL || strchr(slash + 1, '/') != NULL) {
        api_cause_invalid(causes, &at, api_shown_text(name),
                          "must be a fully qualified domain and path of the form "
                          "'example.com/signer-name'");
        return true;
    }
    const char *domain = arena_text_n(causes->arena, name, (size_t)(slash - name));
    struct api_syntax wrong = api_syntax_dns1123_subdomain(domain);
    rules_invalid_each(causes, &at, api_shown_text(domain), wrong);
    if (wrong.count == 0 && strchr(domain, '.') == NULL) {
        api_cause_invalid(causes, &at, api_shown_text(domain),
                          "should be a domain with at least two segments separated by dots");
    }
    rules_invalid_each(causes, &at, api_shown_text(slash + 1),
                       api_syntax_dns1123_subdomain(slash + 1));
    if (strlen(name) > SIGNER_BYTES_MAX) {
        api_cause_too_long(causes, &at, SIGNER_BYTES_MAX);
    }
    return true;
}

/* What was asked for stays: somebody may have approved it. */
void rules_prepare_request_update(struct arena *arena, const void *before, void *after)
{
    (void)arena; /* The old one lives as long as the request. */
    ((Certificates__V1__CertificateSigningRequest *)after)->spec =
        ((const Certificates__V1__CertificateSigningRequest *)before)->spec;
}

/* Through "approval": what has been decided, and nothing else. */
void rules_prepare_request_approval(struct arena *arena, const void *before, void *after)
{
    const Certificates__V1__CertificateSigningRequest *old = before;
    Certificates__V1__CertificateSigningRequest *request = after;
    Certificates__V1__CertificateSigningRequestStatus *status = api_message_copy(
        arena, &certificates__v1__certificate_signing_request_status__schema, old->status);
    status->conditions = request->status->conditions;
    status->n_conditions = request->status->n_conditions;
    request->status = status;
    request->spec = old->spec;
}

static bool is_decision(const char *type)
{
    return strcmp(type, "Approved") == 0 || strcmp(type, "Denied") == 0;
}

static void check_condition_status(struct api_causes *causes, const struct api_path *at,
                                   const Certificates__V1__CertificateSigningRequestCondition *one)
{
    static const char *const any[] = {"True", "False", "Unknown", NULL};
    static const char *const only_true[] = {"True", NULL};
    const char *type = text_or_empty(one->type), *value = text_or_empty(one->status);
    const char *const *values = is_decision(type) || strcmp(type, "Failed") == 0 ? only_true : any;
    struct api_path path = api_path_field(at, "status");
    if (*value == '\0') {
        api_cause_required(causes, &path, "");
        return;
    }
    for (size_t i = 0; values[i] != NULL; i++) {
        if (strcmp(values[i], value) == 0) {
            return;
        }
    }
    api_cause_not_supported(causes, &path, api_shown_text(value), values);
}

/* Nothing is approved and denied, and nothing is said twice. */
static void check_conditions(struct api_causes *causes, const struct api_path *at,
                             const Certificates__V1__CertificateSigningRequestStatus *status)
{
    struct api_path list = api_path_field(at, "conditions");
    for (size_t i = 0; i < status->n_conditions; i++) {
        const char *type = text_or_empty(status->conditions[i]->type);
        struct api_path item = api_path_index(&list, i);
        struct api_path path = api_path_field(&item, "type");
        bool twice = false, both = false;
        for (size_t j = 0; j < i; j++) {
            const char *other = text_or_empty(status->conditions[j]->type);
            bool same = strcmp(type, other) == 0;
            twice = twice || same;
            both = both || (!same && is_decision(type) && is_decision(other));
        }
        if (*type == '\0') {
            api_cause_required(causes, &path, "");
        } else if (both) {
            api_cause_invalid(causes, &path, api_shown_text(type),
                              "Approved and Denied conditions are mutually exclusive");
        } else if (twice) {
            api_cause_duplicate(causes, &path, api_shown_text(type));
        }
        check_condition_status(causes, &item, status->conditions[i]);
    }
}

bool rules_certificate_status(struct api_causes *causes, const struct api_frame *frame)
{
    const Certificates__V1__CertificateSigningRequestStatus *status = frame->message;
    struct slice certificate = slice_of(status->certificate.data, status->certificate.len);
    check_conditions(causes, frame->at, status);
    if (certificate.len > 0 && pem_body(certificate, "CERTIFICATE").len == 0) {
        rules_invalid(causes, frame->at, "certificate", api_shown_text("<certificate data>"),
                      "must contain at least one CERTIFICATE PEM block");
    }
    return false;
}

/* What was decided stays decided. */
static void keep_conditions(struct api_causes *causes,
                            const Certificates__V1__CertificateSigningRequestStatus *before,
                            const Certificates__V1__CertificateSigningRequestStatus *after)
{
    struct api_path at = api_path_field(NULL, "status");
    struct api_path path = api_path_field(&at, "conditions");
    for (size_t i = 0; i < before->n_conditions; i++) {
        const char *type = text_or_empty(before->conditions[i]->type);
        bool kept = !is_decision(type) && strcmp(type, "Failed") != 0;
        for (size_t j = 0; !kept && j < after->n_conditions; j++) {
            kept = strcmp(text_or_empty(after->conditions[j]->type), type) == 0;
        }
        if (!kept) {
            api_cause_forbidden(causes, &path,
                                arena_printf(causes->arena,
                                             "updates may not remove a condition of type \"%s\"",
                                             type));
        }
    }
}

void rules_update_request(struct api_causes *causes, const void *before, const void *after)
{
    keep_conditions(causes, ((const Certificates__V1__CertificateSigningRequest *)before)->status,
                    ((const Certificates__V1__CertificateSigningRequest *)after)->status);
}

/* --- APIService --------------------------------------------------------------------------------
 */

bool rules_api_service(struct api_causes *causes, const struct api_frame *frame)
{
    const Apiregistration__V1__APIServiceSpec *spec = frame->message;
    if (rules_empty(spec->group) && !rules_is(spec->version, "v1")) {
        rules_required(causes, frame->at, "group",
                       "only v1 may have an empty group and it better be legacy kube");
    }
    if (spec->service == NULL) {
        if (spec->ca_bundle.len > 0) {
            rules_invalid(
                causes, frame->at, "caBundle",
                api_shown_text(arena_printf(causes->arena, "%zu bytes", spec->ca_bundle.len)),
                "local APIServices may not have a caBundle");
        }
        if (spec->insecure_skip_tls_verify) {
            rules_invalid(causes, frame->at, "insecureSkipTLSVerify", api_shown_bool(true),
                          "local APIServices may not have insecureSkipTLSVerify");
        }
    } else if (spec->insecure_skip_tls_verify && spec->ca_bundle.len > 0) {
        rules_invalid(causes, frame->at, "insecureSkipTLSVerify", api_shown_bool(true),
                      "may not be true if caBundle is present");
    }
    return true;
}

void rules_check_api_service(struct api_causes *causes, const void *message)
{
    const Apiregistration__V1__APIService *service = message;
    const char *name = text_or_empty(service->metadata->name);
    struct api_path metadata = api_path_field(NULL, "metadata");
    const char *wanted = arena_printf(causes->arena, "%s.%s", text_or_empty(service->spec->version),
                                      text_or_empty(service->spec->group));
    if (strcmp(name, wanted) != 0) {
        rules_invalid(
            causes, &metadata, "name", api_shown_text(name),
            arena_printf(causes->arena, "must be `spec.version+\".\"+spec.group`: \"%s\"", wanted));
    }
}

/* A service that this server itself is needs nobody to look for it. */
void rules_prepare_api_service(struct arena *arena, void *message)
{
    Apiregistration__V1__APIService *service = message;
    if (service->spec->service != NULL) {
        return;
    }
    Apiregistration__V1__APIServiceCondition *condition =
        rules_new(arena, "k8s.io.kube_aggregator.pkg.apis.apiregistration.v1.APIServiceCondition");
    condition->type = arena_text(arena, "Available");
    condition->status = arena_text(arena, "True");
    condition->reason = arena_text(arena, "Local");
    condition->message = arena_text(arena, "Local APIServices are always available");
    service->status->conditions = arena_array(arena, 1, sizeof(*service->status->conditions));
    service->status->conditions[service->status->n_conditions++] = condition;
}
