#include "lib/api/custom_rules.h"

#include "lib/base/time_text.h"
#include "lib/cel/cel.h"

enum { OBJECT_COST_MAX = 10000000, RULE_COST_MAX = 1000000 };

struct rule {
    const Apiextensions__V1__ValidationRule *source;
    const struct cel_program *program;
    const struct cel_program *message; /* Of messageExpression; or NULL. */
    bool compares;                     /* Reads oldSelf. */
};

/* The rules at a node of the schema, and those below it: the same tree as the schema's, cut where
 * there are none. */
struct custom_rules {
    const struct structural *schema;
    bool is_resource; /* Has apiVersion, kind and metadata. */
    struct rule *rules;
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

/* --- Names: what CEL cannot write is escaped ---------------------------------------------------
 */

static const char *const reserved[] = {
    "true",     "false",   "null",      "in",       "as",  "break",  "const",
    "continue", "else",    "for",       "function", "if",  "import", "let",
    "loop",     "package", "namespace", "return",   "var", "void",   "while"};

/* The name of the property that an expression calls by `name`. */
static struct slice unescaped(struct arena *arena, struct slice name)
{
    static const struct {
        const char *escape;
        char byte;
    } escapes[] = {{"__dot__", '.'}, {"__dash__", '-'}, {"__slash__", '/'}};
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
        if (slice_is(name, arena_printf(arena, "__%s__", reserved[i]))) {
            return slice_text(reserved[i]);
        }
    }
    char *text = arena_alloc(arena, name.len + 1);
    size_t len = 0;
    for (size_t at = 0; at < name.len;) {
        struct slice rest = slice_of(name.data + at, name.len - at);
        size_t used = 0;
        for (size_t i = 0; used == 0 && i < ARRAY_LEN(escapes); i++) {
            if (slice_starts_with(rest, slice_text(escapes[i].escape))) {
                text[len++] = escapes[i].byte;
                used = strlen(escapes[i].escape);
            }
        }
        if (used == 0 && slice_starts_with(rest, slice_text("__underscores__"))) {
            text[len++] = '_';
            text[len++] = '_';
            used = strlen("__underscores__");
        }
        if (used == 0) {
            text[len++] = (char)name.data[at];
            used = 1;
        }
        at += used;
    }
    text[len] = '\0';
    return slice_of(text, len);
}

/* --- Types -------------------------------------------------------------------------------------
 */

/* A schema as the type of an object: what `cel_type.data` points to. */
struct object_type {
    struct arena *arena;
    const struct structural *schema;
    bool is_resource;
    const struct cel_type *metadata;
    const struct cel_type **properties; /* By the schema's order. */
};

static const struct cel_type *type_of(struct arena *arena, const struct structural *schema,
                                      bool is_resource);

static const struct cel_type *metadata_field(const struct cel_type *type, struct slice name)
{
    (void)type;
    return slice_is(name, "name") || slice_is(name, "generateName") ? &cel_type_string : NULL;
}

static const struct cel_type *object_field(const struct cel_type *type, struct slice name)
{
    const struct object_type *object = type->data;
    CLEANUP(arena_freep) struct arena *scratch = arena_new(SIZE_MAX);
    struct slice property = unescaped(scratch, name);
    if (object->is_resource && slice_is(property, "metadata")) {
        return object->metadata;
    }
    if (object->is_resource && (slice_is(property, "apiVersion") || slice_is(property, "kind"))) {
        return &cel_type_string;
    }
    for (size_t i = 0; i < object->schema->property_count; i++) {
        if (slice_equal(object->schema->properties[i].name, property)) {
            return object->properties[i];
        }
    }
    return NULL;
}

static struct cel_type *named_type(struct arena *arena, const char *name)
{
    struct cel_type *type = arena_zeroed(arena, sizeof(*type));
    type->kind = CEL_TYPE_OBJECT;
    type->name = name;
    type->size_max = CEL_SIZE_UNKNOWN;
    return type;
}

static const struct cel_type *object_type(struct arena *arena, const struct structural *schema,
                                          bool is_resource)
{
    struct object_type *object = arena_zeroed(arena, sizeof(*object));
    struct cel_type *metadata = named_type(arena, "ObjectMeta");
    struct cel_type *type = named_type(arena, "object");
    metadata->field = metadata_field;
    *object = (struct object_type){
        .arena = arena, .schema = schema, .is_resource = is_resource, .metadata = metadata};
    object->properties =
        arena_array(arena, schema->property_count + 1, sizeof(*object->properties));
    for (size_t i = 0; i < schema->property_count; i++) {
        const struct structural *property = schema->properties[i].schema;
        object->properties[i] = type_of(arena, property, property->embedded_resource);
    }
    type->field = object_field;
    type->data = object;
    return type;
}

