/* A stream over a libuv handle. All that may lead to a callback of the owner happens in
 * stream_turn() or in a read, never inside the owner's own call, so owners need not expect to be
 * called while they call. */
#include "lib/net/stream.h"

#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/net/limits.h"
#include "lib/net/send_queue.h"
#include "lib/net/stream_private.h"
#include "lib/net/tls_session.h"
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

enum {
    STREAM_MAGIC = 0x5354524d,
    TLS_RECORD_BYTES = 16 * 1024,
    TLS_FLUSH_BYTES = 128 * 1024,
    REASON_SIZE = 160
};

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
    bool finishing;  /* net_stream_finish(): nobody listens any more. */
    bool closing;
    void (*closed)(void *data);
    void *closed_data;
    char peer_address[64];
};

static void stream_turn(void *data);
static void stream_read_cipher(struct net_stream *stream, struct slice bytes);

static struct net_stream *stream_from(void *data)
{
    struct net_stream *stream = data;
    assert(stream != NULL && stream->magic == STREAM_MAGIC);
    return stream;
}

static void wake(struct net_stream *stream)
{
    if (!stream->closing) {
        loop_turn_end_start(stream->loop, &stream->turn);
    }
}

static void stream_fail(struct net_stream *stream, int status)
{
    stream->failed = true;
    if (!stream->writing) { /* Else uv_write still points into it: on_written() does it. */
        send_queue_release(&stream->queue);
    }
    if (!stream->ended && !stream->end_pending) {
        stream->end_pending = true;
        stream->end_status = status;
    }
    wake(stream);
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
    stream->queue.hold.budget = loop_memory(loop);
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

/* ---- Writing ---- */

static void stream_flush(struct net_stream *stream);

static void on_written(uv_write_t *request, int status)
{
    struct net_stream *stream = stream_from(request->data);
    stream->writing = false;
    if (stream->closing) {
        send_queue_release(&stream->queue);
        return;
    }
    if (!stream->finishing && stream->handshake_done == NULL) {
        loop_timer_stop(stream->loop, &stream->stall);
    }
    if (status != 0) {
        stream_fail(stream, status);
        return;
    }
    if (stream->failed) {
        send_queue_release(&stream->queue);
        return;
    }
    send_queue_consume(&stream->queue, stream->in_flight);
    stream->in_flight = 0;
    buffer_clear(&stream->cipher);
    stream_flush(stream);
    stream_turn(stream);
}

static void write_rest(struct net_stream *stream, const uv_buf_t *pieces, unsigned count)
{
    stream->write.data = stream;
    int status = uv_write(&stream->write, &stream->uv.stream, pieces, count, on_written);
    if (status != 0) {
        stream_fail(stream, status);
        return;
    }
    stream->writing = true;
    if (!stream->finishing && stream->handshake_done == NULL) { /* These have the timer. */
        loop_timer_start(stream->loop, &stream->stall, HTTP_WRITE_TIMEOUT_MS);
    }
}

/* Sends the queue as it is. True when all of it went. */
static bool flush_plain(struct net_stream *stream)
{
    while (stream->queue.bytes > 0) {
        struct slice pieces[NET_WRITE_VECTOR_MAX];
        uv_buf_t buffers[NET_WRITE_VECTOR_MAX];
        size_t count = send_queue_peek(&stream->queue, pieces, NET_WRITE_VECTOR_MAX);
        size_t total = 0;
        for (size_t i = 0; i < count; i++) {
            /* libuv's buffers are not const, though it only reads them. */
            buffers[i] =
                (uv_buf_t){.base = (char *)(uintptr_t)pieces[i].data, .len = pieces[i].len};
            total += pieces[i].len;
        }
        int sent = uv_try_write(&stream->uv.stream, buffers, (unsigned)count);
        if (sent == UV_EAGAIN) {
            stream->in_flight = total;
            write_rest(stream, buffers, (unsigned)count);
            return false;
        }
        if (sent < 0) {
            stream_fail(stream, sent);
            return false;
        }
        send_queue_consume(&stream->queue, (size_t)sent);
    }
    return true;
}

/* Sends what TLS has encrypted. True when all of it went. */
static bool flush_cipher(struct net_stream *stream)
{
    struct slice output = tls_session_output(stream->tls);
    if (output.len == 0) {
        return true;
    }
    uv_buf_t piece = {.base = (char *)(uintptr_t)output.data, .len = output.len};
    int sent = uv_try_write(&stream->uv.stream, &piece, 1);
    if (sent < 0 && sent != UV_EAGAIN) {
        stream_fail(stream, sent);
        return false;
    }
    size_t done = sent < 0 ? 0 : (size_t)sent;
    if (done < output.len) {
        buffer_append(&stream->cipher, output.data + done, output.len - done);
    }
    tls_session_output_sent(stream->tls);
    if (done == output.len) {
        return true;
    }
    piece = (uv_buf_t){.base = (char *)stream->cipher.data, .len = stream->cipher.len};
    write_rest(stream, &piece, 1);
    return false;
}

/* Encrypts the next part of the queue: whole records where there is enough. */
static int encrypt_some(struct net_stream *stream)
{
    uint8_t joined[TLS_RECORD_BYTES];
    size_t budget = stream->queue.bytes < TLS_FLUSH_BYTES ? stream->queue.bytes : TLS_FLUSH_BYTES;
    if (budget > 0) {
        tls_session_expect(stream->tls, budget);
    }
    while (stream->queue.bytes > 0 && budget > 0) {
        struct slice pieces[NET_WRITE_VECTOR_MAX];
        size_t count = send_queue_peek(&stream->queue, pieces, NET_WRITE_VECTOR_MAX);
        struct slice next = pieces[0];
        if (next.len < TLS_RECORD_BYTES && count > 1) {
            size_t len = 0;
            for (size_t i = 0; i < count && len < TLS_RECORD_BYTES; i++) {
                size_t room = TLS_RECORD_BYTES - len;
                size_t part = pieces[i].len < room ? pieces[i].len : room;
                memcpy(joined + len, pieces[i].data, part);
                len += part;
            }
            next = slice_of(joined, len);
        }
        next.len = next.len < budget ? next.len : budget;
        int status = tls_session_write(stream->tls, next);
        if (status != 0) {
            return status;
        }
        send_queue_consume(&stream->queue, next.len);
        budget -= next.len;
    }
    return 0;
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    (void)status; /* A connection that is gone needs no end. */
    struct net_stream *stream = stream_from(request->data);
    if (stream->finishing && stream->ended && !stream->closing) {
        net_stream_close(stream, NULL, NULL);
    }
}

static void send_shutdown(struct net_stream *stream)
{
    stream->shutdown_sent = true;
    stream->shutdown.data = stream;
    int status = uv_shutdown(&stream->shutdown, &stream->uv.stream, on_shutdown);
    if (status != 0 && stream->finishing && stream->ended) {
        net_stream_close(stream, NULL, NULL);
    }
}

static void stream_flush(struct net_stream *stream)
{
    if (stream->writing || stream->failed || stream->closing) {
        return;
    }
    if (stream->tls == NULL) {
        if (!flush_plain(stream)) {
            return;
        }
    } else {
        do {
            if (!flush_cipher(stream)) {
                return;
            }
            if (stream->handshake_done != NULL) {
                return;
            }
            if (encrypt_some(stream) != 0) {
                stream_fail(stream, -EPROTO);
                return;
            }
            if (stream->shutdown_wanted && !stream->shutdown_sent && stream->queue.bytes == 0) {
                tls_session_shutdown(stream->tls);
            }
        } while (stream->queue.bytes > 0 || tls_session_output(stream->tls).len > 0);
    }
    if (stream->shutdown_wanted && !stream->shutdown_sent) {
        send_shutdown(stream);
    }
}

static size_t after_append(struct net_stream *stream)
{
    if (stream->queue.bytes > NET_WRITE_QUEUE_BYTES_MAX) {
        stream_fail(stream, -ENOBUFS);
        return 0;
    }
    size_t queued = net_stream_queued(stream);
    if (queued >= NET_WRITE_HIGH_BYTES) {
        stream->over_high = true;
    }
    wake(stream);
    return queued;
}

static bool can_write(const struct net_stream *stream)
{
    assert(loop_is_current(stream->loop));
    return !stream->failed && !stream->closing && !stream->shutdown_wanted;
}

size_t net_stream_write(struct net_stream *stream, struct slice bytes)
{
    if (!can_write(stream)) {
        return 0;
    }
    send_queue_append(&stream->queue, bytes);
    return after_append(stream);
}

size_t net_stream_write_chunk(struct net_stream *stream, struct chunk *chunk)
{
    return net_stream_write_chunk_part(stream, chunk, chunk->bytes);
}

size_t net_stream_write_chunk_part(struct net_stream *stream, struct chunk *chunk,
                                   struct slice part)
{
    if (!can_write(stream)) {
        return 0;
    }
    send_queue_append_chunk(&stream->queue, chunk, part);
    return after_append(stream);
}

size_t net_stream_write_queue(struct net_stream *stream, struct send_queue *queue)
{
    if (!can_write(stream)) {
        send_queue_release(queue);
        return 0;
    }
    send_queue_move(queue, &stream->queue, queue->bytes);
    return after_append(stream);
}

size_t net_stream_queued(const struct net_stream *stream)
{
    return stream->queue.bytes + stream->cipher.len;
}

void net_stream_flush(struct net_stream *stream)
{
    stream_flush(stream);
    if (!stream->end_pending && !stream->over_high && !stream->tls_unread && !stream->poked &&
        stream->unread_at.len == 0) {
        loop_turn_end_stop(&stream->turn); /* Nothing is left to do there. */
    }
}

void net_stream_shutdown(struct net_stream *stream)
{
    stream->shutdown_wanted = true;
    wake(stream);
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
    wake(stream);
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
        end_reading(stream, clean ? 0 : count == UV_EOF ? -ECONNRESET : (int)count);
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
    if (!stream->reading && !stream->ended && !stream->end_pending && !stream->closing) {
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
    if (tls_session_output(stream->tls).len > 0) {
        wake(stream); /* Key updates and alerts. */
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
    wake(stream);
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
    stream->handshake_done = done;
    stream->handshake_data = data;
    char reason[REASON_SIZE] = "";
    int status = tls_session_handshake(stream->tls, reason, sizeof(reason));
    assert(status == -EAGAIN); /* Nothing has been read yet. */
    (void)status;
    loop_timer_start(stream->loop, &stream->stall, NET_TLS_HANDSHAKE_TIMEOUT_MS);
    start_reading(stream);
    wake(stream);
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
    wake(stream);
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
    wake(stream);
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
        wake(stream);
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

static void stream_turn(void *data)
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
