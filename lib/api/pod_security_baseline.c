/* The rules of the level "baseline": what would hand the node to a pod. */
#include "lib/api/pod_security_checks.h"

#define APPARMOR_PREFIX "container.apparmor.security.beta.kubernetes.io/"

static void find_apparmor_annotations(const struct pod_security_subject *subject,
                                      struct names *found)
{
    for (size_t i = 0; subject->meta != NULL && i < subject->meta->n_annotations; i++) {
        const char *key = subject->meta->annotations[i]->key;
        const char *value = or_empty(subject->meta->annotations[i]->value);
        bool confines = value[0] == 0 || strcmp(value, "runtime/default") == 0 ||
                        strncmp(value, "localhost/", strlen("localhost/")) == 0;
        if (strncmp(key, APPARMOR_PREFIX, strlen(APPARMOR_PREFIX)) == 0 && !confines) {
            names_add(found, arena_printf(subject->arena, "%s=\"%s\"", key, value));
        }
    }
    names_unite(found);
}

bool finds_apparmor(const struct pod_security_subject *subject,
                    struct pod_security_finding *ret_finding)
{
    struct names ignored = {.arena = subject->arena};
    struct offenders offenders = offenders_unconfined(subject, &apparmor_member, &ignored);
    struct names annotations = {.arena = subject->arena};
    find_apparmor_annotations(subject, &annotations);
    struct names setters = {.arena = subject->arena};
    if (offenders_found(&offenders)) {
        names_add(&setters, offenders_text(&offenders));
    }
    if (annotations.count > 0) {
        names_add(&setters, names_plural(&annotations, "annotation", "annotations"));
    }
    for (size_t i = 0; i < annotations.count; i++) {
        names_add(&offenders.values, annotations.items[i]);
    }
    ret_finding->reason = names_plural(&offenders.values, "forbidden AppArmor profile",
                                       "forbidden AppArmor profiles");
    ret_finding->detail =
        arena_printf(subject->arena, "%s must not set AppArmor profile type to %s",
                     names_join(&setters, "", " and "), names_quoted(&offenders.values));
    return setters.count > 0;
}

bool finds_capabilities(const struct pod_security_subject *subject,
                        struct pod_security_finding *ret_finding)
{
    static const char *const allowed[] = {
        "AUDIT_WRITE", "CHOWN",  "DAC_OVERRIDE", "FOWNER",           "FSETID",
        "KILL",        "MKNOD",  "SETFCAP",      "NET_BIND_SERVICE", "SETGID",
        "SETPCAP",     "SETUID", "SYS_CHROOT",
    };
    struct offenders offenders = offenders_none(subject);
    for (size_t i = 0; i < subject->container_count; i++) {
        offenders_add_capabilities(&subject->containers[i], allowed, ARRAY_LEN(allowed),
                                   &offenders);
    }
    ret_finding->detail = offenders_capabilities_text(&offenders);
    return offenders_found(&offenders);
}

bool finds_host_namespaces(const struct pod_security_subject *subject,
                           struct pod_security_finding *ret_finding)
{
    const Core__V1__PodSpec *spec = subject->spec;
    struct names found = {.arena = subject->arena};
    if (spec->host_network) {
        names_add(&found, "hostNetwork=true");
    }
    if (spec->host_pid) {
        names_add(&found, "hostPID=true");
    }
    if (spec->host_ipc) {
        names_add(&found, "hostIPC=true");
    }
    ret_finding->detail = names_join(&found, "", ", ");
    return found.count > 0;
}

bool finds_host_paths(const struct pod_security_subject *subject,
                      struct pod_security_finding *ret_finding)
{
    struct names found = {.arena = subject->arena};
    for (size_t i = 0; i < subject->spec->n_volumes; i++) {
        const Core__V1__Volume *volume = subject->spec->volumes[i];
        if (volume->volume_source != NULL && volume->volume_source->host_path != NULL) {
            names_add(&found, volume->name);
        }
    }
    ret_finding->detail = arena_printf(
        subject->arena, "%s %s", names_plural(&found, "volume", "volumes"), names_quoted(&found));
    return found.count > 0;
}

