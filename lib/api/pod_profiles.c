#include "lib/api/pod_profiles.h"

#include "lib/api/object.h"
#include "lib/api/rules/rules.h"

enum { APP_ARMOR_PROFILE_MAX = 4095 };

static const char APP_ARMOR[] = "container.apparmor.security.beta.kubernetes.io/";
static const char LOCAL[] = "localhost/";
static const char DEFAULT[] = "runtime/default";
static const char UNCONFINED[] = "unconfined";

/* --- From one to the other ---------------------------------------------------------------------
 */

/* NULL for what is none. */
static const char *annotation_of(struct arena *arena, const Core__V1__AppArmorProfile *profile)
{
    if (profile == NULL) {
        return NULL;
    }
    if (rules_is(profile->type, "Unconfined")) {
        return UNCONFINED;
    }
    if (rules_is(profile->type, "RuntimeDefault")) {
        return DEFAULT;
    }
    return rules_is(profile->type, "Localhost") && profile->localhost_profile != NULL
               ? arena_printf(arena, "%s%s", LOCAL, profile->localhost_profile)
               : NULL;
}

/* NULL for an annotation that says nothing valid. */
static Core__V1__AppArmorProfile *profile_of(struct arena *arena, const char *annotation)
{
    const char *type = strcmp(annotation, UNCONFINED) == 0 ? "Unconfined"
                       : strcmp(annotation, DEFAULT) == 0  ? "RuntimeDefault"
                                                           : NULL;
    const char *local = NULL;
    if (strncmp(annotation, LOCAL, sizeof(LOCAL) - 1) == 0) {
        local = annotation + sizeof(LOCAL) - 1;
        if (*local != '\0' && strlen(local) <= APP_ARMOR_PROFILE_MAX &&
            api_syntax_trimmed(local).count == 0) {
            type = "Localhost";
        }
    }
    if (type == NULL) {
        return NULL;
    }
    Core__V1__AppArmorProfile *profile = rules_new(arena, "k8s.io.api.core.v1.AppArmorProfile");
    profile->type = arena_text(arena, type);
    profile->localhost_profile = local == NULL ? NULL : arena_text(arena, local);
    return profile;
}

static const Core__V1__AppArmorProfile *profile_of_pod(const Core__V1__PodSpec *spec)
{
    return spec->security_context == NULL ? NULL : spec->security_context->app_armor_profile;
}

static bool is_windows(const Core__V1__PodSpec *spec)
{
    return spec->os != NULL && rules_is(spec->os->name, "windows");
}

static const char *annotation_for(struct arena *arena, const Core__V1__Pod *pod, const char *prefix,
                                  const char *container)
{
    return api_meta_annotation(pod->metadata, arena_printf(arena, "%s%s", prefix, container));
}

/* The profile that a container gets from its annotation; NULL where the pod has the same. */
static Core__V1__AppArmorProfile *own_profile(struct arena *arena, const Core__V1__PodSpec *spec,
                                              const char *annotation)
{
    const Core__V1__AppArmorProfile *of_pod = profile_of_pod(spec);
    Core__V1__AppArmorProfile *profile = profile_of(arena, annotation);
    bool same = profile != NULL && of_pod != NULL &&
                api_message_equal(&core__v1__app_armor_profile__schema, profile, of_pod);
    return same ? NULL : profile;
}

static void complete(struct arena *arena, Core__V1__Pod *pod, Core__V1__Container *container)
{
    const char *name = text_or_empty(container->name);
    const char *annotation = annotation_for(arena, pod, APP_ARMOR, name);
    const Core__V1__AppArmorProfile *profile =
        container->security_context == NULL ? NULL : container->security_context->app_armor_profile;
    if (annotation == NULL) {
        profile = profile == NULL ? profile_of_pod(pod->spec) : profile;
        annotation = annotation_of(arena, profile);
        if (annotation != NULL) {
            api_meta_set_annotation(arena, pod->metadata,
                                    arena_printf(arena, "%s%s", APP_ARMOR, name), annotation);
        }
        return;
    }
    Core__V1__AppArmorProfile *own = own_profile(arena, pod->spec, annotation);
    if (profile != NULL || own == NULL) {
        return;
    }
    if (container->security_context == NULL) {
        container->security_context = rules_new(arena, "k8s.io.api.core.v1.SecurityContext");
    }
    container->security_context->app_armor_profile = own;
}

void api_complete_app_armor(struct arena *arena, Core__V1__Pod *pod)
{
    Core__V1__PodSpec *spec = pod->spec;
    if (is_windows(spec)) {
        return;
    }
    for (size_t i = 0; i < spec->n_init_containers; i++) {
        complete(arena, pod, spec->init_containers[i]);
    }
    for (size_t i = 0; i < spec->n_containers; i++) {
        complete(arena, pod, spec->containers[i]);
    }
}

/* --- Warnings ----------------------------------------------------------------------------------
 */

/* Whether a container has an annotation that nobody can read, or that a field has to be made of. */
static bool is_old(struct arena *arena, const Core__V1__Pod *pod, struct rules_container container)
{
    const char *annotation = annotation_for(arena, pod, APP_ARMOR, container.name);
    if (annotation == NULL ||
        (container.security != NULL && container.security->app_armor_profile != NULL)) {
        return false;
    }
    return profile_of(arena, annotation) == NULL ||
           own_profile(arena, pod->spec, annotation) != NULL;
}

struct pod_profile_warnings api_pod_profile_warnings(struct arena *arena, const Core__V1__Pod *pod)
{
    const Core__V1__PodSpec *spec = pod->spec;
    size_t count = is_windows(spec) ? 0 : rules_container_count(spec);
    struct pod_profile_warnings warnings = {0};
    warnings.texts = arena_array(arena, count + 1, sizeof(*warnings.texts));
    for (size_t i = 0; i < count; i++) {
        struct rules_container container = rules_container_at(spec, i);
        if (is_old(arena, pod, container)) {
            warnings.texts[warnings.count++] =
                arena_printf(arena,
                             "metadata.annotations[%s%s]: deprecated since v1.30; use the "
                             "\"appArmorProfile\" field instead",
                             APP_ARMOR, container.name);
        }
    }
    return warnings;
}
