/* What the files of the core share among themselves; nobody else includes it. Pure. */
#ifndef RAFT_CORE_INTERNAL_H
#define RAFT_CORE_INTERNAL_H
#include "raft/core.h"
#include "raft/plant.h"

/* core.c */
struct raft_message *raft_send(struct raft *raft, struct raft_update *update, uint64_t to,
                               enum raft_message_kind kind);
void raft_become_follower(struct raft *raft, struct raft_update *update, uint64_t term,
                          uint64_t leader);
void raft_set_term(struct raft *raft, struct raft_update *update, uint64_t term, uint64_t vote);
void raft_append_own(struct raft *raft, struct raft_update *update, enum raft_entry_kind kind,
                     struct slice data);
/* The configuration in force at an index; returns the entry it comes from, or the base. */
uint64_t raft_find_members(const struct raft *raft, uint64_t index,
                           struct raft_members *ret_members);
void raft_set_commit(struct raft *raft, uint64_t commit);

/* change.c */
void raft_note_listed(struct raft *raft); /* After `members` changed. */
void raft_set_members(struct raft *raft, const struct raft_members *members, uint64_t index);
bool raft_votes(const struct raft *raft);    /* This member, with the data it has. */
bool raft_may_lead(const struct raft *raft); /* And so stand for election. */
/* False when `incarnation` is not that of the data the configuration knows of the member. */
bool raft_knows(const struct raft *raft, uint64_t id, uint64_t incarnation);
int raft_change_begin(struct raft *raft, struct raft_update *update,
                      const struct raft_change *change);
void raft_change_continue(struct raft *raft, struct raft_update *update); /* Leader. */
void raft_tell_removed(struct raft *raft, const struct raft_message *message,
                       struct raft_update *update);
void raft_on_refused(struct raft *raft, const struct raft_message *message,
                     struct raft_update *update);
void raft_ask_around(struct raft *raft, struct raft_update *update);

/* election.c */
void raft_election_reset(struct raft *raft);
void raft_election_start(struct raft *raft, struct raft_update *update, bool pre, bool forced);
void raft_on_vote(struct raft *raft, const struct raft_message *message,
                  struct raft_update *update);
void raft_on_vote_result(struct raft *raft, const struct raft_message *message,
                         struct raft_update *update);
bool raft_leader_is_fresh(const struct raft *raft);
bool raft_votes_alone(const struct raft *raft); /* No other member has a vote. */

/* replication.c: the leader's side */
struct raft_progress *raft_progress_of(struct raft *raft, uint64_t id);
void raft_progress_open(struct raft *raft); /* All members, at the start of a term. */
void raft_progress_close(struct raft *raft);
void raft_progress_adjust(struct raft *raft, const struct raft_members *before);
void raft_replicate(struct raft *raft, struct raft_update *update);
void raft_heartbeat(struct raft *raft, struct raft_update *update);
void raft_leader_commit(struct raft *raft);
bool raft_quorum_is_active(struct raft *raft);
void raft_forgive_silence(struct raft *raft, uint64_t late_ns); /* Of its followers. */
void raft_on_append_result(struct raft *raft, const struct raft_message *message,
                           struct raft_update *update);
void raft_on_heartbeat_result(struct raft *raft, const struct raft_message *message,
                              struct raft_update *update);
int raft_transfer(struct raft *raft, uint64_t target);
void raft_transfer_continue(struct raft *raft, struct raft_update *update);

/* follow.c: the follower's side */
void raft_on_append(struct raft *raft, const struct raft_message *message,
                    struct raft_update *update);
void raft_on_heartbeat(struct raft *raft, const struct raft_message *message,
                       struct raft_update *update);
void raft_acknowledge(struct raft *raft, struct raft_update *update);

/* read_index.c */
int raft_read_add(struct raft *raft, uint64_t from, uint64_t id);
void raft_reads_continue(struct raft *raft, struct raft_update *update);
void raft_reads_leave(struct raft *raft); /* Role or term has changed. */
void raft_on_read(struct raft *raft, const struct raft_message *message);
void raft_on_read_result(struct raft *raft, const struct raft_message *message,
                         struct raft_update *update);
#endif
