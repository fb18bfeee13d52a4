/* What the rules of the kinds share. Internal to lib/api: one file a family of kinds, and in it the
 * defaults and checks that no option in a .proto file can express, because they look at more than
 * one field. Pure. */
#ifndef LIB_API_RULES_RULES_H
#define LIB_API_RULES_RULES_H
#include "k8s/tables.h"
#include "lib/api/check.h"
#include "lib/api/codec.h"
#include "lib/api/selector.h"
#include "lib/api/status.h"
#include "lib/api/syntax.h"
#include <string.h>

static inline bool rules_empty(const char *text)
{
    return text == NULL || *text == '\0';
}
static inline bool rules_is(const char *text, const char *other)
{
    return strcmp(text_or_empty(text), other) == 0;
}
static inline bool rules_one_of(const char *text, const char *const *values)
{
    for (; *values != NULL; values++) {
        if (rules_is(text, *values)) {
            return true;
        }
    }
    return false;
}

/* An empty message by full proto name; the name must exist. */
void *rules_new(struct arena *arena, const char *full_name);
/* Sets an empty string to a copy of `value`. */
void rules_default(struct arena *arena, char **text, const char *value);
/* "Guaranteed", "Burstable" or "BestEffort". */
const char *rules_pod_qos_class(const Core__V1__PodSpec *spec);

/* --- Causes ------------------------------------------------------------------------------------
 */

/* The cause at member `name` of `parent`. */
static inline void rules_required(struct api_causes *causes, const struct api_path *parent,
                                  const char *name, const char *detail)
{
    struct api_path at = api_path_field(parent, name);
    api_cause_required(causes, &at, detail);
}
static inline void rules_invalid(struct api_causes *causes, const struct api_path *parent,
                                 const char *name, struct api_shown value, const char *detail)
{
    struct api_path at = api_path_field(parent, name);
    api_cause_invalid(causes, &at, value, detail);
}
static inline void rules_forbidden(struct api_causes *causes, const struct api_path *parent,
                                   const char *name, const char *detail)
{
    struct api_path at = api_path_field(parent, name);
    api_cause_forbidden(causes, &at, detail);
}
static inline void rules_not_supported(struct api_causes *causes, const struct api_path *parent,
                                       const char *name, const char *value,
                                       const char *const *values)
{
    struct api_path at = api_path_field(parent, name);
    api_cause_not_supported(causes, &at, api_shown_text(value), values);
}

/* One cause "Invalid value" for each message. */
void rules_invalid_each(struct api_causes *causes, const struct api_path *at,
                        struct api_shown value, struct api_syntax syntax);
/* "acme.io/foo": a domain and a path. */
void rules_check_prefixed_path(struct api_causes *causes, const struct api_path *at,
                               const char *text);
/* The rule applied to the text at member `name` of `parent`. */
void rules_check_text(struct api_causes *causes, const struct api_path *parent, const char *name,
                      const char *value, api_syntax_rule *rule);

/* --- Quantities --------------------------------------------------------------------------------
 */

/* A view of a map of quantities; RULES_QUANTITIES(spec, capacity) makes one of a member. */
struct rules_quantities {
    void *const *entries;
    size_t count;
    const struct name_index *index; /* Of rules_quantities_indexed; else NULL. */
};
#define RULES_QUANTITIES(object, member)                                                           \
    ((struct rules_quantities){                                                                    \
        .entries = (void *const *)(object)->member,                                                \
        .count = (object)->n_##member,                                                             \
    })

/* The same, for many gets. */
struct rules_quantities rules_quantities_indexed(struct arena *arena, struct rules_quantities map);

