/* The field paths (apply_set.h) of JSON trees, and what differs between two of them, by the rules
 * of structured merge: items of lists are named by their keys or values, and those that share a
 * name are one piece. Internal to lib/api. */
#ifndef LIB_API_APPLY_COMPARE_H
#define LIB_API_APPLY_COMPARE_H
#include "lib/api/apply_difference.h"
#include "lib/api/apply_shape.h"

/* What who applies a configuration owns. Never NULL. */
struct json_value *apply_set_of(struct arena *arena, const struct apply_shape *root,
                                const struct json_value *value);
/* The set of a member that is new, or gone: all that is in it, and itself. */
struct json_value *apply_set_of_new(struct arena *arena, const struct apply_shape *shape,
                                    const struct json_value *value);
/* What differs between two objects. Neither set is NULL. */
struct apply_difference apply_compare(struct arena *arena, const struct apply_shape *root,
                                      const struct json_value *before,
                                      const struct json_value *after);
/* The same of one member, of which one value may be NULL (absent). Either set is NULL when it is
 * empty. */
struct apply_difference apply_compare_member(struct arena *arena, const struct apply_shape *shape,
                                             struct json_value *before, struct json_value *after);
#endif
