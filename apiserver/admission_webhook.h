/* Admission webhooks. A planner does not wait: where a webhook has to be asked, planning ends with
 * admission_waiting, the questions go out, and with the answers the plan is made anew. What was
 * asked before is remembered, word for word, so that the same object is not put to a webhook again;
 * an object that became another one meanwhile is. */
#ifndef APISERVER_ADMISSION_WEBHOOK_H
#define APISERVER_ADMISSION_WEBHOOK_H
#include "apiserver/admission.h"

struct hook_answers;

/* One pass of a request over the mutating webhooks, and what the second has to know of the first.
 */
struct hook_round {
    bool again;   /* The second pass: those with reinvocationPolicy IfNeeded, when they have to. */
    bool changed; /* The object is another one than before. */
    const char *asked[WEBHOOKS_OF_REQUEST_MAX]; /* Who wants to be asked again after changes. */
    size_t asked_count;
    const char *due[WEBHOOKS_OF_REQUEST_MAX]; /* Who has to be. */
    size_t due_count;
    struct slice left; /* The object after the last change of the pass. */
};

/* NULL, admission_waiting, or a refusal. May put another object into admission->message. */
const struct api_status *admit_mutating_webhooks(struct admission *admission,
                                                 struct hook_round *round);
/* NULL, admission_waiting, or a refusal. */
const struct api_status *admit_validating_webhooks(struct admission *admission);

/* Sends what a plan that ended with admission_waiting has to ask; operation_replay() follows. */
void admission_webhooks_start(struct operation *operation);
void admission_webhooks_release(struct operation *operation);
#endif
