/* The part of the Auth service that only tells: whether it is on, and of users and roles. Who may
 * ask what is decided after a read barrier. */
#include "store/etcd_auth.h"

#include "lib/base/alloc.h"
#include <stdlib.h>

static void add_name(struct etcd_auth_reply *reply, struct slice name)
{
    reply->names = alloc_resize(reply->names, reply->name_count + 1, sizeof(*reply->names));
    reply->names[reply->name_count++] = alloc_text_n((const char *)name.data, name.len);
}

static void add_permission(struct etcd_auth_reply *reply, const struct auth_permission *permission)
{
    reply->permissions =
        alloc_resize(reply->permissions, reply->permission_count + 1, sizeof(*reply->permissions));
    struct slice key = permission->key;
    struct slice end = permission->end;
    reply->permissions[reply->permission_count++] = (struct auth_permission){
        .access = permission->access,
        .key = slice_of(alloc_text_n((const char *)key.data, key.len), key.len),
        .end = slice_of(alloc_text_n((const char *)end.data, end.len), end.len)};
}

static int find_status(struct etcd_request *request, const struct auth *auth)
{
    int status = auth_check_root(auth, &request->caller);
    if (status == 0) {
        struct etcd_auth_reply *reply = etcd_auth_reply_of(request);
        reply->enabled = auth_is_enabled(auth);
        reply->revision = auth_revision(auth);
    }
    return status;
}

static int find_users(struct etcd_request *request, const struct auth *auth)
{
    int status = auth_check_root(auth, &request->caller);
    for (size_t i = 0; status == 0 && i < auth_user_count(auth); i++) {
        add_name(etcd_auth_reply_of(request), auth_user_at(auth, i)->name);
    }
    return status;
}

static int find_roles(struct etcd_request *request, const struct auth *auth)
{
    int status = auth_check_root(auth, &request->caller);
    for (size_t i = 0; status == 0 && i < auth_role_count(auth); i++) {
        add_name(etcd_auth_reply_of(request), auth_role_at(auth, i)->name);
    }
    return status;
}

/* Users may look at themselves. */
static int find_user(struct etcd_request *request, const struct auth *auth)
{
    const Etcdserverpb__AuthUserGetRequest *message = request->message;
    struct slice name = slice_text(message->name);
    int status = auth_check_root(auth, &request->caller);
    if (status != 0 && (name.len == 0 || !slice_equal(name, request->caller.user))) {
        return status;
    }
    const struct auth_user *user = auth_user_find(auth, name);
    if (user == NULL) {
        return STORE_USER_NOT_FOUND;
    }
    for (size_t i = 0; i < user->role_count; i++) {
        add_name(etcd_auth_reply_of(request), user->roles[i]);
    }
    return 0;
}

/* Users may look at their roles. */
static int find_role(struct etcd_request *request, const struct auth *auth)
{
    static const struct auth_permission all = {.access = AUTH_READWRITE,
                                               .end = {.data = (const uint8_t *)"", .len = 1}};
    const Etcdserverpb__AuthRoleGetRequest *message = request->message;
    struct slice name = slice_text(message->role);
    int status = auth_check_root(auth, &request->caller);
    const struct auth_user *user = auth_user_find(auth, request->caller.user);
    if (status != 0 && (user == NULL || !auth_user_has_role(user, name))) {
        return status;
    }
    const struct auth_role *role = auth_role_find(auth, name);
    if (role == NULL) {
        return STORE_ROLE_NOT_FOUND;
    }
    if (slice_is(name, AUTH_ROOT)) {
        add_permission(etcd_auth_reply_of(request), &all);
        return 0;
    }
    for (size_t i = 0; i < role->permission_count; i++) {
        add_permission(etcd_auth_reply_of(request), &role->permissions[i]);
    }
    return 0;
}

static void ask_ready(void *data, int status)
{
    struct etcd_request *request = data;
    status = etcd_status_now(request->service, status);
    status = status == 0 ? etcd_request_caller(request) : status;
    status =
        status == 0 ? request->auth->find(request, store_auth(request->service->store)) : status;
    etcd_request_done(request, status);
}

