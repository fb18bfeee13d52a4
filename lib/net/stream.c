/* A stream over a libuv handle: its life, reading and TLS. All that may lead to a callback of the
 * owner happens in stream_turn() or in a read, never inside the owner's own call, so owners need
 * not expect to be called while they call. */
#include "lib/net/stream_state.h"

#include "lib/base/alloc.h"
#include "lib/net/limits.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { REASON_SIZE = 512 };

static void stream_read_cipher(struct net_stream *stream, struct slice bytes);

void stream_wake(struct net_stream *stream)
{
    if (!stream->closing) {
        loop_turn_end_start(stream->loop, &stream->turn);
    }
}

void stream_fail(struct net_stream *stream, int status)
{
    stream->failed = true;
    if (!stream->writing) { /* Else uv_write still points into it: on_written() does it. */
        send_queue_release(&stream->queue);
    }
    if (!stream->ended && !stream->end_pending) {
        stream->end_pending = true;
        stream->end_status = status;
    }
    stream_wake(stream);
}

/* ---- Life ---- */

static void on_loop_end(void *data)
{
    net_stream_close(stream_from(data), NULL, NULL);
}

static void on_stall(void *data)
{
    struct net_stream *stream = stream_from(data);
    if (stream->finishing) {
        net_stream_close(stream, NULL, NULL);
    } else {
        stream_fail(stream, -ETIMEDOUT);
    }
}

int net_stream_adopt(struct loop *loop, int fd, bool is_unix, const char *peer_address,
                     struct net_stream **ret_stream)
{
    struct net_stream *stream = alloc_zeroed(sizeof(*stream));
    stream->magic = STREAM_MAGIC;
    stream->loop = loop;
    stream->queue.hold.budget = stream->tls_hold.budget = loop_memory(loop);
    stream->turn.run = stream_turn;
    stream->stall.fire = on_stall;
    stream->orphan.end = on_loop_end;
    stream->turn.data = stream->stall.data = stream->uv.handle.data = stream->orphan.data = stream;
    list_init(&stream->turn.node);
    list_init(&stream->orphan.node);
    buffer_init(&stream->cipher, NET_WRITE_QUEUE_BYTES_MAX);
    snprintf(stream->peer_address, sizeof(stream->peer_address), "%s", peer_address);
    int status = is_unix ? uv_pipe_init(loop_uv(loop), &stream->uv.pipe, /* ipc= */ 0)
                         : uv_tcp_init(loop_uv(loop), &stream->uv.tcp);
    assert(status == 0);
    status = is_unix ? uv_pipe_open(&stream->uv.pipe, fd) : uv_tcp_open(&stream->uv.tcp, fd);
    stream->uv.handle.data = stream;
    if (status != 0) {
        close(fd);
        net_stream_close(stream, NULL, NULL);
        return status;
    }
    if (!is_unix) {
        uv_tcp_nodelay(&stream->uv.tcp, 1);
        uv_tcp_keepalive(&stream->uv.tcp, 1, NET_KEEPALIVE_S);
    }
    *ret_stream = stream;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct net_stream *stream = stream_from(handle->data);
    if (stream->closed != NULL) {
        stream->closed(stream->closed_data);
    }
    stream->magic = 0;
    tls_session_free(stream->tls);
    memory_hold_set(&stream->tls_hold, 0);
    buffer_release(&stream->cipher);
    free(stream->unread);
    free(stream);
}

void net_stream_close(struct net_stream *stream, void (*closed)(void *data), void *data)
{
    assert(!stream->closing);
    assert(loop_is_current(stream->loop));
    stream->closing = true;
    stream->closed = closed;
    stream->closed_data = data;
    stream->ended = true;
    stream->end_pending = false;
    loop_turn_end_stop(&stream->turn);
    loop_orphan_stop(&stream->orphan);
    loop_timer_stop(stream->loop, &stream->stall);
    /* A write under way still points into the queue; uv_close() ends it before on_closed(). */
    if (!stream->writing) {
        send_queue_release(&stream->queue);
    }
    uv_close(&stream->uv.handle, on_closed);
}

void net_stream_finish(struct net_stream *stream)
{
    assert(!stream->closing && !stream->finishing);
    stream->finishing = true;
    stream->events = NULL;
    stream->handshake_done = NULL;
    if (stream->failed || (stream->ended && stream->queue.bytes == 0 && !stream->writing)) {
        net_stream_close(stream, NULL, NULL);
        return;
    }
    /* Reading goes on, into nothing: closing with unread input would send a reset, which can
     * overtake what we have just written. */
    stream->paused = false;
    net_stream_shutdown(stream);
    loop_orphan_start(stream->loop, &stream->orphan);
    loop_timer_start(stream->loop, &stream->stall, NET_LINGER_MS);
}

