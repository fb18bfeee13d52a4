/* exec, attach and port-forward: the runtime gives the address of its streaming server, and bytes
 * pass between it and the client. SPDY clients get SPDY end to end. WebSocket clients of exec and
 * attach are bridged channel by channel; those of port-forward carry SPDY inside their messages.
 *
 * The runtime's WebSocket protocol (v4) cannot say that stdin has ended, which v5 can. A client
 * that offers v5 only and wants stdin, or to attach (which may leave stdin as it is), is therefore
 * refused with 400, on which kubectl goes on with SPDY. */
#include "agent/limits.h"
#include "agent/node_server_internal.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/net/limits.h"
#include "lib/net/websocket.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COMPONENT "node-server"

enum { COMMAND_WORDS_MAX = 4096, PROTOCOLS_MAX = 8 };

struct bridge {
    struct node_stream stream;
    struct node_server *server;
    struct http_exchange *exchange; /* Until the upgrade. */
    const char *protocol;           /* Of the client's WebSocket, in its arena. */
    bool client_websocket;
    bool runtime_websocket;
    char key[25]; /* Of our own WebSocket request. */
    struct http_call *call;
    struct net_stream *client_stream, *runtime_stream;
    struct websocket *client_socket, *runtime_socket;
    struct arena *arena;
    bool over;
};

static void bridge_free(struct bridge *bridge)
{
    list_remove(&bridge->stream.node);
    if (bridge->call != NULL) {
        http_call_cancel(bridge->call);
    }
    if (bridge->client_stream != NULL) {
        net_stream_finish(bridge->client_stream);
    }
    if (bridge->runtime_stream != NULL) {
        net_stream_finish(bridge->runtime_stream);
    }
    if (bridge->client_socket != NULL) {
        websocket_close(bridge->client_socket, 1000, "");
    }
    if (bridge->runtime_socket != NULL) {
        websocket_close(bridge->runtime_socket, 1000, "");
    }
    if (bridge->exchange != NULL) {
        http_on_abort(bridge->exchange, NULL, NULL);
        http_exchange_unref(bridge->exchange);
    }
    arena_free(bridge->arena);
    free(bridge);
}

static void end_bridge(struct node_stream *stream)
{
    bridge_free(CONTAINER_OF(stream, struct bridge, stream));
}

static void fail(struct bridge *bridge, unsigned status, const char *message)
{
    if (bridge->exchange != NULL) {
        node_respond_text(bridge->exchange, status, message);
    }
    bridge_free(bridge);
}

static void on_abort(void *data)
{
    bridge_free(data); /* The client went away while the runtime was being asked. */
}

/* ---- Bytes from one side to the other ---- */

static void to_runtime(struct bridge *bridge, enum websocket_opcode opcode, struct slice bytes)
{
    bool full;
    if (bridge->runtime_socket != NULL) {
        full = websocket_send(bridge->runtime_socket, opcode, bytes) >= NET_WRITE_HIGH_BYTES;
    } else {
        full = net_stream_write(bridge->runtime_stream, bytes) >= NET_WRITE_HIGH_BYTES;
    }
    if (full && bridge->client_socket != NULL) {
        websocket_pause(bridge->client_socket);
    } else if (full) {
        net_stream_pause(bridge->client_stream);
    }
}

static void to_client(struct bridge *bridge, enum websocket_opcode opcode, struct slice bytes)
{
    bool full;
    if (bridge->client_socket != NULL) {
        full = websocket_send(bridge->client_socket, opcode, bytes) >= NET_WRITE_HIGH_BYTES;
    } else {
        full = net_stream_write(bridge->client_stream, bytes) >= NET_WRITE_HIGH_BYTES;
    }
    if (full && bridge->runtime_socket != NULL) {
        websocket_pause(bridge->runtime_socket);
    } else if (full) {
        net_stream_pause(bridge->runtime_stream);
    }
}

static void client_drained(void *data)
{
    struct bridge *bridge = data;
    if (bridge->runtime_socket != NULL) {
        websocket_resume(bridge->runtime_socket);
    } else if (bridge->runtime_stream != NULL) {
        net_stream_resume(bridge->runtime_stream);
    }
}

static void runtime_drained(void *data)
{
    struct bridge *bridge = data;
    if (bridge->client_socket != NULL) {
        websocket_resume(bridge->client_socket);
    } else if (bridge->client_stream != NULL) {
        net_stream_resume(bridge->client_stream);
    }
}

