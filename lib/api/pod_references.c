#include "lib/api/pod_references.h"

#include <string.h>

/* Who is told of references, until it has heard enough. */
struct listener {
    bool (*each)(void *data, enum pod_reference kind, const char *name);
    void *data;
    bool done;
};

static void tell(struct listener *listener, enum pod_reference kind, const char *name)
{
    if (!listener->done && name != NULL && name[0] != 0) {
        listener->done = !listener->each(listener->data, kind, name);
    }
}

static void tell_local(struct listener *listener, enum pod_reference kind,
                       const Core__V1__LocalObjectReference *reference)
{
    if (reference != NULL) {
        tell(listener, kind, reference->name);
    }
}

static void env_references(struct listener *listener, const Core__V1__Container *container)
{
    for (size_t i = 0; i < container->n_env_from; i++) {
        const Core__V1__EnvFromSource *from = container->env_from[i];
        if (from->secret_ref != NULL) {
            tell_local(listener, POD_REFERS_TO_SECRET, from->secret_ref->local_object_reference);
        }
        if (from->config_map_ref != NULL) {
            tell_local(listener, POD_REFERS_TO_CONFIG_MAP,
                       from->config_map_ref->local_object_reference);
        }
    }
    for (size_t i = 0; i < container->n_env; i++) {
        const Core__V1__EnvVarSource *from = container->env[i]->value_from;
        if (from != NULL && from->secret_key_ref != NULL) {
            tell_local(listener, POD_REFERS_TO_SECRET,
                       from->secret_key_ref->local_object_reference);
        }
        if (from != NULL && from->config_map_key_ref != NULL) {
            tell_local(listener, POD_REFERS_TO_CONFIG_MAP,
                       from->config_map_key_ref->local_object_reference);
        }
    }
}

static void projected_references(struct listener *listener,
                                 const Core__V1__ProjectedVolumeSource *projected)
{
    for (size_t i = 0; i < projected->n_sources; i++) {
        const Core__V1__VolumeProjection *source = projected->sources[i];
        if (source->secret != NULL) {
            tell_local(listener, POD_REFERS_TO_SECRET, source->secret->local_object_reference);
        }
        if (source->config_map != NULL) {
            tell_local(listener, POD_REFERS_TO_CONFIG_MAP,
                       source->config_map->local_object_reference);
        }
    }
}

static void volume_references(struct listener *listener, const Core__V1__VolumeSource *source)
{
    if (source == NULL) {
        return;
    }
    if (source->secret != NULL) {
        tell(listener, POD_REFERS_TO_SECRET, source->secret->secret_name);
    }
    if (source->config_map != NULL) {
        tell_local(listener, POD_REFERS_TO_CONFIG_MAP, source->config_map->local_object_reference);
    }
    if (source->projected != NULL) {
        projected_references(listener, source->projected);
    }
    if (source->persistent_volume_claim != NULL) {
        tell(listener, POD_REFERS_TO_CLAIM, source->persistent_volume_claim->claim_name);
    }
}

void pod_spec_each_reference(const Core__V1__PodSpec *spec,
                             bool (*each)(void *data, enum pod_reference kind, const char *name),
                             void *data)
{
    struct listener listener = {.each = each, .data = data};
    tell(&listener, POD_REFERS_TO_ACCOUNT, spec->service_account_name);
    for (size_t i = 0; i < spec->n_volumes; i++) {
        volume_references(&listener, spec->volumes[i]->volume_source);
    }
    for (size_t i = 0; i < spec->n_containers; i++) {
        env_references(&listener, spec->containers[i]);
    }
    for (size_t i = 0; i < spec->n_init_containers; i++) {
        env_references(&listener, spec->init_containers[i]);
    }
    for (size_t i = 0; i < spec->n_image_pull_secrets; i++) {
        tell_local(&listener, POD_REFERS_TO_SECRET, spec->image_pull_secrets[i]);
    }
}

enum pod_reference pod_reference_of(const char *resource)
{
    static const char *const resources[POD_REFERENCES] = {
        [POD_REFERS_TO_ACCOUNT] = "serviceaccounts",
        [POD_REFERS_TO_SECRET] = "secrets",
        [POD_REFERS_TO_CONFIG_MAP] = "configmaps",
        [POD_REFERS_TO_CLAIM] = "persistentvolumeclaims",
    };
    size_t kind = 0;
    while (kind < POD_REFERENCES && strcmp(resources[kind], resource) != 0) {
        kind++;
    }
    return (enum pod_reference)kind;
}

struct sought {
    enum pod_reference kind;
    const char *name; /* NULL: any. */
    bool found;
};

static bool is_sought(void *data, enum pod_reference kind, const char *name)
{
    struct sought *sought = data;
    sought->found =
        kind == sought->kind && (sought->name == NULL || strcmp(name, sought->name) == 0);
    return !sought->found;
}

bool pod_spec_refers(const Core__V1__PodSpec *spec, const char *resource, const char *name)
{
    struct sought sought = {.kind = pod_reference_of(resource), .name = name};
    pod_spec_each_reference(spec, is_sought, &sought);
    return sought.found;
}
