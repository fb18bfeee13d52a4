/* Room for the log: the next segment is reserved, and filled with zeros in small portions, while
 * the one before is written. So a write needs no new blocks and its flush no change of the file
 * system's own records; and a disk that is full is noticed a whole segment early. */
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "raft/limits.h"
#include "raft/log_internal.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    ZERO_BYTES = 256 * 1024,
    ZERO_PAUSE_MS = 5, /* Between portions: the log's own flushes go first. */
    ROOM_RETRY_MS = 1000,
};

char *log_spare_path(const struct log_file *log)
{
    return alloc_printf("%s/spare-segment", log->config.dir);
}

static void submit(struct log_file *log, enum env_io_kind kind)
{
    struct log_spare *spare = &log->spare;
    spare->io.kind = kind;
    spare->busy = true;
    env_io_submit(log->config.env, &spare->io);
}

static void set_missing_room(struct log_file *log, bool missing)
{
    struct log_spare *spare = &log->spare;
    if (missing) {
        env_timer_start(log->config.env, &spare->timer, ROOM_RETRY_MS * NS_PER_MS);
    }
    if (missing == spare->missing_room) {
        return;
    }
    spare->missing_room = missing;
    if (missing) {
        LOG_WARN("raft",
                 "disk full: no room for the next log segment; writes are refused until "
                 "there is, reads go on",
                 KV_TEXT("dir", log->config.dir), KV_U64("bytes", spare->size));
    } else {
        LOG_INFO("raft", "there is room for the next log segment again: writes are accepted",
                 KV_TEXT("dir", log->config.dir));
    }
    log->config.room(log->config.data);
}

static void end(struct log_file *log)
{
    struct log_spare *spare = &log->spare;
    free(TAKE(spare->io.buffer));
    union {
        const char *text;
        void *memory;
    } path = {.text = spare->io.path};
    spare->io.path = NULL;
    free(path.memory);
    spare->file = -1;
}

/* Reserving failed for want of room: what was reserved in part is given back. */
static void give_up(struct log_file *log)
{
    struct log_spare *spare = &log->spare;
    spare->zeroed = spare->size;
    set_missing_room(log, true);
    spare->io.len = 0;
    submit(log, ENV_IO_TRUNCATE);
}

static void fill_on(struct log_file *log)
{
    struct log_spare *spare = &log->spare;
    if (spare->zeroed >= spare->size) {
        submit(log, ENV_IO_CLOSE);
        return;
    }
    env_timer_start(log->config.env, &spare->timer, ZERO_PAUSE_MS * NS_PER_MS);
    log_file_pump(log);
}

/* Into blocks that were only reserved, every flush has the file system's own notes to write too: at
 * the very beginning, when the first segment could not wait, the second takes over early. */
static void leave_unfilled(struct log_file *log)
{
    if (log->unfilled && log->spare.reserved) {
        log->unfilled = false;
        log->roll = true;
    }
}

static void step(struct log_file *log, struct env_io *io)
{
    struct log_spare *spare = &log->spare;
    switch (io->kind) {
    case ENV_IO_OPEN:
        if (io->result < 0) { /* No room even for its name. */
            end(log);
            set_missing_room(log, true);
            return;
        }
        spare->file = io->file;
        submit(log, ENV_IO_SIZE);
        return;
    case ENV_IO_SIZE:
        /* One that was left by an earlier run is taken for filled. */
        spare->zeroed = (uint64_t)io->result >= spare->size ? spare->size : 0;
        io->offset = 0;
        io->len = spare->size;
        submit(log, ENV_IO_ALLOCATE);
        return;
    case ENV_IO_ALLOCATE:
        if (io->result < 0) {
            give_up(log);
            return;
        }
        spare->reserved = true;
        set_missing_room(log, false);
        fill_on(log);
        return;
    case ENV_IO_WRITE: /* A file system that reserves nothing may have no room for zeros. */
        spare->zeroed = io->result < 0 ? spare->size : spare->zeroed + io->len;
        submit(log, ENV_IO_SYNC);
        return;
    case ENV_IO_SYNC:
        fill_on(log);
        return;
    case ENV_IO_CLOSE:
        end(log);
        leave_unfilled(log);
        log_file_pump(log);
        return;
    case ENV_IO_TRUNCATE:
        submit(log, ENV_IO_CLOSE);
        return;
    case ENV_IO_READ:
    case ENV_IO_RENAME:
    case ENV_IO_UNLINK:
    case ENV_IO_SYNC_DIR:
    case ENV_IO_MAKE_DIR:
    case ENV_IO_LIST_DIR:
        assert(false);
    }
}

static void on_io(struct env_io *io)
{
    struct log_file *log = io->data;
    log->spare.busy = false;
    if (log->stopped || io->result == -ECANCELED) {
        end(log);
        return;
    }
    bool needs_room =
        io->kind == ENV_IO_OPEN || io->kind == ENV_IO_ALLOCATE || io->kind == ENV_IO_WRITE;
    bool goes_on = io->result >= 0 || io->kind == ENV_IO_TRUNCATE ||
                   (needs_room && (io->result == -ENOSPC || io->result == -EDQUOT));
    if (goes_on) {
        step(log, io);
        return;
    }
    end(log);
    log->stopped = true;
    log->config.failed(log->config.data, "preparing a log segment", (int)io->result);
}

static void on_timer(void *data)
{
    struct log_file *log = data;
    struct log_spare *spare = &log->spare;
    if (log->stopped || log->closed != NULL || spare->busy) {
        return;
    }
    if (spare->file < 0) {
        log_spare_want(log, spare->size);
        return;
    }
    size_t left = spare->size - spare->zeroed;
    spare->io.offset = spare->zeroed;
    spare->io.len = left < ZERO_BYTES ? left : ZERO_BYTES;
    if (spare->io.buffer == NULL) {
        spare->io.buffer = alloc_aligned(ENV_DIRECT_UNIT, ZERO_BYTES);
        memset(spare->io.buffer, 0, ZERO_BYTES);
    }
    submit(log, ENV_IO_WRITE);
}

void log_spare_want(struct log_file *log, size_t size)
{
    struct log_spare *spare = &log->spare;
    size = size > log->config.segment_bytes ? size : log->config.segment_bytes;
    size = (size + SEGMENT_SECTOR - 1) / SEGMENT_SECTOR * SEGMENT_SECTOR;
    bool enough = spare->reserved && spare->size >= size;
    if (enough || spare->busy || spare->file >= 0 || spare->timer.position != 0 || log->stopped ||
        log->closed != NULL) {
        return;
    }
    spare->size = size;
    spare->reserved = false;
    spare->timer = (struct env_timer){.fire = on_timer, .data = log};
    spare->io = (struct env_io){.path = log_spare_path(log),
                                .flags = ENV_OPEN_CREATE | ENV_OPEN_WRITE | ENV_OPEN_DIRECT,
                                .file = -1,
                                .bulk = true, /* The log itself must not wait for it. */
                                .done = on_io,
                                .data = log};
    submit(log, ENV_IO_OPEN);
}

void log_spare_taken(struct log_file *log)
{
    struct log_spare *spare = &log->spare;
    env_timer_stop(log->config.env, &spare->timer);
    spare->reserved = false;
    end(log);
}

void log_spare_stop(struct log_file *log)
{
    struct log_spare *spare = &log->spare;
    env_timer_stop(log->config.env, &spare->timer);
    if (!spare->busy) {
        int file = spare->file;
        end(log);
        spare->file = file; /* Whoever closes the log closes it as well. */
    }
}

bool log_file_short_of_room(const struct log_file *log)
{
    return log->spare.missing_room;
}
