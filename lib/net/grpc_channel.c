/* The client's connection: connects when a call needs it, again after a loss with back-off, and
 * carries the calls as HTTP/2 streams. */
#include "lib/base/alloc.h"
#include "lib/net/grpc_client.h"
#include "lib/net/limits.h"
#include "lib/net/stream_private.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHANNEL_MAGIC = 0x47434841, REQUEST_HEADERS_MAX = 64, FRAME_HEADER_SIZE = 9 };

struct grpc_channel {
    uint32_t magic;
    struct loop *loop;
    struct net_address address;
    struct tls_config *tls;
    char *authority;
    char *server_name; /* NULL: the address's host. */
    size_t message_max;
    struct list streams; /* Those on the wire and those that wait. */
    struct net_connect *connect;
    struct net_stream *stream;
    nghttp2_session *session;
    struct loop_turn_end pump;
    struct loop_timer backoff;
    struct loop_timer probe;
    uint64_t backoff_ms;
    bool heard; /* Anything since the last probe. */
    bool probing;
    bool draining; /* The server sent GOAWAY: no new streams here. */
    bool closed;
};

static struct grpc_channel *channel_from(void *data)
{
    struct grpc_channel *channel = data;
    assert(channel != NULL && channel->magic == CHANNEL_MAGIC);
    return channel;
}

nghttp2_session *grpc_channel_session(struct grpc_channel *channel)
{
    return channel->session;
}

struct loop *grpc_channel_loop(const struct grpc_channel *channel)
{
    return channel->loop;
}

size_t grpc_channel_message_max(const struct grpc_channel *channel)
{
    return channel->message_max;
}

void grpc_channel_pump(struct grpc_channel *channel)
{
    if (!channel->closed) {
        loop_turn_end_start(channel->loop, &channel->pump);
    }
}

bool grpc_channel_is_connected(const struct grpc_channel *channel)
{
    return channel->session != NULL && !channel->draining;
}

/* ---- Streams on the wire ---- */

static nghttp2_nv nv_of(struct slice name, struct slice value)
{
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.data,
        .value = (uint8_t *)(uintptr_t)value.data,
        .namelen = name.len,
        .valuelen = value.len,
        .flags = NGHTTP2_NV_FLAG_NONE,
    };
}

