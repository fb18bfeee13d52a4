#include "apiserver/audit.h"

#include "apiserver/audit_backends.h"
#include "apiserver/audit_delivery.h"
#include "lib/api/custom.h"
#include "lib/api/defaults.h"
#include "lib/api/syntax.h"
#include "lib/base/alloc.h"
#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

struct audit {
    struct audit_policy *policy;
    struct audit_backends *backends;
    struct metric *levels[AUDIT_LEVELS];
};

int audit_new(const struct audit_options *options, struct loop *loop, struct metrics *metrics,
              struct audit **ret_audit, struct error *reterr)
{
    *ret_audit = NULL;
    if (options->policy == NULL) {
        return 0;
    }
    struct audit *audit = alloc_zeroed(sizeof(*audit));
    static const char *const labels[] = {"level=\"None\"", "level=\"Metadata\"",
                                         "level=\"Request\"", "level=\"RequestResponse\""};
    for (size_t i = 0; i < AUDIT_LEVELS; i++) {
        audit->levels[i] = metrics_counter(metrics, "apiserver_audit_level_total",
                                           "Requests by the level of their audit.", labels[i]);
    }
    int status = audit_policy_parse(slice_text(options->policy), &audit->policy, reterr);
    if (status < 0) {
        (void)error_wrap(reterr, "--audit-policy-file");
    } else {
        status = audit_backends_new(options, loop, metrics, &audit->backends, reterr);
    }
    if (status < 0) {
        audit_free(audit);
        return status;
    }
    *ret_audit = audit;
    return 0;
}

void audit_close(struct audit *audit, void (*closed)(void *data), void *data)
{
    if (audit == NULL) {
        closed(data);
    } else {
        audit_backends_close(audit->backends, closed, data);
    }
}

void audit_free(struct audit *audit)
{
    if (audit != NULL) {
        audit_backends_free(audit->backends);
        audit_policy_free(audit->policy);
        free(audit);
    }
}

/* --- Events --- */

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static bool is_omitted(const struct audit_event *event, enum audit_stage stage)
{
    return (event->decision.omitted & 1U << stage) != 0;
}

static void write_event(struct request *request, enum audit_stage stage)
{
    if (!is_omitted(request->audit, stage)) {
        audit_backends_put(request->server->audit->backends, request->audit, stage, now_us(),
                           /* delivery= */ NULL);
    }
}

/* Watches and connections: two events tell of their answer. */
static bool lasts(const struct request *request)
{
    return request->info.verb == VERB_WATCH || request_info_is_connection(&request->info);
}

static const char *user_agent(struct request *request)
{
    struct slice agent = http_header_find(request->exchange, "user-agent");
    bool cut = agent.len > AUDIT_USER_AGENT_MAX;
    int len = (int)(cut ? AUDIT_USER_AGENT_MAX : agent.len);
    return arena_printf(request->arena, "%.*s%s", len, (const char *)agent.data,
                        cut ? "...TRUNCATED" : "");
}

static bool is_address(const char *text)
{
    return text[0] != 0 && api_syntax_ip(text).count == 0;
}

/* The host of "192.0.2.1:1234" or "[2001:db8::1]:1234". */
static const char *host_of(struct arena *arena, const char *address)
{
    const char *colon = strrchr(address, ':');
    size_t len = colon == NULL ? strlen(address) : (size_t)(colon - address);
    bool bracketed = len >= 2 && address[0] == '[' && address[len - 1] == ']';
    return bracketed ? arena_text_n(arena, address + 1, len - 2)
                     : arena_text_n(arena, address, len);
}

