#include "store/txn_plan.h"

#include "store/snapshot_view.h"
#include <assert.h>

struct mvcc_source txn_source_now(struct txn_source of)
{
    return of.mvcc != NULL ? mvcc_source_now(of.mvcc) : store_snapshot_source(of.view);
}

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
    const struct store_kv *last; /* Seen in an earlier turn, or in this one. */
    size_t *keys;
    bool holds;
    bool unfinished;
};

static bool compare_each(void *data, const struct store_kv *kv)
{
    struct compare_walk *walk = data;
    if (kv == walk->last) {
        return true; /* Where the last turn ended. */
    }
    if (*walk->keys == 0) {
        walk->unfinished = true;
        return false;
    }
    --*walk->keys;
    walk->last = kv;
    walk->holds = compare_kv(walk->compare, kv);
    return walk->holds;
}

/* etcd: an empty range counts as one key that is all zero, except that it has no value to compare,
 * which is never true. */
static bool absent_holds(const struct store_compare *compare)
{
    const struct store_kv absent = {.version = 0};
    return compare->target != STORE_COMPARE_VALUE && compare_kv(compare, &absent);
}

static void remember(struct txn_planning *planning, const struct store_kv *kv)
{
    const struct store_kv *before = planning->compared;
    planning->compared = kv == NULL ? NULL : store_kv_ref(kv);
    store_kv_unref(before);
}

/* False when there are more keys than may be looked at in this turn. */
static bool compare_range(struct txn_planning *planning, const struct store_compare *compare,
                          size_t *keys, bool *ret_holds)
{
    const struct store_kv *last = planning->compared;
    struct compare_walk walk = {.compare = compare, .last = last, .keys = keys, .holds = true};
    struct mvcc_source source = txn_source_now(planning->source);
    mvcc_source_each(&source, last == NULL ? compare->key : last->key, compare->end, compare_each,
                     &walk);
    remember(planning, walk.unfinished ? walk.last : NULL);
    *ret_holds = walk.last == NULL ? absent_holds(compare) : walk.holds;
    return !walk.unfinished;
}

static bool compare_one(struct txn_planning *planning, const struct store_compare *compare,
                        size_t *keys, bool *ret_holds)
{
    if (compare->end.len > 0) {
        return compare_range(planning, compare, keys, ret_holds);
    }
    struct mvcc_source source = txn_source_now(planning->source);
    const struct store_kv *kv = mvcc_source_get(&source, compare->key);
    *ret_holds = kv != NULL ? compare_kv(compare, kv) : absent_holds(compare);
    return true;
}

/* --- Plans. */

static struct txn_plan *push(struct txn_planning *planning, const struct store_txn *txn)
{
    struct txn_plan *plan = arena_zeroed(planning->arena, sizeof(*plan));
    assert(planning->depth < ARRAY_LEN(planning->frames)); /* store_txn_check() */
    plan->succeeded = true;
    planning->frames[planning->depth].txn = txn;
    planning->frames[planning->depth].plan = plan;
    planning->frames[planning->depth].decided = false;
    planning->frames[planning->depth].next = 0;
    planning->depth++;
    return plan;
}

/* False when the turn is over first. */
static bool decide(struct txn_planning *planning, const struct store_txn *txn,
                   struct txn_plan *plan, size_t *next, size_t *keys)
{
    for (; *next < txn->compare_count && plan->succeeded; ++*next) {
        if (!compare_one(planning, &txn->compares[*next], keys, &plan->succeeded)) {
            plan->succeeded = true; /* So far. */
            return false;
        }
    }
    plan->ops = plan->succeeded ? txn->success : txn->failure;
    plan->op_count = plan->succeeded ? txn->success_count : txn->failure_count;
    if (plan->op_count > 0) {
        plan->nested = arena_array(planning->arena, plan->op_count, sizeof(*plan->nested));
    }
    *next = 0;
    return true;
}

struct txn_plan *txn_plan_begin(struct txn_planning *planning, struct txn_source source,
                                struct arena *arena, const struct store_txn *txn)
{
    *planning = (struct txn_planning){.source = source, .arena = arena};
    return push(planning, txn);
}

bool txn_plan_some(struct txn_planning *planning, size_t *keys)
{
    while (planning->depth > 0) {
        size_t top = planning->depth - 1;
        struct txn_plan *plan = planning->frames[top].plan;
        size_t *next = &planning->frames[top].next;
        if (!planning->frames[top].decided) {
            if (!decide(planning, planning->frames[top].txn, plan, next, keys)) {
                return false;
            }
            planning->frames[top].decided = true;
        }
        while (*next < plan->op_count && plan->ops[*next].kind != STORE_OP_TXN) {
            ++*next;
        }
        if (*next == plan->op_count) {
            planning->depth--;
        } else {
            size_t place = (*next)++;
            plan->nested[place] = push(planning, plan->ops[place].txn);
        }
    }
    return true;
}

void txn_plan_release(struct txn_planning *planning)
{
    remember(planning, NULL);
}
