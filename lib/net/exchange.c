/* The exchange as handlers see it: state, limits and callbacks that both wires share. */
#include "lib/base/alloc.h"
#include "lib/net/http1.h"
#include "lib/net/http_private.h"
#include "lib/net/limits.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { EXCHANGE_MAGIC = 0x45584348, EXTRA_HEADERS = 4, SPARE_ARENA_BYTES_MAX = 4 * 1024 };

/* ---- Life ---- */

struct http_exchange *http_exchange_new(struct http_connection *connection)
{
    struct http_shard *shard = connection->shard;
    struct memory_budget *memory = loop_memory(connection->loop);
    struct arena *arena = NULL;
    if (shard->spare_count > 0) {
        arena = shard->spare_arenas[--shard->spare_count];
    } else {
        arena = arena_new(HTTP_ARENA_BYTES_MAX);
        arena_set_budget(arena, memory);
    }
    struct http_exchange *exchange = arena_zeroed(arena, sizeof(*exchange));
    exchange->magic = EXCHANGE_MAGIC;
    exchange->arena = arena;
    exchange->connection = connection;
    atomic_init(&exchange->references, 1);
    atomic_fetch_add(&connection->references, 1);
    list_init(&exchange->node);
    list_init(&exchange->sending);
    list_push_back(&connection->exchanges, &exchange->node);
    buffer_init(&exchange->body, http_connection_limits(connection)->body_bytes_max + 1);
    exchange->body_hold.budget = memory;
    exchange->out.hold.budget = memory;
    exchange->open = true;
    return exchange;
}

static void exchange_free(void *data)
{
    struct http_exchange *exchange = data;
    assert(exchange->magic == EXCHANGE_MAGIC && !exchange->open);
    struct http_connection *connection = exchange->connection;
    struct arena *arena = exchange->arena;
    exchange->magic = 0;
    list_remove(&exchange->node);
    buffer_release(&exchange->body);
    memory_hold_set(&exchange->body_hold, 0);
    send_queue_release(&exchange->out);
    gzip_stream_free(exchange->gzip);
    http1_messages_free(exchange->messages);
    http2_fields_unref(exchange->fields);
    struct http_shard *shard = connection->shard;
    if (shard->spare_count < ARRAY_LEN(shard->spare_arenas) &&
        arena_used(arena) < SPARE_ARENA_BYTES_MAX) {
        arena_reset(arena); /* The exchange itself lies in it. */
        shard->spare_arenas[shard->spare_count++] = arena;
    } else {
        arena_free(arena);
    }
    http_connection_unref(connection);
}

struct http_exchange *http_exchange_ref(struct http_exchange *exchange)
{
    assert(exchange->magic == EXCHANGE_MAGIC);
    atomic_fetch_add(&exchange->references, 1);
    return exchange;
}

void http_exchange_unref(struct http_exchange *exchange)
{
    assert(exchange->magic == EXCHANGE_MAGIC);
    struct loop *loop = exchange->connection->loop;
    if (atomic_fetch_sub(&exchange->references, 1) != 1) {
        return;
    }
    if (loop_is_current(loop)) {
        exchange_free(exchange);
    } else {
        loop_post(loop, exchange_free, exchange);
    }
}

void http_exchange_close(struct http_exchange *exchange, bool aborted)
{
    if (!exchange->open) {
        return;
    }
    exchange->open = false;
    exchange->aborted = aborted;
    list_remove(&exchange->node);
    list_remove(&exchange->sending);
    send_queue_release(&exchange->out);
    if (aborted && exchange->abort != NULL) {
        exchange->abort(exchange->abort_data);
    }
    if (exchange->done != NULL) {
        exchange->done(exchange->done_data);
    }
    http_exchange_unref(exchange);
}

/* ---- The request arrives ---- */

/* Lends the exchange to its handler's on_request. */
static void serve(struct http_exchange *exchange)
{
    const struct http_handler *handler = exchange->handler;
    if (handler == NULL || handler->on_request == NULL) {
        http_exchange_refuse(exchange, 404);
        return;
    }
    if (http_exchange_lacks_memory(exchange, HTTP_REQUEST_MEMORY_BYTES +
                                                 HTTP_REQUEST_MEMORY_A_BYTE * exchange->body.len)) {
        return;
    }
    http_exchange_ref(exchange);
    size_t before = atomic_load(&exchange->references);
    handler->on_request(handler->data, exchange);
    /* It took no reference: nobody is left who could answer. */
    bool dropped = atomic_load(&exchange->references) <= before;
    if (dropped && exchange->open && exchange->response == HTTP_NOTHING_SENT) {
        http_exchange_refuse(exchange, 500);
    }
    http_exchange_unref(exchange);
}

