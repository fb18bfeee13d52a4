/* What the two halves of the Auth service share: etcd_auth.c changes users, roles and tokens,
 * etcd_auth_ask.c tells of them. */
#ifndef STORE_ETCD_AUTH_H
#define STORE_ETCD_AUTH_H
#include "store/etcd_private.h"

/* What the store loop has found out, for the answer on the connection's. */
struct etcd_auth_reply {
    char *token;
    bool enabled;
    uint64_t revision;
    char **names; /* Of users or roles. */
    size_t name_count;
    struct auth_permission *permissions; /* Own their keys. */
    size_t permission_count;
    uint64_t credential; /* Of the user whose password is being checked. */
    struct auth_change change;
    int (*find)(struct etcd_request *request, const struct auth *auth); /* Of what only asks. */
};

/* Of a request; made at the first call. Freed with the request. */
struct etcd_auth_reply *etcd_auth_reply_of(struct etcd_request *request);
#endif
