/* Limits of the node's networking: how much of what the API gives is taken in. */
#ifndef AGENT_NETWORK_LIMITS_H
#define AGENT_NETWORK_LIMITS_H

enum {
    NETWORK_SERVICES_MAX = 50000,
    NETWORK_ENDPOINTS_PER_PORT_MAX = 1000, /* More are left out: a rule holds one map of them. */
    NETWORK_OBJECT_BYTES_MAX = 4 * 1024 * 1024, /* One Service or EndpointSlice, decoded. */
    NFT_SCRIPT_BYTES_MAX = 64 * 1024 * 1024,
    DNS_MESSAGE_BYTES_MAX = 65535,
    DNS_UDP_BYTES_DEFAULT = 512, /* RFC 1035 4.2.1, without EDNS. */
    DNS_UDP_BYTES_MAX = 1232,    /* What crosses any IPv6 path unfragmented; asked by EDNS. */
    DNS_PENDING_MAX = 1024,      /* Queries waiting for the upstream resolver. */
    DNS_TCP_CONNECTIONS_MAX = 256,
    DNS_UPSTREAM_TIMEOUT_MS = 2000,
    DNS_UPSTREAM_TRIES = 3,
    DNS_TCP_IDLE_MS = 10000,
    DNS_TTL_SECONDS = 5, /* As CoreDNS's kubernetes plugin. */
    DNS_ANSWERS_MAX = 500,
};

#endif
