/* The node's networking: CNI configuration from the node's own range, routes to the other nodes'
 * ranges, Service rules, cluster DNS. Fed by the agent through network_hooks. One libuv loop; the
 * kernel is changed on a worker thread, one transaction at a time. Needs CAP_NET_ADMIN. */
#ifndef AGENT_NETWORK_NETWORK_H
#define AGENT_NETWORK_NETWORK_H
#include "agent/network_hooks.h"
#include "lib/base/error.h"
#include "lib/base/metrics.h"
#include <netinet/in.h>

struct network; /* Opaque. */
typedef struct uv_loop_s uv_loop_t;

struct network_config {
    uv_loop_t *loop;
    const char *cni_conf_dir;        /* Where the runtime looks for its CNI configuration. */
    const char *cni_state_dir;       /* Where host-local keeps which addresses are taken. */
    const char *bridge;              /* NULL: "cni0". */
    const struct in_addr *upstreams; /* NULL: those of /etc/resolv.conf. */
    size_t upstream_count;
    struct metrics *metrics; /* May be NULL. */
};

/* Texts are copied. Nothing is changed in the kernel before the cluster is known. */
MUST_USE int network_open(const struct network_config *config, struct network **ret_network,
                          struct error *reterr);
/* What the agent calls; valid until the network is closed. */
struct network_hooks network_hooks(struct network *network);
/* Rules and routes stay, so that Services work while the agent restarts; the DNS server ends. */
void network_close(struct network *network, void (*closed)(void *data), void *data);
#endif
