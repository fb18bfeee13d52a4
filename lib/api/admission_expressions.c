#include "lib/api/admission_expressions.h"

#include "lib/api/custom_values.h"
#include "lib/api/declared_type.h"
#include "lib/base/time_text.h"
#include "lib/cel/authorizer.h"

/* --- Types of what every request has -----------------------------------------------------------
 */

static const struct cel_type labels_type = {.kind = CEL_TYPE_MAP,
                                            .items = {&cel_type_string, &cel_type_string}};

DECLARED_TYPE(kind, "kubernetes.GroupVersionKind", {"group", &cel_type_string},
              {"version", &cel_type_string}, {"kind", &cel_type_string});
DECLARED_TYPE(resource, "kubernetes.GroupVersionResource", {"group", &cel_type_string},
              {"version", &cel_type_string}, {"resource", &cel_type_string});
DECLARED_TYPE(request, "kubernetes.AdmissionRequest", {"kind", &kind_type},
              {"resource", &resource_type}, {"subResource", &cel_type_string},
              {"requestKind", &kind_type}, {"requestResource", &resource_type},
              {"requestSubResource", &cel_type_string}, {"name", &cel_type_string},
              {"namespace", &cel_type_string}, {"operation", &cel_type_string},
              {"userInfo", &declared_user_type}, {"dryRun", &cel_type_bool},
              {"options", &cel_type_dyn});
DECLARED_TYPE(spec, "kubernetes.NamespaceSpec", {"finalizers", &declared_texts_type});
DECLARED_TYPE(condition, "kubernetes.NamespaceCondition", {"status", &cel_type_string},
              {"type", &cel_type_string}, {"lastTransitionTime", &cel_type_timestamp},
              {"message", &cel_type_string}, {"reason", &cel_type_string});
static const struct cel_type conditions_type = {.kind = CEL_TYPE_LIST, .items = {&condition_type}};
DECLARED_TYPE(status, "kubernetes.NamespaceStatus", {"conditions", &conditions_type},
              {"phase", &cel_type_string});
DECLARED_TYPE(metadata, "kubernetes.NamespaceMetadata", {"name", &cel_type_string},
              {"generateName", &cel_type_string}, {"namespace", &cel_type_string},
              {"labels", &labels_type}, {"annotations", &labels_type}, {"UID", &cel_type_string},
              {"creationTimestamp", &cel_type_timestamp},
              {"deletionGracePeriodSeconds", &cel_type_int},
              {"deletionTimestamp", &cel_type_timestamp}, {"generation", &cel_type_int},
              {"resourceVersion", &cel_type_string}, {"finalizers", &declared_texts_type});
DECLARED_TYPE(namespace, "kubernetes.Namespace", {"metadata", &metadata_type}, {"spec", &spec_type},
              {"status", &status_type});

/* --- Scopes ------------------------------------------------------------------------------------
 */

struct admission_scope {
    struct arena *arena;
    struct cel_env env, message_env; /* The second has no authorizer. */
    struct cel_variable variables[ADMISSION_VALUES], message_variables[ADMISSION_VALUES];
    struct cel_type variables_type;
    struct declared_members members; /* Of `variables`. */
    size_t member_room;
};

/* No expression can write this name. */
static const struct cel_variable hidden = {"", &cel_type_dyn};

