/* What all objects of one kind in one namespace take of quotas, kept up by their changes: to count
 * them takes a time that does not depend on how many there are. Nothing is kept for each; sums are
 * kept by what scopes ask for, and by when the time of those that are deleted ends. Pure. */
#ifndef CONTROLLERS_QUOTA_QUOTA_TALLY_H
#define CONTROLLERS_QUOTA_QUOTA_TALLY_H
#include "lib/api/quota.h"

struct quota_tally;

/* Of a kind whose objects take this and that: not quota_only_counts(). */
MUST_USE struct quota_tally *quota_tally_new(const struct api_kind *kind);
void quota_tally_free(struct quota_tally *tally); /* NULL is a no-op. */
bool quota_tally_is_empty(const struct quota_tally *tally);
/* A message that is new, gone (new == NULL) or has changed; what is `old` was `new` once. True when
 * counts may be others for it, at this time. */
bool quota_tally_change(struct quota_tally *tally, const void *old_message,
                        const void *new_message);
/* Adds to `used` what of `hard` the objects in the quota's scopes take at this time. Time does not
 * go back: whose time was over once, has ended. */
void quota_tally_count(struct quota_tally *tally, const Core__V1__ResourceQuota *quota,
                       const struct resource_list *hard, int64_t now_s, struct resource_list *used);
#endif
