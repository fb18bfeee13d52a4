/* Routes and addresses by rtnetlink (libmnl). Each call opens a socket, waits for the kernel's
 * answer and closes it: call them on a worker thread. IPv4. */
#ifndef AGENT_NETWORK_NETLINK_H
#define AGENT_NETWORK_NETLINK_H
#include "lib/base/compiler.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct netlink_prefix {
    struct in_addr address;
    uint8_t length; /* 0-32 */
};

static inline bool netlink_prefix_equal(struct netlink_prefix a, struct netlink_prefix b)
{
    return a.address.s_addr == b.address.s_addr && a.length == b.length;
}

/* "10.244.1.0/24"; host bits are cleared. 0 or -EINVAL. */
MUST_USE int netlink_prefix_parse(const char *text, struct netlink_prefix *ret_prefix);

/* Adds the route to `to` through `gateway`, or replaces the one there is. 0 or a negative errno:
 * -ENETUNREACH when the gateway is on no network of this node. */
MUST_USE int netlink_route_replace(struct netlink_prefix to, struct in_addr gateway);
/* Removing a route that is not there is no error. */
MUST_USE int netlink_route_remove(struct netlink_prefix to);
/* Gives the loopback interface one more address (/32). Existing is no error. */
MUST_USE int netlink_loopback_add(struct in_addr address);
#endif
