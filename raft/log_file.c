#include "raft/log_internal.h"

#include "lib/base/alloc.h"
#include "raft/io_job.h"
#include "raft/limits.h"
#include "raft/plant.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum {
    /* After the last batch of a burst, its mark is written and flushed. Until then nothing tells
     * its damage from a write that was cut off. */
    MARK_DELAY_MS = 20,
};

static void on_mark_timer(void *data);

struct log_file *log_file_new(const struct log_file_config *config)
{
    struct log_file *log = alloc_zeroed(sizeof(*log));
    log->config = *config;
    log->extent = config->extent;
    log->file = -1;
    log->spare.file = -1;
    log->mark_timer = (struct env_timer){.fire = on_mark_timer, .data = log};
    return log;
}

void log_segment_release(struct log_segment *segment)
{
    free(segment->path);
    free(segment->offsets);
    *segment = (struct log_segment){0};
}

void log_file_free(struct log_file *log)
{
    if (log == NULL) {
        return;
    }
    env_timer_stop(log->config.env, &log->mark_timer);
    log_spare_stop(log);
    log_recovery_free(log);
    for (size_t i = 0; i < log->segment_count; i++) {
        log_segment_release(&log->segments[i]);
    }
    free(log->segments);
    free(log->batch.bytes);
    free(log);
}

struct log_segment *log_segment_add(struct log_file *log, char *path_consume, uint64_t previous)
{
    log->segments = alloc_resize(log->segments, log->segment_count + 1, sizeof(struct log_segment));
    struct log_segment *segment = &log->segments[log->segment_count++];
    *segment =
        (struct log_segment){.path = path_consume, .previous = previous, .end = SEGMENT_HEAD};
    return segment;
}

void log_segment_note(struct log_segment *segment, size_t offset, size_t size)
{
    if (segment->count == segment->capacity) {
        segment->capacity = segment->capacity * 2 + 64;
        segment->offsets = alloc_resize(segment->offsets, segment->capacity, sizeof(uint32_t));
    }
    segment->offsets[segment->count++] = (uint32_t)offset;
    segment->end = offset + size;
}

struct log_segment *log_last_segment(struct log_file *log)
{
    return log->segment_count == 0 ? NULL : &log->segments[log->segment_count - 1];
}

static char *segment_path(const struct log_file *log, uint64_t previous)
{
    return alloc_printf("%s/log-%016" PRIx64, log->config.dir, previous + 1);
}

void log_busy(struct log_file *log)
{
    assert(!log->busy);
    log->busy = true;
    log->busy_since_ns = env_now_ns(log->config.env);
}

bool log_failed(struct log_file *log, const char *what, int status)
{
    log->busy = false;
    if (status == 0 || log->stopped) {
        return log->stopped;
    }
    log->stopped = true;
    log->config.failed(log->config.data, what, status);
    return true;
}

uint8_t *log_mark_bytes(struct log_file *log, size_t *ret_offset)
{
    uint8_t *bytes = alloc_aligned(ENV_DIRECT_UNIT, SEGMENT_SECTOR);
    log->mark_sequence++;
    struct segment_mark mark = {
        .sequence = log->mark_sequence, .epoch = log->epoch, .durable = log->written};
    segment_mark_encode(&mark, bytes);
    *ret_offset = SEGMENT_SECTOR * (1 + log->mark_sequence % SEGMENT_MARKS);
    return bytes;
}

static void add_mark(struct log_file *log, struct io_job *job)
{
    size_t offset;
    uint8_t *mark = log_mark_bytes(log, &offset);
    io_job_write(job, log->file, offset, mark, SEGMENT_SECTOR);
}

/* ---- what is promised ---- */

struct raft_extent log_extent(const struct log_file *log, size_t keep, uint64_t base)
{
    if (keep == 0) {
        return (struct raft_extent){.reached = base};
    }
    uint64_t previous = log->segments[keep - 1].previous;
    return (struct raft_extent){.reached = previous, .segment = previous + 1};
}

