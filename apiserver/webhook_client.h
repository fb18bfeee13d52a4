/* Calls to webhooks: one HTTPS POST of JSON and its answer, to a URL or to a Service, with the
 * caller's CA bundle; and questions to extension servers, which are a GET with settings of the
 * caller's. Asynchronous: connections, TLS and timers live on one io loop, callers on any
 * loop. Knows nothing of what is sent (AdmissionReview, ConversionReview). */
#ifndef APISERVER_WEBHOOK_CLIENT_H
#define APISERVER_WEBHOOK_CLIENT_H
#include "lib/base/arena.h"
#include "lib/base/slice.h"
#include <stdint.h>

struct http_header;
struct loop;
struct tls_config;
struct watch_cache;
struct webhook_client;

/* `io_loop` runs on its own thread; the cache has the Services. Both outlive the client. */
struct webhook_client *webhook_client_new(struct loop *store_loop, struct loop *io_loop,
                                          struct watch_cache *cache);
/* Pods of Services are reached through the agents of their nodes, by these settings (referenced;
 * NULL: directly, as without). Once, before the first call. */
void webhook_client_set_agents(struct webhook_client *client, struct tls_config *agent_tls);
/* On the io loop: calls that are under way are given up, without `done`. Then it may be freed. */
void webhook_client_close(struct webhook_client *client);
/* Closes what is not closed, which takes that the io loop stands still. NULL is a no-op. */
void webhook_client_free(struct webhook_client *client);

/* Where to: `url`, or a Service's path and port. Borrowed until `done`. */
struct webhook_target {
    const char *url; /* "https://host[:port]/path"; NULL: the Service. */
    const char *service_namespace;
    const char *service_name;
    const char *service_path; /* NULL is "/". */
    int32_t service_port;     /* 0 is 443. */
    struct slice ca_bundle;   /* PEM; empty: the system's roots. */
};

/* One call. Fill in the first part, zero the rest; it stays valid until `done` ran. */
struct webhook_call {
    struct webhook_target target;
    struct slice body;   /* JSON; borrowed until `done`. */
    uint64_t timeout_ms; /* For the whole call; whole seconds, a POST sends them as ?timeout=. */
    struct tls_config *identity;       /* Makes it a GET under these settings; or NULL. */
    const struct http_header *headers; /* Of a GET; as the settings borrowed until `done`. */
    size_t header_count;
    struct arena *arena; /* Gets the results. Not used by others until `done`. */
    struct loop *home;   /* `done` runs there; NULL: on the store loop. */
    void (*done)(struct webhook_call *call); /* Once, never from inside webhook_client_start(). */
    void *data;

    /* Results. 0 when there was an answer, of whatever status; else a negative errno with a
     * message that names the request, such as `Post "https://h/p?timeout=2s": EOF`. */
    int error;
    const char *message;
    unsigned status; /* HTTP. */
    struct slice answer;
    const char *etag; /* Of the answer to a GET; NULL when it has none. */
    void *state;      /* The client's. */
};

/* Any thread. More than WEBHOOK_CALLS_MAX under way: -EBUSY. An answer of more than
 * WEBHOOK_ANSWER_MAX bytes: -EMSGSIZE. Not in time: -ETIMEDOUT. */
void webhook_client_start(struct webhook_client *client, struct webhook_call *call);
/* What an answer whose status is no success says, as client libraries word it. */
const char *webhook_answer_words(struct arena *arena, const struct webhook_call *call);
#endif
