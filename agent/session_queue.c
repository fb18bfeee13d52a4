/* What waits to be told: reports (acknowledged, the latest a pod), events, and questions. */
#include "agent/session_internal.h"

#include "agent/limits.h"
#include "lib/base/alloc.h"
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_BYTES_MAX = 4 << 20 };

#define RESEND_MS 1000

static void pack(const Session__V1__AgentMessage *message, struct buffer *out)
{
    size_t len = session__v1__agent_message__get_packed_size(message);
    uint8_t *space = buffer_reserve(out, len);
    if (space != NULL) {
        buffer_commit(out, session__v1__agent_message__pack(message, space));
    }
}

void agent_session_send(struct session *session, const Session__V1__AgentMessage *message)
{
    struct buffer bytes;
    if (session->stream == NULL) {
        return;
    }
    buffer_init(&bytes, MESSAGE_BYTES_MAX);
    pack(message, &bytes);
    if (buffer_error(&bytes) == 0) {
        (void)grpc_stream_send(session->stream, buffer_slice(&bytes));
    }
    buffer_release(&bytes);
}

/* ---- Reports ---- */

static void report_free(struct session *session, struct report *report)
{
    (void)hash_map_remove(session->reports, slice_text(report->key));
    list_remove(&report->node);
    buffer_release(&report->message);
    buffer_release(&report->bytes);
    free(report->key);
    free(report->namespace_name);
    free(report->name);
    free(report->uid);
    free(report);
}

static void send_report(struct session *session, struct report *report)
{
    Session__V1__AgentMessage message = SESSION__V1__AGENT_MESSAGE__INIT;
    Session__V1__PodStatus status = SESSION__V1__POD_STATUS__INIT;
    Session__V1__PodDeleted deleted = SESSION__V1__POD_DELETED__INIT;
    Session__V1__NodeStatus node = SESSION__V1__NODE_STATUS__INIT;
    ProtobufCBinaryData bytes = {.len = report->bytes.len, .data = report->bytes.data};
    if (report->uid == NULL) {
        node.sequence = report->sequence;
        node.status = bytes;
        message.message_case = SESSION__V1__AGENT_MESSAGE__MESSAGE_NODE_STATUS;
        message.node_status = &node;
    } else if (report->is_status) {
        status.sequence = report->sequence;
        status.namespace_ = report->namespace_name;
        status.name = report->name;
        status.uid = report->uid;
        status.status = bytes;
        message.message_case = SESSION__V1__AGENT_MESSAGE__MESSAGE_POD_STATUS;
        message.pod_status = &status;
    } else {
        deleted.sequence = report->sequence;
        deleted.namespace_ = report->namespace_name;
        deleted.name = report->name;
        deleted.uid = report->uid;
        message.message_case = SESSION__V1__AGENT_MESSAGE__MESSAGE_POD_DELETED;
        message.pod_deleted = &deleted;
    }
    report->sent = true;
    report->awaiting = report->sequence;
    agent_session_send(session, &message);
}

static struct report *report_for(struct session *session, const char *key)
{
    struct report *report = hash_map_get(session->reports, slice_text(key));
    if (report == NULL) {
        report = alloc_zeroed(sizeof(*report));
        list_init(&report->node);
        report->key = alloc_text(key);
        buffer_init(&report->message, MESSAGE_BYTES_MAX);
        buffer_init(&report->bytes, MESSAGE_BYTES_MAX);
        (void)hash_map_set(session->reports, slice_text(key), report);
        list_push_back(&session->report_list, &report->node);
    }
    report->sequence = ++session->next_sequence;
    report->sent = false;
    report->retry_ms = 0;
    return report;
}

static void set_pod(struct report *report, const Core__V1__Pod *pod)
{
    free(report->namespace_name);
    free(report->name);
    free(report->uid);
    report->namespace_name = alloc_text(pod->metadata->namespace_);
    report->name = alloc_text(pod->metadata->name);
    report->uid = alloc_text(pod->metadata->uid);
}

void agent_session_pod_status(struct session *session, const Core__V1__Pod *pod,
                              struct slice status)
{
    CLEANUP(alloc_freep) char *key = alloc_printf("s/%s", pod->metadata->uid);
    struct report *report = report_for(session, key);
    report->is_status = true;
    set_pod(report, pod);
    buffer_clear(&report->bytes);
    buffer_append_slice(&report->bytes, status);
    agent_session_flush(session);
}

void agent_session_pod_deleted(struct session *session, const Core__V1__Pod *pod)
{
    CLEANUP(alloc_freep) char *key = alloc_printf("d/%s", pod->metadata->uid);
    set_pod(report_for(session, key), pod);
    agent_session_flush(session);
}

