#include "lib/net/tls_verify.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <time.h>

/* As RFC 3339 has it. */
static void print_time(struct buffer *out, const struct tm *time)
{
    char text[40] = "";
    (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", time);
    buffer_append_text(out, text);
}

/* False when the time is within those of the certificate. */
static bool print_times(X509 *certificate, struct buffer *out)
{
    const ASN1_TIME *begin = X509_get0_notBefore(certificate);
    const ASN1_TIME *end = X509_get0_notAfter(certificate);
    bool early = X509_cmp_current_time(begin) > 0;
    if (!early && X509_cmp_current_time(end) > 0) {
        return false;
    }
    struct tm now, limit = {0};
    time_t seconds = time(NULL);
    (void)gmtime_r(&seconds, &now);
    (void)ASN1_TIME_to_tm(early ? begin : end, &limit);
    buffer_append_text(out, "x509: certificate has expired or is not yet valid: current time ");
    print_time(out, &now);
    buffer_append_text(out, early ? " is before " : " is after ");
    print_time(out, &limit);
    return true;
}

static void print_address(struct buffer *out, const ASN1_OCTET_STRING *address)
{
    char text[INET6_ADDRSTRLEN] = "";
    int family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;
    if (family == AF_INET || ASN1_STRING_length(address) == 16) {
        (void)inet_ntop(family, ASN1_STRING_get0_data(address), text, sizeof(text));
    }
    buffer_append_text(out, text);
}

/* The names, or addresses, of the certificate; how many. */
static size_t print_names(X509 *certificate, int type, struct buffer *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    size_t count = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != type) {
            continue;
        }
        buffer_append_text(out, count++ == 0 ? "" : ", ");
        if (type == GEN_IPADD) {
            print_address(out, name->d.iPAddress);
        } else {
            buffer_append(out, ASN1_STRING_get0_data(name->d.dNSName),
                          (size_t)ASN1_STRING_length(name->d.dNSName));
        }
    }
    GENERAL_NAMES_free(names);
    return count;
}

static bool has_alternative_names(X509 *certificate)
{
    return X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) >= 0;
}

static void print_wrong_name(X509 *certificate, const char *wanted, bool is_address,
                             struct buffer *out)
{
    CLEANUP(buffer_release) struct buffer names;
    buffer_init(&names, 64 * 1024);
    size_t count = print_names(certificate, is_address ? GEN_IPADD : GEN_DNS, &names);
    if (is_address && count == 0) {
        buffer_printf(out,
                      "x509: cannot validate certificate for %s because it doesn't contain any IP "
                      "SANs",
                      wanted);
    } else if (!has_alternative_names(certificate)) {
        buffer_append_text(
            out, "x509: certificate relies on legacy Common Name field, use SANs instead");
    } else if (count == 0) {
        buffer_printf(out, "x509: certificate is not valid for any names, but wanted to match %s",
                      wanted);
    } else {
        buffer_printf(out, "x509: certificate is valid for %s, not %s", buffer_text(&names),
                      wanted);
    }
}

/* False when the certificate is for whom it is to be for. */
static bool print_name(X509_STORE_CTX *store, X509 *certificate, struct buffer *out)
{
    X509_VERIFY_PARAM *wanted = X509_STORE_CTX_get0_param(store);
    const char *host = X509_VERIFY_PARAM_get0_host(wanted, 0);
    char *address = X509_VERIFY_PARAM_get1_ip_asc(wanted);
    bool wrong = (host != NULL && X509_check_host(certificate, host, 0, 0, NULL) != 1) ||
                 (address != NULL && X509_check_ip_asc(certificate, address, 0) != 1);
    if (wrong) {
        print_wrong_name(certificate, address != NULL ? address : host, address != NULL, out);
    }
    OPENSSL_free(address);
    return wrong;
}

static const char unknown_authority[] = "certificate signed by unknown authority";

static const char *words_of(int error)
{
    switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_CERT_UNTRUSTED:
        return unknown_authority;
    case X509_V_ERR_INVALID_PURPOSE:
        return "certificate specifies an incompatible key usage";
    default:
        return X509_verify_cert_error_string(error);
    }
}

static const char *failure_of(X509 *certificate)
{
    switch (EVP_PKEY_get_base_id(X509_get0_pubkey(certificate))) {
    case EVP_PKEY_EC:
        return "x509: ECDSA verification failure";
    case EVP_PKEY_ED25519:
        return "x509: Ed25519 verification failure";
    default:
        return "crypto/rsa: verification error";
    }
}

/* An authority of the same name that has not signed it: the likeliest mistake. */
static void print_candidate(X509_STORE_CTX *store, X509 *certificate, struct buffer *out)
{
    STACK_OF(X509) *found = X509_STORE_CTX_get1_certs(store, X509_get_issuer_name(certificate));
    X509 *candidate = sk_X509_num(found) > 0 ? sk_X509_value(found, 0) : NULL;
    char name[256] = "";
    if (candidate != NULL && X509_NAME_get_text_by_NID(X509_get_subject_name(candidate),
                                                       NID_commonName, name, sizeof(name)) > 0) {
        buffer_printf(out,
                      " (possibly because of \"%s\" while trying to verify candidate authority "
                      "certificate \"%s\")",
                      failure_of(candidate), name);
    }
    sk_X509_pop_free(found, X509_free);
}

/* As Go goes about it: the times of the peer's certificate, its names, then the chain. */
void tls_verify_words(X509_STORE_CTX *store, struct buffer *out)
{
    X509 *certificate = X509_STORE_CTX_get0_cert(store);
    buffer_append_text(out, "tls: failed to verify certificate: ");
    if (certificate != NULL &&
        (print_times(certificate, out) || print_name(store, certificate, out))) {
        return;
    }
    certificate = X509_STORE_CTX_get_current_cert(store);
    if (certificate != NULL && print_times(certificate, out)) {
        return;
    }
    const char *words = words_of(X509_STORE_CTX_get_error(store));
    buffer_printf(out, "x509: %s", words);
    if (certificate != NULL && words == unknown_authority) {
        print_candidate(store, certificate, out);
    }
}
