#include "tests/unit/net/echo_server.h"

#include "lib/base/alloc.h"
#include "lib/net/limits.h"
#include "lib/net/websocket.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BIG_BYTES = 1024 * 1024 };

static void count_abort(void *data)
{
    struct echo_server *echo = data;
    atomic_fetch_add(&echo->aborted, 1);
}

static void count_done(void *data)
{
    struct echo_server *echo = data;
    atomic_fetch_add(&echo->done, 1);
}

/* ---- /stream ---- */

struct streamer {
    struct http_exchange *exchange;
    struct echo_server *echo;
    size_t left;
};

static void stream_more(void *data)
{
    struct streamer *streamer = data;
    uint8_t bytes[ECHO_STREAM_CHUNK];
    memset(bytes, 's', sizeof(bytes));
    while (streamer->left > 0) {
        streamer->left--;
        if (http_write(streamer->exchange, slice_of(bytes, sizeof(bytes))) >=
            NET_WRITE_HIGH_BYTES) {
            return; /* stream_more() again at on_drain. */
        }
    }
    struct http_header trailer = http_header("x-end", "yes");
    http_finish_trailers(streamer->exchange, &trailer, 1);
}

static void stream_aborted(void *data)
{
    struct streamer *streamer = data;
    count_abort(streamer->echo);
}

static void stream(struct echo_server *echo, struct http_exchange *exchange)
{
    struct slice count = {.len = 0};
    struct streamer *streamer = arena_zeroed(http_arena(exchange), sizeof(*streamer));
    streamer->exchange = exchange;
    streamer->echo = echo;
    streamer->left = 4;
    if (http_query_find(http_arena(exchange), http_query(exchange), "n", &count) == 0) {
        streamer->left = strtoul(
            arena_text_n(http_arena(exchange), (const char *)count.data, count.len), NULL, 10);
    }
    struct http_header type = http_header("content-type", "text/plain");
    http_allow_gzip(exchange, /* streamed= */ true);
    http_on_drain(exchange, stream_more, streamer);
    http_on_abort(exchange, stream_aborted, streamer);
    http_respond_start(exchange, 200, &type, 1);
    stream_more(streamer);
}

/* ---- /later ---- */

static void answer_later(void *data)
{
    struct http_exchange *exchange = data;
    http_respond(exchange, 200, NULL, 0, slice_text("later\n"));
    http_exchange_unref(exchange);
}

/* ---- /until-closing ---- */

static void say_goodbye(void *data)
{
    http_write(data, slice_text("last\n"));
    http_finish(data);
}

/* ---- /upgrade ---- */

static void raw_read(void *data, struct slice bytes)
{
    net_stream_write(*(struct net_stream **)data, bytes);
}

static void raw_end(void *data, int status)
{
    struct net_stream *stream = *(struct net_stream **)data;
    free(data);
    if (status == 0) {
        net_stream_finish(stream);
    } else {
        net_stream_close(stream, NULL, NULL);
    }
}

static void upgrade(struct http_exchange *exchange)
{
    static const struct net_stream_events events = {.on_read = raw_read, .on_end = raw_end};
    struct net_stream *stream = NULL;
    if (http_upgrade(exchange, "echo", NULL, 0, &stream) != 0) {
        http_respond(exchange, 400, NULL, 0, slice_text("no upgrade\n"));
        return;
    }
    struct net_stream **holder = alloc_bytes(sizeof(*holder));
    *holder = stream;
    net_stream_start(stream, &events, holder);
}

/* ---- /ws ---- */

static void ws_message(void *data, enum websocket_opcode opcode, struct slice payload)
{
    if (opcode == WEBSOCKET_TEXT || opcode == WEBSOCKET_BINARY) {
        websocket_send(*(struct websocket **)data, opcode, payload);
    }
}

static void ws_end(void *data, unsigned code)
{
    struct websocket *websocket = *(struct websocket **)data;
    free(data);
    websocket_close(websocket, code, "");
}

static void ws(struct http_exchange *exchange)
{
    static const struct websocket_events events = {.on_message = ws_message, .on_end = ws_end};
    struct websocket **holder = alloc_zeroed(sizeof(*holder));
    struct slice protocol = {.len = 0};
    size_t at = 0;
    const char *chosen = NULL;
    if (websocket_next_protocol(exchange, &at, &protocol)) {
        chosen = arena_text_n(http_arena(exchange), (const char *)protocol.data, protocol.len);
    }
    if (websocket_accept(exchange, chosen, &events, holder, holder) != 0) {
        free(holder);
        http_respond(exchange, 400, NULL, 0, slice_text("no websocket\n"));
    }
}

