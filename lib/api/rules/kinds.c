/* The kinds that do something of their own when they are written. */
#include "lib/api/rules/rules.h"

static const struct rules_kind KINDS[] = {
    {.table = &core__v1__pod__schema,
     .prepare_create = rules_prepare_pod,
     .prepare_status = rules_prepare_pod_status,
     .update = rules_update_pod,
     .status = rules_update_pod_status,
     .order = RULES_UPDATE_ALONE},
    {.table = &core__v1__service__schema,
     .prepare_create = rules_prepare_service,
     .prepare_update = rules_prepare_service_update,
     .update = rules_update_service,
     .status = rules_update_service_status,
     .order = RULES_UPDATE_FIRST},
    {.table = &core__v1__node__schema, .update = rules_update_node, .order = RULES_UPDATE_FIRST},
    {.table = &core__v1__namespace__schema,
     .prepare_create = rules_prepare_namespace,
     .prepare_update = rules_prepare_namespace_update,
     .status = rules_update_namespace_status},
    {.table = &core__v1__config_map__schema,
     .update = rules_update_config_map,
     .order = RULES_UPDATE_FIRST},
    {.table = &core__v1__secret__schema,
     .prepare_update = rules_prepare_secret_update,
     .update = rules_update_secret,
     .order = RULES_UPDATE_FIRST},
    {.table = &core__v1__service_account__schema,
     .prepare_create = rules_prepare_service_account,
     .prepare_update = rules_prepare_service_account_update},
    {.table = &core__v1__event__schema, .create = rules_check_event},
    {.table = &events__v1__event__schema,
     .create = rules_check_event_v1,
     .update = rules_update_event_v1,
     .order = RULES_UPDATE_ALONE,
     .to_stored = rules_event_to_stored,
     .from_stored = rules_event_from_stored},
    {.table = &autoscaling__v1__horizontal_pod_autoscaler__schema,
     .to_stored = rules_autoscaler_to_stored,
     .from_stored = rules_autoscaler_from_stored},
    {.table = &discovery__v1__endpoint_slice__schema,
     .prepare_create = rules_prepare_slice,
     .prepare_update = rules_prepare_slice_update},
    {.table = &coordination__v1__lease__schema,
     .prepare_create = rules_prepare_lease,
     .prepare_update = rules_prepare_lease_update},
    {.table = &apps__v1__deployment__schema, .status = rules_update_deployment_status},
    {.table = &apps__v1__daemon_set__schema,
     .prepare_create = rules_prepare_daemon_set,
     .prepare_update = rules_prepare_daemon_set_update,
     .status = rules_update_daemon_set_status},
    {.table = &apps__v1__stateful_set__schema,
     .update = rules_update_stateful_set,
     .status = rules_update_stateful_set_status},
    {.table = &batch__v1__job__schema,
     .prepare_create = rules_prepare_job,
     .update = rules_update_job,
     .status = rules_update_job_status},
    {.table = &batch__v1__cron_job__schema, .create = rules_check_cron_job},
    {.table = &rbac__v1__role_binding__schema, .update = rules_update_role_binding},
    {.table = &rbac__v1__cluster_role_binding__schema, .update = rules_update_cluster_role_binding},
    {.table = &core__v1__persistent_volume__schema, .update = rules_update_persistent_volume},
    {.table = &core__v1__persistent_volume_claim__schema,
     .prepare_create = rules_prepare_claim,
     .prepare_update = rules_prepare_claim_update,
     .update = rules_update_claim},
    {.table = &networking__v1__ingress__schema, .create = rules_check_ingress},
    {.table = &scheduling__v1__priority_class__schema, .order = RULES_UPDATE_ALONE},
    {.table = &storage__v1__volume_attachment__schema, .create = rules_check_attachment},
    {.table = &storage__v1__csidriver__schema, .update = rules_update_csi_driver},
    {.table = &storage__v1__csinode__schema, .update = rules_update_csi_node},
    {.table = &apiregistration__v1__apiservice__schema,
     .prepare_create = rules_prepare_api_service,
     .create = rules_check_api_service},
    {.table = &core__v1__limit_range__schema, .prepare_create = rules_prepare_limit_range},
};

static const struct rules_kind NOTHING = {.table = NULL};

const struct rules_kind *rules_of_kind(const struct api_message *table)
{
    for (size_t i = 0; i < ARRAY_LEN(KINDS); i++) {
        if (KINDS[i].table == table) {
            return &KINDS[i];
        }
    }
    return &NOTHING;
}
