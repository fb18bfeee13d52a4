/* What the node's networking reads from and writes to files of its machine: forwarding switches,
 * the CNI configuration, the upstream resolvers. Small files, at start-up and when the cluster is
 * told. */
#ifndef AGENT_NETWORK_NODE_SETUP_H
#define AGENT_NETWORK_NODE_SETUP_H
#include "lib/base/compiler.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

/* Turns on IP forwarding and, where the kernel has it, netfilter for bridged packets; says whether
 * the latter is on (docs/decisions/bridge-netfilter.md). */
bool node_set_forwarding(void);
/* Replaces the CNI configuration list in one step. 0 or a negative errno. */
MUST_USE int node_write_cni(const char *path, const char *bridge, const char *pod_cidr,
                            const char *state_dir);
/* The resolvers of /etc/resolv.conf that pods can be served from; how many. */
size_t node_read_upstreams(struct in_addr *ret_upstreams, size_t max);
#endif
