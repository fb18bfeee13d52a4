/* Paths of a group version, with what kubectl reads of them: action, kind, and which query
 * parameters a request takes. */
#include "lib/api/openapi_internal.h"

struct place {
    const struct api_kind *kind;
    const char *path;
    const char *group, *version, *body_kind; /* Of the body, which a subresource may change. */
    const struct api_message *body;
    bool named, namespaced;
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
    if (strcmp(action, "list") == 0 || strcmp(action, "deletecollection") == 0) {
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
    if (strcmp(action, "get") != 0 && strcmp(action, "list") != 0) {
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
    buffer_printf(out, "\"content\":{\"%s\":{\"schema\":{\"$ref\":\"#/components/schemas/%s\"}}}",
                  type, schema_name);
}

static void request_body(struct buffer *out, const struct place *place, const char *action)
{
    if (strcmp(action, "patch") == 0) {
        buffer_append_text(out, ",\"requestBody\":{\"required\":true,");
        content(out, "application/strategic-merge-patch+json",
                "io.k8s.apimachinery.pkg.apis.meta.v1.Patch");
        buffer_append_text(out, "}");
    } else if ((strcmp(action, "post") == 0 || strcmp(action, "put") == 0) && place->body != NULL) {
        buffer_append_text(out, ",\"requestBody\":{\"required\":true,");
        content(out, "*/*", place->body->schema_name);
        buffer_append_text(out, "}");
    }
}

static void operation(struct buffer *out, bool *first, const char *method, const char *action,
                      const struct place *place)
{
    bool list = strcmp(action, "list") == 0;
    const struct api_message *answer = list ? place->kind->list_message : place->body;
    buffer_printf(out, "%s\"%s\":{", *first ? "" : ",", method);
    *first = false;
    query_parameters(out, action);
    request_body(out, place, action);
    buffer_append_text(out, ",\"responses\":{\"200\":{\"description\":\"OK\"");
    if (answer != NULL) {
        buffer_append_text(out, ",");
        content(out, "application/json", answer->schema_name);
    }
    buffer_append_text(out, "},\"401\":{\"description\":\"Unauthorized\"}}");
    buffer_printf(out,
                  ",\"x-kubernetes-action\":\"%s\",\"x-kubernetes-group-version-kind\":{\"group\":"
                  "\"%s\",\"kind\":\"%s\",\"version\":\"%s\"}}",
                  action, place->group, place->body_kind, place->version);
}

static void begin(struct buffer *out, bool *first_path, const struct place *place)
{
    buffer_printf(out, "%s\"%s\":{", *first_path ? "" : ",", place->path);
    *first_path = false;
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
static void object_path(struct buffer *out, bool *first_path, const struct place *place,
                        uint32_t verbs)
{
    bool first = true;
    begin(out, first_path, place);
    if ((verbs & API_VERB_GET) != 0) {
        operation(out, &first, "get", "get", place);
    }
    if ((verbs & API_VERB_UPDATE) != 0) {
        operation(out, &first, "put", "put", place);
    }
    if ((verbs & API_VERB_CREATE) != 0) {
        operation(out, &first, "post", "post", place);
    }
    if ((verbs & API_VERB_DELETE) != 0) {
        operation(out, &first, "delete", "delete", place);
    }
    if ((verbs & API_VERB_PATCH) != 0) {
        operation(out, &first, "patch", "patch", place);
    }
    end(out, place, first);
}

static void collection_path(struct buffer *out, bool *first_path, const struct place *place,
                            uint32_t verbs)
{
    bool first = true;
    begin(out, first_path, place);
    if ((verbs & API_VERB_LIST) != 0) {
        operation(out, &first, "get", "list", place);
    }
    if ((verbs & API_VERB_CREATE) != 0) {
        operation(out, &first, "post", "post", place);
    }
    if ((verbs & API_VERB_DELETECOLLECTION) != 0) {
        operation(out, &first, "delete", "deletecollection", place);
    }
    end(out, place, first);
}

static void kind_paths(struct buffer *out, bool *first, const char *root,
                       const struct api_kind *kind)
{
    enum { PATH_SIZE = 512 };
    enum { OF_ONE = API_VERB_GET | API_VERB_UPDATE | API_VERB_PATCH | API_VERB_DELETE };
    CLEANUP(buffer_release) struct buffer base, path;
    buffer_init(&base, PATH_SIZE);
    buffer_init(&path, PATH_SIZE);
    buffer_printf(&base, "%s/%s%s", root, kind->namespaced ? "namespaces/{namespace}/" : "",
                  kind->plural);
    struct place place = {.kind = kind,
                          .group = kind->group,
                          .version = kind->version,
                          .body_kind = kind->kind,
                          .body = kind->message,
                          .namespaced = kind->namespaced};
    if (kind->namespaced && (kind->verbs & API_VERB_LIST) != 0) {
        struct place everywhere = place;
        buffer_printf(&path, "%s/%s", root, kind->plural);
        everywhere.path = buffer_text(&path);
        everywhere.namespaced = false;
        collection_path(out, first, &everywhere, API_VERB_LIST);
    }
    if ((kind->verbs & (API_VERB_LIST | API_VERB_CREATE | API_VERB_DELETECOLLECTION)) != 0) {
        place.path = buffer_text(&base);
        collection_path(out, first, &place, kind->verbs);
    }
    place.named = true;
    if ((kind->verbs & OF_ONE) != 0) {
        buffer_clear(&path);
        buffer_printf(&path, "%s/{name}", buffer_text(&base));
        place.path = buffer_text(&path);
        object_path(out, first, &place, kind->verbs & OF_ONE);
    }
    for (size_t i = 0; i < kind->subresource_count; i++) {
        const struct api_subresource *subresource = &kind->subresources[i];
        buffer_clear(&path);
        buffer_printf(&path, "%s/{name}/%s", buffer_text(&base), subresource->name);
        place.path = buffer_text(&path);
        place.group = subresource->group;
        place.version = subresource->version;
        place.body_kind = subresource->kind;
        place.body = subresource->message;
        object_path(out, first, &place, subresource->verbs);
    }
}

void openapi_paths(const char *group, const char *version, struct buffer *out)
{
    enum { ROOT_SIZE = 256 };
    CLEANUP(buffer_release) struct buffer root;
    size_t count = 0;
    const struct api_kind *kinds = api_kinds(&count);
    bool first = false;
    buffer_init(&root, ROOT_SIZE);
    buffer_printf(&root, "%s%s/%s", *group == 0 ? "/api" : "/apis/", group, version);
    buffer_printf(out, "\"%s/\":{\"get\":{\"responses\":{\"200\":{\"description\":\"OK\"}}}}",
                  buffer_text(&root));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(kinds[i].group, group) == 0 && strcmp(kinds[i].version, version) == 0) {
            kind_paths(out, &first, buffer_text(&root), &kinds[i]);
        }
    }
}
