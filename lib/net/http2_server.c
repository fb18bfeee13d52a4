/* HTTP/2 on the wire, by nghttp2: it keeps the protocol's state, this file moves bytes and maps
 * streams to exchanges. Nothing is sent from inside a callback; pump() runs at the turn's end. */
#include "lib/base/alloc.h"
#include "lib/net/http2_check.h"
#include "lib/net/http_private.h"
#include "lib/net/limits.h"
#include "lib/net/rate_limit.h"
#include "lib/net/stream_private.h"
#include <assert.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

enum {
    RESPONSE_HEADERS_MAX = 128,
    FRAME_HEADER_SIZE = 9,
    HEADERS_FIRST = 8,   /* Of a request; there is room for more when they come. */
    COPIED_BYTES = 1024, /* Smaller bodies are copied behind their frame's header. */
};

struct http2 {
    nghttp2_session *session;
    struct loop_turn_end pump;
    struct rate_limit resets;
    struct rate_limit control;
    size_t header_bytes; /* Of the header block being received. */
    bool refused;        /* It is over a limit. */
    bool progress;       /* Of a request: pump() looks which time-out applies now. */
    struct http2_check check;
};

static struct http2 *http2_of(const struct http_connection *connection)
{
    assert(connection->wire == &http2_wire);
    return connection->state;
}

static void want_pump(struct http_connection *connection)
{
    if (connection->stream != NULL) {
        loop_turn_end_start(connection->loop, &http2_of(connection)->pump);
    }
}

/* Breaks off with a connection error; pump() closes after the GOAWAY went out. */
static void terminate(struct http_connection *connection, uint32_t code)
{
    nghttp2_session_terminate_session(http2_of(connection)->session, code);
    want_pump(connection);
}

