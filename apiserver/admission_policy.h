/* ValidatingAdmissionPolicy: CEL rules of the cluster's own, put to requests by bindings, with
 * parameters from other objects. No I/O: everything is in the cache. */
#ifndef APISERVER_ADMISSION_POLICY_H
#define APISERVER_ADMISSION_POLICY_H
#include "apiserver/admission.h"
#include "apiserver/expressions.h"
#include "k8s/admissionregistration_v1.pb-c.h"

/* NULL, or the first denial. Warnings of bindings that only warn go to the client. */
const struct api_status *admit_policies(struct admission *admission);

/* Whether all conditions hold. An error is one that no false condition makes pointless: false, with
 * *ret_problem set. `first`: the place of the first condition in the set. */
bool admission_conditions_hold(const struct expression_set *set, size_t first, size_t count,
                               struct expression_activation *activation, const char **ret_problem);
#endif
