/* The type checker: finds what each name stands for, which overloads fit, and the type of each
 * node. A problem gives a node the error type, which fits everywhere, so that one mistake is told
 * once. Source: cel-spec, "Gradual type checking". */
#include "lib/cel/ast.h"
#include "lib/cel/unify.h"
#include <assert.h>

enum { TYPE_TEXT_MAX = 1024 };

/* A variable of the folds around a node. */
struct local {
    const struct local *outer;
    struct slice name;
    const struct cel_type *type;
    size_t slot;
};

struct checker {
    struct arena *arena;
    const struct cel_env *env;
    struct cel_problems *problems;
    struct cel_unifier types;
    const struct local *locals; /* Innermost first. */
    size_t next_slot, slot_count;
};

static const struct cel_type *check(struct checker *checker, struct cel_node *node);

static const struct cel_type *resolved(struct checker *checker, const struct cel_type *type)
{
    return cel_unifier_resolve(&checker->types, type, /* close= */ false);
}

static const struct cel_type *open_type(struct checker *checker)
{
    return cel_type_param(checker->arena, cel_unifier_open(&checker->types, 1));
}

static const char *type_text(struct checker *checker, const struct cel_type *type)
{
    struct buffer text;
    buffer_init(&text, TYPE_TEXT_MAX);
    cel_type_print(resolved(checker, type), &text);
    const char *copy = arena_text(checker->arena, buffer_text(&text));
    buffer_release(&text);
    return copy;
}

static void mismatch(struct checker *checker, const struct cel_node *at,
                     const struct cel_type *wanted, const struct cel_type *actual)
{
    cel_problem_add(checker->problems, at->offset, "expected type '%s' but found '%s'",
                    type_text(checker, wanted), type_text(checker, actual));
}

/* Whether the types fit; bindings of a failed attempt are taken back. */
static bool fits(struct checker *checker, const struct cel_type *wanted,
                 const struct cel_type *actual)
{
    size_t mark = cel_unifier_mark(&checker->types);
    if (cel_unifier_assign(&checker->types, wanted, actual)) {
        return true;
    }
    cel_unifier_undo(&checker->types, mark);
    return false;
}

/* --- Names -------------------------------------------------------------------------------------
 */

static const struct local *find_local(const struct checker *checker, struct slice name)
{
    const struct local *local = checker->locals;
    while (local != NULL && !slice_equal(local->name, name)) {
        local = local->outer;
    }
    return local;
}

/* Gives `node` the meaning of `name` among variables and types; NULL when it has none. */
static const struct cel_type *find_global(struct checker *checker, struct slice name,
                                          struct cel_ident *ret_ident)
{
    for (size_t i = 0; i < checker->env->variable_count; i++) {
        if (slice_is(name, checker->env->variables[i].name)) {
            *ret_ident =
                (struct cel_ident){.name = name, .binding = CEL_BINDING_VARIABLE, .index = i};
            return checker->env->variables[i].type;
        }
    }
    const struct cel_type *type = cel_functions_type(checker->env->functions, name);
    if (type == NULL) {
        return NULL;
    }
    *ret_ident = (struct cel_ident){.name = name, .binding = CEL_BINDING_TYPE, .named = type};
    return cel_type_of_type(checker->arena, type);
}

static const struct cel_type *undeclared(struct checker *checker, const struct cel_node *at,
                                         struct slice name)
{
    cel_problem_add(checker->problems, at->offset,
                    "undeclared reference to '%.*s' (in container '')", (int)name.len,
                    (const char *)name.data);
    return &cel_type_error;
}

static const struct cel_type *check_ident(struct checker *checker, struct cel_node *node)
{
    const struct local *local = find_local(checker, node->ident.name);
    if (local != NULL) {
        node->ident.binding = CEL_BINDING_LOCAL;
        node->ident.index = local->slot;
        return local->type;
    }
    const struct cel_type *type = find_global(checker, node->ident.name, &node->ident);
    return type != NULL ? type : undeclared(checker, node, node->ident.name);
}

