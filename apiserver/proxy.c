#include "apiserver/proxy.h"

#include "apiserver/audit.h"
#include "apiserver/html_links.h"
#include "apiserver/pki.h"
#include "apiserver/pod_tunnel.h"
#include "apiserver/proxy_headers.h"
#include "apiserver/request.h"
#include "lib/base/alloc.h"
#include "lib/base/base64.h"
#include "lib/net/http_client.h"
#include "lib/net/limits.h"
#include "lib/net/stream_pair.h"
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

struct proxy {
    struct apiserver *server;
    struct tls_config *agent_tls;
    struct tls_config *unverified_tls;
    struct http_client **clients; /* One per io loop, made at first use on that loop. */
    size_t closed_count;          /* Of these. */
    void (*closed)(void *data);
    void *closed_data;
};

/* One request passed on, in its arena. */
struct relay {
    struct request *request;
    const struct proxy_rules *rules;
    struct http_client *client;
    struct http_call *call;
    struct pod_tunnel *tunnel;        /* Until it is there. */
    struct http_call_options options; /* Of the call. */
    struct net_address address;
    struct loop_timer limit;
    const char *upgrade;
    const struct link_base *links;
    const struct proxy_messages *messages;
    struct html_links *page;            /* The answer is one whose links are rewritten. */
    struct http_header *answer_headers; /* Of a 101. */
    size_t answer_header_count;
    struct http_header *trailers; /* Of the answer. */
    size_t trailer_count;
    struct stream_pair pair; /* After a 101. */
    unsigned bad_status;     /* Of an answer whose words are gathered for rules->explain. */
    char *words;
    size_t words_len;
    bool started;
    bool over;
};

static struct tls_config *make_tls(const struct tls_options *options)
{
    struct tls_config *tls = NULL;
    /* 503 at use. */
    return tls_config_new_client(options, &tls, NULL) < 0 ? NULL : tls;
}

struct proxy *proxy_new(struct apiserver *server)
{
    struct proxy *proxy = alloc_zeroed(sizeof(*proxy));
    const struct pki *pki = server->config.pki;
    proxy->server = server;
    proxy->clients = alloc_array(server->config.io_loop_count, sizeof(struct http_client *));
    if (!server->config.plaintext) {
        proxy->agent_tls = make_tls(&(struct tls_options){.cert_pem = slice_text(pki->server_cert),
                                                          .key_pem = slice_text(pki->server_key),
                                                          .ca_pem = slice_text(pki->ca_cert),
                                                          .verify = TLS_VERIFY_REQUIRED,
                                                          .alpn = TLS_ALPN_HTTP1});
    }
    proxy->unverified_tls =
        make_tls(&(struct tls_options){.verify = TLS_VERIFY_NONE, .alpn = TLS_ALPN_HTTP1});
    return proxy;
}

/* On each io loop in turn: what a client holds belongs to its loop. */
static void close_next(void *data)
{
    struct proxy *proxy = data;
    const struct apiserver_config *config = &proxy->server->config;
    struct http_client *client = TAKE(proxy->clients[proxy->closed_count]);
    if (client != NULL) {
        http_client_close(client);
    }
    if (++proxy->closed_count < config->io_loop_count) {
        loop_post(config->io_loops[proxy->closed_count], close_next, proxy);
    } else {
        proxy->closed(proxy->closed_data);
    }
}

void proxy_close(struct proxy *proxy, void (*closed)(void *data), void *data)
{
    proxy->closed = closed;
    proxy->closed_data = data;
    loop_post(proxy->server->config.io_loops[0], close_next, proxy);
}

void proxy_free(struct proxy *proxy)
{
    if (proxy == NULL) {
        return;
    }
    tls_config_unref(proxy->agent_tls);
    tls_config_unref(proxy->unverified_tls);
    free(proxy->clients);
    free(proxy);
}

struct tls_config *proxy_agent_tls(struct proxy *proxy)
{
    return proxy->agent_tls;
}

