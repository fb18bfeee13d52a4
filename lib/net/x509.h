/* Keys, certificates, signing requests, and the signatures of JSON Web Tokens. PEM in, PEM out.
 * Keys made here are ECDSA P-256. Any thread; no state. */
#ifndef LIB_NET_X509_H
#define LIB_NET_X509_H
#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include <stdint.h>

enum x509_usage { X509_USAGE_SERVER = 1, X509_USAGE_CLIENT = 2, X509_USAGE_CA = 4 };

/* Who a certificate is for. Texts are borrowed. */
struct x509_subject {
    const char *common_name;
    const char *const *organizations;
    size_t organization_count;
    const char *const *dns_names; /* SAN */
    size_t dns_name_count;
    const char *const *addresses; /* SAN: "10.96.0.1", "::1" */
    size_t address_count;
    const char *const *uris; /* SAN */
    size_t uri_count;
};

/* All output is appended to a buffer the caller made. Errors: -EINVAL with a message for bad input
 * (which PEM, what is wrong), -ENOSPC when the buffer is full, -EIO when OpenSSL fails. */
MUST_USE int x509_make_key(struct buffer *key_pem, struct error *reterr);
/* RSA, `bits` 2048 or more: for RS256 token keys. */
MUST_USE int x509_make_rsa_key(int bits, struct buffer *key_pem, struct error *reterr);
/* The public half, as PEM. */
MUST_USE int x509_public_key(struct slice key_pem, struct buffer *public_pem, struct error *reterr);

/* A self-signed CA for `key_pem`. Times in Unix seconds. */
MUST_USE int x509_make_ca(struct slice key_pem, const char *common_name, int64_t not_before_s,
                          int64_t not_after_s, struct buffer *cert_pem, struct error *reterr);
MUST_USE int x509_make_csr(struct slice key_pem, const struct x509_subject *subject,
                           struct buffer *csr_pem, struct error *reterr);

/* What is in a signing request; its own signature has been checked. */
struct x509_request {
    char *common_name;
    char **organizations;
    size_t organization_count;
    char **dns_names;
    size_t dns_name_count;
    char **addresses;
    size_t address_count;
    char **uris;
    size_t uri_count;
    char **emails;
    size_t email_count;
    char *public_pem;
};
MUST_USE int x509_parse_csr(struct slice csr_pem, struct x509_request *ret_request,
                            struct error *reterr);
void x509_request_release(struct x509_request *request);

/* Signs a certificate for the public key. `usages` are bits of enum x509_usage; with CA it is an
 * intermediate. The serial number is 128 random bits. */
struct x509_sign_options {
    struct slice ca_cert_pem;
    struct slice ca_key_pem;
    struct slice public_pem; /* "PUBLIC KEY" */
    const struct x509_subject *subject;
    unsigned usages;
    int64_t not_before_s;
    int64_t not_after_s;
};
MUST_USE int x509_sign(const struct x509_sign_options *options, struct buffer *cert_pem,
                       struct error *reterr);

/* Signs what somebody else asks for: the whole subject of the request, and of its alternative names
 * those that are DNS names, addresses, mail addresses or URIs; nothing else of it. Usages are words
 * of OpenSSL's configuration ("digitalSignature,keyEncipherment", "clientAuth"); "" for none. The
 * certificate ends with the CA's at the latest. */
struct x509_issue_options {
    struct slice ca_cert_pem;
    struct slice ca_key_pem;
    struct slice csr_pem;
    const char *key_usages, *extended_usages;
    int64_t not_before_s;
    int64_t not_after_s;
};
MUST_USE int x509_issue(const struct x509_issue_options *options, struct buffer *cert_pem,
                        struct error *reterr);

