/* What pods refer to, and the downward API. */
#include "agent/pod_inputs.h"

#include "lib/api/quantity.h"
#include "lib/base/buffer.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { FIELD_TEXT_BYTES_MAX = 1 << 20 };

static const char *text_or(const char *text, const char *otherwise)
{
    return text == NULL || text[0] == '\0' ? otherwise : text;
}

static void add_reference(struct arena *arena, struct pod_references *list, const char *resource,
                          const char *name, bool optional)
{
    if (name == NULL || name[0] == '\0') {
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].name, name) == 0 &&
            strcmp(list->items[i].resource, resource) == 0) {
            list->items[i].optional &= optional;
            return;
        }
    }
    struct pod_reference *grown = arena_array(arena, list->count + 1, sizeof(*grown));
    if (list->count > 0) {
        memcpy(grown, list->items, list->count * sizeof(*grown));
    }
    grown[list->count++] = (struct pod_reference){resource, name, optional};
    list->items = grown;
}

static const char *local_name(const Core__V1__LocalObjectReference *reference)
{
    return reference == NULL ? NULL : reference->name;
}

static void collect_container(struct arena *arena, struct pod_references *list,
                              const Core__V1__Container *container)
{
    for (size_t i = 0; i < container->n_env_from; i++) {
        const Core__V1__EnvFromSource *from = container->env_from[i];
        if (from->config_map_ref != NULL) {
            add_reference(arena, list, "configmaps",
                          local_name(from->config_map_ref->local_object_reference),
                          from->config_map_ref->optional);
        }
        if (from->secret_ref != NULL) {
            add_reference(arena, list, "secrets",
                          local_name(from->secret_ref->local_object_reference),
                          from->secret_ref->optional);
        }
    }
    for (size_t i = 0; i < container->n_env; i++) {
        const Core__V1__EnvVarSource *from = container->env[i]->value_from;
        if (from != NULL && from->config_map_key_ref != NULL) {
            add_reference(arena, list, "configmaps",
                          local_name(from->config_map_key_ref->local_object_reference),
                          from->config_map_key_ref->optional);
        }
        if (from != NULL && from->secret_key_ref != NULL) {
            add_reference(arena, list, "secrets",
                          local_name(from->secret_key_ref->local_object_reference),
                          from->secret_key_ref->optional);
        }
    }
}

static void collect_projected(struct arena *arena, struct pod_references *list,
                              const Core__V1__ProjectedVolumeSource *projected)
{
    for (size_t i = 0; i < projected->n_sources; i++) {
        const Core__V1__VolumeProjection *source = projected->sources[i];
        if (source->config_map != NULL) {
            add_reference(arena, list, "configmaps",
                          local_name(source->config_map->local_object_reference),
                          source->config_map->optional);
        }
        if (source->secret != NULL) {
            add_reference(arena, list, "secrets",
                          local_name(source->secret->local_object_reference),
                          source->secret->optional);
        }
    }
}

struct pod_references pod_references_collect(struct arena *arena, const Core__V1__Pod *pod)
{
    struct pod_references list = {.count = 0};
    for (size_t i = 0; i < pod->spec->n_init_containers; i++) {
        collect_container(arena, &list, pod->spec->init_containers[i]);
    }
    for (size_t i = 0; i < pod->spec->n_containers; i++) {
        collect_container(arena, &list, pod->spec->containers[i]);
    }
    for (size_t i = 0; i < pod->spec->n_image_pull_secrets; i++) {
        add_reference(arena, &list, "secrets", pod->spec->image_pull_secrets[i]->name,
                      /* optional= */ true);
    }
    for (size_t i = 0; i < pod->spec->n_volumes; i++) {
        const Core__V1__VolumeSource *source = pod->spec->volumes[i]->volume_source;
        if (source == NULL) {
            continue;
        }
        if (source->config_map != NULL) {
            add_reference(arena, &list, "configmaps",
                          local_name(source->config_map->local_object_reference),
                          source->config_map->optional);
        }
        if (source->secret != NULL) {
            add_reference(arena, &list, "secrets", source->secret->secret_name,
                          source->secret->optional);
        }
        if (source->projected != NULL) {
            collect_projected(arena, &list, source->projected);
        }
    }
    return list;
}

