/* The Cluster service. */
#include "store/etcd_private.h"

#include "lib/base/alloc.h"
#include "lib/base/url_list.h"
#include <stdlib.h>

/* --- Members. */

static void members_ready(void *data, int status)
{
    struct etcd_request *request = data;
    status = etcd_status_now(request->service, status);
    if (status == 0) {
        struct etcd_cluster_view *view = etcd_request_view(request);
        raft_get_status(store_raft(request->service->store), &view->raft);
        store_member_urls(request->service->store, view->client_urls);
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

static const char *client_url(const struct etcd_cluster_view *view, uint64_t id)
{
    for (size_t i = 0; i < ARRAY_LEN(view->client_urls); i++) {
        if (view->client_urls[i].id == id) {
            return view->client_urls[i].url;
        }
    }
    return NULL;
}

static char **new_urls(struct etcd_request *request, const char *list, size_t *ret_count)
{
    char **urls = arena_array(request->arena, url_list_count(list) + 1, sizeof(*urls));
    struct slice url;
    size_t count = 0;
    while (url_list_next(&list, &url)) {
        urls[count++] = arena_text_n(request->arena, (const char *)url.data, url.len);
    }
    *ret_count = count;
    return urls;
}

static bool is_learner(const struct raft_member_status *member)
{
    /* One that becomes a voter by itself is none to whoever added it as a voter. */
    return member->learner && !member->joining;
}

static Etcdserverpb__Member **new_members(struct etcd_request *request, size_t *ret_count)
{
    const struct etcd_cluster_view *view = etcd_request_view(request);
    size_t count = view->raft.member_count;
    Etcdserverpb__Member *members = arena_array(request->arena, count + 1, sizeof(*members));
    Etcdserverpb__Member **pointers = arena_array(request->arena, count + 1, sizeof(*pointers));
    for (size_t i = 0; i < count; i++) {
        const struct raft_member_status *member = &view->raft.members[i];
        const char *url = client_url(view, member->id);
        etcdserverpb__member__init(&members[i]);
        members[i].id = member->id;
        members[i].name = arena_text(request->arena, url == NULL ? "" : member->name);
        members[i].peerurls = new_urls(request, member->url, &members[i].n_peerurls);
        if (url != NULL) {
            members[i].clienturls = new_urls(request, url, &members[i].n_clienturls);
        }
        members[i].islearner = is_learner(member);
        pointers[i] = &members[i];
    }
    *ret_count = count;
    return pointers;
}

static void member_list_answer(struct etcd_request *request)
{
    Etcdserverpb__MemberListResponse response;
    etcdserverpb__member_list_response__init(&response);
    response.members = new_members(request, &response.n_members);
    response.header = etcd_new_header(request);
    etcd_respond(request, &response.base);
}

/* --- Changing them. */

/* http or https, a host and a port, and nothing after it. */
static bool is_peer_url(const char *url)
{
    static const char http[] = "http://";
    static const char https[] = "https://";
    struct net_address address;
    size_t scheme = strncmp(url, http, sizeof(http) - 1) == 0     ? sizeof(http) - 1
                    : strncmp(url, https, sizeof(https) - 1) == 0 ? sizeof(https) - 1
                                                                  : 0;
    return scheme != 0 && strchr(url + scheme, '/') == NULL &&
           net_address_parse(url + scheme, &address) == 0 && !net_address_is_unix(&address);
}

/* Into the one text that Raft keeps of them. */
static int take_urls(struct etcd_request *request, char *const *urls, size_t count)
{
    const char *given[URL_LIST_MAX];
    request->peer_urls = arena_alloc(request->arena, RAFT_URL_MAX);
    for (size_t i = 0; i < count; i++) {
        if (i == URL_LIST_MAX || !is_peer_url(urls[i])) {
            return STORE_BAD_MEMBER_URLS;
        }
        given[i] = urls[i];
    }
    return url_list_join(given, count, request->peer_urls, RAFT_URL_MAX) < 0 ? STORE_BAD_MEMBER_URLS
                                                                             : 0;
}

static void changed(void *data, int status, int64_t revision)
{
    struct etcd_request *request = data;
    (void)revision;
    status = request->service->store == NULL ? STORE_STOPPED : status;
    if (status != 0) {
        etcd_request_done(request, status);
    } else { /* So that this member's list shows it. */
        store_read_barrier(request->service->store, members_ready, request);
    }
}

static void change(struct etcd_request *request, const struct raft_change *raft_change)
{
    request->member_id = raft_change->id;
    store_change_member(request->service->store, raft_change, changed, request);
}

static int add_prepare(struct etcd_request *request)
{
    const Etcdserverpb__MemberAddRequest *message = request->message;
    return take_urls(request, message->peerurls, message->n_peerurls);
}

static void add_run(struct etcd_request *request)
{
    const Etcdserverpb__MemberAddRequest *message = request->message;
    const struct raft_change add = {.kind = RAFT_CHANGE_ADD,
                                    .id = store_new_id(request->service->store),
                                    .url = request->peer_urls,
                                    .learner = message->islearner};
    change(request, &add);
}

static void add_answer(struct etcd_request *request)
{
    Etcdserverpb__MemberAddResponse response;
    etcdserverpb__member_add_response__init(&response);
    response.members = new_members(request, &response.n_members);
    for (size_t i = 0; i < response.n_members; i++) {
        if (response.members[i]->id == request->member_id) {
            response.member = response.members[i];
        }
    }
    response.header = etcd_new_header(request);
    etcd_respond(request, &response.base);
}

static void remove_run(struct etcd_request *request)
{
    const Etcdserverpb__MemberRemoveRequest *message = request->message;
    change(request, &(struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = message->id});
}

static void remove_answer(struct etcd_request *request)
{
    Etcdserverpb__MemberRemoveResponse response;
    etcdserverpb__member_remove_response__init(&response);
    response.members = new_members(request, &response.n_members);
    response.header = etcd_new_header(request);
    etcd_respond(request, &response.base);
}

static int update_prepare(struct etcd_request *request)
{
    const Etcdserverpb__MemberUpdateRequest *message = request->message;
    return take_urls(request, message->peerurls, message->n_peerurls);
}

static void update_run(struct etcd_request *request)
{
    const Etcdserverpb__MemberUpdateRequest *message = request->message;
    change(request, &(struct raft_change){
                        .kind = RAFT_CHANGE_UPDATE, .id = message->id, .url = request->peer_urls});
}

static void update_answer(struct etcd_request *request)
{
    Etcdserverpb__MemberUpdateResponse response;
    etcdserverpb__member_update_response__init(&response);
    response.members = new_members(request, &response.n_members);
    response.header = etcd_new_header(request);
    etcd_respond(request, &response.base);
}

static void promote_run(struct etcd_request *request)
{
    const Etcdserverpb__MemberPromoteRequest *message = request->message;
    change(request, &(struct raft_change){.kind = RAFT_CHANGE_PROMOTE, .id = message->id});
}

static void promote_answer(struct etcd_request *request)
{
    Etcdserverpb__MemberPromoteResponse response;
    etcdserverpb__member_promote_response__init(&response);
    response.members = new_members(request, &response.n_members);
    response.header = etcd_new_header(request);
    etcd_respond(request, &response.base);
}

const struct etcd_method etcd_cluster_methods[] = {
    {"/etcdserverpb.Cluster/MemberList", &etcdserverpb__member_list_request__descriptor, NULL,
     member_list_run, member_list_answer},
    {"/etcdserverpb.Cluster/MemberAdd", &etcdserverpb__member_add_request__descriptor, add_prepare,
     add_run, add_answer},
    {"/etcdserverpb.Cluster/MemberRemove", &etcdserverpb__member_remove_request__descriptor, NULL,
     remove_run, remove_answer},
    {"/etcdserverpb.Cluster/MemberUpdate", &etcdserverpb__member_update_request__descriptor,
     update_prepare, update_run, update_answer},
    {"/etcdserverpb.Cluster/MemberPromote", &etcdserverpb__member_promote_request__descriptor, NULL,
     promote_run, promote_answer},
    {0},
};
