/* Starting a member from its directory: names, term and vote, snapshot, log, in this order; and
 * what it tells about itself. */
#include "lib/base/alloc.h"
#include "raft/io_job.h"
#include "raft/node.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEARTBEAT_MS_DEFAULT = 50, ELECTION_MS_DEFAULT = 300, UNLINK_MAX = 32, SNAPSHOT_TRIES = 4 };

void raft_node_free(struct raft_node *node)
{
    env_timer_stop(node->env, &node->tick);
    env_timer_stop(node->env, &node->turn);
    raft_snapshot_release(node);
    log_file_free(node->log);
    if (node->core_ready) {
        raft_release(&node->core);
    }
    raft_update_release(&node->update);
    for (size_t i = 0; i < node->held_count; i++) {
        raft_message_release(&node->held[i]);
    }
    free(node->held);
    buffer_release(&node->message);
    void *call;
    for (size_t at = 0; id_map_next(node->forwarded, &at, NULL, &call);) {
        pool_give(&node->records, call, sizeof(struct raft_forwarded_call));
    }
    id_map_free(node->forwarded);
    pool_release(&node->commands);
    pool_release(&node->records);
    raft_repair_release(node);
    free(node->names);
    free(node->snapshot_path);
    free(node->meta.path);
    free(node->dir);
    free(node);
}

static void open_done(struct raft_node *node, int status, const char *what, const char *detail)
{
    CLEANUP(error_release) struct error error = {0};
    if (status < 0) {
        (void)error_set(&error, status, "%s%s%s", what, detail[0] == '\0' ? "" : ": ", detail);
        (void)error_wrap(&error, "raft data directory %s", node->dir);
    }
    node->opening = false;
    if (!node->closing && !node->dead) {
        if (status == 0) {
            raft_node_start(node);
        }
        node->opened(node->opened_data, status < 0 ? &error : NULL);
    }
}

/* Closed in the middle of it: raft_close() waits until no step is under way. */
static bool is_given_up(struct raft_node *node)
{
    if (node->closing) {
        open_done(node, -ECANCELED, "it is closed again", "");
    }
    return node->closing;
}

/* ---- 4: the log ---- */

static int take_entry(void *data, struct raft_entry *entry_consume)
{
    struct raft_node *node = data;
    return raft_restore_entry(&node->core, entry_consume);
}

static void on_decided(struct raft_node *node, const struct error *error)
{
    if (error != NULL) {
        open_done(node, error->code, error_message(error), "");
        return;
    }
    raft_election_reset_now(&node->core, env_now_ns(node->env));
    open_done(node, 0, "", "");
}

static void on_log(void *data, const struct error *error, const struct log_damage *damage)
{
    struct raft_node *node = data;
    if (error != NULL) {
        open_done(node, error->code, error_message(error), "");
        return;
    }
    raft_repair_decide(node, damage, on_decided);
}

static bool has_joined(const struct raft_node *node)
{
    const struct raft_member *own = raft_members_find(&node->meta.meta.bootstrap, node->config.id);
    return own != NULL && (own->flags & RAFT_MEMBER_LEARNER) != 0;
}

static void open_log(struct raft_node *node, const struct snapshot_head *head)
{
    struct raft_start start = {
        .id = node->config.id,
        .cluster = node->config.cluster_id,
        .incarnation = node->meta.meta.incarnation,
        .term = node->meta.meta.term,
        .vote = node->meta.meta.vote,
        .seed = env_random(node->env),
        .heartbeat_ns = node->config.heartbeat_ms * NS_PER_MS,
        .election_ns = node->config.election_ms * NS_PER_MS,
        .now_ns = env_now_ns(node->env),
        .joined = has_joined(node),
        .members = head == NULL ? node->meta.meta.bootstrap : head->members,
    };
    if (head != NULL) {
        start.base = head->point;
        node->snapshot = head->point;
        node->applied = head->point.index;
    }
    raft_init(&node->core, &start);
    node->core_ready = true;
    struct log_file_config config = {.env = node->env,
                                     .dir = node->dir,
                                     .cluster = node->config.cluster_id,
                                     .member = node->config.id,
                                     .segment_bytes = node->config.segment_bytes,
                                     .trail = &node->core.trail,
                                     .epoch = &node->core.epoch,
                                     .extent = node->meta.meta.extent};
    raft_node_wire_log(node, &config);
    node->log = log_file_new(&config);
    log_file_recover(node->log, slice_of(node->names, node->names_len), start.base,
                     /* keep_tail= */ raft_repair_pending(node), take_entry, on_log);
}

