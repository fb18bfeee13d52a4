/* The roles and bindings that every cluster starts with, as v1.32 has them, and how one that is
 * there already is brought back to them: what is missing is added, what somebody added stays. Pure;
 * any thread. */
#ifndef APISERVER_RBAC_DEFAULTS_H
#define APISERVER_RBAC_DEFAULTS_H
#include "apiserver/default_object.h"
#include "k8s/rbac_v1.pb-c.h"

size_t rbac_default_count(void);
/* The one at `index`, roles first; its message is made in the arena. */
struct default_object rbac_default_at(size_t index, struct arena *arena);

/* As struct default_objects has it; nobody's to change: those whose autoupdate is "false". */
enum default_repair rbac_default_repair(const struct default_object *wanted, const void *present,
                                        struct arena *arena, void **ret_message);

/* The rules of a default ClusterRole, made in the arena; NULL-terminated. The name must be one. */
Rbac__V1__PolicyRule **rbac_default_rules(struct arena *arena, const char *name);
#endif
