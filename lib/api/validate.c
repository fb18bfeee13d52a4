/* Validation by kind: metadata first, then the kind's own rules. */
#include "lib/api/validate.h"

#include "lib/api/kinds.h"
#include "lib/api/object.h"
#include "lib/api/rules/rules.h"

typedef struct api_syntax name_rule(const char *name);

static const struct kind_rules {
    const char *group, *kind;
    name_rule *name;
    rules_create *create;
    rules_update *update, *status;
} RULES[] = {
    {"", "Pod", api_syntax_dns1123_subdomain, rules_check_pod, rules_update_pod,
     rules_update_pod_status},
    {"", "Service", api_syntax_dns1035_label, rules_check_service, rules_update_service,
     rules_update_service_status},
    {"", "Node", api_syntax_dns1123_subdomain, rules_check_node, rules_update_node, NULL},
    {"", "Namespace", api_syntax_dns1123_label, rules_check_namespace, NULL,
     rules_update_namespace_status},
    {"", "ConfigMap", api_syntax_dns1123_subdomain, rules_check_config_map, rules_update_config_map,
     NULL},
    {"", "Secret", api_syntax_dns1123_subdomain, rules_check_secret, rules_update_secret, NULL},
    {"", "ServiceAccount", api_syntax_dns1123_subdomain, NULL, NULL, NULL},
    {"", "Event", api_syntax_dns1123_subdomain, rules_check_event, NULL, NULL},
    {"events.k8s.io", "Event", api_syntax_dns1123_subdomain, rules_check_event_v1,
     rules_update_event_v1, NULL},
    {"", "Endpoints", api_syntax_dns1123_subdomain, rules_check_endpoints, NULL, NULL},
    {"discovery.k8s.io", "EndpointSlice", api_syntax_dns1123_subdomain, rules_check_endpoint_slice,
     rules_update_endpoint_slice, NULL},
    {"coordination.k8s.io", "Lease", api_syntax_dns1123_subdomain, rules_check_lease, NULL, NULL},
    {"apps", "Deployment", api_syntax_dns1123_subdomain, rules_check_deployment,
     rules_update_deployment, rules_update_deployment_status},
    {"apps", "ReplicaSet", api_syntax_dns1123_subdomain, rules_check_replica_set,
     rules_update_replica_set, rules_update_replica_set_status},
    {"apps", "ControllerRevision", api_syntax_dns1123_subdomain, rules_check_controller_revision,
     rules_update_controller_revision, NULL},
};

static const struct kind_rules PLAIN = {"", "", api_syntax_path_segment, NULL, NULL, NULL};

static const struct kind_rules *rules_of(const struct api_kind *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(RULES); i++) {
        if (strcmp(RULES[i].kind, kind->kind) == 0 && strcmp(RULES[i].group, kind->group) == 0) {
            return &RULES[i];
        }
    }
    return &PLAIN;
}

void api_validate_create(struct arena *arena, const struct api_kind *kind, const void *message,
                         struct api_causes *causes)
{
    const struct kind_rules *rules = rules_of(kind);
    const Meta__V1__ObjectMeta *meta =
        kind->message == NULL ? NULL : api_message_meta(kind->message, message);
    (void)arena; /* Causes carry the arena that their text lives in. */
    if (meta != NULL) {
        rules_object_meta(causes, meta, kind->namespaced, rules->name);
    }
    if (rules->create != NULL) {
        rules->create(causes, message);
    }
}

void api_validate_update(struct arena *arena, const struct api_kind *kind, const void *old_message,
                         const void *new_message, const char *subresource,
                         struct api_causes *causes)
{
    const struct kind_rules *rules = rules_of(kind);
    (void)arena; /* As above. */
    if (kind->message == NULL) {
        return;
    }
    const Meta__V1__ObjectMeta *before = api_message_meta(kind->message, old_message);
    const Meta__V1__ObjectMeta *after = api_message_meta(kind->message, new_message);
    if (before != NULL && after != NULL) {
        rules_object_meta_update(causes, before, after);
    }
    if (strcmp(subresource, "status") == 0) {
        if (rules->status != NULL) {
            rules->status(causes, old_message, new_message);
        }
        return;
    }
    if (strcmp(subresource, "ephemeralcontainers") == 0 && rules->create == rules_check_pod) {
        rules_update_pod_ephemeral(causes, old_message, new_message);
        return;
    }
    if (rules->update != NULL) {
        rules->update(causes, old_message, new_message);
    } else if (rules->create != NULL) {
        rules->create(causes, new_message);
    }
}
