#include "lib/net/tls_session.h"

#include "lib/base/alloc.h"
#include "lib/base/arena.h"
#include "lib/base/buffer.h"
#include "lib/net/limits.h"
#include "lib/net/tls_config.h"
#include "lib/net/tls_verify.h"
#include "lib/net/x509.h"
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { PEER_NAMES_MAX = 64, PEER_BYTES_MAX = 1024 * 1024 };

/* Records that are sent: what each adds to its bytes, and how many it has at most. */
enum { RECORD_OVERHEAD_MAX = 256, RECORD_BYTES = 16 * 1024 };

/* Neither buffer keeps memory while there is nothing in it: most sessions are idle. OpenSSL's own
 * memory BIOs do, and clear all of it, however little was used, whenever they are emptied. */
struct tls_session {
    struct tls_config *config;
    SSL *ssl;
    struct buffer in; /* Cipher bytes from the peer, of which SSL has read `in_read`. */
    size_t in_read;
    struct buffer out; /* Cipher bytes to the peer. */
    int verify_error;  /* The first thing wrong with the peer's chain, X509_V_OK when none. */
    char *refusal;     /* Why the peer was not accepted; NULL before. */
    struct peer *peer; /* NULL before the end of the handshake. */
};

/* What tls_peer_ref() counts; it lies in its own arena. */
struct peer {
    struct tls_peer facts;
    struct arena *arena;
    atomic_size_t references;
};

/* OPTIONAL lets every handshake through and remembers what was wrong: SSL's own verify result can
 * be overwritten by a later, successful step. */
static int remember_verify_error(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_session *session = SSL_get_app_data(ssl);
    if (ok == 0 && session->verify_error == X509_V_OK) {
        session->verify_error = X509_STORE_CTX_get_error(store);
    }
    return 1;
}

static int remember_refusal(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_session *session = SSL_get_app_data(ssl);
    if (ok == 0 && session->refusal == NULL) {
        CLEANUP(buffer_release) struct buffer words;
        buffer_init(&words, PEER_BYTES_MAX);
        tls_verify_words(store, &words);
        session->refusal = alloc_text(buffer_text(&words));
    }
    return ok;
}

void tls_session_set_verify(SSL_CTX *context, enum tls_verify verify)
{
    switch (verify) {
    case TLS_VERIFY_NONE:
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
        break;
    case TLS_VERIFY_OPTIONAL:
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, remember_verify_error);
        break;
    case TLS_VERIFY_REQUIRED:
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           remember_refusal);
        break;
    }
}

static void expect_name(SSL *ssl, const char *server_name)
{
    unsigned char address[16];
    if (inet_pton(AF_INET, server_name, address) == 1 ||
        inet_pton(AF_INET6, server_name, address) == 1) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), server_name);
        return;
    }
    /* SSL_set_tlsext_host_name() without the cast that drops the const. */
    SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             (void *)(uintptr_t)server_name);
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set1_host(ssl, server_name);
}

/* ---- The wire: SSL reads `in` and writes `out` ---- */

static int wire_write(BIO *bio, const char *bytes, int len)
{
    struct tls_session *session = BIO_get_data(bio);
    buffer_append(&session->out, bytes, (size_t)len);
    assert(buffer_error(&session->out) == 0); /* Callers take the output before so much. */
    return len;
}

static int wire_read(BIO *bio, char *bytes, int room)
{
    struct tls_session *session = BIO_get_data(bio);
    size_t len = session->in.len - session->in_read;
    BIO_clear_retry_flags(bio);
    if (len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    len = len < (size_t)room ? len : (size_t)room;
    memcpy(bytes, session->in.data + session->in_read, len);
    session->in_read += len;
    if (session->in_read == session->in.len) {
        buffer_release(&session->in);
        session->in_read = 0;
    }
    return (int)len;
}

static long wire_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int wire_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

BIO_METHOD *tls_session_wire_new(void)
{
    BIO_METHOD *wire = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "session");
    assert(wire != NULL);
    BIO_meth_set_write(wire, wire_write);
    BIO_meth_set_read(wire, wire_read);
    BIO_meth_set_ctrl(wire, wire_control);
    BIO_meth_set_create(wire, wire_create);
    return wire;
}

