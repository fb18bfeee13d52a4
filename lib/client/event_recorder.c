#include "lib/client/event_recorder.h"

#include "k8s/core_v1.pb-c.h"
#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include "lib/base/list.h"
#include "lib/client/limits.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Events alike but for their message: after CLIENT_EVENT_SIMILAR_MAX of them they become one. */
struct similar {
    struct hash_map *messages; /* Distinct messages of the present window. */
    int64_t last_s;
};

/* What was written for one event key. */
struct written {
    char *name;
    int32_t count;
    int64_t first_s;
};

struct noise { /* Token bucket of one object. */
    double tokens;
    int64_t last_s;
};

struct event_recorder {
    struct env *env;
    struct client *client;
    const struct client_identity *as;
    const char *component;
    char *instance;
    struct hash_map *similar;
    struct hash_map *written;
    struct hash_map *noise;
    const struct api_kind *kind; /* Event */
    uint32_t pending;
    bool closing;
    struct list writes;
};

/* One write under way. */
struct event_write {
    struct event_recorder *recorder;
    struct arena *arena;
    Core__V1__Event *event;
    bool patch;
    uint32_t tries;
    struct env_timer retry;
    struct list link;
};

struct event_recorder *event_recorder_new(struct env *env, struct client *client,
                                          const struct client_identity *as, const char *component,
                                          const char *instance)
{
    struct event_recorder *recorder = alloc_zeroed(sizeof(*recorder));
    recorder->env = env;
    recorder->client = client;
    recorder->as = as;
    recorder->component = component;
    recorder->instance = alloc_text(instance == NULL ? "" : instance);
    recorder->similar = hash_map_new(/* seed= */ 0x73696d69);
    recorder->written = hash_map_new(/* seed= */ 0x77726974);
    recorder->noise = hash_map_new(/* seed= */ 0x6e6f6973);
    recorder->kind = api_kind_find("", "v1", "events");
    list_init(&recorder->writes);
    assert(recorder->kind != NULL);
    return recorder;
}

static void similar_free(void *value)
{
    struct similar *similar = value;
    hash_map_free(similar->messages);
    free(similar);
}

static void written_free(void *value)
{
    struct written *written = value;
    free(written->name);
    free(written);
}

static void map_drop(struct hash_map *map, void (*release)(void *value))
{
    void *value;
    for (size_t at = 0; hash_map_next(map, &at, NULL, &value);) {
        release(value);
    }
    hash_map_clear(map);
}

static void recorder_release(struct event_recorder *recorder)
{
    map_drop(recorder->similar, similar_free);
    map_drop(recorder->written, written_free);
    map_drop(recorder->noise, free);
    hash_map_free(recorder->similar);
    hash_map_free(recorder->written);
    hash_map_free(recorder->noise);
    free(recorder->instance);
    free(recorder);
}

static void write_free(struct event_write *write)
{
    struct event_recorder *recorder = write->recorder;
    env_timer_stop(recorder->env, &write->retry);
    list_remove(&write->link);
    arena_free(write->arena);
    free(write);
    recorder->pending--;
    if (recorder->closing && recorder->pending == 0) {
        recorder_release(recorder);
    }
}

void event_recorder_free(struct event_recorder *recorder)
{
    if (recorder == NULL) {
        return;
    }
    recorder->closing = true;
    recorder->pending++; /* So that the last write below does not free it under our feet. */
    LIST_FOREACH(link, next, &recorder->writes)
    {
        struct event_write *write = LIST_ENTRY(link, struct event_write, link);
        if (write->retry.position != 0) {
            write_free(write); /* Waits for its next try: drop it. */
        }
    }
    if (--recorder->pending == 0) {
        recorder_release(recorder);
    }
}

