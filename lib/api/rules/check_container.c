/* Rules of the containers of a pod: ports, environment, mounts, security, names. */
#include "lib/api/rules/rules.h"

static const Core__V1__PodSpec *spec_of(const struct api_frame *frame)
{
    const struct api_frame *spec = api_frame_find(frame, &core__v1__pod_spec__schema);
    return spec == NULL ? NULL : spec->message;
}

/* --- Ports -------------------------------------------------------------------------------------
 */

static bool same_host_port(const Core__V1__ContainerPort *a, const Core__V1__ContainerPort *b)
{
    return a->host_port == b->host_port && rules_is(a->protocol, text_or_empty(b->protocol)) &&
           rules_is(a->host_ip, text_or_empty(b->host_ip));
}

/* Host ports must differ within a container and among all of a pod's containers. */
static bool host_port_taken(const Core__V1__PodSpec *spec, const Core__V1__ContainerPort *port)
{
    for (size_t c = 0; c < spec->n_containers; c++) {
        const Core__V1__Container *other = spec->containers[c];
        for (size_t p = 0; p < other->n_ports; p++) {
            if (other->ports[p] == port) {
                return false;
            }
            if (same_host_port(other->ports[p], port)) {
                return true;
            }
        }
    }
    return false;
}

bool rules_host_port(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ContainerPort *port = frame->message;
    const Core__V1__PodSpec *spec = spec_of(frame);
    struct api_path at = api_path_field(frame->at, "hostPort");
    if (port->host_port == 0 || spec == NULL) {
        return true;
    }
    if (spec->host_network && port->host_port != port->container_port) {
        api_cause_invalid(causes, &at, api_shown_int(port->host_port),
                          "must match `containerPort` when `hostNetwork` is true");
    }
    if (host_port_taken(spec, port)) {
        api_cause_duplicate(
            causes, &at,
            api_shown_text(arena_printf(causes->arena, "%s/%s/%d", text_or_empty(port->protocol),
                                        text_or_empty(port->host_ip), port->host_port)));
    }
    return true;
}

/* --- Environment -------------------------------------------------------------------------------
 */

/* "metadata.labels['key']" and the same of annotations. Returns whether `path` has that form. */
static bool check_subscript(struct api_causes *causes, const struct api_path *at, const char *path)
{
    static const char *const keyed[] = {"metadata.annotations", "metadata.labels", NULL};
    const char *bracket = strchr(path, '[');
    size_t len = strlen(path);
    if (bracket == NULL || len <= 4 || strcmp(path + len - 2, "']") != 0 || bracket[1] != '\'') {
        return false;
    }
    size_t before = (size_t)(bracket - path);
    const char *map = arena_text_n(causes->arena, path, before);
    const char *key = arena_text_n(causes->arena, bracket + 2, len - before - 4);
    if (!rules_one_of(map, keyed)) {
        rules_invalid(causes, at, "fieldPath", api_shown_text(path), "does not support subscript");
    } else {
        rules_check_text(causes, at, "fieldPath", key, api_syntax_qualified_name);
    }
    return true;
}

/* What a variable may refer to is more than what a file may. */
bool rules_field_ref(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const for_variables[] = {"metadata.name",
                                                "metadata.namespace",
                                                "metadata.uid",
                                                "spec.nodeName",
                                                "spec.serviceAccountName",
                                                "status.hostIP",
                                                "status.hostIPs",
                                                "status.podIP",
                                                "status.podIPs",
                                                NULL};
    static const char *const for_files[] = {"metadata.annotations", "metadata.labels",
                                            "metadata.name",        "metadata.namespace",
                                            "metadata.uid",         NULL};
    const Core__V1__ObjectFieldSelector *ref = frame->message;
    const char *const *allowed = api_frame_find(frame, &core__v1__env_var_source__schema) != NULL
                                     ? for_variables
                                     : for_files;
    if (rules_empty(ref->api_version)) {
        rules_required(causes, frame->at, "apiVersion", "");
    } else if (rules_empty(ref->field_path)) {
        rules_required(causes, frame->at, "fieldPath", "");
    } else if (!check_subscript(causes, frame->at, ref->field_path) &&
               !rules_one_of(ref->field_path, allowed)) {
        rules_not_supported(causes, frame->at, "fieldPath", ref->field_path, allowed);
    }
    return true;
}

