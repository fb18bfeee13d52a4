/* Paths of a group version, with what kubectl reads of them: action, kind, and which query
 * parameters a request takes. */
#include "lib/api/openapi_internal.h"

#define META "io.k8s.apimachinery.pkg.apis.meta.v1."

struct place {
    const struct api_kind *kind;
    const char *path;
    const char *group, *version, *body_kind; /* Of the body, which a subresource may change. */
    const char *body, *list;                 /* Schemas; NULL for none. */
    bool named, namespaced;
};

struct path_writer {
    struct arena *arena;
    struct buffer *out;
    bool first;
    const char *root; /* "/apis/apps/v1" */
};

static void parameter(struct buffer *out, bool *first, const char *name, const char *in,
                      const char *type)
{
    buffer_printf(out, "%s{\"name\":\"%s\",\"in\":\"%s\"%s,\"schema\":{\"type\":\"%s\"}}",
                  *first ? "" : ",", name, in, strcmp(in, "path") == 0 ? ",\"required\":true" : "",
                  type);
    *first = false;
}

static void query_parameters(struct buffer *out, const char *action)
{
    bool first = true;
    buffer_append_text(out, "\"parameters\":[");
    bool watches = strcmp(action, "watch") == 0 || strcmp(action, "watchlist") == 0;
    bool lists = watches || strcmp(action, "list") == 0;
    if (lists || strcmp(action, "deletecollection") == 0) {
        parameter(out, &first, "labelSelector", "query", "string");
        parameter(out, &first, "fieldSelector", "query", "string");
        parameter(out, &first, "limit", "query", "integer");
        parameter(out, &first, "continue", "query", "string");
        parameter(out, &first, "resourceVersion", "query", "string");
        parameter(out, &first, "resourceVersionMatch", "query", "string");
        parameter(out, &first, "timeoutSeconds", "query", "integer");
        parameter(out, &first, "watch", "query", "boolean");
        parameter(out, &first, "sendInitialEvents", "query", "boolean");
    }
    if (!lists && strcmp(action, "get") != 0) {
        parameter(out, &first, "dryRun", "query", "string");
    }
    if (strcmp(action, "delete") == 0 || strcmp(action, "deletecollection") == 0) {
        parameter(out, &first, "gracePeriodSeconds", "query", "integer");
        parameter(out, &first, "orphanDependents", "query", "boolean");
        parameter(out, &first, "propagationPolicy", "query", "string");
    }
    if (strcmp(action, "post") == 0 || strcmp(action, "put") == 0 || strcmp(action, "patch") == 0) {
        parameter(out, &first, "fieldManager", "query", "string");
        parameter(out, &first, "fieldValidation", "query", "string");
    }
    if (strcmp(action, "patch") == 0) {
        parameter(out, &first, "force", "query", "boolean");
    }
    buffer_append_text(out, "]");
}

static void content(struct buffer *out, const char *type, const char *schema_name)
{
    buffer_printf(out, "\"%s\":{\"schema\":{\"$ref\":\"#/components/schemas/%s\"}}", type,
                  schema_name);
}

/* A strategic merge needs to know the kind's lists; kubectl reads here where it is to be had. */
static void patch_body(struct buffer *out, const struct place *place)
{
    static const char *const types[] = {
        "application/apply-patch+yaml", "application/json-patch+json",
        "application/merge-patch+json", "application/strategic-merge-patch+json"};
    size_t count = ARRAY_LEN(types) - (place->kind->message->custom == NULL ? 0 : 1);
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(out, i == 0 ? "" : ",");
        content(out, types[i], META "Patch");
    }
}

static void request_body(struct buffer *out, const struct place *place, const char *action)
{
    bool patch = strcmp(action, "patch") == 0;
    bool whole = (strcmp(action, "post") == 0 || strcmp(action, "put") == 0) && place->body != NULL;
    if (!patch && !whole) {
        return;
    }
    buffer_append_text(out, ",\"requestBody\":{\"required\":true,\"content\":{");
    if (patch) {
        patch_body(out, place);
    } else {
        content(out, "*/*", place->body);
    }
    buffer_append_text(out, "}}");
}

