/* Watches over HTTP: initial state, then events as they come, with back-pressure and bookmarks. The
 * bytes of an object are the cache's own. */
#include "apiserver/asked_kind.h"
#include "apiserver/request.h"
#include "lib/net/limits.h"
#include "lib/net/x509.h"
#include <stdio.h>
#include <stdlib.h>

struct watch_stream {
    struct request *request;
    struct registry_filter *filter;
    struct cache_watch *watch;
    struct loop_timer timeout;
    struct loop_timer bookmark;
    size_t initial; /* Next item of the initial state. */
    bool started;   /* Headers are sent. */
    bool bookmarks;
    bool initial_bookmark; /* sendInitialEvents: mark their end. */
    bool busy;             /* Inside a callback of the cache or of sending. */
    bool over;
    bool table_head_sent;
};

static const char *const event_names[] = {
    [CACHE_ADDED] = "ADDED", [CACHE_MODIFIED] = "MODIFIED", [CACHE_DELETED] = "DELETED"};

static struct loop *loop_of(struct watch_stream *stream)
{
    return http_exchange_loop(stream->request->exchange);
}

/* Ends everything; the request goes unless a callback above us still needs it. */
static void stream_end(struct watch_stream *stream)
{
    stream->over = true;
    if (stream->busy) {
        return;
    }
    struct request *request = stream->request;
    cache_watch_stop(stream->watch);
    stream->watch = NULL;
    loop_timer_stop(loop_of(stream), &stream->timeout);
    loop_timer_stop(loop_of(stream), &stream->bookmark);
    http_on_drain(request->exchange, NULL, NULL);
    http_on_abort(request->exchange, NULL, NULL);
    http_finish(request->exchange);
    request_finish(request);
}

static void aborted(void *data)
{
    stream_end(data);
}

/* --- Frames --- */

static void put_length(struct buffer *out, unsigned number, size_t len)
{
    buffer_append_byte(out, (uint8_t)(number << 3 | 2));
    while (len > 127) {
        buffer_append_byte(out, (uint8_t)(len & 127) | 128);
        len >>= 7;
    }
    buffer_append_byte(out, (uint8_t)len);
}

/* Length, then meta/v1.WatchEvent {1 type, 2 RawExtension {1 raw: envelope}}. */
static size_t send_protobuf(struct watch_stream *stream, const char *type, struct slice envelope)
{
    CLEANUP(buffer_release) struct buffer extension;
    CLEANUP(buffer_release) struct buffer event;
    buffer_init(&extension, ENCODED_OBJECT_MAX * 2);
    buffer_init(&event, ENCODED_OBJECT_MAX * 2);
    put_length(&extension, 1, envelope.len);
    buffer_append_slice(&extension, envelope);
    put_length(&event, 1, strlen(type));
    buffer_append_text(&event, type);
    put_length(&event, 2, extension.len);
    buffer_append_slice(&event, buffer_slice(&extension));
    uint8_t size[4] = {(uint8_t)(event.len >> 24), (uint8_t)(event.len >> 16),
                       (uint8_t)(event.len >> 8), (uint8_t)event.len};
    (void)http_write(stream->request->exchange, slice_of(size, 4));
    return http_write(stream->request->exchange, buffer_slice(&event));
}

static size_t send_json(struct watch_stream *stream, const char *type, struct slice object)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX * 2);
    buffer_printf(&out, "{\"type\":\"%s\",\"object\":", type);
    buffer_append_slice(&out, object);
    buffer_append_text(&out, "}\n");
    return http_write(stream->request->exchange, buffer_slice(&out));
}

static size_t send_shared(struct watch_stream *stream, const char *type, struct chunk *json)
{
    char head[48];
    int len = snprintf(head, sizeof(head), "{\"type\":\"%s\",\"object\":", type);
    (void)http_write(stream->request->exchange, slice_of(head, (size_t)len));
    (void)http_write_shared(stream->request->exchange, json);
    return http_write(stream->request->exchange, slice_text("}\n"));
}

