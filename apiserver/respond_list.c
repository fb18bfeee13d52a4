/* Lists: streamed from a snapshot of the cache, with back-pressure; memory per request does not
 * grow with the list. YAML needs the whole text, so it is built; so are those protobuf lists whose
 * items are not the cache's own bytes. */
#include "apiserver/request.h"
#include "lib/base/memory_budget.h"
#include "lib/net/limits.h"
#include <assert.h>

struct list_stream {
    size_t next; /* Index of the item to send next. */
    bool complete;
    bool sending;
    bool aborted; /* While sending: finished by the sender. */
};

static bool is_plain(const struct request *request)
{
    return request->accept.form == FORM_OBJECT || request->accept.form == FORM_PARTIAL;
}

static void print_list_meta(const struct registry_call *call, struct buffer *out)
{
    buffer_printf(out, "\"metadata\":{\"resourceVersion\":\"%llu\"",
                  (unsigned long long)call->list_revision);
    if (call->list_continue != NULL) {
        buffer_printf(out, ",\"continue\":\"%s\"", call->list_continue);
    }
    if (call->list_remaining >= 0) {
        buffer_printf(out, ",\"remainingItemCount\":%lld", (long long)call->list_remaining);
    }
    buffer_append_byte(out, '}');
}

static void print_head(struct request *request, struct buffer *out)
{
    const struct api_kind *kind = request->kind;
    const struct registry_call *call = &request->call;
    if (request->accept.form == FORM_TABLE) {
        encode_table_open(request, kind, call->list_revision, call->list_continue,
                          call->list_remaining, out);
        return;
    }
    bool partial = request->accept.form != FORM_OBJECT;
    buffer_printf(out, "{\"kind\":\"%s\",\"apiVersion\":\"%s%s\",",
                  partial ? "PartialObjectMetadataList" : kind->list_kind,
                  partial ? "meta.k8s.io/" : kind->api_version,
                  partial ? request->accept.form_version : "");
    print_list_meta(call, out);
    buffer_append_text(out, ",\"items\":[");
}

/* As it is shown now; NULL for one that cannot be decoded. */
static const void *item_message(struct request *request, size_t index, struct arena *scratch)
{
    return node_liveness_overlay(request->server->liveness, scratch, request->kind,
                                 cached_object_decode(request->call.items[index], scratch));
}

static void print_message(struct request *request, size_t index, const void *message,
                          struct buffer *out)
{
    if (request->accept.form == FORM_TABLE) {
        encode_table_row(request, request->kind, message, index == 0, out);
        return;
    }
    buffer_append_text(out, index == 0 ? "" : ",");
    if (request->accept.form != FORM_OBJECT) {
        encode_partial(request, request->kind, message, out);
    } else {
        /* Items of custom resources say what they are. */
        struct api_type_meta type_meta = {.api_version = request->kind->api_version,
                                          .kind = request->kind->kind};
        api_encode_json(request->kind->message, message,
                        custom_of(request->kind) == NULL ? NULL : &type_meta, out);
    }
}

static void print_item(struct request *request, size_t index, struct buffer *out)
{
    CLEANUP(arena_freep) struct arena *scratch = arena_new(REQUEST_ARENA_MAX);
    const void *message = item_message(request, index, scratch);
    if (message != NULL) {
        print_message(request, index, message, out);
    }
}

/* Whether the cache's own bytes are what is to be shown. */
static bool is_shown_as_cached(const struct request *request, size_t index)
{
    return request->accept.form == FORM_OBJECT && !node_liveness_concerns(request->kind) &&
           cached_object_kind(request->call.items[index]) == request->kind;
}

static size_t varint_size(size_t value)
{
    size_t size = 1;
    for (; value > 127; value >>= 7) {
        size++;
    }
    return size;
}

/* False, and nothing appended, when the cache's own bytes are not what is to be shown. */
static bool append_cached(const struct request *request, size_t index, struct buffer *out)
{
    const struct cached_object *object = request->call.items[index];
    if (!is_shown_as_cached(request, index)) {
        return false;
    }
    if (request->accept.media == MEDIA_PROTOBUF) {
        api_put_field_head(2, cached_object_protobuf_size(object), out);
        cached_object_append_protobuf(object, out);
        return true;
    }
    struct chunk *members = cached_object_json_members(object);
    if (members == NULL) {
        return false;
    }
    buffer_append_text(out, index == 0 ? "{" : ",{");
    buffer_append_slice(out, members->bytes);
    chunk_unref(members);
    return true;
}

static void print_end(const struct request *request, struct buffer *out)
{
    if (request->accept.media == MEDIA_PROTOBUF) {
        api_envelope_tail(out);
    } else {
        buffer_append_text(out, "]}\n");
    }
}

