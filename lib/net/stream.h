/* Byte streams over TCP or unix sockets, with or without TLS: connect, listen, read, write, close.
 * One loop per stream; every call is made, and every callback runs, on that loop's thread.
 * Life: whoever gets a stream owns it and ends it with net_stream_close(), once, at any time, also
 * inside any of its callbacks; after that no callback runs any more. */
#ifndef LIB_NET_STREAM_H
#define LIB_NET_STREAM_H
#include "lib/net/chunk.h"
#include "lib/net/loop.h"
#include "lib/net/tls.h"

struct net_stream;

enum { NET_HOST_MAX = 256 };

/* host:port, or a unix socket when `port` is 0 and `host` starts with '/'. */
struct net_address {
    char host[NET_HOST_MAX];
    uint16_t port;
};
/* Reads "host:port", "[::1]:port", "unix:///path", "unix:/path", and the same after "http://",
 * "https://" or "tcp://". -EINVAL otherwise. Port 0 is allowed (listen: any free port). */
MUST_USE int net_address_parse(const char *text, struct net_address *ret_address);
static inline bool net_address_is_unix(const struct net_address *address)
{
    return address->host[0] == '/';
}

/* Connects, resolving names off the loop, and does the TLS handshake when `tls` is not NULL (it is
 * referenced; the server's name is checked against `server_name`, or the address's host when that
 * is NULL). `connected` runs once, later: with 0 and a stream that the callee owns, or with a
 * negative errno (-ETIMEDOUT, -ECONNREFUSED, -EPROTO for a failed handshake) and a message. */
struct net_connect_options {
    const struct net_address *address; /* Copied. */
    struct tls_config *tls;
    const char *server_name;
    uint64_t timeout_ms; /* For all of it; 0: NET_CONNECT_TIMEOUT_MS. */
    /* An open stream whose other end leads to `address`: bytes go over it (TLS, too, also when it
     * has TLS of its own), nothing is connected. Taken over in every case. NULL: none. */
    struct net_stream *base_consume;
};
typedef void (*net_connected)(void *data, int status, const char *message,
                              struct net_stream *stream);
struct net_connect;
/* Returns a handle that is valid until `connected` runs. */
struct net_connect *net_stream_connect(struct loop *loop, const struct net_connect_options *options,
                                       net_connected connected, void *data);
void net_connect_cancel(struct net_connect *connect); /* `connected` will not run. */
/* `message` (of `connected`, or of an HTTP client's on_end) in the words of Go's net package, as
 * people and clients of Kubernetes know them: "dial tcp 10.0.0.1:443: connect: connection refused",
 * "EOF". In the arena, or `message` itself. */
struct arena;
const char *net_error_words(struct arena *arena, int status, const char *message);

/* Callbacks of the owner. Any may be NULL. */
struct net_stream_events {
    void (*on_read)(void *data, struct slice bytes); /* Borrowed for the call. */
    /* Nothing more will be read: status 0 when the peer ended its side in order, else a negative
     * errno. Once. The stream still has to be closed; after 0 it can still be written to. */
    void (*on_end)(void *data, int status);
    /* The write queue, having been at NET_WRITE_HIGH_BYTES or more, is below NET_WRITE_LOW_BYTES.
     */
    void (*on_drain)(void *data);
};
/* Sets the events (kept by reference: static const) and starts reading. */
void net_stream_start(struct net_stream *stream, const struct net_stream_events *events,
                      void *data);
void net_stream_pause(struct net_stream *stream); /* Stops on_read: back-pressure to the peer. */
void net_stream_resume(struct net_stream *stream);

/* Queues bytes (copied); sent at the end of the loop's turn. Returns the bytes now queued: stop
 * writing at NET_WRITE_HIGH_BYTES and go on at on_drain. A queue over NET_WRITE_QUEUE_BYTES_MAX
 * ends the stream with -ENOBUFS. Errors show up in on_end. No-op after an error. */
size_t net_stream_write(struct net_stream *stream, struct slice bytes);
/* A part of a chunk, which it references. */
size_t net_stream_write_chunk_part(struct net_stream *stream, struct chunk *chunk,
                                   struct slice part);
size_t net_stream_queued(const struct net_stream *stream);
void net_stream_flush(struct net_stream *stream);    /* Sends now rather than at the turn's end. */
void net_stream_shutdown(struct net_stream *stream); /* Ends our side after what is queued. */
/* Closes at once; queued bytes are given up. `closed` (may be NULL) runs later, when the stream is
 * gone. */
void net_stream_close(struct net_stream *stream, void (*closed)(void *data), void *data);
/* Closes after what is queued has been sent, or after NET_LINGER_MS; no callback runs any more. */
void net_stream_finish(struct net_stream *stream);

struct loop *net_stream_loop(const struct net_stream *stream);
/* NULL without TLS. Valid as long as the stream. */
const struct tls_peer *net_stream_tls_peer(const struct net_stream *stream);
/* Round trips to the peer take so many microseconds, as the kernel has it; 0: not known. */
uint32_t net_stream_round_trip_us(const struct net_stream *stream);
const char *net_stream_peer_address(const struct net_stream *stream); /* "10.0.0.1:4711", "unix" */

/* Accepts connections and hands them out evenly over `loops`. With TLS, `on_stream` runs after the
 * handshake (limit NET_TLS_HANDSHAKE_TIMEOUT_MS); a failed one is only counted. */
struct net_listener;
struct net_listen_options {
    struct loop *const *loops; /* loops[0] accepts; a stream lives on one of them. Copied. */
    size_t loop_count;
    const struct net_address *address;
    struct tls_config *tls; /* NULL for none; referenced. */
    /* Runs on the stream's loop; the callee owns the stream. */
    void (*on_stream)(void *data, struct net_stream *stream);
    void *data;
};
/* May be called on any thread before the loops run, else on loops[0]. Returns 0 or a negative errno
 * (-EADDRINUSE, ...) with a message. A unix path is unlinked first. */
MUST_USE int net_listen(const struct net_listen_options *options,
                        struct net_listener **ret_listener, struct error *reterr);
uint16_t net_listener_port(const struct net_listener *listener); /* The real one after port 0. */
/* Stops accepting; `closed` (may be NULL) runs on loops[0] when no on_stream can come any more. */
void net_listener_close(struct net_listener *listener, void (*closed)(void *data), void *data);
#endif
