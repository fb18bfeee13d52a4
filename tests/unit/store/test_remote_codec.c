/* Somebody's etcd: the names of keys and leases here and there, and transactions as its messages.
 */
#include "store/remote/codec.h"

#include <check.h>
#include <errno.h>

Suite *remote_codec_suite(void);

static struct remote_keys keys;

static void setup(void)
{
    ck_assert_int_eq(remote_keys_init(&keys, "/there"), 0);
}

/* --- Names. */

static void check_name(const char *here, const char *there)
{
    struct buffer out;
    buffer_init(&out, 1024);
    ck_assert_int_eq(remote_key_there(&keys, slice_text(here), &out), 0);
    ck_assert_str_eq(buffer_text(&out), there);
    buffer_clear(&out);
    ck_assert_int_eq(remote_key_here(&keys, slice_text(there), &out), 0);
    ck_assert_str_eq(buffer_text(&out), here);
    buffer_release(&out);
}

START_TEST(names_go_there_and_back)
{
    check_name("/registry/pods/a/b", "/there/pods/a/b");
    check_name("/coracle/nodes/n", "/there/coracle/nodes/n");
}
END_TEST

START_TEST(names_of_others_are_refused)
{
    struct buffer out;
    buffer_init(&out, 1024);
    const char *others[] = {"/registryx/a", "/registry", "registry/a", "", "/other/a", "/coraclex"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        ck_assert_int_eq(remote_key_there(&keys, slice_text(others[i]), &out), -EINVAL);
    }
    const char *strangers[] = {"/therex", "/there", "/there0", "/registry/pods/a", ""};
    for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
        ck_assert_int_eq(remote_key_here(&keys, slice_text(strangers[i]), &out), -EINVAL);
    }
    buffer_release(&out);
}
END_TEST

START_TEST(a_prefix_is_a_path_without_a_slash_at_its_end)
{
    struct remote_keys other;
    const char *bad[] = {"", "/", "registry", "/registry/"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_int_eq(remote_keys_init(&other, bad[i]), -EINVAL);
    }
    ck_assert_int_eq(remote_keys_init(&other, "/my/cluster"), 0);
}
END_TEST

START_TEST(two_clusters_have_different_leases_for_a_node_of_one_name)
{
    struct remote_keys other;
    ck_assert_int_eq(remote_keys_init(&other, "/elsewhere"), 0);
    ck_assert_int_ne(remote_lease(&keys, 77), remote_lease(&other, 77));
    ck_assert_int_eq(remote_lease(&keys, remote_lease(&keys, 77)), 77);
    ck_assert_int_gt(remote_lease(&keys, INT64_MAX), 0);
    ck_assert_int_eq(remote_lease(&keys, 0), 0);
}
END_TEST

