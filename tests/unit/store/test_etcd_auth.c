/* The Auth service and what it guards, over gRPC against real members. */
#include "lib/base/base64.h"
#include "store/password.h"
#include "store/status.h"
#include "tests/unit/store/live_clients.h"
#include "tests/unit/unit.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *auth_parts_suite(void);

static char *words(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* --- The calls, short. Each gives the gRPC code. */

static int user_add(const char *name, const char *password)
{
    Etcdserverpb__AuthUserAddRequest request = ETCDSERVERPB__AUTH_USER_ADD_REQUEST__INIT;
    request.name = words(name);
    request.password = words(password);
    return etcd_client_call(live.clients[0], "/etcdserverpb.Auth/UserAdd", &request.base,
                            &etcdserverpb__auth_user_add_response__descriptor, NULL);
}

static int user_grant(const char *name, const char *role)
{
    Etcdserverpb__AuthUserGrantRoleRequest request =
        ETCDSERVERPB__AUTH_USER_GRANT_ROLE_REQUEST__INIT;
    request.user = words(name);
    request.role = words(role);
    return etcd_client_call(live.clients[0], "/etcdserverpb.Auth/UserGrantRole", &request.base,
                            &etcdserverpb__auth_user_grant_role_response__descriptor, NULL);
}

static int user_password(const char *name, const char *password)
{
    Etcdserverpb__AuthUserChangePasswordRequest request =
        ETCDSERVERPB__AUTH_USER_CHANGE_PASSWORD_REQUEST__INIT;
    request.name = words(name);
    request.password = words(password);
    return etcd_client_call(live.clients[0], "/etcdserverpb.Auth/UserChangePassword", &request.base,
                            &etcdserverpb__auth_user_change_password_response__descriptor, NULL);
}

static int role_add(const char *name)
{
    Etcdserverpb__AuthRoleAddRequest request = ETCDSERVERPB__AUTH_ROLE_ADD_REQUEST__INIT;
    request.name = words(name);
    return etcd_client_call(live.clients[0], "/etcdserverpb.Auth/RoleAdd", &request.base,
                            &etcdserverpb__auth_role_add_response__descriptor, NULL);
}

static int role_grant(const char *name, Authpb__Permission__Type type, const char *key,
                      const char *end)
{
    Etcdserverpb__AuthRoleGrantPermissionRequest request =
        ETCDSERVERPB__AUTH_ROLE_GRANT_PERMISSION_REQUEST__INIT;
    Authpb__Permission permission = AUTHPB__PERMISSION__INIT;
    permission.permtype = type;
    permission.key = etcd_client_bytes(key);
    permission.range_end = etcd_client_bytes(end);
    request.name = words(name);
    request.perm = &permission;
    return etcd_client_call(live.clients[0], "/etcdserverpb.Auth/RoleGrantPermission",
                            &request.base,
                            &etcdserverpb__auth_role_grant_permission_response__descriptor, NULL);
}

static int enable(void)
{
    Etcdserverpb__AuthEnableRequest request = ETCDSERVERPB__AUTH_ENABLE_REQUEST__INIT;
    return etcd_client_call(live.clients[0], "/etcdserverpb.Auth/AuthEnable", &request.base,
                            &etcdserverpb__auth_enable_response__descriptor, NULL);
}

static int disable(void)
{
    Etcdserverpb__AuthDisableRequest request = ETCDSERVERPB__AUTH_DISABLE_REQUEST__INIT;
    return etcd_client_call(live.clients[0], "/etcdserverpb.Auth/AuthDisable", &request.base,
                            &etcdserverpb__auth_disable_response__descriptor, NULL);
}

static int authenticate(size_t member, const char *name, const char *password)
{
    Etcdserverpb__AuthenticateRequest request = ETCDSERVERPB__AUTHENTICATE_REQUEST__INIT;
    Etcdserverpb__AuthenticateResponse *response;
    request.name = words(name);
    request.password = words(password);
    int code =
        etcd_client_call(live.clients[member], "/etcdserverpb.Auth/Authenticate", &request.base,
                         &etcdserverpb__authenticate_response__descriptor, &response);
    if (code == GRPC_OK) {
        ck_assert_uint_gt(strlen(response->token), 60);
        etcd_client_set_token(live.clients[member], response->token);
    }
    return code;
}

static int put(size_t member, const char *key, const char *value)
{
    Etcdserverpb__PutRequest request = ETCDSERVERPB__PUT_REQUEST__INIT;
    request.key = etcd_client_bytes(key);
    request.value = etcd_client_bytes(value);
    return etcd_client_call(live.clients[member], "/etcdserverpb.KV/Put", &request.base,
                            &etcdserverpb__put_response__descriptor, NULL);
}

static int get(size_t member, const char *key, bool serializable)
{
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    request.key = etcd_client_bytes(key);
    request.serializable = serializable;
    return etcd_client_call(live.clients[member], "/etcdserverpb.KV/Range", &request.base,
                            &etcdserverpb__range_response__descriptor, NULL);
}

static void check_message(size_t member, const char *expected)
{
    ck_assert_str_eq(etcd_client_message(live.clients[member]), expected);
}

/* root/rootpw; alice/alicepw, who may read and write a, and read k. */
static void set_up(void)
{
    ck_assert_int_eq(user_add("root", "rootpw"), 0);
    ck_assert_int_eq(user_grant("root", "root"), 0);
    ck_assert_int_eq(user_add("alice", "alicepw"), 0);
    ck_assert_int_eq(role_add("r"), 0);
    ck_assert_int_eq(role_grant("r", AUTHPB__PERMISSION__TYPE__READWRITE, "a", ""), 0);
    ck_assert_int_eq(role_grant("r", AUTHPB__PERMISSION__TYPE__READ, "k", ""), 0);
    ck_assert_int_eq(user_grant("alice", "r"), 0);
    ck_assert_int_eq(enable(), 0);
}

/* --- Tests. */

START_TEST(without_authentication_everybody_may_do_everything)
{
    ck_assert_int_eq(put(0, "k", "v"), GRPC_OK);
    ck_assert_int_eq(authenticate(0, "root", "x"), GRPC_FAILED_PRECONDITION);
    check_message(0, "etcdserver: authentication is not enabled");
    ck_assert_int_eq(enable(), GRPC_FAILED_PRECONDITION);
    check_message(0, "etcdserver: root user does not exist");
    etcd_client_set_token(live.clients[0], "nonsense"); /* Not looked at. */
    ck_assert_int_eq(put(0, "k", "v"), GRPC_OK);
}
END_TEST

START_TEST(a_token_says_who_one_is)
{
    set_up();
    ck_assert_int_eq(put(0, "a", "v"), GRPC_INVALID_ARGUMENT);
    check_message(0, "etcdserver: user name is empty");
    ck_assert_int_eq(authenticate(0, "alice", "wrong"), GRPC_INVALID_ARGUMENT);
    check_message(0, "etcdserver: authentication failed, invalid user ID or password");
    ck_assert_int_eq(authenticate(0, "nobody", "alicepw"), GRPC_INVALID_ARGUMENT);
    check_message(0, "etcdserver: authentication failed, invalid user ID or password");
    ck_assert_int_eq(authenticate(0, "alice", "alicepw"), GRPC_OK);
    ck_assert_int_eq(put(0, "a", "v"), GRPC_OK);
    ck_assert_int_eq(get(0, "k", false), GRPC_OK);
    ck_assert_int_eq(get(0, "k", true), GRPC_OK);
    ck_assert_int_eq(put(0, "k", "v"), GRPC_PERMISSION_DENIED);
    check_message(0, "etcdserver: permission denied");
    ck_assert_int_eq(get(0, "z", false), GRPC_PERMISSION_DENIED);
    ck_assert_int_eq(get(0, "z", true), GRPC_PERMISSION_DENIED);
    ck_assert_int_eq(authenticate(0, "root", "rootpw"), GRPC_OK);
    ck_assert_int_eq(put(0, "z", "v"), GRPC_OK);
    etcd_client_set_token(live.clients[0], "nonsense");
    ck_assert_int_eq(put(0, "z", "v"), GRPC_UNAUTHENTICATED);
    check_message(0, "etcdserver: invalid auth token");
}
END_TEST

START_TEST(a_new_password_and_disabling_end_old_tokens)
{
    set_up();
    ck_assert_int_eq(authenticate(0, "root", "rootpw"), GRPC_OK);
    struct etcd_client *alice = etcd_client_open(live_cluster_port(live.cluster, 0), NULL);
    struct etcd_client *root = live.clients[0];
    live.clients[0] = alice;
    ck_assert_int_eq(authenticate(0, "alice", "alicepw"), GRPC_OK);
    ck_assert_int_eq(put(0, "a", "v"), GRPC_OK);
    live.clients[0] = root;
    ck_assert_int_eq(user_password("alice", "other"), GRPC_OK);
    live.clients[0] = alice;
    ck_assert_int_eq(put(0, "a", "v"), GRPC_UNAUTHENTICATED);
    ck_assert_int_eq(authenticate(0, "alice", "alicepw"), GRPC_INVALID_ARGUMENT);
    etcd_client_set_token(alice, NULL);
    ck_assert_int_eq(authenticate(0, "alice", "other"), GRPC_OK);
    ck_assert_int_eq(put(0, "a", "v"), GRPC_OK);
    live.clients[0] = root;
    ck_assert_int_eq(disable(), GRPC_OK);
    ck_assert_int_eq(enable(), GRPC_OK);
    live.clients[0] = alice;
    ck_assert_int_eq(put(0, "a", "v"), GRPC_UNAUTHENTICATED);
    live.clients[0] = root;
    etcd_client_close(alice);
}
END_TEST

START_TEST(only_root_manages_users_and_everybody_may_look_at_themselves)
{
    set_up();
    Etcdserverpb__AuthUserGetRequest user = ETCDSERVERPB__AUTH_USER_GET_REQUEST__INIT;
    Etcdserverpb__AuthUserGetResponse *found;
    Etcdserverpb__AuthRoleGetRequest role = ETCDSERVERPB__AUTH_ROLE_GET_REQUEST__INIT;
    Etcdserverpb__AuthRoleGetResponse *granted;
    ck_assert_int_eq(authenticate(0, "alice", "alicepw"), GRPC_OK);
    ck_assert_int_eq(user_add("eve", "x"), GRPC_PERMISSION_DENIED);
    ck_assert_int_eq(user_grant("alice", "root"), GRPC_PERMISSION_DENIED);
    ck_assert_int_eq(disable(), GRPC_PERMISSION_DENIED);
    user.name = words("alice");
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Auth/UserGet", &user.base,
                                      &etcdserverpb__auth_user_get_response__descriptor, &found),
                     GRPC_OK);
    ck_assert_uint_eq(found->n_roles, 1);
    ck_assert_str_eq(found->roles[0], "r");
    user.name = words("root");
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Auth/UserGet", &user.base,
                                      &etcdserverpb__auth_user_get_response__descriptor, NULL),
                     GRPC_PERMISSION_DENIED);
    role.role = words("r");
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Auth/RoleGet", &role.base,
                                      &etcdserverpb__auth_role_get_response__descriptor, &granted),
                     GRPC_OK);
    ck_assert_uint_eq(granted->n_perm, 2);
    ck_assert_int_eq(granted->perm[0]->permtype, AUTHPB__PERMISSION__TYPE__READWRITE);
    role.role = words("root");
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Auth/RoleGet", &role.base,
                                      &etcdserverpb__auth_role_get_response__descriptor, NULL),
                     GRPC_PERMISSION_DENIED);
}
END_TEST

