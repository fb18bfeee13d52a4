/* Event recorder: writes Kubernetes Events as client-go does: an event that repeats raises `count`
 * of the one written before; events that differ only by their message are merged after ten in ten
 * minutes; an object that is too noisy is cut off (25, then one in five minutes). One thread. */
#ifndef LIB_CLIENT_EVENT_RECORDER_H
#define LIB_CLIENT_EVENT_RECORDER_H
#include "lib/base/env.h"
#include "lib/client/client.h"

struct event_recorder;

/* `component` ("deployment-controller") and `as` (may be NULL) are borrowed. */
MUST_USE struct event_recorder *event_recorder_new(struct env *env, struct client *client,
                                                   const struct client_identity *as,
                                                   const char *component, const char *instance);
/* Writes under way finish without it. */
void event_recorder_free(struct event_recorder *recorder);

/* `warning` gives type Warning, else Normal. `action` may be NULL. */
void event_record(struct event_recorder *recorder, const struct api_kind *kind,
                  const Meta__V1__ObjectMeta *object, bool warning, const char *reason,
                  const char *action, const char *format, ...) PRINTF_LIKE(7, 8);
#endif
