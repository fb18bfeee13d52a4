#include "apiserver/webhook_client.h"

#include "apiserver/limits.h"
#include "apiserver/pod_tunnel.h"
#include "apiserver/service_endpoint.h"
#include "apiserver/watch_cache.h"
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/net/http_client.h"
#include "lib/net/loop.h"
#include <errno.h>
#include <stdlib.h>

enum { ETAG_MAX = 256 };

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
    struct tls_config *agent_tls; /* NULL: pods are reached directly. */
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
    struct pod_tunnel *tunnel; /* Until it is there. */
    struct net_address address;
    struct tls_config *tls; /* Referenced. */
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
    list_init(&client->flights);
    return client;
}

static void trust_release(struct trust *trust)
{
    free((void *)(uintptr_t)trust->ca_bundle.data);
    tls_config_unref(trust->tls);
}

static void flight_free(struct flight *flight)
{
    tls_config_unref(flight->tls);
    loop_timer_stop(flight->client->io_loop, &flight->timeout);
    list_remove(&flight->node);
    buffer_release(&flight->answer);
    free(flight);
}

static void stop_call(struct flight *flight)
{
    if (flight->tunnel != NULL) {
        pod_tunnel_cancel(TAKE(flight->tunnel));
    }
    if (flight->http != NULL) {
        http_call_cancel(TAKE(flight->http));
    }
}

void webhook_client_set_agents(struct webhook_client *client, struct tls_config *agent_tls)
{
    client->agent_tls = agent_tls == NULL ? NULL : tls_config_ref(agent_tls);
}

void webhook_client_close(struct webhook_client *client)
{
    client->closed = true;
    while (!list_empty(&client->flights)) {
        struct flight *flight = LIST_ENTRY(list_first(&client->flights), struct flight, node);
        stop_call(flight);
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
    tls_config_unref(client->agent_tls);
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
        call->message = arena_printf(call->arena, "%s \"%s\": %s",
                                     call->identity == NULL ? "Post" : "Get", flight->url, why);
    }
    client->flight_count--;
    flight_free(flight);
    go_home(client, call);
}

static void flight_abort(struct flight *flight, int error, const char *why)
{
    stop_call(flight);
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
    struct webhook_call *call = flight->call;
    flight->status = status;
    for (size_t i = 0; call->identity != NULL && i < header_count; i++) {
        if (http_name_is(headers[i].name, "etag") && headers[i].value.len <= ETAG_MAX) {
            call->etag = arena_text_n(call->arena, (const char *)headers[i].value.data,
                                      headers[i].value.len);
        }
    }
}

static void on_body(void *data, struct slice bytes)
{
    struct flight *flight = data;
    buffer_append_slice(&flight->answer, bytes);
    if (buffer_error(&flight->answer) < 0) {
        flight_abort(flight, -EMSGSIZE, "the answer is too large");
    }
}

