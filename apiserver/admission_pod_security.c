/* PodSecurity: the labels of a namespace say which standard its pods have to meet
 * (lib/api/pod_security.h). What breaks the one to enforce is refused, what breaks the one to warn
 * about is told to the client; of pod templates it is only told, since the pods will be refused. */
#include "apiserver/admission.h"
#include "apiserver/audit_notes.h"

#include "lib/api/pod_security.h"

#include <stdlib.h>

/* Of the pods of a namespace whose standard becomes stricter. */
enum { EXISTING_PODS_MAX = 3000, EXISTING_REASONS_MAX = 64 };

static struct pod_security_policy namespace_policy(struct admission *admission)
{
    struct operation *operation = admission->operation;
    const struct cached_object *cached =
        operation_lookup(operation, operation->registry->namespace_kind, "", admission->namespace);
    const Core__V1__Namespace *namespace = cached == NULL ? NULL : cached_object_message(cached);
    return pod_security_policy_read(namespace == NULL ? NULL : namespace->metadata, NULL);
}

static void warn_of_pod(struct admission *admission, struct pod_security_standard standard,
                        const Meta__V1__ObjectMeta *meta, const Core__V1__PodSpec *spec)
{
    struct operation *operation = admission->operation;
    struct arena *arena = operation->arena;
    struct pod_security_verdict verdict = pod_security_check(arena, standard, meta, spec);
    if (!pod_security_allowed(&verdict)) {
        operation_warn(operation,
                       arena_printf(arena, "would violate PodSecurity \"%s\": %s",
                                    pod_security_name(arena, standard), verdict.details));
    }
}

/* What breaks the standard to audit is only written down. */
static void note_pod(struct admission *admission, struct pod_security_standard standard,
                     const Meta__V1__ObjectMeta *meta, const Core__V1__PodSpec *spec)
{
    struct audit_notes *notes = admission->operation->call->notes;
    struct arena *arena = admission->operation->arena;
    if (notes == NULL) {
        return;
    }
    struct pod_security_verdict verdict = pod_security_check(arena, standard, meta, spec);
    if (!pod_security_allowed(&verdict)) {
        audit_note(notes, "pod-security.kubernetes.io/audit-violations",
                   arena_printf(arena, "would violate PodSecurity \"%s\": %s",
                                pod_security_name(arena, standard), verdict.details));
    }
}

/* --- Pods --- */

static bool same_images(Core__V1__Container *const *after, size_t after_count,
                        Core__V1__Container *const *before, size_t before_count)
{
    bool same = after_count == before_count;
    for (size_t i = 0; same && i < after_count; i++) {
        const char *image = after[i]->image == NULL ? "" : after[i]->image;
        same = before[i]->image != NULL && strcmp(image, before[i]->image) == 0;
    }
    return same;
}

/* Of what can change in a pod, only images and new ephemeral containers are looked at again. */
static bool is_settled(const Core__V1__PodSpec *after, const Core__V1__PodSpec *before)
{
    return after->n_ephemeral_containers == before->n_ephemeral_containers &&
           same_images(after->containers, after->n_containers, before->containers,
                       before->n_containers) &&
           same_images(after->init_containers, after->n_init_containers, before->init_containers,
                       before->n_init_containers);
}

static const struct api_status *check_pod(struct admission *admission)
{
    const char *subresource = admission->subresource;
    const Core__V1__Pod *pod = admission->message;
    const Core__V1__Pod *before = admission->before;
    if ((subresource[0] != 0 && strcmp(subresource, "ephemeralcontainers") != 0) ||
        (before != NULL && is_settled(pod->spec, before->spec))) {
        return NULL;
    }
    struct arena *arena = admission->operation->arena;
    struct pod_security_policy policy = namespace_policy(admission);
    struct pod_security_verdict verdict =
        pod_security_check(arena, policy.enforce, pod->metadata, pod->spec);
    audit_note(admission->operation->call->notes, "pod-security.kubernetes.io/enforce-policy",
               pod_security_name(arena, policy.enforce));
    note_pod(admission, policy.audit, pod->metadata, pod->spec);
    if (!pod_security_allowed(&verdict)) {
        return api_status_forbidden(arena, admission->kind, pod->metadata->name,
                                    arena_printf(arena, "violates PodSecurity \"%s\": %s",
                                                 pod_security_name(arena, policy.enforce),
                                                 verdict.details));
    }
    warn_of_pod(admission, policy.warn, pod->metadata, pod->spec);
    return NULL;
}

/* --- Pod templates --- */

/* The message at `path` inside an object, or NULL when something on the way is not there. */
static const void *message_at(const struct api_message **schema, const void *message,
                              const char *const *path)
{
    for (; *path != NULL && message != NULL; path++) {
        const struct api_member *member = api_message_member_text(*schema, *path);
        if (member == NULL || member->field->message == NULL ||
            member->field->label != API_SINGLE) {
            return NULL;
        }
        const void *holder = api_member_holder(member, message);
        message = holder == NULL ? NULL : *(void *const *)api_field_at(member->field, holder);
        *schema = member->field->message;
    }
    return message;
}

static const Core__V1__PodTemplateSpec *pod_template(const struct admission *admission)
{
    static const char *const paths[][5] = {
        {"template"}, {"spec", "template"}, {"spec", "jobTemplate", "spec", "template"}};
    const struct api_message *wanted = api_message_find("k8s.io.api.core.v1.PodTemplateSpec");
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        const struct api_message *schema = admission->kind->message;
        const void *found = message_at(&schema, admission->message, paths[i]);
        if (found != NULL && schema == wanted) {
            return found;
        }
    }
    return NULL;
}

