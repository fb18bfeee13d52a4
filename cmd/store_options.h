/* What a member's own store is told by flags: how much it may hold, and how long it keeps history.
 * Pure but for messages. */
#ifndef CMD_STORE_OPTIONS_H
#define CMD_STORE_OPTIONS_H
#include "cmd/flags.h"
#include <stdint.h>

struct store_options {
    uint64_t quota_bytes;      /* 0: no limit. */
    uint64_t compact_age_ms;   /* 0: not by age. */
    int64_t compact_revisions; /* 0: not by number. */
};

/* --quota-bytes, --auto-compaction-mode and --auto-compaction-retention. `fallback_age_ms` is what
 * is kept when nothing is said. -EINVAL with a message that names the flag. */
MUST_USE int store_options_from(const struct flag_set *set, uint64_t fallback_age_ms,
                                struct store_options *ret_options, struct error *reterr);
#endif
