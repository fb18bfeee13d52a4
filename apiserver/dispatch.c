/* From the request's tuple to its handler: which resource it is, and whether that has the verb. */
#include "apiserver/aggregator.h"
#include "apiserver/connect_options.h"
#include "apiserver/proxy.h"
#include "apiserver/request.h"

static uint32_t verb_bit(enum request_verb verb)
{
    static const uint32_t bits[] = {
        [VERB_NONE] = 0,
        [VERB_GET] = API_VERB_GET,
        [VERB_LIST] = API_VERB_LIST,
        [VERB_WATCH] = API_VERB_WATCH,
        [VERB_CREATE] = API_VERB_CREATE,
        [VERB_UPDATE] = API_VERB_UPDATE,
        [VERB_PATCH] = API_VERB_PATCH,
        [VERB_DELETE] = API_VERB_DELETE,
        [VERB_DELETE_COLLECTION] = API_VERB_DELETECOLLECTION,
    };
    return bits[verb];
}

/* --- What other members know --- */

static void kinds_known(void *data, int status)
{
    struct request *request = data;
    request->kinds_known = true;
    if (status < 0 &&
        request->info.is_resource) { /* What is served can be told; not what is not. */
        respond_status(request, api_status_unavailable(request->arena,
                                                       "the store has no quorum to say which "
                                                       "custom resources there are"));
        return;
    }
    (void)stage_dispatch(request);
}

