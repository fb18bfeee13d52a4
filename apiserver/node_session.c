/* One session: what the agent says becomes registry calls, what the cache says becomes messages. On
 * the io loop of its gRPC call. */
#include "apiserver/node_session_internal.h"

#include "k8s/core_v1.pb-c.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/net/limits.h"
#include <errno.h>
#include <stdlib.h>

static const char *const resources[SESSION_RESOURCES] = {"pods", "services", "endpointslices",
                                                         "nodes", "namespaces"};

struct node_session *session_ref(struct node_session *session)
{
    atomic_fetch_add(&session->references, 1);
    return session;
}

void session_unref(struct node_session *session)
{
    if (atomic_fetch_sub(&session->references, 1) == 1) {
        grpc_call_unref(session->call);
        arena_free(session->arena);
        free(session->node);
        free(session);
    }
}

/* --- Sending --- */

void session_send(struct node_session *session, const Session__V1__ServerMessage *message)
{
    if (session->over) {
        return;
    }
    size_t len = session__v1__server_message__get_packed_size(message);
    uint8_t *bytes = alloc_bytes(len + 1);
    (void)session__v1__server_message__pack(message, bytes);
    struct chunk *chunk = chunk_new_owned(bytes, len);
    (void)grpc_call_send_shared(session->call, chunk);
    chunk_unref(chunk);
}

void session_ack(struct node_session *session, uint64_t sequence, int code, const char *text)
{
    Session__V1__Ack ack;
    session__v1__ack__init(&ack);
    ack.sequence = sequence;
    ack.code = code;
    ack.message = (char *)(uintptr_t)text;
    Session__V1__ServerMessage message;
    session__v1__server_message__init(&message);
    message.message_case = SESSION__V1__SERVER_MESSAGE__MESSAGE_ACK;
    message.ack = &ack;
    session_send(session, &message);
}

static void version_text(uint64_t revision, char text[24])
{
    (void)snprintf(text, 24, "%llu", (unsigned long long)revision);
}

static void send_object(struct session_watch *watch, Session__V1__ObjectEvent__Type type,
                        const struct cached_object *object)
{
    CLEANUP(buffer_release) struct buffer bytes;
    buffer_init(&bytes, ENCODED_OBJECT_MAX);
    cached_object_append_protobuf(object, &bytes);
    if (bytes.len == 0 || buffer_error(&bytes) < 0) {
        return;
    }
    char version[24];
    version_text(cached_object_revision(object), version);
    Session__V1__ObjectEvent event;
    session__v1__object_event__init(&event);
    event.resource = (char *)(uintptr_t)watch->resource;
    event.type = type;
    event.object.data = bytes.data;
    event.object.len = bytes.len;
    event.resource_version = version;
    Session__V1__ServerMessage message;
    session__v1__server_message__init(&message);
    message.message_case = SESSION__V1__SERVER_MESSAGE__MESSAGE_OBJECT;
    message.object = &event;
    session_send(watch->session, &message);
}

static void send_synced(struct session_watch *watch, uint64_t revision)
{
    char version[24];
    version_text(revision, version);
    Session__V1__Synced synced;
    session__v1__synced__init(&synced);
    synced.resource = (char *)(uintptr_t)watch->resource;
    synced.resource_version = version;
    Session__V1__ServerMessage message;
    session__v1__server_message__init(&message);
    message.message_case = SESSION__V1__SERVER_MESSAGE__MESSAGE_SYNCED;
    message.synced = &synced;
    session_send(watch->session, &message);
    watch->synced = true;
}

static void send_gone(struct session_watch *watch)
{
    Session__V1__Gone gone;
    session__v1__gone__init(&gone);
    gone.resource = (char *)(uintptr_t)watch->resource;
    Session__V1__ServerMessage message;
    session__v1__server_message__init(&message);
    message.message_case = SESSION__V1__SERVER_MESSAGE__MESSAGE_GONE;
    message.gone = &gone;
    session_send(watch->session, &message);
}

/* --- Watching --- */

static bool on_event(void *data, const struct cache_event *event)
{
    struct session_watch *watch = data;
    if (grpc_call_queued(watch->session->call) >= NET_WRITE_HIGH_BYTES) {
        return false;
    }
    bool now =
        event->type != CACHE_DELETED && registry_filter_match(watch->filter, event->object) > 0;
    bool before =
        event->previous != NULL && registry_filter_match(watch->filter, event->previous) > 0;
    if (now) {
        send_object(watch,
                    before ? SESSION__V1__OBJECT_EVENT__TYPE__MODIFIED
                           : SESSION__V1__OBJECT_EVENT__TYPE__ADDED,
                    event->object);
    } else if (before) {
        send_object(watch, SESSION__V1__OBJECT_EVENT__TYPE__DELETED, event->object);
    }
    return true;
}

static void on_caught_up(void *data, uint64_t revision)
{
    struct session_watch *watch = data;
    if (!watch->synced) {
        send_synced(watch, revision);
    }
}

static void start_from_scratch(struct session_watch *watch);

static void on_expired(void *data)
{
    struct session_watch *watch = data;
    cache_watch_stop(watch->watch);
    watch->watch = NULL;
    send_gone(watch);
    start_from_scratch(watch);
}

static const struct cache_watch_ops watch_ops = {
    .event = on_event, .caught_up = on_caught_up, .expired = on_expired};

