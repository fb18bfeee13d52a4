/* Commands that take several turns: nothing of them is seen before the end, and at the end the same
 * is there as if they had been applied at once. */
#include "lib/base/digest.h"
#include "store/snapshot_view.h"
#include "store/store.h"
#include "tests/unit/store/model.h"
#include <check.h>
#include <stdio.h>

Suite *turns_suite(void);

enum { TERM = 5, KEYS = 60, MAX_BYTES = 1 << 20 };

static struct store_state at_once, by_turns;
static uint64_t next_index;
static unsigned seed;

static void open_states(void)
{
    store_state_init(&at_once);
    store_state_init(&by_turns);
    next_index = 1;
}

static void close_states(void)
{
    store_state_release(&at_once);
    store_state_release(&by_turns);
}

static unsigned below(unsigned limit)
{
    seed = seed * 1103515245U + 12345U;
    return (seed >> 16) % limit;
}

static bool wants_all(void *data, const struct store_command *command)
{
    (void)data;
    (void)command;
    return true;
}

static uint64_t range_digest(const struct store_range_result *result)
{
    uint64_t digest = (uint64_t)result->count;
    for (size_t i = 0; i < result->kv_count; i++) {
        const struct store_kv *kv = result->kvs[i];
        const int64_t numbers[] = {kv->mod_revision, kv->create_revision, kv->version, kv->lease};
        digest = digest64(digest, slice_of(numbers, sizeof(numbers)));
        digest = digest64(digest, kv->key);
    }
    return digest;
}

static uint64_t digest_of(struct store_snapshot *view)
{
    static const uint8_t zero = 0;
    struct store_range range = {.key = slice_text("k"), .end = slice_of(&zero, 1)};
    struct store_range_result result;
    ck_assert_int_eq(store_snapshot_range(view, &range, &result), 0);
    uint64_t digest = range_digest(&result) + (uint64_t)store_snapshot_revision(view);
    store_range_result_release(&result);
    store_snapshot_unref(view);
    return digest;
}

struct seen {
    int64_t revision;
    uint64_t hash, digest;
    size_t history;
};

static struct seen look(void)
{
    return (struct seen){.revision = mvcc_revision(by_turns.mvcc),
                         .hash = store_state_hash(&by_turns),
                         .digest = digest_of(mvcc_view(by_turns.mvcc)),
                         .history = mvcc_history_count(by_turns.mvcc)};
}

static void check_unseen(struct seen before)
{
    struct seen now = look();
    ck_assert_int_eq(now.revision, before.revision);
    ck_assert_uint_eq(now.hash, before.hash);
    ck_assert_uint_eq(now.digest, before.digest);
    ck_assert_uint_eq(now.history, before.history);
}

static void check_same_result(const struct store_txn_result *a, const struct store_txn_result *b)
{
    ck_assert_int_eq(a->succeeded, b->succeeded);
    ck_assert_int_eq(a->revision, b->revision);
    ck_assert_uint_eq(a->op_count, b->op_count);
    for (size_t i = 0; i < a->op_count; i++) {
        const struct store_op_result *x = &a->ops[i];
        const struct store_op_result *y = &b->ops[i];
        ck_assert_int_eq(x->kind, y->kind);
        ck_assert_int_eq(x->revision, y->revision);
        if (x->kind == STORE_OP_TXN) {
            check_same_result(x->txn, y->txn);
        } else if (x->kind == STORE_OP_RANGE) {
            ck_assert_uint_eq(range_digest(&x->range), range_digest(&y->range));
        } else if (x->kind == STORE_OP_DELETE) {
            ck_assert_int_eq(x->delete_range.deleted, y->delete_range.deleted);
            ck_assert_uint_eq(x->delete_range.prev_count, y->delete_range.prev_count);
            for (size_t k = 0; k < x->delete_range.prev_count; k++) {
                ck_assert(slice_equal(x->delete_range.prev_kvs[k]->key,
                                      y->delete_range.prev_kvs[k]->key));
            }
        }
    }
}

