/* The inside of struct raft_node, for the files of the driver (node*.c, snapshot.c, forward.c). */
#ifndef RAFT_NODE_H
#define RAFT_NODE_H
#include "lib/base/buffer.h"
#include "lib/base/id_map.h"
#include "lib/base/list.h"
#include "lib/base/pool.h"
#include "raft/core.h"
#include "raft/log_file.h"
#include "raft/meta_file.h"
#include "raft/raft.h"
#include "raft/repair.h"
#include "raft/snapshot_file.h"

struct io_job;

struct raft_proposal {
    struct list link;
    uint64_t index, term, tag;
    raft_done *done;
    void *data;
    size_t len;
    uint8_t command[];
};

static inline size_t raft_proposal_size(size_t command_len)
{
    return sizeof(struct raft_proposal) + command_len;
}

/* An entry that takes several turns to apply. */
struct raft_applying {
    struct raft_entry *entry;       /* A reference; NULL: there is none. */
    struct raft_proposal *proposal; /* Of this member, which waits for it; or NULL. */
};

struct raft_waiting_read { /* Its address is its id in the core. */
    struct list link;
    uint64_t index, deadline_ns;
    raft_done *done; /* NULL: timed out, the core has not yet let go of it. */
    void *data;
};

struct raft_forward_call {
    struct list link;
    uint64_t id, leader, deadline_ns;
    void (*done)(void *data, int status, struct slice reply);
    void *data;
};

struct raft_forwarded_call {
    struct raft_node *node;
    uint64_t id, peer, context;
};

struct raft_sender { /* A snapshot on its way to one member. */
    struct raft_node *node;
    uint64_t peer; /* 0: free. */
    int file;
    bool busy, ending, opened;
    struct raft_point point;
    uint64_t size, offset, sent_ns;
    struct env_io io;
    char *path;
};

struct raft_asked_change { /* By raft_change_members(). */
    raft_done *done;       /* NULL: none. */
    void *data;
    struct raft_change change;
    char name[RAFT_NAME_MAX];
    char url[RAFT_URL_MAX];
    bool begun;
    uint64_t index; /* Of its last entry, once that is committed. */
};

struct raft_listener {
    void (*changed)(void *data, const struct raft_status *status);
    void *data;
};

struct raft_node {
    struct raft_config config;
    struct raft_fsm fsm;
    struct env *env;
    char *dir;
    struct raft core;
    struct raft_update update;
    struct log_file *log;
    struct meta_file meta;
    struct raft_repair repair;
    bool opening; /* Until what raft_open() began has ended, however it ends. */
    bool core_ready, running, dead, closing, turn_armed, stepping, log_closed;
    struct env_timer tick, turn;
    uint64_t applied;
    struct raft_applying applying; /* The entry after that one, which is partly applied. */
    uint64_t chores_ns;            /* When timeouts and transfers are looked at next. */

    struct list new_proposals, proposals, new_reads, waiting_reads, indexed_reads;
    size_t proposal_count, read_count;
    struct pool commands;      /* Proposals. */
    struct pool records;       /* Reads that wait, and requests passed on. */
    struct buffer message;     /* What is being sent; its memory is kept for the next. */
    struct raft_message *held; /* Wait for term and vote to be durable. */
    size_t held_count;

    uint64_t move_to, room_move_ns;  /* Leadership, away from a full disk; 0: nowhere. */
    unsigned room_moves;             /* Tried since the disk is full. */
    uint64_t snapshot_not_before_ns; /* After there was no room for one. */
    bool snapshot_refused;           /* A member could not read it: another one is to be taken. */
    uint64_t snapshot_refused_ns;    /* When that was last said. */

    struct raft_asked_change change;
    int step_status; /* Of the last raft_step(). */
    struct raft_listener listeners[RAFT_LISTENERS_MAX];
    size_t listener_count;
    bool members_untold;
    uint64_t told_members;    /* members_version that the listeners know. */
    uint64_t stop_removed_ns; /* 0: it is not to stop. */

    struct list forwards;
    size_t forward_count;
    uint64_t forward_ids;
    struct id_map *forwarded; /* id -> struct raft_forwarded_call */

    struct raft_point snapshot; /* The durable one; index 0: none. */
    char *snapshot_path;
    uint64_t snapshot_bytes; /* Of the file; 0: there is none. */
    bool snapshot_wanted;    /* A member needs one that the log in memory goes on from. */
    size_t snapshot_jobs;    /* Operations of snapshot.c under way. */
    struct raft_taking *taking;
    struct raft_receiving *receiving;
    struct raft_restoring *restoring;
    struct raft_sender senders[RAFT_MEMBERS_MAX];