static void ask_run(struct etcd_request *request)
{
    store_read_barrier(request->service->store, ask_ready, request);
}

static int status_prepare(struct etcd_request *request)
{
    etcd_auth_reply_of(request)->find = find_status;
    return 0;
}

static int users_prepare(struct etcd_request *request)
{
    etcd_auth_reply_of(request)->find = find_users;
    return 0;
}

static int roles_prepare(struct etcd_request *request)
{
    etcd_auth_reply_of(request)->find = find_roles;
    return 0;
}

static int user_prepare(struct etcd_request *request)
{
    etcd_auth_reply_of(request)->find = find_user;
    return 0;
}

static int role_prepare(struct etcd_request *request)
{
    etcd_auth_reply_of(request)->find = find_role;
    return 0;
}

static void status_answer(struct etcd_request *request)
{
    Etcdserverpb__AuthStatusResponse response;
    etcdserverpb__auth_status_response__init(&response);
    response.header = etcd_new_header(request);
    response.enabled = request->auth->enabled;
    response.authrevision = request->auth->revision;
    etcd_respond(request, &response.base);
}

static void users_answer(struct etcd_request *request)
{
    Etcdserverpb__AuthUserListResponse response;
    etcdserverpb__auth_user_list_response__init(&response);
    response.header = etcd_new_header(request);
    response.users = request->auth->names;
    response.n_users = request->auth->name_count;
    etcd_respond(request, &response.base);
}

static void roles_answer(struct etcd_request *request)
{
    Etcdserverpb__AuthRoleListResponse response;
    etcdserverpb__auth_role_list_response__init(&response);
    response.header = etcd_new_header(request);
    response.roles = request->auth->names;
    response.n_roles = request->auth->name_count;
    etcd_respond(request, &response.base);
}

static void user_answer(struct etcd_request *request)
{
    Etcdserverpb__AuthUserGetResponse response;
    etcdserverpb__auth_user_get_response__init(&response);
    response.header = etcd_new_header(request);
    response.roles = request->auth->names;
    response.n_roles = request->auth->name_count;
    etcd_respond(request, &response.base);
}

static void role_answer(struct etcd_request *request)
{
    Etcdserverpb__AuthRoleGetResponse response;
    etcdserverpb__auth_role_get_response__init(&response);
    size_t count = request->auth->permission_count;
    Authpb__Permission *messages = alloc_array(count + 1, sizeof(*messages));
    Authpb__Permission **pointers = alloc_array(count + 1, sizeof(*pointers));
    for (size_t i = 0; i < count; i++) {
        const struct auth_permission *permission = &request->auth->permissions[i];
        authpb__permission__init(&messages[i]);
        messages[i].permtype = (Authpb__Permission__Type)permission->access;
        messages[i].key = etcd_bytes(permission->key);
        messages[i].range_end = etcd_bytes(permission->end);
        pointers[i] = &messages[i];
    }
    response.header = etcd_new_header(request);
    response.perm = pointers;
    response.n_perm = count;
    etcd_respond(request, &response.base);
    free(pointers);
    free(messages);
}

const struct etcd_method etcd_auth_ask_methods[] = {
    {"/etcdserverpb.Auth/AuthStatus", &etcdserverpb__auth_status_request__descriptor,
     status_prepare, ask_run, status_answer},
    {"/etcdserverpb.Auth/UserGet", &etcdserverpb__auth_user_get_request__descriptor, user_prepare,
     ask_run, user_answer},
    {"/etcdserverpb.Auth/UserList", &etcdserverpb__auth_user_list_request__descriptor,
     users_prepare, ask_run, users_answer},
    {"/etcdserverpb.Auth/RoleGet", &etcdserverpb__auth_role_get_request__descriptor, role_prepare,
     ask_run, role_answer},
    {"/etcdserverpb.Auth/RoleList", &etcdserverpb__auth_role_list_request__descriptor,
     roles_prepare, ask_run, roles_answer},
    {0},
};