struct tls_config *proxy_unverified_tls(struct proxy *proxy)
{
    return proxy->unverified_tls;
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

/* --- The end --- */

/* Nothing comes from either side any more; the exchange can be answered, or given up. */
static void relay_settle(struct relay *relay)
{
    struct http_exchange *exchange = relay->request->exchange;
    relay->over = true;
    loop_timer_stop(http_exchange_loop(exchange), &relay->limit);
    http_on_abort(exchange, NULL, NULL);
    http_on_drain(exchange, NULL, NULL);
    if (relay->tunnel != NULL) {
        pod_tunnel_cancel(TAKE(relay->tunnel));
    }
    if (relay->call != NULL) {
        http_call_cancel(TAKE(relay->call));
    }
    tls_config_unref(TAKE(relay->options.tls));
}

static void relay_fail(struct relay *relay, int error, const char *message)
{
    struct request *request = relay->request;
    relay_settle(relay);
    if (relay->started) {
        http_abort(request->exchange);
        request_finish(request);
        return;
    }
    relay->rules->failed(request, relay->options.url, error, message);
}

static void client_gone(void *data)
{
    struct relay *relay = data;
    if (!relay->over) {
        relay_settle(relay);
        request_finish(relay->request);
    }
}

static void on_limit(void *data)
{
    relay_fail(data, -ETIMEDOUT, "context deadline exceeded");
}

/* Answers in place of a bad answer, of which no more is wanted. */
static void relay_explain(struct relay *relay)
{
    struct request *request = relay->request;
    relay_settle(relay);
    const char *words = arena_text_n(request->arena, relay->words, relay->words_len);
    relay->rules->explain(request, relay->bad_status, words);
}

static size_t write_page(struct relay *relay, struct slice bytes, bool end);

static void on_end(void *data, int status, const char *message)
{
    struct relay *relay = data;
    struct request *request = relay->request;
    relay->call = NULL;
    if (status == 0 && relay->bad_status != 0) {
        relay_explain(relay);
        return;
    }
    if (status < 0 || !relay->started) {
        relay_fail(relay, status, text_or_empty(message));
        return;
    }
    relay_settle(relay);
    if (relay->page != NULL) {
        (void)write_page(relay, slice_of(NULL, 0), true); /* Nothing more comes to be held up. */
    }
    http_finish_trailers(request->exchange, relay->trailers, relay->trailer_count);
    request_finish(request);
}

/* --- The answer --- */

static bool has_header(const struct http_header *headers, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (http_name_is(headers[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* A redirect stays with whom the request was passed to, as he knows only his own paths. */
static struct slice relocated(struct relay *relay, struct slice location)
{
    CLEANUP(buffer_release) struct buffer out;
    if (relay->links == NULL) {
        return location;
    }
    buffer_init(&out, ENCODED_OBJECT_MAX);
    link_rewrite(relay->links, location, &out);
    return arena_slice(relay->request->arena, buffer_slice(&out));
}

static struct slice header_value(const struct http_header *headers, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (http_name_is(headers[i].name, name)) {
            return headers[i].value;
        }
    }
    return slice_of(NULL, 0);
}

/* A whole HTML page in plain bytes. */
static bool is_page(const struct relay *relay, unsigned status, const struct http_header *headers,
                    size_t count)
{
    static const char html[] = "text/html";
    const size_t len = sizeof(html) - 1;
    struct slice type = header_value(headers, count, "content-type");
    bool plain = header_value(headers, count, "content-encoding").len == 0;
    bool text = type.len >= len && strncasecmp((const char *)type.data, html, len) == 0 &&
                (type.len == len || type.data[len] == ';' || type.data[len] == ' ');
    return relay->links != NULL && text && plain && status != 204 && status != 206 &&
           status != 304 && strcmp(relay->request->info.method, "HEAD") != 0 &&
           header_value(headers, count, "location").len == 0;
}

/* What is passed back, with what each of our answers has. */
static size_t answer_headers(struct relay *relay, const struct http_header *headers, size_t count,
                             struct http_header **ret_headers)
{
    struct request *request = relay->request;
    struct http_header *out = arena_array(request->arena, count + COMMON_HEADERS_MAX, sizeof(*out));
    size_t found = proxy_headers_of_answer(request->arena, headers, count, out);
    size_t kept = 0;
    for (size_t i = 0; i < found; i++) {
        bool changes = relay->page != NULL && http_name_is(out[i].name, "content-length");
        if (!changes && relay->rules->passes_back(out[i].name)) {
            out[kept] = out[i];
            if (http_name_is(out[i].name, "location")) {
                out[kept].value = relocated(relay, out[i].value);
            }
            kept++;
        }
    }
    bool chunked = has_header(headers, count, "transfer-encoding");
    struct slice trailer = slice_text("trailer");
    if (chunked && has_header(headers, count, "trailer") && relay->rules->passes_back(trailer)) {
        struct slice names = header_value(headers, count, "trailer");
        out[kept++] = (struct http_header){trailer, arena_slice(request->arena, names)};
    }
    struct http_header common[COMMON_HEADERS_MAX];
    size_t common_count = common_headers(request, "text/plain", common);
    for (size_t i = 0; i < common_count; i++) {
        bool type = http_name_is(common[i].name, "content-type"); /* Not ours to say. */
        if (!type && !has_header(out, kept, (const char *)common[i].name.data)) {
            out[kept++] = common[i];
        }
    }
    *ret_headers = out;
    return kept;
}

static void on_response(void *data, unsigned status, const struct http_header *headers,
                        size_t header_count)
{
    struct relay *relay = data;
    struct request *request = relay->request;
    if (status == 101) {
        struct http_header *out = arena_array(request->arena, header_count, sizeof(*out));
        size_t found = proxy_headers_of_answer(request->arena, headers, header_count, out);
        relay->answer_headers = out;
        for (size_t i = 0; i < found; i++) {
            if (relay->rules->passes_back(out[i].name)) {
                out[relay->answer_header_count++] = out[i];
            }
        }
        return;
    }
    if (relay->rules->may_pass != NULL &&
        !relay->rules->may_pass(request, status, has_header(headers, header_count, "location"))) {
        relay_settle(relay);
        relay->rules->refused(request, status);
        return;
    }
    if (relay->rules->explain != NULL && (status < 200 || status > 206)) {
        relay->bad_status = status;
        relay->words = arena_alloc(request->arena, PROXY_WORDS_MAX);
        return;
    }
    if (is_page(relay, status, headers, header_count)) {
        relay->page = html_links_new(request->arena, relay->links);
    }
    struct http_header *out = NULL;
    size_t count = answer_headers(relay, headers, header_count, &out);
    relay->started = true;
    if (request->info.verb == VERB_WATCH) {
        flow_control_leave(&request->flow); /* From here on it costs little, for long. */
    }
    if (relay->messages == NULL || status != 200 ||
        !http_respond_messages(request->exchange, relay->messages->protocol,
                               relay->messages->base64)) {
        relay->messages = NULL;
        http_respond_start(request->exchange, status, out, count);
    }
    audit_answer_begun(request);
}

/* What goes out of a piece of a page: more, by a prefix for each link. */
static size_t write_page(struct relay *relay, struct slice bytes, bool end)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, PROXY_PAGE_PIECE_MAX);
    html_links_feed(relay->page, bytes, &out);
    if (end) {
        html_links_end(relay->page, &out);
    }
    return http_write(relay->request->exchange, buffer_slice(&out));
}

static size_t write_base64(struct relay *relay, struct slice bytes)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, SIZE_MAX / 2);
    base64_encode(bytes, &out);
    return http_write(relay->request->exchange, buffer_slice(&out));
}

