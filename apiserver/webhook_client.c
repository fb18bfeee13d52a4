#include "apiserver/webhook_client.h"

#include "apiserver/limits.h"
#include "apiserver/watch_cache.h"
#include "k8s/core_v1.pb-c.h"
#include "k8s/discovery_v1.pb-c.h"
#include "lib/api/kinds.h"
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/net/http_client.h"
#include "lib/net/loop.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Connections are shared by calls with the same settings, so these are kept. */
struct trust {
    struct slice ca_bundle; /* Ours. */
    struct tls_config *tls;
    uint64_t used; /* When, in calls. */
};

struct webhook_client {
    struct loop *store_loop;
    struct loop *io_loop;
    struct watch_cache *cache;
    const struct api_kind *service_kind;
    const struct api_kind *slice_kind;
    /* The io loop's: */
    struct http_client *http; /* Made at first use. */
    struct trust trusts[WEBHOOK_TRUSTS_MAX];
    size_t trust_count;
    uint64_t calls; /* Ever. */
    size_t flight_count;
    struct list flights;
    bool closed;
};

/* A call on its way, on the io loop. */
struct flight {
    struct webhook_client *client;
    struct list node; /* In client->flights, once started. */
    struct webhook_call *call;
    struct http_call *http;
    struct loop_timer timeout;
    const char *url; /* As messages show it, in the call's arena. */
    struct buffer answer;
    unsigned status;
};

struct webhook_client *webhook_client_new(struct loop *store_loop, struct loop *io_loop,
                                          struct watch_cache *cache)
{
    struct webhook_client *client = alloc_zeroed(sizeof(*client));
    client->store_loop = store_loop;
    client->io_loop = io_loop;
    client->cache = cache;
    client->service_kind = api_kind_find("", "v1", "services");
    list_init(&client->flights);
    client->slice_kind = api_kind_find("discovery.k8s.io", "v1", "endpointslices");
    return client;
}

static void trust_release(struct trust *trust)
{
    free((void *)(uintptr_t)trust->ca_bundle.data);
    tls_config_unref(trust->tls);
}

static void flight_free(struct flight *flight)
{
    loop_timer_stop(flight->client->io_loop, &flight->timeout);
    list_remove(&flight->node);
    buffer_release(&flight->answer);
    free(flight);
}

void webhook_client_close(struct webhook_client *client)
{
    client->closed = true;
    while (!list_empty(&client->flights)) {
        struct flight *flight = LIST_ENTRY(list_first(&client->flights), struct flight, node);
        if (flight->http != NULL) {
            http_call_cancel(flight->http);
        }
        flight_free(flight);
    }
    if (client->http != NULL) {
        http_client_close(client->http);
        client->http = NULL;
    }
}

void webhook_client_free(struct webhook_client *client)
{
    if (client == NULL) {
        return;
    }
    webhook_client_close(client);
    for (size_t i = 0; i < client->trust_count; i++) {
        trust_release(&client->trusts[i]);
    }
    free(client);
}

/* --- The end of a call --- */

static void run_done(void *data)
{
    struct webhook_call *call = data;
    call->done(call);
}

static void go_home(struct webhook_client *client, struct webhook_call *call)
{
    loop_post(call->home == NULL ? client->store_loop : call->home, run_done, call);
}

static void flight_end(struct flight *flight, int error, const char *why)
{
    struct webhook_client *client = flight->client;
    struct webhook_call *call = flight->call;
    call->error = error;
    call->status = flight->status;
    if (error == 0) {
        call->answer = arena_slice(call->arena, buffer_slice(&flight->answer));
    } else {
        call->message = arena_printf(call->arena, "Post \"%s\": %s", flight->url, why);
    }
    client->flight_count--;
    flight_free(flight);
    go_home(client, call);
}

static void flight_abort(struct flight *flight, int error, const char *why)
{
    if (flight->http != NULL) {
        http_call_cancel(flight->http);
    }
    flight_end(flight, error, why);
}

static void on_timeout(void *data)
{
    flight_abort(data, -ETIMEDOUT, "context deadline exceeded");
}

static void on_response(void *data, unsigned status, const struct http_header *headers,
                        size_t header_count)
{
    struct flight *flight = data;
    (void)headers;
    (void)header_count;
    flight->status = status;
}

static void on_body(void *data, struct slice bytes)
{
    struct flight *flight = data;
    buffer_append_slice(&flight->answer, bytes);
    if (buffer_error(&flight->answer) < 0) {
        flight_abort(flight, -EMSGSIZE, "the answer is too large");
    }
}

/* In Go's words where people know them. `message` begins with the address. */
static const char *words_of(struct arena *arena, int error, const char *message)
{
    const char *what = strstr(message, ": ");
    int address = what == NULL ? 0 : (int)(what - message);
    switch (error) {
    case -ECONNREFUSED:
        return arena_printf(arena, "dial tcp %.*s: connect: connection refused", address, message);
    case -EHOSTUNREACH:
        return arena_printf(arena, "dial tcp %.*s: connect: no route to host", address, message);
    case -ENETUNREACH:
        return arena_printf(arena, "dial tcp %.*s: connect: network is unreachable", address,
                            message);
    case -ETIMEDOUT:
        return "context deadline exceeded";
    case -ECONNRESET:
        return "EOF";
    default:
        return message;
    }
}

