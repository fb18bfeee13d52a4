/* Planning of connections (exec, attach, portforward, proxy): webhooks and policies are asked, and
 * nothing is written. */
#include "apiserver/admission.h"
#include "apiserver/operation.h"

enum plan_step plan_connect(struct operation *operation)
{
    const struct registry_call *call = operation->call;
    struct admission admission = {.operation = operation,
                                  .verb = ADMIT_CONNECT,
                                  .kind = call->kind,
                                  .subresource = operation_subresource(operation),
                                  .namespace = operation_namespace(operation),
                                  .name = operation_name(operation),
                                  .message = call->body};
    const struct api_status *refusal = admission_ask(&admission);
    return refusal == NULL ? PLAN_ANSWER : plan_fail(operation, refusal);
}