/* A definition may have been established through another member just now. */
static void learn_kinds(struct request *request)
{
    struct apiserver *server = request->server;
    request->kinds = (struct kinds_barrier){.env = server->config.env,
                                            .store_loop = server->config.store_loop,
                                            .storage = server->config.storage,
                                            .cache = server->cache,
                                            .kinds = server->custom,
                                            .home = http_exchange_loop(request->exchange),
                                            .done = kinds_known,
                                            .data = request};
    kinds_barrier_start(&request->kinds);
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Discovery and OpenAPI of groups. */
static bool shows_kinds(const struct request_info *info)
{
    return starts_with(info->path, "/apis") || starts_with(info->path, "/openapi/");
}

/* The group of a definition is a domain. */
static bool may_be_custom(const struct request_info *info)
{
    return strchr(info->group, '.') != NULL;
}

/* v1.32 has a handler per built-in group; what none of them takes is just a path. */
static bool not_found(struct request *request)
{
    if (!api_group_is_built_in(request->info.group)) {
        request->codec->not_found(request);
        return false;
    }
    respond_status(request, api_status_no_resource(request->arena));
    return false;
}

static bool not_allowed(struct request *request)
{
    bool unwatched = request->info.verb == VERB_WATCH && !request->info.verb_in_path &&
                     request->subresource == NULL && (request->kind->verbs & API_VERB_LIST) != 0;
    if (custom_of(request->kind) != NULL || unwatched) {
        respond_status(request, api_status_verb_not_allowed(request->arena, request->kind,
                                                            request_verb_name(request->info.verb)));
        return false;
    }
    respond_status(request, api_status_method_not_allowed(request->arena));
    return false;
}

/* Cluster-scoped kinds are not inside a namespace, and namespaced ones are there when named. */
static bool scope_fits(const struct request *request)
{
    const struct request_info *info = &request->info;
    bool namespace_itself = strcmp(info->resource, "namespaces") == 0 && info->group[0] == 0;
    if (!request->kind->namespaced) {
        return namespace_itself || info->namespace[0] == 0;
    }
    return info->namespace[0] != 0 || info->name[0] == 0;
}

/* Below .../watch/ there are only kinds that can be watched, and nothing of their objects. */
static bool has_watch_path(const struct request *request)
{
    const struct request_info *info = &request->info;
    return !info->verb_in_path ||
           ((request->kind->verbs & API_VERB_WATCH) != 0 && info->subresource[0] == 0);
}

/* v1.32 says of a custom object that it is not found. */
static bool no_subresource(struct request *request)
{
    if (custom_of(request->kind) == NULL) {
        return not_found(request);
    }
    respond_status(request,
                   api_status_not_found(request->arena, request->kind, request->info.name));
    return false;
}

static bool find_resource(struct request *request)
{
    const struct request_info *info = &request->info;
    request->kind = api_kind_find(info->group, info->version, info->resource);
    if (request->kind == NULL) {
        request->kind =
            custom_kinds_find(request->server->custom, info->group, info->version, info->resource);
    }
    if (request->kind == NULL && !request->kinds_known && may_be_custom(info)) {
        learn_kinds(request);
        return false;
    }
    if (request->kind == NULL || !scope_fits(request) || !has_watch_path(request)) {
        return not_found(request);
    }
    if (info->subresource[0] != 0) {
        request->subresource = api_kind_subresource(request->kind, info->subresource);
        if (request->subresource == NULL ||
            (info->too_many_segments && strcmp(info->subresource, "proxy") != 0)) {
            return no_subresource(request);
        }
    }
    return true;
}

static bool has_verb(struct request *request)
{
    const struct request_info *info = &request->info;
    uint32_t verbs =
        request->subresource != NULL ? request->subresource->verbs : request->kind->verbs;
    bool head = strcmp(info->method, "HEAD") == 0 && strcmp(info->subresource, "proxy") != 0 &&
                custom_of(request->kind) == NULL;
    if (head || info->verb == VERB_NONE || (verbs & verb_bit(info->verb)) == 0) {
        return false;
    }
    bool named = info->name[0] != 0;
    if (request->subresource != NULL) {
        return true;
    }
    if (info->verb_in_path) {
        return info->verb == VERB_WATCH;
    }
    /* POST goes to the collection, PUT and PATCH to a name; and to a namespace's collection. */
    if (info->verb == VERB_CREATE || info->verb == VERB_DELETE_COLLECTION) {
        return !named && (!request->kind->namespaced || info->namespace[0] != 0);
    }
    return named || info->verb == VERB_LIST || info->verb == VERB_WATCH;
}

/* No object is made of a definition that is being deleted: known here, its body is not looked at.
 */
static bool is_refused_by_deletion(struct request *request)
{
    const struct custom_version *custom = custom_of(request->kind);
    if (custom == NULL || request->info.verb != VERB_CREATE ||
        custom->resource->definition->metadata->deletion_timestamp == NULL) {
        return false;
    }
    respond_status(request, api_status_definition_terminating(request->arena, request->kind));
    return true;
}

/* Whatever the answer will be. */
static void warn_of_deprecation(struct request *request)
{
    const struct custom_version *custom = custom_of(request->kind);
    const char *text = custom == NULL ? NULL : custom_deprecation(request->arena, custom);
    if (text != NULL) {
        request->call.warnings[request->call.warning_count++] = text;
    }
}

static void pass_connection(struct request *request)
{
    if (strcmp(request->info.subresource, "proxy") == 0) {
        handle_object_proxy(request);
    } else {
        handle_agent_stream(request);
    }
}

static void connection_admitted(struct request *request)
{
    if (http_is_aborted(request->exchange)) {
        request_finish(request);
    } else {
        pass_connection(request);
    }
}

/* Webhooks and policies are asked first; but not about logs, which are read. */
static void admit_connection(struct request *request)
{
    if (strcmp(request->info.subresource, "log") == 0) {
        pass_connection(request);
        return;
    }
    const char *problem =
        connect_options_problem(request->arena, request->subresource, &request->info.query);
    if (problem != NULL) {
        respond_status(request, api_status_bad_request(request->arena, "%s", problem));
        return;
    }
    request->call.verb = REGISTRY_CONNECT;
    request->call.body = connect_options(request->arena, request->subresource, &request->info.query,
                                         request->info.rest);
    start_call(request, connection_admitted);
}

bool stage_dispatch(struct request *request)
{
    const struct request_info *info = &request->info;
    if (handle_aggregated(request)) {
        return false;
    }
    if (!info->is_resource && !request->kinds_known && shows_kinds(info)) {
        learn_kinds(request);
        return false;
    }
    if (!info->is_resource) {
        if (!handle_discovery(request) && !handle_path(request)) {
            request->codec->not_found(request);
        }
        return false;
    }
    if (!find_resource(request)) {
        return false;
    }
    warn_of_deprecation(request);
    if (!has_verb(request)) {
        return not_allowed(request);
    }
    if (is_refused_by_deletion(request)) {
        return false;
    }
    if (request->subresource != NULL && request_info_is_connection(&request->info)) {
        admit_connection(request);
        return false;
    }
    if (!request->codec->negotiate(request)) {
        return false;
    }
    if (!request->kind->stored && info->verb != VERB_CREATE) {
        handle_components(request); /* All others are made, answered and forgotten. */
    } else if (!request->kind->stored) {
        handle_review(request);
    } else {
        handle_resource(request);
    }
    return false;
}
