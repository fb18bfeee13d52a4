#include "lib/api/custom_rules.h"

#include "lib/api/custom_field_path.h"
#include "lib/api/custom_types.h"
#include "lib/api/custom_values.h"
#include "lib/cel/cel.h"

enum { RULE_COST_MAX = 1000000, MESSAGE_MAX = 5 * 1024 };

/* The rules at a node of the schema, and those below it: the same tree as the schema's, cut where
 * there are none. */
struct custom_rules {
    const struct structural *schema;
    bool is_resource; /* Has apiVersion, kind and metadata. */
    struct custom_rule *rules;
    size_t rule_count;
    const struct custom_rules **properties; /* By the schema's order; NULL where there are none. */
    const struct custom_rules *additional, *items;
};

bool custom_rules_are_there(const struct structural *root)
{
    if (root == NULL) {
        return false;
    }
    bool found = root->source->n_x_kubernetes_validations > 0 ||
                 custom_rules_are_there(root->additional) || custom_rules_are_there(root->items);
    for (size_t i = 0; !found && i < root->property_count; i++) {
        found = custom_rules_are_there(root->properties[i].schema);
    }
    return found;
}

/* --- Compiling ---------------------------------------------------------------------------------
 */

static void compile_message(struct arena *arena, const struct cel_env *env,
                            struct custom_rule *rule)
{
    CLEANUP(error_release) struct error error = {0};
    const char *text = text_or_empty(rule->source->message_expression);
    if (text[0] == '\0') {
        return;
    }
    if (cel_compile(arena, env, slice_text(text), &rule->message, &error) < 0) {
        rule->message = NULL;
        rule->message_problem =
            arena_printf(arena, "messageExpression compilation failed: %s", error_message(&error));
    } else if (cel_program_type(rule->message)->kind != CEL_TYPE_STRING) {
        rule->message = NULL;
        rule->message_problem = "messageExpression must evaluate to a string";
    }
}

struct custom_rule custom_rule_compile(struct arena *arena, const struct custom_rule_scope *scope,
                                       const Apiextensions__V1__ValidationRule *source,
                                       struct custom_rule_age age)
{
    CLEANUP(error_release) struct error error = {0};
    struct custom_rule rule = {.source = source, .field = ""};
    const char *text = text_or_empty(source->rule);
    if (slice_trimmed(slice_text(text)).len == 0) {
        return rule;
    }
    struct cel_variable *variables = arena_array(arena, 2, sizeof(*variables));
    struct cel_env *envs = arena_array(arena, 2, sizeof(*envs)); /* Of the rule and its message. */
    variables[0] = (struct cel_variable){"self", scope->type};
    variables[1] = (struct cel_variable){
        "oldSelf", source->optional_old_self ? cel_type_optional(arena, scope->type) : scope->type};
    envs[0] = (struct cel_env){scope->functions, variables, 2, age.rule_is_stored};
    envs[1] = (struct cel_env){scope->functions, variables, 2, age.message_is_stored};
    if (cel_compile(arena, &envs[0], slice_text(text), &rule.program, &error) < 0) {
        rule.program = NULL;
        rule.problem = arena_printf(arena, "compilation failed: %s", error_message(&error));
        return rule;
    }
    if (cel_program_type(rule.program)->kind != CEL_TYPE_BOOL) {
        rule.program = NULL;
        rule.problem = "cel expression must evaluate to a bool";
        return rule;
    }
    rule.compares = cel_program_uses(rule.program, "oldSelf");
    compile_message(arena, &envs[1], &rule);
    if (custom_field_path(arena, scope->schema, text_or_empty(source->field_path), &rule.field) <
        0) {
        rule.field = "";
    }
    return rule;
}

static void compile_rules(struct arena *arena, struct custom_rules *rules,
                          const struct cel_functions *functions)
{
    const Apiextensions__V1__JSONSchemaProps *source = rules->schema->source;
    size_t count = source->n_x_kubernetes_validations;
    if (count == 0) {
        return;
    }
    static const struct custom_rule_age stored = {true, true};
    const struct cel_type *type = custom_type(arena, rules->schema, rules->is_resource, "selfType");
    struct custom_rule_scope scope = {rules->schema, type == NULL ? &cel_type_dyn : type,
                                      functions};
    rules->rules = arena_array(arena, count, sizeof(*rules->rules));
    rules->rule_count = count;
    for (size_t i = 0; i < count; i++) {
        rules->rules[i] =
            custom_rule_compile(arena, &scope, source->x_kubernetes_validations[i], stored);
    }
}

