#include "controllers/endpoints/endpoints_plan.h"

#include "controllers/endpoints/endpoints_ports.h"
#include "controllers/limits.h"
#include "controllers/pod_state.h"
#include "lib/api/object.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char manager[] = "endpointslice-controller.k8s.io";
static const char headless_label[] = "service.kubernetes.io/headless";

struct planning {
    struct arena *arena;
    const struct endpoints_view *view;
    struct endpoints_plan plan;
    const struct api_kind *slice_kind;
    bool *claimed; /* Present slices that some group keeps. */
};

/* --- Endpoints objects --- */

static Core__V1__ObjectReference *reference_to(struct arena *arena, const Core__V1__Pod *pod)
{
    Core__V1__ObjectReference *reference = arena_alloc(arena, sizeof(*reference));
    core__v1__object_reference__init(reference);
    reference->kind = arena_text(arena, "Pod");
    reference->namespace_ = arena_text(arena, pod->metadata->namespace_);
    reference->name = arena_text(arena, pod->metadata->name);
    reference->uid = arena_text(arena, pod->metadata->uid);
    return reference;
}

/* The name under which DNS shows the pod, or NULL. */
static char *hostname_of(struct arena *arena, const struct endpoints_view *view,
                         const Core__V1__Pod *pod)
{
    bool named = !text_empty(pod->spec->hostname) &&
                 text_is(pod->spec->subdomain, view->service->metadata->name);
    return named ? arena_text(arena, pod->spec->hostname) : NULL;
}

static int address_order(const void *a, const void *b)
{
    const Core__V1__EndpointAddress *left = *(Core__V1__EndpointAddress *const *)a;
    const Core__V1__EndpointAddress *right = *(Core__V1__EndpointAddress *const *)b;
    return strcmp(left->ip, right->ip);
}

static Core__V1__EndpointSubset *subset_of(struct planning *planning,
                                           const struct port_group *group, size_t *budget)
{
    struct arena *arena = planning->arena;
    bool all_ready = planning->view->service->spec->publish_not_ready_addresses;
    Core__V1__EndpointSubset *subset = arena_alloc(arena, sizeof(*subset));
    core__v1__endpoint_subset__init(subset);
    subset->addresses = arena_array(arena, group->count, sizeof(*subset->addresses));
    subset->not_ready_addresses = arena_array(arena, group->count, sizeof(*subset->addresses));
    for (size_t i = 0; i<group->count && * budget> 0; i++) {
        const Core__V1__Pod *pod = group->pods[i];
        if (pod_terminating(pod) && !all_ready) {
            continue;
        }
        Core__V1__EndpointAddress *address = arena_alloc(arena, sizeof(*address));
        core__v1__endpoint_address__init(address);
        address->ip = arena_text(arena, pod->status->pod_ip);
        address->node_name = pod_bound(pod) ? arena_text(arena, pod->spec->node_name) : NULL;
        address->hostname = hostname_of(arena, planning->view, pod);
        address->target_ref = reference_to(arena, pod);
        (*budget)--;
        if (all_ready || pod_ready(pod)) {
            subset->addresses[subset->n_addresses++] = address;
        } else {
            subset->not_ready_addresses[subset->n_not_ready_addresses++] = address;
        }
    }
    qsort(subset->addresses, subset->n_addresses, sizeof(void *), address_order);
    qsort(subset->not_ready_addresses, subset->n_not_ready_addresses, sizeof(void *),
          address_order);
    subset->ports = arena_array(arena, group->ports.count + 1, sizeof(*subset->ports));
    for (size_t i = 0; i < group->ports.count; i++) {
        const struct served_port *from = &group->ports.items[i];
        Core__V1__EndpointPort *port = arena_alloc(arena, sizeof(*port));
        core__v1__endpoint_port__init(port);
        port->name = arena_text(arena, from->name);
        port->protocol = arena_text(arena, from->protocol);
        port->app_protocol =
            from->app_protocol == NULL ? NULL : arena_text(arena, from->app_protocol);
        port->port = from->port;
        port->has_port = 1;
        subset->ports[subset->n_ports++] = port;
    }
    return subset;
}

static void set_labels(struct planning *planning, Meta__V1__ObjectMeta *meta)
{
    const Core__V1__Service *service = planning->view->service;
    meta->n_labels = 0;
    api_meta_set_labels(planning->arena, meta,
                        API_STRING_MAP(service->metadata->labels, service->metadata->n_labels));
    if (service_headless(service)) {
        api_meta_set_label(planning->arena, meta, headless_label, "");
    }
}

