#include "agent/node_server_internal.h"

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPONENT "node-server"

enum { SEGMENTS_MAX = 6 };

bool node_request_flag(const struct node_request *request, const char *name)
{
    const char *value = node_request_query(request, name);
    return value != NULL && (strcmp(value, "1") == 0 || strcmp(value, "true") == 0);
}

const char *node_request_query(const struct node_request *request, const char *name)
{
    struct slice value;
    struct arena *arena = http_arena(request->exchange);
    if (http_query_find(arena, http_query(request->exchange), name, &value) < 0) {
        return NULL;
    }
    return arena_text_n(arena, (const char *)value.data, value.len);
}

void node_respond_text(struct http_exchange *exchange, unsigned status, const char *text)
{
    struct http_header headers[] = {http_header("content-type", "text/plain; charset=utf-8")};
    http_respond(exchange, status, headers, ARRAY_LEN(headers), slice_text(text));
}

/* A member of the control plane, or an administrator. Checked in full: chain, group, name. */
static bool may_enter(const struct tls_peer *peer)
{
    if (peer == NULL || !peer->presented || !peer->verified) {
        return false;
    }
    for (size_t i = 0; i < peer->organization_count; i++) {
        if (strcmp(peer->organizations[i], "system:coracle:members") == 0 ||
            strcmp(peer->organizations[i], "system:masters") == 0) {
            return true;
        }
    }
    return false;
}

/* "/exec/ns/pod[/uid]/container" into its parts. 0 or -EINVAL. */
static int read_path(struct http_exchange *exchange, struct node_request *ret_request)
{
    struct arena *arena = http_arena(exchange);
    struct slice path = http_path(exchange);
    const char *segments[SEGMENTS_MAX] = {NULL};
    size_t count = 0;
    for (size_t at = 1; at < path.len && count < SEGMENTS_MAX;) {
        const uint8_t *slash = memchr(path.data + at, '/', path.len - at);
        size_t end = slash == NULL ? path.len : (size_t)(slash - path.data);
        struct slice decoded;
        if (http_unescape(arena, slice_of(path.data + at, end - at), false, &decoded) < 0) {
            return -EINVAL;
        }
        segments[count++] = arena_text_n(arena, (const char *)decoded.data, decoded.len);
        at = end + 1;
    }
    *ret_request = (struct node_request){.exchange = exchange, .verb = segments[0]};
    if (count == 0) {
        return -EINVAL;
    }
    bool forward = strcmp(segments[0], "portForward") == 0;
    ret_request->namespace_name = segments[1];
    ret_request->pod = segments[2];
    if (forward) {
        ret_request->uid = segments[3];
        return count >= 3 ? 0 : -EINVAL;
    }
    if (count == 4) {
        ret_request->container = segments[3];
    } else if (count == 5) {
        ret_request->uid = segments[3];
        ret_request->container = segments[4];
    }
    return 0;
}

static void on_request(void *data, struct http_exchange *exchange)
{
    struct node_server *server = data;
    struct node_request request;
    if (!may_enter(http_tls_peer(exchange))) {
        node_respond_text(exchange, 401, "Unauthorized\n");
        return;
    }
    if (read_path(exchange, &request) < 0) {
        node_respond_text(exchange, 404, "404 page not found\n");
        return;
    }
    if (strcmp(request.verb, "healthz") == 0) {
        node_respond_text(exchange, 200, "ok");
    } else if (strcmp(request.verb, "containerLogs") == 0 && request.container != NULL) {
        node_logs(server, &request);
    } else if ((strcmp(request.verb, "exec") == 0 || strcmp(request.verb, "attach") == 0) &&
               request.container != NULL) {
        node_exec(server, &request);
    } else if (strcmp(request.verb, "connect") == 0 && request.container != NULL) {
        node_connect(server, &request);
    } else if (strcmp(request.verb, "portForward") == 0) {
        node_exec(server, &request);
    } else {
        node_respond_text(exchange, 404, "404 page not found\n");
    }
}

static struct tls_options tls_options_of(struct slice cert_pem, struct slice key_pem,
                                         struct slice ca_pem)
{
    return (struct tls_options){
        .cert_pem = cert_pem,
        .key_pem = key_pem,
        .ca_pem = ca_pem,
        .verify = TLS_VERIFY_REQUIRED,
        .alpn = TLS_ALPN_HTTP1, /* Upgrades need HTTP/1.1. */
    };
}

int node_server_open(const struct node_server_config *config, struct node_server **ret_server,
                     struct error *reterr)
{
    struct tls_options tls = tls_options_of(config->cert_pem, config->key_pem, config->ca_pem);
    struct node_server *server = alloc_zeroed(sizeof(*server));
    server->loop = config->loop;
    server->pods = config->pods;
    server->runtime = config->runtime;
    server->http = config->http;
    list_init(&server->streams);
    int r = tls_config_new_server(&tls, &server->tls, reterr);
    if (r < 0) {
        free(server);
        return r;
    }
    struct net_address address = {.port = config->port};
    (void)snprintf(address.host, sizeof(address.host), "%s",
                   config->address == NULL || config->address[0] == '\0' ? "0.0.0.0"
                                                                         : config->address);
    struct http_handler handler = {.on_request = on_request, .data = server};
    struct http_server_options options = {
        .loops = &server->loop,
        .loop_count = 1,
        .address = &address,
        .tls = server->tls,
        .handler = &handler,
    };
    r = http_server_listen(&options, &server->http_server, reterr);
    if (r < 0) {
        tls_config_unref(server->tls);
        free(server);
        return r;
    }
    LOG_INFO(COMPONENT, "the node's port serves", KV_U64("port", node_server_port(server)));
    *ret_server = server;
    return 0;
}

int node_server_set_identity(struct node_server *server, struct slice cert_pem,
                             struct slice key_pem, struct slice ca_pem, struct error *reterr)
{
    struct tls_options tls = tls_options_of(cert_pem, key_pem, ca_pem);
    return tls_config_reload(server->tls, &tls, reterr);
}

uint16_t node_server_port(const struct node_server *server)
{
    return http_server_port(server->http_server);
}

struct closing {
    struct node_server *server;
    void (*closed)(void *data);
    void *data;
};

static void on_closed(void *data)
{
    struct closing *closing = data;
    void (*closed)(void *) = closing->closed;
    void *closed_data = closing->data;
    tls_config_unref(closing->server->tls);
    free(closing->server);
    free(closing);
    closed(closed_data);
}

void node_server_close(struct node_server *server, void (*closed)(void *data), void *data)
{
    while (!list_empty(&server->streams)) {
        struct node_stream *stream =
            LIST_ENTRY(list_first(&server->streams), struct node_stream, node);
        stream->end(stream);
    }
    struct closing *closing = alloc_zeroed(sizeof(*closing));
    *closing = (struct closing){.server = server, .closed = closed, .data = data};
    http_server_close(server->http_server, /* grace_ms= */ 0, on_closed, closing);
}
