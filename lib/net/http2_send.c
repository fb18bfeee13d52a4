/* What an HTTP/2 session sends, and the streams it knows. */
#include "lib/net/http2_session_private.h"

#include "lib/net/limits.h"
#include <assert.h>

/* ---- Writing ---- */

static void put_head(uint8_t *at, size_t len, enum frame_kind kind, unsigned flags, uint32_t id)
{
    assert(len <= FRAME_BYTES_MAX);
    at[0] = (uint8_t)(len >> 16);
    at[1] = (uint8_t)(len >> 8);
    at[2] = (uint8_t)len;
    at[3] = (uint8_t)kind;
    at[4] = (uint8_t)flags;
    http2_put_u32(at + 5, id);
}

void http2_send_small(struct http2_session *session, enum frame_kind kind, unsigned flags,
                      uint32_t id, struct slice payload)
{
    uint8_t frame[FRAME_HEAD + SMALL_BYTES];
    assert(payload.len <= sizeof(frame) - FRAME_HEAD);
    if (!session->gone) {
        put_head(frame, payload.len, kind, flags, id);
        if (payload.len > 0) {
            memcpy(frame + FRAME_HEAD, payload.data, payload.len);
        }
        session->events->write(session->data, slice_of(frame, FRAME_HEAD + payload.len));
    }
}

void http2_send_u32(struct http2_session *session, enum frame_kind kind, uint32_t id,
                    uint32_t value)
{
    uint8_t bytes[4];
    http2_put_u32(bytes, value);
    http2_send_small(session, kind, /* flags= */ 0, id, slice_of(bytes, sizeof(bytes)));
}

static void send_goodbye(struct http2_session *session, enum http2_code code)
{
    uint8_t bytes[8];
    http2_put_u32(bytes, session->last_taken);
    http2_put_u32(bytes + 4, code);
    http2_send_small(session, FRAME_GOAWAY, /* flags= */ 0, /* id= */ 0,
                     slice_of(bytes, sizeof(bytes)));
}

void http2_terminate(struct http2_session *session, enum http2_code code)
{
    if (!session->terminated) {
        send_goodbye(session, code);
        session->terminated = true;
    }
}

void http2_go_away(struct http2_session *session)
{
    if (!session->going_away && !session->terminated) {
        send_goodbye(session, HTTP2_NO_ERROR);
        session->going_away = true;
    }
}

bool http2_is_over(const struct http2_session *session)
{
    return session->terminated || (session->going_away && session->stream_count == 0);
}

void http2_send_fields(struct http2_session *session, const struct http2_stream *stream,
                       const struct http_header *headers, size_t count, bool end)
{
    struct slice block = http2_encode(session->encoder, headers, count);
    enum frame_kind kind = FRAME_HEADERS;
    unsigned flags = end ? FLAG_END_STREAM : 0;
    if (block.len <= SMALL_BYTES) { /* Nearly always. */
        http2_send_small(session, kind, flags | FLAG_END_HEADERS, stream->id, block);
        return;
    }
    do {
        uint8_t head[FRAME_HEAD];
        size_t len = block.len < FRAME_BYTES_MAX ? block.len : FRAME_BYTES_MAX;
        flags |= len == block.len ? FLAG_END_HEADERS : 0;
        put_head(head, len, kind, flags, stream->id);
        session->events->write(session->data, slice_of(head, sizeof(head)));
        session->events->write(session->data, slice_of(block.data, len));
        block = slice_of(block.data + len, block.len - len);
        kind = FRAME_CONTINUATION;
        flags = 0;
    } while (block.len > 0);
}

size_t http2_data_room(const struct http2_session *session, const struct http2_stream *stream)
{
    int64_t room =
        session->send_window < stream->send_window ? session->send_window : stream->send_window;
    room = room < FRAME_BYTES_MAX ? room : FRAME_BYTES_MAX;
    return room < 0 ? 0 : (size_t)room;
}

void http2_send_data_head(struct http2_session *session, struct http2_stream *stream, size_t len,
                          bool end)
{
    assert(len <= http2_data_room(session, stream) || len == 0);
    uint8_t head[FRAME_HEAD];
    session->send_window -= (int64_t)len;
    stream->send_window -= (int64_t)len;
    put_head(head, len, FRAME_DATA, end ? FLAG_END_STREAM : 0, stream->id);
    session->events->write(session->data, slice_of(head, sizeof(head)));
}

/* ---- Streams ---- */

static struct http2_stream **bucket_of(struct http2_session *session, uint32_t id)
{
    return &session->buckets[id / 2 % BUCKETS];
}

struct http2_stream *http2_find_stream(struct http2_session *session, uint32_t id)
{
    struct http2_stream *stream = *bucket_of(session, id);
    while (stream != NULL && stream->id != id) {
        stream = stream->next;
    }
    return stream;
}

void http2_open_stream(struct http2_session *session, struct http2_stream *stream, uint32_t id,
                       bool request_done)
{
    struct http2_stream **bucket = bucket_of(session, id);
    *stream = (struct http2_stream){.id = id,
                                    .next = *bucket,
                                    .send_window = session->first_send_window,
                                    .receive_window = HTTP2_STREAM_WINDOW_BYTES,
                                    .request_done = request_done};
    *bucket = stream;
    session->stream_count++;
}

void http2_remove_stream(struct http2_session *session, const struct http2_stream *stream)
{
    struct http2_stream **link = bucket_of(session, stream->id);
    while (*link != stream) {
        assert(*link != NULL);
        link = &(*link)->next;
    }
    *link = stream->next;
    session->stream_count--;
}

void http2_reset(struct http2_session *session, struct http2_stream *stream, enum http2_code code)
{
    http2_remove_stream(session, stream);
    http2_send_u32(session, FRAME_RST_STREAM, stream->id, code);
}

void http2_forget(struct http2_session *session, struct http2_stream *stream)
{
    http2_remove_stream(session, stream);
    if (!stream->request_done) { /* RFC 9113, section 8.1. */
        http2_send_u32(session, FRAME_RST_STREAM, stream->id, HTTP2_NO_ERROR);
    }
}

void http2_consume(struct http2_session *session, struct http2_stream *stream, size_t bytes)
{
    if (stream->request_done) {
        return;
    }
    stream->consumed += bytes;
    if (stream->consumed >= HTTP2_STREAM_WINDOW_BYTES / 2) {
        http2_send_u32(session, FRAME_WINDOW_UPDATE, stream->id, (uint32_t)stream->consumed);
        stream->receive_window += (int64_t)stream->consumed;
        stream->consumed = 0;
    }
}
