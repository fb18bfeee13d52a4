#include "raft/meta_file.h"

#include "lib/base/alloc.h"
#include "raft/io_job.h"
#include "raft/wire.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define META_MAGIC UINT64_C(0x324154454d524f43)
#define TAIL_MAGIC UINT64_C(0x4c494154524f43)

/* What was added later stands behind the rest, with a checksum that binds it to that: an earlier
 * version does not look there, and leaves zeros. */
enum { HEAD = 8, TAIL_VALUES = 5, TAIL = 8 * TAIL_VALUES + 4 };

static size_t tail_offset(size_t body_len)
{
    return HEAD + ((body_len + 7) & ~(size_t)7);
}

static void tail_encode(const struct raft_meta *meta, uint32_t body_crc, uint8_t *tail)
{
    const uint64_t values[TAIL_VALUES] = {TAIL_MAGIC, meta->extent.reached, meta->extent.segment,
                                          meta->floor.term, meta->floor.index};
    for (size_t i = 0; i < TAIL_VALUES; i++) {
        wire_store(tail + 8 * i, values[i], 8);
    }
    wire_store(tail + TAIL - 4, crc32c(body_crc, slice_of(tail, TAIL - 4)), 4);
}

static int tail_decode(struct slice tail, uint32_t body_crc, struct raft_meta *meta)
{
    struct wire_reader reader = {.left = tail};
    uint64_t magic = wire_u64(&reader);
    struct raft_extent extent = {.reached = wire_u64(&reader)};
    extent.segment = wire_u64(&reader);
    struct raft_floor floor = {.term = wire_u64(&reader)};
    floor.index = wire_u64(&reader);
    uint32_t crc = wire_u32(&reader);
    if (!reader.failed && magic == 0) {
        return 0; /* Of an earlier version: nothing is promised. */
    }
    if (reader.failed || magic != TAIL_MAGIC ||
        crc32c(body_crc, slice_of(tail.data, TAIL - 4)) != crc) {
        return -EBADMSG;
    }
    meta->extent = extent;
    meta->floor = floor;
    return 0;
}

void raft_meta_encode(const struct raft_meta *meta, uint8_t *out)
{
    struct buffer buffer;
    buffer_init(&buffer, META_SLOT);
    const uint64_t head[] = {META_MAGIC, meta->cluster, meta->member,     meta->sequence,
                             meta->term, meta->vote,    meta->incarnation};
    for (size_t i = 0; i < ARRAY_LEN(head); i++) {
        wire_put(&buffer, head[i], 8);
    }
    raft_members_encode(&meta->bootstrap, &buffer);
    assert(tail_offset(buffer.len) + TAIL <= META_SLOT);
    uint32_t crc = crc32c(0, buffer_slice(&buffer));
    memset(out, 0, META_SLOT);
    wire_store(out, buffer.len, 4);
    wire_store(out + 4, crc, 4);
    memcpy(out + HEAD, buffer.data, buffer.len);
    tail_encode(meta, crc, out + tail_offset(buffer.len));
    buffer_release(&buffer);
}

int raft_meta_decode(struct slice bytes, struct raft_meta *ret_meta)
{
    struct wire_reader reader = {.left = bytes};
    uint32_t len = wire_u32(&reader);
    uint32_t crc = wire_u32(&reader);
    struct slice body = wire_bytes(&reader, len);
    if (reader.failed || crc32c(0, body) != crc) {
        return -EBADMSG;
    }
    struct raft_meta meta = {0};
    reader = (struct wire_reader){.left = body};
    uint64_t magic = wire_u64(&reader);
    meta.cluster = wire_u64(&reader);
    meta.member = wire_u64(&reader);
    meta.sequence = wire_u64(&reader);
    meta.term = wire_u64(&reader);
    meta.vote = wire_u64(&reader);
    meta.incarnation = wire_u64(&reader);
    if (reader.failed || magic != META_MAGIC || bytes.len < tail_offset(len) + TAIL ||
        tail_decode(slice_of(bytes.data + tail_offset(len), TAIL), crc, &meta) < 0 ||
        raft_members_decode(reader.left, &meta.bootstrap) < 0) {
        return -EBADMSG;
    }
    *ret_meta = meta;
    return 0;
}