/* True when the object still may have an event. Source: client-go EventSourceObjectSpamFilter. */
static bool noise_admits(struct event_recorder *recorder, struct slice key, int64_t now_s)
{
    struct noise *noise = hash_map_get(recorder->noise, key);
    if (noise == NULL) {
        if (hash_map_count(recorder->noise) >= CLIENT_EVENT_CACHE_MAX) {
            map_drop(recorder->noise, free);
        }
        noise = alloc_zeroed(sizeof(*noise));
        *noise = (struct noise){.tokens = CLIENT_EVENT_BURST, .last_s = now_s};
        hash_map_set(recorder->noise, key, noise);
    }
    noise->tokens += (double)(now_s - noise->last_s) / CLIENT_EVENT_REFILL_S;
    noise->last_s = now_s;
    if (noise->tokens > CLIENT_EVENT_BURST) {
        noise->tokens = CLIENT_EVENT_BURST;
    }
    if (noise->tokens < 1) {
        return false;
    }
    noise->tokens -= 1;
    return true;
}

/* True when so many events differ only by their message that they are to be merged. */
static bool similar_merges(struct event_recorder *recorder, struct slice key, const char *message,
                           int64_t now_s)
{
    struct similar *similar = hash_map_get(recorder->similar, key);
    if (similar == NULL) {
        if (hash_map_count(recorder->similar) >= CLIENT_EVENT_CACHE_MAX) {
            map_drop(recorder->similar, similar_free);
        }
        similar = alloc_zeroed(sizeof(*similar));
        similar->messages = hash_map_new(/* seed= */ 0x6d657373);
        hash_map_set(recorder->similar, key, similar);
    } else if (now_s - similar->last_s > CLIENT_EVENT_WINDOW_S) {
        hash_map_clear(similar->messages);
    }
    similar->last_s = now_s;
    if (hash_map_count(similar->messages) < CLIENT_EVENT_SIMILAR_MAX) {
        hash_map_set(similar->messages, slice_text(message), similar);
        return hash_map_count(similar->messages) >= CLIENT_EVENT_SIMILAR_MAX;
    }
    return true;
}

static void write_send(struct event_write *write);

static void write_retry(void *data)
{
    write_send(data);
}

static void write_done(void *data, const struct client_reply *reply)
{
    struct event_write *write = data;
    bool final = client_succeeded(reply) || write->recorder->closing ||
                 (reply->code >= 400 && reply->code < 500 && reply->code != 429);
    if (write->patch && client_not_found(reply) && !write->recorder->closing) {
        write->patch = false; /* It expired: write it anew. */
        write_send(write);
        return;
    }
    if (final || ++write->tries >= CLIENT_EVENT_RETRIES) {
        write_free(write);
        return;
    }
    env_timer_start(write->recorder->env, &write->retry, CLIENT_EVENT_RETRY_S * NS_PER_S);
}

static void patch_text(const Core__V1__Event *event, struct buffer *out)
{
    char time_text[API_TIME_TEXT_SIZE];
    api_time_format(event->last_timestamp->seconds, time_text);
    buffer_printf(out, "{\"count\":%d,\"lastTimestamp\":\"%s\",\"message\":", event->count,
                  time_text);
    json_print_string(slice_text(event->message), out);
    buffer_append_byte(out, '}');
}

static void write_send(struct event_write *write)
{
    const Core__V1__Event *event = write->event;
    CLEANUP(buffer_release) struct buffer patch;
    buffer_init(&patch, /* max= */ 16 * 1024);
    struct client_request request = {
        .verb = write->patch ? CLIENT_PATCH : CLIENT_CREATE,
        .as = write->recorder->as,
        .kind = write->recorder->kind,
        .namespace_ = event->metadata->namespace_,
        .name = event->metadata->name,
        .body = event,
        .patch_type = CLIENT_PATCH_MERGE,
    };
    if (write->patch) {
        patch_text(event, &patch);
        request.body = NULL;
        request.patch = buffer_slice(&patch);
    }
    client_call(write->recorder->client, &request, write_done, write);
}