static void plan_endpoints(struct planning *planning, const struct port_group *groups,
                           size_t group_count)
{
    const struct endpoints_view *view = planning->view;
    const struct api_kind *kind = api_kind_find("", "v1", "endpoints");
    assert(kind != NULL);
    Core__V1__Endpoints *endpoints =
        view->endpoints == NULL ? api_message_new(planning->arena, kind->message)
                                : api_message_copy(planning->arena, kind->message, view->endpoints);
    endpoints->metadata->name = arena_text(planning->arena, view->service->metadata->name);
    endpoints->metadata->namespace_ =
        arena_text(planning->arena, view->service->metadata->namespace_);
    set_labels(planning, endpoints->metadata);
    endpoints->subsets = arena_array(planning->arena, group_count + 1, sizeof(*endpoints->subsets));
    endpoints->n_subsets = 0;
    size_t budget = CONTROLLERS_ENDPOINTS_MAX;
    for (size_t i = 0; i < group_count; i++) {
        Core__V1__EndpointSubset *subset = subset_of(planning, &groups[i], &budget);
        if (subset->n_addresses + subset->n_not_ready_addresses > 0) {
            endpoints->subsets[endpoints->n_subsets++] = subset;
        }
    }
    if (view->endpoints == NULL || !api_message_equal(kind->message, endpoints, view->endpoints)) {
        planning->plan.endpoints = endpoints;
    }
}

/* --- EndpointSlices --- */

static const char *pod_address(const Core__V1__Pod *pod, bool ipv6)
{
    for (size_t i = 0; i < pod->status->n_pod_ips; i++) {
        const char *ip = pod->status->pod_ips[i]->ip;
        if (!text_empty(ip) && (strchr(ip, ':') != NULL) == ipv6) {
            return ip;
        }
    }
    const char *ip = pod->status->pod_ip;
    return !text_empty(ip) && (strchr(ip, ':') != NULL) == ipv6 ? ip : NULL;
}

static Discovery__V1__Endpoint *endpoint_of(struct planning *planning, const Core__V1__Pod *pod,
                                            const char *ip)
{
    struct arena *arena = planning->arena;
    const struct endpoints_view *view = planning->view;
    Discovery__V1__Endpoint *endpoint = arena_alloc(arena, sizeof(*endpoint));
    discovery__v1__endpoint__init(endpoint);
    endpoint->addresses = arena_array(arena, 1, sizeof(char *));
    endpoint->addresses[0] = arena_text(arena, ip);
    endpoint->n_addresses = 1;
    endpoint->conditions = arena_alloc(arena, sizeof(*endpoint->conditions));
    discovery__v1__endpoint_conditions__init(endpoint->conditions);
    bool terminating = pod_terminating(pod);
    bool serving = pod_ready(pod);
    endpoint->conditions->has_ready = endpoint->conditions->has_serving = 1;
    endpoint->conditions->has_terminating = 1;
    endpoint->conditions->serving = serving;
    endpoint->conditions->terminating = terminating;
    endpoint->conditions->ready =
        view->service->spec->publish_not_ready_addresses || (serving && !terminating);
    endpoint->hostname = hostname_of(arena, view, pod);
    endpoint->target_ref = reference_to(arena, pod);
    if (pod_bound(pod)) {
        endpoint->node_name = arena_text(arena, pod->spec->node_name);
        const char *zone =
            view->zone_of == NULL ? NULL : view->zone_of(view->zone_data, pod->spec->node_name);
        endpoint->zone = zone == NULL ? NULL : arena_text(arena, zone);
    }
    return endpoint;
}

static bool slice_has_ports(const Discovery__V1__EndpointSlice *slice,
                            const struct served_ports *ports)
{
    if (slice->n_ports != ports->count) {
        return false;
    }
    for (size_t i = 0; i < ports->count; i++) {
        const Discovery__V1__EndpointPort *have = slice->ports[i];
        const struct served_port *want = &ports->items[i];
        if (have->port != want->port || !text_is(have->name, want->name) ||
            !text_is(have->protocol, want->protocol) ||
            !text_is(have->app_protocol, want->app_protocol == NULL ? "" : want->app_protocol)) {
            return false;
        }
    }
    return true;
}