/* On both states; returns how many turns it took on the one. */
static unsigned apply(struct store_command *command, size_t keys)
{
    struct buffer bytes;
    struct store_applied whole, applied;
    unsigned turns = 1;
    uint64_t index = next_index++;
    buffer_init(&bytes, MAX_BYTES);
    command->member = 1;
    command->sequence = index;
    command->floor = index;
    ck_assert_int_eq(store_command_encode(command, &bytes), 0);
    store_state_apply(&at_once, index, TERM, buffer_slice(&bytes), wants_all, NULL, &whole);
    struct seen before = look();
    bool done = store_state_apply_some(&by_turns, index, TERM, buffer_slice(&bytes), keys,
                                       wants_all, NULL, &applied);
    for (; !done; turns++) {
        check_unseen(before);
        ck_assert_uint_eq(by_turns.applied_index, index - 1);
        done = store_state_apply_more(&by_turns, keys, &applied);
    }
    ck_assert_int_eq(applied.status, whole.status);
    ck_assert_int_eq(applied.revision, whole.revision);
    ck_assert_uint_eq(applied.event_count, whole.event_count);
    ck_assert_int_eq(applied.result == NULL, whole.result == NULL);
    if (whole.result != NULL) {
        check_same_result(whole.result, applied.result);
    }
    ck_assert_uint_eq(store_state_hash(&by_turns), store_state_hash(&at_once));
    ck_assert_uint_eq(by_turns.applied_index, index);
    store_txn_result_unref(applied.result);
    store_txn_result_unref(whole.result);
    buffer_release(&bytes);
    return turns;
}

static unsigned apply_ops(const struct store_op *ops, size_t count, size_t keys)
{
    const struct store_txn txn = {.success = ops, .success_count = count};
    struct store_command command = {.kind = STORE_COMMAND_TXN, .txn = &txn};
    return apply(&command, keys);
}

static void put(const char *key, int64_t lease)
{
    const struct store_op op = {
        .kind = STORE_OP_PUT,
        .put = {.key = slice_text(key), .value = slice_text("v"), .lease = lease}};
    ck_assert_uint_eq(apply_ops(&op, 1, /* keys= */ 1), 1);
}

static void grant(int64_t id)
{
    struct store_command command = {.kind = STORE_COMMAND_LEASE_GRANT,
                                    .grant = {.id = id, .ttl_s = 60}};
    ck_assert_uint_eq(apply(&command, /* keys= */ 1), 1);
}

static void fill(int64_t lease)
{
    for (unsigned i = 0; i < KEYS; i++) {
        char key[8];
        (void)snprintf(key, sizeof(key), "k%02u", i);
        put(key, lease);
    }
}

START_TEST(a_deletion_by_turns_is_one_revision_that_nobody_sees_a_part_of)
{
    const struct store_op op = {
        .kind = STORE_OP_DELETE,
        .delete_range = {.key = slice_text("k10"), .end = slice_text("k50"), .prev_kv = true}};
    fill(/* lease= */ 0);
    int64_t revision = mvcc_revision(by_turns.mvcc);
    ck_assert_uint_eq(apply_ops(&op, 1, /* keys= */ 7), 6);
    ck_assert_int_eq(mvcc_revision(by_turns.mvcc), revision + 1);
    ck_assert_uint_eq(apply_ops(&op, 1, /* keys= */ 7), 1); /* Nothing is left. */
}
END_TEST

START_TEST(a_compare_of_very_many_keys_takes_turns_and_may_still_refuse)
{
    const struct store_compare compare = {.target = STORE_COMPARE_VERSION,
                                          .op = STORE_COMPARE_EQUAL,
                                          .key = slice_text("k"),
                                          .end = slice_text("l"),
                                          .number = 1};
    const struct store_op op = {
        .kind = STORE_OP_PUT,
        .put = {.key = slice_text("k00"), .value = slice_text("v"), .lease = 999}};
    struct store_txn txn = {
        .compares = &compare, .compare_count = 1, .success = &op, .success_count = 1};
    struct store_command command = {.kind = STORE_COMMAND_TXN, .txn = &txn};
    fill(/* lease= */ 0);
    int64_t revision = mvcc_revision(by_turns.mvcc);
    ck_assert_uint_ge(apply(&command, /* keys= */ 7), 9); /* Refused: there is no such lease. */
    ck_assert_int_eq(mvcc_revision(by_turns.mvcc), revision);
    grant(999);
    ck_assert_uint_ge(apply(&command, /* keys= */ 7), 9);
    ck_assert_int_eq(mvcc_revision(by_turns.mvcc), revision + 1);
    ck_assert_uint_eq(apply(&command, /* keys= */ 7), 1); /* The first key has another version. */
    ck_assert_int_eq(mvcc_revision(by_turns.mvcc), revision + 1);
}
END_TEST

