/* Lists: streamed from a snapshot of the cache, with back-pressure; memory per request does not
 * grow with the list. Protobuf begins with the length of all: it takes a walk of its own to know
 * it. Nodes and Leases as protobuf are built as a whole, as heartbeats change their length
 * meanwhile. */
#include "apiserver/object_list.h"
#include "apiserver/request.h"
#include "lib/base/memory_budget.h"
#include "lib/net/limits.h"
#include <assert.h>
#include <stdlib.h>

struct list_stream {
    struct object_walk *walk; /* What is still to be sent. */
    bool first;               /* No item was sent yet. */
    bool complete;
    bool sending;
    bool aborted; /* While sending: finished by the sender. */
    struct json_indent indent;
    struct slice end; /* YAML: what comes after the items. */
    size_t promised;  /* Protobuf: bytes of items that are still to come. */
};

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
static const void *item_message(struct request *request, const struct cached_object *object,
                                struct arena *scratch)
{
    return node_liveness_overlay(request->server->liveness, scratch, request->kind,
                                 cached_object_decode(object, scratch));
}

static void print_message(struct request *request, bool first, const void *message,
                          struct buffer *out)
{
    if (request->accept.form == FORM_TABLE) {
        encode_table_row(request, request->kind, message, first, out);
        return;
    }
    buffer_append_text(out, first ? "" : ",");
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

/* Whether the cache's own bytes are what is to be shown. */
static bool is_shown_as_cached(const struct request *request, const struct cached_object *object)
{
    return request->accept.form == FORM_OBJECT && !node_liveness_concerns(request->kind) &&
           cached_object_kind(object) == request->kind;
}

/* False, and nothing appended, when the cache's own bytes are not what is to be shown. */
static bool print_cached(const struct request *request, const struct cached_object *object,
                         bool first, struct buffer *out)
{
    struct chunk *members =
        is_shown_as_cached(request, object) ? cached_object_json_members(object) : NULL;
    if (members == NULL) {
        return false;
    }
    buffer_append_text(out, first ? "{" : ",{");
    buffer_append_slice(out, members->bytes);
    chunk_unref(members);
    return true;
}

static void print_item(struct request *request, const struct cached_object *object, bool first,
                       struct buffer *out)
{
    if (print_cached(request, object, first, out)) {
        return;
    }
    CLEANUP(arena_freep) struct arena *scratch = arena_new(REQUEST_ARENA_MAX);
    const void *message = item_message(request, object, scratch);
    if (message != NULL) {
        print_message(request, first, message, out);
    }
}

/* --- Protobuf: every list message has metadata as field 1 and items as field 2 --- */

enum { LIST_FIELD_META = 1, LIST_FIELD_ITEMS = 2 };

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
    api_put_field_head(LIST_FIELD_META, encoded.len, out);
    buffer_append_slice(out, buffer_slice(&encoded));
}

/* One that is not shown as it is cached. */
static void put_shown(struct request *request, const struct cached_object *object,
                      struct buffer *out)
{
    CLEANUP(arena_freep) struct arena *scratch = arena_new(REQUEST_ARENA_MAX);
    const void *message = item_message(request, object, scratch);
    if (message == NULL) {
        return;
    }
    if (request->accept.form == FORM_OBJECT) {
        api_encode_protobuf(request->kind->message, message, out);
        return;
    }
    CLEANUP(buffer_release) struct buffer meta; /* The field 1 of a PartialObjectMetadata. */
    buffer_init(&meta, ENCODED_OBJECT_MAX);
    api_encode_protobuf(api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta"),
                        api_message_meta(request->kind->message, message), &meta);
    api_put_field_head(1, meta.len, out);
    buffer_append_slice(out, buffer_slice(&meta));
}

static void put_item(struct request *request, const struct cached_object *object,
                     struct buffer *out)
{
    if (is_shown_as_cached(request, object)) {
        api_put_field_head(LIST_FIELD_ITEMS, cached_object_protobuf_size(object), out);
        cached_object_append_protobuf(object, out);
        return;
    }
    CLEANUP(buffer_release) struct buffer item;
    buffer_init(&item, ENCODED_OBJECT_MAX);
    put_shown(request, object, &item);
    api_put_field_head(LIST_FIELD_ITEMS, item.len, out);
    buffer_append_slice(out, buffer_slice(&item));
}

