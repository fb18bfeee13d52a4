/* The HTTP server's listener, its connections and their time-outs. */
#include "lib/base/alloc.h"
#include "lib/base/memory_budget.h"
#include "lib/net/http_private.h"
#include "lib/net/limits.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum { CONNECTION_MAGIC = 0x48434f4e, TICK_MS = 1000, PREFACE_SIZE = 24 };

struct http_server {
    struct net_listener *listener;
    struct http_shard *shards;
    size_t shard_count;
    size_t shards_open; /* loops[0]'s. */
    struct http_handler handler;
    struct http_handler grpc;
    bool has_handler;
    bool has_grpc;
    struct http_limits limits;
    atomic_size_t connections;
    uint64_t grace_ms;
    void (*closed)(void *data);
    void *closed_data;
};

static struct http_connection *connection_from(void *data)
{
    struct http_connection *connection = data;
    assert(connection != NULL && connection->magic == CONNECTION_MAGIC);
    return connection;
}

const struct http_limits *http_connection_limits(const struct http_connection *connection)
{
    return &connection->shard->server->limits;
}

/* And not application/grpc-web, which frames its answers in another way. */
static bool is_grpc(struct slice content_type)
{
    static const char name[] = "application/grpc";
    size_t len = strlen(name);
    return slice_starts_with(content_type, slice_text(name)) &&
           (content_type.len == len || content_type.data[len] == '+' ||
            content_type.data[len] == ';');
}

const struct http_handler *http_connection_handler(const struct http_connection *connection,
                                                   struct slice content_type)
{
    const struct http_server *server = connection->shard->server;
    if (server->has_grpc && connection->wire == &http2_wire && is_grpc(content_type)) {
        return &server->grpc;
    }
    return server->has_handler ? &server->handler : NULL;
}

const char *http_shard_date(struct http_shard *shard)
{
    int64_t now_s = time(NULL);
    if (now_s != shard->date_s) {
        shard->date_s = now_s;
        struct tm parts;
        gmtime_r(&now_s, &parts);
        strftime(shard->date, sizeof(shard->date), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    }
    return shard->date;
}

/* ---- Connections ---- */

void http_connection_wait(struct http_connection *connection, enum http_wait wait)
{
    const struct http_limits *limits = http_connection_limits(connection);
    uint64_t now_ms = loop_now_ms(connection->loop);
    /* The head's time runs from its first byte, not from its latest. */
    bool same_head = wait == HTTP_WAIT_HEAD && connection->wait == HTTP_WAIT_HEAD;
    connection->wait = wait;
    switch (wait) {
    case HTTP_WAIT_IDLE:
        connection->deadline_ms = now_ms + limits->idle_timeout_ms;
        break;
    case HTTP_WAIT_HEAD:
        if (!same_head) {
            connection->deadline_ms = now_ms + limits->header_timeout_ms;
        }
        break;
    case HTTP_WAIT_BODY:
        connection->deadline_ms = now_ms + HTTP_BODY_TIMEOUT_MS;
        break;
    case HTTP_WAIT_NONE:
        connection->deadline_ms = UINT64_MAX;
        break;
    }
}

static void shard_check_closed(struct http_shard *shard);

void http_connection_unref(struct http_connection *connection)
{
    if (atomic_fetch_sub(&connection->references, 1) != 1) {
        return;
    }
    struct http_shard *shard = connection->shard;
    assert(connection->stream == NULL && list_empty(&connection->exchanges));
    if (connection->wire != NULL) {
        connection->wire->release(connection);
    }
    tls_peer_unref(connection->tls_peer);
    free(connection->peer_address);
    connection->magic = 0;
    free(connection);
    shard->live--;
    shard_check_closed(shard);
}

struct net_stream *http_connection_take_stream(struct http_connection *connection)
{
    struct net_stream *stream = TAKE(connection->stream);
    if (stream == NULL) {
        return NULL;
    }
    list_remove(&connection->node);
    atomic_fetch_sub(&connection->shard->server->connections, 1);
    atomic_fetch_add(&connection->references, 1); /* While its exchanges end. */
    while (!list_empty(&connection->exchanges)) {
        http_exchange_close(
            LIST_ENTRY(list_first(&connection->exchanges), struct http_exchange, node),
            /* aborted= */ true);
    }
    http_connection_unref(connection);
    http_connection_unref(connection); /* The open connection's own. */
    return stream;
}

void http_connection_close(struct http_connection *connection, bool linger)
{
    struct net_stream *stream = http_connection_take_stream(connection);
    if (stream == NULL) {
        return;
    }
    if (linger) {
        net_stream_finish(stream);
    } else {
        net_stream_close(stream, NULL, NULL);
    }
}

static void open_wire(struct http_connection *connection, bool is_http2)
{
    if (is_http2) {
        connection->wire = &http2_wire;
        http2_open(connection);
    } else {
        connection->wire = &http1_wire;
        http1_open(connection);
    }
}

/* Plaintext: HTTP/2 starts with a preface that is no HTTP/1 request (RFC 9113, section 3.4). */
static void sniff(struct http_connection *connection, struct slice bytes)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    size_t len = connection->first_len;
    while (bytes.len > 0 && len < PREFACE_SIZE && bytes.data[0] == (uint8_t)preface[len]) {
        connection->first[len++] = bytes.data[0];
        bytes = slice_of(bytes.data + 1, bytes.len - 1);
    }
    connection->first_len = len;
    if (len < PREFACE_SIZE && bytes.len == 0) {
        return;
    }
    open_wire(connection, /* is_http2= */ len == PREFACE_SIZE);
    if (len > 0) {
        connection->wire->on_read(connection, slice_of(connection->first, len));
    }
    if (bytes.len > 0 && connection->stream != NULL) {
        connection->wire->on_read(connection, bytes);
    }
}

