/* TokenReviews (authentication.k8s.io) that a webhook is asked with: the question as JSON, and what
 * its answer says. Pure. */
#ifndef APISERVER_TOKEN_REVIEW_H
#define APISERVER_TOKEN_REVIEW_H
#include "apiserver/authn_options.h"
#include "apiserver/user.h"
#include "lib/base/arena.h"
#include "lib/base/buffer.h"
#include "lib/base/error.h"

/* `version` is "v1" or "v1beta1", here and below. */
void token_review_print(const char *version, struct slice token, const struct text_list *audiences,
                        struct buffer *out);

struct token_review_answer {
    bool authenticated;
    const char *error; /* "" for none. */
    struct user user;  /* Of one who is authenticated; without the group system:authenticated. */
    struct text_list audiences;
};
/* Texts are in the arena. 0, or -EINVAL with a message when it is no TokenReview of that version.
 */
MUST_USE int token_review_read(struct arena *arena, const char *version, struct slice json,
                               struct token_review_answer *ret_answer, struct error *reterr);
#endif