static void note_reset(struct http_connection *connection)
{
    struct http2 *http2 = http2_of(connection);
    if (!rate_limit_take(&http2->resets, loop_now_ms(connection->loop))) {
        terminate(connection, NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

/* ---- Requests ---- */

static struct http_exchange *exchange_of(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct http_connection *connection = data;
    if (connection->stream == NULL) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    struct http2 *http2 = http2_of(connection);
    struct http_exchange *exchange = http_exchange_new(connection);
    exchange->stream_id = frame->hd.stream_id;
    http2->header_bytes = 0;
    http2->refused = false;
    http2->check = (struct http2_check){0};
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, exchange);
    return 0;
}

static void set_path(struct http_exchange *exchange, struct slice target)
{
    const uint8_t *mark = target.len == 0 ? NULL : memchr(target.data, '?', target.len);
    size_t len = mark == NULL ? target.len : (size_t)(mark - target.data);
    exchange->path = slice_of(target.data, len);
    exchange->query = mark == NULL ? slice_of(target.data + target.len, 0)
                                   : slice_of(mark + 1, target.len - len - 1);
}

static void add_header(struct http_exchange *exchange, struct slice name, struct slice value)
{
    if (exchange->header_count == exchange->header_capacity) {
        size_t capacity =
            exchange->header_capacity == 0 ? HEADERS_FIRST : exchange->header_capacity * 2;
        struct http_header *headers = arena_alloc(exchange->arena, capacity * sizeof(*headers));
        if (exchange->header_count > 0) {
            memcpy(headers, exchange->headers, exchange->header_count * sizeof(*headers));
        }
        exchange->headers = headers;
        exchange->header_capacity = capacity;
    }
    exchange->headers[exchange->header_count++] = (struct http_header){name, value};
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *data)
{
    (void)flags;
    struct http_connection *connection = data;
    struct http2 *http2 = http2_of(connection);
    struct http_exchange *exchange = exchange_of(session, frame->hd.stream_id);
    if (exchange == NULL || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0; /* Trailers: nobody here wants them. */
    }
    http2_check_field(&http2->check, slice_of(name, name_len), slice_of(value, value_len));
    http2->header_bytes += name_len + value_len + 32; /* As RFC 9113 counts them. */
    if (http2->header_bytes > HTTP_HEADERS_BYTES_MAX ||
        exchange->header_count == HTTP_HEADER_COUNT_MAX) {
        http2->refused = true;
        return 0;
    }
    struct slice copy = arena_slice(exchange->arena, slice_of(value, value_len));
    struct slice key = slice_of(name, name_len);
    if (slice_is(key, ":method")) {
        exchange->method = copy;
    } else if (slice_is(key, ":path")) {
        set_path(exchange, copy);
    } else if (slice_is(key, ":authority")) {
        exchange->authority = copy;
    } else if (name_len > 0 && name[0] != ':') {
        if (slice_is(key, "host") && exchange->authority.len == 0) {
            exchange->authority = copy;
        }
        add_header(exchange, arena_slice(exchange->arena, key), copy);
    }
    return 0;
}

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

static void on_request_headers(struct http_connection *connection, struct http_exchange *exchange,
                               bool end)
{
    exchange->keep_alive = true;
    exchange->handler =
        http_connection_handler(connection, http_header_find(exchange, "content-type"));
    http_exchange_ref(exchange);
    if (http2_of(connection)->refused) {
        http_exchange_refuse(exchange, 431);
    } else if (!http2_check_request(&http2_of(connection)->check)) {
        http_exchange_refuse(exchange, 400);
    } else {
        http_exchange_headers(exchange);
    }
    if (end) {
        (void)http_exchange_body(exchange, slice_text(""), /* end= */ true); /* Empty. */
    }
    http_exchange_unref(exchange);
    http2_of(connection)->progress = true;
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct http_connection *connection = data;
    if (connection->stream == NULL) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    struct http2 *http2 = http2_of(connection);
    bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    struct http_exchange *exchange = exchange_of(session, frame->hd.stream_id);
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (exchange != NULL && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
            on_request_headers(connection, exchange, end);
        } else if (exchange != NULL && end) {
            (void)http_exchange_body(exchange, slice_text(""), true); /* Trailers end it. */
        }
        return 0;
    case NGHTTP2_DATA:
        if (exchange != NULL && end) {
            http_exchange_ref(exchange);
            (void)http_exchange_body(exchange, slice_text(""), true); /* Empty. */
            http_exchange_unref(exchange);
        }
        http2->progress = true;
        if (frame->hd.length > 0) {
            return 0;
        }
        break; /* Empty frames cost us more than their sender. */
    case NGHTTP2_RST_STREAM:
        note_reset(connection);
        return 0;
    case NGHTTP2_WINDOW_UPDATE:
        want_pump(connection);
        return 0;
    default:
        break;
    }
    if (!rate_limit_take(&http2->control, loop_now_ms(connection->loop))) {
        terminate(connection, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *bytes,
                   size_t len, void *data)
{
    (void)flags;
    struct http_connection *connection = data;
    if (connection->stream == NULL) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    nghttp2_session_consume_connection(session, len);
    struct http_exchange *exchange = exchange_of(session, stream_id);
    if (exchange == NULL || !exchange->open || exchange->piece == NULL) {
        nghttp2_session_consume_stream(session, stream_id, len);
    }
    if (exchange != NULL) {
        http_exchange_ref(exchange);
        (void)http_exchange_body(exchange, slice_of(bytes, len), /* end= */ false); /* Answered. */
        http_exchange_unref(exchange);
    }
    return connection->stream == NULL ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *data)
{
    struct http_connection *connection = data;
    struct http_exchange *exchange = exchange_of(session, stream_id);
    if (exchange == NULL) {
        return 0;
    }
    nghttp2_session_set_stream_user_data(session, stream_id, NULL);
    bool complete =
        exchange->response == HTTP_FINISHED && exchange->out.bytes == 0 && code == NGHTTP2_NO_ERROR;
    http_exchange_close(exchange, /* aborted= */ !complete);
    http2_of(connection)->progress = true;
    return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int code,
                            void *data)
{
    (void)session;
    (void)frame;
    (void)code;
    note_reset(data);
    return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct http_connection *connection = data;
    if (frame->hd.type == NGHTTP2_RST_STREAM && frame->rst_stream.error_code != NGHTTP2_NO_ERROR &&
        frame->rst_stream.error_code != NGHTTP2_CANCEL) {
        note_reset(connection); /* CVE-2025-8671: resets that the peer makes us send. */
        return 0;
    }
    bool may_end = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (may_end && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        const struct http_exchange *exchange = exchange_of(session, frame->hd.stream_id);
        if (exchange != NULL && !exchange->body_done) {
            /* Answered early: the rest of the request is not wanted (RFC 9113, section 8.1). */
            nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                      NGHTTP2_NO_ERROR);
        }
    }
    return 0;
}

/* ---- Responses ---- */

static nghttp2_nv nv_of(const struct http_header *header)
{
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)header->name.data,
        .value = (uint8_t *)(uintptr_t)header->value.data,
        .namelen = header->name.len,
        .valuelen = header->value.len,
        .flags = NGHTTP2_NV_FLAG_NONE,
    };
}

