/* Transactions and ranges with etcd's semantics. The first write of a new store is revision 2. */
#include "tests/unit/store/model.h"

#include <check.h>
#include <stdlib.h>

Suite *txn_suite(void);

#define PUT(k, v)                                                                                  \
    {                                                                                              \
        .kind = STORE_OP_PUT, .put = {.key = slice_text(k), .value = slice_text(v) }               \
    }
#define GET(k)                                                                                     \
    {                                                                                              \
        .kind = STORE_OP_RANGE, .range = {.key = slice_text(k) }                                   \
    }

START_TEST(revisions_and_versions_count_as_in_etcd)
{
    struct model model;
    model_init(&model);
    ck_assert_int_eq(model_put(&model, "a", "1"), 0);
    ck_assert_int_eq(model.last.revision, 2);
    ck_assert_int_eq(model_put(&model, "b", "1"), 0);
    ck_assert_int_eq(model_put(&model, "a", "2"), 0);
    ck_assert_str_eq(model_all(&model, 0), "a=2@2.4.2 b=1@3.3.1");
    ck_assert_int_eq(model_delete(&model, "a", ""), 0);
    ck_assert_int_eq(model_delete(&model, "a", ""), 0); /* Changes nothing: no revision. */
    ck_assert_int_eq(model.last.revision, 5);
    ck_assert_int_eq(model_put(&model, "a", "3"), 0);
    ck_assert_str_eq(model_all(&model, 0), "a=3@6.6.1 b=1@3.3.1");
    ck_assert_str_eq(model_all(&model, 4), "a=2@2.4.2 b=1@3.3.1");
    ck_assert_str_eq(model_all(&model, 5), "b=1@3.3.1");
    ck_assert_str_eq(model_all(&model, 2), "a=1@2.2.1");
    ck_assert_str_eq(model_all(&model, 7),
                     "etcdserver: mvcc: required revision is a future revision");
    model_release(&model);
}
END_TEST

START_TEST(ranges_limit_sort_filter_and_count)
{
    struct model model;
    model_init(&model);
    model_put(&model, "k1", "c");
    model_put(&model, "k2", "b");
    model_put(&model, "k3", "a");
    model_put(&model, "k1", "d");
    model_put(&model, "l", "x");
    struct store_range range = {.key = slice_text("k"), .end = slice_text("l"), .limit = 2};
    ck_assert_str_eq(model_range(&model, &range), "k1=d@2.5.2 k2=b@3.3.1 more of 3");
    range.sort_order = STORE_SORT_DESCEND;
    ck_assert_str_eq(model_range(&model, &range), "k3=a@4.4.1 k2=b@3.3.1 more of 3");
    range.sort_target = STORE_SORT_MOD;
    ck_assert_str_eq(model_range(&model, &range), "k1=d@2.5.2 k3=a@4.4.1 more of 3");
    range.sort_order = STORE_SORT_NONE; /* Another target without an order ascends. */
    range.sort_target = STORE_SORT_VALUE;
    range.limit = 0;
    ck_assert_str_eq(model_range(&model, &range), "k3=a@4.4.1 k2=b@3.3.1 k1=d@2.5.2");
    range.sort_target = STORE_SORT_KEY;
    range.min_mod_revision = 4;
    ck_assert_str_eq(model_range(&model, &range), "k1=d@2.5.2 k3=a@4.4.1 of 3");
    range.max_create_revision = 2;
    ck_assert_str_eq(model_range(&model, &range), "k1=d@2.5.2 of 3");
    range.count_only = true;
    ck_assert_str_eq(model_range(&model, &range), " of 3");
    struct store_range from = {.key = slice_text("k3"), .end = text_end("*")};
    ck_assert_str_eq(model_range(&model, &from), "k3=a@4.4.1 l=x@6.6.1");
    model_release(&model);
}
END_TEST

