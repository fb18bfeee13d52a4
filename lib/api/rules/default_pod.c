#include "lib/api/rules/default_hooks.h"
#include "lib/api/rules/rules.h"

/* Always for images without a tag (and digest) and for "latest"; else an image is pulled once. */
static const char *pull_policy(const char *image)
{
    const char *name = strrchr(text_or_empty(image), '/');
    name = name == NULL ? text_or_empty(image) : name + 1;
    const char *digest = strchr(name, '@');
    const char *tag = strchr(name, ':');
    if (digest != NULL && (tag == NULL || tag > digest)) {
        return "IfNotPresent";
    }
    if (tag == NULL || strcmp(tag, ":latest") == 0) {
        return "Always";
    }
    return digest != NULL || tag[1] != '\0' ? "IfNotPresent" : "Always";
}

void default_container(struct arena *arena, void *message)
{
    Core__V1__Container *container = message;
    rules_default(arena, &container->image_pull_policy, pull_policy(container->image));
}

void default_ephemeral_container(struct arena *arena, void *message)
{
    Core__V1__EphemeralContainerCommon *container = message;
    rules_default(arena, &container->image_pull_policy, pull_policy(container->image));
}

void default_image_volume(struct arena *arena, void *message)
{
    Core__V1__ImageVolumeSource *image = message;
    rules_default(arena, &image->pull_policy, pull_policy(image->reference));
}

void default_pod_spec(struct arena *arena, void *message)
{
    Core__V1__PodSpec *spec = message;
    if (spec->security_context == NULL) {
        spec->security_context = rules_new(arena, "k8s.io.api.core.v1.PodSecurityContext");
    }
    if (rules_empty(spec->service_account_name) && !rules_empty(spec->service_account)) {
        spec->service_account_name = arena_text(arena, spec->service_account);
    }
    /* The old name always mirrors the new one on output. */
    spec->service_account = spec->service_account_name;
}

void default_volume(struct arena *arena, void *message)
{
    Core__V1__Volume *volume = message;
    const struct api_message *table = api_message_find("k8s.io.api.core.v1.VolumeSource");
    for (size_t i = 0; volume->volume_source != NULL && i < table->field_count; i++) {
        if (api_field_is_set(&table->fields[i], volume->volume_source)) {
            return;
        }
    }
    if (volume->volume_source == NULL) {
        volume->volume_source = rules_new(arena, "k8s.io.api.core.v1.VolumeSource");
    }
    volume->volume_source->empty_dir = rules_new(arena, "k8s.io.api.core.v1.EmptyDirVolumeSource");
}

/* A limit without a request requests as much. Only in pods, not in templates. */
static void requests_from_limits(struct arena *arena, Core__V1__ResourceRequirements *resources)
{
    if (resources == NULL || resources->n_limits == 0) {
        return;
    }
    const struct api_member *member = api_message_member_text(
        api_message_find("k8s.io.api.core.v1.ResourceRequirements"), "requests");
    struct rules_quantities present =
        rules_quantities_indexed(arena, RULES_QUANTITIES(resources, requests));
    size_t count = resources->n_requests;
    Core__V1__ResourceRequirements__RequestsEntry **requests =
        arena_array(arena, count + resources->n_limits, sizeof(*requests));
    if (count > 0) {
        memcpy(requests, resources->requests, count * sizeof(*requests));
    }
    for (size_t i = 0; i < resources->n_limits; i++) {
        if (rules_quantity_get(present, text_or_empty(resources->limits[i]->key)) == NULL) {
            Core__V1__ResourceRequirements__RequestsEntry *entry =
                api_message_new(arena, member->field->entry);
            entry->key = resources->limits[i]->key;
            entry->value = resources->limits[i]->value;
            requests[count++] = entry;
        }
    }
    resources->requests = requests;
    resources->n_requests = count;
}

static void host_ports(Core__V1__Container *container)
{
    for (size_t i = 0; i < container->n_ports; i++) {
        if (container->ports[i]->host_port == 0) {
            container->ports[i]->host_port = container->ports[i]->container_port;
            container->ports[i]->has_host_port = 1;
        }
    }
}

static void pod_container(struct arena *arena, const Core__V1__PodSpec *spec,
                          Core__V1__Container *container)
{
    requests_from_limits(arena, container->resources);
    if (spec->host_network) {
        host_ports(container);
    }
}

void default_pod(struct arena *arena, void *message)
{
    Core__V1__Pod *pod = message;
    Core__V1__PodSpec *spec = pod->spec;
    if (!spec->has_enable_service_links) {
        spec->has_enable_service_links = 1;
        spec->enable_service_links = 1;
    }
    if (spec->has_termination_grace_period_seconds && spec->termination_grace_period_seconds < 0) {
        spec->termination_grace_period_seconds = 1;
    }
    for (size_t i = 0; i < spec->n_containers; i++) {
        pod_container(arena, spec, spec->containers[i]);
    }
    for (size_t i = 0; i < spec->n_init_containers; i++) {
        pod_container(arena, spec, spec->init_containers[i]);
    }
    Core__V1__PodStatus *status = pod->status;
    if (!rules_empty(status->pod_ip) &&
        (status->n_pod_ips == 0 || !rules_is(status->pod_ips[0]->ip, status->pod_ip))) {
        Core__V1__PodIP *ip = rules_new(arena, "k8s.io.api.core.v1.PodIP");
        ip->ip = status->pod_ip;
        status->pod_ips = arena_array(arena, 1, sizeof(Core__V1__PodIP *));
        status->pod_ips[0] = ip;
        status->n_pod_ips = 1;
    } else if (status->n_pod_ips > 0) {
        status->pod_ip = status->pod_ips[0]->ip;
    }
}
