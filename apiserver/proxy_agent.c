/* Streams to a node's agent over mutual TLS: pods/log, exec, attach, portforward. */
#include "apiserver/proxy.h"

#include "apiserver/log_options.h"
#include "apiserver/pod_tunnel.h"
#include "apiserver/request.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/net/websocket.h"
#include <errno.h>

/* --- Where to --- */

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
    const char **names = arena_array(request->arena, pod->spec->n_containers, sizeof(*names));
    for (size_t i = 0; i < pod->spec->n_containers; i++) {
        names[i] = pod->spec->containers[i]->name;
    }
    *ret_status = api_status_bad_request(
        request->arena, "a container name must be specified for pod %s, choose one of: [%s]",
        pod_name, arena_join(request->arena, names, pod->spec->n_containers, " "));
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

static bool wants_stream(const struct request *request)
{
    return strcmp(request->info.subresource, "log") != 0;
}

static const struct api_status *no_address(struct request *request, const char *node)
{
    const struct api_kind *nodes = api_kind_find("", "v1", "nodes");
    const struct cached_object *object = watch_cache_get(request->server->cache, nodes, "", node);
    bool there = object != NULL;
    cached_object_unref(object);
    return there ? api_status_internal(request->arena, "node %s has no InternalIP", node)
                 : api_status_not_found(request->arena, nodes, node);
}

/* NULL when there is nothing to ask a node for: the status says why, or is NULL where v1.32 has an
 * empty answer. */
