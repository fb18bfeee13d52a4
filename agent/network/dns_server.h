/* The node's DNS server: UDP and TCP on one address, cluster names from a service table, the rest
 * from the upstream resolvers. One libuv loop; close is asynchronous. */
#ifndef AGENT_NETWORK_DNS_SERVER_H
#define AGENT_NETWORK_DNS_SERVER_H
#include "agent/network/service_table.h"
#include "lib/base/error.h"

struct dns_server; /* Opaque. */
typedef struct uv_loop_s uv_loop_t;

struct dns_server_config {
    uv_loop_t *loop;
    const struct service_table *table; /* Read on the loop; outlives the server. */
    const char *domain;                /* Copied. */
    struct in_addr address;
    uint16_t port;
    const struct in_addr *upstreams; /* Copied; asked in turn. */
    size_t upstream_count;
    uint16_t upstream_port; /* 53, but in tests. */
};

MUST_USE int dns_server_open(const struct dns_server_config *config, struct dns_server **ret_server,
                             struct error *reterr);
void dns_server_close(struct dns_server *server, void (*closed)(void *data), void *data);

/* Reads `nameserver` lines (IPv4 only, those in 127.0.0.0/8 left out: seen from a pod they are the
 * pod). At most `max`; returns how many. */
size_t dns_upstreams_parse(struct slice resolv_conf, struct in_addr *ret_upstreams, size_t max);
#endif
