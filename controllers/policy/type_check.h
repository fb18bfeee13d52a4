/* What may be wrong with the expressions of a ValidatingAdmissionPolicy, as the types of the
 * objects that it is about show it: what its status says under typeChecking. Pure. */
#ifndef CONTROLLERS_POLICY_TYPE_CHECK_H
#define CONTROLLERS_POLICY_TYPE_CHECK_H
#include "k8s/admissionregistration_v1.pb-c.h"
#include "lib/api/kinds.h"
#include "lib/base/arena.h"

struct cel_functions;

/* Kinds that an expression is held against; the rest of those that a policy names is not. */
enum { TYPE_CHECK_KINDS_MAX = 10 };

/* `kinds` are all that are served, custom ones included. What is new is in the arena. */
Admissionregistration__V1__TypeChecking *type_check(
    struct arena *arena, const Admissionregistration__V1__ValidatingAdmissionPolicySpec *spec,
    const struct api_kind *const *kinds, size_t count, const struct cel_functions *functions);
#endif
