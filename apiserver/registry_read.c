/* Get and list: which revision may answer. */
#include "apiserver/go_text.h"
#include "apiserver/operation.h"

static bool is_empty(const char *text)
{
    return text == NULL || text[0] == 0;
}

/* --- Which revision --- */

const struct api_status *registry_parse_version(struct arena *arena, const char *text,
                                                uint64_t *ret_version)
{
    *ret_version = 0;
    if (is_empty(text)) {
        return NULL;
    }
    const char *problem = go_text_uint(arena, text, ret_version);
    return problem == NULL ? NULL
                           : api_status_new(arena, 500, "",
                                            arena_printf(arena,
                                                         "resourceVersion: Invalid value: "
                                                         "\"%s\": %s",
                                                         text, problem),
                                            NULL, "");
}

/* A scale that is not there goes by a name of its own, as it does in v1.32. */
static const struct api_status *get_missing(struct operation *operation)
{
    struct api_kind kind = *operation->call->kind;
    struct arena *arena = operation->arena;
    const char *subresource = operation->call->subresource;
    if (subresource != NULL && strcmp(subresource, "scale") == 0) {
        kind.plural = arena_printf(arena, "%s/scale", kind.plural);
        kind.resource =
            *kind.group == 0 ? kind.plural : arena_printf(arena, "%s.%s", kind.plural, kind.group);
    }
    return api_status_not_found(arena, &kind, operation_name(operation));
}

const struct api_status *operation_problem(struct operation *operation, const char *problem)
{
    return api_status_internal(operation->arena, "%s", problem == NULL ? "unreadable" : problem);
}

static void read_get(struct operation *operation)
{
    struct registry_call *call = operation->call;
    const struct cached_object *object = operation_lookup(
        operation, call->kind, operation_namespace(operation), operation_name(operation));
    if (object == NULL) {
        operation_fail(operation, get_missing(operation));
        return;
    }
    if (!operation_versions(operation, &object, 1, read_get)) {
        return;
    }
    object = operation_version(operation, object);
    call->object = object;
    call->result_kind = cached_object_kind(object);
    bool alone = call->object_alone && call->result_kind == call->kind;
    const void *message = alone ? NULL : cached_object_message(object);
    const char *problem = cached_object_problem(object, operation->arena);
    if (problem != NULL || (!alone && message == NULL)) {
        operation_fail(operation, operation_problem(operation, problem));
        return;
    }
    call->result = message;
    operation_finish(operation);
}

/* --- List --- */

static void check_match(const struct registry_options *options, struct api_causes *causes)
{
    static const char *const values[] = {"Exact", "NotOlderThan", "", NULL};
    struct api_path path = api_path_field(NULL, "resourceVersionMatch");
    const char *match = options->resource_version_match;
    if (is_empty(options->resource_version)) {
        api_cause_forbidden(causes, &path,
                            "resourceVersionMatch is forbidden unless resourceVersion is provided");
    }
    if (!is_empty(options->continue_token)) {
        api_cause_forbidden(causes, &path,
                            "resourceVersionMatch is forbidden when continue is provided");
    }
    if (strcmp(match, "Exact") != 0 && strcmp(match, "NotOlderThan") != 0) {
        api_cause_not_among(causes, &path, api_shown_text(match), values);
    } else if (strcmp(match, "Exact") == 0 && options->resource_version != NULL &&
               strcmp(options->resource_version, "0") == 0) {
        api_cause_forbidden(
            causes, &path, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
    }
}

static const struct api_status *check_list_options(struct operation *operation)
{
    const struct registry_options *options = &operation->call->options;
    struct api_causes causes;
    api_causes_init(&causes, operation->arena);
    struct api_path initial = api_path_field(NULL, "sendInitialEvents");
    if (!is_empty(options->resource_version_match)) {
        check_match(options, &causes);
    }
    if (options->asks_initial_events) {
        api_cause_forbidden(&causes, &initial, "sendInitialEvents is forbidden for list");
    }
    return causes.count == 0 ? NULL
                             : api_status_invalid_options(operation->arena, "ListOptions", &causes);
}

void operation_start_read(struct operation *operation)
{
    struct registry_call *call = operation->call;
    bool list = call->verb != REGISTRY_GET; /* Or a deletion of what is listed. */
    uint64_t version = 0;
    const struct api_status *refusal = list ? check_list_options(operation) : NULL;
    refusal = refusal != NULL ? refusal
                              : registry_parse_version(operation->arena,
                                                       call->options.resource_version, &version);
    if (refusal != NULL) {
        operation_fail(operation, refusal);
        return;
    }
    const struct registry_options *options = &call->options;
    bool exact = !is_empty(options->resource_version_match) &&
                 strcmp(options->resource_version_match, "Exact") == 0;
    if (list && (!is_empty(options->continue_token) || exact)) {
        operation_barrier(operation, 0, operation_list_past);
        return;
    }
    void (*read)(struct operation * operation) = list ? operation_list_newest : read_get;
    bool any_version = options->cached || (!is_empty(options->resource_version) && version == 0);
    uint64_t seen = watch_cache_revision(operation->registry->config.cache);
    if (any_version || (version > 0 && version <= seen)) {
        read(operation);
        return;
    }
    operation_barrier(operation, version, read);
}