static void gather_words(struct relay *relay, struct slice bytes)
{
    size_t room = PROXY_WORDS_MAX - relay->words_len;
    size_t len = bytes.len < room ? bytes.len : room;
    memcpy(relay->words + relay->words_len, bytes.data, len);
    relay->words_len += len;
    if (len == room) {
        relay_explain(relay);
    }
}

static void on_body(void *data, struct slice bytes)
{
    struct relay *relay = data;
    if (relay->bad_status != 0) {
        gather_words(relay, bytes);
        return;
    }
    bool base64 = relay->messages != NULL && relay->messages->base64;
    size_t queued = base64                ? write_base64(relay, bytes)
                    : relay->page != NULL ? write_page(relay, bytes, false)
                                          : http_write(relay->request->exchange, bytes);
    if (queued >= NET_WRITE_HIGH_BYTES) {
        http_call_pause(relay->call);
    }
}

/* Told on at the end. */
static void on_trailers(void *data, const struct http_header *trailers, size_t count)
{
    struct relay *relay = data;
    struct arena *arena = relay->request->arena;
    struct http_header *out = arena_array(arena, count, sizeof(*out));
    size_t found = proxy_headers_of_answer(arena, trailers, count, out);
    relay->trailers = out;
    for (size_t i = 0; i < found; i++) {
        if (relay->rules->passes_back(out[i].name)) {
            out[relay->trailer_count++] = out[i];
        }
    }
}

static void on_drain(void *data)
{
    struct relay *relay = data;
    if (relay->call != NULL) {
        http_call_resume(relay->call);
    }
}

/* --- After a 101: bytes pass both ways; nothing before it --- */

static void pair_ended(void *data)
{
    struct relay *relay = data;
    http_on_closing(relay->request->exchange, NULL, NULL);
    request_finish(relay->request);
}

/* Whoever is at either end may stay for ever. */
static void end_pair(void *data)
{
    struct relay *relay = data;
    stream_pair_end(&relay->pair);
}