struct admission_scope *admission_scope_new(struct arena *arena,
                                            const struct admission_scope_options *options)
{
    struct admission_scope *scope = arena_zeroed(arena, sizeof(*scope));
    const struct cel_type *object = options->object == NULL ? &cel_type_dyn : options->object;
    const struct cel_type *params = options->params == NULL ? &cel_type_dyn : options->params;
    scope->arena = arena;
    scope->variables_type = (struct cel_type){.kind = CEL_TYPE_OBJECT,
                                              .name = "kubernetes.variables",
                                              .field = declared_member_type,
                                              .data = &scope->members};
    const struct cel_variable variables[ADMISSION_VALUES] = {
        [ADMISSION_OBJECT] = {"object", object},
        [ADMISSION_OLD_OBJECT] = {"oldObject", object},
        [ADMISSION_REQUEST] = {"request", &request_type},
        [ADMISSION_NAMESPACE] = {"namespaceObject", &namespace_type},
        [ADMISSION_AUTHORIZER] = {"authorizer", &cel_type_authorizer},
        [ADMISSION_REQUEST_RESOURCE] = {"authorizer.requestResource", &cel_type_resource_check},
        [ADMISSION_VARIABLES] = {"variables", &scope->variables_type},
        [ADMISSION_PARAMS] = {"params", params},
    };
    memcpy(scope->variables, variables, sizeof(variables));
    if (!options->has_variables) {
        scope->variables[ADMISSION_VARIABLES] = hidden;
    }
    if (!options->has_params) {
        scope->variables[ADMISSION_PARAMS] = hidden;
    }
    memcpy(scope->message_variables, scope->variables, sizeof(scope->variables));
    scope->message_variables[ADMISSION_AUTHORIZER] = hidden;
    scope->message_variables[ADMISSION_REQUEST_RESOURCE] = hidden;
    scope->env = (struct cel_env){options->functions, scope->variables, ADMISSION_VALUES,
                                  options->is_stored};
    scope->message_env = (struct cel_env){options->functions, scope->message_variables,
                                          ADMISSION_VALUES, options->is_stored};
    return scope;
}

void admission_scope_set_stored(struct admission_scope *scope, bool is_stored)
{
    scope->env.is_stored = is_stored;
    scope->message_env.is_stored = is_stored;
}

static const char *declared_name(struct arena *arena, const struct cel_type *type)
{
    const char *name = cel_type_runtime_name(type);
    if (type->items[0] == NULL || type->kind == CEL_TYPE_TYPE) {
        return name;
    }
    const char *first = declared_name(arena, type->items[0]);
    return type->items[1] == NULL ? arena_printf(arena, "%s(%s)", name, first)
                                  : arena_printf(arena, "%s(%s, %s)", name, first,
                                                 declared_name(arena, type->items[1]));
}

static const char *check_result(struct arena *arena, const struct cel_type *type,
                                enum admission_result wanted)
{
    static const char *const words[] = {[ADMISSION_BOOL] = "bool",
                                        [ADMISSION_STRING] = "string",
                                        [ADMISSION_STRING_OR_NULL] = "one of [string null_type]"};
    bool fits = wanted == ADMISSION_ANY ||
                (wanted == ADMISSION_BOOL && type->kind == CEL_TYPE_BOOL) ||
                (wanted != ADMISSION_BOOL && type->kind == CEL_TYPE_STRING) ||
                (wanted == ADMISSION_STRING_OR_NULL && type->kind == CEL_TYPE_NULL);
    return fits ? NULL
                : arena_printf(arena, "must evaluate to %s but got %s", words[wanted],
                               declared_name(arena, type));
}

static const char *compile(struct admission_scope *scope, const struct cel_env *env,
                           const char *text, const struct cel_program **ret_program)
{
    CLEANUP(error_release) struct error error = {0};
    return cel_compile(scope->arena, env, slice_text(text), ret_program, &error) == 0
               ? NULL
               : arena_text(scope->arena, error_message(&error));
}

const char *admission_check(struct admission_scope *scope, const char *text,
                            const struct cel_program **ret_program)
{
    return compile(scope, &scope->env, text, ret_program);
}

const char *admission_compile(struct admission_scope *scope, const char *text,
                              enum admission_result wanted, const struct cel_program **ret_program)
{
    const struct cel_program *program = NULL;
    const struct cel_env *env = wanted == ADMISSION_STRING ? &scope->message_env : &scope->env;
    const char *problem = compile(scope, env, text, &program);
    if (problem != NULL) {
        return arena_printf(scope->arena, "compilation failed: %s", problem);
    }
    problem = check_result(scope->arena, cel_program_type(program), wanted);
    if (problem == NULL) {
        *ret_program = program;
    }
    return problem;
}