bool log_promise(struct log_file *log, struct raft_extent extent)
{
    if (log->extent.reached == extent.reached && log->extent.segment == extent.segment) {
        return false;
    }
    log_busy(log);
    log->extent = extent;
    log->promising = true;
    log->config.promise(log->config.data, extent);
    return true;
}

void log_file_promised(struct log_file *log)
{
    if (!log->promising) {
        return;
    }
    log->promising = false;
    if (log_failed(log, "", 0)) {
        return;
    }
    if (log->recovery != NULL) {
        log_recovery_promised(log);
    } else {
        log_file_pump(log);
    }
}

/* ---- a new segment ---- */

static void on_rolled(void *data, int status, int file)
{
    struct log_file *log = data;
    if (log_failed(log, "making a log segment", status)) {
        return;
    }
    log->file = file;
    if (!log_promise(log, log_extent(log, log->segment_count, 0))) {
        log_file_pump(log);
    }
}

/* The spare file gets its header, then its name, so that a file with a segment's name always has a
 * whole header. Then it is promised to be there, so that its loss is noticed. */
static void roll(struct log_file *log)
{
    struct io_job *job = io_job_new(log->config.env);
    char *path = segment_path(log, log->written.index);
    CLEANUP(alloc_freep) char *spare = log_spare_path(log);
    uint8_t *header = alloc_aligned(ENV_DIRECT_UNIT, SEGMENT_SECTOR);
    struct segment_header values = {.cluster = log->config.cluster,
                                    .member = log->config.member,
                                    .epoch = log->epoch,
                                    .previous = log->written,
                                    .bytes = log->spare.size};
    segment_header_encode(&values, header);
    if (log->spare.file >= 0) {
        io_job_file(job, ENV_IO_CLOSE, log->spare.file, 0, 0);
    }
    io_job_open(job, spare, ENV_OPEN_WRITE | ENV_OPEN_DIRECT);
    io_job_write(job, -1, 0, header, SEGMENT_SECTOR);
    io_job_file(job, ENV_IO_SYNC, -1, 0, 0);
    io_job_path(job, ENV_IO_RENAME, spare, path);
    if (PLANTED != PLANT_NO_DIR_SYNC) {
        io_job_path(job, ENV_IO_SYNC_DIR, log->config.dir, NULL);
    }
    if (log->file >= 0) {
        io_job_file(job, ENV_IO_CLOSE, log->file, 0, 0);
        log->file = -1;
    }
    log->unfilled = log->spare.zeroed < log->spare.size;
    log_spare_taken(log);
    (void)log_segment_add(log, path, log->written.index);
    log->roll = false;
    log->mark_due = false; /* The header proves what came before. */
    log_busy(log);
    io_job_run(job, on_rolled, log);
}

/* ---- appending ---- */

/* Entries are waiting: into the last segment, or into the next one if that can be had now. */
static void append(struct log_file *log)
{
    const struct raft_entry *entry = raft_trail_get(log->config.trail, log->written.index + 1);
    assert(entry != NULL);
    size_t needed = record_size(entry->len);
    const struct log_segment *segment = log_last_segment(log);
    /* An empty one is never left: the next would get its name. */
    bool next =
        segment == NULL ||
        (segment->count > 0 && (log->roll || segment->end + needed > log->config.segment_bytes));
    if (!next) {
        log_append(log);
    } else if (log->spare.reserved && !log->spare.busy &&
               log->spare.size >= SEGMENT_HEAD + needed) {
        roll(log);
    } else {
        log_spare_want(log, SEGMENT_HEAD + needed);
    }
}

static void on_marked(void *data, int status, int file)
{
    struct log_file *log = data;
    (void)file;
    if (!log_failed(log, "writing the log", status)) {
        log_file_pump(log);
    }
}

