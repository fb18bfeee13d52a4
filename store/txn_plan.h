/* Which branch each transaction takes, nested ones too: all is decided before anything changes, as
 * etcd does, so that an inner compare does not see an outer put. Internal to store/txn_*.c. Pure.
 */
#ifndef STORE_TXN_PLAN_H
#define STORE_TXN_PLAN_H
#include "lib/base/arena.h"
#include "store/limits.h"
#include "store/mvcc.h"

/* What is read: the state itself, or a view of it. One of them is NULL. */
struct txn_source {
    const struct mvcc *mvcc;
    const struct store_snapshot *view;
};
struct mvcc_source txn_source_now(struct txn_source of);

struct txn_plan {
    bool succeeded;
    const struct store_op *ops;
    size_t op_count;
    struct txn_plan **nested; /* By operation; NULL for those that are no transaction. */
};

/* A plan in the making, which may take several turns: the state stays as it is until the end. */
struct txn_planning {
    struct txn_source source;
    struct arena *arena;
    const struct store_kv *compared; /* The last one of the compare under way; a reference. */
    size_t depth;
    struct {
        const struct store_txn *txn;
        struct txn_plan *plan;
        bool decided;
        size_t next; /* Compare; then, once it is decided, operation. */
    } frames[STORE_TXN_DEPTH_MAX + 1];
};

/* The plan is in the arena. */
MUST_USE struct txn_plan *txn_plan_begin(struct txn_planning *planning, struct txn_source source,
                                         struct arena *arena, const struct store_txn *txn);
/* Looks at `keys` keys at most, and takes them off; true when the plan is whole. */
MUST_USE bool txn_plan_some(struct txn_planning *planning, size_t *keys);
/* Whether it is whole or not. */
void txn_plan_release(struct txn_planning *planning);
#endif
