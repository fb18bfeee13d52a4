/* The tables behind rbac_defaults.c: what each default role allows and who is bound to it. Data
 * only. */
#ifndef APISERVER_RBAC_DEFAULT_TABLES_H
#define APISERVER_RBAC_DEFAULT_TABLES_H
#include <stdbool.h>
#include <stddef.h>

enum { RBAC_DEFAULT_RULES_MAX = 24, RBAC_DEFAULT_SUBJECTS_MAX = 3 };

struct rbac_default_role {
    const char *name;
    const char *namespace;     /* Of a Role; NULL for a ClusterRole. */
    const char *aggregated_to; /* "view": the role that takes these rules in; or NULL. */
    bool aggregates;           /* Its rules are those of all that name it so. */
    /* "verbs | groups | resources", with "| names" where only some are meant, or "verbs @ paths":
     * lists with commas; "core" is the group "". */
    const char *rules[RBAC_DEFAULT_RULES_MAX];
};

struct rbac_default_binding {
    const char *name;
    const char *namespace; /* Of a RoleBinding; NULL for a ClusterRoleBinding. */
    const char *role_kind, *role;
    /* "User x", "Group x", "ServiceAccount namespace/x" */
    const char *subjects[RBAC_DEFAULT_SUBJECTS_MAX];
};

extern const struct rbac_default_role rbac_default_roles[];
extern const size_t rbac_default_role_count;
extern const struct rbac_default_role rbac_default_controllers[];
extern const size_t rbac_default_controller_count;
extern const struct rbac_default_binding rbac_default_bindings[];
extern const size_t rbac_default_binding_count;
#endif
