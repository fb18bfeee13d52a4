#include "lib/net/http_client.h"

#include "lib/base/alloc.h"
#include "lib/net/http1.h"
#include "lib/net/http1_request.h"
#include "lib/net/limits.h"
#include "lib/net/stream_private.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { CALL_MAGIC = 0x4843414c, INPUT_BYTES_MAX = HTTP_HEADERS_BYTES_MAX + 4 * NET_READ_BYTES };

struct http_client {
    struct loop *loop;
    struct list calls;
    struct list idle; /* Connections. */
    bool closed;
};

/* A connection serves one call at a time; between calls it is in client->idle. */
struct connection {
    struct http_client *client;
    struct list node; /* In client->idle, else unlinked. */
    struct net_address address;
    struct tls_config *tls;
    char *server_name;
    struct net_stream *stream;
    struct http_call *call;
    struct buffer in;
    size_t scanned;
    struct http1_body body;
    struct buffer trailers; /* Of that body. */
    bool in_body;
    bool keep_alive;
    bool heard; /* Something of the current response. */
    bool used;  /* It has carried a call before. */
    bool busy;  /* process() is on the stack. */
    struct loop_timer idle_limit;
};

struct http_call {
    uint32_t magic;
    struct http_client *client;
    struct list node;
    struct loop_turn_end start; /* Everything begins in a later turn. */
    struct net_connect *connect;
    struct connection *connection;
    struct net_stream *base; /* What the connection is to use. */
    struct net_address address;
    struct tls_config *tls;
    char *server_name;
    struct buffer request;
    const struct http_call_events *events;
    void *data;
    struct loop_timer timeout;
    int bad; /* What is wrong with the options. */
    bool is_head;
    bool may_retry; /* A kept-alive connection may have died unnoticed. */
    bool wants_upgrade;
    bool no_keep_alive;
    bool responded;
    bool paused;
    bool dead; /* No callback any more; freed when not busy. */
    bool busy;
};

static void start_call(void *data);

static struct http_call *call_from(void *data)
{
    struct http_call *call = data;
    assert(call != NULL && call->magic == CALL_MAGIC);
    return call;
}

/* ---- Connections ---- */

static void connection_free(void *data)
{
    struct connection *connection = data;
    buffer_release(&connection->in);
    buffer_release(&connection->trailers);
    tls_config_unref(connection->tls);
    free(connection->server_name);
    free(connection);
}

static void connection_close(struct connection *connection)
{
    list_remove(&connection->node);
    loop_timer_stop(connection->client->loop, &connection->idle_limit);
    if (connection->call != NULL) {
        connection->call->connection = NULL;
        connection->call = NULL;
    }
    struct net_stream *stream = TAKE(connection->stream);
    if (stream != NULL) {
        net_stream_close(stream, NULL, NULL);
    }
    /* Later: process() may be on the stack. */
    loop_post(connection->client->loop, connection_free, connection);
}

static void on_idle_limit(void *data)
{
    connection_close(data);
}

static bool fits(const struct connection *connection, const struct http_call *call)
{
    return connection->tls == call->tls && connection->address.port == call->address.port &&
           strcmp(connection->address.host, call->address.host) == 0 &&
           strcmp(connection->server_name, call->server_name) == 0;
}

static struct connection *find_idle(const struct http_call *call)
{
    LIST_FOREACH(node, next, &call->client->idle)
    {
        struct connection *connection = LIST_ENTRY(node, struct connection, node);
        if (fits(connection, call)) {
            return connection;
        }
    }
    return NULL;
}

static void keep(struct connection *connection)
{
    struct http_client *client = connection->client;
    size_t same = 0;
    LIST_FOREACH(node, next, &client->idle)
    {
        const struct connection *other = LIST_ENTRY(node, struct connection, node);
        same += strcmp(other->address.host, connection->address.host) == 0 &&
                        other->address.port == connection->address.port
                    ? 1
                    : 0;
    }
    if (same >= HTTP_CLIENT_IDLE_CONNECTIONS_MAX || connection->in.len > 0) {
        connection_close(connection);
        return;
    }
    connection->used = true;
    list_push_front(&client->idle, &connection->node);
    loop_timer_start(client->loop, &connection->idle_limit, HTTP_CLIENT_IDLE_MS);
}