/* What is known of a variable by its type: of what has no JSON form, nothing. */
static const struct cel_type *kept_type(struct arena *arena, const struct cel_type *type)
{
    switch (type->kind) {
    case CEL_TYPE_LIST:
        return cel_type_list(arena, kept_type(arena, type->items[0]));
    case CEL_TYPE_MAP:
        return cel_type_map(arena, kept_type(arena, type->items[0]),
                            kept_type(arena, type->items[1]));
    case CEL_TYPE_NULL:
    case CEL_TYPE_BOOL:
    case CEL_TYPE_INT:
    case CEL_TYPE_UINT:
    case CEL_TYPE_DOUBLE:
    case CEL_TYPE_STRING:
    case CEL_TYPE_BYTES:
    case CEL_TYPE_TIMESTAMP:
    case CEL_TYPE_DURATION:
        return type;
    case CEL_TYPE_DYN:
    case CEL_TYPE_ERROR:
    case CEL_TYPE_TYPE:
    case CEL_TYPE_OPTIONAL:
    case CEL_TYPE_WRAPPER:
    case CEL_TYPE_OPAQUE:
    case CEL_TYPE_OBJECT:
    case CEL_TYPE_PARAM:
        break;
    }
    return &cel_type_dyn;
}

void admission_scope_add_variable(struct admission_scope *scope, const char *name,
                                  const struct cel_program *program)
{
    struct declared_members *members = &scope->members;
    struct declared_member *items = arena_array_room(
        scope->arena, (void *)(uintptr_t)members->items, /* Made here: it is not const. */
        members->count, sizeof(*items), &scope->member_room);
    items[members->count++] = (struct declared_member){
        name, program == NULL ? &cel_type_dyn : kept_type(scope->arena, cel_program_type(program))};
    members->items = items;
}

/* --- Values of declared types ------------------------------------------------------------------
 */

/* A part of a tree and its declared type. */
struct typed {
    const struct cel_type *type;
    const struct json_value *tree;
};

static struct cel_value typed_value(struct arena *arena, const struct cel_type *type,
                                    const struct json_value *tree);

static size_t typed_size(const void *data)
{
    const struct typed *typed = data;
    return typed->tree->count;
}

static struct cel_value typed_item(struct arena *arena, const void *data, size_t index)
{
    const struct typed *typed = data;
    return typed_value(arena, typed->type->items[0], typed->tree->items[index]);
}

static const struct cel_type *typed_member(const struct typed *typed, struct slice name)
{
    const struct cel_type *type = typed->type->kind == CEL_TYPE_OBJECT
                                      ? declared_member_type(typed->type, name)
                                      : typed->type->items[1];
    return type == NULL ? &cel_type_dyn : type;
}

static bool typed_find(struct arena *arena, const void *data, const struct cel_value *key,
                       struct cel_value *ret_value)
{
    const struct typed *typed = data;
    const struct json_value *found =
        key->kind == CEL_STRING ? json_get(typed->tree, key->text) : NULL;
    if (found == NULL) {
        return false;
    }
    *ret_value = typed_value(arena, typed_member(typed, key->text), found);
    return true;
}

static void typed_entry(struct arena *arena, const void *data, size_t index,
                        struct cel_value *ret_key, struct cel_value *ret_value)
{
    const struct typed *typed = data;
    const struct json_member *member = &typed->tree->members[index];
    *ret_key = cel_string(member->name);
    *ret_value = typed_value(arena, typed_member(typed, member->name), member->value);
}

static struct cel_value typed_value(struct arena *arena, const struct cel_type *type,
                                    const struct json_value *tree)
{
    static const struct cel_list_view list_view = {.size = typed_size, .item = typed_item};
    static const struct cel_map_view map_view = {
        .size = typed_size, .find = typed_find, .entry = typed_entry};
    int64_t seconds = 0;
    int32_t nanos = 0;
    bool is_list = tree->type == JSON_ARRAY && type->kind == CEL_TYPE_LIST;
    bool is_map =
        tree->type == JSON_OBJECT && (type->kind == CEL_TYPE_OBJECT || type->kind == CEL_TYPE_MAP);
    if (tree->type == JSON_STRING && type->kind == CEL_TYPE_TIMESTAMP &&
        time_parse(tree->text, &seconds, &nanos) == 0) {
        return cel_timestamp(seconds, nanos);
    }
    if (!is_list && !is_map) {
        return custom_value_of(arena, NULL, tree);
    }
    struct typed *typed = arena_alloc(arena, sizeof(*typed));
    *typed = (struct typed){type, tree};
    return is_list ? cel_list(&list_view, typed) : cel_map(&map_view, typed);
}

struct cel_value admission_namespace_value(struct arena *arena, const struct json_value *tree)
{
    return tree == NULL ? cel_null() : typed_value(arena, &namespace_type, tree);
}
