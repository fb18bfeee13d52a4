/* Attribute-based access control by a file of policies (abac.authorization.kubernetes.io/v1beta1),
 * one JSON object a line: the mode ABAC of kube-apiserver. Pure; what was parsed is constant: any
 * thread. */
#ifndef APISERVER_ABAC_H
#define APISERVER_ABAC_H
#include "apiserver/rbac_rule.h"
#include "apiserver/user.h"
#include "lib/base/arena.h"
#include "lib/base/error.h"

/* "" says nothing of a user or group, and else that there is none; "*" is any. */
struct abac_policy {
    const char *user, *group;
    bool readonly;
    const char *api_group, *resource, *namespace;
    const char *path;
};

struct abac {
    const struct abac_policy *policies;
    size_t count;
};

/* Empty lines and those that begin with # say nothing. 0, or -EINVAL with a message that names the
 * line: what is not known here is refused. */
MUST_USE int abac_parse(struct arena *arena, struct slice text, struct abac *ret_abac,
                        struct error *reterr);
bool abac_allows(const struct abac *abac, const struct user *user, const struct access *access);
/* What the user may do in the namespace, as rules. */
struct rbac_rules abac_rules(struct arena *arena, const struct abac *abac, const struct user *user,
                             const char *namespace);
#endif
