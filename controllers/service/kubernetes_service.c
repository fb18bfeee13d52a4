/* The `kubernetes` Service of namespace default, with the serving members as its Endpoints and
 * EndpointSlice. One key; looked at when one of the objects changes, and every few seconds for
 * members that came or went. */
#include "controllers/control.h"
#include "controllers/limits.h"
#include "controllers/node/cidr_set.h"
#include "controllers/pod_state.h"
#include "k8s/discovery_v1.pb-c.h"
#include "lib/api/intstr.h"
#include "lib/base/alloc.h"
#include <stdlib.h>
#include <string.h>

enum { LOOK_AGAIN_S = 2, HTTPS_PORT = 443 };

struct kubernetes_loop {
    struct control *control;
    const struct api_kind *service_kind, *endpoints_kind, *slice_kind;
    struct informer *services, *endpoints, *slices, *namespaces;
    struct informer_handler service_handler, endpoints_handler, slice_handler, namespace_handler;
    struct reconciler *reconciler;
    void (*closed)(void *data);
    void *closed_data;
};

static const char key[] = "default/kubernetes";

static void object_changed(void *data, const struct client_object *old_object,
                           const struct client_object *new_object)
{
    struct kubernetes_loop *loop = data;
    const struct client_object *object = new_object == NULL ? old_object : new_object;
    if (strcmp(client_object_name(object), "kubernetes") == 0 ||
        strcmp(client_object_name(object), "default") == 0) {
        reconciler_add(loop->reconciler, key);
    }
}

static void set_meta(struct arena *arena, Meta__V1__ObjectMeta *meta)
{
    meta->name = arena_text(arena, "kubernetes");
    meta->namespace_ = arena_text(arena, "default");
}

static void create(struct round *round, const struct api_kind *kind, const void *body)
{
    struct client_request request = {
        .verb = CLIENT_CREATE, .kind = kind, .namespace_ = "default", .body = body};
    round_call(round, &request, NULL, NULL);
}

static void make_service(struct kubernetes_loop *loop, struct round *round, uint16_t port)
{
    uint32_t base, bits;
    const char *cidr = loop->control->config->service_cidr;
    if (cidr == NULL || cidr_parse(cidr, &base, &bits) != 0 || bits > 30) {
        return;
    }
    struct arena *arena = round->arena;
    Core__V1__Service *service = api_message_new(arena, loop->service_kind->message);
    set_meta(arena, service->metadata);
    api_meta_set_label(arena, service->metadata, "component", "apiserver");
    api_meta_set_label(arena, service->metadata, "provider", "kubernetes");
    Core__V1__ServicePort *https = arena_alloc(arena, sizeof(*https));
    core__v1__service_port__init(https);
    https->name = arena_text(arena, "https");
    https->protocol = arena_text(arena, "TCP");
    https->port = HTTPS_PORT;
    https->has_port = 1;
    https->target_port = intstr_new_int(arena, port);
    service->spec->ports = arena_array(arena, 1, sizeof(https));
    service->spec->ports[0] = https;
    service->spec->n_ports = 1;
    uint32_t address = base + 1;
    service->spec->cluster_ip =
        arena_printf(arena, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
                     address & 255);
    service->spec->type = arena_text(arena, "ClusterIP");
    service->spec->session_affinity = arena_text(arena, "None");
    create(round, loop->service_kind, service);
}

static void put_endpoints(struct kubernetes_loop *loop, struct round *round,
                          const char *const *addresses, size_t count, uint16_t number)
{
    struct arena *arena = round->arena;
    const struct client_object *present = informer_get(loop->endpoints, "default", "kubernetes");
    Core__V1__Endpoints *endpoints =
        present == NULL ? api_message_new(arena, loop->endpoints_kind->message)
                        : api_message_copy(arena, loop->endpoints_kind->message, present->message);
    set_meta(arena, endpoints->metadata);
    api_meta_set_label(arena, endpoints->metadata, "endpointslice.kubernetes.io/skip-mirror",
                       "true");
    Core__V1__EndpointSubset *subset = arena_alloc(arena, sizeof(*subset));
    core__v1__endpoint_subset__init(subset);
    subset->addresses = arena_array(arena, count + 1, sizeof(*subset->addresses));
    for (size_t i = 0; i < count; i++) {
        Core__V1__EndpointAddress *address = arena_alloc(arena, sizeof(*address));
        core__v1__endpoint_address__init(address);
        address->ip = arena_text(arena, addresses[i]);
        subset->addresses[subset->n_addresses++] = address;
    }
    Core__V1__EndpointPort *port = arena_alloc(arena, sizeof(*port));
    core__v1__endpoint_port__init(port);
    port->name = arena_text(arena, "https");
    port->protocol = arena_text(arena, "TCP");
    port->port = number;
    port->has_port = 1;
    subset->ports = arena_array(arena, 1, sizeof(port));
    subset->ports[subset->n_ports++] = port;
    endpoints->subsets = arena_array(arena, 1, sizeof(subset));
    endpoints->subsets[0] = subset;
    endpoints->n_subsets = 1;
    if (present == NULL) {
        create(round, loop->endpoints_kind, endpoints);
    } else if (!api_message_equal(loop->endpoints_kind->message, endpoints, present->message)) {
        control_update(round, loop->endpoints_kind, NULL, endpoints->metadata, endpoints, NULL,
                       NULL);
    }
}

