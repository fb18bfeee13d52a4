#include "raft/log_file.h"

#include "lib/base/alloc.h"
#include "raft/io_job.h"
#include "raft/limits.h"
#include "raft/plant.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    BATCH_BYTES_MAX = 4 * 1024 * 1024,
    SEGMENTS_MAX = 4096,
    SEGMENT_BYTES_MAX = 1 << 30,
};

struct segment {
    char *path;
    uint64_t previous; /* Index before its first entry. */
    uint32_t *offsets; /* Of entries previous + 1 + i. */
    size_t count, capacity;
    size_t end; /* Offset where the next record goes. */
};

struct log_file {
    struct log_file_config config;
    struct segment *segments;
    size_t segment_count;
    int file; /* Of the last segment, or -1. */
    bool busy, stopped;
    bool reset_wanted, removed_last;
    uint64_t truncate_from; /* 0: none. */
    uint64_t compact_to;
    struct raft_point written; /* Up to here the disk has what the trail had. */
    uint64_t epoch;            /* On disk. */
    uint64_t mark_sequence;
    struct raft_point batch_end;
    uint64_t batch_epoch;

    struct slice names; /* Recovery. */
    size_t recover_at;
    struct raft_point base;
    int (*take)(void *data, struct raft_entry *entry);
    void (*recovered)(void *data, const struct error *error);
    void (*closed)(void *data);
    void *closed_data;
};

struct log_file *log_file_new(const struct log_file_config *config)
{
    struct log_file *log = alloc_zeroed(sizeof(*log));
    log->config = *config;
    log->file = -1;
    return log;
}

static void segment_release(struct segment *segment)
{
    free(segment->path);
    free(segment->offsets);
    *segment = (struct segment){0};
}

void log_file_free(struct log_file *log)
{
    if (log == NULL) {
        return;
    }
    for (size_t i = 0; i < log->segment_count; i++) {
        segment_release(&log->segments[i]);
    }
    free(log->segments);
    free(log);
}

static struct segment *segment_add(struct log_file *log, char *path_consume, uint64_t previous)
{
    log->segments = alloc_resize(log->segments, log->segment_count + 1, sizeof(struct segment));
    struct segment *segment = &log->segments[log->segment_count++];
    *segment = (struct segment){.path = path_consume, .previous = previous, .end = SEGMENT_HEAD};
    return segment;
}

static void segment_note(struct segment *segment, size_t offset, size_t size)
{
    if (segment->count == segment->capacity) {
        segment->capacity = segment->capacity * 2 + 64;
        segment->offsets = alloc_resize(segment->offsets, segment->capacity, sizeof(uint32_t));
    }
    segment->offsets[segment->count++] = (uint32_t)offset;
    segment->end = offset + size;
}

static struct segment *last_segment(struct log_file *log)
{
    return log->segment_count == 0 ? NULL : &log->segments[log->segment_count - 1];
}

static char *segment_path(const struct log_file *log, uint64_t previous)
{
    return alloc_printf("%s/log-%016" PRIx64, log->config.dir, previous + 1);
}

static bool failed(struct log_file *log, const char *what, int status)
{
    log->busy = false;
    if (status == 0 || log->stopped) {
        return log->stopped;
    }
    log->stopped = true;
    log->config.failed(log->config.data, what, status);
    return true;
}

static uint8_t *mark_bytes(struct log_file *log, struct raft_point durable, size_t *ret_offset)
{
    uint8_t *bytes = alloc_bytes(SEGMENT_SECTOR);
    log->mark_sequence++;
    struct segment_mark mark = {
        .sequence = log->mark_sequence, .epoch = log->epoch, .durable = durable};
    segment_mark_encode(&mark, bytes);
    *ret_offset = SEGMENT_SECTOR * (1 + log->mark_sequence % SEGMENT_MARKS);
    return bytes;
}

/* ---- a new segment ---- */

static void on_created(void *data, int status, int file)
{
    struct log_file *log = data;
    if (failed(log, "making a log segment", status)) {
        return;
    }
    log->file = file;
    log_file_pump(log);
}

