/* Authorization of one request: what it wants to do, the question, and the refusal in v1.32's
 * words. */
#include "apiserver/access_selector.h"
#include "apiserver/audit_notes.h"
#include "apiserver/request.h"

bool node_may_read(struct apiserver *server, const char *node, const char *resource,
                   const char *namespace, const char *name)
{
    return authorizer_node_refers(server->authorizer, node, resource, namespace, name);
}

static const char *quoted(struct arena *arena, const char *text)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    api_print_quoted(text, &out);
    return arena_text(arena, buffer_text(&out));
}

const struct api_status *forbidden_access(struct arena *arena, const struct user *user,
                                          const struct access *access, const char *reason)
{
    const char *user_name = quoted(arena, user->name);
    const char *separator = reason[0] == 0 ? "" : ": ";
    if (!access->is_resource) {
        return api_status_forbidden_resource(
            arena, "", "", "",
            arena_printf(arena, "User %s cannot %s path %s%s%s", user_name, access->verb,
                         quoted(arena, access->path), separator, reason));
    }
    const char *resource =
        access->subresource[0] == 0
            ? access->resource
            : arena_printf(arena, "%s/%s", access->resource, access->subresource);
    const char *where = access->namespace[0] == 0 ? "at the cluster scope"
                                                  : arena_printf(arena, "in the namespace %s",
                                                                 quoted(arena, access->namespace));
    return api_status_forbidden_resource(
        arena, access->group, access->resource, access->name,
        arena_printf(arena, "User %s cannot %s resource %s in API group %s %s%s%s", user_name,
                     access->verb, quoted(arena, resource), quoted(arena, access->group), where,
                     separator, reason));
}

static bool is_path_segment(const char *name)
{
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strpbrk(name, "/%") == NULL;
}

/* What many objects are narrowed to. A list of one name is asked for as that name, so that a rule
 * for it fits. Paths of the old form .../watch/... have no selectors for authorization, as their
 * requests for one object do without. */
static void read_selectors(struct request *request, struct access *access)
{
    const struct request_info *info = &request->info;
    struct access_selector fields =
        access_selector_of_fields(request->arena, query_get(&info->query, "fieldSelector"));
    const char *name = access_selector_pinned(&fields, "metadata.name");
    if (name != NULL && access->name[0] == 0 && is_path_segment(name) &&
        info->verb != VERB_DELETE_COLLECTION) {
        access->name = name;
    }
    if (!info->verb_in_path) {
        access->fields = fields;
        access->labels =
            access_selector_of_labels(request->arena, query_get(&info->query, "labelSelector"));
    }
}

static const char *lower_method(struct request *request)
{
    struct slice method = http_method(request->exchange);
    char *verb = arena_text_n(request->arena, (const char *)method.data, method.len);
    for (char *c = verb; *c != 0; c++) {
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    }
    return verb;
}

struct access request_access(struct request *request)
{
    const struct request_info *info = &request->info;
    return (struct access){.verb = info->is_resource ? request_verb_name(info->verb)
                                                     : lower_method(request),
                           .is_resource = info->is_resource,
                           .group = info->group,
                           .version = info->version,
                           .resource = info->resource,
                           .subresource = info->subresource,
                           .namespace = info->namespace,
                           .name = info->name,
                           .path = info->path};
}

void authorization_refuse(struct request *request, const struct authorization *question)
{
    if (question->error[0] != 0) {
        request->codec->failed(request, question->error);
        return;
    }
    request->is_refused = true;
    respond_status(request, forbidden_access(request->arena, question->user, question->access,
                                             question->reason));
}

struct authorizing {
    struct authorization question;
    struct access access;
};

/* False when the request has been refused. */
static bool take_decision(struct request *request, const struct authorization *question)
{
    bool allowed = question->allowed; /* It is gone with a request that is answered. */
    bool failed = !allowed && question->error[0] != 0;
    if (!failed) {
        audit_note(request->call.notes, "authorization.k8s.io/decision",
                   allowed ? "allow" : "forbid");
    }
    audit_note(request->call.notes, "authorization.k8s.io/reason",
               failed ? "internal error" : question->reason);
    if (!allowed) {
        authorization_refuse(request, question);
    }
    return allowed;
}

static void on_decided(struct authorization *question)
{
    struct request *request = question->data;
    if (request->codec->is_aborted(request)) {
        request_finish(request);
    } else if (take_decision(request, question)) {
        request_continue(request);
    }
}

bool stage_authorize(struct request *request)
{
    const struct request_info *info = &request->info;
    struct authorizing *state = arena_zeroed(request->arena, sizeof(*state));
    bool of_many =
        info->verb == VERB_LIST || info->verb == VERB_WATCH || info->verb == VERB_DELETE_COLLECTION;
    state->access = request_access(request);
    if (info->is_resource && of_many) {
        read_selectors(request, &state->access);
    }
    /* Why something is allowed takes longer to say, and is for the audit log alone. */
    state->question = (struct authorization){.user = request->user,
                                             .access = &state->access,
                                             .arena = request->arena,
                                             .home = http_exchange_loop(request->exchange),
                                             .decided = on_decided,
                                             .data = request,
                                             .explain = request->call.notes != NULL};
    return authorizer_decide(request->server->authorizer, &state->question) &&
           take_decision(request, &state->question);
}
