/* Settings: certificates, roots, protocol versions, ALPN, all in an SSL_CTX that is replaced as a
 * whole on reload. */
#include "lib/net/tls_config.h"

#include "lib/base/alloc.h"
#include "lib/base/compiler.h"
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct tls_config {
    atomic_size_t references;
    bool is_server;
    pthread_mutex_t lock; /* Guards `context`. */
    SSL_CTX *context;
    BIO_METHOD *wire;
};

/* What OpenSSL says of a text in which nothing is that it looks for. */
static bool finds_nothing(unsigned long code)
{
    return code == 0 ||
           (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) ||
           (ERR_GET_LIB(code) == ERR_LIB_OSSL_DECODER && ERR_GET_REASON(code) == ERR_R_UNSUPPORTED);
}

static int set_openssl_error(struct error *reterr, const char *what)
{
    char reason[160];
    unsigned long code = ERR_get_error();
    ERR_error_string_n(code, reason, sizeof(reason));
    ERR_clear_error();
    return error_set(reterr, -EINVAL, "%s: %s", what,
                     finds_nothing(code) ? "not a PEM of that kind" : reason);
}

static void bio_freep(BIO **bio)
{
    BIO_free(*bio);
}

static void x509_freep(X509 **certificate)
{
    X509_free(*certificate);
}