/* CVE-2026-33413: calls that had no check at all. */
START_TEST(calls_that_are_not_about_keys_are_guarded_too)
{
    set_up();
    Etcdserverpb__MemberListRequest members = ETCDSERVERPB__MEMBER_LIST_REQUEST__INIT;
    Etcdserverpb__LeaseGrantRequest lease = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    Etcdserverpb__LeaseLeasesRequest leases = ETCDSERVERPB__LEASE_LEASES_REQUEST__INIT;
    Etcdserverpb__CompactionRequest compact = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    Etcdserverpb__DefragmentRequest defragment = ETCDSERVERPB__DEFRAGMENT_REQUEST__INIT;
    Etcdserverpb__MoveLeaderRequest move = ETCDSERVERPB__MOVE_LEADER_REQUEST__INIT;
    Etcdserverpb__StatusRequest status = ETCDSERVERPB__STATUS_REQUEST__INIT;
    lease.ttl = 60;
    compact.revision = 1;
    const struct {
        const char *path;
        const ProtobufCMessage *request;
        const ProtobufCMessageDescriptor *response;
        bool of_any_user;
    } calls[] = {
        {"/etcdserverpb.Cluster/MemberList", &members.base,
         &etcdserverpb__member_list_response__descriptor, true},
        {"/etcdserverpb.Lease/LeaseGrant", &lease.base,
         &etcdserverpb__lease_grant_response__descriptor, true},
        {"/etcdserverpb.Lease/LeaseLeases", &leases.base,
         &etcdserverpb__lease_leases_response__descriptor, true},
        {"/etcdserverpb.Maintenance/Status", &status.base,
         &etcdserverpb__status_response__descriptor, true},
        {"/etcdserverpb.KV/Compact", &compact.base, &etcdserverpb__compaction_response__descriptor,
         false},
        {"/etcdserverpb.Maintenance/Defragment", &defragment.base,
         &etcdserverpb__defragment_response__descriptor, false},
        {"/etcdserverpb.Maintenance/MoveLeader", &move.base,
         &etcdserverpb__move_leader_response__descriptor, false},
    };
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        etcd_client_set_token(live.clients[0], NULL);
        ck_assert_int_eq(etcd_client_call(live.clients[0], calls[i].path, calls[i].request,
                                          calls[i].response, NULL),
                         GRPC_INVALID_ARGUMENT);
        check_message(0, "etcdserver: user name is empty");
    }
    ck_assert_int_eq(authenticate(0, "alice", "alicepw"), GRPC_OK);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        ck_assert_int_eq(etcd_client_call(live.clients[0], calls[i].path, calls[i].request,
                                          calls[i].response, NULL),
                         calls[i].of_any_user ? GRPC_OK : GRPC_PERMISSION_DENIED);
    }
}
END_TEST

