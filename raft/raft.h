/* Raft: one member of a replicated log. This is the only header of raft/ (with raft/transport.h)
 * that other folders include. Event-driven over an env: every call is made, and every callback
 * runs, on the env's loop. Callbacks never run from inside the call that caused them, unless said.
 *
 * What an entry means is the FSM's business. A command is committed when a majority of the voters
 * has it on disk; it is then given to apply() on every member, once, in order.
 * Source: Ongaro, "Consensus: Bridging Theory and Practice" (2014), ch. 3, 4, 6, 9.6. */
#ifndef RAFT_RAFT_H
#define RAFT_RAFT_H
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "raft/limits.h"
#include <stdbool.h>
#include <stdint.h>

struct raft_node;

/* What is replicated. `data` is passed to each function. All on the loop of the env. */
struct raft_fsm {
    void *data;
    /* Entry `index` is committed. `command` lives until the call returns. `tag` is what
     * raft_propose() was given, when this member proposed the entry since it was opened and its
     * proposer still waits; else 0. Must be deterministic; must not call raft_close().
     * Returns true; or false when there is more to it than should be done in one turn. The rest is
     * for apply_more(), a turn after the other until it returns true: the entry counts as applied
     * only then, nothing else is applied before, and `command` lives until then. */
    bool (*apply)(void *data, uint64_t index, uint64_t term, struct slice command, uint64_t tag);
    bool (*apply_more)(void *data); /* NULL: apply() always returns true. */
    /* All that the last applied index holds, immutable, made without copying it all. The handle is
     * given back by snapshot_release(). NULL: not now; it is asked again after a later entry. */
    void *(*snapshot_take)(void *data);
    /* Fills at most `len` bytes from `offset` on; offsets come in order, without gaps. Returns how
     * many (0 at the end), or a negative errno, which abandons the snapshot. */
    int64_t (*snapshot_read)(void *data, void *handle, uint64_t offset, uint8_t *buffer,
                             size_t len);
    void (*snapshot_release)(void *data, void *handle);
    /* The state is replaced by a snapshot as of `index`: at start, or when the leader has dropped
     * entries that this member lacks. Chunks come in order. A negative errno stops the member:
     * a state half restored must not be served. */
    int (*restore_begin)(void *data, uint64_t index, uint64_t term);
    int (*restore_chunk)(void *data, struct slice chunk);
    int (*restore_end)(void *data);
    /* Another member forwarded `request` with raft_forward() because this one leads. Answer once,
     * now or later, by raft_forward_reply(node, call, …), or let raft_forward_propose() see to it.
     * `request` lives until the call returns.
     * May be NULL: then forwarded requests are answered -EOPNOTSUPP. */
    void (*forwarded)(void *data, uint64_t call, struct slice request);
};

struct raft_peer {
    uint64_t id; /* Never 0. */
    const char *name;
    const char *url; /* https://host:port, or http:// without TLS; several: lib/base/url_list.h */
    bool learner;
};

enum raft_role { RAFT_FOLLOWER, RAFT_PRE_CANDIDATE, RAFT_CANDIDATE, RAFT_LEADER };

struct raft_config {
    struct env *env; /* Must outlive the node. */
    uint64_t id;     /* This member. */
    uint64_t cluster_id;
    const char *dir; /* Absolute; made when absent. */
    /* First configuration: used, and must be the same on all members, when `dir` is empty. Later
     * the one in the log or snapshot counts. Borrowed during raft_open() only. */
    const struct raft_peer *peers;
    size_t peer_count;
    /* With an empty `dir`: this member was added to a cluster that runs already. `peers` is then
     * what the cluster lists (this member among them); it has no vote and waits until the leader
     * brings it the log. Without meaning once there is data. */
    bool join;
    const struct raft_fsm *fsm; /* Must outlive the node. */
    uint32_t heartbeat_ms;      /* 0: 50. */
    uint32_t election_ms;       /* 0: 300; at least 3 heartbeats. */
    uint32_t segment_bytes;     /* 0: RAFT_SEGMENT_DEFAULT. */
    uint32_t snapshot_entries;  /* 0: RAFT_SNAPSHOT_ENTRIES_DEFAULT. */
    uint32_t snapshot_catch_up; /* 0: RAFT_SNAPSHOT_CATCH_UP_DEFAULT. */
    uint32_t log_memory;        /* Bytes; 0: RAFT_LOG_MEMORY_DEFAULT. */
    uint32_t snapshot_chunk;    /* Bytes sent at once. 0: RAFT_SNAPSHOT_CHUNK, which is the most. */
};

