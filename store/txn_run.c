#include "store/txn_run.h"

#include "lib/base/alloc.h"
#include "store/limits.h"
#include "store/status.h"
#include <assert.h>
#include <stdlib.h>

/* Which branch each transaction takes, nested ones too. All are decided before anything changes,
 * as etcd does, so that an inner compare does not see an outer put. */
struct plan {
    bool succeeded;
    const struct store_op *ops;
    size_t op_count;
    struct plan **nested; /* By operation; NULL for those that are no transaction. */
};

struct run {
    struct mvcc *mvcc;
    struct lease_table *leases;
    struct arena *arena;
    bool lone_put;
};

/* --- Compares. */

static int order_of(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static bool order_matches(enum store_compare_op op, int order)
{
    switch (op) {
    case STORE_COMPARE_EQUAL:
        return order == 0;
    case STORE_COMPARE_GREATER:
        return order > 0;
    case STORE_COMPARE_LESS:
        return order < 0;
    case STORE_COMPARE_NOT_EQUAL:
        return order != 0;
    }
    return false;
}

static bool compare_kv(const struct store_compare *compare, const struct store_kv *kv)
{
    int order = 0;
    switch (compare->target) {
    case STORE_COMPARE_VERSION:
        order = order_of(kv->version, compare->number);
        break;
    case STORE_COMPARE_CREATE:
        order = order_of(kv->create_revision, compare->number);
        break;
    case STORE_COMPARE_MOD:
        order = order_of(kv->mod_revision, compare->number);
        break;
    case STORE_COMPARE_VALUE:
        order = slice_compare(kv->value, compare->value);
        break;
    case STORE_COMPARE_LEASE:
        order = order_of(kv->lease, compare->number);
        break;
    }
    return order_matches(compare->op, order);
}

struct compare_walk {
    const struct store_compare *compare;
    bool any;
    bool holds;
};

static bool compare_each(void *data, const struct store_kv *kv)
{
    struct compare_walk *walk = data;
    walk->any = true;
    walk->holds = compare_kv(walk->compare, kv);
    return walk->holds;
}

/* etcd: an empty range counts as one key that is all zero, except that it has no value to compare,
 * which is never true. */
static bool compare_holds(const struct mvcc *mvcc, const struct store_compare *compare)
{
    struct compare_walk walk = {.compare = compare, .holds = true};
    if (compare->end.len == 0) {
        const struct store_kv *kv = mvcc_get(mvcc, compare->key);
        if (kv != NULL) {
            return compare_kv(compare, kv);
        }
    } else {
        mvcc_each(mvcc, compare->key, compare->end, compare_each, &walk);
    }
    if (!walk.any) {
        const struct store_kv absent = {.version = 0};
        return compare->target != STORE_COMPARE_VALUE && compare_kv(compare, &absent);
    }
    return walk.holds;
}

static struct plan *plan_txn(const struct run *run, const struct store_txn *txn)
{
    struct plan *plan = arena_zeroed(run->arena, sizeof(*plan));
    plan->succeeded = true;
    for (size_t i = 0; i < txn->compare_count && plan->succeeded; i++) {
        plan->succeeded = compare_holds(run->mvcc, &txn->compares[i]);
    }
    plan->ops = plan->succeeded ? txn->success : txn->failure;
    plan->op_count = plan->succeeded ? txn->success_count : txn->failure_count;
    if (plan->op_count > 0) {
        plan->nested = arena_array(run->arena, plan->op_count, sizeof(struct plan *));
    }
    for (size_t i = 0; i < plan->op_count; i++) {
        if (plan->ops[i].kind == STORE_OP_TXN) {
            plan->nested[i] = plan_txn(run, plan->ops[i].txn);
        }
    }
    return plan;
}

/* --- What may refuse it. */

static int check_put_key(const struct run *run, const struct store_put *put)
{
    bool needs_key = put->ignore_value || put->ignore_lease;
    return needs_key && mvcc_get(run->mvcc, put->key) == NULL ? STORE_KEY_NOT_FOUND : 0;
}

static int check_put_lease(const struct run *run, const struct store_put *put)
{
    bool absent = put->lease != 0 && !lease_table_has(run->leases, put->lease);
    return absent ? STORE_LEASE_NOT_FOUND : 0;
}

/* etcd looks at the key first, but at the lease first when the put is no part of a transaction. */
static int check_put(const struct run *run, const struct store_put *put)
{
    int first = run->lone_put ? check_put_lease(run, put) : check_put_key(run, put);
    if (first != 0) {
        return first;
    }
    return run->lone_put ? check_put_key(run, put) : check_put_lease(run, put);
}

static int check_op(const struct run *run, const struct store_op *op, enum store_op_kind kind)
{
    if (op->kind != kind) {
        return 0;
    }
    return kind == STORE_OP_PUT ? check_put(run, &op->put)
                                : mvcc_check_revision(run->mvcc, op->range.revision);
}

/* All operations of one kind, nested ones too. */
static int check_kind(const struct run *run, const struct plan *plan, enum store_op_kind kind)
{
    int status = 0;
    for (size_t i = 0; i < plan->op_count && status == 0; i++) {
        const struct store_op *op = &plan->ops[i];
        status = op->kind == STORE_OP_TXN ? check_kind(run, plan->nested[i], kind)
                                          : check_op(run, op, kind);
    }
    return status;
}

/* As etcd: all puts, then all ranges. */
static int check_plan(const struct run *run, const struct plan *plan)
{
    int status = check_kind(run, plan, STORE_OP_PUT);
    return status != 0 ? status : check_kind(run, plan, STORE_OP_RANGE);
}

/* --- The operations. `result` is NULL when nobody wants it. */

static void run_put(const struct run *run, const struct store_put *put,
                    struct store_op_result *result)
{
    struct slice value = put->value;
    int64_t lease = put->lease;
    if (put->ignore_value || put->ignore_lease) {
        const struct store_kv *present = mvcc_get(run->mvcc, put->key);
        assert(present != NULL); /* check_put() */
        value = put->ignore_value ? present->value : value;
        lease = put->ignore_lease ? present->lease : lease;
    }
    const struct store_kv *old = mvcc_put(run->mvcc, put->key, value, lease);
    int64_t old_lease = old == NULL ? 0 : old->lease;
    if (old_lease != lease) {
        lease_table_detach(run->leases, old_lease, put->key);
    }
    lease_table_attach(run->leases, lease, put->key);
    if (result != NULL && put->prev_kv && old != NULL) {
        result->put.prev_kv = store_kv_ref(old);
    }
}

struct key_list {
    const struct store_kv **kvs;
    size_t count, capacity;
};

static bool key_list_add(void *data, const struct store_kv *kv)
{
    struct key_list *list = data;
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 4 : list->capacity * 2;
        list->kvs = alloc_resize(list->kvs, list->capacity, sizeof(*list->kvs));
    }
    list->kvs[list->count++] = store_kv_ref(kv);
    return true;
}

