/* Whether the caller of a command may do it, by the users and roles of the state that it is applied
 * to: decided where the log is applied, so that all members decide alike and nothing that came in
 * before a permission was taken away slips through after it. Pure. */
#ifndef STORE_PERMIT_H
#define STORE_PERMIT_H
#include "store/state.h"

/* 0, or STORE_USER_EMPTY, STORE_AUTH_OLD_REVISION, STORE_PERMISSION_DENIED. What no client sent is
 * always permitted. */
MUST_USE int store_permit_command(const struct store_state *state,
                                  const struct store_command *command);
/* The same for a transaction that only reads, and is in no log. */
MUST_USE int store_permit_read(const struct store_state *state, const struct auth_caller *caller,
                               const struct store_txn *txn);
/* The same for keys bound to a lease: `access` to each of them. */
MUST_USE int store_permit_lease(const struct store_state *state, const struct auth_caller *caller,
                                enum auth_access access, int64_t lease);
#endif
