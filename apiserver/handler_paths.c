/* Paths that are no resources: health, version, metrics, keys of tokens. */
#include "apiserver/encryption.h"
#include "apiserver/rbac_defaults.h"
#include "apiserver/request.h"
#include "lib/api/json_value.h"
#include <assert.h>
#include <stdlib.h>

static const char version_json[] =
    "{\n  \"major\": \"1\",\n  \"minor\": \"32\",\n  \"gitVersion\": \"v1.32.0-coracle\",\n"
    "  \"gitCommit\": \"\",\n  \"gitTreeState\": \"clean\",\n"
    "  \"buildDate\": \"2026-01-01T00:00:00Z\",\n  \"goVersion\": \"none\",\n"
    "  \"compiler\": \"cc\",\n  \"platform\": \"linux/amd64\"\n}";

static void respond_media(struct request *request, const char *type, struct slice body)
{
    respond_bytes(request, 200, type, body);
}

/* --- Health --- */

struct health_check {
    const char *name;
    bool (*good)(struct apiserver *server);
    bool live, ready;
    bool (*is_there)(struct apiserver *server); /* NULL: on every server. */
};

static bool always(struct apiserver *server)
{
    (void)server;
    return true;
}

static bool has_leader(struct apiserver *server)
{
    return atomic_load(&server->has_leader);
}

static bool cache_started(struct apiserver *server)
{
    return watch_cache_revision(server->cache) > 0;
}

/* The last of the default roles and bindings is there: people and probes have their rights. */
static bool has_roles(struct apiserver *server)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct default_object last = rbac_default_at(rbac_default_count() - 1, arena);
    const struct cached_object *object =
        watch_cache_get(server->cache, last.kind, last.namespace, last.name);
    cached_object_unref(object);
    return object != NULL;
}

static bool not_closing(struct apiserver *server)
{
    return !atomic_load(&server->closing);
}

static bool has_plugins(struct apiserver *server)
{
    return encryption_has_plugins(server->encryption);
}

static bool plugins_are_well(struct apiserver *server)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    return encryption_problem(server->encryption, arena) == NULL;
}

static const struct health_check checks[] = {
    {"ping", always, true, true, NULL},
    {"log", always, true, true, NULL},
    {"etcd", has_leader, true, true, NULL},
    {"informer-sync", cache_started, false, true, NULL},
    {"poststarthook/bootstrap-controller", cache_started, true, true, NULL},
    {"poststarthook/rbac/bootstrap-roles", has_roles, false, true, NULL},
    {"kms-providers", plugins_are_well, true, true, has_plugins},
    {"shutdown", not_closing, false, true, NULL},
};

static bool excluded(const struct request *request, const char *name)
{
    const struct query *query = &request->info.query;
    for (size_t i = 0; i < query->count; i++) {
        if (strcmp(query->params[i].key, "exclude") == 0 &&
            strcmp(query->params[i].value, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_part_of(const struct health_check *check, struct apiserver *server, bool ready)
{
    return (ready ? check->ready : check->live) &&
           (check->is_there == NULL || check->is_there(server));
}

static const struct health_check *find_check(struct request *request, bool ready, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        if (strcmp(checks[i].name, name) == 0 && is_part_of(&checks[i], request->server, ready)) {
            return &checks[i];
        }
    }
    return NULL;
}

/* One of them alone. */
static void handle_check(struct request *request, bool ready, const char *name)
{
    const struct health_check *check = find_check(request, ready, name);
    if (check == NULL) {
        respond_text(request, 404, "404 page not found\n");
    } else if (check->good(request->server)) {
        respond_text(request, 200, "ok");
    } else {
        respond_text(request, 500,
                     arena_printf(request->arena, "internal server error: %s failed\n", name));
    }
}

static int by_text(const void *first, const void *second)
{
    return strcmp(*(const char *const *)first, *(const char *const *)second);
}

/* Says which of those that are to be left out are none, each once, in order. */
static void warn_of_unknown(struct request *request, bool ready, struct buffer *text)
{
    const struct query *query = &request->info.query;
    const char **names = arena_array(request->arena, query->count + 1, sizeof(*names));
    size_t count = 0;
    for (size_t i = 0; i < query->count; i++) {
        if (strcmp(query->params[i].key, "exclude") == 0 &&
            find_check(request, ready, query->params[i].value) == NULL) {
            names[count++] = query->params[i].value;
        }
    }
    qsort(names, count, sizeof(*names), by_text);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && strcmp(names[i], names[i - 1]) == 0) {
            continue;
        }
        buffer_append_text(
            text, i == 0 ? "warn: some health checks cannot be excluded: no matches for " : ", ");
        api_print_quoted(names[i], text);
    }
    buffer_append_text(text, count > 0 ? "\n" : "");
}

static void handle_checks(struct request *request, const char *endpoint)
{
    bool ready = strcmp(endpoint, "readyz") == 0;
    bool good = true;
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, ENCODED_OBJECT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        const struct health_check *check = &checks[i];
        if (!is_part_of(check, request->server, ready)) {
            continue;
        }
        if (excluded(request, check->name)) {
            buffer_printf(&text, "[+]%s excluded: ok\n", check->name);
        } else if (check->good(request->server)) {
            buffer_printf(&text, "[+]%s ok\n", check->name);
        } else {
            buffer_printf(&text, "[-]%s failed: reason withheld\n", check->name);
            good = false;
        }
    }
    warn_of_unknown(request, ready, &text);
    if (!good) {
        buffer_printf(&text, "%s check failed\n", endpoint);
        respond_text(request, 500, buffer_text(&text));
        return;
    }
    if (query_get(&request->info.query, "verbose") == NULL) {
        respond_text(request, 200, "ok");
        return;
    }
    buffer_printf(&text, "%s check passed\n", endpoint);
    respond_text(request, 200, buffer_text(&text));
}