static void on_mark_timer(void *data)
{
    struct log_file *log = data;
    if (log->busy || log->stopped || !log->mark_due || log->closed != NULL || log->file < 0) {
        return;
    }
    struct io_job *job = io_job_new(log->config.env);
    add_mark(log, job);
    io_job_file(job, ENV_IO_SYNC, log->file, 0, 0);
    log->mark_due = false;
    log_busy(log);
    io_job_run(job, on_marked, log);
}

/* ---- truncation ---- */

static void on_truncated(void *data, int status, int file)
{
    struct log_file *log = data;
    if (log_failed(log, "cutting the log", status)) {
        return;
    }
    if (file >= 0) {
        log->file = file;
    }
    log_file_pump(log);
}

/* First the mark is taken back, durably; only then may records be overwritten. Otherwise a crash in
 * between would look like damage to entries known to be durable. */
static void truncate_log(struct log_file *log)
{
    uint64_t from = log->truncate_from;
    size_t keep = log->segment_count;
    while (keep > 1 && log->segments[keep - 1].previous >= from) {
        keep--;
    }
    if (keep < log->segment_count && log_promise(log, log_extent(log, keep, 0))) {
        return;
    }
    log->truncate_from = 0;
    if (from > log->written.index) {
        return;
    }
    struct log_segment *segment = &log->segments[keep - 1];
    struct io_job *job = io_job_new(log->config.env);
    bool found = raft_trail_point(log->config.trail, from - 1, &log->written);
    assert(found);
    (void)found;
    size_t kept = (size_t)(from - 1 - segment->previous);
    if (kept < segment->count) {
        segment->end = segment->offsets[kept];
        segment->count = kept;
    }
    if (keep < log->segment_count) {
        io_job_file(job, ENV_IO_CLOSE, log->file, 0, 0);
        log->file = -1;
        io_job_open(job, segment->path, ENV_OPEN_WRITE | ENV_OPEN_DIRECT);
    }
    log->epoch++;
    log->mark_due = false;
    add_mark(log, job);
    io_job_file(job, ENV_IO_SYNC, log->file, 0, 0);
    while (log->segment_count > keep) {
        struct log_segment *gone = log_last_segment(log);
        io_job_path(job, ENV_IO_UNLINK, gone->path, NULL);
        io_job_path(job, ENV_IO_SYNC_DIR, log->config.dir, NULL);
        log_segment_release(gone);
        log->segment_count--;
    }
    log_tail_read(log, job, log->file);
    log_busy(log);
    io_job_run(job, on_truncated, log);
}

/* ---- reset and compaction ---- */

static void on_removed(void *data, int status, int file)
{
    struct log_file *log = data;
    (void)file;
    if (!log_failed(log, "removing log segments", status)) {
        log_file_pump(log);
    }
}

/* Newest first: what a crash leaves is a log that ends early, never one with a hole. The snapshot
 * that replaces them is there already. */
static void remove_all(struct log_file *log)
{
    if (log_promise(log, log_extent(log, 0, log->config.trail->base.index))) {
        return;
    }
    if (log->segment_count == 0) {
        log->reset_wanted = false;
        log->roll = false;
        log->written = log->config.trail->base;
        log->epoch++;
        return;
    }
    struct log_segment *segment = log_last_segment(log);
    struct io_job *job = io_job_new(log->config.env);
    if (log->file >= 0) {
        io_job_file(job, ENV_IO_CLOSE, log->file, 0, 0);
        log->file = -1;
    }
    io_job_path(job, ENV_IO_UNLINK, segment->path, NULL);
    io_job_path(job, ENV_IO_SYNC_DIR, log->config.dir, NULL);
    log_segment_release(segment);
    log->segment_count--;
    log->mark_due = false;
    log_busy(log);
    io_job_run(job, on_removed, log);
}

