#include "lib/base/alloc.h"
#include "lib/base/base64.h"
#include "lib/net/grpc_client.h"
#include "lib/net/limits.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { STREAM_MAGIC = 0x47535452, STATUS_TEXT_MAX = 64 * 1024 };

static struct grpc_stream *stream_from(void *data)
{
    struct grpc_stream *stream = data;
    assert(stream != NULL && stream->magic == STREAM_MAGIC);
    return stream;
}

/* ---- Life ---- */

static void stream_free(struct grpc_stream *stream)
{
    list_remove(&stream->node);
    loop_timer_stop(grpc_channel_loop(stream->channel), &stream->deadline);
    for (size_t i = 0; i < stream->metadata_count; i++) {
        free((void *)(uintptr_t)stream->metadata[i].name.data);
    }
    free(stream->metadata);
    free(stream->path);
    send_queue_release(&stream->out);
    grpc_deframer_release(&stream->deframer);
    buffer_release(&stream->response);
    buffer_release(&stream->message);
    buffer_release(&stream->details);
    stream->magic = 0;
    free(stream);
}

/* Takes it off the wire: no callback of the session finds it any more. */
static void detach(struct grpc_stream *stream, bool reset)
{
    nghttp2_session *session = grpc_channel_session(stream->channel);
    if (stream->stream_id == 0 || session == NULL || stream->wire_closed) {
        return;
    }
    nghttp2_session_set_stream_user_data(session, stream->stream_id, NULL);
    if (reset) {
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream->stream_id, NGHTTP2_CANCEL);
        grpc_channel_pump(stream->channel);
    }
}

static void tell_end(struct grpc_stream *stream, const struct grpc_status *status)
{
    list_remove(&stream->node);
    bool was_busy = stream->busy;
    stream->busy = true;
    if (stream->done != NULL) {
        struct slice response =
            status->code == GRPC_OK ? buffer_slice(&stream->response) : slice_text("");
        stream->done(stream->data, status, response);
    } else {
        stream->events->on_end(stream->data, status);
    }
    stream->dead = true;
    stream->busy = was_busy;
    if (!was_busy) {
        stream_free(stream);
    }
}

void grpc_stream_end(struct grpc_stream *stream, enum grpc_code code, const char *message)
{
    if (stream->dead) {
        return;
    }
    detach(stream, /* reset= */ true);
    struct grpc_status status = {.code = code, .message = message};
    tell_end(stream, &status);
}

static void on_deadline(void *data)
{
    grpc_stream_end(stream_from(data), GRPC_DEADLINE_EXCEEDED, "context deadline exceeded");
}

/* Copies each header into one allocation, which the name points to. */
static void copy_metadata(struct grpc_stream *stream, const struct grpc_call_options *options)
{
    stream->metadata = alloc_array(options->metadata_count + 1, sizeof(*stream->metadata));
    for (size_t i = 0; i < options->metadata_count; i++) {
        struct slice name = options->metadata[i].name;
        struct slice value = options->metadata[i].value;
        uint8_t *bytes = alloc_bytes(name.len + value.len + 1);
        memcpy(bytes, name.data, name.len);
        if (value.len > 0) {
            memcpy(bytes + name.len, value.data, value.len);
        }
        stream->metadata[stream->metadata_count++] =
            (struct http_header){slice_of(bytes, name.len), slice_of(bytes + name.len, value.len)};
    }
}

static struct grpc_stream *stream_new(struct grpc_channel *channel,
                                      const struct grpc_call_options *options, void *data)
{
    struct grpc_stream *stream = alloc_zeroed(sizeof(*stream));
    stream->magic = STREAM_MAGIC;
    stream->channel = channel;
    stream->data = data;
    stream->path = alloc_text(options->path);
    stream->timeout_ms = options->timeout_ms;
    stream->fail_fast = options->fail_fast;
    stream->grpc_status = -1;
    stream->deadline.fire = on_deadline;
    stream->deadline.data = stream;
    list_init(&stream->node);
    copy_metadata(stream, options);
    size_t message_max = grpc_channel_message_max(channel);
    grpc_deframer_init(&stream->deframer, message_max);
    buffer_init(&stream->response, message_max);
    buffer_init(&stream->message, STATUS_TEXT_MAX);
    buffer_init(&stream->details, STATUS_TEXT_MAX);
    if (options->timeout_ms > 0) {
        loop_timer_start(grpc_channel_loop(channel), &stream->deadline, options->timeout_ms);
    }
    return stream;
}

