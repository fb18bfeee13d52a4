/* What grpc_channel.c (connection, HTTP/2) and grpc_stream.c (one call) know of each other. Private
 * to lib/net. */
#ifndef LIB_NET_GRPC_CLIENT_H
#define LIB_NET_GRPC_CLIENT_H
#include "lib/net/grpc.h"
#include "lib/net/grpc_frame.h"
#include "lib/net/send_queue.h"
#include <nghttp2/nghttp2.h>

struct grpc_stream {
    uint32_t magic;
    struct grpc_channel *channel;
    struct list node;  /* In the channel. */
    int32_t stream_id; /* 0 until it is submitted on a connection. */
    grpc_done done;    /* Unary; else `events`. */
    const struct grpc_stream_events *events;
    void *data;
    char *path;
    struct http_header *metadata;
    size_t metadata_count;
    uint64_t timeout_ms;
    struct loop_timer deadline;
    struct send_queue out;
    struct grpc_deframer deframer;
    struct buffer response; /* Unary: the one message. */
    struct buffer message;  /* grpc-message, decoded. */
    struct buffer details;
    size_t held; /* Bytes not given back to the server's window, while paused. */
    int http_status;
    int grpc_status;     /* -1 until it came. */
    uint32_t close_code; /* Of the HTTP/2 stream, when `wire_closed`. */
    bool wire_closed;
    bool has_response;
    bool half_closed;
    bool paused;
    bool resumed; /* process() is wanted from the loop. */
    bool over_high;
    bool fail_fast;
    bool headers_told;
    bool busy; /* A callback may be on the stack. */
    bool dead; /* Cancelled inside of one. */
};

/* ---- The channel, for streams ---- */
nghttp2_session *grpc_channel_session(struct grpc_channel *channel); /* NULL: not connected. */
struct loop *grpc_channel_loop(const struct grpc_channel *channel);
size_t grpc_channel_message_max(const struct grpc_channel *channel);
void grpc_channel_add(struct grpc_channel *channel, struct grpc_stream *stream);
void grpc_channel_pump(struct grpc_channel *channel); /* At the end of the turn. */

/* ---- Streams, for the channel ---- */
/* These may run callbacks and free the stream. */
void grpc_stream_on_data(struct grpc_stream *stream, struct slice bytes);
void grpc_stream_on_headers(struct grpc_stream *stream, bool end);
void grpc_stream_on_wire_close(struct grpc_stream *stream, uint32_t code);
void grpc_stream_process(struct grpc_stream *stream); /* After a resume. */
void grpc_stream_on_drain(struct grpc_stream *stream);
void grpc_stream_end(struct grpc_stream *stream, enum grpc_code code, const char *message);
void grpc_stream_on_header(struct grpc_stream *stream, struct slice name, struct slice value);
#endif
