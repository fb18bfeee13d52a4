/* The flags of `coracle server` that say how people are known and how values are encrypted at rest;
 * named as kube-apiserver's. */
#ifndef CMD_AUTHN_FLAGS_H
#define CMD_AUTHN_FLAGS_H
#include "apiserver/authn_options.h"
#include "apiserver/authz_options.h"
#include "cmd/flags.h"
#include "lib/base/arena.h"

/* Reads the files they name. Texts live in `arena` or in the flags. 0, or a negative errno
 * with a message that names the flag. */
MUST_USE int authn_options_from(const struct flag_set *set, struct arena *arena,
                                struct authn_options *ret_options,
                                const char **ret_encryption_config, struct error *reterr);
/* The same for those that say who decides about requests. */
MUST_USE int authz_options_from(const struct flag_set *set, struct arena *arena,
                                struct authz_options *ret_options, struct error *reterr);
#endif
