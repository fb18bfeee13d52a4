/* Inside of the API server: auditing of requests. Each request that the policy asks for has an
 * audit_event from stage_audit() on (request->audit); what the stages and handlers find out goes
 * there, and events are written when a stage of audit is reached. All functions are no-ops for a
 * request that is not audited. On the request's loop. */
#ifndef APISERVER_AUDIT_H
#define APISERVER_AUDIT_H
#include "apiserver/audit_event.h"
#include "apiserver/audit_options.h"
#include "apiserver/request.h"

struct audit;

/* *ret_audit is NULL when there is nothing to do. -EINVAL with a message, or what
 * audit_backends_new() fails with; `loop` is theirs. */
MUST_USE int audit_new(const struct audit_options *options, struct loop *loop,
                       struct metrics *metrics, struct audit **ret_audit, struct error *reterr);
/* As audit_backends_close(). NULL: `closed` runs at once. */
void audit_close(struct audit *audit, void (*closed)(void *data), void *data);
void audit_free(struct audit *audit); /* Writes what waits. NULL is a no-op. */

/* The authentication of a request failed: in the place of stage_audit(). */
void audit_begin_refused(struct request *request);
void audit_impersonation(struct request *request); /* request->user is another now. */
/* The head of an answer that lasts has been sent. */
void audit_answer_begun(struct request *request);
void audit_end(struct request *request); /* Of every request, once. */

/* What was sent: an object that was decoded from the body, or a patch. */
void audit_request_object(struct request *request, const struct api_message *schema,
                          const struct api_type_meta *type_meta, const void *message);
void audit_request_patch(struct request *request);
/* What is answered, before it is sent. The status lives as long as the request. */
bool audit_wants_answer(const struct request *request); /* Its body is part of the event. */
void audit_status(struct request *request, const struct api_status *status);
void audit_message(struct request *request, unsigned code, const struct api_message *schema,
                   const void *message, const struct api_type_meta *type_meta);
void audit_object(struct request *request, unsigned code, const struct api_kind *kind,
                  const void *message);
void audit_list(struct request *request); /* request->call holds it. */
#endif
