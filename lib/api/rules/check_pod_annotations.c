/* Annotations of pods that the server knows: what was an annotation before it was a field, who made
 * the pod, and what its deletion costs. */
#include "lib/api/object.h"
#include "lib/api/rules/rules.h"
#include <errno.h>
#include <stdlib.h>

static const char MIRROR[] = "kubernetes.io/config.mirror";
static const char DELETION_COST[] = "controller.kubernetes.io/pod-deletion-cost";
static const char SECCOMP_POD[] = "seccomp.security.alpha.kubernetes.io/pod";
static const char SECCOMP_CONTAINER[] = "container.seccomp.security.alpha.kubernetes.io/";
static const char APP_ARMOR[] = "container.apparmor.security.beta.kubernetes.io/";
static const char LOCAL[] = "localhost/";

/* What follows the prefix, or NULL. */
static const char *after(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

/* --- One by one --------------------------------------------------------------------------------
 */

static bool is_cost(const char *text)
{
    char *end = NULL;
    bool first = *text == '-' || strcmp(text, "0") == 0 || (*text >= '1' && *text <= '9');
    errno = 0;
    long long cost = strtoll(text, &end, /* base= */ 10);
    return first && end != text && *end == '\0' && errno == 0 && cost >= INT32_MIN &&
           cost <= INT32_MAX;
}

static void check_seccomp(struct api_causes *causes, const struct api_path *parent, const char *key,
                          const char *profile)
{
    static const char *const known[] = {"runtime/default", "docker/default", "unconfined", NULL};
    struct api_path at = api_path_field(parent, key);
    const char *local = after(profile, LOCAL);
    if (local != NULL) {
        rules_invalid_each(causes, &at, api_shown_text(local), api_syntax_relative_path(local));
    } else if (!rules_one_of(profile, known)) {
        api_cause_invalid(causes, &at, api_shown_text(profile), "must be a valid seccomp profile");
    }
}

static void check_app_armor(struct api_causes *causes, const struct api_path *parent,
                            const char *key, const char *profile, const Core__V1__PodSpec *spec)
{
    static const char *const known[] = {"", "runtime/default", "unconfined", NULL};
    struct api_path at = api_path_key(parent, key);
    const char *name = after(key, APP_ARMOR);
    bool found = false;
    for (size_t i = 0; i < rules_container_count(spec); i++) {
        found = found || strcmp(rules_container_at(spec, i).name, name) == 0;
    }
    if (!found) {
        api_cause_invalid(causes, &at, api_shown_text(name), "container not found");
    }
    if (!rules_one_of(profile, known) && after(profile, LOCAL) == NULL) {
        CLEANUP(buffer_release) struct buffer words;
        buffer_init(&words, SIZE_MAX / 2); /* What a request holds is bounded already. */
        buffer_append_text(&words, "invalid AppArmor profile name: ");
        api_print_quoted(profile, &words);
        api_cause_invalid(causes, &at, api_shown_text(profile), buffer_text(&words));
    }
}

static void check_all(struct api_causes *causes, const struct api_path *at,
                      struct api_string_map annotations, const Core__V1__PodSpec *spec)
{
    struct api_path mirror = api_path_key(at, MIRROR), cost = api_path_key(at, DELETION_COST);
    const char *value = api_string_map_get(annotations, MIRROR);
    if (value != NULL && rules_empty(spec->node_name)) {
        api_cause_invalid(causes, &mirror, api_shown_text(value),
                          "must set spec.nodeName if mirror pod annotation is set");
    }
    value = api_string_map_get(annotations, DELETION_COST);
    if (value != NULL && !is_cost(value)) {
        api_cause_invalid(causes, &cost, api_shown_text(value), "must be a 32bit integer");
    }
    for (size_t i = 0; i < annotations.count; i++) {
        const char *key = api_string_map_key(annotations, i);
        if (strcmp(key, SECCOMP_POD) == 0 || after(key, SECCOMP_CONTAINER) != NULL) {
            check_seccomp(causes, at, key, api_string_map_value(annotations, i));
        }
    }
    for (size_t i = 0; i < annotations.count; i++) {
        const char *key = api_string_map_key(annotations, i);
        if (after(key, APP_ARMOR) != NULL) {
            check_app_armor(causes, at, key, api_string_map_value(annotations, i), spec);
        }
    }
}

static struct api_string_map annotations_of(const Meta__V1__ObjectMeta *meta)
{
    return meta == NULL ? API_STRING_MAP(NULL, 0)
                        : API_STRING_MAP(meta->annotations, meta->n_annotations);
}

/* --- Beside the fields that took their place ---------------------------------------------------
 */

struct profile {
    const char *type, *local;
};

/* `what` is seccomp or apparmor. */
static void check_match(struct api_causes *causes, const struct api_path *at, const char *annotated,
                        struct profile field, const char *what)
{
    const char *local = after(annotated, LOCAL);
    bool same = true;
    if (rules_is(field.type, "Unconfined")) {
        same = strcmp(annotated, "unconfined") == 0;
    } else if (rules_is(field.type, "RuntimeDefault")) {
        same = strcmp(annotated, "runtime/default") == 0 ||
               (strcmp(what, "seccomp") == 0 && strcmp(annotated, "docker/default") == 0);
    } else if (rules_is(field.type, "Localhost")) {
        same = local != NULL;
        if (same && (field.local == NULL || strcmp(local, field.local) != 0)) {
            rules_forbidden(
                causes, at, "localhostProfile",
                arena_printf(causes->arena, "%s profile in annotation and field must match", what));
        }
    }
    if (!same) {
        rules_forbidden(
            causes, at, "type",
            arena_printf(causes->arena, "%s type in annotation and field must match", what));
    }
}

static const char *annotation_for(struct arena *arena, struct api_string_map annotations,
                                  const char *prefix, const char *name)
{
    return api_string_map_get(annotations, arena_printf(arena, "%s%s", prefix, name));
}

static void check_seccomp_fields(struct api_causes *causes, const struct api_path *spec_at,
                                 struct api_string_map annotations, const Core__V1__PodSpec *spec)
{
    const Core__V1__SeccompProfile *field =
        spec->security_context == NULL ? NULL : spec->security_context->seccomp_profile;
    const char *value = api_string_map_get(annotations, SECCOMP_POD);
    struct api_path security = api_path_field(spec_at, "securityContext");
    struct api_path at = api_path_field(&security, "seccompProfile");
    if (field != NULL && value != NULL) {
        check_match(causes, &at, value, (struct profile){field->type, field->localhost_profile},
                    "seccomp");
    }
    for (size_t i = 0; i < rules_container_count(spec); i++) {
        struct rules_container place = rules_container_at(spec, i);
        struct api_path list = api_path_field(spec_at, place.list);
        struct api_path item = api_path_index(&list, place.index);
        struct api_path own = api_path_field(&item, "securityContext");
        struct api_path profile = api_path_field(&own, "seccompProfile");
        field = place.security == NULL ? NULL : place.security->seccomp_profile;
        value = annotation_for(causes->arena, annotations, SECCOMP_CONTAINER, place.name);
        if (field != NULL && value != NULL) {
            check_match(causes, &profile, value,
                        (struct profile){field->type, field->localhost_profile}, "seccomp");
        }
    }
}

static void check_app_armor_fields(struct api_causes *causes, const struct api_path *spec_at,
                                   struct api_string_map annotations, const Core__V1__PodSpec *spec)
{
    if (spec->os != NULL && rules_is(spec->os->name, "windows")) {
        return;
    }
    for (size_t i = 0; i < rules_container_count(spec); i++) {
        struct rules_container place = rules_container_at(spec, i);
        struct api_path list = api_path_field(spec_at, place.list);
        struct api_path item = api_path_index(&list, place.index);
        struct api_path own = api_path_field(&item, "securityContext");
        struct api_path at = api_path_field(&own, "appArmorProfile");
        const Core__V1__AppArmorProfile *field =
            place.security == NULL ? NULL : place.security->app_armor_profile;
        const char *value = annotation_for(causes->arena, annotations, APP_ARMOR, place.name);
        if (field == NULL && spec->security_context != NULL) {
            field = spec->security_context->app_armor_profile;
        }
        if (field != NULL && value != NULL) {
            check_match(causes, &at, value, (struct profile){field->type, field->localhost_profile},
                        "apparmor");
        }
    }
}

/* --- Where they join the walk ------------------------------------------------------------------
 */

bool rules_pod_annotations(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__Pod *pod = frame->message;
    struct api_path metadata = api_path_field(NULL, "metadata");
    struct api_path at = api_path_field(&metadata, "annotations");
    check_all(causes, &at, annotations_of(pod->metadata), pod->spec);
    return true;
}

bool rules_pod_annotated_fields(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__Pod *pod = frame->message;
    struct api_path spec = api_path_field(NULL, "spec");
    check_seccomp_fields(causes, &spec, annotations_of(pod->metadata), pod->spec);
    check_app_armor_fields(causes, &spec, annotations_of(pod->metadata), pod->spec);
    return true;
}

/* v1.32 says them of the template and not of its metadata. Of what the pods of a StatefulSet are it
 * says nothing, as these have volumes that the template does not name. */
bool rules_template_annotations(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__PodTemplateSpec *pod = frame->message;
    struct api_path at = api_path_field(frame->at, "annotations");
    if (pod->spec != NULL) {
        check_all(causes, &at, annotations_of(pod->metadata), pod->spec);
    }
    return frame->parent == NULL || frame->parent->table != &apps__v1__stateful_set_spec__schema;
}

bool rules_template_annotated_fields(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__PodTemplateSpec *pod = frame->message;
    struct api_path spec = api_path_field(frame->at, "spec");
    if (pod->spec != NULL) {
        check_seccomp_fields(causes, &spec, annotations_of(pod->metadata), pod->spec);
    }
    return true;
}

static bool stays(const char *key)
{
    return strcmp(key, MIRROR) == 0 || after(key, APP_ARMOR) != NULL;
}

static void refuse(struct api_causes *causes, const char *key, const char *verb)
{
    struct api_path metadata = api_path_field(NULL, "metadata");
    struct api_path annotations = api_path_field(&metadata, "annotations");
    struct api_path at = api_path_key(&annotations, key);
    api_cause_forbidden(
        causes, &at,
        arena_printf(causes->arena, "may not %s %s", verb,
                     strcmp(key, MIRROR) == 0 ? "mirror pod annotation" : "AppArmor annotations"));
}

void rules_update_pod_annotations(struct api_causes *causes, const Core__V1__Pod *before,
                                  const Core__V1__Pod *pod)
{
    struct api_string_map old_map = annotations_of(before->metadata);
    struct api_string_map map = annotations_of(pod->metadata);
    struct api_path metadata = api_path_field(NULL, "metadata");
    struct api_path at = api_path_field(&metadata, "annotations");
    for (size_t i = 0; i < old_map.count; i++) {
        const char *key = api_string_map_key(old_map, i), *value = api_string_map_get(map, key);
        if (stays(key) && (value == NULL || strcmp(value, api_string_map_value(old_map, i)) != 0)) {
            refuse(causes, key, "remove or update");
        }
    }
    for (size_t i = 0; i < map.count; i++) {
        const char *key = api_string_map_key(map, i);
        if (stays(key) && api_string_map_get(old_map, key) == NULL) {
            refuse(causes, key, "add");
        }
    }
    check_all(causes, &at, map, pod->spec);
}