/* ---- /whoami ---- */

static void whoami(struct http_exchange *exchange)
{
    const struct tls_peer *peer = http_tls_peer(exchange);
    if (peer == NULL) {
        http_respond(exchange, 200, NULL, 0, slice_text("plaintext"));
        return;
    }
    const char *text = peer->common_name;
    for (size_t i = 0; i < peer->organization_count; i++) {
        text = arena_printf(http_arena(exchange), "%s %s", text, peer->organizations[i]);
    }
    text = arena_printf(http_arena(exchange), "%s %s %s", text,
                        !peer->presented ? "anonymous"
                        : peer->verified ? "verified"
                                         : "unverified",
                        peer->protocol);
    http_respond(exchange, 200, NULL, 0, slice_text(text));
}

/* ---- Requests ---- */

static void echo_piece(void *data, struct slice bytes, bool end)
{
    struct http_exchange *exchange = data;
    http_write(exchange, bytes);
    http_body_consumed(exchange, bytes.len);
    if (end) {
        http_finish(exchange);
    }
}

static bool on_headers(void *data, struct http_exchange *exchange)
{
    http_on_done(exchange, count_done, data);
    if (slice_is(http_path(exchange), "/echo-stream")) {
        http_on_body(exchange, echo_piece, exchange);
        http_respond_start(exchange, 200, NULL, 0);
        return true;
    }
    return false;
}

static void on_request(void *data, struct http_exchange *exchange)
{
    struct echo_server *echo = data;
    struct slice path = http_path(exchange);
    struct http_header type = http_header("content-type", "text/plain");
    if (slice_is(path, "/hello")) {
        http_respond(exchange, 200, &type, 1, slice_text("hello\n"));
    } else if (slice_is(path, "/echo")) {
        http_respond(exchange, 200, &type, 1, http_body(exchange));
    } else if (slice_is(path, "/stream")) {
        stream(echo, exchange);
    } else if (slice_is(path, "/big")) {
        http_allow_gzip(exchange, /* streamed= */ false);
        http_respond_shared(exchange, 200, &type, 1, &echo->big, 1);
    } else if (slice_is(path, "/later")) {
        loop_post(http_exchange_loop(exchange), answer_later, http_exchange_ref(exchange));
    } else if (slice_is(path, "/never")) {
        http_on_abort(exchange, count_abort, echo);
        http_respond_start(exchange, 200, &type, 1);
        http_write(exchange, slice_text("first\n"));
    } else if (slice_is(path, "/until-closing")) {
        http_on_closing(exchange, say_goodbye, exchange);
        http_respond_start(exchange, 200, &type, 1);
        http_write(exchange, slice_text("first\n"));
    } else if (slice_is(path, "/messages") && http_respond_messages(exchange, NULL, true)) {
        http_on_abort(exchange, count_abort, echo);
        http_on_closing(exchange, say_goodbye, exchange);
        http_write(exchange, slice_text("first\n"));
    } else if (slice_is(path, "/upgrade")) {
        upgrade(exchange);
    } else if (slice_is(path, "/whoami")) {
        whoami(exchange);
    } else if (slice_is(path, "/ws")) {
        ws(exchange);
    } else if (!slice_is(path, "/dropped")) {
        http_respond(exchange, 404, &type, 1, slice_text("not found\n"));
    }
}

/* ---- gRPC ---- */

static void unary(void *data, struct grpc_call *call, struct slice request)
{
    (void)data;
    if (slice_is(request, "fail")) {
        grpc_call_finish(call, GRPC_NOT_FOUND, "no such \"thing\": 100% n\xc3\xb6",
                         slice_text("det"));
        return;
    }
    grpc_call_respond(call, request);
}

static void server_stream(void *data, struct grpc_call *call, struct slice request)
{
    (void)data;
    for (int i = 0; i < 3; i++) {
        grpc_call_send(call, request);
    }
    grpc_call_finish(call, GRPC_OK, NULL, slice_text(""));
}

struct counter {
    struct grpc_call *call;
    size_t messages;
    size_t bytes;
};

