/* What an HTTP/2 session receives: frames, one after the other. */
#include "lib/net/http2_session.h"

#include "lib/base/alloc.h"
#include "lib/net/http2_session_private.h"
#include "lib/net/limits.h"
#include <stdlib.h>

enum setting {
    SETTING_HEADER_TABLE_SIZE = 1,
    SETTING_ENABLE_PUSH = 2,
    SETTING_MAX_CONCURRENT_STREAMS = 3,
    SETTING_INITIAL_WINDOW_SIZE = 4,
    SETTING_MAX_FRAME_SIZE = 5,
    SETTING_MAX_HEADER_LIST_SIZE = 6,
};

struct frame {
    enum frame_kind kind;
    uint8_t flags;
    uint32_t id;
    struct slice payload;
};

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void pay(struct http2_session *session, enum http2_cost cost)
{
    if (!session->gone && !session->events->pays(session->data, cost)) {
        http2_terminate(session, HTTP2_ENHANCE_YOUR_CALM);
    }
}

/* The peer is at fault, on a stream that may be there or not (CVE-2025-8671: it makes us reset). */
static void stream_error(struct http2_session *session, uint32_t id, enum http2_code code)
{
    struct http2_stream *stream = http2_find_stream(session, id);
    http2_send_u32(session, FRAME_RST_STREAM, id, code);
    if (stream != NULL) {
        http2_remove_stream(session, stream);
        session->gone = !session->events->on_reset(session->data, stream);
    }
    pay(session, HTTP2_COST_RESET);
}

/* ---- Windows ---- */

/* The peer's window is opened again when half of it is used up. */
static void give_back(struct http2_session *session, uint32_t id, int64_t *window, int64_t full)
{
    int64_t used = full - *window;
    if (used >= full / 2) {
        http2_send_u32(session, FRAME_WINDOW_UPDATE, id, (uint32_t)used);
        *window = full;
    }
}

static void on_window_update(struct http2_session *session, const struct frame *frame)
{
    if (frame->payload.len != 4) {
        http2_terminate(session, HTTP2_FRAME_SIZE_ERROR);
        return;
    }
    uint32_t more = get_u32(frame->payload.data) & WINDOW_MAX;
    struct http2_stream *stream = frame->id == 0 ? NULL : http2_find_stream(session, frame->id);
    if (frame->id > session->last_id || (more == 0 && stream == NULL)) {
        http2_terminate(session, HTTP2_PROTOCOL_ERROR);
        return;
    }
    if (frame->id != 0 && stream == NULL) {
        return; /* Of one that is over. */
    }
    int64_t *window = stream == NULL ? &session->send_window : &stream->send_window;
    if (more == 0) {
        stream_error(session, frame->id, HTTP2_PROTOCOL_ERROR);
    } else if (*window + more <= WINDOW_MAX) {
        *window += more;
        session->events->on_window(session->data, stream);
    } else if (stream == NULL) {
        http2_terminate(session, HTTP2_FLOW_CONTROL_ERROR);
    } else {
        stream_error(session, frame->id, HTTP2_FLOW_CONTROL_ERROR);
    }
}

/* ---- Settings and the like ---- */

static bool set_first_window(struct http2_session *session, uint32_t value)
{
    int64_t change = (int64_t)value - session->first_send_window;
    session->first_send_window = value;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct http2_stream *at = session->buckets[i]; at != NULL; at = at->next) {
            at->send_window += change;
            if (at->send_window > WINDOW_MAX) {
                return false;
            }
        }
    }
    if (change > 0) {
        session->events->on_window(session->data, NULL);
    }
    return true;
}

static enum http2_code take_setting(struct http2_session *session, unsigned name, uint32_t value)
{
    switch (name) {
    case SETTING_HEADER_TABLE_SIZE:
        http2_encoder_set_table(session->encoder, value);
        return HTTP2_NO_ERROR;
    case SETTING_ENABLE_PUSH:
        return value > 1 ? HTTP2_PROTOCOL_ERROR : HTTP2_NO_ERROR;
    case SETTING_INITIAL_WINDOW_SIZE:
        return value <= WINDOW_MAX && set_first_window(session, value) ? HTTP2_NO_ERROR
                                                                       : HTTP2_FLOW_CONTROL_ERROR;
    case SETTING_MAX_FRAME_SIZE:
        return value < FRAME_BYTES_MAX || value > FRAME_BYTES_LIMIT ? HTTP2_PROTOCOL_ERROR
                                                                    : HTTP2_NO_ERROR;
    default:
        return HTTP2_NO_ERROR; /* Advice, or unknown. */
    }
}

