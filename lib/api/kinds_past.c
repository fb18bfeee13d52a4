/* Versions that v1.32 still decodes but does not serve any more. Whoever sends an object of one to
 * the path of another is told so, rather than that nobody knows it. */
#include "lib/api/kinds.h"

static const char *const workloads[] = {"Deployment",  "DaemonSet",          "ReplicaSet",
                                        "StatefulSet", "ControllerRevision", NULL};
static const char *const extensions[] = {"Deployment", "DaemonSet",     "ReplicaSet",
                                         "Ingress",    "NetworkPolicy", NULL};
static const char *const first_apps[] = {"Deployment", "StatefulSet", "ControllerRevision", NULL};
static const char *const autoscaling[] = {"HorizontalPodAutoscaler", NULL};
static const char *const batch[] = {"CronJob", NULL};
static const char *const policy[] = {"PodDisruptionBudget", "Eviction", NULL};
static const char *const networking[] = {"Ingress", "IngressClass", NULL};
static const char *const rbac[] = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding",
                                   NULL};
static const char *const storage[] = {"StorageClass", "VolumeAttachment",   "CSIDriver",
                                      "CSINode",      "CSIStorageCapacity", NULL};
static const char *const first_storage[] = {"VolumeAttachment", "CSIStorageCapacity", NULL};
static const char *const webhooks[] = {"ValidatingWebhookConfiguration",
                                       "MutatingWebhookConfiguration", "ValidatingAdmissionPolicy",
                                       "ValidatingAdmissionPolicyBinding", NULL};
static const char *const requests[] = {"CertificateSigningRequest", NULL};
static const char *const leases[] = {"Lease", NULL};
static const char *const slices[] = {"EndpointSlice", NULL};
static const char *const events[] = {"Event", NULL};
static const char *const flows[] = {"FlowSchema", "PriorityLevelConfiguration", NULL};
static const char *const runtimes[] = {"RuntimeClass", NULL};
static const char *const priorities[] = {"PriorityClass", NULL};
static const char *const definitions[] = {"CustomResourceDefinition", NULL};
static const char *const services[] = {"APIService", NULL};

static const struct {
    const char *api_version;
    const char *const *kinds;
} past[] = {
    {"extensions/v1beta1", extensions},
    {"apps/v1beta1", first_apps},
    {"apps/v1beta2", workloads},
    {"autoscaling/v2beta1", autoscaling},
    {"autoscaling/v2beta2", autoscaling},
    {"batch/v1beta1", batch},
    {"policy/v1beta1", policy},
    {"networking.k8s.io/v1beta1", networking},
    {"rbac.authorization.k8s.io/v1alpha1", rbac},
    {"rbac.authorization.k8s.io/v1beta1", rbac},
    {"storage.k8s.io/v1alpha1", first_storage},
    {"storage.k8s.io/v1beta1", storage},
    {"admissionregistration.k8s.io/v1beta1", webhooks},
    {"certificates.k8s.io/v1beta1", requests},
    {"coordination.k8s.io/v1beta1", leases},
    {"discovery.k8s.io/v1beta1", slices},
    {"events.k8s.io/v1beta1", events},
    {"flowcontrol.apiserver.k8s.io/v1beta1", flows},
    {"flowcontrol.apiserver.k8s.io/v1beta2", flows},
    {"flowcontrol.apiserver.k8s.io/v1beta3", flows},
    {"node.k8s.io/v1alpha1", runtimes},
    {"node.k8s.io/v1beta1", runtimes},
    {"scheduling.k8s.io/v1alpha1", priorities},
    {"scheduling.k8s.io/v1beta1", priorities},
    {"apiextensions.k8s.io/v1beta1", definitions},
    {"apiregistration.k8s.io/v1beta1", services},
};

bool api_kind_is_past(const char *api_version, const char *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(past); i++) {
        for (size_t j = 0; strcmp(past[i].api_version, api_version) == 0; j++) {
            if (past[i].kinds[j] == NULL) {
                return false;
            }
            if (strcmp(past[i].kinds[j], kind) == 0) {
                return true;
            }
        }
    }
    return false;
}
