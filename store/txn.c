#include "store/txn.h"

#include "lib/base/alloc.h"
#include "store/limits.h"
#include "store/mvcc_range.h"
#include "store/status.h"
#include <assert.h>
#include <stdlib.h>

void store_range_result_release(struct store_range_result *result)
{
    for (size_t i = 0; i < result->kv_count; i++) {
        store_kv_unref(result->kvs[i]);
    }
    free(result->kvs);
    *result = (struct store_range_result){0};
}

struct store_txn_result *store_txn_result_new(size_t op_count)
{
    assert(op_count <=
           (SIZE_MAX - sizeof(struct store_txn_result)) / sizeof(struct store_op_result));
    struct store_txn_result *result =
        alloc_zeroed(sizeof(*result) + op_count * sizeof(result->ops[0]));
    atomic_init(&result->refs, 1);
    result->op_count = op_count;
    return result;
}

struct store_txn_result *store_txn_result_ref(const struct store_txn_result *result)
{
    /* The count is the one mutable part of a result. */
    struct store_txn_result *shared = (struct store_txn_result *)(uintptr_t)result;
    atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    return shared;
}

static void op_result_release(struct store_op_result *op)
{
    switch (op->kind) {
    case STORE_OP_RANGE:
        store_range_result_release(&op->range);
        break;
    case STORE_OP_PUT:
        store_kv_unref(op->put.prev_kv);
        break;
    case STORE_OP_DELETE:
        for (size_t i = 0; i < op->delete_range.prev_count; i++) {
            store_kv_unref(op->delete_range.prev_kvs[i]);
        }
        free(op->delete_range.prev_kvs);
        break;
    case STORE_OP_TXN:
        store_txn_result_unref(op->txn);
        break;
    }
}