static bool send_existing(void *data, const struct cached_object *object)
{
    struct session_watch *watch = data;
    if (registry_filter_match(watch->filter, object) > 0) {
        send_object(watch, SESSION__V1__OBJECT_EVENT__TYPE__ADDED, object);
    }
    return true;
}

static void start_from_scratch(struct session_watch *watch)
{
    struct node_session *session = watch->session;
    struct cache_view *view = watch_cache_view(session->server->cache, watch->kind);
    cache_view_each(view, "", slice_text(""), send_existing, watch);
    send_synced(watch, cache_view_revision(view));
    watch->watch = cache_watch_after_view(session->hub, view, &watch_ops, watch);
    cache_view_free(view);
}

static const char *resume_version(const Session__V1__Hello *hello, const char *resource)
{
    for (size_t i = 0; i < hello->n_resume; i++) {
        if (strcmp(text_or_empty(hello->resume[i]->resource), resource) == 0) {
            return text_or_empty(hello->resume[i]->resource_version);
        }
    }
    return "";
}

static void start_watch(struct session_watch *watch, const char *version)
{
    struct node_session *session = watch->session;
    uint64_t revision = strtoull(version, NULL, 10);
    if (revision == 0) {
        start_from_scratch(watch);
        return;
    }
    uint64_t oldest = 0;
    watch->watch =
        cache_watch_after(session->hub, watch->kind, revision, &watch_ops, watch, &oldest);
    if (watch->watch == NULL) {
        send_gone(watch);
        start_from_scratch(watch);
        return;
    }
    /* Nothing may happen for long: what the agent has is the state as of its version. */
    if (revision <= watch_cache_revision(session->server->cache)) {
        send_synced(watch, revision);
    }
}

void session_start_watches(struct node_session *session, const Session__V1__Hello *hello)
{
    const char *selector = arena_printf(session->arena, "spec.nodeName=%s", session->node);
    for (size_t i = 0; i < SESSION_RESOURCES; i++) {
        struct session_watch *watch = &session->watches[i];
        watch->session = session;
        watch->resource = resources[i];
        watch->kind = strcmp(resources[i], "endpointslices") == 0
                          ? api_kind_find("discovery.k8s.io", "v1", resources[i])
                          : api_kind_find("", "v1", resources[i]);
        struct registry_options options = {.field_selector = i == 0 ? selector : NULL};
        const struct api_status *refusal = NULL;
        if (registry_filter_new(session->arena, watch->kind, "", "", &options, &watch->filter,
                                &refusal) < 0) {
            LOG_ERROR("apiserver", "cannot select objects of a node",
                      KV_TEXT("node", session->node), KV_TEXT("reason", refusal->message));
            continue;
        }
        start_watch(watch, resume_version(hello, resources[i]));
    }
}

void session_resume_watches(void *data)
{
    struct node_session *session = data;
    for (size_t i = 0; i < SESSION_RESOURCES; i++) {
        if (session->watches[i].watch != NULL) {
            cache_watch_resume(session->watches[i].watch);
        }
    }
}

/* Stops everything; the memory goes with the last call under way. */
void session_end(struct node_session *session, enum grpc_code code, const char *message)
{
    if (session->over) {
        return;
    }
    session->over = true;
    for (size_t i = 0; i < SESSION_RESOURCES; i++) {
        cache_watch_stop(session->watches[i].watch);
        session->watches[i].watch = NULL;
    }
    node_sessions_forget(session);
    grpc_call_finish(session->call, code, message, (struct slice){0});
    session_unref(session);
}

/* --- Calls to the registry on behalf of the node --- */

static void task_done(struct registry_call *call)
{
    struct session_task *task = call->data;
    task->done(task);
    registry_finish(call);
    if (task->again) {
        task->again = false;
        registry_start(task->session->server->registry, &task->call);
        return;
    }
    session_unref(task->session);
    arena_free(task->arena);
}

struct session_task *session_task_new(struct node_session *session, uint64_t sequence)
{
    struct arena *arena = arena_new(REQUEST_ARENA_MAX);
    struct session_task *task = arena_zeroed(arena, sizeof(*task));
    task->session = session_ref(session);
    task->arena = arena;
    task->sequence = sequence;
    task->call.arena = arena;
    task->call.user = session->user;
    task->call.home = grpc_call_loop(session->call);
    task->call.done = task_done;
    task->call.data = task;
    return task;
}

void session_task_drop(struct session_task *task)
{
    session_unref(task->session);
    arena_free(task->arena);
}

void session_task_start(struct session_task *task, void (*done)(struct session_task *task))
{
    task->done = done;
    registry_start(task->session->server->registry, &task->call);
}

void session_task_prepare(struct session_task *task, enum registry_verb verb,
                          const struct api_kind *kind, const char *namespace, const char *name)
{
    struct registry_call call = {
        .verb = verb,
        .kind = kind,
        .namespace = arena_text(task->arena, namespace),
        .name = arena_text(task->arena, name),
        .user = task->call.user,
        .arena = task->arena,
        .options = {.field_manager = verb == REGISTRY_CREATE ? "kubelet" : NULL},
        .home = task->call.home,
        .done = task->call.done,
        .data = task};
    task->call = call;
}

void session_task_ack(struct session_task *task)
{
    const struct api_status *status = task->call.status;
    session_ack(task->session, task->sequence, status == NULL ? 200 : status->code,
                status == NULL ? "" : status->message);
}
