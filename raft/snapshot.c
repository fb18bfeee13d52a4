/* Snapshots: taking one while writes go on, bringing one to a member that is too far behind, and
 * restoring the FSM from one. Files are made under another name and get theirs when durable. */
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "raft/io_job.h"
#include "raft/node.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK = RAFT_SNAPSHOT_CHUNK,
    SYNC_EVERY = 4 * 1024 * 1024, /* A flush of all at the end would keep the disk from the log. */
    ROOM_RETRY_S = 5,
    RESTORE_BYTES = 1024 * 1024, /* Read at once. */
    REFUSED_ELECTIONS = 8,       /* Between two snapshots taken because one was refused. */
};

char *raft_snapshot_name(const struct raft_node *node, struct raft_point point)
{
    return alloc_printf("%s/snap-%016" PRIx64 "-%016" PRIx64, node->dir, point.index, point.term);
}

bool raft_snapshot_lacks_room(struct raft_node *node, int status)
{
    if (status != -ENOSPC && status != -EDQUOT) {
        return false;
    }
    LOG_WARN("raft", "no room for a snapshot, trying again later", KV_U64("seconds", ROOM_RETRY_S));
    node->snapshot_not_before_ns = env_now_ns(node->env) + ROOM_RETRY_S * NS_PER_S;
    return true;
}

void raft_snapshot_flush(struct raft_node *node, int file,
                         void (*done)(void *data, int status, int file_of))
{
    struct io_job *job = io_job_new(node->env);
    io_job_bulk(job);
    io_job_file(job, ENV_IO_SYNC, file, 0, 0);
    node->snapshot_jobs++;
    io_job_run(job, done, node);
}

/* The file at `temporary`, flushed, gets its name; the one before is removed. */
struct io_job *raft_snapshot_place(struct raft_node *node, int file, const char *temporary,
                                   const char *path)
{
    struct io_job *job = io_job_new(node->env);
    io_job_bulk(job);
    io_job_file(job, ENV_IO_CLOSE, file, 0, 0);
    io_job_path(job, ENV_IO_RENAME, temporary, path);
    io_job_path(job, ENV_IO_SYNC_DIR, node->dir, NULL);
    if (node->snapshot_path != NULL && strcmp(node->snapshot_path, path) != 0) {
        io_job_path(job, ENV_IO_UNLINK, node->snapshot_path, NULL);
    }
    return job;
}

void raft_snapshot_adopt(struct raft_node *node, struct raft_point point, char *path_consume,
                         uint64_t bytes)
{
    free(node->snapshot_path);
    node->snapshot_path = path_consume;
    node->snapshot = point;
    node->snapshot_bytes = bytes;
}

/* ---- taking ---- */

struct raft_taking {
    struct raft_node *node;
    void *handle;
    struct raft_point point;
    char *temporary, *path;
    int file;
    uint64_t read_at, write_at, synced_at;
};

uint64_t raft_taking_index(const struct raft_node *node)
{
    return node->taking->point.index;
}

static void taking_end(struct raft_node *node)
{
    struct raft_taking *taking = node->taking;
    if (taking == NULL) {
        return;
    }
    if (taking->handle != NULL) {
        node->fsm.snapshot_release(node->fsm.data, taking->handle);
    }
    free(taking->temporary);
    free(taking->path);
    free(taking);
    node->taking = NULL;
}

static void abandon(struct raft_node *node);

static void on_taken(void *data, int status, int file)
{
    struct raft_node *node = data;
    struct raft_taking *taking = node->taking;
    (void)file;
    node->snapshot_jobs--;
    if (raft_snapshot_lacks_room(node, status)) { /* Not even for its name. */
        abandon(node);
        return;
    }
    if (status < 0) {
        raft_node_fail(node, "writing a snapshot", status);
        return;
    }
    raft_snapshot_adopt(node, taking->point, TAKE(taking->path), taking->write_at);
    node->snapshot_refused = false;
    taking_end(node);
    raft_log_replaced(node);
}

