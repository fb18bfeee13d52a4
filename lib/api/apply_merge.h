/* Changing objects for apply: merging a configuration in, taking fields out. Internal to lib/api.
 */
#ifndef LIB_API_APPLY_MERGE_H
#define LIB_API_APPLY_MERGE_H
#include "lib/api/apply_shape.h"

/* `live` with what `applied` says; changes and returns `live`. */
struct json_value *apply_merge(struct arena *arena, const struct apply_shape *shape,
                               struct json_value *live, const struct json_value *applied);
/* Takes the fields of `dropped` out of the object, but for those that `others` own; items go as a
 * whole when neither others nor `kept` (the applier's new set) have them. */
void apply_remove(struct arena *arena, const struct apply_shape *shape, struct json_value *object,
                  const struct json_value *dropped, const struct json_value *others,
                  const struct json_value *kept);
/* `{"a":1,"b":"x"}` as `a=1,b="x"`. */
const char *apply_key_text(struct arena *arena, const char *key_json);
#endif
