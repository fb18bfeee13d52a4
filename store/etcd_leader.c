/* Clients that say "hasleader" want to be told when this member is cut off from the leader, so that
 * they try another: their requests fail, and their streams end, which would be silent otherwise. */
#include "store/etcd_private.h"

enum {
    LEADER_LOOK_MS = 500,
    LEADERLESS_LOOKS = 6, /* 3 s, as etcd with its defaults; an election takes a part of it. */
};

bool etcd_wants_leader(const struct grpc_call *call)
{
    return slice_is(grpc_call_metadata(call, "hasleader"), "true");
}

bool etcd_has_leader(const struct etcd_service *service)
{
    const struct raft_node *raft = service->store == NULL ? NULL : store_raft(service->store);
    return raft != NULL && raft_leader_id(raft) != 0;
}

static void look(void *data)
{
    struct etcd_service *service = data;
    service->leaderless_looks = etcd_has_leader(service) ? 0 : service->leaderless_looks + 1;
    if (service->leaderless_looks >= LEADERLESS_LOOKS) {
        service->leaderless_looks = 0;
        LIST_FOREACH(node, next, &service->leader_wanted)
        {
            struct etcd_leader_want *want = LIST_ENTRY(node, struct etcd_leader_want, node);
            list_remove(node);
            want->lost(want);
        }
    }
    loop_timer_start(service->store_loop, &service->leader_timer, LEADER_LOOK_MS);
}

int etcd_leader_want(struct etcd_service *service, const struct grpc_call *call,
                     struct etcd_leader_want *want)
{
    if (!etcd_wants_leader(call)) {
        return 0;
    }
    if (!etcd_has_leader(service)) {
        return STORE_NO_LEADER;
    }
    list_push_back(&service->leader_wanted, &want->node);
    return 0;
}

void etcd_leader_init(struct etcd_service *service)
{
    list_init(&service->leader_wanted);
    service->leader_timer = (struct loop_timer){.fire = look, .data = service};
    loop_timer_start(service->store_loop, &service->leader_timer, LEADER_LOOK_MS);
}

void etcd_leader_release(struct etcd_service *service)
{
    struct list *node;
    while ((node = list_first(&service->leader_wanted)) != NULL) {
        list_remove(node); /* What waits for the store ends with it. */
    }
    loop_timer_stop(service->store_loop, &service->leader_timer);
}
