#include "apiserver/pod_tunnel.h"

#include "apiserver/watch_cache.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/api/kinds.h"
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/net/http_client.h"
#include <errno.h>
#include <stdlib.h>

enum { AGENT_PORT = 10250, ANSWER_MAX = 512 };

struct pod_tunnel {
    struct http_call *call;
    unsigned status;
    struct buffer answer; /* Why not, in the agent's words. */
    void (*done)(void *data, int status, const char *message, struct net_stream *stream);
    void *data;
};

/* --- Where --- */

static const char *address_of(struct arena *arena, const Core__V1__Node *node, int wanted_port)
{
    const Core__V1__NodeDaemonEndpoints *endpoints = node->status->daemon_endpoints;
    int agent_port = endpoints == NULL || endpoints->kubelet_endpoint == NULL ||
                             endpoints->kubelet_endpoint->port == 0
                         ? AGENT_PORT
                         : endpoints->kubelet_endpoint->port;
    for (size_t i = 0; i < node->status->n_addresses; i++) {
        const Core__V1__NodeAddress *each = node->status->addresses[i];
        if (each->type != NULL && strcmp(each->type, "InternalIP") == 0) {
            bool v6 = strchr(each->address, ':') != NULL;
            return arena_printf(arena, "%s%s%s:%d", v6 ? "[" : "", each->address, v6 ? "]" : "",
                                wanted_port == 0 ? agent_port : wanted_port);
        }
    }
    return NULL;
}

const char *node_agent_address(struct watch_cache *cache, struct arena *arena, const char *node,
                               int port)
{
    const struct cached_object *object =
        watch_cache_get(cache, api_kind_find("", "v1", "nodes"), "", node);
    const Core__V1__Node *found = object == NULL ? NULL : cached_object_message(object);
    const char *address = found == NULL ? NULL : address_of(arena, found, port);
    cached_object_unref(object);
    return address;
}

const char *pod_tunnel_url(struct watch_cache *cache, struct arena *arena, const char *namespace,
                           const char *pod, int port, bool plaintext)
{
    const struct cached_object *object =
        watch_cache_get(cache, api_kind_find("", "v1", "pods"), namespace, pod);
    const Core__V1__Pod *found = object == NULL ? NULL : cached_object_message(object);
    const char *agent =
        found == NULL || found->spec->host_network
            ? NULL
            : node_agent_address(cache, arena, text_or_empty(found->spec->node_name), 0);
    cached_object_unref(object);
    return agent == NULL ? NULL
                         : arena_printf(arena, "http%s://%s/connect/%s/%s/%d", plaintext ? "" : "s",
                                        agent, namespace, pod, port);
}

/* --- Opening --- */

static void tunnel_free(struct pod_tunnel *tunnel)
{
    buffer_release(&tunnel->answer);
    free(tunnel);
}

static void on_response(void *data, unsigned status, const struct http_header *headers,
                        size_t header_count)
{
    struct pod_tunnel *tunnel = data;
    (void)headers, (void)header_count;
    tunnel->status = status;
}

static void on_body(void *data, struct slice bytes)
{
    struct pod_tunnel *tunnel = data;
    buffer_append_slice(&tunnel->answer, bytes); /* What is too long is left out. */
}

static void on_upgrade(void *data, struct net_stream *stream)
{
    struct pod_tunnel *tunnel = data;
    tunnel->done(tunnel->data, 0, "", stream);
    tunnel_free(tunnel);
}

static void on_end(void *data, int status, const char *message)
{
    struct pod_tunnel *tunnel = data;
    if (status == 0) { /* The agent answers that it does not lead there. */
        status = tunnel->status == 502   ? -ECONNREFUSED
                 : tunnel->status == 504 ? -EHOSTUNREACH
                                         : -EPROTO;
        message = buffer_text(&tunnel->answer);
    }
    tunnel->done(tunnel->data, status, message, NULL);
    tunnel_free(tunnel);
}

struct pod_tunnel *pod_tunnel_open(struct http_client *client, struct tls_config *agent_tls,
                                   const char *url,
                                   void (*done)(void *data, int status, const char *message,
                                                struct net_stream *stream),
                                   void *data)
{
    static const struct http_call_events events = {
        .on_response = on_response, .on_body = on_body, .on_upgrade = on_upgrade, .on_end = on_end};
    struct pod_tunnel *tunnel = alloc_zeroed(sizeof(*tunnel));
    tunnel->done = done;
    tunnel->data = data;
    buffer_init(&tunnel->answer, ANSWER_MAX);
    const struct http_call_options options = {
        .method = "GET", .url = url, .tls = agent_tls, .upgrade = "tcp"};
    tunnel->call = http_client_request(client, &options, &events, tunnel);
    return tunnel;
}

void pod_tunnel_cancel(struct pod_tunnel *tunnel)
{
    http_call_cancel(tunnel->call);
    tunnel_free(tunnel);
}
