/* The receiving end of a snapshot: chunks in order into a file, checked as they come; put in place
 * when whole; then the FSM is restored from it and the log begins anew after it. */
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "raft/io_job.h"
#include "raft/node.h"
#include "raft/plant.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SILENT_ELECTIONS = 8 };

struct raft_receiving {
    struct raft_node *node;
    struct raft_point point;
    uint64_t size, offset, heard_ns;
    int file;
    bool busy, over, placing;
    char *temporary, *path;
    struct snapshot_reader reader;
    uint64_t leader;
};

void raft_receiving_free(struct raft_node *node)
{
    struct raft_receiving *receiving = node->receiving;
    if (receiving == NULL) {
        return;
    }
    snapshot_reader_release(&receiving->reader);
    free(receiving->temporary);
    free(receiving->path);
    free(receiving);
    node->receiving = NULL;
}

static void on_receiving_closed(void *data, int status, int file)
{
    struct raft_node *node = data;
    (void)status; /* The file is of no use any more. */
    (void)file;
    node->snapshot_jobs--;
    raft_receiving_free(node);
}

static void receiving_give_up(struct raft_node *node)
{
    struct raft_receiving *receiving = node->receiving;
    if (receiving->busy) {
        receiving->over = true;
        return;
    }
    if (receiving->file < 0 && !receiving->placing) {
        raft_receiving_free(node);
        return;
    }
    receiving->busy = true;
    struct io_job *job = io_job_new(node->env);
    io_job_bulk(job);
    if (receiving->file >= 0) {
        io_job_file(job, ENV_IO_CLOSE, receiving->file, 0, 0);
    }
    io_job_path(job, ENV_IO_UNLINK, receiving->temporary, NULL);
    node->snapshot_jobs++;
    io_job_run(job, on_receiving_closed, node);
}

static void answer(struct raft_node *node, uint64_t to, struct raft_point point, uint64_t offset,
                   bool damaged)
{
    struct raft_message message = {.kind = RAFT_SNAPSHOT_RESULT,
                                   .reject = damaged,
                                   .cluster = node->config.cluster_id,
                                   .from = node->config.id,
                                   .to = to,
                                   .term = node->core.term,
                                   .last = point,
                                   .context = offset};
    raft_node_send(node, &message);
}

static void answer_offset(struct raft_node *node, uint64_t to, struct raft_point point,
                          uint64_t offset)
{
    answer(node, to, point, offset, /* damaged= */ false);
}

/* The sender's file is bad: the same again would be no better. */
static void refuse(struct raft_node *node)
{
    const struct raft_receiving *receiving = node->receiving;
    LOG_WARN("raft", "received snapshot is damaged, asking for another one",
             KV_U64("index", receiving->point.index), KV_ID("from", receiving->leader));
    answer(node, receiving->leader, receiving->point, 0, /* damaged= */ true);
    receiving_give_up(node);
}

static void on_installed_restored(struct raft_node *node, int status,
                                  const struct snapshot_head *head)
{
    if (status < 0) {
        raft_node_fail(node, "restoring from a received snapshot", status);
        return;
    }
    node->applied = head->point.index;
    raft_node_step(node, (struct raft_event){.kind = RAFT_EVENT_TICK}); /* Applies what waits. */
}

/* What every job of a received snapshot does first with its result. */
static bool is_stored(struct raft_node *node, int status)
{
    node->snapshot_jobs--;
    if (raft_snapshot_lacks_room(node, status)) {
        node->receiving->busy = false;
        receiving_give_up(node);
        return false;
    }
    if (status < 0) {
        raft_node_fail(node, "storing a received snapshot", status);
        return false;
    }
    return true;
}

static void on_received(void *data, int status, int file)
{
    struct raft_node *node = data;
    struct raft_receiving *receiving = node->receiving;
    (void)file;
    if (!is_stored(node, status)) {
        return;
    }
    struct snapshot_head head = receiving->reader.head;
    raft_snapshot_adopt(node, head.point, TAKE(receiving->path), receiving->size);
    raft_receiving_free(node);
    if (node->closing || node->dead) {
        return;
    }
    if (head.point.index > node->core.commit || PLANTED == PLANT_OLD_SNAPSHOT) {
        raft_node_apply_rest(node);
        /* Before the step: while this is set, nothing is applied. */
        raft_snapshot_restore(node, on_installed_restored);
        raft_node_step(node, (struct raft_event){.kind = RAFT_EVENT_INSTALLED,
                                                 .point = head.point,
                                                 .members = &head.members});
    }
}