static Etcdserverpb__WatchResponse *watch_create(struct etcd_client_stream *stream, const char *key,
                                                 const char *end, size_t end_len)
{
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    create.key = etcd_client_bytes(key);
    create.range_end = (ProtobufCBinaryData){.len = end_len, .data = (uint8_t *)words(end)};
    request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    request.create_request = &create;
    etcd_client_send(stream, &request.base);
    Etcdserverpb__WatchResponse *response = etcd_client_next(stream);
    ck_assert_ptr_nonnull(response);
    ck_assert(response->created);
    return response;
}

/* GHSA-xg4h-6gfc-h4m8: who may read one key could watch all that follow it. */
START_TEST(a_watch_with_an_open_end_needs_more_than_its_first_key)
{
    set_up();
    ck_assert_int_eq(authenticate(0, "alice", "alicepw"), GRPC_OK);
    struct etcd_client_stream *stream = etcd_client_stream(
        live.clients[0], "/etcdserverpb.Watch/Watch", &etcdserverpb__watch_response__descriptor);
    ck_assert(!watch_create(stream, "k", "", 0)->canceled);
    Etcdserverpb__WatchResponse *refused = watch_create(stream, "k", "", 1); /* One zero byte. */
    ck_assert(refused->canceled);
    ck_assert_int_eq(refused->watch_id, -1);
    ck_assert_str_eq(refused->cancel_reason,
                     "rpc error: code = PermissionDenied desc = etcdserver: permission denied");
    ck_assert(watch_create(stream, "", "", 1)->canceled); /* All keys. */
    ck_assert(watch_create(stream, "", "", 0)->canceled);
    ck_assert(watch_create(stream, "k", "l", 1)->canceled);
    etcd_client_stream_close(stream);
    etcd_client_set_token(live.clients[0], NULL);
    stream = etcd_client_stream(live.clients[0], "/etcdserverpb.Watch/Watch",
                                &etcdserverpb__watch_response__descriptor);
    ck_assert_str_eq(watch_create(stream, "k", "", 0)->cancel_reason,
                     "rpc error: code = InvalidArgument desc = etcdserver: user name is empty");
    etcd_client_stream_close(stream);
}
END_TEST