/* Items up to a batch, copied together: TLS needs its bytes in one piece anyway. Returns the bytes
 * that are queued. */
static size_t send_batch(struct request *request, struct list_stream *stream)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_LIST_MAX);
    uint8_t *room = buffer_reserve(&out, LIST_BATCH_BYTES + LIST_BATCH_SLACK);
    assert(room != NULL);
    (void)room;
    while (stream->next < request->call.item_count && out.len < LIST_BATCH_BYTES) {
        size_t index = stream->next++;
        if (!append_cached(request, index, &out)) {
            print_item(request, index, &out);
        }
    }
    if (stream->next == request->call.item_count) {
        print_end(request, &out);
    }
    size_t len = 0;
    uint8_t *bytes = buffer_take(&out, &len);
    struct chunk *batch = chunk_new_owned(bytes, len);
    size_t queued = http_write_shared(request->exchange, batch);
    chunk_unref(batch);
    return queued;
}

static void send_some(void *data)
{
    struct request *request = data;
    struct list_stream *stream = request->state;
    size_t queued = 0;
    stream->sending = true;
    while (!stream->aborted && !stream->complete && queued < NET_WRITE_HIGH_BYTES) {
        queued = send_batch(request, stream);
        stream->complete = stream->next == request->call.item_count;
    }
    stream->sending = false;
    if (stream->aborted) {
        request_finish(request);
        return;
    }
    if (!stream->complete) {
        request_count_list(request);
        return; /* on_drain comes back here. */
    }
    http_on_drain(request->exchange, NULL, NULL);
    http_on_abort(request->exchange, NULL, NULL);
    http_finish(request->exchange);
    request_finish(request);
}

static void list_aborted(void *data)
{
    struct request *request = data;
    struct list_stream *stream = request->state;
    if (stream->sending) {
        stream->aborted = true;
        return;
    }
    request_finish(request);
}

static void stream_from_head(struct request *request, struct slice head)
{
    struct http_header headers[COMMON_HEADERS_MAX];
    size_t count = common_headers(request, content_type_of(request, false), headers);
    struct list_stream *stream = arena_zeroed(request->arena, sizeof(*stream));
    request->state = stream;
    http_allow_gzip(request->exchange, true);
    http_respond_start(request->exchange, 200, headers, count);
    (void)http_write(request->exchange, head);
    if (http_is_aborted(request->exchange)) {
        request_finish(request);
        return;
    }
    http_on_drain(request->exchange, send_some, request);
    http_on_abort(request->exchange, list_aborted, request);
    send_some(request);
}

static void stream_list(struct request *request)
{
    CLEANUP(buffer_release) struct buffer head;
    buffer_init(&head, ENCODED_OBJECT_MAX);
    print_head(request, &head);
    stream_from_head(request, buffer_slice(&head));
}

/* Counts what a list that is built as a whole has taken so far, with as much again for the form
 * that it is put into at its end. False, and answered, when that is too much. */
static bool may_grow(struct request *request, struct memory_hold *hold, const struct buffer *list)
{
    memory_hold_set(hold, 2 * list->capacity);
    if (!memory_is_short(hold->budget)) {
        return true;
    }
    memory_hold_set(hold, 0);
    (void)http_memory_is_lacking(request->exchange, hold->budget->limit); /* For the count. */
    respond_short_memory(request);
    return false;
}

static void build_list(struct request *request)
{
    CLEANUP(buffer_release) struct buffer json;
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&json, ENCODED_LIST_MAX);
    buffer_init(&out, ENCODED_LIST_MAX);
    print_head(request, &json);
    struct memory_hold hold = {.budget = loop_memory(http_exchange_loop(request->exchange))};
    for (size_t i = 0; i < request->call.item_count; i++) {
        print_item(request, i, &json);
        if (!may_grow(request, &hold, &json)) {
            return;
        }
    }
    buffer_append_text(&json, "]}");
    if (request->accept.media == MEDIA_YAML) {
        append_yaml(buffer_slice(&json), &out);
    } else {
        json_indent(buffer_slice(&json), &out);
        buffer_append_byte(&out, '\n');
    }
    memory_hold_set(&hold, 0);
    respond_bytes(request, 200, content_type_of(request, false), buffer_slice(&out));
}

