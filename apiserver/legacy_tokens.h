/* Tokens that are kept in Secrets, as v1.32 watches over them: since when their use is noted
 * (ConfigMap kube-apiserver-legacy-service-account-token-tracking of kube-system), on which day
 * each was last used (a label of its Secret), and what is said about those that should not be. */
#ifndef APISERVER_LEGACY_TOKENS_H
#define APISERVER_LEGACY_TOKENS_H
#include <stdbool.h>

struct Core__V1__Secret;
struct Core__V1__ServiceAccount;
struct apiserver;
struct legacy_tokens;

/* Store loop, as the next two. */
struct legacy_tokens *legacy_tokens_new(struct apiserver *server);
void legacy_tokens_stop(struct legacy_tokens *tokens); /* Begins no call any more. */
void legacy_tokens_free(struct legacy_tokens *tokens); /* After its calls; NULL is a no-op. */

struct legacy_use {
    bool invalid;   /* The Secret says that its token is not valid any more. */
    bool generated; /* It was made for the account, not by a person. */
};
/* Notes a use of the Secret's token; `account` is whose it is, and may be NULL. Any thread. */
struct legacy_use legacy_tokens_use(struct legacy_tokens *tokens,
                                    const struct Core__V1__Secret *secret,
                                    const struct Core__V1__ServiceAccount *account);
#endif
