/* What clients see of Go in the words of v1.32: numbers and truth values in text as its strconv
 * reads and refuses them, and names of packages. Pure. */
#ifndef APISERVER_GO_TEXT_H
#define APISERVER_GO_TEXT_H
#include "lib/base/arena.h"
#include <stdbool.h>
#include <stdint.h>

/* False when the text (NULL: none) says neither; *ret_value is untouched then. */
bool go_text_bool(const char *text, bool *ret_value);
/* NULL, or why it is none, "strconv.ParseInt: parsing "x": invalid syntax"; *ret_value is untouched
 * then. */
const char *go_text_int(struct arena *arena, const char *text, int64_t *ret_value);
const char *go_text_uint(struct arena *arena, const char *text, uint64_t *ret_value);
/* Where the types of an API group are, "core" or "rbac", as messages name them. */
const char *go_text_package(struct arena *arena, const char *group);
#endif
