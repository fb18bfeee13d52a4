/* Machines that the members have added. */
#include "tests/sim/sim1.h"

void sim1_learn_peers(struct member *member, const struct raft_status *status)
{
    static const char *const url = "http://m";
    bool itself = false;
    member->peer_count = 0;
    for (size_t i = 0; i < status->member_count && member->peer_count < SIM_NODES_MAX; i++) {
        itself = itself || status->members[i].id == member->machine->id;
        member->peers[member->peer_count++] =
            (struct raft_peer){.id = status->members[i].id,
                               .name = "m",
                               .url = url,
                               .learner = status->members[i].learner};
    }
    if (!itself && member->peer_count < SIM_NODES_MAX) {
        member->peers[member->peer_count++] =
            (struct raft_peer){.id = member->machine->id, .name = "m", .url = url};
    }
}

void sim1_join(struct sim1 *sim, struct member *member, const struct raft_status *status)
{
    sim1_learn_peers(member, status);
    member->join = true;
    member->out = false;
    member->used = true;
    sim1_boot(sim, member);
}