/* X-Forwarded-For (and X-Real-Ip, where that names nobody), then whom we talk to. */
static void find_sources(struct request *request, struct audit_event *event)
{
    struct arena *arena = request->arena;
    const char **ips = arena_array(arena, AUDIT_SOURCES_MAX + 1, sizeof(char *));
    size_t count = 0;
    struct slice given = http_header_find(request->exchange, "x-forwarded-for");
    char *text = arena_text_n(arena, (const char *)given.data, given.len);
    char *rest = NULL;
    for (char *each = strtok_r(text, ", ", &rest); each != NULL && count < AUDIT_SOURCES_MAX;
         each = strtok_r(NULL, ", ", &rest)) {
        if (is_address(each)) {
            ips[count++] = each;
        }
    }
    given = http_header_find(request->exchange, "x-real-ip");
    const char *real = arena_text_n(arena, (const char *)given.data, given.len);
    if (count == 0 && is_address(real)) {
        ips[count++] = real;
    }
    const char *peer = host_of(arena, http_peer_address(request->exchange));
    if (peer[0] != 0 && (count == 0 || strcmp(ips[count - 1], peer) != 0)) {
        ips[count++] = peer;
    }
    event->source_ips = ips;
    event->source_ip_count = count;
}

static void begin(struct request *request, const struct user *user)
{
    struct audit *audit = request->server->audit;
    const struct request_info *info = &request->info;
    const struct access access = request_access(request);
    struct audit_decision decision = audit_policy_decide(audit->policy, user, &access);
    metric_add(audit->levels[decision.level], 1);
    if (decision.level == AUDIT_NONE) {
        return;
    }
    struct audit_event *event = arena_zeroed(request->arena, sizeof(*event));
    *event = (struct audit_event){.decision = decision,
                                  .id = request->audit_id,
                                  .uri = request_uri(request),
                                  .verb = access.verb,
                                  .user = user,
                                  .user_agent = user_agent(request),
                                  .has_object = info->is_resource,
                                  .object = {.resource = info->resource,
                                             .namespace = info->namespace,
                                             .name = info->name,
                                             .uid = "",
                                             .group = info->group,
                                             .version = info->version,
                                             .resource_version = "",
                                             .subresource = info->subresource},
                                  .received_us = now_us(),
                                  .notes = request->token_notes};
    event->notes.arena = request->arena;
    event->notes.has_bodies = decision.level >= AUDIT_REQUEST;
    find_sources(request, event);
    request->audit = event;
    request->call.notes = &event->notes;
}

/* --- Waiting for the event of the beginning --- */

static void on_delivered(void *data, int status)
{
    struct request *request = data;
    request->codec->on_abort(request, NULL, NULL);
    request->audit_delivery = NULL;
    if (request->codec->is_aborted(request)) {
        request_finish(request);
    } else if (status < 0) {
        request->codec->failed(request, "failed to store audit event");
    } else {
        request_continue(request);
    }
}

static void on_abort(void *data)
{
    struct request *request = data;
    audit_delivery_forget(TAKE(request->audit_delivery));
    request_finish(request);
}

static void wait_for_delivery(struct request *request)
{
    struct loop *home = http_exchange_loop(request->exchange);
    request->audit_delivery = audit_delivery_new(home, on_delivered, request);
    request->codec->on_abort(request, on_abort, request);
    audit_backends_put(request->server->audit->backends, request->audit, AUDIT_REQUEST_RECEIVED,
                       now_us(), request->audit_delivery);
    audit_delivery_end(request->audit_delivery, 0);
}

bool stage_audit(struct request *request)
{
    struct audit *audit = request->server->audit;
    if (audit == NULL) {
        return true;
    }
    begin(request, request->user);
    if (request->audit == NULL || is_omitted(request->audit, AUDIT_REQUEST_RECEIVED)) {
        return true;
    }
    if (audit_backends_block(audit->backends)) {
        wait_for_delivery(request);
        return false;
    }
    write_event(request, AUDIT_REQUEST_RECEIVED);
    return true;
}

static const char *attempted(struct request *request)
{
    struct slice header = http_header_find(request->exchange, "authorization");
    const struct tls_peer *peer = http_tls_peer(request->exchange);
    bool bearer = header.len > 7 && strncasecmp((const char *)header.data, "Bearer ", 7) == 0;
    bool basic = header.len > 6 && strncasecmp((const char *)header.data, "Basic ", 6) == 0;
    bool certificate = peer != NULL && peer->presented;
    const char *first = bearer ? "bearer" : basic ? "basic" : "";
    if (first[0] == 0 && !certificate) {
        return "Authentication failed, no credentials provided";
    }
    return arena_printf(request->arena, "Authentication failed, attempted: %s%s%s", first,
                        first[0] != 0 && certificate ? ", " : "", certificate ? "x509" : "");
}

