/* Bounds on the cost of a program before it runs. Sizes come from literals, from what functions
 * give, and from the types of variables, which say how much a value may hold (`size_max`); a size
 * from a type counts only where the expression reaches the value from a variable. */
#include "lib/cel/cost.h"

/* What is known of a node. */
struct estimate {
    struct cel_range cost;
    bool has_size;
    struct cel_range size;
    const struct cel_type *reached; /* Its type, when it is reached from a variable; else NULL. */
};

struct estimator {
    struct estimate *slots; /* Of the variables of folds. */
};

static struct estimate estimate(struct estimator *estimator, const struct cel_node *node);

static bool is_scalar(const struct cel_type *type)
{
    return type->kind == CEL_TYPE_BOOL || type->kind == CEL_TYPE_INT ||
           type->kind == CEL_TYPE_UINT || type->kind == CEL_TYPE_DOUBLE ||
           type->kind == CEL_TYPE_TIMESTAMP || type->kind == CEL_TYPE_DURATION ||
           type->kind == CEL_TYPE_OPAQUE;
}

/* Fills in the size by the type, where nothing better is known. */
static struct estimate with_type(struct estimate known, const struct cel_type *type)
{
    if (known.has_size) {
        return known;
    }
    if (known.reached != NULL && !(is_scalar(type) && type->size_max == 1)) {
        known.has_size = true;
        known.size = (struct cel_range){0, known.reached->size_max};
    } else if (is_scalar(type)) {
        known.has_size = true;
        known.size = cel_range_exactly(1);
    }
    return known;
}

static struct cel_range size_or_unknown(const struct estimate *known)
{
    return known->has_size ? known->size : (struct cel_range){0, UINT64_MAX};
}

static struct estimate estimate_ident(struct estimator *estimator, const struct cel_node *node)
{
    struct estimate known = {.cost = cel_range_exactly(CEL_PRICE_NAME)};
    if (node->ident.binding == CEL_BINDING_LOCAL) {
        known = estimator->slots[node->ident.index];
        known.cost = cel_range_exactly(CEL_PRICE_NAME);
    } else if (node->ident.binding == CEL_BINDING_VARIABLE) {
        known.reached = node->type;
    }
    return known;
}

static struct estimate estimate_select(struct estimator *estimator, const struct cel_node *node)
{
    struct estimate operand = estimate(estimator, node->select.operand);
    const struct cel_type *type = node->select.operand->type;
    struct estimate known = {.cost = operand.cost};
    if (node->select.is_test) {
        return known;
    }
    if (type->kind == CEL_TYPE_MAP || type->kind == CEL_TYPE_OBJECT) {
        known.cost = cel_range_add(known.cost, cel_range_exactly(CEL_PRICE_NAME));
    }
    /* Fields of maps are not followed: so says Kubernetes' model. */
    bool followed = operand.reached != NULL && type->kind == CEL_TYPE_OBJECT;
    known.reached = followed ? node->type : NULL;
    return known;
}

/* --- Calls -------------------------------------------------------------------------------------
 */

static struct estimate estimate_logic(struct estimator *estimator, const struct cel_node *node)
{
    struct estimate left = estimate(estimator, node->call.arguments[0]);
    struct estimate right = estimate(estimator, node->call.arguments[1]);
    return (struct estimate){.cost = {left.cost.min, cel_range_add(left.cost, right.cost).max}};
}

static struct estimate estimate_conditional(struct estimator *estimator,
                                            const struct cel_node *node)
{
    struct estimate condition = estimate(estimator, node->call.arguments[0]);
    struct estimate yes = estimate(estimator, node->call.arguments[1]);
    struct estimate no = estimate(estimator, node->call.arguments[2]);
    return (struct estimate){.cost =
                                 cel_range_add(condition.cost, cel_range_union(yes.cost, no.cost)),
                             .has_size = true,
                             .size = cel_range_union(size_or_unknown(&yes), size_or_unknown(&no))};
}