static void client_message(void *data, enum websocket_opcode opcode, struct slice payload)
{
    if (opcode == WEBSOCKET_TEXT || opcode == WEBSOCKET_BINARY) {
        struct bridge *bridge = data;
        /* [255, channel] closes a channel in v5; v4 has no words for it. */
        bool close_signal =
            bridge->runtime_socket != NULL && payload.len > 0 && payload.data[0] == 255;
        if (!close_signal) {
            to_runtime(bridge, opcode, payload);
        }
    }
}

static void runtime_message(void *data, enum websocket_opcode opcode, struct slice payload)
{
    if (opcode == WEBSOCKET_TEXT || opcode == WEBSOCKET_BINARY) {
        to_client(data, opcode, payload);
    }
}

static void client_bytes(void *data, struct slice bytes)
{
    to_runtime(data, WEBSOCKET_BINARY, bytes);
}

static void runtime_bytes(void *data, struct slice bytes)
{
    to_client(data, WEBSOCKET_BINARY, bytes);
}

static void socket_end(void *data, unsigned code)
{
    (void)code;
    bridge_free(data);
}

static void stream_end(void *data, int status)
{
    (void)status;
    bridge_free(data);
}

static const struct websocket_events client_socket_events = {
    .on_message = client_message,
    .on_drain = client_drained,
    .on_end = socket_end,
};
static const struct websocket_events runtime_socket_events = {
    .on_message = runtime_message,
    .on_drain = runtime_drained,
    .on_end = socket_end,
};
static const struct net_stream_events client_stream_events = {
    .on_read = client_bytes,
    .on_end = stream_end,
    .on_drain = client_drained,
};
static const struct net_stream_events runtime_stream_events = {
    .on_read = runtime_bytes,
    .on_end = stream_end,
    .on_drain = runtime_drained,
};

/* ---- The runtime's side ---- */

static void on_response(void *data, unsigned status, const struct http_header *headers,
                        size_t header_count)
{
    struct bridge *bridge = data;
    for (size_t i = 0; i < header_count && status == 101; i++) {
        if (slice_is(headers[i].name, "x-stream-protocol-version") ||
            slice_is(headers[i].name, "X-Stream-Protocol-Version")) {
            bridge->protocol = arena_text_n(bridge->arena, (const char *)headers[i].value.data,
                                            headers[i].value.len);
        }
    }
    if (status != 101 || (bridge->runtime_websocket &&
                          websocket_check_answer(bridge->key, headers, header_count) < 0)) {
        bridge->over = true; /* on_end follows and answers. */
    }
}

static int accept_client(struct bridge *bridge)
{
    struct http_exchange *exchange = bridge->exchange;
    int r;
    http_on_abort(exchange, NULL, NULL);
    if (bridge->client_websocket) {
        r = websocket_accept(exchange, bridge->protocol, &client_socket_events, bridge,
                             &bridge->client_socket);
    } else {
        struct http_header headers[] = {
            http_header("x-stream-protocol-version",
                        bridge->protocol == NULL ? "" : bridge->protocol),
        };
        r = http_upgrade(exchange, "SPDY/3.1", headers, ARRAY_LEN(headers), &bridge->client_stream);
    }
    bridge->exchange = NULL;
    http_exchange_unref(exchange);
    return r;
}

static void on_upgrade(void *data, struct net_stream *stream)
{
    struct bridge *bridge = data;
    bridge->call = NULL;
    bridge->runtime_stream = stream;
    if (bridge->over) {
        fail(bridge, 500, "the runtime's streaming server does not speak WebSocket");
        return;
    }
    if (accept_client(bridge) < 0) {
        bridge_free(bridge);
        return;
    }
    if (bridge->runtime_websocket) {
        bridge->runtime_stream = NULL;
        bridge->runtime_socket = websocket_new_client(stream, &runtime_socket_events, bridge);
    } else {
        net_stream_start(stream, &runtime_stream_events, bridge);
    }
    if (bridge->client_stream != NULL) {
        net_stream_start(bridge->client_stream, &client_stream_events, bridge);
    }
}

static void on_call_end(void *data, int status, const char *message)
{
    struct bridge *bridge = data;
    bridge->call = NULL;
    fail(bridge, 500, status == 0 ? "the runtime refused the stream" : message);
}

static const struct http_call_events call_events = {
    .on_response = on_response,
    .on_upgrade = on_upgrade,
    .on_end = on_call_end,
};

