/* The Watch service on the connection's loop: requests decoded, answers encoded, and the client's
 * pace reported back. */
#include "store/etcd_watch.h"

#include "lib/base/alloc.h"
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

/* The messages for `count` events, in one allocation. */
struct event_messages {
    Mvccpb__Event event;
    Mvccpb__KeyValue kv;
    Mvccpb__KeyValue prev_kv;
};

static void fill_event(const struct store_event *event, struct event_messages *messages)
{
    mvccpb__event__init(&messages->event);
    messages->event.type = event->kind == STORE_EVENT_PUT ? MVCCPB__EVENT__EVENT_TYPE__PUT
                                                          : MVCCPB__EVENT__EVENT_TYPE__DELETE;
    etcd_kv_message(event->kv, /* keys_only= */ false, &messages->kv);
    messages->event.kv = &messages->kv;
    if (event->prev_kv != NULL) {
        etcd_kv_message(event->prev_kv, /* keys_only= */ false, &messages->prev_kv);
        messages->event.prev_kv = &messages->prev_kv;
    }
}

/* How many events from `from` on go into one message. */
static size_t fragment_count(const struct watch_answer *answer, size_t from)
{
    size_t bytes = 0;
    size_t at = from;
    while (at < answer->event_count) {
        const struct store_event *event = &answer->events[at];
        bytes += WATCH_EVENT_OVERHEAD + event->kv->key.len + event->kv->value.len;
        bytes += event->prev_kv == NULL ? 0 : event->prev_kv->value.len;
        if (at > from && bytes > WATCH_FRAGMENT_BYTES && answer->fragment) {
            break;
        }
        at++;
    }
    return at - from;
}

static void send_events(struct watch_stream *stream, const struct watch_answer *answer,
                        Etcdserverpb__WatchResponse *response)
{
    size_t count = answer->event_count;
    struct event_messages *messages = alloc_array(count, sizeof(*messages));
    Mvccpb__Event **events = alloc_array(count, sizeof(*events));
    for (size_t i = 0; i < count; i++) {
        fill_event(&answer->events[i], &messages[i]);
        events[i] = &messages[i].event;
    }
    for (size_t from = 0; from < count;) {
        response->n_events = fragment_count(answer, from);
        response->events = &events[from];
        from += response->n_events;
        response->fragment = from < count;
        (void)etcd_send(stream->call, &response->base);
    }
    free(events);
    free(messages);
}

static void send_answer(struct watch_stream *stream, const struct watch_answer *answer)
{
    Etcdserverpb__WatchResponse response;
    Etcdserverpb__ResponseHeader header;
    etcdserverpb__watch_response__init(&response);
    etcd_fill_header(&answer->header, &header);
    response.header = &header;
    response.watch_id = answer->watch_id;
    CLEANUP(alloc_freep) char *reason = alloc_text(answer->reason == NULL ? "" : answer->reason);
    response.cancel_reason = reason;
    switch (answer->kind) {
    case WATCH_EVENTS:
        send_events(stream, answer, &response);
        return;
    case WATCH_CREATED:
        response.created = true;
        response.canceled = answer->canceled;
        break;
    case WATCH_CANCELED:
        response.canceled = true;
        response.compact_revision = answer->compact_revision;
        break;
    case WATCH_PROGRESS:
        break;
    }
    (void)etcd_send(stream->call, &response.base);
}

void watch_batch_send(void *batch_consume)
{
    struct watch_batch *batch = batch_consume;
    struct watch_stream *stream = batch->stream;
    size_t bytes = 0;
    LIST_FOREACH(node, next, &batch->answers)
    {
        struct watch_answer *answer = LIST_ENTRY(node, struct watch_answer, node);
        if (!stream->io.closed) {
            send_answer(stream, answer);
        }
        bytes += answer->bytes;
        list_remove(node);
        watch_answer_free(answer);
    }
    if (!stream->io.closed && grpc_call_queued(stream->call) >= NET_WRITE_HIGH_BYTES) {
        stream->io.owed += bytes; /* on_drain() takes it off. */
    } else {
        taken(stream, bytes);
    }
    watch_stream_unref(stream);
    free(batch);
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
        grpc_call_finish(stream->call, GRPC_INTERNAL, "grpc: error unmarshalling request",
                         slice_of(NULL, 0));
        stream_close(stream);
        return;
    }
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

static void on_end(void *data)
{
    struct watch_stream *stream = data;
    if (!stream->io.closed) {
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
    list_init(&stream->state.outbox);
    send_command(stream, COMMAND_OPEN, NULL);
    grpc_call_send_headers(call, NULL, 0);
    grpc_call_on_cancel(call, on_cancel, stream);
    grpc_call_on_drain(call, on_drain, stream);
    grpc_call_on_message(call, on_message, on_end, stream);
}