void http_exchange_headers(struct http_exchange *exchange)
{
    const struct http_handler *handler = exchange->handler;
    exchange->is_head = slice_is(exchange->method, "HEAD");
    if (handler != NULL && handler->on_headers != NULL) {
        http_exchange_ref(exchange);
        bool streams = handler->on_headers(handler->data, exchange);
        (void)streams; /* http_on_body() says the same. */
        http_exchange_unref(exchange);
    }
}

void http_exchange_too_large(struct http_exchange *exchange)
{
    const struct http_handler *handler = exchange->handler;
    http_exchange_ref(exchange);
    if (handler != NULL && handler->on_too_large != NULL) {
        handler->on_too_large(handler->data, exchange);
    }
    if (exchange->open && exchange->response == HTTP_NOTHING_SENT) {
        http_exchange_refuse(exchange, 413);
    }
    http_exchange_unref(exchange);
}

int http_exchange_body(struct http_exchange *exchange, struct slice bytes, bool end)
{
    if (!exchange->open || exchange->body_done) {
        return 0;
    }
    exchange->body_done = end;
    exchange->body_seen += bytes.len;
    if (exchange->piece != NULL) {
        exchange->piece(exchange->piece_data, bytes, end);
        return 0;
    }
    if (exchange->response != HTTP_NOTHING_SENT) {
        return 0; /* Answered on its headers: the rest is read into nothing. */
    }
    if (exchange->body_seen > http_connection_limits(exchange->connection)->body_bytes_max) {
        buffer_release(&exchange->body);
        http_exchange_too_large(exchange);
        return -E2BIG;
    }
    if (bytes.len > 0 && http_exchange_lacks_memory(exchange, bytes.len)) {
        buffer_release(&exchange->body);
        memory_hold_set(&exchange->body_hold, 0);
        return -E2BIG;
    }
    buffer_append_slice(&exchange->body, bytes);
    memory_hold_set(&exchange->body_hold, exchange->body.capacity);
    if (end) {
        serve(exchange);
    }
    return 0;
}

/* ---- The request, read ---- */

struct loop *http_exchange_loop(struct http_exchange *exchange)
{
    return exchange->connection->loop;
}

struct slice http_method(const struct http_exchange *exchange)
{
    return exchange->method;
}

struct slice http_path(const struct http_exchange *exchange)
{
    return exchange->path;
}

struct slice http_query(const struct http_exchange *exchange)
{
    return exchange->query;
}

struct slice http_authority(const struct http_exchange *exchange)
{
    return exchange->authority;
}

struct slice http_header_find(const struct http_exchange *exchange, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < exchange->header_count; i++) {
        const struct http_header *header = &exchange->headers[i];
        if (header->name.len == len && len > 0 &&
            ((header->name.data[0] ^ (uint8_t)name[0]) & ~0x20) == 0 && /* Few get this far. */
            strncasecmp((const char *)header->name.data, name, len) == 0) {
            return header->value.data == NULL ? slice_text("") : header->value;
        }
    }
    return (struct slice){.len = 0};
}

const struct http_header *http_headers(const struct http_exchange *exchange, size_t *ret_count)
{
    *ret_count = exchange->header_count;
    return exchange->headers;
}

struct slice http_body(const struct http_exchange *exchange)
{
    return buffer_slice(&exchange->body);
}

struct arena *http_arena(struct http_exchange *exchange)
{
    return exchange->arena;
}

const struct tls_peer *http_tls_peer(const struct http_exchange *exchange)
{
    return exchange->connection->tls_peer;
}

const char *http_peer_address(const struct http_exchange *exchange)
{
    return exchange->connection->peer_address;
}

int http_version(const struct http_exchange *exchange)
{
    return exchange->connection->wire == &http2_wire ? 2 : 1;
}

bool http_is_aborted(const struct http_exchange *exchange)
{
    return exchange->aborted;
}

void http_on_body(struct http_exchange *exchange,
                  void (*piece)(void *data, struct slice bytes, bool end), void *data)
{
    assert(!exchange->body_done && exchange->body_seen == 0);
    exchange->piece = piece;
    exchange->piece_data = data;
}

void http_body_consumed(struct http_exchange *exchange, size_t bytes)
{
    if (exchange->open && exchange->piece != NULL) {
        exchange->connection->wire->body_consumed(exchange, bytes);
    }
}

/* ---- The response ---- */

static bool may_start(const struct http_exchange *exchange)
{
    assert(exchange->magic == EXCHANGE_MAGIC);
    assert(loop_is_current(exchange->connection->loop));
    return exchange->open && exchange->response == HTTP_NOTHING_SENT;
}

static void send_head(struct http_exchange *exchange, unsigned status,
                      const struct http_header *headers, size_t header_count, bool more)
{
    exchange->status = status;
    exchange->sends_body = !exchange->is_head && status != 204 && status != 304;
    exchange->response = HTTP_STARTED;
    exchange->connection->wire->send_head(exchange, headers, header_count, more);
}