/* Facts of the first certificate in a PEM. */
struct x509_facts {
    char *common_name;
    char *issuer_common_name;
    char *serial_hex;
    int64_t not_before_s;
    int64_t not_after_s;
    bool is_ca;
};
MUST_USE int x509_read(struct slice cert_pem, struct x509_facts *ret_facts, struct error *reterr);
void x509_facts_release(struct x509_facts *facts);
/* 0 when the leaf was signed by one of the CAs, is valid at `now_s` and good for `usage` (SERVER,
 * CLIENT; 0 for any); -EACCES with why not. */
MUST_USE int x509_verify(struct slice cert_pem, struct slice ca_pem, unsigned usage, int64_t now_s,
                         struct error *reterr);

/* ---- Digests ---- */
enum { X509_SHA256_SIZE = 32 };
void x509_sha256(struct slice bytes, uint8_t ret_digest[X509_SHA256_SIZE]);
/* The same of bytes that come in portions; one thread at a time. */
struct x509_digest;
MUST_USE struct x509_digest *x509_digest_new(void);
void x509_digest_free(struct x509_digest *digest); /* NULL is a no-op. */
void x509_digest_add(struct x509_digest *digest, struct slice bytes);
void x509_digest_end(struct x509_digest *digest, uint8_t ret_digest[X509_SHA256_SIZE]);
void x509_hmac_sha256(struct slice key, struct slice bytes, uint8_t ret_mac[X509_SHA256_SIZE]);
/* Compares without telling by its time how much was equal. */
bool x509_equal_secret(struct slice a, struct slice b);
void x509_random(uint8_t *ret_bytes, size_t len); /* Cryptographic; aborts when it has none. */

/* ---- JWS signatures (RFC 7518) over "header.payload" ---- */
enum jws_algorithm {
    JWS_ES256,
    JWS_ES384,
    JWS_ES512,
    JWS_RS256,
    JWS_RS384,
    JWS_RS512,
    JWS_PS256,
    JWS_PS384,
    JWS_PS512,
};
const char *jws_algorithm_name(enum jws_algorithm algorithm);  /* "RS256" */
const char *jws_algorithm_curve(enum jws_algorithm algorithm); /* "P-256"; NULL for RSA. */
/* 0, or -ENOENT when it is none of ours. */
MUST_USE int jws_algorithm_find(const char *name, enum jws_algorithm *ret_algorithm);
/* The algorithm that a PEM key (private or public) signs with: that of its curve (P-256, P-384,
 * P-521), JWS_RS256 for RSA; -EINVAL otherwise. */
MUST_USE int jws_algorithm_of(struct slice key_pem, enum jws_algorithm *ret_algorithm,
                              struct error *reterr);
/* Raw signature bytes (of curves r || s, as ES256 has 64). */
MUST_USE int jws_sign(struct slice key_pem, struct slice signed_part, struct buffer *signature,
                      struct error *reterr);
/* The same by another algorithm that RSA keys have; -EINVAL when it does not fit the key. */
MUST_USE int jws_sign_by(struct slice key_pem, enum jws_algorithm algorithm,
                         struct slice signed_part, struct buffer *signature, struct error *reterr);
/* 0; -EACCES when the signature is wrong or its algorithm does not fit the key; -EINVAL when the
 * key is no use. */
MUST_USE int jws_verify(struct slice public_pem, enum jws_algorithm algorithm,
                        struct slice signed_part, struct slice signature, struct error *reterr);
/* The public key of a JWK's parameters, as jws_public_parameters() gives them. -EINVAL for numbers
 * that are no such key; RSA keys have at least 2048 bits. */
MUST_USE int jws_make_public(enum jws_algorithm algorithm, struct slice first, struct slice second,
                             struct buffer *public_pem, struct error *reterr);
/* Key parameters for a JWK Set: EC gives x and y, RSA gives n and e (big endian, raw). */
MUST_USE int jws_public_parameters(struct slice public_pem, enum jws_algorithm *ret_algorithm,
                                   struct buffer *first, struct buffer *second,
                                   struct error *reterr);
#endif
