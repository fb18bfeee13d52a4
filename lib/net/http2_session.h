/* The server's side of one HTTP/2 connection (RFC 9113): frames, streams, windows. Bytes come in by
 * http2_receive() and go out by the owner's `write`; whoever owns it decides when. No socket, no
 * clock. Life: the owner keeps it until nothing on the stack is inside of it; an event may tell by
 * its result that the connection is gone, after which nothing is called or written any more. */
#ifndef LIB_NET_HTTP2_SESSION_H
#define LIB_NET_HTTP2_SESSION_H
#include "lib/net/http2_fields.h"

enum http2_code { /* RFC 9113, section 7. */
                  HTTP2_NO_ERROR = 0,
                  HTTP2_PROTOCOL_ERROR = 1,
                  HTTP2_INTERNAL_ERROR = 2,
                  HTTP2_FLOW_CONTROL_ERROR = 3,
                  HTTP2_STREAM_CLOSED = 5,
                  HTTP2_FRAME_SIZE_ERROR = 6,
                  HTTP2_REFUSED_STREAM = 7,
                  HTTP2_CANCEL = 8,
                  HTTP2_COMPRESSION_ERROR = 9,
                  HTTP2_ENHANCE_YOUR_CALM = 11,
};

/* In the owner's memory from on_request() until on_reset(), http2_reset() or http2_forget(). */
struct http2_stream {
    uint32_t id;
    struct http2_stream *next; /* The session's. */
    int64_t send_window;       /* What the peer takes now; may be negative. */
    int64_t receive_window;
    size_t consumed;   /* Not yet given back to the peer's window. */
    bool request_done; /* The peer sends no more. */
};

/* What counts against the peer's allowance (the owner's rate limits). */
enum http2_cost { HTTP2_COST_RESET, HTTP2_COST_CONTROL };

/* Those that return bool say whether the connection is still there. */
struct http2_events {
    /* Appends to what will be sent. */
    void (*write)(void *data, struct slice bytes);
    /* A new stream; the event gives it its memory. `end`: no body follows. The fields are the
     * event's. */
    bool (*on_request)(void *data, uint32_t id, struct http2_fields *fields_consume, bool end);
    bool (*on_data)(void *data, struct http2_stream *stream, struct slice bytes, bool end);
    /* More may be sent than before: on this stream, or on all (NULL). */
    void (*on_window)(void *data, struct http2_stream *stream);
    /* The stream is over before its time. */
    bool (*on_reset)(void *data, struct http2_stream *stream);
    /* False: too much of that; the connection ends. */
    bool (*pays)(void *data, enum http2_cost cost);
};

struct http2_session;
/* Says at once what this side allows. */
MUST_USE struct http2_session *http2_session_new(const struct http2_events *events, void *data,
                                                 uint32_t streams_max);
void http2_session_free(struct http2_session *session); /* NULL is a no-op. */

/* After an error of the peer the session is over (see below): nothing more is read. */
void http2_receive(struct http2_session *session, struct slice bytes);
/* Says goodbye for an error and is over: the owner closes once all is written. */
void http2_terminate(struct http2_session *session, enum http2_code code);
/* No new streams; those that are there go on. */
void http2_go_away(struct http2_session *session);
/* Nothing is left to do: terminated, or going away and without streams. */
bool http2_is_over(const struct http2_session *session);

/* In on_request(): the stream's memory. */
void http2_open_stream(struct http2_session *session, struct http2_stream *stream, uint32_t id,
                       bool request_done);
/* A head or trailers; `end`: nothing follows. */
void http2_send_fields(struct http2_session *session, const struct http2_stream *stream,
                       const struct http_header *headers, size_t count, bool end);
/* How much one DATA frame may hold now. */
size_t http2_data_room(const struct http2_session *session, const struct http2_stream *stream);
/* The head of a DATA frame; the owner writes its `len` bytes (within the room) next. */
void http2_send_data_head(struct http2_session *session, struct http2_stream *stream, size_t len,
                          bool end);
/* Body bytes are dealt with: the peer may send as many more. */
void http2_consume(struct http2_session *session, struct http2_stream *stream, size_t bytes);
/* Ends a stream early: its memory is the owner's again. */
void http2_reset(struct http2_session *session, struct http2_stream *stream, enum http2_code code);
/* All is sent. When the request has not ended, the peer is told that the rest is not wanted. */
void http2_forget(struct http2_session *session, struct http2_stream *stream);
#endif