static void put_slice(struct kubernetes_loop *loop, struct round *round,
                      const char *const *addresses, size_t count, uint16_t number)
{
    struct arena *arena = round->arena;
    const struct client_object *present = informer_get(loop->slices, "default", "kubernetes");
    Discovery__V1__EndpointSlice *slice =
        present == NULL ? api_message_new(arena, loop->slice_kind->message)
                        : api_message_copy(arena, loop->slice_kind->message, present->message);
    set_meta(arena, slice->metadata);
    api_meta_set_label(arena, slice->metadata, "kubernetes.io/service-name", "kubernetes");
    slice->address_type = arena_text(arena, "IPv4");
    slice->endpoints = arena_array(arena, count + 1, sizeof(*slice->endpoints));
    slice->n_endpoints = 0;
    for (size_t i = 0; i < count; i++) {
        Discovery__V1__Endpoint *endpoint = arena_alloc(arena, sizeof(*endpoint));
        discovery__v1__endpoint__init(endpoint);
        endpoint->addresses = arena_array(arena, 1, sizeof(char *));
        endpoint->addresses[0] = arena_text(arena, addresses[i]);
        endpoint->n_addresses = 1;
        endpoint->conditions = arena_alloc(arena, sizeof(*endpoint->conditions));
        discovery__v1__endpoint_conditions__init(endpoint->conditions);
        endpoint->conditions->has_ready = endpoint->conditions->ready = 1;
        slice->endpoints[slice->n_endpoints++] = endpoint;
    }
    Discovery__V1__EndpointPort *port = arena_alloc(arena, sizeof(*port));
    discovery__v1__endpoint_port__init(port);
    port->name = arena_text(arena, "https");
    port->protocol = arena_text(arena, "TCP");
    port->port = number;
    port->has_port = 1;
    slice->ports = arena_array(arena, 1, sizeof(port));
    slice->ports[0] = port;
    slice->n_ports = 1;
    if (present == NULL) {
        create(round, loop->slice_kind, slice);
    } else if (!api_message_equal(loop->slice_kind->message, slice, present->message)) {
        control_update(round, loop->slice_kind, NULL, slice->metadata, slice, NULL, NULL);
    }
}

static int text_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void reconcile(void *data, struct round *round)
{
    struct kubernetes_loop *loop = data;
    const struct controllers_config *config = loop->control->config;
    if (!control_ready(loop->control, round)) {
        return;
    }
    round_again_after(round, LOOK_AGAIN_S * NS_PER_S);
    if (informer_get(loop->namespaces, "", "default") == NULL) {
        return; /* Its creation wakes us. */
    }
    const char *addresses[CONTROLLERS_API_ENDPOINTS_MAX];
    uint16_t port = 6443;
    size_t count = config->api_endpoints == NULL
                       ? 0
                       : config->api_endpoints(config->api_endpoints_data, addresses,
                                               CONTROLLERS_API_ENDPOINTS_MAX, &port);
    if (informer_get(loop->services, "default", "kubernetes") == NULL) {
        make_service(loop, round, port);
    }
    if (count == 0) {
        return;
    }
    qsort(addresses, count, sizeof(*addresses), text_order);
    put_endpoints(loop, round, addresses, count, port);
    put_slice(loop, round, addresses, count, port);
}

static void *kubernetes_open(struct control *control)
{
    struct kubernetes_loop *loop = alloc_zeroed(sizeof(*loop));
    struct informers *informers = control->informers;
    loop->control = control;
    loop->service_kind = control_kind("", "v1", "services");
    loop->endpoints_kind = control_kind("", "v1", "endpoints");
    loop->slice_kind = control_kind("discovery.k8s.io", "v1", "endpointslices");
    loop->services = informers_get(informers, loop->service_kind);
    loop->endpoints = informers_get(informers, loop->endpoints_kind);
    loop->slices = informers_get(informers, loop->slice_kind);
    loop->namespaces = informers_get(informers, control_kind("", "v1", "namespaces"));
    loop->reconciler =
        control_reconciler(control, "kubernetes-service", /* as= */ NULL, 1, reconcile, loop);
    struct informer_handler handler = {.changed = object_changed, .data = loop};
    loop->service_handler = loop->endpoints_handler = handler;
    loop->slice_handler = loop->namespace_handler = handler;
    informer_add_handler(loop->services, &loop->service_handler);
    informer_add_handler(loop->endpoints, &loop->endpoints_handler);
    informer_add_handler(loop->slices, &loop->slice_handler);
    informer_add_handler(loop->namespaces, &loop->namespace_handler);
    reconciler_add(loop->reconciler, key);
    return loop;
}

static void rounds_ended(void *data)
{
    struct kubernetes_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    free(loop);
    closed(closed_data);
}

static void kubernetes_close(void *part, void (*closed)(void *data), void *data)
{
    struct kubernetes_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    informer_remove_handler(&loop->service_handler);
    informer_remove_handler(&loop->endpoints_handler);
    informer_remove_handler(&loop->slice_handler);
    informer_remove_handler(&loop->namespace_handler);
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_kubernetes_service = {
    .name = "kubernetes-service", .open = kubernetes_open, .close = kubernetes_close};