static void run_delete(const struct run *run, const struct store_delete *delete_range,
                       struct store_op_result *result)
{
    struct key_list list = {0};
    mvcc_each(run->mvcc, delete_range->key, delete_range->end, key_list_add, &list);
    for (size_t i = 0; i < list.count; i++) {
        (void)mvcc_delete(run->mvcc, list.kvs[i]->key);
        lease_table_detach(run->leases, list.kvs[i]->lease, list.kvs[i]->key);
    }
    if (result != NULL) {
        result->delete_range.deleted = (int64_t)list.count;
        if (delete_range->prev_kv) {
            result->delete_range.prev_kvs = list.kvs;
            result->delete_range.prev_count = list.count;
            return;
        }
    }
    for (size_t i = 0; i < list.count; i++) {
        store_kv_unref(list.kvs[i]);
    }
    free(list.kvs);
}

static void run_plan(const struct run *run, const struct plan *plan,
                     struct store_txn_result **ret_result);

static void run_op(const struct run *run, const struct plan *plan, size_t index,
                   struct store_op_result *result)
{
    const struct store_op *op = &plan->ops[index];
    if (result != NULL) {
        result->kind = op->kind;
    }
    switch (op->kind) {
    case STORE_OP_RANGE:
        if (result != NULL) {
            int status = mvcc_range(run->mvcc, &op->range, &result->range);
            assert(status == 0); /* check_plan() */
            (void)status;
        }
        break;
    case STORE_OP_PUT:
        run_put(run, &op->put, result);
        break;
    case STORE_OP_DELETE:
        run_delete(run, &op->delete_range, result);
        break;
    case STORE_OP_TXN:
        run_plan(run, plan->nested[index], result == NULL ? NULL : &result->txn);
        break;
    }
}

static void run_plan(const struct run *run, const struct plan *plan,
                     struct store_txn_result **ret_result)
{
    struct store_txn_result *result =
        ret_result == NULL ? NULL : store_txn_result_new(plan->op_count);
    for (size_t i = 0; i < plan->op_count; i++) {
        run_op(run, plan, i, result == NULL ? NULL : &result->ops[i]);
        if (result != NULL) {
            result->ops[i].revision = mvcc_write_revision(run->mvcc);
        }
    }
    if (result != NULL) {
        result->succeeded = plan->succeeded;
        *ret_result = result;
    }
}

/* The header of the whole says the revision after it, inner transactions' too. */
static void set_revisions(struct store_txn_result *result, int64_t revision)
{
    result->revision = revision;
    for (size_t i = 0; i < result->op_count; i++) {
        if (result->ops[i].kind == STORE_OP_TXN) {
            set_revisions(result->ops[i].txn, revision);
        }
    }
}

int txn_run(struct mvcc *mvcc, struct lease_table *leases, struct arena *arena,
            const struct store_txn *txn, struct store_txn_result **ret_result, size_t *ret_changes)
{
    bool lone = txn->compare_count == 0 && txn->success_count == 1 && txn->failure_count == 0;
    struct run run = {.mvcc = mvcc, .leases = leases, .arena = arena, .lone_put = lone};
    struct plan *plan = plan_txn(&run, txn);
    int status = check_plan(&run, plan);
    if (status != 0) {
        return status;
    }
    struct store_txn_result *result = NULL;
    mvcc_begin(mvcc);
    run_plan(&run, plan, ret_result == NULL ? NULL : &result);
    *ret_changes = mvcc_end(mvcc);
    if (result != NULL) {
        set_revisions(result, mvcc_revision(mvcc));
        *ret_result = result;
    }
    return 0;
}
