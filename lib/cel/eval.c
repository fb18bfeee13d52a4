/* The evaluator: walks the tree, values by copy, errors as values. && and || and the quantifiers
 * made of them forget an error when the other side decides; everything else hands it on. */
#include "lib/cel/cost.h"
#include <assert.h>

struct evaluation {
    const struct cel_value *variables;
    struct cel_value *slots; /* Of the folds around the node. */
    struct cel_call call;
    uint64_t cost, cost_limit;
    bool over_limit;
};

static struct cel_value evaluate(struct evaluation *run, const struct cel_node *node);

static struct cel_value over_limit(void)
{
    return cel_error("operation cancelled: actual cost limit exceeded");
}

/* Counts; once over the limit everything ends, whatever would have been decided without it. */
static bool spend(struct evaluation *run, uint64_t cost)
{
    if (__builtin_add_overflow(run->cost, cost, &run->cost) || run->cost > run->cost_limit) {
        run->over_limit = true;
    }
    return !run->over_limit;
}

/* --- Names and fields --------------------------------------------------------------------------
 */

static struct cel_value evaluate_ident(struct evaluation *run, const struct cel_node *node)
{
    const struct cel_ident *ident = &node->ident;
    if (ident->binding == CEL_BINDING_TYPE) {
        return cel_type_value(ident->named);
    }
    return ident->binding == CEL_BINDING_LOCAL ? run->slots[ident->index]
                                               : run->variables[ident->index];
}

/* The field of a map; on an optional an optional. `missing` is false when it is not there. */
static struct cel_value field_of(struct evaluation *run, struct cel_value operand,
                                 struct slice field, bool *ret_found)
{
    struct cel_value key = cel_string(field), value;
    bool optional = operand.kind == CEL_OPTIONAL;
    *ret_found = false;
    if (optional && operand.optional == NULL) {
        return operand;
    }
    if (optional) {
        operand = *operand.optional;
    }
    if (operand.kind != CEL_MAP) {
        return cel_is_error(&operand) ? operand : cel_error_no_overload();
    }
    if (!cel_map_find(run->call.arena, &operand, &key, &value)) {
        return optional ? cel_none() : cel_error_no_key(run->call.arena, &key);
    }
    *ret_found = true;
    return optional && value.kind != CEL_OPTIONAL ? cel_some(run->call.arena, value) : value;
}

static struct cel_value evaluate_select(struct evaluation *run, const struct cel_node *node)
{
    bool found;
    struct cel_value operand = evaluate(run, node->select.operand);
    if (cel_is_error(&operand)) {
        return operand;
    }
    struct cel_value value = field_of(run, operand, node->select.field, &found);
    if (!node->select.is_test) {
        return value;
    }
    bool known = operand.kind == CEL_MAP || operand.kind == CEL_OPTIONAL;
    return known ? cel_bool(found) : value;
}

/* --- Calls -------------------------------------------------------------------------------------
 */

/* `decides` settles the result whatever the other side is: false for &&, true for ||. */
static struct cel_value evaluate_logic(struct evaluation *run, const struct cel_node *node,
                                       bool decides)
{
    struct cel_value left = evaluate(run, node->call.arguments[0]);
    if (left.kind == CEL_BOOL && left.boolean == decides) {
        return left;
    }
    struct cel_value right = evaluate(run, node->call.arguments[1]);
    if (right.kind == CEL_BOOL && right.boolean == decides) {
        return right;
    }
    if (cel_is_error(&left)) {
        return left;
    }
    if (cel_is_error(&right)) {
        return right;
    }
    return left.kind == CEL_BOOL && right.kind == CEL_BOOL ? cel_bool(!decides)
                                                           : cel_error_no_overload();
}

static struct cel_value evaluate_conditional(struct evaluation *run, const struct cel_node *node)
{
    struct cel_value condition = evaluate(run, node->call.arguments[0]);
    if (condition.kind != CEL_BOOL) {
        return cel_is_error(&condition) ? condition : cel_error_no_overload();
    }
    return evaluate(run, node->call.arguments[condition.boolean ? 1 : 2]);
}

