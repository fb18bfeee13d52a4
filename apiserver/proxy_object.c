/* The proxy subresource: what Services, pods and nodes serve by HTTP, through the API server. The
 * name says the scheme and port as well: "[http|https:]name[:port]". */
#include "apiserver/proxy.h"

#include "apiserver/html_links.h"
#include "apiserver/pod_tunnel.h"
#include "apiserver/request.h"
#include "apiserver/service_endpoint.h"
#include "k8s/core_v1.pb-c.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

struct proxied_name {
    const char *scheme; /* "http" or "https" */
    const char *name;
    const char *port; /* "" for none. */
};

/* Where a request goes. */
struct backend {
    const char *scheme;
    const char *host;       /* "10.0.0.1:80", "[::1]:80" */
    const char *tunnel_url; /* Of pods, when there is a way through their agents. */
    struct tls_config *tls;
};

enum { PARTS_MAX = 3 };

/* At its colons, in place; 0 when there are too many. */
static size_t split(char *text, const char *parts[PARTS_MAX])
{
    size_t count = 0;
    parts[count++] = text;
    for (char *colon = strchr(text, ':'); colon != NULL; colon = strchr(colon + 1, ':')) {
        if (count == PARTS_MAX) {
            return 0;
        }
        *colon = 0;
        parts[count++] = colon + 1;
    }
    return count;
}

static bool split_name(struct arena *arena, const char *text, struct proxied_name *ret_name)
{
    const char *parts[PARTS_MAX] = {""};
    size_t count = split(arena_text(arena, text), parts);
    if (count == 0) {
        return false;
    }
    const char *scheme = count == 3 ? parts[0] : "";
    *ret_name = (struct proxied_name){.scheme = scheme[0] == 0 ? "http" : scheme,
                                      .name = count == 3 ? parts[1] : parts[0],
                                      .port = count == 1 ? "" : parts[count - 1]};
    return ret_name->name[0] != 0 &&
           (strcmp(ret_name->scheme, "http") == 0 || strcmp(ret_name->scheme, "https") == 0);
}

/* 1 to 65535, or 0 for what is no port's number. */
static int port_number(const char *text)
{
    char *end = NULL;
    long number = text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : 0;
    return end == NULL || *end != 0 || number < 1 || number > 65535 ? 0 : (int)number;
}

/* Addresses that mean something else here than there: ours, and a cloud's metadata service. */
static bool may_connect(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        uint32_t address = ntohl(v4.s_addr);
        return address >> 24 != 127 && address >> 16 != 0xa9fe && address >> 28 != 0xe &&
               address != 0;
    }
    return inet_pton(AF_INET6, host, &v6) == 1 && !IN6_IS_ADDR_LOOPBACK(&v6) &&
           !IN6_IS_ADDR_LINKLOCAL(&v6) && !IN6_IS_ADDR_MULTICAST(&v6) &&
           !IN6_IS_ADDR_V4MAPPED(&v6) && !IN6_IS_ADDR_UNSPECIFIED(&v6);
}