/* ---- Reading ---- */

static void deliver(struct net_stream *stream, struct slice bytes)
{
    if (stream->events != NULL && stream->events->on_read != NULL) {
        stream->events->on_read(stream->data, bytes);
    }
}

static void end_reading(struct net_stream *stream, int status)
{
    if (stream->reading) {
        uv_read_stop(&stream->uv.stream);
        stream->reading = false;
    }
    if (!stream->ended && !stream->end_pending) {
        stream->end_pending = true;
        stream->end_status = status;
    }
    if (status != 0) {
        stream->failed = true;
        if (!stream->writing) {
            send_queue_release(&stream->queue);
        }
    }
    stream_wake(stream);
}

/* What TLS still holds comes before the end, and may have the goodbye in it. */
static void end_wire(struct net_stream *stream, int status)
{
    if (!stream->tls_unread) {
        end_reading(stream, status);
        return;
    }
    stream->wire_end = status;
    uv_read_stop(&stream->uv.stream);
    stream->reading = false;
    stream_wake(stream);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
    (void)suggested;
    struct net_stream *stream = stream_from(handle->data);
    *ret_buffer = uv_buf_init((char *)loop_scratch(stream->loop), NET_READ_BYTES);
}

static void on_read(uv_stream_t *handle, ssize_t count, const uv_buf_t *buffer)
{
    struct net_stream *stream = stream_from(handle->data);
    if (count == 0) {
        return;
    }
    if (count < 0) {
        /* Under TLS an end without goodbye may be an attacker's cut. */
        bool clean = count == UV_EOF && stream->tls == NULL;
        end_wire(stream, clean ? 0 : count == UV_EOF ? -ECONNRESET : (int)count);
        return;
    }
    struct slice bytes = slice_of(buffer->base, (size_t)count);
    if (stream->tls != NULL) {
        stream_read_cipher(stream, bytes);
    } else {
        deliver(stream, bytes);
    }
}

static void start_reading(struct net_stream *stream)
{
    if (!stream->reading && !stream->ended && !stream->end_pending && stream->wire_end == 0 &&
        !stream->closing) {
        int status = uv_read_start(&stream->uv.stream, on_alloc, on_read);
        if (status != 0) {
            stream_fail(stream, status);
            return;
        }
        stream->reading = true;
    }
}

/* Hands out what TLS can decrypt, as long as nobody pauses or closes. */
static void read_plain(struct net_stream *stream)
{
    uint8_t *plain = loop_scratch(stream->loop);
    stream->tls_unread = false;
    for (;;) {
        if (stream->closing || stream->ended || stream->end_pending) {
            return;
        }
        if (stream->paused || (stream->events == NULL && !stream->finishing)) {
            stream->tls_unread = true;
            return;
        }
        ssize_t count = tls_session_read(stream->tls, plain, NET_READ_BYTES);
        if (count == -EAGAIN) {
            break;
        }
        if (count <= 0) {
            end_reading(stream, count == 0 ? 0 : -EPROTO);
            return;
        }
        deliver(stream, slice_of(plain, (size_t)count));
    }
    if (stream->wire_end != 0) {
        end_reading(stream, stream->wire_end);
        return;
    }
    if (tls_session_output(stream->tls).len > 0) {
        stream_wake(stream); /* Key updates and alerts. */
    }
}

static void handshake_step(struct net_stream *stream)
{
    char reason[REASON_SIZE] = "";
    int status = tls_session_handshake(stream->tls, reason, sizeof(reason));
    if (status == -EAGAIN) {
        stream_flush(stream);
        return;
    }
    void (*done)(void *, int, const char *) = stream->handshake_done;
    if (status != 0) {
        stream_flush(stream); /* The alert. */
    }
    stream->handshake_done = NULL;
    stream->tls_unread = true; /* Data may have come with the last flight. */
    loop_timer_stop(stream->loop, &stream->stall);
    stream_wake(stream);
    done(stream->handshake_data, status, reason);
}

static void stream_read_cipher(struct net_stream *stream, struct slice bytes)
{
    tls_session_feed(stream->tls, bytes);
    if (stream->handshake_done != NULL) {
        handshake_step(stream);
    } else {
        read_plain(stream);
    }
}

static void on_handshake_end(struct net_stream *stream)
{
    void (*done)(void *, int, const char *) = stream->handshake_done;
    stream->handshake_done = NULL;
    done(stream->handshake_data, stream->end_status == 0 ? -ECONNRESET : stream->end_status,
         stream->end_status == -ETIMEDOUT ? "TLS: the handshake took too long"
                                          : "TLS: the connection ended during the handshake");
}

