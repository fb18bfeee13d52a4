/* What CEL expressions see of a structural schema: declared types, with bounds on sizes from
 * maxItems, maxProperties, maxLength and enums, or, without any, from the largest request. Pure.
 * Source: Kubernetes documentation, "Validation rules" and "Type system integration". */
#ifndef LIB_API_CUSTOM_TYPES_H
#define LIB_API_CUSTOM_TYPES_H
#include "lib/api/structural.h"
#include "lib/cel/type.h"

/* The largest request, as v1.32 takes it for estimates. */
enum { CUSTOM_REQUEST_MAX = 3 * 1024 * 1024 };

/* The type of values of `schema`; NULL when expressions cannot see them: it has no type, or is a
 * list or map of such values. `is_resource` values have apiVersion, kind and metadata. Types of
 * objects are called `name`, and those of their fields by the path from there. Types of fields are
 * made in `arena` when they are asked for: one thread only, until no expression is compiled against
 * the type any more. */
const struct cel_type *custom_type(struct arena *arena, const struct structural *schema,
                                   bool is_resource, const char *name);
/* The least bytes of JSON that such a value takes. */
uint64_t custom_size_min(const struct structural *schema, bool is_resource);

/* What expressions call the property `name`, in the arena: what CEL cannot write is escaped. False
 * when there is no way to write it. */
bool custom_escape(struct arena *arena, struct slice name, struct slice *ret_escaped);
/* And back; false for an escape that there is not. */
bool custom_unescape(struct arena *arena, struct slice escaped, struct slice *ret_name);
#endif
