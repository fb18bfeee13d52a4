/* Answers one DNS query from the service table: the names of Services and pods (Kubernetes DNS
 * specification 1.1.0), or says that the upstream resolver should be asked. Pure: bytes in, bytes
 * out. Messages are parsed and built by ldns. */
#ifndef AGENT_NETWORK_DNS_ANSWER_H
#define AGENT_NETWORK_DNS_ANSWER_H
#include "agent/network/service_table.h"
#include "lib/base/buffer.h"

enum dns_verdict {
    DNS_ANSWERED, /* `answer` holds the message to send back. */
    DNS_FORWARD,  /* Not a name of the cluster. */
    DNS_DROP,     /* Not a query; an answer would only help an attacker. */
};

/* `domain` is the cluster's, without a final dot. `size_max` is what the transport carries at most
 * (DNS_UDP_BYTES_DEFAULT for UDP, raised by the query's EDNS size to at most DNS_UDP_BYTES_MAX;
 * DNS_MESSAGE_BYTES_MAX for TCP); a longer answer is cut and says so (TC). */
enum dns_verdict dns_answer(const struct service_table *table, const char *domain,
                            struct slice query, size_t size_max, struct buffer *answer);
/* The message that says SERVFAIL to `query`, for when no upstream answers. False when `query` is
 * too short to be answered. */
MUST_USE bool dns_answer_failure(struct slice query, struct buffer *answer);
#endif