/* ---- Sending ---- */

size_t grpc_stream_send(struct grpc_stream *stream, struct slice message)
{
    assert(stream->magic == STREAM_MAGIC);
    if (stream->dead || stream->half_closed) {
        return 0;
    }
    uint8_t prefix[GRPC_PREFIX_SIZE];
    grpc_prefix(message.len, prefix);
    send_queue_append(&stream->out, slice_of(prefix, sizeof(prefix)));
    send_queue_append(&stream->out, message);
    nghttp2_session *session = grpc_channel_session(stream->channel);
    if (stream->stream_id != 0 && session != NULL && !stream->wire_closed) {
        /* Fails when nothing was deferred: then nghttp2 asks by itself. */
        (void)nghttp2_session_resume_data(session, stream->stream_id);
        grpc_channel_pump(stream->channel);
    }
    if (stream->out.bytes >= NET_WRITE_HIGH_BYTES) {
        stream->over_high = true;
    }
    return stream->out.bytes;
}

void grpc_stream_close_send(struct grpc_stream *stream)
{
    if (stream->dead || stream->half_closed) {
        return;
    }
    stream->half_closed = true;
    nghttp2_session *session = grpc_channel_session(stream->channel);
    if (stream->stream_id != 0 && session != NULL && !stream->wire_closed) {
        (void)nghttp2_session_resume_data(session, stream->stream_id); /* As above. */
        grpc_channel_pump(stream->channel);
    }
}

struct grpc_stream *grpc_unary(struct grpc_channel *channel,
                               const struct grpc_call_options *options, struct slice request,
                               grpc_done done, void *data)
{
    struct grpc_stream *stream = stream_new(channel, options, data);
    stream->done = done;
    (void)grpc_stream_send(stream, request);
    stream->half_closed = true;
    grpc_channel_add(channel, stream);
    return stream;
}

struct grpc_stream *grpc_stream_open(struct grpc_channel *channel,
                                     const struct grpc_call_options *options,
                                     const struct grpc_stream_events *events, void *data)
{
    struct grpc_stream *stream = stream_new(channel, options, data);
    stream->events = events;
    grpc_channel_add(channel, stream);
    return stream;
}

void grpc_stream_cancel(struct grpc_stream *stream)
{
    assert(stream->magic == STREAM_MAGIC);
    if (stream->dead) {
        return;
    }
    stream->dead = true;
    detach(stream, /* reset= */ true);
    list_remove(&stream->node);
    loop_timer_stop(grpc_channel_loop(stream->channel), &stream->deadline);
    if (!stream->busy) {
        stream_free(stream);
    }
}

void grpc_stream_pause(struct grpc_stream *stream)
{
    stream->paused = true;
}

void grpc_stream_resume(struct grpc_stream *stream)
{
    if (stream->paused && !stream->dead) {
        stream->paused = false;
        stream->resumed = true;
        grpc_channel_pump(stream->channel);
    }
}

void grpc_stream_on_drain(struct grpc_stream *stream)
{
    stream->over_high = false;
    if (stream->events != NULL && stream->events->on_drain != NULL) {
        stream->busy = true;
        stream->events->on_drain(stream->data);
        stream->busy = false;
        if (stream->dead) {
            stream_free(stream);
        }
    }
}

/* ---- Receiving ---- */