static void take_more(struct raft_node *node);

static void on_abandoned(void *data, int status, int file)
{
    struct raft_node *node = data;
    (void)status; /* The file is of no use any more. */
    (void)file;
    node->snapshot_jobs--;
    taking_end(node);
}

static void abandon(struct raft_node *node)
{
    struct raft_taking *taking = node->taking;
    struct io_job *job = io_job_new(node->env);
    io_job_bulk(job);
    if (taking->file >= 0) {
        io_job_file(job, ENV_IO_CLOSE, taking->file, 0, 0);
    }
    io_job_path(job, ENV_IO_UNLINK, taking->temporary, NULL);
    node->snapshot_jobs++;
    io_job_run(job, on_abandoned, node);
}

static void on_chunk_written(void *data, int status, int file)
{
    struct raft_node *node = data;
    node->snapshot_jobs--;
    if (node->taking->file < 0) {
        node->taking->file = file;
    }
    if (raft_snapshot_lacks_room(node, status)) {
        abandon(node);
    } else if (status < 0) {
        raft_node_fail(node, "writing a snapshot", status);
    } else if (!node->closing && !node->dead) {
        take_more(node);
    }
}

static void on_flushed(void *data, int status, int file)
{
    struct raft_node *node = data;
    struct raft_taking *taking = node->taking;
    (void)file;
    node->snapshot_jobs--;
    if (raft_snapshot_lacks_room(node, status)) {
        abandon(node);
        return;
    }
    if (status < 0) {
        raft_node_fail(node, "writing a snapshot", status);
        return;
    }
    struct io_job *job = raft_snapshot_place(node, taking->file, taking->temporary, taking->path);
    taking->file = -1;
    node->snapshot_jobs++;
    io_job_run(job, on_taken, node);
}

static void take_write(struct raft_node *node, uint8_t *bytes_consume, size_t len)
{
    struct raft_taking *taking = node->taking;
    struct io_job *job = io_job_new(node->env);
    io_job_bulk(job);
    if (taking->file < 0) {
        io_job_open(job, taking->temporary, ENV_OPEN_CREATE | ENV_OPEN_WRITE | ENV_OPEN_TRUNCATE);
    }
    io_job_write(job, taking->file, taking->write_at, bytes_consume, len);
    taking->write_at += len;
    if (taking->write_at - taking->synced_at >= SYNC_EVERY) {
        taking->synced_at = taking->write_at;
        io_job_file(job, ENV_IO_SYNC, taking->file, 0, 0);
    }
    node->snapshot_jobs++;
    io_job_run(job, on_chunk_written, node);
}

static void take_more(struct raft_node *node)
{
    struct raft_taking *taking = node->taking;
    if (taking->handle == NULL) {
        raft_snapshot_flush(node, taking->file, on_flushed);
        return;
    }
    CLEANUP(alloc_freep) uint8_t *frame = alloc_bytes(SNAPSHOT_CHUNK_HEAD + CHUNK);
    uint8_t *chunk = frame + SNAPSHOT_CHUNK_HEAD;
    int64_t len =
        node->fsm.snapshot_read(node->fsm.data, taking->handle, taking->read_at, chunk, CHUNK);
    if (len < 0) {
        LOG_WARN("raft", "snapshot given up: it could not be read",
                 KV_TEXT("reason", strerror((int)-len)));
        abandon(node);
        return;
    }
    if (len == 0) {
        node->fsm.snapshot_release(node->fsm.data, TAKE(taking->handle));
    }
    taking->read_at += (uint64_t)len;
    snapshot_seal_chunk(frame, slice_of(chunk, (size_t)len));
    take_write(node, TAKE(frame), SNAPSHOT_CHUNK_HEAD + (size_t)len);
}