static void on_flushed(void *data, int status, int file)
{
    struct raft_node *node = data;
    struct raft_receiving *receiving = node->receiving;
    (void)file;
    if (!is_stored(node, status)) {
        return;
    }
    struct io_job *job =
        raft_snapshot_place(node, receiving->file, receiving->temporary, receiving->path);
    receiving->file = -1;
    receiving->placing = true;
    node->snapshot_jobs++;
    io_job_run(job, on_received, node);
}

static void on_part_written(void *data, int status, int file)
{
    struct raft_node *node = data;
    struct raft_receiving *receiving = node->receiving;
    receiving->busy = false;
    receiving->file = receiving->file < 0 ? file : receiving->file;
    if (!is_stored(node, status)) {
        return;
    }
    if (receiving->over || node->closing || node->dead) {
        receiving_give_up(node);
        return;
    }
    answer_offset(node, receiving->leader, receiving->point, receiving->offset);
    if (receiving->offset < receiving->size) {
        return;
    }
    const struct snapshot_head *head = &receiving->reader.head;
    if (snapshot_reader_finish(&receiving->reader) < 0 ||
        head->cluster != node->config.cluster_id || head->point.index != receiving->point.index ||
        head->point.term != receiving->point.term) {
        refuse(node);
        return;
    }
    receiving->busy = true;
    raft_snapshot_flush(node, receiving->file, on_flushed);
}

static void receiving_begin(struct raft_node *node, const struct raft_message *message)
{
    struct raft_receiving *receiving = alloc_zeroed(sizeof(*receiving));
    *receiving = (struct raft_receiving){.node = node,
                                         .point = message->last,
                                         .size = message->commit,
                                         .file = -1,
                                         .temporary = alloc_printf("%s/new-received", node->dir),
                                         .path = raft_snapshot_name(node, message->last)};
    snapshot_reader_init(&receiving->reader);
    node->receiving = receiving;
}

static void receiving_write(struct raft_node *node, struct slice part)
{
    struct raft_receiving *receiving = node->receiving;
    uint8_t *owned = alloc_bytes(part.len);
    memcpy(owned, part.data, part.len);
    struct io_job *job = io_job_new(node->env);
    io_job_bulk(job);
    if (receiving->file < 0) {
        io_job_open(job, receiving->temporary,
                    ENV_OPEN_CREATE | ENV_OPEN_WRITE | ENV_OPEN_TRUNCATE);
    }
    io_job_write(job, receiving->file, receiving->offset, owned, part.len);
    receiving->offset += part.len;
    receiving->busy = true;
    node->snapshot_jobs++;
    io_job_run(job, on_part_written, node);
}

void raft_snapshot_receive(struct raft_node *node, const struct raft_message *message)
{
    if (message->term != node->core.term || message->from != node->core.leader ||
        node->taking != NULL || node->restoring != NULL || message->commit == 0 ||
        env_now_ns(node->env) < node->snapshot_not_before_ns) {
        return;
    }
    if (message->last.index <= node->core.commit && PLANTED != PLANT_OLD_SNAPSHOT) {
        answer_offset(node, message->from, message->last, message->commit);
        return;
    }
    struct raft_receiving *receiving = node->receiving;
    if (receiving != NULL && receiving->busy) {
        return; /* It will be sent again. */
    }
    if (receiving != NULL &&
        (receiving->point.index != message->last.index ||
         receiving->point.term != message->last.term || receiving->size != message->commit)) {
        receiving_give_up(node);
        return;
    }
    if (receiving == NULL) {
        receiving_begin(node, message);
        receiving = node->receiving;
    }
    receiving->leader = message->from;
    receiving->heard_ns = env_now_ns(node->env);
    if (message->context != receiving->offset || message->bytes.len == 0 ||
        message->bytes.len > receiving->size - receiving->offset) {
        answer_offset(node, message->from, receiving->point, receiving->offset);
        return;
    }
    if (snapshot_reader_feed(&receiving->reader, message->bytes) < 0) {
        refuse(node);
        return;
    }
    receiving_write(node, message->bytes);
}

void raft_receiving_tick(struct raft_node *node)
{
    const struct raft_receiving *receiving = node->receiving;
    uint64_t silence_ns = SILENT_ELECTIONS * node->config.election_ms * NS_PER_MS;
    if (receiving == NULL || receiving->busy) {
        return;
    }
    if (node->core.role == RAFT_LEADER ||
        env_now_ns(node->env) >= receiving->heard_ns + silence_ns) {
        receiving_give_up(node);
    }
}
