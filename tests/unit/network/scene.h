/* Short ways to write Services and EndpointSlices in tests of the node's networking. */
#ifndef TESTS_UNIT_NETWORK_SCENE_H
#define TESTS_UNIT_NETWORK_SCENE_H
#include "agent/network/service_table.h"

#include <arpa/inet.h>

static inline struct in_addr scene_ip(const char *text)
{
    struct in_addr address = {0};
    if (text[0] != '\0') {
        (void)inet_pton(AF_INET, text, &address);
    }
    return address;
}

/* A Service default/<name> with one TCP port 80 named "http". */
static inline struct service_spec *scene_service(const char *name, const char *ip,
                                                 uint16_t node_port)
{
    struct arena *arena = arena_new(SIZE_MAX);
    struct service_port *port = arena_zeroed(arena, sizeof(*port));
    *port = (struct service_port){
        .name = "http", .protocol = "tcp", .port = 80, .node_port = node_port};
    struct service_spec *spec = arena_zeroed(arena, sizeof(*spec));
    *spec = (struct service_spec){
        .arena = arena,
        .namespace_name = "default",
        .name = arena_text(arena, name),
        .kind = node_port != 0 ? SERVICE_NODE_PORT : SERVICE_CLUSTER_IP,
        .cluster_ip = scene_ip(ip),
        .external_name = "",
        .ports = port,
        .port_count = 1,
    };
    return spec;
}

/* A slice of it: one ready endpoint per address, port 8080, named pod-0, pod-1 …; the first is on
 * node "here", the others on "there". */
static inline struct slice_spec *scene_slice(const char *service, const char *name,
                                             const char *const *addresses, size_t count)
{
    struct arena *arena = arena_new(SIZE_MAX);
    struct service_port *port = arena_zeroed(arena, sizeof(*port));
    *port = (struct service_port){.name = "http", .protocol = "tcp", .port = 8080};
    struct endpoint *endpoints = arena_array(arena, count, sizeof(*endpoints));
    for (size_t i = 0; i < count; i++) {
        struct in_addr *address = arena_zeroed(arena, sizeof(*address));
        *address = scene_ip(addresses[i]);
        endpoints[i] = (struct endpoint){
            .addresses = address,
            .address_count = 1,
            .hostname = arena_printf(arena, "pod-%zu", i),
            .node_name = i == 0 ? "here" : "there",
            .ready = true,
            .serving = true,
        };
    }
    struct slice_spec *spec = arena_zeroed(arena, sizeof(*spec));
    *spec = (struct slice_spec){
        .arena = arena,
        .namespace_name = "default",
        .name = arena_text(arena, name),
        .service_name = arena_text(arena, service),
        .ports = port,
        .port_count = 1,
        .endpoints = endpoints,
        .endpoint_count = count,
    };
    return spec;
}
#endif
