/* Kinds that are another one's other form: what clients call events.k8s.io Event or autoscaling/v1
 * HorizontalPodAutoscaler is stored as core Event or autoscaling/v2. Pure. */
#ifndef LIB_API_CONVERT_H
#define LIB_API_CONVERT_H
#include "lib/api/kinds.h"
#include "lib/base/arena.h"

/* The kind that `kind` is stored as: itself, for most. */
static inline const struct api_kind *api_stored_kind(const struct api_kind *kind)
{
    return kind->stored_as == NULL ? kind : kind->stored_as;
}
/* `kind` has a `stored_as`; `message` is of `kind`, the result of the stored one. What does not
 * change is shared with the input, which is not written. */
void *api_convert_to_stored(struct arena *arena, const struct api_kind *kind, const void *message);
/* The way back: `message` is of the stored kind. */
void *api_convert_from_stored(struct arena *arena, const struct api_kind *kind,
                              const void *message);
/* Whether a new object is checked as what the client calls it: that form has stricter rules. */
bool api_convert_is_checked_first(const struct api_kind *kind);
#endif