bool finds_host_ports(const struct pod_security_subject *subject,
                      struct pod_security_finding *ret_finding)
{
    struct offenders offenders = offenders_none(subject);
    for (size_t i = 0; i < subject->container_count; i++) {
        const struct pod_security_container *container = &subject->containers[i];
        size_t before = offenders.values.count;
        for (size_t j = 0; j < container->port_count; j++) {
            int32_t port = container->ports[j]->host_port;
            if (port != 0) {
                names_add(&offenders.values, arena_printf(subject->arena, "%d", port));
            }
        }
        if (offenders.values.count > before) {
            names_add(&offenders.containers, container->name);
        }
    }
    names_unite(&offenders.values);
    ret_finding->detail =
        arena_printf(subject->arena, "%s %s %s %s", containers_text(&offenders.containers),
                     names_plural(&offenders.containers, "uses", "use"),
                     names_plural(&offenders.values, "hostPort", "hostPorts"),
                     names_join(&offenders.values, "", ", "));
    return offenders_found(&offenders);
}

bool finds_privileged(const struct pod_security_subject *subject,
                      struct pod_security_finding *ret_finding)
{
    struct offenders offenders = offenders_none(subject);
    for (size_t i = 0; i < subject->container_count; i++) {
        const Core__V1__SecurityContext *context = subject->containers[i].context;
        if (context != NULL && context->has_privileged && context->privileged) {
            names_add(&offenders.containers, subject->containers[i].name);
        }
    }
    ret_finding->detail =
        arena_printf(subject->arena, "%s must not set securityContext.privileged=true",
                     containers_text(&offenders.containers));
    return offenders_found(&offenders);
}

bool finds_proc_mount(const struct pod_security_subject *subject,
                      struct pod_security_finding *ret_finding)
{
    struct offenders offenders = offenders_none(subject);
    for (size_t i = 0; i < subject->container_count; i++) {
        const Core__V1__SecurityContext *context = subject->containers[i].context;
        const char *type = context == NULL ? NULL : context->proc_mount;
        if (type != NULL && type[0] != 0 && strcmp(type, "Default") != 0) {
            names_add(&offenders.containers, subject->containers[i].name);
            names_add(&offenders.values, type);
        }
    }
    names_unite(&offenders.values);
    ret_finding->detail =
        arena_printf(subject->arena, "%s must not set securityContext.procMount to %s",
                     containers_text(&offenders.containers), names_quoted(&offenders.values));
    return offenders_found(&offenders);
}

/* What is set in SELinux options that a pod may not choose. */
struct selinux_faults {
    struct names types;
    bool user;
    bool role;
};

static bool is_selinux_fault(const struct pod_security_subject *subject,
                             const Core__V1__SELinuxOptions *options, struct selinux_faults *faults)
{
    static const char *const allowed[] = {"", "container_t", "container_init_t", "container_kvm_t",
                                          "container_engine_t"};
    if (options == NULL) {
        return false;
    }
    /* container_engine_t came last, with v1.31. */
    size_t count = ARRAY_LEN(allowed) - (subject->minor < 31 ? 1 : 0);
    bool type = !is_among(options->type, allowed, count);
    bool user = options->user != NULL && options->user[0] != 0;
    bool role = options->role != NULL && options->role[0] != 0;
    if (type) {
        names_add(&faults->types, options->type);
    }
    faults->user = faults->user || user;
    faults->role = faults->role || role;
    return type || user || role;
}

bool finds_selinux(const struct pod_security_subject *subject,
                   struct pod_security_finding *ret_finding)
{
    struct offenders offenders = offenders_none(subject);
    struct selinux_faults faults = {.types.arena = subject->arena};
    offenders.pod = subject->context != NULL &&
                    is_selinux_fault(subject, subject->context->se_linux_options, &faults);
    for (size_t i = 0; i < subject->container_count; i++) {
        const Core__V1__SecurityContext *context = subject->containers[i].context;
        if (context != NULL && is_selinux_fault(subject, context->se_linux_options, &faults)) {
            names_add(&offenders.containers, subject->containers[i].name);
        }
    }
    struct names parts = {.arena = subject->arena};
    names_unite(&faults.types);
    if (faults.types.count > 0) {
        names_add(&parts, arena_printf(subject->arena, "%s %s",
                                       names_plural(&faults.types, "type", "types"),
                                       names_quoted(&faults.types)));
    }
    if (faults.user) {
        names_add(&parts, "user may not be set");
    }
    if (faults.role) {
        names_add(&parts, "role may not be set");
    }
    ret_finding->detail =
        arena_printf(subject->arena, "%s set forbidden securityContext.seLinuxOptions: %s",
                     offenders_text(&offenders), names_join(&parts, "", "; "));
    return offenders_found(&offenders);
}

