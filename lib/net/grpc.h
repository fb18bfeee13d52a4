/* gRPC over HTTP/2, server and client: unary, server, client and bidirectional streaming. Messages
 * are protobuf bytes that this module does not look into.
 *
 * Threads: a call belongs to one loop (grpc_call_loop(), or the channel's); all functions on that
 * loop's thread, except ref/unref and, while a reference is held, what asks for what came with the
 * headers (path, metadata, peer): that does not change any more.
 *
 * Life of a server call: lent to the handler for the call; a handler that answers later takes a
 * reference (grpc_call_ref) and drops it (grpc_call_unref) after grpc_call_finish() or whenever it
 * is done. When the client cancels, goes away, or the deadline passes, on_cancel runs once, and
 * from there on every function is a no-op until the references are dropped. */
#ifndef LIB_NET_GRPC_H
#define LIB_NET_GRPC_H
#include "lib/net/http.h"

enum grpc_code {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_ABORTED = 10,
    GRPC_OUT_OF_RANGE = 11,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
    GRPC_UNAUTHENTICATED = 16,
};
const char *grpc_code_name(enum grpc_code code); /* "NotFound" */

/* ---- Server ---- */
struct grpc_server;
struct grpc_call;

enum grpc_kind {
    GRPC_UNARY,         /* One request message, one response message. */
    GRPC_SERVER_STREAM, /* One request, many responses. */
    GRPC_CLIENT_STREAM, /* Many requests, one response. */
    GRPC_BIDI_STREAM,
};

struct grpc_method {
    const char *path; /* "/package.Service/Method"; borrowed, static. */
    enum grpc_kind kind;
    /* UNARY, SERVER_STREAM: runs when the request is complete; `request` lives as long as the call.
     * CLIENT_STREAM, BIDI_STREAM: runs when the headers are there, `request` is empty; set
     * grpc_call_on_message() inside. */
    void (*on_call)(void *data, struct grpc_call *call, struct slice request);
    void *data;
    size_t message_bytes_max; /* Of a request; 0: GRPC_MESSAGE_BYTES_MAX. */
    bool secret; /* Requests hold secrets: what was received of one is wiped with the call. */
};

MUST_USE struct grpc_server *grpc_server_new(void);
void grpc_server_free(struct grpc_server *server); /* After the http_server that uses it. */
/* Adds methods, before the server listens. A path given twice is a bug of ours. */
void grpc_server_add(struct grpc_server *server, const struct grpc_method *methods, size_t count);
enum { GRPC_CODES = 17, GRPC_DURATION_BOUNDS = 11 };
/* Upper bounds in milliseconds, ascending: those of Prometheus' client libraries. */
extern const uint64_t grpc_duration_bounds_ms[GRPC_DURATION_BOUNDS];

/* Calls since the start; those that the client gave up count as GRPC_CANCELLED. */
struct grpc_method_counts {
    uint64_t started;
    uint64_t handled[GRPC_CODES];
    uint64_t
        durations[GRPC_DURATION_BOUNDS + 1]; /* Of handled ones: up to each bound, and beyond. */
    uint64_t duration_ms;                    /* All together. */
    uint64_t received_bytes, sent_bytes;     /* Of messages and their prefixes. */
};
/* Any thread. */
void grpc_server_each_method(const struct grpc_server *server,
                             void (*each)(void *data, const struct grpc_method *method,
                                          const struct grpc_method_counts *counts),
                             void *data);
/* A call that comes by another way than gRPC's wire, which a gateway translates: what it answers.
 */
struct grpc_carrier {
    /* One message for the client, borrowed; returns the bytes queued, as grpc_call_send() does. */
    size_t (*message)(void *data, struct slice message);
    /* The end, once, unless the client goes away before. */
    void (*finish)(void *data, enum grpc_code code, const char *message);
    void *data;
};
/* Calls a method for an exchange that is lent to its handler and whose request is complete.
 * `messages` are the client's, each with its prefix (lib/net/grpc_frame.h), and borrowed; it has
 * said all then. The carrier is copied, its data must live as long as the exchange. Metadata are
 * the exchange's headers, also in their form "grpc-metadata-NAME". -ENOENT: no such method;
 * -EINVAL: a malformed grpc-timeout. */
MUST_USE int grpc_server_carry(struct grpc_server *server, struct http_exchange *exchange,
                               const char *path, struct slice messages,
                               const struct grpc_carrier *carrier);
/* For http_server_options.grpc (and .handler, when the port serves nothing else). */
const struct http_handler *grpc_server_handler(struct grpc_server *server);

struct grpc_call *grpc_call_ref(struct grpc_call *call); /* Any thread. */
void grpc_call_unref(struct grpc_call *call);            /* Any thread. */
struct loop *grpc_call_loop(struct grpc_call *call);
/* What it came by: for those who read requests of both kinds. All of the answer goes by the call.
 */
struct http_exchange *grpc_call_exchange(struct grpc_call *call);
struct slice grpc_call_metadata(const struct grpc_call *call, const char *name);
const struct tls_peer *grpc_call_tls_peer(const struct grpc_call *call);
const char *grpc_call_peer_address(const struct grpc_call *call);
struct arena *grpc_call_arena(struct grpc_call *call);
bool grpc_call_is_over(const struct grpc_call *call); /* Finished or cancelled. */

