/* What stream.c (life, reading, TLS) and stream_write.c share; nobody else includes it. */
#ifndef LIB_NET_STREAM_STATE_H
#define LIB_NET_STREAM_STATE_H
#include "lib/base/buffer.h"
#include "lib/net/stream_private.h"
#include "lib/net/tls_session.h"
#include <assert.h>
#include <uv.h>

enum { STREAM_MAGIC = 0x5354524d };

struct net_stream {
    uint32_t magic;
    struct loop *loop;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    const struct net_stream_events *events; /* NULL before net_stream_start(). */
    void *data;
    struct tls_session *tls;
    struct memory_hold tls_hold; /* About what the session takes. */
    void (*handshake_done)(void *data, int status, const char *message); /* While handshaking. */
    void *handshake_data;
    struct send_queue queue; /* Plain bytes. */
    struct buffer cipher;    /* Encrypted bytes that uv_write holds. */
    struct slice unread_at;  /* What is left of `unread`. */
    uint8_t *unread;
    size_t in_flight; /* Bytes of `queue` (or all of `cipher`) that uv_write holds. */
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct loop_turn_end turn;
    struct loop_orphan orphan; /* While finishing. */
    struct loop_timer stall;   /* A write without progress, or a lingering close. */
    int end_status;
    bool writing;
    bool reading; /* uv_read_start() is on. */
    bool paused;
    bool end_pending; /* on_end is to be called. */
    bool ended;       /* It has been, or there is nobody to call. */
    bool failed;      /* Writes go nowhere. */
    bool over_high;   /* The owner was told to stop; owes it on_drain. */
    bool shutdown_wanted;
    bool shutdown_sent;
    bool poked;      /* on_read is to be called, with nothing. */
    bool tls_unread; /* The TLS session may hold plain bytes that a pause kept back. */
    int wire_end;    /* Not 0: so the wire has ended, and what TLS holds is still to be read. */
    bool finishing;  /* net_stream_finish(): nobody listens any more. */
    bool closing;
    void (*closed)(void *data);
    void *closed_data;
    char peer_address[64];
};

static inline struct net_stream *stream_from(void *data)
{
    struct net_stream *stream = data;
    assert(stream != NULL && stream->magic == STREAM_MAGIC);
    return stream;
}

/* Has stream_turn() called later in this turn of the loop. */
void stream_wake(struct net_stream *stream);
/* Everything that may lead to a callback of the owner; a `struct net_stream`. */
void stream_turn(void *data);
/* Writes go nowhere from here on, and the owner is told. */
void stream_fail(struct net_stream *stream, int status);
/* Writes what can be written now. */
void stream_flush(struct net_stream *stream);
#endif