struct tls_session *tls_session_new(struct tls_config *config, const char *server_name)
{
    struct tls_session *session = alloc_zeroed(sizeof(*session));
    bool is_server = false;
    session->ssl = tls_config_make_ssl(config, &is_server);
    session->config = tls_config_ref(config);
    buffer_init(&session->in, NET_WRITE_QUEUE_BYTES_MAX);
    buffer_init(&session->out, NET_WRITE_QUEUE_BYTES_MAX);
    BIO *wire = BIO_new(tls_config_wire(config));
    assert(wire != NULL); /* Only out of memory fails here. */
    BIO_set_data(wire, session);
    SSL_set_bio(session->ssl, wire, wire);
    SSL_set_app_data(session->ssl, session);
    if (is_server) {
        SSL_set_accept_state(session->ssl);
    } else {
        SSL_set_connect_state(session->ssl);
        if (server_name != NULL) {
            expect_name(session->ssl, server_name);
        }
    }
    return session;
}

void tls_session_free(struct tls_session *session)
{
    if (session == NULL) {
        return;
    }
    SSL_free(session->ssl);
    tls_config_unref(session->config);
    buffer_release(&session->in);
    buffer_release(&session->out);
    tls_peer_unref(tls_session_peer(session));
    free(session->refusal);
    free(session);
}

void tls_session_feed(struct tls_session *session, struct slice cipher)
{
    buffer_append_slice(&session->in, cipher);
    assert(buffer_error(&session->in) == 0); /* A stream that is paused reads no more. */
}

/* ---- What the certificate says ---- */

static const char *text_of(struct arena *arena, const ASN1_STRING *string)
{
    unsigned char *utf8 = NULL;
    int len = ASN1_STRING_to_UTF8(&utf8, string);
    /* A NUL inside a name is an old trick to end it early: such a name is no name. */
    bool good = len >= 0 && memchr(utf8, 0, (size_t)len) == NULL;
    const char *text = good ? arena_text_n(arena, (const char *)utf8, (size_t)len) : "";
    OPENSSL_free(utf8);
    return text;
}

/* Room for so many, less than none meaning none, but for no more than are kept. */
static const char **names_array(struct arena *arena, int count)
{
    size_t wanted = count <= 0 ? 0 : (size_t)count;
    return arena_array(arena, wanted < PEER_NAMES_MAX ? wanted : PEER_NAMES_MAX,
                       sizeof(const char *));
}

static void read_subject(struct peer *peer, X509 *leaf)
{
    struct arena *arena = peer->arena;
    X509_NAME *subject = X509_get_subject_name(leaf);
    int count = X509_NAME_entry_count(subject);
    const char **organizations = names_array(arena, count);
    for (int i = 0; i < count; i++) {
        X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, i);
        int kind = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
        const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
        if (kind == NID_commonName) {
            peer->facts.common_name = text_of(arena, value);
        } else if (kind == NID_organizationName &&
                   peer->facts.organization_count < PEER_NAMES_MAX) {
            organizations[peer->facts.organization_count++] = text_of(arena, value);
        }
    }
    peer->facts.organizations = organizations;
}

static void read_names(struct tls_peer *peer, struct arena *arena, X509 *leaf)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    const char **dns = names_array(arena, sk_GENERAL_NAME_num(names));
    const char **uris = names_array(arena, sk_GENERAL_NAME_num(names));
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS && peer->dns_name_count < PEER_NAMES_MAX) {
            dns[peer->dns_name_count++] = text_of(arena, name->d.dNSName);
        } else if (name->type == GEN_URI && peer->uri_count < PEER_NAMES_MAX) {
            uris[peer->uri_count++] = text_of(arena, name->d.uniformResourceIdentifier);
        }
    }
    GENERAL_NAMES_free(names);
    peer->dns_names = dns;
    peer->uris = uris;
}

static int64_t time_of(const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0;
    int seconds = 0;
    int good = ASN1_TIME_diff(&days, &seconds, epoch, time);
    ASN1_TIME_free(epoch);
    return good == 1 ? (int64_t)days * 86400 + seconds : 0;
}

static const char *fingerprint_of(struct arena *arena, struct slice der)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[X509_SHA256_SIZE];
    char *text = arena_zeroed(arena, 2 * sizeof(digest) + 1);
    x509_sha256(der, digest);
    for (size_t i = 0; i < sizeof(digest); i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15];
    }
    return text;
}

static void read_certificate(struct peer *peer, X509 *leaf)
{
    peer->facts.presented = true;
    unsigned char *der = NULL;
    int len = i2d_X509(leaf, &der);
    if (len > 0 && (size_t)len < PEER_BYTES_MAX / 4) {
        peer->facts.der = arena_slice(peer->arena, slice_of(der, (size_t)len));
        peer->facts.fingerprint = fingerprint_of(peer->arena, peer->facts.der);
        read_subject(peer, leaf);
        read_names(&peer->facts, peer->arena, leaf);
        peer->facts.not_after_s = time_of(X509_get0_notAfter(leaf));
    }
    OPENSSL_free(der);
}

