/* Resource requests: the body decoded, the query read, the registry asked, the answer sent. */
#include "apiserver/asked_kind.h"
#include "apiserver/audit.h"
#include "apiserver/request.h"
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

static bool refuse(struct request *request, const struct api_status *status)
{
    respond_status(request, status);
    return false;
}

/* --- Media type of the body --- */

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

static bool read_media(struct request *request, enum media_type *ret_media)
{
    struct slice type = body_type(request);
    if (type.len == 0 || slice_is(type, "application/json")) {
        *ret_media = MEDIA_JSON;
    } else if (slice_is(type, "application/yaml")) {
        *ret_media = MEDIA_YAML;
    } else if (slice_is(type, "application/vnd.kubernetes.protobuf") &&
               (!is_custom(request) || request->info.verb == VERB_DELETE ||
                request->info.verb == VERB_DELETE_COLLECTION)) {
        *ret_media = MEDIA_PROTOBUF; /* Of a custom resource no object, but options. */
    } else {
        return refuse(request, api_status_unsupported_media(request->arena, is_custom(request)
                                                                                ? custom_body_types
                                                                                : body_types));
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

static bool unrecognized(struct request *request, const struct wanted *wanted, const char *why)
{
    return refuse(
        request, api_status_bad_request(request->arena,
                                        "the object provided is unrecognized (must be of type %s): "
                                        "couldn't get version/kind; json parse error: %s",
                                        wanted->kind, why));
}

static bool cannot_handle(struct request *request, const struct wanted *wanted, const char *kind,
                          const char *version, const char *why)
{
    return refuse(request, api_status_bad_request(
                               request->arena, "%s in version \"%s\" cannot be handled as a %s: %s",
                               kind, version, wanted->kind, why));
}

/* What the body says it is must be what is wanted; left out, it is. */
static bool check_kind(struct request *request, const struct wanted *wanted,
                       const struct api_type_meta *meta)
{
    bool kind = meta->kind[0] == 0 || strcmp(meta->kind, wanted->kind) == 0;
    bool version = meta->api_version[0] == 0 || strcmp(meta->api_version, wanted->api_version) == 0;
    bool any_group = strcmp(wanted->kind, "DeleteOptions") == 0;
    if (kind && (version || any_group)) {
        return true;
    }
    const char *slash = strchr(meta->api_version, '/');
    const char *short_version = slash == NULL ? meta->api_version : slash + 1;
    const char *shown = meta->kind[0] == 0 ? wanted->kind : meta->kind;
    bool known = api_kind_by_api_version(meta->api_version, shown) != NULL;
    const char *why =
        known ? arena_printf(request->arena, "converting (%s.%s) to (%s.%s): unknown conversion",
                             short_version, shown, wanted->version, wanted->kind)
              : arena_printf(request->arena,
                             "no kind \"%s\" is registered for version \"%s\" in scheme", shown,
                             meta->api_version);
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
    const char *all = "";
    for (size_t i = 0; i < problems->count; i++) {
        if (mode == REGISTRY_FIELDS_WARN && call->warning_count < WARNINGS_MAX) {
            call->warnings[call->warning_count++] = problems->texts[i];
        }
        all = arena_printf(request->arena, "%s%s%s", all, i == 0 ? "" : ", ", problems->texts[i]);
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
        return unrecognized(request, wanted, error_message(&error));
    }
    if (!check_kind(request, wanted, &meta)) {
        return false;
    }
    struct api_problems problems = {0};
    if (api_decode_json(request->arena, wanted->schema, json, &problems, ret_message, &error) < 0) {
        return cannot_handle(request, wanted, wanted->kind, wanted->version, error_message(&error));
    }
    return take_problems(request, wanted, &problems);
}

static bool decode_yaml(struct request *request, const struct wanted *wanted, void **ret_message)
{
    CLEANUP(error_release) struct error error = {0};
    CLEANUP(buffer_release) struct buffer json;
    buffer_init(&json, ENCODED_OBJECT_MAX);
    struct api_problems duplicates = {0};
    if (api_yaml_to_json(request->arena, request->body, &duplicates, &json, &error) < 0) {
        return refuse(request,
                      api_status_bad_request(request->arena,
                                             "the object provided is unrecognized (must be of "
                                             "type %s): %s",
                                             wanted->kind, error_message(&error)));
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
        return refuse(request, api_status_bad_request(
                                   request->arena,
                                   "the object provided is unrecognized (must be of type %s): %s",
                                   wanted->kind, error_message(&error)));
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

/* --- Options --- */

static bool read_dry_run(struct request *request, const char *options_kind)
{
    const char *value = query_get(&request->info.query, "dryRun");
    if (value == NULL || value[0] == 0) {
        return true;
    }
    if (strcmp(value, "All") == 0) {
        request->call.options.dry_run = true;
        return true;
    }
    struct api_causes causes;
    api_causes_init(&causes, request->arena);
    struct api_path path = api_path_field(NULL, "dryRun");
    static const char *const values[] = {"All", NULL};
    api_cause_not_supported(&causes, &path,
                            api_shown_raw(arena_printf(request->arena, "[\"%s\"]", value)), values);
    return refuse(request, api_status_invalid_options(request->arena, options_kind, &causes));
}

static bool read_field_validation(struct request *request, const char *options_kind)
{
    const char *value = query_get(&request->info.query, "fieldValidation");
    enum registry_field_validation *mode = &request->call.options.field_validation;
    if (value == NULL || value[0] == 0 || strcmp(value, "Warn") == 0) {
        *mode = REGISTRY_FIELDS_WARN;
    } else if (strcmp(value, "Ignore") == 0) {
        *mode = REGISTRY_FIELDS_IGNORE;
    } else if (strcmp(value, "Strict") == 0) {
        *mode = REGISTRY_FIELDS_STRICT;
    } else {
        struct api_causes causes;
        api_causes_init(&causes, request->arena);
        struct api_path path = api_path_field(NULL, "fieldValidation");
        static const char *const values[] = {"", "Ignore", "Strict", "Warn", NULL};
        api_cause_not_supported(&causes, &path, api_shown_text(value), values);
        return refuse(request, api_status_invalid_options(request->arena, options_kind, &causes));
    }
    return true;
}

static bool read_number(struct request *request, const char *key, bool *ret_has, int64_t *ret_value)
{
    int status = query_int(&request->info.query, key, ret_value);
    *ret_has = status == 0;
    if (status == -EINVAL) {
        return refuse(request,
                      api_status_bad_request(request->arena,
                                             "strconv.ParseInt: parsing \"%s\": invalid syntax",
                                             query_get(&request->info.query, key)));
    }
    return true;
}

static const char *manager_of(struct request *request)
{
    const char *manager = query_get(&request->info.query, "fieldManager");
    if (manager != NULL && manager[0] != 0) {
        return manager;
    }
    struct slice agent = http_header_find(request->exchange, "user-agent");
    const uint8_t *slash = agent.len == 0 ? NULL : memchr(agent.data, '/', agent.len);
    size_t len = slash == NULL ? agent.len : (size_t)(slash - agent.data);
    return len == 0 ? "unknown" : arena_text_n(request->arena, (const char *)agent.data, len);
}

static bool is_printable(const char *text)
{
    for (const char *c = text; *c != 0; c++) {
        if ((uint8_t)*c < 32 || *c == 127) {
            return false;
        }
    }
    return true;
}

static bool check_manager(struct request *request, const char *options_kind)
{
    const char *manager = query_get(&request->info.query, "fieldManager");
    struct api_causes causes;
    api_causes_init(&causes, request->arena);
    struct api_path path = api_path_field(NULL, "fieldManager");
    const char *force = query_get(&request->info.query, "force");
    bool apply =
        request->info.verb == VERB_PATCH && request->call.patch_type == REGISTRY_PATCH_APPLY;
    if (apply && (manager == NULL || manager[0] == 0)) {
        api_cause_required(&causes, &path, "is required for apply patch");
    } else if (manager != NULL && strlen(manager) > 128) {
        api_cause_too_long(&causes, &path, 128);
    } else if (manager != NULL && !is_printable(manager)) {
        api_cause_invalid(&causes, &path, api_shown_text(manager),
                          "should only contain printable characters");
    }
    struct api_path force_path = api_path_field(NULL, "force");
    if (request->info.verb == VERB_PATCH && !apply && force != NULL) {
        api_cause_forbidden(&causes, &force_path, "may not be specified for non-apply patch");
    }
    if (causes.count > 0) {
        return refuse(request, api_status_invalid_options(request->arena, options_kind, &causes));
    }
    return true;
}

static const char *options_kind_of(enum request_verb verb)
{
    switch (verb) {
    case VERB_CREATE:
        return "CreateOptions";
    case VERB_UPDATE:
        return "UpdateOptions";
    case VERB_PATCH:
        return "PatchOptions";
    case VERB_DELETE:
    case VERB_DELETE_COLLECTION:
        return "DeleteOptions";
    case VERB_GET:
    case VERB_LIST:
    case VERB_WATCH:
    case VERB_NONE:
        break;
    }
    return "ListOptions";
}

bool fill_options(struct request *request)
{
    const struct query *query = &request->info.query;
    struct registry_options *options = &request->call.options;
    const char *options_kind = options_kind_of(request->info.verb);
    bool has_limit = false;
    bool has_timeout = false;
    int64_t timeout_seconds = 0; /* Only watches use it, but it is checked everywhere. */
    options->label_selector = query_get(query, "labelSelector");
    options->field_selector = query_get(query, "fieldSelector");
    options->resource_version = query_get(query, "resourceVersion");
    options->resource_version_match = query_get(query, "resourceVersionMatch");
    options->continue_token = query_get(query, "continue");
    options->field_manager = manager_of(request);
    options->force = query_bool(query, "force", false);
    return read_number(request, "limit", &has_limit, &options->limit) &&
           read_number(request, "timeoutSeconds", &has_timeout, &timeout_seconds) &&
           read_dry_run(request, options_kind) && read_field_validation(request, options_kind) &&
           check_manager(request, options_kind);
}

/* --- Calls --- */

static void call_done(struct registry_call *call)
{
    struct request *request = call->data;
    if (call->status != NULL) {
        respond_status(request, status_as_asked(call, call->status));
        return;
    }
    request->after_call(request);
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

static bool read_delete_options(struct request *request)
{
    struct registry_options *options = &request->call.options;
    if (request->body.len > 0) {
        void *message = NULL;
        const struct api_message *schema =
            api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.DeleteOptions");
        if (!decode_body(request, request->kind, schema, "v1", "DeleteOptions", &message)) {
            return false;
        }
        const Meta__V1__DeleteOptions *body = message;
        options->has_grace_seconds = body->has_grace_period_seconds;
        options->grace_seconds = body->grace_period_seconds;
        options->propagation = body->propagation_policy;
        if (body->preconditions != NULL) {
            options->expect_uid = body->preconditions->uid;
            options->expect_version = body->preconditions->resource_version;
        }
        options->dry_run = options->dry_run || body->n_dry_run > 0;
        const protobuf_c_boolean *orphan = NULL;
        const struct api_member *member = api_message_member_text(schema, "orphanDependents");
        if (member != NULL && api_field_is_set(member->field, body)) {
            orphan = api_field_at(member->field, body);
        }
        if (orphan != NULL && options->propagation == NULL) {
            options->propagation = *orphan ? "Orphan" : "Background";
        }
        return true;
    }
    const struct query *query = &request->info.query;
    const char *propagation = query_get(query, "propagationPolicy");
    if (propagation != NULL && propagation[0] != 0) {
        options->propagation = propagation;
    }
    const char *orphan = query_get(query, "orphanDependents");
    if (orphan != NULL && options->propagation == NULL) {
        options->propagation =
            query_bool(query, "orphanDependents", false) ? "Orphan" : "Background";
    }
    return read_number(request, "gracePeriodSeconds", &options->has_grace_seconds,
                       &options->grace_seconds);
}

static bool check_propagation(struct request *request)
{
    const char *policy = request->call.options.propagation;
    if (policy == NULL || strcmp(policy, "Background") == 0 || strcmp(policy, "Foreground") == 0 ||
        strcmp(policy, "Orphan") == 0) {
        return true;
    }
    struct api_causes causes;
    api_causes_init(&causes, request->arena);
    struct api_path path = api_path_field(NULL, "propagationPolicy");
    static const char *const values[] = {"Background", "Foreground", "Orphan", "nil", NULL};
    api_cause_not_supported(&causes, &path, api_shown_text(policy), values);
    return refuse(request, api_status_invalid_options(request->arena, "DeleteOptions", &causes));
}

static void answer_collection(struct request *request)
{
    respond_list(request);
}

static void handle_delete(struct request *request, enum registry_verb verb)
{
    if (!fill_options(request) || !read_delete_options(request) || !check_propagation(request)) {
        return;
    }
    request->call.verb = verb;
    start_call(request, verb == REGISTRY_DELETE ? answer_object : answer_collection);
}

static void handle_read(struct request *request, enum registry_verb verb)
{
    if (!fill_options(request)) {
        return;
    }
    request->call.verb = verb;
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