void raft_snapshot_consider(struct raft_node *node)
{
    if (!raft_snapshot_due(node) || node->taking != NULL || node->receiving != NULL ||
        node->restoring != NULL || node->applying.entry != NULL ||
        node->fsm.snapshot_take == NULL || node->dead || node->closing || !node->running ||
        node->core.stable < node->applied || env_now_ns(node->env) < node->snapshot_not_before_ns) {
        return;
    }
    void *handle = node->fsm.snapshot_take(node->fsm.data);
    if (handle == NULL) {
        return;
    }
    struct snapshot_head head = {.cluster = node->config.cluster_id};
    bool found = raft_trail_point(&node->core.trail, node->applied, &head.point);
    assert(found);
    (void)found;
    head.members = raft_members_at(&node->core, node->applied);
    struct raft_taking *taking = alloc_zeroed(sizeof(*taking));
    *taking = (struct raft_taking){.node = node,
                                   .handle = handle,
                                   .point = head.point,
                                   .temporary = alloc_printf("%s/new-snapshot", node->dir),
                                   .path = raft_snapshot_name(node, head.point),
                                   .file = -1};
    node->taking = taking;
    node->snapshot_wanted = false;
    struct buffer bytes;
    buffer_init(&bytes, CHUNK);
    snapshot_encode_head(&head, &bytes);
    size_t len;
    uint8_t *owned = buffer_take(&bytes, &len);
    take_write(node, owned, len);
}

/* ---- sending ---- */

static void sender_end(struct raft_sender *sender)
{
    if (sender->busy) {
        sender->ending = true; /* on_sent_io() comes back here. */
        return;
    }
    if (sender->opened) {
        sender->opened = false;
        sender->busy = true;
        sender->ending = true;
        sender->io.kind = ENV_IO_CLOSE;
        sender->io.bulk = true;
        sender->node->snapshot_jobs++;
        env_io_submit(sender->node->env, &sender->io);
        return;
    }
    free(sender->path);
    *sender = (struct raft_sender){0};
}

static void sender_io(struct raft_sender *sender, enum env_io_kind kind)
{
    sender->io.kind = kind;
    sender->io.bulk = true;
    sender->busy = true;
    sender->node->snapshot_jobs++;
    env_io_submit(sender->node->env, &sender->io);
}

static void sender_read(struct raft_sender *sender)
{
    uint64_t left = sender->size - sender->offset;
    uint64_t most = sender->node->config.snapshot_chunk;
    sender->io.offset = sender->offset;
    sender->io.len = left < most ? (size_t)left : (size_t)most;
    sender->io.buffer = alloc_bytes(sender->io.len + 1);
    sender_io(sender, ENV_IO_READ);
}

static void sender_send(struct raft_sender *sender)
{
    struct raft_node *node = sender->node;
    struct raft_message message = {
        .kind = RAFT_SNAPSHOT,
        .cluster = node->config.cluster_id,
        .from = node->config.id,
        .to = sender->peer,
        .term = node->core.term,
        .last = sender->point,
        .commit = sender->size,
        .context = sender->io.offset,
        .bytes = slice_of(sender->io.buffer, (size_t)sender->io.result),
    };
    sender->sent_ns = env_now_ns(node->env);
    raft_node_send(node, &message);
}

static void on_sent_io(struct env_io *io)
{
    struct raft_sender *sender = io->data;
    struct raft_node *node = sender->node;
    node->snapshot_jobs--;
    sender->busy = false;
    bool stop = sender->ending || io->result < 0 || node->closing || node->dead;
    if (io->kind == ENV_IO_OPEN && io->result >= 0) {
        sender->opened = true;
    }
    if (io->kind == ENV_IO_READ && !stop && node->core.role == RAFT_LEADER) {
        sender_send(sender);
    }
    free(io->buffer);
    io->buffer = NULL;
    if (stop) {
        sender_end(sender);
    } else if (io->kind == ENV_IO_OPEN) {
        sender_io(sender, ENV_IO_SIZE);
    } else if (io->kind == ENV_IO_SIZE) {
        sender->size = (uint64_t)io->result;
        sender_read(sender);
    }
}