/* "a.b.c" of a chain of selections that begins at a name; empty when it is none. */
static struct slice dotted_name(struct checker *checker, const struct cel_node *node)
{
    if (node->kind == CEL_NODE_IDENT) {
        return node->ident.name;
    }
    if (node->kind != CEL_NODE_SELECT || node->select.is_test || node->depth > CEL_DOTTED_MAX) {
        return slice_of(NULL, 0);
    }
    struct slice before = dotted_name(checker, node->select.operand);
    if (before.len == 0) {
        return before;
    }
    return slice_text(arena_printf(checker->arena, "%.*s.%.*s", (int)before.len,
                                   (const char *)before.data, (int)node->select.field.len,
                                   (const char *)node->select.field.data));
}

/* --- Selections --------------------------------------------------------------------------------
 */

/* The type of a field of a value of `type` (not an optional). */
static const struct cel_type *field_type(struct checker *checker, const struct cel_node *at,
                                         const struct cel_type *type, struct slice field)
{
    switch (type->kind) {
    case CEL_TYPE_MAP:
        return type->items[1];
    case CEL_TYPE_OBJECT: {
        const struct cel_type *found = type->field(type, field);
        if (found == NULL) {
            cel_problem_add(checker->problems, at->offset, "undefined field '%.*s'", (int)field.len,
                            (const char *)field.data);
            return &cel_type_error;
        }
        return found;
    }
    case CEL_TYPE_DYN:
    case CEL_TYPE_ERROR:
    case CEL_TYPE_PARAM:
        (void)fits(checker, type, &cel_type_dyn);
        return &cel_type_dyn;
    case CEL_TYPE_NULL:
    case CEL_TYPE_BOOL:
    case CEL_TYPE_INT:
    case CEL_TYPE_UINT:
    case CEL_TYPE_DOUBLE:
    case CEL_TYPE_STRING:
    case CEL_TYPE_BYTES:
    case CEL_TYPE_TIMESTAMP:
    case CEL_TYPE_DURATION:
    case CEL_TYPE_TYPE:
    case CEL_TYPE_LIST:
    case CEL_TYPE_OPTIONAL:
    case CEL_TYPE_WRAPPER:
    case CEL_TYPE_OPAQUE:
        break;
    }
    cel_problem_add(checker->problems, at->offset, "type '%s' does not support field selection",
                    type_text(checker, type));
    return &cel_type_error;
}

/* A selection from an optional is an optional again, and never nests. */
static const struct cel_type *select_type(struct checker *checker, const struct cel_node *at,
                                          const struct cel_type *operand, struct slice field,
                                          bool optional)
{
    const struct cel_type *type = resolved(checker, operand);
    if (type->kind == CEL_TYPE_OPTIONAL) {
        optional = true;
        type = resolved(checker, type->items[0]);
    }
    const struct cel_type *found = field_type(checker, at, type, field);
    if (!optional || found->kind == CEL_TYPE_OPTIONAL) {
        return found;
    }
    return cel_type_optional(checker->arena, found);
}

static const struct cel_type *check_select(struct checker *checker, struct cel_node *node)
{
    struct slice name = node->select.is_test ? slice_of(NULL, 0) : dotted_name(checker, node);
    struct cel_ident ident;
    if (name.len > 0) {
        const struct cel_type *type = find_global(checker, name, &ident);
        if (type != NULL) {
            node->kind = CEL_NODE_IDENT;
            node->ident = ident;
            return type;
        }
    }
    const struct cel_type *operand = check(checker, node->select.operand);
    const struct cel_type *type =
        select_type(checker, node, operand, node->select.field, /* optional= */ false);
    return node->select.is_test ? &cel_type_bool : type;
}

/* --- Calls -------------------------------------------------------------------------------------
 */

