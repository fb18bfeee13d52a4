#include "raft/io_job.h"

#include "lib/base/alloc.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LOAD_BLOCK = 4096, LOAD_TRIES = 4 };

struct io_job {
    struct env *env;
    struct env_io *ios; /* Moves only before io_job_run(). */
    size_t count, capacity;
    bool bulk;
    int file;
    void (*done)(void *data, int status, int file);
    void *data;
};

struct io_job *io_job_new(struct env *env)
{
    struct io_job *job = alloc_zeroed(sizeof(*job));
    job->env = env;
    job->file = -1;
    return job;
}

static void on_done(struct env_io *io);

static struct env_io *add(struct io_job *job, enum env_io_kind kind)
{
    if (job->count == job->capacity) {
        job->capacity = job->capacity * 2 + 8;
        job->ios = alloc_resize(job->ios, job->capacity, sizeof(struct env_io));
    }
    struct env_io *io = &job->ios[job->count++];
    *io = (struct env_io){.kind = kind, .file = -1, .done = on_done, .data = job};
    return io;
}

void io_job_bulk(struct io_job *job)
{
    job->bulk = true;
}

void io_job_path(struct io_job *job, enum env_io_kind kind, const char *path, const char *path_to)
{
    struct env_io *io = add(job, kind);
    io->path = alloc_text(path);
    io->path_to = path_to == NULL ? NULL : alloc_text(path_to);
}

void io_job_open(struct io_job *job, const char *path, int flags)
{
    struct env_io *io = add(job, ENV_IO_OPEN);
    io->path = alloc_text(path);
    io->flags = flags;
}

void io_job_file(struct io_job *job, enum env_io_kind kind, int file, uint64_t offset, size_t len)
{
    struct env_io *io = add(job, kind);
    io->file = file;
    io->offset = offset;
    io->len = len;
}

void io_job_write(struct io_job *job, int file, uint64_t offset, uint8_t *buffer_consume,
                  size_t len)
{
    struct env_io *io = add(job, ENV_IO_WRITE);
    io->file = file;
    io->offset = offset;
    io->buffer = buffer_consume;
    io->len = len;
}

void io_job_read(struct io_job *job, int file, uint64_t offset, uint8_t *buffer_lent, size_t len)
{
    struct env_io *io = add(job, ENV_IO_READ);
    io->file = file;
    io->offset = offset;
    io->buffer = buffer_lent;
    io->len = len;
}

static void finish(struct io_job *job, int status)
{
    void (*done)(void *data, int status_of, int file) = job->done;
    void *data = job->data;
    int file = job->file;
    for (size_t i = 0; i < job->count; i++) {
        union {
            const char *text;
            void *memory;
        } path = {.text = job->ios[i].path}, path_to = {.text = job->ios[i].path_to};
        free(path.memory);
        free(path_to.memory);
        if (job->ios[i].kind != ENV_IO_READ) {
            free(job->ios[i].buffer);
        }
    }
    free(job->ios);
    free(job);
    done(data, status, file);
}

/* The operation at which the job ended: its last one, or the one that failed. */
static void on_done(struct env_io *io)
{
    struct io_job *job = io->data;
    for (struct env_io *each = job->ios; each <= io; each++) {
        if (each->kind == ENV_IO_OPEN && each->result >= 0) {
            job->file = each->file;
        }
    }
    finish(job, io->result < 0 ? (int)io->result : 0);
}

void io_job_run(struct io_job *job, void (*done)(void *data, int status, int file), void *data)
{
    assert(job->count > 0);
    job->done = done;
    job->data = data;
    for (size_t i = 0; i + 1 < job->count; i++) {
        job->ios[i].then = &job->ios[i + 1];
    }
    job->ios[0].bulk = job->bulk;
    env_io_submit(job->env, job->ios);
}

/* ---- whole files ---- */

struct load {
    struct env *env;
    struct env_io io;
    char *path;
    size_t max;
    int status;
    uint8_t *bytes;
    size_t len;
    bool by_block;  /* Reading it at once has failed. */
    unsigned tries; /* Of this block that failed. */
    size_t unreadable;
    void (*done)(void *data, int status, uint8_t *bytes, size_t len);
    void (*done_damaged)(void *data, int status, uint8_t *bytes, size_t len, size_t unreadable);
    void *data;
};

