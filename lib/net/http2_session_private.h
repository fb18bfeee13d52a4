/* What http2_session.c (what comes in) and http2_send.c (what goes out) share; nobody else includes
 * it. */
#ifndef LIB_NET_HTTP2_SESSION_PRIVATE_H
#define LIB_NET_HTTP2_SESSION_PRIVATE_H
#include "lib/net/http2_session.h"

enum frame_kind {
    FRAME_DATA,
    FRAME_HEADERS,
    FRAME_PRIORITY,
    FRAME_RST_STREAM,
    FRAME_SETTINGS,
    FRAME_PUSH_PROMISE,
    FRAME_PING,
    FRAME_GOAWAY,
    FRAME_WINDOW_UPDATE,
    FRAME_CONTINUATION,
};

enum frame_flag {
    FLAG_END_STREAM = 0x1,
    FLAG_ACK = 0x1,
    FLAG_END_HEADERS = 0x4,
    FLAG_PADDED = 0x8,
    FLAG_PRIORITY = 0x20,
};

enum {
    PREFACE_BYTES = 24,
    FRAME_HEAD = 9,
    FRAME_BYTES_MAX = 16384, /* RFC 9113's default, which we keep in both directions. */
    FRAME_BYTES_LIMIT = 0xffffff,
    WINDOW_FIRST = 65535,
    WINDOW_MAX = 0x7fffffff,
    PRIORITY_BYTES = 5,
    SMALL_BYTES = 128, /* Written together with the head of its frame. */
    SETTING_BYTES = 6,
    CONTINUATIONS_MAX = 256,
    BUCKETS = 32, /* Of streams by id; a connection has up to some 100. */
};

struct http2_session {
    const struct http2_events *events;
    void *data;
    struct http2_decoder *decoder;
    struct http2_encoder *encoder;
    struct buffer input; /* The frame that has not wholly come. */
    bool greeted;        /* The preface has come. */
    bool settled;        /* So have the peer's settings. */
    bool terminated;
    bool going_away;
    bool gone;           /* The connection: nothing may be called. */
    uint32_t last_id;    /* The highest that was seen. */
    uint32_t last_taken; /* The highest that was, or is, dealt with. */
    uint32_t streams_max;
    uint32_t stream_count;
    struct http2_stream *buckets[BUCKETS];
    int64_t send_window;
    int64_t receive_window;
    uint32_t first_send_window; /* Of each stream, as the peer says. */
    /* A header block whose frames have not all come. */
    uint32_t block_id; /* 0: none. */
    bool block_ends;   /* Its stream. */
    unsigned continuations;
    struct buffer block;
};

static inline void http2_put_u32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

/* A frame of at most SMALL_BYTES. */
void http2_send_small(struct http2_session *session, enum frame_kind kind, unsigned flags,
                      uint32_t id, struct slice payload);
/* One of a single number. */
void http2_send_u32(struct http2_session *session, enum frame_kind kind, uint32_t id,
                    uint32_t value);
struct http2_stream *http2_find_stream(struct http2_session *session, uint32_t id);
void http2_remove_stream(struct http2_session *session, const struct http2_stream *stream);
#endif
