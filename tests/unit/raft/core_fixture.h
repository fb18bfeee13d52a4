/* One member of the state machine (id 1 of cluster 9) whose peers are the messages a test writes.
 */
#ifndef TESTS_UNIT_RAFT_CORE_FIXTURE_H
#define TESTS_UNIT_RAFT_CORE_FIXTURE_H
#include "raft/core.h"

#define MS UINT64_C(1000000)

struct fixture {
    struct raft raft;
    struct raft_update update; /* Of the last event. */
    uint64_t now;
};

void core_start(struct fixture *f, size_t voters); /* Ids from 1 on; URL http://m<id>. */
void core_stop(struct fixture *f);
int core_step(struct fixture *f, struct raft_event event);
void core_receive(struct fixture *f, struct raft_message message);
const struct raft_message *core_sent(const struct fixture *f, enum raft_message_kind kind,
                                     uint64_t to); /* The first one of the last event, or NULL. */
void core_elect(struct fixture *f);                /* Leads term 1 with the votes of 2 (and 3). */
void core_persist(struct fixture *f);              /* All of the log is flushed. */
/* Member `from` acknowledges up to `match`; or, with core_acknowledge_all(), the whole log. */
void core_acknowledge(struct fixture *f, uint64_t from, uint64_t match);
void core_acknowledge_all(struct fixture *f, uint64_t from);

/* --- A leader of three, and changes of the members --- */

/* Leads three voters, with the first entry of its term committed; 2 and 3 answer. */
void core_lead(struct fixture *f);
void core_propose(struct fixture *f, size_t count); /* Entries, in one batch each. */
int core_change(struct fixture *f, struct raft_change change);
/* `a` and `b` have everything, until the log grows no more. */
void core_settle(struct fixture *f, uint64_t a, uint64_t b);
#endif
