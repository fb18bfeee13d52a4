#include "tests/unit/controllers/permissions.h"

#include "apiserver/rbac_defaults.h"
#include "apiserver/rbac_rule.h"
#include <check.h>
#include <string.h>

/* The default role of an identity has its name, after "system:controller:" for accounts. */
static const char *role_of(struct arena *arena, const char *user)
{
    static const char account[] = "system:serviceaccount:kube-system:";
    size_t len = sizeof(account) - 1;
    return strncmp(user, account, len) == 0
               ? arena_printf(arena, "system:controller:%s", user + len)
               : user;
}

void permissions_check(const struct client_request *request)
{
    static const char *const verbs[] = {[CLIENT_GET] = "get",
                                        [CLIENT_CREATE] = "create",
                                        [CLIENT_UPDATE] = "update",
                                        [CLIENT_PATCH] = "patch",
                                        [CLIENT_DELETE] = "delete"};
    if (request->as == NULL) {
        return;
    }
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct access access = {.verb = verbs[request->verb],
                                  .is_resource = true,
                                  .group = request->kind->group,
                                  .resource = request->kind->plural,
                                  .subresource = text_or_empty(request->subresource),
                                  .namespace = text_or_empty(request->namespace_),
                                  .name = text_or_empty(request->name),
                                  .path = ""};
    Rbac__V1__PolicyRule **rules = rbac_default_rules(arena, role_of(arena, request->as->user));
    for (; *rules != NULL; rules++) {
        if (rbac_rule_allows(*rules, &access)) {
            return;
        }
    }
    ck_abort_msg("%s may not %s %s/%s", request->as->user, access.verb, access.resource,
                 access.subresource);
}
