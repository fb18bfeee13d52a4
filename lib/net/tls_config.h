/* What tls_config.c and tls_session.c tell each other. Private to lib/net. */
#ifndef LIB_NET_TLS_CONFIG_H
#define LIB_NET_TLS_CONFIG_H
#include "lib/net/tls.h"
#include <openssl/ssl.h>

/* A connection under the settings of this moment. The caller frees it. */
SSL *tls_config_make_ssl(struct tls_config *config, bool *ret_is_server);
/* Makes what moves the cipher bytes of every session under the config. BIO_meth_free() it. */
BIO_METHOD *tls_session_wire_new(void);
/* Borrowed from the config. */
const BIO_METHOD *tls_config_wire(const struct tls_config *config);
/* How peers are verified, including TLS_VERIFY_OPTIONAL. */
void tls_session_set_verify(SSL_CTX *context, enum tls_verify verify);
#endif
