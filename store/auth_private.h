/* What the files of struct auth share; nobody else includes it. */
#ifndef STORE_AUTH_PRIVATE_H
#define STORE_AUTH_PRIVATE_H
#include "store/auth.h"

struct auth {
    bool enabled;
    uint64_t revision;
    uint64_t hash;
    uint8_t secret[AUTH_SECRET_SIZE];
    bool has_secret;
    struct auth_user **users; /* By name. */
    size_t user_count;
    struct auth_role **roles; /* By name. */
    size_t role_count;
};

struct auth_user *auth_user_change(const struct auth *auth, struct slice name);
struct auth_role *auth_role_change(const struct auth *auth, struct slice name);
/* 0, STORE_ROOT_USER_NOT_EXIST or STORE_ROOT_ROLE_NOT_EXIST. */
MUST_USE int auth_turn_on(struct auth *auth);
#endif