static void on_end(void *data, int status, const char *message)
{
    struct flight *flight = data;
    flight->http = NULL;
    flight_end(flight, status, status == 0 ? "" : words_of(flight->call->arena, status, message));
}

/* --- Whom to trust --- */

static struct tls_config *find_trust(struct webhook_client *client, struct slice ca_bundle)
{
    for (size_t i = 0; i < client->trust_count; i++) {
        if (slice_equal(client->trusts[i].ca_bundle, ca_bundle)) {
            client->trusts[i].used = client->calls;
            return client->trusts[i].tls;
        }
    }
    return NULL;
}

/* A free place, or that of the one not used for longest. */
static struct trust *make_room(struct webhook_client *client)
{
    if (client->trust_count < WEBHOOK_TRUSTS_MAX) {
        return &client->trusts[client->trust_count++];
    }
    struct trust *oldest = &client->trusts[0];
    for (size_t i = 1; i < client->trust_count; i++) {
        if (client->trusts[i].used < oldest->used) {
            oldest = &client->trusts[i];
        }
    }
    trust_release(oldest);
    return oldest;
}

static struct tls_config *trust_of(struct webhook_client *client, struct slice ca_bundle,
                                   struct error *reterr)
{
    struct tls_config *tls = find_trust(client, ca_bundle);
    if (tls != NULL) {
        return tls;
    }
    struct tls_options options = {
        .ca_pem = ca_bundle, .verify = TLS_VERIFY_REQUIRED, .alpn = TLS_ALPN_HTTP1};
    if (tls_config_new_client(&options, &tls, reterr) < 0) {
        return NULL;
    }
    struct trust *trust = make_room(client);
    uint8_t *copy = alloc_bytes(ca_bundle.len + 1);
    if (ca_bundle.len > 0) {
        memcpy(copy, ca_bundle.data, ca_bundle.len);
    }
    *trust = (struct trust){
        .ca_bundle = slice_of(copy, ca_bundle.len), .tls = tls, .used = client->calls};
    return tls;
}

/* --- Services --- */

/* The number behind a port of the Service, as its endpoints have it. */
struct wanted_port {
    const char *name; /* Never NULL. */
    int32_t number;   /* Of the Service. */
};

struct endpoint_search {
    const char *service;
    struct wanted_port port;
    size_t pick;  /* Which of the ready ones. */
    size_t ready; /* Seen. */
    size_t slices;
    struct net_address found;
};

static bool is_of(const Discovery__V1__EndpointSlice *slice, const char *service)
{
    for (size_t i = 0; i < slice->metadata->n_labels; i++) {
        const char *value = slice->metadata->labels[i]->value;
        if (strcmp(slice->metadata->labels[i]->key, "kubernetes.io/service-name") == 0) {
            return value != NULL && strcmp(value, service) == 0;
        }
    }
    return false;
}

static int32_t slice_port(const Discovery__V1__EndpointSlice *slice, const char *name)
{
    for (size_t i = 0; i < slice->n_ports; i++) {
        const Discovery__V1__EndpointPort *port = slice->ports[i];
        if (strcmp(text_or_empty(port->name), name) == 0) {
            return port->port;
        }
    }
    return 0;
}

static bool is_ready(const Discovery__V1__Endpoint *endpoint)
{
    const Discovery__V1__EndpointConditions *conditions = endpoint->conditions;
    return endpoint->n_addresses > 0 &&
           (conditions == NULL || !conditions->has_ready || conditions->ready);
}

static bool look_at_slice(void *data, const struct cached_object *object)
{
    struct endpoint_search *search = data;
    const Discovery__V1__EndpointSlice *slice = cached_object_message(object);
    if (slice == NULL || !is_of(slice, search->service)) {
        return true;
    }
    int32_t port = slice_port(slice, search->port.name);
    search->slices++;
    for (size_t i = 0; port > 0 && i < slice->n_endpoints; i++) {
        const Discovery__V1__Endpoint *endpoint = slice->endpoints[i];
        if (!is_ready(endpoint) || strlen(endpoint->addresses[0]) >= sizeof(search->found.host)) {
            continue;
        }
        if (search->ready == search->pick) {
            (void)snprintf(search->found.host, sizeof(search->found.host), "%s",
                           endpoint->addresses[0]);
            search->found.port = (uint16_t)port;
        }
        search->ready++;
    }
    return true;
}

