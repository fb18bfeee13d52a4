/* Macros: calls that stand for folds, selections and conditionals. Each row makes one expansion
 * from the parsed arguments. Source: cel-spec, "Macros"; the two-variable comprehensions and
 * optional macros as Kubernetes v1.32 has them. */
#include "lib/cel/node.h"

struct expansion {
    struct cel_builder *builder;
    uint32_t offset;
    struct cel_node *receiver;   /* NULL for a global macro. */
    struct cel_node **arguments; /* The receiver not among them. */
    size_t count;
};

typedef struct cel_node *macro_rule(struct expansion *expansion);

#define ACCUMULATOR "__result__"

static struct cel_node *fail(struct expansion *expansion, const struct cel_node *at,
                             const char *message)
{
    cel_problem_add(expansion->builder->problems, at->offset, "%s", message);
    expansion->builder->failed = true;
    return NULL;
}

/* --- Parts of expansions -----------------------------------------------------------------------
 */

static struct cel_node *accumulator(struct expansion *expansion)
{
    return cel_node_ident(expansion->builder, expansion->offset, slice_text(ACCUMULATOR));
}

static struct cel_node *literal(struct expansion *expansion, struct cel_value value)
{
    return cel_node_literal(expansion->builder, expansion->offset, value);
}

static struct cel_node *call(struct expansion *expansion, const char *name, struct cel_node *a,
                             struct cel_node *b)
{
    return cel_node_operator(expansion->builder, expansion->offset, name, a, b);
}

static struct cel_node *choose(struct expansion *expansion, struct cel_node *condition,
                               struct cel_node *yes, struct cel_node *no)
{
    struct cel_node *arguments[] = {condition, yes, no};
    return cel_node_call(expansion->builder, expansion->offset, slice_text("_?_:_"),
                         /* is_member= */ false, arguments, 3);
}

static struct cel_node *list_of(struct expansion *expansion, struct cel_node *item)
{
    struct cel_node **items = arena_array(expansion->builder->arena, 1, sizeof(struct cel_node *));
    bool *optional = arena_array(expansion->builder->arena, 1, sizeof(*optional));
    items[0] = item;
    return cel_node_list(expansion->builder, expansion->offset,
                         (struct cel_list_node){items, optional, item == NULL ? 0 : 1});
}

static struct cel_node *empty_map(struct expansion *expansion)
{
    return cel_node_map(expansion->builder, expansion->offset, CEL_NODE_MAP,
                        (struct cel_map_node){.count = 0});
}

/* accumulator + [item] */
static struct cel_node *collect(struct expansion *expansion, struct cel_node *item)
{
    return call(expansion, "_+_", accumulator(expansion), list_of(expansion, item));
}

/* A copy of a name: a node has one place in the tree. */
static struct cel_node *name_again(struct expansion *expansion, const struct cel_node *name)
{
    return cel_node_ident(expansion->builder, name->offset, name->ident.name);
}

/* Whether the first `count` arguments can be loop variables. */
static bool take_variables(struct expansion *expansion, size_t count, struct cel_fold *fold)
{
    for (size_t i = 0; i < count; i++) {
        const struct cel_node *name = expansion->arguments[i];
        if (name->kind != CEL_NODE_IDENT) {
            (void)fail(expansion, name,
                       count == 2 ? "argument must be a simple name"
                                  : "argument is not an identifier");
            return false;
        }
        if (slice_is(name->ident.name, ACCUMULATOR)) {
            (void)fail(expansion, name, "iteration variable overwrites accumulator variable");
            return false;
        }
    }
    fold->variable = expansion->arguments[0]->ident.name;
    if (count == 2) {
        fold->second = expansion->arguments[1]->ident.name;
        if (slice_equal(fold->variable, fold->second)) {
            (void)fail(expansion, expansion->arguments[1], "duplicate variable name");
            return false;
        }
    }
    fold->range = expansion->receiver;
    fold->accumulator = slice_text(ACCUMULATOR);
    return true;
}

static struct cel_node *make(struct expansion *expansion, struct cel_fold fold)
{
    return cel_node_fold(expansion->builder, expansion->offset, fold);
}

/* --- Quantifiers -------------------------------------------------------------------------------
 */

static struct cel_node *all(struct expansion *e, size_t variables)
{
    struct cel_fold fold = {.slot = 0};
    if (!take_variables(e, variables, &fold)) {
        return NULL;
    }
    fold.initial = literal(e, cel_bool(true));
    fold.condition = call(e, "@not_strictly_false", accumulator(e), NULL);
    fold.step = call(e, "_&&_", accumulator(e), e->arguments[variables]);
    fold.result = accumulator(e);
    return make(e, fold);
}