/* Starts recovery from `dir`. Returns 0 with *ret_node, or -EINVAL for a configuration that cannot
 * be. `opened` runs once: `error` is NULL when the member takes part, else says what is wrong (a
 * damaged file, a foreign data directory…); then only raft_close() is allowed. During recovery the
 * FSM gets its restore_*() calls; entries are applied only as they are known to be committed. */
MUST_USE int raft_open(const struct raft_config *config,
                       void (*opened)(void *data, const struct error *error), void *data,
                       struct raft_node **ret_node, struct error *reterr);
/* Waits for file operations under way; then `closed` runs and the node is gone. Callbacks still
 * owed run before, with -ECANCELED. */
void raft_close(struct raft_node *node, void (*closed)(void *data), void *data);

typedef void raft_done(void *data, int status, uint64_t index);

/* Appends a command (copied) to the log if this member leads. `done` runs after apply() of the
 * entry on this member with 0 and its index, or with -ECANCELED: leadership was lost, the outcome
 * is unknown (the entry may still be applied, with tag 0). Returns 0; or, with `done` never run:
 * -ENOTCONN not the leader (see raft_leader_id()), -EAGAIN leadership is being handed over or too
 * much waits, -EMSGSIZE over RAFT_COMMAND_MAX, -ENOSPC the disk of this member or of a majority is
 * nearly full: reads go on, and writes as soon as there is room. */
MUST_USE int raft_propose(struct raft_node *node, struct slice command, uint64_t tag,
                          raft_done *done, void *data);

/* `done` runs with 0 and an index once this member has applied up to it: the state then includes
 * every command acknowledged anywhere before this call. Works on any member. Else -ETIMEDOUT (no
 * leader could confirm) or -ECANCELED. Returns 0, or -EAGAIN when too many wait. */
MUST_USE int raft_read_index(struct raft_node *node, raft_done *done, void *data);

/* Sends a request (copied) to the leader's FSM and brings its reply back (`reply` lives during the
 * call). `status` is what the leader's FSM answered; -ECANCELED: outcome unknown (leader lost or no
 * answer in time). Returns 0 with an id, which is never 0, if it is asked for; -ENOTCONN no leader
 * known; -ESTALE this member leads itself; -EAGAIN; -EMSGSIZE over RAFT_FORWARD_MAX. */
MUST_USE int raft_forward(struct raft_node *node, struct slice request,
                          void (*done)(void *data, int status, struct slice reply), void *data,
                          uint64_t *ret_id);
/* Whoever forwarded it knows the outcome already: `done` will not run. An id that is over is a
 * no-op. True when it was not. */
bool raft_forward_forget(struct raft_node *node, uint64_t id);
/* As raft_propose(), of what a call of the FSM's forwarded() brought. The other member is answered
 * when that fails; when it does not, it sees by itself that the command was applied. On an error
 * the call is still to be answered. */
MUST_USE int raft_forward_propose(struct raft_node *node, uint64_t call, struct slice command);
/* Answers a call of the FSM's forwarded(). A call of a member that is gone is dropped. */
void raft_forward_reply(struct raft_node *node, uint64_t call, int status, struct slice reply);

bool raft_is_leader(const struct raft_node *node);
/* Has no vote and gets none by itself: not one that is still joining as a voter. */
bool raft_is_learner(const struct raft_node *node);
/* Leading, and an entry of this term is committed: all earlier acknowledged ones are applied or
 * about to be. */
bool raft_is_settled_leader(const struct raft_node *node);
/* How often this member, leading, did nothing for an election timeout: what clients sent meanwhile
 * is still to be read. */
uint64_t raft_absences(const struct raft_node *node);
uint64_t raft_leader_id(const struct raft_node *node); /* 0: none known. */
uint64_t raft_id(const struct raft_node *node);
uint64_t raft_cluster_id(const struct raft_node *node);
uint64_t raft_term(const struct raft_node *node);
uint64_t raft_applied_index(const struct raft_node *node);
uint64_t raft_last_index(const struct raft_node *node);

