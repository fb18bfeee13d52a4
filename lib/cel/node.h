/* Making nodes of the tree; internal to the parser and its macros. */
#ifndef LIB_CEL_NODE_H
#define LIB_CEL_NODE_H
#include "lib/cel/ast.h"

struct cel_builder {
    struct arena *arena;
    struct cel_problems *problems;
    size_t nodes; /* Made so far, up to CEL_NODES_MAX. */
    bool failed;  /* A problem was found: the tree is not used. */
};

/* Children may be NULL, where a problem was found: the node is NULL then as well. */
struct cel_node *cel_node_literal(struct cel_builder *builder, uint32_t offset,
                                  struct cel_value value);
struct cel_node *cel_node_ident(struct cel_builder *builder, uint32_t offset, struct slice name);
struct cel_node *cel_node_select(struct cel_builder *builder, uint32_t offset,
                                 struct cel_node *operand, struct slice field, bool is_test);
/* `arguments` are copied; the receiver is the first of them when `is_member`. */
struct cel_node *cel_node_call(struct cel_builder *builder, uint32_t offset, struct slice function,
                               bool is_member, struct cel_node *const *arguments, size_t count);
struct cel_node *cel_node_operator(struct cel_builder *builder, uint32_t offset, const char *name,
                                   struct cel_node *left, struct cel_node *right);
/* These take over their arrays. */
struct cel_node *cel_node_list(struct cel_builder *builder, uint32_t offset,
                               struct cel_list_node list);
struct cel_node *cel_node_map(struct cel_builder *builder, uint32_t offset, enum cel_node_kind kind,
                              struct cel_map_node map);
struct cel_node *cel_node_fold(struct cel_builder *builder, uint32_t offset, struct cel_fold fold);

/* The expansion of a call that is a macro: NULL when it is not one, or (with `failed` set) when its
 * arguments are wrong. The names of the two-variable comprehensions count when `two_variables`. */
struct cel_node *cel_macro_expand(struct cel_builder *builder, const struct cel_node *call,
                                  bool two_variables);
#endif