static const struct custom_rules *compile(struct arena *arena, const struct structural *schema,
                                          const struct cel_functions *functions, bool is_resource)
{
    if (schema == NULL || !custom_rules_are_there(schema)) {
        return NULL;
    }
    struct custom_rules *rules = arena_zeroed(arena, sizeof(*rules));
    rules->schema = schema;
    rules->is_resource = is_resource;
    rules->properties = arena_array(arena, schema->property_count + 1, sizeof(*rules->properties));
    for (size_t i = 0; i < schema->property_count; i++) {
        const struct structural *property = schema->properties[i].schema;
        rules->properties[i] = compile(arena, property, functions, property->embedded_resource);
    }
    rules->additional =
        compile(arena, schema->additional, functions,
                schema->additional != NULL && schema->additional->embedded_resource);
    rules->items = compile(arena, schema->items, functions,
                           schema->items != NULL && schema->items->embedded_resource);
    compile_rules(arena, rules, functions);
    return rules;
}

const struct custom_rules *custom_rules_new(struct arena *arena, const struct structural *root,
                                            bool is_resource, const struct cel_functions *functions)
{
    return compile(arena, root, functions, is_resource);
}

/* --- Running -----------------------------------------------------------------------------------
 */

struct run {
    struct api_causes *causes;
    struct arena *arena;
    uint64_t left; /* Of the object's budget. */
    bool over;
    bool excuses_nothing; /* Of what did not change. */
};

/* A rule at a value. */
struct place {
    const struct api_path *at;
    const struct custom_rule *rule;
    const char *word; /* The type of the value, as messages show it. */
};

static const char *type_word(const struct structural *schema, const struct json_value *value)
{
    const char *type = text_or_empty(schema->source->type);
    return type[0] != '\0' ? type : schema->int_or_string ? "" : json_type_name(value->type);
}

static const char *trimmed(struct arena *arena, struct slice text)
{
    struct slice words = slice_trimmed(text);
    return arena_text_n(arena, (const char *)words.data, words.len);
}

/* What tells rules apart in messages: their message, or else their text. */
static const char *rule_words(struct run *run, const Apiextensions__V1__ValidationRule *rule)
{
    const char *text = text_or_empty(rule->message);
    text = text[0] == '\0' ? text_or_empty(rule->rule) : text;
    return trimmed(run->arena, slice_text(text));
}

static const char *default_message(struct run *run, const Apiextensions__V1__ValidationRule *rule)
{
    const char *words = rule_words(run, rule);
    return text_or_empty(rule->message)[0] != '\0'
               ? words
               : arena_printf(run->arena, "failed rule: %s", words);
}

static void invalid(struct run *run, const struct place *place, const char *detail)
{
    const char *path = place->at == NULL ? "<nil>" : api_path_text(run->arena, place->at);
    api_cause_add(run->causes, "FieldValueInvalid",
                  arena_printf(run->arena, "Invalid value: \"%s\": %s", place->word, detail), path);
}

/* The rule does not hold: a cause at the value, or at the rule's fieldPath below it. */
static void blame(struct run *run, const struct place *place, const char *detail)
{
    const char *reason = text_or_empty(place->rule->source->reason), *below = place->rule->field;
    const char *path = place->at == NULL ? "" : api_path_text(run->arena, place->at);
    const char *message =
        arena_printf(run->arena, "Invalid value: \"%s\": %s", place->word, detail);
    path = arena_printf(run->arena, "%s%s%s", path, path[0] == '\0' || below[0] == '\0' ? "" : ".",
                        below);
    if (strcmp(reason, "FieldValueForbidden") == 0) {
        message = arena_printf(run->arena, "Forbidden: %s", detail);
    } else if (strcmp(reason, "FieldValueRequired") == 0) {
        message = arena_printf(run->arena, "Required value: %s", detail);
    } else if (strcmp(reason, "FieldValueDuplicate") == 0) {
        message = arena_printf(run->arena, "Duplicate value: \"%s\"", place->word);
    }
    api_cause_add(run->causes, reason[0] == '\0' ? "FieldValueInvalid" : reason, message,
                  path[0] == '\0' ? "<nil>" : path);
}

