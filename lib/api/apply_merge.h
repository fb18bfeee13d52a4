/* Changing objects for apply: merging a configuration in, taking fields out. Internal to lib/api.
 */
#ifndef LIB_API_APPLY_MERGE_H
#define LIB_API_APPLY_MERGE_H
#include "lib/api/apply_shape.h"

struct api_path;

/* `live` with what `applied` says, which shares values with both. A list gets the order of what is
 * applied; null and what is empty change nothing of a container that has something. */
struct json_value *apply_merge(struct arena *arena, const struct apply_shape *root,
                               const struct json_value *live, const struct json_value *applied);
/* The value without the fields and items of the set, which shares values with it; NULL when it is a
 * container of which nothing is left. */
struct json_value *apply_without(struct arena *arena, const struct apply_shape *shape,
                                 struct json_value *value, const struct json_value *set);
/* `{"a":1,"b":"x"}` as `a=1,b="x"`. */
const char *apply_key_text(struct arena *arena, const char *key_json);
/* `.spec.containers[name="c"]`; "" for NULL. */
const char *apply_path_text(struct arena *arena, const struct api_path *path);
#endif