/* ---- The end of a call ---- */

static void call_free(struct http_call *call)
{
    list_remove(&call->node);
    loop_turn_end_stop(&call->start);
    loop_timer_stop(call->client->loop, &call->timeout);
    if (call->base != NULL) {
        net_stream_close(call->base, NULL, NULL);
    }
    tls_config_unref(call->tls);
    free(call->server_name);
    buffer_release(&call->request);
    call->magic = 0;
    free(call);
}

/* Lets go of what it uses. */
static void call_detach(struct http_call *call)
{
    call->dead = true;
    list_remove(&call->node);
    loop_turn_end_stop(&call->start);
    loop_timer_stop(call->client->loop, &call->timeout);
    if (call->connect != NULL) {
        net_connect_cancel(TAKE(call->connect));
    }
    if (call->connection != NULL) {
        connection_close(call->connection);
    }
}

static void call_release(struct http_call *call)
{
    if (!call->busy) {
        call_free(call);
    }
}

static void call_end(struct http_call *call, int status, const char *message)
{
    if (call->dead) {
        return;
    }
    call_detach(call);
    bool was_busy = call->busy;
    call->busy = true;
    call->events->on_end(call->data, status, message);
    call->busy = was_busy;
    call_release(call);
}

static void on_timeout(void *data)
{
    call_end(call_from(data), -ETIMEDOUT, "no response in time");
}

void http_call_cancel(struct http_call *call)
{
    assert(call->magic == CALL_MAGIC);
    if (!call->dead) {
        call_detach(call);
        call_release(call);
    }
}

void http_call_pause(struct http_call *call)
{
    call->paused = true;
    if (call->connection != NULL) {
        net_stream_pause(call->connection->stream);
    }
}

void http_call_resume(struct http_call *call)
{
    if (call->paused) {
        call->paused = false;
        if (call->connection != NULL) {
            net_stream_resume(call->connection->stream);
            net_stream_poke(call->connection->stream);
        }
    }
}

/* ---- Responses ---- */

static void hand_over(struct connection *connection)
{
    struct http_call *call = connection->call;
    struct net_stream *stream = TAKE(connection->stream);
    net_stream_detach(stream);
    net_stream_unread(stream, buffer_slice(&connection->in));
    connection_close(connection);
    call->dead = true;
    list_remove(&call->node);
    call->events->on_upgrade(call->data, stream);
}

/* False when the call has ended. */
static bool tell_trailers(struct connection *connection)
{
    struct http_call *call = connection->call;
    struct http_header trailers[HTTP_HEADER_COUNT_MAX];
    size_t count = 0;
    if (connection->trailers.len == 0) {
        return true;
    }
    if (http1_parse_trailers(buffer_slice(&connection->trailers), trailers, &count) != 0) {
        call_end(call, -EPROTO, "the response's trailers are broken");
        return false;
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool frames = http1_name_is(trailers[i].name, "content-length") ||
                      http1_name_is(trailers[i].name, "transfer-encoding") ||
                      http1_name_is(trailers[i].name, "trailer");
        if (!frames) {
            trailers[kept++] = trailers[i];
        }
    }
    if (kept > 0 && call->events->on_trailers != NULL) {
        call->events->on_trailers(call->data, trailers, kept);
    }
    return !call->dead;
}

/* The response is complete. */
static void complete(struct connection *connection)
{
    struct http_call *call = connection->call;
    if (!tell_trailers(connection)) {
        return;
    }
    connection->call = NULL;
    call->connection = NULL;
    connection->in_body = false;
    if (connection->keep_alive && !call->no_keep_alive) {
        keep(connection);
    } else {
        connection_close(connection);
    }
    call_end(call, 0, "");
}

