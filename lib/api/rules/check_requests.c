/* Rules of what asks the cluster to trust somebody: certificate requests and API services. */
#include "lib/api/rules/rules.h"
#include "lib/base/base64.h"
#include "lib/base/name_index.h"
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

/* Whether all parts between dots are right; only the first that is not is told. */
static void check_labels(struct api_causes *causes, const struct api_path *at, const char *text,
                         api_syntax_rule *rule)
{
    for (const char *label = text; label != NULL;) {
        const char *dot = strchrnul(label, '.');
        const char *part = arena_text_n(causes->arena, label, (size_t)(dot - label));
        struct api_syntax wrong = rule(part);
        for (size_t i = 0; i < wrong.count; i++) {
            api_cause_invalid(causes, at, api_shown_text(text),
                              arena_printf(causes->arena, "validating label \"%s\": %s", part,
                                           wrong.messages[i]));
        }
        label = wrong.count > 0 || *dot == '\0' ? NULL : dot + 1;
    }
}

/* "example.com/signer": a domain of at least two parts and a path whose parts are subdomains. */
bool rules_signer_name(struct api_causes *causes, const struct api_frame *frame)
{
    enum { DOMAIN_BYTES_MAX = 253, SIGNER_BYTES_MAX = 571 };
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
    if (strlen(domain) > DOMAIN_BYTES_MAX) {
        api_cause_too_long(causes, &at, DOMAIN_BYTES_MAX);
    }
    check_labels(causes, &at, domain, api_syntax_dns1123_label);
    if (strchr(domain, '.') == NULL) {
        api_cause_invalid(causes, &at, api_shown_text(domain),
                          "should be a domain with at least two segments separated by dots");
    }
    check_labels(causes, &at, slash + 1, api_syntax_dns1123_subdomain);
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

/* Through "status": what was decided is as it was. That something was added or taken away is left
 * to be refused. */
void rules_prepare_request_status(struct arena *arena, const void *before, void *after)
{
    (void)arena; /* As above. */
    const Certificates__V1__CertificateSigningRequestStatus *old =
        ((const Certificates__V1__CertificateSigningRequest *)before)->status;
    Certificates__V1__CertificateSigningRequestStatus *status =
        ((Certificates__V1__CertificateSigningRequest *)after)->status;
    for (size_t i = 0; i < status->n_conditions; i++) {
        const char *type = text_or_empty(status->conditions[i]->type);
        for (size_t j = 0; is_decision(type) && j < old->n_conditions; j++) {
            if (rules_is(old->conditions[j]->type, type)) {
                status->conditions[i] = old->conditions[j];
            }
        }
    }
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
    struct text_set seen = {.arena = causes->arena};
    for (size_t i = 0; i < status->n_conditions; i++) {
        const char *type = text_or_empty(status->conditions[i]->type);
        struct api_path item = api_path_index(&list, i);
        struct api_path path = api_path_field(&item, "type");
        const char *opposite = strcmp(type, "Approved") == 0 ? "Denied" : "Approved";
        bool both = is_decision(type) && text_set_has(&seen, opposite);
        bool twice = !text_set_add(&seen, type);
        if (*type == '\0') {
            api_cause_required(causes, &path, "");
        }
        check_condition_status(causes, &item, status->conditions[i]);
        if (both) {
            api_cause_invalid(causes, &path, api_shown_text(type),
                              "Approved and Denied conditions are mutually exclusive");
        }
        if (twice) {
            api_cause_duplicate(causes, &path, api_shown_text(type));
        }
    }
}

const char *rules_next_pem(struct arena *arena, struct slice *rest, struct slice *body)
{
    static const char begin[] = "-----BEGIN ", dashes[] = "-----";
    const uint8_t *from = memmem(rest->data, rest->len, begin, strlen(begin));
    if (from == NULL) {
        return NULL;
    }
    from += strlen(begin);
    const uint8_t *end = rest->data + rest->len;
    const uint8_t *to = memmem(from, (size_t)(end - from), dashes, strlen(dashes));
    if (to == NULL) {
        return NULL;
    }
    const char *type = arena_text_n(arena, (const char *)from, (size_t)(to - from));
    *body = pem_body(slice_of(from - strlen(begin), (size_t)(end - from) + strlen(begin)), type);
    if (body->len == 0) {
        return NULL;
    }
    *rest = slice_of(body->data + body->len, (size_t)(end - (body->data + body->len)));
    return type;
}

/* NULL when it is certificates and nothing else. What is in them its readers look at. */
static const char *not_certificates(struct arena *arena, struct slice rest)
{
    struct slice body;
    size_t blocks = 0;
    for (const char *type = rules_next_pem(arena, &rest, &body); type != NULL;
         type = rules_next_pem(arena, &rest, &body), blocks++) {
        if (strcmp(type, "CERTIFICATE") != 0) {
            return arena_printf(arena, "only CERTIFICATE PEM blocks are allowed, found \"%s\"",
                                type);
        }
        if (memchr(body.data, ':', body.len) != NULL) { /* Base64 has none. */
            return "no PEM block headers are permitted";
        }
    }
    return blocks == 0 ? "must contain at least one CERTIFICATE PEM block" : NULL;
}

static bool same_certificate(const Certificates__V1__CertificateSigningRequestStatus *before,
                             const Certificates__V1__CertificateSigningRequestStatus *after)
{
    return slice_equal(slice_of(before->certificate.data, before->certificate.len),
                       slice_of(after->certificate.data, after->certificate.len));
}

bool rules_certificate_status(struct api_causes *causes, const struct api_frame *frame)
{
    const Certificates__V1__CertificateSigningRequestStatus *status = frame->message;
    const Certificates__V1__CertificateSigningRequest *before = frame->parent->before;
    struct slice certificate = slice_of(status->certificate.data, status->certificate.len);
    check_conditions(causes, frame->at, status);
    if (certificate.len > 0 && (before == NULL || !same_certificate(before->status, status))) {
        const char *why = not_certificates(causes->arena, certificate);
        if (why != NULL) {
            rules_invalid(causes, frame->at, "certificate", api_shown_text("<certificate data>"),
                          why);
        }
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

static const Certificates__V1__CertificateSigningRequestCondition *
condition_of(const Certificates__V1__CertificateSigningRequestStatus *status, const char *type)
{
    for (size_t i = 0; i < status->n_conditions; i++) {
        if (rules_is(status->conditions[i]->type, type)) {
            return status->conditions[i];
        }
    }
    return NULL;
}

void rules_approve_request(struct api_causes *causes, const void *before, const void *after)
{
    keep_conditions(causes, ((const Certificates__V1__CertificateSigningRequest *)before)->status,
                    ((const Certificates__V1__CertificateSigningRequest *)after)->status);
}

/* Who signs does not approve, and signs once. */
void rules_sign_request(struct api_causes *causes, const void *before, const void *after)
{
    static const char *const decisions[] = {"Approved", "Denied"};
    const Certificates__V1__CertificateSigningRequestStatus *old =
        ((const Certificates__V1__CertificateSigningRequest *)before)->status;
    const Certificates__V1__CertificateSigningRequestStatus *status =
        ((const Certificates__V1__CertificateSigningRequest *)after)->status;
    struct api_path at = api_path_field(NULL, "status");
    keep_conditions(causes, old, status);
    for (size_t i = 0; i < ARRAY_LEN(decisions); i++) {
        if (condition_of(old, decisions[i]) == NULL && condition_of(status, decisions[i]) != NULL) {
            rules_forbidden(causes, &at, "conditions",
                            arena_printf(causes->arena,
                                         "updates may not add a condition of type \"%s\"",
                                         decisions[i]));
        }
    }
    if (old->certificate.len > 0 && !same_certificate(old, status)) {
        rules_forbidden(causes, &at, "certificate",
                        "updates may not modify existing certificate content");
    }
}

/* --- APIService --------------------------------------------------------------------------------
 */

/* Its name says both parts of what it serves. */
bool rules_api_service_name(struct api_causes *causes, const struct api_frame *frame)
{
    const Apiregistration__V1__APIService *service = frame->parent->message;
    const Apiregistration__V1__APIServiceSpec *spec = frame->message;
    const char *name = text_or_empty(service->metadata->name);
    struct api_path metadata = api_path_field(NULL, "metadata");
    const char *wanted = arena_printf(causes->arena, "%s.%s", text_or_empty(spec->version),
                                      text_or_empty(spec->group));
    if (strcmp(name, wanted) != 0 && *name != '\0' && api_syntax_path_segment(name).count == 0) {
        rules_invalid(
            causes, &metadata, "name", api_shown_text(name),
            arena_printf(causes->arena, "must be `spec.version+\".\"+spec.group`: \"%s\"", wanted));
    }
    if (rules_empty(spec->group) && !rules_is(spec->version, "v1")) {
        rules_required(causes, frame->at, "group",
                       "only v1 may have an empty group and it better be legacy kube");
    }
    return true;
}

bool rules_api_service(struct api_causes *causes, const struct api_frame *frame)
{
    const Apiregistration__V1__APIServiceSpec *spec = frame->message;
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
