/* QoS class, resources and the paths of a pod. */
#include "agent/container_config.h"

#include "lib/api/quantity.h"
#include <string.h>

#define CRITICAL_PRIORITY 2000001000

static struct quantity find_quantity(const Core__V1__Container *container, bool limit,
                                     const char *name, bool *ret_found)
{
    const Core__V1__ResourceRequirements *resources = container->resources;
    *ret_found = false;
    if (resources == NULL) {
        return quantity_of(0, QUANTITY_DECIMAL_SI);
    }
    for (size_t i = 0; limit && i < resources->n_limits; i++) {
        if (strcmp(resources->limits[i]->key, name) == 0) {
            *ret_found = true;
            return quantity_read(resources->limits[i]->value);
        }
    }
    for (size_t i = 0; !limit && i < resources->n_requests; i++) {
        if (strcmp(resources->requests[i]->key, name) == 0) {
            *ret_found = true;
            return quantity_read(resources->requests[i]->value);
        }
    }
    return quantity_of(0, QUANTITY_DECIMAL_SI);
}

static void weigh(const Core__V1__Container *container, bool *any, bool *all_guaranteed)
{
    static const char *const names[] = {"cpu", "memory"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        bool has_limit, has_request;
        struct quantity limit = find_quantity(container, /* limit= */ true, names[i], &has_limit);
        struct quantity request =
            find_quantity(container, /* limit= */ false, names[i], &has_request);
        *any |= quantity_sign(limit) > 0 || quantity_sign(request) > 0;
        *all_guaranteed &=
            quantity_sign(limit) > 0 && (!has_request || quantity_compare(limit, request) == 0);
    }
}

enum pod_qos pod_qos_class(const Core__V1__Pod *pod)
{
    bool any = false, all_guaranteed = true;
    for (size_t i = 0; i < pod->spec->n_init_containers; i++) {
        weigh(pod->spec->init_containers[i], &any, &all_guaranteed);
    }
    for (size_t i = 0; i < pod->spec->n_containers; i++) {
        weigh(pod->spec->containers[i], &any, &all_guaranteed);
    }
    if (!any) {
        return QOS_BEST_EFFORT;
    }
    return all_guaranteed ? QOS_GUARANTEED : QOS_BURSTABLE;
}

const char *pod_qos_name(enum pod_qos qos)
{
    static const char *const names[] = {
        [QOS_GUARANTEED] = "Guaranteed",
        [QOS_BURSTABLE] = "Burstable",
        [QOS_BEST_EFFORT] = "BestEffort",
    };
    return names[qos];
}

int64_t pod_oom_score_adj(const struct pod_inputs *inputs, const Core__V1__Container *container)
{
    enum pod_qos qos = pod_qos_class(inputs->pod);
    bool critical =
        inputs->pod->spec->has_priority && inputs->pod->spec->priority >= CRITICAL_PRIORITY;
    if (critical || qos == QOS_GUARANTEED) {
        return -997;
    }
    if (qos == QOS_BEST_EFFORT || inputs->node_memory_bytes <= 0) {
        return 1000;
    }
    bool found;
    int64_t request =
        quantity_value(find_quantity(container, /* limit= */ false, "memory", &found));
    int64_t share = (int64_t)((__extension__(__int128) 1000 * request) / inputs->node_memory_bytes);
    int64_t score = 1000 - share;
    if (score < 2) {
        return 2;
    }
    return score > 999 ? 999 : score;
}

char *pod_dir(struct arena *arena, const struct pod_inputs *inputs)
{
    return arena_printf(arena, "%s/%s", inputs->pods_dir, inputs->pod->metadata->uid);
}

char *pod_log_dir(struct arena *arena, const struct pod_inputs *inputs)
{
    const Meta__V1__ObjectMeta *meta = inputs->pod->metadata;
    return arena_printf(arena, "%s/%s_%s_%s", inputs->logs_dir, meta->namespace_, meta->name,
                        meta->uid);
}

