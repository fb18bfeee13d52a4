/* What may be done: system:masters everything; nodes what concerns them; ServiceAccounts read (not
 * secrets); everybody who is known: discovery and reviews of themselves; anonymous: health and
 * version. RBAC rules come in a later layer on the same question. */
#include "apiserver/pod_references.h"
#include "apiserver/request.h"
#include "k8s/core_v1.pb-c.h"

static bool is(const char *text, const char *value)
{
    return strcmp(text, value) == 0;
}

static bool one_of(const char *text, const char *const *values)
{
    for (size_t i = 0; values[i] != NULL; i++) {
        if (strcmp(text, values[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_read(const struct access *access)
{
    return is(access->verb, "get") || is(access->verb, "list") || is(access->verb, "watch");
}

static bool under(const char *path, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(path, prefix, len) == 0 && (path[len] == 0 || path[len] == '/');
}

static bool public_path(const struct access *access)
{
    static const char *const paths[] = {"/healthz", "/livez", "/readyz", "/version", NULL};
    for (size_t i = 0; paths[i] != NULL; i++) {
        if (is(access->verb, "get") && under(access->path, paths[i])) {
            return true;
        }
    }
    return false;
}

static bool discovery_path(const struct access *access)
{
    static const char *const paths[] = {"/api",    "/apis",        "/openapi",
                                        "/openid", "/.well-known", NULL};
    for (size_t i = 0; paths[i] != NULL; i++) {
        if (is(access->verb, "get") && under(access->path, paths[i])) {
            return true;
        }
    }
    return is(access->verb, "get") && is(access->path, "/");
}

static bool own_review(const struct access *access)
{
    static const char *const reviews[] = {"selfsubjectaccessreviews", "selfsubjectrulesreviews",
                                          "selfsubjectreviews", NULL};
    return is(access->verb, "create") && one_of(access->resource, reviews);
}

const char *node_of_user(const struct user *user)
{
    static const char prefix[] = "system:node:";
    if (!user_in_group(user, "system:nodes") ||
        strncmp(user->name, prefix, sizeof(prefix) - 1) != 0 ||
        user->name[sizeof(prefix) - 1] == 0) {
        return NULL;
    }
    return user->name + sizeof(prefix) - 1;
}

/* --- The graph node -> pod -> what the pod refers to --- */

struct reference {
    const char *node;
    const char *resource;
    const char *name;
    bool found;
};

static bool pod_refers(void *data, const struct cached_object *object)
{
    struct reference *reference = data;
    const Core__V1__Pod *pod = cached_object_message(object);
    if (pod == NULL || pod->spec->node_name == NULL || !is(pod->spec->node_name, reference->node)) {
        return true;
    }
    reference->found = pod_spec_refers(pod->spec, reference->resource, reference->name);
    return !reference->found;
}

bool node_may_read(struct apiserver *server, const char *node, const char *resource,
                   const char *namespace, const char *name)
{
    if (namespace[0] == 0 || name[0] == 0) {
        return false;
    }
    struct reference reference = {.node = node, .resource = resource, .name = name};
    struct cache_view *view = watch_cache_view(server->cache, api_kind_find("", "v1", "pods"));
    cache_view_each(view, namespace, slice_text(""), pod_refers, &reference);
    cache_view_free(view);
    return reference.found;
}

static bool pod_is_on(struct apiserver *server, const char *node, const char *namespace,
                      const char *name)
{
    const struct cached_object *object =
        watch_cache_get(server->cache, api_kind_find("", "v1", "pods"), namespace, name);
    if (object == NULL) {
        return false;
    }
    const Core__V1__Pod *pod = cached_object_message(object);
    bool on = pod != NULL && pod->spec->node_name != NULL && is(pod->spec->node_name, node);
    cached_object_unref(object);
    return on;
}

/* Whether a pod is its own, NodeRestriction asks of each write; and says so. */
static bool authorize_node_pod(struct apiserver *server, const char *node,
                               const struct access *access)
{
    if (is(access->subresource, "status")) {
        return is(access->verb, "update") || is(access->verb, "patch");
    }
    if (is(access->subresource, "eviction")) {
        return is(access->verb, "create");
    }
    if (access->subresource[0] == 0 && (is(access->verb, "create") || is(access->verb, "delete"))) {
        return true;
    }
    return is_read(access) && access->name[0] != 0 &&
           pod_is_on(server, node, access->namespace, access->name);
}

static bool authorize_node(struct apiserver *server, const char *node, const struct access *access)
{
    static const char *const readable[] = {
        "services", "endpointslices", "nodes", "namespaces", "runtimeclasses", "csidrivers", NULL};
    static const char *const referenced[] = {"secrets", "configmaps", "persistentvolumeclaims",
                                             "serviceaccounts", NULL};
    if (is_read(access) && one_of(access->resource, readable)) {
        return true;
    }
    if (is(access->resource, "pods")) {
        return authorize_node_pod(server, node, access);
    }
    if (is(access->resource, "nodes")) {
        bool change = is(access->verb, "update") || is(access->verb, "patch");
        return access->subresource[0] == 0 /* Which node: NodeRestriction. */
                   ? change || is(access->verb, "create")
                   : change && is(access->subresource, "status");
    }
    if (is(access->resource, "leases")) {
        return is(access->namespace, "kube-node-lease") &&
               (is(access->verb, "create") || is(access->name, node));
    }
    if (is(access->resource, "events")) {
        return is(access->verb, "create") || is(access->verb, "patch") ||
               is(access->verb, "update");
    }
    if (is(access->resource, "serviceaccounts") && is(access->subresource, "token")) {
        return node_may_read(server, node, "serviceaccounts", access->namespace, access->name);
    }
    if (is(access->resource, "certificatesigningrequests")) {
        return is(access->verb, "create") || is(access->verb, "get");
    }
    return is(access->verb, "get") && one_of(access->resource, referenced) &&
           node_may_read(server, node, access->resource, access->namespace, access->name);
}

bool authorize(struct apiserver *server, const struct user *user, const struct access *access)
{
    if (user_in_group(user, "system:masters")) {
        return true;
    }
    if (!access->is_resource) {
        return public_path(access) ||
               (user_in_group(user, "system:authenticated") && discovery_path(access));
    }
    if (!user_in_group(user, "system:authenticated")) {
        return false;
    }
    if (own_review(access)) {
        return true;
    }
    const char *node = node_of_user(user);
    if (node != NULL) {
        return authorize_node(server, node, access);
    }
    if (user_in_group(user, "system:serviceaccounts")) {
        return is_read(access) && !is(access->resource, "secrets") &&
               (access->subresource[0] == 0 || is(access->subresource, "status") ||
                is(access->subresource, "scale") || is(access->subresource, "log"));
    }
    if (user_in_group(user, "system:bootstrappers")) {
        return is(access->resource, "certificatesigningrequests") &&
               (is(access->verb, "create") || is(access->verb, "get") || is(access->verb, "list") ||
                is(access->verb, "watch"));
    }
    return false;
}

const struct api_status *forbidden_access(struct arena *arena, const struct user *user,
                                          const struct access *access)
{
    if (!access->is_resource) {
        return api_status_forbidden_resource(
            arena, "", "", "",
            arena_printf(arena, "forbidden: User \"%s\" cannot %s path \"%s\"", user->name,
                         access->verb, access->path));
    }
    const char *resource =
        access->subresource[0] == 0
            ? access->resource
            : arena_printf(arena, "%s/%s", access->resource, access->subresource);
    const char *where = access->namespace[0] == 0
                            ? "at the cluster scope"
                            : arena_printf(arena, "in the namespace \"%s\"", access->namespace);
    return api_status_forbidden_resource(
        arena, access->group, access->resource, access->name,
        arena_printf(arena, "User \"%s\" cannot %s resource \"%s\" in API group \"%s\" %s",
                     user->name, access->verb, resource, access->group, where));
}

bool stage_authorize(struct request *request)
{
    const struct request_info *info = &request->info;
    struct access access = {.verb = request_verb_name(info->verb),
                            .is_resource = info->is_resource,
                            .group = info->group,
                            .resource = info->resource,
                            .subresource = info->subresource,
                            .namespace = info->namespace,
                            .name = info->name,
                            .path = info->path};
    if (!info->is_resource) {
        struct slice method = http_method(request->exchange);
        char *verb = arena_text_n(request->arena, (const char *)method.data, method.len);
        for (char *c = verb; *c != 0; c++) {
            *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
        }
        access.verb = verb;
    }
    if (authorize(request->server, request->user, &access)) {
        return true;
    }
    respond_status(request, forbidden_access(request->arena, request->user, &access));
    return false;
}
