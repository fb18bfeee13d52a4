/* One PolicyRule of RBAC: what it allows, whether rules cover other rules, and how a rule is
 * written in messages. Pure; any thread. Semantics and words are those of Kubernetes v1.32. */
#ifndef APISERVER_RBAC_RULE_H
#define APISERVER_RBAC_RULE_H
#include "apiserver/access.h"
#include "k8s/rbac_v1.pb-c.h"
#include "lib/base/arena.h"
#include <stddef.h>

bool rbac_rule_allows(const Rbac__V1__PolicyRule *rule, const struct access *access);

struct rbac_rules {
    const Rbac__V1__PolicyRule *const *items;
    size_t count;
};

/* Takes `wanted` apart into the single permissions it grants (group, resource, verb, name) and
 * looks for each in `held`. Returns 0 when all are held; -EACCES with those that are not, as one
 * line per rule, sorted ("{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\"]}"), in the
 * arena; -E2BIG when there are more than RBAC_PERMISSIONS_MAX, as too many to look at. */
MUST_USE int rbac_rules_cover(struct arena *arena, const struct rbac_rules *held,
                              const struct rbac_rules *wanted, const char **ret_missing);

/* Go's %q of a list of texts: ["a" "b"]. */
const char *rbac_quoted_list(struct arena *arena, const char *const *texts, size_t count);
#endif