static struct cel_value evaluate_optional_or(struct evaluation *run, const struct cel_node *node)
{
    struct cel_value left = evaluate(run, node->call.arguments[0]);
    if (left.kind != CEL_OPTIONAL) {
        return cel_is_error(&left) ? left : cel_error_no_overload();
    }
    if (left.optional == NULL) {
        return evaluate(run, node->call.arguments[1]);
    }
    return node->call.form == CEL_FORM_OPTIONAL_OR ? left : *left.optional;
}

static const struct cel_overload *choose(const struct cel_call_node *call,
                                         const struct cel_value *arguments)
{
    for (size_t i = 0; i < call->candidate_count; i++) {
        const struct cel_signature *signature = &call->candidates[i]->signature;
        size_t fitting = 0;
        while (fitting < call->count &&
               cel_fits(&arguments[fitting], signature->arguments[fitting])) {
            fitting++;
        }
        if (fitting == call->count) {
            return call->candidates[i];
        }
    }
    return NULL;
}

static struct cel_value evaluate_plain(struct evaluation *run, const struct cel_node *node)
{
    struct cel_value arguments[ARRAY_LEN(((struct cel_signature *)NULL)->arguments)];
    assert(node->call.count <= ARRAY_LEN(arguments));
    for (size_t i = 0; i < node->call.count; i++) {
        arguments[i] = evaluate(run, node->call.arguments[i]);
        if (cel_is_error(&arguments[i])) {
            return arguments[i];
        }
    }
    const struct cel_overload *overload = choose(&node->call, arguments);
    if (overload == NULL) {
        return cel_error_no_overload();
    }
    run->call.row = overload->row;
    run->call.regex = node->call.regex;
    struct cel_value result = overload->row->call(&run->call, arguments);
    (void)spend(
        run, cel_price(overload->row->cost, run->call.arena, arguments, node->call.count, &result));
    return result;
}

static struct cel_value evaluate_call(struct evaluation *run, const struct cel_node *node)
{
    struct cel_value value;
    switch (node->call.form) {
    case CEL_FORM_AND:
        return evaluate_logic(run, node, /* decides= */ false);
    case CEL_FORM_OR:
        return evaluate_logic(run, node, /* decides= */ true);
    case CEL_FORM_CONDITIONAL:
        return evaluate_conditional(run, node);
    case CEL_FORM_NOT_STRICTLY_FALSE:
        value = evaluate(run, node->call.arguments[0]);
        (void)spend(run, 1);
        return cel_bool(value.kind != CEL_BOOL || value.boolean);
    case CEL_FORM_OPTIONAL_OR:
    case CEL_FORM_OPTIONAL_OR_VALUE:
        return evaluate_optional_or(run, node);
    case CEL_FORM_PLAIN:
        break;
    }
    return evaluate_plain(run, node);
}

/* --- Containers --------------------------------------------------------------------------------
 */

/* Whether an element that may be optional is there; replaces it by what is in it. */
static bool take_element(struct cel_value *value, bool optional, struct cel_value *ret_error)
{
    *ret_error = cel_null();
    if (cel_is_error(value)) {
        *ret_error = *value;
        return false;
    }
    if (!optional) {
        return true;
    }
    if (value->kind != CEL_OPTIONAL) {
        *ret_error = cel_error_no_overload();
        return false;
    }
    if (value->optional == NULL) {
        return false;
    }
    *value = *value->optional;
    return true;
}

static struct cel_value evaluate_list(struct evaluation *run, const struct cel_node *node)
{
    const struct cel_list_node *list = &node->list;
    size_t count = 0;
    struct cel_value error;
    if (!cel_call_takes(&run->call, list->count * sizeof(struct cel_value))) {
        return cel_error_memory();
    }
    struct cel_value *items = arena_alloc(run->call.arena, list->count * sizeof(*items));
    for (size_t i = 0; i < list->count; i++) {
        struct cel_value item = evaluate(run, list->items[i]);
        if (take_element(&item, list->optional[i], &error)) {
            items[count++] = item;
        } else if (cel_is_error(&error)) {
            return error;
        }
    }
    return cel_list_of(run->call.arena, items, count);
}

