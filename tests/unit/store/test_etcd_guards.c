/* Who may watch, and what leases show and let be done, while users are required. */
#include "tests/unit/store/live_clients.h"
#include "tests/unit/store/live_users.h"
#include "tests/unit/unit.h"

#include <check.h>

Suite *etcd_guards_suite(void);

static Etcdserverpb__WatchResponse *watch_create(struct etcd_client_stream *stream, const char *key,
                                                 const char *end, size_t end_len)
{
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    create.key = etcd_client_bytes(key);
    create.range_end = (ProtobufCBinaryData){.len = end_len, .data = (uint8_t *)live_words(end)};
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
    live_users_set_up();
    ck_assert_int_eq(live_authenticate(0, "alice", "alicepw"), GRPC_OK);
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
    live_users_set_up();
    Etcdserverpb__LeaseKeepAliveRequest request = ETCDSERVERPB__LEASE_KEEP_ALIVE_REQUEST__INIT;
    request.id = 4711;
    struct etcd_client_stream *stream =
        etcd_client_stream(live.clients[0], "/etcdserverpb.Lease/LeaseKeepAlive",
                           &etcdserverpb__lease_keep_alive_response__descriptor);
    etcd_client_send(stream, &request.base);
    ck_assert_ptr_null(etcd_client_next(stream));
    ck_assert_int_eq(etcd_client_stream_code(stream), GRPC_INVALID_ARGUMENT);
    etcd_client_stream_close(stream);
    ck_assert_int_eq(live_authenticate(0, "alice", "alicepw"), GRPC_OK);
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
    live_users_set_up();
    Etcdserverpb__LeaseGrantRequest grant = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    Etcdserverpb__PutRequest put_request = ETCDSERVERPB__PUT_REQUEST__INIT;
    Etcdserverpb__LeaseTimeToLiveRequest ask = ETCDSERVERPB__LEASE_TIME_TO_LIVE_REQUEST__INIT;
    ck_assert_int_eq(live_authenticate(0, "root", "rootpw"), GRPC_OK);
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
    ck_assert_int_eq(live_authenticate(0, "alice", "alicepw"), GRPC_OK);
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
    live_users_set_up();
    Etcdserverpb__LeaseGrantRequest grant = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    Etcdserverpb__PutRequest put_request = ETCDSERVERPB__PUT_REQUEST__INIT;
    ck_assert_int_eq(live_authenticate(0, "root", "rootpw"), GRPC_OK);
    grant.id = put_request.lease = 77;
    grant.ttl = 600;
    const char *keys[] = {"a", "k"}; /* alice's to write; hers to read. */
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Lease/LeaseGrant",
                                      &grant.base, &etcdserverpb__lease_grant_response__descriptor,
                                      NULL),
                     GRPC_OK);
    for (size_t i = 0; i < 2; i++) {
        put_request.key = etcd_client_bytes(keys[i]);
        ck_assert_int_eq(live_authenticate(0, "root", "rootpw"), GRPC_OK);
        ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.KV/Put",
                                          &put_request.base,
                                          &etcdserverpb__put_response__descriptor, NULL),
                         GRPC_OK);
        ck_assert_int_eq(live_authenticate(0, "alice", "alicepw"), GRPC_OK);
        ck_assert_int_eq(renew(77), i == 0 ? GRPC_OK : GRPC_PERMISSION_DENIED);
        ck_assert_int_eq(lease_list(), GRPC_OK);
    }
    ck_assert_int_eq(live_authenticate(0, "root", "rootpw"), GRPC_OK);
    for (int64_t id = 1000; id < 1600; id++) { /* Nobody's: more than are looked at at once. */
        grant.id = id;
        ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Lease/LeaseGrant",
                                          &grant.base,
                                          &etcdserverpb__lease_grant_response__descriptor, NULL),
                         GRPC_OK);
    }
    ck_assert_int_eq(live_authenticate(0, "alice", "alicepw"), GRPC_OK);
    ck_assert_int_eq(lease_list(), GRPC_OK);
    ck_assert_int_eq(live_authenticate(0, "root", "rootpw"), GRPC_OK);
    put_request.key = etcd_client_bytes("secret");
    put_request.lease = grant.id; /* The newest, which is looked at last. */
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.KV/Put", &put_request.base,
                                      &etcdserverpb__put_response__descriptor, NULL),
                     GRPC_OK);
    ck_assert_int_eq(lease_list(), GRPC_OK);
    ck_assert_int_eq(renew(grant.id), GRPC_OK);
    ck_assert_int_eq(live_authenticate(0, "alice", "alicepw"), GRPC_OK);
    ck_assert_int_eq(lease_list(), GRPC_PERMISSION_DENIED);
}
END_TEST

Suite *etcd_guards_suite(void)
{
    Suite *suite = suite_create("store/etcd_guards");
    TCase *one = tcase_create("one member");
    tcase_set_timeout(one, 60);
    tcase_add_checked_fixture(one, live_clients_open_one, live_clients_close);
    tcase_add_test(one, a_watch_with_an_open_end_needs_more_than_its_first_key);
    tcase_add_test(one, a_watch_from_before_all_history_is_refused);
    tcase_add_test(one, a_lease_is_kept_alive_by_users_only);
    tcase_add_test(one, the_keys_of_a_lease_are_shown_to_those_who_may_read_them);
    tcase_add_test(one, leases_of_the_keys_of_others_are_neither_listed_nor_renewed);
    suite_add_tcase(suite, one);
    return suite;
}