void store_txn_result_unref(struct store_txn_result *result)
{
    if (result == NULL || atomic_fetch_sub_explicit(&result->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < result->op_count; i++) {
        op_result_release(&result->ops[i]);
    }
    free(result);
}

/* --- Checking, in etcd's order: each operation by itself, then what the keys have in common. */

int store_range_check(const struct store_range *range)
{
    if (range->key.len == 0) {
        return STORE_EMPTY_KEY;
    }
    if ((int)range->sort_order < 0 || range->sort_order > STORE_SORT_DESCEND ||
        (int)range->sort_target < 0 || range->sort_target > STORE_SORT_VALUE) {
        return STORE_INVALID_SORT;
    }
    return 0;
}

static int check_put(const struct store_put *put)
{
    if (put->key.len == 0) {
        return STORE_EMPTY_KEY;
    }
    if (put->ignore_value && put->value.len > 0) {
        return STORE_VALUE_PROVIDED;
    }
    return put->ignore_lease && put->lease != 0 ? STORE_LEASE_PROVIDED : 0;
}

static int check_shape(const struct store_txn *txn, unsigned depth);

static int check_op(const struct store_op *op, unsigned depth)
{
    switch (op->kind) {
    case STORE_OP_RANGE:
        return store_range_check(&op->range);
    case STORE_OP_PUT:
        return check_put(&op->put);
    case STORE_OP_DELETE:
        return op->delete_range.key.len == 0 ? STORE_EMPTY_KEY : 0;
    case STORE_OP_TXN:
        return check_shape(op->txn, depth + 1);
    }
    return STORE_MALFORMED;
}

static int check_shape(const struct store_txn *txn, unsigned depth)
{
    if (depth > STORE_TXN_DEPTH_MAX || txn->compare_count > STORE_TXN_OPS_MAX ||
        txn->success_count > STORE_TXN_OPS_MAX || txn->failure_count > STORE_TXN_OPS_MAX) {
        return STORE_TOO_MANY_OPS;
    }
    for (size_t i = 0; i < txn->compare_count; i++) {
        if (txn->compares[i].key.len == 0) {
            return STORE_EMPTY_KEY;
        }
    }
    int status = 0;
    for (size_t i = 0; i < txn->success_count && status == 0; i++) {
        status = check_op(&txn->success[i], depth);
    }
    for (size_t i = 0; i < txn->failure_count && status == 0; i++) {
        status = check_op(&txn->failure[i], depth);
    }
    return status;
}

/* The keys one branch may put and the ranges it may delete. */
struct touched {
    struct touched_range {
        struct slice key;
        struct slice end;
    } * puts, *deletes;
    size_t put_count, delete_count;
};

static void touched_release(struct touched *touched)
{
    free(touched->puts);
    free(touched->deletes);
}

static void touched_add(struct touched_range **ranges, size_t *count, struct slice key,
                        struct slice end)
{
    if ((*count & (*count + 1)) == 0) { /* At 0, 1, 3, 7, ...: room for as many more and one. */
        *ranges = alloc_resize(*ranges, *count * 2 + 1, sizeof(**ranges));
    }
    (*ranges)[(*count)++] = (struct touched_range){.key = key, .end = end};
}

static bool is_put(const struct touched *touched, struct slice key)
{
    for (size_t i = 0; i < touched->put_count; i++) {
        if (slice_equal(touched->puts[i].key, key)) {
            return true;
        }
    }
    return false;
}

static bool is_deleted(const struct touched *touched, struct slice key)
{
    for (size_t i = 0; i < touched->delete_count; i++) {
        if (mvcc_in_range(key, touched->deletes[i].key, touched->deletes[i].end)) {
            return true;
        }
    }
    return false;
}

static int add_put(struct touched *touched, struct slice key)
{
    if (is_put(touched, key) || is_deleted(touched, key)) {
        return STORE_DUPLICATE_KEY;
    }
    touched_add(&touched->puts, &touched->put_count, key, slice_of(NULL, 0));
    return 0;
}

static int collect_touched(const struct store_op *ops, size_t count, struct touched *touched);

/* The two branches exclude each other, so they may put the same key. */
static int collect_nested(const struct store_txn *txn, struct touched *touched)
{
    CLEANUP(touched_release) struct touched success = {0};
    CLEANUP(touched_release) struct touched failure = {0};
    int status = collect_touched(txn->success, txn->success_count, &success);
    if (status == 0) {
        status = collect_touched(txn->failure, txn->failure_count, &failure);
    }
    for (size_t i = 0; i < success.put_count && status == 0; i++) {
        status = add_put(touched, success.puts[i].key);
    }
    for (size_t i = 0; i < failure.put_count && status == 0; i++) {
        if (!is_put(&success, failure.puts[i].key)) {
            status = add_put(touched, failure.puts[i].key);
        }
    }
    const struct touched *branches[] = {&success, &failure};
    for (size_t b = 0; b < 2; b++) {
        for (size_t i = 0; i < branches[b]->delete_count; i++) {
            touched_add(&touched->deletes, &touched->delete_count, branches[b]->deletes[i].key,
                        branches[b]->deletes[i].end);
        }
    }
    return status;
}

static int collect_touched(const struct store_op *ops, size_t count, struct touched *touched)
{
    int status = 0;
    for (size_t i = 0; i < count; i++) {
        if (ops[i].kind == STORE_OP_DELETE) {
            touched_add(&touched->deletes, &touched->delete_count, ops[i].delete_range.key,
                        ops[i].delete_range.end);
        }
    }
    for (size_t i = 0; i < count && status == 0; i++) {
        if (ops[i].kind == STORE_OP_TXN) {
            status = collect_nested(ops[i].txn, touched);
        }
    }
    for (size_t i = 0; i < count && status == 0; i++) {
        if (ops[i].kind == STORE_OP_PUT) {
            status = add_put(touched, ops[i].put.key);
        }
    }
    return status;
}

/* No key twice: a lone operation, as most have it, is not looked at. */
static bool is_plain(const struct store_op *ops, size_t count)
{
    return count == 0 || (count == 1 && ops[0].kind != STORE_OP_TXN);
}

int store_txn_check(const struct store_txn *txn)
{
    int status = check_shape(txn, /* depth= */ 1);
    if (status != 0 || (is_plain(txn->success, txn->success_count) &&
                        is_plain(txn->failure, txn->failure_count))) {
        return status;
    }
    CLEANUP(touched_release) struct touched success = {0};
    CLEANUP(touched_release) struct touched failure = {0};
    status = collect_touched(txn->success, txn->success_count, &success);
    return status != 0 ? status : collect_touched(txn->failure, txn->failure_count, &failure);
}

static bool ops_only_read(const struct store_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ops[i].kind != STORE_OP_RANGE &&
            !(ops[i].kind == STORE_OP_TXN && store_txn_is_read_only(ops[i].txn))) {
            return false;
        }
    }
    return true;
}

bool store_txn_is_read_only(const struct store_txn *txn)
{
    return ops_only_read(txn->success, txn->success_count) &&
           ops_only_read(txn->failure, txn->failure_count);
}

static bool ops_put(const struct store_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ops[i].kind == STORE_OP_PUT ||
            (ops[i].kind == STORE_OP_TXN && store_txn_puts(ops[i].txn))) {
            return true;
        }
    }
    return false;
}

bool store_txn_puts(const struct store_txn *txn)
{
    return ops_put(txn->success, txn->success_count) || ops_put(txn->failure, txn->failure_count);
}