static void connect_runtime(struct bridge *bridge, const char *url)
{
    struct http_header headers[PROTOCOLS_MAX];
    size_t count = 0;
    if (bridge->runtime_websocket) {
        websocket_make_key(bridge->key);
        headers[count++] = http_header("sec-websocket-key", bridge->key);
        headers[count++] = http_header("sec-websocket-version", "13");
        headers[count++] = http_header("sec-websocket-protocol", "v4.channel.k8s.io");
    } else if (bridge->client_websocket) {
        headers[count++] = http_header("x-stream-protocol-version", "portforward.k8s.io");
    } else {
        size_t header_count;
        const struct http_header *own = http_headers(bridge->exchange, &header_count);
        for (size_t i = 0; i < header_count && count < PROTOCOLS_MAX; i++) {
            if (own[i].name.len == strlen("x-stream-protocol-version") &&
                strncasecmp((const char *)own[i].name.data, "x-stream-protocol-version",
                            own[i].name.len) == 0) {
                headers[count++] = (struct http_header){
                    .name = slice_text("x-stream-protocol-version"),
                    .value = own[i].value,
                };
            }
        }
    }
    struct http_call_options options = {
        .method = bridge->runtime_websocket ? "GET" : "POST",
        .url = url,
        .headers = headers,
        .header_count = count,
        .upgrade = bridge->runtime_websocket ? "websocket" : "SPDY/3.1",
        .no_keep_alive = true,
    };
    bridge->call = http_client_request(bridge->server->http, &options, &call_events, bridge);
}

static void take_url(struct bridge *bridge, int status, const char *message, const char *url)
{
    if (status < 0) {
        fail(bridge, status == -ENOENT ? 404 : 500, message);
        return;
    }
    connect_runtime(bridge, url);
}

/* The bridge may have gone while the runtime was asked: a small ticket tells. */
struct ticket {
    struct node_server *server;
    struct bridge *bridge;
    enum runtime_method method;
};

static bool is_alive(const struct ticket *ticket)
{
    LIST_FOREACH(node, next, &ticket->server->streams)
    {
        if (node == &ticket->bridge->stream.node) {
            return true;
        }
    }
    return false;
}

static void on_url(void *data, int status, const char *message, const ProtobufCMessage *response)
{
    struct ticket *ticket = data;
    if (status == -ECANCELED || !is_alive(ticket)) {
        free(ticket);
        return;
    }
    const char *url = NULL;
    if (status == 0 && ticket->method == RUNTIME_EXEC) {
        url = ((const Cri__V1__ExecResponse *)(const void *)response)->url;
    } else if (status == 0 && ticket->method == RUNTIME_ATTACH) {
        url = ((const Cri__V1__AttachResponse *)(const void *)response)->url;
    } else if (status == 0) {
        url = ((const Cri__V1__PortForwardResponse *)(const void *)response)->url;
    }
    take_url(ticket->bridge, status, message, url);
    free(ticket);
}

/* ---- What is asked of the runtime ---- */

static void ask(struct bridge *bridge, enum runtime_method method, const ProtobufCMessage *message)
{
    struct ticket *ticket = alloc_zeroed(sizeof(*ticket));
    *ticket = (struct ticket){.server = bridge->server, .bridge = bridge, .method = method};
    runtime_call(bridge->server->runtime, method, message, 0, on_url, ticket);
}

static void ask_exec(struct bridge *bridge, const struct node_request *request, char *id)
{
    char **words = arena_array(bridge->arena, COMMAND_WORDS_MAX, sizeof(char *));
    struct slice name, value;
    Cri__V1__ExecRequest exec = CRI__V1__EXEC_REQUEST__INIT;
    for (size_t at = 0;
         http_query_next(bridge->arena, http_query(request->exchange), &at, &name, &value);) {
        if (slice_is(name, "command") && exec.n_cmd < COMMAND_WORDS_MAX) {
            words[exec.n_cmd++] = arena_text_n(bridge->arena, (const char *)value.data, value.len);
        }
    }
    exec.container_id = id;
    exec.cmd = words;
    exec.tty = node_request_flag(request, "tty");
    exec.with_stdin = node_request_flag(request, "input");
    exec.with_stdout = node_request_flag(request, "output");
    exec.with_stderr = node_request_flag(request, "error") && !exec.tty;
    if (exec.n_cmd == 0) {
        fail(bridge, 400, "you must specify at least 1 command");
        return;
    }
    ask(bridge, RUNTIME_EXEC, &exec.base);
}

static void ask_attach(struct bridge *bridge, const struct node_request *request, char *id)
{
    Cri__V1__AttachRequest attach = CRI__V1__ATTACH_REQUEST__INIT;
    attach.container_id = id;
    attach.tty = node_request_flag(request, "tty");
    /* A runtime's WebSocket without stdin is one whose stdin has ended, by which it leaves, or ends
     * the container's: so it is asked for one into which nothing comes. */
    attach.with_stdin = bridge->runtime_websocket || node_request_flag(request, "input");
    attach.with_stdout = node_request_flag(request, "output");
    attach.with_stderr = node_request_flag(request, "error") && !attach.tty;
    ask(bridge, RUNTIME_ATTACH, &attach.base);
}