static void on_read(void *data, struct slice bytes)
{
    struct http_connection *connection = connection_from(data);
    atomic_fetch_add(&connection->references, 1); /* It may be closed by what it causes. */
    if (connection->wire == NULL) {
        sniff(connection, bytes);
    } else {
        connection->wire->on_read(connection, bytes);
    }
    http_connection_unref(connection);
}

static void on_end(void *data, int status)
{
    (void)status;
    http_connection_close(connection_from(data), /* linger= */ false);
}

static void on_drain(void *data)
{
    struct http_connection *connection = connection_from(data);
    if (connection->wire != NULL) {
        atomic_fetch_add(&connection->references, 1);
        connection->wire->on_drain(connection);
        http_connection_unref(connection);
    }
}

static const struct net_stream_events connection_events = {on_read, on_end, on_drain};

static struct http_shard *shard_of(struct http_server *server, const struct loop *loop)
{
    for (size_t i = 0; i < server->shard_count; i++) {
        if (server->shards[i].loop == loop) {
            return &server->shards[i];
        }
    }
    abort(); /* A stream on a loop that is not ours: a bug. */
}

static void on_stream(void *data, struct net_stream *stream)
{
    struct http_server *server = data;
    struct http_shard *shard = shard_of(server, net_stream_loop(stream));
    if (shard->closing || atomic_load(&server->connections) >= NET_CONNECTIONS_MAX) {
        net_stream_close(stream, NULL, NULL);
        return;
    }
    struct http_connection *connection = alloc_zeroed(sizeof(*connection));
    connection->magic = CONNECTION_MAGIC;
    atomic_init(&connection->references, 1);
    connection->loop = shard->loop;
    connection->shard = shard;
    connection->stream = stream;
    connection->tls_peer = tls_peer_ref(net_stream_tls_peer(stream));
    connection->peer_address = alloc_text(net_stream_peer_address(stream));
    list_init(&connection->node);
    list_init(&connection->exchanges);
    list_push_back(&shard->connections, &connection->node);
    shard->live++;
    atomic_fetch_add(&server->connections, 1);
    if (!loop_timer_armed(&shard->tick)) {
        loop_timer_start(shard->loop, &shard->tick, TICK_MS);
    }
    if (connection->tls_peer != NULL) {
        open_wire(connection, strcmp(connection->tls_peer->application, "h2") == 0);
    }
    http_connection_wait(connection, HTTP_WAIT_HEAD);
    net_stream_start(stream, &connection_events, connection);
}

