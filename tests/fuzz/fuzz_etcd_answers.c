/* What an etcd answers, from any bytes, into the mirror: whatever it says, watches are told of
 * ascending revisions, and the state stays one. Parts of the input: kind, length (2 bytes), bytes.
 */
#include "store/remote/codec.h"
#include "store/remote/mirror.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_MAX = 1 << 22, PART_HEADER = 3 };

static int64_t told;

static void on_events(void *data, int64_t revision, const struct store_event *events, size_t count)
{
    (void)data;
    assert(revision > told);
    told = revision;
    for (size_t i = 0; i < count; i++) {
        assert(events[i].kv->mod_revision == revision);
    }
}

static void on_end(void *data, int status, int64_t compact_revision)
{
    (void)data;
    (void)status;
    (void)compact_revision;
}

static void no_wake(void *data)
{
    (void)data;
}

static void take_list(struct mirror *mirror, struct arena *arena, struct slice bytes)
{
    const Etcdserverpb__RangeResponse *message =
        remote_unpack(&etcdserverpb__range_response__descriptor, arena, bytes);
    if (message == NULL || message->header == NULL ||
        message->header->revision < mirror_revision(mirror)) {
        return;
    }
    mirror_list_begin(mirror, message->header->revision);
    for (size_t i = 0; i < message->n_kvs; i++) {
        struct mirror_entry entry = remote_entry(message->kvs[i]);
        if (mirror_list_add(mirror, &entry) != 0) {
            return;
        }
    }
    mirror_list_end(mirror);
}

static void take_events(struct mirror *mirror, struct arena *arena, struct slice bytes)
{
    const Etcdserverpb__WatchResponse *message =
        remote_unpack(&etcdserverpb__watch_response__descriptor, arena, bytes);
    if (message == NULL || !mirror_is_filled(mirror)) {
        return;
    }
    int status = 0;
    for (size_t i = 0; i < message->n_events && status == 0; i++) {
        if (message->events[i]->kv != NULL) {
            struct mirror_entry entry = remote_entry(message->events[i]->kv);
            status = mirror_event(mirror, &entry);
        }
    }
    if (status == 0 && !message->fragment) {
        status = mirror_batch_end(mirror);
    }
    if (status == 0 && message->n_events == 0 && message->header != NULL) {
        mirror_progress(mirror, message->header->revision);
    }
}

static void take_part(struct mirror *mirror, const struct remote_keys *keys, uint8_t kind,
                      struct slice bytes)
{
    struct arena *arena = arena_new(ARENA_MAX);
    struct store_txn_result *result = NULL;
    switch (kind % 3) {
    case 0:
        take_list(mirror, arena, bytes);
        break;
    case 1:
        take_events(mirror, arena, bytes);
        break;
    default:
        if (remote_txn_decode(keys, bytes, &result) == 0) {
            store_txn_result_unref(result);
        }
        break;
    }
    arena_free(arena);
    while (mirror_pump(mirror)) {
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct remote_keys keys;
    int status = remote_keys_init(&keys, "/r");
    assert(status == 0);
    (void)status;
    struct mirror *mirror = mirror_new(&keys, no_wake, NULL);
    told = 0;
    struct store_watch_options options = {.key = slice_of("", 1),
                                          .end = slice_of("", 1),
                                          .progress = true,
                                          .on_events = on_events,
                                          .on_end = on_end};
    while (size >= PART_HEADER) {
        size_t len = (size_t)data[1] << 8 | data[2];
        len = len < size - PART_HEADER ? len : size - PART_HEADER;
        bool first = !mirror_is_filled(mirror);
        take_part(mirror, &keys, data[0], slice_of(data + PART_HEADER, len));
        if (first && mirror_is_filled(mirror)) {
            assert(mirror_watch(mirror, &options) != NULL);
        }
        data += PART_HEADER + len;
        size -= PART_HEADER + len;
    }
    mirror_free(mirror);
    return 0;
}