static const struct cel_type *sized(struct arena *arena, const struct cel_type *type, bool has_max,
                                    int64_t max)
{
    struct cel_type *copy = arena_alloc(arena, sizeof(*copy));
    *copy = *type;
    copy->size_max = has_max && max >= 0 ? (uint64_t)max : CEL_SIZE_UNKNOWN;
    return copy;
}

static const struct cel_type *string_type(struct arena *arena, const struct structural *schema)
{
    const char *format = text_or_empty(schema->source->format);
    if (strcmp(format, "date-time") == 0 || strcmp(format, "date") == 0) {
        return &cel_type_timestamp;
    }
    if (strcmp(format, "duration") == 0) {
        return &cel_type_duration;
    }
    return sized(arena, &cel_type_string, schema->source->has_max_length,
                 schema->source->max_length);
}

static const struct cel_type *type_of(struct arena *arena, const struct structural *schema,
                                      bool is_resource)
{
    const Apiextensions__V1__JSONSchemaProps *source = schema->source;
    switch (schema->type) {
    case STRUCTURAL_OBJECT:
        if (schema->additional != NULL) {
            return sized(
                arena,
                cel_type_map(arena, &cel_type_string, type_of(arena, schema->additional, false)),
                source->has_max_properties, source->max_properties);
        }
        return object_type(arena, schema, is_resource);
    case STRUCTURAL_ARRAY:
        return schema->items == NULL
                   ? &cel_type_dyn
                   : sized(arena,
                           cel_type_list(arena, type_of(arena, schema->items,
                                                        schema->items->embedded_resource)),
                           source->has_max_items, source->max_items);
    case STRUCTURAL_STRING:
        return string_type(arena, schema);
    case STRUCTURAL_INTEGER:
        return &cel_type_int;
    case STRUCTURAL_NUMBER:
        return &cel_type_double;
    case STRUCTURAL_BOOLEAN:
        return &cel_type_bool;
    case STRUCTURAL_ANY:
    case STRUCTURAL_UNKNOWN:
        break;
    }
    return &cel_type_dyn;
}

/* --- Values ------------------------------------------------------------------------------------
 */

struct node {
    const struct structural *schema; /* NULL: nobody knows. */
    const struct json_value *value;
};

static struct cel_value value_of(struct arena *arena, const struct structural *schema,
                                 const struct json_value *value);

static size_t node_size(const void *data)
{
    const struct node *node = data;
    return node->value->count;
}

static struct cel_value list_item(struct arena *arena, const void *data, size_t index)
{
    const struct node *node = data;
    return value_of(arena, node->schema == NULL ? NULL : node->schema->items,
                    node->value->items[index]);
}

static const struct structural *member_schema(const struct node *node, struct slice name)
{
    return node->schema == NULL ? NULL : structural_member(node->schema, name);
}

static bool map_find(struct arena *arena, const void *data, const struct cel_value *key,
                     struct cel_value *ret_value)
{
    const struct node *node = data;
    if (key->kind != CEL_STRING) {
        return false;
    }
    bool is_map = node->schema != NULL && node->schema->additional != NULL;
    struct slice name = is_map ? key->text : unescaped(arena, key->text);
    const struct json_value *value = json_get(node->value, name);
    if (value == NULL) {
        return false;
    }
    *ret_value = value_of(arena, member_schema(node, name), value);
    return true;
}

static void map_entry(struct arena *arena, const void *data, size_t index,
                      struct cel_value *ret_key, struct cel_value *ret_value)
{
    const struct node *node = data;
    const struct json_member *member = &node->value->members[index];
    *ret_key = cel_string(member->name);
    *ret_value = value_of(arena, member_schema(node, member->name), member->value);
}

static const struct cel_list_view list_view = {.size = node_size, .item = list_item};
static const struct cel_map_view map_view = {
    .size = node_size, .find = map_find, .entry = map_entry};

static struct cel_value text_value(struct arena *arena, const struct structural *schema,
                                   struct slice text)
{
    const char *format = schema == NULL ? "" : text_or_empty(schema->source->format);
    int64_t seconds = 0, duration = 0;
    int32_t nanos = 0;
    struct slice whole = text;
    if (strcmp(format, "date") == 0) {
        whole = slice_text(arena_printf(arena, "%sT00:00:00Z", (const char *)text.data));
    }
    if ((strcmp(format, "date") == 0 || strcmp(format, "date-time") == 0) &&
        time_parse(whole, &seconds, &nanos) == 0) {
        return cel_timestamp(seconds, nanos);
    }
    if (strcmp(format, "duration") == 0 && duration_parse(text, &duration) == 0) {
        return cel_duration(duration);
    }
    return cel_string(text);
}

