/* Running a transaction on the key space: compares against the state before it, then the checks
 * that may refuse it as a whole, then the operations of the branches chosen. Pure. */
#ifndef STORE_TXN_RUN_H
#define STORE_TXN_RUN_H
#include "lib/base/arena.h"
#include "store/lease_table.h"
#include "store/mvcc.h"

/* Returns 0, or the status that refuses it, with nothing changed. *ret_result (may be NULL: the
 * result is not wanted) gets a reference; *ret_changes the number of changes. */
MUST_USE int txn_run(struct mvcc *mvcc, struct lease_table *leases, struct arena *arena,
                     const struct store_txn *txn, struct store_txn_result **ret_result,
                     size_t *ret_changes);
#endif