static void load_finish(struct load *load, int status)
{
    struct load copy = *load;
    free(load->path);
    free(load);
    if (status < 0) {
        free(copy.bytes);
        copy.bytes = NULL;
        copy.len = 0;
    }
    if (copy.done_damaged != NULL) {
        copy.done_damaged(copy.data, status, copy.bytes, copy.len, copy.unreadable);
    } else {
        copy.done(copy.data, status, copy.bytes, copy.len);
    }
}

static void load_step(struct env_io *io, enum env_io_kind kind)
{
    io->kind = kind;
    env_io_submit(((struct load *)io->data)->env, io);
}

static void load_block(struct load *load, size_t from)
{
    size_t left = load->len - from;
    load->io.offset = from;
    load->io.buffer = load->bytes + from;
    load->io.len = left < LOAD_BLOCK ? left : LOAD_BLOCK;
    load_step(&load->io, ENV_IO_READ);
}

/* True when there is more to read. */
static bool load_by_block(struct load *load)
{
    struct env_io *io = &load->io;
    size_t next = 0;
    if (!load->by_block) {
        load->by_block = true;
        load->len = io->len;
    } else {
        next = (size_t)io->offset + io->len;
        load->tries = io->result < 0 ? load->tries + 1 : 0;
        if (io->result < 0 && load->tries < LOAD_TRIES) {
            next = (size_t)io->offset; /* Not every failure lasts. */
        } else if (io->result < 0) {
            load->tries = 0;
            memset(io->buffer, 0, io->len);
            load->unreadable = next;
        }
    }
    load->status = 0;
    if (next >= load->len) {
        return false;
    }
    load_block(load, next);
    return true;
}

static void on_load(struct env_io *io)
{
    struct load *load = io->data;
    bool read_by_block = io->kind == ENV_IO_READ && load->done_damaged != NULL &&
                         (io->result == -EIO || (load->by_block && io->result >= 0));
    if (read_by_block) {
        if (!load_by_block(load)) {
            load_step(io, ENV_IO_CLOSE);
        }
        return;
    }
    if (io->kind == ENV_IO_CLOSE) {
        load_finish(load, load->status < 0 ? load->status : (int)(io->result < 0 ? io->result : 0));
        return;
    }
    if (io->result < 0 && io->kind == ENV_IO_OPEN) {
        load_finish(load, (int)io->result);
        return;
    }
    if (io->kind == ENV_IO_OPEN) {
        load_step(io, ENV_IO_SIZE);
        return;
    }
    load->status = io->result < 0 ? (int)io->result : 0;
    if (io->kind == ENV_IO_SIZE && load->status == 0) {
        if ((uint64_t)io->result > load->max) {
            load->status = -EFBIG;
        } else if (io->result > 0) {
            io->len = (size_t)io->result;
            io->buffer = load->bytes = alloc_bytes(io->len);
            load_step(io, ENV_IO_READ);
            return;
        }
    } else if (load->status == 0) {
        load->len = (size_t)io->result;
    }
    load_step(io, ENV_IO_CLOSE);
}

static struct load *load_new(struct env *env, const char *path, size_t max, void *data)
{
    struct load *load = alloc_zeroed(sizeof(*load));
    load->env = env;
    load->path = alloc_text(path);
    load->max = max;
    load->data = data;
    load->io = (struct env_io){
        .kind = ENV_IO_OPEN, .path = load->path, .file = -1, .done = on_load, .data = load};
    return load;
}

void io_load(struct env *env, const char *path, size_t max,
             void (*done)(void *data, int status, uint8_t *bytes, size_t len), void *data)
{
    struct load *load = load_new(env, path, max, data);
    load->done = done;
    env_io_submit(env, &load->io);
}

void io_load_damaged(struct env *env, const char *path, size_t max,
                     void (*done)(void *data, int status, uint8_t *bytes, size_t len,
                                  size_t unreadable),
                     void *data)
{
    struct load *load = load_new(env, path, max, data);
    load->done_damaged = done;
    env_io_submit(env, &load->io);
}
