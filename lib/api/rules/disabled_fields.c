/* Fields of features that v1.32 knows but has switched off unless it is told otherwise. A client
 * may send them; they are left out of what is stored, except where the object had them before. */
#include "lib/api/rules/rules.h"

static const char PROC_MOUNT_DEFAULT[] = "Default";

/* What a pod's spec uses of them. */
struct features {
    bool image_volumes, trust_bundles;
    bool host_users, proc_mounts;
    bool pod_resources, claims, resizing;
    bool group_policy, selinux_policy;
};

/* The parts of a container of any sort that are looked at. */
struct container_view {
    Core__V1__ResourceRequirements *resources;
    Core__V1__SecurityContext *security;
    size_t *n_resize_policy;
};

static struct container_view container_at(const Core__V1__PodSpec *spec, size_t index)
{
    Core__V1__Container *plain = NULL;
    if (index < spec->n_init_containers) {
        plain = spec->init_containers[index];
    } else if (index < spec->n_init_containers + spec->n_containers) {
        plain = spec->containers[index - spec->n_init_containers];
    }
    if (plain != NULL) {
        return (struct container_view){plain->resources, plain->security_context,
                                       &plain->n_resize_policy};
    }
    index -= spec->n_init_containers + spec->n_containers;
    Core__V1__EphemeralContainerCommon *common =
        spec->ephemeral_containers[index]->ephemeral_container_common;
    return common == NULL ? (struct container_view){NULL, NULL, NULL}
                          : (struct container_view){common->resources, common->security_context,
                                                    &common->n_resize_policy};
}

static size_t container_count(const Core__V1__PodSpec *spec)
{
    return spec->n_init_containers + spec->n_containers + spec->n_ephemeral_containers;
}

/* --- What is used ------------------------------------------------------------------------------
 */

static bool has_trust_bundle(const Core__V1__VolumeSource *source)
{
    const Core__V1__ProjectedVolumeSource *projected = source->projected;
    for (size_t i = 0; projected != NULL && i < projected->n_sources; i++) {
        if (projected->sources[i]->cluster_trust_bundle != NULL) {
            return true;
        }
    }
    return false;
}

static struct features used_by(const Core__V1__PodSpec *spec)
{
    struct features used = {.host_users = spec->has_host_users,
                            .pod_resources = spec->resources != NULL,
                            .claims = spec->n_resource_claims > 0};
    if (spec->security_context != NULL) {
        used.group_policy = spec->security_context->supplemental_groups_policy != NULL;
        used.selinux_policy = spec->security_context->se_linux_change_policy != NULL;
    }
    for (size_t i = 0; i < spec->n_volumes; i++) {
        const Core__V1__VolumeSource *source = spec->volumes[i]->volume_source;
        used.image_volumes = used.image_volumes || (source != NULL && source->image != NULL);
        used.trust_bundles = used.trust_bundles || (source != NULL && has_trust_bundle(source));
    }
    for (size_t i = 0; i < container_count(spec); i++) {
        struct container_view view = container_at(spec, i);
        used.resizing =
            used.resizing || (view.n_resize_policy != NULL && *view.n_resize_policy > 0);
        used.claims = used.claims || (view.resources != NULL && view.resources->n_claims > 0);
        used.proc_mounts =
            used.proc_mounts || (view.security != NULL && view.security->proc_mount != NULL &&
                                 !rules_is(view.security->proc_mount, PROC_MOUNT_DEFAULT));
    }
    return used;
}

/* --- What is left out --------------------------------------------------------------------------
 */

static void drop_from_containers(struct arena *arena, const Core__V1__PodSpec *spec,
                                 struct features drop)
{
    for (size_t i = 0; i < container_count(spec); i++) {
        struct container_view view = container_at(spec, i);
        if (drop.resizing && view.n_resize_policy != NULL) {
            *view.n_resize_policy = 0;
        }
        if (drop.claims && view.resources != NULL) {
            view.resources->n_claims = 0;
        }
        if (drop.proc_mounts && view.security != NULL && view.security->proc_mount != NULL) {
            view.security->proc_mount = arena_text(arena, PROC_MOUNT_DEFAULT);
        }
    }
}

