/* The Cluster and Maintenance services, as far as a member answers them. */
#include "store/etcd_private.h"

#include "lib/base/alloc.h"
#include <stdlib.h>

static Etcdserverpb__ResponseHeader *new_header(struct etcd_request *request)
{
    Etcdserverpb__ResponseHeader *header = arena_alloc(request->arena, sizeof(*header));
    etcd_fill_header(&request->header, header);
    return header;
}

/* --- Members. */

static void members_ready(void *data, int status)
{
    struct etcd_request *request = data;
    status = etcd_status_now(request->service, status);
    if (status == 0) {
        raft_get_status(store_raft(request->service->store), &request->raft);
        store_member_urls(request->service->store, request->client_urls);
    }
    etcd_request_done(request, status);
}

static void member_list_run(struct etcd_request *request)
{
    const Etcdserverpb__MemberListRequest *message = request->message;
    if (message->linearizable) {
        store_read_barrier(request->service->store, members_ready, request);
    } else {
        members_ready(request, 0);
    }
}

static const char *client_url(const struct etcd_request *request, uint64_t id)
{
    for (size_t i = 0; i < ARRAY_LEN(request->client_urls); i++) {
        if (request->client_urls[i].id == id) {
            return request->client_urls[i].url;
        }
    }
    return NULL;
}

static char **one_text(struct etcd_request *request, const char *text)
{
    char **texts = arena_array(request->arena, 1, sizeof(*texts));
    texts[0] = arena_text(request->arena, text);
    return texts;
}

static void member_list_answer(struct etcd_request *request)
{
    Etcdserverpb__MemberListResponse response;
    etcdserverpb__member_list_response__init(&response);
    size_t count = request->raft.member_count;
    Etcdserverpb__Member *members = arena_array(request->arena, count + 1, sizeof(*members));
    response.members = arena_array(request->arena, count + 1, sizeof(*response.members));
    response.n_members = count;
    for (size_t i = 0; i < count; i++) {
        const struct raft_member_status *member = &request->raft.members[i];
        const char *url = client_url(request, member->id);
        etcdserverpb__member__init(&members[i]);
        members[i].id = member->id;
        members[i].name = arena_text(request->arena, url == NULL ? "" : member->name);
        members[i].n_peerurls = 1;
        members[i].peerurls = one_text(request, member->url);
        members[i].n_clienturls = url != NULL;
        members[i].clienturls = url == NULL ? NULL : one_text(request, url);
        members[i].islearner = member->learner;
        response.members[i] = &members[i];
    }
    response.header = new_header(request);
    etcd_respond(request, &response.base);
}

const struct etcd_method etcd_cluster_methods[] = {
    {"/etcdserverpb.Cluster/MemberList", &etcdserverpb__member_list_request__descriptor, NULL,
     member_list_run, member_list_answer},
    {0},
};

/* --- Maintenance. */

static void status_run(struct etcd_request *request)
{
    raft_get_status(store_raft(request->service->store), &request->raft);
    store_read_figures(request->service->store, &request->figures);
    etcd_request_done(request, 0);
}

static bool is_learner(const struct raft_status *raft)
{
    for (size_t i = 0; i < raft->member_count; i++) {
        if (raft->members[i].id == raft->id) {
            return raft->members[i].learner;
        }
    }
    return false;
}

static void status_answer(struct etcd_request *request)
{
    static char version[] = ETCD_VERSION;
    static char no_leader[] = "etcdserver: no leader";
    char *errors[] = {no_leader};
    Etcdserverpb__StatusResponse response;
    etcdserverpb__status_response__init(&response);
    response.header = new_header(request);
    response.version = version;
    response.dbsize = (int64_t)request->figures.bytes;
    response.dbsizeinuse = (int64_t)request->figures.bytes;
    response.leader = request->raft.leader;
    response.raftindex = request->raft.commit_index;
    response.raftterm = request->raft.term;
    response.raftappliedindex = request->raft.applied_index;
    response.islearner = is_learner(&request->raft);
    if (request->raft.leader == 0) {
        response.errors = errors;
        response.n_errors = 1;
    }
    etcd_respond(request, &response.base);
}

/* There is nothing to defragment: memory is given back as history is compacted. */
static void defragment_run(struct etcd_request *request)
{
    etcd_request_done(request, 0);
}

static void defragment_answer(struct etcd_request *request)
{
    Etcdserverpb__DefragmentResponse response;
    etcdserverpb__defragment_response__init(&response);
    response.header = new_header(request);
    etcd_respond(request, &response.base);
}

static void move_leader_run(struct etcd_request *request)
{
    const Etcdserverpb__MoveLeaderRequest *message = request->message;
    struct raft_node *raft = store_raft(request->service->store);
    int status = raft_transfer_leadership(raft, message->targetid);
    etcd_request_done(request, status == -ENOTCONN ? STORE_NOT_LEADER
                               : status == -EINVAL ? STORE_BAD_LEADER_TRANSFEREE
                                                   : status);
}

static void move_leader_answer(struct etcd_request *request)
{
    Etcdserverpb__MoveLeaderResponse response;
    etcdserverpb__move_leader_response__init(&response);
    response.header = new_header(request);
    etcd_respond(request, &response.base);
}

const struct etcd_method etcd_maintenance_methods[] = {
    {"/etcdserverpb.Maintenance/Status", &etcdserverpb__status_request__descriptor, NULL,
     status_run, status_answer},
    {"/etcdserverpb.Maintenance/Defragment", &etcdserverpb__defragment_request__descriptor, NULL,
     defragment_run, defragment_answer},
    {"/etcdserverpb.Maintenance/MoveLeader", &etcdserverpb__move_leader_request__descriptor, NULL,
     move_leader_run, move_leader_answer},
    {0},
};
