/* SPDY/3.1 sessions, as kubectl and the kubelet protocols use them: bytes in, events and bytes out.
 * Knows no transport: it runs over an upgraded connection or inside WebSocket messages. No flow
 * control by windows: the peers of this dialect (exec, attach, port-forward clients) neither keep
 * nor grant them, so back-pressure is that of the transport. One thread.
 *
 * Life: streams belong to their session. spdy_stream_close() gives one up at any time, also inside
 * a callback; spdy_session_free() must not be called inside of spdy_session_receive() (use
 * loop_post). */
#ifndef LIB_NET_SPDY_H
#define LIB_NET_SPDY_H
#include "lib/net/http.h"

struct spdy_session;
struct spdy_stream;

struct spdy_session_events {
    /* The peer opened a stream; answer with spdy_stream_accept() or spdy_stream_close(). */
    void (*on_stream)(void *data, struct spdy_stream *stream);
    /* Bytes for the transport, borrowed for the call; several frames may come as one. */
    void (*send)(void *data, struct slice bytes);
};
struct spdy_stream_events {
    void (*on_reply)(void *data); /* The peer accepted a stream of ours. May be NULL. */
    void (*on_data)(void *data, struct slice bytes);
    void (*on_end)(void *data);   /* The peer will send nothing more (FIN). Once. */
    void (*on_reset)(void *data); /* The peer broke it off, or the session ended. Once, last. */
};

MUST_USE struct spdy_session *
spdy_session_new(bool is_server, const struct spdy_session_events *events, void *data);
/* Ends all streams (on_reset) and frees. NULL is a no-op. */
void spdy_session_free(struct spdy_session *session);
/* Takes bytes from the transport. 0; -EPROTO when the peer breaks the protocol or a limit (a GOAWAY
 * has been sent); -ESHUTDOWN once the peer has said GOAWAY and all streams are closed. */
MUST_USE int spdy_session_receive(struct spdy_session *session, struct slice bytes);
size_t spdy_session_streams(const struct spdy_session *session); /* Open ones. */

/* Opens a stream; NULL over SPDY_STREAMS_MAX. `fin`: we will send nothing. */
struct spdy_stream *spdy_stream_open(struct spdy_session *session,
                                     const struct http_header *headers, size_t header_count,
                                     bool fin);
/* The value of a header of the SYN_STREAM, any case; empty with data == NULL when absent. */
struct slice spdy_stream_header(const struct spdy_stream *stream, const char *name);
uint32_t spdy_stream_id(const struct spdy_stream *stream);
void spdy_stream_set_events(struct spdy_stream *stream, const struct spdy_stream_events *events,
                            void *data);
void spdy_stream_accept(struct spdy_stream *stream, const struct http_header *headers,
                        size_t header_count);                           /* SYN_REPLY */
void spdy_stream_write(struct spdy_stream *stream, struct slice bytes); /* No-op after the end. */
void spdy_stream_finish(struct spdy_stream *stream);                    /* FIN: our side ends. */
/* Gives it up: resets it unless both sides have ended. No callback runs any more and the handle is
 * gone. */
void spdy_stream_close(struct spdy_stream *stream);
#endif