START_TEST(a_watch_from_before_all_history_is_refused)
{
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    create.key = etcd_client_bytes("k");
    create.start_revision = -1;
    create.watch_id = 7;
    request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    request.create_request = &create;
    struct etcd_client_stream *stream = etcd_client_stream(
        live.clients[0], "/etcdserverpb.Watch/Watch", &etcdserverpb__watch_response__descriptor);
    etcd_client_send(stream, &request.base);
    const Etcdserverpb__WatchResponse *refused = etcd_client_next(stream);
    ck_assert_ptr_nonnull(refused);
    ck_assert(refused->created && refused->canceled);
    ck_assert_int_eq(refused->watch_id, -1);
    ck_assert_str_eq(refused->cancel_reason,
                     "etcdserver: mvcc: required revision has been compacted");
    etcd_client_stream_close(stream);
}
END_TEST

START_TEST(a_lease_is_kept_alive_by_users_only)
{
    set_up();
    Etcdserverpb__LeaseKeepAliveRequest request = ETCDSERVERPB__LEASE_KEEP_ALIVE_REQUEST__INIT;
    request.id = 4711;
    struct etcd_client_stream *stream =
        etcd_client_stream(live.clients[0], "/etcdserverpb.Lease/LeaseKeepAlive",
                           &etcdserverpb__lease_keep_alive_response__descriptor);
    etcd_client_send(stream, &request.base);
    ck_assert_ptr_null(etcd_client_next(stream));
    ck_assert_int_eq(etcd_client_stream_code(stream), GRPC_INVALID_ARGUMENT);
    etcd_client_stream_close(stream);
    ck_assert_int_eq(authenticate(0, "alice", "alicepw"), GRPC_OK);
    stream = etcd_client_stream(live.clients[0], "/etcdserverpb.Lease/LeaseKeepAlive",
                                &etcdserverpb__lease_keep_alive_response__descriptor);
    etcd_client_send(stream, &request.base);
    Etcdserverpb__LeaseKeepAliveResponse *response = etcd_client_next(stream);
    ck_assert_ptr_nonnull(response);
    ck_assert_int_eq(response->ttl, 0); /* There is no such lease. */
    etcd_client_stream_close(stream);
}
END_TEST

