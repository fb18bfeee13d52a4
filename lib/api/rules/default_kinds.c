/* Defaults of services, workloads and the small kinds of core. */
#include "lib/api/intstr.h"
#include "lib/api/object.h"
#include "lib/api/rules/default_hooks.h"
#include "lib/api/rules/rules.h"
#include "lib/base/name_index.h"

/* Three hours, as the proxies have it. */
enum { AFFINITY_TIMEOUT_S = 10800 };

void *rules_new(struct arena *arena, const char *full_name)
{
    const struct api_message *message = api_message_find(full_name);
    return api_message_new(arena, message);
}

void rules_default(struct arena *arena, char **text, const char *value)
{
    if (rules_empty(*text)) {
        *text = arena_text(arena, value);
    }
}

static void session_affinity(struct arena *arena, Core__V1__ServiceSpec *spec)
{
    rules_default(arena, &spec->session_affinity, "None");
    if (rules_is(spec->session_affinity, "None")) {
        spec->session_affinity_config = NULL;
    }
    if (!rules_is(spec->session_affinity, "ClientIP")) {
        return;
    }
    Core__V1__SessionAffinityConfig *config = spec->session_affinity_config;
    if (config == NULL) {
        config = rules_new(arena, "k8s.io.api.core.v1.SessionAffinityConfig");
        spec->session_affinity_config = config;
    }
    if (config->client_ip == NULL) {
        config->client_ip = rules_new(arena, "k8s.io.api.core.v1.ClientIPConfig");
    }
    if (!config->client_ip->has_timeout_seconds) {
        config->client_ip->has_timeout_seconds = 1;
        config->client_ip->timeout_seconds = AFFINITY_TIMEOUT_S;
    }
}

static void load_balancer_status(struct arena *arena, Core__V1__Service *service)
{
    const Core__V1__LoadBalancerStatus *status = service->status->load_balancer;
    for (size_t i = 0; status != NULL && i < status->n_ingress; i++) {
        if (!rules_empty(status->ingress[i]->ip) && status->ingress[i]->ip_mode == NULL) {
            status->ingress[i]->ip_mode = arena_text(arena, "VIP");
        }
    }
}

/* No `fill` of the spec: what a VolumeAttachment describes in place stays without them. */
void default_persistent_volume(struct arena *arena, void *message)
{
    Core__V1__PersistentVolumeSpec *spec = ((Core__V1__PersistentVolume *)message)->spec;
    rules_default(arena, &spec->persistent_volume_reclaim_policy, "Retain");
    if (spec->volume_mode == NULL) {
        spec->volume_mode = arena_text(arena, "Filesystem");
    }
}

void default_service(struct arena *arena, void *message)
{
    Core__V1__Service *service = message;
    Core__V1__ServiceSpec *spec = service->spec;
    session_affinity(arena, spec);
    rules_default(arena, &spec->type, "ClusterIP");
    bool cluster = rules_is(spec->type, "ClusterIP"), node = rules_is(spec->type, "NodePort");
    bool balancer = rules_is(spec->type, "LoadBalancer");
    if (node || balancer || (cluster && spec->n_external_ips > 0)) {
        rules_default(arena, &spec->external_traffic_policy, "Cluster");
    }
    if ((node || balancer || cluster) && spec->internal_traffic_policy == NULL) {
        spec->internal_traffic_policy = arena_text(arena, "Cluster");
    }
    if (balancer) {
        if (!spec->has_allocate_load_balancer_node_ports) {
            spec->has_allocate_load_balancer_node_ports = 1;
            spec->allocate_load_balancer_node_ports = 1;
        }
        load_balancer_status(arena, service);
    }
}

void default_service_port(struct arena *arena, void *message)
{
    Core__V1__ServicePort *port = message;
    const Intstr__IntOrString *target = port->target_port;
    bool empty = target == NULL || (intstr_is_text(target) ? rules_empty(intstr_text(target))
                                                           : intstr_int(target) == 0);
    if (empty) {
        port->target_port = intstr_new_int(arena, port->port);
    }
}