/* Streaming requests: `message` runs per message (borrowed for the call), `end` once, when the
 * client half-closes. grpc_call_pause() stops messages (the client's window fills). */
void grpc_call_on_message(struct grpc_call *call, void (*message)(void *data, struct slice bytes),
                          void (*end)(void *data), void *data);
void grpc_call_pause(struct grpc_call *call);
void grpc_call_resume(struct grpc_call *call);
/* Sends response headers before the first message (otherwise they go with it). */
void grpc_call_send_headers(struct grpc_call *call, const struct http_header *metadata,
                            size_t count);
/* Sends one message; returns the bytes queued for this call: stop at NET_WRITE_HIGH_BYTES until
 * on_drain. */
size_t grpc_call_send(struct grpc_call *call, struct slice message);
/* The same from a shared chunk: encoded once, sent to many. */
size_t grpc_call_send_shared(struct grpc_call *call, struct chunk *message);
/* Whole messages, each with its prefix (lib/net/grpc_frame.h): many for the price of one. */
size_t grpc_call_send_framed(struct grpc_call *call, struct chunk *messages);
/* Sends now what was queued, rather than at the turn's end: for those that queue much on many
 * calls, while it is still in a cache. As http_flush(). */
void grpc_call_flush(struct grpc_call *call);
size_t grpc_call_queued(const struct grpc_call *call);
void grpc_call_on_drain(struct grpc_call *call, void (*drain)(void *data), void *data);
void grpc_call_on_cancel(struct grpc_call *call, void (*cancel)(void *data), void *data);
/* Ends the call. `message` may be NULL; `details` is an encoded google.rpc.Status, or empty. */
void grpc_call_finish(struct grpc_call *call, enum grpc_code code, const char *message,
                      struct slice details);
/* grpc_call_send() and grpc_call_finish(GRPC_OK). */
void grpc_call_respond(struct grpc_call *call, struct slice message);

/* ---- Client ---- */
struct grpc_channel;
struct grpc_stream; /* One call of ours, unary or streaming. */

struct grpc_channel_options {
    const struct net_address *address; /* Copied; TCP or unix. */
    struct tls_config *tls;            /* Client config with ALPN h2, or NULL; referenced. */
    const char *authority;             /* NULL: host:port, or "localhost" for a unix socket. */
    const char *server_name;           /* For TLS; NULL: the address's host. */
    size_t message_bytes_max;          /* 0: GRPC_MESSAGE_BYTES_MAX. CRI wants 16 MiB. */
};
/* Connects at the first call, again after a loss, with back-off. */
MUST_USE struct grpc_channel *grpc_channel_new(struct loop *loop,
                                               const struct grpc_channel_options *options);
/* Ends all calls with GRPC_CANCELLED (their callbacks run inside), then frees. */
void grpc_channel_close(struct grpc_channel *channel);
bool grpc_channel_is_connected(const struct grpc_channel *channel);

struct grpc_status {
    enum grpc_code code;
    const char *message;  /* Never NULL; percent-decoded. */
    struct slice details; /* grpc-status-details-bin, decoded; often empty. */
};

struct grpc_call_options {
    const char *path;
    const struct http_header *metadata; /* Borrowed for the call; e.g. authorization. */
    size_t metadata_count;
    uint64_t timeout_ms; /* 0: none. Sent as grpc-timeout and kept here too. */
    bool fail_fast;      /* Without a connection, fail at the first failed attempt: UNAVAILABLE. */
};

/* Unary. `done` runs once, later, with the response (empty unless GRPC_OK), borrowed for the call.
 * The handle is valid until `done` or grpc_stream_cancel(). */
typedef void (*grpc_done)(void *data, const struct grpc_status *status, struct slice response);
struct grpc_stream *grpc_unary(struct grpc_channel *channel,
                               const struct grpc_call_options *options, struct slice request,
                               grpc_done done, void *data);

struct grpc_stream_events {
    void (*on_headers)(void *data); /* The response has begun (may be NULL). */
    void (*on_message)(void *data, struct slice message); /* Borrowed for the call. */
    void (*on_drain)(void *data);                         /* May be NULL. */
    /* The call is over; once, last. The handle is gone when it returns. */
    void (*on_end)(void *data, const struct grpc_status *status);
    /* One field of the server's metadata, leading or trailing; not gRPC's own. May be NULL. */
    void (*on_metadata)(void *data, struct slice name, struct slice value);
};
/* Opens a stream (any kind but unary). Messages may be sent at once; they wait for the connection.
 */
struct grpc_stream *grpc_stream_open(struct grpc_channel *channel,
                                     const struct grpc_call_options *options,
                                     const struct grpc_stream_events *events, void *data);
size_t grpc_stream_send(struct grpc_stream *stream, struct slice message); /* Bytes queued. */
void grpc_stream_close_send(struct grpc_stream *stream);                   /* Half-close. */
void grpc_stream_pause(struct grpc_stream *stream); /* No on_message until resumed. */
void grpc_stream_resume(struct grpc_stream *stream);
/* Ends it; no callback runs any more and the handle is gone. */
void grpc_stream_cancel(struct grpc_stream *stream);
#endif