/* The size of an element of the first argument, when that is a list. */
static const struct cel_range *element_size(const struct cel_node *node,
                                            const struct estimate *list, struct cel_range *ret_size,
                                            bool *ret_text)
{
    const struct cel_type *type = node->type;
    *ret_text = false;
    if (type->kind != CEL_TYPE_LIST) {
        return NULL;
    }
    const struct cel_type *item = type->items[0];
    struct estimate element = {.reached = list->reached == NULL ? NULL : item};
    element = with_type(element, item);
    *ret_size = size_or_unknown(&element);
    *ret_text = item->kind == CEL_TYPE_STRING || item->kind == CEL_TYPE_BYTES;
    return ret_size;
}

static bool is_index(const struct cel_call_node *call)
{
    return slice_is(call->function, "_[_]") || slice_is(call->function, "_[?_]");
}

static struct estimate estimate_plain(struct estimator *estimator, const struct cel_node *node)
{
    const struct cel_call_node *call = &node->call;
    struct cel_range sizes[ARRAY_LEN(((struct cel_signature *)NULL)->arguments)];
    struct estimate first = {.has_size = false}, known = {.has_size = false};
    struct cel_range sum = {0, 0}, own = {UINT64_MAX, 0}, element;
    bool text_elements = false;
    for (size_t i = 0; i < call->count; i++) {
        struct estimate argument = estimate(estimator, call->arguments[i]);
        sum = cel_range_add(sum, argument.cost);
        sizes[i] = size_or_unknown(&argument);
        first = i == 0 ? argument : first;
    }
    const struct cel_range *items =
        call->count == 0 ? NULL
                         : element_size(call->arguments[0], &first, &element, &text_elements);
    for (size_t i = 0; i < call->candidate_count; i++) {
        struct cel_call_bounds bounds =
            cel_bounds(call->candidates[i]->row->cost, sizes, call->count, items, text_elements);
        own = cel_range_union(own, bounds.cost);
        if (bounds.has_size) {
            known.size = known.has_size ? cel_range_union(known.size, bounds.size) : bounds.size;
            known.has_size = true;
        }
    }
    known.cost = cel_range_add(sum, own);
    if (slice_is(call->function, "dyn")) {
        known.has_size = first.has_size;
        known.size = first.size;
    } else if (is_index(call) && first.reached != NULL && node->type->kind != CEL_TYPE_OPTIONAL) {
        known.reached = node->type;
    }
    return known;
}

static struct estimate estimate_call(struct estimator *estimator, const struct cel_node *node)
{
    struct estimate left, right;
    switch (node->call.form) {
    case CEL_FORM_AND:
    case CEL_FORM_OR:
        return estimate_logic(estimator, node);
    case CEL_FORM_CONDITIONAL:
        return estimate_conditional(estimator, node);
    case CEL_FORM_OPTIONAL_OR:
    case CEL_FORM_OPTIONAL_OR_VALUE:
        left = estimate(estimator, node->call.arguments[0]);
        right = estimate(estimator, node->call.arguments[1]);
        left.cost = cel_range_add(cel_range_add(left.cost, right.cost), cel_range_exactly(1));
        return (struct estimate){.cost = left.cost};
    case CEL_FORM_NOT_STRICTLY_FALSE:
        left = estimate(estimator, node->call.arguments[0]);
        return (struct estimate){.cost = cel_range_add(left.cost, cel_range_exactly(1))};
    case CEL_FORM_PLAIN:
        break;
    }
    return estimate_plain(estimator, node);
}

/* --- Containers and folds ----------------------------------------------------------------------
 */

static struct estimate estimate_list(struct estimator *estimator, const struct cel_node *node)
{
    struct cel_range cost = cel_range_exactly(CEL_PRICE_LIST);
    for (size_t i = 0; i < node->list.count; i++) {
        cost = cel_range_add(cost, estimate(estimator, node->list.items[i]).cost);
    }
    return (struct estimate){
        .cost = cost, .has_size = true, .size = cel_range_exactly(node->list.count)};
}

