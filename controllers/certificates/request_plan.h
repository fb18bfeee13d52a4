/* What the cluster makes of certificate requests (certificates.k8s.io/v1) as v1.32 does: which it
 * approves by itself, which it signs and how, which it forgets. Pure. */
#ifndef CONTROLLERS_CERTIFICATES_REQUEST_PLAN_H
#define CONTROLLERS_CERTIFICATES_REQUEST_PLAN_H
#include "k8s/certificates_v1.pb-c.h"
#include "lib/base/arena.h"
#include "lib/net/x509.h"

/* Signers that are ours; requests for others are left to others. */
bool request_has_signer(const Certificates__V1__CertificateSigningRequest *request);
/* Neither approved nor denied nor failed nor signed. */
bool request_is_undecided(const Certificates__V1__CertificateSigningRequest *request);
/* Approved, and neither denied nor failed nor signed. */
bool request_awaits_signature(const Certificates__V1__CertificateSigningRequest *request);

/* A request of a node for its own client certificate is approved when whoever asks has one of these
 * permissions: to create certificatesigningrequests/<subresource>. */
enum { REQUEST_APPROVALS_MAX = 2 };
struct request_approval {
    const char *subresource; /* "selfnodeclient", "nodeclient" */
    const char *message;     /* Of the condition Approved. */
};
size_t request_approvals(const Certificates__V1__CertificateSigningRequest *request,
                         const struct x509_request *content,
                         struct request_approval ret_approvals[REQUEST_APPROVALS_MAX]);

/* NULL, or why the signer will never sign it. */
const char *request_problem(struct arena *arena,
                            const Certificates__V1__CertificateSigningRequest *request,
                            const struct x509_request *content);

/* What is signed: usages in OpenSSL's words, and the times. */
struct request_terms {
    const char *key_usages, *extended_usages;
    int64_t not_before_s, not_after_s;
};
struct request_terms request_terms(struct arena *arena,
                                   const Certificates__V1__CertificateSigningRequest *request,
                                   int64_t now_s);

/* Nobody needs it any longer: done or denied for an hour, undecided for a day, or its certificate
 * (which ends at `certificate_end_s`; INT64_MAX without one) is over. */
bool request_is_stale(const Certificates__V1__CertificateSigningRequest *request,
                      int64_t certificate_end_s, int64_t now_s);
#endif
