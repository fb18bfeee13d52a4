/* The Lock and Election services over gRPC, against real members. */
#include "etcd/v3election.pb-c.h"
#include "etcd/v3lock.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "tests/unit/store/live_clients.h"
#include "tests/unit/unit.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_bytes(ProtobufCBinaryData found, const char *expected)
{
    ck_assert_uint_eq(found.len, strlen(expected));
    ck_assert_int_eq(memcmp(found.data, expected, found.len), 0);
}

static void grant(size_t member, int64_t id)
{
    Etcdserverpb__LeaseGrantRequest request = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    request.id = id;
    request.ttl = 600;
    ck_assert_int_eq(etcd_client_call(live.clients[member], "/etcdserverpb.Lease/LeaseGrant",
                                      &request.base,
                                      &etcdserverpb__lease_grant_response__descriptor, NULL),
                     GRPC_OK);
}

static void revoke(size_t member, int64_t id)
{
    Etcdserverpb__LeaseRevokeRequest request = ETCDSERVERPB__LEASE_REVOKE_REQUEST__INIT;
    request.id = id;
    ck_assert_int_eq(etcd_client_call(live.clients[member], "/etcdserverpb.Lease/LeaseRevoke",
                                      &request.base,
                                      &etcdserverpb__lease_revoke_response__descriptor, NULL),
                     GRPC_OK);
}

static int64_t count_of(size_t member, const char *key, const char *end)
{
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__RangeResponse *response;
    request.key = etcd_client_bytes(key);
    request.range_end = etcd_client_bytes(end);
    ck_assert_int_eq(etcd_client_call(live.clients[member], "/etcdserverpb.KV/Range", &request.base,
                                      &etcdserverpb__range_response__descriptor, &response),
                     GRPC_OK);
    return response->count;
}

/* Until there are so many keys; each look is a linearizable read. */
static void wait_for_count(size_t member, const char *key, const char *end, int64_t count)
{
    for (int i = 0; i < 20000 && count_of(member, key, end) != count; i++) {
        for (size_t at = 0; at < live.count; at++) { /* What was started goes on there. */
            loop_turn(etcd_client_loop(live.clients[at]), /* wait= */ false);
        }
    }
    ck_assert_int_eq(count_of(member, key, end), count);
}

static struct etcd_client_call *lock_start(size_t member, const char *name, int64_t lease)
{
    V3lockpb__LockRequest request = V3LOCKPB__LOCK_REQUEST__INIT;
    request.name = etcd_client_bytes(name);
    request.lease = lease;
    return etcd_client_start(live.clients[member], "/v3lockpb.Lock/Lock", &request.base,
                             &v3lockpb__lock_response__descriptor);
}

static void lock_got(struct etcd_client_call *call, const char *key)
{
    V3lockpb__LockResponse *response;
    ck_assert_int_eq(etcd_client_wait(call, &response), GRPC_OK);
    check_bytes(response->key, key);
    ck_assert_int_gt(response->header->revision, 1);
    etcd_client_drop(call);
}

static void unlock(size_t member, const char *key)
{
    V3lockpb__UnlockRequest request = V3LOCKPB__UNLOCK_REQUEST__INIT;
    request.key = etcd_client_bytes(key);
    ck_assert_int_eq(etcd_client_call(live.clients[member], "/v3lockpb.Lock/Unlock", &request.base,
                                      &v3lockpb__unlock_response__descriptor, NULL),
                     GRPC_OK);
}

/* --- Locks. */

START_TEST(a_free_lock_is_taken_and_its_key_names_the_lease)
{
    grant(0, 0x1234abcd);
    lock_got(lock_start(0, "l", 0x1234abcd), "l/1234abcd");
    lock_got(lock_start(0, "l", 0x1234abcd), "l/1234abcd"); /* Held already: at once. */
    unlock(0, "l/1234abcd");
    ck_assert_int_eq(count_of(0, "l/", "l0"), 0);
}
END_TEST

