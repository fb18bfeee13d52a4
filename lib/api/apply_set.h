/* Sets of field paths in the form of FieldsV1: a tree of objects with members "f:<name>",
 * "k:<keys>", "v:<value>" and "." (the thing itself). An empty object is the end of a path.
 * Internal to lib/api. */
#ifndef LIB_API_APPLY_SET_H
#define LIB_API_APPLY_SET_H
#include "lib/api/apply_shape.h"

#define APPLY_SELF "." /* The thing itself. */

/* All paths of a value. `dots`: containers count too (what an update makes, it owns). */
struct json_value *apply_set_of(struct arena *arena, const struct apply_shape *shape,
                                const struct json_value *value, bool dots);
/* All paths of a member that is new, and the member itself when it contains something. */
struct json_value *apply_set_of_new(struct arena *arena, const struct apply_shape *shape,
                                    const struct json_value *value);
/* Adds member "f:<name>"; the set has none of that name. */
void apply_set_add_field(struct arena *arena, struct json_value *set, struct slice name,
                         struct json_value *inner);
/* Paths that are new or different in `after`; NULL for none. */
struct json_value *apply_set_changed(struct arena *arena, const struct apply_shape *shape,
                                     const struct json_value *before,
                                     const struct json_value *after, bool dots);
struct json_value *apply_set_union(struct arena *arena, const struct json_value *a,
                                   const struct json_value *b);
/* Either may be NULL (empty); the result is never NULL and shares values with its operands, as
 * that of the union does: a set that was an operand may not be changed any more. */
struct json_value *apply_set_minus(struct arena *arena, const struct json_value *a,
                                   const struct json_value *b);
/* The same of the sets of one member; NULL when nothing is left of it. */
struct json_value *apply_set_gone(struct arena *arena, struct json_value *had,
                                  const struct json_value *has);
struct json_value *apply_set_common(struct arena *arena, const struct json_value *a,
                                    const struct json_value *b);
/* Whether a tree that comes from outside is a set: 0 or -EINVAL. Elements of a kind that we do not
 * know are taken out. */
MUST_USE int apply_set_check(struct arena *arena, struct json_value *set);
/* Takes out what nobody can own: kind, apiVersion, and the server's part of metadata. */
void apply_set_strip(struct json_value *set);
#endif
