/* Where in the walk over an object each rule about several fields has its place: after which member
 * of which message. The order of causes is that of v1.32. */
#include "lib/api/rules/rules.h"

#include "lib/base/alloc.h"
#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Those of one table stand together. */
static const struct api_frame_rule_row rows[] = {
    {&meta__v1__object_meta__schema, "annotations", rules_annotations_size},
    {&meta__v1__object_meta__schema, "finalizers", rules_finalizers},
    {&meta__v1__owner_reference__schema, "", rules_owner},
    {&meta__v1__label_selector__schema, ".", rules_aggregated},
    {&meta__v1__label_selector_requirement__schema, "", rules_label_requirement},

    {&core__v1__pod__schema, "", rules_pod_annotations},
    {&core__v1__pod__schema, ".", rules_pod},
    {&core__v1__pod__schema, ".", rules_pod_annotated_fields},
    {&core__v1__sysctl__schema, ".", rules_host_sysctl},
    {&core__v1__windows_security_context_options__schema, "", rules_windows_options},
    {&core__v1__pod_template_spec__schema, "metadata", rules_template_annotations},
    {&core__v1__pod_template_spec__schema, ".", rules_template_annotated_fields},
    {&core__v1__pod_template_spec__schema, ".", rules_pod_template},
    {&core__v1__pod_spec__schema, "containers", rules_host_ports},
    {&core__v1__pod_spec__schema, "ephemeralContainers", rules_host_network_ports},
    {&core__v1__pod_spec__schema, "dnsConfig", rules_dns_config},
    {&core__v1__pod_spec__schema, "topologySpreadConstraints", rules_host_process},
    {&core__v1__pod_spec__schema, "preemptionPolicy", rules_overhead},
    {&core__v1__pod_spec__schema, "os", rules_pod_os},
    {&core__v1__pod_security_context__schema, "supplementalGroups", rules_shared_namespaces},
    {&core__v1__pod_dnsconfig__schema, "", rules_dns_servers},
    {&core__v1__pod_dnsconfig__schema, "nameservers", rules_dns_searches},
    {&core__v1__pod_dnsconfig__schema, "options", rules_dns_options},
    {&core__v1__pod_scheduling_gate__schema, ".", rules_scheduling_gate},
    {&core__v1__node_selector_requirement__schema, "", rules_node_requirement},
    {&core__v1__toleration__schema, "key", rules_toleration_key},
    {&core__v1__toleration__schema, "operator", rules_toleration_value},
    {&core__v1__pod_affinity_term__schema, "namespaces", rules_affinity_keys},
    {&core__v1__topology_spread_constraint__schema, "minDomains", rules_spread_domains},
    {&core__v1__topology_spread_constraint__schema, "whenUnsatisfiable", rules_spread_twice},
    {&core__v1__topology_spread_constraint__schema, "nodeTaintsPolicy", rules_spread_keys},

    {&core__v1__container__schema, "securityContext", rules_container_name},
    {&core__v1__container__schema, ".", rules_container_rest},
    {&core__v1__ephemeral_container__schema, "securityContext", rules_ephemeral_name},
    {&core__v1__ephemeral_container__schema, ".", rules_ephemeral_rest},
    {&core__v1__object_field_selector__schema, "", rules_field_ref},
    {&core__v1__resource_field_selector__schema, "", rules_resource_ref},
    {&core__v1__env_var_source__schema, ".", rules_value_from},
    {&core__v1__env_from_source__schema, ".", rules_env_from},
    {&core__v1__volume_mount__schema, "name", rules_mount_name},
    {&core__v1__volume_mount__schema, "mountPath", rules_mount_path},
    {&core__v1__volume_mount__schema, ".", rules_mount},
    {&core__v1__volume_device__schema, "", rules_device},
    {&core__v1__config_map_key_selector__schema, "", rules_config_map_key},
    {&core__v1__secret_key_selector__schema, "", rules_secret_key},
    {&core__v1__config_map_env_source__schema, ".", rules_config_map_env},
    {&core__v1__secret_env_source__schema, ".", rules_secret_env},
    {&core__v1__seccomp_profile__schema, ".", rules_seccomp},
    {&core__v1__app_armor_profile__schema, ".", rules_app_armor},
    {&core__v1__security_context__schema, "seccompProfile", rules_privileges},
    {&core__v1__resource_requirements__schema, ".", rules_resources},
    {&core__v1__lifecycle__schema, "", rules_lifecycle},
    {&core__v1__lifecycle_handler__schema, "", rules_hook},
    {&core__v1__sleep_action__schema, "", rules_sleep},
    {&core__v1__probe__schema, "", rules_probe},
    {&core__v1__httpget_action__schema, "httpHeaders", rules_http_headers},

    {&core__v1__volume__schema, "", rules_volume},
    {&core__v1__persistent_volume_claim_template__schema, "metadata", rules_claim_template},
    {&core__v1__downward_apivolume_file__schema, "path", rules_downward_file},
    {&core__v1__volume_projection__schema, "", rules_projection},
    {&core__v1__service_account_token_projection__schema, ".", rules_token},
    {&core__v1__projected_volume_source__schema, ".", rules_projected_files},

    {&core__v1__empty_dir_volume_source__schema, "", rules_empty_dir},
    {&core__v1__cinder_volume_source__schema, ".", rules_cinder},
    {&core__v1__csivolume_source__schema, "driver", rules_csi_driver_name},
    {&core__v1__csivolume_source__schema, ".", rules_csi_source},
    {&core__v1__csipersistent_volume_source__schema, ".", rules_csi_persistent},
    {&core__v1__cinder_persistent_volume_source__schema, ".", rules_cinder_persistent},
    {&core__v1__storage_ospersistent_volume_source__schema, ".", rules_storage_os_persistent},
    {&core__v1__storage_osvolume_source__schema, ".", rules_storage_os},
    {&core__v1__fcvolume_source__schema, "", rules_fibre_channel},
    {&core__v1__flocker_volume_source__schema, "", rules_flocker},
    {&core__v1__quobyte_volume_source__schema, "", rules_quobyte},
    {&core__v1__azure_disk_volume_source__schema, ".", rules_azure_disk},
    {&core__v1__iscsivolume_source__schema, "iqn", rules_iscsi},
    {&core__v1__iscsivolume_source__schema, "lun", rules_iscsi_initiator},
    {&core__v1__iscsipersistent_volume_source__schema, "targetPortal", rules_iscsi_portal},
    {&core__v1__iscsipersistent_volume_source__schema, "iqn", rules_iscsi_persistent},
    {&core__v1__iscsipersistent_volume_source__schema, "lun", rules_iscsi_persistent_initiator},
    {&core__v1__glusterfs_persistent_volume_source__schema, ".", rules_gluster_persistent},
    {&core__v1__azure_file_persistent_volume_source__schema, ".", rules_azure_file_persistent},
    {&core__v1__flex_volume_source__schema, ".", rules_flex},
    {&core__v1__flex_persistent_volume_source__schema, ".", rules_flex_persistent},

    {&core__v1__service__schema, "", rules_service_topology},
    {&core__v1__service_spec__schema, "", rules_service_addresses},
    {&core__v1__service_spec__schema, "", rules_service_type},
    {&core__v1__service_spec__schema, "sessionAffinity", rules_service_affinity},
    {&core__v1__service_spec__schema, "type", rules_service_ports},
    {&core__v1__service_spec__schema, "type", rules_service_balancer},
    {&core__v1__service_spec__schema, "type", rules_service_external_policy},
    {&core__v1__service_spec__schema, "internalTrafficPolicy", rules_service_distribution},
    {&core__v1__service_port__schema, "name", rules_service_port_name},
    {&core__v1__load_balancer_ingress__schema, "ip", rules_balancer_mode},

    {&core__v1__endpoint_subset__schema, "", rules_subset},
    {&core__v1__endpoint_port__schema, "name", rules_endpoint_port},
    {&discovery__v1__endpoint__schema, "", rules_slice_endpoint},
    {&discovery__v1__endpoint__schema, "addresses", rules_slice_addresses},
    {&discovery__v1__for_zone__schema, "", rules_slice_zone},
    {&discovery__v1__endpoint_port__schema, "name", rules_slice_port_name},

    {&core__v1__config_map__schema, "data", rules_config_map_texts},
    {&core__v1__config_map__schema, ".", rules_config_map},
    {&core__v1__secret__schema, "data", rules_secret_size},
    {&core__v1__secret__schema, ".", rules_secret_type},
    {&core__v1__taint__schema, ".", rules_taint},
    {&core__v1__node_spec__schema, "taints", rules_taint_paths},
    {&core__v1__node_spec__schema, "taints", rules_node_amounts},
    {&core__v1__node_spec__schema, "podCIDRs", rules_pod_cidrs},

    {&apps__v1__deployment_spec__schema, "selector", rules_deployment_selector},
    {&apps__v1__deployment_spec__schema, "template", rules_workload_template},
    {&apps__v1__deployment_spec__schema, "progressDeadlineSeconds", rules_deadline},
    {&apps__v1__deployment_strategy__schema, "", rules_strategy},
    {&apps__v1__deployment_status__schema, ".", rules_deployment_status},
    {&apps__v1__replica_set_spec__schema, "selector", rules_replica_set_selector},
    {&apps__v1__replica_set_spec__schema, "template", rules_workload_template},
    {&apps__v1__replica_set_status__schema, ".", rules_replica_set_status},
    {&apps__v1__daemon_set_spec__schema, "selector", rules_daemon_set_selector},
    {&apps__v1__daemon_set_spec__schema, "template", rules_workload_template},
    {&apps__v1__daemon_set_update_strategy__schema, "", rules_daemon_set_strategy},
    {&apps__v1__stateful_set_spec__schema, "", rules_pod_management},
    {&apps__v1__stateful_set_spec__schema, "selector", rules_stateful_set_selector},
    {&apps__v1__stateful_set_spec__schema, "template", rules_workload_template},
    {&apps__v1__stateful_set_update_strategy__schema, "", rules_stateful_set_strategy},
    {&apps__v1__rolling_update_stateful_set_strategy__schema, ".", rules_stateful_set_rolling},
    {&apps__v1__stateful_set_status__schema, ".", rules_stateful_set_status},
    {&core__v1__replication_controller_spec__schema, "template", rules_controller_template},
    {&core__v1__replication_controller_status__schema, ".", rules_controller_status},

    {&batch__v1__job__schema, "", rules_job_own},
    {&batch__v1__job__schema, ".", rules_job_name},
    {&batch__v1__job_template_spec__schema, ".", rules_job_template_selector},
    {&batch__v1__job_spec__schema, "maxFailedIndexes", rules_job_budget},
    {&batch__v1__job_spec__schema, "managedBy", rules_job_managed_by},
    {&batch__v1__job_spec__schema, "completionMode", rules_job_numbers},
    {&batch__v1__job_spec__schema, "podReplacementPolicy", rules_job_replacement},
    {&batch__v1__job_spec__schema, "template", rules_job_template},
    {&batch__v1__job_spec__schema, ".", rules_job_selector},
    {&batch__v1__pod_failure_policy_rule__schema, ".", rules_failure_rule},
    {&batch__v1__pod_failure_policy_on_exit_codes_requirement__schema, ".", rules_failure_codes},
    {&batch__v1__success_policy__schema, "", rules_success_policy},
    {&batch__v1__success_policy_rule__schema, ".", rules_success_rule},
    {&batch__v1__cron_job_spec__schema, "schedule", rules_cron_schedule},
    {&batch__v1__cron_job_spec__schema, "timeZone", rules_cron_time_zone},

    {&rbac__v1__policy_rule__schema, ".", rules_policy_rule},
    {&rbac__v1__role_ref__schema, "", rules_role_ref},
    {&rbac__v1__subject__schema, ".", rules_subject},

    {&core__v1__resource_quota_spec__schema, ".", rules_quota},
    {&core__v1__resource_quota_status__schema, ".", rules_quota_status},
    {&core__v1__limit_range_item__schema, "", rules_limit},
    {&core__v1__persistent_volume_spec__schema, "capacity", rules_volume_capacity},
    {&core__v1__persistent_volume_spec__schema, "nodeAffinity", rules_persistent_volume},
    {&core__v1__local_volume_source__schema, ".", rules_local_volume},
    {&core__v1__persistent_volume_claim_spec__schema, ".", rules_claim},

    {&networking__v1__ingress_spec__schema, "", rules_ingress},
    {&networking__v1__ingress_backend__schema, "", rules_ingress_backend},
    {&networking__v1__httpingress_path__schema, "", rules_ingress_path},
    {&networking__v1__ingress_class_spec__schema, "", rules_ingress_class},
    {&networking__v1__ingress_class_parameters_reference__schema, "", rules_ingress_parameters},
    {&networking__v1__network_policy_spec__schema, "egress", rules_policy_types},
    {&networking__v1__network_policy_port__schema, ".", rules_policy_port},
    {&networking__v1__network_policy_peer__schema, ".", rules_policy_peer},
    {&networking__v1__ipblock__schema, "", rules_ip_block},

    {&policy__v1__pod_disruption_budget_spec__schema, "", rules_disruption_budget},
    {&policy__v1__pod_disruption_budget_status__schema, "", rules_budget_conditions},

    {&autoscaling__v2__horizontal_pod_autoscaler_spec__schema, "maxReplicas",
     rules_autoscaler_range},
    {&autoscaling__v2__horizontal_pod_autoscaler_spec__schema, "metrics", rules_autoscaler_metrics},
    {&autoscaling__v2__metric_spec__schema, "", rules_metric},
    {&autoscaling__v2__metric_target__schema, "", rules_metric_target},
    {&autoscaling__v2__resource_metric_source__schema, ".", rules_resource_metric},
    {&autoscaling__v2__container_resource_metric_source__schema, "name",
     rules_container_metric_name},
    {&autoscaling__v2__container_resource_metric_source__schema, ".", rules_container_metric},
    {&autoscaling__v2__pods_metric_source__schema, ".", rules_pods_metric},
    {&autoscaling__v2__object_metric_source__schema, ".", rules_object_metric},
    {&autoscaling__v2__external_metric_source__schema, ".", rules_external_metric},
    {&autoscaling__v2__hpascaling_rules__schema, "stabilizationWindowSeconds",
     rules_scaling_window},
    {&autoscaling__v2__hpascaling_policy__schema, "periodSeconds", rules_scaling_period},

    {&scheduling__v1__priority_class__schema, "", rules_priority_class},
    {&node__v1__overhead__schema, ".", rules_runtime_overhead},
    {&storage__v1__storage_class__schema, "provisioner", rules_storage_class},
    {&storage__v1__storage_class__schema, ".", rules_storage_topologies},
    {&core__v1__topology_selector_label_requirement__schema, "key", rules_topology_key},
    {&storage__v1__volume_attachment_source__schema, "", rules_attachment_source},
    {&storage__v1__volume_attachment_status__schema, "", rules_attachment_status},
    {&storage__v1__volume_error__schema, "", rules_volume_error},
    {&storage__v1__csidriver_spec__schema, "tokenRequests", rules_csi_driver},
    {&storage__v1__csinode_driver__schema, "nodeID", rules_csi_node_driver},
    {&storage__v1__csinode_driver__schema, ".", rules_csi_node_keys},

    {&admissionregistration__v1__validating_webhook__schema, "", rules_validating_webhook},
    {&admissionregistration__v1__validating_webhook__schema, "sideEffects",
     rules_validating_effects},
    {&admissionregistration__v1__validating_webhook__schema, ".", rules_validating_versions},
    {&admissionregistration__v1__mutating_webhook__schema, "", rules_mutating_webhook},
    {&admissionregistration__v1__mutating_webhook__schema, "sideEffects", rules_mutating_effects},
    {&admissionregistration__v1__mutating_webhook__schema, ".", rules_mutating_versions},
    {&admissionregistration__v1__webhook_client_config__schema, "", rules_webhook_client},
    {&admissionregistration__v1__service_reference__schema, "", rules_webhook_service},
    {&admissionregistration__v1__service_reference__schema, ".", rules_webhook_service_path},
    {&admissionregistration__v1__rule_with_operations__schema, ".", rules_admission_rule},
    {&admissionregistration__v1__named_rule_with_operations__schema, ".",
     rules_named_admission_rule},
    {&admissionregistration__v1__validating_admission_policy_status__schema, ".",
     rules_policy_conditions},
    {&admissionregistration__v1__validating_admission_policy_spec__schema, "auditAnnotations",
     rules_policy_expressions},
    {&admissionregistration__v1__validating_admission_policy_spec__schema, ".",
     rules_admission_policy},
    {&admissionregistration__v1__validation__schema, ".", rules_admission_validation},
    {&admissionregistration__v1__param_ref__schema, ".", rules_admission_parameters},
    {&admissionregistration__v1__param_kind__schema, "", rules_parameter_kind},
    {&admissionregistration__v1__validating_admission_policy_binding_spec__schema,
     "validationActions", rules_binding_actions},

    {&flowcontrol__v1__priority_level_configuration_spec__schema, "", rules_priority_level},
    {&flowcontrol__v1__limit_response__schema, "", rules_limit_response},
    {&flowcontrol__v1__queuing_configuration__schema, "queues", rules_queues},
    {&flowcontrol__v1__queuing_configuration__schema, "handSize", rules_hand_size},
    {&flowcontrol__v1__flow_schema_spec__schema, "", rules_flow_schema},
    {&flowcontrol__v1__flow_schema_spec__schema, ".", rules_flow_fixed},
    {&flowcontrol__v1__policy_rules_with_subjects__schema, "subjects", rules_flow_rules},
    {&flowcontrol__v1__resource_policy_rule__schema, "verbs", rules_flow_verbs},
    {&flowcontrol__v1__resource_policy_rule__schema, "apiGroups", rules_flow_groups},
    {&flowcontrol__v1__resource_policy_rule__schema, "resources", rules_flow_resources},
    {&flowcontrol__v1__resource_policy_rule__schema, "namespaces", rules_flow_namespaces},
    {&flowcontrol__v1__non_resource_policy_rule__schema, "verbs", rules_flow_path_verbs},
    {&flowcontrol__v1__non_resource_policy_rule__schema, "nonResourceURLs", rules_flow_paths},
    {&flowcontrol__v1__service_account_subject__schema, "name", rules_flow_account},
    {&flowcontrol__v1__subject__schema, "kind", rules_flow_subject},

    {&certificates__v1__certificate_signing_request_spec__schema, "", rules_certificate_request},
    {&certificates__v1__certificate_signing_request_spec__schema, "signerName", rules_signer_name},
    {&certificates__v1__certificate_signing_request_status__schema, "", rules_certificate_status},
    {&apiregistration__v1__apiservice_spec__schema, "", rules_api_service_name},
    {&apiregistration__v1__apiservice_spec__schema, ".", rules_api_service},
};