START_TEST(compares_choose_the_branch)
{
    struct model model;
    model_init(&model);
    model_put(&model, "a", "1"); /* Revision 2. */
    model_put(&model, "ab", "2");
    struct {
        struct store_compare compare;
        bool holds;
    } rows[] = {
        {{STORE_COMPARE_VERSION, STORE_COMPARE_EQUAL, .key = slice_text("a"), .number = 1}, true},
        {{STORE_COMPARE_VERSION, STORE_COMPARE_EQUAL, .key = slice_text("no"), .number = 0}, true},
        {{STORE_COMPARE_CREATE, STORE_COMPARE_GREATER, .key = slice_text("a"), .number = 2}, false},
        {{STORE_COMPARE_MOD, STORE_COMPARE_LESS, .key = slice_text("ab"), .number = 4}, true},
        {{STORE_COMPARE_VALUE, STORE_COMPARE_NOT_EQUAL, .key = slice_text("a"),
          .value = slice_text("2")},
         true},
        {{STORE_COMPARE_VALUE, STORE_COMPARE_NOT_EQUAL, .key = slice_text("no"),
          .value = slice_text("2")},
         false}, /* An absent key has no value. */
        {{STORE_COMPARE_LEASE, STORE_COMPARE_EQUAL, .key = slice_text("a"), .number = 0}, true},
        {{STORE_COMPARE_MOD, STORE_COMPARE_GREATER, .key = slice_text("a"), .end = slice_text("b"),
          .number = 1},
         true},
        {{STORE_COMPARE_MOD, STORE_COMPARE_GREATER, .key = slice_text("a"), .end = slice_text("b"),
          .number = 2},
         false}, /* Must hold for each key. */
        {{STORE_COMPARE_VERSION, STORE_COMPARE_EQUAL, .key = slice_text("x"),
          .end = slice_text("y"), .number = 0},
         true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct store_op get = GET("a");
        struct store_txn txn = {
            .compares = &rows[i].compare, .compare_count = 1, .success = &get, .success_count = 1};
        ck_assert_int_eq(model_txn(&model, &txn), 0);
        ck_assert_int_eq(model.last.result->succeeded, rows[i].holds);
        ck_assert_uint_eq(model.last.result->op_count, rows[i].holds ? 1 : 0);
        ck_assert_int_eq(model.last.revision, 3);
    }
    model_release(&model);
}
END_TEST

START_TEST(operations_of_one_transaction_share_a_revision_and_see_each_other)
{
    struct model model;
    model_init(&model);
    model_put(&model, "a", "1");
    struct store_op ops[] = {
        PUT("b", "2"),
        GET("b"),
        {.kind = STORE_OP_DELETE, .delete_range = {.key = slice_text("a"), .prev_kv = true}},
        GET("a")};
    ck_assert_int_eq(model_ops(&model, ops, 4), 0);
    const struct store_txn_result *result = model.last.result;
    ck_assert_int_eq(result->revision, 3);
    ck_assert_uint_eq(result->ops[1].range.kv_count, 1);
    ck_assert_int_eq(result->ops[1].range.kvs[0]->mod_revision, 3);
    ck_assert_int_eq(result->ops[2].delete_range.deleted, 1);
    ck_assert(slice_is(result->ops[2].delete_range.prev_kvs[0]->value, "1"));
    ck_assert_uint_eq(result->ops[3].range.kv_count, 0);
    ck_assert_uint_eq(model.last.event_count, 2);
    model_release(&model);
}
END_TEST

START_TEST(nested_transactions_decide_before_anything_changes)
{
    struct model model;
    model_init(&model);
    struct store_compare absent = {STORE_COMPARE_VERSION, STORE_COMPARE_EQUAL,
                                   .key = slice_text("a"), .number = 0};
    struct store_op inner_put = PUT("b", "inner");
    struct store_txn inner = {
        .compares = &absent, .compare_count = 1, .success = &inner_put, .success_count = 1};
    struct store_op ops[] = {PUT("a", "outer"), {.kind = STORE_OP_TXN, .txn = &inner}};
    ck_assert_int_eq(model_ops(&model, ops, 2), 0);
    ck_assert(model.last.result->ops[1].txn->succeeded);
    ck_assert_str_eq(model_all(&model, 0), "a=outer@2.2.1 b=inner@2.2.1");
    model_release(&model);
}
END_TEST

START_TEST(a_refused_transaction_changes_nothing)
{
    struct model model;
    model_init(&model);
    model_put(&model, "a", "1");
    struct store_op bad_lease[] = {PUT("b", "2"), PUT("c", "3")};
    bad_lease[1].put.lease = 77;
    ck_assert_int_eq(model_ops(&model, bad_lease, 2), STORE_LEASE_NOT_FOUND);
    struct store_op future[] = {PUT("b", "2"), GET("a")};
    future[1].range.revision = 3; /* Even the revision it would itself make. */
    ck_assert_int_eq(model_ops(&model, future, 2), STORE_FUTURE_REVISION);
    struct store_op ignored[] = {PUT("b", "")};
    ignored[0].put.ignore_value = true;
    ck_assert_int_eq(model_ops(&model, ignored, 1), STORE_KEY_NOT_FOUND);
    struct store_op twice[] = {PUT("b", "2"), PUT("b", "3")};
    ck_assert_int_eq(model_ops(&model, twice, 2), STORE_DUPLICATE_KEY);
    struct store_op over[] = {PUT("b", "2"),
                              {.kind = STORE_OP_DELETE,
                               .delete_range = {.key = slice_text("a"), .end = slice_text("c")}}};
    ck_assert_int_eq(model_ops(&model, over, 2), STORE_DUPLICATE_KEY);
    struct store_op empty[] = {PUT("", "2")};
    ck_assert_int_eq(model_ops(&model, empty, 1), STORE_EMPTY_KEY);
    static struct store_op many[STORE_TXN_OPS_MAX + 1];
    struct store_txn txn = {.success = many, .success_count = STORE_TXN_OPS_MAX + 1};
    ck_assert_int_eq(store_txn_check(&txn), STORE_TOO_MANY_OPS);
    ck_assert_str_eq(model_all(&model, 0), "a=1@2.2.1");
    model_release(&model);
}
END_TEST

START_TEST(branches_may_put_the_same_key_but_not_the_level_above)
{
    struct store_op put = PUT("b", "1");
    struct store_txn inner = {
        .success = &put, .success_count = 1, .failure = &put, .failure_count = 1};
    struct store_op ops[] = {{.kind = STORE_OP_TXN, .txn = &inner}, PUT("c", "1")};
    struct store_txn txn = {.success = ops, .success_count = 2};
    ck_assert_int_eq(store_txn_check(&txn), 0);
    ops[1].put.key = slice_text("b");
    ck_assert_int_eq(store_txn_check(&txn), STORE_DUPLICATE_KEY);
}
END_TEST

START_TEST(put_keeps_value_or_lease_when_told_so)
{
    struct model model;
    model_init(&model);
    ck_assert_int_eq(model_grant(&model, 9, 60), 0);
    ck_assert_int_eq(model_put_lease(&model, "a", "1", 9), 0);
    struct store_op keep_lease = PUT("a", "2");
    keep_lease.put.ignore_lease = true;
    ck_assert_int_eq(model_ops(&model, &keep_lease, 1), 0);
    ck_assert_int_eq(mvcc_get(model.state.mvcc, slice_text("a"))->lease, 9);
    struct store_op keep_value = PUT("a", "");
    keep_value.put.ignore_value = true;
    ck_assert_int_eq(model_ops(&model, &keep_value, 1), 0);
    ck_assert_str_eq(model_all(&model, 0), "a=2@2.4.3");
    ck_assert_int_eq(mvcc_get(model.state.mvcc, slice_text("a"))->lease, 0);
    ck_assert_uint_eq(lease_table_key_count(model.state.leases, 9), 0);
    model_release(&model);
}
END_TEST

START_TEST(a_lease_takes_its_keys_along_in_one_revision)
{
    struct model model;
    model_init(&model);
    ck_assert_int_eq(model_grant(&model, 9, 60), 0);
    ck_assert_int_eq(model_grant(&model, 9, 60), STORE_LEASE_EXISTS);
    ck_assert_int_eq(model_grant(&model, 10, STORE_LEASE_TTL_MAX_S + 1), STORE_LEASE_TTL_TOO_LARGE);
    model_put_lease(&model, "b", "1", 9);
    model_put_lease(&model, "a", "1", 9);
    model_put(&model, "c", "1");
    ck_assert_int_eq(model_revoke(&model, 9, /* term= */ 4), 0); /* Decided in an old term. */
    ck_assert(lease_table_has(model.state.leases, 9));
    ck_assert_int_eq(model_revoke(&model, 9, /* term= */ 5), 0);
    ck_assert_int_eq(model.last.revision, 5);
    ck_assert_uint_eq(model.last.event_count, 2);
    ck_assert_str_eq(model_all(&model, 0), "c=1@4.4.1");
    ck_assert_int_eq(model_revoke(&model, 9, 0), STORE_LEASE_NOT_FOUND);
    model_release(&model);
}
END_TEST

START_TEST(foreign_bytes_in_the_log_change_nothing)
{
    struct model model;
    model_init(&model);
    model_put(&model, "a", "1");
    uint64_t hash = store_state_hash(&model.state);
    struct store_applied applied;
    const char *texts[] = {"", "\1\1", "\1\1aaaaaaaabbbbbbbbccccccccdddddddd\377\377\377",
                           "\1\22aaaaaaaabbbbbbbbccccccccdddddddd\1\377\377\1"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        store_state_apply(&model.state, ++model.index, 5, slice_text(texts[i]), NULL, NULL,
                          &applied);
        ck_assert_int_eq(applied.status, STORE_MALFORMED);
    }
    ck_assert_uint_eq(store_state_hash(&model.state), hash);
    model_release(&model);
}
END_TEST

Suite *txn_suite(void)
{
    Suite *suite = suite_create("store/txn");
    TCase *tcase = tcase_create("txn");
    tcase_add_test(tcase, revisions_and_versions_count_as_in_etcd);
    tcase_add_test(tcase, ranges_limit_sort_filter_and_count);
    tcase_add_test(tcase, compares_choose_the_branch);
    tcase_add_test(tcase, operations_of_one_transaction_share_a_revision_and_see_each_other);
    tcase_add_test(tcase, nested_transactions_decide_before_anything_changes);
    tcase_add_test(tcase, a_refused_transaction_changes_nothing);
    tcase_add_test(tcase, branches_may_put_the_same_key_but_not_the_level_above);
    tcase_add_test(tcase, put_keeps_value_or_lease_when_told_so);
    tcase_add_test(tcase, a_lease_takes_its_keys_along_in_one_revision);
    tcase_add_test(tcase, foreign_bytes_in_the_log_change_nothing);
    suite_add_tcase(suite, tcase);
    return suite;
}
