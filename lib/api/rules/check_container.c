/* Rules of the containers of a pod: ports, environment, security, names. */
#include "lib/api/quantity.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"
#include "lib/base/name_index.h"

/* --- Ports -------------------------------------------------------------------------------------
 */

/* Host ports must differ within a list of containers. v1.32 looks at init containers one by one,
 * and names each as the first. */
static void check_host_ports(struct api_causes *causes, const struct api_path *list,
                             Core__V1__Container *const *containers, size_t count)
{
    struct text_set seen = {.arena = causes->arena};
    for (size_t i = 0; i < count; i++) {
        struct api_path item = api_path_index(list, i);
        struct api_path ports = api_path_field(&item, "ports");
        for (size_t j = 0; j < containers[i]->n_ports; j++) {
            const Core__V1__ContainerPort *port = containers[i]->ports[j];
            struct api_path at = api_path_index(&ports, j);
            if (port->host_port == 0) {
                continue;
            }
            const char *text =
                arena_printf(causes->arena, "%s/%s/%d", text_or_empty(port->protocol),
                             text_or_empty(port->host_ip), port->host_port);
            if (!text_set_add(&seen, text)) {
                struct api_path host_port = api_path_field(&at, "hostPort");
                api_cause_duplicate(causes, &host_port, api_shown_text(text));
            }
        }
    }
}

bool rules_host_ports(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__PodSpec *spec = frame->message;
    struct api_path list = api_path_field(frame->at, "containers");
    check_host_ports(causes, &list, spec->containers, spec->n_containers);
    return true;
}

/* In the network of the node a port is what it is there. A template may leave it open. */
bool rules_host_network_ports(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__PodSpec *spec = frame->message;
    bool is_pod = api_frame_find(frame, &core__v1__pod__schema) != NULL;
    struct api_path list = api_path_field(frame->at, "containers");
    for (size_t i = 0; spec->host_network && i < spec->n_containers; i++) {
        struct api_path item = api_path_index(&list, i);
        struct api_path ports = api_path_field(&item, "ports");
        for (size_t j = 0; j < spec->containers[i]->n_ports; j++) {
            const Core__V1__ContainerPort *port = spec->containers[i]->ports[j];
            struct api_path at = api_path_index(&ports, j);
            if ((is_pod || port->host_port != 0) && port->host_port != port->container_port) {
                rules_invalid(causes, &at, "hostPort", api_shown_int(port->host_port),
                              "must match `containerPort` when `hostNetwork` is true");
            }
        }
    }
    return true;
}

/* --- Environment -------------------------------------------------------------------------------
 */

/* "metadata.labels['key']": the part before the bracket and that inside of it. Returns whether
 * `path` has that form. */
static bool split_subscript(struct arena *arena, const char *path, const char **ret_map,
                            const char **ret_key)
{
    const char *bracket = strstr(path, "['");
    size_t len = strlen(path);
    if (bracket == NULL || bracket == path || strcmp(path + len - 2, "']") != 0 ||
        bracket + 4 > path + len) {
        return false;
    }
    size_t before = (size_t)(bracket - path);
    *ret_map = arena_text_n(arena, path, before);
    *ret_key = arena_text_n(arena, bracket + 2, len - before - 4);
    return true;
}

static const char *small_letters(struct arena *arena, const char *text)
{
    char *copy = arena_text(arena, text);
    for (char *c = copy; *c != '\0'; c++) {
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    }
    return copy;
}

/* Labels and annotations by key; said of the reference, not of its path. Keys of annotations have
 * no case. */
static void check_subscript(struct api_causes *causes, const struct api_path *at, const char *path,
                            const char *map, const char *key)
{
    if (strcmp(map, "metadata.labels") == 0) {
        rules_invalid_each(causes, at, api_shown_text(key), api_syntax_qualified_name(key));
    } else if (strcmp(map, "metadata.annotations") == 0) {
        key = small_letters(causes->arena, key);
        rules_invalid_each(causes, at, api_shown_text(key), api_syntax_qualified_name(key));
    } else {
        rules_invalid(causes, at, "fieldPath", api_shown_text(path),
                      arena_printf(causes->arena,
                                   "error converting fieldPath: field label does not support "
                                   "subscript: %s",
                                   path));
    }
}

