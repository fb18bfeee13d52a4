/* HTTP server: one exchange type for HTTP/1.1 (RFC 9112) and HTTP/2 (RFC 9113). Knows nothing of
 * what it carries.
 *
 * Threads: an exchange belongs to one loop (http_exchange_loop()); every function here, except
 * ref and unref, is called on that loop's thread. Work elsewhere comes back with loop_post().
 *
 * Life of an exchange: it is lent to the handler for the call. A handler that answers later takes
 * a reference (http_exchange_ref) before it returns and drops it (http_exchange_unref) after its
 * last use. The client may go away at any moment: on_abort then runs once, and from there on every
 * function is a harmless no-op (writes report 0 bytes queued) until the references are dropped. The
 * request (method, path, headers, body, arena, peer) stays readable as long as a reference is
 * held. A handler that returns without an answer and without a reference causes a 500. */
#ifndef LIB_NET_HTTP_H
#define LIB_NET_HTTP_H
#include "lib/base/arena.h"
#include "lib/net/stream.h"
#include <strings.h>

struct http_exchange;
struct http_server;

struct http_header {
    struct slice name; /* Responses: lower case. Must not be connection, transfer-encoding, ... */
    struct slice value;
};
static inline struct http_header http_header(const char *name, const char *value)
{
    return (struct http_header){slice_text(name), slice_text(value)};
}
/* Whether a field has that name, in any case. */
static inline bool http_name_is(struct slice name, const char *wanted)
{
    return name.len == strlen(wanted) &&
           strncasecmp((const char *)name.data, wanted, name.len) == 0;
}

/* ---- What handles requests ---- */
struct http_handler {
    /* Optional: runs when the headers are there. True: this request's body is to be streamed (see
     * http_on_body) and on_request does not run. It may also answer at once and return false. */
    bool (*on_headers)(void *data, struct http_exchange *exchange);
    /* The request is complete, its body (at most body_bytes_max, else the client got 413) too. */
    void (*on_request)(void *data, struct http_exchange *exchange);
    /* Optional: words the answer (http_respond) to a body over body_bytes_max, in on_request's
     * place and before the body's end. Without it, or when it does not answer: plain text. */
    void (*on_too_large)(void *data, struct http_exchange *exchange);
    /* Optional: the memory budget (loop_set_memory) has no room for this request. Answers that
     * (http_respond) in on_request's place, perhaps before the body's end, and returns true; or
     * returns false to have it served all the same. Without it all are served. */
    bool (*on_short_memory)(void *data, struct http_exchange *exchange);
    void *data;
};

/* ---- The request ---- */
struct loop *http_exchange_loop(struct http_exchange *exchange);
struct http_exchange *http_exchange_ref(struct http_exchange *exchange); /* Any thread. */
void http_exchange_unref(struct http_exchange *exchange);                /* Any thread. */
struct slice http_method(const struct http_exchange *exchange);
struct slice http_path(const struct http_exchange *exchange);  /* Raw: before '?', not decoded. */
struct slice http_query(const struct http_exchange *exchange); /* Raw: after '?', or empty. */
struct slice http_authority(const struct http_exchange *exchange); /* Host or :authority. */
/* The first field of that name (any case), or an empty slice with data == NULL. */
struct slice http_header_find(const struct http_exchange *exchange, const char *name);
const struct http_header *http_headers(const struct http_exchange *exchange, size_t *ret_count);
/* Whether the memory budget has no room for `more` bytes; counted as a refusal. */
bool http_memory_is_lacking(struct http_exchange *exchange, size_t more);
struct slice http_body(const struct http_exchange *exchange); /* Whole; empty when streamed. */
struct arena *http_arena(struct http_exchange *exchange);     /* Freed with the exchange. */
const struct tls_peer *http_tls_peer(const struct http_exchange *exchange); /* NULL: plaintext. */
const char *http_peer_address(const struct http_exchange *exchange);
int http_version(const struct http_exchange *exchange); /* 1 or 2. */
bool http_is_aborted(const struct http_exchange *exchange);

/* ---- A streamed request body ---- */
/* `piece` runs for each piece (borrowed for the call) and a last time with end == true, which may
 * come with no bytes. To be called inside on_headers. The client may send HTTP2_WINDOW_BYTES ahead
 * of http_body_consumed(). */
void http_on_body(struct http_exchange *exchange,
                  void (*piece)(void *data, struct slice bytes, bool end), void *data);
void http_body_consumed(struct http_exchange *exchange, size_t bytes);

/* ---- The response ---- */
/* Answers whole. content-length is added; nothing is sent as body to HEAD, 204 and 304. */
void http_respond(struct http_exchange *exchange, unsigned status,
                  const struct http_header *headers, size_t header_count, struct slice body);
/* The same from shared chunks, referenced until sent: no copy. */
void http_respond_shared(struct http_exchange *exchange, unsigned status,
                         const struct http_header *headers, size_t header_count,
                         struct chunk *const *chunks, size_t chunk_count);
/* Answers piece by piece: chunked, or DATA frames, or by content-length when a header gives it. */
void http_respond_start(struct http_exchange *exchange, unsigned status,
                        const struct http_header *headers, size_t header_count);