static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *buffer,
                         size_t length, uint32_t *flags, nghttp2_data_source *source, void *data)
{
    (void)buffer;
    (void)source;
    (void)data;
    const struct http_exchange *exchange = exchange_of(session, stream_id);
    if (exchange == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    size_t len = exchange->out.bytes < length ? exchange->out.bytes : length;
    bool end = exchange->response == HTTP_FINISHED && len == exchange->out.bytes;
    if (len == 0 && !end) {
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (end) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    if (end && exchange->trailer_count > 0) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_nv trailers[RESPONSE_HEADERS_MAX];
        size_t count = 0;
        while (count < exchange->trailer_count && count < RESPONSE_HEADERS_MAX) {
            trailers[count] = nv_of(&exchange->trailers[count]);
            count++;
        }
        if (nghttp2_submit_trailer(session, stream_id, trailers, count) != 0) {
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    return (ssize_t)len;
}

/* Writes one DATA frame: its header, then the bytes by reference. */
static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header,
                     size_t length, nghttp2_data_source *source, void *data)
{
    (void)source;
    struct http_connection *connection = data;
    struct http_exchange *exchange = exchange_of(session, frame->hd.stream_id);
    if (exchange == NULL || connection->stream == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    struct send_queue part = {.first = NULL};
    net_stream_write(connection->stream, slice_of(header, FRAME_HEADER_SIZE));
    struct slice small;
    if (length <= COPIED_BYTES && send_queue_peek(&exchange->out, &small, 1) == 1 &&
        small.len == length) {
        net_stream_write(connection->stream, small);
        send_queue_consume(&exchange->out, length);
        return 0;
    }
    send_queue_move(&exchange->out, &part, length);
    net_stream_write_queue(connection->stream, &part);
    return 0;
}

static void send_head(struct http_exchange *exchange, const struct http_header *headers,
                      size_t header_count, bool more)
{
    struct http_connection *connection = exchange->connection;
    nghttp2_nv fields[RESPONSE_HEADERS_MAX];
    char status[4] = {(char)('0' + exchange->status / 100 % 10),
                      (char)('0' + exchange->status / 10 % 10), (char)('0' + exchange->status % 10),
                      '\0'};
    struct http_header first = http_header(":status", status);
    struct http_header date = http_header("date", http_shard_date(connection->shard));
    fields[0] = nv_of(&first);
    fields[1] = nv_of(&date);
    size_t count = 2;
    for (size_t i = 0; i < header_count && count < RESPONSE_HEADERS_MAX; i++) {
        fields[count++] = nv_of(&headers[i]); /* nghttp2 lowers the names. */
    }
    nghttp2_data_provider provider = {.source.ptr = exchange, .read_callback = read_body};
    bool body = more && exchange->sends_body;
    if (nghttp2_submit_response(http2_of(connection)->session, exchange->stream_id, fields, count,
                                body ? &provider : NULL) != 0) {
        nghttp2_submit_rst_stream(http2_of(connection)->session, NGHTTP2_FLAG_NONE,
                                  exchange->stream_id, NGHTTP2_INTERNAL_ERROR);
    }
    want_pump(connection);
}

static void send_body(struct http_exchange *exchange)
{
    if (!exchange->sends_body) {
        send_queue_release(&exchange->out);
        return;
    }
    /* Fails when nothing was deferred: then nghttp2 asks by itself. */
    (void)nghttp2_session_resume_data(http2_of(exchange->connection)->session, exchange->stream_id);
    want_pump(exchange->connection);
}

static size_t queued(const struct http_exchange *exchange)
{
    return exchange->out.bytes;
}

static void body_consumed(struct http_exchange *exchange, size_t bytes)
{
    nghttp2_session_consume_stream(http2_of(exchange->connection)->session, exchange->stream_id,
                                   bytes);
    want_pump(exchange->connection);
}

static void abort_exchange(struct http_exchange *exchange)
{
    struct http_connection *connection = exchange->connection;
    nghttp2_session *session = http2_of(connection)->session;
    nghttp2_session_set_stream_user_data(session, exchange->stream_id, NULL);
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, exchange->stream_id, NGHTTP2_CANCEL);
    want_pump(connection);
    http_exchange_close(exchange, /* aborted= */ true);
    http2_of(connection)->progress = true;
}

/* ---- The connection ---- */

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

static void pump(void *data)
{
    struct http_connection *connection = data;
    struct http2 *http2 = http2_of(connection);
    atomic_fetch_add(&connection->references, 1);
    while (connection->stream != NULL &&
           net_stream_queued(connection->stream) < NET_WRITE_HIGH_BYTES) {
        const uint8_t *bytes = NULL;
        ssize_t len = nghttp2_session_mem_send(http2->session, &bytes);
        if (len < 0) {
            http_connection_close(connection, /* linger= */ false);
        }
        if (len <= 0 || connection->stream == NULL) {
            break;
        }
        net_stream_write(connection->stream, slice_of(bytes, (size_t)len));
    }
    if (connection->stream != NULL) {
        net_stream_flush(connection->stream);
        tell_drained(connection);
    }
    if (connection->stream != NULL && http2->progress) {
        update_wait(connection);
    }
    if (connection->stream != NULL && nghttp2_session_want_read(http2->session) == 0 &&
        nghttp2_session_want_write(http2->session) == 0) {
        http_connection_close(connection, /* linger= */ true);
    } else if (connection->stream != NULL && nghttp2_session_want_write(http2->session) != 0 &&
               net_stream_queued(connection->stream) < NET_WRITE_LOW_BYTES) {
        want_pump(connection); /* Sent at once: no on_drain will come. */
    }
    http_connection_unref(connection);
}

static void on_read(struct http_connection *connection, struct slice bytes)
{
    struct http2 *http2 = http2_of(connection);
    ssize_t len = nghttp2_session_mem_recv(http2->session, bytes.data, bytes.len);
    if (connection->stream == NULL) {
        return;
    }
    if (len < 0) {
        /* A broken peer: say so if it can still be said. */
        terminate(connection, NGHTTP2_PROTOCOL_ERROR);
    }
    want_pump(connection);
}

static void on_drain(struct http_connection *connection)
{
    want_pump(connection);
}

static void go_away(struct http_connection *connection)
{
    struct http2 *http2 = http2_of(connection);
    if (!connection->going_away) {
        connection->going_away = true;
        nghttp2_submit_goaway(http2->session, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(http2->session),
                              NGHTTP2_NO_ERROR, NULL, 0);
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
    nghttp2_session_del(http2->session);
    free(http2);
}

static nghttp2_session *make_session(struct http_connection *connection)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    nghttp2_session *session = NULL;
    int status = nghttp2_session_callbacks_new(&callbacks) | nghttp2_option_new(&option);
    assert(status == 0); /* Only out of memory fails here. */
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_no_http_messaging(option, 1); /* http2_check.h */
    /* Out of the way of note_reset(): it counts whole seconds, so that the slower of two equal
     * floods would be told another error. */
    nghttp2_option_set_stream_reset_rate_limit(option, UINT32_MAX, UINT32_MAX);
    status = nghttp2_session_server_new2(&session, callbacks, connection, option);
    assert(status == 0);
    (void)status;
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return session;
}

void http2_open(struct http_connection *connection)
{
    struct http2 *http2 = alloc_zeroed(sizeof(*http2));
    connection->state = http2;
    http2->pump.run = pump;
    http2->pump.data = connection;
    list_init(&http2->pump.node);
    rate_limit_init(&http2->resets, HTTP2_RESETS_BURST, HTTP2_RESETS_PER_S);
    rate_limit_init(&http2->control, HTTP2_CONTROL_BURST, HTTP2_CONTROL_PER_S);
    http2->session = make_session(connection);
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, http_connection_limits(connection)->streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP2_STREAM_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEADERS_BYTES_MAX},
    };
    nghttp2_submit_settings(http2->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
    nghttp2_session_set_local_window_size(http2->session, NGHTTP2_FLAG_NONE, 0, HTTP2_WINDOW_BYTES);
    want_pump(connection);
}

const struct http_wire http2_wire = {
    .send_head = send_head,
    .send_body = send_body,
    .body_consumed = body_consumed,
    .abort = abort_exchange,
    .queued = queued,
    .on_read = on_read,
    .on_drain = on_drain,
    .go_away = go_away,
    .release = release,
};