static void on_settings(struct http2_session *session, const struct frame *frame)
{
    bool ack = (frame->flags & FLAG_ACK) != 0;
    if (frame->id != 0) {
        http2_terminate(session, HTTP2_PROTOCOL_ERROR);
        return;
    }
    if (frame->payload.len % SETTING_BYTES != 0 || (ack && frame->payload.len > 0)) {
        http2_terminate(session, HTTP2_FRAME_SIZE_ERROR);
        return;
    }
    if (ack) {
        return;
    }
    for (size_t at = 0; at < frame->payload.len; at += SETTING_BYTES) {
        const uint8_t *bytes = frame->payload.data + at;
        enum http2_code code =
            take_setting(session, (unsigned)bytes[0] << 8 | bytes[1], get_u32(bytes + 2));
        if (code != HTTP2_NO_ERROR) {
            http2_terminate(session, code);
            return;
        }
    }
    http2_send_small(session, FRAME_SETTINGS, FLAG_ACK, /* id= */ 0, slice_of(NULL, 0));
}

static void on_ping(struct http2_session *session, const struct frame *frame)
{
    if (frame->id != 0) {
        http2_terminate(session, HTTP2_PROTOCOL_ERROR);
    } else if (frame->payload.len != 8) {
        http2_terminate(session, HTTP2_FRAME_SIZE_ERROR);
    } else if ((frame->flags & FLAG_ACK) == 0) {
        http2_send_small(session, FRAME_PING, FLAG_ACK, /* id= */ 0, frame->payload);
    }
}

static void on_rst_stream(struct http2_session *session, const struct frame *frame)
{
    if (frame->payload.len != 4) {
        http2_terminate(session, HTTP2_FRAME_SIZE_ERROR);
        return;
    }
    if (frame->id == 0 || frame->id > session->last_id) {
        http2_terminate(session, HTTP2_PROTOCOL_ERROR);
        return;
    }
    struct http2_stream *stream = http2_find_stream(session, frame->id);
    if (stream != NULL) {
        http2_remove_stream(session, stream);
        session->gone = !session->events->on_reset(session->data, stream);
    }
    pay(session, HTTP2_COST_RESET); /* CVE-2023-44487. */
}

/* ---- Requests ---- */

/* Takes the padding off; `fixed` bytes stand between its length and the rest. */
static bool strip(struct frame *frame, size_t fixed)
{
    struct slice *payload = &frame->payload;
    size_t padding = 0;
    if ((frame->flags & FLAG_PADDED) != 0) {
        if (payload->len == 0) {
            return false;
        }
        padding = payload->data[0];
        *payload = slice_of(payload->data + 1, payload->len - 1);
    }
    if (payload->len < fixed + padding) {
        return false;
    }
    *payload = slice_of(payload->data + fixed, payload->len - fixed - padding);
    return true;
}

static void end_request(struct http2_session *session, struct http2_stream *stream,
                        struct slice bytes, bool end)
{
    stream->request_done = end;
    session->gone = !session->events->on_data(session->data, stream, bytes, end);
}

/* A whole block: of a new request, or the trailers of one. Each is decoded, as the next one builds
 * on it. */
static void take_block(struct http2_session *session, uint32_t id, struct slice block, bool end)
{
    struct http2_fields *fields = NULL;
    if (http2_decode(session->decoder, block, &fields) < 0) {
        http2_terminate(session, HTTP2_COMPRESSION_ERROR);
        return;
    }
    struct http2_stream *stream = http2_find_stream(session, id);
    if (id > session->last_id) {
        session->last_id = id;
        if (session->going_away) {
            http2_fields_unref(fields); /* It was told; it asks somebody else. */
        } else if (session->stream_count >= session->streams_max) {
            http2_fields_unref(fields);
            stream_error(session, id, HTTP2_REFUSED_STREAM);
        } else {
            session->last_taken = id;
            session->gone = !session->events->on_request(session->data, id, fields, end);
        }
        return;
    }
    http2_fields_unref(fields); /* Nobody here wants trailers. */
    if (stream == NULL) {
        pay(session, HTTP2_COST_CONTROL); /* Of a stream that we have ended. */
    } else if (stream->request_done) {
        http2_terminate(session, HTTP2_STREAM_CLOSED);
    } else if (!end) {
        stream_error(session, id, HTTP2_PROTOCOL_ERROR);
    } else {
        end_request(session, stream, slice_of(NULL, 0), /* end= */ true);
    }
}

