#include "lib/api/pod_references.h"

#include "lib/api/object.h"
#include "lib/base/alloc.h"
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

static void env_references(struct listener *listener, Core__V1__EnvFromSource *const *sources,
                           size_t n_sources, Core__V1__EnvVar *const *env, size_t n_env)
{
    for (size_t i = 0; i < n_sources; i++) {
        const Core__V1__EnvFromSource *from = sources[i];
        if (from->secret_ref != NULL) {
            tell_local(listener, POD_REFERS_TO_SECRET, from->secret_ref->local_object_reference);
        }
        if (from->config_map_ref != NULL) {
            tell_local(listener, POD_REFERS_TO_CONFIG_MAP,
                       from->config_map_ref->local_object_reference);
        }
    }
    for (size_t i = 0; i < n_env; i++) {
        const Core__V1__EnvVarSource *from = env[i]->value_from;
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

static void container_references(struct listener *listener, Core__V1__Container *const *containers,
                                 size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const Core__V1__Container *container = containers[i];
        env_references(listener, container->env_from, container->n_env_from, container->env,
                       container->n_env);
    }
}

static void ephemeral_references(struct listener *listener, const Core__V1__PodSpec *spec)
{
    for (size_t i = 0; i < spec->n_ephemeral_containers; i++) {
        const Core__V1__EphemeralContainerCommon *container =
            spec->ephemeral_containers[i]->ephemeral_container_common;
        if (container != NULL) {
            env_references(listener, container->env_from, container->n_env_from, container->env,
                           container->n_env);
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

/* What the kinds of storage ask their servers with. */
static void credential_references(struct listener *listener, const Core__V1__VolumeSource *source)
{
    const Core__V1__LocalObjectReference *const secrets[] = {
        source->cephfs == NULL ? NULL : source->cephfs->secret_ref,
        source->cinder == NULL ? NULL : source->cinder->secret_ref,
        source->flex_volume == NULL ? NULL : source->flex_volume->secret_ref,
        source->rbd == NULL ? NULL : source->rbd->secret_ref,
        source->scale_io == NULL ? NULL : source->scale_io->secret_ref,
        source->iscsi == NULL ? NULL : source->iscsi->secret_ref,
        source->storageos == NULL ? NULL : source->storageos->secret_ref,
        source->csi == NULL ? NULL : source->csi->node_publish_secret_ref,
    };
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        tell_local(listener, POD_REFERS_TO_SECRET, secrets[i]);
    }
    if (source->azure_file != NULL) {
        tell(listener, POD_REFERS_TO_SECRET, source->azure_file->secret_name);
    }
}

/* The claim that is made for a volume has the names of pod and volume. */
static void tell_ephemeral(struct listener *listener, const Core__V1__Pod *pod,
                           const Core__V1__Volume *volume)
{
    const char *name = pod->metadata == NULL ? NULL : pod->metadata->name;
    CLEANUP(alloc_freep)
    char *claim = alloc_printf("%s-%s", text_or_empty(name), text_or_empty(volume->name));
    tell(listener, POD_REFERS_TO_CLAIM, claim);
}

static void volume_references(struct listener *listener, const Core__V1__Pod *pod,
                              const Core__V1__Volume *volume)
{
    const Core__V1__VolumeSource *source = volume->volume_source;
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
    if (source->ephemeral != NULL) {
        tell_ephemeral(listener, pod, volume);
    }
    credential_references(listener, source);
}

void pod_each_reference(const Core__V1__Pod *pod,
                        bool (*each)(void *data, enum pod_reference kind, const char *name),
                        void *data)
{
    const Core__V1__PodSpec *spec = pod->spec;
    struct listener listener = {.each = each, .data = data};
    tell(&listener, POD_REFERS_TO_ACCOUNT, spec->service_account_name);
    for (size_t i = 0; i < spec->n_volumes; i++) {
        volume_references(&listener, pod, spec->volumes[i]);
    }
    container_references(&listener, spec->containers, spec->n_containers);
    container_references(&listener, spec->init_containers, spec->n_init_containers);
    ephemeral_references(&listener, spec);
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

bool pod_refers(const Core__V1__Pod *pod, const char *resource, const char *name)
{
    struct sought sought = {.kind = pod_reference_of(resource), .name = name};
    pod_each_reference(pod, is_sought, &sought);
    return sought.found;
}

bool pod_is_mirror(const Core__V1__Pod *pod)
{
    return pod->metadata != NULL &&
           api_meta_annotation(pod->metadata, POD_MIRROR_ANNOTATION) != NULL;
}
