/* Admission: what the cluster's policy adds to, or refuses of, a request for an object, in a fixed
 * order (facts: NamespaceLifecycle, ServiceAccount, Priority, DefaultTolerationSeconds, ...). Runs
 * in the planner; reads the cache through the operation. No I/O. */
#ifndef APISERVER_ADMISSION_H
#define APISERVER_ADMISSION_H
#include "apiserver/operation.h"

struct review_request;

enum admission_verb { ADMIT_CREATE, ADMIT_UPDATE, ADMIT_DELETE, ADMIT_CONNECT };

struct admission {
    struct operation *operation;
    enum admission_verb verb;
    const struct api_kind *kind;
    const char *subresource;
    const char *namespace;
    const char *name; /* May be "" for a create with generateName. */
    void *message;    /* NULL for deletions; changed in place by mutating steps. Of a create through
                       * a subresource: what was sent (Eviction, TokenRequest). */
    const void *before; /* Update: the stored object. */
    /* What `message` and `before` are when they are no form of `kind`: Scale, Binding,
     * PodExecOptions. admission_ask() sets it; NULL else. */
    const struct api_kind *body;
    /* What webhooks and policies were last shown of it; NULL once it may have changed. */
    const struct review_request *shown;
};

/* No refusal: somebody has to be asked. plan_fail() makes PLAN_WAIT of it. */
extern const struct api_status admission_waiting;

/* NULL when admitted, else the refusal. Before validation: may change the object,
 * or put another one into admission->message. */
const struct api_status *admission_mutate(struct admission *admission);
/* The same for a valid object, which it leaves as it is. */
const struct api_status *admission_validate(struct admission *admission);

/* Asks webhooks and policies, and nobody else, about what was sent through a subresource, as what
 * it is. They are not asked about what the operation makes of it. */
const struct api_status *admission_ask(struct admission *admission);
/* Asks webhooks alone: about reviews, which policies do not judge in v1.32 either. */
const struct api_status *admission_ask_webhooks(struct admission *admission);
/* What `message` and `before` are. */
const struct api_kind *admission_message_kind(const struct admission *admission);

/* What the user, when it is a node, may not do; also for subresources that run no other step. */
const struct api_status *admit_node_restriction(struct admission *admission);

/* Who writes a role or a binding has what it grants, or leave to grant it. Runs last: it judges
 * the object as it will be stored. */
const struct api_status *admit_rbac_escalation(struct admission *admission);

/* admission_pod.c */
const struct api_status *admit_pod_service_account(struct admission *admission);
const struct api_status *admit_pod_priority(struct admission *admission);
const struct api_status *admit_pod_tolerations(struct admission *admission);
/* Never refuses: tells the client of what is deprecated or has no effect. */

/* admission_secrets.c */
const struct api_status *admit_account_secrets(struct admission *admission);
const struct api_status *
admit_pod_profile_warnings(struct admission *admission);                      /* Never refuses. */
const struct api_status *admit_account_warnings(struct admission *admission); /* Never refuses. */

/* admission_limits.c */
const struct api_status *admit_limit_defaults(struct admission *admission);
const struct api_status *admit_limits(struct admission *admission);

/* admission_classes.c */
const struct api_status *admit_default_storage_class(struct admission *admission);
const struct api_status *admit_default_ingress_class(struct admission *admission);
const struct api_status *admit_runtime_class(struct admission *admission);
const struct api_status *admit_claim_resize(struct admission *admission);
const struct api_status *admit_priority_class(struct admission *admission);

/* admission_quota.c: the last step. Charges the plan; see admission_charge_again(). */
const struct api_status *admit_quota(struct admission *admission);
/* Makes the charges of operation->plan anew, from the quotas as they are now. */
const struct api_status *admission_charge_again(struct operation *operation);

/* admission_certificates.c */
const struct api_status *admit_certificates(struct admission *admission);
/* Part of the validation of new objects that lib/api has no library for: appends a cause when the
 * content of a certificate request cannot be read, or is not signed by its own key. */
void validate_certificate_request(struct api_causes *causes, const struct api_kind *kind,
                                  const void *message);

/* admission_pod_security.c */
const struct api_status *admit_pod_security(struct admission *admission);
#endif
