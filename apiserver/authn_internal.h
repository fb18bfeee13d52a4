/* Inside of authentication: its ways to know somebody. Each returns 0; -ENOENT for what is not its
 * own, so that the next may know it; -EACCES for what is its own and bad. Io loops. */
#ifndef APISERVER_AUTHN_INTERNAL_H
#define APISERVER_AUTHN_INTERNAL_H
#include "apiserver/oidc.h"
#include "apiserver/request.h"
#include "lib/api/bootstrap_token.h"

MUST_USE int authenticate_bootstrap(struct apiserver *server, struct arena *arena,
                                    struct slice token, const struct user **ret_user);
/* Whom a front proxy speaks for, or NULL when it is none: then its headers mean nothing. */
const struct user *front_proxy_user(struct apiserver *server, struct arena *arena,
                                    struct http_exchange *exchange);
#endif
