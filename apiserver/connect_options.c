#include "apiserver/connect_options.h"

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
    if (field->type == API_STRING) {
        return json_new_text(arena, text);
    }
    struct query_param param = {.key = "", .value = text};
    struct query query = {.params = &param, .count = 1};
    int64_t number = 0;
    return query_int(&query, "", &number) < 0 ? NULL : json_new_int(arena, number);
}

static void add_parameter(struct arena *arena, const struct api_message *schema,
                          struct json_value *tree, const struct query_param *param)
{
    const struct api_member *member = api_message_member_text(schema, param->key);
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