static const char *const health_endpoints[] = {"healthz", "livez", "readyz"};

static bool handle_health(struct request *request)
{
    for (size_t i = 0; i < ARRAY_LEN(health_endpoints); i++) {
        const char *endpoint = health_endpoints[i];
        size_t len = strlen(endpoint);
        const char *path = request->info.path + 1;
        if (strncmp(path, endpoint, len) != 0 || (path[len] != 0 && path[len] != '/')) {
            continue;
        }
        if (path[len] == 0) {
            handle_checks(request, endpoint);
        } else {
            handle_check(request, strcmp(endpoint, "readyz") == 0, path + len + 1);
        }
        return true;
    }
    return false;
}

/* --- The rest --- */

static void handle_metrics(struct request *request)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, (size_t)16 << 20);
    flow_control_show(request->server->flow);
    metrics_render(request->server->config.metrics, &out);
    respond_media(request, "text/plain; version=0.0.4", buffer_slice(&out));
}

static bool handle_flow(struct request *request)
{
    static const struct {
        const char *path;
        enum flow_dump what;
    } dumps[] = {
        {"/debug/api_priority_and_fairness/dump_priority_levels", FLOW_DUMP_LEVELS},
        {"/debug/api_priority_and_fairness/dump_queues", FLOW_DUMP_QUEUES},
        {"/debug/api_priority_and_fairness/dump_requests", FLOW_DUMP_REQUESTS},
    };
    for (size_t i = 0; i < ARRAY_LEN(dumps); i++) {
        if (strcmp(request->info.path, dumps[i].path) == 0) {
            const char *details = query_get(&request->info.query, "includeRequestDetails");
            CLEANUP(buffer_release) struct buffer text;
            buffer_init(&text, ENCODED_LIST_MAX);
            flow_control_dump(request->server->flow, dumps[i].what,
                              details != NULL && details[0] != 0, &text);
            respond_text(request, 200, buffer_text(&text));
            return true;
        }
    }
    return false;
}

static void handle_keys(struct request *request, bool discovery)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    if (discovery) {
        token_signer_discovery(request->server->signer, &out);
    } else if (token_signer_jwks(request->server->signer, &out) < 0) {
        respond_status(request, api_status_internal(request->arena, "the key has no parameters"));
        return;
    }
    respond_media(request, discovery ? "application/json" : "application/jwk-set+json",
                  buffer_slice(&out));
}

enum { LISTED_PATHS_MAX = 512 };

/* What "/" lists: most of it in the order of discovery, to be sorted. */
struct listing {
    struct arena *arena;
    const char *paths[LISTED_PATHS_MAX];
    size_t count;
};

