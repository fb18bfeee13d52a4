/* The roles and bindings that every cluster starts with, as v1.32 has them, and how one that is
 * there already is brought back to them: what is missing is added, what somebody added stays. Pure;
 * any thread. */
#ifndef APISERVER_RBAC_DEFAULTS_H
#define APISERVER_RBAC_DEFAULTS_H
#include "k8s/rbac_v1.pb-c.h"
#include "lib/api/kinds.h"
#include "lib/base/arena.h"

struct rbac_default {
    const struct api_kind *kind; /* Of the four. */
    const char *namespace;       /* "" for those of the cluster. */
    const char *name;
    void *message;
};

size_t rbac_default_count(void);
/* The one at `index`, roles first; its message is made in the arena. */
struct rbac_default rbac_default_at(size_t index, struct arena *arena);

enum rbac_repair {
    RBAC_AS_IT_SHOULD_BE, /* Or nobody's to change: autoupdate is "false". */
    RBAC_UPDATE,
    RBAC_REPLACE, /* Bound to another role: that cannot be changed in place. */
};
/* What `present` needs; on RBAC_UPDATE *ret_message is the whole new object, in the arena. */
enum rbac_repair rbac_default_repair(const struct rbac_default *wanted, const void *present,
                                     struct arena *arena, void **ret_message);

/* The rules of a default ClusterRole, made in the arena; NULL-terminated. The name must be one. */
Rbac__V1__PolicyRule **rbac_default_rules(struct arena *arena, const char *name);
#endif
