/* Admission of pods: service account and its token volume, priority, default tolerations. */
#include "apiserver/admission.h"
#include "k8s/core_v1.pb-c.h"
#include "k8s/scheduling_v1.pb-c.h"
#include "lib/api/pod_profiles.h"
#include "lib/api/pod_references.h"
#include "lib/api/priority.h"

static const char token_path[] = "/var/run/secrets/kubernetes.io/serviceaccount";
enum { TOKEN_SECONDS_PROJECTED = 3607, TOLERATION_SECONDS = 300, DEFAULT_MODE = 0644 };

static Core__V1__Pod *new_pod(const struct admission *admission)
{
    bool wanted = admission->verb == ADMIT_CREATE && admission->subresource[0] == 0 &&
                  admission->kind == admission->operation->registry->pod_kind;
    return wanted ? admission->message : NULL;
}

static void *append_pointer(struct arena *arena, void *array, size_t count, void *item)
{
    void **grown = arena_array(arena, count + 1, sizeof(void *));
    if (count > 0) {
        memcpy(grown, array, count * sizeof(void *));
    }
    grown[count] = item;
    return grown;
}

static void *fresh(struct arena *arena, const char *message)
{
    const struct api_message *schema = api_message_find(message);
    return api_message_new(arena, schema);
}

/* The three sources that every pod gets: token, the cluster's CA, its namespace. */
static Core__V1__Volume *token_volume(struct arena *arena, const char *name)
{
    Core__V1__Volume *volume = fresh(arena, "k8s.io.api.core.v1.Volume");
    volume->name = arena_text(arena, name);
    if (volume->volume_source == NULL) {
        volume->volume_source = fresh(arena, "k8s.io.api.core.v1.VolumeSource");
    }
    Core__V1__ProjectedVolumeSource *projected =
        fresh(arena, "k8s.io.api.core.v1.ProjectedVolumeSource");
    volume->volume_source->projected = projected;
    projected->has_default_mode = true;
    projected->default_mode = DEFAULT_MODE;

    Core__V1__VolumeProjection *token = fresh(arena, "k8s.io.api.core.v1.VolumeProjection");
    token->service_account_token = fresh(arena, "k8s.io.api.core.v1.ServiceAccountTokenProjection");
    token->service_account_token->has_expiration_seconds = true;
    token->service_account_token->expiration_seconds = TOKEN_SECONDS_PROJECTED;
    token->service_account_token->path = arena_text(arena, "token");

    Core__V1__VolumeProjection *ca = fresh(arena, "k8s.io.api.core.v1.VolumeProjection");
    ca->config_map = fresh(arena, "k8s.io.api.core.v1.ConfigMapProjection");
    if (ca->config_map->local_object_reference == NULL) {
        ca->config_map->local_object_reference =
            fresh(arena, "k8s.io.api.core.v1.LocalObjectReference");
    }
    ca->config_map->local_object_reference->name = arena_text(arena, "kube-root-ca.crt");
    Core__V1__KeyToPath *ca_item = fresh(arena, "k8s.io.api.core.v1.KeyToPath");
    ca_item->key = arena_text(arena, "ca.crt");
    ca_item->path = arena_text(arena, "ca.crt");
    ca->config_map->items = append_pointer(arena, NULL, 0, ca_item);
    ca->config_map->n_items = 1;

    Core__V1__VolumeProjection *namespace = fresh(arena, "k8s.io.api.core.v1.VolumeProjection");
    namespace->downward_api = fresh(arena, "k8s.io.api.core.v1.DownwardAPIProjection");
    Core__V1__DownwardAPIVolumeFile *file =
        fresh(arena, "k8s.io.api.core.v1.DownwardAPIVolumeFile");
    file->path = arena_text(arena, "namespace");
    file->field_ref = fresh(arena, "k8s.io.api.core.v1.ObjectFieldSelector");
    file->field_ref->api_version = arena_text(arena, "v1");
    file->field_ref->field_path = arena_text(arena, "metadata.namespace");
    namespace->downward_api->items = append_pointer(arena, NULL, 0, file);
    namespace->downward_api->n_items = 1;

    Core__V1__VolumeProjection **sources = arena_array(arena, 3, sizeof(*sources));
    sources[0] = token;
    sources[1] = ca;
    sources[2] = namespace;
    projected->sources = sources;
    projected->n_sources = 3;
    return volume;
}