static struct cel_value number_value(const struct structural *schema,
                                     const struct json_value *value)
{
    int64_t integer = 0;
    double number = 0;
    bool real = schema != NULL && schema->type == STRUCTURAL_NUMBER;
    if (!real && json_int64(value, &integer) == 0) {
        return cel_int(integer);
    }
    return json_double(value, &number) == 0 ? cel_double(number)
                                            : cel_error("the number is out of range");
}

static struct cel_value value_of(struct arena *arena, const struct structural *schema,
                                 const struct json_value *value)
{
    struct node *node = NULL;
    switch (value->type) {
    case JSON_NULL:
        return cel_null();
    case JSON_BOOL:
        return cel_bool(value->boolean);
    case JSON_NUMBER:
        return number_value(schema, value);
    case JSON_STRING:
        return text_value(arena, schema, value->text);
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    node = arena_alloc(arena, sizeof(*node));
    *node = (struct node){schema, value};
    return value->type == JSON_ARRAY ? cel_list(&list_view, node) : cel_map(&map_view, node);
}

/* --- Compiling ---------------------------------------------------------------------------------
 */

static void compile_rule(struct arena *arena, const struct cel_env *env, struct rule *rule)
{
    const Apiextensions__V1__ValidationRule *source = rule->source;
    if (cel_compile(arena, env, slice_text(text_or_empty(source->rule)), &rule->program, NULL) <
        0) {
        rule->program = NULL;
        return;
    }
    rule->compares = cel_program_uses(rule->program, "oldSelf");
    const char *message = text_or_empty(source->message_expression);
    if (message[0] != '\0' &&
        cel_compile(arena, env, slice_text(message), &rule->message, NULL) < 0) {
        rule->message = NULL;
    }
}

static void compile_rules(struct arena *arena, struct custom_rules *rules,
                          const struct cel_functions *functions)
{
    const Apiextensions__V1__JSONSchemaProps *source = rules->schema->source;
    size_t count = source->n_x_kubernetes_validations;
    if (count == 0) {
        return;
    }
    const struct cel_type *type = type_of(arena, rules->schema, rules->is_resource);
    rules->rules = arena_array(arena, count, sizeof(*rules->rules));
    rules->rule_count = count;
    for (size_t i = 0; i < count; i++) {
        struct rule *rule = &rules->rules[i];
        rule->source = source->x_kubernetes_validations[i];
        struct cel_variable *variables = arena_array(arena, 2, sizeof(*variables));
        struct cel_env *env = arena_alloc(arena, sizeof(*env));
        variables[0] = (struct cel_variable){"self", type};
        variables[1] = (struct cel_variable){
            "oldSelf", rule->source->optional_old_self ? cel_type_optional(arena, type) : type};
        *env = (struct cel_env){functions, variables, 2};
        compile_rule(arena, env, rule);
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
    rules->additional = compile(arena, schema->additional, functions, false);
    rules->items = compile(arena, schema->items, functions,
                           schema->items != NULL && schema->items->embedded_resource);
    compile_rules(arena, rules, functions);
    return rules;
}

const struct custom_rules *custom_rules_new(struct arena *arena, const struct structural *root,
                                            const struct cel_functions *functions)
{
    return compile(arena, root, functions, /* is_resource= */ true);
}

/* --- Running -----------------------------------------------------------------------------------
 */

struct run {
    struct api_causes *causes;
    struct arena *arena;
    uint64_t left; /* Of the object's budget. */
    bool over;
};

static const char *type_word(const struct json_value *value, const struct structural *schema)
{
    return value->type == JSON_NUMBER && schema->type == STRUCTURAL_INTEGER ? "integer"
           : value->type == JSON_BOOL                                       ? "boolean"
                                      : json_type_name(value->type);
}

static const char *message_of(struct run *run, const struct rule *rule,
                              const struct cel_value *values)
{
    if (rule->message != NULL) {
        struct cel_result result =
            cel_evaluate(rule->message, run->arena, values,
                         run->left < RULE_COST_MAX ? run->left : RULE_COST_MAX);
        run->left -= result.cost < run->left ? result.cost : run->left;
        if (result.value.kind == CEL_STRING && result.value.text.len > 0) {
            return arena_text_n(run->arena, (const char *)result.value.text.data,
                                result.value.text.len);
        }
    }
    const char *message = text_or_empty(rule->source->message);
    return message[0] != '\0'
               ? message
               : arena_printf(run->arena, "failed rule: %s", text_or_empty(rule->source->rule));
}

/* A cause at the node, or at the rule's fieldPath below it. */
static void blame(struct run *run, const struct api_path *at, const struct rule *rule,
                  const char *word, const char *detail)
{
    const char *path = at == NULL ? "" : api_path_text(run->arena, at);
    const char *below = text_or_empty(rule->source->field_path);
    const char *reason = text_or_empty(rule->source->reason);
    if (path[0] == '\0' && below[0] == '.') {
        below++;
    }
    path = arena_printf(run->arena, "%s%s", path, below);
    const char *message = arena_printf(run->arena, "Invalid value: \"%s\": %s", word, detail);
    if (strcmp(reason, "FieldValueForbidden") == 0) {
        message = arena_printf(run->arena, "Forbidden: %s", detail);
    } else if (strcmp(reason, "FieldValueRequired") == 0) {
        message = arena_printf(run->arena, "Required value: %s", detail);
    } else if (strcmp(reason, "FieldValueDuplicate") == 0) {
        message = arena_printf(run->arena, "Duplicate value: \"%s\"", word);
    }
    api_cause_add(run->causes, reason[0] == '\0' ? "FieldValueInvalid" : reason, message,
                  path[0] == '\0' ? "<nil>" : path);
}

static void run_rule(struct run *run, const struct api_path *at, const struct custom_rules *rules,
                     const struct rule *rule, const struct json_value *value,
                     const struct json_value *old)
{
    bool optional = rule->source->optional_old_self;
    struct cel_value values[2] = {value_of(run->arena, rules->schema, value), cel_null()};
    if (rule->program == NULL) {
        blame(run, at, rule, type_word(value, rules->schema), "rule compile error");
        return;
    }
    if (rule->compares && old == NULL && !optional) {
        return;
    }
    if (old != NULL && !rule->compares && json_equal(value, old)) {
        return; /* What did not change is not blamed on this writer. */
    }
    if (old != NULL) {
        values[1] = value_of(run->arena, rules->schema, old);
    }
    if (optional) {
        values[1] = old == NULL ? cel_none() : cel_some(run->arena, values[1]);
    }
    struct cel_result result = cel_evaluate(rule->program, run->arena, values,
                                            run->left < RULE_COST_MAX ? run->left : RULE_COST_MAX);
    run->left -= result.cost < run->left ? result.cost : run->left;
    const char *word = type_word(value, rules->schema);
    if (result.over_limit) {
        run->over = run->left == 0;
        blame(run, at, rule, word,
              "validation failed due to running out of cost budget, no further validation rules "
              "will be run");
        run->over = true;
    } else if (cel_is_error(&result.value)) {
        blame(run, at, rule, word,
              arena_printf(run->arena, "%s evaluating rule: %s", result.value.error,
                           text_or_empty(rule->source->rule)));
    } else if (!cel_is_true(&result.value)) {
        blame(run, at, rule, word, message_of(run, rule, values));
    }
}

static void check(struct run *run, const struct api_path *at, const struct custom_rules *rules,
                  const struct json_value *value, const struct json_value *old);

static void check_members(struct run *run, const struct api_path *at,
                          const struct custom_rules *rules, const struct json_value *value,
                          const struct json_value *old)
{
    const struct structural *schema = rules->schema;
    bool known = old != NULL && old->type == JSON_OBJECT && !schema->map_atomic;
    for (size_t i = 0; i < schema->property_count; i++) {
        struct slice name = schema->properties[i].name;
        const struct json_value *member = json_get(value, name);
        struct api_path path = api_path_field(at, (const char *)name.data);
        if (rules->properties[i] != NULL && member != NULL) {
            check(run, &path, rules->properties[i], member, known ? json_get(old, name) : NULL);
        }
    }
    for (size_t i = 0; rules->additional != NULL && i < value->count; i++) {
        const struct json_member *member = &value->members[i];
        struct api_path path = api_path_key(at, (const char *)member->name.data);
        check(run, &path, rules->additional, member->value,
              known ? json_get(old, member->name) : NULL);
    }
}

static void check(struct run *run, const struct api_path *at, const struct custom_rules *rules,
                  const struct json_value *value, const struct json_value *old)
{
    if (value->type == JSON_NULL) {
        return;
    }
    for (size_t i = 0; !run->over && i < rules->rule_count; i++) {
        run_rule(run, at, rules, &rules->rules[i], value, old);
    }
    if (value->type == JSON_OBJECT) {
        check_members(run, at, rules, value, old);
    }
    for (size_t i = 0;
         rules->items != NULL && value->type == JSON_ARRAY && !run->over && i < value->count; i++) {
        struct api_path path = api_path_index(at, i);
        check(run, &path, rules->items, value->items[i],
              structural_old_item(rules->schema, value->items[i], old));
    }
}

void custom_rules_check(struct api_causes *causes, const struct custom_rules *rules,
                        const struct json_value *object, const struct json_value *old)
{
    struct run run = {.causes = causes, .arena = causes->arena, .left = OBJECT_COST_MAX};
    check(&run, NULL, rules, object, old);
}