static const struct cel_type *no_overload(struct checker *checker, const struct cel_node *node)
{
    const struct cel_call_node *call = &node->call;
    struct buffer text;
    buffer_init(&text, TYPE_TEXT_MAX);
    for (size_t i = 0; i < call->count; i++) {
        if (i == 0 && call->is_member) {
            cel_type_print(resolved(checker, call->arguments[0]->type), &text);
            buffer_append_text(&text, ".(");
            continue;
        }
        buffer_append_text(&text, i == 0 ? "(" : i == 1 && call->is_member ? "" : ", ");
        cel_type_print(resolved(checker, call->arguments[i]->type), &text);
    }
    buffer_append_text(&text, call->count == 0 ? "()" : ")");
    cel_problem_add(checker->problems, node->offset,
                    "found no matching overload for '%.*s' applied to '%s'",
                    (int)call->function.len, (const char *)call->function.data, buffer_text(&text));
    buffer_release(&text);
    return &cel_type_error;
}

/* The result type when the arguments fit the overload, else NULL. */
static const struct cel_type *try_overload(struct checker *checker,
                                           const struct cel_overload *overload,
                                           const struct cel_call_node *call)
{
    const struct cel_signature *signature = &overload->signature;
    size_t mark = cel_unifier_mark(&checker->types);
    if (signature->is_member != call->is_member || signature->argument_count != call->count) {
        return NULL;
    }
    uint32_t first = cel_unifier_open(&checker->types, signature->param_count);
    for (size_t i = 0; i < call->count; i++) {
        const struct cel_type *wanted =
            cel_unifier_instance(&checker->types, signature->arguments[i], first);
        if (!cel_unifier_assign(&checker->types, wanted, call->arguments[i]->type)) {
            cel_unifier_undo(&checker->types, mark);
            return NULL;
        }
    }
    return resolved(checker, cel_unifier_instance(&checker->types, signature->result, first));
}

static const struct cel_type *resolve_overloads(struct checker *checker, struct cel_node *node,
                                                const struct cel_overloads *overloads)
{
    struct cel_call_node *call = &node->call;
    const struct cel_type *result = NULL;
    call->candidates =
        arena_array(checker->arena, overloads->count, sizeof(const struct cel_overload *));
    for (size_t i = 0; i < overloads->count; i++) {
        const struct cel_type *type = try_overload(checker, &overloads->items[i], call);
        if (type == NULL) {
            continue;
        }
        call->candidates[call->candidate_count++] = &overloads->items[i];
        result = result == NULL || cel_type_equal(result, type) ? type : &cel_type_dyn;
    }
    return result != NULL ? result : no_overload(checker, node);
}

/* "a.b.f(x)" may be the function a.b.f rather than a method f. */
static void qualify(struct checker *checker, struct cel_node *node)
{
    struct cel_call_node *call = &node->call;
    struct slice receiver =
        call->is_member ? dotted_name(checker, call->arguments[0]) : slice_of(NULL, 0);
    if (receiver.len == 0) {
        return;
    }
    struct slice name = slice_text(
        arena_printf(checker->arena, "%.*s.%.*s", (int)receiver.len, (const char *)receiver.data,
                     (int)call->function.len, (const char *)call->function.data));
    if (cel_functions_find(checker->env->functions, name) != NULL) {
        call->function = name;
        call->is_member = false;
        call->arguments++;
        call->count--;
        call->form = CEL_FORM_PLAIN;
    }
}

static const struct cel_type *check_call(struct checker *checker, struct cel_node *node)
{
    struct cel_call_node *call = &node->call;
    qualify(checker, node);
    for (size_t i = 0; i < call->count; i++) {
        (void)check(checker, call->arguments[i]);
    }
    const struct cel_overloads *overloads =
        cel_functions_find(checker->env->functions, call->function);
    if (overloads == NULL) {
        return undeclared(checker, node, call->function);
    }
    const struct cel_type *result = resolve_overloads(checker, node, overloads);
    if (slice_is(call->function, "_?._")) {
        return select_type(checker, node, call->arguments[0]->type,
                           call->arguments[1]->literal.text, /* optional= */ true);
    }
    return result;
}

