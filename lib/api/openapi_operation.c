/* One operation of a path. v2 has its media types beside it and its body among the parameters; v3
 * has a schema for each media type. */
#include "lib/api/openapi_internal.h"

static const char *const object_types[] = {"application/json", "application/yaml",
                                           "application/vnd.kubernetes.protobuf"};
static const char *const stream_types[] = {"application/json;stream=watch",
                                           "application/vnd.kubernetes.protobuf;stream=watch"};
static const char *const patch_types[] = {
    "application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json",
    "application/strategic-merge-patch+json"};
static const char *const text_types[] = {"text/plain"}, *const any_types[] = {"*/*"};

enum { MEDIA_MAX = ARRAY_LEN(object_types) + ARRAY_LEN(stream_types) };

struct media {
    const char *types[MEDIA_MAX];
    size_t count;
};

struct operation {
    const struct openapi_place *place;
    const char *method, *action;
    bool custom; /* Of a kind without protobuf and strategic merges. */
    const char *body, *answer;
    bool body_required;
    struct media takes, gives;
};

static bool is(const struct operation *operation, const char *action)
{
    return strcmp(operation->action, action) == 0;
}

static bool watches(const struct operation *operation)
{
    return is(operation, "watch") || is(operation, "watchlist");
}

static void add_types(struct media *media, const char *const *types, size_t count, bool custom)
{
    for (size_t i = 0; i < count; i++) {
        if (!custom || strstr(types[i], "protobuf") == NULL) {
            media->types[media->count++] = types[i];
        }
    }
}

static void set_answer(struct operation *operation)
{
    const struct openapi_place *place = operation->place;
    bool connects = is(operation, "connect"), text = place->body == NULL && !connects;
    bool deletes = is(operation, "delete") || is(operation, "deletecollection");
    bool object = is(operation, "delete") && api_kind_delete_answers_object(place->kind);
    operation->answer = watches(operation)      ? OPENAPI_META "WatchEvent"
                        : is(operation, "list") ? place->list
                        : deletes && !object    ? OPENAPI_META "Status"
                        : connects || text      ? NULL
                                                : place->body;
    if (operation->answer == NULL) {
        add_types(&operation->gives, connects ? any_types : text_types, 1, false);
        return;
    }
    add_types(&operation->gives, object_types, ARRAY_LEN(object_types), operation->custom);
    if (watches(operation) || is(operation, "list")) {
        add_types(&operation->gives, stream_types, ARRAY_LEN(stream_types), operation->custom);
    }
}

static void set_body(struct operation *operation)
{
    bool patch = is(operation, "patch"), deletes = strncmp(operation->action, "delete", 6) == 0;
    bool whole = is(operation, "post") || is(operation, "put");
    operation->body = patch     ? OPENAPI_META "Patch"
                      : deletes ? OPENAPI_META "DeleteOptions"
                      : whole   ? operation->place->body
                                : NULL;
    operation->body_required = patch || whole;
    if (patch) {
        size_t left_out = operation->custom ? 1 : 0;
        add_types(&operation->takes, patch_types, ARRAY_LEN(patch_types) - left_out, false);
    } else {
        add_types(&operation->takes, any_types, 1, false);
    }
}

/* "Read the status of one object of kind Pod." */
static void describe(struct buffer *out, const struct operation *operation)
{
    static const struct {
        const char *action, *verb, *what;
    } texts[] = {
        {"get", "Read", "one object"},
        {"list", "List or watch", "objects"},
        {"post", "Create", "an object"},
        {"put", "Replace", "one object"},
        {"patch", "Change parts of", "one object"},
        {"delete", "Delete", "one object"},
        {"deletecollection", "Delete", "all matching objects"},
        {"watch", "Watch (rather list with a field selector and watch)", "one object"},
        {"watchlist", "Watch (rather list with watch)", "objects"},
        {"connect", "Connect to", "one object"},
    };
    const struct api_subresource *part = operation->place->subresource;
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(texts) && !is(operation, texts[i].action)) {
        i++;
    }
    buffer_printf(out, "\"description\":\"%s %s%s%s%s of kind %s.\"", texts[i].verb,
                  part == NULL ? "" : "the ", part == NULL ? "" : part->name,
                  part == NULL ? "" : " of ", texts[i].what, operation->place->kind->kind);
}

/* --- What both forms have ----------------------------------------------------------------------
 */

static void texts(struct buffer *out, const char *name, const struct media *media)
{
    buffer_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < media->count; i++) {
        buffer_printf(out, "%s\"%s\"", i == 0 ? "" : ",", media->types[i]);
    }
    buffer_append_text(out, "]");
}

static void schema(struct buffer *out, enum openapi_form form, const char *name)
{
    if (name == NULL) {
        buffer_append_text(out, "\"schema\":{\"type\":\"string\"}");
    } else {
        buffer_printf(out, "\"schema\":{\"$ref\":\"#/%s/%s\"}",
                      form == OPENAPI_V2 ? "definitions" : "components/schemas", name);
    }
}