START_TEST(locks_are_handed_on_in_the_order_of_asking)
{
    for (int64_t id = 1; id <= 3; id++) {
        grant(0, id);
    }
    lock_got(lock_start(0, "l", 2), "l/2");
    struct etcd_client_call *second = lock_start(0, "l", 3);
    wait_for_count(0, "l/", "l0", 2);
    struct etcd_client_call *third = lock_start(0, "l", 1);
    wait_for_count(0, "l/", "l0", 3);
    ck_assert(!etcd_client_is_done(second));
    unlock(0, "l/2");
    lock_got(second, "l/3");
    ck_assert(!etcd_client_is_done(third));
    revoke(0, 3); /* The holder's session ends: as good as unlocking. */
    lock_got(third, "l/1");
}
END_TEST

START_TEST(a_waiter_in_the_middle_that_leaves_does_not_hold_up_the_next)
{
    for (int64_t id = 1; id <= 3; id++) {
        grant(0, id);
    }
    lock_got(lock_start(0, "l", 1), "l/1");
    struct etcd_client_call *second = lock_start(0, "l", 2);
    wait_for_count(0, "l/", "l0", 2);
    struct etcd_client_call *third = lock_start(0, "l", 3);
    wait_for_count(0, "l/", "l0", 3);
    etcd_client_drop(second);
    wait_for_count(0, "l/", "l0", 2); /* Its key went with it. */
    ck_assert(!etcd_client_is_done(third));
    unlock(0, "l/1");
    lock_got(third, "l/3");
}
END_TEST

START_TEST(a_waiter_whose_lease_ends_is_told_when_its_turn_would_be)
{
    grant(0, 1);
    grant(0, 2);
    lock_got(lock_start(0, "l", 1), "l/1");
    struct etcd_client_call *second = lock_start(0, "l", 2);
    wait_for_count(0, "l/", "l0", 2);
    revoke(0, 2);
    unlock(0, "l/1");
    ck_assert_int_eq(etcd_client_wait(second, NULL), GRPC_UNKNOWN);
    etcd_client_drop(second);
    struct etcd_client_call *none = lock_start(0, "l", 99);
    ck_assert_int_eq(etcd_client_wait(none, NULL), GRPC_NOT_FOUND);
    etcd_client_drop(none);
}
END_TEST

START_TEST(a_lock_without_a_lease_gets_one)
{
    struct etcd_client_call *call = lock_start(0, "l", 0);
    V3lockpb__LockResponse *response;
    Etcdserverpb__LeaseLeasesRequest request = ETCDSERVERPB__LEASE_LEASES_REQUEST__INIT;
    Etcdserverpb__LeaseLeasesResponse *leases;
    char key[64];
    ck_assert_int_eq(etcd_client_wait(call, &response), GRPC_OK);
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Lease/LeaseLeases",
                                      &request.base,
                                      &etcdserverpb__lease_leases_response__descriptor, &leases),
                     GRPC_OK);
    ck_assert_uint_eq(leases->n_leases, 1);
    snprintf(key, sizeof(key), "l/%llx", (unsigned long long)leases->leases[0]->id);
    check_bytes(response->key, key);
    etcd_client_drop(call);
}
END_TEST

START_TEST(a_lock_is_one_lock_at_all_members)
{
    grant(0, 1);
    grant(1, 2);
    lock_got(lock_start(0, "l", 1), "l/1");
    struct etcd_client_call *second = lock_start(1, "l", 2);
    wait_for_count(2, "l/", "l0", 2);
    ck_assert(!etcd_client_is_done(second));
    unlock(2, "l/1");
    lock_got(second, "l/2");
    ck_assert_int_eq(count_of(0, "l/", "l0"), 1);
}
END_TEST

/* --- Elections. */

static struct etcd_client_call *campaign_start(size_t member, int64_t lease, const char *value)
{
    V3electionpb__CampaignRequest request = V3ELECTIONPB__CAMPAIGN_REQUEST__INIT;
    request.name = etcd_client_bytes("e");
    request.lease = lease;
    request.value = etcd_client_bytes(value);
    return etcd_client_start(live.clients[member], "/v3electionpb.Election/Campaign", &request.base,
                             &v3electionpb__campaign_response__descriptor);
}

