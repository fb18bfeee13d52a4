/* Which rules an aggregating ClusterRole has: those of all that its selectors name, in the order of
 * the selectors and then of the names, each rule once. Pure. */
#ifndef CONTROLLERS_CLUSTERROLE_AGGREGATION_PLAN_H
#define CONTROLLERS_CLUSTERROLE_AGGREGATION_PLAN_H
#include "k8s/rbac_v1.pb-c.h"
#include "lib/base/arena.h"
#include <stdbool.h>

/* True when the rules of `role` are to become `*ret_rules` (in the arena; the rules are borrowed
 * from `all`). `role` must aggregate. A selector that cannot be read selects nothing. */
bool aggregation_plan(struct arena *arena, const Rbac__V1__ClusterRole *role,
                      const Rbac__V1__ClusterRole *const *all, size_t count,
                      Rbac__V1__PolicyRule ***ret_rules, size_t *ret_rule_count);
#endif