/* --- Containers --------------------------------------------------------------------------------
 */

/* The type of elements so far and of one more; they must fit each other. */
static const struct cel_type *join(struct checker *checker, const struct cel_node *at,
                                   const struct cel_type *before, const struct cel_type *type)
{
    if (before == NULL) {
        return type;
    }
    if (!fits(checker, before, type)) {
        mismatch(checker, at, before, type);
        return &cel_type_error;
    }
    return cel_unifier_general(&checker->types, before, type);
}

static const struct cel_type *unwrap(struct checker *checker, const struct cel_node *node,
                                     const struct cel_type *type, bool optional)
{
    type = resolved(checker, type);
    if (!optional) {
        return type;
    }
    if (type->kind == CEL_TYPE_OPTIONAL) {
        return type->items[0];
    }
    if (type->kind != CEL_TYPE_DYN && type->kind != CEL_TYPE_ERROR) {
        mismatch(checker, node, cel_type_optional(checker->arena, type), type);
    }
    return type;
}

static const struct cel_type *check_list(struct checker *checker, struct cel_node *node)
{
    const struct cel_type *type = NULL;
    for (size_t i = 0; i < node->list.count; i++) {
        struct cel_node *item = node->list.items[i];
        const struct cel_type *found =
            unwrap(checker, item, check(checker, item), node->list.optional[i]);
        type = join(checker, item, type, found);
    }
    return cel_type_list(checker->arena, type == NULL ? open_type(checker) : type);
}

static const struct cel_type *check_map(struct checker *checker, struct cel_node *node)
{
    const struct cel_type *key = NULL, *value = NULL;
    for (size_t i = 0; i < node->map.count; i++) {
        const struct cel_entry_node *entry = &node->map.entries[i];
        key = join(checker, entry->key, key, check(checker, entry->key));
        value = join(checker, entry->value, value,
                     unwrap(checker, entry->value, check(checker, entry->value), entry->optional));
    }
    return cel_type_map(checker->arena, key == NULL ? open_type(checker) : key,
                        value == NULL ? open_type(checker) : value);
}

/* --- Folds -------------------------------------------------------------------------------------
 */

/* What the variables of a fold over `range` are. */
static void range_types(struct checker *checker, const struct cel_node *range,
                        const struct cel_type **ret_first, const struct cel_type **ret_second)
{
    const struct cel_type *type = resolved(checker, range->type);
    *ret_first = *ret_second = &cel_type_dyn;
    if (type->kind == CEL_TYPE_LIST) {
        *ret_first = *ret_second = type->items[0];
    } else if (type->kind == CEL_TYPE_MAP) {
        *ret_first = type->items[0];
        *ret_second = type->items[1];
    } else if (type->kind == CEL_TYPE_PARAM) {
        (void)fits(checker, &cel_type_dyn, type);
    } else if (type->kind == CEL_TYPE_ERROR) {
        *ret_first = *ret_second = &cel_type_error;
    } else if (type->kind != CEL_TYPE_DYN) {
        cel_problem_add(checker->problems, range->offset,
                        "expression of type '%s' cannot be range of a comprehension (must be "
                        "list, map, or dynamic)",
                        type_text(checker, type));
        *ret_first = *ret_second = &cel_type_error;
    }
}

static void check_is(struct checker *checker, struct cel_node *node, const struct cel_type *wanted)
{
    const struct cel_type *type = check(checker, node);
    if (!fits(checker, wanted, type)) {
        mismatch(checker, node, wanted, type);
    }
}

