/* Keys, certificates and signing requests. */
#include "lib/net/x509.h"

#include "lib/base/alloc.h"
#include "lib/net/x509_private.h"
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

int x509_openssl_error(struct error *reterr, int code, const char *what)
{
    char reason[160] = "";
    unsigned long number = ERR_peek_last_error();
    if (number != 0) {
        ERR_error_string_n(number, reason, sizeof(reason));
    }
    ERR_clear_error();
    return error_set(reterr, code, "%s: %s", what, reason[0] == '\0' ? "not valid" : reason);
}

void x509_bio_freep(BIO **bio)
{
    BIO_free(*bio);
}

void x509_key_freep(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

void x509_certificate_freep(X509 **certificate)
{
    X509_free(*certificate);
}

static void request_freep(X509_REQ **request)
{
    X509_REQ_free(*request);
}

BIO *x509_bio_of(struct slice pem)
{
    assert(pem.len <= INT32_MAX);
    return BIO_new_mem_buf(pem.data, (int)pem.len);
}

EVP_PKEY *x509_private_key(struct slice pem)
{
    CLEANUP(x509_bio_freep) BIO *bio = x509_bio_of(pem);
    return PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
}

EVP_PKEY *x509_any_public_key(struct slice pem)
{
    CLEANUP(x509_bio_freep) BIO *bio = x509_bio_of(pem);
    EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    return key != NULL ? key : x509_private_key(pem);
}

X509 *x509_certificate_of(struct slice pem)
{
    CLEANUP(x509_bio_freep) BIO *bio = x509_bio_of(pem);
    return PEM_read_bio_X509(bio, NULL, NULL, NULL);
}

int x509_take_bio(BIO *bio, struct buffer *out)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    buffer_append(out, data, (size_t)len);
    return buffer_error(out);
}

static int put_key(EVP_PKEY *key, struct buffer *out, struct error *reterr)
{
    CLEANUP(x509_bio_freep) BIO *bio = BIO_new(BIO_s_mem());
    if (PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
        return x509_openssl_error(reterr, -EIO, "writing a key");
    }
    return x509_take_bio(bio, out);
}

static int put_public_key(EVP_PKEY *key, struct buffer *out, struct error *reterr)
{
    CLEANUP(x509_bio_freep) BIO *bio = BIO_new(BIO_s_mem());
    if (PEM_write_bio_PUBKEY(bio, key) != 1) {
        return x509_openssl_error(reterr, -EIO, "writing a public key");
    }
    return x509_take_bio(bio, out);
}

int x509_make_key(struct buffer *key_pem, struct error *reterr)
{
    CLEANUP(x509_key_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
    return key == NULL ? x509_openssl_error(reterr, -EIO, "making a key")
                       : put_key(key, key_pem, reterr);
}

int x509_make_rsa_key(int bits, struct buffer *key_pem, struct error *reterr)
{
    assert(bits >= 2048);
    CLEANUP(x509_key_freep) EVP_PKEY *key = EVP_RSA_gen((unsigned)bits);
    return key == NULL ? x509_openssl_error(reterr, -EIO, "making a key")
                       : put_key(key, key_pem, reterr);
}

int x509_public_key(struct slice key_pem, struct buffer *public_pem, struct error *reterr)
{
    CLEANUP(x509_key_freep) EVP_PKEY *key = x509_private_key(key_pem);
    return key == NULL ? x509_openssl_error(reterr, -EINVAL, "private key")
                       : put_public_key(key, public_pem, reterr);
}

/* ---- Names ---- */

static int set_name(X509_NAME *name, const struct x509_subject *subject)
{
    int good = 1;
    for (size_t i = 0; i < subject->organization_count; i++) {
        good &=
            X509_NAME_add_entry_by_NID(name, NID_organizationName, MBSTRING_UTF8,
                                       (const unsigned char *)subject->organizations[i], -1, -1, 0);
    }
    if (subject->common_name != NULL) {
        good &= X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                           (const unsigned char *)subject->common_name, -1, -1, 0);
    }
    return good == 1 ? 0 : -EINVAL;
}

static void add_text_name(GENERAL_NAMES *names, int type, const char *text)
{
    ASN1_IA5STRING *value = ASN1_IA5STRING_new();
    ASN1_STRING_set(value, text, -1);
    GENERAL_NAME *name = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(name, type, value);
    sk_GENERAL_NAME_push(names, name);
}

