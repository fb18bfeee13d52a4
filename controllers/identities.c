#include "controllers/identities.h"

#define MANAGER "kube-controller-manager"
#define ACCOUNT(name)                                                                              \
    {                                                                                              \
        .user = "system:serviceaccount:kube-system:" name, .manager = MANAGER                      \
    }

const struct control_identities control_as = {
    .bootstrap_signer = ACCOUNT("bootstrap-signer"),
    .certificate = ACCOUNT("certificate-controller"),
    .claim_protection = ACCOUNT("pvc-protection-controller"),
    .cluster_role_aggregation = ACCOUNT("clusterrole-aggregation-controller"),
    .deployment = ACCOUNT("deployment-controller"),
    .endpoint = ACCOUNT("endpoint-controller"),
    .endpoint_slice = ACCOUNT("endpointslice-controller"),
    .garbage = ACCOUNT("generic-garbage-collector"),
    .legacy_token_cleaner = ACCOUNT("legacy-service-account-token-cleaner"),
    .namespace = ACCOUNT("namespace-controller"),
    .node = ACCOUNT("node-controller"),
    .policy_status = ACCOUNT("validatingadmissionpolicy-status-controller"),
    .pod_garbage = ACCOUNT("pod-garbage-collector"),
    .replica_set = ACCOUNT("replicaset-controller"),
    .replication = ACCOUNT("replication-controller"),
    .resource_quota = ACCOUNT("resourcequota-controller"),
    .root_ca = ACCOUNT("root-ca-cert-publisher"),
    .service_account = ACCOUNT("service-account-controller"),
    .token_cleaner = ACCOUNT("token-cleaner"),
    .volume_protection = ACCOUNT("pv-protection-controller"),
    .manager = {.user = "system:" MANAGER, .manager = MANAGER},
};
