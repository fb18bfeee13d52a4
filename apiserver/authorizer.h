/* Who may do what: system:masters everything, then whom the operator has put in order; without a
 * word of his the Node authorizer, then RBAC, as kube-apiserver v1.32 runs with
 * --authorization-mode=Node,RBAC. Follows pods, roles and bindings in the watch cache: an answer is
 * never older than what a read of that cache shows by more than one turn of the store loop. Opened
 * and closed on the store loop; questions on any thread. */
#ifndef APISERVER_AUTHORIZER_H
#define APISERVER_AUTHORIZER_H
#include "apiserver/access.h"
#include "apiserver/authorizer_chain.h"
#include "apiserver/rbac_rule.h"
#include "apiserver/user.h"

struct authorizer;
struct env;
struct watch_cache;

MUST_USE struct authorizer *authorizer_new(struct env *env, struct watch_cache *cache);
void authorizer_free(struct authorizer *authorizer); /* Before the cache; NULL is a no-op. */

/* Borrowed, and outlives it; before the first question. */
void authorizer_set_chains(struct authorizer *authorizer, struct authorizer_chains *chains);

/* A question, in the caller's memory until it is decided. Fill in the first part. */
struct authorization {
    const struct user *user;
    const struct access *access;
    struct arena *arena; /* Gets the texts, and is not used by others until then. */
    struct loop *home;   /* Of the caller's thread, where `decided` runs. */
    void (*decided)(struct authorization *question); /* NULL: webhooks are not asked. */
    void *data;
    bool explain; /* Say why something is allowed, too. */

    /* Results. */
    bool allowed;
    bool denied;                   /* Whatever others would say; else nobody allows it. */
    const char *reason;            /* "" for no more than that nothing allows it. */
    const char *error;             /* What went wrong with webhooks; "" for nothing. */
    struct authorizer *authorizer; /* The authorizer's, as what follows. */
    struct authorizer_chain *chain;
    size_t next;
    struct access_ask *ask;
};
/* True when it is decided already, and `decided` does not run; false: it will. */
bool authorizer_decide(struct authorizer *authorizer, struct authorization *question);
/* The same for who cannot wait, and without the webhooks. On false, *ret_reason (may be NULL) says
 * why. */
bool authorizer_allows(struct authorizer *authorizer, struct arena *arena, const struct user *user,
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
