/* The rules of the level "restricted": what a pod that is hardened says of itself. */
#include "lib/api/pod_security_checks.h"

#include "lib/api/schema.h"

static bool is_windows(const struct pod_security_subject *subject)
{
    const Core__V1__PodOS *os = subject->spec->os;
    return os != NULL && os->name != NULL && strcmp(os->name, "windows") == 0;
}

/* From v1.25 on, what Windows does not have is not asked of its pods. */
static bool is_exempt_windows(const struct pod_security_subject *subject)
{
    return subject->minor >= 25 && is_windows(subject);
}

bool finds_escalation(const struct pod_security_subject *subject,
                      struct pod_security_finding *ret_finding)
{
    struct offenders offenders = offenders_none(subject);
    for (size_t i = 0; i < subject->container_count && !is_exempt_windows(subject); i++) {
        const Core__V1__SecurityContext *context = subject->containers[i].context;
        if (context == NULL || !context->has_allow_privilege_escalation ||
            context->allow_privilege_escalation) {
            names_add(&offenders.containers, subject->containers[i].name);
        }
    }
    ret_finding->detail =
        arena_printf(subject->arena, "%s must set securityContext.allowPrivilegeEscalation=false",
                     containers_text(&offenders.containers));
    return offenders_found(&offenders);
}

static bool drops_all(const Core__V1__SecurityContext *context)
{
    const Core__V1__Capabilities *capabilities = context == NULL ? NULL : context->capabilities;
    for (size_t i = 0; capabilities != NULL && i < capabilities->n_drop; i++) {
        if (strcmp(or_empty(capabilities->drop[i]), "ALL") == 0) {
            return true;
        }
    }
    return false;
}

bool finds_kept_capabilities(const struct pod_security_subject *subject,
                             struct pod_security_finding *ret_finding)
{
    static const char *const allowed[] = {"NET_BIND_SERVICE"};
    struct names keeping = {.arena = subject->arena};
    struct offenders adding = offenders_none(subject);
    for (size_t i = 0; i < subject->container_count && !is_exempt_windows(subject); i++) {
        const struct pod_security_container *container = &subject->containers[i];
        if (!drops_all(container->context)) {
            names_add(&keeping, container->name);
        }
        offenders_add_capabilities(container, allowed, ARRAY_LEN(allowed), &adding);
    }
    struct names parts = {.arena = subject->arena};
    if (keeping.count > 0) {
        names_add(&parts, arena_printf(subject->arena,
                                       "%s must set securityContext.capabilities.drop=[\"ALL\"]",
                                       containers_text(&keeping)));
    }
    if (offenders_found(&adding)) {
        names_add(&parts, offenders_capabilities_text(&adding));
    }
    ret_finding->detail = names_join(&parts, "", "; ");
    return parts.count > 0;
}

/* The member of the volume's source that is set, as JSON has it. */
static const char *volume_type(const Core__V1__Volume *volume)
{
    const struct api_message *schema = api_message_find("k8s.io.api.core.v1.VolumeSource");
    for (size_t i = 0; volume->volume_source != NULL && i < schema->field_count; i++) {
        if (api_field_is_set(&schema->fields[i], volume->volume_source)) {
            return schema->fields[i].name;
        }
    }
    return "unknown";
}

bool finds_volume_types(const struct pod_security_subject *subject,
                        struct pod_security_finding *ret_finding)
{
    static const char *const allowed[] = {
        "configMap", "csi",   "downwardAPI",           "emptyDir",
        "ephemeral", "image", "persistentVolumeClaim", "projected",
        "secret",
    };
    struct names volumes = {.arena = subject->arena};
    struct names types = {.arena = subject->arena};
    for (size_t i = 0; i < subject->spec->n_volumes; i++) {
        const char *type = volume_type(subject->spec->volumes[i]);
        if (!IS_AMONG(type, allowed)) {
            names_add(&volumes, subject->spec->volumes[i]->name);
            names_add(&types, type);
        }
    }
    names_unite(&types);
    ret_finding->detail =
        arena_printf(subject->arena, "%s %s %s %s %s", names_plural(&volumes, "volume", "volumes"),
                     names_quoted(&volumes), names_plural(&volumes, "uses", "use"),
                     names_plural(&types, "restricted volume type", "restricted volume types"),
                     names_quoted(&types));
    return volumes.count > 0;
}

bool finds_root_allowed(const struct pod_security_subject *subject,
                        struct pod_security_finding *ret_finding)
{
    const Core__V1__PodSecurityContext *of_pod = subject->context;
    bool said = of_pod != NULL && of_pod->has_run_as_non_root;
    struct offenders explicit = offenders_none(subject);
    struct names silent = {.arena = subject->arena};
    explicit.pod = said && !of_pod->run_as_non_root;
    for (size_t i = 0; i < subject->container_count; i++) {
        const struct pod_security_container *container = &subject->containers[i];
        if (container->context != NULL && container->context->has_run_as_non_root) {
            if (!container->context->run_as_non_root) {
                names_add(&explicit.containers, container->name);
            }
        } else if (!said) {
            names_add(&silent, container->name);
        }
    }
    ret_finding->detail =
        offenders_found(&explicit)
            ? arena_printf(subject->arena, "%s must not set securityContext.runAsNonRoot=false",
                           offenders_text(&explicit))
            : arena_printf(subject->arena, "pod or %s must set securityContext.runAsNonRoot=true",
                           containers_text(&silent));
    return offenders_found(&explicit) || silent.count > 0;
}

bool finds_root_user(const struct pod_security_subject *subject,
                     struct pod_security_finding *ret_finding)
{
    const Core__V1__PodSecurityContext *of_pod = subject->context;
    struct offenders offenders = offenders_none(subject);
    offenders.pod = of_pod != NULL && of_pod->has_run_as_user && of_pod->run_as_user == 0;
    for (size_t i = 0; i < subject->container_count; i++) {
        const Core__V1__SecurityContext *context = subject->containers[i].context;
        if (context != NULL && context->has_run_as_user && context->run_as_user == 0) {
            names_add(&offenders.containers, subject->containers[i].name);
        }
    }
    ret_finding->detail =
        arena_printf(subject->arena, "%s must not set runAsUser=0", offenders_text(&offenders));
    return offenders_found(&offenders);
}

bool finds_no_seccomp(const struct pod_security_subject *subject,
                      struct pod_security_finding *ret_finding)
{
    if (is_exempt_windows(subject)) {
        return false;
    }
    struct names unset = {.arena = subject->arena};
    struct offenders offenders = offenders_unconfined(subject, &seccomp_member, &unset);
    ret_finding->detail =
        offenders_found(&offenders)
            ? offenders_seccomp_text(&offenders)
            : arena_printf(subject->arena,
                           "pod or %s must set securityContext.seccompProfile.type to "
                           "\"RuntimeDefault\" or \"Localhost\"",
                           containers_text(&unset));
    return offenders_found(&offenders) || unset.count > 0;
}