static void drop_from_volumes(const Core__V1__PodSpec *spec, struct features drop)
{
    for (size_t i = 0; i < spec->n_volumes; i++) {
        Core__V1__VolumeSource *source = spec->volumes[i]->volume_source;
        if (source == NULL) {
            continue;
        }
        if (drop.image_volumes) {
            source->image = NULL;
        }
        const Core__V1__ProjectedVolumeSource *projected = source->projected;
        for (size_t j = 0; drop.trust_bundles && projected != NULL && j < projected->n_sources;
             j++) {
            projected->sources[j]->cluster_trust_bundle = NULL;
        }
    }
}

static void drop_from_spec(Core__V1__PodSpec *spec, struct features drop)
{
    Core__V1__PodSecurityContext *security = spec->security_context;
    if (drop.host_users) {
        spec->has_host_users = 0;
        spec->host_users = 0;
    }
    if (drop.pod_resources) {
        spec->resources = NULL;
    }
    if (drop.claims) {
        spec->n_resource_claims = 0;
    }
    if (drop.group_policy) {
        security->supplemental_groups_policy = NULL;
    }
    if (drop.selinux_policy) {
        security->se_linux_change_policy = NULL;
    }
}

static struct features without(struct features used, struct features before)
{
    return (struct features){
        .image_volumes = used.image_volumes && !before.image_volumes,
        .trust_bundles = used.trust_bundles && !before.trust_bundles,
        .host_users = used.host_users && !before.host_users,
        .proc_mounts = used.proc_mounts && !before.proc_mounts,
        .pod_resources = used.pod_resources && !before.pod_resources,
        .claims = used.claims && !before.claims,
        .resizing = used.resizing && !before.resizing,
        .group_policy = used.group_policy && !before.group_policy,
        .selinux_policy = used.selinux_policy && !before.selinux_policy,
    };
}

static void drop_from_pod(struct arena *arena, const Core__V1__PodSpec *before,
                          Core__V1__PodSpec *spec)
{
    struct features kept = {0};
    if (before != NULL) {
        kept = used_by(before);
    }
    struct features drop = without(used_by(spec), kept);
    drop_from_spec(spec, drop);
    drop_from_volumes(spec, drop);
    drop_from_containers(arena, spec, drop);
}

/* --- Kinds -------------------------------------------------------------------------------------
 */

static Core__V1__PodSpec *spec_of(const Core__V1__PodTemplateSpec *pod_template)
{
    return pod_template == NULL ? NULL : pod_template->spec;
}

/* The spec of the pod that an object is, or makes; NULL for none. */
static Core__V1__PodSpec *pod_spec(const struct api_message *table, const void *message)
{
    if (table == &core__v1__pod__schema) {
        return ((const Core__V1__Pod *)message)->spec;
    }
    if (table == &core__v1__pod_template__schema) {
        return spec_of(((const Core__V1__PodTemplate *)message)->template_);
    }
#define OF_TEMPLATE(SCHEMA, TYPE)                                                                  \
    if (table == &SCHEMA) {                                                                        \
        return spec_of(((const TYPE *)message)->spec->template_);                                  \
    }
    OF_TEMPLATE(apps__v1__deployment__schema, Apps__V1__Deployment)
    OF_TEMPLATE(apps__v1__replica_set__schema, Apps__V1__ReplicaSet)
    OF_TEMPLATE(apps__v1__daemon_set__schema, Apps__V1__DaemonSet)
    OF_TEMPLATE(apps__v1__stateful_set__schema, Apps__V1__StatefulSet)
    OF_TEMPLATE(core__v1__replication_controller__schema, Core__V1__ReplicationController)
    OF_TEMPLATE(batch__v1__job__schema, Batch__V1__Job)
#undef OF_TEMPLATE
    if (table == &batch__v1__cron_job__schema) {
        const Batch__V1__JobTemplateSpec *job =
            ((const Batch__V1__CronJob *)message)->spec->job_template;
        return job == NULL || job->spec == NULL ? NULL : spec_of(job->spec->template_);
    }
    return NULL;
}

