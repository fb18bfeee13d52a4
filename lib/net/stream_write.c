/* What is written to a stream: queued, encrypted, and handed to libuv as far as the wire takes it.
 */
#include "lib/net/stream_state.h"

#include "lib/net/limits.h"
#include <errno.h>
#include <stdlib.h>

enum { TLS_RECORD_BYTES = 16 * 1024, TLS_FLUSH_BYTES = 128 * 1024 };

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
    buffer_release(&stream->cipher);
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

void stream_flush(struct net_stream *stream)
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
    stream_wake(stream);
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
    stream_wake(stream);
}
