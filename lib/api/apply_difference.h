/* What differs between two decoded objects, as sets of field paths (apply_set.h). Walks the tables:
 * trees are made only of lists and of what has no table, where they differ. Internal to lib/api. */
#ifndef LIB_API_APPLY_DIFFERENCE_H
#define LIB_API_APPLY_DIFFERENCE_H
#include "lib/base/arena.h"

struct api_message;
struct json_value;

struct apply_difference {
    struct json_value *changed; /* New or different in `after`, containers included. */
    struct json_value *gone;    /* In `before` and no more in `after`. */
};

/* Equal to apply_compare() of the JSON trees; neither set is NULL. */
struct apply_difference apply_difference(struct arena *arena, const struct api_message *table,
                                         const void *before, const void *after);
#endif
