#include "apiserver/pod_references.h"

#include <string.h>

static bool is(const char *text, const char *value)
{
    return strcmp(text, value) == 0;
}

static bool is_meant(const char *reference, const char *name)
{
    return reference != NULL && reference[0] != 0 && (name == NULL || is(reference, name));
}

static bool env_refers(const Core__V1__Container *container, bool secret, const char *name)
{
    for (size_t i = 0; i < container->n_env_from; i++) {
        const Core__V1__EnvFromSource *from = container->env_from[i];
        const Core__V1__LocalObjectReference *reference =
            secret ? (from->secret_ref == NULL ? NULL : from->secret_ref->local_object_reference)
                   : (from->config_map_ref == NULL ? NULL
                                                   : from->config_map_ref->local_object_reference);
        if (reference != NULL && is_meant(reference->name, name)) {
            return true;
        }
    }
    for (size_t i = 0; i < container->n_env; i++) {
        const Core__V1__EnvVarSource *from = container->env[i]->value_from;
        if (from == NULL) {
            continue;
        }
        const Core__V1__LocalObjectReference *reference = NULL;
        if (secret && from->secret_key_ref != NULL) {
            reference = from->secret_key_ref->local_object_reference;
        } else if (!secret && from->config_map_key_ref != NULL) {
            reference = from->config_map_key_ref->local_object_reference;
        }
        if (reference != NULL && is_meant(reference->name, name)) {
            return true;
        }
    }
    return false;
}

static bool projected_refers(const Core__V1__ProjectedVolumeSource *projected, bool secret,
                             const char *name)
{
    for (size_t i = 0; projected != NULL && i < projected->n_sources; i++) {
        const Core__V1__VolumeProjection *source = projected->sources[i];
        const Core__V1__LocalObjectReference *reference = NULL;
        if (secret && source->secret != NULL) {
            reference = source->secret->local_object_reference;
        } else if (!secret && source->config_map != NULL) {
            reference = source->config_map->local_object_reference;
        }
        if (reference != NULL && is_meant(reference->name, name)) {
            return true;
        }
    }
    return false;
}

static bool volume_refers(const Core__V1__VolumeSource *source, const char *resource,
                          const char *name)
{
    if (source == NULL) {
        return false;
    }
    if (is(resource, "secrets")) {
        return (source->secret != NULL && is_meant(source->secret->secret_name, name)) ||
               projected_refers(source->projected, true, name);
    }
    if (is(resource, "configmaps")) {
        const Core__V1__LocalObjectReference *reference =
            source->config_map == NULL ? NULL : source->config_map->local_object_reference;
        return (reference != NULL && is_meant(reference->name, name)) ||
               projected_refers(source->projected, false, name);
    }
    return is(resource, "persistentvolumeclaims") && source->persistent_volume_claim != NULL &&
           is_meant(source->persistent_volume_claim->claim_name, name);
}

bool pod_spec_refers(const Core__V1__PodSpec *spec, const char *resource, const char *name)
{
    bool secret = is(resource, "secrets");
    if (is(resource, "serviceaccounts")) {
        return is_meant(spec->service_account_name, name);
    }
    for (size_t i = 0; i < spec->n_volumes; i++) {
        if (volume_refers(spec->volumes[i]->volume_source, resource, name)) {
            return true;
        }
    }
    if (!secret && !is(resource, "configmaps")) {
        return false;
    }
    for (size_t i = 0; i < spec->n_containers; i++) {
        if (env_refers(spec->containers[i], secret, name)) {
            return true;
        }
    }
    for (size_t i = 0; i < spec->n_init_containers; i++) {
        if (env_refers(spec->init_containers[i], secret, name)) {
            return true;
        }
    }
    for (size_t i = 0; secret && i < spec->n_image_pull_secrets; i++) {
        if (is_meant(spec->image_pull_secrets[i]->name, name)) {
            return true;
        }
    }
    return false;
}
