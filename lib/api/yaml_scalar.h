/* What a plain YAML scalar means (YAML 1.1, as Go's yaml.v2 resolves it). Internal to lib/api. */
#ifndef LIB_API_YAML_SCALAR_H
#define LIB_API_YAML_SCALAR_H
#include "lib/api/json_value.h"

/* A null, boolean or number, or a string when it is none of them. */
struct json_value *yaml_resolve(struct arena *arena, struct slice text);
#endif
