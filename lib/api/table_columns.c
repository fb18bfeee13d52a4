/* The columns of each kind, as kubectl shows them. */
#include "lib/api/kinds.h"
#include "lib/api/table_internal.h"
#include "lib/base/compiler.h"
#include <string.h>

#define NAME_COLUMN                                                                                \
    {                                                                                              \
        "Name", "string", "name", "Name of the object.", 0                                         \
    }
#define AGE_COLUMN                                                                                 \
    {                                                                                              \
        "Age", "string", "", "Time since the object was created.", 0                               \
    }
#define WIDE 1
#define TEMPLATE_COLUMNS                                                                           \
    {"Containers", "string", "", "Names of the containers in the template.", WIDE},                \
    {                                                                                              \
        "Images", "string", "", "Images of the containers in the template.", WIDE                  \
    }
#define SELECTOR_COLUMN                                                                            \
    {                                                                                              \
        "Selector", "string", "", "Labels of its pods.", WIDE                                      \
    }

static const struct api_table_column POD[] = {
    NAME_COLUMN,
    {"Ready", "string", "", "Containers that are ready, of all.", 0},
    {"Status", "string", "", "Phase of the pod, or what keeps it from running.", 0},
    {"Restarts", "string", "", "Restarts of its containers, and the last one's age.", 0},
    AGE_COLUMN,
    {"IP", "string", "", "First address of the pod.", WIDE},
    {"Node", "string", "", "Node that the pod is bound to.", WIDE},
    {"Nominated Node", "string", "", "Node on which room is being made for the pod.", WIDE},
    {"Readiness Gates", "string", "", "Readiness gates that hold, of all.", WIDE},
};
static const struct api_table_column SERVICE[] = {
    NAME_COLUMN,
    {"Type", "string", "", "How the service is exposed.", 0},
    {"Cluster-IP", "string", "", "Address inside the cluster.", 0},
    {"External-IP", "string", "", "Addresses outside the cluster.", 0},
    {"Port(s)", "string", "", "Ports and node ports.", 0},
    AGE_COLUMN,
    {"Selector", "string", "", "Labels of the pods behind it.", WIDE},
};
static const struct api_table_column NODE[] = {
    NAME_COLUMN,
    {"Status", "string", "", "Whether the node is ready and takes pods.", 0},
    {"Roles", "string", "", "Roles by label.", 0},
    AGE_COLUMN,
    {"Version", "string", "", "Version of the node agent.", 0},
    {"Internal-IP", "string", "", "Address inside the cluster.", WIDE},
    {"External-IP", "string", "", "Address outside the cluster.", WIDE},
    {"OS-Image", "string", "", "Operating system.", WIDE},
    {"Kernel-Version", "string", "", "Version of the kernel.", WIDE},
    {"Container-Runtime", "string", "", "Name and version of the container runtime.", WIDE},
};
static const struct api_table_column NAMESPACE[] = {
    NAME_COLUMN, {"Status", "string", "", "Active, or Terminating.", 0}, AGE_COLUMN};
static const struct api_table_column CONFIG_MAP[] = {
    NAME_COLUMN, {"Data", "string", "", "Number of keys.", 0}, AGE_COLUMN};
static const struct api_table_column SECRET[] = {NAME_COLUMN,
                                                 {"Type", "string", "", "What it is for.", 0},
                                                 {"Data", "string", "", "Number of keys.", 0},
                                                 AGE_COLUMN};
static const struct api_table_column SERVICE_ACCOUNT[] = {
    NAME_COLUMN, {"Secrets", "string", "", "Number of its secrets.", 0}, AGE_COLUMN};
static const struct api_table_column ENDPOINTS[] = {
    NAME_COLUMN, {"Endpoints", "string", "", "Addresses and ports.", 0}, AGE_COLUMN};
static const struct api_table_column EVENT[] = {
    {"Last Seen", "string", "", "Time since it last happened.", 0},
    {"Type", "string", "", "Normal or Warning.", 0},
    {"Reason", "string", "", "Why, for programs.", 0},
    {"Object", "string", "", "The object that it is about.", 0},
    {"Subobject", "string", "", "The part of that object.", WIDE},
    {"Source", "string", "", "Who reported it.", WIDE},
    {"Message", "string", "", "Why, for people.", 0},
    {"First Seen", "string", "", "Time since it first happened.", WIDE},
    {"Count", "string", "", "How often it happened.", WIDE},
    {"Name", "string", "name", "Name of the object.", WIDE},
};
static const struct api_table_column ENDPOINT_SLICE[] = {
    NAME_COLUMN,
    {"AddressType", "string", "", "IPv4, IPv6 or FQDN.", 0},
    {"Ports", "string", "", "Ports of every endpoint.", 0},
    {"Endpoints", "string", "", "Addresses.", 0},
    AGE_COLUMN};
