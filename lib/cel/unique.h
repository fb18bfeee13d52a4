/* Lists in which order means nothing; internal to lib/cel. What their view's `identity` gives the
 * same text for is one item. */
#ifndef LIB_CEL_UNIQUE_H
#define LIB_CEL_UNIQUE_H
#include "lib/cel/value.h"

static inline bool cel_is_unique(const struct cel_value *list)
{
    return list->list.view->identity != NULL;
}
/* Whether both lists have equal items, whatever their order; `a` says what is one item. */
bool cel_unique_equal(struct arena *arena, const struct cel_value *a, const struct cel_value *b);
/* The items of `a` where they are, each replaced by the one of `b` that stands for the same, and
 * then the others of `b`. */
struct cel_value cel_unique_concat(struct arena *arena, const struct cel_value *a,
                                   const struct cel_value *b);
#endif
