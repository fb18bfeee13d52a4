#include "lib/net/spdy.h"

#include "lib/base/alloc.h"
#include "lib/net/limits.h"
#include "lib/net/spdy_headers.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum {
    FRAME_HEADER_SIZE = 8,
    FLAG_FIN = 1,
    DATA_FRAME_BYTES_MAX = 16 * 1024,
    STREAM_ARENA_BYTES_MAX = 4 * SPDY_HEADERS_BYTES_MAX,
};

enum frame_type {
    SYN_STREAM = 1,
    SYN_REPLY = 2,
    RST_STREAM = 3,
    SETTINGS = 4,
    PING = 6,
    GOAWAY = 7,
    HEADERS = 8,
    WINDOW_UPDATE = 9,
};

enum reset_status {
    RESET_PROTOCOL_ERROR = 1,
    RESET_INVALID_STREAM = 2,
    RESET_REFUSED = 3,
    RESET_CANCEL = 5
};

struct spdy_stream {
    struct spdy_session *session;
    struct list node;
    uint32_t id;
    struct arena *arena;
    struct http_header *headers;
    size_t header_count;
    const struct spdy_stream_events *events;
    void *data;
    bool sent_fin;
    bool got_fin;
    bool end_told;
    bool closed; /* Given up by its owner; freed when no callback is on the stack. */
};

struct spdy_session {
    const struct spdy_session_events *events;
    void *data;
    struct spdy_codec *codec;
    struct list streams;
    struct list graveyard; /* Closed ones, freed at the end of spdy_session_receive(). */
    size_t stream_count;
    struct buffer in;
    struct buffer out;
    uint32_t next_id;
    uint32_t last_peer_id;
    bool is_server;
    bool receiving;
    bool going_away;
    bool broken;
};

/* ---- Sending ---- */

static void put_u32(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value >> 24);
    to[1] = (uint8_t)(value >> 16);
    to[2] = (uint8_t)(value >> 8);
    to[3] = (uint8_t)value;
}

static void begin_control(struct spdy_session *session, enum frame_type type, uint8_t flags)
{
    uint8_t header[FRAME_HEADER_SIZE] = {0x80, 3, 0, (uint8_t)type, flags, 0, 0, 0};
    buffer_clear(&session->out);
    buffer_append(&session->out, header, sizeof(header));
}

static void append_u32(struct spdy_session *session, uint32_t value)
{
    uint8_t bytes[4];
    put_u32(bytes, value);
    buffer_append(&session->out, bytes, sizeof(bytes));
}

static void send_control(struct spdy_session *session)
{
    assert(buffer_error(&session->out) == 0);
    size_t len = session->out.len - FRAME_HEADER_SIZE;
    session->out.data[5] = (uint8_t)(len >> 16);
    session->out.data[6] = (uint8_t)(len >> 8);
    session->out.data[7] = (uint8_t)len;
    session->events->send(session->data, buffer_slice(&session->out));
}

static void send_reset(struct spdy_session *session, uint32_t id, enum reset_status status)
{
    begin_control(session, RST_STREAM, 0);
    append_u32(session, id);
    append_u32(session, (uint32_t)status);
    send_control(session);
}

static void send_goaway(struct spdy_session *session, uint32_t status)
{
    begin_control(session, GOAWAY, 0);
    append_u32(session, session->last_peer_id);
    append_u32(session, status);
    send_control(session);
}

static void send_data(struct spdy_stream *stream, uint8_t flags, struct slice bytes)
{
    struct buffer *out = &stream->session->out;
    uint8_t header[FRAME_HEADER_SIZE];
    put_u32(header, stream->id);
    put_u32(header + 4, (uint32_t)bytes.len);
    header[4] = flags;
    buffer_clear(out);
    buffer_append(out, header, sizeof(header));
    buffer_append_slice(out, bytes);
    stream->session->events->send(stream->session->data, buffer_slice(out));
}

/* ---- Streams ---- */