/* The subjectAltName extension; NULL in *ret_names when there is nothing for it. */
static int make_names(const struct x509_subject *subject, GENERAL_NAMES **ret_names,
                      struct error *reterr)
{
    *ret_names = NULL;
    if (subject->dns_name_count + subject->address_count + subject->uri_count == 0) {
        return 0;
    }
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    for (size_t i = 0; i < subject->dns_name_count; i++) {
        add_text_name(names, GEN_DNS, subject->dns_names[i]);
    }
    for (size_t i = 0; i < subject->uri_count; i++) {
        add_text_name(names, GEN_URI, subject->uris[i]);
    }
    for (size_t i = 0; i < subject->address_count; i++) {
        ASN1_OCTET_STRING *address = a2i_IPADDRESS(subject->addresses[i]);
        if (address == NULL) {
            GENERAL_NAMES_free(names);
            return x509_openssl_error(reterr, -EINVAL, subject->addresses[i]);
        }
        GENERAL_NAME *name = GENERAL_NAME_new();
        GENERAL_NAME_set0_value(name, GEN_IPADD, address);
        sk_GENERAL_NAME_push(names, name);
    }
    *ret_names = names;
    return 0;
}

/* ---- Certificates ---- */

int x509_add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (extension == NULL) {
        return 0;
    }
    int good = X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return good;
}

void x509_set_serial(X509 *certificate)
{
    uint8_t bytes[16];
    x509_random(bytes, sizeof(bytes));
    bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40); /* Positive, and of full length. */
    BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
}

static int add_usages(X509 *certificate, X509 *issuer, unsigned usages)
{
    bool is_ca = (usages & X509_USAGE_CA) != 0;
    bool server = (usages & X509_USAGE_SERVER) != 0;
    bool client = (usages & X509_USAGE_CLIENT) != 0;
    int good = x509_add_extension(certificate, issuer, NID_basic_constraints,
                                  is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    good &= x509_add_extension(certificate, issuer, NID_key_usage,
                               is_ca ? "critical,digitalSignature,keyCertSign,cRLSign"
                                     : "critical,digitalSignature,keyEncipherment");
    if (server || client) {
        good &= x509_add_extension(certificate, issuer, NID_ext_key_usage,
                                   server && client ? "serverAuth,clientAuth"
                                   : server         ? "serverAuth"
                                                    : "clientAuth");
    }
    good &= x509_add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
    good &= x509_add_extension(certificate, issuer, NID_authority_key_identifier, "keyid");
    return good == 1 ? 0 : -EIO;
}

struct certificate_plan {
    const struct x509_subject *subject;
    EVP_PKEY *public_key;
    X509 *issuer; /* NULL: signs itself. */
    EVP_PKEY *issuer_key;
    unsigned usages;
    int64_t not_before_s;
    int64_t not_after_s;
};

static int make_certificate(const struct certificate_plan *plan, struct buffer *out,
                            struct error *reterr)
{
    CLEANUP(x509_certificate_freep) X509 *certificate = X509_new();
    X509 *issuer = plan->issuer == NULL ? certificate : plan->issuer;
    X509_set_version(certificate, X509_VERSION_3);
    x509_set_serial(certificate);
    if (set_name(X509_get_subject_name(certificate), plan->subject) != 0) {
        return x509_openssl_error(reterr, -EINVAL, "subject");
    }
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    X509_set_pubkey(certificate, plan->public_key);
    if (ASN1_TIME_set(X509_getm_notBefore(certificate), plan->not_before_s) == NULL ||
        ASN1_TIME_set(X509_getm_notAfter(certificate), plan->not_after_s) == NULL) {
        return x509_openssl_error(reterr, -EINVAL, "validity");
    }
    GENERAL_NAMES *names = NULL;
    int status = make_names(plan->subject, &names, reterr);
    if (status != 0) {
        return status;
    }
    if (names != NULL) {
        X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, /* crit= */ 0, 0);
        GENERAL_NAMES_free(names);
    }
    if (add_usages(certificate, issuer, plan->usages) != 0 ||
        X509_sign(certificate, plan->issuer_key, EVP_sha256()) == 0) {
        return x509_openssl_error(reterr, -EIO, "signing a certificate");
    }
    CLEANUP(x509_bio_freep) BIO *bio = BIO_new(BIO_s_mem());
    if (PEM_write_bio_X509(bio, certificate) != 1) {
        return x509_openssl_error(reterr, -EIO, "writing a certificate");
    }
    return x509_take_bio(bio, out);
}

int x509_make_ca(struct slice key_pem, const char *common_name, int64_t not_before_s,
                 int64_t not_after_s, struct buffer *cert_pem, struct error *reterr)
{
    CLEANUP(x509_key_freep) EVP_PKEY *key = x509_private_key(key_pem);
    if (key == NULL) {
        return x509_openssl_error(reterr, -EINVAL, "CA key");
    }
    struct x509_subject subject = {.common_name = common_name};
    struct certificate_plan plan = {
        .subject = &subject,
        .public_key = key,
        .issuer_key = key,
        .usages = X509_USAGE_CA,
        .not_before_s = not_before_s,
        .not_after_s = not_after_s,
    };
    return make_certificate(&plan, cert_pem, reterr);
}