START_TEST(progress_is_believed_from_the_versions_on_that_order_it)
{
    const char *ordered[] = {"3.4.25", "3.4.37", "3.5.8", "3.5.17", "3.6.0", "4.0.0"};
    const char *unordered[] = {"3.4.23", "3.4.24", "3.5.0", "3.5.7", "3.3.99", "", "x", "3"};
    for (size_t i = 0; i < ARRAY_LEN(ordered); i++) {
        ck_assert(remote_progress_is_ordered(ordered[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(unordered); i++) {
        ck_assert(!remote_progress_is_ordered(unordered[i]));
    }
}
END_TEST

/* --- Transactions as messages. */

START_TEST(a_transaction_goes_out_with_the_names_of_there)
{
    struct store_compare compare = {.target = STORE_COMPARE_MOD,
                                    .op = STORE_COMPARE_EQUAL,
                                    .key = slice_text("/registry/pods/a"),
                                    .number = 5};
    struct store_op ops[] = {
        {.kind = STORE_OP_PUT,
         .put = {.key = slice_text("/registry/pods/a"), .value = slice_text("v"), .lease = 9}},
        {.kind = STORE_OP_DELETE, .delete_range = {.key = slice_text("/coracle/x")}}};
    struct store_txn txn = {
        .compares = &compare, .compare_count = 1, .success = ops, .success_count = 2};
    struct buffer out;
    buffer_init(&out, 4096);
    ck_assert_int_eq(remote_txn_encode(&keys, &txn, &out), 0);
    struct arena *arena = arena_new(1 << 20);
    const Etcdserverpb__TxnRequest *message =
        remote_unpack(&etcdserverpb__txn_request__descriptor, arena, buffer_slice(&out));
    ck_assert_ptr_nonnull(message);
    ck_assert_int_eq(message->compare[0]->mod_revision, 5);
    ck_assert(slice_is(remote_slice(message->compare[0]->key), "/there/pods/a"));
    ck_assert(slice_is(remote_slice(message->success[0]->request_put->key), "/there/pods/a"));
    ck_assert_int_eq(message->success[0]->request_put->lease, remote_lease(&keys, 9));
    ck_assert(
        slice_is(remote_slice(message->success[1]->request_delete_range->key), "/there/coracle/x"));
    ops[1].delete_range.key = slice_text("/elsewhere");
    ck_assert_int_eq(remote_txn_encode(&keys, &txn, &out), -EINVAL);
    arena_free(arena);
    buffer_release(&out);
}
END_TEST

START_TEST(an_answer_comes_back_with_the_names_of_here)
{
    Mvccpb__KeyValue kv = MVCCPB__KEY_VALUE__INIT;
    kv.key = remote_bytes(slice_text("/there/pods/a"));
    kv.mod_revision = kv.create_revision = kv.version = 1;
    Etcdserverpb__PutResponse put_response = ETCDSERVERPB__PUT_RESPONSE__INIT;
    put_response.prev_kv = &kv;
    Etcdserverpb__ResponseOp op = ETCDSERVERPB__RESPONSE_OP__INIT;
    op.response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT;
    op.response_put = &put_response;
    Etcdserverpb__ResponseHeader header = ETCDSERVERPB__RESPONSE_HEADER__INIT;
    header.revision = 42;
    Etcdserverpb__TxnResponse response = ETCDSERVERPB__TXN_RESPONSE__INIT;
    response.header = &header;
    response.succeeded = true;
    response.n_responses = 1;
    response.responses = &(Etcdserverpb__ResponseOp *){&op};
    struct buffer out;
    buffer_init(&out, 4096);
    remote_pack(&response.base, &out);
    struct store_txn_result *result = NULL;
    ck_assert_int_eq(remote_txn_decode(&keys, buffer_slice(&out), &result), 0);
    ck_assert(result->succeeded);
    ck_assert_int_eq(result->revision, 42);
    ck_assert(slice_is(result->ops[0].put.prev_kv->key, "/registry/pods/a"));
    store_txn_result_unref(result);
    ck_assert_int_eq(remote_txn_decode(&keys, slice_text("not a message"), &result), -EPROTO);
    ck_assert_int_eq(remote_txn_decode(&keys, slice_text(""), &result), -EPROTO);
    buffer_release(&out);
}
END_TEST

Suite *remote_codec_suite(void)
{
    Suite *suite = suite_create("store/remote/codec");
    TCase *tcase = tcase_create("codec");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, names_go_there_and_back);
    tcase_add_test(tcase, names_of_others_are_refused);
    tcase_add_test(tcase, a_prefix_is_a_path_without_a_slash_at_its_end);
    tcase_add_test(tcase, two_clusters_have_different_leases_for_a_node_of_one_name);
    tcase_add_test(tcase, progress_is_believed_from_the_versions_on_that_order_it);
    tcase_add_test(tcase, a_transaction_goes_out_with_the_names_of_there);
    tcase_add_test(tcase, an_answer_comes_back_with_the_names_of_here);
    suite_add_tcase(suite, tcase);
    return suite;
}
