/* What the query of a resource request, or the body of a deletion, says about how it is to be done.
 */
#include "apiserver/request.h"
#include <errno.h>

static bool set_dry_run(struct request *request, const char *options_kind, const char *value)
{
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
    return request_refuse(request,
                          api_status_invalid_options(request->arena, options_kind, &causes));
}

static bool read_dry_run(struct request *request, const char *options_kind)
{
    const char *value = query_get(&request->info.query, "dryRun");
    return value == NULL || value[0] == 0 || set_dry_run(request, options_kind, value);
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
        return request_refuse(request,
                              api_status_invalid_options(request->arena, options_kind, &causes));
    }
    return true;
}

static bool read_number(struct request *request, const char *key, bool *ret_has, int64_t *ret_value)
{
    int status = query_int(&request->info.query, key, ret_value);
    *ret_has = status == 0;
    if (status == -EINVAL) {
        return request_refuse(
            request, api_status_bad_request(request->arena,
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
        return request_refuse(request,
                              api_status_invalid_options(request->arena, options_kind, &causes));
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

static bool take_deletion(struct request *request, const Meta__V1__DeleteOptions *asked)
{
    const struct api_status *refusal =
        registry_read_deletion(request->arena, asked, &request->call.options);
    return refusal == NULL || request_refuse(request, refusal);
}

static bool read_delete_options(struct request *request)
{
    static const char schema_name[] = "k8s.io.apimachinery.pkg.apis.meta.v1.DeleteOptions";
    const struct api_message *schema = api_message_find(schema_name);
    if (request->body.len > 0) {
        void *message = NULL;
        return decode_body(request, request->kind, schema, "v1", "DeleteOptions", &message) &&
               take_deletion(request, message);
    }
    const struct query *query = &request->info.query;
    Meta__V1__DeleteOptions *asked = api_message_new(request->arena, schema);
    const char *propagation = query_get(query, "propagationPolicy");
    if (propagation != NULL && propagation[0] != 0) {
        asked->propagation_policy = arena_text(request->arena, propagation);
    }
    asked->has_orphan_dependents = query_get(query, "orphanDependents") != NULL;
    asked->orphan_dependents = query_bool(query, "orphanDependents", false);
    bool has_grace = false;
    if (!read_number(request, "gracePeriodSeconds", &has_grace, &asked->grace_period_seconds)) {
        return false;
    }
    asked->has_grace_period_seconds = has_grace;
    return take_deletion(request, asked);
}

bool fill_delete_options(struct request *request)
{
    return fill_options(request) && read_delete_options(request);
}
