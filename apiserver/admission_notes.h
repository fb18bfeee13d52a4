/* What admission tells the audit log of webhooks, under the keys of Kubernetes. All do nothing for
 * a request that is not audited. On the operation's home. */
#ifndef APISERVER_ADMISSION_NOTES_H
#define APISERVER_ADMISSION_NOTES_H
#include "apiserver/admission_review.h"

/* A webhook in one pass over all of them. Texts are borrowed. */
struct hook_place {
    const char *configuration, *webhook;
    unsigned round; /* 0, or 1 when it is asked again. */
    size_t index;   /* Among the webhooks of all configurations. */
    bool mutating;
};

/* It was asked, and has or has not changed the object by `patch` (may be empty). */
void admission_note_mutation(const struct operation *operation, const struct hook_place *place,
                             bool changed, struct slice patch);
/* It failed, which its configuration says to ignore. */
void admission_note_failure(const struct operation *operation, const struct hook_place *place);
/* The annotations of its answer, under its name. */
void admission_note_answer(const struct operation *operation, const struct hook_place *place,
                           const struct review_answer *answer);
#endif
