#include "apiserver/admission.h"

#include "apiserver/admission_policy.h"
#include "apiserver/admission_webhook.h"
#include "apiserver/connect_options.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/api/apply.h"
#include "lib/api/object.h"
#include "lib/api/time.h"
#include <assert.h>

static const char *const immortal_namespaces[] = {"default", "kube-system", "kube-public"};

static const struct api_status *missing_namespace(struct admission *admission)
{
    struct operation *operation = admission->operation;
    const struct api_kind *kind = operation->registry->namespace_kind;
    return api_status_not_found(operation->arena, kind, admission->namespace);
}

static const struct api_status *namespace_lifecycle(struct admission *admission)
{
    struct operation *operation = admission->operation;
    struct registry *registry = operation->registry;
    if (admission->kind == registry->namespace_kind) {
        for (size_t i = 0; i < ARRAY_LEN(immortal_namespaces); i++) {
            if (admission->verb == ADMIT_DELETE &&
                strcmp(admission->name, immortal_namespaces[i]) == 0) {
                return api_status_forbidden(operation->arena, admission->kind, admission->name,
                                            "this namespace may not be deleted");
            }
        }
        return NULL;
    }
    if (!admission->kind->namespaced || admission->verb == ADMIT_DELETE) {
        return NULL;
    }
    const struct cached_object *cached =
        operation_lookup(operation, registry->namespace_kind, "", admission->namespace);
    if (cached == NULL) {
        return missing_namespace(admission);
    }
    const Core__V1__Namespace *namespace = cached_object_message(cached);
    bool terminating =
        namespace != NULL && !api_time_is_zero(namespace->metadata->deletion_timestamp);
    if (admission->verb == ADMIT_CREATE && terminating && admission->subresource[0] == 0) {
        return api_status_terminating(operation->arena, admission->kind, admission->name,
                                      admission->namespace);
    }
    return NULL;
}

/* A finalizer keeps a claim or volume alive while it is in use. */
static const struct api_status *storage_protection(struct admission *admission)
{
    if (admission->verb != ADMIT_CREATE || admission->subresource[0] != 0) {
        return NULL;
    }
    const char *finalizer = NULL;
    if (strcmp(admission->kind->resource, "persistentvolumeclaims") == 0) {
        finalizer = "kubernetes.io/pvc-protection";
    } else if (strcmp(admission->kind->resource, "persistentvolumes") == 0) {
        finalizer = "kubernetes.io/pv-protection";
    } else {
        return NULL;
    }
    Meta__V1__ObjectMeta *meta = message_meta(admission->kind, admission->message);
    if (!api_meta_has_finalizer(meta, finalizer)) {
        struct arena *arena = admission->operation->arena;
        char **finalizers = arena_array(arena, meta->n_finalizers + 1, sizeof(char *));
        if (meta->n_finalizers > 0) {
            memcpy(finalizers, meta->finalizers, meta->n_finalizers * sizeof(char *));
        }
        finalizers[meta->n_finalizers++] = arena_text(arena, finalizer);
        meta->finalizers = finalizers;
    }
    return NULL;
}

/* A new node takes no pods until somebody has seen it ready (TaintNodesByCondition). */
static const struct api_status *node_taint(struct admission *admission)
{
    if (admission->verb != ADMIT_CREATE || admission->subresource[0] != 0 ||
        strcmp(admission->kind->resource, "nodes") != 0) {
        return NULL;
    }
    static const char key[] = "node.kubernetes.io/not-ready";
    struct arena *arena = admission->operation->arena;
    Core__V1__Node *node = admission->message;
    Core__V1__NodeSpec *spec = node->spec;
    for (size_t i = 0; i < spec->n_taints; i++) {
        const char *each = spec->taints[i]->key;
        const char *effect = spec->taints[i]->effect;
        if (each != NULL && strcmp(each, key) == 0 && effect != NULL &&
            strcmp(effect, "NoSchedule") == 0) {
            return NULL;
        }
    }
    Core__V1__Taint *taint = api_message_new(arena, api_message_find("k8s.io.api.core.v1.Taint"));
    taint->key = arena_text(arena, key);
    taint->effect = arena_text(arena, "NoSchedule");
    Core__V1__Taint **taints = arena_array(arena, spec->n_taints + 1, sizeof(*taints));
    if (spec->n_taints > 0) {
        memcpy(taints, spec->taints, spec->n_taints * sizeof(*taints));
    }
    taints[spec->n_taints++] = taint;
    spec->taints = taints;
    return NULL;
}

typedef const struct api_status *admission_step(struct admission *admission);