static bool mounts_token_path(const Core__V1__Container *container)
{
    for (size_t i = 0; i < container->n_volume_mounts; i++) {
        const char *path = container->volume_mounts[i]->mount_path;
        if (path != NULL && strcmp(path, token_path) == 0) {
            return true;
        }
    }
    return false;
}

/* True when a container was given the mount. */
static bool mount_token(struct arena *arena, Core__V1__Container *const *containers, size_t count,
                        const char *volume)
{
    bool mounted = false;
    for (size_t i = 0; i < count; i++) {
        Core__V1__Container *container = containers[i];
        if (mounts_token_path(container)) {
            continue;
        }
        Core__V1__VolumeMount *mount = fresh(arena, "k8s.io.api.core.v1.VolumeMount");
        mount->name = arena_text(arena, volume);
        mount->has_read_only = true;
        mount->read_only = true;
        mount->mount_path = arena_text(arena, token_path);
        container->volume_mounts =
            append_pointer(arena, container->volume_mounts, container->n_volume_mounts, mount);
        container->n_volume_mounts++;
        mounted = true;
    }
    return mounted;
}

static const char *volume_name(struct operation *operation, const Core__V1__PodSpec *spec)
{
    for (size_t i = 0; i < spec->n_volumes; i++) {
        const char *name = spec->volumes[i]->name;
        if (name != NULL && strncmp(name, "kube-api-access-", 16) == 0) {
            return name;
        }
    }
    return arena_printf(operation->arena, "kube-api-access-%s",
                        operation_random_suffix(operation, 5));
}

static bool automount(const Core__V1__PodSpec *spec, const Core__V1__ServiceAccount *account)
{
    if (spec->has_automount_service_account_token) {
        return spec->automount_service_account_token;
    }
    return !account->has_automount_service_account_token ||
           account->automount_service_account_token;
}

static void add_token_volume(struct operation *operation, Core__V1__PodSpec *spec)
{
    const char *name = volume_name(operation, spec);
    bool exists = false;
    for (size_t i = 0; i < spec->n_volumes; i++) {
        exists =
            exists || (spec->volumes[i]->name != NULL && strcmp(spec->volumes[i]->name, name) == 0);
    }
    bool init = mount_token(operation->arena, spec->init_containers, spec->n_init_containers, name);
    bool main = mount_token(operation->arena, spec->containers, spec->n_containers, name);
    if ((init || main) && !exists) {
        spec->volumes = append_pointer(operation->arena, spec->volumes, spec->n_volumes,
                                       token_volume(operation->arena, name));
        spec->n_volumes++;
    }
}

static void copy_pull_secrets(struct arena *arena, const Core__V1__ServiceAccount *account,
                              Core__V1__PodSpec *spec)
{
    if (spec->n_image_pull_secrets > 0) {
        return;
    }
    for (size_t i = 0; i < account->n_image_pull_secrets; i++) {
        Core__V1__LocalObjectReference *reference =
            fresh(arena, "k8s.io.api.core.v1.LocalObjectReference");
        reference->name = account->image_pull_secrets[i]->name;
        spec->image_pull_secrets =
            append_pointer(arena, spec->image_pull_secrets, spec->n_image_pull_secrets, reference);
        spec->n_image_pull_secrets++;
    }
}