static struct cel_node *exists(struct expansion *e, size_t variables)
{
    struct cel_fold fold = {.slot = 0};
    if (!take_variables(e, variables, &fold)) {
        return NULL;
    }
    fold.initial = literal(e, cel_bool(false));
    fold.condition = call(e, "@not_strictly_false", call(e, "!_", accumulator(e), NULL), NULL);
    fold.step = call(e, "_||_", accumulator(e), e->arguments[variables]);
    fold.result = accumulator(e);
    return make(e, fold);
}

static struct cel_node *exists_one(struct expansion *e, size_t variables)
{
    struct cel_fold fold = {.slot = 0};
    if (!take_variables(e, variables, &fold)) {
        return NULL;
    }
    fold.initial = literal(e, cel_int(0));
    fold.condition = literal(e, cel_bool(true));
    fold.step = choose(e, e->arguments[variables],
                       call(e, "_+_", accumulator(e), literal(e, cel_int(1))), accumulator(e));
    fold.result = call(e, "_==_", accumulator(e), literal(e, cel_int(1)));
    return make(e, fold);
}

static struct cel_node *expand_all(struct expansion *expansion)
{
    return all(expansion, expansion->count - 1);
}

static struct cel_node *expand_exists(struct expansion *expansion)
{
    return exists(expansion, expansion->count - 1);
}

static struct cel_node *expand_exists_one(struct expansion *expansion)
{
    return exists_one(expansion, expansion->count - 1);
}

/* --- Collecting --------------------------------------------------------------------------------
 */

/* map(x, f), map(x, p, f), transformList(i, v, f), transformList(i, v, p, f) */
static struct cel_node *collected(struct expansion *e, size_t variables)
{
    struct cel_fold fold = {.slot = 0};
    if (!take_variables(e, variables, &fold)) {
        return NULL;
    }
    fold.initial = list_of(e, NULL);
    fold.condition = literal(e, cel_bool(true));
    fold.step = collect(e, e->arguments[e->count - 1]);
    if (e->count == variables + 2) {
        fold.step = choose(e, e->arguments[variables], fold.step, accumulator(e));
    }
    fold.result = accumulator(e);
    return make(e, fold);
}

static struct cel_node *expand_map(struct expansion *expansion)
{
    return collected(expansion, 1);
}

static struct cel_node *expand_transform_list(struct expansion *expansion)
{
    return collected(expansion, 2);
}

static struct cel_node *expand_filter(struct expansion *e)
{
    struct cel_fold fold = {.slot = 0};
    if (!take_variables(e, 1, &fold)) {
        return NULL;
    }
    fold.initial = list_of(e, NULL);
    fold.condition = literal(e, cel_bool(true));
    fold.step =
        choose(e, e->arguments[1], collect(e, name_again(e, e->arguments[0])), accumulator(e));
    fold.result = accumulator(e);
    return make(e, fold);
}

/* transformMap(k, v, [p,] f) keeps keys; transformMapEntry(k, v, [p,] {new: value}) makes them. */
static struct cel_node *transformed(struct expansion *e, bool whole_entry)
{
    struct cel_fold fold = {.slot = 0};
    if (!take_variables(e, 2, &fold)) {
        return NULL;
    }
    struct cel_node *made = e->arguments[e->count - 1];
    struct cel_node *insert[] = {accumulator(e),
                                 whole_entry ? made : name_again(e, e->arguments[0]), made};
    fold.initial = empty_map(e);
    fold.condition = literal(e, cel_bool(true));
    fold.step = cel_node_call(e->builder, e->offset, slice_text("cel.@mapInsert"),
                              /* is_member= */ false, insert, whole_entry ? 2 : 3);
    if (e->count == 4) {
        fold.step = choose(e, e->arguments[2], fold.step, accumulator(e));
    }
    fold.result = accumulator(e);
    return make(e, fold);
}

static struct cel_node *expand_transform_map(struct expansion *expansion)
{
    return transformed(expansion, /* whole_entry= */ false);
}

static struct cel_node *expand_transform_map_entry(struct expansion *expansion)
{
    return transformed(expansion, /* whole_entry= */ true);
}

/* --- The rest ----------------------------------------------------------------------------------
 */

