/* What takes long of the Maintenance service, hashes of keys and backups: who asks for it keeps
 * nobody else waiting, and who goes away leaves nothing behind. */
#include "tests/unit/store/live_clients.h"
#include "tests/unit/unit.h"

#include <check.h>
#include <stdio.h>

enum { KEYS_A_WRITE = 128, WRITES = 160, TRIES = 50 };

static int64_t put_keys(int write)
{
    static char names[KEYS_A_WRITE][32];
    Etcdserverpb__TxnRequest request = ETCDSERVERPB__TXN_REQUEST__INIT;
    Etcdserverpb__PutRequest puts[KEYS_A_WRITE];
    Etcdserverpb__RequestOp ops[KEYS_A_WRITE], *pointers[KEYS_A_WRITE];
    Etcdserverpb__TxnResponse *response;
    for (int i = 0; i < KEYS_A_WRITE; i++) {
        snprintf(names[i], sizeof(names[i]), "key/%d/%d", i, write);
        etcdserverpb__put_request__init(&puts[i]);
        etcdserverpb__request_op__init(&ops[i]);
        puts[i].key = puts[i].value = etcd_client_bytes(names[i]);
        ops[i].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
        ops[i].request_put = &puts[i];
        pointers[i] = &ops[i];
    }
    request.success = pointers;
    request.n_success = KEYS_A_WRITE;
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.KV/Txn", &request.base,
                                      &etcdserverpb__txn_response__descriptor, &response),
                     GRPC_OK);
    return response->header->revision;
}

static void setup(void)
{
    live_clients_open_one();
    for (int i = 0; i < WRITES; i++) {
        (void)put_keys(i);
    }
}

static struct etcd_client_call *hash_start(void)
{
    Etcdserverpb__HashKVRequest request = ETCDSERVERPB__HASH_KVREQUEST__INIT;
    return etcd_client_start(live.clients[0], "/etcdserverpb.Maintenance/HashKV", &request.base,
                             &etcdserverpb__hash_kvresponse__descriptor);
}

static void read_one(void)
{
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    request.key = etcd_client_bytes("key/0/0");
    request.serializable = true;
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.KV/Range", &request.base,
                                      &etcdserverpb__range_response__descriptor, NULL),
                     GRPC_OK);
}

/* The member has one loop for its connections. Requests that it answers there itself, it answers in
 * their order. */
START_TEST(a_hash_of_many_keys_keeps_no_other_request_waiting)
{
    bool overtaken = false;
    for (int i = 0; i < TRIES && !overtaken; i++) {
        Etcdserverpb__HashKVResponse *response = NULL;
        struct etcd_client_call *hash = hash_start();
        read_one();
        overtaken = !etcd_client_is_done(hash);
        ck_assert_int_eq(etcd_client_wait(hash, &response), GRPC_OK);
        ck_assert_int_eq(response->header->revision, WRITES + 1);
        etcd_client_drop(hash);
    }
    ck_assert(overtaken);
}
END_TEST

/* Whether one was refused. The others are all the same. */
static bool one_of_many_is_refused(void)
{
    enum { HASHES = 16 };
    struct etcd_client_call *calls[HASHES];
    size_t refused = 0;
    uint32_t hash = 0;
    for (size_t i = 0; i < HASHES; i++) {
        calls[i] = hash_start();
    }
    for (size_t i = 0; i < HASHES; i++) {
        Etcdserverpb__HashKVResponse *response = NULL;
        int code = etcd_client_wait(calls[i], &response);
        if (code == GRPC_OK) {
            ck_assert(hash == 0 || hash == response->hash);
            hash = response->hash;
        } else {
            ck_assert_int_eq(code, GRPC_RESOURCE_EXHAUSTED);
            refused++;
        }
        etcd_client_drop(calls[i]);
    }
    ck_assert_uint_lt(refused, HASHES);
    return refused > 0;
}

START_TEST(hashes_of_keys_at_once_are_limited)
{
    bool refused = false;
    for (int i = 0; i < TRIES && !refused; i++) {
        refused = one_of_many_is_refused();
    }
    ck_assert(refused);
}
END_TEST

START_TEST(a_hash_that_nobody_waits_for_any_more_is_let_go)
{
    for (int i = 0; i < 3; i++) {
        struct etcd_client_call *hash = hash_start();
        (void)put_keys(i); /* Its view is the last to hold what was there before. */
        etcd_client_drop(hash);
    }
    read_one();
}
END_TEST

/* *ret_first is its first message, or NULL when it was refused. */
static struct etcd_client_stream *backup_start(const void **ret_first)
{
    Etcdserverpb__SnapshotRequest request = ETCDSERVERPB__SNAPSHOT_REQUEST__INIT;
    struct etcd_client_stream *stream =
        etcd_client_stream(live.clients[0], "/etcdserverpb.Maintenance/Snapshot",
                           &etcdserverpb__snapshot_response__descriptor);
    etcd_client_send(stream, &request.base);
    etcd_client_end(stream);
    *ret_first = etcd_client_next(stream);
    return stream;
}