/* ---- 3: the snapshot ---- */

static void on_restored(struct raft_node *node, int status, const struct snapshot_head *head)
{
    if (is_given_up(node)) {
        return;
    }
    if (status == -EIO && node->repair.reads < SNAPSHOT_TRIES) {
        node->repair.reads++; /* Not every failure lasts. */
        raft_snapshot_restore(node, on_restored);
        return;
    }
    if (status == -EBADMSG || status == -EIO) {
        raft_repair_without_snapshot(node, status);
        open_log(node, NULL);
        return;
    }
    if (status < 0) {
        open_done(node, status, "a snapshot cannot be read", node->snapshot_path);
        return;
    }
    if (head->point.term > node->meta.meta.term) {
        node->meta.meta.term = head->point.term;
        node->meta.meta.vote = 0;
    }
    open_log(node, head);
}

static void on_unlinked(void *data, int status, int file)
{
    struct raft_node *node = data;
    (void)file;
    if (is_given_up(node)) {
        return;
    }
    if (status < 0 && status != -ENOENT) {
        open_done(node, status, "cannot remove an old snapshot", strerror(-status));
        return;
    }
    raft_snapshot_restore(node, on_restored);
}

static void open_snapshot(struct raft_node *node)
{
    const char *newest = NULL;
    struct io_job *job = NULL;
    size_t removed = 0;
    for (size_t at = 0; at < node->names_len;) {
        const char *name = (const char *)node->names + at;
        at += strlen(name) + 1;
        if (strncmp(name, "snap-", 5) != 0) {
            continue;
        }
        if (newest != NULL && removed < UNLINK_MAX) { /* Names sort by index. */
            char *path = alloc_printf("%s/%s", node->dir, newest);
            job = job == NULL ? io_job_new(node->env) : job;
            io_job_path(job, ENV_IO_UNLINK, path, NULL);
            free(path);
            removed++;
        }
        newest = name;
    }
    if (newest == NULL) {
        open_log(node, NULL);
        return;
    }
    node->snapshot_path = alloc_printf("%s/%s", node->dir, newest);
    if (job != NULL) {
        io_job_run(job, on_unlinked, node);
    } else {
        raft_snapshot_restore(node, on_restored);
    }
}

/* ---- 2: term and vote ---- */

static void on_meta_started(void *data, int status)
{
    struct raft_node *node = data;
    if (is_given_up(node)) {
        return;
    }
    if (status < 0) {
        open_done(node, status, "cannot write term and vote", strerror(-status));
        return;
    }
    raft_repair_begin(node);
    open_snapshot(node);
}

static bool has_data(const struct raft_node *node)
{
    for (size_t at = 0; at < node->names_len;) {
        const char *name = (const char *)node->names + at;
        at += strlen(name) + 1;
        if (strncmp(name, "log-", 4) == 0 || strncmp(name, "snap-", 5) == 0) {
            return true;
        }
    }
    return false;
}

static void on_meta(void *data, int status, uint8_t *bytes, size_t len)
{
    struct raft_node *node = data;
    CLEANUP(alloc_freep) uint8_t *owned = bytes;
    struct raft_meta *meta = &node->meta.meta;
    struct raft_members bootstrap = meta->bootstrap;
    int slot = -1;
    if (is_given_up(node)) {
        return;
    }
    if (status == -ENOENT && !has_data(node)) {
        *meta = (struct raft_meta){
            .cluster = node->config.cluster_id, .member = node->config.id, .bootstrap = bootstrap};
    } else if (status < 0) {
        open_done(node, status, "cannot read term and vote (file raft-meta)", strerror(-status));
        return;
    } else if ((slot = raft_meta_choose(slice_of(owned, len), meta)) < 0) {
        open_done(node, -EBADMSG,
                  "both copies of term and vote (file raft-meta) are damaged; starting without "
                  "them could vote twice",
                  "");
        return;
    } else if (meta->cluster != node->config.cluster_id || meta->member != node->config.id) {
        open_done(node, -EINVAL, "it belongs to another cluster or another member", "");
        return;
    }
    if (meta->incarnation == 0) {
        meta->incarnation = env_random(node->env) | 1;
    }
    slot = len >= (size_t)META_SLOTS * META_SLOT ? slot : -1;
    meta_file_start(&node->meta, slot, on_meta_started);
}

