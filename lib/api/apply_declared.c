#include "lib/api/apply_declared.h"

#include "lib/api/apply_merge.h"
#include "lib/base/arena.h"
#include <string.h>

/* What was found: one finding is said plainly, several are a list. */
struct findings {
    struct arena *arena;
    size_t count;
    const char *text;
};

static void add(struct findings *findings, const char *path, const char *words)
{
    const char *one = arena_printf(findings->arena, "%s: %s", path, words);
    if (findings->count == 1) {
        findings->text = arena_printf(findings->arena, "errors:\n  %s", findings->text);
    }
    findings->text =
        findings->count == 0 ? one : arena_printf(findings->arena, "%s\n  %s", findings->text, one);
    findings->count++;
}

/* --- Scalars -----------------------------------------------------------------------------------
 */

static const char *go_type(enum json_type type)
{
    switch (type) {
    case JSON_NULL:
        return "<nil>";
    case JSON_BOOL:
        return "bool";
    case JSON_NUMBER:
        return "int64";
    case JSON_STRING:
        return "string";
    case JSON_ARRAY:
        return "[]interface {}";
    case JSON_OBJECT:
        return "map[string]interface {}";
    }
    return "";
}

static const char *shown(struct arena *arena, const struct json_value *value)
{
    switch (value->type) {
    case JSON_BOOL:
        return value->boolean ? "true" : "false";
    case JSON_NUMBER:
    case JSON_STRING:
        return arena_text_n(arena, (const char *)value->text.data, value->text.len);
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return go_type(value->type);
}

static void check_scalar(struct findings *findings, const struct api_field *field,
                         const struct json_value *value, const char *path)
{
    struct arena *arena = findings->arena;
    if (value->type == JSON_NULL) {
        return;
    }
    if (field->type == API_STRING && value->type != JSON_STRING) {
        add(findings, path,
            arena_printf(arena, "expected string, got &value.valueUnstructured{Value:%s}",
                         shown(arena, value)));
    } else if ((field->type == API_INT32 || field->type == API_INT64) &&
               value->type != JSON_NUMBER) {
        add(findings, path,
            arena_printf(arena, "expected numeric (int or float), got %s", go_type(value->type)));
    } else if (field->type == API_BOOL && value->type != JSON_BOOL) {
        add(findings, path,
            arena_printf(arena, "expected boolean, got &{%s}", shown(arena, value)));
    }
}

/* --- Objects -----------------------------------------------------------------------------------
 */

static void check_message(struct findings *findings, const struct api_message *table,
                          const struct json_value *value, const char *path);

static void check_items(struct findings *findings, const struct api_field *field,
                        const struct json_value *list, const char *path)
{
    struct apply_shape shape = apply_shape_of_field(field);
    for (size_t i = 0; i < list->count; i++) {
        const char *name = shape.kind == APPLY_KEYED
                               ? apply_item_name(findings->arena, &shape, list->items[i])
                               : NULL;
        if (shape.kind == APPLY_KEYED && name == NULL) {
            continue; /* Said of the list. */
        }
        const char *at = name == NULL ? arena_printf(findings->arena, "%s[%zu]", path, i)
                                      : arena_printf(findings->arena, "%s[%s]", path,
                                                     apply_key_text(findings->arena, name + 2));
        check_message(findings, field->message, list->items[i], at);
    }
}

static void check_entries(struct findings *findings, const struct api_field *field,
                          const struct json_value *map, const char *path)
{
    const struct api_field *value = api_message_field(field->entry, 2);
    for (size_t i = 0; i < map->count; i++) {
        struct slice name = map->members[i].name;
        check_scalar(
            findings, value, map->members[i].value,
            arena_printf(findings->arena, "%s.%.*s", path, (int)name.len, (const char *)name.data));
    }
}

static void check_field(struct findings *findings, const struct api_field *field,
                        const struct json_value *value, const char *path)
{
    if (field->label == API_SINGLE && field->type == API_OBJECT) {
        check_message(findings, field->message, value, path);
    } else if (field->label == API_SINGLE) {
        check_scalar(findings, field, value, path);
    } else if (field->label == API_REPEATED && field->type == API_OBJECT &&
               value->type == JSON_ARRAY) {
        check_items(findings, field, value, path);
    } else if (field->label == API_MAP && value->type == JSON_OBJECT) {
        check_entries(findings, field, value, path);
    }
}

/* Recursion is as deep as the schema, or the value where that has no end. */
static void check_message(struct findings *findings, const struct api_message *table,
                          const struct json_value *value, const char *path)
{
    for (size_t i = 0; value->type == JSON_OBJECT && i < value->count; i++) {
        struct slice name = value->members[i].name;
        const struct api_member *member = api_message_member(table, name);
        const char *at =
            arena_printf(findings->arena, "%s.%.*s", path, (int)name.len, (const char *)name.data);
        bool is_type = slice_is(name, "kind") || slice_is(name, "apiVersion");
        if (member != NULL) {
            check_field(findings, member->field, value->members[i].value, at);
        } else if (!table->type_meta || !is_type) {
            add(findings, at, "field not declared in schema");
        }
    }
}

/* --- Lists -------------------------------------------------------------------------------------
 */

static const char *missing_key(const struct apply_shape *shape, const struct json_value *item)
{
    const char *const *keys = shape->field == NULL ? NULL : shape->field->rules->list_map_keys;
    for (; keys != NULL && *keys != NULL; keys++) {
        if (json_get_text(item, *keys) == NULL) {
            return *keys;
        }
    }
    return NULL;
}

static void check_lists(struct findings *findings, const struct apply_shape *shape,
                        const struct json_value *value, const char *path)
{
    struct arena *arena = findings->arena;
    bool members = shape->kind == APPLY_STRUCT || shape->kind == APPLY_MAP;
    bool items = shape->kind == APPLY_KEYED || shape->kind == APPLY_SET;
    for (size_t i = 0; value->type == JSON_OBJECT && members && i < value->count; i++) {
        struct slice name = value->members[i].name;
        struct apply_shape member = apply_shape_of_member(shape, name);
        check_lists(findings, &member, value->members[i].value,
                    arena_printf(arena, "%s.%.*s", path, (int)name.len, (const char *)name.data));
    }
    for (size_t i = 0; value->type == JSON_ARRAY && items && i < value->count; i++) {
        const struct json_value *item = value->items[i];
        const char *name = apply_item_name(arena, shape, item);
        const char *key = name == NULL ? missing_key(shape, item) : NULL;
        if (name == NULL) {
            add(findings, path,
                arena_printf(arena,
                             "element %zu: associative list with keys has an element that omits "
                             "key field%s%s%s (and doesn't have default value)",
                             i, key == NULL ? "" : " \"", key == NULL ? "" : key,
                             key == NULL ? "" : "\""));
            continue;
        }
        const char *shown_key =
            shape->kind == APPLY_SET ? name + 2 : apply_key_text(arena, name + 2);
        if (apply_item_find(arena, shape, value, name) < i) {
            add(findings, path,
                arena_printf(arena, "duplicate entries for key [%s%s]",
                             shape->kind == APPLY_SET ? "=" : "", shown_key));
        }
        if (shape->kind == APPLY_KEYED) {
            struct apply_shape inner = apply_shape_of_item(shape);
            check_lists(findings, &inner, item, arena_printf(arena, "%s[%s]", path, shown_key));
        }
    }
}

const char *apply_find_undeclared(struct arena *arena, const struct apply_shape *root,
                                  const struct json_value *applied)
{
    struct findings findings = {.arena = arena};
    if (!root->custom && root->message != NULL && root->message->custom == NULL) {
        check_message(&findings, root->message, applied, "");
    }
    check_lists(&findings, root, applied, "");
    return findings.text;
}
