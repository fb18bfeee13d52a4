#include "apiserver/connect_options.h"

#include "apiserver/go_text.h"
#include "lib/api/object.h"
#include <string.h>

const struct api_message *connect_options_schema(const struct api_subresource *subresource)
{
    if (subresource->message != NULL) {
        return subresource->message;
    }
    return api_subresource_connects(subresource) ? api_subresource_options(subresource) : NULL;
}

static struct json_value *value_of(struct arena *arena, const struct api_field *field,
                                   const char *text)
{
    if (field->type == API_BOOL) {
        return json_new_bool(arena, strcmp(text, "false") != 0 && strcmp(text, "0") != 0);
    }
    return field->type == API_STRING ? json_new_text(arena, text) : NULL;
}

/* --- Ports --- */

static bool names_ports(const struct api_message *schema, const char *key)
{
    const struct api_member *member = api_message_member_text(schema, key);
    return member != NULL && member->field->label == API_REPEATED &&
           member->field->type == API_INT32;
}

/* NULL, or why one of them, which commas are between, is none. They go into `list`, if there is
 * one. */
static const char *read_ports(struct arena *arena, const char *text, struct json_value *list)
{
    char *rest = arena_text(arena, text);
    for (char *port = rest; port != NULL; port = rest) {
        rest = strchr(port, ',');
        if (rest != NULL) {
            *rest++ = 0;
        }
        uint64_t number = 0;
        const char *problem = go_text_uint(arena, port, &number);
        if (problem == NULL && number > UINT16_MAX) {
            problem =
                arena_printf(arena, "strconv.ParseUint: parsing \"%s\": value out of range", port);
        }
        if (problem != NULL) {
            return arena_printf(arena, "cannot convert to []int32: %s", problem);
        }
        if (list != NULL) {
            json_append(arena, list, json_new_int(arena, (int64_t)number));
        }
    }
    return NULL;
}

const char *connect_options_problem(struct arena *arena, const struct api_subresource *subresource,
                                    const struct query *query)
{
    const struct api_message *schema = connect_options_schema(subresource);
    const char *problem = NULL;
    for (size_t i = 0; schema != NULL && i < query->count && problem == NULL; i++) {
        const struct query_param *param = &query->params[i];
        problem = names_ports(schema, param->key) ? read_ports(arena, param->value, NULL) : NULL;
    }
    return problem;
}

static void add_ports(struct arena *arena, struct json_value *tree, const struct query_param *param)
{
    struct json_value *known = json_get_text(tree, param->key);
    if (known == NULL) {
        known = json_new_array(arena);
        json_set_text(arena, tree, param->key, known);
    }
    (void)read_ports(arena, param->value, known);
}

/* --- All --- */

static void add_parameter(struct arena *arena, const struct api_message *schema,
                          struct json_value *tree, const struct query_param *param)
{
    const struct api_member *member = api_message_member_text(schema, param->key);
    if (names_ports(schema, param->key)) {
        add_ports(arena, tree, param);
        return;
    }
    struct json_value *value = member == NULL ? NULL : value_of(arena, member->field, param->value);
    struct json_value *known = json_get_text(tree, param->key);
    if (value == NULL || (known != NULL && known->type != JSON_ARRAY)) {
        return; /* Of one that is no list, the first counts. */
    }
    if (member->field->label != API_REPEATED) {
        json_set_text(arena, tree, param->key, value);
        return;
    }
    if (known == NULL) {
        known = json_new_array(arena);
        json_set_text(arena, tree, param->key, known);
    }
    json_append(arena, known, value);
}

void *connect_options(struct arena *arena, const struct api_subresource *subresource,
                      const struct query *query, const char *path)
{
    static const char *const always[] = {"stdout", "stderr"}; /* Defaults of v1.32. */
    const struct api_message *schema = connect_options_schema(subresource);
    struct json_value *tree = json_new_object(arena);
    for (size_t i = 0; i < query->count; i++) {
        add_parameter(arena, schema, tree, &query->params[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(always); i++) {
        if (api_message_member_text(schema, always[i]) != NULL) {
            json_set_text(arena, tree, always[i], json_new_bool(arena, true));
        }
    }
    if (path[0] != 0 && api_message_member_text(schema, "path") != NULL) {
        json_set_text(arena, tree, "path", json_new_text(arena, path));
    }
    void *options = NULL;
    return api_message_from_json(arena, schema, tree, NULL, &options, NULL) < 0
               ? api_message_new(arena, schema)
               : options;
}
