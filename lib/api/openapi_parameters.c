/* Parameters of operations. They are the members of the messages that Kubernetes decodes a query
 * to. v2 has each once and refers to it, as clients of v1.32 expect: "dryRun-PatchOptions". */
#include "lib/api/openapi_internal.h"

#define OPTIONS "k8s.io.apimachinery.pkg.apis.meta.v1."
#define CORE    "k8s.io.api.core.v1."

enum { OPTIONS_MAX = 2 };

/* Creations and updates take all that patches do but force. */
static const struct {
    const char *action;
    const char *messages[OPTIONS_MAX];
} options_of_actions[] = {
    {"list", {OPTIONS "ListOptions"}},
    {"watch", {OPTIONS "ListOptions"}},
    {"watchlist", {OPTIONS "ListOptions"}},
    {"deletecollection", {OPTIONS "ListOptions", OPTIONS "DeleteOptions"}},
    {"delete", {OPTIONS "DeleteOptions"}},
    {"post", {OPTIONS "PatchOptions"}},
    {"put", {OPTIONS "PatchOptions"}},
    {"patch", {OPTIONS "PatchOptions"}},
};

/* Messages with something that an operation refers to. */
static const char *const defined[] = {OPTIONS "ListOptions",      OPTIONS "DeleteOptions",
                                      OPTIONS "PatchOptions",     CORE "PodAttachOptions",
                                      CORE "PodExecOptions",      CORE "PodLogOptions",
                                      CORE "PodProxyOptions",     CORE "NodeProxyOptions",
                                      CORE "ServiceProxyOptions", CORE "PodPortForwardOptions"};

static const char pretty_text[] = "Whether to format the answer for people.";
static const char namespace_text[] = "The namespace.";

struct parameter {
    const char *name, *in, *description;
    const struct api_field *field; /* NULL: a text. */
};

static void put_parameter(struct buffer *out, enum openapi_form form,
                          const struct parameter *parameter)
{
    buffer_printf(out, "{\"name\":\"%s\",\"in\":\"%s\"", parameter->name, parameter->in);
    if (parameter->description[0] != '\0') {
        buffer_append_text(out, ",\"description\":");
        openapi_text(out, parameter->description);
    }
    buffer_append_text(out, strcmp(parameter->in, "path") == 0 ? ",\"required\":true" : "");
    buffer_append_text(out, form == OPENAPI_V3 ? ",\"schema\":{" : ",");
    if (parameter->field == NULL) {
        buffer_append_text(out, "\"type\":\"string\"");
    } else {
        openapi_scalar(out, parameter->field);
    }
    buffer_append_text(out, form == OPENAPI_V3 ? "}}" : "}");
}

static struct parameter parameter_of(const struct api_field *field)
{
    return (struct parameter){
        .name = field->name, .in = "query", .description = field->description, .field = field};
}

/* A body's members that are no parameters, and what only one of the actions takes. */
static bool takes(const char *action, const struct api_field *field)
{
    bool only_patch = strcmp(field->name, "force") == 0;
    bool only_watch =
        strcmp(field->name, "watch") == 0 || strcmp(field->name, "allowWatchBookmarks") == 0;
    return field->message == NULL && !(only_patch && strcmp(action, "patch") != 0) &&
           !(only_watch && strcmp(action, "deletecollection") == 0);
}

static bool put_members(struct buffer *out, enum openapi_form form,
                        const struct api_message *message, const char *action, bool started)
{
    for (size_t i = 0; i < message->member_count; i++) {
        const struct api_field *field = message->members[i].field;
        if (!takes(action, field)) {
            continue;
        }
        buffer_append_text(out, started ? "," : "");
        started = true;
        if (form == OPENAPI_V2) {
            buffer_printf(out, "{\"$ref\":\"#/parameters/%s-%s\"}", field->name, message->name);
        } else {
            const struct parameter parameter = parameter_of(field);
            put_parameter(out, form, &parameter);
        }
    }
    return started;
}

void openapi_query_parameters(struct buffer *out, enum openapi_form form,
                              const struct openapi_place *place, const char *action, bool started)
{
    const struct api_message *options =
        place->subresource == NULL ? NULL : api_subresource_options(place->subresource);
    if (options != NULL) {
        (void)put_members(out, form, options, action, started);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(options_of_actions); i++) {
        if (strcmp(options_of_actions[i].action, action) != 0) {
            continue;
        }
        const char *const *names = options_of_actions[i].messages;
        for (size_t j = 0; j < OPTIONS_MAX && names[j] != NULL; j++) {
            started = put_members(out, form, api_message_find(names[j]), action, started);
        }
    }
}

/* --- Of paths ----------------------------------------------------------------------------------
 */

void openapi_path_parameters(struct buffer *out, enum openapi_form form,
                             const struct openapi_place *place)
{
    const struct parameter name = {"name", "path", "The name of the object.", NULL};
    const struct parameter namespace = {"namespace", "path", namespace_text, NULL};
    const struct parameter path = {"path", "path", "The path to ask for.", NULL};
    const struct parameter pretty = {"pretty", "query", pretty_text, NULL};
    const bool connects =
        place->subresource != NULL && api_subresource_connects(place->subresource);
    const struct {
        const struct parameter *parameter;
        bool given, shared;
    } parameters[] = {{&name, place->named, false},
                      {&namespace, place->namespaced, true},
                      {&path, place->with_path, false},
                      {&pretty, !connects, true}};
    bool started = false;
    buffer_append_text(out, "\"parameters\":[");
    for (size_t i = 0; i < ARRAY_LEN(parameters); i++) {
        if (!parameters[i].given) {
            continue;
        }
        buffer_append_text(out, started ? "," : "");
        started = true;
        if (parameters[i].shared && form == OPENAPI_V2) {
            buffer_printf(out, "{\"$ref\":\"#/parameters/%s\"}", parameters[i].parameter->name);
        } else {
            put_parameter(out, form, parameters[i].parameter);
        }
    }
    buffer_append_text(out, "]");
}

void openapi_parameter_definitions(struct buffer *out)
{
    const struct parameter shared[] = {{"namespace", "path", namespace_text, NULL},
                                       {"pretty", "query", pretty_text, NULL}};
    for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
        buffer_printf(out, "%s\"%s\":", i == 0 ? "" : ",", shared[i].name);
        put_parameter(out, OPENAPI_V2, &shared[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(defined); i++) {
        const struct api_message *message = api_message_find(defined[i]);
        for (size_t j = 0; j < message->member_count; j++) {
            const struct parameter parameter = parameter_of(message->members[j].field);
            if (parameter.field->message == NULL) {
                buffer_printf(out, ",\"%s-%s\":", parameter.name, message->name);
                put_parameter(out, OPENAPI_V2, &parameter);
            }
        }
    }
}
