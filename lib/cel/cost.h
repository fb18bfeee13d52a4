/* What evaluation costs, as Kubernetes v1.32 counts; internal to lib/cel. One rule of a function's
 * row serves both sides: the price of a call that was made, and bounds on one that may be made.
 * Source: cel-go's cost model and Kubernetes' documentation "CEL cost". */
#ifndef LIB_CEL_COST_H
#define LIB_CEL_COST_H
#include "lib/cel/ast.h"

enum {
    CEL_PRICE_NAME = 1,  /* A name, a selection. */
    CEL_PRICE_LIST = 10, /* A list made by an expression. */
    CEL_PRICE_MAP = 30,  /* A map made by an expression. */
    CEL_PRICE_CHECK = 350000,
};

/* The price of a call that gave `result`. */
uint64_t cel_price(enum cel_cost rule, struct arena *arena, const struct cel_value *arguments,
                   size_t count, const struct cel_value *result);

/* Sizes and costs as ranges; all sums and products stop at UINT64_MAX. */
struct cel_range cel_range_exactly(uint64_t value);
struct cel_range cel_range_add(struct cel_range a, struct cel_range b);
struct cel_range cel_range_multiply(struct cel_range a, struct cel_range b);
struct cel_range cel_range_union(struct cel_range a, struct cel_range b);
struct cel_range cel_range_scale(struct cel_range a, double factor); /* Rounded up. */

struct cel_call_bounds {
    struct cel_range cost;
    bool has_size;
    struct cel_range size; /* Of the result. */
};
/* Bounds on a call whose arguments have these sizes; `element` is the size of an element of the
 * first argument where the rule looks at text in a list (`text_elements`). */
struct cel_call_bounds cel_bounds(enum cel_cost rule, const struct cel_range *sizes, size_t count,
                                  const struct cel_range *element, bool text_elements);
#endif