const char *rules_quantity_key(struct rules_quantities map, size_t index); /* Never NULL. */
const Quantity__Quantity *rules_quantity_at(struct rules_quantities map, size_t index);
/* NULL when it is not there. */
const Quantity__Quantity *rules_quantity_get(struct rules_quantities map, const char *name);
/* Whether Kubernetes itself gives it its meaning. */
bool rules_resource_is_native(const char *name);
/* Whether it is neither Kubernetes' own nor a limit of quotas. */
bool rules_resource_is_extended(struct arena *arena, const char *name);
/* Whether there are only whole ones of this resource. */
bool rules_resource_is_counted(struct arena *arena, const char *name);
/* Checks the name of any resource; whether it is one of those without a prefix that quotas know. */
bool rules_check_resource_name(struct api_causes *causes, const struct api_path *at,
                               const char *name);
/* ... of one that containers ask for. */
void rules_check_container_resource(struct api_causes *causes, const struct api_path *at,
                                    const char *name);
void rules_check_resource_amount(struct api_causes *causes, const struct api_path *at,
                                 const char *name, const Quantity__Quantity *value);
/* In its canonical form. */
const char *rules_quantity_text(struct arena *arena, const Quantity__Quantity *value);

/* --- Workloads ---------------------------------------------------------------------------------
 */

#define RULES_OF_REPLICAS "cannot be greater than status.replicas"
#define RULES_OF_READY    "cannot be greater than readyReplicas"
#define RULES_JOB_UID     "batch.kubernetes.io/controller-uid"

bool rules_selector_is_empty(const Meta__V1__LabelSelector *selector);
/* The template's labels are what the selector of the spec selects. */
void rules_template_matches(struct api_causes *causes, const struct api_frame *spec,
                            const Meta__V1__LabelSelector *selector,
                            const Core__V1__PodTemplateSpec *pod_template);
/* A number or percentage: as a number of 100. Of what is neither, only whether it is 0 counts. */
int32_t rules_amount(const Intstr__IntOrString *value);
const char *rules_amount_shown(struct arena *arena, const Intstr__IntOrString *value);
void rules_check_amount(struct api_causes *causes, const struct api_path *parent, const char *name,
                        const Intstr__IntOrString *value);
/* How often a name was taken already is not said less of than before. */
void rules_collisions(struct api_causes *causes, bool had, int32_t before, bool has, int32_t after);
void rules_not_above(struct api_causes *causes, const struct api_frame *frame, const char *name,
                     int32_t value, int32_t whole, const char *words);

bool rules_service_is_headless(const Core__V1__ServiceSpec *spec);

/* A metric: use of CPU as a share of what is requested. */
Autoscaling__V2__MetricSpec *rules_cpu_metric(struct arena *arena, int32_t percentage);

/* Takes the fields of switched-off features out of an object that is created (`before` is NULL) or
 * replaced. Both have their specs. */
void rules_drop_disabled(struct arena *arena, const struct api_message *table, const void *before,
                         void *message);
/* The same of a status that is replaced. */
void rules_drop_disabled_status(const struct api_message *table, const void *before, void *message);

/* --- Webhooks (check_webhook_client.c) ---------------------------------------------------------
 */

/* Member "url" of `parent`, and member "path" of `service`. */
void rules_check_webhook_url(struct api_causes *causes, const struct api_path *parent,
                             const char *text);
void rules_check_webhook_path(struct api_causes *causes, const struct api_path *service,
                              const char *path);

/* --- Pods --------------------------------------------------------------------------------------
 */

/* A container of any sort, and where it is. */
struct rules_container {
    const char *list;
    size_t index;
    const char *name;                          /* Never NULL. */
    const Core__V1__SecurityContext *security; /* Or NULL. */
};
static inline size_t rules_container_count(const Core__V1__PodSpec *spec)
{
    return spec->n_init_containers + spec->n_containers + spec->n_ephemeral_containers;
}
/* In the order in which v1.32 visits them: init, plain, ephemeral. */
struct rules_container rules_container_at(const Core__V1__PodSpec *spec, size_t index);
/* What holds for pods and not for their templates. */
void rules_check_pod_only(struct api_causes *causes, const Core__V1__PodSpec *spec);
void rules_check_tokens(struct api_causes *causes, const Core__V1__PodSpec *spec);
/* What may not change among the annotations, and all that has to be right. */
void rules_update_pod_annotations(struct api_causes *causes, const Core__V1__Pod *before,
                                  const Core__V1__Pod *pod);