/* Made under another name, so that a file with a segment's name always has a whole header. */
static void create_segment(struct log_file *log, size_t bytes)
{
    struct io_job *job = io_job_new(log->config.env);
    char *path = segment_path(log, log->written.index);
    char *temporary = alloc_printf("%s/new-segment", log->config.dir);
    size_t size = log->config.segment_bytes > bytes ? log->config.segment_bytes : bytes;
    uint8_t *header = alloc_bytes(SEGMENT_SECTOR);
    struct segment_header values = {.cluster = log->config.cluster,
                                    .member = log->config.member,
                                    .epoch = log->epoch,
                                    .previous = log->written};
    segment_header_encode(&values, header);
    if (log->file >= 0) {
        io_job_file(job, ENV_IO_CLOSE, log->file, 0, 0);
        log->file = -1;
    }
    io_job_open(job, temporary, ENV_OPEN_CREATE | ENV_OPEN_WRITE | ENV_OPEN_TRUNCATE);
    io_job_file(job, ENV_IO_ALLOCATE, -1, 0, size);
    io_job_write(job, -1, 0, header, SEGMENT_SECTOR);
    io_job_file(job, ENV_IO_SYNC, -1, 0, 0);
    io_job_path(job, ENV_IO_RENAME, temporary, path);
    if (PLANTED != PLANT_NO_DIR_SYNC) {
        io_job_path(job, ENV_IO_SYNC_DIR, log->config.dir, NULL);
    }
    (void)segment_add(log, path, log->written.index);
    log->busy = true;
    io_job_run(job, on_created, log);
    free(temporary);
}

/* ---- appending ---- */

static void on_written(void *data, int status, int file)
{
    struct log_file *log = data;
    (void)file;
    if (PLANTED == PLANT_IGNORE_FLUSH_ERROR) {
        status = 0;
    }
    if (failed(log, "writing the log", status)) {
        return;
    }
    log->written = log->batch_end;
    log->config.persisted(log->config.data, log->written.index, log->batch_epoch);
    log_file_pump(log);
}

static void append_batch(struct log_file *log)
{
    const struct raft_trail *trail = log->config.trail;
    struct segment *segment = last_segment(log);
    uint64_t first = log->written.index + 1;
    const struct raft_entry *entry = raft_trail_get(trail, first);
    assert(entry != NULL);
    if (segment == NULL || (segment->count > 0 &&
                            segment->end + record_size(entry->len) > log->config.segment_bytes)) {
        create_segment(log, SEGMENT_HEAD + record_size(entry->len));
        return;
    }
    struct buffer batch;
    buffer_init(&batch, BATCH_BYTES_MAX + RAFT_COMMAND_MAX + RECORD_HEAD);
    size_t start = segment->end;
    for (; entry != NULL; entry = raft_trail_get(trail, log->batch_end.index + 1)) {
        size_t size = record_size(entry->len);
        if (batch.len > 0 && (batch.len + size > BATCH_BYTES_MAX ||
                              segment->end + size > log->config.segment_bytes)) {
            break;
        }
        record_encode(entry, log->epoch, log->written.index, &batch);
        segment_note(segment, segment->end, size);
        log->batch_end = (struct raft_point){entry->index, entry->term, entry->chain};
    }
    log->batch_epoch = *log->config.epoch;
    struct io_job *job = io_job_new(log->config.env);
    size_t mark_offset;
    uint8_t *mark = mark_bytes(log, log->written, &mark_offset);
    size_t len;
    uint8_t *bytes = buffer_take(&batch, &len);
    io_job_write(job, log->file, mark_offset, mark, SEGMENT_SECTOR);
    io_job_write(job, log->file, start, bytes, len);
    io_job_file(job, ENV_IO_SYNC, log->file, 0, 0);
    log->busy = true;
    io_job_run(job, on_written, log);
}

/* ---- truncation ---- */

