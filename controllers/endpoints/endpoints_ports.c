#include "controllers/endpoints/endpoints_ports.h"

#include "controllers/pod_state.h"
#include "lib/api/intstr.h"
#include <string.h>

bool service_headless(const Core__V1__Service *service)
{
    return text_is(service->spec->cluster_ip, "None");
}

bool pod_serves(const Core__V1__Pod *pod)
{
    return !pod_finished(pod) && !text_empty(pod->status->pod_ip);
}

static const char *protocol_of(const char *protocol)
{
    return text_empty(protocol) ? "TCP" : protocol;
}

static int32_t named_port(Core__V1__Container *const *containers, size_t count, const char *name,
                          const char *protocol)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < containers[i]->n_ports; j++) {
            const Core__V1__ContainerPort *port = containers[i]->ports[j];
            if (text_is(port->name, name) && text_is(protocol_of(port->protocol), protocol)) {
                return port->container_port;
            }
        }
    }
    return 0;
}

/* The port of the pod that a service port leads to; 0 when the pod has no port of that name. */
static int32_t target_of(const Core__V1__ServicePort *port, const Core__V1__Pod *pod)
{
    if (intstr_is_text(port->target_port)) {
        const char *name = intstr_text(port->target_port);
        int32_t found = named_port(pod->spec->containers, pod->spec->n_containers, name,
                                   protocol_of(port->protocol));
        return found != 0 ? found
                          : named_port(pod->spec->init_containers, pod->spec->n_init_containers,
                                       name, protocol_of(port->protocol));
    }
    int32_t number = intstr_int(port->target_port);
    return number == 0 ? port->port : number;
}

struct served_ports served_ports(struct arena *arena, const Core__V1__Service *service,
                                 const Core__V1__Pod *pod)
{
    struct served_ports ports = {0};
    ports.items = arena_array(arena, service->spec->n_ports + 1, sizeof(*ports.items));
    for (size_t i = 0; i < service->spec->n_ports; i++) {
        const Core__V1__ServicePort *port = service->spec->ports[i];
        int32_t number = target_of(port, pod);
        if (number == 0) {
            continue;
        }
        ports.items[ports.count++] = (struct served_port){
            .name = port->name == NULL ? "" : port->name,
            .protocol = protocol_of(port->protocol),
            .app_protocol = port->app_protocol,
            .port = number,
        };
    }
    return ports;
}

bool served_ports_equal(const struct served_ports *a, const struct served_ports *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        const struct served_port *left = &a->items[i], *right = &b->items[i];
        if (left->port != right->port || strcmp(left->name, right->name) != 0 ||
            strcmp(left->protocol, right->protocol) != 0 ||
            !text_is(left->app_protocol, right->app_protocol == NULL ? "" : right->app_protocol)) {
            return false;
        }
    }
    return true;
}

size_t port_groups(struct arena *arena, const Core__V1__Service *service,
                   const Core__V1__Pod *const *pods, size_t pod_count,
                   struct port_group **ret_groups)
{
    struct port_group *groups = arena_array(arena, pod_count + 1, sizeof(*groups));
    size_t count = 0;
    for (size_t i = 0; i < pod_count; i++) {
        if (!pod_serves(pods[i])) {
            continue;
        }
        struct served_ports ports = served_ports(arena, service, pods[i]);
        if (ports.count == 0 && !service_headless(service)) {
            continue; /* Nothing leads there. */
        }
        size_t at = 0;
        while (at < count && !served_ports_equal(&groups[at].ports, &ports)) {
            at++;
        }
        if (at == count) {
            groups[count++] = (struct port_group){.ports = ports};
            groups[at].pods = arena_array(arena, pod_count, sizeof(*groups[at].pods));
        }
        groups[at].pods[groups[at].count++] = pods[i];
    }
    *ret_groups = groups;
    return count;
}
