#include "raft/repair.h"

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "raft/io_job.h"
#include "raft/node.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OLD_NOTE "raft-repair" /* Where the floor was before it was in raft-meta. */
enum { SAY_AGAIN_S = 10 };

static char *path_in(const struct raft_node *node, const char *prefix, const char *name)
{
    return alloc_printf("%s/%s%s", node->dir, prefix, name);
}

/* Every log reaches less far than this, as long as no later term has written to it. */
static struct raft_floor unknown_floor(const struct raft_node *node)
{
    return (struct raft_floor){node->meta.meta.term, UINT64_MAX};
}

static bool is_leftover(const char *name)
{
    return strncmp(name, LOG_ASIDE, strlen(LOG_ASIDE)) == 0 || strcmp(name, OLD_NOTE) == 0;
}

/* ---- opening ---- */

void raft_repair_begin(struct raft_node *node)
{
    struct raft_repair *repair = &node->repair;
    repair->floor = node->meta.meta.floor;
    for (size_t at = 0; at < node->names_len;) {
        const char *name = (const char *)node->names + at;
        at += strlen(name) + 1;
        if (strcmp(name, OLD_NOTE) == 0) {
            repair->floor = raft_floor_max(repair->floor, unknown_floor(node));
        }
        repair->tidy = repair->tidy || is_leftover(name);
    }
    repair->tidy = repair->tidy || raft_repair_pending(node);
}

bool raft_repair_pending(const struct raft_node *node)
{
    return node->repair.floor.term != 0 || node->repair.floor.index != 0;
}

void raft_repair_without_snapshot(struct raft_node *node, int status)
{
    struct raft_repair *repair = &node->repair;
    const char *name = strrchr(node->snapshot_path, '/') + strlen("/snap-");
    char *end;
    repair->snapshot_damaged = true;
    repair->snapshot.index = strtoull(name, &end, 16);
    repair->snapshot.term = *end == '-' ? strtoull(end + 1, NULL, 16) : 0;
    (void)error_set(&repair->what, status, "%s is damaged (%s)", node->snapshot_path,
                    strerror(-status));
}

static bool has_others(const struct raft_node *node)
{
    const struct raft_members *members = &node->core.members;
    for (size_t i = 0; i < members->count; i++) {
        uint64_t id = members->items[i].id;
        if (id != node->config.id && raft_members_is_voter(members, id)) {
            return true;
        }
    }
    return false;
}

static bool is_short(const struct raft_node *node, struct raft_floor floor)
{
    struct raft_point end = raft_trail_end(&node->core.trail);
    return raft_floor_above(floor, end.term, end.index);
}

static void go_on(struct raft_node *node)
{
    if (node->repair.log_damaged) {
        log_file_set_aside(node->log); /* Calls back as recovery does. */
    } else {
        node->repair.decided(node, NULL);
    }
}

static void on_set_aside(void *data, int status, int file)
{
    struct raft_node *node = data;
    (void)file;
    if (status < 0) {
        CLEANUP(error_release) struct error error = {0};
        (void)error_set(&error, status, "cannot rename a damaged snapshot: %s", strerror(-status));
        node->repair.decided(node, &error);
        return;
    }
    go_on(node);
}

static void set_snapshot_aside(struct raft_node *node)
{
    struct io_job *job = io_job_new(node->env);
    CLEANUP(alloc_freep)
    char *aside = path_in(node, LOG_ASIDE, strrchr(node->snapshot_path, '/') + 1);
    io_job_path(job, ENV_IO_RENAME, node->snapshot_path, aside);
    io_job_path(job, ENV_IO_SYNC_DIR, node->dir, NULL);
    free(TAKE(node->snapshot_path));
    node->repair.snapshot_damaged = false;
    io_job_run(job, on_set_aside, node);
}

/* First how far the log had come, durably; then the damaged files may get other names. */
void raft_repair_noted(struct raft_node *node)
{
    struct raft_repair *repair = &node->repair;
    if (!repair->noting) {
        return;
    }
    repair->noting = false;
    if (repair->snapshot_damaged) {
        set_snapshot_aside(node);
    } else {
        go_on(node);
    }
}