/* --- Volumes -----------------------------------------------------------------------------------
 */

/* Of the sources in a frame's inline `source`, which may be NULL: the first one is checked, in the
 * order of `names` (NULL ends them), and each other one is forbidden but for the one that may stand
 * `beside` it. */
void rules_check_sources(struct api_causes *causes, const struct api_frame *frame,
                         const void *source, const char *const *names, const char *beside);
/* A PersistentVolume that is described where it is used. */
void rules_check_inline_volume(struct api_causes *causes, const struct api_path *at,
                               const Core__V1__PersistentVolumeSpec *spec);

/* --- Lists of texts ----------------------------------------------------------------------------
 */

bool rules_has(char *const *items, size_t count, const char *text);
/* All messages in one text, with commas between them. */
const char *rules_joined(struct arena *arena, struct api_syntax wrong);
/* As Go prints it: `[]string{"a", "b"}`. */
const char *rules_list_shown(struct arena *arena, char *const *items, size_t count);
/* The type of the next PEM block, whose body is written to `body`; NULL when there is none. Goes
 * on after it. */
const char *rules_next_pem(struct arena *arena, struct slice *rest, struct slice *body);
/* "if '*' is present, must not specify other <what>" */
void rules_star_alone(struct api_causes *causes, const struct api_path *parent, const char *name,
                      char *const *items, size_t count, const char *what);

/* --- Whole objects -----------------------------------------------------------------------------
 */

/* The metadata of an object on create; `name_rule` checks names. */
void rules_object_meta(struct api_causes *causes, const struct api_frame *object,
                       const Meta__V1__ObjectMeta *meta, bool namespaced,
                       api_syntax_rule *name_rule);
void rules_object_meta_update(struct api_causes *causes, const struct api_frame *object,
                              const Meta__V1__ObjectMeta *before,
                              const Meta__V1__ObjectMeta *after);

/* --- Kinds -------------------------------------------------------------------------------------
 */

typedef void rules_create(struct api_causes *causes, const void *message);
typedef void rules_update(struct api_causes *causes, const void *before, const void *after);

typedef void rules_prepare(struct arena *arena, void *message);
typedef void rules_prepare_change(struct arena *arena, const void *before, void *after);

typedef void *rules_convert(struct arena *arena, const void *message);

enum rules_order {
    RULES_UPDATE_AFTER, /* The new object is checked, then what changed. */
    RULES_UPDATE_FIRST, /* What changed, then the new object. */
    RULES_UPDATE_ALONE, /* So little may change that only that is checked. */
};

/* What only one kind does; members may be NULL. */
struct rules_kind {
    const struct api_message *table;
    rules_prepare *prepare_create; /* Before the object is checked: what the server writes. */
    rules_prepare_change *prepare_update, *prepare_status, *prepare_approval, *prepare_ephemeral;
    rules_create *create;  /* Checks. */
    rules_update *replace; /* In place of `create` where an object is replaced, which may excuse
                            * what is wrong. */
    rules_update *update, *status, *approval;
    enum rules_order order;
    rules_convert *to_stored, *from_stored; /* Of a kind that is another one's other form. */
};
/* Never NULL: a row without anything for kinds that do nothing of their own. */
const struct rules_kind *rules_of_kind(const struct api_message *table);

rules_prepare rules_prepare_daemon_set, rules_prepare_job;
rules_prepare_change rules_prepare_daemon_set_update;
rules_prepare rules_prepare_pod, rules_prepare_namespace, rules_prepare_service_account,
    rules_prepare_lease, rules_prepare_slice, rules_prepare_service;
rules_prepare_change rules_prepare_pod_status, rules_prepare_pod_ephemeral,
    rules_prepare_namespace_update, rules_prepare_service_account_update,
    rules_prepare_secret_update, rules_prepare_lease_update, rules_prepare_slice_update,
    rules_prepare_service_update;
