/* JSONPath as kubectl's templates and printer columns have it, for one value: `.spec.replicas`,
 * `.a['b']`, `.a[0]`, `.a[*].b`, `.conditions[?(@.type=="Ready")].status`, `..name`. Pure.
 * Source: Kubernetes documentation, "JSONPath Support". */
#ifndef LIB_API_JSON_PATH_H
#define LIB_API_JSON_PATH_H
#include "lib/api/json_value.h"

/* The first value at `path` in `root`; NULL when there is none, or when the path is malformed. */
const struct json_value *json_path_first(struct arena *arena, const struct json_value *root,
                                         const char *path);
#endif