static const struct cel_type *check_fold(struct checker *checker, struct cel_node *node)
{
    struct cel_fold *fold = &node->fold;
    const struct local *outside = checker->locals;
    const struct cel_type *first, *second;
    size_t slot = checker->next_slot;

    (void)check(checker, fold->range);
    const struct cel_type *result = check(checker, fold->initial);
    range_types(checker, fold->range, &first, &second);
    if (fold->second.len > 0 && resolved(checker, fold->range->type)->kind == CEL_TYPE_LIST) {
        first = &cel_type_int; /* The index. */
    }
    fold->slot = slot;
    checker->next_slot += 3;
    if (checker->next_slot > checker->slot_count) {
        checker->slot_count = checker->next_slot;
    }
    struct local accumulator = {outside, fold->accumulator, result, slot + 2};
    struct local variable = {&accumulator, fold->variable, first, slot};
    struct local value = {&variable, fold->second, second, slot + 1};
    checker->locals = fold->second.len > 0 ? &value : &variable;
    check_is(checker, fold->condition, &cel_type_bool);
    check_is(checker, fold->step, result);
    checker->locals = &accumulator;
    result = check(checker, fold->result);
    checker->locals = outside;
    checker->next_slot = slot;
    return result;
}

/* --- Nodes -------------------------------------------------------------------------------------
 */

static const struct cel_type *literal_type(struct checker *checker, const struct cel_value *value)
{
    return cel_type_of(checker->arena, value);
}

static const struct cel_type *check_struct(struct checker *checker, struct cel_node *node)
{
    for (size_t i = 0; i < node->map.count; i++) {
        (void)check(checker, node->map.entries[i].value);
    }
    return undeclared(checker, node, node->map.name);
}

static const struct cel_type *type_of(struct checker *checker, struct cel_node *node)
{
    switch (node->kind) {
    case CEL_NODE_LITERAL:
        return literal_type(checker, &node->literal);
    case CEL_NODE_IDENT:
        return check_ident(checker, node);
    case CEL_NODE_SELECT:
        return check_select(checker, node);
    case CEL_NODE_CALL:
        return check_call(checker, node);
    case CEL_NODE_LIST:
        return check_list(checker, node);
    case CEL_NODE_MAP:
        return check_map(checker, node);
    case CEL_NODE_STRUCT:
        return check_struct(checker, node);
    case CEL_NODE_FOLD:
        return check_fold(checker, node);
    }
    return &cel_type_error;
}

static const struct cel_type *check(struct checker *checker, struct cel_node *node)
{
    node->type = type_of(checker, node);
    return node->type;
}

/* Once all is known, types say what their variables are. */
static void close_types(struct checker *checker, struct cel_node *node)
{
    node->type = cel_unifier_resolve(&checker->types, node->type, /* close= */ true);
    switch (node->kind) {
    case CEL_NODE_LITERAL:
    case CEL_NODE_IDENT:
    case CEL_NODE_STRUCT:
        break;
    case CEL_NODE_SELECT:
        close_types(checker, node->select.operand);
        break;
    case CEL_NODE_CALL:
        for (size_t i = 0; i < node->call.count; i++) {
            close_types(checker, node->call.arguments[i]);
        }
        break;
    case CEL_NODE_LIST:
        for (size_t i = 0; i < node->list.count; i++) {
            close_types(checker, node->list.items[i]);
        }
        break;
    case CEL_NODE_MAP:
        for (size_t i = 0; i < node->map.count; i++) {
            close_types(checker, node->map.entries[i].key);
            close_types(checker, node->map.entries[i].value);
        }
        break;
    case CEL_NODE_FOLD:
        close_types(checker, node->fold.range);
        close_types(checker, node->fold.initial);
        close_types(checker, node->fold.condition);
        close_types(checker, node->fold.step);
        close_types(checker, node->fold.result);
        break;
    }
}

size_t cel_check(struct arena *arena, const struct cel_env *env, struct cel_node *root,
                 struct cel_problems *problems)
{
    struct checker checker = {
        .arena = arena, .env = env, .problems = problems, .types = {.arena = arena}};
    (void)check(&checker, root);
    if (problems->count == 0) {
        close_types(&checker, root);
    }
    assert(checker.locals == NULL);
    return checker.slot_count;
}
