/* A watch over HTTP: JSON lines or length-prefixed protobuf, of objects, Tables or their metadata
 * alone; or each event as a message of a WebSocket. The bytes of an object are the cache's own. */
#include "apiserver/proxy_headers.h"
#include "apiserver/request.h"
#include "lib/base/base64.h"
#include "lib/net/websocket.h"
#include <stdio.h>

/* Length (not in a message, which has one), then meta/v1.WatchEvent {1 type, 2 RawExtension {1 raw:
 * envelope}}. */
static size_t send_protobuf(struct request *request, const char *type, struct slice envelope)
{
    CLEANUP(buffer_release) struct buffer extension;
    CLEANUP(buffer_release) struct buffer event;
    buffer_init(&extension, ENCODED_OBJECT_MAX * 2);
    buffer_init(&event, ENCODED_OBJECT_MAX * 2);
    api_put_field_head(1, envelope.len, &extension);
    buffer_append_slice(&extension, envelope);
    api_put_field_head(1, strlen(type), &event);
    buffer_append_text(&event, type);
    api_put_field_head(2, extension.len, &event);
    buffer_append_slice(&event, buffer_slice(&extension));
    uint8_t size[4] = {(uint8_t)(event.len >> 24), (uint8_t)(event.len >> 16),
                       (uint8_t)(event.len >> 8), (uint8_t)event.len};
    if (!http_wants_upgrade(request->exchange, "websocket")) {
        (void)http_write(request->exchange, slice_of(size, 4));
    }
    return http_write(request->exchange, buffer_slice(&event));
}

static size_t send_json(struct request *request, const char *type, struct slice object)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX * 2);
    buffer_printf(&out, "{\"type\":\"%s\",\"object\":", type);
    buffer_append_slice(&out, object);
    buffer_append_text(&out, "}\n");
    return http_write(request->exchange, buffer_slice(&out));
}

/* The frame that all watches share; made for this one where they have it of another type. */
static size_t send_shared(struct request *request, const char *type,
                          const struct cached_object *object)
{
    struct chunk *frame = cached_object_json_event(object, type);
    if (frame != NULL) {
        size_t queued = http_write_shared(request->exchange, frame);
        chunk_unref(frame);
        return queued;
    }
    struct chunk *json = cached_object_json(object);
    size_t queued = json == NULL ? 0 : send_json(request, type, json->bytes);
    chunk_unref(json);
    return queued;
}

static size_t send_cached_protobuf(struct request *request, const char *type,
                                   const struct cached_object *object)
{
    CLEANUP(buffer_release) struct buffer out;
    const struct api_kind *kind = cached_object_kind(object);
    struct api_type_meta type_meta = {.api_version = kind->api_version, .kind = kind->kind};
    buffer_init(&out, ENCODED_OBJECT_MAX);
    api_envelope_head(&type_meta, cached_object_protobuf_size(object), &out);
    cached_object_append_protobuf(object, &out);
    api_envelope_tail(&out);
    return send_protobuf(request, type, buffer_slice(&out));
}

static size_t send_object_protobuf(struct request *request, const char *type,
                                   const struct api_kind *kind, const void *message)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    struct api_type_meta type_meta = {.api_version = kind->api_version, .kind = kind->kind};
    const struct api_message *schema = kind->message;
    const void *shown = message;
    Meta__V1__PartialObjectMetadata partial; /* In no arena: a watch lasts long. */
    if (request->accept.form == FORM_PARTIAL) {
        schema = api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata");
        meta__v1__partial_object_metadata__init(&partial);
        partial.metadata = api_message_meta(kind->message, message);
        shown = &partial;
        type_meta = partial_type_meta(request, "PartialObjectMetadata");
    }
    api_encode_envelope(schema, shown, &type_meta, &out);
    return send_protobuf(request, type, buffer_slice(&out));
}

/* Tables: each event is a Table of one row; only the first has the column definitions. */
static size_t send_table(struct request *request, const char *type, const void *message,
                         uint64_t revision)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    if (!request->table_head_sent) {
        encode_table_open(request, request->kind, revision, NULL, -1, &out);
        request->table_head_sent = true;
    } else {
        buffer_printf(&out,
                      "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/%s\",\"metadata\":{"
                      "\"resourceVersion\":\"%llu\"},\"columnDefinitions\":null,\"rows\":[",
                      request->accept.form_version, (unsigned long long)revision);
    }
    encode_table_row(request, request->kind, message, true, &out);
    buffer_append_text(&out, "]}");
    return send_json(request, type, buffer_slice(&out));
}

