/* One side of one TLS connection, as bytes in and bytes out: no socket, no loop. Private to
 * lib/net. */
#ifndef LIB_NET_TLS_SESSION_H
#define LIB_NET_TLS_SESSION_H
#include "lib/net/tls.h"
#include <sys/types.h>

struct tls_session;

/* `server_name` (clients: a name or an address; NULL to check none) is copied. */
MUST_USE struct tls_session *tls_session_new(struct tls_config *config, const char *server_name);
void tls_session_free(struct tls_session *session);                      /* NULL is a no-op. */
void tls_session_feed(struct tls_session *session, struct slice cipher); /* From the peer. */
/* 0 when done, -EAGAIN when it needs more from the peer, -EPROTO with a message in `reason`. There
 * may be output to send in every case. */
MUST_USE int tls_session_handshake(struct tls_session *session, char *reason, size_t reason_size);
/* Plain bytes into `out`: how many; 0 when the peer has closed; -EAGAIN; -EPROTO. */
MUST_USE ssize_t tls_session_read(struct tls_session *session, uint8_t *out, size_t len);
/* So many bytes are going to be encrypted before the output is taken: room for all at once. */
void tls_session_expect(struct tls_session *session, size_t len);
/* Encrypts all of it. 0 or -EPROTO. */
MUST_USE int tls_session_write(struct tls_session *session, struct slice plain);
void tls_session_shutdown(struct tls_session *session);       /* Says goodbye (close_notify). */
struct slice tls_session_output(struct tls_session *session); /* What is to be sent. */
void tls_session_output_sent(struct tls_session *session);    /* All of it. */
/* After the handshake. */
const struct tls_peer *tls_session_peer(const struct tls_session *session);
#endif