/* A claim may only be filled from its own namespace. */
static void drop_from_claim(const Core__V1__PersistentVolumeClaimSpec *before,
                            Core__V1__PersistentVolumeClaimSpec *spec)
{
    const Core__V1__TypedObjectReference *source = spec->data_source_ref;
    if (before == NULL || before->volume_attributes_class_name == NULL) {
        spec->volume_attributes_class_name = NULL;
    }
    if (source != NULL && !rules_empty(source->namespace_) &&
        (before == NULL || before->data_source_ref == NULL ||
         rules_empty(before->data_source_ref->namespace_))) {
        spec->data_source_ref = NULL;
    }
}

/* Where kubelets once found their configuration. */
static void drop_from_node(const Core__V1__Node *before, Core__V1__Node *node)
{
    if (before == NULL) {
        node->status->config = NULL;
    }
    if (before == NULL || before->spec->config_source == NULL) {
        node->spec->config_source = NULL;
    }
}

void rules_drop_disabled(struct arena *arena, const struct api_message *table, const void *before,
                         void *message)
{
    Core__V1__PodSpec *spec = pod_spec(table, message);
    if (spec != NULL) {
        drop_from_pod(arena, before == NULL ? NULL : pod_spec(table, before), spec);
    } else if (table == &core__v1__persistent_volume_claim__schema) {
        const Core__V1__PersistentVolumeClaim *old = before;
        drop_from_claim(old == NULL ? NULL : old->spec,
                        ((Core__V1__PersistentVolumeClaim *)message)->spec);
    } else if (table == &core__v1__node__schema) {
        drop_from_node(before, message);
    } else if (table == &core__v1__persistent_volume__schema) {
        const Core__V1__PersistentVolume *old = before;
        if (old == NULL || old->spec->volume_attributes_class_name == NULL) {
            ((Core__V1__PersistentVolume *)message)->spec->volume_attributes_class_name = NULL;
        }
    }
}

/* --- Status ------------------------------------------------------------------------------------
 */

static void drop_from_statuses(Core__V1__ContainerStatus *const *statuses, size_t count,
                               struct features used)
{
    for (size_t i = 0; i < count; i++) {
        Core__V1__ContainerStatus *status = statuses[i];
        status->n_allocated_resources = 0;
        status->n_allocated_resources_status = 0;
        status->resources = used.resizing ? status->resources : NULL;
        status->user = used.group_policy ? status->user : NULL;
    }
}

void rules_drop_disabled_status(const struct api_message *table, const void *before, void *message)
{
    if (table == &core__v1__pod__schema) {
        Core__V1__PodStatus *status = ((Core__V1__Pod *)message)->status;
        struct features used = used_by(((const Core__V1__Pod *)before)->spec);
        drop_from_statuses(status->container_statuses, status->n_container_statuses, used);
        drop_from_statuses(status->init_container_statuses, status->n_init_container_statuses,
                           used);
        drop_from_statuses(status->ephemeral_container_statuses,
                           status->n_ephemeral_container_statuses, used);
        status->resize = used.resizing ? status->resize : NULL;
        status->n_resource_claim_statuses = used.claims ? status->n_resource_claim_statuses : 0;
    } else if (table == &core__v1__persistent_volume_claim__schema) {
        const Core__V1__PersistentVolumeClaimStatus *old_status =
            ((const Core__V1__PersistentVolumeClaim *)before)->status;
        Core__V1__PersistentVolumeClaimStatus *status =
            ((Core__V1__PersistentVolumeClaim *)message)->status;
        if (old_status->current_volume_attributes_class_name == NULL) {
            status->current_volume_attributes_class_name = NULL;
        }
        if (old_status->modify_volume_status == NULL) {
            status->modify_volume_status = NULL;
        }
    } else if (table == &core__v1__node__schema &&
               ((const Core__V1__Node *)before)->status->config == NULL) {
        ((Core__V1__Node *)message)->status->config = NULL;
    }
}