static size_t send_object_protobuf(struct watch_stream *stream, const char *type,
                                   const struct api_kind *kind, const void *message)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    struct api_type_meta type_meta = {.api_version = kind->api_version, .kind = kind->kind};
    const struct api_message *schema = kind->message;
    const void *shown = message;
    if (stream->request->accept.form == FORM_PARTIAL) {
        schema = api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata");
        Meta__V1__PartialObjectMetadata *partial = api_message_new(stream->request->arena, schema);
        partial->metadata = api_message_meta(kind->message, message);
        shown = partial;
        type_meta = (struct api_type_meta){.api_version = "meta.k8s.io/v1",
                                           .kind = "PartialObjectMetadata"};
    }
    api_encode_envelope(schema, shown, &type_meta, &out);
    return send_protobuf(stream, type, buffer_slice(&out));
}

/* Tables: each event is a Table of one row; only the first has the column definitions. */
static size_t send_table(struct watch_stream *stream, const char *type, const void *message,
                         uint64_t revision)
{
    struct request *request = stream->request;
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    if (!stream->table_head_sent) {
        encode_table_open(request, request->kind, revision, NULL, -1, &out);
        stream->table_head_sent = true;
    } else {
        buffer_printf(&out,
                      "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/%s\",\"metadata\":{"
                      "\"resourceVersion\":\"%llu\"},\"columnDefinitions\":null,\"rows\":[",
                      request->accept.form_version, (unsigned long long)revision);
    }
    encode_table_row(request, request->kind, message, true, &out);
    buffer_append_text(&out, "]}");
    return send_json(stream, type, buffer_slice(&out));
}

/* Returns the bytes queued. */
static size_t send_object(struct watch_stream *stream, const char *type,
                          const struct cached_object *object)
{
    struct request *request = stream->request;
    const void *stored = cached_object_message(object);
    if (stored == NULL) {
        return 0;
    }
    const void *message =
        node_liveness_overlay(request->server->liveness, request->arena, request->kind, stored);
    if (request->accept.media == MEDIA_PROTOBUF) {
        return send_object_protobuf(stream, type, request->kind, message);
    }
    if (request->accept.form == FORM_TABLE) {
        return send_table(stream, type, message, cached_object_revision(object));
    }
    struct chunk *json = cached_object_json(object);
    if (request->accept.form == FORM_OBJECT && message == stored && json != NULL &&
        cached_object_kind(object) == request->kind) {
        return send_shared(stream, type, json);
    }
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    if (request->accept.form == FORM_OBJECT) {
        struct api_object shown = {.kind = request->kind, .message = (void *)(uintptr_t)message};
        api_object_encode_json(&shown, &out);
    } else {
        encode_partial(request, request->kind, message, &out);
    }
    return send_json(stream, type, buffer_slice(&out));
}

static void send_bookmark(struct watch_stream *stream, uint64_t revision, bool initial_end)
{
    struct request *request = stream->request;
    struct arena *arena = request->arena;
    const struct api_kind *kind = request->kind;
    struct api_object object = api_object_new(arena, kind);
    Meta__V1__ObjectMeta *meta = api_object_meta(&object);
    meta->resource_version = arena_printf(arena, "%llu", (unsigned long long)revision);
    if (initial_end) {
        api_meta_set_annotation(arena, meta, "k8s.io/initial-events-end", "true");
    }
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    if (request->accept.media == MEDIA_PROTOBUF) {
        (void)send_object_protobuf(stream, "BOOKMARK", kind, object.message);
        return;
    }
    if (request->accept.form == FORM_OBJECT) {
        api_object_encode_json(&object, &out);
    } else if (request->accept.form == FORM_TABLE) {
        (void)send_table(stream, "BOOKMARK", object.message, revision);
        return;
    } else {
        encode_partial(request, kind, object.message, &out);
    }
    (void)send_json(stream, "BOOKMARK", buffer_slice(&out));
}

static void send_error(struct watch_stream *stream, const struct api_status *status)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    if (stream->request->accept.media == MEDIA_PROTOBUF) {
        api_status_encode_protobuf(stream->request->arena, status, &out);
        (void)send_protobuf(stream, "ERROR", buffer_slice(&out));
    } else {
        api_status_encode_json(stream->request->arena, status, &out);
        (void)send_json(stream, "ERROR", buffer_slice(&out));
    }
}

/* --- Events of the cache --- */

