/* Leases: which exist and what is attached to them (replicated), and on the leader until when they
 * live (memory of one leader's term). Pure: the time comes in as an argument, what is due comes out
 * as ids. One thread. */
#ifndef STORE_LEASE_TABLE_H
#define STORE_LEASE_TABLE_H
#include "lib/base/buffer.h"
#include <stdint.h>

struct lease_table;

MUST_USE struct lease_table *lease_table_new(void);
void lease_table_free(struct lease_table *table);
size_t lease_table_count(const struct lease_table *table);

/* --- Replicated: changed by applied commands only. */
/* 0, STORE_LEASE_EXISTS, or STORE_TOO_MANY_REQUESTS at STORE_LEASES_MAX. */
MUST_USE int lease_table_grant(struct lease_table *table, int64_t id, int64_t ttl_s);
void lease_table_remove(struct lease_table *table, int64_t id);
bool lease_table_has(const struct lease_table *table, int64_t id);
int64_t lease_table_granted_ttl(const struct lease_table *table, int64_t id); /* -1 if absent. */
void lease_table_attach(struct lease_table *table, int64_t id, struct slice key);
void lease_table_detach(struct lease_table *table, int64_t id, struct slice key);
size_t lease_table_key_count(const struct lease_table *table, int64_t id);
/* Up to `max` keys in byte order, borrowed until the next change; returns how many. */
size_t lease_table_keys(const struct lease_table *table, int64_t id, struct slice *keys,
                        size_t max);
/* Whether there is a key that is not before `from`: the first one, borrowed likewise. */
bool lease_table_key_from(const struct lease_table *table, int64_t id, struct slice from,
                          struct slice *ret_key);
/* Up to `max` of them, in no order: to sort very many takes longer than to copy them, and need not
 * be done on the store's loop. Returns how many leases there are. */
struct lease_grant {
    int64_t id, ttl_s;
};
size_t lease_table_grants(const struct lease_table *table, struct lease_grant *grants, size_t max);
size_t lease_table_ids(const struct lease_table *table, int64_t *ids, size_t max);

/* --- The leader's clock. Until lease_table_lead(), and after lease_table_follow(), nothing is due
 * and nothing has time left. */
/* Every lease gets its whole TTL again, and `grace_ms`: renewals that the last leader acknowledged
 * are not known here. */
void lease_table_lead(struct lease_table *table, uint64_t now_ms, uint64_t grace_ms);
void lease_table_follow(struct lease_table *table);
/* The same in the midst of a term, after the leader stood still: but for those that were given out,
 * whose expiry may be in the log and still takes effect. */
void lease_table_extend(struct lease_table *table, uint64_t now_ms, uint64_t grace_ms);
/* Full TTL from now on. 0, STORE_LEASE_NOT_FOUND, or -EAGAIN: it was given out as due, and a
 * renewal acknowledged now could be undone by its expiry, which is on its way (L1). Also called for
 * a lease just granted. */
MUST_USE int lease_table_renew(struct lease_table *table, int64_t id, uint64_t now_ms);
/* Takes back the newest giving-out of a due lease: nothing was done about it. It can be renewed
 * again when no earlier one stands, whose expiry may be in the log (SIM-2 seed 1015308). */
void lease_table_spare(struct lease_table *table, int64_t id);
int64_t lease_table_left_ms(const struct lease_table *table, int64_t id, uint64_t now_ms);
/* Up to `max` ids that are over; each comes again after `retry_ms` unless removed or renewed. */
size_t lease_table_due(struct lease_table *table, uint64_t now_ms, uint64_t retry_ms, int64_t *ids,
                       size_t max);
uint64_t
lease_table_next_ms(const struct lease_table *table); /* UINT64_MAX: nothing to wait for. */
#endif