/* ---- 1: names ---- */

struct listing {
    struct env_io io;
    struct raft_node *node;
};

static void on_listed(struct env_io *io)
{
    struct raft_node *node = io->data;
    struct listing *listing = CONTAINER_OF(io, struct listing, io);
    int64_t result = io->result;
    node->names = io->buffer;
    node->names_len = result < 0 ? 0 : (size_t)result;
    free(listing);
    if (is_given_up(node)) {
        return;
    }
    if (result < 0) {
        open_done(node, (int)result, "cannot list it", strerror((int)-result));
        return;
    }
    io_load(node->env, node->meta.path, META_SLOTS * META_SLOT, on_meta, node);
}

static void on_made(void *data, int status, int file)
{
    struct raft_node *node = data;
    (void)file;
    if (is_given_up(node)) {
        return;
    }
    if (status < 0) {
        open_done(node, status, "cannot make it", strerror(-status));
        return;
    }
    struct listing *listing = alloc_zeroed(sizeof(*listing));
    listing->io = (struct env_io){
        .kind = ENV_IO_LIST_DIR, .path = node->dir, .file = -1, .done = on_listed, .data = node};
    env_io_submit(node->env, &listing->io);
}

static int check_config(const struct raft_config *config, struct raft_members *members,
                        struct error *reterr)
{
    uint32_t heartbeat = config->heartbeat_ms == 0 ? HEARTBEAT_MS_DEFAULT : config->heartbeat_ms;
    uint32_t election = config->election_ms == 0 ? ELECTION_MS_DEFAULT : config->election_ms;
    if (config->id == 0 || config->dir == NULL || config->dir[0] != '/') {
        return error_set(reterr, -EINVAL, "raft needs a member id and an absolute directory");
    }
    if (election < 3 * heartbeat) {
        return error_set(reterr, -EINVAL,
                         "the election timeout must be at least three heartbeats (%u ms)",
                         3 * heartbeat);
    }
    if (config->snapshot_chunk > RAFT_SNAPSHOT_CHUNK) {
        return error_set(reterr, -EINVAL, "a snapshot is sent in chunks of at most %d bytes",
                         RAFT_SNAPSHOT_CHUNK);
    }
    bool voter = false;
    for (size_t i = 0; i < config->peer_count; i++) {
        const struct raft_peer *peer = &config->peers[i];
        bool learner = peer->learner || (config->join && peer->id == config->id);
        uint8_t flags = learner ? RAFT_MEMBER_LEARNER : RAFT_MEMBER_VOTER;
        int status = raft_members_add(members, peer->id, peer->name, peer->url, flags);
        if (status < 0) {
            return error_set(reterr, -EINVAL, "member %zu of the initial cluster (%s): %s", i + 1,
                             peer->name == NULL ? "?" : peer->name, strerror(-status));
        }
        voter = voter || !learner;
    }
    if (config->join && raft_members_find(members, config->id) == NULL) {
        return error_set(reterr, -EINVAL, "the cluster to join does not list this member");
    }
    if (!voter) {
        return error_set(reterr, -EINVAL, "the initial cluster has no voting member");
    }
    return 0;
}

int raft_open(const struct raft_config *config,
              void (*opened)(void *data, const struct error *error), void *data,
              struct raft_node **ret_node, struct error *reterr)
{
    struct raft_members members = {0};
    int status = check_config(config, &members, reterr);
    if (status < 0) {
        return status;
    }
    struct raft_node *node = alloc_zeroed(sizeof(*node));
    node->config = *config;
    node->config.peers = NULL;
    node->config.peer_count = 0;
    uint32_t *const fields[] = {&node->config.heartbeat_ms,      &node->config.election_ms,
                                &node->config.segment_bytes,     &node->config.snapshot_entries,
                                &node->config.snapshot_catch_up, &node->config.log_memory,
                                &node->config.snapshot_chunk};
    const uint32_t defaults[] = {HEARTBEAT_MS_DEFAULT,
                                 ELECTION_MS_DEFAULT,
                                 RAFT_SEGMENT_DEFAULT,
                                 RAFT_SNAPSHOT_ENTRIES_DEFAULT,
                                 RAFT_SNAPSHOT_CATCH_UP_DEFAULT,
                                 RAFT_LOG_MEMORY_DEFAULT,
                                 RAFT_SNAPSHOT_CHUNK};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        *fields[i] = *fields[i] == 0 ? defaults[i] : *fields[i];
    }
    node->env = config->env;
    node->fsm = *config->fsm;
    node->dir = alloc_text(config->dir);
    node->config.dir = node->dir;
    node->opening = true;
    node->opened = opened;
    node->opened_data = data;
    struct list *const lists[] = {&node->new_proposals, &node->proposals,     &node->new_reads,
                                  &node->waiting_reads, &node->indexed_reads, &node->forwards};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        list_init(lists[i]);
    }
    buffer_init(&node->message, RAFT_MESSAGE_MAX);
    pool_init(&node->commands, RAFT_SMALL_PROPOSAL, RAFT_SPARE_MAX);
    pool_init(&node->records, sizeof(struct raft_forward_call), RAFT_SPARE_MAX);
    node->forward_ids = env_random(node->env);
    node->forwarded = id_map_new();
    node->meta.env = node->env;
    node->meta.dir = node->dir;
    node->meta.path = alloc_printf("%s/raft-meta", node->dir);
    node->meta.file = -1;
    raft_node_wire(node);
    node->meta.meta.bootstrap = members;
    struct io_job *job = io_job_new(node->env);
    io_job_path(job, ENV_IO_MAKE_DIR, node->dir, NULL);
    io_job_run(job, on_made, node);
    *ret_node = node;
    return 0;
}

