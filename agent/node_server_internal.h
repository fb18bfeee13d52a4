/* What the files of the node's server share. Not for other modules. */
#ifndef AGENT_NODE_SERVER_INTERNAL_H
#define AGENT_NODE_SERVER_INTERNAL_H
#include "agent/node_server.h"
#include "lib/base/list.h"
#include "lib/net/http.h"
#include "lib/net/http_client.h"

struct node_server {
    struct loop *loop;
    struct pod_manager *pods;
    struct runtime *runtime;
    struct http_client *http;
    struct tls_config *tls;
    struct http_server *http_server;
    struct list streams; /* Logs that follow, and bridges. */
};

/* A request's path and query, decoded, in the exchange's arena. */
struct node_request {
    struct http_exchange *exchange;
    const char *verb; /* "exec" */
    const char *namespace_name;
    const char *pod;
    const char *uid; /* NULL: not given. */
    const char *container;
};

bool node_request_flag(const struct node_request *request, const char *name); /* "1" or "true" */
/* The value of a query parameter in the arena, or NULL. */
const char *node_request_query(const struct node_request *request, const char *name);
void node_respond_text(struct http_exchange *exchange, unsigned status, const char *text);

/* Something that lives on after its request; ended when the server closes. */
struct node_stream {
    struct list node;
    void (*end)(struct node_stream *stream);
};

void node_logs(struct node_server *server, const struct node_request *request);
void node_exec(struct node_server *server, const struct node_request *request);
/* "/connect/ns/pod/port" */
void node_connect(struct node_server *server, const struct node_request *request);
#endif