static void ask_forward(struct bridge *bridge, char *sandbox_id)
{
    Cri__V1__PortForwardRequest forward = CRI__V1__PORT_FORWARD_REQUEST__INIT;
    forward.pod_sandbox_id = sandbox_id;
    ask(bridge, RUNTIME_PORT_FORWARD, &forward.base);
}

/* ---- The client's side ---- */

/* The first protocol of `wanted` (in the order of preference) that the client offers, or NULL. */
static const char *choose_protocol(const struct node_request *request, const char *const *wanted,
                                   size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct slice offered;
        for (size_t at = 0; websocket_next_protocol(request->exchange, &at, &offered);) {
            if (slice_is(offered, wanted[i])) {
                return wanted[i];
            }
        }
    }
    return NULL;
}

/* 0; -EINVAL after the request was answered. */
static int read_upgrade(struct bridge *bridge, const struct node_request *request)
{
    static const char *const channels[] = {"v4.channel.k8s.io", "v5.channel.k8s.io"};
    static const char *const tunnel[] = {"SPDY/3.1+portforward.k8s.io"};
    bool forward = strcmp(request->verb, "portForward") == 0;
    if (http_wants_upgrade(request->exchange, "SPDY/3.1")) {
        return 0;
    }
    if (!websocket_is_request(request->exchange)) {
        node_respond_text(request->exchange, 400, "unable to upgrade: missing upgrade headers");
        return -EINVAL;
    }
    bridge->client_websocket = true;
    bridge->runtime_websocket = !forward;
    bridge->protocol = forward ? choose_protocol(request, tunnel, ARRAY_LEN(tunnel))
                               : choose_protocol(request, channels, ARRAY_LEN(channels));
    bool lossy = bridge->protocol != NULL && strcmp(bridge->protocol, channels[1]) == 0 &&
                 (node_request_flag(request, "input") || strcmp(request->verb, "attach") == 0);
    if (bridge->protocol == NULL || lossy) {
        node_respond_text(request->exchange, 400,
                          "unable to upgrade: no common protocol; SPDY/3.1 is served");
        return -EINVAL;
    }
    return 0;
}

static struct bridge *bridge_new(struct node_server *server, const struct node_request *request)
{
    struct bridge *bridge = alloc_zeroed(sizeof(*bridge));
    bridge->server = server;
    bridge->stream.end = end_bridge;
    bridge->arena = arena_new(SIZE_MAX);
    list_init(&bridge->stream.node);
    if (read_upgrade(bridge, request) < 0) {
        bridge_free(bridge);
        return NULL;
    }
    list_push_back(&server->streams, &bridge->stream.node);
    bridge->exchange = http_exchange_ref(request->exchange);
    http_on_abort(bridge->exchange, on_abort, bridge);
    return bridge;
}

void node_exec(struct node_server *server, const struct node_request *request)
{
    struct arena *arena = http_arena(request->exchange);
    bool forward = strcmp(request->verb, "portForward") == 0;
    struct pod_view pod;
    struct container_view view = {.running = true};
    int r =
        pod_manager_find(server->pods, request->namespace_name, request->pod, request->uid, &pod);
    if (r == 0 && !forward) {
        r = pod_manager_container(server->pods, request->namespace_name, request->pod, request->uid,
                                  request->container, &view);
    }
    if (r == -ENOENT) {
        node_respond_text(request->exchange, 404, "pod does not exist");
        return;
    }
    if (forward && pod.sandbox_id == NULL) {
        node_respond_text(request->exchange, 500,
                          arena_printf(arena, "pod not found (\"%s_%s\")", request->pod,
                                       request->namespace_name));
        return;
    }
    if (r < 0 || !view.running) {
        node_respond_text(request->exchange, 500,
                          arena_printf(arena, "container not found (\"%s\")", request->container));
        return;
    }
    struct bridge *bridge = bridge_new(server, request);
    if (bridge == NULL) {
        return;
    }
    if (forward) {
        ask_forward(bridge, arena_text(bridge->arena, pod.sandbox_id));
    } else if (strcmp(request->verb, "exec") == 0) {
        ask_exec(bridge, request, arena_text(bridge->arena, view.id));
    } else {
        ask_attach(bridge, request, arena_text(bridge->arena, view.id));
    }
}