static const struct api_table_column LEASE[] = {
    NAME_COLUMN, {"Holder", "string", "", "Who holds it.", 0}, AGE_COLUMN};
static const struct api_table_column DEPLOYMENT[] = {
    NAME_COLUMN,
    {"Ready", "string", "", "Pods that are ready, of those wanted.", 0},
    {"Up-to-date", "string", "", "Pods made from the current template.", 0},
    {"Available", "string", "", "Pods that have been ready long enough.", 0},
    AGE_COLUMN,
    TEMPLATE_COLUMNS,
    SELECTOR_COLUMN,
};
static const struct api_table_column REPLICA_SET[] = {
    NAME_COLUMN,
    {"Desired", "integer", "", "Pods that are wanted.", 0},
    {"Current", "integer", "", "Pods that exist.", 0},
    {"Ready", "integer", "", "Pods that are ready.", 0},
    AGE_COLUMN,
    TEMPLATE_COLUMNS,
    SELECTOR_COLUMN,
};
static const struct api_table_column CONTROLLER_REVISION[] = {
    NAME_COLUMN,
    {"Controller", "string", "", "The controller that made it.", 0},
    {"Revision", "string", "", "Its number.", 0},
    AGE_COLUMN};
static const struct api_table_column PERSISTENT_VOLUME[] = {
    NAME_COLUMN,
    {"Capacity", "string", "", "Storage that it has.", 0},
    {"Access Modes", "string", "", "How it may be mounted.", 0},
    {"Reclaim Policy", "string", "", "What becomes of it when its claim goes.", 0},
    {"Status", "string", "", "Phase of the volume.", 0},
    {"Claim", "string", "", "The claim that has it.", 0},
    {"StorageClass", "string", "", "Class that it belongs to.", 0},
    {"VolumeAttributesClass", "string", "", "Class of its attributes.", 0},
    {"Reason", "string", "", "Why it is in that phase.", 0},
    AGE_COLUMN,
    {"VolumeMode", "string", "", "Filesystem or Block.", WIDE},
};
static const struct api_table_column CLAIM[] = {
    NAME_COLUMN,
    {"Status", "string", "", "Phase of the claim.", 0},
    {"Volume", "string", "", "The volume that it got.", 0},
    {"Capacity", "string", "", "Storage of that volume.", 0},
    {"Access Modes", "string", "", "How it may be mounted.", 0},
    {"StorageClass", "string", "", "Class that is asked for.", 0},
    {"VolumeAttributesClass", "string", "", "Class of attributes that is asked for.", 0},
    AGE_COLUMN,
    {"VolumeMode", "string", "", "Filesystem or Block.", WIDE},
};
static const struct api_table_column POD_TEMPLATE[] = {
    NAME_COLUMN,
    {"Containers", "string", "", "Names of the containers.", 0},
    {"Images", "string", "", "Images of the containers.", 0},
    {"Pod Labels", "string", "", "Labels of the pods.", 0},
};
static const struct api_table_column REPLICATION_CONTROLLER[] = {
    NAME_COLUMN,
    {"Desired", "integer", "", "Pods that are wanted.", 0},
    {"Current", "integer", "", "Pods that exist.", 0},
    {"Ready", "integer", "", "Pods that are ready.", 0},
    AGE_COLUMN,
    TEMPLATE_COLUMNS,
    SELECTOR_COLUMN,
};
static const struct api_table_column RESOURCE_QUOTA[] = {
    NAME_COLUMN,
    AGE_COLUMN,
    {"Request", "string", "", "Used and allowed, by resource.", 0},
    {"Limit", "string", "", "Used and allowed, by limit.", 0},
};
static const struct api_table_column DAEMON_SET[] = {
    NAME_COLUMN,
    {"Desired", "integer", "", "Nodes that should run a pod.", 0},
    {"Current", "integer", "", "Nodes that run one.", 0},
    {"Ready", "integer", "", "Nodes with a pod that is ready.", 0},
    {"Up-to-date", "integer", "", "Nodes with a pod from the current template.", 0},
    {"Available", "integer", "", "Nodes with a pod that has been ready long enough.", 0},
    {"Node Selector", "string", "", "Labels of the nodes.", 0},
    AGE_COLUMN,
    TEMPLATE_COLUMNS,
    SELECTOR_COLUMN,
};
static const struct api_table_column STATEFUL_SET[] = {
    NAME_COLUMN,
    {"Ready", "string", "", "Pods that are ready, of those wanted.", 0},
    AGE_COLUMN,
    TEMPLATE_COLUMNS,
};
static const struct api_table_column AUTOSCALER[] = {
    NAME_COLUMN,
    {"Reference", "string", "", "What it scales.", 0},
    {"Targets", "string", "", "Measured and wanted, by metric.", 0},
    {"MinPods", "string", "", "Fewest replicas.", 0},
    {"MaxPods", "string", "", "Most replicas.", 0},
    {"Replicas", "string", "", "Replicas at the moment.", 0},
    AGE_COLUMN,
};
static const struct api_table_column SCALE[] = {
    {"Name", "string", "", "Name of what is scaled.", 0},
    {"Desired", "integer", "", "Replicas that are wanted.", 0},
    {"Available", "integer", "", "Replicas at the moment.", 0},
    AGE_COLUMN,
};
static const struct api_table_column CRON_JOB[] = {
    NAME_COLUMN,
    {"Schedule", "string", "", "When a job starts, as cron has it.", 0},
    {"Timezone", "string", "", "Time zone of the schedule.", 0},
    {"Suspend", "boolean", "", "Whether no more jobs start.", 0},
    {"Active", "integer", "", "Jobs that run.", 0},
    {"Last Schedule", "string", "", "Time since a job started.", 0},
    AGE_COLUMN,
    TEMPLATE_COLUMNS,
    SELECTOR_COLUMN,
};
static const struct api_table_column JOB[] = {
    NAME_COLUMN,
    {"Status", "string", "", "What became of it.", 0},
    {"Completions", "string", "", "Pods that succeeded, of those needed.", 0},
    {"Duration", "string", "", "How long it ran.", 0},
    AGE_COLUMN,
    TEMPLATE_COLUMNS,
    SELECTOR_COLUMN,
};
static const struct api_table_column CERTIFICATE_REQUEST[] = {
    NAME_COLUMN,
    AGE_COLUMN,
    {"SignerName", "string", "", "Who is asked to sign.", 0},
    {"Requestor", "string", "", "Who asked.", 0},
    {"RequestedDuration", "string", "", "How long the certificate is to be valid.", 0},
    {"Condition", "string", "", "Approved, denied, issued, or none yet.", 0},
};
static const struct api_table_column COMPONENT_STATUS[] = {
    NAME_COLUMN,
    {"Status", "string", "", "Whether it works.", 0},
    {"Message", "string", "", "What it said.", 0},
    {"Error", "string", "", "Why it could not be asked.", 0},
};
static const struct api_table_column INGRESS_CLASS[] = {
    NAME_COLUMN,
    {"Controller", "string", "", "Who serves ingresses of this class.", 0},
    {"Parameters", "string", "", "Object with more settings.", 0},
    AGE_COLUMN,
};
static const struct api_table_column INGRESS[] = {
    NAME_COLUMN,
    {"Class", "string", "", "Class that serves it.", 0},
    {"Hosts", "string", "", "Hosts of its rules.", 0},
    {"Address", "string", "", "Where it is reached.", 0},
    {"Ports", "string", "", "Ports that are open.", 0},
    AGE_COLUMN,
};
static const struct api_table_column NETWORK_POLICY[] = {
    NAME_COLUMN,
    {"Pod-Selector", "string", "", "Labels of the pods that it is about.", 0},
    AGE_COLUMN,
};
static const struct api_table_column BUDGET[] = {
    NAME_COLUMN,
    {"Min Available", "string", "", "Pods that must stay.", 0},
    {"Max Unavailable", "string", "", "Pods that may be away.", 0},
    {"Allowed Disruptions", "integer", "", "Pods that may be evicted now.", 0},
    AGE_COLUMN,
};
static const struct api_table_column BINDING[] = {
    NAME_COLUMN,
    {"Role", "string", "", "The role that is given.", 0},
    AGE_COLUMN,
    {"Users", "string", "", "Users who get it.", WIDE},
    {"Groups", "string", "", "Groups that get it.", WIDE},
    {"ServiceAccounts", "string", "", "Service accounts that get it.", WIDE},
};
static const struct api_table_column CSI_DRIVER[] = {
    NAME_COLUMN,
    {"AttachRequired", "boolean", "", "Whether volumes are attached before they are mounted.", 0},
    {"PodInfoOnMount", "boolean", "", "Whether it wants to know the pod.", 0},
    {"StorageCapacity", "boolean", "", "Whether it says how much room there is.", 0},
    {"TokenRequests", "string", "", "Audiences of the tokens that it wants.", 0},
    {"RequiresRepublish", "boolean", "", "Whether volumes are published again and again.", 0},
    {"Modes", "string", "", "Kinds of volumes.", 0},
    AGE_COLUMN,
};
static const struct api_table_column CSI_NODE[] = {
    NAME_COLUMN,
    {"Drivers", "integer", "", "Number of drivers on the node.", 0},
    AGE_COLUMN,
};
static const struct api_table_column STORAGE_CLASS[] = {
    NAME_COLUMN,
    {"Provisioner", "string", "", "Who makes the volumes.", 0},
    {"ReclaimPolicy", "string", "", "What becomes of a volume when its claim goes.", 0},
    {"VolumeBindingMode", "string", "", "When a volume is made.", 0},
    {"AllowVolumeExpansion", "string", "", "Whether claims may grow.", 0},
    AGE_COLUMN,
};
static const struct api_table_column ATTACHMENT[] = {
    NAME_COLUMN,
    {"Attacher", "string", "name", "Driver that attaches.", 0},
    {"PV", "string", "", "The volume.", 0},
    {"Node", "string", "", "The node.", 0},
    {"Attached", "boolean", "", "Whether it is attached.", 0},
    AGE_COLUMN,
};
static const struct api_table_column WEBHOOKS[] = {
    NAME_COLUMN,
    {"Webhooks", "integer", "", "Number of webhooks.", 0},
    AGE_COLUMN,
};
static const struct api_table_column ADMISSION_POLICY[] = {
    NAME_COLUMN,
    {"Validations", "integer", "", "Number of validations.", 0},
    {"ParamKind", "string", "", "Kind of its parameters.", 0},
    AGE_COLUMN,
};
static const struct api_table_column POLICY_BINDING[] = {
    NAME_COLUMN,
    {"PolicyName", "string", "", "The policy that it puts to use.", 0},
    {"ParamRef", "string", "", "The parameters.", 0},
    AGE_COLUMN,
};
static const struct api_table_column PRIORITY_CLASS[] = {
    NAME_COLUMN,
    {"Value", "integer", "", "Priority of its pods.", 0},
    {"Global-Default", "boolean", "", "Whether pods without a class get it.", 0},
    AGE_COLUMN,
    {"PreemptionPolicy", "string", "", "Whether its pods push others out.", 0},
};
static const struct api_table_column RUNTIME_CLASS[] = {
    NAME_COLUMN,
    {"Handler", "string", "", "Name of the runtime on the nodes.", 0},
    AGE_COLUMN,
};
static const struct api_table_column FLOW_SCHEMA[] = {
    NAME_COLUMN,
    {"PriorityLevel", "string", "", "Level of the requests that it matches.", 0},
    {"MatchingPrecedence", "string", "", "Lower ones are tried first.", 0},
    {"DistinguisherMethod", "string", "", "What makes flows.", 0},
    AGE_COLUMN,
    {"MissingPL", "string", "", "Whether its level is missing.", 0},
};
static const struct api_table_column PRIORITY_LEVEL[] = {
    NAME_COLUMN,
    {"Type", "string", "", "Exempt or Limited.", 0},
    {"NominalConcurrencyShares", "string", "", "Its share of the server.", 0},
    {"Queues", "string", "", "Number of queues.", 0},
    {"HandSize", "string", "", "Queues that a flow may use.", 0},
    {"QueueLengthLimit", "string", "", "Requests that may wait in a queue.", 0},
    AGE_COLUMN,
};
static const struct api_table_column API_SERVICE[] = {
    NAME_COLUMN,
    {"Service", "string", "", "The service that answers, or Local.", 0},
    {"Available", "string", "", "Whether it answers.", 0},
    AGE_COLUMN,
};
static const struct api_table_column PLAIN[] = {
    {"Name", "string", "name", "Name of the object.", 0},
    {"Created At", "date", "", "When the object was created.", 0}};

