/* Resource requests: the body decoded, the query read, the registry asked, the answer sent. */
#include "apiserver/asked_kind.h"
#include "apiserver/audit.h"
#include "apiserver/go_text.h"
#include "apiserver/media_type.h"
#include "apiserver/request.h"
#include "apiserver/warnings.h"
#include "lib/api/custom.h"
#include "lib/api/object.h"
#include "lib/base/alloc.h"
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

static const char body_types[] =
    "application/json, application/yaml, application/vnd.kubernetes.protobuf";
static const char patch_types[] =
    "application/json-patch+json, application/merge-patch+json, "
    "application/strategic-merge-patch+json, application/apply-patch+yaml";
static const char custom_body_types[] = "application/json, application/yaml";
static const char custom_patch_types[] =
    "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";

static bool is_custom(const struct request *request)
{
    return request->kind != NULL && custom_of(request->kind) != NULL;
}

/* --- Media type of the body --- */

/* Up to its parameters. */
static struct slice body_type(struct request *request)
{
    struct slice type = request->body_type;
    const uint8_t *semicolon = type.len == 0 ? NULL : memchr(type.data, ';', type.len);
    if (semicolon != NULL) {
        type.len = (size_t)(semicolon - type.data);
    }
    while (type.len > 0 && type.data[type.len - 1] == ' ') {
        type.len--;
    }
    return type;
}

static bool is_type(struct slice type, const char *name)
{
    return type.len == strlen(name) && strncasecmp((const char *)type.data, name, type.len) == 0;
}

static bool read_media(struct request *request, enum media_type *ret_media)
{
    struct slice type = request->body_type;
    bool none = type.len == 0;
    if (!none && !media_type_parse(type, &type)) {
        type = slice_text("");
    }
    if (none || is_type(type, "application/json")) {
        *ret_media = MEDIA_JSON;
    } else if (is_type(type, "application/yaml")) {
        *ret_media = MEDIA_YAML;
    } else if (is_type(type, "application/vnd.kubernetes.protobuf") &&
               (!is_custom(request) || request->info.verb == VERB_DELETE ||
                request->info.verb == VERB_DELETE_COLLECTION)) {
        *ret_media = MEDIA_PROTOBUF; /* Of a custom resource no object, but options. */
    } else {
        return request_refuse(
            request, api_status_unsupported_media(
                         request->arena, is_custom(request) ? custom_body_types : body_types));
    }
    return true;
}

/* --- Decoding --- */

struct wanted {
    const struct api_message *schema;
    const char *api_version; /* "apps/v1" */
    const char *version;     /* "v1" */
    const char *kind;
};

/* How a body begins that could not be read: what looks like JSON as it is, all else in hex. */
static const char *summary_of(struct arena *arena, struct slice body)
{
    enum { SHOWN_BYTES = 30 };
    size_t len = body.len > SHOWN_BYTES ? SHOWN_BYTES : body.len;
    const char *more = body.len > SHOWN_BYTES ? " ..." : "";
    if (body.len == 0) {
        return "<empty>";
    }
    if (body.data[0] == '{') {
        return arena_printf(arena, "%.*s%s", (int)len, (const char *)body.data, more);
    }
    const char *hex = "";
    for (size_t i = 0; i < len; i++) {
        hex = arena_printf(arena, "%s%02x", hex, body.data[i]);
    }
    return arena_printf(arena, "%s%s", hex, more);
}

static bool unrecognized(struct request *request, const struct wanted *wanted, const char *why)
{
    return request_refuse(
        request,
        api_status_bad_request(request->arena,
                               "the object provided is unrecognized (must be of type %s): %s (%s)",
                               wanted->kind, why, summary_of(request->arena, request->body)));
}

static bool cannot_handle(struct request *request, const struct wanted *wanted, const char *kind,
                          const char *version, const char *why)
{
    return request_refuse(
        request,
        api_status_bad_request(request->arena, "%s in version \"%s\" cannot be handled as a %s: %s",
                               kind, version, wanted->kind, why));
}

