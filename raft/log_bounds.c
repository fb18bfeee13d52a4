/* How long the log may become: on disk, where a snapshot replaces it, and in memory, which need not
 * hold all of what is on disk. See docs/decisions/log-room.md. */
#include "raft/node.h"

enum {
    /* Bytes of log on disk that a snapshot has to be worth; with a large state half of it, so that
     * saving costs a constant factor and not the size of the state. All of it is read and applied
     * again at a start. */
    REPLACE_BYTES_MIN = 128 * 1024 * 1024,
    REPLACE_BYTES_MAX = 256 * 1024 * 1024,
    /* Kept in memory for a member that lacks it, before that gets a snapshot instead. */
    LACKED_BYTES_MAX = 64 * 1024 * 1024,
    SENDING_BYTES_MAX = 128 * 1024 * 1024,
    FORGET_ENTRIES_MAX = 8192, /* At once: about a millisecond. */
    /* Kept in memory by a member that is alone: who joins it gets a snapshot anyway. */
    ALONE_BYTES_MAX = 1024 * 1024,
};

bool raft_snapshot_due(const struct raft_node *node)
{
    uint64_t since = node->applied - node->snapshot.index;
    if (node->snapshot_refused) {
        return true;
    }
    if (since <= node->config.snapshot_catch_up && !node->snapshot_wanted) {
        return false;
    }
    uint64_t half = node->snapshot_bytes / 2;
    uint64_t most = half < REPLACE_BYTES_MIN ? REPLACE_BYTES_MIN : half;
    most = most > REPLACE_BYTES_MAX ? REPLACE_BYTES_MAX : most;
    uint64_t log_bytes = log_file_bytes_after(node->log, node->snapshot.index);
    return log_bytes > most || (since >= node->config.snapshot_entries && log_bytes >= half) ||
           (node->snapshot_wanted && since > 0);
}

/* A member that is getting a snapshot needs the entries after it next: without them it would get
 * one snapshot after the other and never catch up. Bounded, so that a dead member costs no memory.
 */
static uint64_t kept_for_senders(const struct raft_node *node, uint64_t to)
{
    if (node->core.trail.bytes > SENDING_BYTES_MAX) {
        return to;
    }
    for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        const struct raft_sender *sender = &node->senders[i];
        if (sender->peer != 0 && sender->point.index < to) {
            to = sender->point.index;
        }
    }
    return to;
}

static uint64_t kept_for_followers(const struct raft_node *node, uint64_t to)
{
    const struct raft *core = &node->core;
    if (core->progress == NULL || core->trail.bytes > LACKED_BYTES_MAX) {
        return to;
    }
    for (size_t i = 0; i < core->members.count; i++) {
        const struct raft_progress *progress = &core->progress[i];
        bool own = core->members.items[i].id == core->id;
        if (!own && progress->state != RAFT_INSTALL && progress->match < to) {
            to = progress->match;
        }
    }
    return to;
}

void raft_log_replaced(struct raft_node *node)
{
    uint64_t index = node->snapshot.index;
    uint64_t keep = node->config.snapshot_catch_up;
    uint64_t to = kept_for_senders(node, index > keep ? index - keep : 0);
    raft_node_step(node, (struct raft_event){.kind = RAFT_EVENT_COMPACT, .index = to});
    if (node->running && !node->dead && !node->closing) {
        uint64_t base = node->core.trail.base.index;
        log_file_compact(node->log, base < index ? base : index);
        log_file_pump(node->log);
    }
}

void raft_log_forget(struct raft_node *node)
{
    const struct raft_trail *trail = &node->core.trail;
    bool alone = node->core.members.count == 1;
    uint64_t bytes = node->config.log_memory;
    bytes = alone && bytes > ALONE_BYTES_MAX ? ALONE_BYTES_MAX : bytes;
    if (trail->bytes <= bytes || node->fsm.snapshot_take == NULL) {
        return; /* Without snapshots nobody could be brought what is forgotten. */
    }
    uint64_t keep = alone ? 0 : node->config.snapshot_catch_up;
    uint64_t done = node->applied < node->core.stable ? node->applied : node->core.stable;
    uint64_t to = kept_for_followers(node, done > keep ? done - keep : 0);
    to = kept_for_senders(node, to);
    if (node->taking != NULL && raft_taking_index(node) < to) {
        to = raft_taking_index(node); /* It may be for a member that needs what follows it. */
    }
    uint64_t index = trail->base.index;
    to = to > index + FORGET_ENTRIES_MAX ? index + FORGET_ENTRIES_MAX : to;
    for (uint64_t left = trail->bytes; index < to && left > bytes;) {
        left -= raft_trail_get(trail, ++index)->len;
    }
    if (index > trail->base.index) {
        raft_node_step(node, (struct raft_event){.kind = RAFT_EVENT_COMPACT, .index = index});
    }
}
