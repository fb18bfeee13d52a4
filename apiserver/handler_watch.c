/* Watches: initial state, then events as they come, with back-pressure and bookmarks. */
#include "apiserver/asked_kind.h"
#include "apiserver/audit.h"
#include "apiserver/object_list.h"
#include "apiserver/request.h"
#include "apiserver/version_fill.h"
#include "apiserver/watch_options.h"
#include "k8s/tables.h"
#include "lib/net/limits.h"
#include "lib/net/websocket.h"
#include <stdio.h>
#include <stdlib.h>

struct watch_stream {
    struct request *request;
    struct watch_options options;
    struct registry_filter *filter;
    struct cache_watch *watch;
    struct version_fill *fill; /* The next event is being converted. */
    struct loop_timer timeout;
    struct loop_timer bookmark;
    struct object_walk *initial; /* What is still to be sent of the initial state; NULL: nothing. */
    bool started;                /* Headers are sent. */
    bool busy;                   /* Inside a callback of the cache or of sending. */
    bool over;
    bool object_alone; /* See request_needs_object_alone(). */
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
    version_fill_cancel(stream->fill);
    stream->fill = NULL;
    loop_timer_stop(loop_of(stream), &stream->timeout);
    loop_timer_stop(loop_of(stream), &stream->bookmark);
    http_on_drain(request->exchange, NULL, NULL);
    http_on_closing(request->exchange, NULL, NULL);
    request->codec->on_abort(request, NULL, NULL);
    request->codec->watch->end(request);
    request_finish(request);
}

static void aborted(void *data)
{
    stream_end(data);
}

/* --- Events --- */

static void send_error(struct watch_stream *stream, const struct api_status *status)
{
    stream->request->codec->watch->error(stream->request, status);
}

/* The watch ends where it cannot tell what happened: its client lists again, and hears why. */
static void fail_at(struct watch_stream *stream, const struct cached_object *object)
{
    struct arena *arena = stream->request->arena;
    const char *problem = cached_object_problem(object, arena);
    send_error(stream, api_status_internal(arena, "%s", problem == NULL ? "unreadable" : problem));
    stream->over = true;
}

/* Returns the bytes queued. */
static size_t send_object(struct watch_stream *stream, const char *type,
                          const struct cached_object *object)
{
    struct request *request = stream->request;
    bool alone = stream->object_alone && cached_object_kind(object) == request->kind;
    const void *stored = alone ? NULL : cached_object_message(object);
    bool readable = alone || stored != NULL;
    if (!readable || cached_object_problem(object, request->arena) != NULL) {
        fail_at(stream, object);
        return 0;
    }
    /* What is shown of these is a copy, which must not last as long as the watch. */
    bool copied = node_liveness_concerns(request->kind) || request->kind->stored_as != NULL;
    CLEANUP(arena_freep) struct arena *copies = copied ? arena_new(REQUEST_ARENA_MAX) : NULL;
    const void *shown =
        alone ? NULL
              : node_liveness_overlay(request->server->liveness, copies, request->kind, stored);
    bool as_cached = shown == stored && cached_object_kind(object) == request->kind;
    struct watch_event event = {.type = type,
                                .object = as_cached ? object : NULL,
                                .message = shown,
                                .revision = cached_object_revision(object),
                                .initial = stream->watch == NULL};
    return request->codec->watch->event(request, &event);
}

static void send_bookmark(struct watch_stream *stream, uint64_t revision, bool initial_end)
{
    struct request *request = stream->request;
    struct arena *arena = request->arena;
    struct api_object object = api_object_new(arena, request->kind);
    Meta__V1__ObjectMeta *meta = api_object_meta(&object);
    meta->resource_version = arena_printf(arena, "%llu", (unsigned long long)revision);
    if (initial_end) {
        const struct watch_codec *codec = request->codec->watch;
        const char *list = codec->empty_list == NULL ? NULL : codec->empty_list(request);
        api_meta_set_annotation(arena, meta, "k8s.io/initial-events-end", "true");
        if (list != NULL) {
            api_meta_set_annotation(arena, meta, "kubernetes.io/initial-events-list-blueprint",
                                    list);
        }
    }
    struct watch_event event = {.type = "BOOKMARK",
                                .message = object.message,
                                .revision = revision,
                                .initial_end = initial_end};
    (void)request->codec->watch->event(request, &event);
}

