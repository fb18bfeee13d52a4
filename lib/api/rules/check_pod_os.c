/* Rules of what a pod may ask for that says which operating system it is for. */
#include "lib/api/rules/rules.h"
#include <ctype.h>

struct rules_container rules_container_at(const Core__V1__PodSpec *spec, size_t index)
{
    if (index < spec->n_init_containers) {
        const Core__V1__Container *container = spec->init_containers[index];
        return (struct rules_container){"initContainers", index, text_or_empty(container->name),
                                        container->security_context};
    }
    index -= spec->n_init_containers;
    if (index < spec->n_containers) {
        const Core__V1__Container *container = spec->containers[index];
        return (struct rules_container){"containers", index, text_or_empty(container->name),
                                        container->security_context};
    }
    index -= spec->n_containers;
    const Core__V1__EphemeralContainerCommon *common =
        spec->ephemeral_containers[index]->ephemeral_container_common;
    return (struct rules_container){"ephemeralContainers", index,
                                    common == NULL ? "" : text_or_empty(common->name),
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
    for (size_t i = 0; i < rules_container_count(spec); i++) {
        struct rules_container place = rules_container_at(spec, i);
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

/* A strange name is said of the whole: so v1.32 has it. */
bool rules_pod_os(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const known[] = {"linux", "windows", NULL};
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
    } else if (!rules_empty(spec->os->name)) {
        rules_not_supported(causes, frame->at, "os", spec->os->name, known);
    }
    return true;
}

/* --- Windows -----------------------------------------------------------------------------------
 */

static const char ALPHANUMERIC[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/* The name that NetBIOS knows a domain by. */
static bool is_net_bios(const char *domain)
{
    enum { NET_BIOS_MAX = 15 };
    size_t len = strlen(domain);
    return len > 0 && len <= NET_BIOS_MAX && *domain != '.' &&
           strcspn(domain, "\\/:*?\"<>|") == len;
}

static bool is_dns_name(const char *domain)
{
    enum { LABEL_MAX = 63 };
    for (const char *label = domain;; label++) {
        size_t len = strcspn(label, ".");
        if (len == 0 || len > LABEL_MAX || label[0] == '-' || label[len - 1] == '-') {
            return false;
        }
        for (size_t i = 0; i < len; i++) {
            if (label[i] != '-' && strchr(ALPHANUMERIC, label[i]) == NULL) {
                return false;
            }
        }
        label += len;
        if (*label == '\0') {
            return true;
        }
    }
}

static void check_user(struct api_causes *causes, const struct api_path *at, struct api_shown shown,
                       const char *user)
{
    enum { USER_MAX = 104 };
    size_t len = strlen(user);
    if (len == 0) {
        api_cause_invalid(causes, at, shown, "runAsUserName's User cannot be empty");
    } else if (len > USER_MAX) {
        api_cause_invalid(causes, at, shown,
                          "runAsUserName's User length must not be longer than 104 characters");
    }
    if (len > 0 && strspn(user, ". ") == len) {
        api_cause_invalid(causes, at, shown,
                          "runAsUserName's User cannot contain only periods or spaces");
    }
    if (strcspn(user, "\"/\\:;|=,+*?<>@[]") < len) {
        api_cause_invalid(causes, at, shown,
                          "runAsUserName's User cannot contain the following characters: "
                          "\"/\\:;|=,+*?<>@[]");
    }
}

/* USER or DOMAIN\USER */
static void check_user_name(struct api_causes *causes, const struct api_path *at, const char *name)
{
    enum { DOMAIN_MAX = 256 };
    struct api_shown shown = api_shown_text(name);
    const char *cut = strchr(name, '\\');
    bool control = false;
    for (const char *letter = name; *letter != '\0'; letter++) {
        control = control || iscntrl((unsigned char)*letter);
    }
    if (*name == '\0') {
        api_cause_invalid(causes, at, shown, "runAsUserName cannot be an empty string");
    } else if (control) {
        api_cause_invalid(causes, at, shown, "runAsUserName cannot contain control characters");
    } else if (cut != NULL && strchr(cut + 1, '\\') != NULL) {
        api_cause_invalid(causes, at, shown,
                          "runAsUserName cannot contain more than one backslash");
    } else if (cut == NULL) {
        check_user(causes, at, shown, name);
    } else {
        const char *domain = arena_text_n(causes->arena, name, (size_t)(cut - name));
        if (strlen(domain) >= DOMAIN_MAX) {
            api_cause_invalid(causes, at, shown,
                              "runAsUserName's Domain length must be under 256 characters");
        }
        if (!is_net_bios(domain) && !is_dns_name(domain)) {
            api_cause_invalid(
                causes, at, shown,
                "runAsUserName's Domain doesn't match the NetBios nor the DNS format");
        }
        check_user(causes, at, shown, cut + 1);
    }
}

bool rules_windows_options(struct api_causes *causes, const struct api_frame *frame)
{
    enum { SPEC_MAX_BYTES = 64 * 1024 };
    const Core__V1__WindowsSecurityContextOptions *options = frame->message;
    struct api_path user = api_path_field(frame->at, "runAsUserName");
    if (options->gmsa_credential_spec_name != NULL) {
        rules_check_text(causes, frame->at, "gmsaCredentialSpecName",
                         options->gmsa_credential_spec_name, api_syntax_dns1123_subdomain);
    }
    if (options->gmsa_credential_spec != NULL) {
        size_t len = strlen(options->gmsa_credential_spec);
        if (len == 0 || len > SPEC_MAX_BYTES) {
            rules_invalid(causes, frame->at, "gmsaCredentialSpec",
                          api_shown_text(options->gmsa_credential_spec),
                          len == 0 ? "gmsaCredentialSpec cannot be an empty string"
                                   : "gmsaCredentialSpec size must be under 64 KiB");
        }
    }
    if (options->run_as_user_name != NULL) {
        check_user_name(causes, &user, options->run_as_user_name);
    }
    return true;
}

/* Containers that run as processes of the node: all of a pod's or none, in the node's network. */
bool rules_host_process(struct api_causes *causes, const struct api_frame *frame)
{
    static const Core__V1__WindowsSecurityContextOptions nothing =
        CORE__V1__WINDOWS_SECURITY_CONTEXT_OPTIONS__INIT;
    const Core__V1__PodSpec *spec = frame->message;
    const Core__V1__WindowsSecurityContextOptions *pod =
        spec->security_context == NULL || spec->security_context->windows_options == NULL
            ? &nothing
            : spec->security_context->windows_options;
    size_t count = rules_container_count(spec), processes = 0;
    for (size_t i = 0; i < count; i++) {
        struct rules_container place = rules_container_at(spec, i);
        const Core__V1__WindowsSecurityContextOptions *own =
            place.security == NULL || place.security->windows_options == NULL
                ? &nothing
                : place.security->windows_options;
        if (pod->has_host_process && own->has_host_process &&
            pod->host_process != own->host_process) {
            struct api_path list = api_path_field(frame->at, place.list);
            struct api_path item = api_path_index(&list, place.index);
            struct api_path security = api_path_field(&item, "securityContext");
            struct api_path at = api_path_field(&security, "windowsOptions");
            rules_invalid(causes, &at, "hostProcess", api_shown_bool(own->host_process),
                          arena_printf(causes->arena,
                                       "pod hostProcess value must be identical if both are "
                                       "specified, was %s",
                                       pod->host_process ? "true" : "false"));
        }
        processes += (own->has_host_process ? own->host_process : pod->host_process) ? 1 : 0;
    }
    if (processes > 0 && processes != count) {
        api_cause_invalid(causes, frame->at, api_shown_text(""),
                          "If pod contains any hostProcess containers then all containers must be "
                          "HostProcess containers");
    }
    if (processes > 0 && !spec->host_network) {
        rules_invalid(causes, frame->at, "hostNetwork", api_shown_bool(false),
                      "hostNetwork must be true if pod contains any hostProcess containers");
    }
    return true;
}
