/* Log segments, term-and-vote files and snapshots as a disk may hand them back. */
#include "raft/log_format.h"
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
    CLEANUP(error_release) struct error error = {0};
    (void)!segment_scan(slice_of(data, size), /* last= */ true, NULL, take, &sum, &scan, &error);
    snapshot_reader_init(&reader);
    if (snapshot_reader_feed(&reader, slice_of(data, size)) == 0) {
        (void)!snapshot_reader_finish(&reader);
    }
    snapshot_reader_release(&reader);
    return 0;
}
