/* Validation by kind: metadata, what the options of the .proto files say, the kind's own rules. */
#include "lib/api/validate.h"

#include "lib/api/kinds.h"
#include "lib/api/object.h"
#include "lib/api/rules/rules.h"

enum update_order {
    UPDATE_AFTER, /* The new object is checked, then what changed. */
    UPDATE_FIRST, /* What changed, then the new object. */
    UPDATE_ALONE, /* So little may change that only that is checked. */
};

static const struct kind_rules {
    const char *group, *kind;
    api_syntax_rule *name;
    rules_create *create;
    rules_update *update, *status;
    enum update_order order;
} RULES[] = {
    {"", "Pod", api_syntax_dns1123_subdomain, NULL, rules_update_pod, rules_update_pod_status,
     UPDATE_ALONE},
    {"", "Service", api_syntax_dns1035_label, NULL, rules_update_service,
     rules_update_service_status, UPDATE_FIRST},
    {"", "Node", api_syntax_dns1123_subdomain, NULL, rules_update_node, NULL, UPDATE_FIRST},
    {"", "Namespace", api_syntax_dns1123_label, NULL, NULL, rules_update_namespace_status,
     UPDATE_AFTER},
    {"", "ConfigMap", api_syntax_dns1123_subdomain, NULL, rules_update_config_map, NULL,
     UPDATE_FIRST},
    {"", "Secret", api_syntax_dns1123_subdomain, NULL, rules_update_secret, NULL, UPDATE_FIRST},
    {"", "ServiceAccount", api_syntax_dns1123_subdomain, NULL, NULL, NULL, UPDATE_AFTER},
    {"", "Event", api_syntax_dns1123_subdomain, rules_check_event, NULL, NULL, UPDATE_AFTER},
    {"events.k8s.io", "Event", api_syntax_dns1123_subdomain, rules_check_event_v1,
     rules_update_event_v1, NULL, UPDATE_ALONE},
    {"", "Endpoints", api_syntax_dns1123_subdomain, NULL, NULL, NULL, UPDATE_AFTER},
    {"discovery.k8s.io", "EndpointSlice", api_syntax_dns1123_subdomain, NULL, NULL, NULL,
     UPDATE_AFTER},
    {"coordination.k8s.io", "Lease", api_syntax_dns1123_subdomain, NULL, NULL, NULL, UPDATE_AFTER},
    {"apps", "Deployment", api_syntax_dns1123_subdomain, NULL, NULL, rules_update_deployment_status,
     UPDATE_AFTER},
    {"apps", "ReplicaSet", api_syntax_dns1123_subdomain, NULL, NULL, NULL, UPDATE_AFTER},
    {"rbac.authorization.k8s.io", "Role", api_syntax_path_segment, NULL, NULL, NULL, UPDATE_AFTER},
    {"rbac.authorization.k8s.io", "ClusterRole", api_syntax_path_segment, NULL, NULL, NULL,
     UPDATE_AFTER},
    {"rbac.authorization.k8s.io", "RoleBinding", api_syntax_path_segment, NULL,
     rules_update_role_binding, NULL, UPDATE_AFTER},
    {"rbac.authorization.k8s.io", "ClusterRoleBinding", api_syntax_path_segment, NULL,
     rules_update_cluster_role_binding, NULL, UPDATE_AFTER},
    {"apps", "ControllerRevision", api_syntax_dns1123_subdomain, NULL, NULL, NULL, UPDATE_AFTER},
};

static const struct kind_rules PLAIN = {"",   "",          api_syntax_path_segment, NULL, NULL,
                                        NULL, UPDATE_AFTER};

static const struct kind_rules *rules_of(const struct api_kind *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(RULES); i++) {
        if (strcmp(RULES[i].kind, kind->kind) == 0 && strcmp(RULES[i].group, kind->group) == 0) {
            return &RULES[i];
        }
    }
    return &PLAIN;
}

static void check_object(struct api_causes *causes, const struct kind_rules *rules,
                         const struct api_frame *object)
{
    api_check_message(causes, object);
    if (rules->create != NULL) {
        rules->create(causes, object->message);
    }
}

void api_validate_create(struct arena *arena, const struct api_kind *kind, const void *message,
                         struct api_causes *causes)
{
    (void)arena; /* Causes carry the arena that their text lives in. */
    if (kind->message == NULL) {
        return;
    }
    const struct kind_rules *rules = rules_of(kind);
    const Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, message);
    struct api_frame object = api_frame_object(kind->message, message);
    if (meta != NULL) {
        rules_object_meta(causes, &object, meta, kind->namespaced, rules->name);
    }
    check_object(causes, rules, &object);
}

static void check_change(struct api_causes *causes, const struct kind_rules *rules,
                         const struct api_frame *object, const void *before)
{
    api_check_immutable(causes, object->table, before, object->message);
    if (rules->update != NULL) {
        rules->update(causes, before, object->message);
    }
}

static void check_update(struct api_causes *causes, const struct kind_rules *rules,
                         const struct api_frame *object, const void *before)
{
    switch (rules->order) {
    case UPDATE_AFTER:
        check_object(causes, rules, object);
        check_change(causes, rules, object, before);
        break;
    case UPDATE_FIRST:
        check_change(causes, rules, object, before);
        check_object(causes, rules, object);
        break;
    case UPDATE_ALONE:
        check_change(causes, rules, object, before);
        break;
    }
}

static void check_status(struct api_causes *causes, const struct kind_rules *rules,
                         const struct api_frame *object, const void *before)
{
    if (api_message_member_text(object->table, "status") != NULL) {
        api_check_member(causes, object, "status");
    }
    if (rules->status != NULL) {
        rules->status(causes, before, object->message);
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
    struct api_frame object = api_frame_object(kind->message, new_message);
    if (before != NULL && after != NULL) {
        rules_object_meta_update(causes, &object, before, after);
    }
    if (strcmp(subresource, "status") == 0) {
        check_status(causes, rules, &object, old_message);
    } else if (strcmp(subresource, "ephemeralcontainers") == 0) {
        rules_update_pod_ephemeral(causes, old_message, new_message);
    } else {
        check_update(causes, rules, &object, old_message);
    }
}