    void (*role_changed)(void *data, enum raft_role role, uint64_t term, uint64_t leader);
    void *role_data;
    enum raft_role told_role;
    uint64_t told_term, told_leader;

    uint8_t *names; /* Recovery. */
    size_t names_len;
    void (*opened)(void *data, const struct error *error);
    void *opened_data;
    void (*closed)(void *data);
    void *closed_data;
};

/* node.c */
void raft_node_step(struct raft_node *node, struct raft_event event);
void raft_node_wake(struct raft_node *node); /* Runs a turn soon. */
void raft_node_fail(struct raft_node *node, const char *what, int status);
void raft_node_answer_reads(struct raft_node *node); /* Those that waited for what is applied. */
/* Fills in the callbacks that are node.c's. */
void raft_node_wire(struct raft_node *node);
void raft_node_wire_log(struct raft_node *node, struct log_file_config *log);
void raft_node_start(struct raft_node *node); /* Recovery is done. */

/* node_apply.c */
enum { RAFT_TURN_BYTES_MAX = 4 * 1024 * 1024 }; /* Of commands taken in, or applied, in a turn. */
void raft_proposal_free(struct raft_node *node, struct raft_proposal *proposal);
/* What is committed, up to an entry that takes several turns. */
void raft_node_apply(struct raft_node *node);
void raft_node_apply_turn(struct raft_node *node);   /* First more of such an entry. */
void raft_node_apply_rest(struct raft_node *node);   /* All of it, before the state is replaced. */
void raft_node_apply_cancel(struct raft_node *node); /* It is not gone on with; the end is near. */

/* node_durable.c */
void raft_node_send(struct raft_node *node, struct raft_message *message); /* Or holds it. */
void raft_node_persisted(void *data); /* More of raft-meta is durable. */
void raft_node_promise(void *data, struct raft_extent extent);

/* node_members.c */
void raft_node_members(struct raft_node *node);     /* After each step. */
void raft_node_change_turn(struct raft_node *node); /* Begins what was asked for. */
void raft_node_change_cancel(struct raft_node *node);
/* The configuration in force, lent until the next step; NULL before there is one, or after the end.
 */
const struct raft_members *raft_node_known_members(const struct raft_node *node);
void raft_node_refused(struct raft_node *node, enum raft_refusal refusal); /* Stops. */

/* node_open.c */
void raft_node_free(struct raft_node *node);

/* forward.c */
void raft_forward_receive(struct raft_node *node, const struct raft_message *message);
void raft_forward_expire(struct raft_node *node, bool all);

/* snapshot.c */
void raft_snapshot_consider(struct raft_node *node); /* Takes one when it is time. */
void raft_snapshot_send_to(struct raft_node *node, uint64_t peer);
void raft_snapshot_tick(struct raft_node *node);
void raft_snapshot_receive(struct raft_node *node, const struct raft_message *message);
void raft_snapshot_result(struct raft_node *node, const struct raft_message *message);
/* Feeds the FSM from node->snapshot_path; `done` with 0 or what was wrong. */
void raft_snapshot_restore(struct raft_node *node, void (*done)(struct raft_node *node, int status,
                                                                const struct snapshot_head *head));
void raft_snapshot_release(struct raft_node *node);
char *raft_snapshot_name(const struct raft_node *node, struct raft_point point); /* To free(). */
/* True for a full disk, which is no reason to stop: no snapshot is tried for a while. */
bool raft_snapshot_lacks_room(struct raft_node *node, int status);
void raft_snapshot_flush(struct raft_node *node, int file,
                         void (*done)(void *data, int status, int file_of));
/* The flushed file gets its name, durably, and the snapshot before it is removed. To be run. */
struct io_job *raft_snapshot_place(struct raft_node *node, int file, const char *temporary,
                                   const char *path);
void raft_snapshot_adopt(struct raft_node *node, struct raft_point point, char *path_consume,
                         uint64_t bytes);

uint64_t raft_taking_index(const struct raft_node *node); /* While one is taken. */

/* log_bounds.c */
bool raft_snapshot_due(const struct raft_node *node);
void raft_log_replaced(struct raft_node *node); /* By node->snapshot. */
void raft_log_forget(struct raft_node *node);   /* What memory holds too much of. */

/* snapshot_receive.c */
/* Gives up one that nobody sends any more: nothing can be taken while it is there. */
void raft_receiving_tick(struct raft_node *node);
void raft_receiving_free(struct raft_node *node);
#endif
