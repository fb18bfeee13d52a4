/* Signatures of JSON Web Tokens, digests, randomness, and PEM files. */
#include "lib/base/alloc.h"
#include "lib/net/x509_private.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    EC_HALF_MAX = 66, /* Of P-521. */
    RSA_BYTES_MIN = 256,
    RSA_BYTES_MAX = 1024,
    PEM_FILE_MAX = 1024 * 1024,
    SIGNATURE_MAX = 2048,
    RANDOM_SHARED = 512, /* Random bytes drawn at once; one request takes 16. */
};

/* ---- Digests ---- */

void x509_sha256(struct slice bytes, uint8_t ret_digest[X509_SHA256_SIZE])
{
    int good = EVP_Digest(bytes.data, bytes.len, ret_digest, NULL, EVP_sha256(), NULL);
    assert(good == 1);
    (void)good;
}

/* struct x509_digest is OpenSSL's context under a name of ours. */
static EVP_MD_CTX *digest_context(struct x509_digest *digest)
{
    return (EVP_MD_CTX *)(void *)digest;
}

struct x509_digest *x509_digest_new(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int good = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    assert(good == 1); /* Fails only without memory. */
    (void)good;
    return (struct x509_digest *)(void *)context;
}

void x509_digest_free(struct x509_digest *digest)
{
    EVP_MD_CTX_free(digest_context(digest));
}

void x509_digest_add(struct x509_digest *digest, struct slice bytes)
{
    int good = EVP_DigestUpdate(digest_context(digest), bytes.data, bytes.len);
    assert(good == 1);
    (void)good;
}

void x509_digest_end(struct x509_digest *digest, uint8_t ret_digest[X509_SHA256_SIZE])
{
    int good = EVP_DigestFinal_ex(digest_context(digest), ret_digest, NULL);
    assert(good == 1);
    (void)good;
}

void x509_hmac_sha256(struct slice key, struct slice bytes, uint8_t ret_mac[X509_SHA256_SIZE])
{
    assert(key.len <= INT32_MAX);
    static const uint8_t none[1];
    unsigned len = 0;
    const uint8_t *mac = HMAC(EVP_sha256(), key.len == 0 ? none : key.data, (int)key.len,
                              bytes.len == 0 ? none : bytes.data, bytes.len, ret_mac, &len);
    assert(mac != NULL && len == X509_SHA256_SIZE);
    (void)mac;
}

bool x509_equal_secret(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.data, b.data, a.len) == 0);
}

static void draw_random(uint8_t *ret_bytes, size_t len)
{
    assert(len <= INT32_MAX);
    if (RAND_bytes(ret_bytes, (int)len) != 1) {
        abort(); /* No key is better than one that can be guessed. */
    }
}

void x509_random(uint8_t *ret_bytes, size_t len)
{
    /* A draw takes OpenSSL microseconds, of however few bytes: small ones of a thread share one. */
    static _Thread_local struct {
        uint8_t bytes[RANDOM_SHARED];
        size_t left;
    } drawn;
    if (len > sizeof(drawn.bytes)) {
        draw_random(ret_bytes, len);
        return;
    }
    if (drawn.left < len) {
        draw_random(drawn.bytes, sizeof(drawn.bytes));
        drawn.left = sizeof(drawn.bytes);
    }
    drawn.left -= len;
    memcpy(ret_bytes, drawn.bytes + drawn.left, len);
    explicit_bzero(drawn.bytes + drawn.left, len); /* It may be a key by now. */
}

/* ---- Signatures ---- */

