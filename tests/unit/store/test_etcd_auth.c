/* The Auth service and what it guards, over gRPC against real members. */
#include "lib/base/base64.h"
#include "store/password.h"
#include "store/status.h"
#include "tests/unit/store/live_clients.h"
#include "tests/unit/store/live_users.h"
#include "tests/unit/unit.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *auth_parts_suite(void);
Suite *etcd_guards_suite(void);

static void check_message(size_t member, const char *expected)
{
    ck_assert_str_eq(etcd_client_message(live.clients[member]), expected);
}

/* --- Tests. */

START_TEST(without_authentication_everybody_may_do_everything)
{
    ck_assert_int_eq(live_put(0, "k", "v"), GRPC_OK);
    ck_assert_int_eq(live_authenticate(0, "root", "x"), GRPC_FAILED_PRECONDITION);
    check_message(0, "etcdserver: authentication is not enabled");
    ck_assert_int_eq(live_auth_enable(), GRPC_FAILED_PRECONDITION);
    check_message(0, "etcdserver: root user does not exist");
    etcd_client_set_token(live.clients[0], "nonsense"); /* Not looked at. */
    ck_assert_int_eq(live_put(0, "k", "v"), GRPC_OK);
}
END_TEST

START_TEST(a_token_says_who_one_is)
{
    live_users_set_up();
    ck_assert_int_eq(live_put(0, "a", "v"), GRPC_INVALID_ARGUMENT);
    check_message(0, "etcdserver: user name is empty");
    ck_assert_int_eq(live_authenticate(0, "alice", "wrong"), GRPC_INVALID_ARGUMENT);
    check_message(0, "etcdserver: authentication failed, invalid user ID or password");
    ck_assert_int_eq(live_authenticate(0, "nobody", "alicepw"), GRPC_INVALID_ARGUMENT);
    check_message(0, "etcdserver: authentication failed, invalid user ID or password");
    ck_assert_int_eq(live_authenticate(0, "alice", "alicepw"), GRPC_OK);
    ck_assert_int_eq(live_put(0, "a", "v"), GRPC_OK);
    ck_assert_int_eq(live_get(0, "k", false), GRPC_OK);
    ck_assert_int_eq(live_get(0, "k", true), GRPC_OK);
    ck_assert_int_eq(live_put(0, "k", "v"), GRPC_PERMISSION_DENIED);
    check_message(0, "etcdserver: permission denied");
    ck_assert_int_eq(live_get(0, "z", false), GRPC_PERMISSION_DENIED);
    ck_assert_int_eq(live_get(0, "z", true), GRPC_PERMISSION_DENIED);
    ck_assert_int_eq(live_authenticate(0, "root", "rootpw"), GRPC_OK);
    ck_assert_int_eq(live_put(0, "z", "v"), GRPC_OK);
    etcd_client_set_token(live.clients[0], "nonsense");
    ck_assert_int_eq(live_put(0, "z", "v"), GRPC_UNAUTHENTICATED);
    check_message(0, "etcdserver: invalid auth token");
}
END_TEST

START_TEST(a_new_password_and_disabling_end_old_tokens)
{
    live_users_set_up();
    ck_assert_int_eq(live_authenticate(0, "root", "rootpw"), GRPC_OK);
    struct etcd_client *alice = etcd_client_open(live_cluster_port(live.cluster, 0), NULL);
    struct etcd_client *root = live.clients[0];
    live.clients[0] = alice;
    ck_assert_int_eq(live_authenticate(0, "alice", "alicepw"), GRPC_OK);
    ck_assert_int_eq(live_put(0, "a", "v"), GRPC_OK);
    live.clients[0] = root;
    ck_assert_int_eq(live_user_password("alice", "other"), GRPC_OK);
    live.clients[0] = alice;
    ck_assert_int_eq(live_put(0, "a", "v"), GRPC_UNAUTHENTICATED);
    ck_assert_int_eq(live_authenticate(0, "alice", "alicepw"), GRPC_INVALID_ARGUMENT);
    etcd_client_set_token(alice, NULL);
    ck_assert_int_eq(live_authenticate(0, "alice", "other"), GRPC_OK);
    ck_assert_int_eq(live_put(0, "a", "v"), GRPC_OK);
    live.clients[0] = root;
    ck_assert_int_eq(live_auth_disable(), GRPC_OK);
    ck_assert_int_eq(live_auth_enable(), GRPC_OK);
    live.clients[0] = alice;
    ck_assert_int_eq(live_put(0, "a", "v"), GRPC_UNAUTHENTICATED);
    live.clients[0] = root;
    etcd_client_close(alice);
}
END_TEST

START_TEST(only_root_manages_users_and_everybody_may_look_at_themselves)
{
    live_users_set_up();
    Etcdserverpb__AuthUserGetRequest user = ETCDSERVERPB__AUTH_USER_GET_REQUEST__INIT;
    Etcdserverpb__AuthUserGetResponse *found;
    Etcdserverpb__AuthRoleGetRequest role = ETCDSERVERPB__AUTH_ROLE_GET_REQUEST__INIT;
    Etcdserverpb__AuthRoleGetResponse *granted;
    ck_assert_int_eq(live_authenticate(0, "alice", "alicepw"), GRPC_OK);
    ck_assert_int_eq(live_user_add("eve", "x"), GRPC_PERMISSION_DENIED);
    ck_assert_int_eq(live_user_grant("alice", "root"), GRPC_PERMISSION_DENIED);
    ck_assert_int_eq(live_auth_disable(), GRPC_PERMISSION_DENIED);
    user.name = live_words("alice");
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Auth/UserGet", &user.base,
                                      &etcdserverpb__auth_user_get_response__descriptor, &found),
                     GRPC_OK);
    ck_assert_uint_eq(found->n_roles, 1);
    ck_assert_str_eq(found->roles[0], "r");
    user.name = live_words("root");
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Auth/UserGet", &user.base,
                                      &etcdserverpb__auth_user_get_response__descriptor, NULL),
                     GRPC_PERMISSION_DENIED);
    role.role = live_words("r");
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Auth/RoleGet", &role.base,
                                      &etcdserverpb__auth_role_get_response__descriptor, &granted),
                     GRPC_OK);
    ck_assert_uint_eq(granted->n_perm, 2);
    ck_assert_int_eq(granted->perm[0]->permtype, AUTHPB__PERMISSION__TYPE__READWRITE);
    role.role = live_words("root");
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Auth/RoleGet", &role.base,
                                      &etcdserverpb__auth_role_get_response__descriptor, NULL),
                     GRPC_PERMISSION_DENIED);
}
END_TEST