/* Both return the bytes queued for this exchange: stop at NET_WRITE_HIGH_BYTES until on_drain. */
size_t http_write(struct http_exchange *exchange, struct slice bytes);
size_t http_write_shared(struct http_exchange *exchange, struct chunk *chunk); /* References it. */
/* Sends now what was queued, as far as the wire can. Not inside of a callback of the connection: it
 * may end exchanges. */
void http_flush(struct http_exchange *exchange);
size_t http_queued(const struct http_exchange *exchange);
void http_finish(struct http_exchange *exchange);
void http_finish_trailers(struct http_exchange *exchange, const struct http_header *trailers,
                          size_t trailer_count);
/* Ends the exchange without a proper end (connection closed, or stream reset). */
void http_abort(struct http_exchange *exchange);
/* Lets the response be gzip-encoded if the client accepts it and it is worth it. Before the
 * response; a streamed one is compressed and flushed per write only when `streamed`. */
void http_allow_gzip(struct http_exchange *exchange, bool streamed);
/* The queue has drained below NET_WRITE_LOW_BYTES. One callback; NULL clears. */
void http_on_drain(struct http_exchange *exchange, void (*drain)(void *data), void *data);
/* The client is gone before the response was complete; once. One callback; NULL clears. */
void http_on_abort(struct http_exchange *exchange, void (*abort)(void *data), void *data);
/* The server begins to close gracefully: what would go on for long is to end now, properly. Never
 * from inside of another callback of the exchange; once, if it is open then, or upgraded and still
 * referenced. One that asks later ends with the server's grace. One callback; NULL clears. */
void http_on_closing(struct http_exchange *exchange, void (*closing)(void *data), void *data);
/* The server has closed the exchange after the whole response was handed to the transport, or
 * after an abort; once, always last. For accounting. */
void http_on_done(struct http_exchange *exchange, void (*done)(void *data), void *data);
unsigned http_response_status(const struct http_exchange *exchange); /* 0 before the response. */

/* Answers 101 with these headers (connection and upgrade are added: `protocol`) and hands the
 * connection over; it starts with any bytes that the client sent ahead. The caller owns the stream
 * and closes it; the exchange is over. Returns 0, or -EPROTO when the request asked for no upgrade
 * (or came by HTTP/2), -ECONNABORTED when the client is gone; then nothing was sent. */
MUST_USE int http_upgrade(struct http_exchange *exchange, const char *protocol,
                          const struct http_header *headers, size_t header_count,
                          struct net_stream **ret_stream);
/* Answers a WebSocket request (websocket.h) with 101 and the chosen sub-protocol (NULL: none); the
 * exchange goes on: each http_write() sends one message, of text (UTF-8) or of bytes, and
 * http_finish() ends it in order. What the client sends is passed over; when it closes, it is gone
 * (http_on_abort). False: it is no such request, or too late; nothing was sent. */
bool http_respond_messages(struct http_exchange *exchange, const char *protocol, bool text);
/* True when "Connection: upgrade" and "Upgrade: <protocol>" (any case) are there. */
bool http_wants_upgrade(const struct http_exchange *exchange, const char *protocol);

/* ---- The server ---- */
/* Zero means the default of limits.h. */
struct http_server_options {
    struct loop *const *loops; /* Connections are spread over them. */
    size_t loop_count;
    const struct net_address *address;
    struct tls_config *tls;             /* NULL: plaintext, with HTTP/2 by prior knowledge. */
    const struct http_handler *handler; /* Copied. NULL: everything is 404. */
    const struct http_handler *grpc; /* HTTP/2 with content-type application/grpc*; NULL: none. */
    size_t body_bytes_max;
    uint32_t streams_max;
    uint64_t idle_timeout_ms;
    uint64_t header_timeout_ms;
};
/* Serves at once. May be called before the loops run, or on loops[0]. Returns 0 or a negative errno
 * with a message. */
MUST_USE int http_server_listen(const struct http_server_options *options,
                                struct http_server **ret_server, struct error *reterr);
uint16_t http_server_port(const struct http_server *server);
size_t http_server_connections(const struct http_server *server); /* Any thread. */
/* Stops accepting, ends idle connections, lets running exchanges go on for `grace_ms`, then aborts
 * them. `closed` (may be NULL) runs on loops[0] when all is gone. The loops must go on running.
 * Call on loops[0]. */
void http_server_close(struct http_server *server, uint64_t grace_ms, void (*closed)(void *data),
                       void *data);

/* The reason phrase of a status: "Not Found"; "" when unknown. */
const char *http_reason(unsigned status);
/* Percent-decodes a query component ('+' is a space) or path segment into the arena; -EINVAL on a
 * broken escape. */
MUST_USE int http_unescape(struct arena *arena, struct slice text, bool is_query,
                           struct slice *ret_text);
/* Finds `name` in a raw query: the decoded value of its first occurrence. 0 or -ENOENT, -EINVAL. */
MUST_USE int http_query_find(struct arena *arena, struct slice query, const char *name,
                             struct slice *ret_value);
/* Iterates over the parameters: *at starts at 0. False at the end (or at a broken escape). */
bool http_query_next(struct arena *arena, struct slice query, size_t *at, struct slice *ret_name,
                     struct slice *ret_value);
#endif
