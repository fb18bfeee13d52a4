/* HTTP/1.1 on the wire: one exchange at a time, in the order of the requests; what the client sends
 * ahead waits in the input buffer, and in the kernel beyond a limit. */
#include "lib/base/alloc.h"
#include "lib/net/http1.h"
#include "lib/net/http_private.h"
#include "lib/net/limits.h"
#include "lib/net/stream_private.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUT_BYTES_MAX = HTTP_HEADERS_BYTES_MAX + 4 * NET_READ_BYTES };

struct http1 {
    struct buffer in;
    struct memory_hold hold; /* Of `in`. */
    size_t at;               /* What of it has been handled. */
    size_t scanned;          /* How far the search for the head's end got, from `at`. */
    struct http1_body body;
    struct http_exchange *current; /* Borrowed: it is in connection->exchanges. */
    size_t unconsumed;             /* Streamed body bytes that its handler has yet to consume. */
    struct buffer out;             /* Heads are composed here. */
    struct loop_turn_end next;     /* Goes on to the next request. */
    bool busy;                     /* process() is on the stack. */
    bool paused;
};

static void process(struct http_connection *connection);

static struct http1 *http1_of(const struct http_connection *connection)
{
    assert(connection->wire == &http1_wire);
    return connection->state;
}

static void on_next(void *data)
{
    struct http_connection *connection = data;
    if (connection->stream != NULL) {
        atomic_fetch_add(&connection->references, 1);
        process(connection);
        http_connection_unref(connection);
    }
}

void http1_open(struct http_connection *connection)
{
    struct http1 *http1 = alloc_zeroed(sizeof(*http1));
    buffer_init(&http1->in, INPUT_BYTES_MAX);
    http1->hold.budget = loop_memory(connection->loop);
    buffer_init(&http1->out, INPUT_BYTES_MAX);
    http1->next.run = on_next;
    http1->next.data = connection;
    list_init(&http1->next.node);
    connection->state = http1;
}

static void http1_release(struct http_connection *connection)
{
    struct http1 *http1 = http1_of(connection);
    loop_turn_end_stop(&http1->next);
    buffer_release(&http1->in);
    memory_hold_set(&http1->hold, 0);
    buffer_release(&http1->out);
    free(http1);
}

/* ---- Sending ---- */

static void append_header(struct buffer *out, struct slice name, struct slice value)
{
    buffer_append_slice(out, name);
    buffer_append(out, ": ", 2);
    if (value.len > 0 && (memchr(value.data, '\r', value.len) != NULL ||
                          memchr(value.data, '\n', value.len) != NULL)) {
        /* A value from outside must not be able to start a header of its own. */
        for (size_t i = 0; i < value.len; i++) {
            uint8_t c = value.data[i];
            buffer_append_byte(out, c == '\r' || c == '\n' ? ' ' : c);
        }
    } else {
        buffer_append_slice(out, value);
    }
    buffer_append(out, "\r\n", 2);
}

static void send_head(struct http_exchange *exchange, const struct http_header *headers,
                      size_t header_count, bool more)
{
    struct http1 *http1 = http1_of(exchange->connection);
    struct buffer *out = &http1->out;
    bool has_length = false;
    bool has_date = false;
    buffer_clear(out);
    buffer_printf(out, "HTTP/1.1 %u %s\r\n", exchange->status, http_reason(exchange->status));
    for (size_t i = 0; i < header_count; i++) {
        has_length |= http1_name_is(headers[i].name, "content-length");
        has_date |= http1_name_is(headers[i].name, "date");
        append_header(out, headers[i].name, headers[i].value);
    }
    if (!has_date) {
        append_header(out, slice_text("date"),
                      slice_text(http_shard_date(exchange->connection->shard)));
    }
    if (more && !has_length && exchange->sends_body) {
        if (exchange->is_http10) {
            exchange->keep_alive = false; /* The end of the connection is the end of the body. */
        } else {
            exchange->chunked = true;
            buffer_append_text(out, "transfer-encoding: chunked\r\n");
        }
    }
    if (!exchange->body_done || exchange->connection->going_away) {
        exchange->keep_alive = false; /* The rest of the request will not be read. */
    }
    if (!exchange->keep_alive) {
        buffer_append_text(out, "connection: close\r\n");
    } else if (exchange->is_http10) {
        buffer_append_text(out, "connection: keep-alive\r\n");
    }
    buffer_append(out, "\r\n", 2);
    net_stream_write(exchange->connection->stream, buffer_slice(out));
}

