/* Users, roles and what they do with keys, as clients of the live members
 * (tests/unit/store/live_clients.h). Those without a number are the client of the first member.
 * Each gives the gRPC code. */
#ifndef TESTS_UNIT_STORE_LIVE_USERS_H
#define TESTS_UNIT_STORE_LIVE_USERS_H
#include "etcd/auth.pb-c.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int live_user_add(const char *name, const char *password);
int live_user_grant(const char *name, const char *role);
int live_user_password(const char *name, const char *password);
int live_role_add(const char *name);
int live_role_grant(const char *name, Authpb__Permission__Type type, const char *key,
                    const char *end);
int live_auth_enable(void);
int live_auth_disable(void);
/* The member's client has the token from then on. */
int live_authenticate(size_t member, const char *name, const char *password);
int live_put(size_t member, const char *key, const char *value);
int live_get(size_t member, const char *key, bool serializable);

/* From here on users are required: root/rootpw; alice/alicepw, who may read and write a, and read
 * k. */
void live_users_set_up(void);

/* Messages of protobuf-c hold what they do not change as if they could. */
static inline char *live_words(const char *text)
{
    return (char *)(uintptr_t)text;
}
#endif