static void fill_slice(struct planning *planning, Discovery__V1__EndpointSlice *slice,
                       const struct served_ports *ports)
{
    struct arena *arena = planning->arena;
    const Core__V1__Service *service = planning->view->service;
    set_labels(planning, slice->metadata);
    api_meta_set_label(arena, slice->metadata, "kubernetes.io/service-name",
                       service->metadata->name);
    api_meta_set_label(arena, slice->metadata, "endpointslice.kubernetes.io/managed-by", manager);
    slice->ports = arena_array(arena, ports->count + 1, sizeof(*slice->ports));
    slice->n_ports = 0;
    for (size_t i = 0; i < ports->count; i++) {
        Discovery__V1__EndpointPort *port = arena_alloc(arena, sizeof(*port));
        discovery__v1__endpoint_port__init(port);
        port->name = arena_text(arena, ports->items[i].name);
        port->protocol = arena_text(arena, ports->items[i].protocol);
        port->app_protocol = ports->items[i].app_protocol == NULL
                                 ? NULL
                                 : arena_text(arena, ports->items[i].app_protocol);
        port->port = ports->items[i].port;
        port->has_port = 1;
        slice->ports[slice->n_ports++] = port;
    }
}

static Discovery__V1__EndpointSlice *new_slice(struct planning *planning, bool ipv6,
                                               const struct served_ports *ports)
{
    struct arena *arena = planning->arena;
    const Core__V1__Service *service = planning->view->service;
    Discovery__V1__EndpointSlice *slice = api_message_new(arena, planning->slice_kind->message);
    slice->metadata->generate_name = arena_printf(arena, "%s-", service->metadata->name);
    slice->metadata->namespace_ = arena_text(arena, service->metadata->namespace_);
    Meta__V1__OwnerReference *owner = arena_alloc(arena, sizeof(*owner));
    meta__v1__owner_reference__init(owner);
    owner->api_version = arena_text(arena, "v1");
    owner->kind = arena_text(arena, "Service");
    owner->name = arena_text(arena, service->metadata->name);
    owner->uid = arena_text(arena, service->metadata->uid);
    owner->has_controller = owner->controller = 1;
    owner->has_block_owner_deletion = owner->block_owner_deletion = 1;
    slice->metadata->owner_references = arena_array(arena, 1, sizeof(owner));
    slice->metadata->owner_references[0] = owner;
    slice->metadata->n_owner_references = 1;
    slice->address_type = arena_text(arena, ipv6 ? "IPv6" : "IPv4");
    fill_slice(planning, slice, ports);
    slice->endpoints =
        arena_array(arena, CONTROLLERS_ENDPOINTS_PER_SLICE, sizeof(*slice->endpoints));
    planning->plan.create[planning->plan.create_count++] = slice;
    return slice;
}

static bool same_target(const Discovery__V1__Endpoint *a, const Discovery__V1__Endpoint *b)
{
    return a->target_ref != NULL && b->target_ref != NULL &&
           text_is(a->target_ref->uid, b->target_ref->uid);
}

/* A copy of `present` with those of `wanted` that it has already, renewed; they are taken out of
 * `wanted` (NULL left behind). */
static Discovery__V1__EndpointSlice *keep_slice(struct planning *planning,
                                                const Discovery__V1__EndpointSlice *present,
                                                const struct served_ports *ports,
                                                Discovery__V1__Endpoint **wanted, size_t count)
{
    Discovery__V1__EndpointSlice *slice =
        api_message_copy(planning->arena, planning->slice_kind->message, present);
    fill_slice(planning, slice, ports);
    slice->n_endpoints = 0;
    slice->endpoints =
        arena_array(planning->arena, present->n_endpoints + CONTROLLERS_ENDPOINTS_PER_SLICE,
                    sizeof(*slice->endpoints));
    for (size_t i = 0; i < present->n_endpoints; i++) {
        for (size_t j = 0; j < count; j++) {
            if (wanted[j] != NULL && same_target(present->endpoints[i], wanted[j])) {
                slice->endpoints[slice->n_endpoints++] = wanted[j];
                wanted[j] = NULL;
                break;
            }
        }
    }
    return slice;
}

static void place_rest(struct planning *planning, Discovery__V1__EndpointSlice **kept,
                       size_t kept_count, const struct served_ports *ports, bool ipv6,
                       Discovery__V1__Endpoint **wanted, size_t count)
{
    size_t at = 0;
    Discovery__V1__EndpointSlice *room = NULL;
    for (size_t i = 0; i < count; i++) {
        if (wanted[i] == NULL) {
            continue;
        }
        while (room == NULL || room->n_endpoints >= CONTROLLERS_ENDPOINTS_PER_SLICE) {
            room = at < kept_count ? kept[at++] : new_slice(planning, ipv6, ports);
        }
        room->endpoints[room->n_endpoints++] = wanted[i];
    }
}

