/* Owners of an object's replicas as owners of its Scale, through which they are written, and back.
 * Pure. */
#ifndef LIB_API_APPLY_SCALE_H
#define LIB_API_APPLY_SCALE_H
#include "k8s/meta_v1.pb-c.h"
#include "lib/base/arena.h"

struct api_kind;

/* The kind of Scale, for requests (apply.h). */
const struct api_kind *api_scale_kind(void);
/* Sets managedFields of the Scale: those of the object that own what is at `path`
 * (".spec.replicas") in it. */
void api_scale_owners(struct arena *arena, const struct api_kind *kind, const char *path,
                      const Meta__V1__ObjectMeta *object, Meta__V1__ObjectMeta *scale);
/* Sets managedFields of the object: who does not own the Scale's replicas any more loses what is at
 * the path, and who is new there gets it. */
void api_scale_owners_back(struct arena *arena, const struct api_kind *kind, const char *path,
                           const Meta__V1__ObjectMeta *scale, Meta__V1__ObjectMeta *object);
#endif
