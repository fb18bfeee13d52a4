/* Clients that say "hasleader" want to be told when this member is cut off from the leader, so that
 * they try another: their requests fail, and their watches end, which would be silent otherwise. */
#include "store/etcd_watch.h"

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
        LIST_FOREACH(node, next, &service->watch_streams)
        {
            struct watch_stream *stream = LIST_ENTRY(node, struct watch_stream, state.node);
            if (stream->wants_leader) {
                watch_stream_end(stream, STORE_NO_LEADER);
            }
        }
    }
    loop_timer_start(service->store_loop, &service->leader_timer, LEADER_LOOK_MS);
}

void etcd_leader_init(struct etcd_service *service)
{
    service->leader_timer = (struct loop_timer){.fire = look, .data = service};
    loop_timer_start(service->store_loop, &service->leader_timer, LEADER_LOOK_MS);
}

void etcd_leader_release(struct etcd_service *service)
{
    loop_timer_stop(service->store_loop, &service->leader_timer);
}
