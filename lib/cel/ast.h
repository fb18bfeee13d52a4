/* The tree of an expression, and its problems; internal to lib/cel. The parser makes it (macros
 * expanded), the checker fills in types and bindings, then it is constant. All in one arena. */
#ifndef LIB_CEL_AST_H
#define LIB_CEL_AST_H
#include "lib/base/error.h"
#include "lib/cel/cel.h"

enum cel_node_kind {
    CEL_NODE_LITERAL,
    CEL_NODE_IDENT,
    CEL_NODE_SELECT,
    CEL_NODE_CALL,
    CEL_NODE_LIST,
    CEL_NODE_MAP,
    CEL_NODE_STRUCT,
    CEL_NODE_FOLD,
};

/* What a name stands for; the checker's answer. */
enum cel_binding {
    CEL_BINDING_NONE,
    CEL_BINDING_VARIABLE, /* index: of the environment's variables */
    CEL_BINDING_LOCAL,    /* index: of the slots of an evaluation */
    CEL_BINDING_TYPE,     /* `named` */
};

/* Calls that do not evaluate all their arguments first. */
enum cel_form {
    CEL_FORM_PLAIN,
    CEL_FORM_AND,
    CEL_FORM_OR,
    CEL_FORM_CONDITIONAL,
    CEL_FORM_NOT_STRICTLY_FALSE,
    CEL_FORM_OPTIONAL_OR,       /* optional.or(optional) */
    CEL_FORM_OPTIONAL_OR_VALUE, /* optional.orValue(value) */
};

struct cel_node;

struct cel_ident {
    struct slice name;
    enum cel_binding binding;
    size_t index;
    const struct cel_type *named;
};

struct cel_select {
    struct cel_node *operand;
    struct slice field;
    bool is_test; /* has(operand.field) */
};

struct cel_call_node {
    struct slice function;
    struct cel_node **arguments; /* The receiver first, when is_member. */
    size_t count;
    bool is_member;
    enum cel_form form;
    const struct cel_overload **candidates; /* Those that fit the types of the arguments. */
    size_t candidate_count;
    const struct cel_regex *regex; /* Of a constant pattern. */
};

struct cel_list_node {
    struct cel_node **items;
    bool *optional; /* Written `?item`. */
    size_t count;
};

struct cel_entry_node {
    struct cel_node *key; /* NULL in a struct. */
    struct slice field;   /* In a struct. */
    struct cel_node *value;
    bool optional;
};

struct cel_map_node {
    struct slice name; /* Of a struct. */
    struct cel_entry_node *entries;
    size_t count;
};

/* All comprehensions are folds: over each element of `range`, while `condition` is not false, the
 * accumulator becomes `step`; the value is `result`. */
struct cel_fold {
    struct slice variable;
    struct slice second; /* Value or element of a fold with two variables; else empty. */
    struct slice accumulator;
    struct cel_node *range, *initial, *condition, *step, *result;
    size_t slot; /* Of `variable`; `second` and `accumulator` have the next two. */
};

struct cel_node {
    enum cel_node_kind kind;
    uint32_t offset; /* Byte of the text that errors point at. */
    uint32_t depth;  /* Of the tree below, this node included. */
    const struct cel_type *type;
    const struct cel_node *source; /* What a macro was written as, for printing; else NULL. */
    union {
        struct cel_value literal;
        struct cel_ident ident;
        struct cel_select select;
        struct cel_call_node call;
        struct cel_list_node list;
        struct cel_map_node map; /* CEL_NODE_MAP and CEL_NODE_STRUCT */
        struct cel_fold fold;
    };
};

/* Problems found, in any order; printed in that of the text. */
struct cel_problems {
    struct arena *arena;
    struct slice text;
    size_t count;
    struct cel_problem {
        uint32_t offset;
        const char *message;
    } items[CEL_ERRORS_MAX];
};
void cel_problem_add(struct cel_problems *problems, uint32_t offset, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* All problems in CEL's form, joined by newlines. */
const char *cel_problems_text(struct cel_problems *problems);

/* NULL with problems added when the text is not an expression. */
struct cel_node *cel_parse(struct arena *arena, struct slice text, bool two_variables,
                           struct cel_problems *problems);
/* Fills in types and bindings. Returns the number of slots that an evaluation needs. */
size_t cel_check(struct arena *arena, const struct cel_env *env, struct cel_node *root,
                 struct cel_problems *problems);
/* Constant arguments of duration(), timestamp() and matches() are looked at before any evaluation.
 */
void cel_check_literals(struct arena *arena, struct cel_node *node, struct cel_problems *problems);
void cel_print(const struct cel_node *node, struct buffer *out);
struct cel_range cel_estimate(struct arena *arena, const struct cel_node *root, size_t slot_count);

struct cel_program {
    const struct cel_env *env;
    const struct cel_node *root;
    size_t slot_count;
};
#endif