/* In the order of constants-admission; each step decides by itself whether it is concerned. */
static admission_step *const mutating_steps[] = {
    namespace_lifecycle,
    admit_limit_defaults,
    admit_pod_service_account,
    admit_node_restriction,
    node_taint,
    admit_pod_priority,
    admit_pod_tolerations,
    admit_default_storage_class,
    storage_protection,
    admit_runtime_class,
    admit_default_ingress_class,
    admit_pod_profile_warnings,
    admit_account_warnings,
    admit_rbac_escalation,
};

static admission_step *const validating_steps[] = {
    admit_account_secrets, admit_limits,       admit_pod_security, admit_priority_class,
    admit_claim_resize,    admit_certificates, admit_policies,     admit_validating_webhooks,
    admit_quota,
};

static const struct api_status *run_steps(struct admission *admission, admission_step *const *steps,
                                          size_t count)
{
    admission->shown = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct api_status *refusal = steps[i](admission);
        if (refusal != NULL) {
            return refusal;
        }
    }
    return NULL;
}

const struct api_status admission_waiting;

/* What webhooks changed, all steps see once more. */
static const struct api_status *mutate(struct admission *admission)
{
    struct hook_round round = {0};
    const struct api_status *refusal =
        run_steps(admission, mutating_steps, ARRAY_LEN(mutating_steps));
    refusal = refusal != NULL ? refusal : admit_mutating_webhooks(admission, &round);
    if (refusal != NULL || !round.changed) {
        return refusal;
    }
    round.again = true;
    refusal = run_steps(admission, mutating_steps, ARRAY_LEN(mutating_steps));
    return refusal != NULL ? refusal : admit_mutating_webhooks(admission, &round);
}

/* A webhook that makes something of managedFields that cannot be read has made nothing of them. */
static void mend_managed_fields(struct admission *admission, const Meta__V1__ObjectMeta *kept)
{
    static const char words[] =
        ".metadata.managedFields was in an invalid state after admission; this could be caused by "
        "an outdated mutating admission controller; please fix your requests";
    struct arena *arena = admission->operation->arena;
    const struct api_message *table = admission->kind->message;
    const char *problem = api_managed_fields_problem(arena, table, admission->message);
    if (problem != NULL) {
        Meta__V1__ObjectMeta *meta = api_message_meta(table, admission->message);
        meta->managed_fields = kept->managed_fields;
        meta->n_managed_fields = kept->n_managed_fields;
        operation_warn(admission->operation, arena_printf(arena, "%s: %s", words, problem));
    }
}

const struct api_status *admission_mutate(struct admission *admission)
{
    const void *before = admission->message;
    if (before == NULL || admission->body != NULL) { /* A deletion, or of no kind that is stored. */
        return mutate(admission);
    }
    const Meta__V1__ObjectMeta kept = *api_message_meta(admission->kind->message, before);
    const struct api_status *refusal = mutate(admission);
    if (refusal == NULL && admission->message != before) {
        mend_managed_fields(admission, &kept);
    }
    return refusal;
}

const struct api_kind *admission_message_kind(const struct admission *admission)
{
    return admission->body != NULL ? admission->body : admission->kind;
}

/* The body of a subresource has no row of its own in the table of kinds. */
static const struct api_kind *body_of(struct admission *admission)
{
    const struct api_subresource *subresource =
        api_kind_subresource(admission->kind, admission->subresource);
    struct arena *arena = admission->operation->arena;
    struct api_kind *body = arena_zeroed(arena, sizeof(*body));
    assert(subresource != NULL);
    *body = (struct api_kind){
        .group = subresource->group,
        .version = subresource->version,
        .kind = subresource->kind,
        .api_version = subresource->group[0] == 0
                           ? subresource->version
                           : arena_printf(arena, "%s/%s", subresource->group, subresource->version),
        .message = connect_options_schema(subresource)};
    return body;
}

/* What they changed, all see once more. */
static const struct api_status *ask_mutating_webhooks(struct admission *admission)
{
    struct hook_round round = {0};
    const struct api_status *refusal = admit_mutating_webhooks(admission, &round);
    if (refusal == NULL && round.changed) {
        round.again = true;
        refusal = admit_mutating_webhooks(admission, &round);
    }
    return refusal;
}

const struct api_status *admission_ask_webhooks(struct admission *admission)
{
    const struct api_status *refusal = ask_mutating_webhooks(admission);
    return refusal != NULL ? refusal : admit_validating_webhooks(admission);
}

const struct api_status *admission_ask(struct admission *admission)
{
    admission->body = body_of(admission);
    admission->shown = NULL;
    const struct api_status *refusal = ask_mutating_webhooks(admission);
    refusal = refusal != NULL ? refusal : admit_policies(admission);
    refusal = refusal != NULL ? refusal : admit_validating_webhooks(admission);
    admission->operation->asked = true;
    return refusal;
}

const struct api_status *admission_validate(struct admission *admission)
{
    return run_steps(admission, validating_steps, ARRAY_LEN(validating_steps));
}