rules_prepare rules_prepare_role, rules_prepare_cluster_role;
rules_prepare_change rules_prepare_role_update, rules_prepare_cluster_role_update;
rules_create rules_check_definition;
rules_create rules_check_validating_webhooks, rules_check_mutating_webhooks;
rules_update rules_replace_validating_webhooks, rules_replace_mutating_webhooks;
rules_update rules_replace_definition, rules_update_definition, rules_update_definition_status;
rules_prepare rules_prepare_definition;
rules_prepare_change rules_prepare_definition_update;
rules_convert rules_event_to_stored, rules_event_from_stored, rules_autoscaler_to_stored,
    rules_autoscaler_from_stored;
rules_create rules_check_cron_job;
rules_update rules_update_daemon_set_status, rules_update_stateful_set,
    rules_update_stateful_set_status, rules_update_job, rules_update_job_status;
rules_create rules_check_event, rules_check_event_v1;
rules_update rules_update_pod, rules_update_pod_status, rules_update_pod_ephemeral,
    rules_update_service, rules_update_service_status, rules_update_node,
    rules_update_namespace_status, rules_update_config_map, rules_update_secret,
    rules_update_event_v1, rules_update_deployment_status, rules_update_role_binding,
    rules_update_cluster_role_binding;

/* --- Rules that join the walk (rules/rows.c says where) ----------------------------------------
 */

api_frame_rule rules_annotations_size, rules_owner, rules_finalizers, rules_label_requirement;
api_frame_rule rules_node_requirement, rules_toleration_key, rules_toleration_value,
    rules_spread_domains, rules_spread_keys, rules_spread_twice, rules_affinity_keys;
/* Of a new pod: labels that its affinity names by key become part of its selectors. */
void rules_apply_label_keys(struct arena *arena, Core__V1__Pod *pod);
api_frame_rule rules_host_ports, rules_host_network_ports, rules_field_ref, rules_resource_ref,
    rules_value_from, rules_env_from, rules_config_map_key, rules_secret_key, rules_config_map_env,
    rules_secret_env, rules_mount_name, rules_mount_path, rules_mount, rules_device, rules_seccomp,
    rules_app_armor, rules_privileges, rules_container_name, rules_container_rest,
    rules_ephemeral_name, rules_ephemeral_rest, rules_resources, rules_overhead,
    rules_runtime_overhead;
api_frame_rule rules_lifecycle, rules_hook, rules_sleep, rules_probe, rules_http_headers;
api_frame_rule rules_dns_config, rules_dns_servers, rules_dns_searches, rules_dns_options,
    rules_shared_namespaces, rules_scheduling_gate, rules_pod, rules_pod_os, rules_pod_template;
api_frame_rule rules_volume, rules_claim_template, rules_downward_file, rules_projection,
    rules_token;
api_frame_rule rules_projected_files, rules_csi_driver_name, rules_csi_persistent,
    rules_cinder_persistent, rules_storage_os_persistent, rules_job_name, rules_storage_topologies,
    rules_topology_key;
api_frame_rule rules_windows_options, rules_host_process, rules_host_sysctl, rules_pod_annotations,
    rules_pod_annotated_fields, rules_template_annotations, rules_template_annotated_fields;
api_frame_rule rules_empty_dir, rules_cinder, rules_csi_source, rules_storage_os,
    rules_fibre_channel, rules_flocker, rules_quobyte, rules_azure_disk, rules_iscsi,
    rules_iscsi_initiator, rules_iscsi_persistent, rules_iscsi_persistent_initiator,
    rules_iscsi_portal, rules_gluster_persistent, rules_azure_file_persistent, rules_flex,
    rules_flex_persistent;
api_frame_rule rules_service_topology, rules_service_addresses, rules_service_type,
    rules_service_affinity, rules_service_ports, rules_service_balancer,
    rules_service_external_policy, rules_service_distribution, rules_service_port_name,
    rules_balancer_mode;
api_frame_rule rules_subset, rules_endpoint_port, rules_slice_endpoint, rules_slice_addresses,
    rules_slice_port_name, rules_slice_zone;
