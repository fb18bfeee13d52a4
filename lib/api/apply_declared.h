/* Whether an applied configuration has the form that the schema of its kind declares, as apply sees
 * it: it may not have what is not there, and items of keyed lists have their keys, once. Internal
 * to lib/api. */
#ifndef LIB_API_APPLY_DECLARED_H
#define LIB_API_APPLY_DECLARED_H
#include "lib/api/apply_shape.h"

/* What is wrong with `applied`, in the words of v1.32; NULL when nothing is. */
const char *apply_find_undeclared(struct arena *arena, const struct api_message *table,
                                  const struct json_value *applied);
#endif