static struct spdy_stream *stream_new(struct spdy_session *session, uint32_t id)
{
    struct spdy_stream *stream = alloc_zeroed(sizeof(*stream));
    stream->session = session;
    stream->id = id;
    list_init(&stream->node);
    list_push_back(&session->streams, &stream->node);
    session->stream_count++;
    return stream;
}

static void stream_free(struct spdy_stream *stream)
{
    list_remove(&stream->node);
    arena_free(stream->arena);
    free(stream);
}

static struct spdy_stream *find(const struct spdy_session *session, uint32_t id)
{
    LIST_FOREACH(node, next, &session->streams)
    {
        struct spdy_stream *stream = LIST_ENTRY(node, struct spdy_stream, node);
        if (stream->id == id) {
            return stream;
        }
    }
    return NULL;
}

/* Takes it out of the session; the memory goes when nothing on the stack can hold it. */
static void bury(struct spdy_stream *stream)
{
    struct spdy_session *session = stream->session;
    stream->closed = true;
    list_remove(&stream->node);
    session->stream_count--;
    if (session->receiving) {
        list_push_back(&session->graveyard, &stream->node);
    } else {
        stream_free(stream);
    }
}

void spdy_stream_close(struct spdy_stream *stream)
{
    assert(!stream->closed);
    if ((!stream->sent_fin || !stream->got_fin) && !stream->session->broken) {
        send_reset(stream->session, stream->id, RESET_CANCEL);
    }
    bury(stream);
}

static void tell_reset(struct spdy_stream *stream)
{
    const struct spdy_stream_events *events = stream->events;
    void *data = stream->data;
    bury(stream);
    if (events != NULL && events->on_reset != NULL) {
        events->on_reset(data);
    }
}

static void tell_end(struct spdy_stream *stream)
{
    stream->got_fin = true;
    if (!stream->end_told && stream->events != NULL) {
        stream->end_told = true;
        if (stream->events->on_end != NULL) {
            stream->events->on_end(stream->data);
        }
    }
}

struct spdy_stream *spdy_stream_open(struct spdy_session *session,
                                     const struct http_header *headers, size_t header_count,
                                     bool fin)
{
    if (session->stream_count >= SPDY_STREAMS_MAX || session->going_away || session->broken) {
        return NULL;
    }
    struct spdy_stream *stream = stream_new(session, session->next_id);
    session->next_id += 2;
    stream->sent_fin = fin;
    begin_control(session, SYN_STREAM, fin ? FLAG_FIN : 0);
    append_u32(session, stream->id);
    append_u32(session, 0); /* Associated to none. */
    buffer_append(&session->out, "\0\0", 2);
    spdy_encode_headers(session->codec, headers, header_count, &session->out);
    send_control(session);
    return stream;
}

void spdy_stream_accept(struct spdy_stream *stream, const struct http_header *headers,
                        size_t header_count)
{
    struct spdy_session *session = stream->session;
    if (stream->closed || session->broken) {
        return;
    }
    begin_control(session, SYN_REPLY, 0);
    append_u32(session, stream->id);
    spdy_encode_headers(session->codec, headers, header_count, &session->out);
    send_control(session);
}

void spdy_stream_write(struct spdy_stream *stream, struct slice bytes)
{
    while (bytes.len > 0 && !stream->closed && !stream->sent_fin && !stream->session->broken) {
        size_t len = bytes.len < DATA_FRAME_BYTES_MAX ? bytes.len : DATA_FRAME_BYTES_MAX;
        send_data(stream, 0, slice_of(bytes.data, len));
        bytes = slice_of(bytes.data + len, bytes.len - len);
    }
}

void spdy_stream_finish(struct spdy_stream *stream)
{
    if (!stream->closed && !stream->sent_fin && !stream->session->broken) {
        stream->sent_fin = true;
        send_data(stream, FLAG_FIN, slice_text(""));
    }
}

struct slice spdy_stream_header(const struct spdy_stream *stream, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < stream->header_count; i++) {
        const struct http_header *header = &stream->headers[i];
        if (header->name.len == len &&
            strncasecmp((const char *)header->name.data, name, len) == 0) {
            return header->value;
        }
    }
    return (struct slice){.len = 0};
}

