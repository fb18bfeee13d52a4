/* What the parts of the HTTP server know of each other: exchange.c (what handlers see), server.c
 * (listener, connections, time-outs), http1_server.c and http2_server.c (the two wires). Private to
 * lib/net. */
#ifndef LIB_NET_HTTP_PRIVATE_H
#define LIB_NET_HTTP_PRIVATE_H
#include "lib/base/buffer.h"
#include "lib/net/http.h"
#include "lib/net/http2_session.h"
#include "lib/net/limits.h"
#include "lib/net/send_queue.h"

struct gzip_stream;
struct http1_messages;
struct http_connection;

/* A wire. All on the connection's loop. */
struct http_wire {
    /* Sends the response's head. `more`: a body (or trailers) follows. */
    void (*send_head)(struct http_exchange *exchange, const struct http_header *headers,
                      size_t header_count, bool more);
    /* Optional: writes a piece of the body in place of exchange->out, which is empty. */
    bool (*write_now)(struct http_exchange *exchange, struct slice bytes);
    /* Bytes were added to exchange->out, or the response has been finished. */
    void (*send_body)(struct http_exchange *exchange);
    void (*body_consumed)(struct http_exchange *exchange, size_t bytes);
    /* Breaks off: reset or close. The connection may already have a reason to close. */
    void (*abort)(struct http_exchange *exchange);
    size_t (*queued)(const struct http_exchange *exchange);
    void (*flush)(struct http_exchange *exchange); /* Optional. */
    /* The connection: its stream's events, and its end. */
    void (*on_read)(struct http_connection *connection, struct slice bytes);
    void (*on_drain)(struct http_connection *connection);
    /* The server closes gracefully, or the connection has been idle too long. */
    void (*go_away)(struct http_connection *connection);
    void (*release)(struct http_connection *connection); /* Frees `state`; no more calls. */
};

/* What a connection is waiting for: decides which time-out applies. */
enum http_wait { HTTP_WAIT_IDLE, HTTP_WAIT_HEAD, HTTP_WAIT_BODY, HTTP_WAIT_NONE };

struct http_connection {
    uint32_t magic;
    atomic_size_t references; /* One while open, one per exchange. */
    struct loop *loop;
    struct http_shard *shard;
    struct net_stream *stream; /* NULL once closed or handed over. */
    const struct tls_peer *tls_peer;
    char *peer_address;
    const struct http_wire *wire; /* NULL until the first bytes told which. */
    void *state;                  /* The wire's. */
    struct list node;             /* In the shard. */
    struct list exchanges;        /* Not yet done. */
    enum http_wait wait;
    uint64_t deadline_ms; /* For `wait`, UINT64_MAX for none. */
    uint8_t first[24];    /* Until the wire is known. */
    size_t first_len;
    bool going_away;
    size_t waiting; /* Bytes that the peer had yet to take when a tick last looked. */
};

/* The connections of one server on one loop. */
struct http_shard {
    struct http_server *server;
    struct loop *loop;
    struct list connections;
    struct list upgraded; /* Exchanges that are referenced after their stream was handed over. */
    struct loop_timer tick;
    struct loop_timer grace; /* Closing: when it fires, what still runs is aborted. */
    size_t live;             /* Connections whose memory is not freed yet. */
    char date[32];           /* The date header of this second. */
    int64_t date_s;
    /* Of exchanges that are gone: saves the first block of as many as are under way at once. */
    struct arena *spare_arenas[HTTP_SPARE_ARENAS];
    size_t spare_count;
    bool closing;
};

struct http_limits {
    size_t body_bytes_max;
    uint32_t streams_max;
    uint64_t idle_timeout_ms;
    uint64_t header_timeout_ms;
};
const char *http_shard_date(struct http_shard *shard);
/* The handler for a request: gRPC by its content type, over HTTP/2. */
const struct http_handler *http_connection_handler(const struct http_connection *connection,
                                                   struct slice content_type);
const struct http_limits *http_connection_limits(const struct http_connection *connection);
void http_connection_wait(struct http_connection *connection, enum http_wait wait);
/* Aborts its exchanges and closes: at once, or after what is queued has been sent. */
void http_connection_close(struct http_connection *connection, bool linger);
/* Takes the stream away (an upgrade); the connection is closed without it. */
struct net_stream *http_connection_take_stream(struct http_connection *connection);
void http_connection_unref(struct http_connection *connection);
extern const struct http_wire http1_wire;
extern const struct http_wire http2_wire;
void http1_open(struct http_connection *connection);
void http2_open(struct http_connection *connection);
/* http1_server.c: gives up the connection for an upgrade, with what was read ahead. */
struct net_stream *http1_upgrade(struct http_exchange *exchange, struct slice head);
/* Appends the head of a 101. */
void http1_upgrade_head(const char *protocol, const struct http_header *headers,
                        size_t header_count, struct buffer *out);