/* The endpoints first: a control plane machine need not route service addresses. */
static const char *find_endpoint(struct webhook_client *client, const struct webhook_target *target,
                                 const Core__V1__Service *service, struct arena *arena,
                                 struct net_address *ret_address)
{
    int32_t wanted = target->service_port == 0 ? 443 : target->service_port;
    struct endpoint_search search = {.service = target->service_name, .port = {.number = wanted}};
    for (size_t i = 0; i < service->spec->n_ports; i++) {
        if (service->spec->ports[i]->port == wanted) {
            search.port.name = text_or_empty(service->spec->ports[i]->name);
        }
    }
    if (search.port.name == NULL) {
        return arena_printf(arena, "no service port %d found for service \"%s\"", wanted,
                            target->service_name);
    }
    struct cache_view *view = watch_cache_view(client->cache, client->slice_kind);
    cache_view_each(view, target->service_namespace, slice_text(""), look_at_slice, &search);
    if (search.ready > 0) { /* All get their turn. */
        search.pick = client->calls % search.ready;
        search.ready = 0;
        cache_view_each(view, target->service_namespace, slice_text(""), look_at_slice, &search);
        *ret_address = search.found;
    }
    cache_view_free(view);
    if (search.ready > 0) {
        return NULL;
    }
    const char *ip = service->spec->cluster_ip;
    if (search.slices > 0 || ip == NULL || ip[0] == 0 || strcmp(ip, "None") == 0 ||
        strlen(ip) >= sizeof(ret_address->host)) {
        return arena_printf(arena, "no endpoints available for service \"%s\"",
                            target->service_name);
    }
    (void)snprintf(ret_address->host, sizeof(ret_address->host), "%s", ip);
    ret_address->port = (uint16_t)wanted;
    return NULL;
}

/* NULL, or why there is no address. */
static const char *resolve(struct webhook_client *client, struct webhook_call *call,
                           struct net_address *ret_address)
{
    const struct webhook_target *target = &call->target;
    const struct cached_object *object = watch_cache_get(
        client->cache, client->service_kind, target->service_namespace, target->service_name);
    const Core__V1__Service *service = object == NULL ? NULL : cached_object_message(object);
    const char *problem =
        service == NULL
            ? arena_printf(call->arena, "service \"%s\" not found", target->service_name)
            : find_endpoint(client, target, service, call->arena, ret_address);
    cached_object_unref(object);
    return problem;
}

/* --- The beginning --- */

static const char *url_of(const struct webhook_call *call)
{
    const struct webhook_target *target = &call->target;
    const char *base = target->url;
    if (base == NULL) {
        const char *path = text_or_empty(target->service_path);
        base = arena_printf(call->arena, "https://%s.%s.svc:%d%s%s", target->service_name,
                            target->service_namespace,
                            target->service_port == 0 ? 443 : target->service_port,
                            path[0] == '/' ? "" : "/", path);
    }
    return arena_printf(call->arena, "%s%stimeout=%llus", base,
                        strchr(base, '?') == NULL ? "?" : "&",
                        (unsigned long long)(call->timeout_ms / 1000));
}

static void flight_start(void *data)
{
    static const struct http_call_events events = {
        .on_response = on_response, .on_body = on_body, .on_end = on_end};
    struct flight *flight = data;
    struct webhook_client *client = flight->client;
    struct webhook_call *call = flight->call;
    if (client->closed) {
        flight_free(flight);
        return;
    }
    client->calls++;
    list_push_back(&client->flights, &flight->node);
    flight->url = url_of(call);
    if (client->flight_count++ >= WEBHOOK_CALLS_MAX) {
        flight_end(flight, -EBUSY, "too many calls to webhooks are under way");
        return;
    }
    struct net_address address;
    const char *problem = call->target.url != NULL ? NULL : resolve(client, call, &address);
    if (problem != NULL) {
        flight_end(flight, -EHOSTUNREACH, problem);
        return;
    }
    CLEANUP(error_release) struct error error = {0};
    struct tls_config *tls = trust_of(client, call->target.ca_bundle, &error);
    if (tls == NULL) {
        flight_end(flight, -EINVAL,
                   arena_printf(call->arena, "unable to load root certificates: %s",
                                error_message(&error)));
        return;
    }
    if (client->http == NULL) {
        client->http = http_client_new(client->io_loop);
    }
    const struct http_header headers[] = {
        {.name = slice_text("accept"), .value = slice_text("application/json, */*")},
        {.name = slice_text("content-type"), .value = slice_text("application/json")},
        {.name = slice_text("user-agent"), .value = slice_text("kube-apiserver-admission")},
    };
    struct http_call_options options = {
        .method = "POST",
        .url = flight->url,
        .address = call->target.url != NULL ? NULL : &address,
        .tls = tls,
        .server_name = call->target.url != NULL
                           ? NULL
                           : arena_printf(call->arena, "%s.%s.svc", call->target.service_name,
                                          call->target.service_namespace),
        .headers = headers,
        .header_count = ARRAY_LEN(headers),
        .body = call->body,
        .repeatable = true,
        .timeout_ms = call->timeout_ms};
    flight->timeout = (struct loop_timer){.fire = on_timeout, .data = flight};
    loop_timer_start(client->io_loop, &flight->timeout, call->timeout_ms);
    flight->http = http_client_request(client->http, &options, &events, flight);
}

void webhook_client_start(struct webhook_client *client, struct webhook_call *call)
{
    struct flight *flight = alloc_zeroed(sizeof(*flight));
    flight->client = client;
    flight->call = call;
    list_init(&flight->node);
    buffer_init(&flight->answer, WEBHOOK_ANSWER_MAX);
    loop_post(client->io_loop, flight_start, flight);
}
