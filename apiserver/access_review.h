/* SubjectAccessReviews (authorization.k8s.io) that a webhook is asked with: the question as JSON,
 * and what its answer says. Pure. */
#ifndef APISERVER_ACCESS_REVIEW_H
#define APISERVER_ACCESS_REVIEW_H
#include "apiserver/access.h"
#include "apiserver/user.h"
#include "lib/base/arena.h"
#include "lib/base/buffer.h"
#include "lib/base/error.h"

/* `version` is "v1" or "v1beta1", here and below. */
void access_review_print(const char *version, const struct user *user, const struct access *access,
                         struct buffer *out);
/* The `spec` of version v1 with all its members, also empty ones: what match conditions see. */
void access_review_print_spec(const struct user *user, const struct access *access,
                              struct buffer *out);

struct access_review_answer {
    bool allowed, denied; /* Neither: no opinion. */
    const char *reason;   /* "" for none. */
    const char *error;    /* What the webhook says went wrong there. */
};
/* Texts are in the arena. 0, or -EINVAL with a message when it is no SubjectAccessReview of that
 * version, or says both. */
MUST_USE int access_review_read(struct arena *arena, const char *version, struct slice json,
                                struct access_review_answer *ret_answer, struct error *reterr);
#endif