static const struct api_status *other_version(struct arena *arena, const struct wanted *wanted,
                                              const struct api_type_meta *meta)
{
    return api_status_bad_request(arena,
                                  "the API version in the data (%s) does not match the expected "
                                  "API version (%s)",
                                  meta->api_version, wanted->api_version);
}

/* Two forms of one kind: what is sent can be read as what is wanted, but has another path. */
static bool is_other_version(const struct wanted *wanted, const struct api_type_meta *meta)
{
    const struct api_kind *sent = api_kind_by_api_version(meta->api_version, meta->kind);
    const struct api_kind *here = api_kind_by_api_version(wanted->api_version, wanted->kind);
    if (strcmp(meta->kind, wanted->kind) != 0 || here == NULL) {
        return false;
    }
    return api_kind_is_past(meta->api_version, meta->kind) ||
           (sent != NULL && (sent->stored_as == here || here->stored_as == sent));
}

/* Of a custom object neither kind nor version go without saying; whether the kind is the wanted
 * one, its validation asks. */
static bool check_custom_version(struct request *request, const struct wanted *wanted,
                                 const struct api_type_meta *meta)
{
    struct slice body = request->body;
    if (strcmp(meta->kind, "") != 0) {
        return strcmp(meta->api_version, wanted->api_version) == 0 ||
               request_refuse(request, other_version(request->arena, wanted, meta));
    }
    const char *why = arena_printf(request->arena, "Object 'Kind' is missing in '%.*s'",
                                   (int)body.len, (const char *)body.data);
    return request->call.options.field_validation == REGISTRY_FIELDS_IGNORE
               ? cannot_handle(request, wanted, wanted->kind, wanted->version, why)
               : unrecognized(request, wanted, why);
}

/* Custom objects of another kind are as wrong as those with a wrong field. */
static bool check_custom_kind(struct request *request, const struct wanted *wanted,
                              const struct api_type_meta *meta, const void *message)
{
    const struct api_path path = api_path_field(NULL, "kind");
    const Meta__V1__ObjectMeta *own = api_message_meta(wanted->schema, message);
    struct api_causes causes;
    if (strcmp(meta->kind, wanted->kind) == 0) {
        return true;
    }
    api_causes_init(&causes, request->arena);
    api_cause_invalid(&causes, &path, api_shown_text(meta->kind),
                      arena_printf(request->arena, "must be %s", wanted->kind));
    struct api_kind sent = wanted->schema->custom->kind; /* As what it is refused. */
    sent.kind = meta->kind;
    return request_refuse(request,
                          api_status_invalid(request->arena, &sent,
                                             own == NULL ? "" : text_or_empty(own->name), &causes));
}

/* What the body says it is must be what is wanted; left out, it is. */
static bool check_kind(struct request *request, const struct wanted *wanted,
                       const struct api_type_meta *meta)
{
    if (wanted->schema->custom != NULL) {
        return check_custom_version(request, wanted, meta);
    }
    bool kind = meta->kind[0] == 0 || strcmp(meta->kind, wanted->kind) == 0;
    bool version = meta->api_version[0] == 0 || strcmp(meta->api_version, wanted->api_version) == 0;
    bool any_group = strcmp(wanted->kind, "DeleteOptions") == 0;
    /* The one kind of which v1.32 takes an older version at the path of the newer one. */
    bool older = strcmp(wanted->kind, "Eviction") == 0 &&
                 strcmp(wanted->api_version, "policy/v1") == 0 &&
                 strcmp(meta->api_version, "policy/v1beta1") == 0;
    if (kind && (version || any_group || older)) {
        return true;
    }
    if (is_other_version(wanted, meta)) {
        return request_refuse(request, other_version(request->arena, wanted, meta));
    }
    /* A kind alone is of the version that is wanted. */
    const char *api_version = meta->api_version[0] == 0 ? wanted->api_version : meta->api_version;
    const char *slash = strchr(api_version, '/');
    const char *short_version = slash == NULL ? api_version : slash + 1;
    const char *shown = meta->kind[0] == 0 ? wanted->kind : meta->kind;
    bool known = api_kind_by_api_version(api_version, shown) != NULL;
    const char *why =
        known ? arena_printf(request->arena, "converting (%s.%s) to (%s.%s): unknown conversion",
                             short_version, shown,
                             go_text_package(request->arena, request->info.group), wanted->kind)
              : arena_printf(request->arena,
                             "no kind \"%s\" is registered for version \"%s\" in scheme "
                             "\"pkg/api/legacyscheme/scheme.go:30\"",
                             shown, api_version);
    return cannot_handle(request, wanted, shown, short_version, why);
}