static const char *answer_of(const struct place *place, const char *action)
{
    return strncmp(action, "watch", 5) == 0    ? META "WatchEvent"
           : strcmp(action, "list") == 0       ? place->list
           : strncmp(action, "delete", 6) == 0 ? META "Status"
                                               : place->body;
}

static void operation(struct buffer *out, bool *first, const char *method, const char *action,
                      const struct place *place)
{
    const char *answer = answer_of(place, action);
    buffer_printf(out, "%s\"%s\":{", *first ? "" : ",", method);
    *first = false;
    query_parameters(out, action);
    request_body(out, place, action);
    buffer_append_text(out, ",\"responses\":{\"200\":{\"description\":\"OK\"");
    if (answer != NULL) {
        buffer_append_text(out, ",\"content\":{");
        content(out, "application/json", answer);
        buffer_append_text(out, "}");
    }
    buffer_append_text(out, "},\"401\":{\"description\":\"Unauthorized\"}}");
    buffer_printf(out,
                  ",\"x-kubernetes-action\":\"%s\",\"x-kubernetes-group-version-kind\":{\"group\":"
                  "\"%s\",\"kind\":\"%s\",\"version\":\"%s\"}}",
                  action, place->group, place->body_kind, place->version);
}

static void begin(struct path_writer *writer, const struct place *place)
{
    buffer_printf(writer->out, "%s\"%s\":{", writer->first ? "" : ",", place->path);
    writer->first = false;
}

static void end(struct buffer *out, const struct place *place, bool first)
{
    bool first_parameter = true;
    buffer_printf(out, "%s\"parameters\":[", first ? "" : ",");
    if (place->named) {
        parameter(out, &first_parameter, "name", "path", "string");
    }
    if (place->namespaced) {
        parameter(out, &first_parameter, "namespace", "path", "string");
    }
    parameter(out, &first_parameter, "pretty", "query", "string");
    buffer_append_text(out, "]}");
}

/* get, put, post, patch, delete of one object or subresource. */
static void object_path(struct path_writer *writer, const struct place *place, uint32_t verbs)
{
    static const struct {
        enum api_verb verb;
        const char *method, *action;
    } operations[] = {
        {API_VERB_GET, "get", "get"},       {API_VERB_UPDATE, "put", "put"},
        {API_VERB_CREATE, "post", "post"},  {API_VERB_DELETE, "delete", "delete"},
        {API_VERB_PATCH, "patch", "patch"},
    };
    bool first = true;
    begin(writer, place);
    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        if ((verbs & operations[i].verb) != 0) {
            operation(writer->out, &first, operations[i].method, operations[i].action, place);
        }
    }
    end(writer->out, place, first);
}

static void collection_path(struct path_writer *writer, const struct place *place, uint32_t verbs)
{
    bool first = true;
    begin(writer, place);
    if ((verbs & API_VERB_LIST) != 0) {
        operation(writer->out, &first, "get", "list", place);
    }
    if ((verbs & API_VERB_CREATE) != 0) {
        operation(writer->out, &first, "post", "post", place);
    }
    if ((verbs & API_VERB_DELETECOLLECTION) != 0) {
        operation(writer->out, &first, "delete", "deletecollection", place);
    }
    end(writer->out, place, first);
}

static struct place place_of(struct path_writer *writer, const struct api_kind *kind)
{
    return (struct place){.kind = kind,
                          .group = kind->group,
                          .version = kind->version,
                          .body_kind = kind->kind,
                          .body = kind->message->schema_name,
                          .list = openapi_list_name(writer->arena, kind),
                          .namespaced = kind->namespaced};
}

static const char *in_namespace(const struct api_kind *kind)
{
    return kind->namespaced ? "namespaces/{namespace}/" : "";
}

