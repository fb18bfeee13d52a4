/* HTTP/2 on the wire: maps the streams of a session to exchanges, and moves bytes. What is answered
 * is written at once behind what waits to be sent; bodies that are long or that no window allows
 * yet wait in their exchange. Exchanges end, and all goes out, in pump() at the turn's end. */
#include "lib/base/alloc.h"
#include "lib/net/http2_session.h"
#include "lib/net/http_private.h"
#include "lib/net/limits.h"
#include "lib/net/rate_limit.h"
#include "lib/net/stream_private.h"
#include <assert.h>
#include <stdlib.h>

enum {
    RESPONSE_HEADERS_MAX = 128,
    COPIED_BYTES = 1024, /* Smaller bodies are copied behind their frame's header. */
};

struct http2 {
    struct http2_session *session;
    struct loop_turn_end pump;
    struct rate_limit resets;
    struct rate_limit control;
    struct list sending; /* Exchanges with something to send that no window holds up. */
    bool progress;       /* Of a request: pump() looks which time-out applies now. */
    bool paused;         /* Nothing is read until what was answered has been sent. */
};

static struct http2 *http2_of(const struct http_connection *connection)
{
    assert(connection->wire == &http2_wire);
    return connection->state;
}

static struct http_exchange *exchange_of(struct http2_stream *stream)
{
    return CONTAINER_OF(stream, struct http_exchange, http2);
}

static void want_pump(struct http_connection *connection)
{
    if (connection->stream != NULL) {
        loop_turn_end_start(connection->loop, &http2_of(connection)->pump);
    }
}

static void want_send(struct http_exchange *exchange)
{
    if (exchange->open && !list_linked(&exchange->sending)) {
        list_push_back(&http2_of(exchange->connection)->sending, &exchange->sending);
    }
    want_pump(exchange->connection);
}

/* ---- What the session tells ---- */

static void on_write(void *data, struct slice bytes)
{
    struct http_connection *connection = data;
    if (connection->stream != NULL) {
        (void)net_stream_write(connection->stream, bytes); /* on_read() looks how much waits. */
    }
}

static bool on_request(void *data, uint32_t id, struct http2_fields *fields, bool end)
{
    struct http_connection *connection = data;
    struct http2 *http2 = http2_of(connection);
    struct http_exchange *exchange = http_exchange_new(connection);
    http2_open_stream(http2->session, &exchange->http2, id, end);
    exchange->fields = fields;
    exchange->method = fields->method;
    exchange->path = fields->path;
    exchange->query = fields->query;
    exchange->authority = fields->authority;
    exchange->headers = fields->headers;
    exchange->header_count = fields->header_count;
    exchange->keep_alive = true;
    exchange->handler =
        http_connection_handler(connection, http_header_find(exchange, "content-type"));
    http_exchange_ref(exchange);
    if (fields->too_large) {
        http_exchange_refuse(exchange, 431);
    } else if (fields->malformed) {
        http_exchange_refuse(exchange, 400);
    } else {
        http_exchange_headers(exchange);
    }
    if (end) {
        (void)http_exchange_body(exchange, slice_text(""), /* end= */ true); /* Empty. */
    }
    http_exchange_unref(exchange);
    http2->progress = true;
    return connection->stream != NULL;
}

static bool on_data(void *data, struct http2_stream *stream, struct slice bytes, bool end)
{
    struct http_connection *connection = data;
    struct http2 *http2 = http2_of(connection);
    struct http_exchange *exchange = exchange_of(stream);
    if (exchange->piece == NULL) {
        http2_consume(http2->session, stream, bytes.len);
    }
    http_exchange_ref(exchange);
    (void)http_exchange_body(exchange, bytes, end); /* It was answered. */
    http_exchange_unref(exchange);
    http2->progress = true;
    return connection->stream != NULL;
}

static void on_window(void *data, struct http2_stream *stream)
{
    struct http_connection *connection = data;
    if (stream != NULL) {
        want_send(exchange_of(stream));
        return;
    }
    LIST_FOREACH(node, next, &connection->exchanges)
    {
        struct http_exchange *exchange = LIST_ENTRY(node, struct http_exchange, node);
        if (exchange->out.bytes > 0) {
            want_send(exchange);
        }
    }
}

static bool on_reset(void *data, struct http2_stream *stream)
{
    struct http_connection *connection = data;
    http_exchange_close(exchange_of(stream), /* aborted= */ true);
    http2_of(connection)->progress = true;
    return connection->stream != NULL;
}

static bool pays(void *data, enum http2_cost cost)
{
    const struct http_connection *connection = data;
    struct http2 *http2 = http2_of(connection);
    return rate_limit_take(cost == HTTP2_COST_RESET ? &http2->resets : &http2->control,
                           loop_now_ms(connection->loop));
}

/* ---- Responses ---- */