void agent_session_node_status(struct session *session, struct slice status)
{
    struct report *report = report_for(session, "n");
    buffer_clear(&report->bytes);
    buffer_append_slice(&report->bytes, status);
    agent_session_flush(session);
}

void agent_session_forget_pod(struct session *session, const char *uid)
{
    static const char *const prefixes[] = {"s/", "d/"};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        CLEANUP(alloc_freep) char *key = alloc_printf("%s%s", prefixes[i], uid);
        struct report *report = hash_map_get(session->reports, slice_text(key));
        if (report != NULL) {
            report_free(session, report);
        }
    }
}

/* 410: a pod of that name, but another one. A status that meets no pod (404) is said again: a
 * member may lag behind the one that sent the pod, and a pod that is really gone takes its report
 * along. */
static bool is_final(const struct report *report, int32_t code)
{
    return code == 200 || code == 410 || (code == 404 && !report->is_status);
}

bool agent_session_pod_status_waits(const struct session *session, const char *uid)
{
    CLEANUP(alloc_freep) char *key = alloc_printf("s/%s", uid);
    return hash_map_get(session->reports, slice_text(key)) != NULL;
}

void agent_session_take_ack(struct session *session, const Session__V1__Ack *ack)
{
    LIST_FOREACH(node, next, &session->report_list)
    {
        struct report *report = LIST_ENTRY(node, struct report, node);
        if (report->awaiting != ack->sequence) {
            continue;
        }
        report->awaiting = 0;
        if (report->sequence != ack->sequence) {
            agent_session_flush(session); /* A newer state has waited for this one. */
            return;
        }
        if (is_final(report, ack->code)) {
            report_free(session, report);
        } else {
            report->sent = false;
            report->retry_ms = loop_now_ms(session->loop) + RESEND_MS;
        }
        return;
    }
}

/* ---- Events ---- */

static void note_free(struct session *session, struct queued_note *note)
{
    list_remove(&note->node);
    session->note_count--;
    buffer_release(&note->message);
    free(note);
}

void agent_session_event(struct session *session, struct slice event)
{
    if (session->note_count >= AGENT_EVENTS_QUEUED_MAX) {
        note_free(session, LIST_ENTRY(list_first(&session->notes), struct queued_note, node));
    }
    struct queued_note *note = alloc_zeroed(sizeof(*note));
    list_init(&note->node);
    buffer_init(&note->message, MESSAGE_BYTES_MAX);
    Session__V1__Event inner = SESSION__V1__EVENT__INIT;
    CLEANUP(alloc_freep) uint8_t *copy = alloc_bytes(event.len + 1);
    memcpy(copy, event.data, event.len);
    inner.event = (ProtobufCBinaryData){.len = event.len, .data = copy};
    Session__V1__AgentMessage message = SESSION__V1__AGENT_MESSAGE__INIT;
    message.message_case = SESSION__V1__AGENT_MESSAGE__MESSAGE_EVENT;
    message.event = &inner;
    pack(&message, &note->message);
    list_push_back(&session->notes, &note->node);
    session->note_count++;
    agent_session_flush(session);
}

/* ---- Questions ---- */

static struct question *question_new(struct session *session, object_done done, void *data)
{
    struct question *question = alloc_zeroed(sizeof(*question));
    list_init(&question->node);
    buffer_init(&question->message, MESSAGE_BYTES_MAX);
    question->id = ++session->next_id;
    question->deadline_ms = loop_now_ms(session->loop) + AGENT_REQUEST_TIMEOUT_MS;
    question->done = done;
    question->data = data;
    list_push_back(&session->questions, &question->node);
    session->question_count++;
    if (session->question_count > AGENT_REQUESTS_IN_FLIGHT_MAX) {
        question->deadline_ms = 0; /* Refused, at the next turn: never inside the call. */
    }
    return question;
}

static void question_end(struct session *session, struct question *question, int code,
                         const char *message, struct slice object)
{
    list_remove(&question->node);
    session->question_count--;
    question->done(question->data, code, message, object);
    buffer_release(&question->message);
    free(question);
}

void agent_session_get(struct session *session, const char *resource, const char *namespace_name,
                       const char *name, object_done done, void *data)
{
    struct question *question = question_new(session, done, data);
    CLEANUP(alloc_freep) char *resource_copy = alloc_text(resource);
    CLEANUP(alloc_freep) char *namespace_copy = alloc_text(namespace_name);
    CLEANUP(alloc_freep) char *name_copy = alloc_text(name);
    Session__V1__GetRequest get = SESSION__V1__GET_REQUEST__INIT;
    get.id = question->id;
    get.resource = resource_copy;
    get.namespace_ = namespace_copy;
    get.name = name_copy;
    Session__V1__AgentMessage message = SESSION__V1__AGENT_MESSAGE__INIT;
    message.message_case = SESSION__V1__AGENT_MESSAGE__MESSAGE_GET;
    message.get = &get;
    pack(&message, &question->message);
    agent_session_flush(session);
}

