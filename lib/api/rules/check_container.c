/* Checks of the containers of a pod: names, images, ports, environment, mounts, security. */
#include "lib/api/rules/rules.h"
#include <stddef.h>

static const char *const PULL_POLICIES[] = {"Always", "IfNotPresent", "Never", NULL};
static const char *const MESSAGE_POLICIES[] = {"File", "FallbackToLogsOnError", NULL};
static const char *const PROTOCOLS[] = {"SCTP", "TCP", "UDP", NULL};

/* What the checks of one container must know about it and its pod. */
struct view {
    struct api_causes *causes;
    const Core__V1__PodSpec *spec;
    const Core__V1__Container *container;
    struct api_path at;
};

/* --- Ports -------------------------------------------------------------------------------------
 */

static bool same_host_port(const Core__V1__ContainerPort *a, const Core__V1__ContainerPort *b)
{
    return a->host_port == b->host_port && rules_is(a->protocol, rules_text(b->protocol)) &&
           rules_is(a->host_ip, rules_text(b->host_ip));
}

/* Host ports must differ within a container and among all of a pod's containers. */
static bool host_port_taken(const struct view *view, const Core__V1__ContainerPort *port)
{
    for (size_t c = 0; c < view->spec->n_containers; c++) {
        const Core__V1__Container *other = view->spec->containers[c];
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

static void check_port_name(const struct view *view, const struct api_path *at, size_t index)
{
    const char *name = rules_text(view->container->ports[index]->name);
    struct api_path name_at = api_path_field(at, "name");
    struct api_syntax syntax = api_syntax_port_name(name);
    if (*name == '\0') {
        return;
    }
    rules_invalid_each(view->causes, &name_at, api_shown_text(name), syntax);
    for (size_t i = 0; syntax.count == 0 && i < index; i++) {
        if (rules_is(view->container->ports[i]->name, name)) {
            api_cause_duplicate(view->causes, &name_at, api_shown_text(name));
            return;
        }
    }
}

static void check_port(const struct view *view, const struct api_path *at, size_t index)
{
    const Core__V1__ContainerPort *port = view->container->ports[index];
    struct api_path protocol = api_path_field(at, "protocol");
    struct api_path host = api_path_field(at, "hostPort");
    check_port_name(view, at, index);
    if (port->container_port == 0) {
        rules_required(view->causes, at, "containerPort", "");
    } else {
        rules_check_number(view->causes, at, "containerPort", port->container_port,
                           api_syntax_port_number);
    }
    rules_enum(view->causes, &protocol, port->protocol, PROTOCOLS);
    if (!rules_empty(port->host_ip)) {
        rules_check_text(view->causes, at, "hostIP", port->host_ip, api_syntax_ip);
    }
    if (port->host_port == 0) {
        return;
    }
    rules_check_number(view->causes, at, "hostPort", port->host_port, api_syntax_port_number);
    if (view->spec->host_network && port->host_port != port->container_port) {
        api_cause_invalid(view->causes, &host, api_shown_int(port->host_port),
                          "must match `containerPort` when `hostNetwork` is true");
    }
    if (host_port_taken(view, port)) {
        api_cause_duplicate(
            view->causes, &host,
            api_shown_text(arena_printf(view->causes->arena, "%s/%s/%d", rules_text(port->protocol),
                                        rules_text(port->host_ip), port->host_port)));
    }
}

/* --- Environment -------------------------------------------------------------------------------
 */

void rules_check_field_ref(struct api_causes *causes, const struct api_path *at,
                           const Core__V1__ObjectFieldSelector *ref, const char *const *allowed)
{
    static const char *const keyed[] = {"metadata.annotations", "metadata.labels", NULL};
    const char *path = rules_text(ref->field_path);
    const char *bracket = strchr(path, '[');
    size_t len = strlen(path);
    if (rules_empty(ref->api_version)) {
        rules_required(causes, at, "apiVersion", "");
        return;
    }
    if (*path == '\0') {
        rules_required(causes, at, "fieldPath", "");
        return;
    }
    if (bracket != NULL && len > 4 && strcmp(path + len - 2, "']") == 0 && bracket[1] == '\'') {
        const char *map = arena_text_n(causes->arena, path, (size_t)(bracket - path));
        const char *key =
            arena_text_n(causes->arena, bracket + 2, len - (size_t)(bracket - path) - 4);
        if (!rules_one_of(map, keyed)) {
            rules_invalid(causes, at, "fieldPath", api_shown_text(path),
                          "does not support subscript");
        } else {
            struct api_path field = api_path_field(at, "fieldPath");
            rules_invalid_each(causes, &field, api_shown_text(key), api_syntax_qualified_name(key));
        }
    } else if (!rules_one_of(path, allowed)) {
        rules_not_supported(causes, at, "fieldPath", path, allowed);
    }
}

void rules_check_resource_ref(struct api_causes *causes, const struct api_path *at,
                              const Core__V1__ResourceFieldSelector *ref, bool volume)
{
    static const char *const resources[] = {"limits.cpu",
                                            "limits.ephemeral-storage",
                                            "limits.memory",
                                            "requests.cpu",
                                            "requests.ephemeral-storage",
                                            "requests.memory",
                                            NULL};
    const char *name = rules_text(ref->resource);
    bool huge = strncmp(name, "limits.hugepages-", 17) == 0 ||
                strncmp(name, "requests.hugepages-", 19) == 0;
    if (volume && rules_empty(ref->container_name)) {
        rules_required(causes, at, "containerName", "");
    } else if (*name == '\0') {
        rules_required(causes, at, "resource", "");
    } else if (!huge && !rules_one_of(name, resources)) {
        rules_not_supported(causes, at, "resource", name, resources);
    }
}

static void check_key_ref(struct api_causes *causes, const struct api_path *at,
                          const Core__V1__LocalObjectReference *ref, const char *key)
{
    if (ref == NULL || rules_empty(ref->name)) {
        rules_required(causes, at, "name", "");
    }
    if (rules_empty(key)) {
        rules_required(causes, at, "key", "");
    } else {
        rules_check_text(causes, at, "key", key, api_syntax_config_key);
    }
}

static void check_value_from(const struct view *view, const struct api_path *env,
                             const Core__V1__EnvVar *variable)
{
    static const char *const fields[] = {"metadata.name",
                                         "metadata.namespace",
                                         "metadata.uid",
                                         "spec.nodeName",
                                         "spec.serviceAccountName",
                                         "status.hostIP",
                                         "status.hostIPs",
                                         "status.podIP",
                                         "status.podIPs",
                                         NULL};
    const Core__V1__EnvVarSource *source = variable->value_from;
    struct api_path at = api_path_field(env, "valueFrom");
    struct api_path field = api_path_field(&at, "fieldRef");
    struct api_path resource = api_path_field(&at, "resourceFieldRef");
    struct api_path config = api_path_field(&at, "configMapKeyRef");
    struct api_path secret = api_path_field(&at, "secretKeyRef");
    int sources = 0;
    if (source == NULL) {
        return;
    }
    if (source->field_ref != NULL) {
        sources++;
        rules_check_field_ref(view->causes, &field, source->field_ref, fields);
    }
    if (source->resource_field_ref != NULL) {
        sources++;
        rules_check_resource_ref(view->causes, &resource, source->resource_field_ref, false);
    }
    if (source->config_map_key_ref != NULL) {
        sources++;
        check_key_ref(view->causes, &config, source->config_map_key_ref->local_object_reference,
                      source->config_map_key_ref->key);
    }
    if (source->secret_key_ref != NULL) {
        sources++;
        check_key_ref(view->causes, &secret, source->secret_key_ref->local_object_reference,
                      source->secret_key_ref->key);
    }
    if (sources == 0) {
        api_cause_invalid(view->causes, &at, api_shown_text(""),
                          "must specify one of: `fieldRef`, `resourceFieldRef`, "
                          "`configMapKeyRef` or `secretKeyRef`");
    } else if (!rules_empty(variable->value)) {
        api_cause_invalid(view->causes, &at, api_shown_text(""),
                          "may not be specified when `value` is not empty");
    } else if (sources > 1) {
        api_cause_invalid(view->causes, &at, api_shown_text(""),
                          "may not have more than one field specified at a time");
    }
}

static void check_env(const struct view *view)
{
    struct api_path list = api_path_field(&view->at, "env");
    for (size_t i = 0; i < view->container->n_env; i++) {
        const Core__V1__EnvVar *variable = view->container->env[i];
        struct api_path at = api_path_index(&list, i);
        if (rules_empty(variable->name)) {
            rules_required(view->causes, &at, "name", "");
        } else {
            rules_check_text(view->causes, &at, "name", variable->name, api_syntax_env_name);
        }
        check_value_from(view, &at, variable);
    }
}

static void check_env_from(const struct view *view)
{
    struct api_path list = api_path_field(&view->at, "envFrom");
    for (size_t i = 0; i < view->container->n_env_from; i++) {
        const Core__V1__EnvFromSource *source = view->container->env_from[i];
        struct api_path at = api_path_index(&list, i);
        struct api_path config = api_path_field(&at, "configMapRef");
        struct api_path secret = api_path_field(&at, "secretRef");
        const Core__V1__LocalObjectReference *map =
            source->config_map_ref == NULL ? NULL : source->config_map_ref->local_object_reference;
        const Core__V1__LocalObjectReference *hidden =
            source->secret_ref == NULL ? NULL : source->secret_ref->local_object_reference;
        if (!rules_empty(source->prefix)) {
            rules_check_text(view->causes, &at, "prefix", source->prefix, api_syntax_env_name);
        }
        if (source->config_map_ref != NULL && (map == NULL || rules_empty(map->name))) {
            rules_required(view->causes, &config, "name", "");
        }
        if (source->secret_ref != NULL && (hidden == NULL || rules_empty(hidden->name))) {
            rules_required(view->causes, &secret, "name", "");
        }
        if (source->config_map_ref == NULL && source->secret_ref == NULL) {
            api_cause_invalid(view->causes, &list, api_shown_text(""),
                              "must specify one of: `configMapRef` or `secretRef`");
        } else if (source->config_map_ref != NULL && source->secret_ref != NULL) {
            api_cause_invalid(view->causes, &list, api_shown_text(""),
                              "may not have more than one field specified at a time");
        }
    }
}

/* --- Mounts ------------------------------------------------------------------------------------
 */

static bool has_volume(const Core__V1__PodSpec *spec, const char *name)
{
    for (size_t i = 0; i < spec->n_volumes; i++) {
        if (rules_is(spec->volumes[i]->name, name)) {
            return true;
        }
    }
    return false;
}

/* Neither absolute nor leaving the volume by "..". */
void rules_check_relative_path(struct api_causes *causes, const struct api_path *at,
                               const char *path)
{
    if (*path == '/') {
        api_cause_invalid(causes, at, api_shown_text(path), "must be a relative path");
    }
    for (const char *part = path; part != NULL; part = strchr(part, '/')) {
        part += *part == '/';
        size_t len = strcspn(part, "/");
        if (len == 2 && strncmp(part, "..", 2) == 0) {
            api_cause_invalid(causes, at, api_shown_text(path), "must not contain '..'");
            return;
        }
    }
}

static void check_mount(const struct view *view, const struct api_path *at, size_t index)
{
    static const char *const modes[] = {"None", "HostToContainer", "Bidirectional", NULL};
    const Core__V1__VolumeMount *mount = view->container->volume_mounts[index];
    struct api_path name = api_path_field(at, "name");
    struct api_path path = api_path_field(at, "mountPath");
    struct api_path sub_path = api_path_field(at, "subPath");
    if (rules_empty(mount->name)) {
        api_cause_required(view->causes, &name, "");
    }
    if (!has_volume(view->spec, rules_text(mount->name))) {
        api_cause_not_found(view->causes, &name, api_shown_text(mount->name));
    }
    if (rules_empty(mount->mount_path)) {
        api_cause_required(view->causes, &path, "");
    }
    for (size_t i = 0; i < index; i++) {
        if (rules_is(view->container->volume_mounts[i]->mount_path,
                     rules_text(mount->mount_path))) {
            api_cause_invalid(view->causes, &path, api_shown_text(mount->mount_path),
                              "must be unique");
            break;
        }
    }
    if (!rules_empty(mount->sub_path)) {
        rules_check_relative_path(view->causes, &sub_path, mount->sub_path);
    }
    if (!rules_empty(mount->sub_path_expr)) {
        struct api_path expression = api_path_field(at, "subPathExpr");
        if (!rules_empty(mount->sub_path)) {
            api_cause_invalid(view->causes, &expression, api_shown_text(mount->sub_path_expr),
                              "subPathExpr and subPath are mutually exclusive");
        }
        rules_check_relative_path(view->causes, &expression, mount->sub_path_expr);
    }
    if (mount->mount_propagation != NULL && !rules_one_of(mount->mount_propagation, modes)) {
        rules_not_supported(view->causes, at, "mountPropagation", mount->mount_propagation, modes);
    }
}

/* --- Security ----------------------------------------------------------------------------------
 */

void rules_check_seccomp(struct api_causes *causes, const struct api_path *parent,
                         const Core__V1__SeccompProfile *profile)
{
    static const char *const types[] = {"Localhost", "RuntimeDefault", "Unconfined", NULL};
    struct api_path at = api_path_field(parent, "seccompProfile");
    struct api_path local = api_path_field(&at, "localhostProfile");
    if (profile == NULL) {
        return;
    }
    struct api_path type = api_path_field(&at, "type");
    rules_enum(causes, &type, profile->type, types);
    if (rules_is(profile->type, "Localhost")) {
        if (profile->localhost_profile == NULL) {
            api_cause_required(causes, &local, "must be set when seccomp type is Localhost");
        } else {
            rules_check_relative_path(causes, &local, profile->localhost_profile);
        }
    } else if (profile->localhost_profile != NULL) {
        api_cause_invalid(causes, &local, api_shown_text(profile->localhost_profile),
                          "can only be set when seccomp type is Localhost");
    }
}

static void check_security(const struct view *view)
{
    static const char *const mounts[] = {"Default", "Unmasked", NULL};
    const Core__V1__SecurityContext *security = view->container->security_context;
    struct api_path at = api_path_field(&view->at, "securityContext");
    if (security == NULL) {
        return;
    }
    if (security->has_run_as_user) {
        rules_check_number(view->causes, &at, "runAsUser", security->run_as_user,
                           api_syntax_user_id);
    }
    if (security->has_run_as_group) {
        rules_check_number(view->causes, &at, "runAsGroup", security->run_as_group,
                           api_syntax_user_id);
    }
    if (security->proc_mount != NULL && !rules_one_of(security->proc_mount, mounts)) {
        rules_not_supported(view->causes, &at, "procMount", security->proc_mount, mounts);
    }
    rules_check_seccomp(view->causes, &at, security->seccomp_profile);
    if (security->has_allow_privilege_escalation && !security->allow_privilege_escalation &&
        security->has_privileged && security->privileged) {
        api_cause_invalid(
            view->causes, &at, api_shown_raw("v1.SecurityContext"),
            "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    }
}

/* --- Containers --------------------------------------------------------------------------------
 */

static void check_image(const struct view *view)
{
    const char *image = rules_text(view->container->image);
    size_t len = strlen(image);
    if (len == 0) {
        rules_required(view->causes, &view->at, "image", "");
    } else if (strchr(" \t\n\r", image[0]) != NULL || strchr(" \t\n\r", image[len - 1]) != NULL) {
        rules_invalid(view->causes, &view->at, "image", api_shown_text(image),
                      "must not have leading or trailing whitespace");
    }
}

static void check_common(const struct view *view)
{
    const Core__V1__Container *container = view->container;
    struct api_path policy = api_path_field(&view->at, "terminationMessagePolicy");
    struct api_path pull = api_path_field(&view->at, "imagePullPolicy");
    struct api_path ports = api_path_field(&view->at, "ports");
    struct api_path mounts = api_path_field(&view->at, "volumeMounts");
    struct api_path resources = api_path_field(&view->at, "resources");
    if (rules_empty(container->name)) {
        rules_required(view->causes, &view->at, "name", "");
    } else {
        rules_check_text(view->causes, &view->at, "name", container->name,
                         api_syntax_dns1123_label);
    }
    check_image(view);
    rules_enum(view->causes, &policy, container->termination_message_policy, MESSAGE_POLICIES);
    for (size_t i = 0; i < container->n_ports; i++) {
        struct api_path at = api_path_index(&ports, i);
        check_port(view, &at, i);
    }
    check_env(view);
    check_env_from(view);
    for (size_t i = 0; i < container->n_volume_mounts; i++) {
        struct api_path at = api_path_index(&mounts, i);
        check_mount(view, &at, i);
    }
    rules_enum(view->causes, &pull, container->image_pull_policy, PULL_POLICIES);
    rules_check_resources(view->causes, &resources, container->resources);
    check_security(view);
}

static void check_unique_name(const struct view *view, bool init, size_t index)
{
    const Core__V1__PodSpec *spec = view->spec;
    const char *name = rules_text(view->container->name);
    struct api_path at = api_path_field(&view->at, "name");
    size_t before = init ? index : spec->n_init_containers;
    bool twice = false;
    for (size_t i = 0; i < before; i++) {
        twice = twice || rules_is(spec->init_containers[i]->name, name);
    }
    for (size_t i = 0; i < (init ? spec->n_containers : index); i++) {
        twice = twice || rules_is(spec->containers[i]->name, name);
    }
    if (twice && *name != '\0') {
        api_cause_duplicate(view->causes, &at, api_shown_text(name));
    }
}

static void check_init(const struct view *view)
{
    static const char why[] = "may not be set for init containers without restartPolicy=Always";
    static const char *const always[] = {"Always", NULL};
    const Core__V1__Container *container = view->container;
    bool sidecar = rules_is(container->restart_policy, "Always");
    if (container->restart_policy != NULL && !sidecar) {
        rules_not_supported(view->causes, &view->at, "restartPolicy", container->restart_policy,
                            always);
    }
    if (sidecar) {
        rules_check_probes(view->causes, &view->at, container);
        return;
    }
    if (container->lifecycle != NULL) {
        rules_forbidden(view->causes, &view->at, "lifecycle", why);
    }
    if (container->liveness_probe != NULL) {
        rules_forbidden(view->causes, &view->at, "livenessProbe", why);
    }
    if (container->readiness_probe != NULL) {
        rules_forbidden(view->causes, &view->at, "readinessProbe", why);
    }
    if (container->startup_probe != NULL) {
        rules_forbidden(view->causes, &view->at, "startupProbe", why);
    }
}

/* All containers of a pod share one space of names. */
static void check_ephemeral_name(struct api_causes *causes, const struct api_path *at,
                                 const Core__V1__PodSpec *spec, size_t index)
{
    const char *name = spec->ephemeral_containers[index]->ephemeral_container_common->name;
    struct api_path name_at = api_path_field(at, "name");
    bool taken = false;
    for (size_t i = 0; i < spec->n_containers; i++) {
        taken = taken || rules_is(spec->containers[i]->name, rules_text(name));
    }
    for (size_t i = 0; i < spec->n_init_containers; i++) {
        taken = taken || rules_is(spec->init_containers[i]->name, rules_text(name));
    }
    for (size_t i = 0; i < index; i++) {
        const Core__V1__EphemeralContainer *other = spec->ephemeral_containers[i];
        taken = taken || (other->ephemeral_container_common != NULL &&
                          rules_is(other->ephemeral_container_common->name, rules_text(name)));
    }
    if (taken) {
        api_cause_duplicate(causes, &name_at, api_shown_text(name));
    }
}

static void check_ephemeral(struct api_causes *causes, const struct api_path *pod,
                            const Core__V1__PodSpec *spec)
{
    /* Both messages have the same members; one set of checks serves them. */
    _Static_assert(sizeof(Core__V1__EphemeralContainerCommon) == sizeof(Core__V1__Container),
                   "an ephemeral container is a container");
    _Static_assert(offsetof(Core__V1__EphemeralContainerCommon, tty) ==
                       offsetof(Core__V1__Container, tty),
                   "member by member");
    struct api_path list = api_path_field(pod, "ephemeralContainers");
    for (size_t i = 0; i < spec->n_ephemeral_containers; i++) {
        const Core__V1__EphemeralContainerCommon *common =
            spec->ephemeral_containers[i]->ephemeral_container_common;
        struct view view = {.causes = causes, .spec = spec, .at = api_path_index(&list, i)};
        if (common == NULL) {
            continue;
        }
        view.container = (const Core__V1__Container *)(const void *)common;
        check_common(&view);
        check_ephemeral_name(causes, &view.at, spec, i);
        if (common->n_ports > 0) {
            rules_forbidden(causes, &view.at, "ports", "cannot be set for an Ephemeral Container");
        }
        if (common->lifecycle != NULL) {
            rules_forbidden(causes, &view.at, "lifecycle",
                            "cannot be set for an Ephemeral Container");
        }
    }
}

void rules_check_containers(struct api_causes *causes, const struct api_path *at,
                            const Core__V1__PodSpec *spec)
{
    struct api_path list = api_path_field(at, "containers");
    struct api_path init = api_path_field(at, "initContainers");
    if (spec->n_containers == 0) {
        api_cause_required(causes, &list, "");
    }
    for (size_t i = 0; i < spec->n_containers; i++) {
        struct view view = {.causes = causes,
                            .spec = spec,
                            .container = spec->containers[i],
                            .at = api_path_index(&list, i)};
        check_common(&view);
        check_unique_name(&view, /* init= */ false, i);
        rules_check_probes(causes, &view.at, view.container);
        if (view.container->restart_policy != NULL) {
            rules_forbidden(causes, &view.at, "restartPolicy",
                            "may not be set for non-init containers");
        }
    }
    for (size_t i = 0; i < spec->n_init_containers; i++) {
        struct view view = {.causes = causes,
                            .spec = spec,
                            .container = spec->init_containers[i],
                            .at = api_path_index(&init, i)};
        check_common(&view);
        check_unique_name(&view, /* init= */ true, i);
        check_init(&view);
    }
    check_ephemeral(causes, at, spec);
}