bool config_map_value(const Core__V1__ConfigMap *map, const char *key, struct slice *ret_value)
{
    for (size_t i = 0; i < map->n_data; i++) {
        if (strcmp(map->data[i]->key, key) == 0) {
            *ret_value = slice_text(map->data[i]->value);
            return true;
        }
    }
    for (size_t i = 0; i < map->n_binary_data; i++) {
        if (strcmp(map->binary_data[i]->key, key) == 0) {
            *ret_value = slice_of(map->binary_data[i]->value.data, map->binary_data[i]->value.len);
            return true;
        }
    }
    return false;
}

bool secret_value(const Core__V1__Secret *secret, const char *key, struct slice *ret_value)
{
    for (size_t i = 0; i < secret->n_data; i++) {
        if (strcmp(secret->data[i]->key, key) == 0) {
            *ret_value = slice_of(secret->data[i]->value.data, secret->data[i]->value.len);
            return true;
        }
    }
    return false;
}

/* Lines of key="value", as the downward API writes whole maps; the value in Go's quoting. */
static void append_quoted(struct buffer *out, const char *key, const char *value)
{
    buffer_append_text(out, key);
    buffer_append_text(out, "=\"");
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\') {
            buffer_append_byte(out, '\\');
            buffer_append_byte(out, (uint8_t)*at);
        } else if (*at == '\n') {
            buffer_append_text(out, "\\n");
        } else if (*at == '\t') {
            buffer_append_text(out, "\\t");
        } else {
            buffer_append_byte(out, (uint8_t)*at);
        }
    }
    buffer_append_text(out, "\"\n");
}

struct map_view {
    size_t count;
    const char *(*key)(const Meta__V1__ObjectMeta *meta, size_t index);
    const char *(*value)(const Meta__V1__ObjectMeta *meta, size_t index);
};

static const char *label_key(const Meta__V1__ObjectMeta *meta, size_t i)
{
    return meta->labels[i]->key;
}

static const char *label_value(const Meta__V1__ObjectMeta *meta, size_t i)
{
    return text_or(meta->labels[i]->value, "");
}

static const char *annotation_key(const Meta__V1__ObjectMeta *meta, size_t i)
{
    return meta->annotations[i]->key;
}

static const char *annotation_value(const Meta__V1__ObjectMeta *meta, size_t i)
{
    return text_or(meta->annotations[i]->value, "");
}

/* "metadata.labels" (all) or "metadata.labels['key']" (one; "" when absent). */
static bool map_field(struct arena *arena, const Meta__V1__ObjectMeta *meta, const char *path,
                      const char *prefix, struct map_view view, char **ret_text)
{
    size_t prefix_len = strlen(prefix);
    if (strncmp(path, prefix, prefix_len) != 0) {
        return false;
    }
    const char *rest = path + prefix_len;
    size_t rest_len = strlen(rest);
    if (rest_len == 0) {
        struct buffer out;
        buffer_init(&out, FIELD_TEXT_BYTES_MAX);
        for (size_t i = 0; i < view.count; i++) {
            append_quoted(&out, view.key(meta, i), view.value(meta, i));
        }
        *ret_text = arena_text(arena, buffer_text(&out));
        buffer_release(&out);
        return true;
    }
    if (rest_len < 5 || strncmp(rest, "['", 2) != 0 || strcmp(rest + rest_len - 2, "']") != 0) {
        return false;
    }
    *ret_text = arena_text(arena, "");
    for (size_t i = 0; i < view.count; i++) {
        const char *key = view.key(meta, i);
        if (strlen(key) == rest_len - 4 && strncmp(key, rest + 2, rest_len - 4) == 0) {
            *ret_text = arena_text(arena, view.value(meta, i));
        }
    }
    return true;
}

