/* The ports of a Service as one pod serves them, and groups of pods that serve the same. Internal
 * to controllers/endpoints. Pure. */
#ifndef CONTROLLERS_ENDPOINTS_ENDPOINTS_PORTS_H
#define CONTROLLERS_ENDPOINTS_ENDPOINTS_PORTS_H
#include "k8s/core_v1.pb-c.h"
#include "lib/base/arena.h"
#include <stdbool.h>

struct served_port {
    const char *name; /* "" for the unnamed one. */
    const char *protocol;
    const char *app_protocol; /* NULL for none. */
    int32_t port;
};

struct served_ports {
    struct served_port *items; /* In the order of the service. */
    size_t count;
};

struct served_ports served_ports(struct arena *arena, const Core__V1__Service *service,
                                 const Core__V1__Pod *pod);
bool served_ports_equal(const struct served_ports *a, const struct served_ports *b);

struct port_group {
    struct served_ports ports;
    const Core__V1__Pod **pods;
    size_t count;
};

/* Pods by the ports that they serve; returns how many groups. */
size_t port_groups(struct arena *arena, const Core__V1__Service *service,
                   const Core__V1__Pod *const *pods, size_t pod_count,
                   struct port_group **ret_groups);

bool service_headless(const Core__V1__Service *service);
/* Pods that have ended, or have no address, serve nobody. */
bool pod_serves(const Core__V1__Pod *pod);
#endif