int x509_sign(const struct x509_sign_options *options, struct buffer *cert_pem,
              struct error *reterr)
{
    CLEANUP(x509_certificate_freep) X509 *ca = x509_certificate_of(options->ca_cert_pem);
    CLEANUP(x509_key_freep) EVP_PKEY *ca_key = x509_private_key(options->ca_key_pem);
    CLEANUP(x509_key_freep) EVP_PKEY *key = x509_any_public_key(options->public_pem);
    if (ca == NULL || ca_key == NULL || X509_check_private_key(ca, ca_key) != 1) {
        return x509_openssl_error(reterr, -EINVAL, "CA certificate and key");
    }
    if (key == NULL) {
        return x509_openssl_error(reterr, -EINVAL, "public key");
    }
    struct certificate_plan plan = {
        .subject = options->subject,
        .public_key = key,
        .issuer = ca,
        .issuer_key = ca_key,
        .usages = options->usages,
        .not_before_s = options->not_before_s,
        .not_after_s = options->not_after_s,
    };
    return make_certificate(&plan, cert_pem, reterr);
}

/* ---- Signing requests ---- */

int x509_make_csr(struct slice key_pem, const struct x509_subject *subject, struct buffer *csr_pem,
                  struct error *reterr)
{
    CLEANUP(x509_key_freep) EVP_PKEY *key = x509_private_key(key_pem);
    if (key == NULL) {
        return x509_openssl_error(reterr, -EINVAL, "private key");
    }
    CLEANUP(request_freep) X509_REQ *request = X509_REQ_new();
    X509_REQ_set_version(request, X509_REQ_VERSION_1);
    if (set_name(X509_REQ_get_subject_name(request), subject) != 0) {
        return x509_openssl_error(reterr, -EINVAL, "subject");
    }
    X509_REQ_set_pubkey(request, key);
    GENERAL_NAMES *names = NULL;
    int status = make_names(subject, &names, reterr);
    if (status != 0) {
        return status;
    }
    if (names != NULL) {
        STACK_OF(X509_EXTENSION) *extensions = NULL;
        X509V3_add1_i2d(&extensions, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT);
        X509_REQ_add_extensions(request, extensions);
        sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
        GENERAL_NAMES_free(names);
    }
    CLEANUP(x509_bio_freep) BIO *bio = BIO_new(BIO_s_mem());
    if (X509_REQ_sign(request, key, EVP_sha256()) == 0 ||
        PEM_write_bio_X509_REQ(bio, request) != 1) {
        return x509_openssl_error(reterr, -EIO, "signing a request");
    }
    return x509_take_bio(bio, csr_pem);
}

static char *text_of(const ASN1_STRING *string)
{
    unsigned char *utf8 = NULL;
    int len = ASN1_STRING_to_UTF8(&utf8, string);
    bool good = len >= 0 && memchr(utf8, 0, (size_t)len) == NULL;
    char *text = alloc_text_n(good ? (const char *)utf8 : "", good ? (size_t)len : 0);
    OPENSSL_free(utf8);
    return text;
}

static void push_text(char ***texts, size_t *count, char *text)
{
    *texts = alloc_resize(*texts, *count + 1, sizeof(**texts));
    (*texts)[(*count)++] = text;
}

static void read_request_name(X509_REQ *request, struct x509_request *into)
{
    X509_NAME *name = X509_REQ_get_subject_name(request);
    for (int i = 0; i < X509_NAME_entry_count(name); i++) {
        X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        int kind = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
        const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
        if (kind == NID_commonName) {
            free(into->common_name);
            into->common_name = text_of(value);
        } else if (kind == NID_organizationName) {
            push_text(&into->organizations, &into->organization_count, text_of(value));
        }
    }
}

static void read_request_names(X509_REQ *request, struct x509_request *into)
{
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
    GENERAL_NAMES *names = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS) {
            push_text(&into->dns_names, &into->dns_name_count, text_of(name->d.dNSName));
        } else if (name->type == GEN_URI) {
            push_text(&into->uris, &into->uri_count, text_of(name->d.uniformResourceIdentifier));
        } else if (name->type == GEN_EMAIL) {
            push_text(&into->emails, &into->email_count, text_of(name->d.rfc822Name));
        } else if (name->type == GEN_IPADD) {
            char text[INET6_ADDRSTRLEN] = "";
            int len = ASN1_STRING_length(name->d.iPAddress);
            inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress), text,
                      sizeof(text));
            push_text(&into->addresses, &into->address_count,
                      alloc_text(len == 4 || len == 16 ? text : ""));
        }
    }
    GENERAL_NAMES_free(names);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}

