/* Log segments, term-and-vote files and snapshots as a disk may hand them back. */
#include "raft/log_format.h"
#include "raft/meta_file.h"
#include "raft/snapshot_file.h"

static int take(void *data, struct raft_entry *entry, size_t offset)
{
    (void)offset;
    *(uint64_t *)data += entry->index;
    raft_entry_unref(entry);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct segment_scan scan;
    struct snapshot_reader reader;
    uint64_t sum = 0;
    struct raft_point previous = {.index = 0};
    struct segment_mark mark = {0};
    struct raft_floor floor;
    struct raft_meta meta;
    struct segment_place place = {.previous = &previous, .first = 1, .last = true};
    (void)!segment_scan(slice_of(data, size), &place, take, &sum, &scan);
    place = (struct segment_place){.base = {.index = size % 16}, .last = true};
    (void)!segment_scan(slice_of(data, size), &place, take, &sum, &scan);
    (void)segment_proof(slice_of(data, size), &mark, &floor);
    (void)!raft_meta_choose(slice_of(data, size), &meta);
    snapshot_reader_init(&reader);
    if (snapshot_reader_feed(&reader, slice_of(data, size)) == 0) {
        (void)!snapshot_reader_finish(&reader);
    }
    snapshot_reader_release(&reader);
    return 0;
}
