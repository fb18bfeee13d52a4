/* The Raft state machine of one member. Pure: an event with the time goes in, an update with
 * everything to be done comes out; nothing is called. What peers send is checked, never trusted.
 *
 * The driver's part of the contract:
 * - while term or vote of an update are not durable, no message of it or of a later one is sent;
 * - entries are written in order; RAFT_EVENT_PERSISTED tells when they are flushed. Messages need
 *   not wait for that: what depends on it, the core sends only after the event;
 * - reads are answered after applying up to their index.
 * Source: Ongaro 2014; pre-vote and check-quorum together per its 9.6 and 6.2. */
#ifndef RAFT_CORE_H
#define RAFT_CORE_H
#include "raft/members.h"
#include "raft/message.h"
#include "raft/raft.h"

enum raft_progress_state {
    RAFT_PROBE,     /* Where the logs meet is not known: one message at a time. */
    RAFT_REPLICATE, /* Known: messages follow each other without waiting. */
    RAFT_INSTALL,   /* Too far behind: a snapshot is on its way. */
};

struct raft_progress {
    uint64_t id;
    enum raft_progress_state state;
    uint64_t match; /* Known to be durable there. */
    uint64_t next;  /* First entry not yet sent. match < next. */
    bool probe_sent;
    uint64_t flight; /* Counts new beginnings: what was refused of an earlier one is no news. */
    uint64_t commit_sent;
    uint64_t incarnation;   /* Of its data, as first heard in this term. */
    uint64_t context_first; /* Answers to heartbeats after it are of the member that is meant. */
    uint64_t contact_ns;    /* When it last answered in this term. */
    bool contacted;
    uint64_t context_acked;
    bool short_of_room; /* Its disk is nearly full; */
    bool room_told;     /* it has said so, or that it is not. */
    size_t window;      /* So many append messages may be under way: halved when one is refused. */
    size_t inflight;    /* Append messages not answered: a ring of their last indexes and sizes. */
    size_t inflight_first;
    uint64_t inflight_bytes;
    struct raft_inflight {
        uint64_t last;
        uint64_t bytes;
    } ring[RAFT_INFLIGHT_MESSAGES_MAX];
};

struct raft_read {
    uint64_t from;    /* 0: a local read. */
    uint64_t id;      /* The driver's, or the follower's context. */
    uint64_t context; /* Leader: needs a heartbeat of at least this context acknowledged. */
    uint64_t index;
};

struct raft {
    uint64_t id, cluster;
    uint64_t incarnation; /* Of the own data; 0: identities are not told apart. */
    uint64_t heartbeat_ns, election_ns;
    uint64_t random;

    uint64_t term, vote; /* Vote 0: none in this term. */
    enum raft_role role;
    uint64_t leader; /* 0: not known. */
    uint64_t commit;
    uint64_t stable;       /* Entries up to here are durable on this member. */
    uint64_t verified;     /* Follower: entries up to here are the leader's too. */
    uint64_t acknowledged; /* Follower: told the leader of this term so much. */
    uint64_t epoch;        /* Counts truncations: a flush begun before one proves nothing. */
    /* So far the log reached before a part of it was damaged. The member votes as if it still had
     * it, and does not lead, until it has as much again (docs/decisions/log-repair.md). */
    struct raft_floor floor; /* Index UINT64_MAX: not known how far in that term. */
    struct raft_trail trail;
    struct raft_members members;
    struct raft_members base_members; /* In force at trail.base. */
    uint64_t members_index;           /* Entry `members` comes from, or the base. */
    uint64_t members_version;         /* Grows when `members` changes in any way. */
    uint64_t
        quorum_index;     /* Leader: its last configuration that did more than record identities. */
    bool change_pending;  /* Leader: a change asked for has not reached its end. */
    struct raft_leaving { /* Leader: to be told once their removal is committed. */
        uint64_t id, incarnation;
    } leaving[RAFT_MEMBERS_MAX];
    size_t leaving_count;
    bool removed; /* It removed itself as the leader: nobody will tell it. */
    /* False while it has joined and its log does not list it with this data: what had its id before
     * may have had a vote that is not its to give. */
    bool listed;

    /* The driver's news of its disk, before each step. */
    bool short_of_room; /* Nearly full: nothing new should be asked of it. */
    bool stalled;       /* Has not ended an operation for an election timeout. */

    uint64_t now_ns;
    uint64_t election_at_ns;
    uint64_t absences; /* How often, leading, it stood still for an election timeout. */
    bool forgiven;     /* It got time to read what others said while it did not come to look. */
    uint64_t heartbeat_at_ns;
    uint64_t leader_heard_ns; /* Follower: last message of the leader, ... */
    uint64_t answered_ns;     /* ... and when it last said that it hears it. */
    bool leader_heard;
    bool votes_answered[RAFT_MEMBERS_MAX];
    bool votes_granted[RAFT_MEMBERS_MAX];
    bool forced; /* The election under way was asked for by the old leader. */