/* What v1.32 knows of a pod at all, and turns down later where it is of no use. */
static bool is_pod_field(const char *path)
{
    static const char *const known[] = {"metadata.annotations",
                                        "metadata.labels",
                                        "metadata.name",
                                        "metadata.namespace",
                                        "metadata.uid",
                                        "spec.nodeName",
                                        "spec.restartPolicy",
                                        "spec.serviceAccountName",
                                        "spec.schedulerName",
                                        "status.phase",
                                        "status.hostIP",
                                        "status.hostIPs",
                                        "status.podIP",
                                        "status.podIPs",
                                        NULL};
    return rules_one_of(path, known);
}

static void check_field_path(struct api_causes *causes, const struct api_path *at,
                             const Core__V1__ObjectFieldSelector *ref, const char *const *allowed)
{
    const char *path = ref->field_path, *map = NULL, *key = NULL, *why = NULL;
    if (!rules_is(ref->api_version, "v1")) {
        why = arena_printf(causes->arena, "unsupported pod version: %s", ref->api_version);
    } else if (split_subscript(causes->arena, path, &map, &key)) {
        check_subscript(causes, at, path, map, key);
        return;
    } else if (!is_pod_field(path)) {
        why = arena_printf(causes->arena, "field label not supported: %s", path);
    }
    if (why != NULL) {
        rules_invalid(causes, at, "fieldPath", api_shown_text(path),
                      arena_printf(causes->arena, "error converting fieldPath: %s", why));
    } else if (!rules_one_of(path, allowed)) {
        rules_not_supported(causes, at, "fieldPath", path, allowed);
    }
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
    } else {
        check_field_path(causes, frame->at, ref, allowed);
    }
    return true;
}

/* The units that an amount can be shown in; of other resources, whatever is asked for. */
static void check_divisor(struct api_causes *causes, const struct api_path *at,
                          const Core__V1__ResourceFieldSelector *ref)
{
    static const char *const of_cpu[] = {"1m", "1", NULL};
    static const char *const of_bytes[] = {"1",   "1k",  "1M",  "1G",  "1T",  "1P",  "1E",
                                           "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei", NULL};
    static const struct {
        const char *resource, *said;
        const char *const *units;
    } rows[] = {
        {"cpu", "only divisor's values 1m and 1 are supported with the cpu resource", of_cpu},
#define BYTES(OF)                                                                                  \
    "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported " \
    "with the " OF " resource"
        {"memory", BYTES("memory"), of_bytes},
        {"ephemeral-storage", BYTES("local ephemeral storage"), of_bytes},
        {"hugepages-", BYTES("hugepages"), of_bytes},
#undef BYTES
    };
    const char *resource = strchr(text_or_empty(ref->resource), '.');
    if (resource == NULL || ref->divisor == NULL ||
        quantity_sign(quantity_read(ref->divisor)) == 0) {
        return;
    }
    const char *divisor = rules_quantity_text(causes->arena, ref->divisor);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strncmp(resource + 1, rows[i].resource, strlen(rows[i].resource)) == 0 &&
            !rules_one_of(divisor, rows[i].units)) {
            rules_invalid(causes, at, "divisor", api_shown_text(ref->resource), rows[i].said);
        }
    }
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
    check_divisor(causes, frame->at, ref);
    return true;
}

static const char *name_of(const Core__V1__LocalObjectReference *reference)
{
    return reference == NULL ? "" : text_or_empty(reference->name);
}

/* Of a ConfigMap's or Secret's key. */
bool rules_config_map_key(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ConfigMapKeySelector *key = frame->message;
    rules_check_text(causes, frame->at, "name", name_of(key->local_object_reference),
                     api_syntax_dns1123_subdomain);
    return true;
}

bool rules_secret_key(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__SecretKeySelector *key = frame->message;
    rules_check_text(causes, frame->at, "name", name_of(key->local_object_reference),
                     api_syntax_dns1123_subdomain);
    return true;
}

