/* The replicated state: key space, leases, users and roles, changed by nothing but applied
 * commands, so that all members that applied the same entries hold the same (K4: failures
 * included). Pure. */
#ifndef STORE_STATE_H
#define STORE_STATE_H
#include "store/alarms.h"
#include "store/command.h"
#include "store/lease_table.h"
#include "store/limits.h"
#include "store/mvcc.h"
#include "store/sessions.h"
#include "store/store.h"
#include "store/versions.h"

struct store_state {
    struct mvcc *mvcc;
    struct lease_table *leases;
    struct auth *auth;
    struct arena *arena; /* Of the command being applied. */
    uint64_t applied_index;
    struct store_member_url urls[STORE_MEMBERS_MAX];
    struct sessions sessions;
    struct alarm_table alarms;
    struct versions versions;
    uint64_t lease_hash;     /* Rolls over grants and revocations. */
    struct store_work *work; /* A command that takes several turns; in the arena. */
};

void store_state_init(struct store_state *state);
void store_state_release(struct store_state *state);

/* Rolls over every change: equal on members that applied the same entries (R4). */
uint64_t store_state_hash(const struct store_state *state);

/* STORE_CORRUPT when an alarm forbids reading too, else 0. */
MUST_USE int store_state_alarm_status(const struct store_state *state);

/* What one command did. Events are the last `event_count` of history. */
struct store_applied {
    enum store_command_kind kind;
    uint64_t member, incarnation, sequence;
    bool repeated; /* Had been applied before: nothing was done. */
    int status;
    int64_t revision; /* Of the store afterwards. */
    size_t event_count;
    int64_t lease_id;
    int64_t lease_ttl_s;
    struct store_check check; /* Of STORE_COMMAND_CHECK; `index` is the entry of the round. */
    struct store_txn_result *result; /* The caller's reference; NULL unless asked for. */
};

/* Whether the caller wants the result of this command; asked before it is built. */
typedef bool store_wants(void *data, const struct store_command *command);

/* A command that is too new for this program changes nothing, applied_index neither: the status is
 * STORE_TOO_OLD, and nothing may be applied any more. */
void store_state_apply(struct store_state *state, uint64_t index, uint64_t term,
                       struct slice command, store_wants *wants, void *data,
                       struct store_applied *ret_applied);
/* The same by turns: false when about `keys` keys were touched and there are more, which are for
 * store_state_apply_more(). Until that returns true the key space is seen as it was before
 * (mvcc_keep_view()), but keys that are deleted may be bound to their leases no more; `command`
 * lives until then, and nothing else is applied, nor the state written out. */
MUST_USE bool store_state_apply_some(struct store_state *state, uint64_t index, uint64_t term,
                                     struct slice command, size_t keys, store_wants *wants,
                                     void *data, struct store_applied *ret_applied);
MUST_USE bool store_state_apply_more(struct store_state *state, size_t keys,
                                     struct store_applied *ret_applied);
#endif