int x509_parse_csr(struct slice csr_pem, struct x509_request *ret_request, struct error *reterr)
{
    CLEANUP(x509_bio_freep) BIO *bio = x509_bio_of(csr_pem);
    CLEANUP(request_freep) X509_REQ *request = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    EVP_PKEY *key = request == NULL ? NULL : X509_REQ_get0_pubkey(request);
    if (key == NULL) {
        return x509_openssl_error(reterr, -EINVAL, "certificate signing request");
    }
    if (X509_REQ_verify(request, key) != 1) {
        return x509_openssl_error(reterr, -EINVAL, "signature of the certificate signing request");
    }
    CLEANUP(buffer_release) struct buffer public_pem;
    buffer_init(&public_pem, 64 * 1024);
    int status = put_public_key(key, &public_pem, reterr);
    if (status != 0) {
        return status;
    }
    struct x509_request parsed = {.common_name = alloc_text("")};
    read_request_name(request, &parsed);
    read_request_names(request, &parsed);
    parsed.public_pem = alloc_text(buffer_text(&public_pem));
    *ret_request = parsed;
    return 0;
}

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(texts[i]);
    }
    free(texts);
}

void x509_request_release(struct x509_request *request)
{
    free(request->common_name);
    free_texts(request->organizations, request->organization_count);
    free_texts(request->dns_names, request->dns_name_count);
    free_texts(request->addresses, request->address_count);
    free_texts(request->uris, request->uri_count);
    free_texts(request->emails, request->email_count);
    free(request->public_pem);
    *request = (struct x509_request){.common_name = NULL};
}

/* ---- Reading and verifying ---- */

int64_t x509_seconds_of(const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0;
    int seconds = 0;
    int good = ASN1_TIME_diff(&days, &seconds, epoch, time);
    ASN1_TIME_free(epoch);
    return good == 1 ? (int64_t)days * 86400 + seconds : 0;
}

static char *common_name_of(const X509_NAME *name)
{
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    return at < 0 ? alloc_text("")
                  : text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
}

int x509_read(struct slice cert_pem, struct x509_facts *ret_facts, struct error *reterr)
{
    CLEANUP(x509_certificate_freep) X509 *certificate = x509_certificate_of(cert_pem);
    if (certificate == NULL) {
        return x509_openssl_error(reterr, -EINVAL, "certificate");
    }
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    char *serial = BN_bn2hex(number);
    *ret_facts = (struct x509_facts){
        .common_name = common_name_of(X509_get_subject_name(certificate)),
        .issuer_common_name = common_name_of(X509_get_issuer_name(certificate)),
        .serial_hex = alloc_text(serial),
        .not_before_s = x509_seconds_of(X509_get0_notBefore(certificate)),
        .not_after_s = x509_seconds_of(X509_get0_notAfter(certificate)),
        .is_ca = X509_check_ca(certificate) == 1,
    };
    OPENSSL_free(serial);
    BN_free(number);
    return 0;
}

void x509_facts_release(struct x509_facts *facts)
{
    free(facts->common_name);
    free(facts->issuer_common_name);
    free(facts->serial_hex);
    *facts = (struct x509_facts){.common_name = NULL};
}

static int purpose_of(unsigned usage)
{
    return usage == X509_USAGE_CLIENT   ? X509_PURPOSE_SSL_CLIENT
           : usage == X509_USAGE_SERVER ? X509_PURPOSE_SSL_SERVER
                                        : X509_PURPOSE_ANY;
}

int x509_verify(struct slice cert_pem, struct slice ca_pem, unsigned usage, int64_t now_s,
                struct error *reterr)
{
    CLEANUP(x509_certificate_freep) X509 *certificate = x509_certificate_of(cert_pem);
    if (certificate == NULL) {
        return x509_openssl_error(reterr, -EINVAL, "certificate");
    }
    X509_STORE *store = X509_STORE_new();
    CLEANUP(x509_bio_freep) BIO *bio = x509_bio_of(ca_pem);
    X509 *root;
    while ((root = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        X509_STORE_add_cert(store, root);
        X509_free(root);
    }
    ERR_clear_error();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509_STORE_CTX_init(context, store, certificate, NULL);
    X509_STORE_CTX_set_time(context, 0, now_s);
    X509_STORE_CTX_set_purpose(context, purpose_of(usage));
    int good = X509_verify_cert(context);
    int why = X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    ERR_clear_error();
    return good == 1
               ? 0
               : error_set(reterr, -EACCES, "certificate: %s", X509_verify_cert_error_string(why));
}