static size_t varint_size(size_t value)
{
    size_t size = 1;
    for (; value > 127; value >>= 7) {
        size++;
    }
    return size;
}

/* How long put_item() makes it; what is cached is not copied for that. */
static size_t item_size(struct request *request, const struct cached_object *object)
{
    size_t size = 0;
    if (is_shown_as_cached(request, object)) {
        size = cached_object_protobuf_size(object);
    } else {
        CLEANUP(buffer_release) struct buffer item;
        buffer_init(&item, ENCODED_OBJECT_MAX);
        put_shown(request, object, &item);
        size = item.len;
    }
    return 1 + varint_size(size) + size; /* Tag, length, item. */
}

/* --- YAML: a list without items says what comes before and after them --- */

static bool is_yaml(const struct request *request)
{
    return request->accept.media == MEDIA_YAML;
}

static void put_yaml_item(struct request *request, const struct cached_object *object,
                          struct buffer *out)
{
    CLEANUP(buffer_release) struct buffer json;
    buffer_init(&json, ENCODED_OBJECT_MAX);
    buffer_append_byte(&json, '[');
    print_item(request, object, /* first= */ true, &json);
    buffer_append_byte(&json, ']');
    append_yaml(buffer_slice(&json), out);
}

/* What comes before the items of a list is appended, what comes after them kept. */
static void split_yaml(struct request *request, struct slice empty, struct list_stream *stream,
                       struct buffer *out)
{
    static const char items[] = "\nitems: []\n", rows[] = "\nrows: []\n";
    const char *none = request->accept.form == FORM_TABLE ? rows : items;
    const uint8_t *at = memmem(empty.data, empty.len, none, strlen(none));
    assert(at != NULL); /* Members of members are indented. */
    size_t head = (size_t)(at - empty.data), tail = head + strlen(none);
    buffer_append(out, empty.data, head + strcspn(none, " "));
    buffer_append_byte(out, '\n');
    stream->end = arena_slice(request->arena, slice_of(empty.data + tail, empty.len - tail));
}

static void put_yaml_head(struct request *request, struct list_stream *stream, struct buffer *out)
{
    CLEANUP(buffer_release) struct buffer json;
    CLEANUP(buffer_release) struct buffer empty;
    buffer_init(&json, ENCODED_OBJECT_MAX);
    buffer_init(&empty, ENCODED_OBJECT_MAX);
    print_head(request, &json);
    buffer_append_text(&json, "]}");
    append_yaml(buffer_slice(&json), &empty);
    if (object_walk_left(stream->walk) > 0) {
        split_yaml(request, buffer_slice(&empty), stream, out);
    } else {
        buffer_append_slice(out, buffer_slice(&empty));
    }
}

/* --- Streaming --- */

static bool is_indented(const struct request *request)
{
    return request->accept.media == MEDIA_JSON && request->accept.pretty;
}

static void append_item(struct request *request, struct list_stream *stream,
                        const struct cached_object *object, struct buffer *out)
{
    if (request->accept.media == MEDIA_PROTOBUF) {
        size_t before = out->len;
        put_item(request, object, out);
        stream->promised -= out->len - before;
    } else if (is_yaml(request)) {
        put_yaml_item(request, object, out);
    } else {
        size_t before = out->len;
        print_item(request, object, stream->first, out);
        stream->first = stream->first && out->len == before;
    }
}

static void append_end(const struct request *request, const struct list_stream *stream,
                       struct buffer *out)
{
    if (request->accept.media == MEDIA_PROTOBUF) {
        api_envelope_tail(out);
    } else if (is_yaml(request)) {
        buffer_append_slice(out, stream->end);
    } else {
        buffer_append_text(out, "]}\n");
    }
}

/* Batches end between items, never inside of a string. */
static void indent(struct list_stream *stream, struct buffer *text)
{
    struct buffer indented;
    buffer_init(&indented, ENCODED_LIST_MAX);
    json_indent_part(&stream->indent, buffer_slice(text), &indented);
    buffer_release(text);
    *text = indented;
}

