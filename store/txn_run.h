/* Running a transaction on the key space: compares against the state before it, then the checks
 * that may refuse it as a whole, then the operations of the branches chosen. Pure. */
#ifndef STORE_TXN_RUN_H
#define STORE_TXN_RUN_H
#include "lib/base/arena.h"
#include "store/lease_table.h"
#include "store/mvcc.h"

/* A transaction under way; in the arena. */
struct txn_run;

/* `txn` and all else live until the end. `keys` is for the first turn; `wanted`: its result is. */
MUST_USE struct txn_run *txn_begin(struct mvcc *mvcc, struct lease_table *leases,
                                   struct arena *arena, const struct store_txn *txn, bool wanted,
                                   size_t keys);
/* Touches about `keys` keys; true when all is done, or refused. What it has changed so far is for
 * nobody to see: mvcc_keep_view(). */
MUST_USE bool txn_step(struct txn_run *run, size_t keys);
/* Once all is done. Returns 0, or the status that refused it, with nothing changed. *ret_result
 * gets a reference, or NULL when it was not wanted; *ret_changes the number of changes. */
MUST_USE int txn_end(struct txn_run *run, struct store_txn_result **ret_result,
                     size_t *ret_changes);
/* All of one that only reads, on a view, from any thread: 0 and a reference, a status that refuses
 * it, or -EINTR when more than `looks_max` keys (0: any number) would have to be looked at. */
MUST_USE int txn_read(const struct store_snapshot *view, struct arena *arena,
                      const struct store_txn *txn, size_t looks_max,
                      struct store_txn_result **ret_result);
/* In place of the end: the state is of no use any more. */
void txn_abandon(struct txn_run *run);
#endif