/* One head. False when nothing more is to be done now. */
static bool process_head(struct connection *connection)
{
    struct http_call *call = connection->call;
    size_t len = http1_head_length(buffer_slice(&connection->in), &connection->scanned);
    if (len == 0) {
        if (connection->in.len > HTTP_HEADERS_BYTES_MAX) {
            call_end(call, -EPROTO, "the response's headers are too large");
        }
        return false;
    }
    struct http_header headers[HTTP_HEADER_COUNT_MAX];
    struct http1_head head;
    CLEANUP(alloc_freep) uint8_t *copy = alloc_bytes(len);
    memcpy(copy, connection->in.data, len);
    buffer_consume(&connection->in, len);
    connection->scanned = 0;
    if (http1_parse_response(slice_of(copy, len), call->is_head, headers, &head) != 0) {
        call_end(call, -EPROTO, "the response is not HTTP");
        return false;
    }
    bool switches = head.status == 101;
    if (switches && !call->wants_upgrade) {
        call_end(call, -EPROTO, "the server switched protocols unasked");
        return false;
    }
    if (head.status < 200 && !switches) {
        return true;
    }
    loop_timer_stop(call->client->loop, &call->timeout);
    call->responded = true;
    connection->keep_alive = head.keep_alive;
    connection->in_body = true;
    http1_body_init(&connection->body, head.body_kind, head.content_length);
    buffer_clear(&connection->trailers);
    connection->body.trailers = &connection->trailers;
    call->events->on_response(call->data, head.status, head.headers, head.header_count);
    if (call->dead) {
        return false;
    }
    if (switches) {
        hand_over(connection);
        return false;
    }
    return true;
}

static bool process_body(struct connection *connection)
{
    struct http_call *call = connection->call;
    if (http1_body_done(&connection->body)) {
        complete(connection);
        return false;
    }
    if (connection->in.len == 0) {
        return false;
    }
    CLEANUP(buffer_release) struct buffer in = connection->in;
    buffer_init(&connection->in, in.max); /* Callbacks may close the connection. */
    struct slice rest = buffer_slice(&in);
    while (rest.len > 0 && !http1_body_done(&connection->body) && !call->paused) {
        struct slice piece = {.len = 0};
        if (http1_body_read(&connection->body, &rest, &piece) != 0) {
            call_end(call, -EPROTO, "the response's body is broken");
            return false;
        }
        if (piece.len > 0 && call->events->on_body != NULL) {
            call->events->on_body(call->data, piece);
            if (call->dead) {
                return false;
            }
        }
    }
    buffer_append_slice(&connection->in, rest);
    return http1_body_done(&connection->body) && !call->paused;
}

static void process(struct connection *connection)
{
    struct http_call *call = connection->call;
    bool more = true;
    call->busy = true;
    while (more && !call->dead && !call->paused && connection->call == call) {
        more = connection->in_body ? process_body(connection) : process_head(connection);
    }
    call->busy = false;
    if (call->dead) {
        call_free(call);
    }
}

static void on_read(void *data, struct slice bytes)
{
    struct connection *connection = data;
    if (connection->call == NULL) {
        if (bytes.len > 0) {
            connection_close(connection); /* Idle, and yet it speaks. */
        }
        return;
    }
    connection->heard |= bytes.len > 0;
    buffer_append_slice(&connection->in, bytes);
    if (buffer_error(&connection->in) != 0) {
        call_end(connection->call, -EPROTO, "the response is too large to hold");
        return;
    }
    process(connection);
}

static void on_end(void *data, int status)
{
    struct connection *connection = data;
    struct http_call *call = connection->call;
    if (call == NULL) {
        connection_close(connection);
        return;
    }
    if (status == 0 && connection->in_body && connection->body.kind == HTTP1_BODY_TO_END) {
        connection->keep_alive = false;
        complete(connection);
        return;
    }
    if (connection->used && !connection->heard && call->may_retry) {
        connection_close(connection); /* It had died while idle: a new one, once. */
        loop_turn_end_start(call->client->loop, &call->start);
        call->may_retry = false;
        return;
    }
    call_end(call, status == 0 ? -ECONNRESET : status, "the connection ended too early");
}

/* ---- Requests ---- */

static void send_request(struct http_call *call, struct connection *connection)
{
    call->connection = connection;
    connection->call = call;
    connection->heard = false;
    connection->in_body = false;
    connection->scanned = 0;
    net_stream_write(connection->stream, buffer_slice(&call->request));
    if (call->paused) {
        net_stream_pause(connection->stream);
    }
}

