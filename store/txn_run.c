#include "store/txn_run.h"

#include "lib/base/alloc.h"
#include "store/limits.h"
#include "store/snapshot_view.h"
#include "store/status.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* Which branch each transaction takes, nested ones too. All are decided before anything changes,
 * as etcd does, so that an inner compare does not see an outer put. */
struct plan {
    bool succeeded;
    const struct store_op *ops;
    size_t op_count;
    struct plan **nested; /* By operation; NULL for those that are no transaction. */
};

/* One operation, in the order in which they are run: those of a nested transaction before it. */
struct step {
    const struct store_op *op;
    struct store_op_result *result; /* NULL: nobody wants it. */
};

struct kv_list {
    const struct store_kv **kvs;
    size_t count, capacity;
};

/* A deletion of a range that takes several turns. */
struct deletion {
    const struct store_kv *last; /* The newest of those deleted; a reference. NULL: none yet. */
    int64_t count;
    struct kv_list previous; /* When they are wanted. */
};

struct txn_run {
    struct mvcc *mvcc; /* NULL: it only reads, from `view`. */
    const struct store_snapshot *view;
    struct lease_table *leases;
    struct arena *arena;
    bool lone_put;
    struct step *steps;
    size_t step_count, step_room;
    size_t next;
    struct deletion deletion; /* Of the next step. */
    struct store_txn_result *result;
    size_t room;       /* For so many keys more in the result. */
    size_t looks_left; /* At keys, by who only reads. */
    bool given_up;     /* More would have been needed. */
};

enum { DELETE_CHUNK = 256 }; /* Keys looked up before they are deleted. */

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

static struct mvcc_source source_of(const struct txn_run *run)
{
    return run->mvcc != NULL ? mvcc_source_now(run->mvcc) : store_snapshot_source(run->view);
}

struct compare_walk {
    struct txn_run *run;
    const struct store_compare *compare;
    bool any;
    bool holds;
};

static bool compare_each(void *data, const struct store_kv *kv)
{
    struct compare_walk *walk = data;
    if (walk->run->looks_left == 0) {
        walk->run->given_up = true;
        return false;
    }
    walk->run->looks_left--;
    walk->any = true;
    walk->holds = compare_kv(walk->compare, kv);
    return walk->holds;
}

/* etcd: an empty range counts as one key that is all zero, except that it has no value to compare,
 * which is never true. */
static bool compare_holds(struct txn_run *run, const struct store_compare *compare)
{
    struct compare_walk walk = {.run = run, .compare = compare, .holds = true};
    struct mvcc_source source = source_of(run);
    if (compare->end.len == 0) {
        const struct store_kv *kv = mvcc_source_get(&source, compare->key);
        if (kv != NULL) {
            return compare_kv(compare, kv);
        }
    } else {
        mvcc_source_each(&source, compare->key, compare->end, compare_each, &walk);
    }
    if (!walk.any) {
        const struct store_kv absent = {.version = 0};
        return compare->target != STORE_COMPARE_VALUE && compare_kv(compare, &absent);
    }
    return walk.holds;
}

