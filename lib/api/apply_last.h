/* The annotation in which client-side apply keeps what was applied last: objects move from there
 * to server-side apply by kubectl without conflicts with themselves. Internal to lib/api. */
#ifndef LIB_API_APPLY_LAST_H
#define LIB_API_APPLY_LAST_H
#include "lib/api/apply.h"

/* Paths of what was applied last and is so still: nobody but the manager "kubectl" may take them
 * from others. NULL when the object does not tell. */
const struct json_value *apply_last_allowed(struct arena *arena,
                                            const struct api_apply_request *request,
                                            const struct json_value *live);
/* After an apply by "kubectl": the annotation, where there is one, says what was applied. */
void apply_last_update(struct arena *arena, const struct api_apply_request *request,
                       struct json_value *object, const struct json_value *applied);
#endif