/* Set by the server whatever the client says: namespace selectors rely on it. */
void default_namespace(struct arena *arena, void *message)
{
    Core__V1__Namespace *object = message;
    if (!rules_empty(object->metadata->name)) {
        api_meta_set_label(arena, object->metadata, "kubernetes.io/metadata.name",
                           object->metadata->name);
    }
}

void default_node(struct arena *arena, void *message)
{
    Core__V1__Node *node = message;
    Core__V1__NodeStatus *status = node->status;
    Core__V1__NodeSpec *spec = node->spec;
    if (status->n_allocatable == 0 && status->n_capacity > 0) {
        /* Entries of both maps have one layout: key and quantity. */
        status->allocatable = (Core__V1__NodeStatus__AllocatableEntry **)(void *)status->capacity;
        status->n_allocatable = status->n_capacity;
    }
    if (!rules_empty(spec->pod_cidr) &&
        (spec->n_pod_cidrs == 0 || !rules_is(spec->pod_cidrs[0], spec->pod_cidr))) {
        spec->pod_cidrs = arena_array(arena, 1, sizeof(char *));
        spec->pod_cidrs[0] = spec->pod_cidr;
        spec->n_pod_cidrs = 1;
    } else if (spec->n_pod_cidrs > 0) {
        spec->pod_cidr = spec->pod_cidrs[0];
    }
}

/* Of what is there already; `names` are its keys. */
static Core__V1__Secret__DataEntry *data_entry(const Core__V1__Secret *secret,
                                               const struct name_index *names, const char *key)
{
    struct name_search search = name_index_find(names, slice_text(key));
    while (name_index_next(&search)) {
        if (rules_is(secret->data[search.place]->key, key)) {
            return secret->data[search.place];
        }
    }
    return NULL;
}

/* stringData is for writing only: its values replace those of data. */
void default_secret(struct arena *arena, void *message)
{
    Core__V1__Secret *secret = message;
    if (secret->n_string_data == 0) {
        return;
    }
    const struct api_member *member =
        api_message_member_text(api_message_find("k8s.io.api.core.v1.Secret"), "data");
    size_t count = secret->n_data;
    Core__V1__Secret__DataEntry **data =
        arena_array(arena, count + secret->n_string_data, sizeof(*data));
    if (count > 0) {
        memcpy(data, secret->data, count * sizeof(*data));
    }
    struct name_index names = {.size = 0};
    for (size_t i = 0; i < secret->n_data; i++) {
        name_index_add(&names, arena, slice_text(text_or_empty(secret->data[i]->key)), i);
    }
    for (size_t i = 0; i < secret->n_string_data; i++) {
        const char *key = text_or_empty(secret->string_data[i]->key);
        const char *value = text_or_empty(secret->string_data[i]->value);
        Core__V1__Secret__DataEntry *entry = data_entry(secret, &names, key);
        if (entry == NULL) {
            entry = api_message_new(arena, member->field->entry);
            entry->key = arena_text(arena, key);
            data[count++] = entry;
        }
        entry->has_value = 1;
        entry->value.len = strlen(value);
        entry->value.data = (void *)arena_text(arena, value);
    }
    secret->data = data;
    secret->n_data = count;
    secret->string_data = NULL;
    secret->n_string_data = 0;
}

void default_deployment(struct arena *arena, void *message)
{
    Apps__V1__Deployment *deployment = message;
    Apps__V1__DeploymentStrategy *strategy = deployment->spec->strategy;
    rules_default(arena, &strategy->type, "RollingUpdate");
    if (!rules_is(strategy->type, "RollingUpdate")) {
        return;
    }
    if (strategy->rolling_update == NULL) {
        strategy->rolling_update = rules_new(arena, "k8s.io.api.apps.v1.RollingUpdateDeployment");
    }
    if (strategy->rolling_update->max_unavailable == NULL) {
        strategy->rolling_update->max_unavailable = intstr_new_text(arena, "25%");
    }
    if (strategy->rolling_update->max_surge == NULL) {
        strategy->rolling_update->max_surge = intstr_new_text(arena, "25%");
    }
}