static void note_seccomp_annotation(const struct pod_security_subject *subject, const char *key,
                                    struct names *found)
{
    const char *value = subject->meta == NULL ? NULL : api_meta_annotation(subject->meta, key);
    static const char *const allowed[] = {"runtime/default", "docker/default"};
    if (value != NULL && !IS_AMONG(value, allowed) &&
        strncmp(value, "localhost/", strlen("localhost/")) != 0) {
        names_add(found, arena_printf(subject->arena, "%s=\"%s\"", key, value));
    }
}

/* Before v1.19 the profile was an annotation. */
bool finds_seccomp_annotations(const struct pod_security_subject *subject,
                               struct pod_security_finding *ret_finding)
{
    struct names found = {.arena = subject->arena};
    note_seccomp_annotation(subject, "seccomp.security.alpha.kubernetes.io/pod", &found);
    for (size_t i = 0; i < subject->container_count; i++) {
        const char *key =
            arena_printf(subject->arena, "container.seccomp.security.alpha.kubernetes.io/%s",
                         subject->containers[i].name);
        note_seccomp_annotation(subject, key, &found);
    }
    names_unite(&found);
    ret_finding->detail = arena_printf(subject->arena, "forbidden %s %s",
                                       names_plural(&found, "annotation", "annotations"),
                                       names_join(&found, "", ", "));
    return found.count > 0;
}

bool finds_seccomp(const struct pod_security_subject *subject,
                   struct pod_security_finding *ret_finding)
{
    struct names unset = {.arena = subject->arena};
    struct offenders offenders = offenders_unconfined(subject, &seccomp_member, &unset);
    ret_finding->detail = offenders_seccomp_text(&offenders);
    return offenders_found(&offenders);
}

/* A sysctl that is isolated from other pods, and the version that came to know it. */
struct safe_sysctl {
    const char *name;
    uint32_t since;
};

static bool is_safe_sysctl(const char *name, uint32_t minor)
{
    static const struct safe_sysctl safe[] = {
        {"kernel.shm_rmid_forced", 0},
        {"net.ipv4.ip_local_port_range", 0},
        {"net.ipv4.tcp_syncookies", 0},
        {"net.ipv4.ping_group_range", 0},
        {"net.ipv4.ip_unprivileged_port_start", 0},
        {"net.ipv4.ip_local_reserved_ports", 27},
        {"net.ipv4.tcp_keepalive_time", 29},
        {"net.ipv4.tcp_fin_timeout", 29},
        {"net.ipv4.tcp_keepalive_intvl", 29},
        {"net.ipv4.tcp_keepalive_probes", 29},
        {"net.ipv4.tcp_rmem", 32},
        {"net.ipv4.tcp_wmem", 32},
    };
    for (size_t i = 0; i < ARRAY_LEN(safe); i++) {
        if (strcmp(name, safe[i].name) == 0) {
            return minor >= safe[i].since;
        }
    }
    return false;
}

bool finds_sysctls(const struct pod_security_subject *subject,
                   struct pod_security_finding *ret_finding)
{
    struct names found = {.arena = subject->arena};
    for (size_t i = 0; subject->context != NULL && i < subject->context->n_sysctls; i++) {
        const char *name = or_empty(subject->context->sysctls[i]->name);
        if (!is_safe_sysctl(name, subject->minor)) {
            names_add(&found, name);
        }
    }
    ret_finding->detail = names_join(&found, "", ", ");
    return found.count > 0;
}

static bool is_host_process(const Core__V1__WindowsSecurityContextOptions *options)
{
    return options != NULL && options->has_host_process && options->host_process;
}

bool finds_host_process(const struct pod_security_subject *subject,
                        struct pod_security_finding *ret_finding)
{
    struct offenders offenders = offenders_none(subject);
    offenders.pod = subject->context != NULL && is_host_process(subject->context->windows_options);
    for (size_t i = 0; i < subject->container_count; i++) {
        const Core__V1__SecurityContext *context = subject->containers[i].context;
        if (context != NULL && is_host_process(context->windows_options)) {
            names_add(&offenders.containers, subject->containers[i].name);
        }
    }
    ret_finding->detail = arena_printf(
        subject->arena, "%s must not set securityContext.windowsOptions.hostProcess=true",
        offenders_text(&offenders));
    return offenders_found(&offenders);
}