static struct grpc_stream *stream_of(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

static ssize_t read_request(nghttp2_session *session, int32_t stream_id, uint8_t *buffer,
                            size_t length, uint32_t *flags, nghttp2_data_source *source, void *data)
{
    (void)buffer;
    (void)source;
    (void)data;
    const struct grpc_stream *stream = stream_of(session, stream_id);
    if (stream == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    size_t len = stream->out.bytes < length ? stream->out.bytes : length;
    bool end = stream->half_closed && len == stream->out.bytes;
    if (len == 0 && !end) {
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY | (end ? (uint32_t)NGHTTP2_DATA_FLAG_EOF : 0);
    return (ssize_t)len;
}

static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header,
                     size_t length, nghttp2_data_source *source, void *data)
{
    (void)source;
    struct grpc_channel *channel = data;
    struct grpc_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    struct send_queue part = {.first = NULL};
    net_stream_write(channel->stream, slice_of(header, FRAME_HEADER_SIZE));
    send_queue_move(&stream->out, &part, length);
    net_stream_write_queue(channel->stream, &part);
    return 0;
}

static void submit(struct grpc_channel *channel, struct grpc_stream *stream)
{
    char timeout[24];
    bool in_seconds = stream->timeout_ms > 99999999;
    snprintf(timeout, sizeof(timeout), in_seconds ? "%" PRIu64 "S" : "%" PRIu64 "m",
             in_seconds ? stream->timeout_ms / 1000 : stream->timeout_ms);
    nghttp2_nv fields[REQUEST_HEADERS_MAX];
    size_t count = 0;
    fields[count++] = nv_of(slice_text(":method"), slice_text("POST"));
    fields[count++] =
        nv_of(slice_text(":scheme"), slice_text(channel->tls == NULL ? "http" : "https"));
    fields[count++] = nv_of(slice_text(":path"), slice_text(stream->path));
    fields[count++] = nv_of(slice_text(":authority"), slice_text(channel->authority));
    fields[count++] = nv_of(slice_text("content-type"), slice_text("application/grpc"));
    fields[count++] = nv_of(slice_text("te"), slice_text("trailers"));
    fields[count++] = nv_of(slice_text("user-agent"), slice_text("coracle"));
    if (stream->timeout_ms > 0) {
        fields[count++] = nv_of(slice_text("grpc-timeout"), slice_text(timeout));
    }
    for (size_t i = 0; i < stream->metadata_count && count < REQUEST_HEADERS_MAX; i++) {
        fields[count++] = nv_of(stream->metadata[i].name, stream->metadata[i].value);
    }
    nghttp2_data_provider provider = {.source.ptr = NULL, .read_callback = read_request};
    int32_t id = nghttp2_submit_request(channel->session, NULL, fields, count, &provider, stream);
    if (id < 0) {
        channel->draining = true; /* Out of stream ids: the next connection has new ones. */
        return;
    }
    stream->stream_id = id;
}

static void submit_waiting(struct grpc_channel *channel)
{
    LIST_FOREACH(node, next, &channel->streams)
    {
        struct grpc_stream *stream = LIST_ENTRY(node, struct grpc_stream, node);
        if (stream->stream_id == 0 && !channel->draining) {
            submit(channel, stream);
        }
    }
    grpc_channel_pump(channel);
}

/* ---- Session callbacks ---- */

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *data)
{
    (void)flags;
    (void)data;
    struct grpc_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream != NULL) {
        grpc_stream_on_header(stream, slice_of(name, name_len), slice_of(value, value_len));
    }
    return 0;
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct grpc_channel *channel = data;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        struct grpc_stream *stream = stream_of(session, frame->hd.stream_id);
        if (stream != NULL) {
            grpc_stream_on_headers(stream, (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0);
        }
    } else if (frame->hd.type == NGHTTP2_GOAWAY) {
        channel->draining = true;
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *bytes,
                   size_t len, void *data)
{
    (void)flags;
    (void)data;
    nghttp2_session_consume_connection(session, len);
    struct grpc_stream *stream = stream_of(session, stream_id);
    if (stream == NULL) {
        nghttp2_session_consume_stream(session, stream_id, len);
    } else {
        grpc_stream_on_data(stream, slice_of(bytes, len));
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *data)
{
    (void)data;
    struct grpc_stream *stream = stream_of(session, stream_id);
    if (stream != NULL) {
        nghttp2_session_set_stream_user_data(session, stream_id, NULL);
        grpc_stream_on_wire_close(stream, code);
    }
    return 0;
}

static nghttp2_session *make_session(struct grpc_channel *channel)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    nghttp2_session *session = NULL;
    int status = nghttp2_session_callbacks_new(&callbacks) | nghttp2_option_new(&option);
    assert(status == 0); /* Only out of memory fails here. */
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    status = nghttp2_session_client_new2(&session, callbacks, channel, option);
    assert(status == 0);
    (void)status;
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP2_STREAM_WINDOW_BYTES},
    };
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, HTTP2_WINDOW_BYTES);
    return session;
}

/* ---- The connection ---- */

static void start_connecting(struct grpc_channel *channel);

static void on_backoff_over(void *data)
{
    struct grpc_channel *channel = channel_from(data);
    if (!list_empty(&channel->streams)) {
        start_connecting(channel);
    }
}

static void wait_and_connect(struct grpc_channel *channel)
{
    channel->backoff_ms =
        channel->backoff_ms == 0 ? (uint64_t)GRPC_BACKOFF_MIN_MS : channel->backoff_ms * 2;
    if (channel->backoff_ms > GRPC_BACKOFF_MAX_MS) {
        channel->backoff_ms = GRPC_BACKOFF_MAX_MS;
    }
    loop_timer_start(channel->loop, &channel->backoff, channel->backoff_ms);
}

/* Ends those that `which` picks; each end may add or cancel others, so the search starts anew. */
static void end_streams(struct grpc_channel *channel,
                        bool (*which)(const struct grpc_stream *stream), enum grpc_code code,
                        const char *message)
{
    struct grpc_stream *found;
    do {
        found = NULL;
        LIST_FOREACH(node, next, &channel->streams)
        {
            struct grpc_stream *stream = LIST_ENTRY(node, struct grpc_stream, node);
            if (which(stream)) {
                found = stream;
                break;
            }
        }
        if (found != NULL) {
            grpc_stream_end(found, code, message);
        }
    } while (found != NULL && !channel->closed);
}