/* The headers with those that we add, in the arena. */
static struct http_header *more_headers(struct http_exchange *exchange,
                                        const struct http_header *headers, size_t header_count)
{
    struct http_header *all =
        arena_alloc(exchange->arena, (header_count + EXTRA_HEADERS) * sizeof(*all));
    if (header_count > 0) {
        memcpy(all, headers, header_count * sizeof(*all));
    }
    return all;
}

/* As in Kubernetes: one who gives it a weight does not mean it. */
static bool wants_gzip(const struct http_exchange *exchange)
{
    return exchange->gzip_allowed && !exchange->is_head &&
           http1_list_has(http_header_find(exchange, "accept-encoding"), "gzip");
}

static void finish(struct http_exchange *exchange)
{
    exchange->response = HTTP_FINISHED;
    exchange->connection->wire->send_body(exchange);
}

/* Answers with what is in exchange->out. */
static void respond_queued(struct http_exchange *exchange, unsigned status,
                           const struct http_header *headers, size_t header_count)
{
    struct http_header *all = more_headers(exchange, headers, header_count);
    struct send_queue body = exchange->out;
    exchange->out = (struct send_queue){.first = NULL};
    if (status != 204 && status >= 200 && !exchange->no_length) {
        all[header_count++] =
            (struct http_header){slice_text("content-length"),
                                 slice_text(arena_printf(exchange->arena, "%zu", body.bytes))};
    }
    bool more = body.bytes > 0 && !exchange->is_head && status != 204 && status != 304;
    send_head(exchange, status, all, header_count, more);
    if (more && exchange->open) {
        exchange->out = body;
    } else {
        send_queue_release(&body);
    }
    finish(exchange);
}

static void respond_gzip(struct http_exchange *exchange, unsigned status,
                         const struct http_header *headers, size_t header_count,
                         struct chunk *const *chunks, size_t chunk_count)
{
    struct gzip_stream *gzip = gzip_stream_new();
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, SIZE_MAX / 2);
    for (size_t i = 0; i < chunk_count; i++) {
        gzip_stream_write(gzip, chunks[i]->bytes, /* end= */ i + 1 == chunk_count, &out);
    }
    gzip_stream_free(gzip);
    struct http_header *all = more_headers(exchange, headers, header_count);
    all[header_count++] = http_header("content-encoding", "gzip");
    all[header_count++] = http_header("vary", "Accept-Encoding");
    size_t len = 0;
    uint8_t *bytes = buffer_take(&out, &len);
    struct chunk *chunk = chunk_new_owned(bytes, len);
    send_queue_append_chunk(&exchange->out, chunk, chunk->bytes);
    chunk_unref(chunk);
    respond_queued(exchange, status, all, header_count);
}

void http_respond(struct http_exchange *exchange, unsigned status,
                  const struct http_header *headers, size_t header_count, struct slice body)
{
    if (!may_start(exchange)) {
        return;
    }
    if (body.len > HTTP_PLAIN_BYTES_MAX && wants_gzip(exchange)) {
        struct chunk lent;
        chunk_init(&lent, body, NULL); /* On the stack: referenced by nobody else. */
        struct chunk *chunks[] = {&lent};
        respond_gzip(exchange, status, headers, header_count, chunks, 1);
        return;
    }
    send_queue_append(&exchange->out, body);
    respond_queued(exchange, status, headers, header_count);
}

void http_respond_shared(struct http_exchange *exchange, unsigned status,
                         const struct http_header *headers, size_t header_count,
                         struct chunk *const *chunks, size_t chunk_count)
{
    if (!may_start(exchange)) {
        return;
    }
    size_t total = 0;
    for (size_t i = 0; i < chunk_count; i++) {
        total += chunks[i]->bytes.len;
    }
    if (total > HTTP_PLAIN_BYTES_MAX && wants_gzip(exchange)) {
        respond_gzip(exchange, status, headers, header_count, chunks, chunk_count);
        return;
    }
    for (size_t i = 0; i < chunk_count; i++) {
        send_queue_append_chunk(&exchange->out, chunks[i], chunks[i]->bytes);
    }
    respond_queued(exchange, status, headers, header_count);
}

void http_respond_start(struct http_exchange *exchange, unsigned status,
                        const struct http_header *headers, size_t header_count)
{
    if (!may_start(exchange)) {
        return;
    }
    if (exchange->gzip_streamed && wants_gzip(exchange) && status == 200) {
        exchange->gzip = gzip_stream_new();
        struct http_header *all = more_headers(exchange, headers, header_count);
        all[header_count++] = http_header("content-encoding", "gzip");
        all[header_count++] = http_header("vary", "Accept-Encoding");
        headers = all;
    }
    send_head(exchange, status, headers, header_count, /* more= */ true);
}

