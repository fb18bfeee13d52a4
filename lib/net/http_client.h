/* HTTP/1.1 client: asynchronous requests over TCP or unix sockets, TLS or not, with keep-alive
 * connections per host, streamed responses and upgrades. One loop. */
#ifndef LIB_NET_HTTP_CLIENT_H
#define LIB_NET_HTTP_CLIENT_H
#include "lib/net/http.h"

struct http_client;
struct http_call; /* One request under way. */

MUST_USE struct http_client *http_client_new(struct loop *loop);
/* Ends all calls with -ECANCELED (their on_end runs inside), closes idle connections, frees. */
void http_client_close(struct http_client *client);

struct http_call_options {
    const char *method; /* "GET" */
    /* "http://host:port/path?query" or "https://..."; checked, copied. */
    const char *url;
    const struct net_address
        *address;            /* Where to connect instead of the URL's host; may be NULL. */
    struct tls_config *tls;  /* Needed for https. */
    const char *server_name; /* NULL: the URL's host. */
    const struct http_header *headers; /* Copied. host, content-length, connection are added. */
    size_t header_count;
    struct slice body;   /* Copied. */
    const char *upgrade; /* "websocket", "SPDY/3.1": asks for an upgrade; NULL: no. */
    uint64_t timeout_ms; /* To the response's headers; 0: HTTP_CLIENT_TIMEOUT_MS. */
    bool repeatable;     /* May be sent again when a kept connection turns out to be dead; GET and
                          * HEAD always are. */
    bool no_keep_alive;  /* A connection of its own, closed afterwards. */
    struct net_stream *base_consume; /* As net_connect_options has it; then of its own. */
};

struct http_call_events {
    /* Headers are borrowed for the call. Informational (1xx) responses are not reported. */
    void (*on_response)(void *data, unsigned status, const struct http_header *headers,
                        size_t header_count);
    void (*on_body)(void *data, struct slice bytes); /* May be NULL. */
    /* Behind the body: fields of the message that could not be said before it. Borrowed for the
     * call; none that frames a message. May be NULL; does not run when there are none. */
    void (*on_trailers)(void *data, const struct http_header *trailers, size_t trailer_count);
    /* The server answered 101 (on_response ran before): the callee owns the stream, the call is
     * over, on_end does not run. May be NULL when options.upgrade is. */
    void (*on_upgrade)(void *data, struct net_stream *stream);
    /* Over: 0, or a negative errno with a message (-ECONNREFUSED, -ETIMEDOUT, -EPROTO, ...). Once,
     * last. */
    void (*on_end)(void *data, int status, const char *message);
};
/* Returns a handle that is valid until on_end or on_upgrade returns; no callback runs from inside
 * this call. A URL that cannot be used ends it with -EINVAL. */
struct http_call *http_client_request(struct http_client *client,
                                      const struct http_call_options *options,
                                      const struct http_call_events *events, void *data);
void http_call_cancel(struct http_call *call); /* No callback runs any more. */
void http_call_pause(struct http_call *call);  /* No on_body until resumed. */
void http_call_resume(struct http_call *call);
#endif