char *pod_hosts_path(struct arena *arena, const struct pod_inputs *inputs)
{
    return arena_printf(arena, "%s/etc-hosts", pod_dir(arena, inputs));
}

char *pod_termination_path(struct arena *arena, const struct pod_inputs *inputs,
                           const char *container, uint32_t attempt)
{
    return arena_printf(arena, "%s/containers/%s/%u", pod_dir(arena, inputs), container, attempt);
}

char *pod_volume_path(struct arena *arena, const struct pod_inputs *inputs,
                      const Core__V1__Volume *volume)
{
    const Core__V1__VolumeSource *source = volume->volume_source;
    const char *plugin = NULL;
    if (source == NULL || source->empty_dir != NULL) {
        plugin = "empty-dir";
    } else if (source->host_path != NULL) {
        return arena_text(arena, source->host_path->path);
    } else if (source->config_map != NULL) {
        plugin = "configmap";
    } else if (source->secret != NULL) {
        plugin = "secret";
    } else if (source->downward_api != NULL) {
        plugin = "downward-api";
    } else if (source->projected != NULL) {
        plugin = "projected";
    } else {
        return NULL;
    }
    return arena_printf(arena, "%s/volumes/kubernetes.io~%s/%s", pod_dir(arena, inputs), plugin,
                        volume->name);
}

char *pod_subpath_path(struct arena *arena, const struct pod_inputs *inputs, const char *container,
                       size_t mount_index, const char *volume)
{
    return arena_printf(arena, "%s/volume-subpaths/%s/%s/%zu", pod_dir(arena, inputs), volume,
                        container, mount_index);
}

const char *pod_mount_subpath(struct arena *arena, const Core__V1__VolumeMount *mount,
                              const struct pod_variables *variables)
{
    if (mount->sub_path != NULL && mount->sub_path[0] != '\0') {
        return mount->sub_path;
    }
    if (mount->sub_path_expr != NULL && mount->sub_path_expr[0] != '\0') {
        return pod_expand(arena, mount->sub_path_expr, variables);
    }
    return NULL;
}

char *pod_cgroup_parent(struct arena *arena, const struct pod_inputs *inputs)
{
    const char *uid = inputs->pod->metadata->uid;
    switch (pod_qos_class(inputs->pod)) {
    case QOS_GUARANTEED:
        return arena_printf(arena, "/coracle/%s/kubepods/pod%s", inputs->node_name, uid);
    case QOS_BURSTABLE:
        return arena_printf(arena, "/coracle/%s/kubepods/burstable/pod%s", inputs->node_name, uid);
    case QOS_BEST_EFFORT:
        break;
    }
    return arena_printf(arena, "/coracle/%s/kubepods/besteffort/pod%s", inputs->node_name, uid);
}

static int64_t cpu_shares(int64_t milli)
{
    int64_t shares = milli * 1024 / 1000;
    return shares < 2 ? 2 : shares > 262144 ? 262144 : shares;
}

void container_resources_fill(const struct pod_inputs *inputs, const Core__V1__Container *container,
                              Cri__V1__LinuxContainerResources *resources)
{
    bool has_limit, has_request;
    struct quantity limit = find_quantity(container, /* limit= */ true, "cpu", &has_limit);
    struct quantity request = find_quantity(container, /* limit= */ false, "cpu", &has_request);
    int64_t limit_milli = quantity_milli_value(limit);
    resources->cpu_shares = cpu_shares(has_request ? quantity_milli_value(request) : limit_milli);
    if (has_limit && limit_milli > 0) {
        resources->cpu_period = 100000;
        resources->cpu_quota = limit_milli * 100;
        if (resources->cpu_quota < 1000) {
            resources->cpu_quota = 1000;
        }
    }
    struct quantity memory = find_quantity(container, /* limit= */ true, "memory", &has_limit);
    if (has_limit) {
        resources->memory_limit_in_bytes = quantity_value(memory);
    }
    resources->oom_score_adj = pod_oom_score_adj(inputs, container);
}