/* CVE-2023-32082 */
START_TEST(the_keys_of_a_lease_are_shown_to_those_who_may_read_them)
{
    set_up();
    Etcdserverpb__LeaseGrantRequest grant = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    Etcdserverpb__PutRequest put_request = ETCDSERVERPB__PUT_REQUEST__INIT;
    Etcdserverpb__LeaseTimeToLiveRequest ask = ETCDSERVERPB__LEASE_TIME_TO_LIVE_REQUEST__INIT;
    ck_assert_int_eq(authenticate(0, "root", "rootpw"), GRPC_OK);
    grant.id = put_request.lease = ask.id = 77;
    grant.ttl = 60;
    put_request.key = etcd_client_bytes("secret");
    ask.keys = true;
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Lease/LeaseGrant",
                                      &grant.base, &etcdserverpb__lease_grant_response__descriptor,
                                      NULL),
                     GRPC_OK);
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.KV/Put", &put_request.base,
                                      &etcdserverpb__put_response__descriptor, NULL),
                     GRPC_OK);
    ck_assert_int_eq(authenticate(0, "alice", "alicepw"), GRPC_OK);
    const char *path = "/etcdserverpb.Lease/LeaseTimeToLive";
    ck_assert_int_eq(etcd_client_call(live.clients[0], path, &ask.base,
                                      &etcdserverpb__lease_time_to_live_response__descriptor, NULL),
                     GRPC_PERMISSION_DENIED);
    ask.keys = false;
    ck_assert_int_eq(etcd_client_call(live.clients[0], path, &ask.base,
                                      &etcdserverpb__lease_time_to_live_response__descriptor, NULL),
                     GRPC_OK);
}
END_TEST