/* A whole ConfigMap or Secret; that there is a name was looked at before. */
static void check_env_name(struct api_causes *causes, const struct api_path *at, const char *name)
{
    if (*name != '\0') {
        rules_check_text(causes, at, "name", name, api_syntax_dns1123_subdomain);
    }
}

bool rules_config_map_env(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ConfigMapEnvSource *source = frame->message;
    check_env_name(causes, frame->at, name_of(source->local_object_reference));
    return true;
}

bool rules_secret_env(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__SecretEnvSource *source = frame->message;
    check_env_name(causes, frame->at, name_of(source->local_object_reference));
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
        api_cause_invalid(causes, &local, api_shown_message(causes->arena, frame->table, profile),
                          "can only be set when seccomp type is Localhost");
    }
    return true;
}

bool rules_privileges(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__SecurityContext *security = frame->message;
    const Core__V1__Capabilities *more = security->capabilities;
    if (!security->has_allow_privilege_escalation || security->allow_privilege_escalation) {
        return true;
    }
    if (security->has_privileged && security->privileged) {
        api_cause_invalid(
            causes, frame->at, api_shown_message(causes->arena, frame->table, security),
            "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    }
    if (more != NULL && rules_has(more->add, more->n_add, "CAP_SYS_ADMIN")) {
        api_cause_invalid(
            causes, frame->at, api_shown_message(causes->arena, frame->table, security),
            "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN");
    }
    return true;
}

enum { APP_ARMOR_PROFILE_MAX = 4095 };

static bool is_padded(const char *text)
{
    static const char spaces[] = " \t\r\n\v\f";
    size_t len = strlen(text);
    return len > 0 && (strchr(spaces, text[0]) != NULL || strchr(spaces, text[len - 1]) != NULL);
}

bool rules_app_armor(struct api_causes *causes, const struct api_frame *frame)
{
    static const char needed[] = "must be set when AppArmor type is Localhost";
    const Core__V1__AppArmorProfile *profile = frame->message;
    const char *local = profile->localhost_profile;
    struct api_path at = api_path_field(frame->at, "localhostProfile");
    if (!rules_is(profile->type, "Localhost")) {
        bool known =
            rules_is(profile->type, "RuntimeDefault") || rules_is(profile->type, "Unconfined");
        if (known && local != NULL) {
            api_cause_invalid(causes, &at, api_shown_text(local),
                              "can only be set when AppArmor type is Localhost");
        }
        return true;
    }
    if (rules_empty(local)) {
        api_cause_required(causes, &at, needed);
        return true;
    }
    if (is_padded(local)) {
        api_cause_invalid(causes, &at, api_shown_text(local), "must not be padded with whitespace");
    }
    if (strlen(local) > APP_ARMOR_PROFILE_MAX) {
        api_cause_too_long(causes, &at, APP_ARMOR_PROFILE_MAX);
    }
    return true;
}

/* --- Containers --------------------------------------------------------------------------------
 */

static bool is_init(const struct api_frame *frame)
{
    return strcmp(frame->via->name, "initContainers") == 0;
}

static const char *container_name(struct arena *arena, const void *list, const void *of,
                                  size_t index)
{
    Core__V1__Container *const *containers = list;
    (void)arena, (void)of;
    return text_or_empty(containers[index]->name);
}

static bool name_taken(struct api_causes *causes, Core__V1__Container *const *containers,
                       size_t before, const char *name)
{
    return api_find_item(causes, container_name, containers, NULL, before, name) < before;
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
    /* Of init containers, those without a name are not counted. */
    size_t before = init && !rules_empty(container->name) ? frame->index : 0;
    const char *name = text_or_empty(container->name);
    /* All containers of a pod share one space of names. */
    if (name_taken(causes, spec->init_containers, before, name) ||
        name_taken(causes, spec->containers, init ? spec->n_containers : frame->index, name)) {
        api_cause_duplicate(causes, &at, api_shown_text(name));
    }
    if (init) {
        check_host_ports(causes, frame->at->parent, &spec->init_containers[frame->index], 1);
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