/* Every list message has metadata as field 1 and items as field 2. */
static void put_list_meta(struct request *request, struct buffer *out)
{
    const struct registry_call *call = &request->call;
    const struct api_message *schema =
        api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.ListMeta");
    Meta__V1__ListMeta *meta = api_message_new(request->arena, schema);
    meta->resource_version =
        arena_printf(request->arena, "%llu", (unsigned long long)call->list_revision);
    if (call->list_continue != NULL) {
        meta->continue_ = arena_text(request->arena, call->list_continue);
    }
    if (call->list_remaining >= 0) {
        meta->has_remaining_item_count = true;
        meta->remaining_item_count = call->list_remaining;
    }
    CLEANUP(buffer_release) struct buffer encoded;
    buffer_init(&encoded, ENCODED_OBJECT_MAX);
    api_encode_protobuf(schema, meta, &encoded);
    api_put_field_head(1, encoded.len, out);
    buffer_append_slice(out, buffer_slice(&encoded));
}

/* Streams the cache's bytes: the length that the envelope begins with is known without copying
 * them. False, and nothing done, when an item has none that can be shown as they are. */
static bool stream_protobuf_list(struct request *request)
{
    CLEANUP(buffer_release) struct buffer meta;
    CLEANUP(buffer_release) struct buffer head;
    buffer_init(&meta, ENCODED_OBJECT_MAX);
    buffer_init(&head, ENCODED_OBJECT_MAX);
    put_list_meta(request, &meta);
    size_t len = meta.len;
    for (size_t i = 0; i < request->call.item_count; i++) {
        size_t size = is_shown_as_cached(request, i)
                          ? cached_object_protobuf_size(request->call.items[i])
                          : 0;
        if (size == 0) {
            return false;
        }
        len += 1 + varint_size(size) + size; /* Tag, length, item. */
    }
    struct api_type_meta type_meta = {.api_version = request->kind->api_version,
                                      .kind = request->kind->list_kind};
    api_envelope_head(&type_meta, len, &head);
    buffer_append_slice(&head, buffer_slice(&meta));
    stream_from_head(request, buffer_slice(&head));
    return true;
}

static void build_protobuf_list(struct request *request)
{
    CLEANUP(buffer_release) struct buffer raw;
    CLEANUP(buffer_release) struct buffer out;
    CLEANUP(buffer_release) struct buffer item;
    buffer_init(&raw, ENCODED_LIST_MAX);
    buffer_init(&out, ENCODED_LIST_MAX);
    buffer_init(&item, ENCODED_OBJECT_MAX);
    const struct registry_call *call = &request->call;
    struct memory_hold hold = {.budget = loop_memory(http_exchange_loop(request->exchange))};
    put_list_meta(request, &raw);
    for (size_t i = 0; i < call->item_count; i++) {
        CLEANUP(arena_freep) struct arena *scratch = arena_new(REQUEST_ARENA_MAX);
        buffer_clear(&item);
        if (!may_grow(request, &hold, &raw)) {
            return;
        }
        const void *message = item_message(request, i, scratch);
        if (request->accept.form == FORM_OBJECT) {
            api_encode_protobuf(request->kind->message, message, &item);
        } else { /* PartialObjectMetadata: metadata is its field 1. */
            CLEANUP(buffer_release) struct buffer object_meta;
            buffer_init(&object_meta, ENCODED_OBJECT_MAX);
            api_encode_protobuf(api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta"),
                                api_message_meta(request->kind->message, message), &object_meta);
            api_put_field_head(1, object_meta.len, &item);
            buffer_append_slice(&item, buffer_slice(&object_meta));
        }
        api_put_field_head(2, item.len, &raw);
        buffer_append_slice(&raw, buffer_slice(&item));
    }
    bool partial = request->accept.form != FORM_OBJECT;
    struct api_type_meta type_meta = {
        .api_version = partial ? "meta.k8s.io/v1" : request->kind->api_version,
        .kind = partial ? "PartialObjectMetadataList" : request->kind->list_kind};
    api_wrap_envelope(buffer_slice(&raw), &type_meta, &out);
    memory_hold_set(&hold, 0);
    respond_bytes(request, 200, content_type_of(request, false), buffer_slice(&out));
}

void encode_list(struct request *request, shown_as *shown, struct buffer *out)
{
    print_head(request, out);
    for (size_t i = 0; i < request->call.item_count && buffer_error(out) == 0; i++) {
        CLEANUP(arena_freep) struct arena *scratch = arena_new(REQUEST_ARENA_MAX);
        const void *message = item_message(request, i, scratch);
        if (message != NULL) {
            print_message(request, i, shown(request, request->kind->message, message), out);
        }
    }
    buffer_append_text(out, "]}");
}

void http_list(struct request *request)
{
    if (request->accept.media == MEDIA_PROTOBUF) {
        if (!stream_protobuf_list(request)) {
            build_protobuf_list(request);
        }
    } else if (request->accept.media == MEDIA_YAML || request->accept.pretty ||
               !is_plain(request)) {
        if (request->accept.media == MEDIA_JSON && !request->accept.pretty) {
            stream_list(request);
        } else {
            build_list(request);
        }
    } else {
        stream_list(request);
    }
}