static const char *host_port(struct arena *arena, const char *host, int port)
{
    bool v6 = strchr(host, ':') != NULL;
    return arena_printf(arena, "%s%s%s:%d", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

/* --- Services --- */

static const struct api_status *
find_service(struct request *request, const struct proxied_name *name, struct backend *ret_backend)
{
    uint64_t turn = loop_now_ms(http_exchange_loop(request->exchange));
    const struct service_question question = {.namespace = request->info.namespace,
                                              .name = name->name,
                                              .port = port_number(name->port),
                                              .port_name = name->port,
                                              .turn = turn,
                                              .pods_only = true};
    struct service_answer answer = {0};
    enum service_finding finding =
        service_endpoint_find(request->server->cache, request->arena, &question, &answer);
    if (finding == SERVICE_ABSENT) {
        return api_status_not_found(request->arena, request->kind, name->name);
    }
    if (finding != SERVICE_FOUND) {
        return api_status_unavailable(request->arena,
                                      service_finding_words(request->arena, finding, &question));
    }
    ret_backend->host = host_port(request->arena, answer.address.host, answer.address.port);
    ret_backend->tunnel_url =
        pod_tunnel_url(request->server->cache, request->arena, request->info.namespace, answer.pod,
                       answer.address.port, request->server->config.plaintext);
    return NULL;
}

/* --- Pods --- */

static int first_port(const Core__V1__PodSpec *spec)
{
    for (size_t i = 0; i < spec->n_containers; i++) {
        if (spec->containers[i]->n_ports > 0) {
            return spec->containers[i]->ports[0]->container_port;
        }
    }
    return 0;
}

static const struct api_status *locate_pod(struct request *request, const Core__V1__Pod *pod,
                                           const struct proxied_name *name,
                                           struct backend *ret_backend)
{
    const char *ip = text_or_empty(pod->status->pod_ip);
    int port = name->port[0] == 0 ? first_port(pod->spec) : port_number(name->port);
    if (port == 0 && name->port[0] == 0) {
        port = strcmp(name->scheme, "https") == 0 ? 443 : 80;
    }
    if (port == 0) {
        return api_status_bad_request(request->arena, "invalid pod request \"%s\"",
                                      request->info.name);
    }
    if (!may_connect(ip)) {
        return api_status_bad_request(request->arena, "address not allowed");
    }
    ret_backend->host = host_port(request->arena, ip, port);
    ret_backend->tunnel_url =
        pod_tunnel_url(request->server->cache, request->arena, request->info.namespace, name->name,
                       port, request->server->config.plaintext);
    return NULL;
}

static const struct api_status *find_pod(struct request *request, const struct proxied_name *name,
                                         struct backend *ret_backend)
{
    const struct cached_object *object =
        watch_cache_get(request->server->cache, request->kind, request->info.namespace, name->name);
    const Core__V1__Pod *pod = object == NULL ? NULL : cached_object_message(object);
    const struct api_status *refusal =
        pod == NULL ? api_status_not_found(request->arena, request->kind, name->name)
                    : locate_pod(request, pod, name, ret_backend);
    cached_object_unref(object);
    return refusal;
}

/* --- Nodes --- */

/* Without a port, or at its own, it is the node's agent: with our certificate, and its checked. */
static const struct api_status *find_node(struct request *request, const struct proxied_name *name,
                                          struct backend *ret_backend)
{
    const char *agent = node_agent_address(request->server->cache, request->arena, name->name, 0);
    if (agent == NULL) {
        return api_status_not_found(request->arena, request->kind, name->name);
    }
    bool plaintext = request->server->config.plaintext;
    int port = port_number(name->port);
    if (name->port[0] == 0 || strcmp(strrchr(agent, ':') + 1, name->port) == 0) {
        *ret_backend = (struct backend){.scheme = plaintext ? "http" : "https",
                                        .host = agent,
                                        .tls = proxy_agent_tls(request->server->proxy)};
        return NULL;
    }
    struct net_address address;
    const char *host =
        port == 0 ? NULL
                  : node_agent_address(request->server->cache, request->arena, name->name, port);
    if (host == NULL || net_address_parse(host, &address) < 0 || !may_connect(address.host)) {
        return port == 0 ? api_status_bad_request(request->arena, "invalid node request \"%s\"",
                                                  request->info.name)
                         : api_status_bad_request(request->arena, "address not allowed");
    }
    ret_backend->host = host;
    return NULL;
}

/* --- What passes --- */

/* As v1.32: who may read across origins is not for a pod to say in our name. */
static bool passes_back(struct slice name)
{
    static const char *const ends_here[] = {
        "access-control-allow-credentials", "access-control-allow-headers",
        "access-control-allow-methods", "access-control-allow-origin"};
    for (size_t i = 0; i < ARRAY_LEN(ends_here); i++) {
        if (http_name_is(name, ends_here[i])) {
            return false;
        }
    }
    return true;
}

static void failed(struct request *request, const char *url, int error, const char *message)
{
    (void)url;
    const char *words = net_error_words(request->arena, error, message);
    respond_status(request,
                   api_status_unavailable(
                       request->arena,
                       arena_printf(request->arena, "error trying to reach service: %s", words)));
}

static const struct proxy_rules object_rules = {.passes_back = passes_back, .failed = failed};

/* As v1.32: relative links of a page need the '/' (kubernetes issue 4958). */
static void redirect_to_root(struct request *request)
{
    struct buffer where;
    buffer_init(&where, ENCODED_OBJECT_MAX);
    path_append(&where, request->info.path);
    struct slice query = http_query(request->exchange);
    buffer_printf(&where, "/%s%.*s", query.len > 0 ? "?" : "", (int)query.len,
                  (const char *)query.data);
    struct http_header headers[COMMON_HEADERS_MAX];
    size_t count = common_headers(request, "text/plain", headers);
    headers[count++] = http_header("location", arena_text(request->arena, buffer_text(&where)));
    buffer_release(&where);
    http_respond(request->exchange, 301, headers, count, slice_text(""));
    request_finish(request);
}

static bool needs_root(const struct request *request, bool slash)
{
    const struct request_info *info = &request->info;
    return info->rest[0] == 0 && !slash &&
           (strcmp(info->method, "GET") == 0 || strcmp(info->method, "HEAD") == 0);
}

/* A browser's page comes uncompressed, as its links are rewritten; all else as the client takes it.
 */
static void ask_for_plain_pages(struct request *request, struct http_header *headers, size_t *count)
{
    struct slice accept = http_header_find(request->exchange, "accept");
    bool page = accept.len > 0 && memmem(accept.data, accept.len, "text/html", 9) != NULL;
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        if (!page || !http_name_is(headers[i].name, "accept-encoding")) {
            headers[kept++] = headers[i];
        }
    }
    *count = kept;
}

/* All of the path but what comes after "/proxy". */
static const struct link_base *links_of(struct request *request, const struct backend *backend,
                                        bool slash)
{
    const struct request_info *info = &request->info;
    struct link_base *base = arena_alloc(request->arena, sizeof(*base));
    CLEANUP(buffer_release) struct buffer prefix;
    size_t rest = strlen(info->rest) + (slash ? 1 : 0) + (info->rest[0] != 0 ? 1 : 0);
    buffer_init(&prefix, ENCODED_OBJECT_MAX);
    path_append(&prefix, arena_text_n(request->arena, info->path, strlen(info->path) - rest));
    *base = (struct link_base){.prefix = arena_text(request->arena, buffer_text(&prefix)),
                               .server_host = backend->host,
                               .client_host = http_authority(request->exchange)};
    return base;
}

static void pass_to(struct request *request, const struct backend *backend)
{
    const struct request_info *info = &request->info;
    bool slash = info->path[strlen(info->path) - 1] == '/';
    const char *upgrade = proxy_upgrade(request);
    if (upgrade == NULL && needs_root(request, slash)) {
        redirect_to_root(request);
        return;
    }
    struct buffer url;
    buffer_init(&url, ENCODED_OBJECT_MAX);
    buffer_printf(&url, "%s://%s/", backend->scheme, backend->host);
    path_append(&url, info->rest);
    struct slice query = http_query(request->exchange);
    buffer_printf(&url, "%s%s%.*s", slash && info->rest[0] != 0 ? "/" : "",
                  query.len > 0 ? "?" : "", (int)query.len, (const char *)query.data);
    struct proxy_target target = {.rules = &object_rules,
                                  .url = arena_text(request->arena, buffer_text(&url)),
                                  .tls =
                                      strcmp(backend->scheme, "https") == 0 ? backend->tls : NULL,
                                  .tunnel_url = backend->tunnel_url,
                                  .body = http_body(request->exchange),
                                  .upgrade = upgrade,
                                  .silence_ms_max = PROXY_SILENCE_MS,
                                  .links = links_of(request, backend, slash)};
    buffer_release(&url);
    struct http_header *headers = proxy_request_headers(request, 0, &target.header_count);
    ask_for_plain_pages(request, headers, &target.header_count);
    target.headers = headers;
    proxy_pass(request, &target);
}

void handle_object_proxy(struct request *request)
{
    static const struct {
        const char *plural, *singular;
        const struct api_status *(*find)(struct request *request, const struct proxied_name *name,
                                         struct backend *ret_backend);
    } rows[] = {{"services", "service", find_service},
                {"pods", "pod", find_pod},
                {"nodes", "node", find_node}};
    struct proxied_name name;
    bool valid = split_name(request->arena, request->info.name, &name);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(request->kind->plural, rows[i].plural) != 0) {
            continue;
        }
        struct backend backend = {.tls = proxy_unverified_tls(request->server->proxy)};
        backend.scheme = valid ? name.scheme : "";
        const struct api_status *refusal =
            valid ? rows[i].find(request, &name, &backend)
                  : api_status_bad_request(request->arena, "invalid %s request \"%s\"",
                                           rows[i].singular, request->info.name);
        if (refusal != NULL) {
            respond_status(request, refusal);
        } else {
            pass_to(request, &backend);
        }
        return;
    }
    respond_status(request, api_status_no_resource(request->arena));
}
