/* Rules of containers that are added to a pod that runs. */
#include "lib/api/rules/rules.h"

/* Whether one of the pod's first `count` containers is called so. */
static bool is_name_of(const Core__V1__PodSpec *spec, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rules_container_at(spec, i).name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Where they stand among a pod's containers: behind those that it was made with. */
static size_t own_count(const Core__V1__PodSpec *spec)
{
    return spec->n_init_containers + spec->n_containers;
}

bool rules_ephemeral_name(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__PodSpec *spec = frame->parent->message;
    const Core__V1__EphemeralContainer *container = frame->message;
    const char *name = rules_container_at(spec, own_count(spec) + frame->index).name;
    const char *target = text_or_empty(container->target_container_name);
    const Core__V1__EphemeralContainerCommon *common = container->ephemeral_container_common;
    if (common != NULL) {
        rules_check_text(causes, frame->at, "image", common->image, api_syntax_trimmed);
    }
    if (is_name_of(spec, own_count(spec) + frame->index, name)) {
        struct api_path at = api_path_field(frame->at, "name");
        api_cause_duplicate(causes, &at, api_shown_text(name));
    }
    if (*target != '\0' && !is_name_of(spec, own_count(spec), target)) {
        struct api_path at = api_path_field(frame->at, "targetContainerName");
        api_cause_not_found(causes, &at, api_shown_text(target));
    }
    return true;
}

static bool asks_for_resources(const Core__V1__EphemeralContainerCommon *common)
{
    const Core__V1__ResourceRequirements *resources = common->resources;
    return resources != NULL &&
           (resources->n_limits > 0 || resources->n_requests > 0 || resources->n_claims > 0);
}

bool rules_ephemeral_rest(struct api_causes *causes, const struct api_frame *frame)
{
    static const char why[] = "cannot be set for an Ephemeral Container";
    const Core__V1__EphemeralContainer *container = frame->message;
    const Core__V1__EphemeralContainerCommon *common = container->ephemeral_container_common;
    struct api_path mounts = api_path_field(frame->at, "volumeMounts");
    if (common == NULL) {
        return true;
    }
    const struct {
        const char *name;
        bool set;
    } members[] = {
        {"ports", common->n_ports > 0},
        {"resources", asks_for_resources(common)},
        {"resizePolicy", common->n_resize_policy > 0},
        {"restartPolicy", common->restart_policy != NULL},
        {"livenessProbe", common->liveness_probe != NULL},
        {"readinessProbe", common->readiness_probe != NULL},
        {"startupProbe", common->startup_probe != NULL},
        {"lifecycle", common->lifecycle != NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (members[i].set) {
            rules_forbidden(causes, frame->at, members[i].name, why);
        }
    }
    for (size_t i = 0; i < common->n_volume_mounts; i++) {
        struct api_path mount = api_path_index(&mounts, i);
        if (!rules_empty(common->volume_mounts[i]->sub_path)) {
            rules_forbidden(causes, &mount, "subPath", why);
        }
        if (!rules_empty(common->volume_mounts[i]->sub_path_expr)) {
            rules_forbidden(causes, &mount, "subPathExpr", why);
        }
    }
    return true;
}