static void content(struct buffer *out, const struct media *media, const char *name)
{
    buffer_append_text(out, "\"content\":{");
    for (size_t i = 0; i < media->count; i++) {
        buffer_printf(out, "%s\"%s\":{", i == 0 ? "" : ",", media->types[i]);
        schema(out, OPENAPI_V3, name);
        buffer_append_text(out, "}");
    }
    buffer_append_text(out, "}");
}

static void response(struct buffer *out, enum openapi_form form, const struct media *gives,
                     const char *answer)
{
    if (form == OPENAPI_V2) {
        schema(out, form, answer);
    } else {
        content(out, gives, answer);
    }
}

static void responses(struct buffer *out, enum openapi_form form, const struct operation *operation)
{
    const struct {
        const char *code, *text;
        bool given;
    } answers[] = {
        {"200", "OK", true},
        {"201", "Created", is(operation, "post") || is(operation, "put") || is(operation, "patch")},
        {"202", "Accepted", is(operation, "post") || is(operation, "delete")},
    };
    buffer_append_text(out, ",\"responses\":{");
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        if (answers[i].given) {
            buffer_printf(out, "\"%s\":{\"description\":\"%s\",", answers[i].code, answers[i].text);
            response(out, form, &operation->gives, operation->answer);
            buffer_append_text(out, "},");
        }
    }
    buffer_append_text(out, "\"401\":{\"description\":\"Unauthorized\"}}");
}

/* --- Operations --------------------------------------------------------------------------------
 */

static void v2_inputs(struct buffer *out, const struct operation *operation)
{
    texts(out, "consumes", &operation->takes);
    texts(out, "produces", &operation->gives);
    buffer_append_text(out, ",\"schemes\":[\"https\"],\"parameters\":[");
    if (operation->body != NULL) {
        buffer_printf(out, "{\"name\":\"body\",\"in\":\"body\"%s,",
                      operation->body_required ? ",\"required\":true" : "");
        schema(out, OPENAPI_V2, operation->body);
        buffer_append_text(out, "}");
    }
    openapi_query_parameters(out, OPENAPI_V2, operation->place, operation->action,
                             operation->body != NULL);
    buffer_append_text(out, "]");
}

static void v3_inputs(struct buffer *out, const struct operation *operation)
{
    buffer_append_text(out, ",\"parameters\":[");
    openapi_query_parameters(out, OPENAPI_V3, operation->place, operation->action, false);
    buffer_append_text(out, "]");
    if (operation->body != NULL) {
        buffer_printf(out, ",\"requestBody\":{%s",
                      operation->body_required ? "\"required\":true," : "");
        content(out, &operation->takes, operation->body);
        buffer_append_text(out, "}");
    }
}

void openapi_operation(struct openapi_paths *paths, const struct openapi_place *place,
                       const char *method, const char *action)
{
    struct buffer *out = paths->out;
    const struct api_kind *kind = place->kind;
    struct operation operation = {.place = place,
                                  .method = method,
                                  .action = action,
                                  .custom = kind->message->custom != NULL};
    set_answer(&operation);
    set_body(&operation);
    buffer_printf(out, "\"%s\":{", method);
    describe(out, &operation);
    buffer_printf(out, ",\"operationId\":\"%s\",\"tags\":[\"%s_%s\"]",
                  openapi_operation_id(paths->arena, place, method, action),
                  openapi_group_word(paths->arena, kind->group, false), kind->version);
    if (paths->form == OPENAPI_V2) {
        v2_inputs(out, &operation);
    } else {
        v3_inputs(out, &operation);
    }
    responses(out, paths->form, &operation);
    buffer_printf(out,
                  ",\"x-kubernetes-action\":\"%s\",\"x-kubernetes-group-version-kind\":{\"group\":"
                  "\"%s\",\"kind\":\"%s\",\"version\":\"%s\"}}",
                  action, place->group, place->body_kind, place->version);
}

void openapi_lookup_path(struct openapi_paths *paths, const struct openapi_lookup *lookup)
{
    struct buffer *out = paths->out;
    struct media gives = {.types = {lookup->type}, .count = 1};
    if (lookup->type == NULL) {
        gives.count = 0;
        add_types(&gives, object_types, ARRAY_LEN(object_types), false);
    }
    buffer_printf(out,
                  "%s\"%s\":{\"get\":{\"description\":\"%s\",\"operationId\":\"%s\",\"tags\":"
                  "[\"%s\"]",
                  paths->started ? "," : "", lookup->path, lookup->description,
                  lookup->operation_id, lookup->tag);
    paths->started = true;
    if (paths->form == OPENAPI_V2) {
        texts(out, "consumes", &gives);
        texts(out, "produces", &gives);
        buffer_append_text(out, ",\"schemes\":[\"https\"]");
    }
    buffer_append_text(out, ",\"responses\":{\"200\":{\"description\":\"OK\",");
    response(out, paths->form, &gives, lookup->schema);
    buffer_append_text(out,
                       lookup->anyone ? "}}}}" : "},\"401\":{\"description\":\"Unauthorized\"}}}}");
}