static struct plan *plan_txn(struct txn_run *run, const struct store_txn *txn)
{
    struct plan *plan = arena_zeroed(run->arena, sizeof(*plan));
    plan->succeeded = true;
    for (size_t i = 0; i < txn->compare_count && plan->succeeded; i++) {
        plan->succeeded = compare_holds(run, &txn->compares[i]);
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

static int check_put_key(const struct txn_run *run, const struct store_put *put)
{
    bool needs_key = put->ignore_value || put->ignore_lease;
    return needs_key && mvcc_get(run->mvcc, put->key) == NULL ? STORE_KEY_NOT_FOUND : 0;
}

static int check_put_lease(const struct txn_run *run, const struct store_put *put)
{
    bool absent = put->lease != 0 && !lease_table_has(run->leases, put->lease);
    return absent ? STORE_LEASE_NOT_FOUND : 0;
}

/* etcd looks at the key first, but at the lease first when the put is no part of a transaction. */
static int check_put(const struct txn_run *run, const struct store_put *put)
{
    int first = run->lone_put ? check_put_lease(run, put) : check_put_key(run, put);
    if (first != 0) {
        return first;
    }
    return run->lone_put ? check_put_key(run, put) : check_put_lease(run, put);
}

static int check_op(const struct txn_run *run, const struct store_op *op, enum store_op_kind kind)
{
    if (op->kind != kind) {
        return 0;
    }
    if (kind == STORE_OP_PUT) {
        return check_put(run, &op->put);
    }
    const struct mvcc_source source = source_of(run);
    return mvcc_source_check(&source, op->range.revision);
}

/* All operations of one kind, nested ones too. */
static int check_kind(const struct txn_run *run, const struct plan *plan, enum store_op_kind kind)
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
static int check_plan(const struct txn_run *run, const struct plan *plan)
{
    int status = check_kind(run, plan, STORE_OP_PUT);
    return status != 0 ? status : check_kind(run, plan, STORE_OP_RANGE);
}

/* --- The operations. `result` is NULL when nobody wants it. */

static void run_put(const struct txn_run *run, const struct store_put *put,
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

static void kv_list_add(struct kv_list *list, const struct store_kv *kv_consume)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 4 : list->capacity * 2;
        list->kvs = alloc_resize(list->kvs, list->capacity, sizeof(*list->kvs));
    }
    list->kvs[list->count++] = kv_consume;
}

static void deletion_release(struct deletion *deletion)
{
    store_kv_unref(deletion->last);
    for (size_t i = 0; i < deletion->previous.count; i++) {
        store_kv_unref(deletion->previous.kvs[i]);
    }
    free(deletion->previous.kvs);
    *deletion = (struct deletion){0};
}

/* An answer that nobody could be given is not made; what was done is done. */
static bool has_room(struct txn_run *run, size_t keys)
{
    run->result->too_large = run->result->too_large || keys > run->room;
    run->room -= keys < run->room ? keys : run->room;
    return !run->result->too_large;
}

struct chunk {
    const struct store_kv *kvs[DELETE_CHUNK];
    size_t count, max;
};

static bool chunk_add(void *data, const struct store_kv *kv)
{
    struct chunk *chunk = data;
    chunk->kvs[chunk->count++] = store_kv_ref(kv);
    return chunk->count < chunk->max;
}

/* Up to `max` keys from where the deletion is; returns how many. */
static size_t delete_chunk(struct txn_run *run, const struct store_delete *range, size_t max,
                           bool prev_wanted)
{
    struct deletion *deletion = &run->deletion;
    struct chunk chunk = {.max = max < DELETE_CHUNK ? max : DELETE_CHUNK};
    struct slice from = deletion->last == NULL ? range->key : deletion->last->key;
    mvcc_each(run->mvcc, from, range->end, chunk_add, &chunk);
    for (size_t i = 0; i < chunk.count; i++) {
        const struct store_kv *kv = chunk.kvs[i];
        (void)mvcc_delete(run->mvcc, kv->key);
        lease_table_detach(run->leases, kv->lease, kv->key);
        if (prev_wanted && has_room(run, 1)) {
            kv_list_add(&deletion->previous, store_kv_ref(kv));
        }
        store_kv_unref(deletion->last); /* What goes on from there does not find it any more. */
        deletion->last = kv;
    }
    deletion->count += (int64_t)chunk.count;
    return chunk.count;
}

/* False when there are more keys than `keys` allows. */
static bool run_delete(struct txn_run *run, const struct store_delete *range,
                       struct store_op_result *result, size_t *keys)
{
    struct deletion *deletion = &run->deletion;
    bool prev_wanted = result != NULL && range->prev_kv;
    for (;;) {
        size_t max = *keys < DELETE_CHUNK ? *keys : DELETE_CHUNK;
        size_t count = delete_chunk(run, range, max, prev_wanted);
        *keys -= count;
        if (range->end.len == 0 || count < max) {
            break;
        }
        if (*keys == 0) {
            return false;
        }
    }
    if (result != NULL) {
        result->delete_range.deleted = deletion->count;
    }
    if (prev_wanted) {
        result->delete_range.prev_kvs = TAKE(deletion->previous.kvs);
        result->delete_range.prev_count = deletion->previous.count;
        deletion->previous.count = 0;
    }
    deletion_release(deletion);
    return true;
}

static void spend(size_t *keys, size_t count)
{
    *keys -= count < *keys ? count : *keys;
}

static void run_range(struct txn_run *run, const struct store_range *op,
                      struct store_range_result *result)
{
    struct mvcc_source source = source_of(run);
    struct store_range range = *op;
    range.looks_max = run->looks_left < SIZE_MAX ? run->looks_left + 1 : 0;
    int status = mvcc_source_range(&source, &range, result);
    assert(status == 0); /* check_plan() */
    (void)status;
    run->given_up = run->given_up || result->given_up || (size_t)result->count > run->looks_left;
    if (run->looks_left < SIZE_MAX) {
        spend(&run->looks_left, (size_t)result->count);
    }
    if (!has_room(run, result->kv_count)) {
        store_range_result_release(result);
        *result = (struct store_range_result){0};
    }
}

static bool run_op(struct txn_run *run, const struct store_op *op, struct store_op_result *result,
                   size_t *keys)
{
    switch (op->kind) {
    case STORE_OP_RANGE:
        if (result != NULL && !run->result->too_large) {
            run_range(run, &op->range, &result->range);
            spend(keys, (size_t)result->range.count);
        }
        break;
    case STORE_OP_PUT:
        run_put(run, &op->put, result);
        spend(keys, 1);
        break;
    case STORE_OP_DELETE:
        return run_delete(run, &op->delete_range, result, keys);
    case STORE_OP_TXN:
        break; /* Its operations were run before. */
    }
    return true;
}

/* --- The whole. */

static void step_add(struct txn_run *run, const struct store_op *op, struct store_op_result *result)
{
    if (run->step_count == run->step_room) {
        size_t room = run->step_room == 0 ? 4 : run->step_room * 2;
        struct step *steps = arena_array(run->arena, room, sizeof(*steps));
        if (run->step_count > 0) {
            memcpy(steps, run->steps, run->step_count * sizeof(*steps));
        }
        run->steps = steps;
        run->step_room = room;
    }
    run->steps[run->step_count++] = (struct step){.op = op, .result = result};
}

static void lay_out(struct txn_run *run, const struct plan *plan, struct store_txn_result *result)
{
    if (result != NULL) {
        result->succeeded = plan->succeeded;
    }
    for (size_t i = 0; i < plan->op_count; i++) {
        const struct store_op *op = &plan->ops[i];
        struct store_op_result *op_result = result == NULL ? NULL : &result->ops[i];
        if (op_result != NULL) {
            op_result->kind = op->kind;
        }
        if (op->kind == STORE_OP_TXN) {
            struct store_txn_result *inner =
                result == NULL ? NULL : store_txn_result_new(plan->nested[i]->op_count);
            if (op_result != NULL) {
                op_result->txn = inner;
            }
            lay_out(run, plan->nested[i], inner);
        }
        step_add(run, op, op_result);
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

size_t txn_keys_max(const struct store_txn *txn)
{
    const struct store_op *const branches[] = {txn->success, txn->failure};
    const size_t counts[] = {txn->success_count, txn->failure_count};
    for (size_t b = 0; b < ARRAY_LEN(branches); b++) {
        for (size_t i = 0; i < counts[b]; i++) {
            const struct store_op *op = &branches[b][i];
            if (op->kind == STORE_OP_TXN || (op->kind == STORE_OP_RANGE && op->range.end.len > 0) ||
                (op->kind == STORE_OP_DELETE && op->delete_range.end.len > 0)) {
                return SIZE_MAX;
            }
        }
    }
    return counts[0] > counts[1] ? counts[0] : counts[1];
}

int txn_begin(struct mvcc *mvcc, struct lease_table *leases, struct arena *arena,
              const struct store_txn *txn, bool wanted, struct txn_run **ret_run)
{
    struct txn_run *run = arena_zeroed(arena, sizeof(*run));
    run->mvcc = mvcc;
    run->leases = leases;
    run->arena = arena;
    run->looks_left = SIZE_MAX;
    run->room = STORE_ANSWER_KEYS_MAX;
    run->lone_put = txn->compare_count == 0 && txn->success_count == 1 && txn->failure_count == 0;
    struct plan *plan = plan_txn(run, txn);
    int status = check_plan(run, plan);
    if (status != 0) {
        return status;
    }
    run->result = wanted ? store_txn_result_new(plan->op_count) : NULL;
    lay_out(run, plan, run->result);
    mvcc_begin(mvcc);
    *ret_run = run;
    return 0;
}

bool txn_step(struct txn_run *run, size_t keys)
{
    for (; run->next < run->step_count; run->next++) {
        const struct step *step = &run->steps[run->next];
        if (keys == 0 || !run_op(run, step->op, step->result, &keys)) {
            return false;
        }
        if (step->result != NULL) {
            step->result->revision = source_of(run).revision;
        }
    }
    return true;
}

size_t txn_end(struct txn_run *run, struct store_txn_result **ret_result)
{
    assert(run->next == run->step_count);
    size_t changes = mvcc_end(run->mvcc);
    if (run->result != NULL) {
        set_revisions(run->result, mvcc_revision(run->mvcc));
    }
    *ret_result = TAKE(run->result);
    return changes;
}

int txn_read(const struct store_snapshot *view, struct arena *arena, const struct store_txn *txn,
             size_t looks_max, struct store_txn_result **ret_result)
{
    struct txn_run *run = arena_zeroed(arena, sizeof(*run));
    assert(store_txn_is_read_only(txn));
    run->view = view;
    run->arena = arena;
    run->looks_left = looks_max == 0 ? SIZE_MAX : looks_max;
    run->room = STORE_ANSWER_KEYS_MAX;
    struct plan *plan = plan_txn(run, txn);
    int status = run->given_up ? -EINTR : check_plan(run, plan);
    if (status != 0) {
        return status;
    }
    run->result = store_txn_result_new(plan->op_count);
    lay_out(run, plan, run->result);
    bool whole = false;
    while (!whole && !run->given_up && !run->result->too_large) {
        whole = txn_step(run, /* keys= */ 1);
    }
    set_revisions(run->result, view->revision);
    if (!whole || run->given_up || run->result->too_large) {
        status = run->given_up ? -EINTR : STORE_RANGE_TOO_LARGE;
        txn_abandon(run);
        return status;
    }
    *ret_result = run->result;
    return 0;
}

void txn_abandon(struct txn_run *run)
{
    deletion_release(&run->deletion);
    store_txn_result_unref(TAKE(run->result));
}
