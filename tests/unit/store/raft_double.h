/* Stand-ins for tests of struct store: an env on virtual time, and a raft without consensus: what
 * the leader is given is committed one millisecond later and applied on every member at once. */
#ifndef TESTS_UNIT_STORE_RAFT_DOUBLE_H
#define TESTS_UNIT_STORE_RAFT_DOUBLE_H
#include "lib/base/env.h"
#include "lib/base/heap.h"
#include "raft/raft.h"

struct virtual_env {
    struct env env;
    uint64_t now_ns;
    uint64_t sequence;
    uint64_t random;
    struct heap timers;
    bool fatal_expected;
    int fatals;
};

void virtual_env_init(struct virtual_env *env);
void virtual_env_release(struct virtual_env *env);
void virtual_env_run(struct virtual_env *env, uint64_t ms);

enum { CLUSTER_MAX = 3 };

struct raft_node {
    struct raft_cluster *cluster;
    const struct raft_fsm *fsm;
    uint64_t id; /* 1 + its place. */
    void (*changed)(void *data, enum raft_role role, uint64_t term, uint64_t leader);
    void *changed_data;
};

struct action;

struct raft_cluster {
    struct action *forwards; /* Not yet at their end. */
    uint64_t forward_ids;
    struct virtual_env *env;
    struct raft_node nodes[CLUSTER_MAX];
    size_t count;
    uint64_t leader; /* An id, or 0. */
    uint64_t term;
    uint64_t index;
    bool lose_next; /* The next proposal is appended and its proposer told -ECANCELED. */
    size_t entries;
    int change_status; /* What raft_change_members() says. */
    size_t changes;
    uint64_t absences;              /* What raft_absences() says. */
    struct raft_change last_change; /* Its texts live as long as the call. */
    int drop_forwards;              /* So many requests get lost, ... */
    int drop_replies;               /* ... and so many answers: told -ECANCELED after 20 s. */
};

void raft_cluster_init(struct raft_cluster *cluster, struct virtual_env *env, size_t count);
void raft_cluster_set_leader(struct raft_cluster *cluster, uint64_t id);
#endif
