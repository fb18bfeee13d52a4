/* AuthorizationConfiguration (apiserver.config.k8s.io): who decides about a request, in which
 * order; of webhooks also where they are and about what they are asked. What is not known here is
 * refused. Pure. */
#ifndef APISERVER_AUTHZ_CONFIG_H
#define APISERVER_AUTHZ_CONFIG_H
#include "apiserver/authz_options.h"
#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/cel/cel.h"

enum authorizer_type {
    AUTHORIZER_NODE,
    AUTHORIZER_RBAC,
    AUTHORIZER_ALWAYS_ALLOW,
    AUTHORIZER_ALWAYS_DENY,
    AUTHORIZER_ABAC,
    AUTHORIZER_WEBHOOK,
};
const char *authorizer_type_name(enum authorizer_type type); /* "Node" */

/* What has to hold of a SubjectAccessReview, or the webhook is not asked. */
struct match_condition {
    const char *text;
    const struct cel_program *program; /* Of one variable, the spec. */
};

struct authz_webhook_options {
    const char *kubeconfig_path; /* NULL: by the ServiceAccount of the pod that we run in. */
    const char *version;         /* Of the SubjectAccessReview. */
    uint64_t timeout_ms, authorized_ttl_ms, unauthorized_ttl_ms;
    bool denies_on_failure; /* Else it has no opinion then. */
    const struct match_condition *conditions;
    size_t condition_count;
};

struct authorizer_options {
    enum authorizer_type type;
    const char *name;
    struct authz_webhook_options webhook; /* Of AUTHORIZER_WEBHOOK. */
};

struct authz_config {
    const struct authorizer_options *items;
    size_t count;
};

/* Reads the file, YAML or JSON; everything lives in `arena`, and needs `functions`. 0, or -EINVAL
 * with a message that says where the first mistake is. Kubeconfigs are not looked at. */
MUST_USE int authz_config_parse(struct arena *arena, const struct cel_functions *functions,
                                struct slice text, struct authz_config *ret_config,
                                struct error *reterr);
/* Whether the flags let everybody do everything. */
bool authz_options_allow_all(const struct authz_options *options);
/* The same by flags; -EINVAL with a message that names the flag. */
MUST_USE int authz_config_of_flags(struct arena *arena, const struct authz_options *options,
                                   struct authz_config *ret_config, struct error *reterr);
#endif
