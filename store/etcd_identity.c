#include "store/etcd_identity.h"

#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include "lib/net/tls.h"
#include "store/auth_token.h"
#include "store/etcd_private.h"
#include <stdlib.h>
#include <time.h>

enum { TOKENS_MAX = 4096 };

/* --- Who may call what. Everything else needs root. */

static const struct {
    const char *path;
    enum etcd_needs needs;
} needs_rows[] = {
    {"/etcdserverpb.KV/Range", ETCD_NEEDS_OWN},
    {"/etcdserverpb.KV/Put", ETCD_NEEDS_OWN},
    {"/etcdserverpb.KV/DeleteRange", ETCD_NEEDS_OWN},
    {"/etcdserverpb.KV/Txn", ETCD_NEEDS_OWN},
    {"/etcdserverpb.KV/Compact", ETCD_NEEDS_OWN}, /* Root, where it is applied. */
    {"/etcdserverpb.Lease/LeaseGrant", ETCD_NEEDS_OWN},
    {"/etcdserverpb.Lease/LeaseRevoke", ETCD_NEEDS_OWN},
    {"/etcdserverpb.Lease/LeaseTimeToLive", ETCD_NEEDS_OWN},
    {"/etcdserverpb.Lease/LeaseLeases", ETCD_NEEDS_USER},
    {"/etcdserverpb.Cluster/MemberList", ETCD_NEEDS_USER},
    {"/etcdserverpb.Maintenance/Status", ETCD_NEEDS_USER},
    {"/etcdserverpb.Maintenance/Alarm", ETCD_NEEDS_OWN},
    {"/etcdserverpb.Auth/Authenticate", ETCD_NEEDS_NOTHING}, /* Also with a token that is over. */
    {"/etcdserverpb.Auth/AuthStatus", ETCD_NEEDS_OWN},
    {"/etcdserverpb.Auth/AuthEnable", ETCD_NEEDS_OWN},
    {"/etcdserverpb.Auth/AuthDisable", ETCD_NEEDS_OWN},
    {"/etcdserverpb.Auth/UserAdd", ETCD_NEEDS_OWN},
    {"/etcdserverpb.Auth/UserGet", ETCD_NEEDS_OWN},
    {"/etcdserverpb.Auth/UserList", ETCD_NEEDS_OWN},
    {"/etcdserverpb.Auth/UserDelete", ETCD_NEEDS_OWN},
    {"/etcdserverpb.Auth/UserChangePassword", ETCD_NEEDS_OWN},
    {"/etcdserverpb.Auth/UserGrantRole", ETCD_NEEDS_OWN},
    {"/etcdserverpb.Auth/UserRevokeRole", ETCD_NEEDS_OWN},
    {"/etcdserverpb.Auth/RoleAdd", ETCD_NEEDS_OWN},
    {"/etcdserverpb.Auth/RoleGet", ETCD_NEEDS_OWN},
    {"/etcdserverpb.Auth/RoleList", ETCD_NEEDS_OWN},
    {"/etcdserverpb.Auth/RoleDelete", ETCD_NEEDS_OWN},
    {"/etcdserverpb.Auth/RoleGrantPermission", ETCD_NEEDS_OWN},
    {"/etcdserverpb.Auth/RoleRevokePermission", ETCD_NEEDS_OWN},
    {"/v3lockpb.Lock/Unlock", ETCD_NEEDS_OWN},
    {"/v3electionpb.Election/Proclaim", ETCD_NEEDS_OWN},
    {"/v3electionpb.Election/Resign", ETCD_NEEDS_OWN},
    {"/v3electionpb.Election/Leader", ETCD_NEEDS_OWN},
};

enum etcd_needs etcd_needs_of(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(needs_rows); i++) {
        if (strcmp(needs_rows[i].path, path) == 0) {
            return needs_rows[i].needs;
        }
    }
    return ETCD_NEEDS_ROOT;
}

bool etcd_holds_password(const char *path)
{
    return strcmp(path, "/etcdserverpb.Auth/Authenticate") == 0 ||
           strcmp(path, "/etcdserverpb.Auth/UserAdd") == 0 ||
           strcmp(path, "/etcdserverpb.Auth/UserChangePassword") == 0;
}

/* --- Tokens. */

struct etcd_tokens {
    uint8_t secret[AUTH_SECRET_SIZE]; /* By which all here were checked. */
    struct hash_map *known;           /* Text of the token -> struct known_token */
    struct buffer scratch;
};

struct known_token {
    char *user;
    uint64_t credential;
    int64_t expires_s;
};

struct etcd_tokens *etcd_tokens_new(void)
{
    struct etcd_tokens *tokens = alloc_zeroed(sizeof(*tokens));
    tokens->known = hash_map_new(/* seed= */ 0x746f6b656e73);
    buffer_init(&tokens->scratch, AUTH_TOKEN_MAX);
    return tokens;
}

static void tokens_clear(struct etcd_tokens *tokens)
{
    void *value;
    for (size_t at = 0; hash_map_next(tokens->known, &at, NULL, &value);) {
        struct known_token *known = value;
        free(known->user);
        free(known);
    }
    hash_map_clear(tokens->known);
}

void etcd_tokens_free(struct etcd_tokens *tokens)
{
    if (tokens != NULL) {
        tokens_clear(tokens);
        hash_map_free(tokens->known);
        buffer_release(&tokens->scratch);
        explicit_bzero(tokens->secret, sizeof(tokens->secret));
        free(tokens);
    }
}

