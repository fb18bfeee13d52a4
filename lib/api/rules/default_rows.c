/* Which messages have defaults that depend on other members. */
#include "lib/api/rules/default_hooks.h"
#include "lib/api/rules/rules.h"

static const struct {
    const struct api_message *table;
    default_hook *hook;
} HOOKS[] = {
    {&apps__v1__deployment__schema, default_deployment},
    {&apps__v1__daemon_set_update_strategy__schema, default_daemon_set_strategy},
    {&apps__v1__stateful_set_update_strategy__schema, default_stateful_set_strategy},
    {&batch__v1__job__schema, default_job},
    {&core__v1__replication_controller__schema, default_replication_controller},
    {&core__v1__container__schema, default_container},
    {&core__v1__ephemeral_container_common__schema, default_ephemeral_container},
    {&core__v1__image_volume_source__schema, default_image_volume},
    {&core__v1__namespace__schema, default_namespace},
    {&core__v1__node__schema, default_node},
    {&core__v1__persistent_volume__schema, default_persistent_volume},
    {&core__v1__pod__schema, default_pod},
    {&core__v1__pod_spec__schema, default_pod_spec},
    {&core__v1__secret__schema, default_secret},
    {&core__v1__service__schema, default_service},
    {&core__v1__service_port__schema, default_service_port},
    {&core__v1__volume__schema, default_volume},
    {&rbac__v1__subject__schema, default_subject},
    {&core__v1__limit_range_item__schema, default_limit},
    {&networking__v1__network_policy_spec__schema, default_network_policy},
    {&autoscaling__v2__horizontal_pod_autoscaler_spec__schema, default_autoscaler},
    {&autoscaling__v2__horizontal_pod_autoscaler_behavior__schema, default_autoscaler_behavior},
    {&apiextensions__v1__custom_resource_definition__schema, default_definition},
};

default_hook *default_hook_of(const struct api_message *table)
{
    for (size_t i = 0; i < ARRAY_LEN(HOOKS); i++) {
        if (HOOKS[i].table == table) {
            return HOOKS[i].hook;
        }
    }
    return NULL;
}
