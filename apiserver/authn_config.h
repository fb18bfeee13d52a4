/* AuthenticationConfiguration (apiserver.config.k8s.io): several issuers of OpenID Connect tokens,
 * and which paths may be asked for by nobody. What is not known here, expressions among it, is
 * refused. Pure. */
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

/* Reads the file, YAML or JSON; everything lives in `arena`. 0, or -EINVAL with a message that says
 * where something is wrong. */
MUST_USE int authn_config_parse(struct arena *arena, struct slice text,
                                struct authn_config *ret_config, struct error *reterr);
/* Whether somebody who shows nothing may ask for that path. */
bool authn_config_lets_in_nobody(const struct authn_config *config, bool by_flag, const char *path);
#endif