/* RFC 7518, section 3.1. What has no group is made with RSA keys. */
static const struct algorithm {
    const char *name, *digest;
    const char *curve; /* As a JWK names it; NULL: RSA. */
    const char *group; /* As OpenSSL names it. */
    size_t half;       /* Bytes of a coordinate, and of half a signature. */
    bool salted;       /* RSASSA-PSS, with as many bytes of salt as the digest has. */
} algorithms[] = {
    [JWS_ES256] = {"ES256", "SHA256", "P-256", "prime256v1", 32, false},
    [JWS_ES384] = {"ES384", "SHA384", "P-384", "secp384r1", 48, false},
    [JWS_ES512] = {"ES512", "SHA512", "P-521", "secp521r1", EC_HALF_MAX, false},
    [JWS_RS256] = {"RS256", "SHA256", NULL, NULL, 0, false},
    [JWS_RS384] = {"RS384", "SHA384", NULL, NULL, 0, false},
    [JWS_RS512] = {"RS512", "SHA512", NULL, NULL, 0, false},
    [JWS_PS256] = {"PS256", "SHA256", NULL, NULL, 0, true},
    [JWS_PS384] = {"PS384", "SHA384", NULL, NULL, 0, true},
    [JWS_PS512] = {"PS512", "SHA512", NULL, NULL, 0, true},
};

const char *jws_algorithm_name(enum jws_algorithm algorithm)
{
    return algorithms[algorithm].name;
}

const char *jws_algorithm_curve(enum jws_algorithm algorithm)
{
    return algorithms[algorithm].curve;
}

int jws_algorithm_find(const char *name, enum jws_algorithm *ret_algorithm)
{
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
        if (strcmp(name, algorithms[i].name) == 0) {
            *ret_algorithm = (enum jws_algorithm)i;
            return 0;
        }
    }
    return -ENOENT;
}

static int algorithm_of(EVP_PKEY *key, enum jws_algorithm *ret_algorithm)
{
    if (EVP_PKEY_is_a(key, "RSA") == 1) {
        *ret_algorithm = JWS_RS256;
        return 0;
    }
    char group[32] = "";
    if (EVP_PKEY_is_a(key, "EC") != 1 ||
        EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1) {
        return -EINVAL;
    }
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
        if (algorithms[i].group != NULL && strcmp(group, algorithms[i].group) == 0) {
            *ret_algorithm = (enum jws_algorithm)i;
            return 0;
        }
    }
    return -EINVAL;
}

/* An elliptic curve has one algorithm, an RSA key serves six. */
static bool algorithm_fits(EVP_PKEY *key, enum jws_algorithm algorithm)
{
    enum jws_algorithm own = JWS_ES256;
    return algorithm_of(key, &own) == 0 &&
           (own == algorithm || (own == JWS_RS256 && algorithms[algorithm].group == NULL));
}

int jws_algorithm_of(struct slice key_pem, enum jws_algorithm *ret_algorithm, struct error *reterr)
{
    CLEANUP(x509_key_freep) EVP_PKEY *key = x509_any_public_key(key_pem);
    if (key == NULL) {
        return x509_openssl_error(reterr, -EINVAL, "key");
    }
    if (algorithm_of(key, ret_algorithm) != 0) {
        return error_set(reterr, -EINVAL, "key: neither RSA nor ECDSA P-256, P-384 or P-521");
    }
    ERR_clear_error();
    return 0;
}

/* 1, or what OpenSSL says. */
static int use_salt(EVP_PKEY_CTX *context, const struct algorithm *algorithm)
{
    if (!algorithm->salted) {
        return 1;
    }
    int good = EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING);
    return good == 1 ? EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) : good;
}

/* DER to r || s (RFC 7518, section 3.4). */
static int put_raw(const uint8_t *der, size_t len, size_t half, struct buffer *out)
{
    const unsigned char *at = der;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)len);
    if (signature == NULL) {
        return -EIO;
    }
    uint8_t raw[2 * EC_HALF_MAX];
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, (int)half);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + half, (int)half);
    ECDSA_SIG_free(signature);
    buffer_append(out, raw, 2 * half);
    return buffer_error(out);
}

