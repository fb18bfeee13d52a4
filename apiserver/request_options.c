/* What the query of a resource request, or the body of a deletion, says about how it is to be done.
 */
#include "apiserver/go_text.h"
#include "apiserver/request.h"

/* --- Fields of CreateOptions, UpdateOptions and PatchOptions --- */

static void read_dry_run(struct request *request, struct api_causes *causes)
{
    static const char *const values[] = {"All", NULL};
    const struct query *query = &request->info.query;
    struct api_path path = api_path_field(NULL, "dryRun");
    const char *shown = "";
    bool known = true;
    for (size_t i = 0; i < query->count; i++) {
        if (strcmp(query->params[i].key, "dryRun") == 0) {
            const char *value = query->params[i].value;
            shown =
                arena_printf(request->arena, "%s%s\"%s\"", shown, shown[0] == 0 ? "" : ",", value);
            known = known && strcmp(value, "All") == 0;
        }
    }
    request->call.options.dry_run = shown[0] != 0;
    if (!known) {
        api_cause_not_supported(causes, &path,
                                api_shown_raw(arena_printf(request->arena, "[%s]", shown)), values);
    }
}

static void read_field_validation(struct request *request, struct api_causes *causes)
{
    const char *value = query_get(&request->info.query, "fieldValidation");
    enum registry_field_validation *mode = &request->call.options.field_validation;
    struct api_path path = api_path_field(NULL, "fieldValidation");
    static const char *const values[] = {"", "Ignore", "Strict", "Warn", NULL};
    if (value == NULL || value[0] == 0 || strcmp(value, "Warn") == 0) {
        *mode = REGISTRY_FIELDS_WARN;
    } else if (strcmp(value, "Ignore") == 0) {
        *mode = REGISTRY_FIELDS_IGNORE;
    } else if (strcmp(value, "Strict") == 0) {
        *mode = REGISTRY_FIELDS_STRICT;
    } else {
        api_cause_not_supported(causes, &path, api_shown_text(value), values);
    }
}

enum { MANAGER_BYTES_MAX = 128 };

/* Of who does not say as whom it writes, it is the name of the program, cut between characters. */
static const char *manager_of(struct request *request)
{
    const char *manager = query_get(&request->info.query, "fieldManager");
    if (manager != NULL && manager[0] != 0) {
        return manager;
    }
    struct slice agent = http_header_find(request->exchange, "user-agent");
    const uint8_t *slash = agent.len == 0 ? NULL : memchr(agent.data, '/', agent.len);
    size_t len = slash == NULL ? agent.len : (size_t)(slash - agent.data);
    if (len > MANAGER_BYTES_MAX) {
        len = MANAGER_BYTES_MAX;
        while (len > 0 && (agent.data[len] & 0xc0) == 0x80) {
            len--;
        }
    }
    return len == 0 ? "unknown" : arena_text_n(request->arena, (const char *)agent.data, len);
}

/* Each control character is a cause of its own. */
static void check_printable(struct arena *arena, const char *manager, const struct api_path *path,
                            struct api_causes *causes)
{
    for (const char *c = manager; *c != 0; c++) {
        if ((uint8_t)*c < 32 || *c == 127) {
            api_cause_invalid(causes, path, api_shown_text(manager),
                              arena_printf(arena, "invalid character U+%04X (at position %td)",
                                           (unsigned)(uint8_t)*c, c - manager));
        }
    }
}

static void check_manager(struct request *request, struct api_causes *causes)
{
    const char *manager = query_get(&request->info.query, "fieldManager");
    struct api_path path = api_path_field(NULL, "fieldManager");
    struct api_path force_path = api_path_field(NULL, "force");
    const char *force = query_get(&request->info.query, "force");
    bool patch = request->info.verb == VERB_PATCH;
    bool apply = patch && request->call.patch_type == REGISTRY_PATCH_APPLY;
    if (apply && (manager == NULL || manager[0] == 0)) {
        api_cause_required(causes, &path, "is required for apply patch");
    }
    if (patch && !apply && force != NULL) {
        api_cause_forbidden(causes, &force_path, "may not be specified for non-apply patch");
    }
    if (manager != NULL && strlen(manager) > MANAGER_BYTES_MAX) {
        api_cause_too_long(causes, &path, MANAGER_BYTES_MAX);
    }
    check_printable(request->arena, manager == NULL ? "" : manager, &path, causes);
}

static bool read_write_options(struct request *request, const char *options_kind)
{
    struct api_causes causes;
    api_causes_init(&causes, request->arena);
    request->call.options.force = query_bool(&request->info.query, "force", false);
    check_manager(request, &causes);
    read_dry_run(request, &causes);
    read_field_validation(request, &causes);
    return causes.count == 0 || request_refuse(request, api_status_invalid_options(
                                                            request->arena, options_kind, &causes));
}

/* --- Fields of ListOptions --- */

/* *ret_has: it is given. A value that is no number, which an empty one is, is refused. */
static bool read_number(struct request *request, const char *key, bool *ret_has, int64_t *ret_value)
{
    const char *text = query_get(&request->info.query, key);
    *ret_has = text != NULL;
    const char *problem = text == NULL ? NULL : go_text_int(request->arena, text, ret_value);
    return problem == NULL ||
           request_refuse(request, api_status_bad_request(request->arena, "%s", problem));
}