/* Hands leadership to a voter (0: the most advanced). Returns 0 when begun, -ENOTCONN when not
 * leading, -EINVAL when `target` is no other voter. Given up after an election timeout. */
MUST_USE int raft_transfer_leadership(struct raft_node *node, uint64_t target);

/* One listener each. Runs when role, term or known leader change; `role` is RAFT_LEADER only once
 * the first entry of the term is committed and applied (raft_is_settled_leader()). */
void raft_on_role_change(struct raft_node *node,
                         void (*changed)(void *data, enum raft_role role, uint64_t term,
                                         uint64_t leader),
                         void *data);

enum raft_change_kind {
    RAFT_CHANGE_ADD,
    RAFT_CHANGE_REMOVE,
    RAFT_CHANGE_PROMOTE,
    RAFT_CHANGE_UPDATE
};

struct raft_change {
    enum raft_change_kind kind;
    uint64_t id;      /* Never 0. */
    const char *name; /* ADD: NULL is "". UPDATE: NULL leaves it. */
    const char *url;  /* ADD, UPDATE (NULL leaves it); may be a list, as in raft_peer. */
    bool learner;     /* ADD: stays a learner until promoted. */
};

/* Changes the members, on the leader only. A new voter is added as a learner that has `joining` set
 * in the status; the leader makes it a voter by itself once it has caught up, so that a member that
 * never starts costs no quorum. Voters change through a joint configuration (Ongaro 2014, 4.3).
 * `done` runs once the final configuration (ADD: the one with the learner) is committed and
 * applied here, with 0 and its index; with -ECANCELED when leadership was lost: outcome unknown.
 * A leader that removes itself hands over, then steps down; after that the member stops.
 * Returns 0; or, with `done` never run:
 *   -ENOTCONN   not the leader
 *   -EBUSY      another change is under way, or nothing of this term is committed yet: try again
 *   -EEXIST     ADD: the id is a member
 *   -EADDRINUSE ADD, UPDATE: another member has one of the URLs
 *   -ENOENT     the id is no member
 *   -EINVAL     id 0, no URL, a text too long
 *   -ENOSPC     ADD: RAFT_MEMBERS_MAX reached
 *   -EDQUOT     ADD: RAFT_LEARNERS_MAX learners (those that join as voters do not count)
 *   -EALREADY   PROMOTE: is a voter
 *   -EAGAIN     PROMOTE: the learner is not in sync with the leader (less than 90 % of its log)
 *   -EPERM      too few of the voters that there would be have been heard of within an election
 *               timeout: the cluster would lose its quorum */
MUST_USE int raft_change_members(struct raft_node *node, const struct raft_change *change,
                                 raft_done *done, void *data);

struct raft_member_status {
    uint64_t id;
    char name[RAFT_NAME_MAX];
    char url[RAFT_URL_MAX];
    bool voter;
    bool learner;
    bool joining;             /* A learner that becomes a voter by itself. */
    bool seen;                /* Has taken part since it was added: its data has an identity. */
    uint64_t match_index;     /* Known only on the leader. */
    uint64_t last_contact_ms; /* Ago; on the leader only. UINT64_MAX: never. */
    bool snapshot;            /* A snapshot is on its way. */
};

struct raft_status {
    enum raft_role role;
    uint64_t id, cluster_id, leader, term, commit_index, applied_index, first_index, last_index;
    uint64_t snapshot_index, log_bytes;
    size_t member_count;
    struct raft_member_status members[RAFT_MEMBERS_MAX];
};

void raft_get_status(const struct raft_node *node, struct raft_status *ret_status);

/* At most RAFT_LISTENERS_MAX. `changed` runs when the configuration in force has changed (also by
 * being rolled back) and once when the member has been opened. */
void raft_on_members_change(struct raft_node *node,
                            void (*changed)(void *data, const struct raft_status *status),
                            void *data);

/* One message from a peer, as env_send() of that peer was given it. Malformed, foreign or stale
 * messages are dropped. `from` is what the transport has authenticated. */
void raft_receive(struct raft_node *node, uint64_t from, struct slice message);
#endif