static void on_headers(struct http2_session *session, struct frame *frame)
{
    bool end = (frame->flags & FLAG_END_STREAM) != 0;
    if (frame->id % 2 == 0 ||
        !strip(frame, (frame->flags & FLAG_PRIORITY) != 0 ? PRIORITY_BYTES : 0)) {
        http2_terminate(session, HTTP2_PROTOCOL_ERROR);
        return;
    }
    if ((frame->flags & FLAG_END_HEADERS) != 0) {
        take_block(session, frame->id, frame->payload, end);
        return;
    }
    session->block_id = frame->id;
    session->block_ends = end;
    session->continuations = 0;
    buffer_append_slice(&session->block, frame->payload);
}

static void on_continuation(struct http2_session *session, const struct frame *frame)
{
    if (session->block_id == 0 || frame->id != session->block_id) {
        http2_terminate(session, HTTP2_PROTOCOL_ERROR);
        return;
    }
    buffer_append_slice(&session->block, frame->payload);
    if (buffer_error(&session->block) < 0 || ++session->continuations > CONTINUATIONS_MAX) {
        http2_terminate(session, HTTP2_ENHANCE_YOUR_CALM); /* CVE-2024-28182. */
        return;
    }
    if ((frame->flags & FLAG_END_HEADERS) != 0) {
        uint32_t id = session->block_id;
        session->block_id = 0;
        take_block(session, id, buffer_slice(&session->block), session->block_ends);
        buffer_release(&session->block);
    }
}

static void on_data(struct http2_session *session, struct frame *frame)
{
    size_t whole = frame->payload.len; /* Padding counts, too. */
    bool end = (frame->flags & FLAG_END_STREAM) != 0;
    if (frame->id % 2 == 0 || frame->id > session->last_id || !strip(frame, 0)) {
        http2_terminate(session, HTTP2_PROTOCOL_ERROR);
        return;
    }
    session->receive_window -= (int64_t)whole;
    if (session->receive_window < 0) {
        http2_terminate(session, HTTP2_FLOW_CONTROL_ERROR);
        return;
    }
    give_back(session, /* id= */ 0, &session->receive_window, HTTP2_WINDOW_BYTES);
    if (frame->payload.len == 0) {
        pay(session, HTTP2_COST_CONTROL); /* Empty frames cost us more than their sender. */
    }
    struct http2_stream *stream = http2_find_stream(session, frame->id);
    if (stream == NULL) {
        return; /* It came across our end of the stream. */
    }
    stream->receive_window -= (int64_t)whole;
    if (stream->request_done) {
        stream_error(session, frame->id, HTTP2_STREAM_CLOSED);
    } else if (stream->receive_window < 0) {
        stream_error(session, frame->id, HTTP2_FLOW_CONTROL_ERROR);
    } else if (!session->terminated) {
        http2_consume(session, stream, whole - frame->payload.len);
        end_request(session, stream, frame->payload, end);
    }
}

static void on_priority(struct http2_session *session, const struct frame *frame)
{
    if (frame->id == 0) {
        http2_terminate(session, HTTP2_PROTOCOL_ERROR);
    } else if (frame->payload.len != PRIORITY_BYTES) {
        http2_terminate(session, HTTP2_FRAME_SIZE_ERROR);
    } /* Else: RFC 9113 takes back what it meant. */
}

/* ---- Frames ---- */

static void dispatch(struct http2_session *session, struct frame *frame)
{
    switch (frame->kind) {
    case FRAME_DATA:
        on_data(session, frame);
        return;
    case FRAME_HEADERS:
        on_headers(session, frame);
        return;
    case FRAME_RST_STREAM:
        on_rst_stream(session, frame);
        return;
    case FRAME_WINDOW_UPDATE:
        on_window_update(session, frame);
        return;
    case FRAME_CONTINUATION:
        on_continuation(session, frame);
        return;
    case FRAME_PRIORITY:
        on_priority(session, frame);
        break;
    case FRAME_SETTINGS:
        on_settings(session, frame);
        break;
    case FRAME_PING:
        on_ping(session, frame);
        break;
    case FRAME_PUSH_PROMISE:
        http2_terminate(session, HTTP2_PROTOCOL_ERROR);
        return;
    case FRAME_GOAWAY:
        if (frame->id != 0) {
            http2_terminate(session, HTTP2_PROTOCOL_ERROR);
        }
        break;
    default: /* To be ignored. */
        break;
    }
    pay(session, HTTP2_COST_CONTROL);
}