static bool take_problems(struct request *request, const struct wanted *wanted,
                          const struct api_problems *problems)
{
    enum registry_field_validation mode = request->call.options.field_validation;
    if (problems->count == 0 || mode == REGISTRY_FIELDS_IGNORE) {
        return true;
    }
    struct registry_call *call = &request->call;
    const char *all = arena_join(request->arena, problems->texts, problems->count, ", ");
    for (size_t i = 0; i < problems->count; i++) {
        if (mode == REGISTRY_FIELDS_WARN && call->warning_count < WARNINGS_MAX) {
            call->warning_count += warning_texts(request->arena, problems->texts[i],
                                                 call->warnings + call->warning_count,
                                                 WARNINGS_MAX - call->warning_count);
        }
    }
    if (mode == REGISTRY_FIELDS_WARN) {
        return true;
    }
    return cannot_handle(request, wanted, wanted->kind, wanted->version,
                         arena_printf(request->arena, "strict decoding error: %s", all));
}

static bool decode_text(struct request *request, const struct wanted *wanted, struct slice json,
                        void **ret_message)
{
    CLEANUP(error_release) struct error error = {0};
    struct api_type_meta meta = {0};
    if (api_peek_json(request->arena, json, &meta, &error) < 0) {
        return unrecognized(request, wanted,
                            arena_printf(request->arena,
                                         "couldn't get version/kind; json parse error: %s",
                                         error_message(&error)));
    }
    const char *slash = strchr(meta.api_version, '/');
    if (slash != NULL && strchr(slash + 1, '/') != NULL) {
        return unrecognized(
            request, wanted,
            arena_printf(request->arena, "unexpected GroupVersion string: %s", meta.api_version));
    }
    if (!check_kind(request, wanted, &meta)) {
        return false;
    }
    struct api_problems problems = {0};
    if (api_decode_json(request->arena, wanted->schema, json, &problems, ret_message, &error) < 0) {
        return cannot_handle(request, wanted, wanted->kind, wanted->version, error_message(&error));
    }
    return take_problems(request, wanted, &problems) &&
           (wanted->schema->custom == NULL ||
            check_custom_kind(request, wanted, &meta, *ret_message));
}

static bool decode_yaml(struct request *request, const struct wanted *wanted, void **ret_message)
{
    CLEANUP(error_release) struct error error = {0};
    CLEANUP(buffer_release) struct buffer json;
    buffer_init(&json, ENCODED_OBJECT_MAX);
    struct api_problems duplicates = {0};
    if (api_yaml_to_json(request->arena, request->body, &duplicates, &json, &error) < 0) {
        return unrecognized(request, wanted, error_message(&error));
    }
    return decode_text(request, wanted, buffer_slice(&json), ret_message) &&
           take_problems(request, wanted, &duplicates);
}

static bool decode_envelope(struct request *request, const struct wanted *wanted,
                            void **ret_message)
{
    CLEANUP(error_release) struct error error = {0};
    struct api_envelope envelope = {0};
    if (api_parse_envelope(request->body, &envelope, &error) < 0) {
        return unrecognized(request, wanted, error_message(&error));
    }
    struct arena *arena = request->arena;
    struct api_type_meta meta = {
        .api_version =
            arena_text_n(arena, (const char *)envelope.api_version.data, envelope.api_version.len),
        .kind = arena_text_n(arena, (const char *)envelope.kind.data, envelope.kind.len)};
    if (!check_kind(request, wanted, &meta)) {
        return false;
    }
    if (api_decode_protobuf(arena, wanted->schema, envelope.raw, ret_message, &error) < 0) {
        return cannot_handle(request, wanted, wanted->kind, wanted->version, error_message(&error));
    }
    return true;
}