static void fill_reference(Core__V1__Event *event, struct arena *arena, const struct api_kind *kind,
                           const Meta__V1__ObjectMeta *object)
{
    Core__V1__ObjectReference *reference = event->involved_object;
    reference->kind = arena_text(arena, kind->kind);
    reference->api_version = arena_text(arena, kind->api_version);
    reference->name = arena_text(arena, object->name == NULL ? "" : object->name);
    reference->namespace_ = arena_text(arena, object->namespace_ == NULL ? "" : object->namespace_);
    reference->uid = arena_text(arena, object->uid == NULL ? "" : object->uid);
    reference->resource_version =
        arena_text(arena, object->resource_version == NULL ? "" : object->resource_version);
}

/* The record of what was written for `key`, made new when there is none. */
static struct written *written_of(struct event_recorder *recorder, const char *key,
                                  const char *object_name, int64_t now_s)
{
    struct written *written = hash_map_get(recorder->written, slice_text(key));
    if (written != NULL) {
        return written;
    }
    if (hash_map_count(recorder->written) >= CLIENT_EVENT_CACHE_MAX) {
        map_drop(recorder->written, written_free);
    }
    written = alloc_zeroed(sizeof(*written));
    /* client-go names events by time; two of one object may share a virtual instant. */
    uint64_t mark = (uint64_t)env_wall_ns(recorder->env) ^ (env_random(recorder->env) & 0xffff);
    written->name = alloc_printf("%s.%llx", object_name, (unsigned long long)mark);
    written->first_s = now_s;
    hash_map_set(recorder->written, slice_text(key), written);
    return written;
}

void event_record(struct event_recorder *recorder, const struct api_kind *kind,
                  const Meta__V1__ObjectMeta *object, bool warning, const char *reason,
                  const char *action, const char *format, ...)
{
    if (recorder->closing || recorder->pending >= CLIENT_EVENT_PENDING_MAX) {
        return;
    }
    int64_t now_s = env_wall_ns(recorder->env) / (int64_t)NS_PER_S;
    struct arena *arena = arena_new(SIZE_MAX);
    char message[CLIENT_EVENT_MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments); /* Cut off on purpose. */
    va_end(arguments);

    Core__V1__Event *event = api_message_new(arena, recorder->kind->message);
    fill_reference(event, arena, kind, object);
    const char *object_key =
        arena_printf(arena, "%s/%s/%s/%s", kind->kind, event->involved_object->namespace_,
                     event->involved_object->name, event->involved_object->uid);
    const char *type = warning ? "Warning" : "Normal";
    const char *group = arena_printf(arena, "%s/%s/%s", object_key, type, reason);
    bool merge = similar_merges(recorder, slice_text(group), message, now_s);
    const char *text =
        merge ? arena_printf(arena, "(combined from similar events): %s", message) : message;
    if (!noise_admits(recorder, slice_text(object_key), now_s)) {
        arena_free(arena);
        return;
    }
    const char *key = merge ? group : arena_printf(arena, "%s/%s", group, message);
    struct written *written = written_of(recorder, key, event->involved_object->name, now_s);
    written->count++;

    const char *namespace_ = event->involved_object->namespace_;
    event->metadata->namespace_ = arena_text(arena, namespace_[0] == '\0' ? "default" : namespace_);
    event->metadata->name = arena_text(arena, written->name);
    event->reason = arena_text(arena, reason);
    event->message = arena_text(arena, text);
    event->type = arena_text(arena, type);
    event->action = action == NULL ? NULL : arena_text(arena, action);
    event->source->component = arena_text(arena, recorder->component);
    event->reporting_component = arena_text(arena, recorder->component);
    event->reporting_instance = arena_text(arena, recorder->instance);
    event->first_timestamp = api_time_new(arena, written->first_s);
    event->last_timestamp = api_time_new(arena, now_s);
    event->count = written->count;
    event->has_count = 1;

    struct event_write *write = alloc_zeroed(sizeof(*write));
    *write = (struct event_write){
        .recorder = recorder, .arena = arena, .event = event, .patch = written->count > 1};
    write->retry = (struct env_timer){.fire = write_retry, .data = write};
    list_init(&write->link);
    list_push_back(&recorder->writes, &write->link);
    recorder->pending++;
    write_send(write);
}