    struct raft_progress *progress; /* Leader: one for each member, in the order of members. */
    uint64_t led_since_ns;
    size_t append_entries_max; /* In one message; the simulator makes it small. */
    uint64_t term_start;       /* Leader: index of its first entry. */
    uint64_t context;          /* Last heartbeat context used. */
    uint64_t transfer_to, transfer_until_ns;
    bool transfer_sent;

    struct raft_read *reads;
    size_t read_count, read_capacity, remote_read_count;
    uint64_t read_attempt; /* Follower: context of the RAFT_READ under way; 0: none. */
    uint64_t attempts;
    uint64_t read_attempt_at_ns;
    size_t read_attempt_count; /* The first so many reads wait for it. */
};

struct raft_start { /* What recovery found. */
    uint64_t id, cluster, incarnation, term, vote, seed, heartbeat_ns, election_ns, now_ns;
    bool joined;                 /* It is none of the first members. */
    struct raft_point base;      /* The snapshot, or the beginning. */
    struct raft_members members; /* As of base. */
};

enum raft_event_kind {
    RAFT_EVENT_TICK,
    RAFT_EVENT_MESSAGE,
    RAFT_EVENT_PROPOSE,   /* commands, count: -ENOTCONN / -EAGAIN of raft_step() */
    RAFT_EVENT_PERSISTED, /* index, epoch */
    RAFT_EVENT_READ,      /* read id */
    RAFT_EVENT_TRANSFER,  /* target */
    RAFT_EVENT_INSTALLED, /* point, members: a received snapshot is durable; from */
    RAFT_EVENT_CHANGE,    /* change: refusals of raft_change_members() */
    RAFT_EVENT_COMPACT,   /* index: a snapshot of it is durable; members filled in by the core */
};

struct raft_event {
    enum raft_event_kind kind;
    uint64_t now_ns;
    const struct raft_message *message;
    const struct slice *commands;
    size_t count;
    uint64_t index;
    uint64_t epoch;
    uint64_t id; /* Read, target or peer. */
    struct raft_point point;
    const struct raft_members *members;
    const struct raft_change *change;
};

struct raft_update {
    bool meta;      /* term and vote have changed: make them durable. */
    bool truncated; /* Entries from `truncate_from` on are void. Comes before `entries`. */
    uint64_t truncate_from;
    uint64_t entries_from; /* Entries from here to the end of the log are new; 0: none. */
    bool installed;        /* The log now begins at the snapshot of the event. */
    bool role_changed;     /* Role, term or leader. */
    uint64_t changed; /* The change asked for is committed; index of its last entry. 0: no news. */
    enum raft_refusal refused; /* The cluster does not want this member: stop. 0: no news. */
    const char *stepped_down;  /* Why a leader gave up the lead by itself; or NULL. */
    const char *fatal;         /* A broken invariant of the cluster: stop. */
    struct raft_message *messages;
    size_t message_count, message_capacity;
    struct raft_ready_read {
        uint64_t id;
        uint64_t index;
    } * reads;
    size_t read_count, read_capacity;
    uint64_t install[RAFT_MEMBERS_MAX]; /* Peers that need a snapshot. */
    size_t install_count;
};

void raft_init(struct raft *raft, const struct raft_start *start);
void raft_release(struct raft *raft);
/* Recovery: appends a durable entry, before the first step. -EBADMSG: a bad configuration. */
MUST_USE int raft_restore_entry(struct raft *raft, struct raft_entry *entry_consume);
/* Recovery took its time: the election timeout begins now. A member that alone may vote does not
 * wait for it. */
void raft_election_reset_now(struct raft *raft, uint64_t now_ns);
/* One event. The update must be empty; it is filled whatever is returned. 0, or the refusal of the
 * events that name one. */
int raft_step(struct raft *raft, const struct raft_event *event, struct raft_update *update);
void raft_update_clear(struct raft_update *update); /* Empties it, keeps the memory. */
void raft_update_release(struct raft_update *update);
uint64_t raft_next_tick_ns(const struct raft *raft); /* When a tick is due, absolute. */
/* What raft_step() would say to RAFT_EVENT_CHANGE: 0 with the configuration to come, or why not. */
MUST_USE int raft_change_check(struct raft *raft, const struct raft_change *change,
                               struct raft_members *ret_next);
/* Whether a message is worth parsing, from its head: those of strangers are not. */
bool raft_admits(const struct raft *raft, const struct raft_message *head);
/* Leader: have this member and a quorum room for more? */
bool raft_has_room(const struct raft *raft);
/* The most advanced voter whose disk has room; 0 when a quorum of such would be missing. */
uint64_t raft_member_with_room(const struct raft *raft);
/* False while the log does not reach as far as it did before it was damaged. */
bool raft_is_whole(const struct raft *raft);
/* The configuration in force at an index of the log. */
struct raft_members raft_members_at(const struct raft *raft, uint64_t index);
#endif