/* The response is complete: on to the next request, or the end of the connection. */
static void end_exchange(struct http_exchange *exchange)
{
    struct http_connection *connection = exchange->connection;
    struct http1 *http1 = http1_of(connection);
    bool goes_on = exchange->keep_alive && exchange->body_done && !connection->going_away;
    http1->current = NULL;
    atomic_fetch_add(&connection->references, 1);
    http_exchange_close(exchange, /* aborted= */ false);
    if (connection->stream != NULL) {
        if (!goes_on) {
            http_connection_close(connection, /* linger= */ true);
        } else {
            http_connection_wait(connection, HTTP_WAIT_IDLE);
            if (!http1->busy && (http1->in.len > http1->at || http1->paused)) {
                loop_turn_end_start(connection->loop, &http1->next);
            }
        }
    }
    http_connection_unref(connection);
}

static void send_body(struct http_exchange *exchange)
{
    struct net_stream *stream = exchange->connection->stream;
    size_t bytes = exchange->out.bytes;
    if (exchange->messages != NULL) {
        http1_messages_send(exchange);
    } else if (!exchange->sends_body) {
        send_queue_release(&exchange->out);
    } else if (bytes > 0) {
        if (exchange->chunked) {
            char size[24];
            int len = snprintf(size, sizeof(size), "%zx\r\n", bytes);
            net_stream_write(stream, slice_of(size, (size_t)len));
        }
        net_stream_write_queue(stream, &exchange->out);
        if (exchange->chunked) {
            net_stream_write(stream, slice_text("\r\n"));
        }
    }
    if (exchange->response != HTTP_FINISHED) {
        return;
    }
    if (exchange->chunked && exchange->sends_body) {
        struct buffer *out = &http1_of(exchange->connection)->out;
        buffer_clear(out);
        buffer_append_text(out, "0\r\n");
        for (size_t i = 0; i < exchange->trailer_count; i++) {
            append_header(out, exchange->trailers[i].name, exchange->trailers[i].value);
        }
        buffer_append(out, "\r\n", 2);
        net_stream_write(stream, buffer_slice(out));
    }
    end_exchange(exchange);
}

static size_t queued(const struct http_exchange *exchange)
{
    return net_stream_queued(exchange->connection->stream);
}

static void abort_exchange(struct http_exchange *exchange)
{
    http_connection_close(exchange->connection, /* linger= */ false);
}

void http1_read_on(struct http_exchange *exchange)
{
    struct http_connection *connection = exchange->connection;
    struct http1 *http1 = http1_of(connection);
    if (!http1->busy && http1->in.len > http1->at) {
        loop_turn_end_start(connection->loop, &http1->next);
    }
}

static void body_consumed(struct http_exchange *exchange, size_t bytes)
{
    struct http_connection *connection = exchange->connection;
    struct http1 *http1 = http1_of(connection);
    http1->unconsumed -= bytes < http1->unconsumed ? bytes : http1->unconsumed;
    if (http1->paused && http1->unconsumed < NET_WRITE_LOW_BYTES) {
        http1->paused = false;
        net_stream_resume(connection->stream);
    }
    http1_read_on(exchange);
}

/* ---- Receiving ---- */

/* Refuses what is no request, and closes. */
static void refuse(struct http_connection *connection, int code)
{
    unsigned status = code == -E2BIG             ? 431
                      : code == -ENAMETOOLONG    ? 414
                      : code == -ENOSYS          ? 501
                      : code == -EPROTONOSUPPORT ? 505
                                                 : 400;
    char text[256];
    snprintf(text, sizeof(text),
             "HTTP/1.1 %u %s\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 0\r\n"
             "connection: close\r\n\r\n",
             status, http_reason(status));
    net_stream_write(connection->stream, slice_text(text));
    http_connection_close(connection, /* linger= */ true);
}

