/* Who votes: a configuration of the cluster, also a joint one (Ongaro 2014, 4.3), with learners,
 * and the arithmetic of its quorums. In force from the moment it is in the log. Pure. */
#ifndef RAFT_MEMBERS_H
#define RAFT_MEMBERS_H
#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include "raft/limits.h"
#include <stdbool.h>
#include <stdint.h>

enum raft_member_flags {
    RAFT_MEMBER_VOTER = 1,     /* Votes in the (incoming) configuration. */
    RAFT_MEMBER_VOTER_OLD = 2, /* Votes in the outgoing configuration of a joint one. */
    RAFT_MEMBER_LEARNER = 4,   /* Gets entries, has no vote. */
    RAFT_MEMBER_JOINING = 8,   /* Only with LEARNER: the leader makes it a voter by itself. */
};

struct raft_member {
    uint64_t id;
    uint8_t flags;
    /* Identity of its data directory; 0: it has not been heard of since it was added. Another one
     * under the same id has lost what it promised. */
    uint64_t incarnation;
    char name[RAFT_NAME_MAX];
    char url[RAFT_URL_MAX];
};

struct raft_members {
    size_t count;
    struct raft_member items[RAFT_MEMBERS_MAX]; /* By id, ascending. */
};

/* 0, -EEXIST (id there), -ENOSPC (full) or -EINVAL (id 0, no flags, text too long). */
MUST_USE int raft_members_add(struct raft_members *members, uint64_t id, const char *name,
                              const char *url, uint8_t flags);
const struct raft_member *raft_members_find(const struct raft_members *members, uint64_t id);
void raft_members_remove(struct raft_members *members, size_t place);
/* -EINVAL: too long. NULL leaves a text. */
MUST_USE int raft_members_rename(struct raft_members *members, size_t place, const char *name,
                                 const char *url);
/* Place of the id in items, or -1. */
int raft_members_place(const struct raft_members *members, uint64_t id);
bool raft_members_is_voter(const struct raft_members *members, uint64_t id); /* In either half. */
bool raft_members_joint(const struct raft_members *members);
/* Opens a joint configuration: every voter also votes in the outgoing half. */
void raft_members_enter(struct raft_members *members);
/* Ends it: only the incoming half is left, and learners. */
void raft_members_leave(struct raft_members *members);

/* `yes[i]` belongs to items[i]. True when a majority of each half (of the one half, when not joint)
 * says yes. A configuration without voters has no quorum. */
bool raft_members_quorum(const struct raft_members *members, const bool *yes);
/* The greatest value that a majority of each half has reached. */
uint64_t raft_members_quorum_value(const struct raft_members *members, const uint64_t *values);

void raft_members_encode(const struct raft_members *members, struct buffer *out);
/* -EBADMSG for bytes that are no configuration (also one without a voter). */
MUST_USE int raft_members_decode(struct slice bytes, struct raft_members *ret_members);
#endif
