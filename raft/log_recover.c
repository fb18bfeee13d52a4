/* Reading the log back: segment after segment, each entry checked and joined to the one before.
 * Where the log cannot be read though it was durable, recovery stops and says so; what lies behind
 * is only looked at for how far the log had reached. */
#include "lib/base/alloc.h"
#include "raft/io_job.h"
#include "raft/log_internal.h"
#include "raft/plant.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENTS_MAX = 4096, SEGMENT_BYTES_MAX = 1 << 30 };

#define SEGMENT_PREFIX "log-"

struct header_fix {
    size_t segment;
    struct segment_header header;
};

struct log_recovery {
    struct slice names;
    size_t at;
    uint64_t newest; /* First entry of the last segment, as its name says; 0: there is none. */
    struct raft_point base;
    bool keep_tail; /* A repair is under way: what is missing is known. */
    bool useless;
    int (*take)(void *data, struct raft_entry *entry);
    void (*done)(void *data, const struct error *error, const struct log_damage *damage);
    struct segment_scan scan; /* Of the newest segment that could be joined. */
    bool damaged, floor_unknown;
    struct raft_floor floor;
    struct segment_mark mark; /* The newest behind the damage. */
    size_t keep;              /* So many segments stay when the rest is set aside. */
    bool setting_aside;
    struct error error;
    struct header_fix *fixes;
    size_t fix_count;
};

void log_recovery_free(struct log_file *log)
{
    struct log_recovery *recovery = log->recovery;
    if (recovery == NULL) {
        return;
    }
    error_release(&recovery->error);
    free(recovery->fixes);
    free(recovery);
    log->recovery = NULL;
}

static void finish(struct log_file *log, const struct error *error)
{
    void (*done)(void *data, const struct error *wrong, const struct log_damage *damage) =
        log->recovery->done;
    log_recovery_free(log);
    log->busy = false;
    log->stopped = error != NULL;
    done(log->config.data, error, NULL);
}

static uint64_t first_of(const char *name)
{
    return strtoull(name + strlen(SEGMENT_PREFIX), NULL, 16);
}

static const char *next_name(const struct log_recovery *recovery, size_t *at)
{
    struct slice names = recovery->names;
    while (*at < names.len) {
        const char *name = (const char *)names.data + *at;
        *at += strnlen(name, names.len - *at) + 1;
        if (strncmp(name, SEGMENT_PREFIX, strlen(SEGMENT_PREFIX)) == 0) {
            return name;
        }
    }
    return NULL;
}

/* Of the segment after the one being read, as its name says; 0 when that is the last one. */
static uint64_t next_first(const struct log_recovery *recovery)
{
    size_t at = recovery->at;
    const char *name = next_name(recovery, &at);
    return name == NULL ? 0 : first_of(name);
}

static bool is_last(const struct log_recovery *recovery)
{
    size_t at = recovery->at;
    return next_name(recovery, &at) == NULL;
}

static const char *base_name(const char *path)
{
    return strrchr(path, '/') + 1;
}

/* The log cannot be followed beyond `offset` of `path`. The first `keep` segments stay. */
static void set_damaged(struct log_file *log, size_t keep, const char *path, size_t offset,
                        const char *what)
{
    struct log_recovery *recovery = log->recovery;
    recovery->damaged = true;
    recovery->keep = keep;
    (void)error_set(&recovery->error, -EBADMSG,
                    "%s at offset %zu: %s; the log is good up to entry %" PRIu64, path, offset,
                    what, log->written.index);
}

/* ---- the end of recovery ---- */

static void on_repaired(void *data, int status, int file)
{
    struct log_file *log = data;
    if (status < 0) {
        CLEANUP(error_release) struct error error = {0};
        (void)error_set(&error, status, "cannot repair the end of the log: %s", strerror(-status));
        finish(log, &error);
        return;
    }
    log->file = file;
    log->busy = false;
    if (!log_promise(log, log_extent(log, log->segment_count, 0))) {
        finish(log, NULL);
    }
}

static void add_fixes(struct log_file *log, struct io_job *job)
{
    const struct log_recovery *recovery = log->recovery;
    for (size_t i = 0; i < recovery->fix_count; i++) {
        const struct header_fix *fix = &recovery->fixes[i];
        if (fix->segment >= log->segment_count) {
            continue;
        }
        uint8_t *bytes = alloc_bytes(SEGMENT_SECTOR);
        segment_header_encode(&fix->header, bytes);
        io_job_open(job, log->segments[fix->segment].path, ENV_OPEN_WRITE);
        io_job_write(job, -1, 0, bytes, SEGMENT_SECTOR);
        io_job_file(job, ENV_IO_SYNC, -1, 0, 0);
        io_job_file(job, ENV_IO_CLOSE, -1, 0, 0);
    }
}

