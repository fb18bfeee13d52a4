/* ServiceAccount tokens: JWTs (RFC 7519) signed with the cluster's ES256 key and verified by it.
 * The signer is immutable; any thread. Whether the account and the pod still exist is
 * authentication's question. */
#ifndef APISERVER_TOKEN_H
#define APISERVER_TOKEN_H
#include "lib/base/arena.h"
#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include <stdbool.h>

struct token_signer;

struct token_claims {
    const char *namespace;
    const char *account, *account_uid;
    const char *pod, *pod_uid;       /* NULL when not bound to a pod. */
    const char *secret, *secret_uid; /* NULL when not bound to a secret. */
    const char *node, *node_uid;     /* NULL when not known. */
    const char *const *audiences;
    size_t audience_count;
    const char *id; /* jti */
    int64_t issued_s, expires_s;
    int64_t warn_after_s; /* 0 for none. */
    bool legacy; /* Of a Secret: it names that Secret (without uid), has no audience and no end. */
};

/* `issuer` is also the default audience. 0, or -EINVAL for keys that are no use. */
MUST_USE int token_signer_new(const char *private_pem, const char *public_pem, const char *issuer,
                              struct token_signer **ret_signer, struct error *reterr);
void token_signer_free(struct token_signer *signer);
const char *token_signer_issuer(const struct token_signer *signer);

MUST_USE int token_issue(const struct token_signer *signer, const struct token_claims *claims,
                         struct buffer *token, struct error *reterr);
/* 0 with claims in the arena; -ENOENT when it is no JWT or names another issuer (another
 * authenticator may know it); -EACCES when it is ours by its issuer and signature or times are
 * wrong. Audiences are the caller's to
 * compare. */
MUST_USE int token_verify(const struct token_signer *signer, struct arena *arena,
                          struct slice token, int64_t now_s, struct token_claims *ret_claims,
                          struct error *reterr);
/* The JWK Set of /openid/v1/jwks and the document of /.well-known/openid-configuration. */
MUST_USE int token_signer_jwks(const struct token_signer *signer, struct buffer *out);
void token_signer_discovery(const struct token_signer *signer, struct buffer *out);
#endif
