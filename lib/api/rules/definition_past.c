#include "lib/api/rules/definition_past.h"

#include "lib/api/limits.h"
#include "lib/api/rules/check_defaults.h"
#include "lib/api/rules/rules.h"
#include "lib/base/hash_map.h"
#include "lib/base/name_index.h"

typedef Apiextensions__V1__JSONSchemaProps props;

static void note_expressions(struct definition_past *past, const props *schema)
{
    for (size_t i = 0; i < schema->n_x_kubernetes_validations; i++) {
        Apiextensions__V1__ValidationRule *rule = schema->x_kubernetes_validations[i];
        (void)hash_map_set(past->rules, slice_text(text_or_empty(rule->rule)), rule);
        (void)hash_map_set(past->messages, slice_text(text_or_empty(rule->message_expression)),
                           rule);
    }
}

static bool is_open_set(const props *list, const props *item)
{
    const char *type = text_or_empty(item->x_kubernetes_list_type);
    return rules_is(list->x_kubernetes_list_type, "set") &&
           ((rules_is(item->type, "array") && type[0] != '\0' && strcmp(type, "atomic") != 0) ||
            (rules_is(item->type, "object") && !rules_is(item->x_kubernetes_map_type, "atomic")));
}

static bool has_loose_keys(const props *list, const props *item)
{
    bool is_map = rules_is(list->x_kubernetes_list_type, "map");
    bool loose = item->nullable && (is_map || rules_is(list->x_kubernetes_list_type, "set"));
    if (!is_map || loose) {
        return loose;
    }
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct text_set keys = {.arena = arena}, required = {.arena = arena};
    for (size_t i = 0; i < list->n_x_kubernetes_list_map_keys; i++) {
        (void)text_set_add(&keys, text_or_empty(list->x_kubernetes_list_map_keys[i]));
    }
    for (size_t i = 0; i < item->n_required; i++) {
        (void)text_set_add(&required, text_or_empty(item->required[i]));
    }
    for (size_t i = 0; !loose && i < item->n_properties; i++) {
        const char *name = text_or_empty(item->properties[i]->key);
        const props *key = item->properties[i]->value;
        loose = text_set_has(&keys, name) &&
                (key->nullable || (key->default_ == NULL && !text_set_has(&required, name)));
    }
    return loose;
}

static void note(struct definition_past *past, const props *schema, unsigned depth);

static void note_each(struct definition_past *past, props *const *schemas, size_t count,
                      unsigned depth)
{
    for (size_t i = 0; i < count; i++) {
        note(past, schemas[i], depth);
    }
}

static void note(struct definition_past *past, const props *schema, unsigned depth)
{
    if (schema == NULL || depth > API_SCHEMA_DEPTH_MAX) {
        return;
    }
    const props *item = schema->items == NULL ? NULL : schema->items->schema;
    note_expressions(past, schema);
    if (item != NULL) {
        past->had_open_sets = past->had_open_sets || is_open_set(schema, item);
        past->had_loose_keys = past->had_loose_keys || has_loose_keys(schema, item);
    }
    note(past, item, depth + 1);
    for (size_t i = 0; i < schema->n_properties; i++) {
        note(past, schema->properties[i]->value, depth + 1);
    }
    if (schema->additional_properties != NULL) {
        note(past, schema->additional_properties->schema, depth + 1);
    }
    note_each(past, schema->all_of, schema->n_all_of, depth + 1);
    note_each(past, schema->any_of, schema->n_any_of, depth + 1);
    note_each(past, schema->one_of, schema->n_one_of, depth + 1);
    note(past, schema->not_, depth + 1);
}

void definition_past_init(struct definition_past *past,
                          const Apiextensions__V1__CustomResourceDefinition *before)
{
    *past = (struct definition_past){.rules = NULL};
    if (before == NULL) {
        return;
    }
    past->rules = hash_map_new(0);
    past->messages = hash_map_new(0);
    for (size_t i = 0; i < before->spec->n_versions; i++) {
        const Apiextensions__V1__CustomResourceValidation *schema =
            before->spec->versions[i]->schema;
        if (schema != NULL && schema->open_apiv3_schema != NULL) {
            note(past, schema->open_apiv3_schema, 0);
            past->had_unknown_defaults =
                past->had_unknown_defaults || rules_has_unknown_defaults(schema->open_apiv3_schema);
        }
    }
}

void definition_past_release(struct definition_past *past)
{
    hash_map_free(past->rules);
    hash_map_free(past->messages);
}

bool definition_past_has_rule(const struct definition_past *past, const char *rule)
{
    return past->rules != NULL && hash_map_get(past->rules, slice_text(rule)) != NULL;
}

bool definition_past_has_message(const struct definition_past *past, const char *expression)
{
    return past->messages != NULL && hash_map_get(past->messages, slice_text(expression)) != NULL;
}
