/* What the storage does to a Service's addresses and ports around a write: the old singular
 * clusterIP and the plural agree, what was allocated stays allocated, and what the new type cannot
 * have goes. Allocation itself is the API server's. */
#include "lib/api/rules/rules.h"
#include "lib/base/name_index.h"

static bool needs_cluster_ip(const Core__V1__ServiceSpec *spec)
{
    return !rules_is(spec->type, "ExternalName");
}

static bool needs_node_ports(const Core__V1__ServiceSpec *spec)
{
    return rules_is(spec->type, "NodePort") ||
           (rules_is(spec->type, "LoadBalancer") && (!spec->has_allocate_load_balancer_node_ports ||
                                                     spec->allocate_load_balancer_node_ports));
}

static bool needs_health_port(const Core__V1__ServiceSpec *spec)
{
    return rules_is(spec->type, "LoadBalancer") && rules_is(spec->external_traffic_policy, "Local");
}

static void set_only_ip(struct arena *arena, Core__V1__ServiceSpec *spec)
{
    spec->cluster_ips = arena_array(arena, 1, sizeof(char *));
    spec->cluster_ips[0] = spec->cluster_ip;
    spec->n_cluster_ips = 1;
}

void rules_prepare_service(struct arena *arena, void *message)
{
    Core__V1__Service *service = message;
    if (!rules_empty(service->spec->cluster_ip) && service->spec->n_cluster_ips == 0) {
        set_only_ip(arena, service->spec);
    }
}

static bool same_ips(const Core__V1__ServiceSpec *a, const Core__V1__ServiceSpec *b)
{
    bool same = a->n_cluster_ips == b->n_cluster_ips;
    for (size_t i = 0; same && i < a->n_cluster_ips; i++) {
        same = rules_is(a->cluster_ips[i], text_or_empty(b->cluster_ips[i]));
    }
    return same;
}

/* A client that knows only clusterIP changes that one; the plural follows. */
static void follow_singular(struct arena *arena, const Core__V1__ServiceSpec *before,
                            Core__V1__ServiceSpec *after)
{
    if (!rules_empty(after->cluster_ip) && after->n_cluster_ips == 0) {
        set_only_ip(arena, after);
        return;
    }
    if (rules_is(before->cluster_ip, text_or_empty(after->cluster_ip)) ||
        !same_ips(before, after)) {
        return;
    }
    if (rules_empty(after->cluster_ip)) {
        after->cluster_ips = NULL;
        after->n_cluster_ips = 0;
    } else if (after->n_cluster_ips > 0) {
        set_only_ip(arena, after);
    }
}

static struct slice port_text(struct arena *arena, const Core__V1__ServicePort *port)
{
    return slice_text(arena_printf(arena, "%d/%s", port->port, text_or_empty(port->protocol)));
}

static bool same_port(const Core__V1__ServicePort *a, const Core__V1__ServicePort *b)
{
    return a->port == b->port && rules_is(a->protocol, text_or_empty(b->protocol));
}

/* Ports keep the node port that the port of the same number and protocol had. */
static void keep_node_ports(struct arena *arena, const Core__V1__ServiceSpec *before,
                            Core__V1__ServiceSpec *after)
{
    struct name_index index = {.slots = NULL};
    for (size_t i = 0; i < before->n_ports; i++) {
        name_index_add(&index, arena, port_text(arena, before->ports[i]), i);
    }
    for (size_t i = 0; i < after->n_ports; i++) {
        Core__V1__ServicePort *port = after->ports[i];
        struct name_search search = name_index_find(&index, port_text(arena, port));
        while (port->node_port == 0 && name_index_next(&search)) {
            const Core__V1__ServicePort *old = before->ports[search.place];
            if (same_port(old, port)) {
                port->node_port = old->node_port;
                port->has_node_port = port->node_port != 0;
            }
        }
    }
}