static void subresource_path(struct path_writer *writer, const struct place *object,
                             const struct api_subresource *subresource)
{
    struct place place = *object;
    place.path = arena_printf(writer->arena, "%s/%s", object->path, subresource->name);
    place.group = subresource->group;
    place.version = subresource->version;
    place.body_kind = subresource->kind;
    place.body = subresource->message == NULL ? NULL : subresource->message->schema_name;
    object_path(writer, &place, subresource->verbs);
    if (strcmp(subresource->name, "proxy") == 0) { /* What follows is the other server's. */
        place.path = arena_printf(writer->arena, "%s/{path}", place.path);
        object_path(writer, &place, subresource->verbs);
    }
}

static void kind_paths(struct path_writer *writer, const struct api_kind *kind)
{
    enum { OF_ONE = API_VERB_GET | API_VERB_UPDATE | API_VERB_PATCH | API_VERB_DELETE };
    struct place place = place_of(writer, kind);
    if (kind->namespaced && (kind->verbs & API_VERB_LIST) != 0) {
        struct place everywhere = place;
        everywhere.path = arena_printf(writer->arena, "%s/%s", writer->root, kind->plural);
        everywhere.namespaced = false;
        collection_path(writer, &everywhere, API_VERB_LIST);
    }
    place.path =
        arena_printf(writer->arena, "%s/%s%s", writer->root, in_namespace(kind), kind->plural);
    if ((kind->verbs & (API_VERB_LIST | API_VERB_CREATE | API_VERB_DELETECOLLECTION)) != 0) {
        collection_path(writer, &place, kind->verbs);
    }
    place.named = true;
    place.path = arena_printf(writer->arena, "%s/{name}", place.path);
    if ((kind->verbs & OF_ONE) != 0) {
        object_path(writer, &place, kind->verbs & OF_ONE);
    }
    for (size_t i = 0; i < kind->subresource_count; i++) {
        subresource_path(writer, &place, &kind->subresources[i]);
    }
}

static void watch_path(struct path_writer *writer, const struct place *place, const char *action)
{
    bool first = true;
    begin(writer, place);
    operation(writer->out, &first, "get", action, place);
    end(writer->out, place, first);
}

/* The older way to watch, by path instead of by query. */
static void watch_paths(struct path_writer *writer, const struct api_kind *kind)
{
    struct place place = place_of(writer, kind);
    if (kind->namespaced) {
        struct place everywhere = place;
        everywhere.path = arena_printf(writer->arena, "%s/watch/%s", writer->root, kind->plural);
        everywhere.namespaced = false;
        watch_path(writer, &everywhere, "watchlist");
    }
    place.path = arena_printf(writer->arena, "%s/watch/%s%s", writer->root, in_namespace(kind),
                              kind->plural);
    watch_path(writer, &place, "watchlist");
    place.named = true;
    place.path = arena_printf(writer->arena, "%s/{name}", place.path);
    watch_path(writer, &place, "watch");
}

static void root_path(struct path_writer *writer)
{
    buffer_printf(writer->out,
                  "\"%s/\":{\"get\":{\"responses\":{\"200\":{\"description\":"
                  "\"OK\",\"content\":{",
                  writer->root);
    content(writer->out, "application/json", META "APIResourceList");
    buffer_append_text(writer->out, "}}}}}");
    writer->first = false;
}

void openapi_paths(struct arena *arena, const struct api_kind *const *kinds, size_t count,
                   struct buffer *out)
{
    struct path_writer writer = {
        .arena = arena,
        .out = out,
        .first = true,
        .root = arena_printf(arena, "%s%s/%s", kinds[0]->group[0] == '\0' ? "/api" : "/apis/",
                             kinds[0]->group, kinds[0]->version)};
    if (kinds[0]->message->custom == NULL) {
        root_path(&writer);
    }
    for (size_t i = 0; i < count; i++) {
        kind_paths(&writer, kinds[i]);
        if (kinds[i]->message->custom == NULL && (kinds[i]->verbs & API_VERB_WATCH) != 0) {
            watch_paths(&writer, kinds[i]);
        }
    }
}
