/* What create, update and delete do to status, generation and other server-owned fields, as the row
 * of the kind has it. Pure: time comes in as an argument. */
#ifndef LIB_API_STRATEGY_H
#define LIB_API_STRATEGY_H
#include "lib/base/arena.h"
#include <stdbool.h>
#include <stdint.h>

struct api_kind;

/* Before a create is validated: status reset, generation 1, server-owned fields of the kind. Does
 * not touch name, uid, timestamps, resourceVersion: they are the storage's. */
void api_prepare_create(struct arena *arena, const struct api_kind *kind, void *message);
/* Before an update is validated: puts back into `new_message` what this request may not change
 * (status on the main resource; spec, labels where the kind says so, on "status"), and sets the
 * generation. Parts of `old_message` may be shared, not copied: both must live as long as the
 * request. */
void api_prepare_update(struct arena *arena, const struct api_kind *kind, const void *old_message,
                        void *new_message, const char *subresource);
/* Metadata rules of every update (v1.32 BeforeUpdate): uid, creationTimestamp, deletionTimestamp,
 * deletionGracePeriodSeconds, generation and selfLink keep the previous value where they must. */
void api_prepare_update_metadata(const struct api_kind *kind, const void *old_message,
                                 void *new_message);
/* The grace period of a deletion: 0 for kinds without one; for pods, the requested seconds
 * (negative = not given) or spec.terminationGracePeriodSeconds, 0 when not bound to a node or
 * finished. */
int64_t api_grace_period_s(const struct api_kind *kind, const void *message, int64_t requested_s);
/* Whether two decoded objects of `kind` are equal but for resourceVersion and managedFields (an
 * update that changes nothing keeps its version). */
bool api_object_unchanged(const struct api_kind *kind, const void *old_message,
                          const void *new_message);
#endif
