/* Answers that are too long to be made on their connection's loop. */
#include "tests/unit/store/live_clients.h"
#include "tests/unit/unit.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 4200, PUTS_AT_ONCE = 120, LARGE = 600 * 1024, TEXT_MAX = 16 };

static struct {
    char keys[KEYS][TEXT_MAX], values[KEYS][TEXT_MAX];
} texts;

/* Values in the opposite order of the keys. */
static void put_all(void)
{
    static Etcdserverpb__PutRequest puts[PUTS_AT_ONCE];
    static Etcdserverpb__RequestOp ops[PUTS_AT_ONCE];
    Etcdserverpb__RequestOp *pointers[PUTS_AT_ONCE];
    for (size_t at = 0; at < KEYS; at += PUTS_AT_ONCE) {
        Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;
        for (size_t i = 0; i < PUTS_AT_ONCE; i++) {
            (void)snprintf(texts.keys[at + i], TEXT_MAX, "k/%05zu", at + i);
            (void)snprintf(texts.values[at + i], TEXT_MAX, "%05zu", KEYS - at - i);
            etcdserverpb__put_request__init(&puts[i]);
            etcdserverpb__request_op__init(&ops[i]);
            puts[i].key = etcd_client_bytes(texts.keys[at + i]);
            puts[i].value = etcd_client_bytes(texts.values[at + i]);
            ops[i].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
            ops[i].request_put = &puts[i];
            pointers[i] = &ops[i];
        }
        txn.success = pointers;
        txn.n_success = PUTS_AT_ONCE;
        ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.KV/Txn", &txn.base,
                                          &etcdserverpb__txn_response__descriptor, NULL),
                         GRPC_OK);
    }
}

static Etcdserverpb__RangeRequest whole(void)
{
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    request.key = etcd_client_bytes("k/");
    request.range_end = etcd_client_bytes("k0");
    return request;
}

static const Etcdserverpb__RangeResponse *answer_to(const Etcdserverpb__RangeRequest *request)
{
    Etcdserverpb__RangeResponse *response;
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.KV/Range", &request->base,
                                      &etcdserverpb__range_response__descriptor, &response),
                     GRPC_OK);
    ck_assert_int_eq(response->count, KEYS);
    ck_assert_int_gt(response->header->revision, 1);
    return response;
}

static void check_key(const Mvccpb__KeyValue *kv, size_t number)
{
    ck_assert_uint_eq(kv->key.len, strlen(texts.keys[number]));
    ck_assert_int_eq(memcmp(kv->key.data, texts.keys[number], kv->key.len), 0);
}

START_TEST(a_range_of_very_many_keys_is_whole_and_in_order)
{
    put_all();
    Etcdserverpb__RangeRequest request = whole();
    const Etcdserverpb__RangeResponse *response = answer_to(&request);
    ck_assert_uint_eq(response->n_kvs, KEYS);
    ck_assert(!response->more);
    for (size_t i = 0; i < KEYS; i++) {
        check_key(response->kvs[i], i);
        ck_assert_uint_eq(response->kvs[i]->value.len, strlen(texts.values[i]));
    }
    request.sort_target = ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VALUE;
    request.sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__ASCEND;
    request.limit = 2;
    response = answer_to(&request);
    ck_assert_uint_eq(response->n_kvs, 2);
    ck_assert(response->more);
    check_key(response->kvs[0], KEYS - 1);
    check_key(response->kvs[1], KEYS - 2);
    request.count_only = true;
    ck_assert_uint_eq(answer_to(&request)->n_kvs, 0);
}
END_TEST

START_TEST(a_range_of_very_many_keys_fails_as_a_short_one_does)
{
    put_all();
    Etcdserverpb__RangeRequest request = whole();
    request.revision = 1000000;
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.KV/Range", &request.base,
                                      &etcdserverpb__range_response__descriptor, NULL),
                     GRPC_OUT_OF_RANGE);
    ck_assert_str_eq(etcd_client_message(live.clients[0]),
                     "etcdserver: mvcc: required revision is a future revision");
}
END_TEST

START_TEST(deleting_very_many_keys_tells_all_that_were_there)
{
    Etcdserverpb__DeleteRangeRequest request = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
    Etcdserverpb__DeleteRangeResponse *response;
    put_all();
    request.key = etcd_client_bytes("k/");
    request.range_end = etcd_client_bytes("k0");
    request.prev_kv = true;
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.KV/DeleteRange",
                                      &request.base,
                                      &etcdserverpb__delete_range_response__descriptor, &response),
                     GRPC_OK);
    ck_assert_int_eq(response->deleted, KEYS);
    ck_assert_uint_eq(response->n_prev_kvs, KEYS);
    check_key(response->prev_kvs[KEYS - 1], KEYS - 1);
}
END_TEST

static void put_large(const char *key, const char *value)
{
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    put.key = etcd_client_bytes(key);
    put.value = etcd_client_bytes(value);
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.KV/Put", &put.base,
                                      &etcdserverpb__put_response__descriptor, NULL),
                     GRPC_OK);
}

