/* JSON trees as values of CEL expressions, read in place with the types of a structural schema. */
#ifndef LIB_API_CUSTOM_VALUES_H
#define LIB_API_CUSTOM_VALUES_H
#include "lib/api/structural.h"
#include "lib/cel/value.h"

/* `schema` NULL: nobody knows. What the value is made of is in the arena and in the tree. */
struct cel_value custom_value_of(struct arena *arena, const struct structural *schema,
                                 const struct json_value *value);
#endif
