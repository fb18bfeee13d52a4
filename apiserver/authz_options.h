/* What an operator says of who decides about requests; named as the flags of kube-apiserver. Texts
 * and lists are borrowed for the life of the server. */
#ifndef APISERVER_AUTHZ_OPTIONS_H
#define APISERVER_AUTHZ_OPTIONS_H
#include "apiserver/authn_options.h"

struct authz_options {
    struct text_list modes;          /* "Node", "RBAC", ...; none given: these two. */
    const char *policy;              /* Text of the policies of the mode "ABAC"; or NULL. */
    const char *webhook_config_path; /* Of the mode "Webhook": its kubeconfig. */
    const char *webhook_version;     /* Of the SubjectAccessReview: "v1", "v1beta1". */
    uint64_t authorized_ttl_ms, unauthorized_ttl_ms; /* Of its answers. */

    const char *config; /* Text of an AuthorizationConfiguration, in place of all above; or NULL. */
    const char *config_path; /* Where it was read, to be looked at again; NULL: never. */
};
#endif
