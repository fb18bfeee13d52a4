#include "store/txn_run.h"

#include "lib/base/alloc.h"
#include "store/limits.h"
#include "store/snapshot_view.h"
#include "store/status.h"
#include "store/txn_plan.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

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
    struct mvcc *mvcc; /* NULL: it only reads. */
    struct txn_source source;
    struct lease_table *leases;
    struct arena *arena;
    bool lone_put;
    bool keeps_view; /* It may take more than a turn. */
    bool wanted;     /* Its result is. */
    struct txn_planning planning;
    struct txn_plan *plan;
    bool planned; /* And checked: the rest is `steps`, unless it was refused. */
    int status;
    struct step *steps;
    size_t step_count, step_room;
    size_t next;
    struct deletion deletion; /* Of the next step. */
    struct store_txn_result *result;
    size_t room;    /* For so many keys more in the result. */
    bool too_large; /* There was not enough. */
};

enum { DELETE_CHUNK = 256 }; /* Keys looked up before they are deleted. */

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
    const struct mvcc_source source = txn_source_now(run->source);
    return mvcc_source_check(&source, op->range.revision);
}

/* All operations of one kind, nested ones too. */
static int check_kind(const struct txn_run *run, const struct txn_plan *plan,
                      enum store_op_kind kind)
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
static int check_plan(const struct txn_run *run, const struct txn_plan *plan)
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
    run->too_large = run->too_large || keys > run->room;
    run->room -= keys < run->room ? keys : run->room;
    return !run->too_large;
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

/* Up to `max` keys, DELETE_CHUNK at most, from where the deletion is; returns how many. */
static size_t delete_chunk(struct txn_run *run, const struct store_delete *range, size_t max,
                           bool prev_wanted)
{
    struct deletion *deletion = &run->deletion;
    struct chunk chunk = {.max = max};
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

/* False when who only reads would have to look at more keys than `keys`. Who writes does it at
 * once: there is nothing to go on from. */
static bool run_range(struct txn_run *run, const struct store_range *op,
                      struct store_range_result *result, size_t *keys)
{
    struct mvcc_source source = txn_source_now(run->source);
    struct store_range range = *op;
    range.looks_max = run->mvcc == NULL && *keys < SIZE_MAX ? *keys : 0;
    int status = mvcc_source_range(&source, &range, result);
    assert(status == 0); /* check_plan() */
    (void)status;
    bool whole = !result->given_up;
    spend(keys, (size_t)result->count);
    if (!whole || !has_room(run, result->kv_count)) {
        store_range_result_release(result);
        *result = (struct store_range_result){0};
    }
    return whole;
}

static bool run_op(struct txn_run *run, const struct store_op *op, struct store_op_result *result,
                   size_t *keys)
{
    switch (op->kind) {
    case STORE_OP_RANGE:
        return result == NULL || run->too_large || run_range(run, &op->range, &result->range, keys);
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

static void lay_out(struct txn_run *run, const struct txn_plan *plan,
                    struct store_txn_result *result)
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

/* How many keys it may touch: SIZE_MAX when that is not known before. */
static size_t keys_max(const struct store_txn *txn)
{
    for (size_t i = 0; i < txn->compare_count; i++) {
        if (txn->compares[i].end.len > 0) {
            return SIZE_MAX;
        }
    }
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

struct txn_run *txn_begin(struct mvcc *mvcc, struct lease_table *leases, struct arena *arena,
                          const struct store_txn *txn, bool wanted, size_t keys)
{
    struct txn_run *run = arena_zeroed(arena, sizeof(*run));
    run->mvcc = mvcc;
    run->source = (struct txn_source){.mvcc = mvcc};
    run->leases = leases;
    run->arena = arena;
    run->wanted = wanted;
    run->keeps_view = keys_max(txn) > keys;
    run->room = STORE_ANSWER_KEYS_MAX;
    run->lone_put = txn->compare_count == 0 && txn->success_count == 1 && txn->failure_count == 0;
    run->plan = txn_plan_begin(&run->planning, run->source, arena, txn);
    return run;
}

/* The plan is whole: may it be carried out? */
static void enter(struct txn_run *run)
{
    run->planned = true;
    run->status = check_plan(run, run->plan);
    if (run->status != 0) {
        return;
    }
    run->result = run->wanted ? store_txn_result_new(run->plan->op_count) : NULL;
    lay_out(run, run->plan, run->result);
    if (run->mvcc != NULL) {
        mvcc_begin(run->mvcc);
        if (run->keeps_view) {
            mvcc_keep_view(run->mvcc);
        }
    }
}

bool txn_step(struct txn_run *run, size_t keys)
{
    if (!run->planned) {
        if (!txn_plan_some(&run->planning, &keys)) {
            return false;
        }
        enter(run);
    }
    for (; run->next < run->step_count; run->next++) { /* None of one that is refused. */
        const struct step *step = &run->steps[run->next];
        if (keys == 0 || !run_op(run, step->op, step->result, &keys)) {
            return false;
        }
        if (step->result != NULL) {
            step->result->revision = txn_source_now(run->source).revision;
        }
    }
    return true;
}

int txn_end(struct txn_run *run, struct store_txn_result **ret_result, size_t *ret_changes)
{
    assert(run->planned && run->next == run->step_count);
    *ret_result = NULL;
    *ret_changes = 0;
    if (run->status == 0) {
        *ret_changes = mvcc_end(run->mvcc);
        if (run->result != NULL) {
            run->result->too_large = run->too_large;
            set_revisions(run->result, mvcc_revision(run->mvcc));
        }
        *ret_result = TAKE(run->result);
    }
    return run->status;
}

int txn_read(const struct store_snapshot *view, struct arena *arena, const struct store_txn *txn,
             size_t looks_max, struct store_txn_result **ret_result)
{
    struct txn_run *run = arena_zeroed(arena, sizeof(*run));
    assert(store_txn_is_read_only(txn));
    run->source = (struct txn_source){.view = view};
    run->arena = arena;
    run->wanted = true;
    run->room = STORE_ANSWER_KEYS_MAX;
    run->plan = txn_plan_begin(&run->planning, run->source, arena, txn);
    int status = txn_step(run, looks_max == 0 ? SIZE_MAX : looks_max) ? run->status : -EINTR;
    if (status == 0 && run->too_large) {
        status = STORE_RANGE_TOO_LARGE;
    }
    if (status != 0) {
        txn_abandon(run);
        return status;
    }
    assert(run->result != NULL); /* It was wanted. */
    set_revisions(run->result, view->revision);
    *ret_result = run->result;
    return 0;
}

void txn_abandon(struct txn_run *run)
{
    txn_plan_release(&run->planning);
    deletion_release(&run->deletion);
    store_txn_result_unref(TAKE(run->result));
}