static void take_frame(struct http2_session *session, struct frame *frame)
{
    if ((!session->settled && frame->kind != FRAME_SETTINGS) ||
        (session->block_id != 0 && frame->kind != FRAME_CONTINUATION)) {
        http2_terminate(session, HTTP2_PROTOCOL_ERROR);
        return;
    }
    session->settled = true;
    dispatch(session, frame);
}

/* What is left when no whole frame is. */
static struct slice take_frames(struct http2_session *session, struct slice bytes)
{
    while (bytes.len >= FRAME_HEAD && !session->terminated && !session->gone) {
        size_t len = (size_t)bytes.data[0] << 16 | (size_t)bytes.data[1] << 8 | bytes.data[2];
        if (len > FRAME_BYTES_MAX) {
            http2_terminate(session, HTTP2_FRAME_SIZE_ERROR);
            break;
        }
        if (bytes.len - FRAME_HEAD < len) {
            break;
        }
        struct frame frame = {.kind = (enum frame_kind)bytes.data[3],
                              .flags = bytes.data[4],
                              .id = get_u32(bytes.data + 5) & WINDOW_MAX,
                              .payload = slice_of(bytes.data + FRAME_HEAD, len)};
        take_frame(session, &frame);
        bytes = slice_of(bytes.data + FRAME_HEAD + len, bytes.len - FRAME_HEAD - len);
    }
    return bytes;
}

static bool greet(struct http2_session *session, struct slice *bytes)
{
    static const char preface[PREFACE_BYTES + 1] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    size_t common = bytes->len < PREFACE_BYTES ? bytes->len : PREFACE_BYTES;
    if (common > 0 && memcmp(bytes->data, preface, common) != 0) {
        http2_terminate(session, HTTP2_PROTOCOL_ERROR);
    }
    if (session->terminated || common < PREFACE_BYTES) {
        return false;
    }
    session->greeted = true;
    *bytes = slice_of(bytes->data + PREFACE_BYTES, bytes->len - PREFACE_BYTES);
    return true;
}

void http2_receive(struct http2_session *session, struct slice bytes)
{
    bool joined = session->input.len > 0;
    if (session->terminated || session->gone) {
        return;
    }
    if (joined) {
        buffer_append_slice(&session->input, bytes);
        bytes = buffer_slice(&session->input);
    }
    struct slice left = bytes;
    if (session->greeted || greet(session, &left)) {
        left = take_frames(session, left);
    }
    if (session->terminated || session->gone || left.len == 0) {
        buffer_release(&session->input);
    } else if (joined) {
        buffer_consume(&session->input, bytes.len - left.len);
    } else {
        buffer_append_slice(&session->input, left);
    }
}

/* ---- Life ---- */

static void put_setting(uint8_t *at, enum setting name, uint32_t value)
{
    at[0] = 0;
    at[1] = (uint8_t)name;
    http2_put_u32(at + 2, value);
}

struct http2_session *http2_session_new(const struct http2_events *events, void *data,
                                        uint32_t streams_max)
{
    struct http2_session *session = alloc_zeroed(sizeof(*session));
    session->events = events;
    session->data = data;
    session->decoder = http2_decoder_new();
    session->encoder = http2_encoder_new();
    session->streams_max = streams_max;
    session->send_window = session->first_send_window = WINDOW_FIRST;
    session->receive_window = HTTP2_WINDOW_BYTES;
    /* One frame that has not wholly come, and one more piece that was read. */
    buffer_init(&session->input, FRAME_HEAD + FRAME_BYTES_MAX + NET_READ_BYTES + PREFACE_BYTES);
    buffer_init(&session->block, HTTP_HEADERS_BYTES_MAX);
    uint8_t settings[3 * SETTING_BYTES];
    put_setting(settings, SETTING_MAX_CONCURRENT_STREAMS, streams_max);
    put_setting(settings + SETTING_BYTES, SETTING_INITIAL_WINDOW_SIZE, HTTP2_STREAM_WINDOW_BYTES);
    put_setting(settings + 2 * SETTING_BYTES, SETTING_MAX_HEADER_LIST_SIZE, HTTP_HEADERS_BYTES_MAX);
    http2_send_small(session, FRAME_SETTINGS, /* flags= */ 0, /* id= */ 0,
                     slice_of(settings, sizeof(settings)));
    http2_send_u32(session, FRAME_WINDOW_UPDATE, /* id= */ 0, HTTP2_WINDOW_BYTES - WINDOW_FIRST);
    return session;
}

void http2_session_free(struct http2_session *session)
{
    if (session != NULL) {
        http2_decoder_free(session->decoder);
        http2_encoder_free(session->encoder);
        buffer_release(&session->input);
        buffer_release(&session->block);
        free(session);
    }
}