void audit_begin_refused(struct request *request)
{
    if (request->server->audit == NULL) {
        return;
    }
    begin(request, NULL);
    if (request->audit != NULL) {
        request->audit->status_message = attempted(request);
    }
}

void audit_impersonation(struct request *request)
{
    if (request->audit != NULL) {
        request->audit->impersonated = request->user;
    }
}

void audit_answer_begun(struct request *request)
{
    struct audit_event *event = request->audit;
    if (event == NULL || event->code != 0) {
        return;
    }
    /* Another codec than HTTP says how it went at its end, in words of its own. */
    event->code =
        event->answer_code != 0 ? event->answer_code : http_response_status(request->exchange);
    if (event->code != 0 && lasts(request)) {
        write_event(request, AUDIT_RESPONSE_STARTED);
    }
}

/* Who gives up before the answer is told of as Kubernetes does it. */
static void note_early_end(struct audit_event *event)
{
    event->code = 200;
    event->status_message = "Connection closed early";
}

void audit_end(struct request *request)
{
    struct audit_event *event = request->audit;
    if (event == NULL) {
        return;
    }
    audit_answer_begun(request);
    if (event->code == 0) {
        note_early_end(event);
    }
    if (event->user == NULL) { /* The only event of it, and this its stage, in Kubernetes. */
        write_event(request, AUDIT_RESPONSE_STARTED);
    } else {
        write_event(request, AUDIT_RESPONSE_COMPLETE);
    }
    request->audit = NULL;
}

/* --- Objects --- */

static bool wants_request(const struct request *request)
{
    return request->audit != NULL && request->audit->decision.level >= AUDIT_REQUEST;
}

bool audit_wants_answer(const struct request *request)
{
    return request->audit != NULL && request->audit->decision.level >= AUDIT_REQUEST_RESPONSE;
}

/* `message`, or a copy without managedFields when the policy leaves them out. */
static const void *shown(struct request *request, const struct api_message *schema,
                         const void *message)
{
    const Meta__V1__ObjectMeta *meta = api_message_meta(schema, message);
    if (!request->audit->decision.omit_managed_fields || meta == NULL ||
        meta->n_managed_fields == 0) {
        return message;
    }
    /* Two structs deep is a copy enough: what they point to is only read. */
    Meta__V1__ObjectMeta *bare = arena_alloc(request->arena, sizeof(*bare));
    *bare = *meta;
    bare->n_managed_fields = 0;
    if (schema->custom != NULL) {
        struct custom_object *custom = arena_alloc(request->arena, sizeof(*custom));
        *custom = *(const struct custom_object *)message;
        custom->metadata = bare;
        return custom;
    }
    void *copy = arena_alloc(request->arena, schema->size);
    memcpy(copy, message, schema->size);
    *(Meta__V1__ObjectMeta **)api_field_at(schema->metadata, copy) = bare;
    return copy;
}

static const char *either(const char *text, const char *otherwise)
{
    return text[0] != 0 || otherwise == NULL ? text : otherwise;
}

/* What the path does not say of the object. */
static void complete(struct audit_object *object, const Meta__V1__ObjectMeta *meta)
{
    object->namespace = either(object->namespace, meta->namespace_);
    object->name = either(object->name, meta->name);
    object->uid = either(object->uid, meta->uid);
    object->resource_version = either(object->resource_version, meta->resource_version);
}

/* The arena's copies: the message may be changed before the event is written. */
static void keep(struct arena *arena, struct audit_object *object)
{
    object->namespace = arena_text(arena, object->namespace);
    object->name = arena_text(arena, object->name);
    object->uid = arena_text(arena, object->uid);
    object->resource_version = arena_text(arena, object->resource_version);
}

