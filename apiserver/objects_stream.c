/* Lists and watches of coracle.v1.Objects: messages of some size each, as fast as the client takes
 * them; memory per call does not grow with the list. */
#include "apiserver/object_list.h"
#include "apiserver/objects_call.h"
#include "lib/net/limits.h"
#include <stdio.h>

/* --- Lists --- */

struct list_stream {
    struct object_walk *walk; /* What is still to be sent. */
    bool headed;              /* What is said of the whole list is sent. */
    bool sending;
    bool aborted; /* While sending: finished by the sender. */
};

enum { LIST_FIELD_ITEMS = 6 };

/* Fields 1 to 5 of ListResponse. */
static void put_head(struct request *request, struct buffer *out)
{
    const struct registry_call *call = &request->call;
    bool partial = request->accept.form == FORM_PARTIAL;
    Objects__V1__ListResponse head;
    objects__v1__list_response__init(&head);
    head.api_version = (char *)(uintptr_t)(partial ? "meta.k8s.io/v1" : request->kind->api_version);
    head.kind =
        (char *)(uintptr_t)(partial ? "PartialObjectMetadataList" : request->kind->list_kind);
    head.resource_version =
        arena_printf(request->arena, "%llu", (unsigned long long)call->list_revision);
    if (call->list_continue != NULL) {
        head.continue_token = (char *)(uintptr_t)call->list_continue;
    }
    head.remaining_item_count = call->list_remaining > 0 ? call->list_remaining : 0;
    size_t len = objects__v1__list_response__get_packed_size(&head);
    uint8_t *bytes = buffer_reserve(out, len);
    if (bytes != NULL) {
        (void)objects__v1__list_response__pack(&head, bytes);
        buffer_commit(out, len);
    }
}

static void put_item(struct object_encoder *encoder, struct arena *copies,
                     const struct cached_object *object, struct buffer *out)
{
    struct request *request = encoder->request;
    const void *stored = cached_object_message(object);
    if (stored == NULL) {
        return;
    }
    const void *message =
        node_liveness_overlay(request->server->liveness, copies, request->kind, stored);
    bool as_cached = message == stored && cached_object_kind(object) == request->kind;
    Meta__V1__PartialObjectMetadata partial;
    struct shown shown =
        shown_as_asked(request, request->kind, as_cached ? object : NULL, message, &partial);
    object_encode_field(encoder, LIST_FIELD_ITEMS, &shown, out);
}

/* One message, of LIST_BATCH_BYTES and an object at most. Returns the bytes queued. */
static size_t send_batch(struct request *request, struct object_encoder *encoder,
                         struct buffer *out)
{
    struct list_stream *stream = request->state;
    CLEANUP(arena_freep) struct arena *copies = arena_new(REQUEST_ARENA_MAX);
    buffer_clear(out);
    if (!stream->headed) {
        stream->headed = true;
        put_head(request, out);
    }
    const struct cached_object *object = NULL;
    while (out->len < LIST_BATCH_BYTES && (object = object_walk_next(stream->walk)) != NULL) {
        put_item(encoder, copies, object, out);
    }
    return grpc_call_send(objects_call_of(request)->call, buffer_slice(out));
}

static void send_some(void *data)
{
    struct request *request = data;
    struct list_stream *stream = request->state;
    CLEANUP(object_encoder_release) struct object_encoder encoder;
    CLEANUP(buffer_release) struct buffer out;
    object_encoder_init(&encoder, request);
    buffer_init(&out, ENCODED_LIST_MAX);
    size_t queued = 0;
    stream->sending = true;
    while (!stream->aborted && queued < NET_WRITE_HIGH_BYTES &&
           (!stream->headed || object_walk_left(stream->walk) > 0)) {
        queued = send_batch(request, &encoder, &out);
    }
    stream->sending = false;
    if (!stream->aborted && object_walk_left(stream->walk) > 0) {
        request_count_list(request);
        return; /* on_drain comes back here. */
    }
    struct grpc_call *call = objects_call_of(request)->call;
    grpc_call_on_drain(call, NULL, NULL);
    grpc_call_on_cancel(call, NULL, NULL);
    grpc_call_finish(call, GRPC_OK, NULL, slice_text(""));
    request_finish(request);
}

static void list_aborted(void *data)
{
    struct request *request = data;
    struct list_stream *stream = request->state;
    stream->aborted = true;
    if (!stream->sending) {
        grpc_call_on_drain(objects_call_of(request)->call, NULL, NULL);
        request_finish(request);
    }
}

void objects_list(struct request *request)
{
    struct grpc_call *call = objects_call_of(request)->call;
    if (grpc_call_is_over(call)) { /* Nobody would end it. */
        request_finish(request);
        return;
    }
    struct list_stream *stream = arena_zeroed(request->arena, sizeof(*stream));
    stream->walk = object_list_walk(request->call.list);
    request->state = stream;
    objects_send_headers(request);
    grpc_call_on_drain(call, send_some, request);
    grpc_call_on_cancel(call, list_aborted, request);
    send_some(request);
}

/* --- Watches --- */

enum { WATCH_FIELD_TYPE = 1, WATCH_FIELD_OBJECT = 2, WATCH_FIELD_VERSION = 3, WATCH_FIELD_END = 4 };

static uint8_t type_number(const char *name)
{
    static const char *const names[] = {
        [OBJECTS__V1__WATCH_RESPONSE__TYPE__TYPE_UNSPECIFIED] = "",
        [OBJECTS__V1__WATCH_RESPONSE__TYPE__ADDED] = "ADDED",
        [OBJECTS__V1__WATCH_RESPONSE__TYPE__MODIFIED] = "MODIFIED",
        [OBJECTS__V1__WATCH_RESPONSE__TYPE__DELETED] = "DELETED",
        [OBJECTS__V1__WATCH_RESPONSE__TYPE__BOOKMARK] = "BOOKMARK",
    };
    uint8_t number = ARRAY_LEN(names) - 1;
    while (number > 0 && strcmp(names[number], name) != 0) {
        number--;
    }
    return number;
}

static void put_flag(unsigned number, uint8_t value, struct buffer *out)
{
    buffer_append_byte(out, (uint8_t)(number << 3));
    buffer_append_byte(out, value);
}

static size_t send_event(struct request *request, const struct watch_event *event)
{
    CLEANUP(object_encoder_release) struct object_encoder encoder;
    CLEANUP(buffer_release) struct buffer out;
    object_encoder_init(&encoder, request);
    buffer_init(&out, ENCODED_LIST_MAX);
    Meta__V1__PartialObjectMetadata partial;
    struct shown shown =
        shown_as_asked(request, request->kind, event->object, event->message, &partial);
    put_flag(WATCH_FIELD_TYPE, type_number(event->type), &out);
    object_encode_field(&encoder, WATCH_FIELD_OBJECT, &shown, &out);
    if (!event->initial) {
        char version[24];
        int len = snprintf(version, sizeof(version), "%llu", (unsigned long long)event->revision);
        api_put_field_head(WATCH_FIELD_VERSION, (size_t)len, &out);
        buffer_append(&out, version, (size_t)len);
    }
    if (event->initial_end) {
        put_flag(WATCH_FIELD_END, 1, &out);
    }
    return grpc_call_send(objects_call_of(request)->call, buffer_slice(&out));
}

static void end_watch(struct request *request)
{
    grpc_call_finish(objects_call_of(request)->call, GRPC_OK, NULL, slice_text(""));
}

const struct watch_codec objects_watch_codec = {
    .begin = objects_send_headers, .event = send_event, .error = objects_fail, .end = end_watch};
