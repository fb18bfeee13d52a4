/* Sets of field paths in the form of FieldsV1: a tree of objects with members "f:<name>",
 * "k:<keys>", "v:<value>" and "." (the thing itself). An empty object is the end of a path.
 * Internal to lib/api. */
#ifndef LIB_API_APPLY_SET_H
#define LIB_API_APPLY_SET_H
#include "lib/api/json_value.h"

#define APPLY_SELF "." /* The thing itself. */

/* Adds member "f:<name>"; the set has none of that name. */
void apply_set_add_field(struct arena *arena, struct json_value *set, struct slice name,
                         struct json_value *inner);
/* Whether the set of a member has the member itself, and not only what is in it. */
bool apply_set_has_self(const struct json_value *node);
/* The set of a member from that of what is in it, which it changes; NULL for nothing. */
struct json_value *apply_set_node(struct arena *arena, struct json_value *inner, bool self);

/* Either may be NULL (empty); the result is never NULL and shares values with its operands: a set
 * that was an operand may not be changed any more. */
struct json_value *apply_set_union(struct arena *arena, const struct json_value *a,
                                   const struct json_value *b);
struct json_value *apply_set_minus(struct arena *arena, const struct json_value *a,
                                   const struct json_value *b);
struct json_value *apply_set_common(struct arena *arena, const struct json_value *a,
                                    const struct json_value *b);
/* Whether a tree that comes from outside is a set: 0 or -EINVAL. Elements of a kind that we do not
 * know are taken out. */
MUST_USE int apply_set_check(struct arena *arena, struct json_value *set);
/* Takes out what nobody can own: kind, apiVersion, and the server's part of metadata. */
void apply_set_strip(struct json_value *set);
#endif