/* Appends items until there are as many bytes, and the end after the last. */
static void fill(struct request *request, struct list_stream *stream, size_t bytes,
                 struct buffer *out)
{
    const struct cached_object *object = NULL;
    while (out->len < bytes && (object = object_walk_next(stream->walk)) != NULL) {
        append_item(request, stream, object, out);
    }
    stream->complete = object_walk_left(stream->walk) == 0;
    if (stream->complete) {
        append_end(request, stream, out);
    }
    if (is_indented(request)) {
        indent(stream, out);
    }
}

static struct chunk *take_chunk(struct buffer *text)
{
    size_t len = 0;
    uint8_t *bytes = buffer_take(text, &len);
    return chunk_new_owned(bytes, len);
}

static void reserve_batch(struct buffer *out)
{
    buffer_init(out, ENCODED_LIST_MAX);
    uint8_t *room = buffer_reserve(out, LIST_BATCH_BYTES + LIST_BATCH_SLACK);
    assert(room != NULL);
    (void)room;
}

/* Items up to a batch, copied together: TLS needs its bytes in one piece anyway. Returns the bytes
 * that are queued. */
static size_t send_batch(struct request *request, struct list_stream *stream)
{
    CLEANUP(buffer_release) struct buffer out;
    reserve_batch(&out);
    fill(request, stream, LIST_BATCH_BYTES, &out);
    struct chunk *batch = take_chunk(&out);
    size_t queued = http_write_shared(request->exchange, batch);
    chunk_unref(batch);
    return queued;
}

/* Of protobuf less came than its head says, as the key of an object of the past has been taken away
 * meanwhile. */
static bool is_cut(const struct list_stream *stream)
{
    return stream->promised != 0;
}

