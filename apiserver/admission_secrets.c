/* The part of ServiceAccount that an annotation asks for: pods of the account use no Secret that
 * the account does not name (kubernetes.io/enforce-mountable-secrets, deprecated in v1.32). */
#include "apiserver/admission.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/api/object.h"
#include "lib/api/pod_references.h"
#include <string.h>

static const char enforce[] = "kubernetes.io/enforce-mountable-secrets";

static bool is_enforced(const Meta__V1__ObjectMeta *meta)
{
    const char *value = api_meta_annotation(meta, enforce);
    static const char *const truths[] = {"1", "t", "T", "true", "TRUE", "True"};
    for (size_t i = 0; value != NULL && i < ARRAY_LEN(truths); i++) {
        if (strcmp(value, truths[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool names_secret(const Core__V1__ServiceAccount *account, const char *name)
{
    for (size_t i = 0; i < account->n_secrets; i++) {
        if (strcmp(text_or_empty(account->secrets[i]->name), text_or_empty(name)) == 0) {
            return true;
        }
    }
    return false;
}

static const char *wrong_volume(struct arena *arena, const Core__V1__ServiceAccount *account,
                                const Core__V1__PodSpec *spec)
{
    for (size_t i = 0; i < spec->n_volumes; i++) {
        const Core__V1__SecretVolumeSource *secret = spec->volumes[i]->volume_source->secret;
        if (secret != NULL && !names_secret(account, secret->secret_name)) {
            return arena_printf(arena,
                                "volume with secret.secretName=\"%s\" is not allowed because "
                                "service account %s does not reference that secret",
                                text_or_empty(secret->secret_name), account->metadata->name);
        }
    }
    return NULL;
}

static const char *wrong_env(struct arena *arena, const Core__V1__ServiceAccount *account,
                             const char *what, Core__V1__Container *const *containers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < containers[i]->n_env; j++) {
            const Core__V1__EnvVar *env = containers[i]->env[j];
            const Core__V1__SecretKeySelector *key =
                env->value_from == NULL ? NULL : env->value_from->secret_key_ref;
            const char *name = key == NULL ? NULL : key->local_object_reference->name;
            if (key != NULL && !names_secret(account, name)) {
                return arena_printf(
                    arena,
                    "%s %s with envVar %s referencing secret.secretName=\"%s\" is not allowed "
                    "because service account %s does not reference that secret",
                    what, text_or_empty(containers[i]->name), text_or_empty(env->name),
                    text_or_empty(name), account->metadata->name);
            }
        }
    }
    return NULL;
}

static const char *wrong_pull_secret(struct arena *arena, const Core__V1__ServiceAccount *account,
                                     const Core__V1__PodSpec *spec)
{
    for (size_t i = 0; i < spec->n_image_pull_secrets; i++) {
        const char *name = text_or_empty(spec->image_pull_secrets[i]->name);
        bool named = false;
        for (size_t j = 0; !named && j < account->n_image_pull_secrets; j++) {
            named = strcmp(text_or_empty(account->image_pull_secrets[j]->name), name) == 0;
        }
        if (!named) {
            return arena_printf(arena,
                                "imagePullSecrets[%zu].name=\"%s\" is not allowed because service "
                                "account %s does not reference that imagePullSecret",
                                i, name, account->metadata->name);
        }
    }
    return NULL;
}

static const char *wrong_reference(struct arena *arena, const Core__V1__ServiceAccount *account,
                                   const Core__V1__PodSpec *spec)
{
    const char *wrong = wrong_volume(arena, account, spec);
    if (wrong == NULL) {
        wrong = wrong_env(arena, account, "init container", spec->init_containers,
                          spec->n_init_containers);
    }
    if (wrong == NULL) {
        wrong = wrong_env(arena, account, "container", spec->containers, spec->n_containers);
    }
    return wrong == NULL ? wrong_pull_secret(arena, account, spec) : wrong;
}

const struct api_status *admit_account_secrets(struct admission *admission)
{
    struct operation *operation = admission->operation;
    const Core__V1__Pod *pod = admission->message;
    if (admission->verb != ADMIT_CREATE || admission->kind != operation->registry->pod_kind ||
        admission->subresource[0] != 0 || pod->spec->service_account_name == NULL ||
        pod_is_mirror(pod)) {
        return NULL;
    }
    const struct cached_object *cached =
        operation_lookup(operation, operation->registry->service_account_kind, admission->namespace,
                         pod->spec->service_account_name);
    const Core__V1__ServiceAccount *account = cached == NULL ? NULL : cached_object_message(cached);
    const char *wrong = account == NULL || !is_enforced(account->metadata)
                            ? NULL
                            : wrong_reference(operation->arena, account, pod->spec);
    return wrong == NULL
               ? NULL
               : api_status_forbidden(operation->arena, admission->kind, admission->name, wrong);
}

const struct api_status *admit_account_warnings(struct admission *admission)
{
    const Core__V1__ServiceAccount *account = admission->message, *before = admission->before;
    bool concerned = admission->kind == admission->operation->registry->service_account_kind &&
                     admission->subresource[0] == 0 && admission->verb != ADMIT_DELETE;
    if (concerned && api_meta_annotation(account->metadata, enforce) != NULL &&
        (before == NULL || api_meta_annotation(before->metadata, enforce) == NULL)) {
        operation_warn(admission->operation,
                       "metadata.annotations[kubernetes.io/enforce-mountable-secrets]: deprecated "
                       "in v1.32+; prefer separate namespaces to isolate access to mounted "
                       "secrets");
    }
    return NULL;
}
