/* Passes requests on to other HTTP/1.1 servers and their answers back, both as they come: the
 * agents of nodes, what Services, pods and nodes serve, extension servers. Connections upgrade
 * (exec, watch by WebSocket). What may be passed is a matter of rules; where to, of those who call.
 */
#ifndef APISERVER_PROXY_H
#define APISERVER_PROXY_H
#include "lib/net/http.h"

struct api_status;
struct apiserver;
struct link_base;
struct proxy;
struct request;

struct proxy *proxy_new(struct apiserver *server);
/* Ends its connections, once no request is under way any more; `closed` runs on an io loop. */
void proxy_close(struct proxy *proxy, void (*closed)(void *data), void *data);
void proxy_free(struct proxy *proxy); /* After that, or unused. NULL is a no-op. */

/* How an answer is looked at. Those who answer finish the request. */
struct proxy_rules {
    /* Of an answer's headers, other than those of one connection: whether it is passed back. */
    bool (*passes_back)(struct slice name);
    /* Whether an answer of this status may be passed back at all; NULL: any may. */
    bool (*may_pass)(const struct request *request, unsigned status, bool has_location);
    void (*refused)(struct request *request, unsigned status); /* When it may not. */
    /* Answers in place of a bad answer (other than 101 and 200 to 206), by the beginning of its
     * body; NULL: it is passed back. */
    void (*explain)(struct request *request, unsigned status, const char *words);
    /* Nothing came back: -ECONNREFUSED, -ETIMEDOUT, ...; net_error_words() has words for it. */
    void (*failed)(struct request *request, const char *url, int error, const char *message);
};

/* The body of a good answer, for a client that wants it as messages of a WebSocket. Static. */
struct proxy_messages {
    const char *protocol; /* Of theirs; NULL: none was offered. */
    bool base64;
};

/* Borrowed for the call, but for the rules: they are static. */
struct proxy_target {
    const struct proxy_rules *rules;
    const char *url;                   /* http:// or https:// with path and query. */
    const struct net_address *address; /* NULL: the URL's. */
    struct tls_config *tls;            /* Of https. */
    const char *server_name;           /* NULL: the URL's host. */
    const char *tunnel_url; /* Connections are made through this (pod_tunnel.h); NULL: directly. */
    const struct http_header *headers; /* proxy_request_headers() and more. */
    size_t header_count;
    struct slice body;
    const char *upgrade; /* The protocol to change to; NULL for none. Lives as the request. */
    const struct proxy_messages *messages; /* How the body goes back; NULL: as it is. */
    uint64_t silence_ms_max;               /* Until the answer's headers. */
    uint64_t time_ms_max;                  /* For all of it; 0: no limit. */
    bool keep_alive; /* The connection may serve other requests, before and after. */
    /* How a Location, and links of an HTML page, look from where the client is; NULL: they stay as
     * they are. Lives as the request. */
    const struct link_base *links;
};

/* Sends the request of `target` and passes the answer back; finishes the request in every case. On
 * the exchange's loop. The bytes held are bounded by the high-water marks of both connections. */
void proxy_pass(struct request *request, const struct proxy_target *target);

/* What the client wants to change to; NULL when it does not. In the request's arena. */
const char *proxy_upgrade(struct request *request);
/* The client's headers that are passed on, with its address, and room for `more`. In the request's
 * arena. */
struct http_header *proxy_request_headers(struct request *request, size_t more, size_t *ret_count);

/* proxy_agent.c: log, exec, attach and portforward of pods, at the node's agent. */
void handle_agent_stream(struct request *request);
/* proxy_object.c: the proxy subresource of Services, pods and nodes. */
void handle_object_proxy(struct request *request);
/* This member's certificate and the cluster's CA, for agents; NULL when it has none. */
struct tls_config *proxy_agent_tls(struct proxy *proxy);
struct tls_config *proxy_unverified_tls(struct proxy *proxy); /* For https: of Services and pods. */
#endif