/* Opens the last segment for writing, with zeros for what a crash had left of a batch. */
static void make_writable(struct log_file *log)
{
    const struct log_recovery *recovery = log->recovery;
    struct log_segment *segment = log_last_segment(log);
    if (segment == NULL) {
        finish(log, NULL);
        return;
    }
    struct io_job *job = io_job_new(log->config.env);
    add_fixes(log, job);
    /* An empty one would give its name to the next. */
    log->roll = (recovery->damaged || recovery->keep_tail) && segment->count > 0;
    if (recovery->scan.torn && !log->roll && recovery->scan.torn_end > segment->end) {
        size_t size = recovery->scan.torn_end - segment->end;
        io_job_open(job, segment->path, ENV_OPEN_WRITE);
        io_job_write(job, -1, segment->end, alloc_zeroed(size), size);
        io_job_file(job, ENV_IO_CLOSE, -1, 0, 0); /* Flushed through the file opened now. */
    }
    io_job_open(job, segment->path, ENV_OPEN_WRITE | ENV_OPEN_DIRECT);
    log->epoch++;
    size_t offset;
    uint8_t *mark = log_mark_bytes(log, &offset);
    io_job_file(job, ENV_IO_SYNC, -1, 0, 0);
    io_job_write(job, -1, offset, mark, SEGMENT_SECTOR);
    io_job_file(job, ENV_IO_SYNC, -1, 0, 0);
    log_tail_read(log, job, -1);
    io_job_run(job, on_repaired, log);
}

/* The log ends before the snapshot, or contradicts it: it has nothing that is needed. */
static void drop_all(struct log_file *log)
{
    log->reset_wanted = log->segment_count > 0;
    log->written = log->recovery->base;
    finish(log, NULL);
}

static void tell_damage(struct log_file *log)
{
    struct log_recovery *recovery = log->recovery;
    while (recovery->keep > 0 && log->segments[recovery->keep - 1].count == 0) {
        recovery->keep--; /* The segment to come takes its name. */
    }
    if (log->written.index < recovery->base.index) {
        recovery->keep = 0;
    }
    struct log_damage damage = {.error = &recovery->error,
                                .floor = recovery->floor,
                                .floor_unknown = recovery->floor_unknown};
    log->busy = false;
    recovery->done(log->config.data, NULL, &damage);
}

static void on_set_aside(void *data, int status, int file)
{
    struct log_file *log = data;
    struct log_recovery *recovery = log->recovery;
    (void)file;
    if (status < 0) {
        CLEANUP(error_release) struct error error = {0};
        (void)error_set(&error, status, "cannot rename damaged log files: %s", strerror(-status));
        finish(log, &error);
        return;
    }
    while (log->segment_count > recovery->keep) {
        log_segment_release(log_last_segment(log));
        log->segment_count--;
    }
    if (log->written.index < recovery->base.index) {
        log->written = recovery->base;
    }
    make_writable(log);
}

/* Newest first, as always. */
static void set_aside(struct log_file *log)
{
    struct log_recovery *recovery = log->recovery;
    recovery->setting_aside = false;
    log_busy(log);
    if (recovery->keep == log->segment_count) {
        on_set_aside(log, 0, -1);
        return;
    }
    struct io_job *job = io_job_new(log->config.env);
    for (size_t i = log->segment_count; i-- > recovery->keep;) {
        const char *path = log->segments[i].path;
        char *aside = alloc_printf("%s/%s%s", log->config.dir, LOG_ASIDE, base_name(path));
        io_job_path(job, ENV_IO_RENAME, path, aside);
        free(aside);
    }
    io_job_path(job, ENV_IO_SYNC_DIR, log->config.dir, NULL);
    io_job_run(job, on_set_aside, log);
}

/* No more is promised than what will be there. */
void log_file_set_aside(struct log_file *log)
{
    struct log_recovery *recovery = log->recovery;
    recovery->setting_aside = true;
    if (!log_promise(log, log_extent(log, recovery->keep, recovery->base.index))) {
        set_aside(log);
    }
}

void log_recovery_promised(struct log_file *log)
{
    if (log->recovery->setting_aside) {
        set_aside(log);
    } else {
        finish(log, NULL);
    }
}