static void key_freep(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static BIO *bio_of(struct slice pem)
{
    assert(pem.len <= INT32_MAX);
    return BIO_new_mem_buf(pem.data, (int)pem.len);
}

static int use_certificate(SSL_CTX *context, const struct tls_options *options,
                           struct error *reterr)
{
    CLEANUP(bio_freep) BIO *certs = bio_of(options->cert_pem);
    CLEANUP(x509_freep) X509 *leaf = PEM_read_bio_X509(certs, NULL, NULL, NULL);
    if (leaf == NULL || SSL_CTX_use_certificate(context, leaf) != 1) {
        return set_openssl_error(reterr, "certificate");
    }
    X509 *next;
    while ((next = PEM_read_bio_X509(certs, NULL, NULL, NULL)) != NULL) {
        if (SSL_CTX_add0_chain_cert(context, next) != 1) {
            X509_free(next);
            return set_openssl_error(reterr, "certificate chain");
        }
    }
    ERR_clear_error(); /* The end of the PEM is reported as an error. */
    CLEANUP(bio_freep) BIO *key_bio = bio_of(options->key_pem);
    CLEANUP(key_freep) EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
    if (key == NULL || SSL_CTX_use_PrivateKey(context, key) != 1) {
        return set_openssl_error(reterr, "private key");
    }
    if (SSL_CTX_check_private_key(context) != 1) {
        return set_openssl_error(reterr, "private key does not fit the certificate");
    }
    return 0;
}

/* `trusted`: signatures of these CAs are good. `told`: clients hear their names. */
static int use_roots(SSL_CTX *context, struct slice ca_pem, bool trusted, bool told,
                     struct error *reterr)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    CLEANUP(bio_freep) BIO *bio = bio_of(ca_pem);
    size_t count = 0;
    X509 *root;
    while ((root = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        int added = trusted ? X509_STORE_add_cert(store, root) : 1;
        if (added == 1 && told) {
            added = SSL_CTX_add_client_CA(context, root); /* Clients choose by it. */
        }
        X509_free(root);
        if (added != 1) {
            return set_openssl_error(reterr, "CA certificate");
        }
        count++;
    }
    if (count == 0) {
        return set_openssl_error(reterr, "CA certificates");
    }
    ERR_clear_error();
    return 0;
}

/* Our preference decides: HTTP/2 when both can. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *data)
{
    (void)ssl;
    int alpn = (int)(intptr_t)data;
    static const unsigned char h2[] = "\x02h2";
    static const unsigned char http1[] = "\x08http/1.1";
    unsigned char *chosen = NULL;
    if ((alpn & TLS_ALPN_H2) != 0 && SSL_select_next_proto(&chosen, out_len, h2, sizeof(h2) - 1, in,
                                                           in_len) == OPENSSL_NPN_NEGOTIATED) {
        *out = chosen;
        return SSL_TLSEXT_ERR_OK;
    }
    if ((alpn & TLS_ALPN_HTTP1) != 0 &&
        SSL_select_next_proto(&chosen, out_len, http1, sizeof(http1) - 1, in, in_len) ==
            OPENSSL_NPN_NEGOTIATED) {
        *out = chosen;
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

static void set_alpn(SSL_CTX *context, int alpn, bool is_server)
{
    if (alpn == TLS_ALPN_NONE) {
        return;
    }
    if (is_server) {
        SSL_CTX_set_alpn_select_cb(context, choose_protocol, (void *)(intptr_t)alpn);
        return;
    }
    /* RFC 7301 3.1: names in order of preference, each after its length. */
    static const unsigned char h2[] = {2, 'h', '2'};
    static const unsigned char http1[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    unsigned char wire[sizeof(h2) + sizeof(http1)];
    unsigned len = 0;
    if ((alpn & TLS_ALPN_H2) != 0) {
        memcpy(wire + len, h2, sizeof(h2));
        len += sizeof(h2);
    }
    if ((alpn & TLS_ALPN_HTTP1) != 0) {
        memcpy(wire + len, http1, sizeof(http1));
        len += sizeof(http1);
    }
    SSL_CTX_set_alpn_protos(context, wire, len);
}

static int make_context(bool is_server, const struct tls_options *options, SSL_CTX **ret_context,
                        struct error *reterr)
{
    SSL_CTX *context = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    if (context == NULL) {
        return set_openssl_error(reterr, "TLS");
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    /* TLS 1.2 only with forward secrecy and AEAD: the rest is on HTTP/2's black list. */
    SSL_CTX_set_cipher_list(context, "ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20");
    /* Go's order, too: AES of 128 bits is as safe here and a sixth cheaper. */
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                      "TLS_CHACHA20_POLY1305_SHA256");
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    int status = 0;
    if (options->cert_pem.len > 0 || is_server) {
        status = use_certificate(context, options, reterr);
    }
    if (status == 0 && options->ca_pem.len > 0) {
        status = use_roots(context, options->ca_pem, /* trusted= */ true, is_server, reterr);
    } else if (status == 0 && !is_server && options->verify != TLS_VERIFY_NONE) {
        SSL_CTX_set_default_verify_paths(context); /* 20 ms and 2 MB where a system has 140. */
    }
    if (status == 0 && options->told_ca_pem.len > 0) {
        status = use_roots(context, options->told_ca_pem, /* trusted= */ false, /* told= */ true,
                           reterr);
    }
    if (status != 0) {
        SSL_CTX_free(context);
        return status;
    }
    set_alpn(context, options->alpn, is_server);
    tls_session_set_verify(context, options->verify);
    *ret_context = context;
    return 0;
}

static int config_new(bool is_server, const struct tls_options *options,
                      struct tls_config **ret_config, struct error *reterr)
{
    SSL_CTX *context = NULL;
    int status = make_context(is_server, options, &context, reterr);
    if (status != 0) {
        return status;
    }
    struct tls_config *config = alloc_zeroed(sizeof(*config));
    atomic_init(&config->references, 1);
    config->is_server = is_server;
    config->context = context;
    config->wire = tls_session_wire_new();
    pthread_mutex_init(&config->lock, NULL);
    *ret_config = config;
    return 0;
}

int tls_config_new_server(const struct tls_options *options, struct tls_config **ret_config,
                          struct error *reterr)
{
    return config_new(/* is_server= */ true, options, ret_config, reterr);
}

int tls_config_new_client(const struct tls_options *options, struct tls_config **ret_config,
                          struct error *reterr)
{
    return config_new(/* is_server= */ false, options, ret_config, reterr);
}

struct tls_config *tls_config_ref(struct tls_config *config)
{
    atomic_fetch_add(&config->references, 1);
    return config;
}

void tls_config_unref(struct tls_config *config)
{
    if (config == NULL || atomic_fetch_sub(&config->references, 1) != 1) {
        return;
    }
    SSL_CTX_free(config->context);
    BIO_meth_free(config->wire);
    pthread_mutex_destroy(&config->lock);
    free(config);
}

int tls_config_reload(struct tls_config *config, const struct tls_options *options,
                      struct error *reterr)
{
    SSL_CTX *fresh = NULL;
    int status = make_context(config->is_server, options, &fresh, reterr);
    if (status != 0) {
        return status;
    }
    pthread_mutex_lock(&config->lock);
    SSL_CTX *old = config->context;
    config->context = fresh;
    pthread_mutex_unlock(&config->lock);
    SSL_CTX_free(old); /* Connections that use it hold their own reference. */
    return 0;
}

const BIO_METHOD *tls_config_wire(const struct tls_config *config)
{
    return config->wire;
}

SSL *tls_config_make_ssl(struct tls_config *config, bool *ret_is_server)
{
    pthread_mutex_lock(&config->lock);
    SSL *ssl = SSL_new(config->context);
    pthread_mutex_unlock(&config->lock);
    assert(ssl != NULL); /* Only out of memory fails here. */
    *ret_is_server = config->is_server;
    return ssl;
}
