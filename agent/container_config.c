#include "agent/container_config.h"

#include "agent/container_config_internal.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const masked_paths[] = {
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
};
static const char *const readonly_paths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

/* protobuf-c has no const strings: what is borrowed is copied into the arena. */
static char **copy_texts(struct arena *arena, const char *const *texts, size_t count)
{
    char **copies = arena_array(arena, count + 1, sizeof(*copies));
    for (size_t i = 0; i < count; i++) {
        copies[i] = arena_text(arena, texts[i]);
    }
    return copies;
}

static bool given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

Cri__V1__StringEntry *cri_entry(struct arena *arena, const char *key, const char *value)
{
    Cri__V1__StringEntry *entry = arena_alloc(arena, sizeof(*entry));
    cri__v1__string_entry__init(entry);
    entry->key = arena_text(arena, key);
    entry->value = arena_text(arena, value);
    return entry;
}

const char *cri_entry_find(Cri__V1__StringEntry *const *entries, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(entries[i]->key, key) == 0) {
            return entries[i]->value;
        }
    }
    return NULL;
}

uint64_t container_hash(const Core__V1__Container *container)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (const char *at = container->image == NULL ? "" : container->image; *at != '\0'; at++) {
        hash = (hash ^ (uint8_t)*at) * UINT64_C(1099511628211);
    }
    return hash == 0 ? 1 : hash;
}

static int run_as(struct arena *arena, const struct pod_inputs *inputs,
                  const struct container_request *request,
                  Cri__V1__LinuxContainerSecurityContext *context, struct error *reterr)
{
    const Core__V1__PodSecurityContext *of_pod = inputs->pod->spec->security_context;
    const Core__V1__SecurityContext *own = request->container->security_context;
    int64_t uid = request->image_uid;
    if (own != NULL && own->has_run_as_user) {
        uid = own->run_as_user;
        context->run_as_user = cri_int64(arena, uid);
    } else if (of_pod != NULL && of_pod->has_run_as_user) {
        uid = of_pod->run_as_user;
        context->run_as_user = cri_int64(arena, uid);
    } else if (uid >= 0) {
        context->run_as_user = cri_int64(arena, uid);
    }
    if (own != NULL && own->has_run_as_group) {
        context->run_as_group = cri_int64(arena, own->run_as_group);
    } else if (of_pod != NULL && of_pod->has_run_as_group) {
        context->run_as_group = cri_int64(arena, of_pod->run_as_group);
    }
    if (context->run_as_group != NULL && context->run_as_user == NULL) {
        context->run_as_user = cri_int64(arena, 0); /* CRI wants a user beside a group. */
    }
    bool non_root = own != NULL && own->has_run_as_non_root
                        ? own->run_as_non_root
                        : of_pod != NULL && of_pod->has_run_as_non_root && of_pod->run_as_non_root;
    if (non_root && uid == 0) {
        return error_set(reterr, -EINVAL,
                         context->run_as_user != NULL && request->image_uid != 0
                             ? "container's runAsUser breaks non-root policy (pod: "
                               "\"%s_%s(%s)\", container: %s)"
                             : "container has runAsNonRoot and image will run as root (pod: "
                               "\"%s_%s(%s)\", container: %s)",
                         inputs->pod->metadata->name, inputs->pod->metadata->namespace_,
                         inputs->pod->metadata->uid, request->container->name);
    }
    return 0;
}

static void fill_paths(struct arena *arena, Cri__V1__LinuxContainerSecurityContext *context)
{
    context->n_masked_paths = ARRAY_LEN(masked_paths);
    context->masked_paths = copy_texts(arena, masked_paths, ARRAY_LEN(masked_paths));
    context->n_readonly_paths = ARRAY_LEN(readonly_paths);
    context->readonly_paths = copy_texts(arena, readonly_paths, ARRAY_LEN(readonly_paths));
}

static void fill_own_security(struct arena *arena, const Core__V1__SecurityContext *own,
                              Cri__V1__LinuxContainerSecurityContext *context)
{
    context->privileged = own->privileged;
    context->readonly_rootfs = own->read_only_root_filesystem;
    context->no_new_privs = own->has_allow_privilege_escalation && !own->allow_privilege_escalation;
    if (own->capabilities != NULL) {
        Cri__V1__Capability *capabilities = arena_alloc(arena, sizeof(*capabilities));
        cri__v1__capability__init(capabilities);
        capabilities->n_add_capabilities = own->capabilities->n_add;
        capabilities->add_capabilities = own->capabilities->add;
        capabilities->n_drop_capabilities = own->capabilities->n_drop;
        capabilities->drop_capabilities = own->capabilities->drop;
        context->capabilities = capabilities;
    }
}