int jws_sign_by(struct slice key_pem, enum jws_algorithm algorithm, struct slice signed_part,
                struct buffer *signature, struct error *reterr)
{
    CLEANUP(x509_key_freep) EVP_PKEY *key = x509_private_key(key_pem);
    const struct algorithm *by = &algorithms[algorithm];
    if (key == NULL || !algorithm_fits(key, algorithm)) {
        return x509_openssl_error(reterr, -EINVAL, "signing key");
    }
    uint8_t bytes[SIGNATURE_MAX];
    size_t len = sizeof(bytes);
    EVP_PKEY_CTX *settings = NULL;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int good = EVP_DigestSignInit_ex(context, &settings, by->digest, NULL, NULL, key, NULL);
    good = good == 1 ? use_salt(settings, by) : 0;
    good = good == 1 ? EVP_DigestSign(context, bytes, &len, signed_part.data, signed_part.len) : 0;
    EVP_MD_CTX_free(context);
    if (good != 1) {
        return x509_openssl_error(reterr, -EIO, "signing");
    }
    if (by->group != NULL) {
        return put_raw(bytes, len, by->half, signature);
    }
    buffer_append(signature, bytes, len);
    return buffer_error(signature);
}

int jws_sign(struct slice key_pem, struct slice signed_part, struct buffer *signature,
             struct error *reterr)
{
    enum jws_algorithm algorithm = JWS_ES256;
    int status = jws_algorithm_of(key_pem, &algorithm, reterr);
    return status < 0 ? status : jws_sign_by(key_pem, algorithm, signed_part, signature, reterr);
}

/* r || s to DER. NULL when it has not the right size. */
static uint8_t *raw_to_der(struct slice signature, size_t half, size_t *ret_len)
{
    if (signature.len != 2 * half) {
        return NULL;
    }
    ECDSA_SIG *parts = ECDSA_SIG_new();
    ECDSA_SIG_set0(parts, BN_bin2bn(signature.data, (int)half, NULL),
                   BN_bin2bn(signature.data + half, (int)half, NULL));
    unsigned char *der = NULL;
    int len = i2d_ECDSA_SIG(parts, &der);
    ECDSA_SIG_free(parts);
    *ret_len = len > 0 ? (size_t)len : 0;
    return der;
}

static bool verifies(EVP_PKEY *key, const struct algorithm *by, struct slice signed_part,
                     struct slice signature)
{
    EVP_PKEY_CTX *settings = NULL;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int good = EVP_DigestVerifyInit_ex(context, &settings, by->digest, NULL, NULL, key, NULL);
    good = good == 1 ? use_salt(settings, by) : 0;
    good = good == 1 ? EVP_DigestVerify(context, signature.data, signature.len, signed_part.data,
                                        signed_part.len)
                     : 0;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return good == 1;
}

int jws_verify(struct slice public_pem, enum jws_algorithm algorithm, struct slice signed_part,
               struct slice signature, struct error *reterr)
{
    CLEANUP(x509_key_freep) EVP_PKEY *key = x509_any_public_key(public_pem);
    const struct algorithm *by = &algorithms[algorithm];
    enum jws_algorithm own = JWS_ES256;
    if (key == NULL || algorithm_of(key, &own) != 0) {
        return x509_openssl_error(reterr, -EINVAL, "verification key");
    }
    ERR_clear_error();
    if (!algorithm_fits(key, algorithm)) {
        return error_set(reterr, -EACCES, "the token's algorithm does not fit the key");
    }
    uint8_t *der = NULL;
    struct slice raw = signature;
    if (by->group != NULL) {
        size_t len = 0;
        der = raw_to_der(signature, by->half, &len);
        if (der == NULL) {
            return error_set(reterr, -EACCES, "signature: wrong length");
        }
        raw = slice_of(der, len);
    }
    bool good = verifies(key, by, signed_part, raw);
    OPENSSL_free(der);
    return good ? 0 : error_set(reterr, -EACCES, "signature: does not verify");
}

static int put_number(EVP_PKEY *key, const char *name, size_t width, struct buffer *out)
{
    BIGNUM *number = NULL;
    if (EVP_PKEY_get_bn_param(key, name, &number) != 1) {
        return -EIO;
    }
    size_t len = (size_t)BN_num_bytes(number);
    len = width > len ? width : len;
    uint8_t *to = buffer_reserve(out, len);
    if (to != NULL) {
        BN_bn2binpad(number, to, (int)len);
        buffer_commit(out, len);
    }
    BN_free(number);
    return buffer_error(out);
}