static bool remove_oldest(struct log_file *log)
{
    if (log->segment_count < 2 || log->segments[1].previous > log->compact_to) {
        return false;
    }
    struct io_job *job = io_job_new(log->config.env);
    io_job_path(job, ENV_IO_UNLINK, log->segments[0].path, NULL);
    io_job_path(job, ENV_IO_SYNC_DIR, log->config.dir, NULL);
    log_segment_release(&log->segments[0]);
    log->segment_count--;
    for (size_t i = 0; i < log->segment_count; i++) {
        log->segments[i] = log->segments[i + 1];
    }
    log_busy(log);
    io_job_run(job, on_removed, log);
    return true;
}

void log_file_truncate(struct log_file *log, uint64_t from)
{
    if (log->truncate_from == 0 || from < log->truncate_from) {
        log->truncate_from = from;
    }
}

void log_file_reset(struct log_file *log)
{
    log->reset_wanted = true;
    log->truncate_from = 0;
}

void log_file_compact(struct log_file *log, uint64_t index)
{
    log->compact_to = index > log->compact_to ? index : log->compact_to;
}

uint64_t log_file_bytes_after(const struct log_file *log, uint64_t index)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < log->segment_count; i++) {
        const struct log_segment *segment = &log->segments[i];
        uint64_t before = index < segment->previous ? 0 : index - segment->previous;
        if (before < segment->count) {
            bytes += segment->end - segment->offsets[before];
        }
    }
    return bytes;
}

bool log_file_idle(const struct log_file *log)
{
    return !log->busy && !log->spare.busy;
}

uint64_t log_file_stalled_ns(const struct log_file *log)
{
    return log->busy ? env_now_ns(log->config.env) - log->busy_since_ns : 0;
}

void log_file_pump(struct log_file *log)
{
    if (log->busy || log->stopped || log->recovery != NULL) {
        return;
    }
    if (log->closed != NULL) {
        log->stopped = true;
        log->closed(log->closed_data);
        return;
    }
    if (log->reset_wanted) {
        remove_all(log);
    }
    if (!log->busy && log->truncate_from != 0) {
        truncate_log(log);
    }
    /* In turns, so that a log that is always written to is shortened as well. */
    if (!log->busy && !log->removed_last) {
        log->removed_last = remove_oldest(log);
    }
    if (!log->busy && raft_trail_last(log->config.trail) > log->written.index) {
        log->removed_last = false;
        append(log);
    }
    if (!log->busy) {
        log->removed_last = remove_oldest(log);
    }
    if (!log->busy && log->mark_due) {
        env_timer_start(log->config.env, &log->mark_timer, MARK_DELAY_MS * NS_PER_MS);
    }
    if (!log->busy) {
        log_spare_want(log, log->config.segment_bytes);
    }
}

static void on_file_closed(void *data, int status, int file)
{
    struct log_file *log = data;
    (void)file;
    if (!log_failed(log, "writing the log", status)) {
        log_file_pump(log);
    }
}

void log_file_close(struct log_file *log, void (*closed)(void *data), void *data)
{
    assert(log_file_idle(log));
    log->closed = closed;
    log->closed_data = data;
    env_timer_stop(log->config.env, &log->mark_timer);
    log_spare_stop(log);
    if ((log->file < 0 && log->spare.file < 0) || log->stopped) {
        return;
    }
    struct io_job *job = io_job_new(log->config.env);
    if (log->mark_due) {
        add_mark(log, job);
        io_job_file(job, ENV_IO_SYNC, log->file, 0, 0);
    }
    if (log->file >= 0) {
        io_job_file(job, ENV_IO_CLOSE, log->file, 0, 0);
    }
    if (log->spare.file >= 0) {
        io_job_file(job, ENV_IO_CLOSE, log->spare.file, 0, 0);
    }
    log->file = -1;
    log->spare.file = -1;
    log_busy(log);
    io_job_run(job, on_file_closed, log);
}