/* Is what was promised there? What a lost file held can only be told by others. */
static void look_for_promised(struct log_file *log)
{
    struct log_recovery *recovery = log->recovery;
    const struct raft_extent *extent = &log->extent;
    bool reached = extent->reached <= recovery->base.index || extent->reached <= log->written.index;
    if ((reached && recovery->newest >= extent->segment) || PLANTED == PLANT_FORGET_SEGMENTS) {
        return;
    }
    recovery->floor_unknown = true;
    if (!recovery->damaged) {
        CLEANUP(alloc_freep)
        char *path =
            alloc_printf("%s/%s%016" PRIx64, log->config.dir, SEGMENT_PREFIX, extent->reached + 1);
        set_damaged(log, recovery->useless ? 0 : log->segment_count, path, 0,
                    extent->segment == 0 ? "the snapshot before it is missing" : "it is missing");
    }
}

static void all_read(struct log_file *log)
{
    const struct log_recovery *recovery = log->recovery;
    look_for_promised(log);
    if (recovery->damaged) {
        tell_damage(log);
    } else if (recovery->useless || log->segment_count == 0 ||
               log->written.index < recovery->base.index) {
        drop_all(log);
    } else {
        make_writable(log);
    }
}

/* ---- one segment ---- */

/* Behind the damage: how far had the log reached? */
static void look_behind(struct log_file *log, struct slice bytes, bool last, size_t unreadable)
{
    struct log_recovery *recovery = log->recovery;
    struct raft_floor proven;
    bool whole = segment_proof(bytes, &recovery->mark, &proven);
    recovery->floor = raft_floor_max(recovery->floor, proven);
    log->epoch = recovery->mark.epoch > log->epoch ? recovery->mark.epoch : log->epoch;
    if (recovery->mark.sequence > log->mark_sequence) {
        log->mark_sequence = recovery->mark.sequence;
    }
    if (last && (!whole || unreadable > 0)) {
        recovery->floor_unknown = true;
    }
}

static int take_entry(void *data, struct raft_entry *entry, size_t offset)
{
    struct log_file *log = data;
    const struct log_recovery *recovery = log->recovery;
    struct log_segment *segment = log_last_segment(log);
    while (segment->previous + segment->count + 1 < entry->index) {
        log_segment_note(segment, offset, 0); /* Damaged ones that the snapshot replaces. */
    }
    log_segment_note(segment, offset, record_size(entry->len));
    if (entry->index <= recovery->base.index) {
        bool meets = entry->index < recovery->base.index || entry->chain == recovery->base.chain;
        raft_entry_unref(entry);
        return meets ? 0 : -ESTALE;
    }
    return recovery->take(log->config.data, entry);
}

enum joint { JOINS, CONTRADICTS, HOLE, NO_HEADER, FOREIGN };

/* Does the segment follow the one before, or reach back to the snapshot? */
static enum joint joint_of(struct log_file *log, struct slice bytes,
                           const struct segment_place *place)
{
    struct segment_header header;
    struct raft_point base = place->base;
    if (bytes.len < SEGMENT_HEAD || segment_header_decode(bytes, &header) < 0) {
        bool known = place->previous != NULL && place->previous->index + 1 == place->first;
        return known && bytes.len >= SEGMENT_HEAD ? JOINS : NO_HEADER;
    }
    if (header.cluster != log->config.cluster || header.member != log->config.member) {
        return FOREIGN;
    }
    /* What lies before the snapshot need not hang together. */
    bool first = log->segment_count == 1 || log->written.index < base.index;
    if (header.previous.index + 1 != place->first ||
        (first ? header.previous.index > base.index
               : header.previous.index != log->written.index ||
                     header.previous.chain != log->written.chain)) {
        return HOLE;
    }
    return header.previous.index == base.index && header.previous.chain != base.chain ? CONTRADICTS
                                                                                      : JOINS;
}

static void note_fix(struct log_recovery *recovery, size_t segment, const struct log_file *log,
                     size_t bytes)
{
    recovery->fixes =
        alloc_resize(recovery->fixes, recovery->fix_count + 1, sizeof(struct header_fix));
    struct header_fix *fix = &recovery->fixes[recovery->fix_count++];
    *fix = (struct header_fix){segment, recovery->scan.header};
    fix->header.cluster = log->config.cluster;
    fix->header.member = log->config.member;
    fix->header.bytes = bytes;
}