static bool is_submitted(const struct grpc_stream *stream)
{
    return stream->stream_id != 0 && !stream->wire_closed;
}

static bool is_fail_fast(const struct grpc_stream *stream)
{
    return stream->stream_id == 0 && stream->fail_fast;
}

/* Never from inside a callback of the session. */
static void lose(struct grpc_channel *channel, const char *why)
{
    if (channel->stream != NULL) {
        net_stream_close(TAKE(channel->stream), NULL, NULL);
    }
    nghttp2_session *session = TAKE(channel->session);
    loop_timer_stop(channel->loop, &channel->probe);
    loop_turn_end_stop(&channel->pump);
    channel->draining = false;
    end_streams(channel, is_submitted, GRPC_UNAVAILABLE, why);
    nghttp2_session_del(session);
    if (!channel->closed && !list_empty(&channel->streams) && channel->connect == NULL &&
        channel->stream == NULL && !loop_timer_armed(&channel->backoff)) {
        wait_and_connect(channel);
    }
}

static void on_pump(void *data)
{
    struct grpc_channel *channel = channel_from(data);
    struct grpc_stream *found;
    do { /* Those that were resumed, and those that wait for room. */
        found = NULL;
        LIST_FOREACH(node, next, &channel->streams)
        {
            struct grpc_stream *stream = LIST_ENTRY(node, struct grpc_stream, node);
            bool drained = stream->over_high && stream->out.bytes < NET_WRITE_LOW_BYTES;
            if (!stream->busy && (stream->resumed || drained)) {
                found = stream;
                break;
            }
        }
        if (found != NULL && found->resumed) {
            grpc_stream_process(found);
        } else if (found != NULL) {
            grpc_stream_on_drain(found);
        }
    } while (found != NULL && !channel->closed);
    while (channel->stream != NULL && !channel->closed &&
           net_stream_queued(channel->stream) < NET_WRITE_HIGH_BYTES) {
        const uint8_t *bytes = NULL;
        ssize_t len = nghttp2_session_mem_send(channel->session, &bytes);
        if (len < 0) {
            lose(channel, "HTTP/2 error");
            return;
        }
        if (len == 0) {
            break;
        }
        net_stream_write(channel->stream, slice_of(bytes, (size_t)len));
    }
    if (channel->stream == NULL || channel->closed) {
        return;
    }
    net_stream_flush(channel->stream);
    bool idle = nghttp2_session_want_read(channel->session) == 0 &&
                nghttp2_session_want_write(channel->session) == 0;
    if (idle) {
        lose(channel, "the server has closed the connection");
        return;
    }
    LIST_FOREACH(node, next, &channel->streams)
    {
        const struct grpc_stream *stream = LIST_ENTRY(node, struct grpc_stream, node);
        if (stream->over_high && stream->out.bytes < NET_WRITE_LOW_BYTES) {
            grpc_channel_pump(channel); /* Room has come: tell in the next turn. */
            return;
        }
    }
    if (nghttp2_session_want_write(channel->session) != 0 &&
        net_stream_queued(channel->stream) < NET_WRITE_LOW_BYTES) {
        grpc_channel_pump(channel);
    }
}

static void on_read(void *data, struct slice bytes)
{
    struct grpc_channel *channel = channel_from(data);
    channel->heard = true;
    ssize_t len = nghttp2_session_mem_recv(channel->session, bytes.data, bytes.len);
    if (channel->closed) {
        return; /* Freed later, by on_channel_free(). */
    }
    if (len < 0) {
        lose(channel, "HTTP/2 error");
        return;
    }
    grpc_channel_pump(channel);
}

static void on_end(void *data, int status)
{
    (void)status;
    lose(channel_from(data), "the connection was lost");
}

static void on_drain(void *data)
{
    grpc_channel_pump(channel_from(data));
}

/* A connection that is silent while calls wait is asked whether it is still there. */
static void on_probe(void *data)
{
    struct grpc_channel *channel = channel_from(data);
    if (channel->heard || list_empty(&channel->streams)) {
        channel->probing = false;
    } else if (channel->probing) {
        lose(channel, "the connection does not answer");
        return;
    } else {
        channel->probing = true;
        nghttp2_submit_ping(channel->session, NGHTTP2_FLAG_NONE, NULL);
        grpc_channel_pump(channel);
    }
    channel->heard = false;
    loop_timer_start(channel->loop, &channel->probe, GRPC_PING_MS);
}

