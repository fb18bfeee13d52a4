/* AuthenticationConfiguration (apiserver.config.k8s.io): several issuers of OpenID Connect tokens,
 * with claims or expressions for whom they name, and which paths may be asked for by nobody. What
 * is not known here is refused. Pure. */
#ifndef APISERVER_AUTHN_CONFIG_H
#define APISERVER_AUTHN_CONFIG_H
#include "apiserver/authn_options.h"
#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/base/slice.h"
#include <stdbool.h>

struct authn_config {
    struct oidc_options *issuers;
    size_t issuer_count;
    bool has_anonymous; /* It says something of who shows nothing; else the flag counts. */
    bool anonymous;
    struct text_list anonymous_paths; /* Where alone that goes; none given: everywhere. */
};

struct cel_functions;

struct authn_config_scope {
    const struct cel_functions *functions; /* Of expressions; they need it as long as they live. */
    const char *own_issuer; /* Of this cluster's tokens, which is refused; or NULL. */
};
/* Reads the file, YAML or JSON; everything lives in `arena`. 0, or -EINVAL with a message that says
 * where the first mistake is. Certificates are not looked at. */
MUST_USE int authn_config_parse(struct arena *arena, const struct authn_config_scope *scope,
                                struct slice text, struct authn_config *ret_config,
                                struct error *reterr);
/* Whether both say the same of who shows nothing. */
bool authn_config_same_anonymous(const struct authn_config *a, const struct authn_config *b);
/* Whether somebody who shows nothing may ask for that path. */
bool authn_config_lets_in_nobody(const struct authn_config *config, bool by_flag, const char *path);
#endif