void raft_repair_decide(struct raft_node *node, const struct log_damage *damage,
                        void (*done)(struct raft_node *node, const struct error *error))
{
    struct raft_repair *repair = &node->repair;
    struct raft_floor floor = raft_floor_max(repair->floor, repair->snapshot);
    if (damage != NULL) {
        floor = raft_floor_max(floor, damage->floor_unknown ? unknown_floor(node) : damage->floor);
        if (repair->what.code != 0) {
            (void)error_wrap(&repair->what, "%s", error_message(damage->error));
        } else {
            (void)error_set(&repair->what, -EBADMSG, "%s", error_message(damage->error));
        }
    }
    repair->active = is_short(node, floor);
    if (repair->active && !has_others(node)) {
        (void)error_wrap(&repair->what, "no other member has a copy of what is damaged");
        done(node, &repair->what);
        return;
    }
    bool floor_is_new =
        repair->active && raft_floor_above(floor, repair->floor.term, repair->floor.index);
    node->core.floor = repair->active ? floor : (struct raft_floor){0};
    repair->floor = node->core.floor;
    if (repair->active) {
        LOG_WARN("raft", "data is damaged: it will be repaired from the other members",
                 KV_TEXT("what", repair->what.code == 0 ? "found by an earlier start"
                                                        : error_message(&repair->what)),
                 KV_U64("good_to", raft_trail_last(&node->core.trail)),
                 KV_U64("had_term", floor.term), KV_U64("had_index", floor.index));
    }
    if (damage == NULL && !floor_is_new && !repair->snapshot_damaged) {
        done(node, NULL);
        return;
    }
    repair->tidy = true;
    repair->log_damaged = damage != NULL;
    repair->decided = done;
    repair->noting = true;
    if (floor_is_new) {
        meta_file_set_floor(&node->meta, floor); /* raft_repair_noted() when that is durable. */
    } else {
        raft_repair_noted(node);
    }
}

/* ---- running ---- */

struct tidying {
    struct env_io io;
    struct raft_node *node;
};

static void on_tidied(void *data, int status, int file)
{
    struct raft_node *node = data;
    (void)file;
    node->snapshot_jobs--;
    node->repair.tidying = false;
    if (status < 0) {
        raft_node_fail(node, "removing damaged files", status);
    }
}

static void on_tidy_listed(struct env_io *io)
{
    struct tidying *tidying = CONTAINER_OF(io, struct tidying, io);
    struct raft_node *node = tidying->node;
    CLEANUP(alloc_freep) uint8_t *names = io->result < 0 ? NULL : io->buffer;
    struct io_job *job = io_job_new(node->env);
    int64_t len = io->result;
    free(tidying);
    for (int64_t at = 0; at < len;) {
        const char *name = (const char *)names + at;
        at += (int64_t)strlen(name) + 1;
        if (is_leftover(name)) {
            CLEANUP(alloc_freep) char *path = path_in(node, "", name);
            io_job_path(job, ENV_IO_UNLINK, path, NULL);
        }
    }
    io_job_path(job, ENV_IO_SYNC_DIR, node->dir, NULL);
    io_job_run(job, on_tidied, node);
}

static void tidy_up(struct raft_node *node)
{
    if (node->meta.meta.floor.term != 0) {
        meta_file_set_floor(&node->meta, (struct raft_floor){0});
    }
    struct tidying *tidying = alloc_zeroed(sizeof(*tidying));
    tidying->node = node;
    tidying->io = (struct env_io){.kind = ENV_IO_LIST_DIR,
                                  .path = node->dir,
                                  .file = -1,
                                  .done = on_tidy_listed,
                                  .data = tidying};
    node->repair.tidy = false;
    node->repair.tidying = true;
    node->snapshot_jobs++;
    env_io_submit(node->env, &tidying->io);
}

void raft_repair_tick(struct raft_node *node)
{
    struct raft_repair *repair = &node->repair;
    const struct raft *core = &node->core;
    struct raft_point durable;
    if (repair->active && raft_trail_point(&core->trail, core->stable, &durable) &&
        !raft_floor_above(core->floor, durable.term, durable.index)) {
        repair->active = false;
        LOG_INFO("raft", "damaged data is repaired: all of it is here again",
                 KV_U64("index", durable.index));
    }
    uint64_t now = env_now_ns(node->env);
    if (repair->active && core->leader == 0 && now >= repair->said_ns) {
        repair->said_ns = now + SAY_AGAIN_S * NS_PER_S;
        LOG_WARN("raft", "waiting for a leader that has what is damaged here",
                 KV_TEXT("what", repair->what.code == 0 ? "found by an earlier start"
                                                        : error_message(&repair->what)));
    }
    if (!repair->active && repair->tidy && !repair->tidying) {
        tidy_up(node);
    }
}

void raft_repair_release(struct raft_node *node)
{
    error_release(&node->repair.what);
}