static void send_some(void *data)
{
    struct request *request = data;
    struct list_stream *stream = request->state;
    size_t queued = 0;
    stream->sending = true;
    while (!stream->aborted && !stream->complete && queued < NET_WRITE_HIGH_BYTES) {
        queued = send_batch(request, stream);
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
    if (is_cut(stream)) {
        http_abort(request->exchange);
    } else {
        http_finish(request->exchange);
    }
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

/* The list as a whole, when it is so short that it need not be compressed. */
static void send_whole(struct request *request, const struct list_stream *stream,
                       struct chunk *text)
{
    struct http_header headers[COMMON_HEADERS_MAX];
    size_t count = common_headers(request, content_type_of(request, false), headers);
    http_allow_gzip(request->exchange, false);
    if (is_cut(stream)) {
        http_abort(request->exchange);
    } else {
        http_respond_shared(request->exchange, 200, headers, count, &text, 1);
    }
    request_finish(request);
}

static void send_beginning(struct request *request, struct chunk *text)
{
    struct http_header headers[COMMON_HEADERS_MAX];
    size_t count = common_headers(request, content_type_of(request, false), headers);
    http_allow_gzip(request->exchange, true);
    http_respond_start(request->exchange, 200, headers, count);
    (void)http_write_shared(request->exchange, text);
    if (http_is_aborted(request->exchange)) {
        request_finish(request);
        return;
    }
    http_on_drain(request->exchange, send_some, request);
    http_on_abort(request->exchange, list_aborted, request);
    send_some(request);
}

static void put_protobuf_head(struct request *request, struct list_stream *stream,
                              struct buffer *out)
{
    CLEANUP(buffer_release) struct buffer meta;
    buffer_init(&meta, ENCODED_OBJECT_MAX);
    put_list_meta(request, &meta);
    struct object_walk *walk = object_list_walk(request->call.list);
    const struct cached_object *object = NULL;
    while ((object = object_walk_next(walk)) != NULL) {
        stream->promised += item_size(request, object);
    }
    struct api_type_meta type_meta = {.api_version = request->kind->api_version,
                                      .kind = request->kind->list_kind};
    if (request->accept.form != FORM_OBJECT) {
        type_meta = partial_type_meta(request, "PartialObjectMetadataList");
    }
    api_envelope_head(&type_meta, meta.len + stream->promised, out);
    buffer_append_slice(out, buffer_slice(&meta));
}

static void stream_list(struct request *request)
{
    CLEANUP(buffer_release) struct buffer text;
    reserve_batch(&text);
    struct list_stream *stream = arena_zeroed(request->arena, sizeof(*stream));
    stream->walk = object_list_walk(request->call.list);
    stream->first = true;
    request->state = stream;
    if (request->accept.media == MEDIA_PROTOBUF) {
        put_protobuf_head(request, stream, &text);
    } else if (is_yaml(request)) {
        put_yaml_head(request, stream, &text);
    } else {
        print_head(request, &text);
    }
    fill(request, stream, HTTP_PLAIN_BYTES_MAX + 1, &text);
    struct chunk *chunk = take_chunk(&text);
    if (stream->complete) {
        send_whole(request, stream, chunk);
    } else {
        send_beginning(request, chunk);
    }
    chunk_unref(chunk);
}

/* --- Protobuf whose length may change while it is sent --- */

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

static void build_protobuf_list(struct request *request)
{
    CLEANUP(buffer_release) struct buffer raw;
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&raw, ENCODED_LIST_MAX);
    buffer_init(&out, ENCODED_LIST_MAX);
    struct memory_hold hold = {.budget = loop_memory(http_exchange_loop(request->exchange))};
    put_list_meta(request, &raw);
    struct object_walk *walk = object_list_walk(request->call.list);
    const struct cached_object *object = NULL;
    while ((object = object_walk_next(walk)) != NULL) {
        if (!may_grow(request, &hold, &raw)) {
            return;
        }
        put_item(request, object, &raw);
    }
    struct api_type_meta type_meta = {.api_version = request->kind->api_version,
                                      .kind = request->kind->list_kind};
    api_wrap_envelope(buffer_slice(&raw), &type_meta, &out);
    memory_hold_set(&hold, 0);
    respond_bytes(request, 200, content_type_of(request, false), buffer_slice(&out));
}

/* --- Rows in another order than that of their keys --- */

/* All of them are decoded at a time: there must not be many. */
static bool may_be_ordered(struct request *request)
{
    struct object_walk *walk = object_list_walk(request->call.list);
    const struct cached_object *object = NULL;
    size_t bytes = 0;
    while (bytes <= ORDERED_BYTES_MAX && (object = object_walk_next(walk)) != NULL) {
        bytes += cached_object_protobuf_size(object);
    }
    return request->call.item_count <= ORDERED_ROWS_MAX && bytes <= ORDERED_BYTES_MAX;
}

/* False, and nothing answered, when the order is that of the keys. */
static bool respond_ordered(struct request *request)
{
    api_table_compare *compare =
        request->accept.form == FORM_TABLE ? api_table_order(request->kind) : NULL;
    if (compare == NULL || !may_be_ordered(request)) {
        return false;
    }
    CLEANUP(arena_freep) struct arena *scratch = arena_new(SIZE_MAX);
    size_t count = 0;
    const void **messages =
        arena_array(scratch, request->call.item_count + 1, sizeof(const void *));
    struct object_walk *walk = object_list_walk(request->call.list);
    const struct cached_object *object = NULL;
    while (count < request->call.item_count && (object = object_walk_next(walk)) != NULL) {
        const void *message = item_message(request, object, scratch);
        if (message != NULL) {
            messages[count++] = message;
        }
    }
    qsort(messages, count, sizeof(const void *), compare);
    respond_rows(request, messages, count);
    return true;
}

void encode_list(struct request *request, shown_as *shown, struct buffer *out)
{
    print_head(request, out);
    struct object_walk *walk = object_list_walk(request->call.list);
    const struct cached_object *object = NULL;
    bool first = true;
    while (buffer_error(out) == 0 && (object = object_walk_next(walk)) != NULL) {
        CLEANUP(arena_freep) struct arena *scratch = arena_new(REQUEST_ARENA_MAX);
        const void *message = item_message(request, object, scratch);
        if (message != NULL) {
            print_message(request, first, shown(request, request->kind->message, message), out);
            first = false;
        }
    }
    buffer_append_text(out, "]}");
}

void http_list(struct request *request)
{
    bool changes = request->accept.form == FORM_OBJECT && node_liveness_concerns(request->kind);
    if (request->accept.media == MEDIA_PROTOBUF && changes) {
        build_protobuf_list(request);
    } else if (!respond_ordered(request)) {
        stream_list(request);
    }
}