static void on_connected(void *data, int status, const char *message, struct net_stream *stream)
{
    static const struct net_stream_events events = {on_read, on_end, on_drain};
    struct grpc_channel *channel = channel_from(data);
    channel->connect = NULL;
    if (status != 0) {
        end_streams(channel, is_fail_fast, GRPC_UNAVAILABLE, message);
        if (!channel->closed && !list_empty(&channel->streams) && channel->connect == NULL &&
            !loop_timer_armed(&channel->backoff)) {
            wait_and_connect(channel);
        }
        return;
    }
    channel->backoff_ms = 0;
    channel->stream = stream;
    channel->session = make_session(channel);
    channel->heard = true;
    channel->probing = false;
    if (!net_address_is_unix(&channel->address)) {
        loop_timer_start(channel->loop, &channel->probe, GRPC_PING_MS);
    }
    net_stream_start(stream, &events, channel);
    submit_waiting(channel);
}

static void start_connecting(struct grpc_channel *channel)
{
    struct net_connect_options options = {
        .address = &channel->address,
        .tls = channel->tls,
        .server_name = channel->server_name,
    };
    channel->connect = net_stream_connect(channel->loop, &options, on_connected, channel);
}

void grpc_channel_add(struct grpc_channel *channel, struct grpc_stream *stream)
{
    assert(channel->magic == CHANNEL_MAGIC && !channel->closed);
    assert(loop_is_current(channel->loop));
    list_push_back(&channel->streams, &stream->node);
    if (grpc_channel_is_connected(channel)) {
        submit(channel, stream);
        grpc_channel_pump(channel);
    } else if (channel->session == NULL && channel->connect == NULL &&
               !loop_timer_armed(&channel->backoff)) {
        start_connecting(channel);
    }
}

/* ---- Life ---- */

struct grpc_channel *grpc_channel_new(struct loop *loop, const struct grpc_channel_options *options)
{
    struct grpc_channel *channel = alloc_zeroed(sizeof(*channel));
    channel->magic = CHANNEL_MAGIC;
    channel->loop = loop;
    channel->address = *options->address;
    channel->tls = options->tls == NULL ? NULL : tls_config_ref(options->tls);
    bool is_unix = net_address_is_unix(options->address);
    channel->authority =
        options->authority != NULL ? alloc_text(options->authority)
        : is_unix                  ? alloc_text("localhost")
                  : alloc_printf("%s:%u", options->address->host, options->address->port);
    channel->server_name = options->server_name == NULL ? NULL : alloc_text(options->server_name);
    channel->message_max =
        options->message_bytes_max == 0 ? GRPC_MESSAGE_BYTES_MAX : options->message_bytes_max;
    list_init(&channel->streams);
    list_init(&channel->pump.node);
    channel->pump.run = on_pump;
    channel->backoff.fire = on_backoff_over;
    channel->probe.fire = on_probe;
    channel->pump.data = channel->backoff.data = channel->probe.data = channel;
    return channel;
}

static void on_channel_free(void *data)
{
    struct grpc_channel *channel = channel_from(data);
    nghttp2_session_del(channel->session);
    tls_config_unref(channel->tls);
    free(channel->authority);
    free(channel->server_name);
    channel->magic = 0;
    free(channel);
}

static bool is_any(const struct grpc_stream *stream)
{
    (void)stream;
    return true;
}

void grpc_channel_close(struct grpc_channel *channel)
{
    assert(channel->magic == CHANNEL_MAGIC && !channel->closed);
    end_streams(channel, is_any, GRPC_CANCELLED, "the channel is closed");
    channel->closed = true;
    if (channel->connect != NULL) {
        net_connect_cancel(TAKE(channel->connect));
    }
    if (channel->stream != NULL) {
        net_stream_close(TAKE(channel->stream), NULL, NULL);
    }
    loop_timer_stop(channel->loop, &channel->backoff);
    loop_timer_stop(channel->loop, &channel->probe);
    loop_turn_end_stop(&channel->pump);
    /* Later: this may be called from inside of a callback of the session. */
    loop_post(channel->loop, on_channel_free, channel);
}
