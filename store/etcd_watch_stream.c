/* The Watch service on the connection's loop: requests decoded, answers sent, and the client's pace
 * reported back. */
#include "store/etcd_watch.h"

#include "lib/base/alloc.h"
#include "lib/net/chunk.h"
#include "lib/net/limits.h"
#include <assert.h>
#include <stdlib.h>

struct watch_stream *watch_stream_ref(struct watch_stream *stream)
{
    atomic_fetch_add_explicit(&stream->refs, 1, memory_order_relaxed);
    return stream;
}

void watch_stream_unref(struct watch_stream *stream)
{
    if (atomic_fetch_sub_explicit(&stream->refs, 1, memory_order_acq_rel) == 1) {
        hash_map_free(stream->state.watches);
        watch_outbox_release(&stream->state.outbox);
        etcd_identity_release(&stream->state.identity);
        grpc_call_unref(stream->call);
        etcd_service_unref(stream->service);
        free(stream);
    }
}

static void send_command(struct watch_stream *stream, enum watch_command_kind kind,
                         Etcdserverpb__WatchRequest *message_consume)
{
    struct watch_command *command = alloc_zeroed(sizeof(*command));
    command->stream = watch_stream_ref(stream);
    command->kind = kind;
    command->message = message_consume;
    loop_post(stream->service->store_loop, watch_command_run, command);
}

static void stream_close(struct watch_stream *stream)
{
    if (!stream->io.closed) {
        stream->io.closed = true;
        send_command(stream, COMMAND_GONE, NULL);
        watch_stream_unref(stream); /* The connection's. */
    }
}

/* --- Sending. */

static void taken(struct watch_stream *stream, size_t bytes)
{
    size_t left = atomic_fetch_sub(&stream->outstanding, bytes) - bytes;
    if (left < WATCH_STREAM_LOW_BYTES && atomic_load(&stream->paused) && !stream->io.closed) {
        send_command(stream, COMMAND_RESUME, NULL);
    }
}

static void on_drain(void *data)
{
    struct watch_stream *stream = data;
    size_t owed = stream->io.owed;
    stream->io.owed = 0;
    taken(stream, owed);
}

struct sending {
    struct grpc_call *call;
    size_t queued;
};

/* Sent piece by piece: what was just written is still in a cache. */
static void send_piece(void *data, struct chunk *messages)
{
    struct sending *sending = data;
    sending->queued = grpc_call_send_framed(sending->call, messages);
    grpc_call_flush(sending->call);
}

static size_t send_outbox(struct watch_stream *stream, const struct watch_outbox *outbox)
{
    struct sending sending = {.call = stream->call};
    watch_outbox_write(outbox, send_piece, &sending);
    return sending.queued;
}

static void send_batch(struct watch_batch *batch)
{
    struct watch_stream *stream = batch->stream;
    if (!stream->io.closed && batch->end_status != 0) {
        etcd_fail(stream->call, batch->end_status);
        stream_close(stream);
    }
    if (!stream->io.closed && batch->outbox.overflowed) {
        grpc_call_finish(stream->call, GRPC_RESOURCE_EXHAUSTED,
                         "events of one revision are too large to be sent", slice_of(NULL, 0));
        stream_close(stream);
    }
    if (!stream->io.closed && send_outbox(stream, &batch->outbox) >= NET_WRITE_HIGH_BYTES) {
        stream->io.owed += batch->charged; /* on_drain() takes it off. */
    } else {
        taken(stream, batch->charged);
    }
}

void watch_batches_send(void *first_consume)
{
    for (struct watch_batch *next, *batch = first_consume; batch != NULL; batch = next) {
        next = batch->next;
        send_batch(batch);
        watch_outbox_release(&batch->outbox);
        watch_stream_unref(batch->stream);
        free(batch);
    }
}

/* --- Receiving. */

static void on_message(void *data, struct slice bytes)
{
    struct watch_stream *stream = data;
    if (stream->io.closed) {
        return;
    }
    Etcdserverpb__WatchRequest *message =
        etcdserverpb__watch_request__unpack(NULL, bytes.len, bytes.data);
    if (message == NULL) {
        etcd_malformed_stream(stream->call);
        stream_close(stream);
        return;
    }
    stream->io.asked = stream->io.asked || message->request_union_case !=
                                               ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION__NOT_SET;
    switch ((int)message->request_union_case) {
    case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST:
        send_command(stream, COMMAND_CREATE, message);
        break;
    case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CANCEL_REQUEST:
        send_command(stream, COMMAND_CANCEL, message);
        break;
    case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_PROGRESS_REQUEST:
        send_command(stream, COMMAND_PROGRESS, message);
        break;
    default: /* Newer than we are: as etcd, ignored. */
        etcdserverpb__watch_request__free_unpacked(message, NULL);
        break;
    }
}

/* As etcd's, it goes on when its client has said all, which by the gateway is at once; unless there
 * is nothing that could come. */
static void on_end(void *data)
{
    struct watch_stream *stream = data;
    if (!stream->io.closed && !stream->io.asked) {
        grpc_call_finish(stream->call, GRPC_OK, NULL, slice_of(NULL, 0));
        stream_close(stream);
    }
}

static void on_cancel(void *data)
{
    stream_close(data);
}

void etcd_watch_call(void *data, struct grpc_call *call, struct slice request)
{
    (void)request;
    struct watch_stream *stream = alloc_zeroed(sizeof(*stream));
    atomic_init(&stream->refs, 1); /* The connection's, until it is closed. */
    atomic_init(&stream->outstanding, 0);
    atomic_init(&stream->paused, false);
    stream->service = etcd_service_ref(data);
    stream->call = grpc_call_ref(call);
    list_init(&stream->state.node);
    list_init(&stream->state.dirty);
    list_init(&stream->state.leader.node);
    send_command(stream, COMMAND_OPEN, NULL);
    grpc_call_send_headers(call, NULL, 0);
    grpc_call_on_cancel(call, on_cancel, stream);
    grpc_call_on_drain(call, on_drain, stream);
    grpc_call_on_message(call, on_message, on_end, stream);
}