/* Evaluates under what is left of the budget; false when nothing of it is left after that. */
static bool spend(struct run *run, const struct cel_program *program,
                  const struct cel_value *values, struct cel_result *ret_result)
{
    *ret_result = cel_evaluate(program, run->arena, values, RULE_COST_MAX);
    if (ret_result->cost > run->left) {
        run->left = 0;
        run->over = true;
        return false;
    }
    run->left -= ret_result->cost;
    run->over = ret_result->over_limit;
    return true;
}

static bool is_good_message(const struct cel_value *value, const char *text)
{
    return value->text.len <= MESSAGE_MAX && text[0] != '\0' && strpbrk(text, "\n\r") == NULL &&
           strlen(text) <= value->text.len;
}

static void blame_with_message(struct run *run, const struct place *place,
                               const struct cel_value *values)
{
    const Apiextensions__V1__ValidationRule *source = place->rule->source;
    struct cel_result result = {.over_limit = false};
    const char *text = default_message(run, source);
    if (place->rule->message == NULL) {
        blame(run, place, text);
        return;
    }
    if (!spend(run, place->rule->message, values, &result)) {
        invalid(run, place,
                "messageExpression evaluation failed due to running out of cost budget, no "
                "further validation rules will be run");
        return;
    }
    if (result.over_limit) {
        invalid(run, place,
                arena_printf(run->arena,
                             "no further validation rules will be run due to call cost exceeds "
                             "limit for messageExpression: \"%s\"",
                             source->message_expression));
        return;
    }
    if (result.value.kind == CEL_STRING) {
        const char *made = trimmed(run->arena, result.value.text);
        text = is_good_message(&result.value, made) ? made : text;
    }
    blame(run, place, text);
}

static void tell_error(struct run *run, const struct place *place, const char *error)
{
    static const char no_overload[] = "no such overload";
    const char *words = rule_words(run, place->rule->source);
    if (strncmp(error, no_overload, sizeof(no_overload) - 1) == 0) {
        invalid(run, place,
                arena_printf(run->arena,
                             "'%s': call arguments did not match a supported operator, function "
                             "or macro signature for rule: %s",
                             error, words));
        return;
    }
    invalid(run, place, arena_printf(run->arena, "%s evaluating rule: %s", error, words));
}

/* A value and what it was; `old` is NULL when there is nothing to compare it with. */
struct pair {
    const struct json_value *value, *old;
};

/* What did not change is not blamed on this writer, who is warned. `nearest` is the value of the
 * rule or the nearest one around it that can be compared with an old one. */
static bool is_excused(const struct custom_rule *rule, const struct pair *nearest)
{
    return !rule->compares && nearest->old != NULL && json_equal(nearest->value, nearest->old);
}

static void evaluate(struct run *run, const struct place *place, const struct cel_value *values,
                     const struct pair *nearest)
{
    struct cel_result result;
    if (!spend(run, place->rule->program, values, &result)) {
        invalid(run, place,
                "validation failed due to running out of cost budget, no further validation rules "
                "will be run");
    } else if (result.over_limit) {
        invalid(run, place,
                arena_printf(run->arena,
                             "'%s': no further validation rules will be run due to call cost "
                             "exceeds limit for rule: %s",
                             result.value.error, rule_words(run, place->rule->source)));
    } else if (cel_is_error(&result.value)) {
        tell_error(run, place, result.value.error);
    } else if (!cel_is_true(&result.value) &&
               (run->excuses_nothing || !is_excused(place->rule, nearest))) {
        blame_with_message(run, place, values);
    } else if (!cel_is_true(&result.value) && run->causes->warnings != NULL) {
        struct api_causes *causes = run->causes;
        run->causes = causes->warnings;
        blame_with_message(run, place, values);
        run->causes = causes;
    }
}