/* ---- Memory ---- */

bool http_memory_is_lacking(struct http_exchange *exchange, size_t more)
{
    struct memory_budget *memory = loop_memory(exchange->connection->loop);
    if (memory_has_room(memory, more)) {
        return false;
    }
    atomic_fetch_add(&memory->refused, 1);
    return true;
}

bool http_exchange_lacks_memory(struct http_exchange *exchange, size_t more)
{
    const struct http_handler *handler = exchange->handler;
    if (handler == NULL || handler->on_short_memory == NULL ||
        !http_memory_is_lacking(exchange, more)) {
        return false;
    }
    http_exchange_ref(exchange);
    bool answered = handler->on_short_memory(handler->data, exchange);
    http_exchange_unref(exchange);
    return answered;
}

static size_t waiting_bytes(const struct http_connection *connection)
{
    size_t waiting = net_stream_queued(connection->stream);
    LIST_FOREACH(node, next, &connection->exchanges)
    {
        waiting += LIST_ENTRY(node, struct http_exchange, node)->out.bytes;
    }
    return waiting;
}

/* With a quarter of the budget left, who has not taken a byte since the last tick is let go: what
 * waits for him is what others could use. */
static bool holds_up(struct http_connection *connection, struct memory_budget *memory)
{
    size_t before = connection->waiting;
    if (memory_has_room(memory, memory == NULL ? 0 : memory->limit / 4)) {
        connection->waiting = 0;
        return false;
    }
    connection->waiting = waiting_bytes(connection);
    bool stuck = before >= NET_WRITE_LOW_BYTES && connection->waiting >= before;
    if (stuck) {
        atomic_fetch_add(&memory->ended, 1);
    }
    return stuck;
}

static void on_tick(void *data)
{
    struct http_shard *shard = data;
    uint64_t now_ms = loop_now_ms(shard->loop);
    LIST_FOREACH(node, next, &shard->connections)
    {
        struct http_connection *connection = LIST_ENTRY(node, struct http_connection, node);
        if (holds_up(connection, loop_memory(shard->loop))) {
            http_connection_close(connection, /* linger= */ false);
            continue;
        }
        if (connection->deadline_ms > now_ms) {
            continue;
        }
        if (connection->wait == HTTP_WAIT_IDLE && connection->wire != NULL) {
            connection->wire->go_away(connection);
        } else {
            http_connection_close(connection, /* linger= */ false);
        }
    }
    if (!list_empty(&shard->connections)) {
        loop_timer_start(shard->loop, &shard->tick, TICK_MS);
    }
}

/* ---- The server ---- */

static void or_default(size_t *value, size_t fallback)
{
    *value = *value == 0 ? fallback : *value;
}

static void on_grace_over(void *data)
{
    struct http_shard *shard = data;
    while (!list_empty(&shard->connections)) {
        http_connection_close(
            LIST_ENTRY(list_first(&shard->connections), struct http_connection, node),
            /* linger= */ false);
    }
}

static struct http_server *server_new(const struct http_server_options *options)
{
    struct http_server *server = alloc_zeroed(sizeof(*server));
    server->shards = alloc_array(options->loop_count, sizeof(*server->shards));
    server->shard_count = options->loop_count;
    for (size_t i = 0; i < options->loop_count; i++) {
        struct http_shard *shard = &server->shards[i];
        shard->server = server;
        shard->loop = options->loops[i];
        list_init(&shard->connections);
        list_init(&shard->upgraded);
        shard->tick.fire = on_tick;
        shard->grace.fire = on_grace_over;
        shard->tick.data = shard->grace.data = shard;
    }
    server->has_handler = options->handler != NULL;
    server->has_grpc = options->grpc != NULL;
    if (server->has_handler) {
        server->handler = *options->handler;
    }
    if (server->has_grpc) {
        server->grpc = *options->grpc;
    }
    server->limits = (struct http_limits){
        .body_bytes_max = options->body_bytes_max,
        .streams_max = options->streams_max == 0 ? HTTP_STREAMS_MAX : options->streams_max,
        .idle_timeout_ms = options->idle_timeout_ms,
        .header_timeout_ms = options->header_timeout_ms,
    };
    or_default(&server->limits.body_bytes_max, HTTP_BODY_BYTES_MAX);
    or_default(&server->limits.idle_timeout_ms, HTTP_IDLE_TIMEOUT_MS);
    or_default(&server->limits.header_timeout_ms, HTTP_HEADER_TIMEOUT_MS);
    return server;
}