START_TEST(a_revocation_by_turns_is_one_revision_that_nobody_sees_a_part_of)
{
    struct store_command command = {.kind = STORE_COMMAND_LEASE_REVOKE, .revoke = {.id = 9}};
    grant(9);
    fill(/* lease= */ 9);
    int64_t revision = mvcc_revision(by_turns.mvcc);
    ck_assert_uint_eq(apply(&command, /* keys= */ 16), 4);
    ck_assert_int_eq(mvcc_revision(by_turns.mvcc), revision + 1);
    ck_assert(!lease_table_has(by_turns.leases, 9));
}
END_TEST

/* A view that somebody took keeps what it holds when the turns are over. */
START_TEST(a_view_of_before_outlives_the_turns)
{
    const struct store_op op = {.kind = STORE_OP_DELETE,
                                .delete_range = {.key = slice_text("k"), .end = slice_text("l")}};
    const struct store_txn txn = {.success = &op, .success_count = 1};
    struct store_command command = {
        .kind = STORE_COMMAND_TXN, .txn = &txn, .member = 1, .sequence = 900, .floor = 900};
    CLEANUP(buffer_release) struct buffer bytes;
    struct store_applied applied;
    fill(/* lease= */ 0);
    uint64_t expected = digest_of(mvcc_view(by_turns.mvcc));
    buffer_init(&bytes, MAX_BYTES);
    ck_assert_int_eq(store_command_encode(&command, &bytes), 0);
    ck_assert(!store_state_apply_some(&by_turns, next_index, TERM, buffer_slice(&bytes),
                                      /* keys= */ 10, NULL, NULL, &applied));
    struct store_snapshot *view = mvcc_view(by_turns.mvcc);
    while (!store_state_apply_more(&by_turns, /* keys= */ 10, &applied)) {
    }
    ck_assert_uint_eq(digest_of(view), expected);
    ck_assert_uint_ne(digest_of(mvcc_view(by_turns.mvcc)), expected);
}
END_TEST

/* As when the process ends: nothing leaks. */
START_TEST(a_state_can_be_given_up_between_two_turns)
{
    const struct store_op deletion = {
        .kind = STORE_OP_DELETE,
        .delete_range = {.key = slice_text("k"), .end = slice_text("l"), .prev_kv = true}};
    const struct store_txn inner = {.success = &deletion, .success_count = 1};
    const struct store_op op = {.kind = STORE_OP_TXN, .txn = &inner};
    const struct store_txn txn = {.success = &op, .success_count = 1};
    struct store_command command = {
        .kind = STORE_COMMAND_TXN, .txn = &txn, .member = 1, .sequence = 900, .floor = 900};
    CLEANUP(buffer_release) struct buffer bytes;
    struct store_applied applied;
    fill(/* lease= */ 0);
    buffer_init(&bytes, MAX_BYTES);
    ck_assert_int_eq(store_command_encode(&command, &bytes), 0);
    ck_assert(!store_state_apply_some(&by_turns, next_index, TERM, buffer_slice(&bytes),
                                      /* keys= */ 10, wants_all, NULL, &applied));
}
END_TEST

/* ---- commands of every shape ---- */

struct shape {
    char keys[128][3];
    size_t key_count;
    struct store_op ops[8][4];
    struct store_compare compares[8][2];
    struct store_txn txns[8];
    size_t txn_count;
};