static const struct {
    const char *group, *kind;
    struct table_layout layout;
} TABLES[] = {
#define ORDERED_TABLE(group, kind, columns, make, compare)                                         \
    {                                                                                              \
        group, kind,                                                                               \
        {                                                                                          \
            columns, ARRAY_LEN(columns), make, compare                                             \
        }                                                                                          \
    }
#define TABLE(group, kind, columns, make) ORDERED_TABLE(group, kind, columns, make, NULL)
    TABLE("", "Pod", POD, table_pod),
    TABLE("", "Service", SERVICE, table_service),
    TABLE("", "Node", NODE, table_node),
    TABLE("", "Namespace", NAMESPACE, table_namespace),
    TABLE("", "ConfigMap", CONFIG_MAP, table_config_map),
    TABLE("", "Secret", SECRET, table_secret),
    TABLE("", "ServiceAccount", SERVICE_ACCOUNT, table_service_account),
    TABLE("", "Endpoints", ENDPOINTS, table_endpoints),
    TABLE("", "Event", EVENT, table_event),
    TABLE("events.k8s.io", "Event", EVENT, table_event_v1),
    TABLE("discovery.k8s.io", "EndpointSlice", ENDPOINT_SLICE, table_endpoint_slice),
    TABLE("coordination.k8s.io", "Lease", LEASE, table_lease),
    TABLE("apps", "Deployment", DEPLOYMENT, table_deployment),
    TABLE("apps", "ReplicaSet", REPLICA_SET, table_replica_set),
    TABLE("apps", "ControllerRevision", CONTROLLER_REVISION, table_controller_revision),
    TABLE("", "PersistentVolume", PERSISTENT_VOLUME, table_persistent_volume),
    TABLE("", "PersistentVolumeClaim", CLAIM, table_claim),
    TABLE("", "PodTemplate", POD_TEMPLATE, table_pod_template),
    TABLE("", "ReplicationController", REPLICATION_CONTROLLER, table_replication_controller),
    TABLE("", "ResourceQuota", RESOURCE_QUOTA, table_resource_quota),
    TABLE("apps", "DaemonSet", DAEMON_SET, table_daemon_set),
    TABLE("apps", "StatefulSet", STATEFUL_SET, table_stateful_set),
    TABLE("autoscaling", "HorizontalPodAutoscaler", AUTOSCALER, table_autoscaler),
    TABLE("autoscaling", "Scale", SCALE, table_scale),
    TABLE("batch", "CronJob", CRON_JOB, table_cron_job),
    TABLE("batch", "Job", JOB, table_job),
    TABLE("certificates.k8s.io", "CertificateSigningRequest", CERTIFICATE_REQUEST,
          table_certificate_request),
    TABLE("", "ComponentStatus", COMPONENT_STATUS, table_component_status),
    TABLE("networking.k8s.io", "IngressClass", INGRESS_CLASS, table_ingress_class),
    TABLE("networking.k8s.io", "Ingress", INGRESS, table_ingress),
    TABLE("networking.k8s.io", "NetworkPolicy", NETWORK_POLICY, table_network_policy),
    TABLE("policy", "PodDisruptionBudget", BUDGET, table_budget),
    TABLE("rbac.authorization.k8s.io", "RoleBinding", BINDING, table_role_binding),
    TABLE("rbac.authorization.k8s.io", "ClusterRoleBinding", BINDING, table_cluster_role_binding),
    TABLE("storage.k8s.io", "CSIDriver", CSI_DRIVER, table_csi_driver),
    TABLE("storage.k8s.io", "CSINode", CSI_NODE, table_csi_node),
    TABLE("storage.k8s.io", "StorageClass", STORAGE_CLASS, table_storage_class),
    TABLE("storage.k8s.io", "VolumeAttachment", ATTACHMENT, table_attachment),
    TABLE("admissionregistration.k8s.io", "MutatingWebhookConfiguration", WEBHOOKS,
          table_mutating_webhooks),
    TABLE("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", WEBHOOKS,
          table_validating_webhooks),
    TABLE("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", ADMISSION_POLICY,
          table_admission_policy),
    TABLE("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding", POLICY_BINDING,
          table_policy_binding),
    TABLE("scheduling.k8s.io", "PriorityClass", PRIORITY_CLASS, table_priority_class),
    TABLE("node.k8s.io", "RuntimeClass", RUNTIME_CLASS, table_runtime_class),
    ORDERED_TABLE("flowcontrol.apiserver.k8s.io", "FlowSchema", FLOW_SCHEMA, table_flow_schema,
                  table_compare_flow_schemas),
    TABLE("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration", PRIORITY_LEVEL,
          table_priority_level),
    TABLE("apiregistration.k8s.io", "APIService", API_SERVICE, table_api_service),
#undef TABLE
#undef ORDERED_TABLE
};

const struct table_layout *table_layout_of(const struct api_kind *kind)
{
    static const struct table_layout plain = {PLAIN, ARRAY_LEN(PLAIN), NULL, NULL};
    for (size_t i = 0; i < ARRAY_LEN(TABLES); i++) {
        if (strcmp(TABLES[i].kind, kind->kind) == 0 && strcmp(TABLES[i].group, kind->group) == 0) {
            return &TABLES[i].layout;
        }
    }
    return &plain;
}