/* Every message of every object asks for its rows: they are found by the table's address. Made when
 * it is asked for first, and there to the end. */
enum { INDEX_BITS = 10, INDEX_SIZE = 1 << INDEX_BITS };
_Static_assert(2 * ARRAY_LEN(rows) <= INDEX_SIZE, "half of the index is free");

struct rows_index {
    struct api_frame_rules slots[INDEX_SIZE];
    const struct api_member *members[ARRAY_LEN(rows)]; /* Of each row. */
};

static _Atomic(struct rows_index *) made_index;

/* Where the table is, or would be. */
static size_t slot_of(const struct rows_index *index, const struct api_message *table)
{
    uint64_t hash = (uint64_t)(uintptr_t)table * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = hash >> (64 - INDEX_BITS);
    while (index->slots[at].count > 0 && index->slots[at].rows->table != table) {
        at = (at + 1) % INDEX_SIZE;
    }
    return at;
}

static struct rows_index *make_index(void)
{
    struct rows_index *index = alloc_zeroed(sizeof(*index));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct api_frame_rules *slot = &index->slots[slot_of(index, rows[i].table)];
        bool apart = rows[i].member[0] == '\0' || strcmp(rows[i].member, ".") == 0;
        index->members[i] = apart ? NULL : api_message_member_text(rows[i].table, rows[i].member);
        assert(apart || index->members[i] != NULL);
        if (slot->count == 0) {
            *slot = (struct api_frame_rules){.rows = &rows[i], .members = &index->members[i]};
        }
        assert(&slot->rows[slot->count] == &rows[i]);
        slot->count++;
    }
    return index;
}

struct api_frame_rules api_frame_rules_of(const struct api_message *table)
{
    struct rows_index *index = atomic_load_explicit(&made_index, memory_order_acquire);
    if (index == NULL) { /* Two threads may make one at once; the first to publish wins. */
        struct rows_index *own = make_index();
        if (atomic_compare_exchange_strong(&made_index, &index, own)) {
            index = own;
        } else {
            free(own);
        }
    }
    return index->slots[slot_of(index, table)];
}