static int linux_container(struct arena *arena, const struct pod_inputs *inputs,
                           const struct container_request *request,
                           Cri__V1__LinuxContainerConfig **ret_config, struct error *reterr)
{
    const Core__V1__PodSecurityContext *of_pod = inputs->pod->spec->security_context;
    const Core__V1__SecurityContext *own = request->container->security_context;
    Cri__V1__LinuxContainerConfig *config = arena_alloc(arena, sizeof(*config));
    cri__v1__linux_container_config__init(config);
    config->resources = arena_alloc(arena, sizeof(*config->resources));
    cri__v1__linux_container_resources__init(config->resources);
    container_resources_fill(inputs, request->container, config->resources);
    Cri__V1__LinuxContainerSecurityContext *context = arena_alloc(arena, sizeof(*context));
    cri__v1__linux_container_security_context__init(context);
    config->security_context = context;
    context->namespace_options = cri_namespaces(arena, inputs->pod->spec);
    int r = run_as(arena, inputs, request, context, reterr);
    if (r < 0) {
        return r;
    }
    if (own != NULL) {
        fill_own_security(arena, own, context);
    }
    if (!context->privileged) {
        fill_paths(arena, context);
    }
    context->seccomp = cri_seccomp(arena, own == NULL ? NULL : own->seccomp_profile,
                                   of_pod == NULL ? NULL : of_pod->seccomp_profile);
    if (of_pod != NULL) {
        Cri__V1__LinuxPodSandboxConfig *sandbox = cri_linux_sandbox(arena, inputs);
        context->n_supplemental_groups = sandbox->security_context->n_supplemental_groups;
        context->supplemental_groups = sandbox->security_context->supplemental_groups;
    }
    *ret_config = config;
    return 0;
}

static Cri__V1__Mount *new_mount(struct arena *arena, const char *container_path,
                                 const char *host_path)
{
    Cri__V1__Mount *mount = arena_alloc(arena, sizeof(*mount));
    cri__v1__mount__init(mount);
    mount->container_path = arena_text(arena, container_path);
    mount->host_path = arena_text(arena, host_path);
    return mount;
}

static Cri__V1__MountPropagation propagation(const char *text)
{
    if (text != NULL && strcmp(text, "HostToContainer") == 0) {
        return CRI__V1__MOUNT_PROPAGATION__PROPAGATION_HOST_TO_CONTAINER;
    }
    if (text != NULL && strcmp(text, "Bidirectional") == 0) {
        return CRI__V1__MOUNT_PROPAGATION__PROPAGATION_BIDIRECTIONAL;
    }
    return CRI__V1__MOUNT_PROPAGATION__PROPAGATION_PRIVATE;
}

static const Core__V1__Volume *find_volume(const Core__V1__Pod *pod, const char *name)
{
    for (size_t i = 0; i < pod->spec->n_volumes; i++) {
        if (strcmp(pod->spec->volumes[i]->name, name) == 0) {
            return pod->spec->volumes[i];
        }
    }
    return NULL;
}

static int add_mounts(struct arena *arena, const struct pod_inputs *inputs,
                      const struct container_request *request,
                      const struct pod_variables *variables, Cri__V1__ContainerConfig *config,
                      struct error *reterr)
{
    const Core__V1__Container *container = request->container;
    bool has_hosts = false;
    config->mounts = arena_array(arena, container->n_volume_mounts + 2, sizeof(*config->mounts));
    for (size_t i = 0; i < container->n_volume_mounts; i++) {
        const Core__V1__VolumeMount *mount = container->volume_mounts[i];
        const Core__V1__Volume *volume = find_volume(inputs->pod, mount->name);
        const char *path = volume == NULL ? NULL : pod_volume_path(arena, inputs, volume);
        if (path == NULL) {
            return error_set(reterr, -EINVAL,
                             "cannot find volume \"%s\" to mount into container "
                             "\"%s\"",
                             mount->name, container->name);
        }
        if (pod_mount_subpath(arena, mount, variables) != NULL) {
            path = pod_subpath_path(arena, inputs, container->name, i, mount->name);
        }
        Cri__V1__Mount *result = new_mount(arena, mount->mount_path, path);
        result->readonly = mount->read_only || (volume->volume_source != NULL &&
                                                (volume->volume_source->config_map != NULL ||
                                                 volume->volume_source->secret != NULL ||
                                                 volume->volume_source->projected != NULL ||
                                                 volume->volume_source->downward_api != NULL));
        result->propagation = propagation(mount->mount_propagation);
        config->mounts[config->n_mounts++] = result;
        has_hosts |= strcmp(mount->mount_path, "/etc/hosts") == 0;
    }
    if (!has_hosts && !inputs->pod->spec->host_network) {
        config->mounts[config->n_mounts++] =
            new_mount(arena, "/etc/hosts", pod_hosts_path(arena, inputs));
    }
    if (given(container->termination_message_path)) {
        config->mounts[config->n_mounts++] =
            new_mount(arena, container->termination_message_path,
                      pod_termination_path(arena, inputs, container->name, request->attempt));
    }
    return 0;
}