static EVP_PKEY *key_of_parameters(const char *type, OSSL_PARAM *parameters)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
        key = NULL;
    }
    EVP_PKEY_CTX_free(context);
    return key;
}

static EVP_PKEY *make_ec(const struct algorithm *by, struct slice x, struct slice y)
{
    uint8_t point[1 + 2 * EC_HALF_MAX] = {POINT_CONVERSION_UNCOMPRESSED};
    char group[32];
    if (x.len > by->half || y.len > by->half || x.len == 0 || y.len == 0) {
        return NULL;
    }
    (void)snprintf(group, sizeof(group), "%s", by->group);
    memcpy(point + 1 + by->half - x.len, x.data, x.len);
    memcpy(point + 1 + 2 * by->half - y.len, y.data, y.len);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * by->half),
        OSSL_PARAM_construct_end()};
    return key_of_parameters("EC", parameters);
}

static EVP_PKEY *make_rsa(struct slice n, struct slice e)
{
    EVP_PKEY *key = NULL;
    if (n.len < RSA_BYTES_MIN || n.len > RSA_BYTES_MAX || e.len == 0 || e.len > sizeof(uint64_t)) {
        return NULL;
    }
    BIGNUM *modulus = BN_bin2bn(n.data, (int)n.len, NULL);
    BIGNUM *exponent = BN_bin2bn(e.data, (int)e.len, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    OSSL_PARAM *parameters = NULL;
    if (OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) == 1) {
        parameters = OSSL_PARAM_BLD_to_param(build);
    }
    if (parameters != NULL) {
        key = key_of_parameters("RSA", parameters);
    }
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(build);
    BN_free(modulus);
    BN_free(exponent);
    return key;
}

int jws_make_public(enum jws_algorithm algorithm, struct slice first, struct slice second,
                    struct buffer *public_pem, struct error *reterr)
{
    CLEANUP(x509_key_freep)
    EVP_PKEY *key = algorithms[algorithm].group != NULL
                        ? make_ec(&algorithms[algorithm], first, second)
                        : make_rsa(first, second);
    if (key == NULL) {
        return x509_openssl_error(reterr, -EINVAL, "key parameters");
    }
    BIO *bio = BIO_new(BIO_s_mem());
    const char *text = NULL;
    if (PEM_write_bio_PUBKEY(bio, key) == 1) {
        long len = BIO_get_mem_data(bio, &text);
        buffer_append(public_pem, text, (size_t)len);
    }
    BIO_free(bio);
    ERR_clear_error();
    return text == NULL ? -EIO : buffer_error(public_pem);
}

int jws_public_parameters(struct slice public_pem, enum jws_algorithm *ret_algorithm,
                          struct buffer *first, struct buffer *second, struct error *reterr)
{
    CLEANUP(x509_key_freep) EVP_PKEY *key = x509_any_public_key(public_pem);
    enum jws_algorithm algorithm = JWS_ES256;
    if (key == NULL || algorithm_of(key, &algorithm) != 0) {
        return x509_openssl_error(reterr, -EINVAL, "key");
    }
    bool is_ec = algorithms[algorithm].group != NULL;
    size_t width = algorithms[algorithm].half;
    int status =
        put_number(key, is_ec ? OSSL_PKEY_PARAM_EC_PUB_X : OSSL_PKEY_PARAM_RSA_N, width, first);
    if (status == 0) {
        status = put_number(key, is_ec ? OSSL_PKEY_PARAM_EC_PUB_Y : OSSL_PKEY_PARAM_RSA_E, width,
                            second);
    }
    if (status != 0) {
        return x509_openssl_error(reterr, status, "key parameters");
    }
    *ret_algorithm = algorithm;
    return 0;
}