static struct estimate estimate_map(struct estimator *estimator, const struct cel_node *node)
{
    struct cel_range cost = cel_range_exactly(CEL_PRICE_MAP);
    for (size_t i = 0; i < node->map.count; i++) {
        cost = cel_range_add(cost, estimate(estimator, node->map.entries[i].key).cost);
        cost = cel_range_add(cost, estimate(estimator, node->map.entries[i].value).cost);
    }
    return (struct estimate){
        .cost = cost, .has_size = true, .size = cel_range_exactly(node->map.count)};
}

static struct estimate reached_part(const struct estimate *whole, const struct cel_type *part)
{
    struct estimate known = {.reached = whole->reached == NULL ? NULL : part};
    return with_type(known, part);
}

/* What the variables of a fold hold. */
static void set_variables(struct estimator *estimator, const struct cel_fold *fold,
                          const struct estimate *range)
{
    struct estimate *slots = &estimator->slots[fold->slot];
    const struct cel_type *type = fold->range->type;
    slots[0] = slots[1] = (struct estimate){.has_size = false};
    if (type->kind == CEL_TYPE_LIST) {
        slots[1] = reached_part(range, type->items[0]);
        slots[0] = slots[1];
        if (fold->second.len > 0) {
            slots[0] = (struct estimate){.has_size = true, .size = cel_range_exactly(1)};
        }
    } else if (type->kind == CEL_TYPE_MAP) {
        slots[0] = reached_part(range, type->items[0]);
        slots[1] = reached_part(range, type->items[1]);
    }
}

/* optMap(): a fold over nothing that evaluates its initial value and its result. */
static bool is_bind(const struct cel_fold *fold)
{
    return fold->range->kind == CEL_NODE_LIST && fold->range->list.count == 0 &&
           fold->condition->kind == CEL_NODE_LITERAL && !fold->condition->literal.boolean;
}

static struct estimate estimate_fold(struct estimator *estimator, const struct cel_node *node)
{
    const struct cel_fold *fold = &node->fold;
    struct estimate range = estimate(estimator, fold->range);
    struct estimate initial = estimate(estimator, fold->initial);
    struct cel_range sum = cel_range_add(range.cost, initial.cost);
    estimator->slots[fold->slot + 2] = initial;
    set_variables(estimator, fold, &range);
    if (is_bind(fold)) {
        struct estimate result = estimate(estimator, fold->result);
        result.cost = cel_range_add(sum, result.cost);
        return result;
    }
    if (fold->initial->kind == CEL_NODE_LIST) {
        estimator->slots[fold->slot + 2].has_size = false;
    }
    struct cel_range each = cel_range_add(estimate(estimator, fold->condition).cost,
                                          estimate(estimator, fold->step).cost);
    struct cel_range count = size_or_unknown(&range);
    struct estimate result = estimate(estimator, fold->result);
    sum = cel_range_add(sum, result.cost);
    return (struct estimate){.cost = cel_range_add(sum, cel_range_multiply(count, each)),
                             .has_size = true,
                             .size = count}; /* Whatever it results in: so says cel-go's model. */
}

static struct estimate estimate_kind(struct estimator *estimator, const struct cel_node *node)
{
    switch (node->kind) {
    case CEL_NODE_LITERAL:
        return (struct estimate){.has_size = true,
                                 .size = cel_range_exactly(cel_size(&node->literal))};
    case CEL_NODE_IDENT:
        return estimate_ident(estimator, node);
    case CEL_NODE_SELECT:
        return estimate_select(estimator, node);
    case CEL_NODE_CALL:
        return estimate_call(estimator, node);
    case CEL_NODE_LIST:
        return estimate_list(estimator, node);
    case CEL_NODE_MAP:
        return estimate_map(estimator, node);
    case CEL_NODE_FOLD:
        return estimate_fold(estimator, node);
    case CEL_NODE_STRUCT:
        break;
    }
    return (struct estimate){.has_size = false};
}

static struct estimate estimate(struct estimator *estimator, const struct cel_node *node)
{
    return with_type(estimate_kind(estimator, node), node->type);
}

struct cel_range cel_estimate(struct arena *arena, const struct cel_node *root, size_t slot_count)
{
    struct estimator estimator = {.slots = arena_array(arena, slot_count, sizeof(struct estimate))};
    return estimate(&estimator, root).cost;
}
