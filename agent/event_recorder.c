#include "agent/event_recorder.h"

#include "lib/api/codec.h"
#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include <inttypes.h>
#include <stdlib.h>

/* As client-go's correlator: cache size, burst, and one token back per 300 s. */
enum { SEEN_MAX = 4096, BURST = 25 };
#define REFILL_MS UINT64_C(300000)

struct seen {
    char *name;
    int64_t first_s;
    int32_t count;
};

struct bucket {
    uint64_t tokens;
    uint64_t refilled_ms;
};

struct pod_event_recorder {
    char *node_name;
    struct hash_map *seen;    /* By pod, place, reason and message. */
    struct hash_map *buckets; /* By pod. */
};

static void forget(struct hash_map *map, bool named)
{
    void *value;
    for (size_t at = 0; hash_map_next(map, &at, NULL, &value);) {
        if (named) {
            free(((struct seen *)value)->name);
        }
        free(value);
    }
    hash_map_clear(map);
}

struct pod_event_recorder *pod_event_recorder_new(const char *node_name)
{
    struct pod_event_recorder *recorder = alloc_zeroed(sizeof(*recorder));
    recorder->node_name = alloc_text(node_name);
    recorder->seen = hash_map_new(/* seed= */ 3);
    recorder->buckets = hash_map_new(/* seed= */ 4);
    return recorder;
}

void pod_event_recorder_free(struct pod_event_recorder *recorder)
{
    if (recorder == NULL) {
        return;
    }
    forget(recorder->seen, /* named= */ true);
    forget(recorder->buckets, /* named= */ false);
    hash_map_free(recorder->seen);
    hash_map_free(recorder->buckets);
    free(recorder->node_name);
    free(recorder);
}

static bool take_token(struct pod_event_recorder *recorder, const char *uid, uint64_t now_ms)
{
    struct bucket *bucket = hash_map_get(recorder->buckets, slice_text(uid));
    if (bucket == NULL) {
        if (hash_map_count(recorder->buckets) >= SEEN_MAX) {
            forget(recorder->buckets, /* named= */ false);
        }
        bucket = alloc_zeroed(sizeof(*bucket));
        *bucket = (struct bucket){.tokens = BURST, .refilled_ms = now_ms};
        (void)hash_map_set(recorder->buckets, slice_text(uid), bucket);
    }
    uint64_t gained = (now_ms - bucket->refilled_ms) / REFILL_MS;
    bucket->refilled_ms += gained * REFILL_MS;
    bucket->tokens = bucket->tokens + gained > BURST ? BURST : bucket->tokens + gained;
    if (bucket->tokens == 0) {
        return false;
    }
    bucket->tokens--;
    return true;
}

static struct seen *see(struct pod_event_recorder *recorder, const struct pod_event_note *note,
                        int64_t wall_ns)
{
    CLEANUP(alloc_freep)
    char *key = alloc_printf("%s\n%s\n%s\n%s", note->pod->metadata->uid, note->field_path,
                             note->reason, note->message);
    struct seen *seen = hash_map_get(recorder->seen, slice_text(key));
    if (seen == NULL) {
        if (hash_map_count(recorder->seen) >= SEEN_MAX) {
            forget(recorder->seen, /* named= */ true);
        }
        seen = alloc_zeroed(sizeof(*seen));
        seen->name = alloc_printf("%.200s.%" PRIx64, note->pod->metadata->name,
                                  (uint64_t)wall_ns + hash_map_count(recorder->seen));
        seen->first_s = wall_ns / 1000000000;
        (void)hash_map_set(recorder->seen, slice_text(key), seen);
    }
    seen->count++;
    return seen;
}

bool pod_event_recorder_make(struct pod_event_recorder *recorder, const struct pod_event_note *note,
                             uint64_t now_ms, int64_t wall_ns, struct buffer *out)
{
    const Meta__V1__ObjectMeta *pod = note->pod->metadata;
    if (!take_token(recorder, pod->uid, now_ms)) {
        return false;
    }
    const struct seen *seen = see(recorder, note, wall_ns);
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    Core__V1__Event event = CORE__V1__EVENT__INIT;
    Meta__V1__ObjectMeta meta = META__V1__OBJECT_META__INIT;
    Core__V1__ObjectReference object = CORE__V1__OBJECT_REFERENCE__INIT;
    Core__V1__EventSource source = CORE__V1__EVENT_SOURCE__INIT;
    event.metadata = &meta;
    event.involved_object = &object;
    event.source = &source;
    meta.name = seen->name;
    meta.namespace_ = pod->namespace_;
    object.kind = arena_text(arena, "Pod");
    object.api_version = arena_text(arena, "v1");
    object.namespace_ = pod->namespace_;
    object.name = pod->name;
    object.uid = pod->uid;
    object.resource_version = pod->resource_version;
    object.field_path = arena_text(arena, note->field_path);
    source.component = arena_text(arena, "kubelet");
    source.host = recorder->node_name;
    event.reporting_component = source.component;
    event.reporting_instance = source.host;
    event.reason = arena_text(arena, note->reason);
    event.message = arena_text(arena, note->message);
    event.type = arena_text(arena, note->warning ? "Warning" : "Normal");
    event.count = seen->count;
    event.has_count = true;
    event.first_timestamp = api_time_new(arena, seen->first_s);
    event.last_timestamp = api_time_new(arena, wall_ns / 1000000000);
    api_encode_protobuf(api_message_find("k8s.io.api.core.v1.Event"), &event, out);
    return buffer_error(out) == 0;
}