int raft_meta_choose(struct slice bytes, struct raft_meta *ret_meta)
{
    int status = -EBADMSG;
    uint64_t newest = 0;
    for (size_t i = 0; i < META_SLOTS && bytes.len >= (i + 1) * META_SLOT; i++) {
        struct raft_meta meta;
        if (raft_meta_decode(slice_of(bytes.data + i * META_SLOT, META_SLOT), &meta) == 0 &&
            meta.sequence > newest) {
            newest = meta.sequence;
            *ret_meta = meta;
            status = (int)i;
        }
    }
    return status;
}

static void write_next(struct meta_file *file);

static uint8_t *slot_bytes(const struct meta_file *file)
{
    uint8_t *bytes = alloc_bytes(META_SLOT);
    raft_meta_encode(&file->meta, bytes);
    return bytes;
}

struct meta_write {
    struct meta_file *file;
    uint64_t sequence;
    bool second;
};

static void on_written(void *data, int status, int fd)
{
    struct meta_write write = *(struct meta_write *)data;
    struct meta_file *file = write.file;
    (void)fd;
    free(data);
    file->busy = false;
    if (status < 0) {
        file->failed(file->data, "writing term and vote", status);
        return;
    }
    file->second_due = !write.second;
    if (!write.second) {
        file->durable = write.sequence;
        file->persisted(file->data);
    }
    write_next(file);
}

/* Slot 0, flush: promised. Slot 1, flush: only then may slot 0 be overwritten. */
static void write_next(struct meta_file *file)
{
    if (file->busy || (meta_file_settled(file) && !file->second_due)) {
        return;
    }
    struct meta_write *write = alloc_zeroed(sizeof(*write));
    *write = (struct meta_write){file, file->meta.sequence, file->second_due};
    struct io_job *job = io_job_new(file->env);
    io_job_write(job, file->file, file->second_due ? META_SLOT : 0, slot_bytes(file), META_SLOT);
    io_job_file(job, ENV_IO_SYNC, file->file, 0, 0);
    file->busy = true;
    io_job_run(job, on_written, write);
}

bool meta_file_durable(const struct meta_file *file)
{
    return file->durable >= file->voted;
}

bool meta_file_settled(const struct meta_file *file)
{
    return file->durable == file->meta.sequence;
}

static void store(struct meta_file *file)
{
    file->meta.sequence++;
    write_next(file);
}

void meta_file_set(struct meta_file *file, uint64_t term, uint64_t vote)
{
    file->meta.term = term;
    file->meta.vote = vote;
    file->voted = file->meta.sequence + 1;
    store(file);
}

void meta_file_set_extent(struct meta_file *file, struct raft_extent extent)
{
    file->meta.extent = extent;
    store(file);
}

void meta_file_set_floor(struct meta_file *file, struct raft_floor floor)
{
    file->meta.floor = floor;
    store(file);
}

struct meta_start {
    struct meta_file *file;
    void (*done)(void *data, int status);
};

static void on_started(void *data, int status, int fd)
{
    struct meta_start start = *(struct meta_start *)data;
    free(data);
    start.file->file = fd;
    start.file->durable = start.file->meta.sequence;
    start.done(start.file->data, status);
}

/* Both copies are made equal again, so that the order of writing starts from a known state. A file
 * that is there is written in place, which needs no room on the disk: first over the copy that is
 * not the newest good one. */
void meta_file_start(struct meta_file *file, int newest_slot, void (*done)(void *data, int status))
{
    struct meta_start *start = alloc_zeroed(sizeof(*start));
    *start = (struct meta_start){file, done};
    struct io_job *job = io_job_new(file->env);
    char *temporary = alloc_printf("%s.new", file->path);
    file->meta.sequence++;
    if (newest_slot >= 0) {
        io_job_open(job, file->path, ENV_OPEN_WRITE);
        io_job_write(job, -1, newest_slot == 0 ? META_SLOT : 0, slot_bytes(file), META_SLOT);
        io_job_file(job, ENV_IO_SYNC, -1, 0, 0);
        io_job_write(job, -1, newest_slot == 0 ? 0 : META_SLOT, slot_bytes(file), META_SLOT);
        io_job_file(job, ENV_IO_SYNC, -1, 0, 0);
    } else {
        io_job_open(job, temporary, ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_TRUNCATE);
        io_job_write(job, -1, 0, slot_bytes(file), META_SLOT);
        io_job_write(job, -1, META_SLOT, slot_bytes(file), META_SLOT);
        io_job_file(job, ENV_IO_SYNC, -1, 0, 0);
        io_job_path(job, ENV_IO_RENAME, temporary, file->path);
        io_job_path(job, ENV_IO_SYNC_DIR, file->dir, NULL);
    }
    io_job_run(job, on_started, start);
    free(temporary);
}