static enum grpc_code code_of_http(int status)
{
    switch (status) { /* gRPC's table of HTTP to gRPC status codes. */
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

/* The wire has closed and all messages are delivered: what was it? */
static void conclude(struct grpc_stream *stream)
{
    struct grpc_status status = {.code = GRPC_UNKNOWN, .message = buffer_text(&stream->message)};
    status.details = buffer_slice(&stream->details);
    if (stream->grpc_status >= 0) {
        status.code = (enum grpc_code)stream->grpc_status;
    } else if (stream->http_status != 0 && stream->http_status != 200) {
        status.code = code_of_http(stream->http_status);
        status.message = "the server answered with an HTTP error";
    } else if (stream->close_code == NGHTTP2_REFUSED_STREAM) {
        status.code = GRPC_UNAVAILABLE;
        status.message = "the server refused the stream";
    } else if (stream->close_code == NGHTTP2_CANCEL) {
        status.code = GRPC_CANCELLED;
        status.message = "the server cancelled the stream";
    } else {
        status.code = GRPC_INTERNAL;
        status.message = "the server closed the stream without a status";
    }
    if (status.code == GRPC_OK && stream->done != NULL && !stream->has_response) {
        status.code = GRPC_INTERNAL;
        status.message = "the server sent no response message";
    }
    tell_end(stream, &status);
}

static void take_message(struct grpc_stream *stream, struct slice message)
{
    if (stream->done == NULL) {
        stream->events->on_message(stream->data, message);
    } else if (stream->has_response) {
        grpc_stream_end(stream, GRPC_INTERNAL, "more than one response message");
    } else {
        stream->has_response = true;
        buffer_append_slice(&stream->response, message);
    }
}

static void end_too_large(struct grpc_stream *stream)
{
    char text[GRPC_REFUSAL_TEXT_SIZE];
    grpc_too_large_text(&stream->deframer, text);
    grpc_stream_end(stream, GRPC_RESOURCE_EXHAUSTED, text);
}

static void deliver(struct grpc_stream *stream)
{
    struct slice message = {.len = 0};
    while (!stream->paused && !stream->dead) {
        int status = grpc_deframe(&stream->deframer, &message);
        if (status == 0) {
            break;
        }
        if (status == -EMSGSIZE) {
            end_too_large(stream);
        } else if (status < 0) {
            grpc_stream_end(stream, GRPC_INTERNAL, "received a compressed message");
        } else {
            take_message(stream, message);
        }
    }
    if (!stream->dead && !stream->paused && stream->wire_closed) {
        conclude(stream);
    }
}

void grpc_stream_process(struct grpc_stream *stream)
{
    assert(!stream->busy);
    stream->resumed = false;
    stream->busy = true;
    deliver(stream);
    nghttp2_session *session = grpc_channel_session(stream->channel);
    if (!stream->dead && !stream->paused && !stream->wire_closed && session != NULL) {
        nghttp2_session_consume_stream(session, stream->stream_id, stream->held);
        stream->held = 0;
    }
    stream->busy = false;
    if (stream->dead) {
        stream_free(stream);
    }
}

void grpc_stream_on_data(struct grpc_stream *stream, struct slice bytes)
{
    stream->held += bytes.len;
    if (grpc_deframer_feed(&stream->deframer, bytes) != 0) {
        end_too_large(stream);
        return;
    }
    if (!stream->paused) {
        grpc_stream_process(stream);
    }
}

static void tell_metadata(struct grpc_stream *stream, struct slice name, struct slice value)
{
    if (stream->events == NULL || stream->events->on_metadata == NULL || stream->dead ||
        slice_starts_with(name, slice_text(":"))) {
        return;
    }
    stream->busy = true;
    stream->events->on_metadata(stream->data, name, value);
    stream->busy = false;
    if (stream->dead) {
        stream_free(stream);
    }
}

void grpc_stream_on_header(struct grpc_stream *stream, struct slice name, struct slice value)
{
    if (slice_is(name, ":status")) {
        stream->http_status = 0;
        for (size_t i = 0; i < value.len && i < 3; i++) {
            stream->http_status = stream->http_status * 10 + (value.data[i] - '0');
        }
    } else if (slice_is(name, "grpc-status")) {
        int code = value.len == 0 || value.len > 2 ? -1 : 0;
        for (size_t i = 0; i < value.len && code >= 0; i++) {
            bool digit = value.data[i] >= '0' && value.data[i] <= '9';
            code = digit ? code * 10 + (value.data[i] - '0') : -1;
        }
        stream->grpc_status = code >= 0 && code <= GRPC_UNAUTHENTICATED ? code : GRPC_UNKNOWN;
    } else if (slice_is(name, "grpc-message")) {
        buffer_clear(&stream->message);
        grpc_message_decode(value, &stream->message);
    } else if (slice_is(name, "grpc-status-details-bin")) {
        buffer_clear(&stream->details);
        if (base64_decode(value, &stream->details) != 0) {
            buffer_clear(&stream->details);
        }
    } else {
        tell_metadata(stream, name, value);
    }
}

void grpc_stream_on_headers(struct grpc_stream *stream, bool end)
{
    if (end || stream->headers_told || stream->http_status < 200) {
        return;
    }
    stream->headers_told = true;
    if (stream->events != NULL && stream->events->on_headers != NULL) {
        stream->busy = true;
        stream->events->on_headers(stream->data);
        stream->busy = false;
        if (stream->dead) {
            stream_free(stream);
        }
    }
}

void grpc_stream_on_wire_close(struct grpc_stream *stream, uint32_t code)
{
    stream->wire_closed = true;
    stream->close_code = code;
    if (!stream->paused) {
        grpc_stream_process(stream);
    }
}