static void judge(struct log_file *log, struct slice bytes, bool last, size_t unreadable)
{
    struct log_recovery *recovery = log->recovery;
    const struct segment_scan *scan = &recovery->scan;
    const char *path = log_last_segment(log)->path;
    bool empty = scan->end.index == scan->header.previous.index;
    bool no_proof = scan->header_damaged && (empty || scan->mark.sequence == 0); /* Marks too. */
    if (scan->header_damaged || scan->cut) {
        note_fix(recovery, log->segment_count - 1, log, bytes.len);
    }
    if (!last) {
        return;
    }
    if (scan->damaged) {
        set_damaged(log, log->segment_count, path, scan->end_offset,
                    "damaged, though it was durable");
        recovery->floor = scan->proven;
        recovery->floor_unknown = scan->unclear || unreadable > scan->end_offset;
    } else if (scan->cut || unreadable > scan->end_offset || (no_proof && scan->torn)) {
        set_damaged(log, log->segment_count, path, scan->end_offset,
                    scan->cut ? "the file is shorter than it was" : "cannot be read");
        recovery->floor_unknown = true;
    }
}

static int join(struct log_file *log, struct slice bytes, bool last, size_t unreadable,
                struct error *reterr)
{
    struct log_recovery *recovery = log->recovery;
    struct log_segment *segment = log_last_segment(log);
    size_t before = log->segment_count - 1;
    struct segment_place place = {.base = recovery->base,
                                  .first = first_of(base_name(segment->path)),
                                  .next = next_first(recovery),
                                  .bytes = log->config.segment_bytes,
                                  .last = last};
    if (before > 0) {
        place.previous = &log->written;
    } else if (recovery->base.index + 1 == place.first) {
        place.previous = &recovery->base;
    }
    switch (joint_of(log, bytes, &place)) {
    case FOREIGN:
        return error_set(reterr, -EINVAL, "the segment belongs to another cluster or member");
    case CONTRADICTS:
        recovery->useless = true;
        return 0;
    case HOLE:
        set_damaged(log, before, before > 0 ? segment[-1].path : segment->path,
                    before > 0 ? segment[-1].end : 0,
                    before > 0 ? "what follows is damaged or missing"
                               : "what came before is missing");
        look_behind(log, bytes, last, unreadable);
        return 0;
    case NO_HEADER:
        set_damaged(log, before, segment->path, 0, "the segment header is damaged");
        look_behind(log, bytes, last, unreadable);
        return 0;
    case JOINS:
        break;
    }
    segment->previous = place.first - 1;
    int status = segment_scan(bytes, &place, take_entry, log, &recovery->scan);
    if (status == -ESTALE) {
        recovery->useless = true;
        return 0;
    }
    if (status < 0) {
        return error_set(reterr, status, "an entry cannot be used");
    }
    const struct segment_scan *scan = &recovery->scan;
    log->written = scan->end;
    log->epoch = scan->epoch > log->epoch ? scan->epoch : log->epoch;
    if (scan->mark.sequence > log->mark_sequence) {
        log->mark_sequence = scan->mark.sequence;
    }
    judge(log, bytes, last, unreadable);
    return 0;
}

static void read_next(struct log_file *log);

static void on_segment(void *data, int status, uint8_t *bytes, size_t len, size_t unreadable)
{
    struct log_file *log = data;
    CLEANUP(error_release) struct error error = {0};
    CLEANUP(alloc_freep) uint8_t *owned = bytes;
    const struct log_recovery *recovery = log->recovery;
    bool last = is_last(recovery);
    if (status < 0) {
        (void)error_set(&error, status, "cannot read: %s", strerror(-status));
    } else if (recovery->damaged) {
        look_behind(log, slice_of(owned, len), last, unreadable);
    } else if (!recovery->useless) {
        status = join(log, slice_of(owned, len), last, unreadable, &error);
    }
    if (status < 0) {
        (void)error_wrap(&error, "%s", log_last_segment(log)->path);
        finish(log, &error);
        return;
    }
    read_next(log);
}

static void read_next(struct log_file *log)
{
    struct log_recovery *recovery = log->recovery;
    const char *name = next_name(recovery, &recovery->at);
    if (name == NULL || log->segment_count == SEGMENTS_MAX) {
        all_read(log);
        return;
    }
    char *path = alloc_printf("%s/%s", log->config.dir, name);
    recovery->newest = first_of(name);
    (void)log_segment_add(log, path, 0);
    io_load_damaged(log->config.env, path, SEGMENT_BYTES_MAX, on_segment, log);
}

void log_file_recover(struct log_file *log, struct slice names, struct raft_point base,
                      bool keep_tail, int (*take)(void *data, struct raft_entry *entry_consume),
                      void (*done)(void *data, const struct error *error,
                                   const struct log_damage *damage))
{
    struct log_recovery *recovery = alloc_zeroed(sizeof(*recovery));
    *recovery = (struct log_recovery){
        .names = names, .base = base, .keep_tail = keep_tail, .take = take, .done = done};
    log->recovery = recovery;
    log->written = base;
    log_busy(log);
    read_next(log);
}