void raft_snapshot_send_to(struct raft_node *node, uint64_t peer)
{
    struct raft_sender *place = NULL;
    for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        struct raft_sender *sender = &node->senders[i];
        if (sender->peer == peer) {
            return;
        }
        if (sender->peer == 0 && place == NULL) {
            place = sender;
        }
    }
    /* What follows the snapshot on disk may not be in memory any more; or its file is bad. */
    bool outdated = node->snapshot_path == NULL || node->snapshot_refused ||
                    node->snapshot.index < node->core.trail.base.index;
    node->snapshot_wanted = node->snapshot_wanted || outdated;
    if (place == NULL || outdated) {
        return; /* raft_snapshot_tick() begins anew. */
    }
    *place = (struct raft_sender){.node = node,
                                  .peer = peer,
                                  .point = node->snapshot,
                                  .path = alloc_text(node->snapshot_path)};
    place->io = (struct env_io){.path = place->path, .done = on_sent_io, .data = place, .file = -1};
    sender_io(place, ENV_IO_OPEN);
}

static bool installs(const struct raft_node *node, uint64_t peer)
{
    int place = raft_members_place(&node->core.members, peer);
    return node->core.progress != NULL && place >= 0 &&
           node->core.progress[place].state == RAFT_INSTALL;
}

/* The file is not what was written. Another one is taken, now and then at most: whoever refuses
 * them all may be wrong itself. */
static void on_refused(struct raft_node *node, struct raft_sender *sender)
{
    uint64_t now = env_now_ns(node->env);
    uint64_t pause_ns = REFUSED_ELECTIONS * node->config.election_ms * NS_PER_MS;
    bool lately = node->snapshot_refused_ns != 0 && now < node->snapshot_refused_ns + pause_ns;
    if (sender->point.index == node->snapshot.index && !lately) {
        LOG_WARN("raft", "a member could not read the snapshot here, taking another one",
                 KV_ID("member", sender->peer), KV_TEXT("path", sender->path));
        node->snapshot_refused = true;
        node->snapshot_refused_ns = now;
        raft_snapshot_consider(node);
    }
    sender_end(sender); /* The next one begins with the snapshot that there is then. */
}

void raft_snapshot_tick(struct raft_node *node)
{
    uint64_t retry_ns = node->config.election_ms * NS_PER_MS;
    uint64_t now = env_now_ns(node->env);
    raft_receiving_tick(node);
    for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        struct raft_sender *sender = &node->senders[i];
        if (sender->peer == 0 || sender->busy) {
            continue;
        }
        bool outdated = sender->point.index < node->core.trail.base.index;
        if (!installs(node, sender->peer) || outdated) {
            sender_end(sender);
        } else if (now >= sender->sent_ns + retry_ns) {
            sender_read(sender);
        }
    }
    for (size_t i = 0; node->core.progress != NULL && i < node->core.members.count; i++) {
        if (node->core.progress[i].state == RAFT_INSTALL) {
            raft_snapshot_send_to(node, node->core.progress[i].id);
        }
    }
    if (node->snapshot_wanted) {
        raft_snapshot_consider(node);
    }
    raft_log_forget(node);
}

void raft_snapshot_result(struct raft_node *node, const struct raft_message *message)
{
    for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        struct raft_sender *sender = &node->senders[i];
        if (sender->peer != message->from || sender->busy || sender->ending ||
            message->last.index != sender->point.index || message->context > sender->size ||
            message->term != node->core.term) {
            continue;
        }
        if (message->reject) {
            on_refused(node, sender);
            return;
        }
        bool news = message->context != sender->offset;
        sender->offset = message->context;
        if (news && sender->offset < sender->size) {
            sender_read(sender);
        }
    }
}

/* ---- restoring ---- */

struct raft_restoring {
    struct raft_node *node;
    struct env_io io;
    struct snapshot_reader reader;
    int status;
    uint8_t *buffers[2]; /* While one is filled, what is in the other is restored. */
    char *path;
    void (*done)(struct raft_node *node, int status, const struct snapshot_head *head);
};

