/* Who may do what: system:masters everything, then the Node authorizer, then RBAC, as
 * kube-apiserver v1.32 runs with --authorization-mode=Node,RBAC. Follows pods, roles and bindings
 * in the watch cache: an answer is never older than what a read of that cache shows by more than
 * one turn of the store loop. Opened and closed on the store loop; questions on any thread. */
#ifndef APISERVER_AUTHORIZER_H
#define APISERVER_AUTHORIZER_H
#include "apiserver/access.h"
#include "apiserver/rbac_rule.h"
#include "apiserver/user.h"

struct authorizer;
struct env;
struct watch_cache;

MUST_USE struct authorizer *authorizer_new(struct env *env, struct watch_cache *cache);
void authorizer_free(struct authorizer *authorizer); /* Before the cache; NULL is a no-op. */

/* On false, *ret_reason (may be NULL) says why, "" for no more than that nothing allows it. */
bool authorizer_allows(struct authorizer *authorizer, struct arena *arena, const struct user *user,
                       const struct access *access, const char **ret_reason);
/* The same, and also says why something is allowed. */
bool authorizer_review(struct authorizer *authorizer, struct arena *arena, const struct user *user,
                       const struct access *access, const char **ret_reason);

/* The Node authorizer's relation alone, for what the node session serves. */
bool authorizer_node_refers(struct authorizer *authorizer, const char *node, const char *resource,
                            const char *namespace, const char *name);

/* All rules the user has in the namespace, copied into the arena. *ret_incomplete gets why there
 * may be more, or NULL. */
struct rbac_rules authorizer_rules(struct authorizer *authorizer, struct arena *arena,
                                   const struct user *user, const char *namespace,
                                   const char **ret_incomplete);
/* 0; -EACCES when the user does not hold what the role grants, with *ret_missing as
 * rbac_rules_cover() has it; -ENOENT when there is no such role; -E2BIG. */
MUST_USE int authorizer_covers_role(struct authorizer *authorizer, struct arena *arena,
                                    const struct user *user, const char *namespace,
                                    const char *kind, const char *name, const char **ret_missing);
MUST_USE int authorizer_covers(struct authorizer *authorizer, struct arena *arena,
                               const struct user *user, const char *namespace,
                               const struct rbac_rules *wanted, const char **ret_missing);

/* "node-1" of "system:node:node-1" in the group system:nodes; "" when the name says no node; NULL
 * for everybody else. */
const char *node_of_user(const struct user *user);
#endif