static bool decode_wanted(struct request *request, const struct wanted *wanted, void **ret_message)
{
    enum media_type media = MEDIA_JSON;
    if (!read_media(request, &media)) {
        return false;
    }
    switch (media) {
    case MEDIA_PROTOBUF:
        return decode_envelope(request, wanted, ret_message);
    case MEDIA_YAML:
        return decode_yaml(request, wanted, ret_message);
    case MEDIA_JSON:
        break;
    }
    return decode_text(request, wanted, request->body, ret_message);
}

bool decode_body(struct request *request, const struct api_kind *kind,
                 const struct api_message *schema, const char *api_version, const char *kind_name,
                 void **ret_message)
{
    (void)kind;
    const char *slash = strchr(api_version, '/');
    struct wanted wanted = {.schema = schema,
                            .api_version = api_version,
                            .version = slash == NULL ? api_version : slash + 1,
                            .kind = kind_name};
    if (!decode_wanted(request, &wanted, ret_message)) {
        return false;
    }
    struct api_type_meta type_meta = {.api_version = api_version, .kind = kind_name};
    audit_request_object(request, schema, &type_meta, *ret_message);
    return true;
}

/* --- Calls --- */

static void call_done(struct registry_call *call)
{
    struct request *request = call->data;
    const struct api_status *refusal =
        call->status == NULL ? NULL : status_as_asked(call, call->status);
    if (refusal == NULL) {
        request->after_call(request);
    } else if (request->info.verb != VERB_WATCH || !watch_refused(request, refusal)) {
        respond_status(request, refusal);
    }
}

void start_call(struct request *request, void (*after)(struct request *request))
{
    struct registry_call *call = &request->call;
    request->after_call = after;
    call->kind = api_stored_kind(request->kind);
    call->asked = call->kind == request->kind ? NULL : request->kind;
    if (call->kind != request->kind && call->body != NULL) {
        call->body = api_convert_to_stored(request->arena, request->kind, call->body);
    }
    call->subresource = request->info.subresource;
    call->namespace = request->kind->namespaced ? request->info.namespace : "";
    call->name = request->info.name;
    call->user = request->user;
    call->arena = request->arena;
    call->home = http_exchange_loop(request->exchange);
    call->done = call_done;
    call->data = request;
    registry_start(request->server->registry, call);
}

static void answer_object(struct request *request)
{
    struct registry_call *call = &request->call;
    if (call->success != NULL) {
        respond_status(request, call->success);
        return;
    }
    if (call->result_kind == NULL) {
        struct api_type_meta meta = type_meta_of_schema(call->result_schema, request->arena);
        respond_message(request, (unsigned)call->code, call->result_schema, call->result, &meta);
        return;
    }
    respond_object(request, (unsigned)call->code, call->object, request->kind, call->result);
}

static void answer_get(struct request *request)
{
    struct registry_call *call = &request->call;
    if (strcmp(request->info.subresource, "scale") == 0) {
        const struct api_status *refusal = NULL;
        call->result = registry_scale_of(request->arena, request->kind, call->result, &refusal);
        if (refusal != NULL) {
            respond_status(request, refusal);
            return;
        }
        call->result_kind = NULL;
        call->result_schema = api_message_find("k8s.io.api.autoscaling.v1.Scale");
    }
    answer_object(request);
}

