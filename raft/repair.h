/* A member whose log or snapshot is damaged: it remembers, durably, how far it had come, takes part
 * without leading and without a vote for anybody who has less, and gets the rest from the leader
 * (docs/decisions/log-repair.md). The damaged files are kept under other names until then. */
#ifndef RAFT_REPAIR_H
#define RAFT_REPAIR_H
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "raft/log_file.h"

struct raft_node;

struct raft_repair {
    bool active; /* The log does not reach `floor`. */
    bool tidy;   /* Files of a repair that is over are to be removed. */
    bool tidying;
    struct raft_floor floor; /* As noted in raft-meta. */
    bool snapshot_damaged, log_damaged;
    bool noting; /* Until the floor is durable. */
    void (*decided)(struct raft_node *node, const struct error *error);
    unsigned reads; /* Of the snapshot that failed. */
    struct raft_floor snapshot;
    struct error what;
    uint64_t said_ns;
};

/* While opening, in this order. */
void raft_repair_begin(struct raft_node *node);
bool raft_repair_pending(const struct raft_node *node); /* One was begun before this start. */
/* The snapshot at node->snapshot_path cannot be read: goes on without one. */
void raft_repair_without_snapshot(struct raft_node *node, int status);
/* The log has been read as far as it can be. `done` with 0, or an error to show. */
void raft_repair_decide(struct raft_node *node, const struct log_damage *damage,
                        void (*done)(struct raft_node *node, const struct error *error));
void raft_repair_noted(struct raft_node *node); /* raft-meta is durable. */

void raft_repair_tick(struct raft_node *node); /* Notices when it is over. */
void raft_repair_release(struct raft_node *node);
#endif