static int64_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

/* One whose signature was good stays so as long as the secret does; time and user are looked at
 * every time. */
static const struct known_token *token_find(struct etcd_tokens *tokens, struct slice secret,
                                            struct slice text)
{
    struct auth_claims claims;
    if (secret.len == 0) {
        return NULL;
    }
    if (memcmp(tokens->secret, secret.data, sizeof(tokens->secret)) != 0 ||
        hash_map_count(tokens->known) >= TOKENS_MAX) {
        tokens_clear(tokens);
        memcpy(tokens->secret, secret.data, sizeof(tokens->secret));
    }
    struct known_token *known = hash_map_get(tokens->known, text);
    if (known == NULL && auth_token_read(secret, text, now_s(), &tokens->scratch, &claims) == 0) {
        known = alloc_zeroed(sizeof(*known));
        known->user = alloc_text_n((const char *)claims.user.data, claims.user.len);
        known->credential = claims.credential;
        known->expires_s = claims.expires_s;
        (void)hash_map_set(tokens->known, text, known);
    }
    return known;
}

static int user_of_token(struct etcd_service *service, const struct auth *auth, struct slice text,
                         const struct auth_user **ret_user)
{
    const struct known_token *known = token_find(service->tokens, auth_secret(auth), text);
    if (known == NULL || now_s() >= known->expires_s) {
        return STORE_INVALID_AUTH_TOKEN;
    }
    const struct auth_user *user = auth_user_find(auth, slice_text(known->user));
    if (user == NULL || user->credential != known->credential) {
        return STORE_INVALID_AUTH_TOKEN;
    }
    *ret_user = user;
    return 0;
}

/* --- Callers. */

void etcd_identity_release(struct etcd_identity *identity)
{
    free(identity->user);
    *identity = (struct etcd_identity){0};
}

bool etcd_peer_is_trusted(const struct tls_peer *peer)
{
    if (peer == NULL) {
        return true; /* Who listens in plaintext trusts the network. */
    }
    for (size_t i = 0; peer->verified && i < peer->organization_count; i++) {
        if (strcmp(peer->organizations[i], "system:masters") == 0) {
            return true;
        }
    }
    return peer->verified && strcmp(peer->common_name, "coracle-member") == 0;
}

static int caller_of_token(struct etcd_service *service, const struct auth *auth,
                           struct slice token, struct etcd_identity *identity,
                           struct auth_caller *ret_caller)
{
    const struct auth_user *user;
    int status = user_of_token(service, auth, token, &user);
    if (status != 0) {
        return status;
    }
    if (identity != NULL) {
        identity->user = alloc_text_n((const char *)user->name.data, user->name.len);
        identity->credential = user->credential;
    }
    *ret_caller = (struct auth_caller){.user = user->name, .revision = auth_revision(auth)};
    return 0;
}

static int caller_known(const struct auth *auth, const struct etcd_identity *identity,
                        struct auth_caller *ret_caller)
{
    const struct auth_user *user = auth_user_find(auth, slice_text(identity->user));
    if (user == NULL || user->credential != identity->credential) {
        return STORE_INVALID_AUTH_TOKEN;
    }
    *ret_caller = (struct auth_caller){.user = user->name, .revision = auth_revision(auth)};
    return 0;
}

int etcd_caller(struct etcd_service *service, struct grpc_call *call,
                struct etcd_identity *identity, struct auth_caller *ret_caller)
{
    const struct auth *auth = store_auth(service->store);
    if (!auth_is_enabled(auth)) {
        *ret_caller =
            (struct auth_caller){.restricted = service->check_certificates &&
                                               !etcd_peer_is_trusted(grpc_call_tls_peer(call))};
        return 0;
    }
    if (identity != NULL && identity->user != NULL) {
        return caller_known(auth, identity, ret_caller);
    }
    struct slice token = grpc_call_metadata(call, "token");
    token = token.data != NULL ? token : grpc_call_metadata(call, "authorization");
    if (token.data != NULL) {
        return caller_of_token(service, auth, token, identity, ret_caller);
    }
    const struct tls_peer *peer = grpc_call_tls_peer(call);
    *ret_caller = (struct auth_caller){.revision = 0};
    if (peer != NULL && peer->verified) {
        ret_caller->user = slice_text(peer->common_name);
        ret_caller->revision = auth_revision(auth);
    }
    return 0;
}

int etcd_caller_needs(struct etcd_service *service, struct grpc_call *call, enum etcd_needs needs,
                      struct auth_caller *ret_caller)
{
    struct auth_caller caller;
    const struct auth *auth = store_auth(service->store);
    int status = etcd_caller(service, call, /* identity= */ NULL, &caller);
    if (status != 0 && needs == ETCD_NEEDS_NOTHING) {
        caller = (struct auth_caller){.revision = 0};
        status = 0;
    }
    if (status == 0 && caller.restricted) {
        status = STORE_PERMISSION_DENIED;
    } else if (status == 0 && needs == ETCD_NEEDS_ROOT) {
        status = auth_check_root(auth, &caller);
    } else if (status == 0 && needs == ETCD_NEEDS_USER) {
        status = auth_check_user(auth, &caller);
    }
    if (status == 0) {
        *ret_caller = caller;
    }
    return status;
}