static int lease_list(void)
{
    Etcdserverpb__LeaseLeasesRequest request = ETCDSERVERPB__LEASE_LEASES_REQUEST__INIT;
    return etcd_client_call(live.clients[0], "/etcdserverpb.Lease/LeaseLeases", &request.base,
                            &etcdserverpb__lease_leases_response__descriptor, NULL);
}

/* The code that the stream ends with, or GRPC_OK when it is renewed. */
static int renew(int64_t id)
{
    Etcdserverpb__LeaseKeepAliveRequest request = ETCDSERVERPB__LEASE_KEEP_ALIVE_REQUEST__INIT;
    request.id = id;
    struct etcd_client_stream *stream =
        etcd_client_stream(live.clients[0], "/etcdserverpb.Lease/LeaseKeepAlive",
                           &etcdserverpb__lease_keep_alive_response__descriptor);
    etcd_client_send(stream, &request.base);
    const Etcdserverpb__LeaseKeepAliveResponse *response = etcd_client_next(stream);
    int code = response == NULL ? etcd_client_stream_code(stream) : GRPC_OK;
    ck_assert(response == NULL || response->ttl > 0);
    etcd_client_stream_close(stream);
    return code;
}

/* GHSA-q8m4-xhhv-38mg, as etcd since 3.5.28. */
START_TEST(leases_of_the_keys_of_others_are_neither_listed_nor_renewed)
{
    set_up();
    Etcdserverpb__LeaseGrantRequest grant = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    Etcdserverpb__PutRequest put_request = ETCDSERVERPB__PUT_REQUEST__INIT;
    ck_assert_int_eq(authenticate(0, "root", "rootpw"), GRPC_OK);
    grant.id = put_request.lease = 77;
    grant.ttl = 600;
    const char *keys[] = {"a", "k"}; /* alice's to write; hers to read. */
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Lease/LeaseGrant",
                                      &grant.base, &etcdserverpb__lease_grant_response__descriptor,
                                      NULL),
                     GRPC_OK);
    for (size_t i = 0; i < 2; i++) {
        put_request.key = etcd_client_bytes(keys[i]);
        ck_assert_int_eq(authenticate(0, "root", "rootpw"), GRPC_OK);
        ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.KV/Put",
                                          &put_request.base,
                                          &etcdserverpb__put_response__descriptor, NULL),
                         GRPC_OK);
        ck_assert_int_eq(authenticate(0, "alice", "alicepw"), GRPC_OK);
        ck_assert_int_eq(renew(77), i == 0 ? GRPC_OK : GRPC_PERMISSION_DENIED);
        ck_assert_int_eq(lease_list(), GRPC_OK);
    }
    ck_assert_int_eq(authenticate(0, "root", "rootpw"), GRPC_OK);
    for (int64_t id = 1000; id < 1600; id++) { /* Nobody's: more than are looked at at once. */
        grant.id = id;
        ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Lease/LeaseGrant",
                                          &grant.base,
                                          &etcdserverpb__lease_grant_response__descriptor, NULL),
                         GRPC_OK);
    }
    ck_assert_int_eq(authenticate(0, "alice", "alicepw"), GRPC_OK);
    ck_assert_int_eq(lease_list(), GRPC_OK);
    ck_assert_int_eq(authenticate(0, "root", "rootpw"), GRPC_OK);
    put_request.key = etcd_client_bytes("secret");
    put_request.lease = grant.id; /* The newest, which is looked at last. */
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.KV/Put", &put_request.base,
                                      &etcdserverpb__put_response__descriptor, NULL),
                     GRPC_OK);
    ck_assert_int_eq(lease_list(), GRPC_OK);
    ck_assert_int_eq(renew(grant.id), GRPC_OK);
    ck_assert_int_eq(authenticate(0, "alice", "alicepw"), GRPC_OK);
    ck_assert_int_eq(lease_list(), GRPC_PERMISSION_DENIED);
}
END_TEST