/* The object as the version that is watched; itself when it does not decode. */
static const struct cached_object *as_watched(const struct watch_stream *stream,
                                              const struct cached_object *object)
{
    const struct cached_object *version =
        object == NULL ? NULL : cached_object_version(object, stream->request->kind);
    return version == NULL ? object : version;
}

static size_t send_event(struct watch_stream *stream, const struct cache_event *event)
{
    bool deleted = event->type == CACHE_DELETED;
    const struct cached_object *object = deleted ? NULL : as_watched(stream, event->object);
    const struct cached_object *previous = as_watched(stream, event->previous);
    int now = object == NULL ? 0 : registry_filter_match(stream->filter, object);
    int before = previous == NULL ? 0 : registry_filter_match(stream->filter, previous);
    if (now < 0 || before < 0) {
        fail_at(stream, now < 0 ? object : previous);
        return 0;
    }
    if (now > 0) {
        return send_object(
            stream, before > 0 ? event_names[CACHE_MODIFIED] : event_names[CACHE_ADDED], object);
    }
    if (before == 0) {
        return 0;
    }
    if (deleted && previous == event->previous) {
        return send_object(stream, event_names[CACHE_DELETED], event->object);
    }
    /* Deleted, or out of the selection, which is deleted for this watcher: in its last state. */
    struct cached_object *last = cached_object_at(previous, event->revision);
    size_t queued = send_object(stream, event_names[CACHE_DELETED], last);
    cached_object_unref(last);
    return queued;
}

/* --- Versions that a webhook has to make --- */

static void versions_known(void *data, const struct api_status *refusal)
{
    struct watch_stream *stream = data;
    stream->fill = NULL;
    if (refusal == NULL) {
        cache_watch_resume(stream->watch);
        return;
    }
    stream->busy = true;
    send_error(stream, refusal);
    stream->busy = false;
    stream_end(stream);
}

/* False when the event has to wait: the watch is resumed then. One object at a time, so that all
 * watches of an event ask for the same. */
static bool has_versions(struct watch_stream *stream, const struct cache_event *event)
{
    struct request *request = stream->request;
    if (custom_converter(request->kind) == NULL) {
        return true;
    }
    const struct cached_object *objects[] = {event->type == CACHE_DELETED ? NULL : event->object,
                                             event->previous};
    for (size_t i = 0; i < ARRAY_LEN(objects) && stream->fill == NULL; i++) {
        struct version_request missing = {.fills = request->server->version_fills,
                                          .kind = request->kind,
                                          .objects = &objects[i],
                                          .count = 1,
                                          .home = loop_of(stream),
                                          .done = versions_known,
                                          .data = stream};
        stream->fill = version_fill_start(&missing);
    }
    return stream->fill == NULL;
}

/* Whether the definition says otherwise than when the watch began how objects are converted. As in
 * v1.32 the watch ends then; the client begins another one where it ended. */
static bool is_converted_otherwise(const struct watch_stream *stream,
                                   const struct cached_object *object)
{
    const struct custom_version *then = custom_of(stream->request->kind);
    const struct custom_version *now = custom_of(cached_object_kind(object));
    if (then == NULL || now == NULL || then->resource == now->resource) {
        return false;
    }
    return !api_message_equal(&apiextensions__v1__custom_resource_conversion__schema,
                              then->resource->definition->spec->conversion,
                              now->resource->definition->spec->conversion);
}