static bool projects_token(const Core__V1__PodSpec *spec)
{
    for (size_t i = 0; i < spec->n_volumes; i++) {
        const Core__V1__ProjectedVolumeSource *projected =
            spec->volumes[i]->volume_source->projected;
        for (size_t j = 0; projected != NULL && j < projected->n_sources; j++) {
            if (projected->sources[j]->service_account_token != NULL) {
                return true;
            }
        }
    }
    return false;
}

/* What a node runs by itself has no identity, and nothing secret, of the API. */
static const struct api_status *check_mirror(struct admission *admission, const Core__V1__Pod *pod)
{
    const Core__V1__PodSpec *spec = pod->spec;
    const char *wrong = NULL;
    if (spec->service_account_name != NULL && spec->service_account_name[0] != 0) {
        wrong = "a mirror pod may not reference service accounts";
    } else if (pod_refers(pod, "secrets", NULL)) {
        wrong = "a mirror pod may not reference secrets";
    } else if (projects_token(spec)) {
        wrong = "a mirror pod may not use ServiceAccountToken volume projections";
    }
    return wrong == NULL ? NULL
                         : api_status_forbidden(admission->operation->arena, admission->kind,
                                                admission->name, wrong);
}

const struct api_status *admit_pod_service_account(struct admission *admission)
{
    Core__V1__Pod *pod = new_pod(admission);
    struct operation *operation = admission->operation;
    if (pod == NULL) {
        return NULL;
    }
    if (pod_is_mirror(pod)) {
        return check_mirror(admission, pod);
    }
    Core__V1__PodSpec *spec = pod->spec;
    if (spec->service_account_name == NULL || spec->service_account_name[0] == 0) {
        spec->service_account_name = arena_text(operation->arena, "default");
    }
    spec->service_account = spec->service_account_name;
    const struct cached_object *cached =
        operation_lookup(operation, operation->registry->service_account_kind, admission->namespace,
                         spec->service_account_name);
    const Core__V1__ServiceAccount *account = cached == NULL ? NULL : cached_object_message(cached);
    if (account == NULL) {
        return api_status_forbidden(
            operation->arena, admission->kind, admission->name,
            arena_printf(operation->arena,
                         "error looking up service account %s/%s: serviceaccount \"%s\" not found",
                         admission->namespace, spec->service_account_name,
                         spec->service_account_name));
    }
    if (automount(spec, account)) {
        add_token_volume(operation, spec);
    }
    copy_pull_secrets(operation->arena, account, spec);
    return NULL;
}

struct default_class {
    const Scheduling__V1__PriorityClass *found;
};

static bool keep_default(void *data, const struct cached_object *object)
{
    struct default_class *best = data;
    const Scheduling__V1__PriorityClass *class = cached_object_message(object);
    if (class != NULL && class->global_default &&
        (best->found == NULL || class->value < best->found->value)) {
        best->found = class;
    }
    return true;
}

static const struct api_status *named_priority(struct admission *admission, Core__V1__PodSpec *spec,
                                               int32_t *ret_value, const char **ret_policy)
{
    struct operation *operation = admission->operation;
    const char *name = spec->priority_class_name;
    const struct api_system_priority *known = api_system_priority_find(name);
    if (known != NULL) {
        *ret_value = known->value;
        return NULL;
    }
    const struct cached_object *cached =
        operation->registry->priority_class_kind == NULL
            ? NULL
            : operation_lookup(operation, operation->registry->priority_class_kind, "", name);
    const Scheduling__V1__PriorityClass *class =
        cached == NULL ? NULL : cached_object_message(cached);
    if (class == NULL) {
        return api_status_forbidden(
            operation->arena, admission->kind, admission->name,
            arena_printf(operation->arena, "no PriorityClass with name %s was found", name));
    }
    *ret_value = class->value;
    if (class->preemption_policy != NULL && class->preemption_policy[0] != 0) {
        *ret_policy = class->preemption_policy;
    }
    return NULL;
}