/* More of them than there may be at once: each gives its place back. */
START_TEST(backups_that_are_given_up_give_their_places_back)
{
    enum { BACKUPS = 12 };
    size_t begun = 0;
    for (int i = 0; begun < BACKUPS; i++) {
        const void *first = NULL;
        struct etcd_client_stream *stream = backup_start(&first);
        if (first != NULL) {
            begun++;
        } else {
            ck_assert_int_eq(etcd_client_stream_code(stream), GRPC_RESOURCE_EXHAUSTED);
        }
        (void)put_keys(i % WRITES); /* Its view is the last to hold what was there before. */
        etcd_client_stream_close(stream);
    }
}
END_TEST

START_TEST(leases_are_listed_by_their_ids)
{
    static const int64_t ids[] = {70, 3, INT64_MAX, 512, 11, 1000000, 2, 99, 5, 4096};
    Etcdserverpb__LeaseGrantRequest grant = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    Etcdserverpb__LeaseLeasesRequest list = ETCDSERVERPB__LEASE_LEASES_REQUEST__INIT;
    Etcdserverpb__LeaseLeasesResponse *response;
    grant.ttl = 1000;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        grant.id = ids[i];
        ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Lease/LeaseGrant",
                                          &grant.base,
                                          &etcdserverpb__lease_grant_response__descriptor, NULL),
                         GRPC_OK);
    }
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.Lease/LeaseLeases",
                                      &list.base, &etcdserverpb__lease_leases_response__descriptor,
                                      &response),
                     GRPC_OK);
    ck_assert_uint_eq(response->n_leases, ARRAY_LEN(ids));
    for (size_t i = 1; i < response->n_leases; i++) {
        ck_assert_int_lt(response->leases[i - 1]->id, response->leases[i]->id);
    }
}
END_TEST

/* More than are packed, and checked, at once. */
enum { LEASES = 4500, GRANTS_AT_ONCE = 250 };

static void grant_many(void)
{
    struct etcd_client_call *calls[GRANTS_AT_ONCE];
    for (int64_t first = 1; first <= LEASES; first += GRANTS_AT_ONCE) {
        for (int64_t i = 0; i < GRANTS_AT_ONCE; i++) {
            Etcdserverpb__LeaseGrantRequest grant = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
            grant.id = LEASES + 1 - (first + i);
            grant.ttl = 10000;
            calls[i] =
                etcd_client_start(live.clients[0], "/etcdserverpb.Lease/LeaseGrant", &grant.base,
                                  &etcdserverpb__lease_grant_response__descriptor);
        }
        for (int64_t i = 0; i < GRANTS_AT_ONCE; i++) {
            ck_assert_int_eq(etcd_client_wait(calls[i], NULL), GRPC_OK);
            etcd_client_drop(calls[i]);
        }
    }
}

static struct etcd_client_call *list_start(void)
{
    Etcdserverpb__LeaseLeasesRequest list = ETCDSERVERPB__LEASE_LEASES_REQUEST__INIT;
    return etcd_client_start(live.clients[0], "/etcdserverpb.Lease/LeaseLeases", &list.base,
                             &etcdserverpb__lease_leases_response__descriptor);
}

START_TEST(many_leases_are_listed_by_their_ids)
{
    grant_many();
    Etcdserverpb__LeaseLeasesResponse *response = NULL;
    etcd_client_drop(list_start()); /* Who goes away leaves nothing behind. */
    struct etcd_client_call *list = list_start();
    ck_assert_int_eq(etcd_client_wait(list, &response), GRPC_OK);
    ck_assert_int_eq(response->header->revision, WRITES + 1);
    ck_assert_uint_eq(response->n_leases, LEASES);
    for (int64_t i = 0; i < LEASES; i++) {
        ck_assert_int_eq(response->leases[i]->id, i + 1);
    }
    etcd_client_drop(list);
}
END_TEST

static Suite *maintenance_suite(void)
{
    Suite *suite = suite_create("store/etcd_maintenance");
    TCase *one = tcase_create("one member");
    tcase_add_checked_fixture(one, setup, live_clients_close);
    tcase_set_timeout(one, 120);
    tcase_add_test(one, leases_are_listed_by_their_ids);
    tcase_add_test(one, many_leases_are_listed_by_their_ids);
    tcase_add_test(one, a_hash_of_many_keys_keeps_no_other_request_waiting);
    tcase_add_test(one, hashes_of_keys_at_once_are_limited);
    tcase_add_test(one, a_hash_that_nobody_waits_for_any_more_is_let_go);
    tcase_add_test(one, backups_that_are_given_up_give_their_places_back);
    suite_add_tcase(suite, one);
    return suite;
}

int main(void)
{
    Suite *suites[] = {maintenance_suite()};
    return unit_main(suites, 1);
}
