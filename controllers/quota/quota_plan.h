/* What a ResourceQuota's status has to say: its limits as they are now, and what the namespace's
 * objects take of them. Pure. */
#ifndef CONTROLLERS_QUOTA_QUOTA_PLAN_H
#define CONTROLLERS_QUOTA_QUOTA_PLAN_H
#include "controllers/quota/quota_tally.h"

/* All objects of one kind in the quota's namespace. */
struct quota_objects {
    const struct api_kind *kind;
    size_t count;              /* Of kinds that are only counted. */
    struct quota_tally *tally; /* Of other kinds; NULL: there are none. */
};

/* True when the status is to become `*ret_status` (in the arena). `objects`: every kind that a
 * resource of the quota counts. */
bool quota_plan(struct arena *arena, const Core__V1__ResourceQuota *quota,
                const struct quota_objects *objects, size_t kind_count, int64_t now_s,
                Core__V1__ResourceQuotaStatus **ret_status);
#endif
