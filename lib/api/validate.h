/* Validation: is a defaulted object acceptable, and is a change of one. Every problem becomes a
 * cause with the reason, field path and message of v1.32. Pure. */
#ifndef LIB_API_VALIDATE_H
#define LIB_API_VALIDATE_H
#include "lib/base/arena.h"

struct api_causes;
struct api_kind;

/* Appends the causes for refusing to create `message` (decoded and defaulted; name and namespace
 * filled in). No cause means it is valid. Causes and their text live in `arena`. */
void api_validate_create(struct arena *arena, const struct api_kind *kind, const void *message,
                         struct api_causes *causes);
/* As above for replacing `old_message` by `new_message` through `subresource` ("" for the object
 * itself, else "status", "finalize", "ephemeralcontainers", ...). */
void api_validate_update(struct arena *arena, const struct api_kind *kind, const void *old_message,
                         const void *new_message, const char *subresource,
                         struct api_causes *causes);
/* Appends what the client is told about an object that is valid; `before` is what it replaces, or
 * NULL. Of a warning field and message count, or the message alone when the field is "". */
void api_validate_warnings(const struct api_kind *kind, const void *before, const void *message,
                           struct api_causes *warnings);
#endif
