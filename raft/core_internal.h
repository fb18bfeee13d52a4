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
void raft_set_commit(struct raft *raft, uint64_t commit);

/* election.c */
void raft_election_reset(struct raft *raft);
void raft_election_start(struct raft *raft, struct raft_update *update, bool pre, bool forced);
void raft_on_vote(struct raft *raft, const struct raft_message *message,
                  struct raft_update *update);
void raft_on_vote_result(struct raft *raft, const struct raft_message *message,
                         struct raft_update *update);
bool raft_leader_is_fresh(const struct raft *raft);

/* replication.c: the leader's side */
struct raft_progress *raft_progress_of(struct raft *raft, uint64_t id);
void raft_progress_open(struct raft *raft); /* All members, at the start of a term. */
void raft_progress_close(struct raft *raft);
void raft_replicate(struct raft *raft, struct raft_update *update);
void raft_heartbeat(struct raft *raft, struct raft_update *update);
void raft_leader_commit(struct raft *raft);
bool raft_quorum_is_active(struct raft *raft);
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