static void send_head(struct http_exchange *exchange, const struct http_header *headers,
                      size_t header_count, bool more)
{
    struct http_connection *connection = exchange->connection;
    struct http_header fields[RESPONSE_HEADERS_MAX];
    want_pump(connection); /* Before the stream is woken, which sends by itself what it has. */
    char status[4] = {(char)('0' + exchange->status / 100 % 10),
                      (char)('0' + exchange->status / 10 % 10), (char)('0' + exchange->status % 10),
                      '\0'};
    fields[0] = http_header(":status", status);
    fields[1] = http_header("date", http_shard_date(connection->shard));
    size_t count = 2;
    for (size_t i = 0; i < header_count && count < RESPONSE_HEADERS_MAX; i++) {
        fields[count++] = headers[i];
    }
    exchange->sent_all = !(more && exchange->sends_body);
    http2_send_fields(http2_of(connection)->session, &exchange->http2, fields, count,
                      exchange->sent_all);
    if (exchange->sent_all) {
        want_send(exchange); /* To be ended. */
    }
}

/* Small pieces need not wait in the exchange. */
static bool write_now(struct http_exchange *exchange, struct slice bytes)
{
    struct http_connection *connection = exchange->connection;
    struct http2 *http2 = http2_of(connection);
    if (bytes.len > COPIED_BYTES || bytes.len > http2_data_room(http2->session, &exchange->http2) ||
        net_stream_queued(connection->stream) >= NET_WRITE_LOW_BYTES) {
        return false;
    }
    if (bytes.len > 0) {
        want_pump(connection); /* First, as in send_head(). */
        http2_send_data_head(http2->session, &exchange->http2, bytes.len, /* end= */ false);
        (void)net_stream_write(connection->stream, bytes);
    }
    return true;
}

static void send_body(struct http_exchange *exchange)
{
    if (!exchange->sends_body) {
        send_queue_release(&exchange->out);
    }
    want_send(exchange);
}

static size_t queued(const struct http_exchange *exchange)
{
    return exchange->out.bytes;
}

static void body_consumed(struct http_exchange *exchange, size_t bytes)
{
    http2_consume(http2_of(exchange->connection)->session, &exchange->http2, bytes);
    want_pump(exchange->connection);
}

static void abort_exchange(struct http_exchange *exchange)
{
    struct http_connection *connection = exchange->connection;
    http2_reset(http2_of(connection)->session, &exchange->http2, HTTP2_CANCEL);
    want_pump(connection);
    http_exchange_close(exchange, /* aborted= */ true);
    http2_of(connection)->progress = true;
}

/* One DATA frame: its header, then the bytes, by reference when they are many. */
static void send_data(struct http_exchange *exchange, size_t len, bool end)
{
    struct http_connection *connection = exchange->connection;
    http2_send_data_head(http2_of(connection)->session, &exchange->http2, len, end);
    struct slice small;
    if (len <= COPIED_BYTES && send_queue_peek(&exchange->out, &small, 1) == 1 &&
        small.len == len) {
        (void)net_stream_write(connection->stream, small);
        send_queue_consume(&exchange->out, len);
        return;
    }
    struct send_queue part = {.first = NULL};
    send_queue_move(&exchange->out, &part, len);
    (void)net_stream_write_queue(connection->stream, &part);
}

/* All that ends the response, or one frame of its body. True: there may be more to send now. */
static bool send_more(struct http_exchange *exchange)
{
    struct http_connection *connection = exchange->connection;
    struct http2_session *session = http2_of(connection)->session;
    bool finished = exchange->response == HTTP_FINISHED;
    if (!exchange->sent_all && exchange->out.bytes > 0) {
        size_t room = http2_data_room(session, &exchange->http2);
        size_t len = exchange->out.bytes < room ? exchange->out.bytes : room;
        if (len == 0) {
            return false; /* on_window() goes on. */
        }
        bool last = len == exchange->out.bytes;
        exchange->sent_all = finished && last && exchange->trailer_count == 0;
        send_data(exchange, len, exchange->sent_all);
        if (!last) {
            return true;
        }
    }
    if (!exchange->sent_all && finished && exchange->trailer_count > 0) {
        http2_send_fields(session, &exchange->http2, exchange->trailers, exchange->trailer_count,
                          /* end= */ true);
        exchange->sent_all = true;
    } else if (!exchange->sent_all && finished) {
        http2_send_data_head(session, &exchange->http2, 0, /* end= */ true);
        exchange->sent_all = true;
    }
    if (exchange->sent_all) {
        http2_forget(session, &exchange->http2);
        http_exchange_close(exchange, /* aborted= */ !finished);
        http2_of(connection)->progress = true;
    }
    return false;
}

/* ---- The connection ---- */

/* Which time-out applies: somebody's whole body is awaited, nobody is there, or neither. */
static void update_wait(struct http_connection *connection)
{
    http2_of(connection)->progress = false;
    enum http_wait wait = HTTP_WAIT_IDLE;
    LIST_FOREACH(node, next, &connection->exchanges)
    {
        const struct http_exchange *exchange = LIST_ENTRY(node, struct http_exchange, node);
        if (!exchange->body_done && exchange->piece == NULL) {
            wait = HTTP_WAIT_BODY;
            break;
        }
        wait = HTTP_WAIT_NONE;
    }
    http_connection_wait(connection, wait);
}