void audit_request_object(struct request *request, const struct api_message *schema,
                          const struct api_type_meta *type_meta, const void *message)
{
    struct audit_event *event = request->audit;
    if (event == NULL) {
        return;
    }
    const Meta__V1__ObjectMeta *meta = api_message_meta(schema, message);
    if (meta != NULL) {
        complete(&event->object, meta);
        keep(request->arena, &event->object);
    }
    if (!wants_request(request)) {
        return;
    }
    CLEANUP(buffer_release) struct buffer json;
    buffer_init(&json, ENCODED_OBJECT_MAX);
    if (schema == request->kind->message && schema->custom == NULL) {
        void *copy = api_message_copy(request->arena, schema, message);
        api_default_object(request->arena, request->kind, copy);
        message = copy;
    }
    api_encode_json(schema, shown(request, schema, message), type_meta, &json);
    if (buffer_error(&json) < 0) {
        event->truncated = true;
        return;
    }
    event->request_object = arena_slice(request->arena, buffer_slice(&json));
}

void audit_request_patch(struct request *request)
{
    if (!wants_request(request)) {
        return;
    }
    CLEANUP(buffer_release) struct buffer json;
    CLEANUP(buffer_release) struct buffer compact;
    struct json_value *tree = NULL;
    buffer_init(&json, ENCODED_OBJECT_MAX);
    buffer_init(&compact, ENCODED_OBJECT_MAX);
    struct arena *arena = arena_new(SIZE_MAX);
    struct slice text = request->call.patch;
    if (request->call.patch_type == REGISTRY_PATCH_APPLY) {
        /* What is no YAML is refused later, and is no object here. */
        text = api_yaml_to_json(arena, text, NULL, &json, NULL) < 0 ? slice_text("")
                                                                    : buffer_slice(&json);
    }
    if (json_parse(arena, text, &tree, NULL) == 0) {
        json_print(tree, /* sorted= */ false, &compact);
        request->audit->request_object = arena_slice(request->arena, buffer_slice(&compact));
    }
    arena_free(arena);
}

/* --- Answers --- */

/* JSON that did not fit into its buffer is left out, and the event says so. */
static void keep_answer(struct request *request, const struct buffer *json)
{
    if (buffer_error(json) < 0) {
        request->audit->truncated = true;
        return;
    }
    request->audit->response_object = arena_slice(request->arena, buffer_slice(json));
}

void audit_status(struct request *request, const struct api_status *status)
{
    if (request->audit == NULL) {
        return;
    }
    request->audit->answer_code = status->code == 0 ? 200 : (unsigned)status->code;
    if (request->audit->user == NULL) {
        return; /* What was tried is said in its place. */
    }
    request->audit->status = status;
    if (audit_wants_answer(request)) {
        CLEANUP(buffer_release) struct buffer json;
        buffer_init(&json, ENCODED_OBJECT_MAX);
        api_status_encode_json(request->arena, status, &json);
        keep_answer(request, &json);
    }
}

void audit_message(struct request *request, unsigned code, const struct api_message *schema,
                   const void *message, const struct api_type_meta *type_meta)
{
    if (request->audit == NULL) {
        return;
    }
    request->audit->answer_code = code;
    if (audit_wants_answer(request)) {
        CLEANUP(buffer_release) struct buffer json;
        buffer_init(&json, AUDIT_EVENT_MAX);
        api_encode_json(schema, shown(request, schema, message), type_meta, &json);
        keep_answer(request, &json);
    }
}

void audit_object(struct request *request, unsigned code, const struct api_kind *kind,
                  const void *message)
{
    bool whole = request->accept.form != FORM_TABLE && request->accept.form != FORM_PARTIAL;
    if (request->audit == NULL || whole) {
        struct api_type_meta type_meta = {.api_version = kind->api_version, .kind = kind->kind};
        audit_message(request, code, kind->message, message, &type_meta);
        return;
    }
    request->audit->answer_code = code;
    if (audit_wants_answer(request)) {
        CLEANUP(buffer_release) struct buffer json;
        buffer_init(&json, AUDIT_EVENT_MAX);
        encode_form(request, kind, shown(request, kind->message, message), &json);
        keep_answer(request, &json);
    }
}

void audit_list(struct request *request)
{
    if (audit_wants_answer(request)) {
        CLEANUP(buffer_release) struct buffer json;
        buffer_init(&json, AUDIT_EVENT_MAX);
        encode_list(request, shown, &json);
        keep_answer(request, &json);
    }
}
