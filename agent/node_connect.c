/* A pod's port for the API server: the connection of the request becomes one to the pod. */
#include "agent/node_server_internal.h"
#include "lib/base/alloc.h"
#include "lib/net/stream_pair.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { PORT_MAX = 65535, CONNECT_MS = 5000 };

struct tunnel {
    struct node_stream stream;
    struct http_exchange *exchange; /* Until it is answered. */
    struct net_connect *connect;    /* Until it is connected. */
    struct stream_pair pair;        /* From then on. */
};

static void tunnel_free(struct tunnel *tunnel)
{
    list_remove(&tunnel->stream.node);
    if (tunnel->exchange != NULL) {
        http_on_abort(tunnel->exchange, NULL, NULL);
        http_exchange_unref(tunnel->exchange);
    }
    free(tunnel);
}

static void on_ended(void *data)
{
    tunnel_free(data);
}

static void end_tunnel(struct node_stream *stream)
{
    struct tunnel *tunnel = LIST_ENTRY(stream, struct tunnel, stream);
    if (tunnel->connect != NULL) {
        net_connect_cancel(tunnel->connect);
        tunnel_free(tunnel);
    } else {
        stream_pair_end(&tunnel->pair);
    }
}

static void on_abort(void *data)
{
    struct tunnel *tunnel = data;
    end_tunnel(&tunnel->stream);
}

static void on_connected(void *data, int status, const char *message, struct net_stream *stream)
{
    struct tunnel *tunnel = data;
    tunnel->connect = NULL;
    if (status < 0) {
        node_respond_text(tunnel->exchange, status == -ECONNREFUSED ? 502 : 504, message);
        tunnel_free(tunnel);
        return;
    }
    struct net_stream *client = NULL;
    http_on_abort(tunnel->exchange, NULL, NULL);
    status = http_upgrade(tunnel->exchange, "tcp", NULL, 0, &client);
    http_exchange_unref(TAKE(tunnel->exchange));
    if (status < 0) {
        net_stream_close(stream, NULL, NULL);
        tunnel_free(tunnel);
        return;
    }
    tunnel->pair =
        (struct stream_pair){.one = client, .other = stream, .ended = on_ended, .data = tunnel};
    stream_pair_start(&tunnel->pair);
}

/* 1 to PORT_MAX, or 0. */
static unsigned port_of(const char *text)
{
    char *end = NULL;
    unsigned long port = text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;
    return end == NULL || *end != '\0' || port > PORT_MAX ? 0 : (unsigned)port;
}

void node_connect(struct node_server *server, const struct node_request *request)
{
    struct pod_view pod;
    struct net_address address = {.port = (uint16_t)port_of(request->container)};
    int r = pod_manager_find(server->pods, request->namespace_name, request->pod, NULL, &pod);
    if (r < 0 || address.port == 0) {
        node_respond_text(request->exchange, 404, r < 0 ? "pod does not exist" : "no such port");
        return;
    }
    /* A pod on the node's network would lead to what only the node may reach. */
    if (pod.sandbox_id == NULL || pod.ip[0] == '\0' || pod.pod->spec->host_network ||
        strlen(pod.ip) >= sizeof(address.host)) {
        node_respond_text(request->exchange, 503, "the pod has no address of its own");
        return;
    }
    if (!http_wants_upgrade(request->exchange, "tcp")) {
        node_respond_text(request->exchange, 400, "Upgrade request required");
        return;
    }
    (void)snprintf(address.host, sizeof(address.host), "%s", pod.ip);
    struct tunnel *tunnel = alloc_zeroed(sizeof(*tunnel));
    tunnel->stream.end = end_tunnel;
    list_init(&tunnel->stream.node);
    list_push_back(&server->streams, &tunnel->stream.node);
    tunnel->exchange = http_exchange_ref(request->exchange);
    http_on_abort(tunnel->exchange, on_abort, tunnel);
    const struct net_connect_options options = {.address = &address, .timeout_ms = CONNECT_MS};
    tunnel->connect = net_stream_connect(server->loop, &options, on_connected, tunnel);
}