static void add_identity(struct arena *arena, const struct pod_inputs *inputs,
                         const struct container_request *request, Cri__V1__ContainerConfig *config)
{
    const Meta__V1__ObjectMeta *meta = inputs->pod->metadata;
    const Core__V1__Container *container = request->container;
    config->metadata = arena_alloc(arena, sizeof(*config->metadata));
    cri__v1__container_metadata__init(config->metadata);
    config->metadata->name = arena_text(arena, container->name);
    config->metadata->attempt = request->attempt;
    config->labels = arena_array(arena, 4, sizeof(*config->labels));
    config->labels[config->n_labels++] =
        cri_entry(arena, "io.kubernetes.container.name", container->name);
    config->labels[config->n_labels++] = cri_entry(arena, "io.kubernetes.pod.name", meta->name);
    config->labels[config->n_labels++] =
        cri_entry(arena, "io.kubernetes.pod.namespace", meta->namespace_);
    config->labels[config->n_labels++] = cri_entry(arena, "io.kubernetes.pod.uid", meta->uid);
    config->annotations = arena_array(arena, 6, sizeof(*config->annotations));
    config->annotations[config->n_annotations++] = cri_entry(
        arena, "io.kubernetes.container.hash", arena_printf(arena, "%" PRIx64, request->hash));
    config->annotations[config->n_annotations++] = cri_entry(
        arena, "io.kubernetes.container.restartCount", arena_printf(arena, "%u", request->attempt));
    config->annotations[config->n_annotations++] = cri_entry(
        arena, "io.kubernetes.container.terminationMessagePath",
        given(container->termination_message_path) ? container->termination_message_path : "");
    config->annotations[config->n_annotations++] = cri_entry(
        arena, "io.kubernetes.container.terminationMessagePolicy",
        given(container->termination_message_policy) ? container->termination_message_policy
                                                     : "File");
    config->annotations[config->n_annotations++] = cri_entry(
        arena, "io.kubernetes.pod.terminationGracePeriod",
        arena_printf(arena, "%" PRId64, inputs->pod->spec->termination_grace_period_seconds));
    if (inputs->hollow && request->runs_to_end) {
        config->annotations[config->n_annotations++] =
            cri_entry(arena, "coracle.io/runs-to-end", "true");
    }
}

static void add_command(struct arena *arena, const Core__V1__Container *container,
                        const struct pod_variables *variables, Cri__V1__ContainerConfig *config)
{
    config->command = arena_array(arena, container->n_command + 1, sizeof(char *));
    for (size_t i = 0; i < container->n_command; i++) {
        config->command[config->n_command++] = pod_expand(arena, container->command[i], variables);
    }
    config->args = arena_array(arena, container->n_args + 1, sizeof(char *));
    for (size_t i = 0; i < container->n_args; i++) {
        config->args[config->n_args++] = pod_expand(arena, container->args[i], variables);
    }
    config->envs = arena_array(arena, variables->count + 1, sizeof(*config->envs));
    for (size_t i = 0; i < variables->count; i++) {
        Cri__V1__KeyValue *pair = arena_alloc(arena, sizeof(*pair));
        cri__v1__key_value__init(pair);
        pair->key = arena_text(arena, variables->items[i].name);
        pair->value = arena_text(arena, variables->items[i].value);
        config->envs[config->n_envs++] = pair;
    }
    if (given(container->working_dir)) {
        config->working_dir = arena_text(arena, container->working_dir);
    }
}

int container_config_build(struct arena *arena, const struct pod_inputs *inputs,
                           const struct container_request *request,
                           Cri__V1__ContainerConfig **ret_config, struct error *reterr)
{
    const Core__V1__Container *container = request->container;
    struct pod_variables variables;
    int r = pod_env_build(arena, inputs, container, &variables, reterr);
    if (r < 0) {
        return r;
    }
    Cri__V1__ContainerConfig *config = arena_alloc(arena, sizeof(*config));
    cri__v1__container_config__init(config);
    add_identity(arena, inputs, request, config);
    config->image = arena_alloc(arena, sizeof(*config->image));
    cri__v1__image_spec__init(config->image);
    config->image->image = arena_text(arena, request->image_ref);
    config->image->user_specified_image =
        arena_text(arena, container->image == NULL ? "" : container->image);
    add_command(arena, container, &variables, config);
    r = add_mounts(arena, inputs, request, &variables, config, reterr);
    if (r < 0) {
        return r;
    }
    config->log_path = arena_printf(arena, "%s/%u.log", container->name, request->attempt);
    config->stdin = container->stdin;
    config->stdin_once = container->stdin_once;
    config->tty = container->tty;
    r = linux_container(arena, inputs, request, &config->linux_options, reterr);
    if (r < 0) {
        return r;
    }
    *ret_config = config;
    return 0;
}
