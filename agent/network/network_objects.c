#include "agent/network/network_objects.h"

#include "agent/network/limits.h"
#include "k8s/core_v1.pb-c.h"
#include "k8s/discovery_v1.pb-c.h"
#include "lib/api/syntax.h"

static bool is(const char *text, const char *expected)
{
    return strcmp(text_or_empty(text), expected) == 0;
}

static const char *protocol_name(const char *protocol)
{
    if (is(protocol, "UDP")) {
        return "udp";
    }
    return is(protocol, "SCTP") ? "sctp" : "tcp";
}

static uint16_t port_number(int32_t port)
{
    return port > 0 && port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* Appends the IPv4 addresses among `texts` to `list`, which has room for them. */
static size_t parse_addresses(char *const *texts, size_t count, struct in_addr *list)
{
    size_t parsed = 0;
    for (size_t i = 0; i < count; i++) {
        parsed += api_ipv4_parse(text_or_empty(texts[i]), &list[parsed]) ? 1 : 0;
    }
    return parsed;
}

/* ---- Service ---- */

static void copy_service_ports(struct service_spec *out, const Core__V1__ServiceSpec *spec)
{
    struct service_port *ports = arena_array(out->arena, spec->n_ports, sizeof(*ports));
    for (size_t i = 0; i < spec->n_ports; i++) {
        const Core__V1__ServicePort *port = spec->ports[i];
        ports[i] = (struct service_port){
            .name = arena_text(out->arena, text_or_empty(port->name)),
            .protocol = protocol_name(port->protocol),
            .port = port_number(port->port),
            .node_port = port_number(port->node_port),
        };
    }
    out->ports = ports;
    out->port_count = spec->n_ports;
}

static void copy_external_ips(struct service_spec *out, const Core__V1__Service *service)
{
    const Core__V1__LoadBalancerStatus *balancer =
        service->status == NULL ? NULL : service->status->load_balancer;
    size_t ingress = balancer == NULL ? 0 : balancer->n_ingress;
    size_t count = service->spec->n_external_ips;
    struct in_addr *addresses = arena_array(out->arena, count + ingress, sizeof(*addresses));
    size_t parsed = parse_addresses(service->spec->external_ips, count, addresses);
    for (size_t i = 0; i < ingress; i++) {
        char *text = balancer->ingress[i]->ip;
        parsed += text == NULL ? 0 : parse_addresses(&text, 1, addresses + parsed);
    }
    out->external_ips = addresses;
    out->external_ip_count = parsed;
}

static enum service_kind kind_of(const Core__V1__ServiceSpec *spec)
{
    if (is(spec->type, "ExternalName")) {
        return SERVICE_EXTERNAL_NAME;
    }
    if (is(spec->cluster_ip, "None")) {
        return SERVICE_HEADLESS;
    }
    return is(spec->type, "NodePort") || is(spec->type, "LoadBalancer") ? SERVICE_NODE_PORT
                                                                        : SERVICE_CLUSTER_IP;
}

static uint32_t affinity_seconds(const Core__V1__ServiceSpec *spec)
{
    const Core__V1__SessionAffinityConfig *config = spec->session_affinity_config;
    if (!is(spec->session_affinity, "ClientIP")) {
        return 0;
    }
    if (config != NULL && config->client_ip != NULL && config->client_ip->timeout_seconds > 0) {
        return (uint32_t)config->client_ip->timeout_seconds;
    }
    return 10800; /* The API's default (k8s core/v1 ClientIPConfig). */
}

struct service_spec *service_spec_from(const void *message)
{
    const Core__V1__Service *service = message;
    static const Core__V1__ServiceSpec nothing = CORE__V1__SERVICE_SPEC__INIT;
    const Core__V1__ServiceSpec *spec = service->spec == NULL ? &nothing : service->spec;
    struct arena *arena = arena_new(SIZE_MAX);
    struct service_spec *out = arena_zeroed(arena, sizeof(*out));
    const char *namespace_name;
    const char *name;
    network_object_name(message, &namespace_name, &name);
    *out = (struct service_spec){
        .arena = arena,
        .namespace_name = arena_text(arena, namespace_name),
        .name = arena_text(arena, name),
        .kind = kind_of(spec),
        .external_name = arena_text(arena, text_or_empty(spec->external_name)),
        .affinity_seconds = affinity_seconds(spec),
        .internal_local = is(spec->internal_traffic_policy, "Local"),
        .external_local = is(spec->external_traffic_policy, "Local"),
        .publish_not_ready = spec->publish_not_ready_addresses != 0,
    };
    if (out->kind == SERVICE_CLUSTER_IP || out->kind == SERVICE_NODE_PORT) {
        (void)api_ipv4_parse(text_or_empty(spec->cluster_ip), &out->cluster_ip); /* Else stays 0. */
    }
    copy_service_ports(out, spec);
    if (service->spec != NULL) {
        copy_external_ips(out, service);
    }
    return out;
}

void network_object_name(const void *service_message, const char **ret_namespace,
                         const char **ret_name)
{
    const Core__V1__Service *service = service_message;
    const Meta__V1__ObjectMeta *metadata = service->metadata;
    *ret_namespace = metadata == NULL ? "" : text_or_empty(metadata->namespace_);
    *ret_name = metadata == NULL ? "" : text_or_empty(metadata->name);
}

/* ---- EndpointSlice ---- */

static void copy_endpoint(struct arena *arena, const Discovery__V1__Endpoint *from,
                          struct endpoint *to)
{
    struct in_addr *addresses = arena_array(arena, from->n_addresses, sizeof(*addresses));
    const Discovery__V1__EndpointConditions *conditions = from->conditions;
    /* KEP-1672: an unset `ready` or `serving` means true, an unset `terminating` false. */
    bool ready = conditions == NULL || !conditions->has_ready || conditions->ready;
    *to = (struct endpoint){
        .addresses = addresses,
        .address_count = parse_addresses(from->addresses, from->n_addresses, addresses),
        .hostname = arena_text(arena, text_or_empty(from->hostname)),
        .node_name = arena_text(arena, text_or_empty(from->node_name)),
        .ready = ready,
        .serving = conditions != NULL && conditions->has_serving ? conditions->serving : ready,
        .terminating = conditions != NULL && conditions->has_terminating && conditions->terminating,
    };
}

static const char *service_label(const Meta__V1__ObjectMeta *metadata)
{
    for (size_t i = 0; metadata != NULL && i < metadata->n_labels; i++) {
        if (is(metadata->labels[i]->key, "kubernetes.io/service-name")) {
            return text_or_empty(metadata->labels[i]->value);
        }
    }
    return "";
}

struct slice_spec *slice_spec_from(const void *message)
{
    const Discovery__V1__EndpointSlice *slice = message;
    const char *service = service_label(slice->metadata);
    if (service[0] == '\0' || !is(slice->address_type, "IPv4")) {
        return NULL;
    }
    struct arena *arena = arena_new(SIZE_MAX);
    struct slice_spec *out = arena_zeroed(arena, sizeof(*out));
    struct service_port *ports = arena_array(arena, slice->n_ports, sizeof(*ports));
    struct endpoint *endpoints = arena_array(arena, slice->n_endpoints, sizeof(*endpoints));
    for (size_t i = 0; i < slice->n_ports; i++) {
        ports[i] = (struct service_port){
            .name = arena_text(arena, text_or_empty(slice->ports[i]->name)),
            .protocol = protocol_name(slice->ports[i]->protocol),
            .port = port_number(slice->ports[i]->port),
        };
    }
    for (size_t i = 0; i < slice->n_endpoints; i++) {
        copy_endpoint(arena, slice->endpoints[i], &endpoints[i]);
    }
    const char *namespace_name;
    const char *name;
    network_slice_name(message, &namespace_name, &name);
    *out = (struct slice_spec){
        .arena = arena,
        .namespace_name = arena_text(arena, namespace_name),
        .name = arena_text(arena, name),
        .service_name = arena_text(arena, service),
        .ports = ports,
        .port_count = slice->n_ports,
        .endpoints = endpoints,
        .endpoint_count = slice->n_endpoints,
    };
    return out;
}

void network_slice_name(const void *slice_message, const char **ret_namespace,
                        const char **ret_name)
{
    const Discovery__V1__EndpointSlice *slice = slice_message;
    const Meta__V1__ObjectMeta *metadata = slice->metadata;
    *ret_namespace = metadata == NULL ? "" : text_or_empty(metadata->namespace_);
    *ret_name = metadata == NULL ? "" : text_or_empty(metadata->name);
}
