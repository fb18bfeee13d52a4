/* JSON trees as values of CEL, read in place: what expressions see of an object, a request, a
 * parameter. Pure. */
#ifndef APISERVER_CEL_TREE_H
#define APISERVER_CEL_TREE_H
#include "lib/api/json_value.h"
#include "lib/cel/value.h"

/* `tree` (NULL is null) stays while the value is used. Whole numbers are ints. */
struct cel_value cel_tree_value(const struct json_value *tree);
#endif