static void on_upgrade(void *data, struct net_stream *server)
{
    struct relay *relay = data;
    struct request *request = relay->request;
    relay->call = NULL;
    relay_settle(relay);
    relay->pair = (struct stream_pair){.one = server, .ended = pair_ended, .data = relay};
    if (http_upgrade(request->exchange, relay->upgrade, relay->answer_headers,
                     relay->answer_header_count, &relay->pair.other) < 0) {
        net_stream_finish(server);
        request_finish(request);
        return;
    }
    flow_control_leave(&request->flow);
    audit_answer_begun(request);
    http_on_closing(request->exchange, end_pair, relay);
    stream_pair_start(&relay->pair);
}

/* --- The request --- */

struct http_header *proxy_request_headers(struct request *request, size_t more, size_t *ret_count)
{
    enum { OWN = 1 };
    size_t count = 0;
    const struct http_header *headers = http_headers(request->exchange, &count);
    struct http_header *out = arena_array(request->arena, count + more + OWN, sizeof(*out));
    size_t kept = proxy_headers_of_request(request->arena, headers, count, out);
    struct slice before = http_header_find(request->exchange, "x-forwarded-for");
    struct net_address peer;
    if (net_address_parse(http_peer_address(request->exchange), &peer) == 0) {
        const char *chain = before.len == 0
                                ? arena_text(request->arena, peer.host)
                                : arena_printf(request->arena, "%.*s, %s", (int)before.len,
                                               (const char *)before.data, peer.host);
        out[kept++] = http_header("x-forwarded-for", chain);
    }
    *ret_count = kept;
    return out;
}

const char *proxy_upgrade(struct request *request)
{
    struct slice wanted = http_header_find(request->exchange, "upgrade");
    const char *protocol = arena_text_n(request->arena, (const char *)wanted.data, wanted.len);
    return wanted.len > 0 && http_wants_upgrade(request->exchange, protocol) ? protocol : NULL;
}

/* All of it lives as long as the request: a tunnel may have to be opened first. */
static struct http_call_options options_of(struct relay *relay, const struct proxy_target *target)
{
    struct arena *arena = relay->request->arena;
    if (target->address != NULL) {
        relay->address = *target->address;
    }
    return (struct http_call_options){
        .method = relay->request->info.method,
        .url = arena_text(arena, target->url),
        .address = target->address == NULL ? NULL : &relay->address,
        .tls = target->tls == NULL ? NULL : tls_config_ref(target->tls),
        .server_name = target->server_name == NULL ? NULL : arena_text(arena, target->server_name),
        .headers = target->headers,
        .header_count = target->header_count,
        .body = target->body,
        .upgrade = target->upgrade,
        .timeout_ms = target->silence_ms_max,
        .no_keep_alive = !target->keep_alive};
}

static void send_request(struct relay *relay, struct net_stream *base)
{
    static const struct http_call_events events = {.on_response = on_response,
                                                   .on_body = on_body,
                                                   .on_trailers = on_trailers,
                                                   .on_upgrade = on_upgrade,
                                                   .on_end = on_end};
    relay->options.base_consume = base;
    relay->call = http_client_request(relay->client, &relay->options, &events, relay);
}

static void on_tunnel(void *data, int status, const char *message, struct net_stream *stream)
{
    struct relay *relay = data;
    relay->tunnel = NULL;
    if (status < 0) {
        relay_fail(relay, status, message);
    } else {
        send_request(relay, stream);
    }
}

void proxy_pass(struct request *request, const struct proxy_target *target)
{
    struct proxy *proxy = request->server->proxy;
    struct loop *loop = http_exchange_loop(request->exchange);
    if (http_is_aborted(request->exchange)) { /* Nobody would end the call. */
        request_finish(request);
        return;
    }
    struct relay *relay = arena_zeroed(request->arena, sizeof(*relay));
    relay->request = request;
    relay->rules = target->rules;
    relay->client = client_of(proxy, loop);
    relay->upgrade = target->upgrade;
    relay->links = target->links;
    relay->messages = target->messages;
    relay->limit = (struct loop_timer){.fire = on_limit, .data = relay};
    relay->options = options_of(relay, target);
    http_on_abort(request->exchange, client_gone, relay);
    http_on_drain(request->exchange, on_drain, relay);
    if (target->time_ms_max > 0) {
        loop_timer_start(loop, &relay->limit, target->time_ms_max);
    }
    if (target->tunnel_url == NULL) {
        send_request(relay, /* base= */ NULL);
    } else {
        relay->tunnel =
            pod_tunnel_open(relay->client, proxy->agent_tls, target->tunnel_url, on_tunnel, relay);
    }
}
