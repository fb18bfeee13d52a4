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
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ES256_HALF = 32,
    RSA_BYTES_MIN = 256,
    RSA_BYTES_MAX = 1024,
    PEM_FILE_MAX = 1024 * 1024,
    SIGNATURE_MAX = 2048
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

void x509_random(uint8_t *ret_bytes, size_t len)
{
    assert(len <= INT32_MAX);
    if (RAND_bytes(ret_bytes, (int)len) != 1) {
        abort(); /* No key is better than one that can be guessed. */
    }
}

/* ---- Signatures ---- */

static int algorithm_of(EVP_PKEY *key, enum jws_algorithm *ret_algorithm)
{
    if (EVP_PKEY_is_a(key, "RSA") == 1) {
        *ret_algorithm = JWS_RS256;
        return 0;
    }
    char group[32] = "";
    if (EVP_PKEY_is_a(key, "EC") == 1 &&
        EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
        (strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0)) {
        *ret_algorithm = JWS_ES256;
        return 0;
    }
    return -EINVAL;
}

int jws_algorithm_of(struct slice key_pem, enum jws_algorithm *ret_algorithm, struct error *reterr)
{
    CLEANUP(x509_key_freep) EVP_PKEY *key = x509_any_public_key(key_pem);
    if (key == NULL) {
        return x509_openssl_error(reterr, -EINVAL, "key");
    }
    if (algorithm_of(key, ret_algorithm) != 0) {
        return error_set(reterr, -EINVAL, "key: neither RSA nor ECDSA P-256");
    }
    ERR_clear_error();
    return 0;
}

/* DER to r || s (RFC 7518, section 3.4). */
static int put_es256(const uint8_t *der, size_t len, struct buffer *out)
{
    const unsigned char *at = der;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)len);
    if (signature == NULL) {
        return -EIO;
    }
    uint8_t raw[2 * ES256_HALF];
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, ES256_HALF);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + ES256_HALF, ES256_HALF);
    ECDSA_SIG_free(signature);
    buffer_append(out, raw, sizeof(raw));
    return buffer_error(out);
}

int jws_sign(struct slice key_pem, struct slice signed_part, struct buffer *signature,
             struct error *reterr)
{
    CLEANUP(x509_key_freep) EVP_PKEY *key = x509_private_key(key_pem);
    enum jws_algorithm algorithm = JWS_ES256;
    if (key == NULL || algorithm_of(key, &algorithm) != 0) {
        return x509_openssl_error(reterr, -EINVAL, "signing key");
    }
    uint8_t bytes[SIGNATURE_MAX];
    size_t len = sizeof(bytes);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int good = EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key);
    good = good == 1 ? EVP_DigestSign(context, bytes, &len, signed_part.data, signed_part.len) : 0;
    EVP_MD_CTX_free(context);
    if (good != 1) {
        return x509_openssl_error(reterr, -EIO, "signing");
    }
    if (algorithm == JWS_ES256) {
        return put_es256(bytes, len, signature);
    }
    buffer_append(signature, bytes, len);
    return buffer_error(signature);
}

/* r || s to DER. NULL when it has not the right size. */
static uint8_t *es256_der(struct slice signature, size_t *ret_len)
{
    if (signature.len != (size_t)2 * ES256_HALF) {
        return NULL;
    }
    ECDSA_SIG *parts = ECDSA_SIG_new();
    ECDSA_SIG_set0(parts, BN_bin2bn(signature.data, ES256_HALF, NULL),
                   BN_bin2bn(signature.data + ES256_HALF, ES256_HALF, NULL));
    unsigned char *der = NULL;
    int len = i2d_ECDSA_SIG(parts, &der);
    ECDSA_SIG_free(parts);
    *ret_len = len > 0 ? (size_t)len : 0;
    return der;
}

int jws_verify(struct slice public_pem, enum jws_algorithm algorithm, struct slice signed_part,
               struct slice signature, struct error *reterr)
{
    CLEANUP(x509_key_freep) EVP_PKEY *key = x509_any_public_key(public_pem);
    enum jws_algorithm fitting = JWS_ES256;
    if (key == NULL || algorithm_of(key, &fitting) != 0) {
        return x509_openssl_error(reterr, -EINVAL, "verification key");
    }
    ERR_clear_error();
    if (fitting != algorithm) {
        return error_set(reterr, -EACCES, "the token's algorithm does not fit the key");
    }
    uint8_t *der = NULL;
    struct slice raw = signature;
    if (algorithm == JWS_ES256) {
        size_t len = 0;
        der = es256_der(signature, &len);
        if (der == NULL) {
            return error_set(reterr, -EACCES, "signature: wrong length");
        }
        raw = slice_of(der, len);
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int good = EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key);
    good = good == 1
               ? EVP_DigestVerify(context, raw.data, raw.len, signed_part.data, signed_part.len)
               : 0;
    EVP_MD_CTX_free(context);
    OPENSSL_free(der);
    ERR_clear_error();
    return good == 1 ? 0 : error_set(reterr, -EACCES, "signature: does not verify");
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

static EVP_PKEY *make_ec(struct slice x, struct slice y)
{
    uint8_t point[1 + 2 * ES256_HALF] = {POINT_CONVERSION_UNCOMPRESSED};
    char group[] = "prime256v1";
    if (x.len > ES256_HALF || y.len > ES256_HALF || x.len == 0 || y.len == 0) {
        return NULL;
    }
    memcpy(point + 1 + ES256_HALF - x.len, x.data, x.len);
    memcpy(point + 1 + 2 * ES256_HALF - y.len, y.data, y.len);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
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
    EVP_PKEY *key = algorithm == JWS_ES256 ? make_ec(first, second) : make_rsa(first, second);
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
    bool is_ec = algorithm == JWS_ES256;
    size_t width = is_ec ? ES256_HALF : 0;
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
