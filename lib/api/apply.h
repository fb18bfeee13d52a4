/* Server-side apply and field ownership (KEP-555): managedFields with FieldsV1 sets. Pure; works on
 * JSON trees and the message tables. */
#ifndef LIB_API_APPLY_H
#define LIB_API_APPLY_H
#include "lib/base/arena.h"
#include "lib/base/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct api_kind;
struct api_message;
struct api_status;
struct json_value;

enum { API_FIELD_MANAGER_MAX = 128 };

struct api_apply_request {
    const struct api_kind *kind;
    const char *manager;     /* Required for an apply. */
    const char *subresource; /* "" for the object itself. */
    int64_t now_s;           /* Unix time for managedFields[].time. */
    bool force;
};

/* Merges the applied configuration into `live` (NULL when the object does not exist) and updates
 * metadata.managedFields. Returns 0, -EINVAL (400 or 422), or -EEXIST with a 409 Status that names
 * the conflicts. */
MUST_USE int api_apply(struct arena *arena, const struct api_apply_request *request,
                       const struct json_value *live, const struct json_value *applied,
                       struct json_value **ret_object, const struct api_status **reterr_status);
/* After a create, update or other patch: gives the fields that changed from `before` (NULL on
 * create) to `after` to the manager, with operation Update: sets metadata.managedFields of `after`,
 * which may share memory with `before`. One call in the path of every create, update and patch (but
 * apply), after defaults and before validation. Costs a walk over both objects. */
void api_managed_fields_track(struct arena *arena, const struct api_apply_request *request,
                              const void *before, void *after);
/* Why the managedFields of an object cannot be read, in v1.32's words; NULL when they can be. */
const char *api_managed_fields_problem(struct arena *arena, const struct api_message *table,
                                       const void *object);
#endif