static size_t send_event(struct watch_stream *stream, const struct cache_event *event)
{
    bool now =
        event->type != CACHE_DELETED && registry_filter_matches(stream->filter, event->object);
    bool before =
        event->previous != NULL && registry_filter_matches(stream->filter, event->previous);
    if (now) {
        return send_object(stream, before ? event_names[CACHE_MODIFIED] : event_names[CACHE_ADDED],
                           event->object);
    }
    if (!before) {
        return 0;
    }
    if (event->type == CACHE_DELETED) {
        return send_object(stream, event_names[CACHE_DELETED], event->object);
    }
    /* It left the selection: deleted for this watcher, in its last selected state. */
    struct cached_object *last = cached_object_at(event->previous, event->revision);
    size_t queued = send_object(stream, event_names[CACHE_DELETED], last);
    cached_object_unref(last);
    return queued;
}

static bool on_event(void *data, const struct cache_event *event)
{
    struct watch_stream *stream = data;
    if (http_queued(stream->request->exchange) >= NET_WRITE_HIGH_BYTES) {
        return false; /* on_drain resumes. */
    }
    stream->busy = true;
    (void)send_event(stream, event);
    stream->busy = false;
    if (stream->over) {
        stream_end(stream);
    }
    return true;
}

static void on_expired(void *data)
{
    struct watch_stream *stream = data;
    stream->busy = true;
    send_error(stream, api_status_expired(stream->request->arena,
                                          "too old resource version: the watch fell behind"));
    stream->busy = false;
    stream_end(stream);
}

static const struct cache_watch_ops watch_ops = {.event = on_event, .expired = on_expired};

static void on_timeout(void *data)
{
    struct watch_stream *stream = data;
    if (stream->bookmarks && stream->watch != NULL) {
        send_bookmark(stream, cache_watch_revision(stream->watch), false);
    }
    stream_end(stream);
}

static void on_bookmark(void *data)
{
    struct watch_stream *stream = data;
    loop_timer_start(loop_of(stream), &stream->bookmark, BOOKMARK_INTERVAL_MS);
    if (http_queued(stream->request->exchange) < NET_WRITE_HIGH_BYTES && stream->watch != NULL) {
        send_bookmark(stream, cache_watch_revision(stream->watch), false);
    }
}

/* --- Start --- */

static void start_stream(struct watch_stream *stream)
{
    struct request *request = stream->request;
    struct http_header headers[COMMON_HEADERS_MAX];
    size_t count = common_headers(request, content_type_of(request, true), headers);
    stream->started = true;
    http_respond_start(request->exchange, 200, headers, count);
    int64_t seconds = 0;
    if (query_int(&request->info.query, "timeoutSeconds", &seconds) < 0 || seconds <= 0) {
        uint16_t spread; /* So that not all come back at once. */
        x509_random((uint8_t *)&spread, sizeof(spread));
        seconds = 1800 + spread % 1800;
    }
    stream->timeout = (struct loop_timer){.fire = on_timeout, .data = stream};
    stream->bookmark = (struct loop_timer){.fire = on_bookmark, .data = stream};
    loop_timer_start(loop_of(stream), &stream->timeout, (uint64_t)seconds * 1000);
    if (stream->bookmarks) {
        loop_timer_start(loop_of(stream), &stream->bookmark, BOOKMARK_INTERVAL_MS);
    }
}

static void on_drain(void *data)
{
    struct watch_stream *stream = data;
    if (stream->watch != NULL) {
        cache_watch_resume(stream->watch);
    }
}

static bool wants_initial_state(const struct request *request)
{
    const char *version = request->call.options.resource_version;
    bool any = version == NULL || version[0] == 0 || strcmp(version, "0") == 0;
    return any || query_bool(&request->info.query, "sendInitialEvents", false);
}

static void follow_view(struct watch_stream *stream);

static void send_initial(void *data)
{
    struct watch_stream *stream = data;
    struct registry_call *call = &stream->request->call;
    stream->busy = true;
    size_t queued = 0;
    while (!stream->over && stream->initial < call->item_count && queued < NET_WRITE_HIGH_BYTES) {
        queued = send_object(stream, event_names[CACHE_ADDED], call->items[stream->initial++]);
    }
    stream->busy = false;
    if (stream->over) {
        stream_end(stream);
    } else if (stream->initial == call->item_count) {
        follow_view(stream);
    }
}

static void follow_view(struct watch_stream *stream)
{
    struct request *request = stream->request;
    if (stream->initial_bookmark) {
        send_bookmark(stream, request->call.list_revision, true);
    }
    http_on_drain(request->exchange, on_drain, stream);
    stream->watch =
        cache_watch_after_view(request_hub(request), request->call.view, &watch_ops, stream);
    flow_control_leave(&request->flow); /* What follows costs next to nothing. */
    /* Drops the snapshot: a watch of an hour must not hold the state of an hour ago. */
    registry_finish(&request->call);
}