static int proclaim(V3electionpb__LeaderKey *leader, const char *value)
{
    V3electionpb__ProclaimRequest request = V3ELECTIONPB__PROCLAIM_REQUEST__INIT;
    request.leader = leader;
    request.value = etcd_client_bytes(value);
    return etcd_client_call(live.clients[0], "/v3electionpb.Election/Proclaim", &request.base,
                            &v3electionpb__proclaim_response__descriptor, NULL);
}

static int resign(V3electionpb__LeaderKey *leader)
{
    V3electionpb__ResignRequest request = V3ELECTIONPB__RESIGN_REQUEST__INIT;
    request.leader = leader;
    return etcd_client_call(live.clients[0], "/v3electionpb.Election/Resign", &request.base,
                            &v3electionpb__resign_response__descriptor, NULL);
}

static int leader(V3electionpb__LeaderResponse **ret_response)
{
    V3electionpb__LeaderRequest request = V3ELECTIONPB__LEADER_REQUEST__INIT;
    request.name = etcd_client_bytes("e");
    return etcd_client_call(live.clients[0], "/v3electionpb.Election/Leader", &request.base,
                            &v3electionpb__leader_response__descriptor, ret_response);
}

START_TEST(who_campaigns_first_leads_until_it_resigns)
{
    V3electionpb__CampaignResponse *first;
    V3electionpb__CampaignResponse *second;
    V3electionpb__LeaderResponse *found;
    grant(0, 0xa);
    grant(0, 0xb);
    ck_assert_int_eq(leader(&found), GRPC_UNKNOWN);
    ck_assert_str_eq(etcd_client_message(live.clients[0]), "election: no leader");
    struct etcd_client_call *one = campaign_start(0, 0xa, "one");
    ck_assert_int_eq(etcd_client_wait(one, &first), GRPC_OK);
    check_bytes(first->leader->name, "e");
    check_bytes(first->leader->key, "e/a");
    ck_assert_int_eq(first->leader->lease, 0xa);
    struct etcd_client_call *two = campaign_start(0, 0xb, "two");
    wait_for_count(0, "e/", "e0", 2);
    ck_assert(!etcd_client_is_done(two));
    ck_assert_int_eq(leader(&found), GRPC_OK);
    check_bytes(found->kv->value, "one");
    ck_assert_int_eq(proclaim(first->leader, "ONE"), GRPC_OK);
    ck_assert_int_eq(leader(&found), GRPC_OK);
    check_bytes(found->kv->value, "ONE");
    ck_assert_int_eq(found->kv->create_revision, first->leader->rev);
    ck_assert_int_eq(resign(first->leader), GRPC_OK);
    ck_assert_int_eq(etcd_client_wait(two, &second), GRPC_OK);
    check_bytes(second->leader->key, "e/b");
    ck_assert_int_eq(proclaim(first->leader, "x"), GRPC_UNKNOWN);
    ck_assert_str_eq(etcd_client_message(live.clients[0]), "election: not leader");
    ck_assert_int_eq(resign(first->leader), GRPC_OK); /* Twice is no error. */
    ck_assert_int_eq(leader(&found), GRPC_OK);
    check_bytes(found->kv->value, "two");
    etcd_client_drop(one);
    etcd_client_drop(two);
}
END_TEST

START_TEST(a_session_that_campaigns_again_proclaims_its_new_value)
{
    V3electionpb__LeaderResponse *found;
    grant(0, 0xa);
    struct etcd_client_call *one = campaign_start(0, 0xa, "one");
    ck_assert_int_eq(etcd_client_wait(one, NULL), GRPC_OK);
    struct etcd_client_call *again = campaign_start(0, 0xa, "again");
    ck_assert_int_eq(etcd_client_wait(again, NULL), GRPC_OK);
    ck_assert_int_eq(leader(&found), GRPC_OK);
    check_bytes(found->kv->value, "again");
    etcd_client_drop(one);
    etcd_client_drop(again);
}
END_TEST

START_TEST(a_call_without_a_leader_key_is_refused)
{
    ck_assert_int_eq(proclaim(NULL, "x"), GRPC_UNKNOWN);
    ck_assert_str_eq(etcd_client_message(live.clients[0]), "\"leader\" field must be provided");
    ck_assert_int_eq(resign(NULL), GRPC_UNKNOWN);
}
END_TEST