static void on_connected(void *data, int status, const char *message, struct net_stream *stream)
{
    static const struct net_stream_events events = {.on_read = on_read, .on_end = on_end};
    struct http_call *call = call_from(data);
    call->connect = NULL;
    if (status != 0) {
        call_end(call, status, message);
        return;
    }
    struct connection *connection = alloc_zeroed(sizeof(*connection));
    connection->client = call->client;
    connection->address = call->address;
    connection->tls = call->tls == NULL ? NULL : tls_config_ref(call->tls);
    connection->server_name = alloc_text(call->server_name);
    connection->stream = stream;
    connection->idle_limit.fire = on_idle_limit;
    connection->idle_limit.data = connection;
    list_init(&connection->node);
    buffer_init(&connection->in, INPUT_BYTES_MAX);
    buffer_init(&connection->trailers, HTTP_HEADERS_BYTES_MAX);
    net_stream_start(stream, &events, connection);
    send_request(call, connection);
}

static void start_call(void *data)
{
    struct http_call *call = call_from(data);
    if (call->bad != 0) {
        call_end(call, call->bad, "the URL cannot be used");
        return;
    }
    struct connection *idle = call->no_keep_alive ? NULL : find_idle(call);
    if (idle != NULL) {
        list_remove(&idle->node);
        loop_timer_stop(call->client->loop, &idle->idle_limit);
        send_request(call, idle);
        return;
    }
    struct net_connect_options options = {
        .address = &call->address,
        .tls = call->tls,
        .server_name = call->server_name,
    };
    options.base_consume = TAKE(call->base);
    call->connect = net_stream_connect(call->client->loop, &options, on_connected, call);
}

struct http_call *http_client_request(struct http_client *client,
                                      const struct http_call_options *options,
                                      const struct http_call_events *events, void *data)
{
    assert(loop_is_current(client->loop) && !client->closed);
    struct http_call *call = alloc_zeroed(sizeof(*call));
    call->magic = CALL_MAGIC;
    call->client = client;
    call->events = events;
    call->data = data;
    call->tls = options->tls == NULL ? NULL : tls_config_ref(options->tls);
    call->server_name = options->server_name == NULL ? NULL : alloc_text(options->server_name);
    call->is_head = strcmp(options->method, "HEAD") == 0;
    call->may_retry = options->repeatable || call->is_head || strcmp(options->method, "GET") == 0;
    call->wants_upgrade = options->upgrade != NULL;
    call->base = options->base_consume;
    call->no_keep_alive =
        options->no_keep_alive || call->wants_upgrade || options->base_consume != NULL;
    call->start.run = start_call;
    call->timeout.fire = on_timeout;
    call->start.data = call->timeout.data = call;
    list_init(&call->start.node);
    list_init(&call->node);
    list_push_back(&client->calls, &call->node);
    buffer_init(&call->request, NET_WRITE_QUEUE_BYTES_MAX);
    call->bad = http1_request_write(options, &call->address, &call->request);
    if (call->server_name == NULL) {
        call->server_name = alloc_text(call->address.host);
    }
    call->address = options->address == NULL ? call->address : *options->address;
    loop_timer_start(client->loop, &call->timeout,
                     options->timeout_ms == 0 ? HTTP_CLIENT_TIMEOUT_MS : options->timeout_ms);
    loop_turn_end_start(client->loop, &call->start);
    return call;
}

/* ---- The client ---- */

struct http_client *http_client_new(struct loop *loop)
{
    struct http_client *client = alloc_zeroed(sizeof(*client));
    client->loop = loop;
    list_init(&client->calls);
    list_init(&client->idle);
    return client;
}

void http_client_close(struct http_client *client)
{
    client->closed = true;
    while (!list_empty(&client->calls)) {
        call_end(LIST_ENTRY(list_first(&client->calls), struct http_call, node), -ECANCELED,
                 "the client is closed");
    }
    while (!list_empty(&client->idle)) {
        connection_close(LIST_ENTRY(list_first(&client->idle), struct connection, node));
    }
    loop_post(client->loop, free, client); /* After the connections that are still to be freed. */
}