static void list_path(struct listing *listing, const char *before, const char *name)
{
    assert(listing->count < LISTED_PATHS_MAX);
    listing->paths[listing->count++] =
        *name == 0 ? before : arena_printf(listing->arena, "%s/%s", before, name);
}

static void list_groups(struct listing *listing)
{
    size_t count = 0;
    const struct api_group_version *groups = api_group_versions(&count);
    for (size_t i = 0; i < count; i++) {
        if (*groups[i].group == 0) {
            continue;
        }
        const char *group = arena_printf(listing->arena, "/apis/%s", groups[i].group);
        if (groups[i].preferred) {
            list_path(listing, group, "");
        }
        list_path(listing, group, groups[i].version);
    }
}

static void list_checks(struct listing *listing, struct apiserver *server, const char *endpoint)
{
    bool ready = strcmp(endpoint, "/readyz") == 0;
    list_path(listing, endpoint, "");
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        if (is_part_of(&checks[i], server, ready)) {
            list_path(listing, endpoint, checks[i].name);
        }
    }
}

static void handle_root(struct request *request)
{
    static const char *const fixed[] = {"/.well-known/openid-configuration",
                                        "/api",
                                        "/api/v1",
                                        "/apis",
                                        "/apis/",
                                        "/metrics",
                                        "/openapi/v2",
                                        "/openapi/v3",
                                        "/openapi/v3/",
                                        "/openid/v1/jwks",
                                        "/version"};
    struct listing *listing = arena_zeroed(request->arena, sizeof(*listing));
    listing->arena = request->arena;
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        list_path(listing, fixed[i], "");
    }
    list_groups(listing);
    for (size_t i = 0; i < ARRAY_LEN(health_endpoints); i++) {
        list_checks(listing, request->server,
                    arena_printf(request->arena, "/%s", health_endpoints[i]));
    }
    qsort(listing->paths, listing->count, sizeof(listing->paths[0]), by_text);
    CLEANUP(buffer_release) struct buffer json, out;
    buffer_init(&json, ENCODED_OBJECT_MAX);
    buffer_init(&out, ENCODED_OBJECT_MAX);
    for (size_t i = 0; i < listing->count; i++) {
        buffer_append_text(&json, i == 0 ? "{\"paths\":[" : ",");
        json_print_string(slice_text(listing->paths[i]), &json);
    }
    buffer_append_text(&json, "]}");
    json_indent(buffer_slice(&json), &out);
    respond_media(request, "application/json", buffer_slice(&out));
}

/* What follows a name in a path, when that is it or lies below it; else NULL. */
static const char *below(const char *path, const char *name)
{
    size_t len = strlen(name);
    bool is_below = strncmp(path, name, len) == 0 && (path[len] == '\0' || path[len] == '/');
    return is_below ? path + len : NULL;
}

/* What is read only, and below which there is nothing. */
static bool handle_document(struct request *request)
{
    const char *path = request->info.path;
    const char *version = below(path, "/version"), *keys = below(path, "/openid/v1/jwks");
    const char *issuer = below(path, "/.well-known/openid-configuration");
    const char *rest = version != NULL ? version : keys != NULL ? keys : issuer;
    if (rest == NULL) {
        return false;
    }
    if (*rest != '\0' && strcmp(rest, "/") != 0) {
        respond_status(request, api_status_no_resource(request->arena));
    } else if (strcmp(request->info.method, "GET") != 0) {
        respond_status(request, api_status_method_not_allowed(request->arena));
    } else if (version != NULL) {
        respond_media(request, "application/json", slice_text(version_json));
    } else {
        handle_keys(request, issuer != NULL);
    }
    return true;
}

/* v1.32 looks at the method of none of them, but where metrics are to be reset, which these here
 * cannot be. */
bool handle_path(struct request *request)
{
    const char *path = request->info.path;
    if (handle_document(request) || handle_health(request) || handle_openapi(request) ||
        handle_flow(request)) {
        return true;
    }
    if (strcmp(path, "/metrics") == 0) {
        if (strcmp(request->info.method, "DELETE") == 0) {
            respond_status(request, api_status_method_not_allowed(request->arena));
        } else {
            handle_metrics(request);
        }
    } else if (strcmp(path, "/") == 0 || strcmp(path, "/index.html") == 0) {
        handle_root(request);
    } else {
        return false;
    }
    return true;
}