static size_t after_write(struct http_exchange *exchange)
{
    exchange->connection->wire->send_body(exchange);
    size_t queued = http_queued(exchange);
    if (queued >= NET_WRITE_HIGH_BYTES) {
        exchange->over_high = true;
    }
    return queued;
}

static bool may_write(const struct http_exchange *exchange)
{
    assert(exchange->magic == EXCHANGE_MAGIC);
    assert(loop_is_current(exchange->connection->loop));
    return exchange->open && exchange->response == HTTP_STARTED && exchange->sends_body;
}

static size_t write_gzip(struct http_exchange *exchange, struct slice bytes, bool end)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, SIZE_MAX / 2);
    gzip_stream_write(exchange->gzip, bytes, end, &out);
    send_queue_append(&exchange->out, buffer_slice(&out));
    return end ? 0 : after_write(exchange);
}

size_t http_write(struct http_exchange *exchange, struct slice bytes)
{
    if (!may_write(exchange)) {
        return 0;
    }
    if (exchange->gzip != NULL) {
        return write_gzip(exchange, bytes, /* end= */ false);
    }
    const struct http_wire *wire = exchange->connection->wire;
    if (wire->write_now != NULL && exchange->out.bytes == 0 && wire->write_now(exchange, bytes)) {
        return 0;
    }
    send_queue_append(&exchange->out, bytes);
    return after_write(exchange);
}

size_t http_write_shared(struct http_exchange *exchange, struct chunk *chunk)
{
    if (!may_write(exchange)) {
        return 0;
    }
    if (exchange->gzip != NULL) {
        return write_gzip(exchange, chunk->bytes, /* end= */ false);
    }
    send_queue_append_chunk(&exchange->out, chunk, chunk->bytes);
    return after_write(exchange);
}

void http_flush(struct http_exchange *exchange)
{
    if (exchange->open && exchange->connection->wire->flush != NULL) {
        exchange->connection->wire->flush(exchange);
    }
}

size_t http_queued(const struct http_exchange *exchange)
{
    return exchange->open ? exchange->connection->wire->queued(exchange) : 0;
}

void http_finish(struct http_exchange *exchange)
{
    http_finish_trailers(exchange, NULL, 0);
}

void http_finish_trailers(struct http_exchange *exchange, const struct http_header *trailers,
                          size_t trailer_count)
{
    if (!exchange->open || exchange->response != HTTP_STARTED) {
        return;
    }
    if (exchange->gzip != NULL && exchange->sends_body) {
        (void)write_gzip(exchange, slice_text(""), /* end= */ true);
    }
    exchange->trailers = arena_alloc(exchange->arena, trailer_count * sizeof(*trailers) + 1);
    for (size_t i = 0; i < trailer_count; i++) {
        exchange->trailers[i] =
            (struct http_header){arena_slice(exchange->arena, trailers[i].name),
                                 arena_slice(exchange->arena, trailers[i].value)};
    }
    exchange->trailer_count = trailer_count;
    finish(exchange);
}

void http_abort(struct http_exchange *exchange)
{
    if (exchange->open) {
        exchange->abort = NULL; /* The owner knows. */
        exchange->connection->wire->abort(exchange);
    }
}

void http_allow_gzip(struct http_exchange *exchange, bool streamed)
{
    exchange->gzip_allowed = true;
    exchange->gzip_streamed = streamed;
}

void http_on_drain(struct http_exchange *exchange, void (*drain)(void *data), void *data)
{
    exchange->drain = drain;
    exchange->drain_data = data;
}

void http_on_abort(struct http_exchange *exchange, void (*abort)(void *data), void *data)
{
    exchange->abort = abort;
    exchange->abort_data = data;
}

void http_on_closing(struct http_exchange *exchange, void (*closing)(void *data), void *data)
{
    exchange->closing = closing;
    exchange->closing_data = data;
}

void http_on_done(struct http_exchange *exchange, void (*done)(void *data), void *data)
{
    exchange->done = done;
    exchange->done_data = data;
}

unsigned http_response_status(const struct http_exchange *exchange)
{
    return exchange->status;
}

void http_exchange_drained(struct http_exchange *exchange)
{
    if (exchange->over_high && exchange->open &&
        exchange->connection->wire->queued(exchange) < NET_WRITE_LOW_BYTES) {
        exchange->over_high = false;
        if (exchange->drain != NULL && exchange->response == HTTP_STARTED) {
            exchange->drain(exchange->drain_data);
        }
    }
}

void http_exchange_refuse(struct http_exchange *exchange, unsigned status)
{
    char text[96];
    snprintf(text, sizeof(text), "%u %s\n", status, http_reason(status));
    const struct http_header headers[] = {http_header("content-type", "text/plain; charset=utf-8")};
    http_respond(exchange, status, headers, 1, slice_text(text));
}