static void count_message(void *data, struct slice bytes)
{
    struct counter *counter = data;
    counter->messages++;
    counter->bytes += bytes.len;
}

static void count_end(void *data)
{
    struct counter *counter = data;
    char text[64];
    int len =
        snprintf(text, sizeof(text), "%zu messages, %zu bytes", counter->messages, counter->bytes);
    grpc_call_respond(counter->call, slice_of(text, (size_t)len));
}

static void client_stream(void *data, struct grpc_call *call, struct slice request)
{
    (void)data;
    (void)request;
    struct counter *counter = arena_zeroed(grpc_call_arena(call), sizeof(*counter));
    counter->call = call;
    grpc_call_on_message(call, count_message, count_end, counter);
}

static void bidi_message(void *data, struct slice bytes)
{
    grpc_call_send(data, bytes);
}

static void bidi_end(void *data)
{
    grpc_call_finish(data, GRPC_OK, NULL, slice_text(""));
}

static void bidi(void *data, struct grpc_call *call, struct slice request)
{
    (void)request;
    grpc_call_on_message(call, bidi_message, bidi_end, call);
    grpc_call_on_cancel(call, count_abort, data);
    grpc_call_send_headers(call, NULL, 0);
}

static void never(void *data, struct grpc_call *call, struct slice request)
{
    (void)request;
    grpc_call_on_cancel(call, count_abort, data);
    grpc_call_send_headers(call, NULL, 0);
}

static void on_too_large(void *data, struct http_exchange *exchange)
{
    (void)data;
    http_respond(exchange, 413, NULL, 0, slice_text("at most 3 MiB"));
}

void echo_server_start(struct echo_server *echo, struct http_server_options *options)
{
    *echo = (struct echo_server){.server = NULL};
    for (int i = 0; i < 2; i++) {
        if (loop_new("echo", &echo->loops[i]) != 0) {
            abort();
        }
    }
    uint8_t *bytes = alloc_bytes(BIG_BYTES);
    memset(bytes, 'b', BIG_BYTES);
    echo->big = chunk_new_owned(bytes, BIG_BYTES);
    const struct grpc_method methods[] = {
        {.path = "/test.Echo/Unary", .kind = GRPC_UNARY, .on_call = unary, .data = echo},
        {.path = "/test.Echo/Server",
         .kind = GRPC_SERVER_STREAM,
         .on_call = server_stream,
         .data = echo},
        {.path = "/test.Echo/Client",
         .kind = GRPC_CLIENT_STREAM,
         .on_call = client_stream,
         .data = echo},
        {.path = "/test.Echo/Bidi", .kind = GRPC_BIDI_STREAM, .on_call = bidi, .data = echo},
        {.path = "/test.Echo/Never", .kind = GRPC_BIDI_STREAM, .on_call = never, .data = echo},
    };
    echo->grpc = grpc_server_new();
    grpc_server_add(echo->grpc, methods, ARRAY_LEN(methods));
    struct net_address address = {.host = "127.0.0.1"};
    if (options->address == NULL) {
        options->address = &address;
    }
    struct http_handler handler = {.on_headers = on_headers,
                                   .on_request = on_request,
                                   .on_too_large = on_too_large,
                                   .data = echo};
    options->loops = echo->loops;
    options->loop_count = 2;
    options->handler = &handler;
    options->grpc = grpc_server_handler(echo->grpc);
    struct error error = {.code = 0};
    if (http_server_listen(options, &echo->server, &error) != 0) {
        fprintf(stderr, "%s\n", error_message(&error));
        abort();
    }
    for (int i = 0; i < 2; i++) {
        if (loop_start_thread(echo->loops[i]) != 0) {
            abort();
        }
    }
}

static void on_closed(void *data)
{
    struct echo_server *echo = data;
    atomic_store(&echo->closed, true);
    loop_stop(echo->loops[0]);
    loop_stop(echo->loops[1]);
}

static void close_server(void *data)
{
    struct echo_server *echo = data;
    http_server_close(echo->server, /* grace_ms= */ 200, on_closed, echo);
}

void echo_server_stop(struct echo_server *echo)
{
    loop_post(echo->loops[0], close_server, echo);
    for (int i = 0; i < 2; i++) {
        loop_join(echo->loops[i]);
        loop_free(echo->loops[i]);
    }
    grpc_server_free(echo->grpc);
    chunk_unref(echo->big);
}