static bool read_list_options(struct request *request)
{
    const struct query *query = &request->info.query;
    struct registry_options *options = &request->call.options;
    bool has_limit = false;
    bool has_timeout = false;
    int64_t timeout_seconds = 0; /* Only watches use it, but it is checked everywhere. */
    options->label_selector = query_get(query, "labelSelector");
    options->field_selector = query_get(query, "fieldSelector");
    options->resource_version_match = query_get(query, "resourceVersionMatch");
    options->continue_token = query_get(query, "continue");
    return read_number(request, "limit", &has_limit, &options->limit) &&
           read_number(request, "timeoutSeconds", &has_timeout, &timeout_seconds);
}

/* A parameter of the past that changed what is answered must not be overlooked. */
static bool refuse_export(struct request *request)
{
    return !query_bool(&request->info.query, "export", false) ||
           request_refuse(request,
                          api_status_bad_request(request->arena,
                                                 "the export parameter, deprecated since v1.14, is "
                                                 "no longer supported"));
}

/* How much of an object a row of a table shows. */
static bool check_table_options(struct request *request)
{
    const char *include = query_get(&request->info.query, "includeObject");
    if (request->accept.form != FORM_TABLE || include == NULL || include[0] == 0 ||
        strcmp(include, "None") == 0 || strcmp(include, "Metadata") == 0 ||
        strcmp(include, "Object") == 0) {
        return true;
    }
    struct api_causes causes;
    api_causes_init(&causes, request->arena);
    struct api_path path = api_path_field(NULL, "includeObject");
    api_cause_invalid(&causes, &path, api_shown_text(include),
                      "must be 'Metadata', 'Object', 'None', or empty");
    return request_refuse(request, api_status_bad_request(
                                       request->arena,
                                       "Unable to convert to Table as requested: includeObject: %s",
                                       causes.items[0].message));
}

bool fill_options(struct request *request)
{
    struct registry_options *options = &request->call.options;
    options->resource_version = query_get(&request->info.query, "resourceVersion");
    options->field_manager = manager_of(request);
    switch (request->info.verb) {
    case VERB_CREATE:
        return read_write_options(request, "CreateOptions");
    case VERB_UPDATE:
        return read_write_options(request, "UpdateOptions");
    case VERB_PATCH:
        return read_write_options(request, "PatchOptions");
    case VERB_LIST:
    case VERB_WATCH:
        return read_list_options(request) && check_table_options(request);
    case VERB_DELETE_COLLECTION:
        return read_list_options(request);
    case VERB_GET:
        return refuse_export(request) && check_table_options(request);
    case VERB_DELETE:
    case VERB_NONE:
        break;
    }
    return true;
}

/* --- DeleteOptions --- */

static bool take_deletion(struct request *request, const Meta__V1__DeleteOptions *asked)
{
    const struct api_status *refusal =
        registry_read_deletion(request->arena, asked, &request->call.options);
    return refusal == NULL || request_refuse(request, refusal);
}

/* `dryRun` of the query; what else than "All" it says is refused with the rest. */
static void add_dry_runs(struct request *request, Meta__V1__DeleteOptions *asked)
{
    const struct query *query = &request->info.query;
    asked->dry_run = arena_array(request->arena, query->count + 1, sizeof(char *));
    for (size_t i = 0; i < query->count; i++) {
        if (strcmp(query->params[i].key, "dryRun") == 0) {
            asked->dry_run[asked->n_dry_run++] = arena_text(request->arena, query->params[i].value);
        }
    }
}

static bool read_delete_query(struct request *request, Meta__V1__DeleteOptions *asked)
{
    const struct query *query = &request->info.query;
    const char *propagation = query_get(query, "propagationPolicy");
    if (propagation != NULL) {
        asked->propagation_policy = arena_text(request->arena, propagation);
    }
    asked->has_orphan_dependents = query_get(query, "orphanDependents") != NULL;
    asked->orphan_dependents = query_bool(query, "orphanDependents", false);
    bool has_grace = false;
    if (!read_number(request, "gracePeriodSeconds", &has_grace, &asked->grace_period_seconds)) {
        return false;
    }
    asked->has_grace_period_seconds = has_grace;
    return true;
}

/* In the body, or else in the query. Of `dryRun` v1.32, too, overlooks what the query says beside a
 * body; that deletes what was only to be tried, so that here both are kept. */
static bool read_delete_options(struct request *request)
{
    static const char schema_name[] = "k8s.io.apimachinery.pkg.apis.meta.v1.DeleteOptions";
    const struct api_message *schema = api_message_find(schema_name);
    Meta__V1__DeleteOptions *asked = api_message_new(request->arena, schema);
    add_dry_runs(request, asked);
    if (request->body.len == 0) {
        return read_delete_query(request, asked) && take_deletion(request, asked);
    }
    void *message = NULL;
    return take_deletion(request, asked) &&
           decode_body(request, request->kind, schema, "v1", "DeleteOptions", &message) &&
           take_deletion(request, message);
}

bool fill_delete_options(struct request *request)
{
    request->call.options.field_validation = REGISTRY_FIELDS_IGNORE;
    return fill_options(request) && read_delete_options(request);
}