api_frame_rule rules_config_map, rules_config_map_texts, rules_secret_size, rules_secret_type,
    rules_taint, rules_taint_paths, rules_node_amounts, rules_pod_cidrs;
api_frame_rule rules_deployment_selector, rules_workload_template, rules_strategy, rules_deadline,
    rules_deployment_status, rules_replica_set_selector, rules_replica_set_status;
api_frame_rule rules_daemon_set_selector, rules_daemon_set_strategy, rules_pod_management,
    rules_stateful_set_strategy, rules_stateful_set_rolling, rules_stateful_set_selector,
    rules_stateful_set_status, rules_controller_template, rules_controller_status;
/* How many indexes below `completions` a text like "1,3-5" names. Returns what is wrong with it, in
 * the arena, or NULL. */
const char *rules_job_indexes(struct arena *arena, const char *text, int64_t completions,
                              int64_t *ret_total);
api_frame_rule rules_job_own, rules_job_budget, rules_job_template_selector, rules_job_numbers,
    rules_job_managed_by, rules_job_selector, rules_job_template, rules_job_replacement,
    rules_failure_rule, rules_failure_codes, rules_success_policy, rules_success_rule,
    rules_cron_schedule, rules_cron_time_zone;
api_frame_rule rules_policy_rule, rules_aggregated, rules_role_ref, rules_subject;
api_frame_rule rules_quota, rules_quota_status, rules_limit, rules_volume_capacity,
    rules_persistent_volume, rules_local_volume, rules_claim;
api_frame_rule rules_ingress, rules_ingress_backend, rules_ingress_path, rules_ingress_class,
    rules_ingress_parameters;
rules_create rules_check_ingress;
rules_update rules_replace_ingress;
api_frame_rule rules_policy_port, rules_policy_peer, rules_ip_block, rules_policy_types;
api_frame_rule rules_disruption_budget, rules_budget_conditions, rules_policy_conditions;
api_frame_rule rules_metric, rules_metric_target, rules_resource_metric, rules_container_metric,
    rules_pods_metric, rules_object_metric, rules_external_metric, rules_autoscaler_range,
    rules_autoscaler_metrics, rules_container_metric_name, rules_scaling_window,
    rules_scaling_period;
api_frame_rule rules_priority_class, rules_storage_class, rules_attachment_source,
    rules_attachment_status, rules_volume_error, rules_csi_driver, rules_csi_node_driver,
    rules_csi_node_keys;
rules_create rules_check_attachment;
rules_update rules_update_quota, rules_update_storage_class, rules_update_csi_driver,
    rules_update_csi_node;
rules_create rules_check_mount_options;
api_frame_rule rules_validating_webhook, rules_mutating_webhook, rules_webhook_client,
    rules_admission_rule, rules_named_admission_rule, rules_admission_policy,
    rules_admission_validation, rules_admission_parameters, rules_policy_expressions,
    rules_validating_effects, rules_validating_versions, rules_mutating_effects,
    rules_mutating_versions, rules_webhook_service, rules_webhook_service_path,
    rules_parameter_kind, rules_binding_actions;
api_frame_rule rules_priority_level, rules_limit_response, rules_queues, rules_hand_size,
    rules_flow_schema, rules_flow_rules, rules_flow_verbs, rules_flow_groups, rules_flow_resources,
    rules_flow_namespaces, rules_flow_path_verbs, rules_flow_paths, rules_flow_account,
    rules_flow_subject, rules_flow_fixed;
api_frame_rule rules_certificate_request, rules_signer_name, rules_certificate_status,
    rules_api_service, rules_api_service_name;
rules_prepare rules_prepare_api_service;
rules_prepare_change rules_prepare_request_update, rules_prepare_request_status,
    rules_prepare_request_approval;
rules_update rules_sign_request, rules_approve_request;
rules_update rules_update_persistent_volume, rules_update_claim, rules_update_claim_status;
rules_prepare rules_prepare_claim, rules_prepare_limit_range;
rules_prepare_change rules_prepare_claim_update;
#endif
