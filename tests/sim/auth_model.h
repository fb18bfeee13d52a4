/* What users, roles and permissions must do (etcd docs, "Role-based access control"), written down
 * a second time for a few names and the keys of kv_model.h. Shares no code with store/ but the
 * structs of requests. Pure. */
#ifndef TESTS_SIM_AUTH_MODEL_H
#define TESTS_SIM_AUTH_MODEL_H
#include "tests/sim/kv_model.h"

enum { AUTH_MODEL_USERS = 4, AUTH_MODEL_ROLES = 3, AUTH_MODEL_GRANTS_MAX = 12 };

struct auth_model {
    bool enabled;
    uint64_t revision; /* Of who may do what. */
    struct auth_model_user {
        bool there;
        bool roles[AUTH_MODEL_ROLES];
    } users[AUTH_MODEL_USERS];
    struct auth_model_role {
        bool there;
        struct auth_model_grant {
            int64_t first, end; /* Keys; end -1: the first alone. */
            enum auth_access access;
        } grants[AUTH_MODEL_GRANTS_MAX];
        size_t grant_count;
    } roles[AUTH_MODEL_ROLES];
};

void auth_model_init(struct auth_model *model);
struct slice auth_model_user_name(size_t user); /* 0 is root; so with roles. */
struct slice auth_model_role_name(size_t role);
/* A change by an entry of the log: its status, and whether anything is different now. */
int auth_model_change(struct auth_model *model, const struct auth_change *change,
                      bool *ret_changed);
/* 0, or why the command must not be done for its caller. */
int auth_model_permit(const struct auth_model *model, const struct kv_model *keys,
                      const struct store_command *command);
#endif