static bool on_event(void *data, const struct cache_event *event)
{
    struct watch_stream *stream = data;
    if (http_queued(stream->request->exchange) >= NET_WRITE_HIGH_BYTES) {
        return false; /* on_drain resumes. */
    }
    if (is_converted_otherwise(stream, event->object)) {
        stream_end(stream);
        return false;
    }
    if (!has_versions(stream, event)) {
        return false;
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
    if (stream->options.bookmarks && stream->watch != NULL) {
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
    stream->started = true;
    request->codec->watch->begin(request);
    audit_answer_begun(request);
    stream->timeout = (struct loop_timer){.fire = on_timeout, .data = stream};
    stream->bookmark = (struct loop_timer){.fire = on_bookmark, .data = stream};
    loop_timer_start(loop_of(stream), &stream->timeout, stream->options.lasts_ms);
    http_on_closing(request->exchange, on_timeout, stream); /* Others serve on. */
    if (stream->options.bookmarks) {
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

static void follow_view(struct watch_stream *stream);

static size_t initial_left(const struct watch_stream *stream)
{
    return stream->initial == NULL ? 0 : object_walk_left(stream->initial);
}

static void send_initial(void *data)
{
    struct watch_stream *stream = data;
    stream->busy = true;
    size_t queued = 0;
    while (!stream->over && initial_left(stream) > 0 && queued < NET_WRITE_HIGH_BYTES) {
        const struct cached_object *object = object_walk_next(stream->initial);
        queued = object == NULL ? queued : send_object(stream, event_names[CACHE_ADDED], object);
    }
    stream->busy = false;
    if (stream->over) {
        stream_end(stream);
    } else if (initial_left(stream) == 0) {
        follow_view(stream);
    } else {
        request_count_list(stream->request);
    }
}

static void follow_view(struct watch_stream *stream)
{
    struct request *request = stream->request;
    if (stream->options.end_is_told) {
        send_bookmark(stream, request->call.list_revision, true);
    }
    http_on_drain(request->exchange, on_drain, stream);
    stream->watch =
        cache_watch_after_view(request_hub(request), request->call.view, &watch_ops, stream);
    flow_control_leave(&request->flow); /* What follows costs next to nothing. */
    /* Drops the snapshot: a watch of an hour must not hold the state of an hour ago. */
    request_uncount_list(request);
    stream->initial = NULL;
    registry_finish(&request->call);
}

static void listed(struct request *request)
{
    struct watch_stream *stream = request->state;
    if (request->codec->is_aborted(request)) { /* Before there was anyone to be told. */
        request_finish(request);
        return;
    }
    start_stream(stream);
    if (stream->options.initial_events) {
        stream->initial = object_list_walk(request->call.list);
    }
    request->codec->on_abort(request, aborted, stream);
    http_on_drain(request->exchange, send_initial, stream);
    send_initial(stream);
}

/* As v1.32, which has begun to answer by the time it waits for a state that is new enough. */
bool watch_refused(struct request *request, const struct api_status *status)
{
    struct watch_stream *stream = request->state;
    if (status->code != 504 || status->cause_count == 0 || request->codec->is_aborted(request)) {
        return false;
    }
    start_stream(stream);
    send_error(stream, status);
    stream_end(stream);
    return true;
}

static void follow_version(struct watch_stream *stream, uint64_t revision)
{
    struct request *request = stream->request;
    uint64_t oldest = 0;
    if (request->codec->is_aborted(request)) {
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
    request->codec->on_abort(request, aborted, stream);
    http_on_drain(request->exchange, on_drain, stream);
}

/* Refuses what asks for a WebSocket and does not say how. */
static bool is_malformed(struct request *request)
{
    if (!http_wants_upgrade(request->exchange, "websocket") ||
        websocket_is_request(request->exchange)) {
        return false;
    }
    bool version = slice_is(http_header_find(request->exchange, "sec-websocket-version"), "13");
    respond_text(request, 400,
                 version ? "mismatch challenge/response" : "missing or bad WebSocket Version");
    return true;
}

void handle_watch(struct request *request)
{
    if (!fill_options(request)) {
        return;
    }
    struct watch_stream *stream = arena_zeroed(request->arena, sizeof(*stream));
    stream->request = request;
    stream->object_alone = request_needs_object_alone(request);
    request->state = stream;
    const char *namespace = request->kind->namespaced ? request->info.namespace : "";
    const struct api_status *refusal = watch_options_read(request, &stream->options);
    if (refusal != NULL ||
        registry_filter_new(request->arena, request->kind, namespace, request->info.name,
                            &request->call.options, &stream->filter, &refusal) < 0) {
        respond_status(request, refusal);
        return;
    }
    if (is_malformed(request)) {
        return;
    }
    if (!stream->options.from_state) {
        follow_version(stream, stream->options.revision);
        return;
    }
    request->call.verb = REGISTRY_LIST;
    request->call.options.resource_version_match = NULL;
    request->call.options.continue_token = NULL;
    request->call.options.limit = 0;
    start_call(request, listed);
}
