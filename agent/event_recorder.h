/* Turns what happens to pods into Event objects: the same thing again counts up one Event, and a
 * pod that talks too much is cut off for a while (25 at once, then one in five minutes, as the
 * kubelet does). Bounded memory; the caller gives the time. One thread. */
#ifndef AGENT_EVENT_RECORDER_H
#define AGENT_EVENT_RECORDER_H
#include "agent/pod_manager.h"
#include "lib/base/buffer.h"

struct pod_event_recorder;

MUST_USE struct pod_event_recorder *pod_event_recorder_new(const char *node_name);
void pod_event_recorder_free(struct pod_event_recorder *recorder);
/* Appends the Event as protobuf and returns true, or false when it is to be dropped. */
bool pod_event_recorder_make(struct pod_event_recorder *recorder, const struct pod_event_note *note,
                             uint64_t now_ms, int64_t wall_ns, struct buffer *out);
#endif