START_TEST(an_observer_sees_every_leader_and_every_value)
{
    V3electionpb__CampaignResponse *first;
    V3electionpb__LeaderRequest request = V3ELECTIONPB__LEADER_REQUEST__INIT;
    V3electionpb__LeaderResponse *seen;
    request.name = etcd_client_bytes("e");
    grant(0, 0xa);
    grant(0, 0xb);
    struct etcd_client_stream *stream =
        etcd_client_stream(live.clients[0], "/v3electionpb.Election/Observe",
                           &v3electionpb__leader_response__descriptor);
    etcd_client_send(stream, &request.base);
    etcd_client_end(stream);
    struct etcd_client_call *one = campaign_start(0, 0xa, "one");
    ck_assert_int_eq(etcd_client_wait(one, &first), GRPC_OK);
    seen = etcd_client_next(stream);
    check_bytes(seen->kv->value, "one");
    struct etcd_client_call *two = campaign_start(0, 0xb, "two");
    wait_for_count(0, "e/", "e0", 2);
    for (int i = 0; i < 40; i++) {
        char value[16];
        snprintf(value, sizeof(value), "v%d", i);
        ck_assert_int_eq(proclaim(first->leader, value), GRPC_OK);
    }
    for (int i = 0; i < 40; i++) {
        char value[16];
        snprintf(value, sizeof(value), "v%d", i);
        seen = etcd_client_next(stream);
        check_bytes(seen->kv->value, value);
        ck_assert_int_eq(seen->header->revision, seen->kv->mod_revision);
    }
    ck_assert_int_eq(resign(first->leader), GRPC_OK);
    ck_assert_int_eq(etcd_client_wait(two, NULL), GRPC_OK);
    seen = etcd_client_next(stream);
    check_bytes(seen->kv->value, "two");
    revoke(0, 0xb);
    struct etcd_client_call *three = campaign_start(0, 0xa, "three");
    ck_assert_int_eq(etcd_client_wait(three, NULL), GRPC_OK);
    seen = etcd_client_next(stream);
    check_bytes(seen->kv->value, "three");
    etcd_client_stream_close(stream);
    etcd_client_drop(one);
    etcd_client_drop(two);
    etcd_client_drop(three);
}
END_TEST

/* --- With authentication. */

static void change(const char *path, const ProtobufCMessage *request,
                   const ProtobufCMessageDescriptor *response)
{
    ck_assert_int_eq(etcd_client_call(live.clients[0], path, request, response, NULL), GRPC_OK);
}

static void add_user(const char *name, const char *role)
{
    Etcdserverpb__AuthUserAddRequest user = ETCDSERVERPB__AUTH_USER_ADD_REQUEST__INIT;
    Etcdserverpb__AuthUserGrantRoleRequest granted =
        ETCDSERVERPB__AUTH_USER_GRANT_ROLE_REQUEST__INIT;
    user.name = granted.user = (char *)(uintptr_t)name;
    user.password = (char *)(uintptr_t) "pw";
    granted.role = (char *)(uintptr_t)role;
    change("/etcdserverpb.Auth/UserAdd", &user.base,
           &etcdserverpb__auth_user_add_response__descriptor);
    change("/etcdserverpb.Auth/UserGrantRole", &granted.base,
           &etcdserverpb__auth_user_grant_role_response__descriptor);
}

static void be(const char *name)
{
    Etcdserverpb__AuthenticateRequest request = ETCDSERVERPB__AUTHENTICATE_REQUEST__INIT;
    Etcdserverpb__AuthenticateResponse *response;
    request.name = (char *)(uintptr_t)name;
    request.password = (char *)(uintptr_t) "pw";
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Auth/Authenticate",
                                      &request.base,
                                      &etcdserverpb__authenticate_response__descriptor, &response),
                     GRPC_OK);
    etcd_client_set_token(live.clients[0], response->token);
}

