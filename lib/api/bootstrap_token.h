/* Bootstrap tokens, "abcdef.0123456789abcdef": what a Secret bootstrap-token-<id> of kube-system
 * says of one. Pure; the secret half is compared by the caller, in constant time. */
#ifndef LIB_API_BOOTSTRAP_TOKEN_H
#define LIB_API_BOOTSTRAP_TOKEN_H
#include "k8s/core_v1.pb-c.h"
#include "lib/base/arena.h"

/* Whether it looks like one, and its two halves. */
bool bootstrap_token_split(struct slice token, struct slice *ret_id, struct slice *ret_secret);
/* Whether the Secret is of that token, not over at `now_s`, and has `usage` set to "true". */
bool bootstrap_secret_is_for(const Core__V1__Secret *secret, struct slice id, const char *usage,
                             int64_t now_s);
/* The groups of who comes with it: system:bootstrappers and those of auth-extra-groups, in the
 * arena. -EINVAL when one of these is not below system:bootstrappers, or there are more than
 * BOOTSTRAP_GROUPS_MAX. */
MUST_USE int bootstrap_secret_groups(struct arena *arena, const Core__V1__Secret *secret,
                                     const char ***ret_groups, size_t *ret_count);
/* The value of a key; empty when it is not there. */
struct slice secret_data_value(const Core__V1__Secret *secret, const char *key);
#endif