const struct api_status *admit_pod_priority(struct admission *admission)
{
    Core__V1__Pod *pod = new_pod(admission);
    if (pod == NULL) {
        return NULL;
    }
    struct operation *operation = admission->operation;
    Core__V1__PodSpec *spec = pod->spec;
    int32_t value = 0;
    const char *policy = "PreemptLowerPriority";
    if (spec->priority_class_name != NULL && spec->priority_class_name[0] != 0) {
        const struct api_status *refusal = named_priority(admission, spec, &value, &policy);
        if (refusal != NULL) {
            return refusal;
        }
    } else if (operation->registry->priority_class_kind != NULL) {
        struct default_class best = {0};
        struct cache_view *view = watch_cache_view(operation->registry->config.cache,
                                                   operation->registry->priority_class_kind);
        cache_view_each(view, "", slice_text(""), keep_default, &best);
        if (best.found != NULL) {
            value = best.found->value;
            spec->priority_class_name = arena_text(operation->arena, best.found->metadata->name);
            if (best.found->preemption_policy != NULL) {
                policy = arena_text(operation->arena, best.found->preemption_policy);
            }
        }
        cache_view_free(view);
    }
    if (spec->has_priority && spec->priority != value) {
        return api_status_forbidden(
            operation->arena, admission->kind, admission->name,
            arena_printf(operation->arena,
                         "the integer value of priority (%d) must not be provided in pod spec; "
                         "priority admission controller computed %d from the given PriorityClass "
                         "name",
                         spec->priority, value));
    }
    spec->has_priority = true;
    spec->priority = value;
    if (spec->preemption_policy == NULL) {
        spec->preemption_policy = arena_text(operation->arena, policy);
    }
    return NULL;
}

static bool tolerates(const Core__V1__PodSpec *spec, const char *key)
{
    for (size_t i = 0; i < spec->n_tolerations; i++) {
        const Core__V1__Toleration *toleration = spec->tolerations[i];
        bool any_key = toleration->key == NULL || toleration->key[0] == 0;
        bool any_effect = toleration->effect == NULL || toleration->effect[0] == 0 ||
                          strcmp(toleration->effect, "NoExecute") == 0;
        if (any_effect && (any_key || strcmp(toleration->key, key) == 0)) {
            return true;
        }
    }
    return false;
}

const struct api_status *admit_pod_tolerations(struct admission *admission)
{
    static const char *const keys[] = {"node.kubernetes.io/not-ready",
                                       "node.kubernetes.io/unreachable"};
    bool written = (admission->verb == ADMIT_CREATE || admission->verb == ADMIT_UPDATE) &&
                   admission->subresource[0] == 0 &&
                   admission->kind == admission->operation->registry->pod_kind;
    if (!written) {
        return NULL;
    }
    Core__V1__Pod *pod = admission->message;
    struct arena *arena = admission->operation->arena;
    bool tolerated[ARRAY_LEN(keys)];
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        tolerated[i] = tolerates(pod->spec, keys[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (tolerated[i]) {
            continue;
        }
        Core__V1__Toleration *toleration = fresh(arena, "k8s.io.api.core.v1.Toleration");
        toleration->key = arena_text(arena, keys[i]);
        toleration->operator_ = arena_text(arena, "Exists");
        toleration->effect = arena_text(arena, "NoExecute");
        toleration->has_toleration_seconds = true;
        toleration->toleration_seconds = TOLERATION_SECONDS;
        pod->spec->tolerations =
            append_pointer(arena, pod->spec->tolerations, pod->spec->n_tolerations, toleration);
        pod->spec->n_tolerations++;
    }
    return NULL;
}

const struct api_status *admit_pod_profile_warnings(struct admission *admission)
{
    const Core__V1__Pod *pod = new_pod(admission);
    struct operation *operation = admission->operation;
    struct pod_profile_warnings warnings = {0};
    if (pod != NULL) {
        warnings = api_pod_profile_warnings(operation->arena, pod);
    }
    for (size_t i = 0; i < warnings.count; i++) {
        operation_warn(operation, warnings.texts[i]);
    }
    return NULL;
}