bool rules_resource_ref(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const resources[] = {"limits.cpu",
                                            "limits.ephemeral-storage",
                                            "limits.memory",
                                            "requests.cpu",
                                            "requests.ephemeral-storage",
                                            "requests.memory",
                                            NULL};
    const Core__V1__ResourceFieldSelector *ref = frame->message;
    bool in_variable = api_frame_find(frame, &core__v1__env_var_source__schema) != NULL;
    const char *name = text_or_empty(ref->resource);
    bool huge = strncmp(name, "limits.hugepages-", 17) == 0 ||
                strncmp(name, "requests.hugepages-", 19) == 0;
    if (!in_variable && rules_empty(ref->container_name)) {
        rules_required(causes, frame->at, "containerName", "");
    } else if (*name == '\0') {
        rules_required(causes, frame->at, "resource", "");
    } else if (!huge && !rules_one_of(name, resources)) {
        rules_not_supported(causes, frame->at, "resource", name, resources);
    }
    return true;
}

bool rules_value_from(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__EnvVarSource *source = frame->message;
    const Core__V1__EnvVar *variable = frame->parent->message;
    int sources = (source->field_ref != NULL) + (source->resource_field_ref != NULL) +
                  (source->config_map_key_ref != NULL) + (source->secret_key_ref != NULL);
    if (sources == 0) {
        api_cause_invalid(causes, frame->at, api_shown_text(""),
                          "must specify one of: `fieldRef`, `resourceFieldRef`, "
                          "`configMapKeyRef` or `secretKeyRef`");
    } else if (!rules_empty(variable->value)) {
        api_cause_invalid(causes, frame->at, api_shown_text(""),
                          "may not be specified when `value` is not empty");
    } else if (sources > 1) {
        api_cause_invalid(causes, frame->at, api_shown_text(""),
                          "may not have more than one field specified at a time");
    }
    return true;
}

/* Said of the list, not of the item. */
bool rules_env_from(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__EnvFromSource *source = frame->message;
    const struct api_path *list = frame->at->parent;
    if (source->config_map_ref == NULL && source->secret_ref == NULL) {
        api_cause_invalid(causes, list, api_shown_text(""),
                          "must specify one of: `configMapRef` or `secretRef`");
    } else if (source->config_map_ref != NULL && source->secret_ref != NULL) {
        api_cause_invalid(causes, list, api_shown_text(""),
                          "may not have more than one field specified at a time");
    }
    return true;
}

/* --- Mounts ------------------------------------------------------------------------------------
 */

bool rules_mount_name(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__VolumeMount *mount = frame->message;
    const Core__V1__PodSpec *spec = spec_of(frame);
    struct api_path at = api_path_field(frame->at, "name");
    for (size_t i = 0; spec != NULL && i < spec->n_volumes; i++) {
        if (rules_is(spec->volumes[i]->name, text_or_empty(mount->name))) {
            return true;
        }
    }
    api_cause_not_found(causes, &at, api_shown_text(mount->name));
    return true;
}

bool rules_mount_path(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__VolumeMount *mount = frame->message;
    const void *const holder = frame->parent->message;
    const Core__V1__VolumeMount *const *mounts =
        *(const Core__V1__VolumeMount *const *const *)api_field_at(frame->via, holder);
    for (size_t i = 0; i < frame->index; i++) {
        if (rules_is(mounts[i]->mount_path, text_or_empty(mount->mount_path))) {
            rules_invalid(causes, frame->at, "mountPath", api_shown_text(mount->mount_path),
                          "must be unique");
            break;
        }
    }
    return true;
}

bool rules_mount_sub_path(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__VolumeMount *mount = frame->message;
    if (!rules_empty(mount->sub_path) && !rules_empty(mount->sub_path_expr)) {
        rules_invalid(causes, frame->at, "subPathExpr", api_shown_text(mount->sub_path_expr),
                      "subPathExpr and subPath are mutually exclusive");
    }
    return true;
}

/* --- Security ----------------------------------------------------------------------------------
 */