static void listed(struct request *request)
{
    struct watch_stream *stream = request->state;
    if (http_is_aborted(request->exchange)) { /* Before there was anyone to be told. */
        request_finish(request);
        return;
    }
    start_stream(stream);
    if (query_get(&request->info.query, "sendInitialEvents") != NULL &&
        !query_bool(&request->info.query, "sendInitialEvents", true)) {
        stream->initial = request->call.item_count;
    }
    http_on_abort(request->exchange, aborted, stream);
    http_on_drain(request->exchange, send_initial, stream);
    send_initial(stream);
}

static void follow_version(struct watch_stream *stream, uint64_t revision)
{
    struct request *request = stream->request;
    uint64_t oldest = 0;
    if (http_is_aborted(request->exchange)) {
        request_finish(request);
        return;
    }
    start_stream(stream);
    stream->watch = cache_watch_after(request_hub(request), api_stored_kind(request->kind),
                                      revision, &watch_ops, stream, &oldest);
    if (stream->watch == NULL) {
        send_error(stream,
                   api_status_expired(
                       request->arena,
                       arena_printf(request->arena, "too old resource version: %llu (%llu)",
                                    (unsigned long long)revision, (unsigned long long)oldest)));
        stream_end(stream);
        return;
    }
    flow_control_leave(&request->flow);
    http_on_abort(request->exchange, aborted, stream);
    http_on_drain(request->exchange, on_drain, stream);
}

static bool check_initial_events(struct request *request)
{
    const struct query *query = &request->info.query;
    const char *match = query_get(query, "resourceVersionMatch");
    bool has_match = match != NULL && match[0] != 0;
    struct api_causes causes;
    api_causes_init(&causes, request->arena);
    struct api_path match_path = api_path_field(NULL, "resourceVersionMatch");
    if (query_get(query, "sendInitialEvents") != NULL) {
        if (!has_match) {
            api_cause_forbidden(&causes, &match_path,
                                "sendInitialEvents requires setting resourceVersionMatch to "
                                "NotOlderThan");
        } else if (strcmp(match, "NotOlderThan") != 0) {
            static const char *const values[] = {"NotOlderThan", NULL};
            api_cause_not_supported(&causes, &match_path, api_shown_text(match), values);
        }
    } else if (has_match) {
        api_cause_forbidden(&causes, &match_path,
                            "resourceVersionMatch is forbidden for watch unless "
                            "sendInitialEvents is provided");
    }
    if (causes.count == 0) {
        return true;
    }
    respond_status(request, api_status_invalid_options(request->arena, "ListOptions", &causes));
    return false;
}

void handle_watch(struct request *request)
{
    if (!fill_options(request) || !check_initial_events(request)) {
        return;
    }
    struct watch_stream *stream = arena_zeroed(request->arena, sizeof(*stream));
    stream->request = request;
    stream->bookmarks = query_bool(&request->info.query, "allowWatchBookmarks", false);
    stream->initial_bookmark =
        stream->bookmarks && query_bool(&request->info.query, "sendInitialEvents", false);
    request->state = stream;
    const char *namespace = request->kind->namespaced ? request->info.namespace : "";
    const struct api_status *refusal = NULL;
    if (registry_filter_new(request->arena, api_stored_kind(request->kind), namespace,
                            request->info.name, &request->call.options, &stream->filter,
                            &refusal) < 0) {
        respond_status(request, refusal);
        return;
    }
    if (wants_initial_state(request)) {
        request->call.verb = REGISTRY_LIST;
        request->call.options.resource_version_match = NULL;
        request->call.options.limit = 0;
        start_call(request, listed);
        return;
    }
    const char *version = request->call.options.resource_version;
    char *end = NULL;
    unsigned long long revision = strtoull(version, &end, 10);
    if (*end != 0 || version[0] < '0' || version[0] > '9') {
        respond_status(request, api_status_bad_request(request->arena,
                                                       "Invalid value: \"%s\": strconv.ParseUint: "
                                                       "parsing \"%s\": invalid syntax",
                                                       version, version));
        return;
    }
    follow_version(stream, revision);
}
