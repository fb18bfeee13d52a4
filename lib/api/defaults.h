/* Versioned defaulting: what a v1.32 server fills in when it decodes an object. Pure; the tables
 * give the plain values, one short function a kind (rules/) gives those that depend on other
 * fields. Admission defaults (service account, tolerations, priority) are not here. */
#ifndef LIB_API_DEFAULTS_H
#define LIB_API_DEFAULTS_H
#include "lib/base/arena.h"

struct api_kind;
struct api_message;

/* Fills in `message`, a decoded object of `kind`, in place; what is added lives in `arena`.
 * Applying it again changes nothing. Cannot fail: input that makes no sense is left for validation.
 */
void api_default_object(struct arena *arena, const struct api_kind *kind, void *message);
/* The same for a part of an object, such as a status that starts anew. */
void api_default_message(struct arena *arena, const struct api_message *table, void *message);
#endif