START_TEST(locks_and_elections_need_the_permissions_of_their_keys)
{
    Etcdserverpb__AuthRoleAddRequest role = ETCDSERVERPB__AUTH_ROLE_ADD_REQUEST__INIT;
    Etcdserverpb__AuthRoleGrantPermissionRequest permit =
        ETCDSERVERPB__AUTH_ROLE_GRANT_PERMISSION_REQUEST__INIT;
    Authpb__Permission permission = AUTHPB__PERMISSION__INIT;
    Etcdserverpb__AuthEnableRequest enable = ETCDSERVERPB__AUTH_ENABLE_REQUEST__INIT;
    V3electionpb__LeaderResponse *found;
    V3electionpb__LeaderRequest observe = V3ELECTIONPB__LEADER_REQUEST__INIT;
    role.name = permit.name = (char *)(uintptr_t) "r";
    permission.permtype = AUTHPB__PERMISSION__TYPE__READWRITE;
    permission.key = etcd_client_bytes("l/");
    permission.range_end = etcd_client_bytes("l0");
    permit.perm = &permission;
    change("/etcdserverpb.Auth/RoleAdd", &role.base,
           &etcdserverpb__auth_role_add_response__descriptor);
    change("/etcdserverpb.Auth/RoleGrantPermission", &permit.base,
           &etcdserverpb__auth_role_grant_permission_response__descriptor);
    add_user("root", "root");
    add_user("alice", "r");
    change("/etcdserverpb.Auth/AuthEnable", &enable.base,
           &etcdserverpb__auth_enable_response__descriptor);
    struct etcd_client_call *call = lock_start(0, "l", 0);
    ck_assert_int_eq(etcd_client_wait(call, NULL), GRPC_INVALID_ARGUMENT); /* Nobody. */
    etcd_client_drop(call);
    be("alice");
    grant(0, 1);
    grant(0, 2);
    lock_got(lock_start(0, "l", 1), "l/1");
    call = lock_start(0, "other", 2);
    ck_assert_int_eq(etcd_client_wait(call, NULL), GRPC_PERMISSION_DENIED);
    etcd_client_drop(call);
    call = campaign_start(0, 2, "x");
    ck_assert_int_eq(etcd_client_wait(call, NULL), GRPC_PERMISSION_DENIED);
    etcd_client_drop(call);
    ck_assert_int_eq(leader(&found), GRPC_PERMISSION_DENIED);
    observe.name = etcd_client_bytes("e");
    struct etcd_client_stream *stream =
        etcd_client_stream(live.clients[0], "/v3electionpb.Election/Observe",
                           &v3electionpb__leader_response__descriptor);
    etcd_client_send(stream, &observe.base);
    etcd_client_end(stream);
    ck_assert_ptr_null(etcd_client_next(stream));
    ck_assert_int_eq(etcd_client_stream_code(stream), GRPC_PERMISSION_DENIED);
    etcd_client_stream_close(stream);
}
END_TEST

START_TEST(a_member_that_stops_ends_what_waits)
{
    grant(0, 1);
    grant(0, 2);
    lock_got(lock_start(0, "l", 1), "l/1");
    struct etcd_client_call *second = lock_start(0, "l", 2);
    wait_for_count(0, "l/", "l0", 2);
    live_cluster_stop_member(live.cluster, 0);
    ck_assert_int_ne(etcd_client_wait(second, NULL), GRPC_OK);
    etcd_client_drop(second);
}
END_TEST

/* --- What the listener says about itself. */

enum {
    SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING,
    NOT_SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING,
    SERVICE_UNKNOWN = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN,
};

static struct etcd_client_stream *health_watch(size_t member, const char *service)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    request.service = (char *)(uintptr_t)service;
    struct etcd_client_stream *stream =
        etcd_client_stream(live.clients[member], "/grpc.health.v1.Health/Watch",
                           &grpc__health__v1__health_check_response__descriptor);
    etcd_client_send(stream, &request.base);
    etcd_client_end(stream);
    return stream;
}

static int health_next(struct etcd_client_stream *stream)
{
    const Grpc__Health__V1__HealthCheckResponse *response = etcd_client_next(stream);
    ck_assert_ptr_nonnull(response);
    return (int)response->status;
}

