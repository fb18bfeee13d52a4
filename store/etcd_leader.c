/* Clients that say "hasleader" want to be told when this member is cut off from the leader, so that
 * they try another: their requests fail, and their streams end, which would be silent otherwise. */
#include "store/etcd_private.h"

#include "lib/base/alloc.h"
#include <stdlib.h>

enum {
    LEADER_LOOK_MS = 500,
    MOVE_LOOK_MS = 10,
    MOVES_MAX = 64,       /* Requests that wait for the lead to have moved. */
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

/* --- Moving the lead. */

struct leader_move {
    struct list node; /* In service->leader_moves. */
    struct etcd_request *request;
    uint64_t target;
    unsigned looks_left;
    struct loop_timer timer;
};

static void move_end(struct leader_move *move, int status)
{
    list_remove(&move->node);
    etcd_request_done(move->request, status);
    free(move);
}

static void move_look(void *data)
{
    struct leader_move *move = data;
    const struct etcd_service *service = move->request->service;
    int status = etcd_status_now(service, 0);
    if (status == 0 && raft_leader_id(store_raft(service->store)) != move->target) {
        if (move->looks_left-- > 0) {
            loop_timer_start(service->store_loop, &move->timer, MOVE_LOOK_MS);
            return;
        }
        status = STORE_TIMEOUT_LEADER_TRANSFER;
    }
    move_end(move, status);
}

static bool moves_are_full(const struct etcd_service *service)
{
    size_t count = 0;
    LIST_FOREACH(node, next, &service->leader_moves)
    {
        count++;
    }
    return count >= MOVES_MAX;
}

void etcd_move_leader_run(struct etcd_request *request)
{
    const Etcdserverpb__MoveLeaderRequest *message = request->message;
    struct etcd_service *service = request->service;
    struct raft_node *raft = store_raft(service->store);
    if (raft_is_leader(raft) && message->targetid == raft_id(raft)) {
        etcd_request_done(request, 0);
        return;
    }
    if (moves_are_full(service)) {
        etcd_request_done(request, STORE_TOO_MANY_REQUESTS);
        return;
    }
    int status = raft_transfer_leadership(raft, message->targetid);
    if (status != 0) {
        etcd_request_done(request, status == -ENOTCONN ? STORE_NOT_LEADER
                                   : status == -EINVAL ? STORE_BAD_LEADER_TRANSFEREE
                                                       : status);
        return;
    }
    struct leader_move *move = alloc_zeroed(sizeof(*move));
    move->request = request;
    move->target = message->targetid;
    move->looks_left = STORE_TXN_TIMEOUT_MS / MOVE_LOOK_MS;
    move->timer = (struct loop_timer){.fire = move_look, .data = move};
    list_init(&move->node);
    list_push_back(&service->leader_moves, &move->node);
    loop_timer_start(service->store_loop, &move->timer, MOVE_LOOK_MS);
}

void etcd_leader_init(struct etcd_service *service)
{
    list_init(&service->leader_wanted);
    list_init(&service->leader_moves);
    service->leader_timer = (struct loop_timer){.fire = look, .data = service};
    loop_timer_start(service->store_loop, &service->leader_timer, LEADER_LOOK_MS);
}

void etcd_leader_release(struct etcd_service *service)
{
    struct list *node;
    while ((node = list_first(&service->leader_wanted)) != NULL) {
        list_remove(node); /* What waits for the store ends with it. */
    }
    while ((node = list_first(&service->leader_moves)) != NULL) {
        struct leader_move *move = LIST_ENTRY(node, struct leader_move, node);
        loop_timer_stop(service->store_loop, &move->timer);
        move_end(move, STORE_STOPPED);
    }
    loop_timer_stop(service->store_loop, &service->leader_timer);
}
