/* The Cluster service. */
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
