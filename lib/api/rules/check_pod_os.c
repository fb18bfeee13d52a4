/* Rules of what a pod may ask for that says which operating system it is for. */
#include "lib/api/rules/rules.h"

/* The security settings of a container of any sort, and where it is. */
struct container_place {
    const char *list;
    size_t index;
    const Core__V1__SecurityContext *security;
};

static struct container_place place_of(const Core__V1__PodSpec *spec, size_t index)
{
    if (index < spec->n_init_containers) {
        return (struct container_place){"initContainers", index,
                                        spec->init_containers[index]->security_context};
    }
    index -= spec->n_init_containers;
    if (index < spec->n_containers) {
        return (struct container_place){"containers", index,
                                        spec->containers[index]->security_context};
    }
    index -= spec->n_containers;
    const Core__V1__EphemeralContainerCommon *common =
        spec->ephemeral_containers[index]->ephemeral_container_common;
    return (struct container_place){"ephemeralContainers", index,
                                    common == NULL ? NULL : common->security_context};
}

struct setting {
    const char *name;
    bool set;
};

static void refuse(struct api_causes *causes, const struct api_path *parent,
                   const struct setting *settings, size_t count, const char *why)
{
    for (size_t i = 0; i < count; i++) {
        if (settings[i].set) {
            rules_forbidden(causes, parent, settings[i].name, why);
        }
    }
}

static void check_container_of_windows(struct api_causes *causes, const struct api_path *at,
                                       const Core__V1__SecurityContext *security)
{
    const struct setting settings[] = {
        {"appArmorProfile", security->app_armor_profile != NULL},
        {"seLinuxOptions", security->se_linux_options != NULL},
        {"seccompProfile", security->seccomp_profile != NULL},
        {"capabilities", security->capabilities != NULL},
        {"readOnlyRootFilesystem", security->has_read_only_root_filesystem},
        {"privileged", security->has_privileged},
        {"allowPrivilegeEscalation", security->has_allow_privilege_escalation},
        {"procMount", security->proc_mount != NULL},
        {"runAsUser", security->has_run_as_user},
        {"runAsGroup", security->has_run_as_group},
    };
    refuse(causes, at, settings, ARRAY_LEN(settings), "cannot be set for a windows pod");
}

static void check_container_of_linux(struct api_causes *causes, const struct api_path *at,
                                     const Core__V1__SecurityContext *security)
{
    if (security->windows_options != NULL) {
        rules_forbidden(causes, at, "windowsOptions",
                        "windows options cannot be set for a linux pod");
    }
}

static void check_containers(struct api_causes *causes, const struct api_frame *frame,
                             void (*check)(struct api_causes *causes, const struct api_path *at,
                                           const Core__V1__SecurityContext *security))
{
    const Core__V1__PodSpec *spec = frame->message;
    size_t count = spec->n_init_containers + spec->n_containers + spec->n_ephemeral_containers;
    for (size_t i = 0; i < count; i++) {
        struct container_place place = place_of(spec, i);
        struct api_path list = api_path_field(frame->at, place.list);
        struct api_path item = api_path_index(&list, place.index);
        struct api_path at = api_path_field(&item, "securityContext");
        if (place.security != NULL) {
            check(causes, &at, place.security);
        }
    }
}

/* In the order of v1.32, which is of two messages in turn. */
static void check_pod_of_windows(struct api_causes *causes, const struct api_frame *frame)
{
    static const Core__V1__PodSecurityContext nothing = CORE__V1__POD_SECURITY_CONTEXT__INIT;
    const Core__V1__PodSpec *spec = frame->message;
    const Core__V1__PodSecurityContext *security =
        spec->security_context == NULL ? &nothing : spec->security_context;
    struct api_path at = api_path_field(frame->at, "securityContext");
    const struct {
        const struct api_path *parent;
        struct setting setting;
    } rows[] = {
        {&at, {"appArmorProfile", security->app_armor_profile != NULL}},
        {&at, {"seLinuxOptions", security->se_linux_options != NULL}},
        {frame->at, {"hostUsers", spec->has_host_users}},
        {frame->at, {"hostPID", spec->host_pid}},
        {frame->at, {"hostIPC", spec->host_ipc}},
        {&at, {"seccompProfile", security->seccomp_profile != NULL}},
        {&at, {"fsGroup", security->has_fs_group}},
        {&at, {"fsGroupChangePolicy", security->fs_group_change_policy != NULL}},
        {&at, {"sysctls", security->n_sysctls > 0}},
        {frame->at, {"shareProcessNamespace", spec->has_share_process_namespace}},
        {&at, {"runAsUser", security->has_run_as_user}},
        {&at, {"runAsGroup", security->has_run_as_group}},
        {&at, {"supplementalGroups", security->n_supplemental_groups > 0}},
        {&at, {"supplementalGroupsPolicy", security->supplemental_groups_policy != NULL}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        refuse(causes, rows[i].parent, &rows[i].setting, 1, "cannot be set for a windows pod");
    }
}

bool rules_pod_os(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__PodSpec *spec = frame->message;
    struct api_path security = api_path_field(frame->at, "securityContext");
    if (spec->os == NULL) {
        return true;
    }
    if (rules_is(spec->os->name, "windows")) {
        check_pod_of_windows(causes, frame);
        check_containers(causes, frame, check_container_of_windows);
    } else if (rules_is(spec->os->name, "linux")) {
        if (spec->security_context != NULL && spec->security_context->windows_options != NULL) {
            rules_forbidden(causes, &security, "windowsOptions",
                            "windows options cannot be set for a linux pod");
        }
        check_containers(causes, frame, check_container_of_linux);
    }
    return true;
}