uint32_t spdy_stream_id(const struct spdy_stream *stream)
{
    return stream->id;
}

void spdy_stream_set_events(struct spdy_stream *stream, const struct spdy_stream_events *events,
                            void *data)
{
    stream->events = events;
    stream->data = data;
}

/* ---- Receiving ---- */

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int on_syn_stream(struct spdy_session *session, uint8_t flags, struct slice body)
{
    if (body.len < 10) {
        return -EPROTO;
    }
    uint32_t id = get_u32(body.data) & 0x7fffffff;
    struct arena *arena = arena_new(STREAM_ARENA_BYTES_MAX);
    struct http_header *headers = NULL;
    size_t count = 0;
    if (spdy_decode_headers(session->codec, slice_of(body.data + 10, body.len - 10), arena,
                            &headers, &count) != 0 ||
        (id & 1) != (session->is_server ? 1U : 0U) || id <= session->last_peer_id) {
        arena_free(arena);
        return -EPROTO;
    }
    session->last_peer_id = id;
    if (session->stream_count >= SPDY_STREAMS_MAX || session->going_away) {
        arena_free(arena);
        send_reset(session, id, RESET_REFUSED);
        return 0;
    }
    struct spdy_stream *stream = stream_new(session, id);
    stream->arena = arena;
    stream->headers = headers;
    stream->header_count = count;
    session->events->on_stream(session->data, stream);
    if ((flags & FLAG_FIN) != 0 && !stream->closed) {
        tell_end(stream);
    }
    return 0;
}

/* SYN_REPLY and HEADERS: nobody wants what they say, but the block has to be read. */
static int on_headers(struct spdy_session *session, uint8_t flags, struct slice body, bool reply)
{
    if (body.len < 4) {
        return -EPROTO;
    }
    CLEANUP(arena_freep) struct arena *arena = arena_new(STREAM_ARENA_BYTES_MAX);
    struct http_header *headers = NULL;
    size_t count = 0;
    if (spdy_decode_headers(session->codec, slice_of(body.data + 4, body.len - 4), arena, &headers,
                            &count) != 0) {
        return -EPROTO;
    }
    struct spdy_stream *stream = find(session, get_u32(body.data) & 0x7fffffff);
    if (stream == NULL) {
        return 0; /* Closed by us while this was under way. */
    }
    if (reply && stream->events != NULL && stream->events->on_reply != NULL) {
        stream->events->on_reply(stream->data);
    }
    if ((flags & FLAG_FIN) != 0 && !stream->closed) {
        tell_end(stream);
    }
    return 0;
}

static int on_data(struct spdy_session *session, uint32_t id, uint8_t flags, struct slice bytes)
{
    struct spdy_stream *stream = find(session, id);
    if (stream == NULL) {
        return 0; /* As above. */
    }
    if (stream->got_fin) {
        send_reset(session, id, RESET_PROTOCOL_ERROR);
        tell_reset(stream);
        return 0;
    }
    if (bytes.len > 0 && stream->events != NULL && stream->events->on_data != NULL) {
        stream->events->on_data(stream->data, bytes);
    }
    if ((flags & FLAG_FIN) != 0 && !stream->closed) {
        tell_end(stream);
    }
    return 0;
}

static int on_control(struct spdy_session *session, unsigned type, uint8_t flags, struct slice body)
{
    switch (type) {
    case SYN_STREAM:
        return on_syn_stream(session, flags, body);
    case SYN_REPLY:
        return on_headers(session, flags, body, /* reply= */ true);
    case HEADERS:
        return on_headers(session, flags, body, /* reply= */ false);
    case RST_STREAM: {
        struct spdy_stream *stream =
            body.len < 8 ? NULL : find(session, get_u32(body.data) & 0x7fffffff);
        if (stream != NULL) {
            tell_reset(stream);
        }
        return body.len == 8 ? 0 : -EPROTO;
    }
    case PING:
        if (body.len != 4) {
            return -EPROTO;
        }
        if ((get_u32(body.data) & 1) == (session->is_server ? 1U : 0U)) {
            begin_control(session, PING, 0); /* Theirs: it goes back as it came. */
            append_u32(session, get_u32(body.data));
            send_control(session);
        }
        return 0;
    case GOAWAY:
        session->going_away = true;
        return 0;
    default:
        return 0; /* SETTINGS, WINDOW_UPDATE, and what the draft tells to ignore. */
    }
}