static size_t http_event(struct request *request, const struct watch_event *event)
{
    const struct api_kind *kind = request->kind;
    bool as_cached = event->object != NULL && request->accept.form == FORM_OBJECT;
    if (request->accept.media == MEDIA_PROTOBUF && as_cached) {
        return send_cached_protobuf(request, event->type, event->object);
    }
    if (request->accept.media == MEDIA_PROTOBUF) {
        return send_object_protobuf(request, event->type, kind, event->message);
    }
    if (request->accept.form == FORM_TABLE) {
        return send_table(request, event->type, event->message, event->revision);
    }
    if (as_cached) {
        return send_shared(request, event->type, event->object);
    }
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    if (request->accept.form == FORM_OBJECT) {
        struct api_object shown = {.kind = kind, .message = (void *)(uintptr_t)event->message};
        api_object_encode_json(&shown, &out);
    } else {
        encode_partial(request, kind, event->message, &out);
    }
    return send_json(request, event->type, buffer_slice(&out));
}

/* What comes after its kind is the same for all: no items, and metadata of empty texts. */
static void put_empty_list(const struct api_type_meta *type_meta, struct buffer *out)
{
    const struct api_message *schema =
        api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.ListMeta");
    CLEANUP(arena_freep) struct arena *scratch = arena_new(REQUEST_ARENA_MAX);
    CLEANUP(buffer_release) struct buffer meta;
    CLEANUP(buffer_release) struct buffer list;
    buffer_init(&meta, ENCODED_OBJECT_MAX);
    buffer_init(&list, ENCODED_OBJECT_MAX);
    api_encode_protobuf(schema, api_message_new(scratch, schema), &meta);
    api_put_field_head(1, meta.len, &list);
    buffer_append_slice(&list, buffer_slice(&meta));
    api_envelope_head(type_meta, list.len, out);
    buffer_append_slice(out, buffer_slice(&list));
    api_envelope_tail(out);
}

static const char *http_empty_list(struct request *request)
{
    const struct api_kind *kind = request->kind;
    struct api_type_meta type_meta = {.api_version = kind->api_version, .kind = kind->list_kind};
    if (request->accept.form != FORM_OBJECT) {
        type_meta = partial_type_meta(request, "PartialObjectMetadataList");
    }
    CLEANUP(buffer_release) struct buffer list;
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&list, ENCODED_OBJECT_MAX);
    buffer_init(&text, ENCODED_OBJECT_MAX);
    if (request->accept.media == MEDIA_PROTOBUF) {
        put_empty_list(&type_meta, &list);
    } else {
        bool custom = custom_of(kind) != NULL && request->accept.form == FORM_OBJECT;
        buffer_printf(&list,
                      "{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{},\"items\":%s}\n",
                      type_meta.kind, type_meta.api_version, custom ? "[]" : "null");
    }
    base64_encode(buffer_slice(&list), &text);
    return arena_text(request->arena, buffer_text(&text));
}

static void http_error(struct request *request, const struct api_status *status)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    if (request->accept.media == MEDIA_PROTOBUF) {
        api_status_encode_protobuf(request->arena, status, &out);
        (void)send_protobuf(request, "ERROR", buffer_slice(&out));
    } else {
        api_status_encode_json(request->arena, status, &out);
        (void)send_json(request, "ERROR", buffer_slice(&out));
    }
}

/* The first that is offered and is no token. */
static const char *chosen_protocol(struct request *request)
{
    struct slice protocol = {.len = 0};
    size_t at = 0;
    while (websocket_next_protocol(request->exchange, &at, &protocol)) {
        if (!websocket_protocol_is_token(protocol)) {
            return arena_text_n(request->arena, (const char *)protocol.data, protocol.len);
        }
    }
    return NULL;
}

static void http_begin(struct request *request)
{
    bool text = request->accept.media != MEDIA_PROTOBUF;
    if (http_wants_upgrade(request->exchange, "websocket")) {
        (void)http_respond_messages(request->exchange, chosen_protocol(request), text);
        return; /* handle_watch() has seen that it can. */
    }
    struct http_header headers[COMMON_HEADERS_MAX];
    size_t count = common_headers(request, content_type_of(request, true), headers);
    http_respond_start(request->exchange, 200, headers, count);
}

static void http_end(struct request *request)
{
    http_finish(request->exchange);
}

const struct watch_codec http_watch_codec = {.begin = http_begin,
                                             .event = http_event,
                                             .empty_list = http_empty_list,
                                             .error = http_error,
                                             .end = http_end};