START_TEST(health_is_known_by_service)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    struct etcd_client_stream *stream = health_watch(0, "");
    if (health_next(stream) != SERVING) { /* It has just begun. */
        ck_assert_int_eq(health_next(stream), SERVING);
    }
    etcd_client_stream_close(stream);
    stream = health_watch(0, "no.such.Service");
    ck_assert_int_eq(health_next(stream), SERVICE_UNKNOWN);
    etcd_client_stream_close(stream);
    Grpc__Health__V1__HealthCheckResponse *response;
    const char *path = "/grpc.health.v1.Health/Check";
    request.service = (char *)(uintptr_t) "etcdserverpb.KV";
    ck_assert_int_eq(etcd_client_call(live.clients[0], path, &request.base,
                                      &grpc__health__v1__health_check_response__descriptor,
                                      &response),
                     GRPC_OK);
    ck_assert_int_eq((int)response->status, SERVING);
    request.service = (char *)(uintptr_t) "no.such.Service";
    ck_assert_int_eq(etcd_client_call(live.clients[0], path, &request.base,
                                      &grpc__health__v1__health_check_response__descriptor, NULL),
                     GRPC_NOT_FOUND);
}
END_TEST

START_TEST(a_member_without_a_leader_is_not_serving)
{
    struct etcd_client_stream *stream = health_watch(0, "");
    if (health_next(stream) != SERVING) {
        ck_assert_int_eq(health_next(stream), SERVING);
    }
    live_cluster_stop_member(live.cluster, 1);
    live_cluster_stop_member(live.cluster, 2);
    ck_assert_int_eq(health_next(stream), NOT_SERVING);
    etcd_client_stream_close(stream);
}
END_TEST

START_TEST(both_versions_of_reflection_list_the_services)
{
    static const char *const paths[] = {
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"};
    Grpc__Reflection__V1__ServerReflectionRequest request =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    request.message_request_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES;
    request.list_services = (char *)(uintptr_t) "";
    for (size_t i = 0; i < 2; i++) {
        struct etcd_client_stream *stream =
            etcd_client_stream(live.clients[0], paths[i],
                               &grpc__reflection__v1__server_reflection_response__descriptor);
        etcd_client_send(stream, &request.base);
        const Grpc__Reflection__V1__ServerReflectionResponse *response = etcd_client_next(stream);
        ck_assert_ptr_nonnull(response);
        ck_assert_uint_eq(response->list_services_response->n_service, 11);
        etcd_client_end(stream);
        ck_assert_ptr_null(etcd_client_next(stream));
        ck_assert_int_eq(etcd_client_stream_code(stream), GRPC_OK);
        etcd_client_stream_close(stream);
    }
}
END_TEST

static Suite *sync_suite(void)
{
    Suite *suite = suite_create("store/etcd_sync");
    TCase *one = tcase_create("one member");
    TCase *three = tcase_create("three members");
    tcase_add_checked_fixture(one, live_clients_open_one, live_clients_close);
    tcase_add_checked_fixture(three, live_clients_open_three, live_clients_close);
    tcase_set_timeout(one, 60);
    tcase_set_timeout(three, 60);
    tcase_add_test(one, a_free_lock_is_taken_and_its_key_names_the_lease);
    tcase_add_test(one, locks_are_handed_on_in_the_order_of_asking);
    tcase_add_test(one, a_waiter_in_the_middle_that_leaves_does_not_hold_up_the_next);
    tcase_add_test(one, a_waiter_whose_lease_ends_is_told_when_its_turn_would_be);
    tcase_add_test(one, a_lock_without_a_lease_gets_one);
    tcase_add_test(three, a_lock_is_one_lock_at_all_members);
    tcase_add_test(one, who_campaigns_first_leads_until_it_resigns);
    tcase_add_test(one, a_session_that_campaigns_again_proclaims_its_new_value);
    tcase_add_test(one, a_call_without_a_leader_key_is_refused);
    tcase_add_test(one, an_observer_sees_every_leader_and_every_value);
    tcase_add_test(one, locks_and_elections_need_the_permissions_of_their_keys);
    tcase_add_test(one, a_member_that_stops_ends_what_waits);
    tcase_add_test(one, health_is_known_by_service);
    tcase_add_test(three, a_member_without_a_leader_is_not_serving);
    tcase_add_test(one, both_versions_of_reflection_list_the_services);
    suite_add_tcase(suite, one);
    suite_add_tcase(suite, three);
    return suite;
}

int main(void)
{
    Suite *suites[] = {sync_suite()};
    return unit_main(suites, 1);
}
