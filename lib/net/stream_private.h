/* How listener.c and connect.c make streams. Private to lib/net. */
#ifndef LIB_NET_STREAM_PRIVATE_H
#define LIB_NET_STREAM_PRIVATE_H
#include "lib/net/send_queue.h"
#include "lib/net/stream.h"

/* Makes a stream of a connected socket. The fd is the stream's, also on failure. 0 or a negative
 * errno. */
MUST_USE int net_stream_adopt(struct loop *loop, int fd, bool is_unix, const char *peer_address,
                              struct net_stream **ret_stream);
/* Starts TLS; `done` runs once, later, unless the stream is closed before: 0, or a negative errno
 * with a message. The stream still has to be closed after a failure. */
void net_stream_handshake(struct net_stream *stream, struct tls_config *tls,
                          const char *server_name,
                          void (*done)(void *data, int status, const char *message), void *data);
/* Puts bytes that were read already before what is still to be read: they come first, in a later
 * turn of the loop. */
void net_stream_unread(struct net_stream *stream, struct slice bytes);
/* Nobody listens until the next net_stream_start(); what comes meanwhile waits. */
void net_stream_detach(struct net_stream *stream);
/* Calls on_read with no bytes in a later turn, unless paused then. */
void net_stream_poke(struct net_stream *stream);
/* Writes all of the queue, without a copy. */
size_t net_stream_write_queue(struct net_stream *stream, struct send_queue *queue);
#endif