void net_stream_handshake(struct net_stream *stream, struct tls_config *tls,
                          const char *server_name,
                          void (*done)(void *data, int status, const char *message), void *data)
{
    assert(stream->tls == NULL && stream->events == NULL);
    stream->tls = tls_session_new(tls, server_name);
    memory_hold_set(&stream->tls_hold, TLS_SESSION_BYTES);
    stream->handshake_done = done;
    stream->handshake_data = data;
    char reason[REASON_SIZE] = "";
    int status = tls_session_handshake(stream->tls, reason, sizeof(reason));
    assert(status == -EAGAIN); /* Nothing has been read yet. */
    (void)status;
    loop_timer_start(stream->loop, &stream->stall, NET_TLS_HANDSHAKE_TIMEOUT_MS);
    start_reading(stream);
    stream_wake(stream);
}

void net_stream_unread(struct net_stream *stream, struct slice bytes)
{
    assert(stream->unread_at.len == 0);
    if (bytes.len == 0) {
        return;
    }
    free(stream->unread);
    stream->unread = alloc_bytes(bytes.len);
    memcpy(stream->unread, bytes.data, bytes.len);
    stream->unread_at = slice_of(stream->unread, bytes.len);
    stream_wake(stream);
}

void net_stream_start(struct net_stream *stream, const struct net_stream_events *events, void *data)
{
    assert(!stream->closing && !stream->finishing && stream->handshake_done == NULL);
    stream->events = events;
    stream->data = data;
    net_stream_resume(stream);
}

void net_stream_poke(struct net_stream *stream)
{
    stream->poked = true;
    stream_wake(stream);
}

void net_stream_detach(struct net_stream *stream)
{
    stream->events = NULL;
    net_stream_pause(stream);
}

void net_stream_pause(struct net_stream *stream)
{
    stream->paused = true;
    if (stream->reading) {
        uv_read_stop(&stream->uv.stream);
        stream->reading = false;
    }
}

void net_stream_resume(struct net_stream *stream)
{
    stream->paused = false;
    start_reading(stream);
    if (stream->tls_unread || stream->unread_at.len > 0 || stream->end_pending) {
        stream_wake(stream);
    }
}

/* ---- The end of a turn ---- */

static void deliver_unread(struct net_stream *stream)
{
    if (stream->unread_at.len > 0 && !stream->paused && stream->events != NULL) {
        struct slice bytes = stream->unread_at;
        uint8_t *memory = TAKE(stream->unread);
        stream->unread_at = (struct slice){.len = 0};
        deliver(stream, bytes);
        free(memory);
    }
}

static void deliver_end(struct net_stream *stream)
{
    if (stream->handshake_done != NULL) {
        stream->end_pending = false;
        stream->ended = true;
        on_handshake_end(stream);
        return;
    }
    bool waits = stream->events == NULL || stream->tls_unread || stream->unread_at.len > 0;
    if (stream->finishing) {
        stream->end_pending = false;
        stream->ended = true;
        if (stream->failed || (stream->shutdown_sent && !stream->writing)) {
            net_stream_close(stream, NULL, NULL);
        }
        return;
    }
    if (waits && !stream->failed) {
        return;
    }
    if (stream->events == NULL) {
        return; /* Told when somebody starts to listen. */
    }
    stream->end_pending = false;
    stream->ended = true;
    if (stream->events->on_end != NULL) {
        stream->events->on_end(stream->data, stream->end_status);
    }
}

void stream_turn(void *data)
{
    struct net_stream *stream = stream_from(data);
    stream_flush(stream);
    /* By what the owner is told is queued: it waits for this call while that is not low. */
    if (stream->over_high && net_stream_queued(stream) < NET_WRITE_LOW_BYTES && !stream->failed) {
        stream->over_high = false;
        if (stream->events != NULL && stream->events->on_drain != NULL) {
            stream->events->on_drain(stream->data);
        }
    }
    if (!stream->closing && stream->handshake_done == NULL) {
        if (stream->poked && !stream->paused) {
            stream->poked = false;
            deliver(stream, slice_text(""));
        }
        if (!stream->closing) {
            deliver_unread(stream);
        }
        if (!stream->closing && stream->tls != NULL && stream->tls_unread) {
            read_plain(stream);
        }
    }
    if (!stream->closing && stream->end_pending) {
        deliver_end(stream);
    }
}

struct loop *net_stream_loop(const struct net_stream *stream)
{
    return stream->loop;
}

const struct tls_peer *net_stream_tls_peer(const struct net_stream *stream)
{
    return stream->tls == NULL ? NULL : tls_session_peer(stream->tls);
}

uint32_t net_stream_round_trip_us(const struct net_stream *stream)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    uv_os_fd_t fd;
    if (uv_fileno(&stream->uv.handle, &fd) != 0 ||
        getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0) {
        return 0;
    }
    return info.tcpi_rtt;
}

const char *net_stream_peer_address(const struct net_stream *stream)
{
    return stream->peer_address;
}