int pod_field_value(struct arena *arena, const struct pod_inputs *inputs, const char *path,
                    char **ret_text, struct error *reterr)
{
    const Meta__V1__ObjectMeta *meta = inputs->pod->metadata;
    const Core__V1__PodSpec *spec = inputs->pod->spec;
    const struct {
        const char *path;
        const char *value;
    } plain[] = {
        {"metadata.name", meta->name},
        {"metadata.namespace", meta->namespace_},
        {"metadata.uid", meta->uid},
        {"spec.nodeName", text_or(spec->node_name, inputs->node_name)},
        {"spec.serviceAccountName", text_or(spec->service_account_name, "default")},
        {"status.hostIP", inputs->host_ip},
        {"status.hostIPs", inputs->host_ip},
        {"status.podIP", inputs->pod_ip},
        {"status.podIPs", inputs->pod_ip},
    };
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        if (strcmp(plain[i].path, path) == 0) {
            *ret_text = arena_text(arena, text_or(plain[i].value, ""));
            return 0;
        }
    }
    struct map_view labels = {meta->n_labels, label_key, label_value};
    struct map_view annotations = {meta->n_annotations, annotation_key, annotation_value};
    if (map_field(arena, meta, path, "metadata.labels", labels, ret_text) ||
        map_field(arena, meta, path, "metadata.annotations", annotations, ret_text)) {
        return 0;
    }
    return error_set(reterr, -EINVAL, "unsupported fieldPath: %s", path);
}

const Core__V1__Container *pod_container_find(const Core__V1__Pod *pod, const char *name)
{
    for (size_t i = 0; i < pod->spec->n_init_containers; i++) {
        if (strcmp(pod->spec->init_containers[i]->name, name) == 0) {
            return pod->spec->init_containers[i];
        }
    }
    for (size_t i = 0; i < pod->spec->n_containers; i++) {
        if (strcmp(pod->spec->containers[i]->name, name) == 0) {
            return pod->spec->containers[i];
        }
    }
    return NULL;
}

static const Quantity__Quantity *limit_of(const Core__V1__ResourceRequirements *resources,
                                          const char *name)
{
    for (size_t i = 0; resources != NULL && i < resources->n_limits; i++) {
        if (strcmp(resources->limits[i]->key, name) == 0) {
            return resources->limits[i]->value;
        }
    }
    return NULL;
}

static const Quantity__Quantity *request_of(const Core__V1__ResourceRequirements *resources,
                                            const char *name)
{
    for (size_t i = 0; resources != NULL && i < resources->n_requests; i++) {
        if (strcmp(resources->requests[i]->key, name) == 0) {
            return resources->requests[i]->value;
        }
    }
    return NULL;
}

int pod_resource_value(struct arena *arena, const struct pod_inputs *inputs,
                       const Core__V1__ResourceFieldSelector *selector,
                       const Core__V1__Container *container, char **ret_text, struct error *reterr)
{
    if (selector->container_name != NULL && selector->container_name[0] != '\0') {
        container = pod_container_find(inputs->pod, selector->container_name);
    }
    if (container == NULL) {
        return error_set(reterr, -EINVAL, "container %s not found",
                         text_or(selector->container_name, ""));
    }
    const char *resource = text_or(selector->resource, "");
    bool limit = strncmp(resource, "limits.", 7) == 0;
    if (!limit && strncmp(resource, "requests.", 9) != 0) {
        return error_set(reterr, -EINVAL, "unsupported container resource : %s", resource);
    }
    const char *name = resource + (limit ? 7 : 9);
    const Quantity__Quantity *value =
        limit ? limit_of(container->resources, name) : request_of(container->resources, name);
    struct quantity amount = quantity_read(value);
    if (limit && quantity_is_zero(amount)) { /* Without a limit it is what the node has. */
        if (strcmp(name, "cpu") == 0) {
            amount = quantity_of_milli(inputs->node_cpu_milli, QUANTITY_DECIMAL_SI);
        } else if (strcmp(name, "memory") == 0) {
            amount = quantity_of(inputs->node_memory_bytes, QUANTITY_BINARY_SI);
        }
    }
    struct quantity divisor = quantity_read(selector->divisor);
    if (quantity_is_zero(divisor)) {
        divisor = quantity_of(1, QUANTITY_DECIMAL_SI);
    }
    quantity_nanos units = (amount.nanos + divisor.nanos - 1) / divisor.nanos;
    *ret_text = arena_printf(arena, "%" PRId64, (int64_t)units);
    return 0;
}
