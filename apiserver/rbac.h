/* The roles and bindings of a cluster, indexed by subject: what a user may do. Pure: no lock, no
 * I/O; one thread changes it while no other reads. Fed by whoever watches the four kinds; rules,
 * subjects and names are borrowed from the object that `owner` stands for, until the same call
 * gives that owner back. Source: Kubernetes v1.32, authorization mode RBAC. */
#ifndef APISERVER_RBAC_H
#define APISERVER_RBAC_H
#include "apiserver/rbac_rule.h"
#include "apiserver/user.h"
#include <stdint.h>

struct rbac;

MUST_USE struct rbac *rbac_new(uint64_t seed); /* Of the hashing: names come from outside. */
/* `release` (may be NULL) gets every owner that is still there. NULL is a no-op. */
void rbac_free(struct rbac *rbac, void (*release)(const void *owner));

/* An object that has appeared or changed; `namespace` is "" for ClusterRoles and
 * ClusterRoleBindings. The owner of what it replaces, or NULL. */
const void *rbac_set_role(struct rbac *rbac, const char *namespace, const char *name,
                          Rbac__V1__PolicyRule *const *rules, size_t rule_count, const void *owner);
const void *rbac_set_binding(struct rbac *rbac, const char *namespace, const char *name,
                             const Rbac__V1__RoleRef *role, Rbac__V1__Subject *const *subjects,
                             size_t subject_count, const void *owner);
/* One that is gone. Its owner, or NULL when it was not known. */
const void *rbac_remove_role(struct rbac *rbac, const char *namespace, const char *name);
const void *rbac_remove_binding(struct rbac *rbac, const char *namespace, const char *name);

/* All roles, or all bindings, of namespaces or of the cluster; `release` gets their owners. */
void rbac_clear_kind(struct rbac *rbac, bool namespaced, bool roles,
                     void (*release)(const void *owner));

/* Why something is allowed: borrowed until the next change. */
struct rbac_grant {
    const char *binding_namespace; /* "" for a ClusterRoleBinding. */
    const char *binding;
    const Rbac__V1__RoleRef *role;
    const Rbac__V1__Subject *subject;
};

/* The first grant that allows it, those of the whole cluster first. On false, *ret_missing (may be
 * NULL) is "" or names the bound roles that do not exist, in the arena. */
bool rbac_allows(const struct rbac *rbac, const struct user *user, const struct access *access,
                 struct arena *arena, struct rbac_grant *ret_grant, const char **ret_missing);
/* `RBAC: allowed by RoleBinding "b/ns" of Role "r" to User "u"`, in the arena. */
const char *rbac_grant_text(struct arena *arena, const struct rbac_grant *grant);

/* All rules that the user has in the namespace ("": of the cluster only); array in the arena, rules
 * borrowed until the next change. */
struct rbac_rules rbac_rules_of(const struct rbac *rbac, const struct user *user,
                                const char *namespace, struct arena *arena);
/* Those of one role; false when there is none. `kind` is "Role" or "ClusterRole". */
bool rbac_rules_of_role(const struct rbac *rbac, const char *namespace, const char *kind,
                        const char *name, struct arena *arena, struct rbac_rules *ret_rules);
#endif