static void on_end(void *data, int status, const char *message)
{
    struct flight *flight = data;
    flight->http = NULL;
    flight_end(flight, status,
               status == 0 ? "" : net_error_words(flight->call->arena, status, message));
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

/* --- The beginning --- */

static int32_t port_of(const struct webhook_target *target)
{
    return target->service_port == 0 ? 443 : target->service_port;
}

/* Finds flight->address. NULL, or why there is none; *ret_tunnel_url is the way there, if not NULL.
 */
static const char *resolve(struct flight *flight, const char **ret_tunnel_url)
{
    struct webhook_client *client = flight->client;
    const struct webhook_target *target = &flight->call->target;
    struct arena *arena = flight->call->arena;
    const struct service_question question = {.namespace = target->service_namespace,
                                              .name = target->service_name,
                                              .port = port_of(target),
                                              .turn = client->calls};
    struct service_answer answer = {0};
    enum service_finding finding = service_endpoint_find(client->cache, arena, &question, &answer);
    if (finding != SERVICE_FOUND) {
        return service_finding_words(arena, finding, &question);
    }
    flight->address = answer.address;
    if (client->agent_tls != NULL) {
        *ret_tunnel_url = pod_tunnel_url(client->cache, arena, question.namespace, answer.pod,
                                         answer.address.port, /* plaintext= */ false);
    }
    return NULL;
}

static const char *url_of(const struct webhook_call *call)
{
    const struct webhook_target *target = &call->target;
    const char *base = target->url;
    if (base == NULL) {
        const char *path = text_or_empty(target->service_path);
        base = arena_printf(call->arena, "https://%s.%s.svc:%d%s%s", target->service_name,
                            target->service_namespace, port_of(target), path[0] == '/' ? "" : "/",
                            path);
    }
    if (call->identity != NULL) {
        return base;
    }
    return arena_printf(call->arena, "%s%stimeout=%llus", base,
                        strchr(base, '?') == NULL ? "?" : "&",
                        (unsigned long long)(call->timeout_ms / 1000));
}

/* Once it is clear where to, and over which connection. */
static void flight_send(struct flight *flight, struct net_stream *base)
{
    static const struct http_call_events events = {
        .on_response = on_response, .on_body = on_body, .on_end = on_end};
    const struct webhook_call *call = flight->call;
    const struct webhook_target *target = &call->target;
    const struct http_header post_headers[] = {
        http_header("accept", "application/json, */*"),
        http_header("content-type", "application/json"),
        http_header("user-agent", "kube-apiserver-admission"),
    };
    bool asks = call->identity != NULL;
    const struct http_call_options options = {
        .method = asks ? "GET" : "POST",
        .url = flight->url,
        .address = target->url != NULL ? NULL : &flight->address,
        .tls = flight->tls,
        .server_name = target->url != NULL
                           ? NULL
                           : arena_printf(call->arena, "%s.%s.svc", target->service_name,
                                          target->service_namespace),
        .headers = asks ? call->headers : post_headers,
        .header_count = asks ? call->header_count : ARRAY_LEN(post_headers),
        .body = call->body,
        .repeatable = true,
        .timeout_ms = call->timeout_ms,
        .base_consume = base};
    flight->http = http_client_request(flight->client->http, &options, &events, flight);
}

static void on_tunnel(void *data, int status, const char *message, struct net_stream *stream)
{
    struct flight *flight = data;
    flight->tunnel = NULL;
    if (status < 0) {
        flight_end(flight, status, net_error_words(flight->call->arena, status, message));
    } else {
        flight_send(flight, stream);
    }
}

/* False when the call has ended. */
static bool choose_trust(struct flight *flight)
{
    struct webhook_call *call = flight->call;
    CLEANUP(error_release) struct error error = {0};
    struct tls_config *tls = call->identity != NULL
                                 ? call->identity
                                 : trust_of(flight->client, call->target.ca_bundle, &error);
    if (tls == NULL) {
        flight_end(flight, -EINVAL,
                   arena_printf(call->arena, "unable to load root certificates: %s",
                                error_message(&error)));
        return false;
    }
    flight->tls = tls_config_ref(tls);
    return true;
}

static void flight_start(void *data)
{
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
    const char *tunnel_url = NULL;
    const char *problem = call->target.url != NULL ? NULL : resolve(flight, &tunnel_url);
    if (problem != NULL) {
        flight_end(flight, -EHOSTUNREACH, problem);
        return;
    }
    if (!choose_trust(flight)) {
        return;
    }
    if (client->http == NULL) {
        client->http = http_client_new(client->io_loop);
    }
    flight->timeout = (struct loop_timer){.fire = on_timeout, .data = flight};
    loop_timer_start(client->io_loop, &flight->timeout, call->timeout_ms);
    if (tunnel_url == NULL) {
        flight_send(flight, /* base= */ NULL);
    } else {
        flight->tunnel =
            pod_tunnel_open(client->http, client->agent_tls, tunnel_url, on_tunnel, flight);
    }
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

const char *webhook_answer_words(struct arena *arena, const struct webhook_call *call)
{
    if (call->status == 404) {
        return "the server could not find the requested resource";
    }
    size_t len = call->answer.len < 256 ? call->answer.len : 256;
    const char *said = arena_text_n(arena, (const char *)call->answer.data, len);
    if (call->status >= 500) {
        return arena_printf(
            arena, "an error on the server (\"%s\") has prevented the request from succeeding",
            said);
    }
    return arena_printf(arena, "the server rejected our request (%u): %s", call->status, said);
}