static const char *agent_url(struct request *request, const Core__V1__Pod *pod,
                             const struct api_status **ret_status)
{
    const char *node = pod->spec->node_name == NULL ? "" : pod->spec->node_name;
    const char *path = agent_path(request, pod, ret_status);
    if (path == NULL) {
        return NULL;
    }
    if (node[0] == 0 && !wants_stream(request)) {
        *ret_status = NULL; /* There are no logs yet. */
        return NULL;
    }
    if (node[0] == 0) {
        *ret_status = api_status_bad_request(request->arena, "pod %s does not have a host assigned",
                                             pod->metadata->name);
        return NULL;
    }
    const char *address =
        node_agent_address(request->server->cache, request->arena, node, /* port= */ 0);
    if (address == NULL) {
        *ret_status = no_address(request, node);
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

/* --- What passes --- */

static bool is_one_of(struct slice name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (http_name_is(name, names[i])) {
            return true;
        }
    }
    return false;
}

static bool passes_on(struct slice name)
{
    static const char *const names[] = {"sec-websocket-key", "sec-websocket-version",
                                        "sec-websocket-protocol", "x-stream-protocol-version"};
    return is_one_of(name, names, ARRAY_LEN(names));
}

static bool passes_back(struct slice name)
{
    static const char *const names[] = {"sec-websocket-accept", "sec-websocket-protocol",
                                        "x-stream-protocol-version", "content-type"};
    return is_one_of(name, names, ARRAY_LEN(names));
}

/* An answer that is neither what was asked for nor an error: a redirect would lead the client, with
 * its credentials, wherever a node wants. */
static bool may_pass(const struct request *request, unsigned status, bool has_location)
{
    (void)has_location;
    return status >= 400 || (status < 300 && !wants_stream(request));
}

static void refused(struct request *request, unsigned status)
{
    respond_status(
        request, wants_stream(request)
                     ? api_status_internal(request->arena,
                                           "invalid upgrade response: status code %u", status)
                     : api_status_internal(request->arena, "the backend attempted to redirect this "
                                                           "request, which is not permitted"));
}

/* These have no reason in v1.32. */
static void failed(struct request *request, const char *url, int error, const char *message)
{
    (void)url;
    const char *words = net_error_words(request->arena, error, message);
    const char *text = arena_printf(request->arena, "error dialing backend: %s", words);
    respond_status(request, api_status_new(request->arena, 500, "", text, NULL, ""));
}

static void log_failed(struct request *request, const char *url, int error, const char *message)
{
    const char *words = net_error_words(request->arena, error, message);
    const char *text = arena_printf(request->arena, "Get \"%s\": %s", url, words);
    respond_status(request, api_status_new(request->arena, 500, "", text, NULL, ""));
}

/* What an agent says of a log that cannot be shown is its answer to the user, too. */
static void explain_log(struct request *request, unsigned status, const char *words)
{
    struct arena *arena = request->arena;
    if (status == 400) {
        respond_status(request, api_status_bad_request(arena, "%s", words));
        return;
    }
    if (status == 500) {
        respond_status(request, api_status_internal(arena, "%s", words));
        return;
    }
    bool missing = status == 404;
    struct api_status *answer = arena_alloc(arena, sizeof(*answer));
    const char *text = missing ? "the server could not find the requested resource"
                               : arena_printf(arena,
                                              "the server responded with the status code %u but "
                                              "did not return more information",
                                              status);
    *answer = *api_status_new(arena, (int)status, missing ? "NotFound" : "",
                              arena_printf(arena, "%s ( pods/log %s)", text, request->info.name),
                              request->kind, request->info.name);
    answer->kind = "pods/log";
    respond_status(request, answer);
}

/* --- Failures by the channel of errors: with v5 the API server of v1.32 takes the connection of
 * the client before it asks the node, and says in a message what went wrong --- */

static const char CHANNELS_V5[] = "v5.channel.k8s.io";

static bool takes_channels_v5(const struct request *request)
{
    struct slice protocol;
    bool channels = strcmp(request->info.subresource, "exec") == 0 ||
                    strcmp(request->info.subresource, "attach") == 0;
    for (size_t at = 0; channels && websocket_next_protocol(request->exchange, &at, &protocol);) {
        if (slice_is(protocol, CHANNELS_V5)) {
            return true;
        }
    }
    return false;
}

static void fail_by_channel(struct request *request, const struct api_status *status)
{
    enum { CHANNEL_ERROR = 3 };
    if (!http_respond_messages(request->exchange, CHANNELS_V5, /* text= */ false)) {
        respond_status(request, status);
        return;
    }
    CLEANUP(buffer_release) struct buffer message;
    buffer_init(&message, ENCODED_OBJECT_MAX);
    buffer_append_byte(&message, CHANNEL_ERROR);
    api_status_encode_json(request->arena, status, &message);
    (void)http_write(request->exchange, buffer_slice(&message));
    http_finish(request->exchange);
    request_finish(request);
}

static void channels_explain(struct request *request, unsigned status, const char *words)
{
    if (status == 400) {
        respond_text(request, 400, words); /* On which clients go on with SPDY. */
        return;
    }
    fail_by_channel(request,
                    api_status_internal(request->arena, "unable to upgrade connection: %s", words));
}

static void channels_refused(struct request *request, unsigned status)
{
    fail_by_channel(request,
                    api_status_internal(request->arena,
                                        "unable to upgrade connection: status code %u", status));
}

static void channels_failed(struct request *request, const char *url, int error,
                            const char *message)
{
    const char *words = net_error_words(request->arena, error, message);
    fail_by_channel(
        request,
        api_status_internal(request->arena, "error sending request: Post \"%s\": %s", url, words));
}

/* --- The request --- */

static const struct proxy_rules agent_rules = {
    .passes_back = passes_back, .may_pass = may_pass, .refused = refused, .failed = failed};

static const struct proxy_rules channels_rules = {.passes_back = passes_back,
                                                  .may_pass = may_pass,
                                                  .refused = channels_refused,
                                                  .explain = channels_explain,
                                                  .failed = channels_failed};

static const struct proxy_rules log_rules = {.passes_back = passes_back,
                                             .may_pass = may_pass,
                                             .refused = refused,
                                             .explain = explain_log,
                                             .failed = log_failed};

/* Of the protocols that the client offers the first that v1.32 has for logs; none when it offers
 * none. NULL: it knows none of these. */
static const struct proxy_messages *log_messages(const struct request *request)
{
    static const struct proxy_messages plain = {.protocol = NULL};
    static const struct proxy_messages named[] = {
        {.protocol = "binary.k8s.io"}, {.protocol = "base64.binary.k8s.io", .base64 = true}};
    struct slice protocol = {.len = 0};
    bool offers = false;
    for (size_t at = 0; websocket_next_protocol(request->exchange, &at, &protocol);) {
        for (size_t i = 0; i < ARRAY_LEN(named); i++) {
            if (slice_is(protocol, named[i].protocol)) {
                return &named[i];
            }
        }
        offers = true;
    }
    return offers ? NULL : &plain;
}

/* The agent is asked as ever: what it says is made messages of here. */
static void start_log(struct request *request, const char *url, struct tls_config *tls)
{
    bool as_messages = websocket_is_request(request->exchange);
    const struct proxy_messages *messages = as_messages ? log_messages(request) : NULL;
    if (as_messages && messages == NULL) {
        respond_text(request, 403, "");
        return;
    }
    const struct proxy_target target = {
        .rules = &log_rules, .url = url, .tls = tls, .messages = messages};
    proxy_pass(request, &target);
}

static void start(struct request *request, const char *url)
{
    struct tls_config *tls = proxy_agent_tls(request->server->proxy);
    const char *upgrade = http_wants_upgrade(request->exchange, "websocket")  ? "websocket"
                          : http_wants_upgrade(request->exchange, "SPDY/3.1") ? "SPDY/3.1"
                                                                              : NULL;
    if (tls == NULL && !request->server->config.plaintext) {
        respond_status(request, api_status_unavailable(request->arena, "no client certificate"));
        return;
    }
    if (!wants_stream(request)) {
        start_log(request, url, tls);
        return;
    }
    if (upgrade == NULL) {
        respond_status(request, api_status_bad_request(request->arena, "Upgrade request required"));
        return;
    }
    size_t count = 0;
    struct http_header *headers = proxy_request_headers(request, 0, &count);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (passes_on(headers[i].name)) {
            headers[kept++] = headers[i];
        }
    }
    const struct proxy_rules *rules = takes_channels_v5(request) ? &channels_rules : &agent_rules;
    const struct proxy_target target = {.rules = rules,
                                        .url = url,
                                        .tls = tls,
                                        .headers = headers,
                                        .header_count = kept,
                                        .upgrade = upgrade};
    proxy_pass(request, &target);
}

void handle_agent_stream(struct request *request)
{
    const struct api_status *bad_options =
        strcmp(request->info.subresource, "log") == 0
            ? log_options_check(request->arena, &request->info.query, request->info.name)
            : NULL;
    if (bad_options != NULL) {
        respond_status(request, bad_options);
        return;
    }
    const struct cached_object *object = watch_cache_get(
        request->server->cache, request->kind, request->info.namespace, request->info.name);
    if (object == NULL) {
        respond_status(request,
                       api_status_not_found(request->arena, request->kind, request->info.name));
        return;
    }
    const Core__V1__Pod *pod = cached_object_message(object);
    const struct api_status *refusal =
        api_status_internal(request->arena, "%s is unreadable", request->info.name);
    const char *url = pod == NULL ? NULL : agent_url(request, pod, &refusal);
    cached_object_unref(object);
    if (url != NULL) {
        start(request, url);
    } else if (refusal != NULL) {
        respond_status(request, refusal);
    } else {
        respond_bytes(request, 204, NULL, slice_text(""));
    }
}