static void run_rule(struct run *run, const struct place *place, const struct structural *schema,
                     struct pair pair, const struct pair *nearest)
{
    const struct custom_rule *rule = place->rule;
    bool optional = rule->source->optional_old_self;
    struct cel_value values[2] = {custom_value_of(run->arena, schema, pair.value), cel_null()};
    if (rule->problem != NULL) {
        invalid(run, place, arena_printf(run->arena, "rule compile error: %s", rule->problem));
        return;
    }
    if (rule->program == NULL || (rule->compares && pair.old == NULL && !optional)) {
        return;
    }
    if (pair.old != NULL) {
        values[1] = custom_value_of(run->arena, schema, pair.old);
    }
    if (optional) {
        values[1] = pair.old == NULL ? cel_none() : cel_some(run->arena, values[1]);
    }
    evaluate(run, place, values, nearest);
}

static void check(struct run *run, const struct api_path *at, const struct custom_rules *rules,
                  struct pair pair, const struct pair *around);

static void check_members(struct run *run, const struct api_path *at,
                          const struct custom_rules *rules, struct pair pair,
                          const struct pair *nearest)
{
    const struct structural *schema = rules->schema;
    bool known = pair.old != NULL && pair.old->type == JSON_OBJECT && !schema->map_atomic;
    for (size_t i = 0; i < schema->property_count; i++) {
        struct slice name = schema->properties[i].name;
        struct pair member = {json_get(pair.value, name), known ? json_get(pair.old, name) : NULL};
        struct api_path path = api_path_field(at, (const char *)name.data);
        if (rules->properties[i] != NULL && member.value != NULL) {
            check(run, &path, rules->properties[i], member, nearest);
        }
    }
    for (size_t i = 0; rules->additional != NULL && i < pair.value->count; i++) {
        const struct json_member *entry = &pair.value->members[i];
        struct api_path path = api_path_key(at, (const char *)entry->name.data);
        struct pair member = {entry->value, known ? json_get(pair.old, entry->name) : NULL};
        check(run, &path, rules->additional, member, nearest);
    }
}

static void check(struct run *run, const struct api_path *at, const struct custom_rules *rules,
                  struct pair pair, const struct pair *around)
{
    if (pair.value->type == JSON_NULL || run->over) {
        return;
    }
    pair.old = pair.old != NULL && pair.old->type == JSON_NULL ? NULL : pair.old;
    const struct pair *nearest = pair.old == NULL ? around : &pair;
    for (size_t i = 0; !run->over && i < rules->rule_count; i++) {
        struct place place = {at, &rules->rules[i], type_word(rules->schema, pair.value)};
        run_rule(run, &place, rules->schema, pair, nearest);
    }
    if (pair.value->type == JSON_OBJECT) {
        check_members(run, at, rules, pair, nearest);
    }
    if (rules->items == NULL || pair.value->type != JSON_ARRAY) {
        return;
    }
    struct structural_items before = structural_items_of(run->arena, rules->schema, pair.old);
    for (size_t i = 0; i < pair.value->count; i++) {
        struct api_path path = api_path_index(at, i);
        struct pair item = {pair.value->items[i],
                            structural_items_find(&before, pair.value->items[i])};
        check(run, &path, rules->items, item, nearest);
    }
}

void custom_rules_check(struct api_causes *causes, const struct custom_rules *rules,
                        const struct json_value *object, const struct json_value *old)
{
    static const struct pair nothing = {NULL, NULL};
    struct run run = {.causes = causes, .arena = causes->arena, .left = CUSTOM_RULES_COST_MAX};
    check(&run, NULL, rules, (struct pair){object, old}, &nothing);
}

void custom_rules_check_default(struct api_causes *causes, const struct api_path *at,
                                const struct custom_rules *rules, const struct json_value *value,
                                uint64_t *left)
{
    static const struct pair nothing = {NULL, NULL};
    struct run run = {
        .causes = causes, .arena = causes->arena, .left = *left, .excuses_nothing = true};
    if (*left > 0) {
        check(&run, at, rules, (struct pair){value, value}, &nothing);
    }
    *left = run.left;
}