static void plan_group(struct planning *planning, const struct port_group *group, bool ipv6)
{
    const struct endpoints_view *view = planning->view;
    struct arena *arena = planning->arena;
    Discovery__V1__Endpoint **wanted = arena_array(arena, group->count + 1, sizeof(*wanted));
    size_t count = 0;
    for (size_t i = 0; i < group->count; i++) {
        const char *ip = pod_address(group->pods[i], ipv6);
        if (ip != NULL) {
            wanted[count++] = endpoint_of(planning, group->pods[i], ip);
        }
    }
    if (count == 0) {
        return;
    }
    Discovery__V1__EndpointSlice **kept = arena_array(arena, view->slice_count + 1, sizeof(*kept));
    size_t *origin = arena_array(arena, view->slice_count + 1, sizeof(*origin));
    size_t kept_count = 0;
    for (size_t i = 0; i < view->slice_count; i++) {
        if (!planning->claimed[i] &&
            text_is(view->slices[i]->address_type, ipv6 ? "IPv6" : "IPv4") &&
            slice_has_ports(view->slices[i], &group->ports)) {
            origin[kept_count] = i;
            kept[kept_count++] =
                keep_slice(planning, view->slices[i], &group->ports, wanted, count);
        }
    }
    place_rest(planning, kept, kept_count, &group->ports, ipv6, wanted, count);
    for (size_t i = 0; i < kept_count; i++) {
        if (kept[i]->n_endpoints == 0) {
            continue; /* Left unclaimed: removed below. */
        }
        planning->claimed[origin[i]] = true;
        if (!api_message_equal(planning->slice_kind->message, kept[i], view->slices[origin[i]])) {
            planning->plan.update[planning->plan.update_count++] = kept[i];
        }
    }
}

static bool wants_family(const Core__V1__Service *service, const char *family)
{
    for (size_t i = 0; i < service->spec->n_ip_families; i++) {
        if (text_is(service->spec->ip_families[i], family)) {
            return true;
        }
    }
    return service->spec->n_ip_families == 0 && strcmp(family, "IPv4") == 0;
}

/* A service without endpoints keeps one empty slice, so that clients see that it has none. */
static void plan_placeholder(struct planning *planning, bool ipv6)
{
    const struct endpoints_view *view = planning->view;
    struct served_ports none = {0};
    for (size_t i = 0; i < view->slice_count; i++) {
        if (planning->claimed[i] ||
            !text_is(view->slices[i]->address_type, ipv6 ? "IPv6" : "IPv4")) {
            continue;
        }
        Discovery__V1__EndpointSlice *slice = keep_slice(planning, view->slices[i], &none, NULL, 0);
        planning->claimed[i] = true;
        if (!api_message_equal(planning->slice_kind->message, slice, view->slices[i])) {
            planning->plan.update[planning->plan.update_count++] = slice;
        }
        return;
    }
    (void)new_slice(planning, ipv6, &none);
}

static void plan_slices(struct planning *planning, const struct port_group *groups,
                        size_t group_count)
{
    static const char *const families[] = {"IPv4", "IPv6"};
    for (size_t family = 0; family < ARRAY_LEN(families); family++) {
        if (!wants_family(planning->view->service, families[family])) {
            continue;
        }
        bool ipv6 = family == 1;
        bool any = false;
        for (size_t i = 0; i < group_count; i++) {
            for (size_t j = 0; j < groups[i].count && !any; j++) {
                any = pod_address(groups[i].pods[j], ipv6) != NULL;
            }
            plan_group(planning, &groups[i], ipv6);
        }
        if (!any) {
            plan_placeholder(planning, ipv6);
        }
    }
    for (size_t i = 0; i < planning->view->slice_count; i++) {
        if (!planning->claimed[i]) {
            planning->plan.remove[planning->plan.remove_count++] = planning->view->slices[i];
        }
    }
}

struct endpoints_plan endpoints_plan(struct arena *arena, const struct endpoints_view *view)
{
    struct planning planning = {.arena = arena, .view = view};
    planning.slice_kind = api_kind_find("discovery.k8s.io", "v1", "endpointslices");
    assert(planning.slice_kind != NULL);
    struct port_group *groups;
    size_t group_count = port_groups(arena, view->service, view->pods, view->pod_count, &groups);
    size_t most = view->slice_count + view->pod_count * 2 + 2;
    planning.plan.create = arena_array(arena, most, sizeof(void *));
    planning.plan.update = arena_array(arena, most, sizeof(void *));
    planning.plan.remove = arena_array(arena, most, sizeof(void *));
    planning.claimed = arena_array(arena, view->slice_count + 1, sizeof(bool));
    plan_endpoints(&planning, groups, group_count);
    plan_slices(&planning, groups, group_count);
    return planning.plan;
}