bool rules_seccomp(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__SeccompProfile *profile = frame->message;
    struct api_path local = api_path_field(frame->at, "localhostProfile");
    if (rules_is(profile->type, "Localhost")) {
        if (profile->localhost_profile == NULL) {
            api_cause_required(causes, &local, "must be set when seccomp type is Localhost");
        } else {
            rules_check_text(causes, frame->at, "localhostProfile", profile->localhost_profile,
                             api_syntax_relative_path);
        }
    } else if (profile->localhost_profile != NULL) {
        api_cause_invalid(causes, &local, api_shown_text(profile->localhost_profile),
                          "can only be set when seccomp type is Localhost");
    }
    return true;
}

bool rules_privileges(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__SecurityContext *security = frame->message;
    if (security->has_allow_privilege_escalation && !security->allow_privilege_escalation &&
        security->has_privileged && security->privileged) {
        api_cause_invalid(
            causes, frame->at, api_shown_raw("v1.SecurityContext"),
            "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    }
    return true;
}

/* --- Containers --------------------------------------------------------------------------------
 */

static bool is_init(const struct api_frame *frame)
{
    return strcmp(frame->via->name, "initContainers") == 0;
}

/* All containers of a pod share one space of names. */
static bool name_taken(const Core__V1__PodSpec *spec, const char *name, size_t init_before,
                       size_t before)
{
    for (size_t i = 0; i < init_before; i++) {
        if (rules_is(spec->init_containers[i]->name, name)) {
            return true;
        }
    }
    for (size_t i = 0; i < before; i++) {
        if (rules_is(spec->containers[i]->name, name)) {
            return true;
        }
    }
    return false;
}

bool rules_container_name(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const always[] = {"Always", NULL};
    const Core__V1__Container *container = frame->message;
    const Core__V1__PodSpec *spec = frame->parent->message;
    struct api_path at = api_path_field(frame->at, "name");
    bool init = is_init(frame);
    if (init && container->restart_policy != NULL &&
        !rules_is(container->restart_policy, "Always")) {
        rules_not_supported(causes, frame->at, "restartPolicy", container->restart_policy, always);
    }
    if (!rules_empty(container->name) && name_taken(spec, container->name, init ? frame->index : 0,
                                                    init ? spec->n_containers : frame->index)) {
        api_cause_duplicate(causes, &at, api_shown_text(container->name));
    }
    return true;
}

bool rules_container_rest(struct api_causes *causes, const struct api_frame *frame)
{
    static const char why[] = "may not be set for init containers without restartPolicy=Always";
    const Core__V1__Container *container = frame->message;
    if (!is_init(frame)) {
        if (container->restart_policy != NULL) {
            rules_forbidden(causes, frame->at, "restartPolicy",
                            "may not be set for non-init containers");
        }
        return true;
    }
    if (rules_is(container->restart_policy, "Always")) {
        return true;
    }
    if (container->lifecycle != NULL) {
        rules_forbidden(causes, frame->at, "lifecycle", why);
    }
    if (container->liveness_probe != NULL) {
        rules_forbidden(causes, frame->at, "livenessProbe", why);
    }
    if (container->readiness_probe != NULL) {
        rules_forbidden(causes, frame->at, "readinessProbe", why);
    }
    if (container->startup_probe != NULL) {
        rules_forbidden(causes, frame->at, "startupProbe", why);
    }
    return true;
}

static const char *ephemeral_name(const Core__V1__EphemeralContainer *container)
{
    return container->ephemeral_container_common == NULL
               ? ""
               : text_or_empty(container->ephemeral_container_common->name);
}

bool rules_ephemeral_name(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__PodSpec *spec = frame->parent->message;
    const char *name = ephemeral_name(frame->message);
    struct api_path at = api_path_field(frame->at, "name");
    bool taken = name_taken(spec, name, spec->n_init_containers, spec->n_containers);
    for (size_t i = 0; i < frame->index; i++) {
        taken = taken || strcmp(ephemeral_name(spec->ephemeral_containers[i]), name) == 0;
    }
    if (taken && *name != '\0') {
        api_cause_duplicate(causes, &at, api_shown_text(name));
    }
    return true;
}

bool rules_ephemeral_rest(struct api_causes *causes, const struct api_frame *frame)
{
    static const char why[] = "cannot be set for an Ephemeral Container";
    const Core__V1__EphemeralContainer *container = frame->message;
    const Core__V1__EphemeralContainerCommon *common = container->ephemeral_container_common;
    if (common == NULL) {
        return true;
    }
    const struct {
        const char *name;
        bool set;
    } members[] = {
        {"ports", common->n_ports > 0},
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
    return true;
}
