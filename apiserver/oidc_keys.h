/* The public keys of an identity provider, from its JWK Set. Immutable; counted by reference. No
 * I/O; any thread. */
#ifndef APISERVER_OIDC_KEYS_H
#define APISERVER_OIDC_KEYS_H
#include "apiserver/oidc_claims.h"

struct oidc_keys;

/* Keys of kinds that are not used here are left out. 0, or -EINVAL with a message when it is no JWK
 * Set or holds no key for signatures. */
MUST_USE int oidc_keys_parse(struct slice json, struct oidc_keys **ret_keys, struct error *reterr);
struct oidc_keys *oidc_keys_ref(struct oidc_keys *keys);
void oidc_keys_unref(struct oidc_keys *keys); /* NULL is a no-op. */
/* 0 when one of the keys signed it; -ENOENT when none has the token's key id; -EACCES. */
MUST_USE int oidc_keys_verify(const struct oidc_keys *keys, const struct oidc_token *token);
#endif