static struct cel_value evaluate_map(struct evaluation *run, const struct cel_node *node)
{
    struct cel_value map = cel_map_empty(run->call.arena), error, found;
    for (size_t i = 0; i < node->map.count; i++) {
        const struct cel_entry_node *entry = &node->map.entries[i];
        struct cel_value key = evaluate(run, entry->key);
        if (cel_is_error(&key)) {
            return key;
        }
        struct cel_value value = evaluate(run, entry->value);
        if (!cel_is_key(&key)) {
            return cel_error("unsupported key type");
        }
        if (cel_map_find(run->call.arena, &map, &key, &found)) {
            return cel_call_error(&run->call, "Failed with repeated key");
        }
        if (take_element(&value, entry->optional, &error)) {
            map = cel_map_add(run->call.arena, map, key, value);
        } else if (cel_is_error(&error)) {
            return error;
        }
    }
    return map;
}

/* --- Folds -------------------------------------------------------------------------------------
 */

static void set_variables(struct evaluation *run, const struct cel_fold *fold,
                          const struct cel_value *range, size_t index)
{
    struct cel_value *slots = &run->slots[fold->slot];
    if (range->kind == CEL_MAP) {
        cel_map_entry(run->call.arena, range, index, &slots[0], &slots[1]);
        return;
    }
    slots[1] = cel_list_item(run->call.arena, range, index);
    slots[0] = fold->second.len > 0 ? cel_int((int64_t)index) : slots[1];
}

static struct cel_value evaluate_fold(struct evaluation *run, const struct cel_node *node)
{
    const struct cel_fold *fold = &node->fold;
    struct cel_value range = evaluate(run, fold->range);
    if (range.kind != CEL_LIST && range.kind != CEL_MAP) {
        return cel_is_error(&range) ? range : cel_error_no_overload();
    }
    size_t count = range.kind == CEL_LIST ? cel_list_size(&range) : cel_map_size(&range);
    run->slots[fold->slot + 2] = evaluate(run, fold->initial);
    for (size_t i = 0; i < count && !run->over_limit; i++) {
        set_variables(run, fold, &range, i);
        struct cel_value condition = evaluate(run, fold->condition);
        if (condition.kind == CEL_BOOL && !condition.boolean) {
            break;
        }
        /* An inner fold may use the slots above, never these. */
        run->slots[fold->slot + 2] = evaluate(run, fold->step);
        if (!cel_call_takes(&run->call, sizeof(struct cel_value))) {
            return cel_error_memory();
        }
    }
    return evaluate(run, fold->result);
}

static struct cel_value value_of(struct evaluation *run, const struct cel_node *node)
{
    switch (node->kind) {
    case CEL_NODE_LITERAL:
        return node->literal;
    case CEL_NODE_IDENT:
        (void)spend(run, CEL_PRICE_NAME);
        return evaluate_ident(run, node);
    case CEL_NODE_SELECT:
        (void)spend(run, node->select.is_test ? 0 : CEL_PRICE_NAME);
        return evaluate_select(run, node);
    case CEL_NODE_CALL:
        return evaluate_call(run, node);
    case CEL_NODE_LIST:
        (void)spend(run, CEL_PRICE_LIST);
        return evaluate_list(run, node);
    case CEL_NODE_MAP:
        (void)spend(run, CEL_PRICE_MAP);
        return evaluate_map(run, node);
    case CEL_NODE_FOLD:
        return evaluate_fold(run, node);
    case CEL_NODE_STRUCT:
        break;
    }
    return cel_error_no_overload(); /* The checker lets no struct pass. */
}

static struct cel_value evaluate(struct evaluation *run, const struct cel_node *node)
{
    if (run->over_limit) {
        return over_limit();
    }
    struct cel_value value = value_of(run, node);
    return run->over_limit ? over_limit() : value;
}

struct cel_result cel_evaluate(const struct cel_program *program, struct arena *arena,
                               const struct cel_value *values, uint64_t cost_limit)
{
    struct evaluation run = {
        .variables = values,
        .slots = arena_array(arena, program->slot_count, sizeof(struct cel_value)),
        .call = {.arena = arena, .memory_left = CEL_MEMORY_MAX},
        .cost_limit = cost_limit,
    };
    struct cel_value value = evaluate(&run, program->root);
    return (struct cel_result){.value = value, .cost = run.cost, .over_limit = run.over_limit};
}