static struct slice some_key(struct shape *shape)
{
    char *key = shape->keys[shape->key_count++];
    key[0] = 'k';
    key[1] = (char)('a' + below(6));
    key[2] = (char)('a' + below(6));
    return slice_of(key, 3);
}

static struct slice some_end(struct shape *shape)
{
    static const uint8_t zero = 0;
    return below(4) == 0 ? slice_of(NULL, 0) : below(4) == 0 ? slice_of(&zero, 1) : some_key(shape);
}

/* Mostly true of all keys, so that very many are looked at. */
static struct store_compare some_compare(struct shape *shape)
{
    struct slice key = some_key(shape);
    return (struct store_compare){.target = STORE_COMPARE_MOD,
                                  .op = STORE_COMPARE_GREATER,
                                  .key = key,
                                  .end = some_end(shape),
                                  .number = below(8) == 0 ? 20 : -1};
}

static const struct store_txn *some_txn(struct shape *shape, unsigned depth);

static struct store_op some_op(struct shape *shape, unsigned depth)
{
    struct slice key = some_key(shape), end = some_end(shape);
    switch (below(depth < 2 && shape->txn_count < 7 ? 5 : 4)) {
    case 0:
        return (struct store_op){.kind = STORE_OP_DELETE,
                                 .delete_range = {.key = key, .end = end, .prev_kv = below(2)}};
    case 1:
        return (struct store_op){.kind = STORE_OP_RANGE, .range = {.key = key, .end = end}};
    case 4:
        return (struct store_op){.kind = STORE_OP_TXN, .txn = some_txn(shape, depth + 1)};
    default:
        return (struct store_op){
            .kind = STORE_OP_PUT,
            .put = {.key = key, .value = slice_text("w"), .lease = below(3) == 0 ? 7 : 0}};
    }
}

static const struct store_txn *some_txn(struct shape *shape, unsigned depth)
{
    size_t at = shape->txn_count++;
    size_t count = 1 + below(4);
    for (size_t i = 0; i < count; i++) {
        shape->ops[at][i] = some_op(shape, depth);
    }
    size_t compares = below(3);
    for (size_t i = 0; i < compares; i++) {
        shape->compares[at][i] = some_compare(shape);
    }
    shape->txns[at] = (struct store_txn){.compares = shape->compares[at],
                                         .compare_count = compares,
                                         .success = shape->ops[at],
                                         .success_count = count,
                                         .failure = shape->ops[at],
                                         .failure_count = below(2)};
    return &shape->txns[at];
}

START_TEST(by_turns_or_at_once_is_the_same)
{
    unsigned long_ones = 0;
    seed = (unsigned)_i * 7919U + 1;
    grant(7);
    for (int i = 0; i < 60; i++) {
        struct shape shape = {0};
        struct store_command command = {.kind = STORE_COMMAND_TXN,
                                        .txn = some_txn(&shape, /* depth= */ 0)};
        if (i % 20 == 19) {
            command =
                (struct store_command){.kind = STORE_COMMAND_LEASE_REVOKE, .revoke = {.id = 7}};
        }
        long_ones += apply(&command, 1 + below(4)) > 1;
        if (i % 20 == 19) {
            grant(7);
        }
    }
    ck_assert_uint_gt(long_ones, 5);
}
END_TEST

Suite *turns_suite(void)
{
    Suite *suite = suite_create("store/turns");
    TCase *turns = tcase_create("turns");
    tcase_add_checked_fixture(turns, open_states, close_states);
    tcase_add_test(turns, a_deletion_by_turns_is_one_revision_that_nobody_sees_a_part_of);
    tcase_add_test(turns, a_compare_of_very_many_keys_takes_turns_and_may_still_refuse);
    tcase_add_test(turns, a_revocation_by_turns_is_one_revision_that_nobody_sees_a_part_of);
    tcase_add_test(turns, a_view_of_before_outlives_the_turns);
    tcase_add_test(turns, a_state_can_be_given_up_between_two_turns);
    tcase_add_loop_test(turns, by_turns_or_at_once_is_the_same, 0, 30);
    suite_add_tcase(suite, turns);
    return suite;
}