static int restore_head(void *data, const struct snapshot_head *head)
{
    const struct raft_node *node = data;
    if (head->cluster != node->config.cluster_id) {
        return -EINVAL;
    }
    return node->fsm.restore_begin(node->fsm.data, head->point.index, head->point.term);
}

static int restore_chunk(void *data, struct slice chunk)
{
    const struct raft_node *node = data;
    return node->fsm.restore_chunk(node->fsm.data, chunk);
}

static void restore_finish(struct raft_restoring *restoring)
{
    struct raft_node *node = restoring->node;
    struct snapshot_head head = restoring->reader.head;
    int status = restoring->status;
    node->snapshot_bytes = restoring->io.offset;
    if (status == 0) {
        status = snapshot_reader_finish(&restoring->reader);
    }
    if (status == 0 && !node->closing && !node->dead) {
        status = node->fsm.restore_end(node->fsm.data);
    }
    void (*done)(struct raft_node * of, int result, const struct snapshot_head *head_of) =
        restoring->done;
    snapshot_reader_release(&restoring->reader);
    free(restoring->buffers[0]);
    free(restoring->buffers[1]);
    free(restoring->path);
    free(restoring);
    node->restoring = NULL;
    if ((!node->closing || node->opening) && !node->dead) {
        done(node, status, &head);
    }
}

static void on_restore_io(struct env_io *io)
{
    struct raft_restoring *restoring = io->data;
    struct raft_node *node = restoring->node;
    node->snapshot_jobs--;
    if (restoring->status == 0 && io->result < 0) {
        restoring->status = (int)io->result;
    }
    if (io->kind == ENV_IO_CLOSE || (io->kind == ENV_IO_OPEN && io->result < 0)) {
        restore_finish(restoring);
        return;
    }
    struct slice bytes = slice_of(NULL, 0);
    if (io->kind == ENV_IO_READ && restoring->status == 0) {
        bytes = slice_of(io->buffer, (size_t)io->result);
        io->offset += bytes.len;
        io->buffer = restoring->buffers[io->buffer == restoring->buffers[0]];
    }
    bool more = io->kind == ENV_IO_OPEN || bytes.len > 0;
    io->kind = restoring->status == 0 && more && !node->closing && !node->dead ? ENV_IO_READ
                                                                               : ENV_IO_CLOSE;
    bool reads = io->kind == ENV_IO_READ;
    node->snapshot_jobs++;
    env_io_submit(node->env, io);
    if (reads) {
        restoring->status = snapshot_reader_feed(&restoring->reader, bytes);
    }
}

void raft_snapshot_restore(struct raft_node *node, void (*done)(struct raft_node *node, int status,
                                                                const struct snapshot_head *head))
{
    assert(node->restoring == NULL);
    struct raft_restoring *restoring = alloc_zeroed(sizeof(*restoring));
    restoring->node = node;
    restoring->path = alloc_text(node->snapshot_path);
    restoring->done = done;
    snapshot_reader_init(&restoring->reader);
    restoring->reader.on_head = restore_head;
    restoring->reader.on_chunk = restore_chunk;
    restoring->reader.data = node;
    restoring->buffers[0] = alloc_bytes(RESTORE_BYTES);
    restoring->buffers[1] = alloc_bytes(RESTORE_BYTES);
    restoring->io = (struct env_io){.kind = ENV_IO_OPEN,
                                    .path = restoring->path,
                                    .file = -1,
                                    .buffer = restoring->buffers[0],
                                    .len = RESTORE_BYTES,
                                    .done = on_restore_io,
                                    .data = restoring};
    node->restoring = restoring;
    node->snapshot_jobs++;
    env_io_submit(node->env, &restoring->io);
}

void raft_snapshot_release(struct raft_node *node)
{
    taking_end(node);
    raft_receiving_free(node);
    for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        free(node->senders[i].path);
        free(node->senders[i].io.buffer);
    }
}
