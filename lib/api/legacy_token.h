/* Tokens of ServiceAccounts that are kept in Secrets: the labels in which API server and
 * controllers say when one was used and that it is not valid any more, and their dates. Pure. */
#ifndef LIB_API_LEGACY_TOKEN_H
#define LIB_API_LEGACY_TOKEN_H
#include "lib/base/compiler.h"
#include "lib/base/time_text.h"

struct Core__V1__ServiceAccount;

#define LEGACY_TOKEN_TYPE          "kubernetes.io/service-account-token"
#define LEGACY_TOKEN_LAST_USED     "kubernetes.io/legacy-token-last-used"
#define LEGACY_TOKEN_INVALID_SINCE "kubernetes.io/legacy-token-invalid-since"
/* A ConfigMap of kube-system: since when their use is noted. */
#define LEGACY_TOKEN_TRACKING "kube-apiserver-legacy-service-account-token-tracking"
#define LEGACY_TOKEN_SINCE    "since"

/* "2006-01-02", in UTC: dates compare as texts. */
void legacy_token_date(int64_t seconds, char ret_date[static TIME_TEXT_SIZE]);
/* When the day begins; -EINVAL for what is no date. */
MUST_USE int legacy_token_parse_date(const char *date, int64_t *ret_seconds);
/* Whether the account lists the Secret: it was made for it, before v1.24. NULL lists nothing. */
bool legacy_token_is_generated(const struct Core__V1__ServiceAccount *account, const char *secret);
#endif