/* ---- what it tells about itself ---- */

bool raft_is_leader(const struct raft_node *node)
{
    return node->running && !node->dead && node->core.role == RAFT_LEADER;
}

bool raft_is_settled_leader(const struct raft_node *node)
{
    return raft_is_leader(node) && node->applied >= node->core.term_start;
}

uint64_t raft_absences(const struct raft_node *node)
{
    return node->core.absences;
}

uint64_t raft_leader_id(const struct raft_node *node)
{
    return node->running ? node->core.leader : 0;
}

uint64_t raft_id(const struct raft_node *node)
{
    return node->config.id;
}

uint64_t raft_cluster_id(const struct raft_node *node)
{
    return node->config.cluster_id;
}

uint64_t raft_term(const struct raft_node *node)
{
    return node->core.term;
}

uint64_t raft_applied_index(const struct raft_node *node)
{
    return node->applied;
}

bool raft_is_learner(const struct raft_node *node)
{
    const struct raft_member *own = raft_members_find(&node->core.members, node->config.id);
    return own != NULL && (own->flags & RAFT_MEMBER_LEARNER) != 0 &&
           (own->flags & RAFT_MEMBER_JOINING) == 0;
}

uint64_t raft_last_index(const struct raft_node *node)
{
    return raft_trail_last(&node->core.trail);
}

void raft_get_status(const struct raft_node *node, struct raft_status *ret_status)
{
    const struct raft *core = &node->core;
    const struct raft_members *members =
        node->core_ready ? &core->members : &node->meta.meta.bootstrap;
    *ret_status = (struct raft_status){.role = core->role,
                                       .id = node->config.id,
                                       .cluster_id = node->config.cluster_id,
                                       .leader = core->leader,
                                       .term = core->term,
                                       .commit_index = core->commit,
                                       .applied_index = node->applied,
                                       .first_index = core->trail.base.index + 1,
                                       .last_index = raft_trail_last(&core->trail),
                                       .snapshot_index = node->snapshot.index,
                                       .log_bytes = core->trail.bytes,
                                       .member_count = members->count};
    for (size_t i = 0; i < members->count; i++) {
        const struct raft_member *member = &members->items[i];
        struct raft_member_status *out = &ret_status->members[i];
        out->id = member->id;
        memcpy(out->name, member->name, sizeof(out->name));
        memcpy(out->url, member->url, sizeof(out->url));
        out->voter = raft_members_is_voter(members, member->id);
        out->learner = (member->flags & RAFT_MEMBER_LEARNER) != 0;
        out->joining = (member->flags & RAFT_MEMBER_JOINING) != 0;
        out->seen = member->incarnation != 0;
        out->last_contact_ms = UINT64_MAX;
        if (core->progress != NULL) {
            const struct raft_progress *progress = &core->progress[i];
            bool own = member->id == node->config.id;
            out->match_index = own ? core->stable : progress->match;
            out->snapshot = progress->state == RAFT_INSTALL;
            if (own || progress->contacted) {
                out->last_contact_ms =
                    own ? 0 : (env_now_ns(node->env) - progress->contact_ns) / NS_PER_MS;
            }
        }
    }
}
