/* A CA and certificates for tests, made by lib/net/x509.h itself. */
#ifndef TESTS_UNIT_NET_PKI_H
#define TESTS_UNIT_NET_PKI_H
#include "lib/net/x509.h"

#include <check.h>
#include <time.h>

struct pki {
    struct buffer ca_key, ca_cert;
    struct buffer server_key, server_cert; /* For localhost and 127.0.0.1. */
    struct buffer client_key, client_cert; /* CN alice, O dev and ops. */
};

static inline void pki_issue(const struct pki *pki, const struct x509_subject *subject,
                             unsigned usages, struct buffer *key, struct buffer *cert)
{
    struct buffer public_pem;
    buffer_init(&public_pem, 1 << 16);
    buffer_init(key, 1 << 16);
    buffer_init(cert, 1 << 16);
    ck_assert_int_eq(x509_make_key(key, NULL), 0);
    ck_assert_int_eq(x509_public_key(buffer_slice(key), &public_pem, NULL), 0);
    struct x509_sign_options options = {
        .ca_cert_pem = buffer_slice(&pki->ca_cert),
        .ca_key_pem = buffer_slice(&pki->ca_key),
        .public_pem = buffer_slice(&public_pem),
        .subject = subject,
        .usages = usages,
        .not_before_s = time(NULL) - 60,
        .not_after_s = time(NULL) + 3600,
    };
    ck_assert_int_eq(x509_sign(&options, cert, NULL), 0);
    buffer_release(&public_pem);
}

static inline void pki_init(struct pki *pki)
{
    static const char *const organizations[] = {"dev", "ops"};
    static const char *const dns[] = {"localhost"};
    static const char *const addresses[] = {"127.0.0.1"};
    const struct x509_subject server = {.common_name = "server",
                                        .dns_names = dns,
                                        .dns_name_count = 1,
                                        .addresses = addresses,
                                        .address_count = 1};
    const struct x509_subject client = {
        .common_name = "alice", .organizations = organizations, .organization_count = 2};
    buffer_init(&pki->ca_key, 1 << 16);
    buffer_init(&pki->ca_cert, 1 << 16);
    ck_assert_int_eq(x509_make_key(&pki->ca_key, NULL), 0);
    ck_assert_int_eq(x509_make_ca(buffer_slice(&pki->ca_key), "test-ca", time(NULL) - 60,
                                  time(NULL) + 3600, &pki->ca_cert, NULL),
                     0);
    pki_issue(pki, &server, X509_USAGE_SERVER, &pki->server_key, &pki->server_cert);
    pki_issue(pki, &client, X509_USAGE_CLIENT, &pki->client_key, &pki->client_cert);
}

static inline void pki_release(struct pki *pki)
{
    struct buffer *all[] = {&pki->ca_key,      &pki->ca_cert,    &pki->server_key,
                            &pki->server_cert, &pki->client_key, &pki->client_cert};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        buffer_release(all[i]);
    }
}
#endif
