/* Which requests a webhook or an admission policy is about: rules over groups, versions, resources
 * and scopes, and selectors over the labels of namespace and object. Reads the cache; no I/O. */
#ifndef APISERVER_ADMISSION_MATCH_H
#define APISERVER_ADMISSION_MATCH_H
#include "apiserver/admission.h"
#include "k8s/admissionregistration_v1.pb-c.h"

struct admission_match {
    Admissionregistration__V1__RuleWithOperations *const *rules;
    size_t rule_count;
    bool any_resource; /* There are no rules: all match. */
    bool exact;        /* matchPolicy Exact: other forms of the kind do not count. */
    const Meta__V1__LabelSelector *namespace_selector; /* NULL: all. */
    const Meta__V1__LabelSelector *object_selector;    /* NULL: all. */
};

/* "CREATE", "UPDATE", "DELETE", "CONNECT". */
const char *admission_operation_text(enum admission_verb verb);
/* The form of the kind that the client speaks of. */
const struct api_kind *admission_asked(const struct admission *admission);
/* As rules have it: the name of a Namespace is its own namespace. */
const char *admission_namespace(const struct admission *admission);
/* Configurations of admission itself are never put to webhooks and policies. */
bool admission_is_exempt(const struct admission *admission);
/* Whether webhooks and policies have something to say to it. */
bool admission_is_asked_about(const struct admission *admission);

/* The form of the kind in which the object is to be shown, or NULL when it does not match. */
const struct api_kind *admission_match(struct admission *admission,
                                       const struct admission_match *match);
/* The same for what a policy or a binding names; NULL stands for everything. */
const struct api_kind *
admission_match_resources(struct admission *admission,
                          const Admissionregistration__V1__MatchResources *resources);
/* Whether one rule is about this operation on `form`. */
bool admission_rule_matches(const struct admission *admission,
                            const Admissionregistration__V1__RuleWithOperations *rule,
                            const struct api_kind *form);
#endif