int http_server_listen(const struct http_server_options *options, struct http_server **ret_server,
                       struct error *reterr)
{
    struct http_server *server = server_new(options);
    struct net_listen_options listen_options = {
        .loops = options->loops,
        .loop_count = options->loop_count,
        .address = options->address,
        .tls = options->tls,
        .on_stream = on_stream,
        .data = server,
    };
    int status = net_listen(&listen_options, &server->listener, reterr);
    if (status != 0) {
        free(server->shards);
        free(server);
        return status;
    }
    *ret_server = server;
    return 0;
}

uint16_t http_server_port(const struct http_server *server)
{
    return net_listener_port(server->listener);
}

size_t http_server_connections(const struct http_server *server)
{
    return atomic_load(&server->connections);
}

/* ---- Closing ---- */

static void on_shard_closed(void *data)
{
    struct http_server *server = data;
    assert(server->shards_open > 0);
    if (--server->shards_open > 0) {
        return;
    }
    void (*closed)(void *) = server->closed;
    void *closed_data = server->closed_data;
    free(server->shards);
    free(server);
    if (closed != NULL) {
        closed(closed_data);
    }
}

static void shard_check_closed(struct http_shard *shard)
{
    if (!shard->closing || shard->live > 0) {
        return;
    }
    loop_timer_stop(shard->loop, &shard->tick);
    loop_timer_stop(shard->loop, &shard->grace);
    while (shard->spare_count > 0) {
        arena_free(shard->spare_arenas[--shard->spare_count]);
    }
    loop_post(shard->server->shards[0].loop, on_shard_closed, shard->server);
}

/* To those that asked to be told. Each may end any other, so the search starts anew each time. */
static void tell_closing(struct list *exchanges)
{
    struct http_exchange *found;
    do {
        found = NULL;
        LIST_FOREACH(node, next, exchanges)
        {
            struct http_exchange *exchange = LIST_ENTRY(node, struct http_exchange, node);
            if (exchange->closing != NULL) {
                found = exchange;
                break;
            }
        }
        if (found != NULL) {
            void (*closing)(void *data) = TAKE(found->closing);
            closing(found->closing_data);
        }
    } while (found != NULL);
}

static void shard_close(void *data)
{
    struct http_shard *shard = data;
    shard->closing = true;
    loop_timer_start(shard->loop, &shard->grace, shard->server->grace_ms);
    shard->live++; /* Until all have been told. */
    LIST_FOREACH(node, next, &shard->connections)
    {
        struct http_connection *connection = LIST_ENTRY(node, struct http_connection, node);
        if (connection->wire != NULL) {
            atomic_fetch_add(&connection->references, 1); /* It may be over with its exchanges. */
            connection->wire->go_away(connection);
            tell_closing(&connection->exchanges);
            http_connection_unref(connection);
        } else {
            http_connection_close(connection, /* linger= */ false);
        }
    }
    tell_closing(&shard->upgraded);
    shard->live--;
    shard_check_closed(shard);
}

static void on_listener_closed(void *data)
{
    struct http_server *server = data;
    size_t count = server->shard_count;
    server->shards_open = count;
    struct http_shard *shards = server->shards;
    for (size_t i = 0; i < count; i++) {
        loop_post(shards[i].loop, shard_close, &shards[i]);
    }
}

void http_server_close(struct http_server *server, uint64_t grace_ms, void (*closed)(void *data),
                       void *data)
{
    server->grace_ms = grace_ms;
    server->closed = closed;
    server->closed_data = data;
    net_listener_close(server->listener, on_listener_closed, server);
}