/* What came behind the request is looked at again, later. */
void http1_read_on(struct http_exchange *exchange);

/* ---- http1_messages.c ---- */
void http1_messages_free(struct http1_messages *messages); /* NULL is a no-op. */
/* What is in exchange->out, as one message; and the end, when the answer is finished. */
void http1_messages_send(struct http_exchange *exchange);
void http1_messages_read(struct http_exchange *exchange, struct slice bytes); /* May close. */

enum http_response_state { HTTP_NOTHING_SENT, HTTP_STARTED, HTTP_FINISHED };

struct http_exchange {
    uint32_t magic;
    atomic_size_t references;
    struct http_connection *connection;
    struct list node; /* In the connection while it is open, or in the shard's upgraded ones. */
    struct arena *arena;
    const struct http_handler *handler;
    struct slice method;
    struct slice path;
    struct slice query;
    struct slice authority;
    const struct http_header *headers;
    size_t header_count;
    struct buffer body;
    size_t body_seen; /* Bytes of it so far. */
    struct memory_hold body_hold;
    void (*piece)(void *data, struct slice bytes, bool end);
    void *piece_data;
    bool headers_done; /* The handler has seen them. */
    bool body_done;    /* All of the request is here. */
    bool open;         /* On the wire still: false after the end or an abort. */
    bool aborted;
    bool is_head;
    bool sends_body; /* The response's status and method allow one. */
    enum http_response_state response;
    unsigned status;
    struct send_queue out; /* HTTP/2: what waits for the window. */
    bool over_high;
    struct http_header *trailers;
    size_t trailer_count;
    bool gzip_allowed;
    bool gzip_streamed;
    struct gzip_stream *gzip;
    /* HTTP/1 */
    bool keep_alive;
    bool chunked;
    bool upgrade;
    bool is_http10;
    bool no_length;                  /* gRPC: no content-length, even of an empty body. */
    struct http1_messages *messages; /* The answer is messages of a WebSocket; else NULL. */
    /* HTTP/2 */
    struct http2_stream http2;
    struct http2_fields *fields; /* A reference: what the request's slices point into. */
    struct list sending; /* In the connection's list of those that have something to send. */
    bool sent_all;       /* The stream's end, too. */
    void (*drain)(void *data);
    void *drain_data;
    void (*abort)(void *data);
    void *abort_data;
    void (*closing)(void *data);
    void *closing_data;
    void (*done)(void *data);
    void *done_data;
};

/* ---- For the wires ---- */
/* A new exchange on an open connection, referenced by it until http_exchange_close(). */
struct http_exchange *http_exchange_new(struct http_connection *connection);
/* The request's head is complete: picks the handler and asks it. It may be closed when this
 * returns. */
void http_exchange_headers(struct http_exchange *exchange);
/* A piece of the body; `end` with the last. 0, or -E2BIG when there is no room for it (413, or 429
 * was sent). */
int http_exchange_body(struct http_exchange *exchange, struct slice bytes, bool end);
/* The response is out, or the peer is gone. Runs on_abort if it was not complete, and on_done. */
void http_exchange_close(struct http_exchange *exchange, bool aborted);
/* Some of what was queued has gone. */
void http_exchange_drained(struct http_exchange *exchange);
/* An answer of the server itself. */
void http_exchange_refuse(struct http_exchange *exchange, unsigned status);
/* Whether the memory budget has no room for `more` bytes and the handler has said so: it is
 * answered. */
bool http_exchange_lacks_memory(struct http_exchange *exchange, size_t more);
/* 413, in the handler's words if it has any. */
void http_exchange_too_large(struct http_exchange *exchange);

/* ---- gzip.c ---- */
struct gzip_stream *gzip_stream_new(void);
void gzip_stream_free(struct gzip_stream *gzip);
/* Appends what `bytes` compress to; flushed so that the other side can read all of it. */
void gzip_stream_write(struct gzip_stream *gzip, struct slice bytes, bool end, struct buffer *out);
#endif
