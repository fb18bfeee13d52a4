/* OpenID Connect: who a token of the operator's identity provider is. The provider's keys are
 * fetched in the background (discovery, then the JWK Set) on the store loop, again every few
 * minutes, soon after a failure, and when a token names a key that is not known. Made and closed on
 * the store loop; questions on any thread. */
#ifndef APISERVER_OIDC_H
#define APISERVER_OIDC_H
#include "apiserver/authn_options.h"
#include "apiserver/user.h"
#include "lib/base/arena.h"
#include "lib/base/error.h"

struct loop;
struct oidc;

/* `options` are borrowed. Without an issuer *ret_oidc is NULL. -EINVAL with a message that names
 * the flag. */
MUST_USE int oidc_new(const struct oidc_options *options, struct loop *loop, struct oidc **ret_oidc,
                      struct error *reterr);
void oidc_free(struct oidc *oidc); /* NULL is a no-op. */

bool oidc_is_ready(struct oidc *oidc); /* It knows the issuer's keys. */
/* 0; -ENOENT when it is not a token of that issuer (or `oidc` is NULL); -EACCES. */
MUST_USE int oidc_authenticate(struct oidc *oidc, struct arena *arena, struct slice token,
                               int64_t now_s, const struct user **ret_user);
#endif
