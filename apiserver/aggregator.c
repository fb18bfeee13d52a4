#include "apiserver/aggregator.h"

#include "apiserver/api_services.h"
#include "apiserver/pod_tunnel.h"
#include "apiserver/proxy.h"
#include "apiserver/proxy_headers.h"
#include "apiserver/request.h"
#include "apiserver/service_endpoint.h"
#include <errno.h>

size_t aggregator_identity_count(const struct user *user)
{
    return 1 + user->group_count + user->extra_count;
}

size_t aggregator_identity(struct arena *arena, const struct user *user,
                           struct http_header *headers)
{
    size_t count = 0;
    headers[count++] = http_header("x-remote-user", user->name);
    for (size_t i = 0; i < user->group_count; i++) {
        headers[count++] = http_header("x-remote-group", user->groups[i]);
    }
    for (size_t i = 0; i < user->extra_count; i++) {
        const char *key = proxy_header_escape(arena, user->extras[i].key);
        headers[count++] =
            http_header(arena_printf(arena, "x-remote-extra-%s", key), user->extras[i].value);
    }
    return count;
}

/* --- Answers --- */

static bool passes_back(struct slice name)
{
    (void)name;
    return true;
}

/* CVE-2022-3172: a redirect would lead the client, with its credentials, wherever it wants. */
static bool may_pass(const struct request *request, unsigned status, bool has_location)
{
    (void)request;
    return status < 300 || status > 399 || !has_location;
}

static void refused(struct request *request, unsigned status)
{
    (void)status;
    respond_text(request, 502,
                 "the backend attempted to redirect this request, which is not permitted");
}

static void failed(struct request *request, const char *url, int error, const char *message)
{
    (void)url;
    if (error == -ETIMEDOUT) {
        respond_status(request,
                       api_status_timeout(request->arena,
                                          "request did not complete within the allotted timeout"));
        return;
    }
    respond_text(request, 503,
                 arena_printf(request->arena, "error trying to reach service: %s\n",
                              net_error_words(request->arena, error, message)));
}

static const struct proxy_rules rules = {
    .passes_back = passes_back, .may_pass = may_pass, .refused = refused, .failed = failed};

static bool unavailable(struct request *request)
{
    respond_text(request, 503, "service unavailable\n");
    return true;
}

/* --- Requests --- */

/* The client's headers, and in whose name and under which audit id they come. */
static struct http_header *headers_of(struct request *request, size_t *ret_count)
{
    size_t count = 0;
    size_t more = aggregator_identity_count(request->user) + 1;
    struct http_header *headers = proxy_request_headers(request, more, &count);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!http_name_is(headers[i].name, "audit-id")) {
            headers[kept++] = headers[i];
        }
    }
    headers[kept++] = http_header("audit-id", request->audit_id);
    kept += aggregator_identity(request->arena, request->user, headers + kept);
    *ret_count = kept;
    return headers;
}

/* The path as it was authorized, segment by segment, not as it was spelled. */
static const char *url_of(struct request *request, const struct api_service *service)
{
    CLEANUP(buffer_release) struct buffer url;
    struct slice query = http_query(request->exchange);
    buffer_init(&url, ENCODED_OBJECT_MAX);
    buffer_printf(&url, "https://%s:%d", service->server_name, (int)service->port);
    path_append(&url, request->info.path);
    buffer_printf(&url, "%s%.*s", query.len > 0 ? "?" : "", (int)query.len,
                  (const char *)query.data);
    return arena_text(request->arena, buffer_text(&url));
}

static bool lasts(const struct request *request)
{
    return request->info.verb == VERB_WATCH || request_info_is_connection(&request->info);
}

static bool pass_to(struct request *request, const struct api_service *service)
{
    const Apiregistration__V1__ServiceReference *reference = service->object->spec->service;
    const struct service_question question = {
        .namespace = text_or_empty(reference->namespace_),
        .name = text_or_empty(reference->name),
        .port = service->port,
        .turn = loop_now_ms(http_exchange_loop(request->exchange))};
    struct service_answer answer = {0};
    if (!service->available || service->tls == NULL ||
        service_endpoint_find(request->server->cache, request->arena, &question, &answer) !=
            SERVICE_FOUND) {
        return unavailable(request);
    }
    const char *method = request->info.method;
    bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    struct proxy_target target = {
        .rules = &rules,
        .url = url_of(request, service),
        .address = &answer.address,
        .tls = service->tls,
        .tunnel_url =
            pod_tunnel_url(request->server->cache, request->arena, question.namespace, answer.pod,
                           answer.address.port, request->server->config.plaintext),
        .server_name = service->server_name,
        .body = request->body,
        .upgrade = proxy_upgrade(request),
        .silence_ms_max = lasts(request) ? PROXY_SILENCE_MS : REQUEST_TIMEOUT_MS,
        .time_ms_max = lasts(request) ? 0 : REQUEST_TIMEOUT_MS,
        .keep_alive = reads && !lasts(request)};
    target.headers = headers_of(request, &target.header_count);
    proxy_pass(request, &target);
    return true;
}

/* "/openapi/v3/apis/GROUP/VERSION" is of the server that answers for these. */
static bool names_openapi(struct request *request, const char **ret_group, const char **ret_version)
{
    static const char prefix[] = "/openapi/v3/apis/";
    const char *path = request->info.path;
    if (strncmp(path, prefix, sizeof(prefix) - 1) != 0) {
        return false;
    }
    char *group = arena_text(request->arena, path + sizeof(prefix) - 1);
    char *slash = strchr(group, '/');
    if (slash == NULL || strchr(slash + 1, '/') != NULL) {
        return false;
    }
    *slash = 0;
    *ret_group = group;
    *ret_version = slash + 1;
    return true;
}

bool handle_aggregated(struct request *request)
{
    const char *group = request->info.group;
    const char *version = request->info.version;
    if (request->codec != &http_codec || !api_services_any(request->server->api_services)) {
        return false;
    }
    if ((strcmp(request->info.prefix, "apis") != 0 || version[0] == 0) &&
        !names_openapi(request, &group, &version)) {
        return false;
    }
    struct api_service_set *set = api_services_set(request->server->api_services);
    const struct api_service *service = api_service_set_find(set, group, version);
    bool handled = service != NULL && pass_to(request, service);
    api_service_set_unref(set);
    return handled;
}
