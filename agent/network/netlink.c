#include "agent/network/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    NETLINK_BUFFER_BYTES = 8192,
    ROUTE_PROTOCOL_CORACLE = 92 /* Tells our routes from others'. */
};

int netlink_prefix_parse(const char *text, struct netlink_prefix *ret_prefix)
{
    const char *slash = strchr(text, '/');
    char address[INET_ADDRSTRLEN];
    if (slash == NULL || (size_t)(slash - text) >= sizeof(address)) {
        return -EINVAL;
    }
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    char *end;
    unsigned long length = strtoul(slash + 1, &end, 10);
    struct netlink_prefix prefix;
    if (end == slash + 1 || *end != '\0' || length > 32 ||
        inet_pton(AF_INET, address, &prefix.address) != 1) {
        return -EINVAL;
    }
    prefix.length = (uint8_t)length;
    uint32_t mask = length == 0 ? 0 : ~UINT32_C(0) << (32 - length);
    prefix.address.s_addr &= htonl(mask);
    *ret_prefix = prefix;
    return 0;
}

/* Sends one request and waits for its acknowledgement. */
static int transact(struct nlmsghdr *message)
{
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (socket == NULL) {
        return -errno;
    }
    message->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
    message->nlmsg_seq = 1;
    int result = 0;
    char answer[NETLINK_BUFFER_BYTES];
    if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
        mnl_socket_sendto(socket, message, message->nlmsg_len) < 0) {
        result = -errno;
    } else {
        ssize_t size = mnl_socket_recvfrom(socket, answer, sizeof(answer));
        if (size < 0 || mnl_cb_run(answer, (size_t)size, /* seq= */ 1,
                                   mnl_socket_get_portid(socket), NULL, NULL) < 0) {
            result = -errno;
        }
    }
    (void)mnl_socket_close(socket); /* Nothing is left to lose. */
    return result;
}

static struct nlmsghdr *route_message(char *buffer, uint16_t type, struct netlink_prefix to)
{
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    message->nlmsg_type = type;
    struct rtmsg *route = mnl_nlmsg_put_extra_header(message, sizeof(*route));
    route->rtm_family = AF_INET;
    route->rtm_dst_len = to.length;
    route->rtm_protocol = ROUTE_PROTOCOL_CORACLE;
    route->rtm_table = RT_TABLE_MAIN;
    route->rtm_type = RTN_UNICAST;
    route->rtm_scope = RT_SCOPE_UNIVERSE;
    mnl_attr_put_u32(message, RTA_DST, to.address.s_addr);
    return message;
}

int netlink_route_replace(struct netlink_prefix to, struct in_addr gateway)
{
    char buffer[NETLINK_BUFFER_BYTES];
    struct nlmsghdr *message = route_message(buffer, RTM_NEWROUTE, to);
    message->nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE;
    mnl_attr_put_u32(message, RTA_GATEWAY, gateway.s_addr);
    return transact(message);
}

int netlink_route_remove(struct netlink_prefix to)
{
    char buffer[NETLINK_BUFFER_BYTES];
    int result = transact(route_message(buffer, RTM_DELROUTE, to));
    return result == -ESRCH ? 0 : result;
}

static int loopback_change(uint16_t type, struct in_addr address)
{
    char buffer[NETLINK_BUFFER_BYTES];
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    message->nlmsg_type = type;
    message->nlmsg_flags = type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0;
    struct ifaddrmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
    header->ifa_family = AF_INET;
    header->ifa_prefixlen = 32;
    header->ifa_scope = RT_SCOPE_UNIVERSE;
    header->ifa_index = if_nametoindex("lo");
    mnl_attr_put_u32(message, IFA_LOCAL, address.s_addr);
    mnl_attr_put_u32(message, IFA_ADDRESS, address.s_addr);
    return transact(message);
}

int netlink_loopback_add(struct in_addr address)
{
    int result = loopback_change(RTM_NEWADDR, address);
    return result == -EEXIST ? 0 : result;
}