static int start_exchange(struct http_connection *connection, struct slice head_bytes)
{
    struct http1 *http1 = http1_of(connection);
    struct http_header headers[HTTP_HEADER_COUNT_MAX];
    struct http1_head head;
    struct http_exchange *exchange = http_exchange_new(connection);
    struct slice copy = arena_slice(exchange->arena, head_bytes);
    int status = http1_parse_request(copy, headers, &head);
    if (status != 0) {
        http_exchange_close(exchange, /* aborted= */ false);
        return status;
    }
    size_t size = head.header_count * sizeof(headers[0]);
    struct http_header *kept = arena_alloc(exchange->arena, size + 1);
    memcpy(kept, headers, size);
    exchange->headers = kept;
    exchange->header_count = head.header_count;
    exchange->method = head.method;
    exchange->path = head.path;
    exchange->query = head.query;
    exchange->authority = head.authority;
    exchange->keep_alive = head.keep_alive;
    exchange->upgrade = head.upgrade;
    exchange->is_http10 = head.minor == 0;
    exchange->handler = http_connection_handler(connection, slice_text(""));
    http1_body_init(&http1->body, head.body_kind, head.content_length);
    http1->current = exchange;
    http1->unconsumed = 0;
    http_connection_wait(connection, HTTP_WAIT_BODY);
    http_exchange_headers(exchange);
    if (http1->current != exchange) {
        return 0;
    }
    bool wants_body = exchange->piece != NULL || exchange->response == HTTP_NOTHING_SENT;
    if (wants_body && exchange->piece == NULL && head.body_kind == HTTP1_BODY_LENGTH &&
        head.content_length > http_connection_limits(connection)->body_bytes_max) {
        http_exchange_too_large(exchange);
    } else if (wants_body && head.expect_continue && head.body_kind != HTTP1_BODY_NONE) {
        net_stream_write(connection->stream, slice_text("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    if (http1->current == exchange && http1_body_done(&http1->body)) {
        http_connection_wait(connection, HTTP_WAIT_NONE);
        (void)http_exchange_body(exchange, slice_text(""), /* end= */ true); /* Empty: not over. */
    }
    return 0;
}

/* A part of the current request's body. False when there is no more to do for now. */
static bool process_body(struct http_connection *connection)
{
    struct http1 *http1 = http1_of(connection);
    struct http_exchange *exchange = http1->current;
    struct slice bytes = slice_of(http1->in.data + http1->at, http1->in.len - http1->at);
    if (bytes.len == 0) {
        return false;
    }
    struct slice piece = {.len = 0};
    size_t before = bytes.len;
    if (http1_body_read(&http1->body, &bytes, &piece) != 0) {
        if (exchange->response == HTTP_NOTHING_SENT && exchange->piece == NULL) {
            exchange->keep_alive = false;
            http_exchange_refuse(exchange, 400);
        } else {
            http_connection_close(connection, /* linger= */ false);
        }
        return false;
    }
    http1->at += before - bytes.len;
    bool done = http1_body_done(&http1->body);
    if (piece.len == 0 && !done) {
        return true;
    }
    http_connection_wait(connection, done ? HTTP_WAIT_NONE : HTTP_WAIT_BODY);
    if (exchange->piece != NULL) {
        http1->unconsumed += piece.len;
    }
    (void)http_exchange_body(exchange, piece, done); /* Over the limit: has been answered. */
    return true;
}

/* What comes while the answer is messages. */
static bool process_messages(struct http_connection *connection)
{
    struct http1 *http1 = http1_of(connection);
    struct slice bytes = slice_of(http1->in.data + http1->at, http1->in.len - http1->at);
    http1->at = http1->in.len;
    http1_messages_read(http1->current, bytes);
    return false;
}

/* The next request's head. False when it is not all there yet. */
static bool process_head(struct http_connection *connection)
{
    struct http1 *http1 = http1_of(connection);
    struct slice bytes = slice_of(http1->in.data + http1->at, http1->in.len - http1->at);
    while (bytes.len > 0 && http1->scanned == 0 &&
           (bytes.data[0] == '\r' || bytes.data[0] == '\n')) {
        bytes = slice_of(bytes.data + 1, bytes.len - 1); /* RFC 9112, section 2.2. */
        http1->at++;
    }
    if (bytes.len == 0) {
        return false;
    }
    size_t len = http1_head_length(bytes, &http1->scanned);
    if (len == 0) {
        http_connection_wait(connection, HTTP_WAIT_HEAD);
        bool may_grow = memory_has_room(http1->hold.budget, bytes.len);
        if (bytes.len > (may_grow ? HTTP_HEADERS_BYTES_MAX : HTTP_HEAD_FREE_BYTES)) {
            refuse(connection, -E2BIG);
        }
        return false;
    }
    http1->scanned = 0;
    http1->at += len;
    int status = start_exchange(connection, slice_of(bytes.data, len));
    if (status != 0) {
        refuse(connection, status);
        return false;
    }
    return true;
}

static void process(struct http_connection *connection)
{
    struct http1 *http1 = http1_of(connection);
    if (http1->busy) {
        return;
    }
    http1->busy = true;
    bool more = true;
    while (more && connection->stream != NULL) {
        if (http1->current == NULL) {
            more = process_head(connection);
        } else if (!http1->current->body_done && http1->unconsumed < NET_WRITE_HIGH_BYTES) {
            more = process_body(connection);
        } else if (http1->current->messages != NULL) {
            more = process_messages(connection);
        } else {
            more = false;
        }
    }
    http1->busy = false;
    if (connection->stream == NULL) {
        return;
    }
    buffer_consume(&http1->in, http1->at);
    http1->at = 0;
    if (http1->in.len == 0 && http1->in.capacity > HTTP_PIPELINE_BYTES_MAX) {
        buffer_release(&http1->in); /* What one large head took is not for the rest of its life. */
    }
    memory_hold_set(&http1->hold, http1->in.capacity);
    bool full = http1->unconsumed >= NET_WRITE_HIGH_BYTES ||
                (http1->current != NULL && http1->in.len > HTTP_PIPELINE_BYTES_MAX);
    if (full && !http1->paused) {
        http1->paused = true;
        net_stream_pause(connection->stream);
    } else if (!full && http1->paused) {
        http1->paused = false;
        net_stream_resume(connection->stream);
    }
}

static void on_read(struct http_connection *connection, struct slice bytes)
{
    struct http1 *http1 = http1_of(connection);
    buffer_append_slice(&http1->in, bytes);
    assert(buffer_error(&http1->in) == 0); /* Paused long before. */
    process(connection);
}

static void on_drain(struct http_connection *connection)
{
    struct http1 *http1 = http1_of(connection);
    if (http1->current != NULL) {
        http_exchange_drained(http1->current);
    }
}

static void go_away(struct http_connection *connection)
{
    connection->going_away = true;
    const struct http1 *http1 = http1_of(connection);
    if (http1->current == NULL) {
        /* Idle, with nothing on its way: there is no answer that a plain close could destroy. */
        bool idle = http1->in.len == 0 && net_stream_queued(connection->stream) == 0;
        http_connection_close(connection, /* linger= */ !idle);
    }
}

struct net_stream *http1_upgrade(struct http_exchange *exchange, struct slice head)
{
    struct http_connection *connection = exchange->connection;
    struct http1 *http1 = http1_of(connection);
    struct slice ahead = slice_of(http1->in.data + http1->at, http1->in.len - http1->at);
    struct net_stream *stream = connection->stream;
    net_stream_write(stream, head);
    net_stream_detach(stream);
    net_stream_unread(stream, ahead);
    http1->current = NULL;
    http_exchange_ref(exchange);
    http_exchange_close(exchange, /* aborted= */ false);
    (void)http_connection_take_stream(connection);
    http_exchange_unref(exchange);
    return stream;
}

/* ---- Upgrades ---- */

bool http_wants_upgrade(const struct http_exchange *exchange, const char *protocol)
{
    struct slice wanted = http_header_find(exchange, "upgrade");
    return exchange->upgrade && wanted.data != NULL && wanted.len == strlen(protocol) &&
           strncasecmp((const char *)wanted.data, protocol, wanted.len) == 0;
}

void http1_upgrade_head(const char *protocol, const struct http_header *headers,
                        size_t header_count, struct buffer *out)
{
    buffer_printf(out, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n",
                  protocol);
    for (size_t i = 0; i < header_count; i++) {
        append_header(out, headers[i].name, headers[i].value);
    }
    buffer_append_text(out, "\r\n");
}

int http_upgrade(struct http_exchange *exchange, const char *protocol,
                 const struct http_header *headers, size_t header_count,
                 struct net_stream **ret_stream)
{
    if (!exchange->open || exchange->connection->stream == NULL) {
        return -ECONNABORTED;
    }
    if (!exchange->upgrade || http_version(exchange) != 1 || !exchange->body_done ||
        exchange->response != HTTP_NOTHING_SENT) {
        return -EPROTO;
    }
    CLEANUP(buffer_release) struct buffer head;
    buffer_init(&head, HTTP_HEADERS_BYTES_MAX);
    http1_upgrade_head(protocol, headers, header_count, &head);
    exchange->status = 101;
    exchange->response = HTTP_FINISHED;
    *ret_stream = http1_upgrade(exchange, buffer_slice(&head));
    list_push_back(&exchange->connection->shard->upgraded, &exchange->node);
    return 0;
}

const struct http_wire http1_wire = {
    .send_head = send_head,
    .send_body = send_body,
    .body_consumed = body_consumed,
    .abort = abort_exchange,
    .queued = queued,
    .on_read = on_read,
    .on_drain = on_drain,
    .go_away = go_away,
    .release = http1_release,
};
