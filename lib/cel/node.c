#include "lib/cel/node.h"

static struct cel_node *node_new(struct cel_builder *builder, enum cel_node_kind kind,
                                 uint32_t offset)
{
    if (builder->nodes == CEL_NODES_MAX) {
        cel_problem_add(builder->problems, offset, "expression has more than %d nodes",
                        (int)CEL_NODES_MAX);
        builder->failed = true;
        return NULL;
    }
    struct cel_node *node = arena_zeroed(builder->arena, sizeof(*node));
    builder->nodes++;
    node->kind = kind;
    node->offset = offset;
    node->depth = 1;
    return node;
}

/* Hangs `child` below `node`. False when there is none, or when the tree gets too deep. */
static bool adopt(struct cel_builder *builder, struct cel_node *node, const struct cel_node *child)
{
    if (child == NULL || node == NULL) {
        builder->failed = true;
        return false;
    }
    if (child->depth + 1 > node->depth) {
        node->depth = child->depth + 1;
    }
    if (node->depth > CEL_DEPTH_MAX) {
        cel_problem_add(builder->problems, node->offset, "expression recursion limit exceeded: %d",
                        (int)CEL_DEPTH_MAX);
        builder->failed = true;
        return false;
    }
    return true;
}

struct cel_node *cel_node_literal(struct cel_builder *builder, uint32_t offset,
                                  struct cel_value value)
{
    struct cel_node *node = node_new(builder, CEL_NODE_LITERAL, offset);
    if (node != NULL) {
        node->literal = value;
    }
    return node;
}

struct cel_node *cel_node_ident(struct cel_builder *builder, uint32_t offset, struct slice name)
{
    struct cel_node *node = node_new(builder, CEL_NODE_IDENT, offset);
    if (node != NULL) {
        node->ident.name = name;
    }
    return node;
}

struct cel_node *cel_node_select(struct cel_builder *builder, uint32_t offset,
                                 struct cel_node *operand, struct slice field, bool is_test)
{
    struct cel_node *node = node_new(builder, CEL_NODE_SELECT, offset);
    if (!adopt(builder, node, operand)) {
        return NULL;
    }
    node->select = (struct cel_select){.operand = operand, .field = field, .is_test = is_test};
    return node;
}

static enum cel_form form_of(struct slice function, bool is_member, size_t count)
{
    static const struct {
        const char *function;
        size_t count;
        bool is_member;
        enum cel_form form;
    } forms[] = {
        {"_&&_", 2, false, CEL_FORM_AND},
        {"_||_", 2, false, CEL_FORM_OR},
        {"_?_:_", 3, false, CEL_FORM_CONDITIONAL},
        {"@not_strictly_false", 1, false, CEL_FORM_NOT_STRICTLY_FALSE},
        {"or", 2, true, CEL_FORM_OPTIONAL_OR},
        {"orValue", 2, true, CEL_FORM_OPTIONAL_OR_VALUE},
    };
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        if (forms[i].count == count && forms[i].is_member == is_member &&
            slice_is(function, forms[i].function)) {
            return forms[i].form;
        }
    }
    return CEL_FORM_PLAIN;
}

struct cel_node *cel_node_call(struct cel_builder *builder, uint32_t offset, struct slice function,
                               bool is_member, struct cel_node *const *arguments, size_t count)
{
    struct cel_node *node = node_new(builder, CEL_NODE_CALL, offset);
    struct cel_node **copy = arena_array(builder->arena, count, sizeof(*copy));
    for (size_t i = 0; i < count; i++) {
        if (!adopt(builder, node, arguments[i])) {
            return NULL;
        }
        copy[i] = arguments[i];
    }
    if (node != NULL) {
        node->call = (struct cel_call_node){.function = function,
                                            .arguments = copy,
                                            .count = count,
                                            .is_member = is_member,
                                            .form = form_of(function, is_member, count)};
    }
    return node;
}

struct cel_node *cel_node_operator(struct cel_builder *builder, uint32_t offset, const char *name,
                                   struct cel_node *left, struct cel_node *right)
{
    struct cel_node *arguments[] = {left, right};
    return cel_node_call(builder, offset, slice_text(name), /* is_member= */ false, arguments,
                         right == NULL ? 1 : 2);
}

struct cel_node *cel_node_list(struct cel_builder *builder, uint32_t offset,
                               struct cel_list_node list)
{
    struct cel_node *node = node_new(builder, CEL_NODE_LIST, offset);
    for (size_t i = 0; i < list.count; i++) {
        if (!adopt(builder, node, list.items[i])) {
            return NULL;
        }
    }
    if (node != NULL) {
        node->list = list;
    }
    return node;
}

struct cel_node *cel_node_map(struct cel_builder *builder, uint32_t offset, enum cel_node_kind kind,
                              struct cel_map_node map)
{
    struct cel_node *node = node_new(builder, kind, offset);
    for (size_t i = 0; i < map.count; i++) {
        if ((kind == CEL_NODE_MAP && !adopt(builder, node, map.entries[i].key)) ||
            !adopt(builder, node, map.entries[i].value)) {
            return NULL;
        }
    }
    if (node != NULL) {
        node->map = map;
    }
    return node;
}

struct cel_node *cel_node_fold(struct cel_builder *builder, uint32_t offset, struct cel_fold fold)
{
    struct cel_node *node = node_new(builder, CEL_NODE_FOLD, offset);
    const struct cel_node *children[] = {fold.range, fold.initial, fold.condition, fold.step,
                                         fold.result};
    for (size_t i = 0; i < ARRAY_LEN(children); i++) {
        if (!adopt(builder, node, children[i])) {
            return NULL;
        }
    }
    node->fold = fold;
    return node;
}