static void keep_allocated(struct arena *arena, const Core__V1__ServiceSpec *before,
                           Core__V1__ServiceSpec *after)
{
    if (needs_cluster_ip(before) && needs_cluster_ip(after)) {
        if (rules_empty(after->cluster_ip) && after->n_cluster_ips == 0) {
            after->cluster_ip = before->cluster_ip;
            after->cluster_ips = before->cluster_ips;
            after->n_cluster_ips = before->n_cluster_ips;
        }
        if (after->n_ip_families == 0) {
            after->ip_families = before->ip_families;
            after->n_ip_families = before->n_ip_families;
        }
        if (after->ip_family_policy == NULL) {
            after->ip_family_policy = before->ip_family_policy;
        }
    }
    if (needs_node_ports(before) && needs_node_ports(after)) {
        keep_node_ports(arena, before, after);
    }
    if (needs_health_port(before) && needs_health_port(after) &&
        after->health_check_node_port == 0) {
        after->health_check_node_port = before->health_check_node_port;
        after->has_health_check_node_port = after->health_check_node_port != 0;
    }
}

/* A value that the client sent back unchanged, and that the new type has no use for, is dropped;
 * one that it changed is left for validation to refuse. */
static void drop_unneeded(const Core__V1__ServiceSpec *before, Core__V1__ServiceSpec *after)
{
    if (needs_cluster_ip(before) && !needs_cluster_ip(after) && same_ips(before, after)) {
        after->cluster_ip = NULL;
        after->cluster_ips = NULL;
        after->n_cluster_ips = 0;
        after->ip_families = NULL;
        after->n_ip_families = 0;
        after->ip_family_policy = NULL;
    }
    if (!needs_cluster_ip(after) &&
        rules_is(before->internal_traffic_policy, text_or_empty(after->internal_traffic_policy))) {
        after->internal_traffic_policy = NULL;
    }
    bool exposed = rules_is(after->type, "NodePort") || rules_is(after->type, "LoadBalancer");
    bool same_ports = before->n_ports == after->n_ports;
    for (size_t i = 0; same_ports && i < after->n_ports; i++) {
        same_ports = before->ports[i]->node_port == after->ports[i]->node_port;
    }
    for (size_t i = 0; !exposed && same_ports && i < after->n_ports; i++) {
        after->ports[i]->node_port = 0;
        after->ports[i]->has_node_port = 0;
    }
    if (needs_health_port(before) && !needs_health_port(after) &&
        before->health_check_node_port == after->health_check_node_port) {
        after->health_check_node_port = 0;
        after->has_health_check_node_port = 0;
    }
    if (!rules_is(after->type, "LoadBalancer") && rules_is(before->type, "LoadBalancer")) {
        after->has_allocate_load_balancer_node_ports = 0;
        after->allocate_load_balancer_node_ports = 0;
        if (rules_is(before->load_balancer_class, text_or_empty(after->load_balancer_class))) {
            after->load_balancer_class = NULL;
        }
    }
    if (!exposed && after->n_external_ips == 0 &&
        rules_is(before->external_traffic_policy, text_or_empty(after->external_traffic_policy))) {
        after->external_traffic_policy = NULL;
    }
}

void rules_prepare_service_update(struct arena *arena, const void *before, void *after)
{
    const Core__V1__Service *old_service = before;
    Core__V1__Service *service = after;
    if (rules_is(old_service->spec->type, "LoadBalancer") &&
        !rules_is(service->spec->type, "LoadBalancer") && service->status != NULL) {
        Core__V1__ServiceStatus *status = rules_new(arena, "k8s.io.api.core.v1.ServiceStatus");
        status->conditions = service->status->conditions;
        status->n_conditions = service->status->n_conditions;
        service->status = status;
    }
    follow_singular(arena, old_service->spec, service->spec);
    keep_allocated(arena, old_service->spec, service->spec);
    if (!rules_is(old_service->spec->type, text_or_empty(service->spec->type)) ||
        needs_health_port(old_service->spec) != needs_health_port(service->spec)) {
        drop_unneeded(old_service->spec, service->spec);
    }
}