/* Tells those that wait for room. Each may end any other, so the search starts anew each time. */
static void tell_drained(struct http_connection *connection)
{
    struct http_exchange *found;
    do {
        found = NULL;
        LIST_FOREACH(node, next, &connection->exchanges)
        {
            struct http_exchange *exchange = LIST_ENTRY(node, struct http_exchange, node);
            if (exchange->over_high && exchange->out.bytes < NET_WRITE_LOW_BYTES) {
                found = exchange;
                break;
            }
        }
        if (found != NULL) {
            http_exchange_drained(found);
        }
    } while (found != NULL && connection->stream != NULL);
}

/* Each in turn sends a frame, so that no body holds up another. */
static void send_in_turns(struct http_connection *connection)
{
    struct list *sending = &http2_of(connection)->sending;
    while (connection->stream != NULL && !list_empty(sending) &&
           net_stream_queued(connection->stream) < NET_WRITE_HIGH_BYTES) {
        struct http_exchange *exchange =
            LIST_ENTRY(list_first(sending), struct http_exchange, sending);
        list_remove(&exchange->sending);
        if (send_more(exchange)) {
            list_push_back(sending, &exchange->sending);
        }
    }
}

/* pump() still comes, and sees to what follows from it. */
static void flush(struct http_exchange *exchange)
{
    struct http_connection *connection = exchange->connection;
    atomic_fetch_add(&connection->references, 1);
    send_in_turns(connection);
    if (connection->stream != NULL) {
        net_stream_flush(connection->stream);
    }
    http_connection_unref(connection);
}

static void pump(void *data)
{
    struct http_connection *connection = data;
    struct http2 *http2 = http2_of(connection);
    atomic_fetch_add(&connection->references, 1);
    send_in_turns(connection);
    if (connection->stream != NULL) {
        net_stream_flush(connection->stream);
        tell_drained(connection);
    }
    if (connection->stream != NULL && http2->progress) {
        update_wait(connection);
    }
    if (connection->stream != NULL && http2_is_over(http2->session)) {
        http_connection_close(connection, /* linger= */ true);
    } else if (connection->stream != NULL && !list_empty(&http2->sending) &&
               net_stream_queued(connection->stream) < NET_WRITE_LOW_BYTES) {
        want_pump(connection); /* Sent at once: no on_drain will come. */
    }
    http_connection_unref(connection);
}

static void on_read(struct http_connection *connection, struct slice bytes)
{
    struct http2 *http2 = http2_of(connection);
    want_pump(connection); /* First, as in send_head(). */
    http2_receive(http2->session, bytes);
    if (connection->stream == NULL) {
        return;
    }
    /* Who does not read what he asked for may not ask for more. */
    if (!http2->paused && net_stream_queued(connection->stream) >= HTTP2_OUTPUT_BYTES_MAX) {
        http2->paused = true;
        net_stream_pause(connection->stream);
    }
}

static void on_drain(struct http_connection *connection)
{
    struct http2 *http2 = http2_of(connection);
    if (http2->paused) {
        http2->paused = false;
        net_stream_resume(connection->stream);
    }
    want_pump(connection);
}

static void go_away(struct http_connection *connection)
{
    if (!connection->going_away) {
        connection->going_away = true;
        http2_go_away(http2_of(connection)->session);
        want_pump(connection);
    } else if (list_empty(&connection->exchanges)) {
        http_connection_close(connection, /* linger= */ true);
    }
    http_connection_wait(connection, connection->wait);
}

static void release(struct http_connection *connection)
{
    struct http2 *http2 = http2_of(connection);
    loop_turn_end_stop(&http2->pump);
    http2_session_free(http2->session);
    free(http2);
}

void http2_open(struct http_connection *connection)
{
    static const struct http2_events events = {
        .write = on_write,
        .on_request = on_request,
        .on_data = on_data,
        .on_window = on_window,
        .on_reset = on_reset,
        .pays = pays,
    };
    struct http2 *http2 = alloc_zeroed(sizeof(*http2));
    connection->state = http2;
    http2->pump.run = pump;
    http2->pump.data = connection;
    list_init(&http2->pump.node);
    list_init(&http2->sending);
    rate_limit_init(&http2->resets, HTTP2_RESETS_BURST, HTTP2_RESETS_PER_S);
    rate_limit_init(&http2->control, HTTP2_CONTROL_BURST, HTTP2_CONTROL_PER_S);
    http2->session =
        http2_session_new(&events, connection, http_connection_limits(connection)->streams_max);
    want_pump(connection);
}

const struct http_wire http2_wire = {
    .send_head = send_head,
    .write_now = write_now,
    .send_body = send_body,
    .body_consumed = body_consumed,
    .abort = abort_exchange,
    .queued = queued,
    .flush = flush,
    .on_read = on_read,
    .on_drain = on_drain,
    .go_away = go_away,
    .release = release,
};
