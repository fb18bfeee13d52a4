/* AdmissionReview, admission.k8s.io/v1, as webhooks are asked and answer. Pure; in the caller's
 * arena. */
#ifndef APISERVER_ADMISSION_REVIEW_H
#define APISERVER_ADMISSION_REVIEW_H
#include "apiserver/admission.h"
#include "apiserver/audit_notes.h"

struct webhook_call;

/* The parts of a request that are the same for every webhook that sees it in one form. */
struct review_request {
    const struct api_kind *form;  /* What the webhook is shown. */
    const struct api_kind *asked; /* What the client asked for. */
    const struct api_kind *body;  /* What is shown when it is no form of the kind, else NULL. */
    struct slice object;          /* JSON, or "null". */
    struct slice old_object;
};

/* Makes sure that the object can be shown in `form`: NULL, admission_waiting, or a refusal. Before
 * the next for a form that is not the admission's kind. */
const struct api_status *admission_review_prepare(struct admission *admission,
                                                  const struct api_kind *form);
/* The object of `admission` in `form`; texts in the arena. Made once for as long as the object
 * stays as it is. */
struct review_request admission_review_request(struct admission *admission,
                                               const struct api_kind *form);
/* kind and apiVersion of the options, as a JSON object. */
struct json_value *admission_options(struct admission *admission);
/* Everything but object and oldObject, as expressions see it: the variable `request`. */
struct json_value *admission_request_tree(struct admission *admission,
                                          const struct review_request *request, const char *uid);
/* The whole review, in `arena`. `version` is "v1" or "v1beta1". */
struct slice admission_review(struct admission *admission, const struct review_request *request,
                              const char *version, const char *uid, struct arena *arena);

struct review_answer {
    bool allowed;
    const struct api_status *status; /* NULL when it gave none. */
    struct slice patch;              /* JSON patch; empty for none. */
    const char *const *warnings;
    size_t warning_count;
    const struct audit_note *notes; /* Its auditAnnotations. */
    size_t note_count;
};

/* Reads what the webhook said to the review `uid`. NULL, or what is wrong: "failed to call webhook:
 * ..." or "received invalid webhook response: ...". */
const char *admission_review_read(struct arena *arena, const struct webhook_call *call,
                                  const char *version, const char *uid, bool mutating,
                                  struct review_answer *ret_answer);
/* The refusal of an answer that does not allow. */
const struct api_status *admission_review_denial(struct arena *arena, const char *webhook,
                                                 const struct api_status *said);
#endif