/* CVE-2026-33413: calls that had no check at all. */
START_TEST(calls_that_are_not_about_keys_are_guarded_too)
{
    live_users_set_up();
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
    ck_assert_int_eq(live_authenticate(0, "alice", "alicepw"), GRPC_OK);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        ck_assert_int_eq(etcd_client_call(live.clients[0], calls[i].path, calls[i].request,
                                          calls[i].response, NULL),
                         calls[i].of_any_user ? GRPC_OK : GRPC_PERMISSION_DENIED);
    }
}
END_TEST

START_TEST(a_user_without_a_password_cannot_authenticate)
{
    live_users_set_up();
    Etcdserverpb__AuthUserAddRequest request = ETCDSERVERPB__AUTH_USER_ADD_REQUEST__INIT;
    Authpb__UserAddOptions options = AUTHPB__USER_ADD_OPTIONS__INIT;
    options.no_password = true;
    request.name = live_words("cert");
    request.options = &options;
    ck_assert_int_eq(live_authenticate(0, "root", "rootpw"), GRPC_OK);
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Auth/UserAdd", &request.base,
                                      &etcdserverpb__auth_user_add_response__descriptor, NULL),
                     GRPC_OK);
    etcd_client_set_token(live.clients[0], NULL);
    ck_assert_int_eq(live_authenticate(0, "cert", ""), GRPC_INVALID_ARGUMENT);
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
    request.name = live_words("moved");
    request.hashedpassword = live_words(buffer_text(&encoded));
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Auth/UserAdd", &request.base,
                                      &etcdserverpb__auth_user_add_response__descriptor, NULL),
                     GRPC_OK);
    request.name = live_words("other");
    request.hashedpassword = live_words("bm8gaGFzaA==");
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Auth/UserAdd", &request.base,
                                      &etcdserverpb__auth_user_add_response__descriptor, NULL),
                     GRPC_INVALID_ARGUMENT);
    check_message(0, "etcdserver: invalid auth management");
    live_users_set_up();
    ck_assert_int_eq(live_authenticate(0, "moved", "U*U"), GRPC_OK);
    ck_assert_int_eq(live_authenticate(0, "moved", "U*V"), GRPC_INVALID_ARGUMENT);
    buffer_release(&encoded);
}
END_TEST

START_TEST(a_token_of_one_member_is_good_at_all_of_them_at_once)
{
    live_users_set_up();
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(live_authenticate(i, "alice", "alicepw"), GRPC_OK);
    }
    Etcdserverpb__AuthenticateRequest request = ETCDSERVERPB__AUTHENTICATE_REQUEST__INIT;
    Etcdserverpb__AuthenticateResponse *response;
    for (size_t i = 0; i < 3; i++) {
        request.name = live_words("alice");
        request.password = live_words("alicepw");
        ck_assert_int_eq(
            etcd_client_call(live.clients[i], "/etcdserverpb.Auth/Authenticate", &request.base,
                             &etcdserverpb__authenticate_response__descriptor, &response),
            GRPC_OK);
        etcd_client_set_token(live.clients[(i + 1) % 3], response->token);
        ck_assert_int_eq(live_put((i + 1) % 3, "a", "v"), GRPC_OK);
        ck_assert_int_eq(live_get((i + 1) % 3, "k", false), GRPC_OK);
        ck_assert_int_eq(live_put((i + 1) % 3, "k", "v"), GRPC_PERMISSION_DENIED);
    }
}
END_TEST

START_TEST(a_member_that_lags_catches_up_before_it_refuses_a_token)
{
    live_users_set_up();
    ck_assert_int_eq(live_authenticate(0, "root", "rootpw"), GRPC_OK);
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof(name), "u%d", i);
        ck_assert_int_eq(live_user_add(name, "p"), GRPC_OK);
        ck_assert_int_eq(live_user_grant(name, "r"), GRPC_OK);
        Etcdserverpb__AuthenticateRequest request = ETCDSERVERPB__AUTHENTICATE_REQUEST__INIT;
        Etcdserverpb__AuthenticateResponse *response;
        request.name = live_words(name);
        request.password = live_words("p");
        ck_assert_int_eq(
            etcd_client_call(live.clients[0], "/etcdserverpb.Auth/Authenticate", &request.base,
                             &etcdserverpb__authenticate_response__descriptor, &response),
            GRPC_OK);
        etcd_client_set_token(live.clients[1], response->token);
        etcd_client_set_token(live.clients[2], response->token);
        ck_assert_int_eq(live_get(1, "k", true), GRPC_OK);
        ck_assert_int_eq(live_put(2, "a", "v"), GRPC_OK);
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
    Suite *suites[] = {auth_parts_suite(), etcd_auth_suite(), etcd_guards_suite()};
    return unit_main(suites, ARRAY_LEN(suites));
}
