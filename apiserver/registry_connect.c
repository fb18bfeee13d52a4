/* Planning of connections (exec, attach, portforward, proxy) and of reviews: webhooks are asked,
 * about connections policies, too, and nothing is written. */
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

enum plan_step plan_review(struct operation *operation)
{
    struct registry_call *call = operation->call;
    struct admission admission = {
        .operation = operation,
        .verb = ADMIT_CREATE,
        .kind = call->kind,
        .subresource = "",
        .namespace = operation_namespace(operation),
        .name = "",
        .message = api_message_copy(operation->arena, call->kind->message, call->body)};
    const struct api_status *refusal = admission_ask_webhooks(&admission);
    if (refusal != NULL) {
        return plan_fail(operation, refusal);
    }
    call->result = admission.message;
    return PLAN_ANSWER;
}