/* Two of them are more than is packed on a loop. */
START_TEST(few_keys_with_large_values_come_whole_from_ranges_and_transactions)
{
    char *value = malloc(LARGE + 1);
    ck_assert_ptr_nonnull(value);
    memset(value, 'v', LARGE);
    value[LARGE] = '\0';
    put_large("k/a", value);
    put_large("k/b", value);
    Etcdserverpb__RangeRequest range = whole();
    Etcdserverpb__RangeResponse *answer;
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.KV/Range", &range.base,
                                      &etcdserverpb__range_response__descriptor, &answer),
                     GRPC_OK);
    ck_assert_uint_eq(answer->n_kvs, 2);
    ck_assert_uint_eq(answer->kvs[1]->value.len, LARGE);
    ck_assert_int_eq(memcmp(answer->kvs[1]->value.data, value, LARGE), 0);
    Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;
    Etcdserverpb__RequestOp op = ETCDSERVERPB__REQUEST_OP__INIT;
    Etcdserverpb__RequestOp *ops[] = {&op};
    Etcdserverpb__TxnResponse *response;
    op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    op.request_range = &range;
    txn.success = ops;
    txn.n_success = 1;
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.KV/Txn", &txn.base,
                                      &etcdserverpb__txn_response__descriptor, &response),
                     GRPC_OK);
    ck_assert(response->succeeded);
    answer = response->responses[0]->response_range;
    ck_assert_uint_eq(answer->n_kvs, 2);
    ck_assert_uint_eq(answer->kvs[0]->value.len, LARGE);
    ck_assert_int_eq(memcmp(answer->kvs[0]->value.data, value, LARGE), 0);
    free(value);
}
END_TEST

/* All keys so often that the answer would be larger than any is made: one that only reads, and one
 * that writes too, which is done all the same. */
START_TEST(a_transaction_whose_answer_is_too_large_fails_and_harms_nobody)
{
    enum { RANGES = 120, INNER = 4 };
    static Etcdserverpb__RequestOp *ranges[RANGES], *outer[INNER + 1];
    static Etcdserverpb__RequestOp inner_ops[INNER];
    Etcdserverpb__RangeRequest range = whole();
    Etcdserverpb__RequestOp range_op = ETCDSERVERPB__REQUEST_OP__INIT;
    Etcdserverpb__RequestOp put_op = ETCDSERVERPB__REQUEST_OP__INIT;
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    Etcdserverpb__TxnRequest inner = ETCDSERVERPB__TXN_REQUEST__INIT;
    Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;
    put_all();
    range_op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    range_op.request_range = &range;
    for (size_t i = 0; i < RANGES; i++) {
        ranges[i] = &range_op;
    }
    inner.success = ranges;
    inner.n_success = RANGES;
    for (size_t i = 0; i < INNER; i++) {
        etcdserverpb__request_op__init(&inner_ops[i]);
        inner_ops[i].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN;
        inner_ops[i].request_txn = &inner;
        outer[i] = &inner_ops[i];
    }
    put.key = put.value = etcd_client_bytes("written");
    put_op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    put_op.request_put = &put;
    outer[INNER] = &put_op;
    txn.success = outer;
    for (size_t count = INNER; count <= INNER + 1; count++) {
        txn.n_success = count;
        ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.KV/Txn", &txn.base,
                                          &etcdserverpb__txn_response__descriptor, NULL),
                         GRPC_RESOURCE_EXHAUSTED);
        ck_assert_str_eq(etcd_client_message(live.clients[0]),
                         "etcdserver: range is too large, use a limit");
    }
    range.key = put.key;
    range.range_end = etcd_client_bytes("");
    Etcdserverpb__RangeResponse *answer;
    ck_assert_int_eq(etcd_client_call(live.clients[0], "/etcdserverpb.KV/Range", &range.base,
                                      &etcdserverpb__range_response__descriptor, &answer),
                     GRPC_OK);
    ck_assert_uint_eq(answer->n_kvs, 1);
}
END_TEST

START_TEST(a_client_that_leaves_meanwhile_leaves_nothing_behind)
{
    put_all();
    Etcdserverpb__RangeRequest request = whole();
    for (size_t i = 0; i < 20; i++) {
        struct etcd_client_call *call =
            etcd_client_start(live.clients[0], "/etcdserverpb.KV/Range", &request.base,
                              &etcdserverpb__range_response__descriptor);
        for (size_t turn = 0; turn < i; turn++) {
            loop_turn(etcd_client_loop(live.clients[0]), /* wait= */ false);
        }
        etcd_client_drop(call);
    }
    ck_assert_uint_eq(answer_to(&request)->n_kvs, KEYS);
}
END_TEST

static Suite *long_suite(void)
{
    Suite *suite = suite_create("store/etcd_long");
    TCase *one = tcase_create("one member");
    tcase_add_checked_fixture(one, live_clients_open_one, live_clients_close);
    tcase_set_timeout(one, 120);
    tcase_add_test(one, a_range_of_very_many_keys_is_whole_and_in_order);
    tcase_add_test(one, a_range_of_very_many_keys_fails_as_a_short_one_does);
    tcase_add_test(one, deleting_very_many_keys_tells_all_that_were_there);
    tcase_add_test(one, few_keys_with_large_values_come_whole_from_ranges_and_transactions);
    tcase_add_test(one, a_transaction_whose_answer_is_too_large_fails_and_harms_nobody);
    tcase_add_test(one, a_client_that_leaves_meanwhile_leaves_nothing_behind);
    suite_add_tcase(suite, one);
    return suite;
}

int main(void)
{
    Suite *suites[] = {long_suite()};
    return unit_main(suites, 1);
}
