/* ID tokens of OpenID Connect: their parts, and whom their claims name by the options that
 * kube-apiserver v1.32 has. Pure; signatures are the caller's. */
#ifndef APISERVER_OIDC_CLAIMS_H
#define APISERVER_OIDC_CLAIMS_H
#include "apiserver/authn_options.h"
#include "apiserver/user.h"
#include "lib/base/arena.h"
#include "lib/base/error.h"

struct json_value;

/* A JSON Web Token, taken apart and not believed yet. In the arena; `signed_part` is borrowed from
 * the token. */
struct oidc_token {
    struct slice signed_part;
    struct slice signature;
    const char *algorithm, *key_id; /* "" when the header has none. */
    const struct json_value *claims;
};
/* 0, or -ENOENT when it is no such token (also with more than OIDC_TOKEN_MAX bytes). */
MUST_USE int oidc_token_read(struct arena *arena, struct slice token, struct oidc_token *ret_token);
bool oidc_token_is_of(const struct oidc_token *token, const char *issuer_url);

/* The user that the claims of a token name whose signature is good, by mappings and rules of the
 * options; without the group system:authenticated. 0; -EACCES with a message that says which claim
 * or rule is missing or wrong. */
MUST_USE int oidc_identify(const struct oidc_options *options, struct arena *arena,
                           const struct oidc_token *token, int64_t now_s, struct user *ret_user,
                           struct error *reterr);
#endif
