#include "apiserver/proxy.h"

#include "apiserver/pki.h"
#include "apiserver/request.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/base/alloc.h"
#include "lib/net/http_client.h"
#include "lib/net/limits.h"
#include <errno.h>
#include <stdlib.h>

enum { AGENT_PORT = 10250 };

struct proxy {
    struct apiserver *server;
    struct tls_config *tls;
    struct http_client **clients; /* One per io loop, made at first use on that loop. */
};

/* One request passed on to an agent. */
struct relay {
    struct request *request;
    struct http_call *call;
    struct net_stream *client; /* After the upgrade. */
    struct net_stream *agent;
    const char *upgrade;
    bool started;
    bool over;
};

struct proxy *proxy_new(struct apiserver *server)
{
    struct proxy *proxy = alloc_zeroed(sizeof(*proxy));
    proxy->server = server;
    proxy->clients = alloc_array(server->config.io_loop_count, sizeof(struct http_client *));
    if (!server->config.plaintext) {
        const struct pki *pki = server->config.pki;
        struct tls_options options = {.cert_pem = slice_text(pki->server_cert),
                                      .key_pem = slice_text(pki->server_key),
                                      .ca_pem = slice_text(pki->ca_cert),
                                      .verify = TLS_VERIFY_REQUIRED,
                                      .alpn = TLS_ALPN_HTTP1};
        if (tls_config_new_client(&options, &proxy->tls, NULL) < 0) {
            proxy->tls = NULL; /* 503 at use. */
        }
    }
    return proxy;
}

void proxy_free(struct proxy *proxy)
{
    if (proxy == NULL) {
        return;
    }
    for (size_t i = 0; i < proxy->server->config.io_loop_count; i++) {
        if (proxy->clients[i] != NULL) {
            http_client_close(proxy->clients[i]);
        }
    }
    tls_config_unref(proxy->tls);
    free(proxy->clients);
    free(proxy);
}

static struct http_client *client_of(struct proxy *proxy, struct loop *loop)
{
    for (size_t i = 0; i < proxy->server->config.io_loop_count; i++) {
        if (proxy->server->config.io_loops[i] == loop) {
            if (proxy->clients[i] == NULL) {
                proxy->clients[i] = http_client_new(loop);
            }
            return proxy->clients[i];
        }
    }
    return NULL;
}

/* --- Where to --- */

/* "10.0.0.1:10250": the node's InternalIP and the port that its agent says; NULL when it has no
 * such address. */
static const char *node_address(struct request *request, const char *node)
{
    const struct cached_object *object =
        watch_cache_get(request->server->cache, api_kind_find("", "v1", "nodes"), "", node);
    if (object == NULL) {
        return NULL;
    }
    const Core__V1__Node *found = cached_object_message(object);
    const Core__V1__NodeDaemonEndpoints *endpoints =
        found == NULL ? NULL : found->status->daemon_endpoints;
    int port = endpoints == NULL || endpoints->kubelet_endpoint == NULL ||
                       endpoints->kubelet_endpoint->port == 0
                   ? AGENT_PORT
                   : endpoints->kubelet_endpoint->port;
    const char *address = NULL;
    for (size_t i = 0; found != NULL && i < found->status->n_addresses && address == NULL; i++) {
        const Core__V1__NodeAddress *each = found->status->addresses[i];
        if (each->type != NULL && strcmp(each->type, "InternalIP") == 0) {
            bool v6 = strchr(each->address, ':') != NULL;
            address = arena_printf(request->arena, "%s%s%s:%d", v6 ? "[" : "", each->address,
                                   v6 ? "]" : "", port);
        }
    }
    cached_object_unref(object);
    return address;
}

