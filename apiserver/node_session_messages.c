/* What each message of an agent does. Objects are written through the registry, as any client's
 * are; a node reaches only what is its own. */
#include "apiserver/node_session_internal.h"
#include "k8s/authentication_v1.pb-c.h"
#include "k8s/coordination_v1.pb-c.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include <stdlib.h>

static const struct api_kind *core_kind(const char *plural)
{
    return api_kind_find("", "v1", plural);
}

static void *decode(struct session_task *task, const char *schema, ProtobufCBinaryData bytes)
{
    void *message = NULL;
    int status = api_decode_protobuf(task->arena, api_message_find(schema),
                                     slice_of(bytes.data, bytes.len), &message, NULL);
    return status < 0 ? NULL : message;
}

/* The newest object as a copy to change, or NULL. */
static void *copy_cached(struct session_task *task, const struct api_kind *kind,
                         const char *namespace, const char *name)
{
    const struct cached_object *object =
        watch_cache_get(task->session->server->cache, kind, namespace, name);
    if (object == NULL) {
        return NULL;
    }
    const void *message = cached_object_message(object);
    void *copy = message == NULL ? NULL : api_message_copy(task->arena, kind->message, message);
    cached_object_unref(object);
    return copy;
}

/* --- Hello: the Node and its Lease exist, its status is what the agent says --- */

static void lease_written(struct session_task *task)
{
    (void)task; /* It may exist; its times are filled in when it is read. */
}