static const struct api_status *check_template(struct admission *admission)
{
    if (admission->subresource[0] != 0 || !admission->kind->namespaced ||
        admission->kind->message == NULL) {
        return NULL;
    }
    const Core__V1__PodTemplateSpec *template = pod_template(admission);
    if (template != NULL && template->spec != NULL) {
        struct pod_security_policy policy = namespace_policy(admission);
        note_pod(admission, policy.audit, template->metadata, template->spec);
        warn_of_pod(admission, policy.warn, template->metadata, template->spec);
    }
    return NULL;
}

/* --- Namespaces --- */

/* Pods that break a standard in the same way. */
struct violation {
    const char *reasons;
    const char *pod; /* The first of them by name. */
    size_t count;
};

struct violations {
    struct arena *arena;
    struct pod_security_standard standard;
    struct violation items[EXISTING_REASONS_MAX];
    size_t count;
    size_t checked;
    size_t total;
};

static void add_violation(struct violations *violations, const char *pod, const char *reasons)
{
    for (size_t i = 0; i < violations->count; i++) {
        struct violation *each = &violations->items[i];
        if (strcmp(each->reasons, reasons) == 0) {
            each->count++;
            each->pod = strcmp(pod, each->pod) < 0 ? pod : each->pod;
            return;
        }
    }
    if (violations->count < EXISTING_REASONS_MAX) {
        violations->items[violations->count++] =
            (struct violation){.reasons = reasons, .pod = pod, .count = 1};
    }
}

static bool check_existing(void *data, const struct cached_object *object)
{
    struct violations *violations = data;
    const Core__V1__Pod *pod = cached_object_message(object);
    violations->total++;
    if (pod == NULL || violations->checked >= EXISTING_PODS_MAX) {
        return true;
    }
    violations->checked++;
    struct pod_security_verdict verdict =
        pod_security_check(violations->arena, violations->standard, pod->metadata, pod->spec);
    if (!pod_security_allowed(&verdict)) {
        add_violation(violations, arena_text(violations->arena, pod->metadata->name),
                      verdict.reasons);
    }
    return true;
}

static const char *violation_text(struct arena *arena, const struct violation *violation)
{
    const char *others = "";
    if (violation->count == 2) {
        others = " (and 1 other pod)";
    } else if (violation->count > 2) {
        others = arena_printf(arena, " (and %zu other pods)", violation->count - 1);
    }
    return arena_printf(arena, "%s%s: %s", violation->pod, others, violation->reasons);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Tells the client which of the namespace's pods would not be let in again. */
static void warn_of_existing(struct admission *admission, struct pod_security_standard standard)
{
    struct operation *operation = admission->operation;
    struct arena *arena = operation->arena;
    struct violations *violations = arena_array(arena, 1, sizeof(*violations));
    violations->arena = arena;
    violations->standard = standard;
    struct cache_view *view =
        watch_cache_view(operation->registry->config.cache, operation->registry->pod_kind);
    cache_view_each(view, admission->name, slice_text(""), check_existing, violations);
    cache_view_free(view);
    if (violations->checked < violations->total) {
        operation_warn(operation,
                       arena_printf(arena,
                                    "new PodSecurity enforce level only checked against the first "
                                    "%zu of %zu existing pods",
                                    violations->checked, violations->total));
    }
    if (violations->count == 0) {
        return;
    }
    operation_warn(operation, arena_printf(arena,
                                           "existing pods in namespace \"%s\" violate the new "
                                           "PodSecurity enforce level \"%s\"",
                                           admission->name, pod_security_name(arena, standard)));
    const char *texts[EXISTING_REASONS_MAX] = {NULL};
    for (size_t i = 0; i < violations->count; i++) {
        texts[i] = violation_text(arena, &violations->items[i]);
    }
    qsort(texts, violations->count, sizeof(texts[0]), by_text);
    for (size_t i = 0; i < violations->count; i++) {
        operation_warn(operation, texts[i]);
    }
}

static bool same_causes(const struct api_causes *a, const struct api_causes *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        same = strcmp(a->items[i].field, b->items[i].field) == 0 &&
               strcmp(a->items[i].message, b->items[i].message) == 0;
    }
    return same;
}

static const struct api_status *check_namespace(struct admission *admission)
{
    if (admission->subresource[0] != 0) {
        return NULL;
    }
    struct arena *arena = admission->operation->arena;
    const Core__V1__Namespace *namespace = admission->message;
    const Core__V1__Namespace *before = admission->before;
    struct api_causes problems;
    struct api_causes old_problems;
    api_causes_init(&problems, arena);
    api_causes_init(&old_problems, arena);
    struct pod_security_policy policy = pod_security_policy_read(namespace->metadata, &problems);
    struct pod_security_policy old =
        pod_security_policy_read(before == NULL ? NULL : before->metadata, &old_problems);
    if (problems.count > 0 && !same_causes(&problems, &old_problems)) {
        return api_status_invalid(arena, admission->kind, namespace->metadata->name, &problems);
    }
    bool relaxed =
        policy.enforce.level == POD_SECURITY_PRIVILEGED ||
        (policy.enforce.minor == old.enforce.minor && policy.enforce.level <= old.enforce.level);
    if (before != NULL && !relaxed) {
        warn_of_existing(admission, policy.enforce);
    }
    return NULL;
}

const struct api_status *admit_pod_security(struct admission *admission)
{
    const struct registry *registry = admission->operation->registry;
    if (admission->message == NULL) {
        return NULL;
    }
    if (admission->kind == registry->namespace_kind) {
        return check_namespace(admission);
    }
    return admission->kind == registry->pod_kind ? check_pod(admission) : check_template(admission);
}
