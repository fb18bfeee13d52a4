/* Who a call of the etcd API is from: the user named by its token (metadata "token" or
 * "authorization"), else by its verified client certificate. And who may call what. All on the
 * store loop. */
#ifndef STORE_ETCD_IDENTITY_H
#define STORE_ETCD_IDENTITY_H
#include "store/auth.h"
#include "store/etcd_service.h"

struct etcd_request;
struct grpc_call;
struct tls_peer;

/* What a method needs while authentication is on. */
enum etcd_needs {
    ETCD_NEEDS_ROOT,    /* What no table names: nobody forgot to think of it. */
    ETCD_NEEDS_USER,    /* Any user, but somebody. */
    ETCD_NEEDS_NOTHING, /* It may not even be known who. */
    ETCD_NEEDS_OWN,     /* Decided where the log is applied, or by the method, by keys. */
};
enum etcd_needs etcd_needs_of(const char *path);
bool etcd_holds_password(const char *path); /* Its requests do. */

/* Tokens that were found to be good before. */
struct etcd_tokens;
MUST_USE struct etcd_tokens *etcd_tokens_new(void);
void etcd_tokens_free(struct etcd_tokens *tokens);

enum { ETCD_TOKEN_TTL_S = 300 }; /* As etcd's simple tokens. */

/* What a stream has proven at its first request; it holds until the password is changed or the user
 * deleted, however long the stream lives. All zero at first; release with etcd_identity_release. */
struct etcd_identity {
    char *user;
    uint64_t credential;
};
void etcd_identity_release(struct etcd_identity *identity);

/* The caller of a call: nobody while authentication is off, or when nothing was said. 0, or
 * STORE_INVALID_AUTH_TOKEN. Slices in *ret_caller live until the loop turns. `identity` may be
 * NULL: a call of one request. */
MUST_USE int etcd_caller(struct etcd_service *service, struct grpc_call *call,
                         struct etcd_identity *identity, struct auth_caller *ret_caller);
/* The same, and what the method needs besides. */
MUST_USE int etcd_caller_needs(struct etcd_service *service, struct grpc_call *call,
                               enum etcd_needs needs, struct auth_caller *ret_caller);
/* Whether a peer may use the API while authentication is off (store/etcd_access.h). Any thread. */
bool etcd_peer_is_trusted(const struct tls_peer *peer);
#endif