START_TEST(a_user_without_a_password_cannot_authenticate)
{
    set_up();
    Etcdserverpb__AuthUserAddRequest request = ETCDSERVERPB__AUTH_USER_ADD_REQUEST__INIT;
    Authpb__UserAddOptions options = AUTHPB__USER_ADD_OPTIONS__INIT;
    options.no_password = true;
    request.name = words("cert");
    request.options = &options;
    ck_assert_int_eq(authenticate(0, "root", "rootpw"), GRPC_OK);
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Auth/UserAdd", &request.base,
                                      &etcdserverpb__auth_user_add_response__descriptor, NULL),
                     GRPC_OK);
    etcd_client_set_token(live.clients[0], NULL);
    ck_assert_int_eq(authenticate(0, "cert", ""), GRPC_INVALID_ARGUMENT);
    check_message(0, "etcdserver: authentication failed, invalid user ID or password");
}
END_TEST

START_TEST(a_hash_made_elsewhere_is_taken_for_a_password)
{
    /* bcrypt of "U*U" (the test vectors of crypt_blowfish), in base64 as etcd has it. */
    static const char hash[] = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    Etcdserverpb__AuthUserAddRequest request = ETCDSERVERPB__AUTH_USER_ADD_REQUEST__INIT;
    struct buffer encoded;
    buffer_init(&encoded, 1024);
    base64_encode(slice_text(hash), &encoded);
    request.name = words("moved");
    request.hashedpassword = words(buffer_text(&encoded));
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Auth/UserAdd", &request.base,
                                      &etcdserverpb__auth_user_add_response__descriptor, NULL),
                     GRPC_OK);
    request.name = words("other");
    request.hashedpassword = words("bm8gaGFzaA==");
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Auth/UserAdd", &request.base,
                                      &etcdserverpb__auth_user_add_response__descriptor, NULL),
                     GRPC_INVALID_ARGUMENT);
    check_message(0, "etcdserver: invalid auth management");
    set_up();
    ck_assert_int_eq(authenticate(0, "moved", "U*U"), GRPC_OK);
    ck_assert_int_eq(authenticate(0, "moved", "U*V"), GRPC_INVALID_ARGUMENT);
    buffer_release(&encoded);
}
END_TEST