static void write_lease(struct node_session *session, const Core__V1__Node *node)
{
    struct session_task *task = session_task_new(session, 0);
    struct arena *arena = task->arena;
    const struct api_kind *kind = api_kind_find("coordination.k8s.io", "v1", "leases");
    Coordination__V1__Lease *lease = api_message_new(arena, kind->message);
    lease->metadata->name = arena_text(arena, session->node);
    lease->metadata->namespace_ = arena_text(arena, "kube-node-lease");
    lease->spec->holder_identity = arena_text(arena, session->node);
    lease->spec->has_lease_duration_seconds = true;
    lease->spec->lease_duration_seconds = (int32_t)session->lease_s;
    lease->spec->renew_time = api_micro_time_new(arena, wall_seconds() * INT64_C(1000000000));
    Meta__V1__OwnerReference *owner = api_message_new(
        arena, api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.OwnerReference"));
    owner->api_version = arena_text(arena, "v1");
    owner->kind = arena_text(arena, "Node");
    owner->name = arena_text(arena, session->node);
    owner->uid = arena_text(arena, node->metadata->uid);
    lease->metadata->owner_references = arena_array(arena, 1, sizeof(owner));
    lease->metadata->owner_references[0] = owner;
    lease->metadata->n_owner_references = 1;
    session_task_prepare(task, REGISTRY_CREATE, kind, "kube-node-lease", "");
    task->call.body = lease;
    session_task_start(task, lease_written);
}

enum hello_step { HELLO_CREATE, HELLO_READ, HELLO_LABELS, HELLO_STATUS };

static void write_node_status(struct session_task *task, const Core__V1__Node *current)
{
    const struct api_kind *kind = core_kind("nodes");
    Core__V1__Node *wanted = task->object;
    Core__V1__Node *node = api_message_copy(task->arena, kind->message, current);
    node->metadata->resource_version = NULL;
    node->status = wanted->status;
    session_task_prepare(task, REGISTRY_UPDATE, kind, "", task->session->node);
    task->call.subresource = "status";
    task->call.body = node;
    task->step = HELLO_STATUS;
    task->again = true;
}

static void write_node_labels(struct session_task *task, const Core__V1__Node *current)
{
    const struct api_kind *kind = core_kind("nodes");
    const Core__V1__Node *wanted = task->object;
    Core__V1__Node *node = api_message_copy(task->arena, kind->message, current);
    node->metadata->resource_version = NULL;
    api_meta_set_labels(task->arena, node->metadata,
                        API_STRING_MAP(wanted->metadata->labels, wanted->metadata->n_labels));
    session_task_prepare(task, REGISTRY_UPDATE, kind, "", task->session->node);
    task->call.body = node;
    task->step = HELLO_LABELS;
    task->again = true;
}

static void hello_done(struct session_task *task)
{
    const struct registry_call *call = &task->call;
    const Core__V1__Node *node = call->result;
    switch ((enum hello_step)task->step) {
    case HELLO_CREATE:
        if (call->status != NULL && call->status->code == 409) {
            session_task_prepare(task, REGISTRY_GET, core_kind("nodes"), "", task->session->node);
            task->step = HELLO_READ;
            task->again = true;
        } else if (call->status == NULL) {
            write_lease(task->session, node);
            write_node_status(task, node);
        }
        break;
    case HELLO_READ:
        if (call->status == NULL) {
            write_lease(task->session, node);
            write_node_labels(task, node);
        }
        break;
    case HELLO_LABELS:
        if (call->status == NULL) {
            write_node_status(task, node);
        }
        break;
    case HELLO_STATUS:
        return;
    }
    if (call->status != NULL && !task->again) {
        LOG_WARN("apiserver", "cannot register a node: its session ends, ignoring it",
                 KV_TEXT("node", task->session->node), KV_TEXT("reason", call->status->message));
        session_end(task->session, GRPC_UNAVAILABLE, call->status->message);
    }
}

void session_hello(struct node_session *session, const Session__V1__Hello *hello)
{
    struct session_task *task = session_task_new(session, 0);
    Core__V1__Node *node = decode(task, "k8s.io.api.core.v1.Node", hello->node);
    if (node == NULL) {
        session_task_drop(task);
        session_end(session, GRPC_INVALID_ARGUMENT, "hello.node is no core/v1 Node");
        return;
    }
    node->metadata->name = arena_text(task->arena, session->node);
    task->object = api_message_copy(task->arena, core_kind("nodes")->message, node);
    session_task_prepare(task, REGISTRY_CREATE, core_kind("nodes"), "", "");
    task->call.body = node;
    task->step = HELLO_CREATE;
    session_task_start(task, hello_done);
}

/* --- Heartbeat --- */

struct beat {
    struct node_session *session;
};

static void beat_on_store_loop(void *data)
{
    struct node_session *session = data;
    node_liveness_beat(session->server->liveness, session->node, session->lease_s);
    session_unref(session);
}

void session_heartbeat(struct node_session *session, const Session__V1__Heartbeat *heartbeat)
{
    (void)session_ref(session);
    loop_post(session->server->config.store_loop, beat_on_store_loop, session);
    Session__V1__HeartbeatReply reply;
    session__v1__heartbeat_reply__init(&reply);
    reply.sequence = heartbeat->sequence;
    Session__V1__ServerMessage message;
    session__v1__server_message__init(&message);
    message.message_case = SESSION__V1__SERVER_MESSAGE__MESSAGE_HEARTBEAT_REPLY;
    message.heartbeat_reply = &reply;
    session_send(session, &message);
}

/* --- Status --- */

/* Conditions that others own (PodScheduled, DisruptionTarget, readiness gates) stay. */
static void keep_conditions(struct arena *arena, const Core__V1__PodStatus *before,
                            Core__V1__PodStatus *after)
{
    for (size_t i = 0; i < before->n_conditions; i++) {
        const char *type = text_or_empty(before->conditions[i]->type);
        bool given = false;
        for (size_t j = 0; j < after->n_conditions; j++) {
            given = given || strcmp(text_or_empty(after->conditions[j]->type), type) == 0;
        }
        if (given) {
            continue;
        }
        Core__V1__PodCondition **grown =
            arena_array(arena, after->n_conditions + 1, sizeof(*grown));
        if (after->n_conditions > 0) {
            memcpy(grown, after->conditions, after->n_conditions * sizeof(*grown));
        }
        grown[after->n_conditions++] = before->conditions[i];
        after->conditions = grown;
    }
}

/* NULL with an Ack sent when the pod is not there, is another one, or is not this node's. */
static Core__V1__Pod *own_pod(struct session_task *task, const char *namespace, const char *name,
                              const char *uid)
{
    Core__V1__Pod *pod = copy_cached(task, core_kind("pods"), namespace, name);
    if (pod == NULL) {
        session_ack(task->session, task->sequence, 404, "no such pod");
        return NULL;
    }
    if (strcmp(text_or_empty(pod->metadata->uid), uid) != 0) {
        session_ack(task->session, task->sequence, 410, "the pod has another UID");
        return NULL;
    }
    if (strcmp(text_or_empty(pod->spec->node_name), task->session->node) != 0) {
        session_ack(task->session, task->sequence, 404, "the pod is not bound to this node");
        return NULL;
    }
    return pod;
}

void session_pod_status(struct node_session *session, const Session__V1__PodStatus *message)
{
    struct session_task *task = session_task_new(session, message->sequence);
    Core__V1__PodStatus *status = decode(task, "k8s.io.api.core.v1.PodStatus", message->status);
    const char *namespace = text_or_empty(message->namespace_);
    const char *name = text_or_empty(message->name);
    Core__V1__Pod *pod =
        status == NULL ? NULL : own_pod(task, namespace, name, text_or_empty(message->uid));
    if (pod == NULL) {
        if (status == NULL) {
            session_ack(session, message->sequence, 400, "no core/v1 PodStatus");
        }
        session_task_drop(task);
        return;
    }
    keep_conditions(task->arena, pod->status, status);
    pod->status = status;
    pod->metadata->resource_version = NULL;
    session_task_prepare(task, REGISTRY_UPDATE, core_kind("pods"), namespace, name);
    task->call.subresource = "status";
    task->call.body = pod;
    session_task_start(task, session_task_ack);
}

void session_node_status(struct node_session *session, const Session__V1__NodeStatus *message)
{
    struct session_task *task = session_task_new(session, message->sequence);
    Core__V1__NodeStatus *status = decode(task, "k8s.io.api.core.v1.NodeStatus", message->status);
    Core__V1__Node *node = copy_cached(task, core_kind("nodes"), "", session->node);
    if (status == NULL || node == NULL) {
        session_ack(session, message->sequence, status == NULL ? 400 : 404,
                    status == NULL ? "no core/v1 NodeStatus" : "no such node");
        session_task_drop(task);
        return;
    }
    node->status = status;
    node->metadata->resource_version = NULL;
    session_task_prepare(task, REGISTRY_UPDATE, core_kind("nodes"), "", session->node);
    task->call.subresource = "status";
    task->call.body = node;
    session_task_start(task, session_task_ack);
}

void session_pod_deleted(struct node_session *session, const Session__V1__PodDeleted *message)
{
    struct session_task *task = session_task_new(session, message->sequence);
    const char *namespace = text_or_empty(message->namespace_);
    const char *name = text_or_empty(message->name);
    if (own_pod(task, namespace, name, text_or_empty(message->uid)) == NULL) {
        session_task_drop(task);
        return;
    }
    session_task_prepare(task, REGISTRY_DELETE, core_kind("pods"), namespace, name);
    task->call.options.has_grace_seconds = true;
    task->call.options.grace_seconds = 0;
    task->call.options.expect_uid = arena_text(task->arena, text_or_empty(message->uid));
    session_task_start(task, session_task_ack);
}

/* --- Events: best effort --- */

static void event_updated(struct session_task *task)
{
    (void)task;
}

static void event_created(struct session_task *task)
{
    const struct api_status *status = task->call.status;
    if (status == NULL || status->code != 409) {
        return;
    }
    const struct api_kind *kind = core_kind("events");
    Core__V1__Event *wanted = task->object;
    Core__V1__Event *event =
        copy_cached(task, kind, wanted->metadata->namespace_, wanted->metadata->name);
    if (event == NULL) {
        return;
    }
    event->metadata->resource_version = NULL;
    event->has_count = true;
    event->count = wanted->count;
    event->last_timestamp = wanted->last_timestamp;
    event->message = wanted->message;
    session_task_prepare(task, REGISTRY_UPDATE, kind, wanted->metadata->namespace_,
                         wanted->metadata->name);
    task->call.body = event;
    task->done = event_updated;
    task->again = true;
}

void session_event(struct node_session *session, const Session__V1__Event *message)
{
    struct session_task *task = session_task_new(session, 0);
    Core__V1__Event *event = decode(task, "k8s.io.api.core.v1.Event", message->event);
    if (event == NULL || event->metadata->namespace_ == NULL || event->metadata->name == NULL) {
        session_task_drop(task);
        return;
    }
    task->object = event;
    session_task_prepare(task, REGISTRY_CREATE, core_kind("events"), event->metadata->namespace_,
                         "");
    task->call.body = event;
    session_task_start(task, event_created);
}

/* --- Requests --- */

static void respond(struct session_task *task, int code, const char *reason, const char *text,
                    struct slice object)
{
    Session__V1__Response response;
    session__v1__response__init(&response);
    response.id = task->id;
    response.code = code;
    response.reason = (char *)(uintptr_t)reason;
    response.message = (char *)(uintptr_t)text;
    response.object.data = (uint8_t *)(uintptr_t)object.data;
    response.object.len = object.len;
    Session__V1__ServerMessage message;
    session__v1__server_message__init(&message);
    message.message_case = SESSION__V1__SERVER_MESSAGE__MESSAGE_RESPONSE;
    message.response = &response;
    session_send(task->session, &message);
}

static void respond_result(struct session_task *task, const struct api_message *schema)
{
    const struct api_status *status = task->call.status;
    if (status != NULL) {
        respond(task, status->code, status->reason, status->message, (struct slice){0});
        return;
    }
    CLEANUP(buffer_release) struct buffer bytes;
    buffer_init(&bytes, ENCODED_OBJECT_MAX);
    api_encode_protobuf(schema, task->call.result, &bytes);
    respond(task, 200, "", "", buffer_slice(&bytes));
}

static void get_done(struct session_task *task)
{
    respond_result(task, task->call.kind->message);
}

static bool claim_uses_volume(struct node_session *session, const char *volume)
{
    const struct cached_object *object =
        watch_cache_get(session->server->cache, core_kind("persistentvolumes"), "", volume);
    if (object == NULL) {
        return false;
    }
    const Core__V1__PersistentVolume *found = cached_object_message(object);
    const Core__V1__ObjectReference *claim =
        found == NULL || found->spec == NULL ? NULL : found->spec->claim_ref;
    bool used = claim != NULL &&
                node_may_read(session->server, session->node, "persistentvolumeclaims",
                              text_or_empty(claim->namespace_), text_or_empty(claim->name));
    cached_object_unref(object);
    return used;
}

void session_get(struct node_session *session, const Session__V1__GetRequest *message)
{
    static const char *const readable[] = {"configmaps", "secrets", "persistentvolumeclaims",
                                           "persistentvolumes", "serviceaccounts"};
    struct session_task *task = session_task_new(session, 0);
    task->id = message->id;
    const char *resource = text_or_empty(message->resource);
    const char *namespace = text_or_empty(message->namespace_);
    const char *name = text_or_empty(message->name);
    bool known = false;
    for (size_t i = 0; i < ARRAY_LEN(readable); i++) {
        known = known || strcmp(readable[i], resource) == 0;
    }
    bool volume = strcmp(resource, "persistentvolumes") == 0;
    bool allowed = known && (volume ? claim_uses_volume(session, name)
                                    : node_may_read(session->server, session->node, resource,
                                                    namespace, name));
    if (!allowed) {
        respond(task, 403, "Forbidden", "no pod of this node refers to it", (struct slice){0});
        session_task_drop(task);
        return;
    }
    session_task_prepare(task, REGISTRY_GET, core_kind(resource), namespace, name);
    session_task_start(task, get_done);
}

static void token_done(struct session_task *task)
{
    respond_result(task, api_message_find("k8s.io.api.authentication.v1.TokenRequest"));
}

void session_token(struct node_session *session, const Session__V1__TokenRequest *message)
{
    struct session_task *task = session_task_new(session, 0);
    struct arena *arena = task->arena;
    task->id = message->id;
    const char *namespace = text_or_empty(message->namespace_);
    const char *account = text_or_empty(message->service_account);
    Core__V1__Pod *pod =
        copy_cached(task, core_kind("pods"), namespace, text_or_empty(message->pod_name));
    if (pod == NULL || strcmp(text_or_empty(pod->spec->node_name), session->node) != 0) {
        respond(task, 403, "Forbidden", "the pod is not bound to this node", (struct slice){0});
        session_task_drop(task);
        return;
    }
    Authentication__V1__TokenRequest *request =
        api_message_new(arena, api_message_find("k8s.io.api.authentication.v1.TokenRequest"));
    request->spec->n_audiences = message->n_audiences;
    request->spec->audiences = arena_array(arena, message->n_audiences + 1, sizeof(char *));
    for (size_t i = 0; i < message->n_audiences; i++) {
        request->spec->audiences[i] = arena_text(arena, message->audiences[i]);
    }
    if (message->n_audiences == 1 && message->audiences[0][0] == 0) {
        request->spec->n_audiences = 0;
    }
    request->spec->has_expiration_seconds = message->expiration_seconds > 0;
    request->spec->expiration_seconds = message->expiration_seconds;
    Authentication__V1__BoundObjectReference *bound = api_message_new(
        arena, api_message_find("k8s.io.api.authentication.v1.BoundObjectReference"));
    bound->kind = arena_text(arena, "Pod");
    bound->api_version = arena_text(arena, "v1");
    bound->name = arena_text(arena, text_or_empty(message->pod_name));
    bound->u_id = arena_text(arena, text_or_empty(message->pod_uid));
    request->spec->bound_object_ref = bound;
    session_task_prepare(task, REGISTRY_CREATE, core_kind("serviceaccounts"), namespace, account);
    task->call.subresource = "token";
    task->call.body = request;
    session_task_start(task, token_done);
}
