/* Who each control loop acts as: a ServiceAccount of kube-system, named and permitted (system:
 * controller:<name>) as the one of v1.32 with the same task. Constant. */
#ifndef CONTROLLERS_IDENTITIES_H
#define CONTROLLERS_IDENTITIES_H
#include "lib/client/client.h"

struct control_identities {
    struct client_identity bootstrap_signer, certificate, claim_protection,
        cluster_role_aggregation, deployment, endpoint, endpoint_slice, garbage,
        legacy_token_cleaner, namespace, node, pod_garbage, policy_status, replica_set, replication,
        resource_quota, root_ca, service_account, token_cleaner, volume_protection;
    struct client_identity manager; /* The user system:kube-controller-manager itself. */
};
extern const struct control_identities control_as;
#endif