static void on_truncated(void *data, int status, int file)
{
    struct log_file *log = data;
    if (failed(log, "cutting the log", status)) {
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
    log->truncate_from = 0;
    if (from > log->written.index) {
        return;
    }
    struct io_job *job = io_job_new(log->config.env);
    bool reopen = false;
    while (log->segment_count > 1 && last_segment(log)->previous >= from) {
        struct segment *segment = last_segment(log);
        if (log->file >= 0) {
            io_job_file(job, ENV_IO_CLOSE, log->file, 0, 0);
            log->file = -1;
        }
        io_job_path(job, ENV_IO_UNLINK, segment->path, NULL);
        io_job_path(job, ENV_IO_SYNC_DIR, log->config.dir, NULL);
        segment_release(segment);
        log->segment_count--;
        reopen = true;
    }
    struct segment *segment = last_segment(log);
    if (reopen) {
        io_job_open(job, segment->path, ENV_OPEN_WRITE);
    }
    bool found = raft_trail_point(log->config.trail, from - 1, &log->written);
    assert(found);
    (void)found;
    size_t kept = (size_t)(from - 1 - segment->previous);
    if (kept < segment->count) {
        segment->end = segment->offsets[kept];
        segment->count = kept;
    }
    log->epoch++;
    size_t mark_offset;
    uint8_t *mark = mark_bytes(log, log->written, &mark_offset);
    io_job_write(job, log->file, mark_offset, mark, SEGMENT_SECTOR);
    io_job_file(job, ENV_IO_SYNC, log->file, 0, 0);
    log->busy = true;
    io_job_run(job, on_truncated, log);
}

/* ---- reset and compaction ---- */

static void on_removed(void *data, int status, int file)
{
    struct log_file *log = data;
    (void)file;
    if (!failed(log, "removing log segments", status)) {
        log_file_pump(log);
    }
}

/* Newest first: what a crash leaves is a log that ends early, never one with a hole. */
static void remove_all(struct log_file *log)
{
    if (log->segment_count == 0) {
        log->reset_wanted = false;
        log->written = log->config.trail->base;
        log->epoch++;
        return;
    }
    struct segment *segment = last_segment(log);
    struct io_job *job = io_job_new(log->config.env);
    if (log->file >= 0) {
        io_job_file(job, ENV_IO_CLOSE, log->file, 0, 0);
        log->file = -1;
    }
    io_job_path(job, ENV_IO_UNLINK, segment->path, NULL);
    io_job_path(job, ENV_IO_SYNC_DIR, log->config.dir, NULL);
    segment_release(segment);
    log->segment_count--;
    log->busy = true;
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
    segment_release(&log->segments[0]);
    log->segment_count--;
    for (size_t i = 0; i < log->segment_count; i++) {
        log->segments[i] = log->segments[i + 1];
    }
    log->busy = true;
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

bool log_file_idle(const struct log_file *log)
{
    return !log->busy;
}

void log_file_pump(struct log_file *log)
{
    if (log->busy || log->stopped) {
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
        append_batch(log);
    }
    if (!log->busy) {
        log->removed_last = remove_oldest(log);
    }
}

static void on_file_closed(void *data, int status, int file)
{
    struct log_file *log = data;
    (void)status; /* Everything that counts was flushed before. */
    (void)file;
    log->busy = false;
    log_file_pump(log);
}

void log_file_close(struct log_file *log, void (*closed)(void *data), void *data)
{
    log->closed = closed;
    log->closed_data = data;
    if (log->file >= 0 && !log->busy) {
        struct io_job *job = io_job_new(log->config.env);
        io_job_file(job, ENV_IO_CLOSE, log->file, 0, 0);
        log->file = -1;
        log->busy = true;
        log->stopped = false;
        io_job_run(job, on_file_closed, log);
    }
}

/* ---- recovery ---- */

static void recover_next(struct log_file *log);

static void recover_fail(struct log_file *log, struct error *error, const char *path)
{
    if (path != NULL) {
        (void)error_wrap(error, "%s", path);
    }
    log->stopped = true;
    log->recovered(log->config.data, error);
}

static const char *next_name(struct slice names, size_t *at, const char *prefix)
{
    while (*at < names.len) {
        const char *name = (const char *)names.data + *at;
        *at += strnlen(name, names.len - *at) + 1;
        if (strncmp(name, prefix, strlen(prefix)) == 0) {
            return name;
        }
    }
    return NULL;
}

static int recover_entry(void *data, struct raft_entry *entry, size_t offset)
{
    struct log_file *log = data;
    segment_note(last_segment(log), offset, record_size(entry->len));
    if (entry->index <= log->base.index) {
        bool meets = entry->index < log->base.index || entry->chain == log->base.chain;
        raft_entry_unref(entry);
        return meets ? 0 : -ESTALE;
    }
    return log->take(log->config.data, entry);
}

static void on_repaired(void *data, int status, int file)
{
    struct log_file *log = data;
    log->busy = false;
    if (status < 0) {
        struct error error = {0};
        (void)error_set(&error, status, "cannot repair the end of the log: %s", strerror(-status));
        recover_fail(log, &error, NULL);
        error_release(&error);
        return;
    }
    log->file = file;
    log->recovered(log->config.data, NULL);
}

/* Opens the last segment for writing, with zeros for what a crash had left of a batch. */
static void recover_finish(struct log_file *log, size_t size, bool torn)
{
    struct segment *segment = last_segment(log);
    struct io_job *job = io_job_new(log->config.env);
    io_job_open(job, segment->path, ENV_OPEN_WRITE);
    if (torn && size > segment->end) {
        io_job_write(job, -1, segment->end, alloc_zeroed(size - segment->end), size - segment->end);
    }
    log->epoch++;
    size_t mark_offset;
    uint8_t *mark = mark_bytes(log, log->written, &mark_offset);
    io_job_file(job, ENV_IO_SYNC, -1, 0, 0);
    io_job_write(job, -1, mark_offset, mark, SEGMENT_SECTOR);
    io_job_file(job, ENV_IO_SYNC, -1, 0, 0);
    log->busy = true;
    io_job_run(job, on_repaired, log);
}

/* The log ends before the snapshot, or contradicts it: it has nothing that is needed. */
static void recover_useless(struct log_file *log)
{
    const char *name = next_name(log->names, &log->recover_at, "log-");
    for (; name != NULL; name = next_name(log->names, &log->recover_at, "log-")) {
        (void)segment_add(log, alloc_printf("%s/%s", log->config.dir, name), 0);
    }
    log->reset_wanted = true;
    log->written = log->base;
    log->recovered(log->config.data, NULL);
}

static int check_segment(struct log_file *log, struct slice bytes, bool last,
                         struct segment_scan *ret_scan, struct error *reterr)
{
    struct segment_header header;
    if (bytes.len < SEGMENT_HEAD || segment_header_decode(bytes, &header) < 0) {
        return error_set(reterr, -EBADMSG, "the segment header is damaged");
    }
    if (header.cluster != log->config.cluster || header.member != log->config.member) {
        return error_set(reterr, -EINVAL, "the segment belongs to another cluster or member");
    }
    bool first = log->segment_count == 1;
    if (first ? header.previous.index > log->base.index
              : header.previous.index != log->written.index ||
                    header.previous.chain != log->written.chain) {
        return error_set(reterr, -EBADMSG,
                         "the log has a hole before entry %" PRIu64 ": it holds entries up to "
                         "%" PRIu64,
                         header.previous.index + 1, first ? log->base.index : log->written.index);
    }
    if (header.previous.index == log->base.index && header.previous.chain != log->base.chain) {
        return -ESTALE;
    }
    last_segment(log)->previous = header.previous.index;
    return segment_scan(bytes, last, /* end= */ NULL, recover_entry, log, ret_scan, reterr);
}

static void on_segment(void *data, int status, uint8_t *bytes, size_t len)
{
    struct log_file *log = data;
    CLEANUP(error_release) struct error error = {0};
    CLEANUP(alloc_freep) uint8_t *owned = bytes;
    struct segment_scan scan = {0};
    const char *path = last_segment(log)->path;
    size_t at = log->recover_at;
    bool last = next_name(log->names, &at, "log-") == NULL;
    if (status < 0) {
        (void)error_set(&error, status, "cannot read: %s", strerror(-status));
        recover_fail(log, &error, path);
        return;
    }
    status = check_segment(log, slice_of(owned, len), last, &scan, &error);
    if (status == -ESTALE) {
        recover_useless(log);
        return;
    }
    if (status < 0) {
        recover_fail(log, &error, path);
        return;
    }
    log->written = scan.end;
    log->epoch = scan.mark.epoch > log->epoch ? scan.mark.epoch : log->epoch;
    log->mark_sequence =
        scan.mark.sequence > log->mark_sequence ? scan.mark.sequence : log->mark_sequence;
    if (!last) {
        recover_next(log);
    } else if (scan.end.index < log->base.index) {
        recover_useless(log);
    } else {
        recover_finish(log, len, scan.torn);
    }
}

static void recover_next(struct log_file *log)
{
    const char *name = next_name(log->names, &log->recover_at, "log-");
    if (name == NULL || log->segment_count == SEGMENTS_MAX) {
        log->written = log->base;
        log->recovered(log->config.data, NULL);
        return;
    }
    char *path = alloc_printf("%s/%s", log->config.dir, name);
    (void)segment_add(log, path, 0);
    io_load(log->config.env, path, SEGMENT_BYTES_MAX, on_segment, log);
}

void log_file_recover(struct log_file *log, struct slice names, struct raft_point base,
                      int (*take)(void *data, struct raft_entry *entry_consume),
                      void (*done)(void *data, const struct error *error))
{
    log->names = names;
    log->recover_at = 0;
    log->base = base;
    log->take = take;
    log->recovered = done;
    recover_next(log);
}
