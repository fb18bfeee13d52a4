/* Appending to the log: all entries that came meanwhile are one batch of whole sectors, written
 * past the page cache and flushed. The sector in which the log ends is written again, with the same
 * bytes, by the batch that goes on there. */
#include "lib/base/alloc.h"
#include "raft/io_job.h"
#include "raft/log_internal.h"
#include "raft/plant.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_BYTES_MAX = 4 * 1024 * 1024,
    BATCH_STEP = 16 * 1024,      /* Its memory grows to a multiple of this. */
    BATCH_KEEP_MAX = 256 * 1024, /* More is given back when it is written. */
};

static size_t sector_of(size_t offset)
{
    return offset / SEGMENT_SECTOR * SEGMENT_SECTOR;
}

static size_t whole_sectors(size_t len)
{
    return sector_of(len + SEGMENT_SECTOR - 1);
}

/* Memory of at least `size` bytes that begins with the sector at `tail`. */
static void batch_move(struct log_batch *batch, const uint8_t *tail, size_t size)
{
    size_t capacity = (size + BATCH_STEP - 1) / BATCH_STEP * BATCH_STEP;
    uint8_t *bytes = alloc_aligned(ENV_DIRECT_UNIT, capacity);
    if (tail != NULL) {
        memcpy(bytes, tail, SEGMENT_SECTOR);
    }
    free(batch->bytes);
    batch->bytes = bytes;
    batch->capacity = capacity;
}

static uint8_t *batch_room(struct log_batch *batch, size_t size)
{
    if (size > batch->capacity) {
        batch_move(batch, batch->bytes, size);
    }
    return batch->bytes;
}

/* It is written: the next one begins with the sector in which it ended. */
static void batch_keep_tail(struct log_batch *batch)
{
    size_t last = sector_of(batch->len);
    const uint8_t *tail = batch->len > last ? batch->bytes + last : NULL;
    if (batch->capacity > BATCH_KEEP_MAX) {
        batch_move(batch, tail, SEGMENT_SECTOR);
    } else if (tail != NULL && last > 0) {
        memcpy(batch->bytes, tail, SEGMENT_SECTOR);
    }
}

void log_tail_read(struct log_file *log, struct io_job *job, int file)
{
    size_t end = log_last_segment(log)->end;
    if (end > sector_of(end)) {
        io_job_read(job, file, sector_of(end), batch_room(&log->batch, SEGMENT_SECTOR),
                    SEGMENT_SECTOR);
    }
}

static void on_appended(struct env_io *io)
{
    struct log_file *log = io->data;
    int status = io->result < 0 && PLANTED != PLANT_IGNORE_FLUSH_ERROR ? (int)io->result : 0;
    if (log_failed(log, "writing the log", status)) {
        return;
    }
    batch_keep_tail(&log->batch);
    log->written = log->batch.end;
    log->mark_due = true;
    log->config.persisted(log->config.data, log->written.index, log->batch.epoch);
    log_file_pump(log);
}

/* Of the next batch into `room` bytes: at least one entry. */
static size_t batch_plan(const struct log_file *log, size_t room, uint64_t *ret_last)
{
    const struct raft_trail *trail = log->config.trail;
    uint64_t first = log->written.index + 1;
    uint64_t at = first;
    size_t size = 0;
    for (; at <= raft_trail_last(trail); at++) {
        size_t more = record_size(raft_trail_get(trail, at)->len);
        if (at > first && (size + more > BATCH_BYTES_MAX || size + more > room)) {
            break;
        }
        size += more;
    }
    *ret_last = at - 1;
    return size;
}

static void batch_submit(struct log_file *log, size_t offset)
{
    struct log_batch *batch = &log->batch;
    batch->write = (struct env_io){.kind = ENV_IO_WRITE,
                                   .file = log->file,
                                   .offset = offset,
                                   .buffer = batch->bytes,
                                   .len = whole_sectors(batch->len),
                                   .then = &batch->sync,
                                   .done = on_appended,
                                   .data = log};
    batch->sync =
        (struct env_io){.kind = ENV_IO_SYNC, .file = log->file, .done = on_appended, .data = log};
    log_busy(log);
    env_io_submit(log->config.env, &batch->write);
}

void log_append(struct log_file *log)
{
    const struct raft_trail *trail = log->config.trail;
    struct log_segment *segment = log_last_segment(log);
    struct log_batch *batch = &log->batch;
    assert(segment != NULL);
    size_t limit = log->config.segment_bytes;
    size_t room = segment->end < limit ? limit - segment->end : 0;
    uint64_t last;
    size_t size = batch_plan(log, room, &last);
    size_t offset = sector_of(segment->end);
    size_t at = segment->end - offset;
    uint8_t *out = batch_room(batch, whole_sectors(at + size));
    for (uint64_t i = log->written.index + 1; i <= last; i++) {
        const struct raft_entry *entry = raft_trail_get(trail, i);
        record_store(entry, log->epoch, log->written.index, out + at);
        log_segment_note(segment, offset + at, record_size(entry->len));
        at += record_size(entry->len);
        batch->end = (struct raft_point){entry->index, entry->term, entry->chain};
    }
    memset(out + at, 0, whole_sectors(at) - at);
    batch->len = at;
    batch->epoch = *log->config.epoch;
    batch_submit(log, offset);
}
