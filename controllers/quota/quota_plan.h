/* What a ResourceQuota's status has to say: its limits as they are now, and what the namespace's
 * objects take of them. Pure. */
#ifndef CONTROLLERS_QUOTA_QUOTA_PLAN_H
#define CONTROLLERS_QUOTA_QUOTA_PLAN_H
#include "k8s/core_v1.pb-c.h"
#include "lib/api/kinds.h"
#include "lib/base/arena.h"
#include <stdbool.h>

/* All objects of one kind in the quota's namespace. */
struct quota_objects {
    const struct api_kind *kind;
    const void *const *messages;
    size_t count;
};

/* True when the status is to become `*ret_status` (in the arena). `objects`: every kind that a
 * resource of the quota counts. */
bool quota_plan(struct arena *arena, const Core__V1__ResourceQuota *quota,
                const struct quota_objects *objects, size_t kind_count, int64_t now_s,
                Core__V1__ResourceQuotaStatus **ret_status);
#endif
