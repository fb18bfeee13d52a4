/* Certificates for the signing requests of others. */
#include "lib/net/x509_private.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

static void request_freep(X509_REQ **request)
{
    X509_REQ_free(*request);
}

static bool is_wanted(const GENERAL_NAME *name)
{
    return name->type == GEN_DNS || name->type == GEN_IPADD || name->type == GEN_EMAIL ||
           name->type == GEN_URI;
}

/* The alternative names; critical where they are all that says who it is for (RFC 5280, 4.2.1.6).
 */
static void copy_names(X509_REQ *request, X509 *certificate)
{
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
    GENERAL_NAMES *names = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);
    for (int i = sk_GENERAL_NAME_num(names) - 1; i >= 0; i--) {
        if (!is_wanted(sk_GENERAL_NAME_value(names, i))) {
            GENERAL_NAME_free(sk_GENERAL_NAME_delete(names, i));
        }
    }
    if (sk_GENERAL_NAME_num(names) > 0) {
        bool alone = X509_NAME_entry_count(X509_get_subject_name(certificate)) == 0;
        X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, alone ? 1 : 0, 0);
    }
    GENERAL_NAMES_free(names);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}

static int set_times(X509 *certificate, const X509 *ca, const struct x509_issue_options *options)
{
    int64_t last_s = x509_seconds_of(X509_get0_notAfter(ca));
    int64_t end_s = options->not_after_s < last_s ? options->not_after_s : last_s;
    bool good = ASN1_TIME_set(X509_getm_notBefore(certificate), options->not_before_s) != NULL &&
                ASN1_TIME_set(X509_getm_notAfter(certificate), end_s) != NULL;
    return good ? 0 : -EINVAL;
}

static int add_usages(X509 *certificate, X509 *ca, const struct x509_issue_options *options)
{
    CLEANUP(buffer_release) struct buffer usages;
    buffer_init(&usages, 1024);
    buffer_printf(&usages, "critical,%s", options->key_usages);
    int good = x509_add_extension(certificate, ca, NID_basic_constraints, "critical,CA:FALSE");
    if (options->key_usages[0] != '\0') {
        good &= x509_add_extension(certificate, ca, NID_key_usage, buffer_text(&usages));
    }
    if (options->extended_usages[0] != '\0') {
        good &= x509_add_extension(certificate, ca, NID_ext_key_usage, options->extended_usages);
    }
    good &= x509_add_extension(certificate, ca, NID_authority_key_identifier, "keyid");
    return good == 1 ? 0 : -EINVAL;
}

static int write_certificate(X509 *certificate, struct buffer *out, struct error *reterr)
{
    CLEANUP(x509_bio_freep) BIO *bio = BIO_new(BIO_s_mem());
    if (PEM_write_bio_X509(bio, certificate) != 1) {
        return x509_openssl_error(reterr, -EIO, "writing a certificate");
    }
    return x509_take_bio(bio, out);
}

int x509_issue(const struct x509_issue_options *options, struct buffer *cert_pem,
               struct error *reterr)
{
    CLEANUP(x509_certificate_freep) X509 *ca = x509_certificate_of(options->ca_cert_pem);
    CLEANUP(x509_key_freep) EVP_PKEY *ca_key = x509_private_key(options->ca_key_pem);
    if (ca == NULL || ca_key == NULL || X509_check_private_key(ca, ca_key) != 1) {
        return x509_openssl_error(reterr, -EINVAL, "CA certificate and key");
    }
    CLEANUP(x509_bio_freep) BIO *bio = x509_bio_of(options->csr_pem);
    CLEANUP(request_freep) X509_REQ *request = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    EVP_PKEY *key = request == NULL ? NULL : X509_REQ_get0_pubkey(request);
    if (key == NULL || X509_REQ_verify(request, key) != 1) {
        return x509_openssl_error(reterr, -EINVAL, "certificate signing request");
    }
    CLEANUP(x509_certificate_freep) X509 *certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    x509_set_serial(certificate);
    X509_set_subject_name(certificate, X509_REQ_get_subject_name(request));
    X509_set_issuer_name(certificate, X509_get_subject_name(ca));
    X509_set_pubkey(certificate, key);
    copy_names(request, certificate);
    if (set_times(certificate, ca, options) != 0 || add_usages(certificate, ca, options) != 0) {
        return x509_openssl_error(reterr, -EINVAL, "validity and usages");
    }
    if (X509_sign(certificate, ca_key, EVP_sha256()) == 0) {
        return x509_openssl_error(reterr, -EIO, "signing a certificate");
    }
    ERR_clear_error();
    return write_certificate(certificate, cert_pem, reterr);
}