START_TEST(a_token_of_one_member_is_good_at_all_of_them_at_once)
{
    set_up();
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(authenticate(i, "alice", "alicepw"), GRPC_OK);
    }
    Etcdserverpb__AuthenticateRequest request = ETCDSERVERPB__AUTHENTICATE_REQUEST__INIT;
    Etcdserverpb__AuthenticateResponse *response;
    for (size_t i = 0; i < 3; i++) {
        request.name = words("alice");
        request.password = words("alicepw");
        ck_assert_int_eq(
            etcd_client_call(live.clients[i], "/etcdserverpb.Auth/Authenticate", &request.base,
                             &etcdserverpb__authenticate_response__descriptor, &response),
            GRPC_OK);
        etcd_client_set_token(live.clients[(i + 1) % 3], response->token);
        ck_assert_int_eq(put((i + 1) % 3, "a", "v"), GRPC_OK);
        ck_assert_int_eq(get((i + 1) % 3, "k", false), GRPC_OK);
        ck_assert_int_eq(put((i + 1) % 3, "k", "v"), GRPC_PERMISSION_DENIED);
    }
}
END_TEST

START_TEST(a_member_that_lags_catches_up_before_it_refuses_a_token)
{
    set_up();
    ck_assert_int_eq(authenticate(0, "root", "rootpw"), GRPC_OK);
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof(name), "u%d", i);
        ck_assert_int_eq(user_add(name, "p"), GRPC_OK);
        ck_assert_int_eq(user_grant(name, "r"), GRPC_OK);
        Etcdserverpb__AuthenticateRequest request = ETCDSERVERPB__AUTHENTICATE_REQUEST__INIT;
        Etcdserverpb__AuthenticateResponse *response;
        request.name = words(name);
        request.password = words("p");
        ck_assert_int_eq(
            etcd_client_call(live.clients[0], "/etcdserverpb.Auth/Authenticate", &request.base,
                             &etcdserverpb__authenticate_response__descriptor, &response),
            GRPC_OK);
        etcd_client_set_token(live.clients[1], response->token);
        etcd_client_set_token(live.clients[2], response->token);
        ck_assert_int_eq(get(1, "k", true), GRPC_OK);
        ck_assert_int_eq(put(2, "a", "v"), GRPC_OK);
    }
}
END_TEST

static TCase *case_of(const char *name, void (*open)(void))
{
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, open, live_clients_close);
    return tcase;
}

static Suite *etcd_auth_suite(void)
{
    Suite *suite = suite_create("store/etcd_auth");
    TCase *one = case_of("one member", live_clients_open_one);
    TCase *three = case_of("three members", live_clients_open_three);
    tcase_add_test(one, without_authentication_everybody_may_do_everything);
    tcase_add_test(one, a_token_says_who_one_is);
    tcase_add_test(one, a_new_password_and_disabling_end_old_tokens);
    tcase_add_test(one, only_root_manages_users_and_everybody_may_look_at_themselves);
    tcase_add_test(one, calls_that_are_not_about_keys_are_guarded_too);
    tcase_add_test(one, a_watch_with_an_open_end_needs_more_than_its_first_key);
    tcase_add_test(one, a_watch_from_before_all_history_is_refused);
    tcase_add_test(one, a_lease_is_kept_alive_by_users_only);
    tcase_add_test(one, the_keys_of_a_lease_are_shown_to_those_who_may_read_them);
    tcase_add_test(one, leases_of_the_keys_of_others_are_neither_listed_nor_renewed);
    tcase_add_test(one, a_user_without_a_password_cannot_authenticate);
    tcase_add_test(one, a_hash_made_elsewhere_is_taken_for_a_password);
    tcase_add_test(three, a_token_of_one_member_is_good_at_all_of_them_at_once);
    tcase_add_test(three, a_member_that_lags_catches_up_before_it_refuses_a_token);
    suite_add_tcase(suite, one);
    suite_add_tcase(suite, three);
    return suite;
}

int main(void)
{
    Suite *suites[] = {auth_parts_suite(), etcd_auth_suite()};
    return unit_main(suites, ARRAY_LEN(suites));
}