static void read_peer(struct tls_session *session)
{
    struct arena *arena = arena_new_tight(PEER_BYTES_MAX); /* It stays as long as the session. */
    session->peer = arena_zeroed(arena, sizeof(*session->peer));
    session->peer->arena = arena;
    atomic_init(&session->peer->references, 1);
    struct tls_peer *peer = &session->peer->facts;
    *peer =
        (struct tls_peer){.common_name = "", .fingerprint = "", .verify_message = "no certificate"};
    peer->protocol = SSL_get_version(session->ssl);
    const unsigned char *chosen = NULL;
    unsigned chosen_len = 0;
    SSL_get0_alpn_selected(session->ssl, &chosen, &chosen_len);
    peer->application = arena_text_n(arena, (const char *)chosen, chosen_len);
    X509 *leaf = SSL_get0_peer_certificate(session->ssl);
    if (leaf == NULL) {
        return;
    }
    read_certificate(session->peer, leaf);
    long result = session->verify_error != X509_V_OK ? session->verify_error
                                                     : SSL_get_verify_result(session->ssl);
    bool checked = SSL_get_verify_mode(session->ssl) != SSL_VERIFY_NONE;
    peer->verified = checked && result == X509_V_OK && peer->der.len > 0;
    peer->verify_message = peer->verified ? ""
                           : checked      ? X509_verify_cert_error_string(result)
                                          : "not checked";
}

int tls_session_handshake(struct tls_session *session, char *reason, size_t reason_size)
{
    ERR_clear_error();
    int done = SSL_do_handshake(session->ssl);
    if (done == 1) {
        read_peer(session);
        return 0;
    }
    int why = SSL_get_error(session->ssl, done);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        return -EAGAIN;
    }
    const char *text = ERR_reason_error_string(ERR_peek_error());
    if (session->refusal != NULL) {
        snprintf(reason, reason_size, "%s", session->refusal);
    } else {
        snprintf(reason, reason_size, "TLS: %s", text == NULL ? "handshake broken off" : text);
    }
    ERR_clear_error();
    return -EPROTO;
}

ssize_t tls_session_read(struct tls_session *session, uint8_t *out, size_t len)
{
    ERR_clear_error();
    int count = SSL_read(session->ssl, out, len > INT32_MAX ? INT32_MAX : (int)len);
    if (count > 0) {
        return count;
    }
    int why = SSL_get_error(session->ssl, count);
    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        return -EAGAIN;
    }
    return why == SSL_ERROR_ZERO_RETURN ? 0 : -EPROTO;
}

void tls_session_expect(struct tls_session *session, size_t len)
{
    size_t overhead = (len / RECORD_BYTES + 1) * RECORD_OVERHEAD_MAX;
    uint8_t *room = buffer_reserve(&session->out, len + overhead);
    assert(room != NULL);
    (void)room;
}

int tls_session_write(struct tls_session *session, struct slice plain)
{
    assert(plain.len > 0 && plain.len <= INT32_MAX);
    ERR_clear_error();
    int count = SSL_write(session->ssl, plain.data, (int)plain.len);
    if (count != (int)plain.len) {
        ERR_clear_error();
        return -EPROTO;
    }
    return 0;
}

void tls_session_shutdown(struct tls_session *session)
{
    ERR_clear_error();
    SSL_shutdown(session->ssl);
    ERR_clear_error();
}

struct slice tls_session_output(struct tls_session *session)
{
    return buffer_slice(&session->out);
}

void tls_session_output_sent(struct tls_session *session)
{
    buffer_release(&session->out);
}

const struct tls_peer *tls_session_peer(const struct tls_session *session)
{
    return session->peer == NULL ? NULL : &session->peer->facts;
}

/* tls_peer_ref() hands out const: the count is ours to change. */
static struct peer *peer_of(const struct tls_peer *facts)
{
    return CONTAINER_OF((struct tls_peer *)(uintptr_t)facts, struct peer, facts);
}

const struct tls_peer *tls_peer_ref(const struct tls_peer *peer)
{
    if (peer != NULL) {
        atomic_fetch_add(&peer_of(peer)->references, 1);
    }
    return peer;
}

void tls_peer_unref(const struct tls_peer *peer)
{
    if (peer != NULL && atomic_fetch_sub(&peer_of(peer)->references, 1) == 1) {
        arena_free(peer_of(peer)->arena);
    }
}