/* One frame at the start of `bytes`. 1 and its length, 0 when it is incomplete, or an error. */
static int take_frame(struct spdy_session *session, struct slice bytes, size_t *ret_len)
{
    if (bytes.len < FRAME_HEADER_SIZE) {
        return 0;
    }
    uint32_t word = get_u32(bytes.data);
    uint8_t flags = bytes.data[4];
    size_t len = get_u32(bytes.data + 4) & 0xffffff;
    if (len > SPDY_FRAME_BYTES_MAX) {
        return -EPROTO;
    }
    if (bytes.len - FRAME_HEADER_SIZE < len) {
        return 0;
    }
    *ret_len = FRAME_HEADER_SIZE + len;
    struct slice body = slice_of(bytes.data + FRAME_HEADER_SIZE, len);
    int status = 0;
    if ((word >> 31) == 0) {
        status = on_data(session, word, flags, body);
    } else if ((word >> 16 & 0x7fff) != 3) {
        status = -EPROTO;
    } else {
        status = on_control(session, word & 0xffff, flags, body);
    }
    return status == 0 ? 1 : status;
}

static int take_frames(struct spdy_session *session)
{
    size_t at = 0;
    int status = 1;
    while (status == 1) {
        size_t len = 0;
        status = take_frame(session, slice_of(session->in.data + at, session->in.len - at), &len);
        at += status == 1 ? len : 0;
    }
    buffer_consume(&session->in, at);
    return status;
}

int spdy_session_receive(struct spdy_session *session, struct slice bytes)
{
    assert(!session->receiving);
    if (session->broken) {
        return -EPROTO;
    }
    session->receiving = true;
    int status = 0;
    while (bytes.len > 0 && status == 0) {
        size_t room = session->in.max - session->in.len;
        size_t len = bytes.len < room ? bytes.len : room;
        buffer_append(&session->in, bytes.data, len);
        bytes = slice_of(bytes.data + len, bytes.len - len);
        status = take_frames(session);
    }
    if (status < 0) {
        send_goaway(session, 1 /* PROTOCOL_ERROR */);
        session->broken = true;
    }
    session->receiving = false;
    while (!list_empty(&session->graveyard)) {
        stream_free(LIST_ENTRY(list_first(&session->graveyard), struct spdy_stream, node));
    }
    if (status == 0 && session->going_away && session->stream_count == 0) {
        return -ESHUTDOWN;
    }
    return status;
}

/* ---- The session ---- */

struct spdy_session *spdy_session_new(bool is_server, const struct spdy_session_events *events,
                                      void *data)
{
    struct spdy_session *session = alloc_zeroed(sizeof(*session));
    session->events = events;
    session->data = data;
    session->codec = spdy_codec_new();
    session->is_server = is_server;
    session->next_id = is_server ? 2 : 1;
    list_init(&session->streams);
    list_init(&session->graveyard);
    buffer_init(&session->in, SPDY_FRAME_BYTES_MAX + 2 * NET_READ_BYTES);
    buffer_init(&session->out, SPDY_FRAME_BYTES_MAX);
    return session;
}

void spdy_session_free(struct spdy_session *session)
{
    if (session == NULL) {
        return;
    }
    assert(!session->receiving);
    session->broken = true; /* Nothing is sent any more. */
    while (!list_empty(&session->streams)) {
        tell_reset(LIST_ENTRY(list_first(&session->streams), struct spdy_stream, node));
    }
    spdy_codec_free(session->codec);
    buffer_release(&session->in);
    buffer_release(&session->out);
    free(session);
}

size_t spdy_session_streams(const struct spdy_session *session)
{
    return session->stream_count;
}