static bool body_target(struct request *request, const struct api_message **ret_schema,
                        const char **ret_version, const char **ret_kind)
{
    const struct api_subresource *subresource = request->subresource;
    if (subresource == NULL || subresource->message == NULL) {
        *ret_schema = request->kind->message;
        *ret_version = request->kind->api_version;
        *ret_kind = request->kind->kind;
        return subresource == NULL;
    }
    *ret_schema = subresource->message;
    *ret_kind = subresource->kind;
    *ret_version =
        subresource->group[0] == 0
            ? subresource->version
            : arena_printf(request->arena, "%s/%s", subresource->group, subresource->version);
    return true;
}

static void handle_write(struct request *request, enum registry_verb verb)
{
    const struct api_message *schema = NULL;
    const char *version = NULL;
    const char *kind = NULL;
    (void)body_target(request, &schema, &version, &kind);
    void *message = NULL;
    if (!fill_options(request) ||
        !decode_body(request, request->kind, schema, version, kind, &message)) {
        return;
    }
    request->call.verb = verb;
    request->call.body = message;
    start_call(request, answer_object);
}

static void handle_patch(struct request *request)
{
    struct slice type = body_type(request);
    enum registry_patch *patch = &request->call.patch_type;
    if (slice_is(type, "application/json-patch+json")) {
        *patch = REGISTRY_PATCH_JSON;
    } else if (slice_is(type, "application/merge-patch+json")) {
        *patch = REGISTRY_PATCH_MERGE;
    } else if (slice_is(type, "application/strategic-merge-patch+json") && !is_custom(request)) {
        *patch = REGISTRY_PATCH_STRATEGIC;
    } else if (slice_is(type, "application/apply-patch+yaml")) {
        *patch = REGISTRY_PATCH_APPLY;
    } else {
        bool known = slice_is(type, "application/json") || slice_is(type, "application/yaml");
        const char *types = is_custom(request) ? custom_patch_types : known ? patch_types : NULL;
        respond_status(request, api_status_unsupported_media(request->arena, types));
        return;
    }
    if (!fill_options(request)) {
        return;
    }
    request->call.verb = REGISTRY_PATCH;
    request->call.patch = request->body;
    audit_request_patch(request);
    start_call(request, answer_object);
}

static void answer_collection(struct request *request)
{
    respond_list(request);
}

static bool asks_initial_events(const struct request *request)
{
    return query_get(&request->info.query, "sendInitialEvents") != NULL;
}

static void handle_delete(struct request *request, enum registry_verb verb)
{
    if (!fill_delete_options(request)) {
        return;
    }
    request->call.verb = verb;
    request->call.options.asks_initial_events =
        verb == REGISTRY_DELETE_COLLECTION && asks_initial_events(request);
    start_call(request, verb == REGISTRY_DELETE ? answer_object : answer_collection);
}

static void handle_read(struct request *request, enum registry_verb verb)
{
    if (!fill_options(request)) {
        return;
    }
    request->call.verb = verb;
    request->call.options.asks_initial_events =
        verb == REGISTRY_LIST && asks_initial_events(request);
    request->call.object_alone =
        strcmp(request->info.subresource, "scale") != 0 && request_needs_object_alone(request);
    start_call(request, verb == REGISTRY_GET ? answer_get : respond_list);
}

void handle_resource(struct request *request)
{
    switch (request->info.verb) {
    case VERB_GET:
        handle_read(request, REGISTRY_GET);
        return;
    case VERB_LIST:
        handle_read(request, REGISTRY_LIST);
        return;
    case VERB_WATCH:
        handle_watch(request);
        return;
    case VERB_CREATE:
        handle_write(request, REGISTRY_CREATE);
        return;
    case VERB_UPDATE:
        handle_write(request, REGISTRY_UPDATE);
        return;
    case VERB_PATCH:
        handle_patch(request);
        return;
    case VERB_DELETE:
        handle_delete(request, REGISTRY_DELETE);
        return;
    case VERB_DELETE_COLLECTION:
        handle_delete(request, REGISTRY_DELETE_COLLECTION);
        return;
    case VERB_NONE:
        break;
    }
    respond_status(request, api_status_method_not_allowed(request->arena));
}
