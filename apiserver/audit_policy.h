/* Which requests are audited, and how much of them: a Policy of audit.k8s.io/v1, as kube-apiserver
 * reads and applies it. The first rule that fits a request decides. Pure; immutable; any thread. */
#ifndef APISERVER_AUDIT_POLICY_H
#define APISERVER_AUDIT_POLICY_H
#include "apiserver/access.h"
#include "apiserver/user.h"
#include "lib/base/compiler.h"
#include "lib/base/error.h"
#include "lib/base/slice.h"
#include <stdint.h>

enum audit_level { AUDIT_NONE, AUDIT_METADATA, AUDIT_REQUEST, AUDIT_REQUEST_RESPONSE };
enum { AUDIT_LEVELS = AUDIT_REQUEST_RESPONSE + 1 };

/* When an event is written. Nothing here panics; the name is known to policies. */
enum audit_stage {
    AUDIT_REQUEST_RECEIVED,
    AUDIT_RESPONSE_STARTED, /* Of requests that last: watch, log, exec and the like. */
    AUDIT_RESPONSE_COMPLETE,
    AUDIT_PANIC,
};

struct audit_decision {
    enum audit_level level;
    unsigned omitted; /* Bit 1 << stage: no event of that stage. */
    bool omit_managed_fields;
};

struct audit_policy;

/* Reads a Policy, YAML or JSON. 0, or -EINVAL with a message that says which rule is wrong. */
MUST_USE int audit_policy_parse(struct slice text, struct audit_policy **ret_policy,
                                struct error *reterr);
void audit_policy_free(struct audit_policy *policy); /* NULL is a no-op. */

/* `user` is NULL when authentication failed: rules with users or groups do not fit then. */
struct audit_decision audit_policy_decide(const struct audit_policy *policy,
                                          const struct user *user, const struct access *access);

const char *audit_level_name(enum audit_level level); /* "RequestResponse" */
const char *audit_stage_name(enum audit_stage stage); /* "ResponseComplete" */
#endif
