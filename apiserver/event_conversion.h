/* Events of two groups are stored as one: events.k8s.io/v1 Event is another view of core/v1 Event.
 * Pure; what is not changed is shared with the input. */
#ifndef APISERVER_EVENT_CONVERSION_H
#define APISERVER_EVENT_CONVERSION_H
#include "apiserver/registry.h"
#include "lib/api/kinds.h"
#include "lib/base/arena.h"

/* The kind that is stored for `kind`: itself, but for events.k8s.io. */
const struct api_kind *stored_kind_of(const struct api_kind *kind);
void *event_to_core(struct arena *arena, const void *message);
void *event_from_core(struct arena *arena, const void *message);
/* `status` naming the resource as the client does; the same when there is nothing to change. */
const struct api_status *status_as_asked(const struct registry_call *call,
                                         const struct api_status *status);
#endif
