/* Defaults that depend on other members, by message. Internal to lib/api. Pure; in place. */
#ifndef LIB_API_RULES_DEFAULT_HOOKS_H
#define LIB_API_RULES_DEFAULT_HOOKS_H
#include "lib/base/arena.h"

struct api_message;

typedef void default_hook(struct arena *arena, void *message);

default_hook default_container, default_ephemeral_container, default_pod, default_pod_spec,
    default_volume, default_image_volume, default_service, default_service_port, default_namespace,
    default_node, default_secret, default_deployment, default_subject, default_daemon_set_strategy,
    default_stateful_set_strategy, default_job, default_replication_controller,
    default_persistent_volume;
default_hook default_limit, default_network_policy, default_autoscaler, default_autoscaler_behavior;
default_hook default_definition;

/* The counter that DaemonSets had before all kinds had a generation; an annotation since. */
#define RULES_TEMPLATE_GENERATION "deprecated.daemonset.template.generation"

/* NULL for the many messages that have none. */
default_hook *default_hook_of(const struct api_message *table);
#endif