static struct cel_node *expand_has(struct expansion *expansion)
{
    const struct cel_node *argument = expansion->arguments[0];
    if (argument->kind != CEL_NODE_SELECT || argument->select.is_test) {
        return fail(expansion, argument, "invalid argument to has() macro");
    }
    return cel_node_select(expansion->builder, expansion->offset, argument->select.operand,
                           argument->select.field, /* is_test= */ true);
}

/* A fold over nothing, whose accumulator is the name: `expression`, where the name is `value`. */
static struct cel_node *bind(struct expansion *e, const struct cel_node *name,
                             struct cel_node *value, struct cel_node *expression)
{
    struct cel_fold fold = {.variable = slice_text("#unused"), .accumulator = name->ident.name};
    fold.range = list_of(e, NULL);
    fold.initial = value;
    fold.condition = literal(e, cel_bool(false));
    fold.step = name_again(e, name);
    fold.result = expression;
    return make(e, fold);
}

static struct cel_node *method(struct expansion *e, struct cel_node *receiver, const char *name)
{
    return cel_node_call(e->builder, e->offset, slice_text(name), /* is_member= */ true, &receiver,
                         1);
}

/* o.optMap(v, f) is t.hasValue() ? optional.of(f, where v is t.value()) : optional.none(), where t
 * is o: bound to a name that no expression can write, so that o stands in the tree once. */
static struct cel_node *optional_map(struct expansion *e, bool flat)
{
    struct cel_node *name = e->arguments[0];
    struct cel_node *target = cel_node_ident(e->builder, e->offset, slice_text("@target"));
    if (name->kind != CEL_NODE_IDENT || target == NULL) {
        return fail(e, name,
                    flat ? "optFlatMap() variable name must be a simple identifier"
                         : "optMap() variable name must be a simple identifier");
    }
    struct cel_node *value = method(e, name_again(e, target), "value");
    struct cel_node *mapped = bind(e, name, value, e->arguments[1]);
    struct cel_node *none = cel_node_call(e->builder, e->offset, slice_text("optional.none"),
                                          /* is_member= */ false, NULL, 0);
    if (!flat) {
        mapped = call(e, "optional.of", mapped, NULL);
    }
    struct cel_node *has_value = method(e, name_again(e, target), "hasValue");
    return bind(e, target, e->receiver, choose(e, has_value, mapped, none));
}

static struct cel_node *expand_opt_map(struct expansion *expansion)
{
    return optional_map(expansion, /* flat= */ false);
}

static struct cel_node *expand_opt_flat_map(struct expansion *expansion)
{
    return optional_map(expansion, /* flat= */ true);
}

static const struct macro {
    const char *name;
    bool is_member;
    size_t count;
    bool two_variables;
    macro_rule *expand;
} macros[] = {
    {"has", false, 1, false, expand_has},
    {"all", true, 2, false, expand_all},
    {"exists", true, 2, false, expand_exists},
    {"exists_one", true, 2, false, expand_exists_one},
    {"map", true, 2, false, expand_map},
    {"map", true, 3, false, expand_map},
    {"filter", true, 2, false, expand_filter},
    {"optMap", true, 2, false, expand_opt_map},
    {"optFlatMap", true, 2, false, expand_opt_flat_map},
    {"all", true, 3, true, expand_all},
    {"exists", true, 3, true, expand_exists},
    {"existsOne", true, 3, true, expand_exists_one},
    {"transformList", true, 3, true, expand_transform_list},
    {"transformList", true, 4, true, expand_transform_list},
    {"transformMap", true, 3, true, expand_transform_map},
    {"transformMap", true, 4, true, expand_transform_map},
    {"transformMapEntry", true, 3, true, expand_transform_map_entry},
    {"transformMapEntry", true, 4, true, expand_transform_map_entry},
};

struct cel_node *cel_macro_expand(struct cel_builder *builder, const struct cel_node *node,
                                  bool two_variables)
{
    size_t receiver = node->call.is_member ? 1 : 0;
    for (size_t i = 0; i < ARRAY_LEN(macros); i++) {
        if (macros[i].is_member == node->call.is_member &&
            macros[i].count == node->call.count - receiver &&
            (two_variables || !macros[i].two_variables) &&
            slice_is(node->call.function, macros[i].name)) {
            struct expansion expansion = {
                .builder = builder,
                .offset = node->offset,
                .receiver = receiver == 1 ? node->call.arguments[0] : NULL,
                .arguments = node->call.arguments + receiver,
                .count = macros[i].count,
            };
            /* The node is in the builder's arena. */
            return macros[i].expand(&expansion); /* cppcheck-suppress returnDanglingLifetime */
        }
    }
    return NULL;
}