void agent_session_token(struct session *session, const Core__V1__Pod *pod,
                         const Core__V1__ServiceAccountTokenProjection *projection,
                         object_done done, void *data)
{
    struct question *question = question_new(session, done, data);
    Session__V1__TokenRequest token = SESSION__V1__TOKEN_REQUEST__INIT;
    char default_account[] = "default";
    char *audiences[] = {projection->audience};
    token.id = question->id;
    token.namespace_ = pod->metadata->namespace_;
    token.service_account =
        pod->spec->service_account_name == NULL || pod->spec->service_account_name[0] == '\0'
            ? default_account
            : pod->spec->service_account_name;
    token.pod_name = pod->metadata->name;
    token.pod_uid = pod->metadata->uid;
    if (projection->audience != NULL && projection->audience[0] != '\0') {
        token.n_audiences = 1;
        token.audiences = audiences;
    }
    token.expiration_seconds =
        projection->has_expiration_seconds ? projection->expiration_seconds : 3600;
    Session__V1__AgentMessage message = SESSION__V1__AGENT_MESSAGE__INIT;
    message.message_case = SESSION__V1__AGENT_MESSAGE__MESSAGE_TOKEN;
    message.token = &token;
    pack(&message, &question->message);
    agent_session_flush(session);
}

void agent_session_take_response(struct session *session, const Session__V1__Response *response)
{
    LIST_FOREACH(node, next, &session->questions)
    {
        struct question *question = LIST_ENTRY(node, struct question, node);
        if (question->id == response->id) {
            question_end(session, question, response->code, response->message,
                         slice_of(response->object.data, response->object.len));
            return;
        }
    }
}

void agent_session_expire(struct session *session)
{
    uint64_t now = loop_now_ms(session->loop);
    bool found = true;
    while (found) { /* An answer may ask again: start over after each. */
        found = false;
        LIST_FOREACH(node, next, &session->questions)
        {
            struct question *question = LIST_ENTRY(node, struct question, node);
            if (question->deadline_ms <= now) {
                question_end(session, question, 0, "the control plane did not answer in time",
                             slice_of(NULL, 0));
                found = true;
                break;
            }
        }
    }
}

/* ---- All of it ---- */

void agent_session_mark_unsent(struct session *session)
{
    LIST_FOREACH(node, next, &session->report_list)
    {
        LIST_ENTRY(node, struct report, node)->sent = false;
        LIST_ENTRY(node, struct report, node)->awaiting = 0;
        LIST_ENTRY(node, struct report, node)->retry_ms = 0;
    }
    LIST_FOREACH(node, next, &session->questions)
    {
        LIST_ENTRY(node, struct question, node)->sent = false;
    }
}

void agent_session_flush(struct session *session)
{
    if (session->state != SESSION_UP) {
        return;
    }
    uint64_t now = loop_now_ms(session->loop);
    LIST_FOREACH(node, next, &session->report_list)
    {
        struct report *report = LIST_ENTRY(node, struct report, node);
        /* One at a time: two writes of one status could be carried out in the other order. */
        if (!report->sent && report->awaiting == 0 && report->retry_ms <= now) {
            send_report(session, report);
        }
    }
    LIST_FOREACH(node, next, &session->questions)
    {
        struct question *question = LIST_ENTRY(node, struct question, node);
        if (!question->sent && question->deadline_ms > now) {
            question->sent = true;
            (void)grpc_stream_send(session->stream, buffer_slice(&question->message));
        }
    }
    while (!list_empty(&session->notes)) {
        struct queued_note *note =
            LIST_ENTRY(list_first(&session->notes), struct queued_note, node);
        (void)grpc_stream_send(session->stream, buffer_slice(&note->message));
        note_free(session, note);
    }
}

void agent_session_queue_release(struct session *session)
{
    while (!list_empty(&session->questions)) {
        question_end(session, LIST_ENTRY(list_first(&session->questions), struct question, node), 0,
                     "the agent is closing", slice_of(NULL, 0));
    }
    while (!list_empty(&session->report_list)) {
        report_free(session, LIST_ENTRY(list_first(&session->report_list), struct report, node));
    }
    while (!list_empty(&session->notes)) {
        note_free(session, LIST_ENTRY(list_first(&session->notes), struct queued_note, node));
    }
    hash_map_free(session->reports);
}