static bool has_container(const Core__V1__PodSpec *spec, const char *name)
{
    for (size_t i = 0; i < spec->n_containers; i++) {
        if (strcmp(spec->containers[i]->name, name) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < spec->n_init_containers; i++) {
        if (strcmp(spec->init_containers[i]->name, name) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < spec->n_ephemeral_containers; i++) {
        const Core__V1__EphemeralContainerCommon *common =
            spec->ephemeral_containers[i]->ephemeral_container_common;
        if (common != NULL && common->name != NULL && strcmp(common->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* The container asked for, or the only one. NULL with a Status. */
static const char *pick_container(struct request *request, const Core__V1__Pod *pod,
                                  const struct api_status **ret_status)
{
    const char *asked = query_get(&request->info.query, "container");
    const char *pod_name = pod->metadata->name;
    if (asked != NULL && asked[0] != 0) {
        if (!has_container(pod->spec, asked)) {
            *ret_status = api_status_bad_request(
                request->arena, "container %s is not valid for pod %s", asked, pod_name);
            return NULL;
        }
        return asked;
    }
    const char *preferred =
        api_meta_annotation(pod->metadata, "kubectl.kubernetes.io/default-container");
    if (preferred != NULL && has_container(pod->spec, preferred)) {
        return arena_text(request->arena, preferred);
    }
    if (pod->spec->n_containers == 1) {
        return arena_text(request->arena, pod->spec->containers[0]->name);
    }
    const char *names = "";
    for (size_t i = 0; i < pod->spec->n_containers; i++) {
        names = arena_printf(request->arena, "%s%s%s", names, i == 0 ? "" : " ",
                             pod->spec->containers[i]->name);
    }
    *ret_status = api_status_bad_request(
        request->arena, "a container name must be specified for pod %s, choose one of: [%s]",
        pod_name, names);
    return NULL;
}

static void copy_query(struct request *request, struct buffer *url)
{
    static const struct {
        const char *from, *to;
    } renamed[] = {{"stdin", "input"}, {"stdout", "output"}, {"stderr", "error"}};
    bool log = strcmp(request->info.subresource, "log") == 0;
    bool first = true;
    for (size_t i = 0; i < request->info.query.count; i++) {
        const struct query_param *param = &request->info.query.params[i];
        const char *key = param->key;
        const char *value = param->value;
        if (strcmp(key, "container") == 0) {
            continue;
        }
        for (size_t j = 0; !log && j < ARRAY_LEN(renamed); j++) {
            if (strcmp(key, renamed[j].from) == 0) {
                key = renamed[j].to;
                value = strcmp(value, "true") == 0 ? "1" : value;
            }
        }
        if (!log && strcmp(key, "tty") == 0 && strcmp(value, "true") == 0) {
            value = "1";
        }
        query_append(url, first, key, value);
        first = false;
    }
}

static const char *agent_path(struct request *request, const Core__V1__Pod *pod,
                              const struct api_status **ret_status)
{
    static const struct {
        const char *subresource, *path;
    } paths[] = {{"log", "containerLogs"},
                 {"exec", "exec"},
                 {"attach", "attach"},
                 {"portforward", "portForward"}};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (strcmp(request->info.subresource, paths[i].subresource) != 0) {
            continue;
        }
        if (strcmp(paths[i].subresource, "portforward") == 0) {
            return arena_printf(request->arena, "/portForward/%s/%s", request->info.namespace,
                                request->info.name);
        }
        const char *container = pick_container(request, pod, ret_status);
        return container == NULL
                   ? NULL
                   : arena_printf(request->arena, "/%s/%s/%s/%s", paths[i].path,
                                  request->info.namespace, request->info.name, container);
    }
    *ret_status = api_status_no_resource(request->arena);
    return NULL;
}

static const char *agent_url(struct request *request, const Core__V1__Pod *pod,
                             const struct api_status **ret_status)
{
    const char *node = pod->spec->node_name == NULL ? "" : pod->spec->node_name;
    const char *path = agent_path(request, pod, ret_status);
    if (path == NULL) {
        return NULL;
    }
    if (node[0] == 0) {
        *ret_status = api_status_bad_request(request->arena, "pod %s does not have a host assigned",
                                             pod->metadata->name);
        return NULL;
    }
    const char *address = node_address(request, node);
    if (address == NULL) {
        *ret_status = api_status_internal(request->arena, "node %s has no InternalIP", node);
        return NULL;
    }
    struct buffer url;
    buffer_init(&url, ENCODED_OBJECT_MAX);
    buffer_printf(&url, "%s://%s%s", request->server->config.plaintext ? "http" : "https", address,
                  path);
    copy_query(request, &url);
    const char *text = arena_text(request->arena, buffer_text(&url));
    buffer_release(&url);
    return text;
}

/* --- After a 101 from the agent: bytes pass both ways; nothing before it --- */

static void relay_end(struct relay *relay)
{
    if (relay->over) {
        return;
    }
    relay->over = true;
    if (relay->agent != NULL) {
        net_stream_finish(relay->agent);
    }
    if (relay->client != NULL) {
        net_stream_finish(relay->client);
    }
    request_finish(relay->request);
}

static void pass(struct net_stream *from, struct net_stream *to, struct slice bytes)
{
    if (net_stream_write(to, bytes) >= NET_WRITE_HIGH_BYTES) {
        net_stream_pause(from);
    }
}

static void from_agent(void *data, struct slice bytes)
{
    struct relay *relay = data;
    pass(relay->agent, relay->client, bytes);
}

static void from_client(void *data, struct slice bytes)
{
    struct relay *relay = data;
    pass(relay->client, relay->agent, bytes);
}

static void side_ended(void *data, int status)
{
    (void)status;
    relay_end(data);
}

static void agent_drained(void *data)
{
    struct relay *relay = data;
    net_stream_resume(relay->client);
}

static void client_drained(void *data)
{
    struct relay *relay = data;
    net_stream_resume(relay->agent);
}

static const struct net_stream_events agent_events = {
    .on_read = from_agent, .on_end = side_ended, .on_drain = agent_drained};
static const struct net_stream_events client_events = {
    .on_read = from_client, .on_end = side_ended, .on_drain = client_drained};

static bool passes_back(struct slice name)
{
    static const char *const names[] = {"sec-websocket-accept", "sec-websocket-protocol",
                                        "x-stream-protocol-version"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (name.len == strlen(names[i]) &&
            strncasecmp((const char *)name.data, names[i], name.len) == 0) {
            return true;
        }
    }
    return false;
}

struct saved_headers {
    struct http_header items[4];
    size_t count;
};

/* An answer that is neither what was asked for nor an error: a redirect would lead the client, with
 * its credentials, wherever a node wants. */
static void refuse_answer(struct relay *relay, unsigned status)
{
    struct request *request = relay->request;
    relay->over = true;
    http_call_cancel(relay->call);
    relay->call = NULL;
    http_on_abort(request->exchange, NULL, NULL);
    http_on_drain(request->exchange, NULL, NULL);
    respond_status(
        request, relay->upgrade != NULL
                     ? api_status_internal(request->arena,
                                           "invalid upgrade response: status code %u", status)
                     : api_status_internal(request->arena, "the backend attempted to redirect this "
                                                           "request, which is not permitted"));
}

static void on_response(void *data, unsigned status, const struct http_header *headers,
                        size_t header_count)
{
    struct relay *relay = data;
    struct request *request = relay->request;
    if (status == 101 && relay->upgrade != NULL) {
        struct saved_headers *saved = arena_zeroed(request->arena, sizeof(*saved));
        for (size_t i = 0; i < header_count && saved->count < ARRAY_LEN(saved->items); i++) {
            if (passes_back(headers[i].name)) {
                char *name = arena_text_n(request->arena, (const char *)headers[i].name.data,
                                          headers[i].name.len);
                for (char *c = name; *c != 0; c++) {
                    *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
                }
                saved->items[saved->count++] = (struct http_header){
                    slice_text(name), arena_slice(request->arena, headers[i].value)};
            }
        }
        request->state = saved;
        return;
    }
    if (status < 400 && (relay->upgrade != NULL || status >= 300)) {
        refuse_answer(relay, status);
        return;
    }
    struct http_header out[COMMON_HEADERS_MAX];
    size_t count = common_headers(request, "text/plain", out);
    for (size_t i = 0; i < header_count; i++) {
        if (headers[i].name.len == 12 &&
            strncasecmp((const char *)headers[i].name.data, "content-type", 12) == 0) {
            out[2].value = arena_slice(request->arena, headers[i].value);
        }
    }
    relay->started = true;
    http_respond_start(request->exchange, status, out, count);
}

static void on_body(void *data, struct slice bytes)
{
    struct relay *relay = data;
    if (http_write(relay->request->exchange, bytes) >= NET_WRITE_HIGH_BYTES) {
        http_call_pause(relay->call);
    }
}

static void on_drain(void *data)
{
    struct relay *relay = data;
    if (relay->call != NULL) {
        http_call_resume(relay->call);
    }
}

static void on_upgrade(void *data, struct net_stream *agent)
{
    struct relay *relay = data;
    struct request *request = relay->request;
    const struct saved_headers *saved = request->state;
    relay->call = NULL;
    relay->agent = agent;
    http_on_abort(request->exchange, NULL, NULL);
    http_on_drain(request->exchange, NULL, NULL);
    if (http_upgrade(request->exchange, relay->upgrade, saved->items, saved->count,
                     &relay->client) < 0) {
        relay_end(relay);
        return;
    }
    net_stream_start(relay->agent, &agent_events, relay);
    net_stream_start(relay->client, &client_events, relay);
}

static void on_end(void *data, int status, const char *message)
{
    struct relay *relay = data;
    struct request *request = relay->request;
    relay->call = NULL;
    if (relay->over) {
        return;
    }
    http_on_abort(request->exchange, NULL, NULL);
    http_on_drain(request->exchange, NULL, NULL);
    if (relay->started) {
        relay->over = true;
        if (status < 0) {
            http_abort(request->exchange);
        } else {
            http_finish(request->exchange);
        }
        request_finish(request);
        return;
    }
    relay->over = true;
    respond_status(request, api_status_internal(request->arena, "error dialing backend: %s",
                                                message == NULL ? "" : message));
}

static const struct http_call_events relay_events = {
    .on_response = on_response, .on_body = on_body, .on_upgrade = on_upgrade, .on_end = on_end};

static void client_gone(void *data)
{
    struct relay *relay = data;
    if (relay->over) {
        return;
    }
    relay->over = true;
    if (relay->call != NULL) {
        http_call_cancel(relay->call);
        relay->call = NULL;
    }
    request_finish(relay->request);
}

static bool passes_on(struct slice name)
{
    static const char *const names[] = {"sec-websocket-key", "sec-websocket-version",
                                        "sec-websocket-protocol", "x-stream-protocol-version"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (name.len == strlen(names[i]) &&
            strncasecmp((const char *)name.data, names[i], name.len) == 0) {
            return true;
        }
    }
    return false;
}

static void start_relay(struct request *request, const char *url)
{
    struct proxy *proxy = request->server->proxy;
    struct http_client *client = client_of(proxy, http_exchange_loop(request->exchange));
    if (client == NULL || (proxy->tls == NULL && !request->server->config.plaintext)) {
        respond_status(request, api_status_unavailable(request->arena, "no client certificate"));
        return;
    }
    if (http_is_aborted(request->exchange)) { /* Nobody would end the call to the agent. */
        request_finish(request);
        return;
    }
    struct relay *relay = arena_zeroed(request->arena, sizeof(*relay));
    relay->request = request;
    if (http_wants_upgrade(request->exchange, "websocket")) {
        relay->upgrade = "websocket";
    } else if (http_wants_upgrade(request->exchange, "SPDY/3.1")) {
        relay->upgrade = "SPDY/3.1";
    }
    if (relay->upgrade == NULL && strcmp(request->info.subresource, "log") != 0) {
        respond_status(request, api_status_bad_request(request->arena, "Upgrade request required"));
        return;
    }
    size_t count = 0;
    const struct http_header *headers = http_headers(request->exchange, &count);
    struct http_header out[16];
    size_t kept = 0;
    for (size_t i = 0; i < count && kept < ARRAY_LEN(out); i++) {
        if (passes_on(headers[i].name)) {
            out[kept++] = headers[i];
        }
    }
    struct http_call_options options = {.method = request->info.method,
                                        .url = url,
                                        .tls = proxy->tls,
                                        .headers = out,
                                        .header_count = kept,
                                        .upgrade = relay->upgrade,
                                        .no_keep_alive = true};
    http_on_abort(request->exchange, client_gone, relay);
    http_on_drain(request->exchange, on_drain, relay);
    relay->call = http_client_request(client, &options, &relay_events, relay);
}

void handle_connect(struct request *request)
{
    const struct cached_object *object = watch_cache_get(
        request->server->cache, request->kind, request->info.namespace, request->info.name);
    if (object == NULL) {
        respond_status(request,
                       api_status_not_found(request->arena, request->kind, request->info.name));
        return;
    }
    if (strcmp(request->kind->plural, "pods") != 0 ||
        strcmp(request->info.subresource, "proxy") == 0) {
        cached_object_unref(object);
        respond_status(request, api_status_unavailable(request->arena,
                                                       "the proxy subresource is not served yet"));
        return;
    }
    const struct api_status *refusal = NULL;
    const char *url = agent_url(request, cached_object_message(object), &refusal);
    cached_object_unref(object);
    if (url == NULL) {
        respond_status(request, refusal);
        return;
    }
    start_relay(request, url);
}
