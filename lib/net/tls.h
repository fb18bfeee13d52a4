/* TLS settings and what is known of a peer. TLS 1.2 and 1.3 by OpenSSL; streams (stream.h) do the
 * handshakes. A config is immutable to its users, counted by reference, and can be given new
 * certificates while connections run. Any thread. */
#ifndef LIB_NET_TLS_H
#define LIB_NET_TLS_H
#include "lib/base/error.h"
#include "lib/base/slice.h"
#include <stdbool.h>

struct tls_config;

/* What a peer's certificate has to be. OPTIONAL never fails a handshake: a certificate that does
 * not verify is reported with verified == false, and the layer above decides (401). */
enum tls_verify { TLS_VERIFY_NONE, TLS_VERIFY_OPTIONAL, TLS_VERIFY_REQUIRED };
enum tls_alpn { TLS_ALPN_NONE = 0, TLS_ALPN_H2 = 1, TLS_ALPN_HTTP1 = 2 };

struct tls_options {
    struct slice cert_pem; /* Leaf first, then intermediates; empty on a client without one. */
    struct slice key_pem;
    struct slice
        ca_pem; /* Who may sign peers; empty: the system's roots (a client that verifies), none. */
    /* A server: names of further CAs that clients are told (many send a certificate only when its
     * CA is named). They are not trusted: the layer above judges such a certificate by `der`. */
    struct slice told_ca_pem;
    enum tls_verify verify; /* A client: REQUIRED also checks the server's name or address. */
    int alpn;               /* Bits of enum tls_alpn. */
};

/* Returns 0, or -EINVAL with a message that names what is wrong with which PEM. Drop with
 * tls_config_unref(). */
MUST_USE int tls_config_new_server(const struct tls_options *options,
                                   struct tls_config **ret_config, struct error *reterr);
MUST_USE int tls_config_new_client(const struct tls_options *options,
                                   struct tls_config **ret_config, struct error *reterr);
struct tls_config *tls_config_ref(struct tls_config *config);
void tls_config_unref(struct tls_config *config); /* NULL is a no-op. */
/* Handshakes that start later use these; -EINVAL leaves the config as it was. */
MUST_USE int tls_config_reload(struct tls_config *config, const struct tls_options *options,
                               struct error *reterr);

/* The other side, as of the handshake. Immutable and counted by reference: what a stream or an
 * exchange lends lives as long as that; keep it longer with tls_peer_ref(). Any thread. */
struct tls_peer {
    bool presented;          /* A certificate was shown. */
    bool verified;           /* ... and its chain, time and purpose are good. */
    const char *common_name; /* Never NULL. */
    const char *const *organizations;
    size_t organization_count;
    const char *const *dns_names;
    size_t dns_name_count;
    const char *const *uris;
    size_t uri_count;
    struct slice der;           /* The leaf; empty when none. */
    const char *fingerprint;    /* SHA-256 of it in hexadecimal; "" when none. */
    int64_t not_after_s;        /* Unix seconds. */
    const char *verify_message; /* Why it is not verified; "" when it is. */
    const char *protocol;       /* "TLSv1.3" */
    const char *application;    /* What ALPN chose: "h2", "http/1.1" or "". */
};
const struct tls_peer *tls_peer_ref(const struct tls_peer *peer); /* NULL gives NULL. */
void tls_peer_unref(const struct tls_peer *peer);                 /* NULL is a no-op. */
#endif
